//! HEADER and ROOT ([MS-PST] 2.2.2.6, 2.2.2.5).
//!
//! ```text
//!        0         4           8       10     12          14      16           24
//! all    !BDN      CRCPartial  client  wVer   wVerClient  platf.  dwReserved   ...
//! ANSI   24 bidNextB  28 bidNextP  32 dwUnique  36 rgnid[32]  164 ROOT  204 rgbFM[128]  332 rgbFP[128]
//!        460 sentinel 461 crypt 462 rgbReserved[2] 464 reserved[12] 476 rgbReserved2[3] 479 bReserved 480 rgbReserved3[32]
//! Uni.   24 bidUnused 32 bidNextP  40 dwUnique  44 rgnid[32]  172 qwUnused 180 ROOT 252 dwAlign 256 rgbFM 384 rgbFP
//!        512 sentinel 513 crypt 514 rgbReserved[2] 516 bidNextB 524 CRCFull 528 rgbReserved2[3] 531 bReserved 532 rgbReserved3[32]
//! ROOT   reserved[4] ibFileEof ibAMapLast cbAMapFree cbPMapFree BREFNBT BREFBBT fAMapValid bARVec cARVec[2]
//! ```
//!
//! The count of unreferenced blocks (cOrphans) stands in the upper half of `qwUnused` in Unicode files and in ROOT's reserved word in
//! ANSI files; [MS-PST] calls both reserved.

use super::bytes::{array_at, byte, le16, le32, le64, put, put8, put16, put32, put64};
use super::crc::crc;
use super::crypt::CryptMethod;
use super::ids::{Bid, Bref, Ib, NidType};
use super::layout::{IdTooWide, Layout, Variant};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Location, Sink};
use crate::rules::{self, Severity};
use std::fmt;

/// The first four bytes of every file.
pub const MAGIC: [u8; 4] = *b"!BDN";
/// The sentinel byte.
pub const SENTINEL: u8 = 0x80;
/// Bytes 8.. that the partial checksum covers, in every variant.
const CRC_PARTIAL_LEN: usize = 471;
/// Bytes 8.. that the full checksum covers.
const CRC_FULL_LEN: usize = 516;

/// The kind of file that the client magic names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "UPPERCASE"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FileKind {
    /// `SM`: personal folders.
    Pst,
    /// `SO`: offline folders (OST, and NST by its extension).
    Ost,
    /// `AB`: personal address book.
    Pab,
}

impl FileKind {
    /// The kind that a client magic names.
    pub const fn from_magic(magic: [u8; 2]) -> Option<Self> {
        match &magic {
            b"SM" => Some(Self::Pst),
            b"SO" => Some(Self::Ost),
            b"AB" => Some(Self::Pab),
            _ => None,
        }
    }

    /// The client magic.
    pub const fn magic(self) -> [u8; 2] {
        match self {
            Self::Pst => *b"SM",
            Self::Ost => *b"SO",
            Self::Pab => *b"AB",
        }
    }

    /// The client version that Outlook writes beside it.
    pub const fn client_version(self) -> u16 {
        match self {
            Self::Ost => 12,
            Self::Pst | Self::Pab => 19,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pst => "PST",
            Self::Ost => "OST",
            Self::Pab => "PAB",
        })
    }
}

/// fAMapValid: whether the allocation maps may be trusted ([MS-PST] 2.2.2.5).
pub const AMAP_VALID: u8 = 2;

/// ROOT: sizes and roots ([MS-PST] 2.2.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Root {
    /// Reserved word.
    pub reserved: u32,
    /// Size of the file.
    pub file_eof: Ib,
    /// Place of the last AMap.
    pub amap_last: Ib,
    /// Free bytes in all AMaps.
    pub amap_free: u64,
    /// Free bytes in all PMaps.
    pub pmap_free: u64,
    /// Root page of the node B-tree.
    pub nbt: Bref,
    /// Root page of the block B-tree.
    pub bbt: Bref,
    /// Whether the AMaps may be trusted: 0 no, 1 and 2 yes.
    pub amap_valid: u8,
    /// Reserved byte (bARVec).
    pub ar_vec: u8,
    /// Reserved word (cARVec).
    pub ar_vec_count: u16,
}

