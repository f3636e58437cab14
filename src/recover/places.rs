//! Places: where an object belongs that neither its entry in the node B-tree nor a table places.
//!
//! Four traces are left then, and each counts where those before it say nothing:
//!
//! 1. A folder whose id is spoken of and whose entry is gone, and a folder's properties that no entry leads to, are one where the number
//!    of messages that the properties tell, and their class, are those of the id ([`match_folders`]).
//! 2. An item that synchronisation has brought bears the name of its folder (PidTagParentDisplay). Only in an offline file is that the folder's name
//!    here: a message that was moved to another store goes on to bear the name of where it was.
//! 3. A folder that tells of more messages than are there has lost some, and those were written when their neighbours were.
//! 4. Outlook gives the folders that every store has the same ids in all stores ([`well_known`]).

use super::evidence::{Kind, PAIRS, Table, classes_fit, is_special};
use super::link::{LostItem, NamedFolder, text_of};
use super::orphans::{Object, Shape, object};
use super::salvage::Salvage;
use super::values::{PARENT_DISPLAY, Values, number};
use crate::finding::Location;
use crate::format::bytes::wide;
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The score that an id and a folder's properties must reach.
const LIKE: u32 = 4;
/// How far apart ids of blocks are that were written at one time.
const NEAR: u64 = 0x40;
/// Messages of a folder that are asked for its name.
const ASKED: usize = 16;
/// Folders' properties that are considered for an id, the likeliest first.
const LIKELY: usize = 64;
/// The first id that is given to a folder of a PST; lower ids are those that every store has.
const FIRST_DYNAMIC: u32 = 0x400;

/// The folder under which a PST has the shown folders.
pub(crate) const TOP_FOLDER: Nid = Nid(0x8022);

/// The place and the name of a folder that has this id in all stores that Outlook makes (but for the last two of a
/// PST, which change places in old ones). In an offline file the ids are others,
/// below those that a PST's folders can have.
///
/// The third says whether the name is the same in every language.
pub(crate) fn well_known(nid: Nid, is_offline: bool) -> Option<(Nid, &'static str, bool)> {
    let (parent, name) = match (nid.0, is_offline) {
        (0x8022, false) => (0x122, "Top of Outlook data file"),
        (0x8042, false) => (0x122, "Search Root"),
        (0x8062, false) => (0x8022, "Deleted Items"),
        (0x2002, true) => (0x122, "Root - Public"),
        (0x2022, true) => (0x2002, "IPM_SUBTREE"),
        (0x2042, true) => (0x2002, "NON_IPM_SUBTREE"),
        (0x2062, true) => (0x2042, "EFORMS REGISTRY"),
        (0x20A2, true) => (0x122, "Root - Mailbox"),
        (0x20C2, true) => (0x20A2, "Common Views"),
        (0x20E2, true) => (0x20A2, "Finder"),
        (0x2102, true) => (0x20A2, "Shortcuts"),
        (0x2122, true) => (0x20A2, "Views"),
        (0x2142, true) => (0x20A2, "IPM_SUBTREE"),
        (0x2162, true) => (0x2142, "Deleted Items"),
        (0x2182, true) => (0x2142, "Inbox"),
        (0x21A2, true) => (0x2142, "Outbox"),
        (0x21C2, true) => (0x2142, "Sent Items"),
        _ => return None,
    };
    Some((Nid(parent), name, (0x2002..=0x2142).contains(&nid.0)))
}

/// Whether a folder's id is one of an offline file: a PST's folders have none so low.
pub(crate) fn is_offline_id(nid: Nid) -> bool {
    nid.nid_type() == NidType::NORMAL_FOLDER && nid.index() < FIRST_DYNAMIC && nid.index() > Nid::ROOT_FOLDER.index()
}

/// Whether nodes are those of an offline file.
pub(crate) fn is_offline(mut nodes: impl Iterator<Item = NbtEntry>) -> bool {
    nodes.any(|n| is_offline_id(n.nid) || ((n.nid.is_folder() || n.nid.is_message()) && is_offline_id(n.parent)))
}

/// The word of the present entries and tables on a folder.
#[derive(Debug, Default)]
struct Spoken {
    messages: u64,
    associated: u64,
    has_folders: bool,
    /// Root of its contents table.
    table: Option<Bid>,
    rows: Vec<(Nid, Values)>,
    /// Its name by its messages.
    name: Option<String>,
    /// The name of a folder of this id in every store, if its language is English.
    usual: Option<&'static str>,
}

