//! Packages end to end: records of every shard format in, a package out, checked, and the same bytes as the golden one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod golden;
mod records;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Cursor, Read},
};

use lacuna_export::{
    Encoder, Format, Manifest, Measure, Mismatch, Package, RequestInfo, check,
    manifest::{Excluded, File, Problem, Shard, Source, VERSION, Window},
    package, readme,
};

/// A package as a store would hold it.
type Files = BTreeMap<String, Vec<u8>>;

const TOOL: &str = "lacuna 0.1.0";
const TENANT: &str = "contoso";
const REQUEST: &str = "0199a1b2-0000-7000-8000-000000000001";

/// Sources as they are configured, with their rendered records.
fn sources() -> Vec<(Source, String)> {
    let source = |source: &str, product: &str, data_type: &str, shard: &str, records: String| {
        let matched = records.lines().count().try_into().unwrap();
        let shard = Shard { shard: shard.into(), etag: "0x8DB".into(), rows_scanned: 1_000, matched };
        let source = Source {
            source: source.into(),
            product: product.into(),
            data_type: data_type.into(),
            shards_scanned: 12,
            rows_scanned: 12_000,
            matched,
            shards: if matched == 0 { Vec::new() } else { vec![shard] },
            problems: Vec::new(),
        };
        (source, records)
    };
    let activity = "ProductAndServiceUsage";
    let mut sources = vec![
        source("sharepoint-activity", "Office/SharePoint", activity, "activity/1.ndjson", records::from_json()),
        source("browsing", "Edge", "BrowsingHistory", "edge/1.csv.gz", records::from_csv()),
        source("devices", "Windows", "DeviceConnectivityAndConfiguration", "devices/1.parquet", records::from_arrow()),
        source("sharepoint-archive", "Office/SharePoint", activity, "archive/1.ndjson", records::from_archive()),
        source("voice", "Cortana", "Speech", "voice/1.arrow", String::new()),
    ];
    sources[3]
        .0
        .problems
        .push(Problem { shard: "archive/2.ndjson".into(), reason: "is cut off: in its last line".into() });
    sources
}

/// Writes the package as the engine does. Data files of more than `part_bytes_max` are split.
fn write_package(format: Format, part_bytes_max: u64) -> Files {
    let sources = sources();
    let root = Package::new(Some(TENANT), REQUEST);
    let mut files = Files::new();
    let mut entries: Vec<File> = Vec::new();
    let info = RequestInfo {
        version: VERSION,
        request: REQUEST.into(),
        tenant: Some(TENANT.into()),
        request_type: "export".into(),
        requested_at: Some("2026-01-02T03:04:05Z".into()),
        started_at: Some("2026-01-02T03:05:00Z".into()),
        finished_at: Some("2026-01-02T03:05:09Z".into()),
        window: Some(Window { from: Some("2017-01-01T00:00:00Z".into()), until: None }),
        identifier_kinds: vec!["object_id".into(), "email".into()],
        tool: TOOL.into(),
        format,
    };
    let mut put = |path: &str, bytes: Vec<u8>, records: Option<u64>| {
        let mut measure = Measure::default();
        measure.feed(&bytes);
        files.insert(root.path(path), bytes);
        measure.finish(path, records)
    };
    entries.push(put(package::REQUEST_INFO, info.to_json().unwrap(), None));
    for file in
        package::data_files(sources.iter().map(|(source, _)| (source.product.as_str(), source.data_type.as_str())))
    {
        let records: String = file.sources.iter().map(|&source| sources[source].1.as_str()).collect();
        if records.is_empty() {
            continue;
        }
        let split = u64::try_from(records.len()).unwrap() > part_bytes_max;
        let mut open = || Ok(Box::new(Cursor::new(records.clone())) as Box<dyn BufRead>);
        let encoder = Encoder::new(format, &mut open).unwrap();
        let mut reader = open().unwrap();
        for number in 1.. {
            let mut bytes = Vec::new();
            let part = encoder.encode(&mut *reader, part_bytes_max, &mut bytes).unwrap();
            let path = package::data_file(&file.stem, format, split.then_some(number));
            entries.push(put(&path, bytes, Some(part.records)));
            if !part.more {
                break;
            }
        }
    }
    let mut manifest = Manifest {
        version: VERSION,
        request: REQUEST.into(),
        tenant: Some(TENANT.into()),
        request_type: "export".into(),
        tool: TOOL.into(),
        format,
        complete: false,
        records: sources.iter().map(|(source, _)| source.matched).sum(),
        files: entries,
        sources: sources.into_iter().map(|(source, _)| source).collect(),
        excluded: vec![
            Excluded {
                source: "audit".into(),
                product: "Entra".into(),
                data_type: "SignInLogs".into(),
                reason: "security log, kept under legal obligation".into(),
            },
            Excluded {
                source: "telemetry".into(),
                product: "Windows".into(),
                data_type: "SoftwareSetupAndInventory".into(),
                reason: "it is identified by device_id only, which the request does not give".into(),
            },
        ],
    };
    let page = readme::render(&info, &manifest).into_bytes();
    manifest.files.push(put(package::README, page, None));
    put(package::MANIFEST, manifest.to_json().unwrap(), None);
    files
}

fn checked(files: &Files) -> Vec<Mismatch> {
    let root = Package::new(Some(TENANT), REQUEST);
    let manifest = Manifest::from_json(&files[&root.path(package::MANIFEST)]).unwrap();
    let prefix = root.path("");
    let listing: Vec<String> = files.keys().map(|path| path.strip_prefix(&prefix).unwrap().to_owned()).collect();
    let mut open = |path: &str| match files.get(&root.path(path)) {
        Some(bytes) => Ok(Box::new(bytes.as_slice()) as Box<dyn Read>),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    check(&manifest, &mut open, Some(&listing)).unwrap()
}

#[test]
fn a_package_checks_out_in_every_format_and_split() {
    for format in Format::ALL {
        for part_bytes_max in [1, 500, u64::MAX] {
            let files = write_package(format, part_bytes_max);
            assert_eq!(checked(&files), [], "{format} {part_bytes_max}");
            assert_eq!(write_package(format, part_bytes_max), files, "the same bytes again");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let whole = write_package(Format::Csv, u64::MAX);
    for path in whole.keys().filter(|path| !path.ends_with(package::MANIFEST)) {
        let mut files = whole.clone();
        let bytes = files.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(!checked(&files).is_empty(), "{path}");
    }
}
