//! The language of templates and expressions: MiniJinja, without what cannot be bounded.
//!
//! The engine never sees what a person wrote. A source is parsed, everything outside the language is
//! refused with its line, and it is written again with every operator that can make its result grow
//! replaced by a filter that has a bound ([`super::guards`]). Written tags stay on their lines, so
//! that a fault at run time names the right one.
//!
//! **Invariant:** only what this module writes out is ever compiled, and it writes out only the kinds
//! of nodes it knows: there is no way to a macro, a method, a nested list or another template.

mod expressions;
mod measure;
mod nodes;
mod statements;

use std::collections::BTreeSet;

use minijinja::Error;
use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{parse, parse_expr};

use self::measure::measure;
use self::statements::collect_assigned;
use super::TemplateFault;
use super::view::Wanted;

/// What may be named in a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Names of the context.
    pub names: &'static [&'static str],
    /// In groups.
    pub filters: &'static [&'static [&'static str]],
    pub tests: &'static [&'static str],
    /// Whether `range` is there to loop over.
    pub loops: bool,
}

/// A source as the engine gets it.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    pub source: String,
    pub wanted: Wanted,
}

/// Names that assignments may not use besides those of the context.
const KEPT_NAMES: &[&str] = &["loop", "range", "true", "false", "none", "self"];

/// Reads a template and writes it guarded.
pub(super) fn template(source: &str, dialect: Dialect) -> Result<Guarded, TemplateFault> {
    measure(source, false)?;
    let tree = parse(source, "text", Default::default()).map_err(|error| fault_of(&error))?;
    let mut writer = Writer::new(dialect);
    let Stmt::Template(root) = &tree else {
        return Err(fault(1u32, "not a template"));
    };
    collect_assigned(&root.children, &mut writer)?;
    writer.statements(&root.children, 0)?;
    // The engine drops one line end at the end of a source.
    if writer.out.ends_with('\n') {
        writer.out.pop();
        writer.out.push_str("{{ \"\\n\"|_raw }}");
    }
    Ok(Guarded {
        source: writer.out,
        wanted: writer.wanted,
    })
}

/// Reads an expression and writes it guarded.
pub(super) fn expression(source: &str, dialect: Dialect) -> Result<Guarded, TemplateFault> {
    measure(source, true)?;
    let tree = parse_expr(source).map_err(|error| fault_of(&error))?;
    let mut writer = Writer::new(dialect);
    let source = writer.expr(&tree, 0)?;
    Ok(Guarded {
        source,
        wanted: writer.wanted,
    })
}

pub(super) fn fault(line: impl Into<u32>, reason: impl Into<String>) -> TemplateFault {
    TemplateFault {
        line: line.into().max(1),
        reason: reason.into(),
    }
}

/// The engine's error in our words.
pub(super) fn fault_of(error: &Error) -> TemplateFault {
    let reason = match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "does too much work: it ran out of fuel".to_owned(),
        (minijinja::ErrorKind::WriteFailure, _) => format!(
            "gives more than {} KiB of text",
            super::bounds::OUTPUT_BYTES_MAX / 1_024
        ),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    };
    let line = error.line().and_then(|line| u32::try_from(line).ok());
    fault(line.unwrap_or(1), reason)
}

struct Writer<'a> {
    dialect: Dialect,
    assigned: BTreeSet<&'a str>,
    wanted: Wanted,
    out: String,
    /// The line that `out`, or the expression under way, has come to.
    line: u16,
}

impl<'a> Writer<'a> {
    fn new(dialect: Dialect) -> Self {
        Writer {
            dialect,
            assigned: BTreeSet::new(),
            wanted: Wanted::default(),
            out: String::new(),
            line: 1,
        }
    }

    fn assign(&mut self, target: &Expr<'a>) -> Result<(), TemplateFault> {
        match target {
            Expr::Var(var) => {
                let name = var.id;
                let line = target.span().start_line;
                if self.dialect.names.contains(&name) || KEPT_NAMES.contains(&name) {
                    return Err(fault(
                        line,
                        format!("{name} has a meaning already: choose another name"),
                    ));
                }
                if name.starts_with('_') {
                    return Err(fault(
                        line,
                        format!("{name}: a name may not begin with an underscore"),
                    ));
                }
                self.assigned.insert(name);
                Ok(())
            }
            Expr::List(list) => list.items.iter().try_for_each(|item| self.assign(item)),
            _ => Err(fault(
                target.span().start_line,
                "only a plain name can be assigned to",
            )),
        }
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4);
    match nearest {
        Some((_, candidate)) => format!("unknown {what} `{name}`: did you mean `{candidate}`?"),
        None => format!("unknown {what} `{name}`: known are {}", known.join(", ")),
    }
}
