//! A sample of faults with each `on_failure` through a real Postfix: what the client hears, and that what was taken is
//! somewhere.

use crate::common::{mail, quarantine, verify};
use crate::mta::dns::Answer;
use crate::mta::{self, Daemon, Dns, Fault, Faulty, Options, Over, Plays, Postfix, smtp};

/// One mail through Postfix with something that fails; it must be where `on_failure` says, and nowhere else.
fn through(daemon: &Daemon, what: &str, on_failure: &str, coverage: &str) {
    let cell = format!("{what} {on_failure}");
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let to = ["alice@example.org"];
    let heard = smtp::send(postfix.smtp_port(), "a@sender.example", &to, &mail(&cell, "text")).unwrap();
    let reply = heard.last().to_string();
    let (taken, in_sink, held) = match on_failure {
        "ignore" | "tag" => ("250 2.0.0 ", 1, 0),
        "quarantine" => ("250 2.0.0 ", 0, 1),
        "tempfail" => ("451 4.7.1 ", 0, 0),
        _ => ("550 5.7.1 ", 0, 0),
    };
    assert!(reply.starts_with(taken), "{cell}: {reply}: {}", daemon.log());
    postfix.wait_for_empty_queue().unwrap();
    if in_sink == 1 {
        let got = postfix.wait_for_mail("alice@example.org", 1).unwrap();
        let field = got[0].value("X-Mailward-Coverage").unwrap();
        assert!(field.contains(coverage), "{cell}: {field}");
        let verdict = if on_failure == "tag" { "suspicious" } else { "clean" };
        assert_eq!(got[0].value("X-Mailward-Verdict").as_deref(), Some(verdict), "{cell}");
    }
    assert_eq!(postfix.mailbox("alice@example.org").unwrap().len(), in_sink, "{cell}");
    assert_eq!(quarantine(daemon).len(), held, "{cell}");
    verify(daemon);
}

#[test]
fn what_postfix_hears_of_a_fault_is_what_is_configured_and_what_it_took_is_somewhere() {
    let test = "what_postfix_hears_of_a_fault_is_what_is_configured_and_what_it_took_is_somewhere";
    if !mta::not_run::postfix_ready(test) {
        return;
    }
    let worths: &[&str] = match mta::not_run::effort(0, 1) {
        0 => &["tempfail", "quarantine"],
        _ => &["ignore", "tag", "tempfail", "quarantine", "reject"],
    };
    std::thread::scope(|scope| {
        for on_failure in worths {
            scope.spawn(move || {
                let dns = Dns::answering(|_| Answer::Silence).unwrap();
                let section = format!(
                    "{}timeout = \"300ms\"\nattempts = 1\n[scanner.auth]\ntimeout = \"2s\"\non_failure = \"{on_failure}\"\n",
                    dns.section()
                );
                through(&Daemon::start(&section).unwrap(), "a silent DNS", on_failure, "auth=failed(temperror)");
                for (plays, fault, coverage) in [
                    (Plays::Rspamd, Fault::Floods, "rspamd=failed(reply-too-large)"),
                    (Plays::Clamd, Fault::ClosesInReply, "clamd=failed(reset)"),
                    (Plays::Clamd, Fault::Hangs, "clamd=timeout"),
                ] {
                    let what = format!("{plays:?} {fault:?}");
                    let mut neighbour = Faulty::start(plays, Over::Tcp).unwrap();
                    neighbour.turn(fault).unwrap();
                    let daemon = Daemon::start(&plays.section(neighbour.address(), "2s", on_failure)).unwrap();
                    through(&daemon, &what, on_failure, coverage);
                }
            });
        }
    });
}
