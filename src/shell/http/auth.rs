//! Who is asking, and what they may do: bearer tokens, sessions, scopes and roles.
//!
//! **Invariant:** a handler gets at the program only through [`May`], whose type says what is
//! needed, so that no endpoint can forget to ask.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::front::Front;
use super::problem::Problem;
use super::session;
use crate::domain::event::{Role, Token, TokenScope, User};
use crate::domain::state::State;
use crate::shell::app::App;
use crate::shell::entropy::{Entropy, SystemEntropy};
use crate::shell::views::moment;

/// How every token begins, so that one is known where it turns up by mistake.
pub const TOKEN_PREFIX: &str = "nb_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 128;
/// The only space there is so far.
const HOME: &str = "home";

/// A new token, shown once, and the hash that is stored.
pub fn new_token() -> (Zeroizing<String>, [u8; 32]) {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    SystemEntropy.fill(bytes.as_mut_slice());
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    let hash = token_hash(&token);
    (Zeroizing::new(token), hash)
}

/// The hash under which a token is stored. Its 256 random bits need no slow hash.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The role that a scope asks for.
pub fn role_of(scope: TokenScope) -> Role {
    match scope {
        TokenScope::Read => Role::Viewer,
        TokenScope::Notify | TokenScope::Operate => Role::Editor,
        TokenScope::Admin => Role::Admin,
    }
}

/// By what a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The hash of the token.
    Token([u8; 32]),
    /// The hash of the session's secret.
    Session([u8; 32]),
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's or the user's name.
    pub name: String,
    pub proof: Proof,
    pub scopes: Vec<TokenScope>,
    pub role: Role,
    /// The only target it may notify; then it may do nothing else.
    pub target: Option<String>,
    pub expires_at: Option<i64>,
}

impl Caller {
    fn of(token: &Token) -> Self {
        Caller {
            name: token.name.clone(),
            proof: Proof::Token(token.hash),
            scopes: token.scopes.clone(),
            role: token.role,
            target: token.target.clone(),
            expires_at: token.expires_at,
        }
    }

    /// A person may with a session what the role allows, and no more than any token could.
    fn of_user(user: &User, hash: [u8; 32]) -> Self {
        let scopes: &[TokenScope] = match user.role {
            Role::Viewer => &[TokenScope::Read],
            Role::Editor => &[TokenScope::Read, TokenScope::Notify, TokenScope::Operate],
            Role::Admin | Role::Owner => &[TokenScope::Admin],
        };
        Caller {
            name: user.name.clone(),
            proof: Proof::Session(hash),
            scopes: scopes.to_vec(),
            role: user.role,
            target: None,
            expires_at: None,
        }
    }

    /// As it stands in events.
    pub fn by(&self) -> String {
        match self.proof {
            Proof::Token(_) => format!("token {}", self.name),
            Proof::Session(_) => format!("user {}", self.name),
        }
    }

    pub fn has(&self, scope: TokenScope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&TokenScope::Admin)
    }

    /// Whether scope and role suffice; the problem says which one does not.
    pub fn may(&self, scope: Option<TokenScope>, role: Role) -> Result<(), Problem> {
        let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
        if let Some(scope) = scope {
            if let Some(target) = &self.target
                && scope != TokenScope::Notify
            {
                return forbidden(format!(
                    "this token may only notify the target {target}; take another one"
                ));
            }
            if !self.has(scope) {
                if let Proof::Session(_) = self.proof {
                    return forbidden(format!(
                        "this needs the role {}; this account has {}",
                        role_of(scope).max(role).as_str(),
                        self.role.as_str()
                    ));
                }
                let has: Vec<&str> = self.scopes.iter().map(|scope| scope.as_str()).collect();
                return forbidden(format!(
                    "this needs a token with the scope {}; this one has {}",
                    scope.as_str(),
                    has.join(", ")
                ));
            }
        }
        if self.role < role {
            return forbidden(format!(
                "this needs the role {}; this {} has {}",
                role.as_str(),
                match self.proof {
                    Proof::Token(_) => "token",
                    Proof::Session(_) => "account",
                },
                self.role.as_str()
            ));
        }
        Ok(())
    }
}

