//! The word of tables on the objects they list ([MS-PST] 2.4.4.4–2.4.4.6): the second place, beside the node B-tree, that tells which
//! folder an object is in, and its id.

use super::salvage::Salvage;
use super::values::{LOOKED_AT, PARENT_DISPLAY, TELLING, Values, number};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::{array_at, wide};
use crate::format::context::TcolDesc;
use crate::format::ids::{Bid, Nid, NidType};
use crate::limits::Allowance;
use crate::ltp::TableContext;
use crate::ltp::tc::{INDEX_ENTRY, Row};
use crate::monitor::{Monitor, step};
use crate::ndb::{Ndb, Node};
use std::collections::{BTreeMap, HashMap, HashSet};

/// PidTagLtpRowVer: a number that grows with each change of any row.
const ROW_VERSION: u16 = 0x67F3;

/// Folders that are considered for a table.
const LIKELY: usize = 32;
/// Pairs of one thing and another that are compared in one search for partners: more are only in files that are made so.
pub(super) const PAIRS: usize = 1 << 24;

/// The kind of the objects that a table lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Hierarchy,
    Contents,
    Associated,
}

impl Kind {
    pub(super) fn of(t: NidType) -> Option<Self> {
        match t {
            NidType::HIERARCHY_TABLE => Some(Self::Hierarchy),
            NidType::CONTENTS_TABLE => Some(Self::Contents),
            NidType::ASSOC_CONTENTS_TABLE => Some(Self::Associated),
            _ => None,
        }
    }

    pub(super) const fn nid_type(self) -> NidType {
        match self {
            Self::Hierarchy => NidType::HIERARCHY_TABLE,
            Self::Contents => NidType::CONTENTS_TABLE,
            Self::Associated => NidType::ASSOC_CONTENTS_TABLE,
        }
    }

    /// Whether a row's id can be that of an object of such a table.
    pub(super) fn lists(self, id: Nid) -> bool {
        match self {
            Self::Hierarchy => id.is_folder(),
            Self::Contents => id.nid_type() == NidType::NORMAL_MESSAGE,
            Self::Associated => id.nid_type() == NidType::ASSOC_MESSAGE,
        }
    }
}

/// A table of a folder.
#[derive(Debug)]
pub(super) struct Table {
    /// Root of its data.
    pub(super) data: Bid,
    /// Root of its sub-nodes.
    pub(super) sub: Bid,
    pub(super) kind: Kind,
    /// The folder, where it is known.
    pub(super) owner: Option<Nid>,
    /// Whether the current tree lists it; else it may be an older state.
    pub(super) is_current: bool,
    pub(super) rows: Vec<(Nid, Values)>,
    /// Whether nothing referred to it, so that it may be newer than the table that an older generation of the tree lists.
    pub(super) is_found: bool,
    /// Whether the allocation maps say that it is current.
    pub(super) is_in_use: bool,
    /// How many of its objects the node B-tree has in the owner, and whether the current one has any.
    votes: usize,
    is_certain: bool,
    /// Whether all of it could be read.
    pub(super) is_whole: bool,
    /// How many of its rows its own index lists: rows of another table are none of its.
    indexed: usize,
    /// Whether it is the results of a search in a folder, and not the folder's own.
    pub(super) is_search: bool,
}

impl Table {
    /// Whether nothing but numbers says which folder it is of.
    pub(super) const fn is_doubtful(&self) -> bool {
        !self.is_certain && !self.is_current && !self.is_search
    }
}

/// The word of a row on its object.
fn values_of(row: &Row<'_, '_>, columns: &[TcolDesc]) -> Values {
    let mut values = Values::new();
    for c in columns {
        if let Ok(Some(source)) = row.source(c, &mut Ignore)
            && let Ok(bytes) = source.bytes(LOOKED_AT, &mut Ignore)
        {
            values.insert(c.tag.id(), &bytes);
        }
    }
    values.finish()
}

/// Rows of objects in the tables of their folders. The table of the last folder that was asked for stays open: a folder can have half a
/// million messages.
pub(super) struct RowsOf<'n> {
    ndb: &'n Ndb,
    open: Option<(Nid, OpenTable<'n>)>,
}

/// A table with its columns that tell objects apart; `None` where there is none.
type OpenTable<'n> = Option<(TableContext<'n>, Vec<TcolDesc>)>;

