//! The language of templates and expressions: MiniJinja, without what cannot be bounded.
//!
//! The engine never sees what a person wrote. A source is parsed, everything outside the language is
//! refused with its line, and it is written again with every operator that can make its result grow
//! replaced by a filter that has a bound ([`super::guards`]). Written tags stay on their lines, so
//! that a fault at run time names the right one.
//!
//! **Invariant:** only what this module writes out is ever compiled, and it writes out only the kinds
//! of nodes it knows: there is no way to a macro, a method, a nested list or another template.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::{Span, Token, parse, parse_expr, tokenize};
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::TemplateFault;
use super::bounds::{CHAIN_MAX, ELIF_MAX, NESTING_MAX, SOURCE_BYTES_MAX, TAG_TOKENS_MAX, TAGS_MAX};
use super::coding::is_reserved;
use super::view::{self, Wanted};

/// What may be named in a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Names of the context.
    pub names: &'static [&'static str],
    pub filters: &'static [&'static str],
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

/// Checks everything that the parser's and the writer's recursion depends on, before they run.
fn measure(source: &str, in_expression: bool) -> Result<(), TemplateFault> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(fault(
            1u32,
            format!(
                "is {} bytes long; at most {SOURCE_BYTES_MAX} are read",
                source.len()
            ),
        ));
    }
    if let Some(found) = source.find(is_reserved) {
        let line = source[..found].matches('\n').count() as u32 + 1;
        return Err(fault(
            line,
            "holds a private code point that is reserved here",
        ));
    }
    let mut tags = 0usize;
    let mut elifs = 0usize;
    let mut tokens = 0usize;
    let mut nesting = 0usize;
    let mut signs = 0usize;
    for token in tokenize(source, in_expression, Default::default()) {
        let (token, span) = token.map_err(|error| fault_of(&error))?;
        let line = u32::from(span.start_line);
        tokens += 1;
        signs = match token {
            Token::Minus | Token::Plus | Token::Ident("not") => signs + 1,
            _ => 0,
        };
        match token {
            Token::VariableStart | Token::BlockStart => {
                (tokens, nesting) = (0, 0);
                tags += 1;
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => nesting += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                nesting = nesting.saturating_sub(1);
            }
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        if tokens > TAG_TOKENS_MAX {
            return Err(fault(
                line,
                format!("one expression has more than {TAG_TOKENS_MAX} parts: split it"),
            ));
        }
        if nesting > NESTING_MAX || signs > NESTING_MAX {
            return Err(fault(
                line,
                format!("is nested deeper than {NESTING_MAX} levels"),
            ));
        }
        if tags > TAGS_MAX {
            return Err(fault(line, format!("has more than {TAGS_MAX} tags")));
        }
        if elifs > ELIF_MAX {
            return Err(fault(line, format!("has more than {ELIF_MAX} `elif`")));
        }
    }
    Ok(())
}

