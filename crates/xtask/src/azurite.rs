//! The Azurite servers that the tests talk to: one over http, one over https that takes bearer tokens.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::setup;

const WRAPPER: &str = include_str!("../servers/azurite.cjs");

/// Where tests find the servers; `lacuna_store::testing` reads these.
const HTTP: &str = "LACUNA_TEST_AZURITE_HTTP";
const HTTPS: &str = "LACUNA_TEST_AZURITE_HTTPS";
const CA: &str = "LACUNA_TEST_AZURITE_CA";

/// The name of the certificate's file.
const CERTIFICATE: &str = "certificate.pem";

/// Azurite's account, the same everywhere.
const ACCOUNT: &str = "devstoreaccount1";

/// Two running servers. They stop when this is dropped, or when this process ends in any other way.
pub(crate) struct Azurite {
    http: Server,
    https: Server,
}

impl Azurite {
    /// Installs Azurite if it is not, and starts both servers with empty stores on free ports.
    pub(crate) fn start() -> Result<Self> {
        let home = setup::servers()?;
        let http = Server::start(&home, tempfile::tempdir()?, &[])?;
        // One self-signed certificate that names the address itself: Azurite is its own client when it copies blocks.
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .context("cannot make a certificate")?;
        let files = tempfile::tempdir()?;
        let (certificate, key) = (files.path().join(CERTIFICATE), files.path().join("key.pem"));
        fs::write(&certificate, certified.cert.pem())?;
        fs::write(&key, certified.signing_key.serialize_pem())?;
        let arguments = ["--oauth", "basic", "--cert", &certificate.to_string_lossy(), "--key", &key.to_string_lossy()];
        let https = Server::start(&home, files, &arguments)?;
        Ok(Self { http, https })
    }

    /// Tells a command's environment where the servers are.
    pub(crate) fn announce(&self, command: &mut Command) {
        command
            .env(HTTP, format!("{}/{ACCOUNT}", self.http.address))
            .env(HTTPS, format!("{}/{ACCOUNT}", self.https.address))
            .env(CA, self.https.files.path().join(CERTIFICATE));
        // A proxy knows nothing of this machine's loopback.
        for name in ["NO_PROXY", "no_proxy"] {
            let given = env::var(name).unwrap_or_default();
            command.env(name, format!("127.0.0.1,localhost,{given}"));
        }
    }
}

/// One server process, which lives as long as the pipe to its standard input.
struct Server {
    process: Child,
    address: String,
    /// Its data and what it was started with. The server itself removes it, unless that one is killed.
    files: TempDir,
}

impl Server {
    fn start(home: &Path, files: TempDir, arguments: &[&str]) -> Result<Self> {
        let wrapper = files.path().join("azurite.cjs");
        fs::write(&wrapper, WRAPPER)?;
        let mut process = Command::new(setup::node(home)?)
            .arg(wrapper)
            .arg(home.join("node_modules/azurite/dist/src/blob/main.js"))
            .arg(files.path())
            .args(["--disableTelemetry", "--silent", "--blobHost", "127.0.0.1", "--blobPort", "0"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Azurite")?;
        let mut lines = BufReader::new(process.stdout.take().context("Azurite's output is not piped")?).lines();
        let mut server = Self { process, address: String::new(), files };
        for line in lines.by_ref() {
            if let Some((_, address)) = line?.split_once("successfully listens on ") {
                address.trim().clone_into(&mut server.address);
                break;
            }
        }
        if server.address.is_empty() {
            bail!("Azurite ended before it listened: {}", server.process.wait()?);
        }
        // What else it says is taken and dropped, so that it never waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if let Err(error) = self.process.wait() {
            eprintln!("Azurite did not end: {error}");
        }
    }
}
