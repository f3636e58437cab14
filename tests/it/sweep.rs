//! Each byte of small stores changed in turn, with the checksum of its structure put right again: what is not found must be plain
//! content or in a field that nothing uses.
//!
//! A byte belongs to one of three classes. `Structure` is what ties a file together: a change of it must be found. `Content` is what a
//! property or a raw value says: another value is as good as the one before, as far as anybody can tell. `Unused` are fields that no
//! program reads, or counters whose raising breaks nothing: every message and folder reads as before. Classes follow from the layout and from the store's own heaps; nothing of
//! it is taken from what the check finds.
//!
//! `PSTKIT_SWEEP_STEP=1 cargo test --release --test it every_byte` looks at every byte of every variety; without it a sample is taken.

use crate::support::mutate::{Base, Kind, Region, reseal};
use pstkit::check::{CheckOptions, Report, check};
use pstkit::export::items::Items;
use pstkit::finding::Ignore;
use pstkit::format::bytes::{le16, le32};
use pstkit::format::header::Header;
use pstkit::format::heap::ClientSig;
use pstkit::format::ids::{Bid, Hid, HnidKind, Nid, NidType, PropType};
use pstkit::format::page::PageType;
use pstkit::limits::Limits;
use pstkit::ltp::{Bth, PropertyContext, TableContext};
use pstkit::messaging::{OpenOptions, Pst};
use pstkit::ndb::{Ndb, Node};
use pstkit::testkit;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// What a byte is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Structure,
    /// The low byte of a reference to a block: its lowest bit means nothing.
    Reference,
    Content,
    Unused,
}

fn run(bytes: Vec<u8>) -> Report {
    check(Arc::new(bytes), &CheckOptions::default(), &()).unwrap()
}

/// What is read: each message with its folder and the digest of its content, and the folders.
fn inventory(bytes: Vec<u8>) -> Vec<String> {
    let pst = Pst::from_source(Arc::new(bytes), &OpenOptions::new()).unwrap();
    let items = Items::new(&pst).map(|i| i.unwrap()).map(|i| format!("{} {} {}", i.nid, i.folder, i.content_sha256));
    let folders = pst.folders().map(|f| format!("{} {:?}", f.nid(), f.name().ok()));
    items.chain(folders).collect()
}

/// Classes of the bytes of blocks, by block.
struct Classes {
    blocks: HashMap<Bid, Vec<Use>>,
    /// What each block is, for people.
    names: HashMap<Bid, String>,
}

fn mark(classes: &mut [Use], range: Range<usize>, to: Use) {
    let end = range.end.min(classes.len());
    classes[range.start.min(end)..end].fill(to);
}

impl Classes {
    fn of(ndb: &Ndb) -> Self {
        let mut c = Self { blocks: HashMap::new(), names: HashMap::new() };
        for b in ndb.index().blocks() {
            let data = ndb.block_at(b, &mut Ignore).unwrap().unwrap();
            let mut uses = vec![if b.bid.is_internal() { Use::Structure } else { Use::Content }; data.len()];
            if b.bid.is_internal() {
                let l = ndb.layout();
                let w = l.id_width;
                let (head, ids) = match (data[0], data[1]) {
                    (1, _) => (8, 1),
                    (_, 0) => (l.sl_head, 3),
                    _ => (l.sl_head, 2),
                };
                for at in (head..data.len()).step_by(w) {
                    if data[0] == 1 || !((at - head) / w).is_multiple_of(ids) {
                        uses[at] = Use::Reference;
                    } else if w == 8 {
                        mark(&mut uses, at + 4..at + 8, Use::Unused); // junk above the id
                    }
                }
                if data[0] == 2 && w == 8 {
                    mark(&mut uses, 4..8, Use::Unused);
                }
            }
            c.blocks.insert(b.bid, uses);
        }
        for n in ndb.index().nodes() {
            let mut pending = vec![ndb.node(n.nid).unwrap()];
            while let Some(node) = pending.pop() {
                for leaf in node.data(&mut Ignore).unwrap().leaves() {
                    let sub = node.at.sub.map_or(String::new(), |s| format!("/{s}"));
                    c.names.entry(leaf.bid).or_insert(format!("{}{sub}", n.nid));
                }
                for e in node.subnodes(&mut Ignore).unwrap().iter() {
                    pending.push(Node::detached(ndb, e.nid, e.data, e.sub, node.at.with_sub(e.nid)));
                }
                c.heap(ndb, node);
            }
        }
        c
    }

