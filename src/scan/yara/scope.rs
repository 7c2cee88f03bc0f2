//! Which bytes the rules of a file can match at all.
//!
//! Most rules made for mail ask for one of the two: `not is_raw and …` can never match the raw message, `is_raw and …` no
//! part. Where every rule of a file does so, the file is kept out of what it cannot match. That is exact: nothing is left
//! out that could have matched. What the conditions say is read by yara-x's own parser.

use yara_x_parser::ast::{AST, Expr, RuleFlags};

use super::compile::variable;

/// What the rules of one file, or of one pass, are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The raw message alone.
    Raw,
    /// The parts alone.
    Parts,
    /// Both.
    Any,
}

impl Scope {
    /// Of a file with this text.
    pub(super) fn of(text: &[u8]) -> Self {
        // Public rules know nothing of our variables: they need not be read twice.
        if memchr::memmem::find(text, variable::IS_RAW.as_bytes()).is_none() {
            return Self::Any;
        }
        let ast = AST::from(text);
        let mut scopes = ast.rules().map(|rule| {
            // What a global rule means for others is not ours to work out.
            if rule.flags.contains(RuleFlags::Global) { Self::Any } else { of(&rule.condition) }
        });
        let Some(first) = scopes.next() else { return Self::Any };
        if scopes.all(|scope| scope == first) { first } else { Self::Any }
    }

    /// Whether the raw message, or a part, is looked at.
    pub(super) const fn covers(self, is_raw: bool) -> bool {
        match self {
            Self::Raw => is_raw,
            Self::Parts => !is_raw,
            Self::Any => true,
        }
    }
}

/// Of one condition: what all of the terms joined by `and` must allow.
fn of(condition: &Expr<'_>) -> Scope {
    match condition {
        Expr::Ident(name) if name.name == variable::IS_RAW => Scope::Raw,
        Expr::Not(not) => match &not.operand {
            Expr::Ident(name) if name.name == variable::IS_RAW => Scope::Parts,
            _ => Scope::Any,
        },
        Expr::And(terms) => terms.operands().map(of).find(|scope| *scope != Scope::Any).unwrap_or(Scope::Any),
        _ => Scope::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::of(text.as_bytes())
    }

    #[test]
    fn a_file_is_kept_from_what_none_of_its_rules_can_match() {
        let parts = "rule a { condition: not is_raw and filesize > 3 } rule b { strings: $x = \"xyz\" condition: $x and not is_raw }";
        assert_eq!(scope(parts), Scope::Parts);
        assert_eq!(scope("rule a { condition: not is_raw }"), Scope::Parts);
        assert_eq!(scope("rule a { condition: (is_raw) and (filesize > 3 or filesize < 2) }"), Scope::Raw);
        assert_eq!(scope("rule a { condition: filesize > 1 and (filesize > 3 and is_raw) }"), Scope::Raw);
    }

    #[test]
    fn where_it_is_not_certain_everything_is_looked_at() {
        for text in [
            "",
            "rule a { condition: true }",
            "rule a { condition: not is_raw or filesize > 3 }",
            "rule a { condition: not (is_raw and filesize > 3) }",
            "rule a { condition: not not is_raw }",
            "rule a { condition: is_raw } rule b { condition: not is_raw }",
            "rule a { condition: is_raw } rule b { condition: true }",
            "global rule a { condition: is_raw }",
            "private rule a { condition: is_raw } rule b { condition: not a }",
            "rule a { strings: $a = \"is_raw\" condition: $a }",
            "rule a { condition: is_raw == false }",
            "rule broken { condition: is_raw and ",
        ] {
            assert_eq!(scope(text), Scope::Any, "{text}");
        }
    }

    #[test]
    fn the_raw_message_and_parts_are_told_apart() {
        assert_eq!([Scope::Raw, Scope::Parts, Scope::Any].map(|s| s.covers(true)), [true, false, true]);
        assert_eq!([Scope::Raw, Scope::Parts, Scope::Any].map(|s| s.covers(false)), [false, true, true]);
    }
}
