//! Map pages: AMap, PMap, FMap, FPMap and the density list ([MS-PST] 2.2.2.7.2–2.2.2.7.6).
//!
//! ```text
//! AMap   [pad 4 in ANSI] bitmap 496 (4K: 4072) | trailer      bit i, from the highest of byte 0: slot i behind the AMap's own place
//! PMap, FMap, FPMap: the same page; current versions of Outlook keep them all ones
//! DList  0 flags  1 cEntDList  2 pad[2]  4 ulCurrentPage[4]  8 entries[4]: AMap ordinal in the low 20 bits, free slots above
//! ```

use super::bytes::{byte, le32, low8, put8, put32, wide};
use super::ids::{Bid, Ib};
use super::layout::{IdTooWide, Layout};
use super::page::{PageTrailer, PageType};

/// The bitmap of a map page's bytes.
pub fn bitmap<'a>(layout: &Layout, page: &'a [u8]) -> &'a [u8] {
    page.get(layout.bitmap_at..layout.bitmap_at.saturating_add(layout.bitmap_len)).unwrap_or_default()
}

/// Encodes a map page from its bitmap; shorter bitmaps are filled up with `fill`.
///
/// # Errors
/// Where the place does not fit into an ANSI file.
pub fn encode_map(layout: &Layout, page_type: PageType, ib: Ib, bits: &[u8], fill: u8) -> Result<Vec<u8>, IdTooWide> {
    let mut page = vec![0; layout.page_size];
    let end = layout.bitmap_at.saturating_add(layout.bitmap_len);
    if let Some(slot) = page.get_mut(layout.bitmap_at..end) {
        for (i, b) in slot.iter_mut().enumerate() {
            *b = bits.get(i).copied().unwrap_or(fill);
        }
    }
    PageTrailer::seal(layout, &mut page, page_type, ib, Bid(ib.0))?;
    Ok(page)
}

/// An entry of the density list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DListEntry {
    /// Ordinal of the AMap.
    pub ordinal: u32,
    /// Free slots in it.
    pub free: u16,
}

/// DLISTPAGEENT and its head ([MS-PST] 2.2.2.7.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DList {
    /// Bit 0: the list is complete.
    pub flags: u8,
    /// Ordinal of the AMap that is allocated from.
    pub current: u32,
    /// Sections by free space.
    pub entries: Vec<DListEntry>,
}

impl DList {
    /// Decodes the list of a page.
    pub fn decode(layout: &Layout, page: &[u8]) -> Self {
        let count = usize::from(byte(page, 1)).min(layout.dlist_max);
        let entries = page
            .get(8..)
            .unwrap_or_default()
            .chunks_exact(4)
            .take(count)
            .map(|b| {
                let v = le32(b, 0);
                DListEntry { ordinal: v & 0xF_FFFF, free: super::bytes::low16(u64::from(v >> 20)) }
            })
            .collect();
        Self { flags: byte(page, 0), current: le32(page, 4), entries }
    }

    /// Encodes the page; its id is the header's next page id.
    ///
    /// # Errors
    /// Where the id does not fit into an ANSI file.
    pub fn encode(&self, layout: &Layout, next_page: Bid) -> Result<Vec<u8>, IdTooWide> {
        let mut page = vec![0; layout.page_size];
        put8(&mut page, 0, self.flags);
        put8(&mut page, 1, low8(wide(self.entries.len().min(layout.dlist_max))));
        put32(&mut page, 4, self.current);
        let mut o = 8usize;
        for e in self.entries.iter().take(layout.dlist_max) {
            put32(&mut page, o, (e.ordinal & 0xF_FFFF) | (u32::from(e.free) << 20));
            o = o.saturating_add(4);
        }
        PageTrailer::seal(layout, &mut page, PageType::DLIST, Ib(layout.dlist), next_page)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_density_list_round_trips(l in 0usize..3, flags in any::<u8>(), current in any::<u32>(), raw in proptest::collection::vec((0u32..0x10_0000, 0u16..0x1000), 0..119)) {
            let layout = Layout::all()[l];
            let list = DList { flags, current, entries: raw.into_iter().map(|(ordinal, free)| DListEntry { ordinal, free }).collect() };
            let page = list.encode(layout, Bid(9)).unwrap();
            prop_assert_eq!(DList::decode(layout, &page), list);
            let t = PageTrailer::decode(layout, &page);
            prop_assert!(t.is_valid(layout, &page, Ib(layout.dlist)));
        }

        #[test]
        fn a_map_round_trips(l in 0usize..3, bits in proptest::collection::vec(any::<u8>(), 0..496)) {
            let layout = Layout::all()[l];
            let ib = Ib(layout.amap_at(3));
            let page = encode_map(layout, PageType::AMAP, ib, &bits, 0).unwrap();
            prop_assert_eq!(&bitmap(layout, &page)[..bits.len()], &bits[..]);
            prop_assert!(PageTrailer::decode(layout, &page).is_valid(layout, &page, ib));
        }
    }
}
