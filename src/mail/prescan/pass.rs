//! From delimiter to delimiter: which part begins, which ones end.

use std::ops::Range;

use memchr::memmem;

use super::{Budget, Found, Kind, Outline, TEXT};
use crate::mail::head::{Head, is_message, is_multipart};
use crate::mail::lines::{self, at};
use crate::mail::transfer::Encoding;
use crate::model::part::{Defect, NotInspected};

/// Longer lines are no delimiters that anybody guesses.
const LONGEST_GUESS: usize = 100;

/// White space behind a boundary that still makes an exact delimiter (RFC 2046 §5.1.1): a line of it.
const LONGEST_PADDING: usize = 998;

/// A multipart whose parts are being read.
struct Open {
    part: usize,
    depth: u32,
    boundaries: Vec<Vec<u8>>,
    is_digest: bool,
    /// A reader may take it for text and show what stands before the first delimiter.
    shows_preamble: bool,
    start: usize,
    has_children: bool,
    is_closed: bool,
    /// A line that looks like a delimiter, in case none that was declared comes.
    guess: Option<Range<usize>>,
    guessed: bool,
    /// A line that is no delimiter to us begins what looks like a part.
    has_stray: bool,
}

pub(super) struct Delimiter {
    level: usize,
    line: Range<usize>,
    next: usize,
    is_closing: bool,
    is_exact: bool,
}

pub(super) struct Pass<'a, 'b> {
    pub(super) data: &'a [u8],
    pub(super) budget: &'b mut Budget,
    pub(super) outline: Outline,
    open: Vec<Open>,
    /// The part whose content runs on to the next delimiter.
    running: Option<usize>,
    has_stopped: bool,
    dashes: memmem::Finder<'static>,
}

impl<'a, 'b> Pass<'a, 'b> {
    pub(super) fn new(data: &'a [u8], budget: &'b mut Budget) -> Self {
        Self {
            data,
            budget,
            outline: Outline::default(),
            open: Vec::new(),
            running: None,
            has_stopped: false,
            dashes: memmem::Finder::new(b"\n--"),
        }
    }

    pub(super) fn run(mut self, head: Head, body: usize, depth: u32) -> Outline {
        let mut pos = self.begin(head, body, None, depth);
        while !self.has_stopped && !self.open.is_empty() {
            match self.next_delimiter(pos) {
                Some(delimiter) => pos = self.delimiter(&delimiter),
                None => match self.try_guess() {
                    Some(guess) => pos = guess,
                    None => break,
                },
            }
        }
        let end = self.data.len();
        if !self.has_stopped {
            self.end_running(end);
        }
        self.close_down_to(0, end);
        self.outline
    }

    /// Adds a part and enters it if it is a container; says where reading goes on.
    fn begin(&mut self, head: Head, body: usize, parent: Option<usize>, depth: u32) -> usize {
        let (mut head, mut body, mut parent, mut depth) = (head, body, parent, depth);
        loop {
            let is_multipart = is_multipart(&head.media_type);
            let is_message = is_message(&head.media_type);
            let may_enter = self.budget.allows(depth.saturating_add(1));
            let kind = match () {
                () if is_message && head.encoding != Encoding::Identity => Kind::EncodedMessage,
                () if !is_multipart && !is_message => Kind::Leaf,
                () if may_enter => Kind::Container,
                () => Kind::TooDeep,
            };
            if kind == Kind::TooDeep {
                self.note(NotInspected::TooDeep);
            }
            if head.is_cut {
                self.note(NotInspected::TooManyParameters);
            }
            if head.disputes_content {
                head.defects.push(Defect::Contradictory);
            }
            let boundaries = std::mem::take(&mut head.boundaries);
            let is_digest = head.media_type == "multipart/digest";
            let shows_preamble = head.is_contradictory;
            let Some(part) = self.add(Found { parent, depth, kind, head, body: body..body }) else {
                return body;
            };
            self.running = (kind != Kind::Container).then_some(part);
            if kind != Kind::Container {
                return body;
            }
            if is_multipart {
                self.open.push(Open {
                    part,
                    depth,
                    boundaries,
                    is_digest,
                    shows_preamble,
                    start: body,
                    has_children: false,
                    is_closed: false,
                    guess: None,
                    guessed: false,
                    has_stray: false,
                });
                return body;
            }
            let Some((inner, inner_body)) = self.read_message_head(body) else { return body };
            if let Some(found) = self.outline.found.get_mut(part) {
                found.body = body..inner_body;
            }
            (head, body, parent, depth) = (inner, inner_body, Some(part), depth.saturating_add(1));
        }
    }

