//! The kind of a file whose header is gone or lies: layout, encoding, kind, and a header that can stand in.
//!
//! The header is believed where it leads to something: a page of the right type at a root's place ([MS-PST] 2.2.2.5). Else
//! the file's own pages and blocks decide: the layout under which most of their trailers agree ([MS-PST] 2.2.2.7.1, 2.2.2.8.1), and the
//! encoding under which blocks begin with the head of a heap ([MS-PST] 2.3.1.2: byte 2 is 0xEC).

use super::Limited;
use super::blocks::leaf_entries;
use super::freed::FreeSpace;
use super::shift::{Foreign, Located, Moved, Piece, locate};
use crate::check::kept::Kept;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Ignore, Location, Sink};
use crate::format::bytes::{byte, index, round_up, wide};
use crate::format::crypt::CryptMethod;
use crate::format::header::{FileKind, HEADER_MAX, Header, MAGIC};
use crate::format::ids::{Bid, Bref, Ib};
use crate::format::layout::Layout;
use crate::format::page::{BbtEntry, BtPage, NbtEntry, PageTrailer, PageType, TreeEntry};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::ndb::Ndb;
use crate::ndb::btree::walk;
use crate::ndb::scan::{FoundPage, Scan, search};
use crate::rules;
use std::collections::HashSet;
use std::sync::Arc;

/// So many blocks from all over the file are test-decoded to tell the encoding.
const SAMPLE: usize = 8_192;

/// How many times longer than it is a file is believed to have been.
const MOST_CUT: u64 = 4096;

/// Pages that are tried as the root of a tree.
const ROOTS: usize = 4;

/// The kind of a file, and its source with everything in its place.
#[derive(Debug)]
#[non_exhaustive]
pub struct Detected {
    /// The file, with a header that can be relied on; where its roots are not where its own header says, its trees are still to be read.
    pub ndb: Ndb,
    /// Everything in the file that bears a valid trailer.
    pub scan: Scan,
    /// The stretches of the file, where some were moved.
    pub moved: Option<Vec<Piece>>,
    /// The stretches that hold bytes of another data file.
    pub foreign: Vec<Foreign>,
    /// Whether the header's roots lead to pages; else there is no telling which pages are current.
    pub roots: bool,
    /// Whether the header says if it is a PST or an OST; else the usual kind of files of its layout is taken.
    pub kind_is_told: bool,
    /// How long the file was, as its own header has it; 0 where none does.
    pub length: u64,
}

/// The first bytes of a file, as many as a header has.
pub(super) fn head(source: &dyn ReadAt) -> Vec<u8> {
    let mut buf = vec![0; HEADER_MAX.min(index(source.len()))];
    if source.read_exact_at(&mut buf, 0).is_err() {
        buf.fill(0);
    }
    buf
}

/// Finds the kind of the file, whatever its header says.
///
/// # Errors
/// [`ErrorKind::NotPst`] where nothing in it is part of such a file; cancellation; the sink's answer.
pub fn detect(source: &Arc<dyn ReadAt>, limits: Limits, sink: &mut dyn Sink, monitor: &dyn Monitor) -> Result<Detected> {
    detect_further(source, limits, None, None, sink, monitor)
}

/// A file whose trees were read as a header has them, with their faults.
pub(super) struct WithTrees {
    pub(super) ndb: Ndb,
    pub(super) problems: Vec<Finding>,
}

impl WithTrees {
    /// Reads both trees.
    pub(super) fn load(ndb: Ndb) -> Result<Self> {
        let mut problems = Limited::of(ndb.limits());
        ndb.load_index(&mut problems)?;
        Ok(Self { ndb, problems: problems.out })
    }
}

