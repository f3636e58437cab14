//! Writing a mailbox to memory and to a file, and compacting it, as rates of mail.
//!
//! `cargo bench --bench write [-- MEBIBYTES]`
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_precision_loss)]

use pstkit::Pst;
use pstkit::io::{AtomicFile, Existing, MemoryStorage, ReadAt};
use pstkit::testkit::{MailShape, mail};
use pstkit::write::{CopyOptions, copy};
use std::time::Instant;

fn rate(what: &str, run: impl FnOnce() -> u64) {
    let start = Instant::now();
    let bytes = run();
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:>32} {:>8.1} MB {:>8.0} MB/s", bytes as f64 / 1e6, bytes as f64 / 1e6 / seconds);
}

fn main() {
    let mebibytes: u64 = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(128);
    let shapes = [
        ("mail of 10 KB, some attachments", MailShape::of_size(mebibytes << 20)),
        ("small messages, many folders", MailShape::many_small()),
        ("attachments of 200 KB", MailShape::attachments()),
    ];
    let mut last = Vec::new();
    for (what, shape) in &shapes {
        rate(&format!("{what}, to memory"), || {
            let memory = MemoryStorage::default();
            mail(&memory, shape).unwrap();
            last = memory.into_bytes();
            last.len() as u64
        });
    }
    let path = std::env::temp_dir().join(format!("pstkit-bench-{}.pst", std::process::id()));
    rate("to a file", || {
        let file = AtomicFile::create(&path, Existing::Replace).unwrap();
        mail(file.storage().unwrap(), &shapes[0].1).unwrap();
        let len = file.storage().unwrap().len();
        file.commit().unwrap();
        len
    });
    std::fs::remove_file(&path).unwrap();
    let pst = Pst::from_bytes(last).unwrap();
    rate("compact, memory to memory", || {
        let memory = MemoryStorage::default();
        copy(&pst, &memory, &CopyOptions::same(&pst), &()).unwrap().bytes
    });
}