impl<'n> RowsOf<'n> {
    pub(super) fn new(ndb: &'n Ndb) -> Self {
        Self { ndb, open: None }
    }

    /// The word of an object's row in its folder's table.
    pub(super) fn row(&mut self, folder: Nid, nid: Nid) -> Option<Values> {
        let kind = match nid.nid_type() {
            NidType::NORMAL_MESSAGE => Kind::Contents,
            NidType::ASSOC_MESSAGE => Kind::Associated,
            _ => Kind::Hierarchy,
        };
        let at = folder.with_type(kind.nid_type());
        if self.open.as_ref().is_none_or(|(nid, _)| *nid != at) {
            let table = self.ndb.node(at).and_then(|node| TableContext::open(node, &mut Ignore).ok().flatten());
            self.open = Some((at, table.map(|t| (telling_columns(&t), t)).map(|(columns, t)| (t, columns))));
        }
        let (table, columns) = self.open.as_ref().and_then(|(_, open)| open.as_ref())?;
        Some(values_of(&table.row_by_id(nid.0, &mut Ignore).ok()??, columns))
    }
}

/// The columns of a table that tell objects apart.
fn telling_columns(table: &TableContext<'_>) -> Vec<TcolDesc> {
    table.columns().iter().filter(|c| TELLING.contains(&c.tag.id()) && c.tag.id() != PARENT_DISPLAY).copied().collect()
}

/// Reads a table's rows, with their word on the objects that are `unknown`; `None` where it is none of a folder's. They count against `left`.
fn read(node: Node<'_>, kind: Option<Kind>, unknown: &dyn Fn(Nid) -> bool, left: &Allowance) -> Option<Table> {
    let (data, sub) = (node.data, node.sub);
    let mut problems = Vec::new();
    let table = TableContext::open(node, &mut problems).ok()??;
    let has = |id: u16| table.column(id).is_some();
    let kind = kind.or(if has(0x3602) && has(0x360A) {
        Some(Kind::Hierarchy)
    } else if has(0x0E06) && has(0x0E07) && !has(0x67F1) {
        Some(Kind::Contents)
    } else if has(0x001A) && has(0x6800) {
        Some(Kind::Associated)
    } else {
        None
    })?;
    let columns = telling_columns(&table);
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    let mut each = table.rows();
    while let Ok(Some(row)) = each.next(&mut problems) {
        let id = Nid(row.id());
        if !kind.lists(id) || !seen.insert(id) {
            continue;
        }
        rows.push((id, if unknown(id) { values_of(&row, &columns) } else { Values::new() }));
    }
    let is_whole = problems.is_empty();
    let index: HashSet<u32> = table.row_index(&mut Ignore).map(|all| all.into_iter().map(|(id, _)| id).collect()).unwrap_or_default();
    let indexed = rows.iter().filter(|(id, _)| index.contains(&id.0)).count();
    left.spend(table.rows_size().max(wide(index.len()).saturating_mul(INDEX_ENTRY)));
    Some(Table {
        data,
        sub,
        kind,
        owner: None,
        is_current: false,
        is_found: false,
        is_in_use: false,
        votes: 0,
        is_certain: false,
        rows,
        is_whole,
        indexed,
        is_search: false,
    })
}

/// The tables of all folders that the index has.
pub(super) fn current(s: &Salvage, monitor: &dyn Monitor) -> Result<Vec<Table>> {
    let mut out = Vec::new();
    // a row is needed where its object is not at hand, or may be an older one
    let unknown = |nid: Nid| nid.is_folder() || s.filled.contains(&nid) || s.ndb.index().node(nid).is_none();
    let left = Allowance::of_rows(s.ndb.content(), s.ndb.limits());
    for n in s.ndb.index().nodes() {
        step(monitor, 0)?;
        if left.is_spent() {
            break;
        }
        let Some(kind) = Kind::of(n.nid.nid_type()) else { continue };
        if n.nid.index() < 0x40 && n.nid.with_type(NidType::NORMAL_FOLDER) != Nid::ROOT_FOLDER {
            // templates
            continue;
        }
        let Some(node) = s.ndb.node(n.nid) else { continue };
        if let Some(mut table) = read(node, Some(kind), &unknown, &left) {
            table.owner = Some(n.nid.with_type(NidType::NORMAL_FOLDER));
            table.is_current = !s.filled.contains(&n.nid);
            table.is_in_use = table.is_current || s.in_use.contains(&n.data.masked());
            out.push(table);
        }
    }
    Ok(out)
}

