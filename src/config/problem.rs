//! One thing that is wrong in the configuration, printed as a compiler would: what, where, the line,
//! a caret, and what to do.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::{Place, Source};
use crate::model::text;

/// Whether the configuration can be used in spite of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It cannot.
    Error,
    /// It can, but the admin should know.
    Warning,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    level: Level,
    message: String,
    place: Option<Place>,
    detail: Vec<String>,
    help: Vec<String>,
}

/// Longest message and help, in characters: keys and values of the file are quoted in them.
const MAX_TEXT: usize = 600;
/// Most lines of somebody else's report that are shown.
const MAX_DETAIL: usize = 40;

impl Problem {
    pub(super) fn new(level: Level, message: &str) -> Self {
        Self {
            level,
            message: text::line(message, MAX_TEXT),
            place: None,
            detail: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a line that says what to do.
    pub(super) fn help(&mut self, help: impl AsRef<str>) -> &mut Self {
        self.help.push(text::line(help.as_ref(), MAX_TEXT));
        self
    }

    /// Adds somebody else's report, which has lines of its own.
    pub(super) fn detail(&mut self, report: &str) -> &mut Self {
        let lines = report.trim_end().lines().take(MAX_DETAIL);
        self.detail.extend(lines.map(|line| text::line(line, MAX_TEXT)));
        self
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Error or warning.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What is wrong, in one line without its place: for a log.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, a sentence each.
    #[must_use]
    pub fn helps(&self) -> &[String] {
        &self.help
    }

    /// The file that it is about.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| place.file.as_path())
    }

    /// The column in the line, in characters, counted from 1; `None` if no line is at fault.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().filter(|place| place.line.is_some()).map(|place| place.column)
    }

    /// The line in the file, counted from 1; `None` if no line is at fault.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().and_then(|p| p.line)
    }
}

impl fmt::Display for Problem {
    /// One line for a log; with `{:#}` several lines for a terminal, ended by a line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.in_full(f) } else { self.in_a_line(f) }
    }
}

impl Problem {
    fn in_a_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }

    fn in_full(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        writeln!(f, "{level}: {}", self.message)?;
        let gutter = self.line().map_or(1, |line| line.to_string().len());
        if let Some(place) = &self.place {
            place.write(f, gutter)?;
        }
        for line in &self.detail {
            writeln!(f, "{:gutter$} : {line}", "")?;
        }
        for help in &self.help {
            writeln!(f, "{:gutter$} = help: {help}", "")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with one configuration. Its text is the whole report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: PathBuf,
    problems: Vec<Problem>,
    more: bool,
}

impl ConfigErrors {
    /// One error about the file as a whole.
    pub(super) fn of_file(file: &Path, message: &str, help: &str) -> Self {
        let mut problem = Problem::new(Level::Error, message).at(Place::file(file));
        problem.help(help);
        Self::of(file, problem)
    }

    /// One error.
    pub(super) fn of(file: &Path, problem: Problem) -> Self {
        Self { file: file.to_owned(), problems: vec![problem], more: false }
    }

    /// These behind those of another file.
    pub(super) fn behind(self, others: Option<Self>) -> Self {
        let Some(mut all) = others else { return self };
        all.problems.extend(self.problems);
        all.more |= self.more;
        all
    }

    /// The problems in the order of the file, warnings among them.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem:#}")?;
        }
        let count = |level| self.problems.iter().filter(|p| p.level == level).count();
        let errors = plural(count(Level::Error), "error");
        let at_least = if self.more { "at least " } else { "" };
        write!(f, "{}: {at_least}{errors}", text::line(&self.file.to_string_lossy(), MAX_TEXT))?;
        match count(Level::Warning) {
            0 => Ok(()),
            n => write!(f, ", {}", plural(n, "warning")),
        }
    }
}

impl std::error::Error for ConfigErrors {}

fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// Collects what is wrong while a configuration is read.
pub(super) struct Problems<'s> {
    source: &'s Source,
    list: Vec<(usize, Problem)>,
    /// Takes what is beyond [`MAX_PROBLEMS`].
    spilt: Option<Problem>,
    errors: usize,
    warnings: usize,
}

/// More errors than this are not shown, nor more warnings: somebody gave us a file that is no
/// configuration, or will see the rest after mending these.
const MAX_PROBLEMS: usize = 40;

impl<'s> Problems<'s> {
    pub(super) const fn new(source: &'s Source) -> Self {
        Self { source, list: Vec::new(), spilt: None, errors: 0, warnings: 0 }
    }

    /// An error at `span`, or about the file as a whole.
    pub(super) fn error(&mut self, span: Option<Range<usize>>, message: impl AsRef<str>) -> &mut Problem {
        self.add(Level::Error, span, message.as_ref())
    }

    /// A warning at `span`, or about the file as a whole.
    pub(super) fn warning(&mut self, span: Option<Range<usize>>, message: impl AsRef<str>) -> &mut Problem {
        self.add(Level::Warning, span, message.as_ref())
    }

    fn add(&mut self, level: Level, span: Option<Range<usize>>, message: &str) -> &mut Problem {
        let count = match level {
            Level::Error => &mut self.errors,
            Level::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count > MAX_PROBLEMS {
            return self.spilt.insert(Problem::new(level, message));
        }
        let offset = span.as_ref().map_or(usize::MAX, |s| s.start);
        let place = span.map_or_else(|| Place::file(&self.source.name), |s| self.source.place(s));
        // In the order of the file; what has no place comes last.
        let index = self.list.partition_point(|(at, _)| *at <= offset);
        self.list.insert(index, (offset, Problem::new(level, message).at(place)));
        &mut self.list[index].1
    }

    /// Whether another error would not be shown.
    pub(super) const fn is_full(&self) -> bool {
        self.errors >= MAX_PROBLEMS
    }

    /// The warnings, if there is no error.
    pub(super) fn finish(self) -> Result<Vec<Problem>, ConfigErrors> {
        let (more, failed) = (self.is_full(), self.errors > 0);
        let problems = self.list.into_iter().map(|(_, p)| p).collect();
        if failed {
            return Err(ConfigErrors { file: self.source.name.clone(), problems, more });
        }
        Ok(problems)
    }
}
