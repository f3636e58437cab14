//! Files that are no data files, and pieces of ones: told apart, named, status 8 or 4, never a panic.

use crate::support::{empty_store, file, lone_header, pstkit};

/// Every command that reads a file, with what else it needs.
const READERS: &[&[&str]] = &[&["info"], &["ls"], &["items"], &["check"], &["show", "header"]];

fn each_reader(path: &str, mut then: impl FnMut(&str, crate::support::Run)) {
    for words in READERS {
        let mut args = vec![words[0], path];
        args.extend(&words[1..]);
        then(words[0], pstkit(&args));
    }
}

#[test]
fn foreign_files_are_named_with_what_they_are() {
    let text = b"Dear reader,\r\nthis is no mail file.\r\n".repeat(40);
    let zeros = vec![0; 4096];
    let cases: &[(&str, &[u8], &str)] = &[
        ("mail.pst", b"", "empty"),
        ("mail.pst", b"!", "too short"),
        ("mail.pst", &text, "text file"),
        ("mail.pst", b"PK\x03\x04\x14\0\0\0", "ZIP"),
        ("note.msg", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", ".msg"),
        ("udetails.oab", b"\x20\0\0\0\x01\x02\x03\x04", "address book"),
        ("outlook.nk2", b"\x0D\xF0\xAD\xBA\0\0", "nickname"),
        ("spscoll.dat", b"\x01\x02\x03", "spscoll.dat"),
        ("~mail.pst.tmp", b"\x01\x02\x03", "temporary"),
        ("mail.pst", &zeros, "zero"),
        ("mail.pst", &b"!BDN"[..], "less than its header"),
        ("mail.pst", &lone_header()[..500], "less than its header"),
    ];
    for (name, bytes, word) in cases {
        let (_dir, path) = file(name, bytes);
        let path = path.to_str().unwrap();
        each_reader(path, |command, run| {
            assert_eq!(run.status, 8, "{command} {name}: {run:?}");
            assert!(run.err.contains(word) && run.err.contains(path), "{command} {name}: {run:?}");
            assert!(run.out.is_empty(), "{command} {name}: {run:?}");
        });
    }
}

#[test]
fn a_folder_and_a_missing_file_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("gone.pst");
    each_reader(dir.path().to_str().unwrap(), |_, run| {
        assert_eq!(run.status, 8);
        assert!(run.err.contains("a directory"), "{run:?}");
    });
    each_reader(missing.to_str().unwrap(), |_, run| {
        assert_eq!(run.status, 8);
        assert!(run.err.contains("no such file") && run.err.contains("gone.pst"), "{run:?}");
    });
}

#[test]
fn a_header_alone_is_read_as_far_as_it_goes() {
    let (_dir, path) = file("x.pst", &lone_header());
    let run = pstkit(["info", "--json", path.to_str().unwrap()]);
    assert_eq!(run.status, 4, "{run:?}");
    assert_eq!(run.json()["variant"], "unicode");
    assert!(run.err.contains("PST-"), "{run:?}");
}

#[test]
fn a_file_cut_at_any_page_is_read_as_far_as_it_goes() {
    let Some(path) = empty_store() else { return };
    let whole = std::fs::read(path).unwrap();
    for pages in (1..whole.len() / 512).step_by(23) {
        let (_dir, path) = file("cut.pst", &whole[..pages * 512]);
        let run = pstkit(["info", path.to_str().unwrap()]);
        // A part of the empty space at the end may be all that is missing: then everything can be read.
        assert!(if pages == 1 { run.status == 8 } else { matches!(run.status, 0 | 4) }, "{pages}: {run:?}");
        if run.status != 8 {
            assert!(run.out.contains("truncated"), "{pages}: {run:?}");
        }
    }
}

#[test]
fn a_lost_header_is_told_and_the_variant_found_by_the_maps() {
    let Some(path) = empty_store() else { return };
    let mut bytes = std::fs::read(path).unwrap();
    bytes[..564].fill(0);
    let (_dir, path) = file("lost.pst", &bytes);
    let run = pstkit(["info", "--json", path.to_str().unwrap()]);
    assert_eq!(run.status, 4, "{run:?}");
    assert_eq!((&run.json()["variant"], &run.json()["header_readable"]), (&"unicode".into(), &false.into()));
}
