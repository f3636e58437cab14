//! Where messages go that neither an entry of the node B-tree nor a row of their folder's table places: each test leaves one trace only.

use crate::support::mutate::{Base, Kind, reseal};
use pstkit::export::items::Items;
use pstkit::format::crypt::CryptMethod;
use pstkit::format::ids::{Ib, Nid, NidType, PropTag};
use pstkit::format::layout::Variant;
use pstkit::format::page::{BtPage, NbtEntry, PageType};
use pstkit::format::tags;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::messaging::Pst;
use pstkit::repair::{Policy, repair};
use pstkit::write::{
    Cell, IPM_SUBTREE, NdbOptions, NewFolder, NewMessage, Props, PstWriter, SEARCH_ROOT, StoreOptions, SubNodes, TableBuilder, TableKind,
};
use std::sync::Arc;

/// Id of the search folder that one of the tests makes, and of its table.
const SEARCH: Nid = Nid(0x8143);
const SEARCH_TABLE: Nid = Nid(0x8150);
/// Where a row of a search says which folder its message is in.
const PARENT_NID: PropTag = PropTag(0x67F1_0003);

fn options() -> StoreOptions {
    let ndb = NdbOptions::new(Variant::Unicode).crypt(CryptMethod::None);
    StoreOptions::default().ndb(ndb)
}

fn note(n: usize) -> NewMessage {
    NewMessage::note(&format!("message {n}"), "text").to("Ann", "ann@example.com")
}

/// Folder and subject of every message, sorted.
fn places(bytes: &[u8]) -> Vec<(String, String)> {
    let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
    let mut all: Vec<_> = Items::new(&pst).map(Result::unwrap).map(|i| (i.folder, i.subject.unwrap_or_default())).collect();
    all.sort();
    all
}

fn repaired(bytes: &[u8]) -> Vec<u8> {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = Arc::clone(&memory) as Arc<dyn Storage>;
    let outcome = repair(&source, &target, &Policy::default().allow_loss(true), &()).unwrap();
    assert!(outcome.after.is_healthy());
    memory.to_bytes()
}

/// Takes messages out of the node B-tree, and wipes the tables of all folders.
fn forget(bytes: &[u8], gone: &[Nid]) -> Vec<u8> {
    let base = Base::new(bytes.to_vec());
    let (layout, mut bytes) = (base.layout, bytes.to_vec());
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let mut forgotten = 0;
    for leaf in base.regions.iter().filter(|r| r.kind == Kind::Page && base.bytes[r.start + layout.page_body()] == PageType::NBT.0) {
        let page = bytes[leaf.start..leaf.start + leaf.len].to_vec();
        let page = BtPage::decode(layout, &page, Ib(leaf.start as u64), PageType::NBT, &mut Vec::new()).unwrap().unwrap();
        if page.level != 0 {
            continue;
        }
        let kept: Vec<NbtEntry> = page.leaf::<NbtEntry>().filter(|e| !gone.contains(&e.nid)).collect();
        let all = page.leaf::<NbtEntry>().count();
        forgotten += all - kept.len();
        let entries: Vec<u8> = (0..all)
            .zip(page.leaf::<NbtEntry>())
            .filter(|(_, e)| !gone.contains(&e.nid))
            .flat_map(|(n, _)| bytes[leaf.start + n * layout.nbt_entry..][..layout.nbt_entry].to_vec())
            .collect();
        bytes[leaf.start..leaf.start + entries.len()].copy_from_slice(&entries);
        bytes[leaf.start + layout.bt_meta] = kept.len() as u8;
        reseal(layout, &mut bytes, leaf);
    }
    assert_eq!(forgotten, gone.len());
    for n in pst.ndb().index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::CONTENTS_TABLE && n.nid.index() > 0x400) {
        let block = pst.ndb().find_block(n.data).unwrap();
        bytes[block.ib.0 as usize..][..usize::from(block.cb)].fill(0);
    }
    bytes
}

