//! The built-in words.
use crate::domain::spec::WordsSpec;
use std::collections::BTreeMap;
/// Entries.
pub fn entries() -> BTreeMap<String, WordsSpec> {
    BTreeMap::new()
}
