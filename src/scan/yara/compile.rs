//! Makes rule files into a set that scanners can use.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use yara_x::{Compiler, Rules, SourceCode};

use super::error::{BrokenFile, YaraError};
use super::meta::Facts;
use super::nesting::too_deep;
use super::scope::Scope;
use super::source::Source;
use crate::model::text;
use crate::telemetry::spawn::panic_text;

/// Names of the variables that rules may ask for; see `rules/README.md`.
pub(super) mod variable {
    /// File name of the part, or empty.
    pub(in super::super) const PART_NAME: &str = "part_name";
    /// Media type in lower case; `message/rfc822` for the raw message.
    pub(in super::super) const PART_TYPE: &str = "part_type";
    /// Whether the raw message is being looked at.
    pub(in super::super) const IS_RAW: &str = "is_raw";
}

/// What compiling has for its stack, in bytes: eight times what threads have by default, on which the deepest files that are let
/// through compile in the tests.
const STACK: usize = 16 << 20;

/// yara-x's report on one file is cut here.
const MAX_REPORT: usize = 4_000;
/// Warnings of yara-x beyond this are dropped.
const MAX_WARNINGS: usize = 200;

/// Files with passes of their own; further ones share one.
const MAX_OWN_PASSES: usize = 8;

/// Rules whose patterns are searched together, and only where one of their conditions gets as far as a pattern.
pub(super) struct Pass {
    pub(super) scope: Scope,
    pub(super) rules: Rules,
}

/// Rules that work, and what is known of them.
pub(super) struct RuleSet {
    /// Counts up with each set that is put to use.
    pub(super) generation: u64,
    pub(super) passes: Vec<Pass>,
    pub(super) facts: Facts,
    /// The files in it.
    pub(super) sources: Vec<Arc<Source>>,
    /// Stands for their names and texts in audit records.
    pub(super) fingerprint: String,
    /// How many rules can give a finding.
    pub(super) count: usize,
    /// Which files should be in it and are not, as a sentence.
    pub(super) missing: Option<Arc<str>>,
    /// Meta values that could not be used.
    pub(super) warnings: Vec<String>,
}

impl RuleSet {
    /// All rules, private ones included.
    pub(super) fn rules(&self) -> impl Iterator<Item = yara_x::Rule<'_, '_>> {
        self.passes.iter().flat_map(|pass| pass.rules.iter())
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RuleSet({} rules, generation {})", self.count, self.generation)
    }
}

/// Twelve hexadecimal digits of a hash over names and texts: the same rules have the same one.
fn fingerprint(sources: &[Arc<Source>]) -> String {
    let mut hash = Sha256::new();
    for source in sources {
        for part in [source.name.as_bytes(), &source.text[..]] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    HEXLOWER.encode(&hash.finalize()[..6])
}

/// Compiles all of `sources`, each into a namespace of its own.
///
/// # Errors
/// [`YaraError::Broken`] names every file that yara-x refuses, or that it cannot be trusted with.
pub(super) fn all(sources: &[Arc<Source>]) -> Result<RuleSet, YaraError> {
    // Whose stack this is called on is not known, and what yara-x needs of it is its own matter.
    thread::scope(|scope| {
        let compiling = thread::Builder::new().name("yara-compile".to_owned()).stack_size(STACK);
        let compiling = compiling.spawn_scoped(scope, || compile(sources)).map_err(YaraError::Threads)?;
        compiling.join().unwrap_or_else(|cause| Err(YaraError::Build(panic_text(&*cause).to_owned())))
    })
}

fn compile(sources: &[Arc<Source>]) -> Result<RuleSet, YaraError> {
    let mut groups = Groups::default();
    let mut broken = Vec::new();
    for source in sources {
        if let Some(line) = too_deep(&source.text) {
            let why = format!(
                "{}:{line}: it is nested too deep to be read; write it as several rules",
                source.origin
            );
            broken.push(broken_file(source, &why));
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| Ok(add(groups.of(source)?, source)))) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(report))) => broken.push(broken_file(source, &report)),
            Ok(Err(error)) => return Err(error),
            // Nothing is known of the compiler after a panic: the others must be tried afresh.
            Err(cause) => {
                broken.push(broken_file(source, &format!("yara-x panicked: {}", panic_text(&*cause))));
                return Err(YaraError::Broken(broken));
            }
        }
    }
    if !broken.is_empty() {
        return Err(YaraError::Broken(broken));
    }
    build(groups, sources)
}

