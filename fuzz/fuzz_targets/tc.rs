//! TCINFO and rows.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::{Finding, Location};
use pstkit::format::context::TcInfo;

fuzz_target!(|data: &[u8]| {
    let (head, row) = data.split_at(data.len().min(22 + 8 * 40));
    let mut found: Vec<Finding> = Vec::new();
    if let Ok(Some(info)) = TcInfo::decode(head, Location::NONE, &mut found) {
        let _ = (info.row_size(), info.bitmap_at());
        for column in &info.columns {
            let _ = info.has_cell(row, column);
        }
        let _ = info.has_junk(row);
        let mut row = row.to_vec();
        for column in &info.columns {
            info.set_cell(&mut row, column);
        }
        let _ = info.encode();
    }
    let _ = TcInfo::decode_gust(data);
    pstkit_fuzz::bounded(&found, data.len());
});
