//! Bots: who they are, and the chats they were seen in.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use notify_web::address::segment;
use notify_web::pages::bots::{self as bot_pages, BotRow, BotView, BotsView, ChatRow, Ear};
use notify_web::{Flash, Tone};

use super::configured::secrets;
use super::overview::Nothing;
use super::{Desk, Wrong, operators, page};
use crate::domain::spec::BotMode;
use crate::shell::bots::{BotError, LOOK_MAX, hook_address};
use crate::shell::http::front::Front;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};

// The page says how long it looks.
const _: () = assert!(LOOK_MAX.as_secs() == bot_pages::LOOK_MINUTES * 60);

pub async fn list(shown: Shown) -> Response {
    let desk = Desk::showing(shown);
    let rows = {
        let state = desk.app.ledger.state();
        let bots = state.configuration.bots.values();
        bots.map(|bot| {
            let known = state.bots.get(bot.id).cloned().unwrap_or_default();
            BotRow {
                name: bot.spec.name.clone(),
                kind: bot.spec.kind.clone(),
                enabled: bot.spec.enabled,
                username: known.identity.map_or_else(String::new, |it| it.username),
                targets: state.configuration.targets_of(&bot.spec.name).count() as u64,
                chats: known.chats.len() as u64,
            }
        })
        .collect()
    };
    page(bot_pages::list(&desk.frame(), &BotsView { rows }))
}

pub async fn one(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    shown: Shown,
    Path(name): Path<String>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let base = desk.base(&front, &headers);
    let (entity, known, targets) = {
        let state = desk.app.ledger.state();
        let bot = state.configuration.bot(&name);
        let bot = bot.ok_or_else(|| Problem::not_found("bot", &name))?;
        let targets = state.configuration.targets_of(&name);
        (
            bot.clone(),
            state.bots.get(bot.id).cloned().unwrap_or_default(),
            targets
                .map(|(_, target)| target.entity.spec.name.clone())
                .collect(),
        )
    };
    let chats = known.newest_first().into_iter().map(|chat| ChatRow {
        title: chat.facts.title.clone(),
        kind: chat.facts.kind.as_str().to_owned(),
        to: chat.facts.to.clone(),
        username: chat.facts.username.clone(),
        language: chat.facts.language.clone(),
        seen: desk.at(chat.seen_at),
        left: chat.facts.is_left,
        receiver: format!("{{ to = \"{}\" }}", chat.facts.to),
    });
    let chats = chats.collect();
    let look = desk.app.bots.looking(entity.id);
    let failed = look.as_ref().and_then(|look| look.failed.clone());
    let going = look.filter(|look| look.failed.is_none());
    let identity = known.identity.as_ref();
    let view = BotView {
        name: name.clone(),
        kind: entity.spec.kind.clone(),
        description: entity.spec.description.clone(),
        managed_by: entity.managed_by.clone().unwrap_or_default(),
        enabled: entity.spec.enabled,
        username: identity.map_or_else(String::new, |it| it.username.clone()),
        known_as: identity.map_or_else(String::new, |it| it.name.clone()),
        ear: match entity.spec.mode {
            BotMode::Poll => Ear::Asks,
            BotMode::Webhook => Ear::SentTo(hook_address(&base, &name)),
        },
        targets,
        secrets: secrets(&desk, &entity.secrets),
        chats,
        looking_until: going.map(|look| desk.at(look.until)),
        look_failed: failed.unwrap_or_default(),
    };
    Ok(page(bot_pages::one(&desk.frame(), &view)))
}

pub async fn discover(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let base = desk.base(&front, &headers);
    let done = desk.app.bots.look(&name, LOOK_MAX, &base).await;
    told(&desk, &name, done.map(|()| format!("{name} listens.")))
}

/// Asks the service who the bot is.
pub async fn test(Path(name): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let tested = desk.app.bots.test(&name).await;
    let words = tested.map(|identity| format!("{name} answers as @{}.", identity.username));
    told(&desk, &name, words)
}

fn told(desk: &Desk, name: &str, done: Result<String, BotError>) -> Result<Response, Wrong> {
    let flash = match done {
        Ok(words) => Flash::new(Tone::Good, words),
        Err(error @ BotError::Unknown(_)) => return Err(Problem::from(error).into()),
        Err(error) => Flash::new(Tone::Bad, format!("{name}: {error}.")),
    };
    Ok(desk.tell(&format!("/bots/{}", segment(name)), flash))
}
