//! Items: one record for each message, for other tools and for comparing files.
//!
//! [`Item::read`] takes from a message the part that a person would call its contents. [`Item::content_sha256`] is a digest of that alone (class,
//! subject, sender, recipients, times, bodies, attachments, embedded messages): it does not depend on ids, layout or variant, so that
//! the same message has the same digest in the damaged, repaired, compacted and converted file.

use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss};
use crate::format::bytes::wide;
use crate::format::context::EntryId;
use crate::format::ids::{Bid, Nid};
use crate::format::tags;
use crate::format::types::{FileTime, Guid};
use crate::limits::Allowance;
use crate::ltp::ValueReader;
use crate::messaging::Sender;
use crate::messaging::{Attachment, Message, MessageFlags, Properties, Pst, Recipient, RecipientType, State, plain_subject};
use crate::rules::{self, Severity};

pub use crate::messaging::Origin;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::BufRead;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Person {
    /// Display name.
    pub name: Option<String>,
    /// Address.
    pub email: Option<String>,
    /// How a recipient is addressed; none for the sender.
    #[cfg_attr(feature = "serde", serde(rename = "type", skip_serializing_if = "Option::is_none"))]
    pub kind: Option<RecipientType>,
}

/// Length and digest of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Measured {
    /// Bytes.
    pub length: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Measured {
    fn of(bytes: &[u8]) -> Self {
        Self { length: wide(bytes.len()), sha256: hex(&Sha256::digest(bytes)) }
    }
}

/// The bodies that a message has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Bodies {
    /// Text, as UTF-8.
    pub text: Option<Measured>,
    /// HTML, as stored.
    pub html: Option<Measured>,
    /// RTF, decompressed.
    pub rtf: Option<Measured>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AttachmentItem {
    /// File name.
    pub name: Option<String>,
    /// Method number (PidTagAttachMethod).
    pub method: i32,
    /// Bytes of data; for embedded messages and references, the size that the attachment states.
    pub size: Option<u64>,
    /// SHA-256 of the data, where there is data.
    pub sha256: Option<String>,
    /// How much of it could be read; of its data: which bytes are damaged is in `damaged`.
    pub state: State,
    /// The bytes of the data that are damaged or missing.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub damaged: Vec<Range<u64>>,
    /// The embedded message.
    pub embedded: Option<Box<Item>>,
}

/// A message as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Item {
    /// Node id; for an embedded message, the local one.
    pub nid: u32,
    /// Node id of the folder; 0 for an embedded message.
    pub parent: u32,
    /// Path of the folder.
    pub folder: String,
    /// `message` or `associated`.
    pub kind: &'static str,
    /// Message class.
    pub class: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// Sender.
    pub from: Option<Person>,
    /// Recipients.
    pub to: Vec<Person>,
    /// When it was sent, in RFC 3339.
    pub sent: Option<String>,
    /// When it was received, in RFC 3339.
    pub received: Option<String>,
    /// When it was made in this file, in RFC 3339 (PidTagCreationTime).
    pub created: Option<String>,
    /// When it was changed last, in RFC 3339 (PidTagLastModificationTime).
    pub modified: Option<String>,
    /// Its Message-ID (PidTagInternetMessageId).
    pub message_id: Option<String>,
    /// Its place in its conversation, in hexadecimal (PidTagConversationIndex).
    pub conversation_index: Option<String>,
    /// Its entry id in this store, in hexadecimal ([MS-PST] 2.4.3.2); none of an embedded message.
    pub entry_id: Option<String>,
    /// Message flags.
    pub flags: u32,
    /// Size as stated.
    pub size: Option<i64>,
    /// Attachments.
    pub attachments: Vec<AttachmentItem>,
    /// Bodies.
    pub bodies: Bodies,
    /// How much could be read.
    pub state: State,
    /// Where it was found.
    pub origin: Origin,
    /// The faults.
    pub problems: Vec<String>,
    /// Digest of the contents.
    pub content_sha256: String,
}

impl Item {
    /// Notes that the parts of the message may not be whole, or not its own.
    pub fn doubt(&mut self, why: &str) {
        self.state = self.state.max(State::Partial);
        self.problems.insert(0, why.to_owned());
    }

