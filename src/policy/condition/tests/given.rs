//! What operators and functions give.

use super::*;

/// All of these hold for the sample.
const HOLD: &[&str] = &[
    "true && !false",
    "inbound || 1 / 0 > 1",
    "1 / 0 > 1 || inbound",
    "!(1 % 0 == 1 && outbound)",
    "inbound ? true : false",
    "1 + 2 * 3 - 4 / 2 == 5 && 7 % 4 == 3 && -7 / 2 == -3 && -7 % 4 == -3",
    "1.5 * 2.0 == 3.0 && 1 < 1.5 && 2 > 1.5 && 1 == 1.0 && score * 2 == 15.0 && score / 2 > 3",
    "9223372036854775807 > 9223372036854775806.0 - 2048.0",
    "\"a\" + \"b\" == 'ab' && \"a\" < \"b\" && 'x' != \"y\"",
    "[1, 2] + [3] == [1, 2, 3] && [] == [] && [1] != [] && [1.0] == [1]",
    "[1, 2.5][1] == 2.5 && [[1], []][1].size() == 0",
    "\"grüße\".size() == 5 && size([1, 2]) == 2 && size(urls) == 3 && urls.size() == 3",
    "\"abc\".startsWith(\"ab\") && \"abc\".endsWith(\"bc\") && \"abc\".contains(\"b\") && !\"abc\".contains(\"x\")",
    "\"abc\".matches(\"^a.c$\") && !\"abc\".matches(\"^b\")",
    "\"AÄ\".lower() == \"aä\" && \"AÄ\".lowerAscii() == \"aÄ\" && \"aä\".upper() == \"AÄ\" && \"aä\".upperAscii() == \"Aä\"",
    "\" a \".trim() == \"a\"",
    "2 in [1, 2, 3] && 2.0 in [1, 2] && !(4 in [1]) && \"a\" in [\"a\", \"b\"] && !(\"c\" in [\"a\"])",
    "high in [high, critical] && !(low in [high]) && high > low && none < info && critical >= high",
    "malware > phish && phish > spam && spam > suspicious && suspicious > clean",
    "reject != nothing && reject in [reject, quarantine]",
    "findings.exists(f, f.severity >= high && f.category == malware)",
    "findings.all(f, f.score > 0) && findings.exists_one(f, f.score > 3) && findings.existsOne(f, f.score > 3)",
    "findings.filter(f, f.category == spam).size() == 1",
    "findings.map(f, f.symbol) == [\"BAYES_SPAM\", \"PHISH_HOST\", \"ODD_MACRO\"]",
    "findings.map(f, f.score > 3, f.symbol) == [\"ODD_MACRO\"]",
    "findings.filter(f, f.category == spam)[0].symbol == \"BAYES_SPAM\"",
    "urls.exists(u, findings.exists(f, f.category == phish && u.host.contains(\"bad\")))",
    "[1, 2, 3].exists(n, n == 2 || 1 / (n - 1) > 0)",
    "![1, 2, 3].all(n, n < 3 && 6 / (n - 1) > 0)",
    "has(auth.dmarc) && [1].exists(x, has(auth.spf))",
    "found(\"ODD_MACRO\") && found(\"PHISH_*\") && found(\"*SPAM\") && found(\"*_*\") && !found(\"ODD\")",
    "found(\"ODD_*\", \"yara\") && !found(\"ODD_*\", \"clamd\")",
    "worst(malware) == high && worst(suspicious) == none && worst(spam) < medium && count(phish) == 1",
    "outcome(\"clamd\") == \"timeout\" && outcome(\"yara\") == \"found\" && outcome(\"mime\") == \"absent\"",
    "missing == [\"clamd\"] && \"clamd\" in missing && !(\"yara\" in missing)",
    "ip_in(session.client_ip, [\"192.0.2.0/24\", \"2001:db8::/32\"]) && !ip_in(session.client_ip, [\"192.0.2.8\"])",
    "ip_in(\"192.0.2.7\", [\"192.0.2.7\"]) && ip_in(\"2001:db8::1\", [\"::/0\"]) && !ip_in(\"x\", [\"0.0.0.0/0\"])",
    "domain_in(envelope.sender_domain, [\"example\"]) && domain_in(\"a.B.example.\", [\"b.EXAMPLE\"])",
    "!domain_in(\"ab.example\", [\"b.example\"]) && domain_in(\"Bücher.example\", [\"xn--bcher-kva.example\"])",
    "listed(\"block\") && listed(\"block\", \"url\") && !listed(\"allow\") && !listed(\"block\", \"client\")",
    "lists.exists(l, l.list == \"block\" && l.on == \"url\" && l.entry == \"url:bad.example\" && l.scope == \"\")",
    "header(\"subject\") == \"Grüße from the shop\" && header(\"X-None\") == \"\" && has_header(\"List-ID\")",
    "headers(\"Received\") == [\"from a\", \"from b\"] && !has_header(\"X-None\")",
    "(\"a\" == \"a\") == true",
    "r\"\\d\" == \"\\\\d\"",
];

