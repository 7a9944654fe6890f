//! The results as a page that says what was measured with what.

use std::{collections::BTreeMap, fmt::Write as _, thread};

use anyhow::Result;

use super::{
    case::{Bench, Case},
    measure::Measured,
    tool::Tool,
};

/// Medians of every case and tool.
pub(crate) fn markdown(bench: &Bench, runs: u32, results: &BTreeMap<(Case, Tool), Vec<Measured>>) -> Result<String> {
    let mut out = String::from("# Results\n\n");
    let mut tools: Vec<Tool> = results.keys().map(|&(_, tool)| tool).collect();
    tools.sort_unstable();
    tools.dedup();
    let mut versions = Vec::new();
    for tool in tools {
        if let Some(version) = bench.version(tool)? {
            versions.push(format!("{} {version}", tool.name()));
        }
    }
    let cores = thread::available_parallelism()?;
    let (rows, shards, mib) = (bench.corpus.rows, bench.corpus.shards(), bench.corpus.bytes >> 20);
    writeln!(
        out,
        "{}, on {cores} cores of {}. {rows} records in {shards} Parquet shards, {mib} MiB.\n\
         Medians of {runs} runs that took turns, after one that was not counted; the fastest and the slowest beside them.\n\
         Every command is a process of its own, and its start is in its time. All tools found the same rows.\n\
         What is compared, and what is unfair: [README](README.md).",
        versions.join(", "),
        std::env::consts::ARCH
    )?;
    let mut last = None;
    for (&(case, tool), runs) in results {
        if last.replace(case) != Some(case) {
            writeln!(
                out,
                "\n## {}\n\n| tool | seconds | fastest–slowest | times Lacuna's | processor seconds | peak MiB |\n|---|--:|--:|--:|--:|--:|",
                title(bench, case)
            )?;
        }
        let seconds = sorted(runs, |run| run.seconds);
        let lacuna = results.get(&(case, Tool::Lacuna)).map(|runs| median(&sorted(runs, |run| run.seconds)));
        let ratio = lacuna.map_or_else(String::new, |lacuna| format!("{:.1}", median(&seconds) / lacuna));
        let peak = runs.iter().map(|run| run.peak_bytes).max().unwrap_or_default();
        writeln!(
            out,
            "| {} | {:.3} | {:.3}–{:.3} | {ratio} | {:.2} | {} |",
            tool.name(),
            median(&seconds),
            seconds.first().copied().unwrap_or_default(),
            seconds.last().copied().unwrap_or_default(),
            median(&sorted(runs, |run| run.cpu_seconds)),
            peak >> 20
        )?;
    }
    Ok(out)
}

fn title(bench: &Bench, case: Case) -> String {
    let rows = |index: usize| bench.corpus.people.get(index).map_or(0, lacuna_benches::corpus::Person::rows);
    let mut title = case.title().to_owned();
    title[..1].make_ascii_uppercase();
    match case {
        Case::Start => title,
        Case::ExportRare => format!("{title} ({} rows)", rows(0)),
        Case::ExportCommon => format!("{title} ({} rows)", rows(1)),
        Case::CountCrowd => {
            format!("{title} ({} people, {} rows)", bench.corpus.crowd.object_ids.len(), bench.corpus.crowd.rows)
        }
        Case::EraseOne => title,
    }
}

fn sorted(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle one; of two, the mean.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted {
        [] => f64::NAN,
        _ if sorted.len() % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
    }
}
