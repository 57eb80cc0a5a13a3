//! Sizes of a source, checked before anything recurses over it.

use minijinja::machinery::{Token, tokenize};

use super::{fault, fault_of};
use crate::templates::TemplateFault;
use crate::templates::bounds::{ELIF_MAX, NESTING_MAX, SOURCE_BYTES_MAX, TAG_TOKENS_MAX, TAGS_MAX};
use crate::templates::coding::is_reserved;

/// Checks everything that the parser's and the writer's recursion depends on, before they run.
pub(super) fn measure(source: &str, in_expression: bool) -> Result<(), TemplateFault> {
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
