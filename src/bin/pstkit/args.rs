//! The command line.

pub(crate) use crate::args_export::ExportArgs;
pub(crate) use crate::args_write::{CompactArgs, ConvertArgs, CreateArgs, Encoding, RecoverArgs, RepairArgs, UndoArgs, Variety};
use clap::{Args, Parser, Subcommand, ValueEnum};
use pstkit::rules::{Rule, Severity};
use std::path::PathBuf;

const EXIT: &str = "\
Exit status (a sum):
   0  clean, or done
   1  problems were found and all of them corrected
   4  problems are left (check: at or above --fail-on); reading: something could not be read, and standard error says what
   8  could not be done: no such file, not an Outlook data file, locked, an I/O error
  16  the command line makes no sense
  32  cancelled by Ctrl-C or a signal to end, or the reader of the output went away
  64  content was lost, or came back in part

Results go to standard output; progress and messages go to standard error.";

/// Inspect, check, repair, salvage and write Outlook data files (PST, OST, NST, PAB), without Outlook.
#[derive(Debug, Parser)]
#[command(name = "pstkit", version, before_help = "Start here: pstkit check FILE", after_help = EXIT, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to report progress, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar, where standard error is a terminal
    Auto,
    /// JSON Lines on standard error
    Json,
    /// Nothing
    None,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Print one JSON document
    #[arg(long, global = true, conflicts_with = "jsonl")]
    pub(crate) json: bool,
    /// Print JSON Lines: one object a line
    #[arg(long, global = true)]
    pub(crate) jsonl: bool,
    /// Say less: results and failures alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Progress on standard error
    #[arg(long, global = true, value_enum, default_value_t = ProgressMode::Auto, value_name = "WHEN")]
    pub(crate) progress: ProgressMode,
    /// Threads to use; 0 is one for each processor
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Read by position in place of mapping the file; files that are not on a local disk are read so anyway
    #[arg(long, global = true)]
    pub(crate) no_mmap: bool,
    /// Of an image with several stores: the one to read, by its number in the list that is printed
    #[arg(long, global = true, value_name = "N", conflicts_with = "offset")]
    pub(crate) store: Option<u64>,
    /// Of an image: the store whose header is at this offset, hexadecimal
    #[arg(long, global = true, value_name = "OFFSET", value_parser = offset)]
    pub(crate) offset: Option<u64>,
    /// Enter what objects share as often as they name it: a hostile file then costs what it wants to
    #[arg(long, global = true)]
    pub(crate) no_budget: bool,
}

/// An offset as the program prints them: hexadecimal, with or without `0x`.
fn offset(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| format!("\"{text}\" is no hexadecimal number"))
}

impl Global {
    /// The cost that reading may have.
    pub(crate) fn limits(&self) -> pstkit::limits::Limits {
        let limits = pstkit::limits::Limits::default();
        if self.no_budget { limits.without_budgets() } else { limits }
    }

    /// How many threads work at once.
    pub(crate) fn threads(&self) -> usize {
        if self.threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { self.threads }
    }

