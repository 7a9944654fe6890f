use std::io::{BufReader, Cursor};

use proptest::prelude::*;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use super::*;

fn encoded(format: Format, records: &str) -> String {
    let mut out = Vec::new();
    let mut open = || Ok(Box::new(Cursor::new(records.to_owned())) as Box<dyn BufRead>);
    let count = encode(format, &mut open, &mut out).unwrap();
    assert_eq!(count, u64::try_from(records.lines().count()).unwrap());
    String::from_utf8(out).unwrap()
}

fn csv_of(records: &str) -> String {
    encoded(Format::Csv, records).strip_prefix('\u{feff}').unwrap().to_owned()
}

fn xml_of(records: &str) -> String {
    let text = encoded(Format::Xml, records);
    let text = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<records>\n").unwrap();
    text.strip_suffix("</records>\n").unwrap().to_owned()
}

#[test]
fn no_records_are_valid_files() {
    assert_eq!(encoded(Format::Json, ""), "[]\n");
    assert_eq!(encoded(Format::Ndjson, ""), "");
    assert_eq!(csv_of(""), "");
    assert_eq!(encoded(Format::Xml, ""), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<records>\n</records>\n");
}

#[test]
fn json_is_an_array_with_a_record_a_line() {
    assert_eq!(encoded(Format::Json, "{\"a\":1}\n"), "[{\"a\":1}]\n");
    assert_eq!(encoded(Format::Json, "{\"a\":1}\n{\"a\":2.50}"), "[{\"a\":1},\n{\"a\":2.50}]\n");
    assert_eq!(encoded(Format::Ndjson, "{\"a\":1}\n{\"a\":2.50}"), "{\"a\":1}\n{\"a\":2.50}\n");
}

#[test]
fn what_is_no_record_is_refused() {
    for format in Format::ALL {
        for wrong in ["\n", "[]\n", "{\"a\":1}\n\n", "{\"a\":1\n", "1", "{\"a\":1}{"] {
            let mut open = || Ok(Box::new(Cursor::new(wrong)) as Box<dyn BufRead>);
            assert!(encode(format, &mut open, &mut Vec::new()).is_err(), "{format} {wrong:?}");
        }
    }
}

#[test]
fn csv_has_the_columns_of_all_records() {
    assert_eq!(
        csv_of("{\"b\":1,\"a\":\"x\"}\n{\"c\":null,\"a\":\"\"}\n{}\n{\"a\":true,\"b\":1e400}\n"),
        "b,a,c\r\n1,x,\r\n,\"\",\r\n,,\r\n1e400,true,\r\n"
    );
}

#[test]
fn csv_gives_a_doubled_name_two_columns() {
    assert_eq!(
        csv_of("{\"a\":1,\"a\":2}\n{\"a\":3}\n{\"\\u0061\":4,\"b\":5,\"a\":6,\"a\":7}\n"),
        "a,a,b,a\r\n1,2,,\r\n3,,,\r\n4,6,5,7\r\n"
    );
}

#[test]
fn csv_never_has_an_empty_line() {
    assert_eq!(csv_of("{\"a\":null}\n{\"a\":\"\"}\n{\"a\":1}\n{}\n"), "a\r\n\"\"\r\n\"\"\r\n1\r\n\"\"\r\n");
    assert_eq!(csv_of("{}\n{}\n"), "\"\"\r\n\"\"\r\n\"\"\r\n");
}

#[test]
fn csv_quotes_and_nests() {
    assert_eq!(
        csv_of(r#"{"a,b":"say \"hi\"","n":{"x":[1,"y"]},"l":[],"t":"one\ntwo","s":" pad "}"#),
        "\"a,b\",n,l,t,s\r\n\"say \"\"hi\"\"\",\"{\"\"x\"\":[1,\"\"y\"\"]}\",\"[]\",\"one\ntwo\",\" pad \"\r\n"
    );
}

#[test]
fn csv_is_no_formula() {
    let cell = |text: &str| {
        let record = serde_json::to_string(&Map::from_iter([("c".to_owned(), Value::from(text))])).unwrap();
        let csv = csv_of(&record);
        let mut reader = ::csv::ReaderBuilder::new().from_reader(csv.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        row[0].to_owned()
    };
    for formula in [
        "=1+1",
        "=cmd|' /C calc'!A0",
        "+49 30 1234",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u{a0}=1",
        "\u{feff}=1",
        "\u{200b}@x",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "-",
        "+1",
        "-12.5.1",
        "- 5",
        "'=1",
        "'quoted'",
        "\tplain",
    ] {
        assert_eq!(cell(formula), format!("'{formula}"), "{formula:?}");
    }
    for plain in ["-12.5", "-1e5", "0", "a=b", "a@b.example", "1-2", "", " ", "x'y", "{", "é"] {
        assert_eq!(cell(plain), plain, "{plain:?}");
    }
    assert_eq!(csv_of("{\"=x\":-12.5,\"n\":-1}"), "'=x,n\r\n-12.5,-1\r\n");
}

#[test]
fn csv_says_when_there_are_too_many_columns() {
    use std::fmt::Write;
    let mut record = String::from("{");
    for column in 0..=COLUMNS_MAX {
        write!(record, "\"c{column}\":1,").unwrap();
    }
    record.pop();
    record.push('}');
    let mut open = || Ok(Box::new(Cursor::new(record.clone())) as Box<dyn BufRead>);
    assert!(matches!(encode(Format::Csv, &mut open, &mut Vec::new()), Err(Error::Columns { .. })));
}

#[test]
fn xml_nests_and_names() {
    assert_eq!(
        xml_of(r#"{"a b<\"&":"x<y>&z","n":-1.50,"t":true,"z":null,"o":{"l":[1,[],{"k":""}]},"e":{}}"#),
        "<record><field name=\"a b&lt;&quot;&amp;\">x&lt;y&gt;&amp;z</field><field name=\"n\" type=\"number\">-1.50</field>\
         <field name=\"t\" type=\"boolean\">true</field><field name=\"z\" type=\"null\"/>\
         <field name=\"o\" type=\"object\"><field name=\"l\" type=\"array\"><item type=\"number\">1</item>\
         <item type=\"array\"></item><item type=\"object\"><field name=\"k\"></field></item></field></field>\
         <field name=\"e\" type=\"object\"></field></record>\n"
    );
}

#[test]
fn xml_loses_no_character() {
    assert_eq!(
        xml_of(r#"{"a\u0000":"x\u0001<\ufffe\ud800","b":"\t\r\n é\u0085"}"#),
        "<record><field name=\"&quot;a\\u0000&quot;\" name-encoding=\"json\" encoding=\"json\">\
         &quot;x\\u0001&lt;\\ufffe\\ud800&quot;</field><field name=\"b\">&#9;&#13;&#10; é\u{85}</field></record>\n"
    );
    assert_eq!(
        xml_of("{\"a\":\"\u{ffff}é\"}"),
        "<record><field name=\"a\" encoding=\"json\">&quot;\\uffffé&quot;</field></record>\n"
    );
}

#[test]
fn deep_records_pass_or_are_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}\n", "[".repeat(depth), "]".repeat(depth));
    for format in [Format::Csv, Format::Xml] {
        encoded(format, &nested(crate::NESTING_MAX - 1));
        let mut open = || Ok(Box::new(Cursor::new(nested(1_000_000))) as Box<dyn BufRead>);
        assert!(matches!(encode(format, &mut open, &mut Vec::new()), Err(Error::Nesting { .. })));
    }
}

#[test]
fn parts_hold_all_records_once() {
    let records = "{\"a\":1}\n{\"b\":22}\n{\"a\":3}\n{\"a\":4}\n";
    for (bytes_max, expected) in [(0, vec![1, 1, 1, 1]), (8, vec![1, 1, 1, 1]), (9, vec![2, 2]), (1 << 20, vec![4])] {
        for format in Format::ALL {
            let mut open = || Ok(Box::new(Cursor::new(records)) as Box<dyn BufRead>);
            let encoder = Encoder::new(format, &mut open).unwrap();
            let mut reader = open().unwrap();
            let mut counts = Vec::new();
            loop {
                let mut out = Vec::new();
                let part = encoder.encode(&mut *reader, bytes_max, &mut out).unwrap();
                counts.push(part.records);
                if format == Format::Csv {
                    assert!(out.starts_with("\u{feff}a,b\r\n".as_bytes()), "every part has the whole header");
                }
                if !part.more {
                    break;
                }
            }
            assert_eq!(counts, expected, "{format} {bytes_max}");
        }
    }
}

/// Reads a byte at a time, and fails as told.
struct Slow<'a> {
    left: &'a [u8],
}

impl std::io::Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some((first, rest)) = self.left.split_first() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        into[0] = *first;
        self.left = rest;
        Ok(1)
    }
}

