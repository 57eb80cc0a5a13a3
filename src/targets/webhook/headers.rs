//! Configured headers: a secret, since a token is what they mostly hold. So a reason repeats neither
//! their values nor a name that is not one of ours.

use std::collections::BTreeMap;

use crate::targets::{HOP_HEADER, Unsendable};

/// Most configured headers.
const HEADERS_MAX: usize = 32;
/// Longest value of one, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// What belongs to the connection or to this kind.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    HOP_HEADER,
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIX: &str = "webhook-";

/// Adds the headers in `text`, a JSON object; `content-type` and `user-agent` replace ours.
pub(super) fn add(text: &str, sent: &mut Vec<(String, String)>) -> Result<(), Unsendable> {
    let refused = |why: String| Unsendable {
        reason: format!("`headers`: {why}"),
    };
    let configured: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| {
        refused("not a JSON object of texts; write it like {\"X-Key\": \"…\"}".into())
    })?;
    if configured.len() > HEADERS_MAX {
        return Err(refused(format!("more than {HEADERS_MAX}; leave some out")));
    }
    for (name, value) in configured {
        let name = name.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(refused(
                "a name is no header name; use letters, digits and hyphens".into(),
            ));
        }
        if RESERVED.contains(&name.as_str()) || name.starts_with(RESERVED_PREFIX) {
            return Err(refused(format!(
                "{} is set by the bridge; leave it out",
                RESERVED
                    .into_iter()
                    .find(|reserved| *reserved == name)
                    .unwrap_or("webhook-…")
            )));
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(refused(
                "a value holds a control character or one beyond ASCII; write it on one line, in ASCII".into(),
            ));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(refused(format!(
                "a value is longer than {VALUE_BYTES_MAX} bytes; shorten it"
            )));
        }
        match sent.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ours)) => *ours = value,
            None => sent.push((name, value)),
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