/// The same where the trees have been read as the file's own header has them, and perhaps checked.
pub(super) fn detect_further(
    source: &Arc<dyn ReadAt>,
    limits: Limits,
    mut begun: Option<WithTrees>,
    kept: Option<&Kept>,
    sink: &mut dyn Sink,
    monitor: &dyn Monitor,
) -> Result<Detected> {
    let first = head(source.as_ref());
    let mut header_findings = Vec::new();
    let named = Header::decode(&first, &mut header_findings).ok().map(|h| h.layout);
    for f in header_findings {
        sink.report(f)?;
    }
    let mut order: Vec<&'static Layout> = named.into_iter().collect();
    order.extend(Layout::all().into_iter().rev().filter(|l| Some(*l) != named));

    // the header's word, where it leads to a page
    for layout in &order {
        let header = Header::decode_as(layout, &first);
        if root_pages(source, &header) > 0 {
            let (file, kept) = match begun.take().filter(|b| *b.ndb.header() == header) {
                Some(begun) => (begun, kept),
                None => (WithTrees::load(Ndb::new(Arc::clone(source), header, limits))?, None),
            };
            let found = search(&file.ndb, &|b| kept.is_some_and(|k| k.is_whole(b)), monitor)?;
            return settle(file, found, &first, named, sink, monitor);
        }
    }
    // the file's own word
    let mut best: Option<(WithTrees, Scan)> = None;
    for layout in &order {
        let header = if named == Some(*layout) { Header::decode_as(layout, &first) } else { blank(layout) };
        let file = WithTrees::load(Ndb::new(Arc::clone(source), header, limits))?;
        let found = search(&file.ndb, &|_| false, monitor)?;
        if best.as_ref().is_none_or(|(_, b)| weight(&found) > weight(b)) {
            best = Some((file, found));
        }
        if best.as_ref().is_some_and(|(_, b)| weight(b) >= 8) {
            break;
        }
    }
    if let Some((file, found)) = best
        && weight(&found) > 0
    {
        return settle(file, found, &first, named, sink, monitor);
    }
    // nothing is in its place: everything may have moved
    for layout in order {
        let ndb = Ndb::new(Arc::clone(source), blank(layout), limits);
        if let Some(pieces) = locate(&ndb, &Scan::nothing(&ndb), monitor)?.pieces {
            let (file, found) = put_in_place(&ndb, pieces.clone(), monitor)?;
            let mut d = settle(file, found, &first, named, sink, monitor)?;
            d.moved = Some(pieces);
            return Ok(d);
        }
    }
    let what = if first.get(..4) == Some(&MAGIC[..]) { "only a header, nothing behind it" } else { "no page or block of one in it" };
    Err(Error::new(ErrorKind::NotPst(what.to_owned())))
}

/// How much a scan has shown; an unlikely accident counts for nothing against a real file.
fn weight(found: &Scan) -> usize {
    found.pages.len().saturating_add(found.blocks.len())
}

/// A header for a file that has none.
fn blank(layout: &'static Layout) -> Header {
    let kind = if layout.compresses() { FileKind::Ost } else { FileKind::Pst };
    Header::new(layout, kind, if layout.compresses() { CryptMethod::None } else { CryptMethod::Permute })
}

/// How many of the header's two roots lead to a page of the right type with a valid trailer.
pub(super) fn root_pages(source: &Arc<dyn ReadAt>, header: &Header) -> usize {
    let roots = [(PageType::NBT, header.root.nbt), (PageType::BBT, header.root.bbt)];
    roots.into_iter().filter(|(t, bref)| is_page(source.as_ref(), header.layout, *t, *bref)).count()
}

fn is_page(source: &dyn ReadAt, layout: &'static Layout, page_type: PageType, bref: Bref) -> bool {
    if bref.ib.0 == 0 || bref.ib.0.checked_add(layout.page()).is_none_or(|end| end > source.len()) {
        return false;
    }
    let mut page = vec![0; layout.page_size];
    source.read_exact_at(&mut page, bref.ib.0).is_ok() && {
        let t = PageTrailer::decode(layout, &page);
        t.page_type == page_type && t.is_valid(layout, &page, bref.ib)
    }
}

fn put_in_place(ndb: &Ndb, pieces: Vec<Piece>, monitor: &dyn Monitor) -> Result<(WithTrees, Scan)> {
    let moved = Moved::new(Arc::clone(ndb.source()), pieces);
    let there = WithTrees::load(Ndb::new(Arc::new(moved), ndb.header().clone(), *ndb.limits()))?;
    let found = search(&there.ndb, &|_| false, monitor)?;
    Ok((there, found))
}

