//! Who looks at a page: the session of a cookie, and the token that its forms carry.
//!
//! **Invariant:** the token of a form is written differently in every answer, so that its bytes cannot
//! be guessed one by one from how well a page compresses.
//!
//! **Invariant:** a page that changes something takes a [`Posted`] form, which is made only when the
//! request came from one of our own pages and carries the session's token.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use notify_web::Flash;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::front::Front;
use super::problem::Problem;
use crate::domain::command::Command;
use crate::domain::event::{Role, User};
use crate::projections::access::{SESSION_AGE_MAX, SESSION_NOTED_EVERY};
use crate::shell::app::App;
use crate::shell::entropy::{Entropy, SystemEntropy};
use crate::shell::ledger::{LedgerError, Priority};

/// Random bytes of a session's secret.
const SECRET_BYTES: usize = 32;
/// Bytes of the token of its forms: a hash.
const CSRF_BYTES: usize = 32;
/// Largest form.
pub const FORM_BYTES_MAX: usize = 256 * 1024;

/// Name of the cookie: with a public https address browsers hold it to this very host.
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-notify_bridge"
    } else {
        "notify_bridge"
    }
}

/// Whether the public address is https, so that cookies are secure.
pub fn is_https(front: &Front, app: &App) -> bool {
    let configured = app.ledger.state().configuration.settings.public_url.clone();
    front
        .options
        .public_url
        .clone()
        .or(configured)
        .is_some_and(|url| url.starts_with("https://"))
}

/// Someone who is logged in.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub user: User,
    /// What forms of this session carry.
    pub csrf: String,
    /// Under which the session is known.
    pub hash: [u8; 32],
}

impl Visitor {
    /// Whether this person may retry, drop, pause and test.
    pub fn can_operate(&self) -> bool {
        self.user.role >= Role::Editor
    }

    /// As it stands in events.
    pub fn by(&self) -> String {
        format!("user {}", self.user.name)
    }
}

/// The secret of a new session, and the hash under which it is stored.
pub fn new_secret() -> (Zeroizing<String>, [u8; 32]) {
    let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
    SystemEntropy.fill(bytes.as_mut_slice());
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    let hash = secret_hash(&secret);
    (secret, hash)
}

/// The hash of a secret that is as long as it should be.
pub fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether a text has the form of a secret of ours.
pub fn is_secret(text: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
}

/// The token of a session's forms: it can be made only with the session's secret. It is a random mask
/// and the masked token, so no two are written alike; [`is_same_csrf`] tells which are the same.
pub fn csrf_of(secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"csrf\0");
    hash.update(secret.as_bytes());
    let token: [u8; CSRF_BYTES] = hash.finalize().into();
    let mut written = [0u8; 2 * CSRF_BYTES];
    SystemEntropy.fill(&mut written[..CSRF_BYTES]);
    let (mask, masked) = written.split_at_mut(CSRF_BYTES);
    for ((masked, mask), token) in masked.iter_mut().zip(mask).zip(token) {
        *masked = *mask ^ token;
    }
    URL_SAFE_NO_PAD.encode(written)
}

/// Whether both are the token of one session.
pub fn is_same_csrf(given: &str, own: &str) -> bool {
    let unmasked = |written: &str| {
        let mut written = URL_SAFE_NO_PAD.decode(written).ok()?;
        if written.len() != 2 * CSRF_BYTES {
            return None;
        }
        let masked = written.split_off(CSRF_BYTES);
        let token = masked
            .iter()
            .zip(&written)
            .map(|(masked, mask)| masked ^ mask);
        Some(token.collect::<Vec<u8>>())
    };
    match (unmasked(given), unmasked(own)) {
        (Some(given), Some(own)) => given.ct_eq(&own).into(),
        (_, None) | (None, _) => false,
    }
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// `Set-Cookie` for a secret; an empty one takes the cookie away.
pub fn set_cookie(name: &str, secret: &str, is_https: bool, seconds: i64) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let age = if secret.is_empty() { 0 } else { seconds };
    HeaderValue::from_str(&format!(
        "{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"
    ))
    .ok()
}

