//! The three layouts of the format, as one run-time value: sizes, offsets, widths and intervals.
//!
//! ```text
//!                      ANSI (14, 15)     Unicode (20-35, 37)     Unicode, 4 KiB pages (36)
//! header               512               564                     564
//! page / trailer       512 / 12          512 / 16                4096 / 24
//! block slot / max     64 / 8192         64 / 8192               512 / 65536
//! block trailer        12                16                      24
//! ids and offsets      4                 8                       8
//! ```
//!
//! Everything that differs between variants and is a number stands in [`Layout`]; the few differences of behaviour (the shape of the
//! header, compression) ask [`Layout::variant`], in `format/` only.

use super::bytes;
use super::ids::{Bid, Hid, Ib};
use std::fmt;

/// Which of the three layouts a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Variant {
    /// 32-bit ids, Outlook 97–2002.
    Ansi,
    /// 64-bit ids, 512-byte pages, Outlook 2003 and later.
    Unicode,
    /// 64-bit ids, 4096-byte pages, compressed blocks: OSTs of Outlook 2013 and later.
    Unicode4k,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ansi => "ANSI",
            Self::Unicode => "Unicode",
            Self::Unicode4k => "Unicode 4K",
        })
    }
}

/// The numbers of a variant. All sizes and offsets are in bytes.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The variant that they belong to.
    pub variant: Variant,
    /// Width of block ids and offsets.
    pub id_width: usize,
    /// Size of the header.
    pub header_size: usize,
    /// Size and alignment of pages.
    pub page_size: usize,
    /// Size of a page's trailer; it ends the page.
    pub page_trailer: usize,
    /// Offset of the counts and level in a B-tree page.
    pub bt_meta: usize,
    /// Width of the counts in a B-tree page.
    pub bt_count_width: usize,
    /// Size of an entry of the node B-tree's leaves.
    pub nbt_entry: usize,
    /// Size of an entry of the block B-tree's leaves.
    pub bbt_entry: usize,
    /// Size of an entry of inner pages.
    pub bt_entry: usize,
    /// Alignment of blocks, and the bytes that one AMap bit stands for.
    pub slot: u64,
    /// Size of a block's trailer.
    pub block_trailer: usize,
    /// Most bytes that a block may take on disk.
    pub block_max: usize,
    /// Offset of the bytes of a map page's bitmap.
    pub bitmap_at: usize,
    /// Bytes of a map page's bitmap.
    pub bitmap_len: usize,
    /// Place of the density list.
    pub dlist: u64,
    /// Most entries of the density list.
    pub dlist_max: usize,
    /// Place of the first AMap.
    pub amap_first: u64,
    /// Distance between AMaps.
    pub amap_interval: u64,
    /// Whether PMap and FMap pages exist.
    pub has_pmaps: bool,
    /// Whether FPMap pages exist.
    pub has_fpmaps: bool,
    /// Bits of the item index in a heap id.
    pub hid_index_bits: u32,
    /// Size of the head of a sub-node block.
    pub sl_head: usize,
    /// Size of an SLENTRY.
    pub sl_entry: usize,
    /// Size of an SIENTRY.
    pub si_entry: usize,
    /// Most entries of an XBLOCK or XXBLOCK that are written.
    pub xblock_write_max: usize,
    /// Width of the row indexes of tables.
    pub row_index_width: usize,
    /// Largest file that the maps can describe.
    pub file_max: u64,
}

/// Size of the head of an XBLOCK or XXBLOCK, in every variant.
pub const XBLOCK_HEAD: usize = 8;
/// Every how many AMaps a PMap follows.
pub const PMAP_EVERY: u64 = 8;
/// The first AMap that an FMap follows.
pub const FMAP_FIRST: u64 = 128;
/// The first AMap that an FPMap follows.
pub const FPMAP_FIRST: u64 = 8192;
/// Every how many AMaps an FPMap follows.
pub const FPMAP_EVERY: u64 = 31_744;

