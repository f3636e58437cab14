//! The node list of a broken file: the entries of the node B-tree, and where they are lost, those of older generations of its
//! leaves say.
//!
//! Pages are never rewritten in place ([MS-PST] 2.6.1.2), so that a file holds older leaves beside the current ones, the newest with
//! the highest id. They fill **only** the ranges of ids whose current leaves are lost: a node that the current tree does not have
//! although its range is whole was deleted on purpose, and is kept apart.
//!
//! A leaf that counts too few of its entries shows by the blocks that the others name: blocks that are current, and that no node has.

use super::blocks::{Leaves, leaf_entries, uncounted_entries};
use super::detect::is_heap_head;
use super::orphans::{Shape, shape};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::bytes::byte;
use crate::format::heap::ClientSig;
use crate::format::ids::{Bid, Ib, Nid, NidType};
use crate::format::page::{NbtEntry, PageType, TreeEntry};
use crate::monitor::{Monitor, step};
use crate::ndb::{BlockSet, Ndb, TreeFacts};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A node as an older generation of the tree has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OlderNode {
    /// The entry.
    pub entry: NbtEntry,
    /// Id of the page that it stands on; higher is newer.
    pub page: Bid,
    /// Whether its id is in a range whose current leaves are lost, so that it may be current after all.
    pub in_lost_range: bool,
}

/// Nodes of a broken file.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Nodes {
    /// Nodes that count as current.
    pub entries: Vec<NbtEntry>,
    /// Of those, the ones that an older generation gave.
    pub filled: HashSet<Nid>,
    /// Nodes of older generations that are not current: deleted, or older states of nodes.
    pub older: Vec<OlderNode>,
    /// Ranges of ids whose current leaves are lost: first id and the one that it ends before. They are sorted and apart.
    pub lost: Vec<(u64, Option<u64>)>,
    /// Entries of current leaves with ids that no node can have.
    pub nameless: Vec<NbtEntry>,
    /// Entries of current leaves of which another bears the same id.
    pub twice: Vec<NbtEntry>,
    /// Entries of the newest leaves that are left, in ranges whose current leaves are lost, of which the blocks are gone.
    pub gone: Vec<NbtEntry>,
}

impl Nodes {
    /// Whether a node with this id may have been on a leaf that is lost.
    pub fn is_lost_range(&self, nid: Nid) -> bool {
        in_ranges(&self.lost, nid.0.into())
    }
}

/// Whether a key is in one of some ranges that are [`merged`].
pub(super) fn in_ranges(ranges: &[(u64, Option<u64>)], key: u64) -> bool {
    let at = ranges.partition_point(|(first, _)| *first <= key).checked_sub(1);
    at.and_then(|i| ranges.get(i)).is_some_and(|(_, end)| end.is_none_or(|e| key < e))
}

/// The same keys as sorted ranges that neither overlap nor touch: damaged leaves give a range for each bad entry, and each id is looked
/// up in them. There are none only if there were none.
fn merged(mut ranges: Vec<(u64, Option<u64>)>) -> Vec<(u64, Option<u64>)> {
    ranges.sort_unstable_by_key(|(first, _)| *first);
    let mut out: Vec<(u64, Option<u64>)> = Vec::new();
    for (first, end) in ranges {
        match out.last_mut() {
            Some((_, last)) if last.is_none_or(|l| first <= l) => *last = last.and_then(|l| Some(l.max(end?))),
            _ => out.push((first, end.map(|e| e.max(first)))),
        }
    }
    out
}

/// Inclusive intervals of keys that newer leaves have spoken for.
#[derive(Debug, Default)]
struct Covered(BTreeMap<u64, u64>);

impl Covered {
    fn add(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last);
        while let Some((a, b)) = self.0.range(..=last).next_back().map(|(a, b)| (*a, *b)) {
            if b < first {
                break;
            }
            first = first.min(a);
            last = last.max(b);
            self.0.remove(&a);
        }
        self.0.insert(first, last);
    }

    fn has(&self, key: u64) -> bool {
        self.0.range(..=key).next_back().is_some_and(|(_, last)| *last >= key)
    }
}