/// Tables that nothing refers to, the newest of each only: tables that list the same objects are states of one table, and those that
/// are no longer in use are older than all others.
pub(super) fn orphaned(s: &Salvage, roots: &[Bid], subnodes: &[super::orphans::Subnodes], known: &[Table]) -> Vec<Table> {
    // each root is read once for each tree that may be its own, which bounds it
    let unbounded = Allowance::new(u64::MAX);
    let mut states = States::default();
    known.iter().for_each(|t| states.add(t));
    let mut by_id: HashMap<Nid, Vec<Bid>> = HashMap::new();
    for t in subnodes {
        t.ids.iter().for_each(|id| by_id.entry(*id).or_default().push(t.root));
    }
    let mut told: HashSet<(Kind, Nid)> = known.iter().flat_map(|t| t.rows.iter().map(|r| (t.kind, r.0))).collect();
    let mut out: Vec<Table> = Vec::new();
    let mut newest_first: Vec<Bid> = roots.to_vec();
    newest_first.sort_by_key(|b| (s.freed.contains(b), std::cmp::Reverse(*b)));
    for root in &newest_first {
        let is_freed = s.freed.contains(root);
        let at = Location { bid: Some(*root), ..Location::NONE };
        // large tables keep their rows in a sub-node: the nearest tree that makes them readable
        let rows_in = TableContext::open(Node::detached(&s.ndb, Nid::NONE, *root, Bid::NONE, at), &mut Ignore).ok().flatten();
        let rows_in = rows_in.and_then(|t| t.rows_node());
        let near = rows_in.map(|nid| by_id.get(&nid).cloned().unwrap_or_default());
        let mut near: Vec<Bid> = near.unwrap_or_else(|| {
            // only values of rows are in one
            let here = subnodes.partition_point(|t| t.root < *root);
            let around = subnodes.get(here.saturating_sub(8)..here.saturating_add(8).min(subnodes.len())).unwrap_or_default();
            around.iter().map(|t| t.root).collect()
        });
        near.retain(|b| is_freed || !s.freed.contains(b));
        near.sort_by_key(|b| b.0.abs_diff(root.0));
        let tries = std::iter::once(Bid::NONE).chain(near.into_iter().take(LIKELY));
        let mut best: Option<Table> = None;
        for sub in tries {
            let Some(t) = read(Node::detached(&s.ndb, Nid::NONE, *root, sub, at), None, &|_| true, &unbounded) else { break };
            let rank = |t: &Table| (t.indexed, t.is_whole, t.rows.len());
            let better = best.as_ref().is_none_or(|b| rank(&t) > rank(b));
            if better {
                best = Some(t);
            }
            if best.as_ref().is_some_and(|b| b.is_whole && b.indexed == b.rows.len()) {
                break;
            }
        }
        let Some(mut table) = best else { continue };
        if table.rows.is_empty() {
            continue;
        }
        // a table in use decides which rows an older state may add
        if is_freed && table.rows.iter().any(|(id, _)| told.contains(&(table.kind, *id))) {
            continue;
        }
        table.is_found = !is_freed;
        table.is_in_use = s.in_use.contains(root);
        if let Some((owner, votes)) = owner_by_rows(s, &table) {
            let certain = |id: &Nid| !s.filled.contains(id) && s.ndb.index().node(*id).is_some_and(|n| n.parent == owner);
            (table.owner, table.votes) = (Some(owner), votes);
            table.is_certain = table.rows.iter().any(|(id, _)| certain(id));
        }
        if !states.has_newer(&table) {
            told.extend(table.rows.iter().map(|r| (table.kind, r.0)));
            states.add(&table);
            out.push(table);
        }
    }
    // one folder has one table of a kind; where nodes have moved since, the older generation of the tree does not know
    let mut owners: HashMap<(Kind, Nid), (usize, Bid)> = HashMap::new();
    for t in out.iter().filter(|t| t.is_in_use) {
        if let Some(owner) = t.owner {
            let slot = owners.entry((t.kind, owner)).or_insert((t.votes, t.data));
            *slot = (*slot).max((t.votes, t.data));
        }
    }
    for t in out.iter_mut().filter(|t| t.is_in_use) {
        if t.owner.is_some_and(|o| owners.get(&(t.kind, o)) != Some(&(t.votes, t.data))) {
            t.owner = None;
        }
    }
    out
}

