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
use crate::ltp::{NameMap, PropertyContext, TableContext};
use crate::rules::{self, Severity};
use std::collections::HashSet;

/// Bytes of a search update descriptor.
const SUD: u64 = 20;

/// Columns that the templates have in every file; texts are of 8 bits in ANSI files. A column of another type counts as none.
const TEMPLATE_COLUMNS: [(Nid, &[PropTag]); 6] = [
    (Nid::HIERARCHY_TABLE_TEMPLATE, &[tags::DISPLAY_NAME, tags::CONTENT_COUNT, tags::CONTENT_UNREAD_COUNT, tags::SUBFOLDERS]),
    (
        Nid::CONTENTS_TABLE_TEMPLATE,
        &[tags::MESSAGE_CLASS, tags::SUBJECT, tags::MESSAGE_DELIVERY_TIME, tags::MESSAGE_FLAGS, tags::MESSAGE_SIZE, tags::MESSAGE_STATUS],
    ),
    (Nid::ASSOC_CONTENTS_TABLE_TEMPLATE, &[tags::MESSAGE_CLASS, tags::MESSAGE_FLAGS, tags::MESSAGE_STATUS]),
    (Nid::SEARCH_CONTENTS_TABLE_TEMPLATE, &[tags::MESSAGE_CLASS, tags::SUBJECT, tags::MESSAGE_FLAGS, tags::LTP_PARENT_NID]),
    (Nid::ATTACHMENT_TABLE, &[tags::ATTACH_SIZE, tags::ATTACH_FILENAME, tags::ATTACH_METHOD, tags::RENDERING_POSITION]),
    (Nid::RECIPIENT_TABLE, &[tags::RECIPIENT_TYPE, tags::DISPLAY_NAME, tags::ADDRESS_TYPE, tags::EMAIL_ADDRESS]),
];

/// The templates of Outlook 2007 and later, and the columns that its repair tool asks for.
const LATER_TEMPLATES: [(Nid, &[PropTag]); 3] = [
    (Nid::REPLICATION_TABLE, &[tags::REPL_TOMBSTONE, tags::REPL_CHANGE_NUMBER, tags::REPL_FLAGS]),
    (
        Nid::REPLICATION_TABLE_17,
        &[
            tags::REPL_ITEM_SERVER_ID,
            tags::REPL_SERVER_ID,
            tags::REPL_ITEM_ID,
            tags::REPL_CHANGE_NUMBER,
            tags::REPL_VERSION_HISTORY,
            tags::REPL_FLAGS,
            tags::MESSAGE_CLASS,
        ],
    ),
    (Nid::REPLICATION_TABLE_18, &[tags::CREATION_TIME, tags::REPL_CHANGE_NUMBER]),
];

/// Nodes that versions of Outlook since 2007 make together: where one is, all are.
const SINCE_2007: [Nid; 4] = [Nid::ID_MAP, Nid::REPLICATION_TABLE, Nid::REPLICATION_TABLE_17, Nid::REPLICATION_TABLE_18];
/// Nodes of later versions, each of which has the queue 0xEC1 as well.
const WITH_QUEUE: [Nid; 6] = [Nid::FOLDER_LIST, Nid::FOLDER_LIST_HEAD, Nid::FOLDER_LIST_QUEUE, Nid(0xE61), Nid(0xE81), Nid(0xEA1)];

/// How much the absence of a node matters: an error of accounting where another node says that it must have been there, a notice
/// otherwise, because healthy files of old versions lack it too.
fn severity_of_absence(objects: &Objects<'_>, nid: Nid) -> Severity {
    let has_any = |list: &[Nid]| list.iter().any(|n| objects.ndb.index().node(*n).is_some());
    let later = has_any(&SINCE_2007) || has_any(&[Nid::MESSAGE_INDEX, Nid::MESSAGE_INDEX_QUEUE]);
    let belongs = match nid {
        Nid::MESSAGE_INDEX | Nid::MESSAGE_INDEX_QUEUE => {
            has_any(&[Nid::MESSAGE_INDEX, Nid::MESSAGE_INDEX_QUEUE, Nid::SEARCH_QUEUE_3]) || has_any(&WITH_QUEUE)
        }
        Nid::SEARCH_QUEUE_3 => has_any(&WITH_QUEUE),
        Nid::OUTGOING_QUEUE_TABLE => later || has_any(&[Nid::SEARCH_DOMAIN_OBJECT]),
        Nid::SEARCH_DOMAIN_OBJECT => later || has_any(&[Nid::OUTGOING_QUEUE_TABLE]),
        _ => later,
    };
    if belongs { Severity::Warning } else { Severity::Notice }
}

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
        columns_of(objects, &table, columns, out)?;
    }
    // Outlook 2007 and later have these; earlier and other writers do not.
    for (nid, columns) in LATER_TEMPLATES {
        out.watch(Location::node(nid));
        match objects.ndb.node(nid) {
            Some(node) => {
                objects.look_for_bad_blocks(&node, out)?;
                if let Some(table) = objects.table(node, out)? {
                    columns_of(objects, &table, columns, out)?;
                }
            }
            None if objects.ndb.header().touched_by_outlook_2007() => {
                absent(objects, nid, &rules::TEMPLATE_MISSING, severity_of_absence(objects, nid), out);
            }
            None => {}
        }
    }
    for nid in [Nid::ID_MAP, Nid::MESSAGE_INDEX, Nid::MESSAGE_INDEX_QUEUE] {
        let severity = severity_of_absence(objects, nid);
        if objects.ndb.node(nid).is_none() && severity >= Severity::Warning {
            absent(objects, nid, &rules::INDEX_NODE, severity, out);
        }
    }
    Ok(())
}

