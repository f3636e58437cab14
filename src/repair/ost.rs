//! The items that deleting an OST would lose.
//!
//! An OST is a cache: Outlook makes a new one from the server. Items that were never there exist only here: mail that waits to be sent, drafts
//! that were not uploaded, items that synchronisation could not deliver, folders of this computer alone. Nothing in a file says so in one
//! place, so each trace counts by itself, and in doubt an item is named: saving one too many costs nothing.
//!
//! Traces as Outlook leaves them in the OSTs of Exchange accounts: a folder that is synchronised bears a set of the ids that were fetched
//! (0x67E2; the folders under "Sync Issues" that stay local have none), and a message that came from the server, or has been stored there, an
//! article number (0x0E23) or a source key.

use crate::error::Result;
use crate::finding::Ignore;
use crate::format::context::EntryId;
use crate::format::ids::{Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::ltp::PropertyContext;
use crate::ltp::value::PropValue;
use crate::messaging::{FolderKind, MessageFlags, Pst};
use crate::monitor::{Monitor, Phase, step};
use std::collections::{HashMap, HashSet};

/// Ids of the items that have been fetched into a folder.
const FETCHED_IDS: u16 = 0x67E2;
/// Places of Conflicts, Sync Issues, Local Failures and Server Failures in the list of further special folders.
const SYNC_FOLDERS: usize = 4;

/// Why an item may exist only in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum LocalReason {
    /// It is in the outbox, or marked as submitted: it waits to be sent.
    Outbox,
    /// It is marked as not sent: a draft.
    Unsent,
    /// Synchronisation could not deliver it, or tells the fault.
    SyncIssues,
    /// Its folder is not synchronised.
    LocalFolder,
    /// It bears nothing that a server has given out.
    NoServerId,
}

impl LocalReason {
    /// The reason for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outbox => "waiting to be sent",
            Self::Unsent => "drafts that are not sent",
            Self::SyncIssues => "synchronisation issues",
            Self::LocalFolder => "in folders that are not synchronised",
            Self::NoServerId => "without an id from a server",
        }
    }
}

/// An item that may exist only in this file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LocalItem {
    /// Its node id.
    pub nid: u32,
    /// The path of its folder.
    pub folder: String,
    /// Its subject.
    pub subject: Option<String>,
    /// Why it is named.
    pub reason: LocalReason,
}

/// The items that deleting a file would lose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LocalOnly {
    /// Messages, in the order of folders.
    pub items: Vec<LocalItem>,
    /// Folders with something in them that are not synchronised.
    pub folders: Vec<String>,
    /// Whether the file says which folders are synchronised; if not (IMAP and other accounts), folders of this computer alone cannot be told.
    pub sync_known: bool,
}

impl LocalOnly {
    /// How many items there are for each reason.
    pub fn counts(&self) -> Vec<(LocalReason, u64)> {
        let all = [LocalReason::Outbox, LocalReason::Unsent, LocalReason::SyncIssues, LocalReason::LocalFolder, LocalReason::NoServerId];
        let count = |r| self.items.iter().filter(|i| i.reason == r).map(|_| 1u64).sum::<u64>();
        all.into_iter().map(|r| (r, count(r))).filter(|(_, n)| *n > 0).collect()
    }

    /// The file with these items alone, and all folders, as a copy of it saves them.
    pub fn select(&self, pst: &Pst) -> Pst {
        let keep: HashSet<u32> = self.items.iter().map(|i| i.nid).collect();
        let index = pst.ndb().index();
        let nodes = index.nodes().iter().filter(|n| !n.nid.is_message() || keep.contains(&n.nid.0)).copied().collect();
        Pst::from_ndb(pst.ndb().with_index(index.with_nodes(nodes)))
    }
}

/// The facts about a folder.
#[derive(Debug, Clone, Copy, Default)]
struct FolderTraits {
    outbox: bool,
    sync_issues: bool,
    synchronised: bool,
}

