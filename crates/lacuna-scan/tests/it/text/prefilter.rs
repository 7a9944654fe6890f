//! Lines that the prefilter passes over hold nothing wanted, whatever they look like; and what the parser alone would find is found.

use std::sync::Arc;

use bytes::Bytes;
use lacuna_scan::text::{TextFormat, TextSearch};
use lacuna_scan::{
    Case, Epoch, Epochs, Error, Field, Identifier, IdentifierRule, JsonType, Kind, Limits, Mapping, Matcher,
    PseudonymForm, Secret, Selector, StreamSearch, TenantRule,
};
use proptest::prelude::*;

use super::{Answer, Collected, path};

const UUID: &str = "6F9619FF-8B86-D011-B42D-00C04FC964FF";

/// Fields of each sort, for needles that a line can be told by.
fn matcher(wanted: &[(&str, &str)]) -> Arc<Matcher> {
    let field = |column: &str, kind: &str| Field::new(path(column), Kind::new(kind));
    let mail = |column: &str| Field { case: Case::Insensitive, trim: true, ..field(column, "mail") };
    let mapping = Mapping {
        identifiers: vec![
            IdentifierRule::One(field("id", "id")),
            IdentifierRule::One(mail("who.mails[]")),
            IdentifierRule::One(field("map{}", "id")),
            IdentifierRule::One(Field { json_type: JsonType::String, ..field("text", "digits") }),
            IdentifierRule::One(Field { json: Some(path("x.id")), ..field("note", "id") }),
        ],
        tenant: TenantRule::Single,
    };
    let selectors: Vec<_> = wanted
        .iter()
        .map(|(kind, value)| Selector { tenant: None, identifiers: vec![Identifier::new(*kind, *value)] })
        .collect();
    Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap())
}

/// The answer, and how many records were read for it.
fn run(mut search: TextSearch, text: &[u8]) -> (Answer, u64) {
    let mut sink = Collected(Vec::new());
    search.feed(Bytes::copy_from_slice(text), &mut sink).unwrap();
    let summary = search.finish(&mut sink).unwrap();
    let effort = summary.effort;
    (Answer::new(summary, sink), effort.rows_decoded)
}

/// Lines behind those that begin a shard, with and without the prefilter.
fn both(matcher: &Arc<Matcher>, lines: &[String]) -> [(Answer, u64); 2] {
    let text = "{\"id\":\"nobody\"}\n".repeat(BEGIN) + &lines.join("\n");
    let search =
        || TextSearch::new(TextFormat::Ndjson, Arc::clone(matcher), Limits::default()).unwrap().noting_lost(&[]);
    [run(search(), text.as_bytes()), run(search().with_prefilter(), text.as_bytes())]
}

/// Lines that are parsed in any case.
const BEGIN: usize = 256;

/// A string literal; `how` says which of its characters are written as escapes, and `short` whether the short forms are used.
fn literal(text: &str, how: u32, short: bool) -> String {
    let mut out = String::from("\"");
    for (at, char) in (0_u32..).zip(text.chars()) {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '/' if short => out.push_str("\\/"),
            '\t' if short => out.push_str("\\t"),
            _ if char < ' ' || how >> (at % 32) & 1 == 1 => {
                char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}

const WANTED: [(&str, &str); 5] =
    [("id", UUID), ("mail", "Änne.K@Example.de"), ("id", "users/anna"), ("mail", "kim@x.de"), ("digits", "1234567")];

const TEXTS: [&str; 16] = [
    UUID,
    "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "6f9619ff-8b86-d011-b42d-00c04fc964fe",
    "6f9619ff-8B86-D011-b42d-00c04fc964ff",
    "änne.k@EXAMPLE.de",
    " Änne.K@Example.de\t",
    "users/anna",
    "a/users/anna",
    "KIM@X.DE",
    "\u{212a}im@x.de",
    "kim@x.de ",
    "1234567",
    "C:\\users\\anna",
    "",
    "é",
    "a much longer value than all the others 😀",
];

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (prop::sample::select(&TEXTS[..]), prop_oneof![3 => Just(0), 1 => any::<u32>()], any::<bool>())
            .prop_map(|(text, how, short)| literal(text, how, short)),
        1 => prop::sample::select(&["1234567", "1.234567e6", "null", "true", "[]", "{}"][..]).prop_map(str::to_owned),
    ]
}

