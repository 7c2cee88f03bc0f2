//! Telling systemd how we are (sd_notify). Without systemd nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// Mail is taken.
pub(super) fn ready() {
    send(&[NotifyState::Ready, NotifyState::Status("takes mail")]);
}

/// A reload has begun; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd was not told of the reload"),
    }
}

/// No more mail is taken.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("finishes what is in work")]);
}

/// Still alive.
pub(super) fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] must be called, if systemd asks for it: half of what it allows.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
