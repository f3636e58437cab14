//! Crashes, failing media and cancellation during a repair, in place and into a new file, and while it is undone: at every operation, with
//! writes lost, kept in part, and torn. Nothing is lost in any, no half file is taken for a whole one, and the undo record brings every byte back.
//!
//! All of these run over the same scenarios. A sample of the operations is taken, so that the run takes a minute at most; with
//! `PSTKIT_CRASH=full` every one is; `PSTKIT_CRASH_ONLY=NAME` takes the scenarios with these words in their names.

use crate::damage::Random;
use pstkit::check::{CheckOptions, check};
use pstkit::error::Result;
use pstkit::export::items::Items;
use pstkit::format::crypt::CryptMethod;
use pstkit::format::header::Header;
use pstkit::format::layout::{UNICODE, Variant};
use pstkit::format::page::PageType;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::limits::Limits;
use pstkit::messaging::Pst;
use pstkit::monitor::Monitor;
use pstkit::ndb::Ndb;
use pstkit::repair::LaterWrites;
use pstkit::repair::{Outcome, Policy, Target, UndoRecord, repair, repair_in_place, undo};
use pstkit::testkit::{Variety, tiny};
use pstkit::{Nid, NidType};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// When operations fail: from the n-th on, or the n-th alone. One count for all media of a run.
#[derive(Debug, Default)]
struct Faults {
    count: AtomicUsize,
    at: Option<usize>,
    ever: bool,
}

impl Faults {
    fn new(at: usize, ever: bool) -> Arc<Self> {
        Arc::new(Self { at: Some(at), ever, ..Self::default() })
    }

    fn next(&self, kind: io::ErrorKind) -> io::Result<()> {
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        let fails = self.at.is_some_and(|at| n == at || (self.ever && n > at));
        if fails { Err(io::Error::new(kind, "made to fail")) } else { Ok(()) }
    }
}

/// A storage that logs what is done to it, and fails when it is told to.
struct Medium {
    inner: MemoryStorage,
    log: Mutex<Vec<Op>>,
    faults: Arc<Faults>,
}

impl Medium {
    fn new(bytes: &[u8], faults: &Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { inner: MemoryStorage::new(bytes.to_vec()), log: Mutex::default(), faults: Arc::clone(faults) })
    }

    fn ops(&self) -> Vec<Op> {
        self.log.lock().unwrap().clone()
    }
}

impl ReadAt for Medium {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.faults.next(io::ErrorKind::Other)?;
        self.inner.read_exact_at(buf, offset)
    }
}

impl Storage for Medium {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.faults.next(io::ErrorKind::StorageFull)?;
        self.log.lock().unwrap().push(Op::Write(offset, buf.to_vec()));
        self.inner.write_all_at(buf, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.next(io::ErrorKind::StorageFull)?;
        self.log.lock().unwrap().push(Op::SetLen(len));
        self.inner.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.faults.next(io::ErrorKind::Other)?;
        self.log.lock().unwrap().push(Op::Sync);
        self.inner.sync()
    }
}

/// Cancels at the n-th time it is asked.
#[derive(Default)]
struct Cancels {
    asked: AtomicUsize,
    at: Option<usize>,
}

impl Monitor for Cancels {
    fn cancelled(&self) -> bool {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        self.at.is_some_and(|at| n >= at)
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
    for seed in 1..if is_full() { 9 } else { 2 } {
        let mut r = Random::new(seed * 1000 + k as u64);
        let kept: Vec<&Op> = done[..synced].iter().chain(done[synced..].iter().filter(|_| r.below(2) == 0)).collect();
        out.push(apply(bytes, kept));
    }
    if let Some(Op::Write(at, b)) = done.last() {
        let cuts = [512, b.len() / 2 / 512 * 512, b.len().saturating_sub(1) / 512 * 512, b.len() / 4 / 512 * 512];
        for cut in &cuts[..if is_full() { 4 } else { 2 }] {
            let cut = *cut;
            if cut < b.len() {
                let torn = Op::Write(*at, b[..cut].to_vec());
                out.push(apply(bytes, done[..k - 1].iter().chain([&torn])));
            }
        }
    }
    out
}

/// How often each digest is among a file's items.
fn contents(pst: &Pst) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for i in Items::new(pst) {
        *all.entry(i.unwrap().content_sha256).or_default() += 1;
    }
    all
}

