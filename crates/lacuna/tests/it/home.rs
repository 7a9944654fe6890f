//! A folder with a configuration and logs, and the binary run in it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The identifier of the person that the tests look for.
pub(crate) const ALICE: &str = "email=alice@example.org";

/// A folder of its own for each test.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A folder with two tenants' activity and an audit log that is kept. Alice has three records of activity at contoso, one
    /// at fabrikam, and one in the audit log.
    pub(crate) fn with_logs() -> Self {
        let home = Self::empty();
        home.write("lacuna.toml", include_str!("../../../../fixtures/config/two-sources.toml"));
        let line = |tenant: &str, email: &str, n: u32| {
            format!("{{\"TenantId\":\"{tenant}\",\"User\":\"{email}\",\"N\":{n}}}\n")
        };
        home.write(
            "logs/activity/1.ndjson",
            [
                line("contoso", "alice@example.org", 1),
                line("contoso", "bob@example.org", 2),
                line("fabrikam", "alice@example.org", 3),
                line("contoso", "Alice@Example.org", 4),
            ]
            .concat(),
        );
        home.write(
            "logs/activity/2.ndjson",
            [line("contoso", "alice@example.org", 5), line("contoso", "malice@example.org", 6)].concat(),
        );
        home.write("logs/activity/3.ndjson", line("contoso", "bob@example.org", 7));
        home.write("logs/audit/1.ndjson", line("contoso", "alice@example.org", 8));
        home
    }

    /// The same, and a ledger with these lines in its table.
    pub(crate) fn with_ledger(lines: &str) -> Self {
        let home = Self::with_logs();
        let config = home.read("lacuna.toml");
        home.write("lacuna.toml", format!("[ledger]\n{lines}\n{config}"));
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the binary with these arguments, without a terminal and with nothing on standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[], "")
    }

    /// Runs the binary with these environment variables and standard input as well.
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
        let mut child = self.command(args).envs(variables.iter().copied()).spawn().unwrap();
        // A run that fails early may not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::new(child.wait_with_output().unwrap())
    }

    /// Runs the binary where no more than so many files may be open at a time.
    pub(crate) fn run_with_open_files(&self, most: u32, args: &[&str]) -> Ran {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_lacuna")]).args(args).current_dir(self.dir.path());
        Ran::new(command.env("USER", "tester").stdin(Stdio::null()).output().unwrap())
    }

    /// Starts the binary, and leaves it running.
    pub(crate) fn spawn(&self, args: &[&str]) -> std::process::Child {
        self.command(args).spawn().unwrap()
    }

    /// Runs the binary, and interrupts it after a while as Ctrl-C does.
    pub(crate) fn run_and_interrupt(&self, args: &[&str], after: Duration) -> Ran {
        let child = self.command(args).spawn().unwrap();
        let pid = child.id().to_string();
        wait_for_handler(&pid);
        std::thread::sleep(after);
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        Ran::new(child.wait_with_output().unwrap())
    }

    /// Runs the binary, and kills it after a while, if it still runs: whether it did.
    pub(crate) fn run_and_kill(&self, args: &[&str], variables: &[(&str, &str)], after: Duration) -> bool {
        let mut child = self.command(args).envs(variables.iter().copied()).spawn().unwrap();
        std::thread::sleep(after);
        let was_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait_with_output().unwrap();
        was_running
    }

    /// Runs the binary, and closes its standard output after the first bytes.
    pub(crate) fn run_and_hang_up(&self, args: &[&str]) -> Ran {
        let mut child = self.command(args).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let read = stdout.read(&mut [0; 100]).unwrap();
        assert!(read > 0);
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Ran { code: output.status.code(), stdout: String::new(), stderr }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lacuna"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("AZURE_STORAGE_KEY")
            .env_remove("AZURE_STORAGE_SAS_TOKEN")
            .env("USER", "tester")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// All files below `folder`, by path.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(&self.path(folder), &mut files);
        files.sort();
        files
    }
}

/// Waits until the process catches SIGINT: before, it would just die of it.
pub(crate) fn wait_for_handler(pid: &str) {
    const SIGINT: u64 = 1 << 1;
    for _ in 0..3000 {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return };
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        if caught.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & SIGINT != 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit code; shows everything when it is another.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as the one JSON document that it must be.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one document in one line: {}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }
}
