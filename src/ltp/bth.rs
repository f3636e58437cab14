//! The B-tree on a heap ([MS-PST] 2.3.2).

use super::heap::{Heap, Item};
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::bytes::{le32, wide};
use crate::format::heap::BthHeader;
use crate::format::ids::Hid;
use crate::rules;
use std::collections::HashSet;

/// The most records of a tree that are read: above every table and map that the format can hold, below the number that a heap that repeats
/// itself could make of a small file.
const RECORDS_MAX: usize = 1 << 23;
/// The most items of a tree that are read.
const ITEMS_MAX: usize = 1 << 20;

/// A B-tree on a heap: records with keys of 2, 4, 8 or 16 bytes.
///
/// ```no_run
/// # fn f(heap: &pstkit::ltp::Heap<'_>) -> pstkit::error::Result<()> {
/// use pstkit::{finding::Strict, ltp::Bth};
///
/// if let Some(tree) = Bth::open(heap, heap.user_root(), &mut Strict)? {
///     tree.for_each(&mut Strict, &mut |key, data| println!("{key:02x?} {data:02x?}"))?;
///     println!("{:?}", tree.get(&0x2100u32.to_le_bytes(), &mut Strict)?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Bth<'h, 'n> {
    heap: &'h Heap<'n>,
    header: BthHeader,
    at: Location,
}

impl<'h, 'n> Bth<'h, 'n> {
    /// The tree whose header is at `hid`; `None` where there is none.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open(heap: &'h Heap<'n>, hid: Hid, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let Some(item) = heap.item(hid, sink)? else { return Ok(None) };
        let at = heap.at().with_hid(hid);
        let Some(header) = BthHeader::decode(&item, at, sink)? else { return Ok(None) };
        if header.root.is_none() && header.levels > 0 {
            let f = Finding::new(&rules::BTH_HEADER, at).actual(format!("{} levels above no leaf", header.levels));
            sink.report(f.severity(rules::Severity::Notice))?;
        }
        Ok(Some(Self { heap, header, at }))
    }

    /// A tree whose header is known.
    pub const fn with_header(heap: &'h Heap<'n>, header: BthHeader) -> Self {
        Self { heap, header, at: heap.at().with_hid(header.root) }
    }

    /// Its header.
    pub const fn header(&self) -> &BthHeader {
        &self.header
    }

    /// Its leaves, in the order of their keys.
    pub fn leaves(&self) -> Leaves<'h, 'n> {
        let mut pending = Vec::new();
        if !self.header.root.is_none() {
            pending.push(Pending { hid: self.header.root, levels: self.header.levels, first: None });
        }
        Leaves { tree: *self, pending, seen: HashSet::new(), last: None, order_told: false, ordered: true, records: 0 }
    }

    /// Tells every record, key and data, in order.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn for_each(&self, sink: &mut dyn Sink, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let mut leaves = self.leaves();
        let key = usize::from(self.header.key);
        while let Some(leaf) = leaves.next(sink)? {
            leaf.chunks_exact(self.header.leaf_record()).filter_map(|r| r.split_at_checked(key)).for_each(|(k, data)| f(k, data));
        }
        Ok(())
    }

    /// The data of the record with this key.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn get(&self, key: &[u8], sink: &mut dyn Sink) -> Result<Option<Item<'h, 'n>>> {
        if key.len() != usize::from(self.header.key) {
            return Ok(None);
        }
        let want = BthHeader::order(key);
        let mut hid = self.header.root;
        for level in (0..=self.header.levels).rev() {
            if hid.is_none() {
                return Ok(None);
            }
            let Some(item) = self.heap.item(hid, sink)? else { return Ok(None) };
            let size = self.record_size(level);
            let zeros = if level == 0 { zero_records(&item, size) } else { 0 };
            let count = item.len().checked_div(size).unwrap_or_default().saturating_sub(zeros);
            let record = |i: usize| item.get(i.saturating_mul(size)..i.saturating_add(1).saturating_mul(size)).unwrap_or_default();
            let order = |i: usize| BthHeader::order(record(i).get(..key.len()).unwrap_or_default());
            // the last record whose key is not above the one that is wanted
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low.midpoint(high);
                if order(middle) <= want { low = middle.saturating_add(1) } else { high = middle }
            }
            let Some(i) = low.checked_sub(1) else { return Ok(None) };
            if level > 0 {
                hid = Hid(le32(record(i), key.len()));
            } else if order(i) == want {
                let start = i.saturating_mul(size);
                return Ok(Some(item.part(start.saturating_add(key.len())..start.saturating_add(size))));
            }
        }
        Ok(None)
    }

    const fn record_size(&self, level: u8) -> usize {
        if level == 0 { self.header.leaf_record() } else { self.header.index_record() }
    }
}

