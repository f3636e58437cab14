//! The undo file of a repair in place: what was overwritten, and how long the file was.
//!
//! ```text
//! 0 "PSTKUNDO"  8 version[4] = 1  12 count[4]  16 length of the file before[8]  24 records: offset[8] length[4] bytes ...  then CRC[4]
//! ```
//!
//! It is complete and on the medium before anything is overwritten. Undoing writes the records back and cuts the file to its old
//! length; doing it twice is doing it once, so that an undo that was interrupted is just run again.

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, le32, u32_at, u64_at};
use crate::format::crc::crc;
use crate::io::{AtomicFile, FileStorage, ReadAt, Storage};
use std::path::Path;

const MAGIC: &[u8; 8] = b"PSTKUNDO";
const VERSION: u32 = 1;
const HEAD: usize = 24;

/// What was in a file before it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRecord {
    /// Bytes that the file had.
    pub len: u64,
    /// Ranges that are overwritten, and what stood there.
    pub ranges: Vec<(u64, Vec<u8>)>,
}

impl UndoRecord {
    /// Reads what stands in the ranges (offset and length) now.
    ///
    /// # Errors
    /// Errors of the medium.
    pub fn take(target: &dyn ReadAt, ranges: &[(u64, usize)]) -> Result<Self> {
        let mut out = Self { len: target.len(), ranges: Vec::with_capacity(ranges.len()) };
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
        for (at, bytes) in &self.ranges {
            out.extend_from_slice(&at.to_le_bytes());
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
        let mut out = Self { len: u64_at(body, 16)?, ranges: Vec::new() };
        let mut at = HEAD;
        for _ in 0..count {
            let place = u64_at(body, at)?;
            let len = index(u32_at(body, at.checked_add(8)?)?.into());
            let start = at.checked_add(12)?;
            let end = start.checked_add(len)?;
            out.ranges.push((place, body.get(start..end)?.to_vec()));
            at = end;
        }
        (at == body.len()).then_some(out)
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

/// Restores `target` byte for byte to what it was before the repair that made the undo file `undo`. The undo file is removed.
///
/// # Errors
/// [`ErrorKind::Usage`] where `undo` is no undo file, or belongs to another file; [`ErrorKind::Locked`] where another process holds the
/// target; errors of the medium.
pub fn undo(undo: &Path, target: &Path) -> Result<()> {
    let bytes = std::fs::read(undo).map_err(ErrorKind::Io)?;
    if bytes.starts_with(MAGIC) {
        let Some(record) = UndoRecord::decode(&bytes) else {
            return Err(ErrorKind::Usage(format!("{} is damaged: its checksum differs", undo.display())).into());
        };
        record.apply(&FileStorage::open_exclusive(target)?)?;
        return std::fs::remove_file(undo).map_err(|e| Error::new(ErrorKind::Io(e)));
    }
    if !is_whole_undo(undo, target) {
        return Err(ErrorKind::Usage(format!("{} is no undo file", undo.display())).into());
    }
    // the file as it was stands under the undo file's name
    let held = FileStorage::open_exclusive(target)?;
    std::fs::rename(undo, target).map_err(ErrorKind::Io)?;
    drop(held);
    Ok(())
}

/// Whether a file that is no undo record may be the old file itself, kept under the undo file's name beside its successor.
fn is_whole_undo(undo: &Path, target: &Path) -> bool {
    let beside = undo.parent() == target.parent();
    let named = undo.extension().is_some_and(|e| e == "undo");
    let data = std::fs::metadata(undo).is_ok_and(|m| m.len() > 0);
    beside && named && data
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
        fn a_changed_undo_file_is_refused(at in any::<prop::sample::Index>(), x in 1u8..) {
            let record = UndoRecord { len: 5, ranges: vec![(0, vec![1, 2, 3])] };
            let mut bytes = record.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= x;
            prop_assert!(UndoRecord::decode(&bytes).is_none());
        }
    }
}
