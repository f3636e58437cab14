//! `pstkit info`: what a file is.

use crate::Context;
use crate::args::InfoArgs;
use crate::open::{self, Opened};
use crate::render;
use crate::status::{Failure, Outcome, Status};
use pstkit::Pst;
use pstkit::finding::Finding;
use pstkit::format::context::NAMEID;
use pstkit::format::crypt::CryptMethod;
use pstkit::format::header::{AMAP_VALID, FileKind};
use pstkit::format::ids::{Nid, NidType};
use pstkit::format::page::PageType;
use pstkit::format::tags;
use pstkit::ltp::PropertyContext;
use pstkit::ndb::Ndb;
use pstkit::recover;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// One of the two trees.
#[derive(Serialize, schemars::JsonSchema)]
struct TreeInfo {
    /// Id of the root page, in hexadecimal.
    root_bid: String,
    /// Offset of the root page.
    root_offset: u64,
    /// Whether the root page can be read.
    readable: bool,
    /// Levels of the tree.
    levels: u64,
    /// Pages that can be read.
    pages: u64,
    /// Pages that cannot.
    pages_lost: u64,
    /// Entries of the leaves that can be read.
    entries: u64,
}

/// The nodes of the NBT, by type.
#[derive(Serialize, schemars::JsonSchema)]
struct Counts {
    /// Folders.
    folders: u64,
    /// Search folders.
    search_folders: u64,
    /// Messages.
    messages: u64,
    /// Associated messages: settings and views.
    associated: u64,
    /// Nodes.
    nodes: u64,
    /// Blocks.
    blocks: u64,
}

/// The facts about a file: `pstkit-info/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Info {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// Bytes in all.
    size: u64,
    /// Whether the header can be read.
    header_readable: bool,
    /// Its kind.
    kind: Option<FileKind>,
    /// wMagicClient, as two letters.
    client_magic: String,
    /// wVerClient.
    client_version: u16,
    /// The layout.
    variant: pstkit::format::layout::Variant,
    /// wVer.
    version: u16,
    /// Bytes of a page.
    page_size: u64,
    /// Whether the file is one that Outlook 2007 or later makes.
    outlook_2007_or_later: bool,
    /// How blocks are encoded, in words.
    encoding: String,
    /// ibFileEof.
    size_in_header: u64,
    /// fAMapValid.
    amap_valid: u8,
    /// ibAMapLast.
    amap_last: u64,
    /// cbAMapFree.
    free_bytes_in_header: u64,
    /// bidNextB, in hexadecimal.
    next_block_id: String,
    /// bidNextP, in hexadecimal.
    next_page_id: String,
    /// dwUnique.
    unique: u32,
    /// Blocks that nothing refers to.
    unreferenced_blocks: u32,
    /// The node B-tree.
    nbt: TreeInfo,
    /// The block B-tree.
    bbt: TreeInfo,
    /// The account.
    counts: Counts,
    /// The finds of a search of the whole file, where the trees are not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Counts>,
    /// The store object's values.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreInfo>,
    /// The limits of a repair, in sentences.
    limits: Vec<String>,
    /// The faults, in sentences.
    problems: Vec<String>,
}

