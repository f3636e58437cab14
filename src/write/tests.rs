//! Written files against the layout itself: every page and block is verified, every reference and every slot counted.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::unwrap_used)]

use super::*;
use crate::finding::{Location, Strict};
use crate::format::block::{BlockFacts, SlEntry, SubnodeBlock, XBlock, inflate, verify_block};
use crate::format::bytes::{index, le32};
use crate::format::context::{PcRecord, TcInfo};
use crate::format::crypt::CryptMethod;
use crate::format::header::Header;
use crate::format::heap::{BthHeader, ClientSig, HnHeader, PageMap};
use crate::format::ids::{Bid, Bref, Hid, Hnid, HnidKind, Ib, Nid, NidType, PropTag, PropType};
use crate::format::layout::{Layout, Variant};
use crate::format::maps::bitmap;
use crate::format::page::{BbtEntry, BtPage, NbtEntry, PageTrailer, PageType, TreeEntry};
use crate::format::tags;
use crate::format::types::FileTime;
use crate::io::{MemoryStorage, ReadAt, Storage};
use crate::write::pc::PcBuilder;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Mutex;

/// A storage that holds only the written bytes: for places beyond 4 GiB.
#[derive(Default)]
pub(super) struct Sparse {
    pages: Mutex<HashMap<u64, Vec<u8>>>,
    len: Mutex<u64>,
}

const SPARSE_PAGE: u64 = 512;

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        *self.len.lock().unwrap()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buf.len() as u64 > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let pages = self.pages.lock().unwrap();
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let within = (at % SPARSE_PAGE) as usize;
            let n = (buf.len() - done).min(SPARSE_PAGE as usize - within);
            match pages.get(&(at / SPARSE_PAGE)) {
                Some(page) => buf[done..done + n].copy_from_slice(&page[within..within + n]),
                None => buf[done..done + n].fill(0),
            }
            done += n;
        }
        Ok(())
    }
}

impl Storage for Sparse {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut pages = self.pages.lock().unwrap();
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let within = (at % SPARSE_PAGE) as usize;
            let (chunk, more) = rest.split_at(rest.len().min(SPARSE_PAGE as usize - within));
            let page = pages.entry(at / SPARSE_PAGE).or_insert_with(|| vec![0; SPARSE_PAGE as usize]);
            page[within..within + chunk.len()].copy_from_slice(chunk);
            at += chunk.len() as u64;
            rest = more;
        }
        let mut len = self.len.lock().unwrap();
        *len = (*len).max(offset + buf.len() as u64);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        *self.len.lock().unwrap() = len;
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A storage whose n-th write fails.
struct Failing {
    inner: MemoryStorage,
    left: Mutex<u32>,
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, offset)
    }
}

