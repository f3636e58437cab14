//! Salvage of made stores: what is current, which folder an object is in, and loss that nothing names.

use crate::support::mutate::{Base, Kind, Region, reseal};
use crate::support::{items, repaired, varieties};
use pstkit::Pst;
use pstkit::format::bytes::{le32, put32};
use pstkit::format::ids::{Nid, NidType, PropTag};
use pstkit::format::page::{BbtEntry, BtPage, NbtEntry, PageType, TreeEntry};
use pstkit::io::MemoryStorage;
use pstkit::recover::{Options, Origin, deleted, open};
use pstkit::testkit::small;
use pstkit::write::{IPM_SUBTREE, NewMessage, PstWriter, StoreOptions};
use std::sync::Arc;

/// Places of the leaves of one tree.
fn leaves(base: &Base, page_type: PageType) -> Vec<Region> {
    let is_leaf = |r: &&Region| {
        let page = &base.bytes[r.start..r.start + r.len];
        let ib = pstkit::format::ids::Ib(r.start as u64);
        r.kind == Kind::Page
            && BtPage::decode(base.layout, page, ib, page_type, &mut Vec::new()).is_ok_and(|p| p.is_some_and(|p| p.level == 0))
            && page[base.layout.page_body()] == page_type.0
    };
    base.regions.iter().filter(is_leaf).copied().collect()
}

#[test]
fn messages_whose_entries_name_a_wrong_folder_are_where_the_tables_say() {
    for variety in varieties() {
        let base = Base::new(small(variety, 5).unwrap());
        let was = items(&base.bytes);
        let mut bytes = base.bytes.clone();
        let (stride, at) = (base.layout.nbt_entry, 3 * base.layout.id_width);
        for leaf in leaves(&base, PageType::NBT) {
            let ib = pstkit::format::ids::Ib(leaf.start as u64);
            let page = base.bytes[leaf.start..leaf.start + leaf.len].to_vec();
            let page = BtPage::decode(base.layout, &page, ib, PageType::NBT, &mut Vec::new()).unwrap().unwrap();
            for (n, e) in page.leaf::<NbtEntry>().enumerate() {
                if e.nid.nid_type() == NidType::NORMAL_MESSAGE {
                    let entry = leaf.start + n * stride;
                    assert_eq!(le32(&bytes, entry), e.nid.0);
                    put32(&mut bytes, entry + at, 0x7F_FFE2);
                }
            }
            reseal(base.layout, &mut bytes, &leaf);
        }
        assert_ne!(items(&bytes), was, "{}", variety.name());
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), was, "{}", variety.name());
        assert_eq!(outcome.exit_status(), 1, "{}", variety.name());
    }
}

/// Takes a message's entry out of the node B-tree, and says what it was.
fn take_out_a_message(base: &Base, bytes: &mut [u8]) -> NbtEntry {
    let layout = base.layout;
    for leaf in leaves(base, PageType::NBT) {
        let ib = pstkit::format::ids::Ib(leaf.start as u64);
        let page = base.bytes[leaf.start..leaf.start + leaf.len].to_vec();
        let page = BtPage::decode(layout, &page, ib, PageType::NBT, &mut Vec::new()).unwrap().unwrap();
        let all: Vec<_> = page.leaf::<NbtEntry>().collect();
        // not the first, whose key stands in the page above
        if let Some(n) = (1..all.len()).find(|n| all[*n].nid.nid_type() == NidType::NORMAL_MESSAGE) {
            let (from, end) = (leaf.start + n * layout.nbt_entry, leaf.start + all.len() * layout.nbt_entry);
            bytes.copy_within(from + layout.nbt_entry..end, from);
            bytes[leaf.start + layout.bt_meta] -= 1;
            reseal(layout, bytes, &leaf);
            return all[n];
        }
    }
    panic!("no leaf has a message that is not its first");
}

