//! [`NdbWriter`]: blocks, nodes, both B-trees and the header of a new file ([MS-PST] 2.2).
//!
//! ```text
//! header | DList | section 0: maps, blocks ... | section 1 ... | ... | node B-tree pages | block B-tree pages
//! ```
//!
//! Blocks are written as they come and get ascending ids, so that the block B-tree is in order without sorting; both trees are
//! loaded from their leaves up when everything else is written, with full pages. References are counted where they are made.

use super::space::{Space, SpaceTotals};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Ignore, Sink};
use crate::format::block::{SiEntry, SlEntry, SubnodeBlock, deflate, seal_block};
use crate::format::bytes::{index, low16, wide};
use crate::format::crypt::CryptMethod;
use crate::format::header::{AMAP_VALID, FileKind, Header};
use crate::format::ids::{Bid, Bref, Ib, Nid, NidType};
use crate::format::layout::{Layout, UNICODE, Variant};
use crate::format::page::{BbtEntry, BtEntry, BtPage, BtPageBuilder, NbtEntry, PageType, TreeEntry};
use crate::io::Storage;
use crate::monitor::{Monitor, step};
use crate::ndb::btree::PageFact;
use crate::ndb::index::position;
use crate::ndb::refs::{Internal, each_reference};
use crate::ndb::space::SpaceMap;
use crate::ndb::{Index, Ndb};
use crate::work::{in_order, threads};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// The form of a new file beneath its messages.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NdbOptions {
    /// Layout of the file.
    pub layout: &'static Layout,
    /// PST or OST.
    pub kind: FileKind,
    /// How external blocks are encoded. [`CryptMethod::Wip`] cannot be written.
    pub crypt: CryptMethod,
    /// Whether blocks are compressed where that saves space; only 4K files, and only where blocks are not encoded: no real file has
    /// both, and readers differ in which they undo first.
    pub compress: bool,
}

impl NdbOptions {
    setters! { layout: &'static Layout, kind: FileKind, crypt: CryptMethod, compress: bool }

    /// The choice of Outlook for a new file of this variant: PSTs are permuted; 4K files are OSTs, compressed and not encoded.
    pub fn new(variant: Variant) -> Self {
        let layout = Layout::of(variant);
        let k4 = layout.compresses();
        Self {
            layout,
            kind: if k4 { FileKind::Ost } else { FileKind::Pst },
            crypt: if k4 { CryptMethod::None } else { CryptMethod::Permute },
            compress: k4,
        }
    }
}

impl Default for NdbOptions {
    fn default() -> Self {
        Self::new(UNICODE.variant)
    }
}

/// A block that is written: all that its entry in the block B-tree needs but its id, which is its ordinal.
#[derive(Debug, Clone, Copy)]
struct BlockFact {
    ib: u64,
    cb: u16,
    cb_inflated: u16,
    refs: u16,
    internal: bool,
}

/// The contents of the pages of one level of a tree.
struct Level<'l, T> {
    /// 0 for leaves.
    number: u8,
    page_type: PageType,
    /// An empty page.
    page: &'l dyn Fn() -> BtPageBuilder,
    push: &'l dyn Fn(&mut BtPageBuilder, &T) -> Result<()>,
    key: &'l dyn Fn(&T) -> u64,
    read: &'l dyn Fn(&BtPage<'_>, &mut Vec<T>),
}

/// A page that is being filled, and its first key.
struct Open {
    page: BtPageBuilder,
    first: u64,
}

/// The sizes of a finished file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Written {
    /// The header as written.
    pub header: Header,
    /// Number of nodes.
    pub nodes: u64,
    /// Number of blocks.
    pub blocks: u64,
}

