//! A released mail has the Authentication-Results of its arrival, and none that was forged.

use super::*;
use crate::mta::{Dns, Service};

const FORGED: &str = "Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n\
                      authentication-results:\r\n\t(x) \"MX.example.org\" 1; dkim=pass header.d=bank.example\r\n\
                      Received-SPF: pass (forged) client-ip=192.0.2.9\r\n\
                      Authentication-Results: other.example; spf=none\r\n";

#[test]
fn a_released_mail_has_the_results_of_its_arrival_and_no_forged_ones() {
    let test = "a_released_mail_has_the_results_of_its_arrival_and_no_forged_ones";
    if !mta::not_run::postfix_ready(test) {
        return;
    }
    let dns = Dns::serving("sender.example TXT v=spf1 ip4:192.0.2.7 -all").unwrap();
    let site = Site::new().unwrap();
    let auth = format!("[auth]\nreceived_spf = true\n{}", dns.section());
    let toml = site.defaults(&auth) + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    let mut options = Options::with_milter(daemon.endpoint());
    options.services.push(Service::new("behind", &[("smtpd_milters", "")]));
    let postfix = Postfix::start(&options).unwrap();
    let raw = [FORGED.as_bytes(), &mail("held", "HOLD-THIS")].concat();
    let id = hold(&daemon, &["alice@example.org"], &raw);
    // Nobody would give the same results at the time of the release.
    drop(dns);
    let filtered = format!("relay = \"inet:127.0.0.1:{}\"", postfix.smtp_port());
    let behind = format!("relay = \"inet:127.0.0.1:{}\"\nfiltered = false", postfix.port("behind").unwrap());
    for (number, section) in [filtered, behind].iter().enumerate() {
        release_to(&daemon, &toml, section);
        let (ok, report, told) = release(&daemon, &id, &["--again"]);
        assert!(ok && told.is_empty(), "{report} {told}");
        let arrived = &postfix.wait_for_mail("alice@example.org", number + 1).unwrap()[number];
        let results: Vec<String> = arrived
            .values("Authentication-Results")
            .iter()
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(results.len(), 2, "{section}: {results:?}");
        let ours = "mx.example.org; spf=pass smtp.mailfrom=a@sender.example; dkim=none; dmarc=none header.from=sender.example; iprev=";
        assert!(results[0].starts_with(ours), "{section}: {results:?}");
        assert_eq!(results[1], "other.example; spf=none");
        assert!(arrived.values("Received-SPF").is_empty(), "{section}");
        assert_eq!(arrived.fields().iter().filter(|field| field.starts_with("Received:")).count(), 1);
    }
}
