//! Tokens for the TCP port: made, listed, withdrawn, and recognised.
//!
//! A token is `mw_` and 32 random bytes in base64url. Its first eight characters are its public part:
//! they name it in lists and find it when it is shown. Of the whole only the SHA-256 is kept. That is
//! enough, and argon2 would be wrong: a slow hash protects secrets that can be guessed, and the 208
//! random bits behind the public part cannot; it would only make each request cost a hundred
//! milliseconds, with or without a good token.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::access::{Caller, Role};
use crate::model::{SecretText, Timestamp, text};
use crate::store::{Store, StoreError, Tree};
use crate::telemetry::Clock;

const PREFIX: &str = "mw_";
/// Random bytes of a token.
const BYTES: usize = 32;
/// Characters behind the prefix that are no secret.
const PUBLIC: usize = 8;
/// A use is remembered by the minute: more would make each request write to shared memory.
const COARSE: Duration = Duration::from_secs(60);
/// More tokens than this are a mistake of some script.
const MAX_TOKENS: usize = 100;
/// The longest name.
const MAX_NAME: usize = 64;

/// A token on disk, under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    id: String,
    sha256: String,
    role: Role,
    created: Timestamp,
    created_by: String,
    expires: Option<Timestamp>,
}

/// A token in memory.
#[derive(Debug)]
struct Live {
    name: String,
    kept: Kept,
    hash: [u8; 32],
    /// The minute of its last use, in milliseconds since 1970; 0: none since the start.
    used: AtomicU64,
}

/// What may be shown of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its first characters, to be told from others.
    pub id: String,
    /// What it lets its holder do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends to be good; `None`: never.
    pub expires: Option<Timestamp>,
    /// It has ended.
    pub expired: bool,
    /// Last used about then; `None`: not since the daemon started.
    pub last_used: Option<Timestamp>,
}

/// Why a token is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It is none of ours, or was withdrawn.
    Unknown,
    /// Its time is over; its name.
    Expired(String),
}

/// Why a token could not be made or withdrawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The name cannot be one.
    #[error(
        "{0:?} is no name for a token; use up to 64 letters, digits, and . _ - that begin with a letter or digit"
    )]
    Name(String),
    /// There is one of that name.
    #[error("there is a token {0} already; revoke it first, or choose another name")]
    Taken(String),
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already; revoke those that nobody uses")]
    TooMany,
    /// It would never have been good.
    #[error("a token that expires at once is of no use; give it some time, as in 90d")]
    NoTime,
    /// There is none of that name.
    #[error("there is no token {0}")]
    Unknown(String),
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers; no token can be made")]
    Random,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All tokens. Making and withdrawing block; recognising one does not.
