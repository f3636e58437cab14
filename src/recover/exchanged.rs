//! Entries that have one another's blocks: two messages' sub-nodes, two messages' or folders' properties ([MS-PST] 2.2.2.7.7.4).
//!
//! Everything is there then, and every checksum is right; only the pairs tell. A property context refers to its sub-nodes by
//! their ids, and says how many bytes both have; the row of a message or folder repeats its properties. An exchange is believed
//! where both objects fit after it and one of them did not before.

use super::evidence::RowsOf;
use super::kinds::LIKE;
use super::orphans::{Object, Shape, Subnodes, counted_subnodes, object};
use super::salvage::Salvage;
use super::values::{Values, likeness, number};
use crate::error::Result;
use crate::finding::Location;
use crate::format::ids::{Nid, NidType};
use crate::format::page::NbtEntry;
use crate::monitor::{Monitor, step};
use std::collections::{HashMap, HashSet};

/// More objects that do not fit are no exchange of two.
const MOST: usize = 512;

/// An object of which something does not fit.
struct Doubted {
    entry: NbtEntry,
    object: Object,
    subnodes: Option<Subnodes>,
    row: Option<Values>,
}

/// Whether an object's sub-nodes can be these: every one that it refers to is there, and attachments where it has any.
pub(super) fn serves(o: &Object, s: Option<&Subnodes>) -> bool {
    let has = |nid: &Nid| s.is_some_and(|s| s.ids.contains(nid));
    let attachments = s.is_some_and(|s| s.ids.iter().any(|n| n.nid_type() == NidType::ATTACHMENT));
    let told = number(&o.values, 0x0E07).map(|f| f & 0x10 != 0);
    o.needs.iter().all(has) && told.is_none_or(|told| told == attachments)
}

/// Whether an object and its sub-nodes have the size that the object tells.
pub(super) fn is_of_size(o: &Object, s: Option<&Subnodes>) -> bool {
    number(&o.values, 0x0E08) == Some(o.bytes.saturating_add(s.map_or(0, |s| s.bytes)))
}

/// How a row and an object agree; nothing where there is no row.
fn agrees(row: Option<&Values>, o: &Object) -> i32 {
    row.map_or(0, |row| likeness(row, &o.values).unwrap_or(-LIKE))
}

/// Finds entries that have one another's blocks, and gives each its own; `is_sound` tells of entries that a check has found nothing wrong with.
///
/// # Errors
/// Cancellation.
pub(super) fn settle(s: &mut Salvage, is_sound: &dyn Fn(&NbtEntry) -> bool, monitor: &dyn Monitor) -> Result<()> {
    let mut doubted: Vec<Doubted> = Vec::new();
    let nodes = s.ndb.index().nodes().iter().filter(|n| n.nid.is_message() || n.nid.nid_type() == NidType::NORMAL_FOLDER);
    // folder by folder, so that the table of each is opened once
    let mut nodes: Vec<&NbtEntry> = nodes.filter(|n| !is_sound(n)).collect();
    nodes.sort_by_key(|n| (n.parent, n.nid));
    let mut rows = RowsOf::new(&s.ndb);
    for n in nodes {
        step(monitor, 0)?;
        let at = Location::node(n.nid);
        let Some(o) = object(&s.ndb, n.data, at) else { continue };
        let is_right = if n.nid.is_message() { matches!(o.shape, Shape::Message | Shape::Associated) } else { o.shape == Shape::Folder };
        if !is_right {
            continue;
        }
        let subnodes = if n.sub.is_none() { None } else { counted_subnodes(&s.ndb, n.sub, at)? };
        if !n.sub.is_none() && subnodes.is_none() {
            continue;
        }
        let row = rows.row(n.parent, n.nid);
        let differs = row.as_ref().is_some_and(|row| likeness(row, &o.values).is_none_or(|score| score < LIKE));
        let fits = serves(&o, subnodes.as_ref()) && (n.nid.is_folder() || is_of_size(&o, subnodes.as_ref()));
        if !fits || differs {
            doubted.push(Doubted { entry: *n, object: o, subnodes, row });
        }
        if doubted.len() > MOST {
            return Ok(());
        }
    }
    doubted.sort_by_key(|d| d.entry.nid);
    let mut changed: HashMap<Nid, NbtEntry> = HashMap::new();
    let mut done: HashSet<Nid> = HashSet::new();
    for (i, a) in doubted.iter().enumerate() {
        if done.contains(&a.entry.nid) {
            continue;
        }
        let others = doubted
            .iter()
            .skip(i.saturating_add(1))
            .filter(|b| !done.contains(&b.entry.nid) && a.entry.nid.nid_type() == b.entry.nid.nid_type());
        let likely: Vec<&Doubted> = others.filter(|b| belongs(a, b)).collect();
        // where several would do, nothing tells which
        let [b] = likely.as_slice() else { continue };
        let (mut x, mut y) = (a.entry, b.entry);
        let as_is = agrees(a.row.as_ref(), &a.object).saturating_add(agrees(b.row.as_ref(), &b.object));
        let crossed = agrees(a.row.as_ref(), &b.object).saturating_add(agrees(b.row.as_ref(), &a.object));
        let with_own = serves(&a.object, a.subnodes.as_ref()) && serves(&b.object, b.subnodes.as_ref());
        if crossed > as_is {
            (x.data, y.data) = (y.data, x.data);
            if with_own && (!a.object.needs.is_empty() || !b.object.needs.is_empty() || !a.entry.sub.is_none() || !b.entry.sub.is_none()) {
                (x.sub, y.sub) = (y.sub, x.sub);
            }
        } else {
            (x.sub, y.sub) = (y.sub, x.sub);
        }
        done.extend([x.nid, y.nid]);
        changed.insert(x.nid, x);
        changed.insert(y.nid, y);
    }
    if !changed.is_empty() {
        let nodes = s.ndb.index().nodes().iter().map(|n| changed.get(&n.nid).copied().unwrap_or(*n)).collect();
        s.ndb = s.ndb.with_index(s.ndb.index().with_nodes(nodes));
    }
    Ok(())
}

/// Whether two objects have one another's blocks: the misfits fit when they are exchanged.
fn belongs(a: &Doubted, b: &Doubted) -> bool {
    let fit = |a: &Doubted, b: &Doubted| serves(&a.object, b.subnodes.as_ref());
    let size = |a: &Doubted, b: &Doubted| is_of_size(&a.object, b.subnodes.as_ref());
    let fits_now = fit(a, a) && fit(b, b);
    let fits_then = fit(a, b) && fit(b, a);
    let (sizes_now, sizes_then) = (size(a, a) || size(b, b), size(a, b) && size(b, a));
    let row = |a: &Doubted, b: &Doubted| a.row.as_ref().and_then(|row| likeness(row, &b.object.values)).is_some_and(|score| score >= LIKE);
    let rows_then = row(a, b) && row(b, a) && !row(a, a) && !row(b, b);
    if a.entry.nid.is_folder() {
        return rows_then;
    }
    let has_something = !a.entry.sub.is_none() || !b.entry.sub.is_none();
    let by_parts = has_something && fits_then && ((!fits_now && (sizes_then || !sizes_now)) || (sizes_then && !sizes_now));
    by_parts || rows_then
}