/// Columns that a table of the store lacks.
fn columns_of(objects: &Objects<'_>, table: &TableContext<'_>, wanted: &[PropTag], out: &mut Collector<'_>) -> Result<()> {
    for tag in wanted {
        let tag = objects.fitting(*tag);
        if table.column(tag.id()).is_none_or(|c| c.tag != tag) {
            out.report(Finding::new(&rules::TEMPLATE_COLUMN, table.at().with_tag(tag)))?;
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
                columns_of(objects, &table, &[tags::RECEIVE_FOLDER_NID, tags::MESSAGE_CLASS], out)?;
                receive_rows(objects, &table, out)?;
            }
        }
    }
    let nid = Nid::OUTGOING_QUEUE_TABLE;
    out.watch(Location::node(nid));
    match objects.ndb.node(nid) {
        None => absent(objects, nid, &rules::OUTGOING_QUEUE, severity_of_absence(objects, nid), out),
        Some(node) => {
            objects.look_for_bad_blocks(&node, out)?;
            if let Some(table) = objects.table(node, out)? {
                columns_of(objects, &table, &[tags::SUBMIT_FLAGS, tags::SPOOLER_STATUS, tags::CLIENT_SUBMIT_TIME], out)?;
                outgoing_rows(objects, &table, out)?;
            }
        }
    }
    Ok(())
}

/// Rows of the outgoing queue stand for messages that are to be sent.
fn outgoing_rows(objects: &Objects<'_>, table: &TableContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    let mut rows = table.rows();
    while let Some(row) = rows.next(&mut Ignore)? {
        let nid = Nid(row.id());
        if !nid.is_message() || objects.ndb.index().node(nid).is_none() {
            out.add_under(Finding::new(&rules::OUTGOING_ROW, table.at().with_sub(nid).with_row(row.number())), objects.causes.of_node(nid));
        }
    }
    Ok(())
}

/// A row for the empty class, whose folder exists.
fn receive_rows(objects: &Objects<'_>, table: &TableContext<'_>, out: &mut Collector<'_>) -> Result<()> {
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
    let later = Nid::SEARCH_QUEUE_3;
    if objects.ndb.node(later).is_none() && severity_of_absence(objects, later) >= Severity::Warning {
        absent(objects, later, &rules::SEARCH_QUEUE, Severity::Warning, out);
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
    search_domain(objects, out)
}

/// The folders that searches look through: ids of folders, with marks in place of the type.
fn search_domain(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let nid = Nid::SEARCH_DOMAIN_OBJECT;
    out.watch(Location::node(nid));
    let Some(bytes) = list(objects, nid, out)? else {
        absent(objects, nid, &rules::SEARCH_DOMAIN, severity_of_absence(objects, nid), out);
        return Ok(());
    };
    if !bytes.len().is_multiple_of(4) {
        return out.report(Finding::new(&rules::SEARCH_DOMAIN_ENTRY, Location::node(nid)).numbers(wide(bytes.len()), 4));
    }
    let index = objects.ndb.index();
    let exists = |n: Nid| [NidType::NORMAL_FOLDER, NidType::SEARCH_FOLDER].iter().any(|t| index.node(n.with_type(*t)).is_some());
    for n in bytes.chunks_exact(4).map(|b| Nid(le32(b, 0))).filter(|n| !exists(*n)) {
        let folder = n.with_type(NidType::NORMAL_FOLDER);
        let f = Finding::new(&rules::SEARCH_DOMAIN_ENTRY, Location::node(nid)).actual(format!("no folder {folder}"));
        out.add_under(f, objects.causes.of_node(folder));
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
    let mut seen = HashSet::new();
    if let Some(twice) = listed.iter().find(|n| !seen.insert(**n)) {
        out.report(Finding::new(&rules::ACTIVITY_TWICE, Location::node(nid)).actual(twice.to_string()))?;
    }
    let idle = index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::SEARCH_FOLDER && !listed.contains(&n.nid));
    for n in idle.filter(|n| index.node(n.nid.with_type(NidType::SEARCH_CRITERIA_OBJECT)).is_some()) {
        out.report(Finding::new(&rules::SEARCH_NOT_LISTED, Location::node(n.nid)).severity(Severity::Info))?;
    }
    Ok(())
}
