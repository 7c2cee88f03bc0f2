//! Telling systemd how we are (sd_notify). Without systemd nothing happens.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use sd_notify::NotifyState;

use crate::model::text;

/// Mail is taken. `trouble` is what an admin should know of it besides, as `systemctl status` shows it.
pub(super) fn ready(trouble: Option<&str>) {
    let status = match trouble {
        Some(trouble) => format!("takes mail; {}", text::line(trouble, 300)),
        None => "takes mail".to_owned(),
    };
    send(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The start goes on, and is not done within `more`.
pub(super) fn starting(more: Duration) {
    send(&[extend(more), NotifyState::Status("starts: opens the database and the audit journal")]);
}

/// A reload has begun; [`ready`] ends it, however it went.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd was not told of the reload"),
    }
}

/// No more mail is taken; the end comes within `more`.
pub(super) fn stopping(more: Duration) {
    send(&[NotifyState::Stopping, extend(more), NotifyState::Status("finishes what is in work")]);
}

/// Leaves connections to systemd, which keeps them open until the other side closes them.
pub(super) fn keep(connections: &[OwnedFd]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|_| !connections.is_empty()) else { return };
    let numbers: Vec<_> = connections.iter().map(AsRawFd::as_raw_fd).collect();
    let text = format!("FDSTORE=1\nFDNAME={LEFT}\n");
    let result = notify_socket(&socket).and_then(|to| {
        for some in numbers.chunks(AT_ONCE) {
            let (text, rights) = ([IoSlice::new(text.as_bytes())], [ControlMessage::ScmRights(some)]);
            sendmsg::<()>(to.as_raw_fd(), &text, &rights, MsgFlags::empty(), None)?;
        }
        Ok(())
    });
    if let Err(error) = result {
        tracing::warn!(%error, "systemd could not be given idle connections; their sessions hear 451 from now on");
    }
}

/// What [`keep`] calls them; at the next start they come back under this name.
pub(super) const LEFT: &str = "left";

/// Descriptors in one message: the kernel takes 253.
const AT_ONCE: usize = 128;

fn notify_socket(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// Still alive.
pub(super) fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] must be called, if systemd asks for it: half of what it allows.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Time beyond what the unit says; it never shortens that.
fn extend(more: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(more.as_micros()).unwrap_or(u32::MAX))
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
