//! What repaired files and copies are like, so that every reader takes them: whole maps of names, known classes, data in every attachment,
//! the folders that a store names, numbers as real files have them.

use crate::support::mutate::{Base, reseal};
use pstkit::check::{CheckOptions, check};
use pstkit::export::items::{Item, Items};
use pstkit::finding::Ignore;
use pstkit::format::bytes::{le64, put64};
use pstkit::format::context::EntryId;
use pstkit::format::crypt::CryptMethod;
use pstkit::format::header::FileKind;
use pstkit::format::ids::{Bid, Nid, NidType, PropTag, PropType};
use pstkit::format::layout::Variant;
use pstkit::format::tags;
use pstkit::format::types::Guid;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::ltp::{NameKind, NameMapBuilder, PropertyContext, PropertyName, TableContext};
use pstkit::messaging::Pst;
use pstkit::repair::{Policy, repair};
use pstkit::rules::Severity;
use pstkit::testkit::{VARIETIES, small};
use pstkit::write::{CopyOptions, Data, IPM_SUBTREE, NdbOptions, NewAttachment, NewFolder, NewMessage, PstWriter, StoreOptions, copy};
use std::sync::Arc;

fn plain(kind: FileKind) -> StoreOptions {
    let ndb = NdbOptions::new(Variant::Unicode).kind(kind).crypt(CryptMethod::None);
    StoreOptions::default().ndb(ndb).folders(kind == FileKind::Pst)
}

fn repaired(bytes: &[u8]) -> Pst {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = Arc::clone(&memory) as Arc<dyn Storage>;
    repair(&source, &target, &Policy::default().allow_loss(true), &()).unwrap();
    Pst::from_bytes(memory.to_bytes()).unwrap()
}

fn items(pst: &Pst) -> Vec<Item> {
    Items::new(pst).map(Result::unwrap).collect()
}

/// The data of a block.
fn block(bytes: &mut [u8], bid: Bid) -> &mut [u8] {
    let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
    let entry = pst.ndb().find_block(bid).unwrap();
    &mut bytes[entry.ib.0 as usize..][..usize::from(entry.cb)]
}

/// Overwrites a text in a block, which then has a wrong checksum; answers how often it was there.
fn spoil(bytes: &mut [u8], bid: Bid, text: &str) -> usize {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let data = block(bytes, bid);
    let places: Vec<usize> = (0..data.len().saturating_sub(wide.len())).filter(|at| data[*at..].starts_with(&wide)).collect();
    places.iter().for_each(|at| data[*at..at + 8].fill(0x9D));
    places.len()
}

/// A store with one message, which has these properties beside its own.
fn with_props(props: &[(PropTag, Vec<u8>)]) -> (Vec<u8>, Nid) {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, plain(FileKind::Pst)).unwrap();
    let folder = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
    let mut message = NewMessage::note("subject", "text");
    for (tag, bytes) in props {
        message.props.put(*tag, Data::Bytes(bytes.clone()));
    }
    let nid = pst.add_message(folder, message).unwrap();
    pst.finish().unwrap();
    (memory.into_bytes(), nid)
}

#[test]
fn names_that_are_lost_are_not_made_up() {
    // the place of an appointment's recurrence in new stores has a truth value here: it was another name's
    let (mut bytes, _) =
        with_props(&[(PropTag::new(0x8003, PropType::BOOLEAN), vec![1]), (PropTag::new(0x8061, PropType::INTEGER32), vec![1, 0, 0, 0])]);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    block(&mut bytes, pst.ndb().node(Nid::NAME_TO_ID_MAP).unwrap().data).fill(0x20);
    let back = repaired(&bytes);
    let names = back.names();
    assert_eq!(names.name(0x8003), Some(&PropertyName::number(Guid::PS_MAPI, 0x8003)));
    assert_eq!(names.number(Guid::PSETID_APPOINTMENT, 0x8216), None);
    // no new name gets an id that is in use, and no reader finds a stream of the map empty
    let last = names.iter().last().unwrap();
    assert_eq!(last.0, 0x8062);
    assert!(matches!(&last.1.kind, NameKind::Name(_)) && last.1.set == Guid::PS_INTERNET_HEADERS);
}

