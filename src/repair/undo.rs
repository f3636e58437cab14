//! The undo file of a repair in place: what was overwritten, how long the file was, and how to tell that nothing else has changed it since.
//!
//! ```text
//! 0 "PSTKUNDO"  8 version[4] = 2  12 ranges[4]  16 length of the file before[8]  24 headers[4]
//! 28 ranges: offset[8] length[4] bytes ...     then headers that the repair writes: length[4] bytes ...     then CRC[4]
//! ```
//!
//! It is complete and on the medium before anything is overwritten. Undoing writes the records back and cuts the file to its old
//! length; doing it twice is doing it once, so that an undo that was interrupted is just run again. Whoever writes to a data file
//! writes its header; so a header that is neither the old one nor one of the repair's, nor torn between them, says that the file has been
//! used since, and undoing would lose that.
//!
//! Where the file was written anew and whole, the old one itself stands under the undo file's name, with 36 bytes at its end:
//!
//! ```text
//! 0 "PSTKWHOL"  8 its own length[8]  16 length of the new file[8]  24 CRC of the new file's header[4]  28 zero[4]  32 CRC[4]
//! ```

use crate::check::report::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, le32, le64, u32_at, u64_at, wide};
use crate::format::crc::crc;
use crate::format::header::MAGIC as HEADER_MAGIC;
use crate::io::{AtomicFile, FileStorage, ReadAt, Storage};
use std::path::Path;

const MAGIC: &[u8; 8] = b"PSTKUNDO";
const VERSION: u32 = 2;
const HEAD: usize = 28;
const WHOLE: &[u8; 8] = b"PSTKWHOL";
const WHOLE_LEN: usize = 36;
/// What a medium writes whole.
const SECTOR: usize = 512;

/// What was in a file before it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRecord {
    /// Bytes that the file had.
    pub len: u64,
    /// Ranges that are overwritten, and what stood there.
    pub ranges: Vec<(u64, Vec<u8>)>,
    /// The headers that the repair writes, one after the other.
    pub headers: Vec<Vec<u8>>,
}

impl UndoRecord {
    /// Reads what stands in the ranges (offset and length) now.
    ///
    /// # Errors
    /// Errors of the medium.
    pub fn take(target: &dyn ReadAt, ranges: &[(u64, usize)]) -> Result<Self> {
        let mut out = Self { len: target.len(), ranges: Vec::with_capacity(ranges.len()), headers: Vec::new() };
        for (at, len) in ranges {
            let len = (*len).min(index(out.len.saturating_sub(*at)));
            let mut bytes = vec![0; len];
            target.read_exact_at(&mut bytes, *at).map_err(|e| Error::io_at(e, *at))?;
            out.ranges.push((*at, bytes));
        }
        Ok(out)
    }

