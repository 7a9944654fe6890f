use super::*;

fn manifest() -> Manifest {
    Manifest {
        version: VERSION,
        request: "r1".into(),
        tenant: None,
        request_type: "export".into(),
        tool: "lacuna 0.1.0".into(),
        format: Format::Json,
        complete: true,
        records: 0,
        files: vec![File { path: "README.html".into(), bytes: 1, sha256: "00".into(), records: None }],
        sources: Vec::new(),
        excluded: Vec::new(),
    }
}

#[test]
fn a_manifest_reads_back_and_is_the_same_bytes() {
    let bytes = manifest().to_json().unwrap();
    assert_eq!(Manifest::from_json(&bytes).unwrap(), manifest());
    assert_eq!(manifest().to_json().unwrap(), bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("{\n  \"version\": 1,\n  \"request\": \"r1\",\n  \"tenant\": null,\n  \"type\": \"export\",")
    );
    assert!(text.ends_with("}\n"));
    assert!(!text.contains("\"records\": null"), "files without records do not speak of them");
}

#[test]
fn another_version_is_said_to_be_one() {
    let next = br#"{"version": 2, "all": "else changed"}"#;
    assert!(matches!(Manifest::from_json(next), Err(Error::Version { found: 2, known: 1, .. })));
    assert!(matches!(RequestInfo::from_json(next), Err(Error::Version { found: 2, .. })));
    for broken in [&b""[..], b"{}", b"[]", br#"{"version": 1}"#, br#"{"version": -1}"#] {
        assert!(matches!(Manifest::from_json(broken), Err(Error::Document { .. })));
    }
}
