//! Randomness. Nothing else in the program asks for it; it enters everywhere else as bytes.

use std::sync::{Mutex, PoisonError};

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

/// Bytes asked of the operating system at a time by [`Ids`].
const POOL_BYTES: usize = 1_024;

/// Random bytes for ids, which are many, short and no secrets: asked of the operating system by the
/// kilobyte instead of one by one.
pub struct Ids(Mutex<Pool>);

struct Pool {
    bytes: [u8; POOL_BYTES],
    used: usize,
}

impl Default for Ids {
    fn default() -> Self {
        Ids(Mutex::new(Pool {
            bytes: [0; POOL_BYTES],
            used: POOL_BYTES,
        }))
    }
}

impl Ids {
    /// Bytes that were given to nobody before.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= POOL_BYTES) };
        // Whoever panicked here did so before any byte was taken.
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.used + N > POOL_BYTES {
            SystemEntropy.fill(&mut pool.bytes);
            pool.used = 0;
        }
        let from = pool.used;
        pool.used += N;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&pool.bytes[from..from + N]);
        bytes
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
    fn no_id_is_given_twice() {
        let ids = Ids::default();
        let given: std::collections::BTreeSet<[u8; 16]> =
            (0..POOL_BYTES).map(|_| ids.bytes()).collect();
        assert_eq!(given.len(), POOL_BYTES);
        let short: std::collections::BTreeSet<[u8; 7]> =
            (0..POOL_BYTES).map(|_| ids.bytes()).collect();
        assert_eq!(short.len(), POOL_BYTES);
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
