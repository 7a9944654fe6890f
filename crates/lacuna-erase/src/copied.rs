//! Which of the new bytes are the old ones: what a store need not be sent.

/// A stretch of the old bytes that stands in the new ones as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it starts in the old bytes.
    pub from: u64,
    /// Where it starts in the new ones.
    pub at: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Shorter stretches are not worth telling.
const LENGTH_MIN: u64 = 1 << 20;

/// Stretches on their way to the new bytes, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretches {
    done: Vec<Copied>,
    last: Option<Copied>,
}

impl Stretches {
    /// Notes that `length` bytes from `from` on were written at `at`.
    pub(crate) fn push(&mut self, from: u64, at: u64, length: u64) {
        match &mut self.last {
            Some(last) if last.from + last.length == from && last.at + last.length == at => last.length += length,
            last => {
                let before = last.replace(Copied { from, at, length });
                self.done.extend(before.filter(|copied| copied.length >= LENGTH_MIN));
            }
        }
    }

    /// The long ones.
    pub(crate) fn finish(mut self) -> Vec<Copied> {
        self.done.extend(self.last.filter(|copied| copied.length >= LENGTH_MIN));
        self.done
    }
}
