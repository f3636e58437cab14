//! All other nodes: tables, lists and queues of the store, and nodes of unknown kinds.

use super::{Copier, REFERENCES_MAX, Trouble};
use crate::error::{ErrorKind, Result};
use crate::finding::Ignore;
use crate::format::bytes::{le32, wide};
use crate::format::heap::{ClientSig, HnHeader};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::tags;
use crate::ltp::{PropertyContext, TableContext};
use crate::monitor::{Monitor, step};
use crate::ndb::Node;
use crate::write::store::OLD_SEARCH_FOLDER;
use crate::write::templates::TEMPLATES;
use crate::write::{Cell, Data, Node as Written, Props, SubNodes, TableBuilder, TableKind};
use std::collections::HashSet;

impl Copier<'_, '_> {
    /// Everything that is not a folder, a message, or made anew.
    pub(super) fn copy_other_nodes(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let ndb = self.pst.ndb();
        for entry in ndb.index().nodes() {
            let nid = entry.nid;
            let t = nid.nid_type();
            let is_listed = self.out.folders.contains_key(&nid.with_type(NidType::NORMAL_FOLDER));
            let made =
                matches!(nid, Nid::MESSAGE_STORE | Nid::NAME_TO_ID_MAP | Nid::ID_MAP | Nid::MESSAGE_INDEX | Nid::MESSAGE_INDEX_QUEUE)
                    || nid.is_folder()
                    || nid.is_message()
                    || (matches!(t, NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE) && is_listed);
            if made || !self.wants(nid) {
                continue;
            }
            step(monitor, 1)?;
            if self.is_spent() {
                self.report.drop_node(nid, "objects of this file name the same blocks too often");
                continue;
            }
            let folder = |t| self.out.folders.contains_key(&nid.with_type(t));
            let template = TEMPLATES.iter().any(|(n, _)| *n == nid);
            let stray = match t {
                NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE => !template,
                NidType::SEARCH_CONTENTS_TABLE | NidType::SEARCH_UPDATE_QUEUE | NidType::SEARCH_CRITERIA_OBJECT => {
                    !template && !folder(NidType::SEARCH_FOLDER)
                }
                _ => false,
            };
            if stray {
                self.report.drop_node(nid, "a table of a folder that is not there");
                continue;
            }
            let made_anew = template || (t == NidType::SEARCH_CONTENTS_TABLE && folder(NidType::SEARCH_FOLDER));
            let Some(node) = ndb.node(nid) else { continue };
            let mut trouble = Trouble::default();
            let copied = match nid {
                Nid::SEARCH_ACTIVITY_LIST => self.copy_search_list(&node),
                Nid::SEARCH_DOMAIN_OBJECT => self.copy_list(&node, 4, |this, record| this.has_folder(Nid(le32(record, 0)))),
                Nid::FOLDER_LIST => self.copy_list(&node, 28, |this, record| this.will_have(Nid(le32(record, 0)))),
                Nid::FOLDER_LIST_HEAD if node.data(&mut Ignore)?.len() != 104 => Ok(Some(Written::default())),
                _ => self.copy_node(&node, nid, &mut trouble),
            };
            match self.goes_on(copied)?.flatten() {
                Some(written) => {
                    // a queue's entry has the place of its head here
                    let is_queue = t == NidType::SEARCH_UPDATE_QUEUE || nid == Nid::SEARCH_MANAGEMENT_QUEUE || nid == Nid::SEARCH_QUEUE_3;
                    let behind = is_queue && u64::from(entry.parent.0) > written.bytes;
                    self.out.add_raw_node(nid, written, if behind { Nid::NONE } else { entry.parent })?;
                }
                // the writer makes these of themselves
                None if made_anew => {}
                None => self.report.drop_node(nid, "cannot be read, or not in this variant"),
            }
            self.settle(trouble);
        }
        Ok(())
    }

    /// Whether an entry of the search domain object names a folder of the copy: it has marks in place of the type.
    fn has_folder(&self, nid: Nid) -> bool {
        [NidType::NORMAL_FOLDER, NidType::SEARCH_FOLDER].iter().any(|t| self.out.folders.contains_key(&nid.with_type(*t)))
    }