    /// The bytes of the undo file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.ranges.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (at, bytes) in &self.ranges {
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        for bytes in &self.headers {
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        let sum = crc(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Decodes an undo file; `None` where the bytes are none, or not all of one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if !body.starts_with(MAGIC) || u32_at(body, 8)? != VERSION || crc(body) != le32(sum, 0) {
            return None;
        }
        let count = u32_at(body, 12)?;
        let headers = u32_at(body, 24)?;
        let mut out = Self { len: u64_at(body, 16)?, ranges: Vec::new(), headers: Vec::new() };
        let mut at = HEAD;
        for _ in 0..count {
            let place = u64_at(body, at)?;
            let len = index(u32_at(body, at.checked_add(8)?)?.into());
            let start = at.checked_add(12)?;
            let end = start.checked_add(len)?;
            out.ranges.push((place, body.get(start..end)?.to_vec()));
            at = end;
        }
        for _ in 0..headers {
            let start = at.checked_add(4)?;
            let end = start.checked_add(index(u32_at(body, at)?.into()))?;
            out.headers.push(body.get(start..end)?.to_vec());
            at = end;
        }
        (at == body.len()).then_some(out)
    }

    /// Whether nobody but the repair, which may have been interrupted anywhere, has written to the target.
    ///
    /// # Errors
    /// Errors of the medium.
    pub fn is_unused(&self, target: &dyn ReadAt) -> Result<bool> {
        let old = self.ranges.iter().find(|(at, _)| *at == 0).map(|(_, bytes)| bytes);
        let Some(old) = old.filter(|_| !self.headers.is_empty()) else { return Ok(true) };
        let mut now = vec![0; old.len().min(index(target.len()))];
        target.read_exact_at(&mut now, 0).map_err(|e| Error::io_at(e, 0))?;
        let sectors = now.chunks(SECTOR).enumerate();
        let known = |i: usize, sector: &[u8]| {
            let at = i.saturating_mul(SECTOR);
            let same = |h: &Vec<u8>| h.get(at..at.saturating_add(sector.len())) == Some(sector);
            same(old) || self.headers.iter().any(same)
        };
        Ok(now.len() == old.len() && sectors.into_iter().all(|(i, sector)| known(i, sector)))
    }

    /// Puts everything back as it was.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where the target is shorter than it was: then it is another file; errors of the medium.
    pub fn apply(&self, target: &dyn Storage) -> Result<()> {
        if target.len() < self.len {
            let what = format!("the file has {} bytes and had {}: it is not the one that was repaired", target.len(), self.len);
            return Err(ErrorKind::Usage(what).into());
        }
        // The header stands first in the file and comes last: until then the new state is whole but for its maps.
        for (at, bytes) in self.ranges.iter().rev() {
            target.write_all_at(bytes, *at).map_err(|e| Error::io_at(e, *at))?;
        }
        target.sync().map_err(ErrorKind::Io)?;
        target.set_len(self.len).map_err(ErrorKind::Io)?;
        target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))
    }

    /// Writes the undo file; it is complete and on the medium when this returns.
    ///
    /// # Errors
    /// Where the file exists already; errors of the medium.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = AtomicFile::create(path, false)?;
        let bytes = self.encode();
        file.storage()?.write_all_at(&bytes, 0).map_err(|e| Error::io_at(e, 0))?;
        file.commit()
    }
}

/// Restores `target` byte for byte to what it was before the repair that made the undo file `undo`, which is removed then. A target that
/// has been changed since the repair, or is another file, is only written to with `force`. Answers whether every byte is surely as it was: where
/// `force` was needed, only what the repair had overwritten is put back, and the undo file stays.
///
/// # Errors
/// [`ErrorKind::Usage`] where `undo` is no undo file, belongs to another file, or the target has been changed since;
/// [`ErrorKind::Locked`] where another process holds the target; errors of the medium.
pub fn undo(undo: &Path, target: &Path, force: bool) -> Result<bool> {
    let usage = |what: String| -> Result<bool> { Err(Error::new(ErrorKind::Usage(what))) };
    if is_same(undo, target) {
        // a crash came before the new file got its name
        return std::fs::remove_file(undo).map(|()| true).map_err(|e| Error::new(ErrorKind::Io(e)));
    }
    if undo.canonicalize().is_ok_and(|u| target.canonicalize().is_ok_and(|t| u == t)) {
        return usage(format!("{} is the file itself, not its undo file", undo.display()));
    }
    let kept = FileStorage::open_exclusive(undo)?;
    let mut head = [0; 8];
    let is_record = kept.len() >= 8 && kept.read_exact_at(&mut head, 0).is_ok() && &head == MAGIC;
    let whole = if is_record { None } else { whole_undo(&kept)? };
    if !is_record && whole.is_none() && !may_be_old(&kept, undo, target) {
        return usage(format!("{} is no undo file", undo.display()));
    }
    let place = target.canonicalize().map_err(ErrorKind::Io)?;
    let held = FileStorage::open_exclusive(&place)?;
    let used = || {
        let what = "it is another file, or has been changed since it was repaired; undoing that repair would lose those changes: copy it first, then use --force";
        usage(format!("{}: {what}", target.display()))
    };
    if is_record {
        drop(kept);
        let Some(record) = UndoRecord::decode(&std::fs::read(undo).map_err(ErrorKind::Io)?) else {
            return usage(format!("{} is damaged: its checksum differs", undo.display()));
        };
        let whole = record.is_unused(&held)?;
        if !force && !whole {
            return used();
        }
        record.apply(&held)?;
        if whole {
            std::fs::remove_file(undo).map_err(ErrorKind::Io)?;
        }
        return Ok(whole);
    }
    // the file as it was stands under the undo file's name
    if whole.is_none()
        && let Some(len) = torn_mark(&kept, &Source::of(None, &held))?
    {
        kept.set_len(len).map_err(ErrorKind::Io)?;
    }
    if let Some((len, new_len, stamp)) = whole {
        let now = Source::of(None, &held);
        if !force && (now.size, now.stamp) != (new_len, stamp) {
            return used();
        }
        kept.set_len(len).map_err(ErrorKind::Io)?;
    }
    kept.sync().map_err(ErrorKind::Io)?;
    if std::fs::rename(undo, &place).is_err() {
        // on another disk
        let file = AtomicFile::create(&place, true)?;
        super::scratch::copy_bytes(&kept, file.storage()?, &())?;
        file.commit()?;
        drop(kept);
        std::fs::remove_file(undo).map_err(ErrorKind::Io)?;
    }
    drop(held);
    Ok(true)
}