/// A field of the header, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderField {
    /// Byte offset in the file.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
    /// The name that [MS-PST] 2.2.2.6 gives it.
    pub name: &'static str,
    /// The value in words.
    pub value: String,
}

/// The file header, all fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The layout that the version names.
    pub layout: &'static Layout,
    /// Client magic: `SM`, `SO` or `AB`.
    pub magic_client: [u8; 2],
    /// Version of the format.
    pub version: u16,
    /// Version of the client's part of the format.
    pub version_client: u16,
    /// Platform bytes: both 1.
    pub platform: [u8; 2],
    /// dwReserved1 and dwReserved2.
    pub reserved: [u32; 2],
    /// bidUnused (not in ANSI files).
    pub bid_unused: u64,
    /// Next page id.
    pub bid_next_page: Bid,
    /// Next block id.
    pub bid_next_block: Bid,
    /// Raised with each write of the header; also gives out row versions.
    pub unique: u32,
    /// Last index given out, for each type of node.
    pub nid_high_water: [u32; 32],
    /// Lower half of qwUnused (not in ANSI files).
    pub unused: u32,
    /// Count of unreferenced entries of the block B-tree.
    pub orphans: u32,
    /// Sizes and roots.
    pub root: Root,
    /// dwAlign (not in ANSI files).
    pub align: u32,
    /// rgbFM: legacy free map.
    pub free_map: [u8; 128],
    /// rgbFP: legacy free page map.
    pub free_page_map: [u8; 128],
    /// bSentinel.
    pub sentinel: u8,
    /// bCryptMethod as stored.
    pub crypt: u8,
    /// rgbReserved.
    pub reserved_bytes: [u8; 2],
    /// ullReserved and dwReserved (ANSI files only).
    pub reserved_ansi: [u8; 12],
    /// rgbReserved2 (rgbVersionEncoded).
    pub version_encoded: [u8; 3],
    /// bReserved (bLockSemaphore).
    pub lock_semaphore: u8,
    /// rgbReserved3 (rgbLock).
    pub lock: [u8; 32],
}

/// A header of any variant fits into this many bytes.
pub const HEADER_MAX: usize = 564;

impl Header {
    /// An otherwise empty header of a new file.
    pub fn new(layout: &'static Layout, kind: FileKind, crypt: CryptMethod) -> Self {
        let mut nid_high_water = [0x400; 32];
        for (t, start) in [(NidType::SEARCH_FOLDER, 0x4000), (NidType::NORMAL_MESSAGE, 0x1_0000), (NidType::ASSOC_MESSAGE, 0x8000)] {
            if let Some(slot) = nid_high_water.get_mut(usize::from(t.0)) {
                *slot = start;
            }
        }
        let legacy = if layout.has_pmaps { 0xFF } else { 0 };
        Self {
            layout,
            magic_client: kind.magic(),
            version: match layout.variant {
                Variant::Ansi => 14,
                Variant::Unicode => 23,
                Variant::Unicode4k => 36,
            },
            version_client: kind.client_version(),
            platform: [1, 1],
            reserved: [0; 2],
            bid_unused: 0,
            bid_next_page: Bid(1),
            bid_next_block: Bid(4),
            unique: 1,
            nid_high_water,
            unused: 0,
            orphans: 0,
            root: Root { amap_valid: AMAP_VALID, ..Root::default() },
            align: 0,
            free_map: [legacy; 128],
            free_page_map: [legacy; 128],
            sentinel: SENTINEL,
            crypt: crypt.to_byte(),
            reserved_bytes: [0; 2],
            reserved_ansi: [0; 12],
            version_encoded: [0; 3],
            lock_semaphore: 0,
            lock: [0; 32],
        }
    }

