//! [`NewMessage`]: an item that is to be written, with recipients and attachments ([MS-PST] 2.4.5, 2.4.6).
//!
//! Everything is a property in the end; the methods here set those that belong together.

use super::pc::{Node, SubNodes};
use super::props::{Data, Props, utf16};
use super::tree::WrittenData;
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::tags;
use crate::format::types::{FileTime, Guid};
use crate::ltp::PropertyName;
use crate::messaging::{RecipientType, rtf};
use std::fmt;
use std::io::Read;

/// A property by its name, its type and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named {
    /// The name.
    pub name: PropertyName,
    /// The type.
    pub prop_type: PropType,
    /// The value.
    pub data: Data,
}

impl Named {
    /// A text.
    pub fn text(name: PropertyName, text: &str) -> Self {
        Self { name, prop_type: PropType::STRING, data: Data::Bytes(utf16(text)) }
    }

    /// A value of any type, as the bytes that are stored.
    pub fn new(name: PropertyName, prop_type: PropType, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, prop_type, data: Data::Bytes(bytes.into()) }
    }
}

/// A recipient: a row of the message's recipient table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRecipient {
    /// The row's cells.
    pub props: Props,
    /// The row's id; drawn where it is not given.
    pub row_id: Option<u32>,
}

impl NewRecipient {
    /// A recipient with an SMTP address. [`RecipientType::Other`] has no number of its own and is written as `To`.
    pub fn new(kind: RecipientType, name: &str, address: &str) -> Self {
        let mut props = Props::new();
        props.set_i32(tags::RECIPIENT_TYPE, kind.number()).set_bool(tags::RESPONSIBILITY, true);
        props.set_str(tags::DISPLAY_NAME, name).set_str(tags::ADDRESS_TYPE, "SMTP").set_str(tags::EMAIL_ADDRESS, address);
        props.set(tags::ENTRY_ID, one_off(name, address)).set(tags::SEARCH_KEY, search_key(address));
        props.set_i32(tags::OBJECT_TYPE, 6).set_i32(PropTag::new(0x3900, PropType::INTEGER32), 0);
        props.set_bool(PropTag::new(0x3A40, PropType::BOOLEAN), true);
        Self { props, row_id: None }
    }
}

/// The entry id of somebody who is in no address book ([MS-OXCDATA] 2.2.5.1).
pub(crate) fn one_off(name: &str, address: &str) -> Vec<u8> {
    const PROVIDER: [u8; 16] = [0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02];
    let mut id = vec![0; 4];
    id.extend(PROVIDER);
    // version 0; Unicode, to be sent without TNEF
    id.extend([0, 0, 0x01, 0x90]);
    for text in [name, "SMTP", address] {
        id.extend(utf16(text));
        id.extend([0, 0]);
    }
    id
}

/// The search key of an address: its type and itself in upper case ([MS-OXCMSG] 2.2.1.9 and others).
fn search_key(address: &str) -> Vec<u8> {
    let mut key = format!("SMTP:{}", address.to_uppercase()).into_bytes();
    key.push(0);
    key
}

/// The contents of an attachment, which decide its method ([MS-PST] 2.4.6.2).
#[non_exhaustive]
pub enum AttachmentData {
    /// Nothing of its own: a reference to a file or to the web, as its properties say.
    None,
    /// By value.
    Bytes(Vec<u8>),
    /// By value, read to its end while it is written: may be larger than memory.
    Reader(Box<dyn Read>),
    /// By value, written already.
    Written(WrittenData),
    /// An embedded message.
    Message(Box<NewMessage>),
    /// An embedded message that is written already.
    WrittenMessage(WrittenMessage),
    /// An OLE object: the bytes of its storage.
    Ole(Vec<u8>),
    /// An object that is written already, and its size: OLE storages and other sub-nodes of a source.
    WrittenObject {
        /// The sub-node's id; drawn where it is not given.
        nid: Option<Nid>,
        /// Its blocks.
        node: Node,
        /// Its size as readers are told.
        size: u32,
    },
}

impl fmt::Debug for AttachmentData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(b) => write!(f, "Bytes({})", b.len()),
            Self::Reader(_) => f.write_str("Reader"),
            Self::Written(tree) => write!(f, "{tree:?}"),
            Self::Message(m) => write!(f, "{m:?}"),
            Self::WrittenMessage(m) => write!(f, "{m:?}"),
            Self::Ole(b) => write!(f, "Ole({})", b.len()),
            Self::WrittenObject { nid, node, size } => write!(f, "WrittenObject({nid:?}, {node:?}, {size})"),
        }
    }
}

/// An attachment.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewAttachment {
    /// Its properties. Those that follow from the data (method, size, the data itself) are set when it is written.
    pub props: Props,
    /// Its named properties.
    pub named: Vec<Named>,
    /// Its contents.
    pub data: AttachmentData,
    /// Its id; drawn where it is not given.
    pub nid: Option<Nid>,
    /// Further sub-nodes.
    pub subnodes: SubNodes,
}

