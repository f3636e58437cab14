//! The table of rules: every invariant of the format that the crate checks, once.
//!
//! A rule has a stable code (`PST-<layer letter><number>`, never reused), a name, a severity, the verb that mends it, and the words
//! that explain it. Strict reading, the check, the repair and `pstkit explain` all refer to the same rows, so that an error of the
//! reader and a finding of the checker carry the same code.

use std::fmt;

/// How much a violation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Severity {
    /// A fact worth knowing; nothing is wrong.
    Info,
    /// Something that Outlook regenerates by itself; files fresh from Outlook have these.
    Notice,
    /// Accounting is off; no user data is touched.
    Warning,
    /// An invariant is broken.
    Error,
    /// The file cannot be opened.
    Fatal,
}

impl Severity {
    /// The word used in reports and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The severity that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Info, Self::Notice, Self::Warning, Self::Error, Self::Fatal].into_iter().find(|s| s.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The layer of the format that a rule belongs to; its letter stands in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Layer {
    /// `H`: the file header and ROOT.
    Header,
    /// `A`: allocation maps and space.
    Allocation,
    /// `B`: the block B-tree and its entries.
    BlockTree,
    /// `N`: the node B-tree.
    NodeTree,
    /// `D`: blocks, data trees and sub-node trees.
    Data,
    /// `P`: heaps, B-trees on heaps and property contexts.
    Property,
    /// `T`: table contexts.
    Table,
    /// `S`: the store's own objects.
    Store,
    /// `F`: folders.
    Folder,
    /// `M`: messages.
    Message,
    /// `R`: recipients and attachments.
    Recipient,
    /// `X`: Outlook's index nodes.
    Index,
    /// `C`: carving, the finds of recovery.
    Carving,
}

impl Layer {
    /// The letter in the rule's code.
    pub const fn letter(self) -> char {
        match self {
            Self::Header => 'H',
            Self::Allocation => 'A',
            Self::BlockTree => 'B',
            Self::NodeTree => 'N',
            Self::Data => 'D',
            Self::Property => 'P',
            Self::Table => 'T',
            Self::Store => 'S',
            Self::Folder => 'F',
            Self::Message => 'M',
            Self::Recipient => 'R',
            Self::Index => 'X',
            Self::Carving => 'C',
        }
    }
}

/// The fix of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum FixVerb {
    /// Nothing to do.
    None,
    /// Rewrite the header from the file's contents.
    RewriteHeader,
    /// Rebuild AMaps, PMaps, FMaps, FPMaps, DList and the free counts from the space in use.
    RebuildMaps,
    /// Rebuild the B-tree from its readable pages, older generations and the sweep.
    RebuildTree,
    /// Count the references again.
    RecountReferences,
    /// Write the block, data tree or sub-node tree again from the readable parts.
    RewriteBlock,
    /// Write the heap, property context or table again from the readable parts.
    RewriteContext,
    /// Build the table from the objects that it lists.
    RebuildTable,
    /// Set a property to the value that follows from other data.
    SetProperty,
    /// Create the missing object from its template.
    CreateObject,
    /// Take the object out; its contents are gone.
    DropObject,
    /// Put the object under Lost and Found.
    MoveToLostAndFound,
    /// Empty an index that Outlook regenerates.
    ResetIndex,
}

impl FixVerb {
    /// All verbs in the order in which a repair carries them out: structure before contents, actions that take something out last.
    pub const ALL: [Self; 13] = [
        Self::RewriteHeader,
        Self::RebuildTree,
        Self::RecountReferences,
        Self::RebuildMaps,
        Self::RewriteBlock,
        Self::RewriteContext,
        Self::CreateObject,
        Self::RebuildTable,
        Self::SetProperty,
        Self::MoveToLostAndFound,
        Self::ResetIndex,
        Self::DropObject,
        Self::None,
    ];

    /// The word used in reports and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RewriteHeader => "rewrite-header",
            Self::RebuildMaps => "rebuild-maps",
            Self::RebuildTree => "rebuild-tree",
            Self::RecountReferences => "recount-references",
            Self::RewriteBlock => "rewrite-block",
            Self::RewriteContext => "rewrite-context",
            Self::RebuildTable => "rebuild-table",
            Self::SetProperty => "set-property",
            Self::CreateObject => "create-object",
            Self::DropObject => "drop-object",
            Self::MoveToLostAndFound => "move-to-lost-and-found",
            Self::ResetIndex => "reset-index",
        }
    }

    /// The verb that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == word)
    }

    /// The action, for people.
    pub const fn what(self) -> &'static str {
        match self {
            Self::None => "nothing to mend",
            Self::RewriteHeader => "write the header again from what the file holds",
            Self::RebuildMaps => "build the allocation maps and free counts again from the space in use",
            Self::RebuildTree => "build the B-trees again from readable pages, older generations and a search of the whole file",
            Self::RecountReferences => "count the references to blocks again",
            Self::RewriteBlock => "write damaged blocks, data trees and sub-node trees again from what is readable",
            Self::RewriteContext => "write damaged heaps, properties and tables again from what is readable",
            Self::RebuildTable => "build tables again from the objects that they list",
            Self::SetProperty => "set properties to what follows from other data",
            Self::CreateObject => "create missing objects of the store",
            Self::DropObject => "take out objects of which nothing can be read",
            Self::MoveToLostAndFound => "put objects that are in no folder under Lost and Found",
            Self::ResetIndex => "reset indexes that Outlook makes again",
        }
    }

    /// The gain, for people.
    pub const fn restores(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::RewriteHeader => "the file opens again",
            Self::RebuildMaps => "new mail no longer overwrites old mail",
            Self::RebuildTree => "objects missing from the index are listed again",
            Self::RecountReferences => "blocks in use are no longer given away",
            Self::RewriteBlock | Self::RewriteContext => "the readable rest of damaged items works again",
            Self::RebuildTable => "lists of folders, messages and attachments are complete again",
            Self::SetProperty => "flags, sizes and counts are correct again",
            Self::CreateObject => "Outlook finds the objects that it needs again",
            Self::DropObject => "Outlook no longer fails on objects without content",
            Self::MoveToLostAndFound => "objects without a folder can be seen again",
            Self::ResetIndex => "searches work again once Outlook has rebuilt its indexes",
        }
    }

    /// Whether it lies beneath the objects: header, trees, reference counts, maps. These four are written anew, together, whenever
    /// anything is.
    pub const fn is_structural(self) -> bool {
        matches!(self, Self::RewriteHeader | Self::RebuildTree | Self::RecountReferences | Self::RebuildMaps)
    }
}

impl fmt::Display for FixVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// Stable code, such as `PST-H002`.
    pub code: &'static str,
    /// Name in words joined by `-`.
    pub name: &'static str,
    /// The layer it belongs to.
    pub layer: Layer,
    /// Severity, unless the evidence in a file gives another.
    pub severity: Severity,
    /// Its fix.
    pub fix: FixVerb,
    /// Whether an unattended run may mend it.
    pub safe: bool,
    /// Whether mending it may lose data that was readable.
    pub may_lose: bool,
    /// The violation, as a sentence without a full stop.
    pub message: &'static str,
    /// Section of [MS-PST] that states it; `-` where it is not documented there.
    pub section: &'static str,
    /// How scanpst words it, where it has words for it, behind its class: `!!` or `??`; `{name}` stands for an id or value, and a reason on a line of its own
    /// stands behind `|`.
    pub scanpst: Option<&'static str>,
    /// Its meaning for the mail, and the next step.
    pub meaning: &'static str,
}

impl Rule {
    /// The rule with this code (any case, with or without `PST-`) or name.
    pub fn find(code_or_name: &str) -> Option<&'static Rule> {
        let short = |r: &Rule| r.code.strip_prefix("PST-").is_some_and(|c| c.eq_ignore_ascii_case(code_or_name));
        RULES.iter().copied().find(|r| r.code.eq_ignore_ascii_case(code_or_name) || short(r) || r.name == code_or_name)
    }
}

