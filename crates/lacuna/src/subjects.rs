//! The identifiers that a request gives, from arguments and files. No message repeats one.

use std::io::BufRead;
use std::path::Path;

use foldhash::HashSet;
use lacuna_scan::Identifier;
use zeroize::Zeroizing;

use crate::args::{Who, is_telling};
use crate::failure::{Failure, Result};
use crate::output;
use crate::units::counted;

/// The longest line of a subjects file, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// All different identifiers that the arguments give, in their order.
pub(crate) fn read(who: &Who) -> Result<Vec<Identifier>> {
    let mut identifiers = Vec::new();
    for (index, subject) in who.subject.iter().enumerate() {
        let identifier = Identifier::parse(subject.expose())
            .map_err(|what| Failure::usage(format!("the {} value of --subject {what}", ordinal(index + 1))))?;
        identifiers.push(identifier);
    }
    if who.subjects.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err(Failure::usage("`--subjects -` is given twice, and standard input can be read once"));
    }
    for path in &who.subjects {
        if is_standard_input(path) {
            read_lines(std::io::stdin().lock(), "standard input", &mut identifiers)?;
        } else {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).map_err(|error| unopened(&name).because(&error))?;
            read_lines(std::io::BufReader::new(file), &name, &mut identifiers)?;
        }
    }
    let mut seen = HashSet::with_capacity_and_hasher(identifiers.len(), foldhash::fast::RandomState::default());
    let mut first = Vec::with_capacity(identifiers.len());
    for identifier in &identifiers {
        first.push(seen.insert((identifier.kind.as_str(), identifier.value.expose().as_str())));
    }
    let mut first = first.into_iter();
    identifiers.retain(|_| first.next().unwrap_or_default());
    let odd = identifiers.iter().filter(|identifier| is_odd(identifier.value.expose())).count();
    if odd > 0 {
        output::note(&format!(
            "{} with white space at an end, or with characters that nobody sees. They belong to the value, but in columns with `trim`: \
             without them in a record, it is nobody's there.",
            counted(odd as u64, "identifier")
        ));
    }
    if who.tenant.as_deref().is_some_and(is_odd) {
        output::note("The tenant's id has white space at an end, or characters that nobody sees. They belong to it.");
    }
    Ok(identifiers)
}

/// A file that cannot be opened; what may be an identifier in its place is not repeated.
fn unopened(name: &str) -> Failure {
    if is_telling(name) {
        return Failure::usage(
            "cannot read the subjects in what --subjects names (not shown, as it may be an identifier)",
        )
        .advice("--subjects takes the name of a file, and --subject takes an identifier, as KIND=VALUE.");
    }
    Failure::usage(format!("cannot read the subjects in {name}"))
}

/// Whether white space stands at an end, or a character that nobody sees anywhere: mostly a slip, and not one that a search would show.
fn is_odd(value: &str) -> bool {
    let is_hidden = |character: char| {
        // Of the others in ASCII, all are seen but the space.
        let may_be = character.is_control() || !character.is_ascii() && !character.is_whitespace();
        may_be && Identifier::new("", character).is_blank()
    };
    value.trim() != value || value.chars().any(is_hidden)
}

/// Whether standard input is read for identifiers, and so cannot answer questions.
pub(crate) fn uses_standard_input(who: &Who) -> bool {
    who.subjects.iter().any(|path| is_standard_input(path))
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

fn read_lines(mut input: impl BufRead, name: &str, identifiers: &mut Vec<Identifier>) -> Result<()> {
    let mut number = 0_usize;
    let mut line = Zeroizing::new(Vec::new());
    loop {
        let read = read_line(&mut input, &mut line)
            .map_err(|error| Failure::usage(format!("cannot read the subjects in {name}")).because(&error))?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let wrong = |what: &str| Failure::usage(format!("line {number} of the subjects in {name} {what}"));
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(wrong("is too long for an identifier"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| wrong("is not UTF-8"))?;
        let text = if number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            continue;
        }
        if text.contains('\r') {
            return Err(wrong(
                "holds a carriage return: end each line with a line feed, behind a carriage return or without one",
            ));
        }
        // White space belongs to the value: only the line's end is cut.
        let identifier = Identifier::parse(text).map_err(|what| wrong(&what.to_string()))?;
        identifiers.push(match identifiers.last() {
            Some(last) if last.kind == identifier.kind => Identifier { kind: last.kind.clone(), ..identifier },
            _ => identifier,
        });
    }
}

/// Reads a line without its end in place of the last one; how many bytes that took.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    use std::io::Read as _;
    line.clear();
    let read = input.take(LINE_BYTES_MAX + 3).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(read)
}

fn ordinal(number: usize) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        _ => format!("{number}th"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_told() {
        for odd in ["ann ", "\u{a0}ann", "a\0nn", "a\rnn", "ann\u{200b}", "a\u{ad}nn"] {
            assert!(is_odd(odd), "{odd:?}");
        }
        for value in ["ann", "a nn", "a\u{a0}nn", "änn@münchen.example", "安"] {
            assert!(!is_odd(value), "{value:?}");
        }
    }

    #[test]
    fn search_and_ledger_see_the_same_characters() {
        for seen in ['a', '0', '\u{301}', '\u{30c4}', '\u{1f600}'] {
            assert!(!lacuna_ledger::Identifier::new("id", seen).is_blank(), "{seen:?}");
        }
        for unseen in
            ['\u{ad}', '\u{34f}', '\u{115f}', '\u{1160}', '\u{180e}', '\u{3164}', '\u{ffa0}', '\u{e0001}', '\u{e007f}']
        {
            assert!(lacuna_ledger::Identifier::new("id", unseen).is_blank(), "{unseen:?}");
        }
        for character in '\0'..=char::MAX {
            let in_ledger = lacuna_ledger::Identifier::new("id", character).is_blank();
            assert_eq!(Identifier::parse(&format!("id={character}")).is_err(), in_ledger, "{character:?}");
        }
    }

    fn lines(text: &[u8]) -> Result<Vec<(String, String)>> {
        let mut identifiers = Vec::new();
        read_lines(text, "x", &mut identifiers)?;
        Ok(identifiers.iter().map(|it| (it.kind.to_string(), it.value.expose().clone())).collect())
    }

    #[test]
    fn values_are_taken_as_they_are() {
        let text = b"\xef\xbb\xbfid=0\r\n\n  # a comment\nemail=#x = y \n  \nlast=\xc3\xa9";
        let expected = [("id", "0"), ("email", "#x = y "), ("last", "\u{e9}")];
        assert_eq!(lines(text).unwrap(), expected.map(|(kind, value)| (kind.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_wrong_names_the_line_and_not_its_content() {
        for (text, expected) in [
            (&b"id=1\nalice@example.org\n"[..], "error: line 2 of the subjects in x is not KIND=VALUE\n"),
            (b"=alice", "error: line 1 of the subjects in x is not KIND=VALUE\n"),
            (
                b"id=1\n# nobody\nemail=\n",
                "error: line 3 of the subjects in x has no visible value: it would stand for everybody whose records have none\n",
            ),
            (
                b"email= \t\r\n",
                "error: line 1 of the subjects in x has no visible value: it would stand for everybody whose records have none\n",
            ),
            (b"id=\xff", "error: line 1 of the subjects in x is not UTF-8\n"),
        ] {
            assert_eq!(lines(text).unwrap_err().text(), expected);
        }
        let mut long = b"id=".to_vec();
        long.resize(2 << 20, b'a');
        assert!(lines(&long).unwrap_err().text().contains("too long"));
    }
}
