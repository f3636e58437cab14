//! Entries of the named-property map.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::format::context::NameId;

fuzz_target!(|data: &[u8]| {
    for entry in data.chunks_exact(8) {
        let id = NameId::decode(entry);
        assert_eq!(NameId::decode(&id.encode()), id);
        let _ = id.bucket(251);
        let _ = id.bucket(0);
    }
});
