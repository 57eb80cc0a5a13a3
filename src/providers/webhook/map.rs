//! `[provider.map]`: a notice made by MiniJinja expressions over `body`, `headers` and `query`.
//!
//! **Invariant:** an expression reaches nothing but these three, and each evaluation is bounded by
//! [`MAP_FUEL`]. What is undefined is absent; an expression that fails names its field.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::{Value as Evaluated, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::RECEIVED;
use super::guess::{Guess, compact};
use crate::domain::notice::{
    Collection, FIELD_BYTES_MAX, NoticeDraft, Severity, Subject, TEXT_BYTES_MAX, Transition, cut,
};
use crate::domain::spec::MapSpec;
use crate::providers::{Readable, Unreadable};

/// Fields that can be mapped, besides the table `labels`.
pub const MAP_FIELDS: [&str; 10] = [
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
const SEEN: [&str; 3] = ["body", "headers", "query"];
/// The variable that holds an expression's result.
const RESULT: &str = "result";

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
        if let Some(text) = text {
            notice.text = text.unwrap_or_default();
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

/// Everything that is wrong with a mapping, by field (`map.title`, `map.labels.host`).
pub fn check_map(spec: &MapSpec) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for (name, source) in &spec.fields {
        let field = format!("map.{name}");
        if !MAP_FIELDS.contains(&name.as_str()) {
            let nearest = MAP_FIELDS
                .iter()
                .max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)))
                .unwrap_or(&MAP_FIELDS[0]);
            problems.push((
                field,
                format!(
                    "there is no such field, did you mean {nearest:?}? Known are {} and the table labels",
                    MAP_FIELDS.join(", ")
                ),
            ));
            continue;
        }
        problems.extend(check(source).map(|problem| (field, problem)));
    }
    if spec.labels.len() > MAP_LABELS_MAX {
        problems.push((
            "map.labels".into(),
            format!(
                "there are {} labels; at most {MAP_LABELS_MAX} can be kept",
                spec.labels.len()
            ),
        ));
    }
    for (name, source) in &spec.labels {
        let field = format!("map.{}", label_field(name));
        problems.extend(check(source).map(|problem| (field, problem)));
    }
    problems
}

/// What is wrong with one expression.
fn check(source: &str) -> Option<String> {
    let mut environment = environment();
    if let Err(problem) = add(&mut environment, RESULT, source) {
        return Some(problem);
    }
    let expression = environment.compile_expression(source).ok()?;
    let mut unknown: Vec<String> = expression
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !SEEN.contains(&name.as_str()))
        .filter(|name| !environment.globals().any(|(global, _)| global == name))
        .collect();
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Some(format!(
            "{name:?} is not known; an expression sees body, headers and query"
        ));
    }
    // Names of filters, tests and functions are looked up when they are used, so use them once.
    let nothing = minijinja::context! { body => (), headers => (), query => () };
    match expression.eval(nothing) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            ) =>
        {
            Some(explain(&error))
        }
        Ok(_) | Err(_) => None,
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(MAP_FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment
}

/// Adds an expression as a template of its name that keeps the expression's value.
fn add(environment: &mut Environment<'static>, field: &str, source: &str) -> Result<(), String> {
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

fn label_field(name: &str) -> String {
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
fn words(value: &Evaluated) -> Option<String> {
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

fn explain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => format!("the expression takes more than {MAP_FUEL} steps"),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}
