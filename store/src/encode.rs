//! Encoding a batch before its transaction begins, so that bad input costs nothing on disk.

use crate::batch::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Batch, Refused};
use crate::frame::{self, Header};
use crate::payload::{Payload, Stream};
use crate::reader::Frames;

/// Memory for encoding that is kept from one batch to the next, in bytes.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

/// The frames of one batch, encoded before the transaction begins.
#[derive(Default)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    pub frames: Vec<Span>,
}

pub(crate) struct Span {
    pub position: u64,
    /// Where the frame ends in `Encoded::bytes`.
    pub end: usize,
    pub checksum: u32,
    /// The stream the event is a member of.
    pub member_of: Option<u64>,
}

impl Encoded {
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BUFFER_KEPT_BYTES);
    }

    fn push(
        &mut self,
        header: &Header,
        stream: Stream,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        let position = header.position;
        let member_of = match stream {
            Stream::Of(founding) if founding >= position || founding == 0 => {
                return Err(Refused::StreamNotBefore { position, founding });
            }
            Stream::Of(founding) => Some(founding),
            Stream::None | Stream::Founds => None,
        };
        let checksum = frame::encode(header, &mut self.bytes, write)
            .map_err(|bytes| Refused::PayloadTooLarge { position, bytes })?;
        self.frames.push(Span {
            position,
            end: self.bytes.len(),
            checksum,
            member_of,
        });
        match self.bytes.len() {
            bytes if bytes > BATCH_BYTES_MAX => Err(Refused::BatchTooLarge { bytes }),
            _ => Ok(()),
        }
    }
}

/// Encodes the events of a batch, which must continue the log.
pub(crate) fn encode_batch<P: Payload>(
    batch: &Batch<P>,
    next: u64,
    encoded: &mut Encoded,
) -> Result<(), Refused> {
    let events = batch.events.len();
    if events > BATCH_EVENTS_MAX {
        return Err(Refused::TooManyEvents { events });
    }
    for (event, expected) in batch.events.iter().zip(next..) {
        if event.position != expected {
            return Err(Refused::NotContiguous {
                expected,
                found: event.position,
            });
        }
        let header = Header {
            kind: event.payload.kind(),
            revision: event.payload.revision(),
            position: event.position,
            recorded_at: event.recorded_at,
            space: event.space,
            causation: event.causation,
            correlation: event.correlation,
            checksum: 0,
        };
        encoded.push(&header, event.payload.stream(), |out| {
            event.payload.encode(out);
        })?;
    }
    Ok(())
}

/// Encodes frames of another log, which may leave gaps.
pub(crate) fn encode_frames<P: Payload>(
    frames: &Frames,
    beside: &Batch<P>,
    next: u64,
    encoded: &mut Encoded,
) -> Result<(), Refused> {
    let events = frames.len() + beside.events.len();
    if events > BATCH_EVENTS_MAX || !beside.events.is_empty() {
        return Err(Refused::TooManyEvents { events });
    }
    let mut expected = next;
    for (header, payload) in frames.iter() {
        let position = header.position;
        if position < expected || position == u64::MAX {
            return Err(Refused::NotContiguous {
                expected,
                found: position,
            });
        }
        let event =
            P::decode(header.kind, header.revision, payload).map_err(|e| Refused::NotAFrame {
                position,
                why: e.to_string(),
            })?;
        encoded.push(header, event.stream(), |out| out.extend_from_slice(payload))?;
        expected = position + 1;
    }
    Ok(())
}
