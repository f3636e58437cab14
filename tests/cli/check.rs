//! `check`: verdicts, formats, statuses.

use crate::support::{empty_store, file, pstkit, real};

/// The smallest real file with a bit of a block changed, and the block's id.
fn damaged() -> Option<(tempfile::TempDir, std::path::PathBuf)> {
    let path = empty_store()?;
    let mut bytes = std::fs::read(path).unwrap();
    // the store object's block: see `pstkit show … 0x21`
    bytes[0x5D40 + 100] ^= 1;
    Some(file("damaged.pst", &bytes))
}

#[test]
fn a_healthy_file_is_clean_with_status_0_at_every_level() {
    let Some(path) = empty_store() else { return };
    let path = path.to_str().unwrap();
    for level in [None, Some("--quick"), Some("--deep")] {
        let args: Vec<&str> = ["check", path].into_iter().chain(level).collect();
        let run = pstkit(&args);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
        assert!(run.out.contains("\nverdict: clean") || run.out.contains("\nverdict: minor"), "{run:?}");
        let v = pstkit(args.iter().chain(&["--json"])).json();
        assert_eq!((v["schema"].as_str(), v["exit"].as_u64()), (Some("pstkit-report/2"), Some(0)));
        assert_eq!(v["source"]["path"].as_str(), Some(path));
    }
}

#[test]
fn a_damaged_file_is_told_in_every_format() {
    let Some((_dir, path)) = damaged() else { return };
    let path = path.to_str().unwrap();
    let run = pstkit(["check", path]);
    assert_eq!(run.status & 4, 4, "{run:?}");
    for words in ["error PST-D001 block-crc", "@0x5d40", "Repair:", "\nverdict: errors", "pstkit repair -n"] {
        assert!(run.out.contains(words), "no {words} in\n{}", run.out);
    }
    let v = pstkit(["check", "--json", path]).json();
    let crc = v["findings"].as_array().unwrap().iter().find(|f| f["code"] == "PST-D001").unwrap();
    assert_eq!((crc["at"]["offset"].as_u64(), crc["severity"].as_str()), (Some(0x5D40), Some("error")));
    let lines = pstkit(["check", "--jsonl", path]).lines();
    let summary = lines.last().unwrap();
    assert_eq!(summary["event"], "summary");
    // the last line counts what the lines before it have told
    for field in ["totals", "counts", "items", "verdict", "summary", "exit"] {
        assert_eq!(summary[field], v[field], "{field}");
    }
    assert!(summary["findings"].is_null() && summary["totals"]["error"].as_u64() > Some(0), "{summary}");
    assert_eq!(lines.len(), v["findings"].as_array().unwrap().len() + 1);
    assert!(lines.iter().all(|l| l["file"].as_str() == Some(path)));
    let scanpst = pstkit(["check", "--format", "scanpst", path]);
    assert!(scanpst.out.contains("!!Invalid block (bid=108, ib=23872, cb=294, cRef=2):\n    CRC mismatch (read "), "{}", scanpst.out);
    let quiet = pstkit(["check", "-q", path]);
    assert_eq!(quiet.out.lines().count(), 1, "{}", quiet.out);
}

#[test]
fn severities_and_the_failing_one_can_be_chosen() {
    let Some((_dir, path)) = damaged() else { return };
    let path = path.to_str().unwrap();
    assert_eq!(pstkit(["check", "--fail-on", "fatal", path]).status & 4, 0);
    let v = pstkit(["check", "--severity", "block-crc=info", "--json", path]).json();
    assert!(v["findings"].as_array().unwrap().iter().all(|f| f["code"] != "PST-D001" || f["severity"] == "info"), "{v}");
    for wrong in [["--fail-on", "bad"], ["--severity", "PST-D001"], ["--severity", "PST-D001=bad"], ["--severity", "PST-Z1=info"]] {
        assert_eq!(pstkit(["check", wrong[0], wrong[1], path]).status, 16, "{wrong:?}");
    }
}

#[test]
fn several_files_get_a_line_each_and_a_bad_one_stops_nothing() {
    let (Some(healthy), Some((_dir, broken))) = (empty_store(), damaged()) else { return };
    let (_dir2, text) = file("x.pst", b"no mail");
    let files = [healthy.to_str().unwrap(), text.to_str().unwrap(), "/nowhere/y.pst", broken.to_str().unwrap()];
    let run = pstkit(std::iter::once("check").chain(files));
    assert_eq!(run.status & (4 | 8), 4 | 8, "{run:?}");
    assert_eq!(run.out.lines().count(), 3, "{run:?}");
    assert!(run.out.contains(": not-pst") && run.err.contains("too short") && run.err.contains("no such file"), "{run:?}");
    let v = pstkit(["check", "--json"].into_iter().chain(files)).json();
    assert_eq!(v["reports"].as_array().unwrap().len(), 3);
    assert!(v["failed"][0]["file"] == "/nowhere/y.pst" && v["failed"][0]["exit"] == 8, "{v}");
    let lines = pstkit(["check", "--jsonl"].into_iter().chain(files)).lines();
    assert!(lines.iter().any(|l| l["event"] == "failed" && l["file"] == "/nowhere/y.pst"), "{lines:?}");
}

