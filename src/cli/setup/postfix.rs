//! `mailward setup postfix`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use super::super::output::{err, out};
use super::address::Address;
use super::plan::{Plan, Service, State, Step, set_up, take_out};
use crate::config::Config;

/// What drops forged fields; tests of the repository run Postfix on it.
const CHECKS: &str = include_str!("../../../postfix/header_checks");

/// What is asked of main.cf.
const ASKED: [&str; 6] = [
    "smtpd_milters",
    "non_smtpd_milters",
    "milter_protocol",
    "header_checks",
    "mime_header_checks",
    "nested_header_checks",
];

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Run the commands instead of printing them; root only.
    #[arg(long)]
    apply: bool,
    /// Take mailward out of Postfix's configuration again.
    #[arg(long)]
    pub(super) undo: bool,
    /// The folder of the configuration of another instance of Postfix.
    #[arg(long, value_name = "FOLDER")]
    instance: Option<PathBuf>,
}

/// Prints or runs what is to be done.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let postfix = Postfix { instance: arguments.instance.clone() };
    let queue = PathBuf::from(postfix.told("postconf", &["-h", "queue_directory"])?.trim());
    let address = Address::of(&config.milter.listen, &queue)?;
    let state = postfix.state()?;
    let plan = if arguments.undo { take_out(&state, &address) } else { set_up(&state, &address) };
    if plan.steps.is_empty() {
        let known = if arguments.undo { "names mailward nowhere" } else { "asks mailward already" };
        err(&format!("Postfix {known}: nothing to do"));
    } else if arguments.apply {
        if !arguments.undo {
            address.answers()?;
        }
        postfix.apply(&state, &plan)?;
    } else {
        postfix.print(&state, &plan)?;
        err("nothing was changed; run these lines as root, or the same command with --apply");
    }
    plan.by_hand.iter().for_each(|what| err(&format!("by hand: {what}")));
    Ok(if plan.by_hand.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One instance of it.
struct Postfix {
    instance: Option<PathBuf>,
}

impl Postfix {
    /// The command, with the instance named. A user's shell often has no /usr/sbin.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(instance) = &self.instance {
            command.arg("-c").arg(instance);
        }
        command
    }

    fn told(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let done = self.command(program).args(arguments).output();
        let done = done.with_context(|| format!("{program} cannot be run; is Postfix installed?"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !done.status.success() {
            // Without a terminal some of its programs tell the log alone.
            let said = text(&done.stderr);
            let why = Some(said.trim()).filter(|said| !said.is_empty()).unwrap_or("the mail log says why");
            bail!("{program} {} failed: {why}", arguments.join(" "));
        }
        Ok(text(&done.stdout))
    }

    fn state(&self) -> anyhow::Result<State> {
        let folder = self.told("postconf", &["-h", "config_directory"])?.trim().to_owned();
        let mut asked = ASKED.to_vec();
        let main = pairs(&self.told("postconf", &asked)?);
        asked.truncate(2);
        asked.insert(0, "-x");
        let expanded = pairs(&self.told("postconf", &asked)?);
        let services = self.told("postconf", &["-M"])?.lines().filter_map(Service::read).collect();
        let options = pairs(&self.told("postconf", &["-P"])?);
        let there = fs::read_to_string(Path::new(&folder).join("mailward_header_checks")).ok();
        let (has_checks, is_ours) = (there.is_some(), there.is_some_and(|text| text == CHECKS));
        Ok(State { folder, main, expanded, services, options, has_checks, is_ours })
    }

    /// As a shell takes it.
    fn print(&self, state: &State, plan: &Plan) -> anyhow::Result<()> {
        for (file, copy) in copies(&state.folder)? {
            out(&format!("cp -p {} {}", quoted(&file), quoted(&copy)));
        }
        for step in &plan.steps {
            match step {
                Step::Postconf(words) => out(&self.line("postconf", words)),
                Step::Checks(path) => {
                    out(&format!("cat > {} <<'END'\n{}\nEND", quoted(path), CHECKS.trim_end()));
                }
                Step::NoChecks(path) => out(&format!("rm {}", quoted(path))),
            }
        }
        out(&self.line("postfix", &["check".to_owned()]));
        out(&self.line("postfix", &["reload".to_owned()]));
        Ok(())
    }

    fn line(&self, program: &str, words: &[String]) -> String {
        let instance = self.instance.iter().flat_map(|path| ["-c".to_owned(), path.display().to_string()]);
        let words = instance.chain(words.iter().cloned()).map(|word| quoted(&word));
        std::iter::once(program.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// All of it, or nothing.
    fn apply(&self, state: &State, plan: &Plan) -> anyhow::Result<()> {
        let copies = copies(&state.folder)?;
        for (file, copy) in &copies {
            fs::copy(file, copy)
                .with_context(|| format!("{file} cannot be copied to {copy}; are you root?"))?;
        }
        if let Err(error) = self.change(state, plan) {
            for step in &plan.steps {
                if let Step::Checks(path) = step {
                    drop(fs::remove_file(path));
                }
            }
            for (file, copy) in &copies {
                fs::copy(copy, file)
                    .with_context(|| format!("{file} could not be put back; {copy} is as it was"))?;
            }
            copies.iter().for_each(|(_, copy)| drop(fs::remove_file(copy)));
            return Err(error.context("Postfix has its configuration from before again"));
        }
        // Once all of it holds nothing refers to the file any more.
        for step in &plan.steps {
            if let Step::NoChecks(path) = step {
                fs::remove_file(path).with_context(|| format!("{path} cannot be removed"))?;
            }
        }
        let runs = self.command("postfix").arg("status").output().is_ok_and(|done| done.status.success());
        if runs {
            self.told("postfix", &["reload"])?;
        }
        let how = if runs { "and reloaded" } else { "it does not run; the change holds once it is started" };
        forget(&state.folder);
        let copies = copies.map(|(_, copy)| copy).join(", ");
        out(&format!("Postfix was changed, {how}; from before: {copies}; once mail flows they may go"));
        Ok(())
    }

    fn change(&self, state: &State, plan: &Plan) -> anyhow::Result<()> {
        for step in &plan.steps {
            match step {
                Step::Postconf(words) => {
                    self.told("postconf", &words.iter().map(String::as_str).collect::<Vec<_>>())?;
                }
                Step::Checks(path) => write_checks(path)?,
                Step::NoChecks(_) => {}
            }
        }
        // A running Postfix takes up main.cf by and by on its own, so what it will not have must not stand there.
        self.told("postfix", &["check"])?;
        let read = self.state()?;
        if read.services.is_empty() {
            bail!("{}/master.cf names no service any more", state.folder);
        }
        Ok(())
    }
}

fn write_checks(path: &str) -> anyhow::Result<()> {
    fs::write(path, CHECKS)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o644)))
        .with_context(|| format!("{path} cannot be written; are you root?"))
}

