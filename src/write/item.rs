//! Writing messages: recipient and attachment tables, sizes, flags, and the row that follows from them ([MS-PST] 2.4.5, 2.4.6).

use super::message::{AttachmentData, Named, NewAttachment, NewMessage, NewRecipient, WrittenMessage};
use super::pc::{PcBuilder, SubNodes};
use super::props::{Data, Props, from_utf16};
use super::rows::Rows;
use super::store::PstWriter;
use super::tc::TableKind;
use super::templates::{ATTACHMENTS, RECIPIENTS, columns_for};
use super::tree::{DataWriter, WrittenData};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::low32;
use crate::format::ids::{Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::messaging::code_page::CodePage;
use crate::messaging::conversation;

/// MSGFLAG_READ.
pub(super) const FLAG_READ: i32 = 0x01;
/// MSGFLAG_HASATTACH.
const FLAG_ATTACHMENTS: i32 = 0x10;
/// MSGFLAG_ASSOCIATED.
const FLAG_ASSOCIATED: i32 = 0x40;
/// Messages within messages.
const DEPTH_MAX: u16 = 64;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Folder,
    Associated,
    Attachment,
}

/// A message that is written, and the values of its row.
pub(super) struct Item {
    pub(super) written: WrittenMessage,
    pub(super) props: Props,
    pub(super) large: Vec<(PropTag, WrittenData)>,
}

