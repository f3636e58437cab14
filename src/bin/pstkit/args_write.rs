//! The command line of the commands that write files.

use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// Repair a file: show the plan, or carry it out into a new file or in place
///
/// Without -p or -y nothing is written: the plan is shown. A repair sets right what it can from what the file still says, puts what is in
/// no folder under "Lost and Found", checks the result, and accounts for every folder, message and attachment. It invents nothing.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how").args(["plan", "lossless", "all"])))]
#[command(after_help = "\
Examples:
  pstkit repair mail.pst                              what would be done; nothing is written
  pstkit repair -y mail.pst -o repaired.pst           everything, into a new file
  pstkit repair -p mail.pst -o repaired.pst           only what gives nothing up
  pstkit repair -y --skip rebuild-table mail.pst -o repaired.pst
  pstkit repair -y --in-place mail.pst                writes mail.pst.undo first; `pstkit undo mail.pst.undo` brings the old state back
  pstkit repair -y --hash --json mail.pst -o repaired.pst > report.json

Exit status: 0 nothing was to be done, 1 everything is corrected, 4 problems are left (with -n: there is something to repair),
+64 content is lost or there in part, 8 could not be done, 16 the output exists or the command line makes no sense.")]
pub(crate) struct RepairArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// Show the plan and change nothing (the default)
    #[arg(short = 'n', long)]
    pub(crate) plan: bool,
    /// Carry out the part of the plan that gives nothing up
    #[arg(short = 'p', long)]
    pub(crate) lossless: bool,
    /// Carry out all of it
    #[arg(short = 'y', long)]
    pub(crate) all: bool,
    /// Allow removing readable objects whose type is unknown
    #[arg(long)]
    pub(crate) allow_loss: bool,
    /// Also set right what does no harm: notices, which Outlook's own files have
    #[arg(long)]
    pub(crate) notices: bool,
    /// Carry out these actions of the plan alone, by their ids, with commas between; all other objects stay as they are
    #[arg(long, value_name = "ACTIONS", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Leave out these actions of the plan
    #[arg(long, value_name = "ACTIONS", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,
    /// Write the repaired file here; the source is not touched
    #[arg(short, long, value_name = "OUT", conflicts_with = "in_place")]
    pub(crate) out: Option<PathBuf>,
    /// Replace OUT if it exists
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Change the file itself; an undo file is written first
    #[arg(long)]
    pub(crate) in_place: bool,
    /// The undo file; default: FILE.undo
    #[arg(long, value_name = "UNDO", requires = "in_place")]
    pub(crate) undo_file: Option<PathBuf>,
    /// How often the result may be written, until nothing changes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_passes: u32,
    /// Also write a report of the file before and after: a page with pictures (.html), or its data (.json)
    #[arg(long, value_name = "REPORT")]
    pub(crate) report: Option<PathBuf>,
    /// SHA-256 of the source, before and after
    #[arg(long)]
    pub(crate) hash: bool,
}

/// Undo a repair in place: the file is again what it was, byte for byte
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit undo mail.pst.undo
  pstkit undo saved.undo mail.pst

An old file that the repair kept whole (mail.pst.undo.kept) has to lie beside the undo file.

Exit status: 0 done, 4 done with --force, and not surely byte for byte, 8 could not be done and nothing was changed: it is no undo file, is
damaged or of another file, or the file was changed since (--force); 16 the command line is wrong.")]
pub(crate) struct UndoArgs {
    /// The undo file that the repair wrote
    #[arg(value_name = "UNDO")]
    pub(crate) undo_file: PathBuf,
    /// The repaired file; default: the undo file's name without .undo
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Also where the file was changed since: what the repair had overwritten is put back, and those changes are lost
    #[arg(long)]
    pub(crate) force: bool,
}

/// Recover everything that can be found, also deleted items, into a new file
///
/// The whole file is searched: what the trees list, what only older generations of the trees list (deleted messages and folders), and
/// messages that nothing lists any more. Deleted items goes to folders below "Lost and Found"; the report says where each comes from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit recover mail.pst -o found.pst
  pstkit recover --json mail.pst -o found.pst      each find: id, subject, folder it was in, page or block that led to it

Exit status: 0 done, 4 problems are left in the result, +64 content is lost or there in part, 8 could not be done, 16 OUT exists.")]
pub(crate) struct RecoverArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Also the older states of messages that are still in the file, as items of their own
    #[arg(long)]
    pub(crate) versions: bool,
    /// Also tell the SHA-256 of the file and of the result
    #[arg(long)]
    pub(crate) hash: bool,
}

/// Copy a file without its free space: same variant, same kind, same encoding, ids stay valid
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit compact mail.pst -o small.pst

Exit status: 0 done, 64 content could not be read or not wholly (what, is said), 8 could not be done, 16 OUT exists.")]
pub(crate) struct CompactArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Copy a file into another variant: ANSI to Unicode, OST to PST
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit convert old.pst -o new.pst --to unicode
  pstkit convert mail.ost -o mail.pst --to unicode
  pstkit convert mail.ost -o local.pst --to unicode --local-only     what exists only in this OST
  pstkit convert new.pst -o old.pst --to ansi --code-page 1252

Exit status: 0 done, 64 the target cannot hold something, or something could not be read (what, is said), 8 could not be done,
16 OUT exists.")]
pub(crate) struct ConvertArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Layout
    #[arg(long, value_enum)]
    pub(crate) to: Variety,
    /// Code page of an ANSI copy's texts; default: the source's
    #[arg(long, value_name = "NUMBER")]
    pub(crate) code_page: Option<u32>,
    /// Only what exists in this file alone, as `repair` lists it for an OST
    #[arg(long)]
    pub(crate) local_only: bool,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// The layouts that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variety {
    /// Outlook 2003 and later: what a PST is today
    Unicode,
    /// Outlook 97 to 2002: at most 2 GB
    Ansi,
    /// OST of Outlook 2013 and later: pages of 4 KiB, compressed
    Ost4k,
}

/// How contents are encoded; none of it needs a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    None,
    Permute,
    Cyclic,
}

/// Create an empty store
///
/// The file gets its name only when it is complete.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit create new.pst
  pstkit create --to ansi --code-page 932 old.pst
  pstkit create --name \"Archive 2026\" --encoding none archive.pst

Exit status: 0 done, 8 could not be written, 16 the file exists.")]
pub(crate) struct CreateArgs {
    /// The file to create
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Layout
    #[arg(long, value_enum, default_value_t = Variety::Unicode)]
    pub(crate) to: Variety,
    /// What Outlook calls the store
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How contents are encoded; default: as Outlook does (permute; none for ost4k)
    #[arg(long, value_enum)]
    pub(crate) encoding: Option<Encoding>,
    /// Mark the file as an OST
    #[arg(long)]
    pub(crate) ost: bool,
    /// Code page of an ANSI store's texts
    #[arg(long, value_name = "NUMBER")]
    pub(crate) code_page: Option<u32>,
    /// Password that Outlook asks for; it protects nothing
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}
