//! Messages as EML: MIME ([RFC 5322], [RFC 2045]), written as a stream, whatever the size.
//!
//! - The stored header fields come word for word and in their order, but for `MIME-Version` and `Content-*`, which describe the body
//!   that is written. Missing fields are made from properties. No field names the present or this machine.
//! - A message without a Message-ID gets `<DIGEST@message.invalid>`: the first 40 digits of its
//!   [content digest](super::items::Item::content_sha256), so that each run, and each copy of the message, gives the same.
//! - Bodies are alternatives: text, and HTML in its own charset, or taken out of the RTF body; RTF where it alone has the form.
//! - A meeting request, a cancellation and an answer have their calendar as the last alternative (`text/calendar` with its method).
//! - Attachments that the HTML shows by `cid:` are related to it; other attachments follow, embedded messages as `message/rfc822`.
//! - A signed message whose store holds the signed entity is written as that entity, byte for byte.
//! - An attachment that only refers to a file elsewhere is `message/external-body`, and [`Exported::elsewhere`] names it.

use super::Exporter;
use super::body::{self, Part};
use super::headers::{self, Fields};
use super::items::{Item, Origin, hex};
use super::mail_flags;
use super::mime::{base64, one_line, parameter};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Loss};
use crate::format::ids::{Nid, PropTag};
use crate::format::tags;
use crate::ltp::ValueReader;
use crate::messaging::{AttachMethod, Attachment, Message, State};
use crate::rules::Severity;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io::{BufRead, Write};

/// How messages are written.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Whether the state of the message (read, answered, flagged) stands in `Status` and `X-Status`, as mail programs with mbox files
    /// want it.
    pub status: Status,
}

/// Where the state of a message (read, answered, flagged) is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Status {
    /// Not in the message.
    #[default]
    Elsewhere,
    /// In its fields `Status` and `X-Status`.
    Fields,
}

impl Options {
    /// The default: nothing but the message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where the state of a message is kept.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// The fate of the attachments of a message, and of the messages in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Tally {
    /// Attachments that there are.
    pub expected: u64,
    /// Those that were written wholly.
    pub written: u64,
    /// Those of which some is missing or damaged.
    pub partial: u64,
    /// Those whose bytes are elsewhere: a reference was written.
    pub elsewhere: u64,
    /// Those that could not be written.
    pub left_out: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.expected, other.expected),
            (&mut self.written, other.written),
            (&mut self.partial, other.partial),
            (&mut self.elsewhere, other.elsewhere),
            (&mut self.left_out, other.left_out),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// The fate of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// Its Message-ID as it was written; empty for an item without one.
    pub message_id: String,
    /// How much of it could be read.
    pub state: State,
    /// Whether content is missing, and not only something about it.
    pub is_lossy: bool,
    /// The faults.
    pub problems: Vec<String>,
    /// Its attachments.
    pub attachments: Tally,
    /// Names or addresses of attachments whose bytes are elsewhere.
    pub elsewhere: Vec<String>,
}

/// Problems of one message that are kept.
const PROBLEMS_MAX: usize = 100;

impl Exported {
    pub(super) fn note(&mut self, problems: &[Finding]) {
        if problems.iter().any(|f| f.severity >= Severity::Error) {
            self.state = self.state.max(State::Partial);
        }
        self.is_lossy |= problems.iter().any(|f| f.loss >= Loss::Partial);
        for f in problems {
            self.say(f.to_string());
        }
    }