/// Folders' properties that no entry leads to, and the ids that are theirs.
pub(super) fn match_folders<'o>(
    s: &Salvage,
    nodes: &HashMap<Nid, NbtEntry>,
    tables: &[Table],
    objects: &[&'o Object],
    is_named: impl Fn(Nid) -> bool,
) -> Vec<(Nid, &'o Object)> {
    if objects.is_empty() {
        return Vec::new();
    }
    let mut spoken: BTreeMap<Nid, Spoken> = BTreeMap::new();
    let missing =
        |nid: Nid| nid.nid_type() == NidType::NORMAL_FOLDER && nid.index() > Nid::ROOT_FOLDER.index() && !nodes.contains_key(&nid);
    let mut samples: HashMap<Nid, Vec<NbtEntry>> = HashMap::new();
    for n in nodes.values() {
        if Kind::of(n.nid.nid_type()).is_some() {
            let owner = n.nid.with_type(NidType::NORMAL_FOLDER);
            if missing(owner) && owner.index() >= FIRST_DYNAMIC {
                spoken.entry(owner).or_default();
            }
        } else if (n.nid.is_folder() || n.nid.is_message()) && missing(n.parent) {
            let slot = spoken.entry(n.parent).or_default();
            match n.nid.nid_type() {
                NidType::NORMAL_MESSAGE => slot.messages = slot.messages.saturating_add(1),
                NidType::ASSOC_MESSAGE => slot.associated = slot.associated.saturating_add(1),
                _ => slot.has_folders = true,
            }
            if n.nid.nid_type() == NidType::NORMAL_MESSAGE {
                samples.entry(n.parent).or_default().push(*n);
            }
        }
    }
    for e in s.gone.iter().filter(|e| missing(e.nid)) {
        spoken.entry(e.nid).or_default();
    }
    let offline = is_offline(nodes.values().copied());
    if offline {
        for index in (0..FIRST_DYNAMIC).map(|i| Nid::new(NidType::NORMAL_FOLDER, i)).filter(|nid| missing(*nid)) {
            if let Some((_, name, _)) = well_known(index, true) {
                spoken.entry(index).or_default().usual = Some(name);
            }
        }
    }
    for t in tables {
        let Some(slot) = t.owner.and_then(|o| spoken.get_mut(&o)) else { continue };
        let rows = wide(t.rows.len());
        match t.kind {
            Kind::Hierarchy => slot.has_folders |= rows > 0,
            Kind::Associated => slot.associated = slot.associated.max(rows),
            Kind::Contents => {
                slot.messages = slot.messages.max(rows);
                slot.table = Some(t.data);
            }
        }
    }
    for (nid, slot) in &mut spoken {
        let mut all = samples.remove(nid).unwrap_or_default();
        all.sort_by_key(|n| n.nid);
        let values = all.iter().take(ASKED).filter_map(|n| Some((n.nid, object(&s.ndb, n.data, Location::node(n.nid))?.values)));
        slot.rows = values.collect();
        slot.name = told_name(s, &slot.rows);
    }
    let mut scored: Vec<Scored> = Vec::new();
    // ids and folders without end could make this take for ever
    let mut budget = PAIRS;
    for (nid, slot) in spoken.iter().filter(|(nid, _)| !is_named(**nid)) {
        let Some(left) = budget.checked_sub(objects.len()) else { break };
        budget = left;
        let mut own: Vec<Scored> = Vec::new();
        for (i, o) in objects.iter().enumerate() {
            if let Some(score) = score(s, slot, o).filter(|score| *score >= LIKE) {
                // a new item changes both the table and the folder
                let distance = slot.table.map_or(u64::MAX, |t| t.0.abs_diff(o.data.0));
                own.push((score, distance, *nid, i));
            }
        }
        own.sort_unstable_by_key(rank);
        own.truncate(LIKELY);
        scored.append(&mut own);
    }
    assign(scored).into_iter().filter_map(|(nid, i)| Some((nid, *objects.get(i)?))).collect()
}

/// How well an id and the properties of a folder go together: likeness, how far apart they were written, the id, and the place of the
/// properties.
type Scored = (u32, u64, Nid, usize);

/// The likeliest first.
fn rank((score, distance, nid, i): &Scored) -> (Reverse<u32>, u64, Nid, usize) {
    (Reverse(*score), *distance, *nid, *i)
}

