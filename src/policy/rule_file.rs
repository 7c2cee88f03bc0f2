//! A file of rules as it is written: `policy.toml`, and the shipped rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `policy.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleFile {
    /// Which of the rules that apply decides.
    pub decide: Decide,
    /// Whether the shipped rules are tried behind these.
    pub shipped: bool,
    /// What it is worth that a condition could not be evaluated, where its rule asks for more than accept.
    pub on_error: OnError,
    /// Shipped rules that are not in force, by name.
    pub mode: BTreeMap<String, Mode>,
    /// `[group.NAME]`: recipients who are treated alike.
    pub group: BTreeMap<String, Group>,
    /// `[[rule]]`, in their order.
    pub rule: Vec<RuleText>,
}

/// Which of the rules that apply decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decide {
    /// The first.
    #[default]
    First,
    /// The one that asks for the strictest disposition, of equal ones the first.
    Strictest,
}

/// Whether a rule is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is tried, counted and recorded, without effect.
    Shadow,
    /// It is not tried.
    Off,
}

/// What it is worth that a condition could not be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The rule does not apply.
    Skip,
    /// The mail is marked.
    Tag,
    /// The mail is held.
    #[default]
    Quarantine,
    /// The sender is told to try again later.
    Tempfail,
}

/// What a rule means for mail going out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outgoing {
    /// The same as for mail coming in.
    #[default]
    Enforce,
    /// It only says what it saw.
    Record,
}

/// `[group.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// Addresses (`alice@example.org`) and domains (`@example.org`).
    pub recipients: Vec<String>,
    /// Thresholds for them, in place of `[policy.score]`; those that are left out stay.
    pub score: GroupScore,
}

/// `[group.NAME.score]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupScore {
    /// From here on mail is marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<f64>,
    /// From here on it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<f64>,
    /// From here on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<f64>,
}

/// `[[rule]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleText {
    /// Its name in verdicts, records and metrics.
    pub name: String,
    /// Whether it is in force.
    pub mode: Mode,
    /// Condition: CEL, true where the rule applies.
    pub when: String,
    /// What it asks for.
    pub disposition: String,
    /// What kind of mail it is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Why, in a few words; `{score}` and other values in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the explanation says it saw, in place of what the condition came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tell: Option<String>,
    /// Never decides: adds what it wants done to the mail that is delivered, by whatever rule.
    pub adds: bool,
    /// Judged at RCPT already.
    pub early: bool,
    /// A milder rule before it, and an allow entry, does not outweigh it.
    pub firm: bool,
    /// Leaves of what rules before it asked for only what firm ones asked for.
    pub outweighs: bool,
    /// Holds although a firm rule asks for more: malware is let through by it.
    pub even_malware: bool,
    /// What it means for mail going out.
    pub outbound: Outgoing,
    /// What the sender is told where the mail is refused or put off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Fields that delivered mail gets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Put in front of the Subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_prefix: Option<String>,
    /// Addresses that get what is delivered as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copy_to: Vec<String>,
    /// Address that gets the mail in place of the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// Held in the MTA's hold queue, not in our quarantine.
    pub hold: bool,
    /// Text in front of what unsigned mail says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
    /// Who is told: names of `[notify.NAME]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
}

impl Default for RuleFile {
    fn default() -> Self {
        Self {
            decide: Decide::First,
            shipped: true,
            on_error: OnError::default(),
            mode: BTreeMap::new(),
            group: BTreeMap::new(),
            rule: Vec::new(),
        }
    }
}