/// Takes back a repair in place that was interrupted, so that the next one begins with the file as it was. Says whether there was one: a
/// repair that came to its end is not taken back, nor is anything where the file has been used since.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file; errors of the media.
pub fn take_back_interrupted(path: &Path, undo: &Path) -> Result<bool> {
    let gone = || std::fs::remove_file(undo).map_err(|e| Error::new(ErrorKind::Io(e)));
    if undo.symlink_metadata().is_err() {
        return Ok(false);
    }
    if is_same(undo, path) {
        return gone().map(|()| true);
    }
    let kept = FileStorage::open_exclusive(undo)?;
    let mut head = [0; 8];
    if kept.len() < 8 || kept.read_exact_at(&mut head, 0).is_err() || &head != MAGIC {
        return Ok(false);
    }
    let bytes = std::fs::read(undo).map_err(ErrorKind::Io)?;
    drop(kept);
    let Some(record) = UndoRecord::decode(&bytes) else { return Ok(false) };
    let held = FileStorage::open_exclusive(&path.canonicalize().map_err(ErrorKind::Io)?)?;
    let done = record.headers.last().is_some_and(|last| {
        let mut now = vec![0; last.len()];
        held.read_exact_at(&mut now, 0).is_ok() && now == *last
    });
    if done || held.len() < record.len || !record.is_unused(&held)? {
        return Ok(false);
    }
    record.apply(&held)?;
    gone().map(|()| true)
}

/// Whether two different names are one file: removing one of them loses nothing.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |p: &Path| p.canonicalize().ok().filter(|_| p.symlink_metadata().is_ok_and(|m| m.is_file()));
    if !matches!((real(a), b.canonicalize()), (Some(a), Ok(b)) if a != b) {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |p: &Path| std::fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
        id(a).is_some() && id(a) == id(b)
    }
    #[cfg(not(unix))]
    {
        // a link of the same bytes: nothing was changed yet
        let of = |p: &Path| FileStorage::open_exclusive(p).ok().map(|f| Source::of(None, &f));
        of(a).is_some() && of(a) == of(b)
    }
}

/// Marks the old file, kept whole under the undo file's name, as belonging to the new one.
pub(super) fn mark_whole(kept: &dyn Storage, new: &dyn ReadAt) -> Result<()> {
    let len = kept.len();
    kept.write_all_at(&whole_mark(len, &Source::of(None, new)), len).map_err(|e| Error::io_at(e, len))?;
    kept.sync().map_err(|e| Error::new(ErrorKind::Io(e)))
}