impl PstWriter<'_> {
    /// Writes a message's blocks, but no node: for an embedded message that is written before its attachment.
    ///
    /// # Errors
    /// As [`add_message`](Self::add_message).
    pub fn write_embedded(&mut self, message: NewMessage) -> Result<WrittenMessage> {
        Ok(self.write_item(message, Place::Attachment, 0)?.written)
    }

    pub(super) fn write_item(&mut self, message: NewMessage, place: Place, depth: u16) -> Result<Item> {
        if depth > DEPTH_MAX {
            return Err(ErrorKind::Usage(format!("messages are embedded more than {DEPTH_MAX} deep")).into());
        }
        let NewMessage { mut props, named, recipients, attachments, mut subnodes, verbatim, .. } = message;
        self.fit(&mut props, named, verbatim)?;
        let has_attachments = !attachments.is_empty();
        let shown: &[NewRecipient] = if verbatim { &[] } else { &recipients };
        self.complete_message(&mut props, shown, has_attachments, place);
        if recipients.is_empty() && !verbatim {
            // Outlook leaves it out; [MS-PST] 2.4.5.1 and one reader demand it
            let table = self.empty_table(Nid::RECIPIENT_TABLE)?;
            subnodes.add(Nid::RECIPIENT_TABLE, table);
        }
        if !recipients.is_empty() {
            let table = self.write_recipients(recipients, verbatim)?;
            subnodes.add(Nid::RECIPIENT_TABLE, table);
        }
        if verbatim && place != Place::Attachment && !has_attachments && subnodes.is_empty() {
            // one whose sub-nodes are lost: some readers pass over a message that has none
            let table = self.empty_table(Nid::RECIPIENT_TABLE)?;
            subnodes.add(Nid::RECIPIENT_TABLE, table);
        }
        if has_attachments {
            let columns = columns_for(self.ndb.layout().is_ansi(), ATTACHMENTS);
            let mut rows = Rows::new(columns);
            for attachment in attachments {
                self.write_attachment(attachment, &mut subnodes, &mut rows, (depth, verbatim))?;
            }
            let table = rows.write(&mut self.ndb, TableKind::Plain, &mut |_, _| ())?;
            subnodes.add(Nid::ATTACHMENT_TABLE, table);
        }
        let mut pc = PcBuilder::new(&mut self.ndb, &props, subnodes)?;
        let size = pc.set_size(tags::MESSAGE_SIZE)?;
        props.set(tags::MESSAGE_SIZE, size.to_le_bytes());
        let large = props.iter().filter_map(|(tag, _)| Some((tag, pc.large_value(tag)?))).collect();
        let node = pc.finish(&mut self.ndb)?;
        Ok(Item { written: WrittenMessage { node, size }, props, large })
    }

    /// Makes properties such as this file holds them: names become ids, texts are narrowed in ANSI files.
    pub(super) fn fit(&mut self, props: &mut Props, named: Vec<Named>, verbatim: bool) -> Result<()> {
        for Named { name, prop_type, data } in named {
            let id = self.names.add(&name)?;
            props.put(PropTag::new(id, prop_type), data);
        }
        if self.ndb.layout().is_ansi() && !verbatim {
            let lost = props.narrow(self.code_page);
            self.characters_lost = self.characters_lost.saturating_add(crate::format::bytes::wide(lost.len()));
        }
        Ok(())
    }

    /// Sets the properties that every message has and those that follow from its parts.
    fn complete_message(&mut self, props: &mut Props, recipients: &[NewRecipient], has_attachments: bool, place: Place) {
        let ansi = self.ndb.layout().is_ansi();
        let text = |tag: PropTag| if ansi { tag.with_type(PropType::STRING8) } else { tag };
        if !props.has(tags::MESSAGE_CLASS.id()) {
            let class = if ansi { b"IPM.Note".to_vec() } else { super::props::utf16("IPM.Note") };
            props.set(text(tags::MESSAGE_CLASS), class);
        }
        // Values of rows and of the table itself must not stand in the object.
        for tag in [tags::LTP_ROW_ID, tags::LTP_ROW_VER, tags::MESSAGE_STATUS, tags::CONVERSATION_ID] {
            props.remove(tag.id());
        }
        for tag in [tags::DISPLAY_TO, tags::DISPLAY_CC, tags::DISPLAY_BCC] {
            if props.get(tag.id()).is_some_and(|(_, d)| d.size() == 0) {
                props.remove(tag.id());
            }
        }
        for (tag, kind) in [(tags::DISPLAY_TO, 1), (tags::DISPLAY_CC, 2), (tags::DISPLAY_BCC, 3)] {
            let names: Vec<String> = recipients
                .iter()
                .filter(|r| r.props.i32(tags::RECIPIENT_TYPE) == Some(kind))
                .filter_map(|r| r.props.str(tags::DISPLAY_NAME))
                .filter(|n| !n.is_empty())
                .collect();
            if !props.has(tag.id()) && !names.is_empty() {
                let mut one = Props::new();
                one.set_str(tag, &names.join("; "));
                if ansi {
                    one.narrow(self.code_page);
                }
                if let Some((tag, data)) = one.remove(tag.id()) {
                    props.put(tag, data);
                }
            }
        }
        let mut flags = props.i32(tags::MESSAGE_FLAGS).unwrap_or(0);
        flags = if has_attachments { flags | FLAG_ATTACHMENTS } else { flags & !FLAG_ATTACHMENTS };
        flags = if place == Place::Associated { flags | FLAG_ASSOCIATED } else { flags & !FLAG_ASSOCIATED };
        props.set_i32(tags::MESSAGE_FLAGS, flags).set_i32(tags::MESSAGE_SIZE, 0);
        let now = self.now;
        props.or(tags::CREATION_TIME, || now.0.to_le_bytes().to_vec());
        let created = props.bytes(tags::CREATION_TIME).map_or_else(|| now.0.to_le_bytes().to_vec(), <[u8]>::to_vec);
        props.or(tags::LAST_MODIFICATION_TIME, || created);
        let key = self.keys.key();
        props.or(tags::SEARCH_KEY, || key.to_vec());
    }

    fn write_recipients(&mut self, recipients: Vec<NewRecipient>, verbatim: bool) -> Result<super::pc::Node> {
        let ansi = self.ndb.layout().is_ansi();
        let mut columns = columns_for(ansi, RECIPIENTS);
        let mut fitted = Vec::with_capacity(recipients.len());
        for NewRecipient { mut props, row_id } in recipients {
            self.fit(&mut props, Vec::new(), verbatim)?;
            for (tag, _) in props.iter() {
                if !columns.contains(&tag) && columns.len() < 200 {
                    columns.push(tag);
                }
            }
            fitted.push((props, row_id));
        }
        let mut rows = Rows::new(columns);
        for (props, row_id) in fitted {
            let mut large = Vec::new();
            for (tag, data) in props.iter() {
                if let Data::Bytes(bytes) = data
                    && bytes.len() > super::pc::VALUE_IN_HEAP
                {
                    large.push((tag, self.ndb.write_data(bytes)?));
                }
            }
            let id = match row_id {
                Some(id) => id,
                None => self.ndb.next_unique(),
            };
            let version = self.ndb.next_unique();
            rows.push(id, version, &props, &[], &|tag| large.iter().find(|(t, _)| *t == tag).map(|(_, tree)| *tree));
        }
        rows.write(&mut self.ndb, TableKind::Plain, &mut |_, _| ())
    }

    fn write_attachment(
        &mut self,
        attachment: NewAttachment,
        message: &mut SubNodes,
        rows: &mut Rows,
        (depth, verbatim): (u16, bool),
    ) -> Result<()> {
        let NewAttachment { mut props, named, data, nid, mut subnodes } = attachment;
        let nid = match nid {
            Some(nid) => nid,
            None => self.ndb.next_nid(NidType::ATTACHMENT)?,
        };
        self.fit(&mut props, named, verbatim)?;
        let method = match data {
            AttachmentData::None => None,
            AttachmentData::Bytes(_) | AttachmentData::Reader(_) | AttachmentData::Written(_) => Some(1),
            AttachmentData::Message(_) | AttachmentData::WrittenMessage(_) => Some(5),
            AttachmentData::Ole(_) | AttachmentData::WrittenObject { .. } => Some(6),
        };
        match data {
            AttachmentData::None => {}
            AttachmentData::Bytes(bytes) => {
                props.set(tags::ATTACH_DATA_BINARY, bytes);
            }
            AttachmentData::Reader(mut reader) => {
                let tree = self.copy_reader(&mut *reader)?;
                props.put(tags::ATTACH_DATA_BINARY, Data::Written(tree));
            }
            AttachmentData::Written(tree) => {
                props.put(tags::ATTACH_DATA_BINARY, Data::Written(tree));
            }
            AttachmentData::Message(inner) => {
                let nid = match inner.nid {
                    Some(nid) => nid,
                    None => self.ndb.next_nid(NidType::NORMAL_MESSAGE)?,
                };
                let WrittenMessage { node, size } = self.write_item(*inner, Place::Attachment, depth.saturating_add(1))?.written;
                subnodes.add(nid, node);
                props.put(tags::ATTACH_DATA_OBJECT, Data::Object { nid, size });
            }
            AttachmentData::WrittenMessage(WrittenMessage { node, size }) => {
                let nid = self.ndb.next_nid(NidType::NORMAL_MESSAGE)?;
                subnodes.add(nid, node);
                props.put(tags::ATTACH_DATA_OBJECT, Data::Object { nid, size });
            }
            AttachmentData::Ole(bytes) => {
                let nid = self.ndb.next_nid(NidType::OBJECT_DATA)?;
                let tree = self.ndb.write_data(&bytes)?;
                subnodes.add_data(nid, tree);
                props.put(tags::ATTACH_DATA_OBJECT, Data::Object { nid, size: low32(tree.bytes) });
            }
            AttachmentData::WrittenObject { nid, node, size } => {
                let nid = match nid {
                    Some(nid) => nid,
                    None => self.ndb.next_nid(NidType::OBJECT_DATA)?,
                };
                subnodes.add(nid, node);
                props.put(tags::ATTACH_DATA_OBJECT, Data::Object { nid, size });
            }
        }
        for tag in [tags::LTP_ROW_ID, tags::LTP_ROW_VER] {
            props.remove(tag.id());
        }
        props.or(tags::ATTACH_METHOD, || method.unwrap_or(0i32).to_le_bytes().to_vec());
        props.or(tags::RENDERING_POSITION, || (-1i32).to_le_bytes().to_vec());
        props.set_i32(tags::ATTACH_SIZE, 0);
        let size = low32(props.size());
        props.set(tags::ATTACH_SIZE, size.to_le_bytes());
        let pc = PcBuilder::new(&mut self.ndb, &props, subnodes)?;
        let large: Vec<(PropTag, WrittenData)> = props.iter().filter_map(|(tag, _)| Some((tag, pc.large_value(tag)?))).collect();
        let node = pc.finish(&mut self.ndb)?;
        message.add(nid, node);
        let version = self.ndb.next_unique();
        rows.push(nid.0, version, &props, &[], &|tag| large.iter().find(|(t, _)| *t == tag).map(|(_, tree)| *tree));
        Ok(())
    }

    /// Writes the bytes that a reader yields.
    pub(super) fn copy_reader(&mut self, reader: &mut dyn std::io::Read) -> Result<WrittenData> {
        let mut data = DataWriter::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return data.finish(&mut self.ndb),
                Ok(n) => data.push(&mut self.ndb, buffer.get(..n).unwrap_or_default())?,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ErrorKind::Io(e).into()),
            }
        }
    }
}

/// The id of the conversation that a message's row bears.
pub(super) fn conversation_id(props: &Props, code_page: CodePage) -> Option<[u8; 16]> {
    let topic = match props.get(tags::CONVERSATION_TOPIC.id()) {
        Some((t, Data::Bytes(b))) if t.prop_type() == PropType::STRING => Some(from_utf16(b)),
        Some((t, Data::Bytes(b))) if t.prop_type() == PropType::STRING8 => Some(code_page.decode(b).0.into_owned()),
        _ => None,
    };
    let is_tracked = props.bool(tags::CONVERSATION_INDEX_TRACKING) == Some(true);
    conversation::conversation_id(is_tracked, props.bytes(tags::CONVERSATION_INDEX), topic.as_deref())
}
