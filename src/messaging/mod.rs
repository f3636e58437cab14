//! The messaging layer: store, folders, messages, recipients, attachments, bodies ([MS-PST] 2.4).
pub mod code_page;
pub mod html;
mod html_entities;
mod oem_pages;
pub mod rtf;
pub mod rtf_text;
mod rtf_token;
mod shifted;
