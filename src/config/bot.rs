//! `[[bot]]`.

use super::later::Later;
use super::names::Parts;
use super::reader::{Field, Reader};
use super::secrets::{SecretField, Secrets};
use super::wording::{listed, shown};
use crate::bots::{self, SECRET, TOKEN};
use crate::domain::spec::{BotMode, BotSpec, EntitySpec};

const MODES: [(&str, BotMode); 2] = [("poll", BotMode::Poll), ("webhook", BotMode::Webhook)];

pub(super) fn read(reader: Reader<'_>, name: String) -> Parts {
    let kind_field = reader.need("kind");
    let kind = kind_field.as_ref().and_then(Field::line);
    if let (Some(field), Some(kind)) = (&kind_field, &kind)
        && !bots::KINDS.contains(&kind.as_str())
    {
        field.problem(format!(
            "{} is no bot kind; known: {}",
            shown(kind),
            listed(bots::KINDS.into_iter())
        ));
    }
    let mode = reader.take("mode").and_then(|field| field.one_of(&MODES));
    let spec = BotSpec {
        name,
        kind: kind.unwrap_or_default(),
        description: reader.description(),
        enabled: reader.flag("enabled", true),
        allow_private: reader.flag("allow_private", false),
        api_base: reader.take("api_base").and_then(|field| field.address()),
        mode: mode.unwrap_or_default(),
    };
    let secret_fields = [
        (TOKEN, true),
        // Who sends to the bot's address proves itself with it.
        (SECRET, spec.mode == BotMode::Webhook),
    ];
    let secret_fields: Vec<SecretField> = secret_fields
        .into_iter()
        .map(|(name, required)| SecretField::named(name, required))
        .collect();
    let mut secrets = Secrets::default();
    for secret in &secret_fields {
        if let Some(field) = reader.take(secret.name) {
            secrets.read(secret.name, &field, secret.form);
        }
    }
    reader.finish(Later::Nothing, |_| None);
    Parts {
        spec: EntitySpec::Bot(spec),
        secrets,
        secret_fields,
    }
}
