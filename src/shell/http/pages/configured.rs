//! Providers and targets: how each is doing, and a try.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use notify_web::address::segment;
use notify_web::pages::providers::{
    self as provider_pages, AskingView, Hearing, ProviderRow, ProviderView, ProvidersView, Refused,
    RequestOutcome, RequestRow, SessionView,
};
use notify_web::pages::targets::{
    self as target_pages, Receiver, ReceiverState, Standing, TargetRow, TargetView, TargetsView,
};
use notify_web::{Flash, Moment, Tone};
use serde::Deserialize;

use super::overview::Nothing;
use super::{Desk, Wrong, collections, operators, page, text, told};
use crate::domain::event::Event;
use crate::domain::family::notice_of;
use crate::domain::spec::{EntityKind, ProviderSpec, SecretMarks};
use crate::projections::configuration::{Entity, default_receiver};
use crate::providers::ask::Ask;
use crate::shell::http::front::Front;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate::{self, TEST_WAIT_MAX};
use crate::shell::pollers::AskFailed;
use crate::shell::sources::Heard;
use crate::shell::views;
use crate::{providers, targets};

// The page says how long it waits.
const _: () = assert!(TEST_WAIT_MAX.as_secs() == target_pages::TEST_WAIT_SECONDS);

/// Requests shown of one provider.
const REQUESTS: usize = 20;

fn hearing(enabled: bool, heard: &Heard, last_notice: Option<i64>) -> Hearing {
    if !enabled {
        return Hearing::Disabled;
    }
    match (
        heard.last_verified_at.max(last_notice),
        heard.last_refused_at,
    ) {
        (Some(verified), Some(refused)) if refused > verified => Hearing::Refused,
        (Some(_), _) => Hearing::Heard,
        (None, Some(_)) => Hearing::Refused,
        (None, None) => Hearing::Never,
    }
}

/// When each secret was set, from the event that set it.
pub(super) fn secrets(desk: &Desk, marks: &SecretMarks) -> Vec<(String, Option<Moment>)> {
    let reader = desk.app.ledger.reader();
    marks
        .iter()
        .map(|(field, mark)| {
            let set = reader
                .get(mark.position)
                .ok()
                .flatten()
                .map(|event| desk.at(event.recorded_at));
            (field.clone(), set)
        })
        .collect()
}

pub async fn providers(
    State(front): State<Arc<Front>>,
    shown: Shown,
    headers: HeaderMap,
) -> Response {
    let desk = Desk::showing(shown);
    let base = desk.base(&front, &headers);
    let mut rows: Vec<(ProviderRow, bool, Option<i64>, u32)> = {
        let state = desk.app.ledger.state();
        let configuration = &state.configuration;
        configuration
            .providers
            .values()
            .map(|provider| {
                let id = provider.id;
                let days = state.counts.days.range((id, i32::MIN)..=(id, i32::MAX));
                let last = state.health.last_notice_at.get(&id).copied();
                let row = ProviderRow {
                    name: provider.spec.name.clone(),
                    kind: provider.spec.kind.clone(),
                    hearing: Hearing::Never,
                    last_notice: last.map(|at| desk.at(at)),
                    notices: days.map(|(_, count)| count.notices).sum(),
                    trackers: configuration.by_provider.get(&id).map_or(0, Vec::len) as u64,
                };
                (row, provider.spec.enabled, last, id)
            })
            .collect()
    };
    // What was heard is asked for without the state's lock in hand.
    for (row, enabled, last, id) in &mut rows {
        let polling = desk.app.pollers.polling(*id);
        let talking = desk.app.sessions.talking(*id);
        if *enabled && (talking.works || talking.failures_in_a_row > 0) {
            row.hearing = match talking.works {
                true => Hearing::Answers,
                false => Hearing::Silent,
            };
            continue;
        }
        row.hearing = match (*enabled, polling.last_at, polling.failures_in_a_row) {
            (true, Some(_), 0) => Hearing::Answers,
            (true, Some(_), _) => Hearing::Silent,
            (true, None, _) | (false, ..) => {
                hearing(*enabled, &desk.app.sources.heard(&row.name), *last)
            }
        };
    }
    let rows = rows.into_iter().map(|(row, ..)| row).collect();
    let view = ProvidersView {
        rows,
        hooks_base: format!("{}/hooks/", base.trim_end_matches('/')),
    };
    page(provider_pages::list(&desk.frame(), &view))
}

