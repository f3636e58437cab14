//! Repair of damaged copies of real files: nothing that is intact is lost, and the result is whole.

use crate::corpus;
use crate::damage::Healthy;
use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::format::ids::Nid;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::ndb::Ndb;
use pstkit::repair::LaterWrites;
use pstkit::repair::{Policy, repair};
use pstkit::testkit::{VARIETIES, Variety, small};
use std::collections::HashMap;
use std::sync::Arc;

/// Tests that share the files.
const PARTS: usize = 4;

/// Digest and folder of every message.
fn items(pst: &Pst) -> HashMap<Nid, (String, String)> {
    Items::new(pst).filter_map(Result::ok).map(|i| (Nid(i.nid), (i.content_sha256, i.folder))).collect()
}

fn repaired(bytes: &[u8]) -> Option<(Vec<u8>, pstkit::repair::Outcome)> {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = Arc::clone(&memory) as Arc<dyn Storage>;
    match repair(&source, &target, &Policy::default(), &()) {
        Ok(outcome) => Some((memory.to_bytes(), outcome)),
        Err(e) => {
            println!("  cannot be repaired: {e}");
            None
        }
    }
}

/// Every [`PARTS`]th file from the `part`th on, so that the parts run beside one another.
fn every_intact_message_comes_back(part: usize) {
    let only = std::env::var("PSTKIT_FILES").unwrap_or_default();
    let kinds = std::env::var("PSTKIT_KINDS").unwrap_or_default();
    let go_on = std::env::var("PSTKIT_KEEP_GOING").is_ok();
    let mut failures = Vec::new();
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.file.contains(&only)).skip(part).step_by(PARTS) {
        let healthy = Healthy::read(&f.path);
        let was = items(&Pst::from_ndb(Ndb::new(Arc::new(healthy.bytes.clone()), healthy.ndb.header().clone(), Default::default())));
        for d in healthy.damages().iter().filter(|d| d.kind.contains(&kinds)) {
            let intact = healthy.intact(d);
            let Some((bytes, outcome)) = repaired(&d.bytes) else {
                assert!(intact.is_empty(), "{} {}", f.file, d.kind);
                continue;
            };
            let pst = Pst::from_bytes(bytes.clone()).unwrap();
            let mut left: HashMap<String, Vec<String>> = HashMap::new();
            let now = items(&pst);
            for (digest, folder) in now.values() {
                left.entry(digest.clone()).or_default().push(folder.clone());
            }
            let (mut missing, mut displaced) = (Vec::new(), 0);
            for nid in &intact {
                let (digest, folder) = &was[nid];
                match left.get_mut(digest) {
                    Some(there) if !there.is_empty() => {
                        let at = there.iter().position(|x| x == folder);
                        displaced += usize::from(at.is_none());
                        if at.is_none() && std::env::var("PSTKIT_SHOW").is_ok() {
                            println!("  {nid} was in {folder}, is in {there:?}");
                        }
                        there.remove(at.unwrap_or(0));
                    }
                    _ => missing.push(*nid),
                }
            }
            println!(
                "{} {}: intact {} of {}, missing {}, displaced {displaced}, items {}, {} -> {} in {}",
                f.file,
                d.kind,
                intact.len(),
                healthy.needs.len(),
                missing.len(),
                now.len(),
                outcome.before.verdict,
                outcome.after.verdict,
                outcome.passes
            );
            if !missing.is_empty() {
                failures.push(format!("{} {}: missing {missing:?}", f.file, d.kind));
            }
            if !outcome.after.is_healthy() {
                let what: Vec<String> = outcome
                    .after
                    .findings
                    .iter()
                    .filter(|f| f.severity > pstkit::rules::Severity::Notice)
                    .take(3)
                    .map(|f| f.to_string())
                    .collect();
                failures.push(format!("{} {}: {} {what:#?}", f.file, d.kind, outcome.after.verdict));
            } else {
                let (again, second) = repaired(&bytes).unwrap();
                if second.changed || again != bytes {
                    let rest = second.before.findings.iter().filter(|f| f.severity > pstkit::rules::Severity::Notice);
                    let rest: Vec<String> = rest.take(3).map(ToString::to_string).collect();
                    failures.push(format!("{} {}: a second repair changed the file, which had {rest:#?}", f.file, d.kind));
                }
                // the check of the result went on from the one before; this one did not
                let told = |r: &pstkit::check::Report| format!("{:?}", (&r.findings, &r.counts, r.items, r.verdict));
                if told(&outcome.after) != told(&second.before) {
                    failures.push(format!("{} {}: {} is not {}", f.file, d.kind, told(&outcome.after), told(&second.before)));
                }
            }
            if d.kind == "healthy"
                && outcome.changed
                && outcome.before.is_healthy()
                && outcome.before.count(pstkit::rules::Severity::Warning) == 0
            {
                failures.push(format!("{}: a healthy file was changed", f.file));
            }
            assert!(go_on || failures.is_empty(), "{failures:#?}");
        }
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
}

