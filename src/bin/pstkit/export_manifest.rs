//! The list of what an export wrote: JSON Lines or CSV.

use crate::export_place::Action;
use pstkit::export::eml::Tally;
use pstkit::export::items::Origin;
use pstkit::messaging::State;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// One item of the list.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Record {
    /// Shape of the document, and its version.
    pub(crate) schema: &'static str,
    /// Its node id.
    pub(crate) nid: u32,
    /// Path of its folder.
    pub(crate) folder: String,
    /// Where it was found.
    pub(crate) origin: Origin,
    /// Its message class.
    pub(crate) class: Option<String>,
    /// Path within the target; none where nothing was written.
    pub(crate) file: Option<String>,
    /// The fate of it.
    pub(crate) action: Option<Action>,
    /// Its Message-ID.
    pub(crate) message_id: Option<String>,
    /// Digest of the item as it is in the file.
    pub(crate) sha256: Option<String>,
    /// How many bytes.
    pub(crate) bytes: u64,
    /// How much of it is whole.
    pub(crate) state: State,
    /// Whether content is missing.
    pub(crate) lossy: bool,
    /// Its attachments.
    pub(crate) attachments: Tally,
    /// Attachments whose data are not in the file, by name.
    pub(crate) elsewhere: Vec<String>,
    /// The faults, in sentences.
    pub(crate) problems: Vec<String>,
}

pub(crate) const SCHEMA: &str = "pstkit-manifest/1";

const COLUMNS: &str = "nid,folder,origin,class,file,action,message_id,sha256,bytes,state,attachments,attachments_written,\
                       attachments_partial,attachments_elsewhere,attachments_left_out,elsewhere,problems";

/// A list that is being written; it gets its name when it is complete.
pub(crate) struct Manifest {
    path: PathBuf,
    part: PathBuf,
    out: BufWriter<File>,
    is_csv: bool,
}

impl Manifest {
    /// Begins a list. A list of an earlier run is replaced, any other file is not.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        if let Ok(file) = File::open(path) {
            let mut first = String::new();
            let _ = io::Read::take(BufReader::new(file), 4096).read_line(&mut first);
            let is_ours = first.trim().is_empty() || first.contains(SCHEMA) || first.starts_with("nid,folder,origin,class,file,action,");
            if !is_ours {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no list of an export: choose another name"));
            }
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let _ = fs::remove_file(&part);
        let mut out = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(&part)?);
        let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if is_csv {
            writeln!(out, "{COLUMNS}\r")?;
        }
        Ok(Self { path: path.to_owned(), part, out, is_csv })
    }

    pub(crate) fn add(&mut self, r: &Record) -> io::Result<()> {
        if !self.is_csv {
            crate::plain::json_line(&mut self.out, r)?;
            return self.out.write_all(b"\n");
        }
        let a = &r.attachments;
        let action = r.action.map_or("", |a| match a {
            Action::Written => "written",
            Action::Present => "present",
            Action::Kept => "kept",
        });
        let cells = [
            format!("{:#x}", r.nid),
            r.folder.clone(),
            r.origin.as_str().to_owned(),
            r.class.clone().unwrap_or_default(),
            r.file.clone().unwrap_or_default(),
            action.to_owned(),
            r.message_id.clone().unwrap_or_default(),
            r.sha256.clone().unwrap_or_default(),
            r.bytes.to_string(),
            r.state.to_string(),
            a.expected.to_string(),
            a.written.to_string(),
            a.partial.to_string(),
            a.elsewhere.to_string(),
            a.left_out.to_string(),
            r.elsewhere.join(" | "),
            r.problems.join(" | "),
        ];
        let line: Vec<String> = cells.iter().map(|c| cell(c)).collect();
        write!(self.out, "{}\r\n", line.join(","))
    }

    /// Gives the list its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        fs::rename(&self.part, &self.path)
    }
}

/// A cell of CSV. One that a spreadsheet would take for a formula begins with an apostrophe: it is text.
fn cell(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r', ';', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell(" +1"), "\"' +1\"");
        assert_eq!(cell("plain"), "plain");
    }
}
