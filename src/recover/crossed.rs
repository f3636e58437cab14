//! Crossed links: a node whose entry names another message's properties, with every checksum right ([MS-PST] 2.2.2.7.7.4).
//!
//! Two nodes may share a block, and the block then counts both. Where it counts fewer, one of the nodes had properties of its own: they
//! are still in the block B-tree, and nothing refers to them. The row of the folder and the node's own sub-nodes tell which they are.

use super::choose::{Claim, choose};
use super::evidence::RowsOf;
use super::exchanged::{is_of_size, serves};
use super::join::Doubt;
use super::kinds::{self, LIKE, Question};
use super::orphans::{Object, Shape, Subnodes, counted_subnodes, object};
use super::salvage::Salvage;
use super::values::{Values, likeness};
use crate::error::Result;
use crate::finding::Location;
use crate::format::ids::{Bid, Nid};
use crate::format::page::NbtEntry;
use crate::monitor::{Monitor, step};
use crate::ndb::Ndb;
use std::collections::HashMap;

/// Messages whose entries name the same properties more often than these are counted.
pub(super) fn shared(ndb: &Ndb) -> Vec<NbtEntry> {
    let nodes = ndb.index().nodes();
    let mut data: Vec<Bid> = nodes.iter().filter(|n| n.nid.is_message() && !n.data.is_none()).map(|n| n.data.masked()).collect();
    data.sort_unstable();
    let is_crossed = |same: &&[Bid]| {
        let named = same.len();
        let refs = same.first().and_then(|b| ndb.find_block(*b)).map_or(usize::MAX, |b| usize::from(b.refs));
        named > 1 && refs < named.saturating_add(1)
    };
    let crossed: Vec<Bid> = data.chunk_by(|a, b| a == b).filter(is_crossed).filter_map(|same| same.first().copied()).collect();
    if crossed.is_empty() {
        return Vec::new();
    }
    nodes.iter().filter(|n| n.nid.is_message() && crossed.binary_search(&n.data.masked()).is_ok()).copied().collect()
}

/// How well properties fit a node: its row, and the size with its own sub-nodes.
fn fit(row: Option<&Values>, o: &Object, sub: Option<&Subnodes>) -> (i32, bool, bool) {
    let like = row.and_then(|row| likeness(row, &o.values)).unwrap_or(0);
    (if like >= LIKE { like } else { 0 }, serves(o, sub), sub.is_some() && is_of_size(o, sub))
}

/// Gives nodes that name another message's properties their own; answers those for which none were found.
///
/// # Errors
/// Cancellation.
pub(super) fn uncross(s: &mut Salvage, monitor: &dyn Monitor) -> Result<HashMap<Nid, Doubt>> {
    let crossed = shared(&s.ndb);
    if crossed.is_empty() {
        return Ok(HashMap::new());
    }
    let orphans = unnamed(s, monitor)?;
    let mut rows = RowsOf::new(&s.ndb);
    let (mut claims, mut doubted) = (Vec::new(), HashMap::new());
    for n in &crossed {
        step(monitor, 0)?;
        let at = Location::node(n.nid);
        let row = rows.row(n.parent, n.nid);
        let sub = if n.sub.is_none() { None } else { counted_subnodes(&s.ndb, n.sub, at)? };
        let own = object(&s.ndb, n.data, at).map_or((0, false, false), |o| fit(row.as_ref(), &o, sub.as_ref()));
        let mut rivals = Vec::new();
        for o in &orphans {
            let other = fit(row.as_ref(), o, sub.as_ref());
            if other <= own || !other.1 {
                continue;
            }
            let mut because = Vec::new();
            if other.0 > own.0 {
                because.push(&kinds::ROW_DESCRIBES);
            }
            if other.2 {
                because.push(&kinds::OWN_SUBNODES);
            }
            rivals.push(o.data.0);
            if !because.is_empty() {
                claims.push(Claim { subject: n.nid, answer: o.data, because, measure: i64::from(other.0) });
            }
        }
        // properties that the row and the sub-nodes confirm are the node's own
        let is_own = own.0 > 0 && own.1 && (own.2 || n.sub.is_none());
        if !is_own || !rivals.is_empty() {
            let why = "its entry names properties that another message names too; which are its own does not show".to_owned();
            doubted.insert(n.nid, Doubt { why, rivals });
        }
    }
    let chosen = choose(Question::Data, claims, &s.decisions);
    let found: HashMap<Nid, Bid> = chosen.made.iter().map(|c| (c.subject, c.answer)).collect();
    let with_own = |n: &NbtEntry| NbtEntry { data: found.get(&n.nid).copied().unwrap_or(n.data), ..*n };
    let nodes = s.ndb.index().nodes().iter().map(with_own).collect();
    s.ndb = s.ndb.with_index(s.ndb.index().with_nodes(nodes));
    doubted.retain(|nid, _| !found.contains_key(nid));
    // the one that is left with properties that others have given up has them for itself
    let still: Vec<Nid> = shared(&s.ndb).iter().map(|n| n.nid).collect();
    doubted.retain(|nid, _| still.contains(nid));
    Ok(doubted)
}

/// Properties of messages in the block B-tree that nothing refers to.
fn unnamed(s: &Salvage, monitor: &dyn Monitor) -> Result<Vec<Object>> {
    let roots = s.roots();
    let (mut roots, mut listed, mut referred) = (roots.ascending(), s.listed.ascending(), s.referred.ascending());
    let mut out = Vec::new();
    for b in s.ndb.index().blocks() {
        step(monitor, 0)?;
        let bid = b.bid.masked().0;
        if listed.has(bid) && !roots.has(bid) && !referred.has(bid) {
            let found = object(&s.ndb, b.bid, Location::block(b.ib, b.bid));
            out.extend(found.filter(|o| matches!(o.shape, Shape::Message | Shape::Associated)));
        }
    }
    Ok(out)
}
