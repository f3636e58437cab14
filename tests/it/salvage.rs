//! Salvage of made stores: what is current, which folder an object is in, and loss that nothing names.

use crate::support::mutate::{Base, Kind, Region, reseal};
use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::format::bytes::{le32, put32};
use pstkit::format::ids::{Nid, NidType};
use pstkit::format::page::{BtPage, NbtEntry, PageType};
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::recover::{Options, Origin, deleted, open};
use pstkit::repair::{Outcome, Policy, repair};
use pstkit::testkit::{VARIETIES, Variety, small};
use std::sync::Arc;

/// One of each variant.
fn varieties() -> [Variety; 3] {
    [VARIETIES[0], VARIETIES[3], VARIETIES[6]]
}

/// Folder and digest of every message, sorted.
fn items(bytes: &[u8]) -> Vec<(String, String)> {
    let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
    let mut all: Vec<_> = Items::new(&pst).map(|i| i.unwrap()).map(|i| (i.folder, i.content_sha256)).collect();
    all.sort();
    all
}

fn repaired(bytes: &[u8]) -> (Vec<u8>, Outcome) {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = Arc::clone(&memory) as Arc<dyn Storage>;
    let outcome = repair(&source, &target, &Policy { allow_loss: true, ..Policy::default() }, &()).unwrap();
    (memory.to_bytes(), outcome)
}

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

#[test]
fn a_message_that_the_tree_lists_no_more_is_found_and_told_apart() {
    for variety in varieties() {
        let base = Base::new(small(variety, 8).unwrap());
        let (layout, mut bytes) = (base.layout, base.bytes.clone());
        let mut gone = None;
        for leaf in leaves(&base, PageType::NBT) {
            let ib = pstkit::format::ids::Ib(leaf.start as u64);
            let page = base.bytes[leaf.start..leaf.start + leaf.len].to_vec();
            let page = BtPage::decode(layout, &page, ib, PageType::NBT, &mut Vec::new()).unwrap().unwrap();
            let all: Vec<_> = page.leaf::<NbtEntry>().collect();
            // not the first, whose key stands in the page above
            if let Some(n) = (1..all.len()).find(|n| all[*n].nid.nid_type() == NidType::NORMAL_MESSAGE) {
                let (from, end) = (leaf.start + n * layout.nbt_entry, leaf.start + all.len() * layout.nbt_entry);
                bytes.copy_within(from + layout.nbt_entry..end, from);
                bytes[leaf.start + layout.bt_meta] -= 1;
                reseal(layout, &mut bytes, &leaf);
                gone = Some(all[n]);
                break;
            }
        }
        let gone = gone.unwrap();
        let recovered = open(Arc::new(bytes), &Options { thorough: true, ..Options::default() }, &()).unwrap();
        assert!(recovered.ndb.index().node(gone.nid).is_none(), "{}", variety.name());
        let found = deleted(&recovered, &()).unwrap().unwrap().found;
        let found: Vec<_> = found.iter().map(|f| (f.origin, f.block)).collect();
        assert_eq!(found, [(Origin::Carved, gone.data.0)], "{}", variety.name());
    }
}

#[test]
fn trees_are_whole_where_only_the_header_is_gone() {
    for variety in varieties() {
        let mut bytes = small(variety, 6).unwrap();
        let was = items(&bytes);
        bytes[..564].fill(0);
        let found = open(Arc::new(bytes.clone()), &Options { thorough: true, ..Options::default() }, &()).unwrap();
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
