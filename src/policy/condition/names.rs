//! Every name that a condition may use, in one table: the check reads it, and so does what is printed for people.

use std::sync::LazyLock;

use super::super::opinion::Topic;
use super::types::{Base, Type, Uses};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Inbound,
    Outbound,
    Local,
    Released,
    Attempt,
    Score,
    Findings,
    Urls,
    Attachments,
    Missing,
    Lists,
    ClientIp,
    ClientName,
    Helo,
    User,
    AuthMethod,
    Daemon,
    Tls,
    TlsVersion,
    TlsCipher,
    Authenticated,
    Sender,
    SenderLocal,
    SenderDomain,
    NullSender,
    Recipients,
    Parameters,
    RecipientAddress,
    RecipientLocal,
    RecipientDomain,
    RecipientExempt,
    RecipientGroups,
    MessageSize,
    Subject,
    MessageId,
    From,
    FromDomain,
    IsBulk,
    ThresholdTag,
    ThresholdQuarantine,
    ThresholdReject,
    Spf,
    Dkim,
    Dmarc,
    Arc,
    Iprev,
    Aligned,
    SpfDomain,
    DkimDomains,
    DmarcPolicy,
    Author,
    RspamdSaid,
    RspamdAction,
    RspamdScore,
    RspamdRequired,
    Hour,
    Minute,
    Weekday,
    Date,
    TopicApplies(Topic),
    TopicWants(Topic),
    TopicCategory(Topic),
    TopicReason(Topic),
    TopicTold(Topic),
    FindingScanner,
    FindingSymbol,
    FindingSeverity,
    FindingCategory,
    FindingScore,
    FindingText,
    FindingWhere,
    UrlUrl,
    UrlHost,
    UrlDomain,
    UrlSource,
    UrlShown,
    UrlJudgement,
    UrlFeeds,
    AttachmentName,
    AttachmentExtension,
    AttachmentType,
    AttachmentSize,
    AttachmentSha256,
    AttachmentPath,
    HitList,
    HitOn,
    HitEntry,
    HitScope,
    HitComment,
    HitExcepted,
}

/// One name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// The record that it is a field of; empty for a name that stands alone.
    pub(super) record: &'static str,
    pub(super) name: &'static str,
    pub(super) field: Field,
    pub(super) ty: Type,
    pub(super) uses: Uses,
    /// What it is, in a sentence.
    pub(super) doc: &'static str,
}

const fn name(
    record: &'static str,
    name: &'static str,
    field: Field,
    ty: Type,
    uses: Uses,
    doc: &'static str,
) -> Name {
    Name { record, name, field, ty, uses, doc }
}

/// The records whose fields stand behind an element of a list.
pub(super) const fn record_of(base: Base) -> Option<&'static str> {
    match base {
        Base::Finding => Some("finding"),
        Base::Url => Some("url"),
        Base::Attachment => Some("attachment"),
        Base::ListHit => Some("entry"),
        _ => None,
    }
}

use Type as T;
use Uses as U;

