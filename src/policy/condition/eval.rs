//! Evaluation of a checked expression.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use super::super::evidence::Points;
use super::super::view::View;
use super::names::Field;
use super::node::{Change, Comparison, EachKind, Look, Math, Node, Pattern, What};
use super::value::{List, Value};
use super::{Failure, Fuel, entries, look};

/// One evaluation.
pub(super) struct Run<'v, 'f> {
    /// `None` while constants are folded.
    view: Option<&'v View<'v>>,
    pub(super) fuel: &'f mut Fuel,
    /// The variables of the loops around, outermost first.
    variables: Vec<Value<'v>>,
}

impl<'v, 'f> Run<'v, 'f> {
    pub(super) const fn new(view: Option<&'v View<'v>>, fuel: &'f mut Fuel) -> Self {
        Self { view, fuel, variables: Vec::new() }
    }

    fn view(&self) -> Result<&'v View<'v>, Failure> {
        self.view.ok_or(Failure::NoMessage)
    }

    /// With one more variable in reach, for whoever looks into a loop from outside.
    pub(super) fn with<T>(&mut self, value: Value<'v>, look: impl FnOnce(&mut Self) -> T) -> T {
        self.variables.push(value);
        let result = look(self);
        self.variables.pop();
        result
    }

    /// The value of a node of type bool.
    pub(super) fn truth(&mut self, node: &'v Node) -> Result<bool, Failure> {
        self.fuel.burn(1)?;
        match &node.what {
            What::Not(inner) => Ok(!self.truth(inner)?),
            What::And(two) => self.decide(two, false),
            What::Or(two) => self.decide(two, true),
            What::Choose(three) => {
                if self.truth(&three.0)? {
                    self.truth(&three.1)
                } else {
                    self.truth(&three.2)
                }
            }
            What::Compare(comparison, two) => self.compare(*comparison, two),
            What::In(two) => {
                let (value, list) = (self.eval(&two.0)?, self.list(&two.1)?);
                for element in list.iter() {
                    self.fuel.burn(1)?;
                    self.charge(&element)?;
                    if value.same(&element) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            What::InTexts(inner, texts) => {
                let text = self.text(inner)?;
                self.fuel.text(text.len())?;
                Ok(texts.holds(&text))
            }
            What::Look(look, two) => self.look(*look, two),
            What::Matches(inner, pattern) => {
                let text = self.text(inner)?;
                self.matches(pattern, &text)
            }
            What::Each(each) => self.each_truth(each),
            What::HasHeader(name) => look::has_header(self.view()?, name, self.fuel),
            What::Found(glob, scanner) => Ok(look::found(self.view()?, glob, *scanner, self.fuel)?.is_some()),
            What::Listed(list, on) => entries::listed(self.view()?, *list, *on, self.fuel),
            What::IpIn(inner, networks) => {
                self.fuel.burn(8)?;
                if let What::Field(Field::ClientIp) = inner.what {
                    let ip = self.view()?.facts.session.client.addr.ip();
                    return Ok(ip.is_some_and(|ip| networks.holds(ip)));
                }
                let text = self.text(inner)?;
                Ok(text.parse::<IpAddr>().is_ok_and(|ip| networks.holds(ip)))
            }
            What::DomainIn(inner, domains) => {
                let text = self.text(inner)?;
                self.fuel.burn(4 + text.len() as u64 / 4)?;
                Ok(domains.holds(&text))
            }
            _ => match self.other(node)? {
                Value::Bool(truth) => Ok(truth),
                _ => Err(Failure::NoMessage),
            },
        }
    }

    /// The value of any node.
    pub(super) fn eval(&mut self, node: &'v Node) -> Result<Value<'v>, Failure> {
        match &node.what {
            What::Not(_)
            | What::And(_)
            | What::Or(_)
            | What::Compare(..)
            | What::In(_)
            | What::InTexts(..)
            | What::Look(..)
            | What::Matches(..)
            | What::HasHeader(_)
            | What::Found(..)
            | What::Listed(..)
            | What::IpIn(..)
            | What::DomainIn(..) => Ok(Value::Bool(self.truth(node)?)),
            _ => {
                self.fuel.burn(1)?;
                self.other(node)
            }
        }
    }

    /// What is no test.
    fn other(&mut self, node: &'v Node) -> Result<Value<'v>, Failure> {
        Ok(match &node.what {
            What::Constant(value) => value.lend(),
            What::Field(field) => {
                let value = look::field(self.view()?, *field)?;
                self.charge(&value)?;
                value
            }
            What::Item(inner, field) => look::item(&self.eval(inner)?, *field)?,
            What::Variable(depth) => self.variables.get(*depth).ok_or(Failure::NoMessage)?.clone(),
            What::Negate(inner) => match self.eval(inner)? {
                Value::Int(v) => Value::Int(v.checked_neg().ok_or(Failure::Overflow)?),
                Value::Double(v) => Value::Double(-v),
                _ => return Err(Failure::NoMessage),
            },
            What::Choose(three) => {
                if self.truth(&three.0)? {
                    self.eval(&three.1)?
                } else {
                    self.eval(&three.2)?
                }
            }
            What::Math(math, two) => {
                let (a, b) = (self.eval(&two.0)?, self.eval(&two.1)?);
                self.math(*math, a, b)?
            }
            What::Index(two) => {
                let (list, at) = (self.list(&two.0)?, self.eval(&two.1)?);
                let Value::Int(at) = at else { return Err(Failure::NoMessage) };
                usize::try_from(at).ok().and_then(|at| list.get(at)).ok_or(Failure::NoSuchElement)?
            }
            What::List(all) => {
                let mut list = Vec::with_capacity(all.len());
                for node in all {
                    list.push(self.eval(node)?);
                }
                Value::List(List::Own(list))
            }
            What::Size(inner) => {
                // Links are not made ready only to be counted.
                if let What::Field(Field::Urls) = inner.what {
                    return Ok(int(self.view()?.facts.urls.count()));
                }
                match self.eval(inner)? {
                    Value::Text(text) => {
                        self.fuel.text(text.len())?;
                        int(text.chars().count())
                    }
                    Value::List(list) => int(list.len()),
                    _ => return Err(Failure::NoMessage),
                }
            }
            What::Change(change, inner) => {
                let text = self.text(inner)?;
                self.fuel.burn(text.len() as u64 / 8)?;
                Value::Text(changed(*change, text))
            }
            What::Each(each) => match each.kind {
                EachKind::Filter | EachKind::Map => self.each_list(each)?,
                _ => Value::Bool(self.each_truth(each)?),
            },
            What::Header(name) => Value::Text(look::header(self.view()?, name, self.fuel)?),
            What::Headers(name) => look::headers(self.view()?, name, self.fuel)?,
            What::Worst(inner) | What::Count(inner) => {
                let Value::Category(category) = self.eval(inner)? else { return Err(Failure::NoMessage) };
                let evidence = self.view()?.evidence;
                self.fuel.burn(evidence.sorted().len() as u64)?;
                let of = evidence.iter().filter(|f| f.category == category);
                match node.what {
                    What::Count(_) => int(of.count()),
                    _ => Value::Severity(of.map(|f| f.severity).max()),
                }
            }
            What::Supported(inner) => {
                let threshold = match self.eval(inner)? {
                    Value::Double(score) => Points::of(score),
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "beyond every score it makes no difference"
                    )]
                    Value::Int(score) => Points::of(score as f64),
                    _ => return Err(Failure::NoMessage),
                };
                let evidence = self.view()?.evidence;
                self.fuel.burn(3 * evidence.sorted().len() as u64)?;
                Value::Category(evidence.supported(threshold))
            }
            What::Outcome(scanner) => Value::Text(Cow::Borrowed(look::outcome(self.view()?, *scanner))),
            // Tests, which `truth` knows.
            What::Not(_)
            | What::And(_)
            | What::Or(_)
            | What::Compare(..)
            | What::In(_)
            | What::InTexts(..)
            | What::Look(..)
            | What::Matches(..)
            | What::HasHeader(_)
            | What::Found(..)
            | What::Listed(..)
            | What::IpIn(..)
            | What::DomainIn(..) => return Err(Failure::NoMessage),
        })
    }

    /// `&&` where `decisive` is false, `||` where it is true: either side decides if it is that, even if the
    /// other one fails.
    fn decide(&mut self, two: &'v (Node, Node), decisive: bool) -> Result<bool, Failure> {
        match self.truth(&two.0) {
            Ok(truth) if truth == decisive => Ok(decisive),
            Ok(_) => self.truth(&two.1),
            Err(Failure::OutOfFuel) => Err(Failure::OutOfFuel),
            Err(failure) => match self.truth(&two.1) {
                Ok(truth) if truth == decisive => Ok(decisive),
                Err(Failure::OutOfFuel) => Err(Failure::OutOfFuel),
                _ => Err(failure),
            },
        }
    }

    fn compare(&mut self, comparison: Comparison, two: &'v (Node, Node)) -> Result<bool, Failure> {
        let (a, b) = (self.eval(&two.0)?, self.eval(&two.1)?);
        self.charge(&a)?;
        self.charge(&b)?;
        Ok(match comparison {
            Comparison::Equal => a.same(&b),
            Comparison::Unequal => !a.same(&b),
            Comparison::Less => a.order(&b) == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(a.order(&b), Some(Ordering::Less | Ordering::Equal)),
            Comparison::More => a.order(&b) == Some(Ordering::Greater),
            Comparison::MoreOrEqual => matches!(a.order(&b), Some(Ordering::Greater | Ordering::Equal)),
        })
    }

    fn look(&mut self, look: Look, two: &'v (Node, Node)) -> Result<bool, Failure> {
        let (text, wanted) = (self.text(&two.0)?, self.text(&two.1)?);
        Ok(match look {
            Look::Start => text.starts_with(&*wanted),
            Look::End => text.ends_with(&*wanted),
            Look::Anywhere => {
                self.fuel.text(text.len() + wanted.len())?;
                memchr::memmem::find(text.as_bytes(), wanted.as_bytes()).is_some()
            }
        })
    }

    pub(super) fn matches(&mut self, pattern: &Pattern, text: &str) -> Result<bool, Failure> {
        self.fuel.burn(2 + (text.len() / pattern.stride) as u64)?;
        Ok(pattern.regex.is_match(text))
    }

    fn math(&mut self, math: Math, a: Value<'v>, b: Value<'v>) -> Result<Value<'v>, Failure> {
        Ok(match (a, b) {
            (Value::Int(a), Value::Int(b)) => Value::Int(whole(math, a, b)?),
            (Value::Text(a), Value::Text(b)) => {
                self.fuel.text(a.len() + b.len())?;
                Value::Text(Cow::Owned(format!("{a}{b}")))
            }
            (Value::List(a), Value::List(b)) => {
                self.fuel.burn((a.len() + b.len()) as u64)?;
                Value::List(List::Own(a.iter().chain(b.iter()).collect()))
            }
            (a, b) => {
                let (a, b) = (double(&a)?, double(&b)?);
                Value::Double(match math {
                    Math::Add => a + b,
                    Math::Subtract => a - b,
                    Math::Multiply => a * b,
                    Math::Divide => a / b,
                    Math::Rest => return Err(Failure::NoMessage),
                })
            }
        })
    }

    pub(super) fn text(&mut self, node: &'v Node) -> Result<Cow<'v, str>, Failure> {
        match self.eval(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(Failure::NoMessage),
        }
    }

    pub(super) fn list(&mut self, node: &'v Node) -> Result<List<'v>, Failure> {
        match self.eval(node)? {
            Value::List(list) => Ok(list),
            _ => Err(Failure::NoMessage),
        }
    }

    /// What it costs to look at a value once.
    pub(super) fn charge(&mut self, value: &Value<'_>) -> Result<(), Failure> {
        match value {
            Value::Text(text) => self.fuel.text(text.len()),
            Value::List(List::Own(list)) => self.fuel.burn(list.len() as u64),
            _ => Ok(()),
        }
    }
}

fn whole(math: Math, a: i64, b: i64) -> Result<i64, Failure> {
    let result = match math {
        Math::Add => a.checked_add(b),
        Math::Subtract => a.checked_sub(b),
        Math::Multiply => a.checked_mul(b),
        Math::Divide | Math::Rest if b == 0 => return Err(Failure::ZeroDivision),
        Math::Divide => a.checked_div(b),
        Math::Rest => a.checked_rem(b),
    };
    result.ok_or(Failure::Overflow)
}

#[expect(clippy::cast_precision_loss, reason = "who mixes whole and other numbers gets the nearest")]
fn double(value: &Value<'_>) -> Result<f64, Failure> {
    match value {
        Value::Int(v) => Ok(*v as f64),
        Value::Double(v) => Ok(*v),
        _ => Err(Failure::NoMessage),
    }
}

fn int(count: usize) -> Value<'static> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn changed(change: Change, text: Cow<'_, str>) -> Cow<'_, str> {
    match change {
        Change::Lower if text.is_ascii() => changed(Change::LowerAscii, text),
        Change::Upper if text.is_ascii() => changed(Change::UpperAscii, text),
        Change::Lower => Cow::Owned(text.to_lowercase()),
        Change::Upper => Cow::Owned(text.to_uppercase()),
        Change::LowerAscii if !text.bytes().any(|b| b.is_ascii_uppercase()) => text,
        Change::UpperAscii if !text.bytes().any(|b| b.is_ascii_lowercase()) => text,
        Change::LowerAscii => Cow::Owned(text.to_ascii_lowercase()),
        Change::UpperAscii => Cow::Owned(text.to_ascii_uppercase()),
        Change::Trim => match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        },
    }
}
