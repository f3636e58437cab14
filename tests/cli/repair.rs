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
    assert_eq!((v["schema"].as_str(), v["mode"].as_str()), (Some("pstkit-repair/2"), Some("plan")));
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
    assert_eq!(pstkit(["undo", p, p]).status, 8, "no undo file");
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
    assert!(found.iter().any(|f| f["origin"] == "deleted" && f["page"].as_str().is_some_and(|p| p.starts_with("0x"))), "{found:?}");
    assert!(found.iter().any(|f| f["kind"] == "message" && f["now_in"].as_str().unwrap().contains("Lost and Found")), "{found:?}");
    assert!(["clean", "minor"].contains(&v["after"]["verdict"].as_str().unwrap()));
}

/// A made store whose header's checksum is wrong.
fn wrong_checksum() -> (tempfile::TempDir, std::path::PathBuf) {
    let mut bytes = pstkit::testkit::tiny(VARIETIES[0], 7).unwrap();
    bytes[4] ^= 0x5A;
    file("broken.pst", &bytes)
}

#[cfg(unix)]
#[test]
fn a_file_that_another_process_holds_is_not_repaired_in_place() {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let (dir, path) = wrong_checksum();
    let before = std::fs::read(&path).unwrap();
    let open = || std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // this process is the other one: with locks of open files, and with locks of processes
    for way in 0..4 {
        let held = open();
        match way {
            // a program that another test is just starting may hold a copy of the last one for a moment
            0 => held.lock().unwrap(),
            1 => held.lock_shared().unwrap(),
            2 => fcntl_lock(&held, FlockOperation::NonBlockingLockExclusive).unwrap(),
            _ => fcntl_lock(&held, FlockOperation::NonBlockingLockShared).unwrap(),
        }
        let run = pstkit(["repair", "-y", "--in-place", path.to_str().unwrap()]);
        assert_eq!(run.status, 8, "{way}: {run:?}");
        assert!(run.err.contains("another process holds the file"), "{way}: {}", run.err);
        drop(held);
        assert!(std::fs::read(&path).unwrap() == before);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{way}");
    }
    assert_eq!(pstkit(["repair", "-y", "--in-place", path.to_str().unwrap()]).status, 1);
    let undo = dir.path().join("broken.pst.undo");
    let held = open();
    fcntl_lock(&held, FlockOperation::NonBlockingLockShared).unwrap();
    assert_eq!(pstkit(["undo", undo.to_str().unwrap()]).status, 8);
    drop(held);
    assert_eq!(pstkit(["undo", undo.to_str().unwrap()]).status, 0);
}

/// Locks of the other kind are not seen by a reader's own: they are looked for, and said.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_another_process_may_be_writing_to_is_read_and_that_is_said() {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let (_dir, path) = wrong_checksum();
    let p = path.to_str().unwrap();
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    assert!(!pstkit(["check", p]).err.contains("lock"));
    fcntl_lock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    for command in ["check", "info", "ls"] {
        let run = pstkit([command, p]);
        assert_eq!(run.err.matches("holds a lock to write to it").count(), 1, "{command}: {run:?}");
        assert!(run.err.contains(&format!("process {}", std::process::id())), "{command}: {run:?}");
    }
}

/// By another name, or by another path to the same disk, an output is the source all the same.
#[cfg(unix)]
#[test]
fn the_source_is_not_replaced_by_whatever_name_it_is_reached() {
    let (dir, path) = wrong_checksum();
    let before = std::fs::read(&path).unwrap();
    let other = dir.path().join("other.pst");
    std::fs::hard_link(&path, &other).unwrap();
    let (p, o) = (path.to_str().unwrap(), other.to_str().unwrap());
    for command in [&["repair", "-y"][..], &["recover"], &["compact"], &["convert", "--to", "unicode"]] {
        let run = pstkit([command, &[p, "--force", "-o", o]].concat());
        assert!(run.status == 16 && run.err.contains("the source itself"), "{command:?}: {run:?}");
        assert!(std::fs::read(&path).unwrap() == before && std::fs::read(&other).unwrap() == before, "{command:?}");
    }
}