/// The store object's values.
#[derive(Serialize, schemars::JsonSchema)]
struct StoreInfo {
    /// Its name.
    name: Option<String>,
    /// Whether it asks for a password.
    password: bool,
    /// Named properties that it defines.
    named_properties: u64,
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The name of an encoding, for a person.
fn encoding(method: Option<CryptMethod>, byte: u8) -> String {
    match method {
        Some(CryptMethod::None) => "none".to_owned(),
        Some(CryptMethod::Permute) => "permute (compressible encryption: no key is needed)".to_owned(),
        Some(CryptMethod::Cyclic) => "cyclic (high encryption: no key is needed)".to_owned(),
        Some(CryptMethod::Wip) => "Windows Information Protection (contents need the user's keys)".to_owned(),
        None => format!("unknown ({byte:#04x})"),
    }
}

fn gather(ctx: &Context, path: &Path, opened: &Opened) -> (Info, Vec<Finding>) {
    let ndb = &opened.ndb;
    let mut problems = opened.problems.clone();
    // Collecting never fails.
    let _ = ndb.load_index(&mut problems);
    let header = ndb.header();
    let root = &header.root;
    let index = ndb.index();
    let pages = |t| wide(index.pages(t).count());
    let facts = &index.facts;
    let store = store(ndb, &mut problems);
    let info = Info {
        schema: "pstkit-info/1",
        file: path.display().to_string(),
        size: ndb.len(),
        header_readable: opened.header_readable,
        kind: header.kind(),
        client_magic: String::from_utf8_lossy(&header.magic_client).into_owned(),
        client_version: header.version_client,
        variant: ndb.layout().variant,
        version: header.version,
        page_size: ndb.layout().page(),
        outlook_2007_or_later: header.touched_by_outlook_2007(),
        encoding: header.crypt_method().map_or_else(|| "unknown".to_owned(), |m| m.to_string()),
        size_in_header: root.file_eof.0,
        amap_valid: root.amap_valid,
        amap_last: root.amap_last.0,
        free_bytes_in_header: root.amap_free,
        next_block_id: header.bid_next_block.to_string(),
        next_page_id: header.bid_next_page.to_string(),
        unique: header.unique,
        unreferenced_blocks: header.orphans,
        nbt: TreeInfo {
            root_bid: root.nbt.bid.to_string(),
            root_offset: root.nbt.ib.0,
            readable: pages(PageType::NBT) > 0,
            levels: u64::from(facts.nbt_depth).saturating_add(1),
            pages: pages(PageType::NBT),
            pages_lost: wide(facts.nbt_lost.len()),
            entries: wide(index.nodes().len()),
        },
        bbt: TreeInfo {
            root_bid: root.bbt.bid.to_string(),
            root_offset: root.bbt.ib.0,
            readable: pages(PageType::BBT) > 0,
            levels: u64::from(facts.bbt_depth).saturating_add(1),
            pages: pages(PageType::BBT),
            pages_lost: wide(facts.bbt_lost.len()),
            entries: wide(index.blocks().len()),
        },
        counts: counts(ndb),
        searched: searched(ctx, ndb),
        store,
        limits: limits(path, opened),
        problems: problems.iter().map(ToString::to_string).collect(),
    };
    (info, problems)
}

/// Name, password and named properties, where the store object can be read.
fn store(ndb: &Ndb, problems: &mut Vec<Finding>) -> Option<StoreInfo> {
    let pst = Pst::from_ndb(ndb.with_index(ndb.index().clone()));
    let store = pst.store().ok()?;
    // Of an object that cannot be read, nothing is known: neither a password nor that there is none.
    problems.extend(store.properties().problems());
    store.properties().tags().next()?;
    let name = store.name().ok().flatten();
    let password = store.has_password().unwrap_or(false);
    let map = ndb.node(Nid::NAME_TO_ID_MAP).and_then(|n| PropertyContext::open(n, problems).ok().flatten());
    let stream = map.and_then(|pc| pc.binary(tags::NAME_STREAM_ENTRY.id(), problems).ok().flatten());
    let named_properties = stream.map_or(0, |s| wide(s.len().checked_div(NAMEID).unwrap_or(0)));
    Some(StoreInfo { name, password, named_properties })
}

/// The finds of a search of the whole file, where the trees are not whole.
fn searched(ctx: &Context, ndb: &Ndb) -> Option<Counts> {
    if ndb.index().facts.complete() && !ndb.index().nodes().is_empty() {
        return None;
    }
    let found = recover::open(Arc::clone(ndb.source()), &recover::Options::default(), &ctx.progress).ok()?;
    found.salvage.is_some().then(|| counts(&found.ndb))
}

fn counts(ndb: &Ndb) -> Counts {
    let index = ndb.index();
    let kinds = |t: NidType| wide(index.nodes().iter().filter(|n| n.nid.nid_type() == t).count());
    Counts {
        folders: kinds(NidType::NORMAL_FOLDER),
        search_folders: kinds(NidType::SEARCH_FOLDER),
        messages: kinds(NidType::NORMAL_MESSAGE),
        associated: kinds(NidType::ASSOC_MESSAGE),
        nodes: wide(index.nodes().len()),
        blocks: wide(index.blocks().len()),
    }
}

/// The limits of a repair, or of reading.
fn limits(path: &Path, opened: &Opened) -> Vec<String> {
    let ndb = &opened.ndb;
    let header = ndb.header();
    let layout = ndb.layout();
    let mut out = Vec::new();
    if !opened.header_readable {
        out.push("the header cannot be read; the variant is told from what lies behind it, and all other fields may be wrong: `pstkit repair` builds it again".to_owned());
    }
    if header.crypt_method() == Some(CryptMethod::Wip) {
        out.push("encrypted by Windows Information Protection: the structure can be checked, the contents can be read only on a machine that holds the keys".to_owned());
    }
    if header.crypt_method().is_none() {
        out.push("the encoding byte is unknown: it has to be told from the contents".to_owned());
    }
    if layout.is_ansi() {
        let used = ndb.len();
        if used > layout.file_max.saturating_sub(layout.file_max >> 3) {
            out.push(format!(
                "the ANSI format ends at 2 GB and the file has {}: a repair that needs space may not fit; convert it to Unicode",
                render::size(used)
            ));
        } else {
            out.push("the ANSI format: at most 2 GB, and text only in the file's code page".to_owned());
        }
    }
    let (eof, len) = (header.root.file_eof.0, ndb.len());
    if opened.header_readable && eof > len {
        out.push(format!(
            "truncated: the header counts {}, the last {} are missing",
            render::size_exact(eof),
            render::size_exact(eof.saturating_sub(len))
        ));
    } else if opened.header_readable && eof < len {
        out.push(format!("{} lie behind the end that the header names", render::size_exact(len.saturating_sub(eof))));
    }
    match header.kind() {
        Some(FileKind::Ost) => out
            .push("an offline cache: Outlook fetches it again from the server; only what was never uploaded exists here alone".to_owned()),
        Some(FileKind::Pab) => out.push("a personal address book: reading is tried as far as its layout is that of a data file".to_owned()),
        Some(FileKind::Pst) => {}
        None => out.push("the client magic is unknown".to_owned()),
    }
    if std::fs::metadata(path).is_ok_and(|m| m.permissions().readonly()) {
        out.push("the file is read-only: repair into a new file (-o), or make it writable first".to_owned());
    }
    out
}

fn maps_words(amap_valid: u8) -> &'static str {
    match amap_valid {
        AMAP_VALID => "valid",
        1 => "valid, as old versions of Outlook write it",
        0 => "not valid: a write was interrupted, or the file is open; Outlook builds the maps again",
        _ => "an unknown value",
    }
}

