//! [`Exporter`]: the common part of writing many messages of one file.

use super::eml::{Exported, Options, Run, TOO_OFTEN, elsewhere};
use super::items::Reading;
use super::vcf::Version;
use crate::error::Result;
use crate::format::tags;
use crate::limits::Allowance;
use crate::ltp::ValueReader;
use crate::messaging::{AttachMethod, Attachment, Message, Pst};
use std::io::Write;
use std::marker::PhantomData;

/// Writes messages of a file. All of them together cost no more than the file's size justifies: a hostile file can name the same blocks
/// from everywhere. Several threads may use one.
///
/// ```no_run
/// use pstkit::{Pst, export::{Exporter, eml}};
/// let pst = Pst::open("mail.pst")?;
/// let exporter = Exporter::new(&pst);
/// for message in pst.messages().filter(|m| !m.is_associated()) {
///     let mut file = std::fs::File::create(format!("{}.eml", message.nid())).unwrap();
///     exporter.eml(&message, &mut file, &eml::Options::new())?;
/// }
/// # Ok::<(), pstkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Exporter<'p> {
    /// For digests of messages without a Message-ID.
    pub(super) reading: Reading,
    /// Attachments that are still written.
    pub(super) attachments: Allowance,
    /// Bytes of attachments that are still written.
    pub(super) bytes: Allowance,
    file: PhantomData<&'p Pst>,
}

impl<'p> Exporter<'p> {
    /// Begins with a file.
    pub fn new(pst: &'p Pst) -> Self {
        let (content, limits) = (pst.ndb().content(), pst.ndb().limits());
        Self {
            reading: Reading::of(pst),
            attachments: Allowance::of_objects(content, limits),
            bytes: Allowance::of_bytes(content, limits),
            file: PhantomData,
        }
    }

    /// Writes a message as EML: see [`eml`](super::eml).
    ///
    /// # Errors
    /// An error of `out`; in strict reading, the first violation.
    pub fn eml(&self, message: &Message<'_>, out: &mut dyn Write, options: &Options) -> Result<Exported> {
        Run::new(self, out, options).message(message)
    }

    /// Writes an appointment or a task as iCalendar: see [`ics`](super::ics).
    ///
    /// # Errors
    /// An error of `out`; in strict reading, the first violation.
    pub fn ics(&self, message: &Message<'_>, out: &mut dyn Write) -> Result<Exported> {
        super::ics::run(self, message, out)
    }

    /// Writes a contact or a distribution list as vCard: see [`vcf`](super::vcf).
    ///
    /// # Errors
    /// An error of `out`; in strict reading, the first violation.
    pub fn vcf(&self, message: &Message<'_>, out: &mut dyn Write, version: Version) -> Result<Exported> {
        super::vcf::run(self, message, out, version)
    }

    /// Writes the text of an item, as notes have it, in UTF-8.
    ///
    /// # Errors
    /// An error of `out`; in strict reading, the first violation.
    pub fn text(&self, message: &Message<'_>, out: &mut dyn Write) -> Result<Exported> {
        let mut done = Exported::default();
        let text = message.body_text()?.unwrap_or_default();
        out.write_all(text.as_bytes()).map_err(super::eml::io)?;
        done.take_state(message, 0);
        Ok(done)
    }

    /// The attachments of an item that its own form does not hold: all but the picture of a contact and the changed instances of a
    /// recurring appointment.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn loose_attachments<'a>(&self, message: &Message<'a>) -> Result<Vec<Attachment<'a>>> {
        let mut out = Vec::new();
        for a in message.attachments()? {
            if a.properties().bool(tags::ATTACHMENT_HIDDEN)? != Some(true) && !super::vcf::is_photo(&a)? {
                out.push(a);
            }
        }
        Ok(out)
    }

    /// Passes on the data of an attachment that embeds no message, and counts its fate. Answers the count of `take`; 0 where
    /// there is no data.
    ///
    /// # Errors
    /// An error of `take`; in strict reading, the first violation.
    pub fn attachment<'a>(
        &self,
        a: &Attachment<'a>,
        done: &mut Exported,
        take: &mut dyn FnMut(&mut ValueReader<'a>) -> Result<u64>,
    ) -> Result<u64> {
        done.attachments.expected = done.attachments.expected.saturating_add(1);
        let name = a.name()?.unwrap_or_default();
        let is_spent = !self.attachments.take(1) || self.bytes.is_spent();
        // the rest of damaged data is passed on, and its faults counted
        let data = if is_spent { None } else { a.data()?.map(ValueReader::lossy) };
        let Some(mut data) = data else {
            if let Some(target) = elsewhere(a)? {
                done.refer(&target, &name);
            } else if a.method()? == AttachMethod::None && !is_spent {
                done.attachments.written = done.attachments.written.saturating_add(1);
            } else {
                done.leave_out(&name, if is_spent { TOO_OFTEN } else { "its data is missing" });
            }
            done.note(&a.properties().problems());
            return Ok(0);
        };
        let length = take(&mut data)?;
        self.bytes.spend(length);
        done.take_attachment(a, data.problems());
        Ok(length)
    }
}
