//! The built-in words.
use std::collections::BTreeMap;
use crate::domain::spec::WordsSpec;
/// Entries.
pub fn entries() -> BTreeMap<String, WordsSpec> { BTreeMap::new() }