    /// Whether the copy has the store object or a folder.
    fn will_have(&self, nid: Nid) -> bool {
        nid == Nid::MESSAGE_STORE || self.out.folders.contains_key(&nid)
    }

    /// A list of records, without those that stand for nothing.
    fn copy_list(&mut self, node: &Node<'_>, record: usize, stands: impl Fn(&Self, &[u8]) -> bool) -> Result<Option<Written>> {
        let bytes = node.data(&mut Ignore)?.read_all(node.ndb, 1 << 20, &mut Ignore).map(|b| b.into_owned()).unwrap_or_default();
        let kept: Vec<u8> = bytes.chunks_exact(record).filter(|r| stands(self, r)).flatten().copied().collect();
        let tree = self.out.ndb().write_data(&kept)?;
        Ok(Some(Written { data: tree.bid, bytes: tree.bytes, ..Written::default() }))
    }

    /// The list of search folders: without those that are not there, and with all that are.
    fn copy_search_list(&mut self, node: &Node<'_>) -> Result<Option<Written>> {
        let bytes = node.data(&mut Ignore)?.read_all(node.ndb, 1 << 20, &mut Ignore).map(|b| b.into_owned()).unwrap_or_default();
        let is_search = |n: &Nid| n.nid_type() == NidType::SEARCH_FOLDER && *n != OLD_SEARCH_FOLDER;
        let mut known = HashSet::new();
        let listed = bytes.chunks_exact(4).map(|c| Nid(le32(c, 0)));
        let mut kept: Vec<Nid> = listed.filter(|n| is_search(n) && self.out.folders.contains_key(n)).filter(|n| known.insert(*n)).collect();
        kept.extend(self.out.folders.keys().filter(|n| is_search(n) && !known.contains(n)));
        let kept: Vec<u8> = kept.iter().flat_map(|n| n.0.to_le_bytes()).collect();
        let tree = self.out.ndb().write_data(&kept)?;
        Ok(Some(Written { data: tree.bid, bytes: tree.bytes, ..Written::default() }))
    }

    /// Copies a node or sub-node of whatever kind; `None` where it cannot be read, or the copy's variant cannot hold it.
    pub(super) fn copy_node(&mut self, node: &Node<'_>, nid: Nid, trouble: &mut Trouble) -> Result<Option<Written>> {
        let Ok(tree) = node.data(&mut trouble.findings) else { return Ok(None) };
        let first = tree.leaf(node.ndb, 0, &mut Ignore).unwrap_or_default();
        let may_be_heap = !matches!(nid.nid_type(), NidType::OBJECT_DATA | NidType::LTP);
        let header = if may_be_heap { HnHeader::decode(node.ndb.layout(), &first, node.at, &mut Ignore)? } else { None };
        let is_heap = header.is_some();
        let client = header.map_or(ClientSig(0), |h| h.client);
        let fits = match client {
            ClientSig::TABLE | ClientSig::GUST => true,
            ClientSig::PROPERTY => nid.nid_type() == NidType::SEARCH_CRITERIA_OBJECT,
            _ => false,
        };
        if is_always_heap(nid) && !fits {
            trouble.value();
            return Ok(None);
        }
        match client {
            ClientSig::PROPERTY if is_heap => {
                let Some(pc) = PropertyContext::open(node.clone(), &mut trouble.findings).ok().flatten() else { return Ok(None) };
                let page = self.page_of(&pc);
                let mut props = self.read_props(&pc, page, trouble)?;
                if nid.nid_type() == NidType::SEARCH_CRITERIA_OBJECT && !props.has(tags::SEARCH_FLAGS.id()) {
                    props.set_i32(tags::SEARCH_FLAGS, 0);
                }
                let subs = SubNodes::new();
                return self.out.ndb().write_properties(&props, subs).map(Some);
            }
            ClientSig::TABLE if is_heap => {
                return match self.copy_table(node, nid, trouble) {
                    // rows or columns that no table has are damage
                    Err(e) if matches!(e.kind(), ErrorKind::Usage(_) | ErrorKind::TooLarge(_)) => {
                        trouble.value();
                        Ok(None)
                    }
                    done => done,
                };
            }
            _ => {}
        }
        // Heaps that only Outlook understands keep their form where the other variant's is the same.
        let (from, to) = (self.pst.layout(), self.out.ndb().layout());
        let same = from.hid_index_bits == to.hid_index_bits
            && (from.block_data_max() == to.block_data_max() || (tree.leaf_count() <= 1 && tree.len() <= wide(to.block_data_max())));
        if is_heap && !same {
            return Ok(None);
        }
        self.copy_raw(node.clone(), trouble).map(Some)
    }

