//! The contents of `--report`: [`PageData`], the same for the page and for JSON.

use crate::render;
use crate::repair::Named;
use pstkit::check::{ItemCount, Report};
use pstkit::finding::Loss;
use pstkit::format::page::PageType;
use pstkit::repair::{Account, Count};
use pstkit::{Nid, Pst};
use serde::Serialize;
use std::collections::HashMap;

/// Squares of the map.
const CELLS: u64 = 2000;
/// Folders, items and findings that are shown.
const FOLDERS: usize = 2000;
const ITEMS: usize = 5000;
const LARGEST: usize = 25;
/// Findings told of one square.
const TOLD: usize = 4;

/// Bytes of one kind.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Share {
    /// Its kind.
    kind: &'static str,
    /// How many bytes.
    bytes: u64,
}

/// A square of the map.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub(crate) struct Cell {
    /// Its kind.
    kind: &'static str,
    /// Folder and subject of its object.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Findings in it, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
}

/// A folder of the treemap.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(crate) struct FolderShare {
    /// Names of the folders from below the root, joined by `/`.
    path: String,
    /// How many bytes.
    bytes: u64,
    /// Messages that are whole.
    whole: u64,
    /// How many are there in part.
    partial: u64,
    /// How many are gone.
    lost: u64,
}

/// A row of the account.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Counted {
    /// Its name.
    name: &'static str,
    /// How many the file speaks of.
    expected: u64,
    /// How many are whole.
    ok: u64,
    /// How many are there in part.
    partial: u64,
    /// How many are gone.
    lost: u64,
}

/// A file as it is, before or after a repair.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Side {
    /// Its heading.
    title: String,
    /// The verdict in words.
    summary: String,
    /// The verdict.
    verdict: String,
    /// Bytes in all.
    size: u64,
    /// Bytes of each kind.
    strip: Vec<Share>,
    /// Bytes that a square of the map stands for.
    cell_bytes: u64,
    /// Squares of the map, in the order of the file.
    cells: Vec<Cell>,
    /// The account.
    counts: Vec<Counted>,
    /// Folders.
    folders: Vec<FolderShare>,
}

/// A message in a table.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Listed {
    /// Its node id.
    nid: u32,
    /// How much of it is whole.
    state: &'static str,
    /// When it was received or sent, in RFC 3339.
    date: Option<String>,
    /// Who sent it.
    from: Option<String>,
    /// Its subject or name.
    subject: String,
    /// Path of its folder.
    folder: String,
    /// Parts that are damaged or missing, in words.
    parts: Vec<String>,
    /// Bytes that are damaged or missing.
    bytes_missing: u64,
}

/// A large message.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Large {
    /// Its node id.
    nid: u32,
    /// How many bytes.
    bytes: u64,
    /// When it was received or sent, in RFC 3339.
    date: Option<String>,
    /// Who sent it.
    from: Option<String>,
    /// Its subject or name.
    subject: String,
    /// Path of its folder.
    folder: String,
}

/// Everything that is shown: `pstkit-page/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct PageData {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// The faults and their cost, in two sentences.
    pub(crate) verdict: String,
    /// The next command.
    pub(crate) next: String,
    /// As it was.
    before: Side,
    /// A check of the result.
    after: Option<Side>,
    /// Messages that are lost or there in part.
    items: Vec<Listed>,
    /// The largest messages.
    largest: Vec<Large>,
    /// The saving of `pstkit compact`, in words.
    compact: String,
    /// The number that the limit of the page leaves out.
    left_out: Vec<String>,
}

/// A file with its findings.
pub(crate) struct Seen<'a> {
    pub(crate) title: String,
    pub(crate) pst: Option<&'a Pst>,
    pub(crate) report: &'a Report,
    pub(crate) named: &'a [Named],
    /// What a repair knows of its result: in the result itself, the rest of a damaged message is whole.
    pub(crate) account: Option<&'a Account>,
}

