//! What the MIME walk itself says about a message: parts that could not be read, and oddities.
//!
//! Where to find what: archives in which two programs see two things `archive`, what is encrypted `sealed`.

mod archive;
mod sealed;

use std::sync::Arc;
use std::time::Instant;

use super::weight::Weight;
use super::{BoxFuture, Report, Scan, ScanInput};
use crate::mail;
use crate::model::file_name::shortened;
use crate::model::part::Defect;
use crate::model::{Finding, Outcome, Part, Scanner};

/// Oddities are reported this many times; a message may have thousands.
const MAX_DEFECTS: usize = 10;
/// Characters of an address in a sentence.
const LONGEST_URL: usize = 200;
/// How far into a message a bare CR is looked for.
const FIRST: usize = 1024 * 1024;

mod table {
    use crate::scan::weight::fixed;

    fixed! {
        MIME_NOT_INSPECTED Medium Suspicious 0.0
        MIME_BAD_ENCODING Info Clean 0.0
        MIME_UNKNOWN_ENCODING Info Clean 0.0
        MIME_MISSING_BOUNDARY Info Clean 0.0
        MIME_AMBIGUOUS Info Clean 0.0
        MIME_UNTERMINATED Info Clean 0.0
        MIME_CONTRADICTORY Medium Suspicious 1.0
        MIME_STRAY_DELIMITER Medium Suspicious 1.0
        MIME_BARE_CR Info Clean 0.0
        MIME_FRAGMENT Medium Suspicious 1.0
        MIME_EXTERNAL_BODY Low Suspicious 0.5
        MIME_UNOPENED Low Suspicious 0.5
        MIME_ENCRYPTED Info Clean 0.0
        ARCHIVE_NAMES_DIFFER Medium Suspicious 2.0
        ARCHIVE_PREFIXED Low Suspicious 0.5
        ARCHIVE_PROGRAM_HIDDEN High Suspicious 5.0
    }
}

/// What each of its findings weighs.
#[must_use]
pub fn weights() -> Vec<Weight> {
    table::ALL.iter().map(|row| Weight::fixed(Scanner::Mime, row)).collect()
}

/// The MIME walk as a source of evidence. Its reading is done before any scanner runs; here it only
/// speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mime;

impl Scan for Mime {
    fn scanner(&self) -> Scanner {
        Scanner::Mime
    }

    fn scan(&self, input: Arc<ScanInput>, _deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(std::future::ready(report(&input)))
    }
}

fn report(input: &ScanInput) -> Report {
    let mut findings: Vec<Finding> = input
        .parts
        .not_inspected
        .iter()
        .take(MAX_DEFECTS)
        .map(|why| table::MIME_NOT_INSPECTED.finding(Scanner::Mime, mail::describe(why)))
        .collect();
    findings.extend(input.parts.list.iter().flat_map(defects).take(MAX_DEFECTS));
    findings.extend(bare_cr(input.message.raw()).map(|at| {
        let text = format!("a CR without LF at byte {at}: some readers end a line there, others do not");
        table::MIME_BARE_CR.finding(Scanner::Mime, text)
    }));
    findings.extend(input.parts.list.iter().filter_map(external).take(MAX_DEFECTS));
    let archives = archive::look(&input.parts, MAX_DEFECTS);
    let mut room = sealed::Room::default();
    let sealed = |part| encrypted(part, &archives.encrypted, &mut room);
    findings.extend(input.parts.list.iter().filter_map(sealed).take(MAX_DEFECTS));
    findings.extend(archives.findings);
    let missing = match (archives.is_cut, room.is_cut) {
        (true, _) => {
            Some("there are more files in archives than are compared with what stands in front of them")
        }
        (false, true) => Some("there are longer lists of files in 7z archives than are looked through"),
        (false, false) => None,
    };
    let outcome = match (input.parts.not_inspected.first(), missing) {
        (Some(why), _) => Outcome::failed(why.label(), mail::describe(why)),
        (None, Some(missing)) => {
            Outcome::Partial { found: !findings.is_empty(), missing: missing.to_owned() }
        }
        (None, None) => Outcome::of(&findings),
    };
    Report { findings, ..Report::new(outcome) }
}

