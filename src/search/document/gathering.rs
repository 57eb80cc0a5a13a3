//! From events to documents, in the order of the log.
//!
//! **Invariant:** what [`Gathering`] remembers only saves reading: without it the same documents come
//! out. It is bounded by [`REMEMBERED_MAX`] and [`REMEMBERED_BYTES_MAX`].

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use notify_store::Recorded;

use super::made::{
    Founding, Planning, bare, change, document, founding, of_notice, planning, text_of,
};
use super::{Change, Document, Origins, Sort, key_of, seq_of};
use crate::domain::event::{Action, DeliveryKey, Event, IdSeed, Outcome, Plan};
use crate::domain::hold::Way;
use crate::projections::outbox::Status;

/// Founding notices, plannings, words and claims that are kept in memory, of each so many.
pub const REMEMBERED_MAX: usize = 4_096;
/// Words that are kept in memory, in bytes.
const REMEMBERED_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug)]
struct Recent<K, V> {
    held: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent {
            held: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    fn put(&mut self, key: K, value: V) {
        if self.held.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> Option<V> {
        self.held.remove(&self.order.pop_front()?)
    }
}

/// Makes documents of events, in the order of the log.
#[derive(Debug, Default)]
pub struct Gathering {
    foundings: Recent<u64, Arc<Founding>>,
    plannings: Recent<u64, Arc<Planning>>,
    words: Recent<u64, String>,
    words_bytes: usize,
    claims: Recent<DeliveryKey, u64>,
}

/// How a delivery ended.
struct Settled<'a> {
    delivery: DeliveryKey,
    notice: u64,
    status: Status,
    detail: &'a str,
    answer: &'a str,
}

impl Gathering {
    /// What an event does to the documents, in order.
    pub fn apply<O: Origins>(
        &mut self,
        recorded: &Recorded<Event>,
        origins: &O,
        out: &mut Vec<Change>,
    ) -> Result<(), O::Error> {
        let (position, at) = (recorded.position, recorded.recorded_at);
        match &recorded.payload {
            Event::Accepted(accepted) => {
                let founding = Arc::new(founding(position, accepted));
                let made = of_notice(position, at, accepted, &founding);
                out.push(Change::Add(Box::new(made)));
                self.foundings.put(position, Arc::clone(&founding));
                self.planned(
                    position,
                    at,
                    position,
                    accepted.seed,
                    &accepted.plan,
                    out,
                    &founding,
                );
            }
            Event::Resent {
                seed, notice, plan, ..
            } => {
                if let Some(founding) = self.founding(*notice, origins)? {
                    self.planned(position, at, *notice, *seed, plan, out, &founding);
                }
            }
            Event::MessageComposed { parts, .. } => {
                let text = text_of(parts);
                self.words_bytes += text.len();
                self.words.put(position, text);
                while self.words_bytes > REMEMBERED_BYTES_MAX {
                    let Some(dropped) = self.words.drop_oldest() else {
                        break;
                    };
                    self.words_bytes = self.words_bytes.saturating_sub(dropped.len());
                }
            }
            Event::AttemptStarted {
                delivery, composed, ..
            }
            | Event::FallbackUsed {
                delivery, composed, ..
            } => self.claims.put(*delivery, *composed),
            Event::DeliverySettled {
                delivery,
                notice,
                outcome,
                detail,
                answer,
                ..
            } => {
                let status = match outcome {
                    Outcome::Sent => Status::Sent,
                    Outcome::Parked => Status::Parked,
                    Outcome::Dropped => Status::Dropped,
                };
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status,
                    detail,
                    answer: &answer.text,
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            Event::DeliveryOperated {
                delivery,
                notice,
                action,
                by,
            } => {
                out.push(Change::Remove(key_of(*delivery)));
                let status = match action {
                    Action::Retry => return Ok(()),
                    Action::Drop => Status::Dropped,
                    Action::Confirm => Status::Sent,
                };
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status,
                    detail: &format!("by {by}"),
                    answer: "",
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            Event::DeliveryMerged {
                delivery, notice, ..
            } => {
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status: Status::Merged,
                    detail: "",
                    answer: "",
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            // It waits anew: whatever it was before is true no more.
            Event::HoldChanged { delivery, .. } => {
                out.push(Change::Remove(key_of(*delivery)));
            }
            Event::IntakeUnreadable {
                seed,
                provider_name,
                why,
                ..
            } => out.push(Change::Add(Box::new(Document {
                provider: provider_name.clone(),
                id: seed.id(position, 0).to_string(),
                title: format!("A request to {provider_name} could not be read"),
                texts: vec![why.clone()],
                ..bare(Sort::Failure, recorded)
            }))),
            Event::SettingsChanged { by, .. }
            | Event::EntityPut { by, .. }
            | Event::EntityRemoved { by, .. }
            | Event::FileApplied { by, .. }
            | Event::UserPut { by, .. }
            | Event::UserRemoved { by, .. }
            | Event::TokenPut { by, .. }
            | Event::TokenRevoked { by, .. }
            | Event::ReceiverRestored { by, .. }
            | Event::SnoozeEnded { by, .. }
            | Event::SendingPaused { by }
            | Event::SendingResumed { by } => out.push(change(recorded, by, origins)),
            Event::Snoozed(snooze) => out.push(change(recorded, &snooze.by, origins)),
            Event::ReceiverGone { .. } | Event::ReceiverMoved { .. } => {
                out.push(change(recorded, "", origins));
            }
            Event::Founded { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::PartSent { .. }
            | Event::AttemptFailed { .. }
            | Event::ClaimReturned { .. }
            | Event::EditRefused { .. }
            | Event::OutcomeUnknown { .. }
            | Event::FallbackAwaited { .. }
            | Event::HandedOn { .. }
            | Event::FellSilent { .. }
            | Event::Acknowledged { .. }
            | Event::RepeatPutOff { .. }
            | Event::GatheredTold { .. }
            | Event::PartLeftOut { .. }
            | Event::MediaTold { .. }
            | Event::CursorMoved { .. }
            | Event::ChatsSeen { .. }
            | Event::ChatsNamed { .. }
            | Event::BotVerified { .. }
            | Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. }
            | Event::Restored { .. }
            | Event::LossAccepted { .. }
            | Event::ClockStepped { .. } => {}
        }
        Ok(())
    }

    /// Deliveries that the planning itself settled: told by these pages, merged, cancelled, dropped.
    #[expect(
        clippy::too_many_arguments,
        reason = "what both planning events have, each of another form"
    )]
    fn planned(
        &mut self,
        position: u64,
        at: i64,
        notice: u64,
        seed: IdSeed,
        plan: &Plan,
        out: &mut Vec<Change>,
        founding: &Founding,
    ) {
        for (planned, ordinal) in plan.planned.iter().zip(1u16..) {
            let Some(link) = plan.links.get(usize::from(planned.link)) else {
                continue;
            };
            let way = plan
                .ways
                .binary_search_by_key(&(ordinal - 1), |way| way.index);
            let way = way.ok().map(|index| &plan.ways[index]);
            let (status, detail) = match way.map(|way| (way.way, way.detail.as_str())) {
                Some((Way::Merged { .. }, detail)) => (Status::Merged, detail),
                Some((Way::Cancelled { .. } | Way::Dropped { .. }, detail)) => {
                    (Status::Dropped, detail)
                }
                Some((Way::Held { .. }, _)) => continue,
                Some((Way::Now { .. }, _)) | None if !link.local => continue,
                Some((Way::Now { .. }, detail)) => (Status::Sent, detail),
                None => (Status::Sent, ""),
            };
            let mut texts = Vec::new();
            if status == Status::Sent {
                texts.extend([founding.title.clone(), founding.text.clone()]);
            }
            texts.push(detail.to_owned());
            texts.retain(|text| !text.is_empty());
            let key = DeliveryKey { position, ordinal };
            out.push(Change::Add(Box::new(Document {
                tracker: link.tracker_name.clone(),
                target: link.target_name.clone(),
                status: status.as_str().into(),
                id: seed.id(position, ordinal).to_string(),
                texts,
                ..document(founding, Sort::Delivery, key_of(key), notice, at)
            })));
        }
        self.plannings.put(position, Arc::new(planning(seed, plan)));
    }

    fn settled<O: Origins>(
        &mut self,
        position: u64,
        at: i64,
        settled: &Settled<'_>,
        origins: &O,
        out: &mut Vec<Change>,
    ) -> Result<(), O::Error> {
        let delivery = settled.delivery;
        let Some(founding) = self.founding(settled.notice, origins)? else {
            return Ok(());
        };
        let Some(planning) = self.planning(delivery.position, origins)? else {
            return Ok(());
        };
        let Some(link) = planning.link(delivery) else {
            return Ok(());
        };
        let claim = self.claims.held.get(&delivery).copied();
        let words = match claim.and_then(|composed| self.words.held.get(&composed)) {
            Some(words) => words.clone(),
            // What was merged or dropped was never composed, as a rule.
            None if settled.status == Status::Merged => String::new(),
            None => {
                let family = origins.family(settled.notice)?;
                let view = family.as_ref().and_then(|family| family.delivery(delivery));
                view.map(|view| text_of(&view.parts)).unwrap_or_default()
            }
        };
        let mut texts = vec![words, settled.detail.to_owned(), settled.answer.to_owned()];
        texts.retain(|text| !text.is_empty());
        out.push(Change::Add(Box::new(Document {
            key: key_of(delivery),
            tracker: link.tracker_name.clone(),
            target: link.target_name.clone(),
            status: settled.status.as_str().into(),
            id: planning
                .seed
                .id(delivery.position, delivery.ordinal)
                .to_string(),
            texts,
            ..document(
                &founding,
                Sort::Delivery,
                seq_of(position, delivery.ordinal),
                settled.notice,
                at,
            )
        })));
        Ok(())
    }

    /// A delivery that is open, as a document: it says what will be said.
    pub fn open<O: Origins>(
        &mut self,
        delivery: DeliveryKey,
        notice: u64,
        at: i64,
        status: Status,
        detail: &str,
        origins: &O,
    ) -> Result<Option<Document>, O::Error> {
        let Some(founding) = self.founding(notice, origins)? else {
            return Ok(None);
        };
        let Some(planning) = self.planning(delivery.position, origins)? else {
            return Ok(None);
        };
        let Some(link) = planning.link(delivery) else {
            return Ok(None);
        };
        let mut texts = vec![founding.title.clone(), founding.text.clone(), detail.into()];
        texts.retain(|text| !text.is_empty());
        let seed = planning.seed;
        Ok(Some(Document {
            tracker: link.tracker_name.clone(),
            target: link.target_name.clone(),
            status: status.as_str().into(),
            id: seed.id(delivery.position, delivery.ordinal).to_string(),
            texts,
            ..document(&founding, Sort::Delivery, key_of(delivery), notice, at)
        }))
    }

    fn founding<O: Origins>(
        &mut self,
        notice: u64,
        origins: &O,
    ) -> Result<Option<Arc<Founding>>, O::Error> {
        if let Some(known) = self.foundings.held.get(&notice) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(Recorded {
            payload: Event::Accepted(accepted),
            ..
        }) = origins.event(notice)?
        else {
            return Ok(None);
        };
        let made = Arc::new(founding(notice, &accepted));
        self.foundings.put(notice, Arc::clone(&made));
        Ok(Some(made))
    }

    fn planning<O: Origins>(
        &mut self,
        position: u64,
        origins: &O,
    ) -> Result<Option<Arc<Planning>>, O::Error> {
        if let Some(known) = self.plannings.held.get(&position) {
            return Ok(Some(Arc::clone(known)));
        }
        let made = match origins.event(position)?.map(|event| event.payload) {
            Some(Event::Accepted(accepted)) => planning(accepted.seed, &accepted.plan),
            Some(Event::Resent { seed, plan, .. }) => planning(seed, &plan),
            Some(_) | None => return Ok(None),
        };
        let made = Arc::new(made);
        self.plannings.put(position, Arc::clone(&made));
        Ok(Some(made))
    }
}