/// Writes a file's nodes and blocks, from start to end; see the [module's head](super).
///
/// ```
/// use pstkit::format::ids::{Bid, Nid};
/// use pstkit::io::{MemoryStorage, ReadAt};
/// use pstkit::write::{NdbOptions, NdbWriter};
///
/// let memory = MemoryStorage::default();
/// let mut ndb = NdbWriter::new(&memory, NdbOptions::default())?;
/// let data = ndb.write_block(b"some bytes")?;
/// ndb.add_node(Nid(0x21), data, Bid::NONE, Nid::NONE)?;
/// let written = ndb.finish()?;
/// assert_eq!((written.nodes, memory.len()), (1, 271_360));
/// # Ok::<(), pstkit::error::Error>(())
/// ```
pub struct NdbWriter<'a> {
    storage: &'a dyn Storage,
    space: Space<'a>,
    options: NdbOptions,
    header: Header,
    /// Blocks that were there before, sorted by id; their reference counts are made anew.
    old: Arc<Vec<BbtEntry>>,
    old_refs: Vec<AtomicU16>,
    keep_orphans: bool,
    /// Ordinal of the first block that is written.
    first: u64,
    blocks: Vec<BlockFact>,
    nodes: Vec<NbtEntry>,
    /// The old file, if the writer adds to a file.
    added_to: Option<u64>,
    /// Pages of the trees that were there before: where nothing on one has changed, it stays.
    old_pages: Vec<PageFact>,
}

impl std::fmt::Debug for NdbWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NdbWriter").field("options", &self.options).field("space", &self.space).finish_non_exhaustive()
    }
}

impl<'a> NdbWriter<'a> {
    /// Begins a file; whatever the storage held before is cut off.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where the options contradict each other; errors of the medium.
    pub fn new(storage: &'a dyn Storage, options: NdbOptions) -> Result<Self> {
        if options.crypt == CryptMethod::Wip {
            return Err(ErrorKind::Usage("files that are encrypted for Windows Information Protection cannot be written".to_owned()).into());
        }
        storage.set_len(0).map_err(ErrorKind::Io)?;
        let mut header = Header::new(options.layout, options.kind, options.crypt);
        header.unique = 2;
        Ok(Self {
            storage,
            space: Space::new(storage, options.layout)?,
            header,
            options,
            old: Arc::default(),
            old_refs: Vec::new(),
            keep_orphans: false,
            first: 1,
            blocks: Vec::new(),
            nodes: Vec::new(),
            added_to: None,
            old_pages: Vec::new(),
        })
    }

    /// Adds to a file: new blocks and pages go behind its end, the blocks of `index` stay where they are and may be referred to. Nothing that the
    /// file's old header reaches is overwritten but its map pages, and those and the header come last.
    ///
    /// The nodes are all given anew, with [`keep_nodes`](Self::keep_nodes) for those that stay.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where the file cannot grow.
    pub fn append(storage: &'a dyn Storage, header: Header, crypt: CryptMethod, index: &Index) -> Result<Self> {
        let layout = header.layout;
        let options = NdbOptions { layout, kind: header.kind().unwrap_or(FileKind::Pst), crypt, compress: layout.compresses() };
        let old = index.shared_blocks();
        let first = first_ordinal(&header, &old);
        let sections = layout.amap_count(storage.len());
        Ok(Self {
            storage,
            space: Space::behind(storage, layout, sections)?,
            header,
            options,
            old_refs: (0..old.len()).map(|_| AtomicU16::new(1)).collect(),
            keep_orphans: false,
            old,
            first,
            blocks: Vec::new(),
            nodes: Vec::new(),
            added_to: Some(storage.len()),
            old_pages: index.facts.pages.clone(),
        })
    }

    /// Blocks that were there before stay though nothing refers to them, but for those that are [given up](Self::give_up).
    pub fn keep_orphans(&mut self) {
        self.keep_orphans = true;
    }

    /// A block that was there before goes where nothing refers to it any more.
    pub fn give_up(&mut self, bid: Bid) {
        let refs = position(&self.old, bid.0, |b| b.bid.0).and_then(|i| self.old_refs.get_mut(i)).map(AtomicU16::get_mut);
        if let Some(refs) = refs.filter(|refs| **refs == 1) {
            *refs = 0;
        }
    }

