//! What is secret in a configured secret: the value itself, and the parts that turn up alone.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::Url;

use super::Redactor;

/// Prefix of a Standard Webhooks secret, whose rest is the key in base64.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";

/// Shortest part of a `user:password` or `id:token` secret that is searched for by itself, in bytes.
const PART_BYTES_MIN: usize = 8;

/// Shortest path of a secret URL that is searched for by itself, in bytes.
const PATH_BYTES_MIN: usize = 6;

/// Headers whose configured value says nothing.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "cache-control",
    "content-type",
    "user-agent",
];

impl Redactor {
    /// A redactor for opened secrets by field name, as a target or provider is given them: `url`
    /// counts with its path, token-like segments and query values, `headers` (a JSON object) with
    /// its values and the credentials in them, the rest with what follows a colon or `whsec_`.
    pub fn of_fields(fields: &BTreeMap<String, String>) -> Redactor {
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for (name, value) in fields {
            // `secret.2` is the second of a list.
            match name.split('.').next().unwrap_or(name) {
                "url" => add_url(&mut secrets, value),
                "headers" => add_headers(&mut secrets, value),
                _ => add_value(&mut secrets, value),
            }
        }
        Redactor::new(secrets)
    }
}

fn add_value(secrets: &mut Vec<Vec<u8>>, value: &str) {
    secrets.push(value.as_bytes().to_vec());
    let trimmed = value.trim();
    if trimmed.len() != value.len() {
        secrets.push(trimmed.as_bytes().to_vec());
    }
    if let Some(encoded) = trimmed.strip_prefix(WEBHOOK_SECRET_PREFIX) {
        secrets.push(encoded.as_bytes().to_vec());
        secrets.extend(STANDARD.decode(encoded).ok());
    }
    if let Some((_, part)) = trimmed.split_once(':')
        && part.len() >= PART_BYTES_MIN
    {
        secrets.push(part.as_bytes().to_vec());
    }
}

fn add_headers(secrets: &mut Vec<Vec<u8>>, json: &str) {
    let Ok(headers) = serde_json::from_str::<BTreeMap<String, String>>(json) else {
        add_value(secrets, json);
        return;
    };
    for (name, value) in &headers {
        if PLAIN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        add_value(secrets, value);
        let Some((scheme, credential)) = value.trim().split_once(' ') else {
            continue;
        };
        add_value(secrets, credential.trim());
        if scheme.eq_ignore_ascii_case("basic")
            && let Ok(decoded) = STANDARD.decode(credential.trim())
        {
            match std::str::from_utf8(&decoded) {
                Ok(text) => add_value(secrets, text),
                Err(_) => secrets.push(decoded),
            }
        }
    }
}

fn add_url(secrets: &mut Vec<Vec<u8>>, value: &str) {
    secrets.push(value.as_bytes().to_vec());
    let Ok(url) = Url::parse(value.trim()) else {
        return;
    };
    secrets.push(url.as_str().as_bytes().to_vec());
    if url.path().len() >= PATH_BYTES_MIN {
        secrets.push(url.path().as_bytes().to_vec());
    }
    for segment in url.path_segments().into_iter().flatten() {
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        if looks_like_a_token(&decoded) {
            secrets.push(decoded);
        }
    }
    if let Some(query) = url.query() {
        secrets.push(query.as_bytes().to_vec());
    }
    for (_, value) in url.query_pairs() {
        secrets.push(value.as_bytes().to_vec());
    }
    if let Some(password) = url.password() {
        secrets.push(percent_decode_str(password).collect());
    }
}

/// Long, or mixed as generated text is. Words of a path are neither.
fn looks_like_a_token(segment: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| segment.iter().any(test);
    segment.len() >= 16
        || (segment.len() >= PART_BYTES_MIN
            && (has(u8::is_ascii_digit)
                || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, value: &str, text: &str, expected: &str) {
        let redactor = Redactor::of_fields(&BTreeMap::from([(field.to_owned(), value.to_owned())]));
        assert_eq!(redactor.redact_text(text), expected, "{field}");
    }

    #[test]
    fn the_parts_of_a_secret_count() {
        check(
            "url",
            "https://discord.example/api/webhooks/7001/aB3dE5fG7h",
            "POST /api/webhooks/7001/aB3dE5fG7h said: token aB3dE5fG7h is unknown",
            "POST *** said: token *** is unknown",
        );
        check(
            "url",
            "https://example.org/notify?apikey=opensesame",
            "no access for opensesame",
            "no access for ***",
        );
        check(
            "url",
            "https://me:p%40ssw0rd@example.org/x",
            "p@ssw0rd is wrong",
            "*** is wrong",
        );
        check(
            "headers",
            r#"{"Authorization":"Basic bWU6c2VjcmV0LXBhc3M=","X-Plain":"longer-value","Accept":"text/plain"}"#,
            "secret-pass and longer-value as text/plain",
            "*** and *** as text/plain",
        );
        check(
            "headers",
            r#"{"Authorization":"Bearer abcdef123"}"#,
            "abcdef123",
            "***",
        );
        check("token", "7001:AAbbCCddEEff", "AAbbCCddEEff", "***");
        check(
            "secret.2",
            "whsec_bm90LWEtcmVhbC1rZXk=",
            "not-a-real-key",
            "***",
        );
        check("headers", "not json", "this is not json", "this is ***");
    }
}
