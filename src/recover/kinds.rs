//! The table of evidence: everything that recovery decides by, once.
//!
//! A kind of evidence has a stable code (`E<question><number>`, never reused), the question that it helps to answer, its strength, the
//! words that explain it, and the circumstances that make it lie. Every decision (`choose`) names the kinds that it rests on, and
//! `pstkit explain E301` prints a row. The thresholds of recovery stand at the end of this file and nowhere else.
//!
//! | codes | question |
//! |---|---|
//! | `E1xx` | parent: in which folder is an object? |
//! | `E2xx` | owner: to which folder does a table belong? |
//! | `E3xx` | sub-nodes: which sub-node tree belongs to which properties? |
//! | `E4xx` | currency: is this state the newest, or was the object deleted? |
//! | `E5xx` | identity: are two objects states of one, or copies? |
//! | `E6xx` | data: which properties belong to a node? |

use std::fmt;

/// The questions of recovery about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Question {
    /// In which folder is an object?
    Parent,
    /// To which folder does a table belong?
    Owner,
    /// Which sub-node tree belongs to which properties?
    Subnodes,
    /// Is a state the newest, or was the object deleted?
    Currency,
    /// Are two objects states of one, or copies?
    Identity,
    /// Which properties belong to a node?
    Data,
}

impl Question {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Owner => "owner",
            Self::Subnodes => "sub-nodes",
            Self::Currency => "currency",
            Self::Identity => "identity",
            Self::Data => "data",
        }
    }

    /// Whether an answer can be given to one object only: a folder has many messages, but a sub-node tree belongs to one message.
    pub const fn is_exclusive(self) -> bool {
        matches!(self, Self::Owner | Self::Subnodes | Self::Data)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a kind of evidence weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Strength {
    /// Nearness or order of writing alone: its joins are `partial`.
    Weak,
    /// Something that both sides state and that a few other pairs may state too.
    Medium,
    /// Something that both sides state and that other pairs hardly share.
    Strong,
    /// The answer is impossible, whatever else speaks for it.
    Veto,
}

impl Strength {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Medium => "medium",
            Self::Strong => "strong",
            Self::Veto => "veto",
        }
    }
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Evidence {
    /// Stable code, such as `E301`.
    pub code: &'static str,
    /// Name in words joined by `-`.
    pub name: &'static str,
    /// The question that it helps to answer.
    pub question: Question,
    /// How much it weighs.
    pub strength: Strength,
    /// Its statement, as a sentence without a full stop.
    pub says: &'static str,
    /// Section of [MS-PST] that it rests on; `-` where there is none.
    pub section: &'static str,
    /// The circumstances that make it wrong.
    pub lies: &'static str,
}

impl Evidence {
    /// The kind with this code (any case) or name.
    ///
    /// ```
    /// use pstkit::recover::kinds::Evidence;
    /// assert_eq!(Evidence::find("e301").map(|e| e.name), Some("size-exact"));
    /// ```
    pub fn find(code_or_name: &str) -> Option<&'static Evidence> {
        EVIDENCE.iter().copied().find(|e| e.code.eq_ignore_ascii_case(code_or_name) || e.name == code_or_name)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

macro_rules! evidence {
    ($($id:ident $code:literal $name:literal $question:ident $strength:ident $says:literal $section:literal $lies:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "` ", $name, ": ", $says, ".")]
            pub static $id: Evidence = Evidence {
                code: $code,
                name: $name,
                question: Question::$question,
                strength: Strength::$strength,
                says: $says,
                section: $section,
                lies: $lies,
            };
        )*
        /// Every kind of evidence, in the order of the codes.
        pub static EVIDENCE: &[&Evidence] = &[$(&$id),*];
    };
}

