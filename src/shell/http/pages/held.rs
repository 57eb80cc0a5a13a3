//! What is held: the groups, the question about one or many, and its answer.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday, time};
use jiff::{ToSpan as _, Unit};
use notify_web::pages::ask::{Question, nothing_left, page_with as ask_page};
use notify_web::pages::held::{self, Group, HeldRow, HeldView, Moments, PREVIEW_MAX, Reason};
use notify_web::view::counted;
use notify_web::{Flash, Markup, Tone};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use super::deliveries::about;
use super::parked::{carry_out, extent, reading, sample, why_nothing};
use super::{Desk, Wrong, asked, operators, page, text};
use crate::domain::decide::MOVE_MAX_MICROS;
use crate::domain::event::Action;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate::{self, BULK_MAX, Deed, NotAMoment, RELEASED};
use crate::shell::views::{self, HeldGroup};

/// Groups on one page.
const GROUPS_SHOWN: usize = 20;
/// Deliveries listed of each; all are counted.
const GROUP_ROWS: usize = 20;
// What a page lists is read from the log delivery by delivery.
const _: () = assert!(GROUPS_SHOWN * GROUP_ROWS <= views::COPIED_ROWS_MAX);

#[derive(Deserialize, Default)]
pub struct Turned {
    #[serde(default)]
    page: usize,
    fragment: Option<String>,
}

pub async fn list(shown: Shown, Query(turned): Query<Turned>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let (desk, view) = reading(desk, move |desk| view(desk, turned.page)).await?;
    let frame = desk.frame();
    Ok(page(match turned.fragment {
        Some(_) => held::results(&frame, &view),
        None => held::page_of(&frame, &view),
    }))
}

fn view(desk: &Desk, turned: usize) -> Result<HeldView, Wrong> {
    let mut found = views::held_groups(&desk.app.ledger, GROUP_ROWS);
    let total = found.iter().map(|group| group.count).sum();
    let from = turned.saturating_mul(GROUPS_SHOWN).min(found.len());
    let next = (from + GROUPS_SHOWN < found.len()).then_some(turned + 1);
    found.drain(..from);
    found.truncate(GROUPS_SHOWN);
    let mut known = BTreeMap::new();
    let mut reasons: Vec<Reason> = Vec::new();
    for group in found {
        let what = group.why.map_or("", |why| why.as_str());
        let group = group_of(desk, &group, &mut known)?;
        match reasons.last_mut().filter(|reason| reason.what == what) {
            Some(reason) => reason.groups.push(group),
            None => reasons.push(Reason {
                what: what.to_owned(),
                groups: vec![group],
            }),
        }
    }
    Ok(HeldView {
        reasons,
        total,
        next,
        turned,
    })
}

/// Titles and severities that were read already, by the notice's id.
type Known = BTreeMap<String, (String, notify_web::Severity)>;

fn group_of(desk: &Desk, group: &HeldGroup, known: &mut Known) -> Result<Group, Wrong> {
    let ledger = &desk.app.ledger;
    let rows = views::deliveries_of(ledger.reader(), ledger, &group.first)?
        .iter()
        .map(|shape| row_of(desk, shape, known))
        .collect();
    Ok(Group {
        key: group.key.clone(),
        until: group.until.map(|until| desk.at(until)),
        count: group.count,
        notices: group.notices,
        rows,
    })
}

fn row_of(desk: &Desk, shape: &Value, known: &mut Known) -> HeldRow {
    let (notice_id, title, severity) = about(desk, shape, known);
    let preview = others(shape)
        .take(PREVIEW_MAX)
        .map(|id| title_of(desk, &id, known))
        .collect();
    HeldRow {
        id: text(&shape["id"]),
        notice_id,
        title,
        severity,
        target: text(&shape["target"]),
        receiver: text(&shape["receiver"]),
        notices: shape["notices_total"].as_u64().unwrap_or(1),
        preview,
        items: items_of(&shape["items"]),
        since: desk.moment(&shape["created_at"]).unwrap_or_default(),
    }
}

/// Ids of the notices that a delivery tells beside its own, as far as they are named.
pub fn others(shape: &Value) -> impl Iterator<Item = String> {
    let ids = shape["notice_ids"].as_array();
    let ids = ids.map_or(&[][..], Vec::as_slice).iter();
    ids.filter(|id| **id != shape["notice"]).map(text)
}

/// The title of a notice; empty when it is not there any more.
pub fn title_of(desk: &Desk, notice: &str, known: &mut Known) -> String {
    let shape = serde_json::json!({"notice": notice});
    about(desk, &shape, known).1
}

/// "12 added, 3 removed"; empty without items.
pub fn items_of(shape: &Value) -> String {
    match (shape["added"].as_u64(), shape["removed"].as_u64()) {
        (Some(added), Some(removed)) => format!("{added} added, {removed} removed"),
        _ => String::new(),
    }
}

/// What may be done with what is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Release,
    Move,
    Drop,
}

impl Wish {
    fn parse(word: &str) -> Result<Self, Wrong> {
        match word {
            "release" => Ok(Wish::Release),
            "move" => Ok(Wish::Move),
            "drop" => Ok(Wish::Drop),
            _ => {
                let why = "held deliveries are released, moved or dropped";
                Err(Problem::new(StatusCode::NOT_FOUND, why).into())
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Wish::Release => "release",
            Wish::Move => "move",
            Wish::Drop => "drop",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Wish::Release => "Release",
            Wish::Move => "Move",
            Wish::Drop => "Drop",
        }
    }

    fn means(self) -> &'static str {
        match self {
            Wish::Release => "Each is sent now, whatever holds it.",
            Wish::Move => "They are held until then, whatever else would hold them, and then sent.",
            Wish::Drop => {
                "Neither they nor what they tell together will be sent. The notices and why stay on record. What has changed before you answer is left alone."
            }
        }
    }
}

