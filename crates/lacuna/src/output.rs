//! What is written to standard output and standard error. A reader that went away ends nothing.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::{Failure, Result};

/// Writes `text` to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    settle(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes the one JSON document to standard output.
pub(crate) fn print_json(document: &serde_json::Value) -> Result<()> {
    print(&format!("{document}\n"))
}

/// Writes one line to standard error. What cannot be said there can be said nowhere.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether there is somebody to ask: standard input and standard error are a terminal.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Turns a failed write into the command's failure, unless only the reader went away.
pub(crate) fn settle(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::other("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}
