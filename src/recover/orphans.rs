//! Orphans: block trees that nothing refers to, and what they are by their contents ([MS-PST] 2.3.1.2, 2.3.3, 2.3.4).
//!
//! A node's entry joins four things: its id, its data, its sub-nodes and its folder. Where no generation of the entry is left, data and
//! sub-nodes are still there as two trees. What a property context is shows in its properties; which sub-nodes belong to it shows in
//! the ids that it refers to, in the size that it says the message has, and in block ids that were given out at the same time.

use super::salvage::Salvage;
use super::values::{LOOKED_AT, PARENT_DISPLAY, TELLING, Values, number};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::{byte, wide};
use crate::format::heap::ClientSig;
use crate::format::ids::{Bid, HnidKind, Nid, NidType, PropType};
use crate::ltp::PropertyContext;
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{DataTree, Ndb, Node, SubnodeTree};
use std::collections::{HashMap, HashSet};

/// What synchronisation gives each object of an offline file.
const CHANGE_ID: u16 = 0x67F4;

/// What an object is by its properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Shape {
    Message,
    Associated,
    Folder,
    Store,
    NameMap,
    Other,
}

/// A property context.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) data: Bid,
    pub(super) shape: Shape,
    pub(super) values: Values,
    /// Sub-nodes that its values are in.
    pub(super) needs: Vec<Nid>,
    /// Bytes of its data.
    pub(super) bytes: u64,
    /// Whether it is an offline file's.
    pub(super) is_offline: bool,
}

/// A sub-node tree.
#[derive(Debug, Clone)]
pub(super) struct Subnodes {
    pub(super) root: Bid,
    pub(super) ids: Vec<Nid>,
    /// Bytes of data in it, as a message's size counts them.
    pub(super) bytes: u64,
}

/// Everything that nothing refers to, by kind.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    pub(super) objects: Vec<Object>,
    pub(super) tables: Vec<Bid>,
    pub(super) subnodes: Vec<Subnodes>,
}

/// Finds the roots that neither a node, current or older, nor a readable block refers to.
pub(super) fn find(s: &Salvage, monitor: &dyn Monitor) -> Result<Orphans> {
    let ndb = &s.ndb;
    monitor.phase(Phase::Link, Some(wide(ndb.index().blocks().len())));
    let mut roots = s.roots();
    let is_current = |bid: Bid| s.listed.contains(&bid.masked()) || s.in_use.contains(&bid.masked());
    roots.extend(s.older.iter().flat_map(|o| {
        // where only the properties were written anew, the sub-nodes are those of the newer state too
        let is_shared = !is_current(o.entry.data) && is_current(o.entry.sub);
        [o.entry.data.masked(), if is_shared { Bid::NONE } else { o.entry.sub.masked() }]
    }));
    let mut out = Orphans::default();
    // trees that share their blocks could make this take for ever
    let mut budget = ndb.index().blocks().len().saturating_mul(32).saturating_add(1_000_000);
    for b in ndb.index().blocks() {
        step(monitor, 1)?;
        if budget == 0 {
            break;
        }
        if roots.contains(&b.bid) || s.referred.contains(&b.bid) {
            continue;
        }
        let at = Location::block(b.ib, b.bid);
        if b.bid.is_internal() {
            let Ok(Some(data)) = ndb.block_at(b, &mut Ignore) else { continue };
            if byte(&data, 0) == crate::format::block::BTYPE_SUBNODE {
                out.subnodes.push(subnodes(ndb, b.bid, at, &mut budget)?);
                continue;
            }
        }
        match client(ndb, b.bid, at, &mut budget) {
            Some(ClientSig::PROPERTY) => out.objects.extend(object(ndb, b.bid, at)),
            Some(ClientSig::TABLE) => out.tables.push(b.bid),
            _ => {}
        }
    }
    Ok(out)
}

/// What kind of heap a data tree holds, if any.
fn client(ndb: &Ndb, root: Bid, at: Location, budget: &mut usize) -> Option<ClientSig> {
    let tree = ndb.data_tree(root, at, &mut Ignore).ok()?;
    *budget = budget.saturating_sub(tree.leaf_count().saturating_add(1));
    let first = tree.leaf(ndb, 0, &mut Ignore).ok()?;
    let cb = u16::try_from(first.len()).unwrap_or(u16::MAX);
    super::detect::is_heap_head(&first, cb).then(|| ClientSig(byte(&first, 3)))
}

