//! The pages behind the login: the state and the log, put into the views of `notify-web`.
//!
//! **Invariant:** a page shows what the API answers. It is filled from the same shapes
//! ([`crate::shell::views`]), so the two never tell different things.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use notify_web::{Flash, Frame, Markup, Moment, Paused};
use serde_json::Value;

use super::front::Front;
use super::problem::Problem;
use super::session::{Shown, Visitor};
use crate::domain::event::Event;
use crate::domain::spec::EntityKind;
use crate::shell::app::App;
use crate::shell::operate::OperateError;
use crate::shell::views::{Cursor, ViewError};

mod asked;
mod bots;
mod collections;
mod configured;
mod deliveries;
mod held;
mod log;
mod notices;
mod overview;
mod parked;
mod pictures;
mod search;
mod settings;
mod snoozes;
mod told;

/// Rows of a list on one page.
const ROWS: usize = 50;

/// Adds the pages to the program's routes.
pub fn routes(router: Router<Arc<Front>>) -> Router<Arc<Front>> {
    router
        .route("/", get(overview::dashboard))
        .route("/more", get(overview::more))
        .route("/account", get(overview::account))
        .route("/pause", get(overview::ask_pause).post(overview::pause))
        .route("/resume", post(overview::resume))
        .route("/notices", get(notices::list))
        .route("/notices/{id}", get(notices::one))
        .route(
            "/notices/{id}/resend",
            get(notices::ask_resend).post(notices::resend),
        )
        .route(
            "/notices/{id}/items/{n}/thumbnail",
            get(pictures::thumbnail),
        )
        .route("/notices/{id}/ack", post(snoozes::acknowledge))
        .route("/snoozes", get(snoozes::list).post(snoozes::mute))
        .route("/snoozes/{id}/end", post(snoozes::end))
        .route("/inbox", get(notices::inbox))
        .route("/search", get(search::find))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{id}/retry", post(deliveries::retry))
        .route(
            "/deliveries/{id}/drop",
            get(deliveries::ask_drop).post(deliveries::abandon),
        )
        .route(
            "/deliveries/{id}/confirm",
            get(deliveries::ask_confirm).post(deliveries::confirm),
        )
        .route("/deliveries/{id}/release", post(deliveries::release))
        .route(
            "/deliveries/{id}/move",
            get(deliveries::ask_move).post(deliveries::put_off),
        )
        .route("/held", get(held::list))
        .route("/held/ask", get(held::ask))
        .route("/held/{action}", post(held::operate))
        .route("/parked", get(parked::list))
        .route("/parked/ask", get(parked::ask))
        .route("/parked/{action}", post(parked::operate))
        .route("/providers", get(configured::providers))
        .route("/providers/{name}", get(configured::provider))
        .route("/providers/{name}/collections", get(collections::choose))
        .route("/providers/{name}/test", post(configured::test_provider))
        .route("/targets", get(configured::targets))
        .route("/targets/{name}", get(configured::target))
        .route("/targets/{name}/test", post(configured::test_target))
        .route("/bots", get(bots::list))
        .route("/bots/{name}", get(bots::one))
        .route("/bots/{name}/test", post(bots::test))
        .route("/bots/{name}/discover", post(bots::discover))
        .route("/settings", get(settings::show))
        .route("/settings/compact", post(settings::compact))
        .route("/log", get(log::list))
        .route("/log/{position}", get(log::one))
}

/// What every page is made with: who looks, when, and in which zone.
struct Desk {
    app: Arc<App>,
    visitor: Visitor,
    zone: TimeZone,
    /// Microseconds since 1970.
    now: i64,
    /// What came of the form before this page.
    flash: Vec<Flash>,
}

impl Desk {
    fn new(app: Arc<App>, visitor: Visitor) -> Self {
        let zone = app.ledger.state().configuration.zone().clone();
        let now = app.clock.now();
        Desk {
            app,
            visitor,
            zone,
            now,
            flash: Vec::new(),
        }
    }

    /// For a page that is shown: it tells what came of the form before it.
    fn showing(shown: Shown) -> Self {
        Desk {
            flash: shown.flash,
            ..Desk::new(shown.app, shown.visitor)
        }
    }

