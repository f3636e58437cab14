//! Stores with known content, from a seed: for tests, benches and fuzzing of this crate. Not part of its interface.
//!
//! [`small`] makes a store of each [`Variety`] with everything in it that a store can hold; [`mail`] makes a large mailbox of a given
//! shape. The same seed makes the same bytes.

use crate::error::Result;
use crate::format::crypt::CryptMethod;
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::layout::Variant;
use crate::format::types::{FileTime, Guid};
use crate::format::{bytes, tags};
use crate::io::{MemoryStorage, Storage};
use crate::ltp::PropertyName;
use crate::write::{Data, IPM_SUBTREE, Named, NdbOptions, NewAttachment, NewFolder, NewMessage, PstWriter, StoreOptions, Written};

/// A layout with an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variety {
    /// The layout.
    pub variant: Variant,
    /// The encoding of blocks.
    pub crypt: CryptMethod,
    /// Whether blocks are compressed.
    pub compress: bool,
}

const fn variety(variant: Variant, crypt: CryptMethod, compress: bool) -> Variety {
    Variety { variant, crypt, compress }
}

/// Every variety.
pub const VARIETIES: [Variety; 10] = [
    variety(Variant::Unicode, CryptMethod::Permute, false),
    variety(Variant::Unicode, CryptMethod::None, false),
    variety(Variant::Unicode, CryptMethod::Cyclic, false),
    variety(Variant::Ansi, CryptMethod::Permute, false),
    variety(Variant::Ansi, CryptMethod::None, false),
    variety(Variant::Ansi, CryptMethod::Cyclic, false),
    variety(Variant::Unicode4k, CryptMethod::None, true),
    variety(Variant::Unicode4k, CryptMethod::None, false),
    variety(Variant::Unicode4k, CryptMethod::Permute, false),
    variety(Variant::Unicode4k, CryptMethod::Cyclic, false),
];

impl Variety {
    /// A name for files and tests, such as `unicode-permute`.
    pub fn name(self) -> String {
        let variant = match self.variant {
            Variant::Ansi => "ansi",
            Variant::Unicode => "unicode",
            Variant::Unicode4k if self.compress => "4k-deflated",
            Variant::Unicode4k => "4k",
        };
        format!("{variant}-{}", self.crypt)
    }

    /// Options for a store that depends on nothing but the seed.
    pub fn options(self, seed: u64) -> StoreOptions {
        let ndb = NdbOptions { crypt: self.crypt, compress: self.compress, ..NdbOptions::new(self.variant) };
        let name = format!("{} {seed}", self.name());
        StoreOptions { ndb, display_name: name, seed: Some(seed), time: Some(time(0)), ..StoreOptions::new(self.variant) }
    }
}

/// A time, minutes after noon of 1 March 2024.
pub fn time(minutes: u64) -> FileTime {
    FileTime(133_537_680_000_000_000u64.saturating_add(minutes.saturating_mul(600_000_000)))
}

/// Numbers from a seed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw().checked_rem(n).unwrap_or(0)
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(n.saturating_add(8));
        while out.len() < n {
            out.extend(self.draw().to_le_bytes());
        }
        out.truncate(n);
        out
    }

    /// About `n` bytes of words.
    pub fn text(&mut self, n: usize) -> String {
        const WORDS: [&str; 24] = [
            "meeting", "report", "the", "of", "draft", "please", "find", "budget", "and", "to", "Monday", "project", "we", "review",
            "attached", "numbers", "for", "team", "on", "schedule", "with", "thanks", "regards", "quarter",
        ];
        let mut out = String::with_capacity(n.saturating_add(16));
        while out.len() < n {
            out.push_str(WORDS.get(bytes::index(self.below(24))).copied().unwrap_or("word"));
            out.push(if self.below(12) == 0 { '\n' } else { ' ' });
        }
        out
    }
}

