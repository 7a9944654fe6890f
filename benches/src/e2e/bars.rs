//! What Lacuna holds itself to: a ratio for each bar, and whether it holds.

use super::{case::Work, results::Results, tool::Tool};
use crate::variant::Variant;

/// One bar, measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    /// What is compared with what.
    pub(crate) what: String,
    pub(crate) limit: Limit,
    /// `None` when a part of it was not measured.
    pub(crate) measured: Option<f64>,
    /// The same ratio with a floor in Lacuna's place, where there is one for the work and the ratio is not to the floor itself.
    pub(crate) floor: Option<f64>,
}

/// Which ratios hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    fn new(what: String, limit: Limit, measured: Option<f64>) -> Self {
        Self { what, limit, measured, floor: None }
    }

    fn beside(self, floor: Option<f64>) -> Self {
        Self { floor, ..self }
    }

    pub(crate) fn holds(&self) -> Option<bool> {
        self.measured.map(|measured| self.limit.allows(measured))
    }

    /// Whether not even the floor would hold it.
    pub(crate) fn is_below_floor(&self) -> bool {
        self.floor.is_some_and(|floor| !self.limit.allows(floor))
    }
}

impl Limit {
    fn allows(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
        }
    }
}

/// All bars, in the order of the work.
pub(crate) fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for variant in [Variant::Zstd, Variant::Snappy] {
        in_columns(results, variant, &mut bars);
    }
    for variant in [Variant::Dictionary, Variant::Bloom, Variant::Sorted] {
        pruned(results, variant, &mut bars);
    }
    for variant in [Variant::NdjsonZst, Variant::NdjsonGz] {
        in_lines(results, variant, &mut bars);
    }
    let find = |work| results.seconds(work, Variant::Zstd, Tool::Lacuna);
    let threads = |tool| {
        let [one, two] = [Work::OneThread, Work::TwoThreads].map(|work| results.seconds(work, Variant::Zstd, tool));
        ratio(one, two)
    };
    let bar = Bar::new("one thread / two threads, find rare".to_owned(), Limit::AtLeast(1.9), threads(Tool::Lacuna));
    bars.push(bar.beside(threads(Tool::Floor)));
    purges(results, &mut bars);
    let requests = ratio(find(Work::RequestCrowd), find(Work::RequestOne));
    bars.push(Bar::new("1,000 requests in one pass / one".to_owned(), Limit::AtMost(3.0), requests));
    purges_of_many(results, &mut bars);
    far(results, &mut bars);
    memory(results, &mut bars);
    bars
}

fn in_columns(results: &Results, variant: Variant, bars: &mut Vec<Bar>) {
    let name = variant.name();
    let mut bar = |what: &str, limit, measured, floor| {
        bars.push(Bar::new(format!("{name}: {what}"), limit, measured).beside(floor));
    };
    let seconds = |work, tool| results.seconds(work, variant, tool);
    let rare = Work::FindRare;
    let (lacuna, floor) = (seconds(rare, Tool::Lacuna), seconds(rare, Tool::Floor));
    bar("find rare / floor-id", Limit::AtMost(1.2), ratio(lacuna, floor), None);
    for rival in [Tool::Duckdb, Tool::Polars] {
        let (what, rival) = (format!("{} / find rare", rival.name()), seconds(rare, rival));
        bar(&what, Limit::AtLeast(2.0), ratio(rival, lacuna), ratio(rival, floor));
    }
    let common = Work::ExportCommon;
    let at_floor = ratio(seconds(common, Tool::Lacuna), seconds(common, Tool::Floor));
    bar("export common / floor-hit", Limit::AtMost(1.3), at_floor, None);
    let exports = [("export common", common, Tool::Floor), ("export 1,000 users", Work::ExportCrowd, Tool::Near)];
    for (what, work, floor) in exports {
        let (what, fastest) = (format!("fastest rival / {what}"), fastest(results, work, variant));
        let [lacuna, floor] = [Tool::Lacuna, floor].map(|tool| ratio(fastest, seconds(work, tool)));
        bar(&what, Limit::AtLeast(1.5), lacuna, floor);
    }
    let [many, floor] = [Tool::Lacuna, Tool::Floor].map(|tool| ratio(seconds(Work::FindThrong, tool), lacuna));
    bar("find 100,000 users / find 1", Limit::AtMost(1.5), many, floor);
}

