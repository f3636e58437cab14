//! Linking: nodes whose entry is lost in every generation get it back, from their kinds and from the tables that list them.
//!
//! 1. Tables of folders, listed by the tree or not, say which objects each folder has, and in each row much of the object's own word on
//!    itself (`evidence`).
//! 2. Property contexts that nothing refers to are told by their properties and joined with their sub-nodes
//!    (`orphans`).
//! 3. A row without a node and an object without an id that agree belong together: the row gives id and folder.
//! 4. A message that no row describes gets a new id and no folder; repair puts it under Lost and Found. Older states of messages that
//!    are there, and of one another, are left out.

use super::crossed::uncross;
use super::evidence::{Kind, Table, current, find_associated_owners, find_owners, folder_rows, orphaned, searched};
use super::join::{Doubt, Joins, join};
use super::kinds::LIKE;
use super::newest;
use super::orphans::{Object, Shape, find, object};
use super::parents::settle_parents;
use super::places::{self, match_folders};
use super::revive;
use super::salvage::Salvage;
use super::values::{Values, likeness, number};
use super::{OlderNode, Origin};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::{array_at, index, low32};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::{BbtEntry, NbtEntry};
use crate::ltp::PropertyContext;
use crate::ltp::value::{latin1, utf16};
use crate::monitor::{Monitor, step};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A message that a table lists and that is not in the file any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostItem {
    /// Its id.
    pub nid: Nid,
    /// The folder that lists it.
    pub folder: Nid,
    /// Its subject, as the row has it.
    pub subject: String,
}

/// A folder of which only a row is left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedFolder {
    /// Its id.
    pub nid: Nid,
    /// The folder that it is in, if that is known.
    pub parent: Option<Nid>,
    /// Its name.
    pub name: String,
}

/// The finds of linking.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Links {
    /// How nodes came to be found that no current leaf lists.
    pub origins: HashMap<Nid, Origin>,
    /// Messages whose parts may not belong together, or of which a part is missing: why.
    pub doubts: HashMap<Nid, Doubt>,
    /// Messages that tables list and that are gone.
    pub lost: Vec<LostItem>,
    /// Folders that tables list and whose own properties are gone.
    pub folders: Vec<NamedFolder>,
}

/// A value that more objects have tells nothing.
pub(super) const SHARED: usize = 256;
/// So many of a row's values are looked up in any case, the rarest first, and all others until so many objects are to be compared.
const RAREST: usize = 3;
const COMPARED: usize = 32;

