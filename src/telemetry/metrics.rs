//! Every metric of the daemon, declared once. `docs/metrics.md` is held to this by a test.
//!
//! Labels come from fixed sets only (scanner, outcome, disposition, error word), so that nobody
//! outside can make series.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::model::{Category, Disposition, Extra};

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $field:ident : $kind:ident = $name:literal $([$($label:literal),+])? $(in $buckets:expr)? ; )+) => {
        /// All metrics. Cheap to share behind an `Arc`.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $( $(#[doc = $help])+ pub $field: $kind, )+
        }

        /// Name, kind, labels and help of each metric, in the order of declaration.
        pub const TABLE: &[(&str, &str, &[&str], &str)] = &[
            $( ($name, stringify!($kind), &[$($($label),+)?], concat!($($help),+)), )+
        ];

        impl Metrics {
            /// Fresh metrics, all zero.
            ///
            /// # Panics
            /// Never: the names are constants and a test registers them all.
            #[must_use]
            pub fn new() -> Self {
                let registry = Registry::new();
                $( let $field = make::<$kind>($name, concat!($($help),+).trim(), &[$($($label),+)?], buckets!($($buckets)?));
                   register(&registry, Box::new($field.clone())); )+
                let metrics = Self { registry, $( $field, )+ };
                metrics.begin_at_zero();
                metrics
            }
        }
    };
}

macro_rules! buckets {
    () => {
        &[]
    };
    ($e:expr) => {
        $e
    };
}

const SECONDS: &[f64] = &[0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0];
const BYTES: &[f64] = &[1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6];

