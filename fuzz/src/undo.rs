//! A repair to undo, and changes of its undo file.

use pstkit::io::{MemoryStorage, Storage};
use pstkit::repair::UndoRecord;

/// The file before its repair.
pub const BEFORE: [u8; 4096] = [0x5A; 4096];

/// What a repair of it would keep, and the file after it.
pub fn record() -> (UndoRecord, Vec<u8>) {
    let target = MemoryStorage::new(BEFORE.to_vec());
    let mut record = UndoRecord::take(&target, &[(0, 564), (1024, 512), (3000, 96)]).unwrap();
    record.headers = [vec![1; 564], vec![2; 564]];
    record.new_len = 5000;
    for (at, bytes) in &record.ranges {
        target.write_all_at(&vec![0xEE; bytes.len()], *at).unwrap();
    }
    target.write_all_at(&record.headers[1], 0).unwrap();
    target.set_len(5000).unwrap();
    (record, target.to_bytes())
}

/// Bytes with changes, of three bytes each: place[2], what is put over it; and whether the digest of the head was put right, where the first byte is odd.
pub fn changed(bytes: &[u8], data: &[u8]) -> (Vec<u8>, bool) {
    let mut out = bytes.to_vec();
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    for change in rest.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % out.len();
        out[at] = change[2];
    }
    let sealed = first & 1 == 1;
    if sealed {
        let head = u32::from_le_bytes(out[12..16].try_into().unwrap()) as usize;
        if let Some(body) = head.checked_sub(32).filter(|_| head <= out.len()) {
            let sum: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&out[..body]).into();
            out[body..head].copy_from_slice(&sum);
        }
    }
    (out, sealed)
}