    /// Copies bytes and sub-nodes as they are.
    fn copy_raw(&mut self, root: Node<'_>, trouble: &mut Trouble) -> Result<Written> {
        struct Level<'n> {
            nid: Nid,
            roots: (Bid, Bid),
            /// The earlier losses.
            mark: (u64, usize),
            data: crate::write::WrittenData,
            subs: SubNodes,
            pending: std::vec::IntoIter<Node<'n>>,
        }
        let most = usize::from(self.pst.ndb().limits().embedded_depth);
        let mut stack: Vec<Level<'_>> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(node) = next.take() {
                let roots = (node.data.masked(), node.sub.masked());
                if let Some((known, is_lossy)) = self.shared.nodes.get(&roots).copied()
                    && self.out.ndb().references(known.sub) < REFERENCES_MAX
                    && self.out.ndb().references(known.data) < REFERENCES_MAX
                {
                    if is_lossy {
                        trouble.value();
                    }
                    let Some(below) = stack.last_mut() else { return Ok(known) };
                    below.subs.add(node.nid, known);
                    next = below.pending.next();
                    continue;
                }
                let mark = trouble.mark();
                let tree = node.data(&mut trouble.findings).unwrap_or_default();
                let (data, problems) = self.write_tree(node.ndb, tree)?;
                if !problems.is_empty() {
                    trouble.value();
                }
                let ids: Vec<Nid> = match node.subnodes(&mut trouble.findings) {
                    Ok(tree) if stack.len() < most => tree.iter().map(|e| e.nid).collect(),
                    _ => Vec::new(),
                };
                let pending: Vec<Node<'_>> = ids.into_iter().filter_map(|nid| node.subnode(nid, &mut Ignore).ok().flatten()).collect();
                stack.push(Level { nid: node.nid, roots, mark, data, subs: SubNodes::new(), pending: pending.into_iter() });
            }
            let Some(top) = stack.last_mut() else { return Ok(Written::default()) };
            next = top.pending.next();
            if next.is_none()
                && let Some(done) = stack.pop()
            {
                let written = done.subs.finish(self.out.ndb(), done.data)?;
                if !written.sub.is_none() {
                    self.shared.nodes.insert(done.roots, (written, trouble.is_lossy_since(done.mark)));
                }
                match stack.last_mut() {
                    Some(below) => below.subs.add(done.nid, written),
                    None => return Ok(written),
                }
            }
        }
    }

    /// Copies a table with its rows and all its columns; a template also gets the columns that it must have.
    fn copy_table(&mut self, node: &Node<'_>, nid: Nid, trouble: &mut Trouble) -> Result<Option<Written>> {
        let Some(table) = TableContext::open(node.clone(), &mut trouble.findings).ok().flatten() else { return Ok(None) };
        let mut columns: Vec<_> = table.columns().to_vec();
        columns.sort_by_key(|c| c.bit);
        let mut created: Vec<_> = columns.iter().map(|c| self.fit_tag(c.tag)).collect();
        // readers give up a table with a column of no type
        created.retain(|t| t.prop_type().is_stored() || !self.mend);
        // a node that is no template has none
        let missing: Vec<_> = self.out.template_columns(nid).into_iter().filter(|t| !created.contains(t)).collect();
        created.extend(missing);
        let mut rows = self.read_table(&table, trouble)?;
        rows.sort_by_key(|(id, _)| *id);
        give_ids(&mut rows);
        if nid == Nid::OUTGOING_QUEUE_TABLE {
            // no template but a queue: its rows are messages that wait
            let index = self.pst.ndb().index();
            rows.retain(|(id, _)| Nid(*id).is_message() && index.node(Nid(*id)).is_some());
        } else if TEMPLATES.iter().any(|(n, _)| *n == nid) {
            // Outlook would copy them into every new table
            rows.clear();
        }
        if nid.nid_type() == NidType::SEARCH_CONTENTS_TABLE {
            let index = self.pst.ndb().index();
            rows.retain(|(id, _)| index.node(Nid(*id)).is_some());
        }
        if nid == Nid::RECEIVE_FOLDER_TABLE {
            let folders = &self.out.folders;
            rows.retain(|(_, p)| p.i32(tags::RECEIVE_FOLDER_NID).is_some_and(|n| folders.contains_key(&Nid(n.cast_unsigned()))));
            if rows.is_empty() {
                return Ok(None);
            }
        }
        let mut builder = TableBuilder::new(self.out.ndb(), TableKind::of(nid), &created, rows.len())?;
        for (id, props) in &rows {
            let cells: Vec<_> = props
                .iter()
                .filter_map(|(t, d)| match d {
                    Data::Bytes(b) => Some((t, Cell::Bytes(b))),
                    Data::Written(tree) => Some((t, Cell::Written(*tree))),
                    Data::Object { .. } => None,
                })
                .collect();
            let version = self.out.ndb().next_unique();
            builder.push(self.out.ndb(), *id, version, &cells)?;
        }
        builder.finish(self.out.ndb()).map(Some)
    }
}

