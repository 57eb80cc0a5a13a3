//! Reading: any number of cheap readers beside the one writer.
//!
//! **Invariant:** every method is one short read transaction. A page ends after its limit, after
//! [`PAGE_FRAMES_MAX`] frames or after [`PAGE_BYTES_MAX`] bytes, whichever comes first, but holds
//! at least one frame if there is one: only an empty page means the end.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use redb::{AccessGuard, ReadTransaction};

use crate::error::{Newer, OpenError, ReadError};
use crate::frame::{self, FrameError, Header};
use crate::payload::{DecodeError, Payload, Recorded};
use crate::segment::{self, Segment, SegmentCheck};
use crate::shared::{Shared, guarded};
use crate::tables;

/// Frames in one page.
pub const PAGE_FRAMES_MAX: usize = 1_000;
/// Bytes after which a page ends.
pub const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often a segment is counted again when compaction changed it meanwhile.
const SEGMENT_TRIES: usize = 3;

/// Reads a log. Stays valid while the log is opened again after an error.
#[derive(Debug)]
pub struct Reader<P> {
    pub(crate) shared: Arc<Shared>,
    payload: PhantomData<fn() -> P>,
}

/// A page of frames whose payloads are not decoded yet, in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frames {
    headers: Vec<(Header, usize)>,
    payloads: Vec<u8>,
}

impl<P> Clone for Reader<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            payload: PhantomData,
        }
    }
}

