//! Undo files of repairs in place: the overwritten bytes, their file, and the signs that it was changed since.
//!
//! An undo file is small, begins with its head, and is complete and on the medium before anything is overwritten:
//!
//! ```text
//!  0 "PSTKUNDO"  8 version[4] = 3  12 length of the head[4]  16 way[4]: 1 records, 2 old file kept  20 length of a header[4]
//! 24 length of the target before[8]  32 its length after[8]  40 CRC of its header before[4] during[4] after[4]
//! 52 flags[4]: 1 the record key is known, 2 the file's identity is known  56 record key of the store[16]
//! 72 device[8]  80 inode[8]  88 owner[4]  92 records, or bytes of the name[4]
//! 96 way 1: of each record offset[8] length[4] SHA-256[32], then the header during and the header after
//!    way 2: SHA-256 of the old file[32], the name under which it is kept
//!    then SHA-256 of everything before[32]
//!    way 1: then the old bytes of each record
//! ```
//!
//! Way 1 is that of a repair that adds to the file: the records are in order, lie within the old file, and the first is its header.
//! Way 2 is that of a file that was written anew: the old one keeps every byte under a name of its own beside the undo file, which is the undo
//! file's with `.kept` behind it (or `.kept-1` and so on). Undo files of the version before are read under the same tests ([`head`]).
//!
//! Undoing tests all of that first, and that the target is the file and that nobody has used it since. Whoever writes to a data file
//! writes its header; so a header that is neither the old one nor one of the repair's, nor torn between them, says that the file was
//! used, and undoing would lose that. Where a test fails, nothing is changed. Records are put back with the header last, read again, and only
//! then is the file cut to its old length; whatever fails on the way, the bytes before are put back. Undoing twice is undoing once, so that
//! an undo that was interrupted is just run again.
//!
//! A repair that was interrupted is taken back unasked by the next one. That needs more: the file has the device and the inode that the head
//! names, and the undo file is its owner's or the user's own, and nobody else may write to it ([`back`]).

mod back;
mod head;
mod kept;

pub use back::{LaterWrites, in_the_way, take_back_interrupted, undo};
pub(super) use back::{in_the_way_of, record_key};
pub(super) use kept::keep_whole;

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::index;
use crate::format::crc::crc;
use crate::io::{AtomicFile, FileId, ReadAt, Storage};
use head::{Head, Piece, Way, digest_of};
use std::borrow::Cow;
use std::fs::Metadata;
use std::path::Path;

/// The bytes that a medium writes whole.
const SECTOR: usize = 512;

/// The error of an undo file that does not serve; `force` would not help.
fn unfit(what: impl Into<String>) -> Error {
    ErrorKind::Unfit { what: what.into(), force: false }.into()
}

/// The bytes of a file before it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndoRecord {
    /// Bytes that the file had.
    pub len: u64,
    /// Bytes that it has after the repair.
    pub new_len: u64,
    /// Ranges that are overwritten, in order, and the bytes that stood there; the first is the header.
    pub ranges: Vec<(u64, Vec<u8>)>,
    /// The headers that the repair writes, one after the other.
    pub headers: [Vec<u8>; 2],
    /// The store's record key ([MS-PST] 2.4.3.1), where it is known.
    pub record_key: Option<[u8; 16]>,
    /// The file, where the target is one.
    pub file: Option<FileId>,
}

impl UndoRecord {
    /// Reads the bytes in the ranges (offset and length) now.
    ///
    /// # Errors
    /// Errors of the medium.
    pub fn take(target: &dyn ReadAt, ranges: &[(u64, usize)]) -> Result<Self> {
        let len = target.len();
        let file = target.file().and_then(FileId::of);
        let mut out =
            Self { len, new_len: len, ranges: Vec::with_capacity(ranges.len()), headers: Default::default(), record_key: None, file };
        for (at, len) in ranges {
            let len = (*len).min(index(out.len.saturating_sub(*at)));
            let mut bytes = vec![0; len];
            target.read_exact_at(&mut bytes, *at).map_err(|e| Error::io_at(e, *at))?;
            out.ranges.push((*at, bytes));
        }
        Ok(out)
    }

    fn head(&self) -> Head {
        let piece = |(at, bytes): &(u64, Vec<u8>)| Piece { at: *at, len: bytes.len(), from: 0, digest: Some(digest_of(bytes)) };
        let [during, after] = &self.headers;
        let old = self.ranges.first().map_or(&[][..], |(_, bytes)| bytes);
        Head {
            len: self.len,
            new_len: Some(self.new_len),
            crcs: [crc(old), crc(during), crc(after)],
            key: self.record_key,
            file: self.file,
            way: Way::Records { pieces: self.ranges.iter().map(piece).collect(), headers: self.headers.clone() },
        }
    }

