//! Repair, as ratios in the same run: in place to one check of the whole file, into a new file to copying it (with everything brought to
//! the medium in both).
//!
//! `cargo bench --bench repair`; a made mailbox of 1 GiB in the temporary directory (`PSTKIT_BENCH_MIB` sets another size). Wants three
//! times that much room, and a quiet machine.
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_precision_loss)]
#![allow(clippy::indexing_slicing)]

use pstkit::check::{CheckOptions, check};
use pstkit::format::page::PageType;
use pstkit::io::{AtomicFile, Existing, FileStorage, ReadAt, Storage};
use pstkit::messaging::{OpenOptions, Pst};
use pstkit::repair::{Policy, Target, repair_in_place};
use pstkit::testkit::{MailShape, mail};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The kinds of damage: what they are called, and the range that is overwritten.
fn damages(path: &Path) -> Vec<(&'static str, u64, usize)> {
    let pst = Pst::open(path).unwrap();
    let (layout, index) = (pst.layout(), pst.ndb().index());
    let leaf = |t| index.pages(t).filter(|p| p.level == 0).nth(2).unwrap().bref.ib.0;
    let message = index.nodes().iter().find(|n| n.nid.is_message()).unwrap();
    let block = index.block(message.data.masked()).unwrap();
    vec![
        ("header", 4, 1),
        ("allocation map", layout.amap_at(layout.amap_count(pst.ndb().len()) / 2), layout.page_size),
        ("block tree leaf", leaf(PageType::BBT), layout.page_size),
        ("node tree leaf", leaf(PageType::NBT), layout.page_size),
        ("a message's properties", block.ib.0, block.cb.into()),
    ]
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let out = f();
    (out, start.elapsed())
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
    File::open(to).unwrap().sync_all().unwrap();
}

fn main() {
    let mib: u64 = std::env::var("PSTKIT_BENCH_MIB").ok().and_then(|s| s.parse().ok()).unwrap_or(1024);
    let dir = tempfile::tempdir().unwrap();
    let (healthy, damaged, out) = (dir.path().join("healthy.pst"), dir.path().join("damaged.pst"), dir.path().join("out.pst"));
    let file = AtomicFile::create(&healthy, Existing::Replace).unwrap();
    mail(file.storage().unwrap(), &MailShape::of_size(mib << 20)).unwrap();
    file.commit().unwrap();
    println!("a made mailbox of {} MB", std::fs::metadata(&healthy).unwrap().len() / 1_000_000);

    let source = |p: &Path| -> Arc<dyn ReadAt> { OpenOptions::new().source(p).unwrap() };
    // as many threads as the repair takes
    let options = CheckOptions::default().threads(0);
    let checks = (0..3).map(|_| timed(|| check(source(&healthy), &options, &()).unwrap()).1);
    let checking = checks.min().unwrap();
    let copies = (0..3).map(|_| timed(|| copy(&healthy, &damaged)).1);
    let copying = copies.min().unwrap();
    println!("one check: {checking:.2?}; one copy, on the medium: {copying:.2?}");

    for (name, at, len) in damages(&healthy) {
        copy(&healthy, &damaged);
        let storage = FileStorage::open_exclusive(&damaged).unwrap();
        let mut bytes = vec![0; len];
        storage.read_exact_at(&mut bytes, at).unwrap();
        bytes.iter_mut().for_each(|b| *b ^= 0x5A);
        storage.write_all_at(&bytes, at).unwrap();
        storage.sync().unwrap();
        drop(storage);
        let anew = (0..3).map(|_| {
            let (outcome, time) = timed(|| {
                let source = source(&damaged);
                let plan = check(Arc::clone(&source), &options.clone().for_repair(), &()).unwrap().plan(&Policy::default());
                plan.apply(Target::Path { source, out: &out, replace: true }, &()).unwrap()
            });
            assert!(outcome.changed && outcome.after.is_healthy(), "{name}");
            std::fs::remove_file(&out).unwrap();
            time
        });
        // as the copies: the best of three, for the medium has its own pace
        let anew = anew.min().unwrap();
        let undo = dir.path().join("undo");
        let (outcome, in_place) = timed(|| repair_in_place(&damaged, &undo, &Policy::default(), &()).unwrap());
        assert!(outcome.changed && outcome.after.is_healthy(), "{name}");
        std::fs::remove_file(&undo).unwrap();
        println!(
            "{name:24} in place {in_place:.2?}: {:.2} checks    new file {anew:.2?}: {:.2} copies",
            in_place.as_secs_f64() / checking.as_secs_f64(),
            anew.as_secs_f64() / copying.as_secs_f64()
        );
    }
}
