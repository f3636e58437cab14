//! Bytes that moved: some inserted, some cut out, sectors swapped, or only a fragment left.
//!
//! Every page and block says where it belongs: maps bear their own place as id ([MS-PST] 2.2.2.7.2), tree pages and blocks are named
//! with their place by the trees, and all bear a signature of place and id ([MS-PST] 5.5). Where the place that a thing names and the
//! place where it stands disagree by the same distance over a stretch, that stretch was moved. [`Moved`] then puts each stretch where
//! it belongs, as a source of bytes, so that everything else works unchanged:
//!
//! ```text
//! original   |---- a ----|---- b ----|          [`Piece`] { at: place in the original, from: place here, len }
//! here       |---- a ----|xx|---- b ----|       bytes that no piece holds read as zeros
//! ```

use crate::error::Result;
use crate::finding::Ignore;
use crate::format::block::BlockTrailer;
use crate::format::bytes::{byte, index, le16, round_up, wide};
use crate::format::crc::crc;
use crate::format::header::{HEADER_MAX, Header};
use crate::format::ids::{Bid, Ib};
use crate::format::layout::{Layout, signature};
use crate::format::page::{BbtEntry, BtPage, PageTrailer, PageType, TreeEntry};
use crate::io::ReadAt;
use crate::monitor::{Monitor, Phase, Quiet, step};
use crate::ndb::Ndb;
use crate::ndb::index::{Ascending, position};
use crate::ndb::scan::{FoundPage, Scan, another_store, scan_ranges, stands_at};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes looked at in one go.
const WINDOW: u64 = 4 << 20;
/// Distances that are followed through the whole file; others only around the places that show them.
const WHOLE: usize = 4;
/// Distances that are followed at all.
const MOST: usize = 64;
/// From this size on only the commonest distances are followed.
const LARGE: u64 = 512 << 20;
/// Blocks that show the distances well enough, where there are few.
const ENOUGH: usize = 4096;
/// So many pages and blocks that were written for places at one distance are another file's, and no accident.
const FOREIGN: usize = 3;
/// How far around a place that shows a rarer distance it is followed.
const AROUND: u64 = 128 << 10;

/// Where two stretches meet, by the end and distance of the first and the start and distance of the second.
type Border<'a> = &'a dyn Fn((u64, i64), (u64, i64)) -> Option<u64>;

/// A stretch of the original file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Its place in the original.
    pub at: u64,
    /// Its length.
    pub len: u64,
    /// Its place in the bytes at hand.
    pub from: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }

    /// How far it was moved: place here less place in the original.
    pub fn distance(&self) -> i64 {
        self.from.cast_signed().wrapping_sub(self.at.cast_signed())
    }
}

/// A source of bytes in which every piece stands where it belongs; the rest reads as zeros.
pub struct Moved {
    source: Arc<dyn ReadAt>,
    pieces: Vec<Piece>,
    len: u64,
}

impl std::fmt::Debug for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moved").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

impl Moved {
    /// The source with these pieces, which must be sorted and must not overlap.
    pub fn new(source: Arc<dyn ReadAt>, pieces: Vec<Piece>) -> Self {
        let len = pieces.last().map_or(0, Piece::end);
        Self { source, pieces, len }
    }

    /// The pieces, sorted by place.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The whole source, moved by one distance.
    fn by(source: Arc<dyn ReadAt>, distance: i64) -> Self {
        let len = source.len();
        let piece = if distance >= 0 {
            let from = distance.unsigned_abs().min(len);
            Piece { at: 0, from, len: len.saturating_sub(from) }
        } else {
            Piece { at: distance.unsigned_abs(), from: 0, len }
        };
        Self::new(source, vec![piece])
    }

    fn piece_at(&self, offset: u64) -> Option<&Piece> {
        let i = self.pieces.partition_point(|p| p.at <= offset).checked_sub(1)?;
        self.pieces.get(i).filter(|p| offset < p.end())
    }
}

impl ReadAt for Moved {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(wide(buf.len())).is_none_or(|end| end > self.len) {
            return Err(crate::io::past_end());
        }
        buf.fill(0);
        let mut done = 0usize;
        while done < buf.len() {
            let at = offset.saturating_add(wide(done));
            let left = buf.len().saturating_sub(done);
            if let Some(p) = self.piece_at(at) {
                let within = at.saturating_sub(p.at);
                let n = left.min(index(p.len.saturating_sub(within)));
                if let Some(part) = buf.get_mut(done..done.saturating_add(n)) {
                    self.source.read_exact_at(part, p.from.saturating_add(within))?;
                }
                done = done.saturating_add(n.max(1));
            } else {
                let next = self.pieces.get(self.pieces.partition_point(|p| p.at <= at)).map_or(self.len, |p| p.at);
                done = done.saturating_add(left.min(index(next.saturating_sub(at)).max(1)));
            }
        }
        Ok(())
    }

    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        match self.piece_at(offset) {
            Some(p) if offset.saturating_add(wide(len)) <= p.end() => {
                self.source.slice(p.from.saturating_add(offset.saturating_sub(p.at)), len)
            }
            _ => Ok(None),
        }
    }
}

