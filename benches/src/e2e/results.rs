//! All measurements of a run, and their medians.

use std::collections::BTreeMap;

use super::{
    case::{Case, Work},
    measure::{Fetched, Measured},
    tool::Tool,
};
use crate::variant::Variant;

/// Who took how long.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<(Case, Tool), Vec<Measured>>);

impl Results {
    pub(crate) fn add(&mut self, case: Case, tool: Tool, measured: Measured) {
        self.0.entry((case, tool)).or_default().push(measured);
    }

    /// Case by case.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Case, Tool, &[Measured])> {
        self.0.iter().map(|(&(case, tool), runs)| (case, tool, runs.as_slice()))
    }

    /// The tools that took part in anything.
    pub(crate) fn tools(&self) -> Vec<Tool> {
        let mut tools: Vec<Tool> = self.0.keys().map(|&(_, tool)| tool).collect();
        tools.sort_unstable();
        tools.dedup();
        tools
    }

    /// The median time, if it was measured.
    pub(crate) fn seconds(&self, work: Work, variant: Variant, tool: Tool) -> Option<f64> {
        let runs = self.0.get(&(Case { work, variant }, tool))?;
        Some(median(&sorted(runs, |run| run.seconds)))
    }

    /// The most memory of all runs, if it was measured.
    pub(crate) fn peak(&self, work: Work, variant: Variant, tool: Tool) -> Option<f64> {
        let runs = self.0.get(&(Case { work, variant }, tool))?;
        runs.iter().map(|run| run.peak_bytes as f64).max_by(f64::total_cmp)
    }

    /// The most that any run fetched, if that was counted.
    pub(crate) fn fetched(&self, work: Work, variant: Variant, tool: Tool) -> Option<Fetched> {
        let runs = self.0.get(&(Case { work, variant }, tool))?;
        runs.iter().filter_map(|run| run.fetched).max_by_key(|fetched| fetched.bytes)
    }
}

/// In order.
pub(crate) fn sorted(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle one; of two, the mean.
pub(crate) fn median(sorted: &[f64]) -> f64 {
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