    /// Counts the references of blocks that stay though nothing refers to them: they are listed, and so are their references. For when
    /// all nodes that stay are [kept](Self::keep_nodes), and those that go are [given up](Self::give_up).
    pub(crate) fn count_orphans(&mut self, ndb: &Ndb) {
        let all = self.old.iter().zip(&self.old_refs).filter(|(b, refs)| b.bid.is_internal() && refs.load(Ordering::Relaxed) == 1);
        let orphans: Vec<BbtEntry> = all.map(|(b, _)| *b).collect();
        for b in orphans {
            let Ok(Some(bytes)) = ndb.block_at(&b, &mut Ignore) else { continue };
            let Ok(Some(internal)) = Internal::decode(ndb, &bytes) else { continue };
            internal.each(&mut |bid, _| {
                if let Some(refs) = position(&self.old, bid.masked().0, |b| b.bid.0).and_then(|i| self.old_refs.get(i)) {
                    // one that was given up stays with the blocks that refer to it
                    refs.fetch_max(1, Ordering::Relaxed);
                    count(refs);
                }
            });
        }
    }

    /// Keeps nodes of the file that is added to, those that `which` names, with all blocks that their trees refer to; call it once.
    ///
    /// # Errors
    /// The sink's answer to faults of blocks that refer to others; cancellation.
    pub fn keep_nodes<S: Sink + Clone + Sync>(
        &mut self,
        ndb: &Ndb,
        which: &dyn Fn(&NbtEntry) -> bool,
        sink: S,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        const PIECE: usize = 1024;
        let nodes = ndb.index().nodes().iter().filter(|n| which(n)).map(|n| NbtEntry { data: n.data.masked(), sub: n.sub.masked(), ..*n });
        let nodes: Vec<NbtEntry> = nodes.map(|n| NbtEntry { key_high: 0, ..n }).collect();
        let (old, refs) = (&self.old, &self.old_refs);
        // trees that several nodes share are entered by the first of them
        let entered: Vec<AtomicU64> = (0..=old.len() >> 6).map(|_| AtomicU64::new(0)).collect();
        let enter = |bid: Bid| {
            let Some(i) = position(old, bid.masked().0, |b| b.bid.0) else { return true };
            let bit = 1u64 << (i & 63);
            entered.get(i >> 6).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
        };
        let (first, mut highest) = (self.first, 0);
        let keep = |piece: &&[NbtEntry]| {
            let (mut ids, mut highest) = ([0u32; 32], 0u64);
            for root in piece.iter().flat_map(|n| [n.data, n.sub]) {
                each_reference(ndb, root, &mut |bid| enter(bid), &mut sink.clone(), &mut |bid, nid| {
                    // ids of attachments and values are given out from the header's counters too
                    if let Some(most) = ids.get_mut(usize::from(nid.nid_type().0)) {
                        *most = nid.index().max(*most);
                    }
                    let is_there = position(old, bid.masked().0, |b| b.bid.0).and_then(|i| refs.get(i)).is_some_and(count);
                    // the id of a block that is gone is not given out again: a reference to it would lead to another block's data. One
                    // far beyond all others is none that was given out.
                    let next = (bid.0 >> 2).saturating_add(1);
                    if !is_there && next.saturating_sub(first) < 1 << 20 {
                        highest = next.max(highest);
                    }
                })?;
            }
            step(monitor, wide(piece.len()))?;
            Ok((ids, highest))
        };
        let mut all = [0u32; 32];
        let pieces: Vec<&[NbtEntry]> = nodes.chunks(PIECE).collect();
        in_order(threads(), &pieces, &keep, &mut |(ids, missing)| {
            all.iter_mut().zip(ids).for_each(|(most, i)| *most = i.max(*most));
            highest = missing.max(highest);
        })?;
        self.first = highest.max(first);
        for (t, most) in (0u8..).zip(all) {
            self.use_nid(Nid::new(NidType(t), most));
        }
        nodes.iter().for_each(|n| self.use_nid(n.nid));
        self.nodes = nodes;
        Ok(())
    }

    /// Counts one more reference to a block that was there before; tells whether there is one.
    fn refer_to_old(&mut self, bid: Bid) -> bool {
        position(&self.old, bid.masked().0, |b| b.bid.0).and_then(|i| self.old_refs.get(i)).is_some_and(count)
    }