pub async fn provider(
    State(front): State<Arc<Front>>,
    shown: Shown,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let base = desk.base(&front, &headers);
    let missing = || Problem::not_found("provider", &name);
    let (entity, last, trackers) = {
        let state = desk.app.ledger.state();
        let configuration = &state.configuration;
        let entity = configuration.provider(&name).ok_or_else(missing)?.clone();
        let trackers = configuration
            .by_provider
            .get(&entity.id)
            .into_iter()
            .flatten();
        let trackers: Vec<String> = trackers
            .filter_map(|id| configuration.trackers.get(id))
            .map(|tracker| tracker.entity.spec.name.clone())
            .collect();
        let last = state.health.last_notice_at.get(&entity.id).copied();
        (entity, last, trackers)
    };
    let heard = desk.app.sources.heard(&name);
    let setup = views::setup(&base, &entity.spec);
    let is_told = is_told(&entity);
    let list = |field: &str| {
        setup[field]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect::<Vec<String>>()
    };
    let view = ProviderView {
        name: name.clone(),
        kind: entity.spec.kind.clone(),
        description: entity.spec.description.clone(),
        managed_by: entity.managed_by.clone().unwrap_or_default(),
        hearing: hearing(entity.spec.enabled, &heard, last),
        last_verified: heard.last_verified_at.map(|at| desk.at(at)),
        refused: heard.last_refused_at.map(|at| Refused {
            at: desk.at(at),
            why: heard.last_refused_why.clone().unwrap_or_default(),
            from: heard
                .last_refused_from
                .map(|from| from.to_string())
                .unwrap_or_default(),
            count: heard.refused,
        }),
        address: match is_told {
            true => text(&setup["address"]),
            false => String::new(),
        },
        verify: match setup["verify"].as_str() {
            Some(word) => word.to_owned(),
            None => setup["verify"].to_string(),
        },
        secrets: secrets(&desk, &entity.secrets),
        steps: list("steps"),
        traps: list("traps"),
        trackers,
        requests: requests(&desk, entity.id)?,
        can_test: providers::kind(&entity.spec.kind).is_some(),
        collections: collections::word(&entity.spec.kind)
            .filter(|_| collections::may_look(&desk))
            .map(str::to_owned),
        asking: asking(&desk, &entity),
        session: session(&desk, &entity),
        is_told,
    };
    Ok(page(provider_pages::one(&desk.frame(), &view)))
}

/// Whether anybody sends to it. What is asked may be told besides, if it was configured for that.
fn is_told(provider: &Entity<ProviderSpec>) -> bool {
    let spec = &provider.spec;
    providers::kind(&spec.kind).is_none_or(|kind| {
        kind.webhook().is_some()
            && (kind.polled().is_none()
                || spec.verify.is_some()
                || provider.secrets.contains_key("secret"))
    })
}

/// How looking at it goes, for a provider that is asked.
fn asking(desk: &Desk, entity: &Entity<ProviderSpec>) -> Option<AskingView> {
    let polling = desk.app.pollers.polling(entity.id);
    let asking = views::asking(&desk.app.ledger.state(), entity, &polling, desk.now)?;
    let upcoming = asking["upcoming"].as_array().into_iter().flatten();
    Some(AskingView {
        interval: text(&asking["interval"]),
        last: polling.last_at.map(|at| desk.at(at)),
        last_new: polling.last_new_at.map(|at| desk.at(at)),
        next: polling.next_at.map(|at| desk.at(at)),
        last_error: polling.last_error.unwrap_or_default(),
        failures: u64::from(polling.failures_in_a_row),
        upcoming: upcoming.filter_map(|at| desk.moment(at)).collect(),
        halted: asking["halted"].as_bool() == Some(true),
    })
}

