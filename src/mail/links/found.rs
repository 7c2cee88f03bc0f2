//! What is found: links, and what else a page showed.

use crate::link::Link;

/// Bounds of one message. What lies beyond is in [`Links::not_inspected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most links; the same link in the same place with the same text counts once.
    pub urls: usize,
    /// Most bytes of text looked at, all parts together.
    pub text: usize,
    /// Most bytes of one address that are read.
    pub url_bytes: usize,
    /// Most bytes kept of the text shown for a link, and of the address as written.
    pub kept_bytes: usize,
    /// How often what was unwrapped is unwrapped again.
    pub unwrap: usize,
    /// Most pictures looked at for QR codes.
    pub images: usize,
    /// Most bytes of one picture as it came.
    pub image_bytes: usize,
    /// Most pixels of one picture.
    pub image_pixels: u64,
    /// Most pixels of all pictures together.
    pub images_pixels: u64,
    /// Most bytes that are unpacked of the PDF files of a message, packed and unpacked ones counted. 0: no PDF file is
    /// read, and none is missed.
    pub unpacked: usize,
    /// Texts and pages alone are read: no pictures, and no files that would have to be taken apart first. Nothing
    /// in [`Links::not_inspected`] says so; who asks for it knows.
    pub only_texts: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            urls: 1_000,
            text: 8 << 20,
            url_bytes: 8_192,
            kept_bytes: 1_024,
            unwrap: 4,
            images: 24,
            image_bytes: 16 << 20,
            image_pixels: 25_000_000,
            images_pixels: 200_000_000,
            unpacked: 16 << 20,
            only_texts: false,
        }
    }
}

/// All that was found in one message.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// In order of appearance; what was unwrapped follows its wrapper.
    pub list: Vec<Found>,
    /// One for each page, in order of the parts.
    pub seen: Vec<Seen>,
    /// The first picture that was given up because looking for codes in it costs too much.
    pub costly: Option<Place>,
    /// Why some of the message was not looked at; empty when all of it was. Each reason once, sorted.
    pub not_inspected: Vec<Skipped>,
}

/// A link, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address in normal form.
    pub link: Link,
    /// Which part it stood in.
    pub place: Place,
    /// What it stood in there.
    pub source: Source,
    /// The text that a person sees for it, white space folded; empty where there is none. Foreign text.
    pub shown: String,
    /// The address as written, character references resolved. Foreign text.
    pub written: String,
}

/// The part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The message's own subject.
    Subject,
    /// The position in [`Parts::list`](crate::model::Parts::list).
    Part(usize),
    /// A field of the message's own header, by its name.
    Header(&'static str),
}

/// What a link stood in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Plain text, or the text of a page.
    Text,
    /// `href` of anything but a base.
    Href,
    /// `src` and the like: what is loaded with the page.
    Src,
    /// `srcset`.
    Srcset,
    /// `action` of a form.
    Form,
    /// `formaction` of a button.
    Formaction,
    /// A refresh by `<meta>`.
    Meta,
    /// `<base>`.
    Base,
    /// A style sheet or `style`.
    Style,
    /// `background`.
    Background,
    /// An `on…` attribute.
    Event,
    /// A script, or a `javascript:` address.
    Script,
    /// A link within SVG.
    Svg,
    /// A calendar or a card.
    Calendar,
    /// An action, a form or a script in a PDF file.
    Pdf,
    /// A field, the text or what else is in an RTF file.
    Rtf,
    /// The subject of the message, or of a nested one.
    Subject,
    /// A field of the header that programs make a button of, such as List-Unsubscribe. Nobody reads it in the text.
    Header,
    /// A QR code in a picture.
    Qr,
    /// A part whose body is elsewhere (RFC 2017).
    External,
    /// Another address.
    Wrapped,
    /// A short link that led there when its shortener was asked; not in the message.
    Redirect,
}

impl Source {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Text,
        Self::Href,
        Self::Src,
        Self::Srcset,
        Self::Form,
        Self::Formaction,
        Self::Meta,
        Self::Base,
        Self::Style,
        Self::Background,
        Self::Event,
        Self::Script,
        Self::Svg,
        Self::Calendar,
        Self::Pdf,
        Self::Rtf,
        Self::Subject,
        Self::Header,
        Self::Qr,
        Self::Wrapped,
        Self::Redirect,
    ];

    /// The name in records and in `scan --json`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Href => "html:href",
            Self::Src => "html:src",
            Self::Srcset => "html:srcset",
            Self::Form => "html:form",
            Self::Formaction => "html:formaction",
            Self::Meta => "html:meta",
            Self::Base => "html:base",
            Self::Style => "html:style",
            Self::Background => "html:background",
            Self::Event => "html:event",
            Self::Script => "html:script",
            Self::Svg => "html:svg",
            Self::Calendar => "calendar",
            Self::Pdf => "pdf",
            Self::Rtf => "rtf",
            Self::Subject => "subject",
            Self::Header => "header",
            Self::Qr => "qr",
            Self::External => "external-body",
            Self::Wrapped => "wrapped",
            Self::Redirect => "redirect",
        }
    }
}

