//! `pstkit info` of a log of Outlook's writes.

use crate::Context;
use crate::render;
use crate::status::Failure;
use pstkit::format::write_log::WriteLog;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A write that Outlook had begun.
#[derive(Serialize, schemars::JsonSchema)]
struct Record {
    /// Offset in the log.
    at: u64,
    /// Its number.
    sequence: u32,
    /// When it was written, in RFC 3339.
    time: String,
    /// Offset in the data file.
    offset: u64,
    /// How many bytes.
    bytes: u32,
    /// Whether the checksum of its bytes is right.
    checksum_good: bool,
}

/// The log of writes that lies beside a data file: `pstkit-write-log/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Log {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// The data file that the log belongs to, by its name.
    data_file: Option<String>,
    /// Whether that file is there.
    data_file_exists: bool,
    /// The writes.
    records: Vec<Record>,
    /// Whether there are more.
    more_records: bool,
}

/// The data file that a log belongs to: the name without `~` and `.tmp`, in the same folder.
fn data_file(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    Some(path.with_file_name(name.strip_prefix('~')?.strip_suffix(".tmp")?))
}

/// Prints a log's records.
pub(crate) fn text(ctx: &mut Context, path: &Path, log: &WriteLog) -> Result<(), Failure> {
    let belongs = data_file(path);
    let exists = belongs.as_ref().is_some_and(|p| p.exists());
    let records = log.records.iter().map(|r| Record {
        at: r.at,
        sequence: r.sequence,
        time: r.time.to_string(),
        offset: r.offset,
        bytes: r.bytes,
        checksum_good: r.is_good,
    });
    if ctx.global.machine() {
        let all = Log {
            schema: "pstkit-write-log/1",
            file: path.display().to_string(),
            data_file: belongs.map(|p| p.display().to_string()),
            data_file_exists: exists,
            records: records.collect(),
            more_records: log.is_cut,
        };
        return ctx.json(&all);
    }
    writeln!(ctx.out, "{}: Outlook's log of writes, not a data file", render::name(path))?;
    match &belongs {
        Some(p) if exists => writeln!(ctx.out, "  belongs to {}", render::name(p))?,
        Some(p) => writeln!(ctx.out, "  belongs to {}, which is not beside it", render::name(p))?,
        None => writeln!(ctx.out, "  its name does not say to which file it belongs")?,
    }
    let mut rows = vec![["record at", "number", "time", "offset in the data file", "bytes", "checksum"].map(str::to_owned).to_vec()];
    rows.extend(records.map(|r| {
        vec![
            format!("{:#x}", r.at),
            r.sequence.to_string(),
            r.time,
            format!("{:#x}", r.offset),
            r.bytes.to_string(),
            if r.checksum_good { "good" } else { "wrong" }.to_owned(),
        ]
    }));
    render::table(&mut ctx.out, 2, &[0, 1, 3, 4], &rows)?;
    writeln!(ctx.out, "  It is not replayed here; Outlook does that when it opens the data file.")?;
    Ok(())
}
