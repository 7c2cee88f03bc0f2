//! Long work that must not keep mail waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::spawn::panic_text;

/// How much such a thread stands back (nice(2)): it gets a tenth of a processor that others want as well, and all
/// of one that is idle.
const NICE: i32 = 10;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The system has no thread left.
    #[error("no thread could be started: {0}")]
    NoThread(#[from] std::io::Error),
    /// The work panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
}

/// Does `work`, which may block and compute for minutes, on a thread of its own that stands back behind those of
/// mail. The threads of the runtime's pool are not fit for that: no thread gets its priority back.
///
/// # Errors
/// If no thread can be started, or the work panics.
pub async fn in_background<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BackgroundError> {
    let (done, result) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let _runtime = runtime.enter();
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the priority of a thread could not be lowered");
        }
        let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|cause| panic_text(&*cause).to_owned());
        // Whoever asked may have gone.
        drop(done.send(outcome));
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
    match result.await {
        Ok(outcome) => outcome.map_err(BackgroundError::Panicked),
        Err(_) => Err(BackgroundError::Panicked("its thread ended".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_stands_back_and_gives_its_result() {
        let own = rustix::process::getpriority_process(None).unwrap();
        let its =
            in_background("test", || rustix::process::getpriority_process(None).unwrap()).await.unwrap();
        assert!(its == NICE || own > NICE, "{its}");
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), own);
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let outcome = in_background("test", || -> u8 { panic!("no luck") }).await;
        assert_eq!(outcome.unwrap_err().to_string(), "it panicked: no luck");
    }
}
