//! Logging in and out.
//!
//! **Invariant:** an answer to a wrong login says the same and takes the same work whether the name
//! is known or not.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use notify_web::pages::access::{self, LoginTrouble, LoginView};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CameFromUs, begin, door_frame, form_of, small_cookie, with_cookie};
use crate::domain::command::Command;
use crate::shell::http::Peer;
use crate::shell::http::address;
use crate::shell::http::front::{Front, Running};
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{self, Posted};
use crate::shell::ledger::Priority;

/// How long the login form is good.
const FORM_AGE_SECONDS: i64 = 60 * 60;
/// The name of its cookie, after the session's.
const FORM: &str = "login";
/// What the password of an unknown name is held against: the work is that of a known one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUuLg$bm9ib2R5IGhhcyB0aGlzIGhhc2gsIG5vciBldmVyIGg";

#[derive(Deserialize)]
pub struct Back {
    next: Option<String>,
}

pub async fn show(
    State(front): State<Arc<Front>>,
    Running(app): Running,
    headers: HeaderMap,
    Query(query): Query<Back>,
) -> Response {
    let next = session::safe_next(query.next.as_deref());
    if session::visitor(&front, &app, &headers).is_some() {
        return Redirect::to(next).into_response();
    }
    let is_https = session::is_https(&front, &app);
    // Someone whose cookie is not known any more was logged in before.
    let was_here = session::cookie(&headers, session::cookie_name(is_https)).is_some();
    let view = LoginView {
        next: next.to_owned(),
        trouble: was_here.then_some(LoginTrouble::Ended),
        ..LoginView::default()
    };
    page(&headers, is_https, &view, StatusCode::OK)
}

/// The page, with the form's cookie. One that is there is kept, so that two tabs both work.
fn page(headers: &HeaderMap, is_https: bool, view: &LoginView, status: StatusCode) -> Response {
    let name = small_cookie(FORM, is_https);
    let secret = match session::cookie(headers, &name) {
        Some(secret) if session::is_secret(secret) => Zeroizing::new(secret.to_owned()),
        Some(_) | None => session::new_secret().0,
    };
    let frame = door_frame(session::csrf_of(&secret));
    let response = super::html(status, &access::login(&frame, view));
    with_cookie(
        response,
        session::set_cookie(&name, &secret, is_https, FORM_AGE_SECONDS),
    )
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: Zeroizing<String>,
    #[serde(default)]
    next: Option<String>,
    csrf: String,
}

pub async fn log_in(
    State(front): State<Arc<Front>>,
    Running(app): Running,
    peer: Peer,
    _: CameFromUs,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let is_https = session::is_https(&front, &app);
    let form: Login = form_of(request).await?;
    let secret = session::cookie(&headers, &small_cookie(FORM, is_https)).unwrap_or_default();
    let csrf = session::csrf_of(secret);
    if !session::is_secret(secret) || !session::is_same_csrf(&form.csrf, &csrf) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the form is too old or of another browser; open /login again",
        ));
    }
    let next = session::safe_next(form.next.as_deref());
    let mut view = LoginView {
        name: form.name.clone(),
        next: next.to_owned(),
        trouble: None,
    };
    let from = address::client(&peer, &headers, &front.options.trusted_proxies);
    let throttle = &front.door.throttle;
    if let Err(wait) = throttle.admit(&form.name, from, app.clock.monotonic()) {
        let seconds = whole_seconds(wait);
        view.trouble = Some(LoginTrouble::Throttled {
            wait: format!("{seconds} s"),
        });
        let mut response = page(&headers, is_https, &view, StatusCode::TOO_MANY_REQUESTS);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
        return Ok(response);
    }
    let user = app.ledger.state().access.user(&form.name).cloned();
    let hash = user
        .as_ref()
        .map_or_else(|| NOBODY.to_owned(), |user| user.password_hash.clone());
    let is_right = app
        .passwords
        .verify(form.password, hash)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let Some(user) = user.filter(|_| is_right) else {
        tracing::warn!(client = %from, "a login was refused");
        view.trouble = Some(LoginTrouble::Wrong);
        return Ok(page(&headers, is_https, &view, StatusCode::FORBIDDEN));
    };
    throttle.succeeded(&form.name, from, app.clock.monotonic());
    if let Some(before) = session::visitor(&front, &app, &headers) {
        let end = Command::EndSession { hash: before.hash };
        app.ledger.command(Priority::People, end).await?;
    }
    let cookie = begin(&front, &app, &user.name).await?;
    let mut response = with_cookie(Redirect::to(next).into_response(), cookie);
    let gone = session::set_cookie(&small_cookie(FORM, is_https), "", is_https, 0);
    if let Some(gone) = gone {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(1)
}

/// The form carries nothing but the session's token.
#[derive(Deserialize)]
pub struct Nothing {}

pub async fn log_out(
    State(front): State<Arc<Front>>,
    posted: Posted<Nothing>,
) -> Result<Response, Problem> {
    let app = &posted.app;
    let hash = posted.visitor.hash;
    app.ledger
        .command(Priority::People, Command::EndSession { hash })
        .await?;
    let is_https = session::is_https(&front, app);
    let gone = session::set_cookie(session::cookie_name(is_https), "", is_https, 0);
    Ok(with_cookie(Redirect::to("/login").into_response(), gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::passwords;

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let parameters = |hash: &str| {
            let parts: Vec<&str> = hash.split('$').collect();
            let lengths: Vec<usize> = parts[4..].iter().map(|part| part.len()).collect();
            (parts[..4].join("$"), lengths)
        };
        let known = passwords::hash_now("correct horse").unwrap();
        assert_eq!(parameters(NOBODY), parameters(&known));
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok());
        assert!(!passwords::verify_now("correct horse", NOBODY));
    }

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(8)), 8);
    }
}
