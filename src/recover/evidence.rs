//! What tables say of the objects they list ([MS-PST] 2.4.4.4–2.4.4.6): the second place, beside the node B-tree, that tells which
//! folder an object is in, and its id.

use super::orphans::{TELLING, Values, number};
use super::salvage::Salvage;
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::wide;
use crate::format::ids::{Bid, Nid, NidType};
use crate::ltp::TableContext;
use crate::monitor::{Monitor, step};
use crate::ndb::Node;
use std::collections::{HashMap, HashSet};

/// Folders that are considered for a table.
const LIKELY: usize = 32;

/// What a table lists.
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
    fn lists(self, id: Nid) -> bool {
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
    /// Whether nothing referred to it, so that it may be newer than what an older generation of the tree lists.
    pub(super) is_found: bool,
    /// Whether all of it could be read.
    pub(super) is_whole: bool,
}

/// Reads a table's rows; `None` where it is none of a folder's.
pub(super) fn read(node: Node<'_>, kind: Option<Kind>) -> Option<Table> {
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
    let columns: Vec<_> = table.columns().iter().filter(|c| TELLING.contains(&c.tag.id())).copied().collect();
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    let mut each = table.rows();
    while let Ok(Some(row)) = each.next(&mut problems) {
        let id = Nid(row.id());
        if !kind.lists(id) || !seen.insert(id) {
            continue;
        }
        let mut values = Values::new();
        for c in &columns {
            if let Ok(Some(source)) = row.source(c, &mut Ignore)
                && let Ok(bytes) = source.bytes(4096, &mut Ignore)
            {
                values.insert(c.tag.id(), bytes.into_owned());
            }
        }
        rows.push((id, values));
    }
    Some(Table { data, sub, kind, owner: None, is_current: false, is_found: false, rows, is_whole: problems.is_empty() })
}

/// The tables of all folders that the index has.
pub(super) fn current(s: &Salvage, monitor: &dyn Monitor) -> Result<Vec<Table>> {
    let mut out = Vec::new();
    for n in s.ndb.index().nodes() {
        step(monitor, 0)?;
        let Some(kind) = Kind::of(n.nid.nid_type()) else { continue };
        if n.nid.index() < 0x40 && n.nid.with_type(NidType::NORMAL_FOLDER) != Nid::ROOT_FOLDER {
            // templates
            continue;
        }
        let Some(node) = s.ndb.node(n.nid) else { continue };
        if let Some(mut table) = read(node, Some(kind)) {
            table.owner = Some(n.nid.with_type(NidType::NORMAL_FOLDER));
            table.is_current = !s.filled.contains(&n.nid);
            out.push(table);
        }
    }
    Ok(out)
}

/// Tables that nothing refers to, the newest of each only: tables that list the same objects are states of one table.
pub(super) fn orphaned(s: &Salvage, roots: &[Bid], subnodes: &[super::orphans::Subnodes], known: &[Table]) -> Vec<Table> {
    let mut states = States::default();
    known.iter().for_each(|t| states.add(t));
    let mut out: Vec<Table> = Vec::new();
    for root in roots.iter().rev() {
        let at = Location { bid: Some(*root), ..Location::NONE };
        // large tables keep their rows in a sub-node: the nearest tree that makes them readable
        let here = subnodes.partition_point(|t| t.root < *root);
        let around = subnodes.get(here.saturating_sub(8)..here.saturating_add(8).min(subnodes.len())).unwrap_or_default();
        let mut near: Vec<Bid> = around.iter().map(|t| t.root).collect();
        near.sort_by_key(|b| b.0.abs_diff(root.0));
        let tries = std::iter::once(Bid::NONE).chain(near.into_iter().take(8));
        let mut best: Option<Table> = None;
        for sub in tries {
            let Some(t) = read(Node::detached(&s.ndb, Nid::NONE, *root, sub, at), None) else { break };
            let better = best.as_ref().is_none_or(|b| (t.is_whole, t.rows.len()) > (b.is_whole, b.rows.len()));
            if better {
                best = Some(t);
            }
            if best.as_ref().is_some_and(|b| b.is_whole) {
                break;
            }
        }
        let Some(mut table) = best else { continue };
        if table.rows.is_empty() {
            continue;
        }
        table.is_found = true;
        table.owner = owner_by_rows(s, &table);
        if !states.has_newer(&table) {
            states.add(&table);
            out.push(table);
        }
    }
    out
}

/// The tables so far, by what they list: to tell states of one table from different tables.
#[derive(Default)]
struct States {
    /// Kind, folder, number of rows, root of the data; `None` for those that are current, or found and so newer than what follows.
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
            self.listing.entry(*id).or_default().push(n);
        }
        if let Some(owner) = t.owner {
            self.owned.entry((t.kind, owner)).or_default().push(n);
        }
    }

    /// Whether a newer state of a table is known: one of the same folder, or one that has most of the rows.
    fn has_newer(&self, t: &Table) -> bool {
        let is_newer = |n: &usize| self.tables.get(*n).is_some_and(|k| k.3.is_none_or(|data| data > t.data));
        if let Some(owner) = t.owner
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
                    && (owner.is_none() || t.owner.is_none() || *owner == t.owner)
                    && count.saturating_mul(2) > t.rows.len().min(*rows)
                    && is_newer(&n)
            })
        })
    }
}

/// The folder that most of a table's objects are in, as the node B-tree has it.
fn owner_by_rows(s: &Salvage, table: &Table) -> Option<Nid> {
    let mut votes: HashMap<Nid, usize> = HashMap::new();
    for (id, _) in &table.rows {
        if let Some(n) = s.ndb.index().node(*id) {
            let slot = votes.entry(n.parent).or_default();
            *slot = slot.saturating_add(1);
        }
    }
    let (best, n) = votes.iter().max_by_key(|(_, n)| **n)?;
    let all: usize = votes.values().sum();
    (n.saturating_mul(2) > all).then_some(*best)
}

