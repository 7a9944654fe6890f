//! The PostgreSQL server that the ledger's tests and benchmarks talk to.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::setup;

const WRAPPER: &str = include_str!("../servers/postgres.sh");

/// Where tests find the server: an address of a role that may make databases. `lacuna_ledger::testing` reads it.
const ADDRESS: &str = "LACUNA_TEST_POSTGRES";

/// The user that Debian's package runs PostgreSQL as; it refuses to run as root.
const USER: &str = "postgres";

/// Another process may take the port that was found free.
const STARTS_MAX: usize = 5;

/// What a server does for what it is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// What is committed is on the disk, as in earnest.
    Disk,
    /// What is committed is lost with the machine: for tests.
    None,
}

/// A running server. It stops when this is dropped, or when this process ends in any other way.
pub(crate) struct Postgres {
    process: Child,
    address: String,
    /// Its data. The server itself removes it, unless that one is killed.
    _files: TempDir,
}

impl Postgres {
    /// Installs PostgreSQL if it is not, and starts a server with an empty cluster on a free port.
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        let bin = setup::postgres()?;
        for _ in 1..STARTS_MAX {
            if let Ok(server) = Self::try_start(&bin, durability) {
                return Ok(server);
            }
        }
        Self::try_start(&bin, durability)
    }

    /// Tells a command's environment where the server is.
    pub(crate) fn announce(&self, command: &mut Command) {
        command.env(ADDRESS, &self.address);
    }

    fn try_start(bin: &Path, durability: Durability) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("lacuna-postgres-").tempdir()?;
        // Whoever may talk to it may run programs as its user, so not everybody on this machine may.
        let password = password()?;
        fs::write(files.path().join("password"), &password)?;
        let mut command = served_by(&files)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "max_connections=500".to_owned(),
        ];
        if durability == Durability::None {
            settings.extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name}=off")));
        }
        command.args(["-c", WRAPPER, "postgres"]).arg(bin).arg(files.path());
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        let mut process = command
            .current_dir(files.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start PostgreSQL")?;
        let mut lines = BufReader::new(process.stdout.take().context("PostgreSQL's output is not piped")?).lines();
        let address = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
        let mut server = Self { process, address, _files: files };
        let mut said = String::new();
        for line in lines.by_ref() {
            let line = line?;
            if line.contains("ready to accept connections") {
                // What else it says is taken and dropped, so that it never waits for a reader.
                thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
            let _ = writeln!(said, "{line}");
        }
        bail!("PostgreSQL ended before it listened ({}):\n{said}", server.process.wait()?);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if let Err(error) = self.process.wait() {
            eprintln!("PostgreSQL did not end: {error}");
        }
    }
}

/// A shell of a user that PostgreSQL runs as, to whom the files are given.
fn served_by(files: &TempDir) -> Result<Command> {
    if !setup::is_root() {
        return Ok(Command::new("sh"));
    }
    let number = |of: &str| -> Result<u32> {
        let output = Command::new("id").args([of, USER]).output().context("cannot run id")?;
        ensure!(output.status.success(), "PostgreSQL does not run as root, and there is no user `{USER}` to run it as");
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
    };
    let (user, group) = (number("-u")?, number("-g")?);
    chown(files.path().join("password"), Some(user), Some(group))?;
    chown(files.path(), Some(user), Some(group))?;
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).args(["--clear-groups", "sh"]);
    Ok(command)
}

/// 32 random digits.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