metrics! {
    /// Messages judged, by final disposition and category.
    messages: IntCounterVec = "mailward_messages_total" ["disposition", "category"];
    /// Seconds from end of message to the answer.
    message_seconds: Histogram = "mailward_message_seconds" in SECONDS;
    /// Size of the messages seen, in bytes.
    message_bytes: Histogram = "mailward_message_bytes" in BYTES;
    /// Messages being received or judged now.
    messages_in_work: IntGauge = "mailward_messages_in_work";
    /// Bytes of messages held in memory now.
    message_bytes_held: IntGauge = "mailward_message_bytes_held";
    /// Messages refused for now because too much was in work, by what ran short.
    overload: IntCounterVec = "mailward_overload_total" ["limit"];
    /// What rules asked for besides a disposition and what was not done, by what it was.
    extras_left_out: IntCounterVec = "mailward_extras_left_out_total" ["extra"];
    /// Recipients put off at RCPT so that their mail comes in a transaction of its own.
    split_recipients: IntCounter = "mailward_split_recipients_total";
    /// Messages of which some was not looked at and that went on all the same.
    degraded: IntCounter = "mailward_degraded_total";
    /// Header fields removed because they came under a name that is ours, by field.
    forged_fields_removed: IntCounterVec = "mailward_forged_fields_removed_total" ["field"];
    /// Messages that a rule decided, that one on trial would have applied to, or whose condition failed.
    rules: IntCounterVec = "mailward_rules_total" ["rule", "what"];
    /// Answers whose writing to the MTA failed: the sender will try again.
    answers_lost: IntCounter = "mailward_answers_lost_total";
    /// How scanners ended.
    scanner_outcomes: IntCounterVec = "mailward_scanner_outcomes_total" ["scanner", "outcome"];
    /// Seconds a scanner took.
    scanner_seconds: HistogramVec = "mailward_scanner_seconds" ["scanner"] in SECONDS;
    /// 1 while a scanner works as configured, 0 while it is degraded.
    scanner_up: IntGaugeVec = "mailward_scanner_up" ["scanner"];
    /// 1 while a remote service that kept failing is left alone.
    breaker_open: IntGaugeVec = "mailward_breaker_open" ["remote"];
    /// How often a remote service was left alone because it kept failing.
    breaker_opened: IntCounterVec = "mailward_breaker_opened_total" ["remote"];
    /// DNS questions about mail, by how they were answered.
    dns_questions: IntCounterVec = "mailward_dns_questions_total" ["answer"];
    /// Where DNS answers about mail came from: the cache, one that asked the same at the time, servers.
    dns_answers_from: IntCounterVec = "mailward_dns_answers_from_total" ["source"];
    /// Seconds until the DNS servers answered a question, or it had failed.
    dns_seconds: Histogram = "mailward_dns_seconds" in SECONDS;
    /// Age of clamd's signatures in seconds; 0 while it is not known.
    clamd_database_age: IntGauge = "mailward_clamd_database_age_seconds";
    /// Attempts to ask clamd again because it seemed to restart.
    clamd_retries: IntCounter = "mailward_clamd_retries_total";
    /// Entries on the admin's lists.
    list_entries: IntGaugeVec = "mailward_list_entries" ["list"];
    /// Messages and transactions that an entry of a list matched, by what of them it matched.
    list_hits: IntCounterVec = "mailward_list_hits_total" ["list", "on"];
    /// Recipients and senders refused before the message was sent, by SMTP command.
    early_refusals: IntCounterVec = "mailward_early_refusals_total" ["command"];
    /// Copies taken out of quarantine to be delivered, by how that ended.
    releases: IntCounterVec = "mailward_releases_total" ["result"];
    /// Release tokens that came with messages, by what they were worth.
    release_tokens: IntCounterVec = "mailward_release_tokens_total" ["result"];
    /// Passes that came with messages (X-Mailward-Pass), by what they were worth.
    passes: IntCounterVec = "mailward_passes_total" ["result"];
    /// Messages that rspamd was taught, by class and how that ended.
    learned: IntCounterVec = "mailward_learned_total" ["class", "result"];
    /// What users said of the mail they got, by what they said it is and what came of it.
    reports: IntCounterVec = "mailward_reports_total" ["kind", "result"];
    /// Entries of each feed in use.
    feed_entries: IntGaugeVec = "mailward_feed_entries" ["feed"];
    /// Seconds since the publisher of a feed last said that these are its entries.
    feed_age: IntGaugeVec = "mailward_feed_age_seconds" ["feed"];
    /// 1 while a feed has no entries, or older ones than three times its refresh.
    feed_stale: IntGaugeVec = "mailward_feed_stale" ["feed"];
    /// Attempts to refresh a feed, by result.
    feed_refreshes: IntCounterVec = "mailward_feed_refreshes_total" ["feed", "result"];
    /// Messages of which a feed knew a link or a file.
    feed_matches: IntCounterVec = "mailward_feed_matches_total" ["feed"];
    /// Links looked at.
    urls: IntCounter = "mailward_urls_total";
    /// Messages of which not every link could be looked at, by why.
    urls_not_inspected: IntCounterVec = "mailward_urls_not_inspected_total" ["why"];
    /// Accepted messages whose links are looked up again when feeds change.
    retro_kept: IntGauge = "mailward_retro_kept";
    /// Accepted messages that were not kept for that, or not whole, by why.
    retro_left_out: IntCounterVec = "mailward_retro_left_out_total" ["why"];
    /// Links and files of accepted messages that a feed came to know later, by category.
    retro_caught: IntCounterVec = "mailward_retro_caught_total" ["category"];
    /// Messages that were delivered although a scanner failed, by what is kept of them for a second look.
    second_look_kept: IntCounterVec = "mailward_second_look_kept_total" ["what"];
    /// Copies of delivered messages that wait for a second look.
    second_look_waiting: IntGauge = "mailward_second_look_waiting";
    /// Second looks, by what came of them.
    second_look: IntCounterVec = "mailward_second_look_total" ["result"];
    /// Look-ups about links on the net, by who was asked and what came of it.
    url_lookups: IntCounterVec = "mailward_url_lookups_total" ["service", "result"];
    /// Notifications, by way and what came of each attempt.
    notifications: IntCounterVec = "mailward_notifications_total" ["kind", "result"];
    /// Notifications that wait to be sent.
    notifications_waiting: IntGauge = "mailward_notifications_waiting";
    /// Milter connections open now.
    milter_connections: IntGauge = "mailward_milter_connections";
    /// Milter sessions that ended badly, by kind of error.
    milter_errors: IntCounterVec = "mailward_milter_errors_total" ["kind"];
    /// LMTP connections open now, and those of SMTP behind the queue.
    lmtp_connections: IntGauge = "mailward_lmtp_connections";
    /// Messages that came by LMTP, or by SMTP behind the queue, to their end.
    lmtp_messages: IntCounterVec = "mailward_lmtp_messages_total" ["protocol"];
    /// Answers to such messages by class, with LMTP one for each recipient.
    lmtp_replies: IntCounterVec = "mailward_lmtp_replies_total" ["class"];
    /// What became of mail that was handed on, for each of its recipients.
    lmtp_handed_on: IntCounterVec = "mailward_lmtp_handed_on_total" ["outcome"];
    /// LMTP sessions that ended badly, by kind of error.
    lmtp_errors: IntCounterVec = "mailward_lmtp_errors_total" ["kind"];
    /// Failed accepts on a listener.
    accept_errors: IntCounter = "mailward_accept_errors_total";
    /// Panics caught, by task.
    panics: IntCounterVec = "mailward_panics_total" ["task"];
    /// YARA rules in use.
    yara_rules: IntGauge = "mailward_yara_rules";
    /// YARA rule files left out or suspended.
    yara_files_out: IntGaugeVec = "mailward_yara_files_out" ["why"];
    /// YARA worker threads that were stuck and replaced.
    yara_workers_replaced: IntCounter = "mailward_yara_workers_replaced_total";
    /// Attempts to load a new set of YARA rules, by result.
    yara_reloads: IntCounterVec = "mailward_yara_reloads_total" ["result"];
    /// Quarantine entries stored, by category.
    quarantined: IntCounterVec = "mailward_quarantined_total" ["category"];
    /// Messages that could not be put into quarantine and were put off.
    quarantine_errors: IntCounter = "mailward_quarantine_errors_total";
    /// Messages held because the very same failure had put them off too often: look into each.
    repeats_held: IntCounter = "mailward_repeats_held_total";
    /// Entries in quarantine now.
    quarantine_entries: IntGauge = "mailward_quarantine_entries";
    /// Bytes in quarantine now.
    quarantine_bytes: IntGauge = "mailward_quarantine_bytes";
    /// Quarantine entries removed by retention, by what removed them.
    quarantine_expired: IntCounterVec = "mailward_quarantine_expired_total" ["why"];
    /// Records appended to the audit journal.
    audit_records: IntCounter = "mailward_audit_records_total";
    /// Failed appends or syncs of the audit journal.
    audit_errors: IntCounterVec = "mailward_audit_errors_total" ["operation"];
    /// Seconds a sync of the audit journal took.
    audit_sync_seconds: Histogram = "mailward_audit_sync_seconds" in SECONDS;
    /// Records that are in the journal and not yet in the index.
    audit_index_lag: IntGauge = "mailward_audit_index_lag";
    /// When a daily export was written last, in seconds since 1970; 0: never.
    backup_last_success_seconds: Gauge = "mailward_backup_last_success_seconds";
    /// Daily exports that could not be written.
    backup_failures: IntCounter = "mailward_backup_failures_total";
    /// Reloads of the configuration, by result.
    config_reloads: IntCounterVec = "mailward_config_reloads_total" ["result"];
    /// Requests at the admin door, by path pattern and status class.
    admin_requests: IntCounterVec = "mailward_admin_requests_total" ["route", "status"];
    /// Requests that the admin door refused, by reason.
    admin_refusals: IntCounterVec = "mailward_admin_refusals_total" ["reason"];
    /// Connections at the admin door now, by kind of socket.
    admin_connections: IntGaugeVec = "mailward_admin_connections" ["socket"];
    /// Messages judged on trial by request, without any effect, by how that ended.
    admin_scans: IntCounterVec = "mailward_admin_scans_total" ["result"];
    /// 1 while mail is taken.
    ready: IntGauge = "mailward_ready";
    /// Parts that do not work as configured: the sentences of `/readyz`.
    degraded_parts: IntGauge = "mailward_degraded_parts";
    /// 1 while the last attempt to read the configuration again was refused.
    config_reload_refused: IntGauge = "mailward_config_reload_refused";
    /// 1 while somebody asked for another level of the log than the configuration's.
    log_level_changed: IntGauge = "mailward_log_level_changed";
    /// What the database needed to be mended at the last start.
    database_recoveries: IntGauge = "mailward_database_recoveries";
    /// The most messages that may be in work: limits.messages.
    messages_limit: IntGauge = "mailward_messages_limit";
    /// The most memory that messages may take, in bytes: limits.held.
    message_bytes_limit: IntGauge = "mailward_message_bytes_limit";
    /// How long a message may take: limits.deadline.
    deadline_seconds: Gauge = "mailward_deadline_seconds";
    /// The most that the quarantine may hold, in entries and bytes.
    quarantine_limit: IntGaugeVec = "mailward_quarantine_limit" ["of"];
    /// Room on the file systems of state_dir and quarantine.path.
    disk_free: IntGaugeVec = "mailward_disk_free_bytes" ["of"];
    /// Size of the file systems of state_dir and quarantine.path.
    disk_size: IntGaugeVec = "mailward_disk_size_bytes" ["of"];
    /// The time by the clock of this machine, in seconds since 1970.
    clock_seconds: Gauge = "mailward_clock_seconds";
    /// When the daemon started, in seconds since 1970.
    start_time_seconds: Gauge = "mailward_start_time_seconds";
}