/// How many records of zeros stand at the end of a leaf, behind one that is none: some writers leave room there. They name nothing.
fn zero_records(leaf: &[u8], size: usize) -> usize {
    let records = leaf.chunks_exact(size.max(1));
    let count = records.len();
    let zeros = records.rev().take_while(|r| r.iter().all(|b| *b == 0)).count();
    if zeros < count { zeros } else { 0 }
}

/// An item of the tree that is still to be read.
#[derive(Debug, Clone, Copy)]
struct Pending {
    hid: Hid,
    /// Levels of index records below it, its own included.
    levels: u8,
    /// The key that its parent gives.
    first: Option<u128>,
}

/// The leaves of a B-tree on a heap, verified as they are read.
#[derive(Debug)]
pub struct Leaves<'h, 'n> {
    tree: Bth<'h, 'n>,
    pending: Vec<Pending>,
    seen: HashSet<Hid>,
    last: Option<u128>,
    order_told: bool,
    ordered: bool,
    records: usize,
}

impl<'h, 'n> Leaves<'h, 'n> {
    /// The next leaf: whole records. Missing and repeated items are reported and left out.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn next(&mut self, sink: &mut dyn Sink) -> Result<Option<Item<'h, 'n>>> {
        let (heap, key) = (self.tree.heap, usize::from(self.tree.header.key));
        while let Some(Pending { hid, levels, first }) = self.pending.pop() {
            let at = self.tree.at.with_hid(hid);
            // keys are unique, so that keys of two bytes bound the records
            let most = if key == 2 { 1 << 17 } else { RECORDS_MAX };
            if self.records > most || self.seen.len() > ITEMS_MAX {
                sink.report(Finding::new(&rules::BTH_SHAPE, at).numbers(wide(self.records), wide(most)).loss(Loss::Partial))?;
                self.pending.clear();
                return Ok(None);
            }
            // a tree that is one leaf needs no set
            if self.tree.header.levels > 0 && !self.seen.insert(hid) {
                sink.report(Finding::new(&rules::BTH_SHAPE, at).loss(Loss::Partial))?;
                continue;
            }
            let Some(item) = heap.item(hid, sink)? else { continue };
            let size = self.tree.record_size(levels);
            let rest = item.len().checked_rem(size).unwrap_or_default();
            if rest != 0 || item.is_empty() {
                sink.report(Finding::new(&rules::BTH_RECORDS, at).numbers(wide(item.len()), wide(size)).loss(Loss::Partial))?;
            }
            let whole = item.len().saturating_sub(rest);
            if let (Some(want), Some(got)) = (first, item.get(..key))
                && BthHeader::order(got) != want
            {
                sink.report(
                    Finding::new(&rules::BTH_INDEX_KEY, at).actual(format!("{want:#x}")).expected(format!("{:#x}", BthHeader::order(got))),
                )?;
            }
            if levels == 0 {
                let zeros = zero_records(item.get(..whole).unwrap_or_default(), size);
                if zeros > 0 {
                    sink.report(
                        Finding::new(&rules::BTH_ZERO_RECORD, at)
                            .actual(format!("{zeros} of {}", whole.checked_div(size).unwrap_or_default())),
                    )?;
                }
                let leaf = item.part(0..whole.saturating_sub(zeros.saturating_mul(size)));
                self.records = self.records.saturating_add(whole.checked_div(size).unwrap_or_default());
                self.check_order(&leaf, size, key, at, sink)?;
                return Ok(Some(leaf));
            }
            let below = levels.saturating_sub(1);
            let records = item.get(..whole).unwrap_or_default().rchunks_exact(size.max(1));
            self.pending.extend(records.map(|r| Pending {
                hid: Hid(le32(r, key)),
                levels: below,
                first: Some(BthHeader::order(r.get(..key).unwrap_or_default())),
            }));
        }
        Ok(None)
    }

    fn check_order(&mut self, leaf: &[u8], size: usize, key: usize, at: Location, sink: &mut dyn Sink) -> Result<()> {
        for record in leaf.chunks_exact(size.max(1)) {
            let order = BthHeader::order(record.get(..key).unwrap_or_default());
            if let Some(last) = self.last
                && last >= order
            {
                self.ordered = false;
                if !self.order_told {
                    self.order_told = true;
                    let text = if last == order { format!("{order:#x} twice") } else { format!("{order:#x} after {last:#x}") };
                    sink.report(Finding::new(&rules::BTH_ORDER, at).actual(text))?;
                }
            }
            self.last = Some(order);
        }
        Ok(())
    }

    /// Whether the keys read so far were strictly ascending.
    pub const fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// The items that the tree consists of, as far as it was read.
    pub fn into_items(self) -> Vec<Hid> {
        if self.tree.header.levels == 0 { vec![self.tree.header.root] } else { self.seen.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{self, HeapBuilder};
    use super::*;
    use crate::finding::Strict;
    use crate::format::heap::ClientSig;
    use crate::format::layout::{Layout, UNICODE};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn heap(layout: &'static Layout, key: u8, entry: u8, records: &[u8]) -> Heap<'static> {
        let mut builder = HeapBuilder::new(layout, ClientSig::BTH);
        let root = build::bth(&mut builder, key, entry, records).unwrap();
        Heap::from_blocks(layout, builder.finish(root).unwrap(), Location::NONE, &mut Strict).unwrap().unwrap()
    }

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|f| f.rule.code).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn trees_of_any_height_give_back_what_was_put_in(
            l in 0usize..3, k in 0usize..4, entry in 1u8..=32,
            map in proptest::collection::btree_map(any::<u16>(), any::<u8>(), 0..3000),
        ) {
            let key = [2u8, 4, 8, 16][k];
            let as_key = |n: u16| if key == 16 { (u128::from(n)).to_be_bytes().to_vec() } else { u128::from(n).to_le_bytes()[..key.into()].to_vec() };
            let mut records = Vec::new();
            for (n, v) in &map {
                records.extend(as_key(*n));
                records.extend(std::iter::repeat_n(*v, entry.into()));
            }
            let heap = heap(Layout::all()[l], key, entry, &records);
            let tree = Bth::open(&heap, heap.user_root(), &mut Strict).unwrap().unwrap();
            let mut seen = BTreeMap::new();
            tree.for_each(&mut Strict, &mut |k, data| { seen.insert(BthHeader::order(k) as u16, data[0]); }).unwrap();
            prop_assert_eq!(&seen, &map);
            for n in [0, 1, 77, 1000, u16::MAX].into_iter().chain(map.keys().copied().take(50)) {
                let found = tree.get(&as_key(n), &mut Strict).unwrap();
                prop_assert_eq!(found.map(|i| i[0]), map.get(&n).copied());
            }
        }
    }

    #[test]
    fn a_loop_is_told_and_ends() {
        let mut builder = HeapBuilder::new(&UNICODE, ClientSig::BTH);
        // header, then an index item whose records name itself and an item that is not there
        let header = builder.alloc(&BthHeader { key: 4, entry: 4, levels: 8, root: Hid(0x40) }.encode()).unwrap();
        builder.alloc(&[1, 0, 0, 0, 0x40, 0, 0, 0, 2, 0, 0, 0, 0xE0, 0, 0, 0]).unwrap();
        let heap = Heap::from_blocks(&UNICODE, builder.finish(header).unwrap(), Location::NONE, &mut Strict).unwrap().unwrap();
        let tree = Bth::open(&heap, header, &mut Strict).unwrap().unwrap();
        let mut findings = Vec::new();
        tree.for_each(&mut findings, &mut |_, _| panic!("a record")).unwrap();
        assert_eq!(codes(&findings), ["PST-P019", "PST-P005"]);
        tree.get(&1u32.to_le_bytes(), &mut Vec::new()).unwrap(); // ends, whatever it finds
    }

    #[test]
    fn a_tree_of_more_records_than_there_are_keys_ends() {
        let heap = heap(&UNICODE, 2, 6, &vec![7; 8 * 150_000]);
        let mut findings = Vec::new();
        let mut records = 0;
        let tree = Bth::open(&heap, heap.user_root(), &mut findings).unwrap().unwrap();
        tree.for_each(&mut findings, &mut |_, _| records += 1).unwrap();
        assert_eq!(codes(&findings), ["PST-P006", "PST-P019"]);
        assert!(records < 140_000);
    }

    #[test]
    fn a_record_of_zeros_at_the_end_of_a_leaf_is_told_and_hides_nothing() {
        let heap = heap(&UNICODE, 2, 2, &[1, 0, 9, 9, 2, 0, 8, 8, 3, 0, 7, 7, 0, 0, 0, 0]);
        let tree = Bth::open(&heap, heap.user_root(), &mut Strict).unwrap().unwrap();
        let (mut findings, mut keys) = (Vec::new(), Vec::new());
        tree.for_each(&mut findings, &mut |k, _| keys.push(k[0])).unwrap();
        assert_eq!((codes(&findings), keys), (vec!["PST-P033"], vec![1, 2, 3]));
        assert!(findings[0].severity < crate::rules::Severity::Error);
        for (key, data) in [(1u16, 9u8), (2, 8), (3, 7)] {
            assert_eq!(tree.get(&key.to_le_bytes(), &mut Strict).unwrap().map(|i| i[0]), Some(data));
        }
    }

    #[test]
    fn order_index_keys_and_cut_records_are_told() {
        let heap_of = |records: &[u8]| heap(&UNICODE, 2, 2, records);
        let walk = |heap: &Heap<'_>| {
            let mut findings = Vec::new();
            Bth::open(heap, heap.user_root(), &mut findings).unwrap().unwrap().for_each(&mut findings, &mut |_, _| ()).unwrap();
            codes(&findings)
        };
        assert_eq!(walk(&heap_of(&[2, 0, 9, 9, 1, 0, 9, 9, 0, 0, 9, 9])), ["PST-P006"]);
        assert_eq!(walk(&heap_of(&[2, 0, 9, 9, 2, 0, 9, 9])), ["PST-P006"]);

        let mut builder = HeapBuilder::new(&UNICODE, ClientSig::BTH);
        let header = builder.alloc(&BthHeader { key: 2, entry: 2, levels: 1, root: Hid(0x40) }.encode()).unwrap();
        builder.alloc(&[5, 0, 0x60, 0, 0, 0]).unwrap();
        builder.alloc(&[6, 0, 1, 1, 7]).unwrap();
        let heap = Heap::from_blocks(&UNICODE, builder.finish(header).unwrap(), Location::NONE, &mut Strict).unwrap().unwrap();
        assert_eq!(walk(&heap), ["PST-P017", "PST-P018"]);
    }
}
