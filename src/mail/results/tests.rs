//! The field as it is written, read again, and at its limits.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::mail::auth_results;
use crate::mail::results_read::{self, Statement};
use crate::model::{DmarcPolicy, HeaderValue};

fn seen() -> Authentication {
    let of = |domain: &str| Spf { result: AuthResult::Pass, domain: domain.into(), ..Spf::default() };
    Authentication {
        client: Some([192, 0, 2, 1].into()),
        helo: Some(of("mail.example.org")),
        mail_from: Some(Spf {
            identity: "a+b@Example.org".into(),
            reason: Some("mx of example.org matches".into()),
            ..of("example.org")
        }),
        dkim: vec![Dkim {
            result: AuthResult::Fail,
            domain: "example.org".into(),
            selector: "s1".into(),
            algorithm: "rsa-sha256".into(),
            signature: "AbC/+d==".into(),
            identity: Some("@mail.example.org".into()),
            reason: Some("the body was changed".into()),
            ..Dkim::default()
        }],
        arc: Some(ArcChain {
            result: AuthResult::Pass,
            sets: 1,
            sealers: vec!["a.example".into(), "lists.example".into()],
            ..ArcChain::default()
        }),
        dmarc: Some(Dmarc {
            result: AuthResult::Pass,
            domain: "example.org".into(),
            policy: Some(DmarcPolicy::Reject),
            ..Dmarc::default()
        }),
        iprev: Some(Iprev { result: AuthResult::Pass, name: Some("mail.example.org".into()) }),
        author: Author::Domain("example.org".into()),
        ..Authentication::default()
    }
}

#[test]
fn every_method_is_told_with_its_properties() {
    assert_eq!(
        authentication_results("mx.example.net", &seen()),
        "mx.example.net; spf=pass smtp.mailfrom=a+b@example.org; spf=pass smtp.helo=mail.example.org; \
         dkim=fail reason=\"the body was changed\" header.d=example.org header.i=@mail.example.org header.s=s1 \
         header.a=rsa-sha256 header.b=\"AbC/+d==\"; dmarc=pass header.from=example.org policy.dmarc=reject; \
         arc=pass (sealed by a.example, lists.example) smtp.remote-ip=192.0.2.1; \
         iprev=pass (mail.example.org) policy.iprev=192.0.2.1"
    );
}

#[test]
fn what_was_not_there_is_told_apart_from_what_could_not_be_verified() {
    assert_eq!(authentication_results("mx", &Authentication::default()), "mx; none");
    let nothing =
        Authentication { author: Author::Domain("example.org".into()), ..Authentication::default() };
    assert_eq!(authentication_results("mx", &nothing), "mx; dkim=none; dmarc=none");
    let with_author =
        |author| authentication_results("mx", &Authentication { author, ..Authentication::default() });
    let several = "mx; dkim=none; dmarc=permerror reason=\"there are 2 From fields\"";
    assert_eq!(with_author(Author::SeveralFields(2)), several);
    let odd = with_author(Author::Unreadable("a comment; dmarc=pass \"in\" it".into()));
    let expected = "mx; dkim=none; dmarc=permerror \
                    reason=\"From cannot be read without doubt: a comment; dmarc=pass ?in? it\"";
    assert_eq!(odd, expected);
    let late = not_verified("mx", &Outcome::TimedOut(std::time::Duration::from_secs(8)));
    let reason = "reason=\"the check did not end in time\"";
    assert_eq!(
        late,
        format!("mx; spf=temperror {reason}; dkim=temperror {reason}; dmarc=temperror {reason}")
    );
    assert!(not_verified("mx", &Outcome::failed("panic", "x")).contains("dmarc=temperror"));
    assert_eq!(not_verified("mx", &Outcome::Skipped(crate::model::Skip::Exempt)), "mx; none");
}

