//! Before anything is measured: does each filter do its work, on mail from outside, of each kind?
//!
//! A probe of each mail goes through each port to a mailbox, and what the filter leaves on it is looked for: the results that only
//! a verified signature, a DNS that answers and a client from outside give. Who is there against viruses is sent one.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::super::mails::Kind;
use super::super::mta::{Delivered, Postfix, wait_until};
use super::load;
use super::mail::{Press, SENDER};
use super::rows::{Running, Who};

/// Who gets the probes.
pub(super) const PROBED: &str = "bob@example.org";
/// How long a probe may be on its way.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends the probes; what was seen, in a sentence.
///
/// # Errors
/// If a probe does not come through, or shows that the filter does not do its work.
pub(super) fn prove(who: Who, running: &Running, postfix: &Postfix, press: &Press) -> anyhow::Result<String> {
    let mut seen = String::new();
    for kind in Kind::ALL {
        let id = format!("probe.{}.{kind:?}", who.key());
        let delivered = send(who, postfix, &press.message(kind, &id)?, &id);
        let delivered = delivered.with_context(|| format!("{} as a probe", kind.name()))?;
        let delivered = delivered.with_context(|| format!("{} did not come through", kind.name()))?;
        let looked = look(who, &delivered, running.log.as_deref(), &id);
        seen = looked.with_context(|| format!("on {}", kind.name()))?;
    }
    if who.stops_viruses() {
        let id = format!("probe.{}.virus", who.key());
        let answer = virus(who, postfix, &press.infected(&id)?, &id)?;
        seen = format!("{seen}; the anti-virus test text: {answer}");
    }
    Ok(seen)
}

/// Sends one and waits for it in the mailbox; `None` if it went elsewhere.
fn send(who: Who, postfix: &Postfix, message: &[u8], id: &str) -> anyhow::Result<Option<Delivered>> {
    let mut client = load::connect(postfix.port(who.key())?)?;
    let sent = client.send(SENDER, &[PROBED], message)?;
    anyhow::ensure!(sent.taken(), "not taken: {}", sent.last());
    client.quit()?;
    arrived(postfix, id)
}

/// What the mailbox has under this Message-ID once nothing is on its way any more.
fn arrived(postfix: &Postfix, id: &str) -> anyhow::Result<Option<Delivered>> {
    wait_until("the probe's delivery", PATIENCE, || {
        Ok(postfix.queue()?.iter().all(|queued| queued.queue == "hold").then_some(()))
    })?;
    let wanted = format!("<{id}@bench.remote.example>");
    let mailbox = postfix.mailbox(PROBED)?;
    Ok(mailbox.into_iter().find(|mail| mail.value("Message-ID").is_some_and(|id| id.trim() == wanted)))
}

/// What became of mail with a virus.
fn virus(who: Who, postfix: &Postfix, message: &[u8], id: &str) -> anyhow::Result<String> {
    let mut client = load::connect(postfix.port(who.key())?)?;
    let sent = client.send(SENDER, &[PROBED], message)?;
    let reply = sent.last().clone();
    client.quit()?;
    if (500..600).contains(&reply.code) {
        return Ok(format!("refused ({})", reply.code));
    }
    anyhow::ensure!(sent.taken(), "mail with a virus is put off: {reply}");
    anyhow::ensure!(arrived(postfix, id)?.is_none(), "mail with a virus comes through");
    if postfix.queue()?.is_empty() {
        return Ok("taken, not delivered".to_owned());
    }
    postfix.postsuper(&["-d", "ALL"])?;
    Ok("held in Postfix's queue".to_owned())
}

/// Whether the filter's traces are on a probe; which.
fn look(who: Who, mail: &Delivered, log: Option<&Path>, id: &str) -> anyhow::Result<String> {
    let results = mail.values("Authentication-Results").join("\n");
    let has = |text: &str, wanted: &[&str]| -> anyhow::Result<String> {
        let lacking = wanted.iter().find(|word| !text.contains(**word));
        let short: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
        lacking.map_or_else(|| Ok(wanted.join(" ")), |word| anyhow::bail!("there is no {word} in {short:?}"))
    };
    let own = || -> anyhow::Result<String> {
        let coverage = mail.value("X-Mailward-Coverage").context("no X-Mailward-Coverage")?;
        // Who has looked and tells of something has looked.
        let looked = |part: &str| part.ends_with("=ok") || part.ends_with("=found");
        let all = coverage.split(';').map(str::trim).filter(|part| !part.is_empty()).all(looked);
        anyhow::ensure!(all, "not everything has been looked at: {coverage}");
        let authentic = has(&results, &["spf=pass", "dkim=pass", "dmarc=pass", "iprev=pass"])?;
        has(&coverage, &["auth=ok", "mime=ok", "urls=ok", "yara=ok"])?;
        Ok(format!("{authentic}; coverage {}", coverage.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    let symbols = || has(&logged(log, id)?, &["R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"]);
    match who {
        Who::Nobody => {
            let added = ["Authentication-Results", "X-Floor", "X-Scanned-By", "X-Virus-Scanned"];
            anyhow::ensure!(added.iter().all(|name| mail.value(name).is_none()), "somebody has been at it");
            Ok("nothing added".to_owned())
        }
        Who::Floor => has(&mail.value("X-Floor").unwrap_or_default(), &["1"]).map(|_| "X-Floor".to_owned()),
        Who::Native => own(),
        Who::NativeAndBoth => {
            let own = own()?;
            has(&own, &["rspamd=", "clamd=ok"])?;
            Ok(format!("{own}; rspamd: {}", symbols()?))
        }
        Who::Opendkim => has(&results, &["dkim=pass"]),
        Who::InARow => {
            let status = mail.value("X-Virus-Status").context("no X-Virus-Status")?;
            anyhow::ensure!(status.trim() == "Clean", "X-Virus-Status: {status}");
            Ok(format!("{}; X-Virus-Status: Clean", has(&results, &["dkim=pass", "spf=pass", "dmarc=pass"])?))
        }
        // It tells of clamd where clamd found something: the anti-virus test text shows that.
        Who::Rspamd | Who::RspamdAndClamd => symbols(),
        Who::Amavis => {
            let line = logged(log, id)?;
            let outside = has(&line, &["Passed CLEAN", "RelayedInbound", "[192.0.2.25]"])?;
            mail.value("X-Virus-Scanned").context("no X-Virus-Scanned")?;
            Ok(format!("X-Virus-Scanned; {outside}"))
        }
        Who::Mimedefang => {
            let by = mail.value("X-Scanned-By").context("no X-Scanned-By")?;
            Ok(format!("X-Scanned-By: {}", by.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
        }
    }
}

/// The lines of a filter's log that name a probe.
fn logged(log: Option<&Path>, id: &str) -> anyhow::Result<String> {
    let log = log.context("it has no log")?;
    wait_until("a line in the filter's log", PATIENCE, || {
        let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())?;
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(id)).collect();
        Ok((!lines.is_empty()).then(|| lines.join("\n")))
    })
}
