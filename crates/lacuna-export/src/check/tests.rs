use std::collections::BTreeMap;

use super::*;
use crate::{
    Measure,
    manifest::{Shard, Source, VERSION},
};

type Files = BTreeMap<String, Vec<u8>>;

fn package(format: Format, data: &[(&str, u64)]) -> (Manifest, Files) {
    let mut files = Files::new();
    files.insert(package::REQUEST_INFO.into(), b"{}\n".to_vec());
    files.insert(package::README.into(), b"<!DOCTYPE html>".to_vec());
    let mut counts = BTreeMap::new();
    for (index, (text, records)) in data.iter().enumerate() {
        let path = format!("P/D{index}.{format}");
        counts.insert(path.clone(), *records);
        files.insert(path, text.as_bytes().to_vec());
    }
    let records = data.iter().map(|(_, records)| records).sum();
    let entry = |(path, bytes): (&String, &Vec<u8>)| {
        let mut measure = Measure::default();
        measure.feed(bytes);
        measure.finish(path, counts.get(path).copied())
    };
    let shard = Shard { shard: "s".into(), etag: "e".into(), rows_scanned: 9, matched: records };
    let manifest = Manifest {
        version: VERSION,
        request: "r".into(),
        tenant: None,
        request_type: "export".into(),
        tool: "lacuna".into(),
        format,
        complete: true,
        records,
        files: files.iter().map(entry).collect(),
        sources: vec![Source {
            source: "s".into(),
            product: "P".into(),
            data_type: "D".into(),
            shards_scanned: 1,
            rows_scanned: 9,
            matched: records,
            shards: vec![shard],
            problems: Vec::new(),
        }],
        excluded: Vec::new(),
    };
    (manifest, files)
}

fn checked(manifest: &Manifest, files: &Files) -> Vec<Mismatch> {
    let listing: Vec<String> = files.keys().cloned().collect();
    let mut open = |path: &str| match files.get(path) {
        Some(bytes) => Ok(Box::new(bytes.as_slice()) as Box<dyn Read>),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    check(manifest, &mut open, Some(&listing)).unwrap()
}

#[test]
fn a_package_is_what_it_says() {
    let cases: [(Format, &[(&str, u64)]); 4] = [
        (Format::Json, &[("[]\n", 0), ("[{\"a\":[{\"b\":\"}\\\"{\"}]},\n{\"]\":{}},\n{}]\n", 3)]),
        (Format::Ndjson, &[("", 0), ("{}\n{\"a\":\"\\n\"}\n", 2)]),
        (Format::Csv, &[("\u{feff}", 0), ("\u{feff}a,\"b\r\n\"\r\n1,\"x\"\"\r\n\r\ny\"\r\n\"\"\r\n,\r\n", 3)]),
        (
            Format::Xml,
            &[
                ("<records>\n</records>\n", 0),
                (
                    "<records>\n<record><field name=\"record\">&lt;record></field></record>\n<record></record>\n</records>\n",
                    2,
                ),
            ],
        ),
    ];
    for (format, data) in cases {
        let (manifest, files) = package(format, data);
        assert_eq!(checked(&manifest, &files), [], "{format}");
    }
}

#[test]
fn what_was_changed_is_named() {
    let data = [("[{\"a\":1},\n{\"a\":2}]\n", 2)];
    let (manifest, files) = package(Format::Json, &data);
    let path = "P/D0.json".to_owned();
    let changed = |bytes: &[u8]| {
        let mut files = files.clone();
        files.insert(path.clone(), bytes.to_vec());
        checked(&manifest, &files)
    };
    assert!(
        matches!(&changed(b"[{\"a\":1},\n{\"a\":3}]\n")[..], [Mismatch::Sha256 { path: named, .. }] if *named == path)
    );
    assert!(matches!(
        &changed(b"[{\"a\":1}]\n")[..],
        [
            Mismatch::Bytes { expected: 19, found: 10, .. },
            Mismatch::Sha256 { .. },
            Mismatch::Records { expected: 2, found: 1, .. }
        ]
    ));
    let mut fewer = files.clone();
    fewer.remove(&path);
    assert_eq!(checked(&manifest, &fewer), [Mismatch::Missing { path: path.clone() }]);
    let mut more = files.clone();
    for allowed in ["manifest.json", "manifest.jws", "_SUCCESS"] {
        more.insert(allowed.into(), Vec::new());
    }
    more.insert("P/other.json".into(), Vec::new());
    assert_eq!(checked(&manifest, &more), [Mismatch::Extra { path: "P/other.json".into() }]);
}

#[test]
fn a_manifest_that_contradicts_itself_is_no_proof() {
    let (manifest, files) = package(Format::Json, &[("[{}]\n", 1)]);
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        checked(&manifest, &files)
    };
    assert!(matches!(with(&|manifest| manifest.records = 2)[..], [Mismatch::Total { .. }, Mismatch::Total { .. }]));
    assert!(matches!(
        with(&|manifest| manifest.sources[0].matched = 2)[..],
        [Mismatch::Total { .. }, Mismatch::Total { .. }]
    ));
    let incomplete = |manifest: &mut Manifest| {
        manifest.complete = false;
        manifest.sources[0].matched = 2;
    };
    assert_eq!(with(&incomplete), [], "an incomplete package may hold fewer than matched");
    let twice = |manifest: &mut Manifest| manifest.files.push(manifest.files[1].clone());
    assert!(matches!(&with(&twice)[..], [Mismatch::Twice { .. }]));
    assert!(matches!(
        &with(&|manifest| manifest.files[0].path = "_SUCCESS".into())[..],
        [Mismatch::Twice { .. }, Mismatch::Extra { .. }]
    ));
    let without_info = |manifest: &mut Manifest| manifest.files.retain(|file| file.path != package::REQUEST_INFO);
    assert!(with(&without_info).contains(&Mismatch::Missing { path: package::REQUEST_INFO.into() }));
}

#[test]
fn no_path_leads_out_of_the_package() {
    let (mut manifest, files) = package(Format::Json, &[]);
    manifest.files.push(File { path: "../../etc/passwd".into(), bytes: 0, sha256: String::new(), records: None });
    let mut open = |path: &str| {
        assert!(!path.contains(".."), "it was opened");
        Ok(Box::new(files[path].as_slice()) as Box<dyn Read>)
    };
    let mismatches = check(&manifest, &mut open, None).unwrap();
    assert_eq!(mismatches, [Mismatch::Path { path: "../../etc/passwd".into() }]);
}

#[test]
fn what_cannot_be_read_is_no_mismatch() {
    let (manifest, _) = package(Format::Json, &[]);
    let mut open = |_: &str| Err(io::ErrorKind::PermissionDenied.into());
    assert!(matches!(check(&manifest, &mut open, None), Err(Error::ReadFile { .. })));
}