    /// Reads a message and everything in it. In tolerant reading damaged parts are left out and told in `problems`.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn read(message: &Message<'_>, folder: &str, origin: Origin) -> Result<Self> {
        Self::read_with(&Reading::of(message.properties().pst()), message, folder, origin)
    }

    /// The same, as one of many of a file: the parts that several of them share are read once, and all of them together cost no more than the
    /// file's size justifies.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn read_with(reading: &Reading, message: &Message<'_>, folder: &str, origin: Origin) -> Result<Self> {
        // Embedded messages wait on a stack of their own, so that depth costs no call stack.
        let mut outer: Vec<Frame<'_, '_>> = Vec::new();
        let mut current = Frame::open(reading, message, folder, origin)?;
        loop {
            match current.next_attachment()? {
                Step::Embedded(inner) => {
                    let inner = Frame::open(reading, &inner, "", origin)?;
                    outer.push(std::mem::replace(&mut current, inner));
                }
                Step::More => {}
                Step::Done => match outer.pop() {
                    None => return Ok(current.finish()),
                    Some(frame) => {
                        let done = std::mem::replace(&mut current, frame).finish();
                        current.take_embedded(done);
                    }
                },
            }
        }
    }
}

/// Values of more bytes are read once, however many objects share them.
const LARGE: u64 = 64 << 10;

/// The rules and the budget of reading the items of a file.
#[derive(Debug)]
pub struct Reading {
    /// Attachments that are still entered.
    attachments: Allowance,
    /// Bytes of bodies and attachments that are still read.
    bytes: Allowance,
    /// The identity of the store, which entry ids name.
    store: Option<Guid>,
    /// Large data without damage, by the root of its tree.
    known: Mutex<HashMap<Bid, (u64, String)>>,
}

impl Reading {
    /// Begins with a file.
    pub fn of(pst: &Pst) -> Self {
        let ndb = pst.ndb();
        let (content, limits) = (ndb.content(), ndb.limits());
        let (attachments, bytes) = (Allowance::of_objects(content, limits), Allowance::of_bytes(content, limits));
        let key = pst.store().and_then(|s| s.properties().binary(tags::RECORD_KEY)).ok().flatten();
        let store = key.and_then(|k| k.try_into().ok()).map(Guid);
        Self { attachments, bytes, store, known: Mutex::default() }
    }

    /// The entry id of a message that is a node of the file, in hexadecimal.
    fn entry_id(&self, message: &Message<'_>) -> Option<String> {
        let uid = self.store.filter(|_| message.depth() == 0)?;
        Some(hex(&EntryId { flags: 0, uid, nid: message.nid() }.encode()))
    }

    /// Reads the rest of an object, so that its state is known; as long as it is still read.
    fn verify(&self, properties: &Properties<'_>) -> Result<()> {
        properties.verify_within(&mut |bytes| {
            let may_read = !self.bytes.is_spent();
            self.bytes.spend(bytes);
            may_read
        })
    }

    /// Length and digest of an attachment's data.
    fn measure(&self, data: &mut ValueReader<'_>) -> (u64, String) {
        let root = data.root().filter(|_| data.len() > LARGE);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = root.and_then(|root| known().get(&root).cloned()) {
            return found;
        }
        let found = measure(data);
        self.bytes.spend(found.0);
        if let Some(root) = root.filter(|_| data.problems().is_empty()) {
            known().insert(root, found.clone());
        }
        found
    }

    /// The recipients, where they are still read.
    fn recipients(&self, left_out: &mut Vec<Finding>, message: &Message<'_>) -> Result<Vec<Recipient>> {
        if self.bytes.is_spent() {
            left_out.push(too_much("the recipients"));
            return Ok(Vec::new());
        }
        let found = message.recipients()?;
        let long = |text: &Option<String>| text.as_ref().map_or(0, |t| wide(t.len()));
        self.bytes
            .spend(found.iter().map(|r| long(&r.name).saturating_add(long(&r.email)).saturating_add(64)).fold(0, u64::saturating_add));
        Ok(found)
    }

    /// A body, where it is still read.
    fn body<T: AsRef<[u8]>>(
        &self,
        what: &'static str,
        left_out: &mut Vec<Finding>,
        read: &dyn Fn() -> Result<Option<T>>,
    ) -> Result<Option<Measured>> {
        if self.bytes.is_spent() {
            left_out.push(too_much(what));
            return Ok(None);
        }
        Ok(read()?.map(|body| {
            self.bytes.spend(wide(body.as_ref().len()));
            Measured::of(body.as_ref())
        }))
    }
}

/// The text about a part that is not read, because all together would be more than the file's size justifies.
fn too_much(what: &'static str) -> Finding {
    let why = format!("{what}: not read, because objects of this file name the same blocks too often");
    Finding::new(&rules::LIMIT, Location::NONE).actual(why).loss(Loss::Partial)
}

enum Step<'a> {
    Embedded(Box<Message<'a>>),
    More,
    Done,
}

/// A message that is being read, with the attachments that are still to come.
struct Frame<'a, 'r> {
    reading: &'r Reading,
    item: Item,
    digest: ContentDigest,
    pending: std::vec::IntoIter<Attachment<'a>>,
    state: State,
    problems: Vec<Finding>,
}

