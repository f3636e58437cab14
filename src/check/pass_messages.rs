//! Messages: properties, flags, recipients, and each message against its row ([MS-PST] 2.4.5).
//!
//! Work comes in pieces of a folder's messages, so that a large folder does not end on one thread. The pieces of one folder share its
//! table: opening it costs a step for each block of rows, which every piece would otherwise pay again.

use super::Check;
use super::collect::{Collector, Context};
use super::kept::Facts;
use super::objects::{Objects, State};
use super::report::ItemCount;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{le16, wide};
use crate::format::ids::{HnidKind, Nid, NidType, PropType};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::limits::Allowance;
use crate::ltp::tc::Row;
use crate::ltp::{NameMap, PropertyContext, TableContext};
use crate::messaging::conversation::conversation_id;
use crate::monitor::step;
use crate::ndb::{DataTree, Ndb, Node};
use crate::rules::{self, Severity};
use crate::work::in_order;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// MSGFLAG_HASATTACH.
const HAS_ATTACHMENTS: i32 = 0x10;
/// MSGFLAG_ASSOCIATED.
const ASSOCIATED: i32 = 0x40;
/// The first property id that stands for a name.
const FIRST_NAMED: u16 = 0x8000;
/// Messages in one piece of work.
const PIECE: usize = 256;

/// A message that is still to be looked at: a top-level one or one inside an attachment.
pub(super) struct Pending<'a> {
    pub node: Node<'a>,
    pub depth: u16,
    /// The size that the attachment's object value notes.
    pub noted: Option<(u32, Location)>,
}

/// Checks every message.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let (options, monitor) = (check.options, check.monitor);
    let names = names(&check.ndb)?;
    let new = Objects::new(&check.ndb, options, &check.causes, &check.allowance);
    let objects = Objects { names: names.as_ref(), sizes: Some(&check.sizes), ..new };
    // by folder and kind, so that a piece has one table
    let mut order: Vec<NbtEntry> = check.ndb.index().nodes().iter().filter(|n| n.nid.is_message()).copied().collect();
    order.sort_by_key(|n| (n.parent, n.nid.nid_type(), n.nid));
    let folders: Vec<(&[NbtEntry], SharedTable<'_>)> = order
        .chunk_by(|a, b| (a.parent, a.nid.nid_type()) == (b.parent, b.nid.nid_type()))
        .map(|all| (all, SharedTable::of(all.len().div_ceil(PIECE))))
        .collect();
    let pieces: Vec<(&[NbtEntry], &SharedTable<'_>)> =
        folders.iter().flat_map(|(all, table)| all.chunks(PIECE).map(move |piece| (piece, table))).collect();
    let (out, items, memory) = (&mut check.out, &mut check.items, &mut check.memory);
    let (index, known) = (check.ndb.index(), memory.known());
    in_order(
        options.threads,
        &pieces,
        &|(piece, shared): &(&[NbtEntry], &SharedTable<'_>)| {
            let table = piece.first().and_then(|n| index.node(n.parent.with_type(table_of(n.nid))));
            let entries = [table, index.node(Nid::NAME_TO_ID_MAP)].into_iter().chain(piece.iter().map(Some));
            let facts = known.look(objects.collector(), entries, |facts| some_messages(&objects, piece, shared, facts))?;
            shared.piece_is_done();
            step(monitor, wide(piece.len()))?;
            Ok(facts)
        },
        &mut |facts: Facts<'_>| {
            facts.settle(memory, out, items, monitor);
        },
    )
}

/// The table that lists a message.
fn table_of(message: Nid) -> NidType {
    if message.nid_type() == NidType::ASSOC_MESSAGE { NidType::ASSOC_CONTENTS_TABLE } else { NidType::CONTENTS_TABLE }
}

/// The names of named properties, where the store has any; the faults of the map itself are the store's.
fn names(ndb: &Ndb) -> Result<Option<NameMap>> {
    let Some(node) = ndb.node(Nid::NAME_TO_ID_MAP) else { return Ok(None) };
    match PropertyContext::open(node, &mut Ignore)? {
        Some(pc) => NameMap::read(&pc, &mut Ignore).map(|names| Some(names).filter(|n| !n.is_empty())),
        None => Ok(None),
    }
}

/// The table that lists the messages of a folder, opened by the first piece that needs it and closed by the last.
struct SharedTable<'a>(Mutex<Opened<'a>>);

