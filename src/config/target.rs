//! `[[target]]` with its receivers.

use std::collections::BTreeMap;

use super::later::Later;
use super::names::{Names, Parts};
use super::quantity::{duration_ms, duration_text};
use super::reader::{Field, Reader};
use super::secrets::Secrets;
use super::shapes::{BROADCAST, TargetShape};
use super::wording::shown;
use super::{BROADCAST_TARGETS_MAX, RECEIVERS_MAX, TAGS_MAX, WORDS_BYTES_MAX, policy};
use crate::bots::TOKEN;
use crate::domain::item::ITEMS_MAX;
use crate::domain::spec::{
    CarrySpec, EntityKind, EntitySpec, GROUP_PAUSE_MS_MAX, Large, MediaMode, ReceiverSpec,
    TargetSpec,
};

/// The name of the one receiver of a target that names none.
const RECEIVER_DEFAULT: &str = "default";

const MEDIA: [(&str, MediaMode); 3] = [
    ("group", MediaMode::Group),
    ("single", MediaMode::Single),
    ("none", MediaMode::None),
];
const LARGE: [(&str, Large); 2] = [("document", Large::Document), ("skip", Large::Skip)];

const METHODS: [(&str, &str); 3] = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")];

pub(super) fn read(reader: Reader<'_>, name: String, names: &Names<'_>) -> Parts {
    let kind_field = reader.need("kind");
    let kind = kind_field.as_ref().and_then(Field::line);
    let shape = match (&kind_field, &kind) {
        (Some(field), Some(kind)) => names.target_shape(field, kind),
        (Some(_) | None, Some(_) | None) => None,
    };
    let tags = reader.take("tags").and_then(|field| field.lines(TAGS_MAX));
    let mut spec = TargetSpec {
        name,
        kind: kind.unwrap_or_default(),
        description: reader.description(),
        enabled: reader.flag("enabled", true),
        allow_private: reader.flag("allow_private", false),
        tags: tags.into_iter().flatten().map(|(tag, _)| tag).collect(),
        locale: reader.take("locale").and_then(|field| field.locale()),
        receivers: Vec::new(),
        bot: None,
        api_base: None,
        preview: false,
        carry: CarrySpec::default(),
        username: None,
        avatar_url: None,
        method: None,
        body: None,
        targets: Vec::new(),
        off: Vec::new(),
        quiet: None,
        pace: None,
    };
    let mut secrets = Secrets::default();
    // Of an unknown kind only the kind is complained about: its other fields mean nothing yet.
    if let Some(shape) = &shape {
        for secret in &shape.secret_fields {
            if let Some(field) = reader.take(secret.name) {
                secrets.read(secret.name, &field, secret.form);
            }
        }
        for option in shape.option_fields {
            if let Some(field) = reader.take(option) {
                read_option(option, &field, names, &mut spec);
            }
        }
        if spec.bot.is_some() {
            check_bot(&reader);
        }
        if spec.kind == BROADCAST {
            check_broadcast(&reader, &spec);
        } else {
            spec.quiet = policy::quiet(&reader);
            spec.pace = policy::pace(&reader);
            read_receivers(&reader, shape, names, &mut spec);
        }
        finish(reader, &spec.kind, names);
    }
    let mut secret_fields = shape.map_or_else(Vec::new, |shape| shape.secret_fields);
    if spec.bot.is_some() {
        // It sends with its bot's; one of its own that was set is taken away.
        secret_fields.retain(|secret| secret.name != TOKEN);
    }
    Parts {
        spec: EntitySpec::Target(spec),
        secrets,
        secret_fields,
    }
}

