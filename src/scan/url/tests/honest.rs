//! Mail that people want, as its senders make it, through the whole scanner and the shipped policy: none is
//! marked, although nobody here knows the service that counts its clicks.

use super::*;
use crate::model::{Coverage, Disposition, Recipient};
use crate::policy::{Facts, Policy, Thresholds, judge};

/// What becomes of mail to us, and what was found in it. The bank and two others are protected.
fn verdict(raw: &str) -> (Disposition, Vec<Finding>) {
    let protected = ["nordbank.de", "paypal.com", "dhl.de"].map(str::to_owned);
    let config = Config { protected: protected.into(), ..Config::default() };
    let mut input = Arc::into_inner(input(raw.as_bytes())).unwrap();
    input.envelope.recipients = vec![Recipient::new("<anna@our-company.org>")];
    let (session, envelope) = (input.session.clone(), input.envelope.clone());
    let report = Bench::new(&[]).report(&config, Arc::new(input));
    assert!(matches!(report.outcome, Outcome::Found | Outcome::Clean), "{:?}", report.outcome);
    let facts = Facts {
        id: MailId::from_parts(NOW, 1),
        direction: Direction::Inbound,
        time: Timestamp::from_millis(1_795_210_591_042),
        session: &session,
        envelope: &envelope,
        coverage: &Coverage([(Scanner::Urls, report.outcome.clone())].into()),
        findings: &report.findings,
        message: None,
        attachments: &[],
        urls: &[],
        advice: None,
        authentication: None,
        lists: None,
        exempt: &[],
        released: None,
        auth_results: None,
        recorded: None,
        received_spf: None,
        on_failure: &BTreeMap::new(),
        failures: 0,
        subject: None,
        fault: None,
    };
    (judge(&Policy::default(), &facts).disposition, report.findings)
}

/// A page behind a frame that most of them have: hidden preview, layout by tables, pictures from elsewhere.
fn page(head: &str, body: &str) -> String {
    format!(
        "{head}MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n<!DOCTYPE html><html><head><style>\
         @media only screen and (max-width:600px) {{.hide {{display:none !important}}}}</style></head>\n\
         <body bgcolor=\"#f4f4f4\" style=\"margin:0\"><div style=\"display:none;font-size:1px;line-height:1px;max-height:0;\
         max-width:0;opacity:0;overflow:hidden;mso-hide:all\">What you should know today, in short.{}</div>\n\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\"><tr><td style=\"padding:24px;font-family:Arial\">\n\
         {body}\n</td></tr></table><img src=\"https://lnk.mailflow-engine.com/o/7f3a.gif\" width=\"1\" height=\"1\"></body></html>\n",
        "&#847;&zwnj;&nbsp;".repeat(60)
    )
}

/// A link that is counted by somebody nobody knows.
fn counted(n: u32, shown: &str) -> String {
    format!(
        "<a href=\"https://lnk.mailflow-engine.com/c/7f3a{n:04x}?e=YW5uYQ\" style=\"color:#1155cc\">{shown}</a>"
    )
}

fn shop(head: &str) -> String {
    let body = [
        counted(1, "www.garden-shop.com"),
        counted(2, "<img src=\"https://img.garden-shop.com/hero.png\" alt=\"garden-shop.com\">"),
        counted(3, "Read the review at www.plant-lovers.net/roses"),
        counted(4, "https://www.paypal.com/pay"),
        counted(7, "Pay with PayPal.com"),
        counted(8, "As our-company.org you pay less"),
        counted(5, "Shop now"),
        "<a href=\"https://bit.ly/3gArden\">Our new shop in town</a>".to_owned(),
        "<a href=\"https://garden-shop.github.io/jobs\">Jobs</a>".to_owned(),
        counted(6, "Unsubscribe"),
    ];
    page(
        &format!("From: Garden Shop <news@garden-shop.com>\nSubject: Five roses for shade\n{head}"),
        &body.join("<br>\n"),
    )
}

