//! `pstkit show` at the level of pages, blocks and nodes.

use crate::args::ShowArgs;
use crate::open::{self, Opened};
use crate::show::{Shown, problems};
use crate::show_ltp;
use crate::view::View;
use pstkit::error::Error;
use pstkit::finding::{Finding, Location};
use pstkit::format::block::{BlockTrailer, SubnodeBlock, XBlock};
use pstkit::format::crc::crc;
use pstkit::format::header::HeaderField;
use pstkit::format::ids::{Ib, Nid};
use pstkit::format::layout::{Layout, signature};
use pstkit::format::maps::{DList, bitmap};
use pstkit::format::page::{BbtEntry, BtPage, NbtEntry, PageTrailer, PageType};
use pstkit::ndb::{Ndb, Node};

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A stored value beside the one that it must have.
fn against(stored: impl PartialEq<u64> + Copy, expected: u64) -> String {
    if stored == expected { "as it must be".to_owned() } else { format!("must be {expected:#x}") }
}

/// The page at a place.
pub(crate) fn page(ndb: &Ndb, ib: Ib, args: &ShowArgs) -> Result<Shown, Error> {
    let layout = ndb.layout();
    let raw = open::read_up_to(&**ndb.source(), ib.0, layout.page_size)?;
    let t = PageTrailer::decode(layout, &raw);
    let mut view = View::new(format!("page at {ib}: {}", t.page_type));
    let body = layout.page_body();
    let crc_of_body = crc(raw.get(..body).unwrap_or_default());
    let tree = match t.page_type {
        PageType::NBT | PageType::BBT => tree_page(ndb, &raw, ib, t.page_type, args, &mut view)?,
        _ => false,
    };
    match t.page_type {
        PageType::AMAP | PageType::PMAP | PageType::FMAP | PageType::FPMAP => map_page(layout, &raw, ib, t.page_type, &mut view),
        PageType::DLIST => {
            let list = DList::decode(layout, &raw);
            view.field("bFlags", format!("{:#x}", list.flags), "");
            view.field("ulCurrentPage", list.current, "AMap that is allocated from");
            let rows = list
                .entries
                .iter()
                .map(|e| vec![e.ordinal.to_string(), format!("{:#x}", layout.amap_at(e.ordinal.into())), e.free.to_string()]);
            view.table("entries", &["AMap", "at", "free slots"], rows, args.rows);
        }
        _ => {}
    }
    let mut trailer = View::new("trailer");
    let sig = t.expected_sig(ib);
    trailer.field("ptype", format!("{:#04x}", t.page_type.0), t.page_type.name());
    trailer.field(
        "ptypeRepeat",
        format!("{:#04x}", t.page_type_repeat),
        if t.page_type_repeat == t.page_type.0 { "" } else { "differs from ptype" },
    );
    trailer.field("wSig", format!("{:#06x}", t.sig), against(u64::from(t.sig), sig.into()));
    trailer.field("dwCRC", format!("{:#010x}", t.crc), against(u64::from(t.crc), crc_of_body.into()));
    trailer.field("bid", t.bid, "");
    if layout.compresses() {
        trailer.field("word", format!("{:#x}", t.word), against(t.word, 1));
    }
    if raw.len() < layout.page_size {
        view.problems.push(format!("the file ends {} bytes into the page", raw.len()));
    } else if !t.is_valid(layout, &raw, ib) && !tree {
        // Tree pages have said what is wrong in detail.
        view.problems.push("type, signature, place and checksum do not agree: no valid page lies here".to_owned());
    }
    view.parts.push(trailer);
    view.hex("bytes", ib.0, &raw, args.hex);
    Ok(Shown { view, raw })
}

