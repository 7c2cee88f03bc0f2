//! One rule, made ready: its condition and all its texts compiled and held against one another.

use std::ops::Range;

use super::condition::{self, Expression, Failure, Fuel, Kind, Template};
use super::rule_file::{Mode, Outgoing, RuleText};
use super::standing::Wish;
use super::view::View;
use super::{adding, name, treat};
use crate::model::{Category, Disposition, Treatment, text};

/// Longest name.
const MAX_NAME: usize = 40;

/// A rule that can be tried.
#[derive(Debug)]
pub struct Rule {
    /// As verdicts, records and metrics carry it.
    pub name: String,
    /// Whether it is in force.
    pub mode: Mode,
    pub(super) when: Expression,
    pub(super) disposition: Expression,
    /// Where it always asks for the same.
    pub(super) fixed: Option<Disposition>,
    category: Option<Expression>,
    reason: Option<Template>,
    tell: Option<Template>,
    pub(super) adds: bool,
    pub(super) early: bool,
    pub(super) firm: bool,
    pub(super) outweighs: bool,
    pub(super) even_malware: bool,
    pub(super) outbound: Outgoing,
    treatment: treat::Treat,
}

/// Something wrong with a rule, or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// Which value: `rule.0.when`, `group.sales.recipients`.
    pub path: String,
    /// The bytes of that value that are at fault; `None`: all of it.
    pub at: Option<Range<usize>>,
    /// The rules cannot be used with it.
    pub is_error: bool,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl RuleFault {
    /// Something that keeps the rules from being used.
    #[must_use]
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), at: None, is_error: true, message: message.into() }
    }

    /// Something odd.
    #[must_use]
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(path, message) }
    }
}

/// Compiles the texts of one rule and collects what is wrong with them.
pub(super) struct Compiler<'a> {
    pub(super) path: String,
    pub(super) faults: &'a mut Vec<RuleFault>,
}

impl Compiler<'_> {
    fn keep<T>(&mut self, key: &str, compiled: Result<T, Vec<condition::Fault>>) -> Option<T> {
        let path = format!("{}.{key}", self.path);
        match compiled {
            Ok(compiled) => Some(compiled),
            Err(faults) => {
                let fault = |fault: condition::Fault| RuleFault {
                    path: path.clone(),
                    at: Some(fault.at),
                    is_error: true,
                    message: fault.message,
                };
                self.faults.extend(faults.into_iter().map(fault));
                None
            }
        }
    }

    fn expression(&mut self, key: &str, text: &str, kind: Kind) -> Option<Expression> {
        self.keep(key, Expression::compile(text, kind))
    }

    /// A text with values in braces.
    pub(super) fn template(&mut self, key: &str, text: Option<&str>) -> Option<Template> {
        self.keep(key, Template::compile(text?))
    }

    pub(super) fn error(&mut self, key: &str, message: impl Into<String>) {
        self.faults.push(RuleFault::error(format!("{}.{key}", self.path), message));
    }
}

/// The disposition that a text names, if it is a single word for one.
fn fixed(text: &str) -> Option<Disposition> {
    Disposition::ALL.into_iter().find(|disposition| disposition.name() == text.trim())
}

impl Rule {
    /// Makes a rule of what is written; `None` where something is wrong with it, which is among the faults then.
    pub(super) fn new(written: &RuleText, compiler: &mut Compiler<'_>) -> Option<Self> {
        let before = compiler.faults.iter().filter(|fault| fault.is_error).count();
        check_name(&written.name, compiler);
        let disposition = match written.adds {
            // It lets pass what the others say.
            true => {
                adding::check(written, compiler);
                Disposition::Accept.name()
            }
            false => written.disposition.as_str(),
        };
        for (key, text) in [("when", written.when.as_str()), ("disposition", disposition)] {
            if text.trim().is_empty() {
                let what = match key {
                    "when" => "a rule needs a condition: `when = 'true'` applies to every message",
                    _ => "a rule needs a disposition: accept, tag, quarantine, reject, tempfail or discard",
                };
                compiler.error(key, what);
            }
        }
        if written.when.trim().is_empty() || disposition.trim().is_empty() {
            return None;
        }
        let fixed = fixed(disposition);
        let when = compiler.expression("when", &written.when, Kind::Bool);
        let disposition = compiler.expression("disposition", disposition, Kind::Disposition);
        let category = match &written.category {
            Some(text) => compiler.expression("category", text, Kind::Category),
            None => None,
        };
        let reason = compiler.template("reason", written.reason.as_deref());
        let tell = compiler.template("tell", written.tell.as_deref());
        let treatment = treat::Treat::new(written, fixed, compiler);
        if let Some(when) = &when {
            let late = |text: Option<&Template>| text.is_some_and(|text| !text.uses().is_early());
            let late = [
                ("category", category.as_ref().is_some_and(|category| !category.uses().is_early())),
                ("reason", late(reason.as_ref())),
                ("reply", late(treatment.reply())),
            ];
            check_early(written, fixed, when, late, compiler);
        }
        let after = compiler.faults.iter().filter(|fault| fault.is_error).count();
        if after > before {
            return None;
        }
        Some(Self {
            name: written.name.clone(),
            mode: written.mode,
            when: when?,
            disposition: disposition?,
            fixed,
            category,
            reason,
            tell,
            adds: written.adds,
            early: written.early,
            firm: written.firm,
            outweighs: written.outweighs,
            even_malware: written.even_malware,
            outbound: written.outbound,
            treatment,
        })
    }

