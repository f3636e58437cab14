//! The stores in an image: every place at which a data file begins, whatever lies before, between and behind ([MS-PST] 2.2.2.6).
//!
//! A store begins with a header. A header is believed if its checksums agree, or if its roots lead to pages of its trees. Space that the
//! trees of one store use is not searched for another: a data file that is an attachment's data is no second store. A header that lies
//! inside another store, in space that no tree uses, counts only if its roots lead to pages.

use super::detect::{head, root_pages};
use crate::error::Result;
use crate::finding::{Ignore, Strict};
use crate::format::bytes::{index, wide};
use crate::format::header::{FileKind, HEADER_MAX, Header, MAGIC};
use crate::format::layout::{Layout, Variant};
use crate::io::{ReadAt, Window};
use crate::limits::Limits;
use crate::monitor::{Monitor, step};
use crate::ndb::Ndb;
use crate::ndb::scan::has_block;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are searched for headers in one go.
const WINDOW: u64 = 4 << 20;
/// Stores that are listed at most.
const MOST: usize = 1024;

/// A store in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StoreAt {
    /// Where it begins: the offset of its header, in bytes.
    pub offset: u64,
    /// Its layout.
    pub variant: Variant,
    /// Its kind, if its header tells it.
    pub kind: Option<FileKind>,
    /// Its size in bytes by its header, as far as the image has it before the next store begins.
    pub size: u64,
    /// Whether both of its trees are whole, at this offset.
    pub whole: bool,
}

impl StoreAt {
    /// The bytes of this store alone, with offset 0 at its header. The bytes behind its end are left out.
    pub fn window(&self, source: &Arc<dyn ReadAt>) -> Arc<dyn ReadAt> {
        if self.offset == 0 && self.size == source.len() {
            return Arc::clone(source);
        }
        Arc::new(Window::new(Arc::clone(source), self.offset, self.size))
    }
}

/// Whether a source is one plain data file: a sound header at its beginning that leads to pages, and no byte behind the end that it names.
/// Then there is no need to look for other stores.
pub fn is_plain(source: &Arc<dyn ReadAt>) -> bool {
    believed(source, 0, true).is_some_and(|b| b.is_sound && b.header.root.file_eof.0 >= source.len())
}

/// Finds every store in an image, in the order of their offsets. A plain data file is one store at offset 0; a file whose header is
/// lost has none, and is a matter of [`detect`](super::detect()).
///
/// ```no_run
/// use pstkit::recover::stores::find_stores;
/// use std::sync::Arc;
/// let source: Arc<dyn pstkit::io::ReadAt> = Arc::new(std::fs::read("disk.img")?);
/// for store in find_stores(&source, &())? {
///     println!("{:#x}: {}, {} bytes", store.offset, store.variant, store.size);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Cancellation. Ranges that cannot be read are passed over.
pub fn find_stores(source: &Arc<dyn ReadAt>, monitor: &dyn Monitor) -> Result<Vec<StoreAt>> {
    let mut out: Vec<StoreAt> = Vec::new();
    // the stretches that are still to be searched, the next one last
    let mut pending: Vec<Range<u64>> = std::iter::once(0..source.len()).collect();
    let mut outer = 0u64;
    while let Some(range) = pending.pop() {
        if out.len() >= MOST {
            break;
        }
        let Some((offset, found)) = next_header(source, range.clone(), outer, monitor)? else { continue };
        let room = source.len().saturating_sub(offset);
        let said = found.header.root.file_eof.0;
        let size = if said > found.header.layout.amap_first && said <= room { said } else { room };
        let (unused, whole) = unused_space(source, offset, size, &found.header);
        let end = offset.saturating_add(size);
        outer = outer.max(if found.is_sound { end } else { 0 });
        let behind = range.start.max(offset.saturating_add(1));
        let inside = unused.into_iter().map(|r| r.start.max(behind)..r.end.min(range.end)).filter(|r| r.start < r.end);
        let mut next: Vec<Range<u64>> = inside.collect();
        if end < range.end {
            next.push(end..range.end);
        }
        pending.extend(next.into_iter().rev());
        out.push(StoreAt { offset, variant: found.header.layout.variant, kind: found.header.kind(), size, whole });
    }
    out.sort_by_key(|s| s.offset);
    // a store ends where the next one begins, unless its own trees say that it goes on behind it
    let next: Vec<u64> = out.iter().skip(1).map(|s| s.offset).collect();
    for (store, next) in out.iter_mut().zip(next).filter(|(s, _)| !s.whole) {
        store.size = store.size.min(next.saturating_sub(store.offset));
    }
    Ok(out)
}

