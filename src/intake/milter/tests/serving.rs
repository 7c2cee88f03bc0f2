//! Sockets, limits, drain.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;

use super::*;
use crate::intake::BindError;
use crate::intake::milter::config::SocketMode;
use crate::telemetry::spawn::supervised;
use crate::testing::not_run;

#[tokio::test]
async fn a_socket_left_over_is_replaced_and_one_that_is_answered_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("milter.sock");
    let endpoint = Endpoint::Unix(path.clone());
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mode = |config: Config| Config { socket_mode: SocketMode(0o600), ..config };
    let first = Listener::bind(&endpoint, &mode(config())).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = Listener::bind(&endpoint, &config()).await;
    assert!(matches!(second, Err(BindError::InUse(p)) if p == path));
    drop(first);
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Listener::bind(&endpoint, &config()).await, Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = Endpoint::Unix(folder.path().join("no/milter.sock"));
    assert!(matches!(Listener::bind(&nowhere, &config()).await, Err(BindError::NoFolder(_))));
}

#[tokio::test]
async fn a_socket_that_another_one_replaced_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("milter.sock");
    let ours = Listener::bind(&Endpoint::Unix(path.clone()), &config()).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let _theirs = StdUnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(folder.path().join("milter.sock"));
    let config = Config { socket_group: "no-such-group-here".into(), ..config() };
    assert!(Listener::bind(&endpoint, &config).await.is_ok());
}

/// Serves on TCP and connects from `from`.
async fn tcp_from(from: &str, allow: &[&str]) -> (Option<Packet>, u64) {
    let config = Config { allow: allow.iter().map(|net| net.parse().unwrap()).collect(), ..config() };
    let std = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = std.local_addr().unwrap().port();
    let listener = Listener::from_std_tcp(std).unwrap();
    let metrics = Arc::new(Metrics::new());
    let service = Service {
        snapshots: Arc::new(ArcSwap::from_pointee(snapshot(&Arc::default()))),
        budget: Budget::new(9, 1 << 20),
        metrics: Arc::clone(&metrics),
    };
    let _running = serve(vec![listener], &config, service);
    let mut stream = tokio::net::TcpStream::connect((from, port)).await.unwrap();
    let offer = [6u32, 0x1ff, 0x001f_ffff].iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let read = async {
        stream.write_all(&bytes('O', &offer)).await.ok()?;
        let length = stream.read_u32().await.ok()?;
        let mut packet = vec![0; length as usize];
        stream.read_exact(&mut packet).await.ok()?;
        Some((char::from(packet[0]), packet[1..5].to_vec()))
    };
    let reply = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    (reply, metrics.milter_errors.with_label_values(&["peer"]).get())
}

/// An address of this machine that is not loopback; connecting to it comes from it.
fn own_address() -> Option<String> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: connect only chooses the source address. 192.0.2.1 is for documentation.
    probe.connect("192.0.2.1:9").ok()?;
    let ip = probe.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string())
}

#[tokio::test]
async fn tcp_is_for_this_machine_and_for_those_who_are_named() {
    let agreed = || Some(packet('O', &[0, 0, 0, 6]));
    assert_eq!(tcp_from("127.0.0.1", &[]).await, (agreed(), 0));
    let Some(own) = own_address() else {
        let remedy = "give the machine a network, or: ip address add 192.0.2.10/24 dev lo";
        return not_run(
            "tcp_is_for_this_machine_and_for_those_who_are_named",
            "no address but loopback",
            remedy,
        );
    };
    assert_eq!(tcp_from(&own, &[]).await, (None, 1));
    assert_eq!(tcp_from(&own, &["198.51.100.0/24"]).await, (None, 1));
    assert_eq!(tcp_from(&own, &["198.51.100.0/24", &own]).await, (agreed(), 0));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let rig = Rig::with(Config { max_connections: 2, ..config() }, Budget::new(9, 1 << 20), |_| {}).await;
    let first = rig.mta().await;
    let mut second = rig.mta().await;
    let mut third = rig.silent_mta().await;
    let waited =
        tokio::time::timeout(Duration::from_millis(200), third.negotiate(6, 0x1ff, 0x001f_ffff)).await;
    assert!(waited.is_err());
    assert_eq!(second.message().await, packet('a', b""));
    assert_eq!((rig.running.connections(), rig.metrics.milter_connections.get()), (2, 2));
    drop(first);
    assert_eq!(third.receive().await.0, 'O');
    assert_eq!(third.message().await, packet('a', b""));
    assert!(rig.metrics.overload.with_label_values(&["connections"]).get() >= 1);
}