impl Storage for Failing {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut left = self.left.lock().unwrap();
        if *left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *left -= 1;
        self.inner.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn read(source: &dyn ReadAt, at: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    source.read_exact_at(&mut buf, at).unwrap();
    buf
}

/// The contents of a written file, once everything about it has been verified.
pub(super) struct Verified {
    pub(super) header: Header,
    pub(super) nodes: BTreeMap<Nid, NbtEntry>,
    blocks: BTreeMap<Bid, (BbtEntry, Vec<u8>)>,
    sections: Vec<Vec<u8>>,
}

fn walk<E: TreeEntry>(source: &dyn ReadAt, layout: &'static Layout, root: Bref, places: &mut Vec<(u64, u64)>) -> Vec<E> {
    let mut all = Vec::new();
    let mut stack = vec![(root, None, None)];
    while let Some((bref, level, first)) = stack.pop() {
        places.push((bref.ib.0, layout.page()));
        let raw = read(source, bref.ib.0, layout.page_size);
        let page = BtPage::decode(layout, &raw, bref.ib, E::PAGE_TYPE, &mut Strict).unwrap().unwrap();
        assert_eq!(page.trailer.bid, bref.bid);
        assert!(level.is_none_or(|l| page.level == l));
        if page.level == 0 {
            let entries: Vec<E> = page.leaf().collect();
            assert!(first.is_none_or(|k| entries[0].key() == k));
            all.extend(entries);
        } else {
            let children: Vec<_> = page.children().collect();
            assert!(first.is_none_or(|k| children[0].key == k));
            for c in children.iter().rev() {
                stack.push((c.child, Some(page.level - 1), Some(c.key)));
            }
        }
    }
    assert!(all.windows(2).all(|w| w[0].key() < w[1].key()));
    all
}

/// Verifies everything that the NDB layer promises about a written file.
pub(super) fn verify(source: &dyn ReadAt) -> Verified {
    let header = Header::decode(&read(source, 0, 564), &mut Strict).unwrap();
    let layout = header.layout;
    let mut places = Vec::new();
    let nodes: Vec<NbtEntry> = walk(source, layout, header.root.nbt, &mut places);
    let listed: Vec<BbtEntry> = walk(source, layout, header.root.bbt, &mut places);
    assert_eq!(header.root.file_eof.0, source.len());
    assert_eq!(header.root.amap_last.0, layout.amap_at(layout.amap_count(source.len()) - 1));
    let mut refs: BTreeMap<Bid, u16> = BTreeMap::new();
    let mut refer = |bid: Bid| {
        if !bid.is_none() {
            *refs.entry(bid).or_insert(1) += 1;
        }
    };
    for n in &nodes {
        refer(n.data);
        refer(n.sub);
    }
    let crypt = header.crypt_method().unwrap();
    let mut blocks = BTreeMap::new();
    for b in &listed {
        assert!(b.bid < header.bid_next_block && b.bid.masked() == b.bid && b.cb > 0);
        let size = b.size_on_disk(layout);
        assert!(b.ib.0 % layout.slot == 0 && !layout.hits_map(b.ib.0, size));
        places.push((b.ib.0, size));
        let raw = read(source, b.ib.0, index(size));
        let known = BlockFacts { bid: b.bid, ib: b.ib, cb: b.cb, cb_inflated: b.cb_inflated };
        assert!(verify_block(layout, &raw, &known, &mut Strict).unwrap());
        let mut data = raw[..usize::from(b.cb)].to_vec();
        if !b.bid.is_internal() {
            crypt.decode(&mut data, b.bid);
        }
        if b.is_compressed() {
            let (inflated, sound) = inflate(&data, b.cb_inflated.into());
            assert!(sound);
            data = inflated;
        }
        if b.bid.is_internal() {
            match data[0] {
                1 => XBlock::decode(layout, &data, Location::NONE, &mut Strict).unwrap().unwrap().children.into_iter().for_each(&mut refer),
                _ => match SubnodeBlock::decode(layout, &data, Location::NONE, &mut Strict).unwrap().unwrap() {
                    SubnodeBlock::Leaf(entries) => entries.iter().for_each(|e| {
                        refer(e.data);
                        refer(e.sub);
                    }),
                    SubnodeBlock::Index(_, entries) => entries.iter().for_each(|e| refer(e.bid)),
                },
            }
        }
        blocks.insert(b.bid, (*b, data));
    }
    for b in &listed {
        assert_eq!(b.refs, refs.remove(&b.bid).unwrap_or(1), "references of {}", b.bid);
    }
    assert!(refs.is_empty(), "references to blocks that are not there: {refs:?}");
    // maps
    let count = layout.amap_count(source.len());
    let mut sections = vec![vec![0u8; layout.bitmap_len]; index(count)];
    for j in 0..count {
        places.push((layout.amap_at(j), layout.map_pages(j) * layout.page()));
    }
    for (ib, size) in places {
        let j = layout.amap_of(ib).unwrap();
        let from = (ib - layout.amap_at(j)) / layout.slot;
        for slot in from..from + size / layout.slot {
            let byte = &mut sections[index(j)][index(slot / 8)];
            assert_eq!(*byte & (0x80 >> (slot % 8)), 0, "slot {slot} of section {j} is used twice");
            *byte |= 0x80 >> (slot % 8);
        }
    }
    let mut free = 0;
    for (j, want) in (0..count).zip(&sections) {
        let at = layout.amap_at(j);
        let page = read(source, at, layout.page_size);
        let t = PageTrailer::decode(layout, &page);
        assert!(t.page_type == PageType::AMAP && t.is_valid(layout, &page, Ib(at)), "AMap {j}");
        assert_eq!(bitmap(layout, &page), want, "AMap {j}");
        free += want.iter().map(|b| u64::from(b.count_zeros())).sum::<u64>() * layout.slot;
        let mut more = Vec::new();
        if layout.has_pmap(j) {
            more.push((at + layout.page(), PageType::PMAP));
        }
        if layout.has_fmap(j) {
            more.push((at + 2 * layout.page(), PageType::FMAP));
        }
        if layout.has_fpmap(j) {
            more.push((at + 2 * layout.page(), PageType::FPMAP));
        }
        for (at, page_type) in more {
            let page = read(source, at, layout.page_size);
            let t = PageTrailer::decode(layout, &page);
            assert!(t.page_type == page_type && t.is_valid(layout, &page, Ib(at)));
            assert!(bitmap(layout, &page).iter().all(|b| *b == 0xFF));
        }
    }
    assert_eq!(header.root.amap_free, free);
    let dlist = read(source, layout.dlist, layout.page_size);
    let t = PageTrailer::decode(layout, &dlist);
    assert!(t.is_valid(layout, &dlist, Ib(layout.dlist)) && t.bid == header.bid_next_page);
    Verified { header, nodes: nodes.into_iter().map(|n| (n.nid, n)).collect(), blocks, sections }
}

impl Verified {
    /// The leaves of a data tree.
    pub(super) fn leaves(&self, bid: Bid) -> Vec<Vec<u8>> {
        if bid.is_none() {
            return Vec::new();
        }
        let (_, data) = &self.blocks[&bid];
        if !bid.is_internal() {
            return vec![data.clone()];
        }
        let x = XBlock::decode(self.header.layout, data, Location::NONE, &mut Strict).unwrap().unwrap();
        let leaves: Vec<Vec<u8>> = x.children.iter().flat_map(|c| self.leaves(*c)).collect();
        assert_eq!(leaves.iter().map(|l| l.len() as u64).sum::<u64>(), u64::from(x.total));
        for l in &leaves[..leaves.len() - 1] {
            assert_eq!(l.len(), self.header.layout.block_data_max());
        }
        leaves
    }

