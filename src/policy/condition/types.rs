//! What a value can be, and what a condition looks at.

use std::fmt;
use std::ops::BitOr;

/// The type of an expression: a base, in so many lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) base: Base,
    /// 0: one value; 1: a list of them; 2: a list of lists.
    pub(super) lists: u8,
}

/// What a single value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Bool,
    Int,
    Double,
    Text,
    Severity,
    Category,
    Disposition,
    Finding,
    Url,
    Attachment,
    ListHit,
    /// What stands in the empty list `[]`: fits everything.
    Anything,
}

impl Type {
    pub(super) const BOOL: Self = Self::one(Base::Bool);
    pub(super) const INT: Self = Self::one(Base::Int);
    pub(super) const DOUBLE: Self = Self::one(Base::Double);
    pub(super) const TEXT: Self = Self::one(Base::Text);
    pub(super) const TEXTS: Self = Self::list(Base::Text);
    pub(super) const SEVERITY: Self = Self::one(Base::Severity);
    pub(super) const CATEGORY: Self = Self::one(Base::Category);
    pub(super) const DISPOSITION: Self = Self::one(Base::Disposition);

    pub(super) const fn one(base: Base) -> Self {
        Self { base, lists: 0 }
    }

    pub(super) const fn list(base: Base) -> Self {
        Self { base, lists: 1 }
    }

    /// A list of these.
    pub(super) const fn listed(self) -> Self {
        Self { base: self.base, lists: self.lists.saturating_add(1) }
    }

    /// What a list of this type holds; `None` if it is no list.
    pub(super) const fn element(self) -> Option<Self> {
        match self.lists {
            0 => None,
            lists => Some(Self { base: self.base, lists: lists - 1 }),
        }
    }

    pub(super) fn is_number(self) -> bool {
        self == Self::INT || self == Self::DOUBLE
    }

    /// Both are numbers, or lists of numbers.
    pub(super) fn is_numeric_as(self, other: Self) -> bool {
        let numeric = |base| matches!(base, Base::Int | Base::Double);
        self.lists == other.lists && numeric(self.base) && numeric(other.base)
    }

    /// One value that can be shown to people.
    pub(super) fn is_scalar(self) -> bool {
        self.lists == 0
            && !matches!(
                self.base,
                Base::Finding | Base::Url | Base::Attachment | Base::ListHit | Base::Anything
            )
    }

    /// The type that both are, if they are the same but for empty lists.
    pub(super) fn joined(self, other: Self) -> Option<Self> {
        match (self.base, other.base) {
            (a, b) if a == b && self.lists == other.lists => Some(self),
            (Base::Anything, _) if self.lists <= other.lists => Some(other),
            (_, Base::Anything) if other.lists <= self.lists => Some(self),
            _ => None,
        }
    }

    /// Whether `<` has a meaning.
    pub(super) fn is_ordered(self) -> bool {
        self.lists == 0
            && matches!(
                self.base,
                Base::Bool | Base::Int | Base::Double | Base::Text | Base::Severity | Base::Category
            )
    }
}

impl fmt::Display for Type {
    /// `a list of texts`, `a whole number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) = match self.base {
            Base::Bool => ("true or false", "truth values"),
            Base::Int => ("a whole number", "whole numbers"),
            Base::Double => ("a number", "numbers"),
            Base::Text => ("a text", "texts"),
            Base::Severity => ("a severity", "severities"),
            Base::Category => ("a category", "categories"),
            Base::Disposition => ("a disposition", "dispositions"),
            Base::Finding => ("a finding", "findings"),
            Base::Url => ("a link", "links"),
            Base::Attachment => ("an attachment", "attachments"),
            Base::ListHit => ("an entry of a list", "entries of lists"),
            Base::Anything => ("anything", "nothing"),
        };
        match self.lists {
            0 => f.write_str(one),
            1 => write!(f, "a list of {many}"),
            _ => write!(f, "a list of lists of {many}"),
        }
    }
}

/// What an expression looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Uses(u16);

impl Uses {
    /// Nothing: constants.
    pub(in super::super) const NOTHING: Self = Self(0);
    /// The connection and which way the mail goes.
    pub(in super::super) const SESSION: Self = Self(1);
    /// The transaction.
    pub(in super::super) const ENVELOPE: Self = Self(2);
    /// What may differ from recipient to recipient.
    pub(in super::super) const RECIPIENT: Self = Self(4);
    /// The clock.
    pub(in super::super) const TIME: Self = Self(8);
    /// The admin's lists.
    pub(in super::super) const LISTS: Self = Self(16);
    /// What scanners made of the message, and what a record of it keeps.
    pub(in super::super) const SCAN: Self = Self(32);
    /// The message itself, which a record does not hold.
    pub(in super::super) const MESSAGE: Self = Self(64);
    /// Its links.
    pub(in super::super) const URLS: Self = Self(128);
    /// Its files.
    pub(in super::super) const ATTACHMENTS: Self = Self(256);

    /// The address of the recipient.
    pub(in super::super) const ADDRESS: Self = Self(4 | 512 | 1024);

    /// What may say who a recipient is: his address or groups, who the others are, for whom an entry is.
    pub(in super::super) const NAMES: Self = Self(1024);

    /// Both.
    pub(in super::super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether anything of `other` is looked at.
    pub(in super::super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it may come out otherwise for another recipient of the same groups, whom lists treat alike.
    pub(in super::super) const fn has_address(self) -> bool {
        self.has(Self(512))
    }

    /// Whether it may say who a recipient is.
    pub(in super::super) const fn names_recipients(self) -> bool {
        self.has(Self::NAMES)
    }

    /// Whether it can be judged when a recipient is named, before there is a message.
    pub(in super::super) const fn is_early(self) -> bool {
        !self.has(Self::SCAN.and(Self::MESSAGE).and(Self::URLS).and(Self::ATTACHMENTS))
    }
}

impl BitOr for Uses {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}
