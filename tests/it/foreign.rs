//! Salvage where bytes of other files stand among one's own: pages and blocks that are valid and say what is not so here.

use crate::support::mutate::{Base, Kind, Region, reseal};
use crate::support::{items, repaired, varieties};
use pstkit::Pst;
use pstkit::check::{CheckOptions, check};
use pstkit::finding::{Ignore, Location};
use pstkit::format::block::encode_block;
use pstkit::format::bytes::{le32, put16, put32};
use pstkit::format::header::Header;
use pstkit::format::ids::{Bid, Bref, Ib, Nid, NidType};
use pstkit::format::page::{BbtEntry, BtPage, BtPageBuilder, NbtEntry, PageType, TreeEntry};
use pstkit::io::ReadAt;
use pstkit::ltp::TableContext;
use pstkit::testkit::small;
use std::collections::HashSet;
use std::sync::Arc;

/// The leaves of the node B-tree, and their entries.
fn leaves_of_nodes(base: &Base) -> Vec<(Region, Vec<NbtEntry>)> {
    let entries = |r: &Region| -> Vec<NbtEntry> {
        let page = &base.bytes[r.start..r.start + r.len];
        let page = BtPage::decode(base.layout, page, Ib(r.start as u64), PageType::NBT, &mut Vec::new()).ok().flatten();
        page.filter(|p| p.level == 0).map(|p| p.leaf::<NbtEntry>().collect()).unwrap_or_default()
    };
    let is_leaf = |r: &&Region| r.kind == Kind::Page && base.bytes[r.start + base.layout.page_body()] == PageType::NBT.0;
    base.regions.iter().filter(is_leaf).map(|r| (*r, entries(r))).filter(|(_, e)| !e.is_empty()).collect()
}

/// The one with most messages.
fn leaf_of_messages(base: &Base) -> (Region, Vec<NbtEntry>) {
    let messages = |all: &[NbtEntry]| all.iter().filter(|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE).count();
    leaves_of_nodes(base).into_iter().max_by_key(|(_, e)| messages(e)).unwrap()
}

/// A valid leaf of a B-tree at a place.
fn put_leaf<E: TreeEntry>(base: &Base, bytes: &mut [u8], at: usize, bid: u64, entries: &[E]) {
    let layout = base.layout;
    let mut page = BtPageBuilder::leaf::<E>(layout);
    entries.iter().for_each(|e| page.push(e).unwrap());
    let page = page.finish(E::PAGE_TYPE, Bref { bid: Bid(bid), ib: Ib(at as u64) }).unwrap();
    bytes[at..at + page.len()].copy_from_slice(&page);
}

#[test]
fn a_leaf_that_blocks_contradict_hides_no_message() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let (leaf, entries) = leaf_of_messages(&base);
        let mut bytes = base.bytes.clone();
        // as if they were folders and the store: another file gave these ids to other blocks
        let foreign: Vec<NbtEntry> = entries
            .iter()
            .filter(|e| e.nid.nid_type() == NidType::NORMAL_MESSAGE)
            .map(|e| NbtEntry { nid: e.nid.with_type(NidType::NORMAL_FOLDER), sub: Bid::NONE, parent: Nid::ROOT_FOLDER, ..*e })
            .collect();
        put_leaf(&base, &mut bytes, leaf.start, 0x7FF0, &foreign);
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}", variety.name());
        assert!(outcome.after.is_healthy(), "{}: {}", variety.name(), outcome.after.summary());
    }
}

