//! Blocks: trailer, data tree blocks and sub-node blocks ([MS-PST] 2.2.2.8).
//!
//! ```text
//! block      data[cb] | junk | trailer       begins on a slot, the trailer ends it
//! trailer    0 cb[2] 2 wSig[2]   ANSI: 4 bid[4] 8 dwCRC[4]   Unicode: 4 dwCRC[4] 8 bid[8]   4K: + 16 [2] = 2, 18 cbInflated[2], 20 [4] = 0
//! XBLOCK     0 btype = 1  1 cLevel (1, XXBLOCK 2)  2 cEnt[2]  4 lcbTotal[4]  8 bids
//! SLBLOCK    0 btype = 2  1 cLevel = 0  2 cEnt[2]  (4 pad[4], not in ANSI)  entries: nid bidData bidSub
//! SIBLOCK    the same with cLevel = 1, entries: nid bid
//! ```
//!
//! The upper half of the node ids in SLBLOCK and SIBLOCK entries is junk in real files: only the low 32 bits count.

use super::bytes::{byte, le16, le32, low8, low16, low32, put, put8, put16, put32, wide};
use super::crc::crc;
use super::ids::{Bid, Ib, Nid};
use super::layout::{IdTooWide, Layout, XBLOCK_HEAD, signature};
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::rules;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// BLOCKTRAILER ([MS-PST] 2.2.2.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockTrailer {
    /// Bytes stored.
    pub cb: u16,
    /// Signature.
    pub sig: u16,
    /// Checksum of the bytes stored.
    pub crc: u32,
    /// The block's id.
    pub bid: Bid,
    /// 4K: bytes after inflating; otherwise `cb`.
    pub cb_inflated: u16,
    /// 4K: two words that are always 2 and 0.
    pub words: (u16, u32),
}

impl BlockTrailer {
    /// Decodes a trailer from its bytes.
    #[inline]
    pub fn decode(layout: &Layout, b: &[u8]) -> Self {
        let cb = le16(b, 0);
        let (crc_at, bid_at) = Self::places(layout);
        let k4 = layout.compresses();
        Self {
            cb,
            sig: le16(b, 2),
            crc: le32(b, crc_at),
            bid: Bid(layout.id(b, bid_at)),
            cb_inflated: if k4 { le16(b, 18) } else { cb },
            words: if k4 { (le16(b, 16), le32(b, 20)) } else { (2, 0) },
        }
    }

    fn places(layout: &Layout) -> (usize, usize) {
        if layout.is_ansi() { (8, 4) } else { (4, 8) }
    }

    /// Encodes the trailer into its bytes.
    ///
    /// # Errors
    /// Where the id does not fit into an ANSI file.
    pub fn encode(&self, layout: &Layout, b: &mut [u8]) -> Result<(), IdTooWide> {
        let (crc_at, bid_at) = Self::places(layout);
        put16(b, 0, self.cb);
        put16(b, 2, self.sig);
        put32(b, crc_at, self.crc);
        layout.put_id(b, bid_at, self.bid.0)?;
        if layout.compresses() {
            put16(b, 16, self.words.0);
            put16(b, 18, self.cb_inflated);
            put32(b, 20, self.words.1);
        }
        Ok(())
    }
}

/// Appends a whole block from its stored data: padding zero, trailer computed.
///
/// # Errors
/// Where the id does not fit into an ANSI file.
pub fn encode_block(layout: &Layout, stored: &[u8], cb_inflated: u16, ib: Ib, bid: Bid, out: &mut Vec<u8>) -> Result<(), IdTooWide> {
    let start = out.len();
    out.extend_from_slice(stored);
    seal_block(layout, start, cb_inflated, ib, bid, out)
}

