//! What the fuzz targets share.

pub mod image;
pub mod undo;

use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::finding::Finding;
use pstkit::format::layout::Layout;
use pstkit::ndb::{Ndb, Node};

/// The layout that the first byte of an input chooses, and the rest of the input.
pub fn layout_and_rest(data: &[u8]) -> Option<(&'static Layout, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Layout::all()[usize::from(*first) % 3], rest))
}

/// Findings in number bounded by the input: a decoder that reports more than a constant for each byte loops.
pub fn bounded(found: &[Finding], bytes: usize) {
    assert!(found.len() <= 64 + bytes * 4, "{} findings from {bytes} bytes", found.len());
}

/// Reads every node, data tree and sub-node tree of a file.
pub fn walk_nodes(ndb: &Ndb) {
    let mut found: Vec<Finding> = Vec::new();
    let _ = ndb.load_index(&mut found);
    let mut budget = 4096usize;
    for n in ndb.index().nodes() {
        let mut pending: Vec<Node<'_>> = ndb.node(n.nid).into_iter().collect();
        while let Some(node) = pending.pop() {
            budget = match budget.checked_sub(1) {
                Some(b) => b,
                None => return,
            };
            let mut found: Vec<Finding> = Vec::new();
            if let Ok(tree) = node.data(&mut found) {
                let _ = tree.read_all(ndb, 16 << 20, &mut found);
            }
            if let Ok(subs) = node.subnodes(&mut found) {
                let at = node.at;
                // A file may name a node among its own sub-nodes; the budget ends that.
                pending.extend(subs.iter().take(64).map(|e| Node::detached(ndb, e.nid, e.data, e.sub, at)));
            }
        }
    }
}

/// Reads every folder and message of a file.
pub fn walk_items(pst: &Pst) {
    for folder in pst.folders().take(1000) {
        let _ = (folder.display_name(), folder.container_class(), folder.counts(), folder.hits(), folder.state());
    }
    for item in Items::new(pst).take(1000) {
        // Tolerant reading answers damage with a state.
        if let Ok(item) = item {
            assert_eq!(item.content_sha256.len(), 64);
        }
    }
}
