//! `[[provider]]`.

use super::later::Later;
use super::names::{Names, Parts};
use super::reader::{Field, Reader};
use super::secrets::{SecretField, SecretForm, Secrets, is_header_name};
use super::shapes::{ProviderShape, verify_word, verify_words};
use super::wording::{listed, shown};
use super::{
    BODY_BYTES_RANGE, EXPRESSION_BYTES_MAX, TABLE_KEYS_MAX, policy, quantity, retention, source,
};
use crate::domain::notice::LABELS_MAX;
use crate::domain::spec::{
    DigestEncoding, EntitySpec, HmacSpec, MapSpec, ProviderSpec, SourceSpec, Verify,
};

/// Fields of a list of secrets during rotation, newest first.
const SECRET_FIELDS: [&str; 2] = ["secret", "secret.2"];

/// Keys of `[provider.map]` besides `labels`.
const MAP_FIELDS: [&str; 11] = [
    "kind",
    "collection",
    "subject",
    "transition",
    "title",
    "text",
    "url",
    "severity",
    "actor",
    "key",
    "items",
];

pub(super) fn read(reader: Reader<'_>, name: String, names: &Names<'_>) -> Parts {
    let kind_field = reader.need("kind");
    let kind = kind_field.as_ref().and_then(Field::line);
    let shape = match (&kind_field, &kind) {
        (Some(field), Some(kind)) => names.provider_shape(field, kind),
        (Some(_) | None, Some(_) | None) => None,
    };
    // Of an unknown kind every field is read, so that only the kind is complained about.
    let is_told = shape.as_ref().is_none_or(|s| s.default_verify.is_some());
    let is_mapped = shape.as_ref().is_none_or(|s| s.notice_kinds.is_empty());
    let mut secrets = Secrets::default();
    let mut spec = ProviderSpec {
        name,
        kind: kind.unwrap_or_default(),
        description: reader.description(),
        enabled: reader.flag("enabled", true),
        allow_private: reader.flag("allow_private", false),
        verify: None,
        rate: None,
        body_max: None,
        map: None,
        quiet: policy::quiet(&reader),
        expect: policy::span(&reader, "expect"),
        retention: retention::provider(&reader),
        source: SourceSpec::default(),
    };
    if is_told {
        if let Some(field) = reader.take("verify") {
            spec.verify = read_verify(&field, shape.as_ref(), &spec.kind);
        }
        spec.rate = reader.take("rate").and_then(|field| field.rate());
        spec.body_max = reader.take("body_max").and_then(|field| body_max(&field));
        if let Some(field) = reader.take("secret") {
            read_secrets(&field, &mut secrets);
        }
    }
    if is_mapped && let Some(field) = reader.take("map") {
        spec.map = read_map(&field, names);
    }
    let default_verify = shape.as_ref().and_then(|s| s.default_verify.as_ref());
    let verify = spec.verify.as_ref().or(default_verify);
    // A kind that is asked may be told besides, but need not be.
    let is_asked = shape.as_ref().is_some_and(|s| !s.fields.is_empty());
    let required = verify.is_some_and(|verify| *verify != Verify::None)
        && !(is_asked && spec.verify.is_none());
    let mut secret_fields: Vec<SecretField> = if is_told {
        SECRET_FIELDS
            .iter()
            .enumerate()
            .map(|(i, name)| SecretField::named(name, required && i == 0))
            .collect()
    } else {
        Vec::new()
    };
    if let Some(shape) = &shape {
        source::read(&reader, shape, names, &mut spec, &mut secrets);
        secret_fields.extend(source::secret_fields(shape));
        let kind = spec.kind.clone();
        reader.finish(Later::Provider, |key| match key {
            "map" => Some(format!(
                "kind {} knows its own notices and has no map; leave it out",
                shown(&kind)
            )),
            "verify" | "secret" | "rate" | "body_max" => Some(format!(
                "nobody sends to kind {}, so it has no {}; leave it out",
                shown(&kind),
                shown(key)
            )),
            _ => source::elsewhere(key, &kind, names),
        });
    }
    Parts {
        spec: EntitySpec::Provider(spec),
        secrets,
        secret_fields,
    }
}