    /// Decodes and verifies the header at the start of a file.
    ///
    /// # Errors
    /// A fatal violation where the layout cannot be told (magic, version, length); with a strict sink, the first violation.
    pub fn decode(b: &[u8], sink: &mut dyn Sink) -> Result<Self> {
        if b.get(..4) != Some(&MAGIC[..]) {
            let f = Finding::new(&rules::HEADER_MAGIC, Location::at(0)).hex(u64::from(le32(b, 0)), u64::from(u32::from_le_bytes(MAGIC)));
            sink.report(f.clone())?;
            return Err(Error::damaged(f));
        }
        let version = le16(b, 10);
        let Some(layout) = Layout::of_version(version) else {
            let f = Finding::new(&rules::HEADER_VERSION, Location::at(10)).numbers(u64::from(version), 23);
            sink.report(f.clone())?;
            return Err(Error::damaged(f));
        };
        if matches!(version, 24..=35) {
            // read as 23 is, as Outlook's own code would have it; no file has been seen with it
            sink.report(Finding::new(&rules::HEADER_VERSION, Location::at(10)).numbers(version.into(), 23).severity(Severity::Notice))?;
        }
        if b.len() < layout.header_size {
            let f = Finding::new(&rules::HEADER_SHORT, Location::at(0))
                .numbers(super::bytes::wide(b.len()), super::bytes::wide(layout.header_size));
            sink.report(f.clone())?;
            return Err(Error::damaged(f));
        }
        let header = Self::decode_as(layout, b);
        header.verify(b, sink)?;
        Ok(header)
    }

    /// Decodes the fields as a layout places them, verifying nothing; bytes that are missing read as 0.
    pub fn decode_as(layout: &'static Layout, b: &[u8]) -> Self {
        let ansi = layout.is_ansi();
        let at = Offsets::of(layout);
        let w = layout.id_width;
        let id = |o: usize| layout.id(b, o);
        // ROOT: eof, last, amap free, pmap free, then two BREFs, all of the id's width
        let field = |n: usize| at.root.saturating_add(4).saturating_add(n.saturating_mul(w));
        let bref = |n: usize| Bref { bid: Bid(id(field(n))), ib: Ib(id(field(n.saturating_add(1)))) };
        let flags = field(8);
        let mut nid_high_water = [0; 32];
        for (i, slot) in nid_high_water.iter_mut().enumerate() {
            *slot = le32(b, at.nids.saturating_add(i.saturating_mul(4)));
        }
        Self {
            layout,
            magic_client: array_at(b, 8).unwrap_or_default(),
            version: le16(b, 10),
            version_client: le16(b, 12),
            platform: array_at(b, 14).unwrap_or_default(),
            reserved: [le32(b, 16), le32(b, 20)],
            bid_unused: if ansi { 0 } else { le64(b, 24) },
            bid_next_page: Bid(id(at.next_page)),
            bid_next_block: Bid(id(at.next_block)),
            unique: le32(b, at.unique),
            nid_high_water,
            unused: if ansi { 0 } else { le32(b, 172) },
            orphans: le32(b, at.orphans),
            root: Root {
                reserved: if ansi { 0 } else { le32(b, at.root) },
                file_eof: Ib(id(field(0))),
                amap_last: Ib(id(field(1))),
                amap_free: id(field(2)),
                pmap_free: id(field(3)),
                nbt: bref(4),
                bbt: bref(6),
                amap_valid: byte(b, flags),
                ar_vec: byte(b, flags.saturating_add(1)),
                ar_vec_count: le16(b, flags.saturating_add(2)),
            },
            align: if ansi { 0 } else { le32(b, 252) },
            free_map: array_at(b, at.free_map).unwrap_or([0; 128]),
            free_page_map: array_at(b, at.free_map.saturating_add(128)).unwrap_or([0; 128]),
            sentinel: byte(b, at.sentinel),
            crypt: byte(b, at.sentinel.saturating_add(1)),
            reserved_bytes: array_at(b, at.sentinel.saturating_add(2)).unwrap_or_default(),
            reserved_ansi: if ansi { array_at(b, 464).unwrap_or_default() } else { [0; 12] },
            version_encoded: array_at(b, at.version_encoded).unwrap_or_default(),
            lock_semaphore: byte(b, at.version_encoded.saturating_add(3)),
            lock: array_at(b, at.version_encoded.saturating_add(4)).unwrap_or_default(),
        }
    }

