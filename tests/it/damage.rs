//! Ways to damage a file, and what is physically left of its messages afterwards.

use pstkit::finding::Ignore;
use pstkit::format::header::Header;
use pstkit::format::ids::{Bid, Nid};
use pstkit::format::page::{BbtEntry, PageType};
use pstkit::limits::Limits;
use pstkit::ndb::{Ndb, Node};
use std::collections::HashMap;
use std::sync::Arc;

/// A small generator, so that every run damages the same bytes.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }
    pub fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|b| *b = (self.next() >> 24) as u8);
    }
}

/// A stretch of the healthy file: start, end, and where it stands in the damaged copy.
pub type Segment = (usize, usize, usize);

/// A damaged copy.
pub struct Damaged {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    pub segments: Vec<Segment>,
}

/// A healthy file, and which bytes each of its messages needs.
pub struct Healthy {
    pub bytes: Vec<u8>,
    pub ndb: Ndb,
    pub needs: HashMap<Nid, Vec<BbtEntry>>,
}

pub fn open(bytes: &[u8]) -> Ndb {
    let header = Header::decode(bytes, &mut Vec::new()).unwrap();
    Ndb::new(Arc::new(bytes.to_vec()), header, Limits::default())
}

/// All blocks of a node: data, sub-nodes, and theirs.
pub fn blocks_of(ndb: &Ndb, nid: Nid) -> Vec<BbtEntry> {
    let mut out = Vec::new();
    let mut pending = vec![ndb.node(nid).unwrap()];
    while let Some(node) = pending.pop() {
        let mut roots = vec![node.data, node.sub];
        while let Some(bid) = roots.pop() {
            let Some(e) = ndb.find_block(bid) else { continue };
            out.push(*e);
            if bid.is_internal() {
                let data = ndb.block(bid, &mut Ignore).unwrap().unwrap();
                let w = ndb.layout().id_width;
                if data[0] == 1 {
                    roots.extend(data[8..].chunks_exact(w).map(|c| Bid(ndb.layout().id(c, 0))));
                } else if data[1] != 0 {
                    roots.extend(data[ndb.layout().sl_head..].chunks_exact(2 * w).map(|c| Bid(ndb.layout().id(c, w))));
                }
            }
        }
        for e in node.subnodes(&mut Ignore).unwrap().iter() {
            pending.push(Node::detached(ndb, e.nid, e.data, e.sub, node.at));
        }
    }
    out
}

impl Healthy {
    pub fn read(path: &std::path::Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let ndb = open(&bytes);
        let needs = ndb.index().nodes().iter().map(|n| n.nid).filter(|n| n.is_message()).map(|n| (n, blocks_of(&ndb, n))).collect();
        Self { bytes, ndb, needs }
    }

    /// The messages every block of which is undamaged in the copy.
    pub fn intact(&self, copy: &Damaged) -> Vec<Nid> {
        let layout = self.ndb.layout();
        let same = |start: usize, end: usize| {
            copy.segments.iter().any(|(a, b, there)| {
                *a <= start && end <= *b && copy.bytes.get(start - a + there..end - a + there) == self.bytes.get(start..end)
            })
        };
        let whole = |b: &BbtEntry| {
            let (start, end) = (b.ib.0 as usize, (b.ib.0 + b.size_on_disk(layout)) as usize);
            // one stretch must hold all of it; what lies between data and trailer carries nothing
            copy.segments.iter().any(|(a, z, _)| *a <= start && end <= *z)
                && same(start, start + usize::from(b.cb))
                && same(end - layout.block_trailer, end)
        };
        let mut out: Vec<Nid> = self.needs.iter().filter(|(_, need)| need.iter().all(whole)).map(|(n, _)| *n).collect();
        out.sort_unstable();
        out
    }

    fn pages(&self, page_type: PageType, leaves: bool) -> Vec<usize> {
        let pages = self.ndb.index().pages(page_type);
        pages.filter(|p| (p.level == 0) == leaves).map(|p| p.bref.ib.0 as usize).collect()
    }

