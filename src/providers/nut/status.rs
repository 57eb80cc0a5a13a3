//! What a UPS says, and what has changed since it said it last.

use std::collections::BTreeMap;

use super::session::Variables;
use crate::domain::notice::{Collection, NoticeDraft, Severity, Subject, Transition};
use crate::projections::cursors::OfProvider;
use crate::providers::ask::Observation;
use crate::providers::cursor::{self, Moved};

/// A UPS as upsd tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ups {
    pub name: String,
    pub description: String,
    /// Or why upsd has none: its driver is gone, or does not answer.
    pub variables: Result<Variables, String>,
}

/// Before the name of a UPS in the key of its cursor.
const KEY: &str = "ups/";

/// Variables that become labels.
const LABELS: [(&str, &str); 11] = [
    ("charge", "battery.charge"),
    ("runtime", "battery.runtime"),
    ("load", "ups.load"),
    ("battery_voltage", "battery.voltage"),
    ("input_voltage", "input.voltage"),
    ("output_voltage", "output.voltage"),
    ("temperature", "ups.temperature"),
    ("model", "ups.model"),
    ("manufacturer", "ups.mfr"),
    ("serial", "ups.serial"),
    ("alarm", "ups.alarm"),
];

/// Status words that say more than what they are, and what is told about them.
const KNOWN: [&str; 17] = [
    "OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "CAL", "OFF", "OVER", "TRIM",
    "BOOST", "FSD", "ALARM", "TEST", "ECO",
];

/// What is kept of a UPS: one letter for each thing that is the matter with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    lost: bool,
    on_battery: bool,
    low: bool,
    replace: bool,
    overload: bool,
}

impl Standing {
    /// The letters, a blank, and what the UPS is called, for when only this is at hand.
    fn kept(self, label: &str) -> Vec<u8> {
        let all = [
            (self.lost, b'c'),
            (self.on_battery, b'b'),
            (self.low, b'l'),
            (self.replace, b'r'),
            (self.overload, b'o'),
        ];
        let set = all.into_iter().filter(|(is, _)| *is);
        let letters = set.map(|(_, letter)| letter);
        letters.chain([b' ']).chain(label.bytes()).collect()
    }

    /// What was kept, and what the UPS is called.
    fn of_kept(kept: &[u8]) -> (Self, String) {
        let text = String::from_utf8_lossy(kept);
        let (letters, label) = text.split_once(' ').unwrap_or((&text, ""));
        let is = |letter| letters.as_bytes().contains(&letter);
        let standing = Standing {
            lost: is(b'c'),
            on_battery: is(b'b'),
            low: is(b'l'),
            replace: is(b'r'),
            overload: is(b'o'),
        };
        (standing, label.to_owned())
    }
}

impl Ups {
    /// Its description where somebody wrote one.
    pub fn label(&self) -> &str {
        let described = self.description.trim();
        match described.is_empty() || described.to_ascii_lowercase().contains("unavailable") {
            true => &self.name,
            false => described,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let variables = self.variables.as_ref().ok()?;
        let value = variables.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }

    fn flags(&self) -> Vec<&str> {
        let status = self.variable("ups.status").unwrap_or_default();
        status.split_ascii_whitespace().collect()
    }

    /// As it says itself; of one that says nothing, what it said before.
    fn standing(&self, before: Standing) -> Standing {
        let flags = self.flags();
        // While it starts, a driver has no status or says that it waits for one.
        if flags.is_empty() || flags.contains(&"WAIT") {
            return Standing {
                lost: self.variables.is_err() || before.lost,
                ..before
            };
        }
        let is = |flag| flags.contains(&flag);
        Standing {
            lost: false,
            // Where it says neither, as one that is off does, it is as it was.
            on_battery: is("OB") || (before.on_battery && !is("OL")),
            low: is("LB") || is("FSD"),
            replace: is("RB"),
            overload: is("OVER"),
        }
    }

    /// `on battery, charge 64 %, 14 min left, load 25 %`.
    pub fn summary(&self) -> String {
        let flags = self.flags();
        let power = match &self.variables {
            Err(why) => return why.clone(),
            Ok(_) if flags.contains(&"OB") => Some("on battery"),
            Ok(_) if flags.contains(&"OL") => Some("on line power"),
            Ok(_) if flags.contains(&"OFF") => Some("off"),
            Ok(_) => None,
        };
        let mut parts: Vec<String> = power.into_iter().map(str::to_owned).collect();
        parts.extend(self.figures());
        if parts.is_empty() {
            parts.push("no status yet".into());
        }
        parts.join(", ")
    }

    fn figures(&self) -> Vec<String> {
        let charge = self.variable("battery.charge");
        let runtime = self.variable("battery.runtime");
        let runtime = runtime.and_then(|seconds| seconds.parse::<f64>().ok());
        let load = self.variable("ups.load");
        let figures = [
            charge.map(|charge| format!("charge {charge} %")),
            runtime.map(|seconds| format!("{} left", span(seconds))),
            load.map(|load| format!("load {load} %")),
        ];
        figures.into_iter().flatten().collect()
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([("ups".to_owned(), self.name.clone())]);
        for (label, variable) in LABELS {
            if let Some(value) = self.variable(variable) {
                labels.insert(label.to_owned(), value.to_owned());
            }
        }
        let flags = self.flags();
        if !flags.is_empty() {
            labels.insert("status".into(), flags.join(" "));
        }
        let unknown: Vec<&str> = flags
            .iter()
            .filter(|flag| !KNOWN.contains(*flag))
            .copied()
            .collect();
        if !unknown.is_empty() {
            labels.insert("unknown_flags".into(), unknown.join(" "));
        }
        if flags.contains(&"FSD") {
            labels.insert("forced_shutdown".into(), "true".into());
        }
        labels
    }

    fn notice(&self, said: Said, text: String) -> NoticeDraft {
        let label = self.label();
        NoticeDraft {
            kind: said.kind.into(),
            severity: said.severity,
            collection: Some(Collection {
                id: self.name.clone(),
                name: label.to_owned(),
            }),
            subject: Subject {
                key: format!("{}/{}", self.name, said.about),
                label: label.to_owned(),
            },
            transition: said.transition,
            title: format!("{label} {}", said.title),
            text,
            labels: self.labels(),
            ..NoticeDraft::default()
        }
    }
}

/// Minutes, or seconds where there are few.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round();
    if seconds < 120.0 {
        format!("{seconds} s")
    } else {
        format!("{} min", (seconds / 60.0).floor())
    }
}

