//! {rspamd, clamd} × each fault × {TCP, unix socket} × each `on_failure`.
//!
//! One daemon for each neighbour, transport and `on_failure`; it meets one fault after another. Between two faults the
//! neighbour is well for one message, so that the breaker stays out of it.

use super::came::{Recorded, Said, recorded, say, section};
use crate::common::{quarantine, verify};
use crate::load::memory;
use crate::mta::{Daemon, Fault, Faulty, Over, Plays};

/// What a reply without end may make the daemon grow by.
const GROWTH: u64 = 24 << 20;
/// How much of it may be taken before the connection is closed: the most that is read, and what the kernel holds.
const TAKEN: u64 = 16 << 20;

const TRY_LATER: &str = "451 4.7.1 message could not be inspected now, please try again later";
const REFUSED: &str = "550 5.7.1 refused because it could not be inspected";

/// Each fault, `None` for an address that refuses, and how a neighbour that has it stands in coverage.
fn faults(plays: Plays) -> Vec<(Option<Fault>, &'static str)> {
    let rspamd = plays == Plays::Rspamd;
    let mut faults = vec![
        (None, "failed(refused)"),
        (Some(Fault::Hangs), "timeout"),
        (Some(Fault::Trickles), "timeout"),
        (Some(Fault::Garbage), "failed(protocol)"),
        (Some(Fault::Nonsense), "failed(protocol)"),
        (Some(Fault::ClosesInRequest), "failed(reset)"),
        (Some(Fault::ClosesInReply), "failed(reset)"),
        (Some(Fault::Floods), if rspamd { "failed(reply-too-large)" } else { "failed(protocol)" }),
    ];
    if rspamd {
        faults.push((Some(Fault::FloodsAnnounced), "failed(reply-too-large)"));
        faults.push((Some(Fault::FloodsHead), "failed(protocol)"));
    }
    faults
}

/// What the milter must say to a mail of which the neighbour ended as `outcome`.
fn said(plays: Plays, on_failure: &str, outcome: &str) -> Said {
    let coverage = match plays {
        Plays::Rspamd => format!("X-Mailward-Coverage: mime=ok; rspamd={outcome}; yara=ok"),
        Plays::Clamd => format!("X-Mailward-Coverage: clamd={outcome}; mime=ok; yara=ok"),
    };
    let accepted = |verdict: &str, action: &str| {
        let verdict = [format!("X-Mailward-Verdict: {verdict}"), format!("X-Mailward-Action: {action}")];
        Said {
            word: "accept".to_owned(),
            header: verdict
                .into_iter()
                .chain(["X-Mailward-Score: 0.0".to_owned(), coverage.clone()])
                .collect(),
        }
    };
    let without = |word: &str| Said { word: word.to_owned(), header: Vec::new() };
    if outcome == "ok" {
        return accepted("clean", "accept");
    }
    match on_failure {
        "ignore" => accepted("clean", "accept"),
        "tag" => {
            let mut said = accepted("suspicious", "tag");
            said.header.insert(3, format!("X-Mailward-Reason: {}", reason(plays, outcome)));
            said.header.push("X-Spam-Status: No, score=0.0 required=3.0 tests=none".to_owned());
            if plays == Plays::Rspamd {
                // The virus scanners have all looked.
                said.header.push("X-Virus-Status: Clean".to_owned());
            }
            said
        }
        "tempfail" => without(TRY_LATER),
        "quarantine" => without("discard"),
        "reject" => without(REFUSED),
        other => panic!("{other} is no on_failure"),
    }
}

fn reason(plays: Plays, outcome: &str) -> String {
    format!("not fully inspected: {}={outcome}", plays.name())
}

/// What must stand on record.
fn on_record(plays: Plays, on_failure: &str, outcome: &str, subject: String) -> Recorded {
    let (disposition, rule, reason) = match on_failure {
        _ if outcome == "ok" => ("accept", "accept", "nothing found".to_owned()),
        "ignore" => ("accept", "accept", format!("nothing found; {}", reason(plays, outcome))),
        worth => (worth, "incomplete", reason(plays, outcome)),
    };
    let (disposition, rule) = (disposition.to_owned(), rule.to_owned());
    Recorded { subject, disposition, rule, reason, outcome: outcome.to_owned() }
}

