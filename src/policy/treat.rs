//! What a rule wants done besides its disposition: checked where it is loaded, filled where it decides.

use super::allowed::{header_allowed, mailbox_allowed};
use super::condition::{Fuel, Template};
use super::rule::Compiler;
use super::rule_file::RuleText;
use super::view::View;
use crate::model::{Disposition, Treatment, text};

/// Longest text in a reply.
const MAX_REPLY: usize = 300;
/// Longest prefix of a Subject: something of the Subject must stay visible.
const MAX_PREFIX: usize = 40;
/// Longest banner, in bytes.
const MAX_BANNER: usize = 4096;
/// The most fields, copies and notifications of one rule.
const MAX_MANY: usize = 16;

/// The texts of a treatment, not filled yet.
#[derive(Debug, Default)]
pub(super) struct Treat {
    reply: Option<Template>,
    headers: Vec<(String, Template)>,
    banner: Option<Template>,
    /// Everything that is the same for each message.
    fixed: Treatment,
    is_empty: bool,
}

impl Treat {
    /// Compiles and checks what `written` wants besides `disposition`, where that is always the same.
    pub(super) fn new(
        written: &RuleText,
        disposition: Option<Disposition>,
        compiler: &mut Compiler<'_>,
    ) -> Self {
        check(written, disposition, compiler);
        let headers = written.headers.iter().filter_map(|(name, value)| {
            Some((name.clone(), compiler.template(&format!("headers.{name}"), Some(value))?))
        });
        let headers: Vec<(String, Template)> = headers.collect();
        for (name, value) in &headers {
            check_named(&format!("headers.{name}"), value, compiler);
        }
        let reply = compiler.template("reply", written.reply.as_deref());
        let banner = compiler.template("banner", written.banner.as_deref());
        if let Some(banner) = &banner {
            check_named("banner", banner, compiler);
        }
        let fixed = Treatment {
            subject_prefix: written.subject_prefix.clone(),
            copy_to: written.copy_to.clone(),
            redirect_to: written.redirect_to.clone(),
            hold: written.hold,
            notify: written.notify.clone(),
            ..Treatment::default()
        };
        let is_empty = written.headers.is_empty()
            && written.reply.is_none()
            && written.banner.is_none()
            && fixed == Treatment::default();
        Self { reply, headers, banner, fixed, is_empty }
    }

    /// What the sender is told.
    pub(super) const fn reply(&self) -> Option<&Template> {
        self.reply.as_ref()
    }

    /// All texts that have values in them.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Template> {
        self.reply.iter().chain(&self.banner).chain(self.headers.iter().map(|(_, value)| value))
    }

    /// Who is told, by name.
    pub(super) fn notified(&self) -> impl Iterator<Item = &str> {
        self.fixed.notify.iter().map(String::as_str)
    }

    /// What is to be done with this message; `None`: nothing. A text that cannot be filled is left out, and so
    /// is a reply that names a recipient, where others hear it too.
    pub(super) fn fill(&self, view: &View<'_>, fuel: &mut Fuel, is_alone: bool) -> Option<Treatment> {
        if self.is_empty {
            return None;
        }
        let mut treatment = self.fixed.clone();
        let mut line = |template: &Template, most| {
            let filled = template.fill(view, fuel).ok()?;
            Some(text::line(&filled, most)).filter(|line| !line.trim().is_empty())
        };
        let reply = self.reply.as_ref().filter(|reply| is_alone || !reply.uses().names_recipients());
        treatment.reply = reply.and_then(|reply| line(reply, MAX_REPLY));
        let headers = self.headers.iter().filter_map(|(name, value)| Some((name.clone(), line(value, 900)?)));
        treatment.headers = headers.collect();
        treatment.banner = self.banner.as_ref().and_then(|banner| banner.fill(view, fuel).ok());
        Some(treatment)
    }
}

/// All who get the mail read it, whomever it was filled for.
fn check_named(key: &str, template: &Template, compiler: &mut Compiler<'_>) {
    if template.uses().names_recipients() {
        compiler.error(
            key,
            format!(
                "`{key}` is one for all who get the mail, and may not show a recipient to the others: leave out \
                 `recipient`, `envelope.recipients` and what list entries say"
            ),
        );
    }
}

/// What cannot be done, or not with that disposition.
fn check(written: &RuleText, disposition: Option<Disposition>, compiler: &mut Compiler<'_>) {
    let delivered = matches!(disposition, None | Some(Disposition::Accept | Disposition::Tag));
    let named = disposition.map_or("", Disposition::name);
    let only_delivered = [
        ("headers", !written.headers.is_empty()),
        ("subject_prefix", written.subject_prefix.is_some()),
        ("copy_to", !written.copy_to.is_empty()),
        ("redirect_to", written.redirect_to.is_some()),
        ("banner", written.banner.is_some()),
    ];
    for (key, is_set) in only_delivered {
        if is_set && !delivered {
            compiler.error(
                key,
                format!("`{key}` is for mail that is delivered, and this rule asks for {named}; choose accept or tag"),
            );
        }
    }
    if written.hold && !matches!(disposition, None | Some(Disposition::Quarantine)) {
        compiler.error(
            "hold",
            format!("`hold` says where mail is held, and this rule asks for {named}; choose quarantine"),
        );
    }
    if written.reply.is_some()
        && !matches!(disposition, None | Some(Disposition::Reject | Disposition::Tempfail))
    {
        compiler.error(
            "reply",
            format!(
                "`reply` is what a sender is told who is refused or put off, and this rule asks for {named}; \
                 choose reject or tempfail, or leave it out"
            ),
        );
    }
    for name in written.headers.keys() {
        if let Err(why) = header_allowed(name) {
            compiler.error(&format!("headers.{name}"), why.to_string());
        }
    }
    let copies = written.copy_to.iter().enumerate().map(|(at, to)| (format!("copy_to.{at}"), to));
    let redirect = written.redirect_to.iter().map(|to| ("redirect_to".to_owned(), to));
    for (key, address) in copies.chain(redirect) {
        if let Err(why) = mailbox_allowed(address) {
            compiler.error(&key, format!("{:?} {why}", text::line(address, 100)));
        }
    }
    if let Some(prefix) = &written.subject_prefix {
        let printable = prefix.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || prefix.trim().is_empty() || prefix.len() > MAX_PREFIX {
            compiler.error(
                "subject_prefix",
                format!(
                    "{:?} cannot stand in a Subject; give 1 to {MAX_PREFIX} printable ASCII characters",
                    text::line(prefix, MAX_PREFIX)
                ),
            );
        }
    }
    if written.banner.as_ref().is_some_and(|banner| banner.len() > MAX_BANNER) {
        compiler.error(
            "banner",
            format!("a banner of more than {MAX_BANNER} bytes is a letter; make it shorter"),
        );
    }
    for (key, count) in [
        ("headers", written.headers.len()),
        ("copy_to", written.copy_to.len()),
        ("notify", written.notify.len()),
    ] {
        if count > MAX_MANY {
            compiler.error(key, format!("`{key}` names {count}, and a rule may name {MAX_MANY}"));
        }
    }
}
