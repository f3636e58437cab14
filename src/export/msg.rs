//! Messages as MSG ([MS-OXMSG]): a compound file with one storage for each recipient, attachment and embedded message, written over the
//! crate `cfb`.
//!
//! ```text
//! /                                   the message
//! ├─ __properties_version1.0          counts, then 16 bytes for each property: tag, flags, value or size
//! ├─ __substg1.0_IIIITTTT             the value of property id IIII of type TTTT that has no fixed size
//! ├─ __nameid_version1.0/             the names of properties from 0x8000 on, those of all storages
//! ├─ __recip_version1.0_#NNNNNNNN/    a recipient
//! └─ __attach_version1.0_#NNNNNNNN/   an attachment
//!    └─ __substg1.0_3701000D/         the message that it embeds, or its OLE storage
//! ```
//!
//! - Every property of the message goes in, whatever its class, but for those by which a data file keeps its own tables. Texts are Unicode.
//! - Values stream: memory does not grow with an attachment.
//! - No field names the present, so that a second run gives the same bytes.

use super::Exporter;
use super::eml::{Exported, TOO_OFTEN, elsewhere, io};
use super::msg_names::Names;
use crate::error::Result;
use crate::format::bytes::{low32, wide};
use crate::format::ids::{PropTag, PropType};
use crate::format::tags;
use crate::format::types::Guid;
use crate::ltp::{NAMED_FIRST, PropValue, PropertyName, ValueReader};
use crate::messaging::{AttachMethod, Attachment, Message, Properties};
use cfb::{CompoundFile, Version};
use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind, Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;
use web_time::SystemTime;

/// The class of a compound file that holds a message.
const MESSAGE_CLSID: Uuid = Uuid::from_u128(0x0002_0D0B_0000_0000_C000_0000_0000_0046);
/// A value that a reader may read and write ([MS-OXMSG] 2.4.2.1).
const FLAGS: u32 = 0x06;
/// All texts are Unicode (STORE_UNICODE_OK), and the usual rest.
const STORE_SUPPORT: i32 = 0x0004_0E79;
/// The size that stands in a property's place where it is a storage.
const NO_SIZE: u32 = u32::MAX;
/// Marks an embedded message, and an OLE storage.
const EMBEDDED: u32 = 1;
const STORAGE: u32 = 4;
/// From this size on, a file has sectors of 4 KiB: those of 512 bytes end at 2 GiB.
const LARGE: u64 = 1 << 30;
/// A longer text is passed on as it is stored.
const TEXT_HELD: u64 = 1 << 20;
/// The largest OLE storage that is opened; a larger one is written as bytes.
const OLE_MAX: u64 = 64 << 20;
/// Storages and streams of an OLE storage, and storages within storages, that are copied.
const PARTS_MAX: usize = 10_000;
const DEPTH_MAX: usize = 32;
/// Errors of a part of an OLE storage; all others are the target's.
const OF_PART: [ErrorKind; 4] = [ErrorKind::InvalidInput, ErrorKind::InvalidData, ErrorKind::AlreadyExists, ErrorKind::NotFound];

/// Writes a message as MSG.
///
/// ```no_run
/// use pstkit::{Nid, Pst, export::msg};
/// let pst = Pst::open("mail.pst")?;
/// let message = pst.message(Nid(0x200024))?;
/// let file = std::fs::File::options().read(true).write(true).create_new(true).open("mail.msg").unwrap();
/// let exported = msg::write(&message, file)?;
/// println!("{}", exported.state);
/// # Ok::<(), pstkit::Error>(())
/// ```
///
/// # Errors
/// An error of `out`; in strict reading, the first violation.
pub fn write(message: &Message<'_>, out: impl Read + Write + Seek) -> Result<Exported> {
    Exporter::new(message.properties().pst()).msg(message, out)
}

/// The properties stream of a storage that is being written.
#[derive(Default)]
struct Entries(BTreeMap<u32, [u8; 16]>);