/// The lossless part of a plan is carried out though the rest is left, and though more damage shows where the trees lead to more again.
#[test]
fn what_gives_nothing_up_is_done_whatever_else_is_damaged() {
    let policy = Policy::default().lossy(false);
    let names = ["testPST.pst", "SampleOstFile.ost", "contacts97-2002.pst", "alpha-beta-gamma-delta.pst"];
    let mut done = 0;
    for f in corpus::files().iter().filter(|f| names.iter().any(|n| f.file.ends_with(n))) {
        let healthy = Healthy::read(&f.path);
        for d in healthy.damages().iter().filter(|d| ["1 % of slots", "0.1 % of slots", "1 % of sectors zero"].contains(&d.kind)) {
            let source: Arc<dyn ReadAt> = Arc::new(d.bytes.clone());
            let memory = Arc::new(MemoryStorage::default());
            let target: Arc<dyn Storage> = memory.clone();
            let outcome = repair(&source, &target, &policy, &()).unwrap();
            let chosen = |r: &pstkit::check::Report| {
                let wrong = r.findings.iter().filter(|f| f.severity >= pstkit::rules::Severity::Warning && f.rule.fix.is_structural());
                wrong.map(|f| f.rule.code).collect::<Vec<_>>()
            };
            assert_eq!(outcome.changed, !outcome.plan.is_empty(), "{} {}", f.file, d.kind);
            if outcome.changed {
                done += 1;
                assert_eq!(chosen(&outcome.after), [""; 0], "{} {}", f.file, d.kind);
                assert!(outcome.after.items.messages.ok >= outcome.before.items.messages.ok, "{} {}", f.file, d.kind);
            }
        }
    }
    println!("{done} were changed");
    assert!(done > 4 || corpus::files().is_empty());
}

/// Blocks that were freed long ago are found by the search that a damaged tree makes necessary; nothing in the file needs them.
#[test]
fn what_was_freed_does_not_keep_the_lossless_part_from_being_done() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/apache__tika/testPST.pst");
    let Ok(healthy) = std::fs::read(path) else {
        println!("skipped: ../shared is not here");
        return;
    };
    let mut bytes = healthy;
    let pst = Pst::from_bytes(bytes.clone()).unwrap();
    let block = *pst.ndb().index().block(pst.ndb().node(Nid(0x20_0064)).unwrap().data.masked()).unwrap();
    bytes[block.ib.0 as usize..][..8].fill(0x5A);
    // a leaf whose checksum is wrong: the file is searched
    let pages = &pst.ndb().index().facts.pages;
    let leaf = pages.iter().find(|p| p.page_type == pstkit::format::page::PageType::NBT && p.level == 0).unwrap();
    bytes[leaf.bref.ib.0 as usize + pst.layout().page_size - 12] ^= 1;
    let source: Arc<dyn ReadAt> = Arc::new(bytes);
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let outcome = repair(&source, &target, &Policy::default().lossy(false), &()).unwrap();
    assert!(outcome.changed);
    let codes = |r: &pstkit::check::Report| -> Vec<&str> {
        r.counts.iter().filter(|c| c.severity >= pstkit::rules::Severity::Warning).map(|c| c.rule.code).collect()
    };
    assert_eq!(codes(&outcome.before), ["PST-B010", "PST-D001"]);
    assert_eq!(codes(&outcome.after), ["PST-D001"]);
}

