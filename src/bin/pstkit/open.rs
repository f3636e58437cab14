//! Opening files: mapped or by position, whole or broken, and the kinds of foreign files.

use crate::args::Global;
use crate::status::{Failure, Status};
use crate::stores::{input, mail};
use crate::{Context, render};
use pstkit::error::{Error, ErrorKind};
use pstkit::finding::{Finding, Ignore};
use pstkit::format::header::{ForeignFile, HEADER_MAX, Header, MAGIC};
use pstkit::format::layout::Layout;
use pstkit::format::write_log::{WriteLog, begins_log};
use pstkit::io::{FileId, ReadAt, writer_of};
use pstkit::limits::Limits;
use pstkit::messaging::State;
use pstkit::ndb::Ndb;
use pstkit::recover::Versions;
use pstkit::recover::{self, Found, Origin, detect};
use pstkit::rules::Severity;
use pstkit::{Nid, OpenOptions, Pst};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file at the level of bytes and header.
pub(crate) struct Opened {
    pub(crate) ndb: Ndb,
    /// The faults of the header.
    pub(crate) problems: Vec<Finding>,
    /// Whether the header names its variant; if not, it was told from the maps, and the fields are as good as guesses.
    pub(crate) header_readable: bool,
}

/// The bytes of a file: mapped, or read by position where the options say so or the file is not on a local disk.
pub(crate) fn source(path: &Path, global: &Global) -> Result<Arc<dyn ReadAt>, Failure> {
    let fail = |e: Error| Failure::of(path, e);
    let meta = std::fs::metadata(path).map_err(|e| fail(ErrorKind::Io(e).into()))?;
    if meta.is_dir() {
        return Err(Failure::Said(Status::FAILED, format!("{}: a directory: give a data file inside it", path.display())));
    }
    if !meta.is_file() {
        return Err(Failure::Said(Status::FAILED, format!("{}: no ordinary file: copy what it holds to one first", path.display())));
    }
    let source = OpenOptions::new().map(!global.no_mmap).source(path).map_err(fail)?;
    note_opened(path, &meta, source.as_ref(), global);
    Ok(source)
}

/// A file that was opened, and how long it was then.
struct Noted {
    path: PathBuf,
    id: Option<FileId>,
    len: u64,
}

static OPENED: Mutex<Vec<Noted>> = Mutex::new(Vec::new());

/// Notes a file that is read, and says so where another process may be writing to it.
fn note_opened(path: &Path, meta: &std::fs::Metadata, source: &dyn ReadAt, global: &Global) {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let id = FileId::of_metadata(meta);
    if opened.iter().any(|o| o.path == path && o.id == id) {
        return;
    }
    if let Some(pid) = source.file().and_then(writer_of).filter(|_| !global.quiet) {
        let who = if pid == 0 { "another process".to_owned() } else { format!("process {pid}") };
        let text = format!("{}: {who} holds a lock to write to it: what is read may be changing meanwhile", path.display());
        // nobody is left to tell where standard error cannot be written
        let _ = writeln!(std::io::stderr(), "pstkit: {}", render::clean_lines(&text));
    }
    opened.push(Noted { path: path.to_owned(), id, len: source.len() });
}

/// Fails where a file that was read has become shorter since.
pub(crate) fn all_intact() -> Result<(), Failure> {
    for o in OPENED.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let Ok(now) = std::fs::metadata(&o.path) else { continue };
        if o.id.is_some() && FileId::of_metadata(&now) == o.id && now.len() < o.len {
            let why = "the file became shorter while it was read: what was read of it cannot be relied on";
            let text = format!("{}: {why} (it ends at offset {:#x} and had {} bytes)", render::name(&o.path), now.len(), o.len);
            return Err(Failure::Said(Status::FAILED, text));
        }
    }
    Ok(())
}

/// The log of Outlook's writes that a file is.
pub(crate) fn write_log(path: &Path, ctx: &Context) -> Option<WriteLog> {
    let source = source(path, &ctx.global).ok()?;
    let first = read_up_to(&*source, 0, HEADER_MAX).ok()?;
    begins_log(&first).then(|| WriteLog::read(&*source).ok()).flatten()
}

