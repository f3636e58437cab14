//! Property contexts, table contexts and the values in them ([MS-PST] 2.3.3, 2.3.4, 2.4.3.2, 2.4.7).
//!
//! ```text
//! PC record     wPropId[2] | wPropType[2] dwValueHnid[4]
//! TCINFO        7C cCols rgib[4][2] hidRowIndex[4] hnidRows[4] hidIndex[4]   TCOLDESC[cCols]
//! TCOLDESC      tag[4] ibData[2] cbData iBit
//! row           8- and 4-byte cells | 2-byte cells | 1-byte cells | CEB: a bit a column, the highest bit first
//!               rgib:             [0]            [1]            [2]                                        [3]
//! GUST          AC 00 rgib[4][2] hidRowIndex[4] hnidRows[4] 0[4] cCols[2] hnidColumns[4] at 24, 40 bytes
//! GUST column   type[2] id[2] ibData[2] cbData[2] iBit[2] pad[2] nid[4]
//! NAMEID        dwPropertyID[4] (guid << 1 | string)[2] wPropIdx[2]
//! PtypObject    nid[4] ulSize[4]
//! multi-value   ulCount[4] rgulDataOffsets[ulCount][4] data          (fixed sizes: the elements, nothing else)
//! entry id      rgbFlags[4] uid[16] nid[4]
//! ```

use super::bytes::{array_at, byte, index, le16, le32, low8, low16, low32, put, put8, put16, put32, wide};
use super::ids::{Hid, Hnid, Nid, PropTag, PropType};
use super::tags;
use super::types::Guid;
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::rules;

/// Bytes of a PC record behind its key.
pub const PC_ENTRY: u8 = 6;
/// Bytes of a PC record's key.
pub const PC_KEY: u8 = 2;
/// Size of a PC record.
pub const PC_RECORD: usize = 8;
/// Size of TCINFO without its columns.
pub const TCINFO_HEAD: usize = 22;
/// Size of a TCOLDESC.
pub const TCOLDESC: usize = 8;
/// Size of the head of a GUST table.
pub const GUST_HEAD: usize = 40;
/// Size of a GUST table's column.
pub const GUST_COLUMN: usize = 16;
/// Bytes of a table's row index key.
pub const ROW_KEY: u8 = 4;
/// Size of a NAMEID.
pub const NAMEID: usize = 8;
/// Size of an entry id of a store's own object.
pub const ENTRY_ID: usize = 24;
/// Contents tables of 4K files: the columns whose values have a heap of their own, and the sub-nodes with those heaps. No document tells
/// it and nothing in the table does; the cells of these columns are ids of items of those heaps.
pub const COLUMN_HEAPS: [(PropTag, Nid); 2] = [(tags::CONVERSATION_ID, Nid(0x521)), (tags::SENT_REPRESENTING_NAME, Nid(0x541))];
/// How many hash buckets the named-property map has.
pub const NAME_BUCKETS: u32 = 251;

/// A record of a property context ([MS-PST] 2.3.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PcRecord {
    /// The property.
    pub tag: PropTag,
    /// The value of a type of at most 4 bytes; else where the value is.
    pub value: u32,
}

impl PcRecord {
    /// Decodes the record that the bytes begin with.
    #[inline]
    pub fn decode(b: &[u8]) -> Self {
        Self { tag: PropTag::new(le16(b, 0), PropType(le16(b, 2))), value: le32(b, 4) }
    }

    /// Encodes it.
    pub fn encode(&self) -> [u8; PC_RECORD] {
        let mut b = [0; PC_RECORD];
        put16(&mut b, 0, self.tag.id());
        put16(&mut b, 2, self.tag.prop_type().0);
        put32(&mut b, 4, self.value);
        b
    }

    /// Where the value is, for types that are not stored in the record itself.
    pub const fn hnid(&self) -> Hnid {
        Hnid(self.value)
    }
}

/// A column of a table ([MS-PST] 2.3.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcolDesc {
    /// The property.
    pub tag: PropTag,
    /// Offset of the cell in a row.
    pub offset: u16,
    /// Size of the cell; at most 255 except in GUST tables.
    pub size: u16,
    /// Bit of the row's cell existence bitmap; at most 254 except in GUST tables.
    pub bit: u16,
    /// The sub-node whose heap holds the column's values, if it is not the table's own heap; stored in GUST tables only.
    pub heap: Nid,
}

