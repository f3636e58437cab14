//! The store's own objects: properties, name map, templates, queues ([MS-PST] 2.4.1, 2.4.3, 2.4.7, 2.4.8).

use super::Check;
use super::collect::Collector;
use super::objects::Objects;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{le32, wide};
use crate::format::context::EntryId;
use crate::format::ids::{Nid, NidType, PropTag};
use crate::format::tags;
use crate::ltp::{NameMap, PropertyContext};
use crate::rules::{self, Severity};

/// Bytes of a search update descriptor.
const SUD: u64 = 20;

/// Columns that the templates have in every file, by their ids; string types vary with the variant.
const TEMPLATE_COLUMNS: [(Nid, &[u16]); 6] = [
    (Nid::HIERARCHY_TABLE_TEMPLATE, &[0x3001, 0x3602, 0x3603, 0x360A]),
    (Nid::CONTENTS_TABLE_TEMPLATE, &[0x001A, 0x0037, 0x0E06, 0x0E07, 0x0E08, 0x0E17]),
    (Nid::ASSOC_CONTENTS_TABLE_TEMPLATE, &[0x001A, 0x0E07, 0x0E17]),
    (Nid::SEARCH_CONTENTS_TABLE_TEMPLATE, &[0x001A, 0x0037, 0x0E07, 0x67F1]),
    (Nid::ATTACHMENT_TABLE, &[0x0E20, 0x3704, 0x3705, 0x370B]),
    (Nid::RECIPIENT_TABLE, &[0x0C15, 0x3001, 0x3002, 0x3003]),
];

/// Checks the store's own objects.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let objects = Objects::new(&check.ndb, check.options, &check.causes, &check.allowance);
    let mut out = objects.collector();
    store(&objects, &mut out)?;
    name_map(&objects, &mut out)?;
    templates(&objects, &mut out)?;
    other_tables(&objects, &mut out)?;
    searches(&objects, &mut out)?;
    check.out.merge(out, check.monitor);
    Ok(())
}

fn absent(objects: &Objects<'_>, nid: Nid, rule: &'static rules::Rule, severity: Severity, out: &mut Collector<'_>) {
    let f = Finding::new(rule, Location::node(nid)).severity(severity).loss(Loss::Metadata);
    out.add_under(f, objects.causes.of_node(nid));
}

fn store(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let nid = Nid::MESSAGE_STORE;
    out.watch(Location::node(nid));
    let Some(node) = objects.ndb.node(nid) else {
        absent(objects, nid, &rules::STORE_MISSING, Severity::Fatal, out);
        return Ok(());
    };
    objects.look_for_bad_blocks(&node, out)?;
    let Some(pc) = objects.properties(node, out)? else {
        absent(objects, nid, &rules::STORE_MISSING, Severity::Fatal, out);
        return Ok(());
    };
    objects.require(&pc, &[tags::RECORD_KEY, tags::DISPLAY_NAME], &rules::STORE_PROPERTY, Loss::Metadata, out)?;
    if objects.offline {
        return Ok(());
    }
    let folders = [tags::IPM_SUBTREE_ENTRY_ID, tags::IPM_WASTEBASKET_ENTRY_ID, tags::FINDER_ENTRY_ID];
    objects.require(&pc, &folders, &rules::STORE_PROPERTY, Loss::Metadata, out)?;
    let key = pc.binary(tags::RECORD_KEY.id(), &mut Ignore)?.unwrap_or_default();
    if pc.has(tags::RECORD_KEY.id()) && (key.len() != 16 || key.iter().all(|b| *b == 0)) {
        out.report(Finding::new(&rules::STORE_PROPERTY, pc.at().with_tag(tags::RECORD_KEY)).numbers(wide(key.len()), 16))?;
    }
    if pc.has(tags::RECORD_KEY.id()) {
        for tag in folders {
            entry_id(objects, &pc, tag, &key, rules::STORE_ENTRY_ID.severity, out)?;
        }
        // Outbox, sent mail, views: Outlook makes them again where they are gone.
        for id in [0x35E2, 0x35E4, 0x35E5, 0x35E6] {
            entry_id(objects, &pc, PropTag::new(id, crate::format::ids::PropType::BINARY), &key, Severity::Notice, out)?;
        }
    }
    if let Some(mask) = pc.int(tags::VALID_FOLDER_MASK.id()) {
        let bits = [0x35E0u16, 0x35E1, 0x35E2, 0x35E3, 0x35E4, 0x35E5, 0x35E6, 0x35E7];
        // The inbox is the receive folder table's.
        let missing = bits.iter().enumerate().find(|(i, id)| mask & (1 << i) != 0 && **id != 0x35E1 && !pc.has(**id));
        if let Some((_, id)) = missing {
            let tag = PropTag::new(*id, crate::format::ids::PropType::BINARY);
            out.report(Finding::new(&rules::FOLDER_MASK, pc.at().with_tag(tag)).actual(format!("{mask:#x}")))?;
        }
    }
    Ok(())
}

