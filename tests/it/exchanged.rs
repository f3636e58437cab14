//! Entries of the node B-tree that have one another's blocks, or one another's id, all checksums right.

use crate::support::mutate::{Base, Kind, Region, reseal};
use crate::support::{items, repaired, varieties};
use pstkit::Pst;
use pstkit::format::block::{BTYPE_DATA, XBlock};
use pstkit::format::ids::{Ib, Nid, NidType};
use pstkit::format::page::{BtPage, NbtEntry, PageType, TreeEntry};
use pstkit::testkit::{VARIETIES, small};

/// The file with some entries of its node B-tree changed.
fn with_entries(base: &Base, change: &dyn Fn(NbtEntry) -> NbtEntry) -> Vec<u8> {
    let (layout, mut bytes) = (base.layout, base.bytes.clone());
    for r in base.regions.iter().filter(|r| r.kind == Kind::Page && base.bytes[r.start + layout.page_body()] == PageType::NBT.0) {
        let page = &base.bytes[r.start..r.start + r.len];
        let page = BtPage::decode(layout, page, Ib(r.start as u64), PageType::NBT, &mut Vec::new()).unwrap().unwrap();
        if page.level == 0 {
            for (n, e) in page.leaf::<NbtEntry>().enumerate() {
                change(e).encode(layout, &mut bytes[r.start + n * layout.nbt_entry..]).unwrap();
            }
            reseal(layout, &mut bytes, r);
        }
    }
    bytes
}

/// What comes back where two entries have exchanged a part, in the same place and whole.
fn comes_back(base: &Base, what: &str, (a, b): (NbtEntry, NbtEntry), exchange: fn(NbtEntry, NbtEntry) -> NbtEntry) {
    let bytes = with_entries(base, &|e| {
        if e.nid == a.nid {
            exchange(e, b)
        } else if e.nid == b.nid {
            exchange(e, a)
        } else {
            e
        }
    });
    assert!(bytes != base.bytes, "{what}");
    let (out, outcome) = repaired(&bytes);
    assert!(items(&out) == items(&base.bytes), "{what}: {:#x} and {:#x}: {}", a.nid.0, b.nid.0, outcome.after.summary());
    assert!(outcome.after.is_healthy(), "{what}");
    assert_eq!(outcome.exit_status() & 64, 0, "{what}: {:?}", outcome.account);
}

fn entries(base: &Base, is_wanted: &dyn Fn(&NbtEntry) -> bool) -> Vec<NbtEntry> {
    let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
    pst.ndb().index().nodes().iter().filter(|n| is_wanted(n)).copied().collect()
}

#[test]
fn two_messages_with_one_anothers_parts_get_their_own() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let messages = entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE && !e.sub.is_none());
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        // a value of its own in a sub-node, which the other does not have
        let has_value = |e: &NbtEntry| {
            let node = pst.ndb().node(e.nid).unwrap();
            let tree = node.subnodes(&mut Vec::new()).unwrap();
            tree.iter().any(|s| s.nid.nid_type() == NidType::LTP)
        };
        let with = messages.iter().find(|e| has_value(e)).unwrap();
        let without = messages.iter().find(|e| !has_value(e)).unwrap();
        comes_back(&base, "sub-nodes", (*with, *without), |e, o| NbtEntry { sub: o.sub, ..e });
        comes_back(&base, "data", (*with, *without), |e, o| NbtEntry { data: o.data, ..e });
    }
}

#[test]
fn a_message_and_a_table_with_one_anothers_data_get_their_own() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let message = entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE)[0];
        let table = entries(&base, &|e| e.nid == message.parent.with_type(NidType::CONTENTS_TABLE))[0];
        comes_back(&base, "table", (message, table), |e, o| NbtEntry { data: o.data, ..e });
        let folder = entries(&base, &|e| e.nid == message.parent)[0];
        comes_back(&base, "folder", (message, folder), |e, o| NbtEntry { data: o.data, ..e });
    }
}

#[test]
fn two_folders_with_one_anothers_properties_or_tables_get_their_own() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let count = |folder: Nid| entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE && e.parent == folder).len();
        let mut folders = entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_FOLDER && e.nid.index() > 0x400);
        folders.sort_by_key(|f| std::cmp::Reverse(count(f.nid)));
        let (a, b) = (folders[0], folders[1]);
        assert!(count(a.nid) > 2 && count(b.nid) > 2);
        // in an offline file a row may have another name than its folder
        if Pst::from_bytes(base.bytes.clone()).unwrap().header().kind() != Some(pstkit::format::header::FileKind::Ost) {
            comes_back(&base, "properties", (a, b), |e, o| NbtEntry { data: o.data, ..e });
        }
        let table = |f: NbtEntry| entries(&base, &|e| e.nid == f.nid.with_type(NidType::CONTENTS_TABLE))[0];
        comes_back(&base, "tables", (table(a), table(b)), |e, o| NbtEntry { data: o.data, sub: o.sub, ..e });
        // of one message alone the folders' counts tell whose it is
        let of = |n: usize| *folders.iter().find(|f| count(f.nid) == n).unwrap();
        comes_back(&base, "tables of one", (table(of(1)), table(of(0))), |e, o| NbtEntry { data: o.data, sub: o.sub, ..e });
    }
}

