//! What names and functions give for a message.

use std::borrow::Cow;

use super::super::opinion;
use super::super::view::View;
use super::names::Field;
use super::sets::{Glob, domain};
use super::value::{List, Value};
use super::{Failure, Fuel};
use crate::mail::header as words;
use crate::model::file_name::extension;
use crate::model::{AuthResult, Direction, Finding, Message, Outcome, Scanner};

/// The value of a name that stands alone or of the field of a record.
pub(super) fn field<'v>(view: &'v View<'v>, field: Field) -> Result<Value<'v>, Failure> {
    let facts = view.facts;
    let (session, envelope) = (facts.session, facts.envelope);
    Ok(match field {
        Field::Inbound => Value::Bool(facts.direction == Direction::Inbound),
        Field::Outbound => Value::Bool(facts.direction == Direction::Outbound),
        Field::Local => Value::Bool(session.local_submission),
        Field::Released => Value::Bool(facts.released.is_some()),
        Field::Attempt => Value::Int(i64::from(facts.failures) + 1),
        Field::Score => Value::Double(view.evidence.total().score().value()),
        Field::Findings => Value::List(List::Findings(view.evidence.sorted())),
        Field::Urls => Value::List(List::Links(view.made.links(facts))),
        Field::Attachments => Value::List(List::Attachments(facts.attachments, view.made.files(facts))),
        Field::Missing => {
            let all = opinion::missing(facts.coverage).map(|(scanner, _)| lent(scanner.name()));
            Value::List(List::Own(all.collect()))
        }
        Field::Lists => Value::List(List::Hits(facts.lists.map_or(&[], |lists| &lists.0))),
        Field::ClientIp => match session.client.addr.ip() {
            Some(ip) => Value::Text(Cow::Owned(ip.to_string())),
            None => lent(""),
        },
        Field::ClientName => lent(&session.client.name),
        Field::Helo => maybe(session.helo.as_deref()),
        Field::User => maybe(session.user.as_deref()),
        Field::AuthMethod => maybe(session.auth_method.as_deref()),
        Field::Daemon => maybe(session.daemon.as_deref()),
        Field::Tls => Value::Bool(session.tls.is_some()),
        Field::TlsVersion => maybe(session.tls.as_ref().map(|t| t.version.as_str())),
        Field::TlsCipher => maybe(session.tls.as_ref().map(|t| t.cipher.as_str())),
        Field::Authenticated => Value::Bool(session.user.is_some()),
        Field::Sender => lent(envelope.reverse_path.0.mailbox()),
        Field::SenderLocal => lent(parts(envelope.reverse_path.0.mailbox()).0),
        Field::SenderDomain => Value::Text(domain(parts(envelope.reverse_path.0.mailbox()).1)),
        Field::NullSender => Value::Bool(envelope.reverse_path.is_null()),
        Field::Recipients => {
            Value::List(List::Own(envelope.recipients.iter().map(|r| lent(r.mailbox())).collect()))
        }
        Field::Parameters => Value::List(List::Texts(&envelope.parameters)),
        Field::RecipientAddress => lent(recipient(view)),
        Field::RecipientLocal => lent(parts(recipient(view)).0),
        Field::RecipientDomain => Value::Text(domain(parts(recipient(view)).1)),
        Field::RecipientExempt => Value::Bool(view.exempt),
        Field::RecipientGroups => Value::List(List::Texts(view.groups)),
        Field::ThresholdTag => Value::Double(view.thresholds.tag.score().value()),
        Field::ThresholdQuarantine => Value::Double(view.thresholds.quarantine.score().value()),
        Field::ThresholdReject => Value::Double(view.thresholds.reject.score().value()),
        Field::Subject => lent(view.made.subject(facts)),
        Field::MessageSize | Field::MessageId | Field::From | Field::FromDomain | Field::IsBulk => {
            of_message(view, field)?
        }
        Field::RspamdSaid => Value::Bool(facts.advice.is_some()),
        Field::RspamdAction => maybe(facts.advice.map(|a| a.action.name())),
        Field::RspamdScore => Value::Double(facts.advice.map_or(0.0, |a| a.score)),
        Field::RspamdRequired => Value::Double(facts.advice.map_or(0.0, |a| a.required)),
        Field::Hour | Field::Minute | Field::Weekday | Field::Date => time(view, field),
        Field::TopicApplies(topic) => Value::Bool(view.opinion(topic).wants.is_some()),
        Field::TopicWants(topic) => Value::Disposition(view.opinion(topic).wants),
        Field::TopicCategory(topic) => Value::Category(view.opinion(topic).category),
        Field::TopicReason(topic) => lent(&view.opinion(topic).reason),
        Field::TopicTold(topic) => lent(&view.opinion(topic).told),
        _ => authentication(view, field),
    })
}

