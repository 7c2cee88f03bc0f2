//! What was verified of the sender, as lines for people: each method with its result and the reason.

use super::explain::Story;
use crate::model::authentication::{ArcChain, Dkim, Dmarc, Iprev, Method, Spf};
use crate::model::{AuthResult, Authentication, Author, Outcome, Scanner, Skip, text};

/// The longest reason that is shown.
const MAX_REASON: usize = 200;
/// The longest address or name that is shown.
const MAX_NAME: usize = 120;
/// The most names of a list that are shown.
const MAX_NAMES: usize = 10;

/// The block of a message. A single line where nobody looked although somebody should have, nothing where
/// nobody was asked.
pub(super) fn lines(story: &Story<'_>) -> Vec<String> {
    let Some(seen) = story.authentication else {
        let why = match story.coverage.0.get(&Scanner::Auth) {
            None => return Vec::new(),
            Some(Outcome::Skipped(Skip::Exempt)) => "mail that goes out is not verified".to_owned(),
            Some(Outcome::Failed(failure)) => text::line(&failure.detail, MAX_REASON),
            Some(outcome) => outcome.to_string(),
        };
        return vec![format!("authentication  not looked at: {why}")];
    };
    let mut lines = vec!["authentication".to_owned()];
    let mut tell = |what: &str, result: &str, told: String| {
        lines.push(format!("  {what:<6}  {result:<9}  {told}").trim_end().to_owned());
    };
    tell("client", "", client(story, seen));
    tell("author", "", author(&seen.author));
    if let Some(by) = &seen.told_by {
        let told: Vec<&str> = seen.told.iter().map(|method| method.name()).collect();
        let by = text::line(by, MAX_NAME);
        tell(
            "told",
            "",
            format!("{by} is trusted, so these were not verified again: {}", names(told.into_iter())),
        );
    }
    // The HELO name stands in for an empty MAIL FROM, and is then told once.
    let identities = match seen.mail_from == seen.helo {
        true => [("MAIL FROM is empty, HELO", &seen.mail_from), ("", &None)],
        false => [("MAIL FROM", &seen.mail_from), ("HELO", &seen.helo)],
    };
    for (identity, spf) in identities {
        let Some(spf) = spf else { continue };
        tell("spf", spf.result.name(), format!("{identity} {}", self::spf(spf)));
        spf.steps.iter().for_each(|step| tell("", "", format!("  {}", text::line(step, MAX_REASON))));
    }
    if seen.mail_from.is_none() && seen.helo.is_none() {
        match seen.no_client {
            Some(_) => tell("spf", "-", "not looked at, as there is no client to judge".to_owned()),
            None => tell("spf", "none", "neither MAIL FROM nor HELO gives a domain".to_owned()),
        }
    }
    for signature in &seen.dkim {
        tell("dkim", signature.result.name(), dkim(signature));
    }
    if seen.dkim_left_out > 0 {
        tell("dkim", "-", format!("{} more signatures were not looked at", seen.dkim_left_out));
    } else if seen.dkim.is_empty() {
        let by = seen.told_by.as_deref().filter(|_| seen.told.contains(&Method::Dkim));
        let by = by.map(|by| format!(", as told by {}", text::line(by, MAX_NAME)));
        tell("dkim", "none", format!("there is no signature{}", by.unwrap_or_default()));
    }
    if let Some(chain) = &seen.arc {
        tell("arc", chain.result.name(), arc(chain));
    }
    match &seen.dmarc {
        Some(found) => {
            tell("dmarc", found.result.name(), dmarc(found));
            for step in evidence(seen, found) {
                tell("", "", format!("  {step}"));
            }
        }
        None => {
            let why = "nobody can pass, as there is not exactly one author's domain";
            tell("dmarc", "permerror", why.to_owned());
            for found in &seen.shown {
                tell("", found.result.name(), format!("as shown by some: {}", dmarc(found)));
            }
            if seen.shown_in_part {
                tell("", "-", "other domains may be shown that are not known".to_owned());
            }
        }
    }
    match &seen.iprev {
        Some(found) => {
            let by = seen.told_by.as_deref().filter(|_| seen.told.contains(&Method::Iprev));
            let told = by.map(|by| format!("as told by {}", text::line(by, MAX_NAME)));
            tell("iprev", found.result.name(), told.unwrap_or_else(|| iprev(found)));
        }
        None if seen.no_client.is_some() => {
            tell("iprev", "-", "not looked at, as there is no client to judge".to_owned());
        }
        None => {}
    }
    lines
}

/// Who was judged, and how that is known.
fn client(story: &Story<'_>, seen: &Authentication) -> String {
    match (seen.client, seen.no_client, story.client) {
        (Some(judged), _, Some(connected)) if judged.to_canonical() != connected.to_canonical() => {
            format!("{judged}, as the trusted relay {connected} says in its Received field")
        }
        (Some(judged), _, _) => judged.to_string(),
        (None, Some(Skip::Relay), Some(connected)) => {
            format!("not known: {connected} is a trusted relay, and its Received field names no host outside")
        }
        (None, _, _) => "not known".to_owned(),
    }
}

