//! [`HeapBuilder`]: heaps of any number of blocks, and B-trees on them ([MS-PST] 2.3.1, 2.3.2).
//!
//! ```text
//! block 0        HNHDR        items  page map  |
//! blocks 1-7     HNPAGEHDR    items  page map  |  every block but the last is filled up with zeros:
//! block 8+128k   HNBITMAPHDR  items  page map  |  inner leaves of a data tree are full
//! ```
//!
//! Items go into the last block only. Blocks before it can be written and forgotten, but for those that hold fill levels of blocks
//! to come.

use super::ndb::NdbWriter;
use super::tree::WrittenData;
use crate::error::{ErrorKind, Result};
use crate::format::bytes::{byte, index, low8, low16, low32, put8, wide};
use crate::format::heap::{BlockHead, BthHeader, ClientSig, HnHeader, ITEM_MAX, PageMap, fill_level, fill_slot};
use crate::format::ids::{Bid, Hid};
use crate::format::layout::Layout;

/// A block of a heap that gets no more items.
#[derive(Debug)]
enum Closed {
    /// In memory, with the offsets at which its items end.
    Held(Vec<u8>, Vec<u16>),
    Written(Bid),
}

/// A B-tree on a heap, its items reserved level by level.
#[derive(Debug)]
pub(super) struct Bth {
    pub(super) header: Hid,
    key: u8,
    entry: u8,
    levels: Vec<Vec<Hid>>,
}

impl Bth {
    /// Bytes of a record behind its key.
    pub(super) fn entry_size(&self) -> u8 {
        self.entry
    }
}

/// A heap that is being filled.
#[derive(Debug)]
pub(super) struct HeapBuilder {
    layout: &'static Layout,
    client: ClientSig,
    user_root: Hid,
    closed: Vec<Closed>,
    block: Vec<u8>,
    ends: Vec<u16>,
    /// Fill levels of the closed blocks.
    levels: Vec<u8>,
    /// The first closed block that may still have to be written.
    unwritten: usize,
}

impl HeapBuilder {
    pub(super) fn new(layout: &'static Layout, client: ClientSig) -> Self {
        Self {
            layout,
            client,
            user_root: Hid::NONE,
            closed: Vec::new(),
            block: vec![0; BlockHead::Heap.size()],
            ends: Vec::new(),
            levels: Vec::new(),
            unwritten: 0,
        }
    }

    pub(super) fn set_user_root(&mut self, hid: Hid) {
        self.user_root = hid;
    }

    /// Adds an item of 1 to 3580 bytes.
    pub(super) fn alloc(&mut self, bytes: &[u8]) -> Result<Hid> {
        if bytes.is_empty() || bytes.len() > ITEM_MAX {
            return Err(ErrorKind::Usage(format!("a heap item has 1 to {ITEM_MAX} bytes, not {}", bytes.len())).into());
        }
        if self.size_with(bytes.len()) > self.layout.block_data_max()
            || self.ends.len().saturating_add(1) >> self.layout.hid_index_bits != 0
        {
            self.close_block();
        }
        let block = low32(wide(self.closed.len()));
        let item = low32(wide(self.ends.len()).saturating_add(1));
        let Some(hid) = self.layout.hid(block, item) else {
            return Err(ErrorKind::TooLarge("a heap has no more blocks; the table or property list is too long".to_owned()).into());
        };
        self.block.extend_from_slice(bytes);
        self.ends.push(low16(wide(self.block.len())));
        Ok(hid)
    }

    /// Size of the block that is being filled, once it holds `more` bytes as another item.
    fn size_with(&self, more: usize) -> usize {
        let end = self.block.len().saturating_add(more);
        let end = end.saturating_add(end & 1);
        let items = self.ends.len().saturating_add(usize::from(more != 0));
        end.saturating_add(6).saturating_add(items.saturating_mul(2))
    }

    fn close_block(&mut self) {
        let number = low32(wide(self.closed.len()));
        self.levels.push(fill_level(self.layout, self.size_with(0)));
        let mut block = std::mem::take(&mut self.block);
        let ends = std::mem::take(&mut self.ends);
        PageMap::encode(number, &ends, &mut block);
        self.closed.push(Closed::Held(block, ends));
        self.block = vec![0; BlockHead::of(number.saturating_add(1)).size()];
    }

    /// The bytes of an item whose block is still in memory.
    pub(super) fn item_mut(&mut self, hid: Hid) -> Option<&mut [u8]> {
        let number = self.layout.hid_block(hid);
        let head = BlockHead::of(number).size();
        let (block, ends) = if index(number.into()) == self.closed.len() {
            (&mut self.block, &self.ends)
        } else {
            match self.closed.get_mut(index(number.into()))? {
                Closed::Held(block, ends) => (block, &*ends),
                Closed::Written(_) => return None,
            }
        };
        let item = index(self.layout.hid_index(hid).into()).checked_sub(1)?;
        let end = usize::from(*ends.get(item)?);
        let start = item.checked_sub(1).map_or(Some(head), |i| ends.get(i).map(|e| usize::from(*e)))?;
        block.get_mut(start..end)
    }

    /// Bytes of the heap's leaves, if no more items come.
    pub(super) fn bytes(&self) -> u64 {
        let full = wide(self.closed.len()).saturating_mul(wide(self.layout.block_data_max()));
        full.saturating_add(wide(self.size_with(0)))
    }

