use super::*;
use crate::{Case, Epoch, Identifier, JsonType, PseudonymForm, Secret, TenantId};

fn field(column: &str, kind: &str) -> Field {
    Field::new(column.parse().unwrap(), Kind::new(kind))
}

fn matcher(rules: Vec<IdentifierRule>, identifiers: &[(&str, &str)]) -> Matcher {
    let mapping = Mapping { identifiers: rules, tenant: TenantRule::Single };
    let selector = Selector {
        tenant: None,
        identifiers: identifiers.iter().map(|(kind, value)| Identifier::new(*kind, *value)).collect(),
    };
    Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap()
}

fn matches(field: Field, identifier: &str, value: Value<'_>) -> bool {
    let kind = field.kind.as_str().to_owned();
    !matcher(vec![IdentifierRule::One(field)], &[(&kind, identifier)]).fields()[0].owners(value).is_empty()
}

#[test]
fn text_is_exact() {
    assert!(matches(field("u", "id"), "66577", Value::Text(b"66577")));
    assert!(!matches(field("u", "id"), "66577", Value::Text(b"166577")));
    assert!(!matches(field("u", "id"), "66577", Value::Text(b"66577 ")));
    assert!(!matches(field("u", "id"), "a@b.c", Value::Text(b"A@b.c")));
    assert!(matches(field("u", "id"), "", Value::Text(b"")));
    assert!(matches(field("u", "id"), "0", Value::Int(0)));
}

#[test]
fn case_and_trim_where_mapped() {
    let folded = || Field { case: Case::Insensitive, ..field("u", "email") };
    assert!(matches(folded(), "Ann@Contoso.com", Value::Text(b"ann@CONTOSO.com")));
    assert!(matches(folded(), "STRASSE", Value::Text("straSSe".as_bytes())));
    assert!(matches(folded(), "\u{212a}elvin", Value::Text(b"KELVIN")));
    for (given, held) in [("ΝΙΚΟΣ", "νικος"), ("ΝΙΚΟΣ", "νικοσ"), ("νικος", "ΝΙΚΟΣ"), ("νικοσ", "νικος")]
    {
        assert!(matches(folded(), given, Value::Text(held.as_bytes())), "{given} {held}");
    }
    assert!(!matches(folded(), "ann@contoso.com", Value::Text(b" ann@contoso.com")));
    let trimmed = Field { trim: true, ..folded() };
    assert!(matches(trimmed, " ann@contoso.com", Value::Text(b"Ann@contoso.com\t")));
}

#[test]
fn numbers_by_value() {
    assert!(matches(field("u", "id"), "12345", Value::Int(12_345)));
    assert!(!matches(field("u", "id"), "12345", Value::Int(123_450)));
    assert!(matches(field("u", "id"), "123.45", Value::Decimal { unscaled: &123_450_i32.to_be_bytes(), scale: 3 }));
    assert!(matches(field("u", "id"), "-1", Value::Int(-1)));
    assert!(matches(field("u", "id"), "18446744073709551615", Value::Int(u64::MAX.into())));
}

#[test]
fn json_types_where_mapped() {
    let typed = |json_type| Field { json_type, ..field("u", "id") };
    for (json_type, string, number) in
        [(JsonType::Any, true, true), (JsonType::String, true, false), (JsonType::Number, false, true)]
    {
        assert_eq!(matches(typed(json_type), "12345", Value::JsonString(b"12345")), string);
        assert_eq!(matches(typed(json_type), "12345", Value::JsonNumber(b"12345")), number);
        assert_eq!(matches(typed(json_type), "12345", Value::JsonNumber(b"12345.0")), number);
        assert!(!matches(typed(json_type), "12345", Value::JsonNumber(b"123450")));
    }
}

#[test]
fn floats_that_equal_integers() {
    let wants = |identifier: &str, float: f64| matches(field("u", "id"), identifier, Value::Double(float));
    assert!(wants("12345", 12_345.0) && wants("12345.0", 12_345.0) && wants("007", 7.0) && wants("-1", -1.0));
    assert!(wants("0", 0.0) && wants("0", -0.0));
    assert!(wants("9007199254740991", 9_007_199_254_740_991.0));
    assert!(matches(field("u", "id"), "12345", Value::Single(12_345.0)));
    for other in [12_345.5, 123_450.0, -12_345.0, 12_345.000_000_000_002, f64::NAN, f64::INFINITY] {
        assert!(!wants("12345", other), "{other}");
    }
    for word in ["ann", "", "NaN", "inf", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"] {
        for float in [f64::NAN, f64::INFINITY, 0.0, 6.0] {
            assert!(!wants(word, float), "{word} {float}");
        }
    }
}

