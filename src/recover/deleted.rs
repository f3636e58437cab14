//! Deleted items, and is still in the file: messages and folders that only older generations of the node B-tree list, and messages
//! that no generation lists any more.
//!
//! Deleting takes an entry out of the tree; the blocks stay until their space is given out again. So an older leaf still leads to them,
//! and where no leaf is left, a property context that nothing refers to still says that it is a message. Of each message the newest state
//! that can be read is given (`states`); where that is there in part, the newest whole older state is given beside it.
//! Sub-nodes whose properties are gone are given as messages in part: recipients and attachments are left of them.

use super::join::{Doubt, Joins, join};
use super::kinds;
use super::orphans::{Object, Orphans, Shape, Subnodes, find, object};
use super::salvage::Salvage;
use super::states::{Histories, History, Likeness, Reader, Version};
use super::{Origin, Recovered};
use crate::error::Result;
use crate::finding::{Ignore, Location};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::format::types::FileTime;
use crate::messaging::{Pst, State};
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{Index, Ndb, SubnodeTree};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The states of an item that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// The newest readable state; older ones are counted.
    #[default]
    Newest,
    /// Every older state of a message as well, as an item of its own.
    All,
}

impl Versions {
    /// [`All`](Self::All) where `yes`.
    pub const fn all_if(yes: bool) -> Self {
        if yes { Self::All } else { Self::Newest }
    }
}

/// A message or folder that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Found {
    /// Its node id: the one that it had, or a new one where no entry of it is left.
    pub nid: u32,
    /// How it was found.
    pub origin: Origin,
    /// The folder that it was in, where that is known.
    pub folder: Option<u32>,
    /// The path of that folder, where it is still there.
    pub path: Option<String>,
    /// Id of the page of the older node B-tree that lists it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::hex_or_null"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub page: Option<u64>,
    /// Id of the block that its properties are in.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::hex"))]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub block: u64,
    /// Where that block stands, in bytes from the beginning of the file.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub block_offset: Option<u64>,
    /// Id of the block that its sub-nodes are in; 0 where there are none.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::hex"))]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub subnodes: u64,
    /// Where that block stands, in bytes from the beginning of the file.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub subnodes_offset: Option<u64>,
    /// Whether it is whole.
    pub state: State,
    /// Why it is not.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub doubt: Option<Doubt>,
    /// Codes of the evidence that its parts were joined by (`pstkit explain E301`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub joined_by: Vec<&'static str>,
    /// The size that it stated when it was found.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stated_size: Option<u64>,
    /// When it was changed last, by its own account, in RFC 3339.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub changed: Option<String>,
    /// The item that it is an older state of.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub version_of: Option<u32>,
    /// How many older states of it there are.
    pub older: u64,
}

impl Found {
    /// A node, and how it was found; whole, as far as nothing else is said.
    pub fn of(nid: Nid, origin: Origin) -> Self {
        Self { nid: nid.0, origin, ..Self::default() }
    }
}

/// A file with deleted items in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Deleted {
    /// The file; the finds are in folders of its own.
    pub ndb: Ndb,
    /// The findings.
    pub found: Vec<Found>,
    /// Names of the folders that were made for it.
    pub folder_names: BTreeMap<Nid, String>,
    /// Older states of messages, which are left out unless they are asked for.
    pub older_states: u64,
    /// Finds with the contents of another find, or of a message that is there, which are left out.
    pub equal_copies: u64,
}

/// Whether more than ids of their own joins the parts of a state.
fn joined_firmly(v: &Version) -> bool {
    v.because.is_empty()
        || [kinds::SIZE_EXACT.code, kinds::OLDER_ENTRY.code, kinds::WRITTEN_AS_ONE.code].iter().any(|c| v.because.contains(c))
}

/// Gives out ids that no node has had.
struct Ids(HashMap<NidType, u32>);

impl Ids {
    fn of(nodes: &BTreeMap<Nid, NbtEntry>, s: &Salvage) -> Self {
        let mut out = Self(HashMap::new());
        for t in [NidType::NORMAL_FOLDER, NidType::NORMAL_MESSAGE, NidType::ASSOC_MESSAGE] {
            let known = nodes.keys().copied().chain(s.older.iter().map(|o| o.entry.nid));
            let most = known.filter(|n| n.nid_type() == t).map(Nid::index).max().unwrap_or(0);
            out.0.insert(t, most.max(0x400));
        }
        out
    }

