//! The heap on a node and the B-tree on a heap ([MS-PST] 2.3.1, 2.3.2).
//!
//! ```text
//! block 0            HNHDR        ibHnpm[2] bSig=EC bClientSig hidUserRoot[4] rgbFillLevel[4]   12 bytes
//! block 8 + 128 k    HNBITMAPHDR  ibHnpm[2] rgbFillLevel[64]                                    66 bytes
//! every other block  HNPAGEHDR    ibHnpm[2]                                                      2 bytes
//!                    items ..., ibHnpm: HNPAGEMAP  cAlloc[2] cFree[2] rgibAlloc[2][cAlloc + 1]
//! BTHHEADER          bType=B5 cbKey cbEnt bIdxLevels hidRoot[4]
//! ```
//!
//! Item `k` (from 1) of a block lies between `rgibAlloc[k-1]` and `rgibAlloc[k]`; the page map follows the last item, rounded up to an
//! even offset. A freed item has no bytes and keeps its id.

use super::bytes::{byte, index, le16, low16, put, put8, put16, put32, u16_at, wide};
use super::context::{PC_ENTRY, PC_KEY, PC_RECORD, PcRecord, TcInfo};
use super::ids::{Hid, HnidKind};
use super::layout::Layout;
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::rules;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// bSig of a heap.
pub const HN_SIGNATURE: u8 = 0xEC;
/// bType of a B-tree on a heap.
pub const BTH_TYPE: u8 = 0xB5;
/// Size of HNHDR, the header of a heap's first block.
pub const HN_HEADER: usize = 12;
/// Size of HNPAGEHDR, the header of most other blocks.
pub const HN_PAGE_HEADER: usize = 2;
/// Size of HNBITMAPHDR, the header of block 8 and every 128th after it.
pub const HN_BITMAP_HEADER: usize = 66;
/// Size of a BTHHEADER.
pub const BTH_HEADER: usize = 8;
/// Most bytes of an item; larger values belong into sub-nodes.
pub const ITEM_MAX: usize = 3580;
/// Most levels of index records above the leaves of a B-tree on a heap that are followed.
pub const BTH_LEVELS_MAX: u8 = 8;

/// The contents of a heap (bClientSig).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientSig(pub u8);

impl ClientSig {
    /// A table context.
    pub const TABLE: Self = Self(0x7C);
    /// A property context.
    pub const PROPERTY: Self = Self(0xBC);
    /// A B-tree alone.
    pub const BTH: Self = Self(0xB5);
    /// OST: map from GUIDs to small numbers (node 0x801).
    pub const GUID_MAP: Self = Self(0x6C);
    /// OST: map of change keys (node 0x821, node types 0x14 and 0x15).
    pub const CHANGE_MAP: Self = Self(0x8C);
    /// Map of object ids (node 0xC01).
    pub const ID_MAP: Self = Self(0x9C);
    /// Table of the form that Outlook 2007 used for search results.
    pub const GUST: Self = Self(0xAC);
    /// The values of one column of a table.
    pub const COLUMN: Self = Self(0xA5);
    /// Message index (node 0xE01).
    pub const MESSAGE_INDEX: Self = Self(0xCC);

    /// The name of such a heap.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x7C => "table context",
            0xBC => "property context",
            0xB5 => "B-tree",
            0x6C => "GUID map",
            0x8C => "change map",
            0x9C => "object id map",
            0xAC => "search result table",
            0xA5 => "column heap",
            0xCC => "message index",
            _ => "unknown",
        }
    }

    /// Whether the signature is a known one.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 0x7C | 0xBC | 0xB5 | 0x6C | 0x8C | 0x9C | 0xAC | 0xA5 | 0xCC)
    }
}

impl fmt::Display for ClientSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for ClientSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", self.0, self.name())
    }
}

