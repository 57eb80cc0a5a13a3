//! What is hidden or kept because of its name or place, whether or not the secret is known.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::domain::notice::cut;

use super::{MASK, Redactor};

/// Most headers kept of a request; later ones are left out.
pub const HEADERS_KEPT_MAX: usize = 64;

/// Longest header value kept, in bytes; longer ones are cut and end in `…`.
pub const HEADER_VALUE_BYTES_MAX: usize = 1_024;

/// Longest path segment below `/hooks/{provider}/` that is kept, in bytes.
const HOOK_SEGMENT_BYTES_MAX: usize = 16;

/// Headers that say what a request is, never who sent it. `*` stands for any rest that is not the
/// name of a credential.
const HEADERS_KEPT: &[&str] = &[
    "ce-*",
    "content-length",
    "content-type",
    "date",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-forgejo-*",
    "x-gitea-*",
    "x-github-delivery",
    "x-github-event",
    "x-gitlab-event",
    "x-gitlab-event-uuid",
    "x-request-id",
];

/// A name with one of these in it names a credential.
const TOKEN_PARTS: &[&str] = &[
    "accesskey",
    "apikey",
    "authoriz",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "signature",
    "token",
];

/// So does a name of which one of these is a whole word.
const TOKEN_WORDS: &[&str] = &[
    "auth", "cookie", "hmac", "jwt", "key", "keys", "otp", "pass", "pw", "pwd", "session", "sid",
    "sig", "sign",
];

/// Whether a query field, header or option of this name holds a credential: `access_token`,
/// `apiKey`, `X-Amz-Signature`, `sig`; not `keyword` or `author`.
pub fn is_token_name(name: &str) -> bool {
    // Asked for every header of every request: letters once without gaps, once word by word.
    let mut joined = String::with_capacity(name.len());
    let mut spaced = String::with_capacity(name.len() * 2);
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && after_lower) {
            spaced.push(' ');
        }
        if c.is_ascii_alphanumeric() {
            joined.push(c.to_ascii_lowercase());
            spaced.push(c.to_ascii_lowercase());
        }
        after_lower = c.is_ascii_lowercase();
    }
    TOKEN_PARTS.iter().any(|part| joined.contains(part))
        || spaced.split(' ').any(|word| TOKEN_WORDS.contains(&word))
}

fn is_kept(name: &str) -> bool {
    HEADERS_KEPT
        .iter()
        .any(|known| match known.strip_suffix('*') {
            Some(prefix) => {
                name.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                    && !is_token_name(name)
            }
            None => name.eq_ignore_ascii_case(known),
        })
}

impl Redactor {
    /// The headers of a request that may be kept, in order, with lower-case names. An allow-list:
    /// signatures, tokens, cookies and addresses are not on it.
    pub fn headers_kept<N, V>(&self, headers: &[(N, V)]) -> Vec<(String, String)>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        headers
            .iter()
            .filter(|(name, _)| is_kept(name.as_ref()))
            .take(HEADERS_KEPT_MAX)
            .map(|(name, value)| {
                let name = name.as_ref().to_ascii_lowercase();
                let redacted = match self.redact_text(&name) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(redacted) => Some(redacted),
                };
                (redacted.unwrap_or(name), self.line(value.as_ref()))
            })
            .collect()
    }

    /// A header value as text, without secrets, at most [`HEADER_VALUE_BYTES_MAX`] bytes.
    pub(crate) fn line(&self, value: &[u8]) -> String {
        let redacted = self.redact_bytes(value).into_owned();
        let mut text = String::from_utf8(redacted)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        cut(&mut text, HEADER_VALUE_BYTES_MAX);
        text
    }

    /// A query without the values of token-like names and without known secrets.
    pub fn redact_query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        if query.is_empty() {
            return Cow::Borrowed(query);
        }
        let mut changed = false;
        let fields: Vec<Cow<'_, str>> = query
            .split('&')
            .map(|field| {
                let Some((name, value)) = field.split_once('=') else {
                    return Cow::Borrowed(field);
                };
                let hidden = !value.is_empty()
                    && (is_token_name(&form_decoded(name))
                        || self.is_short_secret(form_decoded(value).as_bytes()));
                if hidden {
                    changed = true;
                    Cow::Owned(format!("{name}={MASK}"))
                } else {
                    Cow::Borrowed(field)
                }
            })
            .collect();
        if changed {
            Cow::Owned(self.redact_text(&fields.join("&")).into_owned())
        } else {
            self.redact_text(query)
        }
    }

    /// A path without tokens: known secrets; what follows `/hooks/{provider}/` unless it is a plain
    /// word; what follows `/setup/`; a Bot API token (`/bot123:…/`).
    pub fn redact_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        let known = self.redact_text(path);
        let mut changed = false;
        let mut segments: Vec<&str> = known.split('/').collect();
        let place = segments.get(1).copied().unwrap_or_default().to_owned();
        for (index, segment) in segments.iter_mut().enumerate() {
            let hidden = *segment != MASK
                && (is_bot_token(segment)
                    || self
                        .is_short_secret(&percent_decode(segment.as_bytes()).collect::<Vec<_>>())
                    || match place.as_str() {
                        "hooks" => index > 2 && !is_plain_word(segment),
                        "setup" => index > 1 && !segment.is_empty(),
                        _ => false,
                    });
            if hidden {
                *segment = MASK;
                changed = true;
            }
        }
        if changed {
            let joined = segments.join("/");
            return Cow::Owned(joined);
        }
        drop(segments);
        known
    }
}

fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes())
        .decode_utf8_lossy()
        .into_owned()
}

/// `bot` and digits, then a colon as it is or encoded.
fn is_bot_token(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix("bot") else {
        return false;
    };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    after.len() < rest.len()
        && (after.starts_with(':') || after.to_ascii_lowercase().starts_with("%3a"))
}

/// A word of a service's path (`message`, `v2`, `api`), which no generated token is.
fn is_plain_word(segment: &str) -> bool {
    let version = segment
        .strip_prefix('v')
        .is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()));
    version
        || (segment.len() <= HOOK_SEGMENT_BYTES_MAX
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_that_is_kept_by_its_whole_name_is_a_credential() {
        let whole = HEADERS_KEPT.iter().filter(|name| !name.ends_with('*'));
        for name in whole {
            assert!(!is_token_name(name), "{name}");
        }
    }
}
