//! Temporary files of outputs: without a name where the file system has such files, else `NAME.PID.N.part` under a lock.
//!
//! A run that was killed leaves a file with such a name behind. A later run with the same output removes it where that is surely one: the
//! name is the full pattern, it is a plain file of this user, and its exclusive lock can be had. Any other stays.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Names of this many bytes and more are not made longer.
const NAME_LONG: usize = 200;
/// The ending of every such name.
const END: &str = ".part";
/// Leftovers are sought among so many names of a folder.
const NAMES_MOST: usize = 100_000;

/// The beginning of such names of an output: with the ending, a long name might be none that a file can have.
fn stem(path: &Path) -> &OsStr {
    path.file_name().filter(|name| name.len() <= NAME_LONG).unwrap_or_default()
}

/// A name beside the output that no other run of this process has.
fn next_name(path: &Path) -> (PathBuf, u64) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name: OsString = stem(path).to_owned();
    name.push(format!(".{}.{n}{END}", std::process::id()));
    (path.with_file_name(name), n)
}

/// Whether a name is that of a temporary file of an output: its stem, two numbers, and the end.
fn is_part(name: &OsStr, stem: &OsStr) -> bool {
    let Some(rest) = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes()).and_then(|n| n.strip_suffix(END.as_bytes())) else {
        return false;
    };
    let is_number = |n: &[u8]| !n.is_empty() && n.len() <= 20 && n.iter().all(u8::is_ascii_digit);
    let mut parts = rest.split(|b| *b == b'.');
    parts.next().is_some_and(<[u8]>::is_empty)
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}

/// A new temporary file for an output, and its name where it has one. `private`: nobody else may read it.
pub(super) fn create(path: &Path, private: bool) -> io::Result<(File, Option<PathBuf>)> {
    if let Some(file) = unnamed(path, private) {
        return Ok((file, None));
    }
    // never one that is there: in a folder that others write to, it might be a link to something else
    loop {
        let (temporary, n) = next_name(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        if private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        match options.open(&temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < u64::from(u16::MAX) => {}
            made => {
                let file = made?;
                // whoever finds the file sees that it is in use
                let _ = file.try_lock();
                return Ok((file, Some(temporary)));
            }
        }
    }
}

/// The name of the file of an open descriptor.
#[cfg(target_os = "linux")]
fn by_descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A file without a name, where the file system has such files and they can be given one later.
#[cfg(target_os = "linux")]
fn unnamed(path: &Path, private: bool) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = Mode::from_raw_mode(if private { 0o600 } else { 0o666 });
    let file = File::from(openat(CWD, dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode).ok()?);
    let _ = file.try_lock();
    by_descriptor(&file).metadata().is_ok().then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: bool) -> Option<File> {
    None
}

/// Gives a file without a name one that no file has.
#[cfg(target_os = "linux")]
pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, by_descriptor(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a file without a name a temporary one beside the output.
pub(super) fn link_beside(file: &File, path: &Path) -> io::Result<PathBuf> {
    loop {
        let (temporary, n) = next_name(path);
        match link(file, &temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < u64::from(u16::MAX) => {}
            linked => return linked.map(|()| temporary),
        }
    }
}

/// Removes the rest of an output that killed runs have left, and answers the names like it that were left because they are not surely that.
pub(super) fn remove_left_over(path: &Path) -> Vec<PathBuf> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = stem(path);
    let Ok(names) = std::fs::read_dir(dir) else { return Vec::new() };
    // Of an output with a long name they have no stem, and could be any output's.
    let found = names.take(NAMES_MOST).flatten().filter(|entry| !stem.is_empty() && is_part(&entry.file_name(), stem));
    found.map(|entry| path.with_file_name(entry.file_name())).filter(|part| !remove_one(part)).collect()
}

/// Removes a file that nobody uses.
#[cfg(unix)]
fn remove_one(part: &Path) -> bool {
    use rustix::fs::OFlags;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    if !part.symlink_metadata().is_ok_and(|m| m.is_file()) {
        return false;
    }
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let Ok(file) = OpenOptions::new().read(true).write(true).custom_flags(flags).open(part) else { return false };
    let (Ok(open), Ok(named)) = (file.metadata(), part.symlink_metadata()) else { return false };
    let is_own =
        open.is_file() && open.uid() == rustix::process::geteuid().as_raw() && (open.dev(), open.ino()) == (named.dev(), named.ino());
    is_own && super::lock_exclusive(&file).is_ok() && std::fs::remove_file(part).is_ok()
}

/// Removes nothing: whose a file is cannot be told here.
#[cfg(not(unix))]
fn remove_one(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_pattern_is_a_temporary_name_of_an_output() {
        let is = |name: &str| is_part(name.as_ref(), "out.pst".as_ref());
        assert!(is("out.pst.123.0.part") && is("out.pst.1.65535.part"));
        for other in [
            "out.pst.part",
            "out.pst.12.part",
            "out.pst.12.x.part",
            "out.pst.12..part",
            "out.pst.1.2.3.part",
            "xout.pst.1.2.part",
            "out.pst.1.2.part~",
            "out.pst",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_run_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.pst");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("out.pst.1.0.part"), b"left").unwrap();
        std::fs::write(at("out.pst.2.0.part"), b"in use").unwrap();
        std::fs::write(at("out.pst.part"), b"another's").unwrap();
        std::fs::write(at("other.pst.3.0.part"), b"another's").unwrap();
        std::fs::write(at("real"), b"mine").unwrap();
        std::os::unix::fs::symlink("real", at("out.pst.4.0.part")).unwrap();
        std::fs::create_dir(at("out.pst.5.0.part")).unwrap();
        let held = File::open(at("out.pst.2.0.part")).unwrap();
        held.lock().unwrap();
        let mut left = remove_left_over(&out);
        left.sort();
        assert_eq!(left, [at("out.pst.2.0.part"), at("out.pst.4.0.part"), at("out.pst.5.0.part")]);
        assert!(!at("out.pst.1.0.part").exists());
        for name in ["out.pst.2.0.part", "out.pst.part", "other.pst.3.0.part", "real", "out.pst.4.0.part", "out.pst.5.0.part"] {
            assert!(at(name).symlink_metadata().is_ok(), "{name}");
        }
    }
}
