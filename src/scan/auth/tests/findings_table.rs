//! `docs/findings.md` says what the code says.

use std::collections::{BTreeMap, BTreeSet};

use super::super::findings;
use super::super::table::ALL as weights;
use crate::model::authentication::{Dkim, Dmarc, Iprev, Spf};
use crate::model::{AuthResult, Authentication, Author, DmarcPolicy};

/// Messages that give every finding there is.
fn all() -> Vec<Authentication> {
    let message =
        Authentication { author: Author::Domain("a.example".to_owned()), ..Authentication::default() };
    let mut all = vec![Authentication { dkim_left_out: 1, ..message.clone() }];
    let authors = [
        Author::Missing,
        Author::SeveralFields(2),
        Author::SeveralDomains(vec!["a.example".to_owned(), "b.example".to_owned()]),
        Author::Unreadable("it is odd".to_owned()),
    ];
    all.extend(authors.map(|author| Authentication { author, ..Authentication::default() }));
    for result in AuthResult::ALL {
        all.push(Authentication {
            mail_from: Some(Spf { result, ..Spf::default() }),
            helo: Some(Spf { result, ..Spf::default() }),
            dkim: vec![Dkim { result, ..Dkim::default() }],
            iprev: Some(Iprev { result, ..Iprev::default() }),
            ..message.clone()
        });
        all.extend(
            [None, Some(DmarcPolicy::None), Some(DmarcPolicy::Quarantine), Some(DmarcPolicy::Reject)].map(
                |policy| Authentication {
                    dmarc: Some(Dmarc { result, policy, ..Dmarc::default() }),
                    ..message.clone()
                },
            ),
        );
    }
    all
}

#[test]
fn the_table_of_findings_is_what_the_code_says() {
    let made: BTreeMap<String, (String, String)> = all()
        .iter()
        .flat_map(findings::of)
        .chain([findings::of_name("a.example", "b.example"), findings::of_odd("it is odd")])
        .map(|f| (f.symbol.clone(), (f.severity.to_string(), format!("{:?}", f.score.value()))))
        .collect();
    let table: BTreeMap<String, (String, String)> = include_str!("../../../../docs/findings.md")
        .lines()
        .filter_map(|line| {
            let mut cells =
                line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_end_matches('`'));
            let mut cell = || cells.next().unwrap_or_default().to_owned();
            Some((cell(), (cell(), cell())))
        })
        .collect();
    assert_eq!(table, made);

    // Nothing else is ever given.
    let rows: BTreeSet<&str> = weights.iter().map(|row| row.symbol).collect();
    assert_eq!(rows, made.keys().map(String::as_str).collect::<BTreeSet<_>>());
    assert_eq!(rows.len(), weights.len(), "a symbol is there twice");
}
