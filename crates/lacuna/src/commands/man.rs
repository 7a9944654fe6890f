//! `lacuna man`: the man page, subcommands included.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::output;

pub(super) fn run() -> Result<ExitCode> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    render(&command, &mut page).map_err(|error| Failure::other("cannot render the man page").because(&error))?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::Done)
}

/// The page of `lacuna`, then the options of each subcommand as sections of the same page.
fn render(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    use std::io::Write as _;
    clap_mangen::Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands() {
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(page, ".SH \"LACUNA {}\"", subcommand.get_name().to_uppercase())?;
        if let Some(about) = subcommand.get_about() {
            writeln!(page, "{about}")?;
        }
        // Sections of a section are subsections.
        let mut options = Vec::new();
        man.render_synopsis_section(&mut options)?;
        man.render_options_section(&mut options)?;
        page.write_all(String::from_utf8_lossy(&options).replace(".SH ", ".SS ").as_bytes())?;
    }
    Ok(())
}
