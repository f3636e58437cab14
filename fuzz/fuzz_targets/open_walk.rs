//! Any bytes as a file: open, walk, scan.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::Pst;
use pstkit::finding::Finding;
use pstkit::format::header::Header;
use pstkit::format::layout::Layout;
use pstkit::limits::Limits;
use pstkit::ndb::{Ndb, scan};
use pstkit::recover;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let mut found: Vec<Finding> = Vec::new();
    let header = Header::decode(data, &mut found).unwrap_or_else(|_| Header::decode_as(Layout::all()[data.len() % 3], data));
    let ndb = Ndb::new(Arc::new(data.to_vec()), header, Limits::default());
    pstkit_fuzz::walk_nodes(&ndb);
    let _ = scan::scan(&ndb, &());
    if let Ok(found) = recover::open(Arc::new(data.to_vec()), &recover::Options::default().thorough(true), &()) {
        pstkit_fuzz::walk_items(&Pst::from_ndb(found.ndb));
    }
});
