//! Public ids: 26 characters of Crockford base32 over 128 bits,
//! `48-bit milliseconds ‖ 16-bit store epoch ‖ 64-bit (position << 12 | ordinal)`.
//!
//! The ordinal is 0 for what an event founds itself (a notice) and 1… for the deliveries it plans.
//! The milliseconds never go below those of an earlier id, and the epoch is new on every restore,
//! so that an id handed out as an idempotency key is never issued twice.

use std::fmt;
use std::str::FromStr;

/// Most deliveries that one event can plan.
pub const ORDINAL_MAX: u16 = 4_095;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A public id, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId {
    pub millis: u64,
    pub epoch: u16,
    pub position: u64,
    pub ordinal: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 26 characters of 0-9 and A-Z without I, L, O and U")]
pub struct NotAnId;

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = (u128::from(self.millis & 0xFFFF_FFFF_FFFF) << 80)
            | (u128::from(self.epoch) << 64)
            | u128::from((self.position << 12) | u64::from(self.ordinal & ORDINAL_MAX));
        let mut text = [0u8; 26];
        for (i, slot) in text.iter_mut().enumerate() {
            let shift = 5 * (25 - i);
            *slot = ALPHABET[((value >> shift) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for PublicId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 26 {
            return Err(NotAnId);
        }
        let mut value: u128 = 0;
        for (i, byte) in text.bytes().enumerate() {
            let upper = byte.to_ascii_uppercase();
            let digit = ALPHABET
                .iter()
                .position(|known| *known == upper)
                .ok_or(NotAnId)?;
            // 26 characters carry 130 bits; the first may only be 0-7.
            if i == 0 && digit > 7 {
                return Err(NotAnId);
            }
            value = (value << 5) | digit as u128;
        }
        let low = value as u64;
        Ok(PublicId {
            millis: (value >> 80) as u64,
            epoch: (value >> 64) as u16,
            position: low >> 12,
            ordinal: (low & u64::from(ORDINAL_MAX)) as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back(millis in 0u64..1 << 48, epoch: u16, position in 0u64..1 << 52, ordinal in 0u16..=ORDINAL_MAX) {
            let id = PublicId { millis, epoch, position, ordinal };
            let text = id.to_string();
            prop_assert_eq!(text.len(), 26);
            prop_assert_eq!(text.parse::<PublicId>(), Ok(id));
            prop_assert_eq!(text.to_lowercase().parse::<PublicId>(), Ok(id));
        }

        #[test]
        fn a_later_id_sorts_later(position in 0u64..1 << 51, step in 1u64..1000) {
            let id = |position| PublicId { millis: 1_700_000_000_000, epoch: 3, position, ordinal: 0 }.to_string();
            prop_assert!(id(position) < id(position + step));
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "0",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "0000000000000000000000000U",
            "0000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<PublicId>(), Err(NotAnId), "{text}");
        }
    }
}
