//! Where blocks and pages go: one after the other, never across a map page ([MS-PST] 2.6.1.1.4), and the maps that say so
//! ([MS-PST] 2.2.2.7.2–2.2.2.7.6).
//!
//! ```text
//! section   AMap | (PMap) | (FMap or FPMap) | blocks and pages ... | free          then the next section
//! ```
//!
//! Places are handed out upwards only, so a section is finished before the next one begins, and one bitmap is all that is held.
//! Bytes are collected and written in large pieces.

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, low16, low32, round_up, wide};
use crate::format::ids::{Bid, Ib};
use crate::format::layout::Layout;
use crate::format::maps::{DList, DListEntry, encode_map};
use crate::format::page::PageType;
use crate::io::Storage;
use crate::ndb::space::SpaceMap;

/// Bytes that are collected before they are written, at the least.
const FLUSH_AT: usize = 2 << 20;

/// The space of a file that is being written from start to end.
pub(super) struct Space<'a> {
    storage: &'a dyn Storage,
    layout: &'static Layout,
    /// Ordinal of the section that is being filled.
    section: u64,
    /// Next free place; `buf` ends there.
    cursor: u64,
    /// Bitmap of the section that is being filled.
    bits: Vec<u8>,
    /// Bytes that are not yet written.
    buf: Vec<u8>,
    /// Place of the first of them.
    buf_at: u64,
    free_slots: u64,
    /// The sections with the most free slots.
    density: Vec<DListEntry>,
}

/// The sums of the space when it is finished.
pub(super) struct SpaceTotals {
    pub(super) file_eof: Ib,
    pub(super) amap_last: Ib,
    pub(super) amap_free: u64,
}

impl<'a> Space<'a> {
    pub(super) fn new(storage: &'a dyn Storage, layout: &'static Layout) -> Result<Self> {
        Self::behind(storage, layout, 0)
    }

    /// Space behind the first `sections` sections, which stay as they are.
    pub(super) fn behind(storage: &'a dyn Storage, layout: &'static Layout, sections: u64) -> Result<Self> {
        let mut space = Self::at(storage, layout, sections);
        space.open_section()?;
        Ok(space)
    }

    fn at(storage: &'a dyn Storage, layout: &'static Layout, section: u64) -> Self {
        let at = layout.amap_at(section);
        Self {
            storage,
            layout,
            section,
            cursor: at,
            bits: vec![0; layout.bitmap_len],
            buf: Vec::with_capacity(FLUSH_AT.saturating_mul(2)),
            buf_at: at,
            free_slots: 0,
            density: Vec::new(),
        }
    }

    /// Writes the maps of a file anew, and nothing else.
    pub(super) fn write_maps(storage: &'a dyn Storage, in_use: &SpaceMap, next_page: Bid) -> Result<SpaceTotals> {
        let mut space = Self::at(storage, in_use.layout(), in_use.sections().saturating_sub(1));
        space.write_old_maps(in_use)?;
        space.write_list(next_page)
    }

    /// Finds a place for `size` bytes; the caller appends exactly that many to the buffer it gets.
    pub(super) fn place(&mut self, size: u64, align: u64) -> Result<(Ib, &mut Vec<u8>)> {
        let mut at = round_up(self.cursor, align);
        if at.saturating_add(size) > self.section_end() {
            self.next_section()?;
            at = round_up(self.cursor, align);
        }
        let gap = at.saturating_sub(self.cursor);
        self.buf.resize(self.buf.len().saturating_add(index(gap)), 0);
        self.mark(at, size);
        self.cursor = at.saturating_add(size);
        Ok((Ib(at), &mut self.buf))
    }

    fn section_end(&self) -> u64 {
        self.layout.amap_at(self.section.saturating_add(1))
    }

    /// Sets the bits of a place in this section's map.
    fn mark(&mut self, at: u64, size: u64) {
        let slot = self.layout.slot;
        let from = at.saturating_sub(self.layout.amap_at(self.section)).checked_div(slot).unwrap_or(0);
        let to = from.saturating_add(size.div_ceil(slot));
        let mut i = from;
        while i < to {
            let Some(byte) = self.bits.get_mut(index(i >> 3)) else { return };
            if i & 7 == 0 && to.saturating_sub(i) >= 8 {
                *byte = 0xFF;
                i = i.saturating_add(8);
            } else {
                *byte |= 0x80 >> (i & 7);
                i = i.saturating_add(1);
            }
        }
    }