/// The entries of a B-tree page; tells whether it said all problems.
fn tree_page(ndb: &Ndb, raw: &[u8], ib: Ib, kind: PageType, args: &ShowArgs, view: &mut View) -> Result<bool, Error> {
    let layout = ndb.layout();
    let mut found: Vec<Finding> = Vec::new();
    let Some(p) = BtPage::decode(layout, raw, ib, kind, &mut found)? else {
        view.problems = problems(&found);
        return Ok(true);
    };
    view.field("cLevel", p.level, if p.level == 0 { "a leaf" } else { "an inner page" });
    view.field("cEnt", p.count, "entries");
    let reached = ndb.index().pages(kind).any(|f| f.bref.ib == ib);
    view.field(
        "in use",
        if reached { "yes" } else { "no" },
        if reached { "" } else { "the tree does not reach it: an older generation, or lost" },
    );
    if p.level > 0 {
        let rows = p.children().map(|e| vec![format!("{:#x}", e.key), e.child.bid.to_string(), e.child.ib.to_string()]);
        view.table("entries", &["btkey", "bid", "ib"], rows, args.rows);
    } else if kind == PageType::NBT {
        let rows = p.leaf::<NbtEntry>().map(|e| {
            vec![e.nid.to_string(), e.nid.nid_type().name().to_owned(), e.data.to_string(), e.sub.to_string(), e.parent.to_string()]
        });
        view.table("entries", &["nid", "type", "bidData", "bidSub", "nidParent"], rows, args.rows);
    } else {
        view.table("entries", &["bid", "ib", "cb", "cbInflated", "cRef"], p.leaf::<BbtEntry>().map(|e| bbt_row(&e)), args.rows);
    }
    view.problems = problems(&found);
    Ok(true)
}

fn bbt_row(e: &BbtEntry) -> Vec<String> {
    vec![e.bid.to_string(), e.ib.to_string(), e.cb.to_string(), e.cb_inflated.to_string(), e.refs.to_string()]
}

/// A map's section, and how full it is.
fn map_page(layout: &'static Layout, raw: &[u8], ib: Ib, kind: PageType, view: &mut View) {
    let bits = bitmap(layout, raw);
    if kind == PageType::AMAP {
        let free: u64 = bits.iter().map(|b| u64::from(b.count_zeros())).sum();
        let ordinal = layout.amap_of(ib.0).unwrap_or(0);
        view.field("AMap", ordinal, "ordinal");
        view.field("describes", format!("{:#x} to {:#x}", ib.0, ib.0.saturating_add(layout.amap_interval)), "");
        view.field("in use", layout.slots_per_amap().saturating_sub(free), format!("slots of {} bytes", layout.slot));
        view.field("free", free, format!("slots, {} bytes", free.saturating_mul(layout.slot)));
        let mut longest = 0u64;
        let mut run = 0u64;
        for b in bits {
            for i in (0..8u32).rev() {
                run = if b >> i & 1 == 0 { run.saturating_add(1) } else { 0 };
                longest = longest.max(run);
            }
        }
        view.field("largest free run", longest, "slots");
    } else {
        let ones = bits.iter().all(|b| *b == 0xFF);
        view.field("bitmap", if ones { "all ones" } else { "not all ones" }, "current versions of Outlook do not use it");
    }
}

