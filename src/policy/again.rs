//! What a judgement made from a record cannot be relied on for.

use super::condition::Uses;
use super::rule_file::{Decide, Mode, RuleFile};
use super::{Policy, Rule, Rules};

/// What a record does not hold of its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Some of its links.
    pub urls: bool,
    /// Some of its files.
    pub attachments: bool,
    /// People's addresses and the subject, in place of which pseudonyms stand.
    pub people: bool,
    /// Its client, whose address is cut to its network and whose names are pseudonyms.
    pub client: bool,
}

/// Names of conditions that pseudonyms stand for in a record.
const OF_PEOPLE: [&str; 10] = [
    "lists",
    "envelope.sender",
    "envelope.sender_local",
    "envelope.recipients",
    "recipient.address",
    "recipient.local",
    "recipient.groups",
    "recipient.exempt",
    "session.user",
    "message.subject",
];
/// Those that pseudonyms stand for where the client is a user of ours.
const OF_CLIENTS: [&str; 3] = ["session.client_ip", "session.client_name", "session.helo"];

/// The rules of a policy that look at something that some records lack.
#[derive(Clone, Debug)]
pub struct Blind {
    rules: Rules,
    first: bool,
    /// The rules in force, the admin's in their order and behind them the shipped ones, each with what it looks at.
    all: Vec<(String, Lacks)>,
    /// How many of these are the admin's.
    own: usize,
}

impl Blind {
    /// Of this policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let rules = policy.rules().clone();
        let file: RuleFile = toml::from_str(rules.text()).unwrap_or_default();
        let looks = |rule: &Rule| {
            let texts = file.rule.iter().find(|text| text.name == rule.name);
            let texts = texts.map(|text| {
                format!("{} {} {}", text.when, text.disposition, text.category.as_deref().unwrap_or_default())
            });
            let texts = texts.unwrap_or_default();
            Lacks {
                urls: rule.uses().has(Uses::URLS),
                attachments: rule.uses().has(Uses::ATTACHMENTS),
                people: names(&texts).any(|name| OF_PEOPLE.contains(&name)),
                client: names(&texts).any(|name| OF_CLIENTS.contains(&name)),
            }
        };
        let decides = |(rule, mode): &(&Rule, Mode)| *mode == Mode::Enforce && !rule.adds;
        let own = rules.list().take(rules.own_count()).filter(decides).count();
        let all = rules.list().filter(decides);
        let all = all.map(|(rule, _)| (rule.name.clone(), looks(rule))).collect();
        Self { first: file.decide == Decide::First, all, own, rules }
    }

    /// The rules that could have decided in place of `decided`, had the record what it lacks.
    pub fn to<'b>(&'b self, lacks: Lacks, decided: &str) -> impl Iterator<Item = &'b str> + use<'b> {
        // Of rules of which the first decides, those behind it do not matter.
        let before = self.all.iter().take(self.own).position(|(name, _)| self.first && name == decided);
        let rules = self.all.iter().take(before.unwrap_or(self.all.len()));
        let concerned = rules.filter(move |(_, looks)| {
            lacks.urls && looks.urls
                || lacks.attachments && looks.attachments
                || lacks.people && looks.people
                || lacks.client && looks.client
        });
        concerned.map(|(name, _)| name.as_str())
    }

    /// The rules that name people.
    pub fn of_people(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|(_, looks)| looks.people).map(|(name, _)| name.as_str())
    }

    /// Whether groups name people, not only domains.
    #[must_use]
    pub fn has_groups_of_people(&self) -> bool {
        self.rules.groups().has_people()
    }
}

/// The words of a condition, with the dots between them: `envelope.sender`. What stands in quotes is none.
pub(super) fn names(condition: &str) -> impl Iterator<Item = &str> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let pieces = condition.split(move |c: char| {
        if let Some(open) = quote {
            if !escaped && c == open {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            return true;
        }
        if c == '"' || c == '\'' {
            quote = Some(c);
            return true;
        }
        !(c.is_ascii_alphanumeric() || c == '_' || c == '.')
    });
    // A method follows some names: `subject.lower()`.
    pieces.filter(|piece| !piece.is_empty()).flat_map(|piece| {
        let parent = piece.rsplit_once('.').map(|(parent, _)| parent);
        std::iter::once(piece).chain(parent)
    })
}

impl Policy {
    /// The same without `dry_run`.
    #[must_use]
    pub fn in_force(self) -> Self {
        Self { dry_run: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_a_condition_are_found_and_those_in_texts_are_not() {
        let condition =
            r#"envelope.sender_domain == "x \" recipient.local" && message.subject.lower().contains('x')"#;
        let all: Vec<&str> = names(condition).collect();
        assert_eq!(
            all,
            [
                "envelope.sender_domain",
                "envelope",
                "message.subject.lower",
                "message.subject",
                ".contains",
                ""
            ]
        );
        assert!(!all.contains(&"envelope.sender"));
    }
}