/// A small store of a variety: everything that a store can hold.
///
/// Three levels of folders, items of every kind, an embedded message three deep, attachments of every method and of one and of many
/// blocks, tables with their rows in a sub-node, a sub-node tree of two levels, named and multi-valued properties of every width,
/// associated messages, texts that are not ASCII, B-trees of two levels.
///
/// # Errors
/// None is known.
pub fn small(variety: Variety, seed: u64) -> Result<Vec<u8>> {
    let memory = MemoryStorage::default();
    small_to(&memory, variety, seed)?;
    Ok(memory.into_bytes())
}

/// A store of one allocation section, with a folder and some messages: for files that are kept.
///
/// # Errors
/// None is known.
pub fn tiny(variety: Variety, seed: u64) -> Result<Vec<u8>> {
    let memory = MemoryStorage::default();
    let mut rng = Rng::new(seed);
    let mut pst = PstWriter::create(&memory, variety.options(seed))?;
    let inbox = pst.add_folder(IPM_SUBTREE, "Inbox")?;
    for i in 0..12 {
        pst.add_message(inbox, plain(&mut rng, i))?;
    }
    pst.add_message(inbox, attachments(&mut rng, 12_000))?;
    pst.add_message(inbox, embedded(&mut rng, 1))?;
    pst.finish()?;
    Ok(memory.into_bytes())
}

/// As [`small`], to a storage.
///
/// # Errors
/// Those of the storage.
pub fn small_to(storage: &dyn Storage, variety: Variety, seed: u64) -> Result<Written> {
    let mut rng = Rng::new(seed);
    let mut pst = PstWriter::create(storage, variety.options(seed))?;
    let inbox = pst.add_folder(IPM_SUBTREE, "Inbox")?;
    let projects = pst.add_folder(inbox, "Projects")?;
    let year = pst.add_folder(projects, "2024")?;
    let empty = pst.add_folder(year, "Empty")?;
    let mut classes = Vec::new();
    for (name, class) in [
        ("Calendar", "IPF.Appointment"),
        ("Contacts", "IPF.Contact"),
        ("Tasks", "IPF.Task"),
        ("Notes", "IPF.StickyNote"),
        ("Journal", "IPF.Journal"),
    ] {
        classes.push(pst.add_folder_with(IPM_SUBTREE, name, NewFolder::of_class(class))?);
    }
    let sent = pst.add_folder(IPM_SUBTREE, "Sent Items")?;
    let drafts = pst.add_folder(IPM_SUBTREE, "Drafts")?;
    debug_assert!(!empty.is_none());

    for i in 0..60 {
        pst.add_message(inbox, plain(&mut rng, i))?;
    }
    for message in bodies(&mut rng) {
        pst.add_message(projects, message)?;
    }
    let large = if variety.variant == Variant::Unicode4k { 150_000 } else { 30_000 };
    pst.add_message(year, attachments(&mut rng, large))?;
    pst.add_message(year, embedded(&mut rng, 3))?;
    pst.add_message(year, many_recipients(&mut rng, 200))?;
    pst.add_message(year, values(&mut rng))?;
    let subnodes = match variety.variant {
        Variant::Ansi => 690,
        Variant::Unicode => 345,
        Variant::Unicode4k => 2735,
    };
    let message = many_subnodes(&mut pst, &mut rng, subnodes)?;
    pst.add_message(year, message)?;
    for (folder, message) in classes.into_iter().zip(items(&mut rng)) {
        pst.add_message(folder, message)?;
    }
    for class in ["IPM.Post", "IPM.DistList", "REPORT.IPM.Note.NDR", "IPM.Schedule.Meeting.Request", "IPM.TaskRequest", "IPM.Custom.Form"] {
        let subject = format!("{class} {}", rng.below(1000));
        pst.add_message(projects, NewMessage::new(class).subject(&subject).text(&rng.text(100)))?;
    }
    pst.add_message(sent, NewMessage::note("Sent", "Sent body").from("Me", "me@example.com").to("You", "you@example.com").sent(time(77)))?;
    let draft = NewMessage::new("IPM.Note").subject("Draft").text("Not yet sent").set(|p| {
        p.set_i32(tags::MESSAGE_FLAGS, 0x9);
    });
    pst.add_message(drafts, draft)?;
    for i in 0..3u64 {
        let view = NewMessage::new("IPM.Microsoft.FolderDesign.NamedView").set(|p| {
            p.set_str(tags::VIEW_DESCRIPTOR_NAME, &format!("View {i}")).set_i32(tags::VIEW_DESCRIPTOR_VERSION, 8);
            p.set_str(tags::DISPLAY_NAME, &format!("View {i}"));
        });
        pst.add_associated(inbox, view)?;
    }
    pst.add_associated(
        year,
        NewMessage::new("IPM.Configuration.Test").set(|p| {
            p.set_i32(tags::ROAMING_DATATYPES, 4).set(tags::ROAMING_DICTIONARY, &b"<xml/>"[..]);
        }),
    )?;
    pst.finish()
}

