//! What is compared: a piece of work on one variant of the corpus.

use std::{fmt, str::FromStr};

use clap::ValueEnum as _;

use super::tool::Tool;
use crate::variant::Variant;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Work {
    /// Starting and ending.
    Start,
    /// Counting the rows of somebody with a handful of them.
    FindRare,
    /// Counting the rows of 1,000 people.
    FindCrowd,
    /// Counting the rows of 100,000 people.
    FindThrong,
    /// Finding the rare user on one thread.
    OneThread,
    /// The same on two.
    TwoThreads,
    /// Finding the rare user in a store that lets every request wait.
    SlowStore,
    /// Finding and exporting somebody with a handful of rows.
    ExportRare,
    /// Finding and exporting somebody with rows in every row group.
    ExportCommon,
    /// Finding and exporting 1,000 people in one pass.
    ExportCrowd,
    /// Counting the rare user's rows in compressed lines.
    FindLines,
    /// Erasing somebody with one row from one shard.
    EraseOne,
    /// Taking one hidden row out of a shard.
    PurgeOne,
    /// Taking hidden rows out of every row group of a shard.
    PurgeEvery,
    /// One request through the ledger.
    RequestOne,
    /// 1,000 requests through the ledger, in one pass.
    RequestCrowd,
    /// Taking the hidden rows of 1,000 requests out of a shard.
    PurgeMany,
    /// Finding and exporting somebody with rows in every row group of one large shard.
    Memory,
}

impl Work {
    /// The variants of the corpus that it is done on.
    pub(crate) fn variants(self) -> &'static [Variant] {
        use Variant::{Bloom, Dictionary, NdjsonGz, NdjsonZst, OneGb, Snappy, Sorted, TenGb, Zstd};
        match self {
            Self::FindRare => &[Zstd, Snappy, Dictionary, Bloom, Sorted],
            Self::FindThrong | Self::ExportCommon | Self::ExportCrowd => &[Zstd, Snappy],
            Self::Start
            | Self::FindCrowd
            | Self::OneThread
            | Self::TwoThreads
            | Self::SlowStore
            | Self::ExportRare
            | Self::EraseOne
            | Self::PurgeOne
            | Self::PurgeEvery
            | Self::PurgeMany
            | Self::RequestOne
            | Self::RequestCrowd => &[Zstd],
            Self::FindLines => &[NdjsonZst, NdjsonGz],
            Self::Memory => &[OneGb, TenGb],
        }
    }

    /// Who does it, on one of its variants at least.
    fn tools(self) -> &'static [Tool] {
        use Tool::{Duckdb, Floor, Jq, Lacuna, Near, Polars, Pyarrow, Rg};
        match self {
            Self::Start | Self::FindCrowd | Self::ExportRare | Self::EraseOne => &[Lacuna, Duckdb, Polars, Pyarrow],
            Self::FindThrong | Self::ExportCommon => &[Lacuna, Duckdb, Polars, Pyarrow, Floor],
            Self::FindRare | Self::ExportCrowd => &[Lacuna, Duckdb, Polars, Pyarrow, Near, Floor],
            Self::PurgeOne | Self::PurgeEvery => &[Lacuna, Duckdb, Pyarrow, Near, Floor],
            Self::PurgeMany => &[Lacuna, Near, Floor],
            Self::FindLines => &[Lacuna, Duckdb, Jq, Rg, Floor],
            Self::OneThread | Self::TwoThreads => &[Lacuna, Floor],
            Self::RequestOne | Self::RequestCrowd | Self::Memory => &[Lacuna],
            Self::SlowStore => &[Lacuna, Near, Floor],
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Start => "Start and end",
            Self::FindRare => "Find a rare user",
            Self::FindCrowd => "Find a crowd",
            Self::FindThrong => "Find a throng",
            Self::OneThread => "Find a rare user on one thread",
            Self::TwoThreads => "Find a rare user on two threads",
            Self::SlowStore => "Find a rare user over Azurite, 20 ms a request",
            Self::ExportRare => "Find and export a rare user",
            Self::ExportCommon => "Find and export a common user",
            Self::ExportCrowd => "Find and export a crowd",
            Self::FindLines => "Find a rare user in lines",
            Self::EraseOne => "Erase one row from one shard",
            Self::PurgeOne => "Purge one row of one shard",
            Self::PurgeEvery => "Purge rows of every row group of one shard",
            Self::RequestOne => "Work through one request",
            Self::RequestCrowd => "Work through 1,000 requests in one pass",
            Self::PurgeMany => "Purge rows of 1,000 requests of one shard",
            Self::Memory => "Find and export a common user in one large shard",
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A piece of work on one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub(crate) work: Work,
    pub(crate) variant: Variant,
}

impl Case {
    /// All but the ones that need much disk.
    pub(crate) fn usual() -> impl Iterator<Item = Self> {
        Work::value_variants().iter().filter(|&&work| work != Work::Memory).flat_map(|&work| Self::of(work))
    }

    fn of(work: Work) -> impl Iterator<Item = Self> {
        work.variants().iter().map(move |&variant| Self { work, variant })
    }

    /// Who does it.
    pub(crate) fn tools(self) -> impl Iterator<Item = Tool> {
        // Where no index tells anything, its floor is the other one.
        let is_apart = move |tool| tool == Tool::Near && self.work == Work::FindRare && !self.variant.is_indexed();
        self.work.tools().iter().copied().filter(move |&tool| !is_apart(tool))
    }

    pub(crate) fn title(self) -> String {
        if self.work.variants().len() == 1 {
            self.work.title().to_owned()
        } else {
            format!("{}, {}", self.work.title(), self.variant.name())
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.work.name(), self.variant.name())
    }
}

/// What one name on the command line stands for: `find-rare` for all its variants, `find-rare:snappy` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cases(pub(crate) Vec<Case>);

impl FromStr for Cases {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (work, variant) = name.split_once(':').map_or((name, None), |(work, variant)| (work, Some(variant)));
        let cases: Vec<Case> = (Work::value_variants().iter().copied().filter(|have| have.name() == work))
            .flat_map(Case::of)
            .filter(|case| variant.is_none_or(|variant| case.variant.name() == variant))
            .collect();
        if !cases.is_empty() {
            return Ok(Self(cases));
        }
        let names: Vec<String> = Work::value_variants().iter().map(|work| work.name()).collect();
        Err(format!("one of {}, or with a variant, as find-rare:snappy", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_all_variants_or_one() {
        let names = |name: &str| {
            let cases = name.parse::<Cases>().unwrap().0;
            cases.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("find-lines"), "find-lines:ndjson-zst find-lines:ndjson-gz");
        assert_eq!(names("find-rare:snappy"), "find-rare:snappy");
        assert_eq!(names("memory"), "memory:1gb memory:10gb");
        assert!("find-rare:10gb".parse::<Cases>().is_err() && "sing".parse::<Cases>().is_err());
        assert!(Case::usual().all(|case| case.variant.repeated_to().is_none()));
    }
}