/// `name = value`, a line each.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// How many copies are kept beside the first one, which shows Postfix as it was before any of this.
const KEPT: usize = 3;

/// The name of a copy without that of the file.
fn copy_name(n: u16) -> String {
    if n == 1 { "before-mailward".to_owned() } else { format!("before-mailward.{n}") }
}

/// The numbers of the copies that are there, the oldest first.
fn kept(folder: &str) -> Vec<u16> {
    let there = |n: &u16| Path::new(&format!("{folder}/main.cf.{}", copy_name(*n))).exists();
    (1..1000).filter(there).collect()
}

/// The two files, and where each is kept as it was.
fn copies(folder: &str) -> anyhow::Result<[(String, String); 2]> {
    let next = kept(folder).last().map_or(1, |last| last + 1);
    anyhow::ensure!(next < 1000, "too many main.cf.before-mailward in {folder}; remove the old ones");
    let name = copy_name(next);
    let pair = |file: &str| (format!("{folder}/{file}"), format!("{folder}/{file}.{name}"));
    Ok([pair("main.cf"), pair("master.cf")])
}

/// Removes copies but the first and the last few. One that cannot be removed harms nobody.
fn forget(folder: &str) {
    let kept = kept(folder);
    let later = kept.get(1..).unwrap_or_default();
    for n in later.iter().take(later.len().saturating_sub(KEPT)) {
        for file in ["main.cf", "master.cf"] {
            drop(fs::remove_file(format!("{folder}/{file}.{}", copy_name(*n))));
        }
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_word_as_one_word() {
        assert_eq!(quoted("smtp/inet/x=y"), "smtp/inet/x=y");
        assert_eq!(quoted("a = { b }, $c"), "'a = { b }, $c'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn of_the_copies_the_first_and_the_last_ones_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        for _ in 0..7 {
            for (_, copy) in copies(folder).unwrap() {
                fs::write(copy, "").unwrap();
            }
            forget(folder);
        }
        assert_eq!(kept(folder), [1, 5, 6, 7]);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 8, "of master.cf as many");
    }

    #[test]
    fn what_postconf_prints_is_read_with_equals_signs_in_the_value() {
        let read = pairs("smtpd_milters = { unix:a, default_action=tempfail }\nheader_checks =\n");
        assert_eq!(read["smtpd_milters"], "{ unix:a, default_action=tempfail }");
        assert_eq!(read["header_checks"], "");
    }
}
