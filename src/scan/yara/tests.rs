//! The scanner as its callers see it: findings, degraded starts, reloads, slow rules, stuck workers.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::samples::{input, part};
use super::trust::Trust;
use super::{Config, Yara, YaraError};
use crate::model::{ByteSize, Category, Finding, Outcome, Scanner, Score, Severity, Skip, Span};
use crate::scan::{Health, Report, Scan, ScanInput};
use crate::telemetry::Metrics;

/// Needs far longer than any test waits, whatever the machine: four thousand million steps. It is
/// yara-x's condition code, which looks at the clock only once a second.
const SLOW: &str = r#"rule slow { strings: $s = "slow" condition: $s and for all i in (0..4000000000) : (i != filesize * -1) }"#;
const WORD: &str = r#"rule word { meta: severity = "low" category = "spam" score = 1 description = "the word" strings: $w = "word" condition: $w }"#;

struct Bench {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
    config: Config,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = vec![folder.path().to_owned()];
        let config = Config { rules, threads: 1, ..Config::default() };
        let bench = Self { folder, metrics: Arc::new(Metrics::new()), config };
        files.iter().for_each(|(name, text)| bench.write(name, text));
        bench
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn start(&self) -> Arc<Yara> {
        Yara::start_as(&self.config, Arc::clone(&self.metrics), Trust::nobody()).unwrap()
    }

    fn reloads(&self, result: &str) -> u64 {
        self.metrics.yara_reloads.with_label_values(&[result]).get()
    }

    fn files_out(&self, why: &str) -> i64 {
        self.metrics.yara_files_out.with_label_values(&[why]).get()
    }
}

fn text(content: &str) -> Arc<ScanInput> {
    input(content.to_owned(), vec![])
}

async fn look(yara: &Yara, input: Arc<ScanInput>) -> Report {
    yara.scan(input, Instant::now() + Duration::from_secs(60)).await
}

fn word(location: &str) -> Finding {
    Finding {
        scanner: Scanner::Yara,
        symbol: "word".into(),
        severity: Severity::Low,
        category: Category::Spam,
        score: Score::new(1.0),
        text: "the word".into(),
        location: Some(location.into()),
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_rule_that_matches_in_several_places_is_one_finding() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    let container = crate::model::Part { is_container: true, ..part("", "multipart/mixed", "word") };
    let parts = vec![
        container,
        part("", "text/plain", "a word"),
        part("", "text/plain", "nothing"),
        part("w\u{202e}.txt", "text/plain", "word"),
    ];
    let report = look(&yara, input("raw word", parts)).await;
    let want = word("raw message, part 2, part 4 (w.txt)");
    assert_eq!(
        report,
        Report { outcome: Outcome::Found, findings: vec![want], ..Report::new(Outcome::Clean) }
    );
    let report = look(&yara, text("nothing")).await;
    assert_eq!(report, Report::new(Outcome::Clean));
    assert_eq!(bench.metrics.yara_rules.get(), 1);
}

#[tokio::test]
async fn a_list_of_places_and_of_rules_has_an_end() {
    let many: String = (0..120).map(|n| format!("rule r{n:03} {{ condition: is_raw }}\n")).collect();
    let bench = Bench::new(&[("a.yar", WORD), ("many.yar", &many)]);
    let yara = bench.start();
    let parts = (0..9).map(|_| part("", "text/plain", "word")).collect();
    let report = look(&yara, input("word", parts)).await;
    assert_eq!(report.findings.len(), 101);
    assert_eq!(
        report.findings.iter().find(|f| f.symbol == "word").unwrap().location.as_deref(),
        Some("raw message, part 1, part 2, part 3, part 4 and 5 more")
    );
    let more = report.findings.last().unwrap();
    assert_eq!((more.symbol.as_str(), more.score), ("YARA_MORE_MATCHES", Score::ZERO));
    assert_eq!(more.text, "21 more matches of other rules are not listed");
}

#[tokio::test]
async fn rules_may_ask_for_name_type_and_rawness() {
    let rules = r#"
        rule raw  { condition: is_raw and part_type == "message/rfc822" and part_name == "" }
        rule html { condition: not is_raw and part_type == "text/html" }
        rule name { condition: part_name matches /\.exe$/i }
        private rule hidden { condition: true }
    "#;
    let yara = Bench::new(&[("a.yar", rules)]).start();
    let parts = vec![part("", "text/html", "x"), part("A.EXE", "application/octet-stream", "x")];
    let found: Vec<_> = look(&yara, input("raw", parts))
        .await
        .findings
        .into_iter()
        .map(|f| (f.symbol, f.location.unwrap()))
        .collect();
    let want = [("html", "part 1"), ("name", "part 2 (A.EXE)"), ("raw", "raw message")];
    assert_eq!(found, want.map(|(s, l)| (s.to_owned(), l.to_owned())));
}

#[tokio::test]
async fn rules_see_each_name_that_a_part_has() {
    let rules = r#"
        rule each { condition: not is_raw }
        rule name { condition: part_name matches /\.exe$/i }
    "#;
    let yara = Bench::new(&[("a.yar", rules)]).start();
    let mut parts = vec![part("a.txt", "a/b", "x"), part("b.txt", "a/b", "x")];
    parts[1].index = 1;
    parts[1].other_names = vec!["c.txt".into(), "b.EXE".into()];
    let report = look(&yara, input("raw", parts)).await;
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.symbol.as_str(), f.location.as_deref().unwrap())).collect();
    assert_eq!(found, [("each", "part 1 (a.txt), part 2 (b.txt)"), ("name", "part 2 (b.txt)")]);
}

