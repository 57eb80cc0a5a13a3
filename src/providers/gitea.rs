//! Gitea.
//!
//! Gitea sends the headers of Gogs and GitHub beside its own. `X-Gitea-Event` is coarse (`issues`),
//! `X-Gitea-Event-Type` fine (`issue_label`); older versions leave the first empty for some events.

use std::borrow::Cow;

use super::forge::field::{at, text};
use super::forge::{self, Dialect, Hook, Page, Review};
use super::verify::{SignatureHeader, signature_headers};
use super::{
    Keys, NoticeKind, Provider, RawRequest, Readable, Unreadable, Unverified, Verified, Webhook,
};
use crate::domain::notice::NoticeDraft;
use crate::domain::spec::{ProviderSpec, Verify};

pub struct Gitea;

/// Signatures that Gitea sends. The one of Gogs has to agree, but is not enough by itself.
static SIGNATURES: &[SignatureHeader] = &[
    SignatureHeader {
        name: "x-gitea-signature",
        prefix: "",
        sufficient: true,
    },
    SignatureHeader {
        name: "x-hub-signature-256",
        prefix: "sha256=",
        sufficient: true,
    },
    SignatureHeader {
        name: "x-forgejo-signature",
        prefix: "",
        sufficient: false,
    },
    SignatureHeader {
        name: "x-gogs-signature",
        prefix: "",
        sufficient: false,
    },
];

impl Provider for Gitea {
    fn kind(&self) -> &'static str {
        "gitea"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        forge::NOTICE_KINDS
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "Gitea calls only public addresses: set ALLOWED_HOST_LIST under [webhook] in app.ini to `private`, or to this host, for an address at home.",
            "Without a secret in the webhook's settings the signature comes empty and is refused.",
            "Gitea waits five seconds and does not try again by itself; a delivery that was missed can be sent again on the webhook's page.",
            "`Push events` alone does not tell of new and deleted branches and tags: choose `Custom events` with `Create` and `Delete` as well.",
            "The webhook's branch filter hides not only pushes but also new and deleted branches that it does not match.",
        ]
    }

    fn webhook(&self) -> Option<&dyn Webhook> {
        Some(self)
    }
}

impl Webhook for Gitea {
    fn default_verify(&self) -> Verify {
        Verify::Signature
    }

    fn accepts(&self, verify: &Verify) -> bool {
        match verify {
            // Gitea can send an `Authorization` header of one's choice.
            Verify::Signature | Verify::Bearer | Verify::Basic | Verify::Path | Verify::None => {
                true
            }
            Verify::Hmac(_) => false,
        }
    }

    fn verify_signature(
        &self,
        request: &RawRequest<'_>,
        keys: &Keys<'_>,
    ) -> Result<(), Unverified> {
        // In form mode, too, Gitea signs the JSON and not the form.
        let signed = match request.media_type() == forge::FORM {
            true => forge::form_payload(request.body).unwrap_or(Cow::Borrowed(request.body)),
            false => Cow::Borrowed(request.body),
        };
        signature_headers(SIGNATURES, request, &signed, keys)
    }

    fn document<'r>(&self, request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable> {
        forge::document(request)
    }

    fn sender_key(&self, request: &Verified<'_>) -> Option<String> {
        forge::delivery_id(request, "x-gitea-delivery")
    }

    fn same_bytes_same_delivery(&self) -> bool {
        true
    }

    fn notices(
        &self,
        _spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        let header = |name| request.header(name).filter(|value| !value.is_empty());
        let fine = header("x-gitea-event-type");
        let coarse = header("x-gitea-event").or_else(|| header("x-gogs-event"));
        let label = fine.or(coarse).unwrap_or("");
        let event = coarse.unwrap_or_else(|| coarse_event(label));
        let hook = Hook::new(Dialect::Gitea, request, event, label)?;
        Ok(notices(&hook))
    }
}

/// The coarse name of a fine one, for senders that leave it out.
fn coarse_event(fine: &str) -> &str {
    match fine {
        "issue_assign" | "issue_label" | "issue_milestone" => "issues",
        "pull_request_assign"
        | "pull_request_label"
        | "pull_request_milestone"
        | "pull_request_sync"
        | "pull_request_review_request" => "pull_request",
        "pull_request_comment" => "issue_comment",
        "pull_request_review_approved" => "pull_request_approved",
        "pull_request_review_rejected" => "pull_request_rejected",
        "pull_request_review_comment" => "pull_request_comment",
        other => other,
    }
}

fn notices(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let written = text(hook.body, &["review", "content"]);
    match hook.event {
        "pull_request_approved" => forge::review(hook, Review::Approved, written),
        "pull_request_rejected" => forge::review(hook, Review::ChangesRequested, written),
        "pull_request_comment" if !at(hook.body, &["comment"]).is_object() => {
            forge::review(hook, Review::Commented, written)
        }
        "pull_request_comment" => forge::review_comment(hook),
        "wiki" => wiki(hook),
        _ => forge::shared_notices(hook).unwrap_or_else(|| forge::other(hook)),
    }
}

fn wiki(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let name = text(hook.body, &["page"]).unwrap_or("");
    // The name is that of the page's address: words are joined with dashes.
    let readable = name.replace('-', " ");
    let page = Page {
        title: &readable,
        action: match hook.action {
            "" => "changed",
            action => action,
        },
        url: match hook.action {
            "deleted" => hook.page(format_args!("wiki")),
            _ => hook.page(format_args!("wiki/{name}")),
        },
        note: text(hook.body, &["comment"]),
    };
    forge::wiki(hook, &[page])
}
