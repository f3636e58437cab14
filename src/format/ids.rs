//! Ids: [`Nid`], [`Bid`], [`Ib`], [`Bref`] ([MS-PST] 2.2.2.1–2.2.2.4), heap ids ([MS-PST] 2.3.1.1) and property tags ([MS-OXCDATA] 2.9).
//!
//! Ids widen to one type for all variants; [`Layout`](super::layout::Layout) narrows them when it writes.

use std::fmt;

/// Byte offset in the file ([MS-PST] 2.2.2.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ib(pub u64);

/// Id of a block or page ([MS-PST] 2.2.2.2). For blocks, bit 0 is reserved and bit 1 says internal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bid(pub u64);

impl Bid {
    /// No block.
    pub const NONE: Self = Self(0);

    /// Whether it names nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The block id proper: references may have the reserved bit 0 set, blocks never have.
    #[must_use]
    pub const fn masked(self) -> Self {
        Self(self.0 & !1)
    }

    /// Whether the block is internal: part of a data tree or sub-node tree, never encoded.
    pub const fn is_internal(self) -> bool {
        self.0 & 2 != 0
    }
}

/// Id and place of a page or block ([MS-PST] 2.2.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bref {
    /// Id.
    pub bid: Bid,
    /// Place.
    pub ib: Ib,
}

/// Id of a node ([MS-PST] 2.2.2.1): type in the low 5 bits, index above.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nid(pub u32);

/// Type of a node: the low five bits of its id ([MS-PST] 2.2.2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NidType(pub u8);

macro_rules! nid_types {
    ($($id:ident = $value:literal $name:literal;)*) => {
        impl NidType {
            $(#[doc = $name] pub const $id: Self = Self($value);)*

            /// The name of the type.
            pub const fn name(self) -> &'static str {
                match self.0 { $($value => $name,)* _ => "unknown" }
            }
        }
    };
}

nid_types! {
    HID = 0x00 "heap id";
    INTERNAL = 0x01 "internal";
    NORMAL_FOLDER = 0x02 "folder";
    SEARCH_FOLDER = 0x03 "search folder";
    NORMAL_MESSAGE = 0x04 "message";
    ATTACHMENT = 0x05 "attachment";
    SEARCH_UPDATE_QUEUE = 0x06 "search update queue";
    SEARCH_CRITERIA_OBJECT = 0x07 "search criteria";
    ASSOC_MESSAGE = 0x08 "associated message";
    OBJECT_DATA = 0x09 "object data";
    CONTENTS_TABLE_INDEX = 0x0A "contents table index";
    RECEIVE_FOLDER_TABLE = 0x0B "receive folder table";
    OUTGOING_QUEUE_TABLE = 0x0C "outgoing queue table";
    HIERARCHY_TABLE = 0x0D "hierarchy table";
    CONTENTS_TABLE = 0x0E "contents table";
    ASSOC_CONTENTS_TABLE = 0x0F "associated contents table";
    SEARCH_CONTENTS_TABLE = 0x10 "search contents table";
    ATTACHMENT_TABLE = 0x11 "attachment table";
    RECIPIENT_TABLE = 0x12 "recipient table";
    SEARCH_TABLE_INDEX = 0x13 "search table index";
    OST_CHANGES_14 = 0x14 "change map";
    OST_CHANGES_15 = 0x15 "change map";
    REPLICATION_TABLE = 0x16 "replication table";
    REPLICATION_TABLE_17 = 0x17 "replication table";
    REPLICATION_TABLE_18 = 0x18 "replication table";
    OST_19 = 0x19 "OST table";
    LTP = 0x1F "value";
}

impl NidType {
    /// Whether nodes of the node B-tree can be of this type; the others are of sub-nodes alone, or unknown.
    pub const fn is_top_level(self) -> bool {
        matches!(self.0, 0x01..=0x04 | 0x06..=0x08 | 0x0A..=0x12 | 0x14..=0x19)
    }

    /// Whether sub-nodes of this type are known.
    pub const fn is_local(self) -> bool {
        // 0x0B stands under the contents table index of Outlook 97 alone
        matches!(self.0, 0x01 | 0x04 | 0x05 | 0x09 | 0x0B | 0x11 | 0x12 | 0x16 | 0x1F)
    }
}

