//! The admin's door of the real daemon, over its unix socket and over TCP.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::{judge, mail, stdout, verify};
use super::mta::samples::eicar;
use super::mta::{self, Daemon, Dns, Site, admin};

/// A daemon with both kinds of sockets.
fn both(more: &str) -> (Daemon, SocketAddr) {
    both_with(|_| more.to_owned())
}

fn both_with(more: impl FnOnce(&Site) -> String) -> (Daemon, SocketAddr) {
    let site = Site::new().unwrap();
    let more = more(&site);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, mta::free_port().unwrap()));
    let socket = format!("unix:{}", site.admin_socket().display());
    let only = format!("listen = [{socket:?}]");
    let toml = site.defaults(&more);
    assert!(toml.contains(&only), "{toml}");
    let toml =
        toml.replace(&only, &format!("listen = [{socket:?}, \"{address}\"]\nhosts = [\"mx.example.org\"]"));
    (site.start(&toml).unwrap(), address)
}

struct Told {
    status: u16,
    head: String,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.head, self.body))
    }
}

/// One request over TCP; `more` are further lines of the head.
fn ask(address: SocketAddr, line: &str, more: &str, body: &[u8]) -> Told {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let host = if more.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{line} HTTP/1.1\r\n{host}{length}Connection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // A refusal may come before the body is read.
    stream.write_all(body).ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Told { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn get(address: SocketAddr, path: &str, token: &str) -> Told {
    let field = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    ask(address, &format!("GET {path}"), &field, &[])
}

fn token(daemon: &Daemon, name: &str, role: &str) -> String {
    let made = daemon.cli(&["token", "create", name, "--role", role]).unwrap();
    assert!(made.status.success(), "{made:?}");
    let note = String::from_utf8(made.stderr).unwrap();
    assert!(note.contains("not shown again"), "{note}");
    String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn without_a_token_tcp_gives_healthz_and_readyz_only() {
    let (daemon, address) = both("");
    let id = stdout(&daemon, &["audit", "list"]);
    assert!(id.starts_with("ID"), "{id}");
    assert_eq!(
        (get(address, "/healthz", "").status, get(address, "/healthz", "").body.as_str()),
        (200, "ok\n")
    );
    assert_eq!(get(address, "/readyz", "").body, "ready\n");
    let mut seen = BTreeMap::<u16, u32>::new();
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/audit/export"),
        ("GET", "/api/v1/audit/events"),
        ("GET", "/api/v1/quarantine"),
        ("GET", "/api/v1/quarantine/0000000000000000/message"),
        ("DELETE", "/api/v1/quarantine/0000000000000000"),
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/tokens"),
        ("POST", "/api/v1/scan"),
        ("GET", "/nothing"),
        ("BREW", "/"),
    ] {
        let told = ask(address, &format!("{method} {path}"), "", &[]);
        *seen.entry(told.status).or_default() += 1;
        assert!(told.json()["error"].as_str().unwrap().contains("token"), "{}", told.body);
    }
    assert_eq!(seen, [(401, 10), (429, 3)].into());
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains("mailward_admin_refusals_total{reason=\"no-token\"} 10"), "{metrics}");
    let events = stdout(&daemon, &["audit", "events"]);
    assert_eq!(events.matches("access-refused").count(), 10, "{events}");
    assert!(events.contains("tcp 127.0.0.1:"), "{events}");
    verify(&daemon);
}

#[test]
fn a_token_opens_what_its_role_may_until_it_is_revoked_also_over_a_restart() {
    let (mut daemon, address) = both("");
    let viewer = token(&daemon, "grafana", "viewer");
    let operator = token(&daemon, "help-desk", "operator");
    let boss = token(&daemon, "boss", "admin");
    assert!(get(address, "/metrics", &viewer).body.contains("mailward_messages_in_work"));
    assert_eq!(get(address, "/api/v1/status", &viewer).json()["ready"], true);
    let reload = |token: &str| {
        ask(address, "POST /api/v1/reload", &format!("Authorization: Bearer {token}\r\n"), &[]).status
    };
    assert_eq!([&viewer, &operator, &boss].map(|token| reload(token)), [403, 403, 200]);
    let told = ask(address, "POST /api/v1/reload", &format!("Authorization: Bearer {operator}\r\n"), &[]);
    assert_eq!(told.json(), json!({"error": "token help-desk has the role operator, and this needs admin"}));

    judge(&daemon, &mail("held", &eicar()));
    daemon.kill().unwrap();
    daemon.start_again().unwrap();
    assert_eq!(get(address, "/api/v1/status", &viewer).status, 200);
    let listed = stdout(&daemon, &["token", "list"]);
    let line = listed.lines().find(|line| line.starts_with("grafana")).unwrap();
    assert!(
        line.contains("viewer") && line.contains("admin socket") && !listed.contains(&viewer[11..]),
        "{listed}"
    );
    assert_eq!(stdout(&daemon, &["token", "revoke", "grafana"]), "the token grafana is revoked\n");
    assert_eq!(get(address, "/api/v1/status", &viewer).status, 401);
    assert_eq!(get(address, "/api/v1/status", &boss).status, 200);
    // Nothing holds a token in the clear.
    for file in ["mailward.log", "state"] {
        let path = daemon.site().path().join(file);
        let found =
            std::process::Command::new("grep").args(["-rlF", &boss[11..]]).arg(path).output().unwrap();
        assert!(found.stdout.is_empty(), "{found:?}");
    }
    let events = stdout(&daemon, &["audit", "events", "--by", "token boss"]);
    assert_eq!(events.matches("reloaded").count(), 1, "{events}");
    let events = stdout(&daemon, &["audit", "events", "--limit", "1"]);
    assert!(events.contains("access-refused") || events.contains("token-revoked"), "{events}");
    verify(&daemon);
}

#[test]
fn a_held_message_is_read_by_operators_and_deleted_by_admins_with_their_names() {
    let rule = r#"rule Hold_This { meta: severity = "medium" score = 7 category = "spam" condition: true }"#;
    let (daemon, address) = both_with(|site| super::common::rules(site, "hold.yar", rule));
    let raw = mail("held", "text");
    assert_eq!(judge(&daemon, &raw).word, "discard");
    let (viewer, operator, boss) =
        (token(&daemon, "v", "viewer"), token(&daemon, "o", "operator"), token(&daemon, "a", "admin"));
    let listed = get(address, "/api/v1/quarantine", &viewer).json();
    let id = listed["entries"][0]["id"].as_str().unwrap().to_owned();
    let message = format!("/api/v1/quarantine/{id}/message");
    assert_eq!(get(address, &message, &viewer).status, 403);
    let told = get(address, &message, &operator);
    assert_eq!(told.status, 200);
    assert!(
        told.head.contains("content-type: message/rfc822") && told.head.contains("nosniff"),
        "{}",
        told.head
    );
    assert!(told.body.contains("Subject: held"));
    let delete = |token: &str| {
        let line = format!("DELETE /api/v1/quarantine/{id}");
        ask(address, &line, &format!("Authorization: Bearer {token}\r\n"), &[]).status
    };
    assert_eq!([&viewer, &operator, &boss].map(|token| delete(token)), [403, 403, 200]);
    let events: Value = serde_json::from_str(&stdout(&daemon, &["audit", "events", "--json"])).unwrap();
    let deleted = &events["events"].as_array().unwrap()[0]["quarantine"];
    assert_eq!((&deleted["by"], &deleted["what"]), (&json!("token a"), &json!("deleted")));
}

#[test]
fn hosts_of_others_and_web_pages_are_refused_over_tcp() {
    let (daemon, address) = both("");
    let boss = token(&daemon, "boss", "admin");
    let port = address.port();
    let status = |host: &str| {
        ask(address, "GET /api/v1/status", &format!("Host: {host}\r\nAuthorization: Bearer {boss}\r\n"), &[])
            .status
    };
    for ours in ["localhost".to_owned(), format!("127.0.0.1:{port}"), format!("mx.example.org:{port}")] {
        assert_eq!(status(&ours), 200, "{ours}");
    }
    for other in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost:1".to_owned()] {
        assert_eq!(status(&other), 421, "{other}");
    }
    let page = format!("Authorization: Bearer {boss}\r\nOrigin: http://localhost:{port}\r\n");
    assert_eq!(ask(address, "POST /api/v1/reload", &page, &[]).status, 403);
    let plain = ask(
        address,
        "POST /api/v1/tokens",
        &format!("Authorization: Bearer {boss}\r\nContent-Type: text/plain\r\n"),
        b"{}",
    );
    assert_eq!(plain.status, 415);
    let large = vec![b' '; 70_000];
    let told = ask(
        address,
        "POST /api/v1/tokens",
        &format!("Authorization: Bearer {boss}\r\nContent-Type: application/json\r\n"),
        &large,
    );
    assert_eq!(told.status, 413);
    // A health check of HTTP/1.0 names no host.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[test]
fn a_scan_by_request_says_what_a_scan_of_the_file_says_and_leaves_nothing() {
    let dns = Dns::serving("sender.example TXT v=spf1 include:other.example -all").unwrap();
    let (daemon, address) = both(&dns.section());
    let operator = token(&daemon, "ci", "operator");
    let before = stdout(&daemon, &["audit", "list"]);
    for (name, raw) in [("clean", mail("clean", "text")), ("bad", mail("bad", &eicar()))] {
        for (query, arguments) in [
            ("", vec![]),
            (
                "?ip=192.0.2.7&helo=mx.sender.example&from=a%40sender.example&rcpt=b%40example.org&rcpt=c%40example.org",
                vec![
                    "--ip",
                    "192.0.2.7",
                    "--helo",
                    "mx.sender.example",
                    "--from",
                    "a@sender.example",
                    "--rcpt",
                    "b@example.org",
                    "--rcpt",
                    "c@example.org",
                ],
            ),
        ] {
            let file = daemon.site().path().join(format!("{name}.eml"));
            std::fs::write(&file, &raw).unwrap();
            let mut command = vec!["scan", "--json", file.to_str().unwrap()];
            command.extend(arguments);
            // Only the daemon has the lists; a file is judged without them, and says so.
            let by_file = stdout(&daemon, &command);
            assert_eq!(by_file.matches("the lists were not looked at").count(), 2);
            let by_file = ["block", "allow"].into_iter().fold(by_file, |told, list| {
                told.replacen(
                    "the lists were not looked at",
                    &format!("nothing about it is on the {list} list"),
                    1,
                )
            });
            let by_file: Value = serde_json::from_str(&by_file).unwrap();
            let head = format!("Authorization: Bearer {operator}\r\nContent-Type: message/rfc822\r\n");
            let told = ask(address, &format!("POST /api/v1/scan{query}"), &head, &raw);
            assert_eq!(told.status, 200, "{}", told.body);
            assert_eq!(told.json()["auth"]["spf"].is_null(), query.is_empty(), "{}", told.body);
            assert_eq!(same(told.json()), same(by_file), "{name} {query}");
        }
    }
    assert_eq!(stdout(&daemon, &["audit", "list"]), before);
    assert!(super::common::quarantine(&daemon).is_empty());
    let status = get(address, "/api/v1/status", &operator).json();
    assert_eq!((&status["in_work"], &status["bytes_held"]), (&json!(0), &json!(0)));
    assert_eq!(status["messages"]["reject"], 0, "{status}");
}

/// Without what differs between any two scans.
fn same(mut object: Value) -> Value {
    let id = object["id"].as_str().unwrap().to_owned();
    object["time"] = Value::Null;
    let text = object.to_string().replace(&id, "ID");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn more_scans_than_there_is_room_for_are_told_to_come_again() {
    let (daemon, address) = both("");
    let operator = token(&daemon, "ci", "operator");
    let head = format!(
        "POST /api/v1/scan HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {operator}\r\nContent-Type: message/rfc822\r\nContent-Length: 1000\r\n\r\nSubject: "
    );
    // Four that do not send the rest of their message.
    let slow: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let status = || get(address, "/api/v1/status", &operator).json();
    mta::wait_until("four messages in work", mta::PATIENCE, || Ok((status()["in_work"] == 4).then_some(())))
        .unwrap();
    let more = format!("Authorization: Bearer {operator}\r\nContent-Type: message/rfc822\r\n");
    let told = ask(address, "POST /api/v1/scan", &more, b"Subject: x\r\n\r\n");
    assert_eq!((told.status, told.head.contains("retry-after: ")), (503, true), "{}", told.body);
    assert_eq!(judge(&daemon, &mail("clean", "text")).word, "accept", "mail goes on");
    drop(slow);
    let room =
        || Ok((ask(address, "POST /api/v1/scan", &more, b"Subject: x\r\n\r\n").status == 200).then_some(()));
    mta::wait_until("room again", mta::PATIENCE, room).unwrap();
    // The three others that went away are noticed in their own time.
    mta::wait_until("nothing held", mta::PATIENCE, || Ok((status()["bytes_held"] == 0).then_some(())))
        .unwrap();
}

#[test]
fn a_thousand_connections_that_send_nothing_keep_nobody_out() {
    let (daemon, address) = both("");
    let viewer = token(&daemon, "grafana", "viewer");
    let files = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    let before = files();
    let mut silent = Vec::new();
    for number in 0..1000 {
        let Ok(mut stream) = TcpStream::connect(address) else { break };
        if number % 2 == 0 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").ok();
        }
        silent.push(stream);
    }
    assert!(silent.len() > 500, "only {} connections could be made", silent.len());
    let mut more = Vec::new();
    for _ in 0..300 {
        more.extend(UnixStream::connect(daemon.site().admin_socket()));
    }
    let began = Instant::now();
    assert_eq!(get(address, "/readyz", "").status, 200);
    assert_eq!(get(address, "/api/v1/status", &viewer).status, 200);
    assert_eq!(daemon.get("/readyz").unwrap().0, 200);
    assert!(began.elapsed() < Duration::from_secs(9), "waited for their time-out: {:?}", began.elapsed());
    assert_eq!(judge(&daemon, &mail("clean", "text")).word, "accept");
    let held = files() - before;
    assert!(held < 150, "{held} file descriptors are held");
    drop((silent, more));
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// Connections whose other end reads little and late.
fn deaf(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let one = || {
        let _within = runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        let stream = runtime.block_on(socket.connect(address)).unwrap();
        stream.into_std().unwrap()
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn who_asks_for_health_without_end_and_reads_no_answer_keeps_nobody_out() {
    let (daemon, address) = both("");
    let viewer = token(&daemon, "grafana", "viewer");
    let mut all = deaf(address, 80);
    let asking = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(500);
    // Until nothing more is taken: the answers fill all there is for them.
    let (mut sent, mut idle) = (vec![0_usize; all.len()], 0);
    while idle < 20 {
        let mut taken = 0;
        for (stream, sent) in all.iter_mut().zip(&mut sent) {
            let rest = &asking.as_bytes()[*sent % asking.len()..];
            if let Ok(n) = stream.write(rest) {
                *sent += n;
                taken += n;
            }
        }
        idle = if taken == 0 { idle + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(get(address, "/readyz", "").status, 200);
        assert_eq!(get(address, "/api/v1/status", &viewer).status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let (daemon, address) = both("");
    let mut slow: Vec<TcpStream> =
        ["", "GET /healthz HTTP/1.1\r\nHo", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]
            .iter()
            .map(|begin| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(begin.as_bytes()).unwrap();
                stream
            })
            .collect();
    // The daemon ends them, the one after its answer too; we do not.
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 "), "{told:?}");
    }
    let gone = || {
        Ok(daemon.get("/metrics")?.1.contains("mailward_admin_connections{socket=\"tcp\"} 0").then_some(()))
    };
    mta::wait_until("no connection over TCP", mta::PATIENCE, gone).unwrap();
}

#[test]
fn status_tells_at_a_glance_and_its_exit_code_says_it_too() {
    let (mut daemon, _) = both("");
    judge(&daemon, &mail("bad", &eicar()));
    let status = stdout(&daemon, &["status"]);
    for part in [
        "takes mail, up",
        "reject 1",
        "malware 1",
        "last hour   clean 0",
        "scanner     yara: up",
        "audit       on disk at",
        "lists       allow 0, block 0",
        "read at the start",
    ] {
        assert!(status.contains(part), "{part} is missing in {status}");
    }
    let status: Value = serde_json::from_str(&stdout(&daemon, &["status", "--json"])).unwrap();
    assert_eq!(status["verdicts_last_hour"]["malware"], 1);
    assert_eq!(status["audit"]["trouble"], Value::Null);
    assert_eq!(status["config"]["file"], daemon.site().config().to_str().unwrap());

    daemon.write_config("nonsense = 1\n").unwrap();
    daemon.signal("HUP").unwrap();
    daemon.wait_for_log("the reload was refused").unwrap();
    let events = || Ok(journal(&daemon)?.contains("reload-refused").then_some(()));
    mta::wait_until("the refusal in the journal", mta::PATIENCE, events).unwrap();
    let socket = daemon.site().admin_socket();
    let (_, degraded) = admin::get(&socket, "/api/v1/status").unwrap();
    let degraded: Value = serde_json::from_str(&degraded).unwrap();
    assert_eq!(degraded["config"]["reload"]["ok"], false);

    let toml = daemon.site().defaults("[scanner.clamd]\naddress = \"unix:/nowhere/clamd\"\n");
    daemon.write_config(&toml).unwrap();
    let told = stdout(&daemon, &["reload"]);
    assert!(told.contains("read again"), "{told}");
    let output = daemon.cli(&["status"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("degraded    clamd: ") && text.contains(", read again at "), "{text}");
    let events = stdout(&daemon, &["audit", "events"]);
    assert!(events.contains("reload-refused  SIGHUP") && events.contains("admin socket"), "{events}");

    daemon.kill().unwrap();
    let output = daemon.cli(&["status"]).unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(daemon.cli(&["reload"]).unwrap().status.code(), Some(1));
}

/// All of the journal, as it stands on disk.
fn journal(daemon: &Daemon) -> anyhow::Result<String> {
    let folder = daemon.site().state_dir().join("audit");
    let mut text = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log") {
            text.push_str(&std::fs::read_to_string(path)?);
        }
    }
    Ok(text)
}
