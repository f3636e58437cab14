//! Copying some nodes: for a file that keeps all others. Tables follow from the objects that they list, so those that stay are read for
//! their rows, and for nothing else.

use super::object::row_only;
use super::{Copier, CopyOptions, CopyReport, Trouble, copy_some};
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::ids::{Nid, NidType};
use crate::format::tags;
use crate::io::Storage;
use crate::ltp::{PropertyContext, TableContext};
use crate::messaging::Pst;
use crate::monitor::Monitor;
use crate::write::Props;
use std::collections::BTreeSet;

/// The result of copying some nodes.
#[derive(Debug)]
pub(crate) struct CopiedNodes {
    /// The fate of them; objects that were read for their rows alone do not count.
    pub(crate) report: CopyReport,
    /// Messages that are in another folder now, because their own is not there: copied, wanted or not.
    pub(crate) strayed: Vec<Nid>,
}

/// Writes the nodes of a store that are in `only` to a file of their own, as [`copy`](super::copy()) would write them. Whatever else is in
/// that file stands for nothing.
pub(crate) fn copy_nodes(
    pst: &Pst,
    storage: &dyn Storage,
    options: &CopyOptions,
    only: &BTreeSet<Nid>,
    monitor: &dyn Monitor,
) -> Result<CopiedNodes> {
    let (report, strayed) = copy_some(pst, storage, options, Some(only), monitor)?;
    Ok(CopiedNodes { report, strayed })
}

impl Copier<'_, '_> {
    /// Whether a node is to be copied.
    pub(super) fn wants(&self, nid: Nid) -> bool {
        self.only.is_none_or(|only| only.contains(&nid))
    }

    /// Whether everything in a folder is to be listed: where any of its nodes is wanted or new, or an index of all messages.
    pub(super) fn lists_all_of(&self, folder: Nid) -> bool {
        let Some(only) = self.only else { return true };
        let own = [NidType::NORMAL_FOLDER, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE].map(|t| folder.with_type(t));
        let is_new = self.pst.ndb().index().node(folder).is_none();
        is_new || own.iter().chain(&[Nid::ID_MAP, Nid::MESSAGE_INDEX]).any(|nid| only.contains(nid))
    }

    /// Lists a message that stays where it is.
    pub(super) fn copy_row(&mut self, nid: Nid, folder: Nid, tables: &[Option<(TableContext<'_>, bool)>; 2]) -> Result<()> {
        let mut trouble = Trouble::default();
        let [contents, associated] = tables;
        let table = if nid.nid_type() == NidType::ASSOC_MESSAGE { associated } else { contents };
        let row = table.as_ref().and_then(|(t, _)| t.row_by_id(nid.0, &mut Ignore).ok().flatten());
        let cells = match (table, &row) {
            (Some((table, _)), Some(row)) => self.read_row(table, row, &mut trouble)?,
            _ => Props::new(),
        };
        let mut only = row_only(&cells);
        let status = |p: &Props| p.bytes(tags::MESSAGE_STATUS).map(<[u8]>::to_vec);
        let pc = self.pst.ndb().node(nid).and_then(|node| PropertyContext::open(node, &mut Ignore).ok().flatten());
        let Some(pc) = pc else { return self.out.list_message(folder, nid, &cells, only) };
        // the row's values, their sources, and the counts
        let mut wanted: BTreeSet<u16> = self.out.row_columns(folder, nid).iter().map(|t| t.id()).collect();
        wanted.extend(
            [
                tags::MESSAGE_STATUS,
                tags::MESSAGE_FLAGS,
                tags::CONVERSATION_INDEX,
                tags::CONVERSATION_INDEX_TRACKING,
                tags::CONVERSATION_TOPIC,
            ]
            .map(|t| t.id()),
        );
        let page = self.page_of(&pc);
        let props = self.read_props_of(&pc, page, &|tag| wanted.contains(&tag.id()), &mut trouble)?;
        if !only.iter().any(|(t, _)| *t == tags::MESSAGE_STATUS) {
            only.extend(status(&props).map(|bytes| (tags::MESSAGE_STATUS, bytes)));
        }
        self.out.list_message(folder, nid, &props, only)
    }
}
