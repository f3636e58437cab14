//! Room for an intermediate result: in memory while it is small, else a file that goes away by itself.

use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, wide};
use crate::io::{AtomicFile, MemoryStorage, ReadAt, Storage};
use crate::monitor::{Monitor, Phase, step};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Results of at most so many bytes are held in memory.
const IN_MEMORY: u64 = 64 << 20;
/// Bytes copied in one go.
const CHUNK: u64 = 4 << 20;

/// Where intermediate results go.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
    /// Files that live as long as this; none of them is ever given its name.
    files: Vec<AtomicFile>,
}

impl Scratch {
    /// Beside a file, where there is room for its repair anyway.
    pub(super) fn beside(path: &Path) -> Self {
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { dir: dir.to_owned(), files: Vec::new() }
    }

    /// In the system's folder for such files.
    pub(super) fn anywhere() -> Self {
        Self { dir: std::env::temp_dir(), files: Vec::new() }
    }

    /// Room for about `bytes` bytes.
    pub(super) fn room(&mut self, bytes: u64) -> Result<Arc<dyn Storage>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if bytes <= IN_MEMORY {
            return Ok(Arc::new(MemoryStorage::default()));
        }
        let name = format!("pstkit-scratch.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let file = AtomicFile::create(&self.dir.join(name), true)?;
        let storage: Arc<dyn Storage> = file.shared()?;
        self.files.push(file);
        Ok(storage)
    }

    /// The bytes of something that is going to be overwritten.
    pub(super) fn snapshot(&mut self, of: &dyn ReadAt, monitor: &dyn Monitor) -> Result<Arc<dyn ReadAt>> {
        let room = self.room(of.len())?;
        copy_range(of, room.as_ref(), 0, of.len(), monitor)?;
        let room: Arc<dyn Storage> = room;
        Ok(room)
    }
}

fn copy_range(source: &dyn ReadAt, target: &dyn Storage, from: u64, to: u64, monitor: &dyn Monitor) -> Result<()> {
    let mut at = from;
    let mut buf = Vec::new();
    while at < to {
        let n = CHUNK.min(to.saturating_sub(at));
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

/// Copies all bytes; the first of them, without which nobody takes the target for a data file, last.
pub(super) fn copy_bytes(source: &dyn ReadAt, target: &dyn Storage, monitor: &dyn Monitor) -> Result<()> {
    let sync = || target.sync().map_err(|e| Error::new(ErrorKind::Io(e)));
    let len = source.len();
    monitor.phase(Phase::Write, Some(len));
    target.set_len(0).map_err(ErrorKind::Io)?;
    target.set_len(len).map_err(ErrorKind::Io)?;
    let head = wide(4096).min(len);
    copy_range(source, target, head, len, monitor)?;
    sync()?;
    copy_range(source, target, 0, head, monitor)?;
    sync()
}