/// An option of some kind into its place in the spec.
fn read_option(option: &str, field: &Field<'_>, names: &Names<'_>, spec: &mut TargetSpec) {
    match option {
        "bot" => spec.bot = read_bot(field, names, &spec.kind),
        "api_base" => spec.api_base = field.address(),
        "preview" => spec.preview = field.flag().unwrap_or_default(),
        "media" => spec.carry.media = field.one_of(&MEDIA).unwrap_or_default(),
        "max_media" => spec.carry.max_media = field.count(1..=ITEMS_MAX as u16),
        "group_pause" => spec.carry.group_pause = group_pause(field),
        "large_photo" => spec.carry.large_photo = field.one_of(&LARGE).unwrap_or_default(),
        "large_video" => spec.carry.large_video = field.one_of(&LARGE).unwrap_or_default(),
        "chat_action" => spec.carry.chat_action = field.flag().unwrap_or(true),
        "username" => spec.username = field.line(),
        "avatar_url" => spec.avatar_url = field.address(),
        "method" => spec.method = field.one_of(&METHODS).map(str::to_owned),
        "body" => spec.body = field.compiled(WORDS_BYTES_MAX, names.checks.body),
        "targets" => spec.targets = read_targets(field, names, &spec.name),
        "off" => {
            let lines = field.lines(BROADCAST_TARGETS_MAX).unwrap_or_default();
            for (line, field) in &lines {
                if !spec.targets.contains(line) {
                    field.problem(format!(
                        "{} is not among `targets`, so it cannot be switched off here",
                        shown(line)
                    ));
                }
            }
            spec.off = lines.into_iter().map(|(line, _)| line).collect();
        }
        other => field.problem(format!(
            "this version does not have {} yet; leave it out",
            shown(other)
        )),
    }
}

/// The bot that it sends as.
fn read_bot(field: &Field<'_>, names: &Names<'_>, kind: &str) -> Option<String> {
    let name = field.line()?;
    names.refer(field, EntityKind::Bot, &name);
    if let Some(of) = names.kind_of(EntityKind::Bot, &name)
        && of != kind
    {
        field.problem(format!(
            "{} is a bot of kind {}; name one of kind {}",
            shown(&name),
            shown(of),
            shown(kind)
        ));
    }
    Some(name)
}

/// What a bot says is said once.
fn check_bot(reader: &Reader<'_>) {
    for key in [TOKEN, "api_base"] {
        if let Some(field) = reader.peek(key) {
            field.problem("is the bot's where a `bot` is named; leave one of the two out");
        }
    }
}

/// In milliseconds.
fn group_pause(field: &Field<'_>) -> Option<u32> {
    let ms = field.quantity(duration_ms)?;
    let within = u32::try_from(ms)
        .ok()
        .filter(|ms| *ms <= GROUP_PAUSE_MS_MAX);
    if within.is_none() {
        field.problem(format!(
            "is longer than {}; write a shorter pause",
            duration_text(u64::from(GROUP_PAUSE_MS_MAX))
        ));
    }
    within
}

/// The targets of a broadcast. None of them is a broadcast, so there can be no cycle.
fn read_targets(field: &Field<'_>, names: &Names<'_>, own: &str) -> Vec<String> {
    let lines = field.lines(BROADCAST_TARGETS_MAX).unwrap_or_default();
    for (line, field) in &lines {
        if line == own {
            field.problem("is this broadcast itself; name the targets it stands for");
            continue;
        }
        names.refer(field, EntityKind::Target, line);
        if names.kind_of(EntityKind::Target, line) == Some(BROADCAST) {
            field.problem(format!(
                "{} is itself a broadcast; name its targets instead",
                shown(line)
            ));
        }
    }
    lines.into_iter().map(|(line, _)| line).collect()
}

fn check_broadcast(reader: &Reader<'_>, spec: &TargetSpec) {
    match reader.peek("targets") {
        Some(field) if spec.targets.is_empty() && field.is_list() => {
            field.problem("names no target; a broadcast stands for at least one");
        }
        Some(_) => {}
        None => {
            reader.need("targets");
        }
    }
}

fn read_receivers(
    reader: &Reader<'_>,
    shape: &TargetShape,
    names: &Names<'_>,
    spec: &mut TargetSpec,
) {
    let field = match (shape.has_receivers, shape.receivers_required) {
        (true, true) => reader.need("receivers"),
        (true, false) => reader.take("receivers"),
        (false, _) => None,
    };
    let mut named = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (i, entry) in field
        .iter()
        .filter_map(|field| field.list(RECEIVERS_MAX))
        .flatten()
        .enumerate()
    {
        let Some(table) = entry.table() else { continue };
        let receiver = read_receiver(&table, shape);
        finish_receiver(table, &spec.kind, names);
        if receiver.name.is_empty() {
            continue;
        }
        if let Some(first) = named.insert(receiver.name.clone(), i) {
            entry.problem(format!(
                "is named {} like receivers[{first}]; give one another `name`",
                shown(&receiver.name)
            ));
        } else {
            // A receiver is known by where it is, whatever its name: twice the same place is one.
            let place = (receiver.to.clone(), receiver.thread.clone());
            if let Some(first) = places.insert(place, i) {
                entry.problem(format!(
                    "is the same place as receivers[{first}]; leave one out"
                ));
            }
        }
        spec.receivers.push(receiver);
    }
    if shape.receivers_required
        && let Some(field) = field
        && field
            .list(RECEIVERS_MAX)
            .is_some_and(|list| list.is_empty())
    {
        field.problem("names no receiver; a target of this kind needs at least one");
    }
    if spec.receivers.is_empty() {
        spec.receivers.push(implied_receiver());
    }
}

