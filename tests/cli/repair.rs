//! `repair`, `undo`, `recover`, `compact`, `convert`: what is written, and the statuses.

use crate::support::{file, made, pstkit, real};
use pstkit::testkit::{VARIETIES, Variety};
use std::collections::BTreeMap;
use std::path::Path;

/// A made store with both tree roots overwritten.
fn without_roots(variety: Variety) -> (tempfile::TempDir, std::path::PathBuf) {
    let mut bytes = pstkit::testkit::small(variety, 7).unwrap();
    let header = pstkit::format::header::Header::decode(&bytes, &mut Vec::new()).unwrap();
    for root in [header.root.nbt.ib.0, header.root.bbt.ib.0] {
        bytes[root as usize..root as usize + 512].fill(0xA5);
    }
    file("broken.pst", &bytes)
}

/// How often each digest is among a file's items.
fn digests(path: &Path) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for item in pstkit(["items", "--jsonl", path.to_str().unwrap()]).lines() {
        *out.entry(item["content_sha256"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    out
}

#[test]
fn a_plan_is_shown_and_nothing_written_unless_asked() {
    let (dir, path) = without_roots(VARIETIES[0]);
    let before = std::fs::read(&path).unwrap();
    let p = path.to_str().unwrap();
    let run = pstkit(["repair", p]);
    assert_eq!(run.status & !64, 4, "{run:?}");
    assert!(run.out.contains("plan:") && run.out.contains("Nothing was written"), "{}", run.out);
    let v = pstkit(["repair", "-n", "--json", p]).json();
    assert_eq!((v["schema"].as_str(), v["mode"].as_str()), (Some("pstkit-repair/1"), Some("plan")));
    assert!(!v["plan"]["actions"].as_array().unwrap().is_empty());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    for wrong in [&["-y"][..], &["-p"], &["-n", "-y"], &["-y", "--in-place", "-o", "x"], &["-y", "-o", p]] {
        assert_eq!(pstkit([&["repair", p], wrong].concat()).status, 16, "{wrong:?}");
    }
}

#[test]
fn a_file_without_roots_is_repaired_and_a_second_repair_changes_nothing() {
    for variety in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        let (dir, path) = without_roots(variety);
        let (_made, healthy) = made(variety);
        let before = std::fs::read(&path).unwrap();
        let out = dir.path().join("out.pst");
        let (p, o) = (path.to_str().unwrap(), out.to_str().unwrap());
        let run = pstkit(["repair", "-y", "--hash", "--json", p, "-o", o]);
        let v = run.json();
        assert_eq!((run.status, v["exit"].as_i64()), (1, Some(1)), "{}", v["after"]["findings"]);
        assert_eq!(v["sha256"]["before"], v["sha256"]["after"]);
        assert_eq!(v["after"]["verdict"], "clean");
        assert_eq!(std::fs::read(&path).unwrap(), before, "the source was touched");
        assert_eq!(digests(&out), digests(&healthy));
        assert_eq!(pstkit(["repair", "-y", p, "-o", o]).status, 16, "replaced without --force");
        assert_eq!(pstkit(["repair", "-y", p, "-o", o, "--force"]).status, 1);
        let again = dir.path().join("again.pst");
        assert_eq!(pstkit(["repair", "-y", o, "-o", again.to_str().unwrap()]).status, 0);
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&out).unwrap());
    }
}

#[test]
fn a_repair_in_place_can_be_undone_byte_for_byte() {
    let (dir, path) = without_roots(VARIETIES[0]);
    let before = std::fs::read(&path).unwrap();
    let p = path.to_str().unwrap();
    let run = pstkit(["repair", "-y", "--in-place", p]);
    assert_eq!(run.status, 1, "{run:?}");
    let undo = dir.path().join("broken.pst.undo");
    assert!(undo.exists() && run.out.contains("broken.pst.undo"));
    assert_eq!(pstkit(["check", p]).status, 0);
    assert_eq!(pstkit(["undo", undo.to_str().unwrap()]).status, 0);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!undo.exists());
    // with a name of its own for the undo file
    let other = dir.path().join("other");
    let o = other.to_str().unwrap();
    assert_eq!(pstkit(["repair", "-y", "--in-place", "--undo-file", o, p]).status, 1);
    assert_eq!(pstkit(["undo", o]).status, 16, "no file is named");
    assert_eq!(pstkit(["undo", p, p]).status, 16, "no undo file");
}

