//! `render`: what a template says, per format, with its length against the limit.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::RenderArgs;
use super::configuration::{Texts, refused};
use super::failure::Failure;
use super::printer::{Look, Printer, block, escaped};
use super::read::unseen;
use super::sentences::{list, text};
use super::stopped::Readable;
use crate::config::{self, Present};
use crate::domain::event::Event;
use crate::domain::family::notice_of;
use crate::domain::notice::{
    Collection, Degrees, Item, ItemKind, Items, Notice, NoticeDraft, Severity, Subject, Transition,
};
use crate::domain::spec::{EntitySpec, TemplateSpec};
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::configure::{ConfigureError, Kinds};
use crate::shell::views;
use crate::targets::{TEXT_LIMITS, written};
use crate::templates::markup::plain;
use crate::templates::{Rendered, Scene, Words, render};

/// Largest notice that is read from a file, in bytes.
const NOTICE_BYTES_MAX: u64 = 1024 * 1024;
/// Rows of notices read at a time.
const ROWS: usize = 500;

/// Templates to render, with what surrounds them.
struct Templates {
    found: BTreeMap<String, TemplateSpec>,
    locale: String,
    zone: TimeZone,
}

pub fn run(args: &RenderArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json);
    if args.name.is_none() && args.template.is_none() && !args.all {
        let help = "name a template of the store, or give a file with --template";
        return Err(Failure::Input(help.to_owned()));
    }
    // A program may be running on the folder that the environment names: it is left alone when
    // nothing of it is asked for.
    let wants_store = args.template.is_none() || args.notice.is_some() || args.all;
    let data = args.data.as_deref().filter(|_| wants_store);
    let store = data.map(Readable::open).transpose()?;
    let templates = templates(args, store.as_ref())?;
    if args.all {
        let store = needed(store.as_ref(), "--all")?;
        return all(&printer, args, store, &templates);
    }
    let notice = match (&args.notice, &args.file) {
        (Some(id), _) => {
            let store = needed(store.as_ref(), "--notice")?;
            views::find_notice(&store.reader, id)
                .map_err(unseen)?
                .notice
        }
        (None, Some(file)) => notice_of_file(file)?,
        (None, None) => {
            let help = "say of which notice: --notice ID, --file FILE or --all --since 7d";
            return Err(Failure::Input(help.to_owned()));
        }
    };
    for (name, spec) in &templates.found {
        let compiled = compiled(name, spec)?;
        for said in telling(&compiled, &notice, &templates) {
            show(&printer, name, &notice, &said)?;
        }
    }
    Ok(())
}

fn needed<'s>(store: Option<&'s Readable>, option: &str) -> Result<&'s Readable, Failure> {
    store.ok_or_else(|| {
        Failure::Input(format!(
            "{option} reads notices of a stopped program: give --data DIR"
        ))
    })
}

fn templates(args: &RenderArgs, store: Option<&Readable>) -> Result<Templates, Failure> {
    let settings = store.map(|store| store.state.configuration.settings.clone());
    let mut settings = settings.unwrap_or_default();
    let mut found = BTreeMap::new();
    if let Some(file) = &args.template {
        let texts = Texts::read(std::slice::from_ref(file))?;
        let kinds = Kinds::new();
        let nothing = Present::default();
        let present = store.map(|store| crate::shell::configure::present(&store.state));
        let present = present.as_ref().unwrap_or(&nothing);
        let document = config::read(&texts.sources(), &kinds.checks(present))
            .map_err(|problems| refused(ConfigureError::Problems(problems)))?;
        if let Some(said) = document.settings {
            settings = said;
        }
        for draft in document.entities {
            if let EntitySpec::Template(spec) = draft.spec {
                found.insert(spec.name.clone(), spec);
            }
        }
    } else if let Some(store) = store {
        for template in store.state.configuration.templates.values() {
            let spec = template.entity.spec.clone();
            found.insert(spec.name.clone(), spec);
        }
    } else {
        let help =
            "templates are in a stopped program's store (--data DIR) or a file (--template FILE)";
        return Err(Failure::Input(help.to_owned()));
    }
    if let Some(name) = &args.name {
        found.retain(|known, _| known == name);
        if found.is_empty() {
            return Err(Failure::Failed(format!("there is no template {name}")));
        }
    }
    if found.is_empty() {
        return Err(Failure::Failed("there is no template to render".to_owned()));
    }
    Ok(Templates {
        found,
        zone: TimeZone::get(&settings.timezone).unwrap_or(TimeZone::UTC),
        locale: settings.locale,
    })
}

