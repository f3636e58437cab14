//! The check on real files.

use crate::corpus;
use pstkit::check::{CheckOptions, Level, Report, Verdict, check};
use pstkit::rules::Severity;
use std::path::Path;
use std::sync::Arc;

pub fn report(path: &Path, options: &CheckOptions) -> Report {
    check(Arc::new(std::fs::read(path).unwrap()), options, &()).unwrap()
}

#[test]
fn files_that_outlook_wrote_are_healthy() {
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.writer == "outlook") {
        let r = report(&f.path, &CheckOptions::default());
        assert!(r.is_healthy(), "{}: {}", f.file, r.summary());
        // a form that a healthy file has is a notice at most
        let worse = r.counts.iter().find(|c| c.severity >= Severity::Warning);
        assert!(worse.is_none(), "{}: {:?} {}", f.file, worse.map(|c| c.rule), r.summary());
        let items = [r.items.folders, r.items.messages, r.items.attachments];
        assert!(r.items.complete && items.iter().all(|i| i.ok == i.expected), "{}: {items:?}", f.file);
        assert_eq!(Some(r.items.folders.ok as usize), f.folders.zip(f.search_folders).map(|(a, b)| a + b), "{}", f.file);
        assert_eq!(Some(r.items.messages.ok as usize), f.messages.zip(f.associated).map(|(a, b)| a + b), "{}", f.file);
        assert_eq!(r.exit_status(Severity::Error), 0, "{}", f.file);
        // values and bodies, too
        let deep = report(&f.path, &CheckOptions::level(Level::Deep));
        assert!(deep.is_healthy() && deep.exit_status(Severity::Error) == 0, "{}: {}", f.file, deep.summary());
    }
}

/// Rules that files of other writers break, each time it was looked at a real violation; the bytes are those that the finding names.
const OTHERS: [(&str, &str); 8] = [
    ("SampleContacts.pst", "warning: H017 M002 M003"),
    ("AddingBulkMessagesWithImprovedPerformance.pst", ""),
    ("PersonalStorage.pst", "error: A004 P006 T004 warning: H005 F010"),
    ("Test_part1.pst", "warning: H017 P033 T009 T010 F004 M002 M003"),
    ("Backup_out.pst", "warning: H004 H017"),
    ("Personal folders_part4.pst", "warning: H017 P033"),
    ("MapiNoteToPST_out.pst", "warning: H017 M002"),
    ("sample.pst", ""),
];

#[test]
fn files_of_other_writers_break_the_rules_that_are_known() {
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.writer != "outlook") {
        let r = report(&f.path, &CheckOptions::default());
        let mut found = String::new();
        for (severity, name) in [(Severity::Error, "error:"), (Severity::Warning, "warning:")] {
            let codes: Vec<_> = r.counts.iter().filter(|c| c.severity == severity).map(|c| &c.rule.code[4..]).collect();
            if !codes.is_empty() {
                found.push_str(&format!(" {name} {}", codes.join(" ")));
            }
        }
        let expected = OTHERS.iter().find(|(name, _)| f.file.ends_with(name)).unwrap_or_else(|| panic!("{}", f.file)).1;
        assert_eq!(found.trim(), expected, "{}", f.file);
    }
}

#[test]
fn fragments_and_strangers_are_told_apart() {
    for f in corpus::files().iter().filter(|f| f.writer == "fragment") {
        let r = report(&f.path, &CheckOptions::default());
        assert!(matches!(r.verdict, Verdict::NotPst | Verdict::Fatal), "{}: {}", f.file, r.summary());
    }
    for bytes in [&b""[..], b"!BDN", b"PK\x03\x04 not a data file", &[0; 5000]] {
        let r = check(Arc::new(bytes.to_vec()), &CheckOptions::default(), &()).unwrap();
        assert!(matches!(r.verdict, Verdict::NotPst | Verdict::Fatal), "{bytes:?}");
        assert_ne!(r.exit_status(Severity::Error), 0);
    }
}

#[test]
fn a_report_does_not_depend_on_threads() {
    for f in corpus::files() {
        let one = report(&f.path, &CheckOptions::default());
        let four = report(&f.path, &CheckOptions::default().threads(4));
        assert_eq!(one.findings, four.findings, "{}", f.file);
        assert_eq!((one.items, one.verdict, one.counts), (four.items, four.verdict, four.counts), "{}", f.file);
    }
}

#[test]
fn the_list_of_findings_is_bounded_and_the_rest_is_counted() {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with("michelle_lokay_000_1_1_1_1.pst")) else { return };
    let all = report(&f.path, &CheckOptions::default());
    let few = report(&f.path, &CheckOptions::default().max_findings(5));
    assert_eq!(all.counts.len(), few.counts.len());
    for (a, b) in all.counts.iter().zip(&few.counts) {
        assert_eq!((a.rule.code, a.listed), (b.rule.code, b.listed + b.omitted));
        assert!(b.listed <= 5);
    }
    for severity in [Severity::Warning, Severity::Notice] {
        assert_eq!(all.count(severity), few.count(severity));
    }
}

#[test]
fn severities_can_be_changed() {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with("32-bit.pst")) else { return };
    let rule = pstkit::rules::Rule::find("eof-off-grid").unwrap();
    let r = report(&f.path, &CheckOptions::default().severity(rule, Severity::Error));
    assert_eq!((r.verdict, r.count(Severity::Error), r.exit_status(Severity::Error)), (Verdict::Errors, 1, 4));
}
