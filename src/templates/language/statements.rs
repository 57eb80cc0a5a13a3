//! Tags and the text between them.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, Expr, Stmt};

use super::nodes::{described, literal, name_of};
use super::{Writer, fault};
use crate::templates::TemplateFault;
use crate::templates::bounds::NESTING_MAX;

/// Finds every name that the template assigns, so that others are known to be mistakes.
pub(super) fn collect_assigned<'a>(
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

impl<'a> Writer<'a> {
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

    pub(super) fn statements(
        &mut self,
        statements: &[Stmt<'a>],
        depth: usize,
    ) -> Result<(), TemplateFault> {
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
                self.out
                    .push_str(&format!("{{% endset %}}{{% set {name} = {name}|_kept %}}"));
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
}