    /// What it asks for; `None` where it does not apply.
    pub(super) fn wish(&self, view: &View<'_>, fuel: &mut Fuel) -> Result<Option<Wish>, Failure> {
        if !self.when.holds(view, fuel)? {
            return Ok(None);
        }
        let disposition = match self.fixed {
            Some(fixed) => fixed,
            None => match self.disposition.disposition(view, fuel)? {
                Some(disposition) => disposition,
                None => return Ok(None),
            },
        };
        let category = match &self.category {
            Some(category) => category.category(view, fuel)?,
            None => usual(disposition),
        };
        let reason = match &self.reason {
            Some(reason) => reason.fill(view, fuel)?,
            None => format!("rule {}", self.name),
        };
        Ok(Some(Wish::new(disposition, category, reason)))
    }

    /// What kind of mail it is for, where its condition could not be evaluated.
    pub(super) fn kind(&self, view: &View<'_>) -> Category {
        let told = self.category.as_ref().and_then(|c| c.category(view, &mut Fuel::of_a_message()).ok());
        told.filter(|category| *category > Category::Clean).unwrap_or(Category::Suspicious)
    }

    /// What it saw, for the explanation.
    pub(super) fn saw(&self, view: &View<'_>, fuel: &mut Fuel) -> String {
        let told = self.tell.as_ref().and_then(|tell| tell.fill(view, fuel).ok());
        let told = told.filter(|told| !told.is_empty());
        told.unwrap_or_else(|| self.when.tell(view, fuel))
    }

    /// What it wants done besides; `None`: nothing. `is_alone`: nobody but the recipient for whom it is judged
    /// hears or gets it.
    pub(super) fn treatment(&self, view: &View<'_>, fuel: &mut Fuel, is_alone: bool) -> Option<Treatment> {
        self.treatment.fill(view, fuel, is_alone)
    }

    /// Whether its reason may say for whom it is judged.
    pub(super) fn reason_names_recipients(&self) -> bool {
        self.reason.as_ref().is_some_and(|reason| reason.uses().names_recipients())
    }

    /// What it looks at to decide: whether it applies, for what it asks, of what kind the mail is.
    pub(super) fn uses(&self) -> condition::Uses {
        let category = self.category.as_ref().map_or(condition::Uses::NOTHING, Expression::uses);
        self.when.uses() | self.disposition.uses() | category
    }

    /// What any of it looks at, its texts as well: recipients who agree in that share a verdict.
    pub(super) fn uses_in_all(&self) -> condition::Uses {
        let texts = self.reason.iter().chain(&self.tell).chain(self.treatment.texts());
        texts.fold(self.uses(), |all, text| all | text.uses())
    }
}

/// Of what kind mail is for a rule that does not say.
const fn usual(disposition: Disposition) -> Category {
    match disposition {
        Disposition::Accept => Category::Clean,
        _ => Category::Suspicious,
    }
}

fn check_name(name: &str, compiler: &mut Compiler<'_>) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let shown = text::line(name, MAX_NAME);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        compiler.error(
            "name",
            format!(
                "{shown:?} is no name of a rule: it goes into headers, records and metrics, so write 1 to \
                 {MAX_NAME} lower-case letters, digits and hyphens, as in \"no-executables\""
            ),
        );
    } else if name::CIRCUMSTANCES.contains(&name) {
        compiler.error(
            "name",
            format!("{shown:?} is the name of a circumstance that always holds; choose another"),
        );
    }
}

fn check_early(
    written: &RuleText,
    fixed: Option<Disposition>,
    when: &Expression,
    late: [(&str, bool); 3],
    compiler: &mut Compiler<'_>,
) {
    if !written.early {
        return;
    }
    if !when.uses().is_early() {
        compiler.error(
            "early",
            "`early` rules are judged at RCPT, where only the session, the sender, this recipient, the time and \
             the lists of senders and clients are known; leave out `early`, or what the condition asks beyond that",
        );
    }
    for (key, _) in late.into_iter().filter(|(_, is_late)| *is_late) {
        compiler.error(
            key,
            format!(
                "`early` rules are judged at RCPT, where nothing is known of the message yet: leave out `early`, or \
                 what `{key}` says of it"
            ),
        );
    }
    if !matches!(fixed, Some(Disposition::Reject | Disposition::Tempfail)) {
        compiler.error(
            "early",
            "at RCPT mail can only be refused or put off: an `early` rule needs the disposition reject or tempfail",
        );
    }
}

impl Rule {
    /// The notifications that it asks for, by name.
    pub(super) fn notified(&self) -> impl Iterator<Item = &str> {
        self.treatment.notified()
    }
}
