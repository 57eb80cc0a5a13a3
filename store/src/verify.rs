//! Everything in a store against everything else that it can be compared with.
//!
//! The log says what should be in the other tables; the segments say what should be in the log. What
//! is found is named by its place. A store may be appended to meanwhile; frames must not be removed.
//!
//! **Invariant:** damage ends nothing: what lies behind it is looked at too.

use crate::body;
use crate::error::ReadError;
use crate::frame::Header;
use crate::payload::{Payload, Stream};
use crate::reader::{PAGE_BYTES_MAX, PAGE_FRAMES_MAX, Reader};
use crate::segment::{self, Segment};
use crate::shared::guarded;
use crate::tables;
use crate::{BODY_BYTES_MAX, Newer};

/// Problems that are told one by one; of more, the number is known.
pub const PROBLEMS_MAX: u64 = 1_000;
/// Positions that are tried one by one behind damage before longer steps are taken.
const STEPS_OF_ONE: u64 = 64;

/// The part of a store that is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Pages,
    Frames,
    Streams,
    Bodies,
    Meta,
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Pages => "pages",
            Part::Frames => "frames",
            Part::Streams => "streams",
            Part::Bodies => "bodies",
            Part::Meta => "meta",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("pages: {why}")]
    Pages { why: String },
    #[error("positions {from} to {to} of the log cannot be read: {why}")]
    Frames { from: u64, to: u64, why: String },
    #[error("positions {} to {} should hold {expected} frames and hold {live}{}", segment::first(*segment).max(1), segment::last(*segment), if live == expected { ", but not the same" } else { "" })]
    Segment {
        segment: u64,
        live: u32,
        expected: u32,
    },
    #[error("the entry of segment {segment} cannot be read: {why}")]
    SegmentEntry { segment: u64, why: String },
    #[error("the log ends at position {ends}, and reached {reached} before")]
    End { ends: u64, reached: u64 },
    #[error("stream {founding} lacks its event at position {position}")]
    StreamLacks { founding: u64, position: u64 },
    #[error("stream {founding} names position {position}, which is no event of it")]
    StreamExtra { founding: u64, position: u64 },
    #[error("the table {table} cannot be read from {from} on: {why}")]
    Table {
        table: &'static str,
        from: u64,
        why: String,
    },
    #[error("the body at position {position}: {why}")]
    Body { position: u64, why: String },
    #[error("meta: {why}")]
    Meta { why: String },
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// The position up to which the log was read.
    pub through: u64,
    pub frames: u64,
    /// Bytes of frames and bodies.
    pub bytes: u64,
    pub members: u64,
    pub segments: u64,
    pub bodies: u64,
    pub problems: u64,
}

/// What a verification tells while it runs.
pub trait Watch {
    /// A frame that is whole, in the order of the log. Says to which stream it belongs, so that it is
    /// decoded once; what cannot be decoded is the watcher's to tell.
    fn frame(&mut self, header: &Header, payload: &[u8]) -> Stream;
    fn problem(&mut self, problem: Problem);
    /// How far a part is.
    fn progress(&mut self, part: Part, done: u64, of: u64);
}

/// Looks at everything. An error means that the store could not be read at all, for want of memory or
/// because it was closed; damage is a [`Problem`].
pub fn verify<P: Payload>(reader: &Reader<P>, watch: &mut dyn Watch) -> Result<Checked, ReadError> {
    let mut run = Run {
        reader,
        watch,
        checked: Checked {
            through: reader.next_position().saturating_sub(1),
            ..Checked::default()
        },
    };
    run.meta()?;
    run.frames()?;
    run.streams()?;
    run.bodies()?;
    Ok(run.checked)
}

