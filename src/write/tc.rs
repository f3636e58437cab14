//! Table contexts ([MS-PST] 2.3.4), row after row.
//!
//! ```text
//! heap   0x20 row index header   0x40 TCINFO   small tables: 0x60 row index   0x80 rows   then the cells' values
//!                                              large tables: the cells' values, then the row index; rows in sub-node 0x3F
//! ```
//!
//! Rows in a sub-node never cross leaves: each leaf but the last is filled up with zeros. Contents tables of 4K files keep the values
//! of two columns in heaps of their own, in sub-nodes.

use super::heap::{Bth, HeapBuilder};
use super::ndb::NdbWriter;
use super::pc::{Node, SubNodes, VALUE_IN_HEAP};
use super::tree::{DataWriter, WrittenData};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::{low8, low16, low32, put, wide};
use crate::format::context::{COLUMN_HEAPS, ROW_KEY, TcInfo, TcolDesc};
use crate::format::heap::ClientSig;
use crate::format::ids::{Hid, Hnid, Nid, NidType, PropTag};
use crate::format::tags;

/// Rows of more bytes than this together go to a sub-node, as Outlook has it.
const ROWS_IN_HEAP: usize = 1024;
/// The sub-node of the rows.
const ROW_MATRIX: Nid = Nid(0x3F);

/// The kind of the table, as far as its form depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableKind {
    /// A contents table: column heaps in 4K files.
    Contents,
    /// One of the tables whose row index has 32 bits in ANSI files too.
    WideIndex,
    /// Any other.
    Plain,
}

impl TableKind {
    /// The kind of table that a node is.
    pub fn of(nid: Nid) -> Self {
        match nid.nid_type() {
            NidType::CONTENTS_TABLE => Self::Contents,
            NidType::REPLICATION_TABLE_17 | NidType::REPLICATION_TABLE_18 => Self::WideIndex,
            _ => Self::Plain,
        }
    }
}

/// A cell of a row that is being written.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Cell<'c> {
    /// The bytes of the value.
    Bytes(&'c [u8]),
    /// A value that is written already, and that the table shares.
    Written(WrittenData),
}

/// Writes a table, row after row.
///
/// ```
/// use pstkit::format::tags;
/// use pstkit::io::MemoryStorage;
/// use pstkit::write::{Cell, NdbOptions, NdbWriter, TableBuilder, TableKind};
///
/// let memory = MemoryStorage::default();
/// let mut ndb = NdbWriter::new(&memory, NdbOptions::default())?;
/// let columns = [tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::MESSAGE_CLASS, tags::RECEIVE_FOLDER_NID];
/// let mut table = TableBuilder::new(&mut ndb, TableKind::Plain, &columns, 1)?;
/// table.push(&mut ndb, 1, 2, &[(tags::MESSAGE_CLASS, Cell::Bytes(&[])), (tags::RECEIVE_FOLDER_NID, Cell::Bytes(&[0x22, 1, 0, 0]))])?;
/// let node = table.finish(&mut ndb)?;
/// assert_eq!(node.bytes, 114);
/// # Ok::<(), pstkit::error::Error>(())
/// ```
#[derive(Debug)]
pub struct TableBuilder {
    info: TcInfo,
    heap: HeapBuilder,
    bth: Bth,
    info_at: Hid,
    rows: usize,
    row: Vec<u8>,
    place: Rows,
    index: Vec<(u32, u32)>,
    subs: SubNodes,
    column_heaps: Vec<(PropTag, Nid, HeapBuilder)>,
}

/// Where the rows go.
#[derive(Debug)]
enum Rows {
    Heap(Hid, Vec<u8>),
    SubNode(DataWriter),
}

impl TableBuilder {
    /// Begins a table of `rows` rows. The columns come in the order in which they were created; the two of each row's id and version
    /// are put first if they are missing.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for more than 255 columns or more rows than the variant has.
    pub fn new(ndb: &mut NdbWriter<'_>, kind: TableKind, columns: &[PropTag], rows: usize) -> Result<Self> {
        let layout = ndb.layout();
        let mut created = vec![tags::LTP_ROW_ID, tags::LTP_ROW_VER];
        for tag in columns {
            if !created.contains(tag) {
                created.push(*tag);
            }
        }
        if created.len() > 255 {
            return Err(ErrorKind::TooLarge(format!("a table has at most 255 columns, not {}", created.len())).into());
        }
        let entry = if kind == TableKind::WideIndex { 4 } else { low8(wide(layout.row_index_width)) };
        if entry == 2 && rows > 0x1_0000 {
            return Err(ErrorKind::TooLarge(format!("a table of an ANSI file has at most 65536 rows, not {rows}")).into());
        }
        let info = TcInfo::arrange(&created);
        let mut heap = HeapBuilder::new(layout, ClientSig::TABLE);
        let mut bth = heap.reserve_bth(ROW_KEY, entry)?;
        let info_at = heap.alloc(&info.encode())?;
        heap.set_user_root(info_at);
        let size = rows.saturating_mul(info.row_size());
        let place = if size <= ROWS_IN_HEAP {
            heap.reserve_records(&mut bth, rows)?;
            let hid = if rows == 0 { Hid::NONE } else { heap.alloc(&vec![0; size])? };
            Rows::Heap(hid, Vec::with_capacity(size))
        } else {
            Rows::SubNode(DataWriter::new())
        };
        let column_heaps = if kind == TableKind::Contents && layout.compresses() {
            let new = |(tag, nid): (PropTag, Nid)| (tag, nid, HeapBuilder::new(layout, ClientSig::COLUMN));
            COLUMN_HEAPS.map(new).into()
        } else {
            Vec::new()
        };
        let row = vec![0; info.row_size()];
        Ok(Self { info, heap, bth, info_at, rows, row, place, index: Vec::with_capacity(rows), subs: SubNodes::new(), column_heaps })
    }