    pub(super) fn say(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes that something of the item was not written.
    pub(super) fn partial(&mut self, why: &str) {
        self.state = self.state.max(State::Partial);
        self.is_lossy = true;
        self.say(why.to_owned());
    }

    pub(super) fn leave_out(&mut self, name: &str, why: &str) {
        self.attachments.left_out = self.attachments.left_out.saturating_add(1);
        self.state = self.state.max(State::Partial);
        self.is_lossy = true;
        self.say(format!("attachment \"{}\": {why}", one_line(name)));
    }

    /// Counts an attachment whose bytes are elsewhere.
    pub(super) fn refer(&mut self, target: &str, name: &str) {
        self.attachments.elsewhere = self.attachments.elsewhere.saturating_add(1);
        if self.elsewhere.len() < PROBLEMS_MAX {
            self.elsewhere.push(one_line(if target.is_empty() { name } else { target }));
        }
    }

    /// Counts an attachment whose data was written, with the faults of the data.
    pub(super) fn take_attachment(&mut self, a: &Attachment<'_>, problems: &[Finding]) {
        let own = a.properties().problems();
        let is_error = |f: &Finding| f.severity >= Severity::Error;
        let is_whole = a.state() < State::Partial && !problems.iter().chain(&own).any(is_error);
        let t = &mut self.attachments;
        let count = if is_whole { &mut t.written } else { &mut t.partial };
        *count = count.saturating_add(1);
        if !is_whole {
            self.state = self.state.max(State::Partial);
        }
        self.note(problems);
        self.note(&own);
    }

    pub(super) fn take_state(&mut self, message: &Message<'_>, depth: usize) {
        // values that are not part of the mail are not read
        let state = if message.state() < State::Partial { State::Ok } else { message.state() };
        let state = if depth == 0 { state } else { state.min(State::Partial) };
        self.state = self.state.max(state);
        self.is_lossy |= state == State::Damaged;
        self.note(&message.properties().problems());
    }
}

/// Writes a message as EML.
///
/// To write many messages of a file, an [`Exporter`] is quicker.
///
/// ```no_run
/// use pstkit::{Nid, Pst, export::eml};
/// let pst = Pst::open("mail.pst")?;
/// let message = pst.message(Nid(0x200024))?;
/// let mut file = std::fs::File::create("message.eml").unwrap();
/// let exported = eml::write(&message, &mut file, &eml::Options::new())?;
/// println!("{} {}", exported.message_id, exported.state);
/// # Ok::<(), pstkit::Error>(())
/// ```
///
/// # Errors
/// An error of `out`; in strict reading, the first violation.
pub fn write(message: &Message<'_>, out: &mut impl Write, options: &Options) -> Result<Exported> {
    Exporter::new(message.properties().pst()).eml(message, out, options)
}

pub(super) fn io(e: std::io::Error) -> Error {
    ErrorKind::Io(e).into()
}

/// A message that is being written: attachments that still come, and the boundary between them.
struct Frame<'a> {
    message: Option<Message<'a>>,
    rest: std::vec::IntoIter<Attachment<'a>>,
    boundary: Option<String>,
}

/// One run over a message and all that is in it.
pub(super) struct Run<'r, 'w> {
    exporter: &'r Exporter<'r>,
    out: &'w mut dyn Write,
    options: &'r Options,
    done: Exported,
    /// The part that makes boundaries unlike anything in the message.
    seed: String,
    boundaries: u64,
}