    fn heap<'n>(&mut self, ndb: &'n Ndb, node: Node<'n>) {
        let tree = node.data(&mut Ignore).unwrap();
        let leaves: Vec<Bid> = tree.leaves().map(|l| l.bid).collect();
        let Some(first) = leaves.first() else { return };
        let head = ndb.block(*first, &mut Ignore).unwrap().unwrap();
        if head.get(2) != Some(&0xEC) || node.nid.nid_type() == NidType::LTP {
            return;
        }
        // where each item is
        let mut items: HashMap<u32, (Bid, Range<usize>)> = HashMap::new();
        for (k, bid) in leaves.iter().enumerate() {
            let data = ndb.block(*bid, &mut Ignore).unwrap().unwrap();
            mark(self.blocks.get_mut(bid).unwrap(), 0..data.len(), Use::Structure);
            if k == 0 {
                mark(self.blocks.get_mut(bid).unwrap(), 8..12, Use::Unused); // fill levels
                if head[3] == ClientSig::COLUMN.0 {
                    mark(self.blocks.get_mut(bid).unwrap(), 4..8, Use::Unused); // a root that it does not have
                }
            }
            let map = usize::from(le16(&data, 0));
            for i in 0..usize::from(le16(&data, map)) {
                let at = |i: usize| usize::from(le16(&data, map + 4 + 2 * i));
                let block_bits = if ndb.layout().compresses() { 19 } else { 16 };
                items.insert((k as u32) << block_bits | (i as u32 + 1) << 5, (*bid, at(i)..at(i + 1)));
            }
            // a byte for even places
            let end = usize::from(le16(&data, map + 4 + 2 * usize::from(le16(&data, map))));
            mark(self.blocks.get_mut(bid).unwrap(), end..map, Use::Unused);
        }
        let edges: Vec<(Bid, usize, usize)> = leaves
            .iter()
            .flat_map(|bid| {
                let data = ndb.block(*bid, &mut Ignore).unwrap().unwrap().into_owned();
                let map = usize::from(le16(&data, 0));
                // a byte that makes the place of the map even may belong to the last value
                let slack = usize::from(usize::from(le16(&data, map + 4 + 2 * usize::from(le16(&data, map)))) < map);
                (1..usize::from(le16(&data, map)) + slack).map(move |i| (*bid, map + 4 + 2 * i, usize::from(le16(&data, map + 4 + 2 * i))))
            })
            .collect();
        let item = |blocks: &mut HashMap<Bid, Vec<Use>>, hid: u32, part: Range<usize>, to: Use| {
            if let Some((bid, range)) = items.get(&hid) {
                let end = (range.start + part.end.min(range.len())).min(range.end);
                mark(blocks.get_mut(bid).unwrap(), range.start + part.start..end, to);
            }
        };
        const ALL: Range<usize> = 0..usize::MAX >> 1;
        let client = ClientSig(head[3]);
        if client == ClientSig::PROPERTY {
            let pc = PropertyContext::open(node, &mut Ignore).unwrap().unwrap();
            let bth = Bth::open(pc.heap(), pc.heap().user_root(), &mut Ignore).unwrap().unwrap();
            let mut leaves = bth.leaves();
            while leaves.next(&mut Ignore).unwrap().is_some() {}
            for hid in leaves.into_items() {
                item(&mut self.blocks, hid.0, ALL, Use::Content);
            }
            for r in pc.records() {
                if let (false, HnidKind::Heap(hid)) = (r.tag.prop_type().is_inline(), r.hnid().kind()) {
                    let structured = r.tag.prop_type() == PropType::OBJECT;
                    item(&mut self.blocks, hid.0, ALL, if structured { Use::Structure } else { Use::Content });
                }
            }
        } else if client == ClientSig::TABLE {
            let table = TableContext::open(node, &mut Ignore).unwrap().unwrap();
            // tags may be any; where cells are may not
            let root = table.heap().user_root().0;
            for i in 0..table.columns().len() {
                item(&mut self.blocks, root, 22 + 8 * i..26 + 8 * i, Use::Content);
            }
            let size = table.info().row_size();
            if let HnidKind::Heap(rows) = table.info().rows.kind() {
                for r in 0..table.row_count() as usize {
                    // the row's id stays structure
                    item(&mut self.blocks, rows.0, r * size + 4..(r + 1) * size, Use::Content);
                }
            }
            let mut rows = table.rows();
            while let Some(row) = rows.next(&mut Ignore).unwrap() {
                for c in table.columns().iter().filter(|c| c.tag.prop_type().cell_is_hnid()) {
                    let value = row.cell(c).map(|c| pstkit::format::ids::Hnid(le32(c, 0)).kind());
                    if let (Some(HnidKind::Heap(hid)), true) = (value, c.heap.is_none()) {
                        item(&mut self.blocks, hid.0, ALL, Use::Content);
                    }
                }
            }
        } else {
            // Outlook's own: what its items say is not known
            let root = Hid(le32(&head, 4));
            for hid in items.keys() {
                item(&mut self.blocks, *hid, ALL, Use::Content);
            }
            if client == ClientSig::BTH {
                item(&mut self.blocks, root.0, ALL, Use::Structure);
            }
        }
        // Where one value ends and the next begins is as free as the values are.
        for (bid, slot, at) in edges {
            let uses = self.blocks.get_mut(&bid).unwrap();
            if uses[at.saturating_sub(1)] == Use::Content && uses[at] >= Use::Content {
                mark(uses, slot..slot + 2, Use::Content);
            }
        }
    }
}

