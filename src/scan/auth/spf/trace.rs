//! What an evaluation tried and what came of it, so that a result can be understood later.

use std::fmt::Display;

use super::record::{Directive, Mechanism};
use crate::model::{AuthResult, text};

/// The most lines that are kept. The last ones stay, as that is where it was decided.
const MAX_STEPS: usize = 40;
/// The longest line, in characters.
const MAX_LINE: usize = 160;
/// The most networks, addresses or names that one line tells.
const MAX_TOLD: usize = 4;

/// The way to a result.
#[derive(Debug, Default)]
pub(super) struct Trace {
    steps: Vec<Step>,
    /// Lines that had to go.
    dropped: usize,
    /// What the term that is tried now was answered.
    seen: Vec<String>,
    /// More of it than is told.
    unseen: usize,
    /// The evaluation has ended in an error, which is told.
    ended: bool,
}

#[derive(Debug)]
struct Step {
    domain: String,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Networks that do not hold the client: the first ones, and how many more.
    Outside(Vec<String>, usize),
    /// A term that does not match, or an error.
    Passed(String),
    /// A term that matches, or a redirect: what a pass rests on.
    Matched(String),
}

impl Trace {
    /// A mark for [`Self::tried`].
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The term that is tried now was answered with this.
    pub(super) fn saw(&mut self, what: String) {
        if self.seen.len() < MAX_TOLD {
            self.seen.push(what);
        } else {
            self.unseen += 1;
        }
    }

    /// Several of them; that there are none is an answer, too.
    pub(super) fn saw_some(&mut self, found: &[impl Display]) {
        found.iter().for_each(|one| self.saw(one.to_string()));
    }

    /// A term of the record of `domain` was tried. What an `include` that does not match found since `start`
    /// is no part of what a pass rests on.
    pub(super) fn tried(&mut self, domain: &str, directive: &Directive, matches: bool, start: usize) {
        let (answer, term) = (self.answer(&directive.mechanism), short(&directive.text));
        if matches {
            return self.push(domain, Kind::Matched(format!("{term} matches{answer}")));
        }
        let since = start.min(self.steps.len());
        for step in self.steps.iter_mut().skip(since) {
            if let Kind::Matched(line) = &mut step.kind {
                step.kind = Kind::Passed(std::mem::take(line));
            }
        }
        if !matches!(directive.mechanism, Mechanism::Ip4(..) | Mechanism::Ip6(..)) {
            return self.push(domain, Kind::Passed(format!("{term} does not match{answer}")));
        }
        // Some records hold hundreds of networks.
        match self.steps.last_mut() {
            Some(Step { domain: last, kind: Kind::Outside(told, more) }) if last == domain => {
                if told.len() < MAX_TOLD {
                    told.push(term);
                } else {
                    *more += 1;
                }
            }
            _ => self.push(domain, Kind::Outside(vec![term], 0)),
        }
    }

    /// The evaluation ends at this term in an error, and the reason says which. Those that led here end with it
    /// and say nothing more.
    pub(super) fn stopped(&mut self, domain: &str, term: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.push(domain, Kind::Passed(format!("{} ends it with an error", short(term))));
        }
    }

    /// A redirect is followed.
    pub(super) fn led_to(&mut self, domain: &str, target: &str) {
        self.push(domain, Kind::Matched(format!("nothing matches; redirect={target}")));
    }

    /// The lines that explain `result`.
    pub(super) fn steps(self, result: AuthResult) -> Vec<String> {
        let passed = result == AuthResult::Pass;
        let kept: Vec<Step> =
            self.steps.into_iter().filter(|step| !passed || matches!(step.kind, Kind::Matched(_))).collect();
        // The one term that decided stands in the reason.
        if let ([Step { kind: Kind::Matched(_), .. }], 0) = (&*kept, self.dropped) {
            return Vec::new();
        }
        let mut lines: Vec<String> = kept.into_iter().map(Step::line).collect();
        if self.dropped > 0 && !passed {
            lines.insert(0, format!("{} earlier steps are left out", self.dropped));
        }
        lines
    }

    fn push(&mut self, domain: &str, kind: Kind) {
        if self.steps.len() == MAX_STEPS {
            self.steps.remove(0);
            self.dropped += 1;
        }
        self.steps.push(Step { domain: domain.to_owned(), kind });
    }

    /// What the term that was tried was answered, in brackets.
    fn answer(&mut self, mechanism: &Mechanism) -> String {
        let (seen, more) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.unseen));
        match mechanism {
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) | Mechanism::Exists(_) => String::new(),
            Mechanism::A(..) | Mechanism::Mx(..) if seen.is_empty() => " (no address)".to_owned(),
            Mechanism::Ptr(_) if seen.is_empty() => " (no name leads back)".to_owned(),
            _ => format!(" ({})", list(&seen, more)),
        }
    }
}

impl Step {
    fn line(self) -> String {
        let line = match self.kind {
            Kind::Outside(told, 0) if told.len() == 1 => format!("{} does not match", told.concat()),
            Kind::Outside(told, more) => format!("{} do not match", list(&told, more)),
            Kind::Passed(line) | Kind::Matched(line) => line,
        };
        text::ascii_line(&format!("{}: {line}", self.domain), MAX_LINE)
    }
}

