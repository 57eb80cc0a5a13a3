//! `/me`, `/users`, `/tokens`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Json, Name, PageParams, Params, invalid, moment_of, page_of};
use crate::domain::command::{Command, PutToken, PutUser, UserCondition};
use crate::domain::event::{Role, Token, TokenScope};
use crate::shell::app::App;
use crate::shell::http::auth::{
    Administering, Caller, Knowing, May, Owning, Proof, new_token, role_of,
};
use crate::shell::http::problem::Problem;
use crate::shell::ledger::Priority;
use crate::shell::passwords::PasswordError;
use crate::shell::views::{Cursor, Page, moment};

pub async fn me(may: May<Knowing>) -> Response {
    let Caller {
        name,
        proof,
        scopes,
        role,
        target,
        expires_at,
    } = &may.caller;
    super::json(json!({
        "token": matches!(proof, Proof::Token(_)).then_some(name),
        "user": matches!(proof, Proof::Session(_)).then_some(name),
        "scopes": scope_words(scopes),
        "role": role.as_str(),
        "target": target,
        "expires_at": expires_at.map(moment),
        "space": "home",
    }))
}

fn scope_words(scopes: &[TokenScope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

fn role(text: &str) -> Result<Role, Problem> {
    Role::parse(text).ok_or_else(|| invalid("role", "is one of viewer, editor, admin, owner"))
}

/// A page of what has an id, newest first. There are at most a thousand of each.
fn page<'a, T: 'a>(
    newest_first: impl Iterator<Item = (&'a u32, &'a T)>,
    params: &PageParams,
    shape: impl Fn(&T) -> Value,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    let before = match cursor {
        None => u64::MAX,
        Some(Cursor::Before(id)) => id,
        Some(Cursor::After(_) | Cursor::Delivery { .. }) => {
            return Err(invalid(
                "cursor",
                crate::shell::views::NotACursor.to_string(),
            ));
        }
    };
    let mut rest = newest_first
        .filter(|(id, _)| u64::from(**id) < before)
        .peekable();
    let mut page = Page::default();
    let mut last = None;
    while page.items.len() < limit
        && let Some((id, value)) = rest.next()
    {
        page.items.push(shape(value));
        last = Some(Cursor::Before(u64::from(*id)));
    }
    page.next = last.filter(|_| rest.peek().is_some());
    Ok(super::json(page.json()))
}

pub async fn users(
    may: May<Owning>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let state = may.app.ledger.state();
    page(
        state.access.users.iter().rev(),
        &params,
        |user| json!({"name": user.name, "role": user.role.as_str()}),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: String,
    role: Option<String>,
    password: Zeroizing<String>,
}

pub async fn create_user(may: May<Owning>, Json(user): Json<NewUser>) -> Result<Response, Problem> {
    let put = PutUser {
        role: user.role.as_deref().map(role).transpose()?,
        password_hash: Some(hash(&may.app, user.password).await?),
        name: user.name,
        only_if: UserCondition::Absent,
        by: may.caller.by(),
    };
    Ok(created(put_user(&may.app, put).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedUser {
    role: Option<String>,
    password: Option<Zeroizing<String>>,
}

pub async fn change_user(
    may: May<Owning>,
    Name(name): Name,
    Json(user): Json<ChangedUser>,
) -> Result<Response, Problem> {
    let password_hash = match user.password {
        Some(password) => Some(hash(&may.app, password).await?),
        None => None,
    };
    let put = PutUser {
        name,
        role: user.role.as_deref().map(role).transpose()?,
        password_hash,
        only_if: UserCondition::Present,
        by: may.caller.by(),
    };
    Ok(super::json(put_user(&may.app, put).await?))
}

async fn hash(app: &App, password: Zeroizing<String>) -> Result<String, Problem> {
    let hash = app.passwords.hash(password).await;
    hash.map_err(|error| match error {
        PasswordError::TooShort | PasswordError::TooLong => invalid("password", error.to_string()),
        PasswordError::Failed(_) => Problem::internal(&error),
    })
}

/// The user as it is afterwards.
async fn put_user(app: &App, put: PutUser) -> Result<Value, Problem> {
    let name = put.name.clone();
    let command = Command::PutUser(Box::new(put));
    app.ledger.command(Priority::People, command).await?;
    let state = app.ledger.state();
    let role = state.access.user(&name).map(|user| user.role.as_str());
    Ok(json!({"name": name, "role": role}))
}

pub async fn remove_user(may: May<Owning>, Name(name): Name) -> Result<StatusCode, Problem> {
    let by = may.caller.by();
    let command = Command::RemoveUser { name, by };
    may.app.ledger.command(Priority::People, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn created(value: Value) -> Response {
    (StatusCode::CREATED, axum::Json(value)).into_response()
}

fn token_shape(token: &Token) -> Value {
    json!({
        "name": token.name,
        "scopes": scope_words(&token.scopes),
        "role": token.role.as_str(),
        "target": token.target,
        "created_at": moment(token.created_at),
        "expires_at": token.expires_at.map(moment),
    })
}

pub async fn tokens(
    may: May<Administering>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let state = may.app.ledger.state();
    page(state.access.tokens.iter().rev(), &params, token_shape)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    name: String,
    scopes: Vec<String>,
    /// Absent: what the scopes need.
    role: Option<String>,
    target: Option<String>,
    /// A moment, or a span from now.
    expires: Option<String>,
}

pub async fn create_token(
    may: May<Administering>,
    Json(wanted): Json<NewToken>,
) -> Result<Response, Problem> {
    let scopes: Vec<TokenScope> = wanted
        .scopes
        .iter()
        .map(|word| {
            TokenScope::parse(word)
                .ok_or_else(|| invalid("scopes", "are of read, notify, operate, admin"))
        })
        .collect::<Result<_, _>>()?;
    let needed = scopes.iter().map(|scope| role_of(*scope)).max();
    let role = match wanted.role.as_deref() {
        Some(text) => role(text)?,
        None => needed.unwrap_or(Role::Viewer),
    };
    // A token never exceeds its maker.
    may.caller.may(None, role)?;
    if wanted.target.is_some() && scopes != [TokenScope::Notify] {
        return Err(invalid("target", "goes with the scope notify alone"));
    }
    let now = may.app.clock.now();
    let expires_at = wanted
        .expires
        .as_deref()
        .map(|text| expiry(text, now))
        .transpose()?;
    let (token, hash) = new_token();
    let put = PutToken {
        name: wanted.name.clone(),
        hash,
        scopes,
        role,
        target: wanted.target,
        expires_at,
        by: may.caller.by(),
    };
    let command = Command::PutToken(Box::new(put));
    may.app.ledger.command(Priority::People, command).await?;
    let known = may.app.ledger.state().access.token(&wanted.name).cloned();
    let mut shape = known.as_ref().map_or_else(|| json!({}), token_shape);
    // Here and never again.
    shape["token"] = token.as_str().into();
    Ok(created(shape))
}

fn expiry(text: &str, now: i64) -> Result<i64, Problem> {
    if text.contains('T') {
        return moment_of("expires", text, now);
    }
    crate::config::quantity::duration_ms(text)
        .ok()
        .and_then(|ms| now.checked_add(i64::try_from(ms).ok()?.checked_mul(1_000)?))
        .ok_or_else(|| {
            invalid(
                "expires",
                "is a time as 2026-01-31T12:00:00Z, or a span from now as 365d",
            )
        })
}

pub async fn revoke_token(
    may: May<Administering>,
    Name(name): Name,
) -> Result<StatusCode, Problem> {
    let role = may.app.ledger.state().access.token(&name).map(|t| t.role);
    let role = role.ok_or_else(|| Problem::not_found("token", &name))?;
    may.caller.may(None, role)?;
    let by = may.caller.by();
    let command = Command::RevokeToken { name, by };
    may.app.ledger.command(Priority::People, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
