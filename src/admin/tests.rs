//! The door as a whole: every route with every role, and what else is refused before a route is reached.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use super::gate::{Peer, Via};
use super::host::Hosts;
use super::*;
use crate::audit::{EventQuery, Sync};
use crate::model::{SecretText, Timestamp};
use crate::pipeline::Budget;
use crate::pipeline::release::{Parts, Settings, TokenKey};
use crate::store::Store;
use crate::telemetry::Clock;

/// A daemon that does nothing.
struct Still(Arc<Levels>);

impl Control for Still {
    fn readiness(&self) -> Readiness {
        Readiness { ready: true, degraded: Vec::new() }
    }
    fn refresh(&self) {}
    fn status(&self) -> Value {
        json!({"version": "\u{202e}é"})
    }
    fn reload(&self) -> Result<String, String> {
        Ok("read again".to_owned())
    }
    fn levels(&self) -> Arc<Levels> {
        Arc::clone(&self.0)
    }
    fn message_limit(&self) -> u64 {
        1000
    }
    fn scan(&self, trial: Trial, raw: Vec<u8>, _: Share) -> BoxFuture<'static, Result<Value, String>> {
        Box::pin(async move { Ok(json!({"from": trial.from, "bytes": raw.len()})) })
    }
    fn rescan(&self, _: MailId, _: String) -> BoxFuture<'static, Result<Rescanned, ReleaseError>> {
        Box::pin(async { Err(ReleaseError::Stopping) })
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    /// What the levels of the log work on.
    _filtering: Box<dyn std::any::Any>,
    clock: Clock,
    door: Door,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::held(Timestamp::from_millis(1_795_176_000_000));
        let metrics = Arc::new(Metrics::new());
        let store = Store::open(&dir.path().join("db"), &Default::default()).unwrap().0;
        let audit =
            Audit::open(&Default::default(), dir.path(), &store, clock.clone(), &metrics, None).unwrap().0;
        let held = crate::quarantine::Config { path: dir.path().join("held"), ..Default::default() };
        let quarantine = Quarantine::open(held, [0; 32], clock.clone(), Arc::clone(&metrics)).unwrap().0;
        let parts = Parts {
            quarantine: Arc::clone(&quarantine),
            audit: Arc::clone(&audit),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            pseudonyms: None,
        };
        let settings = Settings {
            config: Default::default(),
            own_id: Default::default(),
            received_spf: false,
            behind_queue: false,
            teacher: None,
        };
        let releases = Releases::new(parts, TokenKey::new(&[0; 32]), settings);
        let tokens = Tokens::open(&store, clock.clone()).unwrap().0;
        let lists = Lists::open(&store, clock.clone(), Arc::clone(&metrics)).unwrap().0;
        let feeds = Feeds::open(&dir.path().join("feeds"), clock.clone(), Arc::clone(&metrics)).unwrap();
        let (levels, filtering) = Levels::on_trial("info");
        let door = Door {
            lists,
            feeds,
            retro: Retro::open(&store, &dir.path().join("retro"), clock.clone(), Arc::clone(&metrics))
                .unwrap(),
            notify: Notifier::new(
                clock.clone(),
                Arc::clone(&metrics),
                Pseudonyms::new(&[0; 32]),
                crate::notify::Pace::USUAL,
            ),
            control: Arc::new(Still(Arc::new(levels))),
            store,
            people: Arc::new(Pseudonyms::new(&[0; 32])),
            refusals: Refusals::new(Arc::clone(&audit), Arc::clone(&metrics)),
            audit,
            quarantine,
            reports: Reports::new(Arc::clone(&releases), Default::default()),
            releases,
            metrics,
            tokens,
            trials: Trials::new(Budget::new(10, 1 << 20)),
        };
        Self { _dir: dir, _filtering: Box::new(filtering), clock, door }
    }

    fn token(&self, role: Role) -> SecretText {
        let lasts = Some(Duration::from_secs(3600));
        self.door.tokens.create(role.name(), role, lasts, "admin socket").unwrap().0
    }

    fn unix(&self) -> Side {
        Side(TowerToHyperService::new(self.door.clone().router(Via::Unix)), Peer::Unix)
    }

    fn tcp(&self) -> Side {
        let hosts = Hosts::new("127.0.0.1:8890".parse().unwrap(), Vec::new());
        let router = self.door.clone().router(Via::Tcp(Arc::new(hosts)));
        Side(TowerToHyperService::new(router), Peer::Tcp("127.0.0.1:40000".parse().unwrap()))
    }

    fn refusals(&self) -> Vec<(String, String)> {
        let events = self.door.audit.events(&EventQuery::default()).unwrap().events;
        let told = events.into_iter().filter_map(|entry| match entry {
            Entry::Admin { what: AdminEvent::AccessRefused, by, detail, .. } => Some((by, detail)),
            _ => None,
        });
        told.collect()
    }
}