impl TcolDesc {
    /// Decodes a TCOLDESC.
    pub fn decode(b: &[u8]) -> Self {
        Self { tag: PropTag(le32(b, 0)), offset: le16(b, 4), size: byte(b, 6).into(), bit: byte(b, 7).into(), heap: Nid::NONE }
    }

    /// Encodes a TCOLDESC.
    pub fn encode(&self) -> [u8; TCOLDESC] {
        let mut b = [0; TCOLDESC];
        put32(&mut b, 0, self.tag.0);
        put16(&mut b, 4, self.offset);
        put8(&mut b, 6, low8(self.size.into()));
        put8(&mut b, 7, low8(self.bit.into()));
        b
    }

    /// Decodes a column of a GUST table.
    pub fn decode_gust(b: &[u8]) -> Self {
        Self {
            tag: PropTag::new(le16(b, 2), PropType(le16(b, 0))),
            offset: le16(b, 4),
            size: le16(b, 6),
            bit: le16(b, 8),
            heap: Nid(le32(b, 12)),
        }
    }

    /// Where the cell ends.
    pub const fn end(&self) -> u16 {
        self.offset.saturating_add(self.size)
    }

    /// The cell group by size: 0 for 8 and 4 bytes, 1 for 2 bytes, 2 for 1 byte.
    const fn group(size: usize) -> usize {
        match size {
            1 => 2,
            2 => 1,
            _ => 0,
        }
    }
}

/// TCINFO and its columns ([MS-PST] 2.3.4.1), or the head of a GUST table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TcInfo {
    /// Where the groups of cells end: 8 and 4 bytes, 2 bytes, 1 byte, and the row (rgib).
    pub ends: [u16; 4],
    /// The row index.
    pub row_index: Hid,
    /// The rows.
    pub rows: Hnid,
    /// The deprecated index (hidIndex); 0.
    pub deprecated: u32,
    /// The columns, in the order of their tags.
    pub columns: Vec<TcolDesc>,
}

