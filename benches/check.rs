//! The check, as ratios to one raw CRC pass over the same mapped file in the same run.
//!
//! `cargo bench --bench check [-- MEBIBYTES | FILE…]`; without arguments, a made mailbox of 1 GiB in the temporary directory
//! (`PSTKIT_BENCH_MIB` sets another size). A ratio of 0.25 means that the raw pass takes a quarter of the time.
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_precision_loss)]

#[path = "support/peers.rs"]
mod peers;

use pstkit::check::{CheckOptions, Level};
use pstkit::finding::Finding;
use pstkit::io::{AtomicFile, Existing};
use pstkit::messaging::{OpenOptions, Pst};
use pstkit::monitor::{Monitor, Phase};
use pstkit::testkit::{MailShape, mail};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When each phase began.
#[derive(Default)]
struct Clock(Mutex<Vec<(Phase, Instant)>>);

impl Monitor for Clock {
    fn phase(&self, phase: Phase, _total: Option<u64>) {
        self.0.lock().unwrap().push((phase, Instant::now()));
    }
    fn advance(&self, _by: u64) {}
    fn finding(&self, _f: &Finding) {}
    fn cancelled(&self) -> bool {
        false
    }
}

impl Clock {
    fn spans(self) -> Vec<(Phase, Duration)> {
        let end = Instant::now();
        let starts = self.0.into_inner().unwrap();
        let ends = starts.iter().skip(1).map(|(_, t)| *t).chain([end]);
        starts.iter().zip(ends).map(|((p, t), end)| (*p, end - *t)).collect()
    }
}

/// Private memory of the process in bytes, where the system tells.
fn private() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Runs something and tells the most private memory that it took, sampled.
fn peak<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let (stop, most, before) = (AtomicBool::new(false), AtomicU64::new(0), private());
    std::thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(private().saturating_sub(before), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let out = run();
        stop.store(true, Ordering::Relaxed);
        (out, most.load(Ordering::Relaxed))
    })
}

fn raw(path: &Path) -> Duration {
    let source = OpenOptions::new().source(path).unwrap();
    let len = source.len();
    let start = Instant::now();
    let (mut at, mut sum) = (0, 0u32);
    while at < len {
        let n = (len - at).min(4 << 20);
        sum ^= pstkit::format::crc::crc(source.slice(at, n as usize).unwrap().unwrap());
        at += n;
    }
    std::hint::black_box(sum);
    start.elapsed()
}

fn measure(path: &Path) {
    let len = std::fs::metadata(path).unwrap().len();
    raw(path);
    let runs: usize = std::env::var("PSTKIT_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let base = (0..runs).map(|_| raw(path)).min().unwrap();
    let rate = |d: Duration| len as f64 / 1e6 / d.as_secs_f64();
    println!("{} bytes, {}", len, path.file_name().unwrap().to_string_lossy());
    println!("{:>24} {:>9} {:>9} {:>7} {:>12}", "", "seconds", "MB/s", "ratio", "private");
    println!("{:>24} {:>9.3} {:>9.0} {:>7.3}", "raw pass", base.as_secs_f64(), rate(base), 1.0);
    let line = |what: &str, d: Duration, private: Option<u64>| {
        let private = private.map_or(String::new(), |n| format!("{:.1} MiB", n as f64 / f64::from(1 << 20)));
        println!("{what:>24} {:>9.3} {:>9.0} {:>7.3} {private:>12}", d.as_secs_f64(), rate(d), base.as_secs_f64() / d.as_secs_f64());
    };
    let mut allowed = 0;
    let only = std::env::var("PSTKIT_BENCH_ONLY").unwrap_or_default();
    for (what, level, threads) in [
        ("quick", Level::Quick, 1),
        ("default", Level::Default, 1),
        ("default, 2 threads", Level::Default, 2),
        ("deep, 2 threads", Level::Deep, 2),
    ] {
        if !only.is_empty() && what != only {
            continue;
        }
        let pst = Pst::open(path).unwrap();
        let options = CheckOptions::level(level).threads(threads);
        let run = || {
            let (clock, start) = (Clock::default(), Instant::now());
            let report = pst.check(&options, &clock).unwrap();
            (report, clock.spans(), start.elapsed())
        };
        let (first, memory) = peak(run);
        let (report, spans, took) = (0..runs.saturating_sub(1)).map(|_| run()).chain([first]).min_by_key(|r| r.2).unwrap();
        line(what, took, Some(memory));
        for (phase, d) in spans.iter().filter(|(_, d)| *d * 50 > took) {
            line(&format!("- {}", phase.title()), *d, None);
        }
        if level == Level::Quick {
            let index = pst.ndb().index();
            allowed = (16 << 20) + 64 * (index.blocks().len() + index.nodes().len() + index.facts.pages.len()) as u64;
        }
        assert!(
            !report.findings.iter().any(|f| f.severity >= pstkit::rules::Severity::Error) || level == Level::Deep,
            "{}",
            report.summary()
        );
    }
    println!("{:>24} {:>46.1} MiB", "allowed", allowed as f64 / f64::from(1 << 20));
}

/// The whole program's default check of the larger real files, beside the time that readers need to read them once.
fn real_files() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/npm__pst-extractor");
    for name in ["michelle_lokay_000_1_1_1_1.pst", "pstextractortest@outlook.com.ost"] {
        let path = corpus.join(name);
        if !path.exists() {
            println!("skipped: {name} is not here");
            continue;
        }
        let once = || {
            let start = Instant::now();
            std::hint::black_box(Pst::open(&path).unwrap().check(&CheckOptions::default().threads(1), &()).unwrap());
            start.elapsed()
        };
        let ours = (0..5).map(|_| once()).min().unwrap();
        println!("{name}: default check on one thread {:.4} s", ours.as_secs_f64());
        for peer in peers::read(&path, 3) {
            let (took, times) = (peer.best.as_secs_f64(), peer.best.as_secs_f64() / ours.as_secs_f64());
            println!("{:>12} {took:.3} s, {times:.1} times as long: {}", peer.peer, peer.says);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let files: Vec<PathBuf> = arguments.iter().map(PathBuf::from).filter(|p| p.exists()).collect();
    if !files.is_empty() {
        files.iter().for_each(|f| measure(f));
        return;
    }
    let wanted = arguments.first().cloned().or_else(|| std::env::var("PSTKIT_BENCH_MIB").ok());
    let mebibytes: u64 = wanted.and_then(|n| n.parse().ok()).unwrap_or(1024);
    let path = std::env::temp_dir().join(format!("pstkit-bench-check-{}.pst", std::process::id()));
    let file = AtomicFile::create(&path, Existing::Replace).unwrap();
    mail(file.storage().unwrap(), &MailShape::of_size(mebibytes << 20)).unwrap();
    file.commit().unwrap();
    measure(&path);
    std::fs::remove_file(&path).unwrap();
    real_files();
}