pub async fn ask(
    shown: Shown,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    operators(&desk)?;
    let all = |name: &str| -> Vec<String> {
        let named = pairs.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    let wish = Wish::parse(all("action").first().map_or("", String::as_str))?;
    let (groups, ids) = (all("group"), all("id"));
    let (desk, (choice, lines)) = reading(desk, move |desk| {
        let ledger = &desk.app.ledger;
        let choice = views::held_choice(ledger.reader(), ledger, &groups, &ids, BULK_MAX)?;
        let lines = sample(desk, &choice)?;
        Ok((choice, lines))
    })
    .await?;
    let (word, verb) = (wish.word(), wish.verb());
    let count = choice.seen.len() as u64;
    if count == 0 {
        let hint = "Nothing that was chosen is held. Choose deliveries by their boxes, or all of a moment.";
        let (title, words) = (format!("Nothing to {word}"), why_nothing(&choice, hint));
        return Ok(page(nothing_left(&desk.frame(), &title, &words, "/held")));
    }
    let (title, rest) = extent(verb, &choice, "as they are");
    let telling = if choice.notices > choice.total {
        format!(
            " Together they tell {}.",
            counted(choice.notices, "notice", "notices")
        )
    } else {
        String::new()
    };
    let question = Question {
        title,
        text: format!("{}{telling}{rest}", wish.means()),
        concerned: lines,
        total: count,
        action: format!("/held/{word}"),
        fields: vec![("asked".to_owned(), asked::write(&choice.seen))],
        button: format!("{verb} {}", counted(count, "delivery", "deliveries")),
        back: "/held".into(),
        destructive: wish == Wish::Drop,
    };
    let more = match wish {
        Wish::Move => held::until_when(&moments(&desk)),
        Wish::Release | Wish::Drop => Markup::default(),
    };
    Ok(page(ask_page(&desk.frame(), &question, more)))
}

/// Moments to choose from, in the zone of the installation.
pub fn moments(desk: &Desk) -> Moments {
    let now = Timestamp::from_microsecond(desk.now).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = desk.zone.to_datetime(now);
    let mut presets = Vec::new();
    let mut add = |micros: i64, words: &str| {
        let at = desk.at(micros);
        presets.push((at.at, format!("{words}, {}", at.absolute)));
    };
    const HOUR: i64 = 3_600 * 1_000_000;
    add(desk.now + HOUR, "In an hour");
    add(desk.now + 4 * HOUR, "In four hours");
    let civil = |at: DateTime| {
        desk.zone
            .to_timestamp(at)
            .ok()
            .map(|at| at.as_microsecond())
    };
    let day = |days: i64, hour: i8| {
        let date = local.date().checked_add(days.days()).ok()?;
        civil(date.to_datetime(time(hour, 0, 0, 0)))
    };
    if local.hour() < 17
        && let Some(at) = day(0, 18)
    {
        add(at, "This evening");
    }
    if let Some(at) = day(1, 8) {
        add(at, "Tomorrow morning");
    }
    let to_monday = i64::from(local.date().weekday().until(Weekday::Monday));
    if to_monday > 1
        && let Some(at) = day(to_monday, 8)
    {
        add(at, "On Monday morning");
    }
    presets.push((RELEASED.to_owned(), "Until somebody releases it".to_owned()));
    let field = |micros: i64| {
        let at = Timestamp::from_microsecond(micros).unwrap_or(now);
        let minute = desk.zone.to_datetime(at).round(Unit::Minute);
        let minute = minute.unwrap_or(local);
        minute.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let zone = desk.zone.iana_name().unwrap_or("UTC");
    Moments {
        presets,
        field: field(desk.now + HOUR),
        earliest: field(desk.now),
        latest: field(desk.now + MOVE_MAX_MICROS),
        zone: zone.rsplit('/').next().unwrap_or(zone).replace('_', " "),
    }
}

/// What the fields of [`held::until_when`] say.
#[derive(Deserialize, Default)]
pub struct Until {
    /// A preset, or `at` for the field.
    #[serde(default)]
    until: String,
    #[serde(default)]
    at: String,
}

impl Until {
    pub fn deed(&self, desk: &Desk) -> Result<Deed, NotAMoment> {
        let said = match self.until.as_str() {
            "at" => &self.at,
            preset => preset,
        };
        let until = operate::until(said, desk.now, &desk.zone)?;
        Ok(Deed::Move { until })
    }
}

#[derive(Deserialize)]
pub struct Answer {
    asked: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    at: String,
}

pub async fn operate(
    Path(action): Path<String>,
    posted: Posted<Answer>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let Answer { asked, until, at } = posted.form;
    let (deed, done) = match Wish::parse(&action)? {
        Wish::Release => (Deed::Release, "Released"),
        Wish::Drop => (Action::Drop.into(), "Dropped"),
        Wish::Move => match (Until { until, at }).deed(&desk) {
            Ok(deed) => (deed, "Moved"),
            Err(error) => {
                let words = format!("Nothing was changed: what was given {error}.");
                return Ok(desk.tell("/held", Flash::new(Tone::Bad, words)));
            }
        },
    };
    let Some(chosen) = asked::read(&asked) else {
        let why = "the form does not say what it is about; go back to the held ones and ask again";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why).into());
    };
    carry_out(desk, chosen, deed, done, "/held").await
}
