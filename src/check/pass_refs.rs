//! Data trees, sub-node trees and reference counts ([MS-PST] 2.2.2.8.3, 2.2.2.7.7.3).
//!
//! A reference counts once for each structure on disk that holds it, so nothing has to be walked: the nodes' roots and the blocks that
//! list others are all the references there are. Each listing block is looked at once, in the sweep; what needs more than one block
//! (totals of two levels, cycles) is kept small and looked at afterwards.

use super::Check;
use super::census::{Census, Counter};
use super::collect::Collector;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink, Value};
use crate::format::block::{SubnodeBlock, XBlock};
use crate::format::bytes::{low16, wide};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::BbtEntry;
use crate::monitor::step;
use crate::ndb::Ndb;
use crate::rules::{self, Severity};
use std::collections::HashMap;

/// An XBLOCK, for the block above it.
#[derive(Debug, Clone, Copy)]
struct XFacts {
    total: u64,
    last_full: bool,
}

/// An XXBLOCK: place in the index, total as stored, children.
#[derive(Debug)]
struct Xx {
    block: BbtEntry,
    total: u64,
    children: Vec<Bid>,
}

/// The facts that listing blocks have shown.
#[derive(Debug, Default)]
pub(super) struct Structures {
    xs: HashMap<u64, XFacts>,
    xxs: Vec<Xx>,
    /// From a sub-node block to the sub-node block of one of its sub-nodes, or to one that it indexes.
    nested: Vec<(u64, u64)>,
    /// Highest index of each type among the sub-nodes.
    pub local_high_water: [u32; 32],
    /// Listing blocks looked at.
    pub count: u64,
}

impl Structures {
    pub(super) fn extend(&mut self, other: Self) {
        self.xs.extend(other.xs);
        self.xxs.extend(other.xxs);
        self.nested.extend(other.nested);
        for (mine, theirs) in self.local_high_water.iter_mut().zip(other.local_high_water) {
            *mine = (*mine).max(theirs);
        }
        self.count = self.count.saturating_add(other.count);
    }
}

/// Takes a listing block apart: counts its references, and verifies them against the entries that they lead to.
#[allow(clippy::too_many_arguments, reason = "the sweep's state, without a struct built for each block")]
pub(super) fn look_inside(
    ndb: &Ndb,
    b: &BbtEntry,
    _place: u32,
    data: &[u8],
    whole: bool,
    counter: &Counter<'_>,
    facts: &mut Structures,
    out: &mut Collector<'_>,
) -> Result<()> {
    let at = Location::block(b.ib, b.bid);
    facts.count = facts.count.saturating_add(1);
    if !whole {
        // Its references are counted where they make sense; its faults has been said.
        let children = XBlock::decode(ndb.layout(), data, at, &mut Ignore)?.map(|x| x.children).unwrap_or_default();
        for c in children {
            counter.count(c);
        }
        if data.first() == Some(&crate::format::block::BTYPE_SUBNODE)
            && let Some(SubnodeBlock::Leaf(entries)) = SubnodeBlock::decode(ndb.layout(), data, at, &mut Ignore)?
        {
            for e in entries {
                counter.count(e.data);
                counter.count(e.sub);
            }
        }
        return Ok(());
    }
    if data.first() == Some(&crate::format::block::BTYPE_DATA) {
        match XBlock::decode(ndb.layout(), data, at, out)? {
            Some(x) if x.level == 1 => list_of_leaves(ndb, b, &x, counter, facts, out),
            Some(x) => {
                for c in &x.children {
                    if counter.count(*c).is_none() {
                        missing(out, at, *c, None)?;
                    }
                    if !c.is_internal() {
                        out.report(Finding::new(&rules::XBLOCK_CHILD, at).hex(c.0, c.0 | 2).loss(Loss::Partial))?;
                    }
                }
                facts.xxs.push(Xx { block: *b, total: x.total.into(), children: x.children });
                Ok(())
            }
            None => Ok(()),
        }
    } else {
        match SubnodeBlock::decode(ndb.layout(), data, at, out)? {
            Some(block) => list_of_subnodes(ndb, b, &block, counter, facts, out),
            None => Ok(()),
        }
    }
}