impl TcInfo {
    /// Decodes and verifies a TCINFO; `None` where the bytes are none.
    ///
    /// Where the offsets of the groups do not fit the columns and the sink accepts that, they are replaced by those that follow from
    /// the columns.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn decode(b: &[u8], at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        if byte(b, 0) != 0x7C || b.len() < TCINFO_HEAD {
            sink.report(Finding::new(&rules::TC_INFO, at).hex(byte(b, 0).into(), 0x7C).loss(Loss::Item))?;
            return Ok(None);
        }
        let count = usize::from(byte(b, 1));
        let body = b.get(TCINFO_HEAD..).unwrap_or_default();
        if count == 0 || body.len() / TCOLDESC < count {
            sink.report(Finding::new(&rules::TC_INFO, at).numbers(wide(b.len()), wide(Self::size(count))).loss(Loss::Partial))?;
        }
        let mut info = Self {
            ends: [le16(b, 2), le16(b, 4), le16(b, 6), le16(b, 8)],
            row_index: Hid(le32(b, 10)),
            rows: Hnid(le32(b, 14)),
            deprecated: le32(b, 18),
            columns: body.chunks_exact(TCOLDESC).take(count).map(TcolDesc::decode).collect(),
        };
        if info.deprecated != 0 {
            sink.report(Finding::new(&rules::TC_DEPRECATED, at).hex(info.deprecated.into(), 0))?;
        }
        info.verify(at, sink)?;
        Ok(Some(info))
    }

    /// Decodes the head of a GUST table, and says how many columns it has and where they are.
    pub fn decode_gust(b: &[u8]) -> Option<(Self, u16, Hnid)> {
        if byte(b, 0) != 0xAC || b.len() < GUST_HEAD {
            return None;
        }
        let info = Self {
            ends: [le16(b, 2), le16(b, 4), le16(b, 6), le16(b, 8)],
            row_index: Hid(le32(b, 10)),
            rows: Hnid(le32(b, 14)),
            deprecated: 0,
            columns: Vec::new(),
        };
        Some((info, le16(b, 22), Hnid(le32(b, 24))))
    }

    fn verify(&mut self, at: Location, sink: &mut dyn Sink) -> Result<()> {
        let [e4, e2, e1, row] = self.ends;
        let bitmap = self.columns.len().div_ceil(8);
        let last_cell = self.columns.iter().map(TcolDesc::end).max().unwrap_or_default();
        if e4 > e2 || e2 > e1 || usize::from(e1).saturating_add(bitmap) != usize::from(row) || last_cell > e1 {
            let derived = self.derived_ends();
            sink.report(Finding::new(&rules::TC_OFFSETS, at).actual(format!("{:?}", self.ends)).expected(format!("{derived:?}")))?;
            self.ends = derived;
        }
        for (tag, offset, bit) in [(tags::LTP_ROW_ID, 0, 0), (tags::LTP_ROW_VER, 4, 1)] {
            if !self.columns.iter().any(|c| c.tag == tag && c.offset == offset && c.bit == bit && c.size == 4) {
                sink.report(Finding::new(&rules::TC_REQUIRED_COLUMN, at.with_tag(tag)).loss(Loss::Partial))?;
            }
        }
        let mut bits = [0u64; 4];
        let mut bits_ok = true;
        for column in &self.columns {
            let mask = 1u64 << (column.bit & 63);
            match bits.get_mut(usize::from(column.bit >> 6)) {
                Some(word) if *word & mask == 0 && usize::from(column.bit) < self.columns.len() => *word |= mask,
                _ => bits_ok = false,
            }
        }
        if !bits_ok || !self.columns.is_sorted_by(|a, b| a.tag < b.tag) {
            let what = if bits_ok { "tags out of order" } else { "bits not distinct" };
            sink.report(Finding::new(&rules::TC_COLUMN_ORDER, at).actual(what))?;
        }
        self.verify_places(at, sink)
    }

    fn verify_places(&self, at: Location, sink: &mut dyn Sink) -> Result<()> {
        let mut cells: Vec<&TcolDesc> = self.columns.iter().collect();
        cells.sort_unstable_by_key(|c| c.offset);
        let overlap = cells.iter().zip(cells.iter().skip(1)).find(|(a, b)| a.end() > b.offset).map(|(_, b)| **b);
        let [e4, e2, e1, _] = self.ends;
        let misplaced = self.columns.iter().copied().find(|c| {
            let (first, end) = match TcolDesc::group(c.size.into()) {
                0 => (0, e4),
                1 => (e4, e2),
                _ => (e2, e1),
            };
            c.offset < first || c.end() > end || usize::from(c.size) != c.tag.prop_type().cell_size()
        });
        match overlap.or(misplaced) {
            None => Ok(()),
            Some(c) => {
                let text = format!("offset {} size {}", c.offset, c.size);
                sink.report(Finding::new(&rules::TC_COLUMN_PLACE, at.with_tag(c.tag)).actual(text))
            }
        }
    }

    /// The ends of the groups that follow from the columns.
    fn derived_ends(&self) -> [u16; 4] {
        let mut ends = [0u16; 3];
        for column in &self.columns {
            if let Some(end) = ends.get_mut(TcolDesc::group(column.size.into())) {
                *end = (*end).max(column.end());
            }
        }
        let [e4, e2, e1] = ends;
        let e2 = e2.max(e4);
        let e1 = e1.max(e2);
        [e4, e2, e1, e1.saturating_add(low16(wide(self.columns.len().div_ceil(8))))]
    }

    /// Lays out a row for columns in the order in which they were created: cells of 8 and 4 bytes, then of 2, then of 1, each group in
    /// that order; bits in that order; columns then sorted by tag. The first two have to be
    /// [`LTP_ROW_ID`](tags::LTP_ROW_ID) and [`LTP_ROW_VER`](tags::LTP_ROW_VER).
    ///
    /// ```
    /// use pstkit::format::{context::TcInfo, tags};
    /// let info = TcInfo::arrange(&[tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::DISPLAY_NAME, tags::SUBFOLDERS]);
    /// assert_eq!(info.ends, [12, 12, 13, 14]);
    /// ```
    pub fn arrange(created: &[PropTag]) -> Self {
        let mut info = Self::default();
        let mut next = 0u16;
        for group in 0..3 {
            for (bit, tag) in created.iter().enumerate() {
                let size = low16(wide(tag.prop_type().cell_size()));
                if TcolDesc::group(size.into()) == group {
                    info.columns.push(TcolDesc { tag: *tag, offset: next, size, bit: low16(wide(bit)), heap: Nid::NONE });
                    next = next.saturating_add(size);
                }
            }
        }
        info.columns.sort_unstable_by_key(|c| c.tag);
        info.ends = info.derived_ends();
        info
    }

    /// Encodes TCINFO and its columns.
    pub fn encode(&self) -> Vec<u8> {
        let mut b = vec![0; TCINFO_HEAD];
        put8(&mut b, 0, 0x7C);
        put8(&mut b, 1, low8(wide(self.columns.len())));
        for (i, end) in self.ends.iter().enumerate() {
            put16(&mut b, i.saturating_mul(2).saturating_add(2), *end);
        }
        put32(&mut b, 10, self.row_index.0);
        put32(&mut b, 14, self.rows.0);
        put32(&mut b, 18, self.deprecated);
        self.columns.iter().for_each(|c| b.extend_from_slice(&c.encode()));
        b
    }

    /// Size of a TCINFO with this many columns.
    pub const fn size(columns: usize) -> usize {
        columns.saturating_mul(TCOLDESC).saturating_add(TCINFO_HEAD)
    }

    /// Bytes of a row.
    pub fn row_size(&self) -> usize {
        let [.., row] = self.ends;
        row.into()
    }

    /// Offset of a row's cell existence bitmap.
    pub fn bitmap_at(&self) -> usize {
        let [_, _, at, _] = self.ends;
        at.into()
    }

    /// Whether a row has the cell of a column.
    #[inline]
    pub fn has_cell(&self, row: &[u8], column: &TcolDesc) -> bool {
        let at = self.bitmap_at().saturating_add(usize::from(column.bit >> 3));
        byte(row, at) & (0x80 >> (column.bit & 7)) != 0
    }

    /// Marks the cell of a column as present in a row that is being written.
    pub fn set_cell(&self, row: &mut [u8], column: &TcolDesc) {
        let at = self.bitmap_at().saturating_add(usize::from(column.bit >> 3));
        let marks = byte(row, at) | (0x80 >> (column.bit & 7));
        put8(row, at, marks);
    }

    /// Whether a row has marks behind its last column.
    pub fn has_junk(&self, row: &[u8]) -> bool {
        let spare = self.columns.len().wrapping_neg() & 7;
        let last = self.row_size().saturating_sub(1);
        spare != 0 && byte(row, last) & low8((1u64 << spare).wrapping_sub(1)) != 0
    }
}

