//! Expressions: the `where` of a tracker, and the mapping of a webhook.
//!
//! **Invariant:** an expression has no loops and assigns nothing; its work is bounded by
//! [`FILTER_FUEL`], its parts by [`super::language`].

use std::sync::{Arc, LazyLock};

use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, Value};

use super::bounds::{FILTER_FUEL, RECURSION_MAX, SHOWN_BYTES_MAX};
use super::language::{self, Dialect, fault_of};
use super::view::{self, Record, Wanted};
use super::{FilterFault, TemplateFault, filters, guards};
use crate::domain::notice::{Notice, cut};

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_fuel(Some(FILTER_FUEL));
    env.set_recursion_limit(RECURSION_MAX);
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    guards::install(&mut env);
    filters::install(&mut env);
    env
});

type Compiled = minijinja::Expression<'static, 'static>;

fn compile(
    source: &str,
    names: &'static [&'static str],
) -> Result<(Arc<Compiled>, Wanted), TemplateFault> {
    let dialect = Dialect {
        names,
        filters: &[filters::NAMES],
        tests: filters::TESTS,
        loops: false,
    };
    let guarded = language::expression(source, dialect)?;
    let compiled = ENGINE
        .compile_expression_owned(guarded.source)
        .map_err(|error| fault_of(&error))?;
    Ok((Arc::new(compiled), guarded.wanted))
}

fn fault(error: &Error) -> FilterFault {
    FilterFault {
        reason: fault_of(error).reason,
    }
}

/// The `where` of a tracker, compiled: an expression over `notice`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Filter {
    compiled: Arc<Compiled>,
    wanted: Arc<Wanted>,
}

impl Filter {
    pub fn compile(source: &str) -> Result<Filter, TemplateFault> {
        let (compiled, wanted) = compile(source, &["notice"])?;
        Ok(Filter {
            compiled,
            wanted: Arc::new(wanted),
        })
    }

    /// Whether the notice is wanted. A field that the notice does not have is false, and no
    /// comparison by size holds for it.
    pub fn eval(&self, notice: &Notice) -> Result<bool, FilterFault> {
        let root = Record::value(vec![(
            "notice".into(),
            view::notice(notice, &self.wanted, view::exact),
        )]);
        match self.compiled.eval(root) {
            Ok(value) => Ok(value.is_true()),
            Err(error) => Err(fault(&error)),
        }
    }

    /// The value of the expression as text, cut at what is shown of a value; a value that is not
    /// there is empty.
    pub fn value(&self, notice: &Notice) -> Result<String, FilterFault> {
        let root = Record::value(vec![(
            "notice".into(),
            view::notice(notice, &self.wanted, view::exact),
        )]);
        match self.compiled.eval(root) {
            Ok(value) => Ok(shown(&value)),
            Err(error) => Err(fault(&error)),
        }
    }

    /// The fields that the expression names and what the notice has there, cut short: for the
    /// sentence "filter said no: notice.labels.branch = 'dev'". Empty when it has nothing there.
    pub fn values(&self, notice: &Notice) -> Vec<(String, String)> {
        if self.wanted.whole {
            return Vec::new();
        }
        let seen = view::notice(notice, &self.wanted, view::cleaned);
        let mut values = Vec::new();
        for (field, keys) in &self.wanted.fields {
            let value = seen.get_attr(field).unwrap_or_default();
            match keys {
                None => values.push((format!("notice.{field}"), shown(&value))),
                Some(keys) => values.extend(keys.iter().map(|key| {
                    let value = value.get_attr(key).unwrap_or_default();
                    (format!("notice.{field}.{key}"), shown(&value))
                })),
            }
        }
        values
    }
}

fn shown(value: &Value) -> String {
    let mut text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_undefined() => String::new(),
        None => value.to_string(),
    };
    cut(&mut text, SHOWN_BYTES_MAX);
    text
}

/// What expressions over other names see: JSON by name, converted once.
#[derive(Debug, Clone)]
pub struct Context(Value);

impl Context {
    pub fn new(values: &[(&'static str, &serde_json::Value)]) -> Context {
        Context(Record::value(
            values
                .iter()
                .map(|(name, value)| ((*name).into(), Value::from(Serde(value))))
                .collect(),
        ))
    }
}

/// An expression over other names than a notice's: `body`, `headers`, `query` of a webhook.
#[derive(Debug, Clone)]
pub struct Expression {
    compiled: Arc<Compiled>,
}

impl Expression {
    pub fn compile(
        source: &str,
        names: &'static [&'static str],
    ) -> Result<Expression, TemplateFault> {
        let (compiled, _) = compile(source, names)?;
        Ok(Expression { compiled })
    }

    /// The value as text. Missing is `None`; a list or map is a fault: `tojson` and `join` make
    /// texts of them.
    pub fn eval(&self, context: &Context) -> Result<Option<String>, FilterFault> {
        let value = self
            .compiled
            .eval(context.0.clone())
            .map_err(|error| fault(&error))?;
        if value.is_undefined() || value.is_none() {
            return Ok(None);
        }
        guards::text_of(&value)
            .map(|text| Some(text.into_owned()))
            .map_err(|error| fault(&error))
    }
}