impl<'a, 'r> Frame<'a, 'r> {
    fn open(reading: &'r Reading, message: &Message<'a>, folder: &str, origin: Origin) -> Result<Self> {
        let p = message.properties();
        let mut digest = ContentDigest::default();
        let mut class = message.class()?;
        let mut subject = message.subject()?;
        let Sender { mut name, address: email, .. } = message.sender()?;
        let (mut sent, mut received) = (message.sent()?, message.received()?);
        if p.context().is_none() {
            // The row in the folder is all that is left of it.
            message.with_row(|row| {
                let page = p.pst().default_code_page();
                let decode = |b: &[u8]| page.decode(b).0.into_owned();
                let text = |tag: u16| row.string(tag, &decode, &mut Ignore).ok().flatten();
                class = text(tags::MESSAGE_CLASS.id());
                subject = text(tags::SUBJECT.id()).map(plain_subject);
                name = text(tags::SENT_REPRESENTING_NAME.id());
                let time = |tag: u16| row.value(tag, &decode, &mut Ignore).ok().flatten().and_then(|v| v.as_time());
                sent = time(tags::CLIENT_SUBMIT_TIME.id());
                received = time(tags::MESSAGE_DELIVERY_TIME.id());
            });
        }
        let mut left_out = Vec::new();
        let recipients = reading.recipients(&mut left_out, message)?;
        digest.text("class", class.as_deref());
        digest.text("subject", subject.as_deref());
        digest.text("sender-name", name.as_deref());
        digest.text("sender-email", email.as_deref());
        digest.time("sent", sent);
        digest.time("received", received);
        digest.recipients(&recipients);
        let bodies = Bodies {
            text: reading.body("the text", &mut left_out, &|| message.text())?,
            html: reading.body("the HTML body", &mut left_out, &|| message.html())?,
            rtf: reading.body("the RTF body", &mut left_out, &|| message.rtf())?,
        };
        for (what, body) in [("text", &bodies.text), ("html", &bodies.html), ("rtf", &bodies.rtf)] {
            // An empty body and none are the same to a person, and to Outlook.
            digest.text(what, body.as_ref().filter(|b| b.length > 0).map(|b| b.sha256.as_str()));
        }
        reading.verify(p)?;
        let attachments = if reading.attachments.is_spent() { Vec::new() } else { message.attachments()? };
        let from = (name.is_some() || email.is_some()).then_some(Person { name, email, kind: None });
        let item = Item {
            nid: message.nid().0,
            parent: message.parent().0,
            folder: folder.to_owned(),
            kind: if message.is_associated() { "associated" } else { "message" },
            class,
            subject,
            from,
            to: recipients.into_iter().map(|r| Person { name: r.name, email: r.email, kind: Some(r.recipient_type) }).collect(),
            sent: sent.map(|t| t.to_string()),
            received: received.map(|t| t.to_string()),
            created: p.time(tags::CREATION_TIME)?.map(|t| t.to_string()),
            modified: p.time(tags::LAST_MODIFICATION_TIME)?.map(|t| t.to_string()),
            message_id: p.string(tags::INTERNET_MESSAGE_ID)?,
            conversation_index: p.binary(tags::CONVERSATION_INDEX)?.map(|b| hex(&b)),
            entry_id: reading.entry_id(message),
            flags: message.flags()?.bits(),
            size: message.size()?,
            attachments: Vec::new(),
            bodies,
            state: State::Ok,
            origin,
            problems: Vec::new(),
            content_sha256: String::new(),
        };
        let mut frame = Self { reading, item, digest, pending: attachments.into_iter(), state: message.state(), problems: p.problems() };
        if reading.attachments.is_spent() && message.flags()?.contains(MessageFlags::HAS_ATTACHMENTS) {
            left_out.push(too_much("attachments"));
        }
        frame.note(&left_out);
        Ok(frame)
    }