fn compiled(name: &str, spec: &TemplateSpec) -> Result<Words, Failure> {
    Words::compile(spec).map_err(|faults| {
        let faults: Vec<String> = faults
            .iter()
            .map(|(entry, fault)| format!("{entry}, {fault}"))
            .collect();
        Failure::Input(format!("template {name}: {}", faults.join("; ")))
    })
}

/// What a template says in one format.
struct Said {
    format: &'static str,
    title: String,
    text: String,
    buttons: Vec<(String, String)>,
    length: usize,
    length_max: usize,
    unit: &'static str,
    faults: Vec<String>,
}

impl Said {
    fn is_over(&self) -> bool {
        self.length > self.length_max
    }
}

fn telling(words: &Words, notice: &Notice, templates: &Templates) -> Vec<Said> {
    let now = SystemClock::new().now();
    let scene = |target| Scene {
        still: false,
        digest: None,
        notice,
        tracker: None,
        link: None,
        target,
        receiver: "default",
        locale: &templates.locale,
        zone: &templates.zone,
        now: jiff::Timestamp::from_microsecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    };
    TEXT_LIMITS
        .iter()
        .map(|limit| {
            let Rendered {
                title,
                text,
                buttons,
                faults,
                fell_back: _,
            } = render(Some(words), limit.format, &scene(limit.format));
            // Limits count what is read, not the markup around it.
            let visible = [plain(&title), plain(&text)];
            let visible: Vec<&str> = visible
                .iter()
                .map(String::as_str)
                .filter(|part| !part.is_empty())
                .collect();
            Said {
                format: limit.format,
                title: written(limit.format, &title),
                text: written(limit.format, &text),
                buttons: buttons
                    .into_iter()
                    .map(|button| (button.text, button.url))
                    .collect(),
                length: limit.length(&visible.join("\n")),
                length_max: limit.length_max,
                unit: limit.unit(),
                faults,
            }
        })
        .collect()
}

fn show(printer: &Printer, template: &str, notice: &Notice, said: &Said) -> Result<(), Failure> {
    if printer.json {
        let buttons: Vec<Value> = said
            .buttons
            .iter()
            .map(|(text, url)| json!({"text": text, "url": url}))
            .collect();
        return printer.object(&json!({
            "template": template,
            "notice": notice.id,
            "kind": notice.draft.kind,
            "format": said.format,
            "title": said.title,
            "text": said.text,
            "buttons": buttons,
            "length": said.length,
            "length_max": said.length_max,
            "faults": said.faults,
        }));
    }
    let look = if said.is_over() {
        Look::Bad
    } else {
        Look::Faint
    };
    let length = format!("{} of {} {}", said.length, said.length_max, said.unit);
    printer.line(&format!(
        "{}  {}",
        printer.dressed(
            Look::Strong,
            &format!("{} · {}", escaped(template), said.format)
        ),
        printer.dressed(look, &length)
    ))?;
    for part in [&said.title, &said.text] {
        if !part.is_empty() {
            printer.line(&block(part, "  │ "))?;
        }
    }
    for (label, url) in &said.buttons {
        printer.line(&format!("  [{}] {}", escaped(label), escaped(url)))?;
    }
    for fault in &said.faults {
        printer.line(&printer.dressed(Look::Bad, &format!("  {}", escaped(fault))))?;
    }
    Ok(())
}

