//! The index: the leaves of both B-trees in memory, sorted.
//!
//! 32 bytes a node and 24 bytes a block. It is the one place where ids are looked up, whether it was read from the trees, salvaged
//! from a broken file, or planned by a repair.

use super::Ndb;
use super::btree::{LostPage, PageFact, TreeWalk, walk};
use crate::error::Result;
use crate::finding::{Finding, Location, Sink};
use crate::format::bytes::{index, wide};
use crate::format::ids::{Bid, Nid};
use crate::format::page::{BbtEntry, NbtEntry, PageType};
use crate::rules;
use std::sync::{Arc, OnceLock};

/// The facts that reading the two trees has shown, besides their entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeFacts {
    /// Pages of both trees.
    pub pages: Vec<PageFact>,
    /// Pages of the node B-tree that are lost.
    pub nbt_lost: Vec<LostPage>,
    /// Pages of the block B-tree that are lost.
    pub bbt_lost: Vec<LostPage>,
    /// Levels of the node B-tree above its leaves.
    pub nbt_depth: u8,
    /// Levels of the block B-tree above its leaves.
    pub bbt_depth: u8,
}

impl TreeFacts {
    /// Whether both trees could be read whole.
    pub fn complete(&self) -> bool {
        self.nbt_lost.is_empty() && self.bbt_lost.is_empty()
    }
}

/// The leaves of both trees.
#[derive(Debug, Clone, Default)]
pub struct Index {
    nodes: Vec<NbtEntry>,
    blocks: Arc<Vec<BbtEntry>>,
    /// The facts that reading the trees has shown.
    pub facts: TreeFacts,
    by_parent: OnceLock<Vec<u32>>,
}

