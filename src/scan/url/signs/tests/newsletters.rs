//! Mail that people want, as its senders make it: nothing of it may be marked.

use super::super::goes_to_many;
use super::{MAIL, Mail};
use crate::mail::header;
use crate::model::Severity;
use crate::policy::Thresholds;

/// The preview of a frame that half of all newsletters come from.
const MJML: &str = "<div style='display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;\
     opacity:0;overflow:hidden;'>This week: five ways to save water in your garden, and a recipe for the days when \
     nobody wants to cook. Free delivery until Sunday on everything that is green, blue or somewhere in between.\
     &nbsp;&zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&#847;&#847;</div>\
     <table><tr><td style='font-size:0px;padding:10px 25px;word-break:break-word;'>\
     <div style='font-family:Ubuntu;font-size:13px;line-height:1;color:#000000;'>Dear reader, here is our letter.</div>\
     </td></tr></table>";

/// Who sends it, whether it says that it goes to many, and the page.
fn mails() -> Vec<(&'static str, bool, String)> {
    let text = "Here is some text that a reader would read with joy on a Sunday morning. ".repeat(12);
    vec![
        ("garden-shop.com", true, format!(
            "{MJML}<a href='https://garden-shop.us5.list-manage.com/track/click?u=1&id=2'>www.garden-shop.com</a>\
             <a href='https://garden-shop.us5.list-manage.com/unsubscribe?u=1'>Unsubscribe</a>\
             <a href='https://mailchi.mp/garden-shop/news'>View in browser</a>\
             <a href='https://www.facebook.com/gardenshop'>Facebook</a><a href='https://bit.ly/3abc'>More</a>")),
        // A service under a name of the customer's own, another's address in the text, no word of it in the header.
        ("travel-agency.de", false,
            "<a href='https://links.travel-agency.de/ctt?m=1&r=2'>www.hotel-am-see.de</a>\
             <a href='https://links.travel-agency.de/ctt?m=1&r=3'>https://www.bahn.de/reise</a>".to_owned()),
        // A branded service on a domain of its own.
        ("furniture.com", true,
            "<a href='https://click.furniture-emails.com/1'>furniture.com</a>\
             <a href='https://click.furniture-emails.com/2'>www.partner-store.com</a>\
             <a href='https://click.furniture-emails.com/3'>Shop now</a>\
             <a href='https://click.furniture-emails.com/4'>Unsubscribe</a>\
             <form action='https://u.furniture-emails.com/poll'><input type=radio name=a></form>".to_owned()),
        // Text twice, for two sizes of screen, and a menu that is hidden on the small one.
        ("news.com", true, format!(
            "<div style='display:none'>{text}{text}</div><div>{text}</div><div style='display:none'>{text}</div>")),
        // White letters on a picture: the colour of the page behind it is not what is seen.
        ("fashion.com", true, format!(
            "<body bgcolor='#ffffff'><table background='https://img.fashion.com/x.jpg'><tr><td><font color='#ffffff'>\
             {text}</font></td></tr></table><p>{text}</p>")),
        // A mail program's thread, addresses wrapped by a filter on its way.
        ("partner.com", false,
            "<a href='https://eur03.safelinks.protection.outlook.com/?url=http%3A%2F%2Fwww.partner.com%2F&data=05'>\
             www.partner.com</a><a href='https://urldefense.com/v3/__http://www.our-company.org__;!!x$'>\
             www.our-company.org</a><a href='\\\\files\\share\\a.docx'>a.docx</a>\
             <a href='https://partner.sharepoint.com/:w:/s/x'>a.docx</a>".to_owned()),
        ("github.com", true,
            "<a href='https://github.com/a/b/pull/1'>https://github.com/a/b/pull/1</a>\
             <a href='https://github.com/a/b/blob/main/README.md'>README.md</a>\
             <a href='https://a.github.io/b'>a.github.io/b</a>\
             <script type='application/ld+json'>{\"@context\":\"http://schema.org\"}</script>".to_owned()),
        // Monitoring.
        ("our-company.org", false,
            "<p>DOWN: http://192.168.4.7:8080/health and http://8.8.8.8/</p><a href='javascript:void(0)'>Ack</a>"
                .to_owned()),
        // A signature.
        ("lawyers.co.uk", false,
            "<a href='http://www.lawyers.co.uk/'>www.lawyers.co.uk</a> <a href='mailto:a@lawyers.co.uk'>\
             a@lawyers.co.uk</a><a href='https://www.linkedin.com/in/a'>LinkedIn</a><a href='https://goo.gl/maps/x'>\
             Find us</a>".to_owned()),
        // A payment, by the protected one itself.
        ("paypal.com", false,
            "<a href='https://www.paypal.com/activity'>www.paypal.com</a><a href='https://epl.paypal-communication.com/x'>\
             Terms</a><a href='https://www.paypalobjects.com/x'>x</a>".to_owned()),
        // A report of phishing, from a colleague.
        ("our-company.org", false,
            "<p>Beware of hxxp://paypa1.com and of mail that looks like ours.</p>".to_owned()),
        ("magazine.org", true, format!(
            "<p><span style='font-size:0;line-height:0'>&nbsp;</span>{text}</p><a href='https://substack.com/redirect/x'>\
             https://www.other-magazine.com/story</a><a href='https://www.youtube.com/watch?v=x'>youtu.be/x</a>")),
        ("city-library.org", true,
            "<a href='https://www.nature.com.ezproxy.city-library.org/articles'>https://www.nature.com/articles</a>\
             <a href='https://doi-org.ezproxy.city-library.org/10.1/1'>doi.org/10.1/1</a>".to_owned()),
    ]
}

#[test]
fn nothing_that_people_want_is_marked() {
    for (author, is_newsletter, page) in mails() {
        let mail = Mail {
            author,
            is_ours: false,
            is_newsletter,
            protected: &["paypal.com", "nature.com"],
            recipients: &["our-company.org", "gmail.com"],
        };
        let findings = mail.findings(&page);
        let points: f64 = findings.iter().map(|f| f.score.value()).sum();
        assert!(points <= Thresholds::default().tag / 2.0, "{author}: {points} {findings:?}");
        assert!(findings.iter().all(|f| f.severity < Severity::Medium), "{author}: {findings:?}");
    }
}

#[test]
fn the_same_made_to_steal_is_marked() {
    let page = format!(
        "{MJML}<p>Your account is locked. <a href='https://paypal-verify-login.xyz/x'>https://www.paypal.com/signin</a>\
         <a href='https://bit.ly/x'>Help</a>"
    );
    for is_newsletter in [false, true] {
        let findings = Mail { is_newsletter, ..MAIL }.findings(&page);
        let points: f64 = findings.iter().map(|f| f.score.value()).sum();
        assert!(points >= Thresholds::default().tag, "{points} {findings:?}");
    }
}

#[test]
fn a_message_says_by_its_header_that_it_goes_to_many() {
    for (header, expected) in [
        ("List-Unsubscribe: <https://sender.com/u>", true),
        ("LIST-ID: <news.sender.com>", true),
        ("Precedence: Bulk", true),
        ("Precedence: first-class", false),
        ("Subject: List-Id", false),
    ] {
        let message = header::parse(format!("From: a@sender.com\r\n{header}\r\n\r\nx\r\n"));
        assert_eq!(goes_to_many(&message), expected, "{header}");
    }
}
