//! [`PstWriter`]: a whole store ([MS-PST] 2.4, 2.7).

use super::folder::{Folder, NewFolder};
use super::heap::HeapBuilder;
use super::item::{FLAG_READ, Place, conversation_id};
use super::keys::Keys;
use super::message::NewMessage;
use super::names::seeded;
use super::ndb::{NdbOptions, NdbWriter, Written};
use super::pc::{Node, SubNodes, VALUE_IN_HEAP};
use super::props::{Data, Props};
use super::rows::Rows;
use super::tc::TableKind;
use super::templates::{HIERARCHY, RECEIVE_FOLDER, SEARCH_CONTENTS, TEMPLATES, columns_for, template_columns};
use super::tree::WrittenData;
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, put32};
use crate::format::context::EntryId;
use crate::format::crc::crc;
use crate::format::heap::ClientSig;
use crate::format::ids::{Bid, Nid, NidType, PropTag, PropType};
use crate::format::layout::Variant;
use crate::format::tags;
use crate::format::types::{FileTime, Guid};
use crate::io::Storage;
use crate::ltp::{NameMap, NameMapBuilder};
use crate::messaging::code_page::CodePage;
use crate::messaging::conversation::index_key;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

/// Top of the folders that are shown.
pub const IPM_SUBTREE: Nid = Nid(0x8022);
/// Parent of search folders.
pub const SEARCH_ROOT: Nid = Nid(0x8042);
/// Deleted Items.
pub const DELETED_ITEMS: Nid = Nid(0x8062);
/// Shared views.
pub const COMMON_VIEWS: Nid = Nid(0x8082);
/// A search folder of Outlook 2007's that has no queue, no criteria, and no place in the list of searches.
pub(super) const OLD_SEARCH_FOLDER: Nid = Nid(0x723);
/// Messages in a bucket of the message index: as many as fit into one heap item.
const BUCKET_MAX: usize = 895;

/// The form of a new store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Layout, kind, encoding, compression.
    pub ndb: NdbOptions,
    /// The name of the store.
    pub display_name: String,
    /// Id of the store, part of every entry id; drawn where it is not given.
    pub record_key: Option<Guid>,
    /// Code page of an ANSI store's texts.
    pub code_page: CodePage,
    /// A password that Outlook asks for. It protects nothing.
    pub password: Option<String>,
    /// The seed of ids and keys; two stores that are written alike from one seed and at one time are equal in every byte.
    pub seed: Option<u64>,
    /// The time that objects without one of their own get; now where it is not given.
    pub time: Option<FileTime>,
    /// Whether rows of folders and messages bear the ids by which Outlook synchronises, and the map of them is filled. scanpst adds
    /// them where they are missing.
    pub item_ids: bool,
    /// Whether the store's properties are written as they are set: texts stay of the type that they have.
    pub verbatim: bool,
    /// Whether the folders are made that a new store has. Otherwise only the root folder is, unless it is added.
    pub folders: bool,
}

impl StoreOptions {
    setters! {
        ndb: NdbOptions, display_name: String, record_key: Option<Guid>, code_page: CodePage, password: Option<String>, seed: Option<u64>,
        time: Option<FileTime>, item_ids: bool, verbatim: bool, folders: bool,
    }

    /// The choice of Outlook for a variant.
    pub fn new(variant: Variant) -> Self {
        Self {
            ndb: NdbOptions::new(variant),
            display_name: "Outlook Data File".to_owned(),
            record_key: None,
            code_page: CodePage(1252),
            password: None,
            seed: None,
            time: None,
            item_ids: true,
            verbatim: false,
            folders: true,
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new(Variant::Unicode)
    }
}

/// Writes a store: folders and messages as they come, everything that follows from them at the end.
///
/// A message is forgotten when it is written, but for its row in the folder's table; [`close_folder`](Self::close_folder) writes a
/// folder's tables early and forgets those too.
///
/// ```
/// use pstkit::io::MemoryStorage;
/// use pstkit::write::{IPM_SUBTREE, NewMessage, PstWriter, StoreOptions};
///
/// let memory = MemoryStorage::default();
/// let mut pst = PstWriter::create(&memory, StoreOptions::default())?;
/// let inbox = pst.add_folder(IPM_SUBTREE, "Inbox")?;
/// pst.add_message(inbox, NewMessage::note("Hello", "A first message.").from("Ann", "ann@example.com"))?;
/// pst.finish()?;
/// # Ok::<(), pstkit::error::Error>(())
/// ```
#[derive(Debug)]
pub struct PstWriter<'a> {
    pub(super) ndb: NdbWriter<'a>,
    pub(super) names: NameMapBuilder,
    pub(super) keys: Keys,
    pub(super) code_page: CodePage,
    pub(super) now: FileTime,
    /// Texts of which characters are lost in an ANSI store.
    pub(super) characters_lost: u64,
    pub(super) folders: BTreeMap<Nid, Folder>,
    options: StoreOptions,
    store: Props,
    record_key: Guid,
    /// Nodes that were added as they are; nothing is made in their place.
    raw: BTreeSet<Nid>,
    /// For the message index: key and message.
    conversations: Vec<(u32, Nid)>,
    /// For the id map: id and object.
    ids: Vec<([u8; 16], Nid)>,
    taken_ids: HashSet<[u8; 16]>,
    change: i64,
    highest_message: Nid,
    shared: HashMap<Nid, Node>,
}