impl<'r, 'w> Run<'r, 'w> {
    pub(super) fn new(exporter: &'r Exporter<'r>, out: &'w mut dyn Write, options: &'r Options) -> Self {
        Self { exporter, out, options, done: Exported::default(), seed: String::new(), boundaries: 0 }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).map_err(io)
    }

    fn boundary(&mut self) -> String {
        self.boundaries = self.boundaries.saturating_add(1);
        // `=_` stands in no text that is encoded, and text that is not is looked through for it.
        format!("=_{}_{}", self.seed, self.boundaries)
    }

    /// Writes the message. Messages in messages wait on a stack of their own, so that depth costs no call stack.
    pub(super) fn message(mut self, message: &Message<'_>) -> Result<Exported> {
        let mut outer = Vec::new();
        let mut current = self.begin(message, 0)?;
        loop {
            match current.rest.next() {
                Some(attachment) => {
                    self.done.attachments.expected = self.done.attachments.expected.saturating_add(1);
                    if let Some(boundary) = current.boundary.clone() {
                        self.put(&format!("\r\n--{boundary}\r\n"))?;
                    }
                    if let Some(inner) = self.attachment(&attachment, false)? {
                        let depth = outer.len().saturating_add(1);
                        let mut frame = self.begin(&inner, depth)?;
                        frame.message = Some(inner);
                        outer.push(std::mem::replace(&mut current, frame));
                    }
                }
                None => {
                    if let Some(boundary) = current.boundary.take() {
                        self.put(&format!("\r\n--{boundary}--\r\n"))?;
                    }
                    match outer.pop() {
                        Some(frame) => {
                            if let Some(inner) = &current.message {
                                self.done.take_state(inner, 1);
                            }
                            current = frame;
                        }
                        None => break,
                    }
                }
            }
        }
        self.done.take_state(message, 0);
        Ok(self.done)
    }

    /// Writes header and bodies, and tells which attachments follow.
    fn begin<'a>(&mut self, message: &Message<'a>, depth: usize) -> Result<Frame<'a>> {
        let made = || {
            let item = Item::read_with(&self.exporter.reading, message, "", Origin::Normal)?;
            Ok(format!("<{}@message.invalid>", item.content_sha256.get(..40).unwrap_or_default()))
        };
        let (mut fields, id) = headers::complete(message, made)?;
        if depth == 0 {
            self.done.message_id = id;
            if self.options.status == Status::Fields {
                let flags = mail_flags(message)?;
                fields.set("Status", flags.status());
                fields.set("X-Status", flags.x_status());
            }
        }
        let head = fields.to_text();
        if depth == 0 {
            self.seed = hex(Sha256::digest(head.as_bytes()).get(..8).unwrap_or_default());
        }
        self.put(&head)?;
        self.put("MIME-Version: 1.0\r\n")?;
        let attachments = if self.exporter.attachments.is_spent() { Vec::new() } else { message.attachments()? };
        if self.signed(message, &fields, &attachments)? {
            return Ok(Frame { message: None, rest: Vec::new().into_iter(), boundary: None });
        }
        let parts = body::parts(message)?;
        let (related, rest): (Vec<_>, Vec<_>) = {
            let shown = body::shown_ids(&parts);
            attachments.into_iter().partition(|a| is_shown(a, &shown))
        };
        let boundary = (!rest.is_empty()).then(|| self.boundary());
        if let Some(boundary) = &boundary {
            self.put(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"))?;
        }
        let calendar = super::ics::meeting(self.exporter, message, &mut self.done)?.map(|(bytes, method)| Part::Calendar(bytes, method));
        self.bodies(&parts, &related, calendar.as_ref())?;
        let is_alone = boundary.is_none() && related.is_empty() && calendar.is_none();
        if let ([part], true, 0) = (parts.as_slice(), is_alone, depth)
            && !part.bytes().ends_with(b"\n")
        {
            // The last line of a message has an end; within parts it belongs to the boundary.
            self.put("\r\n")?;
        }
        Ok(Frame { message: None, rest: rest.into_iter(), boundary })
    }

    /// Writes the bodies: one, or alternatives, the last text among them with the attachments that it shows; a calendar is the last alternative.
    fn bodies(&mut self, parts: &[Part], related: &[Attachment<'_>], calendar: Option<&Part>) -> Result<()> {
        let Some((last, others)) = parts.split_last() else { return Ok(()) };
        let boundary = (!others.is_empty() || calendar.is_some()).then(|| self.boundary());
        if let Some(b) = &boundary {
            self.put(&format!("Content-Type: multipart/alternative; boundary=\"{b}\"\r\n\r\n"))?;
        }
        for part in others {
            self.put(&format!("\r\n--{}\r\n", boundary.as_deref().unwrap_or_default()))?;
            self.part(part)?;
        }
        if let Some(b) = &boundary {
            self.put(&format!("\r\n--{b}\r\n"))?;
        }
        if related.is_empty() {
            self.part(last)?;
        } else {
            let b = self.boundary();
            self.put(&format!("Content-Type: multipart/related; type=\"{}\";\r\n boundary=\"{b}\"\r\n\r\n--{b}\r\n", last.mime()))?;
            self.part(last)?;
            for a in related {
                self.done.attachments.expected = self.done.attachments.expected.saturating_add(1);
                self.put(&format!("\r\n--{b}\r\n"))?;
                self.attachment(a, true)?;
            }
            self.put(&format!("\r\n--{b}--\r\n"))?;
        }
        if let (Some(calendar), Some(b)) = (calendar, &boundary) {
            self.put(&format!("\r\n--{b}\r\n"))?;
            self.part(calendar)?;
        }
        match boundary {
            Some(b) => self.put(&format!("\r\n--{b}--\r\n")),
            None => Ok(()),
        }
    }

    fn part(&mut self, part: &Part) -> Result<()> {
        let transfer = part.transfer();
        self.put(&format!("Content-Type: {}\r\nContent-Transfer-Encoding: {}\r\n\r\n", part.content_type(), transfer.as_str()))?;
        transfer.write(part.bytes(), self.out).map_err(io)
    }

    /// Writes an attachment as a part; answers the message that it embeds, whose text comes next.
    fn attachment<'a>(&mut self, a: &Attachment<'a>, inline: bool) -> Result<Option<Message<'a>>> {
        let p = a.properties();
        let method = a.method()?;
        let name = a.name()?.unwrap_or_default();
        if !self.exporter.attachments.take(1) || self.exporter.bytes.is_spent() {
            self.done.leave_out(&name, TOO_OFTEN);
            return self.empty(&name).map(|()| None);
        }
        if method == AttachMethod::Embedded {
            match a.embedded() {
                Ok(Some(inner)) => {
                    self.done.attachments.written = self.done.attachments.written.saturating_add(1);
                    self.done.note(&p.problems());
                    let file = if name.to_ascii_lowercase().ends_with(".eml") { name } else { format!("{name}.eml") };
                    let name = if file == ".eml" { "message.eml".to_owned() } else { file };
                    let disposition = parameter("filename", &name);
                    self.put(&format!("Content-Type: message/rfc822\r\nContent-Disposition: attachment{disposition}\r\n\r\n"))?;
                    return Ok(Some(inner));
                }
                Err(e) if p.pst().is_strict() => return Err(e),
                Err(e) => self.done.leave_out(&name, &e.to_string()),
                Ok(None) => self.done.leave_out(&name, "the message in it is missing"),
            }
            self.done.note(&p.problems());
            return self.empty(&name).map(|()| None);
        }
        if let Some(target) = elsewhere(a)? {
            self.done.refer(&target, &name);
            return self.reference(&target, a.nid(), &name).map(|()| None);
        }
        let Some(mut data) = a.data()?.map(ValueReader::lossy) else {
            self.done.note(&p.problems());
            if method == AttachMethod::None {
                self.done.attachments.written = self.done.attachments.written.saturating_add(1);
            } else {
                self.done.leave_out(&name, "its data is missing");
            }
            return self.empty(&name).map(|()| None);
        };
        let head = attachment_head(a, &name, inline, data.fill_buf().map_err(io)?)?;
        self.put(&head)?;
        let length = base64(&mut data, self.out).map_err(io)?;
        self.exporter.bytes.spend(length);
        self.done.take_attachment(a, data.problems());
        Ok(None)
    }

    /// A part for an attachment that has no data.
    fn empty(&mut self, name: &str) -> Result<()> {
        let name = if name.is_empty() { "attachment" } else { name };
        let disposition = parameter("filename", name);
        self.put(&format!("Content-Type: application/octet-stream\r\nContent-Disposition: attachment{disposition}\r\n\r\n"))
    }

    /// Writes an attachment that refers to something elsewhere.
    fn reference(&mut self, target: &str, nid: Nid, name: &str) -> Result<()> {
        let access = if target.contains("://") {
            format!("; access-type=URL{}", parameter("URL", target))
        } else {
            format!("; access-type=local-file{}", parameter("name", target))
        };
        let disposition = parameter("filename", if name.is_empty() { "attachment" } else { name });
        let inner = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n";
        self.put(&format!(
            "Content-Type: message/external-body{access}\r\nContent-Disposition: attachment{disposition}\r\n\r\n\
             {inner}Content-ID: <{nid}@attachment.invalid>\r\n\r\n"
        ))
    }

    /// Writes a signed or encrypted message as the entity that it was ([MS-OXOSMIME] 2.1); says whether it is one.
    fn signed(&mut self, message: &Message<'_>, fields: &Fields, attachments: &[Attachment<'_>]) -> Result<bool> {
        let class = message.class()?.unwrap_or_default().to_ascii_lowercase();
        let [only] = attachments else { return Ok(false) };
        if !class.starts_with("ipm.note.smime") || only.method()? != AttachMethod::ByValue {
            return Ok(false);
        }
        let Some(mut data) = only.data()?.map(ValueReader::lossy) else { return Ok(false) };
        let first = data.fill_buf().map_err(io)?;
        if body::is_entity(first) {
            std::io::copy(&mut data, &mut self.out).map_err(io)?;
        } else {
            let mime = only.mime_type()?.unwrap_or_default().to_ascii_lowercase();
            let name = only.name()?.unwrap_or_default();
            if !mime.contains("pkcs7") && !name.to_ascii_lowercase().ends_with(".p7m") {
                return Ok(false);
            }
            let kind = body::cms_kind(first);
            // The word of the sender's program is as good as the bytes, and more exact.
            let stored = fields.value("Content-Type").filter(|v| v.to_ascii_lowercase().contains("pkcs7-mime") && v.is_ascii());
            let stored = stored.map(|v| v.split(';').map(str::trim).collect::<Vec<_>>().join(";\r\n "));
            let own = || format!("application/pkcs7-mime; smime-type={kind};\r\n name=\"smime.p7m\"");
            let content_type = stored.unwrap_or_else(own);
            self.put(&format!(
                "Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n"
            ))?;
            base64(&mut data, self.out).map_err(io)?;
        }
        let t = &mut self.done.attachments;
        t.expected = t.expected.saturating_add(1);
        self.done.take_attachment(only, data.problems());
        Ok(true)
    }
}

