//! The tokens of an expression: for places, and for what can be said better here than by a parser.

use std::ops::Range;

use super::super::Fault;
use super::DEEPEST;

/// So many operators may follow one another at most, brackets around counted in.
const LONGEST_CHAIN: usize = 400;

/// All tokens of a text.
pub(in super::super) struct Lexed {
    pub(in super::super) tokens: Vec<Token>,
    pub(super) length: usize,
}

/// One token.
pub(in super::super) struct Token {
    pub(in super::super) at: Range<usize>,
    /// Of a bracket: the position of its partner.
    pub(in super::super) partner: Option<usize>,
}

impl Lexed {
    /// The position of the token that begins at this byte.
    pub(in super::super) fn at(&self, byte: usize) -> Option<usize> {
        self.tokens.binary_search_by_key(&byte, |token| token.at.start).ok()
    }
}

fn fault<T>(at: Range<usize>, message: impl Into<String>) -> Result<T, Vec<Fault>> {
    Err(vec![Fault { at, message: message.into() }])
}

/// The tokens of `text`, or the first thing that is wrong with it.
pub(super) fn lex(text: &str) -> Result<Lexed, Vec<Fault>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut open: Vec<(usize, char, usize)> = Vec::new();
    let (mut chain, mut chains, mut choices) = (0_usize, 0_usize, 0_usize);
    let mut at = 0;
    while let Some(first) = rest(text, at).chars().next() {
        let left = rest(text, at);
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if left.starts_with("//") {
            at += left.find('\n').unwrap_or(left.len());
            continue;
        }
        let length = match first {
            '"' | '\'' => quoted(text, at, 0, false)?,
            c if c.is_ascii_alphabetic() || c == '_' => word(text, at)?,
            c if c.is_ascii_digit() => number(left),
            _ => sign(text, at, first)?,
        };
        let place = at..at + length;
        let position = tokens.len();
        let mut partner = None;
        match &text[place.clone()] {
            "(" | "[" | "{" => {
                open.push((position, first, chain));
                chain += 1;
                chains = chains.max(chain);
                if open.len() > DEEPEST {
                    return fault(place, format!("brackets stand more than {DEEPEST} deep here"));
                }
            }
            close @ (")" | "]" | "}") => {
                let Some((from, with, before)) = open.pop() else {
                    return fault(place, format!("this {close} closes nothing"));
                };
                let wanted = match with {
                    '(' => ")",
                    '[' => "]",
                    _ => "}",
                };
                if wanted != close {
                    return fault(place, format!("{wanted} was expected here, for the {with} before"));
                }
                if let Some(token) = tokens.get_mut(from) {
                    token.partner = Some(position);
                }
                partner = Some(from);
                chain = before + 1;
            }
            "," | "&&" | "||" => chain = open.last().map_or(0, |(_, _, before)| before + 1),
            "?" => choices += 1,
            "+" | "-" | "*" | "/" | "%" | "." | "<" | "<=" | ">" | ">=" | "==" | "!=" | "in" => chain += 1,
            _ => {}
        }
        chains = chains.max(chain);
        if chains > LONGEST_CHAIN || choices > DEEPEST {
            return fault(place, "the condition is too long at this place; make two rules of it");
        }
        tokens.push(Token { at: place, partner });
        at += length;
    }
    match open.pop() {
        None => Ok(Lexed { tokens, length: text.len() }),
        Some((from, with, _)) => {
            let place = tokens.get(from).map_or(0..0, |token| token.at.clone());
            fault(place, format!("this {with} is never closed"))
        }
    }
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

