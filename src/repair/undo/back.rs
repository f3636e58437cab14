//! Taking a repair back: when asked, and unasked where it was interrupted.

use super::head::{Head, Piece, Way};
use super::{State, kept, put_back, state_of, unfit};
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::wide;
use crate::io::{FileId, FileStorage, ReadAt, Storage};
use crate::messaging::{OpenOptions, Pst};
use crate::repair::scratch::Scratch;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// An undo file and its target, both open.
struct Pair {
    undo: FileStorage,
    head: Head,
    target: Arc<FileStorage>,
    state: State,
}

impl Pair {
    /// Opens both and tests everything but whether the target was used since.
    fn open(undo: &Path, target: &Path) -> Result<Self> {
        if FileId::of_path(undo).is_some_and(|a| FileId::of_path(target).is_some_and(|b| a.is_same(b))) {
            return Err(unfit("it is the file itself, not its undo file"));
        }
        Self::over(undo, Arc::new(FileStorage::open_exclusive(&target.canonicalize().map_err(ErrorKind::Io)?)?))
    }

    /// The same with a target that is open.
    fn over(undo_path: &Path, target: Arc<FileStorage>) -> Result<Self> {
        let undo = FileStorage::open_plain(undo_path)?;
        let head = Head::read(&undo, target.len())?;
        let mut pair = Self { undo, head, target, state: State::Used };
        pair.state = pair.state()?;
        if pair.state != State::Before {
            kept::is_there(undo_path, &pair.head)?;
        }
        Ok(pair)
    }

    fn state(&self) -> Result<State> {
        let len = self.target.len();
        match &self.head.way {
            Way::Records { pieces, headers } => {
                let old = pieces.first().map(|p| self.head.bytes(&self.undo, p)).transpose()?.unwrap_or_default();
                let state = state_of(self.target.as_ref(), &old, headers)?;
                let grown = self.head.new_len.is_some_and(|most| len > most || (state == State::After && len != most));
                Ok(if grown { State::Used } else { state })
            }
            _ => Ok(match kept::is_after(&self.head, self.target.as_ref())? {
                Some(true) => State::After,
                Some(false) => State::Before,
                None => State::Used,
            }),
        }
    }

    /// Fails where the target is surely another store.
    fn is_this_store(&self) -> Result<()> {
        let Some(then) = self.head.key else { return Ok(()) };
        let target: Arc<dyn ReadAt> = Arc::clone(&self.target) as Arc<dyn ReadAt>;
        match record_key(&target) {
            Some(now) if now != then => Err(unfit("it is the undo file of another store: the record keys differ")),
            _ => Ok(()),
        }
    }

    /// Puts records back; where that fails, the bytes that stood there before.
    fn put_back(&self, pieces: &[Piece], place: &Path) -> Result<()> {
        let get = |i: usize| match pieces.get(i) {
            Some(p) => Ok((p.at, Cow::from(self.head.bytes(&self.undo, p)?))),
            None => Ok((0, Cow::default())),
        };
        let all = pieces.iter().map(|p| wide(p.len)).fold(0, u64::saturating_add);
        let present = Scratch::beside(place).room(all)?;
        let mut at = 0;
        for p in pieces {
            let mut bytes = vec![0; p.len];
            self.target.read_exact_at(&mut bytes, p.at).map_err(|e| Error::io_at(e, p.at))?;
            present.write_all_at(&bytes, at).map_err(ErrorKind::Io)?;
            at = at.saturating_add(wide(p.len));
        }
        put_back(self.target.as_ref(), self.head.len, pieces.len(), &get).inspect_err(|_| {
            // the file is as it was, as far as the medium lets it; the undo file stays
            let mut at = 0;
            for p in pieces {
                let mut bytes = vec![0; p.len];
                if present.read_exact_at(&mut bytes, at).is_ok() {
                    let _ = self.target.write_all_at(&bytes, p.at);
                }
                at = at.saturating_add(wide(p.len));
            }
            let _ = self.target.sync();
        })
    }
}

/// The record key of a store, where it is readable.
pub(in crate::repair) fn record_key(source: &Arc<dyn ReadAt>) -> Option<[u8; 16]> {
    let pst = Pst::plainly(Arc::clone(source), "", &OpenOptions::default()).ok()?;
    pst.store().ok()?.record_key().ok().flatten()
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|e| Error::new(ErrorKind::Io(e)))
}

/// The fate of bytes that were written to the file after the repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LaterWrites {
    /// They stay: an undo that would lose them is refused.
    #[default]
    Keep,
    /// They are given up where the repair had overwritten the same place.
    Discard,
}

impl LaterWrites {
    /// [`Discard`](Self::Discard) where `yes`.
    pub const fn discard_if(yes: bool) -> Self {
        if yes { Self::Discard } else { Self::Keep }
    }
}