fn lent(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn maybe(text: Option<&str>) -> Value<'_> {
    lent(text.unwrap_or_default())
}

/// What stands before and after the last @.
fn parts(address: &str) -> (&str, &str) {
    address.rsplit_once('@').unwrap_or((address, ""))
}

fn recipient<'v>(view: &'v View<'v>) -> &'v str {
    view.recipient.map(|r| r.mailbox()).unwrap_or_default()
}

/// What only the message tells.
fn of_message<'v>(view: &'v View<'v>, field: Field) -> Result<Value<'v>, Failure> {
    let what = match field {
        Field::MessageSize => "the size of the message",
        Field::MessageId => "message.message_id",
        Field::From | Field::FromDomain => "the From field",
        _ => "message.is_bulk",
    };
    let Some(message) = view.facts.message else {
        return recorded(view, field).ok_or(Failure::NotRecorded(what));
    };
    Ok(match field {
        Field::MessageSize => Value::Int(i64::try_from(message.raw().len()).unwrap_or(i64::MAX)),
        Field::MessageId => Value::Text(Cow::Owned(message.first("Message-ID").unwrap_or_default())),
        Field::From => Value::List(List::Texts(view.made.from(view.facts))),
        Field::FromDomain => {
            let mut all = view.made.from(view.facts).iter().map(|address| domain(parts(address).1));
            let first = all.next().unwrap_or_default();
            Value::Text(if all.all(|other| other == first) { first } else { Cow::Borrowed("") })
        }
        _ => Value::Bool(is_bulk(message)),
    })
}

/// The same of a message that is not here, as far as the record of it knows.
fn recorded<'v>(view: &View<'v>, field: Field) -> Option<Value<'v>> {
    let recorded = view.facts.recorded?;
    match field {
        Field::MessageSize => Some(Value::Int(i64::try_from(recorded.size?).unwrap_or(i64::MAX))),
        Field::MessageId => recorded.message_id.map(lent),
        Field::FromDomain => Some(Value::Text(domain(recorded.from_domain?))),
        _ => None,
    }
}

/// RFC 2369, RFC 2919, and the old `Precedence`.
fn is_bulk(message: &Message) -> bool {
    message.fields().any(|(name, value)| {
        let name = name.trim_ascii_end();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let says = |word: &str| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
        is("List-Id") || is("List-Unsubscribe") || is("Precedence") && (says("bulk") || says("list"))
    })
}

fn time(view: &View<'_>, field: Field) -> Value<'static> {
    let at = view.facts.time;
    let minutes = at.seconds() / 60;
    let days = minutes / (24 * 60);
    // 1 January 1970 was a Thursday.
    let number = match field {
        Field::Hour => minutes / 60 % 24,
        Field::Minute => minutes % 60,
        Field::Weekday => (days + 3) % 7 + 1,
        _ => return Value::Text(Cow::Owned(at.day())),
    };
    Value::Int(i64::try_from(number).unwrap_or_default())
}

fn authentication<'v>(view: &'v View<'v>, field: Field) -> Value<'v> {
    let seen = view.facts.authentication;
    let summary = |method: usize| {
        let result = seen.and_then(|s| s.summary().get(method).and_then(|(_, result)| *result));
        maybe(result.map(AuthResult::name))
    };
    match field {
        Field::Spf => summary(0),
        Field::Dkim => summary(1),
        Field::Dmarc => summary(2),
        Field::Arc => summary(3),
        Field::Iprev => maybe(seen.and_then(|s| s.iprev.as_ref()).map(|i| i.result.name())),
        Field::Aligned => Value::Bool(seen.is_some_and(|s| s.is_aligned())),
        Field::SpfDomain => {
            let spf = seen.and_then(|s| s.mail_from.as_ref().or(s.helo.as_ref()));
            maybe(spf.map(|s| s.domain.as_str()))
        }
        Field::DkimDomains => {
            let all = seen.map(|s| s.dkim.as_slice()).unwrap_or_default();
            let passed = all.iter().filter(|d| d.result == AuthResult::Pass).map(|d| lent(&d.domain));
            Value::List(List::Own(passed.collect()))
        }
        Field::DmarcPolicy => {
            let dmarc = seen.and_then(|s| s.dmarc.as_ref());
            maybe(dmarc.and_then(|d| d.policy).map(|p| p.name()))
        }
        _ => maybe(seen.and_then(|s| s.author.domain())),
    }
}

/// The field of an element.
pub(super) fn item<'v>(of: &Value<'v>, field: Field) -> Result<Value<'v>, Failure> {
    Ok(match (of, field) {
        (Value::Finding(f), Field::FindingScanner) => lent(f.scanner.name()),
        (Value::Finding(f), Field::FindingSymbol) => lent(&f.symbol),
        (Value::Finding(f), Field::FindingSeverity) => Value::Severity(Some(f.severity)),
        (Value::Finding(f), Field::FindingCategory) => Value::Category(f.category),
        (Value::Finding(f), Field::FindingScore) => Value::Double(f.score.value()),
        (Value::Finding(f), Field::FindingText) => lent(&f.text),
        (Value::Finding(f), Field::FindingWhere) => maybe(f.location.as_deref()),
        (Value::Link(l), Field::UrlUrl) => lent(&l.seen.url),
        (Value::Link(l), Field::UrlHost) => lent(&l.host),
        (Value::Link(l), Field::UrlDomain) => lent(&l.domain),
        (Value::Link(l), Field::UrlSource) => lent(&l.seen.source),
        (Value::Link(l), Field::UrlShown) => lent(&l.seen.shown),
        (Value::Link(l), Field::UrlJudgement) => lent(l.seen.judgement.name()),
        (Value::Link(l), Field::UrlFeeds) => {
            Value::List(List::Own(l.seen.listed.iter().map(|listed| lent(&listed.feed)).collect()))
        }
        (Value::Attachment(_, name), Field::AttachmentName) => lent(name),
        (Value::Attachment(_, name), Field::AttachmentExtension) => Value::Text(extension(name)),
        (Value::Attachment(a, _), Field::AttachmentType) => lower(&a.media_type),
        (Value::Attachment(a, _), Field::AttachmentSize) => {
            Value::Int(i64::try_from(a.size).unwrap_or(i64::MAX))
        }
        (Value::Attachment(a, _), Field::AttachmentSha256) => lent(&a.sha256),
        (Value::Attachment(a, _), Field::AttachmentPath) => Value::List(List::Texts(&a.path)),
        (Value::Hit(h), Field::HitList) => lent(h.list.name()),
        (Value::Hit(h), Field::HitOn) => lent(h.on.key()),
        (Value::Hit(h), Field::HitEntry) => lent(&h.entry),
        (Value::Hit(h), Field::HitScope) => maybe(h.scope.as_deref()),
        (Value::Hit(h), Field::HitComment) => maybe(h.comment.as_deref()),
        (Value::Hit(h), Field::HitExcepted) => Value::Bool(h.excepted),
        _ => return Err(Failure::NoMessage),
    })
}

