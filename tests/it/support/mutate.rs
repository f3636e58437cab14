//! Changes bytes of a file and puts the checksum of the structure that holds them right again, so that what lies behind the checksum is
//! reached.

use pstkit::format::block::BlockTrailer;
use pstkit::format::bytes::put32;
use pstkit::format::crc::crc;
use pstkit::format::header::Header;
use pstkit::format::layout::Layout;
use pstkit::limits::Limits;
use pstkit::ndb::Ndb;
use std::sync::Arc;

/// What a byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Header,
    Page,
    /// A block; whether it holds structure (a heap, a tree block) and not mere data.
    Block {
        structure: bool,
    },
}

/// A structure of a file.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "recipes ask for it")]
pub struct Region {
    pub start: usize,
    pub len: usize,
    /// Bytes that its checksum covers, from its start.
    pub covered: usize,
    pub kind: Kind,
}

/// A healthy file with its structures in order.
pub struct Base {
    pub bytes: Vec<u8>,
    pub layout: &'static Layout,
    pub regions: Vec<Region>,
}

impl Base {
    pub fn new(bytes: Vec<u8>) -> Self {
        let header = Header::decode(&bytes, &mut Vec::new()).unwrap();
        let layout = header.layout;
        let ndb = Ndb::new(Arc::new(bytes.clone()), header, Limits::default());
        let mut regions = vec![Region { start: 0, len: layout.header_size, covered: layout.header_size, kind: Kind::Header }];
        for p in &ndb.index().facts.pages {
            regions.push(Region { start: p.bref.ib.0 as usize, len: layout.page_size, covered: layout.page_body(), kind: Kind::Page });
        }
        for j in 0..layout.amap_count(bytes.len() as u64) {
            for n in 0..layout.map_pages(j) {
                let start = (layout.amap_at(j) + n * layout.page()) as usize;
                regions.push(Region { start, len: layout.page_size, covered: layout.page_body(), kind: Kind::Page });
            }
        }
        for b in ndb.index().blocks() {
            let data = ndb.block_at(b, &mut Vec::new()).unwrap().unwrap_or_default();
            let structure = b.bid.is_internal() || data.get(2) == Some(&0xEC);
            let len = b.size_on_disk(layout) as usize;
            regions.push(Region { start: b.ib.0 as usize, len, covered: b.cb.into(), kind: Kind::Block { structure } });
        }
        regions.sort_by_key(|r| r.start);
        Self { bytes, layout, regions }
    }

    /// The file with one byte changed.
    pub fn changed(&self, region: &Region, at: usize, to: u8, corrected: bool) -> Vec<u8> {
        let mut out = self.bytes.clone();
        out[region.start + at] = to;
        if corrected {
            reseal(self.layout, &mut out, region);
        }
        out
    }
}

/// Puts the checksum of a structure right.
pub fn reseal(layout: &'static Layout, bytes: &mut [u8], region: &Region) {
    let slice = &mut bytes[region.start..region.start + region.len];
    match region.kind {
        Kind::Header => Header::seal(layout, slice),
        Kind::Page => {
            let sum = crc(&slice[..layout.page_body()]);
            put32(slice, layout.page_body() + if layout.is_ansi() { 8 } else { 4 }, sum);
        }
        Kind::Block { .. } => {
            let at = slice.len() - layout.block_trailer;
            let t = BlockTrailer::decode(layout, &slice[at..]);
            let crc = crc(&slice[..usize::from(t.cb).min(at)]);
            BlockTrailer { crc, ..t }.encode(layout, &mut slice[at..]).unwrap();
        }
    }
}
