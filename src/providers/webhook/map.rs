//! `[provider.map]`: a notice made by MiniJinja expressions over `body`, `headers` and `query`.
//!
//! **Invariant:** an expression reaches nothing but these three, and each evaluation is bounded by
//! [`MAP_FUEL`]. What is undefined is absent; an expression that fails names its field.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::{Value as Evaluated, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::RECEIVED;
use super::files;
use super::guess::{Guess, compact};
use crate::domain::notice::{
    Collection, FIELD_BYTES_MAX, NoticeDraft, Severity, Subject, TEXT_BYTES_MAX, Transition, cut,
};
use crate::domain::spec::MapSpec;
use crate::providers::{Readable, Unreadable};

/// Fields that can be mapped, besides the table `labels`.
pub const MAP_FIELDS: [&str; 11] = [
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
/// Steps that one expression may take; MiniJinja also counts the data it makes.
pub const MAP_FUEL: u64 = 50_000;
/// Longest expression, in bytes.
pub const MAP_EXPRESSION_BYTES_MAX: usize = 4 * 1_024;
/// Most labels that a mapping makes.
pub const MAP_LABELS_MAX: usize = 48;
/// Longest notice kind, in bytes.
const KIND_BYTES_MAX: usize = 64;

/// The label that says what of a mapping's results could not be used.
const PROBLEM: &str = "map_problem";

/// Names an expression sees.
pub(super) const SEEN: [&str; 3] = ["body", "headers", "query"];
/// The variable that holds an expression's result.
pub(super) const RESULT: &str = "result";

/// The compiled expressions of one mapping. Compiling costs more than using them, so it is made
/// once per configuration.
pub struct CompiledMap {
    /// Holds an expression as template `title` or `labels.host`.
    environment: Environment<'static>,
    /// Names of the labels, with the names of their templates.
    labels: Vec<(String, String)>,
}

impl fmt::Debug for CompiledMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledMap")
            .field("labels", &self.labels.len())
            .finish_non_exhaustive()
    }
}

impl CompiledMap {
    pub fn new(spec: &MapSpec) -> Result<Self, Unreadable> {
        let mut environment = environment();
        let mut labels = Vec::new();
        let label_expressions = spec
            .labels
            .iter()
            .take(MAP_LABELS_MAX)
            .map(|(name, source)| (label_field(name), Some(name), source));
        let expressions = spec
            .fields
            .iter()
            .map(|(name, source)| (name.clone(), None, source))
            .chain(label_expressions);
        for (field, label, source) in expressions {
            add(&mut environment, &field, source).map_err(|why| Unreadable::Field {
                field: format!("map.{field}"),
                why,
            })?;
            if let Some(label) = label {
                labels.push((label.clone(), field));
            }
        }
        Ok(CompiledMap {
            environment,
            labels,
        })
    }

    /// The notice of a request. What the mapping does not name is taken from the guess.
    pub(super) fn notice(
        &self,
        guess: Guess,
        request: &Readable,
    ) -> Result<NoticeDraft, Unreadable> {
        let context = context(request);
        let mapped = |field: &str| self.evaluate(field, &context);
        let words = |field: &str| -> Result<Option<Option<String>>, Unreadable> {
            Ok(mapped(field)?.map(|value| value.as_ref().and_then(words)))
        };
        let mut problems = Vec::new();

        let title = words("title")?;
        let text = words("text")?;
        let mut notice = match (&title, &text) {
            (None, None) => guess.whole(),
            (Some(_), _) | (_, Some(_)) => guess.named_parts(),
        };
        // A notice without a title would be an empty message: then the guess is better.
        if let Some(Some(title)) = title {
            notice.title = title;
        }
        match text {
            Some(text) => notice.text = text.unwrap_or_default(),
            // What the mapping made the title of needs not be said again.
            None if notice.text == notice.title => notice.text.clear(),
            None => {}
        }
        if let Some(Some(kind)) = words("kind")? {
            match is_kind(&kind) {
                true => notice.kind = kind,
                false => problems.push(problem("kind", &kind, "only a-z, 0-9 and _ may be in it")),
            }
        }
        if let Some(url) = words("url")? {
            notice.url = url;
        }
        if let Some(actor) = words("actor")? {
            notice.actor = actor;
        }
        if let Some(word) = words("severity")? {
            notice.severity = match word.as_deref().map(|word| (word, Severity::parse(word))) {
                Some((_, Some(severity))) => severity,
                Some((word, None)) => {
                    problems.push(problem(
                        "severity",
                        word,
                        "info, success, warning or critical is expected",
                    ));
                    Severity::Info
                }
                None => Severity::Info,
            };
        }
        if let Some(Some(word)) = words("transition")? {
            match Transition::parse(&word) {
                Some(transition) => notice.transition = transition,
                None => problems.push(problem(
                    "transition",
                    &word,
                    "opens, updates, closes or none is expected",
                )),
            }
        }
        if let Some(value) = mapped("collection")? {
            notice.collection = value
                .and_then(|value| pair(&value, "id", "name"))
                .map(|(id, name)| Collection { id, name });
        }
        if let Some(value) = mapped("subject")? {
            notice.subject = value
                .and_then(|value| pair(&value, "key", "label"))
                .map(|(key, label)| Subject { key, label })
                .unwrap_or_default();
        }
        if let Some(Some(value)) = mapped("items")? {
            notice.items = files::items(&value);
        }
        if !self.labels.is_empty() {
            notice.labels = BTreeMap::new();
            for (label, field) in &self.labels {
                if let Some(value) = words(field)?.flatten() {
                    notice.labels.insert(label.clone(), value);
                }
            }
        }
        if !problems.is_empty() {
            notice.labels.insert(PROBLEM.into(), problems.join("; "));
        }
        Ok(notice)
    }

