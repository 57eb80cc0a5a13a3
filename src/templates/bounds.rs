//! Every bound on sources, evaluation and output, in one place.

/// Longest source of a template or expression, in bytes; longer ones are refused.
pub const SOURCE_BYTES_MAX: usize = 64 * 1_024;
/// Work one text may do. One unit pays for one step of the engine or for 64 bytes read or made, so
/// that a text makes at most 3.2 MB in all.
pub const TEXT_FUEL: u64 = 50_000;
/// Work one `where` may do.
pub const FILTER_FUEL: u64 = 2_000;
/// Longest text that a template may give, in bytes; a longer one is a fault.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1_024;
/// Longest text that an expression may make on the way, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024 * 1_024;
/// Most elements that a list made by a template may have.
pub const LIST_ELEMENTS_MAX: usize = 10_000;
/// Deepest nesting of blocks at run time.
pub const RECURSION_MAX: usize = 32;
/// Deepest nesting of expressions and of blocks in a source.
pub const NESTING_MAX: usize = 24;
/// Most tokens (names, signs, texts) in one expression or tag.
pub const TAG_TOKENS_MAX: usize = 512;
/// Most operands of one chain of equal operators, as in `a ~ b ~ c`.
pub const CHAIN_MAX: usize = 128;
/// Most `elif` in one source.
pub const ELIF_MAX: usize = 32;
/// Most tags in one source.
pub const TAGS_MAX: usize = 2_000;
/// Most faults that one message reports; the rest are counted.
pub const FAULTS_MAX: usize = 8;
/// Longest value shown on a why card, in bytes.
pub const SHOWN_BYTES_MAX: usize = 120;
/// Longest date pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 64;

// Making the longest text once has to be possible, and the output has to fit in it.
const _: () = assert!(TEXT_BYTES_MAX as u64 <= TEXT_FUEL * 64);
const _: () = assert!(OUTPUT_BYTES_MAX <= TEXT_BYTES_MAX);
