//! Limits end an object, never a run: whatever is limited, every command goes on, and what it has not read is in the account.

use crate::corpus;
use pstkit::check::{CheckOptions, Level, Report, check};
use pstkit::export::items::{Item, Items};
use pstkit::format::layout::Variant;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::limits::Limits;
use pstkit::messaging::{OpenOptions, Pst, State};
use pstkit::recover;
use pstkit::repair::{Policy, repair};
use pstkit::rules;
use pstkit::testkit::{self, VARIETIES};
use pstkit::write::{AttachmentData, CopyOptions, IPM_SUBTREE, NewAttachment, NewMessage, PstWriter, StoreOptions, copy};
use std::collections::BTreeMap;
use std::sync::Arc;

type Source = Arc<dyn ReadAt>;
type Change = fn(&mut Limits);

/// Every limit by its name, set to 1.
fn each() -> Vec<(&'static str, Limits)> {
    let set: [(&str, Change); 8] = [
        ("tree_depth", |l| l.tree_depth = 1),
        ("subnode_depth", |l| l.subnode_depth = 1),
        ("embedded_depth", |l| l.embedded_depth = 1),
        ("folder_depth", |l| l.folder_depth = 1),
        ("value_bytes", |l| l.value_bytes = 1),
        ("inflated_bytes", |l| l.inflated_bytes = 1),
        ("table_rows", |l| l.table_rows = 1),
        ("problems", |l| l.problems = 1),
    ];
    set.into_iter()
        .map(|(name, change)| {
            let mut limits = Limits::default();
            change(&mut limits);
            (name, limits)
        })
        .collect()
}

fn read(pst: &Pst) -> BTreeMap<u32, Item> {
    Items::new(pst).map(|i| i.unwrap()).map(|i| (i.nid, i)).collect()
}

/// Every message is there as it was, or is said to be in part, or the run as a whole is said to be.
fn accounts(what: &str, whole: &BTreeMap<u32, Item>, found: &BTreeMap<u32, Item>, told: bool) {
    for (nid, item) in whole {
        match found.get(nid) {
            Some(f) => {
                assert!(f.content_sha256 == item.content_sha256 || f.state != State::Ok, "{what}: {nid:#x} differs and is called ok")
            }
            None => assert!(told, "{what}: {nid:#x} is gone without a word"),
        }
    }
}

fn healthy(report: &Report) -> bool {
    let items = &report.items;
    report.is_healthy() && [items.folders, items.messages, items.attachments].iter().all(|c| c.lost == 0 && c.partial == 0)
}

fn goes_on(name: &str, source: &Source) {
    let open = |limits| Pst::from_source(Arc::clone(source), &OpenOptions::new().limits(limits)).unwrap();
    let whole = read(&open(Limits::default()));
    for (limit, limits) in each() {
        let what = |command: &str| format!("{name}, {limit} 1, {command}");
        for level in [Level::Quick, Level::Default, Level::Deep] {
            check(Arc::clone(source), &CheckOptions::level(level).limits(limits), &()).unwrap_or_else(|e| panic!("{}: {e}", what("check")));
        }
        let report = check(Arc::clone(source), &CheckOptions::level(Level::Deep).limits(limits), &()).unwrap();
        let pst =
            Pst::from_source(Arc::clone(source), &OpenOptions::new().limits(limits)).unwrap_or_else(|e| panic!("{}: {e}", what("items")));
        let told = !healthy(&report);
        accounts(&what("items"), &whole, &read(&pst), told);
        let target = MemoryStorage::default();
        let copied = copy(&pst, &target, &CopyOptions::same(&pst), &()).unwrap_or_else(|e| panic!("{}: {e}", what("compact")));
        let after = Pst::from_source(Arc::new(target.to_bytes()), &OpenOptions::new()).unwrap();
        same_or_told(&what("compact"), &whole, &read(&after), told || !copied.is_whole());
        let options = recover::Options::default().limits(limits);
        let recovered = recover::open(Arc::clone(source), &options, &()).unwrap_or_else(|e| panic!("{}: {e}", what("recover")));
        accounts(&what("recover"), &whole, &read(&Pst::from_ndb(recovered.ndb)), told);
        let target: Arc<MemoryStorage> = Arc::default();
        let storage: Arc<dyn Storage> = target.clone();
        let policy = Policy::default().allow_loss(true).limits(limits);
        let outcome = repair(source, &storage, &policy, &()).unwrap_or_else(|e| panic!("{}: {e}", what("repair")));
        let after = Pst::from_source(Arc::new(target.to_bytes()), &OpenOptions::new()).unwrap();
        same_or_told(&what("repair"), &whole, &read(&after), outcome.exit_status() & !1 != 0);
    }
}

