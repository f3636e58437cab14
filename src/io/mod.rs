//! Where bytes come from and go to: [`ReadAt`] and [`Storage`], positioned and with `&self`, and their implementations.
//!
//! Reading, checking and salvaging need [`ReadAt`] alone; repair and writing touch nothing but a [`Storage`]. Tests of crashes, torn
//! writes, full disks and I/O errors are other implementations of the same two traits.

mod behind;
mod file;
mod file_id;
#[cfg(feature = "mmap")]
mod guard;
#[cfg(feature = "mmap")]
mod map;
mod memory;
mod overlay;
mod parts;
mod window;

pub(crate) use behind::Behind;
pub(crate) use file::copy_in_system;
pub use file::{AtomicFile, Existing, FileSource, FileStorage, is_local, lock_exclusive, writer_of};
pub(crate) use file::{TemporaryFile, sync_name};
pub use file_id::FileId;
#[cfg(feature = "mmap")]
pub use guard::survive_shrinking_files;
#[cfg(feature = "mmap")]
pub use map::MapSource;
pub use memory::MemoryStorage;
pub use overlay::Overlay;
pub use window::Window;

use std::fs::File;
use std::io;
use std::sync::Arc;

/// Bytes that can be read at any place, by many threads at once.
pub trait ReadAt: Send + Sync {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the bytes end before; other errors of the medium.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// The bytes themselves, where they can be had without copying; `None` where they cannot, or lie outside.
    ///
    /// # Errors
    /// Errors of the medium: the range exists and cannot be read.
    fn slice(&self, _offset: u64, _len: usize) -> io::Result<Option<&[u8]>> {
        Ok(None)
    }

    /// The file whose bytes these are, all of them and each in its place, where they are a file's: the system can copy from one to another
    /// by itself.
    fn file(&self) -> Option<&File> {
        None
    }

    /// Fails where the bytes that were read may not have been the source's, because its file has become shorter since it was opened or a
    /// page of its map could not be read: whatever was made of it cannot be relied on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] with the offset; other errors of the medium.
    fn intact(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that can be changed, for repair and writing.
pub trait Storage: ReadAt {
    /// Writes all of `buf` at `offset`; the storage grows where it has to, with zeros between.
    ///
    /// # Errors
    /// Errors of the medium.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends (with zeros) to `len` bytes.
    ///
    /// # Errors
    /// Errors of the medium.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when everything written is on the medium.
    ///
    /// # Errors
    /// Errors of the medium.
    fn sync(&self) -> io::Result<()>;

    /// Everything written so far, in the form that is quickest to read, where there is a quicker one than the storage itself. Nobody may
    /// write to the storage while it lives.
    ///
    /// # Errors
    /// Errors of the medium.
    fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }
}

macro_rules! forward {
    ($($t:ty),*) => {
        $(
            impl<T: ReadAt + ?Sized> ReadAt for $t {
                fn len(&self) -> u64 {
                    (**self).len()
                }
                fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                    (**self).read_exact_at(buf, offset)
                }
                fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
                    (**self).slice(offset, len)
                }
                fn file(&self) -> Option<&File> {
                    (**self).file()
                }
                fn intact(&self) -> io::Result<()> {
                    (**self).intact()
                }
            }
            impl<T: Storage + ?Sized> Storage for $t {
                fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
                    (**self).write_all_at(buf, offset)
                }
                fn set_len(&self, len: u64) -> io::Result<()> {
                    (**self).set_len(len)
                }
                fn sync(&self) -> io::Result<()> {
                    (**self).sync()
                }
                fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
                    (**self).settled()
                }
            }
        )*
    };
}

forward!(&T, Arc<T>, Box<T>);

/// The error of a source whose file has become shorter.
pub(crate) fn became_shorter(at: u64, had: u64) -> io::Error {
    let what = format!(
        "the file became shorter while it was read: it ends at offset {at:#x} and had {had} bytes; what was read of it cannot be relied on"
    );
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// The error of a read past the end.
pub(crate) fn past_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "past the end of the file")
}