#[test]
fn a_leaf_that_says_nothing_of_a_message_in_use_does_not_delete_it() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let (layout, (leaf, entries)) = (base.layout, leaf_of_messages(&base));
        let mut bytes = base.bytes.clone();
        bytes[leaf.start..leaf.start + leaf.len].fill(0);
        // two leaves are left for the place of the lost one: an older one with everything, and another that leaves messages out
        let at = bytes.len().next_multiple_of(layout.page_size);
        bytes.resize(at + 2 * layout.page_size, 0);
        let (first, last) = (entries[0].nid, entries[entries.len() - 1].nid);
        let some: Vec<_> =
            entries.iter().filter(|e| e.nid.nid_type() != NidType::NORMAL_MESSAGE || e.nid == first || e.nid == last).copied().collect();
        assert!(some.len() < entries.len());
        put_leaf(&base, &mut bytes, at, 0x7FE0, &entries);
        put_leaf(&base, &mut bytes, at + layout.page_size, 0x7FF0, &some);
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}", variety.name());
        assert_eq!(outcome.exit_status(), 1, "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn a_block_of_another_file_does_not_stand_for_one_with_its_id() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let layout = base.layout;
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let mut messages: Vec<_> = pst
            .ndb()
            .index()
            .nodes()
            .iter()
            .filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE)
            .filter_map(|n| pst.ndb().find_block(n.data).filter(|b| !b.bid.is_internal()).copied())
            .collect();
        messages.sort_by_key(|b| b.cb);
        let (lost, over) = (messages[0], messages[messages.len() - 1]);
        assert!(lost.size_on_disk(layout) <= over.size_on_disk(layout));
        // what another file had in the place of one message bears the id of another, which is gone
        let mut foreign = Vec::new();
        let stored = vec![0x6C; usize::from(lost.cb) - 10];
        encode_block(layout, &stored, stored.len() as u16, over.ib, lost.bid, &mut foreign).unwrap();
        let mut bytes = base.bytes.clone();
        bytes[over.ib.0 as usize..][..foreign.len()].copy_from_slice(&foreign);
        bytes[lost.ib.0 as usize..][..lost.size_on_disk(layout) as usize].fill(0);
        let (_, outcome) = repaired(&bytes);
        let told = outcome.account.messages.lost + outcome.account.messages.partial;
        assert_eq!((told, outcome.exit_status() & 64), (2, 64), "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn a_leaf_that_stands_where_another_was_does_not_say_where_others_blocks_are() {
    for variety in varieties() {
        let base = Base::new(small(variety, 9).unwrap());
        let layout = base.layout;
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let index = pst.ndb().index();
        let mut leaves: Vec<Ib> = index.pages(PageType::BBT).filter(|p| p.level == 0).map(|p| p.bref.ib).collect();
        leaves.sort_unstable_by_key(|ib| {
            let page = &base.bytes[ib.0 as usize..][..layout.page_size];
            let page = BtPage::decode(layout, page, *ib, PageType::BBT, &mut Vec::new()).unwrap().unwrap();
            page.leaf::<BbtEntry>().next().unwrap().bid
        });
        if leaves.len() < 2 {
            // a large page has all blocks of a small file
            assert_eq!(layout.page_size, 4096);
            continue;
        }
        // the first leaf is another file's, that has a block with the id of one that the last leaf names, in a place of its own
        let of_message = index.nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).filter_map(|n| index.block(n.data));
        let mut blocks: Vec<BbtEntry> = of_message.filter(|b| !b.bid.is_internal()).copied().collect();
        blocks.sort_unstable_by_key(|b| b.bid);
        let (block, second) = (blocks[blocks.len() - 1], blocks[0]);
        // behind an allocation map
        let at = (base.bytes.len().next_multiple_of(layout.page_size) + 4 * layout.page_size) as u64;
        let mut foreign = Vec::new();
        encode_block(layout, &vec![0x6C; usize::from(block.cb)], block.cb_inflated, Ib(at), block.bid, &mut foreign).unwrap();
        let mut bytes = base.bytes.clone();
        bytes.resize(at as usize, 0);
        bytes.extend(foreign);
        // and that had something in the place of another, and that one elsewhere
        let elsewhere = BbtEntry { ib: Ib(at - layout.slot), cb: 17, cb_inflated: 17, ..second };
        let in_its_place = BbtEntry { bid: Bid(0x7FE0), ..second };
        put_leaf(&base, &mut bytes, leaves[0].0 as usize, 0x7FF0, &[elsewhere, BbtEntry { ib: Ib(at), ..block }, in_its_place]);
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}", variety.name());
        assert!(outcome.after.is_healthy(), "{}: {}", variety.name(), outcome.after.summary());
    }
}