impl<P: Payload> Reader<P> {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            payload: PhantomData,
        }
    }

    /// The position the next event will have; the newest event is the one before.
    pub fn next_position(&self) -> u64 {
        self.shared.next_position()
    }

    /// One event, or `None` where there is none: not yet, or not any more.
    pub fn get(&self, position: u64) -> Result<Option<Recorded<P>>, ReadError> {
        let found = self.page_between(position, position, 1)?.pop();
        Ok(found.filter(|event| event.position == position))
    }

    /// Events from `from` on, ascending.
    pub fn page(&self, from: u64, limit: usize) -> Result<Vec<Recorded<P>>, ReadError> {
        self.page_between(from, u64::MAX, limit)
    }

    /// Events before `before`, descending.
    pub fn page_back(&self, before: u64, limit: usize) -> Result<Vec<Recorded<P>>, ReadError> {
        let mut events = Vec::new();
        self.shared.read(|transaction| {
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            let range = guarded(None, || Ok(log.range(..before)?))?;
            scan(
                transaction,
                range.rev(),
                Order::Falling(Bound::Excluded(before)),
                limit,
                |header, payload| {
                    events.push(record(transaction, header, payload)?);
                    Ok(ControlFlow::Continue(()))
                },
            )
        })?;
        Ok(events)
    }

    /// Events of the stream founded at `founding` that come after position `after`: the founding
    /// event first, then its members, ascending. `after` 0 starts at the beginning.
    pub fn stream(
        &self,
        founding: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded<P>>, ReadError> {
        let limit = limit.min(PAGE_FRAMES_MAX);
        self.shared.read(|transaction| {
            let mut positions = Vec::new();
            if after < founding {
                positions.push(founding);
            }
            let rest = limit.saturating_sub(positions.len());
            let first = after.max(founding).saturating_add(1);
            guarded(Some(founding), || {
                let streams = transaction.open_table(tables::STREAMS)?;
                let mut order = Order::Rising(Bound::Included((founding, first)));
                for entry in streams
                    .range((founding, first)..=(founding, u64::MAX))?
                    .take(rest)
                {
                    let key = entry?.0.value();
                    order.check(key)?;
                    positions.push(key.1);
                }
                Ok(())
            })?;
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            let mut events = Vec::new();
            let mut bytes = 0;
            for position in positions.into_iter().take(limit) {
                let Some(frame) = guarded(Some(position), || Ok(log.get(position)?))? else {
                    continue;
                };
                let (header, payload) = open_frame(transaction, position, &frame)?;
                bytes += payload.len();
                events.push(record(transaction, &header, payload)?);
                if bytes >= PAGE_BYTES_MAX {
                    break;
                }
            }
            Ok(events)
        })
    }

    /// Positions of the members of the stream founded at `founding` that come after `after`, without
    /// reading them, ascending.
    pub fn stream_positions(
        &self,
        founding: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let first = after.max(founding).saturating_add(1);
        self.shared.read(|transaction| {
            guarded(Some(founding), || {
                let streams = transaction.open_table(tables::STREAMS)?;
                let mut positions = Vec::new();
                let mut order = Order::Rising(Bound::Included((founding, first)));
                let members = streams.range((founding, first)..=(founding, u64::MAX))?;
                for entry in members.take(limit.min(PAGE_FRAMES_MAX)) {
                    let key = entry?.0.value();
                    order.check(key)?;
                    positions.push(key.1);
                }
                Ok(positions)
            })
        })
    }

    /// Frames from `from` on, ascending, checked but not decoded.
    pub fn frames(&self, from: u64, limit: usize) -> Result<Frames, ReadError> {
        let mut frames = Frames::default();
        self.for_each_frame(from, limit, |header, payload| frames.push(header, payload))?;
        Ok(frames)
    }

    /// Hands frames from `from` on to `visit`, ascending, checked but not decoded, and returns the
    /// position to go on from, or `None` at the end. `visit` must not read this log itself.
    pub fn for_each_frame(
        &self,
        from: u64,
        limit: usize,
        mut visit: impl FnMut(&Header, &[u8]),
    ) -> Result<Option<u64>, ReadError> {
        let mut last = None;
        self.shared.read(|transaction| {
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            let range = guarded(Some(from), || Ok(log.range(from..)?))?;
            scan(
                transaction,
                range,
                Order::Rising(Bound::Included(from)),
                limit,
                |header, payload| {
                    visit(header, payload);
                    last = Some(header.position);
                    Ok(ControlFlow::Continue(()))
                },
            )
        })?;
        Ok(last.map(|position| position.saturating_add(1)))
    }

    /// Appends frames from `from` to `last` to `out`, as they stand in the log, until it has about
    /// `fill` bytes, counts them, and returns the position to go on from, or `None` at the end.
    pub(crate) fn append_frames(
        &self,
        from: u64,
        last: u64,
        fill: usize,
        out: &mut Vec<u8>,
        count: &mut u32,
    ) -> Result<Option<u64>, ReadError> {
        let mut newest = None;
        self.shared.read(|transaction| {
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            let range = guarded(Some(from), || Ok(log.range(from..=last)?))?;
            scan(
                transaction,
                range,
                Order::Rising(Bound::Included(from)),
                PAGE_FRAMES_MAX,
                |header, payload| {
                    frame::copy(header, payload, out);
                    *count += 1;
                    newest = Some(header.position);
                    Ok(if out.len() < fill {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    })
                },
            )
        })?;
        Ok(newest.map(|position| position.saturating_add(1)))
    }

    /// The packed body received with the event at `position`.
    pub fn body(&self, position: u64) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.read(|transaction| {
            guarded(Some(position), || {
                let bodies = transaction.open_table(tables::BODIES)?;
                Ok(bodies.get(position)?.map(|b| b.value().to_vec()))
            })
        })
    }

    /// Positions and sizes of bodies from `from` on, ascending, for retention by age, number and
    /// bytes.
    pub fn body_sizes(&self, from: u64, limit: usize) -> Result<Vec<(u64, u64)>, ReadError> {
        self.shared.read(|transaction| {
            guarded(Some(from), || {
                let bodies = transaction.open_table(tables::BODIES)?;
                let mut sizes = Vec::new();
                let mut order = Order::Rising(Bound::Included(from));
                for entry in bodies.range(from..)?.take(limit.min(PAGE_FRAMES_MAX)) {
                    let (position, body) = entry?;
                    order.check(position.value())?;
                    sizes.push((position.value(), body.value().len() as u64));
                }
                Ok(sizes)
            })
        })
    }

    /// The row of the stream founded at `position`.
    pub fn row(&self, position: u64) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.read(|transaction| {
            guarded(Some(position), || {
                let rows = transaction.open_table(tables::ROWS)?;
                Ok(rows.get(position)?.map(|r| r.value().to_vec()))
            })
        })
    }

    /// Rows of streams founded before `before`, newest first.
    pub fn rows_back(&self, before: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        self.shared.read(|transaction| {
            guarded(None, || {
                let rows = transaction.open_table(tables::ROWS)?;
                let mut page = Vec::new();
                let newest_first = rows.range(..before)?.rev();
                let mut order = Order::Falling(Bound::Excluded(before));
                for entry in newest_first.take(limit.min(PAGE_FRAMES_MAX)) {
                    let (position, row) = entry?;
                    order.check(position.value())?;
                    page.push((position.value(), row.value().to_vec()));
                }
                Ok(page)
            })
        })
    }

    /// One sealed secret.
    pub fn secret(&self, position: u64, field: u16) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.read(|transaction| {
            guarded(Some(position), || {
                let secrets = transaction.open_table(tables::SECRETS)?;
                Ok(secrets.get((position, field))?.map(|s| s.value().to_vec()))
            })
        })
    }

    /// Sealed secrets after `after`, ascending by position and field; `None` starts at the first.
    pub fn secrets_all(
        &self,
        after: Option<(u64, u16)>,
        limit: usize,
    ) -> Result<Vec<(u64, u16, Vec<u8>)>, ReadError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.shared.read(|transaction| {
            guarded(None, || {
                let secrets = transaction.open_table(tables::SECRETS)?;
                let mut page = Vec::new();
                let range = secrets.range((start, Bound::Unbounded))?;
                let mut order = Order::Rising(start);
                for entry in range.take(limit.min(PAGE_FRAMES_MAX)) {
                    let (key, sealed) = entry?;
                    order.check(key.value())?;
                    let (position, field) = key.value();
                    page.push((position, field, sealed.value().to_vec()));
                }
                Ok(page)
            })
        })
    }

    /// A value of `meta`, the caller's own or the store's.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.shared.read(|transaction| {
            guarded(None, || {
                let meta = transaction.open_table(tables::META)?;
                Ok(meta.get(key)?.map(|v| v.value().to_vec()))
            })
        })
    }

    /// Everything in `meta`, the store's own names included. There are few.
    pub fn meta_all(&self) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        self.shared.read(|transaction| {
            guarded(None, || {
                let meta = transaction.open_table(tables::META)?;
                let mut all = Vec::new();
                for entry in meta.range::<&str>(..)?.take(PAGE_FRAMES_MAX) {
                    let (name, value) = entry?;
                    all.push((name.value().to_owned(), value.value().to_vec()));
                }
                Ok(all)
            })
        })
    }

    /// Rows of streams founded at `from` or later, ascending.
    pub fn rows(&self, from: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        self.shared.read(|transaction| {
            guarded(Some(from), || {
                let rows = transaction.open_table(tables::ROWS)?;
                let mut page = Vec::new();
                let mut order = Order::Rising(Bound::Included(from));
                for entry in rows.range(from..)?.take(limit.min(PAGE_FRAMES_MAX)) {
                    let (position, row) = entry?;
                    order.check(position.value())?;
                    page.push((position.value(), row.value().to_vec()));
                }
                Ok(page)
            })
        })
    }

    /// Counts the frames of one segment and compares them with what should be there. `None` for
    /// the open segment, whose entry is not final, and for segments that do not exist.
    pub fn check_segment(&self, segment: u64) -> Result<Option<SegmentCheck>, ReadError> {
        for _ in 0..SEGMENT_TRIES {
            let Some(expected) = self.segment_entry(segment)? else {
                return Ok(None);
            };
            let mut found = Segment::default();
            let mut from = segment::first(segment);
            while from <= segment::last(segment) {
                let end = segment::last(segment).min(expected.through);
                let next = self.for_each_frame(from, PAGE_FRAMES_MAX, |header, _| {
                    if header.position <= end {
                        found.add(header.position, header.checksum);
                    }
                })?;
                match next {
                    Some(next) => from = next,
                    None => break,
                }
            }
            if self.segment_entry(segment)? == Some(expected) {
                return Ok(Some(SegmentCheck {
                    live: found.live,
                    expected: expected.live,
                    whole: found.live == expected.live && found.xor == expected.xor,
                }));
            }
        }
        Ok(None)
    }

    /// Bytes the database file takes on the disk. It is sparse: its length may be twice that.
    pub fn bytes_on_disk(&self) -> u64 {
        let path = self.shared.path.as_ref();
        path.and_then(|p| p.metadata().ok())
            .map_or(0, |m| m.blocks().saturating_mul(512))
    }

    /// What is wrong with the end of a store that was opened read-only, as opening it for writing
    /// would say it. Everything before that can be read.
    pub fn trouble(&self) -> Option<&OpenError> {
        self.shared.trouble.as_ref()
    }

    /// What in the store as a whole is newer than this program, if anything.
    pub fn newer(&self) -> Result<Option<Newer>, ReadError> {
        self.shared.read(|transaction| {
            let format = guarded(None, || store_format(transaction))?;
            Ok((format > tables::STORE_FORMAT).then(|| Newer {
                what: format!("store format {format}"),
                written_by: written_by(transaction),
            }))
        })
    }

    fn page_between(
        &self,
        from: u64,
        last: u64,
        limit: usize,
    ) -> Result<Vec<Recorded<P>>, ReadError> {
        let mut events = Vec::new();
        self.shared.read(|transaction| {
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            if from > last {
                return Ok(());
            }
            let range = guarded(Some(from), || Ok(log.range(from..=last)?))?;
            scan(
                transaction,
                range,
                Order::Rising(Bound::Included(from)),
                limit,
                |header, payload| {
                    events.push(record(transaction, header, payload)?);
                    Ok(ControlFlow::Continue(()))
                },
            )
        })?;
        Ok(events)
    }

    pub(crate) fn segment_entry(&self, segment: u64) -> Result<Option<Segment>, ReadError> {
        self.shared.read(|transaction| {
            guarded(None, || {
                let segments = transaction.open_table(tables::SEGMENTS)?;
                match segments.get(segment)? {
                    None => Ok(None),
                    Some(entry) => Segment::decode(entry.value()).map(Some).ok_or_else(|| {
                        ReadError::damaged(None, format!("the entry of segment {segment}"))
                    }),
                }
            })
        })
    }
}

