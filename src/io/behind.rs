//! Writing behind: a file that has no name yet is written by a thread of its own, while the next bytes are made.

use super::{ReadAt, Storage};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::wide;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Writes that may wait.
const QUEUE: usize = 4;

/// A write that waits: bytes and place.
type Waiting = (Vec<u8>, u64);

/// The state that the writing thread and the others share.
#[derive(Default)]
struct Shared {
    /// Writes that are not done.
    pending: AtomicUsize,
    /// The first error of any of them.
    error: Mutex<Option<io::Error>>,
    done: Condvar,
}

impl Shared {
    fn error(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A storage that nobody else sees before [`finish`](Self::finish): writing and bringing to the medium go on while other work is done, and
/// whoever reads sees the written bytes. An error of a write comes out of a later operation, of [`finish`](Self::finish) at the latest.
pub(crate) struct Behind {
    inner: Arc<dyn Storage>,
    shared: Arc<Shared>,
    len: AtomicU64,
    queue: Mutex<Option<SyncSender<Waiting>>>,
    syncing: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

impl Behind {
    /// Over a storage that nobody else writes to.
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Arc<Self> {
        let shared = Arc::new(Shared::default());
        let (queue, jobs) = sync_channel::<Waiting>(QUEUE);
        let (worker, storage) = (Arc::clone(&shared), Arc::clone(&inner));
        let work = move || {
            for (bytes, at) in jobs {
                let failed = worker.error().is_some();
                let result = if failed { Ok(()) } else { storage.write_all_at(&bytes, at) };
                let mut error = worker.error();
                if let Err(e) = result {
                    error.get_or_insert(e);
                }
                worker.pending.fetch_sub(1, Ordering::Release);
                worker.done.notify_all();
            }
        };
        // without a thread everything is written at once
        let queue = std::thread::Builder::new().spawn(work).is_ok().then_some(queue);
        let len = AtomicU64::new(inner.len());
        Arc::new(Self { inner, shared, len, queue: Mutex::new(queue), syncing: Mutex::default() })
    }

    /// Waits until everything is written.
    fn drain(&self) -> io::Result<()> {
        if self.shared.pending.load(Ordering::Acquire) > 0 {
            let mut guard = self.shared.error();
            while self.shared.pending.load(Ordering::Acquire) > 0 {
                guard = self.shared.done.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.failed()
    }

    /// The error of an earlier write.
    fn failed(&self) -> io::Result<()> {
        match self.shared.error().as_ref() {
            Some(e) => Err(e.raw_os_error().map_or_else(|| io::Error::new(e.kind(), e.to_string()), io::Error::from_raw_os_error)),
            None => Ok(()),
        }
    }

    /// Waits for everything that is under way.
    ///
    /// # Errors
    /// That of any operation before: the medium tells each but once.
    pub(crate) fn finish(&self) -> Result<()> {
        self.drain().map_err(ErrorKind::Io)?;
        let syncing = std::mem::take(&mut *self.syncing.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in syncing {
            handle.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended early"))).map_err(ErrorKind::Io)?;
        }
        Ok(())
    }
}

impl ReadAt for Behind {
    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.shared.pending.load(Ordering::Acquire) > 0 {
            self.drain()?;
        }
        self.inner.read_exact_at(buf, offset)
    }

    fn file(&self) -> Option<&File> {
        self.inner.file()
    }
}

impl Storage for Behind {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.failed()?;
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset.saturating_add(wide(buf.len()));
        let Some(sender) = queue.as_ref() else {
            self.inner.write_all_at(buf, offset)?;
            self.len.fetch_max(end, Ordering::Release);
            return Ok(());
        };
        self.shared.pending.fetch_add(1, Ordering::Release);
        if sender.send((buf.to_vec(), offset)).is_err() {
            self.shared.pending.fetch_sub(1, Ordering::Release);
            return Err(io::Error::other("the writing thread ended early"));
        }
        self.len.fetch_max(end, Ordering::Release);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.drain()?;
        self.inner.set_len(len)?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.drain()?;
        let inner = Arc::clone(&self.inner);
        match std::thread::Builder::new().spawn(move || inner.sync()) {
            Ok(handle) => self.syncing.lock().unwrap_or_else(PoisonError::into_inner).push(handle),
            Err(_) => self.inner.sync()?,
        }
        Ok(())
    }

    fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        self.drain()?;
        self.inner.settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryStorage;

    /// Refuses writes from an offset on.
    struct Small(MemoryStorage, u64);

    impl ReadAt for Small {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_exact_at(buf, offset)
        }
    }

    impl Storage for Small {
        fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
            if offset >= self.1 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write_all_at(buf, offset) }
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let inner = Arc::new(MemoryStorage::default());
        let behind = Behind::new(inner.clone());
        for i in 0..50u8 {
            behind.write_all_at(&[i; 100], u64::from(i) * 100).unwrap();
            let mut buf = [0xFF; 100];
            if i % 7 == 0 {
                behind.read_exact_at(&mut buf, u64::from(i) * 100).unwrap();
                assert_eq!(buf, [i; 100]);
            }
        }
        assert_eq!(behind.len(), 5000);
        behind.set_len(4950).unwrap();
        behind.sync().unwrap();
        behind.finish().unwrap();
        assert_eq!(inner.to_bytes().len(), 4950);
        assert_eq!(inner.to_bytes()[4900..], [49; 50]);
    }

    #[test]
    fn an_error_of_a_write_comes_out_of_the_end_at_the_latest() {
        let behind = Behind::new(Arc::new(Small(MemoryStorage::default(), 300)));
        let written = (0..10u64).map(|i| behind.write_all_at(&[1; 100], i * 100)).all(|r| r.is_ok());
        let ended = behind.finish();
        assert!(!written || ended.is_err());
        let e = behind.sync().unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::StorageFull);
    }
}