#[test]
fn a_pass_of_helo_stands_only_beside_a_pass_of_the_sender() {
    let told = |mail_from: Option<AuthResult>, helo| {
        let Authentication { mail_from: Some(from), helo: Some(name), .. } = seen() else { panic!() };
        let mail_from = mail_from.map(|result| Spf { result, reason: None, ..from });
        let helo = Some(Spf { result: helo, ..name });
        let seen = Authentication { mail_from, helo, ..Authentication::default() };
        let told = authentication_results("mx", &seen);
        told.split("; ").skip(1).take_while(|m| m.starts_with("spf")).collect::<Vec<_>>().join("; ")
    };
    let (from, helo) = ("smtp.mailfrom=a+b@example.org", "smtp.helo=mail.example.org");
    let (pass, fail) = (AuthResult::Pass, AuthResult::Fail);
    assert_eq!(told(Some(pass), pass), format!("spf=pass {from}; spf=pass {helo}"));
    assert_eq!(told(Some(pass), AuthResult::None), format!("spf=pass {from}"));
    assert_eq!(told(Some(fail), pass), format!("spf=fail {from}"));
    assert_eq!(told(Some(AuthResult::None), pass), format!("spf=none {from}"));
    assert_eq!(told(Some(fail), fail), format!("spf=fail {from}; spf=fail {helo}"));
    assert_eq!(told(None, pass), format!("spf=pass {helo}"));
    // A bounce: HELO stood in for MAIL FROM, and is told once.
    let helo = seen().helo;
    let bounce = Authentication { mail_from: helo.clone(), helo, ..Authentication::default() };
    let bounce = authentication_results("mx", &bounce);
    assert!(bounce.starts_with("mx; spf=pass smtp.helo=mail.example.org; dkim=none"), "{bounce}");
}

#[test]
fn the_word_of_another_is_called_so() {
    let told = vec![Method::Spf, Method::Iprev];
    let seen = Authentication { told_by: Some("gw.example.org".into()), told, ..seen() };
    let told = authentication_results("mx", &seen);
    assert!(told.starts_with("mx; spf=pass (as told by gw.example.org) smtp.mailfrom="), "{told}");
    assert!(
        told.ends_with("iprev=pass (as told by gw.example.org) (mail.example.org) policy.iprev=192.0.2.1")
    );
    assert_eq!(told.matches("as told by").count(), 3, "{told}");
}

#[test]
fn an_odd_local_part_is_left_out() {
    let mut seen = Authentication { mail_from: seen().mail_from, ..Authentication::default() };
    for odd in ["\"a;b\"@example.org", "a b@example.org", "é@example.org", "a@b@example.org", "@example.org"]
    {
        seen.mail_from.as_mut().unwrap().identity = odd.to_owned();
        let told = authentication_results("mx", &seen);
        assert!(told.starts_with("mx; spf=pass smtp.mailfrom=example.org; "), "{odd}: {told}");
    }
    seen.mail_from.as_mut().unwrap().identity = "bounce=list=x@example.org".to_owned();
    let told = authentication_results("mx", &seen);
    assert!(told.starts_with("mx; spf=pass smtp.mailfrom=\"bounce=list=x@example.org\"; "), "{told}");
}

