//! Parents: which folder an object is in, where its entry in the node B-tree and the folders' tables disagree ([MS-PST] 2.4.4).
//!
//! Both say it, and neither is derived from the other in a damaged file. An entry is believed where the folder that it names is there and
//! lists the object, or where no other folder does. An object whose folder is not there, or has a whole table without it, is in the one
//! folder that lists it.

use super::evidence::Kind;
use super::orphans::object;
use super::values::number;
use crate::error::Result;
use crate::finding::{Ignore, Location, Sink};
use crate::format::bytes::wide;
use crate::format::ids::{Nid, NidType};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::limits::Allowance;
use crate::ltp::TableContext;
use crate::ltp::tc::INDEX_ENTRY;
use crate::monitor::{Monitor, step};
use crate::ndb::{Ndb, Node};
use std::collections::{HashMap, HashSet};

/// The words of tables and entries on one another.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// How many nodes had a wrong parent.
    pub(super) changed: usize,
    /// Messages that tables of folders list and that have no entry.
    pub(super) dangling: Vec<Nid>,
}

/// The row index of a table, counted against the rows that are still read.
fn rows_of(table: &TableContext<'_>, left: &Allowance, sink: &mut dyn Sink) -> Vec<(u32, u32)> {
    let rows = table.row_index(sink).unwrap_or_default();
    left.spend(wide(rows.len()).saturating_mul(INDEX_ENTRY));
    rows
}

/// Corrects the parents of nodes.
///
/// # Errors
/// Cancellation.
pub(super) fn settle_parents(ndb: &Ndb, nodes: &mut HashMap<Nid, NbtEntry>, monitor: &dyn Monitor) -> Result<Settled> {
    let exchanged = exchange_tables(ndb, nodes);
    let left = Allowance::of_rows(ndb.content(), ndb.limits());
    let mut tables: Vec<NbtEntry> = nodes.values().filter(|n| Kind::of(n.nid.nid_type()).is_some()).copied().collect();
    tables.sort_by_key(|n| n.nid);
    let mut listed: HashMap<Nid, Nid> = HashMap::new();
    let mut settled: HashSet<Nid> = HashSet::new();
    let mut whole: HashSet<Nid> = HashSet::new();
    let mut dangling = Vec::new();
    for t in tables {
        step(monitor, 0)?;
        if left.is_spent() {
            break;
        }
        let owner = t.nid.with_type(NidType::NORMAL_FOLDER);
        let Some(kind) = Kind::of(t.nid.nid_type()).filter(|_| nodes.contains_key(&owner)) else { continue };
        let node = Node::detached(ndb, t.nid, t.data, t.sub, Location::node(t.nid));
        let mut problems = Vec::new();
        let Ok(Some(table)) = TableContext::open(node, &mut problems) else { continue };
        let rows = rows_of(&table, &left, &mut problems);
        if problems.is_empty() {
            whole.insert(t.nid);
        }
        for id in rows.into_iter().map(|(id, _)| Nid(id)).filter(|id| kind.lists(*id)) {
            match nodes.get(&id) {
                Some(n) if n.parent == owner => {
                    settled.insert(id);
                }
                // two other folders: neither is believed
                Some(_) if listed.insert(id, owner).is_some() => {
                    settled.insert(id);
                }
                None if id.is_message() => dangling.push(id),
                _ => {}
            }
        }
    }
    let is_there = |nodes: &HashMap<Nid, NbtEntry>, folder: Nid| folder.nid_type() == NidType::NORMAL_FOLDER && nodes.contains_key(&folder);
    let mut wrong: Vec<(Nid, Nid)> = Vec::new();
    for (id, owner) in listed {
        let Some(n) = nodes.get(&id).filter(|n| !settled.contains(&id) && n.nid != Nid::ROOT_FOLDER) else { continue };
        let table = match id.nid_type() {
            NidType::NORMAL_MESSAGE => NidType::CONTENTS_TABLE,
            NidType::ASSOC_MESSAGE => NidType::ASSOC_CONTENTS_TABLE,
            _ => NidType::HIERARCHY_TABLE,
        };
        if !is_there(nodes, n.parent) || n.parent == id || whole.contains(&n.parent.with_type(table)) {
            wrong.push((id, owner));
        }
    }
    wrong.sort_unstable();
    let before: Vec<(Nid, Nid)> = wrong.iter().filter_map(|(id, _)| Some((*id, nodes.get(id)?.parent))).collect();
    for (id, owner) in &wrong {
        if let Some(n) = nodes.get_mut(id) {
            n.parent = *owner;
        }
    }
    // a folder that would now be below itself stays where it was
    let mut changed = wrong.len().saturating_add(exchanged);
    let mut known = HashMap::from([(Nid::ROOT_FOLDER, true)]);
    let astray: Vec<(Nid, Nid)> = before.into_iter().filter(|(id, _)| id.is_folder() && !reaches_root(nodes, *id, &mut known)).collect();
    for (id, parent) in astray {
        if let Some(n) = nodes.get_mut(&id) {
            n.parent = parent;
            changed = changed.saturating_sub(1);
        }
    }
    dangling.sort_unstable();
    dangling.dedup();
    Ok(Settled { changed, dangling })
}