/// What a run that was killed has left is removed by the next one with the same output; what is not surely that is named and left.
#[cfg(unix)]
#[test]
fn what_a_killed_run_left_beside_an_output_is_removed_by_the_next() {
    let (dir, path) = wrong_checksum();
    let out = dir.path().join("out.pst");
    let (left, link) = (dir.path().join("out.pst.123.0.part"), dir.path().join("out.pst.124.0.part"));
    std::fs::write(&left, b"half").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let run = pstkit(["repair", "-y", path.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(!left.exists() && link.symlink_metadata().is_ok());
    assert!(run.err.contains("out.pst.124.0.part") && !run.err.contains("out.pst.123.0.part"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_a_file_that_may_not_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path) = wrong_checksum();
    let link = dir.path().join("link.pst");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(pstkit(["repair", "-y", "--in-place", link.to_str().unwrap()]).status, 1);
    assert!(link.symlink_metadata().unwrap().file_type().is_symlink());
    assert_eq!(pstkit(["check", path.to_str().unwrap()]).status, 0);
    assert_eq!(pstkit(["undo", dir.path().join("link.pst.undo").to_str().unwrap()]).status, 0);
    assert!(link.symlink_metadata().unwrap().file_type().is_symlink());
    assert_eq!(pstkit(["check", "-q", path.to_str().unwrap()]).status, 4);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("skipped: this user may write everything");
        return;
    }
    let run = pstkit(["repair", "-y", "--in-place", path.to_str().unwrap()]);
    assert_eq!(run.status, 8);
    assert!(run.err.contains("may not be written"), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_is_told_and_leaves_nothing() {
    let (dir, path) = wrong_checksum();
    let mut before = std::fs::read(&path).unwrap();
    // the node B-tree's root page, whose place the header has at 0xE0: new trees need room behind the end of the file
    let root = u64::from_le_bytes(before[0xE0..0xE8].try_into().unwrap()) as usize;
    before[root + 5] ^= 1;
    std::fs::write(&path, &before).unwrap();
    let (p, out) = (path.to_str().unwrap(), dir.path().join("out.pst"));
    let bin = env!("CARGO_BIN_EXE_pstkit");
    for args in [format!("-o {}", out.display()), "--in-place".to_owned()] {
        let script = format!("trap '' XFSZ; ulimit -f 100; exec {bin} repair -y {p} {args}");
        let run = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(run.status.code(), Some(8), "{args}: {run:?}");
        assert!(std::fs::read(&path).unwrap() == before || args == "--in-place");
        assert!(!out.exists());
        let undo = dir.path().join("broken.pst.undo");
        if undo.exists() {
            // nothing but the room behind its end was written to
            assert_eq!(pstkit(["undo", undo.to_str().unwrap()]).status, 0);
        }
        assert!(std::fs::read(&path).unwrap() == before);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{args}");
    }
    let nowhere = dir.path().join("none/out.pst");
    let run = pstkit(["repair", "-y", p, "-o", nowhere.to_str().unwrap()]);
    assert!(run.status == 8 && run.err.contains("none/out.pst"), "{run:?}");
}

#[test]
fn an_undo_file_is_neither_overwritten_nor_applied_to_a_file_that_was_used_since() {
    let (dir, path) = wrong_checksum();
    let before = std::fs::read(&path).unwrap();
    let (p, undo) = (path.to_str().unwrap(), dir.path().join("broken.pst.undo"));
    let u = undo.to_str().unwrap();
    assert_eq!(pstkit(["repair", "-y", "--in-place", p]).status, 1);
    let (fixed, kept) = (std::fs::read(&path).unwrap(), std::fs::read(&undo).unwrap());
    // nothing to be done is done all the same
    assert_eq!(pstkit(["repair", "-y", "--in-place", p]).status, 0);
    let mut used = fixed;
    used[4] ^= 1;
    std::fs::write(&path, &used).unwrap();
    let run = pstkit(["repair", "-y", "--in-place", p]);
    assert!(run.status == 8 && run.err.contains("used since") && run.err.contains("--undo-file"), "{run:?}");
    assert!(std::fs::read(&undo).unwrap() == kept);
    let run = pstkit(["undo", u]);
    assert!(run.status == 8 && run.err.contains("changed since") && run.err.contains("--force"), "{run:?}");
    assert!(std::fs::read(&path).unwrap() == used);
    // what was written elsewhere since cannot be put back: it is not said to be, and the undo file stays
    let run = pstkit(["undo", "--force", u]);
    assert!(run.status == 4 && run.out.contains("is kept") && !run.out.contains("byte for byte"), "{run:?}");
    assert!(std::fs::read(&path).unwrap() == before && undo.exists());
    assert_eq!(pstkit(["undo", u]).status, 0);
    assert!(std::fs::read(&path).unwrap() == before && !undo.exists());
    assert_eq!(pstkit(["undo", u]).status, 8, "there is none any more");
    // an undo file that is damaged changes nothing, nor does one that is none any more take the place of the file
    let mut beheaded = kept.clone();
    beheaded[2] ^= 1;
    for damaged in [&kept[..kept.len() - 1], &beheaded, b"something else"] {
        std::fs::write(&undo, damaged).unwrap();
        for args in [&["undo", u][..], &["undo", "--force", u]] {
            assert_eq!(pstkit(args.iter().copied()).status, 8, "{args:?}");
            assert!(std::fs::read(&path).unwrap() == before && undo.exists());
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_ordinary_file_is_neither_read_nor_replaced() {
    let (dir, path) = wrong_checksum();
    let p = path.to_str().unwrap();
    let link = dir.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for out in ["/dev/stdout", link.to_str().unwrap(), dir.path().to_str().unwrap()] {
        for command in [&["repair", "-y"][..], &["compact"], &["recover"]] {
            let run = pstkit([command, &[p, "--force", "-o", out]].concat());
            assert_eq!(run.status, 16, "{out} {command:?}: {run:?}");
            assert!(run.err.contains(out) && !run.err.contains("remove it"), "{}", run.err);
        }
    }
    assert!(link.symlink_metadata().unwrap().is_symlink());
    let run = pstkit(["repair", "-y", link.to_str().unwrap(), "-o", dir.path().join("x").to_str().unwrap()]);
    assert!(run.status == 8 && run.err.contains("no ordinary file"), "{run:?}");
    // a link to a file leads to the new one then
    let (real, link) = (dir.path().join("real.pst"), dir.path().join("link.pst"));
    std::fs::write(&real, b"old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(pstkit(["repair", "-y", p, "--force", "-o", link.to_str().unwrap()]).status, 1);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(pstkit(["check", "-q", real.to_str().unwrap()]).status, 0);
}

/// Whoever copies the command that is suggested runs the program on this file, and nothing else.
#[cfg(unix)]
#[test]
fn suggested_commands_are_those_that_a_shell_understands() {
    let (_dir, path) = wrong_checksum();
    let bytes = std::fs::read(path).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_pstkit"));
    let dir = tempfile::tempdir().unwrap();
    for name in ["-n.pst", "a b.pst", "it's.pst", "q\"uote.pst", "$(touch pwned).pst", "`touch pwned`.pst", "back\\slash.pst"] {
        std::fs::write(dir.path().join(name), &bytes).unwrap();
        let run = std::process::Command::new(bin).args(["repair", "--", name]).current_dir(dir.path()).output().unwrap();
        let text = String::from_utf8(run.stdout).unwrap();
        let (start, end) = (text.find("`pstkit repair -y").unwrap(), text.find("` does all of it").unwrap());
        let script = text[start + 1..end].replacen("pstkit", "\"$0\"", 1);
        let run = std::process::Command::new("sh").args(["-c", &script]).arg(bin).current_dir(dir.path()).output().unwrap();
        assert_eq!(run.status.code(), Some(1), "{script}: {run:?}");
        std::fs::remove_file(dir.path().join("repaired.pst")).unwrap();
    }
    assert!(!dir.path().join("pwned").exists());
    // nor does a name draw on the terminal
    let name = "red\u{1b}[31m.pst";
    std::fs::write(dir.path().join(name), &bytes).unwrap();
    for args in [&["repair"][..], &["repair", "-y", "--in-place"], &["check"], &["info"], &["repair", "-y", "-o", "/none/x"]] {
        let run = std::process::Command::new(bin).args(args).arg(name).current_dir(dir.path()).output().unwrap();
        assert!(!run.stdout.contains(&0x1b) && !run.stderr.contains(&0x1b), "{args:?}: {run:?}");
    }
}

#[test]
fn actions_are_listed_with_what_they_cost_and_chosen_by_their_ids() {
    let mut bytes = pstkit::testkit::tiny(VARIETIES[0], 7).unwrap();
    let pst = pstkit::Pst::from_bytes(bytes.clone()).unwrap();
    let node = pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == pstkit::NidType::NORMAL_MESSAGE).unwrap();
    let block = *pst.ndb().index().block(node.data.masked()).unwrap();
    bytes[block.ib.0 as usize..block.ib.0 as usize + usize::from(block.cb)].fill(0x5A);
    bytes[4] ^= 0x5A;
    let (dir, path) = file("two.pst", &bytes);
    let (p, out) = (path.to_str().unwrap(), dir.path().join("out.pst"));
    let o = out.to_str().unwrap();
    let v = pstkit(["repair", "-n", "--json", p]).json();
    let actions = v["plan"]["actions"].as_array().unwrap();
    let ids: Vec<&str> = actions.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rewrite-header", "rewrite-block/lossy"]);
    assert_eq!(actions[0]["may_lose"], "nothing");
    assert_eq!(actions[1]["lossless"], false);
    assert_eq!(actions[1]["places"][0]["at"]["nid"], node.nid.0, "ids of nodes are numbers everywhere");
    let text = pstkit(["repair", p]).out;
    assert!(text.contains("rewrite-block/lossy") && text.contains("loss: what is damaged"), "{text}");

    // -p, and the lossy action left out by name, come to the same: the message stays as it is
    let codes = |path: &str| -> Vec<String> {
        let v = pstkit(["check", "--json", path]).json();
        v["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect()
    };
    for args in [&["-p"][..], &["-y", "--skip", "rewrite-block"], &["-y", "--only", "rewrite-header"]] {
        let run = pstkit([&["repair"], args, &[p, "-o", o, "--force"]].concat());
        assert_eq!(run.status & 4, 4, "{run:?}");
        assert!(run.out.contains("[left out]"), "{}", run.out);
        assert_eq!(codes(o), ["PST-D001"], "{args:?}");
    }
    assert_eq!(pstkit(["repair", "-y", p, "-o", o, "--force"]).status, 65);
    assert!(codes(o).is_empty());
    for wrong in ["nonsense", "reset-index"] {
        let run = pstkit(["repair", "-y", "--skip", wrong, p, "-o", o, "--force"]);
        assert!(run.status == 16 && run.err.contains("rewrite-header, rewrite-block/lossy"), "{run:?}");
    }
}

#[test]
fn what_only_a_broken_ost_has_can_be_saved_too() {
    let Some(path) = real("npm__pst-extractor/pstextractortest@outlook.com.ost") else { return };
    let mut bytes = std::fs::read(&path).unwrap();
    let header = pstkit::format::header::Header::decode(&bytes, &mut Vec::new()).unwrap();
    for root in [header.root.nbt.ib.0, header.root.bbt.ib.0] {
        bytes[root as usize..root as usize + 4096].fill(0xA5);
    }
    let (dir, broken) = file("broken.ost", &bytes);
    let items = |p: &Path| pstkit(["repair", "--json", p.to_str().unwrap()]).json()["local_only"]["items"].as_array().unwrap().len();
    assert!(items(&broken) >= items(&path) && items(&path) > 0);
    let run = pstkit(["repair", broken.to_str().unwrap()]);
    let first = run.out.lines().next().unwrap();
    assert!(first.contains("is an offline cache"), "what would be lost is told first: {first}");
    let out = dir.path().join("local.pst");
    let o = out.to_str().unwrap();
    let run = pstkit(["convert", "--to", "unicode", "--local-only", broken.to_str().unwrap(), "-o", o]);
    assert_eq!(run.status & !(64 | 4), 0, "{run:?}");
    assert_eq!(pstkit(["items", "--jsonl", o]).lines().len(), items(&broken));
    assert_eq!(pstkit(["check", o]).status, 0);
}

/// Two clusters have changed places: all but what lay at their edges is whole again, and only the rest is named.
#[test]
fn what_is_whole_again_is_not_named_among_what_is_there_in_part() {
    let Some(path) = real("aspose-email__Aspose.Email-for-.NET/SampleOstFile.ost") else { return };
    let mut bytes = std::fs::read(&path).unwrap();
    let (a, b, n) = (1_482_752, 2_646_016, 4096);
    let first = bytes[a..a + n].to_vec();
    bytes.copy_within(b..b + n, a);
    bytes[b..b + n].copy_from_slice(&first);
    let (dir, path) = file("swapped.ost", &bytes);
    let (p, out) = (path.to_str().unwrap(), dir.path().join("out.ost"));
    for how in ["-y", "-p"] {
        let v = pstkit(["repair", how, "--json", p, "--force", "-o", out.to_str().unwrap()]).json();
        let of = |kind: &str, what: &str| v["account"][kind][what].as_u64().unwrap();
        let told: u64 = ["messages", "associated"].iter().map(|k| of(k, "partial") + of(k, "lost")).sum();
        assert!(told > 0 && v["before"]["items"]["messages"]["partial"].as_u64().unwrap() > 0, "{}", v["account"]);
        assert_eq!(v["named"].as_array().unwrap().len() as u64, told, "{how}: {} {}", v["named"], v["account"]);
    }
}
