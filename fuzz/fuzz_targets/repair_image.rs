//! A damaged store: a repair ends, what it writes is healthy, and a second repair finds nothing to do.
#![no_main]
use libfuzzer_sys::{Corpus, fuzz_target};
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::repair::{Policy, repair};
use pstkit_fuzz::image::Image;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| -> Corpus {
    let bytes = Image::decode(data).bytes();
    let source: Arc<dyn ReadAt> = Arc::new(bytes.clone());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let Ok(done) = repair(&source, &target, &Policy::default(), &()) else { return Corpus::Reject };
    assert!(done.after.is_healthy(), "{}: {:?}", done.after.summary(), done.after.findings.first());
    let first = memory.to_bytes();
    let source: Arc<dyn ReadAt> = Arc::new(first.clone());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let again = repair(&source, &target, &Policy::default(), &()).unwrap();
    assert!(!again.changed && memory.to_bytes() == first, "the second repair changes something");
    Corpus::Keep
});