    /// Checks the fields that the header alone can tell, against the bytes that it was decoded from.
    ///
    /// # Errors
    /// The sink's answer.
    pub fn verify(&self, b: &[u8], sink: &mut dyn Sink) -> Result<()> {
        let at = Offsets::of(self.layout);
        let partial = crc(b.get(8..8 + CRC_PARTIAL_LEN).unwrap_or_default());
        if partial != le32(b, 4) {
            sink.report(Finding::new(&rules::HEADER_CRC_PARTIAL, Location::at(4)).hex(u64::from(le32(b, 4)), u64::from(partial)))?;
        }
        if let Some(place) = at.crc_full {
            let full = crc(b.get(8..8 + CRC_FULL_LEN).unwrap_or_default());
            if full != le32(b, place) {
                let f = Finding::new(&rules::HEADER_CRC_FULL, Location::at(super::bytes::wide(place)));
                sink.report(f.hex(u64::from(le32(b, place)), u64::from(full)))?;
            }
        }
        match self.kind() {
            None => sink.report(
                Finding::new(&rules::HEADER_CLIENT_MAGIC, Location::at(8))
                    .hex(u64::from(u16::from_le_bytes(self.magic_client)), u64::from(u16::from_le_bytes(*b"SM"))),
            )?,
            Some(kind) if self.version_client != kind.client_version() => sink.report(
                Finding::new(&rules::HEADER_CLIENT_VERSION, Location::at(12))
                    .numbers(u64::from(self.version_client), u64::from(kind.client_version())),
            )?,
            Some(_) => {}
        }
        if self.platform.iter().any(|p| !matches!(p, 1 | 2)) {
            sink.report(Finding::new(&rules::HEADER_PLATFORM, Location::at(14)).hex(u64::from(u16::from_le_bytes(self.platform)), 0x0101))?;
        }
        if self.sentinel != SENTINEL {
            let f = Finding::new(&rules::HEADER_SENTINEL, Location::at(super::bytes::wide(at.sentinel)));
            sink.report(f.hex(u64::from(self.sentinel), u64::from(SENTINEL)))?;
        }
        if self.crypt_method().is_none() {
            let f = Finding::new(&rules::HEADER_CRYPT, Location::at(super::bytes::wide(at.sentinel.saturating_add(1))));
            sink.report(f.hex(u64::from(self.crypt), 1))?;
        }
        if self.root.reserved != 0 || self.align != 0 || self.reserved_bytes != [0; 2] || self.unused != 0 || self.reserved_ansi != [0; 12]
        {
            sink.report(Finding::new(&rules::HEADER_RESERVED, Location::at(super::bytes::wide(at.root))))?;
        }
        Ok(())
    }

