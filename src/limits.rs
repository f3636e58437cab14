//! Limits that keep a hostile file from costing more than its size justifies.

use crate::ndb::Content;
use std::sync::atomic::{AtomicU64, Ordering};

/// The cost that reading may have; every limit is far above the needs of real files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Levels of a B-tree above its leaves.
    pub tree_depth: u8,
    /// Levels of index blocks in a sub-node tree.
    pub subnode_depth: u8,
    /// Messages within messages.
    pub embedded_depth: u16,
    /// Folders within folders.
    pub folder_depth: u16,
    /// Bytes of one property value that is read into memory; larger ones have to be streamed.
    pub value_bytes: u64,
    /// Bytes that a compressed body may inflate to.
    pub inflated_bytes: u64,
    /// Rows of a table that are read.
    pub table_rows: u32,
    /// Problems kept for one object.
    pub problems: usize,
    /// How many times the blocks of a file are entered, each of them counted once: a hostile file repeats shared blocks. The
    /// greatest number lifts every budget.
    pub repeats: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tree_depth: 8,
            subnode_depth: 8,
            embedded_depth: 64,
            folder_depth: 256,
            value_bytes: 64 << 20,
            inflated_bytes: 256 << 20,
            table_rows: 1 << 22,
            problems: 1000,
            repeats: 16,
        }
    }
}

impl Limits {
    /// The same without budgets: shared blocks are entered as often as objects name them.
    #[must_use]
    pub const fn without_budgets(mut self) -> Self {
        self.repeats = u64::MAX;
        self
    }
}

/// The number of objects of a kind that a run may still enter. Nearly everything in a file has blocks of its own; objects that were copied share them, and
/// a hostile file can name the same blocks from everywhere: then the number of entries grows with the square of the file, or faster.
#[derive(Debug)]
pub struct Allowance(AtomicU64);

impl Allowance {
    /// For objects within the objects of a file: far more than copies that share their blocks come to.
    pub fn of_objects(content: Content, limits: &Limits) -> Self {
        Self::new(content.blocks.saturating_mul(limits.repeats).saturating_add(limits.repeats.min(16) << 12))
    }

    /// For bytes that are made out of a file.
    pub fn of_bytes(content: Content, limits: &Limits) -> Self {
        let times = limits.repeats.saturating_mul(4);
        Self::new(content.bytes.saturating_mul(times).saturating_add(limits.repeats.min(16) << 26))
    }

    /// For the bytes of rows and of row indexes of folders' tables: each byte of the file some times. Tables that share nothing come to the
    /// file once at most.
    pub fn of_rows(content: Content, limits: &Limits) -> Self {
        let bytes = content.bytes.saturating_mul(limits.repeats).checked_div(4).unwrap_or(0);
        Self::new(bytes.saturating_add(limits.repeats.min(16) << 14))
    }

    /// So much.
    pub fn new(most: u64) -> Self {
        Self(AtomicU64::new(most))
    }

    /// Takes `n` of it; says whether there was as much left. Where it is shared by threads, who gets the last of it depends on them.
    pub fn take(&self, n: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(n)).is_ok()
    }

    /// Takes `n` of it, or the rest: a result that has cost that much already is still of use.
    pub fn spend(&self, n: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(n)));
    }

    /// The rest.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let a = Allowance::new(10);
        assert!(a.take(4) && a.take(5) && !a.take(2) && !a.is_spent() && a.take(1) && a.is_spent() && !a.take(1));
        let a = Allowance::new(10);
        a.spend(7);
        assert!(!a.is_spent());
        a.spend(7);
        assert!(a.is_spent());
    }
}
