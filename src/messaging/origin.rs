//! How an item came to be found.

/// How a message or folder came to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Origin {
    /// The trees list it, or an older generation of a leaf that is lost does.
    #[default]
    Normal,
    /// Its node or its blocks are there and in use, and no folder that can be reached has it, or no generation of the node B-tree lists
    /// it.
    Orphan,
    /// Only an older generation of the node B-tree lists it: it was deleted.
    Deleted,
    /// Nothing lists it, and nothing says that its blocks are in use: put together from pieces that nothing joins.
    Carved,
}

impl Origin {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Orphan => "orphan",
            Self::Deleted => "deleted",
            Self::Carved => "carved",
        }
    }
}
