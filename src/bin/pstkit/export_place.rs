//! Where exported items go: folders with safe names, and files that are complete or not there.

use pstkit::error::{Error, ErrorKind, Result};
use pstkit::export::items::{Origin, hex};
use pstkit::export::{NameSet, maildir_folder, safe_name};
use pstkit::format::tags;
use pstkit::format::types::FileTime;
use pstkit::{Nid, Pst};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of the name of a folder.
const FOLDER_NAME: usize = 80;

/// The folders that items without one, and deleted ones, get.
const ORPHANS: &str = "Orphans";
const DELETED: &str = "Deleted mail";
const CARVED: &str = "Carved mail";

/// The folders of an export, by the folders of the file.
pub(crate) struct Places {
    root: PathBuf,
    /// Path and own name, by the folder's node id.
    folders: HashMap<Nid, (PathBuf, String)>,
    /// The same for folders that only a path tells, with how the items were found.
    lost: HashMap<(Origin, String), (PathBuf, String)>,
    top: HashMap<Origin, PathBuf>,
}

impl Places {
    /// Gives each folder a place. `maildir`: one level, with dots in the names.
    pub(crate) fn new(pst: &Pst, root: &Path, maildir: bool) -> Self {
        let mut this = Self { root: root.to_owned(), folders: HashMap::new(), lost: HashMap::new(), top: HashMap::new() };
        if maildir {
            this.maildir(pst);
        } else {
            this.tree(pst);
        }
        this
    }

    fn tree(&mut self, pst: &Pst) {
        let mut taken: HashMap<PathBuf, NameSet> = HashMap::new();
        let top = taken.entry(self.root.clone()).or_default();
        for (origin, name) in [(Origin::Orphan, ORPHANS), (Origin::Deleted, DELETED), (Origin::Carved, CARVED)] {
            self.top.insert(origin, self.root.join(top.add(name, FOLDER_NAME)));
        }
        for (nid, parent, name) in folders(pst) {
            let above = self.folders.get(&parent).map_or(&self.root, |(path, _)| path).clone();
            if nid == Nid::ROOT_FOLDER {
                self.folders.insert(nid, (above, "Root".to_owned()));
                continue;
            }
            let own = taken.entry(above.clone()).or_default().add(&name, FOLDER_NAME);
            let path = above.join(&own);
            // The file of the folder's own mail stands beside the folders in it.
            taken.entry(path.clone()).or_default().add(&format!("{own}.mbox"), FOLDER_NAME.saturating_add(8));
            self.folders.insert(nid, (path, own));
        }
    }

    fn maildir(&mut self, pst: &Pst) {
        let subtree = pst.store().ok().and_then(|s| s.folder_of(tags::IPM_SUBTREE_ENTRY_ID).ok().flatten());
        let mut taken = NameSet::default();
        let mut names: HashMap<Nid, Vec<String>> = HashMap::new();
        for (origin, name) in [(Origin::Orphan, ORPHANS), (Origin::Deleted, DELETED), (Origin::Carved, CARVED)] {
            let _ = taken.add(name, FOLDER_NAME);
            self.top.insert(origin, self.root.join(format!(".{name}")));
        }
        for (nid, parent, name) in folders(pst) {
            let is_inbox = Some(parent) == subtree && name.eq_ignore_ascii_case("Inbox");
            if nid == Nid::ROOT_FOLDER || Some(nid) == subtree || is_inbox {
                names.insert(nid, if is_inbox { vec!["INBOX".to_owned()] } else { Vec::new() });
                self.folders.insert(nid, (self.root.clone(), "INBOX".to_owned()));
                continue;
            }
            let mut own = names.get(&parent).cloned().unwrap_or_default();
            own.push(name.clone());
            let path = maildir_folder(own.iter().filter(|n| *n != "INBOX"));
            // Names that differ in case alone are one on some file systems.
            let unique = taken.add(path.trim_start_matches('.'), 240);
            names.insert(nid, own);
            self.folders.insert(nid, (self.root.join(format!(".{unique}")), name));
        }
    }

    /// Path and name of the folder for an item.
    pub(crate) fn of(&mut self, folder: Nid, path: &str, origin: Origin) -> (PathBuf, String) {
        let own = match origin {
            Origin::Normal => self.folders.get(&folder),
            Origin::Orphan if !path.is_empty() => self.folders.get(&folder),
            _ => None,
        };
        if let Some(found) = own {
            return found.clone();
        }
        let top = self.top.get(&origin).or(self.top.get(&Origin::Orphan)).unwrap_or(&self.root).clone();
        let made = self.lost.entry((origin, path.to_owned())).or_insert_with(|| {
            let names: Vec<String> = path.split('/').filter(|n| !n.is_empty()).map(|n| safe_name(n, FOLDER_NAME)).collect();
            let last = names.last().cloned().unwrap_or_else(|| "Mail".to_owned());
            if top.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
                let name = format!("{}{}", top.to_string_lossy(), maildir_folder(&names));
                return (PathBuf::from(name), last);
            }
            (names.iter().fold(top, |path, name| path.join(name)), last)
        });
        made.clone()
    }
}

