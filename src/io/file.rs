//! Files: positioned reads and writes, locks, and output that appears under its name only when it is complete.

use super::{FileId, ReadAt, Storage, parts};
use crate::error::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(unix)]
fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(unix)]
fn write_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset) {
            Ok(0) => return Err(super::past_end()),
            Ok(n) => {
                buf = buf.get_mut(n..).unwrap_or_default();
                offset = offset.saturating_add(n as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_write(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                buf = buf.get(n..).unwrap_or_default();
                offset = offset.saturating_add(n as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

// a target that has no reads and writes by position, such as wasm32-unknown-unknown, has no files either
#[cfg(not(any(unix, windows)))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(unix, windows)))]
fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Copies bytes from one file to the same place in another without bringing them here, and where the file system can, without copying
/// at all. Answers how many it has copied: fewer than asked for where it cannot.
#[cfg(target_os = "linux")]
pub(crate) fn copy_in_system(from: &File, to: &File, offset: u64, len: u64) -> u64 {
    let (mut read, mut written) = (offset, offset);
    let end = offset.saturating_add(len);
    while read < end {
        let n = usize::try_from(end.saturating_sub(read)).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), n) {
            Ok(n) if n > 0 => {}
            Err(rustix::io::Errno::INTR) => {}
            _ => break,
        }
    }
    read.saturating_sub(offset)
}

/// Copies nothing: no such service is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy_in_system(_: &File, _: &File, _: u64, _: u64) -> u64 {
    0
}

/// Tries to lock for a fifth of a second: a process that another thread is starting has a copy of each open file until it runs, and with
/// it the lock of a file that was closed just now.
fn patiently(lock: impl Fn() -> std::result::Result<(), TryLockError>) -> std::result::Result<(), TryLockError> {
    for _ in 0..10 {
        match lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(20)),
            done => return done,
        }
    }
    lock()
}

/// Takes the shared lock that readers hold. A platform without locks is no error.
pub(crate) fn lock_shared(file: &File) -> Result<()> {
    match patiently(|| file.try_lock_shared()) {
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Locked)),
        _ => Ok(()),
    }
}

/// Unix has two kinds of locks that do not know of each other: the one of whole open files (`flock`), and that of processes (`fcntl`),
/// which network file systems and many mail programs use.
#[cfg(unix)]
fn lock_process(file: &File) -> Result<()> {
    use rustix::fs::{FlockOperation, fcntl_lock};
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Err(Error::new(ErrorKind::Locked)),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn lock_process(_: &File) -> Result<()> {
    Ok(())
}

/// The process that holds a lock of the other kind (`fcntl`) to write to a file, which a reader's own lock does not see. It may change the
/// file while it is read. A process of this machine, or 0 where it is another machine's or cannot be told.
#[cfg(target_os = "linux")]
pub fn writer_of(file: &File) -> Option<u32> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let held = fcntl_getlk(file, &Flock::from(FlockType::ReadLock)).ok()??;
    Some(held.pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()).unwrap_or(0))
}

/// The process that holds a lock of the other kind: none can be told here.
#[cfg(not(target_os = "linux"))]
pub fn writer_of(_: &File) -> Option<u32> {
    None
}

/// Takes the exclusive lock that in-place repair holds. A platform without locks is no error.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file.
pub fn lock_exclusive(file: &File) -> Result<()> {
    match patiently(|| file.try_lock()) {
        Err(TryLockError::WouldBlock) => Err(Error::new(ErrorKind::Locked)),
        _ => lock_process(file),
    }
}

/// Whether a file is on a disk of this machine, as far as the platform tells: others can take mapped bytes away of one that is not.
#[cfg(target_os = "linux")]
pub fn is_local(file: &File) -> bool {
    /// NFS, SMB and CIFS in three forms, 9P, AFS, Ceph, Lustre, Coda, FUSE.
    const REMOTE: [u32; 10] =
        [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x5346_414F, 0x00C3_6400, 0x0BD0_0BD3, 0x7375_7245, 0x6573_5546];
    // the numbers have 32 bits, whatever type the platform gives them
    rustix::fs::fstatfs(file).is_ok_and(|fs| !REMOTE.iter().any(|r| i128::from(fs.f_type) & 0xFFFF_FFFF == i128::from(*r)))
}

