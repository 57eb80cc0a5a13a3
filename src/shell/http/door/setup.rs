//! The first admin: a link that only the one who started the program has, traded for a cookie.
//!
//! **Invariant:** the secrets of the link and of the cookie are not kept, only their hashes, in
//! memory. Who makes the account is settled by the ledger: of two that race, one is refused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use notify_web::pages::access::{self, SetupView};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{CameFromUs, begin, door_frame, form_of, small_cookie, with_cookie};
use crate::domain::command::{Command, PutUser, Refusal, UserCondition};
use crate::domain::event::Role;
use crate::shell::app::App;
use crate::shell::http::front::Front;
use crate::shell::http::problem::Problem;
use crate::shell::http::session;
use crate::shell::ledger::{LedgerError, Priority};
use crate::shell::passwords::{PASSWORD_CHARS_MIN, PasswordError};

/// How long the link is good.
pub const LINK_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the cookie is good that it is traded for; then the link is good again.
pub const PASS_AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// Wrong secrets a minute; further tries are refused unseen until the minute is over.
pub const WRONG_TRIES_MAX: usize = 10;
const WRONG_TRIES_SPAN: Duration = Duration::from_secs(60);
/// The name of the cookie, after the session's.
const PASS: &str = "setup";

/// What a request at `/setup` proves.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Good,
    Wrong,
    /// The link was traded already, in another browser, for so long.
    Traded(Duration),
    /// Too many were wrong; the wait.
    TooMany(Duration),
}

#[derive(Default)]
pub struct SetupLink(Mutex<Link>);

#[derive(Default)]
struct Link {
    /// The hash of the secret, and until when it is good.
    secret: Option<([u8; 32], Duration)>,
    pass: Option<([u8; 32], Duration)>,
    wrong: VecDeque<Duration>,
}

/// Whether the proof is the one that is kept, and still good.
fn fits(kept: Option<([u8; 32], Duration)>, given: &str, now: Duration) -> bool {
    let hash = session::secret_hash(given);
    kept.is_some_and(|(kept, until)| bool::from(kept.ct_eq(&hash)) && now < until)
}

impl SetupLink {
    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new secret. The one before it is good no more.
    pub fn issue(&self, now: Duration) -> Zeroizing<String> {
        let (secret, hash) = session::new_secret();
        let mut link = self.link();
        link.secret = Some((hash, now + LINK_AGE_MAX));
        link.pass = None;
        secret
    }

    /// Trades the link's secret for the secret of a cookie.
    fn trade(&self, secret: &str, pass: &str, now: Duration) -> (Proof, Zeroizing<String>) {
        let mut link = self.link();
        let begin = now.saturating_sub(WRONG_TRIES_SPAN);
        link.wrong
            .retain(|at| now < WRONG_TRIES_SPAN || *at > begin);
        let nothing = Zeroizing::default();
        if let Some(first) = link.wrong.front()
            && link.wrong.len() >= WRONG_TRIES_MAX
        {
            let wait = (*first + WRONG_TRIES_SPAN).saturating_sub(now);
            return (Proof::TooMany(wait), nothing);
        }
        if !fits(link.secret, secret, now) {
            link.wrong.push_back(now);
            return (Proof::Wrong, nothing);
        }
        if let Some((_, until)) = link.pass
            && now < until
            && !fits(link.pass, pass, now)
        {
            return (Proof::Traded(until.saturating_sub(now)), nothing);
        }
        let (secret, hash) = session::new_secret();
        link.pass = Some((hash, now + PASS_AGE_MAX));
        (Proof::Good, secret)
    }

    fn has_pass(&self, pass: &str, now: Duration) -> bool {
        fits(self.link().pass, pass, now)
    }

    /// Nothing opens it any more.
    fn close(&self) {
        *self.link() = Link::default();
    }
}

/// `/setup` exists only until there is an admin.
fn open_app(front: &Front) -> Result<Arc<App>, Problem> {
    let app = Arc::clone(front.app()?);
    if app.ledger.state().access.has_admin() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no page /setup; an admin exists already",
        ));
    }
    Ok(app)
}

fn refused(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn pass_of(headers: &HeaderMap, is_https: bool) -> &str {
    session::cookie(headers, &small_cookie(PASS, is_https)).unwrap_or_default()
}

#[derive(Deserialize)]
pub struct Opened {
    secret: Option<String>,
}

pub async fn show(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    Query(query): Query<Opened>,
) -> Result<Response, Problem> {
    let app = open_app(&front)?;
    let is_https = session::is_https(&front, &app);
    let now = app.clock.monotonic();
    let pass = pass_of(&headers, is_https);
    let Some(secret) = query.secret.map(Zeroizing::new) else {
        if !front.door.setup.has_pass(pass, now) {
            return Err(refused(
                "this page opens only to the setup link, which `serve` prints at its start; starting it again prints a new one",
            ));
        }
        return Ok(page(pass, &SetupView::default(), StatusCode::OK));
    };
    let (proof, pass) = front.door.setup.trade(&secret, pass, now);
    match proof {
        Proof::Good => {
            let seconds = i64::try_from(PASS_AGE_MAX.as_secs()).unwrap_or(0);
            let cookie =
                session::set_cookie(&small_cookie(PASS, is_https), &pass, is_https, seconds);
            // The secret does not stay in the address, nor go on as a referrer.
            let response = Redirect::to("/setup").into_response();
            Ok(with_cookie(response, cookie))
        }
        Proof::Wrong => Err(refused(
            "this is not the setup link of this start, or it is older than 24 h; starting the program again prints a new one",
        )),
        Proof::Traded(wait) => Err(refused(&format!(
            "the setup link is in use in another browser; it opens again in {} min, and starting the program again prints a new one",
            wait.as_secs().div_ceil(60)
        ))),
        Proof::TooMany(wait) => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong setup links; wait a minute",
        )
        .retry_after(wait.as_secs().max(1))),
    }
}