    fn next(&mut self, t: NidType) -> Nid {
        let slot = self.0.entry(t).or_insert(0x400);
        *slot = slot.saturating_add(1);
        Nid::new(t, *slot)
    }
}

/// Adds to a file, opened thoroughly, the items that were deleted from it. `None` where it was opened plainly.
///
/// # Errors
/// Cancellation.
pub fn deleted(recovered: &Recovered, versions: Versions, monitor: &dyn Monitor) -> Result<Option<Deleted>> {
    let versions = versions == Versions::All;
    let Some(salvaged) = &recovered.salvage else { return Ok(None) };
    let s = &salvaged.facts;
    let ndb = &recovered.ndb;
    let pst = Pst::from_ndb(ndb.with_index(ndb.index().clone()));
    let nodes: BTreeMap<Nid, NbtEntry> = ndb.index().nodes().iter().map(|n| (n.nid, *n)).collect();
    let mut out = Finds {
        paths: pst.folder_paths(),
        ids: Ids::of(&nodes, s),
        nodes,
        homes: HashMap::new(),
        carved: None,
        seen: HashSet::new(),
        newer: HashMap::new(),
        versions,
        blocks: ndb.share(),
        out: Deleted {
            ndb: ndb.with_index(Index::default()),
            found: Vec::new(),
            folder_names: BTreeMap::new(),
            older_states: 0,
            equal_copies: 0,
        },
    };
    out.folders(s);
    let orphans = find(s, monitor)?;
    let joins = join(s, &orphans.objects.iter().collect::<Vec<_>>(), &orphans.subnodes, monitor)?;
    let mut histories = Histories::default();
    monitor.phase(Phase::Link, u64::try_from(out.nodes.len()).ok());
    let mut known = Known::default();
    for n in out.nodes.values().filter(|n| n.nid.is_message()) {
        step(monitor, 1)?;
        known.used.insert(n.data.masked());
        let o = object(ndb, n.data, Location::node(n.nid));
        o.iter().for_each(|o| known.see(o));
        histories.live(*n, o.map(|o| Likeness::of(&o.values)));
    }
    listed(s, &mut known, &mut histories, monitor)?;
    orphans.objects.iter().for_each(|o| known.see(o));
    let loose = carved(ndb, &orphans, &joins, &known, &mut histories, monitor)?;
    out.newer = newer_trees(s, &orphans, &joins, monitor)?;
    let live = std::mem::take(&mut histories.loose);
    let mut reader = Reader::of(pst);
    for h in histories.finish() {
        step(monitor, 0)?;
        out.message(h, &mut reader)?;
    }
    for (v, likeness) in loose {
        step(monitor, 0)?;
        let rivals = live.get(&likeness).map_or(&[][..], Vec::as_slice);
        out.by_contents(v, rivals, &mut reader)?;
    }
    out.treeless(s, &orphans, &joins, &mut reader, monitor)?;
    Ok(Some(out.finish(ndb)))
}

/// The facts about blocks with properties.
#[derive(Debug, Default)]
struct Known {
    /// Those of messages that are there.
    used: HashSet<Bid>,
    /// The first block with each of the contents.
    first: HashMap<(u64, u64), Bid>,
}

impl Known {
    fn see(&mut self, o: &Object) {
        let slot = self.first.entry((o.digest, o.bytes)).or_insert(o.data);
        *slot = (*slot).min(o.data);
    }

    /// Whether the same properties stand elsewhere, and were there earlier.
    fn is_copy(&self, o: &Object) -> bool {
        self.first.get(&(o.digest, o.bytes)).is_some_and(|first| *first < o.data)
    }
}

/// The states of messages that older leaves list.
fn listed(s: &Salvage, known: &mut Known, histories: &mut Histories, monitor: &dyn Monitor) -> Result<()> {
    for o in s.older.iter().filter(|o| o.entry.nid.is_message()) {
        step(monitor, 0)?;
        if known.used.contains(&o.entry.data.masked()) {
            continue;
        }
        let found = object(&s.ndb, o.entry.data, Location::node(o.entry.nid));
        found.iter().for_each(|o| known.see(o));
        let likeness = found.as_ref().map(|o| Likeness::of(&o.values));
        let mut v = Version::new(o.entry, Origin::Deleted, found.as_ref());
        v.page = (!o.page.is_none()).then_some(o.page);
        v.because = vec![super::kinds::OLDER_ENTRY.code];
        let own = parts(&s.ndb, o.entry.sub)?;
        histories.add(v, likeness.as_ref(), &own);
    }
    Ok(())
}

