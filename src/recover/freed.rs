//! The word of the allocation maps on pages and blocks that no tree lists any more ([MS-PST] 2.2.2.7.2, 2.6.1.3.3): one that stands in free
//! space is an older state, or was deleted.
//!
//! A map is believed where its page is whole, marks itself, and marks an object that stands in its section; and never where the
//! header says that the maps are not valid. Objects newer than everything that the maps mark may have been written after the maps.
//!
//! The other way round, space that is marked and holds nothing recognisable is a loss, though nothing names the object that was there ([`unexplained`]).

use super::detect::Detected;
use super::salvage::Salvage;
use crate::format::bytes::{index, round_up, wide};
use crate::format::ids::{Bid, Ib};
use crate::format::layout::Layout;
use crate::format::maps::bitmap;
use crate::format::page::{BbtEntry, PageTrailer, PageType};
use crate::ndb::Ndb;
use crate::ndb::scan::{FoundPage, Scan};
use crate::ndb::space::{SpaceMap, all_marked};
use std::collections::HashSet;

/// The allocation maps that can be believed.
#[derive(Debug)]
pub(super) struct FreeSpace {
    layout: &'static Layout,
    /// The bitmap of each section, where it can be believed.
    sections: Vec<Option<Vec<u8>>>,
    /// The highest ids that stand in space that is marked.
    newest_page: u64,
    newest_block: u64,
}

impl FreeSpace {
    /// Reads the maps of a file in which `found` stands.
    pub(super) fn read(ndb: &Ndb, found: &Scan) -> Self {
        let layout = ndb.layout();
        let mut out = Self { layout, sections: Vec::new(), newest_page: 0, newest_block: 0 };
        if ndb.header().root.amap_valid == 0 {
            return out;
        }
        let count = layout.amap_count(ndb.len());
        let section = |ib: Ib| index(ib.0.saturating_sub(layout.amap_first).checked_div(layout.amap_interval).unwrap_or(0));
        for j in 0..count {
            let at = layout.amap_at(j);
            let page = ndb.bytes(at, layout.page_size).ok().filter(|page| {
                let t = PageTrailer::decode(layout, page);
                t.page_type == PageType::AMAP && t.is_valid(layout, page, Ib(at))
            });
            out.sections.push(page.map(|p| bitmap(layout, &p).to_vec()));
            let own = layout.map_pages(j).saturating_mul(layout.page());
            if out.marks(at, own) != Some(true)
                && let Some(slot) = out.sections.last_mut()
            {
                *slot = None;
            }
        }
        // a map that marks no object is none
        let mut seen = vec![(false, false); out.sections.len()];
        let pages = found.pages.iter().map(|p| (p.ib, layout.page(), p.bid.0, true));
        let blocks = found.blocks.iter().map(|b| (b.ib, b.size_on_disk(layout), b.bid.0, false));
        for (ib, size, bid, is_page) in pages.chain(blocks) {
            let Some(marked) = out.marks(ib.0, size) else { continue };
            if let Some(slot) = seen.get_mut(section(ib)) {
                *slot = (true, slot.1 || marked);
            }
            if marked {
                let newest = if is_page { &mut out.newest_page } else { &mut out.newest_block };
                *newest = bid.max(*newest);
            }
        }
        for (slot, (any, marked)) in out.sections.iter_mut().zip(seen) {
            if any && !marked {
                *slot = None;
            }
        }
        out
    }

    /// Whether all of a range is marked as in use; `None` where no map tells.
    fn marks(&self, ib: u64, size: u64) -> Option<bool> {
        let layout = self.layout;
        let behind = ib.checked_sub(layout.amap_first)?;
        let j = behind.checked_div(layout.amap_interval)?;
        let bits = self.sections.get(index(j))?.as_ref()?;
        let first = index(layout.slot_at(behind.wrapping_sub(j.wrapping_mul(layout.amap_interval))));
        let slots = index(layout.slot_at(round_up(size, layout.slot)));
        Some(all_marked(bits, first, slots))
    }

    /// Whether a tree page stands in free space; `None` where no map tells.
    pub(super) fn page(&self, page: &FoundPage) -> Option<bool> {
        let is_free = !self.marks(page.ib.0, self.layout.page())?;
        (!is_free || page.bid.0 < self.newest_page).then_some(is_free)
    }

