//! Salvage of damaged copies of real files, at the level of nodes and blocks.

use crate::corpus;
use crate::damage::{Healthy, Random, blocks_of};
use crate::support::{items, repaired};
use pstkit::error::ErrorKind;
use pstkit::finding::{Ignore, Strict};
use pstkit::format::ids::{Nid, NidType};
use pstkit::format::page::{NbtEntry, PageType};
use pstkit::ndb::Ndb;
use pstkit::recover::{Options, open};
use std::sync::Arc;

#[test]
fn every_intact_message_is_in_the_salvaged_index() {
    let only = std::env::var("PSTKIT_FILES").unwrap_or_default();
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.file.contains(&only)).step_by(3) {
        let healthy = Healthy::read(&f.path);
        for d in healthy.damages() {
            let intact = healthy.intact(&d);
            let back = match open(Arc::new(d.bytes.clone()), &Options::default(), &()) {
                Ok(back) => back,
                Err(e) => {
                    println!("{} {}: {e}", f.file, d.kind);
                    assert!(intact.is_empty(), "{} {}: {e}", f.file, d.kind);
                    continue;
                }
            };
            let (mut missing, mut displaced) = (Vec::new(), 0);
            for nid in &intact {
                let was = healthy.ndb.node(*nid).unwrap();
                // the entry itself may be lost: then the same blocks stand under an id of the salvage's
                // histories count in nothing that a person would see
                let kept = |n: Nid, ndb: &Ndb| -> Vec<Nid> {
                    let subs = ndb.node(n).unwrap().subnodes(&mut Ignore).unwrap().clone();
                    subs.iter().map(|e| e.nid).filter(|n| n.nid_type() != NidType::REPLICATION_TABLE).collect()
                };
                let same = |n: &&NbtEntry| {
                    n.data.masked() == was.data && (n.sub.masked() == was.sub || kept(n.nid, &back.ndb) == kept(*nid, &healthy.ndb))
                };
                let all = back.ndb.index().nodes();
                let Some(n) = back.ndb.index().node(*nid).filter(same).or_else(|| all.iter().find(same)) else {
                    missing.push(*nid);
                    continue;
                };
                displaced += usize::from(n.nid != *nid || n.parent != was.parent);
                for b in blocks_of(&back.ndb, n.nid) {
                    assert!(back.ndb.block_at(&b, &mut Strict).is_ok_and(|d| d.is_some()), "{} {} {nid:?}", f.file, d.kind);
                }
            }
            let state = if back.salvage.is_some() { "salvaged" } else { "plain" };
            let (want, got) = (healthy.ndb.index().nodes().len(), back.ndb.index().nodes().len());
            println!(
                "{} {}: {state}, intact {} of {}, missing {}, displaced {displaced}, nodes {got}/{want}, blocks {}/{}",
                f.file,
                d.kind,
                intact.len(),
                healthy.needs.len(),
                missing.len(),
                back.ndb.index().blocks().len(),
                healthy.ndb.index().blocks().len()
            );
            let there: Vec<_> = missing.iter().map(|nid| (healthy.ndb.index().node(*nid), back.ndb.index().node(*nid))).collect();
            assert!(missing.is_empty(), "{} {}: {missing:?} {there:?}", f.file, d.kind);
        }
    }
}

/// Files that are made to mislead: they end in an answer, and soon.
#[test]
fn misleading_files_are_answered() {
    let mut random = Random::new(3);
    let mut noise = vec![0; 4 << 20];
    random.fill(&mut noise);
    let mut files = vec![noise, vec![0; 4 << 20], vec![0x80; 4 << 20], vec![0x84; 4 << 20], vec![0xFF; 4 << 20], b"!BDN".to_vec()];
    // the pages of a real file over and over, each in a wrong place
    if let Some(f) = corpus::files().iter().find(|f| f.is_whole()) {
        let healthy = Healthy::read(&f.path);
        let pages: Vec<Vec<u8>> = healthy
            .ndb
            .index()
            .facts
            .pages
            .iter()
            .map(|p| healthy.ndb.bytes(p.bref.ib.0, healthy.ndb.layout().page_size).unwrap().into_owned())
            .collect();
        let mut copies = healthy.bytes.clone();
        for i in 0..2000 {
            copies.extend(&pages[i % pages.len()]);
        }
        files.push(copies);
        files.push(pages.concat().repeat(300));
    }
    for bytes in files {
        let (len, first) = (bytes.len(), bytes.first().copied());
        match open(Arc::new(bytes), &Options::default().thorough(true), &()) {
            Ok(found) => assert!(found.ndb.index().nodes().len() < 1000, "{len} {first:?}"),
            Err(e) => assert!(matches!(e.kind(), ErrorKind::NotPst(_)), "{len} {first:?}: {e}"),
        }
    }
}

/// A message that was changed after an older leaf was written is one message: the state that the older leaf names is in free space, and the
/// newer one that no leaf names is the same message and not a second one. Nor is any message live that was deleted before.
#[test]
fn older_leaves_bring_no_message_back_twice_or_from_the_dead() {
    let small = |f: &&corpus::Expected| f.is_whole() && std::fs::metadata(&f.path).is_ok_and(|m| m.len() <= 3 << 20);
    for f in corpus::files().iter().filter(small) {
        let healthy = Healthy::read(&f.path);
        let digests = |bytes: &[u8]| {
            let mut all: Vec<String> = items(bytes).into_iter().map(|i| i.1).collect();
            all.sort();
            all
        };
        let mut bytes = healthy.bytes.clone();
        let pages = &healthy.ndb.index().facts.pages;
        let size = healthy.ndb.layout().page_size;
        for p in pages.iter().filter(|p| p.page_type == PageType::NBT && p.level == 0) {
            let at = usize::try_from(p.bref.ib.0).unwrap();
            bytes[at..at + size].fill(0);
        }
        let (out, _) = repaired(&bytes);
        assert_eq!(digests(&out), digests(&healthy.bytes), "{}", f.file);
    }
}
