//! Which part is read how.
//!
//! Documents and archives get their readers here: a [`Kind`] of their own, and a line in the parent module.

use super::{pdf, qr, rtf};
use crate::model::Part;

/// How a part is read for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As text.
    Text,
    /// As text with commands in it (RFC 1896).
    Enriched,
    /// As a page: HTML, XHTML, SVG and other markup.
    Html,
    /// As a calendar or a card (RFC 5545, RFC 6350).
    Calendar,
    /// As a shortcut of a desktop: `.url`, `.webloc`, `.desktop`.
    Shortcut,
    /// As a message in a file: mail, or a page saved with what belongs to it (RFC 2557).
    Archive,
    /// As RTF, which Word opens.
    Rtf,
    /// As a PDF file.
    Pdf,
    /// As a picture that may hold a QR code.
    Picture,
    /// For the subject of a nested message.
    Message,
    /// Not at all.
    Other,
}

impl Kind {
    /// How `part` is read: by its media type, by its name, and by its first bytes, as the programs do that
    /// open it. Where they disagree, each has its reading: one program shows it, another opens it.
    pub fn of(part: &Part) -> impl Iterator<Item = Self> {
        let media_type = part.media_type.as_str();
        let typed = match part.is_container {
            false => Self::by_type(media_type),
            true if media_type.starts_with("multipart/") => Self::Other,
            true => Self::Message,
        };
        let names = part.name.iter().chain(&part.other_names).filter(|_| !part.is_container);
        // Of several names the one that shows more than text: that is what somebody has opened.
        let mut kinds = names.filter_map(|name| Self::by_name(name)).peekable();
        let first = kinds.peek().copied().unwrap_or(Self::Other);
        let named = kinds.find(|kind| *kind != Self::Text).unwrap_or(first);
        let is_picture = !part.is_container && qr::is_picture(&part.content);
        // A page or calendar says all that its text does; an attached file is not shown as text.
        let is_plain = |kind| kind == Self::Text;
        let typed = if is_plain(typed) && (is_picture || named != Self::Other && part.is_attachment) {
            Self::Other
        } else {
            typed
        };
        let named = if named == typed || is_plain(named) && (is_picture || typed != Self::Other) {
            Self::Other
        } else {
            named
        };
        // A page that begins as a picture does is one to nobody who opens it as a page.
        let is_page = [typed, named].contains(&Self::Html);
        // What calls itself a picture and is read as nothing else is one that is broken.
        let is_broken = media_type.starts_with("image/")
            && !part.is_container
            && !part.content.is_empty()
            && [typed, named] == [Self::Other, Self::Other];
        let is_pdf = !part.is_container && ![typed, named].contains(&Self::Pdf) && pdf::is_pdf(&part.content);
        let is_rtf = !part.is_container && ![typed, named].contains(&Self::Rtf) && rtf::is_rtf(&part.content);
        let begins = if is_pdf {
            Self::Pdf
        } else if is_rtf {
            Self::Rtf
        } else if is_picture && !is_page || is_broken {
            Self::Picture
        } else {
            Self::Other
        };
        [typed, named, begins].into_iter().filter(|kind| *kind != Self::Other)
    }

    /// Whether it is read as it is, without taking anything apart before.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Enriched
                | Self::Rtf
                | Self::Html
                | Self::Calendar
                | Self::Shortcut
                | Self::Message
        )
    }

    fn by_type(media_type: &str) -> Self {
        match media_type {
            "text/html"
            | "application/xhtml+xml"
            | "image/svg+xml"
            | "application/xml"
            | "text/xml"
            | "text/x-amp-html"
            | "text/html-sandboxed"
            | "application/hta"
            | "multipart/x-mixed-html" => Self::Html,
            "text/calendar" | "application/ics" | "text/x-vcalendar" | "text/vcard" | "text/x-vcard"
            | "text/directory" => Self::Calendar,
            "application/pdf" | "application/x-pdf" | "text/pdf" => Self::Pdf,
            "application/internet-shortcut" | "text/x-url" | "application/x-url" => Self::Shortcut,
            "message/delivery-status" | "message/disposition-notification" | "message/feedback-report" => {
                Self::Text
            }
            "text/enriched" | "text/richtext" => Self::Enriched,
            "text/rtf" | "application/rtf" | "application/x-rtf" => Self::Rtf,
            other if other.ends_with("+xml") => Self::Html,
            other if other.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        let (_, ending) = name.trim_end_matches(['.', ' ']).rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "htm" | "html" | "xhtml" | "xht" | "shtml" | "shtm" | "svg" | "hta" | "xml" | "xsl" | "jnlp"
            | "application" | "appinstaller" | "library-ms" | "searchconnector-ms" | "search-ms" => {
                Self::Html
            }
            "mht" | "mhtml" | "eml" | "nws" => Self::Archive,
            "ics" | "vcs" | "vcf" => Self::Calendar,
            "pdf" | "fdf" => Self::Pdf,
            "rtf" => Self::Rtf,
            "url" | "webloc" | "desktop" | "website" | "rdp" | "iqy" => Self::Shortcut,
            "txt" | "md" | "csv" | "js" | "jse" | "vbs" | "vbe" | "wsf" | "ps1" | "bat" | "cmd" => Self::Text,
            _ => return None,
        })
    }
}
