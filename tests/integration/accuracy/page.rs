//! `docs/accuracy.md`, made of what was judged.

use std::collections::BTreeMap;

use mailward::model::Disposition;

use super::judge::Judged;

/// How many ended how.
#[derive(Default)]
pub struct Count {
    pub all: usize,
    refused: usize,
    held: usize,
    marked: usize,
}

impl Count {
    pub fn of<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Self {
        let mut count = Self::default();
        for judged in judged {
            count.all += 1;
            match judged.disposition {
                Disposition::Accept => {}
                Disposition::Tag => count.marked += 1,
                Disposition::Quarantine | Disposition::Discard => count.held += 1,
                Disposition::Reject | Disposition::Tempfail => count.refused += 1,
            }
        }
        count
    }

    pub const fn diverted(&self) -> usize {
        self.refused + self.held
    }

    /// A row of [`HEAD`].
    pub fn row(&self, name: &str) -> String {
        let passed = self.all - self.refused - self.held - self.marked;
        format!("| {name} | {} | {} | {} | {} | {passed} |\n", self.all, self.refused, self.held, self.marked)
    }
}

/// Above rows of counts.
pub const HEAD: &str = "| | mails | refused | held | marked | let through |\n|---|---|---|---|---|---|\n";

/// What was marked or diverted, alike ones in one row: `name` is a shape or a file.
pub fn explained<'a>(judged: impl IntoIterator<Item = (&'a str, &'a Judged)>) -> String {
    let mut rows: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for (name, judged) in judged {
        if judged.disposition != Disposition::Accept {
            let findings = judged.findings.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(" ");
            let what = format!("{} | `{}` | {findings}", judged.disposition, judged.rule);
            rows.entry((what, judged.reason.clone())).or_default().push(name);
        }
    }
    if rows.is_empty() {
        return "None.\n".to_owned();
    }
    let mut out = "| what | rule | findings | said | which |\n|---|---|---|---|---|\n".to_owned();
    for ((what, said), mut names) in rows {
        names.sort_unstable();
        out += &format!("| {what} | {} | {} |\n", said.replace('|', "\\|"), listed(&names));
    }
    out
}

/// Each name once, with how often it stands there.
fn listed(names: &[&str]) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counted.entry(name).or_default() += 1;
    }
    let shown =
        counted.into_iter().map(|(name, n)| if n > 1 { format!("{name} ({n})") } else { name.to_owned() });
    shown.collect::<Vec<_>>().join(", ")
}

/// What was caught of each kind, and each that was not with the reason.
pub fn caught(judged: &[(&str, &str, Judged)], mut why: impl FnMut(&str) -> Option<&'static str>) -> String {
    let mut kinds: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for (kind, _, judged) in judged {
        kinds.entry(kind).or_default().push(judged);
    }
    let mut out = HEAD.replacen("| |", "| what it is |", 1);
    for (kind, judged) in kinds {
        out += &Count::of(judged).row(kind);
    }
    out += "\nWhat was let through, and why:\n\n";
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, name, judged) in judged {
        if judged.disposition == Disposition::Accept {
            reasons
                .entry(why(name).unwrap_or_else(|| panic!("{name} is let through: why? {judged:?}")))
                .or_default()
                .push(name);
        }
    }
    for (reason, names) in reasons {
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        out += &format!("- {reason}: {names}\n");
    }
    out
}
