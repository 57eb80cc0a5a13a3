//! The words: MiniJinja texts in a small Markdown, rendered within bounds.
//!
//! **Invariant:** there is one way from a source to text, with every bound applied; no loader,
//! environment, file, time or randomness is within reach of a template.

pub mod bounds;
mod coding;
pub mod defaults;
mod digest;
mod expression;
mod filters;
mod guards;
mod json;
mod language;
mod locale;
pub mod markup;
mod moments;
mod view;
mod words;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::notice::Notice;
use crate::targets::Button;
use markup::Markup;

pub use digest::{DIGEST_KIND, Digest};
pub use expression::{Context, Expression, Filter};
pub use view::{moment, notice_json};
pub use words::{Words, check_words, render, render_body};

/// Why a source was refused or a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TemplateFault {
    /// Counted from 1.
    pub line: u32,
    pub reason: String,
}

/// Why a `where` gave no answer. The caller lets the notice pass and says `filter_failed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterFault {
    pub reason: String,
}

/// What a text is rendered for: one notice on its way to one receiver.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub notice: &'a Notice,
    pub tracker: Option<&'a str>,
    /// The link's own name, when it has one.
    pub link: Option<&'a str>,
    pub target: &'a str,
    pub receiver: &'a str,
    pub locale: &'a str,
    pub zone: &'a TimeZone,
    pub now: Timestamp,
    /// What the message tells, when that is more than one notice; `notice` is then
    /// [`Digest::as_notice`].
    pub digest: Option<&'a Digest>,
    /// Whether what the notice opened is open yet, though it is told late.
    pub still: bool,
}

/// A message in words. `faults` says what went wrong on the way, one short sentence each.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    pub title: Markup,
    pub text: Markup,
    pub buttons: Vec<Button>,
    pub faults: Vec<String>,
    /// True when a text of the template failed and the built-in words stand in for it.
    pub fell_back: bool,
}

#[cfg(test)]
mod tests;
