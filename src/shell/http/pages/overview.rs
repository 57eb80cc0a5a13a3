//! Overview, more, account, pause and resume.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::date;
use notify_web::chart::Day;
use notify_web::pages::access::{AccountView, account as account_page};
use notify_web::pages::ask::{Question, page_of as ask};
use notify_web::pages::dashboard::{
    self, DashboardView, ProviderCount, Waiting, Wrong as Fault, WrongKind,
};
use notify_web::pages::places::{MoreView, more as more_page};
use notify_web::{Flash, Tone};
use serde::Deserialize;

use super::notices::rows;
use super::{Desk, Wrong, operators, page};
use crate::projections::access::SESSION_AGE_MAX;
use crate::projections::outbox::Status;
use crate::shell::http::front::Front;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate;
use crate::shell::views::{self, NoticeFilter};

/// Days of the chart.
const DAYS: i32 = 14;
/// Notices under "what just happened".
const LATEST: usize = 10;

#[derive(Deserialize, Default)]
pub struct Part {
    fragment: Option<String>,
}

pub async fn dashboard(
    State(front): State<Arc<Front>>,
    shown: Shown,
    headers: HeaderMap,
    Query(part): Query<Part>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let view = view(&desk, &desk.base(&front, &headers))?;
    let frame = desk.frame();
    Ok(page(match part.fragment.as_deref() {
        Some("standing") => dashboard::standing(&frame, &view),
        Some("counts") => dashboard::counts(&frame, &view),
        Some(_) | None => dashboard::page_of(&frame, &view),
    }))
}

fn view(desk: &Desk, base: &str) -> Result<DashboardView, Wrong> {
    let ledger = &desk.app.ledger;
    let latest = views::notices(
        ledger.reader(),
        ledger,
        None,
        &NoticeFilter::default(),
        None,
        LATEST,
    )?;
    let mut view = DashboardView {
        latest: rows(desk, &latest.items),
        hooks_base: format!("{}/hooks/", base.trim_end_matches('/')),
        ..DashboardView::default()
    };
    let mut held_of: BTreeMap<i32, u64> = BTreeMap::new();
    for ((_, day), held) in views::held_counts(ledger) {
        *held_of.entry(day).or_default() += held;
    }
    let state = ledger.state();
    let outbox = &state.outbox;
    let mut waiting_for: BTreeMap<u32, u64> = BTreeMap::new();
    let mut next: Option<i64> = outbox.next_release();
    for delivery in outbox.deliveries.values() {
        *waiting_for.entry(delivery.target).or_default() += 1;
        match delivery.status {
            Status::Due => view.waiting.due += 1,
            Status::Held => view.waiting.held += 1,
            Status::Sending => view.waiting.sending += 1,
            Status::Retrying => {
                view.waiting.retrying += 1;
                next = Some(next.map_or(delivery.not_before, |at| at.min(delivery.not_before)));
            }
            Status::Parked => view.waiting.parked += 1,
            Status::Unknown => view.waiting.unknown += 1,
            Status::Sent | Status::Dropped | Status::Merged => {}
        }
    }
    view.snoozed = state.snoozes.on(desk.now).count() as u64;
    let configuration = &state.configuration;
    view.trackers = configuration.trackers.len() as u64;
    view.targets = configuration.targets.len() as u64;
    let mut last_sent = None;
    for (id, target) in &configuration.targets {
        let health = state.health.targets.get(id);
        last_sent = last_sent.max(health.and_then(|health| health.last_sent_at));
        match health.and_then(|health| health.failing_since.map(|since| (since, health))) {
            Some((since, health)) => view.wrong.push(Fault {
                kind: WrongKind::Target,
                name: target.entity.spec.name.clone(),
                since: desk.at(since),
                why: health.last_error.clone().unwrap_or_default(),
                waiting: waiting_for.get(id).copied().unwrap_or(0),
            }),
            None => view.fine_targets += 1,
        }
    }
    let today = jiff::Timestamp::from_microsecond(desk.now)
        .map(|now| now.to_zoned_datetime(desk.zone.clone()).date())
        .unwrap_or(date(1970, 1, 1));
    let first_day = views::since_day(today) - DAYS + 1;
    let days: Vec<i32> = (first_day..first_day + DAYS).collect();
    for day in &days {
        let label = date(1970, 1, 1).checked_add(day.days()).unwrap_or(today);
        let mut sum = Day {
            label: label.strftime("%a %-d %b").to_string(),
            notices: 0,
            sent: 0,
            held: held_of.get(day).copied().unwrap_or(0),
            parked: 0,
            dropped: 0,
        };
        for ((_, of), count) in state.counts.days.iter().filter(|((_, of), _)| of == day) {
            debug_assert_eq!(of, day);
            sum.notices += count.notices;
            sum.sent += count.sent;
            sum.parked += count.parked;
            sum.dropped += count.dropped;
        }
        view.days.push(sum);
    }
    for (id, provider) in &configuration.providers {
        let of = |day: &i32| {
            state
                .counts
                .days
                .get(&(*id, *day))
                .copied()
                .unwrap_or_default()
        };
        view.providers.push(ProviderCount {
            name: provider.spec.name.clone(),
            kind: provider.spec.kind.clone(),
            by_day: days.iter().map(|day| of(day).notices).collect(),
            notices: days.iter().map(|day| of(day).notices).sum(),
            sent: days.iter().map(|day| of(day).sent).sum(),
            parked: days.iter().map(|day| of(day).parked).sum(),
            last: state.health.last_notice_at.get(id).map(|at| desk.at(*at)),
        });
    }
    drop(state);
    view.last_sent = last_sent.map(|at| desk.at(at));
    view.waiting = Waiting {
        next: next.map(|at| desk.at(at)),
        ..view.waiting
    };
    Ok(view)
}

