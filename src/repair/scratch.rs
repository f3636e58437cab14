//! Room for an intermediate result: in memory while it is small, else a file that goes away by itself.

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, wide};
use crate::io::{MemoryStorage, Overlay, ReadAt, Storage, TemporaryFile, copy_in_system};
use crate::monitor::{Monitor, Phase, step};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Results of at most so many bytes are held in memory.
const IN_MEMORY: u64 = 32 << 20;
/// Bytes copied in one go.
const CHUNK: u64 = 4 << 20;

/// Where intermediate results go.
#[derive(Debug, Clone)]
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Beside a file, where there is room for its repair anyway.
    pub(super) fn beside(path: &Path) -> Self {
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { dir: dir.to_owned() }
    }

    /// In the system's folder for such files.
    pub(super) fn anywhere() -> Self {
        Self { dir: std::env::temp_dir() }
    }

    /// Room for about `bytes` bytes, or for as many as it takes.
    pub(super) fn room(&self, bytes: u64) -> Result<Arc<dyn Storage>> {
        let place = match bytes {
            0..=IN_MEMORY => Place::Memory(MemoryStorage::default()),
            _ => Place::File(self.file().map_err(ErrorKind::Io)?),
        };
        Ok(Arc::new(Room { scratch: self.clone(), place: RwLock::new(place), most: IN_MEMORY }))
    }

    /// Changes over a file.
    pub(super) fn over(&self, base: &Arc<dyn ReadAt>) -> Overlay {
        let scratch = self.clone();
        Overlay::new(Arc::clone(base)).with_room(move || scratch.file().map(|file| Arc::new(file) as Arc<dyn Storage>))
    }

    /// A file that never gets a name and goes away by itself.
    fn file(&self) -> io::Result<TemporaryFile> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            match TemporaryFile::create(&self.dir.join(format!("pstkit-scratch.{}.{n}", std::process::id()))) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < u64::from(u16::MAX) => {}
                made => return made,
            }
        }
    }

    /// The bytes of something that is going to be overwritten.
    pub(super) fn snapshot(&self, of: &dyn ReadAt, monitor: &dyn Monitor) -> Result<Arc<dyn ReadAt>> {
        let room = self.room(of.len())?;
        copy_range(of, room.as_ref(), 0, of.len(), monitor)?;
        Ok(room)
    }
}

/// Where the bytes of a room are.
enum Place {
    Memory(MemoryStorage),
    File(TemporaryFile),
}

impl Place {
    fn storage(&self) -> &dyn Storage {
        match self {
            Self::Memory(m) => m,
            Self::File(f) => f,
        }
    }
}

/// Bytes in memory while there are few of them, and in a file from then on.
struct Room {
    scratch: Scratch,
    place: RwLock<Place>,
    /// How many are held in memory.
    most: u64,
}

impl Room {
    fn place(&self) -> RwLockReadGuard<'_, Place> {
        self.place.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to a file where `len` bytes are too many.
    fn make(&self, len: u64) -> io::Result<()> {
        if len <= self.most || matches!(*self.place(), Place::File(_)) {
            return Ok(());
        }
        let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        if let Place::Memory(memory) = &mut *place {
            let file = self.scratch.file()?;
            file.write_all_at(&std::mem::take(memory).into_bytes(), 0)?;
            *place = Place::File(file);
        }
        Ok(())
    }
}

impl ReadAt for Room {
    fn len(&self) -> u64 {
        self.place().storage().len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.place().storage().read_exact_at(buf, offset)
    }
}

impl Storage for Room {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.make(offset.saturating_add(wide(buf.len())))?;
        self.place().storage().write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.make(len)?;
        self.place().storage().set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        // it does not outlive the process
        Ok(())
    }
    fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        self.place().storage().settled()
    }
}

fn copy_range(source: &dyn ReadAt, target: &dyn Storage, from: u64, to: u64, monitor: &dyn Monitor) -> Result<()> {
    let mut at = from;
    let mut buf = Vec::new();
    let mut files = source.file().zip(target.file());
    while at < to {
        let n = CHUNK.min(to.saturating_sub(at));
        if let Some((old, new)) = files {
            let done = copy_in_system(old, new, at, n);
            step(monitor, done)?;
            at = at.saturating_add(done);
            if done < n {
                files = None;
            }
            continue;
        }
        match source.slice(at, index(n)).map_err(|e| Error::io_at(e, at))? {
            Some(bytes) => target.write_all_at(bytes, at),
            None => {
                buf.resize(index(n), 0);
                source.read_exact_at(&mut buf, at).map_err(|e| Error::io_at(e, at))?;
                target.write_all_at(&buf, at)
            }
        }
        .map_err(|e| Error::io_at(e, at))?;
        step(monitor, n)?;
        at = at.saturating_add(n.max(1));
    }
    Ok(())
}

