//! What a shard is: by its source's configuration, else by its name. Compression is found in the bytes, not here.

use lacuna_scan::ColumnPath;
use lacuna_scan::text::{CsvLayout, Quotes, TextFormat};

use crate::{FormatChoice, Source};

/// What a shard's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum ShardFormat {
    Parquet,
    Arrow,
    Text(TextFormat),
}

/// Extensions that say nothing of what is inside: those of compressed text, and `log`.
const VAGUE: [&str; 6] = ["gz", "gzip", "zst", "zstd", "lz4", "log"];

impl ShardFormat {
    /// The format of the shard at `path`.
    pub(crate) fn of(source: &Source, path: &str) -> Result<Self, String> {
        Self::choose(&source.format, path).and_then(|name| Self::named(&source.format, &name))
    }

    /// Whether the configuration alone makes sense.
    pub(crate) fn check(choice: &FormatChoice) -> Result<(), String> {
        match &choice.name {
            Some(name) => Self::named(choice, name).map(drop),
            None => Ok(()),
        }
    }

    fn choose(choice: &FormatChoice, path: &str) -> Result<String, String> {
        if let Some(name) = &choice.name {
            return Ok(name.clone());
        }
        let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let mut extensions = file.rsplit('.').filter(|extension| !VAGUE.contains(extension));
        let extension = extensions.next().filter(|extension| *extension != file);
        let name = match extension {
            Some("parquet" | "parq" | "pq") => "parquet",
            Some("json" | "ndjson" | "jsonl" | "geojson") if choice.text.records.is_some() => "json",
            Some("json" | "ndjson" | "jsonl") => "ndjson",
            Some("csv") => "csv",
            Some("tsv") => "tsv",
            Some("arrow" | "arrows" | "ipc" | "feather") => "arrow",
            _ if choice.text.records.is_some() => "json",
            Some(unread @ ("bz2" | "bzip2" | "xz" | "zip")) => {
                return Err(format!(
                    "by its name it is compressed as {unread}, which is not read: compress it with gzip, zstd or lz4"
                ));
            }
            _ => return Err("its name does not tell its format: name it with `format` in the source".into()),
        };
        Ok(name.to_owned())
    }

    fn named(choice: &FormatChoice, name: &str) -> Result<Self, String> {
        let csv = |delimiter| {
            let delimiter = choice.text.delimiter.unwrap_or(delimiter);
            let quotes = match choice.text.quote {
                None => Quotes::Guessed,
                Some(true) => Quotes::Enclosing,
                Some(false) => Quotes::Ordinary,
            };
            Self::Text(TextFormat::Csv(CsvLayout { delimiter, quotes, header: choice.text.header.clone() }))
        };
        match name {
            "parquet" => Ok(Self::Parquet),
            "arrow" => Ok(Self::Arrow),
            "ndjson" => Ok(Self::Text(TextFormat::Ndjson)),
            "csv" => Ok(csv(b',')),
            "tsv" => Ok(csv(b'\t')),
            "json" => {
                let records: Option<&ColumnPath> = choice.text.records.as_ref();
                let records = records.ok_or("`format = \"json\"` needs `records`, the path of the array of records")?;
                Ok(Self::Text(TextFormat::Document { records: records.clone() }))
            }
            other => Err(format!("`{other}` is no format: parquet, ndjson, json, csv and arrow are")),
        }
    }
}
