//! Sub-node trees ([MS-PST] 2.2.2.8.3.3).

use super::Ndb;
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::block::{SlEntry, SubnodeBlock};
use crate::format::ids::{Bid, Nid};
use crate::rules;

/// A node's sub-nodes, sorted by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubnodeTree {
    entries: Vec<SlEntry>,
}

impl SubnodeTree {
    /// Reads the tree under `root`; no root is no sub-nodes. Of entries with the same id the first counts.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn load(ndb: &Ndb, root: Bid, at: Location, sink: &mut dyn Sink) -> Result<Self> {
        Self::load_with(ndb, root, at, &mut |_| {}, sink)
    }

    /// The same, and tells each block of the tree itself to `on_block`.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn load_with(ndb: &Ndb, root: Bid, at: Location, on_block: &mut dyn FnMut(Bid), sink: &mut dyn Sink) -> Result<Self> {
        let root = root.masked();
        if root.is_none() {
            return Ok(Self::default());
        }
        let most = ndb.index().blocks().len();
        let mut entries: Vec<SlEntry> = Vec::new();
        // block, level that it must be below, first id that the parent gives
        let mut pending: Vec<(Bid, u8, Option<Nid>)> = vec![(root, ndb.limits().subnode_depth, None)];
        let mut seen: Vec<Bid> = Vec::new();
        let mut ordered = true;
        while let Some((bid, above, first)) = pending.pop() {
            let here = at.with_bid(bid);
            if !bid.is_internal() {
                sink.report(Finding::new(&rules::SUBNODE_HEAD, here).loss(Loss::Partial))?;
                continue;
            }
            if seen.len() > most || (pending.len() < 4096 && seen.contains(&bid)) {
                sink.report(Finding::new(&rules::SUBNODE_CYCLE, here).loss(Loss::Partial))?;
                continue;
            }
            seen.push(bid);
            on_block(bid);
            let Some(block) = ndb.block(bid, sink)? else { continue };
            match SubnodeBlock::decode(ndb.layout(), &block, here, sink)? {
                None => {}
                Some(SubnodeBlock::Leaf(leaf)) => {
                    if let (Some(want), Some(got)) = (first, leaf.first().map(|e| e.nid))
                        && want != got
                    {
                        sink.report(Finding::new(&rules::SUBNODE_KEY, here).hex(want.0.into(), got.0.into()))?;
                    }
                    for e in leaf {
                        if entries.last().is_some_and(|last| last.nid >= e.nid) {
                            ordered = false;
                            sink.report(Finding::new(&rules::SUBNODE_ORDER, here.with_sub(e.nid)))?;
                        }
                        entries.push(e);
                    }
                }
                Some(SubnodeBlock::Index(level, index)) => {
                    if level >= above {
                        sink.report(Finding::new(&rules::DATA_TREE_DEPTH, here).numbers(level.into(), above.into()).loss(Loss::Partial))?;
                        continue;
                    }
                    pending.extend(index.iter().rev().map(|e| (e.bid, level, Some(e.nid))));
                }
            }
        }
        if !ordered {
            entries.sort_by_key(|e| e.nid);
            entries.dedup_by_key(|e| e.nid);
        }
        Ok(Self { entries })
    }

    /// A sub-node by its id.
    pub fn get(&self, nid: Nid) -> Option<&SlEntry> {
        self.entries.binary_search_by_key(&nid, |e| e.nid).ok().and_then(|i| self.entries.get(i))
    }

    /// The sub-nodes in order.
    pub fn iter(&self) -> impl Iterator<Item = &SlEntry> {
        self.entries.iter()
    }

    /// Number of sub-nodes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
