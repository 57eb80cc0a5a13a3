//! Segments: for every 4 096 positions, how many frames live there and the XOR of their checksums,
//! so that a hole made by compaction differs from a loss.
//!
//! **Invariant:** the entry of a closed segment is written in the transaction that closes it. The
//! open segment lives in memory; its entry is written when the log settles or closes and says how
//! far it reaches, and the rest is added from the log on open.

/// Positions in one segment: segment `n` holds positions `n * 4096` up to `n * 4096 + 4095`.
pub const SEGMENT_POSITIONS: u64 = 4_096;

/// Size of an entry in bytes.
pub(crate) const ENTRY_BYTES: usize = 16;

/// What one segment holds, up to and including `through`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Segment {
    pub through: u64,
    pub live: u32,
    pub xor: u32,
}

/// The answer of [`crate::Reader::check_segment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentCheck {
    /// Frames that are there and whole.
    pub live: u32,
    /// Frames that should be there; equal to `live` unless some were lost.
    pub expected: u32,
    /// Whether the frames that are there are the ones that should be.
    pub whole: bool,
}

pub(crate) fn of(position: u64) -> u64 {
    position / SEGMENT_POSITIONS
}

pub(crate) fn first(segment: u64) -> u64 {
    segment.saturating_mul(SEGMENT_POSITIONS)
}

pub(crate) fn last(segment: u64) -> u64 {
    first(segment).saturating_add(SEGMENT_POSITIONS - 1)
}

impl Segment {
    pub fn add(&mut self, position: u64, checksum: u32) {
        self.through = position;
        self.live += 1;
        self.xor ^= checksum;
    }

    pub fn remove(&mut self, checksum: u32) {
        self.live = self.live.saturating_sub(1);
        self.xor ^= checksum;
    }

    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.through.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.live.to_le_bytes());
        bytes[12..].copy_from_slice(&self.xor.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (through, rest) = bytes.split_first_chunk::<8>()?;
        let (live, rest) = rest.split_first_chunk::<4>()?;
        let xor: [u8; 4] = rest.try_into().ok()?;
        Some(Self {
            through: u64::from_le_bytes(*through),
            live: u32::from_le_bytes(*live),
            xor: u32::from_le_bytes(xor),
        })
    }
}
