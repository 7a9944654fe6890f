//! Whether a shard's records have the mapped columns at all. One record may lack a key, and records of one kind may all lack one of several
//! identifiers; where no record has any of those that somebody is looked for by, or none the tenant, the mapping is spelt otherwise than
//! the records, and a search that finds nobody there has not looked.
//!
//! Records are looked at until an identifier of each such person and the tenant have been seen once, which mostly is the first record.

use super::json::scan::{self, Stop, skip_blanks};
use crate::{ColumnPath, Error, Result, Step};

/// What a shard's records showed of the mapped columns so far.
#[derive(Debug, Default)]
pub(super) struct Presence {
    columns: Vec<ColumnPath>,
    /// The number of the tenant's column, which leads to one value.
    tenant: Option<usize>,
    needs: Vec<Need>,
    sights: Sights,
}

/// Lists of columns, by their numbers. All columns of one list must be in some record.
type Need = Vec<Vec<usize>>;

/// For each column, the most that was seen of it. Empty where nothing is left to look for.
#[derive(Clone, Debug, Default)]
pub(super) struct Sights(Vec<Sight>);

/// What was seen of one column; of two, the later in this order counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    /// Nothing: what it would lie in is null, or an empty array.
    #[default]
    Nothing,
    /// An object without the key.
    Lacking,
    /// A null in its place.
    Null,
    /// What no identifier can be, in its place.
    Misfit(Found),
    /// What does not lead to it, on the way.
    Obstacle(Found),
    /// What may be an identifier.
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Array,
    Object,
    Scalar,
}

impl Presence {
    /// Of each of these `needs`, all columns of one list must be there; and the tenant's.
    pub(super) fn new(needs: &[Vec<Vec<&ColumnPath>>], tenant: Option<&ColumnPath>) -> Self {
        let mut columns: Vec<ColumnPath> = Vec::new();
        let mut number = |column: &ColumnPath| {
            columns.iter().position(|known| known == column).unwrap_or_else(|| {
                columns.push(column.clone());
                columns.len() - 1
            })
        };
        let mut need = |lists: &Vec<Vec<&ColumnPath>>| -> Need {
            lists.iter().map(|list| list.iter().map(|column| number(column)).collect()).collect()
        };
        let mut needs: Vec<Need> = needs.iter().map(&mut need).collect();
        let tenant = tenant.map(&mut number);
        needs.extend(tenant.map(|tenant| vec![vec![tenant]]));
        let sights = Sights(vec![Sight::default(); columns.len()]);
        Self { columns, tenant, needs, sights }
    }

    /// Takes these columns for seen.
    pub(super) fn take_for_seen(&mut self, columns: &[ColumnPath]) {
        for (column, sight) in self.columns.iter().zip(&mut self.sights.0) {
            if columns.contains(column) {
                *sight = Sight::Value;
            }
        }
    }

    /// The columns that no record could be found by, in the whole shard.
    pub(super) fn lacking(&self) -> Vec<ColumnPath> {
        let sights = self.columns.iter().zip(&self.sights.0);
        sights.filter(|(column, sight)| sight.of(column).is_err()).map(|(column, _)| column.clone()).collect()
    }

    /// What is known so far, for a task to go on with.
    pub(super) fn sights(&self) -> Sights {
        if self.is_met_by(&self.sights) { Sights::default() } else { self.sights.clone() }
    }

    /// Takes what a task has seen.
    pub(super) fn add(&mut self, seen: &Sights) {
        for (sight, seen) in self.sights.0.iter_mut().zip(&seen.0) {
            *sight = (*sight).max(*seen);
        }
    }

    /// Whether there is nothing left to look for.
    pub(super) fn is_met_by(&self, sights: &Sights) -> bool {
        let is_there = |column: &usize| sights.0.get(*column) == Some(&Sight::Value);
        sights.0.is_empty() || self.needs.iter().all(|need| need.iter().any(|list| list.iter().all(is_there)))
    }

    /// Looks at a valid record for the columns that were not seen yet.
    pub(super) fn look(&self, record: &[u8], sights: &mut Sights) {
        self.note(record, sights, |_| true);
    }

    /// Notes the columns that a record holds, be it valid or not.
    pub(super) fn glance(&self, record: &[u8], sights: &mut Sights) {
        self.note(record, sights, |seen| seen == Sight::Value);
    }

