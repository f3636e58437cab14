//! Finds that no tree lists, or whose folder is gone: its names, and where it comes from.

use crate::status::Failure;
use crate::{Context, render};
use pstkit::recover::{Found, Origin};
use pstkit::{Nid, Pst};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;

/// Finds that are printed without `-v`.
const FINDS: usize = 40;

/// A find, with its name.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Find {
    /// Items that no tree listed, or whose folder is gone.
    #[serde(flatten)]
    found: Found,
    /// Its kind.
    kind: &'static str,
    /// Its subject or name.
    subject: Option<String>,
    /// The folder that it is in now.
    now_in: Option<String>,
}

/// The names of finds in the result.
pub(crate) fn named(pst: &Pst, found: &[Found]) -> Vec<Find> {
    let paths = if found.is_empty() { HashMap::new() } else { pst.folder_paths() };
    found.iter().map(|f| name(pst, &paths, f)).collect()
}

fn name(pst: &Pst, paths: &HashMap<Nid, String>, found: &Found) -> Find {
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

/// Lists finds, each with where it is now and what led to it.
pub(crate) fn list(ctx: &mut Context, finds: &[Find]) -> Result<(), Failure> {
    let most = if ctx.global.verbose { usize::MAX } else { FINDS };
    for f in finds.iter().take(most) {
        let was = match (&f.found.path, f.found.folder) {
            (Some(path), _) if f.now_in.as_ref() == Some(path) => String::new(),
            (Some(path), _) => format!(", was in {}", if path.is_empty() { "the root folder" } else { path }),
            (None, Some(nid)) => format!(", was in folder {nid:#x}, which is gone"),
            (None, None) => String::new(),
        };
        let origin = if f.found.origin == Origin::Normal { "listed" } else { f.found.origin.as_str() };
        let by = match (f.found.page, f.found.block) {
            (Some(page), _) => format!(", by older tree page {page:#x}"),
            (None, 0) => String::new(),
            (None, block) => format!(", by block {block:#x}"),
        };
        let subject = render::cut(f.subject.as_deref().unwrap_or(""), 60);
        let place = f.now_in.as_ref().map(|p| format!(" in {}", if p.is_empty() { "the root folder" } else { p })).unwrap_or_default();
        let line = format!("  {} {:#x} \"{subject}\"{place} ({origin}{by}{was})", f.kind, f.found.nid);
        writeln!(ctx.out, "{}", render::clean(&line))?;
    }
    let rest = finds.len().saturating_sub(most);
    if rest > 0 {
        writeln!(ctx.out, "  … and {} more (-v)", render::grouped(u64::try_from(rest).unwrap_or(0)))?;
    }
    Ok(())
}
