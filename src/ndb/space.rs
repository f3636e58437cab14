//! The space map: which slots of the file are in use, section by section, as the AMaps would say it ([MS-PST] 2.6.1.3).

use crate::format::bytes::{index, round_up};
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

/// The bytes of a bitmap that some slots have their bits in, and which bits of each these are.
fn masks((first, end): (usize, usize)) -> impl Iterator<Item = (usize, u8)> {
    let mut i = first;
    std::iter::from_fn(move || {
        if i >= end {
            return None;
        }
        let stop = (i | 7).saturating_add(1).min(end);
        let behind = 0xFFu8.checked_shr(low(stop.wrapping_sub(1)).saturating_add(1)).unwrap_or(0);
        let at = i >> 3;
        let mask = 0xFFu8.wrapping_shr(low(i)) & !behind;
        i = stop;
        Some((at, mask))
    })
}

/// Whether all of some slots are marked in a bitmap, the highest bit of each byte first.
pub(crate) fn all_marked(bits: &[u8], first: usize, slots: usize) -> bool {
    masks((first, first.saturating_add(slots))).all(|(i, mask)| bits.get(i).is_some_and(|b| b & mask == mask))
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

    /// The numbers of the file's variant.
    pub fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// Number of sections.
    pub fn sections(&self) -> u64 {
        self.sections
    }

    fn slot_range(&self, ib: u64, size: u64) -> (usize, usize) {
        let first = self.layout.slot_at(ib.saturating_sub(self.layout.amap_first));
        let end = self.layout.slot_at(round_up(ib.saturating_add(size).saturating_sub(self.layout.amap_first), self.layout.slot));
        let most = self.bits.len().saturating_mul(8);
        (index(first).min(most), index(end).min(most))
    }

    /// Marks a range as in use; tells whether any of it was in use before.
    pub fn mark(&mut self, ib: u64, size: u64) -> bool {
        let mut was = false;
        for (i, mask) in masks(self.slot_range(ib, size)) {
            if let Some(b) = self.bits.get_mut(i) {
                was |= *b & mask != 0;
                *b |= mask;
            }
        }
        was
    }

    /// Whether any of a range is in use.
    pub fn any(&self, ib: u64, size: u64) -> bool {
        masks(self.slot_range(ib, size)).any(|(i, mask)| self.bits.get(i).is_some_and(|b| b & mask != 0))
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::{UNICODE, UNICODE_4K};
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn ranges_are_taken_bit_by_bit(marked in proptest::collection::vec((0u64..400, 0u64..60), 0..6), asked in (0u64..400, 0u64..60)) {
            let base = 64u64;
            let at = |slot: u64| UNICODE.amap_first + (base + slot) * 64;
            let mut map = SpaceMap::new(&UNICODE, UNICODE.amap_at(1));
            let mut bits = vec![false; 600];
            for (first, n) in marked {
                let was = (first..first + n).any(|i| bits[i as usize]);
                prop_assert_eq!(map.mark(at(first), n * 64), was);
                (first..first + n).for_each(|i| bits[i as usize] = true);
            }
            let mut range = asked.0..asked.0 + asked.1;
            prop_assert_eq!(map.any(at(asked.0), asked.1 * 64), range.clone().any(|i| bits[i as usize]));
            let all = all_marked(map.section(0), (base + asked.0) as usize, asked.1 as usize);
            prop_assert_eq!(all, range.all(|i| bits[i as usize]));
            for (i, bit) in bits.iter().enumerate() {
                prop_assert_eq!(map.any(at(i as u64), 64), *bit);
            }
        }
    }
}
