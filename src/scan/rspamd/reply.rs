//! rspamd's answer to `/checkv2`, read with forgiveness for what does not matter and none for what does: a reply
//! without a score or an action that is known is no reply.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::fields;
use crate::model::{Advice, AdvisedAction, text};

/// A reply with more values than this is no reply: each takes far more memory than its bytes.
const MAX_VALUES: usize = 100_000;
/// Longest text of rspamd's that is kept as a reply to the sender.
const MAX_MESSAGE: usize = 400;

/// What rspamd said of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    /// What it would do, with the fields that it wants added and removed.
    pub(super) advice: Advice,
    /// What it saw.
    pub(super) symbols: Vec<Symbol>,
    /// It did not look further, because its own settings or its first sight were enough.
    pub(super) is_skipped: bool,
}

/// One thing that rspamd saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Symbol {
    /// Its name, as rspamd writes it.
    pub(super) name: String,
    /// What it adds to the score.
    pub(super) score: f64,
    /// What it means; empty if rspamd has no words for it.
    pub(super) description: String,
    /// What of this message it means.
    pub(super) options: Vec<String>,
}

/// Why a reply says nothing; a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplyError {
    /// It is no reply of rspamd's.
    Malformed(String),
    /// It asks for an action that is not known here.
    Action(String),
    /// It holds more than is read. Much of a reply is what the sender wrote, so this is no fault of rspamd's.
    TooMany(String),
}

/// Reads a reply.
pub(super) fn parse(body: &[u8]) -> Result<Reply, ReplyError> {
    if separators(body) > MAX_VALUES {
        return Err(ReplyError::TooMany(format!("its reply has more than {MAX_VALUES} values")));
    }
    let raw = raw(body).map_err(ReplyError::Malformed)?;
    read(raw)
}

