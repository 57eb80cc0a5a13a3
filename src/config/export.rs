//! The configuration as a file that `read` accepts and whose plan is empty.

use serde::Serialize;
use toml::{Table, Value};

use super::Present;
use super::quantity::{duration_text, rate_text, size_text};
use super::secrets::Secret;
use super::shapes::verify_word;
use super::target::{default_name, implied_receiver};
use crate::bots::{SECRET, TOKEN};
use crate::domain::spec::{
    BotMode, BotSpec, CarrySpec, DigestEncoding, EntityKind, EntitySpec, HmacSpec, Large, LinkSpec,
    MapSpec, MediaMode, ProviderSpec, ReceiverSpec, SourceSpec, TargetSpec, TemplateSpec,
    TrackerSpec, UnknownPolicy, Verify, WordsSpec,
};

/// Opens a secret by the entity's kind and name and the field; `None` leaves the field out, which
/// on writing means: keep what is set.
pub type Opened<'a> = &'a dyn Fn(EntityKind, &str, &str) -> Option<Secret>;

/// Writes everything that is configured. What has its default value is left out.
pub fn export(present: &Present, secrets: Opened<'_>) -> String {
    let mut file = File::default();
    file.header("[settings]");
    file.text("space", &present.space);
    file.text("timezone", &present.settings.timezone);
    file.text("locale", &present.settings.locale);
    file.some_text("public_url", present.settings.public_url.as_deref());
    file.said("quiet", present.settings.quiet.as_ref());
    file.said("backup", present.settings.backup.as_ref());
    file.said("retention", present.settings.retention.as_ref());
    let order = [
        EntityKind::Provider,
        EntityKind::Template,
        EntityKind::Bot,
        EntityKind::Target,
        EntityKind::Tracker,
    ];
    for kind in order {
        let of_kind = present.entities.iter().filter(|((of, _), _)| *of == kind);
        for ((_, name), existing) in of_kind {
            file.header(&format!("[[{}]]", kind.as_str()));
            file.text("name", name);
            let open = |field: &str| {
                let is_set = existing.secrets.contains_key(field);
                is_set.then(|| secrets(kind, name, field)).flatten()
            };
            match &existing.spec {
                EntitySpec::Provider(spec) => file.provider(spec, &open),
                EntitySpec::Target(spec) => file.target(spec, &open),
                EntitySpec::Tracker(spec) => file.tracker(spec),
                EntitySpec::Template(spec) => file.template(spec),
                EntitySpec::Bot(spec) => file.bot(spec, &open),
            }
        }
    }
    file.0
}

#[derive(Default)]
struct File(String);

impl File {
    fn header(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(header);
        self.0.push('\n');
    }