#[test]
fn of_blocks_with_one_id_the_one_is_taken_that_its_tree_tells_by_its_size() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let layout = base.layout;
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let index = pst.ndb().index();
        let mut bytes = base.bytes.clone();
        for page in index.pages(PageType::BBT) {
            bytes[page.bref.ib.0 as usize..][..layout.page_size].fill(0);
        }
        // behind an allocation map, and so the last of the file
        let mut at = bytes.len().next_multiple_of(layout.page_size) + 4 * layout.page_size;
        let mut foreign = 0;
        for b in index.blocks().iter().filter(|b| b.bid.is_internal() && base.bytes[b.ib.0 as usize] == 1) {
            let tree = pst.ndb().data_tree(b.bid, Location::block(b.ib, b.bid), &mut Ignore).unwrap();
            let mut put = Vec::new();
            let leaf = tree.leaves().nth(foreign % tree.leaf_count()).unwrap();
            encode_block(layout, &[0x6C; 100], 100, Ib(at as u64), leaf.bid, &mut put).unwrap();
            bytes.resize(at, 0);
            bytes.extend(put);
            at = bytes.len().next_multiple_of(layout.slot as usize);
            foreign += 1;
        }
        assert!(foreign > 0);
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn a_leaf_that_counts_too_few_of_its_entries_loses_none() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let layout = base.layout;
        for (leaf, entries) in leaves_of_nodes(&base) {
            let (mut bytes, count) = (base.bytes.clone(), entries.len() / 3 + 1);
            match layout.bt_count_width {
                2 => put16(&mut bytes, leaf.start + layout.bt_meta, count as u16),
                _ => bytes[leaf.start + layout.bt_meta] = count as u8,
            }
            reseal(layout, &mut bytes, &leaf);
            let (out, outcome) = repaired(&bytes);
            let at = format!("{} {:?}", variety.name(), entries[0].nid);
            assert_eq!(items(&out), items(&base.bytes), "{at}");
            let ids = |bytes: &[u8]| -> Vec<(Nid, Nid)> {
                Pst::from_bytes(bytes.to_vec()).unwrap().ndb().index().nodes().iter().map(|n| (n.nid, n.parent)).collect()
            };
            assert_eq!(ids(&out), ids(&base.bytes), "{at}");
            assert_eq!(outcome.exit_status() & 64, 0, "{at}: {:?}", outcome.account);
        }
    }
}

