//! The last word to an MTA that is between two messages when the daemon ends.
//!
//! Postfix does not ask a filter again that went away within an SMTP session: it refuses all further messages of that
//! session. SMFIR_SHUTDOWN instead ends the session with one 421, and the client comes again. It answers a command, and
//! none is there yet; but it may wait in the connection for the next one, if somebody keeps the connection open that
//! long. systemd does (`FDSTORE=1`), and lets go of it when the MTA has.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use crate::intake::stream::Stream;

/// SMFIR_SHUTDOWN, as a packet.
const SHUTDOWN: &[u8] = b"\0\0\0\x014";

/// Leaves it in an idle connection, which is to be kept open without being read.
pub(super) fn leave(stream: Stream) -> io::Result<OwnedFd> {
    // Nothing waits to be sent on an idle connection, so there is room for five bytes.
    Ok(match stream {
        Stream::Unix(stream) => {
            let mut stream = stream.into_std()?;
            stream.write_all(SHUTDOWN)?;
            stream.into()
        }
        Stream::Tcp(stream) => {
            let mut stream = stream.into_std()?;
            stream.write_all(SHUTDOWN)?;
            stream.into()
        }
    })
}
