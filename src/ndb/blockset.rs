//! A set of block ids: a sorted list, eight bytes an id. Files have a million blocks, and a set is asked far more often than it is made.

use super::index::{Ascending, position};
use crate::format::ids::Bid;

/// Block ids, each once, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockSet(Vec<Bid>);

impl BlockSet {
    /// Whether an id is in the set.
    #[inline]
    pub fn contains(&self, bid: &Bid) -> bool {
        position(&self.0, bid.0, |b| b.0).is_some()
    }

    /// The set for ids that are looked up in ascending order.
    pub(crate) fn ascending(&self) -> Ascending<'_, Bid> {
        Ascending::new(&self.0, |b| b.0)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Bid> {
        self.0.iter()
    }

    /// The ids in ascending order.
    pub fn as_slice(&self) -> &[Bid] {
        &self.0
    }
}

impl From<Vec<Bid>> for BlockSet {
    fn from(mut bids: Vec<Bid>) -> Self {
        // ids mostly come in runs, which a sort that looks for them makes use of
        bids.sort();
        bids.dedup();
        bids.shrink_to_fit();
        Self(bids)
    }
}

impl FromIterator<Bid> for BlockSet {
    fn from_iter<I: IntoIterator<Item = Bid>>(bids: I) -> Self {
        Self::from(bids.into_iter().collect::<Vec<_>>())
    }
}

impl Extend<Bid> for BlockSet {
    fn extend<I: IntoIterator<Item = Bid>>(&mut self, bids: I) {
        let mut all = std::mem::take(&mut self.0);
        all.extend(bids);
        *self = Self::from(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn has_what_was_put_in(a in proptest::collection::vec(0u64..200, 0..50), b in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut set: BlockSet = a.iter().map(|n| Bid(*n)).collect();
            set.extend(b.iter().map(|n| Bid(*n)));
            let tree: BTreeSet<Bid> = a.iter().chain(&b).map(|n| Bid(*n)).collect();
            prop_assert!(set.iter().eq(tree.iter()));
            prop_assert_eq!((set.len(), set.is_empty()), (tree.len(), tree.is_empty()));
            for n in (0..200).chain(b) {
                prop_assert_eq!(set.contains(&Bid(n)), tree.contains(&Bid(n)));
            }
        }
    }
}
