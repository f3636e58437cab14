//! Trees of blocks taken over from another file of the same layout: for a file to which only some nodes are added.

use super::ndb::NdbWriter;
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::block::SubnodeBlock;
use crate::format::ids::Bid;
use crate::ndb::Ndb;
use crate::ndb::refs::Internal;
use std::collections::{HashMap, HashSet};

impl NdbWriter<'_> {
    /// Takes over a data tree or sub-node tree of another file, with leaves and boundaries as they are; answers the root's new id. `done`
    /// is one map for all trees of that file, so that shared blocks are written once.
    ///
    /// # Errors
    /// As [`write_block`](Self::write_block), and errors of reading the other file. A block that is not there becomes none.
    pub fn graft(&mut self, from: &Ndb, root: Bid, done: &mut HashMap<Bid, Bid>) -> Result<Bid> {
        let root = root.masked();
        let mut entered = HashSet::new();
        let mut pending = vec![root];
        while let Some(bid) = pending.last().copied() {
            if bid.is_none() || done.contains_key(&bid) {
                pending.pop();
                continue;
            }
            let block = from.block(bid, &mut Ignore)?;
            let Some(bytes) = block.filter(|b| !b.is_empty()) else {
                done.insert(bid, Bid::NONE);
                continue;
            };
            if !bid.is_internal() {
                let new = self.write_block(&bytes)?;
                done.insert(bid, new);
                continue;
            }
            let inner = Internal::decode(from, &bytes)?;
            let Some(inner) = inner else {
                done.insert(bid, Bid::NONE);
                continue;
            };
            let mut children = Vec::new();
            inner.each(&mut |child, _| children.push(child));
            if entered.insert(bid) {
                let waiting = pending.len();
                pending.extend(children.iter().map(|c| c.masked()).filter(|c| !c.is_none() && !done.contains_key(c)));
                if pending.len() > waiting {
                    continue;
                }
            }
            let new = |b: Bid| done.get(&b.masked()).copied().unwrap_or(Bid::NONE);
            let encoded = match inner {
                Internal::Data(mut x) => {
                    x.children.iter_mut().for_each(|c| *c = new(*c));
                    x.encode(self.layout())?
                }
                Internal::Sub(SubnodeBlock::Leaf(mut entries)) => {
                    for e in &mut entries {
                        (e.data, e.sub) = (new(e.data), new(e.sub));
                        self.use_nid(e.nid);
                    }
                    SubnodeBlock::Leaf(entries).encode(self.layout())?
                }
                Internal::Sub(SubnodeBlock::Index(level, mut entries)) => {
                    entries.iter_mut().for_each(|e| e.bid = new(e.bid));
                    SubnodeBlock::Index(level, entries).encode(self.layout())?
                }
            };
            for child in children {
                self.refer(done.get(&child.masked()).copied().unwrap_or(Bid::NONE))?;
            }
            let new = self.write_internal(&encoded)?;
            done.insert(bid, new);
        }
        Ok(done.get(&root).copied().unwrap_or(Bid::NONE))
    }
}