#[test]
fn names_of_an_offline_file_are_not_those_of_a_new_store() {
    // nothing that is there speaks against them
    let mut bytes = offline();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    block(&mut bytes, pst.ndb().node(Nid::NAME_TO_ID_MAP).unwrap().data).fill(0x20);
    let back = repaired(&bytes);
    assert_eq!(back.names().number(Guid::PSETID_APPOINTMENT, 0x8216), None);
    assert!(!back.names().is_empty());
}

#[test]
fn a_damaged_message_has_nothing_of_a_folder() {
    // there are readers that take what has a count of contents for a folder
    let (mut bytes, nid) = with_props(&[(tags::CONTENT_COUNT, vec![7, 0, 0, 0])]);
    let has_count = |pst: &Pst| {
        let pc = PropertyContext::open(pst.ndb().node(nid).unwrap(), &mut Ignore).unwrap().unwrap();
        pc.has(tags::CONTENT_COUNT.id())
    };
    let whole = Pst::from_bytes(bytes.clone()).unwrap();
    let memory = MemoryStorage::default();
    copy(&whole, &memory, &CopyOptions::same(&whole), &()).unwrap();
    assert!(has_count(&Pst::from_bytes(memory.into_bytes()).unwrap()), "of a whole one it stays");
    assert_eq!(spoil(&mut bytes, whole.ndb().node(nid).unwrap().data, "text"), 1);
    assert!(!has_count(&repaired(&bytes)));
}

#[test]
fn names_come_back_where_the_store_began_with_outlooks_own() {
    let (mut bytes, _) = with_props(&[
        (PropTag::new(0x8003, PropType::BINARY), vec![1; 9]),
        (PropTag::new(0x8004, PropType::TIME), vec![1; 8]),
        (PropTag::new(0x8030, PropType::INTEGER32), vec![0; 4]),
    ]);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    block(&mut bytes, pst.ndb().node(Nid::NAME_TO_ID_MAP).unwrap().data).fill(0x20);
    let back = repaired(&bytes);
    assert_eq!(back.names().number(Guid::PSETID_APPOINTMENT, 0x8216), Some(0x8003));
    assert_eq!(back.names().name(0x8030), Some(&PropertyName::number(Guid::PS_MAPI, 0x8030)));
}

#[test]
fn a_damaged_class_is_the_rows_or_that_of_a_plain_message() {
    let (bytes, nid) = with_props(&[]);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let (message, table) = (pst.ndb().node(nid).unwrap(), pst.ndb().index().node(nid).unwrap().parent.with_type(NidType::CONTENTS_TABLE));
    let table = pst.ndb().node(table).unwrap();
    let mut damaged = bytes.clone();
    assert_eq!(spoil(&mut damaged, message.data, "IPM.Note"), 1);
    assert_eq!(spoil(&mut damaged, message.data, "subject"), 2);
    let back = items(&repaired(&damaged));
    assert_eq!((back[0].class.as_deref(), back[0].subject.as_deref()), (Some("IPM.Note"), Some("subject")));
    // the row has the same damage
    assert_eq!(spoil(&mut damaged, table.data, "IPM.Note"), 1);
    let back = items(&repaired(&damaged));
    assert_eq!(back[0].class.as_deref(), Some("IPM.Note"));
}

#[test]
fn an_attachment_that_has_lost_its_message_is_an_empty_one() {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, plain(FileKind::Pst)).unwrap();
    let folder = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
    let message = NewMessage::note("outer", "text").attach(NewAttachment::message("inner", NewMessage::note("inner", "text")));
    let nid = pst.add_message(folder, message).unwrap();
    pst.finish().unwrap();
    let mut bytes = memory.into_bytes();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let node = pst.ndb().node(nid).unwrap();
    let attachment = node.subnodes(&mut Ignore).unwrap().iter().find(|e| e.nid.nid_type() == NidType::ATTACHMENT).copied().unwrap();
    let attachment = node.subnode(attachment.nid, &mut Ignore).unwrap().unwrap();
    let inner = attachment.subnodes(&mut Ignore).unwrap().iter().find(|e| e.nid.is_message()).copied().unwrap();
    block(&mut bytes, inner.data).fill(0x20);
    block(&mut bytes, inner.sub).fill(0x20);
    let back = items(&repaired(&bytes));
    let left = &back[0].attachments[0];
    assert_eq!((left.method, left.size, left.embedded.is_some()), (1, Some(0), false));
}

