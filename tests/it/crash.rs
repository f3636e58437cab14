//! Crashes during a repair in place: at every operation, with writes lost, kept in part, and torn. What is left is the old state, the new
//! one, or one that the next run finishes; nothing is lost in any, and the undo record brings every byte back.

use crate::damage::Random;
use pstkit::check::{CheckOptions, check};
use pstkit::export::items::Items;
use pstkit::format::crypt::CryptMethod;
use pstkit::format::header::Header;
use pstkit::format::layout::Variant;
use pstkit::format::page::PageType;
use pstkit::io::{MemoryStorage, Overlay, ReadAt, Storage};
use pstkit::messaging::Pst;
use pstkit::repair::{Policy, UndoRecord, commit, repair, repair_in_place, restructure, undo};
use pstkit::testkit::{Variety, small};
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A storage that logs what is done to it, and fails at the operation it is told to.
struct Logged {
    inner: MemoryStorage,
    log: Mutex<Vec<Op>>,
    fail_at: Option<usize>,
}

impl Logged {
    fn new(bytes: &[u8], fail_at: Option<usize>) -> Self {
        Self { inner: MemoryStorage::new(bytes.to_vec()), log: Mutex::default(), fail_at }
    }

    fn log(&self, op: Op) -> io::Result<()> {
        let mut log = self.log.lock().unwrap();
        if self.fail_at.is_some_and(|n| log.len() >= n) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space"));
        }
        log.push(op);
        Ok(())
    }
}

impl ReadAt for Logged {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, offset)
    }
}

impl Storage for Logged {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.log(Op::Write(offset, buf.to_vec()))?;
        self.inner.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.log(Op::SetLen(len))?;
        self.inner.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.log(Op::Sync)?;
        self.inner.sync()
    }
}

fn apply<'o>(bytes: &[u8], ops: impl IntoIterator<Item = &'o Op>) -> Vec<u8> {
    let m = MemoryStorage::new(bytes.to_vec());
    for op in ops {
        match op {
            Op::Write(at, b) => m.write_all_at(b, *at).unwrap(),
            Op::SetLen(n) => m.set_len(*n).unwrap(),
            Op::Sync => {}
        }
    }
    m.into_bytes()
}

/// What may be on the medium after a crash before operation `k`.
fn images(bytes: &[u8], ops: &[Op], k: usize) -> Vec<Vec<u8>> {
    let done = &ops[..k];
    let synced = done.iter().rposition(|o| matches!(o, Op::Sync)).map_or(0, |i| i + 1);
    let mut out = vec![apply(bytes, done), apply(bytes, &done[..synced])];
    for seed in 1..4 {
        let mut r = Random::new(seed * 1000 + k as u64);
        let kept: Vec<&Op> = done[..synced].iter().chain(done[synced..].iter().filter(|_| r.below(2) == 0)).collect();
        out.push(apply(bytes, kept));
    }
    if let Some(Op::Write(at, b)) = done.last() {
        for cut in [512, b.len() / 2 / 512 * 512, b.len().saturating_sub(1) / 512 * 512] {
            if cut < b.len() {
                let torn = Op::Write(*at, b[..cut].to_vec());
                out.push(apply(bytes, done[..k - 1].iter().chain([&torn])));
            }
        }
    }
    out
}

fn contents(pst: &Pst) -> Vec<String> {
    let mut all: Vec<String> = Items::new(pst).map(|i| i.unwrap().content_sha256).collect();
    all.sort();
    all
}

struct Scenario {
    name: &'static str,
    healthy: Vec<u8>,
    damaged: Vec<u8>,
}

fn scenarios() -> Vec<Scenario> {
    let mut out = Vec::new();
    for (variant, crypt, compress) in [
        (Variant::Unicode, CryptMethod::Permute, false),
        (Variant::Ansi, CryptMethod::Cyclic, false),
        (Variant::Unicode4k, CryptMethod::None, true),
    ] {
        let healthy = small(Variety { variant, crypt, compress }, 3).unwrap();
        let header = Header::decode(&healthy, &mut Vec::new()).unwrap();
        let pst = Pst::from_bytes(healthy.clone()).unwrap();
        let layout = header.layout;
        let leaf = |t| pst.ndb().index().pages(t).find(|p| p.level == 0).unwrap().bref.ib.0 as usize;
        let mut put = |name, f: &dyn Fn(&mut Vec<u8>)| {
            let mut damaged = healthy.clone();
            f(&mut damaged);
            out.push(Scenario { name, healthy: healthy.clone(), damaged });
        };
        put("header checksum", &|b| b[4] ^= 0x5A);
        put("maps", &|b| b[layout.amap_first as usize..][..layout.page_size].fill(0));
        let at = leaf(PageType::BBT);
        put("block tree leaf", &|b| b[at..at + layout.page_size].fill(0));
        let root = header.root.nbt.ib.0 as usize;
        put("node tree root", &|b| b[root..root + layout.page_size].fill(0x55));
    }
    out
}