fn author(author: &Author) -> String {
    match author {
        Author::Domain(domain) => text::line(domain, MAX_NAME),
        Author::Missing => "none: there is no From field".to_owned(),
        Author::SeveralFields(n) => format!("not one: there are {n} From fields"),
        Author::SeveralDomains(domains) => {
            format!("not one: the From field names {}", names(domains.iter().map(String::as_str)))
        }
        Author::Unreadable(why) => {
            format!("not known: the From field cannot be read without doubt: {}", text::line(why, MAX_REASON))
        }
    }
}

fn spf(spf: &Spf) -> String {
    let identity = if spf.identity.is_empty() { "<>" } else { &spf.identity };
    let reason = match (spf.result, spf.reason.as_deref()) {
        (_, Some(reason)) => text::line(reason, MAX_REASON),
        (AuthResult::None, None) => format!("{} has no SPF record", text::line(&spf.domain, MAX_NAME)),
        (_, None) => return text::line(identity, MAX_NAME),
    };
    format!("{}: {reason}", text::line(identity, MAX_NAME))
}

fn dkim(signature: &Dkim) -> String {
    let Dkim { domain, selector, algorithm, identity, testing, reason, .. } = signature;
    let mut told: Vec<String> = [("d", &**domain), ("s", selector), ("a", algorithm)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(tag, value)| format!("{tag}={}", text::line(value, MAX_NAME)))
        .collect();
    told.extend(identity.iter().map(|identity| format!("i={}", text::line(identity, MAX_NAME))));
    if *testing {
        told.push("(the key is a test, t=y)".to_owned());
    }
    let told = told.join(" ");
    match reason.as_deref().map(|reason| text::line(reason, MAX_REASON)) {
        Some(reason) if told.is_empty() => reason,
        Some(reason) => format!("{told}: {reason}"),
        None => told,
    }
}

fn arc(chain: &ArcChain) -> String {
    let ArcChain { sets, sealers, trusted, reason, .. } = chain;
    if let (0, Some(reason)) = (sets, reason) {
        return text::line(reason, MAX_REASON);
    }
    let sets = if *sets == 1 { "1 set".to_owned() } else { format!("{sets} sets") };
    let mut told = match sealers.is_empty() {
        true => sets,
        false => format!("{sets}, sealed by {}", names(sealers.iter().map(String::as_str))),
    };
    if let Some(reason) = reason {
        told.push_str(&format!(": {}", text::line(reason, MAX_REASON)));
    }
    match trusted {
        Some(sealer) => told.push_str(&format!(
            "; {} is trusted, and says that the sender was verified there",
            text::line(sealer, MAX_NAME)
        )),
        None if chain.result == AuthResult::Pass => told.push_str("; nothing rests on it"),
        None => {}
    }
    told
}

fn dmarc(found: &Dmarc) -> String {
    let Dmarc { domain, policy, record, reason, .. } = found;
    let mut told = text::line(domain, MAX_NAME);
    if let Some(policy) = policy {
        let of = record.as_deref().map(|name| format!(" ({})", text::line(name, MAX_NAME)));
        told.push_str(&format!(" asks for {}{}", policy.name(), of.unwrap_or_default()));
    }
    let aligned = match (found.spf_aligned, found.dkim_aligned) {
        (true, true) => Some("SPF and a signature speak for it"),
        (true, false) => Some("SPF speaks for it"),
        (false, true) => Some("a signature speaks for it"),
        (false, false) => None,
    };
    told.extend(aligned.map(|aligned| format!(": {aligned}")));
    if let Some(reason) = reason {
        if told == *domain && reason.starts_with(domain) {
            return text::line(reason, MAX_REASON);
        }
        let after = if aligned.is_some() { "; " } else { ": " };
        told.push_str(&format!("{after}{}", text::line(reason, MAX_REASON)));
    }
    told
}

/// Who else passed, where nobody spoke for the author: what an admin looks for first.
fn evidence(seen: &Authentication, found: &Dmarc) -> Vec<String> {
    if found.policy.is_none() || found.spf_aligned || found.dkim_aligned {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let passed = |result| result == AuthResult::Pass;
    if let Some(spf) = seen.mail_from.as_ref().filter(|spf| passed(spf.result)) {
        lines.push(format!("SPF passes for {}, which is not aligned", text::line(&spf.domain, MAX_NAME)));
    }
    let mut signers: Vec<&str> = Vec::new();
    for signature in seen.dkim.iter().filter(|signature| passed(signature.result)) {
        if !signers.contains(&&*signature.domain) {
            signers.push(&signature.domain);
        }
    }
    if !signers.is_empty() {
        lines.push(format!("signatures pass for {}, which is not aligned", names(signers.into_iter())));
    }
    lines
}

fn iprev(found: &Iprev) -> String {
    let name = found.name.as_deref().map(|name| text::line(name, MAX_NAME));
    match (found.result, name) {
        (AuthResult::Pass, Some(name)) => format!("{name} leads back to the client"),
        (AuthResult::TempError, Some(name)) => format!("{name} could not be looked up"),
        (AuthResult::TempError, None) => "the client's name could not be looked up".to_owned(),
        (_, Some(name)) => format!("{name} does not lead back to the client"),
        (_, None) => "the client's address has no name".to_owned(),
    }
}

/// A list that ends.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut told = Vec::new();
    let mut more = 0;
    for name in all {
        if told.len() < MAX_NAMES {
            told.push(text::line(name, MAX_NAME));
        } else {
            more += 1;
        }
    }
    let told = told.join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}
