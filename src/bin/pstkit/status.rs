//! Exit statuses and failures.

use pstkit::error::{Error, ErrorKind};
use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::path::Path;
use std::process::ExitCode;

/// The exit status: a sum, as fsck's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u8);

impl Status {
    /// Clean, or done.
    pub(crate) const DONE: Self = Self(0);
    /// Problems are left, or something could not be read.
    pub(crate) const LEFT: Self = Self(4);
    /// It could not be done.
    pub(crate) const FAILED: Self = Self(8);
    /// The command line makes no sense.
    pub(crate) const USAGE: Self = Self(16);
    /// Cancelled, or the reader of the output went away.
    pub(crate) const CANCELLED: Self = Self(32);

    /// Its bits.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The status that a report gives.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl BitOr for Status {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Status {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.0.into()
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Standard output could not be written.
    Output(io::Error),
    /// The library says why, and which file it is about.
    Library(String, Error),
    /// Another reason, with its status.
    Said(Status, String),
}

/// The result of a command.
pub(crate) type Outcome = Result<Status, Failure>;

impl Failure {
    /// An error about a file.
    pub(crate) fn of(path: &Path, error: Error) -> Self {
        Self::Library(path.display().to_string(), error)
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self::Said(Status::USAGE, text.to_string())
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Status::CANCELLED,
            Self::Output(_) => Status::FAILED,
            Self::Library(_, e) => match e.kind() {
                ErrorKind::Cancelled => Status::CANCELLED,
                ErrorKind::Usage(_) | ErrorKind::TargetExists(_) => Status::USAGE,
                _ => Status::FAILED,
            },
            Self::Said(status, _) => *status,
        }
    }

    /// What to say; nothing where the reader of the output has gone.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Output(e) => Some(format!("standard output: {e}")),
            Self::Library(path, e) => {
                let why = explain(e);
                // Some messages name the file themselves.
                Some(if why.starts_with(path.as_str()) { why } else { format!("{path}: {why}") })
            }
            Self::Said(_, text) => Some(text.clone()),
        }
    }
}

/// The error in words, with what to do.
pub(crate) fn explain(e: &Error) -> String {
    match e.kind() {
        ErrorKind::Locked => "another process holds the file: close Outlook, or copy the file and work on the copy".to_owned(),
        ErrorKind::Damaged(f) => format!("{f}; {}", f.rule.meaning),
        // what is known of the cause says more than its kind
        ErrorKind::Io(io) if io.get_ref().is_some_and(|told| !told.to_string().is_empty()) => e.to_string(),
        ErrorKind::Io(io) => match io.kind() {
            io::ErrorKind::NotFound => "no such file: check the path".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied: the file, or its folder, is not readable for this user".to_owned(),
            io::ErrorKind::StorageFull => "the disk is full: nothing was left under the final name".to_owned(),
            _ => e.to_string(),
        },
        _ => e.to_string(),
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Output(e)
    }
}
