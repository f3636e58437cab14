//! Values: the words of an object and its row in a table, as far as that tells objects apart. There is one set for each object of a
//! file, so they are packed.
//!
//! ```text
//! id[2] length[2] bytes   id[2] length[2] bytes   ...
//! ```

use crate::format::bytes::{le16, low16, wide};
use std::hash::{DefaultHasher, Hasher};

/// Properties that are looked at to tell objects apart and to match them with table rows.
pub(super) const TELLING: &[u16] = &[
    0x0017,
    0x001A,
    0x0036,
    0x0037,
    0x0039,
    0x0042,
    0x0070,
    0x0E03,
    0x0E04,
    PARENT_DISPLAY,
    0x0E06,
    0x0E07,
    0x0E08,
    0x3001,
    0x3007,
    0x3008,
    0x300B,
    0x3602,
    0x3603,
    0x360A,
    0x3613,
    0x3617,
    0x67F3,
    0x6800,
    0x7003,
    0x7006,
];

/// PidTagParentDisplay.
pub(super) const PARENT_DISPLAY: u16 = 0x0E05;
/// How much of a value is looked at.
pub(super) const LOOKED_AT: u64 = 4096;
/// Longer values that nobody reads are kept as so many bytes of their beginning, and a digest: enough to see that two are equal.
const KEPT: usize = 96;

/// Values by property id, as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Values {
    packed: Vec<u8>,
}

impl Values {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Puts a value of at most [`LOOKED_AT`] bytes in, in place of another with its id.
    pub(super) fn insert(&mut self, id: u16, value: &[u8]) {
        self.remove(id);
        let is_read = matches!(id, 0x0037 | 0x3001 | PARENT_DISPLAY);
        let (kept, digest) = match value.split_at_checked(KEPT) {
            Some((kept, _)) if !is_read && value.len() > KEPT.saturating_add(8) => {
                let mut hasher = DefaultHasher::new();
                hasher.write(value);
                (kept, hasher.finish().to_le_bytes())
            }
            _ => (value, [0; 8]),
        };
        let digest = if kept.len() < value.len() { &digest[..] } else { &[] };
        self.packed.extend(id.to_le_bytes());
        self.packed.extend(low16(wide(kept.len().saturating_add(digest.len()))).to_le_bytes());
        self.packed.extend(kept);
        self.packed.extend(digest);
    }

    /// Gives back the room that is not needed: no more values come.
    pub(super) fn finish(mut self) -> Self {
        self.packed.shrink_to_fit();
        self
    }

    pub(super) fn remove(&mut self, id: u16) {
        if self.has(id) {
            *self = self.iter().filter(|(i, _)| *i != id).fold(Self::new(), |mut out, (i, v)| {
                out.insert(i, v);
                out
            });
        }
    }

    pub(super) fn get(&self, id: u16) -> Option<&[u8]> {
        self.iter().find(|(i, _)| *i == id).map(|(_, v)| v)
    }

    pub(super) fn has(&self, id: u16) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = self.packed.as_slice();
        std::iter::from_fn(move || {
            let (head, behind) = rest.split_at_checked(4)?;
            let (value, behind) = behind.split_at_checked(le16(head, 2).into())?;
            rest = behind;
            Some((le16(head, 0), value))
        })
    }
}

/// A number among values.
pub(super) fn number(values: &Values, id: u16) -> Option<u64> {
    values.get(id).map(|b| {
        let mut n = [0u8; 8];
        n.iter_mut().zip(b).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(n)
    })
}

/// How well two sets of values agree: values that only one of them has say nothing. `None` where they cannot be of one object.
pub(super) fn likeness(row: &Values, object: &Values) -> Option<i32> {
    let mut score = 0i32;
    for (id, a) in row.iter() {
        let Some(b) = object.get(id) else {
            // an absent text is an empty one
            continue;
        };
        let weight = match id {
            0x0037 | 0x3001 | 0x0039 | 0x0E06 | 0x300B | 0x3007 | 0x6800 | 0x7006 => 6,
            0x001A => 1,
            0x0070 | 0x0042 | 0x0E03 | 0x0E04 | 0x3008 | 0x0E08 => 3,
            _ => 1,
        };
        let equal = a == b || (a.iter().chain(b).all(|c| *c == 0));
        // equal times say more than different ones: a row may be old
        let weight = if equal && id == 0x3008 && a.iter().any(|c| *c != 0) { 5 } else { weight };
        if !equal && matches!(id, 0x001A | 0x300B | 0x3001) {
            return None;
        }
        score = if equal { score.saturating_add(weight) } else { score.saturating_sub(weight) };
    }
    (score > 0).then_some(score)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn packed_values_are_a_map(pairs in proptest::collection::vec((0u16..12, proptest::collection::vec(any::<u8>(), 0..KEPT)), 0..30), gone in 0u16..12) {
            let (mut packed, mut map) = (Values::new(), BTreeMap::new());
            for (id, value) in &pairs {
                packed.insert(*id, value);
                map.insert(*id, value.clone());
            }
            packed.remove(gone);
            map.remove(&gone);
            let packed = packed.finish();
            for id in 0..12 {
                prop_assert_eq!(packed.get(id), map.get(&id).map(Vec::as_slice));
                prop_assert_eq!(packed.has(id), map.contains_key(&id));
            }
            prop_assert_eq!(packed.iter().count(), map.len());
        }
    }

    #[test]
    fn long_values_stay_apart_though_they_begin_alike() {
        let (mut a, mut b, mut c) = (Values::new(), Values::new(), Values::new());
        let long = vec![7u8; 4000];
        let other = [long.as_slice(), b"x"].concat();
        a.insert(0x0070, &long);
        b.insert(0x0070, &other);
        c.insert(0x0070, &long);
        assert_ne!(a, b);
        assert_eq!(a, c);
        assert!(a.get(0x0070).unwrap().len() < 200);
        // the part that people see is there whole
        a.insert(0x0037, &long);
        assert_eq!(a.get(0x0037), Some(&long[..]));
    }
}
