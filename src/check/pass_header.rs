//! The header: first by itself, then against the rest of the file ([MS-PST] 2.2.2.6, 2.2.2.5).

use super::Check;
use super::collect::{Causes, Collector};
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::bytes::{byte, wide};
use crate::format::crypt::CryptMethod;
use crate::format::header::{HEADER_MAX, Header, MAGIC};
use crate::format::heap::{ClientSig, HN_SIGNATURE};
use crate::format::ids::{Ib, NidType};
use crate::format::layout::Layout;
use crate::format::page::{PageTrailer, PageType};
use crate::io::ReadAt;
use crate::ndb::Ndb;
use crate::ndb::scan::another_store;
use crate::rules::{self, Severity};

/// The facts that the first bytes of a file show.
pub(super) enum Opening {
    /// A header, perhaps with findings.
    Header(Box<Header>),
    /// No header; the layout is known from pages in the file, and the bytes are read as that layout's header.
    Guessed(Box<Header>),
    /// Not such a file.
    Foreign,
}

/// Reads and verifies the header; where it is none, tells from the pages whether the file is one all the same.
pub(super) fn open(source: &dyn ReadAt, out: &mut Collector<'_>) -> Result<Opening> {
    let len = source.len();
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(HEADER_MAX).min(HEADER_MAX)];
    if source.read_exact_at(&mut bytes, 0).is_err() {
        out.report(Finding::new(&rules::UNREADABLE, Location::at(0)).loss(Loss::Metadata))?;
        bytes.fill(0);
    }
    if let Ok(header) = Header::decode(&bytes, out) {
        if len <= header.layout.amap_first {
            // A header that nothing lies behind: there is nothing to check.
            let least = header.layout.amap_first.saturating_add(header.layout.page());
            out.report(Finding::new(&rules::HEADER_SHORT, Location::at(0)).numbers(len, least).loss(Loss::Item))?;
            return Ok(Opening::Foreign);
        }
        return Ok(Opening::Header(Box::new(header)));
    }
    // The version, if it is a known one, is better evidence than a probe that found nothing.
    let layout = probe(source).or_else(|| Layout::of_version(crate::format::bytes::le16(&bytes, 10)).filter(|_| bytes.starts_with(&MAGIC)));
    match layout {
        Some(layout) if len <= layout.amap_first => Ok(Opening::Foreign),
        Some(layout) => {
            let header = Header::decode_as(layout, &bytes);
            // Fields that are not there have nothing to be compared with.
            if bytes.len() >= layout.header_size {
                header.verify(&bytes, out)?;
            }
            Ok(Opening::Guessed(Box::new(header)))
        }
        None => Ok(Opening::Foreign),
    }
}

/// The layout of which most map pages are found on their grid.
fn probe(source: &dyn ReadAt) -> Option<&'static Layout> {
    let mut best = None;
    for layout in Layout::all() {
        let sections = layout.amap_count(source.len()).min(64);
        let hits = (0..sections).filter(|j| is_map(source, layout, layout.amap_at(*j))).count();
        if hits > best.map_or(0, |(n, _)| n) {
            best = Some((hits, layout));
        }
    }
    best.map(|(_, layout)| layout).or_else(|| probe_trees(source)).or_else(|| probe_blocks(source))
}

/// The layout of the blocks in the first MiBs of the file, where neither a map nor a tree page is left.
fn probe_blocks(source: &dyn ReadAt) -> Option<&'static Layout> {
    const WINDOW: u64 = 1 << 20;
    let end = source.len().min(64 << 20);
    let mut at = 0u64;
    while at < end {
        // a block that begins before the window is seen whole
        let from = at.saturating_sub(1 << 16);
        let mut bytes = vec![0; crate::format::bytes::index(at.saturating_add(WINDOW).min(end).saturating_sub(from))];
        if source.read_exact_at(&mut bytes, from).is_ok()
            && let Some(layout) = Layout::all().into_iter().find(|l| crate::ndb::scan::has_block(l, &bytes, from))
        {
            return Some(layout);
        }
        at = at.saturating_add(WINDOW);
    }
    None
}

