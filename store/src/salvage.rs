//! What is whole of a damaged store, as a new one.
//!
//! **Invariant:** the damaged store is only read. Positions are kept; what was lost is a gap.

use std::path::Path;

use crate::batch::{BATCH_BYTES_MAX, Batch, SecretChange};
use crate::error::{AppendError, OpenError, ReadError};
use crate::log::Log;
use crate::open::Options;
use crate::payload::Payload;
use crate::reader::{Frames, PAGE_FRAMES_MAX, Reader};
use crate::verify::for_each_whole_frame;
use crate::{body, tables};

/// Bytes of frames and bodies written in one transaction.
const WRITE_BYTES: usize = 8 * 1024 * 1024;
/// Frames written in one transaction.
const WRITE_FRAMES: usize = 8 * PAGE_FRAMES_MAX;

const _: () = assert!(2 * WRITE_BYTES < BATCH_BYTES_MAX);

/// Something that could not be saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("positions {from} to {to} of the log: {why}")]
    Frames { from: u64, to: u64, why: String },
    #[error("the body at position {position}: {why}")]
    Body { position: u64, why: String },
    #[error("the table {table} from {from} on: {why}")]
    Table {
        table: &'static str,
        from: u64,
        why: String,
    },
}

/// Why nothing was saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    #[error("the damaged store cannot be read at all")]
    Read(#[from] ReadError),
    #[error("the new store cannot be made")]
    Open(#[from] OpenError),
    #[error("the new store cannot be written")]
    Append(#[from] AppendError),
}

/// Copies everything whole of `from` into a new store in `into`, without rows, and says what is lost.
pub fn salvage<P: Payload>(
    from: &Reader<P>,
    into: &Path,
    options: &Options,
) -> Result<Vec<Lost>, SalvageError> {
    let mut log = Log::<P>::open(into, options, &|_| {})?;
    let mut lost = Vec::new();
    let last = from.next_position().saturating_sub(1);
    frames(from, last, &mut log, &mut lost)?;
    let end = log.next_position();
    bodies(from, end, &mut log, &mut lost)?;
    let mut batch = Batch::default();
    match secrets(from, end) {
        Ok(secrets) => batch.secrets = secrets,
        Err(error) => lost.push(table("secrets", 0, error)?),
    }
    match from.meta_all() {
        Ok(meta) => {
            batch.meta = meta
                .into_iter()
                .filter(|(name, _)| !tables::is_reserved(name))
                .collect();
        }
        Err(error) => lost.push(table("meta", 0, error)?),
    }
    log.append(&batch)?;
    log.close()?;
    Ok(lost)
}

fn table(table: &'static str, from: u64, error: ReadError) -> Result<Lost, ReadError> {
    match error {
        error @ (ReadError::Closed | ReadError::Storage(_)) => Err(error),
        damaged => Ok(Lost::Table {
            table,
            from,
            why: damaged.to_string(),
        }),
    }
}

fn frames<P: Payload>(
    from: &Reader<P>,
    last: u64,
    log: &mut Log<P>,
    lost: &mut Vec<Lost>,
) -> Result<(), SalvageError> {
    let mut next = 1;
    while next <= last {
        let mut frames = Frames::default();
        let mut bytes = 0;
        let mut undecodable = Vec::new();
        let mut gone = Vec::new();
        let mut newest = next - 1;
        for_each_whole_frame(
            from,
            next,
            last,
            &mut |header, payload| {
                newest = header.position;
                match P::decode(header.kind, header.revision, payload) {
                    Ok(_) => {
                        bytes += payload.len();
                        frames.push(header, payload);
                    }
                    Err(error) => undecodable.push((header.position, error.to_string())),
                }
                bytes < WRITE_BYTES && frames.len() < WRITE_FRAMES
            },
            &mut |from, to, why| gone.push((from, to, why)),
        )?;
        let full = bytes >= WRITE_BYTES || frames.len() >= WRITE_FRAMES;
        lost.extend(
            gone.into_iter()
                .map(|(from, to, why)| Lost::Frames { from, to, why }),
        );
        lost.extend(undecodable.into_iter().map(|(position, why)| Lost::Frames {
            from: position,
            to: position,
            why,
        }));
        if !frames.is_empty() {
            log.restore(&frames, &Batch::default())?;
        }
        if !full {
            break;
        }
        next = newest + 1;
    }
    Ok(())
}

fn bodies<P: Payload>(
    from: &Reader<P>,
    end: u64,
    log: &mut Log<P>,
    lost: &mut Vec<Lost>,
) -> Result<(), SalvageError> {
    let mut next = 0;
    let mut batch = Batch::default();
    let mut bytes = 0;
    loop {
        let sizes = match from.body_sizes(next, PAGE_FRAMES_MAX) {
            Ok(sizes) => sizes,
            Err(error) => {
                lost.push(table("bodies", next, error)?);
                break;
            }
        };
        let Some((newest, _)) = sizes.last() else {
            break;
        };
        next = newest.saturating_add(1);
        for (position, _) in sizes.into_iter().filter(|(position, _)| *position < end) {
            let packed = match from.body(position) {
                Ok(Some(packed)) => packed,
                Ok(None) => continue,
                Err(error) => {
                    let why = table("bodies", position, error)?.to_string();
                    lost.push(Lost::Body { position, why });
                    continue;
                }
            };
            if let Err(error) = body::unpack(&packed, crate::BODY_BYTES_MAX) {
                let why = error.to_string();
                lost.push(Lost::Body { position, why });
                continue;
            }
            // The new store has no place for what belongs to an event that is lost.
            let frames = log.reader().frames(position, 1)?;
            if frames.next() != Some(position + 1) {
                lost.push(Lost::Body {
                    position,
                    why: "its event is lost".to_owned(),
                });
                continue;
            }
            bytes += packed.len();
            batch.bodies.push((position, packed));
            if bytes >= WRITE_BYTES {
                log.append(&batch)?;
                batch.bodies.clear();
                bytes = 0;
            }
        }
    }
    log.append(&batch)?;
    Ok(())
}

fn secrets<P: Payload>(from: &Reader<P>, end: u64) -> Result<Vec<SecretChange>, ReadError> {
    let mut all: Vec<SecretChange> = Vec::new();
    loop {
        let after = all.last().map(|change| (change.position, change.field));
        let page = from.secrets_all(after, PAGE_FRAMES_MAX)?;
        let beyond = page.iter().any(|(position, ..)| *position >= end);
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(
            page.into_iter()
                .filter(|(position, ..)| *position < end)
                .map(|(position, field, sealed)| SecretChange {
                    position,
                    field,
                    sealed: Some(sealed),
                }),
        );
        if beyond {
            return Ok(all);
        }
    }
}
