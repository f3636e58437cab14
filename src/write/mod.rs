//! Writing: new stores, in every variant, streamed to a [`Storage`](crate::io::Storage).
//!
//! From the bottom: [`NdbWriter`] places blocks as they come and writes B-trees, maps and header at the end ([MS-PST] 2.2);
//! [`DataWriter`] makes data trees of bytes. [`Props`] become property contexts, [`TableBuilder`] makes tables ([MS-PST] 2.3). What is kept in memory is the indexes: 16 bytes for each block, 32 for each node.
//!
//! A file is complete only when its header has been written, which is the last thing that happens: whatever stops a writer before
//! leaves bytes that nobody takes for a store. [`AtomicFile`](crate::io::AtomicFile) gives a file its name only then.

#[allow(dead_code, reason = "messages")]
mod heap;
mod ndb;
#[allow(dead_code, reason = "messages")]
mod pc;
#[allow(dead_code, reason = "messages")]
mod props;
mod space;
mod tc;
mod tree;

pub use ndb::{NdbOptions, NdbWriter, Written};
pub use pc::{Node, SubNodes};
pub use props::{Data, Props};
pub use tc::{Cell, TableBuilder, TableKind};
pub use tree::{DataWriter, WrittenData};

#[cfg(test)]
mod tests;
