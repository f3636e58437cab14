//! `pstkit items`: the messages, one record each.

use crate::Context;
use crate::args::{ItemsArgs, OriginArg};
use crate::status::{Failure, Outcome, Status};
use crate::{open, plain, render};
use pstkit::error::ErrorKind;
use pstkit::export::items::{Item, Origin, Reading};
use pstkit::messaging::State;
use pstkit::monitor::{Monitor as _, Phase};
use pstkit::recover::Found;
use pstkit::{Nid, NidType};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};

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
        };
        args.origin.is_empty() || args.origin.contains(&arg)
    };
    let chosen: Vec<_> = all.filter(|(_, path, o)| inside(path) && wanted(*o)).collect();
    ctx.progress.phase(Phase::Items, u64::try_from(chosen.len()).ok());
    Ok(chosen)
}

/// An item, and how it was found where no current tree lists it.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    item: &'a Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a Found>,
}

/// Writes items in the form that was asked for.
enum Form {
    Lines,
    Document { first: bool },
    Text,
}

impl Form {
    fn begin(ctx: &mut Context) -> io::Result<Self> {
        if ctx.global.jsonl {
            Ok(Self::Lines)
        } else if ctx.global.json {
            ctx.out.write_all(b"{\"schema\":\"pstkit-items/1\",\"items\":[")?;
            Ok(Self::Document { first: true })
        } else {
            Ok(Self::Text)
        }
    }

    fn item(&mut self, ctx: &mut Context, item: &Record<'_>) -> io::Result<()> {
        match self {
            Self::Lines => {
                plain::json_line(&mut ctx.out, item)?;
                ctx.out.write_all(b"\n")
            }
            Self::Document { first } => {
                ctx.out.write_all(if *first { b"\n" } else { b",\n" })?;
                *first = false;
                plain::json_line(&mut ctx.out, item)
            }
            Self::Text => text(&mut ctx.out, item.item),
        }
    }

    fn end(&self, ctx: &mut Context) -> io::Result<()> {
        if matches!(self, Self::Document { .. }) {
            ctx.out.write_all(b"\n]}\n")?;
        }
        ctx.out.flush()
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

pub(crate) fn run(ctx: &mut Context, args: &ItemsArgs) -> Outcome {
    let deleted = args.versions || args.origin.iter().any(|o| matches!(o, OriginArg::Deleted | OriginArg::Carved));
    let readable = open::readable_with(&args.file, ctx, deleted, args.versions)?;
    let mut status = open::say_damage(ctx, &args.file, &readable);
    let paths = readable.pst.folder_paths();
    let chosen = choose(ctx, args, &readable, &paths)?;
    let mut form = Form::begin(ctx)?;
    let mut bad = 0u64;
    let mut say = |ctx: &Context, text: std::fmt::Arguments<'_>| {
        bad = bad.saturating_add(1);
        if bad <= SAID || ctx.global.verbose {
            ctx.warn(format_args!("{}: {text}", args.file.display()));
        } else if bad == SAID.saturating_add(1) {
            ctx.warn(format_args!("{}: and more; -v tells all", args.file.display()));
        }
    };
    let reading = Reading::of(&readable.pst);
    for (nid, path, origin) in chosen {
        if ctx.progress.cancelled() {
            return Err(Failure::of(&args.file, ErrorKind::Cancelled.into()));
        }
        match readable.pst.message(nid).and_then(|m| Item::read_with(&reading, &m, path, origin)) {
            Ok(mut item) => {
                let found = readable.found.get(&nid);
                if let Some(doubt) = found.and_then(|f| f.doubt.as_ref()) {
                    item.doubt(&doubt.why);
                }
                if item.state != State::Ok {
                    status |= Status::LEFT;
                    let first = item.problems.first().map_or("", String::as_str);
                    let subject = render::cut(item.subject.as_deref().unwrap_or(""), 60);
                    say(ctx, format_args!("{} {nid} \"{subject}\" {}: {first}", kind(nid), item.state));
                }
                form.item(ctx, &Record { item: &item, found })?;
            }
            Err(e) => {
                status |= Status::LEFT;
                say(ctx, format_args!("{} {nid}: {e}", kind(nid)));
            }
        }
        ctx.progress.advance(1);
    }
    form.end(ctx)?;
    Ok(status)
}

fn kind(nid: Nid) -> &'static str {
    if nid.nid_type() == NidType::ASSOC_MESSAGE { "associated message" } else { "message" }
}