#[test]
fn recipients_whose_table_bears_another_id_are_there() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let (mut bytes, layout) = (base.bytes.clone(), base.layout);
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let index = pst.ndb().index();
        let mut changed = 0;
        for b in index.nodes().iter().filter(|n| n.nid.is_message()).filter_map(|n| index.block(n.sub)) {
            let (start, head) = (b.ib.0 as usize, layout.sl_head);
            let is_leaf = bytes[start + 1] == 0 && !b.is_compressed();
            let at =
                (start + head..start + usize::from(b.cb)).step_by(layout.sl_entry).find(|at| le32(&bytes, *at) == Nid::RECIPIENT_TABLE.0);
            // alone it would be out of no order
            if let Some(at) = at.filter(|at| is_leaf && at + layout.sl_entry < start + usize::from(b.cb)) {
                put32(&mut bytes, at, 0xDA3A_6F76);
                let region =
                    Region { start, len: b.size_on_disk(layout) as usize, covered: b.cb.into(), kind: Kind::Block { structure: true } };
                reseal(layout, &mut bytes, &region);
                changed += 1;
            }
        }
        assert!(changed > 0, "{}", variety.name());
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn leaves_of_a_value_in_no_order_are_told_of() {
    for variety in varieties().into_iter().filter(|v| !v.name().contains("4k")) {
        let base = Base::new(small(variety, 5).unwrap());
        let (mut bytes, layout) = (base.bytes.clone(), base.layout);
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let mut changed = 0;
        for b in pst.ndb().index().blocks().iter().filter(|b| b.bid.is_internal() && base.bytes[b.ib.0 as usize] == 1) {
            let (start, width) = (b.ib.0 as usize, layout.id_width);
            let tree = pst.ndb().data_tree(b.bid, Location::block(b.ib, b.bid), &mut Ignore).unwrap();
            if tree.leaf(pst.ndb(), 0, &mut Ignore).unwrap()[2] == 0xEC {
                // a heap would say more
                continue;
            }
            let mut leaves: Vec<[u8; 8]> = Vec::new();
            for at in (start + 8..start + usize::from(b.cb)).step_by(width) {
                let mut id = [0; 8];
                id[..width].copy_from_slice(&bytes[at..at + width]);
                leaves.push(id);
            }
            if leaves.len() < 4 || bytes[start + 1] != 1 {
                continue;
            }
            // the last in the second place, and the full ones in none
            leaves.rotate_right(1);
            leaves.swap(0, 1);
            leaves.swap(2, 3);
            for (id, at) in leaves.iter().zip((start + 8..).step_by(width)) {
                bytes[at..at + width].copy_from_slice(&id[..width]);
            }
            let region =
                Region { start, len: b.size_on_disk(layout) as usize, covered: b.cb.into(), kind: Kind::Block { structure: true } };
            reseal(layout, &mut bytes, &region);
            changed += 1;
        }
        assert!(changed > 0, "{}", variety.name());
        let (_, outcome) = repaired(&bytes);
        assert_eq!(outcome.exit_status() & 64, 64, "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn counts_of_tree_blocks_that_are_too_low_cost_nothing() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let mut bytes = base.bytes.clone();
        let mut changed = [0, 0];
        for b in pst.ndb().index().blocks().iter().filter(|b| b.bid.is_internal() && !b.is_compressed()) {
            let start = b.ib.0 as usize;
            let region =
                Region { start, len: b.size_on_disk(base.layout) as usize, covered: b.cb.into(), kind: Kind::Block { structure: true } };
            // blocks of trees are not encoded
            let (kind, count) = (bytes[start], u16::from_le_bytes([bytes[start + 2], bytes[start + 3]]));
            if count > 1 {
                put16(&mut bytes, start + 2, 1);
                if kind == 1 {
                    put32(&mut bytes, start + 4, 77);
                }
                reseal(base.layout, &mut bytes, &region);
                changed[usize::from(kind != 1)] += 1;
            }
        }
        assert!(changed[0] > 0 && changed[1] > 0, "{}: {changed:?}", variety.name());
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}", variety.name());
        assert_eq!(outcome.exit_status(), 1, "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn a_file_of_which_only_roots_are_left_has_lost_something() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let facts = Pst::from_bytes(base.bytes.clone()).unwrap().ndb().index().facts.clone();
        let mut bytes = base.bytes.clone();
        let roots: Vec<usize> = facts.pages.iter().filter(|p| p.level > 0).map(|p| p.bref.ib.0 as usize).collect();
        for r in base.regions.iter().filter(|r| r.kind != Kind::Header && !roots.contains(&r.start)) {
            bytes[r.start..r.start + r.len].fill(0);
        }
        let (_, outcome) = repaired(&bytes);
        assert_eq!(outcome.exit_status() & 64, 64, "{}: {:?}", variety.name(), outcome.account);
    }
}

#[test]
fn what_a_leaf_says_that_has_moved_itself_tells_how_far() {
    // a byte more before a leaf of the block B-tree, and a sector more before blocks that only this leaf names
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let is_leaf = |r: &&Region| r.kind == Kind::Page && base.bytes[r.start + base.layout.page_body()] == PageType::BBT.0;
        let mut tried = 0;
        for leaf in base.regions.iter().filter(is_leaf) {
            let behind: Vec<&Region> = base.regions.iter().filter(|r| r.start >= leaf.start + leaf.len).collect();
            let Some(second) = behind.get(behind.len() / 2) else { continue };
            let mut bytes = base.bytes[..leaf.start].to_vec();
            bytes.push(0x5A);
            bytes.extend(&base.bytes[leaf.start..second.start]);
            bytes.extend([0x77; 512]);
            bytes.extend(&base.bytes[second.start..]);
            let (out, outcome) = repaired(&bytes);
            assert_eq!(items(&out), items(&base.bytes), "{}: {:#x} {:#x}", variety.name(), leaf.start, second.start);
            assert!(outcome.after.is_healthy());
            tried += 1;
        }
        assert!(tried > 0, "{}", variety.name());
    }
}

#[test]
fn bytes_put_in_all_over_a_file_are_followed_however_many() {
    // a transfer as text puts a byte in every now and then: each page and block stands farther from its place than the one before
    for variety in varieties() {
        let base = Base::new(small(variety, 40).unwrap());
        let mut places: Vec<usize> = base.regions.iter().filter(|r| r.kind != Kind::Header).map(|r| r.start).collect();
        places.sort_unstable();
        assert!(places.len() > 100, "{}: {}", variety.name(), places.len());
        let mut bytes = base.bytes[..places[0]].to_vec();
        for (n, start) in places.iter().enumerate() {
            bytes.push(0x0D);
            bytes.extend(&base.bytes[*start..places.get(n + 1).copied().unwrap_or(base.bytes.len())]);
        }
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}", variety.name());
        assert!(outcome.after.is_healthy(), "{}", variety.name());
    }
}