    /// Whether the output is for programs.
    pub(crate) fn machine(&self) -> bool {
        self.json || self.jsonl
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Info(InfoArgs),
    Ls(LsArgs),
    Items(ItemsArgs),
    Export(ExportArgs),
    Check(CheckArgs),
    Show(ShowArgs),
    Repair(RepairArgs),
    Undo(UndoArgs),
    Recover(RecoverArgs),
    Compact(CompactArgs),
    Convert(ConvertArgs),
    Create(CreateArgs),
    Explain(ExplainArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Schema(SchemaArgs),
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit completions bash > /etc/bash_completion.d/pstkit
  pstkit completions fish > ~/.config/fish/completions/pstkit.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit man > pstkit.1
  pstkit man -o /usr/local/share/man/man1      a page for each command")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// Print the JSON Schema of a document that other commands write
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit schema                     the documents, and which command writes each
  pstkit schema report > report.schema.json")]
pub(crate) struct SchemaArgs {
    /// The document; none to list them
    pub(crate) name: Option<String>,
}

/// Say what a file is: variant, kind, encoding, sizes, roots, counters, and what will limit a repair
///
/// Reads the header, both B-trees and the store object. Where the header is broken, says what can be told without it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit info mail.pst
  pstkit info --json mail.ost

Exit status: 0 everything was read, 4 something could not be read, 8 nothing could be read.")]
pub(crate) struct InfoArgs {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Show a structure: decoded, field by field, and in hex
///
/// WHAT is one of: header · an id of a node or block · @OFFSET · page OFFSET. Ids and offsets are hexadecimal, with or without 0x.
/// An id is looked up as a node first, then as a block; nid: and bid: choose. A sub-node is named by its node and its own id,
/// joined by a slash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit show mail.pst header
  pstkit show mail.pst 0x21                  the message store: its properties
  pstkit show mail.pst nid:0x200024          a message
  pstkit show mail.pst nid:0x200024/0x692    its recipient table
  pstkit show mail.pst bid:0x1a4             a block: trailer, entry of the block B-tree, contents
  pstkit show mail.pst page 0x4400           a page: map, B-tree page
  pstkit show mail.pst @0x1f2c0              whatever lies there
  pstkit show mail.pst nid:0x21 --raw | xxd  the decoded bytes alone

Exit status: 0 everything was read, 4 something in it is damaged or missing, 8 it is not there.")]
pub(crate) struct ShowArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// header, an id (nid:…, bid:…), @OFFSET, or page OFFSET
    #[arg(required = true, num_args = 1..=2, value_name = "WHAT")]
    pub(crate) what: Vec<String>,
    /// Bytes to show in hex; 0 is none
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub(crate) hex: usize,
    /// Rows and entries to show
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) rows: usize,
    /// Write the bytes themselves (decoded, for blocks and nodes) and nothing else
    #[arg(long, conflicts_with_all = ["json", "jsonl"])]
    pub(crate) raw: bool,
}

/// Explain a code that a check or an error has printed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit explain PST-B010
  pstkit explain block-crc
  pstkit explain E301               evidence that a recovery has decided by
  pstkit explain --all")]
pub(crate) struct ExplainArgs {
    /// Codes (PST-B010, E301) or names (page-crc)
    #[arg(required_unless_present = "all", value_name = "CODE")]
    pub(crate) codes: Vec<String>,
    /// List every rule, and every kind of evidence
    #[arg(long)]
    pub(crate) all: bool,
}

/// How a check's findings are worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people
    Text,
    /// In the wording of scanpst.exe's log
    Scanpst,
}

/// Check files: say exactly what is wrong, where, and what it means for the mail. Never writes
///
/// The default level reads everything down to the rows of tables against the objects that they list. With several files, or -q, each
/// file gets one line; -v lists every finding.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit check mail.pst
  pstkit check --deep --json mail.pst > report.json
  pstkit check --quick *.pst                       one line a file
  pstkit check --fail-on warning mail.pst          for CI
  pstkit check --severity PST-B005=notice mail.pst
  pstkit check --format scanpst mail.pst

Exit status: 0 nothing at or above --fail-on, 4 something is, +64 items are partial or lost, 8 could not be checked.")]
pub(crate) struct CheckArgs {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Header, maps and trees alone; no block contents
    #[arg(long, conflicts_with = "deep")]
    pub(crate) quick: bool,
    /// Also decode every value, inflate every body, read every attachment through
    #[arg(long)]
    pub(crate) deep: bool,
    /// How findings are worded
    #[arg(long, value_enum, default_value_t = CheckFormat::Text, conflicts_with_all = ["json", "jsonl"])]
    pub(crate) format: CheckFormat,
    /// Lowest severity that makes the exit status 4: info, notice, warning, error, fatal
    #[arg(long, default_value = "error", value_parser = severity, value_name = "SEVERITY")]
    pub(crate) fail_on: Severity,
    /// Give a rule another severity, as PST-B005=notice; may be repeated
    #[arg(long, value_parser = rule_severity, value_name = "CODE=SEVERITY")]
    pub(crate) severity: Vec<(&'static Rule, Severity)>,
    /// Findings kept of each rule; the rest is counted
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) max_findings: usize,
    /// Also write a report of one file: a page with pictures (.html), or its data (.json)
    #[arg(long, value_name = "REPORT")]
    pub(crate) report: Option<PathBuf>,
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::from_word(word).ok_or_else(|| "one of info, notice, warning, error, fatal".to_owned())
}

fn rule_severity(text: &str) -> Result<(&'static Rule, Severity), String> {
    let (code, word) = text.split_once('=').ok_or("CODE=SEVERITY, as PST-B005=notice")?;
    let rule = Rule::find(code).ok_or_else(|| format!("no rule has the code or name {code}; `pstkit explain --all` lists them"))?;
    Ok((rule, severity(word)?))
}

/// List the folders, with counts
///
/// Works on damaged files too: where the trees are lost, lists what a search of the whole file brings back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit ls mail.pst
  pstkit ls --json mail.pst        every folder: id, path, class, counts, state, problems

Exit status: 0 everything was read, 4 something could not be read (standard error says what), 8 nothing could be read.")]
pub(crate) struct LsArgs {
    /// The file
    pub(crate) file: PathBuf,
}

/// Where an item was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OriginArg {
    /// In a folder
    Normal,
    /// In no folder that can be reached, or listed by no tree any more and still in use
    Orphan,
    /// Deleted: only an older generation of the tree lists it
    Deleted,
    /// Deleted: nothing lists it, its blocks are still there
    Carved,
}

/// List the messages: class, subject, sender, recipients, times, attachments, bodies, with digests
///
/// Each message and each associated message once, in the folder it lives in; search folders repeat nothing, embedded messages stand inside
/// their attachment. content_sha256 is a digest of what a person would call the message: it is the same in a damaged, repaired, compacted
/// and converted file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pstkit items mail.pst
  pstkit items --jsonl mail.pst | jq -r .subject
  pstkit items --jsonl --folder 'Top of Personal Folders/Inbox' mail.pst

Exit status: 0 everything was read, 4 something could not be read (standard error says what), 8 nothing could be read.")]
pub(crate) struct ItemsArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// Only this folder and those in it, by its path as ls prints it
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<String>,
    /// Only items that were found so; may be repeated. Without it: normal and orphan. Deleted and carved ones are searched for in the
    /// whole file
    #[arg(long, value_enum)]
    pub(crate) origin: Vec<OriginArg>,
    /// Also the older states of messages that are still in the file, as items of their own
    #[arg(long)]
    pub(crate) versions: bool,
}
