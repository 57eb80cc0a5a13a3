//! What came of a form, told once on the page that the browser is sent to.
//!
//! The words wait in memory, under the session and the path they are for. Nothing of them is in the
//! address or in a cookie, so nobody can make a page say something by a link.
//!
//! **Invariant:** words are told to the session whose request they are about, once, on the path
//! they were left for, and to nobody else.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify_web::Flash;

use crate::domain::notice::cut;

/// Messages that wait to be told, of all sessions; the oldest gives way and is never told. What was
/// done stands on the pages all the same.
pub const FLASHES_MAX: usize = 256;
/// Of those, of one session, so that one gives way to itself first.
pub const OF_SESSION_MAX: usize = 4;
/// A message that nobody has come for by then is forgotten.
pub const FLASH_AGE_MAX: Duration = Duration::from_secs(120);
/// Lines of one message; more are counted.
pub const LINES_MAX: usize = 20;
/// Longest text of a message, in bytes; it is cut at a character and ends in `…`.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// As [`TEXT_BYTES_MAX`], for each text of a line.
pub const LINE_BYTES_MAX: usize = 512;

struct Waiting {
    session: [u8; 32],
    path: String,
    since: Duration,
    flash: Flash,
}

/// Messages that wait for their page.
#[derive(Default)]
pub struct Flashes(Mutex<VecDeque<Waiting>>);

impl Flashes {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        // Nothing is half done when a panic happens: messages are only put in and taken out.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message for the next look of this session at this path. `now` never goes back.
    pub fn leave(&self, session: [u8; 32], path: &str, flash: Flash, now: Duration) {
        let mut waiting = self.lock();
        waiting.retain(|flash| now.saturating_sub(flash.since) < FLASH_AGE_MAX);
        let own = |flash: &Waiting| flash.session == session;
        if waiting.iter().filter(|flash| own(flash)).count() >= OF_SESSION_MAX
            && let Some(oldest) = waiting.iter().position(own)
        {
            waiting.remove(oldest);
        }
        if waiting.len() >= FLASHES_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting {
            session,
            path: path.to_owned(),
            since: now,
            flash: bounded(flash),
        });
    }

    /// Takes what is to be told to this session on this path, oldest first.
    pub fn take(&self, session: &[u8; 32], path: &str, now: Duration) -> Vec<Flash> {
        let mut told = Vec::new();
        self.lock().retain(|flash| {
            let is_meant = flash.session == *session && flash.path == path;
            if is_meant && now.saturating_sub(flash.since) < FLASH_AGE_MAX {
                told.push(flash.flash.clone());
            }
            !is_meant
        });
        told
    }
}

fn bounded(mut flash: Flash) -> Flash {
    let left_out = flash.lines.len().saturating_sub(LINES_MAX) as u64;
    flash.more = flash.more.saturating_add(left_out);
    flash.lines.truncate(LINES_MAX);
    cut(&mut flash.text, TEXT_BYTES_MAX);
    for line in &mut flash.lines {
        cut(&mut line.subject, LINE_BYTES_MAX);
        cut(&mut line.text, LINE_BYTES_MAX);
    }
    flash
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify_web::{FlashLine, Tone};

    const START: Duration = Duration::from_secs(7);

    fn said(text: &str) -> Flash {
        Flash::new(Tone::Good, text)
    }

    fn words(flashes: &Flashes, session: u8, path: &str, now: Duration) -> Vec<String> {
        let told = flashes.take(&[session; 32], path, now);
        told.into_iter().map(|flash| flash.text).collect()
    }

    #[test]
    fn a_message_is_told_once_to_its_session_on_its_path() {
        let flashes = Flashes::default();
        flashes.leave([1; 32], "/parked", said("one"), START);
        flashes.leave([1; 32], "/", said("two"), START);
        assert!(words(&flashes, 2, "/parked", START).is_empty());
        assert_eq!(words(&flashes, 1, "/parked", START), ["one"]);
        assert!(words(&flashes, 1, "/parked", START).is_empty());
        assert!(words(&flashes, 1, "/", START + FLASH_AGE_MAX).is_empty());
    }

    #[test]
    fn the_oldest_gives_way_first_of_ones_own() {
        let flashes = Flashes::default();
        flashes.leave([1; 32], "/", said("kept"), START);
        for n in 0..OF_SESSION_MAX + 2 {
            flashes.leave([2; 32], "/", said(&n.to_string()), START);
        }
        assert_eq!(words(&flashes, 2, "/", START), ["2", "3", "4", "5"]);
        for n in 0..FLASHES_MAX {
            let mut session = [3; 32];
            session[..8].copy_from_slice(&n.to_le_bytes());
            flashes.leave(session, "/", said("other"), START);
        }
        assert_eq!(flashes.lock().len(), FLASHES_MAX);
        assert!(words(&flashes, 1, "/", START).is_empty());
    }

    #[test]
    fn a_message_is_cut_to_its_bounds() {
        let line = FlashLine {
            text: "é".repeat(TEXT_BYTES_MAX),
            ..FlashLine::default()
        };
        let flash = bounded(Flash {
            lines: vec![line; LINES_MAX + 3],
            more: 2,
            ..said(&"x".repeat(TEXT_BYTES_MAX + 1))
        });
        assert_eq!((flash.lines.len(), flash.more), (LINES_MAX, 5));
        assert!(flash.text.len() <= TEXT_BYTES_MAX && flash.text.ends_with('…'));
        assert!(flash.lines[0].text.len() <= LINE_BYTES_MAX);
    }
}