/// One listener.
struct Side(TowerToHyperService<Router>, Peer);

struct Told {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Side {
    async fn ask(&self, mut request: Request<Body>) -> Told {
        request.headers_mut().entry(header::HOST).or_insert_with(|| "localhost".parse().unwrap());
        request.extensions_mut().insert(self.1);
        let response = self.0.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
        Told { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(&self, path: &str, token: Option<&SecretText>) -> Told {
        self.ask(request(Method::GET, path, token)).await
    }
}

impl Told {
    fn error(&self) -> String {
        let value: Value = serde_json::from_slice(&self.body).unwrap();
        value["error"].as_str().unwrap().to_owned()
    }
}

fn request(method: Method, path: &str, token: Option<&SecretText>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {}", token.expose()));
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_route_is_open_to_its_role_and_those_above_and_to_nobody_else() {
    let bench = Bench::new();
    let (tcp, unix) = (bench.tcp(), bench.unix());
    let tokens = Role::ALL.map(|role| (role, bench.token(role)));
    let rules = routes::all().split().1.all();
    assert!(rules.len() >= 18, "{rules:?}");
    let open: Vec<&str> =
        rules.iter().filter(|(.., rule)| rule.role.is_none()).map(|(_, path, _)| *path).collect();
    assert_eq!(open, ["/healthz", "/readyz"]);
    for (method, path, rule) in rules {
        let path = path.replace("{id}", "0000000000000000").replace("{name}", "nobody");
        let through = |told: &Told| !matches!(told.status, 401 | 403 | 421 | 429);
        // A route for reading messages or changing anything is none for viewers.
        if method != Method::GET || path.ends_with("/message") {
            let reports = path.starts_with("/api/v1/report/") && rule.role == Some(Role::Reporter);
            assert!(reports || rule.role >= Some(Role::Operator), "{method} {path}");
        }
        let told = unix.ask(request(method.clone(), &path, None)).await;
        assert!(through(&told), "unix {method} {path}: {}", told.status);
        for (role, token) in &tokens {
            let told = tcp.ask(request(method.clone(), &path, Some(token))).await;
            let may = rule.role.is_none_or(|need| role.covers(need));
            assert_eq!(through(&told), may, "{role} {method} {path}: {}", told.status);
            if !may {
                assert_eq!(told.status, 403);
                assert!(
                    told.error().starts_with(&format!("token {role} has the role {role}")),
                    "{}",
                    told.error()
                );
            }
        }
        let told = tcp.ask(request(method.clone(), &path, None)).await;
        match rule.role {
            None => assert_eq!(told.status, 200),
            Some(_) => assert!(matches!(told.status, 401 | 429), "{method} {path}: {}", told.status),
        }
    }
}

#[tokio::test]
async fn over_tcp_there_is_health_and_nothing_else_without_a_token() {
    let bench = Bench::new();
    let tcp = bench.tcp();
    assert_eq!(tcp.get("/healthz", None).await.body, b"ok\n");
    assert_eq!(tcp.get("/readyz", None).await.body, b"ready\n");
    for path in ["/metrics", "/api/v1/status", "/", "/nothing", "/api/v1/quarantine/x/message"] {
        let told = tcp.get(path, None).await;
        assert_eq!(told.status, 401, "{path}");
        assert_eq!(told.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"mailward\"");
        assert!(told.error().contains("mailward token create"), "{}", told.error());
    }
    // Where a token may see something, it learns what is there.
    let viewer = bench.token(Role::Viewer);
    assert_eq!(tcp.get("/nothing", Some(&viewer)).await.status, 404);
    let told = tcp.ask(request(Method::PUT, "/api/v1/status", Some(&viewer))).await;
    assert_eq!((told.status, told.headers.contains_key(header::ALLOW)), (405, true));
    assert!(told.error().contains("takes no PUT"));
    // Nothing but the field counts.
    let in_url = format!("/api/v1/status?token={0}&access_token={0}", viewer.expose());
    assert_eq!(tcp.get(&in_url, None).await.status, 401);
    for value in [format!("Basic {}", viewer.expose()), viewer.expose().to_owned(), "Bearer ".to_owned()] {
        let asked = Request::get("/metrics").header("Authorization", value).body(Body::empty()).unwrap();
        assert_eq!(tcp.ask(asked).await.status, 401);
    }
}

#[tokio::test]
async fn many_bad_tokens_cost_little_and_lock_no_good_one_out() {
    let bench = Bench::new();
    let tcp = bench.tcp();
    let good = bench.token(Role::Viewer);
    let bad = SecretText::new(format!("mw_{}", "A".repeat(43)));
    let mut seen = std::collections::BTreeMap::<u16, u32>::new();
    for _ in 0..200 {
        *seen.entry(tcp.get("/api/v1/status", Some(&bad)).await.status).or_default() += 1;
        assert_eq!(tcp.get("/api/v1/status", Some(&good)).await.status, 200);
        assert_eq!(tcp.get("/readyz", None).await.status, 200);
    }
    assert_eq!(seen, [(401, 10), (429, 190)].into());
    let told = tcp.get("/metrics", Some(&bad)).await;
    assert!(told.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(
        bench.unix().get("/api/v1/status", Some(&bad)).await.status,
        200,
        "the socket asks for no token"
    );
    assert_eq!(bench.door.metrics.admin_refusals.with_label_values(&["too-many"]).get(), 191);
    let noted = bench.refusals();
    assert_eq!(noted.len(), 10);
    let (by, detail) = &noted[0];
    assert_eq!(by, "tcp 127.0.0.1:40000");
    assert!(detail == "GET /api/v1/status: a token that is not known", "{detail}");
    // Those who hold a token are noted all the same.
    assert_eq!(tcp.ask(request(Method::POST, "/api/v1/reload", Some(&good))).await.status, 403);
    assert_eq!(bench.refusals()[0].0, "token viewer");
}

#[tokio::test]
async fn a_token_that_is_over_is_told_so_and_noted_by_name() {
    let bench = Bench::new();
    let token = bench.token(Role::Admin);
    bench.clock.advance(Duration::from_secs(3600));
    let told = bench.tcp().get("/api/v1/status", Some(&token)).await;
    assert_eq!((told.status, told.error().contains("is over")), (401, true));
    let (by, _) = &bench.refusals()[0];
    assert_eq!(by, "token admin");
}

#[tokio::test]
async fn other_hosts_and_web_pages_are_refused() {
    let bench = Bench::new();
    let token = bench.token(Role::Admin);
    for path in ["/healthz", "/api/v1/status"] {
        let mut asked = request(Method::GET, path, Some(&token));
        asked.headers_mut().insert(header::HOST, "rebound.evil.example:8890".parse().unwrap());
        let told = bench.tcp().ask(asked).await;
        assert_eq!(told.status, StatusCode::MISDIRECTED_REQUEST.as_u16());
        assert!(told.error().contains("admin.hosts"));
    }
    for side in [bench.tcp(), bench.unix()] {
        let mut asked = request(Method::POST, "/api/v1/reload", Some(&token));
        asked.headers_mut().insert(header::ORIGIN, "http://localhost:8890".parse().unwrap());
        assert_eq!(side.ask(asked).await.status, 403);
        let mut asked = request(Method::GET, "/api/v1/status", Some(&token));
        asked.headers_mut().insert(header::ORIGIN, "null".parse().unwrap());
        assert_eq!(side.ask(asked).await.status, 200, "reading changes nothing");
    }
}

#[tokio::test]
async fn a_body_is_as_large_as_its_route_takes() {
    let bench = Bench::new();
    let unix = bench.unix();
    let post = |path: &str, kind: &str, body: Body| {
        Request::post(path).header("Content-Type", kind).body(body).unwrap()
    };
    let tokens = "/api/v1/tokens";
    let long = vec![b' '; (64 << 10) + 1];
    // Said beforehand, and found out while it is read.
    let mut said = post(tokens, "application/json", Body::from("{}"));
    said.headers_mut().insert(header::CONTENT_LENGTH, "65537".parse().unwrap());
    assert_eq!(unix.ask(said).await.status, 413);
    let told = unix.ask(post(tokens, "application/json", Body::from(long))).await;
    assert_eq!((told.status, told.error().starts_with("the body is larger")), (413, true));
    for (kind, body, status) in [
        ("application/json", r#"{"name": "a", "role": "viewer"}"#, 201),
        ("application/json", r#"{"name": "a", "role": "viewer"}"#, 409),
        ("application/json", r#"{"name": "b", "role": "root"}"#, 400),
        ("application/json", r#"{"name": "b", "role": "viewer", "path": "/etc"}"#, 400),
        ("application/json", r#"{"name": "a b", "role": "viewer"}"#, 400),
        ("text/plain", r#"{"name": "b", "role": "viewer"}"#, 415),
    ] {
        assert_eq!(unix.ask(post(tokens, kind, body.into())).await.status, status, "{kind} {body}");
    }
    let scan = "/api/v1/scan?from=a%40b";
    let told = unix.ask(post(scan, "message/rfc822", vec![b'x'; 1000].into())).await;
    assert_eq!(serde_json::from_slice::<Value>(&told.body).unwrap(), json!({"from": "a@b", "bytes": 1000}));
    assert_eq!(unix.ask(post(scan, "message/rfc822", vec![b'x'; 1001].into())).await.status, 413);
    assert_eq!(unix.ask(post(scan, "message/rfc822", Body::empty())).await.status, 400);
    assert_eq!(unix.ask(post(scan, "application/x-www-form-urlencoded", "x".into())).await.status, 415);
    assert_eq!(unix.ask(post("/api/v1/scan?x=y", "message/rfc822", "x".into())).await.status, 400);
}

#[tokio::test]
async fn an_answer_is_ascii_json_that_nobody_keeps_or_guesses_about() {
    let bench = Bench::new();
    for path in ["/api/v1/status", "/nothing"] {
        let told = bench.unix().get(path, None).await;
        assert_eq!(told.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(told.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(told.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(told.body.is_ascii() && !told.body.is_empty());
    }
    let told = bench.unix().get("/api/v1/status", None).await;
    assert_eq!(serde_json::from_slice::<Value>(&told.body).unwrap(), json!({"version": "\u{202e}é"}));
    let head = bench.unix().ask(request(Method::HEAD, "/api/v1/status", None)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn what_is_done_to_tokens_and_configuration_is_noted_with_its_author() {
    let bench = Bench::new();
    let (unix, tcp) = (bench.unix(), bench.tcp());
    let new = |name: &str| {
        let body = json!({"name": name, "role": "admin", "expires": "30d"}).to_string();
        Request::post("/api/v1/tokens")
            .header("Content-Type", "application/json")
            .body(Body::from(body))
            .unwrap()
    };
    let told = unix.ask(new("boss")).await;
    let made: Value = serde_json::from_slice(&told.body).unwrap();
    let boss = SecretText::new(made["token"].as_str().unwrap());
    let mut second = new("second");
    second.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {}", boss.expose()).parse().unwrap());
    assert_eq!(tcp.ask(second).await.status, 201);
    let listed = tcp.get("/api/v1/tokens", Some(&boss)).await;
    assert!(!String::from_utf8(listed.body).unwrap().contains(&boss.expose()[11..]));
    assert_eq!(tcp.ask(request(Method::POST, "/api/v1/reload", Some(&boss))).await.status, 200);
    assert_eq!(tcp.ask(request(Method::DELETE, "/api/v1/tokens/boss", Some(&boss))).await.status, 200);
    assert_eq!(tcp.get("/api/v1/tokens", Some(&boss)).await.status, 401);
    assert_eq!(unix.ask(request(Method::DELETE, "/api/v1/tokens/boss", None)).await.status, 404);

    let events = bench.door.audit.events(&EventQuery::default()).unwrap().events;
    let mut told: Vec<(&str, &str, &str)> = events
        .iter()
        .filter_map(|entry| match entry {
            Entry::Admin { what, by, detail, .. } => {
                Some((what.name(), by.as_str(), detail.split(" (").next().unwrap()))
            }
            _ => None,
        })
        .collect();
    told.reverse();
    assert_eq!(
        told[..4],
        [
            ("token-created", "admin socket", "boss"),
            ("token-created", "token boss", "second"),
            ("reloaded", "token boss", "read again"),
            ("token-revoked", "token boss", "boss"),
        ]
    );
    let all = format!("{events:?}");
    assert!(!all.contains(&boss.expose()[11..]), "no token is in the journal");
    bench.door.audit.append(Entry::Stopped { time: bench.clock.now() }, Sync::Now).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a panic is seen where the task is joined")]
#[tokio::test]
async fn reports_that_do_not_come_keep_no_others_out() {
    type Pieces = tokio::sync::mpsc::Receiver<Result<bytes::Bytes, std::io::Error>>;
    let bench = Bench::new();
    let tcp = bench.tcp();
    let token = bench.token(Role::Reporter);
    let report = |body: Body| {
        let mut request = request(Method::POST, "/api/v1/report/spam?user=you", Some(&token));
        *request.body_mut() = body;
        request
    };
    // More of them than there is room, each without a length, and each says nothing but its first byte.
    let (hung, mut senders): (Vec<_>, Vec<_>) = (0..20)
        .map(|_| {
            let (begun, pieces) = tokio::sync::mpsc::channel(1);
            begun.try_send(Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"x"))).unwrap();
            let pieces = futures_util::stream::unfold(pieces, |mut pieces: Pieces| async move {
                Some((pieces.recv().await?, pieces))
            });
            let side = bench.tcp();
            let request = report(Body::from_stream(pieces));
            (tokio::spawn(async move { side.ask(request).await.status }), begun)
        })
        .unzip();
    tokio::task::yield_now().await;
    let message = "Subject: a\r\n\r\nb\r\n".repeat(100);
    assert_eq!(tcp.ask(report(Body::from(message))).await.status, 202);
    // Who has not sent it after its time hears so.
    senders.truncate(10);
    let mut told = Vec::new();
    for hung in hung {
        told.push(hung.await.unwrap());
    }
    assert!(told[..10].iter().all(|status| *status == 504), "{told:?}");
    drop(senders);
}
