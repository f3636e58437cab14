//! The scan: every page and block in the file that bears a valid trailer, whether a tree names it or not ([MS-PST] 2.2.2.7.1, 2.2.2.8.1).
//!
//! It needs nothing but the layout. In files of Outlook it finds every live block, and older generations of tree pages and blocks that
//! copy-on-write has left behind.

use super::Ndb;
use crate::error::Result;
use crate::finding::Strict;
use crate::format::block::BlockTrailer;
use crate::format::bytes::{index, le16, wide};
use crate::format::crc::crc;
use crate::format::header::{HEADER_MAX, Header, MAGIC};
use crate::format::ids::{Bid, Ib};
use crate::format::layout::{Layout, signature};
use crate::format::page::{BbtEntry, PageTrailer, PageType};
use crate::monitor::{Monitor, Phase, step};
use crate::work::{in_order, threads};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes looked at in one go; blocks that begin before it and end in it are seen through an overlap.
const WINDOW: u64 = 4 << 20;

/// Blocks that are looked at in one go.
const PIECE: usize = 2048;

/// A page with a valid trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPage {
    /// Its place.
    pub ib: Ib,
    /// Its id; for tree pages, higher is newer.
    pub bid: Bid,
    /// Its type.
    pub page_type: PageType,
}

/// The finds of the scan.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Scan {
    /// B-tree pages, in file order.
    pub pages: Vec<FoundPage>,
    /// Blocks, by id, and those with the same id in file order; `refs` is 0.
    pub blocks: Vec<BbtEntry>,
    /// The stretches of the file in which nothing was found, in order.
    pub gaps: Vec<Range<u64>>,
    /// Ranges that could not be read: offset and length.
    pub unreadable: Vec<(u64, u64)>,
}

impl Scan {
    /// The result of a scan that has found nothing.
    pub(crate) fn nothing(ndb: &Ndb) -> Self {
        Self { gaps: std::iter::once(0..ndb.len()).collect(), ..Self::default() }
    }