/// Whether a file is on a disk of this machine, as far as the platform tells.
#[cfg(not(target_os = "linux"))]
pub fn is_local(_: &File) -> bool {
    true
}

/// A file read by position.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Reads from an open file; holds a shared lock while it lives.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another process holds the file; errors of the medium.
    pub fn new(file: File) -> Result<Self> {
        lock_shared(&file)?;
        Self::held(file)
    }

    /// The same under the lock that the file has already.
    pub(super) fn held(file: File) -> Result<Self> {
        let len = file.metadata().map_err(ErrorKind::Io)?.len();
        Ok(Self { file, len })
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        read_at(&self.file, buf, offset)
    }

    fn intact(&self) -> io::Result<()> {
        match self.file.metadata()?.len() {
            now if now < self.len => Err(super::became_shorter(now, self.len)),
            _ => Ok(()),
        }
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

/// A file that is read and written by position.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
}

impl FileStorage {
    /// Works on an open file; the caller takes the lock that fits.
    pub fn new(file: File) -> Self {
        Self { file }
    }

    /// Opens an existing file to change it, with an exclusive lock.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another process holds the file; errors of the medium.
    pub fn open_exclusive(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(ErrorKind::Io)?;
        lock_exclusive(&file)?;
        Ok(Self { file })
    }

    /// Opens a plain file to read it, without a lock; a link is not followed, and a pipe not waited for.
    ///
    /// # Errors
    /// [`ErrorKind::Unfit`] where it is anything else; errors of the medium.
    pub(crate) fn open_plain(path: &Path) -> Result<Self> {
        let unfit = |what: &str| ErrorKind::Unfit { what: format!("{} is {what}", path.display()), force: false };
        let of = path.symlink_metadata().map_err(ErrorKind::Io)?;
        if of.is_symlink() {
            return Err(unfit("a link: name the file that it leads to").into());
        }
        if !of.is_file() {
            return Err(unfit("no ordinary file").into());
        }
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            // a file that has taken its place meanwhile is not followed either
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, i32::try_from(flags.bits()).unwrap_or_default());
        }
        let file = options.open(path).map_err(ErrorKind::Io)?;
        match file.metadata() {
            Ok(m) if m.is_file() => Ok(Self { file }),
            Ok(_) => Err(unfit("no ordinary file").into()),
            Err(e) => Err(ErrorKind::Io(e).into()),
        }
    }

    /// Takes the exclusive lock.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another process holds the file.
    pub(crate) fn lock(&self) -> Result<()> {
        lock_exclusive(&self.file)
    }

    /// The word of the file system on the file.
    ///
    /// # Errors
    /// Errors of the medium.
    pub(crate) fn metadata(&self) -> Result<std::fs::Metadata> {
        self.file.metadata().map_err(|e| ErrorKind::Io(e).into())
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> Option<FileId> {
        FileId::of(&self.file)
    }

    /// Whether it is the file that the file system says this of.
    pub(crate) fn is_also(&self, other: &std::fs::Metadata) -> bool {
        self.id().is_some_and(|a| FileId::of_metadata(other).is_some_and(|b| a.is_same(b)))
    }

    /// Whether both are one file.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id().is_some_and(|a| other.id().is_some_and(|b| a.is_same(b)))
    }
}

impl ReadAt for FileStorage {
    fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        read_at(&self.file, buf, offset)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl Storage for FileStorage {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        write_at(&self.file, buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        tests::trace("file");
        self.file.sync_all()
    }

    fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        let len = self.file.metadata()?.len();
        if cfg!(not(target_pointer_width = "64")) || len == 0 || !is_local(&self.file) {
            return Ok(None);
        }
        let file = self.file.try_clone()?;
        #[cfg(feature = "mmap")]
        if let Ok(map) = super::MapSource::held(file) {
            return Ok(Some(Arc::new(map)));
        }
        #[cfg(not(feature = "mmap"))]
        if let Ok(source) = FileSource::held(file) {
            // it knows its length without asking
            return Ok(Some(Arc::new(source)));
        }
        Ok(None)
    }
}

/// Names the fault of a folder that keeps a new file from being made there.
fn in_folder(e: io::Error) -> io::Error {
    let why = match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "the folder that it has to be in does not exist: make that first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "nothing may be written to its folder: choose another one",
        _ => return e,
    };
    io::Error::new(e.kind(), why)
}

