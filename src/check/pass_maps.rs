//! Allocation maps against the space that is really in use ([MS-PST] 2.2.2.7.2–2.2.2.7.6, 2.6.1.3).

use super::Check;
use super::collect::{Cause, Collector};
use crate::error::Result;
use crate::finding::{Finding, Location, Sink};
use crate::format::bytes::{byte, index, le32, low8, wide};
use crate::format::crc::crc;
use crate::format::header::Header;
use crate::format::ids::{Bid, Ib};
use crate::format::layout::Layout;
use crate::format::maps::{DList, bitmap};
use crate::format::page::{BbtEntry, PageTrailer, PageType};
use crate::monitor::step;
use crate::ndb::Ndb;
use crate::ndb::btree::PageFact;
use crate::ndb::space::SpaceMap;
use crate::rules::{self, Rule, Severity};

/// The map of used space, from the trees.
pub(super) fn in_use(ndb: &Ndb, eof: u64) -> SpaceMap {
    let layout = ndb.layout();
    let mut map = SpaceMap::new(layout, eof);
    for p in &ndb.index().facts.pages {
        map.mark(p.bref.ib.0, layout.page());
    }
    for b in ndb.index().blocks() {
        // An entry that lies nowhere takes no space.
        if b.ib.0 >= layout.amap_first && b.ib.0 < eof && usize::from(b.cb) <= layout.block_data_max() {
            map.mark(b.ib.0, b.size_on_disk(layout));
        }
    }
    map
}

/// The places of objects, so that a run of slots leads to its objects without a look at everything else.
struct Places<'i> {
    pages: &'i [PageFact],
    /// Places of them, in the order of the file.
    pages_by_place: Vec<usize>,
    blocks: &'i [BbtEntry],
    /// Places of them, in the order of the file.
    blocks_by_place: &'i [u32],
}

impl<'i> Places<'i> {
    fn new(pages: &'i [PageFact], blocks: &'i [BbtEntry], blocks_by_place: &'i [u32]) -> Self {
        let mut pages_by_place: Vec<usize> = (0..pages.len()).collect();
        pages_by_place.sort_by_key(|i| pages.get(*i).map(|p| p.bref.ib));
        Self { pages, pages_by_place, blocks, blocks_by_place }
    }

    /// Pages, then blocks, that reach into a range, each in the order of the index.
    fn within(&self, layout: &Layout, start: u64, end: u64) -> Vec<(Ib, Bid)> {
        let ib_of_page = |i: &usize| self.pages.get(*i).map_or(0, |p| p.bref.ib.0);
        let from = self.pages_by_place.partition_point(|i| ib_of_page(i).saturating_add(layout.page()) <= start);
        let rest = self.pages_by_place.get(from..).unwrap_or_default();
        let mut pages: Vec<usize> = rest.iter().copied().take_while(|i| ib_of_page(i) < end).collect();
        pages.sort_unstable();
        // no block that lies anywhere is longer
        let longest = layout.block_size(wide(layout.block_data_max()));
        let ib_of_block = |i: &u32| self.blocks.get(*i as usize).map_or(0, |b| b.ib.0);
        let from = self.blocks_by_place.partition_point(|i| ib_of_block(i).saturating_add(longest) <= start);
        let rest = self.blocks_by_place.get(from..).unwrap_or_default();
        let mut blocks: Vec<u32> = rest.iter().copied().take_while(|i| ib_of_block(i) < end).collect();
        blocks.sort_unstable();
        let is_there =
            |b: &&BbtEntry| usize::from(b.cb) <= layout.block_data_max() && b.ib.0.saturating_add(b.size_on_disk(layout)) > start;
        let pages = pages.into_iter().filter_map(|i| self.pages.get(i)).map(|p| (p.bref.ib, p.bref.bid));
        pages.chain(blocks.into_iter().filter_map(|i| self.blocks.get(i as usize)).filter(is_there).map(|b| (b.ib, b.bid))).collect()
    }
}