#[test]
fn two_messages_under_one_id_are_told_apart_by_their_rows() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let messages = entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE);
        for (n, at) in [messages.len() / 3, messages.len() / 2].into_iter().enumerate() {
            // neither the earlier nor the later one is always the one that keeps its id
            let (from, to) = if n == 0 { (messages[at + 1], messages[at].nid) } else { (messages[at], messages[at + 1].nid) };
            let bytes = with_entries(&base, &|e| if e.nid == from.nid { NbtEntry { nid: to, ..e } } else { e });
            let (out, outcome) = repaired(&bytes);
            assert!(items(&out) == items(&base.bytes), "{}: {:#x}", variety.name(), from.nid.0);
            assert_eq!(outcome.exit_status(), 1, "{}: {:?}", variety.name(), outcome.account);
        }
    }
}

#[test]
fn the_leaf_that_is_not_full_is_the_last_one() {
    for variety in [VARIETIES[0], VARIETIES[3]] {
        let base = Base::new(small(variety, 5).unwrap());
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let (layout, mut bytes, mut changed, mut of_three) = (base.layout, base.bytes.clone(), 0, false);
        let tree_block = |b: &pstkit::format::page::BbtEntry| {
            let data = &base.bytes[b.ib.0 as usize..][..usize::from(b.cb)];
            XBlock::decode(layout, data, pstkit::finding::Location::NONE, &mut Vec::new()).unwrap()
        };
        let internal = || pst.ndb().index().blocks().iter().filter(|b| b.bid.is_internal() && base.bytes[b.ib.0 as usize] == BTYPE_DATA);
        let inner: Vec<_> = internal().filter_map(tree_block).filter(|x| x.level == 2).flat_map(|x| x.children).collect();
        for b in pst.ndb().index().blocks().iter().filter(|b| b.bid.is_internal()) {
            let (start, len) = (b.ib.0 as usize, usize::from(b.cb));
            let at = pstkit::finding::Location::NONE;
            if base.bytes[start] != BTYPE_DATA {
                continue;
            }
            let mut x = XBlock::decode(layout, &base.bytes[start..start + len], at, &mut Vec::new()).unwrap().unwrap();
            let full = layout.block_data_max();
            // blocks of heaps end where they will
            let short = x.children.iter().filter(|c| pst.ndb().find_block(**c).is_some_and(|b| usize::from(b.cb) < full)).count();
            let last = x.children.last().and_then(|c| pst.ndb().find_block(*c)).map_or(full, |b| usize::from(b.cb));
            if x.level == 1
                && x.children.len() > 2
                && last < full
                && short == 1
                && x.children.is_sorted()
                && !inner.contains(&b.bid.masked())
            {
                let end = x.children.len() - 1;
                x.children.swap(0, end);
                of_three |= end == 2;
                bytes[start..start + len].copy_from_slice(&x.encode(layout).unwrap());
                let size = b.size_on_disk(layout) as usize;
                reseal(layout, &mut bytes, &Region { start, len: size, covered: len, kind: Kind::Block { structure: true } });
                changed += 1;
            }
        }
        assert!(changed > 0, "{}", variety.name());
        let (out, outcome) = repaired(&bytes);
        let (was, is) = (items(&base.bytes), items(&out));
        let other: Vec<_> = was.iter().zip(&is).filter(|(a, b)| a != b).collect();
        assert!(other.is_empty(), "{}: {other:?} {}", variety.name(), outcome.before.summary());
        // of three leaves the order of the first two is a guess
        assert_eq!(outcome.exit_status(), if of_three { 65 } else { 1 }, "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn a_node_that_names_another_messages_properties_gets_its_own_back() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let messages = entries(&base, &|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE);
        let (a, b) = (messages[0], messages[1]);
        let bytes = with_entries(&base, &|e| if e.nid == a.nid { NbtEntry { data: b.data, ..e } } else { e });
        let (out, outcome) = repaired(&bytes);
        assert!(items(&out) == items(&base.bytes), "{}: {}", variety.name(), outcome.after.summary());
        assert_eq!(outcome.exit_status(), 1, "{}: {:?}", variety.name(), outcome.account);
    }
}
