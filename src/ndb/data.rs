//! Data trees: a node's data over one block, an XBLOCK or an XXBLOCK ([MS-PST] 2.2.2.8.3.2).
//!
//! Heaps and row matrices are addressed by leaf, so the leaves' boundaries are kept.

use super::Ndb;
use crate::error::{Error, Result};
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::block::XBlock;
use crate::format::bytes::{index, wide};
use crate::format::ids::Bid;
use crate::rules;
use std::borrow::Cow;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::Range;

/// A leaf of a data tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leaf {
    /// The block.
    pub bid: Bid,
    /// Bytes before it.
    pub start: u64,
    /// Bytes in it.
    pub len: u32,
}

/// A node's data: its leaves in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataTree {
    root: Bid,
    first: Option<Leaf>,
    rest: Vec<Leaf>,
    len: u64,
}

impl DataTree {
    /// Reads the tree under `root`; no root is no data.
    ///
    /// Missing blocks are reported and keep their place: a leaf that is not the last is taken to be full, so that the rest behind it
    /// stays where it belongs.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn load(ndb: &Ndb, root: Bid, at: Location, sink: &mut dyn Sink) -> Result<Self> {
        let mut tree = Self::default();
        let root = root.masked();
        if root.is_none() {
            return Ok(tree);
        }
        tree.root = root;
        if !root.is_internal() {
            let len = tree.leaf_size(ndb, root, at, true, sink)?;
            tree.push(root, len);
            return Ok(tree);
        }
        // No block may stand twice in a tree, so a tree cannot have more blocks than the file.
        let most = ndb.index().blocks().len();
        let mut pending = vec![(root, 3u8)];
        let mut read = 0usize;
        let mut claimed = None;
        while let Some((bid, above)) = pending.pop() {
            if !bid.is_internal() {
                let last = pending.is_empty();
                let len = tree.leaf_size(ndb, bid, at, last, sink)?;
                tree.push(bid, len);
                continue;
            }
            read = read.saturating_add(1);
            let here = at.with_bid(bid);
            if read > most || tree.leaf_count() > most {
                sink.report(Finding::new(&rules::DATA_TREE_DEPTH, here).loss(Loss::Partial))?;
                break;
            }
            let Some(block) = ndb.block(bid, sink)? else { continue };
            let Some(mut x) = XBlock::decode(ndb.layout(), &block, here, sink)? else { continue };
            if x.level == 1 {
                Self::put_in_order(ndb, &mut x.children, here, sink)?;
            }
            claimed = claimed.or(Some(x.total));
            if x.level >= above {
                sink.report(Finding::new(&rules::XBLOCK_CHILD, here).numbers(x.level.into(), above.into()).loss(Loss::Partial))?;
                continue;
            }
            for child in x.children.iter().rev() {
                if child.is_internal() != (x.level > 1) {
                    sink.report(Finding::new(&rules::XBLOCK_CHILD, here.with_bid(*child)).loss(Loss::Partial))?;
                    if child.is_internal() {
                        continue;
                    }
                }
                pending.push((*child, x.level));
            }
        }
        if let Some(total) = claimed
            && u64::from(total) != tree.len
        {
            sink.report(Finding::new(&rules::XBLOCK_TOTAL, at.with_bid(root)).numbers(total.into(), tree.len))?;
        }
        Ok(tree)
    }

    /// Puts leaves in order of which one that is not the last is not full: where it has changed places with the last, or was moved to the
    /// front, the others' ids ascend without it.
    fn put_in_order(ndb: &Ndb, leaves: &mut Vec<Bid>, at: Location, sink: &mut dyn Sink) -> Result<()> {
        let full = ndb.layout().block_data_max();
        let is_short = |bid: &Bid| ndb.find_block(*bid).is_some_and(|e| usize::from(e.cb_inflated) < full);
        let short: Vec<usize> = leaves.iter().enumerate().filter(|(_, bid)| is_short(bid)).map(|(n, _)| n).take(2).collect();
        let [n] = short.as_slice() else { return Ok(()) };
        let last = leaves.len().saturating_sub(1);
        if *n == last {
            return Ok(());
        }
        let mut swapped = leaves.clone();
        swapped.swap(*n, last);
        let mut moved = leaves.clone();
        moved.get_mut(*n..).unwrap_or_default().rotate_left(usize::from(last > *n));
        let ascends = |all: &[Bid]| all.get(..last).is_some_and(|full| full.is_sorted());
        if let Some(right) = [swapped, moved].into_iter().find(|all| ascends(all)) {
            // of two leaves there is one other order; of three, one of the two other orders always ascends, which proves nothing
            let finding = Finding::new(&rules::LEAF_NOT_FULL, at);
            sink.report(if leaves.len() == 3 { finding.loss(Loss::Partial) } else { finding })?;
            *leaves = right;
        }
        Ok(())
    }

    fn leaf_size(&self, ndb: &Ndb, bid: Bid, at: Location, last: bool, sink: &mut dyn Sink) -> Result<u32> {
        let full = u32::try_from(ndb.layout().block_data_max()).unwrap_or(u32::MAX);
        match ndb.find_block(bid) {
            Some(e) => {
                let len = u32::from(e.cb_inflated);
                if !last && len != full {
                    // nothing shows which of the leaves was the last, or the size of this one
                    let finding = Finding::new(&rules::LEAF_NOT_FULL, at.with_bid(bid).with_ib(e.ib)).numbers(len.into(), full.into());
                    sink.report(finding.loss(Loss::Partial))?;
                }
                Ok(len)
            }
            None => {
                sink.report(Finding::new(&rules::BLOCK_REF_MISSING, at.with_bid(bid)).loss(Loss::Partial))?;
                Ok(if last { 0 } else { full })
            }
        }
    }

    fn push(&mut self, bid: Bid, len: u32) {
        let leaf = Leaf { bid, start: self.len, len };
        self.len = self.len.saturating_add(len.into());
        if self.first.is_none() {
            self.first = Some(leaf);
        } else {
            self.rest.push(leaf);
        }
    }

    /// The block that it was read from; none where there is no data.
    pub fn root(&self) -> Bid {
        self.root
    }

    /// Bytes of data.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of leaves.
    pub fn leaf_count(&self) -> usize {
        self.rest.len().saturating_add(usize::from(self.first.is_some()))
    }

    /// A leaf's place in the tree.
    pub fn leaf_info(&self, i: usize) -> Option<&Leaf> {
        match i.checked_sub(1) {
            None => self.first.as_ref(),
            Some(n) => self.rest.get(n),
        }
    }

    /// The leaves' places in the tree.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.first.iter().chain(&self.rest)
    }

    /// A leaf's data. One that is missing is reported and comes back empty.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn leaf<'n>(&self, ndb: &'n Ndb, i: usize, sink: &mut dyn Sink) -> Result<Cow<'n, [u8]>> {
        match self.leaf_info(i) {
            Some(leaf) => Ok(ndb.block(leaf.bid, sink)?.unwrap_or_default()),
            None => Ok(Cow::Borrowed(&[])),
        }
    }

    /// All data in memory; missing parts read as zeros.
    ///
    /// # Errors
    /// Where it has more than `limit` bytes; the sink's answer.
    pub fn read_all<'n>(&self, ndb: &'n Ndb, limit: u64, sink: &mut dyn Sink) -> Result<Cow<'n, [u8]>> {
        if self.len > limit {
            return Err(Error::limit("bytes of a value in memory", limit));
        }
        if self.leaf_count() <= 1 {
            return self.leaf(ndb, 0, sink);
        }
        let mut out = Vec::new();
        for (i, leaf) in self.leaves().enumerate() {
            let data = self.leaf(ndb, i, sink)?;
            out.extend_from_slice(&data);
            out.resize(index(leaf.start.saturating_add(leaf.len.into())), 0);
        }
        Ok(Cow::Owned(out))
    }

    /// The data as a stream. Damaged parts read as they are, missing ones as zeros; [`DataReader::problems`] tells them.
    pub fn reader(self, ndb: &Ndb) -> DataReader<'_> {
        DataReader { ndb, tree: self, at: 0, current: None, problems: Vec::new(), damaged: Vec::new(), strict: false }
    }
}

