//! Forms that other tools take: [`items`], one record a message; with the feature `export` also mail as [`eml`], in mbox and Maildir
//! form, any item as [`msg`], appointments and tasks as [`ics`], contacts as [`vcf`].
//!
//! [`Exporter`] writes many messages of a file; [`safe_name`] makes file names of names that come from mail.

pub mod items;

#[cfg(feature = "export")]
mod address;
#[cfg(feature = "export")]
mod body;
#[cfg(feature = "export")]
pub mod eml;
#[cfg(feature = "export")]
mod headers;
#[cfg(feature = "export")]
pub mod ics;
#[cfg(feature = "export")]
mod lines;
#[cfg(feature = "export")]
mod mailbox;
#[cfg(feature = "export")]
mod mime;
#[cfg(feature = "export")]
pub mod msg;
#[cfg(feature = "export")]
mod msg_names;
#[cfg(feature = "export")]
mod names;

#[doc(hidden)]
pub use crate::work::{in_order, in_order_while};
#[cfg(feature = "export")]
pub mod vcf;

#[cfg(feature = "export")]
pub use exporter::Exporter;
#[cfg(feature = "export")]
pub use mailbox::{LineWriter, MailFlags, mail_flags, maildir_folder, mbox_from};
#[cfg(feature = "export")]
pub use names::{NAME_MAX, NameSet, safe_name};

#[cfg(feature = "export")]
mod exporter;
