//! Every panic of this process, also those that somebody catches.

use std::panic;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};

static SEEN: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// What was there when somebody began to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panics(usize);

impl Panics {
    /// Begins to look.
    pub(crate) fn watch() -> Self {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                let said = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
                let said = said.or_else(|| info.payload().downcast_ref::<String>().cloned());
                let told = format!("{place}: {}", said.unwrap_or_default());
                SEEN.lock().unwrap_or_else(PoisonError::into_inner).push((thread::current().id(), told));
                before(info);
            }));
        });
        Self(SEEN.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// Those of this thread since then.
    pub(crate) fn of_this_thread(self) -> Vec<String> {
        let own = thread::current().id();
        self.select(|thread, _| thread == own)
    }

    /// Those of all threads since then, in the code of mailward and of libraries. Those of tests are their own matter.
    pub(crate) fn of_the_program(self) -> Vec<String> {
        self.select(|_, told| told.starts_with("src/") || told.contains("/registry/"))
    }

    fn select(self, wanted: impl Fn(ThreadId, &str) -> bool) -> Vec<String> {
        let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let new = seen.get(self.0..).unwrap_or_default();
        new.iter().filter(|(thread, told)| wanted(*thread, told)).map(|(_, told)| told.clone()).collect()
    }
}
