//! What outlives the properties of an object: its attachments, its recipients, and large values in sub-nodes of their own.

use pstkit::export::items::{Item, Items};
use pstkit::finding::Ignore;
use pstkit::format::bytes::le16;
use pstkit::format::ids::{Bid, Hid, Nid, NidType};
use pstkit::format::page::PageType;
use pstkit::format::tags;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::ltp::PropertyContext;
use pstkit::messaging::Pst;
use pstkit::ndb::Index;
use pstkit::repair::{Policy, repair};
use pstkit::write::{CopyOptions, IPM_SUBTREE, NewAttachment, NewMessage, PstWriter, StoreOptions, copy};
use std::sync::Arc;

const BIG: usize = 30_000;

/// A store with one message whose bodies and attachments are too large for the heaps of their objects.
fn store() -> (Vec<u8>, Nid) {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, StoreOptions::default()).unwrap();
    let folder = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
    let inner = NewMessage::note("the inner one", &"inner text ".repeat(BIG / 10)).attach(NewAttachment::file("deep.bin", vec![3; BIG]));
    let message = NewMessage::note("the outer one", &"outer text ".repeat(BIG / 10))
        .html(&format!("<html><body>{}</body></html>", "<p>outer</p>".repeat(BIG / 10)))
        .to("Ann", "ann@example.com")
        .attach(NewAttachment::file("data.bin", (0..BIG).map(|i| (i * 7) as u8).collect::<Vec<_>>()))
        .attach(NewAttachment::message("inner", inner));
    let nid = pst.add_message(folder, message).unwrap();
    pst.finish().unwrap();
    (memory.into_bytes(), nid)
}

/// Overwrites all of a block's data.
fn overwrite(bytes: &mut [u8], pst: &Pst, bid: Bid) {
    let entry = pst.ndb().find_block(bid).unwrap();
    bytes[entry.ib.0 as usize..][..usize::from(entry.cb)].fill(0x20);
}

fn repaired(bytes: Vec<u8>) -> Pst {
    let source: Arc<dyn ReadAt> = Arc::new(bytes);
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let outcome = repair(&source, &target, &Policy::default(), &()).unwrap();
    assert!(outcome.account.has_loss(), "the loss is told");
    Pst::from_bytes(memory.to_bytes()).unwrap()
}