/// With the layout known: moved pieces are put in their place, the encoding is told, and the header is put right.
fn settle(
    file: WithTrees,
    found: Scan,
    first: &[u8],
    named: Option<&'static Layout>,
    sink: &mut dyn Sink,
    monitor: &dyn Monitor,
) -> Result<Detected> {
    let (mut file, mut found) = (file, found);
    let mut moved = None;
    let Located { pieces, foreign } = locate(&file.ndb, &found, monitor)?;
    if let Some(pieces) = pieces {
        (file, found) = put_in_place(&file.ndb, pieces.clone(), monitor)?;
        moved = Some(pieces);
    }
    let ndb = file.ndb;
    let layout = ndb.layout();
    if let Some(n) = named.filter(|n| n.variant != layout.variant) {
        let f = Finding::new(&rules::HEADER_VERSION, Location::at(10));
        sink.report(f.actual(n.variant.to_string()).expected(layout.variant.to_string()))?;
    }
    let mut header = ndb.header().clone();
    let said = if first.get(..4) == Some(&MAGIC[..]) || root_pages(ndb.source(), &header) > 0 { header.crypt_method() } else { None };
    let crypt = told_by_blocks(&ndb, &found).or(said).unwrap_or(CryptMethod::Permute);
    if said != Some(crypt) {
        let stored = said.map_or_else(|| format!("{:#x}", header.crypt), |c| c.to_string());
        sink.report(Finding::new(&rules::HEADER_CRYPT, Location::NONE).actual(stored).expected(crypt.to_string()))?;
    }
    header.crypt = crypt.to_byte();
    if Layout::of_version(header.version) != Some(layout) {
        header.version = blank(layout).version;
    }
    let kind_is_told = Header::decode_as(layout, first).kind().is_some();
    if header.kind().is_none() {
        let kind = if layout.compresses() { FileKind::Ost } else { FileKind::Pst };
        header.magic_client = kind.magic();
        header.version_client = kind.client_version();
    }
    // another page of a tree where a root should be: the header is another file's, or another state's
    let is_other = |t: PageType, root: Bref| found.pages.iter().any(|p| p.ib == root.ib && p.page_type == t && p.bid != root.bid);
    let is_length_told = named == Some(layout) && !is_other(PageType::NBT, header.root.nbt) && !is_other(PageType::BBT, header.root.bbt);
    let is_length_told = is_length_told && header.root.file_eof.0 <= ndb.len().saturating_mul(MOST_CUT);
    let length = if is_length_told { header.root.file_eof.0 } else { 0 };
    raise_counters(&mut header, &found, ndb.len());
    header.root.nbt = settle_root::<NbtEntry>(&ndb, &found, header.root.nbt);
    header.root.bbt = settle_root::<BbtEntry>(&ndb, &found, header.root.bbt);
    let roots = root_pages(ndb.source(), &header) > 0;
    let same_trees = (header.root.nbt, header.root.bbt) == (ndb.header().root.nbt, ndb.header().root.bbt);
    let ndb =
        if same_trees { ndb.with_header(header).with_crypt(crypt) } else { Ndb::new(Arc::clone(ndb.source()), header, *ndb.limits()) };
    if same_trees {
        file.problems.into_iter().try_for_each(|f| sink.report(f))?;
    }
    Ok(Detected { ndb, scan: found, moved, foreign, roots, kind_is_told, length })
}

/// The root of a tree: where the header says, if a page with the id that it says is there; else where it is found. Another page of the tree
/// in that place is none: the header is another file's, or another state's.
fn settle_root<E: TreeEntry>(ndb: &Ndb, found: &Scan, named: Bref) -> Bref {
    let there = found.pages.iter().find(|p| p.ib == named.ib && p.page_type == E::PAGE_TYPE);
    match there {
        Some(p) if p.bid == named.bid => named,
        Some(_) => find_root::<E>(ndb, found, Bref::default()).unwrap_or(Bref { ib: Ib(0), ..named }),
        None => find_root::<E>(ndb, found, named).unwrap_or(named),
    }
}