impl Entries {
    /// A value of at most eight bytes, or the size of one that stands in a stream.
    fn put(&mut self, tag: PropTag, value: &[u8]) {
        let mut entry = [0; 16];
        let head = tag.0.to_le_bytes().into_iter().chain(FLAGS.to_le_bytes());
        for (to, from) in entry.iter_mut().zip(head.chain(value.iter().copied().take(8))) {
            *to = from;
        }
        self.0.insert(tag.0, entry);
    }

    fn put_size(&mut self, tag: PropTag, size: u64, reserved: u32) {
        self.put(tag, &[low32(size).to_le_bytes(), reserved.to_le_bytes()].concat());
    }

    fn put_i32(&mut self, tag: PropTag, value: i32) {
        self.put(tag, &value.to_le_bytes());
    }

    fn has(&self, tag: PropTag) -> bool {
        self.0.contains_key(&tag.0)
    }

    fn to_stream(&self, head: &[u8]) -> Vec<u8> {
        let mut out = head.to_vec();
        self.0.values().for_each(|entry| out.extend(entry));
        out
    }
}

/// A message whose attachments are being written.
struct Frame<'a> {
    message: Option<Message<'a>>,
    path: String,
    rest: std::iter::Enumerate<std::vec::IntoIter<Attachment<'a>>>,
}

/// One run over a message and all that is in it.
pub(super) struct Run<'r, F> {
    exporter: &'r Exporter<'r>,
    file: CompoundFile<F>,
    names: Names,
    done: Exported,
}

/// Whether a property belongs to the data file and not to the item: the ids by which it synchronises, row ids and versions.
const fn is_of_file(tag: PropTag) -> bool {
    matches!(tag.id(), 0x67F0..=0x67FF | 0x0E12 | 0x0E13 | 0x0E30 | 0x0E33 | 0x0E34 | 0x0E38 | 0x0E3C | 0x0E3D)
}

/// A part of an OLE storage.
struct OlePart {
    path: PathBuf,
    /// The class of a storage; none of a stream.
    clsid: Option<Uuid>,
}

/// The parts of an OLE storage; `None` where there are more, deeper ones, or longer ones than a storage of so many bytes has.
fn parts_of(from: &CompoundFile<Cursor<&[u8]>>, size: u64) -> Option<Vec<OlePart>> {
    let (mut parts, mut left) = (Vec::new(), size);
    for entry in from.walk() {
        if parts.len() >= PARTS_MAX || entry.path().components().count() > DEPTH_MAX {
            return None;
        }
        if entry.is_stream() {
            left = left.checked_sub(entry.len())?;
        }
        parts.push(OlePart { path: entry.path().to_owned(), clsid: (!entry.is_stream()).then(|| *entry.clsid()) });
    }
    Some(parts)
}

fn stream_name(tag: PropTag) -> String {
    format!("__substg1.0_{:08X}", tag.0)
}

impl<'r, F: Read + Write + Seek> Run<'r, F> {
    pub(super) fn new(exporter: &'r Exporter<'r>, message: &Message<'_>, out: F) -> Result<Self> {
        // the message's own property may say anything; most files hold no message of that size
        let ndb = message.properties().pst().ndb();
        let is_small = ndb.len() < LARGE && !ndb.layout().compresses() || message.computed_size()? < LARGE;
        let version = if is_small { Version::V3 } else { Version::V4 };
        let file = CompoundFile::create_with_version(version, out).map_err(io)?;
        Ok(Self { exporter, file, names: Names::default(), done: Exported::default() })
    }

    /// Writes the message. Messages in messages wait on a stack of their own, so that depth costs no call stack.
    pub(super) fn message(mut self, message: &Message<'_>) -> Result<Exported> {
        self.done.message_id = message.properties().string(tags::INTERNET_MESSAGE_ID)?.unwrap_or_default();
        let mut outer = Vec::new();
        let mut current = self.begin(message, "/".to_owned())?;
        loop {
            if let Some((number, attachment)) = current.rest.next() {
                let path = format!("{}__attach_version1.0_#{number:08X}/", current.path);
                if let Some(inner) = self.attachment(&attachment, &path, number)? {
                    let mut frame = self.begin(&inner, format!("{path}{}/", stream_name(tags::ATTACH_DATA_OBJECT)))?;
                    frame.message = Some(inner);
                    outer.push(std::mem::replace(&mut current, frame));
                }
                continue;
            }
            if let Some(inner) = &current.message {
                self.done.take_state(inner, 1);
            }
            match outer.pop() {
                Some(frame) => current = frame,
                None => break,
            }
        }
        self.done.take_state(message, 0);
        self.finish()
    }

