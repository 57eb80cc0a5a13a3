//! The few HTML tags of the Bot API.

use maud::Markup;

use super::{Writer, is_web};

/// A tag of the Bot API and our element for it.
const TAGS: [(&str, &str); 13] = [
    ("b", "b"),
    ("strong", "b"),
    ("i", "i"),
    ("em", "i"),
    ("u", "u"),
    ("ins", "u"),
    ("s", "s"),
    ("strike", "s"),
    ("del", "s"),
    ("code", "code"),
    ("pre", "pre"),
    ("blockquote", "blockquote"),
    ("a", "a"),
];

pub(super) fn read(text: &str) -> Markup {
    let mut writer = Writer::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        writer.text(&unescaped(&rest[..at]));
        rest = &rest[at..];
        let Some(end) = rest
            .find('>')
            .filter(|end| tag(&mut writer, &rest[1..*end]))
        else {
            writer.text("<");
            rest = &rest[1..];
            continue;
        };
        let ended_block = matches!(&rest[..end + 1], "</blockquote>" | "</pre>");
        rest = &rest[end + 1..];
        // A block ends its line by itself.
        if ended_block {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
    }
    writer.text(&unescaped(rest));
    writer.finish()
}

/// Whether it was a tag that is known here.
fn tag(writer: &mut Writer, inside: &str) -> bool {
    let (closes, inside) = match inside.strip_prefix('/') {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    let name = inside.split(' ').next().unwrap_or("");
    let Some((_, ours)) = TAGS.into_iter().find(|(theirs, _)| *theirs == name) else {
        return false;
    };
    if closes {
        writer.close(ours);
    } else if writer.is_full() {
        // Its content is shown without it.
    } else if ours == "a" {
        if let Some(address) = address(inside).filter(|address| is_web(address)) {
            writer.open_link(&address);
        }
    } else {
        writer.open(ours);
    }
    true
}

fn address(inside: &str) -> Option<String> {
    let (_, after) = inside.split_once("href=\"")?;
    let (address, _) = after.split_once('"')?;
    Some(unescaped(address))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn tags_become_ours_and_nothing_else_does() {
        for (text, expected) in [
            (
                "<b>Door</b>\nopen &amp; shut",
                "<b>Door</b>\nopen &amp; shut",
            ),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("<b onclick=\"x\">y</b>", "<b>y</b>"),
            ("<b><i>x</b>y</i>", "<b><i>x</i></b>y"),
            ("</b>x", "x"),
            ("a < b", "a &lt; b"),
            ("<b>never closed", "<b>never closed</b>"),
            (
                "<a href=\"https://x.example/?a=1&amp;b=2\">go</a>",
                "<a href=\"https://x.example/?a=1&amp;b=2\" rel=\"noreferrer\">go</a>",
            ),
            ("<a href=\"javascript:x\">go</a>", "go"),
            ("&amp;lt;b&amp;gt;", "&amp;lt;b&amp;gt;"),
        ] {
            assert_eq!(read(text).into_string(), expected, "{text}");
        }
        let deep = format!("{}x", "<b>".repeat(1_000));
        assert_eq!(
            read(&deep).into_string().matches("<b>").count(),
            super::super::NESTING_MAX
        );
    }
}
