//! The scan: every page and block in the file that bears a valid trailer, whether a tree names it or not ([MS-PST] 2.2.2.7.1, 2.2.2.8.1).
//!
//! It needs nothing but the layout. In files of Outlook it finds every live block, and older generations of tree pages and blocks that
//! copy-on-write has left behind.

use super::Ndb;
use crate::error::Result;
use crate::format::block::BlockTrailer;
use crate::format::bytes::{index, le16, wide};
use crate::format::crc::crc;
use crate::format::ids::{Bid, Ib};
use crate::format::layout::{Layout, signature};
use crate::format::page::{BbtEntry, PageTrailer, PageType};
use crate::monitor::{Monitor, Phase, step};
use std::borrow::Cow;

/// Bytes looked at in one go; blocks that begin before it and end in it are seen through an overlap.
const WINDOW: u64 = 4 << 20;

/// A page with a valid trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundPage {
    /// Its place.
    pub ib: Ib,
    /// Its id; for tree pages, higher is newer.
    pub bid: Bid,
    /// Its type.
    pub page_type: PageType,
}

/// What the scan found, in file order.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// B-tree pages.
    pub pages: Vec<FoundPage>,
    /// Blocks; `refs` is 0.
    pub blocks: Vec<BbtEntry>,
    /// Ranges that could not be read: offset and length.
    pub unreadable: Vec<(u64, u64)>,
}

/// Scans the whole file.
///
/// # Errors
/// Cancellation.
pub fn scan(ndb: &Ndb, monitor: &dyn Monitor) -> Result<Scan> {
    let layout = ndb.layout();
    let mut out = Scan::default();
    monitor.phase(Phase::Scan, Some(ndb.len()));
    let overlap = wide(layout.block_max);
    let mut start = 0;
    while start < ndb.len() {
        let from = start.saturating_sub(overlap);
        let end = start.saturating_add(WINDOW).min(ndb.len());
        let len = index(end.saturating_sub(from));
        let bytes: Cow<'_, [u8]> = match ndb.bytes(from, len) {
            Ok(b) => b,
            Err(_) => read_in_pieces(ndb, from, len, &mut out.unreadable),
        };
        scan_window(ndb, &bytes, from, start, &mut out);
        step(monitor, end.saturating_sub(start))?;
        start = end;
    }
    Ok(out)
}

/// Reads what can be read, 4 KiB at a time; the rest is zero and told.
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
        {
            let t = PageTrailer::decode(layout, page);
            let ib = Ib(e.saturating_sub(page_size));
            if matches!(t.page_type, PageType::BBT | PageType::NBT) && t.is_valid(layout, page, ib) {
                out.pages.push(FoundPage { ib, bid: t.bid, page_type: t.page_type });
                e = e.saturating_add(slot);
                continue;
            }
        }
        out.blocks.extend(block_before(layout, bytes, from, e));
        e = e.saturating_add(slot);
    }
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
