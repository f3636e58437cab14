//! Bytes that lie: single changes all over the structures of small files, with checksums corrected and not. Reading must neither panic
//! nor hang, nor allocate more than the bytes in the file justify.

use crate::corpus;
use crate::support::alloc;
use crate::support::mutate::{Base, Kind};
use crate::support::walk;
use pstkit::check::{CheckOptions, Level, check};
use pstkit::export::items::Items;
use pstkit::messaging::{OpenOptions, Pst};
use std::sync::Arc;

/// Takes every `step`-th structural byte; set `PSTKIT_SWEEP_STEP=1` for all of them.
fn step(default: usize) -> usize {
    std::env::var("PSTKIT_SWEEP_STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

fn read_all_ways(bytes: Vec<u8>) {
    let source = Arc::new(bytes);
    let report = check(source.clone(), &CheckOptions::level(Level::Deep), &()).unwrap();
    assert!(report.findings.len() < 5000, "{}", report.summary());
    for strict in [false, true] {
        if let Ok(pst) = Pst::from_source(source.clone(), &OpenOptions::new().strict(strict)) {
            walk::everything(&pst);
            if !strict {
                assert!(Items::new(&pst).all(|i| i.is_ok()));
            }
        }
    }
}

fn sweep(file: &str, step: usize) {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with(file)) else { return };
    let base = Base::new(std::fs::read(&f.path).unwrap());
    // A leaf is the most that is ever decoded at once; values may be put together from all bytes of the file, several times over.
    let most = base.bytes.len() * 4 + (1 << 20);
    let mut cases = 0usize;
    let mut n = 0usize;
    for region in &base.regions {
        if region.kind == (Kind::Block { structure: false }) {
            continue;
        }
        for at in 0..region.len {
            n += 1;
            if !n.is_multiple_of(step) {
                continue;
            }
            let old = base.bytes[region.start + at];
            let to = [old ^ 1, old ^ 0x80, 0, 0xFF][cases % 4];
            if to == old {
                cases += 1;
                continue;
            }
            let changed = base.changed(region, at, to, cases % 8 < 6);
            alloc::reset();
            read_all_ways(changed);
            let largest = alloc::largest();
            assert!(largest <= most, "{file} @{:#x} -> {to:#x}: one allocation of {largest} bytes", region.start + at);
            cases += 1;
        }
    }
    assert!(cases > 100, "{file}: only {cases} cases");
}

#[test]
fn changed_bytes_of_a_unicode_file() {
    sweep("Empty.pst", step(37));
}

#[test]
fn changed_bytes_of_a_unicode_file_with_messages_in_messages() {
    sweep("msgInMsgInMsg.pst", step(211));
}

#[test]
fn changed_bytes_of_an_ansi_file() {
    sweep("nonUnicodeCP932.pst", step(101));
}
