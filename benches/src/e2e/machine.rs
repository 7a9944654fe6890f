//! What sort of machine measured.

use std::{fs, thread};

use anyhow::Result;

/// `2 cores of x86_64 (Intel(R) Xeon(R)), 24 GiB of memory, Linux 6.1`, as far as it can be told.
pub(crate) fn describe() -> Result<String> {
    let cores = thread::available_parallelism()?;
    let model = line("/proc/cpuinfo", "model name").map(|model| format!(" ({model})")).unwrap_or_default();
    let kib = line("/proc/meminfo", "MemTotal").and_then(|total| total.split(' ').next()?.parse::<u64>().ok());
    let memory = kib.map(|kib| format!(", {} GiB of memory", kib.div_ceil(1 << 20))).unwrap_or_default();
    Ok(format!("{cores} cores of {}{model}{memory}, {}", std::env::consts::ARCH, std::env::consts::OS))
}

/// What stands behind `name` and a colon in a file of the kernel's.
fn line(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