impl<'a> PstWriter<'a> {
    /// Begins a store; whatever the storage held before is cut off.
    ///
    /// # Errors
    /// As [`NdbWriter::new`].
    pub fn create(storage: &'a dyn Storage, options: StoreOptions) -> Result<Self> {
        let mut keys = Keys::new(options.seed);
        let record_key = options.record_key.unwrap_or_else(|| Guid(keys.key()));
        let mut pst = Self {
            ndb: NdbWriter::new(storage, options.ndb.clone())?,
            names: seeded()?,
            code_page: options.code_page,
            now: options.time.unwrap_or_else(|| SystemTime::now().into()),
            characters_lost: 0,
            folders: BTreeMap::new(),
            store: Props::new(),
            record_key,
            raw: BTreeSet::new(),
            conversations: Vec::new(),
            ids: Vec::new(),
            taken_ids: HashSet::new(),
            change: 0x130,
            highest_message: Nid::new(NidType::NORMAL_MESSAGE, 0x1_0000),
            shared: HashMap::new(),
            keys,
            options,
        };
        pst.fill_store();
        if pst.options.folders {
            pst.add_standard_folders()?;
        }
        Ok(pst)
    }

    /// The properties of the store itself ([MS-PST] 2.4.3).
    fn fill_store(&mut self) {
        let replica = self.replica();
        let key = self.record_key;
        let folders = self.options.folders;
        let name = self.options.display_name.clone();
        let password = self.options.password.as_deref().map_or(0, |p| crc(&self.code_page.encode(p).0));
        let p = &mut self.store;
        p.set(tags::REPL_VERSION_HISTORY, replica).set_i32(tags::REPL_FLAGS, 0).set(tags::RECORD_KEY, key.0);
        p.set_str(tags::DISPLAY_NAME, &name);
        if folders {
            let id = |nid| EntryId::new(key, nid).encode();
            p.set_i32(tags::VALID_FOLDER_MASK, 0xC9).set(tags::IPM_SUBTREE_ENTRY_ID, id(IPM_SUBTREE));
            p.set(tags::IPM_WASTEBASKET_ENTRY_ID, id(DELETED_ITEMS)).set(tags::COMMON_VIEWS_ENTRY_ID, id(COMMON_VIEWS));
            p.set(tags::FINDER_ENTRY_ID, id(SEARCH_ROOT));
        }
        p.set_bool(tags::PST_LR_NO_RESTRICTIONS, true).set_i32(tags::LATEST_PST_ENSURE, 0x000E_0011);
        p.set_i32(tags::STORE_VERSION, 0x0018_B2B3).set(tags::PST_PASSWORD, password.to_le_bytes());
    }

    /// The store's replica id, as rows bear it too.
    fn replica(&self) -> Vec<u8> {
        let mut blob = vec![1, 0, 0, 0];
        blob.extend(self.keys.key_of(0x0E34));
        blob.extend([1, 0, 0, 0]);
        blob
    }