fn list(told: &[String], more: usize) -> String {
    let told = told.join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

/// A term at a length that leaves room for what is said of it.
fn short(term: &str) -> String {
    text::ascii_line(term, MAX_LINE - 60)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::super::mail_from;
    use crate::dns::{Inquiry, Resolver, Zone};
    use crate::model::AuthResult;
    use crate::telemetry::Metrics;

    async fn of(zone: &str) -> (AuthResult, Option<String>, Vec<String>) {
        let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
        let inquiry = Inquiry::new(Arc::new(resolver), 500, Instant::now() + Duration::from_secs(5));
        let ip = "192.0.2.1".parse().unwrap();
        let spf = mail_from(&inquiry, ip, "joe@sender.example", "mx.sender.example").await.unwrap();
        (spf.result, spf.reason, spf.steps)
    }

    fn steps(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_failure_tells_each_term_and_what_it_was_answered() {
        let zone = "
            sender.example TXT v=spf1 ip4:10.0.0.0/8 ip4:10.1.0.1 a:web.sender.example mx include:_spf.host.example exists:%{l}.x.example ptr -all
            web.sender.example A 198.51.100.1
            web.sender.example A 198.51.100.2
            sender.example MX 10 mx.sender.example
            _spf.host.example TXT v=spf1 ip4:203.0.113.1 ~all
        ";
        let (result, reason, told) = of(zone).await;
        assert_eq!((result, reason.as_deref()), (AuthResult::Fail, Some("-all of sender.example matches")));
        assert_eq!(
            told,
            steps(&[
                "sender.example: ip4:10.0.0.0/8, ip4:10.1.0.1 do not match",
                "sender.example: a:web.sender.example does not match (198.51.100.1, 198.51.100.2)",
                "sender.example: mx does not match (no address)",
                "_spf.host.example: ip4:203.0.113.1 does not match",
                "_spf.host.example: ~all matches",
                "sender.example: include:_spf.host.example does not match (softfail)",
                "sender.example: exists:%{l}.x.example does not match",
                "sender.example: ptr does not match (no name leads back)",
                "sender.example: -all matches",
            ])
        );
    }

    #[tokio::test]
    async fn a_pass_tells_only_what_it_rests_on() {
        let direct = of("sender.example TXT v=spf1 ip4:10.0.0.1 ip4:192.0.2.1 -all").await;
        assert_eq!(
            direct,
            (AuthResult::Pass, Some("ip4:192.0.2.1 of sender.example matches".into()), vec![])
        );
        let zone = "
            sender.example TXT v=spf1 include:no.example include:yes.example -all
            no.example TXT v=spf1 ip4:10.0.0.0/8 -all
            yes.example TXT v=spf1 ip4:10.0.0.0/8 redirect=deep.example
            deep.example TXT v=spf1 ip4:192.0.2.0/24 -all
        ";
        let (result, reason, told) = of(zone).await;
        assert_eq!(result, AuthResult::Pass);
        assert_eq!(reason.as_deref(), Some("include:yes.example of sender.example matches"));
        assert_eq!(
            told,
            steps(&[
                "yes.example: nothing matches; redirect=deep.example",
                "deep.example: ip4:192.0.2.0/24 matches",
                "sender.example: include:yes.example matches (pass)",
            ])
        );
    }

    #[tokio::test]
    async fn an_error_is_told_once_where_it_happened() {
        let zone = "
            sender.example TXT v=spf1 include:a.example -all
            a.example TXT v=spf1 mx:down.example -all
            down.example FAIL
        ";
        let (result, reason, told) = of(zone).await;
        assert_eq!(result, AuthResult::TempError);
        assert!(reason.is_some_and(|why| why.starts_with("down.example could not be looked up")));
        assert_eq!(told, steps(&["a.example: mx:down.example ends it with an error"]));
    }

    #[tokio::test]
    async fn however_long_a_record_is_what_is_told_of_it_is_short() {
        let networks: Vec<String> = (0..200).map(|n| format!("ip4:10.0.0.{n}")).collect();
        let (_, _, told) = of(&format!("sender.example TXT v=spf1 {} -all", networks.join(" "))).await;
        let first = "sender.example: ip4:10.0.0.0, ip4:10.0.0.1, ip4:10.0.0.2, ip4:10.0.0.3 and 196 more do not match";
        assert_eq!(told, steps(&[first, "sender.example: -all matches"]));

        let terms: Vec<String> =
            (0..60).map(|n| format!("ip4:10.0.0.{n} include:i{}.example", n % 9)).collect();
        let mut zone = format!("sender.example TXT v=spf1 {} -all\n", terms.join(" "));
        for n in 0..9 {
            let networks = format!("ip6:2001:db8::/{} ?exists:e.{}.example", 32 + n, "x".repeat(60));
            zone.push_str(&format!("i{n}.example TXT v=spf1 {networks} -all\n"));
        }
        zone.push_str(&format!("e.{}.example A 127.0.0.2\n", "x".repeat(60)));
        let (result, _, told) = of(&zone).await;
        assert_eq!(result, AuthResult::PermError);
        assert!(told.len() <= super::MAX_STEPS + 1, "{}", told.len());
        assert!(told.iter().all(|line| line.chars().count() <= super::MAX_LINE), "{told:?}");
        assert!(told.last().is_some_and(|line| line.ends_with("ends it with an error")), "{told:?}");
    }
}