/// The property context on a data tree.
pub(super) fn object(ndb: &Ndb, root: Bid, at: Location) -> Option<Object> {
    let node = Node::detached(ndb, Nid::NONE, root, Bid::NONE, at);
    let bytes = node.data(&mut Ignore).ok()?.len();
    let pc = PropertyContext::open(node, &mut Ignore).ok()??;
    let mut values = Values::new();
    let mut needs = Vec::new();
    for r in pc.records() {
        let known = r.tag.prop_type().is_known() && !r.tag.prop_type().is_inline();
        if known
            && r.tag.prop_type() != PropType::OBJECT
            && let HnidKind::Node(nid) = r.hnid().kind()
        {
            needs.push(nid);
            continue;
        }
        if TELLING.contains(&r.tag.id())
            && let Ok(Some(source)) = pc.source(r, &mut Ignore)
            && let Ok(bytes) = source.bytes(LOOKED_AT, &mut Ignore)
        {
            values.insert(r.tag.id(), &bytes);
        }
    }
    // only in an offline file this is the folder that the message is in
    let is_offline = pc.has(CHANGE_ID);
    if !is_offline {
        values.remove(PARENT_DISPLAY);
    }
    let shape = shape_of(&pc);
    Some(Object { data: root, shape, values: values.finish(), needs, bytes, is_offline })
}

/// What the property context on a data tree is; `None` where there is none.
pub(super) fn shape(ndb: &Ndb, root: Bid, at: Location) -> Option<Shape> {
    Some(shape_of(&PropertyContext::open(Node::detached(ndb, Nid::NONE, root, Bid::NONE, at), &mut Ignore).ok()??))
}

fn shape_of(pc: &PropertyContext<'_>) -> Shape {
    if pc.has(0x001A) && (pc.has(0x0E07) || pc.has(0x300B) || pc.has(0x0E08)) {
        if pc.int(0x0E07).unwrap_or(0) & 0x40 != 0 { Shape::Associated } else { Shape::Message }
    } else if pc.has(0x3602) && pc.has(0x3001) {
        Shape::Folder
    } else if pc.has(0x0FF9) && (pc.has(0x35DF) || pc.has(0x35E0) || pc.has(0x67FF)) {
        Shape::Store
    } else if [0x0001, 0x0002, 0x0003, 0x0004].iter().all(|id| pc.has(*id))
        && pc.records().iter().all(|r| r.tag.id() < 5 || (0x1000..0x1800).contains(&r.tag.id()))
    {
        Shape::NameMap
    } else {
        Shape::Other
    }
}

/// A sub-node tree with the size of what is in it.
fn subnodes(ndb: &Ndb, root: Bid, at: Location, budget: &mut usize) -> Result<Subnodes> {
    let tree = SubnodeTree::load(ndb, root, at, &mut Ignore)?;
    let ids = tree.iter().map(|e| e.nid).collect();
    let mut bytes = 0u64;
    let mut pending: Vec<(Bid, Bid, u16)> = tree.iter().filter(|e| counts(e.nid)).map(|e| (e.data, e.sub, 0)).collect();
    while let Some((data, sub, depth)) = pending.pop() {
        let tree = DataTree::load(ndb, data, at, &mut Ignore)?;
        bytes = bytes.saturating_add(tree.len());
        *budget = budget.saturating_sub(tree.leaf_count().saturating_add(1));
        if *budget == 0 {
            break;
        }
        if !sub.is_none() && depth < ndb.limits().embedded_depth {
            let inner = SubnodeTree::load(ndb, sub, at, &mut Ignore)?;
            pending.extend(inner.iter().filter(|e| counts(e.nid)).map(|e| (e.data, e.sub, depth.saturating_add(1))));
        }
    }
    Ok(Subnodes { root, ids, bytes })
}

/// The sub-node tree under a root; `None` where it is not all there.
pub(super) fn counted_subnodes(ndb: &Ndb, root: Bid, at: Location) -> Result<Option<Subnodes>> {
    let mut problems = Vec::new();
    SubnodeTree::load(ndb, root, at, &mut problems)?;
    let mut budget = ndb.index().blocks().len().saturating_add(1000);
    Ok(if problems.is_empty() { Some(subnodes(ndb, root, at, &mut budget)?) } else { None })
}

/// Whether a sub-node counts in its message's size.
fn counts(nid: Nid) -> bool {
    nid.nid_type() != NidType::REPLICATION_TABLE
}

/// Trees that are kept for an object, the likeliest first: each has a place of its own, so that few of them are others'.
const CHOICES: usize = 8;

/// What kinds of sub-nodes a tree has.
struct TreeFacts {
    of_message: bool,
    attachments: bool,
    /// Values of the object itself.
    values: usize,
}

impl TreeFacts {
    fn of(t: &Subnodes) -> Self {
        let is_message = |n: &Nid| matches!(n.nid_type(), NidType::ATTACHMENT | NidType::ATTACHMENT_TABLE | NidType::RECIPIENT_TABLE);
        Self {
            of_message: t.ids.iter().any(is_message),
            attachments: t.ids.iter().any(|n| n.nid_type() == NidType::ATTACHMENT),
            values: t.ids.iter().filter(|n| n.nid_type() == NidType::LTP).count(),
        }
    }
}

