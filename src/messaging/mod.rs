//! The messaging layer: store, folders, messages, recipients, attachments, bodies ([MS-PST] 2.4).
//!
//! [`Pst`] opens a file; [`Store`], [`Folder`], [`Message`] and [`Attachment`] each stand on [`Properties`], which reads values as they are
//! asked for and keeps their faults. Bodies have their codecs here too: [`rtf`], [`rtf_text`], [`html`], [`code_page`].

mod attachment;
pub mod code_page;
pub(crate) mod conversation;
mod folder;
pub mod html;
mod html_entities;
mod message;
mod missing;
pub mod named;
mod object;
mod oem_pages;
mod open;
mod origin;
mod parts;
mod recipient;
pub mod recurrence;
pub mod rtf;
pub mod rtf_text;
mod rtf_token;
mod shifted;
mod store;
pub mod timezone;

pub use attachment::{AttachMethod, Attachment};
pub use folder::{Folder, FolderCounts, FolderKind};
pub use message::{Message, MessageFlags, Sender, plain_subject};
pub use missing::Missing;
pub(crate) use missing::uncounted;
pub use object::{Properties, State};
pub use open::{OpenOptions, Pst};
pub use origin::Origin;
pub use parts::DamagedPart;
pub use recipient::{Recipient, RecipientType};
pub use store::Store;