fn missing(out: &mut Collector<'_>, at: Location, bid: Bid, sub: Option<Nid>) -> Result<()> {
    out.report(Finding::new(&rules::BLOCK_REF_MISSING, Location { bid: Some(bid), sub, ..at }).loss(Loss::Partial))
}

fn list_of_leaves(
    ndb: &Ndb,
    b: &BbtEntry,
    x: &XBlock,
    counter: &Counter<'_>,
    facts: &mut Structures,
    out: &mut Collector<'_>,
) -> Result<()> {
    let at = Location::block(b.ib, b.bid);
    let full = wide(ndb.layout().block_data_max());
    let last = x.children.len().saturating_sub(1);
    let (mut total, mut last_full, mut known) = (0u64, false, true);
    for (i, c) in x.children.iter().enumerate() {
        let Some(e) = counter.count(*c) else {
            missing(out, at, *c, None)?;
            known = false;
            continue;
        };
        if c.is_internal() {
            out.report(Finding::new(&rules::XBLOCK_CHILD, at).hex(c.0, c.0 & !2).loss(Loss::Partial))?;
            known = false;
            continue;
        }
        let len = u64::from(e.cb_inflated);
        total = total.saturating_add(len);
        last_full = len == full;
        if i != last && !last_full {
            let place = Location { bid: Some(*c), ib: Some(e.ib), ..at };
            out.report(Finding::new(&rules::LEAF_NOT_FULL, place).numbers(len, full))?;
        }
    }
    if known && total != u64::from(x.total) {
        out.report(Finding::new(&rules::XBLOCK_TOTAL, at).numbers(x.total.into(), total))?;
    }
    facts.xs.insert(b.bid.0, XFacts { total, last_full });
    Ok(())
}

fn list_of_subnodes(
    ndb: &Ndb,
    b: &BbtEntry,
    block: &SubnodeBlock,
    counter: &Counter<'_>,
    facts: &mut Structures,
    out: &mut Collector<'_>,
) -> Result<()> {
    let at = Location::block(b.ib, b.bid);
    let mut before = None;
    let mut in_order = |nid: Nid, out: &mut Collector<'_>| -> Result<()> {
        if before.is_some_and(|b| b >= nid) {
            out.report(Finding::new(&rules::SUBNODE_ORDER, at.with_sub(nid)))?;
        }
        before = Some(nid);
        Ok(())
    };
    match block {
        SubnodeBlock::Leaf(entries) => {
            for e in entries {
                in_order(e.nid, out)?;
                let t = e.nid.nid_type();
                // A table has one id among the sub-nodes of its object: under another one nobody finds it.
                let renamed = match t.0 {
                    0x11 => e.nid != Nid::ATTACHMENT_TABLE,
                    0x12 => e.nid != Nid::RECIPIENT_TABLE,
                    _ => false,
                };
                if renamed {
                    let f = Finding::new(&rules::SUBNODE_TYPE, at.with_sub(e.nid)).actual("a table under an id of its own");
                    out.report(f.severity(Severity::Error).loss(Loss::Metadata))?;
                } else if !t.is_local() {
                    out.report(Finding::new(&rules::SUBNODE_TYPE, at.with_sub(e.nid)).hex(t.0.into(), 0x1F))?;
                }
                if matches!(t, NidType::ATTACHMENT | NidType::LTP) {
                    Census::raise(&mut facts.local_high_water, e.nid);
                }
                if !e.data.is_none() {
                    if counter.count(e.data).is_none() {
                        missing(out, at, e.data, Some(e.nid))?;
                    }
                } else if matches!(t.0, 0x04 | 0x05 | 0x09 | 0x11 | 0x12) {
                    out.report(Finding::new(&rules::SUBNODE_EMPTY, at.with_sub(e.nid)).loss(Loss::Partial))?;
                }
                if !e.sub.is_none() {
                    facts.nested.push((b.bid.0, e.sub.0));
                    if !e.sub.is_internal() {
                        out.report(Finding::new(&rules::SUBNODE_HEAD, at.with_sub(e.nid).with_bid(e.sub)).loss(Loss::Partial))?;
                    }
                    if counter.count(e.sub).is_none() {
                        missing(out, at, e.sub, Some(e.nid))?;
                    }
                }
            }
        }
        SubnodeBlock::Index(level, entries) => {
            if *level > 1 {
                out.report(Finding::new(&rules::DATA_TREE_DEPTH, at).numbers((*level).into(), 1).severity(Severity::Warning))?;
            }
            for e in entries {
                in_order(e.nid, out)?;
                facts.nested.push((b.bid.0, e.bid.0));
                if counter.count(e.bid).is_none() {
                    missing(out, at, e.bid, None)?;
                } else if let Some(child) = ndb.block(e.bid, &mut Ignore)?
                    && let Some(first) = first_of(ndb, &child)?
                    && first != e.nid
                {
                    out.report(Finding::new(&rules::SUBNODE_KEY, at.with_bid(e.bid)).hex(e.nid.0.into(), first.0.into()))?;
                }
            }
        }
    }
    Ok(())
}

