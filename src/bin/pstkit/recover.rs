//! `pstkit recover`: everything that can be found, also what was deleted.

use crate::args::RecoverArgs;
use crate::status::{Failure, Outcome, Status};
use crate::{Context, open, render, repair, repair_text};
use pstkit::error::ErrorKind;
use pstkit::io::{AtomicFile, Storage};
use pstkit::repair::{Account, rescue};
use pstkit::{Nid, OpenOptions, Pst};
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;

/// A find, with its name.
#[derive(Serialize)]
struct Find {
    #[serde(flatten)]
    found: pstkit::recover::Found,
    kind: &'static str,
    subject: Option<String>,
    /// The folder that it is in now.
    now_in: Option<String>,
}

/// Everything that a run tells: `pstkit-recovery/1`.
#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    file: String,
    out: String,
    account: &'a Account,
    found: &'a [Find],
    older_states: u64,
    after: &'a pstkit::check::Report,
    exit: u8,
}

/// Finds that are printed without `-v`.
const FINDS: usize = 40;

pub(crate) fn run(ctx: &mut Context, args: &RecoverArgs) -> Outcome {
    repair::same_file(&args.file, &args.out)?;
    let source = open::source(&args.file, &ctx.global)?;
    let fail = |e| Failure::of(&args.out, e);
    let file = AtomicFile::create(&args.out, args.force).map_err(fail)?;
    source.file().and_then(|f| f.metadata().ok()).iter().for_each(|old| file.hide_as(old));
    let target: Arc<dyn Storage> = file.shared().map_err(fail)?;
    let rescued = rescue(&source, &target, &ctx.progress).map_err(|e| match e.kind() {
        ErrorKind::NotPst(_) => {
            let what = open::describe_searched(&args.file, &ctx.global);
            Failure::Said(Status::FAILED, format!("{}: not an Outlook data file: {what}", args.file.display()))
        }
        _ => Failure::of(&args.file, e),
    })?;
    drop(target);
    file.commit().map_err(fail)?;
    let pst = Pst::from_source(open::source(&args.out, &ctx.global)?, &OpenOptions::new()).map_err(fail)?;
    let paths = pst.folder_paths();
    let finds: Vec<Find> = rescued.found.iter().map(|f| name(&pst, &paths, f)).collect();
    let lost = if rescued.account.has_loss() { 64 } else { 0 };
    let exit = if rescued.after.is_healthy() { 0 } else { 4 } | lost;
    if ctx.global.machine() {
        let told = Told {
            schema: "pstkit-recovery/1",
            file: args.file.display().to_string(),
            out: args.out.display().to_string(),
            account: &rescued.account,
            found: &finds,
            older_states: rescued.older_states,
            after: &rescued.after,
            exit,
        };
        ctx.json(&told)?;
        return Ok(Status::from_bits(exit));
    }
    writeln!(ctx.out, "{}\ndone: everything that was found is in {}", render::name(&args.file), render::name(&args.out))?;
    writeln!(ctx.out, "result: {}", rescued.after.summary())?;
    repair_text::left(ctx, &rescued.after)?;
    repair_text::account(ctx, &rescued.account)?;
    repair_text::names(ctx, &repair::named(&[], Some(&rescued.account), Some(&pst)))?;
    if finds.is_empty() {
        writeln!(ctx.out, "\nNothing was found beyond what the file lists.")?;
    } else {
        writeln!(ctx.out, "\nfound beyond what the file lists:")?;
    }
    let most = if ctx.global.verbose { usize::MAX } else { FINDS };
    for f in finds.iter().take(most) {
        let was = match (&f.found.path, f.found.folder) {
            (Some(path), _) => format!(", was in {}", if path.is_empty() { "the root folder" } else { path }),
            (None, Some(nid)) => format!(", was in folder {nid:#x}, which is gone"),
            (None, None) => String::new(),
        };
        let by = match f.found.page {
            Some(page) => format!("older tree page {page:#x}"),
            None => format!("block {:#x}", f.found.block),
        };
        let subject = render::cut(f.subject.as_deref().unwrap_or(""), 60);
        let line = format!("  {} {:#x} \"{subject}\" ({}, by {by}{was})", f.kind, f.found.nid, f.found.origin.as_str());
        writeln!(ctx.out, "{}", render::clean(&line))?;
    }
    let rest = finds.len().saturating_sub(most);
    if rest > 0 {
        writeln!(ctx.out, "  … and {} more (-v)", render::grouped(u64::try_from(rest).unwrap_or(0)))?;
    }
    if rescued.older_states > 0 {
        let states = render::count(rescued.older_states, "older state", "older states");
        writeln!(ctx.out, "{states} of messages that are there were left out.")?;
    }
    Ok(Status::from_bits(exit))
}

/// What a find is called in the result.
fn name(pst: &Pst, paths: &std::collections::HashMap<Nid, String>, found: &pstkit::recover::Found) -> Find {
    let nid = Nid(found.nid);
    let parent = pst.ndb().index().node(nid).map(|n| n.parent);
    let (kind, subject) = if nid.is_folder() {
        ("folder", pst.folder(nid).ok().map(|f| f.display_name()))
    } else {
        let message = pst.message(nid).ok();
        let kind = if message.as_ref().is_some_and(|m| m.is_associated()) { "associated message" } else { "message" };
        (kind, message.and_then(|m| m.subject().ok().flatten()))
    };
    Find { found: found.clone(), kind, subject, now_in: parent.and_then(|p| paths.get(&p).cloned()) }
}