/// Renders everything since then. Says only what is wrong.
fn all(
    printer: &Printer,
    args: &RenderArgs,
    store: &Readable,
    templates: &Templates,
) -> Result<(), Failure> {
    let since = args
        .since
        .map_or(i64::MIN, |since| since.moment(SystemClock::new().now()));
    let mut words = Vec::new();
    for (name, spec) in &templates.found {
        words.push((name, spec, compiled(name, spec)?));
    }
    let (mut notices, mut texts, mut wrong) = (0u64, 0u64, 0u64);
    let mut before = u64::MAX;
    let unread = |error| Failure::caused("the log cannot be read", error);
    'notices: loop {
        let rows = store.reader.rows_back(before, ROWS).map_err(unread)?;
        let Some((last, _)) = rows.last() else { break };
        before = *last;
        for (position, _) in rows {
            let Some(founding) = store.reader.get(position).map_err(unread)? else {
                continue;
            };
            let Event::Accepted(accepted) = &founding.payload else {
                continue;
            };
            if founding.recorded_at < since {
                break 'notices;
            }
            let notice = notice_of(
                position,
                founding.recorded_at,
                &founding.correlation,
                accepted,
            );
            notices += 1;
            for (name, spec, words) in &words {
                let kind = notice.draft.kind.as_str();
                if !spec.entries.contains_key(kind) && !spec.entries.contains_key("default") {
                    // The built-in words would stand in; they are not this template's.
                    continue;
                }
                for said in telling(words, &notice, templates) {
                    texts += 1;
                    if said.is_over() || !said.faults.is_empty() {
                        wrong += 1;
                        show_wrong(printer, name, &notice, &said)?;
                    }
                }
            }
        }
    }
    if printer.json {
        printer.object(&json!({"notices": notices, "texts": texts, "wrong": wrong}))?;
    } else {
        printer.line(&format!(
            "{notices} notices, {texts} texts, {wrong} with a fault"
        ))?;
    }
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::Said(1))
    }
}

fn show_wrong(
    printer: &Printer,
    template: &str,
    notice: &Notice,
    said: &Said,
) -> Result<(), Failure> {
    if printer.json {
        return show(printer, template, notice, said);
    }
    let mut faults = said.faults.clone();
    if said.is_over() {
        faults.push(format!(
            "{} {}, over the limit of {}",
            said.length, said.unit, said.length_max
        ));
    }
    printer.line(&format!(
        "{} · {} · {} {}: {}",
        escaped(template),
        said.format,
        escaped(&notice.draft.kind),
        escaped(&notice.id),
        escaped(&faults.join("; "))
    ))
}

/// A notice in the contract's shape. What it does not say is empty.
fn notice_of_file(path: &Path) -> Result<Notice, Failure> {
    let cannot = |why: String| Failure::Input(format!("{}: {why}", path.display()));
    let length = std::fs::metadata(path)
        .map_err(|error| cannot(error.to_string()))?
        .len();
    if length > NOTICE_BYTES_MAX {
        return Err(cannot(format!("has more than {NOTICE_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| cannot(error.to_string()))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| cannot(format!("is not JSON: {error}")))?;
    notice_of_json(&value).map_err(cannot)
}

fn notice_of_json(value: &Value) -> Result<Notice, String> {
    if !value.is_object() {
        return Err("is not a notice: it has to be an object".to_owned());
    }
    if text(value, "kind").is_empty() {
        return Err("kind: say which kind of notice it is".to_owned());
    }
    let moment = |field: &str| match value[field].as_str() {
        None => Ok(None),
        Some(text) => text
            .parse::<jiff::Timestamp>()
            .map(|at| Some(at.as_microsecond()))
            .map_err(|_| format!("{field}: write a moment like 2026-01-31T08:00:00Z")),
    };
    let severity = match value["severity"].as_str() {
        None => Severity::default(),
        Some(word) => {
            Severity::parse(word).ok_or("severity: is one of info, success, warning, critical")?
        }
    };
    let transition = match value["transition"].as_str() {
        None => Transition::default(),
        Some(word) => {
            Transition::parse(word).ok_or("transition: is one of opens, updates, closes, none")?
        }
    };
    let some = |field: &str| value[field].as_str().map(str::to_owned);
    let draft = NoticeDraft {
        kind: text(value, "kind").to_owned(),
        collection: some("collection").map(|name| Collection {
            id: name.clone(),
            name,
        }),
        subject: Subject {
            key: text(&value["subject"], "key").to_owned(),
            label: text(&value["subject"], "label").to_owned(),
        },
        transition,
        actor: some("actor"),
        title: text(value, "title").to_owned(),
        text: text(value, "text").to_owned(),
        url: some("url"),
        severity,
        labels: texts(&value["labels"]),
        before: texts(&value["before"]),
        after: texts(&value["after"]),
        items: items(&value["items"]),
        occurred_at: moment("occurred_at")?,
    };
    let received_at = moment("received_at")?.unwrap_or_else(|| SystemClock::new().now());
    Ok(Notice {
        id: text(value, "id").to_owned(),
        position: value["position"].as_u64().unwrap_or(0),
        received_at,
        provider: text(value, "provider").to_owned(),
        provider_kind: text(value, "provider_kind").to_owned(),
        dispatch_id: text(value, "dispatch_id").to_owned(),
        draft: draft.bounded(),
    })
}

/// A table of texts; numbers and truth values as they are written.
fn texts(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), text)
        })
        .collect()
}

