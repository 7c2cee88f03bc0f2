//! The text shown names another domain than the link.

use super::super::{Context, Protected, of};
use super::{MAIL, Mail, told};
use crate::link::Link;
use crate::mail::links::{Found, Links, Place, Source};

#[test]
fn a_link_that_shows_one_domain_and_leads_to_another_is_told() {
    for (page, expected) in [
        (
            "<a href='http://evil.net/x'>https://www.bank-of-north.com/login</a>",
            "bank-of-north.com leads to evil.net",
        ),
        ("<a href='http://evil.net/x'>www.bank-of-north.com</a>", "bank-of-north.com leads to evil.net"),
        ("<a href='http://evil.net/x'>bank-of-north.com</a>", "bank-of-north.com leads to evil.net"),
        (
            "<a href='http://evil.net/x'>Log in at <b>WWW.Bank-of-North.com</b> now.</a>",
            "bank-of-north.com leads to evil.net",
        ),
        ("<a href='http://evil.net/x'>ｗｗｗ．bank-of-north．com</a>", "bank-of-north.com leads to evil.net"),
        ("<a href='http://192.0.2.7/x'>http://bank-of-north.com</a>", "bank-of-north.com leads to 192.0.2.7"),
        // One under another public suffix has another owner, whatever he calls himself.
        (
            "<a href='http://bank-of-north.web.app/'>www.bank-of-north.com</a>",
            "bank-of-north.com leads to bank-of-north.web.app",
        ),
        // Numbers that the service does not use, anybody may register.
        ("<a href='http://cmail21.com/'>www.bank-of-north.com</a>", "bank-of-north.com leads to cmail21.com"),
        // A filter's wrapper stands for what it wraps.
        (
            "<a href='https://eur01.safelinks.protection.outlook.com/?url=http%3A%2F%2Fevil.net%2F&data=1'>\
             www.bank-of-north.com</a>",
            "bank-of-north.com leads to evil.net",
        ),
    ] {
        let expected = format!("LINK_TEXT_MISMATCH: {expected}");
        assert!(told(page).contains(&expected), "{page}: {:?}", told(page));
    }
}

#[test]
fn links_that_say_where_they_lead_or_say_nothing_are_spared() {
    for page in [
        "<a href='https://login.example.com/x'>https://www.example.com/</a>",
        "<a href='https://www.example.co.uk/'>example.com</a>",
        "<a href='https://evil.net/'>click here</a>",
        "<a href='https://evil.net/'><img src='https://example.com/x.png'></a>",
        "<a href='https://evil.net/'>info@example.com</a>",
        "<a href='mailto:a@evil.net'>www.example.com</a>",
        // The author's own domain counts his clicks.
        "<a href='https://click.sender.com/1'>www.partner.com</a>",
        // Services that count clicks; numbered domains are one service.
        "<a href='https://sender.us1.list-manage.com/track/click?u=1'>www.partner.com</a>",
        "<a href='https://go.cmail19.com/t/1'>www.partner.com</a>",
        "<a href='https://u1.ct.sendgrid.net/ls/click?upn=1'>http://www.partner.com</a>",
        "<a href='https://t.co/abc'>partner.com/x</a>",
        // Wrapped: it says where it leads.
        "<a href='https://redirect.net/?to=https%3A%2F%2Fwww.partner.com%2Fx'>www.partner.com</a>",
        "<a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fpartner.com%2F'>partner.com</a>",
        "<a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fpartner.com%2F&d=1'>partner.com</a>\
         <a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fpartner.com%2F&d=2'>partner.com</a>",
        "<a href='https://urldefense.com/v3/__https://partner.com/x__;!!abc$'>https://partner.com/x</a>",
        // A filter that cannot be unwrapped without a question.
        "<a href='https://protect.checkpoint.com/v2/abc'>partner.com</a>",
        // Organisations with several domains.
        "<a href='https://youtu.be/abc'>www.youtube.com/watch?v=abc</a>",
        "<a href='https://aka.ms/x'>www.microsoft.com</a>",
        // No addresses: files, products, companies in a sentence.
        "<a href='https://github.com/a/readme.md'>readme.md</a>",
        "<a href='https://docs.python.org/'>setup.py</a>",
        "<a href='https://dotnet.microsoft.com/'>ASP.NET</a>",
        "<a href='https://offers.net/'>Save now with Booking.com</a>",
        "<a href='https://offers.net/'>3.5</a>",
        "<a href='https://offers.net/'>www.partner...</a>",
        "<a href='https://offers.net/'>https://</a>",
    ] {
        let told = told(page);
        assert!(!told.iter().any(|t| t.starts_with("LINK_TEXT")), "{page}: {told:?}");
    }
}

#[test]
fn where_strangers_keep_documents_nothing_is_the_authors() {
    let page = "<a href='https://sites.google.com/view/x'>www.bank-of-north.com</a>";
    let expected =
        ["LINK_TEXT_MISMATCH: bank-of-north.com leads to google.com", "LINK_FREE_HOST: sites.google.com"];
    assert_eq!(Mail { author: "gmail.com", ..MAIL }.told(page), expected);
    let digest = "<a href='https://www.linkedin.com/comm/x'>partner.com</a>";
    assert_eq!(Mail { author: "linkedin.com", ..MAIL }.told(digest), Vec::<String>::new());
}

