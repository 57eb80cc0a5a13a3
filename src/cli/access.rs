//! `user`, `token` and `setup-link`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{PasswordArgs, Place, TokenVerb, UserVerb};
use super::failure::Failure;
use super::printer::Printer;
use super::remote::Remote;
use super::secret;
use super::sentences::text;
use super::stopped::{BY, Missing, Readable, Writable};
use crate::domain::command::{Command, PutToken, PutUser, UserCondition};
use crate::domain::event::{Role, Token, TokenScope, User};
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::http::auth::{new_token, role_of};
use crate::shell::ledger::Priority;
use crate::shell::views::moment;

/// Only the running program knows its link, and keeps no more of it than a hash.
pub fn setup_link() -> Failure {
    Failure::Failed(
        "the setup link is printed by `serve` at its start and kept nowhere; start it again for a new one, or make the account with `notify-bridge user add NAME --role admin --data DIR` while it is stopped".to_owned(),
    )
}

/// Gives one command to the store of a stopped program.
pub async fn command(place: &Place, missing: Missing, command: Command) -> Result<bool, Failure> {
    let Some(data) = place.stopped() else {
        return Err(Failure::Input("--data DIR is needed".to_owned()));
    };
    let store = Writable::open(data, place.secret_key_file.as_deref(), missing).await?;
    let committed = store.ledger.command(Priority::People, command).await;
    store.close();
    Ok(!committed?.positions.is_empty())
}

pub async fn user(verb: UserVerb) -> Result<(), Failure> {
    match verb {
        UserVerb::Add {
            name,
            role,
            password,
            place,
        } => {
            let hashed = Password::read(&password)?;
            let condition = UserCondition::Absent;
            put(&place, name, Some(role), Some(hashed), condition).await
        }
        UserVerb::Passwd {
            name,
            password,
            place,
        } => {
            let hashed = Password::read(&password)?;
            put(&place, name, None, Some(hashed), UserCondition::Present).await
        }
        UserVerb::Role { name, role, place } => {
            put(&place, name, Some(role), None, UserCondition::Present).await
        }
        UserVerb::Remove { name, place } => {
            if place.stopped().is_some() {
                let by = BY.to_owned();
                let remove = Command::RemoveUser {
                    name: name.clone(),
                    by,
                };
                command(&place, Missing::Refuse, remove).await?;
            } else {
                let remote = Remote::new(&place)?;
                remote
                    .call(Method::DELETE, &["users", &name], &[], None)
                    .await?;
            }
            Ok(())
        }
        UserVerb::List(place) => {
            let printer = Printer::new(place.json);
            let users = match place.stopped() {
                Some(data) => {
                    let state = Readable::open(data)?.state;
                    state.access.users.values().map(user_json).collect()
                }
                None => all(&Remote::new(&place)?, "users").await?,
            };
            list(&printer, &users, |user| {
                vec![text(user, "name").to_owned(), text(user, "role").to_owned()]
            })
        }
    }
}

struct Password(zeroize::Zeroizing<String>);

impl Password {
    fn read(args: &PasswordArgs) -> Result<Self, Failure> {
        secret::new_password(args.password_file.as_deref()).map(Password)
    }
}

async fn put(
    place: &Place,
    name: String,
    role: Option<Role>,
    password: Option<Password>,
    only_if: UserCondition,
) -> Result<(), Failure> {
    if place.stopped().is_some() {
        let missing = match only_if {
            UserCondition::Absent | UserCondition::NoAdmin => Missing::Create,
            UserCondition::Present => Missing::Refuse,
        };
        let put = PutUser {
            name,
            role,
            password_hash: password
                .map(|password| secret::hashed(&password.0))
                .transpose()?,
            only_if,
            by: BY.to_owned(),
        };
        command(place, missing, Command::PutUser(Box::new(put))).await?;
        return Ok(());
    }
    let remote = Remote::new(place)?;
    let mut body = json!({});
    if let Some(role) = role {
        body["role"] = role.as_str().into();
    }
    if let Some(password) = &password {
        body["password"] = password.0.as_str().into();
    }
    match only_if {
        UserCondition::Absent | UserCondition::NoAdmin => {
            body["name"] = name.into();
            remote
                .call(Method::POST, &["users"], &[], Some(&body))
                .await?;
        }
        UserCondition::Present => {
            let path = ["users", name.as_str()];
            remote.call(Method::PATCH, &path, &[], Some(&body)).await?;
        }
    }
    Ok(())
}