/// Everything as long as it can be.
fn large(signatures: usize) -> Authentication {
    let long = "\u{201c}".repeat(400);
    let spf = |s: &str| Spf { domain: long.clone(), identity: s.to_owned(), ..seen().mail_from.unwrap() };
    let dkim = |n: usize| Dkim {
        result: if n.is_multiple_of(2) { AuthResult::Fail } else { AuthResult::Pass },
        domain: format!("{n}.{}", "d".repeat(251)),
        selector: "s".repeat(255),
        identity: Some(format!("i@{}", "i".repeat(253))),
        reason: Some(long.clone()),
        ..seen().dkim[0].clone()
    };
    Authentication {
        client: Some("2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap()),
        mail_from: Some(Spf { result: AuthResult::Fail, ..spf("a") }),
        helo: Some(Spf { result: AuthResult::Fail, ..spf("b") }),
        dkim: (0..signatures).map(dkim).collect(),
        dkim_left_out: 7,
        arc: Some(ArcChain {
            result: AuthResult::Fail,
            sealers: vec![long[..120].to_owned(); 50],
            reason: Some(long.clone()),
            ..ArcChain::default()
        }),
        dmarc: Some(Dmarc {
            result: AuthResult::TempError,
            reason: Some(long.clone()),
            ..seen().dmarc.unwrap()
        }),
        iprev: Some(Iprev { result: AuthResult::Fail, name: Some(long.clone()) }),
        ..seen()
    }
}

#[test]
fn a_field_is_never_so_long_that_it_would_be_cut() {
    let id = format!("{}.example", "a".repeat(245));
    for signatures in [0, 1, 2, 10, 100] {
        let told = authentication_results(&id, &large(signatures));
        assert!(told.len() <= MAX_FIELD, "{}", told.len());
        let field = HeaderValue::new("Authentication-Results", &told);
        assert_eq!(field.unfolded(), told);
        let longest = field.as_str().lines().map(str::len).max().unwrap();
        assert!(longest < 400, "{longest}");
        assert_eq!(told.matches("dkim=").count(), signatures.clamp(1, 2), "{told}");
        assert_eq!(
            told.matches("dkim=pass").count(),
            usize::from(signatures > 1) + usize::from(signatures > 3)
        );
        let more = signatures.saturating_sub(2) + 7;
        assert_eq!(told.contains(&format!(" (and {more} more); dmarc=")), signatures > 0, "{told}");
    }
}

#[test]
fn of_many_signatures_those_that_pass_for_the_author_are_told_first_in_the_order_of_the_message() {
    let dkim = |n: usize| Dkim {
        result: if n < 30 { AuthResult::Pass } else { AuthResult::Fail },
        domain: if n == 20 { "mail.example.org".to_owned() } else { format!("d{n}.example") },
        ..Dkim::default()
    };
    let seen = Authentication { dkim: (0..50).map(dkim).collect(), ..seen() };
    let told = authentication_results("mx", &seen);
    let domains: Vec<&str> = told
        .split("dkim=pass header.d=")
        .skip(1)
        .map(|rest| rest.split([';', ' ']).next().unwrap())
        .collect();
    let expected: Vec<String> =
        (0..9).map(|n| format!("d{n}.example")).chain(["mail.example.org".to_owned()]).collect();
    assert_eq!(domains, expected);
    assert!(told.contains("header.d=mail.example.org (and 40 more); dmarc="), "{told}");
}

proptest! {
    /// Whatever a sender puts into names and reasons: one field in our name, and as many methods as
    /// there are.
    #[test]
    fn nothing_breaks_out_of_its_property(odd in any::<String>(), more in ".{0,40}") {
        let told = authentication_results("mx.example.net", &odd_names(&odd, &more));
        prop_assert!(told.is_ascii() && !told.contains(['\r', '\n', '\0']));
        let id = auth_results::authserv_id(told.as_bytes());
        prop_assert_eq!(id.as_deref(), Some("mx.example.net"));
        let (mut outside, mut inside) = (String::new(), false);
        for c in told.chars() {
            if c == '"' { inside = !inside } else if !inside { outside.push(c) }
        }
        prop_assert!(!inside);
        prop_assert_eq!(outside.matches(';').count(), 6, "{}", told);
        let parentheses = (outside.matches('(').count(), outside.matches(')').count());
        prop_assert_eq!(parentheses, (2, 2), "{}", told);
    }
}

proptest! {
    /// Our own reader finds what was written, on the wire, and nothing that a sender put there.
    #[test]
    fn what_is_written_is_read_back(odd in any::<String>(), more in ".{0,40}") {
        let seen = odd_names(&odd, &more);
        let field = HeaderValue::new("Authentication-Results", &authentication_results("mx.example.net", &seen));
        for line in field.as_str().split('\n').skip(1) {
            prop_assert!(line.starts_with(['\t', ' ']) && !line.trim().is_empty(), "no fold: {:?}", line);
        }
        let read = results_read::read(field.as_str().as_bytes());
        prop_assert!(read.is_some(), "{}", field.as_str());
        let read = read.unwrap();
        prop_assert_eq!(&*read.authserv_id, "mx.example.net");
        let told: Vec<_> = read.results.iter().map(|told| (&*told.method, told.result)).collect();
        let expected = [
            ("spf", AuthResult::Pass),
            ("spf", AuthResult::Pass),
            ("dkim", AuthResult::Fail),
            ("dmarc", AuthResult::Pass),
            ("arc", AuthResult::Pass),
            ("iprev", AuthResult::Pass),
        ];
        prop_assert_eq!(told, expected.map(|(method, result)| (method, Some(result))));
        let [mail_from, helo, dkim, dmarc, arc, iprev] = read.results.try_into().unwrap();
        let names = |told: &Statement| told.properties.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        prop_assert_eq!(names(&mail_from), ["smtp.mailfrom"]);
        let address = mail_from.property("smtp.mailfrom").unwrap();
        prop_assert!(address == "example.org" || address.ends_with("@example.org"), "{}", address);
        prop_assert_eq!(helo.property("smtp.helo"), Some("mail.example.org"));
        prop_assert_eq!(dkim.property("header.b"), Some("AbC/+d=="));
        prop_assert!(dkim.property("header.d").unwrap().starts_with('d'));
        let ours = ["header.d", "header.i", "header.s", "header.a", "header.b"];
        prop_assert!(names(&dkim).iter().all(|name| ours.contains(&name.as_str())), "{:?}", dkim);
        prop_assert_eq!(names(&dmarc), ["header.from", "policy.dmarc"]);
        prop_assert_eq!(dmarc.property("header.from"), Some("example.org"));
        prop_assert_eq!(names(&arc), ["smtp.remote-ip"]);
        prop_assert_eq!(names(&iprev), ["policy.iprev"]);
        prop_assert_eq!(iprev.property("policy.iprev"), Some("192.0.2.1"));
    }
}

#[test]
fn our_own_reader_reads_the_longest_field_and_one_that_verifies_nothing() {
    for signatures in [0, 1, 2, 10, 100] {
        let told = authentication_results("mx.example.net", &large(signatures));
        let field = HeaderValue::new("Authentication-Results", &told);
        let read = results_read::read(field.as_str().as_bytes()).unwrap();
        assert_eq!(read.of("dkim").count(), signatures.clamp(1, 2), "{told}");
        assert_eq!(read.results.len(), 5 + signatures.clamp(1, 2), "{told}");
    }
    let read = |told: String| {
        let read = results_read::read(told.as_bytes()).unwrap();
        read.results.iter().map(|told| (told.method.clone(), told.result.unwrap())).collect::<Vec<_>>()
    };
    let late = not_verified("mx", &Outcome::TimedOut(std::time::Duration::from_secs(8)));
    let methods = ["spf", "dkim", "dmarc"].map(|method| (method.to_owned(), AuthResult::TempError));
    assert_eq!(read(late), methods);
    assert_eq!(read(not_verified("mx", &Outcome::Clean)), []);
}

/// With what a sender can choose.
fn odd_names(odd: &str, more: &str) -> Authentication {
    let mut seen = seen();
    seen.dkim[0].domain = format!("d{odd}");
    seen.dkim[0].selector = more.to_owned();
    seen.dkim[0].identity = Some(odd.to_owned());
    seen.dkim[0].reason = Some(odd.to_owned());
    seen.mail_from.as_mut().unwrap().identity = more.to_owned();
    seen.iprev.as_mut().unwrap().name = Some(format!("n{odd}"));
    seen.arc.as_mut().unwrap().sealers.push(more.to_owned());
    seen
}

/// Debian's python3-authres, which is somebody else's reader of RFC 8601.
const AUTHRES: &str = "
import sys, json, authres, authres.dmarc, authres.arc, authres.dkim_b
context = authres.FeatureContext(authres.dmarc, authres.arc, authres.dkim_b)
for line in sys.stdin:
    read = context.parse('Authentication-Results: ' + line.rstrip('\\n'))
    results = [r for r in read.results if not isinstance(r, authres.NoneAuthenticationResult)]
    print(json.dumps([read.authserv_id] + [
        [r.method, r.result, r.reason] + [p.type + '.' + p.name + '=' + p.value for p in r.properties] for r in results]))
";

#[test]
fn another_reader_finds_in_it_what_was_written() {
    let test = "another_reader_finds_in_it_what_was_written";
    let python = |script: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().and_then(std::process::Child::wait_with_output)
    };
    if !python("import authres").is_ok_and(|output| output.status.success()) {
        crate::testing::not_run(test, "python3-authres is missing", "run tests/mta/install.sh as root");
        return;
    }
    let odd = ["", "a;b", "\"", "\\", "(", ")", "é", "\u{0}\r\n", "dmarc=pass", "a b", "=", "@"];
    let mut values = vec![authentication_results("mx.example.net", &seen())];
    for odd in odd {
        for more in ["x", "\"a", "(", "; spf=pass smtp.mailfrom=bank.example"] {
            values.push(authentication_results("mx.example.net", &odd_names(odd, more)));
        }
    }
    let plain = values.len();
    values.extend([0, 1, 2, 10].map(|n| authentication_results("mx.example.net", &large(n))));
    values.push(not_verified("mx.example.net", &Outcome::failed("panic", "x")));
    values.push(not_verified("mx.example.net", &Outcome::Clean));
    // As on the wire, unfolded as RFC 5322 §2.2.3 says.
    let wire = |value: &String| HeaderValue::new("Authentication-Results", value).as_str().replace('\n', "");
    let script = AUTHRES.replace("sys.stdin", &format!("{:?}", values.iter().map(wire).collect::<Vec<_>>()));
    let output = python(&script).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let read: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), values.len());
    let expected = serde_json::json!([
        "mx.example.net",
        ["spf", "pass", null, "smtp.mailfrom=a+b@example.org"],
        ["spf", "pass", null, "smtp.helo=mail.example.org"],
        [
            "dkim",
            "fail",
            "the body was changed",
            "header.d=example.org",
            "header.i=@mail.example.org",
            "header.s=s1",
            "header.a=rsa-sha256",
            "header.b=AbC/+d=="
        ],
        ["dmarc", "pass", null, "header.from=example.org", "policy.dmarc=reject"],
        ["arc", "pass", null, "smtp.remote-ip=192.0.2.1"],
        ["iprev", "pass", null, "policy.iprev=192.0.2.1"],
    ]);
    assert_eq!(read[0], expected);
    for (read, value) in read.iter().zip(&values) {
        assert_eq!(read[0], "mx.example.net", "{value}");
        let methods = read.as_array().unwrap()[1..].iter().map(|r| r[0].as_str().unwrap());
        let written = value.split("; ").skip(1).filter_map(|m| Some(m.split_once('=')?.0));
        if !value.contains("; spf=pass smtp.mailfrom=bank") {
            assert_eq!(methods.collect::<Vec<_>>(), written.collect::<Vec<_>>(), "{value}");
        }
    }
    for (read, value) in read[..plain].iter().zip(&values) {
        assert_eq!(read.as_array().unwrap().len(), 7, "{value}");
        assert_eq!((&read[4], &read[6]), (&expected[4], &expected[6]), "{value}");
    }
}
