//! What hides text: by the element's own attributes, by what the page's sheets say of it, and by those around it.
//! What the declarations say: `declared`.

use super::super::found::Hidden;
use super::declared::{Declared, Paint, colour_of};

/// Why text is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotDisplayed,
    Invisible,
    ZeroFont,
    Clipped,
    OffPage,
    SameColour,
}

impl Reason {
    /// Where its characters are counted.
    pub(super) const fn count(self, hidden: &mut Hidden) -> &mut u32 {
        match self {
            Self::NotDisplayed => &mut hidden.not_displayed,
            Self::Invisible => &mut hidden.invisible,
            Self::ZeroFont => &mut hidden.zero_font,
            Self::Clipped => &mut hidden.clipped,
            Self::OffPage => &mut hidden.off_page,
            Self::SameColour => &mut hidden.same_colour,
        }
    }
}

/// How text looks, as far as that decides whether it is seen. Colours are `0xRRGGBB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) hidden: Option<Reason>,
    pub(super) colour: Option<u32>,
    pub(super) background: Ground,
    /// What the colours alone say; a closer background may show the text again.
    is_small: bool,
}

/// What text stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nothing said what: white, as long as nothing else might have a say.
    #[default]
    Paper,
    Colour(u32),
    /// A picture, or something else that nobody knows.
    Unknown,
}

/// What an element's attributes say of its look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes<'a> {
    pub(super) colour: Option<&'a str>,
    pub(super) background: Option<&'a str>,
    /// A picture behind it.
    pub(super) has_picture: bool,
    pub(super) is_hidden: bool,
}

impl Look {
    /// The look within an element with such attributes and declarations. `is_white`: paper is white.
    pub(super) fn within(mut self, attributes: &Attributes<'_>, declared: &Declared, is_white: bool) -> Self {
        let before = (self.colour, self.background);
        if let Some(colour) = attributes.colour {
            self.colour = colour_of(colour).or(self.colour);
        }
        if let Some(colour) = attributes.background.and_then(colour_of) {
            self.background = Ground::Colour(colour);
        }
        if attributes.has_picture {
            self.background = Ground::Unknown;
        }
        match declared.background {
            Some(Paint::Colour(colour)) => self.background = Ground::Colour(colour),
            Some(Paint::Unknown) => self.background = Ground::Unknown,
            Some(Paint::Clear) | None => {}
        }
        let mut own = attributes.is_hidden.then_some(Reason::NotDisplayed).or(declared.hides());
        match declared.colour {
            Some(Paint::Colour(colour)) => self.colour = Some(colour),
            Some(Paint::Clear) => own = own.or(Some(Reason::SameColour)),
            Some(Paint::Unknown) | None => {}
        }
        self.is_small = declared.is_small().unwrap_or(self.is_small);
        if self.hidden == Some(Reason::ZeroFont) && !self.is_small {
            // A font of a size that can be read within one that cannot.
            self.hidden = None;
        }
        if (self.colour, self.background) != before {
            let ground = match self.background {
                Ground::Paper => is_white.then_some(0xff_ffff),
                Ground::Colour(colour) => Some(colour),
                Ground::Unknown => None,
            };
            let is_same = self.colour.zip(ground).is_some_and(|(c, b)| are_alike(c, b));
            match (is_same, self.hidden) {
                (true, None) => self.hidden = Some(Reason::SameColour),
                (false, Some(Reason::SameColour)) => self.hidden = None,
                _ => {}
            }
        }
        if self.hidden.is_none()
            || matches!(self.hidden, Some(Reason::SameColour | Reason::ZeroFont)) && own.is_some()
        {
            self.hidden = own.or(self.hidden);
        }
        self
    }
}

/// Whether nobody can tell one from the other.
fn are_alike(one: u32, other: u32) -> bool {
    [0, 8, 16].iter().all(|shift| (one >> shift & 255).abs_diff(other >> shift & 255) <= 8)
}
