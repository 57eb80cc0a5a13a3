//! A family: a notice with everything that came of it, folded from its stream.
//!
//! This is what the why card, the delivery lists and `explain` show. It reads events and knows no
//! state, so a settled notice reads the same as an open one.

use std::collections::BTreeMap;

use super::event::{
    Accepted, Action, Answer, DeliveryKey, Event, IdSeed, Outcome, Plan, PlannedLink,
};
use super::hold::{Telling, UNTIL_RELEASED, Way};
use super::notice::Notice;
use super::reason::{Routed, What};
use super::spec::UnknownPolicy;
use crate::projections::outbox::Status;
use crate::targets::Part;
use crate::targets::media::{ItemOutcome, ItemTold};

/// Most events of one family that are read for a card; later ones are left out with a count.
pub const FAMILY_EVENTS_MAX: usize = 20_000;

/// A reason with its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Microseconds since 1970.
    pub at: i64,
    pub what: What,
    pub tracker: String,
    pub target: String,
    pub delivery: Option<DeliveryKey>,
    pub until: Option<i64>,
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptView {
    pub at: i64,
    pub part: u16,
    pub outcome: &'static str,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    pub key: DeliveryKey,
    pub id: String,
    pub link: PlannedLink,
    pub receiver: u32,
    pub status: Status,
    pub reason: Option<(What, String)>,
    pub created_at: i64,
    pub settled_at: Option<i64>,
    pub retry_at: Option<i64>,
    /// Until when it is held; [`UNTIL_RELEASED`] waits for a person.
    pub held_until: Option<i64>,
    /// The delivery that tells it, when it was merged.
    pub merged_into: Option<DeliveryKey>,
    /// What it tells, when it gathered others and has its words.
    pub telling: Option<Telling>,
    pub silent: bool,
    pub pierced: bool,
    pub parts: Vec<Part>,
    /// Per part: the ids it got.
    pub ids: BTreeMap<u16, Vec<String>>,
    pub attempts: Vec<AttemptView>,
    /// Per part: what became of its files.
    pub files: BTreeMap<u16, Vec<ItemTold>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    pub notice: Notice,
    pub provider: u32,
    pub correlation: [u8; 16],
    pub nth: u16,
    pub of: u16,
    pub reasons: Vec<Reason>,
    pub deliveries: Vec<DeliveryView>,
    /// Events beyond [`FAMILY_EVENTS_MAX`] that were not read.
    pub cut_off: bool,
    composed: BTreeMap<u64, Vec<Part>>,
}

/// The notice as templates and targets see it.
pub fn notice_of(
    position: u64,
    recorded_at: i64,
    correlation: &[u8; 16],
    accepted: &Accepted,
) -> Notice {
    Notice {
        id: accepted.seed.id(position, 0).to_string(),
        position,
        received_at: recorded_at,
        provider: accepted.provider_name.clone(),
        provider_kind: accepted.provider_kind.clone(),
        dispatch_id: dispatch_id(correlation),
        draft: accepted.notice.clone(),
    }
}

/// A correlation as it stands in answers and log lines.
pub fn dispatch_id(correlation: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*correlation))
}

impl Family {
    /// Begins with the notice itself; [`Family::fold`] takes the rest of its stream in order.
    pub fn begin(
        position: u64,
        recorded_at: i64,
        correlation: [u8; 16],
        accepted: &Accepted,
    ) -> Self {
        let mut family = Family {
            notice: notice_of(position, recorded_at, &correlation, accepted),
            provider: accepted.provider,
            correlation,
            nth: accepted.nth,
            of: accepted.of,
            reasons: Vec::new(),
            deliveries: Vec::new(),
            cut_off: false,
            composed: BTreeMap::new(),
        };
        family.plan(position, recorded_at, accepted.seed, &accepted.plan);
        family
    }

