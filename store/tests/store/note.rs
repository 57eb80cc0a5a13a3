//! The payload of these tests, and what is used to write many of them.

use std::path::Path;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

use notify_store::{Batch, DecodeError, Log, OpenError, Options, Payload, Recorded, Stream};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Kind 1: founds a stream.
    Founded(Vec<u8>),
    /// Kind 2: belongs to a stream; eight bytes of its name, then the rest.
    Member(u64, Vec<u8>),
    /// Kind 3: neither.
    Plain(Vec<u8>),
}

impl Payload for Note {
    fn kind(&self) -> u16 {
        match self {
            Self::Founded(_) => 1,
            Self::Member(..) => 2,
            Self::Plain(_) => 3,
        }
    }

    fn revision(&self) -> u16 {
        1
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Founded(bytes) | Self::Plain(bytes) => out.extend_from_slice(bytes),
            Self::Member(of, bytes) => {
                out.extend_from_slice(&of.to_le_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }

    fn decode(kind: u16, revision: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        if (1..=3).contains(&kind) && revision != 1 {
            return Err(DecodeError::UnknownRevision { kind, revision });
        }
        match kind {
            1 => Ok(Self::Founded(bytes.to_vec())),
            2 => match bytes.split_first_chunk::<8>() {
                Some((of, rest)) => Ok(Self::Member(u64::from_le_bytes(*of), rest.to_vec())),
                None => Err(DecodeError::Malformed {
                    kind,
                    revision,
                    why: "too short".to_owned(),
                }),
            },
            3 => Ok(Self::Plain(bytes.to_vec())),
            kind => Err(DecodeError::UnknownKind { kind }),
        }
    }

    fn stream(&self) -> Stream {
        match self {
            Self::Founded(_) => Stream::Founds,
            Self::Member(of, _) => Stream::Of(*of),
            Self::Plain(_) => Stream::None,
        }
    }
}

/// A payload of a later program: kind 9.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later;

impl Payload for Later {
    fn kind(&self) -> u16 {
        9
    }

    fn revision(&self) -> u16 {
        4
    }

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: u16, _: u16, _: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    fn stream(&self) -> Stream {
        Stream::None
    }
}

pub fn recorded<P>(position: u64, payload: P) -> Recorded<P> {
    Recorded {
        position,
        recorded_at: 1_700_000_000_000_000 + position as i64,
        space: 1,
        causation: position.saturating_sub(1),
        correlation: [position as u8; 16],
        payload,
    }
}

/// `count` plain notes from `first` on.
pub fn plain(first: u64, count: u64) -> Batch<Note> {
    Batch::of(
        (first..first + count)
            .map(|p| recorded(p, Note::Plain(format!("note {p}").into_bytes())))
            .collect(),
    )
}

/// Options that do not depend on how full this machine's disk is.
pub fn options() -> Options {
    Options {
        min_free_bytes: 0,
        cache_bytes: 1024 * 1024,
        ..Options::default()
    }
}

pub fn open(dir: &Path) -> Result<Log<Note>, OpenError> {
    Log::open(dir, &options(), &|_| {})
}

/// The same cases every time.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
