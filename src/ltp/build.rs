//! Heaps in memory for this layer's tests: also such as no writer makes, with empty items and records out of order.

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{byte, index, low8, low16, put, put8, wide};
use crate::format::heap::{BlockHead, BthHeader, ClientSig, HnHeader, ITEM_MAX, PageMap, fill_level, fill_slot};
use crate::format::ids::Hid;
use crate::format::layout::Layout;

/// Collects the items of a heap and lays them out in blocks.
///
/// Items get the ids 0x20, 0x40, … in the order in which they come; a block is closed when the next item does not fit.
#[derive(Debug)]
pub(crate) struct HeapBuilder {
    layout: &'static Layout,
    client: ClientSig,
    blocks: Vec<Building>,
}

#[derive(Debug)]
struct Building {
    bytes: Vec<u8>,
    ends: Vec<u16>,
}

impl Building {
    fn new(block: u32) -> Self {
        Self { bytes: vec![0; BlockHead::of(block).size()], ends: Vec::new() }
    }

    /// The block's size with one more item of `len` bytes, page map included.
    fn size_with(&self, len: usize) -> usize {
        let items = self.bytes.len().saturating_add(len);
        items.saturating_add(items & 1).saturating_add(8).saturating_add(self.ends.len().saturating_mul(2))
    }
}

impl HeapBuilder {
    /// An empty heap.
    pub(crate) fn new(layout: &'static Layout, client: ClientSig) -> Self {
        Self { layout, client, blocks: vec![Building::new(0)] }
    }

