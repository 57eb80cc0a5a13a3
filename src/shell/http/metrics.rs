//! `/metrics`: numbers in the Prometheus text format, read when they are asked for.
//!
//! Everything counted is in the state or with who counted it already; nothing is kept twice, so
//! there is no registry. On loopback anybody may read; elsewhere a token with `read` and the role
//! owner.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::front::Front;
use super::problem::Problem;
use super::{Peer, address, auth};
use crate::domain::event::{Role, TokenScope};
use crate::projections::counts::Count;
use crate::projections::outbox::Status;
use crate::shell::app::App;
use crate::shell::http::front::Running;
use crate::shell::sessions::Talking;
use crate::shell::views::COPIED_ROWS_MAX;
use crate::wire;

pub async fn metrics(
    Shared(front): Shared<Arc<Front>>,
    Running(app): Running,
    peer: Peer,
    parts: Parts,
) -> Result<Response, Problem> {
    if !address::is_on_loopback(&peer, &parts.headers, &parts.uri) {
        let caller = auth::caller(&front, &app, &parts).await?;
        caller.may(Some(TokenScope::Read), Role::Owner)?;
    }
    let text = tokio::task::spawn_blocking(move || text(&front, &app))
        .await
        .map_err(|error| Problem::internal(&error))?;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// One family of numbers after the other.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn text(front: &Front, app: &App) -> String {
    let mut out = Text::default();
    let now = app.clock.now();
    let uptime = now.saturating_sub(app.started_at).max(0) as f64 / 1e6;
    let version = env!("CARGO_PKG_VERSION");
    out.family("notify_bridge_info", "gauge", "The program that answers.");
    out.sample("notify_bridge_info", &[("version", version)], 1);
    out.one(
        "notify_bridge_uptime_seconds",
        "gauge",
        "Time since the start.",
        uptime,
    );
    let ready = front.phase() == super::front::Phase::Ready;
    out.one(
        "notify_bridge_ready",
        "gauge",
        "Whether everything is answered.",
        u8::from(ready),
    );
    log(&mut out, app);
    totals(&mut out, app);
    open(&mut out, app);
    intake(&mut out, app);
    sessions(&mut out, app);
    out.0
}

fn log(out: &mut Text, app: &App) {
    let tally = app.ledger.tally();
    let position = app.ledger.state().position;
    out.one(
        "notify_bridge_log_position",
        "gauge",
        "Position of the newest event.",
        position,
    );
    out.one(
        "notify_bridge_commits_total",
        "counter",
        "Transactions since the start.",
        tally.commits,
    );
    let name = "notify_bridge_events_total";
    out.family(name, "counter", "Events since the start, by kind.");
    for (number, _, kind) in wire::KINDS {
        let count = tally.events.get(usize::from(*number)).copied().unwrap_or(0);
        out.sample(name, &[("kind", kind)], count);
    }
    let attempts = wire::KINDS
        .iter()
        .find(|(_, _, kind)| *kind == "attempt_started")
        .and_then(|(number, ..)| tally.events.get(usize::from(*number)));
    out.one(
        "notify_bridge_attempts_total",
        "counter",
        "Attempts since the start, all parts together.",
        attempts.copied().unwrap_or(0),
    );
    let name = "notify_bridge_waiting_commands";
    out.family(name, "gauge", "Commands that wait to be decided.");
    let queues = ["outcomes", "people", "intake", "maintenance"];
    for (queue, count) in queues.iter().zip(app.ledger.waiting()) {
        out.sample(name, &[("queue", queue)], count);
    }
    out.one(
        "notify_bridge_disk_low",
        "gauge",
        "Whether intake is refused for want of disk space.",
        u8::from(app.ledger.is_disk_low()),
    );
}

/// Counts of all days, from the projection, a few rows per look.
fn totals(out: &mut Text, app: &App) {
    let mut total = Count::default();
    let mut after = std::ops::Bound::Unbounded;
    loop {
        let state = app.ledger.state();
        let rows = state.counts.days.range((after, std::ops::Bound::Unbounded));
        let mut last = None;
        for (key, count) in rows.take(COPIED_ROWS_MAX) {
            total.add(count);
            last = Some(*key);
        }
        let Some(last) = last else { break };
        after = std::ops::Bound::Excluded(last);
    }
    let name = "notify_bridge_notices_total";
    out.one(
        name,
        "counter",
        "Notices accepted, of all time.",
        total.notices,
    );
    let name = "notify_bridge_deliveries_total";
    out.family(
        name,
        "counter",
        "Deliveries settled, of all time, by outcome.",
    );
    out.sample(name, &[("outcome", "sent")], total.sent);
    out.sample(name, &[("outcome", "dropped")], total.dropped);
}