/// PidTagLtpParentNid: the folder that a row of a search folder's table has its message from.
const PARENT_NID: u16 = 0x67F1;

/// The word of search folders' tables on folders ([MS-PST] 2.4.8.6.3): each row names the folder that its message is in. One table for
/// each of these folders, of the rows of all searches.
pub(super) fn searched(s: &Salvage, roots: &[Bid]) -> Vec<Table> {
    let left = Allowance::of_rows(s.ndb.content(), s.ndb.limits());
    let listed = s.ndb.index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::SEARCH_CONTENTS_TABLE && n.nid.index() >= 0x40);
    let listed = listed.filter_map(|n| s.ndb.node(n.nid));
    let found = roots.iter().filter(|root| !s.freed.contains(root)).map(|root| {
        let at = Location { bid: Some(*root), ..Location::NONE };
        Node::detached(&s.ndb, Nid::NONE, *root, Bid::NONE, at)
    });
    let mut by_folder: BTreeMap<Nid, BTreeMap<Nid, Values>> = BTreeMap::new();
    for node in listed.chain(found) {
        if left.is_spent() {
            break;
        }
        let Ok(Some(table)) = TableContext::open(node, &mut Ignore) else { continue };
        left.spend(table.rows_size());
        let Some(parent) = table.column(PARENT_NID).copied() else { continue };
        let columns = telling_columns(&table);
        let mut each = table.rows();
        while let Ok(Some(row)) = each.next(&mut Ignore) {
            let id = Nid(row.id());
            let stored = row.source(&parent, &mut Ignore).ok().flatten();
            let stored = stored.as_ref().and_then(|v| v.bytes(LOOKED_AT, &mut Ignore).ok());
            let folder = stored.and_then(|b| array_at::<4>(&b, 0)).map(|b| Nid(u32::from_le_bytes(b)));
            let Some(folder) = folder.filter(|f| f.nid_type() == NidType::NORMAL_FOLDER && Kind::Contents.lists(id)) else { continue };
            by_folder.entry(folder).or_default().insert(id, values_of(&row, &columns));
        }
    }
    let table = |(folder, rows): (Nid, BTreeMap<Nid, Values>)| Table {
        data: Bid::NONE,
        sub: Bid::NONE,
        kind: Kind::Contents,
        owner: Some(folder),
        is_current: false,
        rows: rows.into_iter().collect(),
        is_found: false,
        is_in_use: false,
        votes: 0,
        is_certain: false,
        is_whole: false,
        indexed: 0,
        is_search: true,
    };
    by_folder.into_iter().map(table).collect()
}

/// Tables that one object is looked for in: a hostile file has any number that list the same objects.
const RIVALS: usize = 256;

/// The tables so far, by their objects: to tell states of one table from different tables.
#[derive(Default)]
struct States {
    /// Kind, folder, number of rows, root of the data; `None` for those that are current, or found and so newer than the rest.
    tables: Vec<(Kind, Option<Nid>, usize, Option<Bid>)>,
    listing: HashMap<Nid, Vec<usize>>,
    owned: HashMap<(Kind, Nid), Vec<usize>>,
}

impl States {
    fn add(&mut self, t: &Table) {
        let n = self.tables.len();
        let data = (!t.is_current && !t.is_found).then_some(t.data);
        self.tables.push((t.kind, t.owner, t.rows.len(), data));
        for (id, _) in &t.rows {
            let slot = self.listing.entry(*id).or_default();
            if slot.len() < RIVALS {
                slot.push(n);
            }
        }
        if let Some(owner) = t.owner {
            self.owned.entry((t.kind, owner)).or_default().push(n);
        }
    }

    /// Whether a newer state of a table is known: one of the same folder, or one that has most of the rows.
    fn has_newer(&self, t: &Table) -> bool {
        let is_newer = |n: &usize| self.tables.get(*n).is_some_and(|k| k.3.is_none_or(|data| data > t.data));
        // where nodes have moved since, an older generation of the tree gives two tables one folder
        if let Some(owner) = t.owner.filter(|_| !t.is_in_use)
            && self.owned.get(&(t.kind, owner)).is_some_and(|all| all.iter().any(is_newer))
        {
            return true;
        }
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for n in t.rows.iter().filter_map(|(id, _)| self.listing.get(id)).flatten() {
            let slot = shared.entry(*n).or_default();
            *slot = slot.saturating_add(1);
        }
        shared.into_iter().any(|(n, count)| {
            self.tables.get(n).is_some_and(|(kind, owner, rows, _)| {
                *kind == t.kind
                    && (t.is_in_use || owner.is_none() || t.owner.is_none() || *owner == t.owner)
                    && count.saturating_mul(2) > t.rows.len().min(*rows)
                    && is_newer(&n)
            })
        })
    }
}

