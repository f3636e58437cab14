//! Entries of older leaves that newer ones leave out, though they were not deleted ([MS-PST] 2.6.1.2).
//!
//! A leaf covers all ids between its first and its last entry. An entry of an older leaf that the newer leaf lacks was deleted. This is wrong
//! where the leaf belongs to another file, or where entries moved from one leaf to another later. Two facts contradict a deletion: the
//! allocation maps mark the node's blocks as in use and no other node has them, or a current object refers to the node.

use super::OlderNode;
use super::evidence::{PAIRS, Table};
use super::kinds::LIKE;
use super::orphans::object;
use super::salvage::Salvage;
use super::values::{Values, likeness};
use crate::finding::Location;
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use std::collections::{HashMap, HashSet};

/// Puts entries back that were taken for deleted: of objects in use, and of folders that anything speaks of where nothing newer is there.
pub(super) fn revive(s: &mut Salvage, tables: &[Table], nodes: &mut HashMap<Nid, NbtEntry>) {
    let told: HashSet<Nid> = tables.iter().filter(|t| t.is_in_use && !t.is_search).flat_map(|t| t.rows.iter().map(|r| r.0)).collect();
    let spoken = spoken_of(nodes, tables);
    let data: HashSet<Bid> = nodes.values().map(|n| n.data.masked()).collect();
    let mut back: Vec<NbtEntry> = Vec::new();
    let mut taken: HashSet<Nid> = HashSet::new();
    for o in s.older.iter().filter(|o| o.in_lost_range && !o.page.is_none()) {
        let e = o.entry;
        let bid = e.data.masked();
        if !(e.nid.is_folder() || e.nid.is_message()) || nodes.contains_key(&e.nid) || data.contains(&bid) {
            continue;
        }
        let is_wanted = s.in_use.contains(&bid) || (!s.freed.contains(&bid) && (told.contains(&e.nid) || spoken.contains(&e.nid)));
        if is_wanted && taken.insert(e.nid) {
            back.push(e);
        }
    }
    put_back(s, nodes, back);
}

/// Puts entries of folders back, of any state, that something speaks of.
pub(super) fn revive_folders(s: &mut Salvage, tables: &[Table], nodes: &mut HashMap<Nid, NbtEntry>) {
    let spoken = spoken_of(nodes, tables);
    let mut taken: HashSet<Nid> = HashSet::new();
    let is_wanted = |nid: Nid| nid.nid_type() == NidType::NORMAL_FOLDER && spoken.contains(&nid) && !nodes.contains_key(&nid);
    let older = s.older.iter().filter(|o| o.in_lost_range && !o.page.is_none() && is_wanted(o.entry.nid));
    let back = older.map(|o| o.entry).filter(|e| taken.insert(e.nid)).collect();
    put_back(s, nodes, back);
}

/// Gives messages whose entries bear one id the ids under which rows describe them; where none does, the one that was written last keeps it.
pub(super) fn tell_apart(s: &Salvage, tables: &[Table], nodes: &mut HashMap<Nid, NbtEntry>) {
    let mut scored: Vec<(i32, Bid, Nid, Option<Nid>, NbtEntry)> = Vec::new();
    let listed = tables.iter().map(|t| t.rows.len()).fold(1, usize::saturating_add);
    let mut budget = PAIRS;
    for e in &s.twice {
        // entries without end that bear one id could make this take for ever
        let Some(left) = budget.checked_sub(listed) else { break };
        budget = left;
        let Some(o) = object(&s.ndb, e.data, Location::node(e.nid)) else { continue };
        for t in tables.iter().filter(|t| t.kind.lists(e.nid) && !t.is_search) {
            let rows = t.rows.iter().filter(|(id, _)| !nodes.contains_key(id));
            let like = |row: &Values| likeness(row, &o.values).filter(|score| *score >= LIKE);
            scored.extend(rows.filter_map(|(id, row)| Some((like(row)?, e.data, *id, t.owner, *e))));
        }
    }
    scored.sort_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
    let mut taken: HashSet<Bid> = HashSet::new();
    for (_, data, nid, owner, e) in scored {
        if !nodes.contains_key(&nid) && taken.insert(data) {
            nodes.insert(nid, NbtEntry { nid, parent: owner.unwrap_or(e.parent), ..e });
        }
    }
    let mut left: Vec<&NbtEntry> = s.twice.iter().filter(|e| !taken.contains(&e.data)).collect();
    left.sort_by_key(|e| std::cmp::Reverse(e.data));
    for e in left {
        nodes.entry(e.nid).or_insert(*e);
    }
}

/// Entries of older leaves in ranges whose current leaves are lost, by node: a file can have a million of them, and as many rows that ask.
#[derive(Debug)]
pub(super) struct OlderStates(Vec<NbtEntry>);

impl OlderStates {
    pub(super) fn of(older: &[OlderNode]) -> Self {
        let mut all: Vec<NbtEntry> = older.iter().filter(|o| o.in_lost_range).map(|o| o.entry).collect();
        // those of one node stay in their order
        all.sort_by_key(|e| e.nid);
        Self(all)
    }

    /// All states of a node, as they came.
    fn states(&self, nid: Nid) -> &[NbtEntry] {
        let from = self.0.partition_point(|e| e.nid < nid);
        let rest = self.0.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|e| e.nid == nid)).unwrap_or_default()
    }

    /// The newest state of a message that an older leaf has and that is like its row.
    pub(super) fn newest_like(&self, s: &Salvage, nid: Nid, row: &Values) -> Option<NbtEntry> {
        let like = |e: &NbtEntry| object(&s.ndb, e.data, Location::node(nid)).and_then(|o| likeness(row, &o.values));
        self.states(nid).iter().filter(|e| like(e).is_some_and(|score| score >= LIKE)).max_by_key(|e| e.data).copied()
    }
}

/// Folders that objects are in, or that tables are of.
fn spoken_of(nodes: &HashMap<Nid, NbtEntry>, tables: &[Table]) -> HashSet<Nid> {
    let parents = nodes.values().filter(|n| n.nid.is_folder() || n.nid.is_message()).map(|n| n.parent);
    parents.chain(tables.iter().filter(|t| t.is_in_use).filter_map(|t| t.owner)).collect()
}

fn put_back(s: &mut Salvage, nodes: &mut HashMap<Nid, NbtEntry>, back: Vec<NbtEntry>) {
    let states: HashSet<(Nid, Bid)> = back.iter().map(|e| (e.nid, e.data)).collect();
    s.older.retain(|o| !states.contains(&(o.entry.nid, o.entry.data)));
    s.filled.extend(back.iter().map(|e| e.nid));
    nodes.extend(back.into_iter().map(|e| (e.nid, e)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn states_of_a_node_are_those_of_a_look_through_all(all in proptest::collection::vec((0u32..12, 0u64..1000, any::<bool>()), 0..60)) {
            let entry = |nid: u32, data: u64| NbtEntry { nid: Nid(nid), data: Bid(data), ..NbtEntry::default() };
            let older: Vec<OlderNode> =
                all.iter().map(|(nid, data, lost)| OlderNode { entry: entry(*nid, *data), page: Bid::NONE, in_lost_range: *lost }).collect();
            let index = OlderStates::of(&older);
            for nid in (0..13).map(Nid) {
                let naive: Vec<NbtEntry> = older.iter().filter(|o| o.in_lost_range && o.entry.nid == nid).map(|o| o.entry).collect();
                prop_assert_eq!(index.states(nid), naive.as_slice());
            }
        }
    }
}
