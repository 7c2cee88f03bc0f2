//! What is kept of one judged message: all that is needed to explain it later, and no body text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    Action, Advice, Also, Answer, Attachment, Authentication, Category, Coverage, Direction, Disposition,
    Envelope, Finding, ListHits, MailId, Plan, RemovedFields, Scanner, Score, SeenUrl, Session, Timestamp,
    Verdict, part::NotInspected,
};

/// One judged message.
///
/// New fields get `#[serde(default)]`, so that records of earlier versions are still read; fields of
/// later versions are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Our id, as in `X-Mailward-Id`.
    pub id: MailId,
    /// When it was decided.
    pub time: Timestamp,
    /// Which way it went.
    #[serde(default)]
    pub direction: Direction,
    /// At which command it was decided.
    #[serde(default, skip_serializing_if = "Stage::is_end")]
    pub stage: Stage,
    /// Who sent it.
    #[serde(default)]
    pub session: Session,
    /// For whom.
    #[serde(default)]
    pub envelope: Envelope,
    /// What it was, from the outside.
    #[serde(default)]
    pub message: MessageFacts,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Its links, those that a feed knows before others where there are too many for a record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<SeenUrl>,
    /// Why some of it was not inspected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_inspected: Vec<NotInspected>,
    /// How each scanner ended.
    #[serde(default)]
    pub coverage: Coverage,
    /// How long each scanner took, in milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elapsed_ms: BTreeMap<Scanner, f64>,
    /// The evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What rspamd would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// What was verified of who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// Entries of the admin's lists that matched.
    #[serde(default, skip_serializing_if = "ListHits::is_empty")]
    pub lists: ListHits,
    /// The quarantine entry of which this message is a released copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<MailId>,
    /// The judgement, once for all recipients who share it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<SharedVerdict>,
    /// What was done.
    pub plan: PlanSummary,
    /// The quarantine entry that holds the copy: this message's id, or that of an earlier attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<MailId>,
    /// Fingerprint of the policy that judged.
    #[serde(default)]
    pub policy: String,
    /// Fingerprint of the YARA rules that looked.
    #[serde(default)]
    pub rules: String,
    /// Which data the other scanners worked with: clamd's signatures, rspamd's version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<Scanner, String>,
    /// Version of the software.
    #[serde(default)]
    pub version: String,
    /// What was left out of this record because it was too long, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// The SMTP command that a decision answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// MAIL: the sender was refused, nothing else is known.
    Mail,
    /// RCPT: the envelope names the recipient that was refused first; there may be more.
    Rcpt,
    /// The end of the message.
    #[default]
    End,
}

impl Stage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    const fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }
}

/// A message from the outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageFacts {
    /// Bytes.
    pub size: u64,
    /// The Message-ID field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The From field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The Subject field, decoded, at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the raw message in lower-case hex, if it was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A verdict and who shares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedVerdict {
    /// Positions in the envelope's recipients.
    pub recipients: Vec<usize>,
    /// The verdict.
    pub verdict: Verdict,
}

impl SharedVerdict {
    /// Groups verdicts that stand in the envelope's order.
    #[must_use]
    pub fn group(verdicts: &[Verdict]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (i, verdict) in verdicts.iter().enumerate() {
            match groups.iter_mut().find(|g| g.verdict == *verdict) {
                Some(group) => group.recipients.push(i),
                None => groups.push(Self { recipients: vec![i], verdict: verdict.clone() }),
            }
        }
        groups
    }
}

/// What was done about a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The answer to the MTA.
    pub answer: Answer,
    /// What happened to each recipient, in the envelope's order.
    #[serde(default)]
    pub dispositions: Vec<Disposition>,
    /// Header fields added or changed, from the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<AddedHeader>,
    /// Header fields that came with it and were removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RemovedFields>,
    /// What was done besides, and what was asked for and was not.
    #[serde(default, skip_serializing_if = "Also::is_empty")]
    pub also: Also,
}

/// A header field that we wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedHeader {
    /// Its name.
    pub name: String,
    /// Its value on one line.
    pub value: String,
}

impl From<&Plan> for PlanSummary {
    fn from(plan: &Plan) -> Self {
        let added = |action: &Action| match action {
            Action::InsertHeader { name, value, .. } | Action::ChangeHeader { name, value, .. } => {
                Some(AddedHeader { name: name.clone(), value: value.unfolded() })
            }
            Action::DeleteHeader { .. }
            | Action::DeleteRecipient(_)
            | Action::AddRecipient(_)
            | Action::ReplaceBody(_)
            | Action::Hold(_) => None,
        };
        Self {
            answer: plan.answer.clone(),
            dispositions: plan.recipients.clone(),
            headers: plan.actions.iter().filter_map(added).collect(),
            removed: plan.removed(),
            also: plan.also.clone(),
        }
    }
}

impl Record {
    /// The strictest of what happened to its recipients; by the answer where there is none.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        let by_answer = match self.plan.answer {
            Answer::Accept => Disposition::Accept,
            Answer::Discard => Disposition::Discard,
            Answer::Reject(_) => Disposition::Reject,
            Answer::Tempfail(_) => Disposition::Tempfail,
        };
        let all = self.plan.dispositions.iter().copied();
        all.reduce(Disposition::stricter).unwrap_or(by_answer)
    }

    /// The worst category of its verdicts.
    #[must_use]
    pub fn category(&self) -> Category {
        self.verdicts.iter().map(|v| v.verdict.category).max().unwrap_or_default()
    }

    /// The verdict that weighs most: by disposition, then category.
    #[must_use]
    pub fn main_verdict(&self) -> Option<&Verdict> {
        let weight = |v: &&Verdict| (v.disposition.strictness(), v.category);
        // `max_by_key` takes the last of equals; the first is the one of the first recipients.
        self.verdicts.iter().map(|v| &v.verdict).rev().max_by_key(weight)
    }

    /// The highest score of its verdicts.
    #[must_use]
    pub fn score(&self) -> Score {
        let scores = self.verdicts.iter().map(|v| v.verdict.score);
        scores.reduce(|a, b| if b > a { b } else { a }).unwrap_or_default()
    }
}