/// The folder that most of a table's objects are in, as the node B-tree has it, and how many.
fn owner_by_rows(s: &Salvage, table: &Table) -> Option<(Nid, usize)> {
    let mut votes: HashMap<Nid, usize> = HashMap::new();
    for (id, _) in &table.rows {
        if let Some(n) = s.ndb.index().node(*id) {
            let slot = votes.entry(n.parent).or_default();
            *slot = slot.saturating_add(1);
        }
    }
    let (best, n) = votes.iter().max_by_key(|(_, n)| **n)?;
    let all: usize = votes.values().sum();
    (n.saturating_mul(2) > all).then_some((*best, *n))
}

/// The word of the hierarchy tables on folders: parent, where it is known, and the row.
pub(super) fn folder_rows(tables: &[Table]) -> HashMap<Nid, (Option<Nid>, Values)> {
    let mut sorted: Vec<&Table> = tables.iter().filter(|t| t.kind == Kind::Hierarchy).collect();
    sorted.sort_by_key(|t| (t.is_current, t.data));
    let mut out = HashMap::new();
    for t in sorted {
        for (id, values) in &t.rows {
            out.insert(*id, (t.owner, values.clone()));
        }
    }
    out
}

/// Finds owners for tables that none of their rows tells: hierarchy tables by the folders that say they have sub-folders, contents
/// tables by the counts that folders have.
///
/// `told` is the places of folders' properties, and the words of those that no row describes.
pub(super) fn find_owners(tables: &mut [Table], store_root: Option<Nid>, told: HashMap<Nid, (Bid, Option<Values>)>) {
    inherit_owners(tables);
    let mut folders = folder_rows(tables);
    let mut written: HashMap<Nid, Bid> = HashMap::new();
    for (nid, (data, values)) in told {
        written.insert(nid, data);
        if let Some(values) = values {
            folders.entry(nid).or_insert((None, values));
        }
    }
    // an older state of a table leaves room for a newer one
    let taken = |tables: &[Table], kind: Kind| -> HashSet<Nid> {
        let settled = |t: &&Table| t.kind == kind && (t.is_current || t.is_found);
        tables.iter().filter(settled).filter_map(|t| t.owner).collect()
    };
    // the root's own table lists the top folder of the store
    // and, in an OST, the folders above that; they were the first that the store had
    let is_offline = folders.keys().any(|n| super::places::is_offline_id(*n));
    let told_by_id =
        |nid: Nid| super::places::well_known(nid, is_offline).filter(|_| is_offline || nid == super::places::TOP_FOLDER).map(|w| w.0);
    let first = folders.keys().filter(|n| n.nid_type() == NidType::NORMAL_FOLDER).min().copied();
    let first = first.filter(|f| match (store_root, is_offline) {
        (Some(top), _) => *f <= top,
        (None, true) => told_by_id(*f) == Some(Nid::ROOT_FOLDER),
        (None, false) => *f == super::places::TOP_FOLDER,
    });
    let mut have = taken(tables, Kind::Hierarchy);
    for t in tables.iter_mut().filter(|t| t.kind == Kind::Hierarchy && t.owner.is_none() && t.is_found) {
        let told = t.rows.iter().find_map(|(id, _)| told_by_id(*id));
        if let Some(parent) = told.filter(|parent| have.insert(*parent)) {
            t.owner = Some(parent);
        }
    }
    let has_root = have.contains(&Nid::ROOT_FOLDER);
    let none_at_all = !tables.iter().any(|t| t.kind == Kind::Hierarchy && t.owner == Some(Nid::ROOT_FOLDER));
    if !has_root {
        let unknown = || tables.iter().enumerate().filter(|(_, t)| t.kind == Kind::Hierarchy && t.owner.is_none());
        let root = unknown()
            .find(|(_, t)| t.rows.iter().any(|(id, _)| Some(*id) == first))
            .or_else(|| {
                // a whole table that does not list it is another folder's
                let damaged = unknown().filter(|(_, t)| none_at_all && !t.is_whole);
                damaged.max_by_key(|(_, t)| t.rows.iter().filter(|(_, v)| number(v, 0x360A) == Some(1)).count())
            })
            .map(|(i, _)| i);
        if let Some(t) = root.and_then(|i| tables.get_mut(i)) {
            t.owner = Some(Nid::ROOT_FOLDER);
        }
    }
    let mut budget = PAIRS;
    for kind in [Kind::Hierarchy, Kind::Contents] {
        let mut pairs: Vec<(u64, u64, u64, usize, Nid)> = Vec::new();
        let mut own: Vec<(u64, u64, u64, usize, Nid)> = Vec::new();
        let have = taken(tables, kind);
        // which folders can have a table of so many messages, or one of folders
        let mut fitting: HashMap<Option<u64>, Vec<(Nid, &Values)>> = HashMap::new();
        for (folder, (_, row)) in folders.iter().filter(|(f, _)| f.nid_type() == NidType::NORMAL_FOLDER && !have.contains(f)) {
            let size = match kind {
                Kind::Hierarchy => number(row, 0x360A).is_none_or(|v| v & 0xFF != 0).then_some(None),
                _ => number(row, 0x3602).map(Some),
            };
            if let Some(size) = size {
                fitting.entry(size).or_default().push((*folder, row));
            }
        }
        // the numbers that folders tell are those of now
        for (i, t) in
            tables.iter().enumerate().filter(|(_, t)| t.kind == kind && t.owner.is_none() && (t.is_found || kind == Kind::Hierarchy))
        {
            let size = (kind != Kind::Hierarchy).then_some(wide(t.rows.len()));
            let fitting = fitting.get(&size).map(Vec::as_slice).unwrap_or_default();
            let Some(left) = budget.checked_sub(fitting.len()) else { break };
            budget = left;
            let listed = sorted_ids(t);
            let newest = t.rows.iter().filter_map(|(_, v)| number(v, ROW_VERSION)).max();
            let unread = t.rows.iter().filter(|(_, v)| number(v, 0x0E07).is_some_and(|f| f & 1 == 0)).count();
            // there are few classes that make a difference
            let mut class_fit: HashMap<Option<&str>, bool> = HashMap::new();
            for (folder, row) in fitting {
                if kind == Kind::Hierarchy && listed.binary_search(folder).is_ok() {
                    continue;
                }
                // a folder gets its tables and its contents after it was made: the nearest lower id is the likeliest
                let unread_differs = kind == Kind::Contents && number(row, 0x3603).is_some_and(|n| n != wide(unread));
                let distance = nearest(&listed, *folder).map_or(u64::MAX >> 1, u64::from);
                let class = special(row);
                let class_differs =
                    kind == Kind::Contents && !*class_fit.entry(class.map(|c| c.0)).or_insert_with(|| class_fits(class, &t.rows));
                if class_differs && class.is_some() {
                    continue;
                }
                // a folder is made before its contents
                let older = kind == Kind::Hierarchy && listed.first().is_some_and(|id| id < folder);
                let doubt = u64::from(older) << 39 | u64::from(unread_differs) << 40 | u64::from(class_differs) << 41;
                // putting a message in changes its folder's row: the version after that of the message's row
                let since = match (kind, newest, number(row, ROW_VERSION)) {
                    (Kind::Contents, Some(message), Some(folder)) if folder >= message => folder.saturating_sub(message),
                    (Kind::Contents, Some(message), Some(folder)) => message.saturating_sub(folder).saturating_add(1 << 32),
                    (Kind::Contents, Some(_), None) => 1 << 31,
                    _ => 0,
                };
                // and its properties, which are written at the same time
                let apart = written.get(folder).filter(|_| kind == Kind::Contents).map_or(u64::MAX, |data| data.0.abs_diff(t.data.0));
                own.push((doubt.saturating_add(since), apart, distance, i, *folder));
            }
            own.sort_unstable();
            own.truncate(LIKELY);
            pairs.append(&mut own);
        }
        pairs.sort_unstable();
        let mut used: HashSet<Nid> = HashSet::new();
        for (_, _, _, i, folder) in pairs {
            if let Some(t) = tables.get_mut(i)
                && t.owner.is_none()
                && used.insert(folder)
            {
                t.owner = Some(folder);
            }
        }
    }
    make_room(tables, &folders);
    // of the rest, the table with most folders is that of the store's top folder
    let top = store_root.unwrap_or(super::places::TOP_FOLDER);
    if !taken(tables, Kind::Hierarchy).contains(&top) {
        let left = tables.iter_mut().filter(|t| t.kind == Kind::Hierarchy && t.owner.is_none());
        let most = left.filter(|t| t.rows.iter().all(|(id, _)| *id != top)).max_by_key(|t| t.rows.len());
        if let Some(t) = most {
            t.owner = Some(top);
        }
    }
}

