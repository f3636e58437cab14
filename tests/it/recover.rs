//! Salvage of damaged copies of real files, at the level of nodes and blocks.

use crate::corpus;
use crate::damage::{Healthy, blocks_of};
use pstkit::finding::Strict;
use pstkit::recover::{Options, open};
use std::sync::Arc;

/// Kinds of damage after which no generation, or only an older one, may be left of an entry; nodes are then found by their contents.
const NODES_MAY_BE_GONE: &[&str] =
    &["first 64 KiB zero", "first half", "first 90 %", "first 64 KiB cut off", "middle fragment", "1 % of slots", "node tree leaf"];

#[test]
fn every_intact_message_is_in_the_salvaged_index() {
    let only = std::env::var("PSTKIT_FILES").unwrap_or_default();
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.file.contains(&only)) {
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
            let mut missing = Vec::new();
            for nid in &intact {
                let ok = back.ndb.node(*nid).is_some_and(|n| {
                    let was = healthy.ndb.node(*nid).unwrap();
                    n.data == was.data
                        && n.sub == was.sub
                        && n.parent == was.parent
                        && blocks_of(&back.ndb, *nid).iter().all(|b| back.ndb.block_at(b, &mut Strict).is_ok_and(|d| d.is_some()))
                });
                if !ok {
                    missing.push(*nid);
                }
            }
            let state = if back.salvage.is_some() { "salvaged" } else { "plain" };
            let (want, got) = (healthy.ndb.index().nodes().len(), back.ndb.index().nodes().len());
            println!(
                "{} {}: {state}, intact {} of {}, missing {}, nodes {got}/{want}, blocks {}/{}",
                f.file,
                d.kind,
                intact.len(),
                healthy.needs.len(),
                missing.len(),
                back.ndb.index().blocks().len(),
                healthy.ndb.index().blocks().len()
            );
            assert!(missing.is_empty() || NODES_MAY_BE_GONE.contains(&d.kind), "{} {}: {missing:?}", f.file, d.kind);
        }
    }
}
