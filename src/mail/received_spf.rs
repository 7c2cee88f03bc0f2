//! What SPF came to, as a Received-SPF field (RFC 7208 §9.1), for programs that read no Authentication-Results.

use super::results::{address, comment, quoted};
use crate::model::authentication::{Method, Spf};
use crate::model::{AuthResult, Authentication};

/// The name of the field.
pub const NAME: &str = "Received-SPF";
/// The longest value of a key, in characters.
const MAX_VALUE: usize = 255;

/// The value of the field on one line: the result, what led to it in a comment, and every key of RFC 7208 §9.1
/// that there is a value for. `None` where SPF was not looked at, because no client is known.
///
/// One field is written: of MAIL FROM, and for a bounce of HELO, which stands in for it (§2.4). Every value is a
/// dot-atom or a quoted string in ASCII that needs no escape; an address is told as in
/// [`authentication_results`](super::results::authentication_results()).
#[must_use]
pub fn received_spf(receiver: Option<&str>, helo: Option<&str>, seen: &Authentication) -> Option<String> {
    let (spf, identity) = match (&seen.mail_from, &seen.helo) {
        (Some(mail_from), Some(helo)) if mail_from == helo => (helo, "helo"),
        (Some(mail_from), _) => (mail_from, "mailfrom"),
        (None, Some(helo)) => (helo, "helo"),
        (None, None) => return None,
    };
    let told_by = seen.told_by.as_deref().filter(|_| seen.told.contains(&Method::Spf));
    let told = told_by.map(|by| format!("as told by {by}"));
    let note = told.as_deref().or(spf.reason.as_deref()).map(comment);
    let failed = matches!(spf.result, AuthResult::TempError | AuthResult::PermError);
    let problem = spf.reason.as_deref().filter(|_| failed);
    let client = seen.client.map(|ip| ip.to_string());
    let from = address(spf);
    let keys = [
        ("receiver", receiver),
        ("identity", Some(identity)),
        ("client-ip", client.as_deref()),
        ("envelope-from", (identity == "mailfrom").then_some(&*from)),
        ("helo", helo),
        ("mechanism", mechanism(spf).filter(|_| told.is_none())),
        ("problem", problem),
    ];
    let pairs: Vec<String> = keys
        .into_iter()
        .filter_map(|(key, value)| {
            value.filter(|v| !v.is_empty()).map(|v| format!("{key}={}", self::value(v)))
        })
        .collect();
    let note = note.map(|note| format!(" {note}")).unwrap_or_default();
    Some(format!("{}{note} {}", spf.result, pairs.join("; ")))
}

/// The term that matched, which the reason of such a result begins with; `default` where none did.
fn mechanism(spf: &Spf) -> Option<&str> {
    let (term, _) = spf.reason.as_deref()?.strip_suffix(" matches")?.split_once(" of ")?;
    Some(if term.contains(' ') { "default" } else { term })
}

/// A dot-atom (RFC 5322 §3.2.3), of letters, digits and a few signs only, or a quoted string.
fn value(value: &str) -> String {
    let atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+/".contains(&b))
    };
    if value.len() <= MAX_VALUE && value.split('.').all(atom) {
        return value.to_owned();
    }
    quoted(value, MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(result: AuthResult, reason: &str) -> Authentication {
        let of_domain =
            Spf { domain: "example.org".into(), identity: "a=b@Example.org".into(), ..Spf::default() };
        Authentication {
            client: Some("2001:db8::1".parse().unwrap()),
            mail_from: Some(Spf { result, reason: Some(reason.to_owned()), ..of_domain }),
            ..Authentication::default()
        }
    }

    fn told(seen: &Authentication) -> String {
        received_spf(Some("mx.example.net"), Some("mail.example.org"), seen).unwrap()
    }

    #[test]
    fn every_key_is_written() {
        assert_eq!(
            told(&seen(AuthResult::Pass, "ip6:2001:db8::/32 of example.org matches")),
            "pass (ip6:2001:db8::/32 of example.org matches) receiver=mx.example.net; identity=mailfrom; \
             client-ip=\"2001:db8::1\"; envelope-from=\"a=b@example.org\"; helo=mail.example.org; \
             mechanism=\"ip6:2001:db8::/32\""
        );
        let nothing = told(&seen(AuthResult::Neutral, "nothing in the record of example.org matches"));
        assert!(nothing.starts_with("neutral (") && nothing.ends_with("; mechanism=default"), "{nothing}");
        let problem = told(&seen(AuthResult::PermError, "too \"many\" questions"));
        assert!(problem.ends_with("; helo=mail.example.org; problem=\"too ?many? questions\""), "{problem}");
    }

    #[test]
    fn a_bounce_is_told_by_its_helo_and_an_unknown_client_not_at_all() {
        let mut bounce = seen(AuthResult::Fail, "-all of mail.example.org matches");
        let spf = bounce.mail_from.as_mut().unwrap();
        (spf.domain, spf.identity) = ("mail.example.org".into(), "mail.example.org".into());
        bounce.helo = bounce.mail_from.clone();
        assert_eq!(
            told(&bounce),
            "fail (-all of mail.example.org matches) receiver=mx.example.net; identity=helo; \
             client-ip=\"2001:db8::1\"; helo=mail.example.org; mechanism=-all"
        );
        assert_eq!(received_spf(None, None, &Authentication::default()), None);
    }

    #[test]
    fn the_word_of_another_is_called_so() {
        let told_by = Some("gw.example.org".to_owned());
        let seen = Authentication { told_by, told: vec![Method::Spf], ..seen(AuthResult::Pass, "x") };
        assert!(told(&seen).starts_with("pass (as told by gw.example.org) receiver="));
    }

    proptest! {
        /// Whatever a sender puts into names: one line, and as many keys as there are.
        #[test]
        fn nothing_breaks_out_of_its_value(odd in any::<String>(), more in "[ -~]{0,40}") {
            let mut seen = seen(AuthResult::PermError, &odd);
            seen.mail_from.as_mut().unwrap().identity = more.clone();
            let told = received_spf(Some("mx"), Some(&more), &seen).unwrap();
            prop_assert!(told.is_ascii() && !told.contains(['\r', '\n', '\0']));
            let comment = told.find(')').unwrap();
            let (mut outside, mut inside) = (String::new(), false);
            for c in told[comment..].chars() {
                if c == '"' { inside = !inside } else if !inside { outside.push(c) }
            }
            prop_assert!(!inside);
            prop_assert_eq!(outside.matches(';').count() + 1, outside.matches('=').count(), "{}", told);
        }
    }
}
