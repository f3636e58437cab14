//! The block list of a broken file: the readable entries of the block B-tree, merged with the blocks that the scan has found.
//!
//! A block is taken, in this order of trust:
//!
//! 1. found by the scan (signature and checksum agree) where a page of the tree names it, or anywhere;
//! 2. named by a page, and the trailer at that place bears the id and size: its data is damaged, and used as damaged;
//! 3. named by a page, and nothing else lies at that place: its trailer is damaged;
//! 4. named by no page that is left, but referred to, and a trailer with its id fits its place though its data is damaged.
//!
//! Of several with one id the one that the tree names counts, else the last in the file; the others are kept as alternatives.

use super::freed::FreeSpace;
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::block::BlockTrailer;
use crate::format::bytes::{index, le16, round_up, wide};
use crate::format::ids::{Bid, Ib};
use crate::format::layout::{Layout, signature};
use crate::format::page::{BbtEntry, BtPage, PageType, TreeEntry};
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::index::position;
use crate::ndb::refs::Internal;
use crate::ndb::scan::Scan;
use crate::ndb::{BlockSet, Ndb, TreeFacts};
use crate::work::{in_order, threads};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Blocks of a broken file.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blocks {
    /// One entry for each id.
    pub entries: Vec<BbtEntry>,
    /// Ids whose data or trailer is damaged.
    pub damaged: BlockSet,
    /// Ids that the current tree names.
    pub listed: BlockSet,
    /// Entries of the current tree at whose place nothing of the block is left.
    pub lost: Vec<BbtEntry>,
    /// Further valid blocks with an id that is in `entries`.
    pub others: Vec<BbtEntry>,
}

/// Blocks that are read in one go.
const PIECE: usize = 2048;

/// The stretches of a file in which nothing valid stands.
#[derive(Debug)]
struct Gaps<'s> {
    ranges: &'s [Range<u64>],
    len: u64,
}

impl Gaps<'_> {
    /// Whether something valid stands in a part of a range.
    fn is_taken(&self, at: u64, size: u64) -> bool {
        let gap = self.ranges.partition_point(|g| g.start <= at).checked_sub(1).and_then(|i| self.ranges.get(i));
        // an object cut off at the end of the file meets nothing there
        let free_to = gap.map_or(0, |g| g.end);
        at < self.len && at.saturating_add(size).min(self.len) > free_to
    }
}

/// Valid leaves of one tree that the scan has found, newest first, those of the current tree before all others, and those that the
/// allocation maps mark before those that stand in free space; then the current tree's torn ones.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    /// Place, id, and whether the current tree reaches it.
    pub(super) valid: Vec<(Ib, Bid, bool)>,
    /// Places of leaves that the current tree reaches and whose checksum fails.
    pub(super) torn: Vec<Ib>,
}

impl Leaves {
    pub(super) fn of(page_type: PageType, facts: &TreeFacts, found: &Scan, space: &FreeSpace) -> Self {
        let live: HashSet<Ib> = facts.pages.iter().filter(|p| p.page_type == page_type && p.level == 0).map(|p| p.bref.ib).collect();
        let mut out = Self::default();
        let (mut seen, mut in_use) = (HashSet::new(), HashSet::new());
        for p in found.pages.iter().filter(|p| p.page_type == page_type) {
            seen.insert(p.ib);
            out.valid.push((p.ib, p.bid, live.contains(&p.ib)));
            if space.page(p) == Some(false) {
                in_use.insert(p.ib);
            }
        }
        out.valid.sort_by_key(|(ib, bid, live)| (!live, !in_use.contains(ib), std::cmp::Reverse((*bid, *ib))));
        out.torn = live.into_iter().filter(|ib| !seen.contains(ib)).collect();
        out.torn.sort_unstable();
        out
    }
}

/// The entries of the leaf at a place; none where it is no leaf.
pub(super) fn leaf_entries<E: TreeEntry>(ndb: &Ndb, ib: Ib) -> Vec<E> {
    on_leaf(ndb, ib, E::PAGE_TYPE, |page| page.leaf().collect())
}

