//! Running the program, and files for it.

use assert_cmd::Command;
use std::path::{Path, PathBuf};

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// The program with these arguments. A signal or a panic fails the test at once.
pub fn pstkit<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_pstkit")).args(args).output().unwrap();
    let run = Run {
        status: output.status.code().expect("ended by a signal"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(run.status != 101 && !run.err.contains("panicked"), "{run:?}");
    run
}

impl Run {
    /// The one JSON document that was printed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The JSON objects that were printed, one a line.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }
}

/// A real file, where they are there.
pub fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(name);
    if path.exists() {
        Some(path)
    } else {
        println!("skipped: ../shared is not here");
        None
    }
}

/// The smallest of the real files.
pub fn empty_store() -> Option<PathBuf> {
    real("microsoft__outlook-pst-rs/Empty.pst")
}

/// A file of these bytes in a folder that lives as long as the result.
pub fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// A header whose trees are nowhere.
pub fn lone_header() -> Vec<u8> {
    use pstkit::format::crypt::CryptMethod;
    use pstkit::format::header::{FileKind, Header};
    Header::new(&pstkit::format::layout::UNICODE, FileKind::Pst, CryptMethod::Permute).encode().unwrap()
}

/// A small store with a bit of everything, made by the crate's own writer.
pub fn made(variety: pstkit::testkit::Variety) -> (tempfile::TempDir, PathBuf) {
    file(&format!("{}.pst", variety.name()), &pstkit::testkit::small(variety, 7).unwrap())
}

/// A store that `fill` fills, as a file.
pub fn store(fill: impl FnOnce(&mut pstkit::write::PstWriter<'_>)) -> (tempfile::TempDir, PathBuf) {
    let memory = pstkit::io::MemoryStorage::default();
    let mut pst = pstkit::write::PstWriter::create(&memory, pstkit::testkit::VARIETIES[0].options(5)).unwrap();
    fill(&mut pst);
    pst.finish().unwrap();
    file("made.pst", &memory.into_bytes())
}