impl PageData {
    pub(crate) fn new(title: String, verdict: String, next: String, before: &Seen<'_>, after: Option<&Seen<'_>>) -> Self {
        let mut left_out = Vec::new();
        let items: Vec<Listed> = before.named.iter().take(ITEMS).map(listed).collect();
        if before.named.len() > items.len() {
            left_out
                .push(format!("{} more messages that are lost or in part are not shown.", before.named.len().saturating_sub(items.len())));
        }
        let now = after.unwrap_or(before);
        let paths = now.pst.map(Pst::folder_paths).unwrap_or_default();
        let (largest, compact) = now.pst.map(|p| (largest(p, &paths), compact(p))).unwrap_or_default();
        let before = side(before, &mut left_out);
        let after = after.map(|s| side(s, &mut left_out));
        Self { schema: "pstkit-page/1", title, verdict, next, before, after, items, largest, compact, left_out }
    }

    /// Leaves out half of what is longest, and says so; whether there is anything to leave out.
    pub(crate) fn shorten(&mut self) -> bool {
        let half = |n: usize| n >> 1;
        let (items, folders) = (self.items.len(), self.before.folders.len());
        if items < 10 && folders < 10 {
            return false;
        }
        self.items.truncate(half(items));
        for side in [Some(&mut self.before), self.after.as_mut()].into_iter().flatten() {
            side.folders.truncate(half(folders));
        }
        self.left_out.push(format!(
            "To keep the page small, {} messages and {} folders are not shown.",
            items.saturating_sub(half(items)),
            folders.saturating_sub(half(folders))
        ));
        true
    }
}

fn listed(n: &Named) -> Listed {
    Listed {
        nid: n.nid,
        state: if n.loss == Loss::Item { "lost" } else { "partial" },
        date: n.date.clone(),
        from: n.from.as_deref().map(|t| render::cut(t, 80)),
        subject: render::cut(&n.subject, 200),
        folder: render::clean(&n.folder),
        parts: n.why.iter().map(|w| render::clean(w)).chain(n.parts.iter().map(|p| render::clean(&p.to_string()))).collect(),
        bytes_missing: n.parts.iter().fold(0, |sum, p| sum.saturating_add(p.damaged_bytes())),
    }
}

fn side(seen: &Seen<'_>, left_out: &mut Vec<String>) -> Side {
    let report = seen.report;
    let items = &report.items;
    let row = |name, c: ItemCount| Counted { name, expected: c.expected, ok: c.ok, partial: c.partial, lost: c.lost };
    let told = |name, c: Count| Counted { name, expected: c.expected, ok: c.ok, partial: c.partial, lost: c.lost };
    let counts = seen.account.map_or_else(
        || vec![row("folders", items.folders), row("messages", items.messages), row("attachments", items.attachments)],
        |a| vec![told("folders", a.folders), told("messages", a.messages), told("attachments", a.attachments)],
    );
    let (strip, cell_bytes, cells) = seen.pst.map(|pst| space(pst, report)).unwrap_or_default();
    let mut folders = seen.pst.map(|pst| folders(pst, seen.named)).unwrap_or_default();
    if folders.len() > FOLDERS {
        left_out.push(format!("{} small folders are not shown.", folders.len().saturating_sub(FOLDERS)));
        folders.truncate(FOLDERS);
    }
    Side {
        title: render::clean(&seen.title),
        summary: report.summary(),
        verdict: report.verdict.to_string(),
        size: report.source.size,
        strip,
        cell_bytes,
        cells,
        counts,
        folders,
    }
}

