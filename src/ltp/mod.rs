//! The LTP layer: lists, tables and properties ([MS-PST] 2.3).
//!
//! A node's data is a [`Heap`]; on the heap stand B-trees ([`Bth`]), and on those a [`PropertyContext`] (the properties of an object)
//! or a [`TableContext`] (rows of properties). [`NameMap`] joins property ids from 0x8000 on to their names.
//!
//! Every read takes a [`Sink`](crate::finding::Sink) and goes on past everything that the sink accepts. Opening verifies the part that it reads; the
//! `verify` methods verify the rest and report nothing that opening has told already.

/// The reach of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Structures, and values that lie in the heap.
    Structure,
    /// Values in sub-nodes as well: they are read.
    Values,
}

impl Depth {
    /// [`Values`](Self::Values) where `yes`.
    pub const fn values_if(yes: bool) -> Self {
        if yes { Self::Values } else { Self::Structure }
    }
}

pub(crate) mod bth;
#[cfg(test)]
pub(crate) mod build;
pub(crate) mod heap;
pub(crate) mod named;
pub(crate) mod pc;

pub(crate) mod stream;
pub(crate) mod tc;
pub(crate) mod value;

pub use bth::{Bth, Leaves};
pub use heap::{Heap, Item};
pub use named::{NAMED_FIRST, NameKind, NameMap, NameMapBuilder, PropertyName};
pub use pc::PropertyContext;

pub use stream::ValueReader;
pub use tc::{Row, Rows, TableContext};
#[cfg(feature = "export")]
pub(crate) use value::encode_utf16;
pub use value::{PropValue, ValueSource, latin1};
