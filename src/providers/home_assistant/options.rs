//! `[tracker.options]` of Home Assistant, and what they make of a notice for their tracker.

use serde_json::{Map, Value};

use super::attributes::is_blocked;
use super::names::Area;
use super::wire::domain_of;
use crate::config::{shown, suggestion};
use crate::domain::notice::NoticeDraft;
use crate::domain::policy::Span;
use crate::domain::routing::Patterns;
use crate::providers::ask::Watch;
use crate::providers::options::{self, Faults, Options};

/// The label that names the tracker for which a notice was made.
pub const TRACKER: &str = "tracker";
/// The label that names the attribute that changed.
pub const ATTRIBUTE: &str = "attribute";
/// Under which a notice has a state before and after.
pub const STATE: &str = "state";
pub const STATE_CHANGED: &str = "state_changed";
pub const EVENT_FIRED: &str = "event_fired";
const CONNECTION: [&str; 2] = ["connection_lost", "connection_restored"];

/// Shortest and longest that something has to be so, in seconds.
const FOR_SECONDS_MIN: u32 = 1;
const FOR_SECONDS_MAX: u32 = 30 * 24 * 3_600;

/// Domains that Home Assistant comes with, to suggest one for a word that is nearly one of them.
const DOMAINS: [&str; 53] = [
    "air_quality",
    "alarm_control_panel",
    "automation",
    "binary_sensor",
    "button",
    "calendar",
    "camera",
    "climate",
    "conversation",
    "counter",
    "cover",
    "date",
    "datetime",
    "device_tracker",
    "event",
    "fan",
    "geo_location",
    "group",
    "humidifier",
    "image",
    "image_processing",
    "input_boolean",
    "input_button",
    "input_datetime",
    "input_number",
    "input_select",
    "input_text",
    "lawn_mower",
    "light",
    "lock",
    "media_player",
    "notify",
    "number",
    "person",
    "plant",
    "proximity",
    "remote",
    "scene",
    "schedule",
    "script",
    "select",
    "sensor",
    "siren",
    "sun",
    "switch",
    "text",
    "timer",
    "todo",
    "update",
    "vacuum",
    "water_heater",
    "weather",
    "zone",
];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackerOptions {
    /// Globs, `!` negates, as the next three.
    pub domain: Vec<String>,
    pub area: Vec<String>,
    pub from: Vec<String>,
    pub to: Vec<String>,
    /// How long it has to be so before it is told.
    pub held: Option<Span>,
    /// Told is a change of this, and not of the state.
    pub attribute: Option<String>,
}

impl TrackerOptions {
    /// The options as configured, and everything that is wrong with them.
    pub fn read(table: &Map<String, Value>) -> (TrackerOptions, Faults) {
        options::read(table, |options| TrackerOptions {
            domain: domains(options),
            area: patterns(options, "area"),
            from: patterns(options, "from"),
            to: patterns(options, "to"),
            held: held(options),
            attribute: attribute(options),
        })
    }

    /// Whether they are about changes of a state, so that nothing else is wanted.
    fn is_about_changes(&self) -> bool {
        !self.from.is_empty()
            || !self.to.is_empty()
            || self.held.is_some()
            || self.attribute.is_some()
    }
}

fn patterns(options: &Options<'_>, key: &'static str) -> Vec<String> {
    let lines = options.lines(key).unwrap_or_default();
    for line in &lines {
        if globset::Glob::new(line.strip_prefix('!').unwrap_or(line)).is_err() {
            options.fault(key, format!("{} is no pattern", shown(line)));
        }
    }
    lines
}

fn domains(options: &Options<'_>) -> Vec<String> {
    let lines = patterns(options, "domain");
    for line in &lines {
        let word = line.strip_prefix('!').unwrap_or(line);
        let is_pattern = word.contains(['*', '?', '[', '{']);
        if is_pattern || DOMAINS.contains(&word) {
            continue;
        }
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let near = suggestion(word, DOMAINS.iter().copied());
        if !word.chars().all(is_word) {
            let why = "is no domain: that is what stands before the dot, like `light`";
            options.fault("domain", format!("{} {why}{near}", shown(word)));
        } else if !near.is_empty() {
            let why = "is no domain that Home Assistant comes with";
            let else_ = "; write one of your own as a pattern, with `*`";
            options.fault("domain", format!("{} {why}{near}{else_}", shown(word)));
        }
    }
    lines
}

fn held(options: &Options<'_>) -> Option<Span> {
    let span = options.span("for")?;
    if !(FOR_SECONDS_MIN..=FOR_SECONDS_MAX).contains(&span.seconds()) {
        let most = Span::of_seconds(FOR_SECONDS_MAX);
        options.fault("for", format!("has to lie between 1s and {most}"));
        return None;
    }
    Some(span)
}

fn attribute(options: &Options<'_>) -> Option<String> {
    let name = options.line("attribute")?;
    if is_blocked(&name) {
        options.fault("attribute", "may hold what opens something and is not told");
        return None;
    }
    Some(name)
}