impl Frames {
    /// Adds a frame; for a page that comes from elsewhere, such as a backup.
    pub fn push(&mut self, header: &Header, payload: &[u8]) {
        self.payloads.extend_from_slice(payload);
        self.headers.push((*header, self.payloads.len()));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Header, &[u8])> {
        let mut start = 0;
        self.headers.iter().map(move |(header, end)| {
            let payload = &self.payloads[start..*end];
            start = *end;
            (header, payload)
        })
    }

    pub fn len(&self) -> usize {
        self.headers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The position to go on from, or `None` at the end.
    pub fn next(&self) -> Option<u64> {
        self.headers
            .last()
            .map(|(h, _)| h.position.saturating_add(1))
    }
}

/// Walks frames until a bound is reached or `visit` breaks. Only redb runs guarded; `visit` does
/// not, so that a caller's own panic stays a panic.
pub(crate) fn scan(
    transaction: &ReadTransaction,
    mut range: impl Iterator<
        Item = Result<
            (
                AccessGuard<'static, u64>,
                AccessGuard<'static, &'static [u8]>,
            ),
            redb::StorageError,
        >,
    >,
    mut order: Order<u64>,
    limit: usize,
    mut visit: impl FnMut(&Header, &[u8]) -> Result<ControlFlow<()>, ReadError>,
) -> Result<(), ReadError> {
    let mut bytes = 0;
    let mut last = None;
    for _ in 0..limit.min(PAGE_FRAMES_MAX) {
        let entry = guarded(None, || Ok(range.next().transpose()?)).map_err(|e| after(e, last))?;
        let Some((key, frame)) = entry else {
            break;
        };
        let position = guarded(None, || Ok(key.value()))?;
        order.check(position).map_err(|e| after(e, last))?;
        let (header, payload) = open_frame(transaction, position, &frame)?;
        bytes += frame::HEADER_BYTES + payload.len();
        last = Some(position);
        if visit(&header, payload)?.is_break() || bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    Ok(())
}

/// Checks that keys come in order and from where they were asked for, which they do not in a file
/// whose pages were exchanged.
pub(crate) enum Order<K> {
    Rising(Bound<K>),
    Falling(Bound<K>),
}

impl<K: Ord + Copy> Order<K> {
    pub(crate) fn check(&mut self, key: K) -> Result<(), ReadError> {
        let in_order = match self {
            Self::Rising(bound) => (*bound, Bound::Unbounded).contains(&key),
            Self::Falling(bound) => (Bound::Unbounded, *bound).contains(&key),
        };
        if !in_order {
            return Err(ReadError::damaged(None, "entries are out of order"));
        }
        match self {
            Self::Rising(bound) | Self::Falling(bound) => *bound = Bound::Excluded(key),
        }
        Ok(())
    }
}

/// Says where a walk was when the database gave up.
fn after(error: ReadError, last: Option<u64>) -> ReadError {
    match (error, last) {
        (
            ReadError::Damaged {
                position: None,
                why,
            },
            Some(last),
        ) => ReadError::Damaged {
            position: None,
            why: format!("next to position {last}: {why}"),
        },
        (error, _) => error,
    }
}

/// Checks a frame and borrows its payload.
pub(crate) fn open_frame<'a>(
    transaction: &ReadTransaction,
    position: u64,
    frame: &'a AccessGuard<'_, &'static [u8]>,
) -> Result<(Header, &'a [u8]), ReadError> {
    let bytes = guarded(Some(position), || Ok(frame.value()))?;
    frame::decode(position, bytes).map_err(|e| match e {
        FrameError::Damaged(why) => ReadError::damaged(position, why),
        FrameError::NewerFormat(format) => ReadError::Newer {
            position,
            source: Newer {
                what: format!("frame format {format} at position {position}"),
                written_by: written_by(transaction),
            },
        },
    })
}

/// Decodes a payload and puts its envelope around it.
pub(crate) fn record<P: Payload>(
    transaction: &ReadTransaction,
    header: &Header,
    payload: &[u8],
) -> Result<Recorded<P>, ReadError> {
    let position = header.position;
    match P::decode(header.kind, header.revision, payload) {
        Ok(payload) => Ok(Recorded {
            position,
            recorded_at: header.recorded_at,
            space: header.space,
            causation: header.causation,
            correlation: header.correlation,
            payload,
        }),
        Err(source @ DecodeError::Malformed { .. }) => Err(ReadError::Payload { position, source }),
        Err(DecodeError::UnknownKind { kind }) => Err(ReadError::Newer {
            position,
            source: Newer {
                what: format!("event kind {kind} at position {position}"),
                written_by: written_by(transaction),
            },
        }),
        Err(DecodeError::UnknownRevision { kind, revision }) => Err(ReadError::Newer {
            position,
            source: Newer {
                what: format!("revision {revision} of event kind {kind} at position {position}"),
                written_by: written_by(transaction),
            },
        }),
    }
}

/// The store format that `meta` names.
pub(crate) fn store_format(transaction: &ReadTransaction) -> Result<u16, ReadError> {
    let meta = transaction.open_table(tables::META)?;
    let bytes = meta
        .get(tables::META_FORMAT)?
        .map(|value| value.value().to_vec());
    match bytes.as_deref().map(<[u8; 2]>::try_from) {
        Some(Ok(bytes)) => Ok(u16::from_le_bytes(bytes)),
        Some(Err(_)) => Err(ReadError::damaged(
            None,
            "meta has a format of the wrong size",
        )),
        None => Err(ReadError::damaged(None, "meta has no format")),
    }
}

/// The program that last wrote here, for messages; never an error.
pub(crate) fn written_by(transaction: &ReadTransaction) -> String {
    guarded(None, || {
        let meta = transaction.open_table(tables::META)?;
        let value = meta.get(tables::META_WRITTEN_BY)?;
        Ok(value.map(|v| String::from_utf8_lossy(v.value()).into_owned()))
    })
    .ok()
    .flatten()
    .filter(|name| !name.is_empty() && name.len() <= 200)
    .unwrap_or_else(|| "a program that left no name".to_owned())
}
