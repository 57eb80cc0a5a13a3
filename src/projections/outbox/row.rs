//! A row: what lists and filters need of a notice, in at most 128 bytes, beside its frame.

use serde::{Deserialize, Serialize};

use crate::domain::event::RowFacts;

/// Trackers named in a row; a notice that more of them took is found by the first ones.
pub const ROW_TRACKERS_MAX: usize = 16;
const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeStatus {
    #[default]
    Unrouted,
    Open,
    Sent,
    Partly,
    Parked,
    Dropped,
    Merged,
}

impl NoticeStatus {
    pub const ALL: [NoticeStatus; 7] = [
        NoticeStatus::Unrouted,
        NoticeStatus::Open,
        NoticeStatus::Sent,
        NoticeStatus::Partly,
        NoticeStatus::Parked,
        NoticeStatus::Dropped,
        NoticeStatus::Merged,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            NoticeStatus::Unrouted => "unrouted",
            NoticeStatus::Open => "open",
            NoticeStatus::Sent => "sent",
            NoticeStatus::Partly => "partly",
            NoticeStatus::Parked => "parked",
            NoticeStatus::Dropped => "dropped",
            NoticeStatus::Merged => "merged",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        NoticeStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// That of its worst delivery.
    pub fn of(open: u16, parked: u16, sent: u16, dropped: u16, merged: u16) -> Self {
        match (open, parked, sent, dropped, merged) {
            (1.., ..) => NoticeStatus::Open,
            (0, 1.., 0, ..) => NoticeStatus::Parked,
            (0, 1.., 1.., ..) | (0, 0, 1.., 1.., _) => NoticeStatus::Partly,
            (0, 0, 1.., 0, _) => NoticeStatus::Sent,
            // Another delivery tells it; whether that one arrived stands with that one.
            (0, 0, 0, _, 1..) => NoticeStatus::Merged,
            (0, 0, 0, 1.., 0) => NoticeStatus::Dropped,
            (0, 0, 0, 0, 0) => NoticeStatus::Unrouted,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    pub facts: RowFacts,
    pub status: NoticeStatus,
    /// Microseconds since 1970.
    pub received_at: i64,
    pub settled_at: Option<i64>,
    pub trackers: Vec<u32>,
}

impl Row {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend([
            VERSION,
            self.facts.severity,
            self.status as u8,
            self.trackers.len() as u8,
        ]);
        out.extend(self.facts.provider.to_le_bytes());
        out.extend(self.facts.kind_hash.to_le_bytes());
        out.extend(self.facts.collection_hash.to_le_bytes());
        out.extend(self.received_at.to_le_bytes());
        out.extend(self.settled_at.unwrap_or(i64::MIN).to_le_bytes());
        for tracker in self.trackers.iter().take(ROW_TRACKERS_MAX) {
            out.extend(tracker.to_le_bytes());
        }
        out
    }

    /// `None` for a row of another version: lists then read the frame instead.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        if head[0] != VERSION {
            return None;
        }
        let (provider, rest) = rest.split_first_chunk::<4>()?;
        let mut words = [0u64; 4];
        let mut rest = rest;
        for word in &mut words {
            let (bytes, tail) = rest.split_first_chunk::<8>()?;
            *word = u64::from_le_bytes(*bytes);
            rest = tail;
        }
        let trackers = rest
            .chunks_exact(4)
            .map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]))
            .collect();
        Some(Row {
            facts: RowFacts {
                provider: u32::from_le_bytes(*provider),
                severity: head[1],
                kind_hash: words[0],
                collection_hash: words[1],
            },
            status: NoticeStatus::ALL
                .into_iter()
                .find(|status| *status as u8 == head[2])?,
            received_at: words[2] as i64,
            settled_at: Some(words[3] as i64).filter(|at| *at != i64::MIN),
            trackers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_row_reads_back_and_fits() {
        let row = Row {
            facts: RowFacts {
                provider: 7,
                severity: 3,
                kind_hash: u64::MAX,
                collection_hash: 1,
            },
            status: NoticeStatus::Partly,
            received_at: 1_700_000_000_000_000,
            settled_at: Some(-5),
            trackers: (0..ROW_TRACKERS_MAX as u32).collect(),
        };
        let bytes = row.encode();
        assert!(bytes.len() <= 128, "{}", bytes.len());
        assert_eq!(Row::decode(&bytes), Some(row));
        assert_eq!(Row::decode(&bytes[..10]), None);
    }

    #[test]
    fn the_worst_delivery_decides() {
        for (open, parked, sent, dropped, merged, expected) in [
            (0, 0, 0, 0, 0, "unrouted"),
            (1, 2, 3, 4, 5, "open"),
            (0, 1, 0, 2, 0, "parked"),
            (0, 1, 1, 0, 0, "partly"),
            (0, 0, 1, 1, 0, "partly"),
            (0, 0, 2, 0, 3, "sent"),
            (0, 0, 0, 1, 0, "dropped"),
            (0, 0, 0, 1, 1, "merged"),
        ] {
            assert_eq!(
                NoticeStatus::of(open, parked, sent, dropped, merged).as_str(),
                expected
            );
        }
    }
}
