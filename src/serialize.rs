//! Forms of ids in JSON: one for each kind of id, in every document.
//!
//! Ids of nodes (32 bits) are numbers. Ids of blocks and pages have 64 bits, which some readers of JSON round: they are strings in
//! hexadecimal, and so are tags of properties, which people know by their digits.

use serde::ser::Serializer;

/// The id of a block or page: `"0x1dc"`.
pub(crate) fn hex<S: Serializer>(id: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{id:#x}"))
}

/// The same, where there may be none.
pub(crate) fn hex_or_null<S: Serializer>(id: &Option<u64>, s: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => hex(id, s),
        None => s.serialize_none(),
    }
}

/// A property's tag: `"3001001F"`.
pub(crate) fn tag<S: Serializer>(tag: &Option<u32>, s: S) -> Result<S::Ok, S::Error> {
    match tag {
        Some(tag) => s.collect_str(&format_args!("{tag:08X}")),
        None => s.serialize_none(),
    }
}