#[test]
fn a_float_that_several_numbers_are_rounded_to_is_doubtful() {
    let doubts = |identifier: &str, value| {
        matcher(vec![IdentifierRule::One(field("u", "id"))], &[("id", identifier)]).fields()[0].doubts(value)
    };
    let (single, double) = (16_777_216.0_f32, 9_007_199_254_740_992.0_f64);
    for (identifier, in_single, in_double) in [
        ("16777215", false, false),
        ("16777216", true, false),
        ("-16777217", true, false),
        ("9007199254740991", true, false),
        ("9007199254740992", true, true),
        ("-9007199254740993", true, true),
        ("12.5", true, true),
        // Beyond all floats.
        ("1e400", false, false),
        ("ann", false, false),
    ] {
        let nearest = identifier.parse::<f64>().unwrap_or(1.0);
        assert_eq!(doubts(identifier, Value::Single(identifier.parse().unwrap_or(1.0))), in_single, "{identifier}");
        assert_eq!(doubts(identifier, Value::Double(nearest)), in_double, "{identifier}");
        assert!(!doubts(identifier, Value::Double(f64::NAN)) && !doubts(identifier, Value::Single(1.0)));
    }
    // However it was rounded.
    assert!(doubts("16777217", Value::Single(single)) && doubts("16777217", Value::Single(single.next_up())));
    assert!(doubts("9007199254740993", Value::Double(double.next_up())));
    assert!(!doubts("9007199254740993", Value::Double(double.next_up().next_up().next_up())));
}

#[test]
fn cells_that_hold_integers_as_floats() {
    for (cell, expected) in [
        ("12345", true),
        ("12345.0", true),
        ("1.2345e4", true),
        ("1.2345E+04", true),
        ("12345.5", false),
        ("-12345.0", false),
        ("123450.0", false),
        ("12345.", false),
        ("12345e0", false),
        ("012345", false),
        ("+12345", false),
        (" 12345.0", false),
        ("12345.0.0", false),
    ] {
        let cell = cell.as_bytes();
        assert_eq!(matches(field("u", "id"), "12345", Value::Cell(cell)), expected, "{cell:?}");
        let text = Field { json_type: JsonType::String, ..field("u", "id") };
        assert_eq!(matches(text, "12345", Value::Cell(cell)), cell == b"12345", "{cell:?}");
    }
    assert!(matches(Field { trim: true, ..field("u", "id") }, "12345", Value::Cell(b" 12345.0 ")));
    // Whose cell without a fraction would not match does not match with one.
    for (identifier, cell) in [("0012345", "12345.0"), ("12e3", "12000.0"), ("+491701234567", "4.91701234567e+11")] {
        assert!(!matches(field("u", "id"), identifier, Value::Cell(cell.as_bytes())), "{identifier}");
    }
    assert!(matches(field("u", "id"), "10000000000000000", Value::Cell(b"1e+16")));
    // What is no integer is text.
    assert!(matches(field("u", "id"), "1.5", Value::Cell(b"1.5")));
    assert!(!matches(field("u", "id"), "1.5", Value::Cell(b"1.50")));
    let [ten, other] = ["10", "10.0"].map(|id| Selector { tenant: None, identifiers: vec![Identifier::new("id", id)] });
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field("u", "id"))], tenant: TenantRule::Single };
    let matcher = Matcher::new(&mapping, &[ten, other], &Epochs::default()).unwrap();
    assert_eq!(*matcher.fields()[0].owners(Value::Cell(b"10.0")), [0, 1]);
}

const MIXED_CASE_UUID: &str = "6f9619FF-8b86-D011-B42d-00cf4fc964ff";

/// The usual forms of one UUID: with hyphens, without, in braces; all in lower and all in upper case.
fn uuid_forms() -> Vec<String> {
    let lower = [
        "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "6f9619ff8b86d011b42d00cf4fc964ff",
        "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}",
    ];
    lower.map(str::to_owned).into_iter().chain(lower.map(str::to_uppercase)).collect()
}

