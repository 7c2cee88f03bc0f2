//! The mail of other projects: which of it is honest, which is broken on purpose, which is bad.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::Sample;
use super::own::attached;

/// Sorted by what it is.
pub struct Suite {
    pub ham: Vec<Sample>,
    pub odd: Vec<Sample>,
    pub bad: Vec<Sample>,
}

enum Kind {
    Ham,
    Odd(&'static str),
    Bad(&'static str),
}

/// Broken on purpose, as folder, name or the file's own words say.
const ODD: &[(&str, &str)] = &[
    ("mail-parser/malformed/", "malformed MIME"),
    ("ruby-mail/error_emails/", "broken header fields"),
    ("mail-parser/thirdparty/007", "an old parser's puzzle"),
    ("mail-parser/thirdparty/009", "one of five pieces of a message"),
    ("mimekit/messages/stack-overflow", "nested until parsers die"),
    ("mimekit/messages/empty-multipart", "malformed MIME"),
    ("mimekit/messages/missing-subtype", "malformed MIME"),
    ("mimekit/dkim/multipart-no-end", "malformed MIME"),
    ("mimekit/partial/rfc2046", "an example of an RFC, words in place of the data"),
    ("ruby-mail/mime_emails/two_from_in_message", "broken header fields"),
    ("ruby-mail/plain_emails/raw_email_with_at_display_name", "broken header fields"),
    ("ruby-mail/mime_emails/raw_email11", "its addresses were overwritten with x"),
    ("spamassassin/nice/unicode2", "From has no address"),
];

/// What is bad, by the first part of the name that fits.
const BAD: &[(&str, &str)] = &[
    ("spamassassin/spam/olevbmacro/goodcsv", ""),
    ("spamassassin/spam/olevbmacro/nomacro", ""),
    ("spamassassin/spam/olevbmacro/", "documents with macros, links or a password"),
    ("spamassassin/spam/extracttext/", "test texts"),
    ("spamassassin/spam/gtube", "test texts"),
    ("spamassassin/spam/pyzor", "test texts"),
    ("spamassassin/spam/014", "test texts"),
    ("spamassassin/spam/018", "test texts"),
    ("rspamd/gtube", "test texts"),
    ("rspamd/broken_richtext", "test texts"),
    ("spamassassin/spam/dmarc/", "forged authors"),
    ("spamassassin/spam/fromnamespoof/", "forged authors"),
    ("rspamd/phish_sender", "forged authors"),
    ("rspamd/sa_display_name_spoof", "forged authors"),
    ("rspamd/phishing_", ""),
    ("rspamd/phishing", "links that deceive"),
    ("rspamd/html_phishing", "links that deceive"),
    ("rspamd/zerofont", "links that deceive"),
    ("rspamd/url_obfuscated", "links that deceive"),
    ("rspamd/url_suspect_normal", ""),
    ("rspamd/url_suspect_email_user", ""),
    ("rspamd/url_suspect_schemeless", ""),
    ("rspamd/url_suspect", "links that deceive"),
    ("spamassassin/spam/phishing_", "links that feeds know"),
    ("spamassassin/spam/", "spam by look-ups and word"),
    ("rspamd/bad_ext", "programs and archives"),
    ("rspamd/exe_attm", "programs and archives"),
    ("rspamd/next2last", "programs and archives"),
    ("rspamd/rar", "programs and archives"),
    ("rspamd/zip", "programs and archives"),
    ("rspamd/f.zip", "programs and archives"),
];

fn kind(name: &str, raw: &[u8]) -> Kind {
    let of = |table: &[(&str, &'static str)]| {
        table.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, of)| *of)
    };
    if let Some(what) = of(ODD) {
        return Kind::Odd(what);
    }
    match of(BAD) {
        Some(what) if !what.is_empty() => return Kind::Bad(what),
        _ if author(raw).is_none() => return Kind::Odd("a fragment without From"),
        _ => {}
    }
    Kind::Ham
}

/// The domain of the last address in From, as A-labels.
pub fn author(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let head = text.trim_start_matches('\n').split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
    let from = head.lines().find(|line| line.to_ascii_lowercase().starts_with("from:"))?;
    let domain = from.rsplit_once('@')?.1;
    let end = domain.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(domain.len());
    idna::domain_to_ascii(&domain[..end]).ok().filter(|domain| domain.contains('.'))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// No message, or several in one file.
fn left_out(name: &str) -> bool {
    let end = name.rsplit('.').next().unwrap_or_default();
    ["json", "tsv", "md", "csv", "tokens", "html"].contains(&end)
        || ["LICENSE", "COPYING", "/mbox/", "/phishing/", "-summary"].iter().any(|part| name.contains(part))
}

impl Suite {
    /// All of it. `root` is the folder of the suites.
    pub fn read(root: &Path) -> Self {
        let mut suite = Self { ham: Vec::new(), odd: Vec::new(), bad: Vec::new() };
        for path in files(&root.join("mime")) {
            let name = path.strip_prefix(root.join("mime")).unwrap().to_str().unwrap().to_owned();
            if left_out(&name) {
                continue;
            }
            let raw = fs::read(&path).unwrap();
            let name = format!("mime/{name}");
            match kind(&name[5..], &raw) {
                Kind::Ham => suite.ham.push(Sample { kind: "mime", name, raw }),
                Kind::Odd(kind) => suite.odd.push(Sample { kind, name, raw }),
                Kind::Bad(kind) => suite.bad.push(Sample { kind, name, raw }),
            }
        }
        for path in files(&root.join("headers")) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".eml") {
                let raw = fs::read(&path).unwrap();
                suite.bad.push(Sample {
                    kind: "forged and odd header fields",
                    name: format!("headers/{name}"),
                    raw,
                });
            }
        }
        for path in files(&root.join("archives/eicar")) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(shown) = name.strip_suffix(".b64") else { continue };
            let mut coded = fs::read(&path).unwrap();
            coded.retain(|b| !b.is_ascii_whitespace());
            let raw = attached(shown, &BASE64.decode(&coded).unwrap());
            suite.bad.push(Sample {
                kind: "EICAR in archives, and bombs",
                name: format!("archives/eicar/{name}"),
                raw,
            });
        }
        let labels = fs::read_to_string(root.join("macros/LABELS.tsv")).unwrap();
        for line in labels.lines().skip(1).filter(|line| !line.starts_with("..")) {
            let (file, content) = line.split_once('\t').unwrap();
            let raw = attached(file, &fs::read(root.join("macros").join(file)).unwrap());
            let name = format!("macros/{file}");
            match content.starts_with("none\t") {
                true => suite.ham.push(Sample { kind: "macros", name, raw }),
                false => {
                    suite.bad.push(Sample { kind: "documents with macros, links or a password", name, raw })
                }
            }
        }
        suite
    }
}
