//! What was deleted, and is still in the file: messages and folders that only older generations of the node B-tree list, and messages
//! that no generation lists any more.
//!
//! Deleting takes an entry out of the tree; the blocks stay until their space is given out again. So an older leaf still leads to them,
//! and where no leaf is left, a property context that nothing refers to still says that it is a message. Older states of messages that
//! are there are left out.

use super::link::identity;
use super::orphans::{Object, Shape, find, object, pair};
use super::{Origin, Recovered};
use crate::error::Result;
use crate::finding::Location;
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::messaging::Pst;
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{Index, Ndb};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A message or folder that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    pub page: Option<u64>,
    /// Id of the block that its properties are in.
    pub block: u64,
}

/// A file with what was deleted in it.
#[derive(Debug)]
pub struct Deleted {
    /// The file; what was found is in folders of its own.
    pub ndb: Ndb,
    /// What was found.
    pub found: Vec<Found>,
    /// Names of the folders that were made for it.
    pub folder_names: BTreeMap<Nid, String>,
    /// Older states of messages that are there, which are left out.
    pub older_states: u64,
}

type Identity = Vec<Option<Vec<u8>>>;

fn identity_of(o: &Object) -> Option<Identity> {
    identity(&o.values).map(|key| key.into_iter().map(|v| v.map(<[u8]>::to_vec)).collect())
}

/// Gives out ids that no node has had.
struct Ids(HashMap<NidType, u32>);

impl Ids {
    fn next(&mut self, t: NidType) -> Nid {
        let slot = self.0.entry(t).or_insert(0x400);
        *slot = slot.saturating_add(1);
        Nid::new(t, *slot)
    }
}

/// Adds to a file, opened thoroughly, what was deleted from it. `None` where it was opened plainly.
///
/// # Errors
/// Cancellation.
pub fn deleted(recovered: &Recovered, monitor: &dyn Monitor) -> Result<Option<Deleted>> {
    let Some(salvaged) = &recovered.salvage else { return Ok(None) };
    let s = &salvaged.facts;
    let ndb = &recovered.ndb;
    let paths = Pst::from_ndb(ndb.with_index(ndb.index().clone())).folder_paths();
    let mut nodes: BTreeMap<Nid, NbtEntry> = ndb.index().nodes().iter().map(|n| (n.nid, *n)).collect();
    let mut ids = Ids(HashMap::new());
    for t in [NidType::NORMAL_FOLDER, NidType::NORMAL_MESSAGE, NidType::ASSOC_MESSAGE] {
        let known = nodes.keys().copied().chain(s.older.iter().map(|o| o.entry.nid));
        let most = known.filter(|n| n.nid_type() == t).map(Nid::index).max().unwrap_or(0);
        ids.0.insert(t, most.max(0x400));
    }
    let mut out = Deleted { ndb: ndb.with_index(Index::default()), found: Vec::new(), folder_names: BTreeMap::new(), older_states: 0 };
    let live: Vec<NbtEntry> = nodes.values().filter(|n| n.nid.is_message()).copied().collect();
    monitor.phase(Phase::Link, u64::try_from(live.len()).ok());
    let mut seen: HashSet<Identity> = HashSet::new();
    for n in &live {
        step(monitor, 1)?;
        seen.extend(object(ndb, n.data, Location::node(n.nid)).as_ref().and_then(identity_of));
    }
    let mut used: HashSet<Bid> = live.iter().map(|n| n.data.masked()).collect();

    // what older leaves list, the newest state of each
    let mut older: Vec<_> = s.older.iter().filter(|o| o.entry.nid.is_folder() || o.entry.nid.is_message()).collect();
    older.sort_by_key(|o| std::cmp::Reverse((o.page, o.entry.data)));
    let mut homes: HashMap<Nid, Nid> = HashMap::new();
    let mut messages = Vec::new();
    for o in older {
        step(monitor, 0)?;
        let e = o.entry;
        if e.nid.is_message() && used.contains(&e.data.masked()) {
            continue;
        }
        if nodes.contains_key(&e.nid) {
            out.older_states = out.older_states.saturating_add(u64::from(e.nid.is_message()));
            continue;
        }
        let is_same = e.nid.is_message()
            && object(ndb, e.data, Location::node(e.nid)).and_then(|o| identity_of(&o)).is_some_and(|key| !seen.insert(key));
        if is_same {
            // it was moved to another folder, or is a state of one that is there
            out.older_states = out.older_states.saturating_add(1);
            continue;
        }
        used.insert(e.data.masked());
        nodes.insert(e.nid, e);
        if e.nid.is_message() {
            messages.push(e);
        }
        out.found.push(Found {
            nid: e.nid.0,
            origin: Origin::Deleted,
            folder: Some(e.parent.0),
            path: paths.get(&e.parent).cloned(),
            page: (!o.page.is_none()).then_some(o.page.0),
            block: e.data.0,
        });
    }
    // They do not go among the mail that is there: each folder's have one of their own.
    for e in messages {
        if let Some(path) = paths.get(&e.parent) {
            let home = *homes.entry(e.parent).or_insert_with(|| {
                let nid = ids.next(NidType::NORMAL_FOLDER);
                let name = path.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("root");
                out.folder_names.insert(nid, format!("{name} (deleted)"));
                nid
            });
            if let Some(slot) = nodes.get_mut(&e.nid) {
                slot.parent = home;
            }
        }
    }
    // what nothing lists
    let orphans = find(s, monitor)?;
    let pairs = pair(s, &orphans.objects.iter().collect::<Vec<_>>(), &orphans.subnodes);
    let mut carved: Vec<&Object> = orphans.objects.iter().filter(|o| matches!(o.shape, Shape::Message | Shape::Associated)).collect();
    // the newest state of each
    carved.sort_by_key(|o| std::cmp::Reverse(o.data));
    let mut home = None;
    for o in carved {
        step(monitor, 0)?;
        let is_new = identity_of(o).is_none_or(|key| seen.insert(key));
        if used.contains(&o.data.masked()) {
            continue;
        }
        if !is_new {
            out.older_states = out.older_states.saturating_add(1);
            continue;
        }
        let t = if o.shape == Shape::Message { NidType::NORMAL_MESSAGE } else { NidType::ASSOC_MESSAGE };
        let parent = *home.get_or_insert_with(|| ids.next(NidType::NORMAL_FOLDER));
        let nid = ids.next(t);
        let sub = pairs.get(&o.data).copied().unwrap_or(Bid::NONE);
        nodes.insert(nid, NbtEntry { nid, key_high: 0, data: o.data, sub, parent });
        out.found.push(Found { nid: nid.0, origin: Origin::Carved, folder: None, path: None, page: None, block: o.data.0 });
    }
    if let Some(nid) = home {
        out.folder_names.insert(nid, "In no folder".to_owned());
    }
    for nid in out.folder_names.keys() {
        nodes.insert(*nid, NbtEntry { nid: *nid, key_high: 0, data: Bid::NONE, sub: Bid::NONE, parent: Nid::NONE });
    }
    out.found.sort_by_key(|f| f.nid);
    let blocks = ndb.index().blocks().to_vec();
    out.ndb = ndb.with_index(Index::new(nodes.into_values().collect(), blocks, ndb.index().facts.clone()));
    Ok(Some(out))
}