#[tokio::test]
async fn a_message_over_the_size_limit_is_skipped() {
    let mut bench = Bench::new(&[("a.yar", WORD)]);
    bench.config.max_size = ByteSize(4);
    let yara = bench.start();
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
    assert_eq!(look(&yara, text("words")).await.outcome, Outcome::Skipped(Skip::TooLarge));
}

#[tokio::test]
async fn without_configured_folders_the_bundled_rules_run() {
    let config = Config { threads: 1, ..Config::default() };
    let yara = Yara::start(&config, Arc::default()).unwrap();
    assert_eq!((yara.health(), yara.loaded().broken.len()), (Health::Up, 0));
    let gtube = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat();
    let report = look(&yara, text(&gtube)).await;
    let found: Vec<_> = report.findings.iter().map(|f| (f.symbol.as_str(), f.category, f.score)).collect();
    assert_eq!(found, [("GTUBE", Category::Spam, Score::new(1000.0))]);

    let mut bench = Bench::new(&[("a.yar", WORD)]);
    assert_eq!(bench.start().loaded().rules, 1);
    bench.config.bundled = true;
    assert_eq!(bench.start().loaded().rules, yara.loaded().rules + 1);
}

#[tokio::test]
async fn at_start_a_broken_file_is_left_out_and_everybody_hears_of_it() {
    let bench = Bench::new(&[("a.yar", WORD), ("b.yar", "rule b { condition: $nothing }")]);
    let yara = bench.start();
    let missing = format!("rule file {} left out as broken", bench.path("b.yar"));
    assert_eq!(yara.health(), Health::Degraded(missing.clone()));
    assert_eq!((bench.files_out("broken"), yara.loaded().files, yara.loaded().broken.len()), (1, 1, 1));
    let found = Outcome::Partial { found: true, missing: missing.clone() };
    assert_eq!(
        look(&yara, text("word")).await,
        Report { outcome: found, findings: vec![word("raw message")], ..Report::new(Outcome::Clean) }
    );
    assert_eq!(look(&yara, text("")).await.outcome, Outcome::Partial { found: false, missing });

    bench.write("b.yar", "rule b { condition: false }");
    assert_eq!(yara.reload().unwrap().files, 2);
    assert_eq!((yara.health(), bench.files_out("broken")), (Health::Up, 0));
    assert_eq!(look(&yara, text("")).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn at_reload_a_broken_file_keeps_the_whole_old_set() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    bench.write("a.yar", r#"rule other { condition: true }"#);
    bench.write("b.yar", "rule b {\n condition: $nothing }");
    let error = yara.reload().unwrap_err();
    let place = format!("{}:2:", bench.path("b.yar"));
    assert!(matches!(&error, YaraError::Broken(files) if files.len() == 1), "{error}");
    assert!(error.to_string().contains(&place), "{error}");
    assert!(matches!(yara.health(), Health::Degraded(why) if why.starts_with("the rules in use are older")));
    let report = look(&yara, text("word")).await;
    assert_eq!(
        report,
        Report {
            outcome: Outcome::Found,
            findings: vec![word("raw message")],
            ..Report::new(Outcome::Clean)
        }
    );

    fs::remove_file(bench.path("b.yar")).unwrap();
    yara.reload().unwrap();
    assert_eq!(yara.health(), Health::Up);
    let symbols: Vec<_> = look(&yara, text("word")).await.findings.into_iter().map(|f| f.symbol).collect();
    assert_eq!(symbols, ["other"]);
    assert_eq!((bench.reloads("ok"), bench.reloads("failed")), (1, 1));
}

#[tokio::test]
async fn a_folder_that_vanishes_keeps_the_old_set_and_a_missing_one_is_no_start() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    fs::remove_dir_all(bench.folder.path()).unwrap();
    assert!(matches!(yara.reload(), Err(YaraError::Unreadable { .. })));
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
    let again = Yara::start_as(&bench.config, Arc::default(), Trust::nobody());
    assert!(matches!(again, Err(YaraError::Unreadable { .. })));
}

#[tokio::test]
async fn without_a_single_rule_in_use_a_message_is_not_looked_at() {
    let none = "no YARA rule is in use";
    let empty = format!("{none}: there is no .yar or .yara file in the configured folders");
    let private = r#"private rule p { condition: true }"#;
    for (name, rules, why) in [("readme.txt", "no rules", empty), ("a.yar", private, none.to_owned())] {
        let yara = Bench::new(&[(name, rules)]).start();
        assert_eq!(yara.health(), Health::Degraded(why.clone()));
        assert_eq!(look(&yara, text("x")).await.outcome, Outcome::failed("no-rules", why));
    }
    let bench = Bench::new(&[("b.yar", "rule b { condition: $nothing }")]);
    let yara = bench.start();
    let why = format!("rule file {} left out as broken; {none}", bench.path("b.yar"));
    assert_eq!(yara.health(), Health::Degraded(why.clone()));
    assert_eq!(look(&yara, text("x")).await.outcome, Outcome::failed("no-rules", why));
    assert_eq!(bench.metrics.yara_rules.get(), 0);

    // As soon as there is a rule, all is well.
    bench.write("b.yar", WORD);
    yara.reload().unwrap();
    assert_eq!(yara.health(), Health::Up);
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
}

#[tokio::test]
async fn a_folder_that_is_emptied_keeps_the_old_set() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    fs::remove_file(bench.path("a.yar")).unwrap();
    assert!(matches!(yara.reload(), Err(YaraError::NoRules)));
    assert!(matches!(yara.health(), Health::Degraded(why) if why.contains("not one rule is left")));
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
}

