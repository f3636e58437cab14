//! Outlook's own index nodes: the map of object ids (0xC01) and the message index (0xE01). Not documented; never worse than a notice.

use super::Check;
use super::collect::Collector;
use super::objects::Objects;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Sink};
use crate::format::bytes::le32;
use crate::format::heap::ClientSig;
use crate::format::ids::{Hid, Nid};
use crate::ltp::{Bth, Heap};
use crate::rules;

/// Checks the index nodes.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let objects = Objects::new(&check.ndb, check.options, &check.causes, &check.allowance);
    let mut out = objects.collector();
    id_map(&objects, &mut out)?;
    message_index(&objects, &mut out)?;
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
        if let Some(f) = doubts.iter().find(|f| f.severity > rules::Severity::Info) {
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

fn id_map(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let Some((heap, hid)) = open(objects, Nid::ID_MAP, ClientSig::ID_MAP, out)? else { return Ok(()) };
    let at = Location::node(Nid::ID_MAP);
    let Some(tree) = Bth::open(&heap, hid, &mut Ignore)?.filter(|t| (t.header().key, t.header().entry) == (16, 4)) else {
        return out.report(Finding::new(&rules::INDEX_NODE, at));
    };
    let index = objects.ndb.index();
    let mut dangling: (Option<Nid>, u64) = (None, 0);
    tree.for_each(&mut Ignore, &mut |_, data| {
        let nid = Nid(le32(data, 0));
        if !nid.is_none() && index.node(nid).is_none() {
            dangling = (dangling.0.or(Some(nid)), dangling.1.saturating_add(1));
        }
    })?;
    if let Some(nid) = dangling.0 {
        let f = Finding::new(&rules::ID_MAP, at.with_sub(nid)).actual(format!("{} entries", dangling.1));
        out.add_under(f, objects.causes.of_nodes());
    }
    Ok(())
}

fn message_index(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let Some((heap, hid)) = open(objects, Nid::MESSAGE_INDEX, ClientSig::MESSAGE_INDEX, out)? else { return Ok(()) };
    let at = Location::node(Nid::MESSAGE_INDEX);
    let Some(tree) = Bth::open(&heap, hid, &mut Ignore)?.filter(|t| (t.header().key, t.header().entry) == (4, 4)) else {
        return out.report(Finding::new(&rules::INDEX_NODE, at));
    };
    let index = objects.ndb.index();
    let mut buckets = Vec::new();
    tree.for_each(&mut Ignore, &mut |_, data| buckets.push(Hid(le32(data, 0))))?;
    let mut stale: (Option<Nid>, u64) = (None, 0);
    for bucket in buckets {
        let Some(item) = heap.find(bucket, &mut Ignore)? else { continue };
        for nid in item.chunks_exact(4).map(|b| Nid(le32(b, 0))) {
            if nid.is_message() && index.node(nid).is_none() {
                stale = (stale.0.or(Some(nid)), stale.1.saturating_add(1));
            }
        }
    }
    if let Some(nid) = stale.0 {
        // Outlook leaves deleted messages in it.
        let f = Finding::new(&rules::MESSAGE_INDEX, at.with_sub(nid)).actual(format!("{} entries", stale.1));
        out.add_under(f.severity(rules::Severity::Info), objects.causes.of_nodes());
    }
    Ok(())
}
