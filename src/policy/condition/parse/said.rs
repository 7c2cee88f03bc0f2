//! What the parser said, in plain sentences.

use std::ops::Range;

use cel::parser::ParseErrors;

use super::super::Fault;
use super::lex::Lexed;

/// What is wrong, at the first place where something is.
pub(super) fn reworded(text: &str, lexed: &Lexed, errors: &ParseErrors) -> Vec<Fault> {
    // An unfinished node is told twice: what is missing, and that it is unfinished.
    let first = errors.errors.iter().find(|e| !e.msg.starts_with("Incomplete")).or(errors.errors.first());
    let Some(first) = first else {
        return vec![Fault { at: 0..text.len(), message: "this cannot be read".to_owned() }];
    };
    let at = place(text, lexed, first.pos);
    let word = text.get(at.clone()).unwrap_or_default();
    let said = first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg);
    let message = if said.contains("'<EOF>'") && at.is_empty() {
        "unexpected end: something has to follow here".to_owned()
    } else if said.contains("int literal") {
        format!("{word} is beyond all whole numbers; write it with a dot to count with about so much")
    } else if said.contains("double literal") || said.contains("float") {
        format!("{word} is no number")
    } else if said.contains("Recursion limit") {
        "the condition is nested too deep".to_owned()
    } else if said.contains("expecting {'[', '{', '('") || said.contains("no viable alternative") {
        format!("unexpected {word}: a value was expected here")
    } else if said.contains("expecting") {
        format!("unexpected {word}: an operator as && was expected here, or the end")
    } else {
        format!("this cannot be read here: {word}")
    };
    vec![Fault { at, message }]
}

/// The token at a line and column (both from 1, columns in characters); empty at the end of the text.
fn place(text: &str, lexed: &Lexed, (line, column): (isize, isize)) -> Range<usize> {
    let before = usize::try_from(line - 1).unwrap_or_default();
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let within = text.get(start..).unwrap_or_default();
    let characters = usize::try_from(column - 1).unwrap_or_default();
    let byte = start + within.char_indices().nth(characters).map_or(within.len(), |(byte, _)| byte);
    match lexed.tokens.iter().find(|token| token.at.contains(&byte)) {
        Some(token) => token.at.clone(),
        None => {
            let end = text.trim_end().len();
            end..end
        }
    }
}