/// Swaps two folders' contents tables back where each table lists the messages of the other folder and none of its own. Where each table lists
/// one message, the messages' entries may be wrong instead, so the folders' counts must agree too.
fn exchange_tables(ndb: &Ndb, nodes: &mut HashMap<Nid, NbtEntry>) -> usize {
    let left = Allowance::of_rows(ndb.content(), ndb.limits());
    let mut tables: Vec<NbtEntry> = nodes.values().filter(|n| n.nid.nid_type() == NidType::CONTENTS_TABLE).copied().collect();
    tables.sort_by_key(|n| n.nid);
    // the folder of the items that each lists: the folder, if it is another one's alone, and how many
    let mut told: HashMap<Nid, (Option<Nid>, usize)> = HashMap::new();
    for t in &tables {
        let owner = t.nid.with_type(NidType::NORMAL_FOLDER);
        if left.is_spent() {
            break;
        }
        let node = Node::detached(ndb, t.nid, t.data, t.sub, Location::node(t.nid));
        let Ok(Some(table)) = TableContext::open(node, &mut Ignore) else { continue };
        let rows = rows_of(&table, &left, &mut Ignore);
        let mut parents = rows.iter().map(|(id, _)| nodes.get(&Nid(*id)).map(|n| n.parent));
        let Some(first) = parents.next() else {
            told.insert(owner, (None, 0));
            continue;
        };
        if let Some(parent) = first.filter(|p| *p != owner)
            && parents.all(|p| p == Some(parent))
        {
            told.insert(owner, (Some(parent), rows.len()));
        }
    }
    let has_any = |nodes: &HashMap<Nid, NbtEntry>, folder: Nid| {
        nodes.values().any(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE && n.parent == folder)
    };
    let count = |folder: Nid| {
        let folder = nodes.get(&folder)?;
        number(&object(ndb, folder.data, Location::node(folder.nid))?.values, tags::CONTENT_COUNT.id())
    };
    let mut done = 0usize;
    let mut pairs: Vec<(Nid, Nid)> = Vec::new();
    for (a, (of, n)) in &told {
        let Some(b) = *of else { continue };
        let Some((back, m)) = told.get(&b) else { continue };
        let is_pair = match back {
            Some(back) => *back == *a && *a < b,
            None => !has_any(nodes, *a),
        };
        let counts_tell = || n != m && count(*a) == Some(wide(*m)) && count(b) == Some(wide(*n));
        if is_pair && (n.saturating_add(*m) > 2 || counts_tell()) {
            pairs.push((*a, b));
        }
    }
    for (a, b) in pairs {
        let (ta, tb) = (a.with_type(NidType::CONTENTS_TABLE), b.with_type(NidType::CONTENTS_TABLE));
        if let (Some(x), Some(y)) = (nodes.get(&ta).copied(), nodes.get(&tb).copied()) {
            nodes.insert(ta, NbtEntry { data: y.data, sub: y.sub, ..x });
            nodes.insert(tb, NbtEntry { data: x.data, sub: x.sub, ..y });
            done = done.saturating_add(1);
        }
    }
    done
}

/// Whether a folder hangs from the root folder. Each folder on the way is looked at once for all calls: `known` has the answers.
fn reaches_root(nodes: &HashMap<Nid, NbtEntry>, folder: Nid, known: &mut HashMap<Nid, bool>) -> bool {
    let (mut at, mut way) = (folder, Vec::new());
    let answer = loop {
        if let Some(answer) = known.get(&at) {
            break *answer;
        }
        // whoever comes by again goes round in a circle
        known.insert(at, false);
        way.push(at);
        match nodes.get(&at) {
            Some(n) => at = n.parent,
            None => break false,
        }
    };
    known.extend(way.into_iter().map(|nid| (nid, answer)));
    answer
}
