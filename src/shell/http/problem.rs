//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::command::Refusal;
use crate::shell::ledger::LedgerError;
use crate::shell::operate::OperateError;

/// What a caller is told when something did not work. What the log gets is another matter.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub title: String,
    pub detail: String,
    /// (field, message) for input that was refused.
    pub errors: Vec<(String, String)>,
    /// Seconds, for `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            status,
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.push((field.into(), message.into()));
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn not_found(what: &str, name: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no {what} {name}"))
    }

    /// Something failed inside. The cause goes to the log under the request id, not to the caller.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %crate::shell::ledger::Causes(error), "a request failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "it failed inside; the log says more under this request id",
        )
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refusal) => refusal.into(),
            LedgerError::Saturated | LedgerError::Failed | LedgerError::Stopping => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(5)
            }
            LedgerError::DiskLow => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(60)
            }
        }
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::View(error) => error.into(),
            OperateError::Ledger(error) => error.into(),
            OperateError::Lost => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Invalid { field, message } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).field(field, message)
            }
            Refusal::NotFound { .. } => Problem::new(StatusCode::NOT_FOUND, detail),
            Refusal::Exists { .. } | Refusal::Conflict(_) | Refusal::NotClaimable(_) => {
                Problem::new(StatusCode::CONFLICT, detail)
            }
            Refusal::InUse { consumers, .. } => {
                let mut problem = Problem::new(StatusCode::CONFLICT, detail);
                problem.errors = consumers
                    .into_iter()
                    .map(|name| ("consumer".to_owned(), name))
                    .collect();
                problem
            }
            Refusal::Outdated => Problem::new(StatusCode::PRECONDITION_FAILED, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|(field, message)| json!({"field": field, "message": message}))
            .collect();
        let mut body = json!({
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !errors.is_empty() {
            body["errors"] = errors.into();
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Pages are made of it further out; see `door`.
        response.extensions_mut().insert(self);
        response
    }
}