#[tokio::test]
async fn hundreds_of_idle_connections_leave_room_for_mail() {
    let rig = Rig::new().await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut mta = rig.mta().await;
        mta.greet().await;
        idle.push(mta);
    }
    assert_eq!(rig.mta().await.message().await, packet('a', b""));
    assert_eq!(idle[200].message().await, packet('a', b""));
    drop(idle);
    eventually(|| rig.metrics.milter_connections.get() == 0).await;
}

#[tokio::test]
async fn a_drain_lets_messages_come_to_their_end_and_takes_no_new_ones() {
    let rig = Rig::new().await;
    let (mut idle, mut between, mut inside, mut judged) =
        (rig.mta().await, rig.mta().await, rig.mta().await, rig.mta().await);
    idle.greet().await;
    between.greet().await;
    between.message().await;
    inside.envelope().await;
    rig.script.next(Act::Slow(Duration::from_millis(400)));
    judged.envelope().await;
    judged.content().await;
    judged.send('E', b"").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 2).await;
    let path = rig.path.clone();
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_secs(20)));
    assert!(idle.is_closed().await && between.is_closed().await);
    eventually(|| !path.exists()).await;
    assert!(UnixStream::connect(&path).await.is_err());
    assert_eq!(judged.receive().await, packet('a', b""));
    assert!(judged.is_closed().await);
    inside.content().await;
    assert_eq!(inside.ask('E', b"").await, packet('a', b""));
    assert!(inside.is_closed().await);
    assert_eq!(drain.await.unwrap().unwrap().cut, 0);
    assert_eq!(rig.script.answered(), [true; 3]);
}

#[tokio::test]
async fn sessions_that_wind_down_may_still_begin_messages_and_no_new_ones_are_taken() {
    let rig = Rig::new().await;
    let (mut one, mut two) = (rig.mta().await, rig.mta().await);
    one.greet().await;
    two.greet().await;
    let path = rig.path.clone();
    let ended = async {
        eventually(|| !path.exists()).await;
        assert!(UnixStream::connect(&path).await.is_err());
        assert_eq!(one.message().await, packet('a', b""));
        assert_eq!(two.message().await, packet('a', b""));
        assert_eq!(one.message().await, packet('a', b""));
        drop((one, two));
    };
    let begin = std::time::Instant::now();
    tokio::join!(rig.running.wind_down(Duration::from_secs(60)), ended);
    // It waits for the sessions, not for the time.
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(rig.running.drain(Duration::from_secs(20)).await.cut, 0);
    assert_eq!(rig.script.answered(), [true; 3]);
}