/// All but the topics.
#[rustfmt::skip]
static PLAIN: &[Name] = &[
    name("", "inbound", Field::Inbound, T::BOOL, U::SESSION, "The mail comes from outside."),
    name("", "outbound", Field::Outbound, T::BOOL, U::SESSION, "The mail comes from an authenticated user or from network.own."),
    name("", "local", Field::Local, T::BOOL, U::SESSION, "The mail did not come by SMTP: sendmail(1), a bounce."),
    name("", "released", Field::Released, T::BOOL, U::SCAN, "It is a copy released from quarantine."),
    name("", "attempt", Field::Attempt, T::INT, U::SCAN, "The number of this attempt to deliver it: 1, and one more for each time that it was put off for the same failure."),
    name("", "score", Field::Score, T::DOUBLE, U::SCAN, "The sum of the scores of all findings."),
    name("", "findings", Field::Findings, T::list(Base::Finding), U::SCAN, "All findings, in an order that does not depend on the scanners' speed."),
    name("", "urls", Field::Urls, T::list(Base::Url), U::URLS, "The links of the message."),
    name("", "attachments", Field::Attachments, T::list(Base::Attachment), U::ATTACHMENTS, "The files of the message; one that programs save under names with other extensions is there under each."),
    name("", "missing", Field::Missing, T::TEXTS, U::SCAN, "The scanners that did not look at all they should."),
    name("", "lists", Field::Lists, T::list(Base::ListHit), U::LISTS.and(U::RECIPIENT), "The entries of the allow and block lists that match, as far as they are for this recipient; at RCPT those of the client and the sender."),
    name("session", "client_ip", Field::ClientIp, T::TEXT, U::SESSION, "The address of the client; empty where there is none."),
    name("session", "client_name", Field::ClientName, T::TEXT, U::SESSION, "The client's verified host name, or what else the MTA says."),
    name("session", "helo", Field::Helo, T::TEXT, U::SESSION, "What the client called itself."),
    name("session", "user", Field::User, T::TEXT, U::SESSION, "The authenticated user; empty for none."),
    name("session", "auth_method", Field::AuthMethod, T::TEXT, U::SESSION, "The SASL method; empty for none."),
    name("session", "daemon", Field::Daemon, T::TEXT, U::SESSION, "The MTA's name for the service that took the mail."),
    name("session", "tls", Field::Tls, T::BOOL, U::SESSION, "The client used TLS."),
    name("session", "tls_version", Field::TlsVersion, T::TEXT, U::SESSION, "As in \"TLSv1.3\"; empty without TLS."),
    name("session", "tls_cipher", Field::TlsCipher, T::TEXT, U::SESSION, "As in \"TLS_AES_256_GCM_SHA384\"; empty without TLS."),
    name("session", "authenticated", Field::Authenticated, T::BOOL, U::SESSION, "The client has authenticated itself."),
    name("envelope", "sender", Field::Sender, T::TEXT, U::ENVELOPE, "The address of MAIL FROM; empty for a bounce."),
    name("envelope", "sender_local", Field::SenderLocal, T::TEXT, U::ENVELOPE, "What stands before its @."),
    name("envelope", "sender_domain", Field::SenderDomain, T::TEXT, U::ENVELOPE, "Its domain, A-labels in lower case."),
    name("envelope", "null_sender", Field::NullSender, T::BOOL, U::ENVELOPE, "MAIL FROM is empty: a bounce or another notice."),
    name("envelope", "recipients", Field::Recipients, T::TEXTS, U::ENVELOPE.and(U::NAMES), "The addresses of all recipients."),
    name("envelope", "parameters", Field::Parameters, T::TEXTS, U::ENVELOPE, "The parameters of MAIL FROM as they were given: \"SIZE=1000\"."),
    name("recipient", "address", Field::RecipientAddress, T::TEXT, U::ADDRESS, "The address for which it is judged."),
    name("recipient", "local", Field::RecipientLocal, T::TEXT, U::ADDRESS, "What stands before its @."),
    name("recipient", "domain", Field::RecipientDomain, T::TEXT, U::ADDRESS, "Its domain, A-labels in lower case."),
    name("recipient", "exempt", Field::RecipientExempt, T::BOOL, U::RECIPIENT.and(U::NAMES), "The recipient takes mail from blocked senders."),
    name("recipient", "groups", Field::RecipientGroups, T::TEXTS, U::RECIPIENT.and(U::NAMES), "The groups that the recipient is in."),
    name("message", "size", Field::MessageSize, T::INT, U::MESSAGE, "Its size in bytes."),
    name("message", "subject", Field::Subject, T::TEXT, U::SCAN, "Its subject, decoded."),
    name("message", "message_id", Field::MessageId, T::TEXT, U::MESSAGE, "Its Message-ID as it stands there."),
    name("message", "from", Field::From, T::TEXTS, U::MESSAGE, "The addresses of all its From fields."),
    name("message", "from_domain", Field::FromDomain, T::TEXT, U::MESSAGE, "The domain of these, A-labels in lower case; empty if it is not exactly one."),
    name("message", "is_bulk", Field::IsBulk, T::BOOL, U::MESSAGE, "It says that it goes to many: List-Id, List-Unsubscribe, Precedence."),
    name("thresholds", "tag", Field::ThresholdTag, T::DOUBLE, U::RECIPIENT, "The score from which on mail is marked."),
    name("thresholds", "quarantine", Field::ThresholdQuarantine, T::DOUBLE, U::RECIPIENT, "The score from which on mail is held."),
    name("thresholds", "reject", Field::ThresholdReject, T::DOUBLE, U::RECIPIENT, "The score from which on mail is refused."),
    name("auth", "spf", Field::Spf, T::TEXT, U::SCAN, "The result of SPF; empty if nobody looked."),
    name("auth", "dkim", Field::Dkim, T::TEXT, U::SCAN, "The result of the best DKIM signature; empty if nobody looked."),
    name("auth", "dmarc", Field::Dmarc, T::TEXT, U::SCAN, "The result of DMARC; empty if nobody looked."),
    name("auth", "arc", Field::Arc, T::TEXT, U::SCAN, "The result of ARC; empty if nobody looked."),
    name("auth", "iprev", Field::Iprev, T::TEXT, U::SCAN, "Whether the client's name leads back to it; empty if nobody looked."),
    name("auth", "aligned", Field::Aligned, T::BOOL, U::SCAN, "SPF or DKIM passed for a domain in alignment with the author's."),
    name("auth", "spf_domain", Field::SpfDomain, T::TEXT, U::SCAN, "The domain that SPF was asked of."),
    name("auth", "dkim_domains", Field::DkimDomains, T::TEXTS, U::SCAN, "The domains of the signatures that passed."),
    name("auth", "dmarc_policy", Field::DmarcPolicy, T::TEXT, U::SCAN, "What the author's domain asks for; empty if it publishes nothing."),
    name("auth", "author", Field::Author, T::TEXT, U::SCAN, "The author's domain; empty if there is not exactly one."),
    name("rspamd", "said", Field::RspamdSaid, T::BOOL, U::SCAN, "rspamd has answered."),
    name("rspamd", "action", Field::RspamdAction, T::TEXT, U::SCAN, "What rspamd would do: \"add header\"; empty if it has not answered."),
    name("rspamd", "score", Field::RspamdScore, T::DOUBLE, U::SCAN, "rspamd's own score."),
    name("rspamd", "required", Field::RspamdRequired, T::DOUBLE, U::SCAN, "The score from which on rspamd calls it spam."),
    name("time", "hour", Field::Hour, T::INT, U::TIME, "The hour in UTC, 0 to 23."),
    name("time", "minute", Field::Minute, T::INT, U::TIME, "The minute, 0 to 59."),
    name("time", "weekday", Field::Weekday, T::INT, U::TIME, "The day of the week in UTC, 1 for Monday to 7 for Sunday."),
    name("time", "date", Field::Date, T::TEXT, U::TIME, "The day in UTC, \"2026-01-31\"."),
    name("finding", "scanner", Field::FindingScanner, T::TEXT, U::NOTHING, "Who found it: \"yara\"."),
    name("finding", "symbol", Field::FindingSymbol, T::TEXT, U::NOTHING, "Its symbol."),
    name("finding", "severity", Field::FindingSeverity, T::SEVERITY, U::NOTHING, "How bad it is."),
    name("finding", "category", Field::FindingCategory, T::CATEGORY, U::NOTHING, "What kind of bad it is."),
    name("finding", "score", Field::FindingScore, T::DOUBLE, U::NOTHING, "What it adds to the score."),
    name("finding", "text", Field::FindingText, T::TEXT, U::NOTHING, "What was found, in a sentence."),
    name("finding", "where", Field::FindingWhere, T::TEXT, U::NOTHING, "Where in the message; may be empty."),
    name("url", "url", Field::UrlUrl, T::TEXT, U::NOTHING, "The address in normal form."),
    name("url", "host", Field::UrlHost, T::TEXT, U::NOTHING, "Its host, A-labels in lower case."),
    name("url", "domain", Field::UrlDomain, T::TEXT, U::NOTHING, "The domain that somebody registered; empty for an address."),
    name("url", "source", Field::UrlSource, T::TEXT, U::NOTHING, "What it stood in: \"text\", \"html:href\", \"qr\"."),
    name("url", "shown", Field::UrlShown, T::TEXT, U::NOTHING, "The text that a person sees for it."),
    name("url", "judgement", Field::UrlJudgement, T::TEXT, U::NOTHING, "What it is taken for: \"phish\"."),
    name("url", "feeds", Field::UrlFeeds, T::TEXTS, U::NOTHING, "The feeds and block lists that know it."),
    name("attachment", "name", Field::AttachmentName, T::TEXT, U::NOTHING, "Its file name."),
    name("attachment", "extension", Field::AttachmentExtension, T::TEXT, U::NOTHING, "The last extension in lower case, without dot."),
    name("attachment", "type", Field::AttachmentType, T::TEXT, U::NOTHING, "Its media type as declared, in lower case."),
    name("attachment", "size", Field::AttachmentSize, T::INT, U::NOTHING, "Its size in bytes."),
    name("attachment", "sha256", Field::AttachmentSha256, T::TEXT, U::NOTHING, "SHA-256 of its content, in lower-case hexadecimal digits."),
    name("attachment", "path", Field::AttachmentPath, T::TEXTS, U::NOTHING, "The names from the outermost container to this file."),
    name("entry", "list", Field::HitList, T::TEXT, U::NOTHING, "Its list: \"allow\" or \"block\"."),
    name("entry", "on", Field::HitOn, T::TEXT, U::NOTHING, "What it matched: \"client\", \"sender\", \"from\", \"url\", \"attachment\" or \"header\"."),
    name("entry", "entry", Field::HitEntry, T::TEXT, U::NOTHING, "The entry as it is listed: \"url:evil.example\"."),
    name("entry", "scope", Field::HitScope, T::TEXT, U::NOTHING, "For whom it is: \"@example.org\"; empty for all."),
    name("entry", "comment", Field::HitComment, T::TEXT, U::NOTHING, "Why it is on the list; empty if nobody wrote it down."),
    name("entry", "excepted", Field::HitExcepted, T::BOOL, U::NOTHING, "A narrower entry of the allow list is an exception from it."),
];