#[test]
fn a_newsletters_own_way_to_count_clicks_is_found_by_its_use() {
    let one = "<a href='https://click.mail-service.biz/1'>www.partner.com</a>";
    let page = format!(
        "{one}<a href='https://click.mail-service.biz/2'>Read more</a>\
         <a href='https://click.mail-service.biz/3'>Unsubscribe</a>"
    );
    let newsletter = Mail { is_newsletter: true, ..MAIL };
    assert_eq!(newsletter.told(&page), Vec::<String>::new());
    // Who does not say that it is one, and one link among others, is not spared.
    let expected = ["LINK_TEXT_MISMATCH: partner.com leads to mail-service.biz"];
    assert_eq!(told(&page), expected);
    let others = format!(
        "{one}<a href='https://a.com/'>a</a><a href='https://a.com/'>b</a><a href='https://a.com/'>c</a>"
    );
    assert_eq!(newsletter.told(&others), expected);
}

#[test]
fn a_protected_domain_is_not_spared_by_what_anybody_can_write() {
    let expected = |target: &str| vec![format!("LINK_TEXT_PROTECTED: paypal.com leads to {target}")];
    for (page, target) in [
        ("<a href='http://evil.net/'>www.paypal.com</a>", "evil.net"),
        ("<a href='http://sender.com/'>www.paypal.com</a>", "sender.com"),
    ] {
        assert_eq!(told(page), expected(target), "{page}");
    }
    let own = "<a href='https://evil.net/'>https://mail.our-company.org</a>";
    assert_eq!(told(own), ["LINK_TEXT_PROTECTED: our-company.org leads to evil.net"]);
    let wrapped = "<a href='http://evil.net/?to=https://www.paypal.com/'>www.paypal.com</a>";
    assert_eq!(told(wrapped), ["LINK_TEXT_MISMATCH: paypal.com leads to evil.net"]);
    for page in [
        "<a href='https://www.paypal.com/x'>paypal.com</a>",
        "<a href='https://paypal.me/x'>paypal.com</a>",
        "<a href='https://our-company.org/x'>paypal.com</a>",
        "<a href='https://x.list-manage.com/track/click?u=1'>www.paypal.com</a>",
        "<a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.paypal.com%2F'>paypal.com</a>",
        "<a href='https://secure-web.cisco.com/1abc/x'>paypal.com</a>",
    ] {
        assert_eq!(told(page), Vec::<String>::new(), "{page}");
    }
}

#[test]
fn what_a_form_wraps_says_nothing_of_a_link_with_the_same_text() {
    let found = |source, host: &str| Found {
        link: Link::parse(&format!("https://{host}/x")).expect("a link"),
        place: Place::Part(1),
        source,
        shown: "rewriter.safelinks.protection.outlook.com".to_owned(),
        written: format!("https://{host}/x"),
    };
    let link = found(Source::Href, "rewriter.safelinks.protection.outlook.com");
    let form = [found(Source::Form, "other.com"), found(Source::Wrapped, "other.com")];
    for list in [[vec![link.clone()], form.to_vec()].concat(), [form.to_vec(), vec![link]].concat()] {
        let links = Links { list, ..Links::default() };
        let protected = Protected::new(std::iter::empty());
        let context = Context {
            author: None,
            is_ours: false,
            recipients: &[],
            protected: &protected,
            is_newsletter: false,
        };
        assert_eq!(of(&links, &context), []);
    }
}

#[test]
fn a_protected_domain_is_seen_in_a_sentence_as_well() {
    for shown in [
        "Sign in at paypal.com",
        "PayPal (paypal.com)",
        "Go to paypal.com now",
        "paypal.com&nbsp;login",
        "paypal.com|login",
        "login\u{2014}www.paypal.com",
        "Pay at PayPal.com/signin, safely",
        "see \u{ab}paypal\u{3002}com\u{bb}",
    ] {
        let page = format!("<a href='http://evil.net/'>{shown}</a>");
        assert_eq!(told(&page), ["LINK_TEXT_PROTECTED: paypal.com leads to evil.net"], "{shown}");
    }
    for shown in ["Sign in at mail.our-company.org", "Go to our-company.org/login now"] {
        let page = format!("<a href='http://evil.net/'>{shown}</a>");
        assert_eq!(told(&page), ["LINK_TEXT_PROTECTED: our-company.org leads to evil.net"], "{shown}");
    }
    // An ending that files have does not hide what is protected.
    let bank = Mail { protected: &["bank-of-north.it"], ..MAIL };
    let page = "<a href='http://evil.net/'>bank-of-north.it</a>";
    assert_eq!(bank.told(page), ["LINK_TEXT_PROTECTED: bank-of-north.it leads to evil.net"]);
    for (target, shown) in [
        ("evil.net", "Save now with Booking.com"),
        ("evil.net", "We wrote to service@paypal.com about it"),
        // So do services call a customer.
        ("registrar.net", "Renew our-company.org now"),
        ("registrar.net", "Report for our-company.org."),
        ("www.paypal.com", "Sign in at paypal.com"),
        ("x.list-manage.com", "Pay at paypal.com now"),
        ("paypal.me", "Pay at paypal.com now"),
    ] {
        let page = format!("<a href='https://{target}/x'>{shown}</a>");
        assert_eq!(told(&page), Vec::<String>::new(), "{shown}");
    }
}
