//! The NDB layer on real files.

use crate::corpus;
use crate::damage::{Damaged, Healthy};
use pstkit::finding::{Ignore, Strict};
use pstkit::format::header::Header;
use pstkit::format::ids::NidType;
use pstkit::limits::Limits;
use pstkit::ndb::{Ndb, scan};
use std::collections::HashSet;
use std::sync::Arc;

fn open(path: &std::path::Path) -> Ndb {
    let bytes = std::fs::read(path).unwrap();
    let header = Header::decode(&bytes, &mut Vec::new()).unwrap();
    Ndb::new(Arc::new(bytes), header, Limits::default())
}

#[test]
fn both_trees_of_every_real_file_hold_what_independent_readers_count() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let ndb = open(&f.path);
        let mut found = Vec::new();
        let index = ndb.load_index(&mut found).unwrap();
        let count = |t: NidType| index.nodes().iter().filter(|n| n.nid.nid_type() == t).count();
        assert_eq!(Some(count(NidType::NORMAL_FOLDER)), f.folders, "{}", f.file);
        assert_eq!(Some(count(NidType::NORMAL_MESSAGE)), f.messages, "{}", f.file);
        assert_eq!(Some(count(NidType::SEARCH_FOLDER)), f.search_folders, "{}", f.file);
        assert_eq!(Some(count(NidType::ASSOC_MESSAGE)), f.associated, "{}", f.file);
        if f.writer == "outlook" {
            assert!(found.is_empty(), "{}: {}", f.file, found[0]);
        }
    }
}

#[test]
fn every_block_of_every_real_file_reads_strictly_and_the_scan_finds_it() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let ndb = open(&f.path);
        for b in ndb.index().blocks() {
            assert!(ndb.block_at(b, &mut Strict).unwrap().is_some(), "{} {}", f.file, b.bid);
        }
        let scanned = scan::scan(&ndb, &()).unwrap();
        let places: HashSet<_> = scanned.blocks.iter().map(|b| (b.bid, b.ib)).collect();
        assert!(ndb.index().blocks().iter().all(|b| places.contains(&(b.bid, b.ib))), "{}", f.file);
        let pages: HashSet<_> = scanned.pages.iter().map(|p| p.ib).collect();
        assert!(ndb.index().facts.pages.iter().all(|p| pages.contains(&p.bref.ib)), "{}", f.file);
    }
}

/// A scan that the trees guide finds what a blind one finds, whatever is wrong with them.
#[test]
fn a_search_with_the_help_of_the_trees_finds_what_a_scan_finds() {
    let mut compared = 0;
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let healthy = Healthy::read(&f.path);
        if healthy.bytes.len() > 2 << 20 {
            continue;
        }
        let whole = Damaged { kind: "none", bytes: healthy.bytes.clone(), segments: Vec::new() };
        for Damaged { kind: name, bytes, .. } in healthy.damages().into_iter().chain([whole]) {
            let Ok(header) = Header::decode(&bytes, &mut Ignore) else { continue };
            let ndb = Ndb::new(Arc::new(bytes), header, Limits::default());
            let (blind, guided) = (scan::scan(&ndb, &()).unwrap(), scan::search(&ndb, &|_| false, &()).unwrap());
            assert_eq!(blind.pages, guided.pages, "{} {name}", f.file);
            assert_eq!((blind.blocks, blind.gaps), (guided.blocks, guided.gaps), "{} {name}", f.file);
            compared += 1;
        }
    }
    assert!(compared > 0 || corpus::files().is_empty());
}

#[test]
fn every_nodes_data_and_sub_nodes_read_strictly() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let ndb = open(&f.path);
        for n in ndb.index().nodes() {
            let mut pending = vec![ndb.node(n.nid).unwrap()];
            while let Some(node) = pending.pop() {
                let tree = node.data(&mut Strict).unwrap();
                let all = tree.read_all(&ndb, 1 << 30, &mut Strict).unwrap().into_owned();
                assert_eq!(all.len() as u64, tree.len());
                let mut streamed = Vec::new();
                std::io::Read::read_to_end(&mut tree.reader(&ndb).strict(), &mut streamed).unwrap();
                assert!(streamed == all, "{} {}", f.file, node.at);
                for e in node.subnodes(&mut Strict).unwrap().iter() {
                    let at = node.at.with_sub(e.nid);
                    pending.push(pstkit::ndb::Node::detached(&ndb, e.nid, e.data, e.sub, at));
                }
            }
        }
    }
}