impl fmt::Debug for NidType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x} {}", self.0, self.name())
    }
}

impl Nid {
    /// No node.
    pub const NONE: Self = Self(0);
    /// The message store ([MS-PST] 2.4.1).
    pub const MESSAGE_STORE: Self = Self(0x21);
    /// The named-property map.
    pub const NAME_TO_ID_MAP: Self = Self(0x61);
    /// The root folder.
    pub const ROOT_FOLDER: Self = Self(0x122);
    /// The search management queue.
    pub const SEARCH_MANAGEMENT_QUEUE: Self = Self(0x1E1);
    /// The search activity list.
    pub const SEARCH_ACTIVITY_LIST: Self = Self(0x201);
    /// The search domain object.
    pub const SEARCH_DOMAIN_OBJECT: Self = Self(0x261);
    /// Template of hierarchy tables.
    pub const HIERARCHY_TABLE_TEMPLATE: Self = Self(0x60D);
    /// Template of contents tables.
    pub const CONTENTS_TABLE_TEMPLATE: Self = Self(0x60E);
    /// Template of associated contents tables.
    pub const ASSOC_CONTENTS_TABLE_TEMPLATE: Self = Self(0x60F);
    /// Template of search contents tables.
    pub const SEARCH_CONTENTS_TABLE_TEMPLATE: Self = Self(0x610);
    /// The receive folder table.
    pub const RECEIVE_FOLDER_TABLE: Self = Self(0x62B);
    /// The outgoing queue.
    pub const OUTGOING_QUEUE_TABLE: Self = Self(0x64C);
    /// Template of attachment tables, and the local id of each message's.
    pub const ATTACHMENT_TABLE: Self = Self(0x671);
    /// Template of recipient tables, and the local id of each message's.
    pub const RECIPIENT_TABLE: Self = Self(0x692);
    /// Template of replication tables, and the local id of an object's.
    pub const REPLICATION_TABLE: Self = Self(0x6B6);
    /// A replication table (not documented).
    pub const REPLICATION_TABLE_17: Self = Self(0x6D7);
    /// A replication table (not documented).
    pub const REPLICATION_TABLE_18: Self = Self(0x6F8);
    /// The map of object ids (not documented).
    pub const ID_MAP: Self = Self(0xC01);
    /// The message index (not documented).
    pub const MESSAGE_INDEX: Self = Self(0xE01);
    /// The queue beside the message index (not documented).
    pub const MESSAGE_INDEX_QUEUE: Self = Self(0xE41);
    /// The newer search management queue (not documented).
    pub const SEARCH_QUEUE_3: Self = Self(0xEC1);
    /// The search folder for junk mail, which nearly every store has.
    pub const SPAM_SEARCH_FOLDER: Self = Self(0x2223);
    /// A list of folders that Outlook 2016 and later keep (not documented).
    pub const FOLDER_LIST: Self = Self(0xEE1);
    /// A part of the list of folders (not documented).
    pub const FOLDER_LIST_HEAD: Self = Self(0xF01);
    /// A queue beside the list of folders (not documented).
    pub const FOLDER_LIST_QUEUE: Self = Self(0xF21);

    /// The id of this type and index.
    pub const fn new(nid_type: NidType, index: u32) -> Self {
        Self((index << 5) | (nid_type.0 as u32 & 0x1F))
    }

    /// Its type.
    pub const fn nid_type(self) -> NidType {
        NidType((self.0 & 0x1F) as u8)
    }

    /// Its index.
    pub const fn index(self) -> u32 {
        self.0 >> 5
    }

    /// The id of another type with the same index, such as a folder's contents table.
    #[must_use]
    pub const fn with_type(self, nid_type: NidType) -> Self {
        Self::new(nid_type, self.index())
    }

    /// Whether it names nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether it is one of the ids that Outlook itself uses, documented or seen in its files ([MS-PST] 2.4.1).
    pub const fn is_reserved(self) -> bool {
        matches!(
            self.0,
            0x21 | 0x61 | 0xA1 | 0xC1 | 0x122 | 0x12D..=0x12F | 0x1E1 | 0x201 | 0x241 | 0x261 | 0x281 | 0x2A1 | 0x2E1 | 0x301 | 0x321
                | 0x501 | 0x60D..=0x610 | 0x614 | 0x619 | 0x62B | 0x64C | 0x671 | 0x692 | 0x6B6 | 0x6D7 | 0x6F8 | 0x723 | 0x730
                | 0x801 | 0x821 | 0x841 | 0x861 | 0xC01 | 0xE01 | 0xE41 | 0xE61 | 0xE81 | 0xEA1 | 0xEC1 | 0xEE1 | 0xF01 | 0xF21
        )
    }