#[test]
fn a_second_store_behind_the_first_is_told_of_and_left_alone() {
    for variety in varieties() {
        let (first, second) = (small(variety, 5).unwrap(), small(variety, 6).unwrap());
        let two = [first.clone(), second.clone()].concat();
        let source: Arc<dyn ReadAt> = Arc::new(two.clone());
        let report = check(source, &CheckOptions::default(), &()).unwrap();
        let found: Vec<_> = report.findings.iter().filter(|f| f.rule.code == "PST-H026").map(|f| f.at.ib.unwrap().0).collect();
        assert_eq!(found, [first.len() as u64], "{}", variety.name());
        // alone it is nothing to repair, and nothing is taken away
        let (out, outcome) = repaired(&two);
        assert_eq!(
            (out.len(), outcome.exit_status()),
            (two.len(), 0),
            "{} {:#?}",
            variety.name(),
            (&outcome.before.findings, &outcome.plan.actions)
        );
        // where the first is written anew, the account says that the second is not there
        for damage in [4, first.len() / 2] {
            let mut broken = two.clone();
            broken[damage..damage + 600.min(first.len() - damage)].iter_mut().for_each(|b| *b ^= 0x5A);
            let (out, outcome) = repaired(&broken);
            let has_second = out.len() > first.len() && out.windows(1024).any(|w| w == &second[..1024]);
            assert_eq!(outcome.account.apart_bytes > 0, !has_second, "{} {damage}", variety.name());
            assert!(has_second || outcome.exit_status() & 64 != 0, "{} {damage}", variety.name());
            let ours = items(&first);
            assert!(items(&out).iter().all(|i| ours.contains(i)) || damage != 4, "{} {damage}", variety.name());
        }
        // where the trees of the first do not say what is its own, nothing of the second takes its place
        let header = Header::decode(&first, &mut Vec::new()).unwrap();
        let mut broken = two.clone();
        for root in [header.root.nbt, header.root.bbt] {
            broken[root.ib.0 as usize..][..header.layout.page_size].fill(0);
        }
        assert_eq!(items(&repaired(&broken).0), items(&first), "{}", variety.name());
        // no file has one by itself
        let source: Arc<dyn ReadAt> = Arc::new(first);
        assert!(check(source, &CheckOptions::default(), &()).unwrap().findings.iter().all(|f| f.rule.code != "PST-H026"));
    }
}

#[test]
fn columns_of_no_type_are_not_written() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let (mut bytes, layout) = (base.bytes.clone(), base.layout);
        let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
        let (ndb, mut changed) = (pst.ndb(), 0);
        for n in ndb.index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::CONTENTS_TABLE) {
            let block = *ndb.find_block(n.data).unwrap();
            let start = block.ib.0 as usize;
            let data = &mut bytes[start..start + usize::from(block.cb)];
            if block.bid.is_internal() || block.is_compressed() {
                continue;
            }
            ndb.crypt().decode(data, block.bid);
            // the description of a column
            let at = data.windows(6).position(|w| w[..4] == [0x03, 0x00, 0x17, 0x0E]);
            if let Some(at) = at {
                data[at..at + 2].fill(0);
                changed += 1;
            }
            ndb.crypt().encode(data, block.bid);
            let len = block.size_on_disk(layout) as usize;
            reseal(layout, &mut bytes, &Region { start, len, covered: block.cb.into(), kind: Kind::Block { structure: true } });
        }
        assert!(changed > 0, "{}", variety.name());
        // the tables of folders with a damaged message are written anew
        let mut anew = HashSet::new();
        for n in ndb.index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE) {
            if anew.insert(n.parent) {
                bytes[ndb.find_block(n.data).unwrap().ib.0 as usize + 60..][..64].fill(0x20);
            }
        }
        let (out, _) = repaired(&bytes);
        let pst = Pst::from_bytes(out).unwrap();
        let is_anew =
            |n: &&NbtEntry| n.nid.nid_type() == NidType::CONTENTS_TABLE && anew.contains(&n.nid.with_type(NidType::NORMAL_FOLDER));
        for n in pst.ndb().index().nodes().iter().filter(is_anew) {
            let node = pst.ndb().node(n.nid).unwrap();
            let table = TableContext::open(node, &mut Ignore).unwrap().unwrap();
            assert!(table.columns().iter().all(|c| c.tag.prop_type().is_stored()), "{}", variety.name());
        }
    }
}
