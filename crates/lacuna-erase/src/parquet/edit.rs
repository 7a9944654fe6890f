//! What happens to the entries of one page.

use super::levels::{Levels, RowSpan};
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

/// A page's levels after the matched rows met their fate, and which values they had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) levels: Levels,
    /// The ordinals, among the page's values, of those that left; with [`Fate::Blank`] another takes the place of each.
    pub(super) gone: Vec<usize>,
    /// How the page changed, apart from what only the values tell (`nans`, `bytes`).
    pub(super) delta: Delta,
}

impl Cut {
    fn new((max_repetition, max_definition): (i16, i16)) -> Self {
        let delta = Delta::new(max_repetition, max_definition);
        Self { levels: Levels::default(), gone: Vec::new(), delta }
    }

    /// Notes what `fate` makes of one entry, which has the value of this ordinal if it has one. The definition level that it
    /// gets; `None` when it leaves.
    fn entry(&mut self, fate: Fate, repetition: i16, definition: i16, max: i16, value: Option<usize>) -> Option<i16> {
        let delta = &mut self.delta;
        let count = |counts: &mut [i64], level: i16, change: i64| {
            if let Some(count) = counts.get_mut(usize::from(level.unsigned_abs())) {
                *count += change;
            }
        };
        self.gone.extend(value);
        delta.left += u64::from(value.is_some());
        match (fate, value) {
            (Fate::Delete, value) => {
                delta.entries -= 1;
                delta.rows -= i64::from(repetition == 0);
                delta.nulls -= i64::from(value.is_none());
                count(&mut delta.repetition, repetition, -1);
                count(&mut delta.definition, definition, -1);
                return None;
            }
            (Fate::Null, Some(_)) => {
                delta.nulls += 1;
                count(&mut delta.definition, definition, -1);
                count(&mut delta.definition, max - 1, 1);
                return Some(max - 1);
            }
            (Fate::Blank, Some(_)) => delta.blanks += 1,
            (Fate::Null | Fate::Blank, None) => {}
        }
        Some(definition)
    }
}

/// Applies `fate` to the entries of the sorted `hits` in a page of `count` entries whose rows are `span`; there is an entry for
/// each value or null, in `levels` that go up to `max` (of repetition, of definition).
pub(super) fn cut(levels: &Levels, count: usize, span: RowSpan, hits: &[u64], fate: Fate, max: (i16, i16)) -> Cut {
    if levels.repetition.is_empty() {
        cut_flat(levels, count, span, hits, fate, max)
    } else {
        cut_nested(levels, count, span, hits, fate, max)
    }
}

/// A row is an entry: whatever lies between two hits stays as it is.
fn cut_flat(levels: &Levels, count: usize, span: RowSpan, hits: &[u64], fate: Fate, max: (i16, i16)) -> Cut {
    let mut cut = Cut::new(max);
    let old = levels.definition.as_slice();
    let mut definition = Vec::with_capacity(old.len());
    let (mut copied, mut values) = (0, 0);
    for at in span.entries(hits).filter(|&at| at < count) {
        let level = old.get(at).copied().unwrap_or(max.1);
        values += match old.get(copied..at) {
            Some(between) => between.iter().filter(|&&level| level == max.1).count(),
            None => at - copied,
        };
        definition.extend_from_slice(old.get(copied..at).unwrap_or_default());
        let value = (level == max.1).then_some(values);
        let stays = cut.entry(fate, 0, level, max.1, value);
        definition.extend(stays.filter(|_| !old.is_empty()));
        values += usize::from(value.is_some());
        copied = at + 1;
    }
    definition.extend_from_slice(old.get(copied..).unwrap_or_default());
    cut.levels.definition = definition;
    cut
}

/// A row is any number of entries.
fn cut_nested(levels: &Levels, count: usize, span: RowSpan, hits: &[u64], fate: Fate, max: (i16, i16)) -> Cut {
    let mut cut = Cut::new(max);
    let mut values = 0;
    for (at, is_hit) in span.mask(count, &levels.repetition, hits).into_iter().enumerate() {
        let repetition = levels.repetition.get(at).copied().unwrap_or(0);
        let definition = levels.definition.get(at).copied();
        let value = definition.is_none_or(|level| level == max.1).then_some(values);
        values += usize::from(value.is_some());
        let level = definition.unwrap_or(max.1);
        let stays = if is_hit { cut.entry(fate, repetition, level, max.1, value) } else { Some(level) };
        if let Some(level) = stays {
            cut.levels.repetition.push(repetition);
            cut.levels.definition.extend(definition.is_some().then_some(level));
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three rows of a list: `[a, null, b]`, null, `[c]`.
    fn levels() -> Levels {
        Levels { repetition: vec![0, 1, 1, 0, 0], definition: vec![3, 2, 3, 0, 3] }
    }

    fn cut_first(fate: Fate) -> Cut {
        let levels = levels();
        let span = RowSpan::new(10, 5, &levels.repetition);
        cut(&levels, 5, span, &[10], fate, (1, 3))
    }

    #[test]
    fn deleted_rows_leave_with_their_levels() {
        let cut = cut_first(Fate::Delete);
        assert_eq!(cut.levels, Levels { repetition: vec![0, 0], definition: vec![0, 3] });
        assert_eq!(cut.gone, [0, 1]);
        let Delta { entries, rows, nulls, left, repetition, definition, .. } = cut.delta;
        assert_eq!((entries, rows, nulls, left), (-3, -1, -1, 2));
        assert_eq!((repetition, definition), (vec![-1, -2], vec![0, 0, -1, -2]));
    }

    #[test]
    fn nulls_keep_the_length_of_lists() {
        let cut = cut_first(Fate::Null);
        assert_eq!(cut.levels, Levels { repetition: vec![0, 1, 1, 0, 0], definition: vec![2, 2, 2, 0, 3] });
        assert_eq!((cut.gone, cut.delta.nulls, cut.delta.entries), (vec![0, 1], 2, 0));
    }

    #[test]
    fn blanks_stand_where_values_were() {
        let cut = cut_first(Fate::Blank);
        assert_eq!((cut.levels, cut.gone, cut.delta.blanks), (levels(), vec![0, 1], 2));
    }

    #[test]
    fn flat_columns_are_cut_like_nested_ones() {
        let definition = vec![1, 0, 1, 1, 0, 0, 1];
        let span = RowSpan::new(20, 7, &[]);
        for hits in [vec![], vec![20], vec![19, 21, 26, 27], vec![21, 22, 23], (20..27).collect()] {
            for fate in [Fate::Delete, Fate::Null, Fate::Blank] {
                for definition in [definition.clone(), vec![1; 7], vec![]] {
                    let max = (0, i16::from(!definition.is_empty()));
                    let levels = Levels { repetition: Vec::new(), definition };
                    let flat = cut_flat(&levels, 7, span, &hits, fate, max);
                    let mut nested = cut_nested(&levels, 7, span, &hits, fate, max);
                    nested.levels.repetition.clear();
                    assert_eq!(flat, nested, "{hits:?} {fate:?} {levels:?}");
                }
            }
        }
    }
}
