//! From what stands in Postfix's configuration to the commands that change it. Pure.

use std::collections::BTreeMap;

use super::address::Address;
use super::milters;

/// What one needs to know of a Postfix. Values as they are written, `$name` not expanded.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The folder with main.cf and master.cf.
    pub(super) folder: String,
    /// main.cf, with defaults.
    pub(super) main: BTreeMap<String, String>,
    /// The two lists of milters, with `$name` expanded.
    pub(super) expanded: BTreeMap<String, String>,
    /// master.cf, an entry each.
    pub(super) services: Vec<Service>,
    /// `-o` of master.cf: by `service/type/name`.
    pub(super) options: BTreeMap<String, String>,
    /// Whether the file of header checks is there; one that the admin has changed stays as it is.
    pub(super) has_checks: bool,
    /// Whether it is as we wrote it.
    pub(super) is_ours: bool,
}

/// An entry of master.cf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    /// `inet`, `unix`, `pass` …
    pub(super) kind: String,
    pub(super) chroot: String,
    pub(super) program: String,
}

impl Service {
    /// A line of `postconf -M`.
    pub(super) fn read(line: &str) -> Option<Self> {
        let field: Vec<&str> = line.split_whitespace().take(8).collect();
        let [name, kind, _, _, chroot, _, _, program] = *field.as_slice() else { return None };
        let own = |text: &str| text.to_owned();
        Some(Self { name: own(name), kind: own(kind), chroot: own(chroot), program: own(program) })
    }

    fn id(&self) -> String {
        format!("{}/{}", self.name, self.kind)
    }

    fn port(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In this order.
    pub(super) steps: Vec<Step>,
    /// What only a person can decide.
    pub(super) by_hand: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `postconf` with these arguments.
    Postconf(Vec<String>),
    /// The file of header checks is written there.
    Checks(String),
    /// It is removed.
    NoChecks(String),
}

/// The cleanup(8) of port 25, which drops forged fields.
const CLEANUP: &str = "cleanup-inbound";

impl Plan {
    fn postconf(&mut self, how: &str, what: String) {
        self.steps.push(Step::Postconf(vec![how.to_owned(), what]));
    }
}

impl State {
    fn main(&self, name: &str) -> &str {
        self.main.get(name).map_or("", |value| value.trim())
    }

    fn option(&self, service: &Service, name: &str) -> Option<&str> {
        self.options.get(&format!("{}/{name}", service.id())).map(|value| value.trim())
    }

    fn checks(&self) -> String {
        format!("{}/mailward_header_checks", self.folder)
    }

    /// The smtpd that takes mail from strangers: on port 25, or behind postscreen.
    fn inbound(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| {
            let inet = service.kind == "inet" && matches!(service.port(), "smtp" | "25");
            service.program == "smtpd" && (inet || (service.kind == "pass" && service.name == "smtpd"))
        })
    }

    fn submission(&self) -> impl Iterator<Item = &Service> {
        let ports = ["submission", "submissions", "smtps", "587", "465"];
        self.services.iter().filter(move |service| {
            service.kind == "inet" && service.program == "smtpd" && ports.contains(&service.port())
        })
    }
}

/// What makes Postfix ask mailward.
pub(super) fn set_up(state: &State, address: &Address) -> Plan {
    let mut plan = Plan::default();
    if !state.has_checks {
        plan.steps.push(Step::Checks(state.checks()));
    }
    drop_forged(state, &mut plan);
    outbound(state, &mut plan);
    if state.main("milter_protocol").parse::<u32>().is_ok_and(|version| version < 6) {
        plan.postconf("-e", "milter_protocol = 6".to_owned());
    }
    // Last: only with the rest in place can the fields be trusted.
    lists(state, address, &mut plan);
    plan
}

