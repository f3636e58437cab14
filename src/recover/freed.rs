//! What the allocation maps say of pages and blocks that no tree lists any more ([MS-PST] 2.2.2.7.2, 2.6.1.3.3): one that stands in free
//! space is an older state, or was deleted.
//!
//! A map is believed where its page is whole, marks itself, and marks something of what stands in its section; and never where the
//! header says that the maps are not valid. Objects newer than everything that the maps mark may have been written after the maps.

use crate::format::bytes::{index, wide};
use crate::format::ids::Ib;
use crate::format::layout::Layout;
use crate::format::maps::bitmap;
use crate::format::page::{BbtEntry, PageTrailer, PageType};
use crate::ndb::Ndb;
use crate::ndb::scan::{FoundPage, Scan};

/// The allocation maps that can be believed.
#[derive(Debug)]
pub(super) struct FreeSpace {
    layout: &'static Layout,
    /// The bitmap of each section, where it can be believed.
    sections: Vec<Option<Vec<u8>>>,
    /// The highest ids that stand in space that is marked.
    newest_page: u64,
    newest_block: u64,
}

impl FreeSpace {
    /// Reads the maps of a file in which `found` stands.
    pub(super) fn read(ndb: &Ndb, found: &Scan) -> Self {
        let layout = ndb.layout();
        let mut out = Self { layout, sections: Vec::new(), newest_page: 0, newest_block: 0 };
        if ndb.header().root.amap_valid == 0 {
            return out;
        }
        let count = layout.amap_count(ndb.len());
        let section = |ib: Ib| index(ib.0.saturating_sub(layout.amap_first).checked_div(layout.amap_interval).unwrap_or(0));
        for j in 0..count {
            let at = layout.amap_at(j);
            let page = ndb.bytes(at, layout.page_size).ok().filter(|page| {
                let t = PageTrailer::decode(layout, page);
                t.page_type == PageType::AMAP && t.is_valid(layout, page, Ib(at))
            });
            out.sections.push(page.map(|p| bitmap(layout, &p).to_vec()));
            let own = layout.map_pages(j).saturating_mul(layout.page());
            if out.marks(at, own) != Some(true)
                && let Some(slot) = out.sections.last_mut()
            {
                *slot = None;
            }
        }
        // a map that marks nothing of what is there is none
        let mut seen = vec![(false, false); out.sections.len()];
        let pages = found.pages.iter().map(|p| (p.ib, layout.page(), p.bid.0, true));
        let blocks = found.blocks.iter().map(|b| (b.ib, b.size_on_disk(layout), b.bid.0, false));
        for (ib, size, bid, is_page) in pages.chain(blocks) {
            let Some(marked) = out.marks(ib.0, size) else { continue };
            if let Some(slot) = seen.get_mut(section(ib)) {
                *slot = (true, slot.1 || marked);
            }
            if marked {
                let newest = if is_page { &mut out.newest_page } else { &mut out.newest_block };
                *newest = bid.max(*newest);
            }
        }
        for (slot, (any, marked)) in out.sections.iter_mut().zip(seen) {
            if any && !marked {
                *slot = None;
            }
        }
        out
    }

    /// Whether the first slot of a range is marked as in use; `None` where no map tells.
    fn marks(&self, ib: u64, size: u64) -> Option<bool> {
        let layout = self.layout;
        let behind = ib.checked_sub(layout.amap_first)?;
        let bits = self.sections.get(index(behind.checked_div(layout.amap_interval)?))?.as_ref()?;
        let first = index(behind.checked_rem(layout.amap_interval)?.checked_div(layout.slot)?);
        let slots = index(size.div_ceil(layout.slot));
        let is_set =
            |slot: usize| bits.get(slot >> 3).is_some_and(|b| b.wrapping_shl(crate::format::bytes::low32(wide(slot & 7))) & 0x80 != 0);
        Some((first..first.saturating_add(slots)).all(is_set))
    }

    /// Whether a tree page stands in free space; `None` where no map tells.
    pub(super) fn page(&self, page: &FoundPage) -> Option<bool> {
        let is_free = !self.marks(page.ib.0, self.layout.page())?;
        (!is_free || page.bid.0 < self.newest_page).then_some(is_free)
    }

    /// Whether a block stands in free space; `None` where no map tells.
    pub(super) fn block(&self, block: &BbtEntry) -> Option<bool> {
        let is_free = !self.marks(block.ib.0, block.size_on_disk(self.layout))?;
        (!is_free || block.bid.0 < self.newest_block).then_some(is_free)
    }
}
