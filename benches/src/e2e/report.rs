//! The results as a page that says what was measured with what.

use std::fmt::Write as _;

use anyhow::Result;
use lacuna_benches::corpus::{Person, Role, Written};

use super::{
    bars::{Bar, Limit, bars},
    bench::Bench,
    case::{Case, Work},
    machine,
    measure::{Fetched, Measured},
    results::{Results, median, sorted},
    tool::Tool,
};

/// The bars, then the medians of every case and tool.
pub(crate) fn markdown(bench: &Bench, runs: u32, results: &Results) -> Result<String> {
    let mut out = String::from("# Results\n\n");
    let mut versions = Vec::new();
    for tool in results.tools() {
        if let Some(version) = bench.version(tool)? {
            versions.push(format!("{} {version}", tool.name()));
        }
    }
    writeln!(
        out,
        "{}, on {}.\n\
         Medians of {runs} runs that took turns, after one that was not counted; the fastest and the slowest beside them.\n\
         Every command is a process of its own, and its start is in its time. All tools found the same rows.\n\
         What is compared, and what is unfair: [README](README.md).\n",
        versions.join(", "),
        machine::describe()?
    )?;
    out.push_str("| corpus | records | shards | MiB |\n|---|--:|--:|--:|\n");
    for (variant, corpus) in bench.corpora() {
        let Written { rows, bytes, .. } = corpus.written;
        writeln!(out, "| {} | {rows} | {} | {} |", variant.name(), corpus.written.shards(), bytes >> 20)?;
    }
    write_bars(&mut out, &bars(results))?;
    let mut last = None;
    for (case, tool, measured) in results.iter() {
        if last.replace(case) != Some(case) {
            let title = title(bench, case, measured)?;
            writeln!(
                out,
                "\n## {title}\n\n\
                 | tool | seconds | fastest–slowest | times Lacuna's | processor seconds | peak MiB |\n\
                 |---|--:|--:|--:|--:|--:|"
            )?;
        }
        write_row(&mut out, case, tool, measured, results)?;
    }
    Ok(out)
}

fn write_bars(out: &mut String, bars: &[Bar]) -> Result<()> {
    out.push_str(
        "\n## Bars\n\n\
         Those that were measured. Where a floor does the same work, the last column is what the ratio would be with the floor in Lacuna's \
         place;\nin bold, where not even that would hold.\n\n\
         | ratio | bar | measured | holds | its floor |\n|---|--:|--:|---|--:|\n",
    );
    for bar in bars {
        let (Some(measured), Some(holds)) = (bar.measured, bar.holds()) else { continue };
        let limit = match bar.limit {
            Limit::AtMost(limit) => format!("≤ {limit}"),
            Limit::AtLeast(limit) => format!("≥ {limit}"),
        };
        let floor = match bar.floor {
            Some(floor) if bar.is_below_floor() => format!("**{floor:.2}**"),
            Some(floor) => format!("{floor:.2}"),
            None => String::new(),
        };
        let holds = if holds { "yes" } else { "**no**" };
        writeln!(out, "| {} | {limit} | {measured:.2} | {holds} | {floor} |", bar.what)?;
    }
    Ok(())
}

fn write_row(out: &mut String, case: Case, tool: Tool, measured: &[Measured], results: &Results) -> Result<()> {
    let seconds = sorted(measured, |run| run.seconds);
    let lacuna = results.seconds(case.work, case.variant, Tool::Lacuna);
    let ratio = lacuna.map_or_else(String::new, |lacuna| format!("{:.1}", median(&seconds) / lacuna));
    let peak = measured.iter().map(|run| run.peak_bytes).max().unwrap_or_default();
    let spread = match seconds[..] {
        [fastest, .., slowest] => format!("{fastest:.3}–{slowest:.3}"),
        _ => "once".to_owned(),
    };
    writeln!(
        out,
        "| {} | {:.3} | {spread} | {ratio} | {:.2} | {} |",
        name(tool, case.work),
        median(&seconds),
        median(&sorted(measured, |run| run.cpu_seconds)),
        peak >> 20
    )?;
    Ok(())
}

/// Which floor it is, too.
fn name(tool: Tool, work: Work) -> &'static str {
    match (tool, work) {
        (Tool::Floor, Work::ExportCommon | Work::ExportCrowd) => "floor-hit",
        (Tool::Floor, Work::FindLines) => "floor-text",
        (Tool::Floor, Work::PurgeOne | Work::PurgeEvery | Work::PurgeMany) => "re-encode",
        (Tool::Near, Work::PurgeOne | Work::PurgeEvery) => "floor-edit",
        (Tool::Near, Work::FindRare) => "floor-indexed",
        (Tool::Near, Work::ExportCrowd) => "floor-apart",
        (Tool::Floor, Work::FindThrong) => "floor-ask",
        (Tool::Near, Work::PurgeMany) => "the same rows, of one request",
        (Tool::Pyarrow, Work::PurgeOne | Work::PurgeEvery) => "row by row",
        (Tool::Lacuna, Work::SlowStore) => "Lacuna's engine",
        (Tool::Near, Work::SlowStore) => "the same, from this disk",
        (Tool::Floor, Work::SlowStore) => "the same, over Azurite without the wait",
        (Tool::Floor, _) => "floor-id",
        _ => tool.name(),
    }
}

fn title(bench: &Bench, case: Case, measured: &[Measured]) -> Result<String> {
    let written = &bench.corpus(case.variant)?.written;
    let rows = |role| written.person(role).map_or(0, Person::rows);
    let title = case.title();
    Ok(match case.work {
        Work::FindRare | Work::ExportRare | Work::FindLines => format!("{title} ({} rows)", rows(Role::Rare)),
        Work::ExportCommon | Work::Memory => format!("{title} ({} rows)", rows(Role::Common)),
        Work::FindCrowd | Work::ExportCrowd => {
            format!("{title} ({} people, {} rows)", written.crowd.object_ids.len(), written.crowd.rows)
        }
        Work::FindThrong => {
            format!("{title} ({} people, {} rows)", written.throng.object_ids.len(), written.throng.rows)
        }
        Work::SlowStore => {
            let title = format!("{title} ({} rows", rows(Role::Rare));
            match measured.iter().find_map(|run| run.fetched) {
                Some(Fetched { bytes, requests, needed }) => {
                    format!("{title}; {} KiB in {requests} requests, {} KiB needed)", bytes >> 10, needed >> 10)
                }
                None => title + ")",
            }
        }
        Work::Start
        | Work::OneThread
        | Work::TwoThreads
        | Work::EraseOne
        | Work::PurgeOne
        | Work::PurgeEvery
        | Work::PurgeMany
        | Work::RequestOne
        | Work::RequestCrowd => title,
    })
}