fn line() -> impl Strategy<Value = String> {
    (0..9_u8, prop::collection::vec(scalar(), 4), any::<u32>(), any::<bool>()).prop_map(|(shape, v, how, short)| {
        let [a, b, c, d] = [&v[0], &v[1], &v[2], &v[3]];
        match shape {
            0 => format!(r#"{{"time":{a},"id":{b},"x":{c},"text":{d}}}"#),
            1 => format!(r#" {{ "i\u0064" : {a} , "map": {{"k":{b},"l":{c}}} }}  "#),
            2 => format!(r#"{{"who":{{"mails":[{a},{b}],"id":{c}}},"text":{d}}}"#),
            3 => format!(r#"{{"who":{{"mails":[{a}]}}}}"#) + "\r",
            4 => format!(r#"{{"id":{a}}}"#),
            // JSON within text, some of its characters escaped twice.
            7 => format!(r#"{{"note":{},"id":{b}}}"#, literal(&format!(r#"{{"x":{{"id":{a}}},"n":{c}}}"#), how, short)),
            8 => format!(r#"{{"note":{}}}"#, literal(&format!(r#"{{"n":{a},"x":{{"id":{b}}}}}"#), 0, short)),
            5 => format!(r#"{{"id":[{a},{{"x":{b}}}],"who":{{"mails":{c}}},"map":[{d}]}}"#),
            _ => r#"{"id":"somebody","who":{"mails":[]}}"#.to_owned(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Of lines that can all be read, the answer is the same, record for record.
    #[test]
    fn what_is_passed_over_is_nobodys(
        lines in prop::collection::vec(line(), 1..80),
        wanted in prop::sample::subsequence(&WANTED[..], 1..=WANTED.len()),
    ) {
        let [(exact, _), (filtered, _)] = both(&matcher(&wanted), &lines);
        prop_assert_eq!(exact.poisoned, 0);
        prop_assert_eq!(filtered, exact);
    }

    /// Of lines that are damaged, no record is missed, and each line counts once.
    #[test]
    fn damage_hides_no_record(
        lines in prop::collection::vec((line(), any::<prop::sample::Index>(), prop::option::of(1..0x80_u8)), 1..60),
        wanted in prop::sample::subsequence(&WANTED[..], 1..=WANTED.len()),
    ) {
        let damage = |(line, at, byte): (String, prop::sample::Index, Option<u8>)| {
            let mut bytes = line.into_bytes();
            if let Some(byte) = byte.filter(|byte| !matches!(byte, b'\n' | b'\r')) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            String::from_utf8(bytes).unwrap_or_else(|_| "{\"id\":".to_owned())
        };
        let lines: Vec<_> = lines.into_iter().map(damage).collect();
        let [(exact, _), (filtered, _)] = both(&matcher(&wanted), &lines);
        prop_assert_eq!(&filtered.found, &exact.found);
        prop_assert_eq!(filtered.rows + filtered.poisoned, exact.rows + exact.poisoned);
        prop_assert!(filtered.poisoned <= exact.poisoned);
    }
}

fn lines<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).to_vec()
}

#[test]
fn only_lines_that_may_match_are_read() {
    let mut many = vec![r#"{"id":"somebody","path":"C:\\temp","quote":"\""}"#.to_owned(); 5000];
    many[3000] = format!(r#"{{"id":"{UUID}"}}"#);
    many[4000] = r#"{"id":"some\u0062ody"}"#.to_owned();
    let [(exact, all), (filtered, read)] = both(&matcher(&[("id", UUID)]), &many);
    assert_eq!(filtered, exact);
    assert_eq!((all, read), ((BEGIN + 5000) as u64, (BEGIN + 2) as u64));
}

#[test]
fn every_form_of_a_uuid_is_read() {
    let (lower, plain) = (UUID.to_lowercase(), UUID.replace('-', ""));
    let forms = [UUID, &lower, &plain, &plain.to_lowercase(), &format!("{{{UUID}}}"), &format!("{{{lower}}}")];
    let many: Vec<String> = forms.iter().map(|form| format!(r#"{{"id":"{form}"}}"#)).collect();
    for given in forms {
        let [(exact, _), (filtered, read)] = both(&matcher(&[("id", given)]), &many);
        assert_eq!((exact.found.len(), &filtered, read), (6, &exact, BEGIN as u64 + 6), "{given}");
    }
}

#[test]
fn what_looks_like_a_needle_is_none() {
    // Forms with figures in common, with hardly any, and texts; each among what has a part of it, again and again.
    let wanted =
        ["6f9619ff-8b86-4011-b42d-00c04fc96412", "abcdefab-8b86-4011-b42d-facadeabcdef", "a777b", "kim@x.example"];
    for value in wanted {
        let middle = &value[2..];
        let like = [
            &value[1..],
            &value[..value.len() - 1],
            &middle.repeat(9),
            "00c04fc96411",
            "96412",
            "000000000000",
            "b",
            value,
        ];
        let mut many: Vec<String> =
            like.iter().cycle().take(4000).map(|id| format!(r#"{{"x":"{id}","id":"{}"}}"#, &id[1..])).collect();
        many[1234] = format!(r#"{{"x":"é","id":"{value}"}}"#);
        many[3210] = format!(r#"{{"x":"{}","id":"{value}"}}"#, middle.repeat(20_000));
        let [(exact, _), (filtered, _)] = both(&matcher(&[("id", value)]), &many);
        assert_eq!((exact.found.len(), &filtered), (2, &exact), "{value}");
    }
}

#[test]
fn pseudonyms_are_few_enough_to_tell_lines_by() {
    let field = Field { pseudonym: Some(PseudonymForm::default()), ..Field::new(path("id"), Kind::new("id")) };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
    let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", UUID)] };
    let epoch = |id: &str| Epoch { id: id.into(), key: Secret::new(id.as_bytes().to_vec()) };
    let epochs = Epochs::new(vec![epoch("one"), epoch("two")]);
    let matcher = Arc::new(Matcher::new(&mapping, &[selector], &epochs).unwrap());
    // Of the lower-case form under the second key: base64 of its first 16 bytes, and hex of all.
    let own = ["bm16C0QP7bs3m4Dw2cNDGw==", "6e6d7a0b440fedbb379b80f0d9c3431b4014f4c44c98956c4896b7bcec7e8dc3"]
        .map(|pseudonym| format!(r#"{{"id":"{pseudonym}"}}"#));
    let [(exact, _), (filtered, read)] = both(&matcher, &[own.to_vec(), lines([r#"{"id":"some"}"#; 500])].concat());
    assert_eq!((exact.found.len(), &filtered, read), (2, &exact, BEGIN as u64 + 2));
}

#[test]
fn a_number_or_a_short_needle_leaves_all_lines_to_the_parser() {
    for wanted in [[("id", "12345")], [("id", "abc")], [("mail", "")]] {
        let [(exact, all), (filtered, read)] = both(&matcher(&wanted), &vec![r#"{"id":12345}"#.to_owned(); 500]);
        assert_eq!(filtered, exact, "{wanted:?}");
        assert_eq!(read, all, "{wanted:?}");
    }
    let digits = matcher(&[("digits", "1234567")]);
    let [(exact, _), (filtered, read)] = both(&digits, &lines([r#"{"text":"1234567"}"#, r#"{"text":1.234567e6}"#]));
    assert_eq!((&filtered, exact.found_rows()), (&exact, vec![BEGIN as u64]));
    assert_eq!(read, BEGIN as u64 + 1);
}

#[test]
fn a_line_that_is_no_whole_object_is_noticed() {
    let broken = [r#"{"id":"some"#, r#""id":"x"}"#, "[1]", "12", "nothing", "{", "}", "{\"a\":1} {\"b", "\u{200b}{}"];
    for line in broken {
        let [(exact, _), (filtered, _)] = both(&matcher(&[("id", UUID)]), &lines(["{}", line, "{}"]));
        assert_eq!((exact.poisoned, &filtered), (1, &exact), "{line}");
    }
}

#[test]
fn what_is_wrong_at_a_shards_begin_is_noticed() {
    let search = TextSearch::new(TextFormat::Ndjson, matcher(&[("id", UUID)]), Limits::default()).unwrap();
    let (answer, _) = run(search.noting_lost(&[]).with_prefilter(), b"{'id': 'single quotes'}\n{\"id\":\"x\"}\n");
    assert_eq!((answer.rows, answer.poisoned), (1, 1));
}

#[test]
fn columns_are_looked_for_until_one_line_has_one() {
    let search = || {
        let matcher = matcher(&[("id", UUID)]);
        TextSearch::new(TextFormat::Ndjson, matcher, Limits::default()).unwrap().with_prefilter()
    };
    let lacking = vec![r#"{"name":"somebody","mapped":0}"#; 20_000].join("\n");
    let mut sink = Collected(Vec::new());
    let mut missing = search();
    missing.feed(Bytes::from(lacking.clone()), &mut sink).unwrap();
    match missing.finish(&mut sink) {
        Err(Error::MissingKey { column }) => assert_eq!(column, "id"),
        other => panic!("{other:?}"),
    }
    // The lines of the blocks behind the first one that has it are passed over.
    let late = format!("{lacking}\n{{\"map\":{{\"x\":0}}}}\n{lacking}");
    let (answer, read) = run(search(), late.as_bytes());
    assert_eq!((answer.rows, answer.poisoned), (40_001, 0));
    assert!((20_000..32_000).contains(&read), "{read}");
    // The first line mostly has them all.
    let (answer, read) = run(search(), vec![r#"{"id":"some","map":{"x":0},"text":"x"}"#; 20_000].join("\n").as_bytes());
    assert_eq!((answer.rows, read), (20_000, 256));
}