#[test]
fn a_failing_reader_or_writer_is_an_error() {
    for format in Format::ALL {
        let mut open = || Ok(Box::new(BufReader::new(Slow { left: b"{\"a\":1}\n" })) as Box<dyn BufRead>);
        assert!(matches!(encode(format, &mut open, &mut Vec::new()), Err(Error::Read(_))));
        let mut open = || Ok(Box::new(Cursor::new("{\"a\":1}\n")) as Box<dyn BufRead>);
        let mut full: &mut [u8] = &mut [0; 5];
        assert!(matches!(encode(format, &mut open, &mut full), Err(Error::Write(_))));
    }
}

/// A JSON text kept as text, so that digits and doubled names count.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn text(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(digits) => digits.clone(),
            Self::String(text) => quoted(text),
            Self::Array(values) => format!("[{}]", values.iter().map(Self::text).collect::<Vec<_>>().join(",")),
            Self::Object(fields) => {
                let field = |(name, value): &(String, Self)| format!("{}:{}", quoted(name), value.text());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn any_value() -> impl Strategy<Value = Json> {
    let text = prop_oneof![any::<String>(), "[-=+@' \t\r\n,;\"a1\u{0}\u{1}\u{feff}\u{fffe}]{0,6}"];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,4})?".prop_map(Json::Number),
        text.prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::vec(("[ab<\u{1}]{0,2}", inner), 0..4).prop_map(Json::Object),
        ]
    })
}

