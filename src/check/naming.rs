//! Names for people: the folder and the subject of a finding's object.
//!
//! Looked up once the findings are known, so that a healthy file costs nothing; an unreadable object has no name.

use crate::finding::Finding;
use crate::format::ids::{Nid, NidType};
use crate::messaging::Pst;
use crate::ndb::Ndb;
use std::collections::HashMap;
use std::sync::Arc;

/// Findings that get a name; reading a subject costs more than a finding.
const MOST: usize = 2000;

/// Adds folder paths and subjects to findings that are about folders and messages.
pub(super) fn name(ndb: &Ndb, findings: &mut [Finding]) {
    if findings.iter().all(|f| f.at.nid.is_none()) {
        return;
    }
    let pst = Pst::from_ndb(ndb.share());
    let paths: HashMap<Nid, Arc<str>> = pst.folder_paths().into_iter().map(|(nid, path)| (nid, Arc::from(path))).collect();
    let mut subjects: HashMap<Nid, Option<Arc<str>>> = HashMap::new();
    for f in findings.iter_mut().filter(|f| f.at.nid.is_some()).take(MOST) {
        let Some(nid) = f.at.nid else { continue };
        let Some(folder) = folder_of(ndb, nid) else { continue };
        f.folder = paths.get(&folder).filter(|p| !p.is_empty()).cloned();
        if nid.is_message() {
            let subject = subjects.entry(nid).or_insert_with(|| {
                let message = pst.message(nid).ok()?;
                message.subject().ok().flatten().map(Arc::from)
            });
            f.subject.clone_from(subject);
        }
    }
}

/// The folder that an object is, belongs to, or lies in.
fn folder_of(ndb: &Ndb, nid: Nid) -> Option<Nid> {
    match nid.nid_type() {
        NidType::NORMAL_FOLDER | NidType::SEARCH_FOLDER => Some(nid),
        NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE => Some(nid.with_type(NidType::NORMAL_FOLDER)),
        NidType::SEARCH_CONTENTS_TABLE | NidType::SEARCH_UPDATE_QUEUE | NidType::SEARCH_CRITERIA_OBJECT => {
            Some(nid.with_type(NidType::SEARCH_FOLDER))
        }
        NidType::NORMAL_MESSAGE | NidType::ASSOC_MESSAGE => ndb.node(nid).map(|n| n.parent),
        _ => None,
    }
}
