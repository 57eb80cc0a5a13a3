//! Discord's Markdown, as far as this program writes it.

use maud::Markup;

use super::{Writer, is_web};

pub(super) fn read(text: &str) -> Markup {
    let mut writer = Writer::new();
    let mut rest = text;
    let mut line_start = true;
    while let Some(sign) = rest.chars().next() {
        let at_start = std::mem::replace(&mut line_start, sign == '\n');
        if at_start {
            match rest.strip_prefix("> ") {
                Some(quoted) => {
                    if !writer.is_open("blockquote") && writer.open.is_empty() {
                        writer.open("blockquote");
                    }
                    rest = quoted;
                    continue;
                }
                None => writer.close("blockquote"),
            }
        }
        rest = step(&mut writer, rest, sign);
    }
    writer.finish()
}

/// Reads one sign, or one mark with it; returns what is left.
fn step<'t>(writer: &mut Writer, rest: &'t str, sign: char) -> &'t str {
    let after = &rest[sign.len_utf8()..];
    match sign {
        '\\' => match after.chars().next().filter(char::is_ascii_punctuation) {
            Some(literal) => {
                writer.text(&after[..literal.len_utf8()]);
                &after[literal.len_utf8()..]
            }
            None => plain(writer, rest, sign),
        },
        '`' => {
            if let Some((code, after)) = rest.strip_prefix("```").and_then(|r| r.split_once("```"))
            {
                let code = code.split_once('\n').map_or(code, |(_, code)| code);
                verbatim(writer, "pre", code.trim_end_matches('\n'));
                after
            } else if let Some((code, after)) = after.split_once('`') {
                verbatim(writer, "code", code);
                after
            } else {
                plain(writer, rest, sign)
            }
        }
        '[' => match link(rest) {
            Some((label, address, after)) => {
                writer.open_link(address);
                writer.out.push_str(&inner(label));
                writer.close("a");
                after
            }
            None => plain(writer, rest, sign),
        },
        '*' | '_' | '~' => {
            for (mark, element) in [
                ("**", "b"),
                ("__", "u"),
                ("~~", "s"),
                ("*", "i"),
                ("_", "i"),
            ] {
                let Some(after) = rest.strip_prefix(mark) else {
                    continue;
                };
                if writer.is_open(element) {
                    writer.close(element);
                    return after;
                }
                if !writer.is_full() && after.contains(mark) {
                    writer.open(element);
                    return after;
                }
            }
            plain(writer, rest, sign)
        }
        _plain => plain(writer, rest, sign),
    }
}

fn plain<'t>(writer: &mut Writer, rest: &'t str, sign: char) -> &'t str {
    let (this, after) = rest.split_at(sign.len_utf8());
    writer.text(this);
    after
}

fn verbatim(writer: &mut Writer, element: &'static str, code: &str) {
    writer.open(element);
    writer.text(code);
    writer.close(element);
}

/// The label of a link: escapes and emphasis, but no further link.
fn inner(label: &str) -> String {
    let mut writer = Writer::new();
    let mut rest = label;
    while let Some(sign) = rest.chars().next() {
        rest = if sign == '[' {
            plain(&mut writer, rest, sign)
        } else {
            step(&mut writer, rest, sign)
        };
    }
    writer.finish().into_string()
}

/// `[label](address)`, at the beginning of the text and within one line.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let line = text.split('\n').next()?;
    let middle = line.find("](")?;
    let label = &line[1..middle];
    let rest = &text[middle + 2..];
    let end = rest
        .find([')', '\n'])
        .filter(|end| rest[*end..].starts_with(')'))?;
    let address = rest[..end].trim_start_matches('<').trim_end_matches('>');
    is_web(address).then(|| (label, address, &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn marks_become_ours_and_nothing_else_does() {
        for (text, expected) in [
            ("**Build** *failed*", "<b>Build</b> <i>failed</i>"),
            ("a \\* b \\<script\\>", "a * b &lt;script&gt;"),
            ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
            ("2 * 3", "2 * 3"),
            ("`a*b*`", "<code>a*b*</code>"),
            ("```rust\nlet x;\n```", "<pre>let x;</pre>"),
            (
                "[open **it**](https://x.example/a)",
                "<a href=\"https://x.example/a\" rel=\"noreferrer\">open <b>it</b></a>",
            ),
            ("[x](javascript:y)", "[x](javascript:y)"),
            (
                "> one\n> two\nthree",
                "<blockquote>one\ntwo\n</blockquote>three",
            ),
            ("`open", "`open"),
            ("é\\", "é\\"),
        ] {
            assert_eq!(read(text).into_string(), expected, "{text}");
        }
        let deep = "*_".repeat(1_000);
        assert!(read(&deep).into_string().len() < 20_000);
    }
}