#[test]
fn a_record_of_zeros_is_no_property() {
    let (bytes, nid) = with_props(&[(PropTag(0), Vec::new())]);
    let pst = Pst::from_bytes(bytes).unwrap();
    let records = |pst: &Pst| {
        let pc = PropertyContext::open(pst.ndb().node(nid).unwrap(), &mut Ignore).unwrap().unwrap();
        pc.records().iter().filter(|r| r.tag == PropTag(0)).count()
    };
    assert_eq!(records(&pst), 1);
    let memory = MemoryStorage::default();
    let report = copy(&pst, &memory, &CopyOptions::same(&pst), &()).unwrap();
    assert_eq!((report.values_lost, records(&Pst::from_bytes(memory.into_bytes()).unwrap())), (0, 0));
}

/// An OST with the folders that Outlook makes first.
fn offline() -> Vec<u8> {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, plain(FileKind::Ost)).unwrap();
    let mut add = |parent: u32, nid: u32, name: &str| {
        let new = NewFolder::default().nid(Some(Nid(nid)));
        pst.add_folder_with(Nid(parent), name, new).unwrap();
    };
    add(0x122, 0x122, "");
    add(0x122, 0x2002, "Root - Public");
    add(0x2002, 0x2022, "IPM_SUBTREE");
    add(0x122, 0x20A2, "Root - Mailbox");
    add(0x20A2, 0x20E2, "Finder");
    add(0x20A2, 0x2142, "IPM_SUBTREE");
    add(0x2142, 0x2162, "Gel\u{f6}schte Elemente");
    add(0x2142, 0x2182, "Inbox");
    pst.add_message(Nid(0x2182), NewMessage::note("subject", "text")).unwrap();
    pst.finish().unwrap();
    memory.into_bytes()
}

#[test]
fn a_pst_made_of_an_ost_shows_the_mailbox_and_not_the_public_folders() {
    let pst = Pst::from_bytes(offline()).unwrap();
    let memory = MemoryStorage::default();
    copy(&pst, &memory, &CopyOptions::to(&pst, Variant::Unicode), &()).unwrap();
    let back = Pst::from_bytes(memory.into_bytes()).unwrap();
    let store = PropertyContext::open(back.ndb().node(Nid::MESSAGE_STORE).unwrap(), &mut Ignore).unwrap().unwrap();
    let named = [tags::IPM_SUBTREE_ENTRY_ID, tags::IPM_WASTEBASKET_ENTRY_ID, tags::FINDER_ENTRY_ID]
        .map(|t| EntryId::decode(&store.binary(t.id(), &mut Ignore).unwrap().unwrap()).unwrap().nid);
    assert_eq!(named, [Nid(0x2142), Nid(0x2162), Nid(0x20E2)]);
}

#[test]
fn an_ost_is_one_though_its_header_is_gone() {
    let mut bytes = offline();
    bytes[..564].fill(0);
    let back = repaired(&bytes);
    assert_eq!(back.header().kind(), Some(FileKind::Ost));
    assert_eq!(items(&back)[0].folder, "Root - Mailbox/IPM_SUBTREE/Inbox");
}

#[test]
fn what_is_lost_in_an_ost_is_found_in_the_mailbox() {
    let mut bytes = offline();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let index = pst.ndb().index();
    // nothing is left of any folder
    for n in index
        .nodes()
        .iter()
        .filter(|n| n.nid.is_folder() || n.nid.nid_type() == NidType::HIERARCHY_TABLE || n.nid.nid_type() == NidType::CONTENTS_TABLE)
    {
        block(&mut bytes, n.data).fill(0x20);
    }
    for p in &index.facts.pages {
        bytes[p.bref.ib.0 as usize..][..512].fill(0);
    }
    bytes[512..564].fill(0);
    let back = repaired(&bytes);
    let found = items(&back);
    let folder = back.ndb().index().node(Nid(found[0].nid)).unwrap().parent;
    let parent = back.ndb().index().node(folder).unwrap().parent;
    assert!(found[0].folder.ends_with("Lost and Found"), "{}", found[0].folder);
    assert_eq!(parent, Nid(0x2142));
}

