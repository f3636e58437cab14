//! [`DataWriter`]: data trees of any size ([MS-PST] 2.2.2.8.3.2).
//!
//! ```text
//! none      no bytes
//! leaf      one block of data
//! XBLOCK    up to 1,021 leaves (ANSI 1,019, 4K 8,188), all full but the last
//! XXBLOCK   XBLOCKs, all full but the last; 4 GiB at the most, because the total has 32 bits
//! ```

use super::ndb::NdbWriter;
use crate::error::{ErrorKind, Result};
use crate::format::block::XBlock;
use crate::format::bytes::wide;
use crate::format::ids::Bid;

/// A data tree that is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenData {
    /// Its root; none where there is no data.
    pub bid: Bid,
    /// Bytes in its leaves.
    pub bytes: u64,
}

/// Collects the bytes of one node and writes them as a data tree.
///
/// ```
/// use pstkit::io::MemoryStorage;
/// use pstkit::write::{DataWriter, NdbOptions, NdbWriter};
///
/// let memory = MemoryStorage::default();
/// let mut ndb = NdbWriter::new(&memory, NdbOptions::default())?;
/// let mut data = DataWriter::new();
/// for _ in 0..10 {
///     data.push(&mut ndb, &[7; 1000])?;
/// }
/// let tree = data.finish(&mut ndb)?;
/// assert_eq!(tree.bytes, 10_000);
/// # Ok::<(), pstkit::error::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct DataWriter {
    leaf: Vec<u8>,
    leaves: Vec<Bid>,
    bytes: u64,
}

impl DataWriter {
    /// No bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes; full leaves are written.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] beyond 4 GiB or where the file is full; errors of the medium.
    pub fn push(&mut self, ndb: &mut NdbWriter<'_>, mut bytes: &[u8]) -> Result<()> {
        self.bytes = self.bytes.saturating_add(wide(bytes.len()));
        if self.bytes > u64::from(u32::MAX) {
            return Err(ErrorKind::TooLarge("a node holds less than 4 GiB".to_owned()).into());
        }
        let max = ndb.layout().block_data_max();
        // A full leaf is kept until more comes: the last one must not be written as an inner one, and there is none behind a full last.
        while !bytes.is_empty() {
            if self.leaf.len() == max {
                self.flush(ndb)?;
            }
            if self.leaf.is_empty()
                && bytes.len() > max
                && let Some((full, rest)) = bytes.split_at_checked(max)
            {
                self.leaves.push(ndb.write_block(full)?);
                bytes = rest;
                continue;
            }
            let n = bytes.len().min(max.saturating_sub(self.leaf.len()));
            let (head, rest) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
            self.leaf.extend_from_slice(head);
            bytes = rest;
        }
        Ok(())
    }

    /// Adds zeros up to the end of the leaf, if it is not empty: rows of a table and blocks of a heap begin on leaves.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn pad_leaf(&mut self, ndb: &mut NdbWriter<'_>) -> Result<()> {
        let gap = ndb.layout().block_data_max().saturating_sub(self.leaf.len());
        if self.leaf.is_empty() || gap == 0 {
            return Ok(());
        }
        self.push(ndb, &vec![0; gap])
    }

    /// Bytes still free in the leaf that is being filled.
    pub fn leaf_space(&self, ndb: &NdbWriter<'_>) -> usize {
        ndb.layout().block_data_max().saturating_sub(self.leaf.len())
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn flush(&mut self, ndb: &mut NdbWriter<'_>) -> Result<()> {
        if !self.leaf.is_empty() {
            self.leaves.push(ndb.write_block(&self.leaf)?);
            self.leaf.clear();
        }
        Ok(())
    }

    /// Writes the last leaf and the blocks above the leaves.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self, ndb: &mut NdbWriter<'_>) -> Result<WrittenData> {
        self.flush(ndb)?;
        ndb.write_tree_over(&self.leaves)
    }
}

impl NdbWriter<'_> {
    /// Writes bytes as a data tree.
    ///
    /// # Errors
    /// As [`DataWriter::push`].
    pub fn write_data(&mut self, bytes: &[u8]) -> Result<WrittenData> {
        if bytes.len() > self.layout().block_data_max() {
            let mut data = DataWriter::new();
            data.push(self, bytes)?;
            data.finish(self)
        } else if bytes.is_empty() {
            Ok(WrittenData::default())
        } else {
            Ok(WrittenData { bid: self.write_block(bytes)?, bytes: wide(bytes.len()) })
        }
    }

    /// Writes the blocks above leaves: none, an XBLOCK, or an XXBLOCK over XBLOCKs. All leaves but the last must be full.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where a data tree cannot hold so much.
    pub(super) fn write_tree_over(&mut self, leaves: &[Bid]) -> Result<WrittenData> {
        let bytes = leaves.iter().fold(0u64, |n, b| n.saturating_add(self.block_bytes(*b)));
        if let [one] = leaves {
            return Ok(WrittenData { bid: *one, bytes });
        }
        let (layout, max) = (self.layout(), self.layout().xblock_write_max);
        let mut blocks = Vec::new();
        for chunk in leaves.chunks(max) {
            blocks.push(self.write_xblock(1, chunk)?);
        }
        match blocks.as_slice() {
            [] => Ok(WrittenData::default()),
            [(one, _)] => Ok(WrittenData { bid: *one, bytes }),
            many if many.len() > max => {
                Err(ErrorKind::TooLarge(format!("a node of a {} file holds at most {max} times {max} blocks", layout.variant)).into())
            }
            many => {
                let children: Vec<Bid> = many.iter().map(|(bid, _)| *bid).collect();
                let total = many.iter().fold(0u64, |n, (_, t)| n.saturating_add(*t));
                Ok(WrittenData { bid: self.write_xblock_of(2, &children, total)?, bytes })
            }
        }
    }

    fn write_xblock(&mut self, level: u8, children: &[Bid]) -> Result<(Bid, u64)> {
        let total = children.iter().fold(0u64, |n, b| n.saturating_add(self.block_bytes(*b)));
        Ok((self.write_xblock_of(level, children, total)?, total))
    }

    fn write_xblock_of(&mut self, level: u8, children: &[Bid], total: u64) -> Result<Bid> {
        let total = u32::try_from(total).map_err(|_| ErrorKind::TooLarge("a node holds less than 4 GiB".to_owned()))?;
        for child in children {
            self.refer(*child)?;
        }
        let block = XBlock { level, total, children: children.to_vec() };
        let bytes = block.encode(self.layout())?;
        self.write_internal(&bytes)
    }
}