/// A page whose checksum agrees, wherever it stands.
#[derive(Debug, Clone, Copy)]
struct Loose {
    from: u64,
    page_type: PageType,
    bid: Bid,
    sig: u16,
}

impl Loose {
    /// The same with its place known.
    fn seen_at(&self, at: u64, layout: &Layout) -> Seen {
        Seen { at, size: layout.page(), distance: self.from.cast_signed().wrapping_sub(at.cast_signed()), bid: self.bid }
    }
}

/// A page or block whose original place and place here are both known.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: u64,
    size: u64,
    distance: i64,
    bid: Bid,
}

impl Seen {
    /// The place of its first byte here.
    fn from(&self) -> u64 {
        self.at.wrapping_add_signed(self.distance)
    }
}

/// A stretch of bytes in which pages and blocks of another data file stand, by its place here: they were written for other places than
/// those where they stand, and this file names none of them there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Foreign {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes.
    pub size: u64,
}

/// The moved pieces of a file, and the bytes that are not its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Located {
    /// The stretches of this file; `None` where everything is in its place.
    pub pieces: Option<Vec<Piece>>,
    /// The stretches that hold bytes of another file, in order.
    pub foreign: Vec<Foreign>,
}

/// Finds out which stretches of the source of `ndb` were moved and where they belong, and which ones are another file's.
///
/// `plain` is the finds of a scan in their place.
///
/// # Errors
/// Cancellation.
pub fn locate(ndb: &Ndb, plain: &Scan, monitor: &dyn Monitor) -> Result<Located> {
    let layout = ndb.layout();
    // an object in its place has not been moved, and another file's object is none of this one's
    let end = if plain.blocks.is_empty() { ndb.len() } else { end_of_own(ndb) };
    let own = plain.gaps.iter().filter(|g| g.start < end).map(|g| g.start..g.end.min(end));
    let gaps = &own.collect::<Vec<_>>();
    let mut loose = loose_pages(ndb, gaps, monitor)?;
    loose.sort_unstable_by_key(|l| l.from);
    // blocks that pages name and that are not in their places; where no page tells anything, any block
    let is_elsewhere = |bid: Bid| position(&plain.blocks, bid.0, |b| b.bid.0).is_none();
    let (current, mut is_there) = (ndb.index().blocks(), Ascending::new(&plain.blocks, |b| b.bid.0));
    let mut wanted: HashSet<Bid> = current.iter().map(|b| b.bid).filter(|b| !is_there.has(b.0)).collect();
    // pages that have moved may tell the entries of lost leaves
    let lost = &ndb.index().facts.bbt_lost;
    let is_untold = |bid: Bid| current.is_empty() || lost.iter().any(|l| bid.0 >= l.first && l.end.is_none_or(|end| bid.0 < end));
    let brefs = places_named(ndb, &loose, plain, &|bid| (is_untold(bid) || wanted.contains(&bid)) && is_elsewhere(bid));
    wanted.extend(brefs.blocks.keys().filter(|bid| is_untold(**bid)));
    let pages = loose.iter().filter_map(|page| Some(page.seen_at(place_of(layout, page, &brefs)?, layout)));
    let mut moved: Vec<Seen> = pages.collect();
    for wanted in [wanted, HashSet::new()] {
        if !wanted.is_empty() || (moved.is_empty() && plain.blocks.len() < 2) {
            moved.extend(blocks_elsewhere(ndb, gaps, &brefs, &wanted, monitor)?);
        }
    }
    moved.retain(|s| s.distance != 0);
    if moved.is_empty() {
        return Ok(Located::default());
    }
    let mut places = Places::of(layout, plain, &loose);
    let own = Own::of(ndb, plain, &loose, &places);
    let mut votes: HashMap<i64, Vec<Seen>> = HashMap::new();
    for s in &moved {
        votes.entry(s.distance).or_default().push(*s);
    }
    let mut order: Vec<(i64, Vec<Seen>)> = votes.into_iter().collect();
    order.sort_by_key(|(d, all)| (std::cmp::Reverse(all.len()), *d));
    let most = if ndb.len() < LARGE { MOST } else { WHOLE };
    let mut foreign: Vec<u64> = Vec::new();
    for (rank, (distance, all)) in order.into_iter().enumerate() {
        let is_own = own.is_own(&all, &places);
        // bytes left out or put in all over a file make more distances than can be followed: the finds on the way show them
        if is_own && rank < most {
            let near = |here: u64| rank < WHOLE || all.iter().any(|s| s.from().abs_diff(here) < AROUND);
            let found = found_at(ndb, gaps, distance, monitor)?;
            found.filter(|s| near(s.from())).for_each(|s| places.put(s));
        }
        if !is_own && all.len() >= FOREIGN {
            foreign.extend(all.iter().filter(|s| !own.names(s)).map(Seen::from));
        }
        all.into_iter().filter(|s| is_own || own.names(s)).for_each(|s| places.put(s));
    }
    let pieces = pieces_of(places.0.into_values(), ndb.len(), &|before, next| border(ndb, before, next));
    Ok(Located { pieces, foreign: foreign_in(gaps, &foreign, ndb.header().root.file_eof.0) })
}