    /// What the mapping makes of `key`.
    pub(super) fn key(&self, request: &Readable) -> Result<Option<String>, Unreadable> {
        if self.environment.get_template("key").is_err() {
            return Ok(None);
        }
        let key = self.evaluate("key", &context(request))?.flatten();
        Ok(key.as_ref().and_then(words).map(|mut key| {
            cut(&mut key, FIELD_BYTES_MAX);
            key
        }))
    }

    /// `None` when the field is not mapped, `Some(None)` when its expression gives nothing.
    fn evaluate(
        &self,
        field: &str,
        context: &Evaluated,
    ) -> Result<Option<Option<Evaluated>>, Unreadable> {
        let Ok(template) = self.environment.get_template(field) else {
            return Ok(None);
        };
        let evaluated =
            template
                .render_captured(context.clone())
                .map_err(|error| Unreadable::Field {
                    field: format!("map.{field}"),
                    why: explain(&error),
                })?;
        Ok(Some(
            evaluated
                .state()
                .lookup(RESULT)
                .filter(|value| !value.is_undefined() && !value.is_none()),
        ))
    }
}

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(MAP_FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment
}

/// Adds an expression as a template of its name that keeps the expression's value.
pub(super) fn add(
    environment: &mut Environment<'static>,
    field: &str,
    source: &str,
) -> Result<(), String> {
    if source.len() > MAP_EXPRESSION_BYTES_MAX {
        return Err(format!(
            "the expression is {} bytes long; at most {MAP_EXPRESSION_BYTES_MAX} are taken",
            source.len()
        ));
    }
    // As an expression first: a template would take more than that.
    environment
        .compile_expression_owned(source.to_owned())
        .map_err(|error| explain(&error))?;
    environment
        .add_template_owned(
            field.to_owned(),
            format!("{{% set {RESULT} = ({source}) %}}"),
        )
        .map_err(|error| explain(&error))
}

pub(super) fn label_field(name: &str) -> String {
    format!("labels.{name}")
}

fn context(request: &Readable) -> Evaluated {
    let pairs = |pairs: &[(String, String)]| -> Evaluated {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), Evaluated::from(value.as_str())))
            .collect::<BTreeMap<_, _>>()
            .into()
    };
    minijinja::context! {
        body => Evaluated::from(minijinja::value::Serde(&request.body)),
        headers => pairs(&request.headers),
        query => pairs(&request.query),
    }
}

/// A value in words; nothing when it is empty.
pub(super) fn words(value: &Evaluated) -> Option<String> {
    let text = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return None,
        ValueKind::String => value.as_str().unwrap_or("").trim().to_owned(),
        ValueKind::Bool
        | ValueKind::Number
        | ValueKind::Bytes
        | ValueKind::Seq
        | ValueKind::Map
        | ValueKind::Iterable
        | ValueKind::Plain
        | ValueKind::Invalid => match serde_json::to_value(value) {
            Ok(json) => compact(&json),
            Err(_) => value.to_string(),
        },
        // MiniJinja may learn new kinds of values.
        _ => value.to_string(),
    };
    let mut text = text;
    cut(&mut text, TEXT_BYTES_MAX);
    (!text.is_empty()).then_some(text)
}

/// A thing with an identity and a name: given as a text, or as an object with both.
fn pair(value: &Evaluated, id: &str, name: &str) -> Option<(String, String)> {
    let attribute = |name: &str| value.get_attr(name).ok().as_ref().and_then(words);
    if value.kind() == ValueKind::Map {
        let id = attribute(id);
        let name = attribute(name);
        return Some((id.clone().or(name.clone())?, name.or(id)?));
    }
    let text = words(value)?;
    Some((text.clone(), text))
}