/// Whose bytes a file's bytes are.
fn space(pst: &Pst, report: &Report) -> (Vec<Share>, u64, Vec<Cell>) {
    const KINDS: [&str; 5] = ["free", "maps", "trees", "contents", "unreadable"];
    let (ndb, layout, len) = (pst.ndb(), pst.layout(), pst.ndb().len());
    let cell = len.div_ceil(CELLS).max(1);
    let n = usize::try_from(len.div_ceil(cell)).unwrap_or(0);
    // bytes of each kind in each square
    let mut used = vec![[0u64; 5]; n];
    let mut total = [0u64; 5];
    let mut add = |kind: usize, at: u64, bytes: u64| {
        let end = at.saturating_add(bytes).min(len);
        let mut at = at;
        while at < end {
            let next = (at.checked_div(cell).unwrap_or(0).saturating_add(1)).saturating_mul(cell).min(end);
            let slot = usize::try_from(at.checked_div(cell).unwrap_or(0)).ok().and_then(|i| used.get_mut(i)).and_then(|c| c.get_mut(kind));
            if let Some(slot) = slot {
                *slot = slot.saturating_add(next.saturating_sub(at));
            }
            if let Some(t) = total.get_mut(kind) {
                *t = t.saturating_add(next.saturating_sub(at));
            }
            at = next;
        }
    };
    add(1, 0, layout.amap_first);
    for i in 0..layout.amap_count(len) {
        add(1, layout.amap_at(i), layout.map_pages(i).saturating_mul(layout.page()));
    }
    for p in ndb.index().facts.pages.iter().filter(|p| matches!(p.page_type, PageType::NBT | PageType::BBT)) {
        add(2, p.bref.ib.0, layout.page());
    }
    let bad = bad_places(pst, report);
    for b in ndb.index().blocks() {
        add(if bad.contains_key(&b.ib.0) { 4 } else { 3 }, b.ib.0, b.size_on_disk(layout));
    }
    let taken = total.iter().fold(0u64, |a, b| a.saturating_add(*b));
    total[0] = len.saturating_sub(taken);
    let mut cells: Vec<Cell> = used
        .iter()
        .map(|c| {
            let kind = c.iter().enumerate().skip(1).filter(|(_, n)| **n > 0).max_by_key(|(i, n)| (*i == 4, **n)).map_or(0, |(i, _)| i);
            Cell { kind: KINDS.get(kind).copied().unwrap_or("free"), ..Cell::default() }
        })
        .collect();
    for (at, (owner, said)) in bad {
        let slot = usize::try_from(at.checked_div(cell).unwrap_or(0)).ok().and_then(|i| cells.get_mut(i));
        if let Some(c) = slot {
            c.kind = "damaged";
            c.owner = c.owner.take().or(owner);
            let room = TOLD.saturating_sub(c.findings.len());
            c.findings.extend(said.into_iter().take(room));
        }
    }
    own(pst, cell, &mut cells);
    let strip = KINDS.iter().zip(total).filter(|(_, bytes)| *bytes > 0).map(|(kind, bytes)| Share { kind, bytes }).collect();
    (strip, cell, cells)
}

type Told = (Option<String>, Vec<String>);

/// Places that findings are about: whose they are, and what is wrong.
fn bad_places(pst: &Pst, report: &Report) -> HashMap<u64, Told> {
    let mut out: HashMap<u64, Told> = HashMap::new();
    for f in report.findings.iter().filter(|f| f.loss > Loss::None || f.severity >= pstkit::rules::Severity::Error) {
        let block = f.at.bid.and_then(|b| pst.ndb().find_block(b)).map(|b| b.ib);
        let Some(ib) = f.at.ib.or(block) else { continue };
        let owner = match (&f.folder, &f.subject) {
            (Some(folder), Some(subject)) => Some(format!("{}: {}", render::clean(folder), render::cut(subject, 80))),
            (Some(text), None) | (None, Some(text)) => Some(render::cut(text, 80)),
            (None, None) => None,
        };
        let told = out.entry(ib.0).or_default();
        told.0 = told.0.take().or(owner);
        if told.1.len() < TOLD {
            told.1.push(format!("{} {}", f.rule.code, f.rule.message));
        }
    }
    out
}

