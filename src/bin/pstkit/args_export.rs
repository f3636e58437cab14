//! The command line of `export`.

use crate::args::OriginArg;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// The form that items are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum To {
    /// Each item in the form that is natural to it: mail as EML, contacts as vCard, appointments and tasks as iCalendar, notes as text
    Auto,
    /// Each item as an EML file
    Eml,
    /// One mbox file a folder (mboxrd)
    Mbox,
    /// Maildir++, with the state of each message in its name
    Maildir,
    /// Each item as a file of Outlook's, with all its properties
    Msg,
    /// One record an item, as `pstkit items --jsonl` prints them, in one file (-o FILE)
    Jsonl,
    /// Contacts and distribution lists alone, as vCard
    Vcf,
    /// Appointments and tasks alone, as iCalendar
    Ics,
}

/// The version of vCard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vcard {
    /// 3.0, which every program reads
    #[value(name = "3")]
    V3,
    /// 4.0
    #[value(name = "4")]
    V4,
}

/// Write the mail out of a file in forms that other programs read
///
/// Works straight from damaged files, from ANSI and from offline files. Each item goes into the folder that it is in; deleted and
/// carved items (--origin) get folders of their own. A second run onto the same folder goes on where the first was cut off, changes
/// nothing that is complete, and never overwrites another file.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").args(["out", "attachments"]).required(true).multiple(true)))]
#[command(after_help = "\
Examples:
  pstkit export mail.pst -o mail/                                   everything, in the tree of the folders
  pstkit export mail.pst -o Maildir/ --to maildir                   for Dovecot and other servers
  pstkit export mail.pst -o mail/ --to mbox --manifest mail.csv     for Thunderbird, with a list of what was written
  pstkit export mail.pst -o mail/ --to msg --class IPM.Note         for Outlook, and for tools that read its files
  pstkit export mail.pst -o mail.jsonl --to jsonl --folder Inbox    for databases: one record an item
  pstkit export mail.pst --attachments files/ --since 2020-01-01    the attachments alone

Exit status: 0 everything was written, 4 something was not, or not wholly (standard error says what), +64 its content is lost,
8 could not be done, 16 the command line makes no sense.")]
pub(crate) struct ExportArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// Write the items into this folder, which is made where it is not there; with --to jsonl, into this file
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The form
    #[arg(long, value_enum, default_value_t = To::Auto, value_name = "FORM")]
    pub(crate) to: To,
    /// The version of vCard
    #[arg(long, value_enum, default_value_t = Vcard::V3, value_name = "N")]
    pub(crate) vcard: Vcard,
    /// Write the attachments alone into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) attachments: Option<PathBuf>,
    /// Only this folder and those in it, by its path as ls prints it
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<String>,
    /// Only items of this class and those under it, as IPM.Note; may be repeated
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// Only items of this day (UTC) and later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) since: Option<u32>,
    /// Only items before this day (UTC)
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) before: Option<u32>,
    /// Only items that were found so; may be repeated. Without it: normal and orphan. Deleted and carved ones are searched for in the
    /// whole file
    #[arg(long, value_enum)]
    pub(crate) origin: Vec<OriginArg>,
    /// Also associated items: views, rules, settings
    #[arg(long)]
    pub(crate) associated: bool,
    /// Write a list of everything: JSON Lines, or CSV where the name ends in .csv
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Longest path of a file, in characters; 259 is what older programs of Windows take
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_path: usize,
}

/// A day as the number YYYYMMDD.
fn day(text: &str) -> Result<u32, String> {
    let wrong = || "a day as YYYY-MM-DD".to_owned();
    let parts: Vec<u32> = text.split('-').map(|p| p.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    match parts.as_slice() {
        [y @ 1601..=9999, m @ 1..=12, d @ 1..=31] => Ok(y.saturating_mul(10_000).saturating_add(m.saturating_mul(100)).saturating_add(*d)),
        _ => Err(wrong()),
    }
}
