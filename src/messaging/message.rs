//! Messages ([MS-PST] 2.4.5): properties, recipients, attachments, bodies; embedded messages are the same.

use super::attachment::Attachment;
use super::html;
use super::object::{Properties, State};
use super::open::Pst;
use super::recipient::{Recipient, RecipientType};
use super::rtf::{self, Decompressed};
use super::rtf_text::{BodyKind, de_encapsulate};
use crate::error::Result;
use crate::finding::{Finding, Ignore, Loss, Sink};
use crate::format::bytes::index;
use crate::format::ids::{Nid, NidType, PropTag, PropType};
use crate::format::tags;
use crate::format::types::FileTime;
use crate::ltp::{PropValue, Row, TableContext};
use crate::ndb::Node;
use crate::rules;
use bitflags::bitflags;

bitflags! {
    /// PidTagMessageFlags ([MS-OXCMSG] 2.2.1.6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct MessageFlags: u32 {
        /// Read.
        const READ = 0x1;
        /// Not changed since it came.
        const UNMODIFIED = 0x2;
        /// Given to the outbox.
        const SUBMITTED = 0x4;
        /// A draft.
        const UNSENT = 0x8;
        /// Has attachments.
        const HAS_ATTACHMENTS = 0x10;
        /// Sent by the owner of the store.
        const FROM_ME = 0x20;
        /// An associated message.
        const ASSOCIATED = 0x40;
        /// To be sent again.
        const RESEND = 0x80;
        /// All bits that are not named here.
        const _ = !0;
    }
}

/// The sender of a message, as far as the message names one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sender {
    /// Display name.
    pub name: Option<String>,
    /// Address: an SMTP address where there is one.
    pub address: Option<String>,
}

/// A message, whether it stands in a folder or inside an attachment.
#[derive(Debug)]
pub struct Message<'a> {
    properties: Properties<'a>,
    depth: u16,
}