    /// Whether a block stands in free space; `None` where no map tells.
    pub(super) fn block(&self, block: &BbtEntry) -> Option<bool> {
        let is_free = !self.marks(block.ib.0, block.size_on_disk(self.layout))?;
        (!is_free || block.bid.0 < self.newest_block).then_some(is_free)
    }
}

/// Bytes that were in use and hold nothing recognisable, in a file whose nodes are not all there: nothing tells the objects in them. Where
/// the block B-tree is whole, it tells; else the allocation maps do.
///
/// Where the map of a section is lost as well, long stretches count that something follows that is left.
/// Tree pages are no content, so as many as the trees must have had are taken off.
///
/// Bytes missing at the end are told apart: where the map of their section is there, only those that it marks are.
pub(super) fn unexplained(detected: &Detected, s: &Salvage) -> Unexplained {
    let (ndb, layout) = (&detected.ndb, detected.ndb.layout());
    let facts = &s.ndb.index().facts;
    if s.lost_nodes.is_empty() {
        return Unexplained::default();
    }
    let (nobodys, unlisted) = nobodys(s);
    let whole_bbt = facts.bbt_lost.is_empty() && facts.pages.iter().any(|p| p.page_type == PageType::BBT);
    // before the first piece that is left stood something, though the maps of it are gone
    let start = detected.moved.as_ref().and_then(|p| p.iter().map(|p| p.at).min()).unwrap_or(0).saturating_sub(layout.amap_first);
    if whole_bbt {
        return Unexplained { inside: nobodys, missing: 0 };
    }
    let eof = detected.length;
    let cut = eof.saturating_sub(ndb.len());
    if ndb.header().root.amap_valid == 0 {
        return Unexplained { inside: nobodys, missing: cut.saturating_add(start) };
    }
    let space = &s.space;
    let mut explained = SpaceMap::new(layout, ndb.len());
    let mut valid = SpaceMap::new(layout, ndb.len());
    let is_inside = |ib: Ib| ib.0 >= layout.amap_first && ib.0 < ndb.len();
    for ib in detected.scan.pages.iter().map(|p| p.ib).filter(|ib| is_inside(*ib)) {
        explained.mark(ib.0, layout.page());
        valid.mark(ib.0, layout.page());
    }
    let lost = facts.nbt_lost.iter().chain(&facts.bbt_lost).map(|l| l.bref.ib);
    for ib in lost.chain(facts.pages.iter().map(|p| p.bref.ib)).filter(|ib| is_inside(*ib)) {
        explained.mark(ib.0, layout.page());
    }
    for b in s.ndb.index().blocks().iter().chain(&s.others).filter(|b| is_inside(b.ib) && !unlisted.contains(&b.bid)) {
        explained.mark(b.ib.0, b.size_on_disk(layout));
        valid.mark(b.ib.0, b.size_on_disk(layout));
    }
    for b in s.lost_blocks.iter().filter(|b| is_inside(b.ib) && !unlisted.contains(&b.bid)) {
        explained.mark(b.ib.0, b.size_on_disk(layout));
    }
    // the pages that trees of so many entries had at most, a quarter full, less those that are there
    let quarter = |entry: usize| layout.bt_meta.checked_div(entry.saturating_mul(4)).unwrap_or(0).max(1);
    let leaves = |n: usize, entry: usize| n.checked_div(quarter(entry)).unwrap_or(0).saturating_add(1);
    let (n, b) = (s.ndb.index().nodes().len(), s.ndb.index().blocks().len());
    let most = leaves(n, layout.nbt_entry).saturating_add(leaves(b, layout.bbt_entry)).saturating_add(8);
    let current = detected.scan.pages.iter().filter(|p| space.page(p) == Some(false)).count();
    let budget = wide(most.saturating_sub(current)).saturating_mul(layout.page());

    let (mut bytes, mut pages) = (0u64, 0u64);
    let end = ndb.len().checked_div(layout.slot).unwrap_or(0).saturating_mul(layout.slot);
    for j in 0..layout.amap_count(ndb.len()) {
        let first = layout.amap_at(j).saturating_add(layout.map_pages(j).saturating_mul(layout.page()));
        let last = layout.amap_at(j.saturating_add(1)).min(end);
        let has_map = space.sections.get(index(j)).is_some_and(Option::is_some);
        let mut at = first;
        // a stretch in which nothing valid stands, and its unexplained part
        let mut stretch = 0u64;
        let mut run = 0u64;
        let mut lost = (0u64, 0u64);
        while at <= last {
            let within = at < last;
            let is_void = within && !valid.any(at, layout.slot);
            let is_lost = is_void && !explained.any(at, layout.slot) && (!has_map || space.marks(at, layout.slot) == Some(true));
            if is_lost {
                run = run.saturating_add(layout.slot);
            } else if run > 0 {
                // whole pages in it may have been tree pages
                let start = at.saturating_sub(run);
                let aligned = start.next_multiple_of(layout.page());
                let whole = at.saturating_sub(aligned).checked_div(layout.page()).unwrap_or(0).saturating_mul(layout.page());
                lost = (lost.0.saturating_add(run.saturating_sub(whole)), lost.1.saturating_add(whole));
                run = 0;
            }
            if is_void {
                stretch = stretch.saturating_add(layout.slot);
            }
            if within && !is_lost && (has_map || stretch >= UNTOLD) || (!within && has_map) {
                // something follows; without a map a short stretch may have been free
                bytes = bytes.saturating_add(lost.0);
                pages = pages.saturating_add(lost.1);
                lost = (0, 0);
            }
            if !is_void {
                (stretch, lost) = (0, (0, 0));
            }
            at = at.saturating_add(layout.slot);
        }
    }
    let inside = bytes.saturating_add(pages.saturating_sub(budget)).saturating_add(nobodys);
    // the section that the end is in may still tell; of those behind nothing is left
    let j = layout.amap_of(end).unwrap_or(0);
    let behind = layout.amap_at(j.saturating_add(1)).min(eof).max(end);
    let missing = match space.sections.get(index(j)).filter(|_| cut > 0) {
        Some(Some(_)) => {
            let slots = behind.saturating_sub(end).checked_div(layout.slot).unwrap_or(0);
            let marked = (0..slots).filter(|n| space.marks(end.saturating_add(n.saturating_mul(layout.slot)), layout.slot) == Some(true));
            wide(marked.count()).saturating_mul(layout.slot).saturating_add(eof.saturating_sub(behind))
        }
        _ => cut,
    };
    Unexplained { inside, missing: missing.saturating_add(start) }
}