pub struct Tokens {
    tree: Tree<Kept>,
    store: Store,
    clock: Clock,
    live: RwLock<Vec<Arc<Live>>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Tokens {
    /// Reads them from the store. The notes are for the log. A token that cannot be read is not good.
    ///
    /// # Errors
    /// If the store cannot be used.
    pub fn open(store: &Store, clock: Clock) -> Result<(Arc<Self>, Vec<String>), StoreError> {
        let tree: Tree<Kept> = store.tree("tokens")?;
        let mut live = Vec::new();
        let mut notes = Vec::new();
        for item in tree.iter() {
            match item {
                Ok((name, kept)) => match Live::of(&name, kept) {
                    Some(token) => live.push(Arc::new(token)),
                    None => {
                        let name = text::line(&String::from_utf8_lossy(&name), MAX_NAME);
                        notes.push(format!("the token {name} cannot be read and is not good; revoke it"));
                    }
                },
                Err(error @ StoreError::Damaged { .. }) => {
                    notes.push(format!("a token is not good any more: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        let (live, changing) = (RwLock::new(live), Mutex::new(()));
        Ok((Arc::new(Self { tree, store: store.clone(), clock, live, changing }), notes))
    }

    /// Makes a token and returns it: the only time that it is seen. Of the same name there may be one
    /// whose time is over; it is replaced. Blocks; on return the token is on disk.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn create(
        &self,
        name: &str,
        role: Role,
        lasts: Option<Duration>,
        by: &str,
    ) -> Result<(SecretText, Shown), TokenError> {
        if !is_name(name) {
            return Err(TokenError::Name(text::line(name, MAX_NAME)));
        }
        if lasts.is_some_and(|lasts| lasts.is_zero()) {
            return Err(TokenError::NoTime);
        }
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let others: Vec<_> = self.all().into_iter().filter(|t| t.name != name || !t.is_over(now)).collect();
        if others.iter().any(|t| t.name == name) {
            return Err(TokenError::Taken(name.to_owned()));
        }
        if others.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let mut random = [0; BYTES];
        getrandom::fill(&mut random).map_err(|_| TokenError::Random)?;
        let token = format!("{PREFIX}{}", data_encoding::BASE64URL_NOPAD.encode(&random));
        let end = |lasts: Duration| {
            now.millis().saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
        };
        let kept = Kept {
            id: public(&token).unwrap_or_default().to_owned(),
            sha256: data_encoding::HEXLOWER.encode(&hash(&token)),
            role,
            created: now,
            created_by: by.to_owned(),
            expires: lasts.map(|lasts| Timestamp::from_millis(end(lasts))),
        };
        if others.iter().any(|t| t.kept.id == kept.id) {
            // One of 2^48: the machine's random numbers are broken.
            return Err(TokenError::Random);
        }
        self.tree.insert(name.as_bytes(), &kept)?;
        self.store.flush()?;
        let made = Arc::new(Live { name: name.to_owned(), hash: hash(&token), kept, used: 0.into() });
        let shown = made.shown(now);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) =
            others.into_iter().chain([made]).collect();
        Ok((SecretText::new(token), shown))
    }

    /// Withdraws a token: from now on it is not good. Blocks; on return that is on disk.
    ///
    /// # Errors
    /// [`TokenError`]. Where it is the database, the token is not good all the same, until a restart.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // First what counts at the door: a full disk must not keep a lost token good.
        self.live.write().unwrap_or_else(PoisonError::into_inner).retain(|t| t.name != name);
        if !self.tree.remove(name.as_bytes())? {
            return Err(TokenError::Unknown(text::line(name, MAX_NAME)));
        }
        Ok(self.store.flush()?)
    }

    /// All of them, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Shown> {
        let now = self.clock.now();
        let mut all: Vec<Shown> = self.all().iter().map(|token| token.shown(now)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whose token this is, and what it lets them do.
    ///
    /// # Errors
    /// If it is not good.
    pub fn check(&self, presented: &str) -> Result<Caller, Denied> {
        let id = public(presented).ok_or(Denied::Unknown)?;
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let found = live.iter().find(|token| token.kept.id == id).cloned();
        drop(live);
        // Compared also where there is none, and in constant time, so that how long it took says
        // nothing about how much of a guess was right.
        let kept = found.as_ref().map_or([0; 32], |token| token.hash);
        let same = bool::from(hash(presented).ct_eq(&kept));
        let token = found.filter(|_| same).ok_or(Denied::Unknown)?;
        let now = self.clock.now();
        if token.is_over(now) {
            return Err(Denied::Expired(token.name.clone()));
        }
        token.use_at(now);
        Ok(Caller::token(&token.name, token.kept.role))
    }

    fn all(&self) -> Vec<Arc<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("count", &self.all().len()).finish_non_exhaustive()
    }
}

impl Live {
    fn of(name: &[u8], kept: Kept) -> Option<Self> {
        let name = std::str::from_utf8(name).ok().filter(|name| is_name(name))?.to_owned();
        let hash = data_encoding::HEXLOWER.decode(kept.sha256.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { name, kept, hash, used: 0.into() })
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.kept.expires.is_some_and(|end| now >= end)
    }

    fn use_at(&self, now: Timestamp) {
        let coarse = u64::try_from(COARSE.as_millis()).unwrap_or(1);
        let minute = now.millis() / coarse * coarse;
        if self.used.load(Ordering::Relaxed) != minute {
            self.used.store(minute, Ordering::Relaxed);
        }
    }

    fn shown(&self, now: Timestamp) -> Shown {
        let used = self.used.load(Ordering::Relaxed);
        Shown {
            name: self.name.clone(),
            id: format!("{PREFIX}{}", self.kept.id),
            role: self.kept.role,
            created: self.kept.created,
            created_by: self.kept.created_by.clone(),
            expires: self.kept.expires,
            expired: self.is_over(now),
            last_used: (used > 0).then(|| Timestamp::from_millis(used)),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The public part of what has the form of a token.
fn public(token: &str) -> Option<&str> {
    let text = token.strip_prefix(PREFIX)?;
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    if bytes.len() == BYTES { text.get(..PUBLIC) } else { None }
}