/// The caller that a request proves: by its token, and only without one by its session.
pub async fn caller(front: &Front, app: &App, parts: &Parts) -> Result<Caller, Problem> {
    let headers = &parts.headers;
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(visitor) = session::visitor(front, app, headers)
    {
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_read && !session::is_same_origin(headers) {
            let detail =
                "a change by session comes from this program's own pages; others take a token";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        if !is_read && !session::has_csrf_header(headers, &visitor) {
            let detail = "a change by session needs its token in the header X-CSRF-Token";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        session::see(app, visitor.hash).await?;
        return Ok(Caller::of_user(&visitor.user, visitor.hash));
    }
    authenticate(&app.ledger.state(), headers, app.clock.now())
}

/// The caller as it is at this moment; `None` once its token or session is over.
pub fn still(state: &State, caller: &Caller, now: i64) -> Option<Caller> {
    match caller.proof {
        Proof::Token(hash) => {
            let mut tokens = state.access.tokens.values();
            tokens
                .find(|token| token.hash == hash)
                .filter(|token| token.expires_at.is_none_or(|at| at > now))
                .map(Caller::of)
        }
        Proof::Session(hash) => {
            let session = state.access.session(&hash, now)?;
            let user = state.access.users.get(&session.user)?;
            Some(Caller::of_user(user, hash))
        }
    }
}

/// The caller that the headers prove by a token, at this moment.
fn authenticate(state: &State, headers: &HeaderMap, now: i64) -> Result<Caller, Problem> {
    let unauthorized = |detail: String| Problem::new(StatusCode::UNAUTHORIZED, detail);
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(unauthorized(
            "send one header `Authorization: Bearer nb_…`; `token create` makes a token".into(),
        ));
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(token) = token else {
        return Err(unauthorized(
            "the authorization is not a bearer token; send `Authorization: Bearer nb_…`".into(),
        ));
    };
    if token.len() > TOKEN_BYTES_MAX || !token.starts_with(TOKEN_PREFIX) {
        return Err(unauthorized(
            "this is not a token of this program; they begin with nb_".into(),
        ));
    }
    let hash = token_hash(token);
    let known = state
        .access
        .tokens
        .values()
        .find(|known| bool::from(known.hash.ct_eq(&hash)));
    match known {
        None => Err(unauthorized(
            "this token is not known; it may have been revoked".into(),
        )),
        Some(known) if known.expires_at.is_some_and(|at| at <= now) => {
            let at = known.expires_at.map(moment).unwrap_or_default();
            Err(unauthorized(format!(
                "this token expired at {at}; make a new one"
            )))
        }
        Some(known) => Ok(Caller::of(known)),
    }
}

/// What an endpoint needs.
pub trait Right: Send + Sync + 'static {
    /// `None`: any token.
    const SCOPE: Option<TokenScope>;
    const ROLE: Role;
}

/// Any token, to ask about itself.
pub struct Knowing;
pub struct Reading;
/// What concerns the whole installation: the log, metrics.
pub struct ReadingAsOwner;
pub struct Notifying;
pub struct Operating;
pub struct Administering;
/// Users and secrets in the clear.
pub struct Owning;

impl Right for Knowing {
    const SCOPE: Option<TokenScope> = None;
    const ROLE: Role = Role::Viewer;
}

impl Right for Reading {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Read);
    const ROLE: Role = Role::Viewer;
}

impl Right for ReadingAsOwner {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Read);
    const ROLE: Role = Role::Owner;
}

impl Right for Notifying {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Notify);
    const ROLE: Role = Role::Editor;
}

impl Right for Operating {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Operate);
    const ROLE: Role = Role::Editor;
}

impl Right for Administering {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Admin);
    const ROLE: Role = Role::Admin;
}

impl Right for Owning {
    const SCOPE: Option<TokenScope> = Some(TokenScope::Admin);
    const ROLE: Role = Role::Owner;
}

/// Proof that the caller may do what `R` says, and with it the program.
pub struct May<R> {
    pub app: Arc<App>,
    pub caller: Caller,
    right: PhantomData<R>,
}

impl<R: Right> FromRequestParts<Arc<Front>> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Problem> {
        let app = Arc::clone(front.app()?);
        let caller = caller(front, &app, parts).await?;
        caller.may(R::SCOPE, R::ROLE)?;
        check_space(parts.uri.query().unwrap_or(""))?;
        Ok(May {
            app,
            caller,
            right: PhantomData,
        })
    }
}

/// Only `home` exists; what is in another space is not there.
fn check_space(query: &str) -> Result<(), Problem> {
    let other = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "space" && value != HOME);
    match other {
        None => Ok(()),
        Some((_, space)) => {
            let shown: String = space.chars().take(64).filter(|c| !c.is_control()).collect();
            Err(Problem::not_found("space", &shown))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_form_and_its_hash() {
        let (token, hash) = new_token();
        assert_eq!(token.len(), TOKEN_PREFIX.len() + 43);
        assert!(token.starts_with(TOKEN_PREFIX));
        assert_eq!(hash, token_hash(&token));
        assert_ne!(hash, new_token().1);
    }

    #[test]
    fn scopes_and_roles_say_which_one_is_missing() {
        use TokenScope::{Admin, Notify, Operate, Read};
        let check = |scopes: &[TokenScope], role, target: Option<&str>, scope, needed| {
            let caller = Caller {
                name: "t".into(),
                proof: Proof::Token([0; 32]),
                scopes: scopes.to_vec(),
                role,
                target: target.map(str::to_owned),
                expires_at: None,
            };
            caller
                .may(scope, needed)
                .map_err(|problem| problem.detail)
                .err()
                .unwrap_or_default()
        };
        let (viewer, editor, owner) = (Role::Viewer, Role::Editor, Role::Owner);
        assert_eq!(check(&[Read], viewer, None, Some(Read), viewer), "");
        assert_eq!(check(&[Admin], owner, None, Some(Operate), editor), "");
        assert_eq!(
            check(&[Read, Notify], editor, None, Some(Operate), editor),
            "this needs a token with the scope operate; this one has read, notify"
        );
        assert_eq!(
            check(&[Read], viewer, None, Some(Read), owner),
            "this needs the role owner; this token has viewer"
        );
        assert_eq!(
            check(&[Notify, Read], owner, Some("ops"), Some(Read), viewer),
            "this token may only notify the target ops; take another one"
        );
        assert_eq!(
            check(&[Notify], editor, Some("ops"), Some(Notify), editor),
            ""
        );
        assert_eq!(check(&[Notify], editor, Some("ops"), None, viewer), "");
    }
}