/// The gaps in which something of another file stands. Behind the end that the header names, they begin there.
fn foreign_in(gaps: &[Range<u64>], foreign: &[u64], eof: u64) -> Vec<Foreign> {
    let of_gap = |g: &Range<u64>| {
        let first = foreign.iter().copied().filter(|at| g.contains(at)).min()?;
        let offset = if g.start < eof && eof <= first { eof } else { g.start };
        Some(Foreign { offset, size: g.end.saturating_sub(offset) })
    };
    gaps.iter().filter_map(of_gap).collect()
}

/// Every page and block that a scan finds in some gaps when everything is moved by one distance.
fn found_at(ndb: &Ndb, gaps: &[Range<u64>], distance: i64, monitor: &dyn Monitor) -> Result<impl Iterator<Item = Seen>> {
    let layout = ndb.layout();
    let moved = Moved::by(Arc::clone(ndb.source()), distance);
    let there = Ndb::new(Arc::new(moved), ndb.header().clone(), *ndb.limits()).with_crypt(ndb.crypt());
    let moved_gaps = gaps.iter().filter_map(|g| {
        let to = |at: u64| at.checked_add_signed(distance.checked_neg()?);
        Some(to(g.start).unwrap_or(0)..to(g.end)?)
    });
    let mut found = Scan::default();
    scan_ranges(&there, moved_gaps, &mut found, &Quiet(monitor))?;
    let pages = found.pages.into_iter().map(move |p| Seen { at: p.ib.0, size: layout.page(), distance, bid: p.bid });
    let blocks = found.blocks.into_iter().map(move |b| Seen { at: b.ib.0, size: b.size_on_disk(layout), distance, bid: b.bid });
    Ok(pages.chain(blocks))
}

/// The objects whose place is known, by their original place; nothing in it overlaps.
struct Places(BTreeMap<u64, Seen>);

impl Places {
    /// Everything that is in its place: the finds of a scan there, and the maps.
    fn of(layout: &Layout, plain: &Scan, loose: &[Loose]) -> Self {
        let pages = plain.pages.iter().map(|p| Seen { at: p.ib.0, size: layout.page(), distance: 0, bid: p.bid });
        let blocks = plain.blocks.iter().map(|b| Seen { at: b.ib.0, size: b.size_on_disk(layout), distance: 0, bid: b.bid });
        let maps = loose.iter().filter(|l| !l.page_type.is_signed() && l.bid.0 == l.from);
        let maps = maps.map(|l| Seen { at: l.from, size: layout.page(), distance: 0, bid: l.bid });
        Self(pages.chain(blocks).chain(maps).map(|s| (s.at, s)).collect())
    }

    fn put(&mut self, s: Seen) {
        if self.in_place_of(&s).is_none() {
            self.0.insert(s.at, s);
        }
    }

    /// The object in the place, or a part of the place, where something belongs.
    fn in_place_of(&self, s: &Seen) -> Option<&Seen> {
        let (_, before) = self.0.range(..s.at.saturating_add(s.size)).next_back()?;
        (before.at.saturating_add(before.size) > s.at).then_some(before)
    }

    /// Whether something else stands where this belongs.
    fn contradict(&self, s: &Seen) -> bool {
        self.in_place_of(s).is_some_and(|there| (there.at, there.bid) != (s.at, s.bid))
    }
}

/// The word of this file on its own pages and blocks, which tells its own moved pieces from bytes of another file: pages that its header
/// and pages in their places lead to, and the blocks that those name.
struct Own {
    /// Places that belong to a page or block of this file, with its id and size, where nothing sound stands.
    named: HashMap<(u64, Bid), u64>,
    /// Whether the root of the block B-tree that the header names was found: then places of blocks are known.
    is_rooted: bool,
}