/// Merges the tree with its older generations. `ndb` must have an index with the salvaged blocks; its nodes don't count. `listed` are the
/// blocks that the current block B-tree names; `is_sound` tells of entries that a check has found nothing wrong with.
///
/// # Errors
/// Cancellation.
pub(super) fn salvage_nodes(
    ndb: &Ndb,
    facts: &TreeFacts,
    leaves: &Leaves,
    listed: &BlockSet,
    is_sound: &dyn Fn(&NbtEntry) -> bool,
    monitor: &dyn Monitor,
) -> Result<Nodes> {
    let mut out = Nodes { lost: facts.nbt_lost.iter().map(|l| (l.first, l.end)).collect(), ..Nodes::default() };
    if !facts.pages.iter().any(|p| p.page_type == PageType::NBT) && out.lost.is_empty() {
        out.lost.push((0, None));
    }
    // the first entry that each lost leaf should have had
    let mut lost_leaves: HashMap<Ib, (u64, Option<u64>)> = HashMap::new();
    for l in &facts.nbt_lost {
        lost_leaves.entry(l.bref.ib).or_insert((l.first, l.end));
    }
    let mut nodes: HashMap<Nid, NbtEntry> = HashMap::new();
    let mut covered = Covered::default();
    let mut wrong: Vec<NbtEntry> = Vec::new();
    for (ib, _, _) in leaves.valid.iter().filter(|(_, _, live)| *live) {
        let mut entries = leaf_entries::<NbtEntry>(ndb, *ib);
        // another page than the one that its parent names
        if lost_leaves.contains_key(ib) && is_contradicted(ndb, &entries, listed) {
            continue;
        }
        // an id that can be none is damaged: its value lies between its neighbours, and its blocks are linked by their kind
        out.lost.extend(unknown_ids(&entries));
        out.nameless.extend(entries.iter().filter(|e| !e.nid.nid_type().is_top_level()));
        entries.retain(|e| e.nid.nid_type().is_top_level());
        cover(&mut covered, &entries);
        for (n, e) in entries.iter().enumerate() {
            // the data of another kind of object: its kind tells its owner
            if !is_sound(e) && is_told(ndb, e) == Some(false) {
                wrong.push(*e);
                continue;
            }
            let slot = nodes.entry(e.nid).or_insert(*e);
            if *slot == *e {
                continue;
            }
            // one of two entries of a node had another id, near to this one
            let end =
                entries.get(n.saturating_add(1)).map_or(e.key().saturating_add(1 << 16), |next| next.key().max(e.key().saturating_add(1)));
            let before = n.checked_sub(2).and_then(|n| entries.get(n)).map_or(e.key().saturating_sub(1 << 16), |b| b.key());
            out.lost.push((before, Some(end)));
            if e.nid.is_message() {
                out.twice.extend([*slot, *e]);
            } else if e.data > slot.data {
                // the one with the higher block id was written later
                *slot = *e;
            }
        }
    }
    for e in exchange(ndb, &wrong) {
        nodes.insert(e.nid, e);
    }
    out.lost.extend(wrong.iter().filter(|e| !nodes.contains_key(&e.nid)).map(|e| (e.key(), Some(e.key().saturating_add(1)))));
    for e in &out.twice {
        nodes.remove(&e.nid);
    }
    let cut = cut_short(ndb, leaves, &nodes, listed);
    out.lost.extend(cut.iter().filter_map(|(entries, _)| Some((entries.first()?.key(), Some(entries.last()?.key().saturating_add(1))))));
    out.lost = merged(out.lost);
    for ib in &leaves.torn {
        let lost = lost_leaves.get(ib).copied();
        for e in leaf_entries::<NbtEntry>(ndb, *ib) {
            if lost.is_none_or(|r| in_ranges(&[r], e.key())) && (is_plausible(ndb, &e) || is_bereft(ndb, &e, listed)) {
                nodes.entry(e.nid).or_insert(e);
            }
        }
    }
    let state = |e: &NbtEntry| (e.nid, e.data.masked(), e.sub.masked());
    let mut known: HashSet<(Nid, Bid, Bid)> = HashSet::new();
    // where the block tree is whole, a leaf of this file names blocks that are here: one that does not speaks for nothing, and last
    let whole_bbt = facts.bbt_lost.is_empty() && facts.pages.iter().any(|p| p.page_type == PageType::BBT);
    let older: Vec<(Ib, Bid)> = leaves.valid.iter().filter(|(_, _, live)| !live).map(|(ib, page, _)| (*ib, *page)).collect();
    let (foreign, own): (Vec<_>, Vec<_>) = older
        .into_iter()
        .filter(|(ib, _)| !is_contradicted(ndb, &leaf_entries::<NbtEntry>(ndb, *ib), listed))
        .partition(|(ib, _)| whole_bbt && is_foreign(ndb, &leaf_entries::<NbtEntry>(ndb, *ib)));
    let read = |(ib, page): (Ib, Bid), is_foreign: bool| (leaf_entries::<NbtEntry>(ndb, ib), page, is_foreign);
    let cut = cut.into_iter().map(|(entries, page)| (entries, page, false));
    let own = own.into_iter().map(|p| read(p, false));
    for (entries, page, is_foreign) in cut.chain(own).chain(foreign.into_iter().map(|p| read(p, true))) {
        step(monitor, 0)?;
        for e in &entries {
            if nodes.get(&e.nid).is_some_and(|n| state(n) == state(e)) || !known.insert(state(e)) {
                continue;
            }
            let in_lost_range = in_ranges(&out.lost, e.key());
            if !is_plausible(ndb, e) {
                if !is_foreign
                    && in_lost_range
                    && !covered.has(e.key())
                    && !nodes.contains_key(&e.nid)
                    && head_of(e.nid).is_some()
                    && e.key_high == 0
                {
                    out.gone.push(*e);
                }
                continue;
            }
            // the store and its names are in every generation: another state of them is better than the one whose blocks are gone
            let is_wanted = !covered.has(e.key()) || matches!(e.nid, Nid::MESSAGE_STORE | Nid::NAME_TO_ID_MAP);
            if in_lost_range && is_wanted && !nodes.contains_key(&e.nid) {
                nodes.insert(e.nid, *e);
                out.filled.insert(e.nid);
            } else {
                out.older.push(OlderNode { entry: *e, page, in_lost_range: in_lost_range && !nodes.contains_key(&e.nid) });
            }
        }
        if !is_foreign {
            cover(&mut covered, &entries);
        }
    }
    out.entries = nodes.into_values().collect();
    out.entries.sort_by_key(|n| n.nid);
    Ok(out)
}

