//! Folders of a store that is being written ([MS-PST] 2.4.4).
//!
//! ```text
//! index i   (i << 5) | 2 properties   | D hierarchy table   | E contents table   | F associated contents table
//! search    (i << 5) | 3 properties   | 6 update queue      | 7 criteria         | 10 contents table
//! ```

use super::message::Named;
use super::pc::{Node, SubNodes};
use super::props::{Data, Props};
use super::rows::Rows;
use super::store::PstWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{low32, wide};
use crate::format::ids::{Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::messaging::code_page::CodePage;

/// A folder that is to be added, beyond its name.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct NewFolder {
    /// Its id; drawn where it is not given.
    pub nid: Option<Nid>,
    /// Its properties. Name and counts are set when it is written.
    pub props: Props,
    /// Its named properties.
    pub named: Vec<Named>,
    /// Columns of its hierarchy table behind those that every such table has.
    pub hierarchy_columns: Vec<PropTag>,
    /// Columns of its contents table behind those that every such table has.
    pub contents_columns: Vec<PropTag>,
    /// Columns of its associated contents table behind those that every such table has.
    pub associated_columns: Vec<PropTag>,
    /// Further sub-nodes.
    pub subnodes: SubNodes,
    /// Cells that only its row in the parent's table has.
    pub row_only: Vec<(PropTag, Vec<u8>)>,
    /// Whether to write it as it is: texts stay of the type that they have.
    pub verbatim: bool,
}

impl NewFolder {
    setters! {
        nid: Option<Nid>, props: Props, named: Vec<Named>, hierarchy_columns: Vec<PropTag>, contents_columns: Vec<PropTag>,
        associated_columns: Vec<PropTag>, subnodes: SubNodes, row_only: Vec<(PropTag, Vec<u8>)>, verbatim: bool,
    }

    /// A folder for items of a class, such as `IPF.Contact`.
    pub fn of_class(class: &str) -> Self {
        let mut new = Self::default();
        new.props.set_str(tags::CONTAINER_CLASS, class);
        new.props.set_i32(tags::PST_HIDDEN_COUNT, 0).set_i32(tags::PST_HIDDEN_UNREAD, 0);
        new
    }
}

/// A folder of the store that is being written.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) nid: Nid,
    pub(super) parent: Nid,
    pub(super) props: Props,
    pub(super) children: Vec<Nid>,
    pub(super) contents: Rows,
    pub(super) associated: Rows,
    pub(super) contents_count: usize,
    pub(super) unread: u32,
    /// Whether all that it holds is added: only then is it known how much that is.
    pub(super) is_counted: bool,
    /// Contents and associated contents, once they are written.
    pub(super) tables: Option<(Node, Node)>,
    pub(super) hierarchy_columns: Vec<PropTag>,
    pub(super) subnodes: SubNodes,
    pub(super) row_only: Vec<(PropTag, Vec<u8>)>,
    /// Made for items that have lost their own folder.
    pub(super) is_lost_and_found: bool,
}

impl Folder {
    /// Its name.
    pub(super) fn name(&self, code_page: CodePage) -> Option<String> {
        match self.props.get(tags::DISPLAY_NAME.id())? {
            (t, Data::Bytes(b)) if t.prop_type() == PropType::STRING8 => Some(code_page.decode(b).0.into_owned()),
            _ => self.props.str(tags::DISPLAY_NAME),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.tables.is_some()
    }

    pub(super) fn is_search(&self) -> bool {
        self.nid.nid_type() == NidType::SEARCH_FOLDER
    }

    /// Sets the counts that follow from its contents.
    pub(super) fn complete(&mut self) {
        if !self.is_search() && self.is_counted {
            self.props.set(tags::CONTENT_COUNT, low32(wide(self.contents_count)).to_le_bytes());
            self.props.set(tags::CONTENT_UNREAD_COUNT, self.unread.to_le_bytes());
        }
        self.props.or(tags::CONTENT_COUNT, || vec![0; 4]).or(tags::CONTENT_UNREAD_COUNT, || vec![0; 4]);
        self.props.set_bool(tags::SUBFOLDERS, !self.children.is_empty());
    }
}

impl PstWriter<'_> {
    /// Adds a mail folder and answers its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such parent; as [`add_folder_with`](Self::add_folder_with).
    pub fn add_folder(&mut self, parent: Nid, name: &str) -> Result<Nid> {
        self.add_folder_with(parent, name, NewFolder::of_class("IPF.Note"))
    }

    /// Adds a folder and answers its id. The root folder is its own parent.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such parent, [`ErrorKind::Usage`] where the id is no folder's or taken,
    /// [`ErrorKind::TooLarge`] where there are no more ids.
    pub fn add_folder_with(&mut self, parent: Nid, name: &str, new: NewFolder) -> Result<Nid> {
        let NewFolder { nid, mut props, named, hierarchy_columns, contents_columns, associated_columns, subnodes, row_only, verbatim } =
            new;
        let nid = match nid {
            Some(nid) => nid,
            None => self.ndb.next_nid(NidType::NORMAL_FOLDER)?,
        };
        if !nid.is_folder() || self.folders.contains_key(&nid) {
            return Err(ErrorKind::Usage(format!("{nid} is no folder's id, or taken")).into());
        }
        if parent != nid {
            match self.folders.get_mut(&parent) {
                Some(p) if !p.is_search() => p.children.push(nid),
                _ => return Err(Error::not_found(format!("folder {parent}"))),
            }
        }
        self.ndb.use_nid(nid);
        if !props.has(tags::DISPLAY_NAME.id()) {
            props.set_str(tags::DISPLAY_NAME, name);
        }
        self.fit(&mut props, named, verbatim)?;
        for tag in [tags::LTP_ROW_ID, tags::LTP_ROW_VER] {
            props.remove(tag.id());
        }
        let contents = Rows::new(self.contents_columns(NidType::CONTENTS_TABLE, &contents_columns));
        let associated = Rows::new(self.contents_columns(NidType::ASSOC_CONTENTS_TABLE, &associated_columns));
        let ansi = self.ndb.layout().is_ansi();
        let hierarchy_columns = super::templates::columns_for(ansi, &hierarchy_columns)
            .into_iter()
            .filter(|t| t.prop_type() != PropType::OBJECT && !super::templates::columns_for(ansi, super::templates::HIERARCHY).contains(t))
            .collect();
        let folder = Folder {
            nid,
            parent,
            props,
            children: Vec::new(),
            contents,
            associated,
            contents_count: 0,
            unread: 0,
            is_counted: true,
            tables: None,
            hierarchy_columns,
            subnodes,
            row_only,
            is_lost_and_found: false,
        };
        self.folders.insert(nid, folder);
        Ok(nid)
    }

    /// The folders so far.
    pub fn folder_ids(&self) -> impl Iterator<Item = Nid> + '_ {
        self.folders.keys().copied()
    }

    /// Changes a folder's properties until the store is finished: to put entry ids of folders that come later into it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such folder.
    pub fn set_folder_props(&mut self, folder: Nid, mut props: Props) -> Result<()> {
        self.fit(&mut props, Vec::new(), false)?;
        let Some(f) = self.folders.get_mut(&folder) else { return Err(Error::not_found(format!("folder {folder}"))) };
        for (tag, data) in props.iter() {
            f.props.put(tag, data.clone());
        }
        Ok(())
    }
}
