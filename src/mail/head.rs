//! What the header of one part says about its content.

use super::parameter::{self, Parameterised};
use super::transfer::Encoding;
use crate::model::file_name;
use crate::model::part::{Defect, External};

/// The fields of a part's header that matter, as they were met.
#[derive(Debug, Default)]
pub(super) struct Gathered<'a> {
    types: Vec<&'a [u8]>,
    dispositions: Vec<&'a [u8]>,
    encodings: Vec<&'a [u8]>,
    /// One of them stands there more often than is read.
    is_cut: bool,
}

/// What they say, read together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// In lower case.
    pub(super) media_type: String,
    /// Several types were given: a reader may take another.
    pub(super) is_contradictory: bool,
    /// A container has other contents for another reader: of its types one is no multipart, or it has several
    /// boundaries.
    pub(super) disputes_content: bool,
    /// More is said than was read: a reader may go by the rest.
    pub(super) is_cut: bool,
    pub(super) charset: Option<String>,
    /// `format=flowed; delsp=yes`.
    pub(super) deletes_space: bool,
    /// Every boundary that some reader may take.
    pub(super) boundaries: Vec<Vec<u8>>,
    pub(super) encoding: Encoding,
    /// File names, the one that most readers show first.
    pub(super) names: Vec<String>,
    pub(super) is_attachment: bool,
    /// Where the body is, of a part that only says so.
    pub(super) external: Option<External>,
    pub(super) defects: Vec<Defect>,
}

/// RFC 2046 §5.1.1 allows 70 characters. Readers take more.
const LONGEST_BOUNDARY: usize = 250;
/// A field that stands there more often is taken from the first ones and the last.
const COPIES: usize = 8;
/// Boundaries of one container that are looked for.
const MOST_BOUNDARIES: usize = 8;
/// Names of one file, extensions of these, and characters in one of them. Disks take 255.
const MOST_NAMES: usize = 16;
const MOST_EXTENSIONS: usize = 4;
const LONGEST_NAME: usize = 1000;
/// RFC 6838 §4.2: 127 characters each.
const LONGEST_TYPE: usize = 255;
/// Addresses of one body that is elsewhere, and characters of the word that says how it is fetched.
const MOST_URLS: usize = 4;
const LONGEST_WORD: usize = 100;

impl<'a> Gathered<'a> {
    /// Takes a field if it is one of those that matter.
    pub(super) fn field(&mut self, name: &[u8], value: &'a [u8]) {
        let Some(b"content-") = name.get(..8).map(<[u8]>::to_ascii_lowercase).as_deref() else { return };
        let list = match name.get(8..).unwrap_or_default() {
            n if n.eq_ignore_ascii_case(b"type") => &mut self.types,
            n if n.eq_ignore_ascii_case(b"disposition") => &mut self.dispositions,
            n if n.eq_ignore_ascii_case(b"transfer-encoding") => &mut self.encodings,
            _ => return,
        };
        self.is_cut |= list.len() == COPIES;
        list.truncate(COPIES - 1);
        list.push(value);
    }

    /// Reads them. `default` is the media type where none is given.
    pub(super) fn head(&self, default: &str) -> Head {
        let types: Vec<Parameterised> = self.types.iter().map(|v| parameter::parse(v)).collect();
        let dispositions: Vec<Parameterised> =
            self.dispositions.iter().map(|v| parameter::parse(v)).collect();
        let is_cut = self.is_cut || types.iter().chain(&dispositions).any(|field| field.is_cut);
        let mut head = Head { is_cut, ..Head::default() };
        head.read_media_type(&types, default);
        head.read_encoding(&self.encodings);
        head.charset = types.iter().flat_map(|t| t.texts("charset")).next();
        let says = |name: &str, word: &str| {
            types.iter().any(|t| t.texts(name).iter().any(|text| text.eq_ignore_ascii_case(word)))
        };
        head.deletes_space =
            head.media_type == "text/plain" && says("delsp", "yes") && says("format", "flowed");
        head.read_boundaries(&types);
        // RFC 2183 §2.8: a disposition that is not known is an attachment.
        head.is_attachment = dispositions.iter().any(|d| !matches!(d.value.as_str(), "" | "inline"));
        head.read_names(&types, &dispositions);
        match head.media_type.as_str() {
            EXTERNAL => head.external = Some(external(&types)),
            FRAGMENT => head.defects.push(Defect::Fragment),
            _ => {}
        }
        head
    }
}

