//! Text formats: NDJSON, JSON documents and CSV, compressed or not.

mod astray;
mod compression;
mod csv;
mod document;
mod json;
mod ndjson;
mod prefilter;
mod real;
mod shapes;
mod shards;
mod truncation;

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use lacuna_scan::text::{CsvLayout, TextFormat, TextSearch};
use lacuna_scan::{
    ColumnPath, Epochs, Error, Field, Found, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Record,
    Selector, Sink, StreamSearch as _, Summary, TenantId, TenantRule,
};

/// A search of one mapped column, `kind` id, for some identifiers: one selector each.
struct Query {
    format: TextFormat,
    columns: Vec<&'static str>,
    trim: bool,
    tenant: Option<&'static str>,
    wanted: Vec<String>,
    limits: Limits,
    /// Bytes fed at a time.
    piece: usize,
}

/// What a search gave, without what differs for no reason.
#[derive(Debug, PartialEq, Clone)]
struct Answer {
    rows: u64,
    poisoned: u64,
    first_poison: Option<String>,
    astray: u64,
    /// Row, selectors, record.
    found: Vec<(u64, Vec<u32>, String)>,
}

impl Answer {
    fn new(summary: Summary, found: Collected) -> Self {
        let Summary { rows, poisoned, astray, .. } = summary;
        Self { rows, poisoned: poisoned.count, first_poison: poisoned.first, astray: astray.count, found: found.0 }
    }

    fn found_rows(&self) -> Vec<u64> {
        self.found.iter().map(|(row, ..)| *row).collect()
    }
}

impl Query {
    fn new(format: TextFormat, column: &'static str, wanted: &[&str]) -> Self {
        Self {
            format,
            columns: vec![column],
            trim: false,
            tenant: None,
            wanted: wanted.iter().map(|&id| id.to_owned()).collect(),
            limits: Limits::default(),
            piece: usize::MAX,
        }
    }

    fn ndjson(column: &'static str, wanted: &[&str]) -> Self {
        Self::new(TextFormat::Ndjson, column, wanted)
    }

    fn document(records: &str, column: &'static str, wanted: &[&str]) -> Self {
        Self::new(TextFormat::Document { records: path(records) }, column, wanted)
    }

    fn csv(column: &'static str, wanted: &[&str]) -> Self {
        Self::new(TextFormat::Csv(CsvLayout::default()), column, wanted)
    }

    fn pieces_of(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }

    fn matcher(&self) -> Matcher {
        let field =
            |column: &&str| IdentifierRule::One(Field { trim: self.trim, ..Field::new(path(column), Kind::new("id")) });
        let mapping = Mapping {
            identifiers: self.columns.iter().map(field).collect(),
            tenant: self.tenant.map_or(TenantRule::Single, |column| TenantRule::Column(path(column))),
        };
        let selectors: Vec<_> = self
            .wanted
            .iter()
            .map(|id| Selector {
                tenant: self.tenant.map(|_| TenantId::new("t")),
                identifiers: vec![Identifier::new("id", id)],
            })
            .collect();
        Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap()
    }

    fn run(&self, stored: &[u8]) -> Result<Answer, Error> {
        let mut search = TextSearch::new(self.format.clone(), Arc::new(self.matcher()), self.limits)?;
        let mut sink = Collected(Vec::new());
        for piece in stored.chunks(self.piece.max(1)) {
            search.feed(Bytes::copy_from_slice(piece), &mut sink)?;
        }
        let summary = search.finish(&mut sink)?;
        let matches = &summary.matches;
        for (row, selectors, _) in &sink.0 {
            for &selector in selectors {
                assert!(matches.iter().any(|(at, rows)| at == selector && rows.contains(*row)));
            }
        }
        assert_eq!(matches.rows().len(), sink.0.len() as u64);
        Ok(Answer::new(summary, sink))
    }
}

struct Collected(Vec<(u64, Vec<u32>, String)>);

impl Sink for Collected {
    fn found(&mut self, found: Found<'_>) -> io::Result<()> {
        let record = match found.record {
            Record::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            Record::Csv { names, values } => format!("{names:?} {values:?}"),
            Record::Arrow { .. } => panic!("text holds no Arrow"),
        };
        self.0.push((found.row, found.selectors.to_vec(), record));
        Ok(())
    }
}

fn path(text: &str) -> ColumnPath {
    text.parse().unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    lz4_with(lz4_flex::frame::FrameInfo::new().content_checksum(true), text)
}

fn lz4_with(info: lz4_flex::frame::FrameInfo, text: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A frame that readers skip.
fn skippable(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x53, 0x2a, 0x4d, 0x18];
    frame.extend((payload.len() as u32).to_le_bytes());
    frame.extend(payload);
    frame
}
