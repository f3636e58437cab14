//! Written stores against everything that reads: the check, the readers.

use crate::corpus;
use pstkit::Pst;
use pstkit::check::{CheckOptions, Report, Verdict, check};
use pstkit::export::items::Items;
use pstkit::format::layout::Variant;
use pstkit::io::{AtomicFile, Existing, MemoryStorage, ReadAt, Storage};
use pstkit::monitor::Monitor;
use pstkit::rules::Severity;
use pstkit::testkit::{MailShape, VARIETIES, mail, small, tiny};
use pstkit::write::{CopyOptions, CopyReport, copy};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub fn report(bytes: Vec<u8>) -> Report {
    check(Arc::new(bytes), &CheckOptions::default(), &()).unwrap()
}

fn assert_clean(what: &str, report: &Report) {
    let found: Vec<String> = report.findings.iter().take(20).map(ToString::to_string).collect();
    assert_eq!(report.verdict, Verdict::Clean, "{what}: {found:#?}");
}

#[test]
fn every_variety_checks_clean() {
    for v in VARIETIES {
        assert_clean(&v.name(), &report(small(v, 7).unwrap()));
    }
}

#[test]
fn large_tables_and_folders_check_clean() {
    for (v, messages, folders) in [(VARIETIES[0], 3000, 2), (VARIETIES[3], 3000, 2), (VARIETIES[6], 3000, 2), (VARIETIES[0], 400, 200)] {
        let memory = MemoryStorage::default();
        let shape = MailShape { variety: v, messages, folders, body: 300, attachment_every: 50, ..MailShape::default() };
        mail(&memory, &shape).unwrap();
        assert_clean(&v.name(), &report(memory.into_bytes()));
    }
}

#[test]
fn one_seed_makes_the_same_bytes() {
    let v = VARIETIES[0];
    let a = small(v, 3).unwrap();
    assert!(a == small(v, 3).unwrap());
    assert!(a != small(v, 4).unwrap());
}

/// Folders, class, digest and state of every item.
fn digests(pst: &Pst) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        Items::new(pst).map(|i| i.unwrap()).map(|i| (i.folder.clone(), i.content_sha256.clone())).collect();
    all.sort();
    all
}

fn copied(pst: &Pst, options: &CopyOptions) -> (Vec<u8>, CopyReport) {
    let memory = MemoryStorage::default();
    let report = copy(pst, &memory, options, &()).unwrap();
    (memory.into_bytes(), report)
}

#[test]
fn a_compacted_variety_holds_the_same_items_and_checks_clean() {
    for v in VARIETIES {
        let pst = Pst::from_bytes(small(v, 5).unwrap()).unwrap();
        let (bytes, report) = copied(&pst, &CopyOptions::same(&pst));
        assert!(report.is_whole() && report.dropped.is_empty(), "{}: {report:?}", v.name());
        assert_clean(&v.name(), &self::report(bytes.clone()));
        let back = Pst::from_bytes(bytes).unwrap();
        assert_eq!(digests(&pst), digests(&back), "{}", v.name());
    }
}

#[test]
fn every_variety_converts_to_every_variant() {
    for from in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        let pst = Pst::from_bytes(small(from, 6).unwrap()).unwrap();
        for to in [Variant::Ansi, Variant::Unicode, Variant::Unicode4k] {
            let (bytes, report) = copied(&pst, &CopyOptions::to(&pst, to));
            let what = format!("{} to {to}", from.name());
            assert!(report.is_whole() && report.dropped.is_empty(), "{what}: {report:?}");
            assert_clean(&what, &self::report(bytes.clone()));
            let back = Pst::from_bytes(bytes).unwrap();
            assert_eq!(digests(&pst), digests(&back), "{what}");
        }
    }
}

