//! Structure-aware input for whole files: a small store of the crate's own, patches on it, and checksums put right or not.
//!
//! Random bytes as a file would end at the first checksum. A patch list over a whole store gets everywhere, and with corrected
//! checksums it reaches what lies behind them.

use arbitrary::Arbitrary;
use pstkit::finding::Ignore;
use pstkit::format::bytes::{le16, put16, put32};
use pstkit::format::crc::crc;
use pstkit::format::header::Header;
use pstkit::format::layout::{Layout, signature};
use pstkit::format::page::{BbtEntry, PageTrailer};
use pstkit::limits::Limits;
use pstkit::ndb::Ndb;
use pstkit::testkit::{VARIETIES, tiny};
use std::sync::{Arc, OnceLock};

/// A change of bytes.
#[derive(Debug, Arbitrary)]
pub struct Patch {
    /// Which structure: header, map page, tree page or block, by its number.
    place: u16,
    /// Where in it.
    offset: u16,
    /// What stands there then.
    bytes: Bytes,
}

/// What a patch writes.
#[derive(Debug, Arbitrary)]
enum Bytes {
    /// One bit changed.
    Flip(u8),
    /// A number.
    Number(u32),
    /// Extremes in two bytes.
    Extreme(bool),
    /// Up to eight bytes.
    Some([u8; 8], u8),
    /// The whole structure zero.
    Zero,
    /// Another structure's bytes in its place.
    Copy(u16),
}

/// A damaged store.
#[derive(Debug, Arbitrary)]
pub struct Image {
    variety: u8,
    patches: Vec<Patch>,
    /// Cut at this page.
    cut: Option<u16>,
    fix_checksums: bool,
    /// Also put signatures right.
    fix_signatures: bool,
}

struct Base {
    layout: &'static Layout,
    bytes: Vec<u8>,
    /// Pages: place.
    pages: Vec<usize>,
    blocks: Vec<BbtEntry>,
    /// Everything that can be patched: place and size.
    places: Vec<(usize, usize)>,
}

fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    // One of each layout, and the encodings: permute, cyclic, none.
    BASES.get_or_init(|| [0, 2, 3, 4, 6].iter().map(|i| Base::new(tiny(VARIETIES[*i], 1).unwrap())).collect())
}

impl Base {
    fn new(mut bytes: Vec<u8>) -> Self {
        let header = Header::decode(&bytes, &mut Ignore).unwrap();
        let layout = header.layout;
        let ndb = Ndb::new(Arc::new(bytes.clone()), header, Limits::default());
        let blocks = ndb.index().blocks().to_vec();
        let mut pages: Vec<usize> = ndb.index().facts.pages.iter().map(|p| p.bref.ib.0 as usize).collect();
        pages.push(layout.amap_first as usize);
        pages.push(layout.dlist as usize);
        if layout.has_pmaps {
            pages.push(layout.amap_first as usize + layout.page_size);
        }
        // The free space behind the last structure of a 4K file is 16 MB of nothing.
        let blocks_end = blocks.iter().map(|b| (b.ib.0 + b.size_on_disk(layout)) as usize).max().unwrap();
        let end = pages.iter().map(|p| p + layout.page_size).max().unwrap().max(blocks_end);
        bytes.truncate(end.next_multiple_of(layout.page_size).max(1 << 18).min(bytes.len()));
        let mut places = vec![(0, layout.header_size)];
        places.extend(pages.iter().map(|p| (*p, layout.page_size)));
        places.extend(blocks.iter().map(|b| (b.ib.0 as usize, b.size_on_disk(layout) as usize)));
        Self { layout, bytes, pages, blocks, places }
    }

    /// Puts checksums right, and signatures where asked for, of the structures that the healthy store has.
    fn seal(&self, bytes: &mut [u8], signatures: bool) {
        let layout = self.layout;
        if bytes.len() >= layout.header_size {
            Header::seal(layout, &mut bytes[..layout.header_size]);
        }
        let crc_at = if layout.is_ansi() { 8 } else { 4 };
        for page in &self.pages {
            let Some(b) = bytes.get_mut(*page..page + layout.page_size) else { continue };
            let (body, trailer) = b.split_at_mut(layout.page_body());
            put32(trailer, crc_at, crc(body));
            if signatures {
                let t = PageTrailer::decode(layout, b);
                put16(b, layout.page_body() + 2, t.expected_sig(pstkit::Ib(*page as u64)));
            }
        }
        for block in &self.blocks {
            let (start, size) = (block.ib.0 as usize, block.size_on_disk(layout) as usize);
            let Some(b) = bytes.get_mut(start..start + size) else { continue };
            let (body, trailer) = b.split_at_mut(size - layout.block_trailer);
            let cb = usize::from(le16(trailer, 0)).min(body.len());
            put32(trailer, crc_at, crc(&body[..cb]));
            if signatures {
                put16(trailer, 2, signature(block.ib, block.bid));
            }
        }
    }
}

impl Image {
    /// The damaged file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let bases = bases();
        let base = &bases[usize::from(self.variety) % bases.len()];
        let mut out = base.bytes.clone();
        for patch in self.patches.iter().take(64) {
            let (start, size) = base.places[usize::from(patch.place) % base.places.len()];
            let at = start + usize::from(patch.offset) % size;
            let end = start + size;
            let write = |out: &mut Vec<u8>, new: &[u8]| {
                let n = new.len().min(end - at);
                out[at..at + n].copy_from_slice(&new[..n]);
            };
            match &patch.bytes {
                Bytes::Flip(bit) => out[at] ^= 1 << (bit & 7),
                Bytes::Number(n) => write(&mut out, &n.to_le_bytes()),
                Bytes::Extreme(high) => write(&mut out, &[if *high { 0xFF } else { 0 }; 2]),
                Bytes::Some(bytes, n) => write(&mut out, &bytes[..usize::from(*n) % 9]),
                Bytes::Zero => out[start..end].fill(0),
                Bytes::Copy(from) => {
                    let (from, n) = base.places[usize::from(*from) % base.places.len()];
                    let n = n.min(size);
                    out.copy_within(from..from + n, start);
                }
            }
        }
        if self.fix_checksums {
            base.seal(&mut out, self.fix_signatures);
        }
        if let Some(cut) = self.cut {
            out.truncate(usize::from(cut) * 512);
        }
        out
    }
}
