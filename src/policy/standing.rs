//! What a judgement came to so far, while rules and circumstances are tried one after the other.

use crate::model::{Category, Disposition};

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) disposition: Disposition,
    pub(super) category: Category,
    pub(super) reason: String,
    /// The rule that says what is to be done besides.
    pub(super) origin: Option<Origin>,
}

/// A rule: of which set, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) set: usize,
    pub(super) rule: usize,
}

/// A wish, and who has it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The step of the explanation that asks for it.
    pub(super) step: usize,
    /// Its rule or circumstance.
    pub(super) rule: String,
    pub(super) wish: Wish,
}

/// What was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What would be done.
    pub(super) wish: Option<Held>,
    /// The strictest wish that holds whatever is allowed.
    pub(super) firm: Option<Held>,
    /// The reason of the first wish that was only recorded.
    pub(super) recorded: Option<String>,
}

/// What one circumstance saw and asks for.
pub(super) struct Sight {
    pub(super) saw: String,
    pub(super) effect: Effect,
}

pub(super) enum Effect {
    /// It does not apply.
    Nothing,
    /// Heard beside the other wishes: the strictest wins.
    Wants(Wish),
    /// Takes the place of what stands.
    Instead(Wish),
    /// Takes the place of everything, and what the rules before saw is no reason any more.
    Overrules(Wish),
}

impl Wish {
    pub(super) const fn new(disposition: Disposition, category: Category, reason: String) -> Self {
        Self { disposition, category, reason, origin: None }
    }
}

impl Sight {
    pub(super) fn nothing(saw: impl Into<String>) -> Self {
        Self { saw: saw.into(), effect: Effect::Nothing }
    }

    pub(super) fn wants(saw: String, disposition: Disposition, category: Category, reason: String) -> Self {
        Self { saw, effect: Effect::Wants(Wish::new(disposition, category, reason)) }
    }
}

/// Puts a wish in the place of a milder one.
pub(super) fn put_in(place: &mut Option<Held>, held: Held) {
    let stands = place.as_ref().map(|held| held.wish.disposition.strictness());
    if stands.is_none_or(|s| held.wish.disposition.strictness() > s) {
        *place = Some(held);
    }
}