impl Head {
    /// Where several types are given, readers take the first or the last. The one that leads further is
    /// taken: a container before a file, a file before text.
    fn read_media_type(&mut self, types: &[Parameterised], default: &str) {
        let mut found: Vec<String> =
            types.iter().map(|t| media_type(&t.value)).filter(|t| !t.is_empty()).collect();
        found.dedup();
        self.is_contradictory = found.len() > 1;
        if self.is_contradictory {
            self.ambiguous();
            let is_container = |t: &String| is_multipart(t) || is_message(t);
            self.disputes_content = found.iter().any(is_container) && !found.iter().all(|t| is_multipart(t));
        }
        let rank = |t: &str| match t {
            t if is_multipart(t) => 0,
            t if is_message(t) => 1,
            t if t.starts_with("text/") => 3,
            _ => 2,
        };
        self.media_type = found.into_iter().min_by_key(|t| rank(t)).unwrap_or_else(|| default.to_owned());
    }

    fn read_encoding(&mut self, values: &[&[u8]]) {
        let mut found: Vec<Encoding> = values.iter().map(|v| Encoding::named(v)).collect();
        found.dedup();
        if found.len() > 1 {
            self.ambiguous();
        }
        let rank = |e: &Encoding| match e {
            Encoding::Base64 => 0,
            Encoding::QuotedPrintable => 1,
            Encoding::Uuencode => 2,
            Encoding::Unknown => 3,
            Encoding::Identity => 4,
        };
        self.encoding = found.into_iter().min_by_key(rank).unwrap_or_default();
    }

    /// All boundary parameters. A value with a space that is not quoted may be meant whole or up to the space.
    fn read_boundaries(&mut self, types: &[Parameterised]) {
        let mut given: Vec<Vec<u8>> = types.iter().flat_map(|t| t.usual_bytes("boundary")).collect();
        given.iter_mut().for_each(|boundary| boundary.truncate(boundary.trim_ascii_end().len()));
        given.dedup();
        if given.len() > 1 && is_multipart(&self.media_type) {
            self.disputes_content = true;
            self.ambiguous();
        }
        for value in types.iter().flat_map(|t| t.bytes("boundary")) {
            let whole = value.trim_ascii_end();
            let word = whole.split(|c| matches!(c, b' ' | b'\t')).next().unwrap_or_default();
            for boundary in [whole, word] {
                if boundary.is_empty() || self.boundaries.iter().any(|b| b == boundary) {
                    continue;
                }
                if boundary.len() <= LONGEST_BOUNDARY && self.boundaries.len() < MOST_BOUNDARIES {
                    self.boundaries.push(boundary.to_vec());
                } else {
                    self.is_cut |= is_multipart(&self.media_type);
                }
            }
        }
    }

    /// Names that end alike are one file with a plain and an exact name; names that end differently are
    /// two files for two readers. What a program makes of a name when it saves the file is a name as well.
    fn read_names(&mut self, types: &[Parameterised], dispositions: &[Parameterised]) {
        let all = dispositions
            .iter()
            .flat_map(|d| d.texts("filename"))
            .chain(types.iter().flat_map(|t| t.texts("name")));
        for name in all {
            self.add_name(file_name::shortened(&name, LONGEST_NAME).into_owned());
        }
        let mut extensions: Vec<_> = self.names.iter().map(|n| file_name::extension(n)).collect();
        extensions.dedup();
        if extensions.len() > 1 {
            self.ambiguous();
        }
        self.add_readings();
    }

    fn add_readings(&mut self) {
        for reading in self.names.iter().flat_map(|name| file_name::readings(name)).collect::<Vec<_>>() {
            self.add_name(reading);
        }
    }

