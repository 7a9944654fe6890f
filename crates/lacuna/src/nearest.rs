//! The known word that was probably meant.

/// Words that others use for a known one, which looks like another.
const OTHERS: [(&str, &str); 5] =
    [("jsonl", "ndjson"), ("ldjson", "ndjson"), ("tsv", "csv"), ("feather", "arrow"), ("ipc", "arrow")];

/// The known word closest to `given`, when one is close enough to be a slip of the finger or of memory.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    if let Some((_, word)) = OTHERS.iter().find(|(other, word)| *other == given && known.contains(word)) {
        return Some(word);
    }
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&given, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// The end of a message about an unknown word: the one that was meant, or all there are.
pub(crate) fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(word) = nearest(given, known.clone()) {
        return format!("did you mean `{word}`?");
    }
    let known: Vec<_> = known.into_iter().map(|word| format!("`{word}`")).collect();
    match known.as_slice() {
        [] => "there are none".to_owned(),
        [only] => format!("the only one is {only}"),
        all => format!("there are {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["shards", "source", "identifiers", "on_erase"];
        assert_eq!(nearest("shrads", known), Some("shards"));
        assert_eq!(nearest("identifer", known), Some("identifiers"));
        assert_eq!(nearest("onErase", known), Some("on_erase"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(nearest("JSONL", ["json", "ndjson"]), Some("ndjson"));
        assert_eq!(hint("xyz", ["a", "b"]), "there are `a`, `b`");
    }
}