fn lists(state: &State, address: &Address, plan: &mut Plan) {
    let known = |name: &str| state.expanded.get(name).is_some_and(|list| milters::holds(list, address));
    let (smtpd, other) = (state.main("smtpd_milters"), state.main("non_smtpd_milters"));
    if !known("smtpd_milters") {
        plan.postconf("-e", format!("smtpd_milters = {}", milters::with(smtpd, address)));
    }
    let follows = other == "$smtpd_milters" || other == "${smtpd_milters}";
    if !known("non_smtpd_milters") && !follows {
        // The same list, if that adds no other milter to this mail.
        let same = smtpd.is_empty() && other.is_empty();
        let list = if same { "$smtpd_milters".to_owned() } else { milters::with(other, address) };
        plan.postconf("-e", format!("non_smtpd_milters = {list}"));
    }
    let blind = |service: &&Service| {
        state
            .option(service, "smtpd_milters")
            .is_some_and(|list| !milters::holds(list, address) && !list.contains("$smtpd_milters"))
    };
    for service in state.inbound().filter(blind) {
        plan.by_hand.push(format!(
            "{} in master.cf has smtpd_milters of its own, which hold there instead: add {} to them",
            service.id(),
            milters::entry(address)
        ));
    }
}

/// Fields that only mailward may write are dropped from mail that comes in, also while it is down.
fn drop_forged(state: &State, plan: &mut Plan) {
    if !state.services.iter().any(|service| service.name == CLEANUP) {
        let chroot = state.services.iter().find(|s| s.name == "cleanup").map_or("y", |s| &s.chroot);
        let own = state.main("header_checks");
        let inner = |name: &str| match state.main(name) {
            "$header_checks" => own.to_owned(),
            value => value.to_owned(),
        };
        let mut checks = format!("regexp:{}", state.checks());
        if !own.is_empty() {
            checks.push_str(", ");
            checks.push_str(own);
        }
        let options = [
            option("header_checks", &checks),
            option("mime_header_checks", &inner("mime_header_checks")),
            option("nested_header_checks", &inner("nested_header_checks")),
        ];
        let line = format!("{CLEANUP}/unix={CLEANUP} unix n - {chroot} - 0 cleanup {}", options.join(" "));
        plan.postconf("-Me", line);
    }
    let mut any = false;
    for service in state.inbound() {
        any = true;
        match state.option(service, "cleanup_service_name") {
            None => plan.postconf("-Pe", format!("{}/cleanup_service_name={CLEANUP}", service.id())),
            Some(CLEANUP) => {}
            Some(other) => plan.by_hand.push(format!(
                "{} in master.cf has a cleanup of its own, {other}: add regexp:{} to the header_checks there",
                service.id(),
                state.checks()
            )),
        }
    }
    if !any {
        plan.by_hand.push(format!(
            "no smtpd on port 25 was found in master.cf: add -o cleanup_service_name={CLEANUP} to the one that takes mail"
        ));
    }
}

/// mailward is told that mail of users goes out.
fn outbound(state: &State, plan: &mut Plan) {
    for service in state.submission() {
        if state.option(service, "milter_macro_daemon_name").is_none() {
            plan.postconf("-Pe", format!("{}/milter_macro_daemon_name=ORIGINATING", service.id()));
        }
    }
}

/// `-o name=value`, in braces where the value has spaces.
fn option(name: &str, value: &str) -> String {
    if value.contains(char::is_whitespace) {
        format!("-o {{ {name} = {value} }}")
    } else {
        format!("-o {name}={value}")
    }
}

/// What takes it out again. `milter_macro_daemon_name` stays: other milters may have come to ask for it.
pub(super) fn take_out(state: &State, address: &Address) -> Plan {
    let mut plan = Plan::default();
    let left = milters::without(state.main("smtpd_milters"), address);
    for name in ["smtpd_milters", "non_smtpd_milters"] {
        let before = state.main(name);
        let after = milters::without(before, address);
        let follows_nothing = left.is_empty() && after == "$smtpd_milters";
        if after.is_empty() && !before.is_empty() || follows_nothing {
            plan.postconf("-X", name.to_owned());
        } else if milters::holds_any(before, address) {
            plan.postconf("-e", format!("{name} = {after}"));
        }
    }
    for (option, _) in state
        .options
        .iter()
        .filter(|(option, value)| option.ends_with("/cleanup_service_name") && value.trim() == CLEANUP)
    {
        plan.postconf("-PX", option.clone());
    }
    if state.services.iter().any(|service| service.name == CLEANUP) {
        plan.postconf("-MX", format!("{CLEANUP}/unix"));
    }
    if state.is_ours {
        plan.steps.push(Step::NoChecks(state.checks()));
    }
    plan
}

#[cfg(test)]
mod tests;