fn any_records() -> impl Strategy<Value = Vec<Json>> {
    let record = proptest::collection::vec(("[ab=' ,\"\u{1}é]{0,2}", any_value()), 0..5).prop_map(Json::Object);
    proptest::collection::vec(record, 0..5)
}

/// Reads one element's content back, with another XML parser.
fn from_xml(reader: &mut quick_xml::Reader<&[u8]>, start: &BytesStart<'_>, empty: bool) -> (Option<String>, Json) {
    let attribute = |name: &str| {
        let attribute = start.try_get_attribute(name).unwrap()?;
        Some(attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap().into_owned())
    };
    let said = |text: String, encoding: Option<String>| match encoding.as_deref() {
        Some("json") => serde_json::from_str::<String>(&text).unwrap(),
        _ => text,
    };
    let name = attribute("name").map(|name| said(name, attribute("name-encoding")));
    let (mut text, mut children, mut done) = (String::new(), Vec::new(), empty);
    while !done {
        match reader.read_event().unwrap() {
            Event::Start(child) => children.push(from_xml(reader, &child, false)),
            Event::Empty(child) => children.push(from_xml(reader, &child, true)),
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().unwrap() {
                Some(letter) => text.push(letter),
                None => {
                    text.push_str(quick_xml::escape::resolve_predefined_entity(&reference).unwrap());
                }
            },
            Event::End(_) => done = true,
            other => panic!("{other:?}"),
        }
    }
    let value = match attribute("type").as_deref() {
        None => Json::String(said(text, attribute("encoding"))),
        Some("null") => Json::Null,
        Some("boolean") => Json::Bool(text == "true"),
        Some("number") => Json::Number(text),
        Some("array") => Json::Array(children.into_iter().map(|(_, value)| value).collect()),
        Some("object") => Json::Object(children.into_iter().map(|(name, value)| (name.unwrap(), value)).collect()),
        Some(other) => panic!("{other}"),
    };
    (name, value)
}

proptest! {
    #[test]
    fn json_and_ndjson_are_the_records(records in any_records()) {
        let lines: Vec<String> = records.iter().map(Json::text).collect();
        let ndjson = encoded(Format::Ndjson, &lines.join("\n"));
        prop_assert_eq!(ndjson.lines().collect::<Vec<_>>(), lines.clone());
        let json = encoded(Format::Json, &lines.join("\n"));
        let read: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.iter().map(|record| record.get()).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn csv_reads_back(records in any_records()) {
        let lines: Vec<String> = records.iter().map(Json::text).collect();
        let csv = encoded(Format::Csv, &lines.join("\n"));
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
        let mut rows = reader.records().map(|row| row.unwrap());
        let header = rows.next();
        let plain = |cell: &str| -> String { cell.strip_prefix('\'').unwrap_or(cell).to_owned() };
        let mut count = 0;
        for (row, record) in rows.zip(&records) {
            count += 1;
            let Json::Object(fields) = record else { panic!() };
            let mut left: Vec<(String, String)> = header.as_ref().unwrap().iter().map(plain).zip(row.iter().map(str::to_owned)).collect();
            for (name, value) in fields {
                let at = left.iter().position(|(column, _)| column == name).unwrap();
                let (_, cell): (String, String) = left.remove(at);
                match value {
                    Json::Null => prop_assert_eq!(cell.as_str(), ""),
                    Json::String(text) => prop_assert_eq!(&plain(&cell), text),
                    other => prop_assert_eq!(cell, other.text()),
                }
            }
            prop_assert!(left.iter().all(|(_, cell)| cell.is_empty()));
        }
        prop_assert_eq!(count, records.len());
    }

    #[test]
    fn xml_reads_back(records in any_records()) {
        let lines: Vec<String> = records.iter().map(Json::text).collect();
        let xml = encoded(Format::Xml, &lines.join("\n"));
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut read = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) if start.name().as_ref() == "record" => {
                    let typed = BytesStart::new("record").with_attributes([("type", "object")]);
                    read.push(from_xml(&mut reader, &typed, false).1);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(read, records);
    }
}