    fn add_standard_folders(&mut self) -> Result<()> {
        let folder = |nid, comment: Option<&str>| {
            let mut new = NewFolder { nid: Some(nid), ..NewFolder::default() };
            if let Some(comment) = comment {
                new.props.set_str(tags::COMMENT, comment);
            }
            new
        };
        let root = Nid::ROOT_FOLDER;
        self.add_folder_with(root, "", folder(root, None))?;
        self.add_folder_with(root, "Top of Outlook data file", folder(IPM_SUBTREE, None))?;
        self.add_folder_with(root, "Search Root", folder(SEARCH_ROOT, None))?;
        self.add_folder_with(IPM_SUBTREE, "Deleted Items", folder(DELETED_ITEMS, Some("Deleted Items folder")))?;
        self.add_folder_with(root, "SPAM Search Folder 2", folder(Nid::SPAM_SEARCH_FOLDER, None))?;
        self.add_folder_with(root, "IPM_COMMON_VIEWS", folder(COMMON_VIEWS, Some("")))?;
        Ok(())
    }

    /// The store's id.
    pub fn record_key(&self) -> Guid {
        self.record_key
    }

    /// The properties of the store itself, to change them.
    pub fn store_props(&mut self) -> &mut Props {
        &mut self.store
    }

    /// The names of named properties.
    pub fn names(&mut self) -> &mut NameMapBuilder {
        &mut self.names
    }

    /// Replaces all names: for a copy, in which every id stays.
    pub fn set_names(&mut self, names: NameMap) {
        self.names = NameMapBuilder::from_map(names);
    }