/// The text about attachments beyond the file's allowance.
pub(super) const TOO_OFTEN: &str = "not written, because objects of this file name the same blocks too often";

/// Where the bytes of an attachment are that holds none itself: a path or an address.
pub(super) fn elsewhere(a: &Attachment<'_>) -> Result<Option<String>> {
    use AttachMethod::{ByReference, ByReferenceOnly, ByReferenceResolve, ByWebReference};
    let is_reference = matches!(a.method()?, ByReference | ByReferenceResolve | ByReferenceOnly | ByWebReference);
    if !is_reference || a.data()?.is_some() {
        return Ok(None);
    }
    let some = |tag: PropTag| -> Result<Option<String>> { Ok(a.properties().string(tag)?.filter(|s| !s.is_empty())) };
    Ok(Some(match some(tags::ATTACH_LONG_PATHNAME)? {
        Some(path) => path,
        None => some(tags::ATTACH_PATHNAME)?.unwrap_or_default(),
    }))
}

/// Whether the HTML body shows an attachment.
fn is_shown(a: &Attachment<'_>, shown: &HashSet<String>) -> bool {
    let id = || a.properties().string(tags::ATTACH_CONTENT_ID).ok().flatten();
    !shown.is_empty()
        && matches!(a.method(), Ok(AttachMethod::ByValue | AttachMethod::Ole))
        && id().is_some_and(|id| shown.contains(&id.trim().trim_matches(['<', '>']).to_lowercase()))
}

