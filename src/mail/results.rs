//! What was verified, as an Authentication-Results field (RFC 8601 §2.2).
//!
//! Properties that IANA registers: `smtp.mailfrom`, `smtp.helo` (spf), `header.d`, `.i`, `.s`, `.a`, `.b` (dkim),
//! `header.from` (dmarc), `smtp.remote-ip` (arc, RFC 8617 §10.2), `policy.iprev`. Common practice, as nothing is
//! registered for it: `policy.dmarc`, the policy after `sp` and `np` (`polrec.p` of RFC 9989 is `p` alone, so it
//! is not written); in comments the sealers of an ARC chain, as rspamd has them, and the client's name after
//! iprev. A type of property that is not registered, or a quoted value that is not the last of its method, makes
//! Debian's authres drop the properties of that method, so there is neither.

use crate::model::authentication::{ArcChain, Dkim, Dmarc, Iprev, Method, Spf};
use crate::model::{AuthResult, Authentication, Author, Outcome, text};

/// The most signatures that are told.
const MAX_SIGNATURES: usize = 10;
/// The longest value of a property, in characters.
const MAX_VALUE: usize = 255;
/// The longest reason, in characters.
const MAX_REASON: usize = 120;
/// The longest field, in characters: [`HeaderValue`](crate::model::HeaderValue) cuts beyond 4096, and a cut would
/// leave a quotation mark open. What is not a signature takes 2600 at most.
const MAX_FIELD: usize = 3900;

/// The value of the field on one line: `ID; spf=… smtp.mailfrom=…; dkim=… header.d=…; dmarc=…; …`. At most 3900
/// characters, in words of at most 270; where there are too many signatures, those that pass are told first, and
/// how many are not.
///
/// Nothing that a sender chose can break out of its property: a value that is more than letters, digits
/// and a few signs stands in quotation marks. All is ASCII, so that the field may stand in any message
/// (RFC 8616 §4): domains are A-labels, and an address of which the local part is odd or not ASCII is told
/// by its domain alone, as the syntax of `pvalue` allows.
///
/// A pass of HELO is told only beside a pass of MAIL FROM, because a rule that looks for `spf=pass` would take
/// it for the sender's. For a bounce, which has no MAIL FROM, HELO stands in (RFC 7208 §2.4).
#[must_use]
pub fn authentication_results(authserv_id: &str, seen: &Authentication) -> String {
    if *seen == Authentication::default() {
        // Nobody looked (§2.2).
        return format!("{authserv_id}; none");
    }
    let spf = spf(seen);
    let rest = rest(seen);
    let length = |list: &[String]| list.iter().map(|method| method.len() + 2).sum::<usize>();
    let room = MAX_FIELD.saturating_sub(authserv_id.len() + length(&spf) + length(&rest));
    let all = [vec![authserv_id.to_owned()], spf, dkim(seen, room), rest];
    all.concat().join("; ")
}

/// The value of the field where the scanner that verifies came to no result. It failed or ran out of time: each
/// method is `temperror` (RFC 8601 §2.7: a later attempt may produce a final result), because `none` would say
/// that there was nothing to verify, and a reader that judges DMARC by this field would conclude a failure. It
/// did not look by intention: `none`, which says that nothing was verified (§2.2).
#[must_use]
pub fn not_verified(authserv_id: &str, outcome: &Outcome) -> String {
    let reason = match outcome {
        Outcome::Clean | Outcome::Found | Outcome::Partial { .. } | Outcome::Skipped(_) => {
            return format!("{authserv_id}; none");
        }
        Outcome::Failed(_) => "the check failed",
        Outcome::TimedOut(_) => "the check did not end in time",
    };
    let mut out = authserv_id.to_owned();
    for method in [Method::Spf, Method::Dkim, Method::Dmarc] {
        out.push_str(&format!("; {method}={} reason={}", AuthResult::TempError, quoted(reason, MAX_REASON)));
    }
    out
}

