//! `--report`: one page that needs nothing from outside, in which text from mail stays text.

use crate::support::{file, made, pstkit};
use pstkit::io::MemoryStorage;
use pstkit::write::{IPM_SUBTREE, NewAttachment, NewMessage, PstWriter, StoreOptions};

const HOSTILE: [&str; 5] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "line\u{2028}separator ]]> <!--",
    "right\u{202E}to left",
];

/// A store with hostile names, of which each message has a damaged attachment.
fn hostile() -> Vec<u8> {
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, StoreOptions::default()).unwrap();
    for (i, name) in HOSTILE.iter().enumerate() {
        let folder = pst.add_folder(IPM_SUBTREE, name).unwrap();
        let data = vec![b'A'.wrapping_add(i as u8); 30_000];
        let mail = NewMessage::note(name, "text").from(name, "x@example.com").attach(NewAttachment::file(name, data));
        pst.add_message(folder, mail).unwrap();
    }
    pst.finish().unwrap();
    let mut bytes = memory.into_bytes();
    let pst = pstkit::Pst::from_bytes(bytes.clone()).unwrap();
    let mut places = Vec::new();
    for m in pst.messages() {
        for a in m.attachments().unwrap() {
            let root = a.data().unwrap().unwrap().root().unwrap();
            let tree = pst.ndb().data_tree(root, pstkit::finding::Location::NONE, &mut pstkit::finding::Ignore).unwrap();
            places.push(pst.ndb().find_block(tree.leaf_info(1).unwrap().bid).unwrap().ib.0 as usize + 9);
        }
    }
    assert_eq!(places.len(), HOSTILE.len());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    bytes
}

/// The data within a page.
fn data_of(html: &str) -> serde_json::Value {
    let (_, rest) = html.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn names_and_subjects_from_mail_stay_text_in_the_page() {
    let (dir, path) = file("hostile.pst", &hostile());
    let out = dir.path().join("report.html");
    let run = pstkit(["check", path.to_str().unwrap(), "--report", out.to_str().unwrap()]);
    assert_eq!(run.status, 4 | 64, "{run:?}");
    let html = std::fs::read_to_string(&out).unwrap();
    for word in ["<img", "alert(1)</script", "onerror=alert(1)>", "\u{2028}", "\u{202E}", "http://", "https://", "<a "] {
        assert!(!html.contains(word), "{word}");
    }
    assert_eq!(html.matches("<script").count(), 2, "the data, and the page's own");
    assert!(html.contains("default-src 'none'") && html.contains("script-src 'sha256-") && !html.contains("unsafe-inline"));
    let data = data_of(&html);
    let items = data["items"].as_array().unwrap();
    assert_eq!(items.len(), HOSTILE.len(), "{data}");
    assert!(items.iter().any(|i| i["subject"] == HOSTILE[0]), "{items:?}");
    assert!(
        items.iter().all(|i| i["bytes_missing"].as_u64() > Some(0) && i["parts"][0].as_str().unwrap().contains("attachment")),
        "{items:?}"
    );
}

#[test]
fn the_page_says_the_same_as_the_json_and_a_repair_shows_before_and_after() {
    let (dir, path) = file("hostile.pst", &hostile());
    let p = path.to_str().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    pstkit(["check", p, "--report", &at("a.html")]);
    pstkit(["check", p, "--report", &at("a.json")]);
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!(data_of(&read("a.html")), serde_json::from_str::<serde_json::Value>(&read("a.json")).unwrap());
    // the plan's picture is the repair's, but for its words
    pstkit(["repair", p, "--report", &at("plan.json")]);
    let run = pstkit(["repair", "-y", p, "-o", &at("out.pst"), "--report", &at("done.json")]);
    assert_eq!(run.status, 1 | 64, "{run:?}");
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(&read(name)).unwrap();
    let (plan, done) = (json("plan.json"), json("done.json"));
    assert!(done["after"]["verdict"] == "clean" || done["after"]["verdict"] == "minor", "{done}");
    assert_eq!((&plan["items"], &plan["after"]["counts"]), (&done["items"], &done["after"]["counts"]));
    let (_dir, healthy) = made(pstkit::testkit::VARIETIES[0]);
    for wrong in ["x.txt", "x"] {
        assert_eq!(pstkit(["check", healthy.to_str().unwrap(), "--report", &at(wrong)]).status, 16);
    }
    assert_eq!(pstkit(["check", healthy.to_str().unwrap(), p, "--report", &at("two.html")]).status, 16);
}
