//! Which store of an image a command reads: the one that `--store` or `--offset` names, else the first.

use crate::args::Global;
use crate::open::source;
use crate::render;
use crate::status::{Failure, Status};
use pstkit::io::{ReadAt, Window};
use pstkit::recover::stores::{StoreAt, find_stores, is_plain, meant};
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

/// The bytes of the store that a command is to work on. The other stores of an image are named on standard error.
pub(crate) fn input(path: &Path, global: &Global) -> Result<Arc<dyn ReadAt>, Failure> {
    choose(path, global, true)
}

/// The same for a command that reads mail: a data file to which another was joined is read to its end, so that this is no failure.
pub(crate) fn mail(path: &Path, global: &Global) -> Result<Arc<dyn ReadAt>, Failure> {
    choose(path, global, false)
}

fn choose(path: &Path, global: &Global, is_strict: bool) -> Result<Arc<dyn ReadAt>, Failure> {
    let whole = source(path, global)?;
    let is_asked = global.store.is_some() || global.offset.is_some();
    if !is_asked && is_plain(&whole) {
        return Ok(whole);
    }
    if let Some(at) = global.offset.filter(|at| *at < whole.len()) {
        return Ok(at_offset(whole, at));
    }
    let stores = find_stores(&whole, &()).map_err(|e| Failure::of(path, e))?;
    let taken = match (global.store, global.offset) {
        (Some(n), _) => usize::try_from(n).ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < stores.len()),
        (None, Some(_)) => None,
        (None, None) => meant(&whole, &stores),
    };
    if is_asked && taken.is_none() {
        let all = if stores.is_empty() { "no store was found by its header".to_owned() } else { listed(&stores) };
        return Err(Failure::Said(Status::FAILED, format!("{}: no such store; {all}", path.display())));
    }
    if !is_asked && stores.len() > usize::from(taken.is_some()) {
        let is_first = taken.and_then(|n| stores.get(n)).is_none_or(|s| s.offset == 0);
        PASSED_OVER.fetch_or(is_strict || !is_first, Ordering::Relaxed);
        let here =
            taken.map_or_else(|| "What is left of a store without a header".to_owned(), |n| format!("Store {}", n.saturating_add(1)));
        let text = format!("{}: {} {here} is read here.", path.display(), listed(&stores));
        // nobody is left to tell where standard error cannot be written
        let _ = writeln!(std::io::stderr(), "pstkit: {}", render::clean_lines(&text));
    }
    Ok(match taken.and_then(|n| stores.get(n)) {
        // what lies behind the end of a store at the beginning may be its own
        Some(store) if is_asked || store.offset > 0 => store.window(&whole),
        _ => whole,
    })
}

/// The bytes from an offset on: of the store that begins there, or of the rest of one that has no header.
fn at_offset(whole: Arc<dyn ReadAt>, at: u64) -> Arc<dyn ReadAt> {
    let from_there: Arc<dyn ReadAt> = Arc::new(Window::new(whole, at, u64::MAX));
    let first = find_stores(&from_there, &()).ok().and_then(|all| all.first().copied()).filter(|s| s.offset == 0);
    first.map_or(Arc::clone(&from_there), |s| s.window(&from_there))
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