/// The header fields of an attachment's part.
fn attachment_head(a: &Attachment<'_>, name: &str, inline: bool, first: &[u8]) -> Result<String> {
    let p = a.properties();
    let mime = body::mime_type(a.mime_type()?.as_deref(), name, a.method()?, first);
    let name = if name.is_empty() { "attachment" } else { name };
    let mut head = format!("Content-Type: {mime}");
    if let Some(charset) = p.string(tags::TEXT_ATTACHMENT_CHARSET)?.filter(|c| mime.starts_with("text/") && body::is_token(c)) {
        head.push_str(&format!("; charset={charset}"));
    }
    head.push_str(&parameter("name", name));
    head.push_str("\r\nContent-Transfer-Encoding: base64\r\n");
    let disposition = if inline { "inline" } else { "attachment" };
    head.push_str(&format!("Content-Disposition: {disposition}{}\r\n", parameter("filename", name)));
    let printable = |s: String| s.trim().trim_matches(['<', '>']).chars().filter(|c| matches!(c, '!'..='~')).take(900).collect::<String>();
    if let Some(id) = p.string(tags::ATTACH_CONTENT_ID)?.map(printable).filter(|id| !id.is_empty()) {
        head.push_str(&format!("Content-ID: <{id}>\r\n"));
    }
    if let Some(at) = p.string(tags::ATTACH_CONTENT_LOCATION)?.map(printable).filter(|at| !at.is_empty()) {
        head.push_str(&format!("Content-Location: {at}\r\n"));
    }
    head.push_str("\r\n");
    Ok(head)
}