impl Own {
    fn of(ndb: &Ndb, plain: &Scan, loose: &[Loose], places: &Places) -> Self {
        let layout = ndb.layout();
        let mut by_id: HashMap<(PageType, Bid), Vec<&Loose>> = HashMap::new();
        for l in loose.iter().filter(|l| matches!(l.page_type, PageType::BBT | PageType::NBT)) {
            by_id.entry((l.page_type, l.bid)).or_default().push(l);
        }
        let mut out = Self { named: HashMap::new(), is_rooted: false };
        // a page of this file: its place here, its type
        let mut pending: Vec<(u64, PageType)> = plain.pages.iter().map(|p| (p.ib.0, p.page_type)).collect();
        let mut entered: HashSet<u64> = pending.iter().map(|p| p.0).collect();
        let mut follow = |out: &mut Self, page_type: PageType, at: Ib, bid: Bid, pending: &mut Vec<(u64, PageType)>| {
            let moved = by_id.get(&(page_type, bid)).into_iter().flatten().filter(|l| l.sig == signature(at, bid));
            let all: Vec<u64> = moved.map(|l| l.from).collect();
            let s = Seen { at: at.0, size: layout.page(), distance: 0, bid };
            let is_here = places.in_place_of(&s).is_some();
            if !is_here && !all.is_empty() {
                out.named.insert((at.0, bid), layout.page());
            }
            pending.extend(all.iter().filter(|from| !is_here && entered.insert(**from)).map(|from| (*from, page_type)));
            !all.is_empty() || (is_here && !places.contradict(&s))
        };
        let root = &ndb.header().root;
        for (page_type, bref) in [(PageType::NBT, root.nbt), (PageType::BBT, root.bbt)] {
            let is_found = bref.ib.0 != 0 && follow(&mut out, page_type, bref.ib, bref.bid, &mut pending);
            out.is_rooted |= is_found && page_type == PageType::BBT;
        }
        while let Some((here, page_type)) = pending.pop() {
            let Ok(bytes) = ndb.bytes(here, layout.page_size) else { continue };
            let Ok(Some(page)) = BtPage::decode(layout, &bytes, Ib(here), page_type, &mut Ignore) else { continue };
            if page.level > 0 {
                let children: Vec<_> = page.children().map(|c| c.child).collect();
                children.iter().for_each(|c| _ = follow(&mut out, page_type, c.ib, c.bid, &mut pending));
            } else if page_type == BbtEntry::PAGE_TYPE {
                out.add_blocks(layout, page.leaf::<BbtEntry>(), places);
            }
        }
        out.add_blocks(layout, ndb.index().blocks().iter().copied(), places);
        out
    }

    fn add_blocks(&mut self, layout: &Layout, blocks: impl Iterator<Item = BbtEntry>, places: &Places) {
        for b in blocks {
            let s = Seen { at: b.ib.0, size: b.size_on_disk(layout), distance: 0, bid: b.bid.masked() };
            if places.in_place_of(&s).is_none() {
                self.named.insert((s.at, s.bid), s.size);
            }
        }
    }

    /// Whether this file names exactly this page or block, at exactly this place, with this size, and nothing sound stands there.
    fn names(&self, s: &Seen) -> bool {
        self.named.get(&(s.at, s.bid)) == Some(&s.size)
    }

    /// Whether everything that was moved by one distance is this file's: it names some of it, and no more of it belongs where something
    /// else stands. In a file that names nothing, because header and trees are gone with their places, nothing of it may.
    fn is_own(&self, all: &[Seen], places: &Places) -> bool {
        let named = all.iter().filter(|s| self.names(s)).count();
        let contradicted = all.iter().filter(|s| places.contradict(s)).count();
        if named > 0 { contradicted.saturating_mul(4) <= named } else { !self.is_rooted && contradicted == 0 }
    }
}