/// The root of a tree that the header does not lead to: the newest page from which a whole tree is reached. Pages are written anew with
/// each change, up to the root, so a root that leaves out a newer page is an older one's, and so is one that is older than the one that
/// the header names; one that leaves out keys is no root. Only the allocation maps tell that no newer page was lost.
fn find_root<E: TreeEntry>(ndb: &Ndb, found: &Scan, named: Bref) -> Option<Bref> {
    let layout = ndb.layout();
    let space = FreeSpace::read(ndb, found);
    let pages: Vec<_> = found.pages.iter().filter(|p| p.page_type == E::PAGE_TYPE).collect();
    let level = |ib: Ib| {
        let bytes = ndb.bytes(ib.0, layout.page_size).ok()?;
        BtPage::decode(layout, &bytes, ib, E::PAGE_TYPE, &mut Ignore).ok()?.map(|p| p.level)
    };
    let mut likely: Vec<_> = pages.iter().filter(|p| p.bid >= named.bid && space.page(p) == Some(false)).collect();
    likely.sort_by_key(|p| std::cmp::Reverse((level(p.ib), p.bid)));
    likely.into_iter().take(ROOTS).find_map(|p| {
        let root = Bref { bid: p.bid, ib: p.ib };
        let tree = walk::<E>(ndb, root, &mut Ignore).ok()?;
        let reached: HashSet<Ib> = tree.pages.iter().map(|p| p.bref.ib).collect();
        let (first, last) = (tree.entries.first()?.key(), tree.entries.last()?.key());
        // pages that it does not reach are older, and of keys that it has a newer page for
        let is_older = |o: &FoundPage| {
            let keys = leaf_entries::<E>(ndb, o.ib);
            o.bid < root.bid && keys.iter().all(|e| (first..=last).contains(&e.key()))
        };
        let others = pages.iter().filter(|o| space.page(o) != Some(true) && !reached.contains(&o.ib));
        (tree.lost.is_empty() && tree.ordered && others.into_iter().all(|o| is_older(o))).then_some(root)
    })
}

/// Sizes and counters that cannot be below the file's contents.
fn raise_counters(header: &mut Header, found: &Scan, len: u64) {
    let layout = header.layout;
    let page = found.pages.iter().map(|p| p.bid.0.saturating_add(1)).max().unwrap_or(1);
    let block = found.blocks.iter().map(|b| b.bid.masked().0.saturating_add(4) & !3).max().unwrap_or(4);
    header.bid_next_page = header.bid_next_page.max(Bid(page));
    header.bid_next_block = header.bid_next_block.max(Bid(block));
    let sections = layout.amap_count(len.max(layout.file_min()));
    let eof = layout.amap_at(sections);
    if header.root.file_eof.0 < layout.file_min().min(round_up(len, layout.slot)) || header.root.file_eof.0 > eof {
        header.root.file_eof = Ib(eof);
        header.root.amap_last = Ib(layout.amap_at(sections.saturating_sub(1)));
    }
}

/// The encoding under which most blocks begin like a heap, if any do.
pub(super) fn told_by_blocks(ndb: &Ndb, found: &Scan) -> Option<CryptMethod> {
    let ways = [CryptMethod::None, CryptMethod::Permute, CryptMethod::Cyclic];
    let mut votes = [0usize; 3];
    let step = found.blocks.len().checked_div(SAMPLE).unwrap_or(0).max(1);
    let external = found.blocks.iter().filter(|b| !b.bid.is_internal() && b.cb >= 12).step_by(step);
    for b in external {
        let stored = if b.is_compressed() {
            // compressed blocks are never encoded in the files seen
            Ndb::new(Arc::clone(ndb.source()), ndb.header().clone(), *ndb.limits())
                .with_crypt(CryptMethod::None)
                .block_at(b, &mut Ignore)
                .ok()
                .flatten()
                .map(std::borrow::Cow::into_owned)
        } else {
            ndb.bytes(b.ib.0, 12).ok().map(std::borrow::Cow::into_owned)
        };
        let Some(head) = stored else { continue };
        let head = head.get(..12).unwrap_or_default();
        for (way, n) in ways.iter().zip(&mut votes) {
            let mut plain = head.to_vec();
            way.decode(&mut plain, b.bid);
            if is_heap_head(&plain, b.cb_inflated) {
                *n = n.saturating_add(1);
            }
        }
    }
    let best = votes.iter().copied().max().filter(|n| *n > 0)?;
    ways.into_iter().zip(votes).find(|(_, n)| *n == best).map(|(w, _)| w)
}

/// Whether bytes look like the head of a heap in a block of `cb` bytes.
pub(super) fn is_heap_head(b: &[u8], cb: u16) -> bool {
    byte(b, 2) == 0xEC
        && matches!(byte(b, 3), 0x6C | 0x7C | 0x8C | 0x9C | 0xA5 | 0xAC | 0xB5 | 0xBC | 0xCC)
        && wide(usize::from(crate::format::bytes::le16(b, 0))) < u64::from(cb)
}
