//! So many mutations of one kind of input, each checked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::mutator::Mutator;
use super::panics::Panics;
use super::resources::{cpu_of_thread, rss_of};

/// How long one input may hold a reader before the whole test is ended: it hangs.
const HANGS: Duration = Duration::from_secs(60);
/// How many failures are told.
const TOLD: usize = 5;

/// What is mutated, and what is held of it.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    /// Stands in the seeds and in what is told.
    pub(crate) name: &'static str,
    /// How many mutations.
    pub(crate) count: usize,
    /// Well-formed inputs.
    pub(crate) samples: Vec<Vec<u8>>,
    /// Words of their format.
    pub(crate) words: Vec<Vec<u8>>,
    /// Most bytes of one input.
    pub(crate) largest: usize,
    /// Most time for one input, of the processor where it is counted on one thread.
    pub(crate) bound: Duration,
    /// How much more memory this process may hold afterwards.
    pub(crate) memory: u64,
    /// How many threads check.
    pub(crate) threads: usize,
    /// Places of libraries whose panics are caught where they are called, and told: pieces of their paths.
    pub(crate) excused: &'static [&'static str],
    /// The test, as its program calls it.
    test: String,
}

impl Campaign {
    /// Over these samples; at most 64 KiB each, two seconds and 256 MiB.
    pub(crate) fn new(name: &'static str, count: usize, samples: Vec<Vec<u8>>) -> Self {
        assert!(!samples.is_empty(), "{name} has no samples");
        Self {
            name,
            count,
            samples,
            words: Vec::new(),
            largest: 64 << 10,
            bound: Duration::from_secs(2),
            memory: 256 << 20,
            threads: 2,
            excused: &[],
            test: std::thread::current()
                .name()
                .filter(|name| name.contains("::"))
                .unwrap_or("malformed::")
                .to_owned(),
        }
    }

    /// With words of the format.
    pub(crate) fn words<W: AsRef<[u8]>>(mut self, words: &[W]) -> Self {
        self.words = words.iter().map(|word| word.as_ref().to_vec()).collect();
        self
    }

    /// Checks each sample and each mutation; `check` fails by panicking.
    ///
    /// # Panics
    /// At the end, with the seeds of what failed.
    pub(crate) fn run(&self, check: impl Fn(&[u8]) + Sync) {
        let all = Panics::watch();
        let before = rss_of("self");
        if let Some(seed) = number("MAILWARD_SEED") {
            let input = self.input(seed);
            let told = self.one(&input, &check);
            assert!(told.is_none(), "{}", self.failure(Some(seed), &input, &told.unwrap_or_default()));
            return;
        }
        let failures = self.all(&check);
        assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), self.count, failures.join("\n"));
        // nextest gives each test a process of its own; elsewhere others panic beside this one, on purpose.
        let is_alone = std::env::var_os("NEXTEST").is_some();
        let elsewhere = if is_alone { self.inexcusable(all.of_the_program()) } else { Vec::new() };
        assert!(
            elsewhere.is_empty(),
            "{}: panics that somebody caught:\n{}",
            self.name,
            elsewhere.join("\n")
        );
        let grown = rss_of("self").saturating_sub(before);
        assert!(grown <= self.memory, "{}: {grown} bytes of memory are held afterwards", self.name);
    }

    fn inexcusable(&self, mut panics: Vec<String>) -> Vec<String> {
        let is_excused = |told: &str| {
            let place = told.split(": ").next().unwrap_or_default();
            place.contains("/registry/") && self.excused.iter().any(|excused| place.contains(excused))
        };
        panics.retain(|told| !is_excused(told));
        panics
    }

    /// Over all inputs, on several threads; what failed.
    fn all(&self, check: &(impl Fn(&[u8]) + Sync)) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let under_way: Vec<Mutex<Option<(Instant, usize)>>> =
            (0..self.threads).map(|_| Mutex::new(None)).collect();
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for mine in &under_way {
                let (next, failures, done) = (&next, &failures, &done);
                scope.spawn(move || {
                    while failures.lock().unwrap_or_else(PoisonError::into_inner).len() < TOLD {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= self.samples.len() + self.count {
                            break;
                        }
                        let input = self.at(at).1;
                        *mine.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), at));
                        let told = self.one(&input, check);
                        *mine.lock().unwrap_or_else(PoisonError::into_inner) = None;
                        if let Some(told) = told {
                            let told = self.failure(self.at(at).0, &input, &told);
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            while done.load(Ordering::Relaxed) < self.threads {
                std::thread::sleep(Duration::from_millis(5));
                self.end_what_hangs(&under_way);
            }
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread cannot be stopped: the program is, and says why.
    #[expect(clippy::print_stderr, reason = "the line is for who runs the tests")]
    fn end_what_hangs(&self, under_way: &[Mutex<Option<(Instant, usize)>>]) {
        for one in under_way {
            let Some((since, at)) = *one.lock().unwrap_or_else(PoisonError::into_inner) else { continue };
            if since.elapsed() > HANGS {
                let (seed, input) = self.at(at);
                eprintln!("{}", self.failure(seed, &input, "it hangs"));
                std::process::abort();
            }
        }
    }

    /// What is wrong with how this one was taken.
    fn one(&self, input: &[u8], check: &impl Fn(&[u8])) -> Option<String> {
        let panics = Panics::watch();
        let begin = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| check(input)));
        let took = begin.elapsed();
        let said = self.inexcusable(panics.of_this_thread());
        if ended.is_err() || !said.is_empty() {
            return Some(said.join("; "));
        }
        if took <= self.bound {
            return None;
        }
        // The machine may have been busy: once more, by what the processor did and by the clock.
        let (begin, cpu) = (Instant::now(), cpu_of_thread());
        drop(catch_unwind(AssertUnwindSafe(|| check(input))));
        let (again, cpu) = (begin.elapsed(), cpu_of_thread().saturating_sub(cpu));
        let is_slow = cpu > self.bound || again > self.bound * 5;
        is_slow.then(|| format!("it took {took:?}, and again {again:?} with {cpu:?} of the processor"))
    }

    fn seed(&self, at: usize) -> u64 {
        let name = self.name.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Dice::new(name ^ number("MAILWARD_SEEDS").unwrap_or_default().rotate_left(32) ^ ((at as u64) << 8))
            .next()
    }

    /// The samples as they are come first, then what is made of them, each with its seed.
    fn at(&self, at: usize) -> (Option<u64>, Vec<u8>) {
        match self.samples.get(at) {
            Some(sample) => (None, sample.clone()),
            None => {
                let seed = self.seed(at - self.samples.len());
                (Some(seed), self.input(seed))
            }
        }
    }

    fn input(&self, seed: u64) -> Vec<u8> {
        Mutator::new(&self.samples, &self.words, self.largest, seed).make()
    }

    fn failure(&self, seed: Option<u64>, input: &[u8], told: &str) -> String {
        let named = seed.map_or_else(|| "sample".to_owned(), |seed| seed.to_string());
        let path: PathBuf = std::env::temp_dir().join(format!("mailward-malformed-{}-{named}", self.name));
        let kept = match std::fs::write(&path, input) {
            Ok(()) => format!("kept as {}", path.display()),
            Err(error) => format!("not kept: {error}"),
        };
        let again = match seed {
            Some(seed) => format!("alone: MAILWARD_SEED={seed} cargo nextest run {}", self.test),
            None => "nobody changed it: it is one of the samples".to_owned(),
        };
        format!("{} ({} bytes, {kept}): {told}\n  {again}", self.name, input.len())
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no seed")))
}