/// Finds every name that the template assigns, so that others are known to be mistakes.
fn collect_assigned<'a>(
    statements: &[Stmt<'a>],
    writer: &mut Writer<'a>,
) -> Result<(), TemplateFault> {
    for statement in statements {
        match statement {
            Stmt::ForLoop(each) => {
                writer.assign(&each.target)?;
                collect_assigned(&each.body, writer)?;
                collect_assigned(&each.else_body, writer)?;
            }
            Stmt::IfCond(cond) => {
                collect_assigned(&cond.true_body, writer)?;
                collect_assigned(&cond.false_body, writer)?;
            }
            Stmt::WithBlock(with) => {
                for (target, _) in &with.assignments {
                    writer.assign(target)?;
                }
                collect_assigned(&with.body, writer)?;
            }
            Stmt::Set(set) => writer.assign(&set.target)?,
            Stmt::SetBlock(set) => {
                writer.assign(&set.target)?;
                collect_assigned(&set.body, writer)?;
            }
            // The writer refuses the others.
            _ => {}
        }
    }
    Ok(())
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

    /// Line ends that bring what follows to the line it was written on.
    fn at(&mut self, span: Span) -> String {
        let gap = span.start_line.saturating_sub(self.line);
        self.line += gap;
        "\n".repeat(gap.into())
    }

    fn tag(&mut self, span: Span, words: &str) {
        let gap = self.at(span);
        self.out.push_str(&format!("{{% {gap}{words} %}}"));
    }

    fn statements(&mut self, statements: &[Stmt<'a>], depth: usize) -> Result<(), TemplateFault> {
        for statement in statements {
            self.statement(statement, depth)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Stmt<'a>, depth: usize) -> Result<(), TemplateFault> {
        let (span, refused) = match statement {
            Stmt::EmitRaw(raw) => {
                self.raw(raw.raw);
                return Ok(());
            }
            Stmt::EmitExpr(emit) => return self.emit(&emit.expr),
            _ if depth >= NESTING_MAX => {
                return Err(fault(
                    self.line,
                    format!("blocks are nested deeper than {NESTING_MAX} levels"),
                ));
            }
            Stmt::ForLoop(each) => return self.for_loop(each, each.span(), depth),
            Stmt::IfCond(cond) => return self.if_cond(cond, cond.span(), depth),
            Stmt::WithBlock(with) => {
                let gap = self.at(with.span());
                let mut words = format!("{{% {gap}with ");
                for (index, (target, value)) in with.assignments.iter().enumerate() {
                    if index > 0 {
                        words.push_str(", ");
                    }
                    words.push_str(name_of(target)?);
                    words.push_str(" = ");
                    words.push_str(&self.expr(value, 0)?);
                }
                self.out.push_str(&words);
                self.out.push_str(" %}");
                self.statements(&with.body, depth + 1)?;
                self.out.push_str("{% endwith %}");
                return Ok(());
            }
            Stmt::Set(set) => {
                let gap = self.at(set.span());
                let name = name_of(&set.target)?;
                let value = self.expr(&set.expr, 0)?;
                self.out
                    .push_str(&format!("{{% {gap}set {name} = {value} %}}"));
                return Ok(());
            }
            Stmt::SetBlock(set) if set.filter.is_none() => {
                let name = name_of(&set.target)?;
                self.tag(set.span(), &format!("set {name}"));
                self.statements(&set.body, depth + 1)?;
                self.out.push_str("{% endset %}");
                return Ok(());
            }
            Stmt::Continue(word) => {
                self.tag(word.span(), "continue");
                return Ok(());
            }
            Stmt::Break(word) => {
                self.tag(word.span(), "break");
                return Ok(());
            }
            Stmt::Template(inner) => return self.statements(&inner.children, depth + 1),
            Stmt::SetBlock(set) => (set.span(), "`set` with a filter"),
            Stmt::AutoEscape(inner) => (inner.span(), "`autoescape`"),
            Stmt::FilterBlock(inner) => (inner.span(), "`filter` blocks"),
            Stmt::Macro(inner) => (inner.span(), "`macro`"),
            Stmt::CallBlock(inner) => (inner.span(), "`call`"),
            Stmt::Do(inner) => (inner.span(), "`do`"),
        };
        Err(fault(
            span.start_line,
            format!("{refused} cannot be used in these templates"),
        ))
    }

    /// Text outside of tags, as it is. A brace that would open a tag is written as a value.
    fn raw(&mut self, text: &str) {
        let ends = text.matches('\n').count();
        self.line = self
            .line
            .saturating_add(u16::try_from(ends).unwrap_or(u16::MAX));
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '{' && matches!(rest.peek(), None | Some('{' | '%' | '#')) {
                self.out.push_str("{{ \"{\"|_raw }}");
            } else {
                self.out.push(c);
            }
        }
    }

    fn emit(&mut self, expr: &Expr<'a>) -> Result<(), TemplateFault> {
        let gap = self.at(expr.span());
        let value = self.expr(expr, 0)?;
        let what = literal(&described(expr));
        self.out
            .push_str(&format!("{{{{ {gap}{value}|_show({what}) }}}}"));
        Ok(())
    }

    fn for_loop(
        &mut self,
        each: &ast::ForLoop<'a>,
        span: Span,
        depth: usize,
    ) -> Result<(), TemplateFault> {
        if each.recursive {
            return Err(fault(
                span.start_line,
                "`recursive` cannot be used in these templates",
            ));
        }
        let gap = self.at(span);
        let target = match &each.target {
            Expr::List(list) => list
                .items
                .iter()
                .map(name_of)
                .collect::<Result<Vec<_>, _>>()?
                .join(", "),
            single => name_of(single)?.to_owned(),
        };
        let iter = self.expr(&each.iter, 0)?;
        let mut words = format!("{{% {gap}for {target} in {iter}|_each");
        if let Some(only) = &each.filter_expr {
            words.push_str(" if ");
            words.push_str(&self.expr(only, 0)?);
        }
        self.out.push_str(&words);
        self.out.push_str(" %}");
        self.statements(&each.body, depth + 1)?;
        if !each.else_body.is_empty() {
            self.out.push_str("{% else %}");
            self.statements(&each.else_body, depth + 1)?;
        }
        self.out.push_str("{% endfor %}");
        Ok(())
    }

    fn if_cond(
        &mut self,
        cond: &ast::IfCond<'a>,
        span: Span,
        depth: usize,
    ) -> Result<(), TemplateFault> {
        let mut branch = cond;
        let mut word = "if";
        let mut span = span;
        loop {
            let gap = self.at(span);
            let test = self.expr(&branch.expr, 0)?;
            self.out.push_str(&format!("{{% {gap}{word} {test} %}}"));
            self.statements(&branch.true_body, depth + 1)?;
            match branch.false_body.as_slice() {
                [] => break,
                [Stmt::IfCond(next)] => {
                    word = "elif";
                    span = next.span();
                    branch = next;
                }
                others => {
                    self.out.push_str("{% else %}");
                    self.statements(others, depth + 1)?;
                    break;
                }
            }
        }
        self.out.push_str("{% endif %}");
        Ok(())
    }

    /// Writes an expression so that a filter can be put behind it.
    fn expr(&mut self, expr: &Expr<'a>, depth: usize) -> Result<String, TemplateFault> {
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
                self.known(filter.name, self.dialect.filters, "filter", line)?;
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

/// The operands of a left-leaning chain of operators of one rank, the first without an operator.
fn chain_of<'e, 'a>(
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
fn path_of(expr: &Expr<'_>) -> Option<Vec<String>> {
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
fn described(expr: &Expr<'_>) -> String {
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

fn name_of<'e>(target: &'e Expr<'_>) -> Result<&'e str, TemplateFault> {
    match target {
        Expr::Var(var) => Ok(var.id),
        _ => Err(fault(
            target.span().start_line,
            "only a plain name can be assigned to",
        )),
    }
}

/// A constant that costs little to compare with anything, and compares by the engine's own rules.
fn is_short(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Const(constant) => !matches!(constant.value.kind(), ValueKind::Number),
        _ => false,
    }
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn constant_text(value: &Value, line: u16) -> Result<String, TemplateFault> {
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
