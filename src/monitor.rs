//! Progress and cancellation: [`Monitor`].

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use std::fmt;

/// A phase of a long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Phase {
    /// Reading and checking the header.
    Header,
    /// Reading both B-trees.
    Trees,
    /// Verifying every page and block in file order.
    Sweep,
    /// Walking data trees and sub-node trees, counting references.
    References,
    /// Store, folders, messages, tables.
    Messaging,
    /// Allocation maps against the space in use.
    Maps,
    /// Searching the whole file for pages and blocks that no tree names.
    Scan,
    /// Linking the finds.
    Link,
    /// Planning a repair.
    Plan,
    /// Writing.
    Write,
    /// Checking the result.
    Verify,
    /// Reading items.
    Items,
    /// Hashing the source.
    Hash,
}

impl Phase {
    /// The words that a person reads while it runs.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Trees => "B-trees",
            Self::Sweep => "pages and blocks",
            Self::References => "references",
            Self::Messaging => "folders and messages",
            Self::Maps => "allocation maps",
            Self::Scan => "searching lost pages and blocks",
            Self::Link => "linking what was found",
            Self::Plan => "planning",
            Self::Write => "writing",
            Self::Verify => "checking the result",
            Self::Items => "reading items",
            Self::Hash => "hashing",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// Watches a long run and may stop it. All methods have silent defaults; `()` is the silent monitor.
///
/// [`advance`](Self::advance) is called at least every few MiB or few thousand objects; [`cancelled`](Self::cancelled) is asked at
/// the same points. A cancelled run returns [`ErrorKind::Cancelled`] and leaves its target as it was.
pub trait Monitor: Sync {
    /// A phase begins; `total` is its amount of work in the units of `advance`, where it is known.
    fn phase(&self, _phase: Phase, _total: Option<u64>) {}
    /// Work was done.
    fn advance(&self, _by: u64) {}
    /// Something was found.
    fn finding(&self, _finding: &Finding) {}
    /// Whether to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Monitor for () {}

/// A monitor that is asked for cancellation only.
pub(crate) struct Quiet<'a>(pub(crate) &'a dyn Monitor);

impl Monitor for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// Advances, and turns a cancellation into the error.
#[allow(dead_code, reason = "the passes use it")]
pub(crate) fn step(monitor: &dyn Monitor, by: u64) -> Result<()> {
    monitor.advance(by);
    if monitor.cancelled() { Err(Error::new(ErrorKind::Cancelled)) } else { Ok(()) }
}
