//! Bytes in memory.

use super::{ReadAt, Storage, past_end};
use crate::format::bytes::{index, wide};
use std::io;
use std::sync::{PoisonError, RwLock};

fn range(bytes: &[u8], offset: u64, len: usize) -> Option<&[u8]> {
    let start = index(offset);
    bytes.get(start..start.checked_add(len)?)
}

macro_rules! bytes_source {
    ($($t:ty),*) => {
        $(impl ReadAt for $t {
            fn len(&self) -> u64 {
                wide(<[u8]>::len(self))
            }
            fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                buf.copy_from_slice(range(self, offset, buf.len()).ok_or_else(past_end)?);
                Ok(())
            }
            fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
                Ok(range(self, offset, len))
            }
        })*
    };
}

bytes_source!([u8], Vec<u8>);

/// A [`Storage`] in memory.
///
/// ```
/// use pstkit::io::{MemoryStorage, ReadAt, Storage};
/// let m = MemoryStorage::default();
/// m.write_all_at(b"xyz", 2)?;
/// assert_eq!(m.into_bytes(), b"\0\0xyz");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStorage(RwLock<Vec<u8>>);

impl MemoryStorage {
    /// A storage that begins with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(RwLock::new(bytes))
    }

    /// The bytes as they are now.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for MemoryStorage {
    fn len(&self) -> u64 {
        wide(self.0.read().unwrap_or_else(PoisonError::into_inner).len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).read_exact_at(buf, offset)
    }
}

impl Storage for MemoryStorage {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let start = index(offset);
        let end = start.checked_add(buf.len()).ok_or_else(past_end)?;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        if let Some(slot) = bytes.get_mut(start..end) {
            slot.copy_from_slice(buf);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).resize(index(len), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