/// The possible further entries of the leaf at a place, that it does not count.
pub(super) fn uncounted_entries<E: TreeEntry>(ndb: &Ndb, ib: Ib) -> Vec<E> {
    on_leaf(ndb, ib, E::PAGE_TYPE, |page| page.leaf_behind().collect())
}

fn on_leaf<E>(ndb: &Ndb, ib: Ib, page_type: PageType, entries: impl FnOnce(&BtPage<'_>) -> Vec<E>) -> Vec<E> {
    let Ok(bytes) = ndb.bytes(ib.0, ndb.layout().page_size) else { return Vec::new() };
    match BtPage::decode(ndb.layout(), &bytes, ib, page_type, &mut Ignore) {
        Ok(Some(page)) if page.level == 0 => entries(&page),
        _ => Vec::new(),
    }
}

/// Merges the tree with the scan, of which `valid` are the blocks.
///
/// # Errors
/// Cancellation.
pub(super) fn salvage_blocks(
    ndb: &Ndb,
    facts: &TreeFacts,
    mut valid: Vec<BbtEntry>,
    found: &Scan,
    space: &FreeSpace,
    monitor: &dyn Monitor,
) -> Result<Blocks> {
    let layout = ndb.layout();
    let gaps = Gaps { ranges: &found.gaps, len: ndb.len() };
    let mut out = Blocks::default();
    let (mut damaged, mut listed) = (Vec::new(), Vec::new());
    // which of the valid ones with an id is taken, at the place of the first of them; and the choice among those that are not valid
    let mut chosen: Vec<Chosen> = vec![Chosen::UNNAMED; valid.len()];
    let mut invalid: HashMap<Bid, BbtEntry> = HashMap::new();
    let leaves = Leaves::of(PageType::BBT, facts, found, space);
    let torn = leaves.torn.iter().map(|ib| (*ib, true, true));
    let pages = leaves.valid.iter().map(|(ib, _, live)| (*ib, *live, false)).chain(torn);
    // ids of the current tree first, so that an older page cannot take the place of a torn one, and of its valid pages those
    // that their parents name
    let others: HashSet<Ib> = facts.bbt_lost.iter().map(|l| l.bref.ib).collect();
    let mut pages: Vec<_> = pages.collect();
    pages.sort_by_key(|(ib, live, torn)| (!live, *torn, others.contains(ib)));
    let whole = facts.bbt_lost.is_empty() && facts.pages.iter().any(|p| p.page_type == PageType::BBT);
    // they are asked for in few files
    let claims = OnceCell::new();
    for (ib, live, is_torn) in pages.iter().copied() {
        step(monitor, 0)?;
        for mut e in leaf_entries::<BbtEntry>(ndb, ib) {
            e.bid = e.bid.masked();
            if e.bid.is_none() || invalid.contains_key(&e.bid) {
                continue;
            }
            let (first, all) = all_of(&valid, e.bid);
            if let Some(slot) = chosen.get_mut(first).filter(|_| !all.is_empty()) {
                if *slot != Chosen::UNNAMED {
                    continue;
                }
                let here = all.iter().position(|b| b.ib == e.ib).or_else(|| all.iter().rposition(|b| b.cb == e.cb));
                let named = || pages.iter().filter(|(ib, live, torn)| *live && !torn && !others.contains(ib)).map(|(ib, ..)| *ib);
                let claims = || claims.get_or_init(|| Claims::of(ndb, named(), &valid));
                let speaks = live && !is_torn && !others.contains(&ib) && is_possible(ndb, &e);
                let is_ours = |b: &BbtEntry| !speaks || claims().is_free_of(b, layout);
                if let Some(at) = here.or_else(|| all.iter().rposition(is_ours)) {
                    *slot = Chosen::named(at, live);
                    if let Some(b) = valid.get_mut(first.saturating_add(at)) {
                        b.refs = e.refs;
                    }
                    continue;
                }
                // another file's block with the same id
                *slot = Chosen::NONE_OF_THEM;
            }
            if !live && whole {
                // freed since, and overwritten
                continue;
            }
            let agrees = trailer_agrees(ndb, &e);
            if (agrees || (!is_torn && is_possible(ndb, &e) && has_bytes(ndb, &e))) && !gaps.is_taken(e.ib.0, e.size_on_disk(layout)) {
                invalid.insert(e.bid, e);
                damaged.push(e.bid);
                if live {
                    listed.push(e.bid);
                }
            } else if live && !is_torn {
                out.lost.push(e);
                listed.push(e.bid);
            }
        }
    }
    let (mut first, mut not_taken) = (0usize, Vec::new());
    for all in valid.chunk_by(|a, b| a.bid == b.bid) {
        let named = chosen.get(first).copied().unwrap_or(Chosen::UNNAMED);
        let taken = if named == Chosen::UNNAMED { all.len().saturating_sub(1) } else { named.place() };
        if let Some(b) = all.first().filter(|_| named.is_listed()) {
            listed.push(b.bid);
        }
        not_taken.extend((0..all.len()).filter(|i| *i != taken).map(|i| first.saturating_add(i)));
        first = first.saturating_add(all.len());
    }
    drop(chosen);
    if !not_taken.is_empty() {
        out.others = not_taken.iter().filter_map(|i| valid.get(*i)).copied().collect();
        let (mut not_taken, mut at) = (not_taken.into_iter().peekable(), 0usize);
        valid.retain(|_| {
            let stays = not_taken.next_if_eq(&at).is_none();
            at = at.saturating_add(1);
            stays
        });
    }
    out.entries = valid;
    out.entries.extend(invalid.into_values());
    out.entries.sort_by_key(|b| b.bid);
    (out.damaged, out.listed) = (damaged.into(), listed.into());
    Ok(out)
}

/// Which of the valid blocks with an id is taken, and whether the current tree names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chosen(u32);

impl Chosen {
    const LISTED: u32 = 1 << 31;
    /// No page names one: the last is taken.
    const UNNAMED: Self = Self(Self::LISTED - 1);
    /// None of them is the one that the tree names.
    const NONE_OF_THEM: Self = Self(Self::LISTED - 2);

    fn named(at: usize, is_listed: bool) -> Self {
        let at = u32::try_from(at).ok().filter(|at| *at < Self::NONE_OF_THEM.0);
        at.map_or(Self::NONE_OF_THEM, |at| Self(at | if is_listed { Self::LISTED } else { 0 }))
    }

    fn place(self) -> usize {
        (self.0 & !Self::LISTED) as usize
    }

    fn is_listed(self) -> bool {
        self.0 & Self::LISTED != 0
    }
}

/// The places that the current tree gives to blocks.
#[derive(Debug)]
struct Claims(Vec<BbtEntry>);

impl Claims {
    /// Collects the entries of the current tree's leaves. A leaf without one entry that leads to its block is not believed.
    fn of(ndb: &Ndb, leaves: impl Iterator<Item = Ib>, valid: &[BbtEntry]) -> Self {
        let is_so = |e: &BbtEntry| all_of(valid, e.bid.masked()).1.iter().any(|b| b.ib == e.ib && b.cb == e.cb);
        let mut all: Vec<BbtEntry> =
            leaves.map(|ib| leaf_entries::<BbtEntry>(ndb, ib)).filter(|all| all.iter().any(is_so)).flatten().collect();
        all.sort_unstable_by_key(|e| e.ib);
        Self(all)
    }

    /// Whether a block stands where the tree has no other: one that is in another's place, with another size than its entry says, has
    /// come there with bytes of another file.
    fn is_free_of(&self, block: &BbtEntry, layout: &Layout) -> bool {
        let end = block.ib.0.saturating_add(block.size_on_disk(layout));
        let before = self.0.partition_point(|e| e.ib.0 < end);
        let near = self.0.get(before.saturating_sub(8)..before).unwrap_or_default();
        near.iter().all(|e| e.bid.masked() == block.bid || e.ib.0.saturating_add(e.size_on_disk(layout)) <= block.ib.0)
    }
}

/// The entries with an id in a list sorted by it, and the place of the first.
fn all_of(sorted: &[BbtEntry], bid: Bid) -> (usize, &[BbtEntry]) {
    let Some(at) = position(sorted, bid.0, |b| b.bid.0) else { return (sorted.len(), &[]) };
    let before = sorted.get(..at).unwrap_or_default();
    let first = if before.last().is_some_and(|b| b.bid == bid) { before.partition_point(|b| b.bid < bid) } else { at };
    let all = sorted.get(first..).unwrap_or_default();
    (first, all.get(..all.iter().take_while(|b| b.bid == bid).count()).unwrap_or_default())
}

/// Whether an entry can be true of a block: aligned, inside the file, of a size that blocks have.
fn is_possible(ndb: &Ndb, e: &BbtEntry) -> bool {
    let layout = ndb.layout();
    e.cb != 0
        && usize::from(e.cb) <= layout.block_data_max()
        && e.ib.0.is_multiple_of(layout.slot)
        && e.ib.0 >= layout.amap_first
        && e.ib.0 < ndb.len()
}

/// Whether any byte at an entry's place is not zero: otherwise nothing of the block is left.
fn has_bytes(ndb: &Ndb, e: &BbtEntry) -> bool {
    let n = index(u64::from(e.cb).min(ndb.len().saturating_sub(e.ib.0)));
    ndb.bytes(e.ib.0, n).is_ok_and(|b| b.iter().any(|b| *b != 0))
}

/// Whether the trailer at the entry's place bears its id and size.
fn trailer_agrees(ndb: &Ndb, e: &BbtEntry) -> bool {
    let layout = ndb.layout();
    let at = e.ib.0.saturating_add(e.size_on_disk(layout)).saturating_sub(wide(layout.block_trailer));
    is_possible(ndb, e)
        && ndb.bytes(at, layout.block_trailer).is_ok_and(|raw| {
            let t = BlockTrailer::decode(layout, &raw);
            t.bid == e.bid && t.cb == e.cb
        })
}

/// Takes others of several valid blocks with one id where the data tree that they are in tells by its size which of them is its own:
/// another file's pages among one's own can name another file's blocks.
///
/// # Errors
/// Cancellation.
pub(super) fn choose_by_size(ndb: Ndb, others: &mut [BbtEntry], monitor: &dyn Monitor) -> Result<Ndb> {
    if others.is_empty() {
        return Ok(ndb);
    }
    let mut by_id: HashMap<Bid, Vec<usize>> = HashMap::new();
    for (n, b) in others.iter().enumerate() {
        by_id.entry(b.bid).or_default().push(n);
    }
    let full = wide(ndb.layout().block_data_max());
    let mut better: HashMap<Bid, usize> = HashMap::new();
    for b in ndb.index().blocks().iter().filter(|b| b.bid.is_internal()) {
        step(monitor, 0)?;
        let Ok(Some(data)) = ndb.block_at(b, &mut Ignore) else { continue };
        let Ok(Some(Internal::Data(x))) = Internal::decode(&ndb, &data) else { continue };
        if x.level != 1 || !x.children.iter().any(|c| by_id.contains_key(c)) {
            continue;
        }
        let before = wide(x.children.len().saturating_sub(1)).saturating_mul(full);
        for (n, child) in x.children.iter().enumerate() {
            let is_last = n.saturating_add(1) == x.children.len();
            let size = if is_last { u64::from(x.total).saturating_sub(before) } else { full };
            let fits = |b: &BbtEntry| u64::from(b.cb_inflated) == size;
            if let Some(all) = by_id.get(child).filter(|_| ndb.find_block(*child).is_some_and(|b| !fits(b)))
                && let Some(other) = all.iter().find(|i| others.get(**i).is_some_and(fits))
            {
                better.entry(*child).or_insert(*other);
            }
        }
    }
    if better.is_empty() {
        return Ok(ndb);
    }
    let mut blocks = ndb.index().blocks().to_vec();
    for b in &mut blocks {
        if let Some(other) = better.get(&b.bid).and_then(|i| others.get_mut(*i)) {
            std::mem::swap(b, other);
            std::mem::swap(&mut b.refs, &mut other.refs);
        }
    }
    Ok(ndb.with_index(ndb.index().with_blocks(blocks)))
}

/// Every block that a readable block of a data tree or sub-node tree refers to.
pub(super) fn references(ndb: &Ndb, monitor: &dyn Monitor) -> Result<BlockSet> {
    let internal: Vec<&BbtEntry> = ndb.index().blocks().iter().filter(|b| b.bid.is_internal()).collect();
    let pieces: Vec<&[&BbtEntry]> = internal.chunks(PIECE).collect();
    let mut all: Vec<Bid> = Vec::new();
    let run = |piece: &&[&BbtEntry]| {
        let mut bids = Vec::with_capacity(piece.len());
        piece.iter().for_each(|b| for_each_reference(ndb, b, &mut |bid| bids.push(bid.masked())));
        step(monitor, 0)?;
        Ok(bids)
    };
    in_order(threads(), &pieces, &run, &mut |bids: Vec<Bid>| all.extend(bids))?;
    Ok(all.into())
}

/// Tells every block that an internal block refers to.
pub(super) fn for_each_reference(ndb: &Ndb, b: &BbtEntry, f: &mut dyn FnMut(Bid)) {
    let Ok(Some(data)) = ndb.block_at(b, &mut Ignore) else { return };
    if let Ok(Some(internal)) = Internal::decode(ndb, &data) {
        internal.each(&mut |bid, _| f(bid));
    }
}

/// Looks wherever nothing valid stands for trailers with one of the wanted ids whose signature fits the place, though the data is damaged.
pub(super) fn scan_damaged(ndb: &Ndb, wanted: &BlockSet, found: &Scan, monitor: &dyn Monitor) -> Result<Vec<BbtEntry>> {
    const WINDOW: u64 = 4 << 20;
    let layout = ndb.layout();
    let mut out = Vec::new();
    if wanted.is_empty() {
        return Ok(out);
    }
    monitor.phase(Phase::Scan, Some(found.gaps.iter().map(|g| g.end.saturating_sub(g.start)).sum()));
    for gap in &found.gaps {
        let mut start = gap.start;
        while start < gap.end {
            let end = start.saturating_add(WINDOW).min(gap.end);
            let from = start.saturating_sub(layout.slot);
            if let Ok(bytes) = ndb.bytes(from, index(end.saturating_sub(from))) {
                let mut e = round_up(start.saturating_add(1), layout.slot);
                while e <= end {
                    let rel = index(e.saturating_sub(from));
                    let raw = bytes.get(rel.saturating_sub(layout.block_trailer)..rel).unwrap_or_default();
                    let cb = le16(raw, 0);
                    if cb != 0 && usize::from(cb) <= layout.block_data_max() {
                        let t = BlockTrailer::decode(layout, raw);
                        let ib = e.saturating_sub(layout.block_size(cb.into()));
                        if ib >= gap.start.max(layout.amap_first) && wanted.contains(&t.bid) && t.sig == signature(Ib(ib), t.bid) {
                            out.push(BbtEntry { bid: t.bid, ib: Ib(ib), cb, cb_inflated: t.cb_inflated, refs: 0 });
                        }
                    }
                    e = e.saturating_add(layout.slot);
                }
            }
            step(monitor, end.saturating_sub(start))?;
            start = end;
        }
    }
    Ok(out)
}

/// The index with more blocks; nodes and facts stay.
pub(super) fn with_blocks(ndb: &Ndb, more: Vec<BbtEntry>) -> Ndb {
    let old = ndb.index();
    let mut blocks = old.blocks().to_vec();
    blocks.extend(more);
    ndb.with_index(old.with_blocks(blocks))
}
