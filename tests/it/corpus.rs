//! The real files beside the checkout, and what independent readers count in them.

use std::path::{Path, PathBuf};

/// A row of `expected.tsv`.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "columns for later topics")]
pub struct Expected {
    pub file: String,
    pub path: PathBuf,
    pub folders: Option<usize>,
    pub messages: Option<usize>,
    pub search_folders: Option<usize>,
    pub associated: Option<usize>,
    pub writer: String,
    pub variant: String,
    pub flags: String,
}

/// The real files, or nothing where they are not there; says so.
pub fn files() -> Vec<Expected> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(table) = std::fs::read_to_string(dir.join("expected.tsv")) else {
        println!("skipped: ../shared is not here");
        return Vec::new();
    };
    let mut out = Vec::new();
    for line in table.lines().filter(|l| !l.starts_with('#') && !l.starts_with("file\t")) {
        let f: Vec<&str> = line.split('\t').collect();
        if f.len() < 15 {
            continue;
        }
        let n = |i: usize| f[i].parse().ok();
        out.push(Expected {
            file: f[0].to_owned(),
            path: dir.join(f[0]),
            folders: n(1),
            messages: n(2),
            search_folders: n(3),
            associated: n(4),
            writer: f[6].to_owned(),
            variant: f[7].to_owned(),
            flags: f[14].to_owned(),
        });
    }
    assert!(out.len() > 30, "expected.tsv has shrunk to {} rows", out.len());
    out
}

impl Expected {
    /// Whether it is a whole file and not a fragment or the one that is known to be corrupt.
    pub fn is_whole(&self) -> bool {
        self.messages.is_some()
    }
}
