//! The message as a file in memory, handed over the socket instead of its bytes (`FILDES`, clamd(8)).
//!
//! The file is sealed: neither we nor clamd can change it any more, so that what was looked at is what was
//! handed over. It is a copy of the message until the answer is there.

use std::fs::File;
use std::io::{self, IoSlice, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::scan::ScanInput;

/// A larger message is not copied on the runtime's threads.
const COPY_IN_PLACE: usize = 64 << 10;
/// The command and, in the same packet, the one byte that carries the file.
const COMMAND: &[u8] = b"zFILDES\0\0";

/// No file could be made of the message.
#[derive(Debug, thiserror::Error)]
#[error(
    "the message cannot be made a file in memory for clamd ({0}); `pass_file = false` in [scanner.clamd] does without"
)]
pub(super) struct FileError(io::Error);

/// A sealed file with the raw message.
pub(super) async fn of(input: &Arc<ScanInput>) -> Result<File, FileError> {
    if input.message.raw().len() <= COPY_IN_PLACE {
        return make(input.message.raw()).map_err(FileError);
    }
    let input = Arc::clone(input);
    let making = tokio::task::spawn_blocking(move || make(input.message.raw()));
    making.await.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(FileError)
}

fn make(bytes: &[u8]) -> io::Result<File> {
    let mut file: File =
        memfd_create(c"mailward-message", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?.into();
    file.write_all(bytes)?;
    file.rewind()?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// Sends the command with `file`.
///
/// # Errors
/// What the system says.
pub(super) async fn pass(stream: &UnixStream, file: &File) -> io::Result<()> {
    loop {
        stream.writable().await?;
        let sent = stream.try_io(Interest::WRITABLE, || {
            let fds = [file.as_raw_fd()];
            let rights = [ControlMessage::ScmRights(&fds)];
            let bytes = [IoSlice::new(COMMAND)];
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            Ok(sendmsg::<()>(stream.as_raw_fd(), &bytes, &rights, flags, None)?)
        });
        match sent {
            Ok(n) if n == COMMAND.len() => return Ok(()),
            // Ten bytes into an empty socket go at once or not at all.
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_file_holds_the_message_and_cannot_be_changed() {
        let mut file = make(b"Subject: x\r\n\r\ntext").unwrap();
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "Subject: x\r\n\r\ntext");
        assert!(file.write_all(b"more").is_err());
        assert!(file.set_len(1).is_err());
        let unseal = FcntlArg::F_ADD_SEALS(SealFlag::empty());
        assert!(fcntl(&file, unseal).is_err(), "not even seals can be added");
    }
}