/// Files that are compiled together. A file made for parts alone has a pass of its own: its patterns are then searched
/// only in parts for which one of its conditions asks. All others share one pass for each scope.
#[derive(Default)]
struct Groups {
    list: Vec<Group>,
    own: usize,
}

struct Group {
    scope: Scope,
    is_shared: bool,
    compiler: Compiler<'static>,
}

impl Groups {
    /// The compiler that a file goes to.
    fn of(&mut self, source: &Source) -> Result<&mut Compiler<'static>, YaraError> {
        let scope = Scope::of(&source.text);
        let is_shared = scope != Scope::Parts || self.own == MAX_OWN_PASSES;
        let known = self.list.iter().position(|group| is_shared && group.is_shared && group.scope == scope);
        let at = known.unwrap_or(self.list.len());
        if known.is_none() {
            self.own += usize::from(!is_shared);
            self.list.push(Group { scope, is_shared, compiler: compiler()? });
        }
        match self.list.get_mut(at) {
            Some(group) => Ok(&mut group.compiler),
            None => Err(YaraError::Build("no compiler".to_owned())),
        }
    }
}

/// Compiles what can be compiled, and says which files were left out.
///
/// # Errors
/// If not even the rest can be built.
pub(super) fn good(sources: &[Arc<Source>]) -> Result<(RuleSet, Vec<BrokenFile>), YaraError> {
    let mut left = sources.to_vec();
    let mut out: Vec<BrokenFile> = Vec::new();
    loop {
        // A file is left out whole: half of its rules may mean something else than all of them.
        match all(&left) {
            Ok(set) => return Ok((set, out)),
            Err(YaraError::Broken(broken)) => {
                left.retain(|source| !broken.iter().any(|b| b.origin == source.origin));
                out.extend(broken);
            }
            Err(other) => return Err(other),
        }
    }
}

fn compiler() -> Result<Compiler<'static>, YaraError> {
    let mut compiler = Compiler::new();
    // Before the first rule, or it panics. Rules written for YARA 4 rely on it.
    compiler.relaxed_re_syntax(true);
    compiler.enable_includes(false);
    compiler.max_warnings(MAX_WARNINGS);
    compiler
        .define_global(variable::PART_NAME, "")
        .and_then(|c| c.define_global(variable::PART_TYPE, ""))
        .and_then(|c| c.define_global(variable::IS_RAW, false))
        .map_err(|e| YaraError::Build(e.to_string()))?;
    Ok(compiler)
}

fn add(compiler: &mut Compiler<'_>, source: &Source) -> Result<(), String> {
    compiler.new_namespace(&source.name);
    let code = SourceCode::from(source.text.as_slice()).with_origin(source.origin.as_str());
    compiler.add_source(code).map(|_| ()).map_err(|e| e.to_string())
}

fn build(groups: Groups, sources: &[Arc<Source>]) -> Result<RuleSet, YaraError> {
    let mut passes = Vec::new();
    for Group { scope, compiler, .. } in groups.list {
        for warning in compiler.warnings() {
            tracing::debug!(code = warning.code(), "yara-x warns: {}", warning.title());
        }
        // `build` panics where the machine refuses the engine what it needs.
        let rules = catch_unwind(AssertUnwindSafe(|| compiler.build()))
            .map_err(|cause| YaraError::Build(panic_text(&*cause).to_owned()))?;
        passes.push(Pass { scope, rules });
    }
    let (facts, warnings) = Facts::of(passes.iter().flat_map(|pass| pass.rules.iter()));
    let count = passes.iter().flat_map(|pass| pass.rules.iter()).filter(|r| !r.is_private()).count();
    Ok(RuleSet {
        generation: 0,
        passes,
        facts,
        sources: sources.to_vec(),
        fingerprint: fingerprint(sources),
        count,
        missing: None,
        warnings,
    })
}

