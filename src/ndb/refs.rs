//! References: how often each block is referred to by the nodes and trees of a file ([MS-PST] 2.2.2.7.7.3).
//!
//! A reference counts once for each structure on disk that holds it: a data tree that two nodes share is referred to twice, the leaves
//! under it once.

use super::Ndb;
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::block::{SubnodeBlock, XBlock};
use crate::format::ids::Bid;
use std::collections::HashSet;

/// Tells every reference that lies in the trees under `root`, the one to `root` itself included; blocks in `seen` are not entered
/// again, and those entered are added to it. Missing and damaged blocks hold no references.
///
/// # Errors
/// What reading answers; damage is none.
pub fn each_reference(ndb: &Ndb, root: Bid, seen: &mut HashSet<Bid>, tell: &mut dyn FnMut(Bid)) -> Result<()> {
    let root = root.masked();
    if root.is_none() {
        return Ok(());
    }
    let mut pending = vec![root];
    while let Some(bid) = pending.pop() {
        tell(bid);
        // only internal blocks hold references, and each holds its own once
        if !bid.is_internal() || !seen.insert(bid) {
            continue;
        }
        let Some(block) = ndb.block(bid, &mut Ignore)? else { continue };
        let at = Location::NONE;
        if block.first() == Some(&crate::format::block::BTYPE_DATA) {
            if let Some(x) = XBlock::decode(ndb.layout(), &block, at, &mut Ignore)? {
                pending.extend(x.children.iter().filter(|b| !b.is_none()));
            }
        } else {
            match SubnodeBlock::decode(ndb.layout(), &block, at, &mut Ignore)? {
                Some(SubnodeBlock::Leaf(entries)) => {
                    pending.extend(entries.iter().flat_map(|e| [e.data, e.sub]).filter(|b| !b.is_none()));
                }
                Some(SubnodeBlock::Index(_, entries)) => pending.extend(entries.iter().map(|e| e.bid).filter(|b| !b.is_none())),
                None => {}
            }
        }
    }
    Ok(())
}