/// Every folder with its parent and name, each behind its parent.
fn folders(pst: &Pst) -> Vec<(Nid, Nid, String)> {
    let all = pst.folder_order().into_iter().filter_map(|nid| pst.folder(nid).ok());
    all.map(|f| (f.nid(), f.parent(), f.display_name())).collect()
}

/// The name of an item's file.
pub(crate) fn file_name(time: Option<FileTime>, subject: &str, nid: Nid, extension: &str, room: usize) -> String {
    let day = time.map(|t| t.to_string().get(..10).unwrap_or_default().to_owned()).unwrap_or_default();
    let tail = format!(" [{:x}].{extension}", nid.0);
    let head = format!("{day} {subject}");
    let head = safe_name(head.trim(), room.saturating_sub(tail.len()).max(16));
    format!("{head}{tail}")
}

/// The fate of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Written.
    Written,
    /// It was there, with the same bytes.
    Present,
    /// It was there with other bytes, and stays.
    Kept,
}

/// A file that was written, or was there.
pub(crate) struct Put<T> {
    pub(crate) action: Action,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) result: T,
}

/// Counts what goes through, and makes its digest where that is wanted.
pub(crate) struct Measured<W> {
    pub(crate) out: W,
    pub(crate) bytes: u64,
    digest: Option<Sha256>,
}

impl<W: Write> Measured<W> {
    pub(crate) fn new(out: W, digest: bool) -> Self {
        Self { out, bytes: 0, digest: digest.then(Sha256::new) }
    }

    pub(crate) fn sha256(&mut self) -> Option<String> {
        self.digest.take().map(|d| hex(&d.finalize()))
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(n).unwrap_or(0));
        if let (Some(digest), Some(written)) = (&mut self.digest, bytes.get(..n)) {
            digest.update(written);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Compares what is written with a file.
struct Compare {
    file: BufReader<File>,
    held: Vec<u8>,
    /// Whether all so far is the same.
    same: bool,
    /// Whether the file ended before what is written did.
    short: bool,
}

impl Write for Compare {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.same && !self.short {
            self.held.resize(bytes.len(), 0);
            let mut have = 0;
            while let Some(rest) = self.held.get_mut(have..).filter(|r| !r.is_empty()) {
                match self.file.read(rest) {
                    Ok(0) => break,
                    Ok(n) => have = have.saturating_add(n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            self.same = self.held.get(..have) == bytes.get(..have);
            self.short = have < bytes.len();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(path: &Path, e: &io::Error) -> Error {
    ErrorKind::Io(io::Error::new(e.kind(), format!("{}: {e}", path.display()))).into()
}

/// Writes a file under a name that it gets when it is complete. A file that is there already is compared: one that was cut off is
/// written anew, any other stays as it is.
pub(crate) fn put<T>(path: &Path, time: Option<FileTime>, digest: bool, write: &dyn Fn(&mut dyn Write) -> Result<T>) -> Result<Put<T>> {
    if fs::symlink_metadata(path).is_ok() {
        let compared = compare(path, digest, write)?;
        if let Some(put) = compared {
            return Ok(put);
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{}.part", pstkit::export::safe_name(&name, 240)));
    // The rest of an earlier run is ours.
    let _ = fs::remove_file(&part);
    let file = OpenOptions::new().write(true).create_new(true).open(&part).map_err(|e| failed(&part, &e))?;
    let run = || -> Result<Put<T>> {
        let mut out = Measured::new(BufWriter::with_capacity(128 << 10, file), digest);
        let result = write(&mut out)?;
        out.flush().map_err(|e| failed(&part, &e))?;
        let sha256 = out.sha256();
        if let Some(time) = time.and_then(|t| SystemTime::try_from(t).ok()) {
            // A file system without such times is no reason to fail.
            let _ = out.out.get_ref().set_modified(time);
        }
        fs::rename(&part, path).map_err(|e| failed(path, &e))?;
        Ok(Put { action: Action::Written, bytes: out.bytes, sha256, result })
    };
    let done = run();
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

/// Compares a file with what would be written; `None` where it is but the beginning of that.
fn compare<T>(path: &Path, digest: bool, write: &dyn Fn(&mut dyn Write) -> Result<T>) -> Result<Option<Put<T>>> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
    let file = if is_file { File::open(path).ok() } else { None };
    let Some(file) = file else {
        let mut out = Measured::new(io::sink(), digest);
        let result = write(&mut out)?;
        return Ok(Some(Put { action: Action::Kept, bytes: out.bytes, sha256: out.sha256(), result }));
    };
    let compare = Compare { file: BufReader::with_capacity(64 << 10, file), held: Vec::new(), same: true, short: false };
    let mut out = Measured::new(compare, digest);
    let result = write(&mut out)?;
    let (sha256, bytes) = (out.sha256(), out.bytes);
    let mut compare = out.out;
    if compare.same && compare.short {
        return Ok(None);
    }
    let ends = compare.file.read(&mut [0]).is_ok_and(|n| n == 0);
    let action = if compare.same && ends { Action::Present } else { Action::Kept };
    Ok(Some(Put { action, bytes, sha256, result }))
}
