//! The space map: which slots of the file are in use, section by section, as the AMaps would say it ([MS-PST] 2.6.1.3).

use crate::format::bytes::index;
use crate::format::layout::Layout;

/// One bit for each slot behind the first AMap, highest bit first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceMap {
    layout: &'static Layout,
    bits: Vec<u8>,
    sections: u64,
}

/// The place of a slot in its byte.
fn low(slot: usize) -> u32 {
    crate::format::bytes::low32(crate::format::bytes::wide(slot & 7))
}

/// The bit of a slot in its byte.
fn slot_bit(slot: usize) -> u8 {
    0x80u8.wrapping_shr(low(slot))
}

impl SpaceMap {
    /// A map of a file of `eof` bytes in which only the map pages are in use.
    pub fn new(layout: &'static Layout, eof: u64) -> Self {
        let sections = layout.amap_count(eof);
        let bytes = index(sections).saturating_mul(layout.bitmap_len);
        let mut map = Self { layout, bits: vec![0; bytes], sections };
        for j in 0..sections {
            map.mark(layout.amap_at(j), layout.map_pages(j).saturating_mul(layout.page()));
        }
        map
    }

    /// Number of sections.
    pub fn sections(&self) -> u64 {
        self.sections
    }

    fn slot_range(&self, ib: u64, size: u64) -> (usize, usize) {
        let first = ib.saturating_sub(self.layout.amap_first).checked_div(self.layout.slot).unwrap_or(0);
        let end = ib.saturating_add(size).saturating_sub(self.layout.amap_first).div_ceil(self.layout.slot);
        let most = self.bits.len().saturating_mul(8);
        (index(first).min(most), index(end).min(most))
    }

    /// Marks a range as in use; tells whether any of it was in use before.
    pub fn mark(&mut self, ib: u64, size: u64) -> bool {
        let (first, end) = self.slot_range(ib, size);
        let mut was = false;
        let mut i = first;
        while i < end {
            // the bits of one byte at a time, from the highest on
            let stop = (i | 7).saturating_add(1).min(end);
            let mask = 0xFFu8.wrapping_shr(low(i)) & !0xFFu8.checked_shr(low(stop.wrapping_sub(1)).saturating_add(1)).unwrap_or(0);
            if let Some(b) = self.bits.get_mut(i >> 3) {
                was |= *b & mask != 0;
                *b |= mask;
            }
            i = stop;
        }
        was
    }

    /// Takes a range out of use.
    pub fn clear(&mut self, ib: u64, size: u64) {
        let (first, end) = self.slot_range(ib, size);
        for i in first..end {
            let mask = slot_bit(i);
            if let Some(b) = self.bits.get_mut(i >> 3) {
                *b &= !mask;
            }
        }
    }

    /// Whether any of a range is in use.
    pub fn any(&self, ib: u64, size: u64) -> bool {
        let (first, end) = self.slot_range(ib, size);
        (first..end).any(|i| self.bits.get(i >> 3).is_some_and(|b| b & slot_bit(i) != 0))
    }

    /// The bitmap of a section.
    pub fn section(&self, ordinal: u64) -> &[u8] {
        let start = index(ordinal).saturating_mul(self.layout.bitmap_len);
        self.bits.get(start..start.saturating_add(self.layout.bitmap_len)).unwrap_or_default()
    }

    /// Free bytes in all sections.
    pub fn free_bytes(&self) -> u64 {
        let zeros: u64 = self.bits.iter().map(|b| u64::from(b.count_zeros())).sum();
        zeros.saturating_mul(self.layout.slot)
    }

    /// Finds `size` free bytes aligned to `align` at or behind `from`, within one section, and marks them.
    pub fn allocate(&mut self, size: u64, align: u64, from: u64) -> Option<u64> {
        let slot = self.layout.slot;
        let need = size.div_ceil(slot);
        let step = align.checked_div(slot).unwrap_or(1).max(1);
        let per = self.layout.slots_per_amap();
        let start = from.saturating_sub(self.layout.amap_first).div_ceil(slot).next_multiple_of(step);
        let total = self.sections.saturating_mul(per);
        let mut i = start;
        while i.saturating_add(need) <= total {
            let left = per.saturating_sub(i.checked_rem(per).unwrap_or(0));
            if left < need {
                i = i.saturating_add(left).next_multiple_of(step);
                continue;
            }
            let ib = self.layout.amap_first.saturating_add(i.saturating_mul(slot));
            // whole bytes in use are skipped at once
            if i.is_multiple_of(8) && self.bits.get(index(i >> 3)) == Some(&0xFF) {
                i = i.saturating_add(8).next_multiple_of(step);
                continue;
            }
            if !self.any(ib, need.saturating_mul(slot)) {
                self.mark(ib, need.saturating_mul(slot));
                return Some(ib);
            }
            i = i.saturating_add(step);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::{UNICODE, UNICODE_4K};

    #[test]
    fn a_new_map_marks_the_map_pages_alone() {
        let m = SpaceMap::new(&UNICODE, UNICODE.amap_at(9));
        assert_eq!(m.sections(), 9);
        assert_eq!(&m.section(0)[..3], &[0xFF, 0xFF, 0]);
        assert_eq!(&m.section(1)[..3], &[0xFF, 0, 0]);
        assert_eq!(&m.section(8)[..3], &[0xFF, 0xFF, 0]);
        assert_eq!(m.free_bytes(), 9 * 253_952 - 11 * 512);
        assert_eq!(&SpaceMap::new(&UNICODE_4K, UNICODE_4K.amap_at(1)).section(0)[..2], &[0xFF, 0]);
    }

    #[test]
    fn allocation_keeps_to_alignment_and_sections() {
        let mut m = SpaceMap::new(&UNICODE, UNICODE.amap_at(2));
        assert_eq!(m.allocate(100, 64, 0), Some(0x4800));
        assert_eq!(m.allocate(512, 512, 0), Some(0x4A00));
        assert_eq!(m.allocate(100, 64, 0), Some(0x4880));
        let near_end = UNICODE.amap_at(1) - 4096;
        assert_eq!(m.allocate(8192, 64, near_end), Some(UNICODE.amap_at(1) + 512));
        assert!(m.mark(0x4800, 64));
        m.clear(0x4800, 128);
        assert!(!m.any(0x4800, 128));
        assert_eq!(m.allocate(1 << 20, 64, 0), None);
    }
}
