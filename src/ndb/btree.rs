//! The walk over a B-tree of pages, for the node and the block B-tree alike ([MS-PST] 2.2.2.7.7).

use super::Ndb;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Sink};
use crate::format::bytes::wide;
use crate::format::ids::{Bref, Ib};
use crate::format::layout::signature;
use crate::format::page::{BtPage, PageType, TreeEntry};
use crate::rules::{self, Severity};
use std::collections::HashSet;

/// A page that a walk reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageFact {
    /// Its place and the id in its trailer.
    pub bref: Bref,
    /// Type of the tree.
    pub page_type: PageType,
    /// 0 for leaves.
    pub level: u8,
}

/// A page that a walk could not use, and the keys that were in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostPage {
    /// Where its parent says it is.
    pub bref: Bref,
    /// First key.
    pub first: u64,
    /// Key that it ends before, if there is a next page.
    pub end: Option<u64>,
}

/// The finds of a walk over a tree.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct TreeWalk<E> {
    /// The leaves' entries in the order of the tree.
    pub entries: Vec<E>,
    /// Pages reached and used.
    pub pages: Vec<PageFact>,
    /// Pages that could not be used.
    pub lost: Vec<LostPage>,
    /// Whether the keys are strictly ascending.
    pub ordered: bool,
    /// Levels above the leaves.
    pub depth: u8,
}

struct Visit {
    bref: Bref,
    /// Key in the parent; `None` for the root.
    key: Option<u64>,
    /// First key of the next page, if there is one.
    end: Option<u64>,
    /// The next page, if it has the same parent.
    next: Option<Bref>,
    /// Level of the parent; `None` for the root.
    above: Option<u8>,
}

