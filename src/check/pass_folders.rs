//! Folders: their properties, their three tables, and each table's rows against the objects that it must list ([MS-PST] 2.4.4).
//!
//! The parent in the node B-tree is the truth; rows follow from it.

use super::Check;
use super::collect::{Collector, Context};
use super::kept::{Facts, Looking, RowFacts};
use super::objects::{Objects, State, are_equal, count_of, differ};
use super::report::{ItemCount, Items};
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::wide;
use crate::format::ids::{Nid, NidType, PropTag};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::limits::Allowance;
use crate::ltp::tc::Row;
use crate::ltp::{PropertyContext, TableContext};
use crate::messaging::conversation::index_key;
use crate::monitor::step;
use crate::rules::{self, Rule, Severity};
use crate::work::in_order;

/// MSGFLAG_READ.
const READ: i32 = 1;
/// Folders in one piece of work: handing out a small folder costs more than looking at it.
const PIECE: usize = 16;

/// The facts of a table.
#[derive(Default)]
struct TableFacts {
    /// The table can be read.
    readable: bool,
    /// There is a table, damaged or not.
    opened: bool,
    rows: u64,
    unread: u64,
    /// Ids in rows that no node has.
    dangling: u64,
    /// There are rows of objects that the folder does not have.
    strange: bool,
}

/// Checks every folder.
pub(super) fn run(check: &mut Check<'_>) -> Result<()> {
    let (options, monitor) = (check.options, check.monitor);
    let left = Allowance::of_rows(check.ndb.content(), check.ndb.limits());
    let mut objects = Objects::new(&check.ndb, options, &check.causes, &check.allowance);
    objects.rows = Some(&left);
    let index = check.ndb.index();
    let folders: Vec<NbtEntry> = index.nodes().iter().filter(|n| n.nid.is_folder()).copied().collect();
    let (out, items, memory) = (&mut check.out, &mut check.items, &mut check.memory);
    let known = memory.known();
    let mut rows = RowFacts::default();
    let pieces: Vec<&[NbtEntry]> = folders.chunks(PIECE).collect();
    in_order(
        options.threads,
        &pieces,
        &|piece: &&[NbtEntry]| {
            let facts = piece.iter().map(|n| look(&objects, n, &known)).collect::<Result<Vec<_>>>()?;
            step(monitor, wide(piece.len()))?;
            Ok(facts)
        },
        &mut |facts: Vec<Facts<'_>>| {
            facts.into_iter().for_each(|f| rows.extend(f.settle(memory, out, items, monitor)));
        },
    )?;
    let mut rest = objects.collector();
    strays(&objects, &mut rest)?;
    count_once(&mut rows.gone, items);
    rows.versions.sort_unstable();
    // A table that has a version twice has been told.
    if !out.has(&rules::TC_ROW_VER) {
        row_versions(&rows.versions, &mut rest)?;
    }
    check.census.row_version = rows.versions.last().copied().unwrap_or(0);
    check.rows = rows;
    check.out.merge(rest, monitor);
    Ok(())
}

/// An object that is gone is one, however many folders list it.
fn count_once(gone: &mut [Nid], items: &mut Items) {
    gone.sort_unstable();
    for (nid, next) in gone.iter().zip(gone.iter().skip(1)).filter(|(nid, next)| nid == next) {
        let one = ItemCount { expected: 1, lost: 1, ..ItemCount::default() };
        if next.is_folder() {
            items.folders = items.folders.less(one);
        } else {
            items.messages = items.messages.less(one);
            if nid.nid_type() == NidType::ASSOC_MESSAGE {
                items.associated = items.associated.less(one);
            }
        }
    }
}

/// A folder, with its tables and the objects in it. A search folder is always examined: its results may be anywhere in the store.
fn look<'a>(objects: &Objects<'a>, n: &NbtEntry, known: &Looking) -> Result<Facts<'a>> {
    if n.nid.nid_type() == NidType::SEARCH_FOLDER {
        return folder(objects, n, Facts::new(objects.collector()));
    }
    let index = objects.ndb.index();
    let tables = [HIERARCHY, CONTENTS, ASSOCIATED].map(|kind| index.node(n.nid.with_type(kind.table)));
    let entries = std::iter::once(Some(n)).chain(tables).chain(index.children(n.nid).map(Some));
    known.look(objects.collector(), entries, |facts| folder(objects, n, facts))
}

