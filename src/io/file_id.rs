//! Which file a file is, by whatever name or path it is reached.

use std::fs::{File, Metadata};
use std::path::Path;

/// Which file it is on this machine: two names of one file, and two paths to it such as through a bind mount, have the same.
///
/// ```
/// use pstkit::io::FileId;
/// let here = std::env::current_exe()?;
/// assert_eq!(FileId::of_path(&here), FileId::of(&std::fs::File::open(&here)?));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FileId {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Whose it is.
    pub owner: u32,
}

impl FileId {
    /// That of an open file; `None` where the platform has no such numbers.
    pub fn of(file: &File) -> Option<Self> {
        Self::of_metadata(&file.metadata().ok()?)
    }

    /// That of the file that a path leads to; `None` where there is none, or the platform has no such numbers.
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::of_metadata(&std::fs::metadata(path).ok()?)
    }

    /// The same from the facts about the file already at hand.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_wraps, reason = "other platforms have none")]
    pub fn of_metadata(of: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self { device: of.dev(), inode: of.ino(), owner: of.uid() })
    }

    /// The same from the facts about the file already at hand.
    #[cfg(not(unix))]
    pub fn of_metadata(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether both are one file, whoever owned it when it was looked at.
    pub fn is_same(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}