/// NAMEID: an entry of the named-property map ([MS-PST] 2.4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct NameId {
    /// The number (LID); for names the offset in the string stream, in hash buckets the name's checksum.
    pub id: u32,
    /// Whether it has a name and not a number.
    pub is_string: bool,
    /// The set: 0 none, 1 PS_MAPI, 2 PS_PUBLIC_STRINGS, from 3 on the GUID stream's items.
    pub guid: u16,
    /// Property id minus 0x8000.
    pub prop: u16,
}

impl NameId {
    /// Decodes the entry that the bytes begin with.
    pub fn decode(b: &[u8]) -> Self {
        let set = le16(b, 4);
        Self { id: le32(b, 0), is_string: set & 1 != 0, guid: set >> 1, prop: le16(b, 6) }
    }

    /// Encodes it.
    pub fn encode(&self) -> [u8; NAMEID] {
        let mut b = [0; NAMEID];
        put32(&mut b, 0, self.id);
        put16(&mut b, 4, self.set());
        put16(&mut b, 6, self.prop);
        b
    }

    const fn set(&self) -> u16 {
        (self.guid << 1) | self.is_string as u16
    }

    /// The hash bucket of the entry in its bucket form, of `count` buckets.
    pub fn bucket(&self, count: u32) -> u32 {
        (self.id ^ u32::from(self.set())).checked_rem(count).unwrap_or_default()
    }
}

/// The heap value of a PtypObject property: a sub-node and its size ([MS-PST] 2.3.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ObjectValue {
    /// The sub-node.
    pub nid: Nid,
    /// Size of the object in bytes.
    pub size: u32,
}

impl ObjectValue {
    /// Decodes the value; `None` where the bytes are fewer than 8.
    pub fn decode(b: &[u8]) -> Option<Self> {
        (b.len() >= 8).then(|| Self { nid: Nid(le32(b, 0)), size: le32(b, 4) })
    }

