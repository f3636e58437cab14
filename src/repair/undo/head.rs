//! The head of an undo file: encoding, decoding, and the tests that every undo file has to pass before anything is changed.

use super::{kept, unfit};
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, le32, le64, low32, u32_at, u64_at, wide};
use crate::format::crc::{crc, crc_on};
use crate::format::header::HEADER_MAX;
use crate::io::{FileId, ReadAt};
use sha2::{Digest, Sha256};

pub(super) const MAGIC: &[u8; 8] = b"PSTKUNDO";
/// The version that is written.
const VERSION: u32 = 3;
/// The version before: records without digests, and one checksum over the whole file.
const EARLIER: u32 = 2;
/// Bytes of the head before its table.
const FIXED: usize = 96;
/// Bytes of a record in the table.
const ENTRY: usize = 44;
/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of the head of the version before.
const EARLIER_HEAD: u64 = 28;
/// A head has at most so many bytes: records for the maps of a file of 90 GB.
const HEAD_MOST: usize = 16 << 20;
/// A record has at most so many bytes.
const RECORD_MOST: usize = 1 << 20;
/// A file name has at most so many bytes.
const NAME_MOST: usize = 4096;
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;
/// The mark at the end of an old file that was kept under the undo file's name, by the version before.
const WHOLE: &[u8; 8] = b"PSTKWHOL";
const WHOLE_LEN: usize = 36;

const RECORDS: u32 = 1;
const KEPT: u32 = 2;
const HAS_KEY: u32 = 1;
const HAS_FILE: u32 = 2;

pub(super) type Sha = [u8; DIGEST];

/// A range that a repair overwrote, and where its old bytes are in the undo file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Place in the target.
    pub(super) at: u64,
    pub(super) len: usize,
    /// Place in the undo file.
    pub(super) from: u64,
    /// Digest of the old bytes; the version before has none.
    pub(super) digest: Option<Sha>,
}

/// How the old bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The undo file has those that were overwritten. The headers are those that the repair writes, one after the other.
    Records { pieces: Vec<Piece>, headers: [Vec<u8>; 2] },
    /// The old file is there whole, under a name of its own.
    Kept { name: String, digest: Sha },
    /// The old file is the undo file itself, without the mark at its end (the version before).
    Marked,
}

/// The facts that an undo file has of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Length of the target before the repair.
    pub(super) len: u64,
    /// Its length after the repair; the version before does not say for records.
    pub(super) new_len: Option<u64>,
    /// Checksums of its header before, during and after the repair.
    pub(super) crcs: [u32; 3],
    /// The store's record key.
    pub(super) key: Option<[u8; 16]>,
    /// The file that was repaired.
    pub(super) file: Option<FileId>,
    pub(super) way: Way,
}

/// Checksum of the first `len` bytes of a file, or of all where it is shorter.
pub(super) fn header_crc(of: &dyn ReadAt, len: usize) -> Result<u32> {
    let mut bytes = vec![0; len.min(index(of.len()))];
    of.read_exact_at(&mut bytes, 0).map_err(|e| Error::io_at(e, 0))?;
    Ok(crc(&bytes))
}

/// Calls `each` with all bytes of a range, in order, some at a time.
fn each_chunk(of: &dyn ReadAt, from: u64, to: u64, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut at = from;
    let mut buf = vec![0; CHUNK.min(index(to.saturating_sub(from)))];
    while at < to {
        let n = buf.len().min(index(to.saturating_sub(at)));
        let chunk = buf.get_mut(..n).unwrap_or_default();
        of.read_exact_at(chunk, at).map_err(|e| Error::io_at(e, at))?;
        each(chunk)?;
        at = at.saturating_add(wide(n.max(1)));
    }
    Ok(())
}

/// SHA-256 of the first `len` bytes.
pub(super) fn digest(of: &dyn ReadAt, len: u64, monitor: &dyn crate::monitor::Monitor) -> Result<Sha> {
    let mut hasher = Sha256::new();
    each_chunk(of, 0, len, &mut |chunk| {
        hasher.update(chunk);
        crate::monitor::step(monitor, wide(chunk.len()))
    })?;
    Ok(hasher.finalize().into())
}

