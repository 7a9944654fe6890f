//! Which bytes of a Parquet file a search asks for: one page too many fails here.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::parquet::{Footer, ParquetSearch, footer};
use lacuna_scan::{
    Effort, Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Selector, TenantId, TenantRule,
};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

/// Two row groups of two pages of 16 rows each. Users by number; all are of tenant T.
fn file(users: impl Fn(usize) -> usize, layout: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Bytes {
    file_of(16, users, layout)
}

/// Two row groups of two pages of `page` rows each.
fn file_of(
    page: usize,
    users: impl Fn(usize) -> usize,
    layout: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Bytes {
    let rows = 4 * page;
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(2 * page))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page)
        .set_dictionary_enabled(false);
    let column = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let users = column((0..rows).map(|row| format!("{:03}", users(row))).collect());
    let other = column((0..rows).map(|row| format!("other {row}")).collect());
    let tenants = column(vec!["T".to_owned(); rows]);
    let batch = RecordBatch::try_from_iter([("other", other), ("user", users), ("tenant", tenants)]).unwrap();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(layout(properties).build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out.into()
}

/// The parts of the file that a search for `user` asks for, and the rows that it finds.
fn asked(file: &Bytes, user: &str) -> (Vec<String>, Vec<u64>) {
    let (asked, rows, _) = searched(file, user);
    (asked, rows)
}

/// The same, and what was decoded for it.
fn searched(file: &Bytes, user: &str) -> (Vec<String>, Vec<u64>, Effort) {
    let field = |column: &str, kind| Field::new(column.parse().unwrap(), Kind::new(kind));
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(field("user", "id"))],
        tenant: TenantRule::Column("tenant".parse().unwrap()),
    };
    let selector = Selector { tenant: Some(TenantId::new("T")), identifiers: vec![Identifier::new("id", user)] };
    let matcher = Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap());
    let limits = Limits::default();
    let Footer::Ready(metadata) = footer(file.len() as u64, file, &limits).unwrap() else { unreachable!() };
    let search = ParquetSearch::new(metadata, file.len() as u64, matcher, limits).unwrap();
    let parts = parts(file);
    let (mut asked, mut rows, mut effort) = (Vec::new(), Vec::new(), Effort::default());
    for group in 0..search.row_groups() {
        let mut group = search.row_group(group, false).unwrap();
        while let Some(range) = group.need(1 << 20) {
            let within = |(start, end, _): &&(u64, u64, String)| *start < range.end && *end > range.start;
            asked.extend(parts.iter().filter(within).map(|(.., name)| name.clone()));
            group.feed(&file.slice(range.start as usize..range.end as usize)).unwrap();
        }
        let found = group.finish();
        rows.extend(found.matches.rows());
        effort += found.effort;
    }
    (asked, rows, effort)
}

/// Start, end and name of everything that the footer points to.
fn parts(file: &Bytes) -> Vec<(u64, u64, String)> {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.try_parse(file).unwrap();
    let metadata = reader.finish().unwrap();
    let mut parts = Vec::new();
    for (g, group) in metadata.row_groups().iter().enumerate() {
        for (c, column) in group.columns().iter().enumerate() {
            let name = |part: &str| format!("{g} {} {part}", column.column_path().string());
            let mut add = |offset: Option<i64>, length: Option<i32>, part: &str| {
                if let (Some(start), Some(length)) = (offset, length) {
                    parts.push((start as u64, start as u64 + length as u64, name(part)));
                }
            };
            add(column.bloom_filter_offset(), column.bloom_filter_length(), "filter");
            add(column.column_index_offset(), column.column_index_length(), "bounds");
            add(column.offset_index_offset(), column.offset_index_length(), "locations");
            let pages = metadata.offset_index().unwrap()[g][c].page_locations();
            let dictionary = column.dictionary_page_offset();
            add(dictionary, dictionary.map(|start| (pages[0].offset - start) as i32), "dictionary");
            for (p, page) in pages.iter().enumerate() {
                add(Some(page.offset), Some(page.compressed_page_size), &format!("page {p}"));
            }
        }
    }
    parts.sort();
    parts
}