fn is_kind(kind: &str) -> bool {
    !kind.is_empty()
        && kind.len() <= KIND_BYTES_MAX
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn problem(field: &str, given: &str, expected: &str) -> String {
    let mut given = given.to_owned();
    cut(&mut given, KIND_BYTES_MAX);
    match field {
        "kind" => format!("{field} {given:?} is taken as {RECEIVED}: {expected}"),
        _ => format!("{field} {given:?} is not known: {expected}"),
    }
}

pub(super) fn explain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => format!("the expression takes more than {MAP_FUEL} steps"),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::spec;
    use super::super::{Generic, guess};
    use super::*;
    use crate::providers::{Prepared, Webhook as _};
    use serde_json::json;

    fn request() -> Readable {
        Readable {
            headers: vec![("x-room".into(), "cellar".into())],
            query: vec![("floor".into(), "-1".into())],
            body: json!({"name": "Damp", "value": 81.5, "hosts": ["a", "b"], "at": {"room": "cellar"}, "flag": true}),
        }
    }

    fn notice(fields: &[(&str, &str)], labels: &[(&str, &str)]) -> Result<NoticeDraft, Unreadable> {
        let request = request();
        CompiledMap::new(&spec(fields, labels))?
            .notice(guess::notice(&request.body, "sensor"), &request)
    }

    #[test]
    fn expressions_see_body_headers_and_query() -> Result<(), Unreadable> {
        let made = notice(
            &[
                ("title", "body.name ~ ': ' ~ body.value ~ ' %'"),
                (
                    "text",
                    "'at ' ~ headers['x-room'] ~ ', floor ' ~ query.floor",
                ),
                ("collection", "body.at.room"),
                ("subject", "{'key': 'damp', 'label': body.name}"),
            ],
            &[
                ("hosts", "body.hosts"),
                ("at", "body.at"),
                ("flag", "body.flag"),
                ("none", "body.no.such.thing"),
                ("empty", "none"),
            ],
        )?;
        assert_eq!(made.title, "Damp: 81.5 %");
        assert_eq!(made.text, "at cellar, floor -1");
        assert_eq!(
            made.collection.map(|place| (place.id, place.name)),
            Some(("cellar".into(), "cellar".into()))
        );
        assert_eq!(
            (made.subject.key, made.subject.label),
            ("damp".into(), "Damp".into())
        );
        assert_eq!(
            made.labels,
            [("at", "room: cellar"), ("flag", "true"), ("hosts", "a, b")]
                .map(|(name, value)| (name.into(), value.into()))
                .into()
        );
        Ok(())
    }

    #[test]
    fn what_is_undefined_is_absent_and_the_guess_keeps_the_title() -> Result<(), Unreadable> {
        let made = notice(
            &[
                ("title", "body.no.such.thing"),
                ("text", "body.nothing"),
                ("severity", "body.nothing"),
            ],
            &[],
        )?;
        assert_eq!((made.title.as_str(), made.text.as_str()), ("Damp", ""));
        assert_eq!(made.kind, RECEIVED);
        assert!(!made.labels.contains_key(PROBLEM));
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_said_in_a_label() -> Result<(), Unreadable> {
        let made = notice(
            &[
                ("kind", "'Damp!'"),
                ("severity", "'loud'"),
                ("transition", "body.value"),
            ],
            &[],
        )?;
        assert_eq!(
            (made.kind.as_str(), made.severity),
            (RECEIVED, Severity::Info)
        );
        assert_eq!(
            made.labels[PROBLEM],
            "kind \"Damp!\" is taken as received: only a-z, 0-9 and _ may be in it; \
             severity \"loud\" is not known: info, success, warning or critical is expected; \
             transition \"81.5\" is not known: opens, updates, closes or none is expected"
        );
        Ok(())
    }

    #[test]
    fn an_expression_that_fails_names_its_field() {
        for (fields, labels, expected) in [
            (&[("text", "body.name + 1")][..], &[][..], "map.text"),
            (
                &[("title", "body.name | length(1, 2, 3)")],
                &[],
                "map.title",
            ),
            (
                &[("title", "range(100000) | map('string') | join(',')")],
                &[],
                "map.title",
            ),
            (&[], &[("x", "body.name | int")], "map.labels.x"),
            (&[("title", "body.")], &[], "map.title"),
        ] {
            match notice(fields, labels) {
                Err(Unreadable::Field { field, .. }) => assert_eq!(field, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_key_comes_from_the_mapping_or_not_at_all() -> Result<(), Unreadable> {
        for (source, expected) in [
            (
                Some("headers['x-room'] ~ '/' ~ body.value"),
                Some("cellar/81.5"),
            ),
            (Some("body.nothing"), None),
            (None, None),
        ] {
            let fields: Vec<_> = source.map(|source| ("key", source)).into_iter().collect();
            let prepared = Prepared {
                map: Some(CompiledMap::new(&spec(&fields, &[]))?),
            };
            let key = Generic.mapped_key(&prepared, &request())?;
            assert_eq!(key.as_deref(), expected);
        }
        Ok(())
    }
}