/// Completes a salvage: its index gets the nodes that could be linked.
///
/// # Errors
/// Cancellation.
pub fn link(s: &mut Salvage, monitor: &dyn Monitor) -> Result<Links> {
    let mut out = Links { doubts: uncross(s, monitor)?, ..Links::default() };
    if s.lost_nodes.is_empty() {
        let mut nodes: HashMap<Nid, NbtEntry> = s.ndb.index().nodes().iter().map(|n| (n.nid, *n)).collect();
        let settled = settle_parents(&s.ndb, &mut nodes, monitor)?;
        if settled.changed > 0 {
            replace_nodes(s, nodes);
        }
        if !misses_entries(s, &settled.dangling, monitor)? {
            return Ok(out);
        }
    }
    drop_misfits(s);
    let mut tables = current(s, monitor)?;
    let mut nodes: HashMap<Nid, NbtEntry> = s.ndb.index().nodes().iter().map(|n| (n.nid, *n)).collect();
    settle_filled(s, &tables, &mut nodes);

    let orphans = find(s, monitor)?;
    let more = orphaned(s, &orphans.tables, &orphans.subnodes, &tables);
    let old_tables = tables.len();
    tables.extend(more);
    tables.extend(searched(s, &orphans.tables));
    revive::tell_apart(s, &tables, &mut nodes);
    revive::revive(s, &tables, &mut nodes);

    let mut used: HashSet<Bid> = HashSet::new();
    let joins = join(s, &orphans.objects.iter().collect::<Vec<_>>(), &orphans.subnodes, monitor)?;
    let entry = |nid: Nid, o: &Object, parent: Nid| NbtEntry { nid, key_high: 0, data: o.data, sub: joins.sub(o.data), parent };

    // the store and its names: one each, the newest
    for (shape, nid) in [(Shape::Store, Nid::MESSAGE_STORE), (Shape::NameMap, Nid::NAME_TO_ID_MAP)] {
        // a state that no generation of the tree names is newer where it was written after the named one
        let older = nodes.get(&nid).filter(|_| s.filled.contains(&nid)).map(|n| n.data);
        if (!nodes.contains_key(&nid) || older.is_some())
            && s.is_lost_range(nid)
            && let Some(o) = orphans.objects.iter().filter(|o| o.shape == shape).max_by_key(|o| (!s.freed.contains(&o.data), o.data))
            && older.is_none_or(|data| o.data > data && !s.freed.contains(&o.data))
        {
            nodes.insert(nid, entry(nid, o, Nid::NONE));
            used.insert(o.data);
        }
    }
    let top = top_folder(s, nodes.get(&Nid::MESSAGE_STORE));

    // folders: rows without a node against objects without an id
    let rows = folder_rows(&tables);
    let mut wanted: Vec<(Nid, &Values)> = rows
        .iter()
        .filter(|(nid, _)| !nodes.contains_key(nid) && nid.nid_type() == NidType::NORMAL_FOLDER)
        .map(|(n, (_, v))| (*n, v))
        .collect();
    wanted.sort_by_key(|w| w.0);
    let objects: Vec<&Object> = orphans.objects.iter().filter(|o| o.shape == Shape::Folder).collect();
    let mut given = best_matches(s, &wanted, &objects, &used);
    used.extend(given.values().map(|o| o.data));
    // numbers change, and a row may have old ones: a name that one row and one folder alone have
    for (nid, o) in by_only_value(s, 0x3001, &wanted, &objects, &given, &used) {
        used.insert(o.data);
        given.insert(nid, o);
    }
    // objects that no row describes: ids that are spoken of, then new ones
    let left: Vec<&Object> = objects
        .iter()
        .filter(|o| !used.contains(&o.data) && !s.freed.contains(&o.data) && !is_root_folder(o) && !is_search_folder(s, o))
        .copied()
        .collect();
    for (nid, o) in match_folders(s, &nodes, &tables, &left, |nid| rows.contains_key(&nid)) {
        used.insert(o.data);
        given.insert(nid, o);
    }
    for (nid, o) in new_folders(s, &nodes, &rows, &given, &left, &used) {
        used.insert(o.data);
        given.insert(nid, o);
    }
    let is_told = |nid: Nid| nid.nid_type() == NidType::NORMAL_FOLDER && nid != Nid::ROOT_FOLDER;
    let mut told: HashMap<Nid, (Bid, Option<Values>)> = HashMap::new();
    for (nid, o) in &given {
        told.insert(*nid, (o.data, (!rows.contains_key(nid)).then(|| o.values.clone())));
    }
    for n in nodes.values().filter(|n| is_told(n.nid)) {
        let values = if rows.contains_key(&n.nid) { None } else { object(&s.ndb, n.data, Location::node(n.nid)).map(|o| o.values) };
        told.insert(n.nid, (n.data, values));
    }
    find_owners(&mut tables, top, told);

    correct_filled(s, &tables, &mut nodes);
    let rows = folder_rows(&tables);
    for (nid, o) in &given {
        let parent = rows.get(nid).and_then(|(parent, _)| *parent);
        nodes.insert(*nid, entry(*nid, o, parent.unwrap_or(Nid::NONE)));
        out.origins.insert(*nid, Origin::Orphan);
    }
    revive::revive_folders(s, &tables, &mut nodes);
    let mut unnamed: Vec<_> = rows.iter().filter(|(nid, _)| !nodes.contains_key(nid) && nid.nid_type() == NidType::NORMAL_FOLDER).collect();
    unnamed.sort_by_key(|r| r.0);
    for (nid, (parent, row)) in unnamed {
        out.folders.push(NamedFolder { nid: *nid, parent: *parent, name: text_of(s, row, 0x3001) });
    }
    if !nodes.contains_key(&Nid::ROOT_FOLDER)
        && let Some(o) = orphans
            .objects
            .iter()
            .filter(|o| is_root_folder(o) && !used.contains(&o.data))
            .max_by_key(|o| (!s.freed.contains(&o.data), o.data))
    {
        used.insert(o.data);
        nodes.insert(Nid::ROOT_FOLDER, entry(Nid::ROOT_FOLDER, o, Nid::ROOT_FOLDER));
    }
    let counts: Vec<(Nid, u64, Bid)> = nodes
        .values()
        .filter(|n| n.nid.nid_type() == NidType::NORMAL_FOLDER)
        .filter_map(|n| Some((n.nid, number(&object(&s.ndb, n.data, Location::node(n.nid))?.values, 0x3617)?, n.data.masked())))
        .collect();
    find_associated_owners(&mut tables, &counts);
    // tables whose folder is now known
    for t in tables.iter().skip(old_tables).filter(|t| !t.is_search) {
        if let Some(owner) = t.owner {
            let nid = owner.with_type(t.kind.nid_type());
            let newer = nodes.get(&nid).is_none_or(|n| s.filled.contains(&nid) && n.data < t.data);
            if newer && s.is_lost_range(nid) {
                nodes.insert(nid, NbtEntry { nid, key_high: 0, data: t.data, sub: t.sub, parent: Nid::NONE });
            }
        }
    }
    link_messages(s, &tables, &orphans.objects, &joins, &mut nodes, &mut used, &mut out);
    doubts(&orphans.objects, &joins, &nodes, &mut out);
    settle_parents(&s.ndb, &mut nodes, monitor)?;
    let doubtful = tables.iter().skip(old_tables).filter(|t| t.is_doubtful()).flat_map(|t| t.rows.iter().map(|r| r.0));
    let doubtful: HashSet<Nid> = doubtful.filter(|nid| out.origins.contains_key(nid)).collect();
    places::settle(s, &mut nodes, &tables, &orphans.objects, &doubtful, &out.lost, &mut out.folders);
    replace_nodes(s, nodes);
    Ok(out)
}