/// Names the first message in each square.
fn own(pst: &Pst, cell: u64, cells: &mut [Cell]) {
    let paths = pst.folder_paths();
    for n in pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message()) {
        let Some(block) = pst.ndb().find_block(n.data) else { continue };
        let slot = usize::try_from(block.ib.0.checked_div(cell).unwrap_or(0)).ok().and_then(|i| cells.get_mut(i));
        let Some(c) = slot.filter(|c| c.owner.is_none()) else { continue };
        let subject = pst.message(n.nid).ok().and_then(|m| m.subject().ok().flatten()).unwrap_or_default();
        let folder = paths.get(&n.parent).map(String::as_str).unwrap_or_default();
        c.owner = Some(format!("{}: {}", render::clean(folder), render::cut(&subject, 60)));
    }
}

/// Bytes and states of each folder's messages, the largest first.
fn folders(pst: &Pst, named: &[Named]) -> Vec<FolderShare> {
    let states: HashMap<u32, Loss> = named.iter().map(|n| (n.nid, n.loss)).collect();
    let mut all: HashMap<Nid, FolderShare> = pst
        .folder_paths()
        .into_iter()
        .map(|(nid, path)| (nid, FolderShare { path: render::clean(&path), ..FolderShare::default() }))
        .collect();
    for n in pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message()) {
        let folder = all.entry(n.parent).or_insert_with(|| FolderShare { path: "(no folder)".to_owned(), ..FolderShare::default() });
        folder.bytes = folder.bytes.saturating_add(bytes_of(pst, n.nid));
        let slot = match states.get(&n.nid.0) {
            None => &mut folder.whole,
            Some(Loss::Item) => &mut folder.lost,
            Some(_) => &mut folder.partial,
        };
        *slot = slot.saturating_add(1);
    }
    let mut out: Vec<FolderShare> = all.into_values().filter(|f| f.whole.saturating_add(f.partial).saturating_add(f.lost) > 0).collect();
    out.sort_by(|a, b| (b.bytes, &a.path).cmp(&(a.bytes, &b.path)));
    out
}

fn bytes_of(pst: &Pst, nid: Nid) -> u64 {
    pst.message(nid).ok().and_then(|m| m.size().ok().flatten()).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn largest(pst: &Pst, paths: &HashMap<Nid, String>) -> Vec<Large> {
    let mut all: Vec<(u64, Nid, Nid)> =
        pst.ndb().index().nodes().iter().filter(|n| n.nid.is_message()).map(|n| (bytes_of(pst, n.nid), n.nid, n.parent)).collect();
    all.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    all.truncate(LARGEST);
    let row = |(bytes, nid, parent): (u64, Nid, Nid)| {
        let (date, from, subject) = crate::repair::headline(pst, nid)?;
        let (subject, folder) = (render::cut(&subject, 120), render::clean(paths.get(&parent).map(String::as_str).unwrap_or_default()));
        Some(Large { nid: nid.0, bytes, date, from: from.map(|t| render::cut(&t, 80)), subject, folder })
    };
    all.into_iter().filter_map(row).collect()
}

/// The saving of a copy without free space.
fn compact(pst: &Pst) -> String {
    let (index, layout, len) = (pst.ndb().index(), pst.layout(), pst.ndb().len());
    let blocks = index.blocks().iter().fold(0u64, |sum, b| sum.saturating_add(b.size_on_disk(layout)));
    let pages = u64::try_from(index.facts.pages.len()).unwrap_or(0).saturating_mul(layout.page());
    let maps = (0..layout.amap_count(blocks.saturating_add(pages)))
        .fold(layout.amap_first, |sum, i| sum.saturating_add(layout.map_pages(i).saturating_mul(layout.page())));
    let saved = len.saturating_sub(blocks.saturating_add(pages).saturating_add(maps));
    format!("`pstkit compact` would save about {} of {}.", render::size(saved), render::size(len))
}
