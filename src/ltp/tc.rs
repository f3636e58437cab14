//! The table context: rows of properties ([MS-PST] 2.3.4), read leaf by leaf.

use super::bth::Bth;
use super::heap::{Heap, Item, Usage};
use super::stream::ValueReader;
use super::value::{Decode8, Lookup, PropValue, ValueSource, is_sound};
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{index, le16, le32, low32, wide};
use crate::format::context::{COLUMN_HEAPS, GUST_COLUMN, ROW_KEY, TcInfo, TcolDesc};
use crate::format::heap::{BthHeader, ClientSig};
use crate::format::ids::{Hid, Hnid, HnidKind, Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::ltp::Depth;
use crate::ndb::{DataTree, Ndb, Node};
use crate::rules;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of an entry of the row index.
pub(crate) const INDEX_ENTRY: u64 = 8;

/// A table: columns, rows, and an index of the rows by their ids. Owns its node.
///
/// ```no_run
/// # fn f(ndb: &pstkit::ndb::Ndb) -> pstkit::error::Result<()> {
/// use pstkit::finding::Strict;
/// use pstkit::format::{ids::Nid, tags};
/// use pstkit::ltp::{TableContext, latin1};
///
/// let node = ndb.node(Nid(0x12D)).expect("the root folder's hierarchy table");
/// if let Some(table) = TableContext::open(node, &mut Strict)? {
///     let mut rows = table.rows();
///     while let Some(row) = rows.next(&mut Strict)? {
///         println!("{:#x}: {:?}", row.id(), row.value(tags::DISPLAY_NAME.id(), &latin1, &mut Strict)?);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TableContext<'n> {
    node: Option<Node<'n>>,
    heap: Heap<'n>,
    info: TcInfo,
    index: Option<BthHeader>,
    matrix: Matrix<'n>,
    column_heaps: Vec<ColumnHeap<'n>>,
}

/// Where the rows are.
#[derive(Debug)]
enum Matrix<'n> {
    /// In an item of the heap, or nowhere.
    Heap(Hid),
    /// In a sub-node: whole rows in each leaf, so many in a full one.
    Node { ndb: &'n Ndb, tree: DataTree, per_leaf: usize, current: Mutex<Option<(usize, Leaf<'n>)>> },
}

/// The bytes of a leaf; rows hold on to it.
type Leaf<'n> = Arc<Cow<'n, [u8]>>;

/// The values of a column that has a heap of its own.
#[derive(Debug)]
struct ColumnHeap<'n> {
    nid: Nid,
    tag: PropTag,
    heap: OnceLock<Option<Box<Heap<'n>>>>,
}