/// The border between two stretches of which a block lies across: its checksum agrees only if its first part is taken from the one and its
/// last part from the other. Pieces are moved in sectors or clusters, so that the border lies between two of them.
fn border(ndb: &Ndb, before: (u64, i64), next: (u64, i64)) -> Option<u64> {
    const SECTOR: u64 = 512;
    const FAR: u64 = 16 << 20;
    let layout = ndb.layout();
    let ((start, d1), (end, d2)) = (before, next);
    let read = |at: u64, len: usize, distance: i64| {
        let bytes = ndb.bytes(at.checked_add_signed(distance)?, len).ok()?;
        (bytes.len() == len).then_some(bytes)
    };
    let mut e = round_up(start.saturating_add(1), layout.slot).max(end.saturating_sub(FAR));
    while e <= end {
        for size in sizes_before(layout, e, &|at, len| read(at, len, d2).map(Cow::into_owned)) {
            let Some(ib) = e.checked_sub(size).filter(|ib| *ib >= start) else { continue };
            let (Some(first), Some(last)) = (read(ib, index(size), d1), read(ib, index(size), d2)) else { continue };
            let is_border = |x: u64| [d1, d2].iter().any(|d| x.wrapping_add_signed(*d).is_multiple_of(SECTOR));
            let mut both = last.into_owned();
            for x in (ib.saturating_add(1)..e).filter(|x| is_border(*x)) {
                // each border moves some more of the first part over
                let n = index(x.saturating_sub(ib));
                if let (Some(to), Some(from)) = (both.get_mut(..n), first.get(..n)) {
                    to.copy_from_slice(from);
                }
                if stands_at(layout, &both, Ib(ib)) {
                    return Some(x);
                }
            }
        }
        e = e.saturating_add(layout.slot);
    }
    None
}

/// The sizes of the objects that may end at a place: of the block whose trailer is there, and of a page.
fn sizes_before(layout: &Layout, e: u64, read: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> Vec<u64> {
    let mut out = Vec::new();
    let raw = read(e.saturating_sub(wide(layout.block_trailer)), layout.block_trailer).unwrap_or_default();
    let cb = le16(&raw, 0);
    if cb != 0 && usize::from(cb) <= layout.block_data_max() {
        let (t, size) = (BlockTrailer::decode(layout, &raw), layout.block_size(cb.into()));
        out.extend(e.checked_sub(size).filter(|ib| t.sig == signature(Ib(*ib), t.bid)).map(|_| size));
    }
    if e.is_multiple_of(layout.page()) {
        out.push(layout.page());
    }
    out
}

/// Where another file begins behind this one, or the end. A copy of this file is no other: it may have the damaged parts.
fn end_of_own(ndb: &Ndb) -> u64 {
    let Some(place) = another_store(ndb) else { return ndb.len() };
    let other = ndb.bytes(place, HEADER_MAX).ok().and_then(|head| Header::decode(&head, &mut Ignore).ok());
    let state = |h: &Header| (h.unique, h.bid_next_page, h.bid_next_block, h.root.nbt, h.root.bbt);
    if other.is_some_and(|other| state(&other) == state(ndb.header())) { ndb.len() } else { place }
}

/// Joins the finds into stretches; each reaches to where the next begins, the first and last to the ends of the bytes at hand. `border`
/// tells of two stretches, by the end and distance of the one and the start and distance of the other, where in between they meet.
fn pieces_of(seen: impl Iterator<Item = Seen>, len: u64, border: Border<'_>) -> Option<Vec<Piece>> {
    let mut runs: Vec<(u64, u64, i64, usize)> = Vec::new();
    for s in seen {
        let end = s.at.saturating_add(s.size);
        match runs.last_mut() {
            Some((_, e, d, n)) if *d == s.distance => {
                *e = end;
                *n = n.saturating_add(1);
            }
            _ => runs.push((s.at, end, s.distance, 1)),
        }
    }
    if runs.iter().all(|r| r.2 == 0) {
        return None;
    }
    let between = |w: &[(u64, u64, i64, usize)]| match w {
        [(_, end, d1, _), (next, _, d2, _)] if end < next => border((*end, *d1), (*next, *d2)),
        _ => None,
    };
    let borders: Vec<Option<u64>> = runs.windows(2).map(between).collect();
    for (n, x) in borders.into_iter().enumerate().filter_map(|(n, x)| Some((n, x?))) {
        runs.get_mut(n).into_iter().for_each(|r| r.1 = x);
        runs.get_mut(n.saturating_add(1)).into_iter().for_each(|r| r.0 = x);
    }
    let mut out: Vec<Piece> = Vec::new();
    for (i, (start, _, distance, seen)) in runs.iter().enumerate() {
        let start = if i == 0 { distance.min(&0).unsigned_abs().min(*start) } else { *start };
        // a run between two of one other distance, or a single thing at the end, has strayed: the stretch around it goes on behind it
        let last = runs.len() == i.saturating_add(1);
        let end = runs.get(i.saturating_add(1)).map_or(u64::MAX, |next| next.0);
        let from = start.wrapping_add_signed(*distance);
        let most = len.saturating_sub(from);
        let own_end = runs.get(i).map_or(start, |r| r.1);
        let around = i.checked_sub(1).and_then(|n| runs.get(n)).zip(runs.get(i.saturating_add(1)));
        let strays = around.is_some_and(|(a, b)| a.2 == b.2) || (last && i > 0 && *seen == 1 && *distance != 0);
        let len_here = if strays { own_end.saturating_sub(start) } else { end.saturating_sub(start) }.min(most);
        out.push(Piece { at: start, len: len_here, from });
        if strays && let Some((before, _)) = around.or_else(|| i.checked_sub(1).and_then(|n| runs.get(n)).map(|b| (b, b))) {
            let at = own_end;
            let from = at.wrapping_add_signed(before.2);
            out.push(Piece { at, len: end.saturating_sub(at).min(len.saturating_sub(from)), from });
        }
    }
    out.retain(|p| p.len > 0);
    Some(out)
}

/// Stretches of at most [`WINDOW`] bytes of some ranges, each with `more` bytes behind it as far as the range has them: start and end.
fn windows<'r>(ranges: &'r [Range<u64>], more: u64) -> impl Iterator<Item = (u64, u64)> + 'r {
    ranges.iter().flat_map(move |r| {
        let starts = (r.start..r.end).step_by(index(WINDOW));
        starts.map(move |start| (start, start.saturating_add(WINDOW).saturating_add(more).min(r.end)))
    })
}