evidence! {
    // Parent
    ENTRY_PARENT "E101" "entry-parent" Parent Strong "the node's entry names the folder" "2.2.2.7.7.4" "an entry of an older leaf: the object was moved since";
    ROW_LISTS "E102" "row-lists" Parent Strong "a current table of the folder lists the object" "2.4.4.5" "an older state of the table";
    SEARCH_ROW "E103" "search-row" Parent Medium "a row of a search folder names the folder" "2.4.8.6.3" "search results are renewed late";
    PARENT_DISPLAY "E104" "parent-display" Parent Medium "the message bears the folder's name (PidTagParentDisplay)" "-" "two folders have one name; only offline files keep it true";
    WRITTEN_NEXT "E105" "written-next" Parent Weak "the folder's properties were written at about the same time" "2.2.2.2" "a busy store writes in many folders at once";
    // Owner
    COUNT_EXACT "E201" "count-exact" Owner Medium "the folder counts as many items as the table has rows" "2.4.4.1" "small numbers are common";
    // Sub-nodes
    SIZE_EXACT "E301" "size-exact" Subnodes Strong "with this tree the message has the size that it states (PidTagMessageSize)" "2.4.5.1" "two trees of equal size";
    NEEDS_ALL "E302" "needs-all" Subnodes Medium "the tree has every sub-node that the properties refer to" "2.3.3.2" "local ids repeat from message to message";
    ATTACHMENT_FLAG "E303" "attachment-flag" Subnodes Weak "the tree has attachments, or none, as the message's flags say" "2.4.5.1.1" "most messages have none";
    RECIPIENTS_NAMED "E304" "recipients-named" Subnodes Medium "the recipient table names the people of the message's To, Cc and Bcc lines" "2.4.5.3" "mail to the same people";
    WRITTEN_WITH "E305" "written-with" Subnodes Weak "properties and tree got their block ids one after the other" "2.2.2.2" "other objects were written in between";
    OLDER_ENTRY "E306" "older-entry" Subnodes Strong "an entry of an older leaf names both" "2.2.2.7.7.4" "a leaf of another file";
    FLAG_CONTRADICTS "E307" "flag-contradicts" Subnodes Veto "the tree has attachments and the message's flags say that there are none, or the other way round" "2.4.5.1.1" "flags that were never set";
    NEEDS_OTHER "E308" "needs-other" Subnodes Veto "the properties refer to sub-nodes that the tree has not" "2.3.3.2" "-";
    RECIPIENTS_OTHER "E309" "recipients-other" Subnodes Veto "the recipient table names other people than the message" "2.4.5.3" "a display line that a program made up";
    SIZE_OTHER "E310" "size-other" Subnodes Veto "with this tree the message has another size than it states" "2.4.5.1" "programs that state no true size";
    VALUES_ALL "E311" "values-all" Subnodes Medium "every large value in the tree is one that the properties refer to" "2.3.3.2" "messages with values of the same ids";
    WRITTEN_AS_ONE "E312" "written-as-one" Subnodes Strong "all ids given out between the two went to blocks of the two, in the order in which this file writes them" "2.2.2.2" "two programs that write at once";
    ID_OF_ITS_OWN "E313" "id-of-its-own" Subnodes Strong "the tree names the people of the message, and a sub-node that the properties refer to has an id that no other tree has, in a file that gives out each id once" "2.4.1.1" "a program that counts the ids of each message anew";
    // Currency
    FREED "E401" "freed" Currency Veto "the allocation map marks the space of the object as free" "2.2.2.7.2" "maps that are not valid, which are not asked";
    NEWER_STATE "E402" "newer-state" Currency Strong "a state of the same object was written later" "2.6.1.2" "-";
    // Identity
    CONTENT_EQUAL "E501" "content-equal" Identity Strong "both have the same contents, byte for byte" "-" "-";
    SEARCH_KEY "E502" "search-key" Identity Medium "both have the same search key and the same times" "2.4.5.1" "copies keep their key";
    // Data
    OWN_SUBNODES "E601" "own-subnodes" Data Strong "the properties make up, with the node's own sub-nodes, the size that they state" "2.4.5.1" "two messages of equal size";
    ROW_DESCRIBES "E602" "row-describes" Data Strong "the folder's row repeats the values of the properties" "2.4.4.5" "messages that are alike in all that a row shows";
    DATA_SHARED "E603" "data-shared" Data Veto "another node names these properties, and they fit it" "2.2.2.7.7.4" "-";
}

// Thresholds: each is a measure of one of the kinds above.

/// `E602` The least likeness that joins a row and an object: more than a class and an equal flag or two.
pub(super) const LIKE: i32 = 6;
/// `E305` Ids of blocks that differ by no more were given out at about the same time.
pub(super) const NEAR: u64 = 0x400;
/// `E305` Ids of blocks that differ by no more were given out one after the other.
pub(super) const NEXT: u64 = 0x10;
/// `E305` So many trees before and behind an object are looked at, where it refers to none.
pub(super) const LOOKED_AROUND: usize = 64;
/// `E304` More names of one message are not compared.
pub(super) const NAMES: usize = 4096;
/// `E312` So many messages tell in which order a file writes, ...
pub(super) const SAMPLED: usize = 64;
/// ... and fewer than that tell nothing.
pub(super) const FEW: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_names_are_distinct_and_each_code_begins_with_its_question() {
        let codes: HashSet<&str> = EVIDENCE.iter().map(|e| e.code).collect();
        let names: HashSet<&str> = EVIDENCE.iter().map(|e| e.name).collect();
        assert_eq!((codes.len(), names.len()), (EVIDENCE.len(), EVIDENCE.len()));
        for e in EVIDENCE {
            let letter = match e.question {
                Question::Parent => "E1",
                Question::Owner => "E2",
                Question::Subnodes => "E3",
                Question::Currency => "E4",
                Question::Identity => "E5",
                Question::Data => "E6",
            };
            assert!(e.code.starts_with(letter) && e.code.len() == 4, "{e}");
            assert!(!e.says.is_empty() && !e.lies.is_empty() && !e.says.ends_with('.'), "{e}");
        }
    }
}