    fn finish(mut self) -> Result<Exported> {
        self.file.create_storage("/__nameid_version1.0").map_err(io)?;
        for (name, bytes) in self.names.streams() {
            self.stream(&format!("/__nameid_version1.0/{name}"), &bytes)?;
        }
        self.file.set_storage_clsid("/", MESSAGE_CLSID).map_err(io)?;
        // the crate sets the time of the run: no file is like another one then
        let storages: Vec<_> = self.file.walk().filter(|e| !e.is_stream()).map(|e| e.path().to_owned()).collect();
        let zero = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(11_644_473_600)).unwrap_or(SystemTime::UNIX_EPOCH);
        for path in storages {
            self.file.set_created_time(&path, zero).map_err(io)?;
            self.file.set_modified_time(&path, zero).map_err(io)?;
        }
        self.file.flush().map_err(io)?;
        Ok(self.done)
    }

    fn stream(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let mut stream = self.file.create_stream(path).map_err(io)?;
        self.exporter.bytes.spend(wide(bytes.len()));
        stream.write_all(bytes).and_then(|()| stream.flush()).map_err(io)
    }

    /// Writes the properties and the recipients of a message.
    fn begin<'a>(&mut self, message: &Message<'a>, path: String) -> Result<Frame<'a>> {
        let is_top = path == "/";
        let p = message.properties();
        let mut entries = Entries::default();
        // an ANSI store keeps HTML as text: the property left out here comes as its bytes
        let html = |tag: PropTag| tag.id() == tags::HTML.id() && tag.prop_type() != PropType::BINARY;
        self.properties(p, &path, &mut entries, &|tag| tag.prop_type() == PropType::OBJECT || html(tag))?;
        if p.tags().any(html)
            && let Some(bytes) = message.html()?
        {
            self.value(tags::HTML.with_type(PropType::BINARY), &PropValue::Binary(bytes), &path, &mut entries)?;
        }
        entries.put_i32(tags::STORE_SUPPORT_MASK, STORE_SUPPORT);
        self.subject(message, &path, &mut entries)?;
        let recipients = self.recipients(message, &path)?;
        let attachments = if self.exporter.attachments.is_spent() {
            self.done.partial(TOO_OFTEN);
            Vec::new()
        } else {
            message.attachments()?
        };
        let (r, a) = (low32(wide(recipients)).to_le_bytes(), low32(wide(attachments.len())).to_le_bytes());
        let mut head = [[0; 4], [0; 4], r, a, r, a].concat();
        if is_top {
            head.extend([0; 8]);
        }
        self.stream(&format!("{path}__properties_version1.0"), &entries.to_stream(&head))?;
        Ok(Frame { message: None, path, rest: attachments.into_iter().enumerate() })
    }

    /// The subject without the mark of its prefix, which only data files have, and its two parts ([MS-OXCMSG] 2.2.1.46).
    fn subject(&mut self, message: &Message<'_>, path: &str, entries: &mut Entries) -> Result<()> {
        let Some(stored) = message.properties().string(tags::SUBJECT)? else { return Ok(()) };
        let plain = crate::messaging::plain_subject(stored.clone());
        let mut marked = stored.chars();
        let prefix = match (marked.next(), marked.next()) {
            (Some('\u{1}'), Some(n)) => usize::try_from(u32::from(n)).unwrap_or(0).saturating_sub(1),
            _ => 0,
        };
        let (prefix, rest): (String, String) = (plain.chars().take(prefix).collect(), plain.chars().skip(prefix).collect());
        for (tag, text) in [(tags::SUBJECT, &plain), (tags::SUBJECT_PREFIX, &prefix), (tags::NORMALIZED_SUBJECT, &rest)] {
            self.value(tag.with_type(PropType::STRING), &PropValue::String(text.clone()), path, entries)?;
        }
        Ok(())
    }

    fn recipients(&mut self, message: &Message<'_>, path: &str) -> Result<usize> {
        if self.exporter.bytes.is_spent() {
            self.done.partial(TOO_OFTEN);
            return Ok(0);
        }
        let all = message.recipient_cells()?;
        for (number, cells) in all.iter().enumerate() {
            let own = format!("{path}__recip_version1.0_#{number:08X}/");
            self.file.create_storage(&own).map_err(io)?;
            let mut entries = Entries::default();
            entries.put_i32(tags::ROW_ID, i32::try_from(number).unwrap_or(i32::MAX));
            for (tag, value) in cells.iter().filter(|(t, _)| !is_of_file(*t)) {
                if let Some(tag) = self.named(message.properties(), *tag)? {
                    self.value(tag, value, &own, &mut entries)?;
                }
            }
            if !entries.has(tags::OBJECT_TYPE) {
                entries.put_i32(tags::OBJECT_TYPE, 6);
            }
            self.exporter.bytes.spend(wide(cells.len()).saturating_mul(64));
            self.stream(&format!("{own}__properties_version1.0"), &entries.to_stream(&[0; 8]))?;
        }
        Ok(all.len())
    }

    /// Writes an attachment; answers the message that it embeds, which comes next.
    fn attachment<'a>(&mut self, a: &Attachment<'a>, path: &str, number: usize) -> Result<Option<Message<'a>>> {
        self.done.attachments.expected = self.done.attachments.expected.saturating_add(1);
        let p = a.properties();
        let name = a.name()?.unwrap_or_default();
        self.file.create_storage(path).map_err(io)?;
        let mut entries = Entries::default();
        let data = tags::ATTACH_DATA_BINARY.id();
        self.properties(p, path, &mut entries, &|tag| tag.id() == data || tag.prop_type() == PropType::OBJECT)?;
        entries.put_i32(tags::ATTACH_NUMBER, i32::try_from(number).unwrap_or(i32::MAX));
        entries.put_i32(tags::OBJECT_TYPE, 7);
        entries.put_i32(tags::STORE_SUPPORT_MASK, STORE_SUPPORT);
        let inner = if !self.exporter.attachments.take(1) || self.exporter.bytes.is_spent() {
            self.done.leave_out(&name, TOO_OFTEN);
            None
        } else if a.method()? == AttachMethod::Embedded {
            self.embedded(a, path, &name, &mut entries)?
        } else {
            self.data(a, path, &name, &mut entries)?;
            None
        };
        self.stream(&format!("{path}__properties_version1.0"), &entries.to_stream(&[0; 8]))?;
        Ok(inner)
    }

    fn embedded<'a>(&mut self, a: &Attachment<'a>, path: &str, name: &str, entries: &mut Entries) -> Result<Option<Message<'a>>> {
        let found = match a.embedded() {
            Ok(found) => found.ok_or_else(|| "the message in it is missing".to_owned()),
            Err(e) if a.properties().pst().is_strict() => return Err(e),
            Err(e) => Err(e.to_string()),
        };
        self.done.note(&a.properties().problems());
        match found {
            Ok(inner) => {
                entries.put_size(tags::ATTACH_DATA_OBJECT, NO_SIZE.into(), EMBEDDED);
                self.file.create_storage(format!("{path}{}", stream_name(tags::ATTACH_DATA_OBJECT))).map_err(io)?;
                self.done.attachments.written = self.done.attachments.written.saturating_add(1);
                Ok(Some(inner))
            }
            Err(why) => {
                self.done.leave_out(name, &why);
                Ok(None)
            }
        }
    }

    /// Writes the data of an attachment that embeds no message.
    fn data(&mut self, a: &Attachment<'_>, path: &str, name: &str, entries: &mut Entries) -> Result<()> {
        if let Some(target) = elsewhere(a)? {
            self.done.refer(&target, name);
            return Ok(());
        }
        let Some(mut data) = a.data()?.map(ValueReader::lossy) else {
            self.done.note(&a.properties().problems());
            if a.method()? == AttachMethod::None {
                self.done.attachments.written = self.done.attachments.written.saturating_add(1);
            } else {
                self.done.leave_out(name, "its data is missing");
            }
            return Ok(());
        };
        if a.method()? == AttachMethod::Ole && data.len() <= OLE_MAX {
            let mut bytes = Vec::new();
            data.read_to_end(&mut bytes).map_err(io)?;
            let storage = format!("{path}{}/", stream_name(tags::ATTACH_DATA_OBJECT));
            if self.ole(&bytes, &storage)? {
                entries.put_size(tags::ATTACH_DATA_OBJECT, NO_SIZE.into(), STORAGE);
            } else {
                // no storage: its bytes, as they are
                self.stream(&format!("{path}{}", stream_name(tags::ATTACH_DATA_BINARY)), &bytes)?;
                entries.put_size(tags::ATTACH_DATA_BINARY, wide(bytes.len()), 0);
            }
        } else {
            let length = self.copy(&mut data, &format!("{path}{}", stream_name(tags::ATTACH_DATA_BINARY)))?;
            entries.put_size(tags::ATTACH_DATA_BINARY, length, 0);
        }
        self.done.take_attachment(a, data.problems());
        Ok(())
    }

    fn copy(&mut self, data: &mut ValueReader<'_>, path: &str) -> Result<u64> {
        let mut stream = self.file.create_stream(path).map_err(io)?;
        let length = std::io::copy(data, &mut stream).and_then(|n| stream.flush().map(|()| n)).map_err(io)?;
        self.exporter.bytes.spend(length);
        Ok(length)
    }

    /// Copies an OLE storage, which is a compound file of its own; says whether it is one. Nothing is written where it is none, or where its
    /// parts are more than its bytes can hold.
    fn ole(&mut self, bytes: &[u8], to: &str) -> Result<bool> {
        let Ok(mut from) = CompoundFile::open(Cursor::new(bytes)) else { return Ok(false) };
        let Some(parts) = parts_of(&from, wide(bytes.len())) else { return Ok(false) };
        for part in parts {
            let inner = part.path.strip_prefix("/").unwrap_or(&part.path).to_string_lossy().into_owned();
            let own = format!("{to}{inner}");
            let copied = match part.clsid {
                Some(clsid) => self.file.create_storage_all(&own).and_then(|()| self.file.set_storage_clsid(&own, clsid)),
                None => {
                    let mut read = Vec::new();
                    let whole = from.open_stream(&part.path).and_then(|mut s| s.read_to_end(&mut read));
                    self.exporter.bytes.spend(wide(read.len()));
                    let written = self.file.create_stream(&own).and_then(|mut s| s.write_all(&read).and_then(|()| s.flush()));
                    whole.map_err(|e| std::io::Error::new(ErrorKind::InvalidData, e)).and(written)
                }
            };
            match copied {
                // names that a compound file cannot have, two of one name, and damage end the part, not the run
                Err(e) if OF_PART.contains(&e.kind()) => self.done.partial(&format!("OLE part {inner}: {e}")),
                other => other.map_err(io)?,
            }
        }
        Ok(true)
    }

    /// Writes every property of an object but those that are left out.
    fn properties(&mut self, p: &Properties<'_>, path: &str, entries: &mut Entries, left_out: &dyn Fn(PropTag) -> bool) -> Result<()> {
        for tag in p.tags().filter(|t| !is_of_file(*t) && !left_out(*t) && t.0 != 0) {
            if self.exporter.bytes.is_spent() {
                self.done.partial(TOO_OFTEN);
                break;
            }
            let Some(own) = self.named(p, tag)? else { continue };
            if matches!(tag.prop_type(), PropType::STRING | PropType::BINARY) {
                if let Some(reader) = p.stream(tag)? {
                    if tag.prop_type() == PropType::STRING
                        && reader.len() <= TEXT_HELD
                        && let Some(text) = p.get(tag)?
                    {
                        // some programs store the NUL at the end, which a message file does not have
                        self.value(own, &text, path, entries)?;
                        continue;
                    }
                    let mut reader = reader.lossy();
                    let length = self.copy(&mut reader, &format!("{path}{}", stream_name(own)))?;
                    let end = if tag.prop_type() == PropType::STRING { 2 } else { 0 };
                    entries.put_size(own, length.saturating_add(end), 0);
                    let problems = reader.problems().to_vec();
                    self.done.note(&problems);
                }
            } else if let Some(value) = p.get(tag)? {
                self.value(own, &value, path, entries)?;
            }
        }
        Ok(())
    }

    /// The tag of a property within the file; `None` where there are more names than ids. A name that is lost stands as a number of PS_MAPI,
    /// as in a data file: the value is not given up.
    fn named(&mut self, p: &Properties<'_>, tag: PropTag) -> Result<Option<PropTag>> {
        let unicode = match tag.prop_type() {
            PropType::STRING8 => PropType::STRING,
            PropType::MULTI_STRING8 => PropType::MULTI_STRING,
            other => other,
        };
        if tag.id() < NAMED_FIRST {
            return Ok(Some(tag.with_type(unicode)));
        }
        let lost = PropertyName::number(Guid::PS_MAPI, tag.id().into());
        let id = self.names.id(p.pst().names().name(tag.id()).unwrap_or(&lost));
        if id.is_none() {
            self.done.partial(&format!("property {tag} is left out: a message file has no more ids for names"));
        }
        Ok(id.map(|id| PropTag::new(id, unicode)))
    }

    /// Writes a value into its entry, or into a stream of its own ([MS-OXMSG] 2.1.3, 2.4.2).
    fn value(&mut self, tag: PropTag, value: &PropValue, path: &str, entries: &mut Entries) -> Result<()> {
        let name = format!("{path}{}", stream_name(tag));
        match value {
            PropValue::Null => {}
            PropValue::Object(_) | PropValue::Unknown(..) => {
                self.done.partial(&format!("property {tag} is left out: a message file has no form for its type"));
            }
            PropValue::Integer16(_)
            | PropValue::Integer32(_)
            | PropValue::Floating32(_)
            | PropValue::Floating64(_)
            | PropValue::Currency(_)
            | PropValue::FloatingTime(_)
            | PropValue::ErrorCode(_)
            | PropValue::Boolean(_)
            | PropValue::Integer64(_)
            | PropValue::Time(_) => entries.put(tag, &value.encode()),
            PropValue::String(text) => {
                let bytes = crate::ltp::encode_utf16(text);
                entries.put_size(tag, wide(bytes.len()).saturating_add(2), 0);
                self.stream(&name, &bytes)?;
            }
            PropValue::MultiString(all) => {
                let ended = |text: &String| [crate::ltp::encode_utf16(text), vec![0, 0]].concat();
                self.many(tag, &name, &all.iter().map(ended).collect::<Vec<_>>(), 4, entries)?;
            }
            PropValue::MultiBinary(all) => self.many(tag, &name, all, 8, entries)?,
            // bytes, and values of one size one behind the other
            _ => {
                let bytes = value.encode();
                entries.put_size(tag, wide(bytes.len()), 0);
                self.stream(&name, &bytes)?;
            }
        }
        Ok(())
    }

    /// Writes values of any size: a stream of their sizes, each of `width` bytes, and a stream for each.
    fn many(&mut self, tag: PropTag, name: &str, all: &[Vec<u8>], width: usize, entries: &mut Entries) -> Result<()> {
        let mut sizes = Vec::new();
        for (number, bytes) in all.iter().enumerate() {
            sizes.extend(wide(bytes.len()).to_le_bytes().into_iter().take(width));
            self.stream(&format!("{name}-{number:08X}"), bytes)?;
        }
        entries.put_size(tag, wide(sizes.len()), 0);
        self.stream(name, &sizes)
    }
}

impl Exporter<'_> {
    /// Writes a message as MSG: see [`msg`](super::msg).
    ///
    /// # Errors
    /// An error of `out`; in strict reading, the first violation.
    pub fn msg(&self, message: &Message<'_>, out: impl Read + Write + Seek) -> Result<Exported> {
        Run::new(self, message, out)?.message(message)
    }
}
