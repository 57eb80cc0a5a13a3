//! `/apply` and `/export`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Json, Params, blocking, invalid};
use crate::config::Source;
use crate::domain::event::Role;
use crate::shell::configure::{self, ConfigureError};
use crate::shell::http::auth::{Administering, May};
use crate::shell::http::problem::Problem;

/// The file name under which a text over HTTP is remembered, unless it says another.
pub const FILE_DEFAULT: &str = "api";
/// Longest name of a file, in bytes.
const FILE_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    text: Zeroizing<String>,
    /// Which file the entities are managed by.
    file: Option<String>,
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    dry_run: bool,
}

pub async fn apply(may: May<Administering>, Json(apply): Json<Apply>) -> Result<Response, Problem> {
    let file = apply.file.as_deref().unwrap_or(FILE_DEFAULT);
    if file.is_empty() || file.len() > FILE_BYTES_MAX || file.contains(char::is_control) {
        return Err(invalid("file", "is not the name of a file"));
    }
    let sources = [Source {
        file,
        text: &apply.text,
    }];
    let by = may.caller.by();
    let (ledger, vault) = (&may.app.ledger, &may.app.vault);
    // References to variables and files would read this machine's: there are none over HTTP.
    let applied = configure::apply(
        ledger,
        vault,
        &sources,
        None,
        apply.prune,
        apply.dry_run,
        &by,
    )
    .await?;
    let plan: Vec<String> = applied
        .plan
        .changes
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(super::json(json!({
        "plan": plan,
        "changes": plan.len(),
        "dry_run": apply.dry_run,
        "written": applied.written,
    })))
}

impl From<ConfigureError> for Problem {
    fn from(error: ConfigureError) -> Self {
        match error {
            ConfigureError::Ledger(error) => error.into(),
            ConfigureError::Problems(problems) => {
                let detail = match problems.as_slice() {
                    [one] => one.to_string(),
                    many => format!("there are {} problems in the text", many.len()),
                };
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                problems.into_iter().fold(problem, |problem, found| {
                    let field = match found.field.as_str() {
                        "" => "text".to_owned(),
                        field => field.to_owned(),
                    };
                    let place = format!("line {}, column {}", found.line, found.column);
                    problem.field(field, format!("{} ({place})", found.message))
                })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    secrets: Option<String>,
}

pub async fn export(
    may: May<Administering>,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let plain = match params.secrets.as_deref() {
        None | Some("omit") => false,
        Some("plain") => true,
        Some("sealed") => {
            return Err(invalid(
                "secrets",
                "sealed is not available yet; take omit or plain",
            ));
        }
        Some(_) => return Err(invalid("secrets", "is one of omit, plain")),
    };
    if plain {
        may.caller.may(None, Role::Owner)?;
        tracing::warn!(
            by = may.caller.by(),
            "the configuration was exported with its secrets"
        );
    }
    blocking(move || {
        let text = configure::export(&may.app.ledger, &may.app.vault, plain);
        Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
    })
    .await
}
