//! `/compact`: applying retention now, and how far it is.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::notices::Nothing;
use super::{MaybeJson, accepted, json};
use crate::shell::app::App;
use crate::shell::compaction::Step;
use crate::shell::http::auth::{Administering, May};
use crate::shell::http::problem::Problem;
use crate::shell::views;

fn shape(app: &App) -> serde_json::Value {
    let progress = app.compaction.progress();
    views::retention(&app.ledger.state(), &progress, app.clock.now())
}

pub async fn show(may: May<Administering>) -> Response {
    json(shape(&may.app))
}

/// Starts a run and says that it has; `GET` says how far it is.
pub async fn compact(
    may: May<Administering>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    if !start(&may.app, may.caller.by()) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "compaction is under way already; GET /api/v1/compact says how far it is",
        ));
    }
    Ok(accepted(shape(&may.app)))
}

/// Starts a run of compaction beside everything else; says whether none was under way.
pub(in crate::shell::http) fn start(app: &Arc<App>, by: String) -> bool {
    if app.compaction.progress().step != Step::Resting {
        return false;
    }
    app.compaction.begin();
    let app = Arc::clone(app);
    tokio::spawn(async move {
        // How it ended is logged, and kept with its progress.
        let _ended = app.compaction.run(&by).await;
    });
    true
}