/// Every user of 64 once in every 64 rows, in no order.
fn shuffled(row: usize) -> usize {
    row * 29 % 64
}

#[test]
fn without_any_help_all_pages_of_the_identifier_and_the_tenants_of_hit_groups() {
    let (asked, rows) = asked(&file(shuffled, |layout| layout), "029");
    let expected = [
        "0 user bounds",
        "0 user locations",
        "0 user page 0",
        "0 user page 1",
        "0 tenant page 0",
        "0 tenant page 1",
        "1 user bounds",
        "1 user locations",
        "1 user page 0",
        "1 user page 1",
    ];
    assert_eq!((asked, rows), (expected.map(str::to_owned).to_vec(), vec![1]));
}

#[test]
fn in_order_only_the_page_that_holds_the_user() {
    let (asked, rows) = asked(&file(|row| row, |layout| layout), "020");
    let expected = ["0 user bounds", "0 user locations", "0 user page 1", "0 tenant page 0", "0 tenant page 1"];
    assert_eq!((asked, rows), (expected.map(str::to_owned).to_vec(), vec![20]));
}

#[test]
fn only_pages_that_may_hold_the_user_are_decoded() {
    let decoded = |users: fn(usize) -> usize, user| searched(&file(users, |layout| layout), user).2;
    // Its one page, and of the tenant's column the page of the same row.
    assert_eq!(decoded(|row| row, "020").pages_decoded, 2);
    // Both pages of both row groups, and one of the tenants'.
    assert_eq!(decoded(shuffled, "029").pages_decoded, 5);
    assert_eq!(decoded(|row| row, "064"), Effort::default());
}

#[test]
fn outside_of_all_bounds_nothing() {
    assert_eq!(asked(&file(|row| row, |layout| layout), "064"), (vec![], vec![]));
    assert_eq!(asked(&file(|row| row, |layout| layout), ""), (vec![], vec![]));
}

#[test]
fn between_the_bounds_of_two_pages_only_the_bounds() {
    // Page 0 ends with user 30, and page 1 begins with 32.
    let (asked, rows) = asked(&file(|row| row * 2, |layout| layout), "031");
    assert_eq!((asked, rows), (vec!["0 user bounds".to_owned(), "0 user locations".to_owned()], vec![]));
}

#[test]
fn with_bloom_filters_only_the_filters_of_groups_without_the_user() {
    let user = || "user".into();
    let layout = |layout: WriterPropertiesBuilder| {
        layout.set_column_bloom_filter_enabled(user(), true).set_column_bloom_filter_fpp(user(), 0.0001)
    };
    let (asked, rows) = asked(&file(shuffled, layout), "029");
    let expected = [
        "0 user filter",
        "0 user bounds",
        "0 user locations",
        "0 user page 0",
        "0 user page 1",
        "0 tenant page 0",
        "0 tenant page 1",
        "1 user filter",
    ];
    assert_eq!((asked, rows), (expected.map(str::to_owned).to_vec(), vec![1]));
}

#[test]
fn with_dictionaries_only_those_of_groups_without_the_user() {
    // Every user once: the indices take 14 bits each, so that there is something to be spared.
    let layout = |layout: WriterPropertiesBuilder| layout.set_dictionary_enabled(true);
    let (asked, rows) = asked(&file_of(4096, |row| row * 29 % 16_384, layout), "029");
    let expected = [
        "0 user bounds",
        "0 user locations",
        "0 user dictionary",
        "0 user page 0",
        "0 user page 1",
        "0 tenant dictionary",
        "0 tenant page 0",
        "0 tenant page 1",
        "1 user bounds",
        "1 user locations",
        "1 user dictionary",
    ];
    assert_eq!((asked, rows), (expected.map(str::to_owned).to_vec(), vec![1]));
}

#[test]
fn a_few_indices_are_read_with_their_dictionary() {
    let layout = |layout: WriterPropertiesBuilder| layout.set_dictionary_enabled(true);
    let (asked, rows) = asked(&file(shuffled, layout), "020x");
    let of =
        |group| ["bounds", "locations", "dictionary", "page 0", "page 1"].map(|part| format!("{group} user {part}"));
    assert_eq!((asked, rows), ([of(0), of(1)].concat(), vec![]));
}