fn open(out: &mut Text, app: &App) {
    let (statuses, paused) = open_by_status(app);
    let name = "notify_bridge_open_deliveries";
    out.family(name, "gauge", "Deliveries not settled, by status.");
    for (status, count) in statuses {
        out.sample(name, &[("status", status.as_str())], count);
    }
    out.one(
        "notify_bridge_paused",
        "gauge",
        "Whether a person stopped sending.",
        u8::from(paused),
    );
    let failing: Vec<(String, u32)> = {
        let state = app.ledger.state();
        state
            .health
            .targets
            .iter()
            .filter(|(_, health)| health.failing_since.is_some())
            .take(COPIED_ROWS_MAX)
            .filter_map(|(id, health)| {
                let target = state.configuration.targets.get(id)?;
                Some((target.entity.spec.name.clone(), health.failures_in_a_row))
            })
            .collect()
    };
    out.one(
        "notify_bridge_failing_targets",
        "gauge",
        "Targets whose last attempt failed.",
        failing.len(),
    );
    let name = "notify_bridge_target_failures_in_a_row";
    out.family(
        name,
        "gauge",
        "Failures since the last success, of targets that fail.",
    );
    for (target, failures) in failing {
        out.sample(name, &[("target", &target)], failures);
    }
}

/// Open deliveries by status, counted a few per look, and whether sending is paused.
fn open_by_status(app: &App) -> (Vec<(Status, usize)>, bool) {
    let open = [
        Status::Due,
        Status::Held,
        Status::Sending,
        Status::Retrying,
        Status::Parked,
        Status::Unknown,
    ];
    let mut counts: Vec<(Status, usize)> = open.map(|status| (status, 0)).into();
    let mut after = std::ops::Bound::Unbounded;
    let mut paused;
    loop {
        let state = app.ledger.state();
        paused = state.outbox.paused;
        let rows = state
            .outbox
            .deliveries
            .range((after, std::ops::Bound::Unbounded));
        let mut last = None;
        for (key, delivery) in rows.take(COPIED_ROWS_MAX) {
            if let Some((_, count)) = counts.iter_mut().find(|(s, _)| *s == delivery.status) {
                *count += 1;
            }
            last = Some(*key);
        }
        let Some(last) = last else { break };
        after = std::ops::Bound::Excluded(last);
    }
    (counts, paused)
}

fn intake(out: &mut Text, app: &App) {
    let names: Vec<String> = {
        let state = app.ledger.state();
        let providers = state.configuration.providers.values();
        providers
            .take(COPIED_ROWS_MAX)
            .map(|provider| provider.spec.name.clone())
            .collect()
    };
    let name = "notify_bridge_intake_requests_total";
    out.family(
        name,
        "counter",
        "Requests to a provider's intake since the start, by what became of them.",
    );
    for provider in names {
        let heard = app.sources.heard(&provider);
        for (result, count) in [
            ("verified", heard.verified),
            ("refused", heard.refused),
            ("unreadable", heard.unreadable),
            ("duplicate", heard.duplicates),
            ("rate_limited", heard.rate_limited),
        ] {
            out.sample(name, &[("provider", &provider), ("result", result)], count);
        }
    }
}

/// Of providers that tell over a connection that stays open.
fn sessions(out: &mut Text, app: &App) {
    let having: Vec<(u32, String)> = {
        let state = app.ledger.state();
        let providers = state.configuration.providers.values();
        let having = providers.filter(|provider| {
            provider.spec.enabled && crate::shell::sessions::kinds(&provider.spec.kind).is_some()
        });
        having
            .take(COPIED_ROWS_MAX)
            .map(|provider| (provider.id, provider.spec.name.clone()))
            .collect()
    };
    let talking: Vec<(String, Talking)> = having
        .into_iter()
        .map(|(id, name)| (name, app.sessions.talking(id)))
        .collect();
    type Number = fn(&Talking) -> u64;
    let families: [(&str, &str, &str, Number); 5] = [
        (
            "notify_bridge_session_works",
            "gauge",
            "Whether there is a session with a provider, and it works.",
            |talking| u64::from(talking.works),
        ),
        (
            "notify_bridge_session_messages_total",
            "counter",
            "Messages that came over sessions since the start.",
            |talking| talking.messages,
        ),
        (
            "notify_bridge_session_left_out_total",
            "counter",
            "Messages of sessions that came faster than they were folded, since the start.",
            |talking| talking.left_out,
        ),
        (
            "notify_bridge_session_reconnects_total",
            "counter",
            "Sessions after a provider's first, since the start.",
            Talking::reconnects,
        ),
        (
            "notify_bridge_session_failures_in_a_row",
            "gauge",
            "Failures since a session with a provider last worked.",
            |talking| u64::from(talking.failures_in_a_row),
        ),
    ];
    for (name, kind, help, number) in families {
        out.family(name, kind, help);
        for (provider, talking) in &talking {
            out.sample(name, &[("provider", provider)], number(talking));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut out = Text::default();
        out.family("a_total", "counter", "Things.");
        out.sample("a_total", &[("name", "a\"b\\c\nd"), ("x", "y")], 3);
        assert_eq!(
            out.0,
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{name=\"a\\\"b\\\\c\\nd\",x=\"y\"} 3\n"
        );
    }
}