    /// The entries of a sub-node tree.
    pub(super) fn subnodes(&self, bid: Bid) -> BTreeMap<Nid, SlEntry> {
        if bid.is_none() {
            return BTreeMap::new();
        }
        match SubnodeBlock::decode(self.header.layout, &self.blocks[&bid].1, Location::NONE, &mut Strict).unwrap().unwrap() {
            SubnodeBlock::Leaf(entries) => entries.into_iter().map(|e| (e.nid, e)).collect(),
            SubnodeBlock::Index(_, entries) => entries.iter().flat_map(|e| self.subnodes(e.bid)).collect(),
        }
    }
}

fn options(variant: Variant, crypt: CryptMethod) -> NdbOptions {
    NdbOptions { crypt, ..NdbOptions::new(variant) }
}

fn noise(n: usize, seed: u32) -> Vec<u8> {
    let mut x = seed | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn nodes_of_any_size_are_written_and_found_again(
        v in 0usize..3, c in 0usize..3,
        sizes in proptest::collection::vec((0usize..40_000, any::<u32>(), 0usize..900), 0..40),
    ) {
        let variant = [Variant::Ansi, Variant::Unicode, Variant::Unicode4k][v];
        let crypt = [CryptMethod::None, CryptMethod::Permute, CryptMethod::Cyclic][c];
        let memory = MemoryStorage::default();
        let mut ndb = NdbWriter::new(&memory, options(variant, crypt)).unwrap();
        let mut want = Vec::new();
        for (n, seed, subs) in &sizes {
            // every other one compresses well
            let bytes = if seed & 1 == 0 { noise(*n, *seed) } else { vec![*seed as u8; *n] };
            let mut data = DataWriter::new();
            for piece in bytes.chunks(1 + (*seed % 5000) as usize) {
                data.push(&mut ndb, piece).unwrap();
            }
            let tree = data.finish(&mut ndb).unwrap();
            prop_assert_eq!(tree.bytes, *n as u64);
            let shared = ndb.write_data(&[1]).unwrap().bid;
            let mut entries: Vec<SlEntry> = (0..*subs).rev()
                .map(|i| SlEntry { nid: Nid::new(NidType::LTP, 0x500 + i as u32), data: shared, sub: Bid::NONE }).collect();
            let sub = ndb.write_subnodes(&mut entries).unwrap();
            let nid = ndb.next_nid(NidType::NORMAL_MESSAGE).unwrap();
            ndb.add_node(nid, tree.bid, sub, Nid(0x122)).unwrap();
            want.push((nid, bytes, *subs));
        }
        let written = ndb.finish().unwrap();
        let file = verify(&memory);
        prop_assert_eq!(&written.header, &file.header);
        for (nid, bytes, subs) in want {
            let node = file.nodes[&nid];
            prop_assert_eq!(file.leaves(node.data).concat(), bytes);
            prop_assert_eq!(file.subnodes(node.sub).len(), subs);
        }
    }
}

#[test]
fn an_empty_file_has_the_smallest_size() {
    for (variant, size) in [(Variant::Ansi, 271_360), (Variant::Unicode, 271_360), (Variant::Unicode4k, 16_818_176)] {
        let memory = MemoryStorage::default();
        NdbWriter::new(&memory, NdbOptions::new(variant)).unwrap().finish().unwrap();
        assert_eq!(memory.len(), size);
        assert!(verify(&memory).nodes.is_empty());
    }
}

#[test]
fn a_tree_of_two_levels_and_two_xxblock_children() {
    let memory = MemoryStorage::default();
    let mut ndb = NdbWriter::new(&memory, NdbOptions::new(Variant::Unicode)).unwrap();
    let bytes = noise(8176 * 1021 + 8176 * 3 + 5, 9);
    let tree = ndb.write_data(&bytes).unwrap();
    ndb.add_node(Nid(0x200024), tree.bid, Bid::NONE, Nid(0x122)).unwrap();
    ndb.finish().unwrap();
    let file = verify(&memory);
    assert_eq!(file.blocks[&tree.bid].1[1], 2);
    assert!(file.leaves(tree.bid).concat() == bytes);
    assert!(file.sections.len() > 30);
}

#[test]
fn places_beyond_4_gib_and_every_kind_of_map() {
    let storage = Sparse::default();
    let mut ndb = NdbWriter::new(&storage, NdbOptions::new(Variant::Unicode)).unwrap();
    let mut trees = Vec::new();
    for at in [0, 0x1F0_0000, 0x7C00_0000, 0x8000_0000, 0xFFFF_FF00, 0x1_0000_0000, 0x1_2345_6789] {
        ndb.skip_to(at).unwrap();
        trees.push((at, ndb.write_data(&noise(20_000, 3)).unwrap()));
    }
    for (i, (_, tree)) in trees.iter().enumerate() {
        ndb.add_node(Nid::new(NidType::NORMAL_MESSAGE, 0x10001 + i as u32), tree.bid, Bid::NONE, Nid(0x122)).unwrap();
    }
    ndb.finish().unwrap();
    let file = verify(&storage);
    for (at, tree) in trees {
        assert!(file.blocks[&tree.bid].0.ib.0 + 253_952 > at);
        assert!(file.leaves(tree.bid).concat() == noise(20_000, 3));
    }
    assert!(file.header.root.nbt.ib.0 > 0x1_2340_0000);
    let fpmap = read(&storage, 0x7C00_4800, 512);
    assert_eq!(PageTrailer::decode(file.header.layout, &fpmap).page_type, PageType::FPMAP);
}

#[test]
fn an_ansi_file_ends_before_its_limit_is_broken() {
    let storage = Sparse::default();
    let mut ndb = NdbWriter::new(&storage, NdbOptions::new(Variant::Ansi)).unwrap();
    let last = 0x7C00_4400 - 253_952;
    ndb.skip_to(last).unwrap();
    let error = std::iter::repeat_with(|| ndb.write_block(&[1; 8180])).find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), crate::error::ErrorKind::TooLarge(_)), "{error}");
    assert!(storage.len() <= 0x7C00_4400);
    assert_eq!(read(&storage, 0, 4), [0; 4], "no header: nobody takes it for a store");
}