    fn plan(&mut self, position: u64, at: i64, seed: IdSeed, plan: &Plan) {
        for Routed {
            what,
            tracker: _,
            tracker_name,
            target_name,
            until,
            detail,
        } in &plan.routed
        {
            self.reasons.push(Reason {
                at,
                what: *what,
                tracker: tracker_name.clone(),
                target: target_name.clone(),
                delivery: None,
                until: *until,
                detail: detail.clone(),
            });
        }
        let mut ways = plan.ways.iter().peekable();
        for (index, planned) in plan.planned.iter().enumerate() {
            let way = ways.next_if(|planning| usize::from(planning.index) == index);
            let Some(link) = plan.links.get(usize::from(planned.link)) else {
                continue;
            };
            let key = DeliveryKey {
                position,
                ordinal: index as u16 + 1,
            };
            self.deliveries.push(DeliveryView {
                key,
                id: seed.id(position, key.ordinal).to_string(),
                link: link.clone(),
                receiver: planned.receiver,
                status: if link.local {
                    Status::Sent
                } else {
                    Status::Due
                },
                reason: None,
                created_at: at,
                settled_at: link.local.then_some(at),
                retry_at: None,
                held_until: None,
                merged_into: None,
                telling: None,
                silent: false,
                pierced: false,
                parts: Vec::new(),
                ids: BTreeMap::new(),
                attempts: Vec::new(),
                files: BTreeMap::new(),
            });
            if let Some(planning) = way {
                self.go(at, key, planning.way, &planning.detail);
            }
        }
    }

    /// What planning decided for a delivery that is not simply due.
    fn go(&mut self, at: i64, key: DeliveryKey, way: Way, detail: &str) {
        let detail = detail.to_owned();
        let (what, until, status) = match way {
            Way::Now { silent, pierced } => {
                self.change(key, |view| (view.silent, view.pierced) = (silent, pierced));
                if !silent && !pierced {
                    return;
                }
                let what = if pierced {
                    What::Pierced
                } else {
                    What::SilentQuietHours
                };
                return self.note(at, key, what, None, detail);
            }
            Way::Held { hold, thread: _ } => (hold.why, Some(hold.until), Status::Held),
            Way::Merged { host, until, .. } => {
                self.change(key, |view| view.merged_into = Some(host));
                (What::MergedInto, Some(until), Status::Merged)
            }
            Way::Cancelled { .. } => (What::CancelledOut, None, Status::Dropped),
            Way::Dropped { why } => (why, None, Status::Dropped),
        };
        let until = until.filter(|until| *until != UNTIL_RELEASED);
        self.note(at, key, what, until, detail.clone());
        self.change(key, |view| {
            view.status = status;
            view.held_until = until.filter(|_| status == Status::Held);
            view.settled_at = (status != Status::Held).then_some(at);
            view.reason = Some((what, detail));
        });
    }

    pub fn delivery(&self, key: DeliveryKey) -> Option<&DeliveryView> {
        self.deliveries.iter().find(|delivery| delivery.key == key)
    }

    fn note(&mut self, at: i64, key: DeliveryKey, what: What, until: Option<i64>, detail: String) {
        let (tracker, target) = self
            .delivery(key)
            .map(|delivery| {
                (
                    delivery.link.tracker_name.clone(),
                    delivery.link.target_name.clone(),
                )
            })
            .unwrap_or_default();
        self.reasons.push(Reason {
            at,
            what,
            tracker,
            target,
            delivery: Some(key),
            until,
            detail,
        });
    }

    /// What was decided about the notice itself.
    fn say(&mut self, at: i64, what: What, detail: String) {
        self.reasons.push(Reason {
            at,
            what,
            tracker: String::new(),
            target: String::new(),
            delivery: None,
            until: None,
            detail,
        });
    }

    fn change(&mut self, key: DeliveryKey, change: impl FnOnce(&mut DeliveryView)) {
        // Keys of one planning event stand in order, so that this is a binary search.
        if let Ok(index) = self
            .deliveries
            .binary_search_by_key(&key, |delivery| delivery.key)
        {
            change(&mut self.deliveries[index]);
        }
    }

