//! A judgement as text for people: `scan`, `explain`, the help desk.

use std::fmt::Write;
use std::net::IpAddr;

use super::evidence::{Evidence, Points, symbol};
use super::explain_authentication;
use crate::model::{
    Also, Authentication, Coverage, Disposition, Finding, MailId, Recipient, RemovedFields, SeenUrl, Verdict,
    text,
};

/// Longest sentence from a scanner that is shown.
const MAX_TEXT: usize = 200;

/// What is told of one message: from a judgement just made or from a record of it.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// Our id.
    pub id: MailId,
    /// One verdict a recipient; or a single one if there are no recipients.
    pub verdicts: &'a [Verdict],
    /// The recipients in the same order.
    pub recipients: &'a [Recipient],
    /// What happened to each in the end (`Plan::recipients`); empty if nothing was planned.
    pub fates: &'a [Disposition],
    /// How each scanner ended.
    pub coverage: &'a Coverage,
    /// The client that connected, where its address is known.
    pub client: Option<IpAddr>,
    /// What was verified of who sent it.
    pub authentication: Option<&'a Authentication>,
    /// What was found.
    pub findings: &'a [Finding],
    /// Where it leads.
    pub urls: &'a [SeenUrl],
    /// What was left out of a record of it.
    pub left_out: &'a [String],
    /// Header fields that came with it and were removed.
    pub removed: &'a [RemovedFields],
    /// What was done besides.
    pub also: &'a Also,
}

/// Lines of plain text, each ended by LF: what was decided and for whom, what was looked at, what was
/// verified of the sender, which header fields were removed, what was found, and each rule that was tried, the one that decided marked with `>`.
#[must_use]
pub fn render(story: &Story<'_>) -> String {
    let mut out = String::new();
    line(&mut out, format_args!("message   {}", story.id));
    line(&mut out, format_args!("coverage  {}", text::line(&story.coverage.to_string(), 400)));
    for told in explain_authentication::lines(story) {
        line(&mut out, format_args!("{told}"));
    }
    removed(&mut out, story.removed);
    if let Some(told) = super::also::told(story.also) {
        line(&mut out, format_args!("also      {told}"));
    }
    findings(&mut out, story.findings);
    super::explain_urls::lines(&mut out, story.urls);
    if !story.left_out.is_empty() {
        line(&mut out, format_args!("left out  {}", text::line(&story.left_out.join(", "), 300)));
    }
    // Recipients who share a verdict share its section.
    let mut told: Vec<&Verdict> = Vec::new();
    for verdict in story.verdicts {
        if !told.contains(&verdict) {
            section(&mut out, story, verdict);
            told.push(verdict);
        }
    }
    out
}

/// How many names of removed fields are told.
const MAX_REMOVED: usize = 20;

fn removed(out: &mut String, removed: &[RemovedFields]) {
    if removed.is_empty() {
        return;
    }
    let told = removed.iter().take(MAX_REMOVED).map(|fields| {
        let claimed = fields.claimed.as_deref().map(|id| format!(" in the name of {}", text::line(id, 100)));
        format!("{} {}{}", fields.count, text::line(&fields.name, 60), claimed.unwrap_or_default())
    });
    let mut told = told.collect::<Vec<_>>().join("; ");
    if let Some(more) = removed.len().checked_sub(MAX_REMOVED).filter(|more| *more > 0) {
        told.push_str(&format!("; and {more} more names"));
    }
    line(out, format_args!("removed   {told}"));
}

fn findings(out: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        return line(out, format_args!("findings  none"));
    }
    line(out, format_args!("findings"));
    let evidence = Evidence::new(findings);
    for (finding, speaker) in evidence.iter().zip(evidence.speakers()) {
        let own = Points::of(finding.score.value());
        let (score, uncounted) = match speaker {
            None => (own, String::new()),
            Some(speaker) => (Points::ZERO, format!(" ({own} not counted: said by {})", symbol(speaker))),
        };
        let score = score.to_string();
        let symbol = symbol(finding);
        let place = finding.location.as_deref().map(|l| format!(" in {}", text::line(l, 80)));
        let (severity, category, scanner) = (finding.severity, finding.category, finding.scanner);
        line(
            out,
            format_args!(
                "  {score:>7}  {severity:<8}  {category:<10}  {scanner}: {symbol}{}: {}{uncounted}",
                place.unwrap_or_default(),
                text::line(&finding.text, MAX_TEXT)
            ),
        );
    }
}

fn section(out: &mut String, story: &Story<'_>, verdict: &Verdict) {
    let Verdict { disposition, category, score, rule, reason, explanation, .. } = verdict;
    line(out, format_args!(""));
    let score = Points::of(score.value());
    line(out, format_args!("verdict   {disposition}: {category}, score {score}, by rule {rule}"));
    line(out, format_args!("reason    {}", text::line(reason, MAX_TEXT)));
    for (position, recipient) in story.recipients.iter().enumerate() {
        if story.verdicts.get(position) != Some(verdict) {
            continue;
        }
        let fate = match story.fates.get(position) {
            Some(fate) if fate != disposition => {
                format!(" ({fate} in the end: one answer for all recipients)")
            }
            _ => String::new(),
        };
        line(out, format_args!("for       {}{fate}", text::line(recipient.address(), 120)));
    }
    line(out, format_args!("rules"));
    for step in explanation.0.iter() {
        let mark = if step.decided { '>' } else { ' ' };
        let wants = step.wants.map_or("-", Disposition::name);
        let rule = &step.rule;
        let trial = if step.shadow && step.wants.is_some() { " (on trial)" } else { "" };
        line(out, format_args!("{mark} {rule:<17}  {wants:<10}  {}{trial}", text::line(&step.saw, 600)));
    }
}

pub(super) fn line(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    if writeln!(out, "{arguments}").is_err() {
        out.push('\n');
    }
}