impl Index {
    /// Reads both trees.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn load(ndb: &Ndb, sink: &mut dyn Sink) -> Result<Self> {
        let root = &ndb.header().root;
        let bbt: TreeWalk<BbtEntry> = walk(ndb, root.bbt, sink)?;
        let nbt: TreeWalk<NbtEntry> = walk(ndb, root.nbt, sink)?;
        let mut pages = bbt.pages;
        if pages.is_empty() {
            sink.report(Finding::new(&rules::TREE_LOST, Location::block(root.bbt.ib, root.bbt.bid)))?;
        }
        if nbt.pages.is_empty() {
            sink.report(Finding::new(&rules::NODE_TREE_LOST, Location::block(root.nbt.ib, root.nbt.bid)))?;
        }
        pages.extend(nbt.pages);
        let facts = TreeFacts { pages, nbt_lost: nbt.lost, bbt_lost: bbt.lost, nbt_depth: nbt.depth, bbt_depth: bbt.depth };
        let (mut nodes, mut blocks) = (nbt.entries, bbt.entries);
        for b in &mut blocks {
            if b.bid != b.bid.masked() {
                sink.report(Finding::new(&rules::RESERVED_BID_BIT, Location::block(b.ib, b.bid)))?;
                b.bid = b.bid.masked();
            }
        }
        for n in &nodes {
            if n.key_high != 0 {
                sink.report(Finding::new(&rules::NODE_KEY_HIGH, Location::node(n.nid)).hex(n.key_high.into(), 0))?;
            }
        }
        if !bbt.ordered || blocks.windows(2).any(|w| matches!(w, [a, b] if a.bid >= b.bid)) {
            blocks.sort_by_key(|b| b.bid);
            for w in blocks.windows(2) {
                if let [a, b] = w
                    && a.bid == b.bid
                {
                    sink.report(Finding::new(&rules::DUPLICATE_BID, Location::block(b.ib, b.bid)).hex(b.ib.0, a.ib.0))?;
                }
            }
            blocks = best_of_each(ndb, blocks);
        }
        if !nbt.ordered || nodes.windows(2).any(|w| matches!(w, [a, b] if a.nid >= b.nid)) {
            nodes.sort_by_key(|n| n.nid);
            for w in nodes.windows(2) {
                if let [a, b] = w
                    && a.nid == b.nid
                {
                    sink.report(Finding::new(&rules::DUPLICATE_NID, Location::node(b.nid)).hex(b.data.0, a.data.0))?;
                }
            }
            // of two entries of a node the one with the higher block id was written later
            nodes.sort_by_key(|n| (n.nid, std::cmp::Reverse(n.data)));
            nodes.dedup_by_key(|n| n.nid);
        }
        Ok(Self { nodes, blocks: Arc::new(blocks), facts, by_parent: OnceLock::new() })
    }

    /// An index of these entries; of two with the same id the first counts.
    pub fn new(mut nodes: Vec<NbtEntry>, mut blocks: Vec<BbtEntry>, facts: TreeFacts) -> Self {
        nodes.sort_by_key(|n| n.nid);
        nodes.dedup_by_key(|n| n.nid);
        blocks.sort_by_key(|b| b.bid);
        blocks.dedup_by_key(|b| b.bid);
        Self { nodes, blocks: Arc::new(blocks), facts, by_parent: OnceLock::new() }
    }

    /// The same with these blocks, which are shared where they are the same.
    #[must_use]
    pub fn with_blocks(&self, mut blocks: Vec<BbtEntry>) -> Self {
        blocks.sort_by_key(|b| b.bid);
        blocks.dedup_by_key(|b| b.bid);
        let blocks = if *self.blocks == blocks { Arc::clone(&self.blocks) } else { Arc::new(blocks) };
        Self { blocks, ..self.clone() }
    }

    /// The same blocks with other nodes; of two with the same id the first counts.
    #[must_use]
    pub fn with_nodes(&self, mut nodes: Vec<NbtEntry>) -> Self {
        nodes.sort_by_key(|n| n.nid);
        nodes.dedup_by_key(|n| n.nid);
        Self { nodes, blocks: Arc::clone(&self.blocks), facts: self.facts.clone(), by_parent: OnceLock::new() }
    }

    /// The same nodes and blocks with other facts.
    #[must_use]
    pub fn with_facts(&self, facts: TreeFacts) -> Self {
        Self { facts, ..self.clone() }
    }

    /// The nodes, sorted by id.
    pub fn nodes(&self) -> &[NbtEntry] {
        &self.nodes
    }

    /// The blocks, sorted by id.
    pub fn blocks(&self) -> &[BbtEntry] {
        &self.blocks
    }

    /// The same, to be kept.
    pub(crate) fn shared_blocks(&self) -> Arc<Vec<BbtEntry>> {
        Arc::clone(&self.blocks)
    }

    /// The node with this id.
    pub fn node(&self, nid: Nid) -> Option<&NbtEntry> {
        self.nodes.binary_search_by_key(&nid, |n| n.nid).ok().and_then(|i| self.nodes.get(i))
    }

    /// The block with this id (reserved bit clear).
    pub fn block(&self, bid: Bid) -> Option<&BbtEntry> {
        self.block_position(bid).and_then(|i| self.blocks.get(i))
    }

    /// The place of a block in [`blocks`](Self::blocks).
    #[inline]
    pub fn block_position(&self, bid: Bid) -> Option<usize> {
        position(&self.blocks, bid.0, |b| b.bid.0)
    }

    /// The blocks for ids that are looked up in ascending order.
    pub(crate) fn ascending(&self) -> Ascending<'_, BbtEntry> {
        Ascending::new(&self.blocks, |b| b.bid.0)
    }

    /// The nodes whose parent is `parent`, by id.
    pub fn children(&self, parent: Nid) -> impl Iterator<Item = &NbtEntry> {
        let order = self.by_parent.get_or_init(|| {
            let mut order: Vec<u32> = (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).collect();
            order.sort_by_key(|i| self.nodes.get(*i as usize).map(|n| (n.parent, n.nid)));
            order
        });
        let node = |i: &u32| self.nodes.get(*i as usize);
        let start = order.partition_point(|i| node(i).is_some_and(|n| n.parent < parent));
        let rest = order.get(start..).unwrap_or_default();
        rest.iter().filter_map(node).take_while(move |n| n.parent == parent)
    }

    /// Pages of one tree.
    pub fn pages(&self, page_type: PageType) -> impl Iterator<Item = &PageFact> {
        self.facts.pages.iter().filter(move |p| p.page_type == page_type)
    }
}

