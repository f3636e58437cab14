//! Records of property contexts and multi-valued values.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::{Finding, Location};
use pstkit::format::context::{EntryId, MultiItems, ObjectValue, PcRecord, encode_multi};

fuzz_target!(|data: &[u8]| {
    for record in data.chunks_exact(8) {
        assert_eq!(PcRecord::decode(record).encode(), record);
    }
    let _ = ObjectValue::decode(data);
    let _ = EntryId::decode(data);
    let mut found: Vec<Finding> = Vec::new();
    let _ = MultiItems::decode(data, Location::NONE, &mut found);
    pstkit_fuzz::bounded(&found, data.len());
    let items: Vec<&[u8]> = data.split(|b| *b == 0).collect();
    let bytes = encode_multi(&items);
    let _ = MultiItems::decode(&bytes, Location::NONE, &mut pstkit::finding::Strict).unwrap();
});
