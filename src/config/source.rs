//! Keys of providers that are asked: where they are, when they are looked at; and of a tracker, what
//! is asked for it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::names::Names;
use super::reader::{Field, Reader};
use super::secrets::{SecretField, SecretForm, Secrets};
use super::shapes::ProviderShape;
use super::wording::{listed, shown};
use super::{TABLE_KEYS_MAX, quantity};
use crate::domain::cron::Cron;
use crate::domain::notice::{LABEL_BYTES_MAX, LABELS_MAX};
use crate::domain::policy::Span;
use crate::domain::spec::{
    ADAPTIVE_SKIP_MAX, AskSpec, EntityKind, INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN, Missed,
    ProviderSpec, SourceSpec, Tls,
};
use crate::providers::KindField;

/// Longest `[tracker.options]` as JSON, in bytes.
const OPTIONS_BYTES_MAX: usize = 16 * 1_024;
/// Tables within tables of `[tracker.options]`.
const OPTIONS_DEPTH_MAX: usize = 4;

const TLS: [(&str, Tls); 2] = [("starttls", Tls::StartTls), ("none", Tls::None)];
const MISSED: [(&str, Missed); 3] = [
    ("skip", Missed::Skip),
    ("once", Missed::Once),
    ("all", Missed::All),
];

/// Reads the fields that the kind has into their places.
pub(super) fn read(
    reader: &Reader<'_>,
    shape: &ProviderShape,
    names: &Names<'_>,
    spec: &mut ProviderSpec,
    secrets: &mut Secrets,
) {
    for KindField { name, required } in &shape.fields {
        let field = match required {
            true => reader.need(name),
            false => reader.take(name),
        };
        if let Some(field) = field {
            read_field(name, &field, &mut spec.source);
        }
    }
    for KindField { name, .. } in &shape.secrets {
        if let Some(field) = reader.take(name) {
            secrets.read(name, &field, SecretForm::Text);
        }
    }
    let read = serde_json::to_value(&spec.source).unwrap_or_default();
    for (key, why) in (names.checks.source)(spec) {
        match reader.peek(&key) {
            // What could not be read was complained about, and is not missing.
            Some(_) if read.get(&key).is_none() => {}
            Some(field) => field.problem(why),
            None => reader.problem(format!("{}: {why}", shown(&key))),
        }
    }
}

fn read_field(name: &str, field: &Field<'_>, source: &mut SourceSpec) {
    match name {
        "interval" => source.interval = interval(field),
        "adaptive_max_skip" => source.adaptive_max_skip = field.count(0..=ADAPTIVE_SKIP_MAX),
        "url" => source.url = field.address(),
        "external_url" => source.external_url = field.address(),
        "host" => source.host = host(field),
        "port" => source.port = field.count(1..=u16::MAX),
        "username" => source.username = field.line(),
        "tls" => source.tls = field.one_of(&TLS),
        "cron" => source.cron = cron(field),
        "every" => {
            source.every = field
                .quantity(quantity::duration_seconds)
                .map(Span::of_seconds)
        }
        "zone" => source.zone = field.zone(),
        "missed" => source.missed = field.one_of(&MISSED),
        "data" => source.data = data(field).unwrap_or_default(),
        other => field.problem(format!(
            "this version does not have {} yet; leave it out",
            shown(other)
        )),
    }
}

pub(super) fn secret_fields(shape: &ProviderShape) -> Vec<SecretField> {
    let secrets = shape.secrets.iter();
    secrets
        .map(|field| SecretField::named(field.name, field.required))
        .collect()
}

/// Whose a key is that this kind does not have.
pub(super) fn elsewhere(key: &str, kind: &str, names: &Names<'_>) -> Option<String> {
    let checks = names.checks;
    let mut owners = checks.provider_kinds.iter().filter(|name| {
        (checks.provider)(name).is_some_and(|shape| {
            let mut fields = shape.fields.iter().chain(&shape.secrets);
            fields.any(|field| field.name == key)
        })
    });
    let owner = owners.next()?;
    Some(format!(
        "kind {} has no {}, only {} has; leave it out",
        shown(kind),
        shown(key),
        listed([*owner].into_iter().chain(owners.copied()))
    ))
}

fn interval(field: &Field<'_>) -> Option<Span> {
    let seconds = field.quantity(quantity::duration_seconds)?;
    if (INTERVAL_SECONDS_MIN..=INTERVAL_SECONDS_MAX).contains(&seconds) {
        return Some(Span::of_seconds(seconds));
    }
    field.problem(format!(
        "has to lie between {} and {}",
        Span::of_seconds(INTERVAL_SECONDS_MIN),
        Span::of_seconds(INTERVAL_SECONDS_MAX)
    ));
    None
}

