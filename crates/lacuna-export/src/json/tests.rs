use proptest::prelude::*;

use super::*;

fn compacted(text: &str) -> Result<String> {
    let mut out = Vec::new();
    compact(text.as_bytes(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn white_space_goes_and_all_else_stays() {
    let spaced = "\r\n { \"b\" : [ 1 , 2.50 , { } , [ ] ] ,\n\t\"a\" : \"x  y \\u0040 \\/\" , \"a\" : 1E400 , \"n\":null,\"t\" : true } ";
    assert_eq!(compacted(spaced).unwrap(), r#"{"b":[1,2.50,{},[]],"a":"x  y \u0040 \/","a":1E400,"n":null,"t":true}"#);
    assert_eq!(compacted("{}").unwrap(), "{}");
}

#[test]
fn digits_stay() {
    for number in ["-0", "0.10", "123456789012345678901234567890.000", "1e5", "1E+05", "-1.5e-300", "9007199254740993"]
    {
        assert_eq!(compacted(&format!("{{\"n\": {number} }}")).unwrap(), format!("{{\"n\":{number}}}"));
        assert!(is_number(number.as_bytes()));
    }
}

#[test]
fn raw_control_characters_become_escapes() {
    assert_eq!(compacted("{\"a\tb\":\"c\nd\u{1}\"}").unwrap(), r#"{"a\tb":"c\nd\u0001"}"#);
}

#[test]
fn what_is_no_object_is_refused() {
    for wrong in [
        "",
        " ",
        "[]",
        "1",
        "\"a\"",
        "null",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"",
        "{'a':1}",
        "{\"a\":--1}",
        "{\"a\":1-}",
    ] {
        assert!(matches!(compacted(wrong), Err(Error::Record { .. })), "{wrong}");
    }
    assert!(compact(b"{\"a\":\"\xff\"}", &mut Vec::new()).is_err());
}

#[test]
fn nesting_ends_somewhere() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(compacted(&nested(NESTING_MAX - 1)).is_ok());
    assert!(matches!(compacted(&nested(NESTING_MAX)), Err(Error::Nesting { .. })));
    assert!(matches!(compacted(&nested(1_000_000)), Err(Error::Nesting { .. })));
}

#[test]
fn a_string_says_its_text() {
    let said = |raw: &str| text(raw.as_bytes()).text.into_owned();
    assert_eq!(said(r#""a\u0040\"\\\/\b\f\n\r\t\u00e9é""#), "a@\"\\/\x08\x0c\n\r\téé");
    assert_eq!(said(r#""\ud83d\ude00""#), "😀");
    assert_eq!(text(br#""\ud83dx""#), Text { text: "\\ud83dx".into(), exact: false });
    assert_eq!(text(br#""\ude00\ud83d\ud83d\ude00""#), Text { text: "\\ude00\\ud83d😀".into(), exact: false });
    assert_eq!(text(b"\"\""), Text { text: "".into(), exact: true });
}

#[test]
fn entries_come_in_order_and_twice() {
    let mut seen = Vec::new();
    let object = br#"{"a":[1,{"x":2}],"b":"}","a":null,"":{}}"#;
    entries(object, |name, value| {
        seen.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
        Ok(())
    })
    .unwrap();
    let expected = [("\"a\"", "[1,{\"x\":2}]"), ("\"b\"", "\"}\""), ("\"a\"", "null"), ("\"\"", "{}")];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

proptest! {
    #[test]
    fn strings_come_back(said in any::<String>()) {
        let mut raw = Vec::new();
        write_string(&said, &mut raw);
        prop_assert_eq!(&serde_json::from_slice::<String>(&raw).unwrap(), &said);
        prop_assert_eq!(text(&raw), Text { text: said.into(), exact: true });
    }

    /// Agrees with another parser on what is JSON.
    #[test]
    fn grammar_agrees(text in r#"\{"a":[-+0-9eE.,:\[\]{}"\\untrfalse ]{0,12}\}"#) {
        let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
        prop_assert_eq!(compacted(&text).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = compact(&bytes, &mut Vec::new());
        let _ = text(&bytes);
        let _ = entries(&bytes, |_, _| Ok(()));
    }
}
