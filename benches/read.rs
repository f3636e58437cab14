//! Reading everything, as a rate beside one raw CRC pass over the same mapped file in the same run, on one thread and on two; and how
//! many times as long the peers take that are installed.
//!
//! `cargo bench --bench read [-- FILE…]`; without files, the larger real files beside the checkout, where they are there.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

#[path = "support/peers.rs"]
mod peers;
#[path = "../tests/it/support/walk.rs"]
mod walk;

use pstkit::io::{AtomicFile, Existing};
use pstkit::messaging::{OpenOptions, Pst};
use pstkit::testkit::{MailShape, mail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn best(runs: usize, mut f: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn main() {
    let mut files: Vec<PathBuf> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
        for name in [
            "npm__pst-extractor/michelle_lokay_000_1_1_1_1.pst",
            "npm__pst-extractor/pstextractortest@outlook.com.ost",
            "aspose-email__Aspose.Email-for-.NET/SampleOstFile.ost",
        ] {
            files.extend(Some(corpus.join(name)).filter(|p| p.exists()));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    if std::env::args().all(|a| a.starts_with("--") || !Path::new(&a).is_file() || a.contains("deps")) {
        for (name, shape) in [("many.pst", MailShape::many_small()), ("big.pst", MailShape::attachments())] {
            let file = AtomicFile::create(&dir.path().join(name), Existing::Replace).unwrap();
            mail(file.storage().unwrap(), &shape).unwrap();
            file.commit().unwrap();
            files.push(dir.path().join(name));
        }
    }
    println!(
        "{:>12} {:>10} {:>10} {:>8} {:>9} {:>9} {:>9}  file",
        "bytes", "raw MB/s", "walk MB/s", "ratio", "messages", "us/msg", "2 threads"
    );
    for path in files {
        let source = OpenOptions::new().source(&path).unwrap();
        let len = source.len();
        let raw = best(5, || {
            let mut at = 0;
            let mut sum = 0u32;
            while at < len {
                let n = (len - at).min(4 << 20);
                let bytes = source.slice(at, n as usize).unwrap().unwrap();
                sum ^= pstkit::format::crc::crc(bytes);
                at += n;
            }
            std::hint::black_box(sum);
        });
        let mut seen = walk::Seen::default();
        let walked = best(5, || seen = walk::everything(&Pst::open(&path).unwrap()));
        let walked2 = best(5, || {
            std::hint::black_box(walk::messages_on(&Pst::open(&path).unwrap(), 2));
        });
        let mb = |d: Duration| len as f64 / 1e6 / d.as_secs_f64();
        let messages = seen.messages + seen.associated + seen.embedded;
        println!(
            "{len:>12} {:>10.0} {:>10.0} {:>8.3} {messages:>9} {:>9.2} {:>9.0}  {}",
            mb(raw),
            mb(walked),
            raw.as_secs_f64() / walked.as_secs_f64(),
            walked.as_secs_f64() * 1e6 / (messages.max(1)) as f64,
            mb(walked2),
            path.file_name().unwrap().to_string_lossy()
        );
        for peer in peers::read(&path, 5) {
            let times = |d: Duration| peer.best.as_secs_f64() / d.as_secs_f64();
            let (one, two) = (times(walked), times(walked2));
            println!("{:>12} {:.3} s, {one:.1} and {two:.1} times ours: {}", peer.peer, peer.best.as_secs_f64(), peer.says);
        }
    }
}
