//! Messages: recipients, attachments, embedded messages to any depth without recursion.

use super::object::{named_by, row_only, without_row_only};
use super::strays::recipients_in;
use super::{Copier, LISTED_MAX, Trouble};
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::bytes::{low32, wide};
use crate::format::context::ObjectValue;
use crate::format::ids::{Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::ltp::value::{latin1, utf16};
use crate::ltp::{PropertyContext, TableContext};
use crate::messaging::code_page::CodePage;
use crate::ndb::Node;
use crate::write::{AttachmentData, Data, NewAttachment, NewMessage, NewRecipient, Props, SubNodes};
use std::collections::HashSet;

/// Attachment methods: bytes, a message, an object of another program.
const BY_VALUE: i32 = 1;
const EMBEDDED: i32 = 5;
const OLE: i32 = 6;
/// The type of a recipient in the To line.
const TO: i32 = 1;

/// Gives a damaged message the values of its row: missing ones, and, from a sound row, different ones. A row repeats values that
/// the message itself says; texts may end earlier in it.
fn adopt_row(props: &mut Props, cells: &Props, is_row_whole: bool) {
    for (tag, data) in without_row_only(cells.clone()).iter() {
        let differs = match (props.get(tag.id()), data) {
            (None, _) => true,
            (Some((t, Data::Bytes(own))), Data::Bytes(cell)) => {
                let may_be_damage = own.len() == cell.len() || tag.id() == tags::MESSAGE_CLASS.id();
                is_row_whole && t == tag && may_be_damage && own != cell
            }
            _ => false,
        };
        if differs {
            props.put(tag, data.clone());
        }
    }
    // nor is a class in other letters than those of ASCII one that any reader knows: a message without one is a plain one
    let class = props.get(tags::MESSAGE_CLASS.id()).map(|(t, d)| (t, d.clone()));
    if let Some((t, Data::Bytes(bytes))) = class
        && let text = if t.prop_type() == PropType::STRING8 { latin1(&bytes) } else { utf16(&bytes) }
        && !text.chars().all(|c| matches!(c, ' '..='~'))
    {
        props.remove(tags::MESSAGE_CLASS.id());
    }
}

/// Takes the properties of stores and folders out of a damaged message: there are readers that take it for one of those then.
fn without_containers(props: &mut Props) -> bool {
    let strange: Vec<u16> = props.iter().map(|(t, _)| t.id()).filter(|id| matches!(id, 0x35DF..=0x36FF)).collect();
    strange.iter().for_each(|id| _ = props.remove(*id));
    !strange.is_empty()
}

/// The message among an attachment's sub-nodes, where its properties do not name it any more.
fn message_in<'s>(attachment: &Node<'s>) -> Option<Node<'s>> {
    let subnodes = attachment.subnodes(&mut Ignore).ok()?;
    let nid = subnodes.iter().map(|e| e.nid).find(|n| n.nid_type() == NidType::NORMAL_MESSAGE)?;
    attachment.subnode(nid, &mut Ignore).ok().flatten()
}

/// A message that is being read: its attachments come one after the other, and those with a message in them wait for it.
struct Frame<'s> {
    node: Node<'s>,
    /// Its properties are there, whole or not.
    readable: bool,
    message: NewMessage,
    page: CodePage,
    attachments: std::vec::IntoIter<Node<'s>>,
    /// The attachment that waits for the message above this frame.
    waiting: Option<NewAttachment>,
}