    fn add(&mut self, found: Found) -> Option<usize> {
        let Some(left) = self.budget.parts.checked_sub(1) else {
            self.stop(NotInspected::TooManyParts);
            return None;
        };
        self.budget.parts = left;
        self.outline.found.push(found);
        Some(self.outline.found.len() - 1)
    }

    /// Ends what a delimiter ends and begins the part that follows it; says where reading goes on.
    fn delimiter(&mut self, delimiter: &Delimiter) -> usize {
        if delimiter.level + 1 < self.open.len()
            && let Some(guess) = self.try_guess()
        {
            return guess;
        }
        let end = self.before_line_break(delimiter.line.start);
        self.end_running(end);
        self.close_down_to(delimiter.level + 1, end);
        let Some(open) = self.open.get_mut(delimiter.level) else { return delimiter.next };
        if delimiter.is_closing {
            open.is_closed = true;
            return delimiter.next;
        }
        // A part after the end is not read by everybody.
        let is_ambiguous = open.is_closed || !delimiter.is_exact;
        let preamble = (open.shows_preamble && !open.has_children).then_some(open.start..end.max(open.start));
        open.has_children = true;
        let (part, depth, is_digest) = (open.part, open.depth, open.is_digest);
        if let Some(preamble) = preamble {
            self.add_text(part, depth, preamble);
        }
        let default = if is_digest { "message/rfc822" } else { TEXT };
        let Some((mut head, body)) = self.read_head(delimiter.next, default) else { return delimiter.next };
        if is_ambiguous {
            head.ambiguous();
        }
        self.begin(head, body, Some(part), depth.saturating_add(1))
    }

    /// The next delimiter of an open multipart in a line that begins at `pos` or later.
    fn next_delimiter(&mut self, pos: usize) -> Option<Delimiter> {
        let data = self.data;
        let mut pos = pos;
        if !data.get(pos..)?.starts_with(b"--") {
            pos += self.dashes.find(data.get(pos..)?)? + 1;
        }
        loop {
            let (line, next) = lines::line(data, pos);
            if let Some(delimiter) = self.match_line(&line, next) {
                return Some(delimiter);
            }
            self.consider(&line, next);
            let from = line.end;
            pos = from + self.dashes.find(data.get(from..)?)? + 1;
        }
    }