/// Every page at any byte of some ranges whose checksum agrees with its bytes.
fn loose_pages(ndb: &Ndb, ranges: &[Range<u64>], monitor: &dyn Monitor) -> Result<Vec<Loose>> {
    let layout = ndb.layout();
    let (size, body) = (layout.page(), layout.page_body());
    let mut out = Vec::new();
    monitor.phase(Phase::Scan, Some(ranges.iter().map(|r| r.end.saturating_sub(r.start)).sum()));
    for (start, end) in windows(ranges, size) {
        if let Ok(bytes) = ndb.bytes(start, index(end.saturating_sub(start))) {
            let stop = bytes.len().saturating_sub(layout.page_size);
            let types = bytes.get(body..).unwrap_or_default();
            for from in twins(types).take_while(|from| *from <= stop) {
                if wide(from) < WINDOW
                    && let Some(page) = bytes.get(from..from.saturating_add(layout.page_size))
                {
                    let t = PageTrailer::decode(layout, page);
                    // the cheap signs first: checksums at every byte would take long
                    if looks_right(layout, page, &t)
                        && t.crc == crc(page.get(..body).unwrap_or_default())
                        && !t.bid.is_none()
                        && t.word == 1
                    {
                        out.push(Loose { from: start.saturating_add(wide(from)), page_type: t.page_type, bid: t.bid, sig: t.sig });
                    }
                }
            }
        }
        step(monitor, WINDOW.min(end.saturating_sub(start)))?;
    }
    Ok(out)
}

/// Where a byte that is a type of page stands twice in a row. Nearly all of a file is passed over without a branch for each byte.
fn twins(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    const RUN: usize = 64;
    let is_twin = |a: u8, b: u8| a.wrapping_sub(0x80) <= 5 && a == b;
    let next = bytes.get(1..).unwrap_or_default();
    bytes.chunks(RUN).zip(next.chunks(RUN)).enumerate().flat_map(move |(run, (a, b))| {
        let hit = a.iter().zip(b).fold(false, |hit, (a, b)| hit | is_twin(*a, *b));
        let within = if hit { a } else { &[] };
        let at = run.saturating_mul(RUN);
        within.iter().zip(b).enumerate().filter(move |(_, (a, b))| is_twin(**a, **b)).map(move |(i, _)| at.saturating_add(i))
    })
}

/// Whether a page's counts, or its id for a map, can be right.
fn looks_right(layout: &Layout, page: &[u8], t: &PageTrailer) -> bool {
    if !t.page_type.is_signed() {
        let within = layout.amap_of(t.bid.0).map(|j| t.bid.0.saturating_sub(layout.amap_at(j)));
        return t.sig == 0 && within.is_some_and(|w| w <= layout.page().saturating_mul(2) && w.is_multiple_of(layout.page()));
    }
    let at = layout.bt_meta.saturating_add(layout.bt_count_width.saturating_mul(2));
    let (stride, level) = (usize::from(byte(page, at)), byte(page, at.saturating_add(1)));
    level <= 8 && [layout.nbt_entry, layout.bbt_entry, layout.bt_entry].contains(&stride)
}

/// Places by id, as pages name them.
#[derive(Default)]
struct Named {
    pages: HashMap<(PageType, Bid), Ib>,
    blocks: HashMap<Bid, BbtEntry>,
}

