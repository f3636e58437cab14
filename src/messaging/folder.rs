//! Folders ([MS-PST] 2.4.4) and search folders ([MS-PST] 2.4.8.6).

use super::message::Message;
use super::object::{Properties, State};
use super::open::Pst;
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::ids::{Nid, NidType};
use crate::format::tags;
use crate::ltp::TableContext;
use crate::ndb::Node;

/// Which kind of folder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum FolderKind {
    /// Holds messages.
    Normal,
    /// Lists messages that live in other folders.
    Search,
}

impl FolderKind {
    /// The kind that a node id says.
    pub fn of(nid: Nid) -> Self {
        if nid.nid_type() == NidType::SEARCH_FOLDER { Self::Search } else { Self::Normal }
    }
}

/// The number of messages of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FolderCounts {
    /// Mail and other items that people see.
    pub messages: usize,
    /// Associated messages: settings and views.
    pub associated: usize,
}

/// A folder.
///
/// Its contents follow from the nodes' parents, which is the first-hand record: the folder's tables are derived from it, and a
/// damaged table hides nothing.
#[derive(Debug)]
pub struct Folder<'a> {
    properties: Properties<'a>,
}

impl<'a> Folder<'a> {
    pub(crate) fn open(pst: &'a Pst, node: Node<'a>) -> Result<Self> {
        Ok(Self { properties: Properties::open(pst, node)? })
    }

    /// Its properties.
    pub fn properties(&self) -> &Properties<'a> {
        &self.properties
    }

    /// Its node id.
    pub fn nid(&self) -> Nid {
        self.properties.node().nid
    }

    /// The folder that it is in; the root folder is in itself.
    pub fn parent(&self) -> Nid {
        self.properties.node().parent
    }

    /// Which kind it is.
    pub fn kind(&self) -> FolderKind {
        FolderKind::of(self.nid())
    }

    /// How much of it could be read.
    pub fn state(&self) -> State {
        self.properties.state()
    }

    /// Its name; empty for the root folder.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn name(&self) -> Result<Option<String>> {
        self.properties.string(tags::DISPLAY_NAME)
    }

    /// Its name for people: from its row in the folder above where it has none itself, and its node id as a last resort.
    pub fn display_name(&self) -> String {
        match self.name() {
            Ok(Some(name)) => name,
            _ if self.nid() == Nid::ROOT_FOLDER => String::new(),
            _ => self.name_from_row().unwrap_or_else(|| format!("({})", self.nid())),
        }
    }

    fn name_from_row(&self) -> Option<String> {
        let pst = self.properties.pst();
        let table = pst.ndb().node(self.parent().with_type(NidType::HIERARCHY_TABLE))?;
        let table = TableContext::open(table, &mut Ignore).ok()??;
        let row = table.row_by_id(self.nid().0, &mut Ignore).ok()??;
        let page = pst.default_code_page();
        let decode = |b: &[u8]| page.decode(b).0.into_owned();
        row.string(tags::DISPLAY_NAME.id(), &decode, &mut Ignore).ok()?
    }

    /// Its path: names from the one below the root down, joined by `/`.
    pub fn path(&self) -> String {
        let pst = self.properties.pst();
        let mut names = Vec::new();
        let mut nid = self.nid();
        let mut depth = pst.ndb().limits().folder_depth;
        while nid != Nid::ROOT_FOLDER && depth > 0 {
            let Ok(folder) = pst.folder(nid) else { break };
            names.push(folder.display_name());
            nid = folder.parent();
            depth = depth.saturating_sub(1);
        }
        names.reverse();
        names.join("/")
    }

    /// Its container class, such as `IPF.Note`.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn container_class(&self) -> Result<Option<String>> {
        self.properties.string(tags::CONTAINER_CLASS)
    }

    /// The number of messages that the folder itself states.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn stated_count(&self) -> Result<Option<i32>> {
        self.properties.i32(tags::CONTENT_COUNT)
    }

    /// The number of unread messages that the folder itself states.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn stated_unread(&self) -> Result<Option<i32>> {
        self.properties.i32(tags::CONTENT_UNREAD_COUNT)
    }

    /// The node ids of the folders in it.
    pub fn subfolder_ids(&self) -> impl Iterator<Item = Nid> + use<'a> {
        let me = self.nid();
        self.properties.pst().ndb().index().children(me).map(|n| n.nid).filter(move |n| n.is_folder() && *n != me)
    }

    /// The folders in it.
    pub fn subfolders(&self) -> impl Iterator<Item = Folder<'a>> + use<'a> {
        let pst = self.properties.pst();
        self.subfolder_ids().filter_map(move |nid| pst.folder(nid).ok())
    }

    fn message_ids(&self, nid_type: NidType) -> impl Iterator<Item = Nid> + use<'a> {
        let ids = self.properties.pst().ndb().index().children(self.nid());
        ids.map(|n| n.nid).filter(move |n| n.nid_type() == nid_type)
    }

    /// The messages in the folder. A search folder contains no messages; [`hits`](Self::hits) gives its results.
    pub fn messages(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let pst = self.properties.pst();
        self.message_ids(NidType::NORMAL_MESSAGE).filter_map(move |nid| pst.message(nid).ok())
    }

    /// The associated messages in it: views, rules, settings.
    pub fn associated(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let pst = self.properties.pst();
        self.message_ids(NidType::ASSOC_MESSAGE).filter_map(move |nid| pst.message(nid).ok())
    }

    /// The number of its messages, those of folders below it not among them.
    pub fn counts(&self) -> FolderCounts {
        FolderCounts {
            messages: self.message_ids(NidType::NORMAL_MESSAGE).count(),
            associated: self.message_ids(NidType::ASSOC_MESSAGE).count(),
        }
    }

    /// One of its tables: hierarchy, contents, associated contents or search contents.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn table(&self, nid_type: NidType) -> Result<Option<TableContext<'a>>> {
        let Some(node) = self.properties.pst().ndb().node(self.nid().with_type(nid_type)) else { return Ok(None) };
        Ok(self.properties.tolerate(|sink| TableContext::open(node, sink))?.flatten())
    }

    /// The node ids of the messages that a search folder lists.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn hits(&self) -> Result<Vec<Nid>> {
        let Some(table) = self.table(NidType::SEARCH_CONTENTS_TABLE)? else { return Ok(Vec::new()) };
        Ok(self.properties.tolerate(|sink| table.row_index(sink))?.unwrap_or_default().into_iter().map(|(id, _)| Nid(id)).collect())
    }
}