pub(super) fn digest_of(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

impl Head {
    /// The bytes of the head. The places of pieces in the undo file are not encoded: they follow from their lengths.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        let (way, header_len, count) = match &self.way {
            Way::Records { pieces, headers } => {
                for p in pieces {
                    rest.extend_from_slice(&p.at.to_le_bytes());
                    rest.extend_from_slice(&low32(wide(p.len)).to_le_bytes());
                    rest.extend_from_slice(&p.digest.unwrap_or_default());
                }
                headers.iter().for_each(|h| rest.extend_from_slice(h));
                (RECORDS, headers.first().map_or(0, Vec::len), pieces.len())
            }
            Way::Kept { name, digest } => {
                rest.extend_from_slice(digest);
                rest.extend_from_slice(name.as_bytes());
                (KEPT, HEADER_MAX, name.len())
            }
            Way::Marked => (0, 0, 0),
        };
        let flags = if self.key.is_some() { HAS_KEY } else { 0 } | if self.file.is_some() { HAS_FILE } else { 0 };
        let file = self.file.unwrap_or_default();
        let all = FIXED.saturating_add(rest.len()).saturating_add(DIGEST);
        let mut out = Vec::with_capacity(all);
        out.extend_from_slice(MAGIC);
        for n in [VERSION, low32(wide(all)), way, low32(wide(header_len))] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.len, self.new_len.unwrap_or_default()] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.crcs.as_slice(), &[flags]].concat() {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.key.unwrap_or_default());
        for n in [file.device, file.inode] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [file.owner, low32(wide(count))] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&rest);
        let sum = digest_of(&out);
        out.extend_from_slice(&sum);
        out
    }

    /// Reads an undo file of this version or the one before, and tests everything that it says of itself: lengths, checksums and digests,
    /// and that its records lie in order within the old file, with its header first. No more is held than a head and one record.
    ///
    /// # Errors
    /// [`ErrorKind::Unfit`] where it fails a test; errors of the medium.
    pub(super) fn read(undo: &dyn ReadAt, target_len: u64) -> Result<Self> {
        let mut start = vec![0; FIXED.min(index(undo.len()))];
        undo.read_exact_at(&mut start, 0).map_err(|e| Error::io_at(e, 0))?;
        let head = match (start.starts_with(MAGIC), u32_at(&start, 8)) {
            (true, Some(VERSION)) => Self::decode(undo, &start)?,
            (true, Some(EARLIER)) => Self::decode_earlier(undo, &start)?,
            (true, Some(other)) => return Err(unfit(format!("its version {other} is unknown: a newer pstkit wrote it"))),
            _ => match marked(undo)? {
                Some(head) => head,
                None => return Err(unfit("it is no undo file, or its end is missing")),
            },
        };
        // before anything that is as large as the head says is read
        if matches!(head.way, Way::Records { .. }) && head.len > target_len {
            let had = head.len;
            return Err(unfit(format!("the file has {target_len} bytes and had {had}: it is not the one that was repaired")));
        }
        head.hold(undo)?;
        Ok(head)
    }

    fn decode(undo: &dyn ReadAt, start: &[u8]) -> Result<Self> {
        let damaged = || unfit("its head is damaged");
        let fixed = start.get(..FIXED).ok_or_else(damaged)?;
        let (all, way, header_len, count) = (le32(fixed, 12), le32(fixed, 16), le32(fixed, 20), index(le32(fixed, 92).into()));
        let header_len = index(header_len.into());
        let table = match way {
            RECORDS => count.checked_mul(ENTRY).and_then(|n| n.checked_add(header_len.checked_mul(2)?)),
            KEPT if count <= NAME_MOST => count.checked_add(DIGEST),
            _ => None,
        };
        let size = table.and_then(|n| n.checked_add(FIXED)?.checked_add(DIGEST)).filter(|n| *n <= HEAD_MOST).ok_or_else(damaged)?;
        if wide(size) != u64::from(all) || wide(size) > undo.len() || header_len > HEADER_MAX {
            return Err(damaged());
        }
        let mut bytes = vec![0; size];
        undo.read_exact_at(&mut bytes, 0).map_err(|e| Error::io_at(e, 0))?;
        let (body, sum) = bytes.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        if digest_of(body) != *sum {
            return Err(damaged());
        }
        let rest = body.get(FIXED..).unwrap_or_default();
        let way = if way == RECORDS {
            let (table, headers) = rest.split_at_checked(count.saturating_mul(ENTRY)).ok_or_else(damaged)?;
            let mut from = wide(size);
            let mut pieces = Vec::with_capacity(count);
            for entry in table.chunks_exact(ENTRY) {
                let len = index(le32(entry, 8).into());
                pieces.push(Piece { at: le64(entry, 0), len, from, digest: entry.last_chunk::<DIGEST>().copied() });
                from = from.saturating_add(wide(len));
            }
            let (during, after) = headers.split_at_checked(header_len).ok_or_else(damaged)?;
            Way::Records { pieces, headers: [during.to_vec(), after.to_vec()] }
        } else {
            let (digest, name) = rest.split_first_chunk::<DIGEST>().ok_or_else(damaged)?;
            Way::Kept { name: String::from_utf8(name.to_vec()).map_err(|_| damaged())?, digest: *digest }
        };
        let flags = le32(fixed, 52);
        let key = fixed.get(56..72).and_then(|b| <[u8; 16]>::try_from(b).ok()).filter(|_| flags & HAS_KEY != 0);
        let file = FileId { device: le64(fixed, 72), inode: le64(fixed, 80), owner: le32(fixed, 88) };
        Ok(Self {
            len: le64(fixed, 24),
            new_len: Some(le64(fixed, 32)),
            crcs: [le32(fixed, 40), le32(fixed, 44), le32(fixed, 48)],
            key,
            file: Some(file).filter(|_| flags & HAS_FILE != 0),
            way,
        })
    }

    /// Undo files of the version before:
    ///
    /// ```text
    /// 0 "PSTKUNDO"  8 version[4] = 2  12 ranges[4]  16 length of the file before[8]  24 headers[4]
    /// 28 ranges: offset[8] length[4] bytes ...     then headers that the repair writes: length[4] bytes ...     then CRC[4]
    /// ```
    fn decode_earlier(undo: &dyn ReadAt, start: &[u8]) -> Result<Self> {
        let damaged = || unfit("it is damaged: its checksum differs");
        let (count, len, headers) = (u32_at(start, 12), u64_at(start, 16), u32_at(start, 24));
        let (Some(count), Some(len), Some(2)) = (count, len, headers) else { return Err(damaged()) };
        let end = undo.len().checked_sub(4).ok_or_else(damaged)?;
        let mut at = EARLIER_HEAD;
        let number = |at: u64, n: usize| -> Result<u64> {
            let mut bytes = [0; 8];
            if at.checked_add(wide(n)).is_none_or(|after| after > end) {
                return Err(damaged());
            }
            undo.read_exact_at(bytes.get_mut(..n).unwrap_or_default(), at).map_err(|e| Error::io_at(e, at))?;
            Ok(le64(&bytes, 0))
        };
        let mut pieces = Vec::new();
        for _ in 0..count {
            let piece =
                Piece { at: number(at, 8)?, len: index(number(at.saturating_add(8), 4)?), from: at.saturating_add(12), digest: None };
            at = piece.from.saturating_add(wide(piece.len));
            pieces.push(piece);
            if pieces.len().saturating_mul(ENTRY) > HEAD_MOST {
                return Err(damaged());
            }
        }
        let mut written = [Vec::new(), Vec::new()];
        for header in &mut written {
            let n = index(number(at, 4)?);
            let from = at.saturating_add(4);
            if n > HEADER_MAX || from.saturating_add(wide(n)) > end {
                return Err(damaged());
            }
            header.resize(n, 0);
            undo.read_exact_at(header, from).map_err(|e| Error::io_at(e, from))?;
            at = from.saturating_add(wide(n));
        }
        if at != end {
            return Err(damaged());
        }
        // the lengths add up, so that only so much is read as the records of the old file can have
        let mut old = vec![0; pieces.first().map_or(0, |p| p.len.min(HEADER_MAX))];
        undo.read_exact_at(&mut old, EARLIER_HEAD.saturating_add(12)).map_err(|e| Error::io_at(e, EARLIER_HEAD))?;
        let crcs = [crc(&old), crc(&written[0]), crc(&written[1])];
        Ok(Self { len, new_len: None, crcs, key: None, file: None, way: Way::Records { pieces, headers: written } })
    }

    /// The tests that do not need the target.
    fn hold(&self, undo: &dyn ReadAt) -> Result<()> {
        let Way::Records { pieces, headers } = &self.way else { return self.hold_kept(undo) };
        let last = self.hold_places(pieces, headers)?;
        match self.new_len {
            Some(_) if last != undo.len() => return Err(damaged("its length is not the one that its head says")),
            Some(_) => {}
            None => hold_sum(undo)?,
        }
        for p in pieces {
            let bytes = self.bytes(undo, p)?;
            if p.at == 0 && crc(&bytes) != self.crcs[0] {
                return Err(damaged("the old header has another checksum"));
            }
        }
        match headers.iter().map(|h| crc(h)).eq(self.crcs.iter().skip(1).copied()) {
            true => Ok(()),
            false => Err(damaged("a header has another checksum")),
        }
    }

    /// The tests of where records lie; answers where their bytes end.
    fn hold_places(&self, pieces: &[Piece], headers: &[Vec<u8>; 2]) -> Result<u64> {
        let header_len = headers.first().map_or(0, Vec::len);
        let is_header = |p: &Piece| p.at == 0 && p.len == header_len && (512..=HEADER_MAX).contains(&p.len);
        if !pieces.first().is_some_and(is_header) || headers.iter().any(|h| h.len() != header_len) {
            return Err(damaged("the header is not among its records"));
        }
        if self.new_len.is_some_and(|n| n < self.len) {
            return Err(damaged("a repair in place does not make a file shorter"));
        }
        let (mut end, mut last) = (0u64, 0u64);
        for p in pieces {
            let after = p.at.checked_add(wide(p.len)).filter(|after| *after <= self.len);
            let (true, Some(after), true) = (p.at >= end, after, p.len <= RECORD_MOST) else {
                return Err(damaged("a record lies outside the old file or over another one"));
            };
            end = after;
            last = p.from.saturating_add(wide(p.len));
        }
        Ok(last)
    }

    fn hold_kept(&self, undo: &dyn ReadAt) -> Result<()> {
        match &self.way {
            Way::Kept { name, .. } if kept::suffix_of(name).is_none() => Err(damaged("it names a file that no repair kept")),
            Way::Kept { .. } if wide(self.encode().len()) != undo.len() => Err(damaged("its length is not the one that its head says")),
            _ => Ok(()),
        }
    }

    /// The old bytes of a record.
    ///
    /// # Errors
    /// [`ErrorKind::Unfit`] where they are not those that the head says; errors of the medium.
    pub(super) fn bytes(&self, undo: &dyn ReadAt, piece: &Piece) -> Result<Vec<u8>> {
        let mut bytes = vec![0; piece.len.min(RECORD_MOST)];
        undo.read_exact_at(&mut bytes, piece.from).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => unfit("it is damaged: its end is missing"),
            _ => Error::new(ErrorKind::Io(e)),
        })?;
        match piece.digest {
            Some(digest) if digest != digest_of(&bytes) => Err(unfit("it is damaged: a record has another digest")),
            _ => Ok(bytes),
        }
    }
}

