//! `/snapshots`.

use axum::response::Response;
use serde::Deserialize;

use super::{MaybeJson, Params, blocking, json};
use crate::shell::http::auth::{May, Owning, ReadingAsOwner};
use crate::shell::http::problem::Problem;
use crate::shell::views;

/// Nothing may be asked.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

pub async fn list(
    may: May<ReadingAsOwner>,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Response, Problem> {
    blocking(move || Ok(json(views::snapshots(&may.app.snapshots.list()).json()))).await
}

pub async fn create(
    may: May<Owning>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    match may.app.snapshots.make().await {
        Ok(made) => Ok(json(views::snapshot_made(&made))),
        Err(error) => Err(Problem::internal(&error)),
    }
}
