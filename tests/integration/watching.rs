//! What Prometheus and Grafana are given: every metric exists, every expression is understood, and a real Prometheus
//! that scrapes a real daemon sees health as health and a dead clamd as an alert.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mailward::telemetry::metrics::TABLE;
use serde_json::Value;

use super::common::stdout;
use super::milter_client::{MilterClient, Peer};
use super::mta::{self, Site, free_port, guard, wait_until};

fn conf(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(conf(path)).unwrap()
}

/// Expressions of all panels and variables, as Grafana would send them.
fn dashboard() -> Vec<String> {
    let board: Value = serde_json::from_str(&read("grafana/mailward.json")).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().flat_map(|panel| {
        let ours = panel["datasource"]["type"] != "loki";
        panel["targets"].as_array().into_iter().flatten().filter(move |_| ours)
    });
    let mut all: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let notes = board["annotations"]["list"].as_array().unwrap();
    all.extend(notes.iter().map(|note| note["expr"].as_str().unwrap().to_owned()));
    assert!(all.len() > 40, "{}", all.len());
    all.iter().map(|expr| expr.replace("$__rate_interval", "5m").replace("$instance", ".*")).collect()
}

/// Metrics of ours in a text, each with the labels that are asked of it in braces.
fn named(text: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in text.match_indices("mailward_") {
        if text[..at].ends_with(is_name) {
            continue;
        }
        let rest = &text[at..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let after = &rest[name.len()..];
        let matchers = after.strip_prefix('{').and_then(|inner| inner.split_once('}')).map_or("", |(m, _)| m);
        let label = |matcher: &str| matcher.split(['=', '!']).next().unwrap_or_default().trim().to_owned();
        // A comma within quotes does not occur in ours.
        let labels = matchers.split(',').filter(|m| !m.is_empty()).map(label).collect();
        found.push((name.to_owned(), labels));
    }
    found
}

#[test]
fn rules_tests_and_dashboard_name_metrics_and_labels_that_exist() {
    let known: BTreeMap<&str, (&str, &[&str])> =
        TABLE.iter().map(|(name, kind, labels, _)| (*name, (*kind, *labels))).collect();
    let mut texts = vec![("dashboard".to_owned(), dashboard().join("\n"))];
    texts.push(("rules".to_owned(), read("prometheus/mailward.rules.yml")));
    for entry in std::fs::read_dir(conf("prometheus/tests")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    for (place, text) in texts {
        for (name, labels) in named(&text) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let base = name.strip_suffix(end)?;
                known.get(base).filter(|(kind, _)| kind.starts_with("Histogram")).map(|_| base)
            });
            let Some((_, of)) = known.get(base.unwrap_or(&name)) else {
                panic!("{place} names {name}, and there is no such metric")
            };
            for label in labels {
                let usual =
                    ["instance", "job"].contains(&label.as_str()) || (base.is_some() && label == "le");
                assert!(usual || of.contains(&label.as_str()), "{place} asks {name} for the label {label}");
            }
        }
    }
}

#[test]
fn every_alert_says_what_to_do_and_has_its_paragraph() {
    let rules = read("prometheus/mailward.rules.yml");
    let docs = std::fs::read_to_string(conf("../docs/alerts.md")).unwrap();
    let tests: String = ["attacks", "evidence", "safekeeping", "service"]
        .map(|group| read(&format!("prometheus/tests/{group}.yml")))
        .concat();
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 30);
    for alert in &alerts {
        let name = alert.lines().next().unwrap();
        let paragraph =
            docs.split(&format!("### {name}\n")).nth(1).unwrap_or_else(|| panic!("{name} has none"));
        let paragraph = paragraph.split("###").next().unwrap();
        assert!(paragraph.contains("**Look:**") && paragraph.contains("**Mends it:**"), "{name}");
        assert!(alert.contains(&format!("runbook: 'docs/alerts.md#{}'", name.to_lowercase())), "{name}");
        for key in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(key), "{name} has no {key}");
        }
        let severity = alert.split("severity: ").nth(1).unwrap().lines().next().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        assert!(
            tests.contains(&format!("alertname=\"{name}\",alertstate=\"firing\"")),
            "{name} is not tested"
        );
    }
    for heading in docs.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(rules.contains(&format!("- alert: {heading}\n")), "{heading} is no alert");
    }
}

fn ready(test: &str) -> bool {
    let missing = ["promtool", "prometheus"].into_iter().find(|program| !guard::installed(program));
    if let Some(program) = missing {
        mta::not_run::not_run(
            test,
            &format!("{program} is not installed"),
            "run tests/mta/install.sh as root",
        );
    }
    missing.is_none()
}

fn promtool(arguments: &[&str]) -> String {
    guard::run(Command::new("promtool").args(arguments).current_dir(conf("prometheus"))).unwrap()
}