#[test]
fn check_names_everything_that_is_wrong() {
    let bench = Bench::new(&[("a.yar", WORD), ("b.yar", "rule"), ("c.yar", "rule c { condition: d }")]);
    let missing = Path::new("/nonexistent").to_owned();
    let rules = vec![missing, bench.folder.path().to_owned()];
    let config = Config { rules, timeout: Span::default(), ..Config::default() };
    let labels: Vec<_> =
        super::library::check(&config, Trust::nobody()).iter().map(YaraError::label).collect();
    assert_eq!(labels, ["setting", "unreadable", "broken", "broken"]);
    let empty = Bench::new(&[]);
    let errors = super::library::check(&empty.config, Trust::nobody());
    assert_eq!(errors.iter().map(YaraError::label).collect::<Vec<_>>(), ["no-rules"]);
    assert!(super::check(&Config::default()).is_empty(), "the bundled rules are in order");
    assert!(super::check(&Config { enabled: false, ..config }).is_empty());
}

#[tokio::test]
async fn changed_folders_are_loaded_once_they_have_settled() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    let watch = yara.watch_every(Some(Duration::from_millis(50)));
    let rules = |n| {
        let yara = Arc::clone(&yara);
        async move {
            tokio::task::spawn_blocking(move || wait_for("rules", || yara.loaded().rules == n)).await.unwrap()
        }
    };
    bench.write("b.yar", "rule b { condition: true }");
    rules(2).await;
    bench.write("b.yar", "rule b { condition: nothing }");
    let metrics = Arc::clone(&bench.metrics);
    let failed = move || metrics.yara_reloads.with_label_values(&["failed"]).get();
    let seen = failed.clone();
    tokio::task::spawn_blocking(move || wait_for("failed reload", || seen() == 1)).await.unwrap();
    assert_eq!(look(&yara, text("word")).await.findings.len(), 2, "the old set stays");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(failed(), 1, "a broken file is not tried again until it changes");
    fs::remove_file(bench.path("b.yar")).unwrap();
    rules(1).await;
    drop(yara);
    assert_eq!(watch.await.unwrap(), Some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_rule_holds_up_neither_its_own_answer_nor_other_messages() {
    let mut bench = Bench::new(&[("a.yar", WORD), ("slow.yar", SLOW)]);
    bench.config.timeout = Span::millis(700);
    let yara = bench.start();
    let began = Instant::now();
    let parts = vec![part("", "text/plain", "word"), part("s.txt", "text/plain", "slow")];
    let slow = look(&yara, input("raw", parts)).await;
    let waited = began.elapsed();
    assert!(matches!(slow.outcome, Outcome::TimedOut(given) if given <= Duration::from_millis(700)));
    assert_eq!(slow.findings, vec![word("part 1")], "what was found before counts");
    assert!(waited < Duration::from_secs(5), "waited {waited:?}");

    // The only worker is still in the rule; another has taken its place.
    assert_eq!(bench.metrics.yara_workers_replaced.get(), 1);
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
    // yara-x looks at its clock at last; the first worker comes back and is not needed any more.
    let pool = Arc::clone(&yara.inner.pool);
    tokio::task::spawn_blocking(move || wait_for("the stuck worker ends", || pool.crew() == (0, 1)))
        .await
        .unwrap();
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_thread_is_stuck_messages_fail_at_once() {
    let mut bench = Bench::new(&[("a.yar", WORD), ("slow.yar", SLOW)]);
    bench.config.timeout = Span::millis(200);
    let yara = bench.start();
    for _ in 0..super::pool::THREADS_PER_SLOT {
        let report = look(&yara, text("slow")).await;
        assert!(matches!(report.outcome, Outcome::TimedOut(_)), "{:?}", report.outcome);
    }
    assert_eq!(bench.metrics.yara_workers_replaced.get(), 3);
    let busy = look(&yara, text("word")).await.outcome;
    assert_eq!(busy, Outcome::failed("busy", "4 YARA threads are stuck, 0 messages wait"));
    assert_eq!(yara.health(), Health::Degraded("all 4 YARA threads are stuck in slow rules".into()));
    let pool = Arc::clone(&yara.inner.pool);
    tokio::task::spawn_blocking(move || wait_for("all but one end", || pool.crew() == (0, 1))).await.unwrap();
    assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_to_blame_for_three_time_outs_is_suspended_until_it_changes() {
    let mut bench = Bench::new(&[("a.yar", WORD), ("slow.yar", SLOW)]);
    bench.config.timeout = Span::millis(300);
    let yara = bench.start();
    let missing = format!("rule file {} suspended after 3 time-outs", bench.path("slow.yar"));
    for n in 1..=super::library::MAX_TIME_OUTS {
        let report = look(&yara, text("slow word")).await;
        assert!(matches!(report.outcome, Outcome::TimedOut(_)), "{n}: {:?}", report.outcome);
        let inner = Arc::clone(&yara.inner);
        let counted = move || {
            let library = inner.library();
            library.source("slow.yar").is_some_and(|slow| library.time_outs(&slow) == n)
        };
        tokio::task::spawn_blocking(move || wait_for("the culprit is found", counted)).await.unwrap();
    }
    assert_eq!(yara.health(), Health::Degraded(missing.clone()));
    assert_eq!(bench.files_out("suspended"), 1);
    assert_eq!(yara.loaded().suspended, [bench.path("slow.yar")]);
    let report = look(&yara, text("slow word")).await;
    let outcome = Outcome::Partial { found: true, missing: missing.clone() };
    assert_eq!(
        report,
        Report { outcome, findings: vec![word("raw message")], ..Report::new(Outcome::Clean) }
    );

    // Another file changes: the slow one stays out. It changes itself: it is back.
    bench.write("c.yar", "rule c { condition: false }");
    yara.reload().unwrap();
    assert_eq!(yara.health(), Health::Degraded(missing));
    bench.write("slow.yar", r#"rule quick { condition: false }"#);
    yara.reload().unwrap();
    assert_eq!((yara.health(), bench.files_out("suspended"), yara.loaded().rules), (Health::Up, 0, 3));
}

/// Called by the worker for each part: rules cannot be made to panic at will, so this does.
pub(super) fn trap(name: &str) {
    assert_ne!(name, "panic.test", "a panic as ordered");
}

#[tokio::test]
async fn a_panic_is_an_outcome_and_the_worker_goes_on() {
    let bench = Bench::new(&[("a.yar", WORD)]);
    let yara = bench.start();
    for n in 1..=3 {
        let report = look(&yara, input("word", vec![part("panic.test", "text/plain", "x")])).await;
        assert!(matches!(&report.outcome, Outcome::Failed(f) if f.label == "panic"), "{:?}", report.outcome);
        assert_eq!(report.findings, vec![word("raw message")], "what was found before counts");
        assert_eq!(bench.metrics.panics.with_label_values(&["yara"]).get(), n);
        assert_eq!(look(&yara, text("word")).await.outcome, Outcome::Found);
    }
    assert_eq!(yara.inner.pool.crew(), (0, 1));
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_in_the_queue() {
    let mut bench = Bench::new(&[("slow.yar", SLOW)]);
    bench.config.timeout = Span::millis(400);
    let yara = bench.start();
    let slow = yara.scan(text("slow"), Instant::now() + Duration::from_secs(9));
    // Gone while the worker is at it, and gone while waiting.
    assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    let waiting = yara.scan(text("x"), Instant::now() + Duration::from_secs(9));
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    // The worker is replaced when its message's own time is over.
    let metrics = Arc::clone(&bench.metrics);
    let replaced = move || wait_for("replaced", || metrics.yara_workers_replaced.get() == 1);
    tokio::task::spawn_blocking(replaced).await.unwrap();
    assert_eq!(look(&yara, text("x")).await.outcome, Outcome::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_at_once_and_reloads_between_lose_none() {
    let mut bench = Bench::new(&[("a.yar", WORD)]);
    bench.config.threads = 2;
    let yara = bench.start();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let asked = Arc::clone(&yara);
        tasks.spawn(async move {
            let has_word = n % 3 == 0;
            let report = look(&asked, text(if has_word { "a word" } else { "none" })).await;
            (has_word, report.findings.len(), report.outcome)
        });
        if n % 40 == 0 {
            yara.reload().unwrap();
        }
    }
    while let Some(done) = tasks.join_next().await {
        let (has_word, found, outcome) = done.unwrap();
        let want = if has_word { Outcome::Found } else { Outcome::Clean };
        assert_eq!((found, outcome), (usize::from(has_word), want));
    }
}