/// Gives rows that have no id, or one that another row has, ids of their own; they stay in order.
fn give_ids(rows: &mut [(u32, Props)]) {
    let used: HashSet<u32> = rows.iter().map(|(id, _)| *id).collect();
    let mut next = rows.last().map_or(1, |(id, _)| id.wrapping_add(1));
    let mut before = 0;
    for (id, _) in rows.iter_mut() {
        if *id == before {
            while next == 0 || used.contains(&next) {
                next = next.wrapping_add(1);
            }
            *id = next;
            next = next.wrapping_add(1);
        } else {
            before = *id;
        }
    }
    rows.sort_by_key(|(id, _)| *id);
}

/// Whether a node of this type holds a heap wherever it holds anything.
fn is_always_heap(nid: Nid) -> bool {
    matches!(
        nid.nid_type(),
        NidType::SEARCH_CRITERIA_OBJECT
            | NidType::RECEIVE_FOLDER_TABLE
            | NidType::OUTGOING_QUEUE_TABLE
            | NidType::HIERARCHY_TABLE
            | NidType::CONTENTS_TABLE
            | NidType::ASSOC_CONTENTS_TABLE
            | NidType::SEARCH_CONTENTS_TABLE
            | NidType::ATTACHMENT_TABLE
            | NidType::RECIPIENT_TABLE
            | NidType::REPLICATION_TABLE
            | NidType::REPLICATION_TABLE_17
            | NidType::REPLICATION_TABLE_18
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_gets_an_id_of_its_own(ids in proptest::collection::vec(prop_oneof![0u32..6, u32::MAX - 3..=u32::MAX], 0..24)) {
            let mut rows: Vec<(u32, Props)> = ids.iter().map(|id| (*id, Props::new())).collect();
            rows.sort_by_key(|(id, _)| *id);
            give_ids(&mut rows);
            prop_assert!(rows.windows(2).all(|w| matches!(w, [a, b] if a.0 < b.0)));
            prop_assert!(rows.iter().all(|(id, _)| *id != 0));
            let kept: HashSet<u32> = ids.into_iter().filter(|id| *id != 0).collect();
            prop_assert!(kept.iter().all(|id| rows.iter().any(|(r, _)| r == id)));
        }
    }
}