    /// The layer beneath: to write data, properties and tables that will be parts of an object.
    pub fn ndb(&mut self) -> &mut NdbWriter<'a> {
        &mut self.ndb
    }

    /// How many texts have lost characters, in an ANSI store.
    pub fn characters_lost(&self) -> u64 {
        self.characters_lost
    }

    /// The entry id of an object of this store.
    pub fn entry_id(&self, nid: Nid) -> [u8; 24] {
        EntryId::new(self.record_key, nid).encode()
    }

    /// Adds a node as it is; nothing is made in its place.
    ///
    /// # Errors
    /// As [`NdbWriter::add_node`].
    pub fn add_raw_node(&mut self, nid: Nid, node: Node, parent: Nid) -> Result<()> {
        self.raw.insert(nid);
        self.ndb.add_node(nid, node.data, node.sub, parent)
    }

    /// Whether a node has been added as it is.
    pub fn has_raw_node(&self, nid: Nid) -> bool {
        self.raw.contains(&nid)
    }

    /// Adds a message to a folder and answers its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such folder, [`ErrorKind::Usage`] where it is closed or a value does not have the size
    /// of its type, [`ErrorKind::TooLarge`] at the variant's limits; errors of the medium and of readers.
    pub fn add_message(&mut self, folder: Nid, message: NewMessage) -> Result<Nid> {
        self.add_item(folder, message, Place::Folder)
    }

    /// Adds an associated message: settings and views that a folder keeps out of sight.
    ///
    /// # Errors
    /// As [`add_message`](Self::add_message).
    pub fn add_associated(&mut self, folder: Nid, message: NewMessage) -> Result<Nid> {
        self.add_item(folder, message, Place::Associated)
    }

    fn add_item(&mut self, folder: Nid, mut message: NewMessage, place: Place) -> Result<Nid> {
        self.takes_messages(folder)?;
        let nid_type = if place == Place::Associated { NidType::ASSOC_MESSAGE } else { NidType::NORMAL_MESSAGE };
        let nid = match message.nid {
            Some(nid) => nid,
            None => self.ndb.next_nid(nid_type)?,
        };
        let only = std::mem::take(&mut message.row_only);
        let item = self.write_item(message, place, 0)?;
        self.ndb.add_node(nid, item.written.node.data, item.written.node.sub, folder)?;
        self.list_item((folder, nid), &item.props, only, &item.large, place);
        Ok(nid)
    }

    /// Lists a message in its folder whose blocks are elsewhere already.
    pub(super) fn list_message(&mut self, folder: Nid, nid: Nid, props: &Props, only: Vec<(PropTag, Vec<u8>)>) -> Result<()> {
        self.takes_messages(folder)?;
        let place = if nid.nid_type() == NidType::ASSOC_MESSAGE { Place::Associated } else { Place::Folder };
        let mut large = Vec::new();
        for (tag, data) in props.iter() {
            match data {
                Data::Bytes(bytes) if bytes.len() > VALUE_IN_HEAP => large.push((tag, self.ndb.write_data(bytes)?)),
                _ => {}
            }
        }
        self.list_item((folder, nid), props, only, &large, place);
        Ok(())
    }

    /// Columns of the table of a folder in which messages of a type are listed.
    pub(super) fn row_columns(&self, folder: Nid, nid: Nid) -> &[PropTag] {
        match self.folders.get(&folder) {
            Some(f) if nid.nid_type() == NidType::ASSOC_MESSAGE => f.associated.columns(),
            Some(f) => f.contents.columns(),
            None => &[],
        }
    }

    fn takes_messages(&self, folder: Nid) -> Result<()> {
        match self.folders.get(&folder) {
            None => Err(Error::not_found(format!("folder {folder}"))),
            Some(f) if f.is_closed() || f.is_search() => Err(ErrorKind::Usage(format!("folder {folder} takes no more messages")).into()),
            Some(_) => Ok(()),
        }
    }

    /// Adds a message's row to its folder's table.
    fn list_item(
        &mut self,
        (folder, nid): (Nid, Nid),
        props: &Props,
        mut only: Vec<(PropTag, Vec<u8>)>,
        large: &[(PropTag, WrittenData)],
        place: Place,
    ) {
        if !only.iter().any(|(t, _)| *t == tags::MESSAGE_STATUS) {
            only.push((tags::MESSAGE_STATUS, vec![0; 4]));
        }
        if place == Place::Folder {
            let conversation = conversation_id(props, self.code_page);
            only.retain(|(t, _)| *t != tags::CONVERSATION_ID);
            only.extend(conversation.map(|id| (tags::CONVERSATION_ID, id.to_vec())));
            self.conversations.push((index_key(conversation), nid));
            self.highest_message = self.highest_message.max(nid);
        }
        let version = self.ndb.next_unique();
        let unread = props.i32(tags::MESSAGE_FLAGS).unwrap_or(0) & FLAG_READ == 0;
        if let Some(f) = self.folders.get_mut(&folder) {
            let rows = if place == Place::Folder { &mut f.contents } else { &mut f.associated };
            rows.push(nid.0, version, props, &only, &|tag| large.iter().find(|(t, _)| *t == tag).map(|(_, tree)| *tree));
            f.unread = f.unread.saturating_add(u32::from(unread && place == Place::Folder));
        }
    }

    /// Writes a folder's contents tables; it takes no more messages.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such folder; as [`NdbWriter::write_block`].
    pub fn close_folder(&mut self, folder: Nid) -> Result<()> {
        let Some(f) = self.folders.get_mut(&folder) else { return Err(Error::not_found(format!("folder {folder}"))) };
        if f.is_closed() || f.is_search() {
            return Ok(());
        }
        let (contents, associated) = (std::mem::take(&mut f.contents), std::mem::take(&mut f.associated));
        f.contents_count = contents.len();
        let contents = self.write_rows(&contents, NidType::CONTENTS_TABLE, folder)?;
        let associated = self.write_rows(&associated, NidType::ASSOC_CONTENTS_TABLE, folder)?;
        if let Some(f) = self.folders.get_mut(&folder) {
            f.tables = Some((contents, associated));
        }
        Ok(())
    }

    /// A table without rows like a template, in the template's own blocks as long as these can be referred to.
    pub(super) fn empty_table(&mut self, template: Nid) -> Result<Node> {
        if let Some(node) = self.shared.get(&template)
            && self.ndb.references(node.data) < 60_000
        {
            return Ok(*node);
        }
        let rows = Rows::new(self.template_columns(template));
        let node = rows.write(&mut self.ndb, TableKind::of(template), &mut |_, _| ())?;
        self.shared.insert(template, node);
        Ok(node)
    }

    /// Writes a table of a folder; an empty one with the template's columns shares the template's blocks.
    fn write_rows(&mut self, rows: &Rows, nid_type: NidType, folder: Nid) -> Result<Node> {
        let template = match nid_type {
            NidType::HIERARCHY_TABLE => Nid::HIERARCHY_TABLE_TEMPLATE,
            NidType::CONTENTS_TABLE => Nid::CONTENTS_TABLE_TEMPLATE,
            NidType::SEARCH_CONTENTS_TABLE => Nid::SEARCH_CONTENTS_TABLE_TEMPLATE,
            _ => Nid::ASSOC_CONTENTS_TABLE_TEMPLATE,
        };
        let kind = TableKind::of(folder.with_type(nid_type));
        if rows.len() == 0 && rows.columns() == self.template_columns(template) {
            return self.empty_table(template);
        }
        if !matches!(nid_type, NidType::CONTENTS_TABLE | NidType::HIERARCHY_TABLE) {
            return rows.write(&mut self.ndb, kind, &mut |_, _| ());
        }
        let (keys, replica, draw) = (self.keys.clone(), self.replica(), self.options.item_ids);
        let (mut change, mut ids) = (self.change, std::mem::take(&mut self.ids));
        let mut taken = std::mem::take(&mut self.taken_ids);
        let node = rows.write(&mut self.ndb, kind, &mut |nid, cells| {
            // Search folders have no such ids.
            if nid.nid_type() == NidType::SEARCH_FOLDER {
                return;
            }
            let given = cells.iter().find(|(t, _)| *t == tags::REPL_ITEM_ID).and_then(|(_, b)| crate::format::bytes::array_at(b, 0));
            if given.is_none() && !draw {
                return;
            }
            // an id that another object has is that object's
            let own = given.filter(|id| !taken.contains(id));
            let id = own.unwrap_or_else(|| keys.key_of(nid.0.into()));
            taken.insert(id);
            ids.push((id, nid));
            if own.is_none() {
                cells.retain(|(t, _)| ![tags::REPL_ITEM_ID, tags::REPL_CHANGE_NUMBER, tags::REPL_VERSION_HISTORY].contains(t));
                change = change.saturating_add(4);
                cells.push((tags::REPL_ITEM_ID, id.to_vec()));
                cells.push((tags::REPL_CHANGE_NUMBER, change.to_le_bytes().to_vec()));
                cells.push((tags::REPL_VERSION_HISTORY, replica.clone()));
            }
        })?;
        self.ids = ids;
        self.taken_ids = taken;
        self.change = change;
        Ok(node)
    }

    /// Writes everything that follows from the additions, and the header last.
    ///
    /// # Errors
    /// As [`NdbWriter::finish`].
    pub fn finish(mut self) -> Result<Written> {
        if !self.folders.contains_key(&Nid::ROOT_FOLDER) {
            let root = NewFolder { nid: Some(Nid::ROOT_FOLDER), ..NewFolder::default() };
            self.add_folder_with(Nid::ROOT_FOLDER, "", root)?;
        }
        self.write_templates()?;
        let all: Vec<Nid> = self.folders.keys().copied().collect();
        for nid in &all {
            self.close_folder(*nid)?;
        }
        for nid in &all {
            self.write_folder(*nid)?;
        }
        self.write_special()?;
        self.ndb.finish()
    }

    /// The tables without rows that new folders and messages are modelled on.
    fn write_templates(&mut self) -> Result<()> {
        for (nid, _) in TEMPLATES {
            if !self.raw.contains(nid) {
                let node = self.empty_table(*nid)?;
                self.ndb.add_node(*nid, node.data, node.sub, Nid::NONE)?;
            }
        }
        Ok(())
    }

    fn add_unless_raw(&mut self, nid: Nid, node: Node, parent: Nid) -> Result<()> {
        if self.raw.contains(&nid) { Ok(()) } else { self.ndb.add_node(nid, node.data, node.sub, parent) }
    }

    /// A folder's hierarchy table, its properties, and its nodes ([MS-PST] 2.4.4).
    fn write_folder(&mut self, nid: Nid) -> Result<()> {
        let Some(mut folder) = self.folders.remove(&nid) else { return Ok(()) };
        let ansi = self.ndb.layout().is_ansi();
        folder.complete();
        let pc = self.ndb.write_properties(&folder.props, std::mem::take(&mut folder.subnodes))?;
        self.add_unless_raw(nid, pc, folder.parent)?;
        if nid == OLD_SEARCH_FOLDER {
            self.folders.insert(nid, folder);
            return Ok(());
        }
        if folder.is_search() {
            let table_nid = nid.with_type(NidType::SEARCH_CONTENTS_TABLE);
            if !self.raw.contains(&table_nid) {
                let table = self.write_rows(&Rows::new(columns_for(ansi, SEARCH_CONTENTS)), NidType::SEARCH_CONTENTS_TABLE, nid)?;
                self.ndb.add_node(table_nid, table.data, table.sub, Nid::NONE)?;
            }
            self.add_unless_raw(nid.with_type(NidType::SEARCH_UPDATE_QUEUE), Node::default(), Nid::NONE)?;
            let criteria_nid = nid.with_type(NidType::SEARCH_CRITERIA_OBJECT);
            if !self.raw.contains(&criteria_nid) {
                let mut criteria = Props::new();
                criteria.set_i32(tags::SEARCH_FLAGS, 0);
                let criteria = self.ndb.write_properties(&criteria, SubNodes::new())?;
                self.ndb.add_node(criteria_nid, criteria.data, criteria.sub, Nid::NONE)?;
            }
            self.folders.insert(nid, folder);
            return Ok(());
        }
        let mut columns = columns_for(ansi, HIERARCHY);
        columns.extend(folder.hierarchy_columns.iter().copied());
        let mut rows = Rows::new(columns);
        for child in folder.children.clone() {
            let version = self.ndb.next_unique();
            if let Some(c) = self.folders.get_mut(&child) {
                c.complete();
                rows.push(child.0, version, &c.props, &c.row_only, &|_| None);
            }
        }
        let hierarchy = self.write_rows(&rows, NidType::HIERARCHY_TABLE, nid)?;
        let (contents, associated) = folder.tables.unwrap_or_default();
        self.add_unless_raw(nid.with_type(NidType::HIERARCHY_TABLE), hierarchy, Nid::NONE)?;
        self.add_unless_raw(nid.with_type(NidType::CONTENTS_TABLE), contents, Nid::NONE)?;
        self.add_unless_raw(nid.with_type(NidType::ASSOC_CONTENTS_TABLE), associated, Nid::NONE)?;
        self.folders.insert(nid, folder);
        Ok(())
    }

    /// The nodes that are in every store besides its folders.
    fn write_special(&mut self) -> Result<()> {
        let mut store = std::mem::take(&mut self.store);
        self.fit(&mut store, Vec::new(), self.options.verbatim)?;
        let node = self.ndb.write_properties(&store, SubNodes::new())?;
        self.add_unless_raw(Nid::MESSAGE_STORE, node, Nid::NONE)?;
        let names: Props = self.names.properties().into_iter().map(|(t, b)| (t, Data::Bytes(b))).collect();
        let node = self.ndb.write_properties(&names, SubNodes::new())?;
        self.add_unless_raw(Nid::NAME_TO_ID_MAP, node, Nid::NONE)?;
        self.write_receive_folders()?;

        let searches: Vec<u8> = self
            .folders
            .keys()
            .filter(|n| n.nid_type() == NidType::SEARCH_FOLDER && **n != OLD_SEARCH_FOLDER)
            .flat_map(|n| n.0.to_le_bytes())
            .collect();
        if !self.raw.contains(&Nid::SEARCH_ACTIVITY_LIST) {
            let tree = self.ndb.write_data(&searches)?;
            self.ndb.add_node(Nid::SEARCH_ACTIVITY_LIST, tree.bid, Bid::NONE, Nid::NONE)?;
        }
        for nid in [Nid::SEARCH_MANAGEMENT_QUEUE, Nid::SEARCH_DOMAIN_OBJECT, Nid::SEARCH_QUEUE_3, Nid::FOLDER_LIST_QUEUE] {
            self.add_unless_raw(nid, Node::default(), Nid::NONE)?;
        }
        self.write_id_map()?;
        self.write_message_index()
    }

    /// The folder that receives: one row for every class ([MS-PST] 2.4.1, NID_RECEIVE_FOLDER_TABLE).
    fn write_receive_folders(&mut self) -> Result<()> {
        if self.raw.contains(&Nid::RECEIVE_FOLDER_TABLE) {
            return Ok(());
        }
        let columns = columns_for(self.ndb.layout().is_ansi(), RECEIVE_FOLDER);
        let class = columns.get(1).copied().unwrap_or_default();
        let mut rows = Rows::new(columns);
        let version = self.ndb.next_unique();
        let only = [(class, Vec::new()), (tags::RECEIVE_FOLDER_NID, Nid::ROOT_FOLDER.0.to_le_bytes().to_vec())];
        rows.push(1, version, &Props::new(), &only, &|_| None);
        let node = rows.write(&mut self.ndb, TableKind::Plain, &mut |_, _| ())?;
        self.ndb.add_node(Nid::RECEIVE_FOLDER_TABLE, node.data, node.sub, Nid::NONE)
    }

    /// The map from ids to objects: a B-tree with keys of 16 bytes behind a root item that names it.
    fn write_id_map(&mut self) -> Result<()> {
        if self.raw.contains(&Nid::ID_MAP) {
            return Ok(());
        }
        let mut ids = std::mem::take(&mut self.ids);
        ids.sort_unstable();
        ids.dedup_by_key(|(id, _)| *id);
        let mut heap = HeapBuilder::new(self.ndb.layout(), ClientSig::ID_MAP);
        let root = heap.alloc(&[0; 4])?;
        heap.set_user_root(root);
        let mut bth = heap.reserve_bth(16, 4)?;
        heap.put_item(root, &bth.header.0.to_le_bytes())?;
        heap.reserve_records(&mut bth, ids.len())?;
        let records: Vec<u8> = ids.iter().flat_map(|(id, nid)| id.iter().copied().chain(nid.0.to_le_bytes())).collect();
        heap.fill_bth(&bth, &records)?;
        let tree = heap.finish(&mut self.ndb)?;
        self.ndb.add_node(Nid::ID_MAP, tree.bid, Bid::NONE, Nid::NONE)
    }

    /// The message index, and the queue of messages that are not yet in it: buckets of messages by conversation.
    fn write_message_index(&mut self) -> Result<()> {
        if self.raw.contains(&Nid::MESSAGE_INDEX) {
            return self.add_unless_raw(Nid::MESSAGE_INDEX_QUEUE, Node::default(), Nid::NONE);
        }
        let mut conversations = std::mem::take(&mut self.conversations);
        conversations.sort_unstable();
        let mut heap = HeapBuilder::new(self.ndb.layout(), ClientSig::MESSAGE_INDEX);
        let mut root = vec![0; 56];
        let root_at = heap.alloc(&root)?;
        heap.set_user_root(root_at);
        let mut bth = heap.reserve_bth(4, 4)?;
        let words = [(0, bth.header.0), (1, 1), (2, self.highest_message.0), (4, 3), (6, 0x10), (8, 0x48B3), (13, 0x1E2)];
        for (i, v) in words {
            put32(&mut root, index(i).saturating_mul(4), v);
        }
        heap.put_item(root_at, &root)?;
        let (mut records, mut queue) = (Vec::new(), Vec::new());
        for bucket in conversations.chunk_by(|a, b| a.0 == b.0) {
            let Some((key, _)) = bucket.first() else { continue };
            let (indexed, rest) = bucket.split_at_checked(BUCKET_MAX).unwrap_or((bucket, &[]));
            let nids: Vec<u8> = indexed.iter().flat_map(|(_, nid)| nid.0.to_le_bytes()).collect();
            let hid = heap.alloc(&nids)?;
            records.extend(key.to_le_bytes());
            records.extend(hid.0.to_le_bytes());
            // Messages beyond one bucket wait in the queue: operation 1, key, message.
            queue.extend(rest.iter().flat_map(|(key, nid)| [1, *key, nid.0]).flat_map(u32::to_le_bytes));
        }
        heap.reserve_records(&mut bth, records.len() / 8)?;
        heap.fill_bth(&bth, &records)?;
        let tree = heap.finish(&mut self.ndb)?;
        self.ndb.add_node(Nid::MESSAGE_INDEX, tree.bid, Bid::NONE, Nid::NONE)?;
        let queue = self.ndb.write_data(&queue)?;
        self.add_unless_raw(Nid::MESSAGE_INDEX_QUEUE, Node { data: queue.bid, ..Node::default() }, Nid::NONE)
    }

    /// Columns that every table modelled on a template has.
    pub(super) fn template_columns(&self, template: Nid) -> Vec<PropTag> {
        template_columns(template, self.ndb.layout().is_ansi(), self.options.ndb.kind)
    }

    /// Columns of a folder's two contents tables, `more` behind those that every such table has.
    pub(super) fn contents_columns(&self, nid_type: NidType, more: &[PropTag]) -> Vec<PropTag> {
        let is_contents = nid_type == NidType::CONTENTS_TABLE;
        let mut columns =
            self.template_columns(if is_contents { Nid::CONTENTS_TABLE_TEMPLATE } else { Nid::ASSOC_CONTENTS_TABLE_TEMPLATE });
        for tag in columns_for(self.ndb.layout().is_ansi(), more) {
            let known = columns.contains(&tag) || tag.prop_type() == PropType::OBJECT;
            if !known && columns.len() < 253 {
                columns.push(tag);
            }
        }
        columns
    }
}