#[test]
fn every_intact_message_is_in_the_repaired_file_1() {
    every_intact_message_comes_back(0);
}

#[test]
fn every_intact_message_is_in_the_repaired_file_2() {
    every_intact_message_comes_back(1);
}

#[test]
fn every_intact_message_is_in_the_repaired_file_3() {
    every_intact_message_comes_back(2);
}

#[test]
fn every_intact_message_is_in_the_repaired_file_4() {
    every_intact_message_comes_back(3);
}

/// A made store of each variety, and how it is damaged here: a byte of one message's properties.
fn with_one_damaged_message(variety: Variety) -> (Vec<u8>, Vec<u8>, Nid) {
    let healthy = small(variety, 5).unwrap();
    let pst = Pst::from_bytes(healthy.clone()).unwrap();
    let index = pst.ndb().index();
    let message = index.nodes().iter().find(|n| n.nid.is_message()).unwrap();
    let mut damaged = healthy.clone();
    damaged[usize::try_from(index.block(message.data).unwrap().ib.0).unwrap() + 40] ^= 0x55;
    (healthy, damaged, message.nid)
}

/// A whole copy for the sake of one message is slow on a large file, and touches what nobody has asked for.
#[test]
fn only_what_is_wrong_is_written_anew() {
    for variety in VARIETIES {
        let (healthy, damaged, nid) = with_one_damaged_message(variety);
        let (bytes, outcome) = repaired(&damaged).unwrap();
        assert!(outcome.changed && outcome.after.is_healthy(), "{}", variety.name());
        let (before, after) = (Pst::from_bytes(healthy).unwrap(), Pst::from_bytes(bytes).unwrap());
        let mut kept = 0;
        let folder = before.ndb().index().node(nid).unwrap().parent;
        for n in before.ndb().index().nodes().iter().filter(|n| n.nid != nid && n.nid != folder && n.nid.is_message()) {
            assert_eq!(after.ndb().index().node(n.nid), Some(n), "{} {}", variety.name(), n.nid);
            for root in [n.data, n.sub].iter().filter(|b| !b.is_none()) {
                let place = |pst: &Pst| pst.ndb().index().block(root.masked()).map(|b| (b.ib, b.cb));
                assert_eq!(place(&after), place(&before), "{} {}", variety.name(), n.nid);
            }
            kept += 1;
        }
        assert!(kept > 3, "{}", variety.name());
        assert_eq!(outcome.account.messages.expected, outcome.account.messages.ok + outcome.account.messages.partial, "{}", variety.name());
    }
}

/// A wrong header or map follows from what is there: nothing else is written, and the file does not grow.
#[test]
fn where_header_or_maps_are_wrong_they_alone_are_written() {
    for variety in VARIETIES {
        let healthy = small(variety, 7).unwrap();
        let layout = Pst::from_bytes(healthy.clone()).unwrap().layout();
        let map = layout.amap_at(0) as usize;
        let map = map..map + layout.page_size * layout.map_pages(0) as usize;
        let mut places = vec![0..layout.header_size, map];
        if layout.has_pmaps {
            let list = layout.dlist as usize;
            places.push(list..list + layout.page_size);
        }
        for damaged in [4, layout.amap_at(0) as usize + 9] {
            let mut bytes = healthy.clone();
            bytes[damaged] ^= 0xFF;
            let (mut out, outcome) = repaired(&bytes).unwrap();
            assert!(outcome.changed && outcome.after.is_healthy(), "{} {damaged:#x}", variety.name());
            assert_eq!(outcome.account.messages.ok, outcome.before.items.messages.less(outcome.before.items.associated).ok);
            let mut was = healthy.clone();
            for place in &places {
                out[place.clone()].fill(0);
                was[place.clone()].fill(0);
            }
            assert!(out == was, "{} {damaged:#x}", variety.name());
        }
    }
}