    /// Encodes it.
    pub fn encode(&self) -> [u8; 8] {
        let mut b = [0; 8];
        put32(&mut b, 0, self.nid.0);
        put32(&mut b, 4, self.size);
        b
    }
}

/// Entry id of an object of the same store ([MS-PST] 2.4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct EntryId {
    /// Flags; 0.
    pub flags: u32,
    /// The store's record key (PidTagRecordKey).
    pub uid: Guid,
    /// The object.
    pub nid: Nid,
}

impl EntryId {
    /// An entry id of a store's object.
    pub const fn new(uid: Guid, nid: Nid) -> Self {
        Self { flags: 0, uid, nid }
    }

    /// Decodes an entry id; `None` where the length is not 24, as with ids of Exchange and of address books.
    pub fn decode(b: &[u8]) -> Option<Self> {
        if b.len() != ENTRY_ID {
            return None;
        }
        Some(Self { flags: le32(b, 0), uid: Guid(array_at(b, 4)?), nid: Nid(le32(b, 20)) })
    }

    /// Encodes it.
    pub fn encode(&self) -> [u8; ENTRY_ID] {
        let mut b = [0; ENTRY_ID];
        put32(&mut b, 0, self.flags);
        put(&mut b, 4, &self.uid.0);
        put32(&mut b, 20, self.nid.0);
        b
    }
}

/// The items of a multi-valued property whose elements vary in size ([MS-PST] 2.3.3.4.2). They never overlap, whatever the offsets.
#[derive(Debug, Clone, Copy)]
pub struct MultiItems<'b> {
    bytes: &'b [u8],
    count: usize,
    next: usize,
    /// Where the last item ended.
    floor: usize,
}

impl<'b> MultiItems<'b> {
    /// The items of a value; offsets that cannot be right are clipped where the sink accepts them.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn decode(bytes: &'b [u8], at: Location, sink: &mut dyn Sink) -> Result<Self> {
        let stored = if bytes.is_empty() { 0 } else { index(le32(bytes, 0).into()) };
        let count = stored.min(bytes.len().saturating_sub(4) / 4);
        let items = Self { bytes, count, next: 0, floor: 0 };
        let first = count.saturating_mul(4).saturating_add(4);
        let offsets = || (0..count).map(|k| items.offset(k));
        let ordered = offsets().is_sorted() && offsets().next().is_none_or(|o| o == first) && offsets().all(|o| o <= bytes.len());
        if count != stored || !ordered || (!bytes.is_empty() && bytes.len() < 4) {
            sink.report(Finding::new(&rules::MULTI_VALUE, at).numbers(wide(stored), wide(count)).loss(Loss::Partial))?;
        }
        Ok(items)
    }

    fn offset(&self, k: usize) -> usize {
        index(le32(self.bytes, k.saturating_mul(4).saturating_add(4)).into())
    }
}

impl<'b> Iterator for MultiItems<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let k = self.next;
        if k >= self.count {
            return None;
        }
        self.next = k.saturating_add(1);
        let end = if self.next < self.count { self.offset(self.next) } else { self.bytes.len() };
        let start = self.offset(k).max(self.floor).min(self.bytes.len());
        self.floor = end.min(self.bytes.len()).max(start);
        Some(self.bytes.get(start..self.floor).unwrap_or_default())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count.saturating_sub(self.next);
        (left, Some(left))
    }
}