fn lower(text: &str) -> Value<'_> {
    match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Value::Text(Cow::Owned(text.to_ascii_lowercase())),
        false => lent(text),
    }
}

fn message<'v>(view: &'v View<'v>, fuel: &mut Fuel) -> Result<&'v Message, Failure> {
    let message = view.facts.message.ok_or(Failure::NotRecorded("the header"))?;
    fuel.burn(1 + message.field_count() as u64 / 4)?;
    Ok(message)
}

pub(super) fn has_header(view: &View<'_>, name: &str, fuel: &mut Fuel) -> Result<bool, Failure> {
    Ok(message(view, fuel)?.values(name).next().is_some())
}

/// The first field of that name, decoded.
pub(super) fn header(view: &View<'_>, name: &str, fuel: &mut Fuel) -> Result<Cow<'static, str>, Failure> {
    match message(view, fuel)?.values(name).next() {
        Some(value) => Ok(Cow::Owned(decoded(value, fuel)?)),
        None => Ok(Cow::Borrowed("")),
    }
}

pub(super) fn headers(view: &View<'_>, name: &str, fuel: &mut Fuel) -> Result<Value<'static>, Failure> {
    let mut all = Vec::new();
    for value in message(view, fuel)?.values(name) {
        all.push(Value::Text(Cow::Owned(decoded(value, fuel)?)));
    }
    Ok(Value::List(List::Own(all)))
}

fn decoded(value: &[u8], fuel: &mut Fuel) -> Result<String, Failure> {
    fuel.burn(4 + value.len() as u64 / 2)?;
    Ok(words::decode_words(value))
}

/// The first finding whose symbol is like that, by that scanner.
pub(super) fn found<'v>(
    view: &'v View<'v>,
    glob: &Glob,
    scanner: Option<Scanner>,
    fuel: &mut Fuel,
) -> Result<Option<&'v Finding>, Failure> {
    for finding in view.evidence.iter() {
        fuel.burn(1 + finding.symbol.len() as u64 / 32)?;
        if scanner.is_none_or(|s| s == finding.scanner) && glob.matches(&finding.symbol) {
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

/// What `outcome()` can give.
pub(super) const OUTCOMES: &[&str] = &["ok", "found", "skipped", "failed", "timeout", "absent"];

pub(super) fn outcome(view: &View<'_>, scanner: Scanner) -> &'static str {
    match view.facts.coverage.0.get(&scanner) {
        None => "absent",
        Some(Outcome::Partial { found: true, .. }) => "found",
        Some(Outcome::Partial { found: false, .. }) => "ok",
        Some(outcome) => outcome.label(),
    }
}
