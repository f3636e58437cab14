//! Keys that have to be unlike each other: drawn from a seed, so that a store can be written the same twice.

use std::hash::{BuildHasher, Hasher};

/// Draws keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    seed: u64,
    drawn: u64,
}

/// A step of splitmix64: every bit of the input changes about half of the output.
fn mix(v: u64) -> u64 {
    let mut z = v.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Keys {
    /// From a seed, or from the system's source.
    pub(super) fn new(seed: Option<u64>) -> Self {
        let random = || {
            let mut hasher = std::hash::RandomState::new().build_hasher();
            hasher.write_u32(std::process::id());
            hasher.finish()
        };
        Self { seed: seed.unwrap_or_else(random), drawn: 0 }
    }

    /// The next key.
    pub(super) fn key(&mut self) -> [u8; 16] {
        self.drawn = self.drawn.wrapping_add(1);
        self.key_of(u64::MAX ^ self.drawn)
    }

    /// The key of a number: the same each time.
    pub(super) fn key_of(&self, n: u64) -> [u8; 16] {
        let (a, b) = (mix(self.seed ^ mix(n)), mix(self.seed.rotate_left(32) ^ mix(!n)));
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(a.to_le_bytes().into_iter().chain(b.to_le_bytes())) {
            *to = from;
        }
        key
    }
}
