//! Written stores against everything that reads: the check, the readers.

use pstkit::check::{CheckOptions, Report, Verdict, check};
use pstkit::io::MemoryStorage;
use pstkit::testkit::{MailShape, VARIETIES, mail, small};
use std::sync::Arc;

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