/// Finds the items that deleting the file would lose.
///
/// # Errors
/// Cancellation.
pub fn local_only(pst: &Pst, monitor: &dyn Monitor) -> Result<LocalOnly> {
    let paths = pst.folder_paths();
    let special = special_folders(pst);
    let mut folders: HashMap<Nid, FolderTraits> = HashMap::new();
    // each folder comes after the one that it is in
    for nid in pst.folder_order() {
        let Ok(folder) = pst.folder(nid) else { continue };
        if folder.kind() == FolderKind::Search {
            continue;
        }
        let above = folders.get(&folder.parent()).copied().unwrap_or_default();
        let name = folder.display_name();
        let p = folder.properties();
        let synchronised = p.context().is_some_and(|pc| pc.has(FETCHED_IDS));
        let traits = FolderTraits {
            outbox: special.outbox == Some(nid) || name == "Outbox",
            sync_issues: above.sync_issues || special.sync.contains(&nid) || name == "Sync Issues",
            synchronised,
        };
        folders.insert(nid, traits);
    }
    let mut out = LocalOnly { sync_known: folders.values().any(|t| t.synchronised), ..LocalOnly::default() };
    let nodes: Vec<(Nid, Nid)> =
        pst.ndb().index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).map(|n| (n.nid, n.parent)).collect();
    monitor.phase(Phase::Items, u64::try_from(nodes.len()).ok());
    let mut unsynchronised: HashSet<Nid> = HashSet::new();
    for (nid, parent) in nodes {
        step(monitor, 1)?;
        let Ok(message) = pst.message(nid) else { continue };
        let of_folder = folders.get(&parent).copied().unwrap_or_default();
        let flags = message.flags().unwrap_or(MessageFlags::empty());
        let p = message.properties();
        let ids = [tags::INTERNET_ARTICLE_NUMBER, tags::SOURCE_KEY, tags::REPL_SERVER_ID, tags::REPL_ITEM_SERVER_ID];
        let reason = if of_folder.outbox || flags.contains(MessageFlags::SUBMITTED) {
            LocalReason::Outbox
        } else if of_folder.sync_issues {
            LocalReason::SyncIssues
        } else if out.sync_known && !of_folder.synchronised {
            unsynchronised.insert(parent);
            LocalReason::LocalFolder
        } else if flags.contains(MessageFlags::UNSENT) && is_mail(message.class().ok().flatten().as_deref()) {
            LocalReason::Unsent
        } else if ids.iter().all(|t| !p.has(*t)) {
            LocalReason::NoServerId
        } else {
            continue;
        };
        let folder = paths.get(&parent).cloned().unwrap_or_default();
        out.items.push(LocalItem { nid: nid.0, folder, subject: message.subject().ok().flatten(), reason });
    }
    out.items.sort_by(|a, b| (a.reason, &a.folder, a.nid).cmp(&(b.reason, &b.folder, b.nid)));
    out.folders = unsynchronised.iter().filter_map(|n| paths.get(n).cloned()).collect();
    out.folders.sort();
    Ok(out)
}

/// Whether something of this class can be sent at all: contacts, appointments and items of a cache bear the flag of a draft for ever.
fn is_mail(class: Option<&str>) -> bool {
    const SENT: [&str; 5] = ["ipm.note", "ipm.schedule", "ipm.taskrequest", "ipm.sharing", "report"];
    class.is_none_or(|class| {
        let class = class.to_ascii_lowercase();
        SENT.iter().any(|own| class.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    })
}

/// The folders that the store and its inbox name, whatever they are called.
#[derive(Debug, Default)]
struct Special {
    outbox: Option<Nid>,
    sync: HashSet<Nid>,
}

fn special_folders(pst: &Pst) -> Special {
    let mut out = Special::default();
    if let Ok(store) = pst.store() {
        out.outbox = store.folder_of(tags::IPM_OUTBOX_ENTRY_ID).ok().flatten();
    }
    let tag: PropTag = tags::ADDITIONAL_REN_ENTRY_IDS;
    for nid in pst.ndb().index().nodes().iter().map(|n| n.nid).filter(|n| n.nid_type() == NidType::NORMAL_FOLDER) {
        let Some(pc) = pst.ndb().node(nid).and_then(|n| PropertyContext::open(n, &mut Ignore).ok().flatten()) else { continue };
        if pc.get(tag.id()).is_none_or(|r| r.tag.prop_type() != PropType::MULTI_BINARY) {
            continue;
        }
        let Ok(folder) = pst.folder(nid) else { continue };
        if let Ok(Some(PropValue::MultiBinary(ids))) = folder.properties().get(tag) {
            out.sync.extend(ids.iter().take(SYNC_FOLDERS).filter_map(|b| EntryId::decode(b)).map(|id| id.nid));
        }
    }
    out
}
