//! Rescue: everything that is in a file, also deleted items, into a new file.

use super::account::Account;
use super::rebuild::{Readable, lost_for, origins_of, provenance, readable, settle};
use crate::check::{CheckOptions, Report, check};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ids::Nid;
use crate::io::{ReadAt, Storage};
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::recover::shift::Foreign;
use crate::recover::{self, Found, Versions};
use crate::write::{CopyOptions, copy};
use std::collections::HashSet;
use std::sync::Arc;

/// The extent and the cost of a rescue.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RescueOptions {
    /// The states of messages that are written.
    pub versions: Versions,
    /// Limits of reading.
    pub limits: Limits,
}

impl RescueOptions {
    setters! { versions: Versions, limits: Limits }
}

/// The result of a rescue.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rescued {
    /// The fate of everything.
    pub account: Account,
    /// Deleted items, items that no tree lists, and items that are in no folder any more, with their origin.
    pub found: Vec<Found>,
    /// Older states of messages; they are left out unless they are asked for.
    pub older_states: u64,
    /// The stretches that hold bytes of another data file: nothing of it is in the result, because it is none of this mailbox.
    pub foreign: Vec<Foreign>,
    /// Finds with the contents of another find, or of a message that is there; they are left out.
    pub equal_copies: u64,
    /// The faults of the result.
    pub after: Report,
}

/// Writes everything that can be found in `source` to `target`, which is overwritten: listed items, items that only older generations of the
/// trees list, and messages that nothing lists. Deleted items goes to folders below `Lost and Found`.
///
/// # Errors
/// [`ErrorKind::NotPst`] where nothing in the source is part of such a file, [`ErrorKind::Unsupported`] where it is encrypted;
/// errors of the media; cancellation. The target then holds no header.
pub fn rescue(source: &Arc<dyn ReadAt>, target: &Arc<dyn Storage>, options: &RescueOptions, monitor: &dyn Monitor) -> Result<Rescued> {
    let opening = recover::Options { thorough: true, limits: options.limits, ..recover::Options::default() };
    let mut recovered = recover::open(Arc::clone(source), &opening, monitor)?;
    let (mut found, mut names, mut left_out) = (Vec::new(), std::collections::BTreeMap::new(), (0, 0));
    if let Some(d) = recover::deleted(&recovered, options.versions, monitor)? {
        (found, names, left_out) = (d.found, d.folder_names, (d.older_states, d.equal_copies));
        recovered.ndb = d.ndb;
    }
    let (missing_bytes, unexplained_bytes) = recovered.salvage.as_ref().map_or((0, 0), |s| (s.missing, s.unexplained));
    let mut account = Account { missing_bytes, unexplained_bytes, ..Account::default() };
    let foreign = recovered.salvage.as_ref().map(|s| s.foreign.clone()).unwrap_or_default();
    account.apart_bytes = foreign.iter().map(|f| f.size).fold(0, u64::saturating_add);
    let mut origins = Vec::new();
    if let Some(s) = &recovered.salvage {
        lost_for(&s.links, &mut account, None);
        origins = origins_of(&s.links, None);
        account.count_recovered(&origins);
    }
    let Readable { pst, mut folder_names, .. } = readable(&recovered, false, &mut account);
    let known: HashSet<u32> = found.iter().map(|f| f.nid).chain(names.keys().map(|nid| nid.0)).collect();
    folder_names.extend(names);
    let report = copy(&pst, target.as_ref(), &CopyOptions { folder_names, promised: false, ..CopyOptions::same(&pst) }, monitor)?;
    settle(&mut account, &report);
    account.doubt(found.iter().filter(|f| f.doubt.is_some()).map(|f| Nid(f.nid)));
    if let Some(s) = &recovered.salvage {
        account.doubt(s.links.doubts.keys().copied());
    }
    found.extend(provenance(&pst, &origins, &report).into_iter().filter(|f| !known.contains(&f.nid)));
    found.sort_by_key(|f| f.nid);
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
    let after = check(Arc::clone(target) as Arc<dyn ReadAt>, &CheckOptions::default().limits(options.limits), monitor)?;
    Ok(Rescued { account, found, older_states: left_out.0, equal_copies: left_out.1, foreign, after })
}
