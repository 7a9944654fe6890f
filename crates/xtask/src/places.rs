//! Where things are: the workspace, and the cache outside of it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace's root.
pub(crate) fn workspace() -> PathBuf {
    // This package is two directories below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new(".")).to_owned()
}

/// The user's cache directory for this project, made when it is not there.
pub(crate) fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the cache")?;
    let cache = base.join("lacuna");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

/// Where Cargo builds: where the environment says, or else in the cache, so that the clone stays clean.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
        // A relative one is meant relative to where the command was given.
        Some(given) => Ok(env::current_dir()?.join(given)),
        None => Ok(cache()?.join("target")),
    }
}

/// A `cargo` that works on the workspace.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).env("CARGO_TARGET_DIR", target()?);
    Ok(cargo)
}
