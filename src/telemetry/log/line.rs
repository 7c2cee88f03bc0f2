//! Lines as the journal takes them.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Whether this is the stream that systemd gave us: `JOURNAL_STREAM` says which one that is, and it stays in the
/// environment of what is started with its output elsewhere (systemd.exec(5)).
pub(super) fn is_journal(stream: impl AsFd) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| is_stream(&named, stream))
}

/// `named` is `DEVICE:INODE`.
fn is_stream(named: &str, stream: impl AsFd) -> bool {
    let Ok(own) = stream.as_fd().try_clone_to_owned() else { return false };
    File::from(own).metadata().is_ok_and(|meta| named == format!("{}:{}", meta.dev(), meta.ino()))
}

/// sd-daemon(3).
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Puts the priority in front of each line for the journal.
#[derive(Debug)]
pub(super) struct Marked<F> {
    pub(super) inner: F,
    pub(super) journal: bool,
}

impl<S, N, F> FormatEvent<S, N> for Marked<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !self.journal {
            return self.inner.format_event(context, writer, event);
        }
        let mut text = String::new();
        self.inner.format_event(context, Writer::new(&mut text), event)?;
        let priority = priority(*event.metadata().level());
        // The report of a reload has several lines, and the journal makes an entry of each.
        text.trim_start().lines().try_for_each(|line| writeln!(writer, "<{priority}>{line}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_journal_is_known_by_its_stream_and_not_by_a_variable_alone() {
        let file = tempfile::tempfile().unwrap();
        let meta = file.metadata().unwrap();
        assert!(is_stream(&format!("{}:{}", meta.dev(), meta.ino()), &file));
        assert!(!is_stream(&format!("{}:{}", meta.dev(), meta.ino() + 1), &file));
        assert!(!is_stream("", &file));
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_for_the_journal_begins_with_its_priority() {
        let written = Written::default();
        let to = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).without_time();
        let layer = layer.with_writer(move || to.clone());
        let layer = layer.map_event_format(|inner| Marked { inner, journal: true });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("bad:\n  line 2");
            tracing::warn!(id = "x", "odd");
            tracing::info!(subject = "a\n<0>b\u{1b}[31m", "judged");
            tracing::debug!("fine");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "<3>ERROR bad:\n<3>  line 2\n<4>WARN odd id=\"x\"\n<6>INFO judged subject=\"a\\n<0>b\\u{1b}[31m\"\n\
             <7>DEBUG fine\n"
        );
    }
}
