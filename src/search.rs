//! Full-text search, as far as it needs no disk: how text falls into words, what a query means, which
//! documents the log gives, which of them a query wants, and what is shown of those.
//!
//! Read in this order: [`words`], [`query`], [`document`], [`matching`], [`excerpt`]. The index on the
//! disk is `shell::search`.
//!
//! **Invariant:** one tokenizer, one query tree and one document. The index and the evaluation in
//! memory are two ways to the same answer, held together by a test over random events and queries.
//!
//! **Invariant:** a document is made of events alone and never changes: a notice as it came, a delivery
//! as it was settled. What undoes it (a retry) removes it. What is open stands in the state.
//!
//! **Invariant:** events hold redacted text, and what a document holds of configuration is what pages
//! show of it; so nothing secret can be found.

pub mod document;
pub mod excerpt;
pub mod matching;
mod parse;
pub mod query;
pub mod words;