    /// Whether the file has its greatest length, so that nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.layout.amap_at(self.section.saturating_add(1)) > self.layout.file_max
    }

    /// Begins a section: its map pages are reserved, and those that never change are filled in.
    fn open_section(&mut self) -> Result<()> {
        let layout = self.layout;
        let at = layout.amap_at(self.section);
        if self.is_full() {
            return Err(ErrorKind::TooLarge(format!("a {} file ends at {} bytes", layout.variant, layout.file_max)).into());
        }
        self.bits.fill(0);
        self.buf.resize(self.buf.len().saturating_add(layout.page_size), 0);
        let others = self.other_maps(self.section)?;
        self.buf.extend(others);
        let maps = layout.map_pages(self.section).saturating_mul(layout.page());
        self.mark(at, maps);
        self.cursor = at.saturating_add(maps);
        Ok(())
    }

    /// The map pages that follow a section's AMap; they never change.
    fn other_maps(&self, section: u64) -> Result<Vec<u8>> {
        let layout = self.layout;
        let mut pages = Vec::new();
        let pmap_at = Ib(layout.amap_at(section).saturating_add(layout.page()));
        if layout.has_pmap(section) {
            pages.extend(encode_map(layout, PageType::PMAP, pmap_at, &[], 0xFF)?);
        }
        let third = Ib(pmap_at.0.saturating_add(layout.page()));
        for (has, page_type) in [(layout.has_fmap(section), PageType::FMAP), (layout.has_fpmap(section), PageType::FPMAP)] {
            if has {
                pages.extend(encode_map(layout, page_type, third, &[], 0xFF)?);
            }
        }
        Ok(pages)
    }

    /// Ends the section: its map is written, its free slots are counted.
    fn close_section(&mut self) -> Result<()> {
        let at = self.layout.amap_at(self.section);
        let used: u64 = self.bits.iter().map(|b| u64::from(b.count_ones())).sum();
        let free = self.layout.slots_per_amap().saturating_sub(used);
        self.free_slots = self.free_slots.saturating_add(free);
        self.density.push(DListEntry { ordinal: low32(self.section), free: low16(free.min(0xFFF)) });
        if self.density.len() > self.layout.dlist_max.saturating_mul(4) {
            self.thin_density();
        }
        let page = encode_map(self.layout, PageType::AMAP, Ib(at), &self.bits, 0)?;
        match at.checked_sub(self.buf_at).and_then(|o| self.buf.get_mut(index(o)..)?.get_mut(..page.len())) {
            Some(slot) => slot.copy_from_slice(&page),
            None => self.storage.write_all_at(&page, at).map_err(|e| Error::io_at(e, at))?,
        }
        Ok(())
    }

    fn thin_density(&mut self) {
        self.density.sort_by_key(|e| (std::cmp::Reverse(e.free), e.ordinal));
        self.density.truncate(self.layout.dlist_max);
    }

    fn next_section(&mut self) -> Result<()> {
        self.close_section()?;
        let end = self.section_end();
        if self.buf.is_empty() || self.buf.len() >= FLUSH_AT {
            self.flush()?;
            self.buf_at = end;
        } else {
            let gap = end.saturating_sub(self.cursor);
            self.buf.resize(self.buf.len().saturating_add(index(gap)), 0);
        }
        self.cursor = end;
        self.section = self.section.saturating_add(1);
        self.open_section()
    }

    /// Leaves whole sections free, so that the next block lies in the section of `ib` or behind it.
    pub(super) fn skip_to(&mut self, ib: u64) -> Result<()> {
        while self.section_end() <= ib {
            self.flush()?;
            self.next_section()?;
        }
        Ok(())
    }

    /// Writes the collected bytes, once they are many. Call it between blocks only.
    pub(super) fn flush_if_large(&mut self) -> Result<()> {
        if self.buf.len() >= FLUSH_AT.saturating_mul(2) { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.buf.is_empty() {
            self.storage.write_all_at(&self.buf, self.buf_at).map_err(|e| Error::io_at(e, self.buf_at))?;
            self.buf_at = self.buf_at.saturating_add(wide(self.buf.len()));
            self.buf.clear();
        }
        Ok(())
    }

    /// Writes the maps of sections that were there before, anew where they say something else.
    pub(super) fn write_old_maps(&mut self, old: &SpaceMap) -> Result<()> {
        let layout = self.layout;
        let mut there = Vec::new();
        for j in 0..old.sections() {
            let at = layout.amap_at(j);
            let bits = old.section(j);
            let free: u64 = bits.iter().map(|b| u64::from(b.count_zeros())).sum();
            self.free_slots = self.free_slots.saturating_add(free);
            self.density.push(DListEntry { ordinal: low32(j), free: low16(free.min(0xFFF)) });
            let mut pages = encode_map(layout, PageType::AMAP, Ib(at), bits, 0)?;
            pages.extend(self.other_maps(j)?);
            there.resize(pages.len(), 0);
            if self.storage.read_exact_at(&mut there, at).is_err() || there != pages {
                self.storage.write_all_at(&pages, at).map_err(|e| Error::io_at(e, at))?;
            }
        }
        self.thin_density();
        Ok(())
    }

    /// Writes the last section's map, the density list and everything collected; the file gets its full length.
    pub(super) fn finish(mut self, next_page: Bid) -> Result<SpaceTotals> {
        self.close_section()?;
        self.flush()?;
        self.write_list(next_page)
    }

    fn write_list(mut self, next_page: Bid) -> Result<SpaceTotals> {
        let eof = self.section_end();
        self.storage.set_len(eof).map_err(|e| Error::io_at(e, eof))?;
        // The section that is allocated from is not in the list; 4K files have an empty one.
        let current = low32(self.section);
        self.density.retain(|e| e.ordinal != current && e.free != 0);
        self.thin_density();
        let list = if self.layout.has_pmaps { DList { flags: 1, current, entries: self.density } } else { DList::default() };
        let page = list.encode(self.layout, next_page)?;
        self.storage.write_all_at(&page, self.layout.dlist).map_err(|e| Error::io_at(e, self.layout.dlist))?;
        Ok(SpaceTotals {
            file_eof: Ib(eof),
            amap_last: Ib(self.layout.amap_at(self.section)),
            amap_free: self.free_slots.saturating_mul(self.layout.slot),
        })
    }
}

impl std::fmt::Debug for Space<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space").field("section", &self.section).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
