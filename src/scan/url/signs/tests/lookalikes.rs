//! Domains that look like protected ones.

use super::{MAIL, Mail};

fn told(protected: &[&str], host: &str) -> Vec<String> {
    let mail = Mail { protected, recipients: &[], ..MAIL };
    let told = mail.told(&format!("<a href='https://{host}/x'>here</a>"));
    told.into_iter().filter(|told| told.starts_with("LOOKALIKE")).collect()
}

#[test]
fn each_way_to_look_like_a_protected_domain_is_told() {
    for (domain, host, expected) in [
        // Other scripts: Cyrillic a, all of it Cyrillic, small capitals, dotless i.
        ("paypal.com", "www.pаypal.com", "LOOKALIKE_HOMOGRAPH: xn--pypal-4ve.com, like paypal.com"),
        ("apple.com", "аррӏе.com", "LOOKALIKE_HOMOGRAPH: xn--80ak6aa92e.com, like apple.com"),
        ("microsoft.com", "mıcrosoft.com", "LOOKALIKE_HOMOGRAPH: xn--mcrosoft-tkb.com, like microsoft.com"),
        ("example.org", "ехаmple.net", "LOOKALIKE_HOMOGRAPH: xn--mple-43d3a6i.net, like example.org"),
        // Plain letters.
        ("paypal.com", "paypa1.com", "LOOKALIKE_GLYPHS: paypa1.com, like paypal.com"),
        ("microsoft.com", "rnicrosoft.com", "LOOKALIKE_GLYPHS: rnicrosoft.com, like microsoft.com"),
        ("google.com", "g00gle.co", "LOOKALIKE_GLYPHS: g00gle.co, like google.com"),
        ("wikipedia.org", "vvikipedia.org", "LOOKALIKE_GLYPHS: vvikipedia.org, like wikipedia.org"),
        ("cloudflare.com", "doudflare.com", "LOOKALIKE_GLYPHS: doudflare.com, like cloudflare.com"),
        // Accents, either way.
        ("paypal.com", "paypál.com", "LOOKALIKE_TYPO: xn--paypl-0qa.com, like paypal.com"),
        ("müller-bau.de", "muller-bau.de", "LOOKALIKE_TYPO: muller-bau.de, like xn--mller-bau-q9a.de"),
        // One letter.
        ("paypal.com", "papyal.com", "LOOKALIKE_TYPO: papyal.com, like paypal.com"),
        ("paypal.com", "payppal.com", "LOOKALIKE_TYPO: payppal.com, like paypal.com"),
        ("paypal.com", "paypai.com", "LOOKALIKE_TYPO: paypai.com, like paypal.com"),
        ("google.com", "gogle.com", "LOOKALIKE_TYPO: gogle.com, like google.com"),
        ("microsoft.com", "micrasoft.com", "LOOKALIKE_TYPO: micrasoft.com, like microsoft.com"),
        ("microsoft.com", "mcrosoft.net", "LOOKALIKE_TYPO: mcrosoft.net, like microsoft.com"),
        ("our-company.org", "ourcompanyy.org", ""),
        // Words.
        ("paypal.com", "paypal-login.com", "LOOKALIKE_WORDS: paypal-login.com, like paypal.com"),
        ("paypal.com", "secure-paypal.xyz", "LOOKALIKE_WORDS: secure-paypal.xyz, like paypal.com"),
        ("paypal.com", "paypalsecurelogin.com", "LOOKALIKE_WORDS: paypalsecurelogin.com, like paypal.com"),
        (
            "paypal.com",
            "my-paypal-account-login.com",
            "LOOKALIKE_WORDS: my-paypal-account-login.com, like paypal.com",
        ),
        ("paypal.com", "paypal-com.net", "LOOKALIKE_WORDS: paypal-com.net, like paypal.com"),
        ("paypal.com", "paypal-login.web.app", "LOOKALIKE_WORDS: paypal-login.web.app, like paypal.com"),
        ("paypal.com", "paypa1-login.com", "LOOKALIKE_WORDS: paypa1-login.com, like paypal.com"),
        ("ubs.com", "ubs-login.com", ""),
        // Endings.
        ("our-company.org", "our-company.co", "LOOKALIKE_TLD: our-company.co, like our-company.org"),
        (
            "our-company.org",
            "x.our-company.com.co",
            "LOOKALIKE_TLD: our-company.com.co, like our-company.org",
        ),
        // In front.
        ("paypal.com", "paypal.com.evil.net", "LOOKALIKE_SUBDOMAIN: paypal.com.evil.net, like paypal.com"),
        (
            "paypal.com",
            "www.paypal.com-login.evil.net",
            "LOOKALIKE_SUBDOMAIN: www.paypal.com-login.evil.net, like paypal.com",
        ),
        (
            "bank.co.uk",
            "a-bank.co.uk.evil.net",
            "LOOKALIKE_SUBDOMAIN: a-bank.co.uk.evil.net, like bank.co.uk",
        ),
    ] {
        let expected: Vec<&str> = [expected].into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(told(&[domain], host), expected, "{domain} {host}");
    }
}