fn notices() -> Vec<(&'static str, String)> {
    vec![
        ("a newsletter", shop("List-Unsubscribe: <https://lnk.mailflow-engine.com/u/7f3a>\nPrecedence: bulk\n")),
        ("a newsletter that does not say so", shop("")),
        (
            "a calendar invitation",
            "From: Ben Roth <ben@partner-firm.com>\nSubject: Invitation: Planning\nMIME-Version: 1.0\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n\
             <a href=\"https://calendar.google.com/calendar/event?action=VIEW&amp;eid=M2x\">View on Google Calendar</a>\
             <p>Join with Google Meet<br><a href=\"https://meet.google.com/abc-defg-hij?hs=224\">meet.google.com/abc-defg-hij</a>\
             <br><a href=\"https://www.google.com/url?q=https://zoom.us/j/98765&amp;sa=D&amp;usg=AOv\">https://zoom.us/j/98765</a>\
             <br><a href=\"https://aka.ms/JoinTeamsMeeting?omkt=de\">Need help?</a></p>\
             <a href=\"mailto:anna@our-company.org\">anna@our-company.org</a>\n\
             --b\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\n\
             DESCRIPTION:Join: https://meet.google.com/abc-defg-hij\\nAgenda: https://docs.google.com/document/d/1aB\n\
             LOCATION:https://zoom.us/j/98765\nEND:VEVENT\nEND:VCALENDAR\n--b--\n"
                .to_owned(),
        ),
        (
            "a delivery note",
            page(
                "From: DHL Paket <noreply@dhl.de>\nSubject: Ihr Paket kommt heute\n",
                &format!(
                    "{}<br>{}<br><a href=\"https://apps.apple.com/de/app/id1\">App</a> <a href=\"https://onelink.to/dhl\">onelink.to/dhl</a>",
                    counted(1, "www.dhl.de/sendungsverfolgung?nr=00340"),
                    counted(2, "Zustellung steuern")
                ),
            ),
        ),
        (
            "a new password",
            page(
                "From: Projects <no-reply@plan-board.io>\nSubject: Reset your password\n",
                &format!(
                    "{}<p>Or copy this address into your browser:<br>{}</p><p>You use plan-board as {}, from 203.0.113.9.</p>",
                    counted(1, "Set a new password"),
                    counted(2, "https://app.plan-board.io/password/reset?token=8fbd5c0a1e"),
                    counted(3, "https://our-company.org")
                ),
            ),
        ),
        (
            "a notice of the bank",
            page(
                "From: Nordbank <service@nordbank.de>\nSubject: Your statement is ready\n",
                &format!(
                    "<a href=\"https://www.nordbank.de/banking\">www.nordbank.de/banking</a> <p>{}</p>\
                     <a href=\"https://www.nordbank-stiftung.de/\">www.nordbank-stiftung.de</a>\
                     <a href=\"https://www.nordbank.at/\">nordbank.at</a>\
                     <p>We never ask for your password. Report mail that does to phishing@nordbank.de.</p>",
                    counted(1, "https://www.nordbank.de/postfach")
                ),
            ),
        ),
    ]
}