#[test]
fn a_failing_medium_leaves_no_header() {
    for n in 0..4 {
        let storage = Failing { inner: MemoryStorage::default(), left: Mutex::new(n) };
        let mut ndb = NdbWriter::new(&storage, NdbOptions::default()).unwrap();
        let result = ndb.write_data(&noise(5_000_000, 1)).and_then(|tree| {
            ndb.add_node(Nid(0x21), tree.bid, Bid::NONE, Nid::NONE)?;
            ndb.finish()
        });
        assert!(result.is_err());
        assert!(storage.len() < 4 || le32(&read(&storage, 0, 4), 0) == 0);
    }
}

#[test]
fn nodes_and_sub_nodes_that_are_there_twice_are_refused() {
    let memory = MemoryStorage::default();
    let mut ndb = NdbWriter::new(&memory, NdbOptions::default()).unwrap();
    let e = SlEntry { nid: Nid(0x671), data: Bid::NONE, sub: Bid::NONE };
    assert!(ndb.write_subnodes(&mut [e, e]).is_err());
    assert!(ndb.add_node(Nid(0x61), Bid(400), Bid::NONE, Nid::NONE).is_err());
    ndb.add_node(Nid(0x61), Bid::NONE, Bid::NONE, Nid::NONE).unwrap();
    ndb.add_node(Nid(0x61), Bid::NONE, Bid::NONE, Nid::NONE).unwrap();
    assert!(ndb.finish().is_err());
}

