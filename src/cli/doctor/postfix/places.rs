//! The servers that ask milters: whether they ask us, how long they wait, what they do when we are silent.

use super::facts::{Postfix, Service, seconds};
use super::filter;
use super::milter::Milter;
use super::others::{self, Other};
use crate::cli::doctor::sheet::Sheet;
use crate::config::Config;
use crate::intake::milter::Endpoint;

/// What effects may take after a message's deadline.
const GRACE: u64 = 10;
/// The time that our own lines give.
const CONTENT: u64 = 300;
/// Other time limits: below so many seconds they are too short; what our own lines give.
const SHORT: [(&str, u64, &str); 2] = [("connect_timeout", 2, "30s"), ("command_timeout", 10, "30s")];

/// Servers with one list of milters.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) services: Vec<&'a Service>,
    pub(super) list: Vec<Milter>,
    /// Where in it we are.
    pub(super) ours: Option<usize>,
    /// The list stands in master.cf, for this one server.
    own: bool,
    /// A shell line that makes the whole list right: one for all that is wrong with it, so that no line undoes
    /// another.
    pub(super) mend: Option<String>,
}

impl Place<'_> {
    /// `smtp/inet, submission/inet`.
    pub(super) fn names(&self) -> String {
        self.services.iter().map(|service| service.id()).collect::<Vec<_>>().join(", ")
    }

    /// The list as it should be; `None` where we listen nowhere.
    fn mended(&self, postfix: &Postfix, config: &Config, known: &[Other]) -> Option<Vec<Milter>> {
        let queue = postfix.queue();
        let ours = match (self.ours.and_then(|at| self.list.get(at)), self.services.first()) {
            (Some(ours), Some(service)) => wants(postfix, config, service, ours)
                .into_iter()
                .fold(ours.clone(), |entry, (name, value)| entry.with(name, &value)),
            _ => shipped(postfix, config)?,
        };
        // Under another name it may mean the same socket, and not where this server looks.
        let is_ours = |milter: &Milter| {
            let listen = &config.milter.listen;
            [false, true].iter().any(|chroot| listen.iter().any(|l| milter.is(l, &queue, *chroot)))
        };
        let is_twice = |milter: &Milter| others::is_rspamd(milter) && others::asks_rspamd(config);
        let at = self.ours.unwrap_or(0);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (index, milter) in self.list.iter().enumerate() {
            if is_ours(milter) || is_twice(milter) {
                continue;
            }
            let signs = known.iter().any(|other| other.signs && milter.names(&other.socket, &queue));
            let side = if index < at && !signs { &mut before } else { &mut after };
            side.push(milter.clone());
        }
        // What stood behind us stays before what comes from the front.
        after.sort_by_key(|milter| self.list.iter().position(|m| m == milter) < Some(at));
        before.push(ours);
        before.extend(after);
        Some(before)
    }

    /// A shell line that gives it this list.
    fn set(&self, postfix: &Postfix, list: &[Milter]) -> Option<String> {
        let written = Milter::written(list);
        match (self.own, self.services.first()) {
            (true, Some(service)) => postfix.set_of(service, "smtpd_milters", Some(&written)),
            _ => postfix.set("smtpd_milters", &written),
        }
    }
}

/// All smtpd but those that take back what a content filter hands over.
pub(super) fn of<'a>(postfix: &'a Postfix, config: &Config, known: &[Other]) -> Vec<Place<'a>> {
    let queue = postfix.queue();
    let mut places: Vec<Place<'a>> = Vec::new();
    let hands_back = filter::hands_back(postfix);
    let takes_mail = |service: &&Service| service.is_public() || !hands_back || !service.is_way_back();
    for service in postfix.smtpds().filter(takes_mail) {
        let list = Milter::list(&postfix.of(service, "smtpd_milters"));
        let is_ours =
            |milter: &Milter| config.milter.listen.iter().any(|ours| milter.is(ours, &queue, service.chroot));
        let ours = list.iter().position(is_ours);
        let own = service.options.contains_key("smtpd_milters");
        match places.iter_mut().find(|place| !own && !place.own && place.ours == ours && place.list == list) {
            Some(place) => place.services.push(service),
            None => places.push(Place { services: vec![service], list, ours, own, mend: None }),
        }
    }
    for place in &mut places {
        place.mend = place.mended(postfix, config, known).and_then(|list| place.set(postfix, &list));
    }
    places
}

