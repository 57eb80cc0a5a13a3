//! Payloads about configuration, access and the whole installation, revision 1.
//!
//! A spec stands in its event as canonical JSON: a field that a later version adds reads as its
//! default from an event written before.

use serde::{Deserialize, Serialize};

use super::{put, take};
use crate::domain::event::{Event, Role, Session, Token, TokenScope, User};
use crate::domain::spec::{EntityKind, EntitySpec, SecretMark};

#[derive(Serialize, Deserialize)]
struct FoundedR1<'a> {
    epoch: u16,
    salt: [u8; 32],
    program: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SettingsChangedR1<'a> {
    settings_json: &'a str,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SecretR1<'a> {
    field: &'a str,
    position: u64,
    slot: u16,
    fingerprint: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct EntityPutR1<'a> {
    id: u32,
    spec_json: &'a str,
    #[serde(borrow)]
    secrets: Vec<SecretR1<'a>>,
    receivers: Vec<u32>,
    managed_by: Option<&'a str>,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct EntityRemovedR1<'a> {
    kind: u8,
    id: u32,
    name: &'a str,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct FileAppliedR1<'a> {
    file: &'a str,
    digest: [u8; 32],
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct UserPutR1<'a> {
    id: u32,
    name: &'a str,
    role: u8,
    password_hash: &'a str,
    by: &'a str,
}

/// `UserRemoved` and `TokenRevoked`.
#[derive(Serialize, Deserialize)]
struct IdR1<'a> {
    id: u32,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct TokenPutR1<'a> {
    id: u32,
    name: &'a str,
    hash: [u8; 32],
    scopes: Vec<u8>,
    role: u8,
    target: Option<&'a str>,
    expires_at: Option<i64>,
    created_at: i64,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SessionBeganR1 {
    id: u32,
    user: u32,
    hash: [u8; 32],
    began_at: i64,
    seen_at: i64,
}

/// `SessionSeen` and `SessionEnded`.
#[derive(Serialize, Deserialize)]
struct SessionR1 {
    id: u32,
}

/// `SendingPaused` and `SendingResumed`.
#[derive(Serialize, Deserialize)]
struct ByR1<'a> {
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct ClockSteppedR1 {
    by_micros: i64,
}

fn entity_kind_code(kind: EntityKind) -> u8 {
    match kind {
        EntityKind::Provider => 1,
        EntityKind::Target => 2,
        EntityKind::Tracker => 3,
        EntityKind::Template => 4,
        EntityKind::Bot => 5,
    }
}

fn role_code(role: Role) -> u8 {
    match role {
        Role::Viewer => 1,
        Role::Editor => 2,
        Role::Admin => 3,
        Role::Owner => 4,
    }
}

fn scope_code(scope: TokenScope) -> u8 {
    match scope {
        TokenScope::Read => 1,
        TokenScope::Notify => 2,
        TokenScope::Operate => 3,
        TokenScope::Admin => 4,
    }
}

fn by_code<T: Copy>(what: &str, all: &[T], code: u8, of: fn(T) -> u8) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|value| of(*value) == code)
        .ok_or_else(|| format!("unknown {what} {code}"))
}

fn json<T: Serialize>(spec: &T) -> String {
    serde_json::to_string(spec).expect("a spec is plain data and serializes")
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Founded {
            epoch,
            salt,
            program,
        } => put(
            &FoundedR1 {
                epoch: *epoch,
                salt: *salt,
                program,
            },
            out,
        ),
        Event::SettingsChanged { settings, by } => {
            put(
                &SettingsChangedR1 {
                    settings_json: &json(settings),
                    by,
                },
                out,
            );
        }
        Event::EntityPut {
            id,
            spec,
            secrets,
            receivers,
            managed_by,
            by,
        } => put(
            &EntityPutR1 {
                id: *id,
                spec_json: &json(spec),
                secrets: secrets
                    .iter()
                    .map(|(field, mark)| SecretR1 {
                        field,
                        position: mark.position,
                        slot: mark.slot,
                        fingerprint: mark.fingerprint,
                    })
                    .collect(),
                receivers: receivers.clone(),
                managed_by: managed_by.as_deref(),
                by,
            },
            out,
        ),
        Event::EntityRemoved { kind, id, name, by } => {
            put(
                &EntityRemovedR1 {
                    kind: entity_kind_code(*kind),
                    id: *id,
                    name,
                    by,
                },
                out,
            );
        }
        Event::FileApplied { file, digest, by } => put(
            &FileAppliedR1 {
                file,
                digest: *digest,
                by,
            },
            out,
        ),
        Event::UserPut { user, by } => put(
            &UserPutR1 {
                id: user.id,
                name: &user.name,
                role: role_code(user.role),
                password_hash: &user.password_hash,
                by,
            },
            out,
        ),
        Event::UserRemoved { id, by } | Event::TokenRevoked { id, by } => {
            put(&IdR1 { id: *id, by }, out)
        }
        Event::TokenPut { token, by } => put(
            &TokenPutR1 {
                id: token.id,
                name: &token.name,
                hash: token.hash,
                scopes: token.scopes.iter().copied().map(scope_code).collect(),
                role: role_code(token.role),
                target: token.target.as_deref(),
                expires_at: token.expires_at,
                created_at: token.created_at,
                by,
            },
            out,
        ),
        Event::SessionBegan { session } => put(
            &SessionBeganR1 {
                id: session.id,
                user: session.user,
                hash: session.hash,
                began_at: session.began_at,
                seen_at: session.seen_at,
            },
            out,
        ),
        Event::SessionSeen { id } | Event::SessionEnded { id } => put(&SessionR1 { id: *id }, out),
        Event::SendingPaused { by } | Event::SendingResumed { by } => put(&ByR1 { by }, out),
        Event::ClockStepped { by_micros } => put(
            &ClockSteppedR1 {
                by_micros: *by_micros,
            },
            out,
        ),
        _ => unreachable_kind(event),
    }
}

