//! `ls` and `items`.

use crate::support::{file, made, pstkit, real};
use std::collections::BTreeSet;

#[test]
fn folders_are_listed_with_paths_kinds_and_counts() {
    let Some(path) = real("rjohnsondev__java-libpst/dist-list.pst") else { return };
    let path = path.to_str().unwrap();
    let run = pstkit(["ls", "--json", path]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let v = run.json();
    let folders = v["folders"].as_array().unwrap();
    assert_eq!(folders.iter().filter(|f| f["kind"] == "normal").count(), 18);
    assert_eq!(folders.iter().filter(|f| f["kind"] == "search").count(), 6);
    let total: u64 = folders.iter().filter(|f| f["kind"] == "normal").map(|f| f["messages"].as_u64().unwrap()).sum();
    assert_eq!(total, 3);
    assert!(folders.iter().any(|f| f["path"] == "Top of Personal Folders/Contacts" && f["class"] == "IPF.Contact"), "{v}");
    for f in folders {
        assert!(f["state"] == "ok" && f["problems"].is_array() && f["nid"].is_u64() && f["parent"].is_u64(), "{f}");
    }
    let text = pstkit(["ls", path]);
    assert!(text.out.starts_with("folder") && text.out.contains("\n    Contacts "), "{}", text.out);
    assert_eq!(text.out.lines().count(), 1 + folders.len());
    assert_eq!(pstkit(["ls", "--jsonl", path]).lines().len(), folders.len());
}

#[test]
fn every_message_is_one_record_with_all_that_other_tools_read() {
    let Some(path) = real("HiraokaHyperTools__ruby-msg/msgInMsgInMsg.pst") else { return };
    let run = pstkit(["items", "--jsonl", path.to_str().unwrap()]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let items = run.lines();
    assert_eq!(items.len(), 1);
    let item = items[0].as_object().unwrap();
    let keys: BTreeSet<&str> = item.keys().map(String::as_str).collect();
    let wanted = "schema nid parent folder kind class subject from to sent received created modified message_id conversation_index entry_id flags size \
         attachments bodies state origin problems content_sha256";
    assert_eq!(keys, wanted.split(' ').collect());
    assert_eq!((item["kind"].as_str(), item["state"].as_str(), item["origin"].as_str()), (Some("message"), Some("ok"), Some("normal")));
    let inner = &item["attachments"][0]["embedded"];
    assert!(inner["attachments"][0]["embedded"]["subject"].is_string(), "no message in the message in the message: {inner}");
    assert_eq!(item["content_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn made_stores_of_every_variety_are_read_whole_and_alike() {
    let mut digests: Vec<BTreeSet<String>> = Vec::new();
    for variety in pstkit::testkit::VARIETIES {
        let (_dir, path) = made(variety);
        let path = path.to_str().unwrap();
        let run = pstkit(["items", "--jsonl", path]);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", variety.name());
        let items = run.lines();
        assert!(items.iter().any(|i| i["kind"] == "associated") && items.len() > 10);
        digests.push(items.iter().map(|i| i["content_sha256"].as_str().unwrap().to_owned()).collect());
        assert_eq!(pstkit(["ls", path]).status, 0);
        assert_eq!(pstkit(["info", path]).status, 0);
    }
    // Encoding and compression change nothing of the contents; what a layout can hold does.
    for (variety, d) in pstkit::testkit::VARIETIES.iter().zip(&digests) {
        let layout = |name: String| name.split('-').next().unwrap_or_default().to_owned();
        let first = pstkit::testkit::VARIETIES.iter().position(|v| layout(v.name()) == layout(variety.name())).unwrap();
        assert_eq!(d, &digests[first], "{}", variety.name());
    }
}

#[test]
fn a_document_and_lines_hold_the_same_items_and_a_folder_can_be_chosen() {
    let (_dir, path) = made(pstkit::testkit::VARIETIES[0]);
    let path = path.to_str().unwrap();
    let lines = pstkit(["items", "--jsonl", path]).lines();
    assert_eq!(pstkit(["items", "--json", path]).json()["items"].as_array().unwrap(), &lines);
    assert_eq!(pstkit(["items", path]).out.lines().count(), lines.len());
    let folder = lines[0]["folder"].as_str().unwrap();
    let chosen = pstkit(["items", "--jsonl", "--folder", folder, path]).lines();
    let inside = |f: &str| f == folder || f.starts_with(&format!("{folder}/"));
    assert!(!chosen.is_empty() && chosen.iter().all(|i| inside(i["folder"].as_str().unwrap())));
    assert_eq!(chosen.len(), lines.iter().filter(|i| inside(i["folder"].as_str().unwrap())).count());
    let none = pstkit(["items", "--folder", "no/such/folder", path]);
    assert!(none.status == 8 && none.err.contains("no folder no/such/folder"), "{none:?}");
    for none in ["orphan", "deleted", "carved"] {
        assert!(pstkit(["items", "--jsonl", "--origin", none, path]).out.is_empty(), "{none}");
    }
}

#[test]
fn a_file_without_header_or_roots_is_read_with_status_4() {
    let (_dir, path) = made(pstkit::testkit::VARIETIES[0]);
    let healthy = pstkit(["items", "--jsonl", path.to_str().unwrap()]).lines();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..564].fill(0);
    let (_dir, path) = file("headless.pst", &bytes);
    let path = path.to_str().unwrap();
    let run = pstkit(["items", "--jsonl", path]);
    assert_eq!(run.status, 4, "{}", run.err);
    let digest = |v: &[serde_json::Value]| v.iter().map(|i| i["content_sha256"].to_string()).collect::<BTreeSet<_>>();
    assert!(digest(&run.lines()).is_superset(&digest(&healthy)));
    assert!(run.err.contains("pstkit check"), "{}", run.err);
    assert_eq!(pstkit(["ls", path]).status, 4);
    let info = pstkit(["info", "--json", path]);
    assert_eq!((info.status, info.json()["header_readable"].as_bool()), (4, Some(false)));
}

#[test]
fn a_damaged_message_hides_none_of_its_neighbours() {
    let (_dir, path) = made(pstkit::testkit::VARIETIES[0]);
    let p = path.to_str().unwrap();
    let healthy = pstkit(["items", "--jsonl", p]).lines();
    let nid = healthy[3]["nid"].as_u64().unwrap();
    let view = pstkit(["show", p, &format!("nid:{nid:#x}"), "--json"]).json();
    let at = view["view"]["tables"][0]["rows"][0][1].as_str().unwrap().trim_start_matches("0x").to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = usize::from_str_radix(&at, 16).unwrap();
    bytes[at..at + 64].fill(0xA5);
    let (_dir, path) = file("damaged.pst", &bytes);
    let run = pstkit(["items", "--jsonl", path.to_str().unwrap()]);
    assert_eq!(run.status, 4, "{}", run.err);
    assert!(run.err.contains(&format!("{nid:#x}")), "{}", run.err);
    let items = run.lines();
    assert_eq!(items.len(), healthy.len());
    for (before, after) in healthy.iter().zip(&items) {
        if before["nid"] == nid {
            assert!(after["state"] != "ok" && !after["problems"].as_array().unwrap().is_empty(), "{after}");
        } else {
            assert_eq!(before, after);
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_read_as_far_as_it_goes() {
    let (_dir, path) = made(pstkit::testkit::VARIETIES[0]);
    let whole = std::fs::read(path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.pst");
    for pages in (1..whole.len() / 512).step_by(whole.len() / 512 / 24) {
        std::fs::write(&path, &whole[..pages * 512]).unwrap();
        for command in ["ls", "items", "info", "check"] {
            let run = pstkit([command, path.to_str().unwrap()]);
            assert!(matches!(run.status & !64, 0 | 4 | 8), "{command} {pages}: {run:?}");
            assert!(run.status == 0 || !run.err.is_empty() || command == "check", "{command} {pages}: {run:?}");
        }
    }
}