fn holds(have: &BTreeMap<String, usize>, want: &BTreeMap<String, usize>) -> bool {
    want.iter().all(|(digest, n)| have.get(digest).is_some_and(|h| h >= n))
}

fn is_full() -> bool {
    std::env::var("PSTKIT_CRASH").is_ok_and(|v| v == "full")
}

/// Some of `0..total`: the ends, and what lies evenly between; all in a full run.
fn sample(total: usize, most: usize) -> Vec<usize> {
    if is_full() || total <= most {
        return (0..total).collect();
    }
    let ends = most / 3;
    let middle = most - 2 * ends;
    let span = total - 2 * ends;
    let mut out: Vec<usize> = (0..ends).chain((0..middle).map(|i| ends + i * span / middle)).chain(total - ends..total).collect();
    out.dedup();
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    InPlace,
    NewFile,
}

struct Scenario {
    name: String,
    damaged: Vec<u8>,
    /// What must not be lost.
    want: BTreeMap<String, usize>,
}

fn scenarios() -> Vec<Scenario> {
    let mut out = Vec::new();
    for (variant, crypt, compress) in [
        (Variant::Unicode, CryptMethod::Permute, false),
        (Variant::Ansi, CryptMethod::Cyclic, false),
        (Variant::Unicode4k, CryptMethod::None, true),
    ] {
        let healthy = tiny(Variety { variant, crypt, compress }, 3).unwrap();
        let header = Header::decode(&healthy, &mut Vec::new()).unwrap();
        let pst = Pst::from_bytes(healthy.clone()).unwrap();
        let layout = header.layout;
        let all = contents(&pst);
        let leaf = |t| pst.ndb().index().pages(t).find(|p| p.level == 0).unwrap().bref.ib.0 as usize;
        let mut put = |name: &str, want: &BTreeMap<String, usize>, f: &dyn Fn(&mut Vec<u8>)| {
            // all of them in one layout, the telling ones in the others
            if variant != Variant::Unicode && !is_full() && !["block tree leaf", "message"].contains(&name) {
                return;
            }
            let mut damaged = healthy.clone();
            f(&mut damaged);
            out.push(Scenario { name: format!("{variant} {name}"), damaged, want: want.clone() });
        };
        put("header checksum", &all, &|b| b[4] ^= 0x5A);
        put("maps", &all, &|b| b[layout.amap_first as usize..][..layout.page_size].fill(0));
        let at = leaf(PageType::BBT);
        put("block tree leaf", &all, &|b| b[at..at + layout.page_size].fill(0));
        let root = header.root.nbt.ib.0 as usize;
        put("node tree root", &all, &|b| b[root..root + layout.page_size].fill(0x55));
        // the properties of one message are overwritten: it is given up, nothing else is
        let message = pst.ndb().index().nodes().iter().find(|n| n.nid.nid_type() == NidType::NORMAL_MESSAGE).unwrap();
        let block = *pst.ndb().index().block(message.data.masked()).unwrap();
        let lost = Items::new(&pst).map(|i| i.unwrap()).find(|i| Nid(i.nid) == message.nid).unwrap().content_sha256;
        let mut rest = all.clone();
        *rest.get_mut(&lost).unwrap() -= 1;
        rest.retain(|_, n| *n > 0);
        put("message", &rest, &|b| b[block.ib.0 as usize..][..usize::from(block.cb)].fill(0x5A));
    }
    if let Ok(only) = std::env::var("PSTKIT_CRASH_ONLY") {
        out.retain(|s| s.name.contains(&only));
    }
    out
}