    /// The bytes of the undo file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.head().encode();
        self.ranges.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
        out
    }

    /// Decodes an undo file with records, of this version or the one before.
    ///
    /// # Errors
    /// [`ErrorKind::Unfit`] where the bytes are none, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let head = Head::read(&bytes, u64::MAX)?;
        let Way::Records { pieces, headers } = &head.way else { return Err(unfit("it holds no records")) };
        let ranges = pieces.iter().map(|p| Ok((p.at, head.bytes(&bytes, p)?))).collect::<Result<_>>()?;
        let new_len = head.new_len.unwrap_or(head.len);
        Ok(Self { len: head.len, new_len, ranges, headers: headers.clone(), record_key: head.key, file: head.file })
    }

    /// Whether nobody but the repair, which may have been interrupted anywhere, has written to the target.
    ///
    /// # Errors
    /// Errors of the medium.
    pub fn is_unused(&self, target: &dyn ReadAt) -> Result<bool> {
        let Some((0, old)) = self.ranges.first() else { return Ok(true) };
        Ok(state_of(target, old, &self.headers)? != State::Used)
    }

    /// Puts everything back as it was.
    ///
    /// # Errors
    /// [`ErrorKind::Unfit`] where the target is shorter than it was: then it is another file; errors of the medium.
    pub fn apply(&self, target: &dyn Storage) -> Result<()> {
        let get = |i: usize| Ok(self.ranges.get(i).map_or((0, Cow::default()), |(at, bytes)| (*at, Cow::from(bytes))));
        put_back(target, self.len, self.ranges.len(), &get)
    }

    /// Writes the undo file, which nobody may read who may not read `target`; it is complete and on the medium when this returns.
    ///
    /// # Errors
    /// Where the file exists already; errors of the medium.
    pub fn save(&self, path: &Path, target: &Metadata) -> Result<()> {
        save(&self.encode(), path, target)
    }
}

fn save(bytes: &[u8], path: &Path, target: &Metadata) -> Result<()> {
    let file = AtomicFile::create_private(path)?;
    file.take_permissions(target);
    file.storage()?.write_all_at(bytes, 0).map_err(|e| Error::io_at(e, 0))?;
    file.commit()
}

/// How far the repair of a file has come, as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The header is the old one.
    Before,
    /// It is one of the repair's before the last, or torn.
    Between,
    /// It is the repair's last.
    After,
    /// Somebody else wrote it.
    Used,
}

/// Tells it from the old header and those of the repair.
fn state_of(target: &dyn ReadAt, old: &[u8], headers: &[Vec<u8>; 2]) -> Result<State> {
    let mut now = vec![0; old.len().min(index(target.len()))];
    target.read_exact_at(&mut now, 0).map_err(|e| Error::io_at(e, 0))?;
    let known = |i: usize, sector: &[u8]| {
        let at = i.saturating_mul(SECTOR);
        let same = |h: &[u8]| h.get(at..at.saturating_add(sector.len())) == Some(sector);
        same(old) || headers.iter().any(|h| same(h))
    };
    Ok(match &headers {
        _ if now == old => State::Before,
        [_, after] if now == *after => State::After,
        _ if now.len() == old.len() && now.chunks(SECTOR).enumerate().all(|(i, sector)| known(i, sector)) => State::Between,
        _ => State::Used,
    })
}

