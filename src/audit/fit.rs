//! Keeping a record within bounds, because everything in it came from outside.

use std::borrow::Cow;
use std::sync::Arc;

use super::record::Record;
use crate::model::authentication::Spf;
use crate::model::file_name::shortened;
use crate::model::{Authentication, Author, ClientAddr, Explanation, Recipient};

/// How much of each thing a record may hold. Texts are counted in characters.
pub(super) struct Bounds {
    list: usize,
    recipients: usize,
    verdicts: usize,
    path: usize,
    text: usize,
    address: usize,
}

/// What a record may hold: more than an honest message ever has.
pub(super) const USUAL: Bounds =
    Bounds { list: 200, recipients: 1000, verdicts: 100, path: 3, text: 1000, address: 512 };
/// What it may hold if it is still too long then: more than [`allowance`]. Even if every character takes
/// twelve bytes, such a record has a few ten kilobytes.
pub(super) const TIGHT: Bounds =
    Bounds { list: 12, recipients: 100, verdicts: 5, path: 1, text: 120, address: 60 };

/// The most bytes that the record of this message should take: some, and twice what its sender sent. So
/// nobody can fill the journal, and push old days out of it, with much less than he sends.
pub(super) fn allowance(record: &Record) -> usize {
    let sent = usize::try_from(record.message.size).unwrap_or(usize::MAX);
    let recipients: usize = record.envelope.recipients.iter().map(|r| r.argument().len() + 16).sum();
    (16 * 1024_usize).saturating_add(sent.saturating_add(recipients).saturating_mul(2))
}

/// Names of one file besides the first: as many as are ever seen.
const MAX_OTHER_NAMES: usize = 3;

/// Longest subject, in characters.
const MAX_SUBJECT: usize = 200;

impl Record {
    /// Cuts what is too long. Whatever is left out is said in `left_out`.
    pub(super) fn fit(&mut self, bounds: &Bounds) {
        let mut left_out = Vec::new();
        let Bounds { list, recipients, verdicts, path, text, address } = *bounds;
        shorten(&mut left_out, "recipients", &mut self.envelope.recipients, recipients);
        shorten(&mut left_out, "dispositions", &mut self.plan.dispositions, recipients);
        shorten(&mut left_out, "parameters", &mut self.envelope.parameters, list);
        shorten(&mut left_out, "attachments", &mut self.attachments, list);
        shorten(&mut left_out, "links", &mut self.urls, list);
        shorten(&mut left_out, "reasons why not inspected", &mut self.not_inspected, list);
        shorten(&mut left_out, "findings", &mut self.findings, list);
        shorten(&mut left_out, "entries of the lists", &mut self.lists.0, list);
        shorten(&mut left_out, "verdicts", &mut self.verdicts, verdicts);
        shorten(&mut left_out, "headers", &mut self.plan.headers, list);
        shorten(&mut left_out, "names of removed fields", &mut self.plan.removed, list);
        shorten(&mut left_out, "redirected recipients", &mut self.plan.also.redirected, recipients);
        shorten(&mut left_out, "copies", &mut self.plan.also.copies, list);
        if let Some(seen) = &mut self.authentication {
            shorten(&mut left_out, "signatures", &mut seen.dkim, list);
            for spf in seen.mail_from.iter_mut().chain(&mut seen.helo) {
                shorten(&mut left_out, "steps of SPF", &mut spf.steps, list);
            }
            if let Some(chain) = &mut seen.arc {
                shorten(&mut left_out, "sealers", &mut chain.sealers, list);
            }
            shorten(&mut left_out, "domains that could be shown", &mut seen.shown, list);
            if let Author::SeveralDomains(domains) = &mut seen.author {
                shorten(&mut left_out, "domains of authors", domains, list);
            }
        }
        for shared in &mut self.verdicts {
            shorten(&mut left_out, "recipients of a verdict", &mut shared.recipients, recipients);
            let Explanation(steps) = &mut shared.verdict.explanation;
            let steps = Arc::make_mut(steps);
            // The end of an explanation is where it was decided.
            let surplus = steps.len().saturating_sub(list);
            if surplus > 0 {
                steps.drain(..surplus);
                left_out.push(format!("the first {surplus} steps of an explanation"));
            }
        }

        let mut cut = 0;
        for file in &mut self.attachments {
            file.other_names.truncate(MAX_OTHER_NAMES.min(list));
            file.path.truncate(path);
            let names = std::iter::once(&mut file.name).chain(&mut file.other_names).map(|s| (s, 120));
            for (name, max) in names.chain(file.path.iter_mut().map(|s| (s, 60))) {
                cut += usize::from(cut_name(name, max.min(text)));
            }
        }
        self.texts(text, address, path, &mut |s, max| cut += usize::from(cut_text(s, max)));
        for path in std::iter::once(&mut self.envelope.reverse_path.0).chain(&mut self.envelope.recipients) {
            if path.argument().len() > address {
                let mut s = String::from_utf8_lossy(path.argument()).into_owned();
                cut += usize::from(cut_text(&mut s, address));
                *path = Recipient::new(s);
            }
        }
        if cut > 0 {
            left_out.push(format!("the ends of {cut} long texts"));
        }
        self.left_out.append(&mut left_out);
    }