    /// With pages and blocks in file order: the stretches in which there are none.
    fn gaps_between(&self, layout: &Layout, len: u64) -> Vec<Range<u64>> {
        let mut pages = self.pages.iter().map(|p| p.ib.0..p.ib.0.saturating_add(layout.page())).peekable();
        let mut blocks = self.blocks.iter().map(|b| b.ib.0..b.ib.0.saturating_add(b.size_on_disk(layout))).peekable();
        let mut gaps = Vec::new();
        let mut at = 0u64;
        loop {
            let is_page = match (pages.peek(), blocks.peek()) {
                (Some(p), Some(b)) => p.start < b.start,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let Some(Range { start, end }) = (if is_page { pages.next() } else { blocks.next() }) else { break };
            if start > at {
                gaps.push(at..start.min(len));
            }
            at = at.max(end);
        }
        if at < len {
            gaps.push(at..len);
        }
        gaps
    }

    /// Puts the finds in order.
    fn settle(&mut self, ndb: &Ndb) {
        self.pages.sort_by_key(|p| p.ib);
        self.blocks.sort_by_key(|b| b.ib);
        self.gaps = self.gaps_between(ndb.layout(), ndb.len());
        // ids mostly come in runs, as places do, which a sort that looks for them makes use of
        self.blocks.sort_by_key(|b| (b.bid, b.ib));
    }
}

/// Scans the whole file, whatever its trees say.
///
/// # Errors
/// Cancellation.
pub fn scan(ndb: &Ndb, monitor: &dyn Monitor) -> Result<Scan> {
    let mut out = Scan::default();
    monitor.phase(Phase::Scan, Some(ndb.len()));
    scan_ranges(ndb, std::iter::once(0..ndb.len()), &mut out, monitor)?;
    out.settle(ndb);
    Ok(out)
}

/// The same with the help of the trees: the objects that they list are looked at in their place, and only the gaps between them are scanned,
/// which is quick where little is wrong. An object within the bytes of a valid page or block cannot be valid itself: its signature is made
/// of its place. Blocks that are known to be whole are not read.
///
/// # Errors
/// Cancellation.
pub fn search(ndb: &Ndb, is_whole: &(dyn Fn(&BbtEntry) -> bool + Sync), monitor: &dyn Monitor) -> Result<Scan> {
    let layout = ndb.layout();
    let mut out = Scan::default();
    monitor.phase(Phase::Scan, Some(ndb.len()));
    let mut pages: Vec<_> = ndb.index().facts.pages.iter().map(|p| (p.bref.ib, p.page_type)).collect();
    pages.sort_unstable_by_key(|(ib, _)| *ib);
    pages.dedup_by_key(|(ib, _)| *ib);
    for (ib, page_type) in pages {
        if let Ok(page) = ndb.bytes(ib.0, layout.page_size) {
            out.pages.extend(page_at(layout, &page, ib).filter(|p| p.page_type == page_type));
        }
    }
    let blocks = ndb.index().blocks();
    let block = |i: &u32| blocks.get(*i as usize);
    let mut order: Vec<u32> = (0..).zip(blocks).filter(|(_, b)| b.ib.0.is_multiple_of(layout.slot)).map(|(i, _)| i).collect();
    order.sort_by_key(|i| block(i).map(|b| b.ib));
    order.dedup_by_key(|i| block(i).map(|b| b.ib));
    let pieces: Vec<&[u32]> = order.chunks(PIECE).collect();
    let verify = |piece: &&[u32]| {
        let mut valid = Vec::with_capacity(piece.len());
        let mut bytes = 0u64;
        for b in piece.iter().filter_map(block) {
            let size = b.size_on_disk(layout);
            bytes = bytes.saturating_add(size);
            if b.cb != 0 && usize::from(b.cb) <= layout.block_data_max() && b.ib.0 >= layout.amap_first && is_whole(b) {
                valid.push(BbtEntry { refs: 0, ..*b });
                continue;
            }
            let Ok(raw) = ndb.bytes(b.ib.0, index(size)) else { continue };
            let found = block_before(layout, &raw, b.ib.0, b.ib.0.saturating_add(size));
            valid.extend(found.filter(|found| found.bid == b.bid && found.ib == b.ib));
        }
        step(monitor, bytes)?;
        Ok(valid)
    };
    in_order(threads(), &pieces, &verify, &mut |valid: Vec<BbtEntry>| out.blocks.extend(valid))?;
    drop(order);
    let gaps = out.gaps_between(layout, ndb.len());
    scan_ranges(ndb, gaps.into_iter(), &mut out, monitor)?;
    out.settle(ndb);
    Ok(out)
}

/// Scans some stretches, for objects that end in them.
///
/// # Errors
/// Cancellation.
pub fn scan_ranges(ndb: &Ndb, ranges: impl Iterator<Item = Range<u64>>, out: &mut Scan, monitor: &dyn Monitor) -> Result<()> {
    let overlap = wide(ndb.layout().block_max);
    for range in ranges {
        let (mut start, stop) = (range.start, range.end.min(ndb.len()));
        while start < stop {
            let from = start.saturating_sub(overlap);
            let end = start.saturating_add(WINDOW).min(stop);
            let len = index(end.saturating_sub(from));
            let bytes: Cow<'_, [u8]> = match ndb.bytes(from, len) {
                Ok(b) => b,
                Err(_) => read_in_pieces(ndb, from, len, &mut out.unreadable),
            };
            scan_window(ndb, &bytes, from, start, out);
            step(monitor, end.saturating_sub(start))?;
            start = end;
        }
    }
    Ok(())
}

/// Reads the readable parts, 4 KiB at a time; the rest is zero and told.
fn read_in_pieces(ndb: &Ndb, from: u64, len: usize, unreadable: &mut Vec<(u64, u64)>) -> Cow<'static, [u8]> {
    let mut buf = vec![0; len];
    let mut at = from;
    for piece in buf.chunks_mut(4096) {
        if ndb.source().read_exact_at(piece, at).is_err() {
            piece.fill(0);
            match unreadable.last_mut() {
                Some((start, n)) if start.saturating_add(*n) == at => *n = n.saturating_add(wide(piece.len())),
                Some((start, n)) if *start <= at && at < start.saturating_add(*n) => {}
                _ => unreadable.push((at, wide(piece.len()))),
            }
        }
        at = at.saturating_add(wide(piece.len()));
    }
    Cow::Owned(buf)
}

/// Looks at every slot end in `(start, from + bytes.len()]`.
fn scan_window(ndb: &Ndb, bytes: &[u8], from: u64, start: u64, out: &mut Scan) {
    let layout = ndb.layout();
    let slot = layout.slot;
    let page_size = layout.page();
    let end = from.saturating_add(wide(bytes.len()));
    let mut e = crate::format::bytes::round_up(start.saturating_add(1), slot);
    while e <= end {
        let rel = index(e.saturating_sub(from));
        if e.is_multiple_of(page_size)
            && rel >= layout.page_size
            && let Some(page) = bytes.get(rel.saturating_sub(layout.page_size)..rel)
            && let Some(page) = page_at(layout, page, Ib(e.saturating_sub(page_size)))
        {
            out.pages.push(page);
            e = e.saturating_add(slot);
            continue;
        }
        out.blocks.extend(block_before(layout, bytes, from, e));
        e = e.saturating_add(slot);
    }
}

