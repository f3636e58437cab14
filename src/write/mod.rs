//! Writing: new stores, in every variant, streamed to a [`Storage`](crate::io::Storage).
//!
//! From the bottom: [`NdbWriter`] places blocks as they come and writes B-trees, maps and header at the end ([MS-PST] 2.2);
//! [`DataWriter`] makes data trees of bytes. What is kept in memory is the indexes: 16 bytes for each block, 32 for each node.
//!
//! A file is complete only when its header has been written, which is the last thing that happens: whatever stops a writer before
//! leaves bytes that nobody takes for a store. [`AtomicFile`](crate::io::AtomicFile) gives a file its name only then.

mod ndb;
mod space;
mod tree;

pub use ndb::{NdbOptions, NdbWriter, Written};
pub use tree::{DataTree, DataWriter};

#[cfg(test)]
mod tests;