    pub(super) fn match_line(&self, line: &Range<usize>, next: usize) -> Option<Delimiter> {
        let text = at(self.data, line).strip_prefix(b"--")?;
        let mut best: Option<(usize, Delimiter)> = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            for boundary in &open.boundaries {
                let Some(rest) = text.strip_prefix(boundary.as_slice()) else { continue };
                let (is_closing, rest) = match rest.strip_prefix(b"--") {
                    Some(rest) => (true, rest),
                    None => (false, rest),
                };
                let is_exact = rest.len() <= LONGEST_PADDING && lines::is_blank(rest);
                let delimiter = Delimiter { level, line: line.clone(), next, is_closing, is_exact };
                if is_exact {
                    return Some(delimiter);
                }
                if best.as_ref().is_none_or(|(longest, _)| boundary.len() > *longest) {
                    best = Some((boundary.len(), delimiter));
                }
            }
        }
        best.map(|(_, delimiter)| delimiter)
    }

    /// Remembers a line that might be a delimiter: of a multipart that has shown none so far, or to other readers.
    fn consider(&mut self, line: &Range<usize>, next: usize) {
        let data = self.data;
        let Some(open) = self.open.last_mut() else { return };
        let may_guess = !(open.has_children || open.is_closed || open.guessed || open.guess.is_some());
        if !may_guess && open.has_stray {
            return;
        }
        let text = at(data, line).get(2..).unwrap_or_default().trim_ascii_end();
        let is_word = text.len() <= LONGEST_GUESS && text.iter().any(u8::is_ascii_alphanumeric);
        let (after, _) = lines::line(data, next);
        let after = at(data, &after);
        let is_field = lines::field_name(after).is_some();
        if !is_word || !(after.is_empty() || is_field) {
            return;
        }
        open.has_stray |=
            is_field && after.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        if may_guess {
            open.guess = Some(line.clone());
        }
    }

    /// Reads the innermost multipart again with the boundary that was guessed, if it has no part yet.
    fn try_guess(&mut self) -> Option<usize> {
        let data = self.data;
        let open = self.open.last_mut().filter(|o| !o.has_children && !o.is_closed)?;
        let line = open.guess.take()?;
        open.guessed = true;
        // What was seen so far is read again.
        open.has_stray = false;
        open.boundaries = vec![at(data, &line).get(2..)?.trim_ascii_end().to_vec()];
        let (part, depth, start) = (open.part, open.depth, open.start);
        self.defect(part, Defect::MissingBoundary);
        self.add_text(part, depth, start..self.before_line_break(line.start).max(start));
        Some(line.start)
    }

    /// Adds what stands in a container without belonging to a part, as a reader shows it that does not
    /// see the container.
    fn add_text(&mut self, parent: usize, depth: u32, body: Range<usize>) {
        if lines::is_blank(at(self.data, &body)) {
            return;
        }
        let encoding = self.outline.found.get(parent).map(|f| f.head.encoding).unwrap_or_default();
        let head = Head { media_type: TEXT.to_owned(), encoding, ..Head::default() };
        let kind = Kind::Leaf;
        self.add(Found { parent: Some(parent), depth: depth.saturating_add(1), kind, head, body });
    }

    fn end_running(&mut self, end: usize) {
        if let Some(found) = self.running.take().and_then(|part| self.outline.found.get_mut(part)) {
            found.body.end = end.max(found.body.start);
        }
    }

    /// Ends the multiparts above `level`.
    fn close_down_to(&mut self, level: usize, end: usize) {
        while self.open.len() > level {
            let Some(open) = self.open.pop() else { return };
            if open.has_stray && (open.guessed || !open.is_closed) && !self.has_stopped {
                self.defect(open.part, Defect::StrayDelimiter);
            }
            if !open.has_children && !open.is_closed && !self.has_stopped {
                if !open.guessed {
                    self.defect(open.part, Defect::MissingBoundary);
                }
                self.add_text(open.part, open.depth, open.start..end.max(open.start));
            } else if !open.is_closed && !self.has_stopped {
                self.defect(open.part, Defect::Unterminated);
            }
        }
    }

    /// RFC 2046 §5.1.1: the line break before a delimiter belongs to the delimiter.
    fn before_line_break(&self, pos: usize) -> usize {
        let before = self.data.get(..pos).unwrap_or_default();
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        before.strip_suffix(b"\r").unwrap_or(before).len()
    }

    fn defect(&mut self, part: usize, defect: Defect) {
        if let Some(found) = self.outline.found.get_mut(part) {
            found.head.defects.push(defect);
        }
    }

    pub(super) fn note(&mut self, reason: NotInspected) {
        if !self.outline.not_inspected.contains(&reason) {
            self.outline.not_inspected.push(reason);
        }
    }

    pub(super) fn stop(&mut self, reason: NotInspected) {
        self.has_stopped = true;
        self.note(reason);
    }
}
