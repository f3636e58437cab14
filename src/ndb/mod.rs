//! The NDB layer: nodes and blocks, found through the two B-trees ([MS-PST] 2.2).
//!
//! [`Ndb`] joins a source of bytes, the header and an [`Index`] (both trees' leaves, sorted). Everything above reads through it: a
//! [`Node`] has a [`DataTree`] and a [`SubnodeTree`]. The index is read from the trees once, tolerantly; a salvaged one can take its
//! place, so that all layers above work alike on a healthy and on a broken file.

pub(crate) mod blockset;
pub(crate) mod btree;
pub(crate) mod content;
pub(crate) mod data;
pub(crate) mod index;
pub(crate) mod refs;
pub mod scan;
pub mod space;
pub(crate) mod subnode;

pub use blockset::BlockSet;
pub use btree::{LostPage, PageFact};
pub use content::Content;
pub use data::{DataReader, DataTree, Leaf};
pub use index::{Index, TreeFacts};
pub use subnode::SubnodeTree;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::block::{BlockFacts, BlockTrailer, inflate, verify_block};
use crate::format::bytes::{index, wide};
use crate::format::crc::crc;
use crate::format::crypt::CryptMethod;
use crate::format::header::Header;
use crate::format::ids::{Bid, Ib, Nid};
use crate::format::layout::{Layout, signature};
use crate::format::page::BbtEntry;
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::rules;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// An opened file at the level of nodes and blocks. `Send + Sync`; reading needs only `&self`.
pub struct Ndb {
    source: Arc<dyn ReadAt>,
    len: u64,
    layout: &'static Layout,
    header: Header,
    crypt: CryptMethod,
    limits: Limits,
    index: OnceLock<Arc<Index>>,
    /// Once all blocks have been verified: the ids of those that failed, ascending. The others are not verified again.
    suspects: Option<Arc<Vec<Bid>>>,
}

impl fmt::Debug for Ndb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ndb")
            .field("len", &self.len)
            .field("variant", &self.layout.variant)
            .field("crypt", &self.crypt)
            .finish_non_exhaustive()
    }
}

impl Ndb {
    /// Reads `source` as `header` says; the trees are read when they are first needed.
    pub fn new(source: Arc<dyn ReadAt>, header: Header, limits: Limits) -> Self {
        let len = source.len();
        let crypt = header.crypt_method().unwrap_or(CryptMethod::Permute);
        Self { source, len, layout: header.layout, crypt, header, limits, index: OnceLock::new(), suspects: None }
    }

    /// The same file through another index: one that was salvaged, or is planned. Blocks that are known to be whole stay so.
    #[must_use]
    pub fn with_index(&self, index: Index) -> Self {
        let ndb = Self::new(Arc::clone(&self.source), self.header.clone(), self.limits);
        let _ = ndb.index.set(Arc::new(index));
        Self { crypt: self.crypt, suspects: self.suspects.clone(), ..ndb }
    }

    /// The part of the trees that has been read.
    pub(crate) fn shared_index(&self) -> Arc<Index> {
        let _ = self.index();
        self.index.get().map(Arc::clone).unwrap_or_default()
    }

    /// The same file with the part of its trees that was read before.
    #[must_use]
    pub(crate) fn with_shared_index(self, index: Arc<Index>) -> Self {
        let _ = self.index.set(index);
        self
    }

    /// The same file with another header of the same layout; the index stays.
    #[must_use]
    pub fn with_header(&self, header: Header) -> Self {
        Self { header, ..self.share() }
    }

    /// The same file once more; both share the part of the trees that has been read.
    #[must_use]
    pub fn share(&self) -> Self {
        let ndb = Self::new(Arc::clone(&self.source), self.header.clone(), self.limits);
        if let Some(index) = self.index.get() {
            let _ = ndb.index.set(Arc::clone(index));
        }
        Self { crypt: self.crypt, suspects: self.suspects.clone(), ..ndb }
    }

    /// The same file after all listed blocks were verified: those that failed, in ascending order, are verified whenever they are
    /// read, and the others no more.
    #[must_use]
    pub(crate) fn verified(mut self, suspects: Vec<Bid>) -> Self {
        self.suspects = Some(Arc::new(suspects));
        self
    }

    /// The same file with every block verified whenever it is read.
    #[must_use]
    pub(crate) fn unverified(mut self) -> Self {
        self.suspects = None;
        self
    }

    /// Whether a block still has to be verified.
    #[inline]
    pub(crate) fn is_suspect(&self, bid: Bid) -> bool {
        self.suspects.as_ref().is_none_or(|s| !s.is_empty() && s.binary_search(&bid).is_ok())
    }