/// Makes a whole block of the stored data that ends `out` and begins at `start`: padding zero, trailer computed.
///
/// # Errors
/// Where the id does not fit into an ANSI file.
pub fn seal_block(layout: &Layout, start: usize, cb_inflated: u16, ib: Ib, bid: Bid, out: &mut Vec<u8>) -> Result<(), IdTooWide> {
    let stored = out.get(start..).unwrap_or_default();
    let (cb, sum) = (wide(stored.len()), crc(stored));
    out.resize(start.saturating_add(super::bytes::index(layout.block_size(cb))), 0);
    let trailer = BlockTrailer { cb: low16(cb), sig: signature(ib, bid), crc: sum, bid, cb_inflated, words: (2, 0) };
    let at = out.len().saturating_sub(layout.block_trailer);
    trailer.encode(layout, out.get_mut(at..).unwrap_or_default())
}

/// The facts that the trailer of a block must agree with.
#[derive(Debug, Clone, Copy)]
pub struct BlockFacts {
    /// The id under which it is listed.
    pub bid: Bid,
    /// Its place.
    pub ib: Ib,
    /// Its stored size as listed.
    pub cb: u16,
    /// Its inflated size as listed.
    pub cb_inflated: u16,
}

/// Verifies a block's bytes (all of it, trailer included) against the facts that are known of it: id, size, signature, checksum.
///
/// # Errors
/// The sink's answer.
#[inline]
pub fn verify_block(layout: &Layout, raw: &[u8], known: &BlockFacts, sink: &mut dyn Sink) -> Result<bool> {
    let t = BlockTrailer::decode(layout, raw.get(raw.len().saturating_sub(layout.block_trailer)..).unwrap_or_default());
    let data = raw.get(..usize::from(known.cb)).unwrap_or_default();
    let sum = crc(data);
    if t.bid == known.bid
        && t.cb == known.cb
        && t.sig == signature(known.ib, known.bid)
        && t.crc == sum
        && t.cb_inflated == known.cb_inflated
        && t.words == (2, 0)
    {
        return Ok(true);
    }
    block_violations(known, &t, sum, sink)?;
    Ok(false)
}

/// The cold half of [`verify_block`]: which of the trailer's fields disagree.
#[cold]
fn block_violations(known: &BlockFacts, t: &BlockTrailer, sum: u32, sink: &mut dyn Sink) -> Result<()> {
    let at = Location::block(known.ib, known.bid);
    if t.bid != known.bid {
        // Another block lies here, or none: its other fields say nothing about this one.
        return sink.report(Finding::new(&rules::BLOCK_BID, at).hex(t.bid.0, known.bid.0).loss(Loss::Partial));
    }
    if t.cb != known.cb {
        sink.report(Finding::new(&rules::BLOCK_CB, at).numbers(t.cb.into(), known.cb.into()))?;
    }
    let sig = signature(known.ib, known.bid);
    if t.sig != sig {
        sink.report(Finding::new(&rules::BLOCK_SIG, at).hex(t.sig.into(), sig.into()))?;
    }
    if t.crc != sum {
        sink.report(Finding::new(&rules::BLOCK_CRC, at).hex(t.crc.into(), sum.into()).loss(Loss::Partial))?;
    }
    // Where nothing is compressed the second size is the first one.
    let plain = t.cb == t.cb_inflated && known.cb == known.cb_inflated;
    if t.cb_inflated != known.cb_inflated && !plain {
        sink.report(Finding::new(&rules::BLOCK_INFLATED_CB, at).numbers(t.cb_inflated.into(), known.cb_inflated.into()))?;
    }
    if t.words != (2, 0) {
        sink.report(Finding::new(&rules::BLOCK_4K_WORDS, at).hex(t.words.0.into(), 2))?;
    }
    Ok(())
}

/// Inflates a 4K block's data: at most `limit` bytes; the inflated bytes, and whether it ended properly.
pub fn inflate(stored: &[u8], limit: usize) -> (Vec<u8>, bool) {
    let mut out = vec![0; limit];
    let mut z = Decompress::new(true);
    let ended = matches!(z.decompress(stored, &mut out, FlushDecompress::Finish), Ok(Status::StreamEnd));
    let got = super::bytes::index(z.total_out()).min(limit);
    out.truncate(got);
    (out, ended && got == limit)
}

