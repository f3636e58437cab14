//! Repair of damaged copies of real files: nothing that is intact is lost, and the result is whole.

use crate::corpus;
use crate::damage::Healthy;
use pstkit::Pst;
use pstkit::export::items::Items;
use pstkit::format::ids::Nid;
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::ndb::Ndb;
use pstkit::repair::{Policy, repair};
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
                    failures.push(format!("{} {}: a second repair changed the file", f.file, d.kind));
                }
            }
            if d.kind == "healthy" && outcome.changed && outcome.before.is_healthy() {
                failures.push(format!("{}: a healthy file was changed", f.file));
            }
            assert!(go_on || failures.is_empty(), "{failures:#?}");
        }
    }
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
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