/// Our entry as it should be; `None` where we listen nowhere.
pub(super) fn shipped(postfix: &Postfix, config: &Config) -> Option<Milter> {
    let queue = postfix.queue();
    let endpoint = match config.milter.listen.first()? {
        Endpoint::Unix(path) => match path.strip_prefix(&queue) {
            Ok(below) => format!("unix:{}", below.display()),
            Err(_) => format!("unix:{}", path.display()),
        },
        Endpoint::Inet(address) => format!("inet:{address}"),
    };
    let content = format!("{}s", enough(config));
    let options = [
        ("connect_timeout", "30s"),
        ("command_timeout", "30s"),
        ("content_timeout", &content),
        ("default_action", "tempfail"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Some(Milter { endpoint, options })
}

/// Seconds that suffice for a message.
fn enough(config: &Config) -> u64 {
    CONTENT.max(config.limits.deadline.duration().as_secs().saturating_mul(2))
}

pub(super) fn judge(sheet: &mut Sheet, postfix: &Postfix, config: &Config, places: &[Place<'_>]) {
    if places.is_empty() {
        sheet.unseen("smtpd_milters", "master.cf has no smtpd that takes mail");
    }
    for place in places {
        match place.ours {
            Some(at) => asked(sheet, postfix, config, place, at),
            None => not_asked(sheet, postfix, config, place),
        }
        for service in &place.services {
            passed_by(sheet, postfix, service, place.ours.is_some());
        }
    }
}

/// A list without us.
fn not_asked(sheet: &mut Sheet, postfix: &Postfix, config: &Config, place: &Place<'_>) {
    let main = Milter::list(&postfix.get("smtpd_milters"));
    let queue = postfix.queue();
    let in_main = |chroot| {
        main.iter().any(|milter| config.milter.listen.iter().any(|ours| milter.is(ours, &queue, chroot)))
    };
    let names = place.names();
    let (text, mend) = match place.services.first() {
        Some(service) if place.own && in_main(service.chroot) => {
            let text = format!(
                "{names} in master.cf has a smtpd_milters of its own, which does not name mailward: mail that comes \
                 in there is not filtered"
            );
            (text, postfix.set_of(service, "smtpd_milters", None))
        }
        _ => {
            let text = format!(
                "smtpd_milters of {names} does not name mailward's socket: mail that comes in there is not filtered"
            );
            (text, place.mend.clone())
        }
    };
    if place.services.iter().any(|service| service.is_public()) {
        sheet.error("smtpd_milters", text, mend);
    } else {
        sheet.warning("smtpd_milters", text, mend);
    }
}

/// A setting for our entry: what stands beside it, or what holds for all milters.
fn value(postfix: &Postfix, service: &Service, ours: &Milter, name: &str) -> String {
    let own = ours.option(name).map(str::to_owned);
    own.unwrap_or_else(|| postfix.of(service, &format!("milter_{name}")))
}

fn is_patient(time: &str, config: &Config) -> bool {
    seconds(time).is_some_and(|time| time > config.limits.deadline.duration().as_secs() + GRACE)
}

fn is_too_short(time: &str, least: u64) -> bool {
    seconds(time).is_none_or(|time| time < least)
}

fn is_safe(action: &str) -> bool {
    matches!(action, "tempfail" | "shutdown")
}

/// What beside our entry has to be another: names and values.
fn wants(
    postfix: &Postfix,
    config: &Config,
    service: &Service,
    ours: &Milter,
) -> Vec<(&'static str, String)> {
    let of = |name: &str| value(postfix, service, ours, name);
    let mut wants = Vec::new();
    for (name, least, usual) in SHORT {
        if is_too_short(&of(name), least) {
            wants.push((name, usual.to_owned()));
        }
    }
    if !is_patient(&of("content_timeout"), config) {
        wants.push(("content_timeout", format!("{}s", enough(config))));
    }
    if !is_safe(&of("default_action")) {
        wants.push(("default_action", "tempfail".to_owned()));
    }
    wants
}

/// A list with us at `at`.
fn asked(sheet: &mut Sheet, postfix: &Postfix, config: &Config, place: &Place<'_>, at: usize) {
    let (Some(ours), Some(service)) = (place.list.get(at), place.services.first()) else { return };
    let names = place.names();
    sheet.ok("smtpd_milters", format!("{names} asks mailward at {}", ours.endpoint));
    let of = |name: &str| value(postfix, service, ours, name);
    let content = of("content_timeout");
    if is_patient(&content, config) {
        let text = format!("{names} waits {content} for an answer, longer than limits.deadline");
        sheet.ok("content_timeout", text);
    } else {
        let text = format!(
            "{names} waits only {content} for the answer to a message, and mailward may take {} (limits.deadline) and \
             {GRACE} s for its effects: Postfix then goes on without the verdict",
            config.limits.deadline
        );
        sheet.error("content_timeout", text, place.mend.clone());
    }
    for (name, least, _) in SHORT {
        let time = of(name);
        if is_too_short(&time, least) {
            let text = format!(
                "{names} has {name} {time}: on a machine that is busy for a moment Postfix takes mailward for dead"
            );
            sheet.warning("timeouts", text, place.mend.clone());
        }
    }
    default_action(sheet, &names, &of("default_action"), place.mend.clone());
}

fn default_action(sheet: &mut Sheet, names: &str, action: &str, mend: Option<String>) {
    let costs = match action {
        action if is_safe(action) => {
            let text =
                format!("while mailward does not answer, {names} asks senders to come back ({action})");
            return sheet.ok("default_action", text);
        }
        "accept" => "mail is delivered unfiltered, malware as well",
        "reject" => "mail is refused for good and bounces to its sender",
        "quarantine" => "mail stays in Postfix's hold queue, and is delivered unfiltered when it is freed",
        _ => "nobody knows what happens: it is no action that mailward knows",
    };
    let text = format!("default_action of {names} is {action}: while mailward does not answer, {costs}");
    sheet.warning("default_action", text, mend);
}

/// What keeps content from milters although they are listed.
fn passed_by(sheet: &mut Sheet, postfix: &Postfix, service: &Service, is_asked: bool) {
    let id = service.id();
    let proxy = postfix.of(service, "smtpd_proxy_filter");
    if is_asked && !proxy.is_empty() {
        let text = format!(
            "{id} hands mail to smtpd_proxy_filter {proxy} before milters see it: mailward judges none of it"
        );
        let mend = match service.options.contains_key("smtpd_proxy_filter") {
            true => postfix.set_of(service, "smtpd_proxy_filter", None),
            false => postfix.unset("smtpd_proxy_filter"),
        };
        sheet.error("proxy_filter", text, mend);
    }
    let override_options = postfix.of(service, "receive_override_options");
    let words = || override_options.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    if is_asked && words().any(|word| word == "no_milters") {
        let text =
            format!("{id} has receive_override_options=no_milters: mail that comes in there is not filtered");
        let rest = words().filter(|word| *word != "no_milters").collect::<Vec<_>>().join(",");
        let mend = match service.options.contains_key("receive_override_options") {
            true => postfix.set_of(service, "receive_override_options", Some(&rest)),
            false => postfix.set("receive_override_options", &rest),
        };
        sheet.error("no_milters", text, mend);
    }
    let protocol = postfix.of(service, "milter_protocol");
    if is_asked && protocol.parse::<u32>().is_ok_and(|version| version < 6) {
        let text = format!(
            "{id} speaks milter protocol {protocol}: macros that mailward needs do not come, edits differ"
        );
        let mend = match service.options.contains_key("milter_protocol") {
            true => postfix.set_of(service, "milter_protocol", None),
            false => postfix.set("milter_protocol", "6"),
        };
        sheet.error("protocol", text, mend);
    }
}