fn first_of(ndb: &Ndb, data: &[u8]) -> Result<Option<Nid>> {
    Ok(match SubnodeBlock::decode(ndb.layout(), data, Location::NONE, &mut Ignore)? {
        Some(SubnodeBlock::Leaf(l)) => l.first().map(|e| e.nid),
        Some(SubnodeBlock::Index(_, l)) => l.first().map(|e| e.nid),
        None => None,
    })
}

/// The nodes' roots, and rules that need more than one block.
pub(super) fn roots(check: &mut Check<'_>, counter: &Counter<'_>, facts: &Structures) -> Result<()> {
    let ndb = &check.ndb;
    let mut out = Collector::new(check.options, Some(&check.causes));
    for n in ndb.index().nodes() {
        let at = Location::node(n.nid);
        let (data, sub) = (n.data.masked(), n.sub.masked());
        if data.is_none() {
            if needs_data(n.nid.nid_type()) {
                out.report(Finding::new(&rules::NODE_DATA_MISSING, at).actual("none").loss(Loss::Item))?;
            }
        } else if counter.count(data).is_none() {
            out.report(Finding::new(&rules::NODE_DATA_MISSING, at.with_bid(data)).stored(data.0).loss(Loss::Item))?;
        }
        if !sub.is_none() {
            if counter.count(sub).is_none() {
                out.report(Finding::new(&rules::NODE_SUB_MISSING, at.with_bid(sub)).stored(sub.0).loss(Loss::Partial))?;
            } else if !sub.is_internal() {
                out.report(Finding::new(&rules::SUBNODE_HEAD, at.with_bid(sub)).loss(Loss::Partial))?;
            }
        }
    }
    two_levels(ndb, facts, &mut out)?;
    nesting(ndb, facts, counter, &mut out)?;
    check.out.merge(out, check.monitor);
    step(check.monitor, wide(ndb.index().nodes().len()))
}

/// Folders, messages and tables hold data; queues and lists may be empty.
fn needs_data(t: NidType) -> bool {
    matches!(t.0, 0x02 | 0x04 | 0x08 | 0x0D | 0x0E | 0x0F | 0x11 | 0x12)
}