/// ANSI: wVer 14 and 15.
pub static ANSI: Layout = Layout {
    variant: Variant::Ansi,
    id_width: 4,
    header_size: 512,
    page_size: 512,
    page_trailer: 12,
    bt_meta: 496,
    bt_count_width: 1,
    nbt_entry: 16,
    bbt_entry: 12,
    bt_entry: 12,
    slot: 64,
    block_trailer: 12,
    block_max: 8192,
    bitmap_at: 4,
    bitmap_len: 496,
    dlist: 0x4200,
    dlist_max: 120,
    amap_first: 0x4400,
    amap_interval: 253_952,
    has_pmaps: true,
    has_fpmaps: false,
    hid_index_bits: 11,
    sl_head: 4,
    sl_entry: 12,
    si_entry: 8,
    xblock_write_max: 1019,
    row_index_width: 2,
    file_max: 0x7C00_4400,
};

/// Unicode with 512-byte pages: wVer 20 to 35 and 37; Outlook writes 23.
pub static UNICODE: Layout = Layout {
    variant: Variant::Unicode,
    id_width: 8,
    header_size: 564,
    page_size: 512,
    page_trailer: 16,
    bt_meta: 488,
    bt_count_width: 1,
    nbt_entry: 32,
    bbt_entry: 24,
    bt_entry: 24,
    slot: 64,
    block_trailer: 16,
    block_max: 8192,
    bitmap_at: 0,
    bitmap_len: 496,
    dlist: 0x4200,
    dlist_max: 119,
    amap_first: 0x4400,
    amap_interval: 253_952,
    has_pmaps: true,
    has_fpmaps: true,
    hid_index_bits: 11,
    sl_head: 8,
    sl_entry: 24,
    si_entry: 16,
    xblock_write_max: 1021,
    row_index_width: 4,
    file_max: 1 << 47,
};

/// Unicode with 4096-byte pages: wVer 36.
pub static UNICODE_4K: Layout = Layout {
    variant: Variant::Unicode4k,
    id_width: 8,
    header_size: 564,
    page_size: 4096,
    page_trailer: 24,
    bt_meta: 4056,
    bt_count_width: 2,
    nbt_entry: 32,
    bbt_entry: 24,
    bt_entry: 24,
    slot: 512,
    block_trailer: 24,
    block_max: 65_536,
    bitmap_at: 0,
    bitmap_len: 4072,
    dlist: 0x21000,
    dlist_max: 119,
    amap_first: 0x22000,
    amap_interval: 16_678_912,
    has_pmaps: false,
    has_fpmaps: false,
    hid_index_bits: 14,
    sl_head: 8,
    sl_entry: 24,
    si_entry: 16,
    xblock_write_max: 8188,
    row_index_width: 4,
    file_max: 1 << 47,
};

/// An id or offset that is too wide for an ANSI file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0:#x} does not fit into the 32 bits of an ANSI file")]
pub struct IdTooWide(pub u64);

impl From<IdTooWide> for crate::error::Error {
    fn from(e: IdTooWide) -> Self {
        Self::new(crate::error::ErrorKind::TooLarge(e.to_string()))
    }
}

