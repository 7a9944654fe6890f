//! Column paths: `.` enters a struct or object, `[]` every element of a list, `{}` every value of a map.

use std::{fmt, str::FromStr};

/// One step of a [`ColumnPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Enter the struct field or object key of this name.
    Field(String),
    /// Every element of a list.
    Elements,
    /// Every value of a map or object.
    Values,
}

/// Where a value lies in a record, such as `actor.emails[]`.
///
/// A name that itself holds `.`, `[` or `{` stands in double quotes: `"odata.type".id`. An empty path with `[]` in front
/// (`[].id`) starts at a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPath {
    text: String,
    steps: Vec<Step>,
}

/// What is wrong with the text of a column path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column path `{path}`: {reason}")]
pub struct ColumnPathError {
    path: String,
    reason: &'static str,
}

impl ColumnPath {
    /// The column of this name that lies in nothing else, whatever characters are in its name.
    pub fn of_name(name: &str) -> Self {
        Self { text: format!("\"{name}\""), steps: vec![Step::Field(name.to_owned())] }
    }

    /// The steps from the record inwards; never empty.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the path can lead to several values of one record.
    pub fn is_repeated(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Field(_)))
    }
}

impl FromStr for ColumnPath {
    type Err = ColumnPathError;

    fn from_str(path: &str) -> Result<Self, ColumnPathError> {
        let fail = |reason| ColumnPathError { path: path.to_owned(), reason };
        let mut steps = Vec::new();
        let mut rest = path;
        if rest.is_empty() {
            return Err(fail("is empty"));
        }
        loop {
            if let Some(after) = rest.strip_prefix("[]") {
                steps.push(Step::Elements);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{}") {
                steps.push(Step::Values);
                rest = after;
            } else {
                if let Some(after) = rest.strip_prefix('.') {
                    if steps.is_empty() {
                        return Err(fail("starts with a dot"));
                    }
                    rest = after;
                } else if !steps.is_empty() {
                    return Err(fail("needs a dot before the next name"));
                }
                let (name, after) = name(rest).map_err(fail)?;
                steps.push(Step::Field(name));
                rest = after;
            }
            if rest.is_empty() {
                return Ok(Self { text: path.to_owned(), steps });
            }
        }
    }
}

/// Splits the name in front of `text` off; quotes are taken away.
fn name(text: &str) -> Result<(String, &str), &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').ok_or("has an opening quote without a closing one")?;
        return Ok((quoted[..end].to_owned(), &quoted[end + 1..]));
    }
    let end = text.find(['.', '[', '{', '"']).unwrap_or(text.len());
    if end == 0 {
        return Err("has an empty name");
    }
    let (name, rest) = text.split_at(end);
    let known = rest.is_empty() || rest.starts_with('.') || rest.starts_with("[]") || rest.starts_with("{}");
    if known { Ok((name.to_owned(), rest)) } else { Err("brackets are `[]` (list elements) or `{}` (map values)") }
}

impl fmt::Display for ColumnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for ColumnPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ColumnPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &str) -> Vec<Step> {
        path.parse::<ColumnPath>().unwrap().steps
    }

    fn field(name: &str) -> Step {
        Step::Field(name.into())
    }

    #[test]
    fn dots_enter_and_brackets_spread() {
        assert_eq!(steps("UserId"), [field("UserId")]);
        assert_eq!(steps("actor.emails[]"), [field("actor"), field("emails"), Step::Elements]);
        assert_eq!(
            steps("a[][].b{}.c"),
            [field("a"), Step::Elements, Step::Elements, field("b"), Step::Values, field("c")]
        );
        assert_eq!(steps("[].id"), [Step::Elements, field("id")]);
        assert_eq!(steps("Records[]"), [field("Records"), Step::Elements]);
    }

    #[test]
    fn quotes_hold_dots() {
        assert_eq!(steps(r#""odata.type"[]."a b".c"#), [field("odata.type"), Step::Elements, field("a b"), field("c")]);
    }

    #[test]
    fn broken_paths_say_why() {
        for broken in ["", ".a", "a.", "a..b", "a[0]", "a{b}", "a[", "\"a", "a[]b", "a\"b\""] {
            assert!(broken.parse::<ColumnPath>().is_err(), "{broken}");
        }
    }
}