    /// The same file with another encoding than the header says.
    #[must_use]
    pub fn with_crypt(mut self, crypt: CryptMethod) -> Self {
        self.crypt = crypt;
        self
    }

    /// The source of bytes.
    pub fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    /// Size of the file in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The numbers of the file's variant.
    pub fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How external blocks are encoded.
    pub fn crypt(&self) -> CryptMethod {
        self.crypt
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Both trees' leaves, read on first use; the faults of the trees are dropped here, and told by
    /// [`load_index`](Self::load_index).
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Arc::new(Index::load(self, &mut Ignore).unwrap_or_default()))
    }

    /// Reads both trees and reports their faults.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn load_index(&self, sink: &mut dyn Sink) -> Result<&Index> {
        if self.index.get().is_none() {
            let index = Index::load(self, sink)?;
            let _ = self.index.set(Arc::new(index));
        }
        Ok(self.index())
    }

    /// Bytes of the file, without copying where the source allows it. A failed read is tried twice.
    ///
    /// # Errors
    /// Past the end, or where the medium cannot be read.
    pub fn bytes(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>> {
        match self.source.slice(offset, len) {
            Ok(Some(bytes)) => Ok(Cow::Borrowed(bytes)),
            Ok(None) => {
                if offset.checked_add(wide(len)).is_none_or(|end| end > self.len) {
                    return Err(Error::io_at(crate::io::past_end(), offset));
                }
                let mut buf = vec![0; len];
                // a pass without a word for it, such as the search for unlisted blocks, must not miss something for one moment of a bad medium
                let mut read = || self.source.read_exact_at(&mut buf, offset);
                read().or_else(|_| read()).map_err(|e| Error::io_at(e, offset))?;
                Ok(Cow::Owned(buf))
            }
            Err(e) => Err(Error::io_at(e, offset)),
        }
    }

    /// The node with this id.
    pub fn node(&self, nid: Nid) -> Option<Node<'_>> {
        let e = self.index().node(nid)?;
        Some(Node {
            ndb: self,
            nid,
            data: e.data.masked(),
            sub: e.sub.masked(),
            parent: e.parent,
            at: Location::node(nid),
            subnodes: OnceLock::new(),
        })
    }

    /// A block's place and size, if it is listed. The reserved bit of `bid` does not count.
    pub fn find_block(&self, bid: Bid) -> Option<&BbtEntry> {
        self.index().block(bid.masked())
    }

    /// The stored bytes of a listed block, trailer included, as far as they lie inside the file; `None` where none do.
    ///
    /// # Errors
    /// The sink's answer.
    fn raw_block(&self, entry: &BbtEntry, sink: &mut dyn Sink) -> Result<Option<Cow<'_, [u8]>>> {
        let size = entry.size_on_disk(self.layout);
        let end = entry.ib.0.saturating_add(size);
        let at = Location::block(entry.ib, entry.bid);
        if end > self.len {
            sink.report(Finding::new(&rules::UNREADABLE_BLOCK, at).hex(self.len, end).loss(Loss::Partial))?;
            let have = index(self.len.saturating_sub(entry.ib.0).min(entry.cb.into()));
            return Ok(if have == 0 { None } else { self.bytes(entry.ib.0, have).ok() });
        }
        match self.bytes(entry.ib.0, index(size)) {
            Ok(raw) => Ok(Some(raw)),
            Err(_) => {
                sink.report(Finding::new(&rules::UNREADABLE, at).loss(Loss::Partial))?;
                Ok(None)
            }
        }
    }

    /// A block's data: verified, decoded and inflated. `None` where it is not listed, lies outside the file, or another block lies in
    /// its place; the faults are reported, and damaged data is still given.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn block(&self, bid: Bid, sink: &mut dyn Sink) -> Result<Option<Cow<'_, [u8]>>> {
        let bid = bid.masked();
        let Some(entry) = self.find_block(bid).copied() else {
            sink.report(Finding::new(&rules::BLOCK_REF_MISSING, Location { bid: Some(bid), ..Location::NONE }).loss(Loss::Partial))?;
            return Ok(None);
        };
        self.block_at(&entry, sink)
    }

    /// The same for an entry that is at hand.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn block_at(&self, entry: &BbtEntry, sink: &mut dyn Sink) -> Result<Option<Cow<'_, [u8]>>> {
        let Some(raw) = self.raw_block(entry, sink)? else { return Ok(None) };
        let size = index(entry.size_on_disk(self.layout));
        if raw.len() == size && self.is_suspect(entry.bid) {
            let known = BlockFacts { bid: entry.bid, ib: entry.ib, cb: entry.cb, cb_inflated: entry.cb_inflated };
            if !verify_block(self.layout, &raw, &known, sink)? && self.is_other_block(&raw, entry) {
                return Ok(None);
            }
        }
        let cb = usize::from(entry.cb).min(raw.len());
        self.decode_block(entry, raw, cb, sink).map(Some)
    }

    /// Whether a whole other block lies at this place: then its data is none of this block's.
    fn is_other_block(&self, raw: &[u8], entry: &BbtEntry) -> bool {
        let t = BlockTrailer::decode(self.layout, raw.get(raw.len().saturating_sub(self.layout.block_trailer)..).unwrap_or_default());
        t.bid != entry.bid && !t.bid.is_none() && self.layout.block_size(t.cb.into()) <= wide(raw.len()) && {
            let start = wide(raw.len()).saturating_sub(self.layout.block_size(t.cb.into()));
            let data = raw.get(index(start)..index(start).saturating_add(t.cb.into())).unwrap_or_default();
            t.sig == signature(Ib(entry.ib.0.saturating_add(start)), t.bid) && t.crc == crc(data)
        }
    }

    /// Decodes and inflates the first `cb` of a block's stored bytes.
    fn decode_block<'a>(&self, entry: &BbtEntry, raw: Cow<'a, [u8]>, cb: usize, sink: &mut dyn Sink) -> Result<Cow<'a, [u8]>> {
        let encoded = !entry.bid.is_internal() && !matches!(self.crypt, CryptMethod::None | CryptMethod::Wip);
        let plain: Cow<'a, [u8]> = if encoded {
            let mut out = Vec::with_capacity(cb);
            self.crypt.decode_into(raw.get(..cb).unwrap_or_default(), entry.bid, &mut out);
            Cow::Owned(out)
        } else {
            match raw {
                Cow::Borrowed(b) => Cow::Borrowed(b.get(..cb).unwrap_or_default()),
                Cow::Owned(mut v) => {
                    v.truncate(cb);
                    Cow::Owned(v)
                }
            }
        };
        if !self.layout.compresses() || !entry.is_compressed() {
            return Ok(plain);
        }
        let want = usize::from(entry.cb_inflated);
        let (out, whole) = inflate(&plain, want);
        if !whole {
            let at = Location::block(entry.ib, entry.bid);
            sink.report(Finding::new(&rules::INFLATE, at).numbers(wide(out.len()), wide(want)).loss(Loss::Partial))?;
        }
        Ok(Cow::Owned(out))
    }

    /// The data tree under a root block.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn data_tree(&self, root: Bid, at: Location, sink: &mut dyn Sink) -> Result<DataTree> {
        DataTree::load(self, root, at, sink)
    }

    /// The sub-node tree under a root block.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn subnode_tree(&self, root: Bid, at: Location, sink: &mut dyn Sink) -> Result<SubnodeTree> {
        SubnodeTree::load(self, root, at, sink)
    }
}

