//! The heap on a node: items by their ids, over any number of blocks ([MS-PST] 2.3.1).
//!
//! Nearly every heap is one block: then an item is a slice of it. Heaps of a few megabytes stay in memory as they are read. Of larger
//! ones a few blocks stay and an item holds its block, so that a heap of 100 MB costs no more than those.

use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{byte, index, wide};
use crate::format::heap::{BlockHead, ClientSig, HnHeader, PageMap, fill_level, fill_slot};
use crate::format::ids::Hid;
use crate::format::layout::Layout;
use crate::ndb::{DataTree, Ndb, Node};
use crate::rules;
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The size up to which a heap stays in memory once it has been read, so that its items can be lent without a lock.
const KEPT_BYTES: usize = 4 << 20;
/// Bytes of a larger heap's blocks that stay in memory.
const CACHED_BYTES: usize = 1 << 20;

/// The bytes of a heap item, or of a row; holds the block that it lies in.
#[derive(Clone)]
pub struct Item<'h, 'n> {
    bytes: Bytes<'h, 'n>,
}

#[derive(Clone)]
enum Bytes<'h, 'n> {
    Slice(&'h [u8]),
    Shared(Arc<Cow<'n, [u8]>>, Range<usize>),
}

impl<'h, 'n> Item<'h, 'n> {
    /// An item of bytes that are at hand.
    pub const fn slice(bytes: &'h [u8]) -> Self {
        Self { bytes: Bytes::Slice(bytes) }
    }

    /// A part of a block.
    pub(crate) const fn shared(block: Arc<Cow<'n, [u8]>>, range: Range<usize>) -> Self {
        Self { bytes: Bytes::Shared(block, range) }
    }

    /// A part of the item; empty where it reaches past the end.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        match &self.bytes {
            Bytes::Slice(b) => Self::slice(b.get(range).unwrap_or_default()),
            Bytes::Shared(block, outer) => {
                let start = outer.start.saturating_add(range.start).min(outer.end);
                let end = outer.start.saturating_add(range.end);
                Self::shared(Arc::clone(block), start..if end > outer.end { start } else { end.max(start) })
            }
        }
    }
}

impl Deref for Item<'_, '_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Slice(b) => b,
            Bytes::Shared(block, range) => block.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl AsRef<[u8]> for Item<'_, '_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Item<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({} bytes)", self.len())
    }
}

/// A heap. Reading needs only `&self`.
///
/// ```no_run
/// # fn f(ndb: &pstkit::ndb::Ndb) -> pstkit::error::Result<()> {
/// use pstkit::{finding::Strict, format::ids::Nid, ltp::Heap};
///
/// let node = ndb.node(Nid::ID_MAP).expect("an id map");
/// if let Some(heap) = Heap::open(&node, &mut Strict)? {
///     println!("{}: {} bytes at the root", heap.client(), heap.item(heap.user_root(), &mut Strict)?.map_or(0, |i| i.len()));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Heap<'n> {
    layout: &'static Layout,
    at: Location,
    header: HnHeader,
    first: Cow<'n, [u8]>,
    first_map: Option<PageMap>,
    more: Option<Box<More<'n>>>,
}

/// The blocks of a heap behind the first.
struct More<'n> {
    source: Source<'n>,
    count: u32,
    /// The blocks of a heap that is kept whole, the first one left out. Empty for a larger one.
    kept: Box<[OnceLock<Block<'n>>]>,
    cache: Mutex<Cache<'n>>,
}

enum Source<'n> {
    Tree(&'n Ndb, DataTree),
    Memory(Vec<Arc<Cow<'n, [u8]>>>),
}

#[derive(Default)]
struct Cache<'n> {
    /// Blocks with their numbers, and when each was used last.
    blocks: Vec<(u32, u64, Block<'n>)>,
    /// For each block, its place in `blocks` and 1.
    places: Vec<u32>,
    clock: u64,
    /// Bit i: the fault of block i has been told.
    told: Vec<u64>,
}

#[derive(Clone, Default)]
struct Block<'n> {
    data: Arc<Cow<'n, [u8]>>,
    map: Option<PageMap>,
}

