//! What several topics use.

pub mod alloc;
pub mod mutate;
pub mod walk;

use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::repair::{Outcome, Policy, repair};
use pstkit::testkit::{VARIETIES, Variety};
use std::sync::Arc;

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