/// The place of a key in a list sorted by it. Ids are handed out in turn, so the place is guessed from the key, and the range around
/// the guess is widened until it holds the key: two or three steps where a binary search takes twenty.
#[inline]
pub(crate) fn position<T>(list: &[T], want: u64, key: impl Fn(&T) -> u64) -> Option<usize> {
    let (first, last) = (key(list.first()?), key(list.last()?));
    if want < first || want > last {
        return None;
    }
    let span = last.saturating_sub(first).max(1);
    let most = list.len().saturating_sub(1);
    // The guess may be as rough as it likes: ids above four billion, which no counter has reached, lose their low bits.
    let scale = (u64::BITS.saturating_sub(span.leading_zeros())).saturating_sub(32);
    let (ahead, span) = (want.saturating_sub(first) >> scale, (span >> scale).max(1));
    let share = ahead.saturating_mul(wide(most)).checked_div(span).unwrap_or(0);
    let guess = index(share).min(most);
    let (mut low, mut high, mut step) = (guess, guess.saturating_add(1), 4usize);
    while low > 0 && list.get(low).is_some_and(|e| key(e) > want) {
        high = low;
        low = low.saturating_sub(step);
        step = step.saturating_mul(4);
    }
    while list.get(high).is_some_and(|e| key(e) <= want) {
        low = high;
        high = high.saturating_add(step).min(list.len());
        step = step.saturating_mul(4);
    }
    let within = list.get(low..high)?.binary_search_by_key(&want, key).ok()?;
    Some(low.saturating_add(within))
}

/// Looks up keys that come in ascending order in a list sorted by them: each look-up goes on where the last one ended.
pub(crate) struct Ascending<'a, T> {
    rest: &'a [T],
    key: fn(&T) -> u64,
}

impl<'a, T> Ascending<'a, T> {
    #[inline]
    pub(crate) fn new(list: &'a [T], key: fn(&T) -> u64) -> Self {
        Self { rest: list, key }
    }

    /// Whether a key, not lower than the last one, is in the list.
    #[inline]
    pub(crate) fn has(&mut self, want: u64) -> bool {
        while let Some((first, rest)) = self.rest.split_first() {
            let key = (self.key)(first);
            if key >= want {
                return key == want;
            }
            self.rest = rest;
        }
        false
    }
}

/// Of entries with the same block id keeps the one whose block agrees with it.
fn best_of_each(ndb: &Ndb, blocks: Vec<BbtEntry>) -> Vec<BbtEntry> {
    let mut out: Vec<BbtEntry> = Vec::with_capacity(blocks.len());
    for b in blocks {
        match out.last_mut() {
            Some(kept) if kept.bid == b.bid => {
                let agrees = |e: &BbtEntry| ndb.block_at(e, &mut crate::finding::Strict).is_ok_and(|d| d.is_some());
                if !agrees(kept) && agrees(&b) {
                    *kept = b;
                }
            }
            _ => out.push(b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Ascending, position};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_guessed_place_is_the_one_that_a_binary_search_finds(
            mut keys in proptest::collection::vec(prop_oneof![0u64..400, any::<u64>()], 0..200),
            want in prop_oneof![0u64..400, any::<u64>()],
        ) {
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(position(&keys, want, |k| *k), keys.binary_search(&want).ok());
            let mut ascending = Ascending::new(&keys, |k| *k);
            for n in 0..420 {
                prop_assert_eq!(ascending.has(n), keys.binary_search(&n).is_ok());
            }
            for (i, k) in keys.iter().enumerate() {
                prop_assert_eq!(position(&keys, *k, |k| *k), Some(i));
            }
        }
    }
}
