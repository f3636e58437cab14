//! The sweep: every listed block, in the order of the file, against its trailer and its entry ([MS-PST] 2.2.2.8.1).
//!
//! This is the hot loop. It touches each byte once; blocks that list other blocks are taken apart on the way, while they are in the
//! cache, and the references in them are counted (see [`super::pass_refs`]).

use super::Check;
use super::census::Counter;
use super::collect::{Causes, Collector};
use super::kept::Kept;
use super::pass_refs::{Structures, look_inside};
use super::report::CheckOptions;
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::block::{BlockFacts, verify_block};
use crate::format::bytes::index;
use crate::format::ids::Bid;
use crate::format::page::BbtEntry;
use crate::monitor::step;
use crate::ndb::Ndb;
use crate::rules;
use crate::work::in_order;
use std::borrow::Cow;

/// Blocks that one piece of work covers.
const PIECE: usize = 2048;

/// The result of a piece of work.
struct Swept<'c> {
    out: Collector<'c>,
    /// Blocks that are not to be trusted, and their first finding's place.
    bad: Vec<(Bid, Option<usize>)>,
    structures: Structures,
    /// Blocks that are not whole in each respect.
    doubtful: Vec<Bid>,
    /// A block is not where an earlier check found it.
    moved: bool,
}

/// Verifies all blocks and counts the references between them.
pub(super) fn run(check: &mut Check<'_>, counter: &Counter<'_>) -> Result<Structures> {
    let (ndb, causes, options, monitor) = (&check.ndb, &check.causes, check.options, check.monitor);
    let earlier = check.memory.earlier();
    let pieces: Vec<&[u32]> = check.census.by_place.chunks(PIECE).collect();
    let mut all = Structures::default();
    let mut bad = Vec::new();
    let (mut doubtful, mut moved) = (Vec::new(), false);
    let (out, pages) = (&mut check.out, &mut all);
    in_order(
        options.threads,
        &pieces,
        &|piece: &&[u32]| {
            let mut swept = Swept::new(options, causes);
            let bytes = sweep(ndb, piece, causes, counter, earlier, &mut swept)?;
            step(monitor, bytes)?;
            Ok(swept)
        },
        &mut |swept: Swept<'_>| {
            let places = out.merge(swept.out, monitor);
            bad.extend(swept.bad.into_iter().map(|(bid, i)| (bid, i.and_then(|i| places.get(i).copied().flatten()))));
            pages.extend(swept.structures);
            doubtful.extend(swept.doubtful);
            moved |= swept.moved;
        },
    )?;
    if moved {
        check.memory.forget();
    }
    check.memory.doubtful = doubtful;
    for (bid, cause) in bad {
        match cause {
            Some(cause) => check.causes.spoil(bid, cause),
            None => check.causes.distrust(bid),
        }
    }
    Ok(all)
}

fn sweep(ndb: &Ndb, piece: &[u32], causes: &Causes, counter: &Counter<'_>, earlier: Option<&Kept>, swept: &mut Swept<'_>) -> Result<u64> {
    let layout = ndb.layout();
    let blocks = ndb.index().blocks();
    let mut bytes = 0u64;
    for i in piece {
        let Some(b) = blocks.get(*i as usize) else { continue };
        if causes.is_bad(b.bid) {
            swept.doubtful.push(b.bid);
            continue;
        }
        let size = b.size_on_disk(layout);
        bytes = bytes.saturating_add(size);
        let first = swept.out.findings.len();
        swept.moved |= earlier.is_some_and(|k| k.lists(b) == Some(false));
        if layout.hits_map(b.ib.0, size) {
            // it may be overwritten with the map
            swept.doubtful.push(b.bid);
        }
        let is_known = earlier.is_some_and(|k| k.is_whole(b));
        if is_known && !b.bid.is_internal() {
            continue;
        }
        let raw = match ndb.bytes(b.ib.0, index(size)) {
            Ok(raw) => raw,
            Err(_) => {
                swept.out.report(Finding::new(&rules::UNREADABLE, Location::block(b.ib, b.bid)).loss(Loss::Partial))?;
                swept.spoil(b, first);
                swept.doubtful.push(b.bid);
                continue;
            }
        };
        let known = BlockFacts { bid: b.bid, ib: b.ib, cb: b.cb, cb_inflated: b.cb_inflated };
        let mut whole = is_known || verify_block(layout, &raw, &known, &mut swept.out)?;
        if !whole {
            swept.doubtful.push(b.bid);
            whole = !swept.spoil(b, first);
        }
        if b.bid.is_internal() {
            let data = if layout.compresses() && b.is_compressed() {
                ndb.block_at(b, &mut crate::finding::Ignore)?.unwrap_or_default()
            } else {
                Cow::Borrowed(raw.get(..usize::from(b.cb)).unwrap_or_default())
            };
            let inside = swept.out.findings.len();
            look_inside(ndb, b, *i, &data, whole, counter, &mut swept.structures, &mut swept.out)?;
            // A reference that a list cannot tell is missing elsewhere because of it.
            let here = swept.out.findings.get(inside..).unwrap_or_default();
            let unreadable = |f: &Finding| std::ptr::eq(f.rule, &rules::XBLOCK_HEAD) || std::ptr::eq(f.rule, &rules::SUBNODE_HEAD);
            if let Some(n) = here.iter().position(|f| unreadable(f) && f.at.bid == Some(b.bid) && f.loss > Loss::None) {
                swept.bad.push((b.bid, Some(inside.saturating_add(n))));
            }
        } else if layout.compresses() && b.is_compressed() && whole {
            ndb.block_at(b, &mut swept.out)?;
            if swept.spoil(b, first) {
                swept.doubtful.push(b.bid);
            }
        }
    }
    Ok(bytes)
}

impl<'c> Swept<'c> {
    fn new(options: &'c CheckOptions, causes: &'c Causes) -> Self {
        let out = Collector::new(options, Some(causes));
        Self { out, bad: Vec::new(), structures: Structures::default(), doubtful: Vec::new(), moved: false }
    }

    /// Takes note of a block about which findings of weight were listed from `first` on; tells whether there are any.
    fn spoil(&mut self, b: &BbtEntry, first: usize) -> bool {
        let here = self.out.findings.get(first..).unwrap_or_default();
        let Some(i) = here.iter().position(|f| f.loss > Loss::None || f.severity >= rules::Severity::Error) else {
            return false;
        };
        self.bad.push((b.bid, Some(first.saturating_add(i))));
        true
    }
}
