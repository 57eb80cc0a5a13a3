//! What every page is told besides its own view.

use crate::view::{Moment, Status};

/// The field in which every form that changes something carries the session's token.
pub const CSRF_FIELD: &str = "csrf";

/// Who looks, and how the installation stands.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// What stands before every path: empty, or `/s/{space}`.
    pub base: String,
    /// Nobody on the pages before login.
    pub user: Option<String>,
    /// Whether this person may retry, drop, pause and test: forms for that are shown only then.
    pub can_operate: bool,
    /// The session's token. Pages before login carry one of their own.
    pub csrf: String,
    pub paused: Option<Paused>,
    pub version: String,
    /// Parked and unknown deliveries: shown beside the place where they are.
    pub parked: u64,
    /// What came of the request before this one.
    pub flash: Vec<Flash>,
}

/// Sending is paused: intake goes on, what is due waits.
#[derive(Debug, Clone)]
pub struct Paused {
    pub by: String,
    pub since: Moment,
}

/// One message about what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub tone: Tone,
    /// Whole sentences.
    pub text: String,
    /// What came of each, where it differs.
    pub lines: Vec<FlashLine>,
    /// Lines that were left out.
    pub more: u64,
    /// Where more is said: (path, words).
    pub link: Option<(String, String)>,
}

/// One of several that a message is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlashLine {
    pub status: Option<Status>,
    /// Which one: a receiver, a count, a name.
    pub subject: String,
    pub text: String,
}

impl Flash {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Flash {
            tone,
            text: text.into(),
            lines: Vec::new(),
            more: 0,
            link: None,
        }
    }
}

/// How a line is meant. Each has a colour, an icon, and words beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Note,
    Warning,
    Bad,
}

impl Frame {
    /// A path of this space.
    pub fn href(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
