//! Everything that looks random: ids, ARNs, secrets, request ids. All of it comes from one seeded
//! state that is saved with the account, so the same seed and the same requests give the same bytes.

use serde::{Deserialize, Serialize};

const ALPHANUMERIC: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &[u8] = b"0123456789abcdef";

/// The seeded source.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        let mut random = fastrand::Rng::with_seed(self.state);
        let text = (0..length)
            .map(|_| char::from(*alphabet.get(random.usize(..alphabet.len())).unwrap_or(&b'a')))
            .collect();
        self.state = random.get_seed();
        text
    }

    /// Letters and digits, as in resource ids.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        self.text(ALPHANUMERIC, length)
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.text(HEX, length)
    }

    /// A chance between 0 and 1.
    pub(crate) fn chance(&mut self) -> f64 {
        let mut random = fastrand::Rng::with_seed(self.state);
        let chance = random.f64();
        self.state = random.get_seed();
        chance
    }

    /// The shape of a UUID, for request ids.
    pub(crate) fn uuid(&mut self) -> String {
        let digits = self.hex(32);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-4{}-a{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }
}

/// Twelve hexadecimal digits that are constant for a text, as the host part of playback URLs is
/// constant for an account and region.
pub(crate) fn constant_hex(text: &str) -> String {
    // FNV-1a: stable across versions of the standard library, which its own hashers are not.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Generator::new(hash).hex(12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_no_id_comes_twice() {
        let (mut one, mut two) = (Generator::new(7), Generator::new(7));
        let first = one.letters(12);
        assert_eq!(first, two.letters(12));
        assert_ne!(first, one.letters(12));
        assert_eq!(one.uuid().len(), 36);
        assert_eq!(constant_hex("a"), constant_hex("a"));
    }
}
