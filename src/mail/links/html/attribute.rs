//! The attributes that are looked at.

/// An attribute by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Attribute {
    Action,
    Alt,
    Archive,
    Background,
    Bgcolor,
    By,
    Cite,
    Class,
    Classid,
    Code,
    Codebase,
    Color,
    Content,
    Data,
    Download,
    Dynsrc,
    Encoding,
    /// Any whose name begins with `on`.
    Event,
    Face,
    Formaction,
    From,
    Height,
    Hidden,
    Href,
    HttpEquiv,
    Icon,
    Id,
    Imagesrcset,
    Longdesc,
    Lowsrc,
    Manifest,
    Media,
    Name,
    Ping,
    Placeholder,
    Poster,
    Profile,
    Rel,
    Size,
    Src,
    Srcdoc,
    Srcset,
    Style,
    To,
    Type,
    Value,
    Values,
    Width,
    XlinkHref,
    /// What Google's mail keeps the address in that it has replaced.
    SavedUrl,
}

use Attribute::*;

/// Names by length.
const NAMES: &[(&str, Attribute)] = &[
    ("by", By),
    ("id", Id),
    ("to", To),
    ("alt", Alt),
    ("rel", Rel),
    ("src", Src),
    ("cite", Cite),
    ("code", Code),
    ("data", Data),
    ("face", Face),
    ("from", From),
    ("href", Href),
    ("icon", Icon),
    ("name", Name),
    ("ping", Ping),
    ("size", Size),
    ("type", Type),
    ("class", Class),
    ("color", Color),
    ("media", Media),
    ("style", Style),
    ("value", Value),
    ("width", Width),
    ("action", Action),
    ("dynsrc", Dynsrc),
    ("height", Height),
    ("hidden", Hidden),
    ("lowsrc", Lowsrc),
    ("poster", Poster),
    ("srcdoc", Srcdoc),
    ("srcset", Srcset),
    ("values", Values),
    ("archive", Archive),
    ("bgcolor", Bgcolor),
    ("classid", Classid),
    ("content", Content),
    ("profile", Profile),
    ("codebase", Codebase),
    ("download", Download),
    ("encoding", Encoding),
    ("longdesc", Longdesc),
    ("manifest", Manifest),
    ("background", Background),
    ("formaction", Formaction),
    ("http-equiv", HttpEquiv),
    ("xlink:href", XlinkHref),
    ("imagesrcset", Imagesrcset),
    ("placeholder", Placeholder),
    ("data-saferedirecturl", SavedUrl),
];

/// The longest name, and two more.
const LENGTHS: usize = 24;

/// Where the names of each length begin.
#[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "computed by the compiler"))]
static FROM: [usize; LENGTHS] = {
    let mut from = [NAMES.len(); LENGTHS];
    let mut length = 0;
    while length < LENGTHS {
        let mut at = 0;
        while at < NAMES.len() && NAMES[at].0.len() < length {
            at += 1;
        }
        from[length] = at;
        length += 1;
    }
    from
};

/// The attribute of that name, in any case.
pub(super) fn of(name: &str) -> Option<Attribute> {
    let bytes = name.as_bytes();
    let first = bytes.first()?.to_ascii_lowercase();
    if first == b'o' && bytes.get(1).is_some_and(|b| b.eq_ignore_ascii_case(&b'n')) {
        return Some(Event);
    }
    known(name, first).or_else(|| {
        // In XML a name space may be called anything.
        let (_, local) = name.split_once(':')?;
        matches!(local, "href" | "HREF").then_some(XlinkHref)
    })
}

fn known(name: &str, first: u8) -> Option<Attribute> {
    // Sorted by length: a look at those of the same length, which are few.
    NAMES
        .get(*FROM.get(name.len())?..*FROM.get(name.len() + 1)?)?
        .iter()
        .find(|(known, _)| known.as_bytes().first() == Some(&first) && known.eq_ignore_ascii_case(name))
        .map(|(_, attribute)| *attribute)
}