    /// Every text that came from outside, with the most characters it may have.
    fn texts(&mut self, text: usize, address: usize, path: usize, each: &mut impl FnMut(&mut String, usize)) {
        let session = &mut self.session;
        each(&mut session.client.name, address);
        if let ClientAddr::Unix(socket) = &mut session.client.addr {
            each(socket, address);
        }
        let words = [
            &mut session.helo,
            &mut session.user,
            &mut session.auth_method,
            &mut session.mta,
            &mut session.daemon,
            &mut self.envelope.queue_id,
            &mut self.message.from,
            &mut self.message.message_id,
        ];
        words.into_iter().flatten().for_each(|s| each(s, address));
        if let Some(tls) = &mut session.tls {
            each(&mut tls.version, address);
            each(&mut tls.cipher, address);
        }
        self.envelope.parameters.iter_mut().for_each(|s| each(s, address));
        self.message.subject.iter_mut().for_each(|s| each(s, MAX_SUBJECT.min(text)));
        self.attachments.iter_mut().for_each(|file| each(&mut file.media_type, address));
        for seen in &mut self.urls {
            each(&mut seen.url, text.min(500));
            each(&mut seen.shown, text.min(120));
            seen.listed.truncate(path.max(3));
        }
        for outcome in self.coverage.0.values_mut() {
            if let crate::model::Outcome::Failed(failure) = outcome {
                each(&mut failure.label, 40);
                each(&mut failure.detail, text);
            }
        }
        for finding in &mut self.findings {
            each(&mut finding.symbol, address);
            each(&mut finding.text, text);
            finding.location.iter_mut().for_each(|s| each(s, text));
        }
        if let Some(seen) = &mut self.authentication {
            authentication_texts(seen, text, address, each);
        }
        for hit in &mut self.lists.0 {
            each(&mut hit.entry, address);
            hit.scope.iter_mut().chain(&mut hit.beside).for_each(|s| each(s, address));
            hit.comment.iter_mut().for_each(|s| each(s, text));
        }
        for shared in &mut self.verdicts {
            each(&mut shared.verdict.rule, address);
            each(&mut shared.verdict.reason, text);
            for step in Arc::make_mut(&mut shared.verdict.explanation.0) {
                each(&mut step.rule, address);
                each(&mut step.saw, text);
            }
        }
        for header in &mut self.plan.headers {
            each(&mut header.name, address);
            each(&mut header.value, text.max(500));
        }
        let also = &mut self.plan.also;
        also.copies.iter_mut().for_each(|s| each(s, address));
        also.redirected.iter_mut().for_each(|one| each(&mut one.to, address));
        also.left_out.iter_mut().for_each(|one| each(&mut one.why, text));
        for fields in &mut self.plan.removed {
            each(&mut fields.name, address);
            fields.claimed.iter_mut().for_each(|s| each(s, address));
        }
    }
}

fn authentication_texts(
    seen: &mut Authentication,
    text: usize,
    address: usize,
    each: &mut impl FnMut(&mut String, usize),
) {
    for Spf { result: _, domain, identity, reason, over_budget: _, steps } in
        seen.mail_from.iter_mut().chain(&mut seen.helo)
    {
        each(domain, address);
        each(identity, address);
        reason.iter_mut().chain(steps).for_each(|s| each(s, text));
    }
    for signature in &mut seen.dkim {
        let words = [&mut signature.domain, &mut signature.selector, &mut signature.algorithm];
        words.into_iter().chain([&mut signature.signature]).for_each(|s| each(s, address));
        signature.identity.iter_mut().for_each(|s| each(s, address));
        signature.reason.iter_mut().for_each(|s| each(s, text));
    }
    if let Some(chain) = &mut seen.arc {
        chain.sealers.iter_mut().chain(&mut chain.trusted).for_each(|s| each(s, address));
        chain.reason.iter_mut().for_each(|s| each(s, text));
    }
    for dmarc in seen.dmarc.iter_mut().chain(&mut seen.shown) {
        each(&mut dmarc.domain, address);
        dmarc.record.iter_mut().for_each(|s| each(s, address));
        dmarc.reason.iter_mut().for_each(|s| each(s, text));
    }
    if let Some(iprev) = &mut seen.iprev {
        iprev.name.iter_mut().for_each(|s| each(s, address));
    }
    seen.told_by.iter_mut().for_each(|s| each(s, address));
    match &mut seen.author {
        Author::Domain(domain) => each(domain, address),
        Author::SeveralDomains(domains) => domains.iter_mut().for_each(|s| each(s, address)),
        Author::Unreadable(why) => each(why, text),
        Author::Missing | Author::SeveralFields(_) => {}
    }
}

fn shorten<T>(left_out: &mut Vec<String>, what: &str, list: &mut Vec<T>, max: usize) {
    if list.len() > max {
        left_out.push(format!("{} {what}", list.len() - max));
        list.truncate(max);
    }
}

/// Leaves out the middle: how a name ends is what rules ask for. Whether there was anything to cut.
fn cut_name(name: &mut String, max: usize) -> bool {
    let cut = match shortened(name, max) {
        Cow::Borrowed(_) => return false,
        Cow::Owned(cut) => cut,
    };
    *name = cut;
    true
}

/// Cuts after `max` characters and marks the cut; whether there was anything to cut.
fn cut_text(s: &mut String, max: usize) -> bool {
    if s.len() <= max {
        return false;
    }
    match s.char_indices().nth(max) {
        Some((at, _)) => {
            s.truncate(at);
            s.pop();
            s.push('…');
            true
        }
        None => false,
    }
}