#[test]
fn promtool_takes_the_rules_and_each_alert_fires_on_its_sickness_alone() {
    if !ready("promtool_takes_the_rules_and_each_alert_fires_on_its_sickness_alone") {
        return;
    }
    promtool(&["check", "rules", "mailward.rules.yml"]);
    promtool(&["check", "config", "--syntax-only", "scrape.yml"]);
    let tests: Vec<String> = std::fs::read_dir(conf("prometheus/tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(tests.iter().map(String::as_str));
    promtool(&arguments);
}

/// A Prometheus of this test's own.
struct Prometheus {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Prometheus {
    /// One that scrapes `target` each second by the shipped configuration and rules, and waits two seconds where a
    /// rule has longer.
    fn start(target: &str, token: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let config = read("prometheus/scrape.yml").replace("127.0.0.1:8890", target).replace(": 30s", ": 1s");
        let config: Vec<&str> =
            config.lines().filter(|l| !l.contains("instance: mx1") && !l.contains("labels:")).collect();
        file("prometheus.yml", &config.join("\n"));
        file("mailward.token", token);
        let rules = read("prometheus/mailward.rules.yml");
        let quick: Vec<&str> = rules
            .lines()
            .map(|line| if line.trim_start().starts_with("for: ") { "        for: 2s" } else { line })
            .collect();
        file("mailward.rules.yml", &quick.join("\n"));
        let checked = dir.path().join("prometheus.yml").display().to_string();
        promtool(&["check", "config", &checked]);
        let port = free_port().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .args([&format!("--config.file={checked}"), &format!("--web.listen-address=127.0.0.1:{port}")])
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        guard::watch(child.id(), dir.path()).unwrap();
        Self { child, port, dir }
    }

    /// What an expression is now; `Err` if it is not understood.
    fn query(&self, expr: &str) -> Result<Value, String> {
        let escaped: String = expr.bytes().map(|b| format!("%{b:02x}")).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET /api/v1/query?query={escaped} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        let body = answer.split_once("\r\n\r\n").ok_or("no answer")?.1;
        let told: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
        if told["status"] == "success" {
            Ok(told["data"]["result"].clone())
        } else {
            Err(format!("{expr}: {told}"))
        }
    }

    /// Alerts that are pending or firing.
    fn alerts(&self) -> Vec<String> {
        let told = self.query("ALERTS").unwrap_or_default();
        let name = |alert: &Value| alert["metric"]["alertname"].as_str().unwrap_or_default().to_owned();
        told.as_array().into_iter().flatten().map(name).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_real_prometheus_sees_a_daemon_in_health_and_a_dead_clamd_as_an_alert() {
    let test = "a_real_prometheus_sees_a_daemon_in_health_and_a_dead_clamd_as_an_alert";
    if !ready(test) || !mta::not_run::clamd_ready(test) {
        return;
    }
    let clamd = mta::Clamd::start(&Default::default()).unwrap();
    let (site, port) = (Site::new().unwrap(), free_port().unwrap());
    let config = site.defaults(&clamd.section("on_failure = \"tag\"\ntimeout = \"2s\""));
    let unix = format!("unix:{}\"]", site.admin_socket().display());
    let config = config.replace(&unix, &unix.replace("\"]", &format!("\", \"127.0.0.1:{port}\"]")));
    let daemon = site.start(&config).unwrap();
    let token = stdout(&daemon, &["token", "create", "prometheus", "--role", "viewer"]);
    let prometheus = Prometheus::start(&format!("127.0.0.1:{port}"), token.trim());
    let mail = |n: usize| {
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        let raw = format!("From: a@sender.example\r\nSubject: {n}\r\nMessage-ID: <{n}@x>\r\n\r\nhello\r\n");
        let answer = client.message(raw.as_bytes());
        client.quit();
        answer.word
    };
    assert_eq!(mail(0), "accept");
    let limit = Duration::from_secs(20);
    let up = || Ok(prometheus.query("up{job=\"mailward\"} == 1").ok().filter(|r| r[0].is_object()));
    wait_until("Prometheus to scrape", limit, up).unwrap_or_else(|e| panic!("{e:#}\n{}", prometheus.log()));
    let seen = || Ok(prometheus.query("mailward_messages_total > 0").ok().filter(|r| r[0].is_object()));
    wait_until("the mail to be counted", limit, seen).unwrap();
    // Every expression of the dashboard is one, and what stands for itself has a value.
    for expr in dashboard() {
        prometheus.query(&expr).unwrap();
    }
    for gauge in [
        "mailward_ready == 1",
        "mailward_disk_free_bytes{of=\"state\"} > 0",
        "mailward_deadline_seconds == 60",
    ] {
        let seen = || Ok(prometheus.query(gauge).ok().filter(|r| r[0].is_object()));
        wait_until(gauge, limit, seen).unwrap();
    }
    // Before the first scrape there was nothing; then there is health, and it stays.
    let calm = || Ok(prometheus.alerts().is_empty().then_some(()));
    wait_until("no alert", limit, calm).unwrap_or_else(|e| panic!("{e:#}: {:?}", prometheus.alerts()));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(prometheus.alerts(), Vec::<String>::new());

    drop(clamd);
    let fires = || {
        mail(1);
        let firing = prometheus
            .query("ALERTS{alertname=\"MailwardScannerDown\",alertstate=\"firing\",scanner=\"clamd\"}");
        Ok(firing.ok().filter(|r| r[0].is_object()))
    };
    wait_until("an alert on clamd", Duration::from_secs(40), fires).unwrap_or_else(|e| {
        panic!("{e:#}\n{:?}\n{}", prometheus.alerts(), stdout(&daemon, &["status", "--json"]))
    });
}