    fn add_name(&mut self, name: String) {
        if self.names.contains(&name) {
            return;
        }
        let mut known: Vec<_> = self.names.iter().map(|name| file_name::extension(name)).collect();
        let is_new = !known.contains(&file_name::extension(&name));
        known.sort_unstable();
        known.dedup();
        if self.names.len() < MOST_NAMES && !(is_new && known.len() == MOST_EXTENSIONS) {
            self.names.push(name);
        } else {
            self.is_cut |= is_new;
        }
    }

    pub(super) fn ambiguous(&mut self) {
        if !self.defects.contains(&Defect::Ambiguous) {
            self.defects.push(Defect::Ambiguous);
        }
    }
}

/// The names of a file that is called so where no field names it, and what programs make of them.
pub(super) fn names_of(given: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut head = Head::default();
    for name in given.into_iter().filter(|name| !name.is_empty()) {
        head.add_name(file_name::shortened(&name, LONGEST_NAME).into_owned());
    }
    head.add_readings();
    head.names
}

/// Where the body is (RFC 2046 §5.2.3, RFC 2017 §3).
fn external(types: &[Parameterised]) -> External {
    let access = types.iter().flat_map(|field| field.texts("access-type")).next().unwrap_or_default();
    let mut urls = Vec::new();
    for url in types.iter().flat_map(|field| field.texts("url")) {
        let url: String = url.chars().filter(|c| !c.is_whitespace()).collect();
        if urls.len() < MOST_URLS && !urls.contains(&url) {
            urls.push(url);
        }
    }
    let access_type = file_name::shortened(&access, LONGEST_WORD).to_lowercase();
    External { access_type, urls }
}

const EXTERNAL: &str = "message/external-body";
const FRAGMENT: &str = "message/partial";

/// RFC 2046 §5.1.
pub(super) fn is_multipart(media_type: &str) -> bool {
    media_type.starts_with("multipart/")
}

/// A nested message (RFC 2046 §5.2.1, RFC 6532 §3.7), a piece of one (§5.2.2) that may be all there is of it, or the
/// head of one whose body is elsewhere (§5.2.3). Some programs show what stands in the place of that body.
pub(super) fn is_message(media_type: &str) -> bool {
    matches!(
        media_type,
        "message/rfc822" | "message/rfc2822" | "message/global" | "message/news" | FRAGMENT | EXTERNAL
    )
}

