//! Tries every rule in order and writes down what each saw.

use std::collections::HashMap;
use std::sync::Arc;

use super::condition::{Failure, Fuel};
use super::evidence::Evidence;
use super::group::Thresholds;
use super::guards::{BEFORE, BEHIND, Guard};
use super::rule::Rule;
use super::rule_file::{Decide, Mode, Outgoing};
use super::rules::RuleSet;
use super::standing::{Effect, Held, Origin, Sight, Standing, Wish, put_in};
use super::view::View;
use super::{Facts, Policy, adding, name};
use crate::model::{
    Category, Direction, Disposition, Explanation, ListHits, Recipient, Step, Treatment, Verdict, text,
};

/// Longest reason: it goes into a header and into every row of a list.
const MAX_REASON: usize = 200;
/// Steps that rules on trial may take: what they come to decides nothing.
const TRIAL: u64 = Fuel::MESSAGE / 2;
/// Steps that telling what rules saw may take.
const TELLING: u64 = Fuel::MESSAGE / 8;
/// Rules of the admin's that do not apply and are explained all the same; of more only the number is told.
const MAX_IDLE: usize = 20;

/// A judgement, and whether it can be relied on.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was decided.
    pub verdict: Verdict,
    /// The rules that ask for something that a record does not hold: what they would have said is not known.
    pub unknown: Vec<String>,
}

/// The verdict for each recipient, in the envelope's order. Recipients who are treated alike share one.
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts<'_>) -> Vec<Verdict> {
    decide_again(policy, facts).into_iter().map(|judgement| judgement.verdict).collect()
}

/// The same, and what of each is not known.
#[must_use]
pub fn decide_again(policy: &Policy, facts: &Facts<'_>) -> Vec<Judgement> {
    let evidence = Evidence::new(facts.findings);
    let mut fuel = Fuel::of_a_message();
    let mut known: HashMap<Class<'_>, Judgement> = HashMap::new();
    let recipients = facts.envelope.recipients.iter().enumerate();
    let one = |(position, recipient)| {
        let class = Class::of(policy, facts, position, recipient);
        let judgement = known.entry(class).or_insert_with_key(|class| {
            judge_as(policy, facts, &evidence, class, Some(recipient), &mut fuel)
        });
        judgement.clone()
    };
    recipients.map(one).collect()
}

/// The verdict on the message, for whom ever it is: what `scan` shows of a file without recipients.
#[must_use]
pub fn judge(policy: &Policy, facts: &Facts<'_>) -> Verdict {
    judge_again(policy, facts, None).verdict
}

/// The verdict for one recipient, and what of it is not known.
#[must_use]
pub fn judge_again(policy: &Policy, facts: &Facts<'_>, position: Option<usize>) -> Judgement {
    look(policy, facts, position, |view| judged(view, &mut Fuel::of_a_message()))
}

/// What `f` makes of the message as it is for the recipient at `position`; without one, for whom ever it is.
pub(super) fn look<R>(
    policy: &Policy,
    facts: &Facts<'_>,
    position: Option<usize>,
    f: impl FnOnce(&View<'_>) -> R,
) -> R {
    let evidence = Evidence::new(facts.findings);
    let recipient = position.and_then(|position| Some((position, facts.envelope.recipients.get(position)?)));
    let class = match recipient {
        Some((position, recipient)) => Class::of(policy, facts, position, recipient),
        None => Class::default(),
    };
    let recipient = recipient.map(|(_, recipient)| recipient);
    look_as(policy, facts, &evidence, &class, recipient, f)
}

/// The scores at which something happens to the mail of that recipient.
pub(super) fn thresholds(policy: &Policy, facts: &Facts<'_>, position: Option<usize>) -> Thresholds {
    look(policy, facts, position, |view| view.thresholds)
}

/// What makes recipients differ for the rules. Those who agree in it share a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Class<'f> {
    exempt: bool,
    groups: Vec<usize>,
    /// The address, where a rule looks at it.
    address: Option<&'f str>,
    /// Which entries of the lists count for him, where not all do for everybody.
    lists: Option<Vec<usize>>,
}

impl<'f> Class<'f> {
    fn of(policy: &Policy, facts: &Facts<'f>, position: usize, recipient: &'f Recipient) -> Self {
        Self {
            exempt: facts.exempt.get(position).copied().unwrap_or_default(),
            groups: policy.rules.groups().of(recipient),
            address: policy.rules.uses().has_address().then(|| recipient.mailbox()),
            lists: facts.lists.and_then(|lists| lists.positions_for(recipient)),
        }
    }
}

fn judge_as(
    policy: &Policy,
    facts: &Facts<'_>,
    evidence: &Evidence<'_>,
    class: &Class<'_>,
    recipient: Option<&Recipient>,
    fuel: &mut Fuel,
) -> Judgement {
    look_as(policy, facts, evidence, class, recipient, |view| judged(view, fuel))
}