/// Takes a row of a table, with the decoder of its 8-bit texts.
type TakeRow<'f, 'a> = dyn FnMut(&TableContext<'a>, &Row<'_, 'a>, &dyn Fn(&[u8]) -> String, &mut dyn Sink) -> Result<()> + 'f;

impl<'a> Message<'a> {
    pub(crate) fn open(pst: &'a Pst, node: Node<'a>) -> Result<Self> {
        Ok(Self { properties: Properties::open(pst, node)?, depth: 0 })
    }

    pub(crate) fn embedded(pst: &'a Pst, node: Node<'a>, depth: u16) -> Result<Self> {
        Ok(Self { properties: Properties::open(pst, node)?, depth })
    }

    /// Its properties.
    pub fn properties(&self) -> &Properties<'a> {
        &self.properties
    }

    /// Its node id; for an embedded message, the local one.
    pub fn nid(&self) -> Nid {
        self.properties.node().nid
    }

    /// The folder that it is in; none for embedded messages.
    pub fn parent(&self) -> Nid {
        self.properties.node().parent
    }

    /// Whether it is an associated message.
    pub fn is_associated(&self) -> bool {
        self.nid().nid_type() == NidType::ASSOC_MESSAGE
    }

    /// How many messages it lies within.
    pub fn depth(&self) -> u16 {
        self.depth
    }

    /// The part of the requested bytes that could be read.
    pub fn state(&self) -> State {
        self.properties.state()
    }

    /// Message class, such as `IPM.Note`.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn class(&self) -> Result<Option<String>> {
        self.properties.string(tags::MESSAGE_CLASS)
    }

    /// The subject as people see it, with its prefix (`RE: …`) and without the mark that says how long the prefix is.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn subject(&self) -> Result<Option<String>> {
        Ok(self.properties.string(tags::SUBJECT)?.map(plain_subject))
    }

    /// The sender's name and address, both of the same person: the one that the message was sent for (PidTagSentRepresenting…), as mail
    /// programs show it, or where it names nobody, the one that sent it (PidTagSender…; [MS-OXOMSG] 2.2.1). An SMTP address comes before one of
    /// Exchange.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn sender(&self) -> Result<Sender> {
        let person = |name: PropTag, smtp: PropTag, email: PropTag| -> Result<[Option<String>; 3]> {
            let text = |tag| -> Result<Option<String>> { Ok(self.properties.string(tag)?.filter(|s| !s.is_empty())) };
            Ok([text(name)?, text(smtp)?, text(email)?])
        };
        let mut shown = person(tags::SENT_REPRESENTING_NAME, tags::SENT_REPRESENTING_SMTP_ADDRESS, tags::SENT_REPRESENTING_EMAIL_ADDRESS)?;
        let sent = || person(tags::SENDER_NAME, tags::SENDER_SMTP_ADDRESS, tags::SENDER_EMAIL_ADDRESS);
        if shown.iter().all(Option::is_none) {
            shown = sent()?;
        } else if shown[1].is_none() {
            // missing values are taken over from the sender where that is the same person, by the address or, without one, by the name
            let [name, smtp, email] = sent()?;
            let is_same = if shown[2].is_some() { shown[2] == email } else { shown[0].is_some() && shown[0] == name };
            if is_same {
                shown = [shown[0].take().or(name), smtp, shown[2].take().or(email)];
            }
        }
        let [name, smtp, email] = shown;
        Ok(Sender { name, address: smtp.or(email) })
    }

    /// When it was sent.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn sent(&self) -> Result<Option<FileTime>> {
        self.properties.time(tags::CLIENT_SUBMIT_TIME)
    }

    /// When it was received.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn received(&self) -> Result<Option<FileTime>> {
        self.properties.time(tags::MESSAGE_DELIVERY_TIME)
    }

    /// Its flags.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn flags(&self) -> Result<MessageFlags> {
        Ok(MessageFlags::from_bits_retain(self.properties.i32(tags::MESSAGE_FLAGS)?.unwrap_or(0).cast_unsigned()))
    }

    /// Its size in bytes, as it states itself.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn size(&self) -> Result<Option<i64>> {
        self.properties.i64(tags::MESSAGE_SIZE)
    }

    fn sub_table(&self, nid: Nid) -> Result<Option<TableContext<'a>>> {
        let node = self.properties.tolerate(|sink| self.properties.node().subnode(nid, sink))?.flatten();
        let Some(node) = node else { return Ok(None) };
        Ok(self.properties.tolerate(|sink| TableContext::open(node, sink))?.flatten())
    }

    /// Goes through the rows of the recipient table; none where there is no table.
    fn recipient_rows(&self, take: &mut TakeRow<'_, 'a>) -> Result<()> {
        let Some(table) = self.sub_table(Nid::RECIPIENT_TABLE)? else { return Ok(()) };
        let p = &self.properties;
        let ansi = table.columns().iter().any(|c| c.tag.prop_type() == PropType::STRING8);
        let page = if ansi { p.code_page() } else { super::code_page::CodePage::default() };
        let decode = |b: &[u8]| page.decode(b).0.into_owned();
        p.tolerate(|sink| {
            let mut rows = table.rows();
            while let Some(row) = rows.next(sink)? {
                take(&table, &row, &decode, sink)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The recipients in the order of the table; none where there is no table.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn recipients(&self) -> Result<Vec<Recipient>> {
        let mut out = Vec::new();
        self.recipient_rows(&mut |_, row, decode, sink| {
            let mut text = |tag: PropTag| -> Result<Option<String>> { Ok(row.string(tag.id(), decode, sink)?.filter(|s| !s.is_empty())) };
            let (name, smtp, email) = (text(tags::DISPLAY_NAME)?, text(tags::SMTP_ADDRESS)?, text(tags::EMAIL_ADDRESS)?);
            let address_type = text(tags::ADDRESS_TYPE)?;
            let kind = row.int(tags::RECIPIENT_TYPE.id()).unwrap_or(-1);
            out.push(Recipient {
                recipient_type: RecipientType::from_number(kind),
                name,
                email: smtp.or(email),
                address_type,
                track_status: row.int(tags::RECIPIENT_TRACK_STATUS.id()).unwrap_or(0),
                flags: row.int(tags::RECIPIENT_FLAGS.id()).unwrap_or(0),
                row_id: row.id(),
            });
            Ok(())
        })?;
        Ok(out)
    }

    /// The cells of each row of the recipient table; none where there is no table.
    #[cfg(feature = "export")]
    pub(crate) fn recipient_cells(&self) -> Result<Vec<Vec<(PropTag, PropValue)>>> {
        let mut out = Vec::new();
        self.recipient_rows(&mut |table, row, decode, sink| {
            let mut cells = Vec::new();
            for column in table.columns() {
                cells.extend(row.value_of(column, decode, sink)?.map(|value| (column.tag, value)));
            }
            out.push(cells);
            Ok(())
        })?;
        Ok(out)
    }

    /// The attachments, by node id. They follow from the message's sub-nodes; the attachment table only lists them.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn attachments(&self) -> Result<Vec<Attachment<'a>>> {
        let node = self.properties.node();
        let ids = self.properties.tolerate(|sink| {
            let tree = node.subnodes(sink)?;
            Ok(tree.iter().filter(|e| e.nid.nid_type() == NidType::ATTACHMENT).map(|e| e.nid).collect::<Vec<_>>())
        })?;
        let mut out = Vec::new();
        for nid in ids.unwrap_or_default() {
            if let Some(Some(sub)) = self.properties.tolerate(|sink| node.subnode(nid, sink))? {
                out.push(Attachment::open(self.properties.pst(), sub, self.depth)?);
            }
        }
        Ok(out)
    }

    /// The text body as it is stored.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn text(&self) -> Result<Option<String>> {
        self.properties.string(tags::BODY)
    }

    /// The HTML body as it is stored: bytes in the code page that it declares.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn html(&self) -> Result<Option<Vec<u8>>> {
        Ok(match self.properties.get(tags::HTML)? {
            Some(PropValue::Binary(b)) => Some(b),
            Some(PropValue::String(s)) => Some(s.into_bytes()),
            _ => None,
        })
    }

    /// The RTF body, decompressed.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn rtf(&self) -> Result<Option<Vec<u8>>> {
        let Some(stored) = self.properties.binary(tags::RTF_COMPRESSED)? else { return Ok(None) };
        if stored.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let limit = index(self.properties.pst().ndb().limits().inflated_bytes);
        let at = self.properties.node().at.with_tag(tags::RTF_COMPRESSED);
        let broken = |why: String| Finding::new(&rules::RTF_UNDECODABLE, at).actual(why).loss(Loss::Partial);
        Ok(match rtf::decompress(&stored, limit) {
            Ok(Decompressed { data, problems }) => {
                // Outlook writes sizes that are a little off; where the checksum holds, the body is whole.
                let worst = problems.iter().find(|p| !p.is_harmless());
                if let Some(problem) = worst.or(problems.first()) {
                    let size = |why| Finding::new(&rules::RTF_SIZE, at).actual(why);
                    let finding = if worst.is_some() { broken(problem.to_string()) } else { size(problem.to_string()) };
                    self.properties.tolerate(|sink| sink.report(finding))?;
                }
                Some(data)
            }
            Err(e) => {
                self.properties.tolerate(|sink| sink.report(broken(e.to_string())))?;
                None
            }
        })
    }

    /// The body as HTML, decoded: stored as such, or taken out of the RTF body where that wraps HTML.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn html_text(&self) -> Result<Option<String>> {
        if let Some(bytes) = self.html()? {
            let declared = self.properties.i32(tags::INTERNET_CODEPAGE)?.and_then(|n| u32::try_from(n).ok());
            return Ok(Some(html::decode(&bytes, declared)));
        }
        let Some(rtf) = self.rtf()? else { return Ok(None) };
        let limit = index(self.properties.pst().ndb().limits().inflated_bytes);
        let body = de_encapsulate(&rtf, limit);
        Ok((body.kind == BodyKind::Html).then_some(body.text))
    }

    /// The body as plain text: stored as such, or taken out of the RTF or HTML body.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn body_text(&self) -> Result<Option<String>> {
        if let Some(text) = self.text()? {
            return Ok(Some(text));
        }
        if let Some(html) = self.html_text()? {
            return Ok(Some(html::to_text(&html)));
        }
        let Some(rtf) = self.rtf()? else { return Ok(None) };
        Ok(Some(de_encapsulate(&rtf, index(self.properties.pst().ndb().limits().inflated_bytes)).text))
    }

    /// Its row in the folder's contents table: the rest of a message whose own properties are lost.
    pub fn with_row<R>(&self, read: impl FnOnce(&Row<'_, 'a>) -> R) -> Option<R> {
        let table_type = if self.is_associated() { NidType::ASSOC_CONTENTS_TABLE } else { NidType::CONTENTS_TABLE };
        let node = self.properties.pst().ndb().node(self.parent().with_type(table_type))?;
        let table = TableContext::open(node, &mut Ignore).ok()??;
        let row = table.row_by_id(self.nid().0, &mut Ignore).ok()??;
        Some(read(&row))
    }

    /// Bytes of data of the message and all its sub-nodes, as PidTagMessageSize counts them ([MS-PST] does not document the formula:
    /// all leaves, inflated, without the blocks that join them and without replication history).
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn computed_size(&self) -> Result<u64> {
        let mut total = 0u64;
        let mut pending = vec![self.properties.node().clone()];
        let mut seen = 0usize;
        let most = self.properties.pst().ndb().index().blocks().len();
        while let Some(node) = pending.pop() {
            seen = seen.saturating_add(1);
            if seen > most {
                break;
            }
            self.properties.tolerate(|sink| {
                total = total.saturating_add(node.data(sink)?.len());
                for e in node.subnodes(sink)?.iter().filter(|e| e.nid.nid_type() != NidType::REPLICATION_TABLE) {
                    if let Some(sub) = node.subnode(e.nid, sink)? {
                        pending.push(sub);
                    }
                }
                Ok(())
            })?;
        }
        Ok(total)
    }
}

/// A subject without the mark of its prefix: U+0001, and a character whose number is the prefix' length plus one ([MS-PST] 2.5.3.1.1.1).
pub fn plain_subject(stored: String) -> String {
    match stored.strip_prefix('\u{1}') {
        Some(rest) => {
            let mut chars = rest.chars();
            chars.next();
            chars.as_str().to_owned()
        }
        None => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_subjects_prefix_is_dropped() {
        assert_eq!(plain_subject("\u{1}\u{5}RE: x".to_owned()), "RE: x");
        assert_eq!(plain_subject("\u{1}".to_owned()), "");
        assert_eq!(plain_subject("x".to_owned()), "x");
    }
}
