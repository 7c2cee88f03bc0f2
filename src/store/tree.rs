//! A tree of values of one type.

use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handle::Handle;
use super::{StoreError, value};

/// Values of type `V` under byte keys, sorted by key. Cheap to clone. All calls block.
pub struct Tree<V> {
    handle: Arc<Handle>,
    name: &'static str,
    holds: PhantomData<fn() -> V>,
}

impl<V> Tree<V> {
    pub(super) fn new(handle: Arc<Handle>, name: &'static str) -> Self {
        Self { handle, name, holds: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Removes `key`; whether it was there. The value is not looked at, so a damaged one can be removed.
    ///
    /// # Errors
    /// If sled cannot.
    pub fn remove(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.with("remove from", |tree| tree.remove(key)).map(|old| old.is_some())
    }

    /// Whether there is a value under `key`; it is not looked at.
    ///
    /// # Errors
    /// If sled cannot.
    pub fn contains(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.with("read", |tree| tree.contains_key(key))
    }

    /// Removes everything. Slow: one step for each value.
    ///
    /// # Errors
    /// If sled cannot.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.with("clear", sled::Tree::clear)
    }

    /// Does a batch: all of it or, after a crash, nothing.
    ///
    /// # Errors
    /// If sled cannot.
    pub fn apply(&self, batch: Batch<V>) -> Result<(), StoreError> {
        self.with("write to", |tree| tree.apply_batch(batch.inner))
    }

    fn with<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&sled::Tree) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        self.handle.with(self.name, action, work)
    }

    fn encode_failed(&self, source: serde_json::Error) -> StoreError {
        StoreError::Encode { tree: self.name, source }
    }

    fn damaged(&self, key: &[u8], what: String) -> StoreError {
        StoreError::Damaged { tree: self.name, key: value::show_key(key), what }
    }
}

impl<V: Serialize + DeserializeOwned> Tree<V> {
    /// The value under `key`.
    ///
    /// # Errors
    /// If it is damaged, or sled cannot read.
    pub fn get(&self, key: &[u8]) -> Result<Option<V>, StoreError> {
        let found = self.with("read", |tree| tree.get(key))?;
        found.map(|bytes| self.decode(key, &bytes)).transpose()
    }

    /// Puts `value` under `key`, whatever was there.
    ///
    /// # Errors
    /// If sled cannot write.
    pub fn insert(&self, key: &[u8], value: &V) -> Result<(), StoreError> {
        let bytes = value::encode(key, value).map_err(|e| self.encode_failed(e))?;
        self.with("write to", |tree| tree.insert(key, bytes)).map(drop)
    }

    /// Changes the value under `key` in one step that no other writer can come between: `change` is
    /// given what is there and returns what shall be there (`None` removes). It may be called more
    /// than once, so it must have no side effects. Returns what is there afterwards.
    ///
    /// # Errors
    /// If the old value is damaged, or sled cannot.
    pub fn update(
        &self,
        key: &[u8],
        mut change: impl FnMut(Option<V>) -> Option<V>,
    ) -> Result<Option<V>, StoreError> {
        let mut old = self.with("read", |tree| tree.get(key))?;
        loop {
            let value = old.as_deref().map(|bytes| self.decode(key, bytes)).transpose()?;
            let new = change(value);
            let bytes =
                new.as_ref().map(|v| value::encode(key, v)).transpose().map_err(|e| self.encode_failed(e))?;
            let swapped = self.with("write to", |tree| tree.compare_and_swap(key, old.as_ref(), bytes));
            match swapped? {
                Ok(()) => return Ok(new),
                Err(conflict) => old = conflict.current,
            }
        }
    }

    /// A new, empty batch for this tree.
    #[must_use]
    pub fn batch(&self) -> Batch<V> {
        Batch { inner: sled::Batch::default(), len: 0, tree: self.name, holds: PhantomData }
    }