fn conversations() -> Vec<(&'static str, String)> {
    vec![
        (
            "a notification of GitHub",
            page(
                "From: Carla <notifications@github.com>\nSubject: Re: [org/tool] Links are cut (#12)\n\
                 List-ID: org/tool <tool.org.github.com>\nList-Unsubscribe: <https://github.com/notifications/unsubscribe/x>\n",
                "<p>See <a href=\"https://github.com/org/tool/blob/main/README.md\">README.md</a>, <a href=\
                 \"https://docs.rs/url\">docs.rs/url</a> and <code>http://127.0.0.1:8080</code>; fails for \
                 <a href=\"http://8.8.8.8/x\">http://8.8.8.8/x</a>.</p><a href=\"https://github.com/org/tool/pull/12#issuecomment-1\">\
                 view it on GitHub</a><script type=\"application/ld+json\">{\"@type\":\"EmailMessage\"}</script>",
            ),
        ),
        (
            "a notification of one's own GitLab",
            page(
                "From: GitLab <gitlab@our-company.org>\nSubject: tool | Pipeline failed\nPrecedence: list\n",
                "<a href=\"http://10.1.2.3/tool/-/pipelines/7\">#7</a> <a href=\"https://gitlab.our-company.org/tool\">\
                 gitlab.our-company.org/tool</a> <a href=\"https://about.gitlab.com\">GitLab</a>",
            ),
        ),
        (
            "a post on a mailing list",
            "From: Dora Lang via talk <talk@lists.free-seeds.org>\nReply-To: dora@web.de\nSubject: [talk] Re: Bees\n\
             List-Id: <talk.lists.free-seeds.org>\nContent-Type: text/plain\n\n\
             > From: https://www.bees-and-more.net/a?b=c\n> see www.paypal.com/donate or bit.ly/2bEEs\n\
             I found http://198.51.100.7/bees.pdf and example.com.\n\n--\nDora | www.dora-lang.de\n\
             _______________________________________________\ntalk mailing list\ntalk@lists.free-seeds.org\n\
             https://lists.free-seeds.org/mailman/listinfo/talk\n>> Sent with https://getmailspring.com\n"
                .to_owned(),
        ),
        (
            "forwarded mail",
            page(
                "From: Emil <emil@partner-firm.com>\nSubject: Fwd: Offer\n",
                "<p>FYI</p><div class=\"gmail_quote\">---------- Forwarded message ---------<br>From: <b>Fritz</b> &lt;<a href=\
                 \"mailto:fritz@supplier.eu\">fritz@supplier.eu</a>&gt;<br><br>\
                 <a href=\"https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.supplier.eu%2Foffer&amp;data=05%7C02\">\
                 https://www.supplier.eu/offer</a><br><a href=\"https://urldefense.com/v3/__https://www.our-company.org/__;!!aB$\">\
                 www.our-company.org</a><br><a href=\"https://t.sidekick-tracked.com/s/x\">www.supplier.eu</a><br>\
                 <a href=\"https://t.sidekick-tracked.com/s/y\">www.our-company.org</a></div>",
            ),
        ),
        (
            "mail forwarded as an attachment",
            format!(
                "From: Emil <emil@partner-firm.com>\nSubject: Fwd: Five roses\nMIME-Version: 1.0\n\
                 Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\nSee below.\n\
                 --m\nContent-Type: message/rfc822\n\n{}\n--m--\n",
                shop("")
            ),
        ),
    ]
}

#[test]
fn none_of_what_people_want_is_marked() {
    for (name, raw) in notices().into_iter().chain(conversations()) {
        let (disposition, findings) = verdict(&raw);
        let points: f64 = findings.iter().map(|finding| finding.score.value()).sum();
        assert_eq!(disposition, Disposition::Accept, "{name}: {points} {findings:?}");
        assert!(points < Thresholds::default().tag, "{name}: {points} {findings:?}");
    }
}

#[test]
fn the_same_mail_made_to_steal_is_marked_or_held() {
    let notice = |from: &str, link: &str| {
        let body = format!("<a href=\"https://{link}/banking\">https://www.nordbank.de/banking</a>");
        page(&format!("From: Nordbank <service@{from}>\nSubject: Your account is locked\n"), &body)
    };
    for (from, link, expected) in [
        ("nordbank-service.de", "nordbank-login.xyz", Disposition::Quarantine),
        ("n0rdbank.de", "mailflow-engine.com", Disposition::Quarantine),
        ("n\u{43e}rdbank.de", "mailflow-engine.com", Disposition::Quarantine),
        ("nordbank.de", "n\u{43e}rdbank.de", Disposition::Quarantine),
    ] {
        let (disposition, findings) = verdict(&notice(from, link));
        assert_eq!(disposition, expected, "{from} {link} {findings:?}");
    }
}