/// The fate of a file that already has the name of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays, and the output is refused.
    #[default]
    Refuse,
    /// The complete output takes its place.
    Replace,
}

impl Existing {
    /// [`Replace`](Self::Replace) where `yes`.
    pub const fn replace_if(yes: bool) -> Self {
        if yes { Self::Replace } else { Self::Refuse }
    }
}

/// An output file that gets its name when it is complete: until [`commit`](Self::commit) it has none where the file system has such files, so that
/// nothing is left of a run that is killed; elsewhere it stands under a temporary name beside it, and dropping it removes it.
#[derive(Debug)]
pub struct AtomicFile {
    storage: Option<Arc<FileStorage>>,
    temporary: Option<PathBuf>,
    path: PathBuf,
    replace: bool,
    left_over: Vec<PathBuf>,
}

impl AtomicFile {
    /// Begins the file that will be `path`. Where `path` is a link and its file is replaced, the link goes on to lead there.
    ///
    /// # Errors
    /// [`ErrorKind::TargetExists`] where `path` exists and is to stay; [`ErrorKind::Usage`] where it is no ordinary file; errors of the
    /// medium.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        Self::begin(path, existing == Existing::Replace, false)
    }

    /// The same of a file that must not exist and that nobody else may read, until it is given other permissions.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_private(path: &Path) -> Result<Self> {
        Self::begin(path, false, true)
    }

    fn begin(path: &Path, replace: bool, private: bool) -> Result<Self> {
        let place = Self::place(path, replace)?;
        let left_over = parts::remove_left_over(&place);
        let (file, temporary) = parts::create(&place, private).map_err(|e| ErrorKind::Io(in_folder(e)))?;
        Ok(Self { storage: Some(Arc::new(FileStorage::new(file))), temporary, path: place, replace, left_over })
    }

    /// Files beside the output whose names are those of its temporary files, and that are not surely left by a run that was killed: another
    /// user's, one that is in use, a link. Those that are surely were removed when this one was made.
    pub fn left_over(&self) -> &[PathBuf] {
        &self.left_over
    }

    /// Where a file of this name goes.
    fn place(path: &Path, replace: bool) -> Result<PathBuf> {
        let no = |why: &str| Err(ErrorKind::Usage(format!("{} {why}", path.display())).into());
        let is_folder = "is a folder: give the name of a file in it";
        let Ok(own) = path.symlink_metadata() else {
            let ends = |c: char| c.is_ascii() && path.as_os_str().as_encoded_bytes().last().is_some_and(|b| char::from(*b) == c);
            let nameless = path.file_name().is_none() || std::path::is_separator('\\') && ends('\\') || ends('/');
            return if nameless { no(is_folder) } else { Ok(path.to_owned()) };
        };
        match std::fs::metadata(path) {
            Ok(m) if m.is_dir() => no(is_folder),
            Ok(_) if !replace => Err(ErrorKind::TargetExists(path.to_owned()).into()),
            // a device, a pipe: bytes that are written to it would be gone, and so would it be
            Ok(m) if !m.is_file() => no("is no ordinary file, and is not replaced: give another name"),
            Ok(_) if own.is_symlink() => path.canonicalize().map_err(|e| ErrorKind::Io(e).into()),
            Err(_) if own.is_symlink() => no("is a link that leads nowhere: give another name, or remove it first"),
            _ => Ok(path.to_owned()),
        }
    }

    /// The storage to write to.
    ///
    /// # Errors
    /// After [`commit`](Self::commit).
    pub fn storage(&self) -> Result<&FileStorage> {
        self.storage.as_deref().ok_or_else(|| ErrorKind::Usage("the file is complete already".to_owned()).into())
    }

    /// The same to share: the written bytes can be read again before it gets its name.
    ///
    /// # Errors
    /// After [`commit`](Self::commit).
    pub fn shared(&self) -> Result<Arc<FileStorage>> {
        self.storage.clone().ok_or_else(|| ErrorKind::Usage("the file is complete already".to_owned()).into())
    }

    /// Gives the file the permissions, and where that is allowed the owner, of one that it takes the place of or belongs to. Where the
    /// group cannot be set, nobody but the owner may use the file: the permissions never become wider than those.
    pub fn take_permissions(&self, old: &std::fs::Metadata) {
        let Some(storage) = &self.storage else { return };
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
            // nobody else until it has its owner
            let set = |mode| storage.file.set_permissions(std::fs::Permissions::from_mode(mode));
            let mode = old.mode() & 0o7777;
            let _ = set(mode & 0o600);
            let is_grouped = fchown(&storage.file, Some(old.uid()), Some(old.gid())).is_ok()
                || fchown(&storage.file, None, Some(old.gid())).is_ok()
                || storage.file.metadata().is_ok_and(|now| now.gid() == old.gid());
            let _ = set(if is_grouped { mode } else { mode & 0o700 });
        }
        #[cfg(not(unix))]
        let _ = storage.file.set_permissions(old.permissions());
    }

    /// Names the file; without `replace` never over another one, not even one that has just appeared, where the system can do that.
    fn name(&mut self, storage: Arc<FileStorage>) -> io::Result<()> {
        if self.temporary.is_none() {
            if !self.replace {
                return parts::link(&storage.file, &self.path);
            }
            self.temporary = Some(parts::link_beside(&storage.file, &self.path)?);
        }
        drop(storage);
        let Some(temporary) = &self.temporary else { return Ok(()) };
        #[cfg(target_os = "linux")]
        if !self.replace {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            match renameat_with(CWD, temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
                done => return Ok(done?),
            }
        }
        if !self.replace && self.path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(temporary, &self.path)
    }

    /// Keeps bytes from others that they may not read of the file that this one is made of.
    pub fn hide_as(&self, source: &std::fs::Metadata) {
        #[cfg(unix)]
        if let Some(storage) = &self.storage
            && let Ok(now) = storage.file.metadata()
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = now.permissions().mode() & (source.permissions().mode() | 0o600);
            let _ = storage.file.set_permissions(std::fs::Permissions::from_mode(mode));
        }
        #[cfg(not(unix))]
        let _ = source;
    }

    /// Brings everything to the medium and gives the file its name.
    ///
    /// # Errors
    /// Errors of the medium; the file then stands under neither name.
    pub fn commit(mut self) -> Result<()> {
        let storage = self.shared()?;
        storage.sync().map_err(ErrorKind::Io)?;
        self.storage = None;
        let handle = storage.file().and_then(|f| f.try_clone().ok());
        let appeared = Error::new(ErrorKind::TargetExists(self.path.clone()));
        match self.name(storage) {
            Err(e) if !self.replace && e.kind() == io::ErrorKind::AlreadyExists => return Err(appeared),
            named => named.map_err(ErrorKind::Io)?,
        }
        // a thread that still has a handle must not keep others from the complete file
        if let Some(file) = handle {
            let _ = file.unlock();
        }
        #[cfg(test)]
        tests::trace("name");
        sync_name(&self.path);
        Ok(())
    }
}

