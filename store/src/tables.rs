//! The tables of `bridge.redb` and the keys of `meta` that belong to the store itself.

use redb::TableDefinition;

/// The newest store format this program reads and the one it writes.
pub const STORE_FORMAT: u16 = 1;

/// position → frame
pub(crate) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// position → packed body
pub(crate) const BODIES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("bodies");
/// (position, field) → sealed bytes
pub(crate) const SECRETS: TableDefinition<'static, (u64, u16), &[u8]> =
    TableDefinition::new("secrets");
/// (founding position, member's position) → nothing; the founding event itself has no entry
pub(crate) const STREAMS: TableDefinition<'static, (u64, u64), ()> =
    TableDefinition::new("streams");
/// founding position → row
pub(crate) const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");
/// segment number → what it covers, see `segment`
pub(crate) const SEGMENTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("segments");
/// key → value
pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// `meta`: the store format, u16 little-endian.
pub(crate) const META_FORMAT: &str = "format";
/// `meta`: name and version of the program that last wrote here.
pub(crate) const META_WRITTEN_BY: &str = "written_by";

/// The keys of `meta` that callers may not write.
pub(crate) fn is_reserved(key: &str) -> bool {
    key == META_FORMAT || key == META_WRITTEN_BY
}
