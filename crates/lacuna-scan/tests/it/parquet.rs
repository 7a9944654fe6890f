//! Which bytes of a Parquet file a search asks for: one page too many fails here.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int32Type};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::parquet::{Footer, ParquetSearch, RowGroupMatches, footer};
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
    let (asked, found) = searched_as(file, user, |search| search);
    let rows = found.iter().flat_map(|found| found.matches.rows()).collect();
    let mut effort = Effort::default();
    found.iter().for_each(|found| effort += found.effort);
    (asked, rows, effort)
}

/// The same by a search that is not as it is by default: what each row group holds.
fn searched_as(
    file: &Bytes,
    user: &str,
    how: impl Fn(ParquetSearch) -> ParquetSearch,
) -> (Vec<String>, Vec<RowGroupMatches>) {
    let (asked, found) = searched_in(file, user, TenantRule::Column("tenant".parse().unwrap()), how);
    let parts = parts(file);
    let within = |range: &Range<u64>| {
        let part = parts.iter().filter(move |(start, end, _)| *start < range.end && *end > range.start);
        part.map(|(.., name)| name.clone()).collect::<Vec<_>>()
    };
    (asked.iter().flat_map(within).collect(), found)
}

/// The same of a file without a page index: the ranges.
fn searched_in(
    file: &Bytes,
    user: &str,
    tenant: TenantRule,
    how: impl Fn(ParquetSearch) -> ParquetSearch,
) -> (Vec<Range<u64>>, Vec<RowGroupMatches>) {
    let field = |column: &str, kind| Field::new(column.parse().unwrap(), Kind::new(kind));
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field("user", "id"))], tenant };
    let of = matches!(mapping.tenant, TenantRule::Column(_)).then(|| TenantId::new("T"));
    let selector = Selector { tenant: of, identifiers: vec![Identifier::new("id", user)] };
    let matcher = Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap());
    let limits = Limits::default();
    let Footer::Ready(metadata) = footer(file.len() as u64, file, &limits).unwrap() else { unreachable!() };
    let search = how(ParquetSearch::new(metadata, file.len() as u64, matcher, limits).unwrap());
    let (mut asked, mut all) = (Vec::new(), Vec::new());
    for group in 0..search.row_groups() {
        let mut group = search.row_group(group, false).unwrap();
        while let Some(range) = group.need(1 << 20) {
            group.feed(&file.slice(range.start as usize..range.end as usize)).unwrap();
            asked.push(range);
        }
        all.push(group.finish());
    }
    (asked, all)
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

/// A row group for each list of users, by their place among `ann`, `bob` and `cyn`, as categories or values.
fn shared(
    groups: &[&[i32]],
    are_categories: bool,
    layout: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Bytes {
    let values = Arc::new(StringArray::from(vec!["ann", "bob", "cyn"]));
    let batch = |keys: &[i32]| {
        let users = DictionaryArray::<Int32Type>::new(Int32Array::from(keys.to_vec()), values.clone());
        let users = Arc::new(users) as ArrayRef;
        let users = if are_categories { users } else { arrow::compute::cast(&users, &DataType::Utf8).unwrap() };
        let tenants = Arc::new(StringArray::from(vec!["T"; keys.len()]));
        RecordBatch::try_from_iter([("user", users), ("tenant", tenants as ArrayRef)]).unwrap()
    };
    let properties = layout(WriterProperties::builder().set_dictionary_enabled(true)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch(&[]).schema(), Some(properties)).unwrap();
    for group in groups {
        writer.write(&batch(group)).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap().into()
}

/// What a search for `user` asks for that tells of what only dictionaries hold.
fn asked_of_all(file: &Bytes, user: &str) -> Vec<String> {
    searched_as(file, user, ParquetSearch::noting_unused).0
}

#[test]
fn what_shares_its_categories_is_asked_for_those_whatever_its_bounds() {
    let file = shared(&[&[0, 1], &[0, 2], &[2]], true, |layout| layout);
    assert_eq!(asked_of_all(&file, "dan"), ["0 user dictionary", "1 user dictionary", "2 user dictionary"]);
    assert_eq!(asked(&file, "dan"), (vec![], vec![]), "nobody asked for more");
    let values = shared(&[&[0, 1], &[0, 2], &[2]], false, |layout| layout);
    assert_eq!(asked_of_all(&values, "dan"), [""; 0], "values are written for rows only");
    // Neither a filter nor bounds of pages excuse it.
    let file = shared(&[&[0, 2]], true, |layout| layout.set_bloom_filter_enabled(true));
    assert_eq!(asked_of_all(&file, "bob"), ["0 user filter", "0 user dictionary"]);
    let paged = |layout: WriterPropertiesBuilder| layout.set_data_page_row_count_limit(1).set_write_batch_size(1);
    let file = shared(&[&[0, 2]], true, paged);
    assert_eq!(asked_of_all(&file, "bob"), ["0 user bounds", "0 user locations", "0 user dictionary"]);
    let (_, found) = searched_as(&file, "cyn", ParquetSearch::noting_unused);
    assert_eq!((found[0].matches.rows().len(), &found[0].unused[..]), (1, &[][..]));
    let whole = shared(&[&[0, 2]], true, |layout| layout.set_dictionary_enabled(false));
    assert_eq!(asked_of_all(&whole, "dan"), [""; 0], "there is none");
}

#[test]
fn a_category_without_rows_is_told_although_the_bounds_exclude_it() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parquet/pandas-categories.parquet");
    let file = Bytes::from(std::fs::read(path).unwrap());
    let unused = |user: &str| -> Vec<_> {
        let (_, found) = searched_in(&file, user, TenantRule::Single, ParquetSearch::noting_unused);
        found.into_iter().flat_map(|found| found.unused).collect()
    };
    assert_eq!(unused("ann@x"), [(0, 0)]);
    assert_eq!(unused("bob"), []);
    assert_eq!(unused("dan"), []);
}

#[test]
fn what_parquet_does_not_tell_the_values_of_is_refused() {
    let refused = |name: &str, column: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parquet").join(name);
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let metadata = Arc::new(ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap());
        let field = Field::new(column.parse().unwrap(), Kind::new("id"));
        let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
        let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", "12345")] };
        let matcher = Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap());
        match ParquetSearch::new(metadata, bytes.len() as u64, matcher, Limits::default()) {
            Err(lacuna_scan::Error::ColumnType { found, .. }) => Some(found.to_string()),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    };
    assert!(refused("polars-int128.parquet", "u").is_some_and(|why| why.contains("128 bits")));
    assert_eq!(refused("polars-int128.parquet", "t"), None);
    for column in ["v", "v.value", "v.typed_value.user.typed_value"] {
        assert!(refused("duckdb-variant.parquet", column).is_some_and(|why| why.contains("variant")), "{column}");
    }
    assert_eq!(refused("duckdb-variant.parquet", "n"), None);
}