/// HNHDR: the header of a heap's first block ([MS-PST] 2.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HnHeader {
    /// Offset of the block's page map.
    pub map_at: u16,
    /// The contents of the heap.
    pub client: ClientSig,
    /// Its root item.
    pub user_root: Hid,
    /// Fill levels of blocks 0 to 7, a nibble each.
    pub fill: [u8; 4],
}

impl HnHeader {
    /// Decodes the header of a first block; `None` where the bytes are no heap.
    ///
    /// Where the header is damaged and the sink accepts that, it is derived from the page map and the items, if they are whole.
    ///
    /// # Errors
    /// The sink's answer to a wrong signature or a short block.
    pub fn decode(layout: &Layout, block: &[u8], at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        if let Some(header) = Self::peek(block) {
            return Ok(Some(header));
        }
        let finding = Finding::new(&rules::HN_SIGNATURE, at);
        let finding = if block.len() < HN_HEADER {
            finding.numbers(wide(block.len()), wide(HN_HEADER))
        } else {
            finding.hex(byte(block, 2).into(), HN_SIGNATURE.into())
        };
        let derived = Self::derive(layout, block);
        sink.report(finding.loss(if derived.is_some() { Loss::Partial } else { Loss::Item }))?;
        Ok(derived)
    }

    /// The header that a block without one must have had: its page map is found at its end, and the root is the item that can be one.
    fn derive(layout: &Layout, block: &[u8]) -> Option<Self> {
        let map = PageMap::recover(layout, 0, block)?;
        let client_of = |item: &[u8]| {
            let is_tree = |h: BthHeader| (h.key, h.entry) == (PC_KEY, PC_ENTRY) && item.len() == BTH_HEADER;
            match item {
                [0x7C, columns, ..] if *columns > 0 && item.len() == TcInfo::size((*columns).into()) => Some(ClientSig::TABLE),
                _ => BthHeader::peek(item).filter(|h| is_tree(*h)).map(|_| ClientSig::PROPERTY),
            }
        };
        let roots = (1..=map.count).filter_map(|k| Some((client_of(map.item(block, k)?)?, layout.hid(0, k)?)));
        // a table also has trees, so a sign of a table counts more
        let (client, user_root) = roots.max_by_key(|(client, _)| *client == ClientSig::TABLE)?;
        Some(Self { map_at: u16::try_from(map.at).ok()?, client, user_root, fill: [0; 4] })
    }

    /// The header, if the bytes begin with one; reports nothing.
    pub fn peek(block: &[u8]) -> Option<Self> {
        if block.len() < HN_HEADER || byte(block, 2) != HN_SIGNATURE {
            return None;
        }
        Some(Self {
            map_at: le16(block, 0),
            client: ClientSig(byte(block, 3)),
            user_root: Hid(super::bytes::le32(block, 4)),
            fill: super::bytes::array_at(block, 8)?,
        })
    }

    /// Writes the header at the start of a block.
    pub fn encode(&self, block: &mut [u8]) {
        put16(block, 0, self.map_at);
        put8(block, 2, HN_SIGNATURE);
        put8(block, 3, self.client.0);
        put32(block, 4, self.user_root.0);
        put(block, 8, &self.fill);
    }
}

/// Which header a block of a heap has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockHead {
    /// HNHDR.
    Heap,
    /// HNBITMAPHDR.
    Bitmap,
    /// HNPAGEHDR.
    Page,
}

impl BlockHead {
    /// The header of the block with this index.
    pub const fn of(block: u32) -> Self {
        match block {
            0 => Self::Heap,
            8.. if block.wrapping_sub(8).is_multiple_of(128) => Self::Bitmap,
            _ => Self::Page,
        }
    }

    /// Its size: where the block's first item begins.
    pub const fn size(self) -> usize {
        match self {
            Self::Heap => HN_HEADER,
            Self::Bitmap => HN_BITMAP_HEADER,
            Self::Page => HN_PAGE_HEADER,
        }
    }
}