impl Layout {
    /// The layout of a variant.
    pub fn of(variant: Variant) -> &'static Self {
        match variant {
            Variant::Ansi => &ANSI,
            Variant::Unicode => &UNICODE,
            Variant::Unicode4k => &UNICODE_4K,
        }
    }

    /// The layout that a version number (wVer) names.
    pub fn of_version(version: u16) -> Option<&'static Self> {
        match version {
            14 | 15 => Some(&ANSI),
            20..=35 | 37 => Some(&UNICODE),
            36 => Some(&UNICODE_4K),
            _ => None,
        }
    }

    /// Every layout.
    pub fn all() -> [&'static Self; 3] {
        [&ANSI, &UNICODE, &UNICODE_4K]
    }

    /// Whether blocks may be compressed and bear their inflated size.
    pub const fn compresses(&self) -> bool {
        matches!(self.variant, Variant::Unicode4k)
    }

    /// Whether strings are stored in a code page (`PtypString8`) by Outlook.
    pub const fn is_ansi(&self) -> bool {
        matches!(self.variant, Variant::Ansi)
    }

    /// Most bytes of data in a block: those of a full leaf.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn block_data_max(&self) -> usize {
        self.block_max - self.block_trailer
    }

    /// Bytes of a page that its checksum covers: all before the trailer.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn page_body(&self) -> usize {
        self.page_size - self.page_trailer
    }

    /// Page size as an offset.
    pub const fn page(&self) -> u64 {
        self.page_size as u64
    }

    /// Bytes that a block with `cb` bytes of data takes on disk.
    pub const fn block_size(&self, cb: u64) -> u64 {
        bytes::round_up(cb.saturating_add(self.block_trailer as u64), self.slot)
    }

    /// Most entries of an XBLOCK or XXBLOCK that are accepted.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn xblock_max(&self) -> usize {
        (self.block_data_max() - XBLOCK_HEAD) / self.id_width
    }

    /// Most entries of an SLBLOCK.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn sl_max(&self) -> usize {
        (self.block_data_max() - self.sl_head) / self.sl_entry
    }

    /// Most entries of an SIBLOCK.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn si_max(&self) -> usize {
        (self.block_data_max() - self.sl_head) / self.si_entry
    }

    /// Slots in an allocation section.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn slots_per_amap(&self) -> u64 {
        self.amap_interval / self.slot
    }

    /// The number of the slot at a distance from the first one; a slot is a power of two in each variant.
    #[inline]
    pub const fn slot_at(&self, distance: u64) -> u64 {
        distance >> self.slot.trailing_zeros()
    }

    /// Reads an id or offset.
    #[inline]
    pub fn id(&self, b: &[u8], at: usize) -> u64 {
        if self.id_width == 4 { u64::from(bytes::le32(b, at)) } else { bytes::le64(b, at) }
    }

    /// Writes an id or offset: the one place where ids become narrower.
    ///
    /// # Errors
    /// [`IdTooWide`] where the file is ANSI and the value has more than 32 bits: the 2 GB limit.
    pub fn put_id(&self, b: &mut [u8], at: usize, v: u64) -> Result<(), IdTooWide> {
        if self.id_width == 4 {
            bytes::put32(b, at, u32::try_from(v).map_err(|_| IdTooWide(v))?);
        } else {
            bytes::put64(b, at, v);
        }
        Ok(())
    }

    /// Place of the AMap with this ordinal.
    pub const fn amap_at(&self, ordinal: u64) -> u64 {
        self.amap_first.saturating_add(self.amap_interval.saturating_mul(ordinal))
    }

    /// Ordinal of the AMap that describes a place; `None` below the first.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn amap_of(&self, ib: u64) -> Option<u64> {
        match ib.checked_sub(self.amap_first) {
            Some(d) => Some(d / self.amap_interval),
            None => None,
        }
    }

    /// How many AMaps a file of this size has.
    pub const fn amap_count(&self, eof: u64) -> u64 {
        match eof.checked_sub(self.amap_first) {
            None | Some(0) => 0,
            Some(d) => d.div_ceil(self.amap_interval),
        }
    }

    /// Whether a PMap follows this AMap.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn has_pmap(&self, ordinal: u64) -> bool {
        self.has_pmaps && ordinal.is_multiple_of(PMAP_EVERY)
    }

    /// Whether an FMap follows this AMap, behind where a PMap would be.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn has_fmap(&self, ordinal: u64) -> bool {
        self.has_pmaps && ordinal >= FMAP_FIRST && (ordinal - FMAP_FIRST).is_multiple_of(self.bitmap_len as u64)
    }

    /// Whether an FPMap follows this AMap, behind where a PMap would be.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn has_fpmap(&self, ordinal: u64) -> bool {
        self.has_fpmaps && ordinal >= FPMAP_FIRST && (ordinal - FPMAP_FIRST).is_multiple_of(FPMAP_EVERY)
    }

    /// Pages that AMap `ordinal` and the maps behind it take, as slots at the start of the section.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn map_pages(&self, ordinal: u64) -> u64 {
        if self.has_fmap(ordinal) || self.has_fpmap(ordinal) {
            3
        } else if self.has_pmap(ordinal) {
            2
        } else {
            1
        }
    }

    /// Size of the smallest store with whole sections.
    pub const fn file_min(&self) -> u64 {
        self.amap_first.saturating_add(self.amap_interval)
    }

    /// Whether the bytes `[ib, ib+size)` lie over a map page, the density list or the header.
    #[allow(clippy::arithmetic_side_effects)]
    pub fn hits_map(&self, ib: u64, size: u64) -> bool {
        let Some(j) = self.amap_of(ib) else { return true };
        let maps_end = self.amap_at(j).saturating_add(self.map_pages(j) * self.page());
        ib < maps_end || ib.saturating_add(size) > self.amap_at(j.saturating_add(1))
    }

    /// Block index of a heap id.
    pub const fn hid_block(&self, hid: Hid) -> u32 {
        hid.0 >> self.hid_index_bits >> 5
    }

    /// Item index of a heap id, from 1.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn hid_index(&self, hid: Hid) -> u32 {
        (hid.0 >> 5) & ((1 << self.hid_index_bits) - 1)
    }

    /// The heap id of an item, `index` from 1; `None` where it does not fit.
    #[allow(clippy::arithmetic_side_effects)]
    pub const fn hid(&self, block: u32, index: u32) -> Option<Hid> {
        if index == 0 || index >= 1 << self.hid_index_bits || block >= 1 << (27 - self.hid_index_bits) {
            None
        } else {
            Some(Hid((block << (5 + self.hid_index_bits)) | (index << 5)))
        }
    }
}

