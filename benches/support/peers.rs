//! The peers' programs, timed on the same file: what takes them longest to start with is left out by taking the best of some runs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a peer takes to read a file, and what it says of it.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) peer: &'static str,
    pub(crate) best: Duration,
    pub(crate) says: String,
}

/// Every peer that is installed and can read the file.
pub(crate) fn read(path: &Path, runs: usize) -> Vec<Timed> {
    let outlook = outlook_pst(path, runs);
    let readpst = program("readpst", runs, |dir| vec!["-q".into(), "-o".into(), dir.display().to_string(), path.display().to_string()]);
    let pffexport = program("pffexport", runs, |dir| {
        let target = dir.join("export").display().to_string();
        vec!["-q".into(), "-m".into(), "items".into(), "-t".into(), target, path.display().to_string()]
    });
    [outlook, readpst, pffexport].into_iter().flatten().collect()
}

/// Microsoft's crate, through the program of the workspace beside this file; it times itself, without the start of a process.
fn outlook_pst(path: &Path, runs: usize) -> Option<Timed> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/target/release/pstkit-peers");
    if !peers.exists() {
        println!("no outlook-pst: build it with `cargo build --release --manifest-path benches/peers/Cargo.toml`");
        return None;
    }
    let out = Command::new(&peers).args(["--time", "--runs", &runs.to_string()]).arg(path).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let timed = text.lines().filter_map(|l| {
        let (seconds, says) = l.split_once(" s: ")?;
        Some((Duration::from_secs_f64(seconds.trim().parse().ok()?), says.to_owned()))
    });
    let (best, says) = timed.min()?;
    Some(Timed { peer: "outlook-pst", best, says })
}

fn program(peer: &'static str, runs: usize, arguments: impl Fn(&Path) -> Vec<String>) -> Option<Timed> {
    let mut best: Option<Duration> = None;
    let mut says = String::new();
    for _ in 0..runs {
        let dir = tempfile::tempdir().ok()?;
        let start = Instant::now();
        let status = Command::new(peer).args(arguments(dir.path())).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        let took = start.elapsed();
        best = Some(best.map_or(took, |b| b.min(took)));
        says = format!("writes what it reads, {status}");
    }
    Some(Timed { peer, best: best?, says })
}
