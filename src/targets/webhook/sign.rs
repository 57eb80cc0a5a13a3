//! Signatures of version `v1`: HMAC-SHA256 over `<id>.<timestamp>.<body>`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::targets::Unsendable;

const PREFIX: &str = "whsec_";
/// Bytes of a key below which text that happens to be base64 is read as plain text only.
const KEY_BYTES_MIN: usize = 24;

/// The value of `webhook-signature`.
///
/// A secret with the prefix is base64. One without is taken as its bytes; where it could be base64 of
/// a key as well, which is how libraries of the receiving side read it, both signatures are listed,
/// and the receiving side takes the one it knows.
pub(super) fn signature(
    secret: &str,
    id: &str,
    timestamp: &str,
    body: &[u8],
) -> Result<String, Unsendable> {
    let secret = secret.trim();
    let keys = match secret.strip_prefix(PREFIX) {
        Some(encoded) => vec![STANDARD.decode(encoded).map_err(|_| Unsendable {
            reason: "`secret` is not base64 after whsec_; copy it again".into(),
        })?],
        None => {
            let decoded = STANDARD
                .decode(secret)
                .ok()
                .filter(|key| key.len() >= KEY_BYTES_MIN);
            std::iter::once(secret.as_bytes().to_vec())
                .chain(decoded)
                .collect()
        }
    };
    let mut listed = Vec::with_capacity(keys.len());
    for key in keys {
        let mac = Some(key)
            .filter(|key| !key.is_empty())
            .and_then(|key| Hmac::<Sha256>::new_from_slice(&key).ok())
            .ok_or_else(|| Unsendable {
                reason: "`secret` is empty; set it, or remove it to send unsigned".into(),
            })?;
        let mac = mac
            .chain_update(id)
            .chain_update(".")
            .chain_update(timestamp)
            .chain_update(".")
            .chain_update(body);
        listed.push(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ));
    }
    Ok(listed.join(" "))
}