/// Assigns the property context with the highest score to each id. A tie is refused, and no id with a lower score gets a context of a tie.
fn assign(mut scored: Vec<Scored>) -> Vec<(Nid, usize)> {
    scored.sort_unstable_by_key(rank);
    let (mut taken, mut given) = (HashSet::new(), HashSet::new());
    let mut out = Vec::new();
    for group in scored.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let open: Vec<(Nid, usize)> =
            group.iter().map(|r| (r.2, r.3)).filter(|(nid, i)| !given.contains(nid) && !taken.contains(i)).collect();
        let (mut of_id, mut of_object): (HashMap<Nid, usize>, HashMap<usize, usize>) = (HashMap::new(), HashMap::new());
        for (nid, i) in &open {
            let (a, b) = (of_id.entry(*nid).or_default(), of_object.entry(*i).or_default());
            (*a, *b) = (a.saturating_add(1), b.saturating_add(1));
        }
        for (nid, i) in open {
            given.insert(nid);
            taken.insert(i);
            if of_id.get(&nid) == Some(&1) && of_object.get(&i) == Some(&1) {
                out.push((nid, i));
            }
        }
    }
    out
}

/// The fit of a folder's properties with the facts about an id; `None` where they cannot be of one folder.
fn score(s: &Salvage, slot: &Spoken, o: &Object) -> Option<u32> {
    let count = number(&o.values, 0x3602).unwrap_or(0);
    let associated = number(&o.values, 0x3617).unwrap_or(slot.associated);
    let has_folders = number(&o.values, 0x360A).is_none_or(|v| v & 0xFF != 0);
    if slot.messages > count || slot.associated > associated || (slot.has_folders && !has_folders) {
        return None;
    }
    let mut score = 0u32;
    if slot.messages > 0 {
        let has_class = o.values.get(0x3613).is_some_and(|v| v.iter().any(|b| *b != 0));
        if has_class && !classes_fit(&o.values, &slot.rows) && !slot.rows.is_empty() {
            return None;
        }
        // equal numbers say the more the greater they are
        let exact = 2u32.saturating_add(u64::BITS.saturating_sub(count.leading_zeros()));
        score = score.saturating_add(if slot.messages == count { exact } else { 1 });
        score = score.saturating_add(if is_special(&o.values) { 4 } else { 0 });
    }
    if slot.associated > 0 {
        let exact = 1u32.saturating_add(u64::BITS.saturating_sub(associated.leading_zeros()));
        score = score.saturating_add(if slot.associated == associated { exact } else { 1 });
    }
    if let Some(name) = &slot.name {
        if *name != text_of(s, &o.values, 0x3001) {
            return None;
        }
        score = score.saturating_add(6);
    }
    if slot.usual.is_some_and(|usual| usual == text_of(s, &o.values, 0x3001)) {
        score = score.saturating_add(8);
    }
    if slot.table.is_some_and(|t| t.0.abs_diff(o.data.0) < NEAR) {
        score = score.saturating_add(3);
    }
    Some(score.saturating_add(u32::from(slot.has_folders)))
}

/// The name of their folder that most messages of an offline file bear.
fn told_name(s: &Salvage, rows: &[(Nid, Values)]) -> Option<String> {
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for (_, v) in rows.iter().filter(|(_, v)| v.has(PARENT_DISPLAY)) {
        let slot = votes.entry(text_of(s, v, PARENT_DISPLAY)).or_default();
        *slot = slot.saturating_add(1);
    }
    let (name, n) = votes.into_iter().max_by_key(|(_, n)| *n)?;
    (n.saturating_mul(2) > rows.len() && !name.is_empty()).then_some(name)
}

/// Folders that are there, or known by name.
#[derive(Debug, Default)]
struct Folders {
    by_name: HashMap<String, BTreeSet<Nid>>,
    names: HashMap<Nid, String>,
    values: HashMap<Nid, Values>,
}

impl Folders {
    fn add(&mut self, nid: Nid, name: String) {
        if !name.is_empty() {
            self.by_name.entry(name.clone()).or_default().insert(nid);
            self.names.insert(nid, name);
        }
    }

    /// The one folder of a name.
    fn only(&self, name: &str) -> Option<Nid> {
        self.by_name.get(name).filter(|all| all.len() == 1).and_then(|all| all.first().copied())
    }
}

