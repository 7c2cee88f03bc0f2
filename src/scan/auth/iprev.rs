//! Whether the client's address has a name that leads back to it (RFC 8601 §3).

use std::net::IpAddr;

use futures_util::future::join_all;

use crate::dns::{DnsError, Inquiry};
use crate::model::AuthResult;
use crate::model::authentication::Iprev;

/// RFC 7208 §5.5 looks at ten names of an address; so do we.
const MAX_NAMES: usize = 10;

/// Looks the address up, and each of its names.
pub(super) async fn check(inquiry: &Inquiry, ip: IpAddr) -> Iprev {
    let names = match inquiry.ptr(ip).await {
        Ok(names) => names,
        // RFC 8601 §2.7.3: without a name there is nothing to compare; whether there is one may be unknown.
        Err(error) if error.is_temporary() => return Iprev { result: AuthResult::TempError, name: None },
        Err(_) => return Iprev { result: AuthResult::PermError, name: None },
    };
    let asked = names.iter().take(MAX_NAMES).map(|name| leads_back(inquiry, name, ip));
    let answers = join_all(asked).await;
    let shown = |name: &String| Some(name.trim_end_matches('.').to_owned());
    if let Some((name, _)) = names.iter().zip(&answers).find(|(_, answer)| **answer == Ok(true)) {
        return Iprev { result: AuthResult::Pass, name: shown(name) };
    }
    let temporary = answers.iter().any(|answer| answer.as_ref().is_err_and(DnsError::is_temporary));
    let result = if temporary { AuthResult::TempError } else { AuthResult::Fail };
    Iprev { result, name: names.first().and_then(shown) }
}

async fn leads_back(inquiry: &Inquiry, name: &str, ip: IpAddr) -> Result<bool, DnsError> {
    Ok(match ip {
        IpAddr::V4(ip) => inquiry.a(name).await?.contains(&ip),
        IpAddr::V6(ip) => inquiry.aaaa(name).await?.contains(&ip),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::dns::{Resolver, Zone};
    use crate::telemetry::Metrics;

    async fn of(ip: &str, zone: &str) -> (AuthResult, Option<String>, u32) {
        let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
        let inquiry = Inquiry::new(Arc::new(resolver), 100, Instant::now() + Duration::from_secs(5));
        let Iprev { result, name } = check(&inquiry, ip.parse().unwrap()).await;
        (result, name, inquiry.spent().questions)
    }

    /// The client 192.0.2.1 with these names.
    async fn named(names: &[&str], zone: &str) -> (AuthResult, Option<String>, u32) {
        let reverse: String = names.iter().map(|n| format!("1.2.0.192.in-addr.arpa PTR {n}\n")).collect();
        of("192.0.2.1", &(reverse + zone)).await
    }

    fn told(result: AuthResult, name: &str, questions: u32) -> (AuthResult, Option<String>, u32) {
        (result, Some(name.to_owned()).filter(|name| !name.is_empty()), questions)
    }

    #[tokio::test]
    async fn a_name_has_to_lead_back() {
        assert_eq!(
            named(&["a.example"], "a.example A 192.0.2.1").await,
            told(AuthResult::Pass, "a.example", 2)
        );
        for elsewhere in ["a.example A 192.0.2.2", "a.example AAAA ::ffff:192.0.2.1", ""] {
            let seen = named(&["a.example"], elsewhere).await;
            assert_eq!(seen, told(AuthResult::Fail, "a.example", 2), "{elsewhere}");
        }
        let seen = named(&["a.example", "b.example"], "a.example A 192.0.2.2\nb.example A 192.0.2.1").await;
        assert_eq!(seen, told(AuthResult::Pass, "b.example", 3), "one of them is enough");
    }

    #[tokio::test]
    async fn without_a_name_there_is_nothing_to_compare() {
        assert_eq!(of("192.0.2.1", "").await, told(AuthResult::PermError, "", 1));
        assert_eq!(of("192.0.2.1", "1.2.0.192.in-addr.arpa TXT x").await, told(AuthResult::PermError, "", 1));
    }

    #[tokio::test]
    async fn what_cannot_be_looked_up_is_not_known() {
        for error in ["FAIL", "TIMEOUT"] {
            let reverse = of("192.0.2.1", &format!("1.2.0.192.in-addr.arpa {error}")).await;
            assert_eq!(reverse, told(AuthResult::TempError, "", 1));
            let forward = named(&["a.example"], &format!("a.example {error}")).await;
            assert_eq!(forward, told(AuthResult::TempError, "a.example", 2));
            let zone = format!("a.example {error}\nb.example A 192.0.2.1");
            let second = named(&["a.example", "b.example"], &zone).await;
            assert_eq!(second, told(AuthResult::Pass, "b.example", 3), "another name settles it");
        }
    }

    #[tokio::test]
    async fn names_beyond_ten_are_not_asked_about() {
        let names: Vec<String> = (0..12).map(|n| format!("n{n}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(named(&names, "n9.example A 192.0.2.1").await, told(AuthResult::Pass, "n9.example", 11));
        assert_eq!(named(&names, "n10.example A 192.0.2.1").await, told(AuthResult::Fail, "n0.example", 11));
    }

    #[tokio::test]
    async fn an_ipv6_client_is_asked_by_its_own_family() {
        let reverse =
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR a.example\n";
        let with = |more: &str| format!("{reverse}{more}");
        let seen = of("2001:db8::1", &with("a.example AAAA 2001:db8::1")).await;
        assert_eq!(seen, told(AuthResult::Pass, "a.example", 2));
        let seen = of("2001:db8::1", &with("a.example AAAA 2001:db8::2\na.example A 192.0.2.1")).await;
        assert_eq!(seen, told(AuthResult::Fail, "a.example", 2));
    }
}
