//! An old file that is kept whole beside the undo file, under a name of its own.

use super::head::{Head, Way, digest, header_crc};
use super::{save, unfit};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::index;
use crate::format::header::HEADER_MAX;
use crate::io::{AtomicFile, Existing, FileStorage, ReadAt, sync_name};
use crate::monitor::Monitor;
use crate::repair::scratch::copy_bytes;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// The ending of the old file's name behind the undo file's.
const SUFFIX: &str = ".kept";
/// More of them are not tried.
const SUFFIXES: u32 = 100;

/// The name with something behind it.
fn with_suffix(undo: &Path, suffix: &str) -> PathBuf {
    let mut name = undo.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The ending behind the undo file's name in a name of ours, with `.kept`.
pub(super) fn suffix_of(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once(SUFFIX)?;
    let number = tail.strip_prefix('-').filter(|n| n.parse::<u32>().is_ok_and(|v| v.to_string() == *n));
    let is_one = !name.contains(['/', '\\', '\0']) && (tail.is_empty() || number.is_some());
    name.len().checked_sub(tail.len().saturating_add(SUFFIX.len())).and_then(|at| name.get(at..)).filter(|_| is_one)
}

/// A name that no file has. A second name of the file itself, which a run left behind that was interrupted, goes away: that loses nothing.
fn free_name(undo: &Path, held: &FileStorage) -> Result<(PathBuf, String)> {
    for n in 0..SUFFIXES {
        let suffix = if n == 0 { SUFFIX.to_owned() } else { format!("{SUFFIX}-{n}") };
        let path = with_suffix(undo, &suffix);
        let is_free = match path.symlink_metadata() {
            Err(_) => true,
            Ok(m) if m.is_file() && held.is_also(&m) => std::fs::remove_file(&path).is_ok(),
            Ok(_) => false,
        };
        if is_free {
            return Ok((path, suffix));
        }
    }
    Err(unfit(format!("{}{SUFFIX} and many more exist from earlier repairs: remove them", undo.display())))
}

/// Keeps the old file under a name of its own, and writes the undo file that names it. Nothing of either is left where that fails.
pub(in crate::repair) fn keep_whole(
    held: &FileStorage,
    path: &Path,
    old: &Metadata,
    undo: &Path,
    new: (&dyn ReadAt, Option<[u8; 16]>),
    monitor: &dyn Monitor,
) -> Result<PathBuf> {
    let (kept, suffix) = free_name(undo, held)?;
    // The name is all that a file needs that has no other; one that has keeps its bytes under that one too, where others may change them.
    if has_one_name(&held.metadata()?) && std::fs::hard_link(path, &kept).is_ok() {
        sync_name(&kept);
    } else {
        let file = AtomicFile::create_private(&kept)?;
        file.take_permissions(old);
        copy_bytes(held, file.storage()?, monitor)?;
        file.commit()?;
    }
    let name = undo.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let written = || {
        let before = header_crc(held, HEADER_MAX)?;
        let way = Way::Kept { name: name + &suffix, digest: digest(held, held.len(), monitor)? };
        let crcs = [before, before, header_crc(new.0, HEADER_MAX)?];
        let head = Head { len: held.len(), new_len: Some(new.0.len()), crcs, key: new.1, file: held.id(), way };
        save(&head.encode(), undo, old)
    };
    written().inspect_err(|_| drop(std::fs::remove_file(&kept)))?;
    Ok(kept)
}

/// Whether a file has no other name.
#[cfg(unix)]
fn has_one_name(of: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(of) == 1
}

/// Whether a file has no other name, as far as the platform tells.
#[cfg(not(unix))]
fn has_one_name(_: &Metadata) -> bool {
    true
}

/// The old file that an undo file names: under the name that goes with the undo file's, or under the one that it was given.
pub(super) fn open_kept(undo: &Path, name: &str) -> Result<(PathBuf, FileStorage)> {
    let suffix = suffix_of(name).ok_or_else(|| unfit("it is damaged: it names a file that no repair kept"))?;
    let mut missing = None;
    for path in [with_suffix(undo, suffix), undo.with_file_name(name)] {
        match FileStorage::open_plain(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) => missing = missing.or(Some((path, e))),
        }
    }
    let (path, e) = missing.unwrap_or_else(|| (undo.with_file_name(name), ErrorKind::NotFound(name.to_owned()).into()));
    Err(unfit(format!("the old file {} cannot be opened ({e}): it has to lie beside the undo file", path.display())))
}

