//! Providers: how each is heard, the address to paste, the sender's side, the last requests.

use maud::{Markup, html};

use crate::address::segment;
use crate::frame::{Frame, Tone};
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, counted, number};

/// How a provider is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// Verified requests arrive.
    Heard,
    /// Nothing has arrived yet.
    Never,
    /// The last request was refused.
    Refused,
    /// It is asked, and the last look saw it.
    Answers,
    /// It is asked, and the last look saw nothing.
    Silent,
    /// Switched off.
    Disabled,
}

impl Hearing {
    fn markup(self) -> Markup {
        match self {
            Hearing::Heard => parts::state(Tone::Good, "Heard"),
            Hearing::Never => parts::state(Tone::Note, "Not heard yet"),
            Hearing::Refused => parts::state(Tone::Bad, "Refused"),
            Hearing::Answers => parts::state(Tone::Good, "Answers"),
            Hearing::Silent => parts::state(Tone::Bad, "Does not answer"),
            Hearing::Disabled => parts::state(Tone::Note, "Switched off"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ProviderRow {
    pub name: String,
    pub kind: String,
    pub hearing: Hearing,
    pub last_notice: Option<Moment>,
    /// Notices in the days that counts show.
    pub notices: u64,
    pub trackers: u64,
}

#[derive(Debug, Clone, Default)]
pub struct ProvidersView {
    pub rows: Vec<ProviderRow>,
    /// `https://bridge.example/hooks/`
    pub hooks_base: String,
}

pub fn list(frame: &Frame, view: &ProvidersView) -> Markup {
    page(
        frame,
        &Sheet::new("Providers", Spot::Providers),
        html! {
            @if view.rows.is_empty() {
                (parts::empty(Icon::Provider, "No provider yet", html! {
                    p { "A provider is a service that things happen in. Describe one in a file and apply it:" }
                    pre.sample tabindex="0" { "[[provider]]\nname = \"forge\"\nkind = \"gitea\"\nsecret = { env = \"FORGE_SECRET\" }" }
                    p { "Its address is then:" }
                    (parts::copyable("address", &format!("{}forge", view.hooks_base)))
                }))
            } @else {
                div.rows-box {
                    table.rows role="table" {
                        caption.sr { "Providers" }
                        thead role="rowgroup" { tr role="row" {
                            th.c-status.wider scope="col" role="columnheader" { "State" }
                            th.c-title scope="col" role="columnheader" { "Provider" }
                            th.c-from.first scope="col" role="columnheader" { "Kind" }
                            th.c-num scope="col" role="columnheader" { "Trackers" }
                            th.c-num scope="col" role="columnheader" { "Notices" }
                            th.c-when scope="col" role="columnheader" { "Last notice" }
                        } }
                        tbody role="rowgroup" { @for row in &view.rows {
                            tr role="row" {
                                td.c-status.wider role="cell" { (row.hearing.markup()) }
                                td.c-title role="cell" { a href=(frame.href(&format!("/providers/{}", segment(&row.name)))) { bdi { (row.name) } } }
                                td.c-from.first role="cell" { (row.kind) }
                                td.c-num role="cell" { (number(row.trackers)) }
                                td.c-num role="cell" { (number(row.notices)) }
                                td.c-when role="cell" { @match &row.last_notice { Some(at) => (parts::moment(at)), None => span.dim { "never" } } }
                            }
                        } }
                    }
                }
            }
        },
    )
}

/// A request that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    pub at: Moment,
    pub why: String,
    /// The address it came from.
    pub from: String,
    /// How many since the program started.
    pub count: u64,
}

/// A verified request.
#[derive(Debug, Clone)]
pub struct RequestRow {
    pub position: u64,
    pub at: Moment,
    pub outcome: RequestOutcome,
}

#[derive(Debug, Clone)]
pub enum RequestOutcome {
    /// (id, title) of the notices it gave.
    Notices(Vec<(String, String)>),
    /// Why it could not be read.
    Unreadable(String),
}

#[derive(Debug, Clone)]
pub struct ProviderView {
    pub name: String,
    pub kind: String,
    pub description: String,
    /// The file it is managed by; empty when there is none.
    pub managed_by: String,
    pub hearing: Hearing,
    pub last_verified: Option<Moment>,
    pub refused: Option<Refused>,
    /// The exact address to paste; empty for kinds that nothing is sent to.
    pub address: String,
    /// How it is verified, in words: "signature in X-Gitea-Signature".
    pub verify: String,
    /// "secret: set 3 days ago"
    pub secrets: Vec<(String, Option<Moment>)>,
    pub steps: Vec<String>,
    pub traps: Vec<String>,
    pub trackers: Vec<String>,
    pub requests: Vec<RequestRow>,
    /// Whether there is something to test.
    pub can_test: bool,
    /// What it has to choose from, in the plural ("albums"), for who may have it asked.
    pub collections: Option<String>,
    /// Of a provider that is asked.
    pub asking: Option<AskingView>,
    /// Of a provider that tells over a session.
    pub session: Option<SessionView>,
    /// Whether anybody sends to it.
    pub is_told: bool,
}

/// How the session with a provider goes.
#[derive(Debug, Clone, Default)]
pub struct SessionView {
    pub since: Option<Moment>,
    /// The provider has accepted it.
    pub works: bool,
    pub messages: u64,
    /// Messages that came faster than they were read.
    pub left_out: u64,
    pub reconnects: u64,
    pub last_message: Option<Moment>,
    pub last_new: Option<Moment>,
    /// When it is tried again.
    pub next: Option<Moment>,
    pub last_error: String,
    pub failures: u64,
    /// Nobody is connected until a person resumes.
    pub halted: bool,
}

/// When a provider is looked at, and how that went.
#[derive(Debug, Clone, Default)]
pub struct AskingView {
    /// "1m"; empty for one that goes by the clock.
    pub interval: String,
    pub last: Option<Moment>,
    pub last_new: Option<Moment>,
    pub next: Option<Moment>,
    pub last_error: String,
    pub failures: u64,
    /// Moments of the clock that come next.
    pub upcoming: Vec<Moment>,
    /// Nobody is asked until a person resumes.
    pub halted: bool,
}

pub fn one(frame: &Frame, view: &ProviderView) -> Markup {
    let crumbs = [("/providers", "Providers")];
    let mut sheet = Sheet::new(&view.name, Spot::Providers);
    sheet.crumbs = &crumbs;
    sheet.beside = Some(html! { span.dim { (view.kind) } });
    let path = format!("/providers/{}", segment(&view.name));
    sheet.action = (view.can_test && frame.can_operate).then(|| {
        parts::post_form(
            frame,
            &format!("{path}/test"),
            "inline",
            html! { button.primary { "Test" } },
        )
    });
    page(
        frame,
        &sheet,
        html! {
            @if !view.description.is_empty() { p.lead dir="auto" { (view.description) } }
            div.split {
                div.split-main {
                    @if let Some(asked) = &view.asking { (asking(asked)) }
                    @if let Some(word) = &view.collections {
                        form method="get" action=(frame.href(&format!("{path}/collections"))) { button { "Look for " (word) } }
                    }
                    @if let Some(held) = &view.session { (session(held)) }
                    @if view.is_told { (health(view)) }
                    (setup(view))
                    @if view.is_told { (requests(frame, view)) }
                }
                aside.split-side aria-labelledby="facts" {
                    h2 #facts { "Facts" }
                    dl.facts {
                        div { dt { "Kind" } dd { (view.kind) } }
                        @if view.is_told { div { dt { "Verified by" } dd { (view.verify) } } }
                        @if let Some(asked) = &view.asking {
                            @if !asked.interval.is_empty() { div { dt { "Asked every" } dd { (asked.interval) } } }
                        }
                        (secrets(&view.secrets))
                        div { dt { "Trackers" } dd {
                            @if view.trackers.is_empty() { "none: nothing is sent for its notices" }
                            @for (index, tracker) in view.trackers.iter().enumerate() {
                                @if index > 0 { ", " }
                                a href=(frame.href(&format!("/notices?tracker={}", segment(tracker)))) { bdi { (tracker) } }
                            }
                        } }
                        @if !view.managed_by.is_empty() { div { dt { "Managed by" } dd { (view.managed_by) } } }
                    }
                    p { a href=(frame.href(&format!("/notices?provider={}", segment(&view.name)))) { "Its notices" } }
                }
            }
        },
    )
}

/// That secrets are set and since when; never anything that looks like them.
pub(crate) fn secrets(secrets: &[(String, Option<Moment>)]) -> Markup {
    html! {
        @for (field, set) in secrets {
            div { dt.code { (field) } dd { @match set { Some(at) => { "set " (parts::moment(at)) }, None => "not set" } } }
        }
    }
}

fn health(view: &ProviderView) -> Markup {
    html! {
        section aria-labelledby="health" {
            (parts::section_head("health", "Health", view.hearing.markup()))
            ul.health {
                li {
                    @match &view.last_verified {
                        Some(at) => { "Last verified request " (parts::moment(at)) "." },
                        None => "No verified request yet.",
                    }
                }
                @if let Some(refused) = &view.refused {
                    li.bad {
                        "Last refused " (parts::moment(&refused.at)) " from " code { (refused.from) } ": "
                        span.value dir="auto" { (refused.why) } "."
                        @if refused.count > 1 { " " (number(refused.count)) " refused since the program started." }
                    }
                }
            }
        }
    }
}

fn asking(asked: &AskingView) -> Markup {
    let state = match (asked.halted, asked.failures, &asked.last) {
        (true, ..) => parts::state(Tone::Note, "Waits"),
        (false, 0, None) => parts::state(Tone::Note, "Not asked yet"),
        (false, 0, Some(_)) => parts::state(Tone::Good, "Answers"),
        (false, ..) => parts::state(Tone::Bad, "Does not answer"),
    };
    html! {
        section aria-labelledby="asking" {
            (parts::section_head("asking", "Looking", state))
            ul.health {
                @if asked.halted { li { "The store came from a backup: nobody is asked until sending is resumed." } }
                li {
                    @match &asked.last {
                        Some(at) => { "Last look " (parts::moment(at)) "." },
                        None => "No look since the program started.",
                    }
                    @if let Some(at) = &asked.last_new { " Something new " (parts::moment(at)) "." }
                }
                @if let Some(at) = &asked.next { li { "Next look " (parts::moment(at)) "." } }
                @if !asked.last_error.is_empty() {
                    li.bad {
                        span.value dir="auto" { (asked.last_error) } "."
                        @if asked.failures > 1 { " " (number(asked.failures)) " looks in a row saw nothing." }
                    }
                }
            }
            @if !asked.upcoming.is_empty() {
                h3 { "What comes next" }
                ol.steps { @for at in &asked.upcoming { li { (parts::moment(at)) } } }
            }
        }
    }
}

fn session(held: &SessionView) -> Markup {
    let state = match (held.halted, held.works, held.failures) {
        (true, ..) => parts::state(Tone::Note, "Waits"),
        (false, true, _) => parts::state(Tone::Good, "Connected"),
        (false, false, 0) => parts::state(Tone::Note, "Connecting"),
        (false, false, _) => parts::state(Tone::Bad, "Not connected"),
    };
    html! {
        section aria-labelledby="session" {
            (parts::section_head("session", "Session", state))
            ul.health {
                @if held.halted { li { "The store came from a backup: nobody is connected until sending is resumed." } }
                li {
                    @match &held.since {
                        Some(at) => { "Connected since " (parts::moment(at)) "." },
                        None => "Not connected.",
                    }
                    " " (counted(held.messages, "message", "messages")) " and "
                    (counted(held.reconnects, "reconnect", "reconnects")) " since the program started."
                }
                @if let Some(at) = &held.last_message {
                    li {
                        "Last message " (parts::moment(at)) "."
                        @if let Some(at) = &held.last_new { " Something new " (parts::moment(at)) "." }
                    }
                }
                @if held.left_out > 0 {
                    li.bad { "Left out, because it came faster than it was read: " (counted(held.left_out, "message", "messages")) "." }
                }
                @if let Some(at) = &held.next { li { "Next try " (parts::moment(at)) "." } }
                @if !held.last_error.is_empty() {
                    li.bad {
                        span.value dir="auto" { (held.last_error) } "."
                        @if held.failures > 1 { " " (number(held.failures)) " tries in a row have failed." }
                    }
                }
            }
        }
    }
}

fn setup(view: &ProviderView) -> Markup {
    html! {
        section aria-labelledby="setup" {
            h2 #setup { @if view.is_told { "On the sender's side" } @else { "On the provider's side" } }
            @if !view.address.is_empty() {
                p.dim { "Paste this address, exactly as it stands:" }
                (parts::copyable("address", &view.address))
            }
            @if !view.steps.is_empty() { ol.steps { @for step in &view.steps { li { (parts::sentence(step)) } } } }
            @if !view.traps.is_empty() {
                h3 { "Where it goes wrong" }
                ul.traps { @for trap in &view.traps { li { (parts::sentence(trap)) } } }
            }
        }
    }
}

fn requests(frame: &Frame, view: &ProviderView) -> Markup {
    html! {
        section aria-labelledby="requests" data-reload-on=[view.requests.is_empty().then_some("notice")] {
            h2 #requests { "Last requests" }
            @if view.requests.is_empty() {
                p.dim { "None yet. Send a test from the sender's side; this page waits and shows it when it arrives." }
            } @else {
                div.rows-box { table.rows role="table" {
                    caption.sr { "Verified requests, newest first" }
                    thead role="rowgroup" { tr role="row" {
                        th.c-status.wider scope="col" role="columnheader" { "Outcome" }
                        th.c-title scope="col" role="columnheader" { "What it said" }
                        th.c-num scope="col" role="columnheader" { "Position" }
                        th.c-when scope="col" role="columnheader" { "Received" }
                    } }
                    tbody role="rowgroup" { @for request in &view.requests {
                        tr.plain role="row" {
                            td.c-status.wider role="cell" { @match &request.outcome {
                                RequestOutcome::Notices(_) => (parts::state(Tone::Good, "Accepted")),
                                RequestOutcome::Unreadable(_) => (parts::state(Tone::Bad, "Unreadable")),
                            } }
                            td.c-title role="cell" { @match &request.outcome {
                                RequestOutcome::Notices(notices) => {
                                    @match notices.first() {
                                        Some((id, title)) => {
                                            a href=(frame.href(&format!("/notices/{}", segment(id)))) { bdi { (title) } }
                                            @if notices.len() > 1 { span.dim { " and " (notices.len() - 1) " more" } }
                                        },
                                        None => span.dim { "nothing: a ping" },
                                    }
                                },
                                RequestOutcome::Unreadable(why) => bdi { (why) },
                            } }
                            td.c-num role="cell" { a href=(frame.href(&format!("/log/{}", request.position))) { (request.position) } }
                            td.c-when role="cell" { (parts::moment(&request.at)) }
                        }
                    } }
                } }
            }
        }
    }
}
