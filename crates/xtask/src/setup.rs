//! Installs what the tests need besides Rust: Azurite with a Node that is new enough for it, and PostgreSQL.
//!
//! PostgreSQL is Debian's. The others come by npm, pinned with their checksums in `servers/package-lock.json`, and lie in the user's cache under a name that
//! follows from the lock file: a changed lock file is installed anew, an installed one is used as it is. No package's install
//! script is run.

use std::env;
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

/// Where PostgreSQL's programs are; installs them when they are not.
pub(crate) fn postgres() -> Result<PathBuf> {
    if let Some(bin) = postgres_programs() {
        return Ok(bin);
    }
    const ADVICE: &str =
        "PostgreSQL is not installed: install it (Debian, Ubuntu: `apt-get install postgresql`), then run this again";
    let _lock = lock(&places::cache()?.join("setup.lock"))?;
    if postgres_programs().is_none() {
        apt_install(&["postgresql"], ADVICE)?;
    }
    postgres_programs().context(ADVICE)
}

/// Of Debian's versions the newest, or else what the search path has.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let has_both = |bin: &PathBuf| ["initdb", "postgres"].iter().all(|program| bin.join(program).is_file());
    versions.into_iter().rev().map(|(_, bin)| bin).chain(env::split_paths(&path)).find(has_both)
}

/// Sees to it that there is an npm.
fn install_npm() -> Result<()> {
    const ADVICE: &str =
        "npm is not installed: install it (Debian, Ubuntu: `apt-get install npm`), then run this again";
    if !is_there("npm") {
        apt_install(&["npm", "nodejs"], ADVICE)?;
        ensure!(is_there("npm"), ADVICE);
    }
    Ok(())
}

/// Installs packages where that can be done without asking; an error with `advice` elsewhere.
fn apt_install(packages: &[&str], advice: &'static str) -> Result<()> {
    ensure!(is_root() && is_there("apt-get"), advice);
    println!("== setup: apt-get install {}", packages.join(" "));
    let apt = |arguments: &[&str]| -> Result<bool> {
        Ok(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?.success())
    };
    let install = [&["install", "-q", "-y", "--no-install-recommends"], packages].concat();
    ensure!(apt(&["update", "-q"])? && apt(&install)?, advice);
    Ok(())
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
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
