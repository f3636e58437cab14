//! Outlook's log of writes, `~NAME.pst.tmp` beside a data file (not documented; told from a real one).
//!
//! ```text
//! record  checksum[4] of the rest       length[4] of the record   sequence[4]   0[4]   a number[4]   time[8]   0[4]
//!         offset[8] in the data file    count[4] of bytes         0x06231980[4]         the bytes
//! ```
//!
//! Outlook plays it back when it opens the file after an interruption. The rules by which it chooses the records are not known, so
//! that nothing here does: the records are listed.

use super::bytes::{le32, le64, wide};
use super::crc::crc;
use super::types::FileTime;
use crate::error::{Error, Result};
use crate::io::ReadAt;

/// The word before a record's bytes.
const MAGIC: u32 = 0x0623_1980;
/// Bytes of a record's head.
const HEAD: usize = 48;
/// Where the word stands in the head.
const MAGIC_AT: usize = 44;
/// So much of a log is read.
const MOST: usize = 64 << 20;
/// Records that are listed.
const RECORDS: usize = 100_000;

/// A write that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord {
    /// Where the record stands in the log, in bytes.
    pub at: u64,
    /// Its number in its session.
    pub sequence: u32,
    /// When it was made.
    pub time: FileTime,
    /// Where in the data file its bytes go.
    pub offset: u64,
    /// How many bytes that are.
    pub bytes: u32,
    /// Whether its checksum agrees with it.
    pub is_good: bool,
}

/// A log of writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WriteLog {
    /// Its records, in the order in which they stand.
    pub records: Vec<LogRecord>,
    /// Whether the log is longer than the part that was read.
    pub is_cut: bool,
}

/// Whether a file begins with a record.
pub fn begins_log(first: &[u8]) -> bool {
    record(first, 0).is_some()
}

impl WriteLog {
    /// Lists the records of a log; empty for a file that is none.
    ///
    /// ```
    /// use pstkit::format::write_log::WriteLog;
    ///
    /// let nothing: Vec<u8> = vec![0; 4096];
    /// assert!(WriteLog::read(&nothing)?.records.is_empty());
    /// # Ok::<(), pstkit::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the medium.
    pub fn read(source: &dyn ReadAt) -> Result<Self> {
        let len = usize::try_from(source.len()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(MOST)];
        source.read_exact_at(&mut bytes, 0).map_err(|e| Error::io_at(e, 0))?;
        let mut log = Self { records: Vec::new(), is_cut: len > MOST };
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(next_magic) {
            if log.records.len() >= RECORDS {
                log.is_cut = true;
                break;
            }
            let place = at.saturating_add(found);
            match place.checked_sub(MAGIC_AT).and_then(|start| Some((start, record(bytes.get(start..)?, start)?))) {
                Some((start, r)) if start >= at => {
                    // the contents of a record may hold the word too
                    at = start.saturating_add(HEAD).saturating_add(usize::try_from(r.bytes).unwrap_or(usize::MAX));
                    log.records.push(r);
                }
                _ => at = place.saturating_add(1),
            }
        }
        Ok(log)
    }
}

/// Where the word stands next.
fn next_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == MAGIC.to_le_bytes())
}

/// The record that bytes begin with.
fn record(bytes: &[u8], at: usize) -> Option<LogRecord> {
    let head = bytes.get(..HEAD)?;
    let (length, count) = (le32(head, 4), le32(head, 40));
    if le32(head, MAGIC_AT) != MAGIC || u64::from(length) != u64::from(count).saturating_add(wide(HEAD)) {
        return None;
    }
    let covered = bytes.get(4..usize::try_from(length).unwrap_or(usize::MAX));
    Some(LogRecord {
        at: wide(at),
        sequence: le32(head, 8),
        time: FileTime(le64(head, 20)),
        offset: le64(head, 32),
        bytes: count,
        is_good: covered.is_some_and(|c| crc(c) == le32(head, 0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record_of(sequence: u32, offset: u64, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [0, 48 + u32::try_from(data.len()).unwrap(), sequence, 0, 0x2458] {
            out.extend(word.to_le_bytes());
        }
        out.extend(131_112_119_211_092_840u64.to_le_bytes());
        out.extend([0; 4]);
        out.extend(offset.to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(MAGIC.to_le_bytes());
        out.extend(data);
        let sum = crc(&out[4..]);
        out[..4].copy_from_slice(&sum.to_le_bytes());
        out
    }

    #[test]
    fn records_are_listed_with_where_their_bytes_go() {
        let mut log = record_of(0, 0, b"!BDN and more");
        log.extend([0; 37]);
        let second = log.len();
        log.extend(record_of(1, 0x4400, &MAGIC.to_le_bytes()));
        let third = log.len();
        log.extend(record_of(2, 0x8400, &[7; 512]));
        log.resize(1 << 16, 0);
        log[third + 100] ^= 1;
        let read = WriteLog::read(&log).unwrap();
        let told: Vec<_> = read.records.iter().map(|r| (r.at, r.sequence, r.offset, r.bytes, r.is_good)).collect();
        assert_eq!(told, [(0, 0, 0, 13, true), (second as u64, 1, 0x4400, 4, true), (third as u64, 2, 0x8400, 512, false)]);
        assert!(begins_log(&log) && !begins_log(&log[1..]) && !begins_log(&[0; 64]));
        assert_eq!(read.records[0].time.to_string().get(..10), Some("2016-06-24"));
    }
}