/// The store of an image that is meant where none is chosen, by its place in the list: the one at offset 0, or else the first whole one.
/// `None` where before that one stand blocks of a store without a header: the source is then to be read as a broken store.
pub fn meant(source: &Arc<dyn ReadAt>, stores: &[StoreAt]) -> Option<usize> {
    let n = stores.iter().position(|s| s.offset == 0).or_else(|| stores.iter().position(|s| s.whole))?;
    let offset = stores.get(n)?.offset;
    let mut at = 0;
    while at < offset {
        // a block that begins before the window is seen whole
        let from = at.saturating_sub(1 << 16);
        let end = at.saturating_add(WINDOW).min(offset);
        let mut bytes = vec![0; index(end.saturating_sub(from))];
        if source.read_exact_at(&mut bytes, from).is_ok() && Layout::all().into_iter().any(|l| has_block(l, &bytes, from)) {
            return None;
        }
        at = end;
    }
    Some(n)
}

/// A header that is believed.
struct Believed {
    header: Header,
    /// Whether its checksums agree.
    is_sound: bool,
}

/// The first header in a range that is believed; one before `outer`, where another store ends, only if it leads to pages.
fn next_header(source: &Arc<dyn ReadAt>, range: Range<u64>, outer: u64, monitor: &dyn Monitor) -> Result<Option<(u64, Believed)>> {
    let mut at = range.start;
    while at < range.end {
        step(monitor, 0)?;
        let end = at.saturating_add(WINDOW).min(range.end);
        // a magic may begin in this window and end behind it
        let len = index(end.saturating_add(wide(MAGIC.len()).saturating_sub(1)).min(source.len()).saturating_sub(at));
        let bytes = match source.slice(at, len) {
            Ok(Some(bytes)) => bytes.to_vec(),
            _ => {
                let mut buf = vec![0; len];
                if source.read_exact_at(&mut buf, at).is_err() {
                    buf.fill(0);
                }
                buf
            }
        };
        for place in magics(&bytes) {
            let offset = at.saturating_add(wide(place));
            if let Some(found) = believed(source, offset, offset < outer) {
                return Ok(Some((offset, found)));
            }
        }
        at = end;
    }
    Ok(None)
}

/// The header at a place, if it is believed.
fn believed(source: &Arc<dyn ReadAt>, offset: u64, is_inside: bool) -> Option<Believed> {
    let here = Window::new(Arc::clone(source), offset, u64::MAX);
    let first = head(&here);
    let header = Header::decode(&first, &mut Ignore).ok()?;
    let is_known = header.kind().is_some() && Layout::of_version(header.version).is_some() && here.len() > header.layout.amap_first;
    let is_sound = first.len() >= header.layout.header_size && Header::decode(&first, &mut Strict).is_ok();
    let leads = |header: &Header| {
        let here: Arc<dyn ReadAt> = Arc::new(Window::new(Arc::clone(source), offset, u64::MAX));
        root_pages(&here, header) > 0
    };
    (is_known && ((is_sound && !is_inside) || leads(&header))).then_some(Believed { header, is_sound })
}

/// The stretches of a store that its trees do not use and that a header has room in, by their places in the image; and whether both trees
/// are whole. Where they are not, nothing tells the used space.
fn unused_space(source: &Arc<dyn ReadAt>, offset: u64, size: u64, header: &Header) -> (Vec<Range<u64>>, bool) {
    let layout = header.layout;
    let end = offset.saturating_add(size);
    let everything = || std::iter::once(offset.saturating_add(1)..end).collect();
    let here = Window::new(Arc::clone(source), offset, size);
    let ndb = Ndb::new(Arc::new(here), header.clone(), Limits::default());
    if ndb.load_index(&mut Ignore).is_err() {
        return (everything(), false);
    }
    let facts = &ndb.index().facts;
    let whole = facts.complete() && facts.pages.len() > 1;
    if !whole {
        return (everything(), false);
    }
    let pages = facts.pages.iter().map(|p| (p.bref.ib.0, layout.page()));
    let mut used: Vec<(u64, u64)> = pages.chain(ndb.index().blocks().iter().map(|b| (b.ib.0, b.size_on_disk(layout)))).collect();
    used.sort_unstable();
    used.push((size, 0));
    let (mut out, mut at) = (Vec::new(), layout.amap_first);
    for (ib, len) in used {
        if ib.saturating_sub(at) >= wide(HEADER_MAX) {
            out.push(offset.saturating_add(at)..offset.saturating_add(ib).min(end));
        }
        at = at.max(ib.saturating_add(len));
    }
    (out, true)
}

