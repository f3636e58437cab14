//! `pstkit compact` and `pstkit convert`: copies.

use crate::args::{CompactArgs, ConvertArgs};
use crate::status::{Failure, Outcome, Status};
use crate::{Context, open, render, repair};
use pstkit::Pst;
use pstkit::error::ErrorKind;
use pstkit::io::{AtomicFile, Existing};
use pstkit::messaging::code_page::CodePage;
use pstkit::repair::{LeftOut, local_only};
use pstkit::write::{CopyOptions, CopyReport, copy};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Problems that are printed without `-v`.
const SAID: usize = 10;

/// Everything that a run tells: `pstkit-copy/2`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Told {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// The file that was written.
    out: String,
    /// Bytes of the source.
    size_before: u64,
    /// Bytes in all.
    size: u64,
    /// Folders.
    folders: pstkit::check::ItemCount,
    /// Messages.
    messages: pstkit::check::ItemCount,
    /// Associated messages: settings and views.
    associated: pstkit::check::ItemCount,
    /// Its attachments.
    attachments: pstkit::check::ItemCount,
    /// Values that could not be read, or not wholly.
    values_lost: u64,
    /// Texts that lost characters which the target cannot hold.
    texts_lossy: u64,
    /// Objects that are under Lost and Found, because their folder is gone.
    rehomed: u64,
    /// The number that the limit of the page leaves out.
    left_out: Vec<LeftOut>,
    /// The faults, in sentences.
    problems: Vec<String>,
    /// Exit status, as the bits that `pstkit --help` lists.
    exit: u8,
}

/// The status of a copy: 64 where something that a person would miss is missing; 4 where the source is damaged, and nothing else.
fn status(report: &CopyReport, damaged: Status) -> u8 {
    let lost = if report.is_whole() && report.values_lost == 0 { 0 } else { 64 };
    if damaged == Status::DONE { lost } else { 4 | lost }
}

/// Copies `pst` to `out`, and tells its fate.
fn write(ctx: &mut Context, file: &Path, pst: &Pst, out: &Path, force: bool, options: &CopyOptions, damaged: Status) -> Outcome {
    repair::same_file(file, out)?;
    let fail = |e| Failure::of(out, e);
    let target = AtomicFile::create(out, Existing::replace_if(force)).map_err(fail)?;
    repair::name_left_over(ctx, &target);
    pst.ndb().source().file().and_then(|f| f.metadata().ok()).iter().for_each(|old| target.hide_as(old));
    let report = copy(pst, target.storage().map_err(fail)?, options, &ctx.progress).map_err(fail)?;
    pst.ndb().source().intact().map_err(|e| Failure::of(file, ErrorKind::Io(e).into()))?;
    target.commit().map_err(fail)?;
    let exit = status(&report, damaged);
    let before = pst.ndb().len();
    if ctx.global.machine() {
        ctx.json(&Told {
            schema: "pstkit-copy/2",
            file: file.display().to_string(),
            out: out.display().to_string(),
            size_before: before,
            size: report.bytes,
            folders: report.folders,
            messages: report.messages,
            associated: report.associated,
            attachments: report.attachments,
            values_lost: report.values_lost,
            texts_lossy: report.texts_lossy,
            rehomed: report.rehomed,
            left_out: report.dropped.iter().map(|(nid, why)| LeftOut::new(*nid, *why)).collect(),
            problems: report.problems.iter().map(ToString::to_string).collect(),
            exit,
        })?;
        return Ok(Status::from_bits(exit));
    }
    if !ctx.global.quiet {
        let counts = format!(
            "{}, {}, {} associated, {}",
            render::count(report.folders.expected, "folder", "folders"),
            render::count(report.messages.expected, "message", "messages"),
            render::grouped(report.associated.expected),
            render::count(report.attachments.expected, "attachment", "attachments"),
        );
        writeln!(ctx.out, "{}: written, {counts}; {}, before {}", render::name(out), render::size(report.bytes), render::size(before))?;
    }
    for (name, c) in [
        ("folders", report.folders),
        ("messages", report.messages),
        ("associated messages", report.associated),
        ("attachments", report.attachments),
    ] {
        if c.partial > 0 || c.lost > 0 {
            let (partial, lost) = (render::grouped(c.partial), render::grouped(c.lost));
            ctx.warn(format_args!("{}: {name}: {partial} there in part, {lost} lost", file.display()));
        }
    }
    for (n, what) in [
        (report.values_lost, "values could not be read, or not wholly"),
        (report.texts_lossy, "texts lost characters that the target cannot hold or the source's code page does not have"),
        (report.rehomed, "objects had no folder any more and are under Lost and Found"),
    ] {
        if n > 0 {
            ctx.warn(format_args!("{}: {} {what}", file.display(), render::grouped(n)));
        }
    }
    let most = if ctx.global.verbose { usize::MAX } else { SAID };
    if !report.dropped.is_empty() {
        let n = render::count(u64::try_from(report.dropped.len()).unwrap_or(0), "node", "nodes");
        ctx.note(format_args!("{}: {n} beside the mail left out: not readable, or without a place in the copy (-v)", file.display()));
    }
    if ctx.global.verbose {
        for (nid, why) in &report.dropped {
            ctx.note(format_args!("{}: left out: node {nid}: {why}", file.display()));
        }
    }
    if exit & 64 != 0 || ctx.global.verbose {
        for f in report.problems.iter().take(most) {
            ctx.note(format_args!("{}: {f}", file.display()));
        }
    }
    Ok(Status::from_bits(exit))
}

pub(crate) fn compact(ctx: &mut Context, args: &CompactArgs) -> Outcome {
    let readable = open::readable(&args.file, ctx)?;
    let damaged = open::say_damage(ctx, &args.file, &readable);
    let options = CopyOptions::same(&readable.pst);
    write(ctx, &args.file, &readable.pst, &args.out, args.force, &options, damaged)
}

pub(crate) fn convert(ctx: &mut Context, args: &ConvertArgs) -> Outcome {
    let readable = open::readable(&args.file, ctx)?;
    let damaged = open::say_damage(ctx, &args.file, &readable);
    let mut options = CopyOptions::to(&readable.pst, args.to.into());
    if let Some(page) = args.code_page {
        options.code_page = CodePage(page);
        if !options.code_page.is_known() {
            return Err(Failure::usage(format!("{page} is no known code page")));
        }
    }
    if args.local_only {
        let local = local_only(&readable.pst, &ctx.progress).map_err(|e| Failure::of(&args.file, e))?;
        let selected = local.select(&readable.pst);
        options.promised = false;
        return write(ctx, &args.file, &selected, &args.out, args.force, &options, damaged);
    }
    write(ctx, &args.file, &readable.pst, &args.out, args.force, &options, damaged)
}
