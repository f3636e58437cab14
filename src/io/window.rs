//! A part of other bytes, read as if it were all.

use super::{ReadAt, past_end};
use crate::format::bytes::wide;
use std::io;
use std::sync::Arc;

/// A range of another source: offset 0 is where the range begins. One store of an image is read through it.
///
/// ```
/// use pstkit::io::{ReadAt, Window};
/// use std::sync::Arc;
/// let w = Window::new(Arc::new(b"abcdef".to_vec()), 2, 3);
/// let mut buf = [0; 2];
/// w.read_exact_at(&mut buf, 1)?;
/// assert_eq!((&buf, w.len()), (b"de", 3));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Window {
    source: Arc<dyn ReadAt>,
    offset: u64,
    len: u64,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("offset", &self.offset).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Window {
    /// At most `len` bytes of a source from `offset` on, as many as there are.
    pub fn new(source: Arc<dyn ReadAt>, offset: u64, len: u64) -> Self {
        let len = len.min(source.len().saturating_sub(offset));
        Self { source, offset, len }
    }

    /// The place in the source of the first byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The place in the source of a range that lies inside.
    fn place(&self, offset: u64, len: usize) -> Option<u64> {
        offset.checked_add(wide(len)).filter(|end| *end <= self.len)?;
        self.offset.checked_add(offset)
    }
}

impl ReadAt for Window {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let at = self.place(offset, buf.len()).ok_or_else(past_end)?;
        self.source.read_exact_at(buf, at)
    }

    fn intact(&self) -> io::Result<()> {
        self.source.intact()
    }

    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        self.place(offset, len).map_or(Ok(None), |at| self.source.slice(at, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_window_is_read() {
        let w = Window::new(Arc::new(b"abcdef".to_vec()), 2, 3);
        let mut buf = [0; 3];
        w.read_exact_at(&mut buf, 0).unwrap();
        assert_eq!(&buf, b"cde");
        assert!(w.read_exact_at(&mut buf, 1).is_err());
        assert!(w.read_exact_at(&mut buf, u64::MAX).is_err());
        assert_eq!(w.slice(1, 2).unwrap(), Some(&b"de"[..]));
        assert_eq!(w.slice(1, 3).unwrap(), None);
        assert_eq!(Window::new(Arc::new(b"abcdef".to_vec()), 4, 30).len(), 2);
        assert_eq!(Window::new(Arc::new(b"abcdef".to_vec()), 40, 30).len(), 0);
    }
}
