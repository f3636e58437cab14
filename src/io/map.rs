//! The memory map.
//!
//! Touching a mapped page that cannot be read ends the process, so every window is populated before it is touched for the first
//! time: an unreadable range then comes back as an error, and the run goes on. A range that becomes unreadable later, because the file is cut, is
//! for the handler of `io::guard`, where a host has installed it.
//!
//! Populating reads the whole window from the medium. A command that needs a few pages of each window, such as a list of folders, would read the
//! whole file that way. So the first accesses to a window are positioned reads, and the window is populated when it turns out to be used.

use super::guard::Guard;
use super::{FileSource, ReadAt, past_end};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::{index, wide};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes that are populated at a time.
const WINDOW: usize = 2 << 20;

/// So many small accesses to a window are positioned reads before it is populated: above the map pages in a window, of which there is one in 248 KB.
const SMALL_READS: u8 = 16;
/// An access to so many bytes of a window populates it at once.
const LARGE_READ: usize = WINDOW / 8;

/// A window is populated and can be read.
const READABLE: u8 = u8::MAX;
/// Its pages cannot be read.
const UNREADABLE: u8 = u8::MAX - 1;

/// A mapped file, with positioned reads for the ranges that cannot be populated.
#[derive(Debug)]
pub struct MapSource {
    /// Goes before the map does.
    guard: Guard,
    map: Mmap,
    /// For each window [`READABLE`], [`UNREADABLE`], or how often it was asked for.
    windows: Vec<AtomicU8>,
    /// Holds the shared lock while the map lives, and reads windows that cannot be populated.
    file: FileSource,
}

impl MapSource {
    /// Maps an open file; holds a shared lock while it lives.
    ///
    /// # Errors
    /// Where another process holds the file, or the platform cannot map it.
    pub fn new(file: File) -> Result<Self> {
        Self::over(FileSource::new(file.try_clone().map_err(ErrorKind::Io)?)?, &file)
    }

    /// The same under the lock that the file has already.
    pub(super) fn held(file: File) -> Result<Self> {
        Self::over(FileSource::held(file.try_clone().map_err(ErrorKind::Io)?)?, &file)
    }

    fn over(file: FileSource, handle: &File) -> Result<Self> {
        // SAFETY: the map is read-only and private to this value. What other processes do to the file while it is mapped is kept
        // away as far as a process can: a shared lock, or the exclusive one, is held for as long as the map lives, so that nobody who
        // asks for the exclusive lock gets it. What this process writes comes after the last slice of the map is read. A process that ignores locks can still change bytes under the map; every decoder reads such bytes
        // as data, checks them and copies what it keeps, so that a change shows as damage and not as undefined behaviour of ours.
        #[expect(unsafe_code, reason = "mapping a file is unsafe by its nature; this is the one place")]
        let map = unsafe { Mmap::map(handle) }.map_err(ErrorKind::Io)?;
        let windows = (0..map.len().div_ceil(WINDOW)).map(|_| AtomicU8::new(0)).collect();
        let guard = Guard::new(&map).ok_or_else(|| ErrorKind::Unsupported("a guard for one more map".to_owned()))?;
        Ok(Self { guard, map, windows, file })
    }

    /// Whether `len` bytes of the window may be touched; `false` asks for a positioned read.
    #[inline]
    fn touch(&self, window: usize, len: usize) -> bool {
        match self.windows.get(window).map(|w| w.load(Ordering::Relaxed)) {
            Some(READABLE) => true,
            Some(UNREADABLE) | None => false,
            Some(asked) => self.ask(window, asked, len),
        }
    }

