//! How far compaction is, as it stands in the log's own table.

use notify_store::{AppendError, Log, ReadError, Reader, Removal};

use crate::domain::event::Event;
use crate::projections::retention::Tally;

const KEY: &str = "compaction";
/// Bytes that were removed before the file is made smaller at a start, ...
const FREED_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// ... and the part of the file that they have to be.
const FREED_PART: u64 = 4;

/// See the module. Nine numbers, little-endian, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Of what is being removed: see [`crate::projections::retention::Retention::carried_at`].
    pub carried_at: u64,
    /// Everything before this position was looked at.
    pub next: u64,
    /// Below this position there may be holes.
    pub below: u64,
    /// Number of the run that removes.
    pub run: u64,
    /// What it removed.
    pub removed: Tally,
    /// Bytes that were removed since the file was last made smaller.
    pub freed: u64,
}

impl Mark {
    fn numbers(&self) -> [u64; 9] {
        [
            self.carried_at,
            self.next,
            self.below,
            self.run,
            self.removed.families,
            self.removed.frames,
            self.removed.bodies,
            self.removed.bytes,
            self.freed,
        ]
    }

    /// As it is written beside what was removed.
    pub(super) fn entry(&self) -> (String, Vec<u8>) {
        let numbers = self.numbers();
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        (KEY.to_owned(), bytes.collect())
    }

    /// `None` for bytes that are no mark: compaction then begins anew, which removes nothing twice.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: [[u8; 8]; 9] = numbers.try_into().ok().filter(|_| rest.is_empty())?;
        let [
            carried_at,
            next,
            below,
            run,
            families,
            frames,
            bodies,
            bytes,
            freed,
        ] = numbers.map(u64::from_le_bytes);
        Some(Mark {
            carried_at,
            next,
            below,
            run,
            removed: Tally {
                families,
                frames,
                bodies,
                bytes,
            },
            freed,
        })
    }
}

/// How far compaction is.
pub fn mark(reader: &Reader<Event>) -> Result<Mark, ReadError> {
    let bytes = reader.meta(KEY)?;
    Ok(bytes
        .and_then(|bytes| Mark::read(&bytes))
        .unwrap_or_default())
}

/// Below this position events may be missing because they were removed; 0 when none were.
pub fn removed_below(reader: &Reader<Event>) -> Result<u64, ReadError> {
    mark(reader).map(|mark| mark.below)
}

/// Whether so much was removed that making the file smaller is worth waiting for.
pub fn worth_compacting(reader: &Reader<Event>) -> Result<bool, ReadError> {
    let freed = mark(reader)?.freed;
    Ok(freed >= FREED_BYTES_MIN && freed >= reader.bytes_on_disk() / FREED_PART)
}

/// The file was made smaller: what was removed before counts no more.
pub fn note_file_compacted(log: &mut Log<Event>) -> Result<(), AppendError> {
    let mark = mark(&log.reader()).map_err(AppendError::Unreadable)?;
    if mark.freed == 0 {
        return Ok(());
    }
    let removal = Removal {
        meta: vec![Mark { freed: 0, ..mark }.entry()],
        ..Removal::default()
    };
    log.remove(&removal).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_nothing_else_does() {
        let mark = Mark {
            carried_at: 1,
            next: u64::MAX,
            below: 3,
            run: 4,
            removed: Tally {
                families: 5,
                frames: 6,
                bodies: 7,
                bytes: 8,
            },
            freed: 9,
        };
        let (_, bytes) = mark.entry();
        assert_eq!(Mark::read(&bytes), Some(mark));
        for other in [&bytes[1..], &[], &[&bytes[..], &[0]].concat()] {
            assert_eq!(Mark::read(other), None);
        }
    }
}