/// The tree page in a place, if one is there.
fn page_at(layout: &Layout, page: &[u8], ib: Ib) -> Option<FoundPage> {
    let t = PageTrailer::decode(layout, page);
    let is_tree = matches!(t.page_type, PageType::BBT | PageType::NBT);
    (is_tree && t.is_valid(layout, page, ib)).then_some(FoundPage { ib, bid: t.bid, page_type: t.page_type })
}

/// The block that ends at a place, if one does: `bytes` begin at `from` in the file.
fn block_before(layout: &Layout, bytes: &[u8], from: u64, end: u64) -> Option<BbtEntry> {
    let rel = index(end.checked_sub(from)?);
    let raw = bytes.get(rel.checked_sub(layout.block_trailer)?..rel)?;
    if le16(raw, 0) == 0 {
        return None;
    }
    let t = BlockTrailer::decode(layout, raw);
    let ib = end.checked_sub(layout.block_size(t.cb.into()))?;
    let fits = ib >= layout.amap_first && usize::from(t.cb) <= layout.block_data_max();
    if !fits || t.bid.is_none() || t.bid.masked() != t.bid || t.sig != signature(Ib(ib), t.bid) {
        return None;
    }
    let start = index(ib.checked_sub(from)?);
    let data = bytes.get(start..start.saturating_add(t.cb.into()))?;
    (crc(data) == t.crc).then_some(BbtEntry { bid: t.bid, ib: Ib(ib), cb: t.cb, cb_inflated: t.cb_inflated, refs: 0 })
}

/// Whether these bytes are those of a valid page or block at a place, from its first byte to its last.
pub(crate) fn stands_at(layout: &Layout, bytes: &[u8], ib: Ib) -> bool {
    let end = ib.0.saturating_add(wide(bytes.len()));
    let is_page = bytes.len() == layout.page_size && ib.0.is_multiple_of(layout.page()) && page_at(layout, bytes, ib).is_some();
    is_page || block_before(layout, bytes, ib.0, end).is_some_and(|b| b.ib == ib)
}

/// Where another data file begins, behind the end of this one: a header that is whole.
pub(crate) fn another_store(ndb: &Ndb) -> Option<u64> {
    const STEP: u64 = 512;
    const WINDOW: u64 = 1 << 20;
    let is_one = |head: &[u8]| head.starts_with(&MAGIC) && Header::decode(head, &mut Strict).is_ok();
    let (layout, eof) = (ndb.layout(), ndb.header().root.file_eof.0);
    if eof == ndb.len() {
        return None;
    }
    if eof > ndb.len() || eof <= layout.amap_first {
        // where the header is wrong about its end, a store ends with a section: the contents of its mail can be no header in a map's place
        let mut ends = (1..layout.amap_count(ndb.len())).map(|j| layout.amap_at(j));
        return ends.find(|at| ndb.bytes(*at, HEADER_MAX).is_ok_and(|head| is_one(&head)));
    }
    let mut at = eof;
    while at.saturating_add(wide(HEADER_MAX)) <= ndb.len() {
        let end = at.saturating_add(WINDOW).saturating_add(wide(HEADER_MAX)).min(ndb.len());
        let Ok(bytes) = ndb.bytes(at, index(end.saturating_sub(at))) else {
            at = at.saturating_add(WINDOW);
            continue;
        };
        let starts = (0u64..WINDOW).step_by(index(STEP));
        for skip in starts {
            let head = bytes.get(index(skip)..).unwrap_or_default();
            if is_one(head) {
                return Some(at.saturating_add(skip));
            }
        }
        at = at.saturating_add(WINDOW);
    }
    None
}

/// Whether a block of a layout ends somewhere in these bytes, which begin at `from` in the file.
pub fn has_block(layout: &Layout, bytes: &[u8], from: u64) -> bool {
    let end = from.saturating_add(wide(bytes.len()));
    let mut e = crate::format::bytes::round_up(from.saturating_add(1), layout.slot);
    while e <= end {
        if block_before(layout, bytes, from, e).is_some() {
            return true;
        }
        e = e.saturating_add(layout.slot);
    }
    false
}