/// A block of the block B-tree.
pub(crate) fn block(ndb: &Ndb, entry: &BbtEntry, args: &ShowArgs) -> Result<Shown, Error> {
    let layout = ndb.layout();
    let mut view = View::new(format!("block {} at {}", entry.bid, entry.ib));
    view.field(
        "kind",
        if entry.bid.is_internal() { "internal" } else { "external" },
        if entry.bid.is_internal() { "never encoded" } else { "data" },
    );
    view.field("cb", entry.cb, "bytes stored, by the block B-tree");
    if layout.compresses() {
        view.field("cbInflated", entry.cb_inflated, if entry.is_compressed() { "compressed" } else { "not compressed" });
    }
    view.field("on disk", entry.size_on_disk(layout), "bytes, with padding and trailer");
    view.field("cRef", entry.refs, "references, and one for being listed");
    let size = usize::try_from(entry.size_on_disk(layout)).unwrap_or(0);
    let raw = open::read_up_to(&**ndb.source(), entry.ib.0, size)?;
    let mut trailer = View::new("trailer");
    if let Some(at) = size.checked_sub(layout.block_trailer)
        && let Some(bytes) = raw.get(at..)
        && bytes.len() == layout.block_trailer
    {
        let t = BlockTrailer::decode(layout, bytes);
        trailer.field("cb", t.cb, against(u64::from(t.cb), entry.cb.into()));
        trailer.field("wSig", format!("{:#06x}", t.sig), against(u64::from(t.sig), signature(entry.ib, entry.bid).into()));
        let sum = crc(raw.get(..usize::from(entry.cb)).unwrap_or_default());
        trailer.field("dwCRC", format!("{:#010x}", t.crc), against(u64::from(t.crc), sum.into()));
        trailer.field("bid", t.bid, against(t.bid.0, entry.bid.0));
        if layout.compresses() {
            trailer.field("cbInflated", t.cb_inflated, against(u64::from(t.cb_inflated), entry.cb_inflated.into()));
        }
    }
    let mut found: Vec<Finding> = Vec::new();
    let data = ndb.block_at(entry, &mut found)?.unwrap_or_default().into_owned();
    if entry.bid.is_internal() {
        internal(layout, entry, &data, args, &mut view, &mut found)?;
    }
    view.problems = problems(&found);
    view.parts.push(trailer);
    view.hex(if entry.bid.is_internal() { "contents" } else { "contents, decoded" }, 0, &data, args.hex);
    Ok(Shown { view, raw: data })
}

/// The entries of an internal block.
fn internal(
    layout: &Layout,
    entry: &BbtEntry,
    data: &[u8],
    args: &ShowArgs,
    view: &mut View,
    found: &mut Vec<Finding>,
) -> Result<(), Error> {
    let at = Location::block(entry.ib, entry.bid);
    if data.first() == Some(&pstkit::format::block::BTYPE_DATA) {
        if let Some(x) = XBlock::decode(layout, data, at, found)? {
            view.field("structure", if x.level == 1 { "XBLOCK" } else { "XXBLOCK" }, "");
            view.field("lcbTotal", x.total, "bytes of data beneath");
            view.table("blocks", &["bid"], x.children.iter().map(|b| vec![b.to_string()]), args.rows);
        }
        return Ok(());
    }
    match SubnodeBlock::decode(layout, data, at, found)? {
        Some(SubnodeBlock::Leaf(entries)) => {
            view.field("structure", "SLBLOCK", "");
            let rows =
                entries.iter().map(|e| vec![e.nid.to_string(), e.nid.nid_type().name().to_owned(), e.data.to_string(), e.sub.to_string()]);
            view.table("sub-nodes", &["nid", "type", "bidData", "bidSub"], rows, args.rows);
        }
        Some(SubnodeBlock::Index(level, entries)) => {
            view.field("structure", "SIBLOCK", format!("level {level}"));
            let rows = entries.iter().map(|e| vec![e.nid.to_string(), e.bid.to_string()]);
            view.table("blocks", &["first nid", "bid"], rows, args.rows);
        }
        None => {}
    }
    Ok(())
}