/// A node's data as a stream; holds one leaf in memory.
#[derive(Debug)]
pub struct DataReader<'n> {
    ndb: &'n Ndb,
    tree: DataTree,
    at: u64,
    current: Option<(usize, Cow<'n, [u8]>)>,
    problems: Vec<Finding>,
    damaged: Vec<Range<u64>>,
    strict: bool,
}

impl<'n> DataReader<'n> {
    /// The same, with the first violation as an error.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The block that the tree was read from.
    pub fn root(&self) -> Bid {
        self.tree.root
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.tree.len
    }

    /// Whether there is no data.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The faults of the parts read so far.
    pub fn problems(&self) -> &[Finding] {
        &self.problems
    }

    /// Which bytes are damaged or missing, of those read so far: the leaves that had problems.
    pub fn damaged(&self) -> &[Range<u64>] {
        &self.damaged
    }

    fn leaf_at(&self, at: u64) -> Option<usize> {
        if at >= self.tree.len {
            return None;
        }
        // empty leaves share their start with the next: the last one that begins at or before the place holds it
        Some(self.tree.rest.partition_point(|l| l.start <= at))
    }
}

impl DataReader<'_> {
    /// Takes note that a leaf is damaged.
    fn note(&mut self, leaf: Leaf) {
        let bytes = leaf.start..leaf.start.saturating_add(leaf.len.into());
        if self.damaged.contains(&bytes) {
            return;
        }
        match self.damaged.last_mut() {
            Some(last) if last.end == bytes.start => last.end = bytes.end,
            _ => self.damaged.push(bytes),
        }
    }
}

impl BufRead for DataReader<'_> {
    /// The bytes from the current position to the end of a leaf, without copying; empty at the end.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(i) = self.leaf_at(self.at) else { return Ok(&[]) };
        let Some(leaf) = self.tree.leaf_info(i).copied() else { return Ok(&[]) };
        if self.current.as_ref().is_none_or(|(n, _)| *n != i) {
            let known = self.problems.len();
            let mut data = if self.strict {
                self.tree.leaf(self.ndb, i, &mut crate::finding::Strict)?
            } else if self.problems.len() < self.ndb.limits().problems {
                self.tree.leaf(self.ndb, i, &mut self.problems)?
            } else {
                self.tree.leaf(self.ndb, i, &mut Ignore)?
            };
            let len = index(leaf.len.into());
            if data.len() != len {
                data.to_mut().resize(len, 0);
            }
            self.current = Some((i, data));
            if self.problems.len() > known {
                self.note(leaf);
            }
        }
        let within = index(self.at.saturating_sub(leaf.start));
        Ok(self.current.as_ref().and_then(|(_, d)| d.get(within..)).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.at = self.at.saturating_add(wide(n)).min(self.tree.len);
    }
}

impl Read for DataReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let n = chunk.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), chunk.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        Ok(n)
    }
}

impl Seek for DataReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.tree.len.checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        self.at = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))?;
        Ok(self.at)
    }
}
