//! The message store ([MS-PST] 2.4.3), and the ways from it to every folder and message.

use super::code_page::CodePage;
use super::folder::{Folder, FolderKind};
use super::message::Message;
use super::object::{Properties, State};
use super::open::Pst;
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::context::EntryId;
use crate::format::ids::{Nid, NidType, PropTag};
use crate::format::tags;
use crate::ltp::{NameMap, PropertyContext};
use std::collections::HashMap;

/// The message store object.
#[derive(Debug)]
pub struct Store<'a> {
    properties: Properties<'a>,
}

impl<'a> Store<'a> {
    /// Its properties.
    pub fn properties(&self) -> &Properties<'a> {
        &self.properties
    }

    /// How much of it could be read.
    pub fn state(&self) -> State {
        self.properties.state()
    }

    /// Its display name.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn name(&self) -> Result<Option<String>> {
        self.properties.string(tags::DISPLAY_NAME)
    }

    /// The 16 bytes that every entry id of the store bears.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn record_key(&self) -> Result<Option<[u8; 16]>> {
        Ok(self.properties.binary(tags::RECORD_KEY)?.and_then(|b| b.try_into().ok()))
    }

    /// Whether Outlook asks for a password. The password hides nothing: the data is readable without it.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn has_password(&self) -> Result<bool> {
        Ok(self.properties.i32(tags::PST_PASSWORD)?.is_some_and(|v| v != 0 && v != -1))
    }

    /// The folder that an entry id of the store names, such as the IPM subtree or the deleted items.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn folder_of(&self, tag: PropTag) -> Result<Option<Nid>> {
        Ok(self.properties.binary(tag)?.and_then(|b| EntryId::decode(&b)).map(|e| e.nid))
    }
}

impl Pst {
    /// The message store.
    ///
    /// # Errors
    /// Where there is none; in strict reading, the first violation.
    pub fn store(&self) -> Result<Store<'_>> {
        self.require_readable()?;
        let node = self.ndb().node(Nid::MESSAGE_STORE).ok_or_else(|| Properties::missing(Nid::MESSAGE_STORE, "message store"))?;
        Ok(Store { properties: Properties::open(self, node)? })
    }

    /// The named-property map; empty where the file has none.
    pub fn names(&self) -> &NameMap {
        self.names.get_or_init(|| {
            let node = self.ndb().node(Nid::NAME_TO_ID_MAP);
            let context = node.and_then(|n| PropertyContext::open(n, &mut Ignore).ok().flatten());
            context.and_then(|c| NameMap::read(&c, &mut Ignore).ok()).unwrap_or_default()
        })
    }

    /// The root folder, from which every folder can be reached.
    ///
    /// # Errors
    /// Where there is none; in strict reading, the first violation.
    pub fn root_folder(&self) -> Result<Folder<'_>> {
        self.folder(Nid::ROOT_FOLDER)
    }

    /// A folder by its node id.
    ///
    /// # Errors
    /// Where there is none; in strict reading, the first violation.
    pub fn folder(&self, nid: Nid) -> Result<Folder<'_>> {
        self.require_readable()?;
        if !nid.is_folder() {
            return Err(Properties::missing(nid, "folder"));
        }
        let node = self.ndb().node(nid).ok_or_else(|| Properties::missing(nid, "folder"))?;
        Folder::open(self, node)
    }

    /// A message by its node id.
    ///
    /// # Errors
    /// Where there is none; in strict reading, the first violation.
    pub fn message(&self, nid: Nid) -> Result<Message<'_>> {
        self.require_readable()?;
        if !nid.is_message() {
            return Err(Properties::missing(nid, "message"));
        }
        let node = self.ndb().node(nid).ok_or_else(|| Properties::missing(nid, "message"))?;
        Message::open(self, node)
    }

    /// Every folder, each before the folders in it; folders that no chain of parents joins to the root come last.
    pub fn folders(&self) -> impl Iterator<Item = Folder<'_>> {
        self.folder_order().into_iter().filter_map(|nid| self.folder(nid).ok())
    }

    /// The node ids of every folder in that order.
    pub fn folder_order(&self) -> Vec<Nid> {
        let index = self.ndb().index();
        let mut out = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let all = index.nodes().iter().filter(|n| n.nid.is_folder());
        // the root first, then every folder that could not be reached from it
        for start in std::iter::once(Nid::ROOT_FOLDER).chain(all.map(|n| n.nid)) {
            let mut pending = vec![start];
            while let Some(nid) = pending.pop() {
                if index.node(nid).is_none() || !seen.insert(nid) {
                    continue;
                }
                out.push(nid);
                let children: Vec<Nid> = index.children(nid).filter(|n| n.nid.is_folder() && n.nid != nid).map(|n| n.nid).collect();
                pending.extend(children.into_iter().rev());
            }
        }
        out
    }

    /// The path of every folder: names from the one below the root down, joined by `/`.
    pub fn folder_paths(&self) -> HashMap<Nid, String> {
        let mut paths: HashMap<Nid, String> = HashMap::new();
        for nid in self.folder_order() {
            let Some(node) = self.ndb().node(nid) else { continue };
            let parent = node.parent;
            let name = match self.folder(nid) {
                Ok(f) => f.display_name(),
                Err(_) => format!("({nid})"),
            };
            let path = if nid == Nid::ROOT_FOLDER {
                String::new()
            } else {
                match paths.get(&parent) {
                    Some(above) if !above.is_empty() => format!("{above}/{name}"),
                    _ => name,
                }
            };
            paths.insert(nid, path);
        }
        paths
    }

    /// Every message, normal and associated, in the order of node ids.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let nodes = self.ndb().index().nodes().iter().filter(|n| n.nid.is_message());
        nodes.filter_map(|n| self.message(n.nid).ok())
    }

    /// The code page of 8-bit strings that name none: the one that the store or its first messages suggest.
    pub fn default_code_page(&self) -> CodePage {
        *self.default_code_page.get_or_init(|| {
            if let Some(forced) = self.options().code_page {
                return forced;
            }
            let index = self.ndb().index();
            let store = index.node(Nid::MESSAGE_STORE).into_iter();
            let messages = index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).take(64);
            let mut votes: Vec<(CodePage, usize)> = Vec::new();
            for n in store.chain(messages) {
                let own = self.ndb().node(n.nid).and_then(|node| Properties::open(self, node).ok()).and_then(|p| p.own_code_page());
                if let Some(page) = own {
                    match votes.iter_mut().find(|(p, _)| *p == page) {
                        Some((_, n)) => *n = n.saturating_add(1),
                        None => votes.push((page, 1)),
                    }
                }
            }
            votes.into_iter().max_by_key(|(_, n)| *n).map_or_else(CodePage::default, |(p, _)| p)
        })
    }

    /// Whether the folder is a search folder, and which kind it is otherwise.
    pub fn folder_kind(&self, nid: Nid) -> FolderKind {
        FolderKind::of(nid)
    }
}