fn is_map(source: &dyn ReadAt, layout: &Layout, ib: u64) -> bool {
    let mut page = vec![0; layout.page_size];
    source.read_exact_at(&mut page, ib).is_ok() && {
        let t = PageTrailer::decode(layout, &page);
        t.page_type == PageType::AMAP && t.is_valid(layout, &page, Ib(ib))
    }
}

/// The layout of the first B-tree page in the first MiBs of the file.
fn probe_trees(source: &dyn ReadAt) -> Option<&'static Layout> {
    let end = source.len().min(64 << 20);
    Layout::all().into_iter().find(|layout| {
        let mut page = vec![0; layout.page_size];
        let mut ib = layout.amap_first;
        while ib < end {
            if source.read_exact_at(&mut page, ib).is_ok() {
                let t = PageTrailer::decode(layout, &page);
                if matches!(t.page_type, PageType::BBT | PageType::NBT) && t.is_valid(layout, &page, Ib(ib)) {
                    return true;
                }
            }
            ib = ib.saturating_add(layout.page());
        }
        false
    })
}

/// The header's sizes against the file's.
pub(super) fn sizes(check: &mut Check<'_>) -> Result<()> {
    let (header, layout, len) = (check.ndb.header(), check.ndb.layout(), check.ndb.len());
    let mut out = check.collector();
    let eof = header.root.file_eof.0;
    let mut truncated = None;
    let another = another_store(&check.ndb);
    if eof != len {
        // A file that ends where its last map says has a wrong number in its header; otherwise the place is where the shorter one ends.
        let wrong = ends_right(&check.ndb);
        let place = if wrong { root_field(layout, 0) } else { eof.min(len) };
        let f = Finding::new(&rules::EOF_MISMATCH, Location::at(place)).numbers(eof, len);
        truncated = if eof > len && !wrong {
            out.add(f.loss(Loss::Partial))
        } else {
            // Space behind the end that the header names is in use by nothing.
            // With another store there, the end that the header names is right.
            let severity = if another.is_some() { Severity::Notice } else { Severity::Warning };
            out.add(if wrong { f } else { f.severity(severity) });
            None
        };
    }
    if let Some(place) = another {
        let size = len.saturating_sub(place);
        out.add(Finding::new(&rules::ANOTHER_STORE, Location::at(place)).actual(format!("{size} bytes that begin with a header")));
    }
    let on_grid = eof.checked_sub(layout.amap_first).is_some_and(|d| d != 0 && d.is_multiple_of(layout.amap_interval));
    if !on_grid && eof == len {
        // Outlook 97-2002 let small files end anywhere
        let severity = if layout.is_ansi() { Severity::Notice } else { Severity::Warning };
        out.report(Finding::new(&rules::EOF_GRID, Location::at(len)).numbers(len, grid_end(layout, len)).severity(severity))?;
    }
    let sections = layout.amap_count(if ends_right(&check.ndb) { len } else { eof });
    let last = layout.amap_at(sections.saturating_sub(1));
    if header.root.amap_last.0 != last {
        out.report(Finding::new(&rules::AMAP_LAST, Location::at(root_field(layout, 1))).hex(header.root.amap_last.0, last))?;
    }
    let valid = header.root.amap_valid;
    if !matches!(valid, 1 | 2) {
        out.report(Finding::new(&rules::AMAP_INVALID_FLAG, Location::at(root_field(layout, 8))).numbers(valid.into(), 2))?;
    }
    let places = check.out.merge(out, check.monitor);
    check.causes.truncated = truncated.and_then(|i| places.get(i).copied().flatten());
    Ok(())
}

/// The end of an ANSI file: its offsets have 32 bits, and Outlook refuses it from here on.
const ANSI_END: u64 = 2 << 30;

/// An ANSI file beyond the largest size, and the way out.
pub(super) fn ansi_limit(check: &mut Check<'_>) -> Result<()> {
    let (layout, len) = (check.ndb.layout(), check.ndb.len());
    if !layout.is_ansi() || len <= ANSI_END {
        return Ok(());
    }
    let blocks = check.ndb.index().blocks().iter().map(|b| b.size_on_disk(layout));
    let pages = wide(check.ndb.index().facts.pages.len()).saturating_mul(layout.page());
    let used = blocks.fold(pages, u64::saturating_add);
    let mib = |n: u64| n.div_ceil(1 << 20);
    // maps and the gaps that a writer leaves between blocks take some more
    let way = if used < ANSI_END / 16 * 15 { "compacted, the file is small enough" } else { "it has to become a Unicode file" };
    let f = Finding::new(&rules::ANSI_TOO_LARGE, Location::at(ANSI_END));
    let mut out = check.collector();
    out.report(f.actual(format!("{} MiB, of which {} MiB are in use: {way}", mib(len), mib(used))))?;
    check.out.merge(out, check.monitor);
    Ok(())
}