/// The fields that every topic has.
type OfTopic = (&'static str, fn(Topic) -> Field, Type, &'static str);
#[rustfmt::skip]
static OF_TOPIC: [OfTopic; 5] = [
    ("applies", Field::TopicApplies, T::BOOL, "The settings ask for something: wants != nothing."),
    ("wants", Field::TopicWants, T::DISPOSITION, "What the settings ask for; nothing, where they ask for nothing."),
    ("category", Field::TopicCategory, T::CATEGORY, "Of what kind the mail is for it."),
    ("reason", Field::TopicReason, T::TEXT, "Why, in a few words; empty where nothing is asked for."),
    ("told", Field::TopicTold, T::TEXT, "What was seen, in a sentence."),
];

/// All names.
pub(super) static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let mut all = PLAIN.to_vec();
    for topic in Topic::ALL {
        let uses = match topic {
            Topic::Blocked | Topic::Allowed => U::LISTS.and(U::RECIPIENT),
            _ => U::SCAN,
        };
        for (field, of, ty, doc) in OF_TOPIC {
            let is_told = ty == T::TEXT && uses.has(U::RECIPIENT);
            let uses = if is_told { uses.and(U::NAMES) } else { uses };
            all.push(name(topic.name(), field, of(topic), ty, uses, doc));
        }
    }
    all
});