/// The sum of all sections.
#[derive(Default)]
struct Totals {
    free_slots: u64,
    leaked_slots: u64,
    first_leak: Option<u64>,
    beyond: u64,
    /// A section's map is not valid: totals mean nothing.
    broken: Option<Cause>,
}

/// Every map page, and the totals in the header.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let ndb = &check.ndb;
    let layout = ndb.layout();
    let header = ndb.header();
    let eof = super::pass_header::true_end(ndb);
    let used = in_use(ndb, eof);
    let lost = check.causes.of_blocks().or_else(|| check.causes.of_nodes()).or(check.causes.truncated).or(check.causes.misplaced);
    let lie = Places::new(&ndb.index().facts.pages, ndb.index().blocks(), &check.census.by_place);
    let mut totals = Totals::default();
    for j in 0..layout.amap_count(eof) {
        let mut out = Collector::new(check.options, Some(&check.causes));
        section(ndb, j, eof, &used, &lie, &mut totals, &mut out)?;
        let bad = out.findings.iter().position(|f| is_map_rule(f.rule));
        let places = check.out.merge(out, check.monitor);
        if totals.broken.is_none() {
            totals.broken = bad.and_then(|i| places.get(i).copied().flatten());
        }
        step(check.monitor, 1)?;
    }
    let mut out = Collector::new(check.options, Some(&check.causes));
    compare_totals(ndb, &totals, lost, &mut out)?;
    legacy_maps(ndb, header, &used, &mut out)?;
    density_list(ndb, header, &mut out)?;
    check.out.merge(out, check.monitor);
    check.census.space = Some(used);
    Ok(())
}

fn is_map_rule(rule: &Rule) -> bool {
    let rules = [&rules::AMAP_CRC, &rules::AMAP_TRAILER, &rules::UNREADABLE, &rules::NOT_ALLOCATED, &rules::MAP_SELF];
    rules.iter().any(|r| std::ptr::eq(*r, rule))
}

/// Verifies a map page; tells whether its bits can be used.
fn map_page(ndb: &Ndb, ib: u64, page_type: PageType, rule: &'static Rule, out: &mut Collector<'_>) -> Result<Option<Vec<u8>>> {
    let layout = ndb.layout();
    let at = Location::at(ib);
    let Ok(page) = ndb.bytes(ib, layout.page_size) else {
        let rule = if ib.saturating_add(layout.page()) > ndb.len() { rule } else { &rules::UNREADABLE };
        out.report(Finding::new(rule, at))?;
        return Ok(None);
    };
    let t = PageTrailer::decode(layout, &page);
    let typed = t.page_type == page_type && t.page_type_repeat == page_type.0;
    if typed && t.bid.0 == ib && t.sig == 0 && t.word == 1 {
        let sum = crc(page.get(..layout.page_body()).unwrap_or_default());
        if sum == t.crc {
            if layout.is_ansi() && page.get(..4).is_some_and(|p| p.iter().any(|b| *b != 0)) {
                out.report(Finding::new(&rules::MAP_PADDING, at.with_bid(t.bid)).hex(le32(&page, 0).into(), 0))?;
            }
            return Ok(Some(page.into_owned()));
        }
        let rule = if page_type == PageType::AMAP { &rules::AMAP_CRC } else { rule };
        out.report(Finding::new(rule, at.with_bid(t.bid)).hex(t.crc.into(), sum.into()))?;
        return Ok(None);
    }
    let what =
        if typed { format!("bid {} sig {:#x}", t.bid, t.sig) } else { format!("type {:#04x} {:#04x}", t.page_type.0, t.page_type_repeat) };
    out.report(Finding::new(rule, at).actual(what).expected(page_type.name()))?;
    Ok(None)
}