impl<'n> TableContext<'n> {
    /// Opens the table of a node; `None` where there is none.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open(node: Node<'n>, sink: &mut dyn Sink) -> Result<Option<Self>> {
        match Heap::open(&node, sink)? {
            Some(heap) => Self::on(heap, Some(node), sink),
            None => Ok(None),
        }
    }

    /// Opens the table on a heap; rows and values in sub-nodes are looked up in `node`.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn on(heap: Heap<'n>, node: Option<Node<'n>>, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let at = heap.at().with_hid(heap.user_root());
        let is_gust = heap.client() == ClientSig::GUST;
        if heap.client() != ClientSig::TABLE && !is_gust {
            let finding = Finding::new(&rules::HN_CLIENT, at).hex(heap.client().0.into(), ClientSig::TABLE.0.into());
            sink.report(finding.loss(Loss::Item))?;
        }
        let info = if is_gust { Self::read_gust(&heap, node.as_ref(), at, sink)? } else { Self::read_info(&heap, at, sink)? };
        let Some(mut info) = info else { return Ok(None) };
        if let Some(node) = &node
            && heap.layout().compresses()
            && node.nid.nid_type() == NidType::CONTENTS_TABLE
        {
            for (tag, nid) in COLUMN_HEAPS {
                info.columns.iter_mut().filter(|c| c.tag == tag).for_each(|c| c.heap = nid);
            }
        }
        let with_heap = info.columns.iter().filter(|c| !c.heap.is_none());
        let column_heaps = with_heap.map(|c| ColumnHeap { nid: c.heap, tag: c.tag, heap: OnceLock::new() }).collect();
        // Outlook keeps neither index nor rows of such a table in order, and makes it again.
        let results = node.as_ref().is_some_and(|n| n.nid.nid_type() == NidType::SEARCH_CONTENTS_TABLE);
        let sink: &mut dyn Sink = if is_gust && results { &mut Ignore } else { sink };
        let index = Self::read_index(&heap, &info, sink)?;
        let matrix = Self::find_rows(&heap, node.as_ref(), &info, sink)?;
        let table = Self { node, heap, info, index, matrix, column_heaps };
        if let (rows, Some(most)) = (table.rows_stored(), table.node.as_ref().map(|n| u64::from(n.ndb.limits().table_rows)))
            && rows > most
        {
            sink.report(Finding::new(&rules::TC_MATRIX, at).numbers(rows, most).loss(Loss::Partial))?;
        }
        Ok(Some(table))
    }

    /// TCINFO: at the heap's root, or, where that is damaged, wherever an item looks like it.
    fn read_info(heap: &Heap<'n>, at: Location, sink: &mut dyn Sink) -> Result<Option<TcInfo>> {
        if let Some(item) = heap.find(heap.user_root(), sink)?
            && item.first() == Some(&ClientSig::TABLE.0)
        {
            return TcInfo::decode(&item, at, sink);
        }
        sink.report(Finding::new(&rules::HN_USER_ROOT, at).loss(Loss::Item))?;
        let mut found = None;
        heap.for_each_item(&mut Ignore, &mut |_, item| {
            let count = item.get(1).copied().map_or(0, usize::from);
            if found.is_none() && item.first() == Some(&ClientSig::TABLE.0) && count > 0 && item.len() == TcInfo::size(count) {
                found = TcInfo::decode(item, at, &mut Ignore)?.filter(|info| info.columns.iter().any(|c| c.tag == tags::LTP_ROW_ID));
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn read_gust(heap: &Heap<'n>, node: Option<&Node<'n>>, at: Location, sink: &mut dyn Sink) -> Result<Option<TcInfo>> {
        sink.report(Finding::new(&rules::TC_GUST, at))?;
        let head = heap.find(heap.user_root(), sink)?.and_then(|item| TcInfo::decode_gust(&item));
        let Some((mut info, count, columns)) = head else {
            let f = Finding::new(&rules::TC_INFO, at).loss(Loss::Item);
            // results of a search are made again
            let results = node.is_some_and(|n| n.nid.nid_type() == NidType::SEARCH_CONTENTS_TABLE);
            sink.report(if results { f.severity(rules::Severity::Notice).loss(Loss::Metadata) } else { f })?;
            return Ok(None);
        };
        let lookup = Lookup { heap, node };
        if let Some(source) = lookup.find(columns, (&rules::TC_INFO, &rules::TC_INFO), at, &mut Ignore)? {
            let bytes = lookup.bytes(&source, at, sink)?.unwrap_or_default();
            info.columns = bytes.chunks_exact(GUST_COLUMN).take(count.into()).map(TcolDesc::decode_gust).collect();
        }
        Ok(Some(info))
    }

    fn read_index(heap: &Heap<'n>, info: &TcInfo, sink: &mut dyn Sink) -> Result<Option<BthHeader>> {
        let Some(tree) = Bth::open(heap, info.row_index, sink)? else { return Ok(None) };
        let header = *tree.header();
        // the width is the header's own word: some tables of ANSI files have 4 bytes where others have 2
        if header.key != ROW_KEY || !matches!(header.entry, 2 | 4) {
            let finding = Finding::new(&rules::TC_INDEX_FORM, heap.at().with_hid(info.row_index));
            sink.report(finding.actual(format!("keys of {} bytes, entries of {}", header.key, header.entry)).loss(Loss::Metadata))?;
            return Ok(None);
        }
        Ok(Some(header))
    }

    fn find_rows(heap: &Heap<'n>, node: Option<&Node<'n>>, info: &TcInfo, sink: &mut dyn Sink) -> Result<Matrix<'n>> {
        let (at, size) = (heap.at(), info.row_size());
        let rest = |len: usize| len.checked_rem(size).unwrap_or_default();
        let missing = |sink: &mut dyn Sink| {
            let finding = Finding::new(&rules::TC_ROWS_MISSING, at).stored(info.rows.0.into()).loss(Loss::Partial);
            sink.report(finding).map(|()| Matrix::Heap(Hid::NONE))
        };
        let len = match info.rows.kind() {
            HnidKind::Empty => return Ok(Matrix::Heap(Hid::NONE)),
            HnidKind::Heap(hid) => match heap.find(hid, sink)? {
                Some(item) => item.len(),
                None => return missing(sink),
            },
            HnidKind::Node(nid) => {
                let sub = match node {
                    Some(node) => node.subnode(nid, sink)?,
                    None => None,
                };
                let Some(sub) = sub else { return missing(sink) };
                let tree = sub.data(sink)?;
                let per_leaf = heap.layout().block_data_max().checked_div(size).unwrap_or_default();
                let last = tree.leaf_count().checked_sub(1).and_then(|i| tree.leaf_info(i)).map_or(0, |l| index(l.len.into()));
                if rest(last) != 0 {
                    sink.report(Finding::new(&rules::TC_MATRIX, at.with_sub(nid)).numbers(wide(last), wide(size)).loss(Loss::Partial))?;
                }
                return Ok(Matrix::Node { ndb: sub.ndb, tree, per_leaf, current: Mutex::default() });
            }
        };
        if rest(len) != 0 {
            sink.report(Finding::new(&rules::TC_MATRIX, at).numbers(wide(len), wide(size)).loss(Loss::Partial))?;
        }
        Ok(Matrix::Heap(Hid(info.rows.0)))
    }

    /// The node, if it was opened from one.
    pub const fn node(&self) -> Option<&Node<'n>> {
        self.node.as_ref()
    }

    /// The heap.
    pub const fn heap(&self) -> &Heap<'n> {
        &self.heap
    }

    /// Where the table is.
    pub const fn at(&self) -> Location {
        self.heap.at()
    }

    /// Whether it has the form that Outlook 2007 used for search results.
    pub fn is_gust(&self) -> bool {
        self.heap.client() == ClientSig::GUST
    }

    /// Its description.
    pub const fn info(&self) -> &TcInfo {
        &self.info
    }

    /// Its columns, in the order of their tags.
    pub fn columns(&self) -> &[TcolDesc] {
        &self.info.columns
    }

    /// The column of a property, whatever its type.
    pub fn column(&self, id: u16) -> Option<&TcolDesc> {
        self.info.columns.iter().find(|c| c.tag.id() == id)
    }

    /// How many rows there are: whole rows in the bytes that hold them, at most as many as the
    /// [limit](crate::limits::Limits::table_rows).
    pub fn row_count(&self) -> u32 {
        let limit = self.node.as_ref().map_or(crate::limits::Limits::default().table_rows, |n| n.ndb.limits().table_rows);
        low32(self.rows_stored().min(limit.into()))
    }

    /// The bytes of the rows that are read.
    pub(crate) fn rows_size(&self) -> u64 {
        u64::from(self.row_count()).saturating_mul(wide(self.info.row_size()))
    }

    fn rows_stored(&self) -> u64 {
        let size = self.info.row_size();
        let rows = |len: usize| len.checked_div(size).unwrap_or_default();
        let count = match &self.matrix {
            Matrix::Heap(hid) => rows(self.heap.find(*hid, &mut Ignore).ok().flatten().map_or(0, |item| item.len())),
            Matrix::Node { tree, per_leaf, .. } => {
                let full = tree.leaf_count().saturating_sub(1);
                let last = tree.leaf_info(full).map_or(0, |l| rows(index(l.len.into())).min(*per_leaf));
                full.saturating_mul(*per_leaf).saturating_add(last)
            }
        };
        wide(count)
    }

    /// A row by its number; `None` where there is none, or its block is missing (which is reported).
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn row(&self, number: u32, sink: &mut dyn Sink) -> Result<Option<Row<'_, 'n>>> {
        let size = self.info.row_size();
        let n = index(number.into());
        let (bytes, first) = match &self.matrix {
            Matrix::Heap(hid) => match self.heap.find(*hid, sink)? {
                Some(item) => (item, 0),
                None => return Ok(None),
            },
            Matrix::Node { ndb, tree, per_leaf, current } => {
                let Some(leaf) = n.checked_div(*per_leaf) else { return Ok(None) };
                let lock = || current.lock().unwrap_or_else(PoisonError::into_inner);
                let held = lock().as_ref().filter(|(i, _)| *i == leaf).map(|(_, data)| Arc::clone(data));
                let data = match held {
                    Some(data) => data,
                    None => {
                        let data = Arc::new(tree.leaf(ndb, leaf, sink)?);
                        *lock() = Some((leaf, Arc::clone(&data)));
                        data
                    }
                };
                let len = data.len();
                (Item::shared(data, 0..len), leaf.saturating_mul(*per_leaf))
            }
        };
        let start = n.saturating_sub(first).saturating_mul(size);
        let end = start.saturating_add(size);
        Ok((size > 0 && end <= bytes.len()).then(|| Row { table: self, number, bytes: bytes.part(start..end) }))
    }

    /// The rows in the order in which they are stored; holds one leaf of them.
    pub fn rows(&self) -> Rows<'_, 'n> {
        let whole = match &self.matrix {
            Matrix::Heap(hid) => self.heap.find(*hid, &mut Ignore).ok().flatten(),
            Matrix::Node { .. } => None,
        };
        Rows { table: self, whole, next: 0, count: self.row_count() }
    }

    /// The sub-node that the rows are in; none where they are in the heap.
    pub fn rows_node(&self) -> Option<Nid> {
        if let HnidKind::Node(nid) = self.info.rows.kind() { Some(nid) } else { None }
    }

    /// The row index: ids with the numbers of their rows, in the order of the ids. Empty where the index is damaged.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn row_index(&self, sink: &mut dyn Sink) -> Result<Vec<(u32, u32)>> {
        let mut out = Vec::new();
        if let Some(header) = self.index {
            Bth::with_header(&self.heap, header).for_each(sink, &mut |key, data| out.push((le32(key, 0), row_number(data))))?;
        }
        Ok(out)
    }

    /// The row with this id, through the row index, or by looking at every row where the index is damaged.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn row_by_id(&self, id: u32, sink: &mut dyn Sink) -> Result<Option<Row<'_, 'n>>> {
        if let Some(header) = self.index {
            let number = Bth::with_header(&self.heap, header).get(&id.to_le_bytes(), sink)?.map(|data| row_number(&data));
            return match number {
                Some(n) => self.row(n, sink),
                None => Ok(None),
            };
        }
        let mut rows = self.rows();
        while let Some(row) = rows.next(sink)? {
            if row.id() == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The place where the ids in a column's cells are looked up: the column's own heap or the table's. `None` where the column's own heap is
    /// missing, which is reported when it is first needed.
    fn lookup(&self, column: &TcolDesc, sink: &mut dyn Sink) -> Result<Option<Lookup<'_, 'n>>> {
        if column.heap.is_none() {
            return Ok(Some(Lookup { heap: &self.heap, node: self.node.as_ref() }));
        }
        let Some(own) = self.column_heaps.iter().find(|h| h.nid == column.heap) else { return Ok(None) };
        if own.heap.get().is_none() {
            let opened = self.open_column_heap(own, sink)?;
            let _ = own.heap.set(opened.map(Box::new));
        }
        Ok(own.heap.get().and_then(Option::as_deref).map(|heap| Lookup { heap, node: self.node.as_ref() }))
    }

    fn open_column_heap(&self, column: &ColumnHeap<'n>, sink: &mut dyn Sink) -> Result<Option<Heap<'n>>> {
        let sub = match &self.node {
            Some(node) => node.subnode(column.nid, sink)?,
            None => None,
        };
        let heap = match &sub {
            Some(sub) => Heap::open(sub, sink)?.filter(|heap| heap.client() == ClientSig::COLUMN),
            None => None,
        };
        if heap.is_none() {
            let at = self.at().with_sub(column.nid).with_tag(column.tag);
            sink.report(Finding::new(&rules::TC_COLUMN_HEAP, at).loss(Loss::Metadata))?;
        }
        Ok(heap)
    }

    /// Verifies the rest, which opening has not: rows against the row index, row ids and versions, every cell's value, and that every heap item is
    /// referred to once. Values in sub-nodes are read only for [`Depth::Values`].
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn verify(&self, depth: Depth, sink: &mut dyn Sink) -> Result<()> {
        self.verify_counting(depth, sink).map(|_| ())
    }

    /// The same; answers the bytes of the rows, or of the row index where these are more.
    pub(crate) fn verify_counting(&self, depth: Depth, sink: &mut dyn Sink) -> Result<u64> {
        if self.is_gust() {
            // Outlook itself keeps no consistent index there
            return self.heap.verify_all(sink).map(|()| self.rows_size());
        }
        let size = self.rows_size().max(self.verify_index(sink)?.saturating_mul(INDEX_ENTRY));
        let mut used = Usage::default();
        used.add(self.heap.user_root());
        used.add(self.info.row_index);
        if let Matrix::Heap(hid) = self.matrix {
            used.add(hid);
        }
        if let Some(header) = self.index {
            let mut leaves = Bth::with_header(&self.heap, header).leaves();
            while leaves.next(&mut Ignore)?.is_some() {}
            used.extend(leaves.into_items());
        }
        let mut used_of: Vec<Usage> = self.column_heaps.iter().map(|_| Usage::default()).collect();
        self.verify_cells(depth == Depth::Values, &mut used, &mut used_of, sink)?;
        for (own, used) in self.column_heaps.iter().zip(used_of) {
            let column = TcolDesc { heap: own.nid, ..TcolDesc::default() };
            if let Some(lookup) = self.lookup(&column, sink)? {
                lookup.heap.verify_all(sink)?;
                lookup.heap.verify_usage(used, sink)?;
            }
        }
        self.heap.verify_all(sink)?;
        self.heap.verify_usage(used, sink).map(|()| size)
    }

    /// Row index against rows: as many entries as rows, each row once, under the id that it bears. Answers the entries.
    fn verify_index(&self, sink: &mut dyn Sink) -> Result<u64> {
        let entries = self.row_index(sink)?;
        let listed = wide(entries.len());
        let count = self.row_count();
        if count == 0 && self.info.rows.0 != 0 && entries.is_empty() {
            // rows of no bytes
            let finding = Finding::new(&rules::TC_ROWS_MISSING, self.at()).stored(self.info.rows.0.into());
            sink.report(finding.severity(rules::Severity::Notice))?;
        }
        if self.index.is_none() {
            return Ok(listed);
        }
        if wide(entries.len()) != u64::from(count) {
            let finding = Finding::new(&rules::TC_ROW_COUNT, self.at()).numbers(count.into(), wide(entries.len()));
            sink.report(finding.loss(Loss::Metadata))?;
        }
        let mut ids: Vec<Option<u32>> = vec![None; index(count.into())];
        let mut wrong: (Option<u32>, u64) = (None, 0);
        for (id, number) in entries {
            match ids.get_mut(index(number.into())) {
                Some(slot @ None) => *slot = Some(id),
                _ => wrong = (wrong.0.or(Some(number)), wrong.1.saturating_add(1)),
            }
        }
        let unlisted = ids.iter().position(Option::is_none);
        if let Some(number) = wrong.0.or(unlisted.map(|n| low32(wide(n)))) {
            let unlisted = ids.iter().filter(|id| id.is_none()).count();
            let text = format!("{unlisted} rows without entry, {} entries without row", wrong.1);
            sink.report(Finding::new(&rules::TC_ROW_INDEX, self.at().with_row(number)).actual(text).loss(Loss::Metadata))?;
        }
        self.verify_ids(&ids, sink).map(|()| listed)
    }

    fn verify_ids(&self, ids: &[Option<u32>], sink: &mut dyn Sink) -> Result<()> {
        let (mut seen, mut versions) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        let required: Vec<&TcolDesc> =
            self.info.columns.iter().filter(|c| c.tag == tags::LTP_ROW_ID || c.tag == tags::LTP_ROW_VER).collect();
        let mut rows = self.rows();
        while let Some(row) = rows.next(sink)? {
            let (id, at) = (row.id(), self.at().with_row(row.number));
            let marked = required.iter().all(|c| self.info.has_cell(&row.bytes, c));
            match ids.get(index(row.number.into())).copied().flatten() {
                Some(key) if key != id => {
                    sink.report(Finding::new(&rules::TC_ROW_ID, at).hex(id.into(), key.into()).loss(Loss::Metadata))?;
                }
                _ if !marked => sink.report(Finding::new(&rules::TC_ROW_ID, at).actual("not marked as present").loss(Loss::Metadata))?,
                _ => {}
            }
            seen.push((id, row.number));
            versions.push((row.version(), row.number));
        }
        seen.sort_unstable();
        versions.sort_unstable();
        let twice = |list: &[(u32, u32)]| list.iter().zip(list.iter().skip(1)).find(|(a, b)| a.0 == b.0).map(|(_, b)| *b);
        if let Some((id, number)) = seen.first().copied().filter(|(id, _)| *id == 0).or_else(|| twice(&seen)) {
            sink.report(Finding::new(&rules::TC_ROW_DUPLICATE, self.at().with_row(number)).stored(id.into()).loss(Loss::Metadata))?;
        }
        if let Some((version, number)) = twice(&versions) {
            sink.report(Finding::new(&rules::TC_ROW_VER, self.at().with_row(number)).stored(version.into()))?;
        }
        Ok(())
    }

    fn verify_cells(&self, deep: bool, used: &mut Usage, used_of: &mut [Usage], sink: &mut dyn Sink) -> Result<()> {
        let mut junk: (Option<u32>, u64) = (None, 0);
        let ids: Vec<(&TcolDesc, Option<usize>)> = self
            .info
            .columns
            .iter()
            .filter(|c| c.tag.prop_type().cell_is_hnid())
            .map(|c| (c, self.column_heaps.iter().position(|h| h.nid == c.heap)))
            .collect();
        let mut rows = self.rows();
        while let Some(row) = rows.next(sink)? {
            if self.info.has_junk(&row.bytes) {
                junk = (junk.0.or(Some(row.number)), junk.1.saturating_add(1));
            }
            for (column, own) in &ids {
                let Some(cell) = row.cell(column) else { continue };
                let hnid = Hnid(le32(cell, 0));
                if hnid.0 == 0 && column.tag.prop_type().is_known() {
                    continue;
                }
                // A column without a heap of its own: a value that is at hand and sound needs no closer look.
                if own.is_none()
                    && let HnidKind::Heap(hid) = hnid.kind()
                    && let Some(bytes) = self.heap.at_hand(hid)
                    && !bytes.is_empty()
                    && is_sound(column.tag.prop_type(), bytes)
                {
                    used.add(hid);
                    continue;
                }
                let at = row.at(column.tag);
                if !column.tag.prop_type().is_known() {
                    used.add(Hid(le32(cell, 0)));
                    sink.report(Finding::new(&rules::PROP_TYPE, at).stored(column.tag.prop_type().0.into()))?;
                    continue;
                }
                if let HnidKind::Heap(hid) = hnid.kind() {
                    match own.and_then(|i| used_of.get_mut(i)) {
                        Some(own) => own.add(hid),
                        None => used.add(hid),
                    }
                }
                let Some(source) = row.source(column, sink)? else { continue };
                if source.is_empty() {
                    sink.report(Finding::new(&rules::HN_ITEM_EMPTY, at).hex(hnid.0.into(), 0))?;
                    continue;
                }
                if let Some(lookup) = self.lookup(column, sink)? {
                    lookup.verify(column.tag.prop_type(), &source, deep, at, sink)?;
                }
            }
        }
        match junk.0 {
            Some(number) => {
                let finding = Finding::new(&rules::TC_JUNK, self.at().with_row(number));
                sink.report(finding.actual(format!("{} rows", junk.1)))
            }
            None => Ok(()),
        }
    }
}

/// The row number in an entry of a row index of either width.
fn row_number(data: &[u8]) -> u32 {
    if data.len() < 4 { le16(data, 0).into() } else { le32(data, 0) }
}

/// The rows of a table, one after the other.
#[derive(Debug)]
pub struct Rows<'t, 'n> {
    table: &'t TableContext<'n>,
    /// All rows, where they are one item of the heap.
    whole: Option<Item<'t, 'n>>,
    next: u32,
    count: u32,
}

impl<'t, 'n> Rows<'t, 'n> {
    /// The next row; rows in blocks that are missing are left out, and the blocks reported.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn next(&mut self, sink: &mut dyn Sink) -> Result<Option<Row<'t, 'n>>> {
        while self.next < self.count {
            let number = self.next;
            self.next = number.saturating_add(1);
            if let Some(whole) = &self.whole {
                let size = self.table.info.row_size();
                let start = index(number.into()).saturating_mul(size);
                let bytes = whole.part(start..start.saturating_add(size));
                return Ok(Some(Row { table: self.table, number, bytes }));
            }
            if let Some(row) = self.table.row(number, sink)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub struct Row<'t, 'n> {
    table: &'t TableContext<'n>,
    number: u32,
    bytes: Item<'t, 'n>,
}

impl<'t, 'n> Row<'t, 'n> {
    /// Its number, from 0.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its id (PidTagLtpRowId): the node that it stands for, in tables of folders, messages and attachments.
    pub fn id(&self) -> u32 {
        le32(&self.bytes, 0)
    }

    /// Its version (PidTagLtpRowVer).
    pub fn version(&self) -> u32 {
        le32(&self.bytes, 4)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where one of its cells is.
    pub const fn at(&self, tag: PropTag) -> Location {
        self.table.at().with_row(self.number).with_tag(tag)
    }

    /// Whether it has the cell of a property.
    pub fn has(&self, id: u16) -> bool {
        self.table.column(id).is_some_and(|c| self.table.info.has_cell(&self.bytes, c))
    }

    /// The bytes of a cell, if the row has it: the value itself or an id of it.
    pub fn cell(&self, column: &TcolDesc) -> Option<&[u8]> {
        if !self.table.info.has_cell(&self.bytes, column) {
            return None;
        }
        self.bytes.get(usize::from(column.offset)..usize::from(column.end()))
    }

    /// The bytes of a cell's value, where they are in memory.
    #[inline]
    pub(crate) fn at_hand<'c>(&'c self, column: &TcolDesc, cell: &'c [u8]) -> Option<&'c [u8]> {
        if !column.tag.prop_type().cell_is_hnid() {
            return cell.get(..column.tag.prop_type().fixed_size().unwrap_or_default().min(cell.len()));
        }
        let own = column.heap.is_none().then_some(&self.table.heap);
        own.and_then(|heap| Lookup { heap, node: None }.at_hand(Hnid(le32(cell, 0))))
    }

    /// Where a cell's value is; `None` where the row has no such cell, or the value is missing (which is reported).
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn source(&self, column: &TcolDesc, sink: &mut dyn Sink) -> Result<Option<ValueSource<'t, 'n>>> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        let prop_type = column.tag.prop_type();
        if !prop_type.cell_is_hnid() {
            // third-party tables have cells that are wider than their type
            let size = prop_type.fixed_size().unwrap_or_default().min(cell.len());
            return Ok(Some(ValueSource::inline(cell.get(..size).unwrap_or_default())));
        }
        let at = self.at(column.tag);
        match self.table.lookup(column, sink)? {
            Some(lookup) => lookup.find(Hnid(le32(cell, 0)), (&rules::TC_CELL, &rules::TC_CELL), at, sink),
            None => Ok(None),
        }
    }

    /// The value of a property in this row; `None` where the row has none, or it is missing or has more bytes than
    /// [`value_bytes`](crate::limits::Limits::value_bytes) (which is reported).
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn value(&self, id: u16, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<PropValue>> {
        match self.table.column(id) {
            Some(column) => self.value_of(column, decode8, sink),
            None => Ok(None),
        }
    }

    /// The value of a column in this row.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_of(&self, column: &TcolDesc, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<PropValue>> {
        let Some(source) = self.source(column, sink)? else { return Ok(None) };
        let (lookup, at) = (Lookup { heap: &self.table.heap, node: self.table.node.as_ref() }, self.at(column.tag));
        match lookup.bytes(&source, at, sink)? {
            Some(bytes) => PropValue::decode(column.tag.prop_type(), &bytes, decode8, at, sink),
            None => Ok(None),
        }
    }

    /// The text of a string cell.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn string(&self, id: u16, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<String>> {
        Ok(match self.value(id, decode8, sink)? {
            Some(PropValue::String(text)) => Some(text),
            _ => None,
        })
    }

    /// A 32-bit cell. Needs no heap.
    pub fn int(&self, id: u16) -> Option<i32> {
        let column = self.table.column(id).filter(|c| c.tag.prop_type() == PropType::INTEGER32)?;
        self.cell(column).and_then(|c| c.first_chunk()).map(|b| i32::from_le_bytes(*b))
    }

    /// A boolean cell.
    pub fn bool(&self, id: u16) -> Option<bool> {
        let column = self.table.column(id).filter(|c| c.tag.prop_type() == PropType::BOOLEAN)?;
        self.cell(column).and_then(|c| c.first()).map(|b| *b != 0)
    }

    /// A cell's bytes as a stream.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open_value(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<ValueReader<'n>>> {
        match self.table.column(id) {
            Some(column) => Ok(self.source(column, sink)?.map(ValueSource::reader)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{self, HeapBuilder};
    use super::super::value::latin1;
    use super::*;
    use crate::finding::Strict;
    use crate::format::bytes::{put16, put32};
    use crate::format::layout::{ANSI, Layout, UNICODE};
    use proptest::prelude::*;

    const COLUMNS: [PropTag; 6] =
        [tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::DISPLAY_NAME, tags::CONTENT_COUNT, tags::SUBFOLDERS, PropTag(0x0E33_0014)];

    struct Parts {
        heap: HeapBuilder,
        info: TcInfo,
        rows: Vec<u8>,
        index: Vec<u8>,
        entry: u8,
    }

    /// A table of `n` rows in the heap; only as many as fit into an item.
    fn parts(layout: &'static Layout, n: u32, entry: u8) -> Parts {
        let mut heap = HeapBuilder::new(layout, ClientSig::TABLE);
        let info = TcInfo::arrange(&COLUMNS);
        let (mut rows, mut index) = (Vec::new(), Vec::new());
        for i in 0..n {
            let mut row = vec![0; info.row_size()];
            let mut set = |tag: PropTag, bytes: &[u8]| {
                let column = info.columns.iter().find(|c| c.tag == tag).unwrap();
                row[usize::from(column.offset)..usize::from(column.end())].copy_from_slice(bytes);
                info.set_cell(&mut row, column);
            };
            let id = 0x2002 + i * 0x20;
            set(tags::LTP_ROW_ID, &id.to_le_bytes());
            set(tags::LTP_ROW_VER, &(i + 1).to_le_bytes());
            let name = heap.alloc(&super::super::value::encode_utf16(&format!("folder {i}"))).unwrap();
            set(tags::DISPLAY_NAME, &name.0.to_le_bytes());
            if i % 2 == 0 {
                set(tags::CONTENT_COUNT, &i.to_le_bytes());
                set(tags::SUBFOLDERS, &[1]);
            }
            rows.extend(row);
            index.extend(id.to_le_bytes());
            index.extend(&i.to_le_bytes()[..entry.into()]);
        }
        Parts { heap, info, rows, index, entry }
    }

    fn blocks(mut p: Parts) -> Vec<Vec<u8>> {
        p.info.row_index = build::bth(&mut p.heap, ROW_KEY, p.entry, &p.index).unwrap();
        p.info.rows = if p.rows.is_empty() { Hnid(0) } else { Hnid(p.heap.alloc(&p.rows).unwrap().0) };
        let root = p.heap.alloc(&p.info.encode()).unwrap();
        p.heap.finish(root).unwrap()
    }

    fn open(layout: &'static Layout, blocks: Vec<Vec<u8>>, sink: &mut dyn Sink) -> Option<TableContext<'static>> {
        let heap = Heap::from_blocks(layout, blocks, Location::NONE, sink).unwrap()?;
        TableContext::on(heap, None, sink).unwrap()
    }

    #[test]
    fn rows_and_cells_come_back() {
        for (layout, entry) in [(&UNICODE, 4), (&ANSI, 2), (&ANSI, 4)] {
            for n in [0, 1, 40, 100] {
                let table = open(layout, blocks(parts(layout, n, entry)), &mut Strict).unwrap();
                assert_eq!(table.row_count(), n);
                let mut rows = table.rows();
                let mut i = 0;
                while let Some(row) = rows.next(&mut Strict).unwrap() {
                    assert_eq!((row.id(), row.version(), row.number()), (0x2002 + i * 0x20, i + 1, i));
                    assert_eq!(row.string(tags::DISPLAY_NAME.id(), &latin1, &mut Strict).unwrap(), Some(format!("folder {i}")));
                    let even = i % 2 == 0;
                    assert_eq!(row.int(tags::CONTENT_COUNT.id()), even.then_some(i as i32));
                    assert_eq!(row.bool(tags::SUBFOLDERS.id()), even.then_some(true));
                    assert_eq!((row.has(0x0E33), row.has(0x3001), row.has(0x1234)), (false, true, false));
                    i += 1;
                }
                assert_eq!(i, n);
                let found = table.row_by_id(0x2002 + 0x20 * 7, &mut Strict).unwrap().map(|r| r.number());
                assert_eq!(found, (n > 7).then_some(7));
                let mut findings = Vec::new();
                table.verify(Depth::Values, &mut findings).unwrap();
                assert_eq!(findings, []);
            }
        }
    }

    #[test]
    fn each_violation_has_its_rule() {
        let verify = |change: &dyn Fn(&mut Parts)| {
            let mut p = parts(&UNICODE, 5, 4);
            change(&mut p);
            let mut findings = Vec::new();
            let table = open(&UNICODE, blocks(p), &mut findings).unwrap();
            table.verify(Depth::Values, &mut findings).unwrap();
            findings.into_iter().map(|f| f.rule.code).collect::<Vec<_>>()
        };
        let size = TcInfo::arrange(&COLUMNS).row_size();
        assert_eq!(verify(&|_| ()), [""; 0]);
        assert_eq!(verify(&|p| put32(&mut p.rows, 0, 0x9999)), ["PST-T004"]);
        assert_eq!(verify(&|p| put32(&mut p.index, 4, 77)), ["PST-T003"]);
        assert_eq!(verify(&|p| put32(&mut p.index, 4, 1)), ["PST-T003", "PST-T004"]);
        assert_eq!(verify(&|p| p.index.truncate(32)), ["PST-T005", "PST-T003"]);
        assert_eq!(verify(&|p| put32(&mut p.rows, size + 4, 1)), ["PST-T007"]);
        assert_eq!(verify(&|p| p.rows.truncate(size * 5 - 1)), ["PST-T013", "PST-T005", "PST-T003", "PST-P014"]);
        assert_eq!(verify(&|p| put32(&mut p.rows, 8, 0x8000)), ["PST-T006", "PST-P014"]);
        assert_eq!(verify(&|p| p.rows[size - 1] |= 1), ["PST-T015"]);
        assert_eq!(verify(&|p| p.rows[size - 1] &= 0x3F), ["PST-T004"]);
        assert_eq!(verify(&|p| p.rows.clear()), ["PST-T005", "PST-T003", "PST-P014"]);
        assert_eq!(verify(&|p| p.info.deprecated = 1), ["PST-T018"]);
        assert_eq!(verify(&|p| p.info.columns.swap(0, 1)), ["PST-T009"]);
        assert_eq!(verify(&|p| p.info.columns[3].bit = 2), ["PST-T009"]);
        assert_eq!(verify(&|p| p.info.columns[2].size = 2), ["PST-T010"]);
    }

    #[test]
    fn a_lost_description_is_found_again_and_a_damaged_index_is_done_without() {
        let mut damaged = blocks(parts(&UNICODE, 5, 4));
        put32(&mut damaged[0], 4, 0x40);
        let mut findings = Vec::new();
        let table = open(&UNICODE, damaged, &mut findings).unwrap();
        assert_eq!((findings[0].rule.code, table.row_count()), ("PST-P010", 5));

        let mut p = parts(&UNICODE, 5, 4);
        p.entry = 8; // two rows' entries a record
        p.index.truncate(36);
        let table = open(&UNICODE, blocks(p), &mut findings).unwrap();
        assert_eq!(findings.last().unwrap().rule.code, "PST-T011");
        assert_eq!(table.row_by_id(0x2042, &mut Strict).unwrap().map(|r| r.number()), Some(2));
    }

    #[test]
    fn a_table_of_junk_columns_has_no_rows_out_of_bounds() {
        let mut p = parts(&UNICODE, 5, 4);
        p.info.ends = [0; 4];
        p.info.columns.clear();
        let mut b = blocks(p);
        let mut findings = Vec::new();
        assert!(open(&UNICODE, b.clone(), &mut findings).is_some_and(|t| t.row_count() == 0));
        let map = usize::from(le16(&b[0], 0));
        // a wrong count is told by where the map ends; where there is no map, nothing is
        put16(&mut b[0], map, 3000);
        assert!(open(&UNICODE, b.clone(), &mut findings).is_some_and(|t| t.row_count() == 0));
        b[0][map..].fill(0xFF);
        assert!(open(&UNICODE, b, &mut findings).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn damage_never_panics_or_hangs(n in 0u32..100, hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
            let mut blocks = blocks(parts(&UNICODE, n, 4));
            for (at, value) in hits {
                let block = at.index(blocks.len());
                let place = at.index(blocks[block].len());
                blocks[block][place] = value;
            }
            let mut findings = Vec::new();
            if let Some(table) = open(&UNICODE, blocks, &mut findings) {
                table.verify(Depth::Values, &mut findings).unwrap();
                let mut rows = table.rows();
                while let Some(row) = rows.next(&mut findings).unwrap() {
                    for column in table.columns() {
                        row.value_of(column, &latin1, &mut findings).unwrap();
                    }
                }
            }
        }
    }
}
