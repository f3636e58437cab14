//! `pstkit items`: the messages, one record each.

use crate::Context;
use crate::args::{ItemsArgs, OriginArg};
use crate::status::{Failure, Outcome, Status};
use crate::{open, plain, render};
use pstkit::error::ErrorKind;
use pstkit::export::in_order_while;
use pstkit::export::items::{Item, Origin, Reading};
use pstkit::messaging::State;
use pstkit::monitor::{Monitor as _, Phase};
use pstkit::recover::Found;
use pstkit::{Nid, NidType};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// Which messages to list: their ids, paths and origins, in the order of node ids.
pub(crate) fn choose<'p>(
    ctx: &Context,
    args: &ItemsArgs,
    readable: &'p open::Readable,
    paths: &'p HashMap<Nid, String>,
) -> Result<Vec<(Nid, &'p str, Origin)>, Failure> {
    let inside = |path: &str| {
        args.folder.as_ref().is_none_or(|want| {
            let want = want.trim_matches('/');
            path == want || path.strip_prefix(want).is_some_and(|rest| rest.starts_with('/')) || want.is_empty()
        })
    };
    if let Some(want) = &args.folder
        && !paths.values().any(|p| inside(p))
    {
        let said = format!("{}: no folder {want}; `pstkit ls` lists them", args.file.display());
        return Err(Failure::Said(Status::FAILED, said));
    }
    let nodes = readable.pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message());
    let all = nodes.map(|n| match (readable.found.get(&n.nid), paths.get(&n.parent)) {
        (Some(f), _) if matches!(f.origin, Origin::Deleted | Origin::Carved) => (n.nid, f.path.as_deref().unwrap_or(""), f.origin),
        (Some(f), Some(path)) => (n.nid, path.as_str(), f.origin),
        (None, Some(path)) => (n.nid, path.as_str(), Origin::Normal),
        (_, None) => (n.nid, "", Origin::Orphan),
    });
    let wanted = |o: Origin| {
        let arg = match o {
            Origin::Normal => OriginArg::Normal,
            Origin::Orphan => OriginArg::Orphan,
            Origin::Deleted => OriginArg::Deleted,
            Origin::Carved => OriginArg::Carved,
            _ => return args.origin.is_empty(),
        };
        args.origin.is_empty() || args.origin.contains(&arg)
    };
    let chosen: Vec<_> = all.filter(|(_, path, o)| inside(path) && wanted(*o)).collect();
    ctx.progress.phase(Phase::Items, u64::try_from(chosen.len()).ok());
    Ok(chosen)
}

/// A message, and how it was found where no current tree lists it: `pstkit-item/2`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Record<'a> {
    /// Shape of the record, and its version.
    schema: &'static str,
    #[serde(flatten)]
    item: &'a Item,
    /// Items that no tree listed, or whose folder is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a Found>,
}

/// The form that was asked for.
#[derive(Clone, Copy)]
enum Form {
    Lines,
    Document,
    Text,
}

impl Form {
    fn of(ctx: &Context) -> Self {
        match (ctx.global.jsonl, ctx.global.json) {
            (true, _) => Self::Lines,
            (_, true) => Self::Document,
            _ => Self::Text,
        }
    }

    fn item(self, out: &mut Vec<u8>, item: &Record<'_>) -> io::Result<()> {
        match self {
            Self::Lines | Self::Document => plain::json_line(out, item),
            Self::Text => text(out, item.item),
        }
    }

    /// The text before an item.
    fn before(self, is_first: bool) -> &'static [u8] {
        match self {
            Self::Document if is_first => b"\n",
            Self::Document => b",\n",
            Self::Lines | Self::Text => b"",
        }
    }

    /// The text behind an item.
    fn behind(self) -> &'static [u8] {
        if matches!(self, Self::Lines) { b"\n" } else { b"" }
    }
}

/// A line for a person.
fn text(out: &mut impl Write, item: &Item) -> io::Result<()> {
    let time = item.received.as_deref().or(item.sent.as_deref()).unwrap_or("");
    let day = time.get(..16).unwrap_or(time).replace('T', " ");
    let from = item.from.as_ref().and_then(|p| p.name.as_deref().or(p.email.as_deref())).unwrap_or("");
    let files = match item.attachments.len() {
        0 => String::new(),
        n => format!(" [{}]", render::count(u64::try_from(n).unwrap_or(0), "attachment", "attachments")),
    };
    let state = if item.state == State::Ok { String::new() } else { format!(" ({})", item.state) };
    let (from, subject) = (render::cut(from, 24), render::cut(item.subject.as_deref().unwrap_or(""), 60));
    writeln!(out, "{:#010x}  {day:16}  {from:24}  {subject}{files}{state}  in {}", item.nid, render::clean(&item.folder))
}

/// Problems that are said without `-v`.
const SAID: u64 = 20;

/// Messages that a thread reads at once.
const PIECE: usize = 16;

