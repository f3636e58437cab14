//! The same report, whatever the number of threads and however the file is read.

use crate::support::{file, pstkit};
use std::path::{Path, PathBuf};

/// Real files up to a size, with their bytes.
fn real_files(most: u64) -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(folders) = std::fs::read_dir(&corpus) else {
        println!("skipped: ../shared is not here");
        return Vec::new();
    };
    let folders = folders.map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut all: Vec<PathBuf> = folders.flat_map(|f| std::fs::read_dir(f).unwrap().map(|e| e.unwrap().path())).collect();
    all.retain(|p| std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.len() <= most));
    all.sort();
    all
}

/// Checks a file in every way; each gives the same bytes and the same status.
fn same_in_every_way(path: &Path) {
    let path = path.to_str().unwrap();
    for level in ["--quick", "--deep"] {
        let first = pstkit(["check", "--json", level, "--threads", "1", path]);
        for how in [&["--threads", "2"][..], &["--threads", "8"], &["--threads", "1", "--no-mmap"], &["--threads", "8", "--no-mmap"]] {
            let other = pstkit(["check", "--json", level, path].iter().chain(how));
            assert_eq!((first.status, &first.out), (other.status, &other.out), "{path} {level} {how:?}");
        }
    }
    // also where most findings are left out
    let few = |threads| pstkit(["check", "--json", "--max-findings", "2", "--threads", threads, path]);
    assert_eq!(few("1").out, few("8").out, "{path}");
}

#[test]
fn of_every_real_file() {
    for path in real_files(u64::MAX) {
        same_in_every_way(&path);
    }
}

#[test]
fn of_damaged_files() {
    for path in real_files(3 << 20) {
        let bytes = std::fs::read(&path).unwrap();
        let with = |f: &dyn Fn(&mut Vec<u8>)| {
            let mut b = bytes.clone();
            f(&mut b);
            b
        };
        let damaged = [
            with(&|b| b.truncate(b.len() / 2)),
            with(&|b| b.iter_mut().take(0x4A00).for_each(|x| *x = 0)),
            // a bit in each 3,001 bytes
            with(&|b| b.iter_mut().skip(0x4400).step_by(3001).for_each(|x| *x ^= 0x10)),
            // a sector in each 40
            with(&|b| b.chunks_mut(512).skip(35).step_by(40).for_each(|s| s.fill(0))),
        ];
        for (i, b) in damaged.iter().enumerate() {
            let (_dir, path) = file(&format!("damaged{i}.pst"), b);
            same_in_every_way(&path);
        }
    }
}
