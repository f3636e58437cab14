//! Recipients: the rows of a message's recipient table ([MS-PST] 2.4.5.3).

use std::fmt;

/// How a recipient is addressed (PidTagRecipientType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum RecipientType {
    /// The sender (0).
    Originator,
    /// To (1).
    To,
    /// Cc (2).
    Cc,
    /// Bcc (3).
    Bcc,
    /// Another number.
    Other,
}

impl RecipientType {
    /// The type that a number names; the flags in its upper bits do not count.
    pub const fn from_number(n: i32) -> Self {
        match n & 0xF {
            0 => Self::Originator,
            1 => Self::To,
            2 => Self::Cc,
            3 => Self::Bcc,
            _ => Self::Other,
        }
    }

    /// The value of PidTagRecipientType ([MS-OXOMSG] 2.2.3.1); 1 for [`Other`](Self::Other), whose number is not kept.
    pub const fn number(self) -> i32 {
        match self {
            Self::Originator => 0,
            Self::To | Self::Other => 1,
            Self::Cc => 2,
            Self::Bcc => 3,
        }
    }

    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Originator => "originator",
            Self::To => "to",
            Self::Cc => "cc",
            Self::Bcc => "bcc",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for RecipientType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A recipient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Recipient {
    /// How it is addressed.
    pub recipient_type: RecipientType,
    /// Display name.
    pub name: Option<String>,
    /// Address: the SMTP one where there is one, else the one of its address type.
    pub email: Option<String>,
    /// Address type, such as `SMTP` or `EX`.
    pub address_type: Option<String>,
    /// The answer to a meeting: 2 tentative, 3 accepted, 4 declined ([MS-OXOCAL] 2.2.4.10.2).
    pub track_status: i32,
    /// PidTagRecipientFlags: 2 is the organizer of a meeting.
    pub flags: i32,
    /// Row id in the table.
    pub row_id: u32,
}