/// Where a dictionary, a filter or an order tells.
fn pruned(results: &Results, variant: Variant, bars: &mut Vec<Bar>) {
    let name = variant.name();
    let mut bar = |what: &str, limit, measured, floor| {
        bars.push(Bar::new(format!("{name}: {what}"), limit, measured).beside(floor));
    };
    let seconds = |tool| results.seconds(Work::FindRare, variant, tool);
    let floor = seconds(if variant.is_indexed() { Tool::Near } else { Tool::Floor });
    let lacuna = seconds(Tool::Lacuna);
    let without = results.seconds(Work::FindRare, Variant::Zstd, Tool::Lacuna);
    let limit = Limit::AtMost(0.1);
    bar("find rare / find rare without", limit, ratio(lacuna, without), ratio(floor, without));
    for rival in [Tool::Duckdb, Tool::Polars] {
        let (what, rival) = (format!("{} / find rare", rival.name()), seconds(rival));
        bar(&what, Limit::AtLeast(10.0), ratio(rival, lacuna), ratio(rival, floor));
    }
}

fn in_lines(results: &Results, variant: Variant, bars: &mut Vec<Bar>) {
    let name = variant.name();
    let mut bar = |what: &str, limit, measured, floor| {
        bars.push(Bar::new(format!("{name}: {what}"), limit, measured).beside(floor));
    };
    let seconds = |tool| results.seconds(Work::FindLines, variant, tool);
    let (lacuna, floor) = (seconds(Tool::Lacuna), seconds(Tool::Floor));
    bar("find rare / floor-text", Limit::AtMost(1.3), ratio(lacuna, floor), None);
    for (rival, what, limit) in
        [(Tool::Duckdb, "DuckDB", 5.0), (Tool::Jq, "jq", 5.0), (Tool::Rg, "decompressor and rg", 1.0)]
    {
        let (what, rival) = (format!("{what} / find rare"), seconds(rival));
        bar(&what, Limit::AtLeast(limit), ratio(rival, lacuna), ratio(rival, floor));
    }
}

fn purges(results: &Results, bars: &mut Vec<Bar>) {
    let mut bar = |what: String, limit, measured, floor| bars.push(Bar::new(what, limit, measured).beside(floor));
    let cases =
        [(Work::PurgeOne, "one row", 0.15, 8.0, 20.0), (Work::PurgeEvery, "rows of every row group", 0.4, 3.0, 7.0)];
    for (work, name, of_encoding, of_duckdb, of_rows) in cases {
        let seconds = |tool| results.seconds(work, Variant::Zstd, tool);
        let (lacuna, floor) = (seconds(Tool::Lacuna), seconds(Tool::Near));
        let (what, limit, other) =
            (format!("purge {name} / re-encoding"), Limit::AtMost(of_encoding), seconds(Tool::Floor));
        bar(what, limit, ratio(lacuna, other), ratio(floor, other));
        for (what, rival, limit) in [("DuckDB", Tool::Duckdb, of_duckdb), ("row by row", Tool::Pyarrow, of_rows)] {
            let rival = seconds(rival);
            bar(format!("{what} / purge {name}"), Limit::AtLeast(limit), ratio(rival, lacuna), ratio(rival, floor));
        }
        let peak = results.peak(work, Variant::Zstd, Tool::Lacuna);
        let peak = ratio(peak, Some(f64::from(128 << 20)));
        bar(format!("peak memory: purge {name} / 128 MiB"), Limit::AtMost(1.0), peak, None);
    }
}

fn purges_of_many(results: &Results, bars: &mut Vec<Bar>) {
    let seconds = |tool| results.seconds(Work::PurgeMany, Variant::Zstd, tool);
    let of_one = ratio(seconds(Tool::Lacuna), seconds(Tool::Near));
    bars.push(Bar::new("purge 1,000 requests / one with the same rows".to_owned(), Limit::AtMost(2.0), of_one));
    let peak = ratio(results.peak(Work::PurgeMany, Variant::Zstd, Tool::Lacuna), Some(f64::from(128 << 20)));
    bars.push(Bar::new("peak memory: purge 1,000 requests / 128 MiB".to_owned(), Limit::AtMost(1.0), peak));
}

fn far(results: &Results, bars: &mut Vec<Bar>) {
    let fetched = results.fetched(Work::SlowStore, Variant::Zstd, Tool::Lacuna);
    let fetched = fetched.map(|fetched| fetched.bytes as f64 / fetched.needed as f64);
    bars.push(Bar::new("over Azurite: bytes fetched / bytes needed".to_owned(), Limit::AtMost(1.1), fetched));
    let seconds = |tool| results.seconds(Work::SlowStore, Variant::Zstd, tool);
    let [lacuna, floor] = [Tool::Lacuna, Tool::Floor].map(|tool| {
        let beyond_a_second = seconds(tool).map(|seconds| (seconds - 1.0).max(0.0));
        ratio(beyond_a_second, seconds(Tool::Near))
    });
    let what = "over Azurite: find rare, less a second / find rare from this disk".to_owned();
    bars.push(Bar::new(what, Limit::AtMost(2.0), lacuna).beside(floor));
}

