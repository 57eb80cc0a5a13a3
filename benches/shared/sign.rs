//! How the webhooks are signed, as GitHub signs.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The secret of every provider of the benches.
pub const SECRET: &str = "b3nch-only-9f27c1";

pub fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