    /// The columns, sorted by tag.
    pub fn columns(&self) -> &[TcolDesc] {
        &self.info.columns
    }

    /// Adds a row. Cells of columns that the table does not have are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where there are more rows than were announced, or a cell does not have the size of its type.
    pub fn push(&mut self, ndb: &mut NdbWriter<'_>, id: u32, version: u32, cells: &[(PropTag, Cell<'_>)]) -> Result<()> {
        if self.index.len() == self.rows {
            return Err(ErrorKind::Usage(format!("the table was to have {} rows", self.rows)).into());
        }
        self.row.fill(0);
        for (tag, v) in [(tags::LTP_ROW_ID, id), (tags::LTP_ROW_VER, version)] {
            self.put_cell(ndb, tag, Cell::Bytes(&v.to_le_bytes()))?;
        }
        for (tag, cell) in cells {
            if *tag != tags::LTP_ROW_ID && *tag != tags::LTP_ROW_VER {
                self.put_cell(ndb, *tag, *cell)?;
            }
        }
        self.index.push((id, low32(wide(self.index.len()))));
        match &mut self.place {
            Rows::Heap(_, matrix) => matrix.extend_from_slice(&self.row),
            Rows::SubNode(matrix) => {
                if matrix.leaf_space(ndb) < self.row.len() {
                    matrix.pad_leaf(ndb)?;
                }
                matrix.push(ndb, &self.row)?;
                self.heap.flush(ndb)?;
            }
        }
        Ok(())
    }

    fn put_cell(&mut self, ndb: &mut NdbWriter<'_>, tag: PropTag, cell: Cell<'_>) -> Result<()> {
        let Ok(i) = self.info.columns.binary_search_by_key(&tag, |c| c.tag) else { return Ok(()) };
        let Some(column) = self.info.columns.get(i).copied() else { return Ok(()) };
        let stored;
        let bytes = if tag.prop_type().cell_is_hnid() {
            stored = self.value(ndb, tag, cell)?.0.to_le_bytes();
            &stored[..]
        } else {
            match cell {
                Cell::Bytes(b) if b.len() == usize::from(column.size) => b,
                _ => return Err(ErrorKind::Usage(format!("a cell of {tag:?} has {} bytes", column.size)).into()),
            }
        };
        put(&mut self.row, column.offset.into(), bytes);
        self.info.set_cell(&mut self.row, &column);
        Ok(())
    }

    /// Puts a cell's value where it belongs.
    fn value(&mut self, ndb: &mut NdbWriter<'_>, tag: PropTag, cell: Cell<'_>) -> Result<Hnid> {
        let tree = match cell {
            Cell::Bytes([]) => return Ok(Hnid(0)),
            Cell::Bytes(b) => {
                if let Some((_, _, heap)) = self.column_heaps.iter_mut().find(|(t, _, _)| *t == tag)
                    && b.len() <= crate::format::heap::ITEM_MAX
                {
                    let hid = heap.alloc(b)?;
                    heap.flush(ndb)?;
                    return Ok(Hnid(hid.0));
                }
                if b.len() <= VALUE_IN_HEAP {
                    return Ok(Hnid(self.heap.alloc(b)?.0));
                }
                ndb.write_data(b)?
            }
            Cell::Written(tree) if tree.bid.is_none() => return Ok(Hnid(0)),
            Cell::Written(tree) => tree,
        };
        let nid = ndb.next_nid(NidType::LTP)?;
        self.subs.add_data(nid, tree);
        Ok(Hnid(nid.0))
    }

    /// Writes the rest, and the row index.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where rows are missing or two have one id.
    pub fn finish(mut self, ndb: &mut NdbWriter<'_>) -> Result<Node> {
        if self.index.len() != self.rows {
            return Err(ErrorKind::Usage(format!("the table was to have {} rows, and has {}", self.rows, self.index.len())).into());
        }
        self.index.sort_unstable();
        if self.index.windows(2).any(|w| matches!(w, [(a, _), (b, _)] if a == b)) {
            return Err(ErrorKind::Usage("two rows of the table have one id".to_owned()).into());
        }
        self.info.row_index = self.bth.header;
        match self.place {
            Rows::Heap(hid, matrix) => {
                self.info.rows = Hnid(hid.0);
                if !hid.is_none() {
                    self.heap.put_item(hid, &matrix)?;
                }
            }
            Rows::SubNode(matrix) => {
                self.info.rows = Hnid(ROW_MATRIX.0);
                let tree = matrix.finish(ndb)?;
                self.subs.add_data(ROW_MATRIX, tree);
                self.heap.reserve_records(&mut self.bth, self.rows)?;
            }
        }
        let wide_entry = self.bth.entry_size() == 4;
        let mut records = Vec::with_capacity(self.rows.saturating_mul(8));
        for (id, row) in &self.index {
            records.extend(id.to_le_bytes());
            if wide_entry {
                records.extend(row.to_le_bytes());
            } else {
                records.extend(low16(u64::from(*row)).to_le_bytes());
            }
        }
        self.heap.fill_bth(&self.bth, &records)?;
        let info = self.info.encode();
        self.heap.put_item(self.info_at, &info)?;
        for (_, nid, heap) in self.column_heaps {
            let tree = heap.finish(ndb)?;
            self.subs.add_data(nid, tree);
        }
        let tree = self.heap.finish(ndb)?;
        self.subs.finish(ndb, tree)
    }

    /// Bytes of a row.
    pub fn row_size(&self) -> usize {
        self.info.row_size()
    }
}
