//! Who is compared.

/// A program that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Tool {
    /// Lacuna.
    Lacuna,
    /// DuckDB, from Python.
    Duckdb,
    /// Polars, from Python.
    Polars,
    /// PyArrow.
    Pyarrow,
    /// Decompressing the identifier column, and nothing else.
    Floor,
}

impl Tool {
    pub(crate) const ALL: [Self; 5] = [Self::Lacuna, Self::Duckdb, Self::Polars, Self::Pyarrow, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lacuna => "Lacuna",
            Self::Duckdb => "DuckDB",
            Self::Polars => "Polars",
            Self::Pyarrow => "PyArrow",
            Self::Floor => "floor",
        }
    }

    /// The module to ask for its version, and the script that drives it.
    pub(crate) fn python(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Duckdb => Some(("duckdb", include_str!("../../rivals/run_duckdb.py"))),
            Self::Polars => Some(("polars", include_str!("../../rivals/run_polars.py"))),
            Self::Pyarrow => Some(("pyarrow", include_str!("../../rivals/run_pyarrow.py"))),
            Self::Lacuna | Self::Floor => None,
        }
    }
}
