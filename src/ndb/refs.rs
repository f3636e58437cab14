//! References: how often each block is referred to by the nodes and trees of a file ([MS-PST] 2.2.2.7.7.3).
//!
//! A reference counts once for each structure on disk that holds it: a data tree that two nodes share is referred to twice, the leaves
//! under it once.

use super::Ndb;
use crate::error::Result;
use crate::finding::{Ignore, Location, Sink};
use crate::format::block::{SubnodeBlock, XBlock};
use crate::format::ids::{Bid, Nid};
use std::collections::HashSet;

/// Tells every reference that lies in the trees under `root`, the one to `root` itself included, and of a sub-node's data and sub-nodes
/// its id; blocks in `seen` are not entered again, and those entered are added to it. The reference of a sub-node without data is to none.
/// Missing and damaged blocks hold no references.
///
/// # Errors
/// What the sink answers.
pub fn each_reference(ndb: &Ndb, root: Bid, seen: &mut HashSet<Bid>, sink: &mut dyn Sink, tell: &mut dyn FnMut(Bid, Nid)) -> Result<()> {
    let root = root.masked();
    if root.is_none() {
        return Ok(());
    }
    let mut pending = vec![(root, Nid::NONE)];
    while let Some((bid, nid)) = pending.pop() {
        tell(bid, nid);
        // only internal blocks hold references, and each holds its own once
        if !bid.is_internal() || !seen.insert(bid) {
            continue;
        }
        let Some(block) = ndb.block(bid, sink)? else { continue };
        let at = Location::NONE;
        if block.first() == Some(&crate::format::block::BTYPE_DATA) {
            if let Some(x) = XBlock::decode(ndb.layout(), &block, at, &mut Ignore)? {
                pending.extend(x.children.iter().filter(|b| !b.is_none()).map(|b| (*b, Nid::NONE)));
            }
        } else {
            match SubnodeBlock::decode(ndb.layout(), &block, at, &mut Ignore)? {
                Some(SubnodeBlock::Leaf(entries)) => {
                    // a sub-node without any data has an id all the same
                    pending.extend(entries.iter().map(|e| (e.data, e.nid)));
                    pending.extend(entries.iter().map(|e| (e.sub, e.nid)).filter(|(b, _)| !b.is_none()));
                }
                Some(SubnodeBlock::Index(_, entries)) => {
                    pending.extend(entries.iter().map(|e| (e.bid, Nid::NONE)).filter(|(b, _)| !b.is_none()));
                }
                None => {}
            }
        }
    }
    Ok(())
}