/// A node or sub-node: its roots, its data tree, its sub-nodes.
pub(crate) fn node(node: &Node<'_>, mut found: Vec<Finding>, args: &ShowArgs) -> Result<Shown, Error> {
    let ndb = node.ndb;
    let mut view = View::new(format!("node {} ({}), index {:#x}", node.nid, node.nid.nid_type().name(), node.nid.index()));
    view.field("bidData", node.data, "");
    view.field("bidSub", node.sub, if node.sub.is_none() { "no sub-nodes" } else { "" });
    if node.parent != Nid::NONE {
        view.field("nidParent", node.parent, node.parent.nid_type().name());
    }
    let tree = node.data(&mut found)?;
    view.field("data", tree.len(), "bytes");
    let rows = tree.leaves().map(|l| {
        let place = ndb.find_block(l.bid).map_or_else(|| "not listed".to_owned(), |e| e.ib.to_string());
        vec![l.bid.to_string(), place, l.start.to_string(), l.len.to_string()]
    });
    view.table("data blocks", &["bid", "ib", "from", "bytes"], rows, args.rows);
    if !node.sub.is_none() {
        let subs = node.subnodes(&mut found)?;
        let rows = subs.iter().map(|e| vec![e.nid.to_string(), e.nid.nid_type().name().to_owned(), e.data.to_string(), e.sub.to_string()]);
        view.table("sub-nodes", &["nid", "type", "bidData", "bidSub"], rows, args.rows);
    }
    let limit = if args.raw { u64::MAX } else { ndb.limits().value_bytes };
    let data = tree.read_all(ndb, limit, &mut found)?.into_owned();
    view.hex("data, decoded", 0, &data, args.hex);
    if !args.raw {
        show_ltp::add(node, args, &mut view, &mut found)?;
    }
    // A block that is missing is told by the tree and by each read.
    let mut told: Vec<Finding> = Vec::new();
    for f in found {
        if !told.contains(&f) {
            told.push(f);
        }
    }
    let found = told;
    view.problems = problems(&found);
    Ok(Shown { view, raw: data })
}

/// The object at an offset.
pub(crate) fn offset(opened: &Opened, at: u64, args: &ShowArgs) -> Result<Shown, Error> {
    let ndb = &opened.ndb;
    let layout = ndb.layout();
    if at >= ndb.len() {
        return Err(Error::not_found(format!("such place: the file ends at {:#x}", ndb.len())));
    }
    let page_start = Ib(at.saturating_sub(at.checked_rem(layout.page()).unwrap_or(0)));
    let note = |mut shown: Shown, start: u64| {
        if at != start {
            shown.view.field("asked for", format!("{at:#x}"), format!("{:#x} bytes into it", at.saturating_sub(start)));
        }
        shown
    };
    if at < wide(layout.header_size) {
        let mut view = View::new(format!("{at:#x} lies in the header"));
        for HeaderField { offset: o, size, name, value, .. } in opened.ndb.header().fields() {
            if (wide(o)..wide(o.saturating_add(size))).contains(&at) {
                view.at(o, size, name, value, "");
            }
        }
        let raw = open::read_up_to(&**ndb.source(), 0, layout.header_size)?;
        view.hex("bytes", 0, &raw, args.hex);
        return Ok(Shown { view, raw });
    }
    if page_start.0 == layout.dlist || layout.hits_map(page_start.0, 1) && page_start.0 >= layout.amap_first {
        return page(ndb, page_start, args).map(|s| note(s, page_start.0));
    }
    if ndb.index().facts.pages.iter().any(|p| p.bref.ib == page_start) {
        return page(ndb, page_start, args).map(|s| note(s, page_start.0));
    }
    if let Some(e) = ndb.index().blocks().iter().find(|e| (e.ib.0..e.ib.0.saturating_add(e.size_on_disk(layout))).contains(&at)) {
        return block(ndb, e, args).map(|s| note(s, e.ib.0));
    }
    let raw = open::read_up_to(&**ndb.source(), page_start.0, layout.page_size)?;
    if PageTrailer::decode(layout, &raw).is_valid(layout, &raw, page_start) {
        return page(ndb, page_start, args).map(|s| note(s, page_start.0));
    }
    let mut view = View::new(format!("nothing that the trees name lies at {at:#x}"));
    view.field("in section", layout.amap_of(at).map_or_else(|| "none".to_owned(), |n| n.to_string()), "ordinal of the AMap");
    let raw = open::read_up_to(&**ndb.source(), at, args.hex.max(64))?;
    view.hex("bytes", at, &raw, args.hex);
    Ok(Shown { view, raw })
}