/// Two folders of a store with the messages that are put into them in turn; answers the ids of these.
fn store(order: &[usize], then: impl FnOnce(&mut PstWriter<'_>, [Nid; 2], &[Nid])) -> (Vec<u8>, Vec<Nid>) {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, options()).unwrap();
    let folders = ["First", "Second"].map(|name| pst.add_folder(IPM_SUBTREE, name).unwrap());
    let messages: Vec<Nid> = order.iter().enumerate().map(|(n, f)| pst.add_message(folders[*f], note(n)).unwrap()).collect();
    then(&mut pst, folders, &messages);
    pst.finish().unwrap();
    (memory.into_bytes(), messages)
}

/// Enough messages of the second folder that what is written at the end is far from those before.
const MANY: [usize; 24] = [1; 24];

#[test]
fn a_message_goes_to_the_only_folder_that_lacks_one() {
    let order: Vec<usize> = [0].into_iter().chain(MANY).collect();
    let (bytes, messages) = store(&order, |_, _, _| {});
    let damaged = forget(&bytes, &messages[..1]);
    assert_eq!(places(&damaged).len(), order.len() - 1);
    assert_eq!(places(&repaired(&damaged)), places(&bytes));
}

#[test]
fn messages_go_where_those_went_that_were_written_before_and_after() {
    let order: Vec<usize> = [0, 0, 0].into_iter().chain(MANY).collect();
    let (bytes, messages) = store(&order, |_, _, _| {});
    let damaged = forget(&bytes, &[messages[1], messages[6]]);
    assert_eq!(places(&repaired(&damaged)), places(&bytes));
    // between two folders nothing tells which of the two it was
    let damaged = forget(&bytes, &[messages[2], messages[6]]);
    let out = places(&repaired(&damaged));
    assert!(out[..].iter().any(|(folder, subject)| folder.ends_with("/Lost and Found") && subject == "message 2"), "{out:?}");
    assert_eq!(out.len(), order.len());
}

#[test]
fn a_message_goes_to_the_folder_that_was_written_right_after_it() {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, options()).unwrap();
    let folders = ["First", "Second"].map(|name| pst.add_folder(IPM_SUBTREE, name).unwrap());
    // what Outlook does when it puts a message in: the folder's counts are written anew
    let first = pst.add_message(folders[0], note(0)).unwrap();
    let mut props = Props::new();
    props.set_str(tags::DISPLAY_NAME, "First").set_i32(tags::CONTENT_COUNT, 1).set_i32(tags::CONTENT_UNREAD_COUNT, 1);
    props.set_bool(tags::SUBFOLDERS, false).set_i32(tags::PST_HIDDEN_COUNT, 0).set_i32(tags::PST_HIDDEN_UNREAD, 0);
    let node = pst.ndb().write_properties(&props, SubNodes::new()).unwrap();
    pst.add_raw_node(folders[0], node, IPM_SUBTREE).unwrap();
    let others: Vec<Nid> = (1..25).map(|n| pst.add_message(folders[1], note(n)).unwrap()).collect();
    pst.finish().unwrap();
    let bytes = memory.into_bytes();
    assert!(Pst::from_bytes(bytes.clone()).unwrap().check(&pstkit::check::CheckOptions::default(), &()).unwrap().is_healthy());
    let damaged = forget(&bytes, &[first, others[2]]);
    assert_eq!(places(&repaired(&damaged)), places(&bytes));
}

#[test]
fn a_message_goes_to_the_folder_that_a_search_has_found_it_in() {
    let order: Vec<usize> = [0, 1].into_iter().chain(MANY).chain([0, 1]).collect();
    let (bytes, messages) = store(&order, |pst, folders, messages| {
        let columns = [tags::MESSAGE_CLASS, tags::SUBJECT, tags::MESSAGE_FLAGS, PARENT_NID];
        let class: Vec<u8> = "IPM.Note".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut table = TableBuilder::new(pst.ndb(), TableKind::Plain, &columns, 2).unwrap();
        for (n, nid) in messages.iter().enumerate().take(2) {
            let subject: Vec<u8> = format!("message {n}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            let cells = [
                (tags::MESSAGE_CLASS, Cell::Bytes(&class)),
                (tags::SUBJECT, Cell::Bytes(&subject)),
                (PARENT_NID, Cell::Bytes(&folders[n].0.to_le_bytes())),
            ];
            table.push(pst.ndb(), nid.0, n as u32 + 1, &cells).unwrap();
        }
        let node = table.finish(pst.ndb()).unwrap();
        pst.add_folder_with(SEARCH_ROOT, "Found", NewFolder::default().nid(Some(SEARCH))).unwrap();
        pst.add_raw_node(SEARCH_TABLE, node, Nid::NONE).unwrap();
    });
    // both folders lack one, and before the first no message was written that could tell
    let damaged = forget(&bytes, &messages[..2]);
    assert_eq!(places(&damaged).len(), order.len() - 2);
    assert_eq!(places(&repaired(&damaged)), places(&bytes));
    assert_eq!(SEARCH.index(), SEARCH_TABLE.index());
}