/// The ids that a table lists, in order.
fn sorted_ids(t: &Table) -> Vec<Nid> {
    let mut ids: Vec<Nid> = t.rows.iter().map(|r| r.0).collect();
    ids.sort_unstable();
    ids
}

/// How far an id is from the nearest of some that are in order.
fn nearest(ids: &[Nid], id: Nid) -> Option<u32> {
    let at = ids.partition_point(|i| *i < id);
    let around = ids.get(at.saturating_sub(1)..at.saturating_add(1).min(ids.len())).unwrap_or_default();
    around.iter().map(|i| i.0.abs_diff(id.0)).min()
}

/// Tables in use that list the objects of an older state of a table are that folder's.
fn inherit_owners(tables: &mut [Table]) {
    let mut older: HashMap<(Kind, Nid), Nid> = HashMap::new();
    for t in tables.iter().filter(|t| !t.is_in_use && !t.is_found) {
        if let Some(owner) = t.owner {
            older.extend(t.rows.iter().map(|r| ((t.kind, r.0), owner)));
        }
    }
    let mut claims: Vec<(usize, usize, Kind, Nid)> = Vec::new();
    for (i, t) in tables.iter().enumerate().filter(|(_, t)| t.is_in_use && t.owner.is_none()) {
        let mut votes: HashMap<Nid, usize> = HashMap::new();
        for owner in t.rows.iter().filter_map(|r| older.get(&(t.kind, r.0))) {
            let slot = votes.entry(*owner).or_default();
            *slot = slot.saturating_add(1);
        }
        claims.extend(votes.into_iter().map(|(owner, n)| (n, i, t.kind, owner)));
    }
    claims.sort_unstable_by(|a, b| (b.0, a.1, a.3).cmp(&(a.0, b.1, b.3)));
    let mut taken: HashSet<(Kind, Nid)> =
        tables.iter().filter(|t| t.is_in_use || t.is_found).filter_map(|t| Some((t.kind, t.owner?))).collect();
    for (_, i, kind, owner) in claims {
        if let Some(t) = tables.get_mut(i)
            && t.owner.is_none()
            && taken.insert((kind, owner))
        {
            t.owner = Some(owner);
        }
    }
}