/// Further entries of current leaves that count too few: where one of them names a block of the current tree that no node has. Each with the
/// leaf's id.
fn cut_short(ndb: &Ndb, leaves: &Leaves, nodes: &HashMap<Nid, NbtEntry>, listed: &BlockSet) -> Vec<(Vec<NbtEntry>, Bid)> {
    let mut out: Vec<(Vec<NbtEntry>, Bid)> = Vec::new();
    let is_listed = |e: &NbtEntry| !nodes.contains_key(&e.nid) && listed.contains(&e.data.masked());
    for (ib, page, _) in leaves.valid.iter().filter(|(_, _, live)| *live) {
        let entries = uncounted_entries::<NbtEntry>(ndb, *ib);
        if entries.iter().any(|e| is_listed(e) && is_plausible(ndb, e)) {
            out.push((entries, *page));
        }
    }
    if !out.is_empty() {
        let named: HashSet<Bid> = nodes.values().map(|n| n.data.masked()).collect();
        out.retain(|(entries, _)| entries.iter().any(|e| is_listed(e) && !named.contains(&e.data.masked()) && is_plausible(ndb, e)));
    }
    out
}

/// Whether a leaf is another file's: most of the blocks that it names are nowhere here.
fn is_foreign(ndb: &Ndb, entries: &[NbtEntry]) -> bool {
    let named = entries.iter().filter(|e| !e.data.is_none());
    let (all, missing) = named.fold((0usize, 0usize), |(all, missing), e| {
        (all.saturating_add(1), missing.saturating_add(usize::from(ndb.find_block(e.data).is_none())))
    });
    missing.saturating_mul(2) > all
}