/// Where the magic of a header stands. Nearly all bytes are passed over without a branch for each.
fn magics(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    const RUN: usize = 64;
    bytes.chunks(RUN).enumerate().flat_map(move |(run, chunk)| {
        let hit = chunk.iter().fold(false, |hit, b| hit | (*b == MAGIC[0]));
        let from = run.saturating_mul(RUN);
        let within = if hit { chunk } else { &[] };
        (0..within.len()).map(move |i| from.saturating_add(i)).filter(|at| bytes.get(*at..).is_some_and(|b| b.starts_with(&MAGIC)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::testkit::{Rng, VARIETIES, Variety, tiny};
    use crate::write::{IPM_SUBTREE, NewAttachment, NewMessage, PstWriter};

    fn found(image: Vec<u8>) -> Vec<(u64, u64, bool)> {
        let source: Arc<dyn ReadAt> = Arc::new(image);
        find_stores(&source, &()).unwrap().into_iter().map(|s| (s.offset, s.size, s.whole)).collect()
    }

    fn plain(crypt: crate::format::crypt::CryptMethod) -> Variety {
        *VARIETIES.iter().find(|v| v.crypt == crypt && v.variant == Variant::Unicode).unwrap()
    }

    #[test]
    fn magics_are_found_across_runs() {
        let mut bytes = vec![b'!'; 300];
        for at in [0, 62, 63, 64, 130, 296] {
            bytes[at..at + 4].copy_from_slice(&MAGIC);
        }
        let slow: Vec<usize> = (0..297).filter(|i| bytes[*i..].starts_with(&MAGIC)).collect();
        assert_eq!(magics(&bytes).collect::<Vec<_>>(), slow);
    }

    #[test]
    fn every_store_of_an_image_is_listed_with_its_offset_and_size() {
        for (n, variety) in VARIETIES.into_iter().enumerate() {
            let (a, b) = (tiny(variety, 1).unwrap(), tiny(VARIETIES[(n + 1) % VARIETIES.len()], 2).unwrap());
            let mut rng = Rng::new(7);
            // the offsets of stores in an image need not be aligned
            let (before, between) = (rng.bytes(512 * n + n % 3), rng.bytes(4096 + n));
            let image = [before.as_slice(), &a, &between, &b, &rng.bytes(777)].concat();
            let second = before.len() + a.len() + between.len();
            let expected = [(wide(before.len()), wide(a.len()), true), (wide(second), wide(b.len()), true)];
            assert_eq!(found(image), expected, "{}", variety.name());
        }
    }

    #[test]
    fn a_plain_file_is_one_store_and_bytes_without_a_header_are_none() {
        let a = tiny(VARIETIES[0], 1).unwrap();
        assert_eq!(found(a.clone()), [(0, wide(a.len()), true)]);
        assert_eq!(found(a[HEADER_MAX..].to_vec()), []);
        assert_eq!(found(Vec::new()), []);
        // a cut store is one, and its trees need not be whole
        assert_eq!(found(a[..20_000].to_vec()).iter().map(|s| (s.0, s.1)).collect::<Vec<_>>(), [(0, 20_000)]);
    }

    #[test]
    fn a_store_that_has_lost_its_header_is_not_passed_over_for_a_whole_one_behind_it() {
        let (a, b) = (tiny(VARIETIES[0], 1).unwrap(), tiny(VARIETIES[3], 2).unwrap());
        let of = |image: Vec<u8>| {
            let source: Arc<dyn ReadAt> = Arc::new(image);
            meant(&source, &find_stores(&source, &()).unwrap())
        };
        assert_eq!(of([Rng::new(7).bytes(4096).as_slice(), &b].concat()), Some(0));
        assert_eq!(of([a.as_slice(), &b].concat()), Some(0));
        assert_eq!(of([&[0; 600], &a[600..], &b].concat()), None);
    }

    #[test]
    fn a_data_file_that_is_an_attachment_is_no_second_store() {
        let variety = plain(crate::format::crypt::CryptMethod::None);
        let inner = tiny(variety, 3).unwrap();
        let memory = crate::io::MemoryStorage::default();
        let mut pst = PstWriter::create(&memory, variety.options(4)).unwrap();
        pst.add_message(IPM_SUBTREE, NewMessage::note("with a store", "text").attach(NewAttachment::file("inner.pst", inner.clone())))
            .unwrap();
        pst.finish().unwrap();
        let outer = memory.into_bytes();
        assert!(magics(&outer).count() > 1, "the header of the attached file stands plainly in the outer file");
        assert_eq!(found(outer.clone()), [(0, wide(outer.len()), true)]);
        // and not either where the trees of the outer file are gone
        let mut broken = outer.clone();
        let root = crate::format::header::Header::decode(&outer, &mut Ignore).unwrap().root;
        for ib in [root.nbt.ib.0, root.bbt.ib.0] {
            broken[index(ib)..index(ib) + 512].fill(0);
        }
        assert_eq!(found(broken), [(0, wide(outer.len()), false)]);
    }
}