/// Finds folders for messages that have none, and names for folders of which only the id is left. `objects` are those that messages
/// were made of; `doubtful` are messages whose folder was found by counts alone.
pub(super) fn settle(
    s: &Salvage,
    nodes: &mut HashMap<Nid, NbtEntry>,
    tables: &[Table],
    objects: &[Object],
    doubtful: &HashSet<Nid>,
    lost: &[LostItem],
    named: &mut Vec<NamedFolder>,
) {
    let mut folders = Folders::default();
    for n in nodes.values().filter(|n| n.nid.nid_type() == NidType::NORMAL_FOLDER) {
        if let Some(o) = object(&s.ndb, n.data, Location::node(n.nid)) {
            folders.add(n.nid, text_of(s, &o.values, 0x3001));
            folders.values.insert(n.nid, o.values);
        }
    }
    for f in named.iter().filter(|f| f.nid.nid_type() == NidType::NORMAL_FOLDER) {
        folders.add(f.nid, f.name.clone());
    }
    folder_parents(s, nodes, tables, &folders, named);
    by_name(s, nodes, objects, doubtful, &mut folders, named);
    by_counts(s, nodes, objects, lost, &folders);
}

/// Gives folders without one a parent: the one that an entry of it tells though its blocks are gone, or the only folder that has others
/// beneath it and whose table is lost.
fn folder_parents(s: &Salvage, nodes: &mut HashMap<Nid, NbtEntry>, tables: &[Table], folders: &Folders, named: &mut [NamedFolder]) {
    let is_folder = |nid: Nid| nid.nid_type() == NidType::NORMAL_FOLDER;
    let of_gone: HashMap<Nid, Nid> = s.gone.iter().filter(|e| is_folder(e.nid) && is_folder(e.parent)).map(|e| (e.nid, e.parent)).collect();
    let told: HashSet<Nid> = tables
        .iter()
        .filter(|t| t.kind == Kind::Hierarchy && t.is_whole && (t.is_current || t.is_in_use || t.is_found))
        .filter_map(|t| t.owner)
        .collect();
    let has_folders = |nid: Nid| folders.values.get(&nid).is_none_or(|v| number(v, 0x360A).is_none_or(|v| v & 0xFF != 0));
    let mut open: Vec<Nid> = nodes.keys().copied().filter(|nid| is_folder(*nid) && !told.contains(nid) && has_folders(*nid)).collect();
    let homeless: HashSet<Nid> = nodes.values().filter(|n| is_folder(n.nid) && !is_folder(n.parent)).map(|n| n.nid).collect();
    open.retain(|nid| !homeless.contains(nid));
    // beside the store's top folder nobody would see them
    let only = open.first().copied().filter(|nid| open.len() == 1 && *nid != Nid::ROOT_FOLDER);
    for nid in homeless {
        let parent = of_gone.get(&nid).copied().or(only);
        if let (Some(parent), Some(slot)) = (parent.filter(|p| *p != nid), nodes.get_mut(&nid)) {
            slot.parent = parent;
        }
    }
    for f in named.iter_mut().filter(|f| f.parent.is_none()) {
        f.parent = of_gone.get(&f.nid).copied().or(only).filter(|p| *p != f.nid);
    }
}

