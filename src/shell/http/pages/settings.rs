//! Settings: what is kept for how long, what was removed, and removing now. For admins and owners.

use axum::http::StatusCode;
use axum::response::Response;
use notify_web::pages::settings::{self, Kept, Removed, SettingsView};
use notify_web::{Flash, Tone};
use serde_json::Value;

use super::overview::Nothing;
use super::{Desk, Wrong, page};
use crate::config::quantity::size_text;
use crate::domain::event::Role;
use crate::domain::spec::{KindRetention, ProviderRetention, RetentionSpec};
use crate::shell::http::api::start_compaction;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::views;

const HERE: &str = "/settings";

fn admins(desk: &Desk) -> Result<(), Wrong> {
    if desk.visitor.user.role >= Role::Admin {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "settings are shown to admins and owners",
    )
    .into())
}

/// "30 days, the newest 100": 0 is no bound.
fn bound(days: u32, most: u32) -> String {
    match (days, most) {
        (0, 0) => "For ever".to_owned(),
        (days, 0) => counted(days, "day"),
        (0, most) => format!("The newest {most}"),
        (days, most) => format!("{}, and of those the newest {most}", counted(days, "day")),
    }
}

fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn kept(what: impl Into<String>, bound: String) -> Kept {
    Kept {
        what: what.into(),
        bound,
    }
}

fn of_space(spec: &RetentionSpec) -> Vec<Kept> {
    let mut all = vec![
        kept(
            "Notices, per provider",
            bound(spec.notices_days, spec.notices_per_provider),
        ),
        kept(
            "Received bodies, per provider",
            bound(spec.bodies_days, spec.bodies_per_provider),
        ),
        kept(
            "All bodies together",
            match spec.bodies_bytes_max {
                0 => "Without a bound".to_owned(),
                bytes => format!("{}; the oldest go first", size_text(bytes)),
            },
        ),
        kept(
            "History of the configuration",
            bound(spec.configuration_days, 0),
        ),
    ];
    all.extend(
        spec.kinds
            .iter()
            .map(|(kind, rule)| of_kind("", kind, rule)),
    );
    all.push(kept("Runs at", spec.at.to_string()));
    all
}

fn of_kind(provider: &str, kind: &str, rule: &KindRetention) -> Kept {
    let what = match provider {
        "" => format!("Notices of kind {kind}"),
        provider => format!("Notices of kind {kind} of {provider}"),
    };
    kept(what, bound(rule.days, rule.most))
}

fn of_provider(name: &str, own: &ProviderRetention, space: &RetentionSpec) -> Vec<Kept> {
    let mut all = Vec::new();
    if own.notices_days.is_some() || own.notices_per_provider.is_some() {
        let days = own.notices_days.unwrap_or(space.notices_days);
        let most = own
            .notices_per_provider
            .unwrap_or(space.notices_per_provider);
        all.push(kept(format!("Notices of {name}"), bound(days, most)));
    }
    if own.bodies_days.is_some() || own.bodies_per_provider.is_some() {
        let days = own.bodies_days.unwrap_or(space.bodies_days);
        let most = own.bodies_per_provider.unwrap_or(space.bodies_per_provider);
        all.push(kept(format!("Bodies of {name}"), bound(days, most)));
    }
    all.extend(
        own.kinds
            .iter()
            .map(|(kind, rule)| of_kind(name, kind, rule)),
    );
    all
}

fn removed(desk: &Desk, shape: &Value) -> Removed {
    let number = |field: &str| shape[field].as_u64().unwrap_or(0);
    let bytes = number("bytes");
    Removed {
        at: desk.moment(&shape["at"]),
        families: number("families"),
        events: number("events"),
        bodies: number("bodies"),
        size: match bytes >> 20 {
            0 => format!("{} KiB", bytes.div_ceil(1 << 10)),
            mebibytes => format!("{mebibytes} MiB"),
        },
    }
}

pub async fn show(shown: Shown) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    admins(&desk)?;
    let progress = desk.app.compaction.progress();
    let (kept, shape) = {
        let state = desk.app.ledger.state();
        let space = state.configuration.settings.retention();
        let mut kept = of_space(&space);
        for provider in state.configuration.providers.values() {
            let own = provider.spec.retention.as_ref();
            kept.extend(
                own.map(|own| of_provider(&provider.spec.name, own, &space))
                    .unwrap_or_default(),
            );
        }
        (kept, views::retention(&state, &progress, desk.now))
    };
    let running = shape.get("running").map(|running| {
        let step = running["step"].as_str().unwrap_or_default();
        format!("{step}, {} of {}", running["done"], running["of"])
    });
    let view = SettingsView {
        kept,
        last: shape.get("last").map(|last| removed(&desk, last)),
        total: removed(&desk, &shape["removed"]),
        next: desk.moment(&shape["next"]),
        running,
        error: shape["ended"]["error"].as_str().map(str::to_owned),
    };
    Ok(page(settings::page_of(&desk.frame(), &view)))
}

pub async fn compact(posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    admins(&desk)?;
    let words = match start_compaction(&desk.app, desk.visitor.by()) {
        true => "What is not kept any more is being removed.",
        false => "A run is under way already.",
    };
    Ok(desk.tell(HERE, Flash::new(Tone::Good, words)))
}
