//! Files in which many objects name the same blocks: what there is to enter grows with the square of the file, or doubles with each level,
//! and nothing may cost more than the file's size justifies. Bytes are counted that are read, not time.

use crate::support::{Counting, store};
use pstkit::check::{CheckOptions, Level, Verdict, check};
use pstkit::export::items::Items;
use pstkit::finding::Ignore;
use pstkit::format::block::SlEntry;
use pstkit::format::ids::{Bid, Nid, NidType};
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::messaging::{Pst, State};
use pstkit::repair::{Policy, Target, repair};
use pstkit::write::{AttachmentData, CopyOptions, NdbWriter, NewAttachment, NewMessage, Node, SubNodes, copy};
use std::sync::Arc;

fn note() -> NewMessage {
    NewMessage::note("subject", "text")
}

fn with_subnodes(subnodes: SubNodes) -> NewMessage {
    let mut message = note();
    message.subnodes = subnodes;
    message
}

/// The same file with `n` more messages that are the first one's blocks.
fn shared(bytes: Vec<u8>, n: u32) -> Vec<u8> {
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let index = pst.ndb().index();
    let first = *index.nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap();
    let storage = MemoryStorage::new(bytes);
    let mut writer = NdbWriter::append(&storage, pst.header().clone(), pst.ndb().crypt(), index).unwrap();
    writer.keep_nodes(pst.ndb(), &|_| true, Ignore, &()).unwrap();
    for _ in 0..n {
        let nid = writer.next_nid(NidType::NORMAL_MESSAGE).unwrap();
        writer.add_node(nid, first.data, first.sub, first.parent).unwrap();
    }
    writer.finish().unwrap();
    storage.into_bytes()
}

/// The same file with a byte changed in the block that most is in, of those that hold data.
fn with_a_bad_block(mut bytes: Vec<u8>) -> Vec<u8> {
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let message = pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap().data;
    let blocks = pst.ndb().index().blocks().iter().filter(|b| !b.bid.is_internal() && b.bid < message);
    let bad = blocks.max_by_key(|b| (b.refs, b.cb)).unwrap().ib.0 as usize;
    bytes[bad + 50] ^= 0x55;
    bytes
}

/// Messages in messages, each there twice: two to the power of forty of them.
fn doubling() -> Vec<u8> {
    store(&mut |writer, folder| {
        let written = |m: pstkit::write::WrittenMessage| NewAttachment::new(AttachmentData::WrittenMessage(m));
        let mut inner = writer.write_embedded(note()).unwrap();
        for _ in 0..40 {
            let outer = note().attach(written(inner)).attach(written(inner));
            inner = writer.write_embedded(outer).unwrap();
        }
        writer.add_message(folder, note().attach(written(inner))).unwrap();
    })
}

/// Sub-nodes that nobody knows, each there twice in the one above.
fn doubling_subnodes() -> Vec<u8> {
    store(&mut |writer, folder| {
        let ndb = writer.ndb();
        let data = ndb.write_block(&[1; 100]).unwrap();
        let mut sub = Bid::NONE;
        for _ in 0..40 {
            let entry = |i: u32| SlEntry { nid: Nid(0x8000 + 32 * i + 0x0A), data, sub };
            sub = ndb.write_subnodes(&mut [entry(1), entry(2)]).unwrap();
        }
        let mut subnodes = SubNodes::new();
        subnodes.add(Nid(0x800A), Node { data, sub, bytes: 100 });
        writer.add_message(folder, with_subnodes(subnodes)).unwrap();
    })
}

fn many_attachments() -> Vec<u8> {
    let all = (0..150).fold(note(), |m, i| m.attach(NewAttachment::file(&format!("{i}"), vec![7; 100])));
    let mut all = Some(all);
    shared(
        store(&mut |writer, folder| {
            writer.add_message(folder, all.take().unwrap()).unwrap();
        }),
        200,
    )
}

fn large_attachment() -> Vec<u8> {
    shared(
        store(&mut |writer, folder| {
            writer.add_message(folder, note().attach(NewAttachment::file("large", vec![7; 2 << 20]))).unwrap();
        }),
        200,
    )
}

#[test]
fn what_many_objects_share_costs_no_more_than_the_file_justifies() {
    let cases = [doubling(), doubling_subnodes(), many_attachments(), large_attachment()];
    for (i, whole) in cases.into_iter().enumerate() {
        for bytes in [whole.clone(), with_a_bad_block(whole)] {
            let len = bytes.len() as u64;
            let source = Arc::new(Counting::new(bytes));
            let read = |what: &str| {
                let n = source.taken();
                assert!(n < 400 * len + (1 << 30), "{i}: {what} reads {n} bytes of a file of {len}");
            };
            let plain: Arc<dyn ReadAt> = source.clone();
            for level in [Level::Default, Level::Deep] {
                check(plain.clone(), &CheckOptions::level(level), &()).unwrap();
                read("a check");
            }
            let pst = Pst::from_source(plain.clone(), &Default::default()).unwrap();
            assert!(Items::new(&pst).all(|item| item.is_ok()));
            read("a list of items");
            let target = Arc::new(MemoryStorage::default());
            copy(&pst, target.as_ref(), &CopyOptions::same(&pst), &()).unwrap();
            read("a copy");
            assert!(target.len() < 400 * len, "{i}: a copy has {} bytes", target.len());
            let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            let outcome = repair(&plain, &target, &Policy::default(), &()).unwrap();
            read("a repair");
            assert!(outcome.after.is_healthy(), "{i}: {} {:?}", outcome.after.summary(), outcome.after.findings);
            assert!(target.len() < 400 * len, "{i}: the result has {} bytes", target.len());
        }
    }
}

/// Copies that share their blocks are as Outlook makes them: all of each is there, and stays there.
#[test]
fn copies_that_share_blocks_are_whole() {
    let bytes = large_attachment();
    let len = bytes.len() as u64;
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let items: Vec<_> = Items::new(&pst).map(Result::unwrap).collect();
    assert!(items.len() == 201 && items.iter().all(|i| i.state == State::Ok));
    assert!(items.iter().all(|i| i.content_sha256 == items[0].content_sha256 && i.attachments[0].size == Some(2 << 20)));
    let target = MemoryStorage::default();
    let report = copy(&pst, &target, &CopyOptions::same(&pst), &()).unwrap();
    assert!(report.is_whole() && target.len() < 2 * len, "{} bytes", target.len());
    let copied = Arc::new(target.into_bytes());
    let after = check(copied.clone(), &CheckOptions::level(Level::Deep), &()).unwrap();
    assert!(after.is_healthy(), "{}", after.summary());
    let again: Vec<_> = Items::new(&Pst::from_source(copied, &Default::default()).unwrap()).map(Result::unwrap).collect();
    assert!(again.iter().zip(&items).all(|(a, b)| a.content_sha256 == b.content_sha256));
}

/// What is not entered is told.
#[test]
fn what_is_not_entered_is_told() {
    let bytes = doubling();
    let report = check(Arc::new(bytes.clone()), &CheckOptions::default(), &()).unwrap();
    assert_eq!(report.verdict, Verdict::Errors);
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let item = Items::new(&pst).next().unwrap().unwrap();
    assert_eq!(item.state, State::Partial);
    let plan = report.plan(&Policy::default());
    let target = Arc::new(MemoryStorage::default());
    let outcome = plan.apply(Target::NewFile { source: Arc::new(bytes), target }, &()).unwrap();
    assert!(outcome.account.attachments.lost > 0 && outcome.exit_status() & 64 != 0);
}