    /// Encodes the header with both checksums.
    ///
    /// # Errors
    /// Where an id or offset does not fit into an ANSI header.
    pub fn encode(&self) -> Result<Vec<u8>, IdTooWide> {
        let layout = self.layout;
        let ansi = layout.is_ansi();
        let at = Offsets::of(layout);
        let mut bytes = vec![0; layout.header_size];
        let b = bytes.as_mut_slice();
        put(b, 0, &MAGIC);
        put(b, 8, &self.magic_client);
        put16(b, 10, self.version);
        put16(b, 12, self.version_client);
        put(b, 14, &self.platform);
        put32(b, 16, self.reserved[0]);
        put32(b, 20, self.reserved[1]);
        if !ansi {
            put64(b, 24, self.bid_unused);
            put32(b, 172, self.unused);
            put32(b, at.root, self.root.reserved);
            put32(b, 252, self.align);
        }
        layout.put_id(b, at.next_page, self.bid_next_page.0)?;
        layout.put_id(b, at.next_block, self.bid_next_block.0)?;
        put32(b, at.unique, self.unique);
        for (i, v) in self.nid_high_water.iter().enumerate() {
            put32(b, at.nids.saturating_add(i.saturating_mul(4)), *v);
        }
        put32(b, at.orphans, self.orphans);
        let r = &self.root;
        let words = [r.file_eof.0, r.amap_last.0, r.amap_free, r.pmap_free, r.nbt.bid.0, r.nbt.ib.0, r.bbt.bid.0, r.bbt.ib.0];
        let mut o = at.root.saturating_add(4);
        for v in words {
            layout.put_id(b, o, v)?;
            o = o.saturating_add(layout.id_width);
        }
        put8(b, o, r.amap_valid);
        put8(b, o.saturating_add(1), r.ar_vec);
        put16(b, o.saturating_add(2), r.ar_vec_count);
        put(b, at.free_map, &self.free_map);
        put(b, at.free_map.saturating_add(128), &self.free_page_map);
        put8(b, at.sentinel, self.sentinel);
        put8(b, at.sentinel.saturating_add(1), self.crypt);
        put(b, at.sentinel.saturating_add(2), &self.reserved_bytes);
        if ansi {
            put(b, 464, &self.reserved_ansi);
        }
        put(b, at.version_encoded, &self.version_encoded);
        put8(b, at.version_encoded.saturating_add(3), self.lock_semaphore);
        put(b, at.version_encoded.saturating_add(4), &self.lock);
        Self::seal(layout, b);
        Ok(bytes)
    }

    /// Puts both checksums of a header's bytes right.
    pub fn seal(layout: &Layout, b: &mut [u8]) {
        let partial = crc(b.get(8..8 + CRC_PARTIAL_LEN).unwrap_or_default());
        put32(b, 4, partial);
        if let Some(place) = Offsets::of(layout).crc_full {
            let full = crc(b.get(8..8 + CRC_FULL_LEN).unwrap_or_default());
            put32(b, place, full);
        }
    }

    /// The kind of file that the client magic names.
    pub fn kind(&self) -> Option<FileKind> {
        FileKind::from_magic(self.magic_client)
    }

    /// How external blocks are encoded, if the byte names a known method.
    pub fn crypt_method(&self) -> Option<CryptMethod> {
        CryptMethod::from_byte(self.crypt)
    }

    /// Whether Outlook 2007 or later has touched the file (rgbVersionEncoded is set). Its absence proves nothing.
    pub fn touched_by_outlook_2007(&self) -> bool {
        self.version_encoded != [0; 3]
    }

    /// Last index given out for a type of node.
    pub fn high_water(&self, nid_type: NidType) -> u32 {
        self.nid_high_water.get(usize::from(nid_type.0)).copied().unwrap_or(0)
    }

    /// Raises the last index given out for a type of node.
    pub fn raise_high_water(&mut self, nid_type: NidType, index: u32) {
        if let Some(slot) = self.nid_high_water.get_mut(usize::from(nid_type.0)) {
            *slot = (*slot).max(index);
        }
    }

