//! Expressions, with a filter in the place of each operator that can make its result grow.

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, UnaryOpKind};

use super::nodes::{chain_of, constant_text, described, is_plain_name, is_short, literal, path_of};
use super::{Writer, fault, unknown};
use crate::templates::TemplateFault;
use crate::templates::bounds::NESTING_MAX;
use crate::templates::view;

/// Methods that people write by habit, and the filter or test that stands for each.
const METHODS: &[(&str, &str)] = &[
    ("lower", "lower"),
    ("upper", "upper"),
    ("strip", "trim"),
    ("replace", "replace"),
    ("split", "split"),
    ("items", "items"),
    ("startswith", "_starts"),
    ("endswith", "_ends"),
];

impl<'a> Writer<'a> {
    /// Writes an expression so that a filter can be put behind it.
    pub(super) fn expr(&mut self, expr: &Expr<'a>, depth: usize) -> Result<String, TemplateFault> {
        let line = expr.span().start_line;
        // Chains of operators are unrolled, so this is real nesting and long filter chains.
        if depth > 2 * NESTING_MAX {
            return Err(fault(line, "an expression is nested too deep: split it"));
        }
        let depth = depth + 1;
        match expr {
            Expr::Const(constant) => constant_text(&constant.value, line),
            Expr::Var(var) => self.name(var.id, line),
            Expr::GetAttr(_) | Expr::GetItem(_) if path_of(expr).is_some() => self.path(expr, line),
            Expr::GetAttr(get) => {
                let inner = self.expr(&get.expr, depth)?;
                Ok(format!("({inner}).{}", get.name))
            }
            Expr::GetItem(get) => {
                let inner = self.expr(&get.expr, depth)?;
                let key = self.expr(&get.subscript_expr, depth)?;
                Ok(format!("{inner}|_item({key})"))
            }
            Expr::Slice(slice) => {
                if slice.step.is_some() {
                    return Err(fault(line, "a slice with a step cannot be used"));
                }
                let inner = self.expr(&slice.expr, depth)?;
                let start = self.optional(slice.start.as_ref(), depth)?;
                let stop = self.optional(slice.stop.as_ref(), depth)?;
                Ok(format!("{inner}|_slice({start}, {stop})"))
            }
            Expr::UnaryOp(unary) => {
                let inner = self.expr(&unary.expr, depth)?;
                Ok(match unary.op {
                    UnaryOpKind::Not => format!("(not {inner})"),
                    UnaryOpKind::Neg => format!("(-({inner}|_number))"),
                })
            }
            Expr::BinOp(binary) => self.binary(expr, binary, depth),
            Expr::Compare(_) => Err(fault(
                line,
                "comparisons cannot be chained: write `a < b and b < c`",
            )),
            Expr::IfExpr(choice) => {
                let yes = self.expr(&choice.true_expr, depth)?;
                let test = self.expr(&choice.test_expr, depth)?;
                let no = match &choice.false_expr {
                    Some(no) => self.expr(no, depth)?,
                    None => "\"\"".to_owned(),
                };
                Ok(format!("({yes} if {test} else {no})"))
            }
            Expr::Filter(filter) => {
                self.known(filter.name, &self.dialect.filters.concat(), "filter", line)?;
                let Some(inner) = &filter.expr else {
                    return Err(fault(line, "a filter needs a value before it"));
                };
                let inner = self.expr(inner, depth)?;
                let args = self.args(&filter.args, depth)?;
                Ok(format!("{inner}|{}({args})", filter.name))
            }
            Expr::Test(test) => {
                self.known(test.name, self.dialect.tests, "test", line)?;
                let inner = self.expr(&test.expr, depth)?;
                let args = self.args(&test.args, depth)?;
                let args = if args.is_empty() {
                    String::new()
                } else {
                    format!("({args})")
                };
                Ok(format!("({inner} is {}{args})", test.name))
            }
            Expr::Call(call) => self.call(call, line, depth),
            Expr::List(list) => self.list(&list.items, depth),
            Expr::Tuple(tuple) => self.list(&tuple.items, depth),
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.keys.len());
                for (key, value) in map.keys.iter().zip(&map.values) {
                    let key = self.element(key, depth)?;
                    let value = self.element(value, depth)?;
                    entries.push(format!("{key}: {value}"));
                }
                Ok(format!("{{{}}}", entries.join(", ")))
            }
        }
    }

    fn optional(&mut self, expr: Option<&Expr<'a>>, depth: usize) -> Result<String, TemplateFault> {
        match expr {
            Some(expr) => self.expr(expr, depth),
            None => Ok("none".to_owned()),
        }
    }

    /// A name alone; what is read of the notice is then not known.
    fn name(&mut self, name: &str, line: u16) -> Result<String, TemplateFault> {
        if name == "notice" && self.dialect.names.contains(&name) {
            self.wanted.whole = true;
        }
        if self.dialect.names.contains(&name) {
            self.wanted.names.insert(name.to_owned());
            return Ok(name.to_owned());
        }
        if self.assigned.contains(name) || (name == "loop" && !self.assigned.is_empty()) {
            return Ok(name.to_owned());
        }
        let known = self
            .dialect
            .names
            .iter()
            .copied()
            .chain(self.assigned.iter().copied());
        Err(fault(
            line,
            unknown("name", name, known.collect::<Vec<_>>().as_slice()),
        ))
    }

    fn known(
        &self,
        name: &str,
        all: &[&'static str],
        what: &str,
        line: u16,
    ) -> Result<(), TemplateFault> {
        if all.contains(&name) && !name.starts_with('_') {
            return Ok(());
        }
        let shown: Vec<&str> = all
            .iter()
            .copied()
            .filter(|known| !known.starts_with('_'))
            .collect();
        Err(fault(line, unknown(what, name, &shown)))
    }

    /// `notice.labels.branch`, `receiver.name`: names all the way.
    fn path(&mut self, expr: &Expr<'a>, line: u16) -> Result<String, TemplateFault> {
        let steps = path_of(expr).unwrap_or_default();
        let Some((root, rest)) = steps.split_first() else {
            return Err(fault(line, "an empty path"));
        };
        let root = root.as_str();
        let is_notice = root == "notice" && self.dialect.names.contains(&"notice");
        if is_notice && !rest.is_empty() {
            let Some(field) = view::field(&rest[0]) else {
                return Err(fault(
                    line,
                    unknown(
                        "field of notice",
                        &rest[0],
                        &view::fields().collect::<Vec<_>>(),
                    ),
                ));
            };
            let key = rest.get(1).map(String::as_str);
            // Of these, every key is one label or nothing; of the others the parts are few.
            let keyed = matches!(field, "labels" | "before" | "after");
            self.wanted.read(field, if keyed { key } else { None });
            self.wanted.names.insert("notice".to_owned());
        } else {
            self.name(root, line)?;
        }
        let mut written = root.to_owned();
        for step in rest {
            if is_plain_name(step) {
                written.push('.');
                written.push_str(step);
            } else {
                written.push_str(&format!("[{}]", literal(step)));
            }
        }
        Ok(written)
    }

    fn binary(
        &mut self,
        expr: &Expr<'a>,
        binary: &ast::BinOp<'a>,
        depth: usize,
    ) -> Result<String, TemplateFault> {
        let line = expr.span().start_line;
        match binary.op {
            BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat => {
                let mut operands = Vec::new();
                for (_, operand) in chain_of(binary, line)? {
                    operands.push(if matches!(binary.op, BinOpKind::Concat) {
                        self.joined(operand, depth)?
                    } else {
                        self.expr(operand, depth)?
                    });
                }
                Ok(match binary.op {
                    BinOpKind::ScAnd => format!("({})", operands.join(" and ")),
                    BinOpKind::ScOr => format!("({})", operands.join(" or ")),
                    _ => format!("{}|_join({})", operands[0], operands[1..].join(", ")),
                })
            }
            BinOpKind::Add
            | BinOpKind::Sub
            | BinOpKind::Mul
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow => {
                let mut sum = String::new();
                for (op, operand) in chain_of(binary, line)? {
                    let operand = self.expr(operand, depth)?;
                    let sign = match op {
                        None => {
                            sum = operand;
                            continue;
                        }
                        Some(BinOpKind::Add) => {
                            sum = format!("{sum}|_add({operand})");
                            continue;
                        }
                        Some(BinOpKind::Sub) => "-",
                        Some(BinOpKind::Mul) => "*",
                        Some(BinOpKind::Div) => "/",
                        Some(BinOpKind::FloorDiv) => "//",
                        Some(BinOpKind::Rem) => "%",
                        Some(_) => "**",
                    };
                    sum = format!("({sum}|_number {sign} {operand}|_number)");
                }
                Ok(sum)
            }
            BinOpKind::Eq | BinOpKind::Ne => {
                let left = self.expr(&binary.left, depth)?;
                let right = self.expr(&binary.right, depth)?;
                let is_eq = matches!(binary.op, BinOpKind::Eq);
                // Against a constant text the engine's own comparison is cheap, whatever the
                // other side is.
                if is_short(&binary.left) || is_short(&binary.right) {
                    let sign = if is_eq { "==" } else { "!=" };
                    return Ok(format!("({left} {sign} {right})"));
                }
                Ok(if is_eq {
                    format!("{left}|_eq({right})")
                } else {
                    format!("(not {left}|_eq({right}))")
                })
            }
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
                let left = self.expr(&binary.left, depth)?;
                let right = self.expr(&binary.right, depth)?;
                let name = match binary.op {
                    BinOpKind::Lt => "_lt",
                    BinOpKind::Lte => "_le",
                    BinOpKind::Gt => "_gt",
                    _ => "_ge",
                };
                Ok(format!("{left}|{name}({right})"))
            }
            BinOpKind::In => {
                let left = self.expr(&binary.left, depth)?;
                let right = self.expr(&binary.right, depth)?;
                let constants = match &binary.right {
                    Expr::List(list) => list.items.iter().all(is_short),
                    _ => false,
                };
                Ok(if constants {
                    format!("({left} in {right})")
                } else {
                    format!("{left}|_in({right})")
                })
            }
        }
    }

    /// An operand of `~`: a missing one is reported.
    fn joined(&mut self, expr: &Expr<'a>, depth: usize) -> Result<String, TemplateFault> {
        let written = self.expr(expr, depth)?;
        Ok(if matches!(expr, Expr::Const(_)) {
            written
        } else {
            format!("{written}|_have({})", literal(&described(expr)))
        })
    }

    fn call(
        &mut self,
        call: &ast::Call<'a>,
        line: u16,
        depth: usize,
    ) -> Result<String, TemplateFault> {
        match &call.expr {
            Expr::Var(var) if var.id == "range" && self.dialect.loops => {
                let args = self.args(&call.args, depth)?;
                Ok(format!("range({args})"))
            }
            Expr::Var(var) => Err(fault(
                line,
                format!(
                    "there is no function {}; filters are written `x|name`",
                    var.id
                ),
            )),
            Expr::GetAttr(get) => {
                let Some((_, filter)) = METHODS.iter().find(|(method, _)| *method == get.name)
                else {
                    return Err(fault(
                        line,
                        format!(
                            "there is no method {}(); filters are written `x|name`",
                            get.name
                        ),
                    ));
                };
                let inner = self.expr(&get.expr, depth)?;
                let args = self.args(&call.args, depth)?;
                Ok(format!("{inner}|{filter}({args})"))
            }
            _ => Err(fault(line, "only filters can be called")),
        }
    }

    fn args(&mut self, args: &[CallArg<'a>], depth: usize) -> Result<String, TemplateFault> {
        let mut written = Vec::with_capacity(args.len());
        for arg in args {
            written.push(match arg {
                CallArg::Pos(value) => self.expr(value, depth)?,
                CallArg::Kwarg(name, value) => format!("{name}={}", self.expr(value, depth)?),
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    return Err(fault(
                        value.span().start_line,
                        "`*` before an argument cannot be used",
                    ));
                }
            });
        }
        Ok(written.join(", "))
    }

    fn list(&mut self, items: &[Expr<'a>], depth: usize) -> Result<String, TemplateFault> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(self.element(item, depth)?);
        }
        Ok(format!("[{}]", written.join(", ")))
    }

    /// An element of a list or map: one value, never a list, so that nothing nests.
    fn element(&mut self, item: &Expr<'a>, depth: usize) -> Result<String, TemplateFault> {
        let written = self.expr(item, depth)?;
        Ok(if matches!(item, Expr::Const(_)) {
            written
        } else {
            format!("{written}|_one")
        })
    }
}