    /// Folds one further event of the family's stream in.
    pub fn fold(&mut self, position: u64, at: i64, event: Event) {
        match event {
            Event::Resent {
                seed,
                plan,
                why,
                by,
                ..
            } => {
                // That it fell back stands with the delivery that did.
                if why != What::FellBack {
                    self.say(at, why, by_whom(&by));
                }
                self.plan(position, at, seed, &plan);
            }
            Event::MessageComposed { parts, faults, .. } => {
                for fault in faults {
                    self.say(at, What::TemplateFailed, fault);
                }
                self.composed.insert(position, parts);
            }
            Event::GatheredTold {
                delivery, telling, ..
            } => self.change(delivery, |view| view.telling = Some(telling)),
            Event::AttemptStarted {
                delivery,
                part,
                composed: words,
                ..
            } => {
                let parts = self.composed.get(&words).cloned();
                self.change(delivery, |view| {
                    view.status = Status::Sending;
                    view.retry_at = None;
                    if let Some(parts) = parts {
                        view.parts = parts;
                    }
                    view.attempts.push(AttemptView {
                        at,
                        part,
                        outcome: "sending",
                        answer: Answer::default(),
                    });
                });
            }
            Event::PartSent {
                delivery,
                part,
                ids,
                answer,
                ..
            } => self.change(delivery, |view| {
                view.status = Status::Due;
                view.end("sent", answer);
                view.ids.insert(part, ids);
            }),
            Event::AttemptFailed {
                delivery,
                retry_at,
                reason,
                answer,
                ..
            } => {
                self.note(
                    at,
                    delivery,
                    What::AttemptFailed,
                    Some(retry_at),
                    reason.clone(),
                );
                self.change(delivery, |view| {
                    view.status = Status::Retrying;
                    view.retry_at = Some(retry_at);
                    view.reason = Some((What::RetryAt, reason));
                    view.end("retry", answer);
                });
            }
            Event::FallbackUsed {
                delivery,
                composed: words,
                reason,
                answer,
                ..
            } => {
                self.note(at, delivery, What::FallbackUsed, None, reason);
                let parts = self.composed.get(&words).cloned();
                self.change(delivery, |view| {
                    view.status = Status::Due;
                    view.end("fallback", answer);
                    if let Some(parts) = parts {
                        view.parts = parts;
                    }
                });
            }
            Event::PartLeftOut {
                delivery,
                reason,
                answer,
                ..
            } => {
                self.note(at, delivery, What::MediaSkipped, None, reason);
                self.change(delivery, |view| {
                    view.status = Status::Due;
                    view.end("left out", answer);
                });
            }
            Event::MediaTold {
                delivery,
                part,
                items,
                ..
            } => {
                let skipped = items
                    .iter()
                    .filter(|item| item.outcome == ItemOutcome::Skipped)
                    .collect::<Vec<_>>();
                if let Some(first) = skipped.first() {
                    let (count, of) = (skipped.len(), items.len());
                    let detail = format!("{count} of {of} files left out: {}", first.detail);
                    self.note(at, delivery, What::MediaSkipped, None, detail);
                }
                self.change(delivery, |view| {
                    view.files.insert(part, items);
                });
            }
            Event::EditRefused {
                delivery,
                reason,
                answer,
                ..
            } => {
                let detail = format!("the earlier message cannot be edited: {reason}");
                self.note(at, delivery, What::FallbackUsed, None, detail);
                self.change(delivery, |view| {
                    view.status = Status::Due;
                    view.end("fallback", answer);
                });
            }
            Event::ClaimReturned { delivery, .. } => self.change(delivery, |view| {
                view.status = Status::Due;
                view.attempts.pop();
            }),
            Event::DeliverySettled {
                delivery,
                part,
                outcome,
                why,
                detail,
                ids,
                answer,
                ..
            } => {
                self.note(at, delivery, why, None, detail.clone());
                self.change(delivery, |view| {
                    view.retry_at = None;
                    view.held_until = None;
                    let (status, word) = match outcome {
                        Outcome::Sent => (Status::Sent, "sent"),
                        Outcome::Parked => (Status::Parked, "parked"),
                        Outcome::Dropped => (Status::Dropped, "dropped"),
                    };
                    if view.status == Status::Sending {
                        view.end(word, answer);
                    }
                    view.status = status;
                    view.settled_at = (outcome != Outcome::Parked).then_some(at);
                    view.reason = (outcome != Outcome::Sent).then_some((why, detail));
                    if !ids.is_empty() {
                        view.ids.insert(part, ids);
                    }
                });
            }
            Event::OutcomeUnknown {
                delivery, policy, ..
            } => {
                let detail = match policy {
                    UnknownPolicy::Retry => "it is sent again: at least once",
                    UnknownPolicy::Park => "the link says that a person decides",
                };
                self.note(
                    at,
                    delivery,
                    What::UnknownAfterRestart,
                    None,
                    detail.to_owned(),
                );
                self.change(delivery, |view| {
                    view.retry_at = None;
                    view.end("unknown", Answer::default());
                    view.status = match policy {
                        UnknownPolicy::Retry => Status::Retrying,
                        UnknownPolicy::Park => Status::Unknown,
                    };
                    view.reason = Some((What::UnknownAfterRestart, detail.to_owned()));
                });
            }
            Event::DeliveryOperated {
                delivery,
                action,
                by,
                ..
            } => {
                let (what, status) = match action {
                    Action::Retry => (What::RetriedByPerson, Status::Due),
                    Action::Drop => (What::DroppedByPerson, Status::Dropped),
                    Action::Confirm => (What::ConfirmedByPerson, Status::Sent),
                };
                self.note(at, delivery, what, None, format!("by {by}"));
                self.change(delivery, |view| {
                    view.status = status;
                    view.retry_at = None;
                    view.held_until = None;
                    view.settled_at = (action != Action::Retry).then_some(at);
                    view.reason = (action != Action::Retry).then(|| (what, format!("by {by}")));
                });
            }
            Event::HoldChanged {
                delivery,
                hold,
                silent,
                pierced,
                why,
                detail,
                by,
                ..
            } => {
                let until = hold
                    .map(|hold| hold.until)
                    .filter(|until| *until != UNTIL_RELEASED);
                let detail = match (detail.is_empty(), by.is_empty()) {
                    (_, true) => detail,
                    (true, false) => by_whom(&by),
                    (false, false) => format!("{detail}, {}", by_whom(&by)),
                };
                self.note(at, delivery, why, until, detail.clone());
                self.change(delivery, |view| {
                    (view.silent, view.pierced) = (silent, pierced);
                    view.held_until = until;
                    view.retry_at = None;
                    view.status = if hold.is_some() {
                        Status::Held
                    } else {
                        Status::Due
                    };
                    view.reason = hold.map(|_| (why, detail));
                });
            }
            Event::DeliveryMerged {
                delivery,
                host,
                until,
                ..
            } => {
                let until = Some(until).filter(|until| *until != UNTIL_RELEASED);
                self.note(at, delivery, What::MergedInto, until, String::new());
                self.change(delivery, |view| {
                    view.status = Status::Merged;
                    view.merged_into = Some(host);
                    view.held_until = None;
                    view.settled_at = Some(at);
                    view.reason = Some((What::MergedInto, String::new()));
                });
            }
            Event::HandedOn {
                delivery, detail, ..
            } => self.note(at, delivery, What::FellBack, None, detail),
            Event::Acknowledged { by, .. } => self.say(at, What::Acknowledged, by_whom(&by)),
            Event::RepeatPutOff { why, detail, .. } => {
                self.say(at, why, format!("it was to be told again: {detail}"));
            }
            Event::Founded { .. }
            | Event::Snoozed(_)
            | Event::SnoozeEnded { .. }
            | Event::SettingsChanged { .. }
            | Event::EntityPut { .. }
            | Event::EntityRemoved { .. }
            | Event::FileApplied { .. }
            | Event::UserPut { .. }
            | Event::UserRemoved { .. }
            | Event::TokenPut { .. }
            | Event::TokenRevoked { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::Accepted(_)
            | Event::IntakeUnreadable { .. }
            | Event::FallbackAwaited { .. }
            | Event::FellSilent { .. }
            | Event::CursorMoved { .. }
            | Event::ChatsSeen { .. }
            | Event::ChatsNamed { .. }
            | Event::BotVerified { .. }
            | Event::ReceiverGone { .. }
            | Event::ReceiverMoved { .. }
            | Event::ReceiverRestored { .. }
            | Event::SendingPaused { .. }
            | Event::SendingResumed { .. }
            | Event::Restored { .. }
            | Event::LossAccepted { .. }
            | Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. }
            | Event::ClockStepped { .. } => {}
        }
    }
}

fn by_whom(by: &str) -> String {
    if by.is_empty() {
        String::new()
    } else {
        format!("by {by}")
    }
}

impl DeliveryView {
    fn end(&mut self, outcome: &'static str, answer: Answer) {
        match self.attempts.last_mut() {
            Some(last) if last.outcome == "sending" => {
                last.outcome = outcome;
                last.answer = answer;
            }
            // That nobody answered was said with the failure.
            Some(last) if outcome == "unknown" && last.outcome == "retry" => {
                last.outcome = outcome;
            }
            Some(_) | None => {}
        }
    }
}