pub async fn token(verb: TokenVerb) -> Result<(), Failure> {
    match verb {
        TokenVerb::Create {
            name,
            scope,
            role,
            target,
            expires,
            place,
        } => {
            let printer = Printer::new(false);
            let expires_at = expires.map(in_future);
            let token = if place.stopped().is_some() {
                let (token, hash) = new_token();
                let put = PutToken {
                    name,
                    hash,
                    role: role.unwrap_or_else(|| needed(&scope)),
                    scopes: scope,
                    target,
                    expires_at,
                    by: BY.to_owned(),
                };
                command(&place, Missing::Create, Command::PutToken(Box::new(put))).await?;
                token.to_string()
            } else {
                ask_token(&place, &name, &scope, role, target, expires_at).await?
            };
            printer.line(&token)
        }
        TokenVerb::Revoke { name, place } => {
            if place.stopped().is_some() {
                let by = BY.to_owned();
                let revoke = Command::RevokeToken {
                    name: name.clone(),
                    by,
                };
                command(&place, Missing::Refuse, revoke).await?;
            } else {
                let remote = Remote::new(&place)?;
                remote
                    .call(Method::DELETE, &["tokens", &name], &[], None)
                    .await?;
            }
            Ok(())
        }
        TokenVerb::List(place) => {
            let printer = Printer::new(place.json);
            let tokens = match place.stopped() {
                Some(data) => {
                    let state = Readable::open(data)?.state;
                    state.access.tokens.values().map(token_json).collect()
                }
                None => all(&Remote::new(&place)?, "tokens").await?,
            };
            list(&printer, &tokens, |token| {
                let scopes: Vec<&str> = token["scopes"]
                    .as_array()
                    .map(|scopes| scopes.iter().filter_map(Value::as_str).collect())
                    .unwrap_or_default();
                let target = match token["target"].as_str() {
                    Some(target) => format!("only {target}"),
                    None => "any target".to_owned(),
                };
                let until = match token["expires_at"].as_str() {
                    Some(until) => format!("until {until}"),
                    None => "until revoked".to_owned(),
                };
                vec![
                    text(token, "name").to_owned(),
                    scopes.join(","),
                    text(token, "role").to_owned(),
                    target,
                    until,
                ]
            })
        }
    }
}

async fn ask_token(
    place: &Place,
    name: &str,
    scopes: &[TokenScope],
    role: Option<Role>,
    target: Option<String>,
    expires_at: Option<i64>,
) -> Result<String, Failure> {
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut body = json!({"name": name, "scopes": scopes});
    if let Some(role) = role {
        body["role"] = role.as_str().into();
    }
    if let Some(target) = target {
        body["target"] = target.into();
    }
    if let Some(at) = expires_at {
        body["expires"] = moment(at).into();
    }
    let answer = Remote::new(place)?
        .call(Method::POST, &["tokens"], &[], Some(&body))
        .await?;
    answer["token"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::Failed("the program made a token and did not say it".to_owned()))
}

/// The role that the scopes need.
fn needed(scopes: &[TokenScope]) -> Role {
    let roles = scopes.iter().map(|scope| role_of(*scope));
    roles.max().unwrap_or(Role::Viewer)
}

fn in_future(span: Duration) -> i64 {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    SystemClock::new().now().saturating_add(micros)
}

async fn all(remote: &Remote, what: &str) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    remote
        .list(&[what], &[], u32::MAX, |items| {
            found.extend(items);
            Ok(())
        })
        .await?;
    Ok(found)
}

fn list(
    printer: &Printer,
    items: &[Value],
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<(), Failure> {
    if printer.json {
        return items.iter().try_for_each(|item| printer.object(item));
    }
    printer.table(&items.iter().map(row).collect::<Vec<_>>())
}

fn user_json(user: &User) -> Value {
    json!({"name": user.name, "role": user.role.as_str()})
}

fn token_json(token: &Token) -> Value {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "name": token.name,
        "scopes": scopes,
        "role": token.role.as_str(),
        "target": token.target,
        "created_at": moment(token.created_at),
        "expires_at": token.expires_at.map(moment),
    })
}
