//! Rows that wait for their table: a folder's contents tables are written when all its messages are there.
//!
//! ```text
//! row    id[4] version[4] cells[1]  cell ...
//! cell   column[1] then, for numbers and times, the bytes; else a number (length << 2 | kind) and
//!        0 the bytes    1 the bytes of the UTF-16 text as UTF-8    2 block[8] length[8] of a value that is written already
//! ```

use super::ndb::NdbWriter;
use super::pc::{Node, VALUE_IN_HEAP};
use super::props::{Data, Props, from_utf16, is_ascii16, utf16};
use super::tc::{Cell, TableBuilder, TableKind};
use super::tree::WrittenData;
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{array_at, index, low8, low32, wide};
use crate::format::ids::{Bid, Nid, PropTag, PropType};
use crate::format::tags;

const RAW: u64 = 0;
const TEXT: u64 = 1;
const WRITTEN: u64 = 2;

/// Rows of one table, packed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    columns: Vec<PropTag>,
    packed: Vec<u8>,
    count: usize,
}

/// The cells of one object's row besides its properties.
pub(super) type RowOnly<'c> = &'c [(PropTag, Vec<u8>)];

/// Adds cells that are made up when the table is written.
pub(super) type Completion<'c> = &'c mut dyn FnMut(Nid, &mut Vec<(PropTag, Vec<u8>)>);

impl Rows {
    pub(super) fn new(columns: Vec<PropTag>) -> Self {
        Self { columns, packed: Vec::new(), count: 0 }
    }