/// Every item of a heap, decoded strictly.
fn items(layout: &'static Layout, leaves: &[Vec<u8>]) -> (HnHeader, HashMap<u32, Vec<u8>>) {
    let header = HnHeader::decode(layout, &leaves[0], Location::NONE, &mut Strict).unwrap().unwrap();
    let mut all = HashMap::new();
    for (n, block) in leaves.iter().enumerate() {
        let map = PageMap::decode(layout, n as u32, block, n + 1 == leaves.len(), Location::NONE, &mut Strict).unwrap().unwrap();
        for i in 1..=map.count {
            all.insert(layout.hid(n as u32, i).unwrap().0, map.item(block, i).unwrap().to_vec());
        }
    }
    (header, all)
}

/// The records of a B-tree on a heap.
fn records(items: &HashMap<u32, Vec<u8>>, header: u32) -> Vec<Vec<u8>> {
    let bth = BthHeader::decode(&items[&header], Location::NONE, &mut Strict).unwrap().unwrap();
    let mut hids = if bth.root.is_none() { vec![] } else { vec![bth.root.0] };
    for _ in 0..bth.levels {
        hids = hids
            .iter()
            .flat_map(|h| items[h].chunks_exact(bth.index_record()).map(|r| le32(r, bth.key.into())).collect::<Vec<_>>())
            .collect();
    }
    let all: Vec<Vec<u8>> = hids.iter().flat_map(|h| items[h].chunks_exact(bth.leaf_record()).map(<[u8]>::to_vec)).collect();
    assert!(all.windows(2).all(|w| BthHeader::order(&w[0][..bth.key.into()]) < BthHeader::order(&w[1][..bth.key.into()])));
    all
}

