//! The memory map: the crate's only `unsafe`.
//!
//! Touching a mapped page that cannot be read ends the process, so every window is populated before it is touched for the first
//! time: an unreadable range then comes back as an error, and the run goes on.

use super::{FileSource, ReadAt, past_end};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::{index, wide};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes that are populated at a time.
const WINDOW: usize = 2 << 20;

const UNTOUCHED: u8 = 0;
const READABLE: u8 = 1;
const UNREADABLE: u8 = 2;

/// A mapped file, with positioned reads for the ranges that cannot be populated.
#[derive(Debug)]
pub struct MapSource {
    map: Mmap,
    windows: Vec<AtomicU8>,
    /// Holds the shared lock while the map lives, and reads what cannot be populated.
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
        let windows = (0..map.len().div_ceil(WINDOW)).map(|_| AtomicU8::new(UNTOUCHED)).collect();
        Ok(Self { map, windows, file })
    }

    /// Whether the window may be touched.
    #[inline]
    fn touch(&self, window: usize) -> bool {
        match self.windows.get(window).map(|w| w.load(Ordering::Relaxed)) {
            Some(READABLE) => true,
            Some(UNTOUCHED) => self.populate(window),
            _ => false,
        }
    }

    #[cold]
    fn populate(&self, window: usize) -> bool {
        let start = window.saturating_mul(WINDOW);
        let len = WINDOW.min(self.map.len().saturating_sub(start));
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
        match self.slice(offset, buf.len())? {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => self.file.read_exact_at(buf, offset),
        }
    }

    fn file(&self) -> Option<&File> {
        self.file.file()
    }

    #[inline]
    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let start = index(offset);
        let end = start.checked_add(len).ok_or_else(past_end)?;
        let Some(bytes) = self.map.get(start..end) else { return Ok(None) };
        let last = end.saturating_sub(1).checked_div(WINDOW).unwrap_or(0);
        let mut window = start.checked_div(WINDOW).unwrap_or(0);
        while window <= last {
            if !self.touch(window) {
                return Ok(None);
            }
            window = window.saturating_add(1);
        }
        Ok(Some(bytes))
    }
}