    pub(super) fn columns(&self) -> &[PropTag] {
        &self.columns
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds the row of an object: each column whose property the object has, and the cells that only the row has.
    ///
    /// `large` answers the data of a value that is a sub-node of the object: the table shares it.
    pub(super) fn push(&mut self, id: u32, version: u32, props: &Props, only: RowOnly<'_>, large: &dyn Fn(PropTag) -> Option<WrittenData>) {
        self.packed.extend(id.to_le_bytes());
        self.packed.extend(version.to_le_bytes());
        let count_at = self.packed.len();
        self.packed.push(0);
        let mut cells = 0u8;
        for (i, tag) in self.columns.iter().enumerate() {
            let put = if let Some((_, bytes)) = only.iter().find(|(t, _)| t == tag) {
                Self::pack_bytes(&mut self.packed, i, *tag, bytes);
                true
            } else {
                match props.get(tag.id()) {
                    Some((t, data)) if t == *tag && !is_structural(t) => Self::pack(&mut self.packed, i, t, data, large),
                    _ => false,
                }
            };
            cells = cells.saturating_add(u8::from(put));
        }
        if let Some(slot) = self.packed.get_mut(count_at) {
            *slot = cells;
        }
        self.count = self.count.saturating_add(1);
    }

    fn pack(out: &mut Vec<u8>, i: usize, tag: PropTag, data: &Data, large: &dyn Fn(PropTag) -> Option<WrittenData>) -> bool {
        let tree = match data {
            Data::Object { .. } => return false,
            Data::Bytes(b) if b.is_empty() && tag.prop_type().cell_is_hnid() && !keeps_empty_cell(tag) => return false,
            Data::Bytes(b) if b.len() <= VALUE_IN_HEAP || !tag.prop_type().cell_is_hnid() => {
                Self::pack_bytes(out, i, tag, b);
                return true;
            }
            Data::Bytes(_) => large(tag),
            Data::Written(tree) => Some(*tree),
        };
        let Some(tree) = tree else { return false };
        out.push(low8(wide(i)));
        put_number(out, WRITTEN);
        out.extend(tree.bid.0.to_le_bytes());
        out.extend(tree.bytes.to_le_bytes());
        true
    }

    fn pack_bytes(out: &mut Vec<u8>, i: usize, tag: PropTag, bytes: &[u8]) {
        out.push(low8(wide(i)));
        let t = tag.prop_type();
        if !t.cell_is_hnid() {
            // a number may be stored wider or narrower than its type
            out.extend(bytes.iter().copied().chain(std::iter::repeat(0)).take(t.cell_size()));
            return;
        }
        if t == PropType::STRING && is_ascii16(bytes) {
            put_number(out, wide(bytes.len() / 2) << 2 | TEXT);
            out.extend(bytes.iter().copied().step_by(2));
            return;
        }
        if t == PropType::STRING {
            let text = from_utf16(bytes);
            if text.len() < bytes.len() && utf16(&text) == bytes {
                put_number(out, wide(text.len()) << 2 | TEXT);
                out.extend(text.as_bytes());
                return;
            }
        }
        put_number(out, wide(bytes.len()) << 2 | RAW);
        out.extend(bytes);
    }

    /// Writes the table.
    pub(super) fn write(&self, ndb: &mut NdbWriter<'_>, kind: TableKind, complete: Completion<'_>) -> Result<Node> {
        let mut table = TableBuilder::new(ndb, kind, &self.columns, self.count)?;
        let mut input = Input { bytes: &self.packed };
        let mut owned: Vec<(PropTag, Vec<u8>)> = Vec::new();
        let mut trees: Vec<(PropTag, WrittenData)> = Vec::new();
        for _ in 0..self.count {
            owned.clear();
            trees.clear();
            let (id, version, cells) = (low32(input.number_of(4)?), low32(input.number_of(4)?), input.number_of(1)?);
            for _ in 0..cells {
                let column = index(input.number_of(1)?);
                let tag = *self.columns.get(column).ok_or_else(broken)?;
                if !tag.prop_type().cell_is_hnid() {
                    owned.push((tag, input.take(tag.prop_type().cell_size())?.to_vec()));
                    continue;
                }
                let head = input.packed_number()?;
                match head & 3 {
                    WRITTEN => {
                        let bid = Bid(input.number_of(8)?);
                        trees.push((tag, WrittenData { bid, bytes: input.number_of(8)? }));
                    }
                    kind => {
                        let bytes = input.take(index(head >> 2))?;
                        owned.push((
                            tag,
                            if kind == TEXT { utf16(std::str::from_utf8(bytes).map_err(|_| broken())?) } else { bytes.to_vec() },
                        ));
                    }
                }
            }
            complete(Nid(id), &mut owned);
            let cells: Vec<(PropTag, Cell<'_>)> =
                owned.iter().map(|(t, b)| (*t, Cell::Bytes(b))).chain(trees.iter().map(|(t, tree)| (*t, Cell::Written(*tree)))).collect();
            table.push(ndb, id, version, &cells)?;
        }
        table.finish(ndb)
    }
}

/// Columns that the table itself fills.
fn is_structural(tag: PropTag) -> bool {
    tag == tags::LTP_ROW_ID || tag == tags::LTP_ROW_VER
}

/// Texts that are present and empty in a row too; of all others an empty value has no cell.
fn keeps_empty_cell(tag: PropTag) -> bool {
    matches!(tag.id(), 0x0037 | 0x0042 | 0x0070 | 0x3001 | 0x3A16..=0x3A18 | 0x8000..)
}

/// The rows are packed by this module, so their values are there.
fn broken() -> Error {
    ErrorKind::Usage("rows are packed wrongly".to_owned()).into()
}

fn put_number(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(low8(v) | 0x80);
        v >>= 7;
    }
    out.push(low8(v));
}

struct Input<'b> {
    bytes: &'b [u8],
}

impl<'b> Input<'b> {
    fn take(&mut self, n: usize) -> Result<&'b [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n).ok_or_else(broken)?;
        self.bytes = rest;
        Ok(head)
    }

    fn number_of(&mut self, n: usize) -> Result<u64> {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(self.take(n)?) {
            *to = *from;
        }
        Ok(array_at(&eight, 0).map_or(0, u64::from_le_bytes))
    }

    fn packed_number(&mut self) -> Result<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.number_of(1)?;
            v |= (b & 0x7F) << shift;
            if b < 0x80 {
                return Ok(v);
            }
        }
        Err(broken())
    }
}