/// What a run did.
struct Run {
    result: Result<Outcome>,
    /// What is on the target now, and what was done to it.
    image: Vec<u8>,
    ops: Vec<Op>,
    record: Option<UndoRecord>,
    source: Vec<u8>,
    faults: Arc<Faults>,
}

fn carry_out(way: Way, s: &Scenario, faults: &Arc<Faults>, monitor: &dyn Monitor) -> Run {
    let source = Medium::new(&s.damaged, faults);
    let mut record = None;
    let (target, result) = match way {
        Way::InPlace => {
            let plan = check(Arc::clone(&source) as Arc<dyn ReadAt>, &CheckOptions::default(), monitor).map(|r| r.plan(&Policy::default()));
            let mut keep = |r: &UndoRecord| {
                record = Some(r.clone());
                Ok(())
            };
            let target: Arc<dyn Storage> = source.clone();
            (source.clone(), plan.and_then(|plan| plan.apply(Target::Storage { target, keep: &mut keep }, monitor)))
        }
        Way::NewFile => {
            let medium = Medium::new(&[], faults);
            let (reads, target): (Arc<dyn ReadAt>, Arc<dyn Storage>) = (source.clone(), medium.clone());
            (medium, repair(&reads, &target, &Policy::default(), monitor))
        }
    };
    let (image, ops) = (target.inner.to_bytes(), target.ops());
    Run { result, image, ops, record, source: source.inner.to_bytes(), faults: Arc::clone(faults) }
}

fn repaired(image: Vec<u8>) -> Result<(Pst, Outcome)> {
    let target = Arc::new(MemoryStorage::default());
    let (source, storage): (Arc<dyn ReadAt>, Arc<dyn Storage>) = (Arc::new(image), target.clone());
    let outcome = repair(&source, &storage, &Policy::default(), &())?;
    Ok((Pst::from_bytes(target.to_bytes())?, outcome))
}

/// What must hold whatever is on the medium.
fn hold(way: Way, s: &Scenario, image: &[u8], record: Option<&UndoRecord>, when: &str) {
    let at = format!("{} {way:?} {when}", s.name);
    match way {
        Way::InPlace => {
            match record {
                Some(record) => {
                    let undone = MemoryStorage::new(image.to_vec());
                    assert!(record.is_unused(&undone).unwrap(), "{at}: undo takes the repair's own bytes for somebody else's");
                    record.apply(&undone).unwrap();
                    assert!(undone.to_bytes() == s.damaged, "{at}: undo");
                }
                None => assert!(image == s.damaged, "{at}: changed before there was an undo record"),
            }
            let (pst, outcome) = repaired(image.to_vec()).unwrap();
            assert!(outcome.after.is_healthy(), "{at}: {:?}", outcome.after.findings.first());
            assert!(holds(&contents(&pst), &s.want), "{at}: something is lost");
        }
        Way::NewFile => {
            // nobody takes it for a data file, or all is in it
            let report = check(Arc::new(image.to_vec()), &CheckOptions::default(), &()).unwrap();
            if report.is_healthy() {
                assert!(holds(&contents(&Pst::from_bytes(image.to_vec()).unwrap()), &s.want), "{at}: half a file looks whole");
            }
        }
    }
}

/// What a file's own header and trees lead to, nothing else.
fn plain(image: &[u8]) -> BTreeMap<String, usize> {
    let Ok(header) = Header::decode(image, &mut Vec::new()) else { return BTreeMap::new() };
    contents(&Pst::from_ndb(Ndb::new(Arc::new(image.to_vec()), header, Limits::default())))
}