    /// Whether a block holds fill levels of others.
    fn holds_levels(number: usize) -> bool {
        !matches!(BlockHead::of(low32(wide(number))), BlockHead::Page)
    }

    /// Writes closed blocks, but those that will still change.
    pub(super) fn flush(&mut self, ndb: &mut NdbWriter<'_>) -> Result<()> {
        while self.unwritten < self.closed.len() {
            if !Self::holds_levels(self.unwritten) {
                self.write_closed(ndb, self.unwritten)?;
            }
            self.unwritten = self.unwritten.saturating_add(1);
        }
        Ok(())
    }

    fn write_closed(&mut self, ndb: &mut NdbWriter<'_>, number: usize) -> Result<()> {
        if let Some(slot) = self.closed.get_mut(number)
            && let Closed::Held(block, _) = slot
        {
            block.resize(self.layout.block_data_max(), 0);
            *slot = Closed::Written(ndb.write_block(block)?);
        }
        Ok(())
    }

    /// Writes the heap: last block, headers, fill levels.
    pub(super) fn finish(mut self, ndb: &mut NdbWriter<'_>) -> Result<WrittenData> {
        let last = self.closed.len();
        self.levels.push(fill_level(self.layout, self.size_with(0)));
        let mut block = std::mem::take(&mut self.block);
        PageMap::encode(low32(wide(last)), &self.ends, &mut block);
        self.closed.push(Closed::Held(block, Vec::new()));
        for (number, level) in self.levels.iter().enumerate() {
            let (holder, at, shift) = fill_slot(low32(wide(number)));
            if let Some(Closed::Held(block, _)) = self.closed.get_mut(index(holder.into())) {
                let value = byte(block, at) | level << shift;
                put8(block, at, low8(value.into()));
            }
        }
        if let Some(Closed::Held(block, _)) = self.closed.first_mut()
            && let (map_at, fill) = (crate::format::bytes::le16(block, 0), crate::format::bytes::array_at(block, 8).unwrap_or_default())
        {
            HnHeader { map_at, client: self.client, user_root: self.user_root, fill }.encode(block);
        }
        for number in 0..last {
            self.write_closed(ndb, number)?;
        }
        let mut leaves = Vec::with_capacity(self.closed.len());
        for closed in &self.closed {
            leaves.push(match closed {
                Closed::Held(block, _) => ndb.write_block(block)?,
                Closed::Written(bid) => *bid,
            });
        }
        ndb.write_tree_over(&leaves)
    }

    /// Largest item that a B-tree is written with; Outlook 97 takes less than later versions.
    fn bth_item_max(&self) -> usize {
        if self.layout.is_ansi() { 3068 } else { ITEM_MAX }
    }

    /// Reserves the header of a B-tree.
    pub(super) fn reserve_bth(&mut self, key: u8, entry: u8) -> Result<Bth> {
        let header = self.alloc(&BthHeader { key, entry, levels: 0, root: Hid::NONE }.encode())?;
        Ok(Bth { header, key, entry, levels: Vec::new() })
    }

    /// Reserves all items of a B-tree that will have this many records: leaves first, then the levels above.
    pub(super) fn reserve_records(&mut self, bth: &mut Bth, records: usize) -> Result<()> {
        let shape = BthHeader { key: bth.key, entry: bth.entry, levels: 0, root: Hid::NONE };
        let (mut records, mut size) = (records, shape.leaf_record());
        while records > 0 {
            let per_item = self.bth_item_max().checked_div(size).unwrap_or(1).max(1);
            let mut items = Vec::new();
            let mut left = records;
            while left > 0 {
                let n = left.min(per_item);
                items.push(self.alloc(&vec![0; n.saturating_mul(size)])?);
                left = left.saturating_sub(n);
            }
            records = if items.len() > 1 { items.len() } else { 0 };
            size = shape.index_record();
            bth.levels.push(items);
        }
        Ok(())
    }

    /// Completes a B-tree with its records, which are in the order of their keys and as many as were reserved for.
    pub(super) fn fill_bth(&mut self, bth: &Bth, records: &[u8]) -> Result<()> {
        let mut header = BthHeader { key: bth.key, entry: bth.entry, levels: 0, root: Hid::NONE };
        let (mut records, mut size) = (records.to_vec(), header.leaf_record());
        for (level, items) in bth.levels.iter().enumerate() {
            let per_item = self.bth_item_max().checked_div(size).unwrap_or(1).max(1).saturating_mul(size);
            let mut above = Vec::new();
            for (hid, chunk) in items.iter().zip(records.chunks(per_item)) {
                self.put_item(*hid, chunk)?;
                above.extend_from_slice(chunk.get(..usize::from(bth.key)).unwrap_or_default());
                above.extend_from_slice(&hid.0.to_le_bytes());
            }
            header.levels = low8(wide(level));
            header.root = items.first().copied().unwrap_or_default();
            size = header.index_record();
            records = above;
        }
        self.put_item(bth.header, &header.encode())
    }

    /// Replaces the bytes of an item that is still in memory.
    pub(super) fn put_item(&mut self, hid: Hid, bytes: &[u8]) -> Result<()> {
        match self.item_mut(hid) {
            Some(item) if item.len() == bytes.len() => {
                item.copy_from_slice(bytes);
                Ok(())
            }
            _ => Err(ErrorKind::Usage(format!("heap item {:#x} cannot be completed", hid.0)).into()),
        }
    }
}