/// A name or an address, without a port.
fn host(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match url::Host::parse(&text).or_else(|_| url::Host::parse(&format!("[{bare}]"))) {
        Ok(url::Host::Ipv6(address)) => Some(address.to_string()),
        Ok(host @ (url::Host::Domain(_) | url::Host::Ipv4(_))) => Some(host.to_string()),
        Err(_) => {
            field.problem(format!(
                "{} is neither the name of a host nor an address; the port has a key of its own",
                shown(&text)
            ));
            None
        }
    }
}

fn cron(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    match Cron::parse(&text) {
        Ok(_) => Some(text),
        Err(why) => {
            field.problem(why.to_string());
            None
        }
    }
}

/// What a notice carries: texts, numbers and flags, as the texts they are in a message.
fn data(field: &Field<'_>) -> Option<BTreeMap<String, String>> {
    let table = field.table()?;
    if table.keys() > LABELS_MAX {
        table.problem(format!(
            "has more than {LABELS_MAX} entries; leave some out"
        ));
        return None;
    }
    let mut data = BTreeMap::new();
    for (key, value) in table.rest() {
        match value.plain() {
            Some(text) if text.len() <= LABEL_BYTES_MAX => {
                data.insert(key.to_owned(), text);
            }
            Some(_) => value.problem(format!("has more than {LABEL_BYTES_MAX} bytes")),
            None => value.problem("has to be text, a number, true or false"),
        }
    }
    Some(data)
}

/// `interval`, `adaptive_max_skip` and `[tracker.options]`.
pub(super) fn asks(reader: &Reader<'_>, names: &Names<'_>, provider: Option<&str>) -> AskSpec {
    let kind = provider.and_then(|name| names.kind_of(EntityKind::Provider, name));
    let shape = kind.and_then(|kind| names.shape_of_provider(kind));
    let mut asks = AskSpec::default();
    let by_interval = shape
        .as_ref()
        .is_none_or(|shape| shape.fields.iter().any(|field| field.name == "interval"));
    for key in ["interval", "adaptive_max_skip"] {
        let Some(field) = reader.take(key) else {
            continue;
        };
        if !by_interval {
            field.problem(format!(
                "{} is not looked at by interval; leave it out",
                shown(provider.unwrap_or_default())
            ));
        } else if key == "interval" {
            asks.interval = interval(&field);
        } else {
            asks.adaptive_max_skip = field.count(0..=ADAPTIVE_SKIP_MAX);
        }
    }
    if let Some(field) = reader.take("options") {
        asks.options = options(&field).unwrap_or_default();
        if let (Some(kind), Some(table)) = (kind.filter(|_| shape.is_some()), field.table()) {
            for (path, why) in (names.checks.options)(kind, &asks.options) {
                let (first, below) = path.split_once('.').unwrap_or((&path, ""));
                match table.peek(first) {
                    Some(place) if below.is_empty() => place.problem(why),
                    Some(place) => place.problem(format!("{}: {why}", shown(below))),
                    None => field.problem(format!("{}: {why}", shown(&path))),
                }
            }
        }
    }
    asks
}

fn options(field: &Field<'_>) -> Option<Map<String, Value>> {
    let table = field.as_table();
    let Some(table) = table else {
        field.table();
        return None;
    };
    match table_json(table, OPTIONS_DEPTH_MAX) {
        Ok(map) => {
            let bytes = serde_json::to_string(&map).map_or(0, |text| text.len());
            if bytes > OPTIONS_BYTES_MAX {
                field.problem(format!(
                    "come to {bytes} bytes, over the limit of {OPTIONS_BYTES_MAX}"
                ));
                return None;
            }
            Some(map)
        }
        Err((key, why)) => {
            field.problem(format!("{}: {why}", shown(&key)));
            None
        }
    }
}

type Unfit = (String, &'static str);

fn table_json(table: &DeTable<'_>, depth: usize) -> Result<Map<String, Value>, Unfit> {
    if table.len() > TABLE_KEYS_MAX {
        return Err((String::new(), "has too many keys"));
    }
    let mut map = Map::new();
    for (key, value) in table.iter() {
        let key: &str = key.get_ref();
        let value =
            value_json(value.get_ref(), depth).map_err(|(below, why)| match below.is_empty() {
                true => (key.to_owned(), why),
                false => (format!("{key}.{below}"), why),
            })?;
        map.insert(key.to_owned(), value);
    }
    Ok(map)
}

fn value_json(value: &DeValue<'_>, depth: usize) -> Result<Value, Unfit> {
    let unfit = |why| (String::new(), why);
    if depth == 0 {
        return Err(unfit("is nested too deep"));
    }
    Ok(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| unfit("is too large for a number"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| unfit("is no number"))?,
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(list) => {
            let values = list
                .iter()
                .map(|value| value_json(value.get_ref(), depth - 1));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Object(table_json(table, depth - 1)?),
    })
}