/// An ordinary mail.
fn plain(rng: &mut Rng, i: u64) -> NewMessage {
    let subject = if i.is_multiple_of(5) { format!("RE: Topic {}", i / 5) } else { format!("Topic {}", i / 5) };
    let body = bytes::index(200u64.saturating_add(rng.below(1500)));
    let (sender, n) = (rng.below(9), rng.below(100));
    let mut message = NewMessage::note(&subject, &rng.text(body))
        .from(&format!("Sender {sender}"), &format!("sender{sender}@example.com"))
        .to(&format!("Rcpt {n}"), &format!("rcpt{n}@example.org"))
        .sent(time(i.saturating_mul(17)))
        .received(time(i.saturating_mul(17).saturating_add(2)))
        .read(!i.is_multiple_of(3));
    if i.is_multiple_of(4) {
        message = message.conversation(time(i), Guid::com(bytes::low32(i / 8)));
    }
    if i.is_multiple_of(2) {
        message = message.cc("Copy", "copy@example.net");
    }
    message
}

/// Mails with each kind of body, and texts that are not ASCII.
fn bodies(rng: &mut Rng) -> Vec<NewMessage> {
    let text = rng.text(3000);
    vec![
        NewMessage::note("Text", &text).sent(time(1)),
        NewMessage::note("HTML", "plain part").html(&format!("<html><body><p>{text}</p></body></html>")).sent(time(2)),
        NewMessage::note("RTF", "rtf part").rtf(format!("{{\\rtf1\\ansi {text}}}").as_bytes()).sent(time(3)),
        NewMessage::new("IPM.Note").subject("No body").read(true),
        NewMessage::note("Grüße aus Köln – café", "Ärger, Öl, Übung: ß").from("Jürgen Müller", "j.mueller@example.de").sent(time(4)),
        NewMessage::note("", "A message without a subject").sent(time(5)),
        NewMessage::note("Large text", &rng.text(40_000)).sent(time(6)),
        NewMessage::note("Blind", "with a blind copy")
            .to("To", "to@example.com")
            .recipient(crate::messaging::RecipientType::Bcc, "Hidden", "hidden@example.com")
            .sent(time(7)),
    ]
}

/// Attachments of every method.
fn attachments(rng: &mut Rng, large: usize) -> NewMessage {
    NewMessage::note("Attachments", "of every method")
        .sent(time(8))
        .attach(NewAttachment::file("small.txt", "inline").mime("text/plain"))
        .attach(NewAttachment::file("medium.bin", rng.bytes(3000)))
        .attach(NewAttachment::file("large.bin", rng.bytes(large)))
        .attach(NewAttachment::reader("read.bin", std::io::Cursor::new(rng.bytes(20_000))))
        .attach(NewAttachment::file("empty.dat", Vec::new()))
        .attach(NewAttachment::file("picture.png", rng.bytes(700)).content_id("picture@1").mime("image/png"))
        .attach(NewAttachment::reference("elsewhere.doc", r"\\server\share\elsewhere.doc"))
        .attach(NewAttachment::ole("Chart", rng.bytes(9000)))
}

/// A message within a message, some levels deep, with an attachment at the bottom.
fn embedded(rng: &mut Rng, depth: u64) -> NewMessage {
    let bottom = NewMessage::note("Innermost", &rng.text(500)).attach(NewAttachment::file("deep.txt", rng.bytes(12_000))).sent(time(9));
    (0..depth).fold(bottom, |inner, level| {
        NewMessage::note(&format!("Around level {level}"), &rng.text(300))
            .from("Forwarder", "fwd@example.com")
            .to("Reader", "reader@example.com")
            .attach(NewAttachment::message("embedded", inner))
            .sent(time(level))
    })
}

