//! As much of JSON schema as the receipts' one uses. A keyword that is not known here fails the test.

use std::collections::BTreeSet;

use serde_json::Value;
use time::Date;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

pub struct Schema(Value);

impl Schema {
    pub fn new(schema: Value) -> Self {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        Self(schema)
    }

    /// The values that a field of a shard's line may have.
    pub fn values(&self, field: &str) -> BTreeSet<String> {
        let values = &self.0["$defs"]["shard"]["properties"][field]["enum"];
        values.as_array().unwrap().iter().map(Value::to_string).collect()
    }

    /// Where `value` does not keep to the schema, and to what.
    pub fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.0, value, "", &mut faults);
        faults
    }

    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                faults.push(format!("{place}: must not be"));
            }
            return;
        };
        for (keyword, wanted) in keywords {
            let holds = match keyword.as_str() {
                "$schema" | "title" | "description" | "$defs" | "then" => true,
                "$ref" => {
                    let target = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                    self.check(self.0.pointer(target).unwrap(), value, place, faults);
                    true
                }
                "type" => match wanted {
                    Value::Array(types) => types.iter().any(|wanted| is_of(wanted, value)),
                    wanted => is_of(wanted, value),
                },
                "const" => value == wanted,
                "enum" => wanted.as_array().unwrap().contains(value),
                "minimum" => value.as_i64().is_none_or(|value| value >= wanted.as_i64().unwrap()),
                "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= wanted.as_u64().unwrap()),
                "pattern" => value.as_str().is_none_or(|text| matches_pattern(wanted.as_str().unwrap(), text)),
                "format" => value.as_str().is_none_or(|text| has_format(wanted.as_str().unwrap(), text)),
                "required" => {
                    let names = wanted.as_array().unwrap();
                    value
                        .as_object()
                        .is_none_or(|value| names.iter().all(|name| value.contains_key(name.as_str().unwrap())))
                }
                "additionalProperties" => {
                    assert_eq!(wanted, &Value::Bool(false));
                    let known = schema["properties"].as_object().unwrap();
                    value.as_object().is_none_or(|value| value.keys().all(|name| known.contains_key(name)))
                }
                "properties" => {
                    for (name, schema) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(schema, value, &format!("{place}/{name}"), faults);
                        }
                    }
                    true
                }
                "items" => {
                    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(wanted, value, &format!("{place}/{at}"), faults);
                    }
                    true
                }
                "allOf" => {
                    wanted.as_array().unwrap().iter().for_each(|schema| self.check(schema, value, place, faults));
                    true
                }
                "if" => {
                    if self.holds(wanted, value) {
                        self.check(&schema["then"], value, place, faults);
                    }
                    true
                }
                unknown => panic!("{unknown}: the tests do not know this keyword"),
            };
            if !holds {
                faults.push(format!("{place}: {keyword} {wanted}"));
            }
        }
    }
}

fn is_of(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("{unknown}: the tests do not know this type"),
    }
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let is_hex = |length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match pattern {
        "^[0-9a-f]{64}$" => is_hex(64),
        "^([0-9a-f]{64})?$" => text.is_empty() || is_hex(64),
        "^[0-9a-f]{32}$" => is_hex(32),
        unknown => panic!("{unknown}: the tests do not know this pattern"),
    }
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => OffsetDateTime::parse(text, &Rfc3339).is_ok(),
        "date" => Date::parse(text, format_description!("[year]-[month]-[day]")).is_ok(),
        unknown => panic!("{unknown}: the tests do not know this format"),
    }
}