/// Restores `target` byte for byte to its state before the repair that made the undo file `undo`, which is removed then. A target that
/// has been changed since the repair is only written to with [`LaterWrites::Discard`]. Answers whether every byte is surely as it was: where that was needed
/// and only the bytes that the repair had overwritten are put back, the undo file stays.
///
/// The pair may have been copied to another place; an old file that was kept whole has to lie beside the undo file.
///
/// # Errors
/// [`ErrorKind::Unfit`] where `undo` is no undo file, is damaged, belongs to another file, or the target has been changed since;
/// [`ErrorKind::Locked`] where another process holds the target; errors of the medium. The target is then as it was.
pub fn undo(undo: &Path, target: &Path, later: LaterWrites) -> Result<bool> {
    let force = later == LaterWrites::Discard;
    if is_second_name(undo, target) {
        // a crash of an earlier version came before the new file got its name
        return remove(undo).map(|()| true);
    }
    let place = target.canonicalize().map_err(ErrorKind::Io)?;
    let pair = Pair::open(undo, &place)?;
    if pair.state == State::Used {
        pair.is_this_store()?;
        if !force {
            let what = "the file is another one, or has been changed since it was repaired; undoing that repair would lose those changes";
            return Err(ErrorKind::Unfit { what: what.to_owned(), force: true }.into());
        }
    }
    match (&pair.head.way, pair.state) {
        (Way::Records { pieces, .. }, state) => {
            pair.put_back(pieces, &place)?;
            if state == State::Used {
                return Ok(false);
            }
        }
        (_, State::Before) => kept::let_go(undo, &pair.head, &pair.target, &())?,
        _ => kept::restore(undo, &pair.head, &place, &pair.target, &())?,
    }
    match remove(undo) {
        // an old file of the version before was the undo file itself
        Err(_) if undo.symlink_metadata().is_err() => {}
        removed => removed?,
    }
    Ok(true)
}

/// Takes back a repair in place that was interrupted, so that the next one begins with the file as it was. Says whether there was one: a
/// repair that came to its end is not taken back, nor is anything where the file has been used since, where the undo file is not surely the
/// one that a repair of this very file wrote, or where it does not pass its tests.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file; errors of the media.
pub fn take_back_interrupted(path: &Path, undo: &Path) -> Result<bool> {
    if undo.symlink_metadata().is_err() {
        return Ok(false);
    }
    if is_second_name(undo, path) {
        return remove(undo).map(|()| true);
    }
    let place = path.canonicalize().map_err(ErrorKind::Io)?;
    let pair = match Pair::open(undo, &place) {
        Ok(pair) => pair,
        Err(e) if matches!(e.kind(), ErrorKind::Unfit { .. }) => return Ok(false),
        Err(e) => return Err(e),
    };
    if !is_own(&pair) {
        return Ok(false);
    }
    match (&pair.head.way, pair.state) {
        (Way::Records { pieces, .. }, State::Before | State::Between) => pair.put_back(pieces, &place)?,
        (Way::Kept { .. }, State::Before) => kept::let_go(undo, &pair.head, &pair.target, &())?,
        _ => return Ok(false),
    }
    remove(undo).map(|()| true)
}

/// Whether the undo file was surely written for this very file, by its owner or by this user, and nobody else may write to it.
fn is_own(pair: &Pair) -> bool {
    let (Some(then), Some(now)) = (pair.head.file, pair.target.id()) else { return false };
    if !then.is_same(now) || then.owner != now.owner {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(undo), Ok(target)) = (pair.undo.metadata(), pair.target.metadata()) else { return false };
        let own = rustix::process::geteuid().as_raw();
        undo.nlink() == 1 && [target.uid(), own].contains(&undo.uid()) && undo.mode() & 0o022 & !target.mode() == 0
    }
    #[cfg(not(unix))]
    false
}

/// Why a repair in place cannot write its undo file: one is there already. `None` where there is none.
///
/// The error is [`ErrorKind::TargetExists`] where that undoes a repair that came to its end, and [`ErrorKind::Unfit`] where it does not fit the file.
pub fn in_the_way(path: &Path, undo: &Path) -> Option<Error> {
    undo.symlink_metadata().ok()?;
    // it is only read, whoever holds it
    match std::fs::File::open(path) {
        Ok(file) => in_the_way_of(&Arc::new(FileStorage::new(file)), undo),
        Err(e) => Some(ErrorKind::Io(e).into()),
    }
}

/// The same with a file that is open.
pub(in crate::repair) fn in_the_way_of(target: &Arc<FileStorage>, undo: &Path) -> Option<Error> {
    undo.symlink_metadata().ok()?;
    let name = undo.display();
    Some(match Pair::over(undo, Arc::clone(target)) {
        Ok(pair) if pair.state == State::After => ErrorKind::TargetExists(undo.to_owned()).into(),
        Ok(pair) if pair.state == State::Used => unfit(format!(
            "{name} exists from an earlier repair and does not fit the file: it is another file's, or the file has been used since"
        )),
        Ok(_) => unfit(format!(
            "{name} exists from a repair that was interrupted, and is not surely this file's own: it is only used where that is asked for (undo)"
        )),
        Err(e) if matches!(e.kind(), ErrorKind::Unfit { .. }) => unfit(format!("{name} exists and does not serve: {e}")),
        Err(e) => e,
    })
}

/// Whether two different names are one file: removing one of them loses nothing.
fn is_second_name(a: &Path, b: &Path) -> bool {
    if a.symlink_metadata().is_ok_and(|m| !m.is_file()) {
        return false;
    }
    let (Ok(real), Ok(other)) = (a.canonicalize(), b.canonicalize()) else { return false };
    real != other && FileId::of_path(a).is_some_and(|a| FileId::of_path(b).is_some_and(|b| a.is_same(b)))
}