    fn note(&self, record: &[u8], sights: &mut Sights, counts: impl Fn(Sight) -> bool) {
        for (column, sight) in self.columns.iter().zip(&mut sights.0).filter(|(_, sight)| **sight != Sight::Value) {
            if let Ok((seen, _)) = look(record, skip_blanks(record, 0), column.steps())
                && counts(seen)
            {
                *sight = (*sight).max(seen);
            }
        }
    }

    /// Fails when something that is needed is in no record of the whole shard.
    pub(super) fn check(&self) -> Result<()> {
        let of_column = |column: &usize| {
            match self.sights.0[*column] {
            Sight::Misfit(Found::Array | Found::Object) if self.tenant == Some(*column) => Err(Error::ColumnType {
                column: self.columns[*column].to_string(),
                found: "several values in every record that has it, and a record has one tenant: name a column that holds one value".into(),
            }),
            sight => sight.of(&self.columns[*column]),
        }
        };
        let of_list = |list: &Vec<usize>| list.iter().try_for_each(of_column);
        self.needs.iter().try_for_each(|need| {
            let any = need.iter().map(of_list).reduce(|one, other| one.or_else(|first| other.map_err(|_| first)));
            any.unwrap_or(Ok(()))
        })
    }
}

impl Sight {
    /// What it means that this is the most that was seen of a column.
    fn of(self, column: &ColumnPath) -> Result<()> {
        let wrong = |found: &str| Error::ColumnType { column: column.to_string(), found: found.to_owned().into() };
        Err(match self {
            Self::Nothing | Self::Null | Self::Value => return Ok(()),
            Self::Lacking => Error::MissingKey { column: column.to_string() },
            Self::Misfit(Found::Array) => wrong(&format!("an array in every record that has it: write `{column}[]`")),
            Self::Misfit(Found::Object) => {
                wrong(&format!("an object in every record that has it: name one of its keys, as `{column}.KEY`"))
            }
            Self::Misfit(Found::Scalar) => {
                wrong("a boolean in every record that has it, which cannot hold an identifier")
            }
            Self::Obstacle(Found::Array) => {
                wrong("in no record: on the way lies an array, whose elements are entered by `[]`")
            }
            Self::Obstacle(Found::Object) => {
                wrong("in no record: on the way lies an object, which is entered by `.KEY` or `{}`")
            }
            Self::Obstacle(Found::Scalar) => wrong("in no record: on the way lies a value that holds no others"),
        })
    }
}

/// Whether a record of JSON holds what may be an identifier where `column` leads.
pub fn holds(record: &[u8], column: &ColumnPath) -> bool {
    look(record, skip_blanks(record, 0), column.steps()).is_ok_and(|(sight, _)| sight == Sight::Value)
}

/// In which form a record holds wanted values where `column` leads, if not in the one that it takes; and what to map.
pub(super) fn astray(record: &[u8], column: &ColumnPath) -> String {
    let sight = look(record, skip_blanks(record, 0), column.steps()).map(|(sight, _)| sight);
    match sight {
        Ok(Sight::Misfit(Found::Array)) => format!("an array at `{column}`: map `{column}[]` beside it"),
        Ok(Sight::Misfit(Found::Object)) => {
            format!("an object at `{column}`: map the key of it that identifies, as `{column}.KEY`, beside it")
        }
        Ok(Sight::Obstacle(Found::Array)) => {
            format!("an array on the way to `{column}`: map its elements, entered by `[]`, beside it")
        }
        Ok(Sight::Obstacle(Found::Object)) => {
            format!("an object on the way to `{column}`: map its keys, entered by `.KEY` or `{{}}`, beside it")
        }
        Ok(Sight::Obstacle(Found::Scalar)) => {
            format!("a value on the way to `{column}`: map the way to it beside it")
        }
        _ => format!("another form than `{column}` takes: map both"),
    }
}