/// A usable media type for what stands in the field: what has no subtype gets one, what is no type at all
/// is a file of unknown kind. Empty for nothing.
fn media_type(value: &str) -> String {
    let is_token = |t: &str| {
        !t.is_empty() && t.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c))
    };
    match value.split_once('/') {
        Some((top, sub)) if value.len() <= LONGEST_TYPE && is_token(top) && is_token(sub) => value.to_owned(),
        Some(("multipart", _)) => "multipart/mixed".to_owned(),
        Some(("text", _)) => "text/plain".to_owned(),
        None if value.is_empty() => String::new(),
        None if value == "multipart" => "multipart/mixed".to_owned(),
        None if value == "text" => "text/plain".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut gathered = Gathered::default();
        for (name, value) in fields {
            gathered.field(name.as_bytes(), value.as_bytes());
        }
        gathered.head("text/plain")
    }

    #[test]
    fn no_field_means_plain_text() {
        let expected = Head { media_type: "text/plain".into(), ..Head::default() };
        assert_eq!(head(&[("Subject", "Content-Type: a/b")]), expected);
        assert_eq!(head(&[("Content-Type", "")]), expected);
    }

    #[test]
    fn an_ordinary_attachment() {
        assert_eq!(
            head(&[
                ("content-type", " Application/PDF; name=\"a.pdf\""),
                ("Content-Disposition", "ATTACHMENT; filename=a.pdf"),
                ("Content-Transfer-Encoding", "base64"),
            ]),
            Head {
                media_type: "application/pdf".into(),
                encoding: Encoding::Base64,
                names: vec!["a.pdf".into()],
                is_attachment: true,
                ..Head::default()
            }
        );
    }

    #[test]
    fn contradicting_fields_are_read_the_way_that_shows_more() {
        let head = head(&[
            ("Content-Type", "text/plain; name=note.txt"),
            ("Content-Type", "application/octet-stream; name=invoice.exe"),
            ("Content-Transfer-Encoding", "7bit"),
            ("Content-Transfer-Encoding", "base64"),
            ("Content-Disposition", "attachment; filename=note.txt; filename*=utf-8''invoice.exe"),
        ]);
        assert_eq!(head.media_type, "application/octet-stream");
        assert_eq!(head.encoding, Encoding::Base64);
        assert_eq!(head.names, ["invoice.exe", "note.txt"]);
        assert!(head.is_contradictory);
        assert_eq!(head.defects, [Defect::Ambiguous]);
    }

    #[test]
    fn a_plain_and_an_exact_name_do_not_contradict() {
        let head = head(&[(
            "Content-Disposition",
            "attachment; filename=naive.pdf; filename*=utf-8''na%C3%AFve.PDF",
        )]);
        assert_eq!((head.names.len(), head.defects.len()), (2, 0));
    }

    #[test]
    fn every_boundary_is_a_candidate() {
        let head = head(&[
            ("Content-Type", "multipart/mixed; boundary=\"a b \"; boundary=c d"),
            ("Content-Type", "multipart; boundary=e"),
        ]);
        assert_eq!(head.boundaries, [&b"a b"[..], b"a", b"c d", b"c", b"e"]);
        assert_eq!(head.media_type, "multipart/mixed");
        assert!(head.disputes_content && !head.is_cut);
        assert_eq!(head.defects, [Defect::Ambiguous]);
    }

    #[test]
    fn one_boundary_said_twice_is_one() {
        let field = ("Content-Type", "multipart/mixed; boundary=a (1)");
        let head = head(&[field, ("Content-Type", "multipart/mixed; boundary=\"a \""), field]);
        assert_eq!(head.boundaries, [b"a"]);
        assert!(!head.disputes_content && !head.is_cut);
        assert_eq!(head.defects, []);
    }

    #[test]
    fn more_than_is_read_is_told() {
        let many = |n: usize| (0..n).map(|i| format!("; boundary=b{i}")).collect::<String>();
        assert!(!head(&[("Content-Type", &format!("multipart/mixed{}", many(8)))]).is_cut);
        assert!(head(&[("Content-Type", &format!("multipart/mixed{}", many(9)))]).is_cut);
        assert!(!head(&[("Content-Type", &format!("text/plain{}", many(9)))]).is_cut);
        let long = format!("multipart/mixed; boundary={}", "b".repeat(300));
        assert!(head(&[("Content-Type", &long)]).is_cut);
        let field = ("Content-Disposition", "attachment; filename=a.txt");
        assert!(!head(&[field; 8]).is_cut);
        assert!(head(&[field; 9]).is_cut);
        let files = |name: fn(usize) -> String| {
            let all: String = (0..20).map(|i| format!("; filename={}", name(i))).collect();
            let head = head(&[("Content-Disposition", &format!("attachment{all}"))]);
            (head.names.len(), head.is_cut)
        };
        assert_eq!(files(|i| format!("a.x{i}")), (4, true));
        assert_eq!(files(|i| format!("a{i}.txt")), (16, false));
    }

    #[test]
    fn what_a_program_makes_of_a_name_is_a_name() {
        let head = head(&[("Content-Disposition", "attachment; filename=\"evil.js::$DATA\"")]);
        assert_eq!(head.names, ["evil.js::$DATA", "evil.js"]);
        assert_eq!(head.defects, []);
    }

    #[test]
    fn a_type_that_is_none_is_a_file() {
        assert_eq!(head(&[("Content-Type", "pdf")]).media_type, "application/octet-stream");
        assert_eq!(head(&[("Content-Type", "text")]).media_type, "text/plain");
        assert_eq!(head(&[("Content-Type", "text/")]).media_type, "text/plain");
    }
}