fn text(ctx: &mut Context, i: &Info) -> Result<(), Failure> {
    let header = i;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("size", render::size_exact(i.size));
    if i.size != i.size_in_header {
        row("size in header", render::size_exact(i.size_in_header));
    }
    let kind = i.kind.map_or_else(|| "unknown kind".to_owned(), |k| k.to_string());
    row("kind", format!("{kind} (client {}, version {})", render::clean(&i.client_magic), i.client_version));
    row("variant", format!("{} (version {}, pages of {} bytes)", i.variant, i.version, i.page_size));
    if i.outlook_2007_or_later {
        row("written by", "Outlook 2007 or later".to_owned());
    }
    row("encoding", encoding_words(header));
    if let Some(s) = &i.store {
        if let Some(name) = &s.name {
            row("name", render::clean(name));
        }
        row(
            "password",
            if s.password { "set; it only keeps Outlook from opening the file, nothing is encrypted with it" } else { "not set" }
                .to_owned(),
        );
        row("named properties", render::grouped(s.named_properties));
    }
    row("header", if i.header_readable { "readable" } else { "not readable" }.to_owned());
    row("allocation maps", format!("{} (fAMapValid {}), the last one at {:#x}", maps_words(i.amap_valid), i.amap_valid, i.amap_last));
    row("free space", format!("{} by the header", render::size_exact(i.free_bytes_in_header)));
    for (name, t, what) in [("node B-tree", &i.nbt, "nodes"), ("block B-tree", &i.bbt, "blocks")] {
        let mut v = format!("root {} at {:#x}", t.root_bid, t.root_offset);
        if t.readable {
            let pages = render::count(t.pages, "page", "pages");
            v.push_str(&format!(", {}, {pages}, {} {what}", render::count(t.levels, "level", "levels"), render::grouped(t.entries)));
        } else {
            v.push_str(", not readable");
        }
        if t.pages_lost > 0 {
            v.push_str(&format!(", {} lost", render::count(t.pages_lost, "page", "pages")));
        }
        row(name, v);
    }
    row("next ids", format!("block {}, page {}, unique {:#x}", i.next_block_id, i.next_page_id, i.unique));
    if i.unreferenced_blocks > 0 {
        row("unreferenced blocks", format!("{} by the header", render::grouped(i.unreferenced_blocks.into())));
    }
    let c = &i.counts;
    row("folders", format!("{} and {}", render::grouped(c.folders), render::count(c.search_folders, "search folder", "search folders")));
    row("messages", format!("{} and {} associated", render::grouped(c.messages), render::grouped(c.associated)));
    if let Some(c) = &i.searched {
        let what = format!(
            "{} folders, {} messages, {} associated",
            render::grouped(c.folders),
            render::grouped(c.messages),
            render::grouped(c.associated)
        );
        row("found by searching", what);
    }
    writeln!(ctx.out, "{}", render::clean(&i.file))?;
    render::table(&mut ctx.out, 2, &[], &rows)?;
    if !i.limits.is_empty() {
        writeln!(ctx.out, "  worth knowing")?;
        for l in &i.limits {
            writeln!(ctx.out, "    - {l}")?;
        }
    }
    Ok(())
}

