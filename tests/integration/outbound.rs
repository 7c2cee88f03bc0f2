//! Mail that goes out carries our id and nothing else of ours.

use super::common::{mail, stdout};
use super::mta::{self, Daemon, Options, Postfix};

#[test]
fn mail_from_a_submission_service_is_outbound() {
    if !mta::not_run::postfix_ready("mail_from_a_submission_service_is_outbound") {
        return;
    }
    let daemon = Daemon::start("").unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let port = postfix.port("submission").unwrap();
    let sent =
        mta::smtp::send(port, "alice@example.org", &["bob@example.org"], &mail("out", "text")).unwrap();
    assert!(sent.taken(), "{sent:?}");
    let arrived = postfix.wait_for_mail("bob@example.org", 1).unwrap();
    let ours: Vec<String> = arrived[0]
        .fields()
        .into_iter()
        .filter(|f| f.starts_with("X-Mailward-") || f.starts_with("X-Spam-") || f.starts_with("X-Virus-"))
        .collect();
    assert!(ours.len() == 1 && ours[0].starts_with("X-Mailward-Id:"), "{ours:?}");
    assert!(stdout(&daemon, &["audit", "export"]).contains("\"direction\":\"outbound\""));
}