    /// The fields in order, for display.
    pub fn fields(&self) -> Vec<HeaderField> {
        let at = Offsets::of(self.layout);
        let w = self.layout.id_width;
        let r = &self.root;
        let f = |n: usize| at.root.saturating_add(4).saturating_add(n.saturating_mul(w));
        let hex = |v: u64| format!("{v:#x}");
        let mut v = vec![
            (0, 4, "dwMagic", "!BDN".to_owned()),
            (8, 2, "wMagicClient", String::from_utf8_lossy(&self.magic_client).into_owned()),
            (10, 2, "wVer", self.version.to_string()),
            (12, 2, "wVerClient", self.version_client.to_string()),
            (14, 1, "bPlatformCreate", self.platform[0].to_string()),
            (15, 1, "bPlatformAccess", self.platform[1].to_string()),
            (16, 4, "dwReserved1", hex(u64::from(self.reserved[0]))),
            (20, 4, "dwReserved2", hex(u64::from(self.reserved[1]))),
            (at.next_block, w, "bidNextB", self.bid_next_block.to_string()),
            (at.next_page, w, "bidNextP", self.bid_next_page.to_string()),
            (at.unique, 4, "dwUnique", hex(u64::from(self.unique))),
            (at.nids, 128, "rgnid", self.nid_high_water.iter().map(|n| format!("{n:x}")).collect::<Vec<_>>().join(" ")),
            (at.orphans, 4, "cOrphans", self.orphans.to_string()),
            (f(0), w, "ROOT.ibFileEof", r.file_eof.to_string()),
            (f(1), w, "ROOT.ibAMapLast", r.amap_last.to_string()),
            (f(2), w, "ROOT.cbAMapFree", r.amap_free.to_string()),
            (f(3), w, "ROOT.cbPMapFree", r.pmap_free.to_string()),
            (f(4), w, "ROOT.BREFNBT.bid", r.nbt.bid.to_string()),
            (f(5), w, "ROOT.BREFNBT.ib", r.nbt.ib.to_string()),
            (f(6), w, "ROOT.BREFBBT.bid", r.bbt.bid.to_string()),
            (f(7), w, "ROOT.BREFBBT.ib", r.bbt.ib.to_string()),
            (f(8), 1, "ROOT.fAMapValid", r.amap_valid.to_string()),
            (at.sentinel, 1, "bSentinel", hex(u64::from(self.sentinel))),
            (
                at.sentinel.saturating_add(1),
                1,
                "bCryptMethod",
                self.crypt_method().map_or_else(|| hex(u64::from(self.crypt)), |m| format!("{} ({m})", self.crypt)),
            ),
            (at.version_encoded, 3, "rgbVersionEncoded", self.version_encoded.map(|x| format!("{x:02x}")).join(" ")),
            (at.version_encoded.saturating_add(3), 1, "bLockSemaphore", self.lock_semaphore.to_string()),
        ];
        if !self.layout.is_ansi() {
            v.push((24, 8, "bidUnused", hex(self.bid_unused)));
        }
        v.sort_by_key(|x| x.0);
        v.into_iter().map(|(offset, size, name, value)| HeaderField { offset, size, name, value }).collect()
    }
}

/// Where the fields that move between the two shapes stand.
struct Offsets {
    next_block: usize,
    next_page: usize,
    unique: usize,
    nids: usize,
    orphans: usize,
    root: usize,
    free_map: usize,
    sentinel: usize,
    crc_full: Option<usize>,
    version_encoded: usize,
}

impl Offsets {
    fn of(layout: &Layout) -> &'static Self {
        static ANSI: Offsets = Offsets {
            next_block: 24,
            next_page: 28,
            unique: 32,
            nids: 36,
            orphans: 164,
            root: 164,
            free_map: 204,
            sentinel: 460,
            crc_full: None,
            version_encoded: 476,
        };
        static UNICODE: Offsets = Offsets {
            next_block: 516,
            next_page: 32,
            unique: 40,
            nids: 44,
            orphans: 176,
            root: 180,
            free_map: 256,
            sentinel: 512,
            crc_full: Some(524),
            version_encoded: 528,
        };
        if layout.is_ansi() { &ANSI } else { &UNICODE }
    }
}

/// Byte offset of fAMapValid: the one field that is switched alone when maps become untrusted.
pub fn amap_valid_at(layout: &Layout) -> usize {
    Offsets::of(layout).root.saturating_add(4).saturating_add(layout.id_width.saturating_mul(8))
}

/// A file that does not begin as an Outlook data file does: its kind, as far as the first bytes and the name show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignFile {
    /// The kind, in words, with the next step for the user.
    pub text: &'static str,
    /// Whether the file may be a data file that lost its first bytes, so that a search of the whole may find mail.
    pub may_hold_mail: bool,
}

