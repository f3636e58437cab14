//! Both B-trees: pages against their parents, entries against the file, nodes against each other ([MS-PST] 2.2.2.7.7).

use super::Check;
use super::census::Census;
use super::collect::{Collector, Context};
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::block::BlockTrailer;
use crate::format::bytes::wide;
use crate::format::ids::{Bid, Bref, Ib, Nid, NidType};
use crate::format::page::{BbtEntry, PageTrailer};
use crate::monitor::step;
use crate::ndb::btree::LostPage;
use crate::ndb::{Index, Ndb};
use crate::rules::{self, Severity};
use std::collections::HashMap;

/// Reads both trees; a lost page is the root cause of later misses.
pub(super) fn load(check: &mut Check<'_>, ndb: &Ndb) -> Result<Index> {
    let mut out = check.collector();
    let mut index = Index::load(ndb, &mut out)?;
    let lost = |index: &Index| (index.facts.nbt_lost.len(), index.facts.bbt_lost.len());
    let as_read = lost(&index);
    other_roots(ndb, &mut index, &mut out);
    check.as_read = lost(&index) == as_read;
    let places = check.out.merge(out, check.monitor);
    // The finding about a page is the first one at its place.
    let cause_of = |page: &LostPage, check: &Check<'_>| {
        let found = |at: Location| at.ib == Some(page.bref.ib);
        places.iter().copied().flatten().find(|c| check.out.findings.get(c.0).is_some_and(|f| found(f.at)))
    };
    for page in &index.facts.bbt_lost {
        if let Some(cause) = cause_of(page, check) {
            check.causes.lose_bids(page.first, page.end, cause);
        }
    }
    for page in &index.facts.nbt_lost {
        if let Some(cause) = cause_of(page, check) {
            check.causes.lose_nids(page.first, page.end, cause);
        }
    }
    step(check.monitor, wide(index.facts.pages.len()))?;
    Ok(index)
}

/// A root whose id is not the one that the header names is the wrong page, if what every tree has is missing from it.
fn other_roots(ndb: &Ndb, index: &mut Index, out: &mut Collector<'_>) {
    let root = &ndb.header().root;
    let named = |ib: Ib| move |f: &Finding| std::ptr::eq(f.rule, &rules::PAGE_BID) && f.at.ib == Some(ib);
    let doubted = |bref: Bref, out: &Collector<'_>| out.findings.iter().position(named(bref.ib));
    let own = [Nid::MESSAGE_STORE, Nid::NAME_TO_ID_MAP, Nid::ROOT_FOLDER];
    if let Some(i) = doubted(root.nbt, out)
        && own.iter().any(|n| index.node(*n).is_none())
        && index.facts.nbt_lost.is_empty()
    {
        index.facts.nbt_lost.push(LostPage { bref: root.nbt, first: 0, end: None });
        out.raise_one(i, Severity::Error);
    }
    let nodes = index.nodes().iter().filter(|n| !n.data.is_none());
    let lost = nodes.clone().filter(|n| index.block(n.data).is_none()).count();
    if let Some(i) = doubted(root.bbt, out)
        && lost > nodes.count() >> 1
        && index.facts.bbt_lost.is_empty()
    {
        index.facts.bbt_lost.push(LostPage { bref: root.bbt, first: 0, end: None });
        out.raise_one(i, Severity::Error);
    }
}