/// Reads frames from `from` to `last` in order, and says what lies between that cannot be read. The
/// walk goes on behind damage. `visit` says whether it is to go on.
pub fn for_each_whole_frame<P: Payload>(
    reader: &Reader<P>,
    from: u64,
    last: u64,
    visit: &mut dyn FnMut(&Header, &[u8]) -> bool,
    lost: &mut dyn FnMut(u64, u64, String),
) -> Result<(), ReadError> {
    let mut from = from;
    while from <= last {
        let (mut newest, mut goes_on) = (from.saturating_sub(1), true);
        let page = reader.for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
            if goes_on && header.position <= last {
                newest = header.position;
                goes_on = visit(header, payload);
            } else {
                goes_on = false;
            }
        });
        if !goes_on && page.is_ok() {
            return Ok(());
        }
        let why = match page {
            Ok(Some(next)) => {
                from = next;
                continue;
            }
            Ok(None) => return Ok(()),
            Err(error) => damage(error)?,
        };
        // What was read of the page has been visited already.
        let first = newest + 1;
        let whole = first_readable_after(reader, first, last)?;
        let to = whole.map_or(last, |whole| whole - 1);
        lost(first, to.max(first), why);
        match whole {
            Some(whole) => from = whole,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// The first position behind `damaged` from which the log can be read again.
fn first_readable_after<P: Payload>(
    reader: &Reader<P>,
    damaged: u64,
    last: u64,
) -> Result<Option<u64>, ReadError> {
    let (mut bad, mut step) = (damaged, 1);
    loop {
        let Some(tried) = bad.checked_add(step).filter(|tried| *tried <= last) else {
            // The last one may be whole though the step went past it.
            if step > 1 {
                step = 1;
                continue;
            }
            return Ok(None);
        };
        if is_readable(reader, tried)? {
            let mut good = tried;
            // Halved until they are neighbours, so that little more is given up than has to be.
            while good - bad > 1 {
                let middle = bad + (good - bad) / 2;
                if is_readable(reader, middle)? {
                    good = middle;
                } else {
                    bad = middle;
                }
            }
            return Ok(Some(good));
        }
        bad = tried;
        if bad - damaged > STEPS_OF_ONE {
            step = (step * 2).min(segment::SEGMENT_POSITIONS);
        }
    }
}

/// Whether what comes at or behind a position can be read.
fn is_readable<P: Payload>(reader: &Reader<P>, position: u64) -> Result<bool, ReadError> {
    match reader.for_each_frame(position, 1, |_, _| {}) {
        Ok(_) => Ok(true),
        Err(error) => damage(error).map(|_| false),
    }
}

/// What is damaged, or the error when that is not what it says.
fn damage(error: ReadError) -> Result<String, ReadError> {
    match error {
        ReadError::Damaged { why, .. } => Ok(why),
        ReadError::Newer { source, .. } => Ok(newer(&source)),
        ReadError::Payload { source, .. } => Ok(source.to_string()),
        error @ (ReadError::Closed | ReadError::Storage(_)) => Err(error),
    }
}

fn newer(newer: &Newer) -> String {
    newer.to_string()
}

struct Run<'a, P> {
    reader: &'a Reader<P>,
    watch: &'a mut dyn Watch,
    checked: Checked,
}

/// What the frames say should be elsewhere.
#[derive(Default)]
struct Expected {
    segment: u64,
    found: Segment,
    frames: u64,
    bytes: u64,
}