#[test]
fn operators_and_functions_give_what_cel_says() {
    let sample = Sample::new();
    for text in HOLD {
        assert_eq!(sample.holds(text), Ok(true), "{text}");
    }
}

#[test]
fn a_failure_is_told_unless_the_other_side_decides() {
    let sample = Sample::new();
    for (text, wanted) in [
        ("1 / (size(urls) - 3) == 1", Failure::ZeroDivision),
        ("inbound && size(urls) % (size(urls) - 3) == 1", Failure::ZeroDivision),
        ("9223372036854775807 + size(urls) > 0", Failure::Overflow),
        ("urls[3].host == \"a\"", Failure::NoSuchElement),
        ("[1, 2].exists(n, n / (n - 1) == 4 + size(urls))", Failure::ZeroDivision),
        ("[1, 2].exists_one(n, n / (n - 1) == size(urls))", Failure::ZeroDivision),
    ] {
        assert_eq!(sample.holds(text), Err(wanted), "{text}");
    }
}

#[test]
fn without_the_message_what_only_it_tells_is_not_recorded() {
    let sample = Sample { message: None, ..Sample::new() };
    assert_eq!(sample.holds("message.subject == \"Grüße from the shop\""), Ok(true));
    let of = |what| Err(Failure::NotRecorded(what));
    assert_eq!(sample.holds("header(\"Subject\") == \"\""), of("the header"));
    assert_eq!(sample.holds("has_header(\"Subject\")"), of("the header"));
    assert_eq!(sample.holds("message.size > 10"), of("the size of the message"));
    assert_eq!(sample.holds("message.from_domain == \"\""), of("the From field"));
    assert_eq!(sample.holds("message.is_bulk || inbound"), Ok(true));
}

#[test]
fn fuel_runs_out_at_the_same_step_each_time() {
    let sample = Sample::new();
    let expression = compiled("findings.exists(f, urls.exists(u, u.host == f.symbol))");
    let needed = sample.look(|view| {
        let mut fuel = Fuel::new(1000);
        assert_eq!(expression.holds(view, &mut fuel), Ok(false));
        1000 - fuel.left()
    });
    for _ in 0..3 {
        let just = sample.look(|view| expression.holds(view, &mut Fuel::new(needed)));
        assert_eq!(just, Ok(false));
        let short = sample.look(|view| expression.holds(view, &mut Fuel::new(needed - 1)));
        assert_eq!(short, Err(Failure::OutOfFuel));
    }
    // Not even an || helps then.
    let or = compiled("findings.exists(f, urls.exists(u, u.host == f.symbol)) || inbound");
    assert_eq!(sample.look(|view| or.holds(view, &mut Fuel::new(20))), Err(Failure::OutOfFuel));
}

#[test]
fn dispositions_categories_and_texts_are_given_as_such() {
    let sample = Sample::new();
    let disposition = |text: &str| {
        let expression = Expression::compile(text, Kind::Disposition).unwrap();
        sample.look(|view| expression.disposition(view, &mut Fuel::of_a_message()))
    };
    assert_eq!(disposition("reject"), Ok(Some(crate::model::Disposition::Reject)));
    assert_eq!(disposition("inbound ? nothing : reject"), Ok(None));
    let category = Expression::compile("found(\"ODD_*\") ? malware : spam", Kind::Category).unwrap();
    assert_eq!(sample.look(|v| category.category(v, &mut Fuel::of_a_message())), Ok(Category::Malware));
    let text = Expression::compile("\"from \" + envelope.sender_domain", Kind::Text).unwrap();
    assert_eq!(sample.look(|v| text.text(v, &mut Fuel::of_a_message())), Ok("from shop.example".to_owned()));
}

#[test]
fn a_template_is_filled_with_values_for_people() {
    let sample = Sample::new();
    let filled = sample.fill("{{{score}}} of {thresholds.reject}: {worst(malware)}, {session.client_ip} {\"}\"} {inbound} {reject}");
    assert_eq!(filled, Ok("{7.5} of 15.0: high, 192.0.2.7 } true reject".to_owned()));
    assert_eq!(sample.fill("plain"), Ok("plain".to_owned()));
    assert!(Template::compile("{session.helo}").unwrap().uses().is_early());
}

#[test]
fn what_is_always_so_is_known_at_load() {
    let constant = |text: &str| compiled(text).constant();
    assert_eq!(constant("true"), Some(true));
    assert_eq!(constant("1 > 2"), Some(false));
    assert_eq!(constant("false && score > 1"), Some(false));
    assert_eq!(constant("score > 1 || true"), Some(true));
    assert_eq!(constant("score > 1 && true"), None);
    assert_eq!(constant("\"a\" in [\"a\"]"), Some(true));
}
