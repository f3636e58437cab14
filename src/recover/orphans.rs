//! Orphans: block trees that nothing refers to, and their kinds by their contents ([MS-PST] 2.3.1.2, 2.3.3, 2.3.4).
//!
//! A node's entry joins four things: its id, its data, its sub-nodes and its folder. Where no generation of the entry is left, data and
//! sub-nodes are still there as two trees. The kind of a property context shows in its properties; which sub-nodes belong to it shows in
//! the ids that it refers to, in the size that it says the message has, and in block ids that were given out at the same time.

use super::salvage::Salvage;
use super::values::{LOOKED_AT, PARENT_DISPLAY, TELLING, Values};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::{byte, wide};
use crate::format::heap::ClientSig;
use crate::format::ids::{Bid, HnidKind, Nid, NidType, PropType};
use crate::format::tags;
use crate::ltp::PropertyContext;
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{DataTree, Ndb, Node, SubnodeTree};
use std::hash::{DefaultHasher, Hasher};

/// The id that synchronisation gives each object of an offline file.
const CHANGE_ID: u16 = 0x67F4;

/// The kind of an object by its properties.
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
    /// Digest of its first block: equal where the same properties stand twice.
    pub(super) digest: u64,
    /// Whether it has a To, Cc or Bcc line that names someone.
    pub(super) lines: [bool; 3],
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

/// The kind of heap that a data tree holds, if any.
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
    let tree = node.data(&mut Ignore).ok()?;
    let bytes = tree.len();
    let mut hasher = DefaultHasher::new();
    hasher.write(&tree.leaf(ndb, 0, &mut Ignore).ok()?);
    let digest = hasher.finish();
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
    let lines = [tags::DISPLAY_TO, tags::DISPLAY_CC, tags::DISPLAY_BCC].map(|tag| names_someone(&pc, tag.id()));
    let shape = shape_of(&pc);
    Some(Object { data: root, shape, values: values.finish(), needs, bytes, digest, lines, is_offline })
}

/// Whether a line of a message names someone.
fn names_someone(pc: &PropertyContext<'_>, id: u16) -> bool {
    let Some(source) = pc.get(id).and_then(|r| pc.source(r, &mut Ignore).ok().flatten()) else { return false };
    source.bytes(LOOKED_AT, &mut Ignore).is_ok_and(|bytes| bytes.iter().any(|b| *b != 0 && *b != b' '))
}

/// The kind of the property context on a data tree; `None` where there is none.
pub(super) fn shape(ndb: &Ndb, root: Bid, at: Location) -> Option<Shape> {
    Some(shape_of(&PropertyContext::open(Node::detached(ndb, Nid::NONE, root, Bid::NONE, at), &mut Ignore).ok()??))
}

fn shape_of(pc: &PropertyContext<'_>) -> Shape {
    let is_folder = pc.has(tags::CONTENT_COUNT.id()) && pc.has(tags::DISPLAY_NAME.id());
    if is_folder && !pc.has(tags::MESSAGE_FLAGS.id()) {
        // some programs give folders a message class
        Shape::Folder
    } else if pc.has(0x001A) && (pc.has(0x0E07) || pc.has(0x300B) || pc.has(0x0E08)) {
        if pc.int(0x0E07).unwrap_or(0) & 0x40 != 0 { Shape::Associated } else { Shape::Message }
    } else if is_folder {
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

/// A sub-node tree with the size of its contents.
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