/// How the session with it goes, for a provider that has one.
fn session(desk: &Desk, entity: &Entity<ProviderSpec>) -> Option<SessionView> {
    let talking = desk.app.sessions.talking(entity.id);
    let shape = views::talking(&desk.app.ledger.state(), entity, &talking)?;
    Some(SessionView {
        since: talking.connected_at.map(|at| desk.at(at)),
        works: talking.works,
        messages: talking.messages,
        left_out: talking.left_out,
        reconnects: talking.reconnects(),
        last_message: talking.last_message_at.map(|at| desk.at(at)),
        last_new: talking.last_new_at.map(|at| desk.at(at)),
        next: talking.next_at.map(|at| desk.at(at)),
        last_error: talking.last_error.unwrap_or_default(),
        failures: u64::from(talking.failures_in_a_row),
        halted: shape["halted"].as_bool() == Some(true),
    })
}

/// The last requests that were kept, with what they said.
fn requests(desk: &Desk, provider: u32) -> Result<Vec<RequestRow>, Wrong> {
    let reader = desk.app.ledger.reader();
    let found = views::requests(reader, provider, None, REQUESTS)?;
    let mut rows = Vec::new();
    for item in &found.items {
        let position = item["position"].as_u64().unwrap_or(0);
        let Some(founding) = reader
            .get(position)
            .map_err(|error| Problem::internal(&error))?
        else {
            continue;
        };
        let outcome = match &founding.payload {
            Event::Accepted(accepted) => {
                let notice = notice_of(
                    position,
                    founding.recorded_at,
                    &founding.correlation,
                    accepted,
                );
                RequestOutcome::Notices(vec![(notice.id, notice.draft.title)])
            }
            Event::IntakeUnreadable { why, .. } => RequestOutcome::Unreadable(why.clone()),
            _ => continue,
        };
        rows.push(RequestRow {
            position,
            at: desk.at(founding.recorded_at),
            outcome,
        });
    }
    Ok(rows)
}

/// What a webhook provider can be tested for is whether it was heard: the page says so.
pub async fn test_provider(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let back = format!("/providers/{}", segment(&name));
    match desk.app.pollers.ask(&name, Ask::Test).await {
        Ok(seen) => return Ok(desk.tell(&back, told::of_answer(&name, seen.lines))),
        Err(failed @ (AskFailed::Secrets(_) | AskFailed::Unseen(_))) => {
            let flash = Flash::new(Tone::Bad, format!("{name} does not answer: {failed}."));
            return Ok(desk.tell(&back, flash));
        }
        // It tells by itself, or there is none: then that is said below.
        Err(AskFailed::NotAsked(_) | AskFailed::Unknown(_)) => {}
    }
    let base = desk.base(&front, &headers);
    let heard = desk.app.sources.heard(&name);
    let (finding, address) = {
        let state = desk.app.ledger.state();
        let finding = operate::test_provider(&state, &name, &heard)?;
        let provider = state.configuration.provider(&name);
        let address = provider.map(|provider| views::hook_address(&base, &provider.spec));
        (finding, address.unwrap_or_default())
    };
    let flash = told::of_finding(&desk, &name, &finding, &heard, &address);
    Ok(desk.tell(&format!("/providers/{}", segment(&name)), flash))
}

pub async fn targets(shown: Shown) -> Response {
    let desk = Desk::showing(shown);
    let rows = {
        let state = desk.app.ledger.state();
        let targets = state.configuration.targets.iter();
        targets
            .map(|(id, target)| {
                let health = views::target_health(&state, *id);
                let gone = target
                    .receivers
                    .iter()
                    .filter(|receiver| state.health.is_gone(**receiver))
                    .count();
                TargetRow {
                    name: target.entity.spec.name.clone(),
                    kind: target.entity.spec.kind.clone(),
                    standing: standing(target.entity.spec.enabled, &health),
                    receivers: target.receivers.len() as u64,
                    gone: gone as u64,
                    waiting: health["waiting"].as_u64().unwrap_or(0),
                    last_sent: desk.moment(&health["last_sent_at"]),
                }
            })
            .collect()
    };
    page(target_pages::list(&desk.frame(), &TargetsView { rows }))
}

