//! Parts of words alone: described, called and judged within one attempt, as a message of their own or
//! in the place of an earlier one.

use super::prepare::Prepared;
use super::{Dispatch, answer};
use crate::domain::command::{Attempted, Saying};
use crate::domain::event::Answer;
use crate::shell::vault::Opened;
use crate::targets::{CallContext, Edited, MessageRef, Part, Reply, Target, Verdict};

/// One attempt at a part of words.
pub(super) struct Said<'a> {
    pub kind: &'a dyn Target,
    pub prepared: &'a Prepared,
    pub opened: &'a Opened,
    pub part: &'a Part,
    /// All of them.
    pub parts: &'a [Part],
    pub context: CallContext<'a>,
    /// The earlier message whose place it may take.
    pub earlier: Option<MessageRef<'a>>,
}

impl Dispatch {
    pub(super) async fn say(&self, said: Said<'_>, saying: &mut Saying) -> (Attempted, Answer) {
        let Said {
            kind,
            prepared,
            opened,
            part,
            parts,
            context,
            earlier,
        } = said;
        // All of it is edited or nothing.
        let edit = earlier
            .filter(|earlier| {
                let edits = |part| kind.edit(part, &context, *earlier).is_some();
                parts.iter().all(edits)
            })
            .and_then(|earlier| Some((earlier, kind.edit(part, &context, earlier)?)));
        let edits = edit.is_some();
        if let Some((earlier, _)) = &edit {
            saying.edited = Some(earlier.id.to_owned());
        }
        let call = edit.map_or_else(|| kind.call(part, &context), |(_, call)| call);
        let call = match call {
            Ok(call) => call,
            Err(unsendable) if edits => {
                return (Attempted::EditRefused(unsendable.reason), Answer::default());
            }
            Err(unsendable) => {
                return (Attempted::Unsendable(unsendable.reason), Answer::default());
            }
        };
        let (reply, took) = self
            .client
            .perform(&call, prepared.target.allow_private, &opened.redactor)
            .await;
        let answer = answer(&reply, took);
        let edited = if edits {
            kind.judge_edit(part, &reply)
        } else {
            Edited::Judged(kind.judge(part, &reply))
        };
        let result = match edited {
            Edited::Refused { reason } => Attempted::EditRefused(reason),
            // An edit may be made twice, and nobody sees the difference.
            Edited::Judged(Verdict::Retry { reason, .. })
                if matches!(reply, Reply::NoAnswer { .. }) && kind.lane_depth() == 1 && !edits =>
            {
                Attempted::Unknown(reason)
            }
            Edited::Judged(verdict) => Attempted::Judged(verdict),
        };
        (result, answer)
    }
}