trait Make: Sized {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self>;
}

macro_rules! make_plain {
    ($($kind:ident),+) => { $( impl Make for $kind {
        fn make(name: &str, help: &str, _: &[&str], _: &[f64]) -> prometheus::Result<Self> { Self::new(name, help) }
    } )+ };
}
macro_rules! make_vec {
    ($($kind:ident),+) => { $( impl Make for $kind {
        fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
            Self::new(Opts::new(name, help), labels)
        }
    } )+ };
}
make_plain!(IntCounter, IntGauge, Gauge);
make_vec!(IntCounterVec, IntGaugeVec);

impl Make for Histogram {
    fn make(name: &str, help: &str, _: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
    }
}
impl Make for HistogramVec {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }
}

#[expect(clippy::expect_used, reason = "names are constants of this file; a test makes them all")]
fn make<M: Make>(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> M {
    M::make(name, help, labels, buckets).expect("a metric's name and labels are well formed")
}

#[expect(clippy::expect_used, reason = "names are constants of this file; a test registers them all")]
fn register(registry: &Registry, metric: Box<dyn Collector>) {
    registry.register(metric).expect("a metric's name is used once");
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Makes the series that alerts are built on exist from the start: a counter that appears with its first
    /// event hides that event from `rate()`.
    fn begin_at_zero(&self) {
        let known: [(&IntCounterVec, &[&str]); 16] = [
            (&self.extras_left_out, &Extra::ALL.map(Extra::name)),
            (&self.second_look_kept, &["message", "keys", "again", "nothing"]),
            (&self.second_look, &["clean", "bad", "again", "expired"]),
            (&self.overload, &["messages", "bytes", "recipients", "connections", "refusals"]),
            (&self.early_refusals, &["mail", "rcpt"]),
            (
                &self.forged_fields_removed,
                &["Authentication-Results", "X-Mailward", "X-Spam-Flag", "X-Spam-Status", "X-Virus-Status"],
            ),
            (&self.audit_errors, &["append", "sync"]),
            (&self.config_reloads, &["ok", "refused"]),
            (&self.quarantine_expired, &["age", "size", "gone", "orphan"]),
            (&self.retro_caught, &Category::ALL.map(Category::name)),
            (&self.quarantined, &Category::ALL.map(Category::name)),
            (&self.lmtp_messages, &["lmtp", "smtp"]),
            (&self.lmtp_replies, &["2xx", "4xx", "5xx"]),
            (&self.lmtp_handed_on, &["delivered", "put-off", "refused", "not-sent", "uncertain"]),
            (&self.lmtp_errors, &["io", "gone", "timeout", "hung", "commands"]),
            (&self.milter_errors, &["io", "malformed", "order", "timeout", "hung", "panic"]),
        ];
        for (counter, values) in known {
            for value in values {
                counter.with_label_values(&[*value]);
            }
        }
    }

    /// The exposition in Prometheus' text format.
    #[must_use]
    pub fn exposition(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Messages judged since the start that ended in `disposition`.
    #[must_use]
    pub fn messages_by(&self, disposition: Disposition) -> u64 {
        Category::ALL
            .into_iter()
            .map(|category| self.messages.with_label_values(&[disposition.name(), category.name()]).get())
            .sum()
    }

    /// Messages judged since the start that were of `category`.
    #[must_use]
    pub fn messages_in(&self, category: Category) -> u64 {
        Disposition::ALL
            .into_iter()
            .map(|disposition| self.messages.with_label_values(&[disposition.name(), category.name()]).get())
            .sum()
    }

    /// The table of all metrics as Markdown: what `docs/metrics.md` holds.
    #[must_use]
    pub fn markdown() -> String {
        let mut out = String::from(
            "# Metrics\n\nMade from `src/telemetry/metrics.rs` by `make bless`.\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n",
        );
        for (name, kind, labels, help) in TABLE {
            let kind = match *kind {
                "IntCounter" | "IntCounterVec" => "counter",
                "Histogram" | "HistogramVec" => "histogram",
                _ => "gauge",
            };
            out.push_str(&format!("| `{name}` | {kind} | {} | {} |\n", labels.join(", "), help.trim()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_and_carries_our_prefix() {
        let metrics = Metrics::new();
        assert!(TABLE.iter().all(|(name, ..)| name.starts_with("mailward_")));
        assert!(metrics.exposition().contains("mailward_messages_in_work 0"));
    }
}