pub async fn more(shown: Shown) -> Response {
    let desk = Desk::showing(shown);
    page(more_page(&desk.frame(), &MoreView::default()))
}

pub async fn account(shown: Shown) -> Response {
    let desk = Desk::showing(shown);
    let session = desk
        .app
        .ledger
        .state()
        .access
        .session(&desk.visitor.hash, desk.now)
        .cloned();
    let view = AccountView {
        name: desk.visitor.user.name.clone(),
        role: desk.visitor.user.role.as_str().to_owned(),
        logged_in: session.as_ref().map(|session| desk.at(session.began_at)),
        session_ends: session
            .as_ref()
            .map(|session| desk.at(session.began_at + SESSION_AGE_MAX)),
    };
    page(account_page(&desk.frame(), &view))
}

pub async fn ask_pause(shown: Shown) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    operators(&desk)?;
    let question = Question {
        title: "Pause sending?".into(),
        text: "Intake goes on and nothing is lost: what becomes due waits until someone resumes."
            .into(),
        concerned: Vec::new(),
        total: 0,
        action: "/pause".into(),
        fields: Vec::new(),
        button: "Pause sending".into(),
        back: "/".into(),
        destructive: false,
    };
    Ok(page(ask(&desk.frame(), &question)))
}

#[derive(Deserialize)]
pub struct Nothing {}

pub async fn pause(posted: Posted<Nothing>) -> Result<Response, Wrong> {
    set_paused(posted, true).await
}

pub async fn resume(posted: Posted<Nothing>) -> Result<Response, Wrong> {
    set_paused(posted, false).await
}

async fn set_paused(posted: Posted<Nothing>, paused: bool) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let changed = operate::set_paused(&desk.app.ledger, paused, &desk.visitor.by()).await;
    let (tone, words) = match (changed, paused) {
        (Err(error), _) => return desk.tell_why_not("/", error),
        (Ok(true), true) => (Tone::Good, "Paused: nothing is sent until someone resumes."),
        (Ok(true), false) => (Tone::Good, "Resumed: what is due is sent now."),
        (Ok(false), true) => (
            Tone::Note,
            "Nothing was changed: sending was paused already.",
        ),
        (Ok(false), false) => (Tone::Note, "Nothing was changed: sending was not paused."),
    };
    Ok(desk.tell("/", Flash::new(tone, words)))
}