fn only(pst: &Pst) -> Item {
    let mut items: Vec<Item> = Items::new(pst).map(Result::unwrap).collect();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[test]
fn a_message_without_properties_keeps_its_bodies_recipients_and_attachments() {
    let (mut bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let whole = only(&pst);
    overwrite(&mut bytes, &pst, pst.ndb().node(nid).unwrap().data);
    let left = only(&repaired(bytes));
    assert_eq!((left.nid, &left.folder, &left.subject), (whole.nid, &whole.folder, &whole.subject));
    assert_eq!((&left.to, &left.bodies.text, &left.bodies.html), (&whole.to, &whole.bodies.text, &whole.bodies.html));
    assert_eq!(contents(&left), contents(&whole));
}

/// The checksum of the leaf of the node B-tree that lists a node is made wrong.
fn tear_leaf(bytes: &mut [u8], pst: &Pst, nid: Nid) {
    let layout = pst.layout();
    let leaves = pst.ndb().index().facts.pages.iter().filter(|p| p.page_type == PageType::NBT && p.level == 0);
    let key = nid.0.to_le_bytes();
    let mut torn = 0;
    for leaf in leaves {
        let page = &mut bytes[leaf.bref.ib.0 as usize..][..layout.page_size];
        if page.chunks_exact(32).any(|e| e[..4] == key && e[4..8] == [0; 4]) {
            page[layout.page_size - 12] ^= 1;
            torn += 1;
        }
    }
    assert_eq!(torn, 1);
}

#[test]
fn a_message_without_properties_keeps_its_rest_though_the_leaf_that_lists_it_is_torn() {
    let (mut bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let whole = only(&pst);
    overwrite(&mut bytes, &pst, pst.ndb().node(nid).unwrap().data);
    tear_leaf(&mut bytes, &pst, nid);
    let left = only(&repaired(bytes));
    assert_eq!((left.nid, &left.folder, &left.subject), (whole.nid, &whole.folder, &whole.subject));
    assert_eq!((&left.to, &left.bodies.text, &left.bodies.html), (&whole.to, &whole.bodies.text, &whole.bodies.html));
    assert_eq!(contents(&left), contents(&whole));
}

/// Of an attachment its name, method, data and the message in it.
type Contents<'i> = (Option<&'i str>, i32, Option<&'i str>, Option<&'i str>);

fn contents(item: &Item) -> Vec<Contents<'_>> {
    item.attachments
        .iter()
        .map(|a| (a.name.as_deref(), a.method, a.sha256.as_deref(), a.embedded.as_ref().map(|e| e.content_sha256.as_str())))
        .collect()
}

#[test]
fn an_attachment_without_properties_keeps_its_data() {
    let (bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let whole = only(&pst);
    let node = pst.ndb().node(nid).unwrap();
    let attachments: Vec<_> =
        node.subnodes(&mut Ignore).unwrap().iter().filter(|e| e.nid.nid_type() == NidType::ATTACHMENT).copied().collect();
    assert_eq!(attachments.len(), 2);
    for (n, e) in attachments.iter().enumerate() {
        let mut bytes = bytes.clone();
        overwrite(&mut bytes, &pst, e.data);
        let left = only(&repaired(bytes));
        // the table of attachments has file names, and so no name for a message
        let mut expected = contents(&whole);
        expected[1].0 = expected[1].0.filter(|_| n == 0);
        assert_eq!(contents(&left), expected);
    }
}

#[test]
fn an_attachment_that_does_not_name_its_message_any_more_keeps_it() {
    let (mut bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let whole = only(&pst);
    let ndb = pst.ndb();
    let node = ndb.node(nid).unwrap();
    let subnodes = node.subnodes(&mut Ignore).unwrap();
    let e = subnodes.iter().filter(|e| e.nid.nid_type() == NidType::ATTACHMENT).nth(1).unwrap();
    let pc = PropertyContext::open(node.subnode(e.nid, &mut Ignore).unwrap().unwrap(), &mut Ignore).unwrap().unwrap();
    let item = ndb.layout().hid_index(Hid(pc.get(tags::ATTACH_DATA_OBJECT.id()).unwrap().value)) as usize;
    // in the page map, where the item ends that says which message it is
    let entry = ndb.find_block(e.data).unwrap();
    let block = &mut bytes[entry.ib.0 as usize..][..usize::from(entry.cb)];
    ndb.crypt().decode(block, e.data);
    let end = usize::from(le16(block, 0)) + 4 + 2 * item;
    block[end..end + 2].fill(0xFF);
    ndb.crypt().encode(block, e.data);
    assert_eq!(contents(&only(&repaired(bytes))), contents(&whole));
}

#[test]
fn a_piece_that_the_check_cannot_place_is_searched_all_the_same() {
    let (bytes, _) = store();
    let whole = only(&Pst::from_bytes(bytes.clone()).unwrap());
    // an odd number of bytes and all tree pages with them: nothing of the rest is where it was
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let first = pst.ndb().index().blocks().iter().map(|b| b.ib.0).min().unwrap() as usize;
    let mut piece = bytes[first - 3..].to_vec();
    for page in &pst.ndb().index().facts.pages {
        let at = page.bref.ib.0 as usize - (first - 3);
        piece[at..at + 512].fill(0);
    }
    let source: Arc<dyn ReadAt> = Arc::new(piece);
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let outcome = repair(&source, &target, &Policy::default(), &()).unwrap();
    assert_eq!(outcome.before.verdict, pstkit::check::Verdict::NotPst);
    assert!(outcome.after.is_healthy());
    assert_eq!(only(&Pst::from_bytes(memory.to_bytes()).unwrap()).content_sha256, whole.content_sha256);

    let noise: Arc<dyn ReadAt> = Arc::new(vec![b'x'; 100_000]);
    let e = repair(&noise, &target, &Policy::default(), &()).unwrap_err();
    assert!(matches!(e.kind(), pstkit::error::ErrorKind::NotPst(_)), "{e}");
}

#[test]
fn folders_whose_top_is_lost_stay_where_outlook_shows_them() {
    let (bytes, nid) = store();
    let pst = Pst::from_bytes(bytes).unwrap();
    let inbox = pst.ndb().index().node(nid).unwrap().parent;
    let without = |gone: &[Nid]| {
        let index = pst.ndb().index();
        let kept = index.nodes().iter().filter(|n| !gone.contains(&n.nid)).copied().collect();
        let index = Index::new(kept, index.blocks().to_vec(), index.facts.clone());
        let cut = Pst::from_ndb(pst.ndb().with_index(index));
        let memory = MemoryStorage::default();
        copy(&cut, &memory, &CopyOptions::same(&cut), &()).unwrap();
        only(&Pst::from_bytes(memory.into_bytes()).unwrap()).folder
    };
    let top = IPM_SUBTREE;
    assert_eq!(without(&[Nid::MESSAGE_STORE, top]), "Top of Outlook data file/Inbox");
    // nothing says whose the message is: still under what Outlook shows
    assert_eq!(without(&[Nid::MESSAGE_STORE, top, inbox]), "Top of Outlook data file/Lost and Found");
}

#[test]
fn recipients_are_kept_though_the_id_of_their_table_is_damaged() {
    let (mut bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let whole = only(&pst);
    let node = pst.ndb().node(nid).unwrap();
    let block = *pst.ndb().find_block(node.sub).unwrap();
    let data = &mut bytes[block.ib.0 as usize..][..usize::from(block.cb)];
    // ids stand in eight bytes each; a high bit of both tables' is set
    for table in [Nid::RECIPIENT_TABLE, Nid::ATTACHMENT_TABLE] {
        let at = (8..data.len()).step_by(24).find(|at| data[*at..*at + 4] == table.0.to_le_bytes()).unwrap();
        data[at + 3] |= 2;
    }
    let pst = repaired(bytes);
    let left = only(&pst);
    assert_eq!((left.to, left.attachments.len()), (whole.to, whole.attachments.len()));
    assert!(pst.check(&pstkit::check::CheckOptions::default(), &()).unwrap().is_healthy());
}

/// A store of which the node B-tree is gone, and the table that lists its one message.
fn without_places() -> (Vec<u8>, Pst, Nid) {
    let (mut bytes, nid) = store();
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let ndb = pst.ndb();
    for p in ndb.index().facts.pages.iter().filter(|p| p.page_type == PageType::NBT) {
        bytes[p.bref.ib.0 as usize..][..pst.layout().page_size].fill(0);
    }
    let folder = ndb.index().node(nid).unwrap().parent;
    let table = ndb.find_block(ndb.node(folder.with_type(NidType::CONTENTS_TABLE)).unwrap().data).unwrap();
    bytes[table.ib.0 as usize..][..table.size_on_disk(pst.layout()) as usize].fill(0x20);
    (bytes, pst, nid)
}

#[test]
fn of_what_no_tree_lists_the_account_says_where_it_comes_from() {
    let (bytes, pst, nid) = without_places();
    let whole = only(&pst);
    let source: Arc<dyn ReadAt> = Arc::new(bytes);
    let (repaired, rescued) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryStorage::default()));
    let (a, b): (Arc<dyn Storage>, Arc<dyn Storage>) = (repaired.clone(), rescued.clone());
    let outcome = repair(&source, &a, &Policy::default(), &()).unwrap();
    let rescue = pstkit::repair::rescue(&source, &b, &pstkit::repair::RescueOptions::default(), &()).unwrap();
    for (found, account, bytes) in
        [(&outcome.account.found, &outcome.account, repaired.to_bytes()), (&rescue.found, &rescue.account, rescued.to_bytes())]
    {
        let left = only(&Pst::from_bytes(bytes).unwrap());
        assert_eq!((&left.content_sha256, account.messages.recovered), (&whole.content_sha256, 1));
        let f = found.iter().find(|f| f.nid == left.nid).unwrap();
        assert_eq!(f.origin, pstkit::recover::Origin::Orphan);
        assert_eq!(f.block, pst.ndb().node(nid).unwrap().data.0);
    }
}

#[test]
fn what_recovering_cannot_bring_back_is_no_less_lost_than_to_a_repair() {
    let (mut bytes, pst, nid) = without_places();
    let block = pst.ndb().find_block(pst.ndb().node(nid).unwrap().data).unwrap();
    bytes[block.ib.0 as usize..][..block.size_on_disk(pst.layout()) as usize].fill(0x20);
    let source: Arc<dyn ReadAt> = Arc::new(bytes);
    let (a, b): (Arc<dyn Storage>, Arc<dyn Storage>) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryStorage::default()));
    assert!(repair(&source, &a, &Policy::default(), &()).unwrap().account.has_loss());
    assert!(pstkit::repair::rescue(&source, &b, &pstkit::repair::RescueOptions::default(), &()).unwrap().account.has_loss());
}
