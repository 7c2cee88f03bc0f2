//! The scripts by themselves, with Dovecot's own tools: they compile, and do for each verdict what is written here.

use std::path::Path;
use std::process::Command;

use super::super::mta::dovecot::{Dovecot, Options, SCRIPTS, missing};
use super::super::mta::{guard, not_run};

fn dovecot(test: &str, plugin: &[&str]) -> Option<Dovecot> {
    if let Some(missing) = missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return None;
    }
    let plugin = plugin.iter().map(|line| (*line).to_owned()).collect();
    Some(Dovecot::start(&Options { plugin, ..Options::default() }).unwrap())
}

/// A message with these fields.
fn message(fields: &str) -> String {
    format!("From: a@sender.example\nTo: alice@example.org\nSubject: test\n{fields}\nText\n")
}

/// What `sieve-test` says that the script does, on one line.
fn actions(dovecot: &Dovecot, script: &Path, fields: &str) -> String {
    let file = dovecot.dir().join("test.eml");
    std::fs::write(&file, message(fields)).unwrap();
    let mut command = Command::new("sieve-test");
    command.arg("-c").arg(dovecot.config()).args(["-a", "alice@example.org", "-r", "alice@example.org"]);
    let told = guard::run(command.arg(script).arg(&file)).unwrap();
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty() && !line.ends_with("success"));
    lines.collect::<Vec<_>>().join(" ")
}

fn filed(dovecot: &Dovecot, fields: &str) -> String {
    actions(dovecot, &dovecot.installed("mailward.sieve"), fields)
}

fn verdict(word: &str) -> String {
    format!("X-Mailward-Id: 01m7xn1s0d16n15np8\nX-Mailward-Verdict: {word}\nX-Mailward-Action: tag\n")
}

/// What a fileinto looks like.
fn into(folder: &str, flags: &str) -> String {
    format!(
        "Performed actions: * store message in folder: {folder} + create mailbox if it does not exist + add IMAP flags: \
         {flags} Implicit keep: (none)"
    )
}

/// What is kept looks like this; the inbox is said by Sieve as the implicit keep.
fn kept(flags: &str) -> String {
    let flags = if flags.is_empty() { String::new() } else { format!(" + add IMAP flags: {flags}") };
    format!("Performed actions: (none) Implicit keep: * store message in folder: INBOX{flags}")
}

#[test]
fn sievec_takes_every_script_and_each_is_started_with() {
    let Some(dovecot) = dovecot("sievec_takes_every_script_and_each_is_started_with", &[]) else { return };
    for script in SCRIPTS {
        assert!(dovecot.installed(script).with_extension("svbin").is_file(), "{script}");
    }
    assert!(!dovecot.log().contains("rror"), "{}", dovecot.log());
}

#[test]
fn each_verdict_is_filed_as_it_should_be() {
    let Some(dovecot) = dovecot("each_verdict_is_filed_as_it_should_be", &[]) else { return };
    let expected = [
        (verdict("spam"), into("Junk", "$Junk")),
        (verdict("phish"), into("Junk", "$Junk $Phishing")),
        (verdict("malware"), into("Junk", "$Junk $MailwardMalware")),
        (verdict("suspicious"), kept("$MailwardSuspicious")),
        (verdict("clean"), kept("")),
        ("X-Spam-Flag: YES\n".to_owned(), into("Junk", "$Junk")),
        (verdict("clean") + "X-Mailward-Coverage: clamd=timeout; rspamd=ok\n", kept("")),
        (String::new(), kept("")),
        (
            "X-Mailward-Id: 01m7xn1s0d16n15np8\nX-Mailward-Action: released\nX-Spam-Flag: YES\n".to_owned(),
            "Performed actions: * store message in folder: INBOX Implicit keep: (none)".to_owned(),
        ),
    ];
    for (fields, wanted) in expected {
        assert_eq!(words(&filed(&dovecot, &fields)), words(&wanted), "{fields}");
    }
}

#[test]
fn folders_and_keywords_are_what_the_admin_set() {
    let settings = [
        "sieve_env_mailward_junk = Spam",
        "sieve_env_mailward_phishing = Fraud",
        "sieve_env_mailward_incomplete = flag",
    ];
    let Some(set) = dovecot("folders_and_keywords_are_what_the_admin_set", &settings) else { return };
    let incomplete = "X-Mailward-Coverage: clamd=timeout; rspamd=ok\n";
    for (fields, wanted) in [
        (verdict("spam"), into("Spam", "$Junk")),
        (verdict("phish"), into("Fraud", "$Junk $Phishing")),
        (verdict("malware"), into("Spam", "$Junk $MailwardMalware")),
        (verdict("clean") + incomplete, kept("$MailwardIncomplete")),
        (verdict("suspicious") + incomplete, kept("$MailwardIncomplete $MailwardSuspicious")),
        (verdict("clean") + "X-Mailward-Coverage: clamd=ok\n", kept("")),
    ] {
        assert_eq!(words(&filed(&set, &fields)), words(&wanted), "{fields}");
    }
    drop(set);
    let off =
        dovecot("folders_and_keywords_are_what_the_admin_set", &["sieve_env_mailward_junk = off"]).unwrap();
    for (word, flags) in
        [("spam", "$Junk"), ("phish", "$Phishing"), ("malware", "$MailwardMalware"), ("clean", "")]
    {
        assert_eq!(words(&filed(&off, &verdict(word))), words(&kept(flags)), "{word}");
    }
}

/// The words, flags among them in any order.
fn words(told: &str) -> Vec<&str> {
    let mut words: Vec<&str> = told.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn spamtest_and_virustest_give_these_values() {
    let Some(dovecot) = dovecot("spamtest_and_virustest_give_these_values", &[]) else { return };
    let script = dovecot.dir().join("values.sieve");
    let text = r#"require ["spamtest", "spamtestplus", "virustest", "variables", "imap4flags"];
        if spamtest :matches "*" { set "s" "${0}"; }
        if spamtest :percent :matches "*" { set "p" "${0}"; }
        if virustest :matches "*" { set "v" "${0}"; }
        addflag "spam-${s}-percent-${p}-virus-${v}";"#;
    std::fs::write(&script, text).unwrap();
    dovecot.compile(&script).unwrap();
    let values = |fields: &str| {
        let told = actions(&dovecot, &script, fields);
        told.split_whitespace().find(|word| word.starts_with("spam-")).unwrap_or(&told).to_owned()
    };
    for (score, spam) in [
        ("-3.25", "1-percent-0"),
        ("0.0", "1-percent-0"),
        ("0.5", "1-percent-8"),
        ("2.999", "5-percent-49"),
        ("3.0", "5-percent-50"),
        ("5.9", "9-percent-98"),
        ("6.0", "10-percent-100"),
        ("7.5", "10-percent-100"),
        ("10000.0", "10-percent-100"),
    ] {
        let fields = format!("X-Mailward-Verdict: clean\nX-Mailward-Score: {score}\n");
        assert_eq!(values(&fields), format!("spam-{spam}-virus-1"), "{score}");
    }
    for (word, virus) in [("clean", 1), ("suspicious", 1), ("spam", 1), ("phish", 1), ("malware", 5)] {
        assert_eq!(values(&verdict(word)), format!("spam-0-percent-0-virus-{virus}"), "{word}");
    }
    assert_eq!(values(""), "spam-0-percent-0-virus-0", "nobody has tested it");
}
