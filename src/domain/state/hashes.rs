//! The short numbers by which rows and lanes know words, subjects and severities.

use xxhash_rust::xxh3::xxh3_64;

use crate::domain::event::RowFacts;
use crate::domain::notice::{NoticeDraft, Severity};

/// Hash of a word that rows compare by.
pub fn word_hash(word: &str) -> u64 {
    xxh3_64(word.as_bytes())
}

/// Hash of what deliveries keep their order by: the provider and the subject within it.
pub fn subject_hash(provider: u32, key: &str, position: u64) -> u64 {
    if key.is_empty() {
        // Nothing in common with any other notice.
        return position ^ 0x9E37_79B9_7F4A_7C15;
    }
    xxh3_64(key.as_bytes()) ^ u64::from(provider).rotate_left(32)
}

pub fn severity_code(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Success => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

pub fn row_facts(provider: u32, notice: &NoticeDraft) -> RowFacts {
    RowFacts {
        provider,
        severity: severity_code(notice.severity),
        kind_hash: word_hash(&notice.kind),
        collection_hash: notice
            .collection
            .as_ref()
            .map_or(0, |collection| word_hash(&collection.name)),
    }
}
