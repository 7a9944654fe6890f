//! `lacuna sample`: realistic sample logs, and a lacuna.toml for them.

use std::fmt::Write as _;

use lacuna_benches::corpus::{Format, Role, Sample};

use super::Context;
use crate::args::SampleArgs;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;
use crate::report::Table;
use crate::samples::{self, Samples};
use crate::units::{bytes, count, counted, duration};

pub(super) fn run(args: &SampleArgs, context: Context) -> Result<ExitCode> {
    let mut sample = Sample::new(args.rows);
    sample.seed = args.seed;
    if !args.format.is_empty() {
        let is_chosen = |format: &Format| args.format.iter().any(|chosen| Format::from(*chosen) == *format);
        sample.formats.retain(is_chosen);
    }
    let samples = samples::write(&args.out, &sample, !context.logs)?;
    if args.json {
        output::print_json(&samples.json())?
    } else {
        output::print(&human(&samples))?
    }
    Ok(ExitCode::Done)
}

fn human(samples: &Samples) -> String {
    let written = &samples.written;
    let mut text = format!(
        "Wrote {} in {}, {}, in {}.\n\n",
        counted(written.rows, "record"),
        counted(written.shards() as u64, "shard"),
        bytes(written.bytes),
        duration(samples.elapsed)
    );
    let mut table = Table::new(&["source", "format", ">shards", ">records", ">size"]);
    for source in &written.sources {
        table.row([
            source.name.clone(),
            source.format.name().to_owned(),
            count(source.paths.len() as u64),
            count(source.rows),
            bytes(source.bytes),
        ]);
    }
    text.push_str(&table.show());
    let _ = writeln!(text, "\nThe configuration is {}.", samples.config.display());
    if let Some(person) = written.person(Role::Rare)
        && let Some(email) = person.identifier("email")
    {
        let config = super::demo::quoted(&samples.config.display().to_string());
        let (program, tenant) = (super::demo::program(), &person.tenant);
        let _ = writeln!(
            text,
            "Look for somebody:\n  {program} find --config {config} --tenant {tenant} --subject email={email}"
        );
    }
    text
}