fn section(ndb: &Ndb, j: u64, eof: u64, used: &SpaceMap, places: &Places<'_>, totals: &mut Totals, out: &mut Collector<'_>) -> Result<()> {
    let layout = ndb.layout();
    let start = layout.amap_at(j);
    let page = map_page(ndb, start, PageType::AMAP, &rules::AMAP_TRAILER, out)?;
    let mut beside = start.saturating_add(layout.page());
    if layout.has_pmap(j)
        && let Some(page) = map_page(ndb, beside, PageType::PMAP, &rules::PMAP_TRAILER, out)?
    {
        free_pages(ndb, j, beside, bitmap(layout, &page), used, out)?;
    }
    beside = beside.saturating_add(layout.page());
    if layout.has_fmap(j) {
        map_page(ndb, beside, PageType::FMAP, &rules::FMAP_TRAILER, out)?;
    } else if layout.has_fpmap(j) {
        map_page(ndb, beside, PageType::FPMAP, &rules::FPMAP_TRAILER, out)?;
    }
    let Some(page) = page else { return Ok(()) };
    let marked = bitmap(layout, &page);
    totals.free_slots = totals.free_slots.saturating_add(marked.iter().map(|b| u64::from(b.count_zeros())).sum());
    let own = index(per_slot(layout, layout.map_pages(j).saturating_mul(layout.page())).div_ceil(8));
    if marked.get(..own).is_some_and(|m| m.iter().any(|b| *b != 0xFF)) {
        out.report(Finding::new(&rules::MAP_SELF, Location::at(start)))?;
    }
    let in_use = used.section(j);
    let slots_in_file = per_slot(layout, eof.saturating_sub(start));
    if in_use == marked && slots_in_file >= layout.slots_per_amap() {
        return Ok(());
    }
    let mut beyond = 0u64;
    let mut gap: Option<(u64, u64)> = None;
    for (k, (m, u)) in marked.iter().zip(in_use).enumerate() {
        if m == u && (*m == 0xFF || wide(k).saturating_mul(8).saturating_add(8) <= slots_in_file) {
            close(layout, places, &mut gap, out);
            continue;
        }
        for bit in 0..8u32 {
            let mask = 0x80u8 >> bit;
            let slot = wide(k).saturating_mul(8).saturating_add(bit.into());
            let ib = start.saturating_add(slot.saturating_mul(layout.slot));
            match (m & mask != 0, u & mask != 0) {
                (false, true) if k >= own => {
                    gap = Some((gap.map_or(ib, |(first, _)| first), ib.saturating_add(layout.slot)));
                    continue;
                }
                (true, false) if slot < slots_in_file => {
                    totals.leaked_slots = totals.leaked_slots.saturating_add(1);
                    totals.first_leak = totals.first_leak.or(Some(ib));
                }
                (false, false) if slot >= slots_in_file => beyond = beyond.saturating_add(1),
                _ => {}
            }
            close(layout, places, &mut gap, out);
        }
    }
    close(layout, places, &mut gap, out);
    totals.beyond = totals.beyond.saturating_add(beyond);
    Ok(())
}

/// The bits of the section that was asked for last.
#[derive(Default)]
struct Marks(Option<(u64, Vec<u8>)>);

impl Marks {
    /// The bits of a section; none where its map cannot be read.
    fn of(&mut self, ndb: &Ndb, j: u64) -> Option<&[u8]> {
        let layout = ndb.layout();
        if self.0.as_ref().is_none_or(|(held, _)| *held != j) {
            let ib = layout.amap_at(j);
            let page = ndb.bytes(ib, layout.page_size).ok()?;
            let t = PageTrailer::decode(layout, &page);
            if t.page_type != PageType::AMAP || !t.is_valid(layout, &page, Ib(ib)) {
                return None;
            }
            self.0 = Some((j, bitmap(layout, &page).to_vec()));
        }
        self.0.as_ref().map(|(_, bits)| bits.as_slice())
    }
}