/// Encodes the items of a multi-valued property whose elements vary in size. No items have no bytes.
pub fn encode_multi<T: AsRef<[u8]>>(items: &[T]) -> Vec<u8> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut offset = items.len().saturating_mul(4).saturating_add(4);
    let mut b = low32(wide(items.len())).to_le_bytes().to_vec();
    for item in items {
        b.extend_from_slice(&low32(wide(offset)).to_le_bytes());
        offset = offset.saturating_add(item.as_ref().len());
    }
    items.iter().for_each(|item| b.extend_from_slice(item.as_ref()));
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn small_structures_round_trip(tag: u32, value: u32, id: u32, is_string: bool, guid in 0u16..0x8000, prop: u16, uid: [u8; 16]) {
            let record = PcRecord { tag: PropTag(tag), value };
            prop_assert_eq!(PcRecord::decode(&record.encode()), record);
            let name = NameId { id, is_string, guid, prop };
            prop_assert_eq!(NameId::decode(&name.encode()), name);
            prop_assert!(name.bucket(NAME_BUCKETS) < NAME_BUCKETS);
            let object = ObjectValue { nid: Nid(id), size: value };
            prop_assert_eq!(ObjectValue::decode(&object.encode()), Some(object));
            let entry = EntryId { flags: value, uid: Guid(uid), nid: Nid(id) };
            prop_assert_eq!(EntryId::decode(&entry.encode()), Some(entry));
        }

        #[test]
        fn multi_values_round_trip(items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20)) {
            let bytes = encode_multi(&items);
            let back: Vec<Vec<u8>> = MultiItems::decode(&bytes, Location::NONE, &mut Strict).unwrap().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(back, items);
        }

        #[test]
        fn hostile_multi_values_are_clipped(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0u8..20) {
            let mut bytes = bytes;
            put32(&mut bytes, 0, count.into());
            let items = MultiItems::decode(&bytes, Location::NONE, &mut Vec::new()).unwrap();
            prop_assert!(items.map(<[u8]>::len).sum::<usize>() <= bytes.len());
        }

        #[test]
        fn arranged_tables_are_right_and_round_trip(ids in proptest::collection::btree_set(0x0001u16..0x6000, 0..200), pick: u64) {
            const TYPES: [PropType; 9] = [PropType::INTEGER16, PropType::INTEGER32, PropType::BOOLEAN, PropType::STRING, PropType::TIME,
                PropType::BINARY, PropType::INTEGER64, PropType::GUID, PropType::MULTI_STRING];
            let mut tags = vec![tags::LTP_ROW_ID, tags::LTP_ROW_VER];
            tags.extend(ids.iter().enumerate().map(|(i, id)| PropTag::new(*id, TYPES[((pick >> (i % 60)) % 9) as usize])));
            let mut info = TcInfo::arrange(&tags);
            (info.row_index, info.rows) = (Hid(0x20), Hnid(0x3F));
            prop_assert_eq!(TcInfo::decode(&info.encode(), Location::NONE, &mut Strict).unwrap(), Some(info.clone()));
            let mut row = vec![0; info.row_size()];
            for column in &info.columns {
                prop_assert!(!info.has_cell(&row, column));
                info.set_cell(&mut row, column);
                prop_assert!(info.has_cell(&row, column) && !info.has_junk(&row));
            }
        }

        #[test]
        fn junk_is_no_table_or_one_that_stays_in_its_bytes(mut b in proptest::collection::vec(any::<u8>(), 0..300)) {
            put8(&mut b, 0, 0x7C);
            if let Some(info) = TcInfo::decode(&b, Location::NONE, &mut Vec::new()).unwrap() {
                prop_assert!(info.columns.len() * TCOLDESC + TCINFO_HEAD <= b.len());
                prop_assert!(info.columns.iter().all(|c| c.end() <= info.ends[2]));
            }
        }
    }

    /// The hierarchy template as Outlook writes it: creation order is bit order.
    #[test]
    fn arranging_gives_outlooks_own_layout() {
        let created = [
            0x67F2_0003,
            0x67F3_0003,
            0x3001_001F,
            0x3602_0003,
            0x3603_0003,
            0x360A_000B,
            0x0E30_0102,
            0x0E33_0014,
            0x0E34_0102,
            0x0E38_0003,
            0x3613_001F,
            0x6635_0003,
            0x6636_0003u32,
        ];
        let info = TcInfo::arrange(&created.map(PropTag));
        assert_eq!(info.ends, [52, 52, 53, 55]);
        let place = |tag| info.columns.iter().find(|c| c.tag == PropTag(tag)).map(|c| (c.offset, c.bit));
        assert_eq!(place(0x0E33_0014), Some((24, 7)));
        assert_eq!(place(0x360A_000B), Some((52, 5)));
        assert_eq!(place(0x6636_0003), Some((48, 12)));
    }

    #[test]
    fn wrong_group_offsets_follow_from_the_columns() {
        let info = TcInfo::arrange(&[tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::SUBFOLDERS]);
        let mut b = info.encode();
        put16(&mut b, 6, 3);
        let mut findings = Vec::new();
        assert_eq!(TcInfo::decode(&b, Location::NONE, &mut findings).unwrap(), Some(info));
        assert_eq!(findings.iter().map(|f| f.rule.code).collect::<Vec<_>>(), ["PST-T001"]);
    }
}
