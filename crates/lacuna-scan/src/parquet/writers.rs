//! What the programs that write Parquet files are known for, by the name that they leave in the footer.

/// Whether a writer's Bloom filter of a chunk with a dictionary holds all values. Trino before version 461 and parquet-go leave out what
/// comes once the dictionary is full, arrow-go what is given to it as a dictionary.
pub(super) fn fills_filters(created_by: Option<&str>) -> bool {
    is_by(created_by, &["parquet-mr version ", "parquet-rs version ", "DuckDB version "])
}

/// Whether a writer counts rows where it says which one each page of lists begins with. Some writers for Go count values.
pub(super) fn counts_rows(created_by: Option<&str>) -> bool {
    const GO: [&str; 2] = ["github.com/parquet-go/parquet-go version ", "github.com/segmentio/parquet-go version "];
    is_by(created_by, &GO)
        || is_by(created_by, &["parquet-mr version ", "parquet-rs version ", "parquet-cpp-arrow version "])
}

fn is_by(created_by: Option<&str>, writers: &[&str]) -> bool {
    created_by.is_some_and(|created_by| writers.iter().any(|writer| created_by.starts_with(writer)))
}