/// A message that was read.
struct Done {
    nid: Nid,
    /// It in the form that was asked for; empty where it could not be read.
    bytes: Vec<u8>,
    /// Its faults.
    said: Option<String>,
}

/// Reads items and puts them into their form.
struct Work<'a> {
    readable: &'a open::Readable,
    reading: Reading,
    form: Form,
}

impl Work<'_> {
    fn one(&self, nid: Nid, path: &str, origin: Origin) -> io::Result<Done> {
        let mut done = Done { nid, bytes: Vec::new(), said: None };
        let found = self.readable.found.get(&nid);
        match self.readable.pst.message(nid).and_then(|m| Item::read_with(&self.reading, &m, path, origin)) {
            Ok(mut item) => {
                doubt(&mut item, found);
                if item.state != State::Ok {
                    let first = item.problems.first().map_or("", String::as_str);
                    let subject = render::cut(item.subject.as_deref().unwrap_or(""), 60);
                    done.said = Some(format!(" \"{subject}\" {}: {first}", item.state));
                }
                self.form.item(&mut done.bytes, &Record { schema: "pstkit-item/2", item: &item, found })?;
            }
            Err(e) => done.said = Some(format!(": {e}")),
        }
        Ok(done)
    }
}

fn doubt(item: &mut Item, found: Option<&Found>) {
    if let Some(doubt) = found.and_then(|f| f.doubt.as_ref()) {
        item.doubt(&doubt.why);
    }
}

/// Writes an item as a record, without the end of the line.
pub(crate) fn record(out: &mut Vec<u8>, item: &mut Item, found: Option<&Found>) -> io::Result<()> {
    doubt(item, found);
    plain::json_line(out, &Record { schema: "pstkit-item/2", item, found })
}

/// Takes items in their order, and says their faults.
struct Taker<'a> {
    ctx: &'a mut Context,
    file: &'a Path,
    form: Form,
    status: Status,
    is_first: bool,
    bad: u64,
    failed: io::Result<()>,
}

impl Taker<'_> {
    fn take(&mut self, done: &Done) {
        if let Some(text) = &done.said {
            self.status |= Status::LEFT;
            self.bad = self.bad.saturating_add(1);
            if self.bad <= SAID || self.ctx.global.verbose {
                self.ctx.warn(format_args!("{}: {} {}{text}", self.file.display(), kind(done.nid), done.nid));
            } else if self.bad == SAID.saturating_add(1) {
                self.ctx.warn(format_args!("{}: and more; -v tells all", self.file.display()));
            }
        }
        if !done.bytes.is_empty() && self.failed.is_ok() {
            let parts = [self.form.before(self.is_first), &done.bytes, self.form.behind()];
            self.failed = parts.iter().try_for_each(|p| self.ctx.out.write_all(p));
            self.is_first = false;
        }
        self.ctx.progress.advance(1);
    }
}

pub(crate) fn run(ctx: &mut Context, args: &ItemsArgs) -> Outcome {
    let deleted = args.versions || args.origin.iter().any(|o| matches!(o, OriginArg::Deleted | OriginArg::Carved));
    let readable = open::readable_with(&args.file, ctx, deleted, args.versions)?;
    let status = open::say_damage(ctx, &args.file, &readable);
    let paths = readable.pst.folder_paths();
    let chosen = choose(ctx, args, &readable, &paths)?;
    let form = Form::of(ctx);
    if matches!(form, Form::Document) {
        ctx.out.write_all(b"{\"schema\":\"pstkit-items/2\",\"items\":[")?;
    }
    let threads = ctx.global.threads();
    let work = Work { readable: &readable, reading: Reading::of(&readable.pst), form };
    let pieces: Vec<_> = chosen.chunks(PIECE).collect();
    let read = |piece: &&[(Nid, &str, Origin)]| -> pstkit::Result<Vec<Done>> {
        piece.iter().map(|(nid, path, origin)| work.one(*nid, path, *origin).map_err(|e| ErrorKind::Io(e).into())).collect()
    };
    let mut taker = Taker { ctx, file: &args.file, form, status, is_first: true, bad: 0, failed: Ok(()) };
    let ended = in_order_while(threads, &pieces, &read, &mut |all: Vec<Done>| {
        all.iter().for_each(|done| taker.take(done));
        taker.failed.is_ok() && !taker.ctx.progress.cancelled()
    });
    let Taker { status, failed, .. } = taker;
    failed?;
    if ctx.progress.cancelled() {
        return Err(Failure::of(&args.file, ErrorKind::Cancelled.into()));
    }
    ended.map_err(|e| Failure::of(&args.file, e))?;
    if matches!(form, Form::Document) {
        ctx.out.write_all(b"\n]}\n")?;
    }
    ctx.out.flush()?;
    Ok(status)
}

fn kind(nid: Nid) -> &'static str {
    if nid.nid_type() == NidType::ASSOC_MESSAGE { "associated message" } else { "message" }
}