    fn frame(&self) -> Frame {
        let (is_paused, parked) = {
            let state = self.app.ledger.state();
            (state.outbox.paused, state.outbox.parked.len() as u64)
        };
        Frame {
            base: String::new(),
            user: Some(self.visitor.user.name.clone()),
            can_operate: self.visitor.can_operate(),
            csrf: self.visitor.csrf.clone(),
            paused: is_paused.then(|| self.paused()).flatten(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            parked,
            flash: self.flash.clone(),
        }
    }

    /// Who paused, and when: the newest event that says so, looked for within a bound.
    fn paused(&self) -> Option<Paused> {
        const LOOKED_AT: usize = 1_000;
        let reader = self.app.ledger.reader();
        let events = reader.page_back(reader.next_position(), LOOKED_AT).ok()?;
        let found = events
            .into_iter()
            .find_map(|recorded| match recorded.payload {
                Event::SendingPaused { by } => Some((by, recorded.recorded_at)),
                _ => None,
            });
        let (by, at) = found.unwrap_or_else(|| ("someone".to_owned(), self.app.started_at));
        Some(Paused {
            by,
            since: self.at(at),
        })
    }

    /// A moment in microseconds, as people read it.
    fn at(&self, micros: i64) -> Moment {
        let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = at.to_zoned_datetime(self.zone.clone());
        let now = Timestamp::from_microsecond(self.now).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        let place = self
            .zone
            .iana_name()
            .and_then(|name| name.rsplit('/').next())
            .unwrap_or("UTC")
            .replace('_', " ");
        let clock = local.strftime("%H:%M");
        let absolute = if local.date() == today {
            format!("{clock} {place}")
        } else {
            format!("{} {clock} {place}", local.strftime("%-d %b %Y"))
        };
        Moment {
            at: at.to_string(),
            relative: notify_web::view::relative(self.now.div_euclid(1_000_000), at.as_second()),
            absolute,
        }
    }

    /// A moment of an answer's field.
    fn moment(&self, value: &Value) -> Option<Moment> {
        let at: Timestamp = value.as_str()?.parse().ok()?;
        Some(self.at(at.as_microsecond()))
    }

    /// Names of what is configured, for the choices of a filter.
    fn names(&self, kind: EntityKind) -> Vec<String> {
        let state = self.app.ledger.state();
        let names = state
            .configuration
            .names
            .keys()
            .filter(|(of, _)| *of == kind);
        names.map(|(_, name)| name.clone()).collect()
    }

    /// Where senders reach this program: the public address, else the one the visitor used.
    fn base(&self, front: &Front, headers: &HeaderMap) -> String {
        let configured = self
            .app
            .ledger
            .state()
            .configuration
            .settings
            .public_url
            .clone();
        front
            .options
            .public_url
            .clone()
            .or(configured)
            .unwrap_or_else(|| {
                let host = headers
                    .get(header::HOST)
                    .and_then(|host| host.to_str().ok());
                format!("http://{}", host.unwrap_or("localhost"))
            })
    }
}

fn page(markup: Markup) -> Response {
    Html(markup.into_string()).into_response()
}

/// A text of a shape; empty when it is not there.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn cursor(text: Option<&String>) -> Result<Option<Cursor>, Wrong> {
    text.filter(|text| !text.is_empty())
        .map(|text| text.parse::<Cursor>())
        .transpose()
        .map_err(|_| {
            Wrong(Problem::new(
                StatusCode::NOT_FOUND,
                "there is no such page of the list",
            ))
        })
}

/// Why a page is not shown.
pub struct Wrong(pub Problem);

impl From<ViewError> for Wrong {
    fn from(error: ViewError) -> Self {
        Wrong(error.into())
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Wrong(problem)
    }
}

impl From<crate::shell::ledger::LedgerError> for Wrong {
    fn from(error: crate::shell::ledger::LedgerError) -> Self {
        Wrong(error.into())
    }
}

impl From<OperateError> for Wrong {
    fn from(error: OperateError) -> Self {
        Wrong(error.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        // Further out it is told as a page to who reads HTML; see `door`.
        self.0.into_response()
    }
}

/// Only for who may operate.
fn operators(desk: &Desk) -> Result<(), Wrong> {
    if desk.visitor.can_operate() {
        return Ok(());
    }
    let detail = "this needs the role editor; ask someone who has it";
    Err(Problem::new(StatusCode::FORBIDDEN, detail).into())
}