/// Contents are as they were, or the command has said that something is missing.
fn same_or_told(what: &str, whole: &BTreeMap<u32, Item>, found: &BTreeMap<u32, Item>, told: bool) {
    let same = whole.iter().all(|(nid, item)| found.get(nid).is_some_and(|f| f.content_sha256 == item.content_sha256));
    assert!(same || told, "{what}: contents differ without a word");
}

#[test]
fn every_limit_ends_an_object_and_never_a_run_over_stores_of_our_own() {
    for variety in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        let bytes = testkit::small(variety, 7).unwrap();
        goes_on(&variety.name(), &(Arc::new(bytes) as Source));
    }
}

#[test]
fn every_limit_ends_an_object_and_never_a_run_over_real_files() {
    for file in corpus::files().iter().filter(|f| ["msgInMsgInMsg.pst", "nonUnicodeCP932.pst"].iter().any(|n| f.file.ends_with(n))) {
        goes_on(&file.file, &(Arc::new(std::fs::read(&file.path).unwrap()) as Source));
    }
}

fn store(fill: &mut dyn FnMut(&mut PstWriter<'_>)) -> Vec<u8> {
    let memory = MemoryStorage::default();
    let options = StoreOptions::new(Variant::Unicode).seed(Some(1));
    let mut writer = PstWriter::create(&memory, options).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    memory.into_bytes()
}

#[test]
fn a_folder_with_a_name_of_any_length_ends_no_check_and_no_repair() {
    for len in [255, 256, 257, 300, 5_000, 40_000] {
        let name = "n".repeat(len);
        let bytes = store(&mut |w| {
            let folder = w.add_folder(IPM_SUBTREE, &name).unwrap();
            w.add_message(folder, NewMessage::note("subject", "text")).unwrap();
        });
        let source: Source = Arc::new(bytes);
        let report = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap();
        assert!(report.is_healthy(), "{len}: {}", report.summary());
        let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let outcome = repair(&source, &target, &Policy::default(), &()).unwrap();
        assert_eq!(outcome.exit_status(), 0, "{len}: {:?}", outcome.before.findings);
    }
}

#[test]
fn messages_in_messages_are_read_sixty_four_deep_and_no_deeper_and_that_is_told() {
    const DEEP: usize = 70;
    let bytes = store(&mut |w| {
        let folder = w.add_folder(IPM_SUBTREE, "In").unwrap();
        let mut inner = w.write_embedded(NewMessage::note("inmost", "text")).unwrap();
        for _ in 1..DEEP {
            let outer = NewMessage::note("outer", "text").attach(NewAttachment::new(AttachmentData::WrittenMessage(inner)));
            inner = w.write_embedded(outer).unwrap();
        }
        w.add_message(folder, NewMessage::note("top", "text").attach(NewAttachment::new(AttachmentData::WrittenMessage(inner)))).unwrap();
    });
    let source: Source = Arc::new(bytes);
    let pst = Pst::from_source(Arc::clone(&source), &OpenOptions::new()).unwrap();
    let item = read(&pst).into_values().next().unwrap();
    assert_eq!(item.state, State::Partial);
    let inside = |i: &Item| i.attachments.first().and_then(|a| a.embedded.clone());
    let (mut depth, mut at) = (0, inside(&item));
    while let Some(next) = at {
        depth += 1;
        at = inside(&next);
    }
    assert_eq!(depth, 64);
    let report = check(source, &CheckOptions::default(), &()).unwrap();
    assert!(report.findings.iter().any(|f| std::ptr::eq(f.rule, &rules::DATA_TREE_DEPTH)), "{}", report.summary());
    assert_eq!((report.items.messages.partial, report.exit_status(rules::Severity::Error) & 64), (1, 64));
}