    /// Every kind of damage.
    pub fn damages(&self) -> Vec<Damaged> {
        let len = self.bytes.len();
        let page = self.ndb.layout().page_size;
        let root = &self.ndb.header().root;
        let (nbt, bbt) = (root.nbt.ib.0 as usize, root.bbt.ib.0 as usize);
        let mut out = Vec::new();
        let mut put = |kind, bytes: Vec<u8>, segments: Option<Vec<Segment>>| {
            out.push(Damaged { kind, bytes, segments: segments.unwrap_or_else(|| vec![(0, len, 0)]) });
        };
        let with = |f: &dyn Fn(&mut Vec<u8>)| {
            let mut b = self.bytes.clone();
            f(&mut b);
            b
        };
        let wipe = |b: &mut Vec<u8>, at: usize, n: usize| {
            let end = (at + n).min(b.len());
            b[at..end].fill(0);
        };
        put("healthy", self.bytes.clone(), None);
        put("header checksums", with(&|b| b[4] ^= 0x5A), None);
        put("magic", with(&|b| wipe(b, 0, 4)), None);
        put("header gone", with(&|b| wipe(b, 0, 564)), None);
        put("block tree root", with(&|b| wipe(b, bbt, page)), None);
        put("node tree root", with(&|b| wipe(b, nbt, page)), None);
        put(
            "both roots",
            with(&|b| {
                wipe(b, nbt, page);
                wipe(b, bbt, page);
            }),
            None,
        );
        for (kind, t) in [("node tree leaf", PageType::NBT), ("block tree leaf", PageType::BBT)] {
            let leaves = self.pages(t, true);
            let at = leaves[Random::new(5).below(leaves.len())];
            put(kind, with(&|b| Random::new(6).fill(&mut b[at..at + page])), None);
        }
        for (kind, types) in
            [("block tree", &[PageType::BBT][..]), ("node tree", &[PageType::NBT]), ("both trees", &[PageType::BBT, PageType::NBT])]
        {
            let pages: Vec<usize> = types.iter().flat_map(|t| self.ndb.index().pages(*t)).map(|p| p.bref.ib.0 as usize).collect();
            put(kind, with(&|b| pages.iter().for_each(|at| wipe(b, *at, page))), None);
        }
        for (kind, share) in [("1 % of slots", 100), ("0.1 % of slots", 1000)] {
            put(
                kind,
                with(&|b| {
                    let mut r = Random::new(share as u64);
                    let slots = (len - 0x4400) / 64;
                    for _ in 0..(slots / share).max(1) {
                        let at = 0x4400 + r.below(slots) * 64;
                        r.fill(&mut b[at..at + 64]);
                    }
                }),
                None,
            );
        }
        put("first half", self.bytes[..len / 2].to_vec(), None);
        put("first 90 %", self.bytes[..len * 9 / 10].to_vec(), None);
        put("first 64 KiB zero", with(&|b| wipe(b, 0, 65536)), None);
        put("last 4 KiB zero", with(&|b| wipe(b, len - 4096, 4096)), None);
        put(
            "maps",
            with(&|b| {
                let layout = self.ndb.layout();
                for j in 0..layout.amap_count(len as u64) {
                    wipe(b, layout.amap_at(j) as usize, page);
                }
            }),
            None,
        );
        put("wrong version", with(&|b| b[10] = if b[10] == 14 { 23 } else { 14 }), None);
        put(
            "wrong encoding",
            with(&|b| {
                let at = if b[10] == 14 { 461 } else { 513 };
                b[at] = u8::from(b[at] == 0);
            }),
            None,
        );
        let ends = self.ndb.index().blocks().iter().map(|b| (b.ib.0 + b.size_on_disk(self.ndb.layout())) as usize);
        let last = ends.max().unwrap();
        for (kind, size, share) in [("1 % of sectors zero", 512, 100), ("2 % of 4 KiB zero", 4096, 50), ("5 % of 64 KiB zero", 65536, 20)] {
            put(
                kind,
                with(&|b| {
                    let mut r = Random::new(size as u64);
                    for _ in 0..(last / size / share).max(1) {
                        let at = r.below(last / size) * size;
                        wipe(b, at, size);
                    }
                }),
                None,
            );
        }
        put(
            "sectors swapped",
            with(&|b| {
                let mut r = Random::new(77);
                for _ in 0..4 {
                    let (x, y) = (0x4400 + r.below((last - 0x4400) / 512) * 512, 0x4400 + r.below((last - 0x4400) / 512) * 512);
                    (0..512).for_each(|i| b.swap(x + i, y + i));
                }
            }),
            None,
        );
        put(
            "sectors repeated",
            with(&|b| {
                let mut r = Random::new(78);
                for _ in 0..3 {
                    let (x, y) = (0x4400 + r.below((last - 0x5400) / 512) * 512, 0x4400 + r.below((last - 0x5400) / 512) * 512);
                    let from = b[x..x + 4096].to_vec();
                    b[y..y + 4096].copy_from_slice(&from);
                }
            }),
            None,
        );
        put(
            "50 bits",
            with(&|b| {
                let mut r = Random::new(79);
                for _ in 0..50 {
                    let at = r.below(last);
                    b[at] ^= 1 << r.below(8);
                }
            }),
            None,
        );
        let layout = self.ndb.layout();
        let header = |f: &dyn Fn(&mut Header)| {
            with(&|b| {
                let mut h = self.ndb.header().clone();
                f(&mut h);
                let bytes = h.encode().unwrap();
                b[..bytes.len()].copy_from_slice(&bytes);
            })
        };
        put("roots elsewhere", header(&|h| (h.root.nbt.ib.0, h.root.bbt.ib.0) = (0x4A00, 0x4C00)), None);
        put("size too small", header(&|h| h.root.file_eof.0 /= 2), None);
        put("size too large", header(&|h| h.root.file_eof.0 *= 3), None);
        put("counters zero", header(&|h| (h.bid_next_block.0, h.bid_next_page.0, h.unique, h.nid_high_water) = (4, 1, 0, [0; 32])), None);
        put("client magic", header(&|h| h.magic_client = *b"XX"), None);
        put("unknown version", header(&|h| h.version = 99), None);
        put(
            "100,000 bytes of garbage behind",
            with(&|b| {
                let mut tail = vec![0; 100_000];
                Random::new(80).fill(&mut tail);
                b.extend(tail);
            }),
            None,
        );
        for (kind, bits) in [("a data tree block", 1u8), ("a sub-node block", 2)] {
            let internal = self.ndb.index().blocks().iter().filter(|e| e.bid.is_internal());
            let all: Vec<BbtEntry> =
                internal.filter(|e| self.ndb.block_at(e, &mut Ignore).unwrap().is_some_and(|d| d[0] == bits)).copied().collect();
            if let Some(e) = all.get(Random::new(81).below(all.len())) {
                put(kind, with(&|b| wipe(b, e.ib.0 as usize, e.size_on_disk(layout) as usize)), None);
            }
        }
        put("cut in the middle", self.bytes[..(0x4400 + last) / 2].to_vec(), None);
        let used = self.ndb.index().blocks().iter().map(|b| b.ib.0 as usize).max().unwrap();
        let middle = (0x4400 + used) / 2 / 512 * 512;
        for (kind, n) in [("64 bytes inserted", 64), ("100 bytes inserted", 100)] {
            let b = [&self.bytes[..middle], &vec![0xA5; n], &self.bytes[middle..]].concat();
            put(kind, b, Some(vec![(0, middle, 0), (middle, len, middle + n)]));
        }
        for (kind, n) in [("512 bytes cut", 512), ("100 bytes cut", 100)] {
            let b = [&self.bytes[..middle], &self.bytes[middle + n..]].concat();
            put(kind, b, Some(vec![(0, middle, 0), (middle + n, len, middle)]));
        }
        let cut = 65536.min(len / 4);
        put("first 64 KiB cut off", self.bytes[cut..].to_vec(), Some(vec![(cut, len, 0)]));
        let (a, z) = (0x4400 + (used - 0x4400) / 4, 0x4400 + (used - 0x4400) * 3 / 4);
        put("middle fragment", self.bytes[a..z].to_vec(), Some(vec![(a, z, 0)]));
        out
    }
}
