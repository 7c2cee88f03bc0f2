//! What cannot be secured at the moment: for `/readyz` and `status`.

use std::sync::{Mutex, PoisonError};

/// The last failure of something that answers rest on; gone with its next success.
#[derive(Debug, Default)]
pub struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// It failed, and how.
    pub fn set(&self, sentence: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sentence.to_owned());
    }

    /// It works.
    pub fn clear(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            *held = None;
        }
    }

    /// How it failed last, if it did not succeed since.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
