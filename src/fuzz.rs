//! Damage for the tests of readers.

/// How many damaged files a test tries: the environment variable `TAPSEG_FUZZ_RUNS`, or few.
pub(crate) fn runs() -> u64 {
    let asked = std::env::var("TAPSEG_FUZZ_RUNS").ok();
    asked.map_or(8_000, |runs| runs.parse().expect("TAPSEG_FUZZ_RUNS is a number"))
}

/// Changes files a little, at random from a seed.
pub(crate) struct Mutator<'a> {
    state: u64,
    /// Files whose parts may be mixed in.
    others: Vec<&'a [u8]>,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(seed: u64, others: &[&'a [u8]]) -> Self {
        Self { state: seed, others: others.to_vec() }
    }

    /// SplitMix64 (Steele et al., 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to before `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// `file` with one to four changes.
    pub(crate) fn changed(&mut self, file: &[u8]) -> Vec<u8> {
        let mut bytes = file.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        /// Numbers at which readers go wrong.
        const NUMBERS: [u64; 10] =
            [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
        let at = self.below(bytes.len());
        let len = self.below(16).min(bytes.len() - at);
        match self.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.next() as u8,
            2 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let repeated = bytes[at..at + len].to_vec();
                bytes.splice(at..at, repeated);
            }
            5 => {
                let to = self.below(bytes.len() - len + 1);
                bytes.copy_within(at..at + len, to);
            }
            6 => {
                let other = self.below(self.others.len());
                let other = self.others[other];
                let from = self.below(other.len());
                let end = (from + self.below(64)).min(other.len());
                bytes.splice(at..at + len, other[from..end].iter().copied());
            }
            _ if self.below(8) == 0 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            _ => {}
        }
    }
}