struct Opened<'a> {
    table: Option<Option<Arc<TableContext<'a>>>>,
    /// Pieces that are not done.
    left: usize,
}

impl<'a> SharedTable<'a> {
    fn of(pieces: usize) -> Self {
        Self(Mutex::new(Opened { table: None, left: pieces }))
    }

    /// The table; `None` where it cannot be read, or its columns are in doubt: then all its cells would differ.
    fn open(&self, objects: &Objects<'a>, message: &NbtEntry) -> Result<Option<Arc<TableContext<'a>>>> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = &opened.table {
            return Ok(table.clone());
        }
        // The table itself is checked with its folder.
        let mut doubts = Vec::new();
        let table = match objects.ndb.node(message.parent.with_type(table_of(message.nid))) {
            Some(node) => TableContext::open(node, &mut doubts)?,
            None => None,
        };
        let table = table.filter(|_| doubts.iter().all(|f: &Finding| f.severity < Severity::Warning)).map(Arc::new);
        opened.table = Some(table.clone());
        Ok(table)
    }

    fn piece_is_done(&self) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.left = opened.left.saturating_sub(1);
        if opened.left == 0 {
            opened.table = None;
        }
    }
}

fn some_messages<'a>(objects: &Objects<'a>, piece: &[NbtEntry], shared: &SharedTable<'a>, mut facts: Facts<'a>) -> Result<Facts<'a>> {
    let items = &mut facts.items;
    let Some(first) = piece.first() else { return Ok(facts) };
    let associated = first.nid.nid_type() == NidType::ASSOC_MESSAGE;
    let table = shared.open(objects, first)?;
    let table = table.as_deref();
    let mut pending = Vec::new();
    for n in piece {
        let out = &mut facts.out;
        let at = Location::node(n.nid);
        out.watch(at);
        let Some(node) = objects.ndb.node(n.nid) else { continue };
        objects.look_for_bad_blocks(&node, out)?;
        let before = out.mark();
        let pc = message(objects, node, associated, 0, &mut items.attachments, &mut pending, out)?;
        out.suffer(before, Severity::Warning);
        if let (Some(pc), Some(table)) = (&pc, table)
            && let Some(row) = table.row_by_id(n.nid.0, &mut Ignore)?
        {
            objects.compare(&row, table, pc, (&rules::MESSAGE_ROW, rules::MESSAGE_ROW.severity), out)?;
            row_follows(objects, table, &row, pc, associated, out)?;
            if !associated && !row.has(tags::MESSAGE_STATUS.id()) && table.column(tags::MESSAGE_STATUS.id()).is_some() {
                out.report(Finding::new(&rules::ROW_ONLY_CELLS, at.with_tag(tags::MESSAGE_STATUS).with_row(row.number())))?;
            }
        }
        while let Some(p) = pending.pop() {
            embedded(objects, p, &mut items.attachments, &mut pending, out)?;
        }
        if pc.is_none() {
            out.loss = Loss::Item;
        }
        State::of(out.loss).count(&mut items.messages);
    }
    if associated {
        items.associated = items.messages;
    }
    Ok(facts)
}

fn embedded<'a>(
    objects: &Objects<'a>,
    p: Pending<'a>,
    attachments: &mut ItemCount,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<()> {
    if p.depth > objects.ndb.limits().embedded_depth {
        return out.report(Finding::new(&rules::DATA_TREE_DEPTH, p.node.at).loss(Loss::Partial));
    }
    // The faults of the outer message say nothing about this one.
    out.context = Context::Free;
    let pc = message(objects, p.node, false, p.depth, attachments, pending, out)?;
    let size = pc.as_ref().and_then(|pc| pc.int(tags::MESSAGE_SIZE.id())).and_then(|n| u32::try_from(n).ok());
    if let (Some(size), Some((noted, at))) = (size, p.noted)
        && size != noted
    {
        out.report(Finding::new(&rules::EMBEDDED_SIZE, at).numbers(noted.into(), size.into()))?;
    }
    Ok(())
}