/// So many bytes come last: without them nobody takes a target for a data file.
const HEAD: u64 = 4096;

/// Copies all bytes; the first of them, without which nobody takes the target for a data file, last.
pub(super) fn copy_bytes(source: &dyn ReadAt, target: &dyn Storage, monitor: &dyn Monitor) -> Result<()> {
    begin_copy(source, target, monitor)?;
    finish_copy(source, None, target, monitor)
}

/// Copies everything but the first bytes, and sets about bringing it to the medium.
pub(super) fn begin_copy(source: &dyn ReadAt, target: &dyn Storage, monitor: &dyn Monitor) -> Result<()> {
    let len = source.len();
    monitor.phase(Phase::Write, Some(len));
    target.set_len(0).map_err(ErrorKind::Io)?;
    target.set_len(len).map_err(ErrorKind::Io)?;
    copy_range(source, target, HEAD.min(len), len, monitor)?;
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))
}

/// Completes a copy with the changes, and with the first bytes.
pub(super) fn finish_copy(source: &dyn ReadAt, changes: Option<&Overlay>, target: &dyn Storage, monitor: &dyn Monitor) -> Result<()> {
    let sync = || target.sync().map_err(|e| Error::new(ErrorKind::Io(e)));
    let Some(view) = changes else {
        copy_range(source, target, 0, HEAD.min(source.len()), monitor)?;
        return sync();
    };
    let (_, shown) = view.base();
    if shown < source.len() {
        target.set_len(shown).map_err(ErrorKind::Io)?;
    }
    target.set_len(view.len()).map_err(ErrorKind::Io)?;
    view.each_change(&mut |at, bytes| {
        let skip = index(HEAD.saturating_sub(at)).min(bytes.len());
        let (at, bytes) = (at.saturating_add(wide(skip)), bytes.get(skip..).unwrap_or_default());
        if bytes.is_empty() { Ok(()) } else { target.write_all_at(bytes, at) }
    })
    .map_err(ErrorKind::Io)?;
    sync()?;
    copy_range(view, target, 0, HEAD.min(view.len()), monitor)?;
    sync()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use super::*;
    use crate::io::{AtomicFile, Existing, FileStorage};

    /// A room moves to a file of no name when it grows, and nothing is left of that.
    #[test]
    fn a_room_reads_as_it_was_written_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::beside(&dir.path().join("x"));
        let place = RwLock::new(Place::Memory(MemoryStorage::default()));
        let room = Room { scratch, place, most: 1000 };
        let mut want = Vec::new();
        for i in 0..40u8 {
            room.write_all_at(&[i; 77], u64::from(i) * 70).unwrap();
            want.resize(usize::from(i) * 70, 0);
            want.extend([i; 77]);
            let mut got = vec![0; index(room.len())];
            room.read_exact_at(&mut got, 0).unwrap();
            assert!(got == want, "{i}");
        }
        assert!(matches!(*room.place(), Place::File(_)));
        room.set_len(100).unwrap();
        assert_eq!(room.len(), 100);
        drop(room);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// Files are copied by the system, anything else through this process: the result is the same.
    #[test]
    fn a_copy_is_what_was_copied_however_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(dir.path().join("a"), &bytes).unwrap();
        let file: Arc<dyn ReadAt> = Arc::new(FileStorage::open_exclusive(&dir.path().join("a")).unwrap());
        for source in [file, Arc::new(bytes.clone())] {
            let view = Overlay::new(Arc::clone(&source));
            view.write_all_at(&[1; 5000], 3000).unwrap();
            view.write_all_at(&[2; 10], 50_001).unwrap();
            view.write_all_at(&[3; 700], 120_000).unwrap();
            let mut changed = bytes.clone();
            changed.resize(120_700, 0);
            changed[3000..8000].fill(1);
            changed[50_001..50_011].fill(2);
            changed[120_000..].fill(3);
            let out = AtomicFile::create(&dir.path().join("out"), Existing::Replace).unwrap();
            let memory = MemoryStorage::default();
            for target in [out.storage().unwrap() as &dyn Storage, &memory] {
                let read = |target: &dyn Storage| {
                    let mut all = vec![0; index(target.len())];
                    target.read_exact_at(&mut all, 0).unwrap();
                    all
                };
                begin_copy(source.as_ref(), target, &()).unwrap();
                finish_copy(source.as_ref(), Some(&view), target, &()).unwrap();
                assert!(read(target) == changed);
                copy_bytes(source.as_ref(), target, &()).unwrap();
                assert!(read(target) == bytes);
            }
        }
    }
}
