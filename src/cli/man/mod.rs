//! The manual pages: mailward(8), made from the same definitions as `--help`, and mailward.toml(5), made from the shipped
//! configuration.

mod file;

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use super::Arguments;
pub use file::file_page;

/// The pages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Page {
    /// mailward(8).
    Mailward,
    /// mailward.toml(5).
    #[value(name = "mailward.toml")]
    File,
}

/// A page in man(7) form.
pub(super) fn page(which: Page) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    match which {
        Page::Mailward => man_page(&mut page)?,
        Page::File => file_page(&mut page)?,
    }
    Ok(page)
}

const DESCRIPTION: &str = r#"
mailward is a milter: Postfix or Sendmail hands it each message while the sending server still waits, and mailward
accepts, tags, refuses or holds it, and can say later why.
.B mailward serve
is the daemon.
.BR check\-config ,
.BR policy ,
.BR scan ,
.BR setup ,
.BR doctor ,
.BR backup\ verify ,
.BR completions ,
.B man
and
.B restore
work by themselves
.RB ( restore
while the daemon does not run); every other command asks the daemon through its admin socket, and so must be run as root or as a
member of the group that owns the socket.
"#;

/// What no definition of an argument holds.
const REST: &str = r#"
.SH FILES
.TP
.I /etc/mailward/mailward.toml
The configuration, see
.BR mailward.toml (5).
Where the file is missing the defaults hold.
.TP
.I /etc/mailward/rules/
The usual place for YARA rules of one's own; named by the key
.B rules
in
.BR [scanner.yara] .
.TP
.I /var/lib/mailward/
The state: the audit journal in
.IR audit/ ,
the database made from it in
.IR db/ ,
held mail in
.I quarantine/
(a Maildir, with
.I meta/
beside it), and the keys of this installation in
.IR keys/ .
.TP
.I /run/mailward/admin.sock
The admin socket, HTTP. Whoever may open it may do everything. The same is on a TCP port of loopback, for whom
.B mailward token create
made a token; without one that port says whether mailward is healthy, and nothing else.
.TP
.I /var/spool/postfix/mailward/milter.sock
The milter's socket, inside Postfix's chroot.
.SH ENVIRONMENT
.TP
.B MAILWARD_CONFIG
The configuration file, where
.B \-\-config
does not name one. Empty is the same as unset.
.TP
.B NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM, CREDENTIALS_DIRECTORY
Set by
.BR systemd (1):
readiness and watchdog, log lines without a time, secrets.
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
Messages in work are finished, within
.B drain
in
.BR [limits] ,
no new ones are begun, and the daemon ends.
.TP
.B SIGHUP
Configuration and rules are read again, all or nothing. What needs a restart is named in the log.
.SH EXIT STATUS
.TP
.B 0
Done. For
.B scan
this says nothing of the verdict.
.TP
.B 1
Not done, or done in part: the reason is on standard error. For
.B audit verify
the journal is not whole; for
.B status
mail is taken and something is degraded.
.TP
.B 2
Wrong usage.
.TP
.B 3
Of
.B status
alone: no mail is taken, or no daemon can be asked.
.TP
.B 78
The configuration, or a rule file it names, is wrong. Starting again would not mend it.
.SH EXAMPLES
.TP
Check a new configuration, then use it:
.B mailward check\-config && systemctl reload mailward
.TP
Why was this message treated as it was? The id stands in X\-Mailward\-Id, in the reply to the sender and in the log:
.B mailward explain 01m7xn1s0d16n15np8
.TP
What happened to the mail of one sender since yesterday:
.B mailward audit list \-\-since 1d \-\-sender example.org
.TP
What would be said of a file, as if it came from this client:
.B mailward scan \-\-ip 192.0.2.7 \-\-rcpt alice@example.org message.eml
.TP
Would SPF, DKIM and DMARC pass with the records in this file, a line each as
.IR "NAME TYPE VALUE" ,
instead of those in the DNS?
.B mailward scan \-\-ip 192.0.2.7 \-\-helo mx.sender.example \-\-from a@sender.example \-\-dns\-zone zone.txt message.eml
.TP
Health, for a monitor:
.B curl \-\-fail \-\-unix\-socket /run/mailward/admin.sock http://localhost/readyz
.TP
A token for Prometheus, in a file that only it can read:
.B (umask 077; mailward token create prometheus \-\-role viewer > mailward.token)
.SH SEE ALSO
.BR mailward.toml (5),
.BR postconf (5),
.BR master (5),
.BR systemd.service (5)
"#;