fn damaged(what: &str) -> Error {
    unfit(format!("it is damaged: {what}"))
}

/// The checksum at the end of an undo file of the version before.
fn hold_sum(undo: &dyn ReadAt) -> Result<()> {
    let end = undo.len().saturating_sub(4);
    let mut sum = 0;
    each_chunk(undo, 0, end, &mut |chunk| {
        sum = crc_on(sum, chunk);
        Ok(())
    })?;
    let mut said = [0; 4];
    undo.read_exact_at(&mut said, end).map_err(|e| Error::io_at(e, end))?;
    if sum == le32(&said, 0) { Ok(()) } else { Err(damaged("its checksum differs")) }
}

/// An old file that the version before kept under the undo file's name, with 36 bytes at its end:
///
/// ```text
/// 0 "PSTKWHOL"  8 its own length[8]  16 length of the new file[8]  24 CRC of the new file's header[4]  28 zero[4]  32 CRC[4]
/// ```
fn marked(undo: &dyn ReadAt) -> Result<Option<Head>> {
    let Some(at) = undo.len().checked_sub(wide(WHOLE_LEN)) else { return Ok(None) };
    let mut mark = [0; WHOLE_LEN];
    undo.read_exact_at(&mut mark, at).map_err(|e| Error::io_at(e, at))?;
    let (body, sum) = mark.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
    if !mark.starts_with(WHOLE) || crc(body) != le32(sum, 0) || le64(&mark, 8) != at {
        return Ok(None);
    }
    let old = header_crc(undo, HEADER_MAX.min(index(at)))?;
    let new = le32(&mark, 24);
    Ok(Some(Head { len: at, new_len: Some(le64(&mark, 16)), crcs: [old, old, new], key: None, file: None, way: Way::Marked }))
}
