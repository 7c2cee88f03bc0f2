//! Each sign where it fires and where it spares; newsletters and the mail of other projects' tests; properties.

mod addresses;
mod corpus;
mod cost;
mod lookalikes;
mod newsletters;
mod pages;
mod properties;
mod table;
mod texts;

use super::{Context, Protected, of};
use crate::mail::links::{self, Limits};
use crate::model::{Finding, Part, Parts};

/// A message of one page, and what is known besides.
struct Mail<'a> {
    author: &'a str,
    is_ours: bool,
    recipients: &'a [&'a str],
    protected: &'a [&'a str],
    is_newsletter: bool,
}

const MAIL: Mail<'_> = Mail {
    author: "sender.com",
    is_ours: false,
    recipients: &["our-company.org"],
    protected: &["paypal.com"],
    is_newsletter: false,
};

impl Mail<'_> {
    fn findings(&self, html: &str) -> Vec<Finding> {
        let part =
            Part { media_type: "text/html".to_owned(), content: html.to_owned().into(), ..Part::default() };
        let parts = Parts { list: vec![part], not_inspected: Vec::new() };
        let links = links::find(&parts, "", &Limits::default());
        let protected = Protected::new(self.protected.iter().copied());
        let context = Context {
            author: Some(self.author),
            is_ours: self.is_ours,
            recipients: self.recipients,
            protected: &protected,
            is_newsletter: self.is_newsletter,
        };
        of(&links, &context)
    }

    /// `SYMBOL: what was seen`, without the sentence of the table.
    fn told(&self, html: &str) -> Vec<String> {
        let tell = |finding: Finding| {
            let sign = super::table::ALL.iter().find(|sign| sign.symbol == finding.symbol).unwrap();
            format!("{}{}", finding.symbol, finding.text.strip_prefix(sign.says).unwrap())
        };
        self.findings(html).into_iter().map(tell).collect()
    }
}

/// What an ordinary message with such a page gives.
fn told(html: &str) -> Vec<String> {
    MAIL.told(html)
}

#[test]
fn the_tables_are_sorted() {
    use super::services::TRACKERS;
    assert!(TRACKERS.is_sorted());
    assert!(super::shown::FILE_ENDINGS.is_sorted());
}
