//! Home Assistant: a session over its WebSocket that hears what happens.
//!
//! An entity is a collection. What is kept of those that a tracker watches is what they were, so that
//! after a time without a connection what changed meanwhile is told, once, and what is as it was is not.
//! The first time that an entity is seen says nothing.
//!
//! **Invariant:** nothing is asked of Home Assistant that changes anything.

mod ask;
mod attributes;
mod events;
mod house;
mod known;
mod names;
mod notices;
mod options;
mod session;
mod wire;

use std::borrow::Cow;

use serde_json::{Map, Value};

use self::ask::Api;
use self::known::Connection;
use self::options::TrackerOptions;
use self::session::Talk;
use super::ask::script::Script;
use super::ask::{
    Ask, AskInput, Endpoint, Known, Look, Observation, Polled, Rhythm, Seen, Session, Subscribed,
    Unseen,
};
use super::{KindField, NoticeKind, Provider};
use crate::domain::notice::{NoticeDraft, Severity};
use crate::targets::USER_AGENT;

pub struct HomeAssistant;

/// Largest message, in bytes: the states of some ten thousand entities.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

static NOTICE_KINDS: &[NoticeKind] = &[
    NoticeKind::new("state_changed", Severity::Info),
    NoticeKind::new("automation_triggered", Severity::Info),
    NoticeKind::new("service_called", Severity::Info),
    NoticeKind::new("event_fired", Severity::Info),
    NoticeKind::new("connection_lost", Severity::Warning),
    NoticeKind::new("connection_restored", Severity::Success),
];

/// The address of Home Assistant without what people copy after it.
fn base_of(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    let url = url.strip_suffix("/api/websocket").unwrap_or(url);
    url.strip_suffix("/api").unwrap_or(url)
}

/// Where its WebSocket is; `None` of an address that is neither http nor https.
fn socket_of(base: &str) -> Option<String> {
    let (scheme, rest) = base.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "ws",
        "https" => "wss",
        _other => return None,
    };
    Some(format!("{scheme}://{rest}/api/websocket"))
}

/// Address and token, or what is missing.
fn configured<'a>(input: &'a AskInput<'_>) -> Result<(&'a str, &'a str), &'static str> {
    let url = input.spec.source.url.as_deref();
    let url = url.ok_or("url: is missing; name the address of Home Assistant")?;
    let token = input.secrets.get("token");
    let token = token.ok_or(
        "token: is missing; make a long-lived access token in your profile in Home Assistant",
    )?;
    Ok((base_of(url), token))
}

impl Provider for HomeAssistant {
    fn kind(&self) -> &'static str {
        "home_assistant"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        NOTICE_KINDS
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "The token is a long-lived access token, made at the bottom of the Security tab of your profile in Home Assistant.",
            "automation_triggered, service_called and event_fired need the token of an administrator; state_changed does not.",
            "A Home Assistant at home needs `allow_private = true` here.",
            "A reverse proxy before it has to pass WebSockets on.",
            "A tracker without `collections` hears every sensor; name entities by globs, or use the options `domain` and `area`.",
            "connection_lost and connection_restored belong to no entity, so a tracker with `collections` does not hear them.",
        ]
    }

    fn polled(&self) -> Option<&dyn Polled> {
        Some(self)
    }

    fn subscribed(&self) -> Option<&dyn Subscribed> {
        Some(self)
    }

    fn fields(&self) -> &'static [KindField] {
        const { &[KindField::required("url")] }
    }

    fn secret_fields(&self) -> &'static [KindField] {
        const { &[KindField::required("token")] }
    }

    fn check_options(&self, options: &Map<String, Value>) -> super::options::Faults {
        TrackerOptions::read(options).1
    }

    fn shape<'n>(
        &self,
        tracker: &str,
        options: &Map<String, Value>,
        notice: &'n NoticeDraft,
    ) -> Result<Cow<'n, NoticeDraft>, String> {
        options::judge(tracker, options, notice)?;
        Ok(Cow::Borrowed(notice))
    }
}

impl Polled for HomeAssistant {
    fn rhythm(&self) -> Rhythm {
        Rhythm::Asked
    }

    fn begin(&self, ask: Ask, input: &AskInput<'_>) -> Box<dyn Look> {
        let (base, token) = match configured(input) {
            Ok((base, token)) => (base.to_owned(), token.to_owned()),
            Err(why) => return Known::unseen(why),
        };
        match ask {
            // It tells by itself.
            Ask::Observe => Known::seen(Seen::default()),
            Ask::Test => {
                Script::begin(
                    move |asker| async move { Api::new(asker, &base, &token).test().await },
                )
            }
            Ask::Discover => Script::begin(move |asker| async move {
                Api::new(asker, &base, &token).discover().await
            }),
        }
    }

    /// Told once, of a connection that was there.
    fn unreachable(&self, input: &AskInput<'_>) -> Observation {
        let mut observation = Observation::default();
        if known::connection(input.cursors) == Connection::Up {
            let base = base_of(input.spec.source.url.as_deref().unwrap_or_default());
            let notice = notices::connection_lost(&input.spec.name, base);
            observation.notices.push(notice);
            known::set_lost(input.cursors, &mut observation.cursors);
        }
        observation
    }
}

impl Subscribed for HomeAssistant {
    fn open(&self, input: &AskInput<'_>) -> Result<(Endpoint, Box<dyn Session>), Unseen> {
        let (base, token) = configured(input).map_err(Unseen::new)?;
        let url = socket_of(base)
            .ok_or_else(|| Unseen::new("url: has to begin with http:// or https://"))?;
        let endpoint = Endpoint {
            url,
            headers: vec![("user-agent".to_owned(), USER_AGENT.to_owned())],
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        Ok((endpoint, Box::new(Talk::new(input, base, token))))
    }
}

#[cfg(test)]
mod tests;