/// What is wrong with a medium in the middle of a repair in place, which may be left so for good: the old header leads to the old file, the
/// repair's first one to all that is there, and its last one to a file that is whole.
fn wrong_state(s: &Scenario, image: &[u8], record: &UndoRecord) -> Option<&'static str> {
    let (old, [during, after]) = (&record.ranges[0].1, &record.headers);
    let now = &image[..old.len()];
    if old == during || old == after || during == after {
        return None;
    }
    let is_wrong = |wrong: bool, what| wrong.then_some(what);
    if now == old {
        is_wrong(image[..s.damaged.len()] != s.damaged, "the old header leads to something new")
    } else if now == during {
        is_wrong(!holds(&plain(image), &s.want), "the new header leads to what is not there")
    } else if now == after {
        let report = check(Arc::new(image.to_vec()), &CheckOptions::default(), &()).unwrap();
        is_wrong(!report.is_healthy() || !holds(&plain(image), &s.want), "the last header is there before the file is whole")
    } else {
        None
    }
}

/// Everything that may be on the medium after a crash before operation `k`: what was not brought to it may be there or not, each for itself.
fn every_image(bytes: &[u8], ops: &[Op], k: usize) -> Vec<Vec<u8>> {
    let done = &ops[..k];
    let synced = done.iter().rposition(|o| matches!(o, Op::Sync)).map_or(0, |i| i + 1);
    let (sure, open) = done.split_at(synced);
    let n = open.len().min(5);
    let is_kept = |mask: usize, i: usize| i >= n || mask >> i & 1 == 1;
    let kept = |mask| open.iter().enumerate().filter(move |(i, _)| is_kept(mask, *i)).map(|(_, op)| op);
    (0..1usize << n).map(|mask| apply(bytes, sure.iter().chain(kept(mask)))).collect()
}

/// A repair that brings to the medium what it has written at each of the four places is safe; without any one of them it is not, and that shows.
#[test]
fn each_time_that_a_repair_in_place_waits_for_the_medium_is_needed() {
    let all = scenarios();
    let Some(s) = all.iter().find(|s| s.name.contains("block tree leaf")) else { return };
    let done = carry_out(Way::InPlace, s, &Arc::default(), &());
    let record = done.record.unwrap();
    // the same images come up again and again
    let mut known = BTreeMap::new();
    let mut is_wrong = |image: &[u8]| {
        let mut hasher = DefaultHasher::new();
        image.hash(&mut hasher);
        *known.entry(hasher.finish()).or_insert_with(|| wrong_state(s, image, &record).is_some())
    };
    let mut shows = |ops: &[Op]| {
        let ended = every_image(&s.damaged, ops, ops.len()).iter().any(|image| *image != done.image);
        ended || (0..=ops.len()).any(|k| every_image(&s.damaged, ops, k).iter().any(|image| is_wrong(image)))
    };
    assert!(!shows(&done.ops));
    let syncs: Vec<usize> = (0..done.ops.len()).filter(|i| matches!(done.ops[*i], Op::Sync)).collect();
    assert_eq!(syncs.len(), 4);
    for left_out in syncs {
        let mut ops = done.ops.clone();
        ops.remove(left_out);
        assert!(shows(&ops), "nothing shows without the sync at {left_out}");
    }
}

