use super::*;
use crate::pipeline::release::{self, Parts, TokenKey};
use crate::pipeline::{Releases, SecondLook, second_look};

fn record() -> Record {
    let (id, now) = (MailId::from_parts(1, 1), Timestamp::default());
    let json = format!(r#"{{"id":"{id}","time":"{now}","plan":{{"answer":"discard"}}}}"#);
    serde_json::from_str(&json).unwrap()
}

/// An id that cannot be on record is told to nobody, and each later refusal tries whether one can be again.
#[test]
fn while_records_cannot_be_written_the_answer_is_4xx_until_one_can() {
    let (queue, mut jobs) = mpsc::channel(4);
    let refusals = Refusals { queue, failing: Arc::new(AtomicBool::new(true)), warned: AtomicU64::new(0) };
    assert!(!refusals.take(record(), Timestamp::default()));
    assert!(jobs.try_recv().is_ok(), "it is tried all the same");
    refusals.failing.store(false, Ordering::Relaxed);
    assert!(refusals.take(record(), Timestamp::default()));
}

#[test]
fn what_waits_to_be_recorded_takes_little_room() {
    let long = Recipient::new(vec![b'x'; 1 << 20]);
    let envelope = Envelope {
        reverse_path: ReversePath(long.clone()),
        parameters: vec!["y".repeat(1 << 20); 100],
        recipients: vec![long.clone(); 100],
        queue_id: None,
    };
    let short = short(&envelope, Some(&long));
    assert_eq!((short.recipients.len(), short.parameters.len()), (1, MAX_PARAMETERS));
    assert!(serde_json::to_string(&short).unwrap().len() < 8 * MAX_TEXT);
    let usual =
        Envelope { reverse_path: ReversePath(Recipient::new(*b"<a@b.example>")), ..Envelope::default() };
    assert_eq!(super::short(&usual, None), usual);
}

#[test]
fn only_so_many_records_wait() {
    let (queue, mut jobs) = mpsc::channel(2);
    let refusals = Refusals { queue, failing: Arc::default(), warned: AtomicU64::new(0) };
    let now = Timestamp::from_millis(1_795_132_800_000);
    assert_eq!([(); 3].map(|()| refusals.take(record(), now)), [true, true, false]);
    assert!(matches!(jobs.try_recv(), Ok(Job::Write(_))));
    assert!(refusals.take(record(), now));
}

/// What it costs at MAIL and RCPT: `cargo test --lib early::tests::measure -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is read by who runs it")]
#[expect(clippy::too_many_lines, reason = "it puts a whole daemon together")]
async fn measure() {
    use crate::lists::{Config, Lists, Mode, Terms, read};
    use crate::model::{Client, ClientAddr, List};
    use crate::pipeline::engine::{Engine, Settings};
    use crate::pipeline::{Repeats, Trouble};
    use crate::quarantine::Quarantine;
    use crate::store::Store;
    use crate::telemetry::Clock;

    let folder = tempfile::tempdir().unwrap();
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let (store, _) = Store::open(&folder.path().join("db"), &Default::default()).unwrap();
    let audit = &Default::default();
    let (audit, _) = Audit::open(audit, folder.path(), &store, clock.clone(), &metrics, None).unwrap();
    let held = crate::quarantine::Config { path: folder.path().join("held"), ..Default::default() };
    let (quarantine, _) = Quarantine::open(held, [0; 32], clock.clone(), Arc::clone(&metrics)).unwrap();
    let (lists, _) = Lists::open(&store, clock.clone(), Arc::clone(&metrics)).unwrap();
    let file: String =
        (0..1000).map(|i| format!("d{i}.example\nu@e{i}.example\n10.0.{}.{}\n", i / 256, i % 256)).collect();
    let file = read(file.as_bytes(), clock.now()).unwrap();
    lists.import(List::Block, &file, Mode::Merge, "x", false).unwrap();
    let settings = Settings {
        limits: crate::mail::Limits::default(),
        deadline: std::time::Duration::from_secs(5),
        own: vec!["192.0.2.0/24".parse().unwrap()],
        on_failure: Default::default(),
        authserv_id: None,
        received_spf: false,
        lists: Terms::new(&Config::default()),
        fingerprint: String::new(),
    };
    let engine = Engine::new(settings, Vec::new(), policy::Policy::default(), Arc::clone(&metrics));
    let parts = Parts {
        quarantine: Arc::clone(&quarantine),
        audit: Arc::clone(&audit),
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
        pseudonyms: None,
    };
    let releasing = release::Settings {
        config: Default::default(),
        own_id: Default::default(),
        received_spf: false,
        behind_queue: false,
        teacher: None,
    };
    let retro =
        crate::retro::Retro::open(&store, &folder.path().join("retro"), clock.clone(), Arc::clone(&metrics))
            .unwrap();
    let looking = second_look::Parts {
        quarantine: Arc::clone(&quarantine),
        audit: Arc::clone(&audit),
        retro: Arc::clone(&retro),
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
    };
    let releases = Releases::new(parts, TokenKey::new(&[0; 32]), releasing);
    let shared = Shared {
        second_look: SecondLook::new(looking, Default::default()),
        reports: crate::pipeline::Reports::new(Arc::clone(&releases), Default::default()),
        releases,
        refusals: Refusals::start(Arc::clone(&audit), &metrics),
        audit,
        quarantine,
        lists,
        retro,
        notify: crate::notify::Notifier::new(
            clock.clone(),
            Arc::clone(&metrics),
            crate::audit::Pseudonyms::new(&[0; 32]),
            crate::notify::Pace::USUAL,
        ),
        uses: Default::default(),
        repeats: Repeats::open(&store, [0; 32]).unwrap(),
        clock,
        metrics,
        pseudonyms: None,
        unrecorded: Default::default(),
        held_unrecorded: Default::default(),
        quarantine_trouble: Trouble::default(),
        audit_trouble: Trouble::default(),
    };
    let process = Process::new(engine, Arc::new(shared));
    let session = |ip: &str| Session {
        client: Client { name: "mx.example".to_owned(), addr: ClientAddr::Ip(ip.parse().unwrap()) },
        ..Session::default()
    };
    let envelope =
        |from: &str| Envelope { reverse_path: ReversePath(Recipient::new(from)), ..Envelope::default() };
    let to = Recipient::new(*b"<alice@example.org>");
    let cpu = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
        let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
        micros(usage.user_time()) + micros(usage.system_time())
    };
    for (name, ip, from) in [
        ("not listed", "198.51.100.7", "<a@mail.sender.example>"),
        ("blocked by domain", "198.51.100.7", "<a@x.d500.example>"),
        ("blocked by client", "10.0.1.7", "<a@x.sender.example>"),
    ] {
        let (session, envelope) = (session(ip), envelope(from));
        let began = cpu();
        for _ in 0..WAITING {
            std::hint::black_box(process.refuse_early(&session, &envelope, Some(&to), None));
        }
        eprintln!("{name}: {} µs of CPU", (cpu() - began) as f64 / WAITING as f64);
        while process.shared().refusals.queue.capacity() < WAITING {
            tokio::task::yield_now().await;
        }
    }
    process.shared().refusals.close().await;
}
