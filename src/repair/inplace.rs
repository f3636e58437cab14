//! Repair in place, such that a crash at any instant leaves the old state or the new one, or one that the next run finishes by itself.
//!
//! Objects stay where they are, unless they have to be written anew: such ones and new trees go behind the end of the file, and only
//! then are the header and the map pages overwritten.
//!
//! ```text
//! 1 undo file, synced   2 new sections behind the end, synced   3 header with the new roots, maps marked as not valid, synced
//! 4 map pages of the old sections, density list, synced         5 header, maps marked as valid, synced
//! ```
//!
//! Until 3 the old header reaches nothing that was changed; from 3 on the new trees are whole, and only the maps may be stale, which the
//! header says. Where all or most has to be written anew, the repaired file is written beside the old one and takes its name in one step;
//! the old file stays under a name of its own, which the undo file says.

use super::partial;
use super::partial::Planned;
use super::plan::{Plan, Policy};
use super::rebuild::{Outcome, rebuild, untouched};
use super::route::{Route, Routed, decided, route};
use super::scratch::Scratch;
use super::undo::{UndoRecord, in_the_way_of, keep_whole, record_key, take_back_interrupted};
use crate::check::check;
use crate::error::{Error, ErrorKind, Result};
use crate::format::bytes::{index, wide};
use crate::format::header::Header;
use crate::format::layout::Layout;
use crate::io::{AtomicFile, Behind, Existing, FileStorage, Overlay, ReadAt, Storage};
use crate::monitor::Monitor;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are written at a time.
const CHUNK: usize = 1 << 20;

/// The ranges of a file that a change of its trees overwrites: the header, and the changed parts of density list and maps.
fn overwritten(planned: &Overlay, layout: &Layout, len: u64) -> Vec<(u64, usize)> {
    let maps = |j| (layout.amap_at(j), index(layout.map_pages(j).saturating_mul(layout.page())));
    let all = std::iter::once((layout.dlist, layout.page_size)).chain((0..layout.amap_count(len)).map(maps));
    std::iter::once((0, layout.header_size)).chain(all.filter(|(at, size)| planned.is_changed(*at, *size))).collect()
}

/// Brings the changes of `planned`, made by [`restructure`](super::restructure), to the file in the order that a crash cannot hurt. `keep` takes the undo
/// record and must have it on the medium when it returns.
///
/// A change that fails on the way is taken back at once, as far as the medium lets it: the target is then as it was.
///
/// # Errors
/// Errors of the media; where the target could not be put back either, the error says so, and the undo record brings back every byte.
pub fn commit(target: &dyn Storage, planned: &Overlay, layout: &Layout, keep: &mut dyn FnMut(&UndoRecord) -> Result<()>) -> Result<()> {
    let (ranges, record) = prepare(target, planned, layout)?;
    keep(&record)?;
    bring_or_take_back(target, planned, &ranges, &record).map_err(|(e, _)| e)
}

/// The bytes that are going to be overwritten, and the record that brings them back.
fn prepare(target: &dyn Storage, planned: &Overlay, layout: &Layout) -> Result<(Vec<(u64, usize)>, UndoRecord)> {
    let ranges = overwritten(planned, layout, target.len());
    let mut bytes = vec![0; layout.header_size];
    planned.read_exact_at(&mut bytes, 0).map_err(|e| Error::io_at(e, 0))?;
    let mut header = Header::decode_as(Layout::of(layout.variant), &bytes);
    header.root.amap_valid = 0;
    let new_len = planned.len().max(target.len());
    let record = UndoRecord { headers: [header.encode()?, bytes], new_len, ..UndoRecord::take(target, &ranges)? };
    Ok((ranges, record))
}

/// The text where a file is left between two states.
const NOT_BACK: &str = "the file could not be put back as it was: the undo file does that";

/// Steps 2 to 5; an error comes with whether the target is as it was.
fn bring_or_take_back(
    target: &dyn Storage,
    planned: &Overlay,
    ranges: &[(u64, usize)],
    record: &UndoRecord,
) -> std::result::Result<(), (Error, bool)> {
    let Err(e) = bring(target, planned, ranges, record) else { return Ok(()) };
    match record.apply(target) {
        Ok(()) => Err((e, true)),
        Err(_) => Err((ErrorKind::Io(std::io::Error::other(format!("{e}; {NOT_BACK}"))).into(), false)),
    }
}

/// Steps 2 to 5.
fn bring(target: &dyn Storage, planned: &Overlay, ranges: &[(u64, usize)], record: &UndoRecord) -> Result<()> {
    let [switched, bytes] = &record.headers;
    let old_len = record.len;
    let io = |at: u64| move |e| Error::io_at(e, at);
    let sync = || target.sync().map_err(|e| Error::new(ErrorKind::Io(e)));
    // 2: the bytes behind the old end
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
    target.write_all_at(switched, 0).map_err(io(0))?;
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
    target.write_all_at(bytes, 0).map_err(io(0))?;
    sync()
}