/// The states of messages that nothing lists; answers those without a search key, which only their contents tell apart.
fn carved(
    ndb: &Ndb,
    orphans: &Orphans,
    joins: &Joins,
    known: &Known,
    histories: &mut Histories,
    monitor: &dyn Monitor,
) -> Result<Vec<(Version, Likeness)>> {
    let mut loose = Vec::new();
    let is_new = |o: &&Object| matches!(o.shape, Shape::Message | Shape::Associated) && !known.used.contains(&o.data.masked());
    for o in orphans.objects.iter().filter(is_new) {
        step(monitor, 0)?;
        let mut v = Version::new(NbtEntry { data: o.data, sub: joins.sub(o.data), ..NbtEntry::default() }, Origin::Carved, Some(o));
        v.because = joins.of(o.data).map(|j| j.because.iter().map(|e| e.code).collect()).unwrap_or_default();
        v.doubt = joins.doubt(o);
        if v.doubt.is_none() && known.is_copy(o) && !joins.is_by_contents(o.data) {
            v.doubt = Some(Doubt::new("the same properties stand elsewhere too: its sub-nodes may be another message's"));
        }
        v.is_associated = o.shape == Shape::Associated;
        match Likeness::of(&o.values) {
            key @ Likeness::Key(_) => {
                let own = parts(ndb, v.entry.sub)?;
                histories.add(v, Some(&key), &own);
            }
            likeness @ Likeness::Loose(_) => loose.push((v, likeness)),
        }
    }
    // the newest comes first
    loose.sort_by_key(|(v, _)| std::cmp::Reverse(v.entry.data));
    Ok(loose)
}

/// The recipients and attachments in a sub-node tree, by their data.
fn parts(ndb: &Ndb, root: Bid) -> Result<Vec<Bid>> {
    let tree = SubnodeTree::load(ndb, root, Location::NONE, &mut Ignore)?;
    let tells = |nid: Nid| matches!(nid.nid_type(), NidType::ATTACHMENT | NidType::RECIPIENT_TABLE);
    Ok(tree.iter().filter(|e| tells(e.nid)).map(|e| e.data.masked()).collect())
}

/// The newest tree without properties that each recipient table and attachment is in.
fn newer_trees(s: &Salvage, orphans: &Orphans, joins: &Joins, monitor: &dyn Monitor) -> Result<HashMap<Bid, Bid>> {
    let taken = joins.taken();
    let mut out: HashMap<Bid, Bid> = HashMap::new();
    for t in orphans.subnodes.iter().filter(|t| !taken.contains(&t.root)) {
        step(monitor, 0)?;
        for b in parts(&s.ndb, t.root)? {
            let slot = out.entry(b).or_insert(t.root);
            *slot = (*slot).max(t.root);
        }
    }
    Ok(out)
}

/// The finds so far.
struct Finds {
    paths: HashMap<Nid, String>,
    ids: Ids,
    nodes: BTreeMap<Nid, NbtEntry>,
    /// The folders that were made for deleted items from each folder.
    homes: HashMap<Nid, Nid>,
    /// The folder for items that were in no known folder.
    carved: Option<Nid>,
    /// Digests of the contents of the finds.
    seen: HashSet<String>,
    /// Trees whose properties are gone, by their recipients and attachments.
    newer: HashMap<Bid, Bid>,
    versions: bool,
    /// The file with its blocks.
    blocks: Ndb,
    out: Deleted,
}

impl Finds {
    /// Folders that only older leaves list, the newest state of each.
    fn folders(&mut self, s: &Salvage) {
        let mut older: Vec<_> = s.older.iter().filter(|o| o.entry.nid.is_folder()).collect();
        older.sort_by_key(|o| std::cmp::Reverse((o.page, o.entry.data)));
        for o in older {
            let e = o.entry;
            if self.nodes.contains_key(&e.nid) {
                continue;
            }
            self.nodes.insert(e.nid, e);
            self.out.found.push(Found {
                nid: e.nid.0,
                origin: Origin::Deleted,
                folder: Some(e.parent.0),
                path: self.paths.get(&e.parent).cloned(),
                page: (!o.page.is_none()).then_some(o.page.0),
                block: e.data.0,
                subnodes: e.sub.0,
                ..Found::default()
            });
        }
    }