fn page(pass: &str, view: &SetupView, status: StatusCode) -> Response {
    let view = SetupView {
        password_min: PASSWORD_CHARS_MIN as u32,
        ..view.clone()
    };
    let frame = door_frame(session::csrf_of(pass));
    super::html(status, &access::setup(&frame, &view))
}

#[derive(Deserialize)]
struct NewAdmin {
    name: String,
    password: Zeroizing<String>,
    password_again: Zeroizing<String>,
    csrf: String,
}

pub async fn create(
    State(front): State<Arc<Front>>,
    _: CameFromUs,
    request: Request,
) -> Result<Response, Problem> {
    let app = open_app(&front)?;
    let is_https = session::is_https(&front, &app);
    let pass = Zeroizing::new(pass_of(request.headers(), is_https).to_owned());
    let form: NewAdmin = form_of(request).await?;
    let csrf = session::csrf_of(&pass);
    if !front.door.setup.has_pass(&pass, app.clock.monotonic())
        || !session::is_same_csrf(&form.csrf, &csrf)
    {
        return Err(refused(
            "the form is too old or of another browser; open the setup link again",
        ));
    }
    let mut view = SetupView {
        name: form.name.clone(),
        ..SetupView::default()
    };
    let again = |view: &SetupView| Ok(page(&pass, view, StatusCode::UNPROCESSABLE_ENTITY));
    if form.password.as_bytes() != form.password_again.as_bytes() {
        view.again_error =
            Some("This is not the same as the password above. Write both again.".into());
        return again(&view);
    }
    let password_hash = match app.passwords.hash(form.password).await {
        Ok(hash) => hash,
        Err(error @ (PasswordError::TooShort | PasswordError::TooLong)) => {
            view.password_error = Some(error.to_string());
            return again(&view);
        }
        Err(error @ PasswordError::Failed(_)) => return Err(Problem::internal(&error)),
    };
    let put = PutUser {
        name: form.name.clone(),
        role: Some(Role::Owner),
        password_hash: Some(password_hash),
        only_if: UserCondition::NoAdmin,
        by: "setup".into(),
    };
    let command = Command::PutUser(Box::new(put));
    match app.ledger.command(Priority::People, command).await {
        Ok(_) => {}
        Err(LedgerError::Refused(Refusal::Invalid { message, .. })) => {
            view.name_error = Some(message);
            return again(&view);
        }
        Err(LedgerError::Refused(Refusal::Conflict(_))) => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "somebody else made the first account in the meantime; log in instead",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    front.door.setup.close();
    tracing::info!(user.name = form.name, "the first admin was made");
    let cookie = begin(&front, &app, &form.name).await?;
    let mut response = with_cookie(Redirect::to("/").into_response(), cookie);
    let gone = session::set_cookie(&small_cookie(PASS, is_https), "", is_https, 0);
    if let Some(gone) = gone {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_traded_once_at_a_time_and_ends() {
        let link = SetupLink::default();
        let at = Duration::from_secs;
        assert_eq!(
            link.trade("", "", at(0)).0,
            Proof::Wrong,
            "before it is made"
        );
        let secret = link.issue(at(0));
        let (proof, pass) = link.trade(&secret, "", at(1));
        assert_eq!(proof, Proof::Good);
        assert!(link.has_pass(&pass, at(2)));
        // Another browser has to wait, the same one may open it again.
        assert!(matches!(link.trade(&secret, "", at(2)).0, Proof::Traded(_)));
        assert_eq!(link.trade(&secret, &pass, at(2)).0, Proof::Good);
        assert!(!link.has_pass(&pass, at(3)), "the former cookie is spent");
        let later = at(3) + PASS_AGE_MAX;
        assert_eq!(link.trade(&secret, "", later).0, Proof::Good);
        assert_eq!(link.trade(&secret, "", LINK_AGE_MAX).0, Proof::Wrong);
        let anew = link.issue(LINK_AGE_MAX);
        assert_eq!(link.trade(&secret, "", LINK_AGE_MAX).0, Proof::Wrong);
        assert_eq!(link.trade(&anew, "", LINK_AGE_MAX).0, Proof::Good);
        link.close();
        assert_eq!(link.trade(&anew, "", LINK_AGE_MAX).0, Proof::Wrong);
    }

    #[test]
    fn wrong_links_are_counted_by_the_minute() {
        let link = SetupLink::default();
        let at = Duration::from_secs;
        let secret = link.issue(at(0));
        for second in 0..10 {
            assert_eq!(link.trade("no", "", at(second)).0, Proof::Wrong);
        }
        assert_eq!(
            link.trade(&secret, "", at(20)).0,
            Proof::TooMany(at(40)),
            "a right one is not looked at either"
        );
        assert_eq!(link.trade(&secret, "", at(61)).0, Proof::Good);
    }
}
