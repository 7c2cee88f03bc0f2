//! From a sender to a mailbox: Postfix, mailward, Dovecot.

use super::super::common::{mail, newest, quarantine, stdout};
use super::super::mta::dovecot::Options;
use super::*;

#[test]
fn mail_is_delivered_into_the_folder_of_its_verdict_and_released_mail_into_the_inbox() {
    let test = "mail_is_delivered_into_the_folder_of_its_verdict_and_released_mail_into_the_inbox";
    if !ready(test) {
        return;
    }
    let port = mta::free_port().unwrap();
    let release = format!("[release]\nrelay = \"inet:127.0.0.1:{port}\"\n");
    let off = [("bob".to_owned(), "userdb_sieve_env_mailward_junk=off".to_owned())];
    let chain = Chain::start(&release, &Options { of_user: off.into(), ..Options::default() });
    // The user's own script runs behind ours, and only for what ours left in the inbox.
    chain
        .dovecot
        .own_script("carol", "require [\"fileinto\", \"mailbox\"]; fileinto :create \"Mine\"; stop;")
        .unwrap();
    for (folder, subjects) in
        [("Junk", [("spam", "$Junk"), ("phish", "$Junk $Phishing"), ("malware", "$Junk $MailwardMalware")])]
    {
        for (n, (subject, flags)) in subjects.into_iter().enumerate() {
            chain.send("alice", &mail(subject, "text"));
            let mut imap = chain.dovecot.wait_for_mail("alice", folder, n + 1).unwrap();
            let seen = imap.fetch(n + 1).unwrap();
            let mut wanted: Vec<&str> = flags.split(' ').collect();
            wanted.sort_unstable();
            assert_eq!(seen.flags, wanted, "{subject}");
            assert_eq!(field(&seen.message, "X-Mailward-Verdict"), Some(subject));
            assert_eq!(field(&seen.message, "X-Mailward-Id"), Some(newest(&chain.daemon).as_str()));
        }
    }
    for (n, (subject, flags)) in
        [("clean", &[][..]), ("suspicious", &["$MailwardSuspicious"][..])].into_iter().enumerate()
    {
        chain.send("alice", &mail(subject, "text"));
        let mut imap = chain.dovecot.wait_for_mail("alice", "INBOX", n + 1).unwrap();
        assert_eq!(imap.fetch(n + 1).unwrap().flags, flags, "{subject}");
    }
    // Who wants no folder gets a keyword.
    chain.send("bob", &mail("spam", "text"));
    let mut imap = chain.dovecot.wait_for_mail("bob", "INBOX", 1).unwrap();
    assert_eq!(imap.fetch(1).unwrap().flags, ["$Junk"]);
    for (folder, subject) in [("Mine", "clean"), ("Junk", "spam")] {
        chain.send("carol", &mail(subject, "text"));
        chain.dovecot.wait_for_mail("carol", folder, 1).unwrap();
    }
    // Junk is known to mail programs by its use.
    let listed = imap.list().unwrap();
    assert!(listed.lines().any(|line| line.contains("\\Junk") && line.ends_with(" Junk")), "{listed}");

    chain.send("carol", &mail("held", "text"));
    let held =
        mta::wait_until("the held mail", mta::PATIENCE, || Ok(quarantine(&chain.daemon).pop())).unwrap();
    let toml = std::fs::read_to_string(chain.daemon.site().config()).unwrap();
    let smtp = chain.postfix.smtp_port();
    chain.daemon.write_config(&toml.replace(&format!(":{port}\""), &format!(":{smtp}\""))).unwrap();
    stdout(&chain.daemon, &["reload"]);
    stdout(&chain.daemon, &["quarantine", "release", held["id"].as_str().unwrap()]);
    let mut imap = chain.dovecot.wait_for_mail("carol", "INBOX", 1).unwrap();
    let message = imap.fetch(1).unwrap().message;
    assert_eq!(field(&message, "X-Mailward-Action"), Some("released"));
    assert_eq!(field(&message, "Subject"), Some("held"));
}