/// Where the file ends as far as its maps are concerned: where the header says, unless that cannot be and the file's own size can.
pub(super) fn true_end(ndb: &Ndb) -> u64 {
    if ends_right(ndb) { ndb.len() } else { ndb.header().root.file_eof.0.min(ndb.len()) }
}

/// Whether the file ends where a file may end, and it is the header's size that is wrong.
fn ends_right(ndb: &Ndb) -> bool {
    let (layout, root, len) = (ndb.layout(), &ndb.header().root, ndb.len());
    let eof = root.file_eof.0;
    let last = |end: u64| layout.amap_at(layout.amap_count(end).saturating_sub(1));
    // the header's other word on it
    let named = root.amap_last.0 == last(len) && root.amap_last.0 != last(eof);
    eof != len && len == grid_end(layout, len) && (named || eof != grid_end(layout, eof))
}

/// Where the section ends that a file of this size ends in.
fn grid_end(layout: &Layout, len: u64) -> u64 {
    layout.amap_at(layout.amap_count(len))
}

/// Offset in the file of the n-th field of ROOT.
fn root_field(layout: &Layout, n: u64) -> u64 {
    let root: u64 = if layout.is_ansi() { 164 } else { 180 };
    root.saturating_add(4).saturating_add(n.saturating_mul(wide(layout.id_width)))
}

/// Tells the encoding from the first blocks of nodes that must be heaps: each method's count of heads that make sense.
pub(super) fn crypt(check: &mut Check<'_>, ndb: Ndb) -> Result<Ndb> {
    const METHODS: [CryptMethod; 3] = [CryptMethod::None, CryptMethod::Permute, CryptMethod::Cyclic];
    let mut votes = [0u32; 3];
    let mut looked = 0u32;
    let plain = ndb.share().with_crypt(CryptMethod::None);
    for node in plain.index().nodes().iter().filter(|n| is_heap(n.nid.nid_type())) {
        let Some(bid) = first_leaf(&plain, node.data.masked()) else { continue };
        let Some(block) = plain.block(bid, &mut crate::finding::Ignore)? else { continue };
        let Some(head) = crate::format::bytes::array_at::<4>(&block, 0) else { continue };
        for (method, vote) in METHODS.iter().zip(&mut votes) {
            let mut head = head;
            method.decode(&mut head, bid);
            if byte(&head, 2) == HN_SIGNATURE && ClientSig(byte(&head, 3)).is_known() {
                *vote = vote.saturating_add(1);
            }
        }
        looked = looked.saturating_add(1);
        if looked >= 64 {
            break;
        }
    }
    let named = ndb.header().crypt_method();
    let best = METHODS.iter().zip(votes).max_by_key(|(_, v)| *v).filter(|(_, v)| *v > looked / 2).map(|(m, _)| *m);
    let mut out = check.collector();
    if named == Some(CryptMethod::Wip) {
        out.report(Finding::new(&rules::CRYPT_WIP, Location::at(crypt_place(ndb.layout()))))?;
    }
    let chosen = match (named, best) {
        (Some(CryptMethod::Wip), _) | (_, None) => ndb.crypt(),
        (Some(named), Some(best)) => {
            if named != best {
                let f = Finding::new(&rules::CRYPT_DISAGREES, Location::at(crypt_place(ndb.layout())));
                out.report(f.actual(named.to_string()).expected(best.to_string()))?;
            }
            best
        }
        (None, Some(best)) => best,
    };
    check.out.merge(out, check.monitor);
    Ok(ndb.with_crypt(chosen))
}

fn crypt_place(layout: &Layout) -> u64 {
    if layout.is_ansi() { 461 } else { 513 }
}

fn is_heap(t: NidType) -> bool {
    matches!(t.0, 0x02 | 0x03 | 0x04 | 0x08 | 0x0D | 0x0E | 0x0F)
}