fn read_verify(field: &Field<'_>, shape: Option<&ProviderShape>, kind: &str) -> Option<Verify> {
    let verify = if field.is_table() {
        read_hmac(field)?
    } else {
        let words = verify_words();
        let pairs: Vec<(&str, usize)> = words.iter().map(|(word, _)| *word).zip(0..).collect();
        let chosen = field.one_of(&pairs)?;
        words[chosen].1.clone()
    };
    let word = verify_word(&verify);
    if let Some(shape) = shape
        && !shape.accepts.contains(&word)
    {
        let accepted = listed(shape.accepts.iter().copied());
        field.problem(format!(
            "kind {} cannot verify by {}; it accepts {accepted}",
            shown(kind),
            shown(word)
        ));
    }
    Some(verify)
}

/// `{ hmac_sha256 = "X-Header", prefix = "sha256=", encoding = "hex", timestamp = "X-Time" }`.
fn read_hmac(field: &Field<'_>) -> Option<Verify> {
    let table = field.table()?;
    let header = table.need("hmac_sha256").and_then(|f| header_name(&f));
    let prefix = table.take("prefix").and_then(|f| f.line());
    let encoding = table.take("encoding").and_then(|f| {
        f.one_of(&[
            ("hex", DigestEncoding::Hex),
            ("base64", DigestEncoding::Base64),
        ])
    });
    let timestamp = table.take("timestamp").and_then(|f| header_name(&f));
    table.finish(Later::Nothing, |key| {
        (key == "hmac_sha1" || key == "hmac").then(|| {
            "is not offered: only `hmac_sha256` proves a sender; SHA-1 never does".to_owned()
        })
    });
    Some(Verify::Hmac(HmacSpec {
        header: header?,
        prefix: prefix.unwrap_or_default(),
        encoding: encoding.unwrap_or_default(),
        timestamp,
    }))
}

fn header_name(field: &Field<'_>) -> Option<String> {
    let name = field.line()?;
    if is_header_name(&name) {
        return Some(name.to_ascii_lowercase());
    }
    field.problem(format!("{} is not the name of a header", shown(&name)));
    None
}

fn body_max(field: &Field<'_>) -> Option<u32> {
    let bytes = field.size()?;
    let found = u32::try_from(bytes)
        .ok()
        .filter(|bytes| BODY_BYTES_RANGE.contains(bytes));
    if found.is_none() {
        field.problem(format!(
            "has to lie between {} and {}",
            quantity::size_text(u64::from(*BODY_BYTES_RANGE.start())),
            quantity::size_text(u64::from(*BODY_BYTES_RANGE.end()))
        ));
    }
    found
}

/// One secret, or during rotation a list of two.
fn read_secrets(field: &Field<'_>, secrets: &mut Secrets) {
    if !field.is_list() {
        secrets.read(SECRET_FIELDS[0], field, SecretForm::Text);
        return;
    }
    let Some(entries) = field.list(SECRET_FIELDS.len()) else {
        return;
    };
    if entries.is_empty() {
        field.problem("is an empty list; give one secret, or two during rotation");
    }
    for (name, entry) in SECRET_FIELDS.iter().zip(&entries) {
        secrets.read(name, entry, SecretForm::Text);
    }
}

fn read_map(field: &Field<'_>, names: &Names<'_>) -> Option<MapSpec> {
    let table = field.table()?;
    let mut map = MapSpec::default();
    for key in MAP_FIELDS {
        let text = table
            .take(key)
            .and_then(|f| f.some_text(EXPRESSION_BYTES_MAX));
        if let Some(text) = text {
            map.fields.insert(key.to_owned(), text);
        }
    }
    const { assert!(LABELS_MAX <= TABLE_KEYS_MAX) };
    let labels = table.take("labels");
    let labels = labels.as_ref().and_then(Field::table);
    if let Some(labels) = &labels {
        if labels.keys() > LABELS_MAX {
            labels.problem(format!("has more than {LABELS_MAX} labels; leave some out"));
        }
        for (key, label) in labels.rest() {
            if let Some(text) = label.some_text(EXPRESSION_BYTES_MAX) {
                map.labels.insert(key.to_owned(), text);
            }
        }
    }
    if map == MapSpec::default() {
        field.problem("says nothing; give at least `title`, or leave the map out");
    }
    for (path, why) in (names.checks.map)(&map) {
        let key = path.strip_prefix("map.").unwrap_or(&path);
        let place = match key.strip_prefix("labels.") {
            Some(label) => labels.as_ref().and_then(|labels| labels.peek(label)),
            None => table.peek(key),
        };
        match place {
            Some(place) => place.problem(why),
            None => field.problem(format!("{}: {why}", shown(key))),
        }
    }
    table.finish(Later::Nothing, |_| None);
    Some(map)
}
