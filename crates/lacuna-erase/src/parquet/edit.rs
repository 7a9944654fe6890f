//! What happens to the entries of one page.

use super::levels::Levels;
use super::statistics::Delta;

/// What happens to the entries of matched rows in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They go, with their rows.
    Delete,
    /// They become null.
    Null,
    /// They become empty.
    Blank,
}

/// A page's entries after the matched rows met their fate.
#[derive(Debug)]
pub(super) struct Edited<V> {
    pub(super) levels: Levels,
    /// The values of the page.
    pub(super) values: Vec<V>,
    /// The values that are in it no more.
    pub(super) left: Vec<V>,
    /// How the page changed, apart from what only the values' type tells (`nans`, `bytes`).
    pub(super) delta: Delta,
}

/// Applies `fate` to the entries that `mask` marks; there is one for each value or null, in `levels` that go up to
/// `max_repetition` and `max_definition`. `blank` is the empty value.
pub(super) fn apply<V: Clone>(
    levels: &Levels,
    values: Vec<V>,
    mask: &[bool],
    fate: Fate,
    blank: &V,
    (max_repetition, max_definition): (i16, i16),
) -> Edited<V> {
    let mut edited = Edited {
        levels: Levels {
            repetition: Vec::with_capacity(levels.repetition.len()),
            definition: Vec::with_capacity(levels.definition.len()),
        },
        values: Vec::with_capacity(values.len()),
        left: Vec::new(),
        delta: Delta::new(max_repetition, max_definition),
    };
    let delta = &mut edited.delta;
    let count = |counts: &mut [i64], level: Option<i16>, change: i64| {
        let at = usize::from(level.unwrap_or(0).unsigned_abs());
        if let Some(count) = counts.get_mut(at) {
            *count += change;
        }
    };
    let mut values = values.into_iter();
    for (at, &is_hit) in mask.iter().enumerate() {
        let repetition = levels.repetition.get(at).copied();
        let definition = levels.definition.get(at).copied();
        let is_value = definition.is_none_or(|level| level == max_definition);
        let value = if is_value { values.next() } else { None };
        let mut new_definition = definition;
        match (fate, is_hit, value) {
            (_, false, value) => edited.values.extend(value),
            (Fate::Delete, true, value) => {
                delta.entries -= 1;
                delta.rows -= i64::from(repetition.is_none_or(|level| level == 0));
                delta.nulls -= i64::from(!is_value);
                count(&mut delta.repetition, repetition, -1);
                count(&mut delta.definition, definition, -1);
                delta.left += u64::from(is_value);
                edited.left.extend(value);
                continue;
            }
            (Fate::Null, true, Some(value)) => {
                delta.nulls += 1;
                delta.left += 1;
                edited.left.push(value);
                new_definition = Some(max_definition - 1);
                count(&mut delta.definition, definition, -1);
                count(&mut delta.definition, new_definition, 1);
            }
            (Fate::Blank, true, Some(value)) => {
                delta.left += 1;
                delta.blanks += 1;
                edited.left.push(value);
                edited.values.push(blank.clone());
            }
            (Fate::Null | Fate::Blank, true, None) => {}
        }
        edited.levels.repetition.extend(repetition);
        edited.levels.definition.extend(new_definition);
    }
    edited
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three rows of a list: `[a, null, b]`, null, `[c]`.
    fn levels() -> Levels {
        Levels { repetition: vec![0, 1, 1, 0, 0], definition: vec![3, 2, 3, 0, 3] }
    }

    const FIRST: [bool; 5] = [true, true, true, false, false];

    #[test]
    fn deleted_rows_leave_with_their_levels() {
        let edited = apply(&levels(), vec!['a', 'b', 'c'], &FIRST, Fate::Delete, &'-', (1, 3));
        assert_eq!(edited.levels, Levels { repetition: vec![0, 0], definition: vec![0, 3] });
        assert_eq!((edited.values, edited.left), (vec!['c'], vec!['a', 'b']));
        let Delta { entries, rows, nulls, left, repetition, definition, .. } = edited.delta;
        assert_eq!((entries, rows, nulls, left), (-3, -1, -1, 2));
        assert_eq!((repetition, definition), (vec![-1, -2], vec![0, 0, -1, -2]));
    }

    #[test]
    fn nulls_keep_the_length_of_lists() {
        let edited = apply(&levels(), vec!['a', 'b', 'c'], &FIRST, Fate::Null, &'-', (1, 3));
        assert_eq!(edited.levels, Levels { repetition: vec![0, 1, 1, 0, 0], definition: vec![2, 2, 2, 0, 3] });
        assert_eq!((edited.values, edited.delta.nulls, edited.delta.entries), (vec!['c'], 2, 0));
    }

    #[test]
    fn blanks_stand_where_values_were() {
        let edited = apply(&levels(), vec!['a', 'b', 'c'], &FIRST, Fate::Blank, &'-', (1, 3));
        assert_eq!((edited.levels, edited.values), (levels(), vec!['-', '-', 'c']));
        assert_eq!((edited.left, edited.delta.blanks), (vec!['a', 'b'], 2));
    }
}
