//! Attachments: the table against the sub-nodes, each attachment's properties and data ([MS-PST] 2.4.6).

use super::collect::Collector;
use super::objects::{Objects, State, differ};
use super::pass_messages::Pending;
use super::report::ItemCount;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Loss, Sink};
use crate::format::ids::{Nid, NidType, PropType};
use crate::format::tags;
use crate::ltp::{PropertyContext, TableContext};
use crate::ndb::Node;
use crate::rules::{self, Severity};

/// Checks the attachments of a message; embedded messages are left to be looked at.
pub(super) fn run<'a>(
    objects: &Objects<'a>,
    message: &Node<'a>,
    table: Option<Node<'a>>,
    depth: u16,
    items: &mut ItemCount,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<()> {
    let here: Vec<u32> =
        message.subnodes(&mut Ignore)?.iter().filter(|e| e.nid.nid_type() == NidType::ATTACHMENT).map(|e| e.nid.0).collect();
    let table = match table {
        Some(node) => objects.table(node, out)?,
        None => None,
    };
    let mut listed = Vec::new();
    if let Some(table) = &table {
        let mut rows = table.rows();
        while let Some(row) = rows.next(&mut Ignore)? {
            listed.push(row.id());
        }
    }
    listed.sort_unstable();
    listed.dedup();
    let (mut not_listed, mut dangling) = (Vec::new(), Vec::new());
    differ(
        &here,
        &listed,
        &mut |nid| {
            not_listed.push(nid);
            Ok(())
        },
        &mut |nid| {
            dangling.push(nid);
            Ok(())
        },
    )?;
    for nid in not_listed {
        out.report(Finding::new(&rules::ATTACH_NOT_LISTED, message.at.with_sub(nid)).loss(Loss::Metadata))?;
    }
    for nid in dangling {
        out.report(Finding::new(&rules::ATTACH_ROW_DANGLING, message.at.with_sub(nid)).loss(Loss::Partial))?;
        State::Lost.count(items);
    }
    let mut here = here.into_iter();
    for nid in here.by_ref() {
        if !objects.allowance.take(1) {
            out.report(Finding::new(&rules::DATA_TREE_DEPTH, message.at.with_sub(Nid(nid))).loss(Loss::Partial))?;
            State::Lost.count(items);
            break;
        }
        let outer = out.loss;
        out.loss = Loss::None;
        attachment(objects, message, Nid(nid), table.as_ref(), depth, pending, out)?;
        State::of(out.loss).count(items);
        // a lost attachment is a part of its message
        out.loss = outer.max(out.loss.min(Loss::Partial));
    }
    here.for_each(|_| State::Lost.count(items));
    Ok(())
}

/// An attachment's properties, and its row.
fn attachment<'a>(
    objects: &Objects<'a>,
    message: &Node<'a>,
    nid: Nid,
    table: Option<&TableContext<'a>>,
    depth: u16,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<()> {
    let Some(node) = message.subnode(nid, out)? else { return Ok(()) };
    // the sweep has seen which blocks are bad: an attachment that has one of them is there in part
    objects.look_for_bad_blocks(&node, out)?;
    let before = out.mark();
    let Some(pc) = objects.properties(node, out)? else {
        out.loss = Loss::Item;
        return Ok(());
    };
    attachment_properties(objects, &pc, depth, pending, out)?;
    if let Some(table) = table
        && let Some(row) = table.row_by_id(nid.0, &mut Ignore)?
    {
        let outer = out.context;
        out.suffer(before, Severity::Warning);
        objects.compare(&row, table, &pc, (&rules::ATTACH_ROW, rules::ATTACH_ROW.severity), out)?;
        out.context = outer;
    }
    Ok(())
}

fn attachment_properties<'a>(
    objects: &Objects<'a>,
    pc: &PropertyContext<'a>,
    depth: u16,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<()> {
    let at = pc.at();
    objects.require(pc, &[tags::RENDERING_POSITION], &rules::RENDERING_POSITION, Loss::None, out)?;
    size(pc, out)?;
    let method = pc.int(tags::ATTACH_METHOD.id());
    match method {
        None => out.report(Finding::new(&rules::ATTACH_METHOD, at.with_tag(tags::ATTACH_METHOD)).actual("missing"))?,
        Some(0 | 2..=4 | 7) => {}
        Some(1) => {
            let data = pc.get(tags::ATTACH_DATA_BINARY.id());
            if data.is_none() {
                out.report(Finding::new(&rules::ATTACH_DATA, at.with_tag(tags::ATTACH_DATA_BINARY)).loss(Loss::Partial))?;
            }
        }
        Some(5) => {
            let object = pc.object(tags::ATTACH_DATA_OBJECT.id(), &mut Ignore)?;
            match pc.object_node(tags::ATTACH_DATA_OBJECT.id(), &mut Ignore)? {
                Some(inner) if inner.nid.nid_type() == NidType::NORMAL_MESSAGE => {
                    let noted = object.map(|o| (o.size, at.with_tag(tags::ATTACH_DATA_OBJECT)));
                    pending.push(Pending { node: inner, depth: depth.saturating_add(1), noted });
                }
                _ => {
                    let f = Finding::new(&rules::EMBEDDED_MISSING, at.with_tag(tags::ATTACH_DATA_OBJECT));
                    out.report(f.loss(Loss::Item))?;
                }
            }
        }
        Some(6) => {
            let record = pc.get(tags::ATTACH_DATA_OBJECT.id());
            let is_object = record.is_some_and(|r| r.tag.prop_type() == PropType::OBJECT);
            if record.is_none() || (is_object && pc.object_node(tags::ATTACH_DATA_OBJECT.id(), &mut Ignore)?.is_none()) {
                let f = Finding::new(&rules::EMBEDDED_MISSING, at.with_tag(tags::ATTACH_DATA_OBJECT));
                out.report(f.loss(Loss::Item))?;
            }
        }
        Some(other) => {
            out.report(Finding::new(&rules::ATTACH_METHOD, at.with_tag(tags::ATTACH_METHOD)).actual(other.to_string()))?;
        }
    }
    Ok(())
}

/// PidTagAttachSize: the sizes of all values together.
fn size(pc: &PropertyContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    let at = pc.at().with_tag(tags::ATTACH_SIZE);
    let Some(stored) = pc.int(tags::ATTACH_SIZE.id()) else {
        return out.report(Finding::new(&rules::ATTACH_SIZE, at).actual("missing"));
    };
    if out.loss >= Loss::Partial {
        return Ok(());
    }
    let mut total = 0u64;
    for record in pc.records() {
        let t = record.tag.prop_type();
        let len = match t {
            PropType::OBJECT => pc.object(record.tag.id(), &mut Ignore)?.map_or(0, |o| o.size.into()),
            _ => pc.source(record, &mut Ignore)?.map_or(0, |s| s.len()),
        };
        total = total.saturating_add(len);
    }
    let stored = u64::try_from(stored).unwrap_or_default();
    if stored != total {
        // Other writers, and Outlook in a few cases, count differently.
        out.report(Finding::new(&rules::ATTACH_SIZE, at).numbers(stored, total).severity(Severity::Notice))?;
    }
    Ok(())
}