impl NewAttachment {
    /// An attachment that holds this and has no name yet.
    pub fn new(data: AttachmentData) -> Self {
        Self { props: Props::new(), named: Vec::new(), data, nid: None, subnodes: SubNodes::new() }
    }

    /// A file by value.
    pub fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(AttachmentData::Bytes(bytes.into())).named(name)
    }

    /// A file by value, read while it is written.
    pub fn reader(name: &str, data: impl Read + 'static) -> Self {
        Self::new(AttachmentData::Reader(Box::new(data))).named(name)
    }

    /// A reference to a file that is elsewhere.
    pub fn reference(name: &str, path: &str) -> Self {
        let mut a = Self::new(AttachmentData::None).named(name);
        a.props.set_i32(tags::ATTACH_METHOD, 2).set_str(tags::ATTACH_PATHNAME, path);
        a.props.set_str(PropTag::new(0x370D, PropType::STRING), path);
        a
    }

    /// A message within the message.
    pub fn message(name: &str, message: NewMessage) -> Self {
        let mut a = Self::new(AttachmentData::Message(Box::new(message)));
        a.props.set_str(tags::DISPLAY_NAME, name);
        a
    }

    /// An OLE object.
    pub fn ole(name: &str, storage: impl Into<Vec<u8>>) -> Self {
        let mut a = Self::new(AttachmentData::Ole(storage.into()));
        a.props.set_str(tags::DISPLAY_NAME, name);
        a
    }

    /// Gives it a file name, long and short.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        let short: String = stem.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let short_extension: String = extension.chars().take(4).collect();
        self.props.set_str(tags::ATTACH_LONG_FILENAME, name).set_str(tags::DISPLAY_NAME, name);
        self.props.set_str(tags::ATTACH_FILENAME, &format!("{}{short_extension}", if short.is_empty() { "FILE" } else { &short }));
        if !extension.is_empty() {
            self.props.set_str(tags::ATTACH_EXTENSION, &extension);
        }
        self
    }

    /// Gives it a content id, so that an HTML body can show it.
    #[must_use]
    pub fn content_id(mut self, id: &str) -> Self {
        self.props.set_str(PropTag::new(0x3712, PropType::STRING), id);
        self
    }

    /// Sets its media type.
    #[must_use]
    pub fn mime(mut self, mime: &str) -> Self {
        self.props.set_str(PropTag::new(0x370E, PropType::STRING), mime);
        self
    }
}

/// A message whose blocks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenMessage {
    /// Its blocks.
    pub node: Node,
    /// Its size as its own property says.
    pub size: u32,
}

/// An item that is to be written: a message, contact, appointment, or whatever its class says.
///
/// ```
/// use pstkit::format::types::FileTime;
/// use pstkit::write::{NewAttachment, NewMessage};
///
/// let message = NewMessage::note("Report", "See attached.")
///     .from("Ann", "ann@example.com")
///     .to("Bob", "bob@example.com")
///     .sent(FileTime(0x01D9_0000_0000_0000))
///     .attach(NewAttachment::file("report.txt", "numbers"));
/// assert_eq!(message.attachments.len(), 1);
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct NewMessage {
    /// Its properties. Those that follow from the rest (size, flag of attachments, names of recipients) are set when it is written.
    pub props: Props,
    /// Its named properties.
    pub named: Vec<Named>,
    /// Its recipients.
    pub recipients: Vec<NewRecipient>,
    /// Its attachments.
    pub attachments: Vec<NewAttachment>,
    /// Its id; drawn where it is not given.
    pub nid: Option<Nid>,
    /// Further sub-nodes.
    pub subnodes: SubNodes,
    /// Cells that only its row in the folder's table has.
    pub row_only: Vec<(PropTag, Vec<u8>)>,
    /// Whether to write it as it is: texts stay of the type that they have, and nothing is added but the properties that every message must have.
    pub verbatim: bool,
}

impl NewMessage {
    /// An item of a class, such as `IPM.Contact`.
    pub fn new(class: &str) -> Self {
        let mut message = Self::default();
        message.props.set_str(tags::MESSAGE_CLASS, class);
        message
    }

    /// An ordinary mail, read, with a text body.
    pub fn note(subject: &str, text: &str) -> Self {
        let message = Self::new("IPM.Note").subject(subject).text(text).read(true);
        message.set(|p| {
            p.set_i32(tags::IMPORTANCE, 1).set_i32(tags::SENSITIVITY, 0);
            p.set_bool(tags::MESSAGE_TO_ME, false).set_bool(tags::MESSAGE_CC_ME, false);
        })
    }

