//! What has to be done on the sender's side, with the exact address.

use serde_json::{Value, json};

use crate::domain::spec::{ProviderSpec, Verify};
use crate::providers;

/// Where a provider's requests go. A token in the path is left for the person to fill in: secrets
/// are never shown.
pub fn hook_address(base: &str, spec: &ProviderSpec) -> String {
    let base = base.trim_end_matches('/');
    match verify(spec) {
        Some(Verify::Path) => format!("{base}/hooks/{}/SECRET", spec.name),
        Some(
            Verify::Signature | Verify::Bearer | Verify::Basic | Verify::None | Verify::Hmac(_),
        )
        | None => format!("{base}/hooks/{}", spec.name),
    }
}

/// The method that counts: the configured one, or the kind's own.
pub(super) fn verify(spec: &ProviderSpec) -> Option<Verify> {
    spec.verify.clone().or_else(|| {
        providers::kind(&spec.kind)
            .and_then(providers::Provider::webhook)
            .map(providers::Webhook::default_verify)
    })
}

/// Steps and traps for one provider.
pub fn setup(base: &str, spec: &ProviderSpec) -> Value {
    let address = hook_address(base, spec);
    let traps = providers::kind(&spec.kind).map_or(&[][..], |kind| kind.traps());
    json!({
        "provider": spec.name,
        "kind": spec.kind,
        "address": Some(&address).filter(|_| verify(spec).is_some()),
        "verify": verify(spec).map(|verify| super::entities::verify_json(&verify)),
        "steps": steps(spec, &address),
        "traps": traps,
    })
}

fn steps(spec: &ProviderSpec, address: &str) -> Vec<String> {
    let kind = providers::kind(&spec.kind);
    if kind.is_some_and(|kind| kind.polled().is_some() && kind.webhook().is_none()) {
        return vec!["Nothing is sent here: this provider is asked. Test it, and watch what it has with a tracker.".to_owned()];
    }
    if spec.kind == "immich" {
        return vec![
            "Albums are asked for by interval: test this provider, and watch albums with a tracker. The rest is for Immich 3 and newer, and can be left out.".to_owned(),
            "Give this provider a `secret`. In Immich add a workflow with the action Webhook, for uploads or for metadata that was read: albums are then looked at as soon as it is called.".to_owned(),
            format!("URL: {address}, method POST."),
            "Header: a name of your choice, like `X-Api-Key`, with the configured secret as its value."
                .to_owned(),
        ];
    }
    let mut steps = match spec.kind.as_str() {
        "gitea" | "forgejo" => vec![
            "Open Settings → Webhooks of the repository, or of the organization for all of its repositories, and add a webhook of type Gitea or Forgejo.".to_owned(),
            format!("Target URL: {address}"),
            "HTTP method POST, content type application/json.".to_owned(),
            "Trigger on: all events, or the ones you want.".to_owned(),
        ],
        "github" => vec![
            "Open Settings → Webhooks of the repository or organization and add a webhook."
                .to_owned(),
            format!("Payload URL: {address}"),
            "Content type: application/json.".to_owned(),
            "Choose which events are sent, or send everything.".to_owned(),
        ],
        _ => vec![format!("Let the sender POST to {address}")],
    };
    steps.push(match verify(spec) {
        Some(Verify::Signature) => {
            "Secret: the same one as configured here; the sender signs with it.".to_owned()
        }
        Some(Verify::Bearer) => {
            "Send the header `Authorization: Bearer` with the configured secret behind it."
                .to_owned()
        }
        Some(Verify::Basic) => {
            "Send basic authorization with any user name and the configured secret as password."
                .to_owned()
        }
        Some(Verify::Path) => {
            "Write the configured secret in the place of SECRET in the address.".to_owned()
        }
        Some(Verify::None) => {
            "Nobody is checked: whoever knows the address can send.".to_owned()
        }
        Some(Verify::Hmac(scheme)) => format!(
            "Sign the body with HMAC-SHA256 and the configured secret, and send the result in the header {}.",
            scheme.header
        ),
        None => "Nothing is sent to this kind.".to_owned(),
    });
    steps.push("Send a test from there, then test this provider here.".to_owned());
    steps
}