/// Where the fill level of a block stands: the block that holds it, the offset of its byte there, and the shift of its nibble.
///
/// ```
/// use pstkit::format::heap::fill_slot;
/// assert_eq!(fill_slot(3), (0, 9, 4));
/// assert_eq!(fill_slot(8), (8, 2, 0));
/// assert_eq!(fill_slot(137), (136, 2, 4));
/// ```
#[allow(clippy::arithmetic_side_effects)]
pub const fn fill_slot(block: u32) -> (u32, usize, u32) {
    let (holder, first, base) = match block.checked_sub(8) {
        None => (0, block, 8),
        Some(n) => (block - n % 128, n % 128, 2),
    };
    (holder, base + (first / 2) as usize, (first % 2) * 4)
}

/// The fill level of a block of which `used` bytes are taken, page map included: 0 (mostly free) to 15 (full).
pub fn fill_level(layout: &Layout, used: usize) -> u8 {
    let free = layout.block_data_max().saturating_sub(used);
    if layout.block_data_max() > 0x4000 {
        // Measured: sixteen steps of 4096 bytes.
        return 15u8.saturating_sub(super::bytes::low8(wide(free) >> 12));
    }
    const STEPS: [usize; 15] = [3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8];
    let level = STEPS.iter().position(|step| free >= *step).unwrap_or(15);
    super::bytes::low8(wide(level))
}

/// HNPAGEMAP: where the items of a block lie ([MS-PST] 2.3.1.5). Reads the offsets from the block itself and holds no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageMap {
    /// Offset of the map in its block.
    pub at: usize,
    /// How many items the block has, freed ones included (cAlloc).
    pub count: u32,
    /// How many of them are freed, as stored (cFree).
    pub free: u16,
}