/// Why some of a message was not looked at for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skipped {
    /// The message is larger than the limit: only its texts and pages were read.
    TooLarge,
    /// More links than the limit.
    TooManyUrls,
    /// More text than the limit.
    TooMuchText,
    /// An address longer than the limit: it was read up to there, so that only its host is certain.
    UrlTooLong,
    /// More pictures than the limit, or more pixels in all of them.
    TooManyImages,
    /// A picture larger than the limits.
    ImageTooLarge,
    /// Looking for codes in the pictures costs more than their size allows.
    PicturesCostly,
    /// There was no time left, for pictures first of all.
    Late,
    /// A picture that cannot be decoded, or not to its end; what could be has no code.
    PictureUnreadable,
    /// A picture of a type that is not looked at, such as TIFF, HEIC or AVIF.
    PictureType,
    /// Pages within pages, or messages in files, deeper than the limit.
    TooDeep,
    /// More is packed in PDF files than the limit.
    TooMuchUnpacked,
    /// A PDF file is encrypted: where it leads nobody sees who has no key.
    FileEncrypted,
    /// A PDF file is packed in a way that is not read.
    FileUnreadable,
    /// Reading a part failed.
    Unreadable,
}

impl Skipped {
    /// Whether it is about pictures alone.
    #[must_use]
    pub const fn is_of_pictures(self) -> bool {
        use Skipped::{ImageTooLarge, PictureType, PictureUnreadable, PicturesCostly, TooManyImages};
        matches!(self, TooManyImages | ImageTooLarge | PicturesCostly | PictureUnreadable | PictureType)
    }

    /// The reason as it stands in coverage.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "limit-size",
            Self::TooManyUrls => "limit-urls",
            Self::TooMuchText => "limit-text",
            Self::UrlTooLong => "limit-url-size",
            Self::TooManyImages => "limit-images",
            Self::ImageTooLarge => "limit-image-size",
            Self::PicturesCostly => "limit-image-work",
            Self::Late => "limit-time",
            Self::PictureUnreadable => "picture-unreadable",
            Self::PictureType => "picture-type",
            Self::TooDeep => "limit-depth",
            Self::TooMuchUnpacked => "limit-unpacked",
            Self::FileEncrypted => "file-encrypted",
            Self::FileUnreadable => "file-unreadable",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a page showed beside its links: counts, for whoever weighs them. A page within the page (a data:
/// address, a srcdoc) counts with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The part, a position in [`Parts::list`](crate::model::Parts::list).
    pub part: usize,
    /// `<form>`.
    pub forms: u32,
    /// Inputs of type password.
    pub password_inputs: u32,
    /// Inputs of text that are called after a password.
    pub password_texts: u32,
    /// Inputs of type email, or called after a mail address, user, login or PIN.
    pub login_inputs: u32,
    /// `<script>`.
    pub scripts: u32,
    /// `on…` attributes.
    pub event_handlers: u32,
    /// Refreshes by `<meta>`.
    pub refreshes: u32,
    /// `<iframe>`, `<frame>`, `<object>`, `<embed>`.
    pub frames: u32,
    /// Links to data: addresses; pictures that are one do not count.
    pub data_links: u32,
    /// Links to javascript: and vbscript: addresses.
    pub javascript_links: u32,
    /// Links to files of other machines: `file:` with a host, `\\host\share`.
    pub file_links: u32,
    /// Links by any other scheme than those of the web, of mail, of telephones and of parts.
    pub other_links: u32,
    /// Visible characters of text, white space not counted.
    pub visible: u32,
    /// Characters that are there and not shown.
    pub hidden: Hidden,
    /// How often they stand in the middle of a word that is shown.
    pub split_words: u32,
    /// Marks of a file that is put together by a script.
    pub smuggling: Smuggling,
}

/// Characters that a page has and does not show, by the outermost reason; white space and the invisible
/// characters with which newsletters pad their preview are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// `display:none`, the attribute `hidden`.
    pub not_displayed: u32,
    /// `visibility:hidden`, `opacity:0`.
    pub invisible: u32,
    /// A font of at most one pixel.
    pub zero_font: u32,
    /// A box without height or width that cuts what is in it.
    pub clipped: u32,
    /// Far outside of the page.
    pub off_page: u32,
    /// The colour of its background, or transparent. Where nothing says otherwise the background is white.
    pub same_colour: u32,
}

impl Hidden {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.not_displayed
            .saturating_add(self.invisible)
            .saturating_add(self.zero_font)
            .saturating_add(self.clipped)
            .saturating_add(self.off_page)
            .saturating_add(self.same_colour)
    }
}

/// Marks of HTML smuggling: a page that brings a file along and has the browser save it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smuggling {
    /// `atob(`.
    pub atob: bool,
    /// `new Blob`.
    pub blob: bool,
    /// `msSaveOrOpenBlob`, `msSaveBlob`, `saveAs(`.
    pub save_blob: bool,
    /// `createObjectURL`.
    pub object_url: bool,
    /// An attribute `download`, or `.download =` in a script.
    pub download: bool,
    /// `String.fromCharCode`.
    pub from_char_code: bool,
    /// `eval(`, `new Function(`.
    pub eval: bool,
    /// `document.write`, `innerHTML`.
    pub write: bool,
    /// `unescape(`, `decodeURIComponent(`.
    pub unescape: bool,
    /// `location` is set or `window.open` called.
    pub location: bool,
    /// The longest run of base64 in a script or a data: link, also one cut into many strings, or the longest
    /// array of bytes; in characters.
    pub longest_base64: u32,
}

impl Smuggling {
    /// Marks of both.
    pub(super) fn merge(&mut self, other: &Self) {
        self.atob |= other.atob;
        self.blob |= other.blob;
        self.save_blob |= other.save_blob;
        self.object_url |= other.object_url;
        self.download |= other.download;
        self.from_char_code |= other.from_char_code;
        self.eval |= other.eval;
        self.write |= other.write;
        self.unescape |= other.unescape;
        self.location |= other.location;
        self.longest_base64 = self.longest_base64.max(other.longest_base64);
    }
}