fn look_as<R>(
    policy: &Policy,
    facts: &Facts<'_>,
    evidence: &Evidence<'_>,
    class: &Class<'_>,
    recipient: Option<&Recipient>,
    f: impl FnOnce(&View<'_>) -> R,
) -> R {
    let names = policy.rules.groups().names(&class.groups);
    let narrowed: Option<ListHits> =
        class.lists.as_ref().zip(facts.lists).map(|(positions, lists)| lists.only(positions));
    let facts = &Facts { lists: narrowed.as_ref().or(facts.lists), ..*facts };
    let mut view = View::new(policy, facts, evidence);
    view.exempt = class.exempt;
    view.recipient = recipient;
    view.groups = &names;
    view.thresholds = policy.rules.groups().thresholds(&class.groups, policy);
    f(&view)
}

fn judged(view: &View<'_>, fuel: &mut Fuel) -> Judgement {
    // A sender can make conditions of the admin's expensive. That must not keep a shipped rule from being heard.
    let mut bench = Bench {
        view,
        fuel,
        shipped: Fuel::of_a_message(),
        trial: Fuel::new(TRIAL),
        telling: Fuel::new(TELLING),
        steps: Vec::with_capacity(32),
        kinds: Vec::new(),
        standing: Standing::default(),
        chosen: None,
        adding: Vec::new(),
        idle: 0,
        unknown: Vec::new(),
    };
    bench.guards(&BEFORE);
    for (set, rules) in view.policy.rules.sets().enumerate() {
        bench.rules(set, rules);
    }
    bench.choose();
    bench.guards(&BEHIND);
    bench.verdict()
}

/// What one wish asked for and of what kind the mail is for it.
struct Kind {
    asked: Disposition,
    category: Category,
    firm: bool,
}

/// One judgement in the making.
struct Bench<'b, 'a> {
    view: &'b View<'a>,
    /// For the admin's rules in force, of all recipients together.
    fuel: &'b mut Fuel,
    /// For the shipped rules.
    shipped: Fuel,
    /// For rules on trial.
    trial: Fuel,
    /// For what is told of rules.
    telling: Fuel,
    steps: Vec<Step>,
    /// What each wish asked for; wishes that are only recorded ask for nothing more than accept.
    kinds: Vec<Kind>,
    standing: Standing,
    /// The first rule that applies, of those of which the first decides; and whether it outweighs all.
    chosen: Option<(Held, bool)>,
    /// The rules that apply and add to what the deciding one wants done.
    adding: Vec<Origin>,
    /// Rules that do not apply and are not told one by one.
    idle: usize,
    unknown: Vec<String>,
}

impl Bench<'_, '_> {
    fn guards(&mut self, guards: &[Guard]) {
        for guard in guards.iter().filter(|guard| guard.is_possible(self.view)) {
            let Sight { saw, effect } = (guard.look)(self.view, &self.standing);
            let step = self.steps.len();
            let held = |wish: Wish| Held { step, rule: guard.name.to_owned(), wish };
            let wants = match effect {
                Effect::Nothing => None,
                Effect::Wants(wish) => {
                    let disposition = wish.disposition;
                    self.hear(held(wish), guard.firm);
                    Some(disposition)
                }
                Effect::Instead(wish) => {
                    let disposition = wish.disposition;
                    self.kinds.push(Kind { asked: disposition, category: wish.category, firm: guard.firm });
                    self.standing.wish = Some(held(wish));
                    Some(disposition)
                }
                Effect::Overrules(wish) => {
                    let disposition = wish.disposition;
                    self.kinds.clear();
                    self.standing.wish = Some(held(wish));
                    Some(disposition)
                }
            };
            self.step(guard.name, saw, wants);
        }
    }

    /// Hears a wish beside the others: the strictest wins.
    fn hear(&mut self, held: Held, firm: bool) {
        let Wish { disposition, category, .. } = held.wish;
        self.kinds.push(Kind { asked: disposition, category, firm });
        if firm {
            put_in(&mut self.standing.firm, held.clone());
        }
        put_in(&mut self.standing.wish, held);
    }

    fn step(&mut self, rule: &str, saw: String, wants: Option<Disposition>) -> usize {
        self.steps.push(Step { rule: rule.to_owned(), saw, wants, ..Step::default() });
        self.steps.len() - 1
    }

    fn rules(&mut self, set: usize, rules: &RuleSet) {
        if self.view.facts.fault.is_some() && rules.decide == Decide::First {
            // There is no message to be judged, and nobody looked at it.
            return;
        }
        for (index, rule) in rules.rules.iter().enumerate() {
            let mode = self.view.policy.rules.mode(rule);
            if mode == Mode::Off {
                continue;
            }
            let fuel = match (mode, set) {
                (Mode::Shadow, _) => &mut self.trial,
                (_, 0) => &mut *self.fuel,
                _ => &mut self.shipped,
            };
            match rule.wish(self.view, fuel) {
                Ok(Some(_)) if rule.adds => self.adds(rule, mode, Origin { set, rule: index }),
                Err(failure) if rule.adds => self.fails_to_add(rule, mode, &failure),
                Ok(Some(wish)) => {
                    let wish = Wish { origin: Some(Origin { set, rule: index }), ..wish };
                    self.applies(rules.decide, rule, mode, wish);
                }
                Ok(None) => self.idle(rules.decide, rule, mode),
                Err(failure) => self.fails(rules.decide, rule, mode, &failure, Origin { set, rule: index }),
            }
        }
        if self.idle > 0 {
            let more = format!("and {} more rules that do not apply", self.idle);
            self.step("…", more, None);
            self.idle = 0;
        }
    }

    /// A rule that does not apply.
    fn idle(&mut self, decide: Decide, rule: &Rule, mode: Mode) {
        if decide == Decide::First && self.steps.len() > MAX_IDLE {
            self.idle += 1;
            return;
        }
        let saw = rule.saw(self.view, &mut self.telling);
        let step = self.step(&rule.name, saw, None);
        self.mark(step, mode);
    }

    fn mark(&mut self, step: usize, mode: Mode) {
        if let Some(step) = self.steps.get_mut(step) {
            step.shadow = mode == Mode::Shadow;
        }
    }

    /// A rule that applies.
    fn applies(&mut self, decide: Decide, rule: &Rule, mode: Mode, wish: Wish) {
        let mut saw = rule.saw(self.view, &mut self.telling);
        let going_out = rule.outbound == Outgoing::Record && self.view.facts.direction == Direction::Outbound;
        if going_out {
            saw.push_str(match rule.outweighs {
                true => "; going out, so it changes nothing",
                false => "; going out, so only recorded",
            });
        }
        let wants = (!going_out).then_some(wish.disposition);
        let step = self.step(&rule.name, saw, wants);
        self.mark(step, mode);
        if mode == Mode::Shadow {
            return;
        }
        if going_out {
            if !rule.outweighs {
                let asked = Disposition::Accept;
                self.kinds.push(Kind { asked, category: wish.category, firm: rule.firm });
                self.standing.recorded.get_or_insert(wish.reason);
            }
            return;
        }
        self.wants(decide, rule, Held { step, rule: rule.name.clone(), wish });
    }

    /// A rule that applies and only adds.
    fn adds(&mut self, rule: &Rule, mode: Mode, origin: Origin) {
        let mut saw = rule.saw(self.view, &mut self.telling);
        let without = adding::told(rule.outbound, self.view.facts.direction == Direction::Outbound);
        saw.push_str(without.unwrap_or("; it adds to what is delivered"));
        let step = self.step(&rule.name, saw, None);
        self.mark(step, mode);
        if mode == Mode::Enforce && without.is_none() {
            self.adding.push(origin);
        }
    }

    /// One that cannot be evaluated decides nothing then either.
    fn fails_to_add(&mut self, rule: &Rule, mode: Mode, failure: &Failure) {
        let is_known = !matches!(failure, Failure::NotRecorded(_));
        let saw = if is_known { adding::failed(failure) } else { format!("not known: {failure}") };
        let step = self.step(&rule.name, saw, None);
        self.mark(step, mode);
        if let Some(step) = self.steps.get_mut(step) {
            step.failed = is_known;
        }
    }

    /// What is to be done besides: as the deciding rule wants it, and what others add where mail is delivered.
    fn treatment(&mut self, wish: &Wish) -> Option<Treatment> {
        if self.view.policy.dry_run {
            return None;
        }
        let rules = &self.view.policy.rules;
        let decided = wish.origin.and_then(|origin| rules.rule(origin));
        let is_alone = self.view.facts.envelope.recipients.len() <= 1;
        let mut treatment = decided.and_then(|rule| rule.treatment(self.view, &mut self.telling, is_alone));
        if matches!(wish.disposition, Disposition::Accept | Disposition::Tag) {
            for rule in self.adding.iter().filter_map(|origin| rules.rule(*origin)) {
                if let Some(more) = rule.treatment(self.view, &mut self.telling, is_alone) {
                    adding::add(treatment.get_or_insert_default(), more);
                }
            }
        }
        treatment
    }

    /// A rule whose condition could not be evaluated: the cautious answer.
    fn fails(&mut self, decide: Decide, rule: &Rule, mode: Mode, failure: &Failure, origin: Origin) {
        if matches!(failure, Failure::NotRecorded(_)) {
            // Behind a rule that has decided it does not matter.
            let is_late = decide == Decide::First && self.chosen.is_some();
            if mode == Mode::Enforce && !is_late {
                self.unknown.push(rule.name.clone());
            }
            let step = self.step(&rule.name, format!("not known: {failure}"), None);
            return self.mark(step, mode);
        }
        let instead = self.view.policy.rules.on_error().instead_of(rule.fixed);
        // What nothing outweighs is not let through because it could not be looked at.
        let least = Disposition::Quarantine;
        let instead = match rule.firm {
            true => Some(instead.unwrap_or(least).stricter(least)),
            false => instead,
        };
        let counts = instead.map_or("does not apply", Disposition::name);
        let saw = format!("its condition could not be evaluated: {failure}; so it counts as: {counts}");
        let step = self.step(&rule.name, saw, instead);
        self.mark(step, mode);
        if let Some(step) = self.steps.get_mut(step) {
            step.failed = true;
        }
        let Some(disposition) = instead.filter(|_| mode == Mode::Enforce) else { return };
        let reason = format!("rule {} could not be evaluated", rule.name);
        let wish = Wish { origin: Some(origin), ..Wish::new(disposition, rule.kind(self.view), reason) };
        let held = Held { step, rule: rule.name.clone(), wish };
        // Nobody knows whether it applies, so it does not outweigh anything.
        match decide {
            Decide::First => self.come_first(rule.firm, held, false),
            Decide::Strictest => self.hear(held, rule.firm),
        }
    }

    /// Hears a rule of those of which the first decides.
    fn come_first(&mut self, firm: bool, held: Held, even_malware: bool) {
        if firm {
            let Wish { disposition, category, .. } = held.wish;
            self.kinds.push(Kind { asked: disposition, category, firm: true });
            put_in(&mut self.standing.firm, held.clone());
        }
        self.chosen.get_or_insert((held, even_malware));
    }

    fn wants(&mut self, decide: Decide, rule: &Rule, held: Held) {
        if decide == Decide::First {
            return self.come_first(rule.firm, held, rule.even_malware);
        }
        if !rule.outweighs {
            return self.hear(held, rule.firm);
        }
        self.kinds.retain(|kind| kind.firm);
        match &self.standing.firm {
            None => {
                let Wish { disposition, category, .. } = held.wish;
                self.kinds.push(Kind { asked: disposition, category, firm: false });
                self.standing.wish = Some(held);
            }
            Some(firm) => {
                let firm = firm.clone();
                self.outweighed(held.step, &firm.rule);
                self.standing.wish = Some(firm);
            }
        }
    }

    /// Says of a step that what it asks for does not outweigh a firm rule.
    fn outweighed(&mut self, step: usize, firm: &str) {
        if let Some(step) = self.steps.get_mut(step) {
            step.saw.push_str(&format!("; that does not outweigh {firm}"));
            step.wants = None;
        }
    }

    /// Puts the first rule that applies in the place of what the others came to, unless a firm rule asks for more.
    fn choose(&mut self) {
        let Some((held, even_malware)) = self.chosen.take() else { return };
        let stricter = |firm: &&Held| {
            !even_malware && firm.wish.disposition.strictness() > held.wish.disposition.strictness()
        };
        match self.standing.firm.as_ref().filter(stricter).cloned() {
            Some(firm) => {
                self.outweighed(held.step, &firm.rule);
                self.kinds.retain(|kind| kind.firm);
                self.standing.wish = Some(firm);
            }
            None => {
                // Its own word on what kind of mail it is holds.
                let Wish { disposition, category, .. } = held.wish;
                self.kinds = vec![Kind { asked: disposition, category, firm: false }];
                self.standing.recorded = None;
                self.standing.wish = Some(held);
            }
        }
    }

    fn verdict(mut self) -> Judgement {
        // The last circumstance always asks for something. Were it otherwise: uncertain means tempfail.
        let Held { step, rule, wish } = self.standing.wish.take().unwrap_or_else(|| Held {
            step: self.steps.len(),
            rule: name::UNDECIDED.to_owned(),
            wish: Wish::new(Disposition::Tempfail, Category::Suspicious, "no rule decided".to_owned()),
        });
        if let Some(step) = self.steps.get_mut(step) {
            step.decided = true;
        }
        // The worst kind for which somebody asked for at least what happens.
        let carried =
            self.kinds.iter().filter(|kind| kind.asked.strictness() >= wish.disposition.strictness());
        let category = carried.map(|kind| kind.category).max().unwrap_or(wish.category);
        let treatment = self.treatment(&wish);
        let verdict = Verdict {
            disposition: wish.disposition,
            category,
            score: self.view.evidence.total().score(),
            rule,
            reason: text::line(&wish.reason, MAX_REASON),
            explanation: Explanation(Arc::new(self.steps)),
            treatment: treatment.map(Arc::new),
        };
        Judgement { verdict, unknown: self.unknown }
    }
}
