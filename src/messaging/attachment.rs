//! Attachments ([MS-PST] 2.4.6).

use super::message::Message;
use super::object::{Properties, State};
use super::open::Pst;
use crate::error::{Error, Result};
use crate::finding::{Finding, Loss};
use crate::format::ids::{Nid, NidType, PropType};
use crate::format::tags;
use crate::ltp::ValueReader;
use crate::ndb::Node;
use crate::rules;
use std::fmt;

/// How an attachment holds its data (PidTagAttachMethod).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachMethod {
    /// No data (0).
    None,
    /// Bytes (1).
    ByValue,
    /// A path (2).
    ByReference,
    /// A path that is to be resolved (3).
    ByReferenceResolve,
    /// A path only (4).
    ByReferenceOnly,
    /// A message (5).
    Embedded,
    /// An OLE object or storage (6).
    Ole,
    /// A link into the web (7).
    ByWebReference,
    /// Another number.
    Other(i32),
}

impl AttachMethod {
    /// The method that a number names.
    pub const fn from_number(n: i32) -> Self {
        match n {
            0 => Self::None,
            1 => Self::ByValue,
            2 => Self::ByReference,
            3 => Self::ByReferenceResolve,
            4 => Self::ByReferenceOnly,
            5 => Self::Embedded,
            6 => Self::Ole,
            7 => Self::ByWebReference,
            n => Self::Other(n),
        }
    }

    /// The number.
    pub const fn number(self) -> i32 {
        match self {
            Self::None => 0,
            Self::ByValue => 1,
            Self::ByReference => 2,
            Self::ByReferenceResolve => 3,
            Self::ByReferenceOnly => 4,
            Self::Embedded => 5,
            Self::Ole => 6,
            Self::ByWebReference => 7,
            Self::Other(n) => n,
        }
    }
}

impl fmt::Display for AttachMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::ByValue => f.write_str("by-value"),
            Self::ByReference => f.write_str("by-reference"),
            Self::ByReferenceResolve => f.write_str("by-reference-resolve"),
            Self::ByReferenceOnly => f.write_str("by-reference-only"),
            Self::Embedded => f.write_str("embedded"),
            Self::Ole => f.write_str("ole"),
            Self::ByWebReference => f.write_str("by-web-reference"),
            Self::Other(n) => write!(f, "{n}"),
        }
    }
}

/// An attachment of a message.
#[derive(Debug)]
pub struct Attachment<'a> {
    properties: Properties<'a>,
    depth: u16,
}

impl<'a> Attachment<'a> {
    pub(crate) fn open(pst: &'a Pst, node: Node<'a>, depth: u16) -> Result<Self> {
        Ok(Self { properties: Properties::open(pst, node)?, depth })
    }

    /// Its properties.
    pub fn properties(&self) -> &Properties<'a> {
        &self.properties
    }

    /// Its node id, local to the message.
    pub fn nid(&self) -> Nid {
        self.properties.node().nid
    }

    /// The part of the requested bytes that could be read.
    pub fn state(&self) -> State {
        self.properties.state()
    }

    /// How it holds its data.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn method(&self) -> Result<AttachMethod> {
        if let Some(n) = self.properties.i32(tags::ATTACH_METHOD)? {
            return Ok(AttachMethod::from_number(n));
        }
        // without the number, the data's type tells
        let tag = self.properties.tags().find(|t| t.id() == tags::ATTACH_DATA_BINARY.id());
        Ok(match tag.map(|t| t.prop_type()) {
            Some(PropType::BINARY) => AttachMethod::ByValue,
            Some(PropType::OBJECT) => AttachMethod::Embedded,
            _ => AttachMethod::None,
        })
    }

    /// Its file name: the long one, or the short one, or its display name.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn name(&self) -> Result<Option<String>> {
        for tag in [tags::ATTACH_LONG_FILENAME, tags::ATTACH_FILENAME, tags::DISPLAY_NAME] {
            if let Some(s) = self.properties.string(tag)?.filter(|s| !s.is_empty()) {
                return Ok(Some(s));
            }
        }
        Ok(None)
    }

    /// Its MIME type, if it states one.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn mime_type(&self) -> Result<Option<String>> {
        self.properties.string(tags::ATTACH_MIME_TAG)
    }

    /// Its data as a stream: the bytes of an attachment by value, or of an OLE object. `None` for those that hold none.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn data(&self) -> Result<Option<ValueReader<'a>>> {
        match self.method()? {
            AttachMethod::Embedded => Ok(None),
            // the value of an object is the id of the sub-node that holds it
            _ if self.properties.tags().any(|t| t == tags::ATTACH_DATA_OBJECT) => self.properties.object_stream(tags::ATTACH_DATA_OBJECT),
            _ => self.properties.stream(tags::ATTACH_DATA_BINARY),
        }
    }

    /// The message that it embeds.
    ///
    /// # Errors
    /// Where messages are nested deeper than the limits allow; in strict reading, the first violation.
    pub fn embedded(&self) -> Result<Option<Message<'a>>> {
        if self.method()? != AttachMethod::Embedded {
            return Ok(None);
        }
        let pst = self.properties.pst();
        let most = pst.ndb().limits().embedded_depth;
        if self.depth >= most {
            return Err(Error::limit("messages within messages", most.into()));
        }
        let at = self.properties.node().at;
        let node = self.properties.node();
        let stated = self.properties.object(tags::ATTACH_DATA_OBJECT)?.map(|o| o.nid);
        let found = self.properties.tolerate(|sink| {
            let tree = node.subnodes(sink)?;
            // the only message among the sub-nodes, should the reference to it be lost
            let nid = stated
                .filter(|n| tree.get(*n).is_some())
                .or_else(|| tree.iter().map(|e| e.nid).find(|n| n.nid_type() == NidType::NORMAL_MESSAGE));
            match nid {
                Some(nid) => node.subnode(nid, sink),
                None => {
                    sink.report(Finding::new(&rules::EMBEDDED_MISSING, at).loss(Loss::Partial))?;
                    Ok(None)
                }
            }
        })?;
        match found.flatten() {
            Some(sub) => Ok(Some(Message::embedded(pst, sub, self.depth.saturating_add(1))?)),
            None => Ok(None),
        }
    }
}
