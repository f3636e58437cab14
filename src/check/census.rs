//! The census: the place and the references of each object. Compact enough to hold for any file: 8 bytes a block, 16 a page.

use crate::format::bytes::{index, low32, wide};
use crate::format::ids::{Bid, Nid};
use crate::format::page::BbtEntry;
use crate::ndb::Index;
use crate::ndb::space::SpaceMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// The counts of a check; a repair plans from them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Census {
    /// Places in [`Index::blocks`] in the order of the file.
    pub by_place: Vec<u32>,
    /// References to each block of [`Index::blocks`] that were counted: from nodes, data trees and sub-node trees.
    pub references: Vec<u32>,
    /// The space that pages, blocks and maps take.
    pub space: Option<SpaceMap>,
    /// Highest index of each type among the nodes.
    pub high_water: [u32; 32],
    /// Highest index of each type among the sub-nodes.
    pub local_high_water: [u32; 32],
    /// Highest row version in a table.
    pub row_version: u32,
    /// Unreferenced entries of the block B-tree (references at most 1 as stored).
    pub orphans: u32,
}

impl Census {
    /// The places of an index's blocks in the order of the file.
    pub(super) fn order(blocks: &[BbtEntry]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..low32(wide(blocks.len()))).collect();
        order.sort_by_key(|i| blocks.get(*i as usize).map(|b| b.ib));
        order
    }

    /// Takes note of a node's id.
    pub(super) fn raise(marks: &mut [u32; 32], nid: Nid) {
        if let Some(slot) = marks.get_mut(usize::from(nid.nid_type().0)) {
            *slot = (*slot).max(nid.index());
        }
    }
}

/// Finds blocks by id and counts references to them, from several threads at once.
pub(super) struct Counter<'i> {
    index: &'i Index,
    /// Place + 1 by `bid / 4`, where ids are dense enough for that to be small.
    direct: Vec<u32>,
    counts: Vec<AtomicU32>,
}

impl<'i> Counter<'i> {
    pub(super) fn new(index: &'i Index) -> Self {
        let blocks = index.blocks();
        let counts = blocks.iter().map(|_| AtomicU32::new(0)).collect();
        let top = blocks.last().map_or(0, |b| b.bid.0 >> 2);
        let mut direct = Vec::new();
        if top < wide(blocks.len()).saturating_mul(6).saturating_add(1024) {
            direct.resize(index_of(top).saturating_add(1), 0);
            for (i, b) in blocks.iter().enumerate() {
                if let Some(slot) = direct.get_mut(index_of(b.bid.0 >> 2)) {
                    *slot = low32(wide(i).saturating_add(1));
                }
            }
        }
        Self { index, direct, counts }
    }

    /// The place of a block in the index.
    #[inline]
    pub(super) fn find(&self, bid: Bid) -> Option<usize> {
        let bid = bid.masked();
        if self.direct.is_empty() {
            return self.index.block_position(bid);
        }
        let at = (self.direct.get(index_of(bid.0 >> 2))?.checked_sub(1)?) as usize;
        if self.index.blocks().get(at)?.bid == bid {
            return Some(at);
        }
        // two ids that differ in the internal bit alone
        self.index.block_position(bid)
    }

    /// The listed block.
    #[inline]
    pub(super) fn entry(&self, bid: Bid) -> Option<&'i BbtEntry> {
        self.find(bid).and_then(|i| self.index.blocks().get(i))
    }

    /// Counts a reference; tells the block's entry, if it is listed.
    #[inline]
    pub(super) fn count(&self, bid: Bid) -> Option<&'i BbtEntry> {
        let at = self.find(bid)?;
        if let Some(c) = self.counts.get(at) {
            c.fetch_add(1, Ordering::Relaxed);
        }
        self.index.blocks().get(at)
    }

    /// The counts, by place in the index.
    pub(super) fn into_counts(self) -> Vec<u32> {
        self.counts.into_iter().map(AtomicU32::into_inner).collect()
    }
}

fn index_of(n: u64) -> usize {
    index(n)
}