impl Rule {
    /// The class in which scanpst counts a violation: `!!` for a broken invariant, `??` for one that alone leaves a file with minor
    /// inconsistencies; `None` where it says nothing. It is independent of [`severity`](Self::severity), which follows from the forms of healthy
    /// files have.
    pub fn scanpst_class(&self) -> Option<&'static str> {
        self.scanpst.and_then(|words| words.get(..2))
    }

    /// scanpst's words without the class, as a template.
    pub fn scanpst_words(&self) -> Option<&'static str> {
        self.scanpst.and_then(|words| words.get(2..))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

macro_rules! scanpst {
    (-) => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
}

macro_rules! word {
    (safe) => {
        true
    };
    (ask) => {
        false
    };
    (keeps) => {
        false
    };
    (loses) => {
        true
    };
}

macro_rules! rules {
    ($($id:ident $code:literal $name:literal $layer:ident $severity:ident $fix:ident $safe:ident $lose:ident $message:literal $section:literal $scanpst:tt $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "` ", $name, ": ", $message, ".")]
            pub static $id: Rule = Rule {
                code: $code,
                name: $name,
                layer: Layer::$layer,
                severity: Severity::$severity,
                fix: FixVerb::$fix,
                safe: word!($safe),
                may_lose: word!($lose),
                message: $message,
                section: $section,
                scanpst: scanpst!($scanpst),
                meaning: $meaning,
            };
        )*
        /// Every rule, in the order of the codes' layers and numbers.
        pub static RULES: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    // Header
    HEADER_MAGIC "PST-H001" "bad-magic" Header Fatal RewriteHeader safe keeps "the file does not begin with !BDN" "2.2.2.6" - "Outlook does not take the file for a data file; the mail behind the header may be whole.";
    HEADER_CRC_PARTIAL "PST-H002" "header-crc-partial" Header Error RewriteHeader safe keeps "the header's partial checksum differs from its bytes" "2.2.2.6" - "Outlook refuses the file; the checksum is computed again once the header's other fields are verified.";
    HEADER_CRC_FULL "PST-H003" "header-crc-full" Header Error RewriteHeader safe keeps "the header's full checksum differs from its bytes" "2.2.2.6" - "Outlook refuses the file; the checksum is computed again once the header's other fields are verified.";
    EOF_MISMATCH "PST-H004" "eof-mismatch" Header Error RewriteHeader safe keeps "the header's file size differs from the real one" "2.2.2.5" "!!physical/logical EOF mismatch" "A shorter file was cut off: what lay behind the cut is lost. A longer one was left by an interrupted growth.";
    NID_HIGH_WATER "PST-H005" "nid-high-water-low" Header Error RewriteHeader safe keeps "a node-id counter is below an id in use" "2.2.2.6" "!!Header NID high-water mark has incorrect value (type={type}, read={actual}, calculated={expected})" "The next object that Outlook creates would take an id that is in use.";
    BID_NEXT_LOW "PST-H006" "bid-next-low" Header Error RewriteHeader safe keeps "the next block or page id is not above all ids in use" "2.2.2.6" - "The next block that Outlook writes would take an id that is in use.";
    HEADER_VERSION "PST-H007" "unknown-version" Header Fatal RewriteHeader safe keeps "the format version is not a known one" "2.2.2.6" - "The layout of the file has to be told from its pages.";
    HEADER_CLIENT_MAGIC "PST-H008" "client-magic" Header Error RewriteHeader safe keeps "the client magic is none of SM, SO, AB" "2.2.2.6" - "Outlook does not take the file for a PST, OST or PAB.";
    HEADER_CLIENT_VERSION "PST-H009" "client-version" Header Notice RewriteHeader safe keeps "the client version does not fit the kind of file" "2.2.2.6" - "Cosmetic.";
    HEADER_SENTINEL "PST-H010" "sentinel" Header Error RewriteHeader safe keeps "the header's sentinel byte is not 0x80" "2.2.2.6" - "The header was shifted or overwritten.";
    HEADER_CRYPT "PST-H011" "crypt-method" Header Fatal RewriteHeader safe keeps "the encoding method is not a known one" "2.2.2.6" - "The encoding has to be told from the blocks themselves.";
    CRYPT_DISAGREES "PST-H012" "crypt-disagrees" Header Error RewriteHeader safe keeps "the blocks are not encoded as the header says" "2.2.2.6" - "Outlook would show garbage; the blocks say what the method is.";
    EOF_GRID "PST-H013" "eof-off-grid" Header Notice RewriteHeader safe keeps "the file does not end at the end of an allocation section" "2.2.2.7.2" - "Old small files are like this; others were cut.";
    AMAP_LAST "PST-H014" "amap-last" Header Error RewriteHeader safe keeps "the place of the last AMap does not follow from the file size" "2.2.2.5" - "Outlook would look for allocation maps in the wrong place.";
    ROOT_NBT "PST-H015" "nbt-root-place" Header Fatal RewriteHeader safe keeps "the place of the node B-tree's root cannot be right" "2.2.2.5" - "The tree of nodes is out of reach from the header; its pages are looked for in the file.";
    ROOT_BBT "PST-H016" "bbt-root-place" Header Fatal RewriteHeader safe keeps "the place of the block B-tree's root cannot be right" "2.2.2.5" - "The tree of blocks is out of reach from the header; its pages are looked for in the file.";
    HEADER_UNIQUE "PST-H017" "unique-low" Header Warning RewriteHeader safe keeps "dwUnique is not above every row version in use" "2.2.2.6" - "Row versions could be handed out twice.";
    AMAP_INVALID_FLAG "PST-H018" "amap-flag" Header Notice RebuildMaps safe keeps "the allocation maps are marked as not valid" "2.2.2.5" - "The file was not closed cleanly; Outlook rebuilds the maps when it opens it.";
    ORPHAN_COUNT "PST-H019" "orphan-count" Header Notice RewriteHeader safe keeps "the header's count of unreferenced blocks is off" "2.2.2.6" - "Accounting only.";
    HEADER_RESERVED "PST-H020" "header-reserved" Header Notice RewriteHeader safe keeps "a reserved header field has an unknown value" "2.2.2.6" - "No effect is known.";
    HEADER_PLATFORM "PST-H021" "platform" Header Notice RewriteHeader safe keeps "the platform bytes are not 1" "2.2.2.6" - "No effect is known.";
    FREE_MAP_BYTES "PST-H022" "legacy-free-map" Header Notice RebuildMaps safe keeps "the header's legacy free maps are neither unused nor consistent" "2.2.2.6" "!!AMap page <@{ib}> has csFree of {actual}, but should have {expected}" "Old allocation hints; Outlook 2007 SP2 and later do not use them.";
    HEADER_SHORT "PST-H023" "header-short" Header Fatal None ask keeps "the file ends in its header or right behind it" "2.2.2.6" - "No page and no block is left: look for a complete copy.";
    UNREADABLE "PST-H024" "unreadable-range" Header Error None ask loses "a range of the file cannot be read from its medium" "-" - "The medium is failing: copy the file with a tool that retries, then work on the copy.";
    CRYPT_WIP "PST-H025" "wip-encrypted" Header Fatal None ask keeps "the data is encrypted by Windows Information Protection" "2.2.2.6" - "Only the structure can be checked without the keys.";
    ANOTHER_STORE "PST-H026" "another-store" Header Warning None ask keeps "another data file begins behind the end of this one" "2.2.2.6" - "Two files were joined. Nothing of the second belongs to this store, and a repair does not take it over: cut it out into a file of its own and check that.";
    ANSI_TOO_LARGE "PST-H027" "ansi-too-large" Header Error RewriteBlock safe keeps "an ANSI file reaches beyond 2 GiB" "2.2.2.6" - "Outlook does not open it, and cannot say why. Where its contents fit into less, `pstkit repair` and `pstkit compact` write them closer together; otherwise `pstkit convert` makes a Unicode file of it.";
    // Allocation
    AMAP_CRC "PST-A001" "amap-checksum" Allocation Error RebuildMaps safe keeps "an allocation map's checksum differs from its bytes" "2.2.2.7.2" "!!AMap page @{ib} has csumMismatch" "Outlook refuses the file or rebuilds the map; the map follows from the trees.";
    AMAP_TRAILER "PST-A002" "amap-trailer" Allocation Error RebuildMaps safe keeps "no valid allocation map stands where one must be" "2.2.2.7.2" "!!AMap page @{ib} has csumMismatch" "The map follows from the trees.";
    NOT_ALLOCATED "PST-A003" "block-not-allocated" Allocation Error RebuildMaps safe keeps "space in use is marked as free" "2.6.1.3" "!!Block is not allocated in AMAP!" "Outlook could overwrite it with the next write.";
    FREE_TOTAL "PST-A004" "free-total-mismatch" Allocation Error RewriteHeader safe keeps "the header's count of free bytes differs from the maps" "2.2.2.5" "!!Computed cbAMapFree of {expected}, but header has {actual}" "Accounting only; growth decisions are off.";
    PMAP_TRAILER "PST-A005" "pmap-invalid" Allocation Error RebuildMaps safe keeps "no valid page map stands where one must be" "2.2.2.7.3" - "Outlook checks it when it opens the file; its contents are not used.";
    FPMAP_TRAILER "PST-A006" "fpmap-invalid" Allocation Error RebuildMaps safe keeps "no valid free page map stands where one must be" "2.2.2.7.6" - "Outlook checks it when it opens the file; its contents are not used.";
    FMAP_TRAILER "PST-A007" "fmap-invalid" Allocation Error RebuildMaps safe keeps "no valid free map stands where one must be" "2.2.2.7.5" - "Outlook checks it when it opens the file; its contents are not used.";
    DLIST_STALE "PST-A008" "dlist-inconsistent" Allocation Info RebuildMaps safe keeps "the density list is stale or not valid" "2.2.2.7.4" - "A hint for allocation; Outlook makes a new one.";
    OVERLAP "PST-A009" "overlap" Allocation Error RebuildTree safe loses "two objects lie in the same space" "2.6.1.1" - "One of them is overwritten; the one whose trailer agrees is kept.";
    MAP_OVERLAP "PST-A010" "map-overlap" Allocation Error RebuildTree safe loses "an object lies over a map page, the density list or the header" "2.6.1.1" - "One of them is overwritten.";
    LEAKED_SPACE "PST-A011" "leaked-space" Allocation Notice RebuildMaps safe keeps "space is marked as in use and nothing uses it" "2.6.1.3" - "The file is larger than it must be.";
    BEYOND_EOF_FREE "PST-A012" "free-beyond-eof" Allocation Notice RebuildMaps safe keeps "space behind the end of the file is marked as free" "2.2.2.7.2" - "Old small files only.";
    MAP_SELF "PST-A013" "map-self-bits" Allocation Error RebuildMaps safe keeps "an allocation map does not mark its own space and that of the map pages beside it" "2.2.2.7.2" - "Outlook could overwrite the map with mail.";
    PMAP_FREE_TOTAL "PST-A014" "pmap-free-total" Allocation Notice RewriteHeader safe keeps "the header's count of free page bytes differs from the space reserved" "2.2.2.5" - "Accounting only.";
    MAP_PADDING "PST-A015" "map-padding" Allocation Notice RebuildMaps safe keeps "the padding at the beginning of an ANSI map page is not zero" "2.2.2.7.2" - "No effect is known.";
    PMAP_BITS "PST-A016" "pmap-bits" Allocation Notice RebuildMaps safe keeps "a page map marks a page as free that is in use" "2.2.2.7.3" - "Outlook 2003 and older could hand out the page a second time; later versions do not look at it.";
    // Block B-tree (and pages of both trees)
    PAGE_TYPE "PST-B001" "page-type" BlockTree Error RebuildTree safe keeps "a B-tree page does not have the type it must have" "2.2.2.7.1" "!!Invalid {page} (bid={bid}, ib={ib}):|page type mismatch (read {actual}, expected {expected})" "The folders, messages or blocks that the page listed are out of reach until the tree is built again.";
    KEY_MIN "PST-B002" "key-min-mismatch" BlockTree Error RebuildTree safe keeps "a B-tree entry's key differs from the first key of its child page" "2.2.2.7.7.2" "!!Invalid {page} (bid={bid}, ib={ib}):|btkeyMin mismatch (read {expected}, parent {actual})" "Look-ups may miss entries; the entries are all there.";
    KEY_ORDER "PST-B003" "key-order" BlockTree Error RebuildTree safe keeps "the keys of a B-tree are not strictly ascending" "2.2.2.7.7" - "Look-ups may miss entries; the entries are all there.";
    DUPLICATE_BID "PST-B004" "duplicate-bid" BlockTree Error RebuildTree safe loses "a block id stands twice in the block B-tree" "2.2.2.7.7.3" - "The entry whose block agrees is kept.";
    REF_COUNT "PST-B005" "refcount-mismatch" BlockTree Error RecountReferences safe keeps "a block's reference count differs from the references counted" "2.2.2.7.7.3" "!!BBT entry ({bid}) has different refcount in RBT ({actual} vs {expected})" "Outlook could free the block while it is in use, or never.";
    ORPHAN_BLOCK "PST-B006" "orphan-block" BlockTree Notice RebuildTree ask keeps "nothing refers to a block of the block B-tree" "2.2.2.7.7.3" "??Couldn't find BBT entry in the RBT ({bid})" "Left by an interrupted change, or the data of a lost node.";
    RESERVED_BID_BIT "PST-B007" "reserved-bid-bit" BlockTree Error RebuildTree safe keeps "a block id in the block B-tree has its reserved bit set" "2.2.2.2" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|BID is attached ({bid})" "The block cannot be found under its id.";
    ENTRY_PLACE "PST-B008" "entry-out-of-file" BlockTree Error RebuildTree safe loses "a block's place is not aligned or not inside the file" "2.2.2.7.7.3" - "The block is looked for by its id in the whole file.";
    PAGE_CYCLE "PST-B009" "page-cycle" BlockTree Error RebuildTree safe keeps "a B-tree page is reached twice" "2.2.2.7.7" - "The tree loops; its leaves are read once.";
    PAGE_CRC "PST-B010" "page-crc" BlockTree Error RebuildTree safe keeps "a B-tree page's checksum differs from its bytes" "2.2.2.7.1" "!!Invalid {page} (bid={bid}, ib={ib}):|CRC mismatch (read {actual8}, computed {expected8})" "The folders, messages or blocks that the page listed are out of reach until the tree is built again.";
    PAGE_SIG "PST-B011" "page-sig" BlockTree Error RebuildTree safe keeps "a B-tree page's signature does not fit its place" "2.2.2.7.1" "!!Invalid {page} (bid={bid}, ib={ib}):|Sig mismatch (read {actual4}, computed {expected4})" "The page was written to the wrong place.";
    PAGE_BID "PST-B012" "page-bid" BlockTree Warning RebuildTree safe keeps "a B-tree page bears another id than the entry that points to it" "2.2.2.7.1" - "A write was lost, or a writer was careless.";
    PAGE_PLACE "PST-B013" "page-place" BlockTree Error RebuildTree safe keeps "a B-tree page's place is not aligned or not inside the file" "2.2.2.7.7.2" - "The folders, messages or blocks that the page listed are out of reach until the tree is built again.";
    PAGE_META "PST-B014" "page-meta" BlockTree Error RebuildTree safe keeps "a B-tree page's entry size or counts are not those of its kind" "2.2.2.7.7.1" - "The folders, messages or blocks that the page listed are out of reach until the tree is built again.";
    PAGE_LEVEL "PST-B015" "page-level" BlockTree Error RebuildTree safe keeps "a B-tree page is not one level below its parent" "2.2.2.7.7.1" - "The folders, messages or blocks that the page listed are out of reach until the tree is built again.";
    PAGE_EMPTY "PST-B016" "page-empty" BlockTree Error RebuildTree safe keeps "a B-tree page has no entries" "2.2.2.7.7.1" - "Only the root of an empty tree may be empty.";
    PAGE_PADDING "PST-B017" "page-padding" BlockTree Notice RebuildTree safe keeps "a B-tree page's padding is not zero" "2.2.2.7.7.1" - "No effect is known.";
    PAGE_4K_WORD "PST-B018" "page-4k-word" BlockTree Error RebuildTree safe keeps "the last word of a 4 KiB page's trailer is not 1" "-" - "No reader but Outlook looks at it.";
    ENTRY_SIZE "PST-B019" "entry-size" BlockTree Error RebuildTree safe loses "a block's size in the block B-tree is zero or above the limit" "2.2.2.7.7.3" - "The block is looked for by its id in the whole file.";
    KEY_RANGE "PST-B020" "key-range" BlockTree Error RebuildTree safe keeps "a page's keys reach into the range of the next page" "2.2.2.7.7" - "Look-ups may miss entries; the entries are all there.";
    BLOCK_STRADDLES "PST-B021" "straddles-section" BlockTree Error RebuildTree safe loses "a block or page crosses the boundary of an allocation section" "2.2.2.7.2" - "It lies over the next section's map.";
    TREE_LOST "PST-B022" "tree-lost" BlockTree Fatal RebuildTree safe keeps "the block B-tree cannot be read from its root" "2.2.2.7.7" - "Outlook cannot open the file; the blocks are found by their trailers.";
    BID_ABOVE_NEXT "PST-B023" "bid-above-next" BlockTree Error RewriteHeader safe keeps "a block id is not below the header's next block id" "2.2.2.6" - "The id would be handed out again.";
    PAGE_BID_TWICE "PST-B024" "page-bid-twice" BlockTree Notice RebuildTree safe keeps "two B-tree pages bear the same id" "2.2.2.7.1" - "A page counter was set back; nothing is lost by it.";
    // Node B-tree
    NODE_DATA_MISSING "PST-N001" "data-block-missing" NodeTree Error DropObject ask loses "a node's data block is not in the block B-tree" "2.2.2.7.7.4" "!!Invalid node (nid={nid}, bidData={data}, bidSub={subs}, nidParent={parent}):|Data block (bid={bid}) not found in BBT" "The object cannot be read unless the block is found elsewhere.";
    NODE_SUB_MISSING "PST-N002" "sub-block-missing" NodeTree Error RewriteBlock ask loses "a node's sub-node block is not in the block B-tree" "2.2.2.7.7.4" "!!Invalid node (nid={nid}, bidData={data}, bidSub={subs}, nidParent={parent}):|Subnodes block (bid={bid}) not found in BBT" "The object loses its recipients, attachments and large values.";
    NODE_PARENT "PST-N003" "parent-missing" NodeTree Error MoveToLostAndFound safe keeps "a node's parent does not exist or is not a folder" "2.2.2.7.7.4" "!!Adding folder (nid={nid}) back to the database" "The object is in no folder.";
    PARENT_CYCLE "PST-N004" "parent-cycle" NodeTree Error MoveToLostAndFound safe keeps "a folder's parents do not lead to the root folder" "2.2.2.7.7.4" - "The folder and what it holds cannot be reached.";
    NODE_TYPE "PST-N005" "node-type" NodeTree Error DropObject ask loses "a node has an id of no known type" "2.2.2.1" "!!Invalid node (nid={nid}, bidData={data}, bidSub={subs}, nidParent={parent}):" "Nothing says what the node is.";
    ROOT_PARENT "PST-N006" "root-parent" NodeTree Error SetProperty safe keeps "the root folder's parent is not itself" "2.2.2.7.7.4" - "Outlook may not find the folder tree.";
    NODE_KEY_HIGH "PST-N007" "node-key-high" NodeTree Error RebuildTree safe keeps "a node's key has bits above the node id" "2.2.2.7.7.4" - "Look-ups miss the node.";
    NODE_TREE_LOST "PST-N008" "tree-lost" NodeTree Fatal RebuildTree safe keeps "the node B-tree cannot be read from its root" "2.2.2.7.7" - "Outlook cannot open the file; the nodes are found in older pages and by their contents.";
    DUPLICATE_NID "PST-N009" "duplicate-nid" NodeTree Error RebuildTree safe loses "a node id stands twice in the node B-tree" "2.2.2.7.7.4" - "The newer entry is kept.";
    NODE_PARENT_VALUE "PST-N010" "parent-value" NodeTree Warning SetProperty safe keeps "a node that has no parent names one" "2.2.2.7.7.4" - "No effect is known.";
    NODE_UNKNOWN "PST-N011" "unknown-node" NodeTree Info None ask keeps "a node of Outlook's own has an id that is not known" "2.4.1" - "A later version of Outlook may have made it; it is kept as it is.";
    // Data and sub-node trees
    BLOCK_CRC "PST-D001" "block-crc" Data Error RewriteBlock ask loses "a block's checksum differs from its bytes" "2.2.2.8.1" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|CRC mismatch (read {actual8}, computed {expected8})" "Part of what the block holds is damaged.";
    BLOCK_SIG "PST-D002" "block-sig" Data Error RewriteBlock safe keeps "a block's signature does not fit its place" "2.2.2.8.1" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|Sig mismatch (read {actual4}, computed {expected4})" "The block was moved or written to the wrong place.";
    BLOCK_CB "PST-D003" "block-size" Data Error RewriteBlock ask loses "a block's size differs from its entry in the block B-tree" "2.2.2.8.1" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|cb mismatch (read {actual}, expected {expected})" "The end of the block may be cut.";
    BLOCK_BID "PST-D004" "block-bid" Data Error RewriteBlock ask loses "a block bears another id than its entry in the block B-tree" "2.2.2.8.1" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|BID mismatch (read {actual}, expected {expected})" "Other data lies where the block must be.";
    XBLOCK_TOTAL "PST-D005" "xblock-total" Data Error RewriteBlock safe keeps "a data tree's total differs from its leaves" "2.2.2.8.3.2.1" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|XBLOCK has invalid cbTotal" "Outlook would cut the value off.";
    LEAF_NOT_FULL "PST-D006" "middle-page-not-full" Data Error RewriteBlock ask keeps "a leaf that is not the last of its data tree is not full" "2.2.2.8.3.2" "!!Invalid block (bid={bid}, ib={ib}, cb={cb}, cRef={cref}):|Middle page not full" "Heaps and tables are addressed by leaf: later leaves are misread.";
    SUBNODE_ORDER "PST-D007" "subnode-order" Data Error RewriteBlock safe keeps "sub-node ids are not strictly ascending" "2.2.2.8.3.3" - "Look-ups may miss sub-nodes.";
    INFLATE "PST-D008" "inflate" Data Error RewriteBlock ask loses "a compressed block does not inflate to the size it must have" "-" - "Part of what the block holds is damaged.";
    BLOCK_REF_MISSING "PST-D009" "block-missing" Data Error RewriteBlock ask loses "a referenced block is not in the block B-tree" "2.2.2.8.3" "!!Data block (bid={bid}) not found in BBT" "Part of a value or of the sub-nodes is lost unless the block is found elsewhere.";
    XBLOCK_HEAD "PST-D010" "xblock-head" Data Error RewriteBlock ask loses "a data tree block's type, level or count cannot be right" "2.2.2.8.3.2" - "The value behind it cannot be put together.";
    XBLOCK_CHILD "PST-D011" "xblock-child" Data Error RewriteBlock ask loses "a data tree block refers to a block of the wrong kind" "2.2.2.8.3.2" - "Part of the value cannot be put together.";
    SUBNODE_HEAD "PST-D012" "subnode-head" Data Error RewriteBlock ask loses "a sub-node block's type, level or count cannot be right" "2.2.2.8.3.3" - "The sub-nodes behind it cannot be told.";
    SUBNODE_KEY "PST-D013" "subnode-key" Data Error RewriteBlock safe keeps "a sub-node index entry differs from the first id of its block" "2.2.2.8.3.3.2" - "Look-ups may miss sub-nodes.";
    SUBNODE_CYCLE "PST-D014" "block-cycle" Data Error RewriteBlock ask loses "a block refers to itself or to one above it" "2.2.2.8.3" - "The tree loops.";
    SUBNODE_TYPE "PST-D015" "subnode-type" Data Warning None ask keeps "a sub-node has an id that no sub-node has" "2.2.2.1" - "Nothing says what the sub-node is; if it was a table, recipients or attachments are missing from the list.";
    SUBNODE_EMPTY "PST-D016" "subnode-empty" Data Error RewriteBlock ask loses "a sub-node that must hold data has none" "2.2.2.8.3.3" - "The object is empty.";
    BLOCK_4K_WORDS "PST-D017" "block-4k-words" Data Notice RewriteBlock safe keeps "a 4K block trailer's unknown words are not 2 and 0" "-" - "No effect is known.";
    BLOCK_INFLATED_CB "PST-D018" "block-inflated-size" Data Error RewriteBlock safe keeps "a block's inflated size differs between its trailer and the block B-tree" "-" - "A reader may cut the value off.";
    DATA_TREE_DEPTH "PST-D019" "data-tree-depth" Data Error RewriteBlock ask loses "a data or sub-node tree is deeper or larger than the format allows" "2.2.2.8.3" - "What lies behind the limit is not read.";
    UNUSED_SUBNODE "PST-D020" "unused-subnode" Data Notice None ask keeps "nothing refers to a value's sub-node" "2.3.3.3" - "Left over, or a property was lost.";
    UNREADABLE_BLOCK "PST-D021" "block-unreadable" Data Error RewriteBlock ask loses "a block lies wholly or partly behind the end of the file" "2.2.2.8.1" - "What it held is lost.";
    LIMIT "PST-D022" "limit-reached" Data Error None ask loses "more than a limit allows, which keeps a hostile file from costing too much" "-" - "What lies beyond the limit is not read and not judged; it stays as it is.";
    // Heaps, B-trees on heaps, property contexts
    HN_SIGNATURE "PST-P001" "hn-signature" Property Error RewriteContext ask loses "a heap does not begin with a heap header" "2.3.1.2" - "The object cannot be read unless its heap is found elsewhere.";
    HN_SENTINEL "PST-P002" "pagemap-sentinel" Property Error RewriteContext safe keeps "a heap block's last allocation does not end where its page map begins" "2.3.1.5" "!!HN (nid={object}) last alloc doesn't point to front of page map (ibHnpm={expected}, ibLast={actual})" "Outlook's checker distrusts the whole object; the items are where the page map says.";
    HN_FREE_COUNT "PST-P003" "free-count" Property Notice RewriteContext safe keeps "a heap block's count of freed items differs from its empty items" "2.3.1.5" "!!HN (nid={object}) free alloc count doesn't match (computed={expected}, expected={actual})" "Outlook's checker distrusts the whole object; nothing is lost.";
    HN_ALLOC_ORDER "PST-P004" "alloc-order" Property Error RewriteContext ask loses "a heap block's page map is not in ascending order or leaves its block" "2.3.1.5" - "The items at that place cannot be told apart.";
    HID_RANGE "PST-P005" "hid-range" Property Error RewriteContext ask loses "a heap id names no item" "2.3.1.1" "!!PC (nid={object}, prop={tag}) invalid HNID ({hid})" "What the item held is lost.";
    BTH_ORDER "PST-P006" "bth-order" Property Error RewriteContext safe keeps "the keys of a B-tree on a heap are not strictly ascending" "2.3.2" "!!keys overlap (dwkey={actual})" "Look-ups may miss records; the records are all there, of equal keys the first counts.";
    HNID_INVALID "PST-P007" "hnid-invalid" Property Error RewriteContext ask loses "a property's value is in a sub-node that does not exist" "2.3.3.2" "!!PC (nid={object}, prop={tag}) invalid HNID ({actual})" "The value is lost unless its sub-node is found elsewhere.";
    HN_FILL_LEVEL "PST-P008" "fill-level" Property Info RewriteContext safe keeps "a heap's fill level differs from the space that is free" "2.3.1.2" - "A hint for allocation.";
    PROP_TYPE "PST-P009" "prop-type" Property Warning None ask keeps "a property's type is not a known one" "2.3.3" - "The value cannot be interpreted; its bytes are kept.";
    HN_USER_ROOT "PST-P010" "heap-root" Property Error RewriteContext ask loses "a heap's root item is missing or of the wrong kind" "2.3.1.2" - "The object has no entrance; its B-tree is looked for among the items.";
    HN_PAGE_MAP "PST-P011" "pagemap-place" Property Error RewriteContext ask loses "a heap block's page map does not lie in its block" "2.3.1.5" - "The block's items cannot be told apart unless the page map is found at the block's end.";
    HN_BLOCK_END "PST-P012" "heap-block-end" Property Warning RewriteContext safe keeps "a heap's last block does not end at the end of its page map" "2.3.1.5" - "The block was cut or padded.";
    HN_BLOCK_HEAD "PST-P013" "heap-block-head" Property Error RewriteContext ask loses "a heap block's first item does not follow the header that the block must have" "2.3.1.3" - "The blocks of the heap may be in the wrong order.";
    HN_ITEM_LEAKED "PST-P014" "item-leaked" Property Notice RewriteContext safe keeps "nothing refers to an item of a heap" "2.3.1" - "Some bytes are wasted; a few of Outlook's own objects are like this.";
    HN_ITEM_SHARED "PST-P015" "item-shared" Property Warning RewriteContext safe keeps "an item of a heap is referred to more than once" "2.3.1" - "Changing one of the values would change the other.";
    BTH_HEADER "PST-P016" "bth-header" Property Error RewriteContext ask loses "a B-tree on a heap has a header that cannot be right" "2.3.2.1" - "The records cannot be read unless their sizes follow from the kind of object.";
    BTH_RECORDS "PST-P017" "bth-records" Property Error RewriteContext ask loses "the length of a B-tree on a heap's item is not a multiple of its record size" "2.3.2" - "The last record is cut off.";
    BTH_INDEX_KEY "PST-P018" "bth-index-key" Property Error RewriteContext safe keeps "an index record of a B-tree on a heap differs from the first key below it" "2.3.2.2" - "Look-ups may miss records; the records are all there.";
    BTH_SHAPE "PST-P019" "bth-shape" Property Error RewriteContext ask loses "a B-tree on a heap reaches an item twice or is too deep" "2.3.2" - "The tree loops; its records are read once.";
    VALUE_SIZE "PST-P020" "value-size" Property Error RewriteContext ask loses "a value of fixed size is stored with another size" "2.3.3.3" - "The value is cut off or not what it seems to be.";
    STRING_ODD "PST-P021" "string-odd" Property Warning RewriteContext safe loses "a Unicode string has an odd number of bytes" "2.3.3.3" - "The last character is cut off.";
    MULTI_VALUE "PST-P022" "multi-value" Property Error RewriteContext ask loses "a multi-valued property's count or offsets do not fit its bytes" "2.3.3.4" - "Some of the values are lost.";
    OBJECT_VALUE "PST-P023" "object-value" Property Error RewriteContext ask loses "an object property does not name a sub-node that exists" "2.3.3.5" - "The embedded message or object is lost unless its sub-node is found elsewhere.";
    HN_ITEM_LARGE "PST-P024" "item-too-large" Property Warning RewriteContext safe keeps "an item of a heap is larger than 3580 bytes" "2.6.2.1.2" - "Outlook could not change the object; larger values belong into sub-nodes.";
    HN_ITEM_EMPTY "PST-P025" "item-empty" Property Notice RewriteContext safe keeps "an empty value names an empty item in place of nothing" "2.3.3.3" "!!PC (nid={object}, prop={tag}) invalid HNID ({hid})" "Outlook's checker takes it for damage; nothing is lost.";
    STRING_UTF16 "PST-P026" "string-utf16" Property Notice None ask keeps "a Unicode string holds half a surrogate pair" "2.3.3.3" - "One character is shown as a replacement character.";
    HN_CLIENT "PST-P027" "heap-client" Property Error RewriteContext ask loses "a heap is of another kind than its node must hold" "2.3.1.2" - "Another object's data was written here, or the header is damaged.";
    HN_TOO_LARGE "PST-P028" "heap-too-large" Property Error RewriteContext ask loses "a heap has more blocks than its ids can name" "2.3.1.1" - "What lies behind cannot be referred to.";
    OBJECT_DIRECT "PST-P029" "object-direct" Property Warning RewriteContext safe keeps "an object property names its sub-node directly and without its size" "2.3.3.5" - "Some readers do not find the embedded message or object.";
    NAME_STREAM "PST-P030" "name-map-stream" Property Error RewriteContext ask loses "a stream of the named-property map is missing or its length does not fit its records" "2.4.7" "!!PC (nid={object}, prop={tag}) invalid HNID ({actual})" "The names of some properties are lost.";
    NAME_ENTRY "PST-P031" "name-map-entry" Property Warning RewriteContext ask loses "an entry of the named-property map refers to a name or set that is not there, or bears another id than its place" "2.4.7" - "The name of a property is lost or ambiguous.";
    NAME_BUCKET "PST-P032" "name-map-bucket" Property Notice RewriteContext safe keeps "the hash buckets of the named-property map do not hold each entry once and in its place" "2.4.7.5" - "Outlook may not find a name and map it again; the buckets follow from the entries.";
    BTH_ZERO_RECORD "PST-P033" "bth-zero-record" Property Warning RewriteContext safe keeps "a leaf of a B-tree on a heap ends with records of zeros" "2.3.2" - "They name nothing, and nothing is lost: a writer left room for more records than it wrote.";
    // Table contexts
    TC_OFFSETS "PST-T001" "tcinfo-offsets" Table Error RewriteContext safe keeps "a table's cell groups do not fit its columns" "2.3.4.1" "!!TCINFO (nid={object}) invalid TCI_1b ({actual}, TCI_2b={expected})" "Cells could be misread; the offsets follow from the columns.";
    TC_REQUIRED_COLUMN "PST-T002" "required-column" Table Error RebuildTable ask loses "a table lacks the row id or row version column at its place" "2.3.4.2" "!!TC (nid={object}) missing required column ({tag})" "Rows cannot be told apart; the table is built again from the objects that it lists.";
    TC_ROW_INDEX "PST-T003" "row-index-missing" Table Error RebuildTable safe keeps "a row of a table has no entry in the row index, or an entry has no row" "2.3.4.3" "!!row ({row}) missing BTH entry" "Outlook does not find the row.";
    TC_ROW_ID "PST-T004" "row-id-missing" Table Error RebuildTable safe keeps "a row's id differs from its entry in the row index" "2.3.4.4.1" "!!Row matrix (nid={object}) row ({row}) missing PR_LTP_ROW_ID" "Look-ups mix up rows.";
    TC_ROW_COUNT "PST-T005" "row-count" Table Error RebuildTable safe keeps "a table has another number of rows than its row index has entries" "2.3.4.3" - "Rows are missing from the table or from its index.";
    TC_CELL "PST-T006" "ceb-vs-cell" Table Error RebuildTable ask loses "a cell that is marked as present has no readable value" "2.3.4.4.2" - "The value is taken from the object that the row stands for.";
    TC_ROW_VER "PST-T007" "row-ver-duplicate" Table Notice RebuildTable safe keeps "two rows have the same version" "2.3.4.4.1" - "Outlook's checker calls it a minor inconsistency.";
    TC_INFO "PST-T008" "tcinfo" Table Error RebuildTable ask loses "a table's description has the wrong type or is shorter than its columns" "2.3.4.1" - "The table cannot be read; it is built again from the objects that it lists.";
    TC_COLUMN_ORDER "PST-T009" "column-order" Table Warning RewriteContext safe keeps "a table's columns are not in the order of their tags, or bear no distinct bits" "2.3.4.2" - "Outlook may not find a column.";
    TC_COLUMN_PLACE "PST-T010" "column-place" Table Warning RewriteContext safe keeps "a table's cell lies outside its group, over another cell, or has a size that does not fit its type" "2.3.4.2" - "Cells could be misread.";
    TC_INDEX_FORM "PST-T011" "row-index-form" Table Error RebuildTable ask loses "a table's row index has keys or entries of the wrong size" "2.3.4.3" - "The index is built again from the rows.";
    TC_ROW_DUPLICATE "PST-T012" "row-id-duplicate" Table Error RebuildTable ask loses "two rows have the same id, or a row has the id 0" "2.3.4.4.1" - "Only one of the rows can be found.";
    TC_MATRIX "PST-T013" "matrix-size" Table Error RebuildTable ask loses "a table's rows do not fill their blocks as they must" "2.3.4.4" - "The last row of the block is cut off, or the rows after it are shifted.";
    TC_ROWS_MISSING "PST-T014" "rows-missing" Table Error RebuildTable ask loses "the rows of a table are not where the table says" "2.3.4.1" - "The rows are built again from the objects that the table lists.";
    TC_JUNK "PST-T015" "cell-junk" Table Info None ask keeps "a row has marks behind its last column" "2.3.4.4.1" - "No effect is known; Outlook leaves them, too.";
    TC_COLUMN_HEAP "PST-T016" "column-heap" Table Error RebuildTable ask loses "a column's own heap is missing or not readable" "-" - "Names of senders or conversations are missing from the list; they are in the messages.";
    TC_GUST "PST-T017" "gust-table" Table Info None ask keeps "the table has the form that Outlook 2007 used for search results" "-" - "Nothing is wrong; current versions of Outlook do not write it.";
    TC_DEPRECATED "PST-T018" "deprecated-index" Table Notice RewriteContext safe keeps "a table's deprecated index is not 0" "2.3.4.1" - "No effect is known.";
    // The store's own objects
    RECEIVE_TABLE "PST-S001" "receive-table-missing" Store Error CreateObject safe keeps "the receive folder table is missing" "2.4.1" "!!Receive folder table missing" "Outlook does not know where new mail goes; the table is made again.";
    RECEIVE_DEFAULT "PST-S002" "receive-default-class" Store Warning RebuildTable safe keeps "the receive folder table has no row for the default message class, or it names no folder" "2.4.1" "!!Receive folder table missing default message class" "New mail could not be delivered; the row is made again.";
    OUTGOING_QUEUE "PST-S003" "outgoing-queue" Store Warning CreateObject safe keeps "the outgoing queue is missing" "2.4.1" "!!Missing the outgoing queue" "Outlook makes it again.";
    TEMPLATE_MISSING "PST-S004" "template-missing" Store Error CreateObject safe keeps "the template of a kind of table is missing" "2.4.1" "!!Missing template" "New folders and messages could not be made; the template is made again.";
    SEARCH_QUEUE "PST-S005" "search-queue" Store Warning CreateObject safe keeps "a queue of search updates is missing or holds no whole number of records" "2.4.8.4" "!!Search folder missing update queue" "Searches may be stale until Outlook starts them again.";
    ACTIVITY_LIST "PST-S006" "activity-list" Store Warning CreateObject safe keeps "the list of active searches is missing, or names no search folder" "2.4.8.4.2" "!!Search activity list missing" "Searches may be stale until Outlook starts them again.";
    STORE_PROPERTY "PST-S007" "store-property" Store Error SetProperty safe keeps "the message store lacks a property that it must have" "2.4.3.1" "!!Message store missing {pr}" "Outlook may not open the store or find its folders.";
    NAME_MAP "PST-S008" "name-map" Store Error CreateObject ask keeps "the map of named properties is missing" "2.4.7" - "Properties of appointments, contacts and tasks have no names; they keep their values.";
    STORE_MISSING "PST-S009" "store-missing" Store Fatal CreateObject safe keeps "the message store object is missing or cannot be read" "2.4.3" "!!Fatal Error: 80040813" "Outlook cannot open the file; the object is made again from what refers to it.";
    STORE_ENTRY_ID "PST-S010" "store-entry-id" Store Error SetProperty safe keeps "a default folder's entry id does not name a folder of this store" "2.4.3.2" "!!Message store missing {pr}" "Outlook may not find the folder, or makes another one.";
    TEMPLATE_ROWS "PST-S011" "template-rows" Store Warning RebuildTable ask loses "a template has rows" "2.4.1" - "Outlook would copy the rows into new tables.";
    TEMPLATE_COLUMN "PST-S012" "template-column" Store Warning RebuildTable safe keeps "a template lacks a column that it must have" "2.4.4" "!!TC (nid={object}) missing required column ({tag})" "New tables would lack the column.";
    UNNAMED_PROPERTY "PST-S013" "unnamed-property" Store Notice None ask keeps "a property's id stands for a name, and the map has no such name" "2.4.7" - "The value is kept; what it means is lost.";
    FOLDER_MASK "PST-S014" "valid-folder-mask" Store Notice SetProperty safe keeps "the mask of default folders names a folder that the store has no entry id for" "2.4.3.1" - "Outlook makes the folder again.";
    SEARCH_DOMAIN "PST-S015" "search-domain" Store Notice CreateObject safe keeps "the search domain object is missing" "2.4.8.4" - "Outlook makes it again.";
    SEARCH_NOT_LISTED "PST-S016" "search-not-listed" Store Notice CreateObject safe keeps "a search folder is not in the list of active searches" "2.4.8.4.2" "!!SAL missing entry (nid={nid})" "Outlook brings the search up to date when it is opened; many healthy files are like this.";
    OUTGOING_ROW "PST-S017" "outgoing-row" Store Warning RebuildTable safe keeps "a row of the outgoing queue stands for no message" "2.4.1" - "The row was left by an older state of the queue; Outlook would try to send a message that is not there.";
    SEARCH_DOMAIN_ENTRY "PST-S018" "search-domain-entry" Store Warning CreateObject safe keeps "the search domain object names a folder that does not exist, or is not a whole number of entries" "2.4.8.4" "??Deleting SDO" "Outlook makes the list again.";
    ACTIVITY_TWICE "PST-S019" "activity-twice" Store Warning CreateObject safe keeps "the list of active searches names a folder twice" "2.4.8.4.2" "!!Search activity list corrupt" "Outlook makes the list again.";
    // Folders
    FOLDER_PROPERTY "PST-F001" "folder-property" Folder Error SetProperty safe keeps "a folder lacks a property that it must have" "2.4.4.1.1" "!!Folder (nid={nid}): Missing {pr}" "Outlook shows an error for the folder; the property follows from its tables.";
    FOLDER_COUNT "PST-F002" "count-mismatch" Folder Warning SetProperty safe keeps "a folder's count of messages differs from its contents table" "2.4.4.1.1" - "The number beside the folder is wrong.";
    FOLDER_UNREAD "PST-F003" "unread-mismatch" Folder Warning SetProperty safe keeps "a folder's count of unread messages differs from its contents table" "2.4.4.1.1" - "The number beside the folder is wrong.";
    FOLDER_SUBFOLDERS "PST-F004" "has-subfolders" Folder Warning SetProperty safe keeps "a folder's mark of having subfolders differs from its hierarchy table" "2.4.4.1.1" - "The folder cannot be unfolded, or unfolds to nothing.";
    FOLDER_TABLE "PST-F005" "table-missing" Folder Error CreateObject safe keeps "one of a folder's tables is missing" "2.4.4" - "Outlook cannot show the folder; the table is made again from the objects in it.";
    FOLDER_ROW "PST-F006" "row-vs-folder" Folder Warning RebuildTable safe keeps "a row of a hierarchy table differs from the folder that it stands for" "2.4.4.4" "!!Hierarchy Table for {folder}, row doesn't match sub-object: irow={row}, RowID={object}" "The list of folders shows something else than the folder has.";
    FOLDER_NOT_LISTED "PST-F007" "not-in-parent" Folder Error RebuildTable safe keeps "a folder is not in its parent's hierarchy table" "2.4.4.4" "!!Adding folder (nid={object}) back to the database" "Outlook does not show the folder or what is in it.";
    FOLDER_ROW_DANGLING "PST-F008" "row-without-folder" Folder Error RebuildTable safe keeps "a row of a hierarchy table stands for no folder of this folder" "2.4.4.4" "!!Hierarchy Table for {folder}, sub-object not found, RowID={object}" "Outlook lists a folder that is not there, unless it can be found again.";
    STRAY_TABLE "PST-F009" "stray-table" Folder Warning DropObject ask loses "a folder's table belongs to no folder" "2.4.4" - "Left over, or the folder itself is lost.";
    SEARCH_TABLE "PST-F010" "search-table-missing" Folder Warning CreateObject safe keeps "a search folder lacks its queue, criteria or results" "2.4.8.6" "!!Search folder (nid={companion}) missing update queue" "The search does not work; Outlook makes it again.";
    SEARCH_FLAGS "PST-F011" "search-flags" Folder Notice ResetIndex safe keeps "a search folder's criteria lack their flags" "2.4.8.6.3" "!!missing search flags" "The search does not work; Outlook makes it again.";
    SEARCH_RESULT "PST-F012" "search-result-dangling" Folder Notice ResetIndex safe keeps "a row of a search's results stands for a message that does not exist" "2.4.8.6.2" - "The search lists a message that cannot be opened until Outlook runs it again; no mail is touched.";
    TABLE_COLUMN "PST-F013" "table-column" Folder Warning RebuildTable safe keeps "a folder's table lacks a column that every such table must have" "2.4.4" "!!TC (nid={object}) missing required column ({tag})" "Outlook cannot show what the column holds; the table is built again from the objects in it.";
    SEARCH_ROW_ID "PST-F014" "search-row-id" Folder Notice RebuildTable safe keeps "the row of a search folder bears ids that only folders of messages have" "-" - "Outlook synchronises no search folders; no effect is known.";
    // Messages
    MESSAGE_ROW "PST-M001" "row-vs-message" Message Warning RebuildTable safe keeps "a row of a contents table differs from the message that it stands for" "2.4.5.2" "!!{contents} Table for {folder}, row doesn't match sub-object: irow={row}, RowID={object}" "The list of messages shows something else than the message has.";
    SEARCH_KEY "PST-M002" "search-key" Message Warning SetProperty safe keeps "a message has no search key" "2.4.5.1.1" "!!Message (nid={object}): Missing {pr}" "Only replies and synchronisation use it; a new one is made.";
    MESSAGE_TIMES "PST-M003" "message-times" Message Warning SetProperty safe keeps "a message has no time of creation or of change" "2.4.5.1.1" "!!Message (nid={object}): Missing {pr}" "The time is taken from the list of messages or from the delivery.";
    MESSAGE_CLASS "PST-M004" "message-class" Message Error SetProperty safe keeps "a message has no class" "2.4.5.1.1" "!!Message (nid={object}): Missing {pr}" "Outlook takes it for an ordinary mail.";
    MESSAGE_SIZE "PST-M005" "message-size" Message Notice SetProperty safe keeps "a message's size differs from the bytes that it takes" "2.4.5.1.1" "!!{contents} Table for {folder}, row doesn't match sub-object: irow={row}, RowID={object}" "Sorting by size is off.";
    MESSAGE_FLAGS "PST-M006" "message-flags" Message Warning SetProperty safe keeps "a message's flags do not fit what it has" "2.4.5.1.1" "!!Message flags shouldn't have MSGFLAG_ASSOCIATED" "The paper clip is missing or shown for nothing, or the message is listed as another kind.";
    MESSAGE_NOT_LISTED "PST-M007" "orphan-message" Message Error RebuildTable safe keeps "a message is not in the contents table of its folder" "2.4.5" "!!Failed to add row to the FLT, RowID = {object}" "Outlook does not show the message.";
    MESSAGE_ROW_DANGLING "PST-M008" "row-without-message" Message Error RebuildTable safe keeps "a row of a contents table stands for no message of this folder" "2.4.5.2" "!!{contents} Table for {folder}, sub-object not found, RowID={object}" "Outlook lists a message that cannot be opened, unless it can be found again.";
    RTF_UNDECODABLE "PST-M009" "body-undecodable" Message Error None ask keeps "a message's compressed body cannot be decoded whole" "2.4.5" - "Part of the text is lost; the other forms of the body may have it.";
    SUBJECT_PREFIX "PST-M010" "subject-prefix" Message Notice SetProperty safe keeps "a subject's prefix is longer than the subject" "2.5.3.1.1.1" - "The subject may be shown wrongly.";
    MESSAGE_EMBEDDED_ROW "PST-M011" "message-elsewhere" Message Error RebuildTable safe keeps "a row of a contents table stands for a message of another folder" "2.4.5.2" "!!{contents} Table for {folder}, sub-object not found, RowID={object}" "The message is shown twice; its own folder keeps it.";
    RTF_SIZE "PST-M012" "rtf-size" Message Notice None ask keeps "a size noted inside a message's compressed body is not that of its bytes" "2.4.5" - "The body decodes to its end and its checksum holds: nothing is lost. Outlook and other programs write sizes that are a little off.";
    ROW_SIZE "PST-M013" "row-size" Message Warning RebuildTable safe keeps "the size in a row of a contents table differs from the message's" "2.4.5.2" "!!{contents} Table for {folder}, row doesn't match sub-object: irow={row}, RowID={object}" "Sorting by size is off. It is the most frequent finding of scanpst; Outlook's own rows lag behind by up to 6 %.";
    CONVERSATION "PST-M014" "conversation-id" Message Notice RebuildTable safe keeps "the conversation in a row of a contents table does not follow from the message" "-" - "Outlook shows the message in another conversation, or in none.";
    EMPTY_NAMES "PST-M015" "empty-names" Message Notice SetProperty safe keeps "a message has an empty list of names where it must have none" "2.4.5.1.1" - "scanpst takes the property out.";
    TABLE_PROPERTY "PST-M016" "table-property" Message Notice SetProperty safe keeps "an object has a property that only rows of tables may have" "2.3.4.4.1" - "A writer that makes rows of properties could overwrite ids of rows with it.";
    // Recipients and attachments
    RECIPIENT_ROW "PST-R001" "recipient-table" Recipient Warning SetProperty ask keeps "a recipient is of no known type" "2.4.5.3" - "The recipient is shown as an ordinary one.";
    ATTACH_SIZE "PST-R002" "attach-size" Recipient Warning SetProperty safe keeps "an attachment's size is missing or differs from its properties" "2.4.6.1.1" "!!Attachment (nid={object}) missing or invalid PR_ATTACH_SIZE" "Only the size shown is wrong.";
    RENDERING_POSITION "PST-R003" "rendering-position" Recipient Warning SetProperty safe keeps "an attachment has no rendering position" "2.4.6.1.1" "!!Attachment (nid={object}) missing PR_RENDERING_POSITION" "The attachment is shown below the text.";
    ATTACH_METHOD "PST-R004" "attach-method" Recipient Warning SetProperty safe keeps "an attachment's method is missing or not a known one" "2.4.6.1.1" - "What kind of attachment it is follows from its data.";
    ATTACH_DATA "PST-R005" "attach-data" Recipient Warning SetProperty ask loses "an attachment has no data" "2.4.6.1.1" - "The attachment is empty.";
    EMBEDDED_MISSING "PST-R006" "embedded-missing" Recipient Error DropObject ask loses "an attachment's embedded message or object is missing" "2.4.6.2" - "The embedded message is lost unless its sub-node is found elsewhere.";
    ATTACH_NOT_LISTED "PST-R007" "attachment-not-listed" Recipient Error RebuildTable safe keeps "an attachment is not in its message's attachment table" "2.4.6.3" "!!Attachment table for {nid}, row doesn't match sub-object: irow={row}, RowID={object}" "Outlook does not show the attachment.";
    ATTACH_ROW_DANGLING "PST-R008" "row-without-attachment" Recipient Error RebuildTable ask loses "a row of an attachment table stands for no attachment" "2.4.6.3" "!!Attachment table for {nid}, row doesn't match sub-object: irow={row}, RowID={object}" "The attachment is lost unless its sub-node is found elsewhere.";
    ATTACH_ROW "PST-R009" "row-vs-attachment" Recipient Warning RebuildTable safe keeps "a row of an attachment table differs from the attachment that it stands for" "2.4.6.3" "!!Attachment table for {nid}, row doesn't match sub-object: irow={row}, RowID={object}" "The list of attachments shows something else than the attachment has.";
    EMBEDDED_SIZE "PST-R010" "embedded-size" Recipient Notice SetProperty safe keeps "the size noted for an embedded object differs from the object's own" "2.3.3.5" "!!sub-object with invalid size (computed={expected}, actual={actual})" "Only the size shown is wrong.";
    // Outlook's index nodes
    ID_MAP "PST-X001" "idmap-dangling" Index Notice ResetIndex safe keeps "Outlook's map of object ids names objects that do not exist" "-" - "Outlook repairs it by itself.";
    INDEX_NODE "PST-X003" "index-missing" Index Notice ResetIndex safe keeps "an index that Outlook keeps is missing or not readable" "-" - "Outlook makes it again.";
    ROW_ONLY_CELLS "PST-X004" "row-only-cells" Index Notice RebuildTable safe keeps "rows of a contents table lack cells that only rows have" "-" - "Outlook's checker calls it a minor inconsistency.";
    UPDATE_QUEUE "PST-X005" "update-queue" Index Warning ResetIndex safe keeps "a queue's head lies behind its end" "2.4.8.3" "!!corrupt update queue" "Outlook starts the work again.";
    MESSAGE_INDEX "PST-X006" "message-index" Index Notice ResetIndex safe keeps "Outlook's message index names messages that do not exist" "-" - "Outlook repairs it by itself.";
    NOT_INDEXED "PST-X007" "not-indexed" Index Notice ResetIndex safe keeps "a message is not in the message index under its conversation, nor in the queue for it" "-" - "Searches in conversations may miss the message until Outlook indexes it.";
    INDEX_HIGHEST "PST-X008" "index-highest" Index Info ResetIndex safe keeps "the message index has seen lower ids than the messages have" "-" - "Files fresh from Outlook are like this.";
    INDEX_QUEUE "PST-X009" "index-queue" Index Warning ResetIndex safe keeps "the queue for the message index has no whole records, or names another conversation than the message's row" "-" - "Outlook would index the message wrongly; the queue is made again.";
    ID_MAP_ROW "PST-X010" "idmap-row" Index Warning ResetIndex safe keeps "the id in a row leads to another object, or to none, through Outlook's map of object ids" "-" - "Outlook would take one object for another when it synchronises; the map follows from the rows.";
    BOOKKEEPING "PST-X011" "bookkeeping" Index Notice ResetIndex safe keeps "a list that Outlook keeps for itself has no whole records, or names a folder that does not exist" "-" - "Outlook makes it again.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_ordered_and_bear_their_layer() {
        let mut seen = HashSet::new();
        for rule in RULES {
            assert!(seen.insert(rule.code), "{} twice", rule.code);
            let tail = rule.code.strip_prefix("PST-").unwrap();
            assert_eq!(tail.chars().next(), Some(rule.layer.letter()), "{}", rule.code);
            assert!(tail.len() == 4 && tail.chars().skip(1).all(|c| c.is_ascii_digit()), "{}", rule.code);
            assert!(!rule.message.ends_with('.') && rule.meaning.ends_with('.'), "{}", rule.code);
            assert!(!rule.name.contains(char::is_whitespace) && rule.name.to_lowercase() == rule.name);
        }
        for pair in RULES.windows(2) {
            assert!((pair[0].layer, pair[0].code) < (pair[1].layer, pair[1].code), "{} before {}", pair[0].code, pair[1].code);
        }
    }

    #[test]
    fn scanpsts_words_bear_their_class() {
        for rule in RULES.iter().filter(|r| r.scanpst.is_some()) {
            assert!(matches!(rule.scanpst_class(), Some("!!" | "??")) && !rule.scanpst_words().unwrap().is_empty(), "{}", rule.code);
        }
    }

    #[test]
    fn a_rule_is_found_by_code_and_by_name() {
        assert!(std::ptr::eq(Rule::find("pst-h002").unwrap(), &HEADER_CRC_PARTIAL));
        assert!(std::ptr::eq(Rule::find("header-crc-full").unwrap(), &HEADER_CRC_FULL));
        assert!(Rule::find("PST-H999").is_none());
    }
}