/// Finds owners for tables of associated messages, by the number that folders say they have; `folders` are the ids, that number and the
/// data of folders.
pub(super) fn find_associated_owners(tables: &mut [Table], folders: &[(Nid, u64, Bid)]) {
    let settled = |t: &&Table| t.kind == Kind::Associated && (t.is_current || t.is_found);
    let mut taken: HashSet<Nid> = tables.iter().filter(settled).filter_map(|t| t.owner).collect();
    let mut pairs: Vec<(u64, u64, usize, Nid)> = Vec::new();
    let mut budget = PAIRS;
    for (i, t) in tables.iter().enumerate().filter(|(_, t)| t.kind == Kind::Associated && t.is_found && t.owner.is_none()) {
        let Some(left) = budget.checked_sub(folders.len()) else { break };
        budget = left;
        // a new item changes both the table and the folder: their blocks are written at one time
        let mut own: Vec<_> = folders
            .iter()
            .filter(|(nid, count, _)| *count > 0 && !taken.contains(nid))
            .map(|(nid, count, data)| (count.abs_diff(wide(t.rows.len())), data.0.abs_diff(t.data.0), i, *nid))
            .collect();
        own.sort_unstable();
        own.truncate(LIKELY);
        pairs.append(&mut own);
    }
    pairs.sort_unstable();
    for (_, _, i, folder) in pairs {
        if let Some(t) = tables.get_mut(i)
            && t.owner.is_none()
            && taken.insert(folder)
        {
            t.owner = Some(folder);
        }
    }
}

