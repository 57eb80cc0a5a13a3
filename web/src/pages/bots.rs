//! Bots: who each is, the chats it was seen in, and a look for more.

use maud::{Markup, html};

use super::providers::secrets;
use crate::address::segment;
use crate::frame::{Frame, Tone};
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, counted, number};

/// Minutes that a look for chats takes.
pub const LOOK_MINUTES: u64 = 5;
/// Seconds after which the page asks again while somebody looks.
const AGAIN_SECONDS: u32 = 5;

#[derive(Debug, Clone)]
pub struct BotRow {
    pub name: String,
    pub kind: String,
    pub enabled: bool,
    /// Its public name, once its service has said it.
    pub username: String,
    pub targets: u64,
    pub chats: u64,
}

#[derive(Debug, Clone, Default)]
pub struct BotsView {
    pub rows: Vec<BotRow>,
}

pub fn list(frame: &Frame, view: &BotsView) -> Markup {
    page(
        frame,
        &Sheet::new("Bots", Spot::Bots),
        html! {
            @if view.rows.is_empty() {
                (parts::empty(Icon::Person, "No bot yet", html! {
                    p { "A bot is an identity in a chat service that targets share, and it knows the chats it was seen in. Describe one in a file and apply it:" }
                    pre.sample tabindex="0" { "[[bot]]\nname = \"herald\"\nkind = \"telegram\"\ntoken = { env = \"BOT_TOKEN\" }\n\n[[target]]\nname = \"ops\"\nkind = \"telegram\"\nbot = \"herald\"\nreceivers = [ { to = \"-1001234567890\" } ]" }
                }))
            } @else {
                div.rows-box { table.rows role="table" {
                    caption.sr { "Bots" }
                    thead role="rowgroup" { tr role="row" {
                        th.c-status.wider scope="col" role="columnheader" { "State" }
                        th.c-title scope="col" role="columnheader" { "Bot" }
                        th.c-from.first scope="col" role="columnheader" { "Kind" }
                        th.c-num scope="col" role="columnheader" { "Targets" }
                        th.c-num scope="col" role="columnheader" { "Chats" }
                    } }
                    tbody role="rowgroup" { @for row in &view.rows {
                        tr role="row" {
                            td.c-status.wider role="cell" { (standing(row.enabled, &row.username)) }
                            td.c-title role="cell" { a href=(frame.href(&format!("/bots/{}", segment(&row.name)))) { bdi { (row.name) } } }
                            td.c-from.first role="cell" { (row.kind) @if !row.username.is_empty() { span.dim { " @" bdi { (row.username) } } } }
                            td.c-num role="cell" { (number(row.targets)) }
                            td.c-num.zero[row.chats == 0] role="cell" { (number(row.chats)) }
                        }
                    } }
                } }
            }
        },
    )
}

fn standing(enabled: bool, username: &str) -> Markup {
    match (enabled, username.is_empty()) {
        (false, _) => parts::state(Tone::Note, "Hears nothing"),
        (true, true) => parts::state(Tone::Note, "Not tested yet"),
        (true, false) => parts::state(Tone::Good, "Known"),
    }
}

/// How it hears what is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ear {
    /// Its service is asked, while somebody looks.
    Asks,
    /// Its service sends to this address.
    SentTo(String),
}

/// A chat it was seen in.
#[derive(Debug, Clone)]
pub struct ChatRow {
    pub title: String,
    pub kind: String,
    /// What a receiver has as its `to`.
    pub to: String,
    pub username: String,
    pub language: String,
    pub seen: Moment,
    pub left: bool,
    /// As it stands in `receivers` of a target.
    pub receiver: String,
}

#[derive(Debug, Clone)]
pub struct BotView {
    pub name: String,
    pub kind: String,
    pub description: String,
    pub managed_by: String,
    pub enabled: bool,
    /// Public name and name, once its service has said them.
    pub username: String,
    pub known_as: String,
    pub ear: Ear,
    pub targets: Vec<String>,
    pub secrets: Vec<(String, Option<Moment>)>,
    pub chats: Vec<ChatRow>,
    /// Until when somebody looks for more.
    pub looking_until: Option<Moment>,
    /// Why the last look ended before its time.
    pub look_failed: String,
}