/// Takes out entries of folders that lead to a message, and entries of an older generation of messages that lead to a folder: a leaf of
/// another file, or of a time when the block's id was another's, speaks of other blocks. The object there is found by its kind.
fn drop_misfits(s: &mut Salvage) {
    let misfits = |n: &NbtEntry| {
        let is_asked = n.nid.is_folder() || (n.nid.is_message() && s.filled.contains(&n.nid));
        let found = if is_asked { object(&s.ndb, n.data, Location::node(n.nid)) } else { None };
        found.is_some_and(|o| match o.shape {
            Shape::Message | Shape::Associated => n.nid.is_folder() && !o.values.has(0x3602),
            Shape::Folder | Shape::Store | Shape::NameMap => n.nid.is_message(),
            Shape::Other => false,
        })
    };
    let gone: HashSet<Nid> = s.ndb.index().nodes().iter().filter(|n| misfits(n)).map(|n| n.nid).collect();
    if !gone.is_empty() {
        s.filled.retain(|nid| !gone.contains(nid));
        let kept = s.ndb.index().nodes().iter().filter(|n| !gone.contains(&n.nid)).map(|n| (n.nid, *n)).collect();
        replace_nodes(s, kept);
    }
}

/// Rows without an object and objects in use without a row that alone have a value, such as their name.
fn by_only_value<'o>(
    s: &Salvage,
    id: u16,
    rows: &[(Nid, &Values)],
    objects: &[&'o Object],
    given: &HashMap<Nid, &Object>,
    used: &HashSet<Bid>,
) -> Vec<(Nid, &'o Object)> {
    let mut by_name: HashMap<&[u8], (Vec<Nid>, Vec<&'o Object>)> = HashMap::new();
    for (nid, name) in rows.iter().filter(|r| !given.contains_key(&r.0)).filter_map(|(nid, v)| Some((*nid, v.get(id)?))) {
        by_name.entry(name).or_default().0.push(nid);
    }
    for o in objects.iter().filter(|o| !used.contains(&o.data) && !s.freed.contains(&o.data)) {
        if let Some(slot) = o.values.get(id).and_then(|name| by_name.get_mut(name)) {
            slot.1.push(o);
        }
    }
    let mut out: Vec<(Nid, &Object)> = Vec::new();
    for (name, (rows, objects)) in by_name {
        if let ([nid], [o]) = (rows.as_slice(), objects.as_slice())
            && !name.is_empty()
        {
            out.push((*nid, *o));
        }
    }
    out.sort_by_key(|(nid, _)| *nid);
    out
}

/// Ids for folders' properties that neither a row nor an entry speaks of, in use and not of a folder that is there: a state of one that
/// is there is none of its own.
fn new_folders<'o>(
    s: &Salvage,
    nodes: &HashMap<Nid, NbtEntry>,
    rows: &HashMap<Nid, (Option<Nid>, Values)>,
    given: &HashMap<Nid, &Object>,
    left: &[&'o Object],
    used: &HashSet<Bid>,
) -> Vec<(Nid, &'o Object)> {
    if left.iter().all(|o| used.contains(&o.data)) {
        return Vec::new();
    }
    let of_nodes =
        nodes.values().filter(|n| n.nid.is_folder()).filter_map(|n| object(&s.ndb, n.data, Location::node(n.nid)).map(|o| o.values));
    let others = rows.values().map(|(_, v)| v.clone()).chain(given.values().map(|o| o.values.clone()));
    let mut names: HashSet<String> = of_nodes.chain(others).map(|v| text_of(s, &v, 0x3001)).collect();
    let indexes = nodes.values().flat_map(|n| [n.nid, n.parent]).chain(rows.keys().copied()).chain(given.keys().copied());
    // some more than any that was given out
    let mut next =
        indexes.filter(|n| n.nid_type() == NidType::NORMAL_FOLDER).map(Nid::index).max().unwrap_or(0).max(0x400).saturating_add(64);
    let mut newest: Vec<&&Object> = left.iter().filter(|o| !used.contains(&o.data)).collect();
    newest.sort_by_key(|o| std::cmp::Reverse(o.data));
    let mut out = Vec::new();
    for o in newest {
        let has_something = [0x3602, 0x3617].iter().any(|id| number(&o.values, *id).unwrap_or(0) > 0) || o.values.has(0x3613);
        let name = text_of(s, &o.values, 0x3001);
        if has_something && !name.is_empty() && names.insert(name) {
            next = next.saturating_add(1);
            out.push((Nid::new(NidType::NORMAL_FOLDER, next), *o));
        }
    }
    out
}

/// Whether a tree that is whole lacks entries all the same, because its pages do not say all that they said: tables list messages that
/// have none, or blocks of the current tree were referred to and are no more. An older leaf's word on such a block is current again.
fn misses_entries(s: &mut Salvage, dangling: &[Nid], monitor: &dyn Monitor) -> Result<bool> {
    let roots = s.roots();
    step(monitor, 0)?;
    // the tree's own entry is one reference
    let (mut roots, mut listed, mut referred) = (roots.ascending(), s.listed.ascending(), s.referred.ascending());
    let mut is_lost = |b: &&BbtEntry| b.refs > 1 && listed.has(b.bid.0) && !roots.has(b.bid.0) && !referred.has(b.bid.0);
    let is_object = |b: &&BbtEntry| {
        let shape = object(&s.ndb, b.bid, Location::block(b.ib, b.bid)).map(|o| o.shape);
        matches!(shape, Some(Shape::Message | Shape::Associated | Shape::Folder))
    };
    let lost: HashSet<Bid> = s.ndb.index().blocks().iter().filter(|b| is_lost(b)).filter(is_object).map(|b| b.bid.masked()).collect();
    if lost.is_empty() && dangling.is_empty() {
        return Ok(false);
    }
    let mut nodes: HashMap<Nid, NbtEntry> = s.ndb.index().nodes().iter().map(|n| (n.nid, *n)).collect();
    let mut back: HashSet<Nid> = HashSet::new();
    for o in s.older.iter().filter(|o| lost.contains(&o.entry.data.masked())) {
        if let Entry::Vacant(slot) = nodes.entry(o.entry.nid) {
            slot.insert(o.entry);
            back.insert(o.entry.nid);
        }
    }
    s.older.retain(|o| !back.contains(&o.entry.nid));
    for o in s.older.iter_mut().filter(|o| dangling.binary_search(&o.entry.nid).is_ok()) {
        o.in_lost_range = true;
    }
    s.filled.extend(back);
    replace_nodes(s, nodes);
    s.lost_nodes.push((0, None));
    Ok(true)
}

fn replace_nodes(s: &mut Salvage, nodes: HashMap<Nid, NbtEntry>) {
    let mut nodes: Vec<NbtEntry> = nodes.into_values().collect();
    nodes.sort_unstable_by_key(|n| n.nid);
    s.ndb = s.ndb.with_index(s.ndb.index().with_nodes(nodes));
}

/// Looks again at the nodes that an older generation gave: one whose folder's current table does not list it was deleted, and one
/// that the table lists and that seemed deleted was not.
fn settle_filled(s: &mut Salvage, tables: &[Table], nodes: &mut HashMap<Nid, NbtEntry>) {
    let mut lists: HashMap<(Nid, NidType), HashSet<Nid>> = HashMap::new();
    for t in tables.iter().filter(|t| t.is_current && t.is_whole) {
        if let Some(owner) = t.owner {
            lists.insert((owner, t.kind.nid_type()), t.rows.iter().map(|r| r.0).collect());
        }
    }
    let says = |n: &NbtEntry| -> Option<bool> {
        let kind = match n.nid.nid_type() {
            NidType::NORMAL_MESSAGE => NidType::CONTENTS_TABLE,
            NidType::ASSOC_MESSAGE => NidType::ASSOC_CONTENTS_TABLE,
            NidType::NORMAL_FOLDER | NidType::SEARCH_FOLDER => NidType::HIERARCHY_TABLE,
            _ => return None,
        };
        lists.get(&(n.parent, kind)).map(|ids| ids.contains(&n.nid))
    };
    let gone: Vec<NbtEntry> =
        s.filled.iter().filter_map(|nid| nodes.get(nid)).filter(|n| n.nid != Nid::ROOT_FOLDER && says(n) == Some(false)).copied().collect();
    for n in gone {
        nodes.remove(&n.nid);
        s.filled.remove(&n.nid);
        s.older.push(OlderNode { entry: n, page: Bid::NONE, in_lost_range: true });
    }
    // newest first
    let mut back = Vec::new();
    for o in s.older.iter().filter(|o| o.in_lost_range && !o.page.is_none()) {
        if !nodes.contains_key(&o.entry.nid) && says(&o.entry) == Some(true) {
            nodes.insert(o.entry.nid, o.entry);
            back.push(o.entry);
        }
    }
    let back: HashSet<(Nid, Bid)> = back.iter().map(|n| (n.nid, n.data)).collect();
    s.filled.extend(back.iter().map(|b| b.0));
    s.older.retain(|o| !back.contains(&(o.entry.nid, o.entry.data)));
}

/// Corrects nodes that an older generation gave by tables that are in use: they say where an object is now, and that one whose blocks are
/// free and that its folder does not list was deleted.
fn correct_filled(s: &mut Salvage, tables: &[Table], nodes: &mut HashMap<Nid, NbtEntry>) {
    let mut told: HashSet<(Kind, Nid)> = HashSet::new();
    let mut listed: HashSet<Nid> = HashSet::new();
    for t in tables.iter().filter(|t| t.is_in_use) {
        listed.extend(t.rows.iter().map(|r| r.0));
        let Some(owner) = t.owner else { continue };
        if t.is_whole {
            told.insert((t.kind, owner));
        }
        for (id, _) in t.rows.iter().filter(|(id, _)| s.filled.contains(id)) {
            if let Some(n) = nodes.get_mut(id) {
                n.parent = owner;
            }
        }
    }
    let kind = |nid: Nid| match nid.nid_type() {
        NidType::NORMAL_MESSAGE => Some(Kind::Contents),
        NidType::ASSOC_MESSAGE => Some(Kind::Associated),
        _ => None,
    };
    let is_gone = |n: &NbtEntry| {
        kind(n.nid).is_some_and(|k| told.contains(&(k, n.parent))) && !listed.contains(&n.nid) && s.freed.contains(&n.data.masked())
    };
    let gone: Vec<NbtEntry> = s.filled.iter().filter_map(|nid| nodes.get(nid)).filter(|n| is_gone(n)).copied().collect();
    for n in gone {
        nodes.remove(&n.nid);
        s.filled.remove(&n.nid);
        s.older.push(OlderNode { entry: n, page: Bid::NONE, in_lost_range: true });
    }
}

/// The properties by which a row's object is looked for.
const LOOKED_UP: [u16; 8] = [0x0037, 0x3001, 0x0039, 0x0E06, 0x300B, 0x3008, 0x0E08, 0x001A];

/// A number for bytes, the same in every run.
pub(super) fn digest(id: u16, parts: &[Option<&[u8]>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, parts).hash(&mut hasher);
    hasher.finish()
}

/// Objects by their values: sorted digests, which take a small part of the room of a map.
struct ByValue(Vec<(u64, u32)>);

impl ByValue {
    fn of(objects: &[&Object], used: &HashSet<Bid>) -> Self {
        let mut all: Vec<(u64, u32)> = Vec::new();
        for (i, o) in (0u32..).zip(objects).filter(|(_, o)| !used.contains(&o.data)) {
            let values = o.values.iter().filter(|(id, _)| LOOKED_UP.contains(id));
            all.extend(values.map(|(id, v)| (digest(id, &[Some(v)]), i)));
        }
        all.sort_unstable();
        Self(all)
    }

    /// The objects that have a value.
    fn having(&self, id: u16, value: &[u8]) -> &[(u64, u32)] {
        let key = digest(id, &[Some(value)]);
        let from = self.0.partition_point(|e| e.0 < key);
        let rest = self.0.get(from..).unwrap_or_default();
        // a value that many have tells nothing, and is not counted to the end
        let few = rest.get(..SHARED.saturating_add(1)).unwrap_or(rest);
        few.get(..few.partition_point(|e| e.0 == key)).unwrap_or_default()
    }
}

/// Whether an object has every value of a row.
fn is_equal(row: &Values, object: &Values) -> bool {
    row.iter().all(|(id, v)| object.get(id) == Some(v))
}

/// A row and an object that are alike: whether the object is in use, likeness, the object's data and place, and the row.
type Alike = (bool, i32, Bid, Nid, usize);

/// The objects that a row is like.
fn matches_of(s: &Salvage, nid: Nid, row: &Values, objects: &[&Object], by_value: &ByValue) -> Vec<Alike> {
    // the object of a row has most of its values, so it is among those that have the rarest
    let looked_up = row.iter().filter(|(id, _)| LOOKED_UP.contains(id));
    let mut sharing: Vec<&[(u64, u32)]> = looked_up.map(|(id, v)| by_value.having(id, v)).collect();
    sharing.retain(|found| !found.is_empty() && found.len() <= SHARED);
    sharing.sort_by_key(|found| found.len());
    let (mut out, mut near): (Vec<Alike>, BTreeSet<usize>) = (Vec::new(), BTreeSet::new());
    let mut has_equal = false;
    for (n, found) in sharing.into_iter().enumerate() {
        // one that has all values is among those that have the rarest: nothing that comes later is as like
        if has_equal || (n >= RAREST && near.len() >= COMPARED) {
            break;
        }
        for i in found.iter().map(|e| index(e.1.into())) {
            let Some(o) = objects.get(i).filter(|_| near.insert(i)) else { continue };
            let is_current = !s.freed.contains(&o.data);
            if let Some(score) = likeness(row, &o.values).filter(|score| *score >= LIKE) {
                has_equal |= is_current && is_equal(row, &o.values);
                out.push((is_current, score, o.data, nid, i));
            }
        }
    }
    out
}

/// Gives each row the object that it describes best; each object goes to one row, those in use first, and newer ones first.
fn best_matches<'o>(s: &Salvage, rows: &[(Nid, &Values)], objects: &[&'o Object], used: &HashSet<Bid>) -> HashMap<Nid, &'o Object> {
    let by_value = ByValue::of(objects, used);
    let mut scored: Vec<Alike> = rows.iter().flat_map(|(nid, row)| matches_of(s, *nid, row, objects, &by_value)).collect();
    scored.sort_unstable_by(|a, b| (b.0, b.1, b.2, a.3).cmp(&(a.0, a.1, a.2, b.3)));
    let mut out: HashMap<Nid, &Object> = HashMap::new();
    let mut taken = HashSet::new();
    for (_, _, data, nid, i) in scored {
        if !out.contains_key(&nid)
            && !taken.contains(&data)
            && let Some(o) = objects.get(i)
        {
            taken.insert(data);
            out.insert(nid, o);
        }
    }
    out
}