fn folder<'a>(objects: &Objects<'a>, n: &NbtEntry, mut facts: Facts<'a>) -> Result<Facts<'a>> {
    let out = &mut facts.out;
    let at = Location::node(n.nid);
    out.watch(at);
    let Some(node) = objects.ndb.node(n.nid) else { return Ok(facts) };
    objects.look_for_bad_blocks(&node, out)?;
    let before = out.mark();
    let pc = objects.properties(node, out)?;
    out.suffer(before, Severity::Error);
    if let Some(pc) = &pc {
        let wanted = [tags::DISPLAY_NAME, tags::CONTENT_COUNT, tags::CONTENT_UNREAD_COUNT, tags::SUBFOLDERS];
        objects.require(pc, &wanted, &rules::FOLDER_PROPERTY, Loss::Metadata, out)?;
    } else {
        out.loss = Loss::Item;
    }
    State::of(out.loss).count(&mut facts.items.folders);
    if n.nid.nid_type() == NidType::SEARCH_FOLDER {
        search_folder(objects, n.nid, out)?;
        return Ok(facts);
    }
    let children = |t: &[NidType]| -> Vec<u32> {
        let mut ids: Vec<u32> =
            objects.ndb.index().children(n.nid).filter(|c| c.nid != n.nid && t.contains(&c.nid.nid_type())).map(|c| c.nid.0).collect();
        ids.sort_unstable();
        ids
    };
    let table = |kind: TableKind, out: &mut Collector<'_>, said: &mut RowFacts| -> Result<TableFacts> {
        let listed = children(kind.types);
        folder_table(objects, n.nid, &kind, &listed, out, said)
    };
    let said = &mut facts.rows;
    let hierarchy = table(HIERARCHY, out, said)?;
    let contents = table(CONTENTS, out, said)?;
    let associated = table(ASSOCIATED, out, said)?;
    // where the table is gone, the folder's own count tells
    let uncounted = if contents.opened { 0 } else { crate::messaging::uncounted(objects.ndb, n.nid) };
    let lost = |n: u64| ItemCount { expected: n, lost: n, ..ItemCount::default() };
    facts.items.folders = facts.items.folders.plus(lost(hierarchy.dangling));
    facts.items.messages = lost(contents.dangling.saturating_add(associated.dangling).saturating_add(uncounted));
    facts.items.associated = lost(associated.dangling);
    if let Some(pc) = &pc {
        out.watch(at);
        counters(pc, &hierarchy, &contents, out)?;
    }
    if hierarchy.strange || contents.strange || associated.strange {
        facts.depends_on_others();
    }
    Ok(facts)
}

/// The differences of a folder's tables.
struct TableKind {
    table: NidType,
    types: &'static [NidType],
    /// A node that no row stands for.
    not_listed: &'static Rule,
    /// A row that stands for no node.
    dangling: &'static Rule,
    /// Rows stand for folders, and are compared here.
    folders: bool,
    /// Columns without which Outlook's repair tool gives the table up; texts are of 8 bits in ANSI files.
    columns: &'static [PropTag],
}

const HIERARCHY: TableKind = TableKind {
    table: NidType::HIERARCHY_TABLE,
    types: &[NidType::NORMAL_FOLDER, NidType::SEARCH_FOLDER],
    not_listed: &rules::FOLDER_NOT_LISTED,
    dangling: &rules::FOLDER_ROW_DANGLING,
    folders: true,
    columns: &[tags::DISPLAY_NAME, tags::CONTENT_COUNT, tags::CONTENT_UNREAD_COUNT, tags::SUBFOLDERS],
};

const CONTENTS: TableKind = TableKind {
    table: NidType::CONTENTS_TABLE,
    types: &[NidType::NORMAL_MESSAGE],
    not_listed: &rules::MESSAGE_NOT_LISTED,
    dangling: &rules::MESSAGE_ROW_DANGLING,
    folders: false,
    columns: &[tags::MESSAGE_STATUS, tags::MESSAGE_CLASS, tags::MESSAGE_FLAGS],
};

const ASSOCIATED: TableKind = TableKind {
    table: NidType::ASSOC_CONTENTS_TABLE,
    types: &[NidType::ASSOC_MESSAGE],
    not_listed: &rules::MESSAGE_NOT_LISTED,
    dangling: &rules::MESSAGE_ROW_DANGLING,
    folders: false,
    columns: &[tags::MESSAGE_STATUS, tags::MESSAGE_CLASS, tags::MESSAGE_FLAGS],
};

