//! What a zone's text answers.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use anyhow::Context as _;

use super::wire::{TYPES, text, wire};
use super::{Answer, Question};

#[derive(Debug, Default)]
pub(super) struct Zone {
    records: HashMap<(String, u16), Vec<Vec<u8>>>,
    aliases: HashMap<String, String>,
    names: Vec<String>,
    failing: HashMap<String, Answer>,
}

impl Zone {
    pub(super) fn parse(lines: &str) -> anyhow::Result<Self> {
        let mut zone = Self::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            zone.line(line).with_context(|| format!("{line:?} is no record"))?;
        }
        Ok(zone)
    }

    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let (name, rest) = line.split_once(' ').context("NAME TYPE VALUE")?;
        let (kind, value) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        self.names.push(name.clone());
        let number = TYPES.iter().find(|(word, _)| *word == kind).map(|(_, number)| *number);
        let rdata = match kind {
            "A" => value.parse::<Ipv4Addr>()?.octets().to_vec(),
            "AAAA" => value.parse::<std::net::Ipv6Addr>()?.octets().to_vec(),
            "PTR" => wire(value),
            "TXT" => text(value.trim_matches('"').as_bytes()),
            "MX" => {
                let (preference, host) = value.split_once(' ').context("PREFERENCE HOST")?;
                [&preference.parse::<u16>()?.to_be_bytes()[..], &wire(host.trim())].concat()
            }
            "CNAME" => {
                self.aliases.insert(name, value.to_ascii_lowercase());
                return Ok(());
            }
            "FAIL" | "TIMEOUT" => {
                self.failing.insert(name, if kind == "FAIL" { Answer::Fail } else { Answer::Silence });
                return Ok(());
            }
            other => anyhow::bail!("{other:?} is no type of record"),
        };
        let number = number.context("no type")?;
        self.records.entry((name, number)).or_default().push(rdata);
        Ok(())
    }

    pub(super) fn answer(&self, question: &Question) -> Answer {
        let mut records = Vec::new();
        let mut at = question.name.clone();
        for _ in 0..16 {
            if let Some(found) = self.records.get(&(at.clone(), question.kind)) {
                records.extend(found.iter().map(|rdata| (at.clone(), question.kind, rdata.clone())));
                return Answer::Records(records);
            }
            if let Some(failure) = self.failing.get(&at) {
                return failure.clone();
            }
            let Some(next) = self.aliases.get(&at) else {
                let below = format!(".{at}");
                let exists = self.names.iter().any(|name| *name == at || name.ends_with(&below));
                return if exists || !records.is_empty() { Answer::Records(records) } else { Answer::NoName };
            };
            records.push((at.clone(), 5, wire(next)));
            at.clone_from(next);
        }
        // A loop: what a server that follows aliases has until it gives up.
        Answer::Records(records)
    }
}