    /// Layout of the file.
    pub fn layout(&self) -> &'static Layout {
        self.options.layout
    }

    /// Writes a block of data, at most [`Layout::block_data_max`] bytes and at least one.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for another length, [`ErrorKind::TooLarge`] where the variant's file is full; errors of the medium.
    pub fn write_block(&mut self, data: &[u8]) -> Result<Bid> {
        self.put_block(data, false)
    }

    /// Writes a block that belongs to a data tree or sub-node tree; these are never encoded.
    pub(super) fn write_internal(&mut self, data: &[u8]) -> Result<Bid> {
        self.put_block(data, true)
    }

    fn put_block(&mut self, data: &[u8], internal: bool) -> Result<Bid> {
        let layout = self.options.layout;
        if data.is_empty() || data.len() > layout.block_data_max() {
            return Err(ErrorKind::Usage(format!("a block holds 1 to {} bytes, not {}", layout.block_data_max(), data.len())).into());
        }
        let bid = self.next_bid(internal)?;
        let compress = self.options.compress && self.options.crypt == CryptMethod::None;
        let deflated = if compress { deflate(layout, data) } else { None };
        let stored = deflated.as_deref().unwrap_or(data);
        let (cb, cb_inflated) = (low16(wide(stored.len())), low16(wide(data.len())));
        let (ib, out) = self.space.place(layout.block_size(wide(stored.len())), layout.slot)?;
        let start = out.len();
        out.extend_from_slice(stored);
        if !internal && let Some(tail) = out.get_mut(start..) {
            self.options.crypt.encode(tail, bid);
        }
        seal_block(layout, start, cb_inflated, ib, bid, out)?;
        self.space.flush_if_large()?;
        self.blocks.push(BlockFact { ib: ib.0, cb, cb_inflated, refs: 1, internal });
        Ok(bid)
    }

    /// Whether nothing more can be written, whatever it is.
    pub(crate) fn is_full(&self) -> bool {
        self.space.is_full() || self.next_bid(true).is_err()
    }

    fn next_bid(&self, internal: bool) -> Result<Bid> {
        let ordinal = wide(self.blocks.len()).saturating_add(self.first);
        let bid = Bid(ordinal.saturating_mul(4) | if internal { 2 } else { 0 });
        if self.options.layout.is_ansi() && bid.0 > u64::from(u32::MAX - 8) {
            return Err(ErrorKind::TooLarge("an ANSI file has no more ids for blocks".to_owned()).into());
        }
        Ok(bid)
    }

    fn fact(&self, bid: Bid) -> Option<(usize, BlockFact)> {
        let i = index((bid.0 >> 2).checked_sub(self.first)?);
        let fact = *self.blocks.get(i)?;
        (fact.internal == bid.is_internal() && bid.masked() == bid).then_some((i, fact))
    }

    /// Counts one more reference to a block. [`add_node`](Self::add_node) and the trees do it by themselves.
    pub(super) fn refer(&mut self, bid: Bid) -> Result<()> {
        if bid.is_none() || self.refer_to_old(bid) {
            return Ok(());
        }
        let Some((i, fact)) = self.fact(bid) else {
            return Err(ErrorKind::Usage(format!("block {bid} has not been written to this file")).into());
        };
        let Some(refs) = fact.refs.checked_add(1) else {
            return Err(ErrorKind::TooLarge(format!("block {bid} has {} references", fact.refs)).into());
        };
        if let Some(fact) = self.blocks.get_mut(i) {
            fact.refs = refs;
        }
        Ok(())
    }

    /// References to a block so far, and one for being listed; 0 where there is no such block.
    pub fn references(&self, bid: Bid) -> u16 {
        self.fact(bid).map_or(0, |(_, fact)| fact.refs)
    }

    /// Bytes of data in a block.
    pub(super) fn block_bytes(&self, bid: Bid) -> u64 {
        self.fact(bid).map_or(0, |(_, fact)| fact.cb_inflated.into())
    }

    /// Adds a node. Data and sub-nodes may be shared with other nodes.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where a block is not one of this file.
    pub fn add_node(&mut self, nid: Nid, data: Bid, sub: Bid, parent: Nid) -> Result<()> {
        if nid.is_none() {
            return Err(ErrorKind::Usage("a node needs an id".to_owned()).into());
        }
        self.refer(data)?;
        self.refer(sub)?;
        self.use_nid(nid);
        self.nodes.push(NbtEntry { nid, key_high: 0, data, sub, parent });
        Ok(())
    }

    /// Writes a sub-node tree: SLBLOCKs, and a SIBLOCK above them where there are several ([MS-PST] 2.2.2.8.3.3). The entries are
    /// put in order; no entries are no tree.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where two entries have one id, [`ErrorKind::TooLarge`] where the tree cannot hold them.
    pub fn write_subnodes(&mut self, entries: &mut [SlEntry]) -> Result<Bid> {
        entries.sort_by_key(|e| e.nid);
        if let Some(twice) = entries.windows(2).find_map(|w| (w.first()?.nid == w.get(1)?.nid).then_some(w.first()?.nid)) {
            return Err(ErrorKind::Usage(format!("sub-node {twice} is there twice")).into());
        }
        let layout = self.layout();
        let mut index_entries = Vec::new();
        for chunk in entries.chunks(layout.sl_max()) {
            for e in chunk {
                self.refer(e.data)?;
                self.refer(e.sub)?;
                self.use_nid(e.nid);
            }
            let bid = self.write_internal(&SubnodeBlock::Leaf(chunk.to_vec()).encode(layout)?)?;
            index_entries.push(SiEntry { nid: chunk.first().map_or(Nid::NONE, |e| e.nid), bid });
        }
        match index_entries.as_slice() {
            [] => Ok(Bid::NONE),
            [one] => Ok(one.bid),
            many if many.len() > layout.si_max() => {
                Err(ErrorKind::TooLarge(format!("a node has at most {} sub-nodes", layout.si_max().saturating_mul(layout.sl_max()))).into())
            }
            _ => {
                for e in &index_entries {
                    self.refer(e.bid)?;
                }
                self.write_internal(&SubnodeBlock::Index(1, index_entries).encode(layout)?)
            }
        }
    }

    /// Raises the counter of node ids over this one, so that [`next_nid`](Self::next_nid) never gives it out.
    pub fn use_nid(&mut self, nid: Nid) {
        // The special nodes lie below where the counters start.
        if nid.index() >= 0x400 {
            for t in Self::counted_together(nid.nid_type()) {
                self.header.raise_high_water(*t, nid.index());
            }
        }
    }

    /// A folder takes one index for its four nodes, a search folder for its own.
    fn counted_together(t: NidType) -> &'static [NidType] {
        const FOLDER: [NidType; 4] =
            [NidType::NORMAL_FOLDER, NidType::HIERARCHY_TABLE, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE];
        const SEARCH: [NidType; 4] =
            [NidType::SEARCH_FOLDER, NidType::SEARCH_UPDATE_QUEUE, NidType::SEARCH_CRITERIA_OBJECT, NidType::SEARCH_CONTENTS_TABLE];
        const EACH: [NidType; 32] = {
            let mut all = [NidType(0); 32];
            let mut i = 0u8;
            while i < 32 {
                #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
                {
                    all[i as usize] = NidType(i);
                    i += 1;
                }
            }
            all
        };
        if FOLDER.contains(&t) {
            &FOLDER
        } else if SEARCH.contains(&t) {
            &SEARCH
        } else {
            EACH.get(usize::from(t.0)..=usize::from(t.0)).unwrap_or_default()
        }
    }

    /// Gives out the next node id of a type.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where there are no more.
    pub fn next_nid(&mut self, nid_type: NidType) -> Result<Nid> {
        let next = self.header.high_water(nid_type).saturating_add(1);
        if next >= 1 << 27 {
            return Err(ErrorKind::TooLarge(format!("no more ids for nodes of type {}", nid_type.name())).into());
        }
        let nid = Nid::new(nid_type, next);
        self.use_nid(nid);
        Ok(nid)
    }

    /// Gives out the next row version, unique in the file.
    pub fn next_unique(&mut self) -> u32 {
        let v = self.header.unique;
        self.header.unique = v.saturating_add(1);
        v
    }

    /// Raises the counter of [`next_unique`](Self::next_unique) over `unique`.
    pub fn use_unique(&mut self, unique: u32) {
        self.header.unique = self.header.unique.max(unique.saturating_add(1));
    }

    /// The header as it would be written; fields that the writer does not compute may be set.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// Number of blocks so far.
    pub fn block_count(&self) -> u64 {
        wide(self.blocks.len())
    }

    /// Bytes that the file has so far.
    pub(super) fn bytes(&self) -> u64 {
        self.storage.len()
    }

    /// Leaves space free, so that the next block lies in the section of `ib` or behind it: for tests of places in large files.
    #[doc(hidden)]
    pub fn skip_to(&mut self, ib: u64) -> Result<()> {
        self.space.skip_to(ib)
    }

    /// Writes both B-trees, the maps and, last, the header.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where two nodes have one id, [`ErrorKind::TooLarge`] where the file cannot hold the trees; errors of the
    /// medium.
    pub fn finish(mut self) -> Result<Written> {
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.sort_by_key(|n| n.nid);
        if let Some(twice) = nodes.windows(2).find_map(|w| (w.first()?.nid == w.get(1)?.nid).then_some(w.first()?.nid)) {
            return Err(ErrorKind::Usage(format!("node {twice} is there twice")).into());
        }
        let blocks = std::mem::take(&mut self.blocks);
        let next_ordinal = wide(blocks.len()).saturating_add(self.first);
        let first = self.first;
        let new = blocks.iter().enumerate().map(|(i, b)| BbtEntry {
            bid: Bid(wide(i).saturating_add(first).saturating_mul(4) | if b.internal { 2 } else { 0 }),
            ib: Ib(b.ib),
            cb: b.cb,
            cb_inflated: b.cb_inflated,
            refs: b.refs,
        });
        // blocks that nothing refers to any more are given up with the trees that named it
        let least = if self.keep_orphans { 1 } else { 2 };
        let (old, old_refs) = (std::mem::take(&mut self.old), std::mem::take(&mut self.old_refs));
        let counted = || old.iter().zip(old_refs.iter().map(|refs| refs.load(Ordering::Relaxed)));
        let kept = || counted().filter(|(_, refs)| *refs >= least).map(|(b, refs)| BbtEntry { refs, ..*b });
        let layout = self.options.layout;
        let mut in_use = SpaceMap::new(layout, self.added_to.map_or(0, |len| layout.amap_at(layout.amap_count(len))));
        if self.added_to.is_some() {
            for b in kept() {
                in_use.mark(b.ib.0, b.size_on_disk(layout));
            }
        }
        self.header.root.nbt = self.write_tree(nodes.iter().copied(), &mut in_use)?;
        self.header.root.bbt = if old.last().is_some_and(|b| b.bid.0 >> 2 >= first) {
            let mut all: Vec<BbtEntry> = kept().chain(new).collect();
            all.sort_by_key(|b| b.bid);
            self.write_tree(all.into_iter(), &mut in_use)?
        } else {
            self.write_tree(kept().chain(new), &mut in_use)?
        };
        let orphans = blocks.iter().map(|b| b.refs).chain(kept().map(|b| b.refs)).filter(|refs| *refs <= 1).count();
        self.header.orphans = u32::try_from(orphans).unwrap_or(u32::MAX);
        self.header.bid_next_block = Bid(next_ordinal.saturating_mul(4));
        if self.added_to.is_some() {
            self.space.write_old_maps(&in_use)?;
            changed(&mut self.header);
        }

        let totals = self.space.finish(self.header.bid_next_page)?;
        write_header(self.storage, &mut self.header, &totals)?;
        Ok(Written { header: self.header, nodes: wide(nodes.len()), blocks: wide(blocks.len()).saturating_add(wide(kept().count())) })
    }

    /// Loads a B-tree from its leaves up ([MS-PST] 2.2.2.7.7); pages that stay are marked in `in_use`.
    fn write_tree<E: TreeEntry>(&mut self, entries: impl Iterator<Item = E>, in_use: &mut SpaceMap) -> Result<Bref> {
        let layout = self.layout();
        let leaf = Level {
            number: 0,
            page_type: E::PAGE_TYPE,
            page: &|| BtPageBuilder::leaf::<E>(layout),
            push: &|page, e: &E| Ok(page.push(e)?),
            key: &TreeEntry::key,
            read: &|page, out| out.extend(page.leaf::<E>()),
        };
        let mut level_entries = self.write_level(&leaf, entries, in_use)?;
        let mut number = 1;
        while level_entries.len() > 1 {
            let inner = Level {
                number,
                page_type: E::PAGE_TYPE,
                page: &|| BtPageBuilder::inner(layout, number),
                push: &|page, e: &BtEntry| Ok(page.push_child(e)?),
                key: &|e| e.key,
                read: &|page, out| out.extend(page.children()),
            };
            level_entries = self.write_level(&inner, level_entries.into_iter(), in_use)?;
            number = number.saturating_add(1);
        }
        Ok(level_entries.first().map(|e| e.child).unwrap_or_default())
    }

    /// Writes the pages of one level, and answers the entries of the level above. A page of the same level that was there before, with the
    /// very entries that are due, stays.
    fn write_level<T: Copy + PartialEq>(
        &mut self,
        level: &Level<'_, T>,
        entries: impl Iterator<Item = T>,
        in_use: &mut SpaceMap,
    ) -> Result<Vec<BtEntry>> {
        let layout = self.layout();
        let (mut above, mut page) = (Vec::new(), Open { page: (level.page)(), first: 0 });
        let mut entries = entries.peekable();
        let old: Vec<Bref> =
            self.old_pages.iter().filter(|p| p.page_type == level.page_type && p.level == level.number).map(|p| p.bref).collect();
        let (mut bytes, mut stored, mut same) = (vec![0; layout.page_size], Vec::new(), Vec::new());
        for bref in old {
            stored.clear();
            if !self.is_sound_page(level, bref, &mut bytes, &mut stored)? || in_use.any(bref.ib.0, layout.page()) {
                continue;
            }
            let Some(first) = stored.first().map(level.key) else { continue };
            while let Some(e) = entries.next_if(|e| (level.key)(e) < first) {
                self.add_to_page(level, &mut page, &e, &mut above)?;
            }
            same.clear();
            same.extend(stored.iter().map_while(|s| entries.next_if(|e| e == s)));
            if same.len() == stored.len() {
                self.close_page(level, &mut page, &mut above)?;
                in_use.mark(bref.ib.0, layout.page());
                above.push(BtEntry { key: first, child: bref });
            } else {
                for e in &same {
                    self.add_to_page(level, &mut page, e, &mut above)?;
                }
            }
        }
        for e in entries {
            self.add_to_page(level, &mut page, &e, &mut above)?;
        }
        if above.is_empty() || page.page.count() > 0 {
            let full = std::mem::replace(&mut page.page, (level.page)());
            above.push(BtEntry { key: page.first, child: self.write_page(full, level.page_type)? });
        }
        Ok(above)
    }

    /// Whether a page is there with no fault; its entries come to `out`.
    fn is_sound_page<T>(&self, level: &Level<'_, T>, bref: Bref, bytes: &mut [u8], out: &mut Vec<T>) -> Result<bool> {
        if bref.bid >= self.header.bid_next_page || self.storage.read_exact_at(bytes, bref.ib.0).is_err() {
            return Ok(false);
        }
        let mut problems: Vec<Finding> = Vec::new();
        let Some(page) = BtPage::decode(self.layout(), bytes, bref.ib, level.page_type, &mut problems)? else { return Ok(false) };
        (level.read)(&page, out);
        Ok(problems.is_empty() && page.trailer.bid == bref.bid && page.level == level.number)
    }

    fn add_to_page<T>(&mut self, level: &Level<'_, T>, open: &mut Open, entry: &T, above: &mut Vec<BtEntry>) -> Result<()> {
        if open.page.count() == open.page.capacity() {
            self.close_page(level, open, above)?;
        }
        if open.page.count() == 0 {
            open.first = (level.key)(entry);
        }
        (level.push)(&mut open.page, entry)
    }

    /// Writes the page that is being filled, if there is anything on it, and begins the next.
    fn close_page<T>(&mut self, level: &Level<'_, T>, open: &mut Open, above: &mut Vec<BtEntry>) -> Result<()> {
        if open.page.count() > 0 {
            let full = std::mem::replace(&mut open.page, (level.page)());
            above.push(BtEntry { key: open.first, child: self.write_page(full, level.page_type)? });
        }
        Ok(())
    }

    fn write_page(&mut self, page: BtPageBuilder, page_type: PageType) -> Result<Bref> {
        let layout = self.layout();
        let bid = self.header.bid_next_page;
        self.header.bid_next_page = Bid(bid.0.saturating_add(1));
        let (ib, out) = self.space.place(layout.page(), layout.page())?;
        let bref = Bref { bid, ib };
        out.extend(page.finish(page_type, bref)?);
        self.space.flush_if_large()?;
        Ok(bref)
    }
}