/// The header's counter of row versions is nowhere else in the file: the rows tell what it must be at least.
#[test]
fn a_lost_header_does_not_make_row_versions_come_twice() {
    for variety in VARIETIES {
        let mut bytes = small(variety, 6).unwrap();
        bytes[..512].fill(0);
        let (_, outcome) = repaired(&bytes).unwrap();
        assert!(outcome.after.findings.iter().all(|f| f.rule.code != "PST-H017"), "{}: {:?}", variety.name(), outcome.after.findings);
        assert!(outcome.after.is_healthy(), "{}", variety.name());
    }
}

/// From file to file the system copies while the changes are made: the result is the one that is made in memory.
#[test]
fn from_file_to_file_comes_what_comes_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    for variety in VARIETIES {
        let (_, damaged, _) = with_one_damaged_message(variety);
        let mut headless = damaged.clone();
        headless[..512].fill(0);
        for bytes in [damaged, headless] {
            let (want, outcome) = repaired(&bytes).unwrap();
            let (path, out) = (dir.path().join("damaged.pst"), dir.path().join("out.pst"));
            std::fs::write(&path, &bytes).unwrap();
            let source = pstkit::OpenOptions::new().source(&path).unwrap();
            let plan = pstkit::check::check(source.clone(), &Default::default(), &()).unwrap().plan(&Policy::default());
            let done = plan.apply(pstkit::repair::Target::Path { source, out: &out, replace: true }, &()).unwrap();
            assert!(std::fs::read(&out).unwrap() == want, "{}", variety.name());
            assert_eq!(done.account, outcome.account, "{}", variety.name());
        }
    }
}

/// Whether files are mapped or read by position, what comes out is the same, byte for byte, in a new file and in place.
#[test]
fn without_maps_comes_what_comes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let (path, out, undo) = (dir.path().join("damaged.pst"), dir.path().join("out.pst"), dir.path().join("damaged.pst.undo"));
    for variety in VARIETIES {
        let (healthy, one_message, _) = with_one_damaged_message(variety);
        let pst = Pst::from_bytes(healthy.clone()).unwrap();
        let (root, page) = (pst.header().root.clone(), pst.layout().page_size);
        let without = |places: &[u64]| {
            let mut bytes = healthy.clone();
            places.iter().for_each(|at| bytes[*at as usize..*at as usize + page].fill(0));
            bytes
        };
        let (nbt, bbt, map) = (root.nbt.ib.0, root.bbt.ib.0, pst.layout().amap_at(0));
        let damages = [one_message, without(&[0]), without(&[nbt]), without(&[nbt, bbt]), without(&[map])];
        for (n, bytes) in damages.iter().enumerate() {
            let of = |map: bool| {
                let policy = Policy::default().map(map).allow_loss(true);
                std::fs::write(&path, bytes).unwrap();
                let source = pstkit::OpenOptions::new().map(map).source(&path).unwrap();
                let plan = pstkit::check::check(source.clone(), &Default::default(), &()).unwrap().plan(&policy);
                let done = plan.apply(pstkit::repair::Target::Path { source, out: &out, replace: true }, &()).unwrap();
                assert!(done.changed, "{} {n}", variety.name());
                let placed = pstkit::repair::repair_in_place(&path, &undo, &policy, &()).unwrap();
                let in_place = std::fs::read(&path).unwrap();
                assert!(placed.changed && in_place != *bytes, "{} {n}", variety.name());
                pstkit::repair::undo(&undo, &path, LaterWrites::Discard).unwrap();
                assert!(std::fs::read(&path).unwrap() == *bytes, "{} {n}: undo", variety.name());
                let _ = std::fs::remove_file(&undo);
                (std::fs::read(&out).unwrap(), in_place, done.account, placed.account)
            };
            let (mapped, read) = (of(true), of(false));
            assert!(mapped.0 == read.0, "{} {n}: new file", variety.name());
            assert!(mapped.1 == read.1, "{} {n}: in place", variety.name());
            assert_eq!((mapped.2, mapped.3), (read.2, read.3), "{} {n}", variety.name());
        }
    }
}
