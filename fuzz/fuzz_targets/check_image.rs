//! A damaged store: the check ends, says the same with any number of threads, and everything can be read tolerantly.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::check::{CheckOptions, Level, check};
use pstkit::recover;
use pstkit::{OpenOptions, Pst};
use pstkit_fuzz::image::Image;
use std::sync::Arc;

fuzz_target!(|image: Image| {
    let bytes = Arc::new(image.bytes());
    let deep = CheckOptions::level(Level::Deep);
    let report = check(bytes.clone(), &deep, &()).unwrap();
    let again = check(bytes.clone(), &deep.threads(2), &()).unwrap();
    assert_eq!((&report.findings, report.verdict), (&again.findings, again.verdict));
    if let Ok(found) = recover::open(bytes.clone(), &recover::Options { thorough: true, ..Default::default() }, &()) {
        pstkit_fuzz::walk_items(&Pst::from_ndb(found.ndb));
    }
    if let Ok(pst) = Pst::from_source(bytes.clone(), &OpenOptions::new()) {
        pstkit_fuzz::walk_items(&pst);
    }
    if let Ok(pst) = Pst::from_source(bytes, &OpenOptions::new().strict(true)) {
        pstkit_fuzz::walk_items(&pst);
    }
});