/// One daemon through all faults; what did not come out, a line each.
fn through_all(plays: Plays, over: Over, more: &str, on_failure: &str) -> Vec<String> {
    let mut neighbour = Faulty::start(plays, over).unwrap();
    let daemon = Daemon::start(&(section(plays, neighbour.address(), on_failure) + more)).unwrap();
    let mut wrong = Vec::new();
    let mut records = Vec::new();
    let mut held = 0;
    let mut rest = None;
    for (fault, outcome) in faults(plays) {
        let word = fault.as_ref().map_or("Refuses".to_owned(), |fault| format!("{fault:?}"));
        let subject = format!("{} {word} {on_failure}", plays.name());
        if let Some(fault) = fault {
            neighbour.turn(fault).unwrap();
        }
        let taken = neighbour.requests();
        neighbour.sent();
        let (came, _) = say(&daemon, &subject);
        let wanted = said(plays, on_failure, outcome);
        if came != wanted {
            wrong.push(format!("{subject} over {over:?}: wanted {wanted:#?}, came {came:#?}"));
        }
        if word != "Refuses" && neighbour.requests() == taken {
            wrong.push(format!("{subject} over {over:?}: it was never asked"));
        }
        let sent = neighbour.sent();
        if sent > TAKEN {
            wrong.push(format!("{subject} over {over:?}: {sent} bytes of the reply were taken"));
        }
        records.push(on_record(plays, on_failure, outcome, subject.clone()));
        held += usize::from(on_failure == "quarantine");

        neighbour.turn(Fault::Well).unwrap();
        let (came, _) = say(&daemon, &format!("{subject}, then well"));
        let wanted = said(plays, on_failure, "ok");
        if came != wanted {
            wrong.push(format!("{subject}, then well: wanted {wanted:#?}, came {came:#?}"));
        }
        records.push(on_record(plays, on_failure, "ok", format!("{subject}, then well")));
        // After the first message that everybody has looked at.
        rest.get_or_insert_with(|| memory(daemon.pid(), "VmRSS:"));
    }
    let grown = memory(daemon.pid(), "VmHWM:").saturating_sub(rest.unwrap());
    if grown > GROWTH {
        wrong.push(format!("{plays:?} {over:?} {on_failure}: {} MiB more than at rest", grown >> 20));
    }
    records.sort();
    let found = recorded(&daemon, plays.name());
    if found != records {
        wrong.push(format!("{plays:?} {over:?} {on_failure}: on record is {found:#?}, wanted {records:#?}"));
    }
    if quarantine(&daemon).len() != held {
        wrong.push(format!("{plays:?} {over:?} {on_failure}: held are {:?}", quarantine(&daemon)));
    }
    verify(&daemon);
    if !wrong.is_empty() {
        wrong.push(daemon.log());
    }
    wrong
}

/// Where it listens, and what more its section says.
const fn ways(plays: Plays) -> &'static [(Over, &'static str)] {
    match plays {
        Plays::Rspamd => &[(Over::Tcp, ""), (Over::Unix, "")],
        Plays::Clamd => &[(Over::Tcp, ""), (Over::Unix, ""), (Over::Unix, "pass_file = true\n")],
    }
}

fn matrix(plays: Plays) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let mut runs = Vec::new();
        for (over, more) in ways(plays) {
            for on_failure in ["ignore", "tag", "tempfail", "quarantine", "reject"] {
                runs.push(scope.spawn(move || through_all(plays, *over, more, on_failure)));
            }
        }
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whatever_rspamd_does_the_answer_is_what_is_configured() {
    matrix(Plays::Rspamd);
}

#[test]
fn whatever_clamd_does_the_answer_is_what_is_configured() {
    matrix(Plays::Clamd);
}