#[test]
fn uuids_in_text_and_bytes() {
    let bytes = [0x6f, 0x96, 0x19, 0xff, 0x8b, 0x86, 0xd0, 0x11, 0xb4, 0x2d, 0x00, 0xcf, 0x4f, 0xc9, 0x64, 0xff];
    let forms = uuid_forms();
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let mixed = MIXED_CASE_UUID;
    let folded = || Field { case: Case::Insensitive, ..field("u", "id") };
    for given in forms.iter().copied().chain([mixed]) {
        assert!(matches(field("u", "id"), given, Value::Bytes(&bytes)), "{given}");
        assert!(!matches(field("u", "id"), given, Value::Bytes(&bytes[..15])));
        for form in &forms {
            let form = form.as_bytes();
            assert!(matches(field("u", "id"), given, Value::Text(form)), "{given}");
            assert!(matches(field("u", "id"), given, Value::JsonString(form)), "{given}");
            assert!(matches(field("u", "id"), given, Value::Bytes(form)), "{given}");
            assert!(matches(folded(), given, Value::Text(form)), "{given}");
        }
        // What mixes the cases is another text where case counts, unless it was given just so.
        assert!(matches(folded(), given, Value::Text(mixed.as_bytes())));
        assert_eq!(matches(field("u", "id"), given, Value::Text(mixed.as_bytes())), given == mixed);
    }
    assert!(!matches(field("u", "id"), "not-a-uuid", Value::Bytes(&bytes)));
}

#[test]
fn a_tenants_uuid_is_one_however_it_is_written() {
    let [one, other] = ["6f9619ff-8b86-d011-b42d-00cf4fc964ff", "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}"];
    let rules = vec![IdentifierRule::One(field("u", "id"))];
    let selector =
        |tenant| Selector { tenant: Some(TenantId::new(tenant)), identifiers: vec![Identifier::new("id", "1")] };
    let fixed = Mapping { identifiers: rules.clone(), tenant: TenantRule::Fixed(TenantId::new(one)) };
    assert!(!Matcher::new(&fixed, &[selector(other)], &Epochs::default()).unwrap().is_empty());
    assert!(Matcher::new(&fixed, &[selector("6f9619ff")], &Epochs::default()).unwrap().is_empty());
    let column = Mapping { identifiers: rules, tenant: TenantRule::Column("t".parse().unwrap()) };
    let matcher = Matcher::new(&column, &[selector(one), selector(other)], &Epochs::default()).unwrap();
    let mut verdict = Verdict::new(&matcher);
    verdict.field(0, Value::Text(b"1"));
    verdict.tenant(Value::Text(one.to_uppercase().as_bytes()));
    assert_eq!(verdict.selectors(), [0, 1]);
}

#[test]
fn pseudonyms_of_every_epoch() {
    let epochs = Epochs::new(
        ["one", "two"].map(|key| Epoch { id: key.into(), key: Secret::new(key.as_bytes().to_vec()) }).to_vec(),
    );
    let pseudonymous =
        Field { case: Case::Insensitive, pseudonym: Some(PseudonymForm::default()), ..field("u", "email") };
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(pseudonymous)], tenant: TenantRule::Single };
    let selectors = [Selector { tenant: None, identifiers: vec![Identifier::new("email", "Ann@x.org")] }];
    let matcher = Matcher::new(&mapping, &selectors, &epochs).unwrap();
    let test = &matcher.fields()[0];
    let kind = Kind::new("email");
    for pseudonym in epochs.pseudonyms(&kind, b"ann@x.org") {
        assert_eq!(*test.owners(Value::Bytes(&pseudonym)), [0]);
        assert_eq!(*test.owners(Value::Bytes(&pseudonym[..16])), [0]);
        for text in PseudonymForm::default().texts(&pseudonym) {
            assert_eq!(*test.owners(Value::Text(&text)), [0]);
        }
    }
    assert!(test.owners(Value::Text(b"ann@x.org")).is_empty(), "the raw identifier is not its pseudonym");
    assert_eq!(
        Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap_err(),
        MatcherError::KeysNeeded { column: "u".parse().unwrap() }
    );
}