#[test]
fn a_message_that_the_tree_lists_no_more_is_found_and_told_apart() {
    for variety in varieties() {
        let base = Base::new(small(variety, 8).unwrap());
        let (layout, mut bytes) = (base.layout, base.bytes.clone());
        let gone = take_out_a_message(&base, &mut bytes);
        // deleted: nobody is counted as referring to its blocks, and no table lists it
        for leaf in leaves(&base, PageType::BBT) {
            let ib = pstkit::format::ids::Ib(leaf.start as u64);
            let page = base.bytes[leaf.start..leaf.start + leaf.len].to_vec();
            let page = BtPage::decode(layout, &page, ib, PageType::BBT, &mut Vec::new()).unwrap().unwrap();
            for (n, e) in page.leaf::<BbtEntry>().enumerate() {
                if e.bid.masked() == gone.data.masked() || e.bid.masked() == gone.sub.masked() {
                    let refs = leaf.start + n * layout.bbt_entry + 2 * layout.id_width + if layout.compresses() { 4 } else { 2 };
                    bytes[refs..refs + 2].copy_from_slice(&1u16.to_le_bytes());
                    reseal(layout, &mut bytes, &leaf);
                }
            }
        }
        let healthy = Pst::from_bytes(base.bytes.clone()).unwrap();
        let table = healthy.ndb().node(gone.parent.with_type(NidType::CONTENTS_TABLE)).unwrap();
        let block = healthy.ndb().find_block(table.data).unwrap();
        bytes[block.ib.0 as usize..][..usize::from(block.cb)].fill(0);
        let recovered = open(Arc::new(bytes), &Options::default().thorough(true), &()).unwrap();
        assert!(recovered.ndb.index().node(gone.nid).is_none(), "{}", variety.name());
        let found = deleted(&recovered, pstkit::recover::Versions::Newest, &()).unwrap().unwrap().found;
        let found: Vec<_> = found.iter().map(|f| (f.origin, f.block)).collect();
        assert_eq!(found, [(Origin::Carved, gone.data.0)], "{}", variety.name());
    }
}

#[test]
fn an_entry_that_a_page_does_not_say_any_more_is_not_a_deletion() {
    // the page's count was lowered and its checksum is right; blocks and tables still say that the message is there
    for variety in varieties() {
        let base = Base::new(small(variety, 8).unwrap());
        let mut bytes = base.bytes.clone();
        let gone = take_out_a_message(&base, &mut bytes);
        let was = items(&base.bytes);
        assert_eq!(items(&bytes).len() + 1, was.len(), "{}", variety.name());
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), was, "{}", variety.name());
        assert!(Pst::from_bytes(out).unwrap().ndb().node(gone.nid).is_some(), "{}: under its own id", variety.name());
        assert_eq!(outcome.exit_status(), 1, "{}: {:?}", variety.name(), outcome.account);
        // and where its blocks are gone too, it is named
        let healthy = Pst::from_bytes(base.bytes.clone()).unwrap();
        let block = healthy.ndb().find_block(gone.data).unwrap();
        bytes[block.ib.0 as usize..][..usize::from(block.cb)].fill(0);
        let (_, outcome) = repaired(&bytes);
        assert_eq!(outcome.exit_status() & 64, 64, "{}: {:?}", variety.name(), outcome.account);
        assert!(outcome.account.lost.iter().any(|l| l.nid == gone.nid.0), "{}: {:?}", variety.name(), outcome.account.lost);
    }
}

#[test]
fn an_entry_of_a_folder_that_leads_to_a_message_is_of_another_time() {
    for variety in varieties() {
        let base = Base::new(small(variety, 8).unwrap());
        let mut bytes = base.bytes.clone();
        let gone = take_out_a_message(&base, &mut bytes);
        let folder = Pst::from_bytes(base.bytes.clone()).unwrap().ndb().node(gone.parent).unwrap().nid;
        let layout = base.layout;
        for leaf in leaves(&base, PageType::NBT) {
            let ib = pstkit::format::ids::Ib(leaf.start as u64);
            let page = bytes[leaf.start..leaf.start + leaf.len].to_vec();
            let page = BtPage::decode(layout, &page, ib, PageType::NBT, &mut Vec::new()).unwrap().unwrap();
            for (n, e) in page.leaf::<NbtEntry>().enumerate().filter(|(_, e)| e.nid == folder) {
                let entry = leaf.start + n * layout.nbt_entry;
                let node = NbtEntry { data: gone.data, ..e };
                node.encode(layout, &mut bytes[entry..entry + layout.nbt_entry]).unwrap();
                reseal(layout, &mut bytes, &leaf);
            }
        }
        assert_ne!(items(&bytes), items(&base.bytes), "{}", variety.name());
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), items(&base.bytes), "{}: {:?}", variety.name(), outcome.account);
    }
}

/// A store with three folders and one message in each, which bears the name of a folder; whether synchronisation has brought it.
fn named(names: [&str; 3], offline: bool) -> Vec<u8> {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, StoreOptions::default()).unwrap();
    let folders = ["First", "Second", "Third"].map(|name| pst.add_folder(IPM_SUBTREE, name).unwrap());
    for (folder, name) in folders.into_iter().zip(names) {
        let message = NewMessage::note(&format!("of {name}"), "text").set(|p| {
            p.set_str(PropTag(0x0E05_001F), name);
            if offline {
                p.set(PropTag(0x67F4_0014), 7u64.to_le_bytes());
            }
        });
        pst.add_message(folder, message).unwrap();
    }
    pst.finish().unwrap();
    memory.into_bytes()
}

