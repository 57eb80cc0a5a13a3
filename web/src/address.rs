//! Addresses within the pages: path segments and queries, encoded.

use std::fmt::Write as _;

/// Percent-encodes a value so that it is one segment of a path or one value of a query.
pub fn segment(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => {
                // Writing to a string does not fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// A path with the pairs whose value is not empty as its query.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    let mut sign = if path.contains('?') { '&' } else { '?' };
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(sign);
        out.push_str(name);
        out.push('=');
        out.push_str(&segment(value));
        sign = '&';
    }
    out
}

/// Whether an address from a notice may become a link: http and https only.
pub fn is_web(url: &str) -> bool {
    let lower = url
        .get(..8.min(url.len()))
        .unwrap_or("")
        .to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_place() {
        for (value, expected) in [
            ("forge", "forge"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("é \"<", "%C3%A9%20%22%3C"),
        ] {
            assert_eq!(segment(value), expected);
        }
        assert_eq!(
            with_query(
                "/notices",
                &[("q", "a&b"), ("kind", ""), ("status", "sent")]
            ),
            "/notices?q=a%26b&status=sent"
        );
        assert_eq!(
            with_query("/notices?x=1", &[("y", "2")]),
            "/notices?x=1&y=2"
        );
        assert!(is_web("HTTPS://example.org") && !is_web("javascript:alert(1)") && !is_web("hé"));
    }
}
