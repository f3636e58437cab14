//! Outlook's own index nodes: the map of object ids (0xC01), the message index (0xE01) with its queue (0xE41), and lists that it keeps for
//! itself. None of them is documented; a state that no healthy file has is a warning, all else a notice at most.

use super::Check;
use super::collect::Collector;
use super::objects::Objects;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Sink};
use crate::format::bytes::{le32, wide};
use crate::format::heap::ClientSig;
use crate::format::ids::{Hid, Nid, NidType};
use crate::ltp::{Bth, Heap};
use crate::rules::{self, Severity};

/// Checks the index nodes.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let objects = Objects::new(&check.ndb, check.options, &check.causes, &check.allowance);
    let mut out = objects.collector();
    let rows = std::mem::take(&mut check.rows);
    id_map(&objects, rows.ids, &mut out)?;
    message_index(&objects, rows.keys, &mut out)?;
    bookkeeping(&objects, &mut out)?;
    check.out.merge(out, check.monitor);
    Ok(())
}

/// The heap of an index node with the B-tree that its root item leads to; a missing one is told where Outlook writes it.
fn open<'a>(objects: &Objects<'a>, nid: Nid, client: ClientSig, out: &mut Collector<'_>) -> Result<Option<(Heap<'a>, Hid)>> {
    let at = Location::node(nid);
    out.watch(at);
    let Some(node) = objects.ndb.node(nid) else { return Ok(None) };
    objects.look_for_bad_blocks(&node, out)?;
    if node.data.is_none() {
        return Ok(None);
    }
    let mut doubts = Vec::new();
    let heap = Heap::open(&node, &mut doubts)?.filter(|h| h.client() == client);
    if let Some(heap) = &heap {
        heap.verify_all(&mut doubts)?;
        // Whatever is wrong with it, Outlook makes the index again.
        if let Some(f) = doubts.iter().find(|f| f.severity > Severity::Info) {
            out.report(Finding::new(&rules::INDEX_NODE, at).actual(format!("{}: {}", f.rule.code, f.rule.message)))?;
        }
    }
    let root = match &heap {
        Some(h) => h.find(h.user_root(), &mut Ignore)?.filter(|i| i.len() >= 4).map(|i| Hid(le32(&i, 0))),
        None => None,
    };
    match (heap, root) {
        (Some(heap), Some(hid)) => Ok(Some((heap, hid))),
        _ => {
            out.report(Finding::new(&rules::INDEX_NODE, at))?;
            Ok(None)
        }
    }
}

/// Something of which there may be many: the first, and how many.
#[derive(Default)]
struct Several(Option<Nid>, u64);

impl Several {
    fn add(&mut self, nid: Nid) {
        *self = Self(self.0.or(Some(nid)), self.1.saturating_add(1));
    }

    /// Reports all of them at the node that they are in.
    fn report(&self, f: Finding, what: &str, objects: &Objects<'_>, out: &mut Collector<'_>) {
        let Some(nid) = self.0 else { return };
        let at = Location { sub: Some(nid), ..f.at };
        out.add_under(Finding { at, ..f }.actual(format!("{} {what}", self.1)), objects.causes.of_nodes());
    }
}

fn id_map(objects: &Objects<'_>, mut ids: Vec<([u8; 16], Nid)>, out: &mut Collector<'_>) -> Result<()> {
    let Some((heap, hid)) = open(objects, Nid::ID_MAP, ClientSig::ID_MAP, out)? else { return Ok(()) };
    let at = Location::node(Nid::ID_MAP);
    let Some(tree) = Bth::open(&heap, hid, &mut Ignore)?.filter(|t| (t.header().key, t.header().entry) == (16, 4)) else {
        return out.report(Finding::new(&rules::INDEX_NODE, at));
    };
    let index = objects.ndb.index();
    ids.sort_unstable();
    let mut found = vec![false; ids.len()];
    let (mut dangling, mut astray) = (Several::default(), Several::default());
    tree.for_each(&mut Ignore, &mut |key, data| {
        let nid = Nid(le32(data, 0));
        if !nid.is_none() && index.node(nid).is_none() {
            dangling.add(nid);
        }
        let Ok(key) = <[u8; 16]>::try_from(key) else { return };
        let from = ids.partition_point(|(id, _)| *id < key);
        for ((_, row), found) in ids.iter().zip(&mut found).skip(from).take_while(|((id, _), _)| *id == key) {
            *found = true;
            if *row != nid {
                astray.add(*row);
            }
        }
    })?;
    ids.iter().zip(found).filter(|(_, found)| !found).for_each(|((_, row), _)| astray.add(*row));
    dangling.report(Finding::new(&rules::ID_MAP, at), "entries", objects, out);
    astray.report(Finding::new(&rules::ID_MAP_ROW, at), "rows", objects, out);
    Ok(())
}