/// Places and sizes of blocks and pages: alignment, range, overlaps. Leaves the order of the file in the census.
pub(super) fn places(check: &mut Check<'_>) -> Result<()> {
    let ndb = &check.ndb;
    let layout = ndb.layout();
    let index = ndb.index();
    let blocks = index.blocks();
    let order = Census::order(blocks);
    let mut out = Collector::new(check.options, Some(&check.causes));
    let mut unusable: Vec<(Bid, Option<usize>)> = Vec::new();
    let mut pages: Vec<(u64, Bid)> = ndb.index().facts.pages.iter().map(|p| (p.bref.ib.0, p.bref.bid)).collect();
    pages.sort_unstable_by_key(|p| p.0);
    let mut ids: Vec<(Bid, u64)> = pages.iter().map(|(ib, bid)| (*bid, *ib)).collect();
    ids.sort_unstable();
    for (a, b) in ids.iter().zip(ids.iter().skip(1)).filter(|(a, b)| a.0 == b.0 && a.1 != b.1) {
        out.report(Finding::new(&rules::PAGE_BID_TWICE, Location::at(b.1).with_bid(b.0)).actual(format!("also at {:#x}", a.1)))?;
    }
    let eof = ndb.header().root.file_eof.0;
    // (end, start, id) of the object that reaches farthest so far
    let mut reach: (u64, u64, Bid) = (0, 0, Bid::NONE);
    let mut next_page = pages.iter().copied().peekable();
    // Tells of an overlap, and which of the two is not where its entry says, if that can be told.
    let mut meet = |start: u64, end: u64, bid: Bid, out: &mut Collector<'_>| -> Option<(Bid, Option<usize>)> {
        let mut told = None;
        if start < reach.0 {
            let (mine, other) = ((start, end, bid), (reach.1, reach.0, reach.2));
            // the one whose place has its own trailer is right
            let stray = if is_there(ndb, mine) && !is_there(ndb, other) { other } else { mine };
            let partner = if stray == mine { other } else { mine };
            let f = Finding::new(&rules::OVERLAP, Location::at(stray.0).with_bid(stray.2)).loss(Loss::Partial);
            let place = out.add(f.actual(format!("{} lies from {:#x} to {:#x}", partner.2, partner.0, partner.1)));
            told = (is_there(ndb, partner) && !is_there(ndb, stray)).then_some((stray.2, place));
        }
        if end > reach.0 {
            reach = (end, start, bid);
        }
        told
    };
    for i in &order {
        let Some(b) = blocks.get(*i as usize) else { continue };
        while let Some((ib, bid)) = next_page.next_if(|p| p.0 <= b.ib.0) {
            meet(ib, ib.saturating_add(layout.page()), bid, &mut out);
        }
        let size = b.size_on_disk(layout);
        let end = b.ib.0.saturating_add(size);
        if let Some(place) = misplaced(ndb, b, end, eof, &mut out, check.causes.truncated)? {
            unusable.push((b.bid, place));
            continue;
        }
        unusable.extend(meet(b.ib.0, end, b.bid, &mut out).filter(|(bid, _)| index.block_position(*bid).is_some()));
        if layout.hits_map(b.ib.0, size) {
            let next = layout.amap_of(b.ib.0).map_or(0, |j| layout.amap_at(j.saturating_add(1)));
            let rule = if end > next && next != 0 { &rules::BLOCK_STRADDLES } else { &rules::MAP_OVERLAP };
            out.report(Finding::new(rule, Location::block(b.ib, b.bid)).loss(Loss::Partial))?;
        }
    }
    for (ib, bid) in next_page {
        meet(ib, ib.saturating_add(layout.page()), bid, &mut out);
    }
    let end = reach.0;
    let found = check.out.merge(out, check.monitor);
    if end > eof && eof < ndb.len() {
        // The header cuts off used space.
        check.out.raise(&rules::EOF_MISMATCH, Severity::Error);
    }
    check.causes.misplaced = found.iter().copied().flatten().next();
    for (bid, place) in unusable {
        match place {
            Some(i) => {
                if let Some(cause) = found.get(i).copied().flatten() {
                    check.causes.spoil(bid, cause);
                }
            }
            None => {
                if let Some(cause) = check.causes.truncated {
                    check.causes.spoil(bid, cause);
                }
            }
        }
    }
    check.census.by_place = order;
    Ok(())
}

/// Whether a block or page (start, end, id) bears its id at the place where it must end.
fn is_there(ndb: &Ndb, (start, end, bid): (u64, u64, Bid)) -> bool {
    let layout = ndb.layout();
    let Ok(bytes) = ndb.bytes(start, crate::format::bytes::index(end.saturating_sub(start))) else { return false };
    let tail = bytes.len().checked_sub(layout.block_trailer).and_then(|at| bytes.get(at..)).unwrap_or_default();
    let t = BlockTrailer::decode(layout, tail);
    let block = t.bid == bid && layout.block_size(t.cb.into()) == end.saturating_sub(start);
    let page = bytes.len() == layout.page_size && PageTrailer::decode(layout, &bytes).bid == bid;
    block || page
}

/// Whether a block cannot be where its entry says; with the place of the finding, if one was listed.
fn misplaced(
    ndb: &Ndb,
    b: &BbtEntry,
    end: u64,
    eof: u64,
    out: &mut Collector<'_>,
    truncated: Option<super::collect::Cause>,
) -> Result<Option<Option<usize>>> {
    let layout = ndb.layout();
    let at = Location::block(b.ib, b.bid);
    if usize::from(b.cb) > layout.block_data_max() || b.cb == 0 {
        let most = wide(layout.block_data_max());
        // One writer keeps empty blocks, and Outlook takes them.
        let (severity, loss) = if b.cb == 0 { (Severity::Warning, Loss::None) } else { (Severity::Error, Loss::Partial) };
        let place = out.add(Finding::new(&rules::ENTRY_SIZE, at).numbers(b.cb.into(), most).severity(severity).loss(loss));
        if b.cb != 0 {
            return Ok(Some(place));
        }
    }
    if !b.ib.0.is_multiple_of(layout.slot) || b.ib.0 < layout.amap_first || end > eof.max(ndb.len()) {
        return Ok(Some(out.add(Finding::new(&rules::ENTRY_PLACE, at).stored(b.ib.0).loss(Loss::Partial))));
    }
    if end > ndb.len() {
        let f = Finding::new(&rules::UNREADABLE_BLOCK, at).hex(ndb.len(), end).loss(Loss::Partial);
        return Ok(Some(out.add_under(f, truncated)));
    }
    Ok(None)
}