/// The places that the header and the pages found give to the `loose` pages and to the blocks that are `wanted`.
fn places_named(ndb: &Ndb, loose: &[Loose], plain: &Scan, wanted: &dyn Fn(Bid) -> bool) -> Named {
    let layout = ndb.layout();
    let mut named = Named::default();
    let strays: HashSet<(PageType, Bid)> = loose.iter().map(|l| (l.page_type, l.bid)).collect();
    let trees = loose.iter().filter(|l| matches!(l.page_type, PageType::BBT | PageType::NBT));
    let mut sorted: Vec<FoundPage> = trees.map(|l| FoundPage { ib: Ib(l.from), bid: l.bid, page_type: l.page_type }).collect();
    sorted.extend(&plain.pages);
    sorted.sort_by_key(|p| (p.bid, p.ib));
    for FoundPage { ib, page_type, .. } in sorted {
        let Ok(bytes) = ndb.bytes(ib.0, layout.page_size) else { continue };
        let Ok(Some(page)) = BtPage::decode(layout, &bytes, ib, page_type, &mut crate::finding::Ignore) else { continue };
        if page.level > 0 {
            let children = page.children().map(|c| ((page_type, c.child.bid), c.child.ib));
            named.pages.extend(children.filter(|(id, _)| strays.contains(id)));
        } else if page_type == BbtEntry::PAGE_TYPE {
            named.blocks.extend(page.leaf::<BbtEntry>().map(|b| (b.bid.masked(), b)).filter(|(bid, _)| wanted(*bid)));
        }
    }
    let root = &ndb.header().root;
    for (t, bref) in [(PageType::NBT, root.nbt), (PageType::BBT, root.bbt)] {
        if bref.ib.0 != 0 {
            named.pages.insert((t, bref.bid), bref.ib);
        }
    }
    named
}

/// The place where a page belongs, if anything tells.
fn place_of(layout: &Layout, page: &Loose, named: &Named) -> Option<u64> {
    if !page.page_type.is_signed() {
        let j = layout.amap_of(page.bid.0)?;
        return (page.bid.0.saturating_sub(layout.amap_at(j)) <= layout.page().saturating_mul(2)).then_some(page.bid.0);
    }
    let ib = named.pages.get(&(page.page_type, page.bid))?;
    (signature(*ib, page.bid) == page.sig).then_some(ib.0)
}

/// A block whose checksum agrees, wherever it stands.
#[derive(Debug, Clone, Copy)]
struct LooseBlock {
    from: u64,
    size: u64,
    bid: Bid,
    sig: u16,
}

impl LooseBlock {
    /// The same with its place known.
    fn seen_at(&self, at: u64) -> Seen {
        Seen { at, size: self.size, distance: self.from.cast_signed().wrapping_sub(at.cast_signed()), bid: self.bid }
    }
}

/// Blocks that are not in their places: by block entries, or else one block, by the signatures of several.
fn blocks_elsewhere(ndb: &Ndb, ranges: &[Range<u64>], named: &Named, wanted: &HashSet<Bid>, monitor: &dyn Monitor) -> Result<Vec<Seen>> {
    let place = |b: &LooseBlock| {
        let e = ndb.find_block(b.bid).or_else(|| named.blocks.get(&b.bid))?;
        (signature(e.ib, b.bid) == b.sig && e.size_on_disk(ndb.layout()) == b.size).then_some(e.ib.0)
    };
    let found = loose_blocks(ndb, ranges, wanted, &place, monitor)?;
    let mut out: Vec<Seen> = found.iter().filter_map(|b| Some(b.seen_at(place(b)?))).collect();
    if !out.is_empty() || !wanted.is_empty() {
        return Ok(out);
    }
    let slot = ndb.layout().slot;
    let mut groups: HashMap<u64, Vec<LooseBlock>> = HashMap::new();
    for b in &found {
        groups.entry(b.from.checked_rem(slot).unwrap_or(0)).or_default().push(*b);
    }
    let Some(group) = groups.into_values().max_by_key(Vec::len).filter(|g| g.len() >= 3) else { return Ok(out) };
    let Some(first) = group.first() else { return Ok(out) };
    // a signature covers the low 32 bits of a place: all of them are tried, nearest first
    let fits = |at: u64| group.iter().take(64).all(|b| signature(Ib(at.wrapping_add(b.from.wrapping_sub(first.from))), b.bid) == b.sig);
    let mut at = ndb.layout().amap_first;
    while at < 1 << 32 {
        if fits(at) {
            out.push(first.seen_at(at));
            break;
        }
        at = at.saturating_add(slot);
    }
    Ok(out)
}

