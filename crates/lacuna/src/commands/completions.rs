//! `lacuna completions`: a shell's completion script.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lacuna", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}
