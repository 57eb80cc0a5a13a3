//! Which parts of the index become one.
//!
//! **Invariant:** only neighbours are joined, so that parts stay apart in the log's order.

/// Parts that become one.
const JOINED: usize = 8;
/// How many times its largest part's documents a joined one has at least.
const GAIN_MIN: u32 = 2;
/// Documents of the smallest level of parts.
const LEVEL_DOCUMENTS_MIN: u32 = 2_500;
/// Documents beyond which a part is left alone: newest-first ends with the newest of these.
pub const PART_DOCUMENTS_MAX: u32 = 250_000;
/// One part of so many of its documents may be deleted before it is written anew.
const DELETED_SHARE: u32 = 4;

/// A part's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Documents, deleted ones included.
    pub documents: u32,
    pub deleted: u32,
}

/// The parts to join next, as a range of the parts given oldest first; one alone is written anew.
pub fn next(parts: &[Size]) -> Option<std::ops::Range<usize>> {
    // Small neighbours first: they are many and cheap.
    let mut level = LEVEL_DOCUMENTS_MIN;
    while level <= PART_DOCUMENTS_MAX {
        if let Some(found) = run(parts, level) {
            return Some(found);
        }
        level = level.saturating_mul(JOINED as u32 / 2);
    }
    parts
        .iter()
        .position(|part| part.deleted > 0 && part.deleted >= part.documents / DELETED_SHARE)
        .map(|at| at..at + 1)
}

/// Neighbours that are each at most so large, enough of them to be joined. Together they have at least
/// [`GAIN_MIN`] times what the largest of them has: it would be written again for a few others' sake.
fn run(parts: &[Size], each_max: u32) -> Option<std::ops::Range<usize>> {
    (0..parts.len()).find_map(|start| {
        let (mut documents, mut largest) = (0u32, 0u32);
        for (at, part) in parts.iter().enumerate().skip(start) {
            let alive = part.documents - part.deleted.min(part.documents);
            let gains = documents >= largest.saturating_mul(GAIN_MIN);
            if alive > each_max || documents + alive > PART_DOCUMENTS_MAX {
                let is_full = documents > PART_DOCUMENTS_MAX / 2;
                return (at - start >= JOINED / 2 && is_full && gains).then_some(start..at);
            }
            documents += alive;
            largest = largest.max(alive);
            if at + 1 - start >= JOINED && documents >= largest.saturating_mul(GAIN_MIN) {
                return Some(start..at + 1);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_few_and_neighbours_whatever_comes() {
        // Many small commits, now and then a large one.
        let mut parts: Vec<(u32, Size)> = Vec::new();
        let mut written: u64 = 0;
        let mut added: u64 = 0;
        for number in 0..20_000u32 {
            let documents = if number % 97 == 0 {
                2_000
            } else {
                number % 7 + 1
            };
            added += u64::from(documents);
            parts.push((
                number,
                Size {
                    documents,
                    deleted: 0,
                },
            ));
            loop {
                let sizes: Vec<Size> = parts.iter().map(|(_, size)| *size).collect();
                let Some(range) = next(&sizes) else { break };
                assert!(range.len() > 1 && range.end <= parts.len());
                let joined: Vec<_> = parts.drain(range.clone()).collect();
                let documents = joined.iter().map(|(_, size)| size.documents).sum();
                written += u64::from(documents);
                assert!(documents <= PART_DOCUMENTS_MAX);
                parts.insert(
                    range.start,
                    (
                        joined[0].0,
                        Size {
                            documents,
                            deleted: 0,
                        },
                    ),
                );
            }
            assert!(parts.is_sorted_by_key(|(number, _)| *number));
            assert!(parts.len() < 60, "{} parts", parts.len());
        }
        assert!(written < added * 6, "{written} of {added}");
    }

    #[test]
    fn what_is_mostly_deleted_is_written_anew() {
        let whole = Size {
            documents: 100_000,
            deleted: 0,
        };
        let holed = Size {
            deleted: 30_000,
            ..whole
        };
        assert_eq!(next(&[whole, holed, whole]), Some(1..2));
        assert_eq!(next(&[whole, whole]), None);
        assert_eq!(next(&[]), None);
    }
}