/// Deflates a block's data for the 4K variant; `None` where no slot would be saved.
pub fn deflate(layout: &Layout, data: &[u8]) -> Option<Vec<u8>> {
    if !layout.compresses() {
        return None;
    }
    let mut out = vec![0; data.len()];
    // The level is in the header of the stream: Outlook's blocks all begin 78 9C, and some readers know them by that.
    let mut z = Compress::new(Compression::new(6), true);
    match z.compress(data, &mut out, FlushCompress::Finish) {
        Ok(Status::StreamEnd) => {}
        _ => return None,
    }
    out.truncate(super::bytes::index(z.total_out()));
    (layout.block_size(wide(out.len())) < layout.block_size(wide(data.len()))).then_some(out)
}

/// Block type of XBLOCK and XXBLOCK.
pub const BTYPE_DATA: u8 = 1;
/// Block type of SLBLOCK and SIBLOCK.
pub const BTYPE_SUBNODE: u8 = 2;

/// XBLOCK or XXBLOCK ([MS-PST] 2.2.2.8.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XBlock {
    /// 1: the children are data blocks; 2: they are XBLOCKs.
    pub level: u8,
    /// Bytes of data beneath.
    pub total: u32,
    /// The children, with reserved bits masked off.
    pub children: Vec<Bid>,
}

impl XBlock {
    /// Decodes the block's data. `None` where it is no such block at all.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn decode(layout: &Layout, b: &[u8], at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let (kind, level, count) = (byte(b, 0), byte(b, 1), usize::from(le16(b, 2)));
        let fits = b.len().saturating_sub(XBLOCK_HEAD).checked_div(layout.id_width).unwrap_or(0);
        if kind != BTYPE_DATA || !matches!(level, 1 | 2) || b.len() < XBLOCK_HEAD {
            let stored = u64::from(kind) << 8 | u64::from(level);
            sink.report(Finding::new(&rules::XBLOCK_HEAD, at).hex(stored, 0x101).loss(Loss::Partial))?;
            return Ok(None);
        }
        if count == 0 || count != fits || XBLOCK_HEAD.saturating_add(count.saturating_mul(layout.id_width)) != b.len() {
            sink.report(Finding::new(&rules::XBLOCK_HEAD, at).numbers(wide(count), wide(fits)))?;
        }
        // the block's size says how many there are, too, and a named entry is there whatever the count says
        let mut children: Vec<Bid> =
            b.get(XBLOCK_HEAD..).unwrap_or_default().chunks_exact(layout.id_width).map(|e| Bid(layout.id(e, 0)).masked()).collect();
        while children.len() > count && children.last().is_some_and(|c| c.is_none()) {
            children.pop();
        }
        Ok(Some(Self { level, total: le32(b, 4), children }))
    }

    /// Encodes the block's data.
    ///
    /// # Errors
    /// Where an id does not fit into an ANSI file.
    pub fn encode(&self, layout: &Layout) -> Result<Vec<u8>, IdTooWide> {
        let mut b = vec![0; XBLOCK_HEAD.saturating_add(self.children.len().saturating_mul(layout.id_width))];
        put(&mut b, 0, &[BTYPE_DATA, self.level]);
        put16(&mut b, 2, low16(wide(self.children.len())));
        put32(&mut b, 4, self.total);
        let mut o = XBLOCK_HEAD;
        for child in &self.children {
            layout.put_id(&mut b, o, child.0)?;
            o = o.saturating_add(layout.id_width);
        }
        Ok(b)
    }
}

/// SLENTRY: a sub-node ([MS-PST] 2.2.2.8.3.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlEntry {
    /// Its id, local to the node.
    pub nid: Nid,
    /// Root of its data.
    pub data: Bid,
    /// Root of its own sub-nodes, or none.
    pub sub: Bid,
}

