//! A small generator of random numbers: the same everywhere, and cheap to start anew for each shard.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that depends on all of `parts` and their order.
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0x6c61_6375_6e61, |state, &part| mix(state.rotate_left(23) ^ mix(part))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// Whether a thing that happens once in `n` times happens now.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let end = u32::try_from(from.len()).unwrap_or(u32::MAX);
        from[self.below(end) as usize]
    }

    pub(crate) fn bytes16(&mut self) -> [u8; 16] {
        bytes16(self.next(), self.next())
    }
}

/// A bijection that leaves no trace of its argument (the finaliser of SplitMix64).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Two halves made one.
pub(crate) fn bytes16(high: u64, low: u64) -> [u8; 16] {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}