/// `Set-Cookie` of a session.
pub fn session_cookie(secret: &str, is_https: bool) -> Option<HeaderValue> {
    set_cookie(
        cookie_name(is_https),
        secret,
        is_https,
        SESSION_AGE_MAX / 1_000_000,
    )
}

/// The visitor whose session the cookie proves.
pub fn visitor(front: &Front, app: &App, headers: &HeaderMap) -> Option<Visitor> {
    let secret = cookie(headers, cookie_name(is_https(front, app)))?;
    let hash = secret_hash(secret);
    let state = app.ledger.state();
    let session = state.access.session(&hash, app.clock.now())?;
    let user = state.access.users.get(&session.user)?.clone();
    Some(Visitor {
        user,
        csrf: csrf_of(secret),
        hash,
    })
}

/// Notes that a session is in use, at most once a day.
pub async fn see(app: &App, hash: [u8; 32]) -> Result<(), LedgerError> {
    let now = app.clock.now();
    let due = {
        let state = app.ledger.state();
        let session = state.access.session(&hash, now);
        session.is_some_and(|session| now.saturating_sub(session.seen_at) >= SESSION_NOTED_EVERY)
    };
    if due {
        app.ledger
            .command(Priority::People, Command::SeeSession { hash })
            .await?;
    }
    Ok(())
}

/// A request without a session is sent to the login page and comes back afterwards.
pub struct ToLogin(String);

impl IntoResponse for ToLogin {
    fn into_response(self) -> Response {
        Redirect::to(&self.0).into_response()
    }
}

/// Why a page is not shown to this request.
pub enum NotShown {
    ToLogin(ToLogin),
    Problem(Problem),
}

impl IntoResponse for NotShown {
    fn into_response(self) -> Response {
        match self {
            NotShown::ToLogin(to) => to.into_response(),
            NotShown::Problem(problem) => problem.into_response(),
        }
    }
}

/// The program and the visitor, for every page behind the login.
pub struct Shown {
    pub app: Arc<App>,
    pub visitor: Visitor,
    /// What came of the form before, told by this page and by no other.
    pub flash: Vec<Flash>,
}

impl FromRequestParts<Arc<Front>> for Shown {
    type Rejection = NotShown;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, NotShown> {
        let app = Arc::clone(front.app().map_err(NotShown::Problem)?);
        let Some(visitor) = visitor(front, &app, &parts.headers) else {
            return Err(NotShown::ToLogin(ToLogin(login_path(&parts.uri))));
        };
        see(&app, visitor.hash)
            .await
            .map_err(|error| NotShown::Problem(error.into()))?;
        let flash = if shows_whole_page(parts) {
            let now = app.clock.monotonic();
            app.flashes.take(&visitor.hash, parts.uri.path(), now)
        } else {
            Vec::new()
        };
        Ok(Shown {
            app,
            visitor,
            flash,
        })
    }
}

/// Whether a person will see the answer as a page: the script asks for fragments of it.
fn shows_whole_page(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    let mut names = url::form_urlencoded::parse(query.as_bytes());
    parts.method == Method::GET && !names.any(|(name, _)| name == "fragment")
}

/// The login page, with the way back.
fn login_path(uri: &Uri) -> String {
    let back = uri.path_and_query().map_or("/", |path| path.as_str());
    if back == "/" {
        return "/login".into();
    }
    let encoded: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
    format!("/login?next={encoded}")
}

/// Where to go after the login: a path of ours, never another host.
pub fn safe_next(next: Option<&str>) -> &str {
    next.filter(|next| {
        // Browsers leave tabs and line ends out of an address, so `/<tab>/host` would be a host.
        next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains(|c: char| c == '\\' || c.is_control())
    })
    .unwrap_or("/")
}

/// Whether the request was made by one of our own pages.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text("origin")
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    origin.is_some() && origin == text("host")
}