fn many_recipients(rng: &mut Rng, n: u64) -> NewMessage {
    (0..n).fold(NewMessage::note("To everybody", "a long list").sent(time(10)), |message, i| {
        let k = rng.below(1000);
        message.to(&format!("Recipient number {i} of many"), &format!("r{i}.{k}@example.com"))
    })
}

/// Named properties, and several values of each width.
fn values(rng: &mut Rng) -> NewMessage {
    let set = Guid::new(0x1234_5678, 0x9ABC, 0xDEF0, [1, 2, 3, 4, 5, 6, 7, 8]);
    let name = |n: &str| PropertyName::name(set, n);
    let mut message = NewMessage::note("Values", "of every type")
        .sent(time(11))
        .named(Named::text(name("Colour"), "blue"))
        .named(Named::text(PropertyName::number(Guid::PSETID_COMMON, 0x8554), "16.0"))
        .named(Named::new(PropertyName::number(Guid::PSETID_COMMON, 0x8503), PropType::BOOLEAN, [1]))
        .named(Named::new(name("Float"), PropType::FLOATING64, 1.5f64.to_le_bytes()))
        .named(Named::new(name("Float32"), PropType::FLOATING32, 2.5f32.to_le_bytes()))
        .named(Named::new(name("Short"), PropType::INTEGER16, [7, 0]))
        .named(Named::new(name("Long"), PropType::INTEGER64, rng.draw().to_le_bytes()))
        .named(Named::new(name("Money"), PropType::CURRENCY, 12_345i64.to_le_bytes()))
        .named(Named::new(name("Day"), PropType::FLOATING_TIME, 45_000.25f64.to_le_bytes()))
        .named(Named::new(name("Guid"), PropType::GUID, set.0))
        .named(Named::new(name("Error"), PropType::ERROR_CODE, [0x0F, 1, 4, 0x80]));
    for (suffix, t) in [
        ("2", PropType::MULTI_INTEGER16),
        ("4", PropType::MULTI_INTEGER32),
        ("f", PropType::MULTI_FLOATING32),
        ("d", PropType::MULTI_FLOATING64),
        ("c", PropType::MULTI_CURRENCY),
        ("a", PropType::MULTI_FLOATING_TIME),
        ("8", PropType::MULTI_INTEGER64),
        ("t", PropType::MULTI_TIME),
        ("g", PropType::MULTI_GUID),
    ] {
        let width = t.fixed_size().unwrap_or(4);
        // small numbers: one reader takes the first for a count
        let values: Vec<u8> = (1..=5u64).flat_map(|i| i.to_le_bytes().into_iter().chain([0; 8]).take(width)).collect();
        message = message.named(Named::new(name(&format!("Multi{suffix}")), t, values));
    }
    let mut texts = crate::write::Props::new();
    texts.set_strs(PropTag::new(1, PropType::MULTI_STRING), &["one", "zwei", "três"]);
    texts.set_binaries(PropTag::new(2, PropType::MULTI_BINARY), &[rng.bytes(3), Vec::new(), rng.bytes(5000)]);
    for (suffix, id) in [("strings", 1u16), ("binaries", 2)] {
        if let Some((tag, data)) = texts.remove(id) {
            message = message.named(Named { name: name(&format!("Multi {suffix}")), prop_type: tag.prop_type(), data });
        }
    }
    message
}

/// So many large values that their sub-nodes need two levels; they share one block. Their numbers are no property ids: one reader
/// takes any number for one.
fn many_subnodes(pst: &mut PstWriter<'_>, rng: &mut Rng, n: u32) -> Result<NewMessage> {
    let tree = pst.ndb().write_data(&rng.bytes(64))?;
    let set = Guid::com(0x00AB_CDEF);
    let message = NewMessage::note("Many large values", "in many sub-nodes").sent(time(12));
    Ok((0..n).fold(message, |message, i| {
        message.named(Named {
            name: PropertyName::number(set, i.saturating_add(0xA000)),
            prop_type: PropType::BINARY,
            data: Data::Written(tree),
        })
    }))
}