#[test]
fn a_crash_at_any_operation_loses_nothing() {
    let mut crashes = 0;
    for s in scenarios() {
        let want = contents(&Pst::from_bytes(s.healthy.clone()).unwrap());
        let source: Arc<dyn ReadAt> = Arc::new(s.damaged.clone());
        let before = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap();
        assert!(!before.is_healthy(), "{}", s.name);
        let recovered = pstkit::recover::open(Arc::clone(&source), &pstkit::recover::Options::default(), &()).unwrap();
        let planned = Arc::new(Overlay::new(source));
        restructure(&recovered.ndb, &before, &planned, &()).unwrap();
        let after = check(Arc::clone(&planned) as Arc<dyn ReadAt>, &CheckOptions::default(), &()).unwrap();
        assert!(after.is_healthy(), "{}: {:?}", s.name, after.findings.first());

        let target = Logged::new(&s.damaged, None);
        let mut record = None;
        commit(&target, &planned, recovered.ndb.layout(), &mut |r| {
            record = Some(r.clone());
            Ok(())
        })
        .unwrap();
        let record: UndoRecord = record.unwrap();
        let mut made = vec![0; planned.len() as usize];
        planned.read_exact_at(&mut made, 0).unwrap();
        assert!(target.inner.to_bytes() == made, "{}: what is planned and what is done differ", s.name);

        let ops = target.log.into_inner().unwrap();
        let mut seen = HashSet::new();
        for k in 0..=ops.len() {
            for image in images(&s.damaged, &ops, k) {
                crashes += 1;
                if !seen.insert(image.clone()) {
                    continue;
                }
                let undone = MemoryStorage::new(image.clone());
                record.apply(&undone).unwrap();
                assert!(undone.to_bytes() == s.damaged, "{}: undo after operation {k}", s.name);
                let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
                let source: Arc<dyn ReadAt> = Arc::new(image);
                let outcome = repair(&source, &target, &Policy::default(), &()).unwrap();
                assert!(outcome.after.is_healthy(), "{}: operation {k}: {:?}", s.name, outcome.after.findings.first());
                let mut bytes = vec![0; target.len() as usize];
                target.read_exact_at(&mut bytes, 0).unwrap();
                assert_eq!(contents(&Pst::from_bytes(bytes).unwrap()), want, "{}: operation {k}", s.name);
            }
        }
    }
    assert!(crashes > 500, "{crashes}");
}

#[test]
fn a_full_disk_at_any_operation_is_told_and_loses_nothing() {
    for s in scenarios().into_iter().take(2) {
        let want = contents(&Pst::from_bytes(s.healthy.clone()).unwrap());
        let source: Arc<dyn ReadAt> = Arc::new(s.damaged.clone());
        let before = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap();
        let recovered = pstkit::recover::open(Arc::clone(&source), &pstkit::recover::Options::default(), &()).unwrap();
        let planned = Overlay::new(source);
        restructure(&recovered.ndb, &before, &planned, &()).unwrap();
        for n in 0.. {
            let target = Logged::new(&s.damaged, Some(n));
            let mut record = None;
            let done = commit(&target, &planned, recovered.ndb.layout(), &mut |r| {
                record = Some(r.clone());
                Ok(())
            });
            let image = target.inner.to_bytes();
            let recovered = pstkit::recover::open(Arc::new(image), &pstkit::recover::Options::default(), &()).unwrap();
            assert_eq!(contents(&Pst::from_ndb(recovered.ndb)), want, "{} {n}", s.name);
            if done.is_ok() {
                assert!(n > 5);
                break;
            }
        }
    }
}

#[test]
fn a_repair_in_place_can_be_undone_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    for (i, s) in scenarios().into_iter().enumerate() {
        let path = dir.path().join(format!("{i}.pst"));
        let undo_path = dir.path().join(format!("{i}.pst.undo"));
        std::fs::write(&path, &s.damaged).unwrap();
        let outcome = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
        assert!(outcome.changed && outcome.after.is_healthy(), "{}", s.name);
        let repaired = std::fs::read(&path).unwrap();
        assert_eq!(
            contents(&Pst::from_bytes(repaired.clone()).unwrap()),
            contents(&Pst::from_bytes(s.healthy.clone()).unwrap()),
            "{}",
            s.name
        );

        // a second run finds nothing to do and changes no byte
        let second = dir.path().join(format!("{i}.second.undo"));
        let again = repair_in_place(&path, &second, &Policy::default(), &()).unwrap();
        assert!(!again.changed && !second.exists());
        assert!(std::fs::read(&path).unwrap() == repaired);
        assert!(repair_in_place(&path, &undo_path, &Policy::default(), &()).is_err(), "an undo file is never overwritten");

        undo(&undo_path, &path).unwrap();
        assert!(std::fs::read(&path).unwrap() == s.damaged, "{}", s.name);
        assert!(!undo_path.exists());
    }
}
