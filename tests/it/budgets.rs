//! What objects share is counted once: names, tables and messages that a hostile file repeats cost what is in the file, not what it says;
//! what is promised and not there is lost for every reader; and no healthy file meets a budget.

use crate::corpus;
use crate::support::{Counting, store};
use pstkit::check::{CheckOptions, Report, check};
use pstkit::export::items::Items;
use pstkit::finding::Ignore;
use pstkit::format::ids::{Nid, NidType};
use pstkit::format::tags;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::limits::Limits;
use pstkit::messaging::RecipientType;
use pstkit::messaging::{OpenOptions, Pst, State};
use pstkit::repair::RescueOptions;
use pstkit::repair::{Policy, repair, rescue};
use pstkit::rules;
use pstkit::write::{CopyOptions, CopyReport, NdbWriter, NewMessage, NewRecipient, Props, SubNodes, copy};
use std::sync::Arc;

/// The same file without some nodes and with what is added.
fn changed(bytes: Vec<u8>, keep: &dyn Fn(Nid) -> bool, add: &mut dyn FnMut(&mut NdbWriter<'_>, &Pst)) -> Vec<u8> {
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let storage = MemoryStorage::new(bytes);
    let mut writer = NdbWriter::append(&storage, pst.header().clone(), pst.ndb().crypt(), pst.ndb().index()).unwrap();
    writer.keep_nodes(pst.ndb(), &|n| keep(n.nid), Ignore, &()).unwrap();
    add(&mut writer, &pst);
    writer.finish().unwrap();
    storage.into_bytes()
}

fn folder_of(pst: &Pst) -> Nid {
    pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap().parent
}

fn mail(n: u32) -> Vec<u8> {
    store(&mut |w, folder| {
        for i in 0..n {
            w.add_message(folder, NewMessage::note(&format!("subject {i}"), "text")).unwrap();
        }
    })
}

/// Names that all point at one long text.
fn names(n: u32) -> Vec<u8> {
    changed(mail(3), &|nid| nid != Nid::NAME_TO_ID_MAP, &mut |w, _| {
        let text: Vec<u8> = "x".repeat(30_000).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let entries: Vec<u8> = (0..n).flat_map(|i| [[0; 4], [3, 0, i as u8, (i >> 8) as u8]].concat()).collect();
        let mut props = Props::new();
        props.set_i32(tags::NAME_BUCKET_COUNT, 251).set(tags::NAME_STREAM_GUID, vec![1; 16]).set(tags::NAME_STREAM_ENTRY, entries);
        props.set(tags::NAME_STREAM_STRING, [(text.len() as u32).to_le_bytes().to_vec(), text].concat());
        let node = w.write_properties(&props, SubNodes::new()).unwrap();
        w.add_node(Nid::NAME_TO_ID_MAP, node.data, node.sub, Nid::NONE).unwrap();
    })
}

/// Messages that are the first one's blocks, or have its recipients.
fn messages(n: u32) -> Vec<u8> {
    let bytes = store(&mut |w, folder| {
        let mut m = NewMessage::note("subject", "text");
        m.recipients = (0..500).map(|i| NewRecipient::new(RecipientType::To, &format!("name {i}"), "a@example.org")).collect();
        w.add_message(folder, m).unwrap();
    });
    changed(bytes, &|_| true, &mut |w, pst| {
        let first = *pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap();
        for i in 0..n {
            let nid = w.next_nid(NidType::NORMAL_MESSAGE).unwrap();
            let own = pst.ndb().node(first.nid).unwrap().data(&mut Ignore).unwrap().read_all(pst.ndb(), 1 << 20, &mut Ignore).unwrap();
            let data = if i % 2 == 0 { first.data } else { w.write_block(&own).unwrap() };
            w.add_node(nid, data, first.sub, first.parent).unwrap();
        }
    })
}

#[test]
fn what_names_share_stays_shared_in_every_copy() {
    for (what, bytes) in [("names", names(20_000))] {
        let pst = Pst::from_bytes(bytes.clone()).unwrap();
        let most = 4 * pst.ndb().content().bytes + 20_000_000;
        let source: Arc<dyn ReadAt> = Arc::new(bytes);
        let report = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap();
        let reports: u64 = report.counts.iter().map(|c| c.listed + c.omitted).sum();
        assert!(reports < 4000, "{what}: {reports} findings");
        let target = MemoryStorage::default();
        copy(&pst, &target, &CopyOptions::same(&pst), &()).unwrap();
        assert!(target.len() < most, "{what}: a copy of {} bytes, at most {most}", target.len());
        for command in ["repair", "recover"] {
            let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            let after = match command {
                "repair" => repair(&source, &target, &Policy::default(), &()).unwrap().after,
                _ => rescue(&source, &target, &RescueOptions::default(), &()).unwrap().after,
            };
            assert!(target.len() < most, "{what}: {command}: {} bytes, at most {most}", target.len());
            assert!(after.is_healthy(), "{what}: {command}: {}", after.summary());
        }
    }
}

#[test]
fn a_budget_that_is_used_up_ends_the_copying_and_all_that_is_left_out_is_counted() {
    let bytes = messages(4);
    let mut limits = Limits::default();
    limits.repeats = 0;
    let pst = Pst::from_source(Arc::new(many(&bytes)), &OpenOptions::new().limits(limits)).unwrap();
    let target = MemoryStorage::default();
    let report = copy(&pst, &target, &CopyOptions::same(&pst), &()).unwrap();
    let messages = report.messages;
    assert!(messages.lost > 0 && messages.expected == messages.ok + messages.partial + messages.lost, "{messages:?}");
    assert!(report.problems.iter().any(|f| std::ptr::eq(f.rule, &rules::LIMIT)) && !report.is_whole());
    let free = Pst::from_source(Arc::new(many(&bytes)), &OpenOptions::new().limits(Limits::default().without_budgets())).unwrap();
    assert!(copy(&free, &MemoryStorage::default(), &CopyOptions::same(&free), &()).unwrap().is_whole());
}

/// The same file with more messages.
fn many(bytes: &[u8]) -> Vec<u8> {
    changed(bytes.to_vec(), &|_| true, &mut |w, pst| {
        let first = *pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap();
        for i in 0..50u32 {
            let mut props = Props::new();
            props.set_str(tags::MESSAGE_CLASS, "IPM.Note").set_str(tags::SUBJECT, &format!("{i}")).set(tags::HTML, vec![b'x'; 150_000]);
            let node = w.write_properties(&props, SubNodes::new()).unwrap();
            let nid = w.next_nid(NidType::NORMAL_MESSAGE).unwrap();
            w.add_node(nid, node.data, node.sub, first.parent).unwrap();
        }
    })
}

fn copied(pst: &Pst) -> CopyReport {
    copy(pst, &MemoryStorage::default(), &CopyOptions::same(pst), &()).unwrap()
}

#[test]
fn what_a_table_or_a_count_promises_and_no_node_gives_is_lost_for_every_reader() {
    let is_message = |nid: Nid| nid.nid_type() == NidType::NORMAL_MESSAGE;
    let rows = changed(mail(6), &|nid| !is_message(nid), &mut |_, _| ());
    let folder = folder_of(&Pst::from_bytes(mail(6)).unwrap());
    let counts = changed(mail(6), &|nid| !is_message(nid) && nid != folder.with_type(NidType::CONTENTS_TABLE), &mut |_, _| ());
    for (what, bytes) in [("rows", rows), ("a count", counts)] {
        let pst = Pst::from_bytes(bytes.clone()).unwrap();
        assert_eq!(pst.missing().messages, 6, "{what}");
        assert_eq!((copied(&pst).messages.lost, copied(&pst).is_whole()), (6, false), "{what}");
        let report: Report = check(Arc::new(bytes), &CheckOptions::default(), &()).unwrap();
        assert_eq!(report.items.messages.lost, 6, "{what}: {}", report.summary());
    }
    let folders = changed(mail(6), &|nid| nid != folder, &mut |_, _| ());
    assert_eq!(Pst::from_bytes(folders).unwrap().missing().folders, 1);
    assert!(Pst::from_bytes(mail(6)).unwrap().missing().is_empty());
}

#[test]
fn no_healthy_file_meets_a_budget_or_misses_anything() {
    for file in corpus::files() {
        let Ok(bytes) = std::fs::read(&file.path) else { continue };
        if bytes.len() > 3 << 20 {
            continue;
        }
        let source: Arc<dyn ReadAt> = Arc::new(bytes);
        let report = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap();
        let Ok(pst) = Pst::from_source(source, &OpenOptions::new()) else { continue };
        if report.exit_status(rules::Severity::Error) != 0 {
            continue;
        }
        assert!(pst.missing().is_empty(), "{}: {:?}", file.file, pst.missing());
        let is_limit = |f: &pstkit::finding::Finding| std::ptr::eq(f.rule, &rules::LIMIT);
        assert!(!report.findings.iter().any(is_limit), "{}", file.file);
        assert!(!copied(&pst).problems.iter().any(is_limit), "{}", file.file);
        for item in Items::new(&pst) {
            let item = item.unwrap();
            assert!(item.state == State::Ok || !item.problems.iter().any(|p| p.contains("PST-D022")), "{}: {:?}", file.file, item.problems);
        }
    }
}

/// Messages whose rows many folders share.
const MANY: u32 = 3000;

/// A folder with messages that are gone, and `n` more folders whose table is its table.
fn folders_with_one_table(n: u32) -> Vec<u8> {
    let mail = changed(mail(MANY), &|nid| nid.nid_type() != NidType::NORMAL_MESSAGE, &mut |_, _| {});
    changed(mail, &|_| true, &mut |w, pst| {
        let of = |nid: Nid| *pst.ndb().index().node(nid).unwrap();
        let folder =
            pst.folders().map(|f| f.nid()).find(|nid| pst.folder(*nid).unwrap().stated_count().unwrap() == Some(MANY as i32)).unwrap();
        for _ in 0..n {
            let nid = w.next_nid(NidType::NORMAL_FOLDER).unwrap();
            let [own, lists, contents, associated] =
                [NidType::NORMAL_FOLDER, NidType::HIERARCHY_TABLE, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE]
                    .map(|t| of(folder.with_type(t)));
            w.add_node(nid, own.data, own.sub, own.parent).unwrap();
            for table in [lists, contents, associated] {
                w.add_node(nid.with_type(table.nid.nid_type()), table.data, table.sub, Nid::NONE).unwrap();
            }
        }
    })
}

#[test]
fn a_table_that_many_folders_name_is_read_a_few_times_and_what_it_lists_is_lost_once() {
    // 220 folders name more than 300 KB of rows: without a budget, that is 66 MB in each of the passes over tables, and some twenty times
    // the file; a repair has some twenty-five such passes
    let mut few = Vec::new();
    for n in [20, 220] {
        let bytes = folders_with_one_table(n);
        let size = bytes.len() as u64;
        assert_eq!(Pst::from_bytes(bytes.clone()).unwrap().missing().messages, u64::from(MANY));
        for command in ["check", "repair", "recover"] {
            let counting = Arc::new(Counting::new(bytes.clone()));
            let source: Arc<dyn ReadAt> = counting.clone();
            let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
            // their blocks are still there: the check counts them as lost, the others bring them back, and none twice
            let count = |c: pstkit::repair::Count| (c.lost, c.ok + c.partial);
            let found = match command {
                "check" => count(check(source, &CheckOptions::default().threads(1), &()).unwrap().items.messages.into()),
                "repair" => count(repair(&source, &target, &Policy::default().threads(1), &()).unwrap().account.messages),
                _ => count(rescue(&source, &target, &RescueOptions::default(), &()).unwrap().account.messages),
            };
            assert_eq!(found, if command == "check" { (u64::from(MANY), 0) } else { (0, u64::from(MANY)) }, "{command}, {n} folders");
            let read = counting.bytes_read();
            match few.iter().find(|(c, _)| *c == command) {
                None => few.push((command, read)),
                Some((_, before)) => {
                    assert!(read - before < 100 * size, "{command}: {read} bytes of a file of {size}, {before} with few folders")
                }
            }
        }
    }
}