/// Where the first CR stands that is no part of CRLF. A bare LF is none to tell of: an MTA makes CRLF of it before a
/// milter sees it, and so do we.
fn bare_cr(raw: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\r', raw.get(..FIRST).unwrap_or(raw)).find(|at| raw.get(at + 1) != Some(&b'\n'))
}

/// A part whose body is elsewhere.
fn external(part: &Part) -> Option<Finding> {
    let external = part.external.as_ref()?;
    let how = match external.access_type.as_str() {
        "" => "its access-type is not said".to_owned(),
        word => format!("access-type {word:?}"),
    };
    let shown = |url: &String| format!(": {}", shortened(url, LONGEST_URL));
    let at = external.urls.first().map(shown).unwrap_or_default();
    let text = format!("the body of a part is not in the message but elsewhere, {how}{at}");
    let finding = table::MIME_EXTERNAL_BODY.finding(Scanner::Mime, text);
    Some(Finding { location: Some(part.label()), ..finding })
}

/// A part that is encrypted; `archives` are zip archives with an encrypted file in them, in order.
fn encrypted(part: &Part, archives: &[usize], room: &mut sealed::Room) -> Option<Finding> {
    let is_archive = archives.binary_search(&part.index).is_ok();
    let kind = if is_archive { "a zip archive" } else { sealed::kind(part, room)? };
    let text = format!("it is encrypted ({kind}), so that mailward cannot look into it");
    let finding = table::MIME_ENCRYPTED.finding(Scanner::Mime, text);
    Some(Finding { location: Some(part.label()), ..finding })
}

fn defects(part: &Part) -> impl Iterator<Item = Finding> + '_ {
    part.defects.iter().map(|defect| {
        let (row, text) = match defect {
            Defect::BadEncoding => (table::MIME_BAD_ENCODING, "the transfer encoding is damaged"),
            Defect::UnknownEncoding => (table::MIME_UNKNOWN_ENCODING, "the transfer encoding is not known"),
            Defect::MissingBoundary => (table::MIME_MISSING_BOUNDARY, "a multipart lacks its boundary"),
            Defect::Ambiguous => (table::MIME_AMBIGUOUS, "two readers could see two different things in it"),
            Defect::Contradictory => (
                table::MIME_CONTRADICTORY,
                "it has other contents for another reader: several types or boundaries",
            ),
            Defect::StrayDelimiter => (
                table::MIME_STRAY_DELIMITER,
                "lines that look like delimiters are none, and its own are not all there",
            ),
            Defect::Unterminated => (table::MIME_UNTERMINATED, "a multipart is not closed"),
            Defect::Fragment => (
                table::MIME_FRAGMENT,
                "it is a piece of a message: the whole is put together only where it is read",
            ),
            Defect::Unopened => (
                table::MIME_UNOPENED,
                "there is something in it that is not opened (a piece of yEnc, damaged BinHex, compressed S/MIME, an \
                 Outlook message that cannot be read)",
            ),
        };
        Finding { location: Some(part.label()), ..row.finding(Scanner::Mime, text.to_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_documents_is_what_the_code_says() {
        let rows: Vec<String> = table::ALL
            .iter()
            .map(|row| format!("| `{}` | {} | {:?} |", row.symbol, row.severity, row.score))
            .collect();
        let told = include_str!("../../docs/findings-mime.md").lines().filter(|line| line.starts_with("| `"));
        let told: Vec<String> =
            told.map(|line| line.splitn(5, '|').take(4).collect::<Vec<_>>().join("|") + "|").collect();
        assert_eq!(told, rows);
    }

    #[test]
    fn a_cr_without_lf_is_seen_and_crlf_is_none() {
        for (raw, expected) in [
            (&b"Subject: a\r\n\r\nbody\r\n"[..], None),
            (b"Subject: a\rX: y\r\n\r\nbody\r\n", Some(10)),
            (b"Subject: a\r\n\r\nb\r.\rc\r\n", Some(15)),
            (b"a\r\r\n", Some(1)),
            (b"a\r", Some(1)),
            (b"", None),
        ] {
            assert_eq!(bare_cr(raw), expected, "{}", raw.escape_ascii());
        }
        let end = [b"a".repeat(FIRST - 1), b"\r\nb\rc".to_vec()].concat();
        assert_eq!(bare_cr(&end), None, "CRLF over the border, and nothing is looked at behind it");
    }
}