/// Gives messages of an offline file the folder that they name.
fn by_name(
    s: &Salvage,
    nodes: &mut HashMap<Nid, NbtEntry>,
    objects: &[Object],
    doubtful: &HashSet<Nid>,
    folders: &mut Folders,
    named: &mut Vec<NamedFolder>,
) {
    let mut nameless: BTreeMap<Nid, Vec<NbtEntry>> = BTreeMap::new();
    let mut homeless: Vec<NbtEntry> = Vec::new();
    let is_folder = |nid: Nid| nid.nid_type() == NidType::NORMAL_FOLDER;
    for n in nodes.values().filter(|n| n.nid.is_message()) {
        if !is_folder(n.parent) || doubtful.contains(&n.nid) {
            homeless.push(*n);
        } else if !nodes.contains_key(&n.parent) && !folders.names.contains_key(&n.parent) {
            nameless.entry(n.parent).or_default().push(*n);
        }
    }
    for (nid, mut messages) in nameless {
        messages.sort_by_key(|n| n.nid);
        let values = messages.iter().take(ASKED).filter_map(|n| Some((n.nid, object(&s.ndb, n.data, Location::node(n.nid))?.values)));
        if let Some(name) = told_name(s, &values.collect::<Vec<_>>()) {
            folders.add(nid, name.clone());
            named.push(NamedFolder { nid, parent: None, name });
        }
    }
    let of: HashMap<Bid, &Object> = objects.iter().map(|o| (o.data, o)).collect();
    let mut next = nodes
        .keys()
        .chain(folders.names.keys())
        .filter(|n| is_folder(**n))
        .map(|n| n.index())
        .max()
        .unwrap_or(0)
        .max(FIRST_DYNAMIC)
        .saturating_add(64);
    homeless.sort_by_key(|n| n.nid);
    for n in homeless {
        let Some(o) = of.get(&n.data) else { continue };
        let name = text_of(s, &o.values, PARENT_DISPLAY);
        if name.is_empty() || folders.names.get(&n.parent) == Some(&name) {
            continue;
        }
        let home = if folders.by_name.contains_key(&name) {
            folders.only(&name)
        } else if !is_folder(n.parent) {
            next = next.saturating_add(1);
            let nid = Nid::new(NidType::NORMAL_FOLDER, next);
            folders.add(nid, name.clone());
            named.push(NamedFolder { nid, parent: None, name });
            Some(nid)
        } else {
            None
        };
        if let (Some(home), Some(slot)) = (home, nodes.get_mut(&n.nid)) {
            slot.parent = home;
        }
    }
}