    /// The values whose keys lie in `range`, in order; `.rev()` for the other way. Sees some, not
    /// necessarily all, of what is written meanwhile.
    pub fn range<'k>(&self, range: impl RangeBounds<&'k [u8]>) -> Iter<V> {
        let own = |bound: Bound<&&[u8]>| bound.map(|key| key.to_vec());
        let bounds = (own(range.start_bound()), own(range.end_bound()));
        if is_empty(&bounds) {
            // sled would panic or give the whole tree for a range that ends before it begins.
            return Iter { inner: Inner::Nothing, tree: self.clone() };
        }
        let inner = match self.with("read", |tree| Ok(tree.range::<Vec<u8>, _>(bounds))) {
            Ok(inner) => Inner::Of(Box::new(inner)),
            Err(error) => Inner::Failed(error),
        };
        Iter { inner, tree: self.clone() }
    }

    /// All values, in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<V> {
        self.range(..)
    }

    /// All values, last key first.
    pub fn iter_rev(&self) -> std::iter::Rev<Iter<V>> {
        self.iter().rev()
    }

    fn decode(&self, key: &[u8], bytes: &[u8]) -> Result<V, StoreError> {
        value::decode(key, bytes).map_err(|what| self.damaged(key, what))
    }
}

fn is_empty(bounds: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match bounds {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(a), Included(b)) => a > b,
        (Included(a), Excluded(b)) | (Excluded(a), Included(b) | Excluded(b)) => a >= b,
    }
}

impl<V> Clone for Tree<V> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), name: self.name, holds: PhantomData }
    }
}

impl<V> std::fmt::Debug for Tree<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Several changes that are done as one.
pub struct Batch<V> {
    inner: sled::Batch,
    len: usize,
    tree: &'static str,
    holds: PhantomData<fn() -> V>,
}

impl<V: Serialize> Batch<V> {
    /// Will put `value` under `key`.
    ///
    /// # Errors
    /// If the value cannot be turned into bytes.
    pub fn insert(&mut self, key: &[u8], value: &V) -> Result<(), StoreError> {
        let bytes =
            value::encode(key, value).map_err(|source| StoreError::Encode { tree: self.tree, source })?;
        self.inner.insert(key, bytes);
        self.len += 1;
        Ok(())
    }

    /// Will remove `key`.
    pub fn remove(&mut self, key: &[u8]) {
        self.inner.remove(key);
        self.len += 1;
    }

    /// How many changes it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<V> std::fmt::Debug for Batch<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("tree", &self.tree).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Keys and values in order. A damaged value is an `Err` at its place; the next call goes on behind it.
pub struct Iter<V> {
    inner: Inner,
    tree: Tree<V>,
}

enum Inner {
    Nothing,
    /// To be told once.
    Failed(StoreError),
    Of(Box<sled::Iter>),
}

impl<V: Serialize + DeserializeOwned> Iter<V> {
    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Option<Result<(Vec<u8>, V), StoreError>> {
        let item = match std::mem::replace(&mut self.inner, Inner::Nothing) {
            Inner::Nothing => return None,
            Inner::Failed(error) => return Some(Err(error)),
            Inner::Of(mut inner) => {
                let item = step(&mut inner)?;
                // sled gives the same read error for ever; one is enough.
                if item.is_ok() {
                    self.inner = Inner::Of(inner);
                }
                item
            }
        };
        Some(self.item(item))
    }

    fn item(&self, item: sled::Result<(sled::IVec, sled::IVec)>) -> Result<(Vec<u8>, V), StoreError> {
        let tree = &self.tree;
        let (key, bytes) = item.map_err(|source| tree.handle.failed(tree.name, "read", source))?;
        let value = tree.decode(&key, &bytes)?;
        Ok((key.to_vec(), value))
    }
}

impl<V: Serialize + DeserializeOwned> Iterator for Iter<V> {
    type Item = Result<(Vec<u8>, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl<V: Serialize + DeserializeOwned> DoubleEndedIterator for Iter<V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

impl<V> std::fmt::Debug for Iter<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("tree", &self.tree.name).finish_non_exhaustive()
    }
}