/// Checks a message and its parts; embedded messages are left to be looked at.
fn message<'a>(
    objects: &Objects<'a>,
    node: Node<'a>,
    associated: bool,
    depth: u16,
    attachments: &mut ItemCount,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<Option<PropertyContext<'a>>> {
    let before = out.mark();
    let Some(pc) = objects.properties(node, out)? else { return Ok(None) };
    // A value that a broken heap hides is no finding of its own.
    out.suffer(before, Severity::Error);
    properties(objects, &pc, associated, depth, out)?;
    let found = subnodes(objects, &pc, depth, attachments, pending, out)?;
    if let Some(flags) = pc.int(tags::MESSAGE_FLAGS.id())
        && (flags & HAS_ATTACHMENTS != 0) != (found > 0)
        && out.loss < Loss::Partial
    {
        let f = Finding::new(&rules::MESSAGE_FLAGS, pc.at().with_tag(tags::MESSAGE_FLAGS));
        // A message of which only the header was fetched has its attachments on the server.
        let severity = if objects.offline && found == 0 { Severity::Notice } else { f.severity };
        out.report(f.actual(format!("{flags:#x} with {found} attachments")).severity(severity))?;
    }
    size(objects, &pc, out)?;
    if objects.deep {
        bodies(objects, &pc, out)?;
    }
    Ok(Some(pc))
}

fn properties(objects: &Objects<'_>, pc: &PropertyContext<'_>, associated: bool, depth: u16, out: &mut Collector<'_>) -> Result<()> {
    objects.require(pc, &[tags::MESSAGE_CLASS], &rules::MESSAGE_CLASS, Loss::Metadata, out)?;
    objects.require(pc, &[tags::SEARCH_KEY], &rules::SEARCH_KEY, Loss::Metadata, out)?;
    // Offline files keep the time of change in the row.
    let times = [tags::CREATION_TIME, tags::LAST_MODIFICATION_TIME];
    let wanted = if objects.offline { &times[..0] } else { &times[..] };
    objects.require(pc, wanted, &rules::MESSAGE_TIMES, Loss::Metadata, out)?;
    if !pc.has(tags::MESSAGE_SIZE.id()) {
        out.report(Finding::new(&rules::MESSAGE_SIZE, pc.at().with_tag(tags::MESSAGE_SIZE)).actual("missing"))?;
    }
    if !objects.offline {
        not_in_objects(pc, out)?;
    }
    if let Some(names) = objects.names
        && let Some(tag) = pc.tags().find(|t| t.id() >= FIRST_NAMED && t.id() != u16::MAX && names.name(t.id()).is_none())
    {
        out.report(Finding::new(&rules::UNNAMED_PROPERTY, pc.at().with_tag(tag)))?;
    }
    let at = pc.at().with_tag(tags::MESSAGE_FLAGS);
    match pc.int(tags::MESSAGE_FLAGS.id()) {
        None => out.report(Finding::new(&rules::MESSAGE_FLAGS, at).actual("missing").severity(Severity::Error))?,
        Some(flags) if depth == 0 && (flags & ASSOCIATED != 0) != associated => {
            out.report(Finding::new(&rules::MESSAGE_FLAGS, at).actual(format!("{flags:#x}")).severity(Severity::Error))?;
        }
        Some(_) => {}
    }
    if let Some(record) = pc.get(tags::SUBJECT.id()).filter(|r| r.tag.prop_type() == PropType::STRING)
        && let Some(source) = pc.source(record, &mut Ignore)?
        && source.len() >= 4
        // a prefix has at most 65,535 characters
        && let Ok(text) = source.bytes(1 << 17, &mut Ignore)
        && le16(&text, 0) == 1
        && u64::from(le16(&text, 2)) > source.len() / 2
    {
        out.report(Finding::new(&rules::SUBJECT_PREFIX, pc.at().with_tag(tags::SUBJECT)).numbers(le16(&text, 2).into(), source.len() / 2))?;
    }
    Ok(())
}

/// Properties that stand in rows alone, and lists of names that are there and empty.
fn not_in_objects(pc: &PropertyContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    for tag in [tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::CONVERSATION_ID] {
        if pc.has(tag.id()) {
            out.report(Finding::new(&rules::TABLE_PROPERTY, pc.at().with_tag(tag)))?;
        }
    }
    for tag in [tags::DISPLAY_TO, tags::DISPLAY_CC] {
        if let Some(record) = pc.get(tag.id())
            && pc.source(record, &mut Ignore)?.is_some_and(|s| s.is_empty())
        {
            out.report(Finding::new(&rules::EMPTY_NAMES, pc.at().with_tag(tag)))?;
        }
    }
    Ok(())
}

