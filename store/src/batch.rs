//! What one transaction adds or removes, and the bounds it is checked against before any write.

use crate::frame::PAYLOAD_BYTES_MAX;
use crate::payload::{Payload, Recorded};
use crate::tables;

/// Events in one batch.
pub const BATCH_EVENTS_MAX: usize = 16_384;
/// Frames and bodies of one batch together, in bytes.
pub const BATCH_BYTES_MAX: usize = 128 * 1024 * 1024;
/// One packed body, in bytes.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// One row for lists, in bytes.
pub const ROW_BYTES_MAX: usize = 128;
/// One sealed secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// One key of `meta`, in bytes.
pub const META_KEY_BYTES_MAX: usize = 64;
/// One value of `meta`, in bytes.
pub const META_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Frames, bodies and rows that one removal may name, each.
pub const REMOVAL_MAX: usize = 1_000;

const _: () = assert!(BODY_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX < BODY_BYTES_MAX);

/// Everything one durable transaction writes.
#[derive(Debug, Clone)]
pub struct Batch<P> {
    /// Contiguous from the log's next position.
    pub events: Vec<Recorded<P>>,
    /// Packed bodies by the position of their event.
    pub bodies: Vec<(u64, Vec<u8>)>,
    /// Rows by founding position; a row that exists is replaced.
    pub rows: Vec<(u64, Vec<u8>)>,
    pub secrets: Vec<SecretChange>,
    /// The caller's own keys in `meta`.
    pub meta: Vec<(String, Vec<u8>)>,
}

/// One change of the table of sealed secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChange {
    pub position: u64,
    pub field: u16,
    /// `None` removes the secret.
    pub sealed: Option<Vec<u8>>,
}

/// What one transaction of physical compaction removes. Removing what is absent is no error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Frames, with the body, row and stream entry of the same position.
    pub frames: Vec<u64>,
    /// Bodies whose event stays.
    pub bodies: Vec<u64>,
    /// Rows whose event stays.
    pub rows: Vec<u64>,
    /// Written in the same transaction, for instance the compaction mark.
    pub meta: Vec<(String, Vec<u8>)>,
}

/// Why input was refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("event {found} was given where position {expected} comes next")]
    NotContiguous { expected: u64, found: u64 },
    #[error("payload of position {position} has {bytes} bytes, more than {PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge { position: u64, bytes: usize },
    #[error("event {position} names stream {founding}, which is not before it")]
    StreamNotBefore { position: u64, founding: u64 },
    #[error("{events} events in one batch, more than {BATCH_EVENTS_MAX}")]
    TooManyEvents { events: usize },
    #[error("{bytes} bytes in one batch, more than {BATCH_BYTES_MAX}")]
    BatchTooLarge { bytes: usize },
    #[error("body of position {position} has {bytes} bytes, more than {BODY_BYTES_MAX}")]
    BodyTooLarge { position: u64, bytes: usize },
    #[error("row of position {position} has {bytes} bytes, more than {ROW_BYTES_MAX}")]
    RowTooLarge { position: u64, bytes: usize },
    #[error("secret of position {position} has {bytes} bytes, more than {SECRET_BYTES_MAX}")]
    SecretTooLarge { position: u64, bytes: usize },
    #[error("meta key {key:?} is empty, reserved or longer than {META_KEY_BYTES_MAX} bytes")]
    MetaKey { key: String },
    #[error("meta value of {key:?} has {bytes} bytes, more than {META_VALUE_BYTES_MAX}")]
    MetaValue { key: String, bytes: usize },
    #[error("{what} of position {position}, but the log ends before it")]
    BeyondEnd { what: &'static str, position: u64 },
    #[error("{count} {what} in one removal, more than {REMOVAL_MAX}")]
    RemovalTooLarge { what: &'static str, count: usize },
    #[error(
        "position {position} is the newest event and keeps the log's end; it cannot be removed"
    )]
    NewestStays { position: u64 },
    #[error("the bytes given for position {position} are not a frame: {why}")]
    NotAFrame { position: u64, why: String },
}

impl<P> Default for Batch<P> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            bodies: Vec::new(),
            rows: Vec::new(),
            secrets: Vec::new(),
            meta: Vec::new(),
        }
    }
}

impl<P: Payload> Batch<P> {
    /// A batch of events alone.
    pub fn of(events: Vec<Recorded<P>>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.bodies.is_empty()
            && self.rows.is_empty()
            && self.secrets.is_empty()
            && self.meta.is_empty()
    }

    /// Checks everything except the events, which are checked while they are encoded. `end` is the
    /// first position that will not exist after this batch.
    pub(crate) fn check_beside_events(&self, end: u64) -> Result<usize, Refused> {
        let mut total = 0;
        for (position, bytes) in &self.bodies {
            check_end("body", *position, end)?;
            if bytes.len() > BODY_BYTES_MAX {
                return Err(Refused::BodyTooLarge {
                    position: *position,
                    bytes: bytes.len(),
                });
            }
            total += bytes.len();
        }
        for (position, bytes) in &self.rows {
            check_end("row", *position, end)?;
            if bytes.len() > ROW_BYTES_MAX {
                return Err(Refused::RowTooLarge {
                    position: *position,
                    bytes: bytes.len(),
                });
            }
            total += bytes.len();
        }
        for change in &self.secrets {
            check_end("secret", change.position, end)?;
            let bytes = change.sealed.as_ref().map_or(0, Vec::len);
            if bytes > SECRET_BYTES_MAX {
                return Err(Refused::SecretTooLarge {
                    position: change.position,
                    bytes,
                });
            }
            total += bytes;
        }
        check_meta(&self.meta)?;
        Ok(total)
    }
}

impl Removal {
    pub(crate) fn check(&self, end: u64) -> Result<(), Refused> {
        for (what, positions) in [
            ("frames", &self.frames),
            ("bodies", &self.bodies),
            ("rows", &self.rows),
        ] {
            if positions.len() > REMOVAL_MAX {
                return Err(Refused::RemovalTooLarge {
                    what,
                    count: positions.len(),
                });
            }
        }
        if let Some(position) = self.frames.iter().find(|p| **p + 1 == end) {
            return Err(Refused::NewestStays {
                position: *position,
            });
        }
        check_meta(&self.meta)
    }
}

fn check_end(what: &'static str, position: u64, end: u64) -> Result<(), Refused> {
    if position >= end {
        return Err(Refused::BeyondEnd { what, position });
    }
    Ok(())
}

fn check_meta(meta: &[(String, Vec<u8>)]) -> Result<(), Refused> {
    for (key, value) in meta {
        if key.is_empty() || key.len() > META_KEY_BYTES_MAX || tables::is_reserved(key) {
            return Err(Refused::MetaKey { key: key.clone() });
        }
        if value.len() > META_VALUE_BYTES_MAX {
            return Err(Refused::MetaValue {
                key: key.clone(),
                bytes: value.len(),
            });
        }
    }
    Ok(())
}
