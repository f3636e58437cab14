//! Writing: new stores, in every variant, streamed to a [`Storage`](crate::io::Storage).
//!
//! From the bottom: [`NdbWriter`] places blocks as they come and writes B-trees, maps and header at the end ([MS-PST] 2.2);
//! [`DataWriter`] makes data trees of bytes. [`Props`] become property contexts, [`TableBuilder`] makes tables ([MS-PST] 2.3). [`PstWriter`]
//! makes a store of [`NewMessage`]s in folders ([MS-PST] 2.4), complete as Outlook and its repair tool want it. Only the indexes are kept in memory: 16 bytes for each block, 32 for each node.
//!
//! A file is complete only when its header has been written, which is the last thing that happens: whatever stops a writer before
//! leaves bytes that nobody takes for a store. [`AtomicFile`](crate::io::AtomicFile) gives a file its name only then.

mod copy;
mod folder;
mod graft;
mod heap;
mod item;
mod keys;
mod message;
mod names;
mod ndb;
mod pc;
mod props;
mod rows;
mod space;
mod store;
mod tc;
pub(crate) mod templates;
mod tree;

pub(crate) use copy::copy_nodes;
pub use copy::{CopyOptions, CopyReport, copy};
pub use folder::NewFolder;
#[cfg(all(test, feature = "export"))]
pub(crate) use message::one_off;
pub use message::{AttachmentData, Named, NewAttachment, NewMessage, NewRecipient, WrittenMessage};
pub use ndb::{NdbOptions, NdbWriter, Written};
pub(crate) use ndb::{believed_counter, write_maps};
pub use pc::{Node, SubNodes};
pub use props::{Data, Props};
pub use store::{COMMON_VIEWS, DELETED_ITEMS, IPM_SUBTREE, PstWriter, SEARCH_ROOT, StoreOptions};
pub use tc::{Cell, TableBuilder, TableKind};
pub use tree::{DataWriter, WrittenData};

#[cfg(test)]
mod tests;