fn standing(enabled: bool, health: &serde_json::Value) -> Standing {
    match (
        enabled,
        health["failing"].as_bool(),
        health["last_sent_at"].is_null(),
    ) {
        (false, ..) => Standing::Disabled,
        (true, Some(true), _) => Standing::Failing,
        (true, _, true) => Standing::Unused,
        (true, _, false) => Standing::Fine,
    }
}

pub async fn target(shown: Shown, Path(name): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let (entity, health, receivers, trackers) = {
        let state = desk.app.ledger.state();
        let configuration = &state.configuration;
        let target = configuration
            .target(&name)
            .ok_or_else(|| Problem::not_found("target", &name))?;
        let receivers: Vec<Receiver> = target
            .receivers
            .iter()
            .map(|id| {
                let spec = target.receiver(*id).unwrap_or_else(default_receiver);
                let observed = state.health.receivers.get(id).cloned().unwrap_or_default();
                let lane = state.outbox.lanes.get(id);
                let waits = lane.map_or(0, |lane| lane.paused_until);
                let condition = match (observed.gone, observed.moved_to) {
                    (Some(why), _) => ReceiverState::Gone(why),
                    (None, _) if !spec.enabled => ReceiverState::Disabled,
                    (None, Some(to)) => ReceiverState::Moved(to),
                    (None, None) if waits > desk.now => ReceiverState::Waits(desk.at(waits)),
                    (None, None) => ReceiverState::Fine,
                };
                Receiver {
                    name: spec.name,
                    to: spec.to,
                    thread: spec.thread.unwrap_or_default(),
                    state: condition,
                    waiting: lane.map_or(0, |lane| lane.waiting()) as u64,
                }
            })
            .collect();
        let consumers = configuration.consumers(EntityKind::Target, &name);
        let trackers: Vec<String> = consumers
            .iter()
            .filter_map(|consumer| consumer.strip_prefix("tracker "))
            .map(str::to_owned)
            .collect();
        (
            target.entity.clone(),
            views::target_health(&state, target.entity.id),
            receivers,
            trackers,
        )
    };
    let kind = targets::kind(&entity.spec.kind);
    let view = TargetView {
        name: name.clone(),
        kind: entity.spec.kind.clone(),
        description: entity.spec.description.clone(),
        managed_by: entity.managed_by.clone().unwrap_or_default(),
        standing: standing(entity.spec.enabled, &health),
        failing_since: desk.moment(&health["failing_since"]),
        failures: health["failures_in_a_row"].as_u64().unwrap_or(0),
        last_error: text(&health["last_error"]),
        last_sent: desk.moment(&health["last_sent_at"]),
        waits_until: desk.moment(&health["paused_until"]),
        receivers,
        secrets: secrets(&desk, &entity.secrets),
        trackers,
        bot: entity.spec.bot.clone().unwrap_or_default(),
        promise: kind.map_or_else(String::new, |kind| kind.promise().to_owned()),
        waiting: health["waiting"].as_u64().unwrap_or(0),
        snoozes: super::snoozes::of_target(&desk, entity.id),
        can_test: entity.spec.enabled,
        test_receiver: String::new(),
    };
    Ok(page(target_pages::one(&desk.frame(), &view)))
}

#[derive(Deserialize)]
pub struct Trying {
    #[serde(default)]
    receiver: String,
}

/// Sends a message that says what it is, and waits a while for what comes of it.
pub async fn test_target(
    Path(name): Path<String>,
    posted: Posted<Trying>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let ledger = &desk.app.ledger;
    let id = ledger.state().configuration.id(EntityKind::Target, &name);
    if id.is_none() {
        return Err(Problem::not_found("target", &name).into());
    }
    let back = format!("/targets/{}", segment(&name));
    let receiver = Some(posted.form.receiver).filter(|receiver| !receiver.is_empty());
    match operate::test_target(ledger, &name, receiver, &desk.visitor.by()).await {
        Ok(planned) => {
            operate::come_of(ledger, &*desk.app.clock, &planned, TEST_WAIT_MAX).await;
            let flash = told::of_test(&desk, &name, &planned)?;
            Ok(desk.tell(&back, flash))
        }
        Err(error) => desk.tell_why_not(&back, error),
    }
}