#[test]
fn pseudonyms_are_of_every_form_of_an_identifier() {
    let epochs = Epochs::new(vec![Epoch { id: "1".into(), key: Secret::new(b"one".to_vec()) }]);
    let kind = Kind::new("id");
    let matches = |case, given: &str, hashed: &str| {
        let field = Field { case, pseudonym: Some(PseudonymForm::default()), ..field("u", "id") };
        let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
        let selector = Selector { tenant: None, identifiers: vec![Identifier::new("id", given)] };
        let matcher = Matcher::new(&mapping, &[selector], &epochs).unwrap();
        let pseudonym = epochs.pseudonyms(&kind, hashed.as_bytes()).next().unwrap();
        *matcher.fields()[0].owners(Value::Bytes(&pseudonym)) == [0]
    };
    let forms = uuid_forms();
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let mixed = MIXED_CASE_UUID;
    for given in forms.iter().copied().chain([mixed]) {
        for form in &forms {
            assert!(matches(Case::Sensitive, given, form), "{given} {form}");
            assert!(matches(Case::Insensitive, given, form), "{given} {form}");
        }
        assert_eq!(matches(Case::Sensitive, given, mixed), given == mixed);
    }
    for (given, hashed, expected) in [
        ("007", "007", true),
        ("007", "7", true),
        ("1e5", "100000", true),
        ("12345.0", "12345", true),
        ("-0", "0", true),
        ("7", "007", false),
        ("1.50", "1.5", false),
        ("Ann", "Ann", true),
        ("Ann", "ann", false),
    ] {
        assert_eq!(matches(Case::Sensitive, given, hashed), expected, "{given} {hashed}");
    }
    for hashed in ["νικος", "νικοσ"] {
        assert!(matches(Case::Insensitive, "ΝΙΚΟΣ", hashed), "{hashed}");
    }
}

#[test]
fn composites_need_all_parts_of_one_selector() {
    let rule = IdentifierRule::AllOf(vec![field("first", "first"), field("born", "born")]);
    let mapping = Mapping { identifiers: vec![rule], tenant: TenantRule::Single };
    let person = |first, born| Selector {
        tenant: None,
        identifiers: vec![Identifier::new("first", first), Identifier::new("born", born)],
    };
    let matcher = Matcher::new(&mapping, &[person("Ann", "1980"), person("Bob", "1990")], &Epochs::default()).unwrap();
    let mut verdict = Verdict::new(&matcher);
    for (first, born, expected) in [("Ann", "1980", &[0][..]), ("Ann", "1990", &[]), ("Bob", "1990", &[1])] {
        verdict.reset();
        verdict.field(0, Value::Text(first.as_bytes()));
        verdict.field(1, Value::Text(born.as_bytes()));
        assert_eq!(verdict.selectors(), expected);
    }
    let hit = |row, selector| Hit { row, selector };
    let rows = matcher.candidates(vec![vec![hit(7, 0), hit(3, 0), hit(7, 1)], vec![hit(7, 0), hit(7, 0), hit(3, 1)]]);
    assert_eq!(rows, [hit(7, 0)]);
}

#[test]
fn a_composite_without_one_part_wants_nothing() {
    let rule = IdentifierRule::AllOf(vec![field("first", "first"), field("born", "born")]);
    assert!(matcher(vec![rule], &[("first", "Ann")]).is_empty());
}

#[test]
fn tenants_bound_every_selector() {
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(field("u", "id"))],
        tenant: TenantRule::Column("t".parse().unwrap()),
    };
    let of = |tenant: Option<&str>| Selector {
        tenant: tenant.map(TenantId::new),
        identifiers: vec![Identifier::new("id", "1")],
    };
    assert_eq!(Matcher::new(&mapping, &[of(None)], &Epochs::default()).unwrap_err(), MatcherError::TenantNeeded);

    let matcher = Matcher::new(&mapping, &[of(Some("A")), of(Some("B"))], &Epochs::default()).unwrap();
    let mut verdict = Verdict::new(&matcher);
    let cases: [(&[&str], &[u32]); 5] = [(&["A"], &[0]), (&["B"], &[1]), (&["C"], &[]), (&[], &[]), (&["A", "B"], &[])];
    for (tenants, expected) in cases {
        verdict.reset();
        verdict.field(0, Value::JsonNumber(b"1"));
        tenants.iter().for_each(|tenant| verdict.tenant(Value::JsonString(tenant.as_bytes())));
        assert_eq!(verdict.selectors(), expected, "{tenants:?}");
    }

    let fixed = Mapping { tenant: TenantRule::Fixed(TenantId::new("A")), ..mapping };
    assert!(Matcher::new(&fixed, &[of(Some("B"))], &Epochs::default()).unwrap().is_empty());
    assert!(!Matcher::new(&fixed, &[of(Some("A"))], &Epochs::default()).unwrap().is_empty());
}