/// Walks the tree under `root`, verifying every page against its parent, and reports the faults.
///
/// # Errors
/// The sink's answer.
pub(crate) fn walk<E: TreeEntry>(ndb: &Ndb, root: Bref, sink: &mut dyn Sink) -> Result<TreeWalk<E>> {
    let layout = ndb.layout();
    let mut out = TreeWalk { entries: Vec::new(), pages: Vec::new(), lost: Vec::new(), ordered: true, depth: 0 };
    let mut seen = HashSet::new();
    let mut last_key = None;
    let mut pending = vec![Visit { bref: root, key: None, end: None, next: None, above: None }];
    while let Some(v) = pending.pop() {
        let at = Location::block(v.bref.ib, v.bref.bid);
        let lost = LostPage { bref: v.bref, first: v.key.unwrap_or(0), end: v.end };
        if !seen.insert(v.bref.ib) {
            sink.report(Finding::new(&rules::PAGE_CYCLE, at))?;
            out.lost.push(lost);
            continue;
        }
        if !place_is_possible(ndb, v.bref.ib) {
            let rule = match (v.key, E::PAGE_TYPE) {
                (Some(_), _) => &rules::PAGE_PLACE,
                (None, PageType::NBT) => &rules::ROOT_NBT,
                (None, _) => &rules::ROOT_BBT,
            };
            sink.report(
                Finding::new(rule, at).stored(v.bref.ib.0).expected("a place for a page: aligned, in the file, behind its first map"),
            )?;
            out.lost.push(lost);
            continue;
        }
        let Ok(bytes) = ndb.bytes(v.bref.ib.0, layout.page_size) else {
            sink.report(Finding::new(&rules::UNREADABLE, at))?;
            out.lost.push(lost);
            continue;
        };
        let mut told = Named { sink, bref: v.bref, tree: E::PAGE_TYPE };
        let Some(page) = BtPage::decode(layout, &bytes, v.bref.ib, E::PAGE_TYPE, &mut told)? else {
            out.lost.push(lost);
            continue;
        };
        if page.trailer.bid != v.bref.bid {
            // One writer is off by one; farther apart, the page is not the one that was meant.
            let far = page.trailer.bid.0.abs_diff(v.bref.bid.0) > 1;
            let severity = if far { Severity::Error } else { rules::PAGE_BID.severity };
            sink.report(Finding::new(&rules::PAGE_BID, at).hex(page.trailer.bid.0, v.bref.bid.0).severity(severity))?;
            if far {
                out.lost.push(lost);
            }
            if page.trailer.sig != signature(v.bref.ib, page.trailer.bid) {
                // neither id nor signature: the bytes of another page
                if !far {
                    out.lost.push(lost);
                }
                continue;
            }
        }
        let level_fits = match v.above {
            Some(above) => page.level.checked_add(1) == Some(above),
            None => page.level <= ndb.limits().tree_depth,
        };
        if !level_fits {
            sink.report(
                Finding::new(&rules::PAGE_LEVEL, at).numbers(page.level.into(), v.above.map_or(0, |a| a.saturating_sub(1)).into()),
            )?;
            if v.above.is_none_or(|above| page.level >= above) {
                out.lost.push(lost);
                continue;
            }
        }
        if v.above.is_none() {
            out.depth = page.level;
        }
        if page.count == 0 && v.above.is_some() {
            sink.report(Finding::new(&rules::PAGE_EMPTY, at))?;
            out.lost.push(lost);
        }
        if !page.intact {
            // Single entries of a torn page may be right: the blocks and nodes that they lead to will tell.
            out.lost.push(lost);
        }
        out.pages.push(PageFact { bref: Bref { bid: page.trailer.bid, ib: v.bref.ib }, page_type: E::PAGE_TYPE, level: page.level });
        if let (Some(want), Some(got)) = (v.key, first_of::<E>(&page))
            && want != got
        {
            sink.report(Finding::new(&rules::KEY_MIN, at).hex(want, got))?;
        }
        let mut before = None;
        let mut check_order = |key: u64, sink: &mut dyn Sink| -> Result<bool> {
            let ok = before.is_none_or(|b| b < key);
            before = Some(key);
            if !ok {
                sink.report(Finding::new(&rules::KEY_ORDER, at).actual(format!("key {key:#x}")))?;
            } else if v.end.is_some_and(|end| key >= end) && v.next.is_none_or(|n| first_key::<E>(ndb, n) == v.end) {
                sink.report(Finding::new(&rules::KEY_RANGE, at).hex(key, v.end.unwrap_or(0)))?;
            }
            Ok(ok)
        };
        if page.level == 0 {
            for e in page.leaf::<E>() {
                let key = e.key();
                if !page.intact && (v.key.is_some_and(|k| key < k) || v.end.is_some_and(|end| key >= end)) {
                    continue;
                }
                if !check_order(key, sink)? || last_key.is_some_and(|l| l >= key) {
                    out.ordered = false;
                }
                last_key = Some(key);
                out.entries.push(e);
            }
        } else {
            let children: Vec<_> = page.children().collect();
            let (mut end, mut next) = (v.end, None);
            let mut visits = Vec::with_capacity(children.len());
            for c in &children {
                check_order(c.key, sink)?;
            }
            for c in children.iter().rev() {
                visits.push(Visit { bref: c.child, key: Some(c.key), end, next, above: Some(page.level) });
                (end, next) = (Some(c.key), Some(c.child));
            }
            if wide(pending.len().saturating_add(visits.len())).saturating_mul(layout.page())
                > ndb.len().saturating_mul(2).saturating_add(1 << 20)
            {
                sink.report(Finding::new(&rules::PAGE_CYCLE, at))?;
                continue;
            }
            pending.extend(visits);
        }
    }
    Ok(out)
}

/// The faults of a page, under the id that its parent gives it and with the tree's name: its own bytes may say anything.
struct Named<'s> {
    sink: &'s mut dyn Sink,
    bref: Bref,
    tree: PageType,
}

impl Sink for Named<'_> {
    fn report(&mut self, mut finding: Finding) -> Result<()> {
        finding.at.bid = Some(self.bref.bid);
        finding.at.page = Some(self.tree);
        self.sink.report(finding)
    }
}

/// The first key of a page.
fn first_of<E: TreeEntry>(page: &BtPage<'_>) -> Option<u64> {
    if page.level == 0 { page.leaf::<E>().next().map(|e| e.key()) } else { page.children().next().map(|e| e.key) }
}

/// The first key of the page at a place: where it differs from the parent's word, the parent is wrong about it, and its neighbour is not.
fn first_key<E: TreeEntry>(ndb: &Ndb, bref: Bref) -> Option<u64> {
    let bytes = ndb.bytes(bref.ib.0, ndb.layout().page_size).ok()?;
    let page = BtPage::decode(ndb.layout(), &bytes, bref.ib, E::PAGE_TYPE, &mut Ignore).ok()??;
    first_of::<E>(&page)
}

/// Whether a page may lie at a place: aligned, inside the file, behind the first AMap and not over a map page.
pub(crate) fn place_is_possible(ndb: &Ndb, ib: Ib) -> bool {
    let layout = ndb.layout();
    ib.0.is_multiple_of(layout.page())
        && ib.0.checked_add(layout.page()).is_some_and(|end| end <= ndb.len())
        && !layout.hits_map(ib.0, layout.page())
}