/// Why a tracker wants nothing of a notice.
pub fn judge(
    tracker: &str,
    table: &Map<String, Value>,
    notice: &NoticeDraft,
) -> Result<(), String> {
    if CONNECTION.contains(&notice.kind.as_str()) {
        return Ok(());
    }
    let (options, _) = TrackerOptions::read(table);
    let label = |name: &str| notice.labels.get(name).map(String::as_str);
    let made_for = label(TRACKER);
    if let Some(of) = made_for
        && of != tracker
    {
        return Err(format!("was made for tracker {of}"));
    }
    let among = |what: &str, wanted: &[String], texts: &[&str]| {
        let fits = wanted.is_empty() || !texts.is_empty() && Patterns::of(wanted).want(texts);
        let is = texts.first().copied().unwrap_or("none");
        match fits {
            true => Ok(()),
            false => Err(format!("{what} {is} is not in [{}]", wanted.join(", "))),
        }
    };
    let domain: Vec<&str> = label("domain").into_iter().collect();
    among("domain", &options.domain, &domain)?;
    let area: Vec<&str> = label("area").into_iter().chain(label("area_id")).collect();
    among("area", &options.area, &area)?;
    if notice.kind != STATE_CHANGED {
        return match options.is_about_changes() {
            true => Err(
                "is no change of a state, and `from`, `to`, `for` and `attribute` are about those"
                    .into(),
            ),
            false => Ok(()),
        };
    }
    let changed = label(ATTRIBUTE);
    match (&options.attribute, changed) {
        (Some(wanted), Some(changed)) if wanted == changed => {}
        (Some(wanted), _) => return Err(format!("is no change of attribute {wanted}")),
        (None, Some(changed)) => {
            return Err(format!(
                "is a change of attribute {changed}, not of the state"
            ));
        }
        (None, None) => {}
    }
    match (options.held, made_for) {
        (Some(span), None) => return Err(format!("is told when it has been so for {span}")),
        (None, Some(_)) => return Err("was made for a tracker with `for`".into()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let key = changed.unwrap_or(STATE);
    let value = |map: &std::collections::BTreeMap<String, String>| {
        map.get(key).cloned().unwrap_or_default()
    };
    let (before, after) = (value(&notice.before), value(&notice.after));
    among("value before", &options.from, &[before.as_str()])?;
    among("value", &options.to, &[after.as_str()])
}

/// What one tracker wants, made ready.
pub struct Wanted {
    pub tracker: u32,
    pub name: String,
    pub held: Option<Span>,
    /// Empty for the state.
    pub attribute: String,
    kinds: Patterns,
    /// Whether its kinds are named, so that one that cannot be had is missed.
    names_kinds: bool,
    collections: Patterns,
    /// Collections that are words, if all are.
    words: Option<Vec<String>>,
    domains: Patterns,
    areas: Option<Patterns>,
    from: Patterns,
    to: Patterns,
    has: Has,
    about_changes: bool,
}

/// Which of the options are given.
#[derive(Debug, Clone, Copy)]
struct Has {
    domain: bool,
    from: bool,
    to: bool,
}

impl Wanted {
    pub fn of(watch: &Watch) -> Wanted {
        let (options, _) = TrackerOptions::read(&watch.options);
        let is_word = |text: &String| !text.contains(['*', '?', '[', '{', '!', '\\']);
        let all_words = !watch.collections.is_empty() && watch.collections.iter().all(is_word);
        Wanted {
            tracker: watch.tracker,
            name: watch.name.clone(),
            about_changes: options.is_about_changes(),
            held: options.held,
            attribute: options.attribute.unwrap_or_default(),
            kinds: Patterns::of(&watch.kinds),
            names_kinds: watch.kinds.iter().any(|kind| !kind.starts_with('!')),
            collections: Patterns::of(&watch.collections),
            words: all_words.then(|| watch.collections.clone()),
            areas: (!options.area.is_empty()).then(|| Patterns::of(&options.area)),
            has: Has {
                domain: !options.domain.is_empty(),
                from: !options.from.is_empty(),
                to: !options.to.is_empty(),
            },
            domains: Patterns::of(&options.domain),
            from: Patterns::of(&options.from),
            to: Patterns::of(&options.to),
        }
    }

    /// Whether a kind of notice can be for it at all.
    pub fn wants_kind(&self, kind: &str) -> bool {
        let may_be = kind == STATE_CHANGED
            || !self.about_changes
                && !(kind == EVENT_FIRED && (self.has.domain || self.is_placed()));
        may_be && self.kinds.want(&[kind])
    }

    /// Whether it says by name that it wants this kind.
    pub fn names_kind(&self, kind: &str) -> bool {
        self.names_kinds && self.wants_kind(kind)
    }

    /// Whether what it wants depends on areas.
    pub fn is_placed(&self) -> bool {
        self.areas.is_some()
    }

    /// The types of events that it wants told; `None` for any.
    pub fn event_types(&self) -> Option<&[String]> {
        self.words.as_deref()
    }

    /// Whether it wants what happens to a collection, by its id and name.
    pub fn wants_collection(
        &self,
        id: &str,
        name: &str,
        domain: Option<&str>,
        area: Option<Area<'_>>,
    ) -> bool {
        let domain_fits =
            !self.has.domain || domain.is_some_and(|domain| self.domains.want(&[domain]));
        let area_fits = match (&self.areas, area) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(areas), Some(area)) => areas.want(&[area.name, area.id]),
        };
        domain_fits && area_fits && self.collections.want(&[name, id])
    }

    /// Whether it watches an entity.
    pub fn watches(&self, id: &str, name: &str, area: Option<Area<'_>>) -> bool {
        self.wants_kind(STATE_CHANGED) && self.wants_collection(id, name, Some(domain_of(id)), area)
    }

    /// Whether a change is one that it wants.
    pub fn wants_change(&self, before: &str, after: &str) -> bool {
        self.from.want(&[before]) && self.to.want(&[after])
    }

    /// Whether what it waits for goes on when the value becomes this.
    pub fn goes_on(&self, after: &str) -> bool {
        if self.has.to {
            self.to.want(&[after])
        } else {
            self.has.from && !self.from.want(&[after])
        }
    }
}
