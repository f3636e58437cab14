//! The front door: opening a file, whole or broken.
//!
//! A file whose header and trees lead to its blocks is opened as it is. Any other is salvaged: its pages and blocks say what is in it. So
//! [`Pst::open`] never looks empty where the file is not. This stands above recovery, so that no layer below needs it.

use crate::error::{Error, ErrorKind, Result};
use crate::format::block::BlockTrailer;
use crate::format::bytes::{index, wide};
use crate::format::header::{ForeignFile, HEADER_MAX, MAGIC};
use crate::io::{FileSource, ReadAt};
use crate::messaging::{OpenOptions, Pst};
use crate::monitor::Monitor;
use crate::ndb::Ndb;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Blocks whose trailers are looked at to see whether the tree leads to them.
const TRIED: usize = 16;

impl Pst {
    /// Opens a file for tolerant reading. Where header or trees are damaged, it is [salvaged](Self::is_salvaged), for which the whole file is
    /// read; [`open_with`](Self::open_with) tells the progress of that, and can be cancelled.
    ///
    /// The file is mapped, where the feature `mmap` is on and the file is on this machine, and a shared lock (`flock`) is held. What
    /// remains is a process that asks for no lock. Where it cuts the file while it is mapped, touching what is gone ends this process with
    /// SIGBUS, unless the host has called `io::survive_shrinking_files`; reading by position ([`OpenOptions::map`]) answers an error. Where it
    /// changes bytes, they are read as they come, and show as damage. [`ReadAt::intact`](crate::io::ReadAt::intact) of the source tells whether
    /// the file was cut, and [`io::writer_of`](crate::io::writer_of) whether somebody holds a lock of the other kind.
    ///
    /// # Errors
    /// Where it cannot be opened, or nothing in it is part of an Outlook data file; the error names the kind that it is instead.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &OpenOptions::default(), &())
    }

    /// Opens a file with options.
    ///
    /// ```no_run
    /// use pstkit::{OpenOptions, Pst};
    /// let pst = Pst::open_with("mail.pst", &OpenOptions::new().salvage(false), &())?;
    /// # Ok::<(), pstkit::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open); in strict reading, also the first violation in the header or the trees; with
    /// [`salvage`](OpenOptions::salvage) off, [`ErrorKind::NeedsSalvage`] where header or trees are damaged; cancellation.
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions, monitor: &dyn Monitor) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        front(options.source(path)?, &name, options, monitor)
    }

    /// Opens a file that is open already.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_file(file: File) -> Result<Self> {
        Self::from_source(Arc::new(FileSource::new(file)?), &OpenOptions::default())
    }

    /// Opens bytes in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```
    /// let error = pstkit::Pst::from_bytes(b"PK\x03\x04".to_vec()).unwrap_err();
    /// assert!(error.to_string().contains("ZIP"));
    /// ```
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::from_source(Arc::new(bytes), &OpenOptions::default())
    }

    /// Opens anything that can be read by position.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn from_source(source: Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Self> {
        Self::from_source_with(source, options, &())
    }

    /// The same with progress, and a way to cancel.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn from_source_with(source: Arc<dyn ReadAt>, options: &OpenOptions, monitor: &dyn Monitor) -> Result<Self> {
        front(source, "", options, monitor)
    }
}

fn front(source: Arc<dyn ReadAt>, name: &str, options: &OpenOptions, monitor: &dyn Monitor) -> Result<Pst> {
    let plain = Pst::plainly(Arc::clone(&source), name, options);
    let is_strict = options.is_strict();
    match &plain {
        Ok(pst) if is_strict || leads_to_its_blocks(pst.ndb()) => return plain,
        Err(e) if is_strict || e.is_cancelled() || matches!(e.kind(), ErrorKind::Io(_)) || is_foreign(source.as_ref(), name)? => {
            return plain;
        }
        _ => {}
    }
    if !options.salvages() {
        return Err(ErrorKind::NeedsSalvage(WAY).into());
    }
    salvage(source, name, options, monitor)
}

#[cfg(feature = "recover")]
const WAY: &str = "header or trees are damaged: allow `OpenOptions::salvage`, or repair the file";
#[cfg(not(feature = "recover"))]
const WAY: &str = "header or trees are damaged: build with the feature `recover` to search the whole file, or repair it";

#[cfg(feature = "recover")]
fn salvage(source: Arc<dyn ReadAt>, name: &str, options: &OpenOptions, monitor: &dyn Monitor) -> Result<Pst> {
    let reading = crate::recover::Options { limits: *options.reading_limits(), ..crate::recover::Options::default() };
    let found = crate::recover::open(Arc::clone(&source), &reading, monitor).map_err(|e| match e.kind() {
        ErrorKind::NotPst(_) => first_bytes(source.as_ref()).map_or_else(|e| e, |first| not_pst(&first, source.len(), name)),
        _ => e,
    })?;
    let ndb = crate::repair::with_lost_folders(&found);
    Ok(Pst::with_options(ndb, options.clone()).with_problems(found.problems, found.salvage.is_some()))
}

#[cfg(not(feature = "recover"))]
fn salvage(_: Arc<dyn ReadAt>, _: &str, _: &OpenOptions, _: &dyn Monitor) -> Result<Pst> {
    Err(ErrorKind::NeedsSalvage(WAY).into())
}

/// Whether both trees could be read whole, list something, and lead to blocks, as far as a few of these say.
fn leads_to_its_blocks(ndb: &Ndb) -> bool {
    let index = ndb.index();
    if !index.facts.complete() || index.nodes().is_empty() || ndb.header().crypt_method().is_none() {
        return false;
    }
    let (layout, blocks) = (ndb.layout(), index.blocks());
    let step = blocks.len().checked_div(TRIED).unwrap_or(0).max(1);
    let agrees = |b: &crate::format::page::BbtEntry| {
        let at = b.ib.0.saturating_add(b.size_on_disk(layout)).saturating_sub(wide(layout.block_trailer));
        ndb.bytes(at, layout.block_trailer).is_ok_and(|raw| BlockTrailer::decode(layout, &raw).bid.masked() == b.bid)
    };
    // a block may be damaged by itself; where the tree leads elsewhere, most are not where it says
    let (tried, right) =
        blocks.iter().step_by(step).fold((0usize, 0usize), |(n, ok), b| (n.saturating_add(1), ok.saturating_add(agrees(b).into())));
    right.saturating_mul(2) >= tried
}

fn first_bytes(source: &dyn ReadAt) -> Result<Vec<u8>> {
    let mut first = vec![0; index(source.len()).min(HEADER_MAX)];
    source.read_exact_at(&mut first, 0).map_err(|e| Error::io_at(e, 0))?;
    Ok(first)
}

/// Whether the first bytes are plainly those of something else: such files are not searched.
fn is_foreign(source: &dyn ReadAt, name: &str) -> Result<bool> {
    let first = first_bytes(source)?;
    Ok(!first.starts_with(&MAGIC) && !ForeignFile::of(&first, source.len(), name).may_hold_mail)
}

fn not_pst(first: &[u8], len: u64, name: &str) -> Error {
    let what = if first.starts_with(&MAGIC) {
        "its first bytes are those of a data file, but no page and no block lies behind them".to_owned()
    } else {
        ForeignFile::of(first, len, name).after_search()
    };
    ErrorKind::NotPst(what).into()
}
