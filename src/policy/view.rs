//! What rules look at: the facts of a message, as they are for one recipient, and what settings make of them.

use std::cell::OnceCell;

use super::condition::Made;
use super::evidence::Evidence;
use super::group::Thresholds;
use super::opinion::{self, Opinion, Topic};
use super::{Facts, Policy};
use crate::model::Recipient;

/// What a rule may look at.
pub(super) struct View<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a Facts<'a>,
    pub(super) evidence: &'a Evidence<'a>,
    /// The recipient takes mail from blocked senders.
    pub(super) exempt: bool,
    /// For whom it is judged; `None`: for whom ever it is.
    pub(super) recipient: Option<&'a Recipient>,
    /// The groups that the recipient is in.
    pub(super) groups: &'a [String],
    /// The scores at which something happens to his mail.
    pub(super) thresholds: Thresholds,
    /// What conditions make of the message, once one asked.
    pub(super) made: Made,
    /// Those of [`Topic::ALL`], once somebody asked.
    opinions: [OnceCell<Opinion>; Topic::ALL.len()],
}

impl<'a> View<'a> {
    /// The message for whom ever it is.
    pub(super) fn new(policy: &'a Policy, facts: &'a Facts<'a>, evidence: &'a Evidence<'a>) -> Self {
        Self {
            policy,
            facts,
            evidence,
            exempt: false,
            recipient: None,
            groups: &[],
            thresholds: Thresholds { tag: policy.tag, quarantine: policy.quarantine, reject: policy.reject },
            made: Made::default(),
            opinions: std::array::from_fn(|_| OnceCell::new()),
        }
    }

    /// What the settings make of `topic`. Made once, when it is first asked for.
    pub(super) fn opinion(&self, topic: Topic) -> &Opinion {
        let Some(cell) = self.opinions.get(topic as usize) else {
            unreachable!("there is a cell for each topic")
        };
        cell.get_or_init(|| opinion::of(self, topic))
    }
}
