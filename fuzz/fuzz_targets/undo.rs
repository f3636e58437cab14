//! Undo files: whatever stands in one, undoing brings back the file as it was, or changes nothing.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::io::{MemoryStorage, ReadAt};
use pstkit::repair::UndoRecord;
use pstkit_fuzz::undo::{BEFORE, changed, record};

fuzz_target!(|data: &[u8]| {
    // any bytes as an undo file
    if let Ok(read) = UndoRecord::decode(data) {
        assert!(read.ranges.iter().all(|(at, bytes)| at + bytes.len() as u64 <= read.len), "a record outside the file");
        let target = MemoryStorage::new(vec![9; 1 << 16]);
        let _ = read.is_unused(&target);
        let _ = read.apply(&target);
    }
    // a real one with changes
    let (real, after) = record();
    let (bytes, sealed) = changed(&real.encode(), data);
    if let Ok(read) = UndoRecord::decode(&bytes) {
        let target = MemoryStorage::new(after);
        if read.is_unused(&target).unwrap() && read.apply(&target).is_ok() {
            // a head that was made with care may say anything of the file, within it
            assert!(target.len() == BEFORE.len() as u64 || sealed, "cut to another length");
            assert!(sealed || target.to_bytes() == BEFORE, "undone to something else");
        }
    }
});
