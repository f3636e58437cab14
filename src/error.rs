//! The crate's error: its kind, its place, and the rule that was broken.

use crate::finding::{Finding, Location};
use crate::rules::Rule;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system could not read or write.
    #[error("{0}")]
    Io(io::Error),
    /// The bytes are not an Outlook data file; names their kind.
    #[error("not an Outlook data file: {0}")]
    NotPst(String),
    /// A variant or feature that cannot be read; names it and the next step.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A rule of the format is broken.
    #[error("{0}")]
    Damaged(Finding),
    /// A limit was reached that protects against hostile files.
    #[error("limit reached: {what} ({limit})")]
    Limit {
        /// The limited resource.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Another process holds the file.
    #[error("another process holds the file")]
    Locked,
    /// The requested object is not there.
    #[error("no {0}")]
    NotFound(String),
    /// A value cannot be stored in this variant; says which limit.
    #[error("does not fit: {0}")]
    TooLarge(String),
    /// Header or trees are so damaged that the file has to be searched as a whole; says how.
    #[error("{0}")]
    NeedsSalvage(&'static str),
    /// The repair would leave out this number of nodes that can be read, and the [policy](crate::repair::Policy) does not allow that.
    #[error("the repair would leave out {nodes} nodes that can be read; that has to be allowed")]
    NeedsConsent {
        /// The number of nodes.
        nodes: usize,
    },
    /// The plan was made for another file, or the file has changed since.
    #[error("the file is not the one that the plan was made for, or has changed since")]
    PlanStale,
    /// A file of this name exists, and replacing it was not asked for.
    #[error("{} exists: give another name, or remove it first", .0.display())]
    TargetExists(PathBuf),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// An undo file does not fit the file, is damaged, or is in the way; says why. Nothing was changed.
    #[error("{what}")]
    Unfit {
        /// Why.
        what: String,
        /// Whether undoing goes on where the caller takes the loss of later writes.
        force: bool,
    },
    /// The monitor asked to stop.
    #[error("cancelled")]
    Cancelled,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    at: Location,
}

/// An error of the crate; as small as a pointer.
pub struct Error(Box<Inner>);

impl Error {
    /// An error of this kind, nowhere in particular.
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { kind, at: Location::NONE }))
    }

    /// A violated rule.
    pub fn damaged(finding: Finding) -> Self {
        let at = finding.at;
        Self(Box::new(Inner { kind: ErrorKind::Damaged(finding), at }))
    }

    /// Something that is not there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound(what.into()))
    }

    /// A limit that was reached.
    pub fn limit(what: &'static str, limit: u64) -> Self {
        Self::new(ErrorKind::Limit { what, limit })
    }

    /// An error of reading or writing at an offset.
    pub fn io_at(error: io::Error, offset: u64) -> Self {
        Self(Box::new(Inner { kind: ErrorKind::Io(error), at: Location::at(offset) }))
    }

    /// The same at a location.
    #[must_use]
    pub fn at(mut self, at: Location) -> Self {
        self.0.at = at;
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where it happened.
    pub fn location(&self) -> Location {
        self.0.at
    }

    /// The rule that is broken, if it is about one.
    pub fn rule(&self) -> Option<&'static Rule> {
        match &self.0.kind {
            ErrorKind::Damaged(f) => Some(f.rule),
            _ => None,
        }
    }

    /// The finding that it is, if a rule is broken.
    pub fn finding(&self) -> Option<&Finding> {
        match &self.0.kind {
            ErrorKind::Damaged(f) => Some(f),
            _ => None,
        }
    }

    /// Whether it is about the object at hand alone, so that a run over many goes on: a limit, a violation, a part that does not fit or is
    /// not there. Cancellation and errors of a medium end the run.
    pub fn is_of_object(&self) -> bool {
        use ErrorKind::{Damaged, Limit, NotFound, TooLarge, Usage};
        matches!(self.0.kind, Damaged(_) | Limit { .. } | NotFound(_) | TooLarge(_) | Usage(_))
    }

    /// Whether the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Cancelled)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.0.kind {
            ErrorKind::Io(e) => e,
            _ => io::Error::other(error),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)?;
        match self.0.kind {
            ErrorKind::Damaged(_) => Ok(()),
            _ if self.0.at == Location::NONE => Ok(()),
            _ => write!(f, " at {}", self.0.at),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io(e) => Some(e),
            _ => None,
        }
    }
}