pub fn one(frame: &Frame, view: &BotView) -> Markup {
    let crumbs = [("/bots", "Bots")];
    let mut sheet = Sheet::new(&view.name, Spot::Bots);
    sheet.crumbs = &crumbs;
    sheet.beside = Some(html! { span.dim { (view.kind) } });
    sheet.again_after = view.looking_until.is_some().then_some(AGAIN_SECONDS);
    page(
        frame,
        &sheet,
        html! {
            @if !view.description.is_empty() { p.lead dir="auto" { (view.description) } }
            div.split {
                div.split-main {
                    (chats(view))
                    @if frame.can_operate { (look(frame, view)) (test(frame, view)) }
                }
                aside.split-side aria-labelledby="facts" {
                    h2 #facts { "Facts" }
                    dl.facts {
                        div { dt { "State" } dd { (standing(view.enabled, &view.username)) } }
                        div { dt { "Kind" } dd { (view.kind) } }
                        div { dt { "Known as" } dd {
                            @if view.username.is_empty() { "not asked yet: test it" }
                            @else { bdi { (view.known_as) } " " span.dim { "@" bdi { (view.username) } } }
                        } }
                        (secrets(&view.secrets))
                        div { dt { "Targets" } dd {
                            @if view.targets.is_empty() { "none: nothing is sent as it" }
                            @for (index, target) in view.targets.iter().enumerate() {
                                @if index > 0 { ", " }
                                a href=(frame.href(&format!("/targets/{}", segment(target)))) { bdi { (target) } }
                            }
                        } }
                        @if !view.managed_by.is_empty() { div { dt { "Managed by" } dd { (view.managed_by) } } }
                    }
                }
            }
        },
    )
}

fn chats(view: &BotView) -> Markup {
    html! {
        section aria-labelledby="chats" {
            (parts::section_head("chats", "Chats", html! { span.dim { (counted(view.chats.len() as u64, "chat", "chats")) } }))
            @if view.chats.is_empty() {
                p.dim { "It was seen in no chat yet. Look for chats, then write to the bot or add it to a group." }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="chats" {
                    table.grid {
                        thead { tr { th scope="col" { "Chat" } th scope="col" { "Kind" } th scope="col" { "For receivers" } th scope="col" { "Last heard" } } }
                        tbody { @for chat in &view.chats {
                            tr {
                                th scope="row" {
                                    bdi { (chat.title) }
                                    @if !chat.username.is_empty() { p.dim { "@" bdi { (chat.username) } } }
                                }
                                td {
                                    (chat.kind)
                                    @if !chat.language.is_empty() { span.dim { ", " (chat.language) } }
                                    @if chat.left { p { (parts::state(Tone::Warning, "Not let in")) } }
                                }
                                td { (parts::copyable(&format!("the receiver for {}", chat.to), &chat.receiver)) }
                                td { (parts::moment(&chat.seen)) }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn look(frame: &Frame, view: &BotView) -> Markup {
    let path = format!("/bots/{}/discover", segment(&view.name));
    html! {
        section aria-labelledby="look" {
            h2 #look { "Look for chats" }
            @if let Some(until) = &view.looking_until {
                p role="status" { "Looking until " (until.absolute) ". Write to the bot, or add it to a group: this page shows it by itself." }
            } @else if !view.enabled {
                p.dim { "It is switched off, so it hears nothing." }
            } @else {
                @if !view.look_failed.is_empty() { p.bad dir="auto" { "The last look ended: " (view.look_failed) "." } }
                (parts::post_form(frame, &path, "card", html! {
                    @match &view.ear {
                        Ear::Asks => {
                            p.help { "Asks the service for " (LOOK_MINUTES) " min what is said to the bot. Only where it was said is kept." }
                            button.primary { "Look for chats" }
                        }
                        Ear::SentTo(address) => {
                            p.help { "Has the service send what is said to the bot here. Only where it was said is kept." }
                            (parts::copyable("the address", address))
                            button.primary { "Have it sent here" }
                        }
                    }
                }))
            }
        }
    }
}

fn test(frame: &Frame, view: &BotView) -> Markup {
    let path = format!("/bots/{}/test", segment(&view.name));
    html! {
        section aria-labelledby="test" {
            h2 #test { "Test" }
            (parts::post_form(frame, &path, "card", html! {
                p.help { "Asks the service who the bot is. Nobody is written to." }
                button { "Test the token" }
            }))
        }
    }
}
