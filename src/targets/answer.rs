//! What every HTTP target reads from a reply in the same way.
//!
//! **Invariant:** a reason made here is short, one line, and names no address: an answer may repeat
//! the address it was asked at, and with it a secret.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use super::{Reply, Scope, Unsendable, Verdict, shortened};
use crate::domain::notice::is_bidi_control;

/// Longest piece of an answer taken over into a reason, in characters; the rest becomes `…`.
pub const EXCERPT_CHARS_MAX: usize = 240;
/// Longest wait a service can ask for, in seconds; longer ones are shortened to this.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 24 * 3_600;
/// Stands in the reason of a retry that may repeat a message.
pub const UNKNOWN_WHETHER_ARRIVED: &str = "unknown whether it arrived";

/// Words of a service made fit for a reason.
pub fn excerpt(text: &str) -> String {
    let shown: String = text
        .chars()
        .filter(|c| !is_bidi_control(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<&str> = shown
        .split_whitespace()
        .map(|word| {
            if word.contains("://") {
                "(address)"
            } else {
                word
            }
        })
        .collect();
    shortened(&words.join(" "), EXCERPT_CHARS_MAX)
}

/// Status and body of an answer, or what it means that there is none.
pub fn answered(reply: &Reply) -> Result<(u16, &[u8]), Verdict> {
    match reply {
        Reply::Answered { status, body, .. } => Ok((*status, body)),
        Reply::NotSent { why } => Err(Verdict::Retry {
            after: None,
            scope: Scope::Target,
            reason: format!("not sent: {}", excerpt(why)),
        }),
        Reply::NoAnswer { why } => Err(Verdict::Retry {
            after: None,
            scope: Scope::Target,
            reason: format!(
                "no whole answer, {UNKNOWN_WHETHER_ARRIVED}: {}",
                excerpt(why)
            ),
        }),
    }
}

/// The verdict on a status that says "later": 408, 425 and 5xx. `None` for any other.
///
/// 502, 503 and 504 come from what stands before the service, so everything sent to it waits; the
/// others may be about this one message.
pub fn later(status: u16, reply: &Reply) -> Option<Verdict> {
    let scope = match status {
        502..=504 => Scope::Target,
        408 | 425 | 500..=599 => Scope::Message,
        _other => return None,
    };
    Some(Verdict::Retry {
        after: retry_after(reply),
        scope,
        reason: format!("answered {status}"),
    })
}

/// A redirect is never followed: what was meant for one place must not be told to another.
pub fn redirected(status: u16, reply: &Reply, field: &str) -> Verdict {
    let host = reply
        .header("location")
        .and_then(|location| url::Url::parse(location).ok())
        .and_then(|location| location.host_str().map(str::to_owned));
    let to = host.map_or_else(
        || "elsewhere".to_owned(),
        |host| format!("the host {}", excerpt(&host)),
    );
    Verdict::Rejected {
        reason: format!(
            "answered {status}, which leads to {to}; redirects are not followed, set `{field}` to the final address"
        ),
    }
}

/// A wait in seconds as a service gives it; nothing where it is not a positive number.
pub fn wait(seconds: f64) -> Option<Duration> {
    (seconds > 0.0)
        .then(|| Duration::try_from_secs_f64(seconds.min(RETRY_AFTER_SECONDS_MAX as f64)).ok())
        .flatten()
}

/// `Retry-After` as seconds, or as an HTTP date. A date counts from the answer's own `Date`, so that
/// a clock that differs from ours does no harm; without one it says nothing.
pub fn retry_after(reply: &Reply) -> Option<Duration> {
    let value = reply.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return wait(seconds);
    }
    let until = http_date(value)?;
    let now = http_date(reply.header("date")?)?;
    wait((until - now) as f64)
}

/// Seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
        .map(|timestamp| timestamp.as_second())
}

/// An address to call. Its text is never repeated: it may be the secret.
pub fn address(field: &str, text: &str) -> Result<url::Url, Unsendable> {
    let unusable = || Unsendable {
        reason: format!("`{field}` is not an http(s) address; set it to one"),
    };
    let url = url::Url::parse(text.trim()).map_err(|_| unusable())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(unusable())
    }
}

/// A secret that a call cannot do without.
pub fn secret<'a>(
    secrets: &'a std::collections::BTreeMap<String, String>,
    field: &str,
) -> Result<&'a str, Unsendable> {
    secrets
        .get(field)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Unsendable {
            reason: format!("`{field}` is not set; set it on the target"),
        })
}