/// What the hierarchy tables say of folders: parent, where it is known, and the row.
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
pub(super) fn find_owners(tables: &mut [Table], store_root: Option<Nid>) {
    let folders = folder_rows(tables);
    // an older state of a table leaves room for a newer one
    let taken = |tables: &[Table], kind: Kind| -> HashSet<Nid> {
        let settled = |t: &&Table| t.kind == kind && (t.is_current || t.is_found);
        tables.iter().filter(settled).filter_map(|t| t.owner).collect()
    };
    // the root's own table lists the top folder of the store
    let has_root = taken(tables, Kind::Hierarchy).contains(&Nid::ROOT_FOLDER);
    let none_at_all = !tables.iter().any(|t| t.kind == Kind::Hierarchy && t.owner == Some(Nid::ROOT_FOLDER));
    if !has_root {
        let unknown = || tables.iter().enumerate().filter(|(_, t)| t.kind == Kind::Hierarchy && t.owner.is_none());
        let root = unknown()
            .find(|(_, t)| t.rows.iter().any(|(id, _)| Some(*id) == store_root || matches!(id.0, 0x2223 | 0x8022)))
            .or_else(|| {
                unknown().filter(|_| none_at_all).max_by_key(|(_, t)| t.rows.iter().filter(|(_, v)| number(v, 0x360A) == Some(1)).count())
            })
            .map(|(i, _)| i);
        if let Some(t) = root.and_then(|i| tables.get_mut(i)) {
            t.owner = Some(Nid::ROOT_FOLDER);
        }
    }
    for kind in [Kind::Hierarchy, Kind::Contents] {
        let mut pairs: Vec<(u64, usize, Nid)> = Vec::new();
        let mut own: Vec<(u64, usize, Nid)> = Vec::new();
        let have = taken(tables, kind);
        for (i, t) in tables.iter().enumerate().filter(|(_, t)| t.kind == kind && t.owner.is_none()) {
            let listed: HashSet<Nid> = t.rows.iter().map(|r| r.0).collect();
            let unread = t.rows.iter().filter(|(_, v)| number(v, 0x0E07).is_some_and(|f| f & 1 == 0)).count();
            for (folder, (_, row)) in folders.iter().filter(|(f, _)| f.nid_type() == NidType::NORMAL_FOLDER && !have.contains(f)) {
                let fits = match kind {
                    Kind::Hierarchy => number(row, 0x360A).is_none_or(|v| v & 0xFF != 0) && !listed.contains(folder),
                    _ => number(row, 0x3602) == Some(wide(t.rows.len())),
                };
                if !fits {
                    continue;
                }
                // a folder gets its tables, and what is in it, after it was made: the nearest lower id is the likeliest
                let unread_differs = kind == Kind::Contents && number(row, 0x3603).is_some_and(|n| n != wide(unread));
                let distance = t.rows.iter().map(|r| u64::from(r.0.0.abs_diff(folder.0))).min().unwrap_or(u64::MAX >> 1);
                let class_differs = kind == Kind::Contents && !classes_fit(row, &t.rows);
                // a folder is made before what is in it
                let older = kind == Kind::Hierarchy && t.rows.iter().any(|r| r.0 < *folder);
                let doubt = u64::from(older) << 39 | u64::from(unread_differs) << 40 | u64::from(class_differs) << 41;
                own.push((distance.saturating_add(doubt), i, *folder));
            }
            own.sort_unstable();
            own.truncate(LIKELY);
            pairs.append(&mut own);
        }
        pairs.sort_unstable();
        let mut used: HashSet<Nid> = HashSet::new();
        for (_, i, folder) in pairs {
            if let Some(t) = tables.get_mut(i)
                && t.owner.is_none()
                && used.insert(folder)
            {
                t.owner = Some(folder);
            }
        }
    }
    // of what is left, the table with most folders is that of the store's top folder
    let top = store_root.unwrap_or(Nid(0x8022));
    if !taken(tables, Kind::Hierarchy).contains(&top) {
        let left = tables.iter_mut().filter(|t| t.kind == Kind::Hierarchy && t.owner.is_none());
        let most = left.filter(|t| t.rows.iter().all(|(id, _)| *id != top)).max_by_key(|t| t.rows.len());
        if let Some(t) = most {
            t.owner = Some(top);
        }
    }
}

/// Whether the class of a folder and the classes of messages go together.
fn classes_fit(folder: &Values, rows: &[(Nid, Values)]) -> bool {
    let text = |v: &Values, id: u16| -> String {
        v.get(&id).map(|b| b.iter().filter(|c| **c != 0).map(|c| char::from(*c)).collect()).unwrap_or_default()
    };
    let class = text(folder, 0x3613);
    let kinds: &[&str] = match class.as_str() {
        "IPF.Appointment" => &["IPM.Appointment", "IPM.Schedule"],
        "IPF.Contact" => &["IPM.Contact", "IPM.DistList", "IPM.AbchPerson"],
        "IPF.Task" => &["IPM.Task"],
        "IPF.StickyNote" => &["IPM.StickyNote"],
        "IPF.Journal" => &["IPM.Activity"],
        _ => {
            let special = ["IPM.Appointment", "IPM.Contact", "IPM.DistList", "IPM.StickyNote", "IPM.Activity", "IPM.Task"];
            return !rows.iter().any(|(_, v)| special.contains(&text(v, 0x001A).as_str()));
        }
    };
    rows.iter().any(|(_, v)| kinds.iter().any(|k| text(v, 0x001A).starts_with(k)))
}