/// The class of a byte of a page or of the header.
fn of_page(ndb: &Ndb, page: &[u8], ib: u64, at: usize) -> Use {
    let l = ndb.layout();
    let unused = |yes: bool| if yes { Use::Unused } else { Use::Structure };
    let t = PageType(page[l.page_body()]);
    let ids = l.id_width;
    match t {
        PageType::NBT | PageType::BBT => {
            let meta = if l.is_ansi() {
                496
            } else if l.compresses() {
                4056
            } else {
                488
            };
            let (count, stride, level) = if l.compresses() {
                (usize::from(le16(page, meta)), usize::from(page[meta + 4]), page[meta + 5])
            } else {
                (usize::from(page[meta]), usize::from(page[meta + 2]), page[meta + 3])
            };
            if at >= count * stride {
                return unused(at < meta);
            }
            let within = at % stride;
            let nid = Nid(le32(page, at / stride * stride));
            match (level, t) {
                (0, PageType::NBT) => {
                    if within == ids || within == 2 * ids {
                        return Use::Reference;
                    }
                    let parent = 3 * ids..3 * ids + 4;
                    // a queue's head, or a search object's offset
                    let own = [Nid::MESSAGE_STORE, Nid::NAME_TO_ID_MAP, Nid::ID_MAP, Nid::MESSAGE_INDEX];
                    let queue = matches!(nid.nid_type().0, 0x01 | 0x06) && !own.contains(&nid);
                    unused(within >= parent.end || parent.contains(&within) && queue)
                }
                (0, _) => unused(within >= 2 * ids + if l.compresses() { 6 } else { 4 }),
                _ => Use::Structure,
            }
        }
        // a hint, whose age its id tells
        PageType::DLIST => unused(at < l.page_body()),
        PageType::PMAP => {
            // pages of sections behind the end of the file
            let sections = l.amap_count(ndb.len()) - (ib - l.page() - l.amap_first) / l.amap_interval;
            let first = l.bitmap_at as u64;
            unused(at as u64 >= first + sections * (l.slots_per_amap() / 64) && at < l.page_body())
        }
        _ => Use::Structure,
    }
}