impl ForeignFile {
    /// Tells a file by its first bytes, its length in bytes and its name.
    ///
    /// ```
    /// use pstkit::format::header::ForeignFile;
    /// let zip = ForeignFile::of(b"PK\x03\x04", 4_096, "mail.zip");
    /// assert!(zip.text.contains("ZIP") && !zip.may_hold_mail);
    /// assert!(ForeignFile::of(&[0; 512], 4_096, "mail.pst").may_hold_mail);
    /// ```
    pub fn of(first: &[u8], len: u64, file_name: &str) -> Self {
        let known = |text| Self { text, may_hold_mail: false };
        let searched = |text| Self { text, may_hold_mail: true };
        let name = file_name.to_ascii_lowercase();
        if len == 0 {
            known("the file is empty (0 bytes): look for a backup, or for a copy whose download was not cut off")
        } else if super::write_log::begins_log(first) {
            known(
                "Outlook's log of writes to a data file, not the data file itself: `pstkit info` lists what is in it; give the .pst or .ost beside it",
            )
        } else if first.starts_with(b"version https://git-lfs.github.com/spec/") {
            known("a Git LFS pointer: a short text in place of the file; `git lfs pull` fetches the file itself")
        } else if first.len() >= 512 && first.iter().all(|b| *b == 0xFF) {
            searched("nothing of an Outlook file: its first bytes are all 0xFF, as an erased medium has them; look for a backup")
        } else if name.ends_with(".pst.tmp") || (name.starts_with('~') && name.ends_with(".tmp")) {
            known("a lock or temporary file of Outlook, not the data file: give the .pst or .ost beside it")
        } else if first.starts_with(b"PK\x03\x04") {
            known("a ZIP archive: unpack it and give the data file inside")
        } else if first.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            known("an OLE compound file, such as a single message (.msg): open it with a .msg reader")
        } else if first.starts_with(b"\x1F\x8B") {
            known("a gzip archive: unpack it first")
        } else if first.starts_with(b"7z\xBC\xAF\x27\x1C") {
            known("a 7-Zip archive: unpack it first")
        } else if first.starts_with(b"Rar!") {
            known("a RAR archive: unpack it first")
        } else if first.starts_with(b"%PDF") {
            known("a PDF document")
        } else if first.starts_with(b"SQLite format 3\0") {
            known("an SQLite database, such as the mail of Outlook for Mac: it has another format")
        } else if first.starts_with(&[0x0D, 0xF0, 0xAD, 0xBA]) || name.ends_with(".nk2") {
            known("a nickname cache of Outlook (.nk2): it holds names for automatic completion and no mail")
        } else if name.ends_with(".oab")
            || (first.len() >= 4 && matches!(le32(first, 0), 0x20 | 0x07 | 0x0A | 0x0B) && name.ends_with("oab"))
        {
            known("an offline address book of Outlook (.oab): it holds addresses and no mail")
        } else if name == "spscoll.dat" || first.starts_with(b"spscoll") {
            known("an index of Outlook (spscoll.dat): it holds no mail")
        } else if first.starts_with(&[0xFE, 0xFF]) || first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xEF, 0xBB, 0xBF]) {
            known("a text file")
        } else if first.starts_with(b"From ") {
            known("an mbox file: it is text and needs no data file reader")
        } else if first.len() > 8 && is_text(first) && first.is_ascii() && !first.starts_with(&MAGIC) {
            known("a text file")
        } else if len < 512 {
            known("too short to hold a header: look for a complete copy")
        } else if first.iter().all(|b| *b == 0) {
            searched(
                "its first bytes are all zero: if it was a data file, `pstkit repair` or `pstkit recover` can search the rest for mail",
            )
        } else if is_text(first) {
            known("a text file")
        } else {
            searched("an unknown kind of file")
        }
    }

    /// The same after the whole file was searched for mail in vain.
    pub fn after_search(&self) -> String {
        match self.text.split_once(": if it was a data file") {
            Some((what, _)) => format!("{what}, and a search of the whole file found nothing of one: look for a backup"),
            None => self.text.to_owned(),
        }
    }
}

/// Whether bytes are text: printable ASCII, or UTF-8 as far as they go.
fn is_text(first: &[u8]) -> bool {
    let head = first.get(..512).unwrap_or(first);
    let printable = |b: &u8| matches!(b, 9 | 10 | 13 | 0x20..=0x7E | 0x80..);
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        // a character that the end cuts
        Err(e) => e.error_len().is_none(),
    };
    let ascii = head.iter().filter(|b| b.is_ascii()).count();
    head.iter().all(printable) && (is_utf8 || ascii.saturating_mul(4) >= head.len().saturating_mul(3))
}

