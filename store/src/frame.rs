//! The bytes of one event: a fixed header written by hand, then the payload.
//!
//! **Invariant:** decoding is exact. Magic, length, checksum and the key the frame was found under
//! all have to agree, so a frame is whole and in its place or it is an error.
//!
//! **Invariant:** every later format keeps magic, format, flags, payload length, position and
//! checksum where they are, so that an old program can tell a newer frame from a damaged one.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The first four bytes of every frame: `NBEV`.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"NBEV");
/// The newest frame format this program reads and the one it writes.
pub const FRAME_FORMAT: u16 = 1;
/// Header size in bytes; the payload follows.
pub const HEADER_BYTES: usize = 68;
/// Largest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// Where the checksum stands; it covers everything before it and the payload.
const CHECKSUM_AT: usize = 64;
/// Frames up to this size are hashed in one go from a copy on the stack, in bytes.
const SMALL_FRAME_BYTES: usize = 1024;

const _: () = assert!(CHECKSUM_AT + 4 == HEADER_BYTES);

/// The header of a frame, without the parts that only prove the frame is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: u16,
    pub revision: u16,
    pub position: u64,
    pub recorded_at: i64,
    pub space: u32,
    pub causation: u64,
    pub correlation: [u8; 16],
    /// Low 32 bits of xxh3-64; also what the segments are made of.
    pub checksum: u32,
}

/// Why bytes are not a frame this program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    Damaged(String),
    /// Whole, but of a later format, or with flags of a later format.
    NewerFormat(u16),
}

/// Appends a frame to `out`. `write` appends the payload; its size is returned unless it is over
/// the bound, in which case `out` is as it was.
pub(crate) fn encode(
    header: &Header,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<u32, usize> {
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&FRAME_FORMAT.to_le_bytes());
    out.extend_from_slice(&header.kind.to_le_bytes());
    out.extend_from_slice(&header.revision.to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes()); // flags
    out.extend_from_slice(&0u32.to_le_bytes()); // payload length, set below
    out.extend_from_slice(&header.position.to_le_bytes());
    out.extend_from_slice(&header.recorded_at.to_le_bytes());
    out.extend_from_slice(&header.space.to_le_bytes());
    out.extend_from_slice(&header.causation.to_le_bytes());
    out.extend_from_slice(&header.correlation);
    out.extend_from_slice(&0u32.to_le_bytes()); // reserved
    out.extend_from_slice(&0u32.to_le_bytes()); // checksum, set below
    write(out);
    let length = out.len().saturating_sub(start + HEADER_BYTES);
    if length > PAYLOAD_BYTES_MAX {
        out.truncate(start);
        return Err(length);
    }
    let frame = &mut out[start..];
    frame[12..16].copy_from_slice(&(length as u32).to_le_bytes());
    let sum = checksum(&frame[..CHECKSUM_AT], &frame[HEADER_BYTES..]);
    frame[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    Ok(sum)
}

/// Appends a frame that was read before, as it stood, without making its checksum again.
pub(crate) fn copy(header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; HEADER_BYTES];
    head[..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[4..6].copy_from_slice(&FRAME_FORMAT.to_le_bytes());
    head[6..8].copy_from_slice(&header.kind.to_le_bytes());
    head[8..10].copy_from_slice(&header.revision.to_le_bytes());
    head[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[16..24].copy_from_slice(&header.position.to_le_bytes());
    head[24..32].copy_from_slice(&header.recorded_at.to_le_bytes());
    head[32..36].copy_from_slice(&header.space.to_le_bytes());
    head[36..44].copy_from_slice(&header.causation.to_le_bytes());
    head[44..60].copy_from_slice(&header.correlation);
    head[CHECKSUM_AT..].copy_from_slice(&header.checksum.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
}

/// Reads the frame stored under `key` and borrows its payload.
pub(crate) fn decode(key: u64, bytes: &[u8]) -> Result<(Header, &[u8]), FrameError> {
    let damaged = |why: String| Err(FrameError::Damaged(why));
    let Some((head, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return damaged(format!(
            "{} bytes are fewer than a header's {HEADER_BYTES}",
            bytes.len()
        ));
    };
    let magic = u32::from_le_bytes(field(head, 0));
    if magic != MAGIC {
        return damaged(format!("it starts with {magic:#010x}, not {MAGIC:#010x}"));
    }
    let length = u32::from_le_bytes(field(head, 12)) as usize;
    if length != payload.len() {
        return damaged(format!(
            "its header says {length} payload bytes, {} are there",
            payload.len()
        ));
    }
    let expected = u32::from_le_bytes(field(head, CHECKSUM_AT));
    let found = checksum(&head[..CHECKSUM_AT], payload);
    if expected != found {
        return damaged(format!(
            "its checksum is {found:#010x}, not {expected:#010x}"
        ));
    }
    let position = u64::from_le_bytes(field(head, 16));
    if position != key {
        return damaged(format!("it says it is position {position}"));
    }
    let format = u16::from_le_bytes(field(head, 4));
    let flags = u16::from_le_bytes(field(head, 10));
    let reserved = u32::from_le_bytes(field(head, 60));
    if format > FRAME_FORMAT || flags != 0 || reserved != 0 {
        return Err(FrameError::NewerFormat(format));
    }
    if format != FRAME_FORMAT {
        return damaged(format!("frame format {format} never existed"));
    }
    if length > PAYLOAD_BYTES_MAX {
        return damaged(format!("{length} payload bytes are over the bound"));
    }
    let header = Header {
        kind: u16::from_le_bytes(field(head, 6)),
        revision: u16::from_le_bytes(field(head, 8)),
        position,
        recorded_at: i64::from_le_bytes(field(head, 24)),
        space: u32::from_le_bytes(field(head, 32)),
        causation: u64::from_le_bytes(field(head, 36)),
        correlation: field(head, 44),
        checksum: expected,
    };
    Ok((header, payload))
}

fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

/// Low 32 bits of xxh3-64 over both parts as if they were one.
fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let total = head.len() + payload.len();
    let sum = if total <= SMALL_FRAME_BYTES {
        let mut together = [0u8; SMALL_FRAME_BYTES];
        together[..head.len()].copy_from_slice(head);
        together[head.len()..total].copy_from_slice(payload);
        xxh3_64(&together[..total])
    } else {
        let mut hasher = Xxh3::new();
        hasher.update(head);
        hasher.update(payload);
        hasher.digest()
    };
    sum as u32
}
