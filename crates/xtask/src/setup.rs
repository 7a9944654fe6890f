//! Installs what the tests need besides Rust: Azurite, and a Node that is new enough for it.
//!
//! Both come by npm, pinned with their checksums in `servers/package-lock.json`, and lie in the user's cache under a name that
//! follows from the lock file: a changed lock file is installed anew, an installed one is used as it is. No package's install
//! script is run.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::places;

const PACKAGE: &str = include_str!("../servers/package.json");
const PACKAGE_LOCK: &str = include_str!("../servers/package-lock.json");

/// The oldest major version of Node that Azurite runs on.
const NODE_MIN: u32 = 22;

/// Where the servers are installed; installs them when they are not.
pub(crate) fn servers() -> Result<PathBuf> {
    let cache = places::cache()?;
    let home = cache.join(format!("servers-{:016x}", hash(PACKAGE_LOCK)));
    if home.is_dir() {
        return Ok(home);
    }
    let _lock = lock(&cache.join("setup.lock"))?;
    // Someone else may have installed them while this waited.
    if home.is_dir() {
        return Ok(home);
    }
    install_npm()?;
    println!("== setup: npm ci (Azurite and Node, into {})", home.display());
    let staged = tempfile::Builder::new().prefix("servers-new-").tempdir_in(&cache)?;
    fs::write(staged.path().join("package.json"), PACKAGE)?;
    fs::write(staged.path().join("package-lock.json"), PACKAGE_LOCK)?;
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"])
        .current_dir(staged.path())
        .status()
        .context("cannot run npm")?;
    ensure!(status.success(), "`npm ci` failed");
    node(staged.path())?;
    fs::rename(staged.keep(), &home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(home)
}

/// The Node to run the servers with: the one that was installed, or the system's where there is no package for the platform.
pub(crate) fn node(home: &Path) -> Result<PathBuf> {
    let own = fs::read_dir(home.join("node_modules"))?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("node-"))
        .map(|entry| entry.path().join("bin/node"))
        .find(|node| node.is_file());
    if let Some(node) = own {
        return Ok(node);
    }
    let version = Command::new("node").arg("--version").output().ok().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(NODE_MIN..) => Ok("node".into()),
        _ => bail!("there is no Node package for this platform: install Node {NODE_MIN} or later"),
    }
}

/// Sees to it that there is an npm.
fn install_npm() -> Result<()> {
    let there = |program: &str| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if there("npm") {
        return Ok(());
    }
    const ADVICE: &str =
        "npm is not installed: install it (Debian, Ubuntu: `apt-get install npm`), then run this again";
    ensure!(is_root() && there("apt-get"), ADVICE);
    println!("== setup: apt-get install npm");
    let apt = |arguments: &[&str]| -> Result<bool> {
        Ok(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?.success())
    };
    let installed =
        apt(&["update", "-q"])? && apt(&["install", "-q", "-y", "--no-install-recommends", "npm", "nodejs"])?;
    ensure!(installed && there("npm"), ADVICE);
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Waits for the lock, and holds it until the answer is dropped.
fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// FNV-1a: the same in every build.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
