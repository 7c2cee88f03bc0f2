//! How an expression came out, for people: what was seen, and how far it is from coming out otherwise.

use super::eval::Run;
use super::look;
use super::names::Field;
use super::node::{Comparison, Each, EachKind, Look, Node, What};
use super::value::Value;
use super::{Failure, Fuel, View, tell_number};
use crate::model::text;

/// The most characters of what is told.
const LONGEST: usize = 300;
/// The most characters of one value.
const LONGEST_VALUE: usize = 80;

/// One line.
pub(super) fn tell(source: &str, root: &Node, view: &View<'_>, fuel: &mut Fuel) -> String {
    let mut teller = Teller { source, view, run: Run::new(Some(view), fuel) };
    let told = teller.told(root).unwrap_or_else(|failure| failure.to_string());
    text::line(&told, LONGEST)
}

struct Teller<'v, 'f> {
    source: &'v str,
    view: &'v View<'v>,
    run: Run<'v, 'f>,
}

impl<'v> Teller<'v, '_> {
    fn told(&mut self, node: &'v Node) -> Result<String, Failure> {
        Ok(match &node.what {
            What::Constant(Value::Bool(true)) => "always so".to_owned(),
            What::Constant(Value::Bool(false)) => "never so".to_owned(),
            What::Not(inner) => self.told(inner)?,
            What::And(_) => self.joined(node, false)?,
            What::Or(_) => self.joined(node, true)?,
            What::Choose(three) => {
                let branch = if self.run.truth(&three.0)? { &three.1 } else { &three.2 };
                match branch.constant() {
                    Some(_) => self.told(&three.0)?,
                    None => self.told(branch)?,
                }
            }
            What::Field(field) => match self.topic(*field) {
                Some(told) => told,
                None => self.plain(node)?,
            },
            What::Compare(comparison, two) => self.comparison(*comparison, &two.0, &two.1)?,
            What::In(_) | What::InTexts(..) => self.among(node)?,
            What::Look(look, two) => {
                let truth = self.run.truth(node)?;
                let verb = match (look, truth) {
                    (Look::Start, true) => "begins with",
                    (Look::Start, false) => "does not begin with",
                    (Look::End, true) => "ends with",
                    (Look::End, false) => "does not end with",
                    (Look::Anywhere, true) => "contains",
                    (Look::Anywhere, false) => "does not contain",
                };
                let wanted = self.run.eval(&two.1)?.quoted(LONGEST_VALUE);
                format!("{}, {verb} {wanted}", self.plain(&two.0)?)
            }
            What::Matches(inner, pattern) => {
                let not = if self.run.truth(node)? { "matches" } else { "does not match" };
                format!("{}, {not} {}", self.plain(inner)?, text::line(pattern.regex.as_str(), 60))
            }
            What::IpIn(inner, _) | What::DomainIn(inner, _) => {
                let among =
                    if self.run.truth(node)? { "one of those listed" } else { "none of those listed" };
                format!("{}, {among}", self.plain(inner)?)
            }
            What::HasHeader(name) => {
                let is = if self.run.truth(node)? { "a" } else { "no" };
                format!("there is {is} field {name}")
            }
            What::Found(glob, scanner) => {
                let mut fuel = Fuel::of_a_message();
                match look::found(self.view, glob, *scanner, &mut fuel)? {
                    Some(finding) => format!("finding {}", Value::Finding(finding).shown(LONGEST_VALUE)),
                    None => {
                        let by = scanner.map(|s| format!(" from {s}")).unwrap_or_default();
                        format!("no finding {}{by}", glob.text)
                    }
                }
            }
            What::Each(each) if matches!(each.kind, EachKind::Exists | EachKind::All) => self.each(each)?,
            _ => self.plain(node)?,
        })
    }

    /// `auth.dmarc is "pass"`.
    fn plain(&mut self, node: &'v Node) -> Result<String, Failure> {
        let value = self.run.eval(node)?.quoted(LONGEST_VALUE);
        Ok(match node.constant() {
            Some(_) => value,
            None => format!("{} is {value}", self.written(node)),
        })
    }

    fn written(&self, node: &Node) -> String {
        let written = self.source.get(node.at.0 as usize..node.at.1 as usize).unwrap_or_default();
        text::line(written, LONGEST_VALUE)
    }

    /// What the settings make of a topic says more than the value of one of its fields.
    fn topic(&self, field: Field) -> Option<String> {
        match field {
            Field::TopicApplies(topic)
            | Field::TopicWants(topic)
            | Field::TopicCategory(topic)
            | Field::TopicReason(topic)
            | Field::TopicTold(topic) => Some(self.view.opinion(topic).told.clone()),
            _ => None,
        }
    }

    /// `&&` where `decisive` is false, `||` where it is true: the side that decided, or else all of them.
    fn joined(&mut self, node: &'v Node, decisive: bool) -> Result<String, Failure> {
        let mut sides = Vec::new();
        flatten(node, decisive, &mut sides);
        let mut failed = None;
        for side in &sides {
            match self.run.truth(side) {
                Ok(truth) if truth == decisive => return self.told(side),
                Ok(_) => {}
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        let mut told: Vec<String> = Vec::new();
        for side in sides.iter().filter(|side| decisive || !is_plain(side)) {
            let one = self.told(side)?;
            if !told.contains(&one) {
                told.push(one);
            }
        }
        if told.is_empty() {
            for side in &sides {
                told.push(self.told(side)?);
            }
        }
        Ok(told.join("; "))
    }

    fn comparison(&mut self, comparison: Comparison, a: &'v Node, b: &'v Node) -> Result<String, Failure> {
        // What is looked at is told first.
        let (comparison, a, b) = match (a.constant(), b.constant()) {
            (Some(_), None) => (turned(comparison), b, a),
            _ => (comparison, a, b),
        };
        for side in [a, b] {
            if let What::Field(field) = side.what
                && let Some(told) = self.topic(field)
            {
                return Ok(told);
            }
        }
        let (value, other) = (self.run.eval(a)?, self.run.eval(b)?);
        let wanted = match b.constant() {
            Some(_) => other.quoted(LONGEST_VALUE),
            None => format!("{} = {}", self.written(b), other.quoted(LONGEST_VALUE)),
        };
        let (what, is) = (self.written(a), value.quoted(LONGEST_VALUE));
        if matches!(comparison, Comparison::Equal | Comparison::Unequal) {
            return Ok(match value.same(&other) {
                true => format!("{what} is {is}"),
                false => format!("{what} is {is}, not {wanted}"),
            });
        }
        if let Some(told) = tell_number::told(comparison, &what, &value, &other, &wanted) {
            return Ok(told);
        }
        let word = match value.order(&other) {
            Some(std::cmp::Ordering::Less) => "below",
            Some(std::cmp::Ordering::Greater) => "above",
            _ => return Ok(format!("{what} is {is}")),
        };
        Ok(format!("{what} is {is}, {word} {wanted}"))
    }

    fn among(&mut self, node: &'v Node) -> Result<String, Failure> {
        let truth = self.run.truth(node)?;
        match &node.what {
            What::In(two) if two.0.constant().is_some() => {
                let wanted = self.run.eval(&two.0)?.quoted(LONGEST_VALUE);
                let with = if truth { "with" } else { "without" };
                Ok(format!("{}, {with} {wanted}", self.plain(&two.1)?))
            }
            What::In(two) => {
                if let What::Field(field) = two.0.what
                    && let Some(told) = self.topic(field)
                {
                    return Ok(told);
                }
                let list = self.run.eval(&two.1)?.shown(LONGEST_VALUE);
                let not = if truth { "" } else { "not " };
                Ok(format!("{}, {not}in {list}", self.plain(&two.0)?))
            }
            What::InTexts(inner, texts) => {
                let not = if truth { "" } else { "not " };
                let more =
                    if texts.len() > 4 { format!(" and {} more", texts.len() - 4) } else { String::new() };
                let some: Vec<_> =
                    texts.some(4).iter().map(|t| format!("\"{}\"", text::line(t, 40))).collect();
                Ok(format!("{}, {not}in [{}{more}]", self.plain(inner)?, some.join(", ")))
            }
            _ => self.plain(node),
        }
    }

    fn each(&mut self, each: &'v Each) -> Result<String, Failure> {
        let list = self.run.list(&each.list)?;
        let of = self.written(&each.list);
        let decisive = each.kind == EachKind::Exists;
        for element in list.iter() {
            if self.run.body(element.clone(), &each.body).is_ok_and(|truth| truth == decisive) {
                let shown = element.quoted(LONGEST_VALUE);
                let not = if decisive { "" } else { "not " };
                return Ok(format!("{of}: {shown} is {not}so that {}", self.written(&each.body)));
            }
        }
        let which = if decisive { "none" } else { "all" };
        Ok(match list.len() {
            0 => format!("{of} is empty"),
            n => format!("{which} of {n} {of} so that {}", self.written(&each.body)),
        })
    }
}

/// All operands of one chain of `&&` or `||`.
fn flatten<'v>(node: &'v Node, or: bool, into: &mut Vec<&'v Node>) {
    match &node.what {
        What::And(two) if !or => {
            flatten(&two.0, or, into);
            flatten(&two.1, or, into);
        }
        What::Or(two) if or => {
            flatten(&two.0, or, into);
            flatten(&two.1, or, into);
        }
        _ => into.push(node),
    }
}

/// `inbound` or `!local`: not worth a word where it is as it should be.
fn is_plain(node: &Node) -> bool {
    match &node.what {
        What::Field(field) => !matches!(field, Field::TopicApplies(_)),
        What::Not(inner) => is_plain(inner),
        _ => false,
    }
}

/// The same comparison from the other side.
const fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::More,
        Comparison::LessOrEqual => Comparison::MoreOrEqual,
        Comparison::More => Comparison::Less,
        Comparison::MoreOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}
