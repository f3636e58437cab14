//! Structure-aware input for whole files: a small store of the crate's own, patches on it, and checksums put right or not.
//!
//! Random bytes as a file would end at the first checksum. A patch list over a whole store gets everywhere, and with corrected
//! checksums it reaches what lies behind them.

use pstkit::finding::Ignore;
use pstkit::format::bytes::{le16, put16, put32};
use pstkit::format::crc::crc;
use pstkit::format::header::Header;
use pstkit::format::layout::{Layout, signature};
use pstkit::format::page::{BbtEntry, PageTrailer};
use pstkit::limits::Limits;
use pstkit::ndb::Ndb;
use pstkit::testkit::{VARIETIES, tiny};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes before the patches: variety, flags, cut[2], shift[4].
const HEAD: usize = 8;
/// Bytes of a patch: place[2], offset[2], kind, count, bytes[6].
const PATCH: usize = 12;
/// Patches that are carried out.
const PATCHES: usize = 64;

/// A change of bytes.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    /// Which structure: header, map page, tree page or block, by its number.
    pub place: u16,
    /// Where in it.
    pub offset: u16,
    /// What it does, modulo 6: a bit changed, some of the bytes, a number of two bytes at its extremes, all zero, another structure's bytes, bytes moved up.
    pub kind: u8,
    /// How many.
    pub count: u8,
    /// What stands there then.
    pub bytes: [u8; 6],
}

/// A damaged store. Every field has its own bytes in an input, so that a change of one changes nothing else, and any input is one.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// Which store it is made of.
    pub variety: u8,
    /// Bits 0 and 1: checksums are put right, but where both are 0; bit 2: so are signatures; bit 3: it is cut; bit 4: bytes are taken out or put in.
    pub flags: u8,
    /// Cut behind so many times 512 bytes.
    pub cut: u16,
    /// Bytes that are put in (or, with the highest bit, taken out), in units of 4, and where, in units of 64.
    pub shift: (u16, u16),
    /// Changes.
    pub patches: Vec<Patch>,
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

/// Inputs that were made, and those of them with patches and corrected checksums.
static MADE: AtomicU64 = AtomicU64::new(0);
static SEALED: AtomicU64 = AtomicU64::new(0);

/// Says so on standard error, for the gate, which demands a share.
fn report(sealed: bool) {
    let made = MADE.fetch_add(1, Ordering::Relaxed) + 1;
    let sealed = SEALED.fetch_add(u64::from(sealed), Ordering::Relaxed) + u64::from(sealed);
    if made.is_power_of_two() || made % 64 == 0 {
        eprintln!("inputs: {made} sealed: {sealed}");
    }
}

impl Image {
    /// What an input says.
    pub fn decode(data: &[u8]) -> Self {
        let mut head = [0; HEAD];
        let n = data.len().min(HEAD);
        head[..n].copy_from_slice(&data[..n]);
        let patches = data.get(HEAD..).unwrap_or_default().chunks_exact(PATCH).take(PATCHES).map(|p| Patch {
            place: le16(p, 0),
            offset: le16(p, 2),
            kind: p[4],
            count: p[5],
            bytes: p[6..].try_into().unwrap(),
        });
        Self { variety: head[0], flags: head[1], cut: le16(&head, 2), shift: (le16(&head, 4), le16(&head, 6)), patches: patches.collect() }
    }

    /// The input that says it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.variety, self.flags];
        for n in [self.cut, self.shift.0, self.shift.1] {
            out.extend(n.to_le_bytes());
        }
        for p in &self.patches {
            out.extend(p.place.to_le_bytes());
            out.extend(p.offset.to_le_bytes());
            out.extend([p.kind, p.count]);
            out.extend(p.bytes);
        }
        out
    }

    /// Inputs to begin with: each store as it is, and each structure of one of them damaged in each way, with checksums put right.
    pub fn seeds() -> Vec<Self> {
        let mut out = Vec::new();
        for (variety, base) in bases().iter().enumerate() {
            let whole = Self { variety: variety as u8, flags: 3, ..Self::default() };
            for (cut, flags) in [(256, 11), (300, 8)] {
                out.push(Self { cut, flags, ..whole.clone() });
            }
            for shift in [(25, 500), (0x8010, 700)] {
                out.push(Self { shift, flags: 19, ..whole.clone() });
            }
            let each = base.places.len().div_ceil(12).max(1);
            for (n, place) in (0..base.places.len()).step_by(each).enumerate() {
                let patch = Patch { place: place as u16, offset: 8 + 4 * n as u16, kind: (n % 6) as u8, count: 4, bytes: [0xFF, 1, 0, 0, 7, n as u8] };
                out.push(Self { patches: vec![patch], ..whole.clone() });
            }
            out.push(whole);
        }
        out
    }

    /// Whether checksums are put right.
    pub fn is_sealed(&self) -> bool {
        self.flags & 3 != 0
    }

    /// The damaged file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let bases = bases();
        let base = &bases[usize::from(self.variety) % bases.len()];
        let mut out = base.bytes.clone();
        for patch in self.patches.iter().take(PATCHES) {
            let (start, size) = base.places[usize::from(patch.place) % base.places.len()];
            let at = start + usize::from(patch.offset) % size;
            let end = start + size;
            let write = |out: &mut Vec<u8>, new: &[u8]| {
                let n = new.len().min(end - at);
                out[at..at + n].copy_from_slice(&new[..n]);
            };
            match patch.kind % 6 {
                0 => out[at] ^= 1 << (patch.count & 7),
                1 => write(&mut out, &patch.bytes[..usize::from(patch.count) % 7]),
                2 => write(&mut out, &[if patch.count & 1 == 0 { 0xFF } else { 0 }; 2]),
                3 => out[start..end].fill(0),
                4 => {
                    let (from, n) = base.places[usize::from(le16(&patch.bytes, 0)) % base.places.len()];
                    let n = n.min(size);
                    out.copy_within(from..from + n, start);
                }
                _ => out.copy_within(at..end - (end - at).min(usize::from(patch.count)), at + (end - at).min(usize::from(patch.count))),
            }
        }
        if self.is_sealed() {
            base.seal(&mut out, self.flags & 4 != 0);
        }
        report(self.is_sealed() && !self.patches.is_empty());
        if self.flags & 16 != 0 {
            let at = (usize::from(self.shift.1) * 64).min(out.len());
            let n = usize::from(self.shift.0 & 0x7FF) * 4;
            if self.shift.0 & 0x8000 == 0 {
                out.splice(at..at, std::iter::repeat_n(0xA5, n));
            } else {
                let end = (at + n).min(out.len());
                out.drain(at..end);
            }
        }
        if self.flags & 8 != 0 {
            out.truncate(usize::from(self.cut) * 512);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_says_what_it_was_made_of() {
        for seed in Image::seeds() {
            assert_eq!(Image::decode(&seed.encode()).encode(), seed.encode());
        }
    }
}