impl PageMap {
    /// Decodes and verifies the page map of a block; `last` says that no block follows it.
    ///
    /// Where the map is not where the header says and the sink accepts that, it is looked for at the block's end.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn decode(layout: &Layout, block_index: u32, block: &[u8], last: bool, at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let head = BlockHead::of(block_index).size();
        let map_at = usize::from(le16(block, 0));
        let Some(map) = Self::read(layout, block, map_at).filter(|_| map_at >= head && map_at.is_multiple_of(2)) else {
            sink.report(Finding::new(&rules::HN_PAGE_MAP, at).numbers(wide(map_at), wide(block.len())).loss(Loss::Partial))?;
            return Ok(Self::recover(layout, block_index, block));
        };
        map.verify(head, block, last, at, sink)?;
        Ok(Some(map))
    }

    /// The map at an offset, if it fits into the block there.
    fn read(layout: &Layout, block: &[u8], at: usize) -> Option<Self> {
        let count = u16_at(block, at)?;
        let free = u16_at(block, at.checked_add(2)?)?;
        let map = Self { at, count: count.into(), free };
        (map.end() <= block.len() && map.count >> layout.hid_index_bits == 0).then_some(map)
    }

    fn verify(&self, head: usize, block: &[u8], last: bool, at: Location, sink: &mut dyn Sink) -> Result<()> {
        let table = block.get(self.at.saturating_add(4)..self.end()).unwrap_or_default();
        let mut ends = table.chunks_exact(2).map(|c| usize::from(le16(c, 0)));
        let first = ends.next().unwrap_or_default();
        if first != head {
            sink.report(Finding::new(&rules::HN_BLOCK_HEAD, at).numbers(wide(first), wide(head)).loss(Loss::Partial))?;
        }
        let (mut previous, mut empty, mut disorder, mut large) = (first, 0u64, None, None);
        for end in ends {
            match end.checked_sub(previous) {
                None => disorder = disorder.or(Some(end)),
                Some(0) => empty = empty.saturating_add(1),
                Some(n) if n > ITEM_MAX => large = large.or(Some(n)),
                Some(_) => {}
            }
            previous = end;
        }
        if disorder.is_some() || previous > self.at {
            let offset = disorder.unwrap_or(previous);
            sink.report(Finding::new(&rules::HN_ALLOC_ORDER, at).actual(format!("offset {offset}")).loss(Loss::Partial))?;
        } else {
            if previous.checked_next_multiple_of(2) != Some(self.at) {
                sink.report(Finding::new(&rules::HN_SENTINEL, at).numbers(wide(self.at), wide(previous)))?;
            }
            if u64::from(self.free) != empty {
                sink.report(Finding::new(&rules::HN_FREE_COUNT, at).numbers(self.free.into(), empty))?;
            }
        }
        if let Some(n) = large {
            sink.report(Finding::new(&rules::HN_ITEM_LARGE, at).numbers(wide(n), wide(ITEM_MAX)))?;
        }
        if last && block.len() != self.end() {
            sink.report(Finding::new(&rules::HN_BLOCK_END, at).numbers(wide(block.len()), wide(self.end())))?;
        }
        Ok(())
    }

    /// Looks for a page map at the end of a block whose header does not lead to one: a count that fits its place, the right first
    /// offset, offsets in order that end before the map.
    pub fn recover(layout: &Layout, block_index: u32, block: &[u8]) -> Option<Self> {
        let head = BlockHead::of(block_index).size();
        let most = 1u32.checked_shl(layout.hid_index_bits)?;
        (1..most).find_map(|n| {
            let size = index(u64::from(n).saturating_mul(2)).saturating_add(6);
            let at = block.len().checked_sub(size)?;
            let map = Self::read(layout, block, at).filter(|m| m.count == n)?;
            let offsets = block.get(at.checked_add(4)?..)?;
            let ordered = offsets.chunks_exact(2).map(|c| le16(c, 0)).is_sorted();
            let last = offsets.last_chunk::<2>().map(|c| usize::from(u16::from_le_bytes(*c)))?;
            (ordered && usize::from(le16(offsets, 0)) == head && last.checked_next_multiple_of(2) == Some(at)).then_some(map)
        })
    }

    /// A heap's first block whose map is overwritten, wholly or in its front, with another map behind it: of the items that can still be
    /// told. `map` is the map that was read in its place. `None` where that begins or ends as a map does, or nothing can be told.
    ///
    /// The offsets at the end of the map are right as far as they fall towards its beginning. A property context's header is its first
    /// item, and the records are the second: they end where no record follows. Where the values lie that these name, only
    /// offsets tell.
    pub fn rebuild(layout: &Layout, block: &[u8], map: Option<Self>) -> Option<(Vec<u8>, Self)> {
        const UNTOLD: u16 = u16::MAX;
        let header = HnHeader::peek(block)?;
        let stored = |m: Self| block.get(m.at.saturating_add(4)..m.end()).unwrap_or_default().as_chunks::<2>().0;
        let begins = map.is_some_and(|m| stored(m).first().map(|c| usize::from(u16::from_le_bytes(*c))) == Some(HN_HEADER));
        let ends_well = |m: Self| {
            let ends = || stored(m).iter().map(|c| usize::from(u16::from_le_bytes(*c)));
            m.count > 0 && ends().is_sorted() && ends().next_back().is_some_and(|end| end.next_multiple_of(2) == m.at)
        };
        if map.is_some_and(|m| ends_well(m) || (begins && m.end() == block.len())) {
            return None;
        }
        let map_at = usize::from(header.map_at);
        let table = block.get(map_at.max(HN_HEADER).checked_add(4)?..).unwrap_or_default();
        let mut ends: Vec<u16> = table.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
        let (mut told, mut next) = (ends.len(), None);
        for end in ends.iter().rev().map(|end| usize::from(*end)) {
            let fits = next.map_or_else(|| end.checked_next_multiple_of(2) == Some(map_at), |next| end <= next);
            if !fits || end < HN_HEADER {
                break;
            }
            told = told.saturating_sub(1);
            next = Some(end);
        }
        // a map that begins as one is worth more than part of another
        if begins && next != Some(HN_HEADER) {
            return None;
        }
        // the first of them may be there by accident
        told = if next == Some(HN_HEADER) { told } else { told.saturating_add(1) };
        let stop = ends.get(told).map_or_else(|| map_at.clamp(HN_HEADER, block.len()), |end| usize::from(*end));
        ends.iter_mut().take(told).for_each(|end| *end = UNTOLD);
        for (n, end) in Self::front(layout, header, block.get(..stop)?).into_iter().enumerate() {
            if n >= ends.len() {
                ends.push(UNTOLD);
            }
            if let Some(slot) = ends.get_mut(n).filter(|slot| **slot == UNTOLD) {
                *slot = end;
            }
        }
        let items = ends.split_first().map(|(_, ends)| ends)?;
        let is_told = |pair: &[u16]| matches!(pair, [a, b] if *b != UNTOLD && a < b);
        if !ends.windows(2).any(is_told) || (items.len() >> layout.hid_index_bits) != 0 {
            return None;
        }
        let mut out = block.to_vec();
        if !out.len().is_multiple_of(2) {
            out.push(0);
        }
        let at = u16::try_from(out.len()).ok()?;
        for n in [low16(wide(items.len())), 0].into_iter().chain(ends) {
            out.extend_from_slice(&n.to_le_bytes());
        }
        put16(&mut out, 0, at);
        let map = Self::read(layout, &out, at.into())?;
        Some((out, map))
    }

    /// Where the first two items of a property context end, as far as their contents tell, after where they begin; `block` ends where
    /// something else begins.
    fn front(layout: &Layout, header: HnHeader, block: &[u8]) -> Vec<u16> {
        let mut ends = Vec::new();
        let behind = HN_HEADER.saturating_add(BTH_HEADER);
        let is_first = header.client == ClientSig::PROPERTY && Some(header.user_root) == layout.hid(0, 1);
        let tree = block.get(HN_HEADER..behind).filter(|_| is_first).and_then(BthHeader::peek);
        let Some(tree) = tree.filter(|t| (t.key, t.entry) == (PC_KEY, PC_ENTRY)) else { return ends };
        ends.extend([low16(wide(HN_HEADER)), low16(wide(behind))]);
        if tree.levels > 0 || Some(tree.root) != layout.hid(0, 2) {
            return ends;
        }
        let (mut last, mut named) = (0, HashSet::new());
        let mut is_record = |r: &PcRecord| {
            let (id, t) = (r.tag.id(), r.tag.prop_type());
            let value_fits = t.is_inline()
                || match r.hnid().kind() {
                    HnidKind::Heap(hid) => layout.hid_block(hid) == 0 && layout.hid_index(hid) > 2 && named.insert(hid),
                    HnidKind::Empty | HnidKind::Node(_) => true,
                };
            t.is_stored() && value_fits && id > std::mem::replace(&mut last, id)
        };
        let records = block.get(behind..).unwrap_or_default().chunks_exact(PC_RECORD).map(PcRecord::decode);
        let size = records.take_while(|r| is_record(r)).count().saturating_mul(PC_RECORD);
        ends.push(low16(wide(behind.saturating_add(size))));
        ends
    }

    /// Where the map ends: the end of the heap's last block.
    pub const fn end(&self) -> usize {
        self.at.saturating_add(6).saturating_add((self.count as usize).saturating_mul(2))
    }

    /// The sizes of the items in turn, from item 1; 0 where the offsets are out of order.
    pub fn sizes<'b>(&self, block: &'b [u8]) -> impl Iterator<Item = usize> + use<'b> {
        let table = block.get(self.at.saturating_add(4)..self.end()).unwrap_or_default();
        let mut ends = table.as_chunks::<2>().0.iter().map(|c| usize::from(u16::from_le_bytes(*c)));
        let mut start = ends.next().unwrap_or_default();
        ends.map(move |end| end.saturating_sub(std::mem::replace(&mut start, end)))
    }

    /// Where an item lies, `item` from 1; `None` where there is no such item or its bytes are not before the map.
    #[inline]
    pub fn range(&self, block: &[u8], item: u32) -> Option<Range<usize>> {
        if item == 0 || item > self.count {
            return None;
        }
        let slot = self.at.checked_add(2)?.checked_add(index(u64::from(item).checked_mul(2)?))?;
        let start = usize::from(u16_at(block, slot)?);
        let end = usize::from(u16_at(block, slot.checked_add(2)?)?);
        (start <= end && end <= self.at).then_some(start..end)
    }

    /// The bytes of an item, `item` from 1.
    #[inline]
    pub fn item<'b>(&self, block: &'b [u8], item: u32) -> Option<&'b [u8]> {
        block.get(self.range(block, item)?)
    }

    /// Appends the page map to a block whose items are done, and sets `ibHnpm`. `ends` are the offsets at which the items end.
    pub fn encode(block_index: u32, ends: &[u16], block: &mut Vec<u8>) {
        if !block.len().is_multiple_of(2) {
            block.push(0);
        }
        let head = BlockHead::of(block_index).size();
        let at = low16(wide(block.len()));
        let starts = std::iter::once(low16(wide(head))).chain(ends.iter().copied());
        let free = starts.zip(ends).filter(|(start, end)| start == *end).count();
        block.extend_from_slice(&low16(wide(ends.len())).to_le_bytes());
        block.extend_from_slice(&low16(wide(free)).to_le_bytes());
        block.extend_from_slice(&low16(wide(head)).to_le_bytes());
        ends.iter().for_each(|end| block.extend_from_slice(&end.to_le_bytes()));
        put16(block, 0, at);
    }
}