/// `wire` hands each module its own events; anything else is a fault in its table.
fn unreachable_kind(event: &Event) {
    debug_assert!(false, "kind {} is not encoded here", super::kind_of(event));
}

pub fn decode(kind: u16, bytes: &[u8]) -> Result<Event, String> {
    Ok(match kind {
        1 => {
            let FoundedR1 {
                epoch,
                salt,
                program,
            } = take(bytes)?;
            Event::Founded {
                epoch,
                salt,
                program: program.to_owned(),
            }
        }
        2 => {
            let SettingsChangedR1 { settings_json, by } = take(bytes)?;
            let settings =
                serde_json::from_str(settings_json).map_err(|error| error.to_string())?;
            Event::SettingsChanged {
                settings,
                by: by.to_owned(),
            }
        }
        3 => {
            let EntityPutR1 {
                id,
                spec_json,
                secrets,
                receivers,
                managed_by,
                by,
            } = take(bytes)?;
            let spec: Box<EntitySpec> =
                serde_json::from_str(spec_json).map_err(|error| error.to_string())?;
            let secrets = secrets
                .into_iter()
                .map(
                    |SecretR1 {
                         field,
                         position,
                         slot,
                         fingerprint,
                     }| {
                        (
                            field.to_owned(),
                            SecretMark {
                                position,
                                slot,
                                fingerprint,
                            },
                        )
                    },
                )
                .collect();
            let managed_by = managed_by.map(str::to_owned);
            Event::EntityPut {
                id,
                spec,
                secrets,
                receivers,
                managed_by,
                by: by.to_owned(),
            }
        }
        4 => {
            let EntityRemovedR1 { kind, id, name, by } = take(bytes)?;
            let kind = by_code("entity kind", &EntityKind::ALL, kind, entity_kind_code)?;
            Event::EntityRemoved {
                kind,
                id,
                name: name.to_owned(),
                by: by.to_owned(),
            }
        }
        5 => {
            let FileAppliedR1 { file, digest, by } = take(bytes)?;
            Event::FileApplied {
                file: file.to_owned(),
                digest,
                by: by.to_owned(),
            }
        }
        6 => {
            let UserPutR1 {
                id,
                name,
                role,
                password_hash,
                by,
            } = take(bytes)?;
            let role = by_code("role", &Role::ALL, role, role_code)?;
            let user = User {
                id,
                name: name.to_owned(),
                role,
                password_hash: password_hash.to_owned(),
            };
            Event::UserPut {
                user,
                by: by.to_owned(),
            }
        }
        7 => {
            let IdR1 { id, by } = take(bytes)?;
            Event::UserRemoved {
                id,
                by: by.to_owned(),
            }
        }
        8 => {
            let token: TokenPutR1<'_> = take(bytes)?;
            let scopes: Result<Vec<TokenScope>, String> = token
                .scopes
                .iter()
                .map(|code| by_code("scope", &TokenScope::ALL, *code, scope_code))
                .collect();
            Event::TokenPut {
                token: Token {
                    id: token.id,
                    name: token.name.to_owned(),
                    hash: token.hash,
                    scopes: scopes?,
                    role: by_code("role", &Role::ALL, token.role, role_code)?,
                    target: token.target.map(str::to_owned),
                    expires_at: token.expires_at,
                    created_at: token.created_at,
                },
                by: token.by.to_owned(),
            }
        }
        9 => {
            let IdR1 { id, by } = take(bytes)?;
            Event::TokenRevoked {
                id,
                by: by.to_owned(),
            }
        }
        10 => {
            let SessionBeganR1 {
                id,
                user,
                hash,
                began_at,
                seen_at,
            } = take(bytes)?;
            Event::SessionBegan {
                session: Session {
                    id,
                    user,
                    hash,
                    began_at,
                    seen_at,
                },
            }
        }
        11 => {
            let SessionR1 { id } = take(bytes)?;
            Event::SessionSeen { id }
        }
        12 => {
            let SessionR1 { id } = take(bytes)?;
            Event::SessionEnded { id }
        }
        50 => {
            let ByR1 { by } = take(bytes)?;
            Event::SendingPaused { by: by.to_owned() }
        }
        51 => {
            let ByR1 { by } = take(bytes)?;
            Event::SendingResumed { by: by.to_owned() }
        }
        52 => {
            let ClockSteppedR1 { by_micros } = take(bytes)?;
            Event::ClockStepped { by_micros }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
