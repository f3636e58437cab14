//! A damaged store: the check ends, says the same with any number of threads, and everything can be read tolerantly.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::check::{CheckOptions, Level, Report, check};
use pstkit::finding::Finding;
use pstkit::recover;
use pstkit::rules::Layer;
use pstkit::{OpenOptions, Pst};
use pstkit_fuzz::image::Image;
use std::sync::{Arc, OnceLock};

/// A bug for the gate's self test: behind a checksum that is right, in the middle of a store.
fn planted_bug(image: &Image, report: &Report) {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    if *PLANTED.get_or_init(|| std::env::var_os("PSTKIT_FUZZ_BUG").is_some()) {
        let is_deep = |f: &Finding| f.rule.layer == Layer::Property;
        assert!(!image.is_sealed() || !report.findings.iter().any(is_deep), "the planted bug");
    }
}

fuzz_target!(|data: &[u8]| {
    let image = Image::decode(data);
    let bytes = Arc::new(image.bytes());
    let deep = CheckOptions::level(Level::Deep);
    let report = check(bytes.clone(), &deep, &()).unwrap();
    planted_bug(&image, &report);
    let again = check(bytes.clone(), &deep.threads(2), &()).unwrap();
    assert_eq!((&report.findings, report.verdict), (&again.findings, again.verdict));
    if let Ok(found) = recover::open(bytes.clone(), &recover::Options::default().thorough(true), &()) {
        pstkit_fuzz::walk_items(&Pst::from_ndb(found.ndb));
    }
    if let Ok(pst) = Pst::from_source(bytes.clone(), &OpenOptions::new()) {
        pstkit_fuzz::walk_items(&pst);
    }
    if let Ok(pst) = Pst::from_source(bytes, &OpenOptions::new().strict(true)) {
        pstkit_fuzz::walk_items(&pst);
    }
});
