//! What several topics use.

pub mod alloc;
pub mod mutate;
pub mod walk;

use pstkit::Nid;
use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::format::layout::Variant;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::repair::{Outcome, Policy, repair};
use pstkit::testkit::{VARIETIES, Variety};
use pstkit::write::{IPM_SUBTREE, PstWriter, StoreOptions};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One of each variant.
pub fn varieties() -> [Variety; 3] {
    [VARIETIES[0], VARIETIES[3], VARIETIES[6]]
}

/// Folder and digest of every message, sorted.
pub fn items(bytes: &[u8]) -> Vec<(String, String)> {
    let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
    let mut all: Vec<_> = Items::new(&pst).map(|i| i.unwrap()).map(|i| (i.folder, i.content_sha256)).collect();
    all.sort();
    all
}

/// A file repaired into memory, with consent to all that it gives up.
pub fn repaired(bytes: &[u8]) -> (Vec<u8>, Outcome) {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = Arc::clone(&memory) as Arc<dyn Storage>;
    let outcome = repair(&source, &target, &Policy::default().allow_loss(true), &()).unwrap();
    (memory.to_bytes(), outcome)
}

/// A store with one folder, "In", that `fill` fills.
pub fn store(fill: &mut dyn FnMut(&mut PstWriter<'_>, Nid)) -> Vec<u8> {
    let memory = MemoryStorage::default();
    let options = StoreOptions::new(Variant::Unicode).seed(Some(1));
    let mut writer = PstWriter::create(&memory, options).unwrap();
    let folder = writer.add_folder(IPM_SUBTREE, "In").unwrap();
    fill(&mut writer, folder);
    writer.finish().unwrap();
    memory.into_bytes()
}

/// A file in memory that counts the bytes that are read.
pub struct Counting(Vec<u8>, AtomicU64);

impl Counting {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes, AtomicU64::new(0))
    }

    pub fn bytes_read(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    /// The bytes so far; counts from zero again.
    pub fn taken(&self) -> u64 {
        self.1.swap(0, Ordering::Relaxed)
    }
}

impl ReadAt for Counting {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(buf, offset)
    }
}