#[test]
fn contents_tables_of_an_ost_have_no_columns_of_a_pst() {
    let pst = Pst::from_bytes(offline()).unwrap();
    let memory = MemoryStorage::default();
    copy(&pst, &memory, &CopyOptions::same(&pst), &()).unwrap();
    let back = Pst::from_bytes(memory.into_bytes()).unwrap();
    for (pst, nid) in [(&pst, 0x60E), (&pst, 0x218E), (&back, 0x60E), (&back, 0x218E)] {
        let table = TableContext::open(pst.ndb().node(Nid(nid)).unwrap(), &mut Ignore).unwrap().unwrap();
        let has = |id: u16| table.column(id).is_some();
        assert_eq!((has(0x0E30), has(0x0E3C), has(0x0E38), has(0x0037)), (false, false, true, true), "{nid:#x}");
    }
}

#[test]
fn a_counter_of_the_header_that_has_jumped_is_not_followed() {
    let (mut bytes, nid) = with_props(&[]);
    let at = 516; // bidNextB
    let counter = le64(&bytes, at);
    put64(&mut bytes, at, counter | 1 << 50);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    block(&mut bytes, pst.ndb().node(nid).unwrap().data)[40] ^= 0xFF;
    let back = repaired(&bytes);
    assert!(back.header().bid_next_block.0 < counter + 4000, "{:#x}", back.header().bid_next_block.0);
    assert!(back.ndb().index().blocks().iter().all(|b| b.bid.0 < counter + 4000));
}

/// Overwrites all pages of the node B-tree but the leaves.
fn without_root(bytes: &mut [u8]) {
    let root = Pst::from_bytes(bytes.to_vec()).unwrap().header().root.nbt.ib.0 as usize;
    bytes[root..root + 512].fill(0x20);
}

#[test]
fn a_map_of_names_without_a_text_gets_one_where_the_trees_are_lost() {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, plain(FileKind::Pst)).unwrap();
    let mut names = NameMapBuilder::new();
    names.add(&PropertyName::number(Guid::PSETID_COMMON, 0x8503)).unwrap();
    pst.set_names(names.map().clone());
    let folder = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
    let mut message = NewMessage::note("subject", "text");
    message.props.put(PropTag::new(0x8000, PropType::BOOLEAN), Data::Bytes(vec![1]));
    message.props.put(PropTag::new(0x8001, PropType::BOOLEAN), Data::Bytes(vec![1]));
    pst.add_message(folder, message).unwrap();
    for i in 0..40 {
        pst.add_message(folder, NewMessage::note(&format!("subject {i}"), "text")).unwrap();
    }
    pst.finish().unwrap();
    let mut bytes = memory.into_bytes();
    without_root(&mut bytes);
    let back = repaired(&bytes);
    let names: Vec<_> = back.names().iter().map(|(id, n)| (id, n.set, matches!(n.kind, NameKind::Name(_)))).collect();
    assert_eq!(names, [(0x8000, Guid::PSETID_COMMON, false), (0x8001, Guid::PS_MAPI, false), (0x8002, Guid::PS_INTERNET_HEADERS, true)]);
}

#[test]
fn counts_that_only_new_trees_show_are_set_right_too() {
    let mut base = Base::new(small(VARIETIES[1], 3).unwrap());
    let pst = Pst::from_bytes(base.bytes.clone()).unwrap();
    let inbox = pst.folders().find(|f| f.display_name() == "Inbox").unwrap();
    let entry = pst.ndb().find_block(pst.ndb().node(inbox.nid()).unwrap().data).unwrap();
    let region = *base.regions.iter().find(|r| r.start as u64 == entry.ib.0).unwrap();
    let data = &mut base.bytes[region.start..region.start + usize::from(entry.cb)];
    let at = data.windows(4).position(|w| w == [0x02, 0x36, 0x03, 0x00]).unwrap();
    data[at + 4] -= 1;
    reseal(base.layout, &mut base.bytes, &region);
    without_root(&mut base.bytes);
    let back = repaired(&base.bytes);
    let report = check(back.ndb().source().clone(), &CheckOptions::default(), &()).unwrap();
    assert_eq!(report.count(Severity::Warning), 0, "{report:?}");
    let inbox = back.folder(inbox.nid()).unwrap();
    assert_eq!(inbox.stated_count().unwrap(), Some(inbox.counts().messages as i32));
}