/// The mark of a file that had `len` bytes.
fn whole_mark(len: u64, new: &Source) -> Vec<u8> {
    let mut out = Vec::with_capacity(WHOLE_LEN);
    out.extend_from_slice(WHOLE);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&new.size.to_le_bytes());
    out.extend_from_slice(&new.stamp.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let sum = crc(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The length of the file before a mark was begun that a crash has cut off at the end of a sector, or of which only the length has come to the
/// medium.
fn torn_mark(kept: &dyn ReadAt, new: &Source) -> Result<Option<u64>> {
    let end = kept.len();
    for n in 1..=wide(WHOLE_LEN) {
        let Some(at) = end.checked_sub(n) else { break };
        let mut tail = vec![0; index(n)];
        kept.read_exact_at(&mut tail, at).map_err(|e| Error::io_at(e, at))?;
        let mark = whole_mark(at, new);
        let same = tail.iter().zip(&mark).take_while(|(a, b)| a == b).count();
        let whole_sectors = at.saturating_add(wide(same)).is_multiple_of(wide(SECTOR));
        let zeros = tail.get(same..).is_some_and(|rest| rest.iter().all(|b| *b == 0));
        let is_begun = same == tail.len() || (tail.len() == WHOLE_LEN && zeros);
        // data files have whole slots
        let is_sure = if same == 0 { at.is_multiple_of(64) } else { whole_sectors || same >= WHOLE.len() };
        if is_begun && is_sure {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// What the mark at the end of such a file says: its own length, and length and stamp of the new file.
fn whole_undo(kept: &dyn ReadAt) -> Result<Option<(u64, u64, u32)>> {
    let Some(at) = kept.len().checked_sub(wide(WHOLE_LEN)) else { return Ok(None) };
    let mut mark = [0; WHOLE_LEN];
    kept.read_exact_at(&mut mark, at).map_err(|e| Error::io_at(e, at))?;
    let (body, sum) = mark.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
    let fits = mark.starts_with(WHOLE) && crc(body) == le32(sum, 0) && le64(&mark, 8) == at;
    Ok(fits.then(|| (at, le64(&mark, 16), le32(&mark, 24))))
}

/// Whether a file that bears no mark may be the old file all the same, because a crash came before the mark: it has the signature of a data
/// file, which a record that is damaged has not.
fn may_be_old(kept: &dyn ReadAt, undo: &Path, target: &Path) -> bool {
    let beside = undo.parent() == target.parent();
    let named = undo.extension().is_some_and(|e| e == "undo");
    let mut head = [0; HEADER_MAGIC.len()];
    beside && named && kept.read_exact_at(&mut head, 0).is_ok() && head == HEADER_MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryStorage;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn undoing_brings_back_every_byte(
            before in proptest::collection::vec(any::<u8>(), 100..3000),
            places in proptest::collection::vec((0usize..2900, 1usize..200), 0..6),
            tail in proptest::collection::vec(any::<u8>(), 0..500),
        ) {
            let target = MemoryStorage::new(before.clone());
            let ranges: Vec<_> = places.into_iter().filter(|(at, _)| *at < before.len()).map(|(at, len)| (at as u64, len)).collect();
            let record = UndoRecord::take(&target, &ranges).unwrap();
            let record = UndoRecord::decode(&record.encode()).unwrap();
            for (at, bytes) in &record.ranges {
                target.write_all_at(&vec![0xEE; bytes.len()], *at).unwrap();
            }
            target.write_all_at(&tail, before.len() as u64).unwrap();
            record.apply(&target).unwrap();
            prop_assert_eq!(target.to_bytes(), before.clone());
            record.apply(&target).unwrap();
            prop_assert_eq!(target.to_bytes(), before);
        }

        #[test]
        fn a_mark_that_was_cut_off_is_found(len in 300usize..3000, cut in 0usize..WHOLE_LEN, only_length in any::<bool>()) {
            let new = Source::of(None, &vec![9u8; 600]);
            let len = if only_length { len / 64 * 64 } else { len };
            let old = vec![0xEE; len];
            let mark = whole_mark(len as u64, &new);
            let mut kept = old.clone();
            kept.extend_from_slice(&mark[..cut]);
            if only_length {
                kept.resize(len + WHOLE_LEN, 0);
            }
            let found = torn_mark(&kept, &new).unwrap();
            // a cut within the first word is none that a medium makes, but at the end of a sector
            if cut >= WHOLE.len() || (cut > 0 && (len + cut).is_multiple_of(SECTOR)) || (only_length && cut == 0) {
                prop_assert_eq!(found, Some(len as u64));
            }
            prop_assert_eq!(torn_mark(&old, &new).unwrap(), None);
        }

        #[test]
        fn a_changed_undo_file_is_refused(at in any::<prop::sample::Index>(), x in 1u8..) {
            let record = UndoRecord { len: 5, ranges: vec![(0, vec![1, 2, 3])], headers: vec![vec![7; 9]] };
            let mut bytes = record.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= x;
            prop_assert!(UndoRecord::decode(&bytes).is_none());
        }
    }
}
