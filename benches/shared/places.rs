//! A configuration with webhook targets: what is sent to provider `forge-n` arrives at `place-n`.

use std::net::SocketAddr;

use super::sign;

/// So many providers, each with a tracker and a signed webhook target of its own at this address.
pub fn configuration(pairs: usize, sink: SocketAddr) -> String {
    let secret = sign::SECRET;
    (0..pairs)
        .map(|n| {
            format!(
                r#"
[[provider]]
name = "forge-{n}"
kind = "github"
secret = "{secret}"
rate = "off"

[[target]]
name = "place-{n}"
kind = "webhook"
url = "http://{sink}/place-{n}"
secret = "whsec_YjNuY2gtb25seS05ZjI3YzEtYjNuY2gtb25seS0="
allow_private = true

[[tracker]]
name = "pushes-{n}"
provider = "forge-{n}"
[[tracker.links]]
target = "place-{n}"
"#
            )
        })
        .collect()
}
