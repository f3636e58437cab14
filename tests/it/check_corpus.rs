//! The check on real files.

use crate::corpus;
use pstkit::check::{CheckOptions, Report, Verdict, check};
use pstkit::rules::Severity;
use std::path::Path;
use std::sync::Arc;

pub fn report(path: &Path, options: &CheckOptions) -> Report {
    check(Arc::new(std::fs::read(path).unwrap()), options, &()).unwrap()
}

#[test]
fn files_that_outlook_wrote_are_healthy() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let r = report(&f.path, &CheckOptions::default());
        println!("{} [{}] {}", f.file, f.writer, r.summary());
        for x in r.findings.iter().take(12) {
            println!("    {x}");
        }
        if f.writer == "outlook" {
            assert!(matches!(r.verdict, Verdict::Clean | Verdict::Minor), "{}: {}", f.file, r.findings[0]);
            assert_eq!(r.count(Severity::Error) + r.count(Severity::Warning), 0, "{}", f.file);
        }
    }
}
