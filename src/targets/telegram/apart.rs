//! Words that Telegram's clients would make into something to tap on by themselves: `@name`, `/command`,
//! an e-mail address, `tg://…`, a telephone number. A sign without width keeps them plain. Addresses
//! of the web stay what they are, and so do hashtags, which lead nowhere but to a search.

/// Word joiner: takes no room, and no line breaks at it.
pub(super) const APART: char = '\u{2060}';
/// Longest command the clients know, in characters, and more than any name or telephone number.
const REACH_CHARS_MAX: usize = 64;
/// How far an address is looked for before a sign, in bytes; one that is longer is not spared. What
/// a hostile text costs is bounded by it.
const ADDRESS_BYTES_MAX: usize = 512;
/// Digits from which on a number with a plus sign is taken for a telephone's.
const PHONE_DIGITS_MIN: usize = 7;

/// Whether the character at `at` would begin such a link together with what follows.
pub(super) fn is_link_of_the_clients(text: &str, at: usize) -> bool {
    let (before, rest) = text.split_at(at);
    let mut after = rest.chars();
    match after.next() {
        Some('@') => after.next().is_some_and(is_word) && !is_within_address(before),
        Some('/') => {
            let stands_alone = |c: char| !is_word(c) && !matches!(c, '/' | '<' | '>');
            let rest = after.as_str();
            let word = rest
                .chars()
                .take(REACH_CHARS_MAX)
                .take_while(|c| is_word(*c));
            let end = word.map(char::len_utf8).sum();
            let goes_on = rest[end..].starts_with(['/', '<', '>']);
            end > 0
                && !goes_on
                && before.chars().next_back().is_some_and(stands_alone)
                && !is_within_address(before)
        }
        Some(':') => {
            let scheme = before.len() - before.len().min("xhttps".len());
            let near = before.get(scheme..).unwrap_or("?");
            let word = near.rsplit(|c| !is_word(c)).next().unwrap_or("");
            after.as_str().starts_with("//")
                && !["http", "https"]
                    .iter()
                    .any(|web| word.eq_ignore_ascii_case(web))
        }
        Some('+') => {
            let digits = after
                .take(REACH_CHARS_MAX)
                .take_while(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'))
                .filter(char::is_ascii_digit);
            digits.count() >= PHONE_DIGITS_MIN
        }
        Some(_) | None => false,
    }
}

/// The text with such words held apart.
pub(super) fn text(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        apart.push(c);
        if is_link_of_the_clients(text, at) {
            apart.push(APART);
        }
    }
    apart
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether what follows goes on in an address of the web: one that the clients know for one, past its
/// host. In a host nothing is spared, as there it could be made up to end early.
fn is_within_address(before: &str) -> bool {
    let mut near = before.len().saturating_sub(ADDRESS_BYTES_MAX);
    while !before.is_char_boundary(near) {
        near += 1;
    }
    let word = before[near..].rsplit(char::is_whitespace).next();
    let word = word.unwrap_or("");
    let Some((_, address)) = ["https://", "http://"]
        .iter()
        .find_map(|scheme| word.rsplit_once(scheme))
    else {
        return false;
    };
    let Some(end) = address.find(['/', '?', '#']) else {
        return false;
    };
    let host = address[..end].split(':').next().unwrap_or("");
    let is_plain = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    let ends_in_letters = host.rsplit_once('.').is_some_and(|(name, last)| {
        !name.is_empty() && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    is_plain(host) && ends_in_letters && !address.contains(['<', '>', '"', '\u{AB}', '\u{BB}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `·` stands where words are held apart.
    #[test]
    fn what_clients_would_link_is_held_apart_and_nothing_else() {
        for (given, expected) in [
            ("ping @channel now", "ping @·channel now"),
            ("@a", "@·a"),
            ("mail ops@example.org", "mail ops@·example.org"),
            // At the head of a text it is held apart where a piece is written.
            ("/stop", "/stop"),
            ("\n/stop", "\n/·stop"),
            ("do /stop@bot now", "do /·stop@·bot now"),
            ("and/or", "and/or"),
            ("see /etc/passwd here", "see /etc/passwd here"),
            ("1 / 2", "1 / 2"),
            ("a @ b", "a @ b"),
            ("tg://resolve?domain=x", "tg:·//resolve?domain=x"),
            ("ftp://host", "ftp:·//host"),
            (
                "https://medium.com/@name/story",
                "https://medium.com/@name/story",
            ),
            ("HTTP://x.example/a", "HTTP://x.example/a"),
            ("https://a.bc,@victim", "https://a.bc,@·victim"),
            ("https://a'b/@victim", "https://a'b/@·victim"),
            (
                "https://user@host.example/x",
                "https://user@·host.example/x",
            ),
            ("https://localhost/@victim", "https://localhost/@·victim"),
            ("call +49 30 1234567", "call +·49 30 1234567"),
            ("+49 500 more", "+49 500 more"),
            ("étg://x é://x", "étg:·//x é:·//x"),
            ("#release $USD", "#release $USD"),
        ] {
            assert_eq!(text(given).replace(APART, "·"), expected, "{given}");
        }
    }
}