    fn pair(&mut self, key: &str, value: &Value) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.pair(key, &Value::from(text));
    }

    fn some_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A flag that is not as it would be anyway.
    fn flag(&mut self, key: &str, flag: bool, default: bool) {
        if flag != default {
            self.pair(key, &Value::Boolean(flag));
        }
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.pair(key, &Value::from(texts.to_vec()));
        }
    }

    /// What stands in a spec in the words of the file.
    fn said<T: Serialize>(&mut self, key: &str, value: Option<&T>) {
        if let Some(value) = value.and_then(in_words) {
            self.pair(key, &value);
        }
    }

    /// Tables one a line, so that a change of one is a change of one line.
    fn tables(&mut self, key: &str, tables: Vec<Table>) {
        if tables.is_empty() {
            return;
        }
        self.0.push_str(&format!("{key} = [\n"));
        for table in tables {
            self.0.push_str(&format!("  {},\n", Value::Table(table)));
        }
        self.0.push_str("]\n");
    }

    fn head(&mut self, description: &str, enabled: bool) {
        if !description.is_empty() {
            self.text("description", description);
        }
        self.flag("enabled", enabled, true);
    }

    fn provider(&mut self, spec: &ProviderSpec, open: &dyn Fn(&str) -> Option<Secret>) {
        self.text("kind", &spec.kind);
        self.head(&spec.description, spec.enabled);
        self.flag("allow_private", spec.allow_private, false);
        if let Some(verify) = &spec.verify {
            self.pair("verify", &verify_value(verify));
        }
        if let Some(rate) = spec.rate {
            self.text("rate", &rate_text(rate));
        }
        if let Some(bytes) = spec.body_max {
            self.text("body_max", &size_text(u64::from(bytes)));
        }
        match (open("secret"), open("secret.2")) {
            (Some(new), Some(old)) => {
                let both = vec![Value::from(new.expose()), Value::from(old.expose())];
                self.pair("secret", &Value::Array(both));
            }
            (Some(one), None) | (None, Some(one)) => self.text("secret", one.expose()),
            (None, None) => {}
        }
        self.source(&spec.source);
        for field in ["api_key", "token", "password"] {
            if let Some(secret) = open(field) {
                self.text(field, secret.expose());
            }
        }
        if let Some(map) = &spec.map {
            self.pair("map", &map_value(map));
        }
        self.said("quiet", spec.quiet.as_ref());
        self.said("expect", spec.expect.as_ref());
        self.said("retention", spec.retention.as_ref());
    }

    /// Where a provider that is asked is, and when it is asked.
    fn source(&mut self, source: &SourceSpec) {
        let Some(Value::Table(fields)) = in_words(source) else {
            return;
        };
        for (key, value) in &fields {
            self.pair(key, value);
        }
    }

    fn target(&mut self, spec: &TargetSpec, open: &dyn Fn(&str) -> Option<Secret>) {
        self.text("kind", &spec.kind);
        self.head(&spec.description, spec.enabled);
        self.flag("allow_private", spec.allow_private, false);
        self.texts("tags", &spec.tags);
        self.some_text("locale", spec.locale.as_deref());
        self.some_text("bot", spec.bot.as_deref());
        self.some_text("api_base", spec.api_base.as_deref());
        self.flag("preview", spec.preview, false);
        self.carry(&spec.carry);
        self.some_text("username", spec.username.as_deref());
        self.some_text("avatar_url", spec.avatar_url.as_deref());
        self.some_text("method", spec.method.as_deref());
        self.some_text("body", spec.body.as_deref());
        for field in ["token", "url", "secret"] {
            if let Some(secret) = open(field) {
                self.text(field, secret.expose());
            }
        }
        if let Some(headers) = open("headers") {
            self.pair("headers", &headers_value(&headers));
        }
        self.texts("targets", &spec.targets);
        self.texts("off", &spec.off);
        self.said("quiet", spec.quiet.as_ref());
        if let Some(pace) = spec.pace {
            self.text("pace", &rate_text(pace));
        }
        if spec.receivers != [implied_receiver()] {
            let tables = spec.receivers.iter().map(receiver_table).collect();
            self.tables("receivers", tables);
        }
    }

    fn bot(&mut self, spec: &BotSpec, open: &dyn Fn(&str) -> Option<Secret>) {
        self.text("kind", &spec.kind);
        self.head(&spec.description, spec.enabled);
        self.flag("allow_private", spec.allow_private, false);
        self.some_text("api_base", spec.api_base.as_deref());
        if spec.mode != BotMode::default() {
            self.text("mode", spec.mode.as_str());
        }
        for field in [TOKEN, SECRET] {
            if let Some(secret) = open(field) {
                self.text(field, secret.expose());
            }
        }
    }

    fn carry(&mut self, carry: &CarrySpec) {
        let media = match carry.media {
            MediaMode::Group => None,
            MediaMode::Single => Some("single"),
            MediaMode::None => Some("none"),
        };
        let large = |large: Large| match large {
            Large::Document => None,
            Large::Skip => Some("skip"),
        };
        self.some_text("media", media);
        if let Some(most) = carry.max_media {
            self.pair("max_media", &Value::from(i64::from(most)));
        }
        if let Some(pause) = carry.group_pause {
            self.text("group_pause", &duration_text(u64::from(pause)));
        }
        self.some_text("large_photo", large(carry.large_photo));
        self.some_text("large_video", large(carry.large_video));
        self.flag("chat_action", carry.chat_action, true);
    }

    fn tracker(&mut self, spec: &TrackerSpec) {
        self.text("provider", &spec.provider);
        self.head(&spec.description, spec.enabled);
        self.texts("kinds", &spec.kinds);
        self.texts("collections", &spec.collections);
        self.some_text("where", spec.filter.as_deref());
        self.said("quiet", spec.quiet.as_ref());
        self.said("group", spec.group.as_ref());
        self.said("settle", spec.settle.as_ref());
        self.said("settle_max", spec.settle_max.as_ref());
        self.said("severity", spec.severity.as_ref());
        self.said(
            "inhibit",
            Some(&spec.inhibit).filter(|rules| !rules.is_empty()),
        );
        self.said("expect", spec.expect.as_ref());
        self.said("interval", spec.asks.interval.as_ref());
        self.said("adaptive_max_skip", spec.asks.adaptive_max_skip.as_ref());
        self.said(
            "options",
            Some(&spec.asks.options).filter(|options| !options.is_empty()),
        );
        self.tables("links", spec.links.iter().map(link_table).collect());
    }

    fn template(&mut self, spec: &TemplateSpec) {
        self.head(&spec.description, true);
        self.some_text("locale", spec.locale.as_deref());
        for (kind, words) in &spec.entries {
            self.pair(kind, &words_value(words));
        }
    }
}

/// An inline table that leaves out what is absent.
#[derive(Default)]
struct Inline(Table);

impl Inline {
    fn with(mut self, key: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }
}

/// A value whose JSON is already what a file says.
fn in_words<T: Serialize>(value: &T) -> Option<Value> {
    Value::try_from(value).ok()
}