#[test]
fn honest_neighbours_are_spared() {
    for (domain, host) in [
        ("paypal.com", "www.paypal.com"),
        ("müller.de", "xn--mller-kva.de"),
        // Names as short as these have neighbours, and so do parts of longer ones.
        ("ubs.com", "ups.com"),
        ("kbc.be", "kbc.com"),
        ("meier.de", "meyer.de"),
        ("apple.com", "apply.com"),
        ("post.de", "postbank.de"),
        ("post.de", "host.de"),
        ("apple.com", "pineapple-support.com"),
        ("target.com", "targeting-service.com"),
        ("amazon.de", "amazonas-reisen.de"),
        ("mail.de", "webmail-login.de"),
        ("meinhaus.de", "weinhandel.de"),
        // Numbered names.
        ("service24.de", "service25.de"),
        ("example.org", "other.org"),
        // Words that are none of trust.
        ("paypal.com", "paypal-alternatives.com"),
        // Proxies.
        ("nature.com", "www.nature.com.ezproxy.uni.edu"),
        ("example.org", "example.org.mcas.ms"),
        ("example.org", "www.example.org.edgekey.net"),
        ("example.org", "notexample.org.evil.net"),
    ] {
        assert_eq!(told(&[domain], host), Vec::<String>::new(), "{domain} {host}");
    }
    // One protected domain does not imitate another.
    assert_eq!(told(&["paypal.com", "paypa1.com"], "paypa1.com"), Vec::<String>::new());
}

#[test]
fn the_recipients_own_domains_are_protected() {
    let page = "<form action='https://0ur-company.org/'></form><img src='https://0ur-c0mpany.org/x.png'>";
    assert_eq!(MAIL.told(page), ["LOOKALIKE_GLYPHS: 0ur-company.org, like our-company.org"]);
    assert_eq!(
        Mail { recipients: &["0ur-company.org", "our-company.org"], ..MAIL }.told(page),
        Vec::<String>::new()
    );
}

#[test]
fn what_cannot_be_protected_is_left_out() {
    let odd = ["", "com", "co.uk", "localhost", "192.0.2.1", "a b", "..", "github.io", "*.example.org"];
    assert_eq!(told(&odd, "c0m.com"), Vec::<String>::new());
}

/// What a mail of this author gives, whose only link is to `link`.
fn by(author: &str, link: &str, is_ours: bool) -> Vec<String> {
    let mail = Mail { author, is_ours, protected: &["paypal.com", "our-bank.de"], ..MAIL };
    let told = mail.told(&format!("<a href='https://{link}/x'>here</a>"));
    told.into_iter().filter(|told| told.starts_with("LOOKALIKE")).collect()
}

#[test]
fn the_author_may_not_look_like_a_protected_domain_either() {
    for (author, expected) in [
        ("paypa1.com", "LOOKALIKE_GLYPHS: paypa1.com, the author's, like paypal.com"),
        ("billing.paypa1.com", "LOOKALIKE_GLYPHS: paypa1.com, the author's, like paypal.com"),
        ("xn--pypal-4ve.com", "LOOKALIKE_HOMOGRAPH: xn--pypal-4ve.com, the author's, like paypal.com"),
        ("paypal-billing.com", "LOOKALIKE_WORDS: paypal-billing.com, the author's, like paypal.com"),
        ("papyal.com", "LOOKALIKE_TYPO: papyal.com, the author's, like paypal.com"),
        ("paypal.com.evil.net", "LOOKALIKE_SUBDOMAIN: paypal.com.evil.net, the author's, like paypal.com"),
        // The recipients' own.
        ("0ur-company.org", "LOOKALIKE_GLYPHS: 0ur-company.org, the author's, like our-company.org"),
        ("our-company.co", "LOOKALIKE_TLD: our-company.co, the author's, like our-company.org"),
        // Himself, and one of the same organisation.
        ("mail.paypal.com", ""),
        ("our-company.org", ""),
        ("paypal.me", ""),
        ("sender.com", ""),
        ("com", ""),
    ] {
        let expected: Vec<&str> = [expected].into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(by(author, "www.other.org", false), expected, "{author}");
        // A link to himself adds nothing, whatever its host.
        assert_eq!(by(author, author, false), expected, "{author}");
        assert_eq!(by(author, "www.other.org", true), [""; 0], "{author}: of our own users");
    }
    let both = by("paypa1.com", "0ur-bank.de", false);
    assert_eq!(both, ["LOOKALIKE_GLYPHS: paypa1.com, the author's, like paypal.com (and 1 more)"]);
    let finding = &Mail { author: "paypa1.com", ..MAIL }.findings("")[0];
    assert_eq!(finding.location.as_deref(), Some("header From"));
    // Another ending is no sign worth a word.
    let tld = &Mail { author: "our-company.co", ..MAIL }.findings("")[0];
    assert_eq!(tld.severity, crate::model::Severity::Info);
}

#[test]
fn houses_that_differ_in_the_first_letter_are_neighbours() {
    assert_eq!(told(&["tu-berlin.de"], "www.fu-berlin.de"), Vec::<String>::new());
    assert_eq!(told(&["tu-berlin.de"], "www.hu-berlin.de"), Vec::<String>::new());
    assert_eq!(told(&["tu-berlin.de"], "tu-berlim.de"), ["LOOKALIKE_TYPO: tu-berlim.de, like tu-berlin.de"]);
}