/// Whether a leaf contradicts the blocks that are here: it is another file's, or another place's. Ids of blocks are never
/// given out twice, so that of its own file every generation of a leaf names only objects of the right kind, or blocks that are gone.
fn is_contradicted(ndb: &Ndb, entries: &[NbtEntry], listed: &BlockSet) -> bool {
    let (mut right, mut wrong) = (0usize, 0usize);
    for e in entries.iter().filter(|e| !e.data.is_none()) {
        match is_told(ndb, e) {
            // an object that the current tree names is surely this file's
            Some(false) if listed.contains(&e.data.masked()) => return true,
            Some(false) => wrong = wrong.saturating_add(1),
            Some(true) => right = right.saturating_add(1),
            None => {}
        }
    }
    wrong > right
}

/// Of entries whose data is another object's, those that have one another's: with their data exchanged.
fn exchange(ndb: &Ndb, wrong: &[NbtEntry]) -> Vec<NbtEntry> {
    const MOST: usize = 64;
    let with = |e: &NbtEntry, o: &NbtEntry| NbtEntry { data: o.data, ..*e };
    let fits = |e: &NbtEntry, o: &NbtEntry| {
        let (a, b) = (is_told(ndb, &with(e, o)), is_told(ndb, &with(o, e)));
        a != Some(false) && b != Some(false) && (a == Some(true) || b == Some(true))
    };
    let mut out = Vec::new();
    if wrong.len() > MOST {
        return out;
    }
    for e in wrong {
        let partners: Vec<&NbtEntry> = wrong.iter().filter(|o| o.nid != e.nid && fits(e, o)).collect();
        if let [o] = partners.as_slice()
            && wrong.iter().filter(|x| x.nid != o.nid && fits(o, x)).count() == 1
        {
            out.push(with(e, o));
        }
    }
    out
}

/// Whether the data of an entry is of the kind that its id says; `None` where that does not show.
fn is_told(ndb: &Ndb, e: &NbtEntry) -> Option<bool> {
    let head = head_of(e.nid).filter(|head| *head != Head::Any)?;
    let tree = ndb.data_tree(e.data, Location::node(e.nid), &mut Ignore).ok()?;
    let bytes = tree.leaf(ndb, 0, &mut Ignore).ok()?;
    let cb = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    if !is_heap_head(&bytes, cb) {
        return None;
    }
    let is_property = byte(&bytes, 3) == ClientSig::PROPERTY.0;
    if is_property != (head == Head::Property) {
        return Some(false);
    }
    if !is_property {
        return None;
    }
    let shape = shape(ndb, e.data, Location::node(e.nid))?;
    Some(match shape {
        Shape::Message | Shape::Associated => e.nid.is_message(),
        Shape::Folder => e.nid.is_folder(),
        Shape::Store => e.nid == Nid::MESSAGE_STORE,
        Shape::NameMap => e.nid == Nid::NAME_TO_ID_MAP,
        Shape::Other => return None,
    })
}

/// The ranges in which entries of a leaf lie whose ids can be none.
fn unknown_ids(entries: &[NbtEntry]) -> Vec<(u64, Option<u64>)> {
    let mut out = Vec::new();
    let mut first = 0;
    let mut open = false;
    for e in entries {
        if e.nid.nid_type().is_top_level() {
            if open {
                out.push((first, Some(e.key())));
            }
            (first, open) = (e.key().saturating_add(1), false);
        } else {
            open = true;
        }
    }
    if open {
        // the last of a leaf: the next leaf begins somewhere behind it
        out.push((first, Some(first.saturating_add(1 << 16))));
    }
    out
}

fn cover(covered: &mut Covered, entries: &[NbtEntry]) {
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        covered.add(first.key(), last.key().max(first.key()));
    }
}

/// The bytes that the data of a node must begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Property,
    Table,
    Any,
}