/// The one receiver of a target that lists none.
pub(super) fn implied_receiver() -> ReceiverSpec {
    ReceiverSpec {
        name: RECEIVER_DEFAULT.into(),
        ..ReceiverSpec::default()
    }
}

fn read_receiver(table: &Reader<'_>, shape: &TargetShape) -> ReceiverSpec {
    let has = |key: &str| shape.receiver_fields.contains(&key);
    let line = |key| {
        has(key)
            .then(|| table.take(key))
            .flatten()
            .and_then(|field| field.line_or_number())
    };
    let flag = |key| {
        has(key)
            .then(|| table.take(key))
            .flatten()
            .and_then(|field| field.flag())
    };
    let to = if has("to") {
        table.need("to").and_then(|field| field.line_or_number())
    } else {
        Some(String::new())
    };
    let name = table.take("name");
    let mut receiver = ReceiverSpec {
        name: String::new(),
        to: to.clone().unwrap_or_default(),
        thread: line("thread"),
        thread_name: line("thread_name"),
        locale: table.take("locale").and_then(|field| field.locale()),
        silent: flag("silent").unwrap_or_default(),
        protect: flag("protect").unwrap_or_default(),
        preview: flag("preview"),
        spoiler: flag("spoiler").unwrap_or_default(),
        enabled: table.flag("enabled", true),
        quiet: policy::quiet(table),
        pace: policy::pace(table),
        digest: policy::digest(table),
        storm: policy::storm(table),
    };
    receiver.name = match name {
        Some(name) => name.line().unwrap_or_default(),
        // Without its place there is nothing to name it after, and that is said already.
        None if to.is_none() => String::new(),
        None => default_name(&receiver),
    };
    receiver
}

/// The name of a receiver that is given none.
pub(super) fn default_name(receiver: &ReceiverSpec) -> String {
    match (receiver.to.as_str(), &receiver.thread) {
        ("", Some(thread)) => thread.clone(),
        ("", None) => receiver
            .thread_name
            .clone()
            .unwrap_or_else(|| RECEIVER_DEFAULT.into()),
        (to, Some(thread)) => format!("{to}:{thread}"),
        (to, None) => to.to_owned(),
    }
}

fn finish_receiver(table: Reader<'_>, kind: &str, names: &Names<'_>) {
    table.finish(Later::Receiver, |key| {
        let owner = names
            .target_shapes()
            .find(|(_, shape)| shape.receiver_fields.contains(&key))?;
        Some(format!(
            "receivers of kind {} have no {}, only those of {} have; leave it out",
            shown(kind),
            shown(key),
            shown(owner.0)
        ))
    });
}

fn finish(reader: Reader<'_>, kind: &str, names: &Names<'_>) {
    reader.finish(Later::Target, |key| {
        if kind == BROADCAST && (key == "quiet" || key == "pace") {
            return Some(format!(
                "a broadcast sends nothing itself, so it has no {}; say it on its targets",
                shown(key)
            ));
        }
        if key == "receivers" {
            return Some(if kind == BROADCAST {
                "a broadcast has no receivers but `targets`; leave it out".into()
            } else {
                format!(
                    "kind {} has exactly one receiver, `{RECEIVER_DEFAULT}`; leave it out",
                    shown(kind)
                )
            });
        }
        let owner = names.target_shapes().find(|(_, shape)| {
            shape.option_fields.contains(&key)
                || shape.secret_fields.iter().any(|secret| secret.name == key)
        })?;
        Some(format!(
            "kind {} has no {}, only {} has; leave it out",
            shown(kind),
            shown(key),
            shown(owner.0)
        ))
    });
}
