//! Postfix hands mail to mailward by LMTP, which hands it to Dovecot: the answer is Dovecot's, for each recipient.

use std::os::unix::fs::PermissionsExt as _;

use super::super::common::mail;
use super::super::mta::dovecot::Options as DovecotOptions;
use super::*;

#[test]
fn each_recipient_gets_dovecots_answer_through_mailward() {
    if !ready("each_recipient_gets_dovecots_answer_through_mailward") {
        return;
    }
    // carol's mailbox is full, bob's cannot be opened just now.
    let dovecot = Dovecot::start(&DovecotOptions {
        of_user: [
            ("bob", "userdb_mail=maildir:/proc/nowhere"),
            ("carol", "userdb_mail_plugins=quota userdb_quota=maildir:User userdb_quota_rule=*:bytes=10"),
        ]
        .map(|(user, field)| (user.to_owned(), field.to_owned()))
        .into(),
        ..DovecotOptions::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = format!("unix:{}", folder.path().join("lmtp.sock").display());
    let (daemon, _) = daemon(&format!(
        "[lmtp]\nlisten = [\"{socket}\"]\nsocket_mode = \"0666\"\nsocket_group = \"\"\nrelay = \"unix:{}\"\n",
        dovecot.lmtp_socket().display()
    ));
    let mut options = Options::default()
        .set("virtual_transport", format!("lmtp:{socket}"))
        .set("lmtp_send_xforward_command", "yes");
    options.master_cf.push("lmtp unix - - n - - lmtp".to_owned());
    options.mailboxes.push("ghost@example.org".to_owned());
    let postfix = Postfix::start(&options).unwrap();
    let to = ["alice", "bob", "carol", "ghost"].map(|user| format!("{user}@example.org"));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let sent = mta::smtp::send(postfix.smtp_port(), "a@remote.example", &to, &mail("spam", "text")).unwrap();
    assert!(sent.taken(), "{sent:?}");
    for (user, dsn, status) in [
        ("alice", "2.0.0", "sent"),
        ("bob", "4.", "deferred"),
        ("carol", "5.2.2", "bounced"),
        ("ghost", "5.1.1", "bounced"),
    ] {
        let line = postfix.wait_for_log(&format!("to=<{user}@example.org>, relay=")).unwrap();
        let fits = line.contains(&format!("dsn={dsn}")) && line.contains(&format!("status={status}"));
        assert!(fits, "{user}: {line}\n{}\n{}", dovecot.log(), daemon.log());
    }
    // Filed by the verdict that mailward wrote on the way.
    let mut imap = dovecot.wait_for_mail("alice", "Junk", 1).unwrap();
    let seen = imap.fetch(1).unwrap();
    assert_eq!(field(&seen.message, "X-Mailward-Verdict"), Some("spam"));
    assert_eq!(imap.select("INBOX").unwrap(), 0);
    // The sender is told of both who cannot have it; the third waits.
    let bounces = postfix.wait_for_mail("@remote.example", 1).unwrap();
    let told: String = bounces.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect();
    assert!(told.contains("carol@example.org") && told.contains("ghost@example.org"), "{told}");
    assert!(!told.contains("bob@example.org"), "{told}");
    let waiting = postfix.queue().unwrap();
    assert_eq!(waiting.iter().flat_map(|mail| &mail.recipients).collect::<Vec<_>>(), ["bob@example.org"]);
}