fn encoding_words(i: &Info) -> String {
    let method =
        [CryptMethod::None, CryptMethod::Permute, CryptMethod::Cyclic, CryptMethod::Wip].into_iter().find(|m| m.to_string() == i.encoding);
    encoding(method, 0xFF)
}

pub(crate) fn run(ctx: &mut Context, args: &InfoArgs) -> Outcome {
    let mut status = Status::DONE;
    let mut done = 0usize;
    for path in &args.files {
        if let Some(log) = open::write_log(path, ctx) {
            crate::write_log::text(ctx, path, &log)?;
            done = done.saturating_add(1);
            continue;
        }
        let opened = match open::open(path, &ctx.global) {
            Ok(opened) => opened,
            Err(e) if args.files.len() == 1 => return Err(e),
            Err(e) => {
                if let Some(m) = e.message() {
                    ctx.warn(m);
                }
                status |= e.status();
                continue;
            }
        };
        let (info, problems) = gather(ctx, path, &opened);
        if ctx.global.machine() {
            ctx.json(&info)?;
        } else {
            if done > 0 {
                writeln!(ctx.out)?;
            }
            text(ctx, &info)?;
        }
        done = done.saturating_add(1);
        status |= say_problems(ctx, path, &problems, opened.header_readable);
    }
    Ok(status)
}

/// Names the unreadable parts, on standard error.
fn say_problems(ctx: &Context, path: &Path, problems: &[Finding], header_readable: bool) -> Status {
    use pstkit::rules::Severity;
    let worth: Vec<&Finding> = problems.iter().filter(|f| f.severity >= Severity::Error).collect();
    if worth.is_empty() && header_readable {
        return Status::DONE;
    }
    let show = if ctx.global.verbose { usize::MAX } else { 5 };
    for f in worth.iter().take(show) {
        ctx.warn(format_args!("{}: {f}", path.display()));
    }
    if worth.len() > show {
        ctx.warn(format_args!("{}: and {} more; `pstkit check` tells all", path.display(), worth.len().saturating_sub(show)));
    }
    Status::LEFT
}
