//! Boxes shaped like the places messages go to, and the two markups in which messages are kept.
//!
//! What was sent is shown as it reads there: Telegram's tags and Discord's Markdown become our own
//! few elements. Whatever is not known markup is shown as the text it is.

use maud::{Markup, PreEscaped, html};

use crate::address::is_web;
use crate::view::laid_bare;

mod discord;
mod telegram;

/// Marks open at a time; deeper ones are shown as text without their mark.
const NESTING_MAX: usize = 16;

/// Which place the box is shaped like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    Telegram,
    Discord,
    Webhook,
    Inbox,
    /// Any other kind: plain text.
    Other,
}

impl PlaceKind {
    pub fn of(target_kind: &str) -> Self {
        match target_kind {
            "telegram" => PlaceKind::Telegram,
            "discord" => PlaceKind::Discord,
            "webhook" => PlaceKind::Webhook,
            "inbox" => PlaceKind::Inbox,
            _other => PlaceKind::Other,
        }
    }
}

/// One part of a delivery, as it was composed.
#[derive(Debug, Clone)]
pub struct Message {
    pub place: PlaceKind,
    /// Whether the text is in the place's own markup, or plain.
    pub marked_up: bool,
    /// Discord: the embed's title.
    pub title: String,
    pub text: String,
    /// (label, address) below the message.
    pub buttons: Vec<(String, String)>,
    /// What the place answered: message ids.
    pub ids: Vec<String>,
}

/// The box of one part, without direction marks that would turn it round. `severity` colours the edge of an embed.
pub fn message(message: &Message, severity: crate::Severity) -> Markup {
    let text = words(message, &message.text);
    html! {
        @match message.place {
            PlaceKind::Telegram => div.msg.telegram dir="auto" { (text) (buttons(message)) },
            PlaceKind::Discord => div class={ "msg discord sev-" (severity.as_str()) } dir="auto" {
                @if !message.title.is_empty() { p.msg-title { (words(message, &message.title)) } }
                (text)
                (buttons(message))
            },
            PlaceKind::Webhook => pre.msg.json dir="ltr" tabindex="0" { (pretty(&message.text)) },
            PlaceKind::Inbox | PlaceKind::Other => div.msg dir="auto" {
                @if !message.title.is_empty() { p.msg-title { (words(message, &message.title)) } }
                (text)
                (buttons(message))
            },
        }
    }
}

fn words(message: &Message, text: &str) -> Markup {
    let text = &*laid_bare(text);
    match message.place {
        PlaceKind::Telegram if message.marked_up => telegram::read(text),
        PlaceKind::Discord if message.marked_up => discord::read(text),
        PlaceKind::Telegram
        | PlaceKind::Discord
        | PlaceKind::Webhook
        | PlaceKind::Inbox
        | PlaceKind::Other => html! { (text) },
    }
}

fn buttons(message: &Message) -> Markup {
    html! {
        @if !message.buttons.is_empty() {
            span.msg-buttons {
                @for (label, address) in &message.buttons {
                    @if is_web(address) { a href=(address) rel="noreferrer" { (label) } }
                    @else { span { (label) } }
                }
            }
        }
    }
}

/// Our own elements for marks, opened and closed in order whatever the text does.
struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    fn new() -> Self {
        Writer {
            out: String::new(),
            open: Vec::new(),
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&html! { (text) }.into_string());
    }

    fn open(&mut self, name: &'static str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.open.push(name);
    }

    fn open_link(&mut self, address: &str) {
        let start = html! { a href=(address) rel="noreferrer" {} }.into_string();
        self.out.push_str(start.trim_end_matches("</a>"));
        self.open.push("a");
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.contains(&name)
    }

    fn is_full(&self) -> bool {
        self.open.len() >= NESTING_MAX
    }

    /// Closes this mark and everything opened within it.
    fn close(&mut self, name: &str) {
        if self.is_open(name) {
            while let Some(last) = self.open.pop() {
                self.out.push_str("</");
                self.out.push_str(last);
                self.out.push('>');
                if last == name {
                    break;
                }
            }
        }
    }

    fn finish(mut self) -> Markup {
        while let Some(last) = self.open.last().copied() {
            self.close(last);
        }
        PreEscaped(self.out)
    }
}

/// JSON on lines of its own; what is not JSON comes out as it went in, with breaks after its signs.
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(NESTING_MAX)));
    };
    let json = laid_bare(json.trim());
    let mut signs = json.chars().peekable();
    while let Some(sign) = signs.next() {
        if quoted {
            out.push(sign);
            quoted = escaped || sign != '"';
            escaped = !escaped && sign == '\\';
            continue;
        }
        match sign {
            '"' => {
                quoted = true;
                out.push(sign);
            }
            '{' | '[' => {
                out.push(sign);
                while signs.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    signs.next();
                }
                match signs.peek() {
                    Some('}' | ']') => out.extend(signs.next()),
                    Some(_) | None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(sign);
            }
            ',' => {
                out.push(sign);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_put_on_lines() {
        for (json, expected) in [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (
                r#"{"a":[1, 2],"b":"x,{\"y\":1}"}"#,
                "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": \"x,{\\\"y\\\":1}\"\n}",
            ),
            ("]]", "\n]\n]"),
        ] {
            assert_eq!(pretty(json), expected);
        }
    }
}