    /// A message with its states: the newest that can be read, and where that is not whole the newest that is.
    fn message(&mut self, mut h: History, reader: &mut Reader) -> Result<()> {
        let mut is_partial = false;
        let mut item = h.live.map(|n| n.nid);
        if let Some(n) = &h.live {
            is_partial = reader.read(n).is_none_or(|(state, _)| state > State::Ok);
        }
        let (listed, nid) = (h.listed().map(|v| (v.entry, v.page)), h.nid());
        let (mut states, mut older) = (std::mem::take(&mut h.states).into_iter(), 0u64);
        let mut at = None;
        for mut v in states.by_ref() {
            let is_wanted = item.is_none() || is_partial || self.versions;
            if !is_wanted {
                older = older.saturating_add(1);
                continue;
            }
            // ids that the parts share show that they are of one message, and not that both are of its last state
            if v.doubt.is_none() && v.entry.nid.is_none() && !joined_firmly(&v) {
                v.doubt = Some(Doubt::new("no tree lists this state of the message: its sub-nodes may be another state's"));
            }
            if !reader.judge(&mut v)? {
                continue;
            }
            if item.is_none() {
                let digest = reader.read(&v.entry).map(|d| d.1);
                if v.doubt.is_none() && digest.is_some_and(|d| !self.seen.insert(d)) {
                    self.out.equal_copies = self.out.equal_copies.saturating_add(1);
                    return Ok(());
                }
                is_partial = v.doubt.is_some();
                self.outdated(reader.ndb(), &mut v)?;
                if let Some((entry, page)) = listed {
                    // an older leaf says which message it was, and where
                    (v.entry.nid, v.entry.parent, v.page, v.origin) = (entry.nid, entry.parent, page, Origin::Deleted);
                }
                item = Some(self.give(v, nid, None));
                at = Some(self.out.found.len());
            } else {
                older = older.saturating_add(1);
                let is_whole = v.doubt.is_none();
                if self.versions || is_whole {
                    v.doubt.get_or_insert_with(|| Doubt::new("an older state of the message: what was changed later is not in it"));
                    self.give(v, None, item);
                    is_partial &= !is_whole;
                }
            }
        }
        if let Some(f) = at.and_then(|at| self.out.found.get_mut(at.saturating_sub(1))) {
            f.older = older;
        }
        self.out.older_states = self.out.older_states.saturating_add(older);
        Ok(())
    }

    /// Notes where something says that a newer state of a message was there.
    fn outdated(&self, ndb: &Ndb, v: &mut Version) -> Result<()> {
        if v.doubt.is_some() {
            return Ok(());
        }
        let is_newer = |b: &Bid| self.newer.get(b).is_some_and(|root| *root > v.entry.sub.masked());
        if !v.entry.sub.is_none() && parts(ndb, v.entry.sub)?.iter().any(is_newer) {
            v.doubt = Some(Doubt::new("a newer state of it is gone but for its sub-nodes"));
        }
        Ok(())
    }

    /// A message that only its contents tell from others.
    fn by_contents(&mut self, mut v: Version, live: &[NbtEntry], reader: &mut Reader) -> Result<()> {
        if !reader.judge(&mut v)? {
            return Ok(());
        }
        let digest = reader.read(&v.entry).map(|d| d.1);
        let is_equal = |reader: &mut Reader, n: &NbtEntry| reader.read(n).map(|d| d.1) == digest;
        let is_known = digest.as_ref().is_some_and(|d| self.seen.contains(d)) || live.iter().any(|n| is_equal(reader, n));
        if is_known {
            self.out.equal_copies = self.out.equal_copies.saturating_add(1);
            return Ok(());
        }
        self.seen.extend(digest.filter(|_| v.doubt.is_none()));
        self.give(v, None, None);
        Ok(())
    }