/// The commas between values. Those inside of texts are the sender's, who may write as many as he likes.
fn separators(body: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

fn raw(body: &[u8]) -> Result<Raw, String> {
    // Texts from mail are in it: one odd byte is no reason to judge nothing.
    let body = String::from_utf8_lossy(body);
    serde_json::from_str(&body).map_err(|error| format!("its reply cannot be read: {error}"))
}

fn read(raw: Raw) -> Result<Reply, ReplyError> {
    let malformed = |what: &str| ReplyError::Malformed(what.to_owned());
    let score = raw.score.as_ref().and_then(number).ok_or_else(|| malformed("its reply has no score"))?;
    let required = raw.required_score.as_ref().and_then(number).unwrap_or_default();
    let mut action = match &raw.action {
        Some(Value::String(word)) => action(word)?,
        _ => return Err(malformed("its reply has no action")),
    };
    let mut wishes = fields::Wishes::default();
    for signature in texts(raw.dkim_signature.as_ref()) {
        wishes.sign(signature);
    }
    if let Some(milter) = raw.milter {
        action = overruled(action, &milter);
        wishes.read(&milter.add_headers, &milter.remove_headers);
        if action == AdvisedAction::AddHeader {
            wishes.spam_header(milter.spam_header.as_ref());
        }
    }
    let (add, remove) = wishes.into_lists();
    let message =
        raw.messages.as_ref().and_then(|messages| messages.get("smtp_message")).and_then(Value::as_str);
    let reply = message.map(|m| text::ascii_line(m.trim(), MAX_MESSAGE)).filter(|m| !m.is_empty());
    let symbols = raw.symbols.unwrap_or_default().0.into_iter();
    let symbols = symbols.map(|(name, raw)| symbol(name, &raw)).collect::<Result<_, _>>();
    let symbols = symbols.map_err(ReplyError::Malformed)?;
    let is_skipped = raw.is_skipped == Some(Value::Bool(true));
    Ok(Reply { advice: Advice { action, score, required, reply, add, remove }, symbols, is_skipped })
}

/// The action of this name.
fn action(word: &str) -> Result<AdvisedAction, ReplyError> {
    AdvisedAction::ALL.into_iter().find(|action| action.name() == word).ok_or_else(|| {
        let word = text::line(word, 40);
        ReplyError::Action(format!("it asks for the action {word:?}, which cannot be followed here"))
    })
}

/// What plugins of rspamd make of its action (rspamd `milter.c`).
fn overruled(action: AdvisedAction, milter: &Milter) -> AdvisedAction {
    if milter.no_action == Some(Value::Bool(true)) {
        return AdvisedAction::NoAction;
    }
    let reject = milter.reject.as_ref().and_then(Value::as_str);
    match (action, reject) {
        (AdvisedAction::Reject, Some("discard")) => AdvisedAction::Discard,
        (AdvisedAction::Reject, Some("quarantine")) => AdvisedAction::Quarantine,
        (action, _) => action,
    }
}

fn symbol(name: String, raw: &Value) -> Result<Symbol, String> {
    let wrong = |what: &str| format!("the symbol {} of its reply {what}", text::line(&name, 40));
    let raw = raw.as_object().ok_or_else(|| wrong("is no object"))?;
    let score = match raw.get("score") {
        None | Some(Value::Null) => 0.0,
        Some(value) => number(value).ok_or_else(|| wrong("has a score that is no number"))?,
    };
    let description = raw.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let options = texts(raw.get("options")).map(str::to_owned).collect();
    Ok(Symbol { name, score, description, options })
}

/// A number, also one that somebody wrote as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then_some(number)
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// The members of the reply that matter here; the rest (`urls`, `emails`, …) is not kept.
#[derive(serde::Deserialize)]
struct Raw {
    score: Option<Value>,
    required_score: Option<Value>,
    action: Option<Value>,
    is_skipped: Option<Value>,
    messages: Option<Value>,
    symbols: Option<Members>,
    milter: Option<Milter>,
    #[serde(rename = "dkim-signature")]
    dkim_signature: Option<Value>,
}

/// `milter`: what rspamd's own milter would do besides its action. `change_from`, `add_rcpt` and `del_rcpt` are
/// not followed: who gets a mail is not for a filter to say.
#[derive(Default)]
struct Milter {
    add_headers: Vec<(String, Value)>,
    remove_headers: Vec<(String, Value)>,
    spam_header: Option<Value>,
    reject: Option<Value>,
    no_action: Option<Value>,
}

impl<'de> Deserialize<'de> for Milter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut milter = Self::default();
        for (name, member) in Members::<Member>::deserialize(d)?.0 {
            match (name.as_str(), member) {
                ("add_headers", member) => milter.add_headers = member.into_fields(),
                ("remove_headers", member) => milter.remove_headers = member.into_fields(),
                ("spam_header", member) => milter.spam_header = Some(member.into_value()),
                ("reject", Member::Plain(value)) => milter.reject = Some(value),
                ("no_action", Member::Plain(value)) => milter.no_action = Some(value),
                _ => {}
            }
        }
        Ok(milter)
    }
}

/// A member of `milter`: the order in which an object has its members counts.
enum Member {
    Object(Vec<(String, Value)>),
    Plain(Value),
}

impl Member {
    /// Of an object, or of a list of objects and names.
    fn into_fields(self) -> Vec<(String, Value)> {
        let list = match self {
            Self::Object(members) => return members,
            Self::Plain(Value::Array(list)) => list,
            Self::Plain(_) => return Vec::new(),
        };
        let fields = list.into_iter().flat_map(|one| match one {
            Value::Object(members) => members.into_iter().collect(),
            Value::String(name) => vec![(name, Value::Null)],
            _ => Vec::new(),
        });
        fields.collect()
    }

    fn into_value(self) -> Value {
        match self {
            Self::Object(members) => Value::Object(members.into_iter().collect()),
            Self::Plain(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Member::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Member, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Member::Plain(Value::Array(values)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Plain(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Member, E> {
        Ok(Member::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Member, E> {
        Ok(Member::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Member, E> {
        Ok(Member::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Member, E> {
        Ok(Member::Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Plain(Value::Null))
    }
}

/// The members of an object in the order in which they were written. An empty table of Lua may come as an empty
/// list.
struct Members<V = Value>(Vec<(String, V)>);

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
    type Value = Members<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(Members::default()),
            Some(_) => Err(serde::de::Error::custom("a list where an object should be")),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Members::default())
    }
}
