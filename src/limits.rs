//! Limits that keep a hostile file from costing more than its size justifies.

/// What reading may cost; every limit is far above what real files need.
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
        }
    }
}
