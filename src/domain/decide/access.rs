//! Deciding about users and tokens.

use super::super::command::{Context, PutToken, PutUser, Refusal, Told, UserCondition};
use super::super::event::{Event, Role, Session, Token, User};
use super::super::state::State;
use super::Decided;
use crate::projections::access::{SESSION_NOTED_EVERY, SESSIONS_PER_USER_MAX, is_over};

/// Longest name of a user or token, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Most users and most tokens of an installation.
const ACCOUNTS_MAX: usize = 1_000;

fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    let fits = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && name.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if fits {
        Ok(())
    } else {
        let message = format!("a name has 1 to {NAME_CHARS_MAX} characters and no spaces");
        Err(Refusal::Invalid {
            field: field.into(),
            message,
        })
    }
}

pub fn put_user(state: &State, put: PutUser) -> Result<Decided, Refusal> {
    check_name("name", &put.name)?;
    let access = &state.access;
    let existing = access.user(&put.name);
    match put.only_if {
        UserCondition::NoAdmin if access.has_admin() => {
            return Err(Refusal::Conflict("an admin exists already".into()));
        }
        UserCondition::Absent if existing.is_some() => {
            return Err(Refusal::Exists {
                what: "user",
                name: put.name,
            });
        }
        UserCondition::Present if existing.is_none() => {
            return Err(Refusal::NotFound {
                what: "user",
                name: put.name,
            });
        }
        UserCondition::NoAdmin | UserCondition::Absent | UserCondition::Present => {}
    }
    if existing.is_none() && access.users.len() >= ACCOUNTS_MAX {
        return Err(Refusal::Conflict(format!(
            "there are {ACCOUNTS_MAX} users already"
        )));
    }
    // The first admin of an installation owns it.
    let wanted = put
        .role
        .or(existing.map(|user| user.role))
        .unwrap_or(Role::Viewer);
    let role = if wanted >= Role::Admin && !access.has_admin() {
        Role::Owner
    } else {
        wanted
    };
    let loses_owner = existing.is_some_and(|user| user.role == Role::Owner) && role != Role::Owner;
    if loses_owner && access.owners() == 1 {
        return Err(Refusal::Conflict(
            "this is the only owner; make another one first".into(),
        ));
    }
    let Some(password_hash) = put
        .password_hash
        .or_else(|| existing.map(|user| user.password_hash.clone()))
    else {
        return Err(Refusal::Invalid {
            field: "password".into(),
            message: "a new user needs a password".into(),
        });
    };
    let id = existing.map_or(access.last_id + 1, |user| user.id);
    let user = User {
        id,
        name: put.name,
        role,
        password_hash,
    };
    if existing == Some(&user) {
        return Ok(Decided::nothing());
    }
    // A changed password or role ends every session that was begun under the old one.
    let mut events = vec![Event::UserPut { user, by: put.by }];
    events.extend(sessions_of(state, id).map(|session| Event::SessionEnded { id: session.id }));
    Ok(Decided {
        events,
        told: Told::Changed { count: 1 },
    })
}

fn sessions_of(state: &State, user: u32) -> impl Iterator<Item = &Session> {
    state
        .access
        .sessions
        .values()
        .filter(move |session| session.user == user)
}

pub fn begin_session(
    state: &State,
    user: &str,
    hash: [u8; 32],
    context: &Context,
) -> Result<Decided, Refusal> {
    let user = state.access.user(user).ok_or_else(|| Refusal::NotFound {
        what: "user",
        name: user.to_owned(),
    })?;
    let over = state
        .access
        .sessions
        .values()
        .filter(|session| is_over(session, context.now));
    let mut ended: Vec<u32> = over.map(|session| session.id).collect();
    let mut open: Vec<&Session> = sessions_of(state, user.id)
        .filter(|session| !ended.contains(&session.id))
        .collect();
    if open.len() >= SESSIONS_PER_USER_MAX {
        open.sort_by_key(|session| session.seen_at);
        ended.extend(
            open.iter()
                .take(open.len() + 1 - SESSIONS_PER_USER_MAX)
                .map(|session| session.id),
        );
    }
    let mut events: Vec<Event> = ended
        .into_iter()
        .map(|id| Event::SessionEnded { id })
        .collect();
    let id = state.access.last_id + 1;
    let session = Session {
        id,
        user: user.id,
        hash,
        began_at: context.now,
        seen_at: context.now,
    };
    events.push(Event::SessionBegan { session });
    Ok(Decided {
        events,
        told: Told::Changed { count: 1 },
    })
}

pub fn see_session(state: &State, hash: &[u8; 32], context: &Context) -> Decided {
    match state.access.session(hash, context.now) {
        Some(session) if context.now.saturating_sub(session.seen_at) >= SESSION_NOTED_EVERY => {
            Decided::done(Event::SessionSeen { id: session.id })
        }
        Some(_) | None => Decided::nothing(),
    }
}

pub fn end_session(state: &State, hash: &[u8; 32]) -> Decided {
    match state
        .access
        .sessions
        .values()
        .find(|session| session.hash == *hash)
    {
        Some(session) => Decided::done(Event::SessionEnded { id: session.id }),
        None => Decided::nothing(),
    }
}

pub fn remove_user(state: &State, name: &str, by: String) -> Result<Decided, Refusal> {
    let user = state.access.user(name).ok_or_else(|| Refusal::NotFound {
        what: "user",
        name: name.to_owned(),
    })?;
    if user.role == Role::Owner && state.access.owners() == 1 {
        return Err(Refusal::Conflict(
            "this is the only owner; make another one first".into(),
        ));
    }
    let mut events = vec![Event::UserRemoved { id: user.id, by }];
    events
        .extend(sessions_of(state, user.id).map(|session| Event::SessionEnded { id: session.id }));
    Ok(Decided {
        events,
        told: Told::Done,
    })
}

pub fn put_token(state: &State, put: PutToken, context: &Context) -> Result<Decided, Refusal> {
    check_name("name", &put.name)?;
    if state.access.token(&put.name).is_some() {
        return Err(Refusal::Exists {
            what: "token",
            name: put.name,
        });
    }
    if state.access.tokens.len() >= ACCOUNTS_MAX {
        return Err(Refusal::Conflict(format!(
            "there are {ACCOUNTS_MAX} tokens already; revoke some"
        )));
    }
    if put.scopes.is_empty() {
        return Err(Refusal::Invalid {
            field: "scope".into(),
            message: "name at least one of read, notify, operate, admin".into(),
        });
    }
    if put.expires_at.is_some_and(|at| at <= context.now) {
        return Err(Refusal::Invalid {
            field: "expires".into(),
            message: "lies in the past".into(),
        });
    }
    if let Some(target) = &put.target
        && state.configuration.target(target).is_none()
    {
        return Err(Refusal::NotFound {
            what: "target",
            name: target.clone(),
        });
    }
    let mut scopes = put.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let token = Token {
        id: state.access.last_id + 1,
        name: put.name,
        hash: put.hash,
        scopes,
        role: put.role,
        target: put.target,
        expires_at: put.expires_at,
        created_at: context.now,
    };
    Ok(Decided::done(Event::TokenPut { token, by: put.by }))
}

pub fn revoke_token(state: &State, name: &str, by: String) -> Result<Decided, Refusal> {
    let token = state.access.token(name).ok_or_else(|| Refusal::NotFound {
        what: "token",
        name: name.to_owned(),
    })?;
    Ok(Decided::done(Event::TokenRevoked { id: token.id, by }))
}