#[test]
fn a_healthy_file_of_each_variant_has_no_errors() {
    for name in ["mooijtech__go-pst/32-bit.pst", "npm__pst-extractor/pstextractortest@outlook.com.ost", "apache__tika/testPST.pst"] {
        let Some(path) = real(name) else { return };
        let run = pstkit(["check", "--no-mmap", "--threads", "2", path.to_str().unwrap()]);
        assert_eq!(run.status, 0, "{run:?}");
    }
}

#[test]
fn what_follows_from_a_lost_header_is_said_to_follow_from_it() {
    let Some(path) = real("libyal__testdata/outlook.pst") else { return };
    let mut bytes = std::fs::read(path).unwrap();
    bytes[..65536].fill(0);
    let (_dir, path) = file("headless.pst", &bytes);
    let path = path.to_str().unwrap();
    let run = pstkit(["check", path]);
    assert!(run.out.contains("from PST-H001 (-v lists them)") && !run.out.contains("PST-H015"), "{}", run.out);
    assert!(pstkit(["check", "-v", path]).out.contains("PST-H015"));
    assert!(!run.out.contains("is 0x0, must be 0x0"), "{}", run.out);
    assert!(run.out.contains("cannot be counted"), "{}", run.out);
    let v = pstkit(["check", "--json", path]).json();
    let findings = v["findings"].as_array().unwrap();
    let first = findings.iter().position(|f| f["root"].is_null()).unwrap();
    assert_eq!(findings[first]["code"], "PST-H001");
    assert!(findings.iter().all(|f| f["root"].is_null() || f["root"].as_u64() == Some(first as u64)), "{v}");
}

#[test]
fn a_rule_is_explained_by_code_short_code_and_name() {
    for name in ["PST-B005", "b005", "refcount-mismatch"] {
        let run = pstkit(["explain", name]);
        assert_eq!(run.status, 0, "{run:?}");
        for words in ["PST-B005  refcount-mismatch", "meaning", "next", "repair -n", "[MS-PST] 2.2.2.7.7.3", "RBT"] {
            assert!(run.out.contains(words), "no {words} in {}", run.out);
        }
    }
    let all = pstkit(["explain", "--all", "--jsonl"]).lines();
    let rules = all.iter().filter(|row| row["code"].as_str().is_some_and(|code| code.starts_with("PST-")));
    assert_eq!(rules.count(), pstkit::rules::RULES.len());
    assert!(all.iter().any(|row| row["code"] == "E301"), "kinds of evidence are listed as well");
    for wrong in ["PST-B999", "5"] {
        let run = pstkit(["explain", wrong]);
        assert!(run.status == 16 && run.err.contains(wrong) && run.err.contains("--all"), "{run:?}");
    }
    assert_eq!(pstkit(["explain"]).status, 16);
}

#[test]
fn scanpst_wording_tells_the_trees_apart() {
    use pstkit::finding::Ignore;
    use pstkit::format::{header::Header, page::PageType};
    let Some(path) = real("libyal__testdata/outlook.pst") else { return };
    let bytes = std::fs::read(path).unwrap();
    let header = Header::decode(&bytes, &mut Ignore).unwrap();
    let ndb = pstkit::ndb::Ndb::new(std::sync::Arc::new(bytes.clone()), header, pstkit::limits::Limits::default());
    for (tree, word) in [(PageType::NBT, "NBT"), (PageType::BBT, "BBT")] {
        let page = ndb.index().pages(tree).find(|p| p.level == 0).unwrap().bref;
        let mut damaged = bytes.clone();
        damaged[page.ib.0 as usize..][..512].fill(0);
        let (_dir, path) = file("damaged.pst", &damaged);
        let out = pstkit(["check", "--format", "scanpst", path.to_str().unwrap()]).out;
        let line = format!("!!Invalid {word} page (bid={:X}, ib={}):\n    page type mismatch (read 0, expected ", page.bid.0, page.ib.0);
        let phase = format!("**Attempting to validate {word}\n");
        assert!(out.contains(&line), "no {line} in\n{out}");
        assert!(out.find(&phase) < out.find(&line), "{out}");
    }
}