/// What the value at `at` shows of a column that lies these steps further inwards; also where it ends.
fn look(text: &[u8], at: usize, steps: &[Step]) -> Result<(Sight, usize), Stop> {
    let found = match text.get(at).ok_or(Stop::End)? {
        b'{' => Some(Found::Object),
        b'[' => Some(Found::Array),
        b'n' => None,
        _ => Some(Found::Scalar),
    };
    let sight = match (found, steps.split_first()) {
        (Some(Found::Object), Some((step @ (Step::Field(_) | Step::Values), rest))) => {
            return object(text, at, step, rest);
        }
        (Some(Found::Array), Some((Step::Elements, rest))) => return array(text, at, rest),
        (Some(found), Some(_)) => Sight::Obstacle(found),
        (None, Some(_)) => Sight::Nothing,
        (None, None) => Sight::Null,
        (Some(Found::Scalar), None) if !matches!(text[at], b't' | b'f') => Sight::Value,
        (Some(found), None) => Sight::Misfit(found),
    };
    Ok((sight, scan::extent(text, at)?))
}

fn object(text: &[u8], open: usize, step: &Step, rest: &[Step]) -> Result<(Sight, usize), Stop> {
    let mut sight = None;
    let mut at = skip_blanks(text, open + 1);
    while text.get(at) == Some(&b'"') {
        let key = scan::string(text, at)?;
        let leads_there = match step {
            Step::Field(name) => scan::equals(text, at, key, name),
            Step::Values | Step::Elements => true,
        };
        at = skip_blanks(text, skip_blanks(text, key.end) + 1);
        if leads_there {
            let (seen, end) = look(text, at, rest)?;
            (sight, at) = (sight.max(Some(seen)), end);
        } else {
            at = scan::extent(text, at)?;
        }
        at = behind_comma(text, at);
    }
    let absent = if matches!(step, Step::Field(_)) { Sight::Lacking } else { Sight::Nothing };
    Ok((sight.unwrap_or(absent), at + 1))
}

fn array(text: &[u8], open: usize, rest: &[Step]) -> Result<(Sight, usize), Stop> {
    let mut sight = Sight::Nothing;
    let mut at = skip_blanks(text, open + 1);
    while text.get(at).is_some_and(|byte| *byte != b']') {
        let (seen, end) = look(text, at, rest)?;
        (sight, at) = (sight.max(seen), behind_comma(text, end));
    }
    Ok((sight, at + 1))
}