    /// Adds an item; nothing has no item and the id 0.
    ///
    /// # Errors
    /// Where the item has more than [`ITEM_MAX`] bytes, or the heap more blocks than ids can name.
    pub(crate) fn alloc(&mut self, item: &[u8]) -> Result<Hid> {
        if item.len() > ITEM_MAX {
            return Err(ErrorKind::TooLarge(format!("a heap item of {} bytes", item.len())).into());
        }
        let items_max = (1usize << self.layout.hid_index_bits).saturating_sub(1);
        let fits = |b: &Building| b.ends.len() < items_max && b.size_with(item.len()) <= self.layout.block_data_max();
        if !self.blocks.last().is_some_and(fits) {
            let next = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
            self.blocks.push(Building::new(next));
        }
        let number = u32::try_from(self.blocks.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let full = || Error::new(ErrorKind::TooLarge("a heap of more blocks than its ids can name".to_owned()));
        let block = self.blocks.last_mut().ok_or_else(full)?;
        block.bytes.extend_from_slice(item);
        block.ends.push(low16(wide(block.bytes.len())));
        self.layout.hid(number, u32::try_from(block.ends.len()).unwrap_or(u32::MAX)).ok_or_else(full)
    }

    /// Writes over the start of an item, such as a header whose root has been laid out since.
    pub(crate) fn set(&mut self, hid: Hid, bytes: &[u8]) {
        let (block, item) = (index(self.layout.hid_block(hid).into()), index(self.layout.hid_index(hid).into()));
        let Some(b) = self.blocks.get_mut(block) else { return };
        let head = BlockHead::of(self.layout.hid_block(hid)).size();
        let Some(end) = item.checked_sub(1).and_then(|k| b.ends.get(k)).copied() else { return };
        let start = item.checked_sub(2).and_then(|k| b.ends.get(k)).map_or(head, |e| usize::from(*e));
        let len = usize::from(end).saturating_sub(start).min(bytes.len());
        put(&mut b.bytes, start, bytes.get(..len).unwrap_or_default());
    }

    /// Bytes of the heap so far, page maps included.
    pub(crate) fn size(&self) -> usize {
        let full = self.layout.block_data_max().saturating_mul(self.blocks.len().saturating_sub(1));
        let last = self.blocks.last().map_or(0, |b| b.size_with(0).saturating_sub(2));
        full.saturating_add(last)
    }

    /// Closes the heap: its blocks, each but the last padded to a full leaf.
    ///
    /// # Errors
    /// Where the heap has more blocks than ids can name.
    pub(crate) fn finish(self, user_root: Hid) -> Result<Vec<Vec<u8>>> {
        let mut levels = Vec::with_capacity(self.blocks.len());
        let mut out: Vec<Vec<u8>> = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.into_iter().enumerate() {
            let number = u32::try_from(i).unwrap_or(u32::MAX);
            let mut bytes = block.bytes;
            PageMap::encode(number, &block.ends, &mut bytes);
            levels.push(fill_level(self.layout, bytes.len()));
            out.push(bytes);
        }
        let last = out.len().saturating_sub(1);
        for block in out.iter_mut().take(last) {
            block.resize(self.layout.block_data_max(), 0);
        }
        if let Some(first) = out.first_mut() {
            let header = HnHeader { map_at: crate::format::bytes::le16(first, 0), client: self.client, user_root, fill: [0; 4] };
            header.encode(first);
        }
        for (i, level) in levels.into_iter().enumerate() {
            let (holder, at, shift) = fill_slot(u32::try_from(i).unwrap_or(u32::MAX));
            if let Some(block) = out.get_mut(index(holder.into())) {
                let value = byte(block, at) | level.checked_shl(shift).unwrap_or_default();
                put8(block, at, value);
            }
        }
        Ok(out)
    }
}

/// Lays out a B-tree of records that are sorted by their keys; gives the id of its header, which is the first item that it adds.
///
/// # Errors
/// Where the records have the wrong size, or the heap is full.
pub(crate) fn bth(heap: &mut HeapBuilder, key: u8, entry: u8, records: &[u8]) -> Result<Hid> {
    let header_hid = heap.alloc(&[0; crate::format::heap::BTH_HEADER])?;
    let mut header = BthHeader { key, entry, levels: 0, root: Hid::NONE };
    let record = header.leaf_record();
    if record == 0 || records.len().checked_rem(record) != Some(0) {
        return Err(ErrorKind::Usage(format!("{} bytes are no records of {record} bytes", records.len())).into());
    }
    let mut level = records.to_vec();
    let mut size = record;
    while !level.is_empty() {
        let per_item = ITEM_MAX.checked_div(size).unwrap_or(1).max(1).saturating_mul(size);
        let mut index_records = Vec::new();
        let mut items = 0usize;
        for item in level.chunks(per_item) {
            let hid = heap.alloc(item)?;
            index_records.extend_from_slice(item.get(..usize::from(key)).unwrap_or_default());
            index_records.extend_from_slice(&hid.0.to_le_bytes());
            items = items.saturating_add(1);
            header.root = hid;
        }
        if items <= 1 {
            break;
        }
        header.levels = low8(u64::from(header.levels).saturating_add(1));
        level = index_records;
        size = header.index_record();
    }
    heap.set(header_hid, &header.encode());
    Ok(header_hid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::{UNICODE, UNICODE_4K};

    #[test]
    fn an_empty_property_context_has_outlooks_own_form() {
        let mut heap = HeapBuilder::new(&UNICODE, ClientSig::PROPERTY);
        let root = bth(&mut heap, 2, 6, &[]).unwrap();
        assert_eq!(root, Hid(0x20));
        let blocks = heap.finish(root).unwrap();
        let expected = [20, 0, 0xEC, 0xBC, 0x20, 0, 0, 0, 0, 0, 0, 0, 0xB5, 2, 6, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12, 0, 20, 0];
        assert_eq!(blocks, [expected.to_vec()]);
    }

    #[test]
    fn items_that_are_too_large_are_refused() {
        let mut heap = HeapBuilder::new(&UNICODE, ClientSig::PROPERTY);
        assert!(heap.alloc(&[0; ITEM_MAX]).is_ok());
        assert!(matches!(heap.alloc(&[0; ITEM_MAX + 1]).unwrap_err().kind(), ErrorKind::TooLarge(_)));
        assert!(bth(&mut heap, 2, 6, &[0; 9]).is_err());
    }

    #[test]
    fn the_size_is_known_before_the_heap_is_closed() {
        for layout in [&UNICODE, &UNICODE_4K] {
            let mut heap = HeapBuilder::new(layout, ClientSig::TABLE);
            for n in 0..200 {
                heap.alloc(&vec![0; n * 17]).unwrap();
            }
            let size = heap.size();
            assert_eq!(heap.finish(Hid::NONE).unwrap().iter().map(Vec::len).sum::<usize>(), size);
        }
    }
}
