//! The servers that mailward asks, looked at by `mailward doctor`.

use super::doctor;
use crate::mta::{self, Clamd, Dns, Rspamd, Site, clamd, guard};

#[test]
fn clamds_limits_are_held_against_ours() {
    if !mta::not_run::clamd_ready("clamds_limits_are_held_against_ours") {
        return;
    }
    let old = 1_600_000_000;
    let options = clamd::Options {
        stream_max: "1000000",
        alert_exceeds_max: false,
        daily: Some((27_100, old)),
        ..Default::default()
    };
    let clamd = Clamd::start(&options).unwrap();
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults(&clamd.section(""))).unwrap();
    let (code, out) = doctor(&site, &["clamd"], &[]);
    assert_eq!(code, Some(1), "{out}");
    let conf = clamd.socket().with_file_name("clamd.conf");
    assert!(
        out.contains("  warning        StreamMaxLength is 1.0 MB and mailward sends messages up to 26.2 MB"),
        "{out}"
    );
    assert!(out.contains("  warning        AlertExceedsMax is off"), "{out}");
    assert!(out.contains("  error          clamd's signatures are "), "{out}");
    for line in out.lines().filter_map(|line| line.strip_prefix("    mend with:   sed -i ")) {
        let (change, _) = line.rsplit_once(" && systemctl").unwrap();
        guard::run(guard::privileged("sh").arg("-c").arg(format!("sed -i {change}"))).unwrap();
    }
    let (_, out) = doctor(&site, &["clamd"], &[]);
    let text = std::fs::read_to_string(&conf).unwrap();
    assert!(text.contains("StreamMaxLength 26214400\n") && text.contains("AlertExceedsMax yes\n"), "{text}");
    assert!(
        out.contains("clamd takes messages up to 26.2 MB") && !out.contains("AlertExceedsMax is off"),
        "{out}"
    );
}

#[test]
fn a_clamd_that_is_not_there_is_an_error() {
    let site = Site::new().unwrap();
    let toml = site.defaults("[scanner.clamd]\naddress = \"unix:/nonexistent/clamd.ctl\"\n");
    std::fs::write(site.config(), toml).unwrap();
    let (code, out) = doctor(&site, &["clamd"], &[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("  error          clamd cannot be asked: "), "{out}");
}

#[test]
fn rspamds_controller_is_asked_whether_it_would_be_taught() {
    if !mta::not_run::rspamd_ready("rspamds_controller_is_asked_whether_it_would_be_taught") {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults(&rspamd.section(&rspamd.url()))).unwrap();
    let (code, out) = doctor(&site, &["rspamd"], &[]);
    assert!(out.contains("  ok             rspamd/") && out.contains("lets mailward teach it"), "{out}");
    assert_eq!(code, Some(0));
    let wrong = site.path().join("wrong.password");
    std::fs::write(&wrong, "wrong").unwrap();
    let section = rspamd.section(&rspamd.url());
    let section = section.replace(rspamd.password_file().to_str().unwrap(), wrong.to_str().unwrap());
    std::fs::write(site.config(), site.defaults(&section)).unwrap();
    let (code, out) = doctor(&site, &["rspamd"], &[]);
    assert!(
        out.contains("  warning        rspamd's controller at ") && out.contains("refuses our password"),
        "{out}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn the_dns_and_block_lists_are_asked() {
    let dns =
        Dns::serving("2.0.0.127.zen.spamhaus.org A 127.255.255.254\n2.0.0.127.multi.surbl.org A 127.0.0.2\n")
            .unwrap();
    let site = Site::new().unwrap();
    let lists = "[scanner.urls]\nenabled = true\n[scanner.urls.lookups]\nblocklists = [\"zen\", \"surbl\", \"uribl\"]\n";
    std::fs::write(site.config(), site.defaults(&format!("{}{lists}", dns.section()))).unwrap();
    let (code, out) = doctor(&site, &["dns"], &[]);
    assert!(
        out.contains(&format!("  ok             the DNS server {} answers within", dns.address())),
        "{out}"
    );
    assert!(out.contains("  error          the block list zen refuses to answer (127.255.255.254)"), "{out}");
    assert!(out.contains("  ok             the block list surbl answers"), "{out}");
    assert!(out.contains("  error          the block list uribl does not have its own test entry"), "{out}");
    assert_eq!(code, Some(1));
    let asked = dns.asked();
    assert!(asked.len() <= 5, "{asked:?}");
    // One that never says a word.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gone = deaf.local_addr().unwrap();
    let toml = format!("[dns]\nservers = [\"{gone}\"]\ntimeout = \"200ms\"\n");
    std::fs::write(site.config(), site.defaults(&toml)).unwrap();
    let (code, out) = doctor(&site, &["dns"], &[]);
    assert!(out.contains(&format!("  error          the DNS server {gone} does not answer")), "{out}");
    assert_eq!(code, Some(1));
}