/// The contents of a top-level node of a type; `None` where no top-level node has that type.
fn head_of(nid: Nid) -> Option<Head> {
    Some(match nid.nid_type() {
        NidType::NORMAL_FOLDER
        | NidType::SEARCH_FOLDER
        | NidType::NORMAL_MESSAGE
        | NidType::ASSOC_MESSAGE
        | NidType::SEARCH_CRITERIA_OBJECT => Head::Property,
        NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE => Head::Table,
        NidType::INTERNAL if matches!(nid, Nid::MESSAGE_STORE | Nid::NAME_TO_ID_MAP) => Head::Property,
        NidType::HID | NidType::ATTACHMENT | NidType::OBJECT_DATA | NidType::LTP | NidType(0x1A..=0x1E) => return None,
        _ => Head::Any,
    })
}

/// Whether an entry of a torn leaf that is not [plausible](is_plausible) is so because its blocks have lost something: chance makes no ids of
/// blocks that the file has. Of such an object sub-nodes may be left, or a row; and if nothing is, that is told.
fn is_bereft(ndb: &Ndb, e: &NbtEntry, listed: &BlockSet) -> bool {
    let is_known = |bid: Bid| listed.contains(&bid.masked()) || ndb.find_block(bid).is_some();
    let has_place = !(e.nid.is_folder() || e.nid.is_message()) || e.parent.is_folder();
    if head_of(e.nid).is_none() || e.key_high != 0 || !has_place || e.data.is_none() || !is_known(e.data) {
        return false;
    }
    let is_whole = || ndb.find_block(e.data).is_some() && !ndb.is_suspect(e.data.masked());
    let sub_fits = e.sub.is_none() || (e.sub.masked().is_internal() && is_known(e.sub));
    sub_fits && !is_whole() && is_told(ndb, e) != Some(false)
}

/// Whether an entry can be true: its blocks are there, its parent can be one, and its data begins as it must.
pub(super) fn is_plausible(ndb: &Ndb, e: &NbtEntry) -> bool {
    let Some(head) = head_of(e.nid) else { return false };
    let has = |bid: Bid| ndb.find_block(bid).is_some();
    if e.key_high != 0 || (e.data.is_none() && head != Head::Any) || (!e.data.is_none() && !has(e.data)) {
        return false;
    }
    let sub_fits = e.sub.is_none() || (e.sub.masked().is_internal() && has(e.sub));
    if !sub_fits {
        return false;
    }
    if (e.nid.is_folder() || e.nid.is_message()) && !e.parent.is_folder() {
        return false;
    }
    if e.data.is_none() || head == Head::Any {
        return true;
    }
    let at = Location::node(e.nid);
    let Ok(tree) = ndb.data_tree(e.data, at, &mut Ignore) else { return false };
    let Ok(first) = tree.leaf(ndb, 0, &mut Ignore) else { return false };
    let cb = u16::try_from(first.len()).unwrap_or(u16::MAX);
    let client = if head == Head::Property { ClientSig::PROPERTY } else { ClientSig::TABLE };
    is_heap_head(&first, cb) && byte(&first, 3) == client.0 && is_told(ndb, e) != Some(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_ranges_have_the_same_keys(all in proptest::collection::vec((0u64..60, proptest::option::weighted(0.9, 0u64..60)), 0..12)) {
            let ranges = merged(all.clone());
            prop_assert_eq!(ranges.is_empty(), all.is_empty());
            prop_assert!(ranges.windows(2).all(|w| w[0].1.is_some_and(|end| end < w[1].0)));
            for key in 0..70 {
                let naive = all.iter().any(|(first, end)| key >= *first && end.is_none_or(|e| key < e));
                prop_assert_eq!(in_ranges(&ranges, key), naive);
            }
        }
    }

    #[test]
    fn covered_intervals_join() {
        let mut c = Covered::default();
        c.add(10, 20);
        c.add(40, 50);
        assert!(c.has(10) && c.has(20) && !c.has(21) && !c.has(9) && c.has(45));
        c.add(15, 42);
        assert!(c.has(30) && c.has(50) && !c.has(51));
        c.add(5, 60);
        assert_eq!(c.0.len(), 1);
    }
}