fn broken_file(source: &Source, report: &str) -> BrokenFile {
    // It quotes the file.
    let report: String = report.chars().take(MAX_REPORT).collect();
    let lines: Vec<String> = report.lines().map(|line| text::line(line, MAX_REPORT)).collect();
    let report = lines.join("\n");
    BrokenFile { origin: source.origin.clone(), report }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Arc<Source> {
        Arc::new(Source {
            name: name.into(),
            origin: format!("/rules/{name}"),
            text: text.as_bytes().to_vec(),
        })
    }

    fn broken(sources: &[Arc<Source>]) -> Vec<String> {
        good(sources).unwrap().1.into_iter().map(|b| b.origin).collect()
    }

    #[test]
    fn a_broken_file_is_left_out_whole_and_reported_with_its_line() {
        let sources = [
            source("good.yar", "rule good { condition: true }"),
            source("half.yar", "rule fine { condition: true }\nrule bad { condition: $a }"),
        ];
        let (set, out) = good(&sources).unwrap();
        assert_eq!(set.rules().map(|r| r.identifier()).collect::<Vec<_>>(), ["good"]);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].origin, "/rules/half.yar");
        assert!(out[0].report.contains("/rules/half.yar:2:"), "{}", out[0].report);
        assert!(matches!(all(&sources), Err(YaraError::Broken(b)) if b == out));
    }

    #[test]
    fn a_broken_file_cannot_act_on_the_terminal_of_who_reads_why() {
        let file = source("a.yar", "rule \u{1b}]0;owned\u{7} \u{202e} { condition: $\u{9b}2J }\r\u{1b}[2J");
        let (_, out) = good(&[file]).unwrap();
        let shown = out[0].to_string();
        assert!(shown.contains("owned"), "{shown:?}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.chars().any(acts), "{shown:?}");
    }

    #[test]
    fn a_file_that_is_nested_without_end_is_left_out_and_the_others_work() {
        let deep = format!("rule deep {{\n condition: {}true }}", "not (".repeat(200_000));
        let sources = [source("deep.yar", &deep), source("good.yar", "rule good { condition: true }")];
        let (set, out) = good(&sources).unwrap();
        assert_eq!(set.count, 1);
        assert_eq!(
            out.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "rule file /rules/deep.yar is broken:\n/rules/deep.yar:2: it is nested too deep to be read; write it as several rules"
            ]
        );
    }

    #[test]
    fn what_rules_must_not_do_is_an_error() {
        assert_eq!(
            broken(&[source("a.yar", "include \"/etc/passwd\"\nrule r { condition: true }")]).len(),
            1
        );
        assert_eq!(
            broken(&[source("a.yar", "import \"console\" rule r { condition: console.log(\"x\") }")]).len(),
            1
        );
        let latin1 = Source {
            name: "a".into(),
            origin: "a".into(),
            text: b"rule r { meta: d = \"\xe4\" condition: true }".into(),
        };
        assert_eq!(broken(&[Arc::new(latin1)]), ["a"]);
    }

    #[test]
    fn each_file_has_a_namespace_of_its_own() {
        let rule = "rule same { condition: true }";
        let set = all(&[source("a.yar", rule), source("sub/a.yar", rule)]).unwrap();
        let names: Vec<_> = set.rules().map(|r| (r.namespace(), r.identifier())).collect();
        assert_eq!(names, [("a.yar", "same"), ("sub/a.yar", "same")]);
    }

    #[test]
    fn rules_of_yara_4_compile_and_private_ones_are_not_counted() {
        let text = "private rule p { strings: $a = /\\Rx{y}/ condition: $a } rule q { condition: p }";
        assert_eq!(all(&[source("a.yar", text)]).unwrap().count, 1);
        assert_eq!(all(&[]).unwrap().count, 0);
    }
}