fn folder_table(
    objects: &Objects<'_>,
    folder: Nid,
    kind: &TableKind,
    listed: &[u32],
    out: &mut Collector<'_>,
    said: &mut RowFacts,
) -> Result<TableFacts> {
    let mut facts = TableFacts::default();
    let nid = folder.with_type(kind.table);
    let at = Location::node(nid);
    out.watch(at);
    let Some(node) = objects.ndb.node(nid) else {
        let f = Finding::new(&rules::FOLDER_TABLE, Location::node(folder)).actual(format!("no node {nid}")).loss(Loss::Metadata);
        out.add_under(f, objects.causes.of_node(nid));
        return Ok(facts);
    };
    if let Some(f) = objects.no_more_rows(at) {
        out.add(f);
        facts.opened = true;
        return Ok(facts);
    }
    let before = out.mark();
    objects.look_for_bad_blocks(&node, out)?;
    let table = objects.table(node, out)?;
    // Rows that cannot be read follow from the faults of the table.
    out.suffer(before, Severity::Error);
    let Some(table) = table else {
        for id in listed {
            out.add(Finding::new(kind.not_listed, Location::node(Nid(*id))).loss(Loss::Metadata));
        }
        return Ok(facts);
    };
    facts.opened = true;
    facts.readable = out.loss <= Loss::Metadata && out.context == Context::Free;
    if facts.readable {
        columns(objects, &table, kind.columns, out)?;
    }
    let mut ids = Vec::new();
    let mut rows = table.rows();
    while let Some(row) = rows.next(&mut Ignore)? {
        facts.rows = facts.rows.saturating_add(1);
        ids.push(row.id());
        note_row(&table, &row, kind, said)?;
        if kind.folders {
            folder_row(objects, folder, &table, &row, out)?;
        } else if row.int(tags::MESSAGE_FLAGS.id()).is_some_and(|f| f & READ == 0) {
            facts.unread = facts.unread.saturating_add(1);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let context = out.context;
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    differ(
        listed,
        &ids,
        &mut |nid| {
            missing.push(nid);
            Ok(())
        },
        &mut |nid| {
            extra.push(nid);
            Ok(())
        },
    )?;
    for nid in missing {
        out.add(Finding::new(kind.not_listed, Location::node(nid)).actual(format!("folder {folder}")).loss(Loss::Metadata));
    }
    facts.strange = !extra.is_empty();
    for nid in extra {
        let owner = objects.ndb.index().node(nid);
        let f = match owner {
            Some(n) if !kind.folders && kind.types.contains(&nid.nid_type()) => {
                Finding::new(&rules::MESSAGE_EMBEDDED_ROW, at.with_sub(nid)).hex(folder.0.into(), n.parent.0.into())
            }
            _ => Finding::new(kind.dangling, at.with_sub(nid)).loss(if owner.is_none() { Loss::Item } else { Loss::Metadata }),
        };
        if owner.is_none() {
            facts.dangling = facts.dangling.saturating_add(1);
            said.gone.push(nid);
        }
        out.add_under(f, objects.causes.of_node(nid));
    }
    out.context = context;
    Ok(facts)
}

/// Columns that the table lacks; one of another type counts as none.
fn columns(objects: &Objects<'_>, table: &TableContext<'_>, wanted: &[PropTag], out: &mut Collector<'_>) -> Result<()> {
    for tag in wanted {
        let tag = objects.fitting(*tag);
        if table.column(tag.id()).is_none_or(|c| c.tag != tag) {
            out.report(Finding::new(&rules::TABLE_COLUMN, table.at().with_tag(tag)).loss(Loss::Metadata))?;
        }
    }
    Ok(())
}

/// Takes note of a row's words for all tables together and for the indexes.
fn note_row(table: &TableContext<'_>, row: &Row<'_, '_>, kind: &TableKind, said: &mut RowFacts) -> Result<()> {
    let nid = Nid(row.id());
    said.versions.push(row.version());
    if let Some(id) = sixteen(table, row, tags::REPL_ITEM_ID)? {
        said.ids.push((id, nid));
    }
    if kind.table == NidType::CONTENTS_TABLE {
        // an older table has no such column, and its messages are indexed all the same
        let known = table.column(tags::CONVERSATION_ID.id()).is_some_and(|c| c.tag == tags::CONVERSATION_ID);
        said.keys.push((nid, known.then_some(index_key(sixteen(table, row, tags::CONVERSATION_ID)?))));
    }
    Ok(())
}

/// A cell of sixteen bytes.
fn sixteen(table: &TableContext<'_>, row: &Row<'_, '_>, tag: PropTag) -> Result<Option<[u8; 16]>> {
    let Some(column) = table.column(tag.id()).filter(|c| c.tag == tag) else { return Ok(None) };
    let Some(cell) = row.cell(column) else { return Ok(None) };
    if let Some(bytes) = row.at_hand(column, cell) {
        return Ok(<[u8; 16]>::try_from(bytes).ok());
    }
    let Some(source) = row.source(column, &mut Ignore)?.filter(|s| s.len() == 16) else { return Ok(None) };
    Ok(source.bytes(16, &mut Ignore).ok().and_then(|b| <[u8; 16]>::try_from(&b[..]).ok()))
}

/// A row of a hierarchy table against the folder.
fn folder_row<'a>(objects: &Objects<'a>, folder: Nid, table: &TableContext<'a>, row: &Row<'_, 'a>, out: &mut Collector<'_>) -> Result<()> {
    let nid = Nid(row.id());
    if nid.nid_type() == NidType::SEARCH_FOLDER && row.has(tags::REPL_ITEM_ID.id()) {
        out.report(Finding::new(&rules::SEARCH_ROW_ID, table.at().with_sub(nid).with_row(row.number())))?;
    }
    let Some(node) = objects.ndb.node(nid).filter(|n| n.parent == folder) else { return Ok(()) };
    // The folder itself is checked under its own node.
    let Some(pc) = PropertyContext::open(node, &mut Ignore)? else { return Ok(()) };
    // Outlook itself leaves cells of search folders out.
    let severity = match nid.nid_type() {
        NidType::SEARCH_FOLDER => Severity::Notice,
        // properties with another name may be another folder's; offline files keep much in rows alone
        _ if !objects.offline && is_named_otherwise(table, row, &pc)? => Severity::Error,
        _ => rules::FOLDER_ROW.severity,
    };
    objects.compare(row, table, &pc, (&rules::FOLDER_ROW, severity), out)
}

/// Counts and marks in a folder's properties against its tables.
fn counters(pc: &PropertyContext<'_>, hierarchy: &TableFacts, contents: &TableFacts, out: &mut Collector<'_>) -> Result<()> {
    let at = |tag: PropTag| pc.at().with_tag(tag);
    let number = |v: i32| u64::try_from(v).unwrap_or_default();
    if contents.readable {
        for (tag, rule, counted) in [
            (tags::CONTENT_COUNT, &rules::FOLDER_COUNT, contents.rows),
            (tags::CONTENT_UNREAD_COUNT, &rules::FOLDER_UNREAD, contents.unread),
        ] {
            if let Some(stored) = pc.int(tag.id()).map(number)
                && stored != counted
            {
                out.report(Finding::new(rule, at(tag)).numbers(stored, counted).loss(Loss::Metadata))?;
            }
        }
    }
    if hierarchy.readable
        && let Some(stored) = pc.bool(tags::SUBFOLDERS.id())
        && stored != (hierarchy.rows > 0)
    {
        out.report(Finding::new(&rules::FOLDER_SUBFOLDERS, at(tags::SUBFOLDERS)).numbers(stored.into(), hierarchy.rows.min(1)))?;
    }
    Ok(())
}

/// Whether both a row and the folder's properties have a name, and not the same.
fn is_named_otherwise(table: &TableContext<'_>, row: &Row<'_, '_>, pc: &PropertyContext<'_>) -> Result<bool> {
    let id = tags::DISPLAY_NAME.id();
    let (Some(column), Some(record)) = (table.column(id), pc.records().iter().find(|r| r.tag.id() == id)) else { return Ok(false) };
    let (Some(a), Some(b)) = (row.source(column, &mut Ignore)?, pc.source(record, &mut Ignore)?) else { return Ok(false) };
    Ok(!a.is_empty() && !b.is_empty() && !are_equal(&a, &b))
}

/// Whether fewer tables share the block of the template for search results than its reference count says: a table was there.
fn one_table_less(objects: &Objects<'_>) -> bool {
    let index = objects.ndb.index();
    let Some(data) = index.node(Nid::SEARCH_CONTENTS_TABLE_TEMPLATE).map(|n| n.data) else { return false };
    let Some(block) = objects.ndb.find_block(data) else { return false };
    let shared = index.nodes().iter().filter(|n| n.data == data).count();
    // a block that one node refers to has a count of two
    usize::from(block.refs) > shared.saturating_add(1)
}

/// A search folder's companions.
fn search_folder(objects: &Objects<'_>, nid: Nid, out: &mut Collector<'_>) -> Result<()> {
    // The search root of Outlook 2007 has results alone.
    if nid == Nid(0x723) {
        return Ok(());
    }
    let companions = [NidType::SEARCH_UPDATE_QUEUE, NidType::SEARCH_CRITERIA_OBJECT, NidType::SEARCH_CONTENTS_TABLE];
    let missing: Vec<Nid> = companions.iter().map(|t| nid.with_type(*t)).filter(|n| objects.ndb.index().node(*n).is_none()).collect();
    for m in &missing {
        // Results alone are made again by the next search; versions before 2010 may lack those of the search for junk mail.
        let old = nid == Nid::SPAM_SEARCH_FOLDER && objects.ndb.index().node(Nid::SEARCH_QUEUE_3).is_none() && !one_table_less(objects);
        let severity = if m.nid_type() == NidType::SEARCH_CONTENTS_TABLE && old { Severity::Notice } else { Severity::Warning };
        let f = Finding::new(&rules::SEARCH_TABLE, Location::node(nid)).actual(format!("no node {m}")).loss(Loss::Metadata);
        out.add_under(f.severity(severity), objects.causes.of_node(*m));
    }
    let criteria = nid.with_type(NidType::SEARCH_CRITERIA_OBJECT);
    if let Some(node) = objects.ndb.node(criteria) {
        out.watch(Location::node(criteria));
        objects.look_for_bad_blocks(&node, out)?;
        if !node.data.is_none()
            && let Some(pc) = objects.properties(node, out)?
            && !pc.has(0x660B)
        {
            out.report(Finding::new(&rules::SEARCH_FLAGS, Location::node(criteria)))?;
        }
    }
    let results = nid.with_type(NidType::SEARCH_CONTENTS_TABLE);
    if let Some(f) = objects.no_more_rows(Location::node(results)) {
        out.add(f);
    } else if let Some(node) = objects.ndb.node(results) {
        out.watch(Location::node(results));
        objects.look_for_bad_blocks(&node, out)?;
        if !node.data.is_none()
            && let Some(table) = objects.table(node, out)?
        {
            search_results(objects, &table, out)?;
        }
    }
    Ok(())
}

/// Rows of a search's results that stand for nothing.
fn search_results(objects: &Objects<'_>, table: &TableContext<'_>, out: &mut Collector<'_>) -> Result<()> {
    let index = objects.ndb.index();
    let mut gone: (Option<Nid>, u64, u64) = (None, 0, 0);
    let mut rows = table.rows();
    while let Some(row) = rows.next(&mut Ignore)? {
        let nid = Nid(row.id());
        gone.2 = gone.2.saturating_add(1);
        if nid.is_message() && index.node(nid).is_none() {
            gone = (gone.0.or(Some(nid)), gone.1.saturating_add(1), gone.2);
        }
    }
    if let Some(nid) = gone.0 {
        let f = Finding::new(&rules::SEARCH_RESULT, table.at().with_sub(nid)).actual(format!("{} of {} rows", gone.1, gone.2));
        out.add_under(f, objects.causes.of_node(nid));
    }
    Ok(())
}

/// Tables whose folder is gone.
fn strays(objects: &Objects<'_>, out: &mut Collector<'_>) -> Result<()> {
    let index = objects.ndb.index();
    for n in index.nodes() {
        let owner = match n.nid.nid_type() {
            NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE => NidType::NORMAL_FOLDER,
            NidType::SEARCH_CONTENTS_TABLE => NidType::SEARCH_FOLDER,
            _ => continue,
        };
        let folder = n.nid.with_type(owner);
        // Low indexes are templates and Outlook's own.
        if n.nid.index() < 0x40 || index.node(folder).is_some() {
            continue;
        }
        let f = Finding::new(&rules::STRAY_TABLE, Location::node(n.nid)).actual(format!("no folder {folder}"));
        out.add_under(f, objects.causes.of_node(folder));
    }
    Ok(())
}

/// Row versions are unique over all folders' tables.
fn row_versions(versions: &[u32], out: &mut Collector<'_>) -> Result<()> {
    let twice = versions.iter().zip(versions.iter().skip(1)).filter(|(a, b)| a == b && **a != 0).count();
    if twice > 0 {
        let text = format!("{} of {} rows", wide(twice), count_of(versions));
        out.report(Finding::new(&rules::TC_ROW_VER, Location::NONE).actual(text))?;
    }
    Ok(())
}