/// One `resinfo`: `method=result`, a comment, `reason=`, properties. What has no value is left out.
fn resinfo(
    seen: &Authentication,
    method: Method,
    result: AuthResult,
    note: Option<String>,
    reason: Option<&str>,
    properties: &[(&str, &str)],
) -> String {
    let mut out = format!("{method}={result}");
    let told_by = seen.told_by.as_deref().filter(|_| seen.told.contains(&method));
    let told = told_by.map(|by| format!("as told by {by}"));
    if let Some(note) = told.iter().chain(&note).map(|note| comment(note)).reduce(|a, b| format!("{a} {b}")) {
        out.push_str(&format!(" {note}"));
    }
    // Whose word it is stands there already.
    if let Some(reason) = reason.filter(|reason| told.is_none() && !reason.trim().is_empty()) {
        out.push_str(&format!(" reason={}", quoted(reason, MAX_REASON)));
    }
    for (property, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!(" {property}={}", self::value(value)));
    }
    out
}

fn spf(seen: &Authentication) -> Vec<String> {
    let one = |spf: &Spf, property: &str, identity: &str| {
        let reason = told(spf.result, spf.reason.as_deref());
        resinfo(seen, Method::Spf, spf.result, None, reason, &[(property, identity)])
    };
    let passes = |spf: Option<&Spf>| spf.is_some_and(|spf| spf.result == AuthResult::Pass);
    let (mail_from, helo) = (seen.mail_from.as_ref(), seen.helo.as_ref());
    // For the null reverse-path the HELO name was judged twice.
    let is_bounce = mail_from.is_some() && mail_from == helo;
    let mail_from = mail_from.filter(|_| !is_bounce);
    let helo = helo.filter(|helo| {
        let speaks = helo.result != AuthResult::None && (!passes(Some(helo)) || passes(mail_from));
        is_bounce || mail_from.is_none() || speaks
    });
    let told = mail_from.map(|spf| one(spf, "smtp.mailfrom", &address(spf)));
    told.into_iter().chain(helo.map(|spf| one(spf, "smtp.helo", &spf.domain))).collect()
}

/// The signatures in the order of the message, as many as there is room for.
fn dkim(seen: &Authentication, room: usize) -> Vec<String> {
    if seen.dkim.is_empty() {
        return vec![resinfo(seen, Method::Dkim, AuthResult::None, None, None, &[])];
    }
    let author = seen.author.domain().unwrap_or_default();
    let below =
        |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let mut order: Vec<(usize, &Dkim)> = seen.dkim.iter().enumerate().collect();
    order.sort_by_key(|(_, dkim)| {
        let related = below(author, &dkim.domain) || below(&dkim.domain, author);
        (dkim.result != AuthResult::Pass, !related)
    });
    let mut chosen: Vec<(usize, String)> = Vec::new();
    // For the comment on those that are left out.
    let mut left = room.saturating_sub(30);
    for (position, dkim) in order.into_iter().take(MAX_SIGNATURES) {
        let method = signature(seen, dkim);
        if let Some(less) = left.checked_sub(method.len() + 2) {
            left = less;
            chosen.push((position, method));
        }
    }
    chosen.sort_unstable();
    let untold = seen.dkim.len() - chosen.len() + seen.dkim_left_out;
    let mut told: Vec<String> = chosen.into_iter().map(|(_, method)| method).collect();
    if let Some(last) = told.last_mut().filter(|_| untold > 0) {
        last.push_str(&format!(" {}", comment(&format!("and {untold} more"))));
    }
    told
}

fn signature(seen: &Authentication, dkim: &Dkim) -> String {
    let identity = dkim.identity.as_deref().map(identity).unwrap_or_default();
    let properties = [
        ("header.d", &*dkim.domain),
        ("header.i", &identity),
        ("header.s", &dkim.selector),
        ("header.a", &dkim.algorithm),
        ("header.b", &dkim.signature),
    ];
    let reason = told(dkim.result, dkim.reason.as_deref());
    resinfo(seen, Method::Dkim, dkim.result, None, reason, &properties)
}

/// DMARC, ARC, iprev.
fn rest(seen: &Authentication) -> Vec<String> {
    let mut list = vec![dmarc(seen)];
    if let Some(arc) = &seen.arc {
        let ArcChain { result, sealers, reason, .. } = arc;
        let client = seen.client.map(|ip| ip.to_string()).unwrap_or_default();
        let sealed = Some(chain(sealers)).filter(|chain| !chain.is_empty());
        let note = sealed.map(|chain| format!("sealed by {chain}"));
        let properties = [("smtp.remote-ip", &*client)];
        list.push(resinfo(seen, Method::Arc, *result, note, told(*result, reason.as_deref()), &properties));
    }
    if let (Some(Iprev { result, name }), Some(client)) = (&seen.iprev, seen.client) {
        let name = name.as_deref().filter(|name| !name.is_empty()).map(str::to_owned);
        let client = client.to_string();
        list.push(resinfo(seen, Method::Iprev, *result, name, None, &[("policy.iprev", &client)]));
    }
    list
}