/// A table in use that found no owner, because the only folder that can have it has another by an older generation of the tree
/// says: that other one moves to a folder that can have it and has none, if there is one.
fn make_room(tables: &mut [Table], folders: &HashMap<Nid, (Option<Nid>, Values)>) {
    let has_folders = |row: &Values| number(row, 0x360A).is_some_and(|v| v & 0xFF != 0);
    let of_type = folders.iter().filter(|(f, _)| f.nid_type() == NidType::NORMAL_FOLDER);
    let mut listed: Vec<Nid> = of_type.filter(|(_, (_, row))| has_folders(row)).map(|(f, _)| *f).collect();
    listed.sort_unstable();
    let mut budget = PAIRS;
    for i in 0..tables.len() {
        let Some(lone) = tables.get(i).filter(|t| t.kind == Kind::Hierarchy && t.is_in_use && t.owner.is_none()) else { continue };
        let Some(left) = budget.checked_sub(tables.len().saturating_add(listed.len())) else { break };
        budget = left;
        let settled = |t: &&Table| t.kind == Kind::Hierarchy && (t.is_current || t.is_found);
        let owned: HashMap<Nid, usize> =
            tables.iter().enumerate().filter(|(_, t)| settled(t)).filter_map(|(n, t)| Some((t.owner?, n))).collect();
        let of_lone = sorted_ids(lone);
        let swap = listed.iter().filter(|f| of_lone.binary_search(f).is_err()).find_map(|folder| {
            let n = *owned.get(folder)?;
            let other = tables.get(n).filter(|t| t.is_found && !t.is_certain)?;
            budget = budget.checked_sub(listed.len().saturating_add(other.rows.len()))?;
            let of_other = sorted_ids(other);
            let free = listed.iter().filter(|f| of_other.binary_search(f).is_err() && !owned.contains_key(f));
            let to = free.min_by_key(|f| nearest(&of_other, **f))?;
            Some((n, *to, *folder))
        });
        if let Some((n, to, folder)) = swap {
            if let Some(t) = tables.get_mut(n) {
                t.owner = Some(to);
            }
            if let Some(t) = tables.get_mut(i) {
                t.owner = Some(folder);
            }
        }
    }
}

/// Classes of folders that have something else than mail, and the beginnings of the classes of their items.
const SPECIAL: &[(&str, &[&str])] = &[
    ("IPF.Appointment", &["IPM.Appointment", "IPM.Schedule"]),
    ("IPF.Contact", &["IPM.Contact", "IPM.DistList", "IPM.AbchPerson"]),
    ("IPF.Task", &["IPM.Task"]),
    ("IPF.StickyNote", &["IPM.StickyNote"]),
    ("IPF.Journal", &["IPM.Activity"]),
];

type Special = (&'static str, &'static [&'static str]);

/// A value as text, as far as it is ASCII.
fn ascii(v: &Values, id: u16) -> String {
    v.get(id).into_iter().flatten().filter(|c| **c != 0).map(|c| char::from(*c)).collect()
}

/// The kind of items that a folder's class names, where that is something else than mail.
fn special(folder: &Values) -> Option<&'static Special> {
    let class = ascii(folder, 0x3613);
    SPECIAL.iter().find(|s| s.0 == class)
}

/// Whether a folder's class says that it has something else than mail.
pub(super) fn is_special(folder: &Values) -> bool {
    special(folder).is_some()
}

/// Whether the class of a folder and the classes of messages go together.
pub(super) fn classes_fit(folder: &Values, rows: &[(Nid, Values)]) -> bool {
    class_fits(special(folder), rows)
}

fn class_fits(class: Option<&Special>, rows: &[(Nid, Values)]) -> bool {
    let Some((_, kinds)) = class else {
        let special = ["IPM.Appointment", "IPM.Contact", "IPM.DistList", "IPM.StickyNote", "IPM.Activity", "IPM.Task"];
        return !rows.iter().any(|(_, v)| special.contains(&ascii(v, 0x001A).as_str()));
    };
    rows.iter().any(|(_, v)| kinds.iter().any(|k| ascii(v, 0x001A).starts_with(k)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_id_is_that_of_a_look_at_all(mut ids in proptest::collection::vec(0u32..200, 0..20), id in 0u32..200) {
            ids.sort_unstable();
            let ids: Vec<Nid> = ids.into_iter().map(Nid).collect();
            prop_assert_eq!(nearest(&ids, Nid(id)), ids.iter().map(|i| i.0.abs_diff(id)).min());
        }
    }
}