/// The values that two states of one message share and two messages do not.
pub(super) fn identity(v: &Values) -> Option<Vec<Option<&[u8]>>> {
    let key: Vec<Option<&[u8]>> = [0x300B, 0x3007, 0x0039, 0x0E06, 0x001A].into_iter().map(|id| v.get(id)).collect();
    (v.has(0x300B) || (v.has(0x3007) && v.has(0x0037))).then_some(key)
}

#[allow(clippy::too_many_arguments)]
fn link_messages(
    s: &mut Salvage,
    tables: &[Table],
    objects: &[Object],
    joins: &Joins,
    nodes: &mut HashMap<Nid, NbtEntry>,
    used: &mut HashSet<Bid>,
    out: &mut Links,
) {
    let entry = |nid: Nid, o: &Object, parent: Nid| NbtEntry { nid, key_high: 0, data: o.data, sub: joins.sub(o.data), parent };
    let older = revive::OlderStates::of(&s.older);
    for (kind, shape, nid_type) in
        [(Kind::Contents, Shape::Message, NidType::NORMAL_MESSAGE), (Kind::Associated, Shape::Associated, NidType::ASSOC_MESSAGE)]
    {
        let present: Vec<NbtEntry> = nodes.values().filter(|n| n.nid.nid_type() == nid_type).copied().collect();
        let object_of = |n: &NbtEntry| object(&s.ndb, n.data, Location::node(n.nid));
        let candidates: Vec<&Object> = objects.iter().filter(|o| o.shape == shape && !used.contains(&o.data)).collect();

        let mut wanted: HashMap<Nid, (Option<Nid>, &Values, bool)> = HashMap::new();
        let mut ordered: Vec<&Table> = tables.iter().filter(|t| t.kind == kind).collect();
        ordered.sort_by_key(|t| (!t.is_search, t.is_current, t.data));
        // a search's find may be gone since, as its folder's own table says
        let told: HashSet<Nid> = ordered.iter().filter(|t| t.is_in_use && t.is_whole).filter_map(|t| t.owner).collect();
        for t in ordered.iter().filter(|t| !t.is_search || t.owner.is_none_or(|o| !told.contains(&o))) {
            for (nid, row) in t.rows.iter().filter(|(n, _)| !nodes.contains_key(n)) {
                wanted.insert(*nid, (t.owner, row, t.is_current));
            }
        }
        let mut rows: Vec<(Nid, &Values)> = wanted.iter().map(|(n, w)| (*n, w.1)).collect();
        rows.sort_by_key(|r| r.0);
        // nodes of which an older leaf gave an older state: the row tells when there is a newer one
        let mut described: HashMap<Nid, &Values> = HashMap::new();
        for t in &ordered {
            described.extend(t.rows.iter().filter(|(n, _)| s.filled.contains(n)).map(|(n, row)| (*n, row)));
        }
        newest::newest_states(s, &present, &candidates, &described, joins, nodes, used);
        let mut given = best_matches(s, &rows, &candidates, used);
        if kind == Kind::Associated {
            // little of a setting stands in its row; but often there is only one of a class
            let taken: HashSet<Bid> = used.iter().copied().chain(given.values().map(|o| o.data)).collect();
            given.extend(by_only_value(s, 0x001A, &rows, &candidates, &given, &taken));
        }
        for (nid, row) in rows {
            let folder = wanted.get(&nid).and_then(|w| w.0).unwrap_or(Nid::NONE);
            if let Some(o) = given.get(&nid) {
                used.insert(o.data);
                nodes.insert(nid, entry(nid, o, folder));
                out.origins.insert(nid, Origin::Orphan);
            } else if let Some(e) = older.newest_like(s, nid, row) {
                nodes.insert(nid, NbtEntry { parent: if folder.is_none() { e.parent } else { folder }, ..e });
                out.origins.insert(nid, Origin::Orphan);
            } else if !folder.is_none() || s.is_lost_range(nid) {
                out.lost.push(LostItem { nid, folder, subject: text_of(s, row, 0x0037) });
            }
        }
        // objects that no row describes: deleted before, if every folder's table is there and misses nothing
        let folders: HashSet<Nid> = nodes.keys().filter(|n| n.nid_type() == NidType::NORMAL_FOLDER).copied().collect();
        let told: HashSet<Nid> = ordered.iter().filter(|t| t.is_current && t.is_whole).filter_map(|t| t.owner).collect();
        let all_told = nodes.contains_key(&Nid::ROOT_FOLDER)
            && folders.iter().all(|f| told.contains(f))
            && out.lost.iter().all(|l| l.nid.nid_type() != nid_type);
        if all_told {
            continue;
        }
        let mut next = nodes.keys().filter(|n| n.nid_type() == nid_type).map(|n| n.index()).max().unwrap_or(0).max(0x1_0000);
        next = next.max(out.lost.iter().map(|l| l.nid.index()).max().unwrap_or(0));
        // an object in free space was deleted, or is an older state
        let mut left: Vec<&Object> = candidates.into_iter().filter(|o| !used.contains(&o.data) && !s.freed.contains(&o.data)).collect();
        left.sort_by_key(|o| std::cmp::Reverse((number(&o.values, 0x3008), o.data)));
        // older states of messages that are there, and of one another, are left out; equal copies are not
        let mut kinds: HashMap<Vec<Option<&[u8]>>, usize> = HashMap::new();
        for key in left.iter().filter_map(|o| identity(&o.values)) {
            let n = kinds.len();
            kinds.entry(key).or_insert(n);
        }
        // of each the time of the newest
        let mut newest: Vec<Option<u64>> = vec![None; kinds.len()];
        let mut see = |values: &Values| {
            let slot = identity(values).and_then(|key| kinds.get(&key).copied()).and_then(|n| newest.get_mut(n))?;
            let time = number(values, 0x3008).unwrap_or(0);
            let older = slot.is_some_and(|t| time < t);
            *slot = Some(slot.unwrap_or(0).max(time));
            Some(older)
        };
        if !left.is_empty() {
            present.iter().filter_map(object_of).for_each(|o| _ = see(&o.values));
            objects.iter().filter(|o| used.contains(&o.data)).for_each(|o| _ = see(&o.values));
        }
        left.retain(|o| see(&o.values) != Some(true));
        left.sort_by_key(|o| o.data);
        for o in left {
            next = next.saturating_add(1);
            let nid = Nid::new(nid_type, next);
            nodes.insert(nid, entry(nid, o, Nid::NONE));
            out.origins.insert(nid, Origin::Orphan);
        }
    }
}

