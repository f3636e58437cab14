//! References: how often each block is referred to by the nodes and trees of a file ([MS-PST] 2.2.2.7.7.3).
//!
//! A reference counts once for each structure on disk that holds it: a data tree that two nodes share is referred to twice, the leaves
//! under it once.

use super::Ndb;
use crate::error::Result;
use crate::finding::{Ignore, Location, Sink};
use crate::format::block::{BTYPE_DATA, SubnodeBlock, XBlock};
use crate::format::ids::{Bid, Nid};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// An internal block: one that refers to other blocks.
pub(crate) enum Internal {
    /// Of a data tree.
    Data(XBlock),
    /// Of a sub-node tree.
    Sub(SubnodeBlock),
}

impl Internal {
    /// Decodes a block's bytes; `None` where they are those of no internal block. Its faults have been told elsewhere.
    ///
    /// # Errors
    /// None; as decoding in general.
    pub(crate) fn decode(ndb: &Ndb, bytes: &[u8]) -> Result<Option<Self>> {
        let (layout, at) = (ndb.layout(), Location::NONE);
        if bytes.first() == Some(&BTYPE_DATA) {
            return Ok(XBlock::decode(layout, bytes, at, &mut Ignore)?.map(Self::Data));
        }
        Ok(SubnodeBlock::decode(layout, bytes, at, &mut Ignore)?.map(Self::Sub))
    }

    /// Tells each block that it refers to, as it stands there, with the id of the sub-node whose data or sub-nodes it is. A sub-node
    /// without data tells of none, so that its id is told.
    pub(crate) fn each(&self, tell: &mut dyn FnMut(Bid, Nid)) {
        match self {
            Self::Data(x) => x.children.iter().for_each(|b| tell(*b, Nid::NONE)),
            Self::Sub(SubnodeBlock::Leaf(entries)) => {
                for e in entries {
                    tell(e.data, e.nid);
                    if !e.sub.is_none() {
                        tell(e.sub, e.nid);
                    }
                }
            }
            Self::Sub(SubnodeBlock::Index(_, entries)) => entries.iter().for_each(|e| tell(e.bid, Nid::NONE)),
        }
    }
}

/// The answer for all listed blocks above some: of each block from which one of those can be reached, the answer of all of them together.
/// Each block is looked at once, however many trees it is in.
pub(crate) fn spread_up(ndb: &Ndb, from: &HashMap<Bid, bool>) -> Result<HashMap<Bid, bool>> {
    let mut above: HashMap<Bid, Vec<Bid>> = HashMap::new();
    for b in ndb.index().blocks().iter().filter(|b| b.bid.is_internal()) {
        let Some(block) = ndb.block_at(b, &mut Ignore)? else { continue };
        if let Some(internal) = Internal::decode(ndb, &block)? {
            internal.each(&mut |child, _| {
                let child = child.masked();
                if child.is_internal() || from.contains_key(&child) {
                    above.entry(child).or_default().push(b.bid.masked());
                }
            });
        }
    }
    let mut all = from.clone();
    all.remove(&Bid::NONE);
    let mut pending: Vec<Bid> = from.keys().copied().filter(|bid| !bid.is_none()).collect();
    while let Some(bid) = pending.pop() {
        let answer = all.get(&bid).copied().unwrap_or(true);
        for parent in above.get(&bid).into_iter().flatten() {
            let slot = all.entry(*parent);
            let is_new = matches!(slot, Entry::Vacant(_));
            let slot = slot.or_insert(true);
            let now = *slot && answer;
            if is_new || now != *slot {
                *slot = now;
                pending.push(*parent);
            }
        }
    }
    Ok(all)
}

/// Tells every reference that lies in the trees under `root`, the one to `root` itself included, and of a sub-node's data and sub-nodes
/// its id. Blocks that hold references are entered where `enter` says so: it has to refuse those that it was asked for before. The reference
/// of a sub-node without data is to none. Missing and damaged blocks hold no references.
///
/// # Errors
/// The sink's answer.
pub(crate) fn each_reference(
    ndb: &Ndb,
    root: Bid,
    enter: &mut dyn FnMut(Bid) -> bool,
    sink: &mut dyn Sink,
    tell: &mut dyn FnMut(Bid, Nid),
) -> Result<()> {
    let root = root.masked();
    if root.is_none() {
        return Ok(());
    }
    // room for the number that most trees have: growing takes a lock that other threads may hold
    let mut pending = Vec::with_capacity(64);
    pending.push((root, Nid::NONE));
    while let Some((bid, nid)) = pending.pop() {
        tell(bid, nid);
        // only internal blocks hold references, and each holds its own once
        if !bid.is_internal() || !enter(bid) {
            continue;
        }
        let Some(block) = ndb.block(bid, sink)? else { continue };
        if let Some(internal) = Internal::decode(ndb, &block)? {
            // the end of a list is none; a sub-node without any data has an id all the same
            internal.each(&mut |bid, nid| {
                if !bid.is_none() || !nid.is_none() {
                    pending.push((bid, nid))
                }
            });
        }
    }
    Ok(())
}
