//! A milter that writes down what the MTA tells it and makes prepared edits at the end of each message.
//!
//! **Contract.** Runs in threads of this program on a unix socket in a directory of its own that Postfix can
//! enter. Negotiates the options mailward negotiates. It exists to learn how Postfix behaves.

use std::ffi::CString;
use std::io::{BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use indymilter::SocketInfo;
use indymilter::message::command::Command;
use indymilter::message::reply::Reply;

use super::guard::Dir;
pub(crate) use super::packet::{frame, negotiated, read};

/// A macro as the MTA announced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Macro {
    /// Command letter of the stage it was announced for: `C`, `H`, `M`, `R`, `T`, `L`, `N`, `B`, `E`.
    pub(crate) stage: char,
    /// Name as it was sent: `i`, `{auth_authen}`.
    pub(crate) name: String,
    /// Value.
    pub(crate) value: String,
}

/// What was told.
#[derive(Debug, Default)]
struct Told {
    commands: Vec<Command>,
    macros: Vec<Macro>,
}

/// A running probe.
#[derive(Debug)]
pub(crate) struct Probe {
    dir: Dir,
    told: Arc<Mutex<Told>>,
}

impl Probe {
    /// Starts one. `answer` is sent at the end of each message: edits, then the final reply.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub(crate) fn start(answer: Vec<Reply>) -> anyhow::Result<Self> {
        let dir = Dir::new("probe")?;
        let socket = dir.make_for_socket("spool")?.join("milter.sock");
        let listener = UnixListener::bind(&socket).context("cannot listen")?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660))?;
        let told = Arc::new(Mutex::new(Told::default()));
        let record = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, record) = (answer.clone(), Arc::clone(&record));
                std::thread::spawn(move || show(session(stream, &answer, &record)));
            }
        });
        Ok(Self { dir, told })
    }

    /// The socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("spool/milter.sock")
    }

    /// The socket as `smtpd_milters` names it.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Commands told so far, all connections in one row.
    pub(crate) fn commands(&self) -> Vec<Command> {
        lock(&self.told).commands.clone()
    }

    /// Macros told so far.
    pub(crate) fn macros(&self) -> Vec<Macro> {
        lock(&self.told).macros.clone()
    }

    /// Values a macro was told with, in order, each once in a row.
    pub(crate) fn macro_values(&self, name: &str) -> Vec<String> {
        let values = self.macros().into_iter().filter(|one| one.name == name).map(|one| one.value);
        let mut values: Vec<String> = values.collect();
        values.dedup();
        values
    }

    /// Clients told so far: name and address.
    pub(crate) fn clients(&self) -> Vec<(String, String)> {
        let clients = self.commands().into_iter().filter_map(|command| match command {
            Command::ConnInfo(client) => Some((
                text(&client.hostname),
                match client.socket_info {
                    SocketInfo::Inet(address) => address.ip().to_string(),
                    SocketInfo::Unix(path) => text(&path),
                    SocketInfo::Unknown => String::new(),
                },
            )),
            _ => None,
        });
        clients.collect()
    }

    /// Header fields told so far, as `name:value`.
    pub(crate) fn headers(&self) -> Vec<String> {
        let fields = self.commands().into_iter().filter_map(|command| match command {
            Command::Header(field) => Some(format!("{}:{}", text(&field.name), text(&field.value))),
            _ => None,
        });
        fields.collect()
    }

    /// Forgets.
    pub(crate) fn forget(&self) {
        *lock(&self.told) = Told::default();
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(bytes: &CString) -> String {
    bytes.to_string_lossy().into_owned()
}

/// A session that broke off: shown with the output of the test that fails over it.
#[expect(clippy::print_stderr, reason = "only seen when a test fails")]
fn show(ended: anyhow::Result<()>) {
    if let Err(error) = ended {
        eprintln!("probe: {error:#}");
    }
}

fn session(stream: UnixStream, answer: &[Reply], told: &Mutex<Told>) -> anyhow::Result<()> {
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let packet = read(&mut input)?;
        if packet.kind == b'D' {
            lock(told).macros.extend(macros(&packet.buffer));
            continue;
        }
        let command = Command::parse_command(packet)?;
        let replies = match &command {
            Command::OptNeg(offer) => vec![negotiated(offer.actions, offer.opts)],
            Command::Mail(_) | Command::Rcpt(_) => vec![Reply::Continue],
            Command::BodyEnd(_) => answer.to_vec(),
            Command::Quit => return Ok(()),
            _ => Vec::new(),
        };
        lock(told).commands.push(command);
        for reply in replies {
            output.write_all(&frame(reply.into_message())?)?;
        }
    }
}

/// Reads a macro packet. Not with the codec: Postfix sends packets without macros (at HELO without TLS), and
/// for the stages `L` and `B`; both are errors to the codec.
fn macros(payload: &[u8]) -> Vec<Macro> {
    let Some((stage, rest)) = payload.split_first() else { return Vec::new() };
    let strings: Vec<&[u8]> = rest.split(|byte| *byte == 0).collect();
    strings
        .chunks_exact(2)
        .filter_map(|pair| {
            let [name, value] = pair else { return None };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Some(Macro { stage: char::from(*stage), name: text(name), value: text(value) })
        })
        .collect()
}