fn two_levels(ndb: &Ndb, facts: &Structures, out: &mut Collector<'_>) -> Result<()> {
    for xx in &facts.xxs {
        let at = Location::block(xx.block.ib, xx.block.bid);
        let mut total = 0u64;
        let last = xx.children.len().saturating_sub(1);
        let mut known = true;
        for (i, c) in xx.children.iter().enumerate() {
            match facts.xs.get(&c.masked().0) {
                Some(x) => {
                    total = total.saturating_add(x.total);
                    if i != last && !x.last_full {
                        let f = Finding::new(&rules::LEAF_NOT_FULL, at.with_bid(*c));
                        out.report(f.expected(ndb.layout().block_data_max().to_string()))?;
                    }
                }
                None => {
                    known = false;
                    if facts.xxs.iter().any(|other| other.block.bid == c.masked()) {
                        out.report(Finding::new(&rules::DATA_TREE_DEPTH, at.with_bid(*c)).loss(Loss::Partial))?;
                    }
                }
            }
        }
        if known && total != xx.total {
            out.report(Finding::new(&rules::XBLOCK_TOTAL, at).numbers(xx.total, total))?;
        }
    }
    Ok(())
}

/// Sub-nodes of sub-nodes that come back to themselves.
fn nesting(ndb: &Ndb, facts: &Structures, counter: &Counter<'_>, out: &mut Collector<'_>) -> Result<()> {
    let mut edges = facts.nested.clone();
    edges.sort_unstable();
    let below = |bid: u64| {
        let start = edges.partition_point(|(from, _)| *from < bid);
        edges.get(start..).unwrap_or_default().iter().take_while(move |(from, _)| *from == bid).map(|(_, to)| *to)
    };
    let mut done = HashMap::new();
    for (start, _) in edges.iter() {
        if done.contains_key(start) {
            continue;
        }
        // false: on the way, true: finished
        let mut stack = vec![(*start, below(*start).collect::<Vec<_>>())];
        done.insert(*start, false);
        while let Some((bid, rest)) = stack.last_mut() {
            let bid = *bid;
            match rest.pop() {
                None => {
                    done.insert(bid, true);
                    stack.pop();
                }
                Some(next) => match done.get(&next) {
                    Some(true) => {}
                    Some(false) => {
                        let ib = counter.entry(Bid(bid)).map(|e| e.ib);
                        let at = Location { ib, bid: Some(Bid(next)), ..Location::NONE };
                        out.report(Finding::new(&rules::SUBNODE_CYCLE, at).loss(Loss::Partial))?;
                    }
                    None => {
                        if stack.len() > usize::from(ndb.limits().embedded_depth).saturating_mul(4) {
                            let at = Location { bid: Some(Bid(next)), ..Location::NONE };
                            out.report(Finding::new(&rules::DATA_TREE_DEPTH, at).loss(Loss::Partial))?;
                            done.insert(next, true);
                            continue;
                        }
                        done.insert(next, false);
                        stack.push((next, below(next).collect()));
                    }
                },
            }
        }
    }
    Ok(())
}

/// The counts against those of the block B-tree.
pub(super) fn compare(check: &mut Check<'_>) -> Result<()> {
    let blocks = check.ndb.index().blocks();
    let mut out = Collector::new(check.options, Some(&check.causes));
    // Where a list of blocks or a node is lost, its references are lost with it.
    let lost = check.causes.of_nodes().or_else(|| check.causes.of_blocks()).or_else(|| check.causes.bad_internal());
    let mut orphans = 0u32;
    for (b, counted) in blocks.iter().zip(&check.census.references) {
        if b.refs <= 1 {
            orphans = orphans.saturating_add(1);
        }
        let expected = u64::from(*counted).saturating_add(1);
        if expected.min(0xFFFF) == u64::from(b.refs) && *counted > 0 {
            continue;
        }
        let at = Location::block(b.ib, b.bid);
        if *counted == 0 {
            // Outlook leaves unreferenced blocks with a count of at most 1; a higher count says that something lost them.
            let severity = if b.refs <= 1 { Severity::Notice } else { Severity::Error };
            out.add_under(Finding::new(&rules::ORPHAN_BLOCK, at).actual(Value::Number(b.refs.into())).severity(severity), lost);
        } else {
            let f = Finding::new(&rules::REF_COUNT, at).numbers(b.refs.into(), low16(expected.min(0xFFFF)).into());
            out.add_under(f, lost);
        }
    }
    check.census.orphans = orphans;
    check.out.merge(out, check.monitor);
    Ok(())
}