/// Writes mailward(8).
///
/// # Errors
/// If `to` cannot be written.
pub fn man_page(to: &mut dyn Write) -> io::Result<()> {
    let command = Arguments::command().subcommand_value_name("COMMAND");
    let version = format!("mailward {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).section("8").date("").source(version).manual("System administration");
    man.render_title(to)?;
    section(to, |to| man.render_name_section(to))?;
    section(to, |to| man.render_synopsis_section(to))?;
    write!(to, ".SH DESCRIPTION{DESCRIPTION}")?;
    section(to, |to| man.render_options_section(to))?;
    writeln!(to, ".SH COMMANDS\nEach takes\n.B \\-\\-config\nand\n.BR \\-\\-help .")?;
    describe(&command, "mailward", to)?;
    to.write_all(REST.trim_start().as_bytes())
}

/// A section without the two lines that clap_mangen puts in front of each.
fn section(to: &mut dyn Write, render: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut text = Vec::new();
    render(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let preamble = |line: &&str| line.starts_with(".ie \\n(.g") || line.starts_with(".el .ds Aq");
    text.lines().skip_while(preamble).try_for_each(|line| writeln!(to, "{line}"))
}

/// Each command that does something, with its arguments.
fn describe(command: &clap::Command, path: &str, to: &mut dyn Write) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            describe(sub, &path, to)?;
            continue;
        }
        writeln!(to, ".SS {}", escaped(&format!("{path}{}", positionals(sub))))?;
        if let Some(about) = sub.get_about() {
            writeln!(to, "{}", escaped(&sentence(&about.to_string())))?;
        }
        for argument in sub.get_arguments().filter(|a| a.get_id() != "config" && a.get_id() != "help") {
            let value = argument.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
            let name = match argument.get_long() {
                Some(long) if argument.get_action().takes_values() => {
                    format!("\\fB\\-\\-{}\\fR \\fI{}\\fR", escaped(long), escaped(&value))
                }
                Some(long) => format!("\\fB\\-\\-{}\\fR", escaped(long)),
                None => format!("\\fI{}\\fR", escaped(&value)),
            };
            let help = argument.get_help().map(|help| sentence(&help.to_string())).unwrap_or_default();
            writeln!(to, ".TP\n{name}\n{}", escaped(&help))?;
            let defaults: Vec<_> =
                argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
            if argument.get_action().takes_values() && defaults.iter().any(|value| !value.is_empty()) {
                writeln!(to, "Default: {}.", escaped(&defaults.join(", ")))?;
            }
        }
        if let Some(more) = sub.get_after_help() {
            writeln!(to, ".PP\n{}", escaped(&more.to_string()))?;
        }
    }
    Ok(())
}

fn positionals(command: &clap::Command) -> String {
    let named = |argument: &clap::Arg| {
        let names = argument.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
        let more = argument.get_num_args().is_some_and(|n| n.max_values() > 1);
        format!(" {names}{}", if more { "…" } else { "" })
    };
    command.get_positionals().map(named).collect()
}

/// clap takes the full stop from the end of a doc comment.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

/// Safe for roff: no line is taken for a request, no character for an escape; `-` is a minus that can be copied.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        if line.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        for c in line.chars() {
            match c {
                '\\' => out.push_str("\\e"),
                '-' => out.push_str("\\-"),
                '…' => out.push_str("..."),
                c => out.push(c),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_request_or_an_escape() {
        assert_eq!(escaped(".SH x\n'a\\b --c"), "\\&.SH x\n\\&'a\\eb \\-\\-c");
    }

    #[test]
    fn the_page_has_its_sections_once_and_names_no_page_that_there_is_not() {
        let mut page = Vec::new();
        man_page(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(
            sections,
            [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "COMMANDS",
                "FILES",
                "ENVIRONMENT",
                "SIGNALS",
                "EXIT STATUS",
                "EXAMPLES",
                "SEE ALSO",
            ]
        );
        assert!(!page.contains("mailward\\-"), "{page}");
        assert!(page.contains(".SS mailward quarantine delete IDS..."), "{page}");
        assert!(page.contains("MAILWARD_CONFIG"));
    }
}