/// Where the next key or element stands, or the closing bracket.
fn behind_comma(text: &[u8], end: usize) -> usize {
    let at = skip_blanks(text, end);
    if text.get(at) == Some(&b',') { skip_blanks(text, at + 1) } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search of these records for `column` ends with.
    fn seen(column: &str, records: &[&str]) -> String {
        let column: ColumnPath = column.parse().unwrap();
        let mut presence = Presence::new(&[vec![vec![&column]]], None);
        for record in records {
            let mut sights = presence.sights();
            presence.look(record.as_bytes(), &mut sights);
            presence.add(&sights);
        }
        match presence.check() {
            Ok(()) => "there".into(),
            Err(Error::MissingKey { .. }) => "missing".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_record_that_has_it_is_enough() {
        assert_eq!(seen("id", &["{}", r#"{"Id":1}"#, r#" { "x" : [{"id":1}] , "id" : "a" } "#]), "there");
        assert_eq!(seen("id", &["{}", r#"{"i\u0064":0}"#]), "there");
        assert_eq!(seen("a.b[].c{}", &[r#"{"a":{}}"#, r#"{"a":{"b":[{},{"c":{"x":null,"y":1}}]}}"#]), "there");
        assert_eq!(seen("id", &[r#"{"id":["a"]}"#, r#"{"id":"a"}"#]), "there");
    }

    /// Checks which column, if any, a shard of one record `lacks`; whether the record meets all needs at once.
    fn lacking(needs: &[Vec<Vec<&ColumnPath>>], record: &str, lacks: Option<&str>) -> bool {
        let mut presence = Presence::new(needs, None);
        let mut sights = presence.sights();
        presence.look(record.as_bytes(), &mut sights);
        let is_met = presence.is_met_by(&sights);
        presence.add(&sights);
        match presence.check() {
            Err(Error::MissingKey { column }) => assert_eq!(Some(&*column), lacks, "{record}"),
            other => assert!(other.is_ok() && lacks.is_none(), "{record}: {other:?}"),
        }
        is_met
    }

    #[test]
    fn one_identifier_is_enough_and_the_tenant_must_be_there() {
        let [id, mail, tenant] = ["id", "mail", "tenant"].map(|path| path.parse::<ColumnPath>().unwrap());
        for (record, lacks) in [
            (r#"{"id":1,"tenant":"T"}"#, None),
            (r#"{"mail":"a","tenant":"T"}"#, None),
            (r#"{"mail":null,"tenant":"T"}"#, None),
            (r#"{"tenant":"T"}"#, Some("id")),
            (r#"{"id":1,"mail":"a"}"#, Some("tenant")),
        ] {
            let is_met = lacking(&[vec![vec![&id], vec![&mail]], vec![vec![&tenant]]], record, lacks);
            assert!(lacks.is_none() || !is_met, "{record}");
        }
    }

    #[test]
    fn everybody_is_to_be_found_by_something() {
        let [id, mail, first, born] = ["id", "mail", "first", "born"].map(|path| path.parse::<ColumnPath>().unwrap());
        let needs = [vec![vec![&id], vec![&mail]], vec![vec![&mail], vec![&first, &born]]];
        for (record, lacks) in [
            (r#"{"mail":"a"}"#, None),
            (r#"{"id":1,"first":"a","born":1}"#, None),
            (r#"{"id":1}"#, Some("mail")),
            (r#"{"id":1,"first":"a"}"#, Some("mail")),
            (r#"{"first":"a","born":1}"#, Some("id")),
        ] {
            assert_eq!(lacking(&needs, record, lacks), lacks.is_none(), "{record}");
        }
    }

    #[test]
    fn null_and_empty_hide_nobody() {
        assert_eq!(seen("id", &[r#"{"id":null}"#, "{}"]), "there");
        assert_eq!(seen("a.id", &[r#"{"a":null}"#]), "there");
        assert_eq!(seen("a[].id", &[r#"{"a":[]}"#, r#"{"a":[null]}"#]), "there");
        assert_eq!(seen("a{}", &[r#"{"a":{}}"#]), "there");
        assert_eq!(seen("id", &[]), "there");
    }

    #[test]
    fn a_key_that_no_record_has_is_missing() {
        assert_eq!(seen("id", &["{}"]), "missing");
        assert_eq!(seen("id", &[r#"{"ID":"a","x":{"id":"a"}}"#]), "missing");
        assert_eq!(seen("a.id", &[r#"{"a":null}"#, r#"{"a":{"ID":"a"}}"#]), "missing");
        assert_eq!(seen("a[].id", &[r#"{"a":[]}"#, r#"{"a":[null,{"ID":"a"}]}"#]), "missing");
        assert_eq!(seen("a{}.id", &[r#"{"a":{"x":{"ID":"a"}}}"#]), "missing");
    }

    #[test]
    fn what_is_astray_is_named() {
        for (column, record, what) in [
            ("id", r#"{"id":["a"]}"#, "an array at `id`: map `id[]` beside it"),
            ("id[]", r#"{"id":["b",["a"]]}"#, "another form than `id[]` takes: map both"),
            ("id[]", r#"{"id":[["a"]]}"#, "an array at `id[]`: map `id[][]` beside it"),
            (
                "id",
                r#"{"id":{"v":"a"}}"#,
                "an object at `id`: map the key of it that identifies, as `id.KEY`, beside it",
            ),
            (
                "id.v",
                r#"{"id":[{"v":"a"}]}"#,
                "an array on the way to `id.v`: map its elements, entered by `[]`, beside it",
            ),
            (
                "id[]",
                r#"{"id":{"v":"a"}}"#,
                "an object on the way to `id[]`: map its keys, entered by `.KEY` or `{}`, beside it",
            ),
            ("id[]", r#"{"id":"a"}"#, "a value on the way to `id[]`: map the way to it beside it"),
        ] {
            assert_eq!(astray(record.as_bytes(), &column.parse().unwrap()), what, "{record}");
        }
    }

    #[test]
    fn what_stands_in_its_place_is_named() {
        for (column, record, what) in [
            ("id", r#"{"id":["a"]}"#, "write `id[]`"),
            ("id", r#"{"id":{"v":"a"}}"#, "`id.KEY`"),
            ("id", r#"{"id":true}"#, "boolean"),
            ("id.v", r#"{"id":"a"}"#, "holds no others"),
            ("id.v", r#"{"id":[{"v":"a"}]}"#, "entered by `[]`"),
            ("id[]", r#"{"id":{"0":"a"}}"#, "entered by `.KEY`"),
        ] {
            assert!(seen(column, &[record]).contains(what), "{column}: {}", seen(column, &[record]));
            assert!(seen(column, &["{}", r#"{"id":null}"#, record]).contains(what), "{column}");
        }
    }
}
