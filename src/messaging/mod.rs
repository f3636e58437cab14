//! The messaging layer: store, folders, messages, recipients, attachments, bodies ([MS-PST] 2.4).
pub mod rtf;