    /// Counts an access to a window that is not populated, and populates it where it is worth it.
    #[cold]
    fn ask(&self, window: usize, asked: u8, len: usize) -> bool {
        if asked >= SMALL_READS || len >= LARGE_READ {
            return self.populate(window);
        }
        if let Some(w) = self.windows.get(window) {
            // another thread may have counted or populated in the meantime; its word stands
            let _ = w.compare_exchange(asked, asked.saturating_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
        false
    }

    #[cold]
    fn populate(&self, window: usize) -> bool {
        let start = window.saturating_mul(WINDOW);
        let len = WINDOW.min(self.map.len().saturating_sub(start));
        // of a file that has been cut since, the window may not be there
        if self.file.intact().is_err() {
            return false;
        }
        #[cfg(target_os = "linux")]
        let ok = match self.map.advise_range(memmap2::Advice::PopulateRead, start, len) {
            Ok(()) => true,
            // A kernel older than 5.14 does not know the advice: the map then works as maps always did.
            Err(e) => e.kind() == io::ErrorKind::InvalidInput,
        };
        #[cfg(not(target_os = "linux"))]
        let ok = len > 0;
        if let Some(w) = self.windows.get(window) {
            w.store(if ok { READABLE } else { UNREADABLE }, Ordering::Relaxed);
        }
        ok
    }
}

impl ReadAt for MapSource {
    fn len(&self) -> u64 {
        wide(self.map.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn file(&self) -> Option<&File> {
        self.file.file()
    }

    fn intact(&self) -> io::Result<()> {
        self.file.intact()?;
        match self.guard.missing() {
            Some(at) => {
                Err(io::Error::other(format!("the page at offset {at:#x} could not be read; what was read of it cannot be relied on")))
            }
            None => Ok(()),
        }
    }

    #[inline]
    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let start = index(offset);
        let end = start.checked_add(len).ok_or_else(past_end)?;
        let Some(bytes) = self.map.get(start..end) else { return Ok(None) };
        let last = end.saturating_sub(1).checked_div(WINDOW).unwrap_or(0);
        let mut window = start.checked_div(WINDOW).unwrap_or(0);
        while window <= last {
            if !self.touch(window, len) {
                return Ok(None);
            }
            window = window.saturating_add(1);
        }
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_asked_for_a_few_times_is_read_by_position_and_a_busy_one_is_populated() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3 * WINDOW + 100).map(|i| (i / 251) as u8).collect();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        let map = MapSource::new(file).unwrap();
        for i in 0..SMALL_READS {
            let at = usize::from(i) * 1000;
            assert_eq!(map.slice(wide(at), 512).unwrap(), None, "access {i}");
            let mut buf = [0; 512];
            map.read_exact_at(&mut buf, wide(at)).unwrap();
            assert_eq!(buf[..], bytes[at..at + 512]);
        }
        assert_eq!(map.slice(5, 512).unwrap(), Some(&bytes[5..517]));
        assert_eq!(map.slice(wide(WINDOW), LARGE_READ).unwrap(), Some(&bytes[WINDOW..WINDOW + LARGE_READ]));
        // a read over the border of two windows needs both
        assert_eq!(map.slice(wide(2 * WINDOW) - 10, 20).unwrap(), None);
        let mut buf = [0; 20];
        map.read_exact_at(&mut buf, wide(2 * WINDOW) - 10).unwrap();
        assert_eq!(buf[..], bytes[2 * WINDOW - 10..2 * WINDOW + 10]);
        assert_eq!(map.slice(wide(bytes.len()) - 1, 2).unwrap(), None);
    }

    /// Without the handler this ends the process.
    #[cfg(unix)]
    #[test]
    fn a_mapped_file_that_becomes_shorter_is_an_error_and_not_the_end_of_the_process() {
        crate::io::survive_shrinking_files().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![7; 3 * WINDOW]).unwrap();
        let source = MapSource::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(source.slice(5, LARGE_READ).unwrap(), Some(&[7; LARGE_READ][..]));
        source.intact().unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(8192).unwrap();
        // a window that was seen before, and one that was not
        let seen = source.slice(100_000, 10).unwrap().unwrap();
        assert_eq!(seen, [0; 10]);
        assert_eq!(source.slice(wide(2 * WINDOW), LARGE_READ).unwrap(), None);
        assert!(source.read_exact_at(&mut [0; 10], wide(2 * WINDOW)).is_err());
        let e = source.intact().unwrap_err();
        assert!(e.to_string().contains("0x2000"), "{e}");
        // the rest can still be read
        assert_eq!(source.slice(8000, 10).unwrap(), Some(&[7; 10][..]));
    }
}