/// Whether the header `X-CSRF-Token` is the session's.
pub fn has_csrf_header(headers: &HeaderMap, visitor: &Visitor) -> bool {
    headers
        .get("x-csrf-token")
        .and_then(|given| given.to_str().ok())
        .is_some_and(|given| is_same_csrf(given, &visitor.csrf))
}

/// A form of a logged-in person that may be acted on.
pub struct Posted<T> {
    pub app: Arc<App>,
    pub visitor: Visitor,
    pub form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Front>> for Posted<T> {
    type Rejection = NotShown;

    async fn from_request(request: Request, front: &Arc<Front>) -> Result<Self, NotShown> {
        let refused = |status, why: &str| NotShown::Problem(Problem::new(status, why));
        let (mut parts, body) = request.into_parts();
        let shown = Shown::from_request_parts(&mut parts, front).await?;
        let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX)
            .await
            .map_err(|_| {
                refused(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the form is too large, or broke off",
                )
            })?;
        if !is_same_origin(&parts.headers) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "the form was sent by another site",
            ));
        }
        let field = url::form_urlencoded::parse(&bytes)
            .find(|(name, _)| name == "csrf")
            .map(|(_, value)| value.into_owned());
        let header = parts
            .headers
            .get("x-csrf-token")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let given = field.or(header).unwrap_or_default();
        if !is_same_csrf(&given, &shown.visitor.csrf) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "the form is of another session; open the page again",
            ));
        }
        let form = axum::Form::<T>::from_request(
            Request::from_parts(parts, axum::body::Body::from(bytes)),
            front,
        )
        .await
        .map_err(|error| refused(StatusCode::UNPROCESSABLE_ENTITY, &error.body_text()))?
        .0;
        Ok(Posted {
            app: shown.app,
            visitor: shown.visitor,
            form,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn the_way_back_never_leaves_this_host() {
        for (given, expected) in [
            (Some("/notices?q=x"), "/notices?q=x"),
            (Some("//evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
            (None, "/"),
        ] {
            assert_eq!(safe_next(given), expected, "{given:?}");
        }
    }

    #[test]
    fn only_our_own_pages_are_of_the_same_origin() {
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://a"),
                    ("host", "a"),
                ],
                false,
            ),
            (
                &[("origin", "http://bridge:8780"), ("host", "bridge:8780")],
                true,
            ),
            (&[("origin", "http://evil"), ("host", "bridge:8780")], false),
            (&[("origin", "null"), ("host", "bridge:8780")], false),
            (&[("host", "bridge:8780")], false),
        ] {
            assert_eq!(is_same_origin(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_and_set_with_every_guard() {
        let sent = headers(&[("cookie", "a=1; notify_bridge=secret; b=2")]);
        assert_eq!(cookie(&sent, cookie_name(false)), Some("secret"));
        assert_eq!(cookie(&sent, cookie_name(true)), None);
        let secure = session_cookie("s", true).expect("a header");
        let secure = secure.to_str().expect("text");
        for part in [
            "__Host-notify_bridge=s",
            "Path=/",
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
        ] {
            assert!(secure.contains(part), "{part} is not in {secure}");
        }
        let gone = set_cookie(cookie_name(false), "", false, 99).expect("a header");
        assert!(gone.to_str().expect("text").contains("Max-Age=0"));
    }

    #[test]
    fn the_token_of_forms_is_of_one_session() {
        let ((one, hash), (other, _)) = (new_secret(), new_secret());
        assert_eq!(secret_hash(&one), hash);
        let token = csrf_of(&one);
        assert!(!token.contains(one.as_str()));
        for (given, expected) in [
            (csrf_of(&one), true),
            (csrf_of(&other), false),
            (String::new(), false),
            (token[1..].to_owned(), false),
            (token.replace(&token[4..8], "AAAA"), false),
            (format!("{token}AAAA"), false),
        ] {
            assert_ne!(given, token, "it is written anew");
            assert_eq!(is_same_csrf(&given, &token), expected, "{given}");
        }
        assert!(!is_same_csrf("", ""), "nothing is no token");
    }
}