impl<P: Payload> Run<'_, P> {
    fn problem(&mut self, problem: Problem) {
        self.checked.problems += 1;
        if self.checked.problems <= PROBLEMS_MAX {
            self.watch.problem(problem);
        }
    }

    fn meta(&mut self) -> Result<(), ReadError> {
        self.watch.progress(Part::Meta, 0, 1);
        match self.reader.newer() {
            Ok(None) => {}
            Ok(Some(newer)) => self.problem(Problem::Meta {
                why: newer.to_string(),
            }),
            Err(error) => {
                let why = damage(error)?;
                self.problem(Problem::Meta { why });
            }
        }
        if let Err(error) = self.reader.meta_all() {
            let why = damage(error)?;
            self.problem(Problem::Meta { why });
        }
        if let Some(trouble) = self.reader.trouble() {
            let why = trouble.to_string();
            self.problem(Problem::Pages { why });
        }
        Ok(())
    }

    fn frames(&mut self) -> Result<(), ReadError> {
        let through = self.checked.through;
        let mut expected = Expected::default();
        let mut full: Vec<(u64, Segment)> = Vec::new();
        let mut members = Vec::with_capacity(PAGE_FRAMES_MAX);
        let mut from = 1;
        while from <= through {
            let mut lost = Vec::new();
            let (mut visited, mut newest) = (0, from - 1);
            let watch = &mut *self.watch;
            for_each_whole_frame(
                self.reader,
                from,
                through,
                &mut |header, payload| {
                    let of = segment::of(header.position);
                    if of != expected.segment {
                        full.push((expected.segment, std::mem::take(&mut expected.found)));
                        expected.segment = of;
                    }
                    expected.found.add(header.position, header.checksum);
                    expected.bytes += (crate::HEADER_BYTES + payload.len()) as u64;
                    if let Stream::Of(founding) = watch.frame(header, payload) {
                        members.push((founding, header.position));
                    }
                    newest = header.position;
                    visited += 1;
                    visited < PAGE_FRAMES_MAX
                },
                &mut |from, to, why| lost.push(Problem::Frames { from, to, why }),
            )?;
            expected.frames += visited as u64;
            for problem in lost {
                self.problem(problem);
            }
            self.members(&members)?;
            members.clear();
            self.watch
                .progress(Part::Frames, newest.min(through), through);
            if visited < PAGE_FRAMES_MAX {
                break;
            }
            from = newest + 1;
        }
        full.push((expected.segment, expected.found));
        self.checked.frames = expected.frames;
        self.checked.bytes += expected.bytes;
        self.segments(&full)
    }

    /// Has each member its entry?
    fn members(&mut self, members: &[(u64, u64)]) -> Result<(), ReadError> {
        self.checked.members += members.len() as u64;
        match self.lacking(members) {
            Ok(lacking) => {
                for (founding, position) in lacking {
                    self.problem(Problem::StreamLacks { founding, position });
                }
            }
            Err(error) => {
                let why = damage(error)?;
                self.problem(Problem::Table {
                    table: "streams",
                    from: members.first().map_or(0, |(founding, _)| *founding),
                    why,
                });
            }
        }
        Ok(())
    }

    /// Compares what was found with the entries. A segment without a frame has an entry all the same.
    fn segments(&mut self, found: &[(u64, Segment)]) -> Result<(), ReadError> {
        let last = segment::of(self.checked.through);
        let mut found = found.iter().peekable();
        for number in 0..=last {
            let here = found
                .next_if(|(of, _)| *of == number)
                .map(|(_, segment)| *segment)
                .unwrap_or_default();
            let entry = match self.reader.segment_entry(number) {
                Ok(entry) => entry,
                Err(error) => {
                    let why = damage(error)?;
                    self.problem(Problem::SegmentEntry {
                        segment: number,
                        why,
                    });
                    continue;
                }
            };
            let Some(entry) = entry else {
                // The open segment has none before the log settles, and neither has one that a restored
                // or salvaged log leaves out.
                if number < last && here.live > 0 {
                    self.problem(Problem::SegmentEntry {
                        segment: number,
                        why: "it is missing".to_owned(),
                    });
                }
                continue;
            };
            self.checked.segments += 1;
            if segment::of(entry.through) != number && entry.live > 0 {
                self.problem(Problem::SegmentEntry {
                    segment: number,
                    why: format!("it says that it reaches {}", entry.through),
                });
                continue;
            }
            if (here.live, here.xor) == (entry.live, entry.xor) {
                continue;
            }
            // The open segment grew, or its entry is of an earlier end.
            let again = match self.reader.check_segment(number) {
                Ok(again) => again,
                // What of it cannot be read is named already.
                Err(error) => {
                    damage(error)?;
                    continue;
                }
            };
            if let Some(again) = again.filter(|again| !again.whole) {
                self.problem(Problem::Segment {
                    segment: number,
                    live: again.live,
                    expected: again.expected,
                });
            }
        }
        Ok(())
    }

    /// Is there an entry that no member has?
    fn streams(&mut self) -> Result<(), ReadError> {
        let through = self.checked.through;
        let (mut after, mut entries) = ((0, 0), 0);
        loop {
            let page = match self.stream_keys(after) {
                Ok(page) => page,
                Err(error) => {
                    let why = damage(error)?;
                    self.problem(Problem::Table {
                        table: "streams",
                        from: after.0,
                        why,
                    });
                    return Ok(());
                }
            };
            let Some(newest) = page.last() else { break };
            after = *newest;
            entries += page.iter().filter(|(_, member)| *member <= through).count() as u64;
            self.watch
                .progress(Part::Streams, after.0.min(through), through);
        }
        if entries > self.checked.members {
            self.extra_entries()?;
        }
        Ok(())
    }

    /// Of members, those that have no entry.
    fn lacking(&self, members: &[(u64, u64)]) -> Result<Vec<(u64, u64)>, ReadError> {
        self.reader.shared.read(|transaction| {
            guarded(None, || {
                let streams = transaction.open_table(tables::STREAMS)?;
                let mut lacking = Vec::new();
                for member in members {
                    if streams.get(member)?.is_none() {
                        lacking.push(*member);
                    }
                }
                Ok(lacking)
            })
        })
    }

    fn stream_keys(&self, after: (u64, u64)) -> Result<Vec<(u64, u64)>, ReadError> {
        use crate::reader::Order;
        use std::ops::Bound;
        self.reader.shared.read(|transaction| {
            guarded(Some(after.0), || {
                let streams = transaction.open_table(tables::STREAMS)?;
                let mut keys = Vec::new();
                let range = streams.range((Bound::Excluded(after), Bound::Unbounded))?;
                let mut order = Order::Rising(Bound::Excluded(after));
                for entry in range.take(PAGE_FRAMES_MAX) {
                    let key = entry?.0.value();
                    order.check(key)?;
                    keys.push(key);
                }
                Ok(keys)
            })
        })
    }

    /// Names the entries that no frame has. Slow, and only needed when there are some.
    fn extra_entries(&mut self) -> Result<(), ReadError> {
        let mut after = (0, 0);
        loop {
            let page = match self.stream_keys(after) {
                Ok(page) => page,
                // Named already.
                Err(error) => return damage(error).map(drop),
            };
            let Some(newest) = page.last() else {
                return Ok(());
            };
            after = *newest;
            for (founding, position) in page {
                if position > self.checked.through {
                    continue;
                }
                let known = match self.reader.get(position) {
                    Ok(event) => {
                        event.is_some_and(|event| event.payload.stream() == Stream::Of(founding))
                    }
                    // The frame is named already.
                    Err(error) => damage(error).map(|_| true)?,
                };
                if !known {
                    self.problem(Problem::StreamExtra { founding, position });
                }
            }
        }
    }

    fn bodies(&mut self) -> Result<(), ReadError> {
        let through = self.checked.through;
        let mut from = 0;
        loop {
            let page = match self.body_page(from) {
                Ok(page) => page,
                Err(error) => {
                    let why = damage(error)?;
                    self.problem(Problem::Table {
                        table: "bodies",
                        from,
                        why,
                    });
                    return Ok(());
                }
            };
            let Some((newest, ..)) = page.last() else {
                return Ok(());
            };
            from = newest.saturating_add(1);
            self.watch
                .progress(Part::Bodies, from.min(through), through);
            for (position, bytes, why) in page {
                self.checked.bodies += 1;
                self.checked.bytes += bytes;
                if let Some(why) = why {
                    self.problem(Problem::Body { position, why });
                }
            }
        }
    }

    /// A page of bodies: position, size, and what is wrong.
    fn body_page(&self, from: u64) -> Result<Vec<(u64, u64, Option<String>)>, ReadError> {
        use crate::reader::Order;
        use std::ops::Bound;
        self.reader.shared.read(|transaction| {
            guarded(Some(from), || {
                let bodies = transaction.open_table(tables::BODIES)?;
                let log = transaction.open_table(tables::LOG)?;
                let mut page = Vec::new();
                let mut total = 0;
                let mut order = Order::Rising(Bound::Included(from));
                for entry in bodies.range(from..)?.take(PAGE_FRAMES_MAX) {
                    let (position, packed) = entry?;
                    let (position, packed) = (position.value(), packed.value());
                    order.check(position)?;
                    total += packed.len();
                    let mut why = body::unpack(packed, BODY_BYTES_MAX)
                        .err()
                        .map(|error| error.to_string());
                    if why.is_none() && log.get(position)?.is_none() {
                        why = Some("there is no event at its position".to_owned());
                    }
                    page.push((position, packed.len() as u64, why));
                    if total >= PAGE_BYTES_MAX {
                        break;
                    }
                }
                Ok(page)
            })
        })
    }
}
