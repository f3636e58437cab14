//! HEADER: what decodes without a violation encodes to what decodes to the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::{Finding, Strict};
use pstkit::format::header::{Header, ForeignFile};
use pstkit::format::layout::Layout;

fuzz_target!(|data: &[u8]| {
    let mut found: Vec<Finding> = Vec::new();
    if let Ok(header) = Header::decode(data, &mut found) {
        let _ = header.fields();
        if let Ok(bytes) = header.encode() {
            let again = Header::decode_as(header.layout, &bytes);
            assert_eq!(again, header);
        }
    }
    let _ = Header::decode(data, &mut Strict);
    let _ = ForeignFile::of(data, data.len() as u64, "mail.pst");
    for layout in Layout::all() {
        let _ = Header::decode_as(layout, data);
    }
});
