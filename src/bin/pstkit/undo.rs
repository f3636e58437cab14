//! `pstkit undo`: a repair in place is taken back.

use crate::Context;
use crate::args::UndoArgs;
use crate::status::{Failure, Outcome, Status};
use std::io::Write;
use std::path::PathBuf;

pub(crate) fn run(ctx: &mut Context, args: &UndoArgs) -> Outcome {
    let undo = &args.undo_file;
    let target: PathBuf = match &args.file {
        Some(file) => file.clone(),
        None if undo.extension().is_some_and(|e| e == "undo") => undo.with_extension(""),
        None => return Err(Failure::usage(format!("{}: its name does not end in .undo: say which file it belongs to", undo.display()))),
    };
    if let Err(e) = std::fs::metadata(undo) {
        return Err(Failure::of(undo, pstkit::error::ErrorKind::Io(e).into()));
    }
    pstkit::repair::undo(undo, &target, args.force).map_err(|e| match e.kind() {
        pstkit::error::ErrorKind::Usage(_) => Failure::of(undo, e),
        _ => Failure::of(&target, e),
    })?;
    if ctx.global.machine() {
        ctx.json(&serde_json::json!({ "schema": "pstkit-undone/1", "file": target.display().to_string() }))?;
    } else if !ctx.global.quiet {
        writeln!(ctx.out, "{}: as it was before the repair, byte for byte", target.display())?;
    }
    Ok(Status::DONE)
}
