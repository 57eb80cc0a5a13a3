//! The words: MiniJinja texts in a small Markdown, rendered within bounds.
//!
//! **Invariant:** there is one way from a source to text, with every bound applied; no loader,
//! environment, file, time or randomness is within reach of a template.

pub mod markup;