/// Finds for each object the sub-node tree that belongs to it: one that has every sub-node that the object refers to. Of several the
/// one that makes up the size that a message says it has, then the one whose id was given out nearest. Each belongs to one object.
pub(super) fn pair(s: &Salvage, objects: &[&Object], trees: &[Subnodes]) -> HashMap<Bid, Bid> {
    struct Pair {
        rank: (bool, bool, bool, bool, u64),
        object: Bid,
        tree: Bid,
    }
    let by_id: HashMap<Nid, Vec<usize>> = trees.iter().enumerate().fold(HashMap::new(), |mut map, (i, t)| {
        for id in &t.ids {
            map.entry(*id).or_insert_with(Vec::new).push(i);
        }
        map
    });
    // states of one message share sub-nodes: they are the newest's
    let mut newest: HashMap<(&[u8], Option<&[u8]>), Bid> = HashMap::new();
    for o in objects {
        if let Some(k) = o.values.get(0x300B) {
            let slot = newest.entry((k, o.values.get(0x3007))).or_insert(o.data);
            *slot = (*slot).max(o.data);
        }
    }
    let facts: Vec<TreeFacts> = trees.iter().map(TreeFacts::of).collect();
    let is_newest = |o: &Object| o.values.get(0x300B).is_none_or(|k| newest.get(&(k, o.values.get(0x3007))) == Some(&o.data));
    let mut pairs = Vec::new();
    for o in objects {
        let is_message = matches!(o.shape, Shape::Message | Shape::Associated);
        let has_attachments = number(&o.values, 0x0E07).is_some_and(|f| f & 0x10 != 0);
        // the rarest of the needed ids leads to few trees
        let rarest = o.needs.iter().map(|n| by_id.get(n).map_or(&[][..], Vec::as_slice)).min_by_key(|t| t.len());
        let nearest = || {
            // nothing needed: trees whose ids were given out near
            let at = trees.partition_point(|t| t.root < o.data);
            let start = at.saturating_sub(64);
            (start..at.saturating_add(64).min(trees.len())).collect::<Vec<_>>()
        };
        // an id that every message has leads to as many trees: those that were written near
        let near_of = |all: &[usize]| {
            let at = all.partition_point(|i| trees.get(*i).is_some_and(|t| t.root < o.data));
            all.get(at.saturating_sub(64)..at.saturating_add(64).min(all.len())).unwrap_or_default().to_vec()
        };
        let candidates: Vec<usize> = rarest.map_or_else(nearest, near_of);
        let mut own: Vec<Pair> = Vec::new();
        for (t, facts) in candidates.into_iter().filter_map(|i| Some((trees.get(i)?, facts.get(i)?))) {
            // what is in use refers to nothing that is not
            let is_freed = s.freed.contains(&o.data);
            if !o.needs.iter().all(|n| t.ids.contains(n)) || (!is_freed && s.freed.contains(&t.root)) {
                continue;
            }
            let (of_message, attachments, values) = (facts.of_message, facts.attachments, facts.values);
            if if is_message { has_attachments != attachments } else { of_message } {
                continue;
            }
            // a message that makes up its size alone has nothing beneath it that counts
            if is_message && o.needs.is_empty() && t.bytes > 0 && number(&o.values, 0x0E08) == Some(o.bytes) {
                continue;
            }
            let fits_size = is_message && number(&o.values, 0x0E08) == Some(o.bytes.saturating_add(t.bytes));
            let distance = o.data.0.abs_diff(t.root.0);
            // without any other sign only a near one is believed
            if o.needs.is_empty()
                && ((!of_message && (distance > 0x10 || (is_message && t.root > o.data))) || (!fits_size && distance > 0x400))
            {
                continue;
            }
            // values that nothing refers to belong to another object
            let rank = (is_freed, !fits_size, values != o.needs.len(), fits_size && !is_newest(o), distance);
            own.push(Pair { rank, object: o.data, tree: t.root });
        }
        if own.len() > CHOICES {
            own.sort_by_key(|p| (p.rank, p.tree));
            own.truncate(CHOICES);
        }
        pairs.append(&mut own);
    }
    pairs.sort_by_key(|p| (p.rank, p.object, p.tree));
    let (mut taken, mut out) = (HashSet::new(), HashMap::new());
    for p in pairs {
        if !taken.contains(&p.tree) && !out.contains_key(&p.object) {
            taken.insert(p.tree);
            out.insert(p.object, p.tree);
        }
    }
    out
}