#[tokio::test]
async fn a_session_that_does_not_end_is_closed_by_the_drain_after_it_was_waited_for() {
    let rig = Rig::new().await;
    let mut idle = rig.mta().await;
    idle.greet().await;
    rig.running.wind_down(Duration::from_millis(50)).await;
    assert_eq!(idle.message().await, packet('a', b""));
    assert_eq!(rig.running.drain(Duration::from_secs(20)).await.cut, 0);
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn an_idle_connection_that_is_left_open_answers_the_next_command_with_a_shutdown() {
    let rig = Rig::new().await;
    let (mut idle, strange) = (rig.mta().await, UnixStream::connect(&rig.path).await.unwrap());
    idle.greet().await;
    idle.message().await;
    eventually(|| rig.metrics.milter_connections.get() == 2).await;
    let (drained, left) = rig.running.drain_leaving(Duration::from_secs(20)).await;
    // Who agreed on nothing yet is not told anything.
    assert_eq!((drained.cut, left.len()), (0, 1));
    idle.send('M', b"<a@example.com>\0").await;
    assert_eq!(idle.receive().await, packet('4', b""));
    drop(left);
    assert!(idle.is_closed().await);
    drop(strange);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let rig = Rig::new().await;
    let (mut stuck, mut sending, mut judged) = (rig.mta().await, rig.mta().await, rig.mta().await);
    stuck.envelope().await;
    sending.envelope().await;
    judged.envelope().await;
    judged.content().await;
    rig.script.next(Act::Hang);
    judged.send('E', b"").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_millis(200)));
    // Where nothing were said the MTA's default action would decide, and that may be to accept.
    assert!(is_tempfail(&judged.receive().await));
    assert!(judged.is_closed().await);
    assert!(is_tempfail(&stuck.receive().await));
    // One that is still sending reads it at its end.
    sending.content().await;
    assert!(is_tempfail(&sending.ask('E', b"").await));
    assert_eq!(drain.await.unwrap().unwrap().cut, 3);
    assert!(stuck.is_closed().await && sending.is_closed().await);
    assert_eq!(rig.metrics.milter_errors.with_label_values(&["cut"]).get(), 3);
    assert_eq!(rig.metrics.milter_connections.get(), 0);
}

#[tokio::test]
async fn a_message_judged_in_the_last_moment_of_a_drain_is_answered_as_decided() {
    let rig = Rig::new().await;
    let mut judged = rig.mta().await;
    judged.envelope().await;
    judged.content().await;
    rig.script.next(Act::Slow(Duration::from_millis(300)));
    judged.send('E', b"").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_secs(20)));
    assert_eq!(judged.receive().await, packet('a', b""));
    assert_eq!(drain.await.unwrap().unwrap().cut, 0);
    assert_eq!(rig.script.answered(), [true]);
}

#[tokio::test]
async fn an_mta_that_is_silent_for_too_long_is_let_go() {
    let limits = Config { idle_timeout: Span::millis(300), packet_timeout: Span::millis(100), ..config() };
    let rig = Rig::with(limits, Budget::new(9, 1 << 20), |_| {}).await;
    let mut idle = rig.mta().await;
    assert!(idle.is_closed().await);
    let mut inside = rig.mta().await;
    inside.envelope().await;
    inside.stream.write_all(b"\0\0\0\x10Lcut").await.unwrap();
    assert!(is_tempfail(&inside.receive().await));
    assert_eq!((rig.errors("idle"), rig.errors("timeout"), rig.budget.messages()), (1, 1, 0));
}

/// Runs in a process of its own, which may have few files open: see the test below.
#[tokio::test]
#[ignore = "started by a_lack_of_file_descriptors_ends_nothing with a limit of its own"]
async fn child_with_few_file_descriptors() {
    let rig = Rig::new().await;
    let mut first = rig.mta().await;
    let mut held = Vec::new();
    while let Ok(stream) = UnixStream::connect(&rig.path).await {
        held.push(stream);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    eventually(|| rig.metrics.accept_errors.get() > 0).await;
    assert_eq!(first.message().await, packet('a', b""));
    held.clear();
    assert_eq!(rig.mta().await.message().await, packet('a', b""));
}

#[test]
fn a_lack_of_file_descriptors_ends_nothing() {
    let this = std::env::current_exe().unwrap();
    let child = "intake::milter::tests::serving::child_with_few_file_descriptors";
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact \"$1\" --ignored", this.to_str().unwrap(), child])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_connection_that_never_said_anything_does_not_hold_up_a_drain() {
    let rig = Rig::new().await;
    let silent = UnixStream::connect(&rig.path).await.unwrap();
    eventually(|| rig.metrics.milter_connections.get() == 1).await;
    assert_eq!(rig.running.drain(Duration::from_secs(4)).await.cut, 0);
    drop(silent);
}