/// Gives messages without a folder to folders that tell of more messages than they have: to the one whose messages were written before
/// and after, or to the only one.
fn by_counts(s: &Salvage, nodes: &mut HashMap<Nid, NbtEntry>, objects: &[Object], lost: &[LostItem], folders: &Folders) {
    for (nid_type, tag) in [(NidType::NORMAL_MESSAGE, 0x3602), (NidType::ASSOC_MESSAGE, 0x3617)] {
        let mut homeless: Vec<NbtEntry> =
            nodes.values().filter(|n| n.nid.nid_type() == nid_type && n.parent.nid_type() != NidType::NORMAL_FOLDER).copied().collect();
        if homeless.is_empty() {
            continue;
        }
        let mut room: BTreeMap<Nid, u64> = BTreeMap::new();
        for (nid, values) in &folders.values {
            // an older state of a folder tells of older numbers
            let is_current =
                |bid: Bid| s.in_use.contains(&bid) || (s.in_use.is_empty() && !s.freed.contains(&bid) && !s.filled.contains(nid));
            if nodes.get(nid).is_some_and(|n| is_current(n.data.masked())) {
                room.insert(*nid, number(values, tag).unwrap_or(0));
            }
        }
        let mut written: BTreeMap<Bid, Nid> = BTreeMap::new();
        let listed = lost.iter().filter(|l| l.nid.nid_type() == nid_type).map(|l| l.folder);
        let there = nodes.values().filter(|n| n.nid.nid_type() == nid_type && n.parent.nid_type() == NidType::NORMAL_FOLDER);
        for folder in there.clone().map(|n| n.parent).chain(listed) {
            if let Some(slot) = room.get_mut(&folder) {
                *slot = slot.saturating_sub(1);
            }
        }
        written.extend(there.map(|n| (n.data.masked(), n.parent)));
        // nor is one older of which a later state was not linked
        for o in objects.iter().filter(|o| o.shape == Shape::Folder && !s.freed.contains(&o.data)) {
            if let Some(nid) = folders.only(&text_of(s, &o.values, 0x3001))
                && nodes.get(&nid).is_some_and(|n| n.data.masked() < o.data.masked() && s.filled.contains(&nid))
            {
                room.remove(&nid);
            }
        }
        // putting a message in makes its folder be written anew, right after it
        let mut states: BTreeMap<Bid, Nid> = BTreeMap::new();
        for o in objects.iter().filter(|o| o.shape == Shape::Folder) {
            states.extend(folders.only(&text_of(s, &o.values, 0x3001)).map(|nid| (o.data.masked(), nid)));
        }
        let there = nodes.values().map(|n| (n.nid, n.data)).chain(s.older.iter().map(|o| (o.entry.nid, o.entry.data)));
        states.extend(there.filter(|n| n.0.nid_type() == NidType::NORMAL_FOLDER).map(|(nid, data)| (data.masked(), nid)));
        let all_known = nodes.keys().filter(|n| n.nid_type() == NidType::NORMAL_FOLDER).all(|n| room.contains_key(n));
        let full: BTreeSet<Nid> = room.iter().filter(|(_, n)| **n == 0).map(|(nid, _)| *nid).collect();
        room.retain(|_, n| *n > 0);
        let of: HashMap<Bid, &Object> = objects.iter().map(|o| (o.data, o)).collect();
        homeless.sort_by_key(|n| n.data);
        let fits = |folder: Nid, n: &NbtEntry| {
            let values = of.get(&n.data).map(|o| (n.nid, o.values.clone()));
            let class = folders.values.get(&folder);
            class.is_none_or(|f| nid_type != NidType::NORMAL_MESSAGE || values.is_none_or(|v| classes_fit(f, &[v])))
        };
        let enough = wide(homeless.len()) <= room.values().sum();
        let single = room.keys().next().copied().filter(|_| room.len() == 1 && enough && all_known);
        for n in homeless {
            let at = n.data.masked();
            let before = written.range(..at).next_back().map(|(_, f)| *f);
            let after = written.range(at..).next().map(|(_, f)| *f);
            let neighbour = before.filter(|_| before == after).filter(|f| !full.contains(f) && fits(*f, &n));
            let next = states.range(at..Bid(at.0.saturating_add(NEAR))).next().map(|(_, f)| *f);
            let next = next.filter(|f| folders.names.contains_key(f) && !full.contains(f) && fits(*f, &n));
            let Some(home) = next.or(neighbour).or(single.filter(|f| fits(*f, &n))) else { continue };
            if let Some(left) = room.get_mut(&home) {
                if *left == 0 {
                    continue;
                }
                *left = left.saturating_sub(1);
            }
            if let Some(slot) = nodes.get_mut(&n.nid) {
                slot.parent = home;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of equals neither is taken, whichever comes first, and nobody who is less likely gets one of them.
    #[test]
    fn of_two_that_are_as_likely_neither_is_taken() {
        let (a, b, c) = (Nid(0x8022), Nid(0x8042), Nid(0x8062));
        assert_eq!(assign(vec![(9, 1, a, 0), (9, 1, a, 1)]), vec![]);
        assert_eq!(assign(vec![(9, 1, a, 0), (9, 1, b, 0)]), vec![]);
        assert_eq!(assign(vec![(9, 1, a, 0), (9, 1, a, 1), (5, 1, b, 0), (4, 1, a, 2), (4, 1, c, 3)]), vec![(c, 3)]);
        // a chain: each of them may be another's
        assert_eq!(assign(vec![(9, 1, a, 0), (9, 1, a, 1), (9, 1, b, 1), (9, 1, b, 2), (9, 1, c, 2)]), vec![]);
        // a given object ties with nothing
        assert_eq!(assign(vec![(9, 1, a, 0), (8, 1, a, 1), (8, 1, b, 1)]), vec![(a, 0), (b, 1)]);
    }

    /// The same by a look at all rivals of each pair.
    fn naive(scored: &[Scored]) -> Vec<(Nid, usize)> {
        let likeness = |r: &Scored| (Reverse(r.0), r.1);
        let (mut settled, mut out): (Vec<Scored>, Vec<(Nid, usize)>) = (Vec::new(), Vec::new());
        for r in scored {
            let before: Vec<Scored> = settled.iter().filter(|s| likeness(s) < likeness(r)).copied().collect();
            let is_open = |r: &Scored| before.iter().all(|s| s.2 != r.2 && s.3 != r.3);
            if !is_open(r) {
                continue;
            }
            let rivals = scored.iter().filter(|o| likeness(o) == likeness(r) && *o != r && is_open(o));
            if !rivals.into_iter().any(|o| o.2 == r.2 || o.3 == r.3) {
                out.push((r.2, r.3));
            }
            settled.push(*r);
        }
        out
    }

    proptest! {
        #[test]
        fn properties_are_given_as_by_a_look_at_all_rivals(pairs in proptest::collection::btree_map((0u32..8, 0usize..8), (0u32..3, 0u64..2), 0..50)) {
            let mut scored: Vec<Scored> = pairs.into_iter().map(|((nid, i), (score, distance))| (score, distance, Nid(nid), i)).collect();
            let given = assign(scored.clone());
            scored.sort_by_key(rank);
            prop_assert_eq!(given, naive(&scored));
        }
    }
}