    /// Changes properties.
    #[must_use]
    pub fn set(mut self, f: impl FnOnce(&mut Props)) -> Self {
        f(&mut self.props);
        self
    }

    /// Sets the subject, and the topic of its conversation: the subject without `RE: ` and the like.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        let prefix =
            subject.split_once(": ").map(|(p, _)| p).filter(|p| (1..=3).contains(&p.chars().count()) && p.chars().all(char::is_alphabetic));
        let topic = prefix.map_or(subject, |p| subject.get(p.len().saturating_add(2)..).unwrap_or(subject));
        self.props.set_str(tags::CONVERSATION_TOPIC, topic);
        match prefix {
            Some(p) => {
                // U+0001 and one more than the prefix's length stand before the subject
                let length = p.encode_utf16().count().saturating_add(3);
                let mark = u32::try_from(length).ok().and_then(char::from_u32).unwrap_or('\u{1}');
                self.props.set_str(tags::SUBJECT, &format!("\u{1}{mark}{subject}"));
            }
            None => {
                self.props.set_str(tags::SUBJECT, subject);
            }
        }
        self
    }

    /// Sets the sender, who is also whom the message is sent for.
    #[must_use]
    pub fn from(mut self, name: &str, address: &str) -> Self {
        let p = &mut self.props;
        p.set_str(tags::SENDER_NAME, name).set_str(tags::SENT_REPRESENTING_NAME, name);
        p.set_str(tags::SENDER_ADDRESS_TYPE, "SMTP").set_str(tags::SENT_REPRESENTING_ADDRESS_TYPE, "SMTP");
        p.set_str(tags::SENDER_EMAIL_ADDRESS, address).set_str(tags::SENT_REPRESENTING_EMAIL_ADDRESS, address);
        p.set(tags::SENDER_ENTRY_ID, one_off(name, address)).set(tags::SENT_REPRESENTING_ENTRY_ID, one_off(name, address));
        p.set(tags::SENDER_SEARCH_KEY, search_key(address)).set(tags::SENT_REPRESENTING_SEARCH_KEY, search_key(address));
        self
    }

    /// Adds a recipient.
    #[must_use]
    pub fn recipient(mut self, kind: RecipientType, name: &str, address: &str) -> Self {
        self.recipients.push(NewRecipient::new(kind, name, address));
        self
    }

    /// Adds a primary recipient.
    #[must_use]
    pub fn to(self, name: &str, address: &str) -> Self {
        self.recipient(RecipientType::To, name, address)
    }

    /// Adds a recipient of a copy.
    #[must_use]
    pub fn cc(self, name: &str, address: &str) -> Self {
        self.recipient(RecipientType::Cc, name, address)
    }

    /// Sets the text body.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.props.set_str(tags::BODY, text);
        self
    }

    /// Sets the HTML body; it is stored as UTF-8.
    #[must_use]
    pub fn html(mut self, html: &str) -> Self {
        self.props.set(tags::HTML, html.as_bytes()).set_i32(tags::INTERNET_CODEPAGE, 65001);
        self
    }

    /// Sets the RTF body; it is stored compressed.
    #[must_use]
    pub fn rtf(mut self, rtf_body: &[u8]) -> Self {
        self.props.set(tags::RTF_COMPRESSED, rtf::compress(rtf_body)).set_bool(tags::RTF_IN_SYNC, true);
        self
    }

    /// Sets when it was sent.
    #[must_use]
    pub fn sent(mut self, time: FileTime) -> Self {
        self.props.set_time(tags::CLIENT_SUBMIT_TIME, time);
        self
    }

    /// Sets when it was received.
    #[must_use]
    pub fn received(mut self, time: FileTime) -> Self {
        self.props.set_time(tags::MESSAGE_DELIVERY_TIME, time);
        self
    }

    /// Sets whether it has been read.
    #[must_use]
    pub fn read(mut self, read: bool) -> Self {
        let flags = self.props.i32(tags::MESSAGE_FLAGS).unwrap_or(0);
        self.props.set_i32(tags::MESSAGE_FLAGS, if read { flags | 1 } else { flags & !1 });
        self
    }

    /// Adds a conversation index: the head of a conversation with this id.
    #[must_use]
    pub fn conversation(mut self, time: FileTime, id: Guid) -> Self {
        let mut index = vec![1];
        index.extend(time.0.to_be_bytes().iter().take(5));
        index.extend(id.0);
        self.props.set(tags::CONVERSATION_INDEX, index).set_bool(tags::CONVERSATION_INDEX_TRACKING, true);
        self
    }

    /// Adds a named property.
    #[must_use]
    pub fn named(mut self, named: Named) -> Self {
        self.named.push(named);
        self
    }

    /// Adds an attachment.
    #[must_use]
    pub fn attach(mut self, attachment: NewAttachment) -> Self {
        self.attachments.push(attachment);
        self
    }
}