/// BTHHEADER: the header of a B-tree on a heap ([MS-PST] 2.3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BthHeader {
    /// Bytes of a key: 2, 4, 8 or 16.
    pub key: u8,
    /// Bytes of a leaf record behind its key.
    pub entry: u8,
    /// Levels of index records above the leaves.
    pub levels: u8,
    /// The root; none where the tree is empty.
    pub root: Hid,
}

impl BthHeader {
    /// Decodes the header; `None` where it cannot be right.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn decode(b: &[u8], at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let header = Self::peek(b);
        if header.is_none() {
            let text = format!("{:02X?}", b.get(..b.len().min(BTH_HEADER)).unwrap_or_default());
            sink.report(Finding::new(&rules::BTH_HEADER, at).actual(text).loss(Loss::Item))?;
        }
        Ok(header)
    }

    /// The header, if the bytes are one; reports nothing.
    pub fn peek(b: &[u8]) -> Option<Self> {
        let header = Self { key: byte(b, 1), entry: byte(b, 2), levels: byte(b, 3), root: Hid(super::bytes::u32_at(b, 4)?) };
        (byte(b, 0) == BTH_TYPE
            && matches!(header.key, 2 | 4 | 8 | 16)
            && (1..=32).contains(&header.entry)
            && header.levels <= BTH_LEVELS_MAX
            && header.root.0 & 0x1F == 0)
            .then_some(header)
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; BTH_HEADER] {
        let mut b = [BTH_TYPE, self.key, self.entry, self.levels, 0, 0, 0, 0];
        put32(&mut b, 4, self.root.0);
        b
    }

    /// Size of a record of the leaves.
    pub const fn leaf_record(&self) -> usize {
        (self.key as usize).saturating_add(self.entry as usize)
    }

    /// Size of a record above the leaves: key and heap id.
    pub const fn index_record(&self) -> usize {
        (self.key as usize).saturating_add(4)
    }

    /// The number by which a key is ordered: keys are little-endian numbers, those of 16 bytes are ordered byte by byte.
    #[inline]
    pub fn order(key: &[u8]) -> u128 {
        match key.len() {
            2 => u128::from(le16(key, 0)),
            4 => u128::from(super::bytes::le32(key, 0)),
            8 => u128::from(super::bytes::le64(key, 0)),
            _ => key.iter().fold(0, |n, b| n << 8 | u128::from(*b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::PropType;
    use super::super::layout::{UNICODE, UNICODE_4K};
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    fn block(index: u32, items: &[Vec<u8>]) -> Vec<u8> {
        let mut b = vec![0; BlockHead::of(index).size()];
        let mut ends = Vec::new();
        for item in items {
            b.extend_from_slice(item);
            ends.push(b.len() as u16);
        }
        PageMap::encode(index, &ends, &mut b);
        b
    }

    proptest! {
        #[test]
        fn page_maps_round_trip_and_are_found_again(
            l in 0usize..3, index in prop_oneof![Just(0u32), Just(1), Just(8), Just(136)],
            items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 1..80),
        ) {
            let layout = Layout::all()[l];
            let mut b = block(index, &items);
            let map = PageMap::decode(layout, index, &b, true, Location::NONE, &mut Strict).unwrap().unwrap();
            for (k, item) in items.iter().enumerate() {
                prop_assert_eq!(map.item(&b, k as u32 + 1), Some(item.as_slice()));
            }
            prop_assert_eq!(map.item(&b, 0), None);
            prop_assert_eq!(map.item(&b, items.len() as u32 + 1), None);
            put16(&mut b, 0, 0xFFFE);
            let mut findings = Vec::new();
            prop_assert_eq!(PageMap::decode(layout, index, &b, true, Location::NONE, &mut findings).unwrap(), Some(map));
            prop_assert_eq!(findings.len(), 1);
        }

        #[test]
        fn headers_round_trip(map_at: u16, client: u8, root: u32, fill: [u8; 4], key in prop_oneof![Just(2u8), Just(4), Just(8), Just(16)],
            entry in 1u8..=32, levels in 0u8..=8, hid: u32) {
            let header = HnHeader { map_at, client: ClientSig(client), user_root: Hid(root), fill };
            let mut b = [0; HN_HEADER];
            header.encode(&mut b);
            prop_assert_eq!(HnHeader::decode(&UNICODE, &b, Location::NONE, &mut Strict).unwrap(), Some(header));
            let bth = BthHeader { key, entry, levels, root: Hid(hid & !0x1F) };
            prop_assert_eq!(BthHeader::decode(&bth.encode(), Location::NONE, &mut Strict).unwrap(), Some(bth));
        }

        #[test]
        fn junk_is_never_out_of_bounds(l in 0usize..3, index in 0u32..200, b in proptest::collection::vec(any::<u8>(), 0..200)) {
            let layout = Layout::all()[l];
            if let Some(map) = PageMap::decode(layout, index, &b, true, Location::NONE, &mut Vec::new()).unwrap() {
                prop_assert!(map.end() <= b.len());
                for k in 0..=map.count {
                    prop_assert!(map.range(&b, k).is_none_or(|r| r.end <= b.len()));
                }
            }
        }
    }

    #[test]
    fn each_violation_of_a_page_map_is_told() {
        let good = block(0, &[vec![1; 7], vec![], vec![2; 9]]);
        let at = usize::from(le16(&good, 0));
        let rules_of = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut b = good.clone();
            change(&mut b);
            let mut findings = Vec::new();
            PageMap::decode(&UNICODE, 0, &b, true, Location::NONE, &mut findings).unwrap();
            findings.into_iter().map(|f| f.rule.code).collect::<Vec<_>>()
        };
        assert!(rules_of(&|_| ()).is_empty());
        assert_eq!(rules_of(&|b| put16(b, at + 2, 0)), ["PST-P003"]);
        assert_eq!(rules_of(&|b| put16(b, at + 4, 13)), ["PST-P013"]);
        assert_eq!(rules_of(&|b| put16(b, at + 6, 5)), ["PST-P004"]);
        assert_eq!(rules_of(&|b| put16(b, at + 10, 24)), ["PST-P002"]);
        assert_eq!(rules_of(&|b| b.push(0)), ["PST-P012"]);
        assert_eq!(rules_of(&|b| put16(b, 0, 1)), ["PST-P011"]);
        assert_eq!(rules_of(&|b| put16(b, at, 2000)), ["PST-P011"]);
    }

    /// The items that a rebuilt map tells, by their ids; none may be another than it was.
    fn told(block: &[u8], items: &[Vec<u8>], damaged: &[u8]) -> Vec<usize> {
        let at = usize::from(le16(block, 0));
        let map = PageMap::read(&UNICODE, damaged, at);
        let Some((out, map)) = PageMap::rebuild(&UNICODE, damaged, map) else { return Vec::new() };
        let found = items.iter().enumerate().filter_map(|(n, item)| Some((n + 1, item, map.item(&out, n as u32 + 1)?)));
        found
            .map(|(n, item, got)| {
                assert_eq!(got, item, "{n}");
                n
            })
            .collect()
    }

    #[test]
    fn what_an_overwritten_page_map_leaves_is_told() {
        let record = |id, t, value| PcRecord { tag: super::super::ids::PropTag::new(id, t), value }.encode();
        let records = [
            record(0x17, PropType::INTEGER32, 1),
            record(0x37, PropType::STRING, 0x60),
            record(0x39, PropType::TIME, 0x80),
            record(0x1000, PropType::STRING, 0x65F),
            record(0x3001, PropType::STRING, 0xA0),
        ];
        let tree = BthHeader { key: PC_KEY, entry: PC_ENTRY, levels: 0, root: Hid(0x40) }.encode();
        let mut items = vec![tree.to_vec(), records.concat()];
        items.extend([b"t\0e\0x\0t\0".to_vec(), vec![7; 8], b"Z\0zz".to_vec(), vec![9; 21], vec![8; 3]]);
        let mut block = block(0, &items);
        HnHeader { map_at: le16(&block, 0), client: ClientSig::PROPERTY, user_root: Hid(0x20), fill: [0; 4] }.encode(&mut block);
        let at = usize::from(le16(&block, 0));
        let overwritten = |range: Range<usize>, fill: u8| {
            let mut damaged = block.clone();
            damaged[range].fill(fill);
            told(&block, &items, &damaged)
        };
        assert_eq!(told(&block, &items, &block), [0; 0]);
        for fill in [0, 0x41, 0xFF] {
            // all of it, its counts, its front
            assert_eq!(overwritten(at..block.len(), fill), [1, 2]);
            assert_eq!(overwritten(at..at + 4, fill), [1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(overwritten(at..at + 8, fill), [1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(overwritten(at..at + 12, fill), [1, 2, 6, 7]);
            assert_eq!(overwritten(at..at + 14, fill), [1, 2, 7]);
        }
        // nothing is told of a head that is gone, nor of records behind another root
        assert_eq!(overwritten(at - 8..block.len(), 0), [1, 2]);
        assert_eq!(overwritten(0..block.len(), 0), [0; 0]);
    }

    #[test]
    fn fill_levels_fall_with_the_free_space() {
        assert_eq!(fill_level(&UNICODE, 0), 0);
        assert_eq!(fill_level(&UNICODE, 8176), 15);
        assert_eq!(fill_level(&UNICODE, 8176 - 8), 14);
        assert_eq!(fill_level(&UNICODE, 8176 - 3583), 1);
        assert_eq!(fill_level(&UNICODE_4K, 65_512), 15);
        assert_eq!(fill_level(&UNICODE_4K, 0), 0);
    }

    #[test]
    fn blocks_8_and_every_128th_after_it_have_bitmaps() {
        let bitmaps: Vec<u32> = (0..300).filter(|i| BlockHead::of(*i) == BlockHead::Bitmap).collect();
        assert_eq!(bitmaps, [8, 136, 264]);
    }
}