/// SIENTRY: a block of sub-nodes ([MS-PST] 2.2.2.8.3.3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiEntry {
    /// First sub-node id in the block.
    pub nid: Nid,
    /// The block.
    pub bid: Bid,
}

/// SLBLOCK or SIBLOCK ([MS-PST] 2.2.2.8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnodeBlock {
    /// SLBLOCK: sub-nodes.
    Leaf(Vec<SlEntry>),
    /// SIBLOCK: blocks of sub-nodes; with its level, which is 1 in every real file.
    Index(u8, Vec<SiEntry>),
}

impl SubnodeBlock {
    /// Decodes the block's data. `None` where it is no such block at all.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn decode(layout: &Layout, b: &[u8], at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let (kind, level, count) = (byte(b, 0), byte(b, 1), usize::from(le16(b, 2)));
        if kind != BTYPE_SUBNODE || b.len() < layout.sl_head {
            sink.report(Finding::new(&rules::SUBNODE_HEAD, at).hex(kind.into(), BTYPE_SUBNODE.into()).loss(Loss::Partial))?;
            return Ok(None);
        }
        let size = if level == 0 { layout.sl_entry } else { layout.si_entry };
        let body = b.get(layout.sl_head..).unwrap_or_default();
        if count == 0 || count.saturating_mul(size) != body.len() {
            let fits = body.len().checked_div(size).unwrap_or(0);
            sink.report(Finding::new(&rules::SUBNODE_HEAD, at).numbers(wide(count), wide(fits)))?;
        }
        let w = layout.id_width;
        // the block's size says how many there are, too
        let is_named = |e: &[u8]| layout.id(e, 0) != 0 && layout.id(e, w) != 0;
        let entries = body.chunks_exact(size).enumerate().filter(|(n, e)| *n < count || is_named(e)).map(|(_, e)| e);
        Ok(Some(if level == 0 {
            Self::Leaf(
                entries
                    .map(|e| SlEntry {
                        nid: Nid(low32(layout.id(e, 0))),
                        data: Bid(layout.id(e, w)).masked(),
                        sub: Bid(layout.id(e, w.saturating_mul(2))).masked(),
                    })
                    .collect(),
            )
        } else {
            Self::Index(level, entries.map(|e| SiEntry { nid: Nid(low32(layout.id(e, 0))), bid: Bid(layout.id(e, w)).masked() }).collect())
        }))
    }

    /// Encodes the block's data.
    ///
    /// # Errors
    /// Where an id does not fit into an ANSI file.
    pub fn encode(&self, layout: &Layout) -> Result<Vec<u8>, IdTooWide> {
        let w = layout.id_width;
        let (level, size, count) = match self {
            Self::Leaf(e) => (0, layout.sl_entry, e.len()),
            Self::Index(level, e) => (*level, layout.si_entry, e.len()),
        };
        let mut b = vec![0; layout.sl_head.saturating_add(count.saturating_mul(size))];
        put8(&mut b, 0, BTYPE_SUBNODE);
        put8(&mut b, 1, low8(level.into()));
        put16(&mut b, 2, low16(wide(count)));
        let mut slots = b.get_mut(layout.sl_head..).unwrap_or_default().chunks_exact_mut(size);
        match self {
            Self::Leaf(entries) => {
                for (e, slot) in entries.iter().zip(&mut slots) {
                    layout.put_id(slot, 0, e.nid.0.into())?;
                    layout.put_id(slot, w, e.data.0)?;
                    layout.put_id(slot, w.saturating_mul(2), e.sub.0)?;
                }
            }
            Self::Index(_, entries) => {
                for (e, slot) in entries.iter().zip(&mut slots) {
                    layout.put_id(slot, 0, e.nid.0.into())?;
                    layout.put_id(slot, w, e.bid.0)?;
                }
            }
        }
        Ok(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    fn bid(layout: &Layout, v: u64) -> Bid {
        Bid(if layout.is_ansi() { v & 0xFFFF_FFFE } else { v & !1 })
    }

    proptest! {
        #[test]
        fn data_tree_blocks_round_trip(l in 0usize..3, level in 1u8..=2, total in any::<u32>(), ids in proptest::collection::vec(any::<u64>(), 1..1000)) {
            let layout = Layout::all()[l];
            let x = XBlock { level, total, children: ids.into_iter().map(|v| bid(layout, v)).collect() };
            let bytes = x.encode(layout).unwrap();
            prop_assert_eq!(XBlock::decode(layout, &bytes, Location::NONE, &mut Strict).unwrap(), Some(x));
        }

        #[test]
        fn sub_node_blocks_round_trip(l in 0usize..3, ids in proptest::collection::vec(any::<(u32, u64, u64)>(), 1..300)) {
            let layout = Layout::all()[l];
            let leaf = SubnodeBlock::Leaf(ids.iter().map(|(n, d, s)| SlEntry { nid: Nid(*n), data: bid(layout, *d), sub: bid(layout, *s) }).collect());
            let bytes = leaf.encode(layout).unwrap();
            prop_assert_eq!(SubnodeBlock::decode(layout, &bytes, Location::NONE, &mut Strict).unwrap(), Some(leaf));
            let index = SubnodeBlock::Index(1, ids.iter().map(|(n, d, _)| SiEntry { nid: Nid(*n), bid: bid(layout, *d) }).collect());
            let bytes = index.encode(layout).unwrap();
            prop_assert_eq!(SubnodeBlock::decode(layout, &bytes, Location::NONE, &mut Strict).unwrap(), Some(index));
        }

        #[test]
        fn a_block_is_verified_and_any_changed_byte_of_data_or_trailer_is_found(
            l in 0usize..3, data in proptest::collection::vec(any::<u8>(), 1..600), at in any::<prop::sample::Index>(), x in 1u8..,
        ) {
            let layout = Layout::all()[l];
            let known = BlockFacts { bid: Bid(0x1234), ib: Ib(0x9000), cb: data.len() as u16, cb_inflated: data.len() as u16 };
            let mut raw = Vec::new();
            encode_block(layout, &data, known.cb, known.ib, known.bid, &mut raw).unwrap();
            prop_assert_eq!(raw.len() as u64, layout.block_size(data.len() as u64));
            prop_assert!(verify_block(layout, &raw, &known, &mut Strict).unwrap());
            let at = at.index(raw.len());
            raw[at] ^= x;
            let junk = (data.len()..raw.len() - layout.block_trailer).contains(&at);
            prop_assert_eq!(verify_block(layout, &raw, &known, &mut Vec::new()).unwrap(), junk);
        }

        #[test]
        fn deflated_data_inflates_to_itself(byte in any::<u8>(), n in 600usize..65_512) {
            let layout = &super::super::layout::UNICODE_4K;
            let data = vec![byte; n];
            let small = deflate(layout, &data).unwrap();
            prop_assert_eq!(small.get(..2), Some(&[0x78, 0x9C][..]));
            prop_assert_eq!(inflate(&small, n), (data, true));
            prop_assert!(!inflate(&small[..small.len() - 1], n).1);
            prop_assert!(!inflate(&small, n - 1).1);
        }
    }

    #[test]
    fn the_upper_half_of_a_local_node_id_is_junk() {
        let layout = &super::super::layout::UNICODE;
        let leaf = SubnodeBlock::Leaf(vec![SlEntry { nid: Nid(0x671), data: Bid(8), sub: Bid(0) }]);
        let mut bytes = leaf.encode(layout).unwrap();
        bytes[12..16].copy_from_slice(&[0xAA; 4]);
        bytes[16] |= 1; // a reference may have its reserved bit set
        assert_eq!(SubnodeBlock::decode(layout, &bytes, Location::NONE, &mut Strict).unwrap(), Some(leaf));
    }
}