fn verify_value(verify: &Verify) -> Value {
    let Verify::Hmac(HmacSpec {
        header,
        prefix,
        encoding,
        timestamp,
    }) = verify
    else {
        return Value::from(verify_word(verify));
    };
    let encoding = match encoding {
        DigestEncoding::Hex => None,
        DigestEncoding::Base64 => Some("base64"),
    };
    let table = Inline::default()
        .with(verify_word(verify), Some(header.as_str()))
        .with("prefix", Some(prefix.as_str()).filter(|p| !p.is_empty()))
        .with("encoding", encoding)
        .with("timestamp", timestamp.as_deref());
    Value::Table(table.0)
}

fn map_value(map: &MapSpec) -> Value {
    let pairs = |texts: &std::collections::BTreeMap<String, String>| -> Table {
        let pairs = texts.iter();
        pairs
            .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
            .collect()
    };
    let mut table = pairs(&map.fields);
    if !map.labels.is_empty() {
        table.insert("labels".into(), Value::Table(pairs(&map.labels)));
    }
    Value::Table(table)
}

/// Headers as a table, unless it would be taken for a reference.
fn headers_value(headers: &Secret) -> Value {
    let text = headers.expose();
    let parsed: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_str(text);
    match parsed {
        Ok(pairs) if pairs.len() > 1 || !pairs.keys().any(|k| k == "env" || k == "file") => {
            let pairs = pairs.into_iter();
            Value::Table(pairs.map(|(k, v)| (k, Value::String(v))).collect())
        }
        Ok(_) | Err(_) => Value::from(text),
    }
}

fn receiver_table(receiver: &ReceiverSpec) -> Table {
    let own_name = Some(receiver.name.as_str()).filter(|name| *name != default_name(receiver));
    let yes = |flag: bool| Some(true).filter(|_| flag);
    Inline::default()
        .with("name", own_name)
        .with("to", Some(receiver.to.as_str()).filter(|to| !to.is_empty()))
        .with("thread", receiver.thread.as_deref())
        .with("thread_name", receiver.thread_name.as_deref())
        .with("locale", receiver.locale.as_deref())
        .with("silent", yes(receiver.silent))
        .with("protect", yes(receiver.protect))
        .with("preview", receiver.preview)
        .with("spoiler", yes(receiver.spoiler))
        .with("enabled", Some(false).filter(|_| !receiver.enabled))
        .with("quiet", receiver.quiet.as_ref().and_then(in_words))
        .with("pace", receiver.pace.map(rate_text))
        .with("digest", receiver.digest.as_ref().and_then(in_words))
        .with("storm", receiver.storm.map(|rate| rate_text(Some(rate))))
        .0
}

fn link_table(link: &LinkSpec) -> Table {
    let unknown = match link.unknown {
        UnknownPolicy::Retry => None,
        UnknownPolicy::Park => Some("park"),
    };
    let digest = match &link.digest {
        None => None,
        Some(None) => Some(Value::from("off")),
        Some(Some(digest)) => in_words(digest),
    };
    let anew = LinkSpec::to(link.target.as_str());
    Inline::default()
        .with("target", Some(link.target.as_str()))
        .with("name", link.name.as_deref())
        .with("enabled", Some(false).filter(|_| !link.enabled))
        .with("template", link.template.as_deref())
        .with("locale", link.locale.as_deref())
        .with("unknown", unknown)
        .with("quiet", link.quiet.as_ref().and_then(in_words))
        .with("digest", digest)
        .with("pierce", changed(link.pierce, anew.pierce))
        .with("fallback", link.fallback.as_deref())
        .with(
            "fallback_after",
            link.fallback_after.as_ref().and_then(in_words),
        )
        .with("update", Some(true).filter(|_| link.update))
        .with("catch_up", changed(link.catch_up, anew.catch_up))
        .with("wall_clock", changed(link.wall_clock, anew.wall_clock))
        .0
}

/// A value that is not as it would be anyway.
fn changed<T: PartialEq + Serialize>(value: T, default: T) -> Option<Value> {
    (value != default).then(|| in_words(&value)).flatten()
}

fn words_value(words: &WordsSpec) -> Value {
    let WordsSpec {
        title,
        text,
        buttons,
        formats,
    } = words;
    if title.is_none()
        && buttons.is_empty()
        && formats.is_empty()
        && let Some(text) = text
    {
        return Value::from(text.as_str());
    }
    let mut table = Inline::default()
        .with("title", title.as_deref())
        .with("text", text.as_deref());
    for (format, text) in formats {
        table = table.with(format, Some(text.as_str()));
    }
    let buttons: Vec<Value> = buttons
        .iter()
        .map(|button| {
            let button = Inline::default()
                .with("text", Some(button.text.as_str()))
                .with("url", Some(button.url.as_str()));
            Value::Table(button.0)
        })
        .collect();
    let buttons = Some(buttons).filter(|buttons| !buttons.is_empty());
    Value::Table(table.with("buttons", buttons).0)
}