/// Blocks at any byte of some ranges whose checksum agrees: those that are wanted, or any where none is. Some of them are enough, unless
/// their places tell of more distances than are followed.
fn loose_blocks(
    ndb: &Ndb,
    ranges: &[Range<u64>],
    wanted: &HashSet<Bid>,
    place: &dyn Fn(&LooseBlock) -> Option<u64>,
    monitor: &dyn Monitor,
) -> Result<Vec<LooseBlock>> {
    let layout = ndb.layout();
    let mut out: Vec<LooseBlock> = Vec::new();
    let mut distances: HashSet<i64> = HashSet::new();
    let mut budget = ndb.len().saturating_mul(16).saturating_add(64 << 20);
    let overlap = wide(layout.block_max);
    for (start, end) in windows(ranges, 0) {
        if out.len() >= ENOUGH && distances.len() <= WHOLE {
            break;
        }
        let from = start.saturating_sub(overlap);
        step(monitor, 0)?;
        let Ok(bytes) = ndb.bytes(from, index(end.saturating_sub(from))) else { continue };
        let first = index(start.saturating_sub(from));
        for (at, raw) in bytes.windows(layout.block_trailer).enumerate().skip(first.saturating_sub(layout.block_trailer)) {
            let cb = le16(raw, 0);
            if cb == 0 || usize::from(cb) > layout.block_data_max() {
                continue;
            }
            let t = BlockTrailer::decode(layout, raw);
            if t.bid.is_none() || t.bid.masked() != t.bid || t.bid.0 >= 1 << 40 || t.words != (2, 0) || t.crc == 0 {
                continue;
            }
            if !wanted.is_empty() && !wanted.contains(&t.bid) {
                continue;
            }
            let size = index(layout.block_size(cb.into()));
            let Some(begin) = at.saturating_add(layout.block_trailer).checked_sub(size) else { continue };
            budget = budget.saturating_sub(cb.into());
            if budget == 0 {
                return Ok(out);
            }
            if bytes.get(begin..begin.saturating_add(cb.into())).is_some_and(|data| crc(data) == t.crc) {
                let found = LooseBlock { from: from.saturating_add(wide(begin)), size: wide(size), bid: t.bid, sig: t.sig };
                distances.extend(place(&found).map(|at| found.seen_at(at).distance));
                out.push(found);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_wherever_they_stand() {
        let mut bytes = [0x81u8, 0x82].repeat(300);
        assert_eq!(twins(&bytes).count(), 0);
        for at in [0, 62, 63, 64, 127, 500, 598] {
            bytes[at + 1] = bytes[at];
        }
        let slow: Vec<usize> = bytes.windows(2).enumerate().filter(|(_, w)| w[0] == w[1]).map(|(i, _)| i).collect();
        assert_eq!(twins(&bytes).collect::<Vec<_>>(), slow);
        assert!(slow.contains(&63) && slow.contains(&598));
    }

    #[test]
    fn a_moved_source_reads_every_piece_in_its_place() {
        let source: Arc<dyn ReadAt> = Arc::new(b"abcdefghij".to_vec());
        let m =
            Moved::new(source, vec![Piece { at: 2, len: 3, from: 0 }, Piece { at: 5, len: 2, from: 5 }, Piece { at: 9, len: 1, from: 9 }]);
        let mut all = vec![1; 10];
        m.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(all, b"\0\0abcfg\0\0j");
        assert_eq!(m.slice(3, 2).unwrap(), Some(&b"bc"[..]));
        assert_eq!(m.slice(3, 4).unwrap(), None);
        assert!(m.read_exact_at(&mut all, 1).is_err());
    }

    #[test]
    fn runs_become_pieces_that_cover_the_source() {
        let s = |at, distance| Seen { at, size: 10, distance, bid: Bid(4) };
        let pieces_of = |seen: &[Seen], len| pieces_of(seen.iter().copied(), len, &|_, _| None);
        // 7 bytes inserted at 100
        let p = pieces_of(&[s(0, 0), s(50, 0), s(120, 7), s(200, 7)], 300).unwrap();
        assert_eq!(p, [Piece { at: 0, len: 120, from: 0 }, Piece { at: 120, len: 173, from: 127 }]);
        // the first 40 bytes are missing
        let p = pieces_of(&[s(60, -40), s(200, -40)], 200).unwrap();
        assert_eq!(p, [Piece { at: 40, len: 200, from: 0 }]);
        // one sector strayed
        let p = pieces_of(&[s(0, 0), s(20, 60), s(50, 0)], 100).unwrap();
        assert_eq!(
            p,
            [
                Piece { at: 0, len: 20, from: 0 },
                Piece { at: 20, len: 10, from: 80 },
                Piece { at: 30, len: 20, from: 30 },
                Piece { at: 50, len: 50, from: 50 }
            ]
        );
        assert!(pieces_of(&[s(0, 0), s(20, 0)], 100).is_none());
    }
}