/// Notes which messages are made of parts that may not belong together, or lack parts.
fn doubts(objects: &[Object], joins: &Joins, nodes: &HashMap<Nid, NbtEntry>, out: &mut Links) {
    let by_data: HashMap<Bid, &Object> = objects.iter().map(|o| (o.data, o)).collect();
    for n in nodes.values().filter(|n| n.nid.is_message()) {
        let Some(o) = by_data.get(&n.data).filter(|o| n.sub == joins.sub(o.data)) else { continue };
        if let Some(doubt) = joins.doubt(o) {
            out.doubts.insert(n.nid, doubt);
        }
    }
}

/// Whether a folder's properties are those of the root folder: it has no name.
fn is_root_folder(o: &Object) -> bool {
    o.shape == Shape::Folder && o.values.get(0x3001).is_none_or(<[u8]>::is_empty) && number(&o.values, 0x360A).is_none_or(|v| v & 0xFF != 0)
}

/// Whether a folder's properties are those of a search: those that a folder of messages has in an offline file are missing, or its name or
/// class is one that Outlook gives searches.
fn is_search_folder(s: &Salvage, o: &Object) -> bool {
    let name = text_of(s, &o.values, 0x3001);
    (o.is_offline && !o.values.has(0x3617))
        || ["MS-OLK-", "SPAM Search Folder", "ItemProcSearch"].iter().any(|start| name.starts_with(start))
        || text_of(s, &o.values, 0x3613).starts_with("Outlook.")
}

/// The top folder of the store, as the store's properties name it.
fn top_folder(s: &Salvage, store: Option<&NbtEntry>) -> Option<Nid> {
    let n = store?;
    let node = crate::ndb::Node::detached(&s.ndb, n.nid, n.data, n.sub, Location::node(n.nid));
    let pc = PropertyContext::open(node, &mut Ignore).ok()??;
    let id = pc.binary(0x35E0, &mut Ignore).ok()??;
    array_at::<4>(&id, 20).map(|b| Nid(low32(u64::from(u32::from_le_bytes(b)))))
}

/// A text of a row, for people to read.
pub(super) fn text_of(s: &Salvage, row: &Values, id: u16) -> String {
    let Some(bytes) = row.get(id) else { return String::new() };
    let text = if s.ndb.layout().is_ansi() { latin1(bytes) } else { utf16(bytes) };
    let mut chars = text.chars();
    if chars.next() == Some('\u{1}') { chars.skip(1).collect() } else { text }
}
