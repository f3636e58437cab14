//! Commands that write files.

use crate::support::pstkit;

#[test]
fn created_stores_of_every_variety_are_clean() {
    let dir = tempfile::tempdir().unwrap();
    for (to, variant) in [("unicode", "unicode"), ("ansi", "ansi"), ("ost4k", "unicode4k")] {
        for encoding in ["none", "permute", "cyclic"] {
            let path = dir.path().join(format!("{to}-{encoding}.pst"));
            let path = path.to_str().unwrap();
            let run = pstkit(["create", path, "--to", to, "--encoding", encoding, "--name", "Aussäät", "--password", "x"]);
            assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
            let info = pstkit(["info", "--json", path]).json();
            assert_eq!((info["variant"].as_str(), info["encoding"].as_str()), (Some(variant), Some(encoding)));
            assert_eq!(info["store"]["password"], true);
            let check = pstkit(["check", "--deep", "--json", path]);
            assert_eq!((check.status, check.json()["verdict"].as_str()), (0, Some("clean")), "{}", check.out);
        }
    }
}

#[test]
fn a_file_that_exists_is_not_replaced_unless_asked_and_nothing_half_written_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pst");
    std::fs::write(&path, b"precious").unwrap();
    let p = path.to_str().unwrap();
    let run = pstkit(["create", p]);
    assert_eq!(run.status, 16, "{run:?}");
    assert!(run.err.contains("exists"));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert_eq!(pstkit(["create", "--force", p]).status, 0);
    assert!(std::fs::read(&path).unwrap().starts_with(b"!BDN"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(pstkit(["create", dir.path().join("no/such/folder.pst").to_str().unwrap()]).status, 8);
}
