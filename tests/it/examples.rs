//! The programs under `examples/`, each on a healthy file and on broken ones.

use pstkit::testkit::{VARIETIES, small};
use std::path::{Path, PathBuf};

#[path = "../../examples/check_in_ci.rs"]
mod check_in_ci;
#[path = "../../examples/create_store.rs"]
mod create_store;
#[cfg(feature = "export")]
#[path = "../../examples/export_message.rs"]
mod export_message;
#[path = "../../examples/list_mail.rs"]
mod list_mail;
#[path = "../../examples/named_properties.rs"]
mod named_properties;
#[path = "../../examples/read_from_anywhere.rs"]
mod read_from_anywhere;
#[path = "../../examples/repair_with_progress.rs"]
mod repair_with_progress;
#[path = "../../examples/save_attachments.rs"]
mod save_attachments;

/// A healthy file, one without a header, and one with a flipped bit in a large attachment.
fn files(dir: &Path) -> [PathBuf; 3] {
    let healthy = small(VARIETIES[0], 9).unwrap();
    let (mut headless, mut flipped) = (healthy.clone(), healthy.clone());
    headless[..512].fill(0);
    let (_, _, at) = crate::front::large_attachment(&pstkit::Pst::from_bytes(healthy.clone()).unwrap());
    flipped[at] ^= 1;
    [("healthy", healthy), ("headless", headless), ("flipped", flipped)].map(|(name, bytes)| {
        let path = dir.join(format!("{name}.pst"));
        std::fs::write(&path, bytes).unwrap();
        path
    })
}

fn said(run: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    run(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn mail_is_listed_and_what_is_damaged_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let [healthy, headless, flipped] = files(dir.path()).map(|f| said(|out| list_mail::run(&f, out).unwrap()));
    assert!(healthy.lines().count() > 20 && !healthy.contains("damaged"), "{healthy}");
    let (first, rest) = headless.split_once('\n').unwrap();
    assert!(first.contains("search of the whole file") && rest == healthy, "{headless}");
    let named: Vec<&str> = flipped.lines().filter(|l| l.contains("damaged:")).collect();
    assert!(matches!(named[..], [one] if one.contains("attachment \"") && one.contains("bytes damaged")), "{named:?}");
    assert_eq!(flipped.lines().count(), healthy.lines().count() + 1);
}

#[test]
fn attachments_are_saved_and_a_damaged_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let saved = files(dir.path()).map(|f| {
        let to = f.with_extension("out");
        std::fs::create_dir(&to).unwrap();
        said(|out| save_attachments::run(&f, &to, out).unwrap())
    });
    let [healthy, headless, flipped] = saved;
    assert!(healthy.lines().count() > 2 && healthy == headless && !healthy.contains("damaged"), "{healthy}\n{headless}");
    assert_eq!(flipped.lines().filter(|l| l.contains("damaged data")).count(), 1, "{flipped}");
}

#[test]
fn a_check_in_ci_passes_a_healthy_file_and_fails_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let [healthy, headless, flipped] = files(dir.path()).map(|f| check_in_ci::run(&f, &[], &mut Vec::new()).unwrap());
    assert!(healthy && !headless && !flipped);
}

#[test]
fn a_repair_does_what_was_predicted_and_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let [healthy, headless, flipped] = files(dir.path());
    for file in [healthy, headless.clone(), flipped] {
        let out = said(|out| drop(repair_with_progress::run(&file, &file.with_extension("new"), &Default::default(), out).unwrap()));
        assert!(out.contains("after: clean") || out.contains("after: minor"), "{out}");
    }
    let stop = repair_with_progress::Watch { stop: true.into() };
    let to = dir.path().join("never.pst");
    assert!(repair_with_progress::run(&headless, &to, &stop, &mut Vec::new()).is_err() && !to.exists());
}

#[test]
fn a_file_is_read_from_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    for file in files(dir.path()) {
        let out = said(|out| read_from_anywhere::run(&file, out).unwrap());
        let counts: Vec<&str> = out.lines().filter_map(|l| l.split_once(": ")).map(|(_, n)| n).collect();
        assert!(counts.len() == 3 && counts.iter().all(|n| *n == counts[0] && !n.contains(" 0 messages")), "{out}");
    }
}

#[test]
fn named_properties_have_names_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let [healthy, headless, _] = files(dir.path()).map(|f| said(|out| named_properties::run(&f, out).unwrap()));
    assert!(!healthy.is_empty() && healthy == headless, "{healthy}\n{headless}");
}

#[cfg(feature = "export")]
#[test]
fn a_message_is_exported_with_all_that_is_left_of_a_damaged_attachment() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let (nid, _, _) = crate::front::large_attachment(&pstkit::Pst::open(&files[0]).unwrap());
    let exported = files.map(|f| {
        let mut mail = Vec::new();
        let out = said(|out| export_message::run(&f, nid, &mut mail, out).unwrap());
        (mail, out)
    });
    let [(healthy, said_healthy), (headless, _), (flipped, said_flipped)] = exported;
    assert!(healthy == headless && said_healthy.contains(" ok") && !said_healthy.contains("damaged"), "{said_healthy}");
    assert!(flipped.len() == healthy.len() && flipped != healthy, "{} of {} bytes", flipped.len(), healthy.len());
    assert!(said_flipped.contains(" partial") && said_flipped.contains("damaged: attachment"), "{said_flipped}");
}

#[test]
fn a_created_store_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.pst");
    assert_eq!(said(|out| create_store::run(&file, out).unwrap()), "1 messages\n");
    assert!(check_in_ci::run(&file, &[], &mut Vec::new()).unwrap());
}

#[test]
fn each_example_is_below_sixty_lines() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 60 || path.ends_with("generate.rs"), "{}: {lines} lines", path.display());
    }
}