/// One thing that is said of a UPS.
struct Said {
    kind: &'static str,
    about: &'static str,
    severity: Severity,
    transition: Transition,
    title: &'static str,
}

const fn opens(
    kind: &'static str,
    about: &'static str,
    severity: Severity,
    title: &'static str,
) -> Said {
    Said {
        kind,
        about,
        severity,
        transition: Transition::Opens,
        title,
    }
}

const fn closes(kind: &'static str, about: &'static str, title: &'static str) -> Said {
    Said {
        kind,
        about,
        severity: Severity::Success,
        transition: Transition::Closes,
        title,
    }
}

/// What a change of each thing says: when it begins, and when it ends.
fn changes(before: Standing, after: Standing) -> Vec<Said> {
    let mut said = Vec::new();
    let mut change = |before: bool, after: bool, begins: Said, ends: Said| match (before, after) {
        (false, true) => said.push(begins),
        (true, false) => said.push(ends),
        (true, true) | (false, false) => {}
    };
    change(
        before.lost,
        after.lost,
        opens("comms_lost", "comms", Severity::Warning, "does not answer"),
        closes("comms_restored", "comms", "answers again"),
    );
    if after.lost {
        return said;
    }
    change(
        before.on_battery,
        after.on_battery,
        opens("on_battery", "power", Severity::Critical, "is on battery"),
        closes("on_line", "power", "is on line power again"),
    );
    change(
        before.low,
        after.low,
        opens(
            "low_battery",
            "battery",
            Severity::Critical,
            "has a low battery",
        ),
        closes("battery_restored", "battery", "has enough charge again"),
    );
    change(
        before.replace,
        after.replace,
        opens(
            "replace_battery",
            "replace",
            Severity::Warning,
            "needs a new battery",
        ),
        closes("battery_restored", "replace", "has a good battery again"),
    );
    change(
        before.overload,
        after.overload,
        opens("overload", "load", Severity::Critical, "is overloaded"),
        closes("overload", "load", "is not overloaded any more"),
    );
    said
}

/// What is new of all UPSes. One that was never seen before is noted and nothing is said of it.
pub fn observe(cursors: &OfProvider, found: &[Ups]) -> Observation {
    let mut moved = Moved::new();
    let mut notices = Vec::new();
    for ups in found {
        let key = format!("{KEY}{}", ups.name);
        let known = cursors.get(&key);
        let before = known.map_or_else(Standing::default, |kept| Standing::of_kept(kept).0);
        let after = ups.standing(before);
        cursor::set(cursors, &mut moved, &key, &after.kept(ups.label()));
        if known.is_none() {
            continue;
        }
        for said in changes(before, after) {
            let text = match &ups.variables {
                Err(why) => sentence(why),
                Ok(_) => sentence(&ups.summary()),
            };
            notices.push(ups.notice(said, text));
        }
    }
    // One that upsd does not have any more is said to be gone, once, and forgotten.
    for (key, kept) in cursors.range(KEY.to_owned()..) {
        let Some(name) = key.strip_prefix(KEY) else {
            break;
        };
        if found.iter().any(|ups| ups.name == name) {
            continue;
        }
        moved.push((key.clone(), None));
        let (before, label) = Standing::of_kept(kept);
        if !before.lost {
            let said = Said {
                kind: "comms_lost",
                about: "comms",
                severity: Severity::Warning,
                transition: Transition::None,
                title: "is gone from upsd",
            };
            let text = "It was taken out of upsd's configuration. Should it come back, it is looked at anew.";
            notices.push(known_by(name, label).notice(said, text.into()));
        }
    }
    Observation {
        cursors: moved,
        notices,
        next_at: None,
    }
}

/// Every UPS that was in sight is not.
pub fn all_lost(cursors: &OfProvider, why: &str) -> Observation {
    let mut moved = Moved::new();
    let mut notices = Vec::new();
    for (key, kept) in cursors.range(KEY.to_owned()..) {
        let Some(name) = key.strip_prefix(KEY) else {
            break;
        };
        let (before, label) = Standing::of_kept(kept);
        let after = Standing {
            lost: true,
            ..before
        };
        cursor::set(cursors, &mut moved, key, &after.kept(&label));
        for said in changes(before, after) {
            notices.push(known_by(name, label.clone()).notice(said, sentence(why)));
        }
    }
    Observation {
        cursors: moved,
        notices,
        next_at: None,
    }
}

/// A UPS of which only what was kept is at hand.
fn known_by(name: &str, label: String) -> Ups {
    Ups {
        name: name.to_owned(),
        description: label,
        variables: Err(String::new()),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}
