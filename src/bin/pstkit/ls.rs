//! `pstkit ls`: the folder tree.

use crate::Context;
use crate::args::LsArgs;
use crate::status::{Outcome, Status};
use crate::{open, render};
use pstkit::messaging::{Folder, FolderKind, State};
use pstkit::{Nid, Pst};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;

/// A folder as `--json` tells it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct FolderRecord {
    /// Its node id.
    nid: u32,
    /// Node id of the folder above.
    parent: u32,
    /// Names from below the root, joined by `/`.
    path: String,
    /// Its name.
    name: String,
    /// Its kind.
    kind: FolderKind,
    /// Its container class: its purpose.
    class: Option<String>,
    /// Messages that live in it; of a search folder, that it lists.
    messages: usize,
    /// Unread messages, as the folder states it.
    unread: Option<i32>,
    /// Associated messages: settings and views.
    associated: usize,
    /// Folders in it.
    subfolders: usize,
    /// Messages, as the folder states it.
    stated_messages: Option<i32>,
    /// How much of it is whole.
    state: State,
    /// The faults, in sentences.
    problems: Vec<String>,
    /// Steps below the root.
    #[serde(skip)]
    depth: usize,
}

/// All folders: `pstkit-folders/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Document<'a> {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// Folders, each behind the one that it is in.
    folders: &'a [FolderRecord],
}

fn record(folder: &Folder<'_>, path: String, depth: usize) -> FolderRecord {
    let counts = folder.counts();
    let kind = folder.kind();
    let messages = if kind == FolderKind::Search { folder.hits().map_or(0, |h| h.len()) } else { counts.messages };
    // Each value is read before the state is asked for, so that it counts what reading them has met.
    let class = folder.container_class().ok().flatten();
    let (unread, stated_messages) = (folder.stated_unread().ok().flatten(), folder.stated_count().ok().flatten());
    FolderRecord {
        nid: folder.nid().0,
        parent: folder.parent().0,
        path,
        name: folder.display_name(),
        kind,
        class,
        messages,
        unread,
        associated: counts.associated,
        subfolders: folder.subfolder_ids().count(),
        stated_messages,
        state: folder.properties().verify().unwrap_or(State::Damaged),
        problems: folder.properties().problems().iter().map(ToString::to_string).collect(),
        depth,
    }
}

fn gather(pst: &Pst) -> Vec<FolderRecord> {
    let paths = pst.folder_paths();
    let mut depths: HashMap<Nid, usize> = HashMap::new();
    let mut out = Vec::new();
    for nid in pst.folder_order() {
        let Ok(folder) = pst.folder(nid) else { continue };
        let depth = match depths.get(&folder.parent()) {
            Some(above) if nid != Nid::ROOT_FOLDER => above.saturating_add(1),
            _ => 0,
        };
        depths.insert(nid, depth);
        out.push(record(&folder, paths.get(&nid).cloned().unwrap_or_default(), depth));
    }
    out
}

/// Folders deeper than this are not moved further to the right.
const INDENT_MOST: usize = 20;

pub(crate) fn run(ctx: &mut Context, args: &LsArgs) -> Outcome {
    let readable = open::readable(&args.file, ctx)?;
    let mut status = open::say_damage(ctx, &args.file, &readable);
    let folders = gather(&readable.pst);
    if ctx.global.jsonl {
        for f in &folders {
            ctx.json(f)?;
        }
    } else if ctx.global.json {
        let file = args.file.display().to_string();
        ctx.json(&Document { schema: "pstkit-folders/1", file, folders: &folders })?;
    } else {
        let mut rows = vec![["folder", "messages", "unread", "associated", "class", ""].map(str::to_owned).to_vec()];
        for f in &folders {
            let name = if f.nid == Nid::ROOT_FOLDER.0 { "(root)".to_owned() } else { render::cut(&f.name, 60) };
            let mut remark = match f.kind {
                FolderKind::Search => "search folder".to_owned(),
                _ => String::new(),
            };
            if f.state != State::Ok {
                remark = format!("{remark} {}", f.state).trim().to_owned();
            }
            rows.push(vec![
                format!("{:1$}{name}", "", f.depth.min(INDENT_MOST).saturating_mul(2)),
                f.messages.to_string(),
                f.unread.map_or_else(String::new, |n| n.to_string()),
                f.associated.to_string(),
                render::cut(f.class.as_deref().unwrap_or(""), 30),
                remark,
            ]);
        }
        render::table(&mut ctx.out, 0, &[1, 2, 3], &rows)?;
        ctx.out.flush()?;
    }
    for f in folders.iter().filter(|f| f.state != State::Ok) {
        status |= Status::LEFT;
        let first = f.problems.first().map_or("", String::as_str);
        ctx.warn(format_args!("{}: folder {:#x} {}: {}: {first}", args.file.display(), f.nid, render::clean(&f.path), f.state));
    }
    Ok(status)
}