/// A name of `record`; the empty record holds the names that stand alone.
pub(super) fn find(record: &str, name: &str) -> Option<&'static Name> {
    NAMES.iter().find(|n| n.record == record && n.name == name)
}

/// Whether there is a record of this name that stands alone.
pub(super) fn is_record(name: &str) -> bool {
    !matches!(name, "" | "finding" | "url" | "attachment" | "entry") && NAMES.iter().any(|n| n.record == name)
}

/// A function, for people and for those who mistype it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// It stands behind a dot: `subject.contains("x")`.
    pub(super) method: bool,
    /// How it is called.
    pub(super) shape: &'static str,
    /// What it gives, in a sentence.
    pub(super) doc: &'static str,
}

const fn global(name: &'static str, shape: &'static str, doc: &'static str) -> Function {
    Function { name, method: false, shape, doc }
}

const fn method(name: &'static str, shape: &'static str, doc: &'static str) -> Function {
    Function { name, method: true, shape, doc }
}

/// All functions.
#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    global("header", "header(\"List-Id\")", "The first field of that name, decoded; empty if there is none."),
    global("headers", "headers(\"Received\")", "All fields of that name, decoded."),
    global("has_header", "has_header(\"List-Id\")", "Whether there is such a field."),
    global("found", "found(\"PHISH_*\") or found(\"EICAR\", \"clamd\")", "Whether there is such a finding; * stands for any text."),
    global("worst", "worst(phish)", "The severity of the worst finding of that category; none if there is none."),
    global("count", "count(phish)", "How many findings of that category there are."),
    global("supported", "supported(thresholds.tag)", "The worst category whose findings, with worse ones, reach that score by themselves."),
    global("outcome", "outcome(\"clamd\")", "How that scanner ended: ok, found, skipped, failed, timeout or absent."),
    global("listed", "listed(\"block\") or listed(\"allow\", \"url\")", "Whether an entry of that list matches; with a second word, whether it matches there: client, sender, from, url, attachment or header. That an allowed sender is who he says is not looked at, and exceptions are not taken off: blocked and allowed do."),
    global("ip_in", "ip_in(session.client_ip, [\"192.0.2.0/24\"])", "Whether that address is in one of the networks."),
    global("domain_in", "domain_in(envelope.sender_domain, [\"example.org\"])", "Whether that domain is one of these or below one."),
    global("size", "size(urls)", "How many elements a list or characters a text has."),
    global("has", "has(auth.dmarc)", "True: every name that is known is there."),
    method("startsWith", "x.startsWith(\"a\")", "Whether a text begins so."),
    method("endsWith", "x.endsWith(\"a\")", "Whether a text ends so."),
    method("contains", "x.contains(\"a\")", "Whether a text holds that one."),
    method("matches", "x.matches(\"^a+$\")", "Whether a regular expression matches anywhere in a text."),
    method("lower", "x.lower()", "The text in lower case."),
    method("lowerAscii", "x.lowerAscii()", "The text with A to Z in lower case."),
    method("upper", "x.upper()", "The text in upper case."),
    method("upperAscii", "x.upperAscii()", "The text with a to z in upper case."),
    method("trim", "x.trim()", "The text without white space around it."),
    method("size", "x.size()", "How many elements a list or characters a text has."),
    method("exists", "urls.exists(u, u.host == \"a.example\")", "Whether the condition holds for an element."),
    method("all", "urls.all(u, u.host == \"a.example\")", "Whether the condition holds for all elements."),
    method("exists_one", "urls.exists_one(u, u.source == \"qr\")", "Whether the condition holds for exactly one element."),
    method("filter", "urls.filter(u, u.source == \"qr\")", "The elements for which the condition holds."),
    method("map", "urls.map(u, u.host)", "What the expression gives for each element; with a condition between, for those for which it holds."),
];
