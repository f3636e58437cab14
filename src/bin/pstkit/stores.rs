//! Which store of an image a command reads: the one that `--store` or `--offset` names, else the first.

use crate::args::Global;
use crate::open::source;
use crate::render;
use crate::status::{Failure, Status};
use pstkit::io::ReadAt;
use pstkit::recover::stores::{StoreAt, find_stores, is_plain};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a store of an image was passed over; then the exit status is not 0.
static PASSED_OVER: AtomicBool = AtomicBool::new(false);

/// The status with a store that was passed over.
pub(crate) fn with_others(status: Status) -> Status {
    if status == Status::DONE && PASSED_OVER.load(Ordering::Relaxed) { Status::LEFT } else { status }
}

/// The bytes of the store that a command is to read. The other stores of an image are named on standard error.
pub(crate) fn input(path: &Path, global: &Global) -> Result<Arc<dyn ReadAt>, Failure> {
    let whole = source(path, global)?;
    let is_asked = global.store.is_some() || global.offset.is_some();
    if !is_asked && is_plain(&whole) {
        return Ok(whole);
    }
    let stores = find_stores(&whole, &()).map_err(|e| Failure::of(path, e))?;
    let taken = match (global.store, global.offset) {
        (Some(n), _) => usize::try_from(n).ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < stores.len()),
        (None, Some(at)) => stores.iter().position(|s| s.offset == at),
        // what is left of a store whose header is gone lies around those that have one
        (None, None) => stores.iter().position(|s| s.whole || s.offset == 0),
    };
    if is_asked && taken.is_none() {
        let all = if stores.is_empty() { "no store was found by its header".to_owned() } else { listed(&stores) };
        return Err(Failure::Said(Status::FAILED, format!("{}: no such store; {all}", path.display())));
    }
    if stores.len() > 1 && !is_asked {
        PASSED_OVER.store(true, Ordering::Relaxed);
        let text = format!("{}: {} Store {} is read here.", path.display(), listed(&stores), taken.map_or(1, |n| n.saturating_add(1)));
        // nobody is left to tell where standard error cannot be written
        let _ = writeln!(std::io::stderr(), "pstkit: {}", render::clean_lines(&text));
    }
    Ok(match taken.and_then(|n| stores.get(n)) {
        // what lies behind the end of a store at the beginning may be its own
        Some(store) if is_asked || store.offset > 0 => store.window(&whole),
        _ => whole,
    })
}

/// All bytes of a file, which must not be an image of several stores: a repair in place would give up the others.
pub(crate) fn only(path: &Path, global: &Global) -> Result<Arc<dyn ReadAt>, Failure> {
    input(path, global)?;
    if PASSED_OVER.load(Ordering::Relaxed) {
        let why = "an image of several stores cannot be repaired in place: choose one with --store N and write it to a file of its own with -o OUT";
        return Err(Failure::Said(Status::FAILED, format!("{}: {why}", path.display())));
    }
    source(path, global)
}

/// All stores, each with how to get it.
fn listed(stores: &[StoreAt]) -> String {
    let one = |(n, s): (usize, &StoreAt)| {
        let kind = s.kind.map_or_else(String::new, |k| format!(" {k}"));
        format!("--store {}: at {:#x}, {}{kind}, {} bytes", n.saturating_add(1), s.offset, s.variant, render::grouped(s.size))
    };
    let all: Vec<String> = stores.iter().enumerate().map(one).collect();
    format!("{} in this image ({}).", render::count(u64::try_from(stores.len()).unwrap_or(0), "store", "stores"), all.join("; "))
}