fn item(value: &Value) -> Item {
    let said = |field: &str| value[field].as_str().map(str::to_owned);
    let names = |field: &str| -> Vec<String> {
        let names = list(value, field).iter();
        names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    let degrees = |field: &str| value[field].as_f64().and_then(Degrees::of);
    Item {
        key: text(value, "key").to_owned(),
        kind: ItemKind::named(text(value, "kind")),
        label: text(value, "label").to_owned(),
        taken_at: said("taken_at")
            .and_then(|at| at.parse::<Timestamp>().ok())
            .map(Timestamp::as_microsecond),
        size: value["size"].as_u64(),
        playback_size: value["playback_size"].as_u64(),
        favourite: value["favourite"].as_bool(),
        rating: value["rating"]
            .as_i64()
            .and_then(|stars| i8::try_from(stars).ok()),
        lat: degrees("lat"),
        lon: degrees("lon"),
        owner: said("owner"),
        owner_id: said("owner_id"),
        description: said("description"),
        city: said("city"),
        state: said("state"),
        country: said("country"),
        url: said("url"),
        public_url: said("public_url"),
        download_url: said("download_url"),
        playback_url: said("playback_url"),
        photo_url: said("photo_url"),
        thumbhash: said("thumbhash"),
        people: names("people"),
        tags: names("tags"),
        fetch: None,
    }
}

fn items(value: &Value) -> Items {
    let of = |field| -> Vec<Item> { list(value, field).iter().map(item).collect() };
    let (added, removed) = (of("added"), of("removed"));
    Items {
        added_total: value["added_total"].as_u64().unwrap_or(added.len() as u64),
        removed_total: value["removed_total"]
            .as_u64()
            .unwrap_or(removed.len() as u64),
        added,
        removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::notice_json;

    #[test]
    fn a_notice_is_read_as_it_is_shown() {
        let shown = json!({
            "id": "", "position": 7, "received_at": "2026-01-02T03:04:05Z",
            "provider": "forge", "provider_kind": "gitea", "dispatch_id": "",
            "kind": "push", "collection": "a/b", "subject": {"key": "k", "label": "l"},
            "transition": "opens", "title": "t", "text": "more", "severity": "warning",
            "labels": {"branch": "main"}, "actor": "me", "url": "https://a.example/",
            "before": {"x": "1"},
            "items": {"added": [{"key": "1", "kind": "photo", "label": "one"}], "removed": [],
                      "added_total": 3, "removed_total": 0},
        });
        assert_eq!(notice_json(&notice_of_json(&shown).unwrap()), shown);
    }

    #[test]
    fn what_is_not_a_notice_is_refused() {
        let cases = [
            (json!([]), "is not a notice"),
            (json!({}), "kind"),
            (json!({"kind": "push", "severity": "loud"}), "severity"),
            (
                json!({"kind": "push", "received_at": "today"}),
                "received_at",
            ),
        ];
        for (value, expected) in cases {
            let error = notice_of_json(&value).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
