//! How the daemon is seen and how it sees time.
//!
//! **Contract.** [`clock`] is the only place that reads the machine's time, [`spawn`] the only place
//! that starts a task, [`background`] is for long work that mail must not wait for, [`metrics`] declares
//! every metric, [`log`] sets up tracing once, [`seldom`] keeps a line from being told too often, [`steps`] knows
//! when the time of day leaps.
//!
//! **Failures.** A task that panics is counted and logged under its name; nothing here stops the
//! daemon.

pub mod background;
pub mod clock;
pub mod log;
pub mod metrics;
pub mod seldom;
pub mod spawn;
pub mod steps;

pub use clock::Clock;
pub use metrics::Metrics;
