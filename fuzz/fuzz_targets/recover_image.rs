//! A damaged store without its trees, with bytes put in, taken out or overwritten: the search, the choice between versions, and the places of what
//! nothing lists end, and what they find can be read and repaired.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::Pst;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::recover;
use pstkit::repair::{RescueOptions, rescue};
use pstkit_fuzz::image::Image;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let bytes = Image::decode(data).bytes();
    let source: Arc<dyn ReadAt> = Arc::new(bytes);
    let options = recover::Options::default().thorough(true);
    let Ok(found) = recover::open(Arc::clone(&source), &options, &()) else { return };
    if let Ok(Some(all)) = recover::deleted(&found, recover::Versions::Newest, &()) {
        pstkit_fuzz::walk_items(&Pst::from_ndb(all.ndb));
    }
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    if rescue(&source, &target, &RescueOptions::default(), &()).is_ok() {
        pstkit_fuzz::walk_items(&Pst::from_bytes(memory.to_bytes()).expect("what is written opens"));
    }
});