/// Where there is not one author's domain, DMARC cannot be judged, which is not the same as nothing to judge.
fn dmarc(seen: &Authentication) -> String {
    if let Some(Dmarc { result, domain, policy, reason, .. }) = &seen.dmarc {
        let word = policy.map(crate::model::DmarcPolicy::name).unwrap_or_default();
        // That it fails says enough; that it is none although there is a policy does not.
        let reason = reason.as_deref().filter(|_| match result {
            AuthResult::None => policy.is_some(),
            other => !matches!(other, AuthResult::Pass | AuthResult::Fail),
        });
        let properties = [("header.from", &**domain), ("policy.dmarc", word)];
        return resinfo(seen, Method::Dmarc, *result, None, reason, &properties);
    }
    let reason = match &seen.author {
        Author::Domain(_) => return resinfo(seen, Method::Dmarc, AuthResult::None, None, None, &[]),
        Author::Missing => "there is no From field".to_owned(),
        Author::SeveralFields(n) => format!("there are {n} From fields"),
        Author::SeveralDomains(domains) => format!("From names {} domains", domains.len()),
        Author::Unreadable(why) => format!("From cannot be read without doubt: {why}"),
    };
    resinfo(seen, Method::Dmarc, AuthResult::PermError, None, Some(&reason), &[])
}

/// The sealers, first to last; of a long chain the last ones.
fn chain(sealers: &[String]) -> String {
    let mut told = String::new();
    for sealer in sealers.iter().rev() {
        let more = if told.is_empty() { sealer.clone() } else { format!("{sealer}, {told}") };
        if more.len() + 10 > MAX_VALUE {
            break;
        }
        told = more;
    }
    told
}

/// Why, where that is of use to who reads the field: a pass needs no reason.
fn told(result: AuthResult, reason: Option<&str>) -> Option<&str> {
    reason.filter(|_| !matches!(result, AuthResult::Pass | AuthResult::None))
}

/// Nothing of it needs an escape in any reader.
fn is_plain(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+=/".contains(&b))
}

/// The identity that SPF judged, by its domain alone where its local part is not plain.
pub(super) fn address(spf: &Spf) -> String {
    match spf.identity.rsplit_once('@') {
        Some((local, domain)) if is_plain(local) && is_plain(domain) && !spf.domain.is_empty() => {
            format!("{local}@{}", spf.domain)
        }
        _ => spf.domain.clone(),
    }
}

/// `i=` of a signature, with nothing before the `@` where its local part would need quotation marks; empty if its
/// domain would as well.
fn identity(identity: &str) -> String {
    let token = |s: &str| is_plain(s) && !s.contains(['=', '/']);
    match identity.rsplit_once('@') {
        Some((local, domain)) if token(domain) => {
            let local = if token(local) { local } else { "" };
            format!("{local}@{domain}")
        }
        _ => String::new(),
    }
}

/// A value as it may stand in a property: a token, or an address, or quoted.
fn value(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_+@".contains(&b);
    if value.len() <= MAX_VALUE
        && value.bytes().all(plain)
        && value.bytes().filter(|b| *b == b'@').count() <= 1
    {
        return value.to_owned();
    }
    quoted(value, MAX_VALUE)
}

/// A quoted string of printable ASCII, with nothing in it that has to be escaped: not every reader undoes that.
/// Such a character is replaced and not left out, so that no other name appears.
pub(super) fn quoted(value: &str, max: usize) -> String {
    let safe = text::ascii_line(value, max);
    let inner: String = safe.chars().map(|c| if matches!(c, '"' | '\\') { '?' } else { c }).collect();
    format!("\"{inner}\"")
}

/// A comment (RFC 5322 §3.2.2) of letters, digits and a few signs.
pub(super) fn comment(note: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || " .-_:/,@".contains(c) { c } else { '?' };
    let inner: String = note.chars().take(MAX_VALUE).map(safe).collect();
    format!("({inner})")
}

#[cfg(test)]
mod tests;
