//! The few HTML tags that the Bot API reads, and the way back from them to plain text.

use std::borrow::Cow;

use super::apart::APART;
use crate::targets::flat::{Tag, is_code};
use crate::targets::split::{Dialect, Place, units_of};

pub(super) struct Html;

impl Dialect for Html {
    fn open<'t>(&self, tag: &'t Tag) -> Cow<'t, str> {
        match tag {
            Tag::Quote => "<blockquote>".into(),
            Tag::Bold => "<b>".into(),
            Tag::Italic => "<i>".into(),
            Tag::Code => "<code>".into(),
            Tag::Pre { language } if language.is_empty() => "<pre>".into(),
            Tag::Pre { language } => {
                format!("<pre><code class=\"language-{}\">", escaped(language)).into()
            }
            Tag::Link { url } => format!("<a href=\"{}\">", escaped(url)).into(),
        }
    }

    fn close<'t>(&self, tag: &'t Tag) -> Cow<'t, str> {
        match tag {
            Tag::Quote => "</blockquote>",
            Tag::Bold => "</b>",
            Tag::Italic => "</i>",
            Tag::Code => "</code>",
            Tag::Pre { language } if language.is_empty() => "</pre>",
            Tag::Pre { .. } => "</code></pre>",
            Tag::Link { .. } => "</a>",
        }
        .into()
    }

    fn text(&self, cluster: &str, place: Place<'_>, out: &mut String) {
        escape(cluster, out);
        if is_command(cluster, place) {
            out.push(APART);
        }
    }

    fn beside(&self, cluster: &str, place: Place<'_>) -> usize {
        match is_command(cluster, place) {
            true => APART.len_utf16(),
            false => 0,
        }
    }

    fn counts_markup(&self) -> bool {
        false
    }
}

/// Whether a piece would begin with a command: what stood before it is in the piece before.
fn is_command(cluster: &str, place: Place<'_>) -> bool {
    cluster == "/" && place.first && !is_code(place.style)
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    out
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

/// The text of a piece without its markup: with the addresses of links where that still fits.
pub(super) fn plain(html: &str, units_max: usize) -> String {
    let spelled = strip(html, true);
    if units_of(&spelled) <= units_max {
        spelled
    } else {
        strip(html, false)
    }
}

/// Takes away the tags that this module writes, and reads the signs it escapes.
pub(super) fn strip(html: &str, spell_links: bool) -> String {
    let mut text = String::with_capacity(html.len());
    let mut address = None;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        unescape(&rest[..at], &mut text);
        let after = &rest[at + 1..];
        let Some((tag, after)) = after.split_once('>') else {
            break;
        };
        if let Some(href) = tag.strip_prefix("a href=\"") {
            address = Some(href.trim_end_matches('"'));
        } else if tag == "/a"
            && let Some(href) = address.take()
            && spell_links
        {
            text.push_str(" (");
            unescape(href, &mut text);
            text.push(')');
        }
        rest = after;
    }
    unescape(rest, &mut text);
    text
}

fn unescape(mut text: &str, out: &mut String) {
    while let Some(at) = text.find('&') {
        out.push_str(&text[..at]);
        text = &text[at..];
        let (sign, length) = [
            ("&amp;", '&'),
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&quot;", '"'),
        ]
        .into_iter()
        .find(|(name, _)| text.starts_with(name))
        .map_or(('&', 1), |(name, sign)| (sign, name.len()));
        out.push(sign);
        text = &text[length..];
    }
    out.push_str(text);
}