/// An appointment, a contact, a task, a note and a journal entry.
fn items(rng: &mut Rng) -> Vec<NewMessage> {
    let id = |set, id, t, bytes: Vec<u8>| Named::new(PropertyName::number(set, id), t, bytes);
    let at = |minutes| time(minutes).0.to_le_bytes().to_vec();
    vec![
        NewMessage::new("IPM.Appointment")
            .subject("Review")
            .text(&rng.text(200))
            .named(id(Guid::PSETID_APPOINTMENT, 0x820D, PropType::TIME, at(600)))
            .named(id(Guid::PSETID_APPOINTMENT, 0x820E, PropType::TIME, at(660)))
            .named(id(Guid::PSETID_APPOINTMENT, 0x8205, PropType::INTEGER32, vec![2, 0, 0, 0]))
            .named(Named::text(PropertyName::number(Guid::PSETID_APPOINTMENT, 0x8208), "Room 5")),
        NewMessage::new("IPM.Contact")
            .subject("Ann Example")
            .set(|p| {
                p.set_str(tags::DISPLAY_NAME, "Ann Example");
            })
            .named(Named::text(PropertyName::number(Guid::PSETID_ADDRESS, 0x8083), "ann@example.com")),
        NewMessage::new("IPM.Task").subject("Write the report").named(id(Guid::PSETID_TASK, 0x8105, PropType::TIME, at(5000))).named(id(
            Guid::PSETID_TASK,
            0x811C,
            PropType::BOOLEAN,
            vec![0],
        )),
        NewMessage::new("IPM.StickyNote").subject("Milk").text("Milk, bread").named(id(
            Guid::PSETID_NOTE,
            0x8B00,
            PropType::INTEGER32,
            vec![3, 0, 0, 0],
        )),
        NewMessage::new("IPM.Activity").subject("Call").named(Named::text(PropertyName::number(Guid::PSETID_LOG, 0x8700), "Phone call")),
    ]
}

/// The shape of a large mailbox.
#[derive(Debug, Clone)]
pub struct MailShape {
    /// Layout and encoding.
    pub variety: Variety,
    /// Messages.
    pub messages: u64,
    /// Folders that they are spread over.
    pub folders: u64,
    /// Bytes of a text body, on average.
    pub body: usize,
    /// Every how many messages one has an attachment; 0 for never.
    pub attachment_every: u64,
    /// Bytes of an attachment.
    pub attachment: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for MailShape {
    /// Mail of about 10 KB a message, some with attachments.
    fn default() -> Self {
        Self {
            variety: variety(Variant::Unicode, CryptMethod::Permute, false),
            messages: 10_000,
            folders: 20,
            body: 3000,
            attachment_every: 10,
            attachment: 40_000,
            seed: 1,
        }
    }
}

impl MailShape {
    /// Many small messages in many folders.
    pub fn many_small() -> Self {
        Self { messages: 15_000, folders: 450, body: 400, attachment_every: 0, ..Self::default() }
    }

    /// Few messages with large attachments.
    pub fn attachments() -> Self {
        Self { messages: 900, folders: 9, body: 1000, attachment_every: 1, attachment: 200_000, ..Self::default() }
    }

    /// One folder with so many small messages.
    pub fn one_folder(messages: u64) -> Self {
        Self { messages, folders: 1, body: 200, attachment_every: 0, ..Self::default() }
    }

    /// So many folders with one small message each.
    pub fn many_folders(folders: u64) -> Self {
        Self { messages: folders, folders, body: 200, attachment_every: 0, ..Self::default() }
    }