#[test]
fn several_selectors_may_want_one_value() {
    let mapping = Mapping { identifiers: vec![IdentifierRule::One(field("u", "id"))], tenant: TenantRule::Single };
    let selector = |id| Selector { tenant: None, identifiers: vec![Identifier::new("id", id)] };
    let matcher = Matcher::new(&mapping, &["a", "b", "a"].map(selector), &Epochs::default()).unwrap();
    assert_eq!(*matcher.fields()[0].owners(Value::Text(b"a")), [0, 2]);
    assert_eq!(*matcher.fields()[0].owners(Value::Text(b"b")), [1]);
}

#[test]
fn json_within_text_is_looked_into() {
    let within = |path: &str| Field { json: Some(path.parse().unwrap()), ..field("by", "id") };
    let is_of = |path: &str, identifier: &str, text: &str| {
        [Value::Text(text.as_bytes()), Value::JsonString(text.as_bytes()), Value::Cell(text.as_bytes())]
            .map(|value| matches(within(path), identifier, value))
            == [true; 3]
    };
    let text = r#" {"user":{"id":"ann","n":7,"mails":["a@x.org","b@x.org"]},"app":null} "#;
    assert!(is_of("user.id", "ann", text));
    assert!(is_of("user.n", "7", text));
    assert!(is_of("user.mails[]", "b@x.org", text));
    assert!(is_of("user.id", "ann", r#"{"user":{"id":"\u0061nn"}}"#));
    assert!(is_of("[].id", "ann", r#"[{"id":"bob"},{"id":"ann"}]"#));
    assert!(is_of("user.id", "ann", r#"{"user":{"id":"ann","oth"#), "what stands before the break counts");
    for other in [text, "ann", "\"ann\"", "", "{", r#"{"user":"ann"}"#, r#"{"id":"ann"}"#, r#"[{"user":{"id":"ann"}}]"#]
    {
        assert!(!is_of("user.x", "ann", other), "{other}");
        assert!(other == text || !is_of("user.id", "ann", other), "{other}");
    }
    let deep = format!(r#"{{"x":{}{},"user":{{"id":"ann"}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(is_of("user.id", "ann", &deep), "however deep anything else is");
    for (text, is_whole) in [("7", false), ("7…", false), ("7 ", true), ("7}", true), ("7,", true), ("\"7\"", true)] {
        assert_eq!(is_of("user.id", "7", &format!(r#"{{"user":{{"id":{text}"#)), is_whole, "{text}");
    }
    let cut = b"{\"user\":{\"id\":\"ann\"},\"name\":\"Zo\xc3";
    assert!(matches(within("user.id"), "ann", Value::Bytes(cut)), "a cut within a character hides nobody");
    assert!(!matches(within("user.id"), "7", Value::Int(7)));
    let folded = Field { case: Case::Insensitive, ..within("user.id") };
    assert!(matches(folded, "ANN", Value::Text(br#"{"user":{"id":"Ann"}}"#)));

    let mapping = Mapping { identifiers: vec![IdentifierRule::One(within("[].id"))], tenant: TenantRule::Single };
    let selector = |id: &str| Selector { tenant: None, identifiers: vec![Identifier::new("id", id)] };
    let both = Matcher::new(&mapping, &["ann", "bob"].map(selector), &Epochs::default()).unwrap();
    let owners = both.fields()[0].owners(Value::Text(br#"[{"id":"bob"},{"id":"ann"},{"id":"bob"}]"#)).into_owned();
    assert_eq!(owners, [0, 1]);
    assert!(!both.fields()[0].is_exact(), "bounds and filters are of whole texts");
}