/// Checks a file and repairs it in place. The undo file is written first; [`undo`](super::undo()) restores the file byte for byte from it.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file; [`ErrorKind::TargetExists`] where the undo file exists; otherwise as
/// [`repair`](super::repair). The file is then as it was, unless the error says that it could not be put back: then the undo file is there.
pub fn repair_in_place(path: &Path, undo: &Path, policy: &Policy, monitor: &dyn Monitor) -> Result<Outcome> {
    take_back_interrupted(path, undo)?;
    let held = Held::open(path, policy)?;
    let before = check(Arc::clone(&held.source), &policy.checking().for_repair(), monitor)?;
    run(&before.plan(policy), &held, undo, monitor)
}

/// Carries out a plan in place.
pub(super) fn apply(plan: &Plan, path: &Path, undo: &Path, monitor: &dyn Monitor) -> Result<Outcome> {
    let held = Held::open(path, &plan.policy)?;
    plan.fits(held.source.as_ref())?;
    run(plan, &held, undo, monitor)
}

/// Carries out a plan on a storage.
pub(super) fn apply_to_storage(
    plan: &Plan,
    target: &Arc<dyn Storage>,
    keep: &mut dyn FnMut(&UndoRecord) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Outcome> {
    let source: Arc<dyn ReadAt> = Arc::clone(target) as Arc<dyn ReadAt>;
    plan.fits(source.as_ref())?;
    if plan.is_empty() {
        return Ok(untouched(plan, Route::untouched(None)));
    }
    // a storage cannot be replaced: adding to it is tried whatever else would be quicker
    match decided(plan, Some(partial::plan(&source, plan, &Scratch::anywhere(), monitor)?)) {
        Routed::Added(planned) => {
            commit(target.as_ref(), &planned.view, planned.layout, keep)?;
            Ok(planned.outcome(plan))
        }
        Routed::Untouched(route) => Ok(untouched(plan, route)),
        Routed::Anew(why) => {
            let what = format!("the file has to be written anew, into a new file, because {}", why.text());
            Err(ErrorKind::Unsupported(what).into())
        }
    }
}

/// The file that is being repaired, which nobody else can have meanwhile.
struct Held {
    /// Where it really is: a link to it goes on to lead to it.
    path: PathBuf,
    storage: Arc<FileStorage>,
    source: Arc<dyn ReadAt>,
}

impl Held {
    fn open(path: &Path, policy: &Policy) -> Result<Self> {
        let path = path.canonicalize().map_err(ErrorKind::Io)?;
        let storage = Arc::new(FileStorage::open_exclusive(&path)?);
        let source = policy.reading(Arc::clone(&storage) as Arc<dyn Storage>)?;
        Ok(Self { path, storage, source })
    }
}

fn run(plan: &Plan, held: &Held, undo: &Path, monitor: &dyn Monitor) -> Result<Outcome> {
    let Held { path, storage, source } = held;
    if plan.is_empty() {
        return Ok(untouched(plan, Route::untouched(None)));
    }
    if let Some(e) = in_the_way_of(storage, undo) {
        return Err(e);
    }
    let scratch = Scratch::beside(path);
    let old = storage.metadata()?;
    let why = match route(source, plan, &scratch, monitor)? {
        Routed::Untouched(route) => return Ok(untouched(plan, route)),
        Routed::Added(planned) => return add(plan, *planned, held, (undo, &old)),
        Routed::Anew(why) => why,
    };
    let file = AtomicFile::create(path, Existing::Replace)?;
    file.take_permissions(&old);
    let behind = Behind::new(file.shared()?);
    let target: Arc<dyn Storage> = behind.clone();
    let outcome = rebuild(source, &target, plan, &scratch, why, monitor)?;
    behind.finish()?;
    drop((target, behind));
    // The old file keeps its bytes under a name of its own, the undo file names it, and the new one takes its name in one step.
    let new = file.shared()?;
    let key = record_key(&(new.clone() as Arc<dyn ReadAt>)).or_else(|| record_key(source));
    let kept = keep_whole(storage, path, &old, undo, (new.as_ref(), key), monitor).map_err(|e| of_undo_file(undo, e))?;
    if let Err(e) = file.commit() {
        let _ = std::fs::remove_file(undo);
        let _ = std::fs::remove_file(kept);
        return Err(e);
    }
    Ok(outcome)
}

/// Writes the additions into the file, behind its undo file.
fn add(plan: &Plan, planned: Planned, held: &Held, (undo, old): (&Path, &Metadata)) -> Result<Outcome> {
    let storage = &held.storage;
    let (ranges, mut record) = prepare(storage.as_ref(), &planned.view, planned.layout)?;
    let view: Arc<dyn ReadAt> = planned.view.clone();
    record.record_key = record_key(&view);
    record.save(undo, old).map_err(|e| of_undo_file(undo, e))?;
    if let Err((e, is_back)) = bring_or_take_back(storage.as_ref(), &planned.view, &ranges, &record) {
        if is_back {
            // nothing is left to be undone
            let _ = std::fs::remove_file(undo);
        }
        return Err(e);
    }
    Ok(planned.outcome(plan))
}

/// An error of the medium with the name of the file that it is about: it is not the one that is being repaired.
pub(super) fn of_undo_file(undo: &Path, e: Error) -> Error {
    match e.kind() {
        ErrorKind::Io(io) if io.kind() != std::io::ErrorKind::StorageFull => {
            ErrorKind::Io(std::io::Error::new(io.kind(), format!("the undo file {} cannot be written: {io}", undo.display()))).into()
        }
        _ => e,
    }
}