fn memory(results: &Results, bars: &mut Vec<Bar>) {
    let mut bar = |what: &str, limit, measured| bars.push(Bar::new(format!("peak memory: {what}"), limit, measured));
    for (what, work) in [("find rare", Work::FindRare), ("export common", Work::ExportCommon)] {
        let peak = |tool| results.peak(work, Variant::Zstd, tool);
        bar(&format!("{what} / Polars"), Limit::AtMost(1.0), ratio(peak(Tool::Lacuna), peak(Tool::Polars)));
    }
    let [one, ten] = [Variant::OneGb, Variant::TenGb].map(|size| results.peak(Work::Memory, size, Tool::Lacuna));
    bar("a shard of 10 GB / 512 MiB", Limit::AtMost(1.0), ratio(ten, Some(f64::from(512 << 20))));
    // What is as flat as measurements are.
    bar("a shard of 10 GB / one of 1 GB", Limit::AtMost(1.1), ratio(ten, one));
}

fn fastest(results: &Results, work: Work, variant: Variant) -> Option<f64> {
    let rivals = [Tool::Duckdb, Tool::Polars, Tool::Pyarrow];
    rivals.into_iter().filter_map(|rival| results.seconds(work, variant, rival)).min_by(f64::total_cmp)
}

fn ratio(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::{
        case::Case,
        measure::{Fetched, Measured},
    };

    fn results(seconds: &[(Work, Variant, Tool, f64)]) -> Results {
        let mut results = Results::default();
        for &(work, variant, tool, seconds) in seconds {
            results.add(Case { work, variant }, tool, Measured::of(seconds, 1 << 20));
        }
        results
    }

    #[test]
    fn bars_hold_on_the_right_side_of_their_limit() {
        let (rare, zstd) = (Work::FindRare, Variant::Zstd);
        let results = results(&[
            (rare, zstd, Tool::Lacuna, 1.0),
            (rare, zstd, Tool::Floor, 0.9),
            (rare, zstd, Tool::Duckdb, 1.9),
            (rare, Variant::Sorted, Tool::Lacuna, 0.1),
        ]);
        let bars = bars(&results);
        let holds = |what: &str| bars.iter().find(|bar| bar.what == what).unwrap().holds();
        assert_eq!(holds("zstd: find rare / floor-id"), Some(true));
        assert_eq!(holds("zstd: DuckDB / find rare"), Some(false));
        assert_eq!(holds("zstd: Polars / find rare"), None);
        assert_eq!(holds("sorted: find rare / find rare without"), Some(true));
        assert_eq!(holds("snappy: find rare / floor-id"), None);
    }

    #[test]
    fn a_slow_store_is_forgiven_a_second_and_no_byte_too_many() {
        let case = Case { work: Work::SlowStore, variant: Variant::Zstd };
        let held = |seconds, bytes| {
            let mut results = Results::default();
            let mut measured = Measured::of(seconds, 1);
            measured.fetched = Some(Fetched { bytes, requests: 9, needed: 100 });
            results.add(case, Tool::Lacuna, measured);
            results.add(case, Tool::Near, Measured::of(0.3, 1));
            let bars = bars(&results);
            bars.iter().filter(|bar| bar.what.starts_with("over Azurite")).map(Bar::holds).collect::<Vec<_>>()
        };
        assert_eq!(held(1.5, 109), [Some(true), Some(true)]);
        assert_eq!(held(1.7, 111), [Some(false), Some(false)]);
        assert_eq!(held(0.2, 90), [Some(true), Some(true)]);
    }

    #[test]
    fn a_floor_tells_what_no_tool_could_hold() {
        let (every, zstd) = (Work::PurgeEvery, Variant::Zstd);
        let results = results(&[
            (every, zstd, Tool::Lacuna, 1.0),
            (every, zstd, Tool::Near, 0.5),
            (every, zstd, Tool::Floor, 1.0),
            (every, zstd, Tool::Duckdb, 2.0),
        ]);
        let bars = bars(&results);
        let told = |what: &str| {
            let bar = bars.iter().find(|bar| bar.what == what).unwrap();
            (bar.holds(), bar.floor, bar.is_below_floor())
        };
        assert_eq!(told("purge rows of every row group / re-encoding"), (Some(false), Some(0.5), true));
        assert_eq!(told("DuckDB / purge rows of every row group"), (Some(false), Some(4.0), false));
        assert_eq!(told("row by row / purge rows of every row group"), (None, None, false));
    }

    #[test]
    fn the_fastest_rival_counts() {
        let (crowd, snappy) = (Work::ExportCrowd, Variant::Snappy);
        let results = results(&[
            (crowd, snappy, Tool::Lacuna, 1.0),
            (crowd, snappy, Tool::Duckdb, 3.0),
            (crowd, snappy, Tool::Polars, 2.0),
        ]);
        let bar =
            bars(&results).into_iter().find(|bar| bar.what.ends_with("export 1,000 users") && bar.measured.is_some());
        assert_eq!(bar.unwrap().measured, Some(2.0));
    }
}