/// Says that a log of Outlook's writes lies beside a data file; it is not replayed.
pub(crate) fn say_write_log(ctx: &Context, path: &Path) {
    let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { return };
    let beside = path.with_file_name(format!("~{name}.tmp"));
    let Ok(source) = source(&beside, &ctx.global) else { return };
    if let Ok(log) = WriteLog::read(&*source)
        && !log.records.is_empty()
    {
        let last = log.records.last().map(|r| r.time.to_string()).unwrap_or_default();
        ctx.note(format_args!(
            "{}: a log of Outlook's writes to this file lies beside it, with {} ({last}); it is not replayed. Outlook does that when it opens the file; \
             `pstkit info` lists the records",
            beside.display(),
            crate::render::count(u64::try_from(log.records.len()).unwrap_or(u64::MAX), "record", "records"),
        ));
    }
}

/// Opens a file as it stands, header and trees unmended; fails only where it is no data file at all, and names its kind.
pub(crate) fn open(path: &Path, global: &Global) -> Result<Opened, Failure> {
    let source = input(path, global)?;
    let first = read_up_to(&*source, 0, HEADER_MAX).map_err(|e| Failure::of(path, e))?;
    let mut problems = Vec::new();
    if let Ok(header) = Header::decode(&first, &mut problems) {
        return Ok(Opened { ndb: Ndb::new(source, header, Limits::default()), problems, header_readable: true });
    }
    if !may_be_broken(&first, source.len(), path) {
        return Err(not_a_data_file(path, global));
    }
    problems.clear();
    match detect(&source, Limits::default(), &mut problems, &()) {
        Ok(found) => Ok(Opened { ndb: found.ndb, problems, header_readable: false }),
        Err(_) => Err(not_a_data_file(path, global)),
    }
}

/// A file for reading: plainly where it is whole, else through its pages and blocks alone.
pub(crate) struct Readable {
    pub(crate) pst: Pst,
    /// The faults of header and trees.
    pub(crate) problems: Vec<Finding>,
    /// Whether the trees had to be put together again.
    pub(crate) salvaged: bool,
    /// Messages that no current tree lists: how they were found, and the folder that they were in.
    pub(crate) found: HashMap<Nid, Found>,
}

/// Opens a file for reading, whatever is left of it.
pub(crate) fn readable(path: &Path, ctx: &Context) -> Result<Readable, Failure> {
    readable_with(path, ctx, false, false)
}

/// Opens a file for reading; `deleted`: with the items that were deleted from it; `versions`: with all older states as well.
pub(crate) fn readable_with(path: &Path, ctx: &Context, deleted: bool, versions: bool) -> Result<Readable, Failure> {
    let source = mail(path, &ctx.global)?;
    let first = read_up_to(&*source, 0, HEADER_MAX).map_err(|e| Failure::of(path, e))?;
    if !first.starts_with(&MAGIC) && !may_be_broken(&first, source.len(), path) {
        return Err(not_a_data_file(path, &ctx.global));
    }
    let options = recover::Options::default().thorough(deleted).limits(ctx.global.limits());
    let opened = recover::open(source, &options, &ctx.progress).map_err(|e| match e.kind() {
        ErrorKind::NotPst(_) => not_a_data_file(path, &ctx.global),
        _ => Failure::of(path, e),
    })?;
    let mut found = HashMap::new();
    if let Some(s) = &opened.salvage {
        let found_as = |nid: &Nid, origin| Found::of(*nid, origin);
        found.extend(s.links.origins.iter().map(|(nid, origin)| (*nid, found_as(nid, *origin))));
        for (nid, doubt) in &s.links.doubts {
            let f = found.entry(*nid).or_insert_with(|| found_as(nid, Origin::Normal));
            (f.state, f.doubt) = (State::Partial, Some(doubt.clone()));
        }
    }
    let all = if deleted {
        recover::deleted(&opened, Versions::all_if(versions), &ctx.progress).map_err(|e| Failure::of(path, e))?
    } else {
        None
    };
    let salvaged = opened.salvage.as_ref().is_some_and(|s| !deleted || !s.facts.trees_whole);
    let ndb = match all {
        Some(all) => {
            found.extend(all.found.into_iter().map(|f| (Nid(f.nid), f)));
            all.ndb
        }
        None => opened.ndb,
    };
    let pst = Pst::from_ndb(ndb);
    pst.require_readable().map_err(|e| Failure::of(path, e))?;
    Ok(Readable { pst, problems: opened.problems, salvaged, found })
}