/// The nodes against each other: types, parents, the way to the root folder.
pub(super) fn nodes(check: &mut Check<'_>) -> Result<()> {
    let index = check.ndb.index();
    let mut out = Collector::new(check.options, Some(&check.causes));
    let mut high_water = [0; 32];
    let mut orphans: HashMap<Nid, Option<usize>> = HashMap::new();
    for n in index.nodes() {
        Census::raise(&mut high_water, n.nid);
        let t = n.nid.nid_type();
        let at = Location::node(n.nid);
        if !t.is_top_level() {
            // Ids of heap items, attachments and values never name a node; the types that nobody has seen may be new ones.
            let severity = if matches!(t.0, 0x00 | 0x05 | 0x1F) { rules::NODE_TYPE.severity } else { Severity::Warning };
            out.report(Finding::new(&rules::NODE_TYPE, at).actual(format!("type {:#04x}", t.0)).severity(severity))?;
            continue;
        }
        if !n.nid.is_reserved() && (is_fixed(t) || is_template(index, n.nid)) {
            out.report(Finding::new(&rules::NODE_UNKNOWN, at))?;
        }
        if n.nid == Nid::ROOT_FOLDER {
            if n.parent != n.nid {
                out.report(Finding::new(&rules::ROOT_PARENT, at).hex(n.parent.0.into(), n.nid.0.into()))?;
            }
        } else if n.nid.is_folder() || n.nid.is_message() {
            let parent = index.node(n.parent).filter(|p| p.nid.nid_type() == NidType::NORMAL_FOLDER);
            if parent.is_none() {
                let f = Finding::new(&rules::NODE_PARENT, at).stored(n.parent.0.into());
                // All that a missing folder held is one finding.
                out.context = orphans.get(&n.parent).map_or(Context::Free, |place| Context::Here(*place));
                let place = out.add_under(f, check.causes.of_node(n.parent));
                orphans.entry(n.parent).or_insert(place);
                out.context = Context::Free;
            }
        } else if !n.parent.is_none() && has_no_parent(n.nid) {
            out.report(Finding::new(&rules::NODE_PARENT_VALUE, at).hex(n.parent.0.into(), 0))?;
        }
    }
    if index.node(Nid::ROOT_FOLDER).is_none() && !index.nodes().is_empty() {
        let f = Finding::new(&rules::NODE_PARENT, Location::node(Nid::ROOT_FOLDER)).actual("no root folder").loss(Loss::Item);
        out.add_under(f, check.causes.of_node(Nid::ROOT_FOLDER));
    }
    cycles(index, &mut out);
    check.census.high_water = high_water;
    check.out.merge(out, check.monitor);
    step(check.monitor, wide(index.nodes().len()))
}

/// Types whose nodes are Outlook's own, each with an id that is fixed.
fn is_fixed(t: NidType) -> bool {
    matches!(t.0, 0x01 | 0x0B | 0x0C | 0x11 | 0x12 | 0x16..=0x18)
}

/// Whether a table stands among the templates: below the ids that are handed out, and without a folder.
fn is_template(index: &Index, nid: Nid) -> bool {
    matches!(nid.nid_type().0, 0x0D..=0x10 | 0x13..=0x15 | 0x19)
        && nid.index() < 0x40
        && [NidType::NORMAL_FOLDER, NidType::SEARCH_FOLDER].iter().all(|t| index.node(nid.with_type(*t)).is_none())
}

/// Queues keep an offset where other nodes have their parent.
fn has_no_parent(nid: Nid) -> bool {
    let own = [Nid::MESSAGE_STORE, Nid::NAME_TO_ID_MAP, Nid::ID_MAP, Nid::MESSAGE_INDEX];
    matches!(nid.nid_type().0, 0x07 | 0x0B..=0x12 | 0x16..=0x18) || own.contains(&nid)
}

/// Folders whose parents do not lead to the root folder.
fn cycles(index: &Index, out: &mut Collector<'_>) {
    // 0 not looked at, 1 leads to the root or to a gap, 2 on the way, 3 in a cycle or behind one
    let folders: Vec<_> = index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_FOLDER).collect();
    let place = |nid: Nid| folders.binary_search_by_key(&nid, |n| n.nid).ok();
    let mut state = vec![0u8; folders.len()];
    let mut way = Vec::new();
    for start in 0..folders.len() {
        let mut at = Some(start);
        way.clear();
        let end = loop {
            let Some(i) = at else { break 1 };
            match state.get(i).copied() {
                Some(0) => {}
                Some(2) => break 3,
                Some(known) => break known,
                None => break 1,
            }
            if let Some(s) = state.get_mut(i) {
                *s = 2;
            }
            way.push(i);
            at = match folders.get(i) {
                Some(n) if n.nid != Nid::ROOT_FOLDER => place(n.parent),
                _ => None,
            };
        };
        for i in &way {
            if let Some(s) = state.get_mut(*i) {
                *s = end;
            }
        }
    }
    let looping = folders.iter().zip(&state).filter(|(_, s)| **s == 3).map(|(n, _)| n);
    out.context = Context::Free;
    for n in looping {
        out.add(Finding::new(&rules::PARENT_CYCLE, Location::node(n.nid)).stored(n.parent.0.into()));
    }
}
