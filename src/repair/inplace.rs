//! Repair in place, such that a crash at any instant leaves the old state or the new one, or one that the next run finishes by itself.
//!
//! Where header, maps, trees or reference counts are all that is wrong, the objects stay where they are: new trees go behind the end
//! of the file, and only then are the header and the map pages overwritten.
//!
//! ```text
//! 1 undo file, synced   2 new sections behind the end, synced   3 header with the new roots, maps marked as not valid, synced
//! 4 map pages of the old sections, density list, synced         5 header, maps marked as valid, synced
//! ```
//!
//! Until 3 the old header reaches nothing that was changed; from 3 on the new trees are whole, and only the maps may be stale, which the
//! header says. Where objects have to be written anew, the repaired file is written beside the old one and takes its name in one step;
//! the old file stays under the undo file's name.

use super::partial;
use super::plan::{Plan, Policy};
use super::rebuild::{Outcome, rebuild, untouched};
use super::scratch::{Scratch, copy_bytes};
use super::undo::UndoRecord;
use crate::check::{CheckOptions, check};
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, wide};
use crate::format::header::Header;
use crate::format::layout::Layout;
use crate::io::{AtomicFile, FileStorage, Overlay, ReadAt, Storage};
use crate::monitor::Monitor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are written at a time.
const CHUNK: usize = 1 << 20;

/// The ranges of a file that a change of its trees overwrites: header, density list, maps.
fn overwritten(layout: &Layout, len: u64) -> Vec<(u64, usize)> {
    let mut out = vec![(0, layout.header_size), (layout.dlist, layout.page_size)];
    for j in 0..layout.amap_count(len) {
        out.push((layout.amap_at(j), index(layout.map_pages(j).saturating_mul(layout.page()))));
    }
    out
}

/// Brings the changes of `planned`, made by [`restructure`](super::restructure), to the file in the order that a crash cannot hurt. `keep` takes the undo
/// record and must have it on the medium when it returns.
///
/// # Errors
/// Errors of the media.
pub fn commit(target: &dyn Storage, planned: &Overlay, layout: &Layout, keep: &mut dyn FnMut(&UndoRecord) -> Result<()>) -> Result<()> {
    let old_len = target.len();
    let ranges = overwritten(layout, old_len);
    keep(&UndoRecord::take(target, &ranges)?)?;
    let io = |at: u64| move |e| Error::io_at(e, at);
    let sync = || target.sync().map_err(|e| Error::new(ErrorKind::Io(e)));
    // 2: what lies behind the old end
    let end = planned.len();
    let mut at = old_len;
    let mut buf = Vec::new();
    while at < end {
        let n = CHUNK.min(index(end.saturating_sub(at)));
        buf.resize(n, 0);
        planned.read_exact_at(&mut buf, at).map_err(io(at))?;
        target.write_all_at(&buf, at).map_err(io(at))?;
        at = at.saturating_add(wide(n));
    }
    sync()?;
    // 3: the switch
    let mut bytes = vec![0; layout.header_size];
    planned.read_exact_at(&mut bytes, 0).map_err(io(0))?;
    let mut header = Header::decode_as(Layout::of(layout.variant), &bytes);
    header.root.amap_valid = 0;
    target.write_all_at(&header.encode()?, 0).map_err(io(0))?;
    sync()?;
    // 4: maps
    for (at, len) in ranges.iter().skip(1) {
        let len = (*len).min(index(end.saturating_sub(*at)));
        buf.resize(len, 0);
        planned.read_exact_at(&mut buf, *at).map_err(io(*at))?;
        target.write_all_at(&buf, *at).map_err(io(*at))?;
    }
    sync()?;
    // 5: done
    target.write_all_at(&bytes, 0).map_err(io(0))?;
    sync()
}

/// Checks a file and repairs it in place. The undo file is written first; [`undo`](super::undo()) restores the file byte for byte from it.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file; [`ErrorKind::Usage`] where the undo file exists; otherwise as
/// [`repair`](super::repair). The file is then as it was.
pub fn repair_in_place(path: &Path, undo: &Path, policy: &Policy, monitor: &dyn Monitor) -> Result<Outcome> {
    let held = Held::open(path, undo)?;
    let before = check(Arc::clone(&held.source), &CheckOptions::default(), monitor)?;
    run(&before.plan(policy), &held, undo, monitor)
}

/// Carries out a plan in place.
pub(super) fn apply(plan: &Plan, path: &Path, undo: &Path, monitor: &dyn Monitor) -> Result<Outcome> {
    let held = Held::open(path, undo)?;
    plan.fits(held.source.as_ref())?;
    run(plan, &held, undo, monitor)
}

/// The file that is being repaired, which nobody else can have meanwhile.
struct Held {
    /// Where it really is: a link to it goes on to lead to it.
    path: PathBuf,
    storage: Arc<FileStorage>,
    source: Arc<dyn ReadAt>,
}

impl Held {
    fn open(path: &Path, undo: &Path) -> Result<Self> {
        if undo.symlink_metadata().is_ok() {
            return Err(ErrorKind::Usage(format!("{} exists: undo that repair, or remove the file, first", undo.display())).into());
        }
        let path = path.canonicalize().map_err(ErrorKind::Io)?;
        let storage = Arc::new(FileStorage::open_exclusive(&path)?);
        let source: Arc<dyn ReadAt> = Arc::clone(&storage) as Arc<dyn ReadAt>;
        Ok(Self { path, storage, source })
    }
}

fn run(plan: &Plan, held: &Held, undo: &Path, monitor: &dyn Monitor) -> Result<Outcome> {
    let Held { path, storage, source } = held;
    if plan.is_empty() {
        return Ok(untouched(plan));
    }
    let mut scratch = Scratch::beside(path);
    let is_partial = plan.is_partial();
    if is_partial || plan.is_structural() || !plan.salvage {
        if let Some(planned) = partial::plan(source, plan, &mut |n| scratch.room(n), monitor)?
            && (is_partial || planned.after.is_healthy())
        {
            commit(storage.as_ref(), &planned.view, planned.layout, &mut |record| record.save(undo))?;
            return Ok(planned.outcome(plan));
        }
        if is_partial {
            return Ok(untouched(plan));
        }
    }
    let file = AtomicFile::create(path, true)?;
    let target: Arc<dyn Storage> = file.shared()?;
    let outcome = rebuild(source, &target, plan, &mut scratch, monitor)?;
    drop(target);
    if let Ok(old) = std::fs::metadata(path) {
        file.take_permissions(&old);
    }
    // The old file keeps its bytes under the undo file's name; the new one takes its name in one step.
    if std::fs::hard_link(path, undo).is_err() {
        copy_to(source.as_ref(), undo, monitor)?;
    }
    file.commit()?;
    Ok(outcome)
}

fn copy_to(source: &dyn ReadAt, path: &Path, monitor: &dyn Monitor) -> Result<()> {
    let file = AtomicFile::create(path, false)?;
    copy_bytes(source, file.storage()?, monitor)?;
    file.commit()
}