/// The length of a word, or of a text with a prefix.
fn word(text: &str, at: usize) -> Result<usize, Vec<Fault>> {
    let left = rest(text, at);
    let length = left.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(left.len());
    let word = &left[..length];
    if left[length..].starts_with(['"', '\'']) {
        let raw = word.eq_ignore_ascii_case("r");
        if raw {
            return quoted(text, at, length, true);
        }
        if word.eq_ignore_ascii_case("b")
            || word.eq_ignore_ascii_case("rb")
            || word.eq_ignore_ascii_case("br")
        {
            return fault(at..at + length, "texts of bytes are not known here; leave the b out");
        }
    }
    let place = at..at + length;
    match word {
        "and" => fault(place, "write && for \"and\""),
        "or" => fault(place, "write || for \"or\""),
        "not" => fault(place, "write ! for \"not\""),
        "True" | "TRUE" => fault(place, "write true in small letters"),
        "False" | "FALSE" => fault(place, "write false in small letters"),
        "null" => fault(place, "there is no null here; what is not there is an empty text, 0 or false"),
        "as" | "break" | "const" | "continue" | "else" | "for" | "function" | "if" | "import" | "let"
        | "loop" | "package" | "namespace" | "return" | "var" | "void" | "while" => {
            let hint = if matches!(word, "if" | "else") { "; write condition ? this : that" } else { "" };
            fault(place, format!("\"{word}\" is a word that CEL keeps for itself{hint}"))
        }
        _ => Ok(length),
    }
}

/// The length of a text with `prefix` letters in front of it.
fn quoted(text: &str, at: usize, prefix: usize, raw: bool) -> Result<usize, Vec<Fault>> {
    let left = rest(text, at + prefix);
    let quote = left.get(..1).unwrap_or_default();
    let triple = left.get(..3).filter(|three| *three == quote.repeat(3));
    let close = triple.unwrap_or(quote);
    let mut inside = close.len();
    while let Some(c) = rest(left, inside).chars().next() {
        if rest(left, inside).starts_with(close) {
            return Ok(prefix + inside + close.len());
        }
        if c == '\n' && triple.is_none() {
            break;
        }
        if c == '\\' && !raw {
            let next = rest(left, inside + 1).chars().next();
            let Some(next) = next else { break };
            if !matches!(
                next,
                'a' | 'b'
                    | 'f'
                    | 'n'
                    | 'r'
                    | 't'
                    | 'v'
                    | '\\'
                    | '"'
                    | '\''
                    | '`'
                    | '?'
                    | 'x'
                    | 'X'
                    | 'u'
                    | 'U'
                    | '0'..='3'
            ) {
                let place = at + prefix + inside..at + prefix + inside + 1 + next.len_utf8();
                return fault(
                    place,
                    format!(
                        "\\{next} means nothing in a text; write \\\\{next}, or r{quote}…{quote} for a text without escapes"
                    ),
                );
            }
            inside += 1 + next.len_utf8();
            continue;
        }
        inside += c.len_utf8();
    }
    fault(at..at + prefix + close.len(), "this text has no closing quote")
}

fn number(left: &str) -> usize {
    if let Some(hex) = left.strip_prefix("0x") {
        return 2 + hex.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(hex.len());
    }
    let bytes = left.as_bytes();
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let fraction = *b == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let sign = matches!(b, b'+' | b'-') && at > 0 && matches!(bytes.get(at - 1), Some(b'e' | b'E'));
        if !(b.is_ascii_alphanumeric() || fraction || sign) {
            break;
        }
        at += 1;
    }
    at
}

/// The length of an operator or bracket.
fn sign(text: &str, at: usize, first: char) -> Result<usize, Vec<Fault>> {
    let left = rest(text, at);
    if ["&&", "||", "==", "!=", "<=", ">="].iter().any(|two| left.starts_with(two)) {
        return Ok(2);
    }
    let place = at..at + first.len_utf8();
    match first {
        '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' | '?' | ':' | '!' | '<' | '>' | '+' | '-' | '*'
        | '/' | '%' => Ok(1),
        '=' => fault(place, "write == to compare"),
        '&' => fault(place, "write && for \"and\""),
        '|' => fault(place, "write || for \"or\""),
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '`' => {
            fault(place, "write texts in straight quotes: \"…\"")
        }
        ';' => fault(place, "a condition is one expression; join two with && or ||"),
        '#' => fault(place, "# begins no comment here; write // for one"),
        _ => fault(
            place,
            format!("{first:?} means nothing here; names are written in plain letters, texts in quotes"),
        ),
    }
}