/// A page map's zero bits: pages that nothing may be using. One bit a page, one byte of an AMap's bits a page.
fn free_pages(ndb: &Ndb, first: u64, ib: u64, free: &[u8], used: &SpaceMap, out: &mut Collector<'_>) -> Result<()> {
    let layout = ndb.layout();
    let a_section = layout.slots_per_amap() >> 3;
    let mut marks = Marks::default();
    for (k, byte) in free.iter().enumerate().filter(|(_, b)| **b != 0xFF) {
        for bit in (0..8u32).filter(|bit| byte & (0x80u8 >> bit) == 0) {
            let page = wide(k).saturating_mul(8).saturating_add(bit.into());
            let (Some(section), Some(rest)) = (page.checked_div(a_section), page.checked_rem(a_section)) else { continue };
            let j = first.saturating_add(section);
            if j >= used.sections() {
                break;
            }
            let at = layout.amap_at(j).saturating_add(rest.saturating_mul(layout.page()));
            let in_use = used.section(j).get(index(rest)).is_some_and(|u| *u != 0);
            // Such a page is set aside: its space is marked as in use and nothing lies there.
            let marked = marks.of(ndb, j).is_none_or(|m| m.get(index(rest)).is_none_or(|m| *m == 0xFF));
            if in_use || !marked {
                return out.report(Finding::new(&rules::PMAP_BITS, Location::at(ib)).actual(format!("page {at:#x}")));
            }
        }
    }
    Ok(())
}

/// How many slots a number of bytes fills.
fn per_slot(layout: &Layout, bytes: u64) -> u64 {
    bytes.checked_div(layout.slot).unwrap_or(0)
}

/// Reports the objects that lie in a run of slots that are in use and marked as free.
fn close(layout: &Layout, places: &Places<'_>, gap: &mut Option<(u64, u64)>, out: &mut Collector<'_>) {
    let Some((start, end)) = gap.take() else { return };
    let there = places.within(layout, start, end);
    if there.is_empty() {
        out.add(Finding::new(&rules::NOT_ALLOCATED, Location::at(start)).actual(format!("{} bytes", end.saturating_sub(start))));
    }
    for (ib, bid) in there {
        out.add(Finding::new(&rules::NOT_ALLOCATED, Location::block(ib, bid)));
    }
}

fn compare_totals(ndb: &Ndb, totals: &Totals, lost: Option<Cause>, out: &mut Collector<'_>) -> Result<()> {
    let layout = ndb.layout();
    let root = &ndb.header().root;
    let free = totals.free_slots.saturating_mul(layout.slot);
    let at = |n: u64| {
        let first: u64 = if layout.is_ansi() { 168 } else { 184 };
        Location::at(first.saturating_add(n.saturating_mul(wide(layout.id_width))))
    };
    if free != root.amap_free {
        // A file that was not closed cleanly says itself that its maps and counts are to be made again.
        let severity = if root.amap_valid == 0 { Severity::Warning } else { rules::FREE_TOTAL.severity };
        // Where the header counts space as free that the maps hold back beyond the space reserved for pages, it is the maps that are wrong.
        let held = totals.leaked_slots.saturating_mul(layout.slot).saturating_sub(root.pmap_free);
        let section = totals.first_leak.and_then(|ib| layout.amap_of(ib)).map(|j| layout.amap_at(j));
        let place = section.filter(|_| free.saturating_add(held) == root.amap_free).map_or(at(2), Location::at);
        out.add_under(Finding::new(&rules::FREE_TOTAL, place).numbers(root.amap_free, free).severity(severity), totals.broken);
    }
    let leaked = totals.leaked_slots.saturating_mul(layout.slot);
    if leaked != root.pmap_free {
        if root.pmap_free == 0 {
            let f = Finding::new(&rules::LEAKED_SPACE, Location::at(totals.first_leak.unwrap_or(0)));
            out.add_under(f.numbers(leaked, 0), lost.or(totals.broken));
        } else {
            let f = Finding::new(&rules::PMAP_FREE_TOTAL, at(3)).numbers(root.pmap_free, leaked);
            out.add_under(f, lost.or(totals.broken));
        }
    }
    if totals.beyond > 0 {
        out.add_under(Finding::new(&rules::BEYOND_EOF_FREE, Location::at(ndb.len())).numbers(totals.beyond, 0), lost);
    }
    Ok(())
}