/// Signature of a page or block at a place ([MS-PST] 5.5).
#[allow(clippy::cast_possible_truncation)]
pub const fn signature(ib: Ib, bid: Bid) -> u16 {
    let x = (ib.0 ^ bid.0) as u32;
    (x ^ (x >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_numbers_are_those_of_the_format() {
        assert_eq!((ANSI.block_data_max(), UNICODE.block_data_max(), UNICODE_4K.block_data_max()), (8180, 8176, 65_512));
        assert_eq!((ANSI.xblock_max(), UNICODE.xblock_max(), UNICODE_4K.xblock_max()), (2043, 1021, 8188));
        assert_eq!((ANSI.sl_max(), UNICODE.sl_max(), UNICODE_4K.sl_max()), (681, 340, 2729));
        assert_eq!((ANSI.page_body(), UNICODE.page_body(), UNICODE_4K.page_body()), (500, 496, 4072));
        assert_eq!(UNICODE.file_min(), 271_360);
        assert_eq!(UNICODE_4K.file_min(), 16_818_176 - 0x22000 + 0x22000);
        assert_eq!(UNICODE.slots_per_amap(), 3968);
        for layout in [&ANSI, &UNICODE, &UNICODE_4K] {
            assert!([0, 1, 63, 64, 511, 512, 513, 70_000].iter().all(|n| layout.slot_at(*n) == n / layout.slot), "{}", layout.variant);
        }
    }

    #[test]
    fn map_pages_stand_on_the_grid() {
        assert!(UNICODE.has_pmap(0) && UNICODE.has_pmap(8) && !UNICODE.has_pmap(7));
        assert!(UNICODE.has_fmap(128) && UNICODE.has_fmap(624) && !UNICODE.has_fmap(0));
        assert!(UNICODE.has_fpmap(8192) && !ANSI.has_fpmap(8192));
        assert_eq!(UNICODE.amap_at(8192) + 0x400, 0x7C00_4800);
        assert_eq!(UNICODE.amap_at(128) + 0x400, 0x1F0_4800);
        assert_eq!(UNICODE.amap_count(271_360), 1);
        assert_eq!(UNICODE.amap_count(0x4400), 0);
        assert!(UNICODE.hits_map(0x4600, 64) && !UNICODE.hits_map(0x4800, 64) && UNICODE.hits_map(0x100, 64));
        assert!(UNICODE.hits_map(UNICODE.amap_at(1) - 64, 128));
    }

    #[test]
    fn heap_ids_split_as_the_layout_says() {
        assert_eq!((UNICODE.hid_block(Hid(0x10020)), UNICODE.hid_index(Hid(0x10020))), (1, 1));
        assert_eq!((UNICODE_4K.hid_block(Hid(0x80020)), UNICODE_4K.hid_index(Hid(0x80020))), (1, 1));
        assert_eq!(UNICODE.hid(1, 1), Some(Hid(0x10020)));
        assert_eq!(UNICODE_4K.hid(1, 1), Some(Hid(0x80020)));
        assert_eq!(UNICODE.hid(0, 2048), None);
    }

    #[test]
    fn ansi_ids_are_narrowed_with_a_check() {
        let mut b = [0; 8];
        assert!(ANSI.put_id(&mut b, 0, 1 << 32).is_err());
        assert!(ANSI.put_id(&mut b, 0, 7).is_ok());
        assert_eq!(ANSI.id(&b, 0), 7);
    }
}
