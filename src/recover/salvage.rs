//! Salvage: an index for a broken file, made of everything that its pages and blocks still say.

use super::blocks::{Blocks, Leaves, choose_by_size, leaf_entries, references, salvage_blocks, scan_damaged, with_blocks};
use super::choose::Decisions;
use super::detect::Detected;
use super::freed::FreeSpace;
use super::nodes::{Nodes, OlderNode, in_ranges, salvage_nodes};
use crate::error::Result;
use crate::finding::Sink;
use crate::format::ids::{Bid, Nid};
use crate::format::page::{BbtEntry, NbtEntry, PageType};
use crate::monitor::{Monitor, Phase};
use crate::ndb::{BlockSet, Ndb, TreeFacts};
use std::collections::HashSet;

/// A broken file made readable.
#[derive(Debug)]
pub struct Salvage {
    /// The file, with an index of everything that could be found.
    pub ndb: Ndb,
    /// Nodes that an older generation of the tree gave, where the current one is lost.
    pub filled: HashSet<Nid>,
    /// Nodes of older generations that are not current: deleted ones, and older states.
    pub older: Vec<OlderNode>,
    /// Ranges of node ids whose current leaves are lost, sorted and apart.
    pub lost_nodes: Vec<(u64, Option<u64>)>,
    /// Entries of the current tree with ids that no node can have; their blocks are linked by kind.
    pub nameless: Vec<NbtEntry>,
    /// Entries of the current tree of which another bears the same id; tables tell which is which.
    pub twice: Vec<NbtEntry>,
    /// Entries of the newest leaves that are left, where the current ones are lost, of which the blocks are gone.
    pub gone: Vec<NbtEntry>,
    /// Blocks whose data or trailer is damaged.
    pub damaged: BlockSet,
    /// Blocks that the current tree names; the others were found by their trailers alone.
    pub listed: BlockSet,
    /// Blocks of the current tree of which nothing is left.
    pub lost_blocks: Vec<BbtEntry>,
    /// Further valid blocks with an id that the index has.
    pub others: Vec<BbtEntry>,
    /// Blocks that the current state of the file has no use for: older states, and deleted items.
    pub freed: BlockSet,
    /// Blocks that the allocation maps mark as in use: whatever refers to them is current.
    pub in_use: BlockSet,
    /// Blocks that other blocks refer to.
    pub referred: BlockSet,
    /// Whether both trees of the file were read whole.
    pub trees_whole: bool,
    /// The decisions, with their reasons, where [`Options::decisions`](super::Options::decisions) asks for it.
    pub decisions: Decisions,
    /// The word of the allocation maps.
    pub(super) space: FreeSpace,
}

impl Salvage {
    /// Blocks that nodes refer to themselves.
    pub(super) fn roots(&self) -> BlockSet {
        self.ndb.index().nodes().iter().flat_map(|n| [n.data.masked(), n.sub.masked()]).collect()
    }

    /// Whether a node with this id may have been on a leaf that is lost.
    pub fn is_lost_range(&self, nid: Nid) -> bool {
        in_ranges(&self.lost_nodes, nid.0.into())
    }
}

/// Makes an index of the readable parts of a file; the faults of its trees go to `sink`. The blocks of the scan go into the index.
///
/// # Errors
/// Cancellation; the sink's answer.
pub fn salvage(detected: &mut Detected, sink: &mut dyn Sink, monitor: &dyn Monitor) -> Result<Salvage> {
    salvage_further(detected, &|_| false, sink, monitor)
}

/// The same where a check tells of entries that it has found nothing wrong with.
pub(super) fn salvage_further(
    detected: &mut Detected,
    is_sound: &dyn Fn(&NbtEntry) -> bool,
    sink: &mut dyn Sink,
    monitor: &dyn Monitor,
) -> Result<Salvage> {
    let space = FreeSpace::read(&detected.ndb, &detected.scan);
    let valid = std::mem::take(&mut detected.scan.blocks);
    let (ndb, found) = (&detected.ndb, &detected.scan);
    monitor.phase(Phase::Trees, None);
    let facts = ndb.load_index(sink)?.facts.clone();
    let Blocks { entries, mut damaged, listed, lost, mut others } = salvage_blocks(ndb, &facts, valid, found, &space, monitor)?;
    let bare = ndb.index().with_nodes(Vec::new()).with_facts(TreeFacts::default());
    let mut work = ndb.with_index(bare.with_blocks(entries)).verified(damaged.as_slice().to_vec());
    work = choose_by_size(work, &mut others, monitor)?;
    let leaves = Leaves::of(PageType::NBT, &facts, found, &space);
    let mut nodes = salvage_nodes(&work, &facts, &leaves, &listed, is_sound, monitor)?;
    let mut referred = references(&work, monitor)?;
    // blocks that only a damaged trailer or a damaged tree hides; their own references may name more
    for _ in 0..4 {
        let mut is_there = work.index().ascending();
        let roots = tree_roots(&work, &leaves).filter(|bid| !bid.is_none() && work.find_block(*bid).is_none());
        let wanted = referred.iter().copied().filter(|bid| !bid.is_none() && !is_there.has(bid.masked().0)).chain(roots).collect();
        let more = scan_damaged(&work, &wanted, found, monitor)?;
        if more.is_empty() {
            break;
        }
        damaged.extend(more.iter().map(|b| b.bid));
        work = with_blocks(&work, more).verified(damaged.as_slice().to_vec());
        nodes = salvage_nodes(&work, &facts, &leaves, &listed, is_sound, monitor)?;
        referred = references(&work, monitor)?;
    }
    let Nodes { entries, filled, older, lost: lost_nodes, nameless, twice, gone } = nodes;
    let trees_whole = facts.complete() && facts.pages.len() > 1;
    let (blocks, mut is_listed) = (work.index().blocks(), listed.ascending());
    let whole_bbt = facts.bbt_lost.is_empty() && facts.pages.iter().any(|p| p.page_type == PageType::BBT);
    let (mut freed, mut in_use) = (Vec::new(), Vec::new());
    for b in blocks {
        match space.block(b) {
            Some(false) => in_use.push(b.bid),
            is_free if is_free.unwrap_or(whole_bbt) && !is_listed.has(b.bid.0) => freed.push(b.bid),
            _ => {}
        }
    }
    let (freed, in_use) = (freed.into(), in_use.into());
    let ndb = work.with_index(work.index().with_facts(facts).with_nodes(entries));
    Ok(Salvage {
        ndb,
        filled,
        older,
        lost_nodes,
        nameless,
        twice,
        gone,
        damaged,
        listed,
        lost_blocks: lost,
        others,
        freed,
        in_use,
        referred,
        trees_whole,
        space,
        decisions: Decisions::default(),
    })
}

/// Blocks that entries of any generation of the node B-tree name, plausible or not.
fn tree_roots<'a>(ndb: &'a Ndb, leaves: &'a Leaves) -> impl Iterator<Item = Bid> + 'a {
    let places = leaves.valid.iter().map(|l| l.0).chain(leaves.torn.iter().copied());
    places.flat_map(|ib| leaf_entries::<NbtEntry>(ndb, ib)).flat_map(|n| [n.data.masked(), n.sub.masked()])
}
