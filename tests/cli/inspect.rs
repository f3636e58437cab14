//! `info` and `show`.

use crate::support::{empty_store, file, pstkit, real};

#[test]
fn info_tells_variant_kind_and_counts_of_each_variant() {
    for (name, variant, kind, folders, messages) in [
        ("microsoft__outlook-pst-rs/Empty.pst", "unicode", "PST", 5, 0),
        ("mooijtech__go-pst/32-bit.pst", "ansi", "PST", 5, 1),
        ("npm__pst-extractor/pstextractortest@outlook.com.ost", "unicode4k", "OST", 51, 183),
    ] {
        let Some(path) = real(name) else { return };
        let run = pstkit(["info", "--json", path.to_str().unwrap()]);
        assert_eq!(run.status, 0, "{run:?}");
        let v = run.json();
        assert_eq!(v["schema"], "pstkit-info/1");
        assert_eq!((v["variant"].as_str(), v["kind"].as_str()), (Some(variant), Some(kind)), "{name}");
        assert_eq!((v["counts"]["folders"].as_u64(), v["counts"]["messages"].as_u64()), (Some(folders), Some(messages)), "{name}");
        let text = pstkit(["info", "--no-mmap", path.to_str().unwrap()]);
        assert!(text.out.contains("node B-tree") && text.out.contains("levels"), "{}", text.out);
    }
}

#[test]
fn info_of_several_files_goes_on_past_a_bad_one() {
    let Some(path) = empty_store() else { return };
    let (_dir, bad) = file("bad.pst", b"no");
    let run = pstkit(["info", "--jsonl", bad.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(run.status, 8);
    assert_eq!(run.lines().len(), 1);
    assert!(run.err.contains("bad.pst"));
}

#[test]
fn show_decodes_the_header_maps_tree_pages_blocks_and_nodes() {
    let Some(path) = empty_store() else { return };
    let path = path.to_str().unwrap();
    let info = pstkit(["info", "--json", path]).json();
    let nbt = format!("@{:#x}", info["nbt"]["root_offset"].as_u64().unwrap());
    for (what, words) in [
        ("header", &["ROOT.BREFNBT.bid", "bCryptMethod"][..]),
        ("@0x4400", &["AMap", "slots"]),
        ("@0x4600", &["PMap"]),
        ("@0x4200", &["DList", "ulCurrentPage"]),
        (&nbt, &["NBT", "cLevel", "btkey"]),
        ("0x21", &["node 0x21", "bidData", "data blocks", "property context", "3001001F", "PidTagDisplayName"]),
        ("0x12d", &["table context", "rows", "row 0: id 0x", "PidTagDisplayName", "Search Root"]),
        ("bid:0x108", &["block 0x108", "trailer", "as it must be", "cRef"]),
        ("@0x211", &["rgbVersionEncoded", "header"]),
    ] {
        let run = pstkit(["show", path, what]);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{what}");
        for word in words {
            assert!(run.out.contains(word), "{what}: no {word} in\n{}", run.out);
        }
        let v = pstkit(["show", path, what, "--json"]).json();
        assert!(v["view"]["title"].is_string(), "{what}");
    }
}

#[test]
fn info_tells_whether_a_password_is_set() {
    for (name, set) in [("rjohnsondev__java-libpst/passworded.pst", true), ("rjohnsondev__java-libpst/dist-list.pst", false)] {
        let Some(path) = real(name) else { return };
        let v = pstkit(["info", "--json", path.to_str().unwrap()]).json();
        assert_eq!((&v["store"]["password"], &v["store"]["name"]), (&set.into(), &"Personal Folders".into()), "{name}");
    }
}

#[test]
fn show_raw_gives_the_bytes_alone() {
    let Some(path) = empty_store() else { return };
    let run = pstkit(["show", path.to_str().unwrap(), "header", "--raw"]);
    assert!(run.out.starts_with("!BDN"), "{run:?}");
}

#[test]
fn show_says_what_is_not_there_and_what_is_damaged() {
    let Some(path) = empty_store() else { return };
    let p = path.to_str().unwrap();
    for what in ["nid:0x9999a4", "bid:0xfffff0", "0xfffff0", "nid:0x21/0x692", "@0x7fffffff"] {
        let run = pstkit(["show", p, what]);
        assert_eq!((run.status, run.out.as_str()), (8, ""), "{what}: {run:?}");
        assert!(run.err.contains(" no ") || run.err.contains("neither"), "{what}: {run:?}");
    }
    let mut bytes = std::fs::read(&path).unwrap();
    let block = pstkit(["show", p, "bid:0x108", "--json"]).json();
    let title = block["view"]["title"].as_str().unwrap().to_owned();
    let at = usize::from_str_radix(title.rsplit("0x").next().unwrap(), 16).unwrap();
    bytes[at] ^= 1;
    let (_dir, path) = file("damaged.pst", &bytes);
    let run = pstkit(["show", path.to_str().unwrap(), "bid:0x108"]);
    assert_eq!(run.status, 4);
    assert!(run.out.contains("PST-D001") && run.out.contains("must be"), "{run:?}");
}