#[test]
fn a_crash_at_any_operation_loses_nothing() {
    let mut crashes = 0;
    for s in scenarios() {
        for way in [Way::InPlace, Way::NewFile] {
            let done = carry_out(way, &s, &Arc::default(), &());
            let outcome = done.result.unwrap_or_else(|e| panic!("{} {way:?}: {e}", s.name));
            assert!(outcome.changed && outcome.after.is_healthy(), "{} {way:?}: {:?}", s.name, outcome.after.findings.first());
            assert!(holds(&contents(&Pst::from_bytes(done.image.clone()).unwrap()), &s.want), "{}", s.name);
            let before = if way == Way::InPlace { s.damaged.clone() } else { Vec::new() };
            assert!(way == Way::InPlace || done.source == s.damaged);
            let mut seen = HashSet::new();
            for k in 0..=done.ops.len() {
                for image in images(&before, &done.ops, k) {
                    crashes += 1;
                    if seen.insert(image.clone()) {
                        let wrong = done.record.as_ref().and_then(|record| wrong_state(&s, &image, record));
                        assert!(wrong.is_none(), "{} {way:?} crash before {k}: {wrong:?}", s.name);
                        hold(way, &s, &image, done.record.as_ref(), &format!("crash before {k}"));
                    }
                }
            }
            // and while it is undone, from the end of the repair and from somewhere within it
            let Some(record) = done.record.filter(|_| way == Way::InPlace) else { continue };
            for from in [done.image, apply(&s.damaged, &done.ops[..done.ops.len() - 2])] {
                let target = Medium::new(&from, &Arc::default());
                record.apply(target.as_ref()).unwrap();
                assert!(target.inner.to_bytes() == s.damaged);
                let ops = target.ops();
                for k in 0..=ops.len() {
                    for image in images(&from, &ops, k) {
                        crashes += 1;
                        if seen.insert(image.clone()) {
                            hold(Way::InPlace, &s, &image, Some(&record), &format!("crash of undo before {k}"));
                        }
                    }
                }
            }
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 500, "{crashes}");
}

#[test]
fn an_error_of_the_medium_at_any_operation_is_told_and_loses_nothing() {
    let (mut failed, mut runs) = (0, 0);
    for (i, s) in scenarios().iter().enumerate().filter(|(i, _)| is_full() || i % 2 == 0) {
        for way in [Way::InPlace, Way::NewFile] {
            let all = carry_out(way, s, &Arc::default(), &()).faults.count.load(Ordering::Relaxed);
            for n in sample(all, 24) {
                let ever = (n + i) % 2 == 0;
                for ever in if is_full() { vec![false, true] } else { vec![ever] } {
                    runs += 1;
                    let run = carry_out(way, s, &Faults::new(n, ever), &());
                    let when = format!("error at {n} of {all}, for ever: {ever}");
                    assert!(way == Way::InPlace || run.source == s.damaged, "{}: the source was touched", s.name);
                    match run.result {
                        Err(_) => {
                            failed += 1;
                            let is_back = way != Way::InPlace || ever || run.image == s.damaged;
                            assert!(is_back, "{} {when}: what was begun was not taken back", s.name);
                            hold(way, s, &run.image, run.record.as_ref(), &when);
                        }
                        // A range that could not be read for a moment is damage: what that costs is told, and undo brings it back.
                        Ok(outcome) => {
                            let now = Pst::from_bytes(run.image.clone()).map(|p| contents(&p)).unwrap_or_default();
                            let told = outcome.exit_status() & (64 | 4) != 0 || !outcome.changed;
                            assert!(holds(&now, &s.want) || told, "{} {way:?} {when}: lost without a word", s.name);
                            if let Some(record) = &run.record {
                                let undone = MemoryStorage::new(run.image.clone());
                                record.apply(&undone).unwrap();
                                assert!(undone.to_bytes() == s.damaged, "{} {when}: undo", s.name);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(failed * 3 > runs, "{failed} of {runs} runs failed");
}

/// Bytes of which the reads of one place are counted, and one of them fails.
struct FailsOnce {
    bytes: Vec<u8>,
    place: u64,
    fails: usize,
    reads: AtomicUsize,
}

impl ReadAt for FailsOnce {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let is_there = offset <= self.place && self.place < offset + buf.len() as u64;
        if is_there && self.reads.fetch_add(1, Ordering::Relaxed) == self.fails {
            return Err(io::Error::other("made to fail"));
        }
        self.bytes.as_slice().read_exact_at(buf, offset)
    }
}

/// Repairs a damaged store once for each read of a place, which fails; answers how many reads that were.
fn fail_each_read(s: &Scenario, place: u64) -> usize {
    for fails in 0.. {
        let source = Arc::new(FailsOnce { bytes: s.damaged.clone(), place, fails, reads: AtomicUsize::new(0) });
        let (reads, target) = (Arc::clone(&source) as Arc<dyn ReadAt>, Arc::new(MemoryStorage::default()));
        let storage: Arc<dyn Storage> = target.clone();
        if let Ok(outcome) = repair(&reads, &storage, &Policy::default(), &()) {
            let now = Pst::from_bytes(target.to_bytes()).map(|p| contents(&p)).unwrap_or_default();
            let told = outcome.exit_status() & (64 | 4) != 0;
            assert!(holds(&now, &s.want) || told, "{} {place:#x} read {fails}: lost without a word", s.name);
        }
        if source.reads.load(Ordering::Relaxed) <= fails {
            return fails;
        }
    }
    0
}

#[test]
fn what_cannot_be_read_once_is_read_again() {
    let s = &scenarios()[0];
    let place = s.damaged.len() as u64 / 2;
    let source = Arc::new(FailsOnce { bytes: s.damaged.clone(), place, fails: 0, reads: AtomicUsize::new(0) });
    let header = Header::decode_as(&UNICODE, &s.damaged);
    let ndb = Ndb::new(source.clone(), header, Limits::default());
    assert_eq!(&*ndb.bytes(place - 5, 64).unwrap(), &s.damaged[place as usize - 5..][..64]);
    assert_eq!(source.reads.load(Ordering::Relaxed), 2);
}

#[test]
fn what_cannot_be_read_for_a_moment_is_not_lost_without_a_word() {
    for s in scenarios() {
        // the leaf of nodes, while the trees are read; the sub-nodes of messages, while they are sought
        let places: Vec<u64> = if s.name.contains("block tree leaf") {
            vec![Header::decode(&s.damaged, &mut Vec::new()).unwrap().root.nbt.ib.0]
        } else if s.name.contains("node tree root") {
            let pst = Pst::from_bytes(s.damaged.clone()).unwrap();
            let internal = pst.ndb().index().blocks().iter().filter(|b| b.bid.is_internal());
            internal.map(|b| b.ib.0).filter(|ib| s.damaged[*ib as usize] == 2).collect()
        } else {
            continue;
        };
        let failed: usize = places.iter().map(|place| fail_each_read(&s, *place)).sum();
        assert!(failed > 1, "{}: {failed}", s.name);
    }
}

#[test]
fn a_cancellation_at_any_moment_leaves_everything_as_it_was() {
    for s in scenarios().iter().step_by(if is_full() { 1 } else { 2 }) {
        for way in [Way::InPlace, Way::NewFile] {
            let counts = Cancels::default();
            carry_out(way, s, &Arc::default(), &counts).result.unwrap();
            let all = counts.asked.load(Ordering::Relaxed);
            assert!(all > 10, "{all}");
            for n in sample(all, 18) {
                let run = carry_out(way, s, &Arc::default(), &Cancels { at: Some(n), ..Cancels::default() });
                assert!(run.result.is_err_and(|e| e.is_cancelled()), "{} {way:?}: cancelled at {n}", s.name);
                hold(way, s, &run.image, run.record.as_ref(), &format!("cancelled at {n}"));
                if way == Way::InPlace {
                    assert!(run.image == s.damaged, "{}: cancelled at {n}", s.name);
                }
            }
        }
    }
}

#[test]
fn a_file_of_the_same_name_is_replaced_whole_or_not_at_all() {
    let s = &scenarios()[3];
    let dir = tempfile::tempdir().unwrap();
    let (out, path, undo_path) = (dir.path().join("out.pst"), dir.path().join("x.pst"), dir.path().join("x.pst.undo"));
    std::fs::write(&out, b"something of value").unwrap();
    std::fs::write(&path, &s.damaged).unwrap();
    let to_path = |monitor: &dyn Monitor, replace: bool| {
        let source: Arc<dyn ReadAt> = Arc::new(s.damaged.clone());
        let plan = check(Arc::clone(&source), &CheckOptions::default(), &()).unwrap().plan(&Policy::default());
        plan.apply(Target::Path { source, out: &out, replace }, monitor)
    };
    assert!(to_path(&(), false).is_err());
    let counts = Cancels::default();
    let copy = dir.path().join("copy.pst");
    std::fs::write(&copy, &s.damaged).unwrap();
    repair_in_place(&copy, &dir.path().join("copy.undo"), &Policy::default(), &counts).unwrap();
    for n in sample(counts.asked.load(Ordering::Relaxed), 12) {
        // not every run asks so often
        if to_path(&Cancels { at: Some(n), ..Cancels::default() }, true).is_err() {
            assert_eq!(std::fs::read(&out).unwrap(), b"something of value");
        } else {
            std::fs::write(&out, b"something of value").unwrap();
        }
        assert!(repair_in_place(&path, &undo_path, &Policy::default(), &Cancels { at: Some(n), ..Cancels::default() }).is_err());
        assert!(std::fs::read(&path).unwrap() == s.damaged && !undo_path.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "something was left behind");
    }
    assert!(to_path(&(), true).unwrap().after.is_healthy());
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
        let fixed = std::fs::read(&path).unwrap();
        assert!(holds(&contents(&Pst::from_bytes(fixed.clone()).unwrap()), &s.want), "{}", s.name);

        // a second run finds nothing to do and changes no byte
        let second = dir.path().join(format!("{i}.second.undo"));
        let again = repair_in_place(&path, &second, &Policy::default(), &()).unwrap();
        assert!(!again.changed && !second.exists());
        assert!(std::fs::read(&path).unwrap() == fixed);

        // a file that was used since is not put back, unless that is wanted
        let mut used = fixed.clone();
        used[4] ^= 1;
        std::fs::write(&path, &used).unwrap();
        let e = undo(&undo_path, &path, LaterWrites::Keep).unwrap_err();
        assert!(e.to_string().contains("changed since"), "{e}");
        // nor is an undo file overwritten
        let e = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap_err();
        assert!(e.to_string().contains("exists from an earlier repair"), "{e}");
        assert!(std::fs::read(&path).unwrap() == used);
        std::fs::write(&path, &fixed).unwrap();
        undo(&undo_path, &path, LaterWrites::discard_if(i % 2 == 0)).unwrap();
        assert!(std::fs::read(&path).unwrap() == s.damaged, "{}", s.name);
        assert!(!undo_path.exists());
    }
}

/// A file that has to be written anew: bytes were lost in its middle, so that what lies behind is at other places.
pub(crate) fn beyond_adding() -> Vec<u8> {
    let mut bytes = scenarios().remove(4).damaged;
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let mut blocks = pst.ndb().index().blocks().to_vec();
    blocks.sort_by_key(|b| b.ib);
    let at = blocks[blocks.len() / 2].ib.0 as usize;
    drop(bytes.drain(at..at + 100));
    bytes
}

#[test]
fn a_file_that_was_written_anew_in_place_can_be_undone_and_keeps_its_mode_and_its_links() {
    let dir = tempfile::tempdir().unwrap();
    let damaged = beyond_adding();
    let (real, undo_path) = (dir.path().join("real.pst"), dir.path().join("real.pst.undo"));
    std::fs::write(&real, &damaged).unwrap();
    #[cfg(unix)]
    let path = {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = dir.path().join("link.pst");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        link
    };
    #[cfg(not(unix))]
    let path = real.clone();
    let outcome = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
    assert!(outcome.changed && outcome.after.is_healthy());
    let kept = dir.path().join("real.pst.undo.kept");
    assert!(std::fs::read(&kept).unwrap() == damaged, "it was added to");
    assert!(std::fs::metadata(&undo_path).unwrap().len() < 4096, "the undo file is small");
    let fixed = std::fs::read(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert!(path.symlink_metadata().unwrap().file_type().is_symlink());
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }
    // used since
    let mut used = fixed.clone();
    used[4] ^= 1;
    std::fs::write(&real, &used).unwrap();
    assert!(undo(&undo_path, &path, LaterWrites::Keep).unwrap_err().to_string().contains("changed since"));
    std::fs::write(&real, &fixed).unwrap();
    undo(&undo_path, &path, LaterWrites::Keep).unwrap();
    assert!(std::fs::read(&path).unwrap() == damaged && !undo_path.exists() && !kept.exists());

    // a file that has another name keeps its bytes under that one, to the last
    #[cfg(unix)]
    {
        let other = dir.path().join("other.pst");
        std::fs::hard_link(&real, &other).unwrap();
        repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
        assert!(std::fs::read(&other).unwrap() == damaged, "another name");
        assert!(std::fs::read(&kept).unwrap() == damaged, "the undo file's");
        undo(&undo_path, &path, LaterWrites::Keep).unwrap();
        assert!(std::fs::read(&path).unwrap() == damaged);
        std::fs::remove_file(&other).unwrap();
    }

    // a crash of an earlier version between the undo file's name and the new file's: both names are the old file
    std::fs::hard_link(&real, &undo_path).unwrap();
    let outcome = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
    assert!(outcome.changed && undo_path.exists());

    // a crash before the new file gets its name: the undo file is there, and the old file under both names
    #[cfg(unix)]
    {
        let written = std::fs::read(&undo_path).unwrap();
        undo(&undo_path, &path, LaterWrites::Keep).unwrap();
        assert!(std::fs::read(&path).unwrap() == damaged);
        for way in 0..3 {
            // with the undo file, with a copy because no link could be made, and without the undo file
            match way {
                1 => drop(std::fs::copy(&real, &kept).unwrap()),
                _ => std::fs::hard_link(&real, &kept).unwrap(),
            }
            if way != 2 {
                std::fs::write(&undo_path, &written).unwrap();
                assert!(pstkit::repair::take_back_interrupted(&path, &undo_path).unwrap(), "{way}");
                assert!(!undo_path.exists() && !kept.exists(), "{way}");
            }
            let outcome = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
            assert!(outcome.changed && outcome.after.is_healthy(), "{way}");
            undo(&undo_path, &path, LaterWrites::Keep).unwrap();
            assert!(std::fs::read(&path).unwrap() == damaged && !undo_path.exists() && !kept.exists(), "{way}");
        }
    }
}

#[test]
fn a_repair_in_place_that_was_interrupted_is_taken_back_and_done_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    for s in scenarios().into_iter().take(3) {
        let done = carry_out(Way::InPlace, &s, &Arc::default(), &());
        let mut record = done.record.unwrap();
        for k in 0..done.ops.len() - 1 {
            let (path, undo_path) = (dir.path().join("x.pst"), dir.path().join("x.pst.undo"));
            std::fs::write(&path, apply(&s.damaged, &done.ops[..k])).unwrap();
            // of another file it would not be used unasked
            record.file = pstkit::io::FileId::of_path(&path);
            record.save(&undo_path, &std::fs::metadata(&path).unwrap()).unwrap();
            let outcome = repair_in_place(&path, &undo_path, &Policy::default(), &()).unwrap();
            assert!(outcome.changed && outcome.after.is_healthy(), "{} {k}", s.name);
            assert!(std::fs::read(&path).unwrap() == done.image, "{} {k}", s.name);
            undo(&undo_path, &path, LaterWrites::Keep).unwrap();
            assert!(std::fs::read(&path).unwrap() == s.damaged, "{} {k}", s.name);
        }
    }
}
