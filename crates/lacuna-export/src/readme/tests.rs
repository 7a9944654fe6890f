use super::*;
use crate::manifest::{Excluded, Problem, VERSION, Window};

const TRAP: &str = "<script>\"&'\u{202e}\0</script>";

fn page(change: impl Fn(&mut RequestInfo, &mut Manifest)) -> String {
    let mut info = RequestInfo {
        version: VERSION,
        request: "r".into(),
        tenant: Some("contoso".into()),
        request_type: "export".into(),
        requested_at: None,
        started_at: None,
        finished_at: Some("2026-01-02T03:04:05Z".into()),
        window: None,
        identifier_kinds: vec!["object_id".into(), "email".into()],
        tool: "lacuna 0.1.0".into(),
        format: Format::Json,
    };
    let mut manifest = Manifest {
        version: VERSION,
        request: "r".into(),
        tenant: Some("contoso".into()),
        request_type: "export".into(),
        tool: "lacuna 0.1.0".into(),
        format: Format::Json,
        complete: true,
        records: 3,
        files: vec![File { path: "P/D%3A é.json".into(), bytes: 9, sha256: String::new(), records: Some(3) }],
        sources: vec![source("a", "P", 1), source("b", "Q", 0), source("c", "P", 2)],
        excluded: Vec::new(),
    };
    change(&mut info, &mut manifest);
    render(&info, &manifest)
}

fn source(name: &str, product: &str, matched: u64) -> Source {
    Source {
        source: name.into(),
        product: product.into(),
        data_type: "D".into(),
        shards_scanned: 1,
        rows_scanned: 10,
        matched,
        shards: Vec::new(),
        problems: Vec::new(),
    }
}

/// Parses the page as XML would be, void elements aside, so that every tag is closed and every attribute quoted.
fn assert_well_formed(page: &str) {
    let mut reader = quick_xml::Reader::from_str(page);
    let mut open = Vec::new();
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(start) => {
                for attribute in start.attributes() {
                    attribute.unwrap();
                }
                let name = start.name().as_ref().to_owned();
                assert_ne!(name, "script");
                if name != "meta" {
                    open.push(name);
                }
            }
            quick_xml::events::Event::End(end) => assert_eq!(open.pop().as_deref(), Some(end.name().as_ref())),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
}

#[test]
fn counts_are_by_product_and_type() {
    let page = page(|_, _| {});
    assert_well_formed(&page);
    assert!(page.contains("<th scope=\"row\">P</th><td>D</td><td class=\"count\">3</td>"));
    assert!(page.contains("<th scope=\"row\">Q</th><td>D</td><td class=\"count\">0</td>"));
    assert!(page.contains("<strong>3 records</strong>"));
    assert!(page.contains("href=\"./P/D%253A%20%C3%A9.json\">P/D%3A é.json</a>"));
    assert!(page.contains("Nothing was left out"));
    assert!(page.contains("object_id, email"));
    assert!(page.contains("<html lang=\"en\">") && page.contains("<title>") && page.contains("viewport"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
}

#[test]
fn everything_is_escaped() {
    let page = page(|info, manifest| {
        for text in [&mut info.request, &mut info.request_type, &mut manifest.tool, &mut manifest.files[0].path] {
            *text = TRAP.into();
        }
        info.tenant = Some(TRAP.into());
        info.requested_at = Some(TRAP.into());
        info.window = Some(Window { from: Some(TRAP.into()), until: Some(TRAP.into()) });
        info.identifier_kinds = vec![TRAP.into()];
        manifest.sources[0].product = TRAP.into();
        manifest.sources[0].data_type = TRAP.into();
        let (source, product, data_type, reason) = (TRAP.into(), TRAP.into(), TRAP.into(), TRAP.into());
        manifest.excluded.push(Excluded { source, product, data_type, reason });
    });
    assert_well_formed(&page);
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\0'));
    assert_eq!(page.matches("&lt;script&gt;&quot;&amp;&#39;\u{fffd}\u{fffd}&lt;/script&gt;").count(), 14);
}

#[test]
fn what_is_missing_is_said() {
    let page = page(|_, manifest| {
        manifest.complete = false;
        manifest.sources[1].problems = vec![Problem { shard: "q/1".into(), reason: "is cut off".into() }];
        manifest.excluded.push(Excluded {
            source: "audit".into(),
            product: "Audit".into(),
            data_type: "Sign-ins".into(),
            reason: "kept for security".into(),
        });
    });
    assert_well_formed(&page);
    assert!(page.contains("This package is not complete."));
    assert!(page.contains("<th scope=\"row\">Audit</th><td>Sign-ins</td><td>kept for security</td>"));
    assert!(page.contains("<td>1 part of the logs could not be read whole"));
    assert!(!page.contains("Nothing was left out"));
}

#[test]
fn an_empty_package_says_so() {
    let page = page(|_, manifest| {
        manifest.records = 0;
        manifest.files.clear();
        manifest.sources.clear();
    });
    assert_well_formed(&page);
    assert!(page.contains("<strong>0 records</strong>") && page.contains("there are no data files"));
}

#[test]
fn a_thousand_files_stay_a_page() {
    let page = page(|_, manifest| manifest.files = vec![manifest.files[0].clone(); 1_000]);
    assert_eq!(page.matches("<a href=\"./P/").count(), LINKS_MAX);
    assert!(page.contains("And 800 more"));
}