fn of_header(l: &pstkit::format::layout::Layout, at: usize) -> Use {
    // reserved words, the locks, counters (only their lowering is wrong), legacy maps of sections that are not there
    let unused: &[Range<usize>] =
        if l.is_ansi() { &[16..36, 36..164, 201..460, 476..512] } else { &[16..176, 249..252, 256..512, 516..524, 528..564] };
    if unused.iter().any(|r| r.contains(&at)) { Use::Unused } else { Use::Structure }
}

struct Swept {
    base: Base,
    ndb: Ndb,
    classes: Classes,
}

impl Swept {
    fn new(bytes: Vec<u8>) -> Self {
        let header = Header::decode(&bytes, &mut Vec::new()).unwrap();
        let ndb = Ndb::new(Arc::new(bytes.clone()), header, Limits::default());
        let classes = Classes::of(&ndb);
        let mut base = Base::new(bytes);
        let l = ndb.layout();
        base.regions.push(Region { start: l.dlist as usize, len: l.page_size, covered: l.page_body(), kind: Kind::Page });
        Self { base, ndb, classes }
    }

    fn bid_of(&self, r: &Region) -> Bid {
        self.ndb.index().blocks().iter().find(|b| b.ib.0 == r.start as u64).unwrap().bid
    }

    fn class(&self, r: &Region, at: usize) -> Use {
        match r.kind {
            Kind::Header => of_header(self.ndb.layout(), at),
            Kind::Page => of_page(&self.ndb, &self.base.bytes[r.start..r.start + r.len], r.start as u64, at),
            Kind::Block { .. } if at < r.covered => self.classes.blocks[&self.bid_of(r)][at],
            Kind::Block { .. } if at < r.len - self.ndb.layout().block_trailer => Use::Unused,
            Kind::Block { .. } => Use::Structure,
        }
    }

    /// The file with a byte as it is before encoding changed, and the checksum right.
    fn changed(&self, r: &Region, at: usize, how: u8) -> Option<Vec<u8>> {
        let mut out = self.base.bytes.clone();
        let slice = &mut out[r.start..r.start + r.len];
        let bid = matches!(r.kind, Kind::Block { .. }).then(|| self.bid_of(r)).filter(|b| !b.is_internal() && at < r.covered);
        if let Some(bid) = bid {
            self.ndb.crypt().decode(&mut slice[..r.covered], bid);
        }
        let old = slice[at];
        let to = match how {
            0 => old ^ 1,
            1 => old ^ 0x80,
            2 => old.wrapping_add(1),
            3 => 0,
            _ => 0xFF,
        };
        slice[at] = to;
        if let Some(bid) = bid {
            self.ndb.crypt().encode(&mut slice[..r.covered], bid);
        }
        // versions of one layout, and the platform that scanpst names
        let same =
            r.kind == Kind::Header && (at == 10 && matches!((old, to), (23, 20..=22) | (14, 15)) || matches!((at, to), (14 | 15, 2)));
        if to == old || same || to ^ old == 1 && self.class(r, at) == Use::Reference {
            return None;
        }
        // a trailer is its own: putting the checksum right would undo the change
        let trailer = match r.kind {
            Kind::Header => at < 8 || (524..528).contains(&at),
            Kind::Page => at >= self.ndb.layout().page_body(),
            Kind::Block { .. } => at >= r.len - self.ndb.layout().block_trailer,
        };
        if !trailer {
            reseal(self.ndb.layout(), &mut out, r);
        }
        Some(out)
    }