fn entry_id(
    objects: &Objects<'_>,
    pc: &PropertyContext<'_>,
    tag: PropTag,
    key: &[u8],
    severity: Severity,
    out: &mut Collector<'_>,
) -> Result<()> {
    let Some(bytes) = pc.binary(tag.id(), &mut Ignore)? else { return Ok(()) };
    let f = Finding::new(&rules::STORE_ENTRY_ID, pc.at().with_tag(tag)).severity(severity);
    match EntryId::decode(&bytes) {
        None => out.report(f.numbers(wide(bytes.len()), 24)),
        Some(id) if id.uid.0 != key => out.report(f.actual("another store's key")),
        Some(id) if !objects.ndb.index().node(id.nid).is_some_and(|n| n.nid.is_folder()) => {
            out.add_under(f.actual(format!("no folder {}", id.nid)), objects.causes.of_node(id.nid));
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

fn name_map(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let nid = Nid::NAME_TO_ID_MAP;
    out.watch(Location::node(nid));
    let Some(node) = objects.ndb.node(nid) else {
        absent(objects, nid, &rules::NAME_MAP, Severity::Error, out);
        return Ok(());
    };
    objects.look_for_bad_blocks(&node, out)?;
    if let Some(pc) = objects.properties(node, out)? {
        NameMap::read(&pc, out)?;
        NameMap::verify_buckets(&pc, out)?;
    }
    Ok(())
}

fn templates(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    for (nid, columns) in TEMPLATE_COLUMNS {
        out.watch(Location::node(nid));
        let Some(node) = objects.ndb.node(nid) else {
            absent(objects, nid, &rules::TEMPLATE_MISSING, Severity::Error, out);
            continue;
        };
        objects.look_for_bad_blocks(&node, out)?;
        let Some(table) = objects.table(node, out)? else { continue };
        if table.row_count() > 0 {
            out.report(Finding::new(&rules::TEMPLATE_ROWS, table.at()).numbers(table.row_count().into(), 0))?;
        }
        for id in columns {
            if table.column(*id).is_none() {
                out.report(Finding::new(&rules::TEMPLATE_COLUMN, table.at()).actual(format!("{id:04X}")))?;
            }
        }
    }
    // Outlook 2007 and later have these; earlier and other writers do not.
    for nid in [Nid::REPLICATION_TABLE, Nid::REPLICATION_TABLE_17, Nid::REPLICATION_TABLE_18] {
        out.watch(Location::node(nid));
        match objects.ndb.node(nid) {
            Some(node) => {
                objects.look_for_bad_blocks(&node, out)?;
                objects.table(node, out)?;
            }
            None if objects.ndb.header().touched_by_outlook_2007() => {
                absent(objects, nid, &rules::TEMPLATE_MISSING, Severity::Notice, out);
            }
            None => {}
        }
    }
    Ok(())
}

fn other_tables(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let nid = Nid::RECEIVE_FOLDER_TABLE;
    out.watch(Location::node(nid));
    match objects.ndb.node(nid) {
        None => absent(objects, nid, &rules::RECEIVE_TABLE, Severity::Error, out),
        Some(node) => {
            objects.look_for_bad_blocks(&node, out)?;
            if let Some(table) = objects.table(node, out)? {
                receive_rows(objects, &table, out)?;
            }
        }
    }
    let nid = Nid::OUTGOING_QUEUE_TABLE;
    out.watch(Location::node(nid));
    match objects.ndb.node(nid) {
        None if objects.offline => {}
        None => absent(objects, nid, &rules::OUTGOING_QUEUE, Severity::Warning, out),
        Some(node) => {
            objects.look_for_bad_blocks(&node, out)?;
            objects.table(node, out)?;
        }
    }
    Ok(())
}

/// A row for the empty class, whose folder exists.
fn receive_rows(objects: &Objects<'_>, table: &crate::ltp::TableContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    let mut rows = table.rows();
    while let Some(row) = rows.next(&mut Ignore)? {
        let Some(column) = table.column(tags::MESSAGE_CLASS.id()) else { break };
        let is_default = row.cell(column).is_some() && row.source(column, &mut Ignore)?.is_some_and(|s| s.is_empty());
        if !is_default {
            continue;
        }
        let folder = row.int(0x6605).map(|n| Nid(u32::from_le_bytes(n.to_le_bytes())));
        let exists = folder.is_some_and(|f| objects.ndb.index().node(f).is_some_and(|n| n.nid.is_folder()));
        if !exists && let Some(folder) = folder {
            let f = Finding::new(&rules::RECEIVE_DEFAULT, table.at().with_row(row.number())).actual(format!("folder {folder}"));
            out.add_under(f, objects.causes.of_node(folder));
        }
        return Ok(());
    }
    out.report(Finding::new(&rules::RECEIVE_DEFAULT, table.at()).actual("no row for the default class"))
}

/// A node's data, if it is small enough to be a list.
fn list(objects: &Objects<'_>, nid: Nid, out: &mut Collector<'_>) -> Result<Option<Vec<u8>>> {
    let Some(node) = objects.ndb.node(nid) else { return Ok(None) };
    let tree = node.data(out)?;
    Ok(Some(tree.read_all(objects.ndb, objects.ndb.limits().value_bytes, out).map(|b| b.into_owned()).unwrap_or_default()))
}

fn searches(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let queue = Nid::SEARCH_MANAGEMENT_QUEUE;
    if objects.ndb.node(queue).is_none() {
        absent(objects, queue, &rules::SEARCH_QUEUE, Severity::Warning, out);
    }
    let queues = objects
        .ndb
        .index()
        .nodes()
        .iter()
        .filter(|n| n.nid == queue || n.nid == Nid::SEARCH_QUEUE_3 || n.nid.nid_type() == NidType::SEARCH_UPDATE_QUEUE);
    for n in queues {
        out.watch(Location::node(n.nid));
        let len = objects.ndb.data_tree(n.data, Location::node(n.nid), out)?.len();
        if !len.is_multiple_of(SUD) {
            out.report(Finding::new(&rules::SEARCH_QUEUE, Location::node(n.nid)).numbers(len, SUD))?;
        }
        if u64::from(n.parent.0) > len {
            out.report(Finding::new(&rules::UPDATE_QUEUE, Location::node(n.nid)).numbers(n.parent.0.into(), len))?;
        }
    }
    let nid = Nid::SEARCH_ACTIVITY_LIST;
    out.watch(Location::node(nid));
    match list(objects, nid, out)? {
        None => absent(objects, nid, &rules::ACTIVITY_LIST, Severity::Warning, out),
        Some(bytes) => activity(objects, nid, &bytes, out)?,
    }
    if objects.ndb.node(Nid::SEARCH_DOMAIN_OBJECT).is_none() {
        absent(objects, Nid::SEARCH_DOMAIN_OBJECT, &rules::SEARCH_DOMAIN, Severity::Notice, out);
    }
    Ok(())
}

fn activity(objects: &Objects<'_>, nid: Nid, bytes: &[u8], out: &mut Collector<'_>) -> Result<()> {
    if !bytes.len().is_multiple_of(4) {
        out.report(Finding::new(&rules::ACTIVITY_LIST, Location::node(nid)).numbers(wide(bytes.len()), 4))?;
    }
    let index = objects.ndb.index();
    let listed: Vec<Nid> = bytes.chunks_exact(4).map(|b| Nid(le32(b, 0))).collect();
    for n in &listed {
        if index.node(*n).is_none() || n.nid_type() != NidType::SEARCH_FOLDER {
            // Outlook leaves searches in the list that it has deleted.
            let severity = if n.nid_type() == NidType::SEARCH_FOLDER { Severity::Notice } else { rules::ACTIVITY_LIST.severity };
            let f = Finding::new(&rules::ACTIVITY_LIST, Location::node(nid)).actual(format!("no search folder {n}"));
            out.add_under(f.severity(severity), objects.causes.of_node(*n));
        }
    }
    let idle = index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::SEARCH_FOLDER && !listed.contains(&n.nid));
    for n in idle.filter(|n| index.node(n.nid.with_type(NidType::SEARCH_CRITERIA_OBJECT)).is_some()) {
        out.report(Finding::new(&rules::SEARCH_NOT_LISTED, Location::node(n.nid)).severity(Severity::Info))?;
    }
    Ok(())
}
