//! Randomness. Nothing else in the program asks for it; it enters everywhere else as bytes.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// A source of random bytes.
pub trait Entropy: Send {
    fn fill(&mut self, bytes: &mut [u8]);

    /// Eight bytes of it as a number.
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The operating system's generator, fit for keys and tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    ///
    /// When the operating system has no randomness to give. There is no safe way on: a guessable
    /// key or nonce would be worse than stopping.
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut filled = 0;
        // The kernel is asked, not a file: the program runs where there is none.
        while filled < bytes.len() {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one module that asks the system for randomness"
            )]
            match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(error) => panic!("the operating system gives no random bytes: {error}"),
            }
        }
    }
}

/// The same bytes for the same seed, so that a test can be run again. Guessable by design: it must
/// never make a key, token or nonce of a real store.
#[derive(Debug, Clone)]
pub struct SeededEntropy {
    state: u64,
}

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        SeededEntropy { state: seed }
    }

    /// One step of the SplitMix64 generator.
    fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.step().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_bytes_again_and_no_others() {
        let bytes = |seed| {
            let mut out = [0; 20];
            SeededEntropy::new(seed).fill(&mut out);
            out
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
        // The published first output of SplitMix64 for seed 1234567.
        assert_eq!(
            SeededEntropy::new(1_234_567).next_u64(),
            6_457_827_717_110_365_317
        );
    }

    #[test]
    fn the_system_fills_everything() {
        let mut bytes = [0; 64];
        SystemEntropy.fill(&mut bytes);
        // All-zero tails would say that a part was left out; 16 zero bytes by chance are 2^-128.
        assert_ne!(bytes[..16], [0; 16]);
        assert_ne!(bytes[48..], [0; 16]);
    }
}
