//! `pstkit recover`: everything that can be found, also deleted items.

use crate::args::RecoverArgs;
use crate::status::{Failure, Outcome, Status};
use crate::{Context, finds, open, render, repair, repair_text, stores};
use pstkit::error::ErrorKind;
use pstkit::io::{AtomicFile, Existing, Storage};
use pstkit::recover::Versions;
use pstkit::recover::shift::Foreign;
use pstkit::repair::{Account, RescueOptions, rescue};
use pstkit::{OpenOptions, Pst};
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;

/// Everything that a run tells: `pstkit-recovery/2`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Told<'a> {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// The file that was written.
    out: String,
    /// The fate of everything in the file.
    account: &'a Account,
    /// Items that no tree listed, or whose folder is gone.
    found: &'a [finds::Find],
    /// Older states of messages that were left out; `--versions` takes them.
    older_states: u64,
    /// Pieces of other data files in this one.
    foreign: &'a [Foreign],
    /// Finds that were left out, because their contents are those of another.
    equal_copies: u64,
    /// A check of the result.
    after: &'a pstkit::check::Report,
    /// Digests of the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Hashes>,
    /// Exit status, as the bits that `pstkit --help` lists.
    exit: u8,
}

/// SHA-256 of the bytes of the file and of the result.
#[derive(Serialize, schemars::JsonSchema)]
struct Hashes {
    /// As it was.
    before: String,
    /// A check of the result.
    after: String,
}

pub(crate) fn run(ctx: &mut Context, args: &RecoverArgs) -> Outcome {
    repair::same_file(&args.file, &args.out)?;
    let source = stores::input(&args.file, &ctx.global)?;
    let fail = |e| Failure::of(&args.out, e);
    let file = AtomicFile::create(&args.out, Existing::replace_if(args.force)).map_err(fail)?;
    repair::name_left_over(ctx, &file);
    source.file().and_then(|f| f.metadata().ok()).iter().for_each(|old| file.hide_as(old));
    let target: Arc<dyn Storage> = file.shared().map_err(fail)?;
    let options = RescueOptions::default().versions(Versions::all_if(args.versions)).limits(ctx.global.limits());
    let rescued = rescue(&source, &target, &options, &ctx.progress).map_err(|e| match e.kind() {
        ErrorKind::NotPst(_) => {
            let what = open::describe_searched(&args.file, &ctx.global);
            Failure::Said(Status::FAILED, format!("{}: not an Outlook data file: {what}", args.file.display()))
        }
        _ => Failure::of(&args.file, e),
    })?;
    drop(target);
    source.intact().map_err(|e| Failure::of(&args.file, ErrorKind::Io(e).into()))?;
    file.commit().map_err(fail)?;
    let pst = Pst::from_source(open::source(&args.out, &ctx.global)?, &OpenOptions::new()).map_err(fail)?;
    let finds = finds::named(&pst, &rescued.found);
    let sha256 = if args.hash {
        let after = open::source(&args.out, &ctx.global)?;
        Some(Hashes { before: repair::hash(ctx, &args.file, &*source)?, after: repair::hash(ctx, &args.out, &*after)? })
    } else {
        None
    };
    let lost = if rescued.account.has_loss() { 64 } else { 0 };
    let exit = if rescued.after.is_healthy() { 0 } else { 4 } | lost;
    if ctx.global.machine() {
        let told = Told {
            schema: "pstkit-recovery/2",
            file: args.file.display().to_string(),
            out: args.out.display().to_string(),
            account: &rescued.account,
            found: &finds,
            older_states: rescued.older_states,
            foreign: &rescued.foreign,
            equal_copies: rescued.equal_copies,
            after: &rescued.after,
            sha256,
            exit,
        };
        ctx.json(&told)?;
        return Ok(Status::from_bits(exit));
    }
    writeln!(ctx.out, "{}\ndone: everything that was found is in {}", render::name(&args.file), render::name(&args.out))?;
    writeln!(ctx.out, "result: {}", rescued.after.summary())?;
    if let Some(Hashes { before, after }) = &sha256 {
        writeln!(ctx.out, "sha256 of the file:   {before}\nsha256 of the result: {after}")?;
    }
    repair_text::left(ctx, &rescued.after)?;
    repair_text::account(ctx, &rescued.account)?;
    repair_text::names(ctx, &repair::named(&[], &[], Some(&rescued.account), Some(&pst), None))?;
    if finds.is_empty() {
        writeln!(ctx.out, "\nNothing was found beyond what the file lists.")?;
    } else {
        writeln!(ctx.out, "\nfound beyond what the file lists:")?;
    }
    finds::list(ctx, &finds)?;
    if rescued.older_states > 0 {
        let states = render::count(rescued.older_states, "older state", "older states");
        let how = if args.versions { "were found" } else { "were left out: --versions gives them" };
        writeln!(ctx.out, "{states} of messages {how}.")?;
    }
    if rescued.equal_copies > 0 {
        let copies = render::count(rescued.equal_copies, "equal copy", "equal copies");
        writeln!(ctx.out, "{copies} of messages that are there, or that were found, were left out.")?;
    }
    others(ctx, args, &rescued.foreign)?;
    Ok(Status::from_bits(exit))
}

/// Names the bytes of other mailboxes, with the command that gets their mail.
fn others(ctx: &mut Context, args: &RecoverArgs, foreign: &[Foreign]) -> Result<(), Failure> {
    const MOST: usize = 8;
    for f in foreign.iter().take(MOST) {
        let size = render::size(f.size);
        writeln!(ctx.out, "\nAnother mailbox (found at byte {:#x}, {size}): its mail is not in the result.", f.offset)?;
        writeln!(ctx.out, "  pstkit recover --offset {:#x} {} -o OTHER", f.offset, render::quoted(&args.file))?;
    }
    if let Some(more) = foreign.len().checked_sub(MOST).filter(|n| *n > 0) {
        writeln!(ctx.out, "  … and {more} more stretches of other mailboxes (--json)")?;
    }
    Ok(())
}
