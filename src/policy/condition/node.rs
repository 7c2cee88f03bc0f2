//! A condition as it was checked: a tree of typed nodes.

use regex::Regex;

use super::names::Field;
use super::sets::{Domains, Glob, Networks, Texts};
use super::types::Type;
use super::value::Value;
use crate::model::{List, Matched, Scanner};

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) ty: Type,
    /// Where it stands in the text, in bytes.
    pub(super) at: (u32, u32),
}

#[derive(Debug)]
pub(super) enum What {
    Constant(Value<'static>),
    /// A name that stands alone, or the field of such a record.
    Field(Field),
    /// The field of an element of a list.
    Item(Box<Node>, Field),
    /// The variable of a loop, by its depth.
    Variable(usize),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Choose(Box<(Node, Node, Node)>),
    Compare(Comparison, Box<(Node, Node)>),
    Math(Math, Box<(Node, Node)>),
    In(Box<(Node, Node)>),
    InTexts(Box<Node>, Texts),
    Index(Box<(Node, Node)>),
    List(Vec<Node>),
    Size(Box<Node>),
    Look(Look, Box<(Node, Node)>),
    Matches(Box<Node>, Pattern),
    Change(Change, Box<Node>),
    Each(Box<Each>),
    Header(String),
    Headers(String),
    HasHeader(String),
    Found(Glob, Option<Scanner>),
    Worst(Box<Node>),
    Count(Box<Node>),
    Supported(Box<Node>),
    Outcome(Scanner),
    Listed(List, Option<Matched>),
    IpIn(Box<Node>, Networks),
    DomainIn(Box<Node>, Domains),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
    Rest,
}

/// Where one text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Start,
    End,
    Anywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Lower,
    LowerAscii,
    Upper,
    UpperAscii,
    Trim,
}

/// A regular expression and what a step over a text costs with it.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Bytes of a text that are looked at in one step.
    pub(super) stride: usize,
}

/// A loop over a list.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) kind: EachKind,
    pub(super) list: Node,
    /// Of `map`: only where this holds.
    pub(super) only: Option<Node>,
    pub(super) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EachKind {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

impl Node {
    pub(super) const fn constant(&self) -> Option<&Value<'static>> {
        match &self.what {
            What::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// A constant text.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.constant() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A constant truth.
    pub(super) const fn truth(&self) -> Option<bool> {
        match self.constant() {
            Some(Value::Bool(truth)) => Some(*truth),
            _ => None,
        }
    }

    /// Each node right below.
    pub(super) fn children(&self) -> Vec<&Self> {
        match &self.what {
            What::Constant(_)
            | What::Field(_)
            | What::Variable(_)
            | What::Header(_)
            | What::Headers(_)
            | What::HasHeader(_)
            | What::Found(..)
            | What::Outcome(_)
            | What::Listed(..) => Vec::new(),
            What::Item(a, _)
            | What::Not(a)
            | What::Negate(a)
            | What::InTexts(a, _)
            | What::Size(a)
            | What::Matches(a, _)
            | What::Change(_, a)
            | What::Worst(a)
            | What::Count(a)
            | What::Supported(a)
            | What::IpIn(a, _)
            | What::DomainIn(a, _) => vec![a],
            What::And(two)
            | What::Or(two)
            | What::Compare(_, two)
            | What::Math(_, two)
            | What::In(two)
            | What::Index(two)
            | What::Look(_, two) => vec![&two.0, &two.1],
            What::Choose(three) => vec![&three.0, &three.1, &three.2],
            What::List(all) => all.iter().collect(),
            What::Each(each) => {
                let mut all = vec![&each.list, &each.body];
                all.extend(each.only.as_ref());
                all
            }
        }
    }
}
