//! Kind `inbox`: messages that are read on the bridge's own pages.
//!
//! **Invariant:** a delivery to it is settled by the transaction that plans it; there is no call.

use super::flat::{Layout, LinkForm};
use super::{
    Call, CallContext, Message, NO_WORDS, Part, Reply, SecretField, Target, Unsendable, Verdict,
};
use crate::domain::spec::{ReceiverSpec, TargetSpec};

/// Longest message kept, in bytes; the rest is left out and counted.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1_024;

pub struct Inbox;

impl Target for Inbox {
    fn kind(&self) -> &'static str {
        "inbox"
    }

    fn has_receivers(&self) -> bool {
        false
    }

    fn is_local(&self) -> bool {
        true
    }

    fn secret_fields(&self) -> &'static [SecretField] {
        &[]
    }

    fn option_fields(&self) -> &'static [&'static str] {
        &[]
    }

    fn receiver_fields(&self) -> &'static [&'static str] {
        &[]
    }

    fn lane_depth(&self) -> u16 {
        1
    }

    fn format(&self) -> &'static str {
        "plain"
    }

    fn promise(&self) -> &'static str {
        "Exactly once: the message is stored in the transaction that accepts the notice."
    }

    fn compose(
        &self,
        message: &Message,
        _target: &TargetSpec,
        _to: &ReceiverSpec,
    ) -> Result<Vec<Part>, Unsendable> {
        let flat = Layout::new(&|_, _| LinkForm::Spelled)
            .title(&message.title)
            .below(&message.text)
            .finish();
        if flat.is_blank() {
            return Err(Unsendable {
                reason: NO_WORDS.into(),
            });
        }
        let mut text = flat.visible().trim().to_owned();
        for (n, button) in message.buttons.iter().enumerate() {
            text.push_str(if n == 0 { "\n\n" } else { "\n" });
            text.push_str(&button.line());
        }
        Ok(vec![Part {
            kind: "text".into(),
            text: bounded(text),
            payload: "{}".into(),
        }])
    }

    fn call(&self, _part: &Part, _context: &CallContext<'_>) -> Result<Call, Unsendable> {
        Err(Unsendable {
            reason: "an inbox is read here and makes no calls".into(),
        })
    }

    /// No call, so no reply: one that is claimed all the same proves nothing.
    fn judge(&self, _part: &Part, _reply: &Reply) -> Verdict {
        Verdict::Rejected {
            reason: "an inbox makes no calls and has no replies".into(),
        }
    }

    fn probe(&self, _context: &CallContext<'_>) -> Option<Result<Call, Unsendable>> {
        None
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let mut end = TEXT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let left_out = text[end..].chars().count();
        text.truncate(end);
        text.push_str(&format!("\n… {left_out} more characters are left out"));
    }
    text
}