/// A file that nobody else may read, and that goes away with the value, or with the process where the system can do that.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    storage: FileStorage,
    /// Its name, where a file that is open has to have one.
    name: Option<PathBuf>,
}

impl TemporaryFile {
    /// Makes one. It is none that was there before: in a folder that others write to, that might be a link to something else.
    ///
    /// # Errors
    /// Where `path` exists; errors of the medium.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let storage = FileStorage::new(options.open(path)?);
        let gone = cfg!(unix) && std::fs::remove_file(path).is_ok();
        Ok(Self { storage, name: if gone { None } else { Some(path.to_owned()) } })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = std::fs::remove_file(name);
        }
    }
}

impl ReadAt for TemporaryFile {
    fn len(&self) -> u64 {
        self.storage.len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.storage.read_exact_at(buf, offset)
    }
}

impl Storage for TemporaryFile {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.storage.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.storage.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn settled(&self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        self.storage.settled()
    }
}

/// Brings a name to the medium, which must survive a crash as well as the file; not every platform can sync a directory.
pub(crate) fn sync_name(path: &Path) {
    if let Some(dir) = path.parent() {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        if let Ok(dir) = File::open(dir) {
            #[cfg(test)]
            tests::trace("folder");
            let _ = dir.sync_all();
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        self.storage = None;
        if let Some(temporary) = &self.temporary {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        /// The files that this thread has brought to the medium, and named, in order.
        static TRACE: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// Notes the files that are brought to the medium.
    pub(super) fn trace(what: &'static str) {
        TRACE.with(|t| t.borrow_mut().push(what));
    }

    /// A name that is on the medium before the bytes are would be that of half a file after a crash.
    #[test]
    fn a_file_is_on_the_medium_before_its_name_is_and_the_name_before_the_commit_ends() {
        let dir = tempfile::tempdir().unwrap();
        for replace in [false, true] {
            let file = AtomicFile::create(&dir.path().join("out.pst"), Existing::replace_if(replace)).unwrap();
            file.storage().unwrap().write_all_at(b"abc", 0).unwrap();
            TRACE.with(|t| t.borrow_mut().clear());
            file.commit().unwrap();
            assert_eq!(TRACE.with(RefCell::take), ["file", "name", "folder"], "{replace}");
        }
    }

    /// A run that is killed leaves nothing where the file system has files without names.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_name_leaves_nothing_when_its_run_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&dir.path().join("out.pst"), Existing::Replace).unwrap();
        if file.temporary.is_some() {
            println!("skipped: this file system has no files without names");
            return;
        }
        file.storage().unwrap().write_all_at(b"abc", 0).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::mem::forget(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_source_that_becomes_shorter_is_an_error_with_its_offset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![1; 10_000]).unwrap();
        let source = FileSource::new(File::open(&path).unwrap()).unwrap();
        source.intact().unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
        let e = source.intact().unwrap_err();
        assert!(e.kind() == io::ErrorKind::UnexpectedEof && e.to_string().contains("0x1388"), "{e}");
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_and_a_committed_one_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.pst");
        let file = AtomicFile::create(&path, Existing::Refuse).unwrap();
        file.storage().unwrap().write_all_at(b"abc", 0).unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = AtomicFile::create(&path, Existing::Refuse).unwrap();
        file.storage().unwrap().write_all_at(b"abc", 0).unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(AtomicFile::create(&path, Existing::Refuse).is_err());
    }

    #[test]
    fn a_file_that_has_just_appeared_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.pst");
        let file = AtomicFile::create(&path, Existing::Refuse).unwrap();
        std::fs::write(&path, b"mine").unwrap();
        let e = file.commit().unwrap_err();
        assert!(e.to_string().contains("exists"), "{e}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_ordinary_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &Path, replace| AtomicFile::create(path, Existing::replace_if(replace)).unwrap_err().to_string();
        for replace in [false, true] {
            assert!(told(dir.path(), replace).contains("folder"));
            assert!(told(&dir.path().join("new/"), replace).contains("folder"));
            assert!(told(&dir.path().join("none/new"), replace).contains("make that first"));
        }
        #[cfg(unix)]
        {
            assert!(told("/dev/null".as_ref(), true).contains("no ordinary file"));
            let (real, link, nowhere) = (dir.path().join("real"), dir.path().join("link"), dir.path().join("nowhere"));
            std::fs::write(&real, b"old").unwrap();
            std::os::unix::fs::symlink("real", &link).unwrap();
            std::os::unix::fs::symlink("none", &nowhere).unwrap();
            assert!(told(&link, false).contains("exists"));
            assert!(told(&nowhere, false).contains("leads nowhere"));
            let file = AtomicFile::create(&link, Existing::Replace).unwrap();
            file.storage().unwrap().write_all_at(b"new", 0).unwrap();
            file.commit().unwrap();
            assert!(link.symlink_metadata().unwrap().is_symlink());
            assert_eq!(std::fs::read(&real).unwrap(), b"new");
        }
        let long = dir.path().join("x".repeat(250));
        AtomicFile::create(&long, Existing::Refuse).unwrap().commit().unwrap();
        assert!(long.is_file());
    }

    /// A file that others may not read stays closed to them as a copy.
    #[cfg(unix)]
    #[test]
    fn a_copy_is_hidden_as_its_source_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (old, path) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, b"").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o400)).unwrap();
        let file = AtomicFile::create(&path, Existing::Refuse).unwrap();
        file.hide_as(&std::fs::metadata(&old).unwrap());
        file.commit().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_exclusive_lock_keeps_readers_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"abc").unwrap();
        let held = FileStorage::open_exclusive(&path).unwrap();
        assert!(matches!(FileSource::new(File::open(&path).unwrap()).unwrap_err().kind(), ErrorKind::Locked));
        drop(held);
        assert_eq!(FileSource::new(File::open(&path).unwrap()).unwrap().len(), 3);
    }
}