/// Wipes the node B-tree, and the tables that list messages.
fn without_places(bytes: &[u8]) -> Vec<u8> {
    let base = Base::new(bytes.to_vec());
    let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
    let mut bytes = bytes.to_vec();
    for n in pst.ndb().index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::CONTENTS_TABLE && n.nid.index() > 0x400) {
        let block = pst.ndb().find_block(n.data).unwrap();
        bytes[block.ib.0 as usize..][..usize::from(block.cb)].fill(0);
    }
    for r in base.regions.iter().filter(|r| r.kind == Kind::Page && base.bytes[r.start + base.layout.page_body()] == PageType::NBT.0) {
        bytes[r.start..r.start + r.len].fill(0);
    }
    bytes
}

#[test]
fn a_message_that_was_synchronised_names_its_folder() {
    // nothing else is left that says it; what a moved message names in a PST is where it once was
    let bytes = named(["First", "Second", "Third"], true);
    let (out, _) = repaired(&without_places(&bytes));
    assert_eq!(items(&out), items(&bytes));
    let (out, _) = repaired(&without_places(&named(["Elsewhere"; 3], true)));
    assert!(items(&out).iter().all(|(folder, _)| folder.ends_with("Lost and Found/Elsewhere")), "{:?}", items(&out));
    let (out, _) = repaired(&without_places(&named(["Elsewhere"; 3], false)));
    assert!(items(&out).iter().all(|(folder, _)| !folder.contains("Elsewhere")), "{:?}", items(&out));
}

#[test]
fn a_damaged_name_gives_way_to_the_row() {
    let mut bytes = named(["First", "Second", "Third"], false);
    let was = items(&bytes);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let folder = pst.folder_paths().into_iter().find(|(_, path)| path.ends_with("/Second")).unwrap().0;
    let node = pst.ndb().node(folder).unwrap();
    let block = pst.ndb().find_block(node.data).unwrap();
    let data = pst.ndb().block_at(block, &mut Vec::new()).unwrap().unwrap().into_owned();
    let name: Vec<u8> = "Second".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = data.windows(name.len()).position(|w| w == name).unwrap();
    bytes[block.ib.0 as usize + at] ^= 0x5A;
    assert_ne!(items(&bytes), was);
    let (out, _) = repaired(&bytes);
    assert_eq!(items(&out), was);
}

#[test]
fn trees_are_whole_where_only_the_header_is_gone() {
    for variety in varieties() {
        let mut bytes = small(variety, 6).unwrap();
        let was = items(&bytes);
        bytes[..564].fill(0);
        let found = open(Arc::new(bytes.clone()), &Options::default().thorough(true), &()).unwrap();
        let salvage = found.salvage.unwrap();
        assert!(salvage.facts.trees_whole, "{}", variety.name());
        assert_eq!(salvage.unexplained, 0);
        let (out, outcome) = repaired(&bytes);
        assert_eq!(items(&out), was, "{}", variety.name());
        assert_eq!(outcome.exit_status(), 1, "{}", variety.name());
    }
}

#[test]
fn space_in_use_that_holds_nothing_is_a_loss_though_nothing_names_it() {
    for variety in varieties() {
        let base = Base::new(small(variety, 7).unwrap());
        let layout = base.layout;
        let mut bytes = base.bytes.clone();
        // the trees are gone
        for r in base.regions.iter().filter(|r| r.kind == Kind::Page) {
            let t = base.bytes[r.start + layout.page_body()];
            if t == PageType::NBT.0 || t == PageType::BBT.0 {
                bytes[r.start..r.start + r.len].fill(0);
            }
        }
        let (_, without) = repaired(&bytes);
        assert_eq!(without.account.unexplained_bytes, 0, "{}: tree pages are no content", variety.name());
        // and so are some messages, and all tables that name any
        let nodes = Pst::from_bytes(base.bytes.clone()).unwrap();
        let mut messages = 0;
        for n in nodes.ndb().index().nodes() {
            let is_table = matches!(n.nid.nid_type(), NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE) && n.nid.index() > 0x400;
            let is_message = n.nid.nid_type() == NidType::NORMAL_MESSAGE && messages < 5;
            messages += usize::from(is_message);
            if (is_table || is_message)
                && let Some(b) = nodes.ndb().find_block(n.data)
            {
                let start = b.ib.0 as usize;
                bytes[start..start + b.size_on_disk(layout) as usize].fill(0);
            }
        }
        assert!(messages == 5);
        let (out, outcome) = repaired(&bytes);
        assert!(outcome.account.unexplained_bytes > 0, "{}: {:?}", variety.name(), outcome.account);
        assert_eq!(outcome.exit_status() & 64, 64, "{}", variety.name());
        assert!(items(&out).len() < items(&base.bytes).len());
        assert!(Pst::from_bytes(out).unwrap().ndb().node(Nid::ROOT_FOLDER).is_some());
    }
}