impl Block<'_> {
    fn item(&self, item: u32) -> Option<&[u8]> {
        self.map?.item(&self.data, item)
    }
}

impl fmt::Debug for Heap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("at", &self.at)
            .field("client", &self.header.client)
            .field("blocks", &self.block_count())
            .finish_non_exhaustive()
    }
}

impl<'n> Heap<'n> {
    /// Opens the heap of a node; `None` where its data is no heap.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open(node: &Node<'n>, sink: &mut dyn Sink) -> Result<Option<Self>> {
        // nearly every heap is one block, which needs no tree
        if !node.data.is_internal()
            && let Some(entry) = node.ndb.find_block(node.data)
        {
            let first = node.ndb.block_at(entry, sink)?.unwrap_or_default();
            return Self::new(node.ndb.layout(), node.at, first, None, 1, sink);
        }
        let tree = node.data(sink)?;
        let first = tree.leaf(node.ndb, 0, sink)?;
        let count = tree.leaf_count();
        let source = (count > 1).then_some(Source::Tree(node.ndb, tree));
        Self::new(node.ndb.layout(), node.at, first, source, count, sink)
    }

    /// Opens a heap whose blocks are in memory.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn from_blocks(layout: &'static Layout, blocks: Vec<Vec<u8>>, at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let count = blocks.len();
        let mut blocks = blocks.into_iter();
        let first = Cow::Owned(blocks.next().unwrap_or_default());
        let source = (count > 1).then(|| Source::Memory(blocks.map(|b| Arc::new(Cow::Owned(b))).collect()));
        Self::new(layout, at, first, source, count, sink)
    }

    fn new(
        layout: &'static Layout,
        at: Location,
        first: Cow<'n, [u8]>,
        source: Option<Source<'n>>,
        count: usize,
        sink: &mut dyn Sink,
    ) -> Result<Option<Self>> {
        let Some(header) = HnHeader::decode(layout, &first, at, sink)? else { return Ok(None) };
        let mut first = first;
        let mut first_map = PageMap::decode(layout, 0, &first, count == 1, at, sink)?;
        if let Some((block, map)) = PageMap::rebuild(layout, &first, first_map) {
            (first, first_map) = (Cow::Owned(block), Some(map));
        }
        let most = 1usize.checked_shl(27u32.saturating_sub(layout.hid_index_bits)).unwrap_or(usize::MAX);
        if count > most {
            sink.report(Finding::new(&rules::HN_TOO_LARGE, at).numbers(wide(count), wide(most)).loss(Loss::Partial))?;
        }
        let count = u32::try_from(count.min(most)).unwrap_or(u32::MAX);
        let more = source.map(|source| {
            let behind = index(count.into()).saturating_sub(1);
            let keep = behind.saturating_mul(layout.block_max) <= KEPT_BYTES;
            let kept = std::iter::repeat_with(OnceLock::new).take(if keep { behind } else { 0 }).collect();
            Box::new(More { source, count, kept, cache: Mutex::default() })
        });
        Ok(Some(Self { layout, at, header, first, first_map, more }))
    }

    /// The numbers of the file's variant.
    pub const fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// Where the heap is.
    pub const fn at(&self) -> Location {
        self.at
    }

    /// Its contents.
    pub const fn client(&self) -> ClientSig {
        self.header.client
    }

    /// Its root item.
    pub const fn user_root(&self) -> Hid {
        self.header.user_root
    }

    /// Number of blocks.
    pub fn block_count(&self) -> u32 {
        self.more.as_ref().map_or(1, |m| m.count)
    }

    /// An item; one that does not exist is reported and comes back as `None`.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn item(&self, hid: Hid, sink: &mut dyn Sink) -> Result<Option<Item<'_, 'n>>> {
        let item = self.find(hid, sink)?;
        if item.is_none() {
            sink.report(Finding::new(&rules::HID_RANGE, self.at.with_hid(hid)).loss(Loss::Partial))?;
        }
        Ok(item)
    }

    /// The same, where a missing item is not reported.
    ///
    /// # Errors
    /// The sink's answer to a violation in the item's block.
    #[inline]
    pub fn find(&self, hid: Hid, sink: &mut dyn Sink) -> Result<Option<Item<'_, 'n>>> {
        if hid.0 & 0x1F != 0 {
            return Ok(None);
        }
        let (block, item) = (self.layout.hid_block(hid), self.layout.hid_index(hid));
        if block == 0 {
            return Ok(self.first_map.and_then(|m| m.item(&self.first, item)).map(Item::slice));
        }
        let Some(more) = self.more.as_deref().filter(|m| block < m.count) else { return Ok(None) };
        if let Some(kept) = more.slot(block) {
            let kept = match kept.get() {
                Some(kept) => kept,
                None => {
                    let read = self.read(more, block, sink)?;
                    kept.get_or_init(|| read)
                }
            };
            return Ok(kept.item(item).map(Item::slice));
        }
        let Block { data, map } = self.load(more, block, sink)?;
        Ok(map.and_then(|m| m.range(&data, item)).map(|range| Item::shared(data, range)))
    }

    /// The bytes of an item that is in memory; `None` where it is not, or does not exist.
    #[inline]
    pub(crate) fn at_hand(&self, hid: Hid) -> Option<&[u8]> {
        if hid.0 & 0x1F != 0 {
            return None;
        }
        let (block, item) = (self.layout.hid_block(hid), self.layout.hid_index(hid));
        match block {
            0 => self.first_map?.item(&self.first, item),
            _ => self.more.as_deref()?.slot(block)?.get()?.item(item),
        }
    }

    /// A block behind the first; its faults are reported when it is first read.
    fn load(&self, more: &More<'n>, block: u32, sink: &mut dyn Sink) -> Result<Block<'n>> {
        if let Some(kept) = more.slot(block) {
            if kept.get().is_none() {
                let read = self.read(more, block, sink)?;
                let _ = kept.set(read);
            }
            return Ok(kept.get().cloned().unwrap_or_default());
        }
        let lock = || more.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = lock();
        if let Some(found) = cache.get(block) {
            return Ok(found);
        }
        let told = cache.tell(block);
        drop(cache);
        let mut ignore = Ignore;
        let loaded = self.read(more, block, if told { &mut ignore } else { sink })?;
        lock().put(block, loaded.clone(), CACHED_BYTES.checked_div(self.layout.block_max).unwrap_or(1));
        Ok(loaded)
    }

    fn read(&self, more: &More<'n>, block: u32, sink: &mut dyn Sink) -> Result<Block<'n>> {
        let (data, last) = (more.read(block, sink)?, block.saturating_add(1) == more.count);
        // A block that is missing was reported as such.
        let map = match data.is_empty() {
            true => None,
            false => PageMap::decode(self.layout, block, &data, last, self.at, sink)?,
        };
        Ok(Block { data, map })
    }

    /// Tells every item, freed ones too, in the order of their ids.
    ///
    /// # Errors
    /// The sink's answer to a violation, and an error of `f`.
    pub fn for_each_item(&self, sink: &mut dyn Sink, f: &mut dyn FnMut(Hid, &[u8]) -> Result<()>) -> Result<()> {
        for block in 0..self.block_count() {
            self.with_block(block, sink, &mut |data, map| {
                for k in 1..=map.count {
                    let Some(hid) = self.layout.hid(block, k) else { break };
                    f(hid, map.item(data, k).unwrap_or_default())?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn with_block(&self, block: u32, sink: &mut dyn Sink, f: &mut dyn FnMut(&[u8], &PageMap) -> Result<()>) -> Result<()> {
        match (block, self.more.as_deref()) {
            (0, _) => self.first_map.as_ref().map_or(Ok(()), |m| f(&self.first, m)),
            (_, Some(more)) => {
                let Block { data, map } = self.load(more, block, sink)?;
                map.as_ref().map_or(Ok(()), |m| f(&data, m))
            }
            (_, None) => Ok(()),
        }
    }

    /// Verifies the blocks that have not been read yet, and the fill levels.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn verify_all(&self, sink: &mut dyn Sink) -> Result<()> {
        if let (None, Some(map)) = (&self.more, self.first_map) {
            let (_, at, shift) = fill_slot(0);
            let stored = byte(&self.first, at).checked_shr(shift).unwrap_or_default() & 0xF;
            let level = fill_level(self.layout, map.end());
            return match stored == level {
                true => Ok(()),
                false => self.wrong_level(stored, level, sink),
            };
        }
        let mut wrong = None;
        let mut levels: (u32, Vec<u8>) = (0, self.first.get(..BlockHead::Heap.size()).unwrap_or_default().to_vec());
        for block in 0..self.block_count() {
            self.with_block(block, sink, &mut |data, map| {
                let (holder, at, shift) = fill_slot(block);
                if holder == block && block != 0 {
                    levels = (holder, data.get(..BlockHead::Bitmap.size()).unwrap_or_default().to_vec());
                }
                if levels.0 == holder {
                    let stored = byte(&levels.1, at).checked_shr(shift).unwrap_or_default() & 0xF;
                    let level = fill_level(self.layout, map.end());
                    if stored != level {
                        wrong = wrong.or(Some((stored, level)));
                    }
                }
                Ok(())
            })?;
        }
        match wrong {
            Some((stored, level)) => self.wrong_level(stored, level, sink),
            None => Ok(()),
        }
    }

    fn wrong_level(&self, stored: u8, level: u8, sink: &mut dyn Sink) -> Result<()> {
        sink.report(Finding::new(&rules::HN_FILL_LEVEL, self.at).numbers(stored.into(), level.into()))
    }

    /// Compares the items with the ids that refer to them: every item that is not empty is referred to once.
    pub(crate) fn verify_usage(&self, usage: Usage, sink: &mut dyn Sink) -> Result<()> {
        if self.more.is_none() && self.first_map.is_some_and(|map| usage.covers(map.sizes(&self.first))) {
            return Ok(());
        }
        let mut used = usage.into_ids();
        used.sort_unstable();
        let twice = used.iter().zip(used.iter().skip(1)).find(|(a, b)| a == b).map(|(a, _)| *a);
        if let Some(hid) = twice {
            let shared = self.find(hid, sink)?.is_some_and(|item| !item.is_empty());
            if shared {
                sink.report(Finding::new(&rules::HN_ITEM_SHARED, self.at.with_hid(hid)))?;
            }
        }
        let mut users = used.iter().copied().peekable();
        let (mut leaked, mut count, mut bytes) = (None, 0u64, 0u64);
        self.for_each_item(sink, &mut |hid, item| {
            while users.next_if(|u| *u < hid).is_some() {}
            if !item.is_empty() && users.peek() != Some(&hid) {
                leaked = leaked.or(Some(hid));
                count = count.saturating_add(1);
                bytes = bytes.saturating_add(wide(item.len()));
            }
            Ok(())
        })?;
        match leaked {
            Some(hid) => {
                let text = format!("{count} items, {bytes} bytes");
                sink.report(Finding::new(&rules::HN_ITEM_LEAKED, self.at.with_hid(hid)).actual(text))
            }
            None => Ok(()),
        }
    }
}

/// The ids that refer to a heap's items.
///
/// The items of a small heap are bits, so that the usual case (each item referred to once) needs no list.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Bit n: item n of the first block.
    first: [u64; 4],
    /// Ids that have no bit, or whose bit was set already.
    others: Vec<Hid>,
}

impl Usage {
    /// Adds a reference.
    #[inline]
    pub(crate) fn add(&mut self, hid: Hid) {
        if hid.is_none() {
            return;
        }
        // In every layout the first block's ids are the lowest.
        let n = hid.0 >> 5;
        let bit = 1u64.wrapping_shl(n & 63);
        match self.first.get_mut(index((n >> 6).into())).filter(|word| hid.0 & 0x1F == 0 && **word & bit == 0) {
            Some(word) => *word |= bit,
            None => self.others.push(hid),
        }
    }

    /// Whether each item has a bit or no bytes, and no reference is left over. Says no where that takes a closer look.
    fn covers(&self, sizes: impl Iterator<Item = usize>) -> bool {
        let mut bits = self.first.iter().flat_map(|word| (0..u64::BITS).map(move |i| word.wrapping_shr(i) & 1 != 0)).skip(1);
        let mut sizes = sizes;
        self.others.is_empty() && sizes.all(|size| bits.next().is_some_and(|bit| bit || size == 0))
    }

    fn into_ids(self) -> Vec<Hid> {
        let mut ids = self.others;
        for (i, word) in (0u32..).zip(self.first) {
            let set = (0..u64::BITS).filter(|bit| word.wrapping_shr(*bit) & 1 != 0);
            ids.extend(set.map(|bit| Hid(i.wrapping_shl(6).wrapping_add(bit).wrapping_shl(5))));
        }
        ids
    }
}

impl Extend<Hid> for Usage {
    fn extend<I: IntoIterator<Item = Hid>>(&mut self, ids: I) {
        ids.into_iter().for_each(|hid| self.add(hid));
    }
}

impl<'n> More<'n> {
    /// Where a block is kept, in a heap that is kept whole.
    #[inline]
    fn slot(&self, block: u32) -> Option<&OnceLock<Block<'n>>> {
        self.kept.get(index(block.into()).checked_sub(1)?)
    }

    fn read(&self, block: u32, sink: &mut dyn Sink) -> Result<Arc<Cow<'n, [u8]>>> {
        let i = index(block.into());
        match &self.source {
            Source::Tree(ndb, tree) => Ok(Arc::new(tree.leaf(ndb, i, sink)?)),
            Source::Memory(blocks) => Ok(i.checked_sub(1).and_then(|i| blocks.get(i)).cloned().unwrap_or_default()),
        }
    }
}

impl<'n> Cache<'n> {
    fn get(&mut self, block: u32) -> Option<Block<'n>> {
        self.clock = self.clock.wrapping_add(1);
        let place = self.places.get(index(block.into()))?.checked_sub(1)?;
        let (_, used, found) = self.blocks.get_mut(index(place.into()))?;
        *used = self.clock;
        Some(found.clone())
    }

    /// Keeps a block; of more than `most`, the one that was not used for longest goes.
    fn put(&mut self, block: u32, data: Block<'n>, most: usize) {
        let at = index(block.into());
        if self.places.len() <= at {
            self.places.resize(at.saturating_add(1), 0);
        }
        let new = (block, self.clock, data);
        let oldest = self.blocks.iter().enumerate().min_by_key(|(_, (_, used, _))| *used).map(|(i, (n, ..))| (i, *n));
        let place = match oldest.filter(|_| self.blocks.len() >= most) {
            Some((i, gone)) => {
                if let (Some(slot), Some(p)) = (self.blocks.get_mut(i), self.places.get_mut(index(gone.into()))) {
                    *slot = new;
                    *p = 0;
                }
                i
            }
            None => {
                self.blocks.push(new);
                self.blocks.len().saturating_sub(1)
            }
        };
        if let Some(p) = self.places.get_mut(at) {
            *p = crate::format::bytes::low32(wide(place).saturating_add(1));
        }
    }

    /// Notes that a block is being told; says whether it was before.
    fn tell(&mut self, block: u32) -> bool {
        let (word, bit) = (index((block >> 6).into()), 1u64 << (block & 63));
        if self.told.len() <= word {
            self.told.resize(word.saturating_add(1), 0);
        }
        match self.told.get_mut(word) {
            Some(w) => std::mem::replace(w, *w | bit) & bit != 0,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::HeapBuilder;
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    fn build(layout: &'static Layout, items: &[Vec<u8>]) -> (Vec<Hid>, Vec<Vec<u8>>) {
        let mut builder = HeapBuilder::new(layout, ClientSig::PROPERTY);
        let hids = items.iter().map(|i| builder.alloc(i).unwrap()).collect();
        (hids, builder.finish(Hid::NONE).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn items_come_back_whatever_the_number_of_blocks(l in 0usize..3, sizes in proptest::collection::vec(0usize..3580, 0..150)) {
            let layout = Layout::all()[l];
            let items: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(i, n)| vec![i as u8; *n]).collect();
            let (hids, blocks) = build(layout, &items);
            let heap = Heap::from_blocks(layout, blocks, Location::NONE, &mut Strict).unwrap().unwrap();
            let mut findings = Vec::new();
            heap.verify_all(&mut findings).unwrap();
            prop_assert_eq!(&findings, &[]);
            for (hid, item) in hids.iter().zip(&items) {
                prop_assert_eq!(&*heap.item(*hid, &mut Strict).unwrap().unwrap(), item.as_slice());
            }
            let mut seen = Vec::new();
            heap.for_each_item(&mut Strict, &mut |hid, item| { seen.push((hid, item.to_vec())); Ok(()) }).unwrap();
            prop_assert_eq!(seen, hids.iter().copied().zip(items).collect::<Vec<_>>());
        }

        #[test]
        fn damaged_heaps_neither_panic_nor_hang(sizes in proptest::collection::vec(0usize..2000, 1..40), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30)) {
            let layout = &crate::format::layout::UNICODE;
            let (hids, mut blocks) = build(layout, &sizes.iter().map(|n| vec![7; *n]).collect::<Vec<_>>());
            for (at, value) in hits {
                let block = at.index(blocks.len());
                let place = at.index(blocks[block].len());
                // the headers and page maps are where damage tells
                let place = if value & 1 == 0 { place } else { blocks[block].len() - 1 - place % 64 };
                blocks[block][place] = value;
            }
            let mut findings = Vec::new();
            if let Some(heap) = Heap::from_blocks(layout, blocks, Location::NONE, &mut findings).unwrap() {
                heap.verify_all(&mut findings).unwrap();
                for hid in hids {
                    heap.item(hid, &mut findings).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_block_is_told_once_however_often_it_is_read() {
        let layout = &crate::format::layout::UNICODE;
        let (hids, mut blocks) = build(layout, &vec![vec![1; 3000]; 60]);
        let map = usize::from(crate::format::bytes::le16(&blocks[3], 0));
        blocks[3][map + 2] = 9;
        let mut findings = Vec::new();
        let heap = Heap::from_blocks(layout, blocks, Location::NONE, &mut findings).unwrap().unwrap();
        for _ in 0..3 {
            for hid in &hids {
                assert!(heap.item(*hid, &mut findings).unwrap().is_some());
            }
        }
        assert_eq!(findings.iter().map(|f| f.rule.code).collect::<Vec<_>>(), ["PST-P003"]);
    }

    #[test]
    fn a_heap_that_is_not_kept_whole_gives_the_same_and_tells_a_block_once() {
        let layout = &crate::format::layout::UNICODE;
        let items: Vec<Vec<u8>> = (0..1500u32).map(|i| i.to_le_bytes().repeat(850)).collect();
        let (hids, mut blocks) = build(layout, &items);
        assert!(blocks.len() * layout.block_max > KEPT_BYTES + layout.block_max);
        let map = usize::from(crate::format::bytes::le16(&blocks[300], 0));
        blocks[300][map + 2] = 9;
        let mut findings = Vec::new();
        let heap = Heap::from_blocks(layout, blocks, Location::NONE, &mut findings).unwrap().unwrap();
        // in order, then all over it, so that blocks are given up and read again
        for i in (0..1500).chain((0..1500).map(|i| i * 7919 % 1500)) {
            assert!(heap.at_hand(hids[i]).is_none() || heap.layout().hid_block(hids[i]) == 0);
            assert_eq!(&*heap.item(hids[i], &mut findings).unwrap().unwrap(), items[i].as_slice(), "{i}");
        }
        assert_eq!(findings.iter().map(|f| f.rule.code).collect::<Vec<_>>(), ["PST-P003"]);
    }

    #[test]
    fn ids_of_no_item_are_reported() {
        let layout = &crate::format::layout::UNICODE;
        let (_, blocks) = build(layout, &[vec![1]]);
        let heap = Heap::from_blocks(layout, blocks, Location::NONE, &mut Strict).unwrap().unwrap();
        for hid in [0, 0x40, 0x21, 0x10020, 0xFFFF_FFE0] {
            let mut findings = Vec::new();
            assert!(heap.item(Hid(hid), &mut findings).unwrap().is_none());
            assert_eq!(findings.iter().map(|f| f.rule.code).collect::<Vec<_>>(), ["PST-P005"]);
            assert!(heap.item(Hid(hid), &mut Strict).is_err());
        }
    }
}
