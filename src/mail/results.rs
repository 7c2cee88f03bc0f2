//! What was verified, as an Authentication-Results field (RFC 8601 §2.2).

use crate::model::authentication::{Dkim, Spf};
use crate::model::{AuthResult, Authentication, text};

/// The most signatures that are told.
const MAX_SIGNATURES: usize = 10;
/// The longest value of a property, in characters.
const MAX_VALUE: usize = 255;

/// The value of the field on one line: `ID; spf=… smtp.mailfrom=…; dkim=… header.d=…; dmarc=…; …`.
///
/// Nothing that a sender chose can break out of its property: a value that is more than letters, digits
/// and a few signs stands in quotation marks, in ASCII. An address of which the local part is odd is told
/// by its domain alone, as RFC 8601 §2.7.2 allows.
#[must_use]
pub fn authentication_results(authserv_id: &str, seen: &Authentication) -> String {
    let mut out = authserv_id.to_owned();
    let mut any = false;
    let mut method = |name: &str, result: AuthResult, reason: Option<&str>, properties: &[(&str, &str)]| {
        any = true;
        out.push_str(&format!("; {name}={result}"));
        if let Some(reason) = reason {
            out.push_str(&format!(" reason={}", quoted(reason)));
        }
        for (property, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
            out.push_str(&format!(" {property}={}", self::value(value)));
        }
    };
    if let Some(spf) = &seen.mail_from {
        let identity = address(spf);
        method("spf", spf.result, told(spf.result, spf.reason.as_deref()), &[("smtp.mailfrom", &identity)]);
    }
    // The HELO name only where it says something, as it would stand in every field otherwise.
    if let Some(spf) = seen.helo.as_ref().filter(|spf| spf.result != AuthResult::None) {
        method("spf", spf.result, told(spf.result, spf.reason.as_deref()), &[("smtp.helo", &spf.domain)]);
    }
    for dkim in seen.dkim.iter().take(MAX_SIGNATURES) {
        let Dkim { domain, selector, algorithm, signature, .. } = dkim;
        let properties = [
            ("header.d", &**domain),
            ("header.s", selector),
            ("header.a", algorithm),
            ("header.b", signature),
        ];
        method("dkim", dkim.result, told(dkim.result, dkim.reason.as_deref()), &properties);
    }
    if seen.dkim.is_empty() && seen.dmarc.is_some() {
        method("dkim", AuthResult::None, None, &[]);
    }
    if let Some(dmarc) = &seen.dmarc {
        let policy = dmarc.policy.map(crate::model::DmarcPolicy::name).unwrap_or_default();
        let properties = [("header.from", &*dmarc.domain), ("policy.dmarc", policy)];
        method("dmarc", dmarc.result, None, &properties);
    }
    if let Some(arc) = &seen.arc {
        let last = arc.sealers.last().map(String::as_str).unwrap_or_default();
        method("arc", arc.result, told(arc.result, arc.reason.as_deref()), &[("arc.sealer", last)]);
    }
    if let (Some(iprev), Some(client)) = (&seen.iprev, seen.client) {
        let client = client.to_string();
        let name = iprev.name.as_deref().unwrap_or_default();
        method("iprev", iprev.result, None, &[("policy.iprev", &client), ("policy.name", name)]);
    }
    if !any {
        out.push_str("; none");
    }
    out
}

/// Why, where that is of use to who reads the field: a pass needs no reason.
fn told(result: AuthResult, reason: Option<&str>) -> Option<&str> {
    reason.filter(|_| !matches!(result, AuthResult::Pass | AuthResult::None))
}

/// The identity that SPF judged, by its domain alone where its local part is not plain.
fn address(spf: &Spf) -> String {
    let plain =
        |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+=/".contains(&b));
    match spf.identity.rsplit_once('@') {
        Some((local, domain)) if plain(local) && plain(domain) && !spf.domain.is_empty() => {
            format!("{local}@{}", spf.domain)
        }
        _ => spf.domain.clone(),
    }
}

/// A value as it may stand in a property: a token, or an address, or quoted.
fn value(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_+@".contains(&b);
    if value.len() <= MAX_VALUE
        && value.bytes().all(plain)
        && value.bytes().filter(|b| *b == b'@').count() <= 1
    {
        return value.to_owned();
    }
    quoted(value)
}

/// A quoted string of printable ASCII.
fn quoted(value: &str) -> String {
    let safe = text::ascii_line(value, MAX_VALUE);
    let inner: String = safe.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    format!("\"{inner}\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::auth_results;
    use crate::model::authentication::{ArcChain, Dmarc, Iprev};
    use crate::model::{Author, DmarcPolicy};

    fn seen() -> Authentication {
        Authentication {
            client: Some([192, 0, 2, 1].into()),
            helo: Some(Spf { result: AuthResult::Pass, domain: "mail.example.org".into(), ..Spf::default() }),
            mail_from: Some(Spf {
                result: AuthResult::Pass,
                domain: "example.org".into(),
                identity: "a+b@Example.org".into(),
                reason: Some("mx of example.org matches".into()),
                ..Spf::default()
            }),
            dkim: vec![Dkim {
                result: AuthResult::Fail,
                domain: "example.org".into(),
                selector: "s1".into(),
                algorithm: "rsa-sha256".into(),
                signature: "AbC/+d==".into(),
                reason: Some("the body was changed".into()),
                ..Dkim::default()
            }],
            arc: Some(ArcChain {
                result: AuthResult::Pass,
                sets: 1,
                sealers: vec!["lists.example".into()],
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
             dkim=fail reason=\"the body was changed\" header.d=example.org header.s=s1 header.a=rsa-sha256 \
             header.b=\"AbC/+d==\"; dmarc=pass header.from=example.org policy.dmarc=reject; \
             arc=pass arc.sealer=lists.example; iprev=pass policy.iprev=192.0.2.1 policy.name=mail.example.org"
        );
        assert_eq!(authentication_results("mx", &Authentication::default()), "mx; none");
    }

    #[test]
    fn an_odd_local_part_is_left_out() {
        let mut seen = Authentication { mail_from: seen().mail_from, ..Authentication::default() };
        for odd in
            ["\"a;b\"@example.org", "a b@example.org", "é@example.org", "a@b@example.org", "@example.org"]
        {
            seen.mail_from.as_mut().unwrap().identity = odd.to_owned();
            let told = authentication_results("mx", &seen);
            assert_eq!(told, "mx; spf=pass smtp.mailfrom=example.org", "{odd}");
        }
    }

    proptest! {
        /// Whatever a sender puts into names and reasons: one field in our name, and as many methods as
        /// there are.
        #[test]
        fn nothing_breaks_out_of_its_property(odd in any::<String>(), more in ".{0,40}") {
            let mut seen = seen();
            seen.dkim[0].domain.clone_from(&odd);
            seen.dkim[0].selector.clone_from(&more);
            seen.dkim[0].reason = Some(odd.clone());
            seen.mail_from.as_mut().unwrap().identity = more;
            seen.iprev.as_mut().unwrap().name = Some(odd);
            let told = authentication_results("mx.example.net", &seen);
            prop_assert!(told.is_ascii() && !told.contains(['\r', '\n', '\0']));
            let id = auth_results::authserv_id(told.as_bytes());
            prop_assert_eq!(id.as_deref(), Some("mx.example.net"));
            let (mut outside, mut inside) = (String::new(), false);
            for c in told.chars() {
                if c == '"' { inside = !inside } else if !inside { outside.push(c) }
            }
            prop_assert!(!inside);
            prop_assert_eq!(outside.matches(';').count(), 6, "{}", told);
        }
    }
}