    /// What a byte is, for people.
    fn describe(&self, r: &Region, at: usize) -> String {
        match r.kind {
            Kind::Header => format!("header +{at:#x}"),
            Kind::Page => {
                let t = PageType(self.base.bytes[r.start + self.ndb.layout().page_body()]);
                format!("{t} @{:#x} +{at:#x}", r.start)
            }
            Kind::Block { .. } => {
                let bid = self.bid_of(r);
                let of = self.classes.names.get(&bid).map_or("", String::as_str);
                let mut data = self.base.bytes[r.start..r.start + r.covered].to_vec();
                if !bid.is_internal() {
                    self.ndb.crypt().decode(&mut data, bid);
                }
                let mut place = String::new();
                if data.get(2) == Some(&0xEC) {
                    let map = usize::from(le16(&data, 0));
                    let ends = (0..=usize::from(le16(&data, map))).map(|i| usize::from(le16(&data, map + 4 + 2 * i)));
                    let ends: Vec<usize> = ends.collect();
                    let item = ends.windows(2).position(|w| (w[0]..w[1]).contains(&at));
                    place = match item {
                        Some(i) => format!(" heap {:#x} item {} +{:#x} of {}", data[3], i + 1, at - ends[i], ends[i + 1] - ends[i]),
                        None if at >= map => format!(" heap {:#x} page map +{:#x} of {:#x}", data[3], at - map, data.len() - map),
                        None => format!(" heap {:#x}", data[3]),
                    };
                }
                format!("block {bid} of {of} +{at:#x} of {:#x}{place}", r.covered)
            }
        }
    }
}

/// Takes every `step`-th byte; set `PSTKIT_SWEEP_STEP=1` for all of them.
fn step(default: usize) -> usize {
    std::env::var("PSTKIT_SWEEP_STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

fn sweep(name: &str, bytes: Vec<u8>, step: usize, start: usize) {
    let s = Swept::new(bytes);
    let before = run(s.base.bytes.clone());
    let content = inventory(s.base.bytes.clone());
    assert!(content.len() > 10, "{content:?}");
    let mut missed: BTreeMap<String, u64> = BTreeMap::new();
    let (mut n, mut cases, mut counts) = (start, 0usize, [0usize; 4]);
    for r in &s.base.regions {
        for at in 0..r.len {
            n += 1;
            if !n.is_multiple_of(step) {
                continue;
            }
            let class = s.class(r, at);
            // another value of a property breaks nothing; that it is read without harm is looked at elsewhere
            if class == Use::Content && (step > 1 || n % 64 != 0) || class == Use::Unused && !n.is_multiple_of(16 * step) {
                continue;
            }
            let ways = if step == 1 && class < Use::Content { 0..5 } else { (n / step % 5) as u8..(n / step % 5) as u8 + 1 };
            for how in ways {
                let Some(changed) = s.changed(r, at, how) else { continue };
                if class == Use::Unused {
                    assert_eq!(inventory(changed.clone()), content, "{name}: {} is read", s.describe(r, at));
                }
                let report = run(changed);
                cases += 1;
                counts[class as usize] += 1;
                let found = report.findings != before.findings || report.verdict != before.verdict || report.counts != before.counts;
                if class < Use::Content && !found {
                    let way = ["^1", "^80", "+1", "=0", "=ff"][usize::from(how)];
                    *missed.entry(format!("{} {way}", s.describe(r, at))).or_default() += 1;
                }
            }
        }
    }
    println!("{name}: {cases} cases, of structure, references, content, unused: {counts:?}");
    assert!(cases > 100, "{name}: only {cases} cases");
    assert!(missed.is_empty(), "{name}: {} not found: {missed:#?}", missed.len());
}

fn variety(name: &str) -> Vec<u8> {
    testkit::tiny(testkit::VARIETIES.into_iter().find(|v| v.name() == name).unwrap(), 1).unwrap()
}

#[test]
fn every_byte_of_structure_of_a_unicode_file_is_watched() {
    sweep("unicode", variety("unicode-permute"), step(7), 0);
}

#[test]
fn every_byte_of_structure_of_an_ansi_file_is_watched() {
    sweep("ansi", variety("ansi-cyclic"), step(5), 0);
}

#[test]
fn every_byte_of_structure_of_a_4k_file_is_watched() {
    sweep("4k", variety("4k-none"), step(61), 0);
}
