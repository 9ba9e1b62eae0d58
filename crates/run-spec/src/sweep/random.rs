//! Random numbers of a sweep: the same seed gives the same trials in every version.

/// The generator SplitMix64.
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number in [0, 1).
    pub(super) fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits are exact in a double
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `len`, which must not be 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length is an index")]
    pub(super) fn index(&mut self, len: usize) -> usize {
        ((self.fraction() * len as f64) as usize).min(len - 1)
    }
}
