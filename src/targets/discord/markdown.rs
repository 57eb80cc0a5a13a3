//! Discord's Markdown. Every sign that could begin markup, a mention, an emoji, a command or a
//! masked link is escaped, so that only what this module opens is read as markup.

use std::borrow::Cow;

use crate::targets::flat::{LinkForm, Tag, is_code};
use crate::targets::split::{Dialect, Head, Place};

/// Longest address of a masked link as written, in bytes; longer ones are spelled out.
const LINK_BYTES_MAX: usize = 1_024;
/// Takes no room and keeps two signs apart.
const APART: char = '\u{200B}';
/// Stands for a back-tick within inline code, which has no way to escape one.
const BACKTICK_ALIKE: char = '\u{02CB}';

pub(super) struct Markdown;

impl Dialect for Markdown {
    fn open<'t>(&self, tag: &'t Tag) -> Cow<'t, str> {
        match tag {
            Tag::Quote => "> ".into(),
            Tag::Bold => "**".into(),
            Tag::Italic => "*".into(),
            Tag::Code => "`".into(),
            Tag::Pre { language } => format!("```{language}\n").into(),
            Tag::Link { .. } => "[".into(),
        }
    }

    fn close<'t>(&self, tag: &'t Tag) -> Cow<'t, str> {
        match tag {
            Tag::Quote => "".into(),
            Tag::Bold => "**".into(),
            Tag::Italic => "*".into(),
            Tag::Code => "`".into(),
            Tag::Pre { .. } => "\n```".into(),
            Tag::Link { url } => format!("]({})", written_address(url)).into(),
        }
    }

    fn text(&self, cluster: &str, place: Place<'_>, out: &mut String) {
        if place.verbatim {
            out.push_str(cluster);
            return;
        }
        if is_code(place.style) {
            let inline = place.style.iter().any(|tag| matches!(tag, Tag::Code));
            let mut before = place.before;
            for c in cluster.chars() {
                match c {
                    '`' if inline => out.push(BACKTICK_ALIKE),
                    '`' if before == Some('`') => out.extend([APART, '`']),
                    c => out.push(c),
                }
                before = Some(c);
            }
            return;
        }
        let mut head = place.head;
        for c in cluster.chars() {
            let is_sign = match c {
                '\\' | '`' | '*' | '_' | '~' | '|' | '<' | '[' | ']' | '@' | ':' => true,
                '>' | '#' | '-' | '+' => head == Head::Start,
                '.' | ')' => head == Head::Digits,
                _plain => false,
            };
            if is_sign {
                out.push('\\');
            }
            out.push(c);
            head = Head::Body;
        }
    }

    fn quote_prefix(&self) -> &'static str {
        "> "
    }

    fn spacer(&self, closed: &str, opening: &str) -> &'static str {
        let last = closed.chars().next_back();
        let meets = last.is_some() && last == opening.chars().next();
        if meets { "\u{200B}" } else { "" }
    }

    fn counts_markup(&self) -> bool {
        true
    }
}

/// How a link is put in a description. Discord shows a masked link whose words look like an address
/// as bare source, and does not read escaped brackets in them, so such a one is written out.
pub(super) fn link_form(url: &str, words: &str) -> LinkForm {
    let unreadable = words.contains("://") || words.contains(['[', ']']);
    if unreadable || written_address(url).len() > LINK_BYTES_MAX {
        LinkForm::Spelled
    } else {
        LinkForm::Tagged
    }
}

/// The address with every sign that could end or begin markup percent-encoded.
fn written_address(url: &str) -> String {
    let mut written = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' | ')' | '<' | '>' | '\\' | '*' | '`' | '|' | '"' | '\'' => {
                written.push_str(&format!("%{:02X}", u32::from(c)));
            }
            c => written.push(c),
        }
    }
    written
}