/// Whether a file without a readable header may be a data file that lost it: files that are plainly something else are not searched.
fn may_be_broken(first: &[u8], len: u64, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    first.starts_with(&MAGIC) || ForeignFile::of(first, len, &name).may_hold_mail
}

fn not_a_data_file(path: &Path, global: &Global) -> Failure {
    Failure::Said(Status::FAILED, format!("{}: not an Outlook data file: {}", path.display(), describe(path, global)))
}

/// The kind of a file that is no data file, with the next step.
pub(crate) fn describe(path: &Path, global: &Global) -> String {
    describe_by(path, global, |file| file.text.to_owned())
}

/// The same after the whole file was searched for mail in vain.
pub(crate) fn describe_searched(path: &Path, global: &Global) -> String {
    describe_by(path, global, ForeignFile::after_search)
}

fn describe_by(path: &Path, global: &Global, words: fn(&ForeignFile) -> String) -> String {
    let first = source(path, global).ok().and_then(|s| Some((read_up_to(&*s, 0, HEADER_MAX).ok()?, s.len())));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((first, len)) = first else { return "it cannot be read".to_owned() };
    if !first.starts_with(&MAGIC) {
        return words(&ForeignFile::of(&first, len, &name));
    }
    let version = first.get(10..12).and_then(|b| <[u8; 2]>::try_from(b).ok()).map(u16::from_le_bytes);
    match version.map(|v| (v, Layout::of_version(v))) {
        Some((v, None)) => {
            format!("its first bytes are those of a data file, but its version {v} is unknown and nothing behind it tells the variant")
        }
        Some((_, Some(layout))) if first.len() >= layout.header_size => {
            "its header is that of a data file, but no page and no block lies behind it: look for a complete copy".to_owned()
        }
        _ => format!("only the first {len} bytes of a data file: less than its header; look for a complete copy"),
    }
}

/// Tells the faults of header and trees; whether there are any.
pub(crate) fn say_damage(ctx: &Context, path: &Path, readable: &Readable) -> Status {
    let missing = say_missing(ctx, path, &readable.pst);
    let worth: Vec<&Finding> = readable.problems.iter().filter(|f| f.severity >= Severity::Error).collect();
    if worth.is_empty() && !readable.salvaged {
        return missing;
    }
    if readable.salvaged {
        ctx.note(format_args!(
            "{}: header or trees are damaged; this is what a search of the whole file brought back. `pstkit check` tells the damage",
            path.display()
        ));
    }
    let most = if ctx.global.verbose { usize::MAX } else { 5 };
    for f in worth.iter().take(most) {
        ctx.note(format_args!("{}: {f}", path.display()));
    }
    Status::LEFT
}

/// Names the objects that the file's own tables and counts promise and it does not hold; whether there is any.
fn say_missing(ctx: &Context, path: &Path, pst: &Pst) -> Status {
    let missing = pst.missing();
    if missing.is_empty() {
        return Status::DONE;
    }
    for (n, one, many) in [
        (missing.folders, "folder", "folders"),
        (missing.messages, "message", "messages"),
        (missing.associated, "associated message", "associated messages"),
    ] {
        if n > 0 {
            let n = crate::render::count(n, one, many);
            ctx.warn(format_args!("{}: {n} lost: the file lists or counts them, and does not hold them", path.display()));
        }
    }
    Status::LEFT
}

/// The bytes at a place, as many as there are.
pub(crate) fn read_up_to(source: &dyn ReadAt, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let have = source.len().saturating_sub(offset).min(u64::try_from(len).unwrap_or(u64::MAX));
    let mut buf = vec![0; usize::try_from(have).unwrap_or(0)];
    source.read_exact_at(&mut buf, offset).map_err(|e| Error::io_at(e, offset))?;
    Ok(buf)
}

/// Reads both trees, dropping their faults: for commands that look at one thing.
pub(crate) fn load_quietly(ndb: &Ndb) {
    // `Ignore` never answers with an error.
    let _ = ndb.load_index(&mut Ignore);
}