/// Counts one more reference, to a block that is there.
fn count(refs: &AtomicU16) -> bool {
    // more than can be counted stay as many
    let _ = refs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    true
}

/// The header of a file that was changed.
fn changed(header: &mut Header) {
    header.unique = header.unique.saturating_add(1);
    let legacy = if header.layout.has_pmaps { 0xFF } else { 0 };
    header.free_map = [legacy; 128];
    header.free_page_map = [legacy; 128];
    header.root.amap_valid = AMAP_VALID;
}

fn write_header(storage: &dyn Storage, header: &mut Header, totals: &SpaceTotals) -> Result<()> {
    header.root.file_eof = totals.file_eof;
    header.root.amap_last = totals.amap_last;
    header.root.amap_free = totals.amap_free;
    header.root.pmap_free = 0;
    let bytes = header.encode()?;
    // Everything else must be on the medium before a header says so.
    storage.sync().map_err(ErrorKind::Io)?;
    storage.write_all_at(&bytes, 0).map_err(|e| Error::io_at(e, 0))?;
    Ok(storage.sync().map_err(ErrorKind::Io)?)
}

/// Writes the maps and the header of a file anew whose blocks and tree pages all stay.
///
/// # Errors
/// [`ErrorKind::TooLarge`] where the density list cannot name a section; errors of the medium.
pub(crate) fn write_maps(storage: &dyn Storage, mut header: Header, index: &Index) -> Result<()> {
    let layout = header.layout;
    let mut in_use = SpaceMap::new(layout, layout.amap_at(layout.amap_count(storage.len())));
    for p in &index.facts.pages {
        in_use.mark(p.bref.ib.0, layout.page());
    }
    for b in index.blocks() {
        in_use.mark(b.ib.0, b.size_on_disk(layout));
    }
    header.bid_next_block = Bid(first_ordinal(&header, index.blocks()).saturating_mul(4));
    changed(&mut header);
    let totals = Space::write_maps(storage, &in_use, header.bid_next_page)?;
    write_header(storage, &mut header, &totals)
}

/// The ordinal of the next block of a file that has `blocks`, sorted by id.
fn first_ordinal(header: &Header, blocks: &[BbtEntry]) -> u64 {
    // an id far above all others is a damaged one, in a bit that no signature covers
    let ids = blocks.iter().map(|b| b.bid.0 >> 2);
    let jump = blocks.iter().zip(blocks.iter().skip(1)).position(|(a, b)| (b.bid.0.saturating_sub(a.bid.0)) >> 34 != 0);
    let highest = ids.take(jump.map_or(usize::MAX, |n| n.saturating_add(1))).max().unwrap_or(0);
    believed_counter(header.bid_next_block.0 >> 2, highest)
}

/// The next number that a counter of a file gives out, where the highest that is in use is known. A counter that is far beyond it is damaged:
/// the numbers would be valid, but there are readers that hold only as many of their bits as real files use.
pub(crate) fn believed_counter(counter: u64, highest: u64) -> u64 {
    let next = highest.saturating_add(1);
    if counter.saturating_sub(next) >> 32 == 0 { counter.max(next) } else { next }
}