/// rgbFM: all ones where it is not used; otherwise not below the free space.
fn legacy_maps(ndb: &Ndb, header: &Header, used: &SpaceMap, out: &mut Collector<'_>) -> Result<()> {
    let layout = ndb.layout();
    if !layout.has_pmaps {
        return Ok(());
    }
    for (j, stored) in header.free_map.iter().enumerate() {
        let j = wide(j);
        if *stored == 0xFF || j >= used.sections() {
            continue;
        }
        let run = longest_run(used.section(j)).min(255);
        if u64::from(*stored) < run {
            let base: u64 = if layout.is_ansi() { 204 } else { 256 };
            out.report(Finding::new(&rules::FREE_MAP_BYTES, Location::at(base.saturating_add(j))).numbers((*stored).into(), run))?;
        }
    }
    Ok(())
}

fn longest_run(bits: &[u8]) -> u64 {
    let (mut best, mut run) = (0u64, 0u64);
    for b in bits {
        for bit in 0..8u32 {
            run = if b & (0x80u8 >> bit) == 0 { run.saturating_add(1) } else { 0 };
            best = best.max(run);
        }
    }
    best
}

/// The density list is a hint: stale or missing lists are normal, and only said at the lowest level.
fn density_list(ndb: &Ndb, header: &Header, out: &mut Collector<'_>) -> Result<()> {
    let layout: &Layout = ndb.layout();
    let at = Location::at(layout.dlist);
    let Ok(page) = ndb.bytes(layout.dlist, layout.page_size) else {
        return if layout.dlist.saturating_add(layout.page()) > ndb.len() {
            Ok(())
        } else {
            out.report(Finding::new(&rules::UNREADABLE, at))
        };
    };
    if page.iter().all(|b| *b == 0) {
        return Ok(());
    }
    let t = PageTrailer::decode(layout, &page);
    if t.page_type != PageType::DLIST || t.word != 1 || !t.is_valid(layout, &page, Ib(layout.dlist)) {
        return out.report(Finding::new(&rules::DLIST_STALE, at).actual("no valid page"));
    }
    if t.bid != header.bid_next_page {
        let f = Finding::new(&rules::DLIST_STALE, at.with_bid(t.bid));
        return out.report(f.hex(t.bid.0, header.bid_next_page.0));
    }
    let list = DList::decode(layout, &page);
    let sections = layout.amap_count(header.root.file_eof.0);
    if usize::from(byte(&page, 1)) > layout.dlist_max || list.entries.iter().any(|e| u64::from(e.ordinal) >= sections) {
        return out.report(Finding::new(&rules::DLIST_STALE, at).numbers(low8(wide(list.entries.len())).into(), sections));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use crate::check::census::Census;
    use crate::format::ids::Bref;
    use crate::format::layout::UNICODE;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_in_a_range_is_what_a_look_through_all_finds(
            pages in proptest::collection::vec(0u64..400, 0..20),
            blocks in proptest::collection::vec((0u64..2000, any::<u16>()), 0..60),
            start in 0u64..2100,
            slots in 1u64..100,
        ) {
            let layout = &UNICODE;
            let pages: Vec<PageFact> = pages.iter().map(|p| PageFact { bref: Bref { bid: Bid(*p), ib: Ib(p * 64) }, page_type: PageType::BBT, level: 0 }).collect();
            let blocks: Vec<BbtEntry> = blocks
                .iter()
                .zip(1u64..)
                .map(|((slot, cb), n)| BbtEntry { bid: Bid(n * 4), ib: Ib(slot * 64), cb: cb % 9000, ..BbtEntry::default() })
                .collect();
            let order = Census::order(&blocks);
            let (start, end) = (start * 64, (start + slots) * 64);
            let is_in = |ib: Ib, size: u64| ib.0 < end && ib.0 + size > start;
            let mut naive: Vec<(Ib, Bid)> =
                pages.iter().filter(|p| is_in(p.bref.ib, layout.page())).map(|p| (p.bref.ib, p.bref.bid)).collect();
            let stored = blocks.iter().filter(|b| usize::from(b.cb) <= layout.block_data_max());
            naive.extend(stored.filter(|b| is_in(b.ib, b.size_on_disk(layout))).map(|b| (b.ib, b.bid)));
            prop_assert_eq!(Places::new(&pages, &blocks, &order).within(layout, start, end), naive);
        }
    }
}