    fn next_attachment(&mut self) -> Result<Step<'a>> {
        let Some(a) = self.pending.next() else { return Ok(Step::Done) };
        if !self.reading.attachments.take(1) {
            self.note(&[too_much("attachments")]);
            return Ok(Step::Done);
        }
        let mut record = AttachmentItem {
            name: a.name()?,
            method: a.method()?.number(),
            size: a.properties().i32(tags::ATTACH_SIZE)?.and_then(|n| u64::try_from(n).ok()),
            sha256: None,
            state: State::Ok,
            damaged: Vec::new(),
            embedded: None,
        };
        if let Some(mut data) = a.data()? {
            if self.reading.bytes.is_spent() {
                self.note(&[too_much("an attachment's data")]);
            } else {
                let (length, sha256) = self.reading.measure(&mut data);
                self.note(data.problems());
                record.size = Some(length);
                record.sha256 = Some(sha256);
                record.damaged = data.damaged().to_vec();
            }
        }
        let embedded = match a.embedded() {
            Ok(e) => e,
            Err(e) if a.properties().pst().is_strict() => return Err(e),
            Err(e) => {
                // Nested deeper than the limit: the inside is not read, and that is said.
                self.note(&[Finding::new(&rules::EMBEDDED_MISSING, a.properties().node().at).actual(e.to_string())]);
                None
            }
        };
        self.note(&a.properties().problems());
        if a.state() >= State::Partial || !record.damaged.is_empty() {
            record.state = a.state().max(State::Partial);
            self.state = self.state.max(State::Partial);
        }
        self.item.attachments.push(record);
        Ok(embedded.map_or(Step::More, |inner| Step::Embedded(Box::new(inner))))
    }

    fn note(&mut self, problems: &[Finding]) {
        if problems.iter().any(|f| f.severity >= Severity::Error) {
            self.state = self.state.max(State::Partial);
        }
        self.problems.extend(problems.iter().cloned());
    }

    fn take_embedded(&mut self, inner: Item) {
        if inner.state >= State::Partial {
            self.state = self.state.max(State::Partial);
        }
        if let Some(last) = self.item.attachments.last_mut() {
            last.embedded = Some(Box::new(inner));
        }
    }

    fn finish(mut self) -> Item {
        self.digest.attachments(&self.item.attachments);
        self.item.content_sha256 = self.digest.finish();
        // a part that was not read because of its size is told among the problems
        self.item.state = if self.state == State::NotVerified { State::Ok } else { self.state };
        self.item.problems = self.problems.iter().map(ToString::to_string).collect();
        self.item
    }
}

fn measure(data: &mut ValueReader<'_>) -> (u64, String) {
    let mut hasher = Sha256::new();
    let mut length = 0u64;
    while let Ok(chunk) = data.fill_buf() {
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        let n = chunk.len();
        length = length.saturating_add(wide(n));
        data.consume(n);
    }
    (length, hex(&hasher.finalize()))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// The digest of a message's contents: labelled fields, each with its length.
#[derive(Default)]
struct ContentDigest(Sha256);

impl ContentDigest {
    fn field(&mut self, label: &str, bytes: &[u8]) {
        self.0.update(label.as_bytes());
        self.0.update([0]);
        self.0.update(wide(bytes.len()).to_le_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, label: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            self.field(label, text.as_bytes());
        }
    }

    fn time(&mut self, label: &str, time: Option<FileTime>) {
        if let Some(t) = time {
            self.field(label, &t.0.to_le_bytes());
        }
    }

    fn recipients(&mut self, recipients: &[Recipient]) {
        let mut sorted: Vec<_> = recipients.iter().map(|r| (r.recipient_type, r.name.as_deref(), r.email.as_deref())).collect();
        sorted.sort();
        for (kind, name, email) in sorted {
            self.field("recipient", kind.as_str().as_bytes());
            self.text("name", name);
            self.text("email", email);
        }
    }

    /// Attachments in an order of their own: ids may change, contents do not.
    fn attachments(&mut self, attachments: &[AttachmentItem]) {
        let mut sorted: Vec<String> = attachments
            .iter()
            .map(|a| {
                let mut one = Self::default();
                one.text("name", a.name.as_deref());
                one.field("method", &a.method.to_le_bytes());
                // No data and data of no bytes are the same to a person.
                one.text("data", a.sha256.as_deref().filter(|_| a.size != Some(0)));
                one.text("embedded", a.embedded.as_ref().map(|e| e.content_sha256.as_str()));
                one.finish()
            })
            .collect();
        sorted.sort();
        for one in &sorted {
            self.field("attachment", one.as_bytes());
        }
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Every message of a file as a record, in the order of node ids.
#[derive(Debug)]
pub struct Items<'a> {
    pst: &'a Pst,
    paths: HashMap<Nid, String>,
    reading: Reading,
    next: usize,
}

impl<'a> Items<'a> {
    /// The items of a file.
    pub fn new(pst: &'a Pst) -> Self {
        Self { pst, paths: pst.folder_paths(), reading: Reading::of(pst), next: 0 }
    }

    /// The path of a folder.
    pub fn path(&self, folder: Nid) -> &str {
        self.paths.get(&folder).map_or("", String::as_str)
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let node = self.pst.ndb().index().nodes().get(self.next)?;
            self.next = self.next.saturating_add(1);
            if node.nid.is_message() {
                let origin = if self.paths.contains_key(&node.parent) { Origin::Normal } else { Origin::Orphan };
                let folder = self.path(node.parent).to_owned();
                return Some(self.pst.message(node.nid).and_then(|m| Item::read_with(&self.reading, &m, &folder, origin)));
            }
        }
    }
}
