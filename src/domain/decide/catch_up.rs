//! `catch_up` of a link: what is sent of a backlog once its target can be reached again.
//!
//! Decided when the first of the backlog is claimed, over what waits with it in its lane: some of it
//! may be dropped or gathered, and the claim is given again for what is left.

use std::collections::BTreeMap;

use super::super::deferral::Route;
use super::super::event::{DeliveryKey, Event, Outcome};
use super::super::policy::CatchUp;
use super::super::reason::What;
use super::super::state::{State, severity_code, subject_hash};
use super::delivery::settle;
use super::muted::pierces;
use crate::domain::notice::Severity;
use crate::projections::outbox::Delivery;

/// Deliveries of a backlog that one command drops or gathers; the rest follow with the next.
pub const CATCH_UP_PER_COMMAND_MAX: usize = 256;
/// Deliveries of a lane that are looked at beside the one that is claimed. What is further back has its
/// own turn.
pub const CATCH_UP_PEERS_MAX: usize = 4_096;

/// What becomes of a backlog in place of the claim; `None`: the delivery goes.
pub fn caught_up(
    state: &State,
    key: DeliveryKey,
    delivery: &Delivery,
    now: i64,
) -> Option<Vec<Event>> {
    if !is_of_backlog(state, delivery, now) {
        return None;
    }
    let route = Route::of(state, delivery)?;
    let mut events = match route.link.catch_up {
        CatchUp::All => return None,
        CatchUp::MaxAge(most) => {
            let age = now.saturating_sub(delivery.planned_at);
            if age <= most.micros() {
                return None;
            }
            let detail = format!("it waited longer than {most}");
            vec![settle(
                key,
                delivery,
                Outcome::Dropped,
                What::TooOld,
                detail,
            )]
        }
        CatchUp::Newest => superseded(&peers(state, key, delivery, now), state),
        CatchUp::Summary => {
            if pierces(state, key, delivery) {
                return None;
            }
            let others = peers(state, key, delivery, now).into_iter();
            others
                .filter(|(other, one)| *other != key && !pierces(state, *other, one))
                .take(CATCH_UP_PER_COMMAND_MAX)
                .map(|(other, one)| Event::DeliveryMerged {
                    delivery: other,
                    notice: one.notice,
                    host: key,
                    until: now,
                })
                .collect()
        }
    };
    events.truncate(CATCH_UP_PER_COMMAND_MAX);
    (!events.is_empty()).then_some(events)
}

/// Whether it waited through an outage, and nothing of it has been sent nor asked for by a person.
fn is_of_backlog(state: &State, delivery: &Delivery, now: i64) -> bool {
    delivery.status.waits()
        && delivery.part == 0
        && !delivery.at_once
        && state.outbox.is_backlog(delivery, now)
}

/// What waits in the same lane over the same link, the claimed one included, in the order in which it
/// was planned.
fn peers<'s>(
    state: &'s State,
    key: DeliveryKey,
    delivery: &'s Delivery,
    now: i64,
) -> BTreeMap<DeliveryKey, &'s Delivery> {
    let lane = state.outbox.lanes.get(&delivery.receiver);
    let keys = lane.into_iter().flat_map(|lane| lane.keys());
    let mut peers: BTreeMap<DeliveryKey, &Delivery> = keys
        .take(CATCH_UP_PEERS_MAX)
        .filter_map(|key| Some((key, state.outbox.deliveries.get(&key)?)))
        .filter(|(_, one)| one.via == delivery.via && is_of_backlog(state, one, now))
        .collect();
    peers.insert(key, delivery);
    peers
}

/// All but the newest of each subject, or of each collection and kind where there is no subject.
fn superseded(peers: &BTreeMap<DeliveryKey, &Delivery>, state: &State) -> Vec<Event> {
    let about = |key: &DeliveryKey, one: &Delivery| {
        let facts = state
            .outbox
            .notices
            .get(&key.position)
            .map(|notice| notice.row.facts)
            .unwrap_or_default();
        if one.subject == subject_hash(facts.provider, "", one.notice) {
            (facts.provider, 0, facts.collection_hash, facts.kind_hash)
        } else {
            (facts.provider, one.subject, 0, 0)
        }
    };
    let newest: BTreeMap<_, DeliveryKey> = peers
        .iter()
        .map(|(key, one)| (about(key, one), *key))
        .collect();
    peers
        .iter()
        .filter(|(key, one)| newest.get(&about(key, one)) != Some(key))
        .map(|(key, one)| {
            let detail = "a newer one of the same subject waits as well".to_owned();
            settle(*key, one, Outcome::Dropped, What::Superseded, detail)
        })
        .collect()
}

pub(super) fn severity(state: &State, key: DeliveryKey) -> Severity {
    let notice = state.outbox.notices.get(&key.position);
    let code = notice.map_or(0, |notice| notice.row.facts.severity);
    Severity::ALL
        .into_iter()
        .find(|severity| severity_code(*severity) == code)
        .unwrap_or_default()
}