/// A node, or a sub-node of one: data, and sub-nodes of its own.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The file.
    pub ndb: &'a Ndb,
    /// Its id; for a sub-node, the local one.
    pub nid: Nid,
    /// Root of its data.
    pub data: Bid,
    /// Root of its sub-nodes, or none.
    pub sub: Bid,
    /// The folder that it is in; none for sub-nodes.
    pub parent: Nid,
    /// Where it is, for findings.
    pub at: Location,
    subnodes: OnceLock<SubnodeTree>,
}

impl<'a> Node<'a> {
    /// A node that no tree lists, from its roots.
    pub fn detached(ndb: &'a Ndb, nid: Nid, data: Bid, sub: Bid, at: Location) -> Self {
        Self { ndb, nid, data, sub, parent: Nid::NONE, at, subnodes: OnceLock::new() }
    }

    /// Its data tree.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn data(&self, sink: &mut dyn Sink) -> Result<DataTree> {
        DataTree::load(self.ndb, self.data, self.at, sink)
    }

    /// Its sub-nodes, read once.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn subnodes(&self, sink: &mut dyn Sink) -> Result<&SubnodeTree> {
        if self.subnodes.get().is_none() {
            let tree = SubnodeTree::load(self.ndb, self.sub, self.at, sink)?;
            let _ = self.subnodes.set(tree);
        }
        self.subnodes.get().ok_or_else(|| Error::new(ErrorKind::NotFound("sub-node tree".to_owned())))
    }

    /// One of its sub-nodes.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn subnode(&self, nid: Nid, sink: &mut dyn Sink) -> Result<Option<Node<'a>>> {
        if self.sub.is_none() {
            return Ok(None);
        }
        Ok(self.subnodes(sink)?.get(nid).map(|e| Node {
            ndb: self.ndb,
            nid,
            data: e.data,
            sub: e.sub,
            parent: Nid::NONE,
            at: Location { sub: Some(nid), ..self.at },
            subnodes: OnceLock::new(),
        }))
    }
}
