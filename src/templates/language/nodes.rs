//! What a single node of a parsed source is.

use minijinja::Value;
use minijinja::machinery::ast::{self, BinOpKind, Expr};
use minijinja::value::ValueKind;

use super::fault;
use crate::templates::TemplateFault;
use crate::templates::bounds::CHAIN_MAX;
use crate::templates::coding::is_reserved;

/// The operands of a left-leaning chain of operators of one rank, the first without an operator.
pub(super) fn chain_of<'e, 'a>(
    binary: &'e ast::BinOp<'a>,
    line: u16,
) -> Result<Vec<(Option<BinOpKind>, &'e Expr<'a>)>, TemplateFault> {
    let rank = rank(binary.op);
    let mut operands = Vec::new();
    let mut node = binary;
    loop {
        operands.push((Some(node.op), &node.right));
        if operands.len() > CHAIN_MAX {
            return Err(fault(
                line,
                format!("more than {CHAIN_MAX} values are joined in one expression: split it"),
            ));
        }
        match &node.left {
            Expr::BinOp(next) if rank == self::rank(next.op) => node = next,
            first => {
                operands.push((None, first));
                break;
            }
        }
    }
    operands.reverse();
    Ok(operands)
}

fn rank(op: BinOpKind) -> u8 {
    match op {
        BinOpKind::ScOr => 0,
        BinOpKind::ScAnd => 1,
        BinOpKind::Eq
        | BinOpKind::Ne
        | BinOpKind::Lt
        | BinOpKind::Lte
        | BinOpKind::Gt
        | BinOpKind::Gte
        | BinOpKind::In => 2,
        BinOpKind::Add | BinOpKind::Sub => 3,
        BinOpKind::Concat => 4,
        BinOpKind::Mul | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem => 5,
        BinOpKind::Pow => 6,
    }
}

/// The steps of a path of names, or nothing when something else is in it.
pub(super) fn path_of(expr: &Expr<'_>) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    let mut node = expr;
    loop {
        match node {
            Expr::Var(var) => {
                steps.push(var.id.to_owned());
                steps.reverse();
                return Some(steps);
            }
            Expr::GetAttr(get) => {
                steps.push(get.name.to_owned());
                node = &get.expr;
            }
            Expr::GetItem(get) => match &get.subscript_expr {
                Expr::Const(constant) => {
                    steps.push(constant.value.as_str()?.to_owned());
                    node = &get.expr;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// What a person calls this expression in a report.
pub(super) fn described(expr: &Expr<'_>) -> String {
    let mut node = expr;
    loop {
        if let Some(steps) = path_of(node) {
            return steps.join(".");
        }
        match node {
            Expr::Filter(filter) => match &filter.expr {
                Some(inner) => node = inner,
                None => break,
            },
            _ => break,
        }
    }
    format!("a value on line {}", expr.span().start_line.max(1))
}

pub(super) fn name_of<'e>(target: &'e Expr<'_>) -> Result<&'e str, TemplateFault> {
    match target {
        Expr::Var(var) => Ok(var.id),
        _ => Err(fault(
            target.span().start_line,
            "only a plain name can be assigned to",
        )),
    }
}

/// A constant that costs little to compare with anything, and compares by the engine's own rules.
pub(super) fn is_short(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(constant) => !matches!(constant.value.kind(), ValueKind::Number),
        _ => false,
    }
}

pub(super) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn constant_text(value: &Value, line: u16) -> Result<String, TemplateFault> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.contains(is_reserved) {
                return Err(fault(
                    line,
                    "holds a private code point that is reserved here",
                ));
            }
            Ok(literal(text))
        }
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if number.is_finite() => Ok(format!("{number:?}")),
            _ => Err(fault(line, "a number is too large")),
        },
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::None => Ok("none".to_owned()),
        _ => Err(fault(line, "a constant of an unknown kind")),
    }
}