const VARIANTS: [Variant; 3] = [Variant::Ansi, Variant::Unicode, Variant::Unicode4k];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn property_contexts_hold_what_was_set(v in 0usize..3, sizes in proptest::collection::btree_map(1u16..0xFFFF, 0usize..6000, 0..700)) {
        let memory = MemoryStorage::default();
        let mut ndb = NdbWriter::new(&memory, NdbOptions::new(VARIANTS[v])).unwrap();
        let mut props = Props::new();
        for (id, n) in &sizes {
            match n % 4 {
                // keep the total small, but for a few
                0..=2 => props.set(PropTag::new(*id, PropType::BINARY), noise(n % 40, *n as u32)),
                _ => props.set(PropTag::new(*id, PropType::BINARY), noise(if n % 16 == 3 { *n } else { n % 300 }, *n as u32)),
            };
        }
        props.set_i32(tags::MESSAGE_SIZE, 0).set_time(tags::CREATION_TIME, FileTime(77));
        let mut pc = PcBuilder::new(&mut ndb, &props, SubNodes::new()).unwrap();
        let size = pc.set_size(tags::MESSAGE_SIZE).unwrap();
        let node = pc.finish(&mut ndb).unwrap();
        prop_assert_eq!(node.bytes, u64::from(size));
        ndb.add_node(Nid(0x21), node.data, node.sub, Nid::NONE).unwrap();
        ndb.finish().unwrap();
        let file = verify(&memory);
        let leaves = file.leaves(node.data);
        let subs = file.subnodes(node.sub);
        let bytes = leaves.iter().map(Vec::len).sum::<usize>() + subs.values().map(|e| file.leaves(e.data).concat().len()).sum::<usize>();
        prop_assert_eq!(bytes as u64, node.bytes);
        let (header, items) = items(file.header.layout, &leaves);
        prop_assert_eq!((header.user_root, header.client), (Hid(0x20), ClientSig::PROPERTY));
        let records = records(&items, 0x20);
        prop_assert_eq!(records.len(), props.len());
        for (record, (tag, data)) in records.iter().zip(props.iter()) {
            let record = PcRecord::decode(record);
            prop_assert_eq!(record.tag, tag);
            let Data::Bytes(want) = data else { panic!() };
            match record.hnid().kind() {
                _ if tag == tags::MESSAGE_SIZE => prop_assert_eq!(record.value, size),
                HnidKind::Empty => prop_assert!(want.is_empty()),
                HnidKind::Heap(h) => prop_assert_eq!(&items[&h.0], want),
                HnidKind::Node(n) => prop_assert_eq!(&file.leaves(subs[&n].data).concat(), want),
            }
        }
    }

    #[test]
    fn tables_hold_the_rows_that_were_pushed(v in 0usize..3, rows in proptest::collection::btree_map(1u32.., 0usize..500, 0..1200), large in 0usize..1200) {
        let memory = MemoryStorage::default();
        let mut ndb = NdbWriter::new(&memory, NdbOptions::new(VARIANTS[v])).unwrap();
        let columns = [tags::SUBJECT, tags::SENT_REPRESENTING_NAME, tags::MESSAGE_TO_ME, tags::MESSAGE_DELIVERY_TIME, tags::IMPORTANCE];
        let mut table = TableBuilder::new(&mut ndb, TableKind::Contents, &columns, rows.len()).unwrap();
        let value = |i: usize, n: usize| if i == large { noise(9000, 1) } else { noise(n, n as u32) };
        for (i, (id, n)) in rows.iter().enumerate() {
            let subject = value(i, *n);
            let mut cells = vec![(tags::SUBJECT, Cell::Bytes(&subject)), (tags::MESSAGE_TO_ME, Cell::Bytes(&[1]))];
            if n % 3 == 0 {
                cells.push((tags::SENT_REPRESENTING_NAME, Cell::Bytes(b"abcd")));
            }
            table.push(&mut ndb, *id, i as u32 + 9, &cells).unwrap();
        }
        let node = table.finish(&mut ndb).unwrap();
        ndb.add_node(Nid(0x802E), node.data, node.sub, Nid::NONE).unwrap();
        ndb.finish().unwrap();
        let file = verify(&memory);
        let layout = file.header.layout;
        let subs = file.subnodes(node.sub);
        let (header, all) = items(layout, &file.leaves(node.data));
        let info = TcInfo::decode(&all[&header.user_root.0], Location::NONE, &mut Strict).unwrap().unwrap();
        let matrix = match info.rows.kind() {
            HnidKind::Empty => vec![],
            HnidKind::Heap(h) => vec![all[&h.0].clone()],
            HnidKind::Node(n) => file.leaves(subs[&n].data),
        };
        let per_leaf = layout.block_data_max() / info.row_size();
        let column = |tag| *info.columns.iter().find(|c| c.tag == tag).unwrap();
        let index = records(&all, info.row_index.0);
        prop_assert_eq!(index.len(), rows.len());
        for (record, (i, (id, n))) in index.iter().zip(rows.iter().enumerate()) {
            prop_assert_eq!(le32(record, 0), *id);
            let r = usize::from(crate::format::bytes::le16(record, 4));
            prop_assert_eq!(r, i);
            let row = &matrix[r / per_leaf][r % per_leaf * info.row_size()..][..info.row_size()];
            prop_assert_eq!((le32(row, 0), le32(row, 4)), (*id, i as u32 + 9));
            let subject = le32(row, column(tags::SUBJECT).offset.into());
            let got = match Hnid(subject).kind() {
                HnidKind::Empty => vec![],
                HnidKind::Heap(h) => all[&h.0].clone(),
                HnidKind::Node(nid) => file.leaves(subs[&nid].data).concat(),
            };
            prop_assert_eq!(got, value(i, *n));
            prop_assert_eq!(row[usize::from(column(tags::MESSAGE_TO_ME).offset)], 1);
            prop_assert!(!info.has_cell(row, &column(tags::IMPORTANCE)));
            let from = column(tags::SENT_REPRESENTING_NAME);
            prop_assert_eq!(info.has_cell(row, &from), n % 3 == 0);
            if n % 3 == 0 {
                let hid = le32(row, from.offset.into());
                let name = if layout.compresses() {
                    items(layout, &file.leaves(subs[&Nid(0x541)].data)).1[&hid].clone()
                } else {
                    all[&hid].clone()
                };
                prop_assert_eq!(name, b"abcd");
            }
        }
    }
}
