//! Objects that a store promises and does not hold: rows of folders' tables that no node answers to, and counts where the table itself is gone.
//!
//! Every command that reads or copies a store counts this as lost; the check finds the same and says where.

use super::open::Pst;
use crate::finding::Ignore;
use crate::format::bytes::wide;
use crate::format::ids::{Nid, NidType};
use crate::format::tags;
use crate::ltp::{PropertyContext, TableContext};
use crate::ndb::Ndb;
use std::collections::HashSet;

/// Ids that are kept.
const LISTED: usize = 1000;

/// Objects that no node gives ([MS-PST] 2.4.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Folders.
    pub folders: u64,
    /// Messages.
    pub messages: u64,
    /// Associated messages.
    pub associated: u64,
    /// Ids in rows that no node has, with the folder whose table it is; the first thousand.
    pub listed: Vec<(Nid, Nid)>,
}

impl Missing {
    /// Whether everything that is promised is there.
    pub const fn is_empty(&self) -> bool {
        self.folders == 0 && self.messages == 0 && self.associated == 0
    }

    fn add(&mut self, nid: Nid, folder: Nid) {
        let count = match nid.nid_type() {
            NidType::NORMAL_MESSAGE => &mut self.messages,
            NidType::ASSOC_MESSAGE => &mut self.associated,
            _ => &mut self.folders,
        };
        *count = count.saturating_add(1);
        if self.listed.len() < LISTED {
            self.listed.push((nid, folder));
        }
    }
}

impl Pst {
    /// Objects that the store's own tables and counts promise and no node gives. Reads the row indexes of the folders' tables, each once, however
    /// many folders name it.
    ///
    /// ```
    /// # fn main() -> pstkit::error::Result<()> {
    /// # let bytes = pstkit::testkit::tiny(pstkit::testkit::VARIETIES[0], 1)?;
    /// let pst = pstkit::Pst::from_bytes(bytes)?;
    /// assert!(pst.missing().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn missing(&self) -> Missing {
        let (ndb, index) = (self.ndb(), self.ndb().index());
        let mut missing = Missing::default();
        if index.node(Nid::ROOT_FOLDER).is_none() {
            missing.folders = 1;
        }
        let (mut tables, mut gone) = (HashSet::new(), HashSet::new());
        for folder in index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_FOLDER).map(|n| n.nid) {
            for t in [NidType::HIERARCHY_TABLE, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE] {
                let entry = index.node(folder.with_type(t));
                if entry.is_some_and(|n| !tables.insert((n.data.masked(), n.sub.masked()))) {
                    continue;
                }
                match entry.and_then(|_| ids_in(ndb, folder.with_type(t))) {
                    Some(ids) => {
                        let lost = ids.into_iter().filter(|nid| fits(t, *nid) && index.node(*nid).is_none());
                        lost.filter(|nid| gone.insert(*nid)).for_each(|nid| missing.add(nid, folder));
                    }
                    None if t == NidType::CONTENTS_TABLE => {
                        missing.messages = missing.messages.saturating_add(uncounted(ndb, folder));
                    }
                    None => {}
                }
            }
        }
        missing
    }
}

/// Whether a folder's table lists such objects.
fn fits(table: NidType, nid: Nid) -> bool {
    match table {
        NidType::HIERARCHY_TABLE => nid.is_folder(),
        NidType::CONTENTS_TABLE => nid.nid_type() == NidType::NORMAL_MESSAGE,
        _ => nid.nid_type() == NidType::ASSOC_MESSAGE,
    }
}

/// The ids of a table's rows; `None` where it cannot be read.
fn ids_in(ndb: &Ndb, table: Nid) -> Option<Vec<Nid>> {
    let table = TableContext::open(ndb.node(table)?, &mut Ignore).ok().flatten()?;
    let index = table.row_index(&mut Ignore).unwrap_or_default();
    if wide(index.len()) >= u64::from(table.row_count()) {
        return Some(index.into_iter().map(|(id, _)| Nid(id)).collect());
    }
    let (mut ids, mut rows) = (Vec::new(), table.rows());
    while let Ok(Some(row)) = rows.next(&mut Ignore) {
        ids.push(Nid(row.id()));
    }
    Some(ids)
}

/// How many messages a folder counts and does not have: all that tells of them where its contents table is gone.
pub(crate) fn uncounted(ndb: &Ndb, folder: Nid) -> u64 {
    let mut problems = Vec::new();
    let pc = ndb.node(folder).and_then(|node| PropertyContext::open(node, &mut problems).ok().flatten());
    let stated = pc.filter(|_| problems.is_empty()).and_then(|pc| pc.int(tags::CONTENT_COUNT.id()));
    let there = ndb.index().children(folder).filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).count();
    stated.and_then(|n| u64::try_from(n).ok()).unwrap_or_default().saturating_sub(wide(there))
}