    /// Mail of about this many bytes in all.
    pub fn of_size(bytes: u64) -> Self {
        let shape = Self::default();
        let messages = bytes / 13_600;
        Self { messages, folders: (messages / 2000).max(5), ..shape }
    }
}

/// Folders that are as alike as folders can be: the same number of messages in each.
#[derive(Debug, Clone, Copy)]
pub struct Alike {
    /// Folders.
    pub folders: u64,
    /// Messages of each.
    pub messages: u64,
    /// Associated messages of each.
    pub associated: u64,
    /// Each folder is in the one before, up to so many levels; 1 puts them side by side.
    pub depth: u64,
    /// Whether all have the same name.
    pub one_name: bool,
    /// Whether a folder is closed before the next begins, so that its tables stand beside its messages.
    pub close: bool,
}

/// A store of folders that are alike; each message has a subject of its own.
///
/// # Errors
/// Those of the storage.
pub fn alike(storage: &dyn Storage, shape: &Alike) -> Result<Written> {
    let mut pst = PstWriter::create(storage, VARIETIES[0].options(1))?;
    let mut parent = IPM_SUBTREE;
    for f in 0..shape.folders {
        let name = if shape.one_name { "Folder".to_owned() } else { format!("Folder {f}") };
        parent = if f.checked_rem(shape.depth.max(1)) == Some(0) { IPM_SUBTREE } else { parent };
        let folder = pst.add_folder(parent, &name)?;
        for i in 0..shape.messages {
            let n = f.saturating_mul(shape.messages).saturating_add(i);
            let message = NewMessage::note(&format!("Message {n}"), "text").from("Ann", "ann@example.com").to("Bob", "bob@example.com");
            pst.add_message(folder, message.sent(time(n)).received(time(n.saturating_add(1))))?;
        }
        for i in 0..shape.associated {
            let name = format!("Setting {f} {i}");
            pst.add_associated(
                folder,
                NewMessage::new("IPM.Configuration.Test").subject(&name).set(|p| {
                    p.set_str(tags::DISPLAY_NAME, &name);
                }),
            )?;
        }
        if shape.close {
            pst.close_folder(folder)?;
        }
        parent = folder;
    }
    pst.finish()
}

/// A large mailbox of a shape.
///
/// # Errors
/// Those of the storage.
pub fn mail(storage: &dyn Storage, shape: &MailShape) -> Result<Written> {
    let mut rng = Rng::new(shape.seed);
    // Bodies and attachments are cut out of one text and one noise: making them must not take longer than writing them.
    let pool = rng.text(shape.body.saturating_mul(8).max(4096));
    let noise = rng.bytes(shape.attachment.saturating_mul(2));
    let mut pst = PstWriter::create(storage, shape.variety.options(shape.seed))?;
    let folders = shape.folders.max(1);
    let mut left = shape.messages;
    for f in 0..folders {
        let folder: Nid = pst.add_folder(IPM_SUBTREE, &format!("Folder {f}"))?;
        let n = left.div_ceil(folders.saturating_sub(f).max(1));
        left = left.saturating_sub(n);
        for i in 0..n {
            let start = bytes::index(rng.below(bytes::wide(pool.len().saturating_sub(shape.body).max(1))));
            let length = shape.body.saturating_div(2).saturating_add(bytes::index(rng.below(bytes::wide(shape.body.max(1)))));
            let body = pool.get(start..start.saturating_add(length).min(pool.len())).unwrap_or(&pool);
            let (s, r) = (rng.below(500), rng.below(5000));
            let mut message = NewMessage::note(&format!("Subject {f} {} {}", i / 3, rng.below(100)), body)
                .from(&format!("Sender {s}"), &format!("sender{s}@example.com"))
                .to(&format!("Recipient {r}"), &format!("recipient{r}@example.org"))
                .sent(time(i.saturating_mul(7)))
                .received(time(i.saturating_mul(7).saturating_add(1)))
                .read(!i.is_multiple_of(4));
            if shape.attachment_every > 0 && i.is_multiple_of(shape.attachment_every) {
                let start = bytes::index(rng.below(bytes::wide(shape.attachment.max(1))));
                let data = noise.get(start..start.saturating_add(shape.attachment)).unwrap_or_default();
                message = message.attach(NewAttachment::file("data.bin", data));
            }
            pst.add_message(folder, message)?;
        }
        pst.close_folder(folder)?;
    }
    pst.finish()
}
