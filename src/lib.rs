//! Inspect, check, repair, salvage and write Outlook data files (PST, OST, NST), without Outlook and without Windows.
//!
//! All three variants of the format are read and written: ANSI (Outlook 97–2002), Unicode, and Unicode with 4 KiB pages and compressed
//! blocks (OSTs of Outlook 2013 and later).
//!
//! | job | way |
//! |---|---|
//! | open a file, whole or broken | [`Pst::open`] |
//! | walk folders, messages, recipients, attachments | [`Pst::folders`], [`Pst::messages`], [`Message`](messaging::Message) |
//! | read named properties, recurrence, time zones | [`messaging::named`], [`messaging::recurrence`], [`messaging::timezone`] |
//! | check | [`check::check()`] |
//! | plan a repair, repair, undo | [`repair::Repair`], [`repair::undo()`] |
//! | recover deleted mail | [`repair::rescue()`] |
//! | write a store | [`write::PstWriter`] |
//! | copy, compact, convert | [`write::copy()`] |
//! | export mail as EML, mbox, vCard, iCalendar | [`export`](mod@export) |
//! | look beneath | [`Pst::ndb`], [`ndb`], [`ltp`], [`format`](mod@format) |
//!
//! # Open and walk
//!
//! List the folders:
//!
//! ```no_run
//! use pstkit::Pst;
//! let pst = Pst::open("mail.pst")?;
//! for folder in pst.folders() {
//!     println!("{}: {} messages", folder.path(), folder.counts().messages);
//! }
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! Print a message:
//!
//! ```no_run
//! use pstkit::{Nid, Pst};
//! let pst = Pst::open("mail.pst")?;
//! let message = pst.message(Nid(0x200024))?;
//! let sender = message.sender()?;
//! println!("{:?} from {:?} <{:?}>", message.subject()?, sender.name, sender.address);
//! for recipient in message.recipients()? {
//!     println!("{}: {:?} <{:?}>", recipient.recipient_type, recipient.name, recipient.email);
//! }
//! println!("{}", message.body_text()?.unwrap_or_default());
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! Save the attachments. Data streams, whatever its size, and a damaged value ends with an error:
//!
//! ```no_run
//! use pstkit::{Nid, Pst};
//! let pst = Pst::open("mail.pst")?;
//! for (i, attachment) in pst.message(Nid(0x200024))?.attachments()?.iter().enumerate() {
//!     if let Some(mut data) = attachment.data()? {
//!         // the name comes from the mail: never use it as a path
//!         let mut file = std::fs::File::create(format!("attachment-{i}.bin")).unwrap();
//!         std::io::copy(&mut data, &mut file).unwrap();
//!     }
//! }
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! # Check
//!
//! ```no_run
//! use pstkit::Pst;
//! use pstkit::check::{CheckOptions, Verdict};
//! let report = Pst::open("mail.pst")?.check(&CheckOptions::default(), &())?;
//! for finding in &report.findings {
//!     println!("{} {}: {finding}", finding.severity, finding.rule.code);
//! }
//! assert!(report.verdict <= Verdict::Minor, "{}", report.summary());
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! # Plan and repair
//!
//! ```no_run
//! # #[cfg(feature = "recover")] {
//! use pstkit::repair::Repair;
//! let repair = Repair::open("broken.pst", &())?;
//! for action in &repair.plan().actions {
//!     println!("{}", action.what);
//! }
//! let outcome = repair.write("repaired.pst", &())?;
//! println!("{} messages lost; {}", outcome.account.messages.lost, outcome.after.summary());
//! # }
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! # Recover
//!
//! Everything that is in a file goes into a new one, deleted mail into folders below *Lost and Found*:
//!
//! ```no_run
//! # #[cfg(feature = "recover")] {
//! use pstkit::OpenOptions;
//! use pstkit::io::{AtomicFile, Existing, Storage};
//! use pstkit::repair::{RescueOptions, rescue};
//! use std::sync::Arc;
//!
//! let source = OpenOptions::new().source("mail.pst".as_ref())?;
//! let file = AtomicFile::create("rescued.pst".as_ref(), Existing::Refuse)?;
//! let target: Arc<dyn Storage> = file.shared()?;
//! let rescued = rescue(&source, &target, &RescueOptions::default(), &())?;
//! drop(target);
//! file.commit()?;
//! println!("{} deleted items", rescued.found.len());
//! # }
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! # Write
//!
//! ```
//! use pstkit::io::MemoryStorage;
//! use pstkit::write::{IPM_SUBTREE, NewMessage, PstWriter, StoreOptions};
//!
//! let memory = MemoryStorage::default();
//! let mut pst = PstWriter::create(&memory, StoreOptions::default())?;
//! let inbox = pst.add_folder(IPM_SUBTREE, "Inbox")?;
//! pst.add_message(inbox, NewMessage::note("Hello", "A first message.").from("Ann", "ann@example.com"))?;
//! pst.finish()?;
//! # Ok::<(), pstkit::Error>(())
//! ```
//!
//! # Two ways to read
//!
//! A file whose header or trees are damaged is searched as a whole: [`Pst::open`] never looks empty where the file is not.
//! [`Pst::is_salvaged`] and [`Pst::problems`] say so, and [`OpenOptions::salvage`] turns it off.
//!
//! *Tolerant* reading, the default, gives each folder, message and attachment with its [`State`](messaging::State) and its problems; one bad
//! object never hides its neighbours. *Strict* reading ([`OpenOptions::strict`]) ends at the first violation, an [`Error`] with offset, ids
//! and the code of the [`Rule`](rules::Rule) that is broken. Both use the same decoders: a decoder reports to a
//! [`Sink`](finding::Sink), and the sink decides.
//!
//! # Promises
//!
//! - Files are opened for reading alone; nothing but repair in place ever writes to a source.
//! - No input makes the library panic, hang, or allocate more than the bytes in the file justify.
//! - Damage is told, never dropped in silence.
//!
//! # Layers
//!
//! [`io`] (where bytes come from) → [`format`](mod@format) (structures, no I/O) → [`ndb`] (nodes and blocks) → [`ltp`] (heaps, properties, tables) →
//! [`messaging`] (store, folders, messages) → [`export`](mod@export). Each is public and can be used by itself. [`check`](mod@check) and
//! [`write`](mod@write) stand beside them, [`recover`] and [`repair`] above. Structures whose fields the format fixes can be built by anybody;
//! every other public struct and enum can get further fields and variants, and options are set by methods.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `mmap` | yes | files are read through a memory map |
//! | `simd` | yes | blocks are decoded with vector instructions where the processor has them; with `mmap` the crate's only `unsafe` code |
//! | `export` | no | mail as EML, mbox, Maildir, vCard and iCalendar |
//! | `serde` | no | reports, plans and items can be serialised |
//! | `recover` | yes | recovery and repair; a file whose header or trees are damaged is searched by `Pst::open` |
//! | `cli` | no | the program `pstkit` |
// without recovery, parts of the lower layers have no caller
#![cfg_attr(not(feature = "recover"), allow(dead_code, unused_imports))]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

/// Setters of an options struct, one for each public field: the struct can get further fields without a break.
macro_rules! setters {
    ($($field:ident: $type:ty),+ $(,)?) => {
        $(
            #[doc = concat!("Sets the field `", stringify!($field), "`.")]
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )+
    };
}

pub mod check;
pub mod error;
pub mod export;
pub mod finding;
pub mod format;
pub mod io;
pub mod limits;
pub mod ltp;
pub mod messaging;
pub mod monitor;
pub mod ndb;
mod open;
#[cfg(feature = "recover")]
pub mod recover;
#[cfg(feature = "recover")]
pub mod repair;
pub mod rules;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(any(test, feature = "testkit"))]
#[doc(hidden)]
pub mod testkit;
mod work;
pub mod write;

pub use error::{Error, ErrorKind, Result};
pub use format::ids::{Bid, Ib, Nid, NidType, PropTag, PropType};
pub use messaging::{OpenOptions, Pst};
