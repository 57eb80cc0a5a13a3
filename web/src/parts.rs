//! What pages have in common: moments, statuses, forms, lists, empty states.

use maud::{Markup, html};

use crate::frame::{CSRF_FIELD, Frame, Tone};
use crate::icon::{Icon, icon};
use crate::view::{Moment, NoticeStatus, Severity, Status};

/// A relative moment with the absolute one in its title.
pub fn moment(moment: &Moment) -> Markup {
    html! { time.rel datetime=(moment.at) title=(moment.absolute) { (moment.relative) } }
}

/// A moment that comes: relative, and the absolute one in sight.
pub fn moment_ahead(at: &Moment) -> Markup {
    html! { (moment(at)) ", at " (at.absolute) }
}

pub fn status(status: Status) -> Markup {
    html! { span class={ "st st-" (status.as_str()) } { (icon(status.icon())) (status.word()) } }
}

pub fn notice_status(status: NoticeStatus) -> Markup {
    html! { span class={ "st st-" (status.as_str()) } { (icon(status.icon())) (status.word()) } }
}

pub fn severity(severity: Severity) -> Markup {
    html! {
        span class={ "st sevword sev-" (severity.as_str()) } { (icon(severity.icon())) (severity.word()) }
    }
}

/// A state in a word of the page's own: good, bad and so on.
pub fn state(tone: Tone, word: &str) -> Markup {
    html! { span class=(tone_class("st", tone)) { (icon(tone_icon(tone))) (word) } }
}

pub(crate) fn tone_icon(tone: Tone) -> Icon {
    match tone {
        Tone::Good => Icon::Check,
        Tone::Note => Icon::Info,
        Tone::Warning => Icon::Warning,
        Tone::Bad => Icon::Stop,
    }
}

pub(crate) fn tone_class(base: &str, tone: Tone) -> String {
    let word = match tone {
        Tone::Good => "good",
        Tone::Note => "note",
        Tone::Warning => "warn",
        Tone::Bad => "bad",
    };
    format!("{base} t-{word}")
}

/// A form that changes something. Without the session's token there is none.
pub fn post_form(frame: &Frame, path: &str, class: &str, body: Markup) -> Markup {
    html! {
        form method="post" action=(frame.href(path)) class=(class) {
            input type="hidden" name=(CSRF_FIELD) value=(frame.csrf);
            (body)
        }
    }
}

/// A link to a page that asks first. With the script it asks in place.
pub fn asking(frame: &Frame, path: &str, class: &str, words: &str) -> Markup {
    html! { a class={ "button ask " (class) } href=(frame.href(path)) { (words) } }
}

/// One field of a form: label above, help below, and what was wrong in words that say what to do.
pub struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub kind: &'a str,
    pub value: &'a str,
    pub help: &'a str,
    pub error: Option<&'a str>,
    pub autocomplete: &'a str,
    pub min_length: Option<u32>,
    pub focus: bool,
}

impl<'a> Field<'a> {
    pub fn new(name: &'a str, label: &'a str) -> Self {
        Field {
            name,
            label,
            kind: "text",
            value: "",
            help: "",
            error: None,
            autocomplete: "off",
            min_length: None,
            focus: false,
        }
    }

    pub fn markup(&self) -> Markup {
        let id = format!("f-{}", self.name);
        let note = format!("f-{}-note", self.name);
        let noted = self.error.is_some() || !self.help.is_empty();
        html! {
            div.field {
                label for=(id) { (self.label) }
                input id=(id) name=(self.name) type=(self.kind) value=(self.value) required
                    autocomplete=(self.autocomplete) minlength=[self.min_length]
                    autofocus[self.focus] aria-invalid=[self.error.map(|_| "true")]
                    aria-describedby=[noted.then_some(&note)];
                @if let Some(error) = self.error {
                    p.error id=(note) { (icon(Icon::Warning)) (error) }
                } @else if !self.help.is_empty() {
                    p.help id=(note) { (self.help) }
                }
            }
        }
    }
}

/// What stands where a list would: what it is for, and the next step.
pub fn empty(sign: Icon, title: &str, body: Markup) -> Markup {
    html! {
        div.empty {
            (icon(sign))
            div { p.empty-title { (title) } (body) }
        }
    }
}

/// The way to older rows.
pub fn older(href: Option<&str>) -> Markup {
    html! {
        @if let Some(href) = href {
            nav.pager aria-label="More rows" { a.button rel="next" href=(href) { "Older" } }
        }
    }
}

/// A heading of a section, with what may stand at its end.
pub fn section_head(id: &str, words: &str, end: Markup) -> Markup {
    html! { div.section-head { h2 id=(id) { (words) } (end) } }
}

/// A long value on a line of its own that can be selected and, with the script, copied.
pub fn copyable(label: &str, value: &str) -> Markup {
    html! {
        div.copyable {
            code dir="ltr" { @for piece in value.split_inclusive('/') { (piece) wbr; } }
            button.small type="button" hidden data-copy=(value) aria-label={ "Copy " (label) } { "Copy" }
        }
    }
}

/// A sentence in which words between backticks are code.
pub fn sentence(words: &str) -> Markup {
    let mut pieces = Vec::new();
    let mut left = words;
    while let Some((before, rest)) = left.split_once('`')
        && let Some((code, after)) = rest.split_once('`')
    {
        pieces.push((before, code));
        left = after;
    }
    html! {
        @for (before, code) in pieces { (before) code { (code) } }
        (left)
    }
}

/// An option of a `select`.
pub fn choice(value: &str, words: &str, chosen: &str) -> Markup {
    html! { option value=(value) selected[value == chosen] { (words) } }
}

/// A `select` of a filter; it shows when it narrows.
pub fn filter_select(name: &str, label: &str, chosen: &str, choices: Markup) -> Markup {
    html! {
        label.filter {
            span.sr { (label) }
            select name=(name) .set[!chosen.is_empty()] {
                option value="" { (label) ": any" }
                (choices)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn words_between_backticks_are_code() {
        for (words, expected) in [
            ("", ""),
            ("none", "none"),
            ("`a`", "<code>a</code>"),
            (
                "set `a` or `<b>`.",
                "set <code>a</code> or <code>&lt;b&gt;</code>.",
            ),
            ("one ` alone", "one ` alone"),
            ("`a` and `", "<code>a</code> and `"),
        ] {
            assert_eq!(sentence(words).into_string(), expected, "{words}");
        }
    }
}