/// Writes records back, reads them again, and cuts the target to its old length.
fn put_back<'b>(target: &dyn Storage, len: u64, count: usize, get: &dyn Fn(usize) -> Result<(u64, Cow<'b, [u8]>)>) -> Result<()> {
    if target.len() < len {
        return Err(unfit(format!("the file has {} bytes and had {len}: it is not the one that was repaired", target.len())));
    }
    // The header stands first in the file and comes last: until then the new state is whole but for its maps.
    for i in (0..count).rev() {
        let (at, bytes) = get(i)?;
        target.write_all_at(&bytes, at).map_err(|e| Error::io_at(e, at))?;
    }
    target.sync().map_err(ErrorKind::Io)?;
    // the bytes behind the old end go only when all else is seen to be there
    let mut now = Vec::new();
    for i in 0..count {
        let (at, bytes) = get(i)?;
        now.resize(bytes.len(), 0);
        target.read_exact_at(&mut now, at).map_err(|e| Error::io_at(e, at))?;
        if *now != *bytes {
            return Err(Error::io_at(std::io::Error::other("the medium does not hold what was written to it"), at));
        }
    }
    target.set_len(len).map_err(ErrorKind::Io)?;
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
    match target.len() == len {
        true => Ok(()),
        false => Err(ErrorKind::Io(std::io::Error::other("the medium does not hold what was written to it")).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
    use super::*;
    use crate::io::MemoryStorage;
    use proptest::prelude::*;

    /// The work of a repair: a target before and after, and its record.
    fn repaired(before: &[u8], places: &[(usize, usize)], tail: usize) -> (UndoRecord, Vec<u8>) {
        let target = MemoryStorage::new(before.to_vec());
        let mut ranges = vec![(0u64, 564)];
        for (gap, len) in places {
            let at = ranges.last().map_or(0, |(at, len)| at + *len as u64) + *gap as u64;
            if at + (*len as u64) < before.len() as u64 {
                ranges.push((at, *len));
            }
        }
        let new_len = (before.len() + tail) as u64;
        let headers = [vec![0xD0; 564], vec![0xAF; 564]];
        let record = UndoRecord { headers: headers.clone(), new_len, ..UndoRecord::take(&target, &ranges).unwrap() };
        for (at, bytes) in &record.ranges {
            target.write_all_at(&vec![0xEE; bytes.len()], *at).unwrap();
        }
        target.write_all_at(&headers[1], 0).unwrap();
        target.set_len(new_len).unwrap();
        (record, target.to_bytes())
    }

    proptest! {
        #[test]
        fn undoing_brings_back_every_byte(
            before in proptest::collection::vec(any::<u8>(), 600..3000),
            places in proptest::collection::vec((0usize..500, 1usize..200), 0..6),
            tail in 0usize..500,
        ) {
            let (record, after) = repaired(&before, &places, tail);
            prop_assert_eq!(&UndoRecord::decode(&record.encode()).unwrap(), &record);
            let target = MemoryStorage::new(after);
            prop_assert!(record.is_unused(&target).unwrap());
            record.apply(&target).unwrap();
            prop_assert_eq!(target.to_bytes(), before.clone());
            record.apply(&target).unwrap();
            prop_assert_eq!(target.to_bytes(), before);
        }
    }

    /// Every single byte counts: a file that differs in one is none.
    #[test]
    fn a_changed_undo_file_is_refused() {
        let (record, _) = repaired(&(0..2000u32).map(|i| (i % 250) as u8).collect::<Vec<_>>(), &[(3, 60), (100, 40)], 77);
        let bytes = record.encode();
        for at in 0..bytes.len() {
            for x in [1, 0x80, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[at] ^= x;
                assert!(UndoRecord::decode(&bytes).is_err(), "{at}");
            }
            assert!(UndoRecord::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(UndoRecord::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    /// A head whose digest is right is believed no more than any other.
    #[test]
    fn records_that_do_not_lie_in_the_old_file_are_refused() {
        let (record, _) = repaired(&[7; 2000], &[(3, 60), (100, 40)], 77);
        let refused = |change: &dyn Fn(&mut UndoRecord)| {
            let mut record = record.clone();
            change(&mut record);
            UndoRecord::decode(&record.encode()).unwrap_err().to_string()
        };
        assert!(refused(&|r| r.len = 100).contains("outside"));
        assert!(refused(&|r| r.ranges[2].0 = 1990).contains("outside"));
        assert!(refused(&|r| r.ranges[2].0 = 570).contains("another one"));
        assert!(refused(&|r| r.ranges[1].0 = u64::MAX - 3).contains("outside"));
        assert!(refused(&|r| drop(r.ranges.remove(0))).contains("header"));
        assert!(refused(&|r| r.ranges.clear()).contains("header"));
        assert!(refused(&|r| r.headers = Default::default()).contains("header"));
        assert!(refused(&|r| r.new_len = 1999).contains("shorter"));
    }

    /// The version before this one is read, under the same tests.
    #[test]
    fn an_undo_file_of_the_version_before_is_read() {
        let (record, _) = repaired(&[7; 2000], &[(3, 60), (100, 40)], 0);
        let earlier = |record: &UndoRecord| {
            let mut out = [&b"PSTKUNDO"[..], &2u32.to_le_bytes(), &(record.ranges.len() as u32).to_le_bytes()].concat();
            out.extend([&record.len.to_le_bytes()[..], &2u32.to_le_bytes()].concat());
            for (at, bytes) in &record.ranges {
                out.extend([&at.to_le_bytes()[..], &(bytes.len() as u32).to_le_bytes(), bytes].concat());
            }
            record.headers.iter().for_each(|h| out.extend([&(h.len() as u32).to_le_bytes()[..], h].concat()));
            out.extend(crc(&out).to_le_bytes());
            out
        };
        let bytes = earlier(&record);
        let read = UndoRecord::decode(&bytes).unwrap();
        assert_eq!((&read.ranges, &read.headers, read.len), (&record.ranges, &record.headers, 2000));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            assert!(UndoRecord::decode(&bytes).is_err(), "{at}");
        }
        let outside = UndoRecord { len: 600, ..record.clone() };
        assert!(UndoRecord::decode(&earlier(&outside)).is_err());
        let headless = UndoRecord { ranges: record.ranges[1..].to_vec(), ..record };
        assert!(UndoRecord::decode(&earlier(&headless)).is_err());
    }
}