impl<'s> Copier<'s, '_> {
    /// Copies a message of a folder. One whose properties are lost is made of its row.
    pub(super) fn copy_message(&mut self, nid: Nid, folder: Nid, tables: &[Option<(TableContext<'_>, bool)>; 2]) -> Result<()> {
        let mut trouble = Trouble::default();
        let is_associated = nid.nid_type() == NidType::ASSOC_MESSAGE;
        let counts = if is_associated { &mut self.report.associated } else { &mut self.report.messages };
        counts.expected = counts.expected.saturating_add(1);
        let [contents, associated] = tables;
        let table = if is_associated { associated } else { contents };
        let mut row_trouble = Trouble::default();
        let row = table.as_ref().and_then(|(t, _)| t.row_by_id(nid.0, &mut row_trouble.findings).ok().flatten());
        let cells = match (table, &row) {
            (Some((table, _)), Some(row)) => self.read_row(table, row, &mut row_trouble)?,
            _ => Props::new(),
        };
        let is_row_whole = table.as_ref().is_some_and(|t| t.1) && row_trouble.findings.is_empty() && row_trouble.values == 0;
        let frame = match self.pst.ndb().node(nid) {
            Some(node) => self.open(node, &mut trouble)?,
            None => None,
        };
        let readable = frame.as_ref().is_some_and(|f| f.readable);
        let mut message = match frame {
            Some(frame) => {
                let is_lossy = trouble.is_lossy();
                let mut message = self.read_whole(frame, &mut trouble)?;
                if !readable || is_lossy {
                    adopt_row(&mut message.props, &cells, is_row_whole);
                    if without_containers(&mut message.props) {
                        trouble.value();
                    }
                }
                message
            }
            None if without_row_only(cells.clone()).is_empty() => {
                self.lose_message(nid, folder);
                self.settle(trouble);
                return Ok(());
            }
            None => {
                let mut props = without_row_only(cells.clone());
                without_containers(&mut props);
                NewMessage { props, verbatim: true, ..NewMessage::default() }
            }
        };
        message.nid = Some(nid);
        message.row_only = row_only(&cells);
        if let Some(status) = message.props.bytes(tags::MESSAGE_STATUS).map(<[u8]>::to_vec)
            && !message.row_only.iter().any(|(t, _)| *t == tags::MESSAGE_STATUS)
        {
            message.row_only.push((tags::MESSAGE_STATUS, status));
        }
        self.complete_times(&mut message.props, &cells);
        if is_associated {
            self.out.add_associated(folder, message)?;
        } else {
            self.out.add_message(folder, message)?;
        }
        let counts = if is_associated { &mut self.report.associated } else { &mut self.report.messages };
        Self::count(counts, readable, &trouble);
        if (!readable || trouble.is_lossy()) && self.report.partial.len() < LISTED_MAX {
            self.report.partial.push(nid);
        }
        self.settle(trouble);
        Ok(())
    }

    /// Times that the format demands and the message lacks come from its row, or from when it was delivered or sent.
    fn complete_times(&self, props: &mut Props, cells: &Props) {
        let time = |props: &Props, tag: PropTag| props.bytes(tag).map(<[u8]>::to_vec);
        for tag in [tags::CREATION_TIME, tags::LAST_MODIFICATION_TIME] {
            if !props.has(tag.id()) {
                let others = [tags::LAST_MODIFICATION_TIME, tags::CREATION_TIME, tags::MESSAGE_DELIVERY_TIME, tags::CLIENT_SUBMIT_TIME];
                let found = time(cells, tag).or_else(|| others.iter().find_map(|t| time(props, *t)));
                if let Some(bytes) = found {
                    props.set(tag, bytes);
                }
            }
        }
    }

    /// Opens a message: its properties, recipients and other sub-nodes; the attachments are still to be read. Where the properties are
    /// lost, the rest may be there.
    fn open(&mut self, node: Node<'s>, trouble: &mut Trouble) -> Result<Option<Frame<'s>>> {
        let mark = trouble.mark();
        let pc = PropertyContext::open(node.clone(), &mut trouble.findings).ok().flatten();
        if pc.is_none() {
            trouble.value();
        }
        let page = pc.as_ref().map_or(self.code_page, |pc| self.page_of(pc));
        let mut message = NewMessage { verbatim: true, ..NewMessage::default() };
        let mut named = Vec::new();
        if let Some(pc) = &pc {
            message.props = self.read_props(pc, page, trouble)?;
            named = named_by(pc);
        }
        let readable = pc.is_some();
        let node = pc.as_ref().and_then(|pc| pc.node().cloned()).unwrap_or(node);
        let mut attachments = Vec::new();
        let all: Vec<Nid> = match node.subnodes(&mut trouble.findings) {
            Ok(tree) => tree.iter().map(|e| e.nid).collect(),
            Err(_) => Vec::new(),
        };
        let of_type = |t: NidType| all.iter().copied().filter(move |n| n.nid_type() == t);
        // a table whose id is damaged is still the only one of its type
        let renamed: Vec<Nid> = of_type(NidType::RECIPIENT_TABLE).chain(of_type(NidType::ATTACHMENT_TABLE)).collect();
        let table = match of_type(NidType::RECIPIENT_TABLE).next() {
            Some(_) if all.contains(&Nid::RECIPIENT_TABLE) => Some(Nid::RECIPIENT_TABLE),
            Some(other) => Some(other),
            None => recipients_in(&node, &named),
        };
        if let Some(table) = table
            && let Ok(Some(table)) = node.subnode(table, &mut trouble.findings)
        {
            message.recipients = self.read_recipients(table, trouble)?;
        }
        let ids: Vec<Nid> = of_type(NidType::ATTACHMENT).collect();
        self.count_gone(&node, &ids, trouble);
        for nid in ids {
            if let Ok(Some(sub)) = node.subnode(nid, &mut trouble.findings) {
                attachments.push(sub);
            }
        }
        let mut known = renamed;
        known.extend(table);
        known.extend(attachments.iter().map(|a| a.nid));
        message.subnodes = self.copy_unknown_subnodes(Some(&node), &named, &known, trouble)?;
        if trouble.is_lossy_since(mark) {
            self.adopt_bodies(&node, &named, &mut message.props, trouble)?;
        }
        if !readable && message.props.is_empty() && message.recipients.is_empty() && attachments.is_empty() {
            return Ok(None);
        }
        Ok(Some(Frame { node, readable, message, page, attachments: attachments.into_iter(), waiting: None }))
    }

    /// Counts the attachments that only a row is left of.
    fn count_gone(&mut self, message: &Node<'_>, there: &[Nid], trouble: &mut Trouble) {
        let Ok(Some(table)) = message.subnode(Nid::ATTACHMENT_TABLE, &mut Ignore) else { return };
        let Some(table) = TableContext::open(table, &mut Ignore).ok().flatten() else { return };
        let there: HashSet<Nid> = there.iter().copied().collect();
        let mut rows = table.rows();
        while let Ok(Some(row)) = rows.next(&mut Ignore) {
            let nid = Nid(row.id());
            if nid.nid_type() == NidType::ATTACHMENT && !there.contains(&nid) {
                let counts = &mut self.report.attachments;
                (counts.expected, counts.lost) = (counts.expected.saturating_add(1), counts.lost.saturating_add(1));
                trouble.value();
            }
        }
    }

    /// Reads a message with everything in it; embedded ones are written as they are complete.
    fn read_whole(&mut self, first: Frame<'s>, trouble: &mut Trouble) -> Result<NewMessage> {
        let mut stack = Vec::new();
        let mut top = first;
        let most = usize::from(self.pst.ndb().limits().embedded_depth);
        loop {
            if let Some(node) = top.attachments.next() {
                let nid = node.nid;
                if self.is_spent() || !self.attachments.take(1) {
                    // the blocks of the source are named too often
                    let left = wide(top.attachments.by_ref().count()).saturating_add(1);
                    let counts = &mut self.report.attachments;
                    (counts.expected, counts.lost) = (counts.expected.saturating_add(left), counts.lost.saturating_add(left));
                    trouble.value();
                    continue;
                }
                let (attachment, inner) = self.read_attachment(node, &top.node, top.page, trouble)?;
                let Some(mut attachment) = attachment else { continue };
                attachment.nid = Some(nid);
                let inner = match inner {
                    Some(_) if stack.len() >= most => {
                        trouble.value();
                        None
                    }
                    Some(inner) => self.open(inner, trouble)?,
                    None => None,
                };
                match inner {
                    Some(frame) => {
                        top.waiting = Some(attachment);
                        stack.push(std::mem::replace(&mut top, frame));
                    }
                    None => top.message.attachments.push(attachment),
                }
                continue;
            }
            let Some(below) = stack.pop() else { return Ok(top.message) };
            let mut message = std::mem::replace(&mut top, below).message;
            self.complete_times(&mut message.props, &Props::new());
            let written = self.out.write_embedded(message)?;
            if let Some(mut attachment) = top.waiting.take() {
                attachment.data = AttachmentData::WrittenMessage(written);
                top.message.attachments.push(attachment);
            }
        }
    }

    /// An attachment, and the message in it if there is one.
    fn read_attachment(
        &mut self,
        node: Node<'s>,
        owner: &Node<'s>,
        page: CodePage,
        trouble: &mut Trouble,
    ) -> Result<(Option<NewAttachment>, Option<Node<'s>>)> {
        self.report.attachments.expected = self.report.attachments.expected.saturating_add(1);
        let mut own = Trouble::default();
        let Some(pc) = PropertyContext::open(node.clone(), &mut own.findings).ok().flatten() else {
            own.value();
            let left = self.attachment_without_properties(&node, owner, &mut own)?;
            match &left {
                (None, None) => self.report.attachments.lost = self.report.attachments.lost.saturating_add(1),
                _ => Self::count(&mut self.report.attachments, false, &own),
            }
            trouble.value();
            return Ok(left);
        };
        let mut attachment = NewAttachment::new(AttachmentData::None);
        attachment.props = self.read_props(&pc, page, &mut own)?;
        attachment.subnodes = SubNodes::new();
        let object: Option<ObjectValue> = pc.object(tags::ATTACH_DATA_OBJECT.id(), &mut own.findings).ok().flatten();
        let mut inner = None;
        let mut known = Vec::new();
        if let Some(object) = object {
            known.push(object.nid);
            match pc.subnode(object.nid, &mut own.findings) {
                Ok(Some(sub)) if object.nid.nid_type() == NidType::NORMAL_MESSAGE => inner = Some(sub),
                Ok(Some(sub)) => match self.copy_node(&sub, object.nid, &mut own)? {
                    Some(node) if node.bytes == 0 && own.is_lossy() => own.value(),
                    Some(node) => {
                        let size = if object.size == 0 { low32(node.bytes) } else { object.size };
                        attachment.data = AttachmentData::WrittenObject { nid: Some(object.nid), node, size };
                    }
                    None => own.value(),
                },
                _ => own.value(),
            }
        }
        let method = attachment.props.i32(tags::ATTACH_METHOD);
        if object.is_none()
            && own.is_lossy()
            && method == Some(EMBEDDED)
            && let Some(sub) = message_in(&node)
        {
            known.push(sub.nid);
            inner = Some(sub);
        }
        let no_data = object.is_none() && !attachment.props.has(tags::ATTACH_DATA_BINARY.id());
        if no_data && own.is_lossy() && method.is_none_or(|m| m == BY_VALUE) {
            self.adopt_data(&node, &named_by(&pc), &mut attachment.props, &mut own)?;
        }
        let has_bytes = attachment.props.has(tags::ATTACH_DATA_BINARY.id());
        let wants = method == Some(EMBEDDED) || (method == Some(OLE) && !has_bytes) || (object.is_some() && own.is_lossy());
        let empty = inner.is_none() && matches!(attachment.data, AttachmentData::None);
        if empty && wants {
            // of the message or object in it nothing is left: an empty one, for readers do not know attachments without data
            own.value();
            attachment.props.set_i32(tags::ATTACH_METHOD, BY_VALUE).set(tags::ATTACH_DATA_BINARY, Vec::new());
        } else if method == Some(BY_VALUE) && !has_bytes {
            // readers ask for the data of every attachment by value: one that has lost it is empty
            own.value();
            attachment.props.set(tags::ATTACH_DATA_BINARY, Vec::new());
        } else if !method.is_some_and(|m| (0..=7).contains(&m)) {
            // its kind follows from its data
            let told = if inner.is_some() {
                EMBEDDED
            } else if !empty {
                OLE
            } else {
                BY_VALUE
            };
            attachment.props.set_i32(tags::ATTACH_METHOD, told);
            if told == BY_VALUE && !has_bytes {
                attachment.props.set(tags::ATTACH_DATA_BINARY, Vec::new());
            }
        }
        attachment.subnodes = self.copy_unknown_subnodes(pc.node(), &named_by(&pc), &known, &mut own)?;
        Self::count(&mut self.report.attachments, true, &own);
        trouble.absorb(own);
        Ok((Some(attachment), inner))
    }

    /// The rest of an attachment whose properties are lost: its row in the table of its message, and its data.
    fn attachment_without_properties(
        &mut self,
        node: &Node<'s>,
        owner: &Node<'s>,
        own: &mut Trouble,
    ) -> Result<(Option<NewAttachment>, Option<Node<'s>>)> {
        let mut attachment = NewAttachment::new(AttachmentData::None);
        if let Ok(Some(table)) = owner.subnode(Nid::ATTACHMENT_TABLE, &mut Ignore)
            && let Some(table) = TableContext::open(table, &mut Ignore).ok().flatten()
            && let Some(row) = table.row_by_id(node.nid.0, &mut Ignore).ok().flatten()
        {
            attachment.props = without_row_only(self.read_row(&table, &row, own)?);
        }
        let inner = message_in(node);
        let has_data = inner.is_none() && self.adopt_data(node, &[], &mut attachment.props, own)?;
        if inner.is_none() && !has_data && attachment.props.is_empty() {
            return Ok((None, None));
        }
        attachment.props.set_i32(tags::ATTACH_METHOD, if inner.is_some() { EMBEDDED } else { BY_VALUE });
        if inner.is_none() && !has_data {
            attachment.props.set(tags::ATTACH_DATA_BINARY, Vec::new());
        }
        Ok((Some(attachment), inner))
    }

    fn read_recipients(&mut self, node: Node<'_>, trouble: &mut Trouble) -> Result<Vec<NewRecipient>> {
        let Some(table) = TableContext::open(node, &mut trouble.findings).ok().flatten() else {
            trouble.value();
            return Ok(Vec::new());
        };
        self.row_ids.clear();
        let mut out = Vec::new();
        for (id, mut props) in self.read_table(&table, trouble)? {
            // the upper bits say that the recipient was resubmitted or has it already
            if !props.i32(tags::RECIPIENT_TYPE).is_some_and(|k| (0..=3).contains(&(k & 0x0FFF_FFFF))) {
                props.set_i32(tags::RECIPIENT_TYPE, TO);
            }
            let row_id = (id != 0 && self.row_ids.insert(id)).then_some(id);
            out.push(NewRecipient { props, row_id });
        }
        Ok(out)
    }
}