    /// Whether it is a normal or a search folder.
    pub fn is_folder(self) -> bool {
        matches!(self.nid_type(), NidType::NORMAL_FOLDER | NidType::SEARCH_FOLDER)
    }

    /// Whether it is a normal or an associated message.
    pub fn is_message(self) -> bool {
        matches!(self.nid_type(), NidType::NORMAL_MESSAGE | NidType::ASSOC_MESSAGE)
    }
}

/// Id of a heap item ([MS-PST] 2.3.1.1); its split into block and item depends on the layout.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hid(pub u32);

impl Hid {
    /// No item.
    pub const NONE: Self = Self(0);

    /// Whether it names nothing.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Id of a heap item or of a sub-node ([MS-PST] 2.3.3.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hnid(pub u32);

/// The target of a [`Hnid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HnidKind {
    /// Nothing: an empty value.
    Empty,
    /// A heap item.
    Heap(Hid),
    /// A sub-node.
    Node(Nid),
}

impl Hnid {
    /// The target: an id with a zero type is a heap item.
    pub const fn kind(self) -> HnidKind {
        if self.0 == 0 {
            HnidKind::Empty
        } else if self.0 & 0x1F == 0 {
            HnidKind::Heap(Hid(self.0))
        } else {
            HnidKind::Node(Nid(self.0))
        }
    }
}

/// Property type ([MS-OXCDATA] 2.11.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropType(pub u16);

macro_rules! prop_types {
    ($($id:ident = $value:literal $name:literal;)*) => {
        impl PropType {
            $(#[doc = $name] pub const $id: Self = Self($value);)*

            /// The name of the type.
            pub const fn name(self) -> &'static str {
                match self.0 { $($value => $name,)* _ => "unknown" }
            }

            /// Whether the type is a known one.
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($value)|*)
            }

            /// Whether values of the type are stored: it is known, and says more than that there is none.
            pub const fn is_stored(self) -> bool {
                self.is_known() && self.0 > Self::NULL.0
            }
        }
    };
}

prop_types! {
    UNSPECIFIED = 0x0000 "PtypUnspecified";
    NULL = 0x0001 "PtypNull";
    INTEGER16 = 0x0002 "PtypInteger16";
    INTEGER32 = 0x0003 "PtypInteger32";
    FLOATING32 = 0x0004 "PtypFloating32";
    FLOATING64 = 0x0005 "PtypFloating64";
    CURRENCY = 0x0006 "PtypCurrency";
    FLOATING_TIME = 0x0007 "PtypFloatingTime";
    ERROR_CODE = 0x000A "PtypErrorCode";
    BOOLEAN = 0x000B "PtypBoolean";
    OBJECT = 0x000D "PtypObject";
    INTEGER64 = 0x0014 "PtypInteger64";
    STRING8 = 0x001E "PtypString8";
    STRING = 0x001F "PtypString";
    TIME = 0x0040 "PtypTime";
    GUID = 0x0048 "PtypGuid";
    SERVER_ID = 0x00FB "PtypServerId";
    RESTRICTION = 0x00FD "PtypRestriction";
    RULE_ACTION = 0x00FE "PtypRuleAction";
    BINARY = 0x0102 "PtypBinary";
    MULTI_INTEGER16 = 0x1002 "PtypMultipleInteger16";
    MULTI_INTEGER32 = 0x1003 "PtypMultipleInteger32";
    MULTI_FLOATING32 = 0x1004 "PtypMultipleFloating32";
    MULTI_FLOATING64 = 0x1005 "PtypMultipleFloating64";
    MULTI_CURRENCY = 0x1006 "PtypMultipleCurrency";
    MULTI_FLOATING_TIME = 0x1007 "PtypMultipleFloatingTime";
    MULTI_INTEGER64 = 0x1014 "PtypMultipleInteger64";
    MULTI_STRING8 = 0x101E "PtypMultipleString8";
    MULTI_STRING = 0x101F "PtypMultipleString";
    MULTI_TIME = 0x1040 "PtypMultipleTime";
    MULTI_GUID = 0x1048 "PtypMultipleGuid";
    MULTI_BINARY = 0x1102 "PtypMultipleBinary";
}

