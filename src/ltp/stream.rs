//! Values as streams, and the facts that are known of them once they were read to the end.

use crate::error::Error;
use crate::finding::Finding;
use crate::format::bytes::wide;
use crate::format::ids::Bid;
use crate::ndb::DataReader;
use crate::rules::Severity;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The state of an object's values, as far as streams have shown it.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    /// Ids of the properties that were read to the end, ascending.
    done: Vec<u16>,
    problems: Vec<Finding>,
}

impl Progress {
    fn with<R>(&self, change: impl FnOnce(&mut Shown) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note that a property was read to the end, and of its faults.
    pub(crate) fn add(&self, id: u16, problems: &[Finding]) {
        self.with(|shown| {
            if let Err(at) = shown.done.binary_search(&id) {
                shown.done.insert(at, id);
                shown.problems.extend_from_slice(problems);
            }
        });
    }

    /// Whether a property was read to the end.
    pub(crate) fn has(&self, id: u16) -> bool {
        self.with(|shown| shown.done.binary_search(&id).is_ok())
    }

    /// The faults of the part that was read.
    pub(crate) fn problems(&self) -> Vec<Finding> {
        self.with(|shown| shown.problems.clone())
    }
}

/// A value as a stream. Damaged parts read as they are, missing ones as zeros, and [`problems`](Self::problems) tells them.
///
/// A stream of a message's or an attachment's value gives all bytes that are there, and ends with an error of the kind
/// [`InvalidData`](io::ErrorKind::InvalidData) in place of the end where some of them are damaged, so that a copy of it cannot be taken for
/// whole. [`lossy`](Self::lossy) takes the rest.
///
/// ```no_run
/// # fn f(attachment: &pstkit::messaging::Attachment<'_>, mut file: std::fs::File) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(mut data) = attachment.data()? {
///     if let Err(e) = std::io::copy(&mut data, &mut file) {
///         eprintln!("{e}: bytes {:?} of {} are damaged", data.damaged(), data.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ValueReader<'n> {
    reader: Reader<'n>,
    /// Takes the findings at the end.
    report: Option<(Arc<Progress>, u16)>,
    lossy: bool,
    /// The place up to which bytes were read.
    through: u64,
    /// Something was jumped over.
    gap: bool,
    /// The end was reached, and its error given.
    ended: bool,
}

#[derive(Debug)]
enum Reader<'n> {
    Memory(Cursor<Vec<u8>>),
    Node(DataReader<'n>),
}

impl<'n> ValueReader<'n> {
    fn new(reader: Reader<'n>) -> Self {
        Self { reader, report: None, lossy: true, through: 0, gap: false, ended: false }
    }

    pub(super) fn memory(bytes: &[u8]) -> Self {
        Self::new(Reader::Memory(Cursor::new(bytes.to_vec())))
    }

    pub(super) fn node(reader: DataReader<'n>) -> Self {
        Self::new(Reader::Node(reader))
    }

    /// The same, which reports to its object at the end, and ends with an error where something was damaged.
    pub(crate) fn reporting(self, progress: Arc<Progress>, id: u16) -> Self {
        Self { report: Some((progress, id)), lossy: false, ..self }
    }

    /// The same, which ends like a whole one where something is damaged: for those who want the rest.
    #[must_use]
    pub fn lossy(self) -> Self {
        Self { lossy: true, ..self }
    }

    /// The root of the data tree that the value is all of, where it is one of its own.
    pub fn root(&self) -> Option<Bid> {
        match &self.reader {
            Reader::Memory(_) => None,
            Reader::Node(r) => Some(r.root()),
        }
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        match &self.reader {
            Reader::Memory(c) => wide(c.get_ref().len()),
            Reader::Node(r) => r.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The faults of the parts read so far.
    pub fn problems(&self) -> &[Finding] {
        match &self.reader {
            Reader::Memory(_) => &[],
            Reader::Node(r) => r.problems(),
        }
    }

    /// Which bytes are damaged or missing, of those read so far.
    pub fn damaged(&self) -> &[Range<u64>] {
        match &self.reader {
            Reader::Memory(_) => &[],
            Reader::Node(r) => r.damaged(),
        }
    }

    /// The meaning of the end of the data.
    fn end(&mut self) -> io::Result<()> {
        if self.ended || self.gap || self.through < self.len() {
            return Ok(());
        }
        self.ended = true;
        if let Some((progress, id)) = &self.report {
            progress.add(*id, self.problems());
        }
        match self.problems().iter().find(|f| f.severity >= Severity::Error) {
            Some(first) if !self.lossy => {
                let bytes = self.damaged().iter().fold(0u64, |sum, r| sum.saturating_add(r.end.saturating_sub(r.start)));
                let what = format!(
                    "damaged data: up to {bytes} of {} bytes are not what was stored ({})",
                    self.len(),
                    Error::damaged(first.clone())
                );
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            _ => Ok(()),
        }
    }
}

impl Read for ValueReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.reader {
            Reader::Memory(c) => c.read(buf),
            Reader::Node(r) => r.read(buf),
        }?;
        self.through = self.through.saturating_add(wide(n));
        if n == 0 && !buf.is_empty() {
            self.end()?;
        }
        Ok(n)
    }
}

impl BufRead for ValueReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let is_end = match &mut self.reader {
            Reader::Memory(c) => c.fill_buf()?.is_empty(),
            Reader::Node(r) => r.fill_buf()?.is_empty(),
        };
        if is_end {
            self.end()?;
        }
        match &mut self.reader {
            Reader::Memory(c) => c.fill_buf(),
            Reader::Node(r) => r.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        self.through = self.through.saturating_add(wide(n));
        match &mut self.reader {
            Reader::Memory(c) => c.consume(n),
            Reader::Node(r) => r.consume(n),
        }
    }
}

impl Seek for ValueReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match &mut self.reader {
            Reader::Memory(c) => c.seek(to),
            Reader::Node(r) => r.seek(to),
        }?;
        // bytes that are jumped over were not read
        self.gap = at != 0 && (self.gap || at > self.through);
        self.through = at;
        Ok(at)
    }
}
