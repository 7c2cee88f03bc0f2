//! Other programs, run within a time.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::model::text;

/// Longest output that is read.
const MAX_OUTPUT: u64 = 4 << 20;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(8);

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// There is no such program.
    Missing,
    /// It did not do what it should, as a sentence.
    Said(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not installed"),
            Self::Said(what) => f.write_str(what),
        }
    }
}

/// What a program prints on standard output. Root's paths are searched as well: an ordinary user's `PATH` is often
/// without /usr/sbin. In `folder`, if that is given.
pub(super) fn output(name: &str, arguments: &[&str], folder: Option<&Path>) -> Result<String, Failed> {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")).env("LC_ALL", "C");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = |what: String| Failed::Said(format!("{name}: {what}"));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failed::Missing,
        _ => said(error.to_string()),
    })?;
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let until = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().map_err(|error| said(error.to_string()))? {
            Some(status) => break status,
            None if Instant::now() > until => {
                child.kill().ok();
                child.wait().ok();
                return Err(said(format!("not done after {} s", LIMIT.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let read = |reader: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
    };
    let (stdout, stderr) = (read(stdout), read(stderr));
    if status.success() {
        return Ok(stdout);
    }
    let why = stderr.trim().lines().last().map_or_else(|| status.to_string(), |line| text::line(line, 300));
    Err(said(why))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            pipe.take(MAX_OUTPUT).read_to_end(&mut bytes).ok();
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_or_why_it_was_not() {
        assert_eq!(output("printf", &["a b"], None).as_deref(), Ok("a b"));
        assert_eq!(output("pwd", &[], Some(Path::new("/"))).as_deref(), Ok("/\n"));
        assert_eq!(output("no-such-program-here", &[], None), Err(Failed::Missing));
        let Err(Failed::Said(why)) = output("sh", &["-c", "echo x >&2; exit 3"], None) else { panic!() };
        assert_eq!(why, "sh: x");
    }
}