/// The error for a file that needs keys of Windows Information Protection.
pub fn wip_error() -> Error {
    Error::new(ErrorKind::Unsupported(
        "the file is encrypted by Windows Information Protection; its structure can be checked, but its contents can be read only on a \
         machine that holds the user's keys: remove the protection there first"
            .to_owned(),
    ))
}

/// Which layout the pages of a file have, told from the allocation maps that stand at known places: for files whose header is gone.
pub fn probe_layout(b: &[u8], at: u64) -> Option<&'static Layout> {
    // An AMap page has its type twice and its own place as id; `b` starts at `at`.
    Layout::all().into_iter().find(|layout| {
        let Some(rel) = layout.amap_first.checked_sub(at) else { return false };
        let start = super::bytes::index(rel);
        let Some(page) = start.checked_add(layout.page_size).and_then(|end| b.get(start..end)) else { return false };
        let t = super::page::PageTrailer::decode(layout, page);
        t.page_type == super::page::PageType::AMAP && t.page_type_repeat == t.page_type.0 && t.bid.0 == layout.amap_first
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    fn any_header() -> impl Strategy<Value = Header> {
        (0usize..3, any::<[u32; 32]>(), any::<[u32; 8]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(l, nids, words, wide, lock)| {
            let layout = Layout::all()[l];
            let narrow = |v: u64| if layout.is_ansi() { v & 0xFFFF_FFFF } else { v };
            let mut h = Header::new(layout, FileKind::Ost, CryptMethod::Cyclic);
            h.nid_high_water = nids;
            h.unique = words[0];
            h.orphans = words[1];
            h.reserved = [words[2], words[3]];
            h.bid_next_block = Bid(narrow(wide));
            h.bid_next_page = Bid(narrow(wide.rotate_left(7)));
            h.root.nbt = Bref { bid: Bid(narrow(wide ^ 5)), ib: Ib(narrow(wide ^ 9)) };
            h.root.bbt = Bref { bid: Bid(narrow(wide ^ 15)), ib: Ib(narrow(wide ^ 91)) };
            h.root.file_eof = Ib(narrow(wide.rotate_left(3)));
            h.root.amap_free = narrow(wide.rotate_left(13));
            h.lock = lock;
            h
        })
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(h in any_header()) {
            let bytes = h.encode().unwrap();
            prop_assert_eq!(Header::decode(&bytes, &mut Strict).unwrap(), h);
        }

        #[test]
        fn any_flipped_byte_that_a_checksum_covers_is_found(h in any_header(), at in 4usize..524) {
            let mut bytes = h.encode().unwrap();
            let covered = if h.layout.is_ansi() { 479 } else { 524 };
            if at < covered && !(10..12).contains(&at) {
                bytes[at] ^= 0x40;
                prop_assert!(Header::decode(&bytes, &mut Strict).is_err());
            }
        }
    }

    #[test]
    fn an_ansi_header_refuses_wide_offsets() {
        let mut h = Header::new(&super::super::layout::ANSI, FileKind::Pst, CryptMethod::None);
        h.root.file_eof = Ib(1 << 33);
        assert_eq!(h.encode(), Err(IdTooWide(1 << 33)));
    }

    #[test]
    fn foreign_files_are_named() {
        for (bytes, name, word) in [
            (&b""[..], "x.pst", "empty"),
            (b"PK\x03\x04....", "x.pst", "ZIP"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "x.msg", ".msg"),
            (b"....", "~name.pst.tmp", "temporary"),
            (b"\x0D\xF0\xAD\xBA", "x.nk2", "nickname"),
            (b"\x20\0\0\0", "u.oab", "address book"),
            (b"abc", "spscoll.dat", "index"),
        ] {
            let said = ForeignFile::of(bytes, bytes.len() as u64, name).text;
            assert!(said.contains(word), "{name}: {said}");
        }
    }
}