impl PropType {
    /// The bytes of one value of a fixed-size type; `None` where the size varies. For multi-valued types, of one element.
    pub const fn fixed_size(self) -> Option<usize> {
        match self.0 & 0x0FFF {
            0x0002 => Some(2),
            0x0003 | 0x0004 | 0x000A => Some(4),
            0x000B => Some(1),
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            _ => None,
        }
    }

    /// Whether a property context holds the value itself in place of an id ([MS-PST] 2.3.3.3).
    pub const fn is_inline(self) -> bool {
        matches!(self.0, 0x0001 | 0x0002 | 0x0003 | 0x0004 | 0x000A | 0x000B)
    }

    /// Whether it has several values.
    pub const fn is_multi(self) -> bool {
        self.0 & 0x1000 != 0
    }

    /// The bytes of a cell of this type in a table row ([MS-PST] 2.3.4.2): ids for everything that is not a number or a time.
    pub const fn cell_size(self) -> usize {
        match self.0 {
            0x000B => 1,
            0x0002 => 2,
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => 8,
            _ => 4,
        }
    }

    /// Whether a table cell of this type holds an id of the value and not the value itself.
    pub const fn cell_is_hnid(self) -> bool {
        !matches!(self.0, 0x0001..=0x0007 | 0x000A | 0x000B | 0x0014 | 0x0040)
    }
}

impl fmt::Debug for PropType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x} {}", self.0, self.name())
    }
}

/// Property tag: id in the upper, type in the lower 16 bits ([MS-OXCDATA] 2.9).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropTag(pub u32);

impl PropTag {
    /// The tag of this id and type.
    pub const fn new(id: u16, prop_type: PropType) -> Self {
        Self(((id as u32) << 16) | prop_type.0 as u32)
    }

    /// Property id.
    pub const fn id(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Property type.
    pub const fn prop_type(self) -> PropType {
        PropType((self.0 & 0xFFFF) as u16)
    }

    /// Whether the id stands for a name of the named-property map ([MS-PST] 2.4.7).
    pub const fn is_named(self) -> bool {
        self.id() >= 0x8000
    }

    /// The same id with another type.
    #[must_use]
    pub const fn with_type(self, prop_type: PropType) -> Self {
        Self::new(self.id(), prop_type)
    }
}

macro_rules! hex_fmt {
    ($($t:ident $form:literal),*) => {
        $(
            impl fmt::Display for $t {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, $form, self.0)
                }
            }
            impl fmt::LowerHex for $t {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::LowerHex::fmt(&self.0, f)
                }
            }
        )*
    };
}

hex_fmt!(Ib "{:#x}", Bid "{:#x}", Nid "{:#x}", Hid "{:#x}", Hnid "{:#x}", PropTag "{:08X}");

macro_rules! debug_as_display {
    ($($t:ident),*) => {
        $(impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($t), "({})"), self)
            }
        })*
    };
}

debug_as_display!(Ib, Bid, Nid, Hid, Hnid, PropTag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_split_into_type_and_index() {
        let inbox = Nid(0x8082);
        assert_eq!(inbox.nid_type(), NidType::NORMAL_FOLDER);
        assert_eq!(inbox.index(), 0x404);
        assert_eq!(inbox.with_type(NidType::CONTENTS_TABLE), Nid(0x808E));
        assert!(inbox.is_folder() && !inbox.is_message());
    }

    #[test]
    fn an_hnid_tells_heap_items_from_sub_nodes() {
        assert_eq!(Hnid(0).kind(), HnidKind::Empty);
        assert_eq!(Hnid(0x40).kind(), HnidKind::Heap(Hid(0x40)));
        assert_eq!(Hnid(0x3F).kind(), HnidKind::Node(Nid(0x3F)));
    }

    #[test]
    fn references_mask_the_reserved_bit() {
        assert_eq!(Bid(0x152D).masked(), Bid(0x152C));
        assert!(Bid(6).is_internal() && !Bid(4).is_internal());
    }
}