/// Sub-nodes: attachments, recipients, values that nothing refers to. Answers how many attachments there are.
fn subnodes<'a>(
    objects: &Objects<'a>,
    pc: &PropertyContext<'a>,
    depth: u16,
    attachments: &mut ItemCount,
    pending: &mut Vec<Pending<'a>>,
    out: &mut Collector<'_>,
) -> Result<u64> {
    let Some(node) = pc.node().filter(|n| !n.sub.is_none()) else { return Ok(0) };
    let tree = node.subnodes(out)?;
    let mut found = 0u64;
    let mut unused = None;
    let used = nodes_of_values(pc);
    for e in tree.iter() {
        match e.nid.nid_type() {
            NidType::ATTACHMENT => found = found.saturating_add(1),
            NidType::LTP if used.binary_search(&e.nid).is_err() => unused = unused.or(Some(e.nid)),
            _ => {}
        }
    }
    if let Some(nid) = unused {
        out.report(Finding::new(&rules::UNUSED_SUBNODE, pc.at().with_sub(nid)))?;
    }
    if let Some(sub) = node.subnode(Nid::RECIPIENT_TABLE, out)? {
        recipients(objects, sub, out)?;
    }
    let table = node.subnode(Nid::ATTACHMENT_TABLE, out)?;
    if found > 0 || table.is_some() {
        super::pass_attachments::run(objects, node, table, depth, attachments, pending, out)?;
    }
    Ok(found)
}

/// The sub-nodes that values of the object are in, in order.
fn nodes_of_values(pc: &PropertyContext<'_>) -> Vec<Nid> {
    let in_nodes = pc.records().iter().filter(|r| !r.tag.prop_type().is_inline());
    let mut nodes: Vec<Nid> = in_nodes.filter_map(|r| if let HnidKind::Node(nid) = r.hnid().kind() { Some(nid) } else { None }).collect();
    nodes.sort_unstable();
    nodes
}

fn recipients<'a>(objects: &Objects<'a>, node: Node<'a>, out: &mut Collector<'_>) -> Result<()> {
    let Some(table) = objects.table(node, out)? else { return Ok(()) };
    let mut rows = table.rows();
    while let Some(row) = rows.next(&mut Ignore)? {
        let kind = row.int(tags::RECIPIENT_TYPE.id());
        // the upper bits say that the recipient was resubmitted or has it already
        if !kind.is_some_and(|k| (0..=3).contains(&(k & 0x0FFF_FFFF))) {
            let at = row.at(tags::RECIPIENT_TYPE);
            out.report(Finding::new(&rules::RECIPIENT_ROW, at).actual(kind.map_or("missing".to_owned(), |k| k.to_string())))?;
        }
    }
    Ok(())
}

/// Deep: every value in a sub-node is read through, the compressed body decoded.
fn bodies(objects: &Objects<'_>, pc: &PropertyContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    if let Some(bytes) = pc.binary(tags::RTF_COMPRESSED.id(), &mut Ignore)?
        && !bytes.is_empty()
        && let Err((rule, problem)) = super::rtf_problem(&bytes, objects.ndb.limits())
    {
        let loss = if std::ptr::eq(rule, &rules::RTF_UNDECODABLE) { Loss::Partial } else { Loss::None };
        out.report(Finding::new(rule, pc.at().with_tag(tags::RTF_COMPRESSED)).actual(problem).loss(loss))?;
    }
    for record in pc.records() {
        if record.tag.prop_type().is_inline() || !matches!(record.hnid().kind(), HnidKind::Node(_)) {
            continue;
        }
        if let Some(mut reader) = pc.open_value(record.tag.id(), out)? {
            let mut buf = [0; 4096];
            while reader.read(&mut buf).is_ok_and(|n| n > 0) {}
            for f in reader.problems() {
                out.report(f.clone())?;
            }
        }
    }
    Ok(())
}

/// How much a size that is off matters: Outlook's own rows lag behind their messages by up to 6 %.
fn severity_of_size(stored: u64, counted: u64) -> Severity {
    let off = stored.abs_diff(counted);
    if off.saturating_mul(100) < counted.saturating_mul(6) { Severity::Notice } else { Severity::Warning }
}

/// Versions of Outlook before 2010 did not count the heads of heaps and tables: sizes that they wrote are so much too low at most.
const UNCOUNTED: u64 = 1536;

