//! Networks by their length.

use std::collections::HashMap;

use super::slot::Slot;

pub(super) const fn mask_v4(len: u8) -> u32 {
    match len {
        0 => 0,
        len => u32::MAX << (32 - len),
    }
}

pub(super) const fn mask_v6(len: u8) -> u128 {
    match len {
        0 => 0,
        len => u128::MAX << (128 - len),
    }
}

/// The places of all networks of one length together, the longest first.
pub(super) type ByLength<K> = Vec<(u8, HashMap<K, Slot>)>;

pub(super) fn at<K>(all: &ByLength<K>, len: u8) -> Option<&HashMap<K, Slot>> {
    all.iter().find(|(l, _)| *l == len).map(|(_, nets)| nets)
}

pub(super) fn made<K>(all: &mut ByLength<K>, len: u8) -> &mut HashMap<K, Slot> {
    let place = all.partition_point(|(l, _)| *l > len);
    if all.get(place).is_none_or(|(l, _)| *l != len) {
        all.insert(place, (len, HashMap::new()));
    }
    &mut all[place].1
}

pub(super) fn tidied<K: Eq + std::hash::Hash>(all: &mut ByLength<K>, len: u8, key: &K) {
    let Some(place) = all.iter().position(|(l, _)| *l == len) else { return };
    all[place].1.remove(key);
    if all[place].1.is_empty() {
        all.remove(place);
    }
}