    /// Sub-node trees without properties: the rest of a message are its recipients and attachments.
    fn treeless(&mut self, s: &Salvage, orphans: &Orphans, joins: &Joins, reader: &mut Reader, monitor: &dyn Monitor) -> Result<()> {
        let taken = joins.taken();
        let mut known: HashSet<Bid> = HashSet::new();
        let roots = self.nodes.values().map(|n| n.sub).chain(taken.iter().copied());
        for root in roots.filter(|b| !b.is_none()) {
            step(monitor, 0)?;
            known.extend(parts(&s.ndb, root)?);
        }
        let is_left = |t: &&Subnodes| !taken.contains(&t.root) && t.ids.iter().any(|n| n.nid_type() == NidType::RECIPIENT_TABLE);
        for t in orphans.subnodes.iter().rev().filter(is_left) {
            step(monitor, 0)?;
            // an older state of a message shares parts with the newer one
            let own = parts(&s.ndb, t.root)?;
            let is_shared = own.iter().any(|b| known.contains(b));
            known.extend(own);
            if is_shared {
                self.out.older_states = self.out.older_states.saturating_add(1);
                continue;
            }
            let mut v = Version::new(NbtEntry { sub: t.root, ..NbtEntry::default() }, Origin::Carved, None);
            v.doubt = Some(Doubt::new("its properties are gone: recipients and attachments are left"));
            let Some((_, digest)) = reader.read(&v.entry) else { continue };
            if reader.has_something(&v.entry) && self.seen.insert(digest) {
                self.give(v, None, None);
            }
        }
        Ok(())
    }

    /// Takes a state in as an item of its own; answers its id.
    fn give(&mut self, v: Version, nid: Option<Nid>, version_of: Option<Nid>) -> Nid {
        let e = v.entry;
        let t = if v.is_associated { NidType::ASSOC_MESSAGE } else { NidType::NORMAL_MESSAGE };
        let nid = nid.filter(|nid| !self.nodes.contains_key(nid)).unwrap_or_else(|| self.ids.next(t));
        let was_in = (!e.parent.is_none()).then_some(e.parent);
        let path = was_in.and_then(|p| self.paths.get(&p)).cloned();
        // finds do not go among the mail that is there: each folder's have one of their own
        let parent = match (&path, was_in) {
            (Some(path), Some(folder)) => self.home(folder, path),
            (None, Some(folder)) if self.nodes.contains_key(&folder) => folder,
            _ => self.nowhere(),
        };
        self.nodes.insert(nid, NbtEntry { nid, parent, ..e });
        let place = |b: Bid| self.blocks.find_block(b).map(|b| b.ib.0);
        let (block_offset, subnodes_offset) = (place(e.data), place(e.sub));
        self.out.found.push(Found {
            nid: nid.0,
            origin: v.origin,
            folder: was_in.map(|p| p.0),
            path,
            page: v.page.map(|p| p.0),
            block: e.data.0,
            block_offset,
            subnodes: e.sub.0,
            subnodes_offset,
            state: if v.doubt.is_some() { State::Partial } else { State::Ok },
            doubt: v.doubt,
            joined_by: v.because,
            stated_size: v.size,
            changed: v.changed.map(|t| FileTime(t).to_string()),
            version_of: version_of.map(|nid| nid.0),
            older: 0,
        });
        nid
    }

    fn home(&mut self, folder: Nid, path: &str) -> Nid {
        if let Some(home) = self.homes.get(&folder) {
            return *home;
        }
        let nid = self.ids.next(NidType::NORMAL_FOLDER);
        let name = path.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("root");
        self.out.folder_names.insert(nid, format!("{name} (deleted)"));
        self.homes.insert(folder, nid);
        nid
    }

    fn nowhere(&mut self) -> Nid {
        if let Some(nid) = self.carved {
            return nid;
        }
        let nid = self.ids.next(NidType::NORMAL_FOLDER);
        self.out.folder_names.insert(nid, "In no folder".to_owned());
        self.carved = Some(nid);
        nid
    }

    fn finish(mut self, ndb: &Ndb) -> Deleted {
        for nid in self.out.folder_names.keys() {
            self.nodes.insert(*nid, NbtEntry { nid: *nid, ..NbtEntry::default() });
        }
        self.out.found.sort_by_key(|f| f.nid);
        let blocks = ndb.index().blocks().to_vec();
        self.out.ndb = ndb.with_index(Index::new(self.nodes.into_values().collect(), blocks, ndb.index().facts.clone()));
        self.out
    }
}