#[test]
fn loss_is_told_by_name_and_in_the_status() {
    let bytes = pstkit::testkit::small(VARIETIES[0], 7).unwrap();
    let pst = pstkit::Pst::from_bytes(bytes.clone()).unwrap();
    // the properties of a message are overwritten
    let node = pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == pstkit::NidType::NORMAL_MESSAGE).unwrap();
    let block = pst.ndb().index().block(node.data.masked()).unwrap();
    let mut broken = bytes.clone();
    broken[block.ib.0 as usize..block.ib.0 as usize + usize::from(block.cb)].fill(0x5A);
    let (dir, path) = file("loss.pst", &broken);
    let out = dir.path().join("out.pst");
    let run = pstkit(["repair", "-y", "--json", path.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    let v = run.json();
    assert_eq!(run.status, 65, "{}", v["account"]);
    let named = v["named"].as_array().unwrap();
    assert!(named.iter().any(|n| n["nid"].as_u64() == Some(node.nid.0.into())), "{named:?}");
    let messages = &v["account"]["messages"];
    assert_eq!(messages["expected"].as_u64(), ["ok", "partial", "lost"].iter().map(|k| messages[k].as_u64()).sum::<Option<u64>>());
    let lossless = dir.path().join("lossless.pst");
    let run = pstkit(["repair", "-p", path.to_str().unwrap(), "-o", lossless.to_str().unwrap()]);
    assert_eq!(run.status & 4, 4, "{run:?}");
}

#[test]
fn compact_and_convert_keep_every_item() {
    for from in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        let (dir, path) = made(from);
        let was = digests(&path);
        let copies: [(&str, Vec<&str>); 3] =
            [("compact", vec!["compact"]), ("unicode", vec!["convert", "--to", "unicode"]), ("ost4k", vec!["convert", "--to", "ost4k"])];
        for (name, args) in copies {
            let out = dir.path().join(name);
            let o = out.to_str().unwrap();
            let run = pstkit([&args[..], &[path.to_str().unwrap(), "-o", o]].concat());
            assert_eq!(run.status, 0, "{name} of {}: {run:?}", from.name());
            assert_eq!(pstkit(["check", "--json", o]).json()["verdict"], "clean");
            assert_eq!(digests(&out).values().sum::<usize>(), was.values().sum::<usize>());
            if name == "compact" {
                assert_eq!(digests(&out), was, "{}", from.name());
            }
        }
    }
}

#[test]
fn what_only_an_ost_has_is_told_first_and_can_be_saved() {
    let Some(path) = real("npm__pst-extractor/pstextractortest@outlook.com.ost") else { return };
    let p = path.to_str().unwrap();
    let v = pstkit(["repair", "--json", p]).json();
    let items = v["local_only"]["items"].as_array().unwrap();
    assert!(items.iter().any(|i| i["reason"] == "sync-issues"), "{items:?}");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("local.pst");
    assert_eq!(pstkit(["convert", "--to", "unicode", "--local-only", p, "-o", out.to_str().unwrap()]).status, 0);
    assert_eq!(pstkit(["items", "--jsonl", out.to_str().unwrap()]).lines().len(), items.len());
}

#[test]
fn what_was_deleted_comes_back_with_its_folder() {
    let Some(path) = real("aspose-email__Aspose.Email-for-.NET/SampleOstFile.ost") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("found.pst");
    let args = ["recover", "--json", path.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let v = pstkit(args).json();
    let found = v["found"].as_array().unwrap();
    assert!(found.iter().any(|f| f["origin"] == "deleted" && f["page"].as_u64().is_some()), "{found:?}");
    assert!(found.iter().any(|f| f["kind"] == "message" && f["now_in"].as_str().unwrap().contains("Lost and Found")), "{found:?}");
    assert!(["clean", "minor"].contains(&v["after"]["verdict"].as_str().unwrap()));
}