#[test]
fn real_files_compact_without_loss() {
    for file in corpus::files().into_iter().filter(corpus::Expected::is_whole) {
        let pst = Pst::open(&file.path).unwrap();
        let (bytes, report) = copied(&pst, &CopyOptions::same(&pst));
        let back = Pst::from_bytes(bytes.clone()).unwrap();
        if report.is_whole() {
            assert_eq!(digests(&pst), digests(&back), "{}", file.file);
        }
        // whatever is wrong with the copy was wrong with the source's own objects
        let rules = |r: &Report| {
            r.findings.iter().filter(|f| f.severity > Severity::Info).map(|f| f.rule.code).collect::<std::collections::BTreeSet<_>>()
        };
        let before = self::report(std::fs::read(&file.path).unwrap());
        let after = self::report(bytes);
        let new: Vec<&str> = rules(&after).difference(&rules(&before)).copied().collect();
        let shown: Vec<String> = after.findings.iter().filter(|f| new.contains(&f.rule.code)).take(9).map(ToString::to_string).collect();
        assert!(new.is_empty(), "{}: {shown:#?}", file.file);
        assert!(after.verdict <= before.verdict.max(Verdict::Minor), "{}: {} to {}", file.file, before.verdict, after.verdict);
        println!("{} {} to {}, dropped {:?}", file.file, before.verdict, after.verdict, report.dropped);
    }
}

#[test]
fn real_files_convert_to_every_variant() {
    for file in corpus::files().into_iter().filter(corpus::Expected::is_whole) {
        let pst = Pst::open(&file.path).unwrap();
        for to in [Variant::Ansi, Variant::Unicode, Variant::Unicode4k] {
            let (bytes, report) = copied(&pst, &CopyOptions::to(&pst, to));
            let what = format!("{} to {to}", file.file);
            let back = Pst::from_bytes(bytes.clone()).unwrap();
            if report.is_whole() {
                assert_eq!(digests(&pst), digests(&back), "{what}");
            } else {
                assert!(report.texts_lossy > 0 && report.messages.lost + report.messages.partial == 0, "{what}: {report:?}");
                assert_eq!(digests(&pst).len(), digests(&back).len(), "{what}");
            }
            let after = self::report(bytes);
            let shown: Vec<String> =
                after.findings.iter().filter(|f| f.severity > Severity::Notice).take(9).map(ToString::to_string).collect();
            assert!(after.verdict <= Verdict::Minor, "{what}: {shown:#?}");
            println!("{what}: {}, {} texts lossy, dropped {:?}", after.verdict, report.texts_lossy, report.dropped);
        }
    }
}

/// A storage on which the n-th operation fails.
struct Failing<'a> {
    inner: &'a dyn Storage,
    left: AtomicU32,
}

impl Failing<'_> {
    fn step(&self) -> std::io::Result<()> {
        let failed = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
        if failed { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl ReadAt for Failing<'_> {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.inner.read_exact_at(buf, offset)
    }
}

impl Storage for Failing<'_> {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> std::io::Result<()> {
        self.step()?;
        self.inner.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.step()?;
        self.inner.set_len(len)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.step()?;
        self.inner.sync()
    }
}

/// Stops at the n-th question.
struct Stop(AtomicU32);

impl Monitor for Stop {
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err()
    }
}

#[test]
fn a_full_disk_or_a_cancellation_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pst");
    let pst = Pst::from_bytes(small(VARIETIES[0], 2).unwrap()).unwrap();
    let run = |writes: u32, steps: u32| {
        let file = AtomicFile::create(&path, Existing::Refuse).unwrap();
        let failing = Failing { inner: file.storage().unwrap(), left: AtomicU32::new(writes) };
        let result = copy(&pst, &failing, &CopyOptions::same(&pst), &Stop(AtomicU32::new(steps))).map(|_| ());
        match result {
            Ok(()) => file.commit(),
            Err(e) => {
                drop(file);
                Err(e)
            }
        }
    };
    let operations = (0..).find(|n| run(*n, u32::MAX).is_ok()).unwrap();
    assert!(operations >= 6, "{operations}");
    assert_clean("the one that ended", &report(std::fs::read(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    for n in 0..operations {
        assert!(run(n, u32::MAX).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "operation {n}");
    }
    for n in [0, 1, 20, 100] {
        assert!(run(u32::MAX, n).unwrap_err().is_cancelled());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "step {n}");
    }
}

#[test]
fn the_files_of_fixtures_are_what_the_generator_makes() {
    for v in [VARIETIES[0], VARIETIES[3]] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{}.pst", v.name()));
        let kept = std::fs::read(&path).unwrap();
        assert!(kept == tiny(v, 1).unwrap(), "{}: run the example `generate fixtures fixtures`, if this is meant", path.display());
        assert_clean(&v.name(), &report(kept));
    }
}