/// Tests that the old file is there and has its length; its bytes are tested before it is used.
pub(super) fn is_there(undo: &Path, head: &Head) -> Result<()> {
    let Way::Kept { name, .. } = &head.way else { return Ok(()) };
    let (path, file) = open_kept(undo, name)?;
    match file.len() == head.len {
        true => Ok(()),
        false => Err(unfit(format!("the old file {} is damaged: it has {} bytes and had {}", path.display(), file.len(), head.len))),
    }
}

/// Removes an old file of which nothing is needed, because the target has the same bytes.
pub(super) fn let_go(undo: &Path, head: &Head, target: &FileStorage, monitor: &dyn Monitor) -> Result<()> {
    let Way::Kept { name, digest: said } = &head.way else { return Ok(()) };
    let Ok((path, file)) = open_kept(undo, name) else { return Ok(()) };
    let is_same = file.is_same(target)
        || (file.len() == head.len && digest(target, target.len(), monitor)? == *said && digest(&file, head.len, monitor)? == *said);
    if is_same {
        std::fs::remove_file(path).map_err(ErrorKind::Io)?;
    }
    Ok(())
}

/// Puts the old file in the place of the target, in one step, when every byte of it is seen to be there.
pub(super) fn restore(undo: &Path, head: &Head, place: &Path, target: &FileStorage, monitor: &dyn Monitor) -> Result<()> {
    let (kept, file, said) = match &head.way {
        Way::Kept { name, digest: said } => {
            let (kept, file) = open_kept(undo, name)?;
            file.lock()?;
            if file.len() != head.len || digest(&file, head.len, monitor)? != *said {
                return Err(unfit(format!("the old file {} is damaged: its length or its digest is another one", kept.display())));
            }
            (kept, file, *said)
        }
        _ => {
            let file = FileStorage::open_plain(undo)?;
            let said = digest(&file, head.len, monitor)?;
            (undo.to_owned(), file, said)
        }
    };
    if file.len() == head.len && may_be_moved(&file, &kept, target) && std::fs::rename(&kept, place).is_ok() {
        sync_name(place);
        return Ok(());
    }
    let copy = AtomicFile::create(place, Existing::Replace)?;
    copy.take_permissions(&target.metadata()?);
    let storage = copy.shared()?;
    copy_bytes(&First(&file, head.len), storage.as_ref(), monitor)?;
    if storage.len() != head.len || digest(storage.as_ref(), head.len, monitor)? != said {
        return Err(ErrorKind::Io(std::io::Error::other("the medium does not hold what was written to it")).into());
    }
    copy.commit()?;
    if kept != undo {
        std::fs::remove_file(kept).map_err(ErrorKind::Io)?;
    }
    Ok(())
}

/// Whether the old file may itself become the target: nobody else has it under another name or may change it.
#[cfg(unix)]
fn may_be_moved(file: &FileStorage, path: &Path, target: &FileStorage) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(kept), Ok(now), Ok(named)) = (file.metadata(), target.metadata(), path.symlink_metadata()) else { return false };
    let is_narrow = kept.mode() & 0o7777 & !now.mode() == 0;
    has_one_name(&kept)
        && kept.uid() == now.uid()
        && kept.gid() == now.gid()
        && is_narrow
        && (named.dev(), named.ino()) == (kept.dev(), kept.ino())
}

/// Nowhere else can that be told.
#[cfg(not(unix))]
fn may_be_moved(_: &FileStorage, _: &Path, _: &FileStorage) -> bool {
    false
}

/// The first bytes of a file.
struct First<'f>(&'f FileStorage, u64);

impl ReadAt for First<'_> {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

/// Whether the target is as it is after the repair, or as it was before; `None` where it is neither.
pub(super) fn is_after(head: &Head, target: &dyn ReadAt) -> Result<Option<bool>> {
    let now = (Some(target.len()), header_crc(target, HEADER_MAX.min(index(target.len())))?);
    let [before, _, after] = head.crcs;
    Ok(match now {
        _ if now == (head.new_len, after) => Some(true),
        _ if now == (Some(head.len), before) => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::suffix_of;

    #[test]
    fn only_names_of_ours_are_names_of_old_files() {
        assert_eq!(suffix_of("x.pst.undo.kept"), Some(".kept"));
        assert_eq!(suffix_of("x.kept.undo.kept-12"), Some(".kept-12"));
        for other in ["x.pst", "x.kept-", "x.kept-1x", "x.kept-01", "x.kept.pst", "../x.kept", "", "a/x.kept"] {
            assert_eq!(suffix_of(other), None, "{other}");
        }
    }
}