fn message_index(objects: &Objects<'_>, keys: Vec<(Nid, Option<u32>)>, out: &mut Collector<'_>) -> Result<()> {
    let Some((heap, hid)) = open(objects, Nid::MESSAGE_INDEX, ClientSig::MESSAGE_INDEX, out)? else { return Ok(()) };
    let at = Location::node(Nid::MESSAGE_INDEX);
    let Some(tree) = Bth::open(&heap, hid, &mut Ignore)?.filter(|t| (t.header().key, t.header().entry) == (4, 4)) else {
        return out.report(Finding::new(&rules::INDEX_NODE, at));
    };
    let index = objects.ndb.index();
    let mut buckets = Vec::new();
    tree.for_each(&mut Ignore, &mut |key, data| buckets.push((le32(key, 0), Hid(le32(data, 0)))))?;
    let mut stale = Several::default();
    let mut indexed: Vec<(Nid, u32)> = Vec::new();
    for (key, bucket) in buckets {
        let Some(item) = heap.find(bucket, &mut Ignore)? else { continue };
        for nid in item.chunks_exact(4).map(|b| Nid(le32(b, 0))) {
            indexed.push((nid, key));
            if nid.is_message() && index.node(nid).is_none() {
                stale.add(nid);
            }
        }
    }
    // Outlook leaves deleted messages in it.
    stale.report(Finding::new(&rules::MESSAGE_INDEX, at).severity(Severity::Info), "entries", objects, out);
    let root = heap.find(heap.user_root(), &mut Ignore)?;
    let seen = root.filter(|r| r.len() >= 12).map(|r| le32(&r, 8));
    let highest = index.nodes().iter().rev().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).map_or(0, |n| n.nid.0);
    if let Some(seen) = seen.filter(|n| *n < highest) {
        out.report(Finding::new(&rules::INDEX_HIGHEST, at).hex(seen.into(), highest.into()))?;
    }
    let waiting = index_queue(objects, &keys, out)?;
    // in an offline file, conversations are others
    if objects.offline {
        return Ok(());
    }
    indexed.sort_unstable();
    let mut missing = Several::default();
    for (nid, key) in keys.iter().filter(|(nid, _)| index.node(*nid).is_some_and(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE)) {
        let from = indexed.partition_point(|(n, _)| n < nid);
        let is_there = indexed.iter().skip(from).take_while(|(n, _)| n == nid).any(|(_, k)| key.is_none_or(|want| want == *k));
        if !is_there && waiting.binary_search(nid).is_err() {
            missing.add(*nid);
        }
    }
    missing.report(Finding::new(&rules::NOT_INDEXED, at), "messages", objects, out);
    Ok(())
}

/// The messages that wait to be indexed, ascending: records of an operation, a conversation's key, and a message.
fn index_queue(objects: &Objects<'_>, keys: &[(Nid, Option<u32>)], out: &mut Collector<'_>) -> Result<Vec<Nid>> {
    const RECORD: usize = 12;
    const ADD: u32 = 1;
    let at = Location::node(Nid::MESSAGE_INDEX_QUEUE);
    out.watch(at);
    let Some(bytes) = small(objects, Nid::MESSAGE_INDEX_QUEUE, out)? else { return Ok(Vec::new()) };
    if !bytes.len().is_multiple_of(RECORD) {
        out.report(Finding::new(&rules::INDEX_QUEUE, at).numbers(wide(bytes.len()), wide(RECORD)))?;
    }
    let added = bytes.chunks_exact(RECORD).filter(|r| le32(r, 0) == ADD);
    let mut waiting: Vec<(Nid, u32)> = added.map(|r| (Nid(le32(r, 8)), le32(r, 4))).collect();
    waiting.sort_unstable();
    let mut wrong = Several::default();
    for (nid, key) in keys.iter().filter_map(|(nid, key)| key.map(|key| (nid, key))).filter(|_| !objects.offline) {
        let from = waiting.partition_point(|(n, _)| n < nid);
        let mut own = waiting.iter().skip(from).take_while(|(n, _)| n == nid).peekable();
        if own.peek().is_some() && own.all(|(_, k)| *k != key) {
            wrong.add(*nid);
        }
    }
    wrong.report(Finding::new(&rules::INDEX_QUEUE, at), "records", objects, out);
    Ok(waiting.into_iter().map(|(nid, _)| nid).collect())
}

/// A node's data, if it is small enough to be a list.
fn small(objects: &Objects<'_>, nid: Nid, out: &mut Collector<'_>) -> Result<Option<Vec<u8>>> {
    let Some(node) = objects.ndb.node(nid) else { return Ok(None) };
    let tree = node.data(out)?;
    Ok(Some(tree.read_all(objects.ndb, objects.ndb.limits().value_bytes, out).map(|b| b.into_owned()).unwrap_or_default()))
}

/// Lists that later versions keep: of folders (0xEE1, records of 28 bytes), of themselves (0xF01, 104 bytes).
fn bookkeeping(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    const RECORD: usize = 28;
    let list = Nid::FOLDER_LIST;
    out.watch(Location::node(list));
    if let Some(bytes) = small(objects, list, out)? {
        if !bytes.len().is_multiple_of(RECORD) {
            out.report(Finding::new(&rules::BOOKKEEPING, Location::node(list)).numbers(wide(bytes.len()), wide(RECORD)))?;
        }
        let mut gone = Several::default();
        for nid in bytes.chunks_exact(RECORD).map(|r| Nid(le32(r, 0))).filter(|nid| objects.ndb.index().node(*nid).is_none()) {
            gone.add(nid);
        }
        gone.report(Finding::new(&rules::BOOKKEEPING, Location::node(list)), "records", objects, out);
    }
    let own = Nid::FOLDER_LIST_HEAD;
    out.watch(Location::node(own));
    if let Some(bytes) = small(objects, own, out)?.filter(|b| !matches!(b.len(), 0 | 104)) {
        out.report(Finding::new(&rules::BOOKKEEPING, Location::node(own)).numbers(wide(bytes.len()), 104))?;
    }
    Ok(())
}
