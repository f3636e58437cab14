//! `pstkit undo`: a repair in place is taken back.

use crate::args::UndoArgs;
use crate::status::{Failure, Outcome, Status};
use crate::{Context, render};
use pstkit::error::ErrorKind;
use pstkit::repair::LaterWrites;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A repair that was taken back: `pstkit-undone/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Undone {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// Whether it is as before, byte for byte.
    whole: bool,
    /// Exit status, as the bits that `pstkit --help` lists.
    exit: u8,
}

pub(crate) fn run(ctx: &mut Context, args: &UndoArgs) -> Outcome {
    let undo = &args.undo_file;
    let target: PathBuf = match &args.file {
        Some(file) => file.clone(),
        None if undo.extension().is_some_and(|e| e == "undo") => undo.with_extension(""),
        None => return Err(Failure::usage(format!("{}: its name does not end in .undo: say which file it belongs to", undo.display()))),
    };
    if let Err(e) = std::fs::metadata(undo) {
        return Err(Failure::of(undo, ErrorKind::Io(e).into()));
    }
    let whole = pstkit::repair::undo(undo, &target, LaterWrites::discard_if(args.force)).map_err(|e| match e.kind() {
        ErrorKind::Unfit { what, force } => Failure::Said(Status::FAILED, refused(undo, &target, what, *force)),
        _ => Failure::of(&target, e),
    })?;
    let exit = if whole { Status::DONE } else { Status::LEFT };
    if ctx.global.machine() {
        let file = target.display().to_string();
        ctx.json(&Undone { schema: "pstkit-undone/1", file, whole, exit: exit.bits() })?;
    } else if !whole {
        writeln!(
            ctx.out,
            "{}: what the repair had overwritten is put back; what else was written to the file since is still in it. `pstkit check {}` tells whether it is whole. {} is kept.",
            render::name(&target),
            render::quoted(&target),
            render::name(undo)
        )?;
    } else if !ctx.global.quiet {
        writeln!(ctx.out, "{}: as it was before the repair, byte for byte", render::name(&target))?;
    }
    Ok(exit)
}

/// Why nothing was undone, and what goes on.
fn refused(undo: &Path, target: &Path, what: &str, force: bool) -> String {
    let (name, file) = (render::name(undo), render::quoted(target));
    let on = if force {
        format!("copy the file first; then `pstkit undo --force {} {file}` undoes it all the same", render::quoted(undo))
    } else {
        let mut kept = undo.as_os_str().to_owned();
        kept.push(".kept");
        let kept = PathBuf::from(kept);
        let also = if kept.is_file() { format!("; {} may be the old file", render::quoted(&kept)) } else { String::new() };
        format!("`pstkit check {file}` tells how the file is, and `pstkit repair -y -o NEW {file}` goes on from there{also}")
    };
    format!("{name}: {what}. Nothing was changed: {on}")
}
