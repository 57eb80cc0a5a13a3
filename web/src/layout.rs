//! The sheet around a page: rail or bottom bar, bread crumbs, heading, messages.

use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::frame::{Flash, Frame, Paused, Tone};
use crate::icon::{Icon, icon, sprite};
use crate::parts;
use crate::view::{laid_bare, number};

/// The five places of the bottom bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Overview,
    Notices,
    Waiting,
    Configure,
    More,
}

/// Where a page stands in the rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    Overview,
    Notices,
    Inbox,
    Search,
    Deliveries,
    Held,
    Parked,
    Snoozes,
    Providers,
    Targets,
    Bots,
    Settings,
    Log,
    More,
    Account,
    /// Before login, and where something went wrong.
    Nowhere,
}

struct Entry {
    spot: Spot,
    place: Place,
    path: &'static str,
    word: &'static str,
    icon: Icon,
}

const fn entry(
    spot: Spot,
    place: Place,
    path: &'static str,
    word: &'static str,
    icon: Icon,
) -> Entry {
    Entry {
        spot,
        place,
        path,
        word,
        icon,
    }
}

const ENTRIES: [Entry; 15] = [
    entry(
        Spot::Overview,
        Place::Overview,
        "/",
        "Overview",
        Icon::Overview,
    ),
    entry(
        Spot::Notices,
        Place::Notices,
        "/notices",
        "Notices",
        Icon::Notices,
    ),
    entry(Spot::Inbox, Place::Notices, "/inbox", "Inbox", Icon::Inbox),
    entry(
        Spot::Search,
        Place::Notices,
        "/search",
        "Search",
        Icon::Search,
    ),
    entry(
        Spot::Deliveries,
        Place::Waiting,
        "/deliveries",
        "Deliveries",
        Icon::Waiting,
    ),
    entry(Spot::Held, Place::Waiting, "/held", "Held", Icon::Hold),
    entry(
        Spot::Parked,
        Place::Waiting,
        "/parked",
        "Parked",
        Icon::Stop,
    ),
    entry(
        Spot::Snoozes,
        Place::Waiting,
        "/snoozes",
        "Snoozes",
        Icon::Quiet,
    ),
    entry(
        Spot::Providers,
        Place::Configure,
        "/providers",
        "Providers",
        Icon::Provider,
    ),
    entry(
        Spot::Targets,
        Place::Configure,
        "/targets",
        "Targets",
        Icon::Target,
    ),
    entry(Spot::Bots, Place::Configure, "/bots", "Bots", Icon::Person),
    entry(
        Spot::Settings,
        Place::Configure,
        "/settings",
        "Settings",
        Icon::Configure,
    ),
    entry(Spot::Log, Place::More, "/log", "Log", Icon::Log),
    entry(
        Spot::Account,
        Place::More,
        "/account",
        "Account",
        Icon::Person,
    ),
    entry(Spot::More, Place::More, "/more", "More", Icon::More),
];

const PLACES: [(Place, &str, &str, Icon); 5] = [
    (Place::Overview, "/", "Overview", Icon::Overview),
    (Place::Notices, "/notices", "Notices", Icon::Notices),
    (Place::Waiting, "/deliveries", "Waiting", Icon::Waiting),
    (Place::Configure, "/providers", "Configure", Icon::Configure),
    (Place::More, "/more", "More", Icon::More),
];

fn place_of(spot: Spot) -> Option<Place> {
    ENTRIES
        .iter()
        .find(|entry| entry.spot == spot)
        .map(|entry| entry.place)
}

/// What a page says about itself.
pub(crate) struct Sheet<'a> {
    pub title: &'a str,
    pub spot: Spot,
    /// The way here, where there is depth: (path, words).
    pub crumbs: &'a [(&'a str, &'a str)],
    /// Stands beside the heading: a status.
    pub beside: Option<Markup>,
    /// The one primary action.
    pub action: Option<Markup>,
    /// Seconds after which the page asks again, without any script.
    pub again_after: Option<u32>,
}

impl<'a> Sheet<'a> {
    pub fn new(title: &'a str, spot: Spot) -> Self {
        Sheet {
            title,
            spot,
            crumbs: &[],
            beside: None,
            action: None,
            again_after: None,
        }
    }
}

/// A whole page.
pub(crate) fn page(frame: &Frame, sheet: &Sheet<'_>, body: Markup) -> Markup {
    let place = place_of(sheet.spot);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="same-origin";
                @if let Some(seconds) = sheet.again_after {
                    meta http-equiv="refresh" content=(seconds);
                }
                title { (sheet.title) " · notify-bridge" }
                link rel="icon" href=(FAVICON);
                link rel="stylesheet" href=(assets::STYLE.path());
                script type="module" src=(assets::SCRIPT.path()) {}
            }
            body.bare[frame.user.is_none()] {
                (sprite())
                a.skip href="#main" { "Skip to content" }
                @if frame.user.is_some() {
                    (rail(frame, sheet.spot))
                }
                main #main tabindex="-1" {
                    @if let Some(paused) = &frame.paused {
                        (paused_banner(frame, paused))
                    }
                    @if let Some(place) = place.filter(|_| sheet.crumbs.is_empty()) {
                        (siblings(frame, place, sheet.spot))
                    }
                    (head(frame, sheet))
                    (flashes(frame))
                    (body)
                }
                @if frame.user.is_some() {
                    (bottom_bar(frame, place))
                }
            }
        }
    }
}

const FAVICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' \
     fill='none' stroke='%230f766e' stroke-width='1.8' stroke-linecap='round'%3E%3Cpath d='M1.5 12.5c0-7 \
     13-7 13 0M1.5 9.5h13M5 9.5v3.2M11 9.5v3.2'/%3E%3C/svg%3E";

fn head(frame: &Frame, sheet: &Sheet<'_>) -> Markup {
    html! {
        header.head {
            @if !sheet.crumbs.is_empty() {
                nav.crumbs aria-label="Breadcrumb" {
                    ol {
                        @for (path, words) in sheet.crumbs {
                            li { a href=(frame.href(path)) { (words) } }
                        }
                    }
                }
            }
            div.head-line {
                h1 dir="auto" { (sheet.title) }
                @if let Some(beside) = &sheet.beside { div.head-beside { (beside) } }
                @if let Some(action) = &sheet.action { div.head-action { (action) } }
            }
        }
    }
}

/// What came of the request before this one. It takes the focus, so that a screen reader begins
/// there without any script; what went wrong is an alert.
fn flashes(frame: &Frame) -> Markup {
    html! {
        @if !frame.flash.is_empty() {
            div.flashes tabindex="-1" autofocus role="group" aria-label="What was done" {
                @for flash in &frame.flash { (flash_of(frame, flash)) }
            }
        }
    }
}

fn flash_of(frame: &Frame, flash: &Flash) -> Markup {
    let role = match flash.tone {
        Tone::Good | Tone::Note => "status",
        Tone::Warning | Tone::Bad => "alert",
    };
    html! {
        div class=(parts::tone_class("flash", flash.tone)) role=(role) {
            (icon(parts::tone_icon(flash.tone)))
            div.said {
                p dir="auto" {
                    (laid_bare(&flash.text))
                    @if let Some((path, words)) = &flash.link { " " a href=(frame.href(path)) { (words) } }
                }
                @if !flash.lines.is_empty() {
                    ul.outcomes {
                        @for line in &flash.lines {
                            li {
                                b.outcome-of { bdi { (laid_bare(&line.subject)) } }
                                @if let Some(status) = line.status { " " (parts::status(status)) }
                                @if !line.text.is_empty() { " " span.outcome-text dir="auto" { (laid_bare(&line.text)) } }
                            }
                        }
                        @if flash.more > 0 { li.dim { "and " (number(flash.more)) " more" } }
                    }
                }
            }
        }
    }
}

fn paused_banner(frame: &Frame, paused: &Paused) -> Markup {
    html! {
        div class=(parts::tone_class("flash", Tone::Warning)) role="status" {
            (icon(Icon::Hold))
            span.grow {
                strong { "Sending is paused" } " by " bdi { (paused.by) } ", " (parts::moment(&paused.since))
                ". Notices are still accepted; what is due waits."
            }
            @if frame.can_operate {
                (parts::post_form(frame, "/resume", "inline", html! { button.small { "Resume sending" } }))
            }
        }
    }
}

fn rail(frame: &Frame, spot: Spot) -> Markup {
    html! {
        nav.rail aria-label="Main" {
            a.brand href=(frame.href("/")) { (icon(Icon::Brand)) "notify-bridge" }
            ul {
                @for (index, entry) in ENTRIES.iter().enumerate() {
                    @let apart = index > 0 && ENTRIES[index - 1].place != entry.place;
                    li.apart[apart] {
                        a href=(frame.href(entry.path)) aria-current=[(entry.spot == spot).then_some("page")] {
                            (icon(entry.icon)) (entry.word)
                            @if entry.spot == Spot::Parked { (badge(frame)) }
                        }
                    }
                }
            }
            p.rail-foot {
                @if let Some(user) = &frame.user { bdi { (user) } br; }
                (frame.version)
            }
        }
    }
}

fn badge(frame: &Frame) -> Markup {
    html! {
        @if frame.parked > 0 {
            span.badge { (number(frame.parked)) span.sr { " wait for a person" } }
        }
    }
}

/// The pages of the same place, where the rail does not show them.
fn siblings(frame: &Frame, place: Place, spot: Spot) -> Markup {
    let known = ENTRIES
        .iter()
        .any(|entry| entry.spot == spot && entry.path != "/more");
    let siblings = ENTRIES
        .iter()
        .filter(|entry| entry.place == place && entry.path != "/more")
        .collect::<Vec<_>>();
    html! {
        @if known && siblings.len() > 1 && place != Place::More {
            nav.siblings aria-label="In this place" {
                ul {
                    @for entry in siblings {
                        li {
                            a href=(frame.href(entry.path)) aria-current=[(entry.spot == spot).then_some("page")] {
                                (entry.word)
                                @if entry.spot == Spot::Parked { (badge(frame)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bottom_bar(frame: &Frame, place: Option<Place>) -> Markup {
    html! {
        nav.bar aria-label="Places" {
            ul {
                @for (at, path, word, sign) in PLACES {
                    li {
                        a href=(frame.href(path)) aria-current=[(place == Some(at)).then_some("true")] {
                            (icon(sign)) span { (word) }
                            @if at == Place::Waiting { (badge(frame)) }
                        }
                    }
                }
            }
        }
    }
}