/// Bytes that nothing says anything of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Unexplained {
    /// In the file, where something was in use.
    pub(super) inside: u64,
    /// Behind its end or before its beginning.
    pub(super) missing: u64,
}

/// Bytes that hold nothing and count though no map says that they were in use.
const UNTOLD: u64 = 4096;

/// Two sets of blocks, for files whose node tree is not whole. First: the bytes of damaged and lost blocks of the current tree that nothing
/// refers to; they belonged to an object. Second: unreferenced blocks that only an older leaf lists; they may have been freed and used again.
fn nobodys(s: &Salvage) -> (u64, HashSet<Bid>) {
    let ndb = &s.ndb;
    // an entry that is older says nothing of a block that the current tree has: whose it is now is lost with a newer one
    let roots = s.roots();
    let is_nobodys = |b: &&BbtEntry| !roots.contains(&b.bid) && !s.referred.contains(&b.bid) && !s.freed.contains(&b.bid);
    let damaged = s.damaged.iter().filter_map(|bid| ndb.find_block(*bid));
    let (listed, unlisted): (Vec<&BbtEntry>, Vec<_>) = damaged.filter(is_nobodys).partition(|b| s.listed.contains(&b.bid));
    let bytes = listed.into_iter().chain(s.lost_blocks.iter().filter(is_nobodys)).map(|b| u64::from(b.cb)).sum();
    let older: HashSet<Bid> = s.older.iter().flat_map(|o| [o.entry.data.masked(), o.entry.sub.masked()]).collect();
    (bytes, unlisted.into_iter().map(|b| b.bid).filter(|bid| !older.contains(&bid.masked())).collect())
}
