use proptest::prelude::*;

use super::*;

#[test]
fn paths_are_those_of_the_design() {
    let package = Package::new(Some("contoso"), "0190-abc");
    assert_eq!(package.root(), "contoso/0190-abc");
    assert_eq!(package.path(REQUEST_INFO), "contoso/0190-abc/RequestInfo.json");
    assert_eq!(Package::new(None, "r").root(), "_/r");
    assert_eq!(Package::new(Some("_"), "r").root(), "%5F/r");
    let [file] = &data_files([("Office/SharePoint", "ProductAndServiceUsage")])[..] else { panic!() };
    assert_eq!(data_file(&file.stem, Format::Json, None), "Office/SharePoint/ProductAndServiceUsage.json");
    assert_eq!(data_file(&file.stem, Format::Csv, Some(1)), "Office/SharePoint/ProductAndServiceUsage.0001.csv");
    assert_eq!(data_file(&file.stem, Format::Xml, Some(12_345)), "Office/SharePoint/ProductAndServiceUsage.12345.xml");
}

#[test]
fn sources_of_one_kind_share_a_file() {
    let files = data_files([("A", "x"), ("B", "x"), ("A", "x"), ("a", "x"), ("A", "X")]);
    let expected = [("A/x", vec![0, 2]), ("B/x", vec![1]), ("a/x~2", vec![3]), ("A/X~3", vec![4])];
    assert_eq!(files, expected.map(|(stem, sources)| DataFile { stem: stem.into(), sources }));
}

#[test]
fn traps_become_plain_segments() {
    let stem = |product: &str, data_type: &str| data_files([(product, data_type)]).remove(0).stem;
    assert_eq!(stem("../../etc", "passwd"), "%2E%2E/%2E%2E/etc/passwd");
    assert_eq!(stem("..", ".."), "%2E%2E/%2E%2E");
    assert_eq!(stem("/abs//x/", "t"), "%/abs/%/x/%/t");
    assert_eq!(stem("a\\b:c", "d/e\n\0"), "a%5Cb%3Ac/d%2Fe%0A%00");
    assert_eq!(stem("CON", "nul.txt"), "%43ON/%6Eul.txt");
    assert_eq!(stem("com1", "LPT¹"), "%63om1/%4CPT¹");
    assert_eq!(stem("command", "null"), "command/null");
    assert_eq!(stem(" a ", "b."), "%20a%20/b%2E");
    assert_eq!(stem("50%", "~"), "50%25/%7E");
    assert_eq!(stem("", ""), "%/%");
    assert_eq!(stem("Größe 漢字", "émoji 😀"), "Größe 漢字/émoji 😀");
    assert_eq!(stem("a\u{202e}b", "c\u{200b}"), "a%E2%80%AEb/c%E2%80%8B");
    // Nothing stands where a file of the package, or a part, must.
    assert_eq!(stem("manifest.json", "x"), "manifest%2Ejson/x");
    assert_eq!(stem("README.HTML", "x"), "README%2EHTML/x");
    assert_eq!(stem("_SUCCESS", "x"), "%5FSUCCESS/x");
    assert_eq!(stem("A/B.json", "C"), "A/B%2Ejson/C");
    assert_eq!(stem("A", "X.0001"), "A/X%2E0001");
    let deep = stem(&"d/".repeat(50), "x");
    assert_eq!(deep.matches('/').count(), PRODUCT_DEPTH_MAX);
    let long = stem(&"p".repeat(1_000), &"ü".repeat(1_000));
    assert!(long.split('/').all(|segment| segment.len() <= 100), "{long}");
    assert_ne!(long, stem(&"p".repeat(1_001), &"ü".repeat(1_000)));
}

#[test]
fn what_leaves_the_package_is_known() {
    for within in ["manifest.json", "A/B/c.json", "%2E%2E/x", "A b/ü"] {
        assert!(is_within(within), "{within}");
    }
    for outside in
        ["", "/etc/passwd", "../x", "a/../x", "a/..", ".", "a//b", "a/", "C:/x", "a\\..\\b", "a\0b", "\\\\host\\x"]
    {
        assert!(!is_within(outside), "{outside}");
    }
}

/// What `is_within` and the encoding promise, a real file system keeps: every file is there, under its name and no other's.
#[test]
fn odd_names_are_files_on_a_disk() {
    let long = "x".repeat(500);
    let names =
        ["A", "A.json", "A/B", "a", "..", ".", "", " ", "CON", "a:b", "a\\b", "ü", "_SUCCESS", "\n", "%", "~", &long];
    let sources: Vec<(&str, &str)> =
        names.iter().flat_map(|product| names.map(|data_type| (*product, data_type))).collect();
    let folder = tempfile::tempdir().unwrap();
    let files = data_files(sources.iter().copied());
    assert_eq!(files.len(), sources.len());
    for (number, file) in files.iter().enumerate() {
        let path = folder.path().join(data_file(&file.stem, Format::Json, None));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(!path.exists(), "{}", path.display());
        std::fs::write(path, number.to_string()).unwrap();
    }
    for (number, file) in files.iter().enumerate() {
        let path = folder.path().join(data_file(&file.stem, Format::Json, None));
        assert_eq!(std::fs::read_to_string(path).unwrap(), number.to_string());
    }
}

proptest! {
    #[test]
    fn any_name_is_a_safe_path(product in any::<String>(), data_type in any::<String>()) {
        let stem = data_files([(product.as_str(), data_type.as_str())]).remove(0).stem;
        for part in [None, Some(1)] {
            prop_assert!(is_within(&data_file(&stem, Format::Json, part)), "{}", stem);
        }
        prop_assert!(stem.len() <= 101 * (PRODUCT_DEPTH_MAX + 1));
    }

    #[test]
    fn different_names_are_different_paths(
        a in "[aA.:%~_0/ ü]{0,6}", b in "[aA.:%~_0/ ü]{0,6}", c in "[aA.:%~_0/ ü]{0,6}", d in "[aA.:%~_0/ ü]{0,6}",
    ) {
        let files = data_files([(a.as_str(), b.as_str()), (c.as_str(), d.as_str())]);
        if (&a, &b) == (&c, &d) {
            prop_assert_eq!(files.len(), 1);
        } else {
            prop_assert_ne!(files[0].stem.to_lowercase(), files[1].stem.to_lowercase());
        }
    }
}