/// The first data block under a root.
fn first_leaf(ndb: &Ndb, root: crate::format::ids::Bid) -> Option<crate::format::ids::Bid> {
    let mut bid = root;
    for _ in 0..3 {
        if bid.is_none() {
            return None;
        }
        if !bid.is_internal() {
            return Some(bid);
        }
        let block = ndb.block(bid, &mut crate::finding::Ignore).ok().flatten()?;
        let x = crate::format::block::XBlock::decode(ndb.layout(), &block, Location::NONE, &mut crate::finding::Ignore).ok().flatten()?;
        bid = *x.children.first()?;
    }
    None
}

/// The header's counters against the ids, versions and references that were found.
pub(super) fn counters(check: &mut Check<'_>) -> Result<()> {
    let header = check.ndb.header().clone();
    let ndb = &check.ndb;
    let census = &check.census;
    let mut out = Collector::new(check.options, Some(&check.causes));
    let top_page = ndb.index().facts.pages.iter().map(|p| p.bref.bid.0).max().unwrap_or(0);
    let top_block = ndb.index().blocks().last().map_or(0, |b| b.bid.0 & !3);
    let ansi = ndb.layout().is_ansi();
    let (page_at, block_at) = if ansi { (28, 24) } else { (32, 516) };
    if header.bid_next_page.0 <= top_page {
        out.report(Finding::new(&rules::BID_NEXT_LOW, Location::at(page_at)).hex(header.bid_next_page.0, top_page.saturating_add(1)))?;
    }
    let next = header.bid_next_block.0;
    if next <= top_block || !(next & !1).is_multiple_of(4) {
        let cause = out.add(Finding::new(&rules::BID_NEXT_LOW, Location::at(block_at)).hex(next, top_block.saturating_add(4)));
        out.context = super::collect::Context::Here(cause);
        for b in ndb.index().blocks().iter().rev().take_while(|b| b.bid.0 & !3 >= next) {
            out.add(Finding::new(&rules::BID_ABOVE_NEXT, Location::block(b.ib, b.bid)).hex(b.bid.0, next));
        }
        out.context = super::collect::Context::Free;
    }
    let nids_at: u64 = if ansi { 36 } else { 44 };
    for (t, (top, local)) in census.high_water.iter().zip(census.local_high_water).enumerate() {
        let t8 = NidType(crate::format::bytes::low8(wide(t)));
        // Search folders' companions share other counters, and Outlook's checker exempts them.
        if matches!(t8.0, 0 | 0x06 | 0x07 | 0x10) {
            continue;
        }
        let stored = header.high_water(t8);
        let at = Location::at(nids_at.saturating_add(wide(t).saturating_mul(4)));
        if *top > stored {
            let severity = if is_counted(t8) { rules::NID_HIGH_WATER.severity } else { Severity::Notice };
            out.report(Finding::new(&rules::NID_HIGH_WATER, at).hex(stored.into(), (*top).max(local).into()).severity(severity))?;
        } else if matches!(t8, NidType::ATTACHMENT | NidType::LTP) && local > stored {
            out.report(Finding::new(&rules::NID_HIGH_WATER, at).hex(stored.into(), local.into()).severity(Severity::Warning))?;
        }
    }
    if census.row_version != 0 && header.unique <= census.row_version {
        let at = Location::at(if ansi { 32 } else { 40 });
        out.report(Finding::new(&rules::HEADER_UNIQUE, at).hex(header.unique.into(), u64::from(census.row_version).saturating_add(1)))?;
    }
    if header.orphans != census.orphans {
        let f = Finding::new(&rules::ORPHAN_COUNT, Location::at(if ansi { 164 } else { 176 }));
        out.add_under(f.numbers(header.orphans.into(), census.orphans.into()), lost(&check.causes));
    }
    check.out.merge(out, check.monitor);
    Ok(())
}

/// Whether new nodes of a type take their ids from the header's counter: those of caches and of objects that an offline file keeps beside a
/// folder have the folder's.
fn is_counted(t: NidType) -> bool {
    !matches!(t.0, 0x0A | 0x13..=0x15 | 0x19)
}

/// The faults that make every count over all blocks wrong.
fn lost(causes: &Causes) -> Option<super::collect::Cause> {
    causes.of_blocks().or(causes.truncated)
}