/// PidTagMessageSize against the bytes that the message takes. Only versions of Outlook that index messages count like this.
fn size(objects: &Objects<'_>, pc: &PropertyContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    let counts = objects.ndb.index().node(Nid::MESSAGE_INDEX).is_some();
    if objects.offline || !counts || out.loss >= Loss::Partial {
        return Ok(());
    }
    let (Some(stored), Some(node)) = (pc.int(tags::MESSAGE_SIZE.id()), pc.node()) else { return Ok(()) };
    let stored = u64::from(stored.cast_unsigned());
    let Some(allowance) = objects.sizes else { return Ok(()) };
    let Some(counted) = bytes_of(node, allowance)? else { return Ok(()) };
    if stored != counted {
        let is_older = stored < counted && counted.saturating_sub(stored) <= UNCOUNTED;
        let severity = if is_older { Severity::Notice } else { severity_of_size(stored, counted) };
        let f = Finding::new(&rules::MESSAGE_SIZE, pc.at().with_tag(tags::MESSAGE_SIZE));
        out.report(f.numbers(stored, counted).severity(severity))?;
    }
    Ok(())
}

/// The values that stand in a row alone and follow from the message all the same: its size, and its conversation.
fn row_follows(
    objects: &Objects<'_>,
    table: &TableContext<'_>,
    row: &Row<'_, '_>,
    pc: &PropertyContext<'_>,
    associated: bool,
    out: &mut Collector<'_>,
) -> Result<()> {
    // offline files keep other sizes and ids in rows
    if objects.offline {
        return Ok(());
    }
    let at = |tag| pc.at().with_tag(tag).with_row(row.number());
    let size = |n: i32| u64::from(n.cast_unsigned());
    if let (Some(listed), Some(own)) = (row.int(tags::MESSAGE_SIZE.id()).map(size), pc.int(tags::MESSAGE_SIZE.id()).map(size))
        && listed != own
    {
        let f = Finding::new(&rules::ROW_SIZE, at(tags::MESSAGE_SIZE)).numbers(listed, own);
        out.report(f.severity(severity_of_size(listed, own)).loss(Loss::Metadata))?;
    }
    let Some(column) = table.column(tags::CONVERSATION_ID.id()).filter(|c| c.tag == tags::CONVERSATION_ID && !associated) else {
        return Ok(());
    };
    let topic: Option<String> = match pc.get(tags::CONVERSATION_TOPIC.id()) {
        // the page of a text of 8 bits may be any
        Some(record) if record.tag.prop_type() != PropType::STRING => return Ok(()),
        // as it is stored: a NUL at its end is one of its characters here
        Some(record) => match pc.source(record, &mut Ignore)? {
            Some(source) => source.bytes(1 << 17, &mut Ignore).ok().map(|b| {
                let units = b.as_chunks::<2>().0.iter().map(|u| u16::from_le_bytes(*u));
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
            }),
            None => None,
        },
        None => None,
    };
    let index = pc.binary(tags::CONVERSATION_INDEX.id(), &mut Ignore)?;
    let is_tracked = pc.bool(tags::CONVERSATION_INDEX_TRACKING.id()) == Some(true);
    let wanted = conversation_id(is_tracked, index.as_deref(), topic.as_deref());
    let stored = match row.source(column, &mut Ignore)? {
        Some(source) => source.bytes(64, &mut Ignore).ok().map(|b| b.into_owned()),
        None => None,
    };
    let indexes = objects.ndb.index().node(Nid::MESSAGE_INDEX).is_some();
    if stored.as_deref() != wanted.as_ref().map(|id| &id[..]) && indexes {
        out.report(Finding::new(&rules::CONVERSATION, at(tags::CONVERSATION_ID)))?;
    }
    Ok(())
}

/// Bytes of data that a node and its sub-nodes hold; `None` where that is more than may be counted.
fn bytes_of(node: &Node<'_>, allowance: &Allowance) -> Result<Option<u64>> {
    let mut total = 0u64;
    let mut pending = vec![(node.data, node.sub)];
    while let Some((data, sub)) = pending.pop() {
        let (len, leaves) = if data.is_internal() {
            let tree = DataTree::load(node.ndb, data, node.at, &mut Ignore)?;
            (tree.len(), wide(tree.leaf_count()))
        } else {
            (node.ndb.find_block(data).map_or(0, |b| u64::from(b.cb_inflated)), 1)
        };
        total = total.saturating_add(len);
        if !allowance.take(leaves.saturating_add(1)) {
            return Ok(None);
        }
        if sub.is_none() {
            continue;
        }
        let tree = node.ndb.subnode_tree(sub, node.at, &mut Ignore)?;
        pending.extend(tree.iter().map(|e| (e.data, e.sub)));
    }
    Ok(Some(total))
}
