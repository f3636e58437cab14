//! Repair into a new file.

use super::account::{Account, Count, LostMessage};
use super::inplace::{restructured, unchanged};
use super::plan::{Plan, Policy};
use crate::check::{CheckOptions, Report, check};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Strict, Value};
use crate::format::bytes::{index, wide};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::io::{ReadAt, Storage};
use crate::limits::Limits;
use crate::ltp::PropertyContext;
use crate::messaging::Pst;
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{Index, Ndb};
use crate::recover::{self, Recovered};
use crate::rules::{self, Severity};
use crate::write::{CopyOptions, CopyReport, copy};
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes copied in one go.
const CHUNK: u64 = 4 << 20;

/// What a repair has done.
#[derive(Debug)]
pub struct Outcome {
    /// What was wrong.
    pub before: Report,
    /// What was to be done about it.
    pub plan: Plan,
    /// What is wrong with the result.
    pub after: Report,
    /// What became of everything.
    pub account: Account,
    /// How often the result was written.
    pub passes: u32,
    /// Whether anything was changed; otherwise the result is the source, byte for byte.
    pub changed: bool,
}

impl Outcome {
    /// The status that `pstkit repair` exits with: 0 nothing was to be done, 1 everything is corrected, 4 something is left,
    /// and 64 more where content is lost or there in part only.
    pub fn exit_status(&self) -> u8 {
        let state = match (self.after.is_healthy(), self.changed) {
            (false, _) => 4,
            (true, true) => 1,
            (true, false) => 0,
        };
        state | if self.account.has_loss() { 64 } else { 0 }
    }
}

/// Repairs `source` into `target`, which is overwritten. The source is only read.
///
/// # Errors
/// [`ErrorKind::NotPst`] where nothing in the source is part of such a file, [`ErrorKind::Unsupported`] where it is encrypted;
/// errors of the media; cancellation. The target then holds no header.
pub fn repair(source: &Arc<dyn ReadAt>, target: &Arc<dyn Storage>, policy: &Policy, monitor: &dyn Monitor) -> Result<Outcome> {
    let options = CheckOptions::default();
    let before = check(Arc::clone(source), &options, monitor)?;
    let plan = before.plan(policy);
    if plan.is_empty() {
        copy_bytes(source.as_ref(), target.as_ref(), monitor)?;
        return Ok(untouched(before, plan));
    }
    if plan.is_partial() && !policy.lossy {
        // Objects that are not whole stay as they are, and so do their neighbours: only what lies beneath them is built anew.
        let Some((view, _, after)) = restructured(source, &before, monitor)? else {
            copy_bytes(source.as_ref(), target.as_ref(), monitor)?;
            return Ok(untouched(before, plan));
        };
        copy_bytes(view.as_ref(), target.as_ref(), monitor)?;
        let account = Account { missing_bytes: missing_bytes(&before), ..unchanged(&after) };
        return Ok(Outcome { before, plan, after, account, passes: 1, changed: true });
    }
    let recover_options = recover::Options { limits: Limits::default(), thorough: true };
    let recovered = recover::open(Arc::clone(source), &recover_options, monitor)?;
    let mut account = Account { missing_bytes: missing_bytes(&before), ..Account::default() };
    let pst = readable(&recovered, &mut account);
    let report = copy(&pst, target.as_ref(), &CopyOptions::same(&pst), monitor)?;
    settle(&mut account, &report);
    let deletes = account.dropped.iter().filter(|(nid, _)| is_readable(&pst, Nid(*nid))).count();
    if deletes > 0 && !policy.allow_loss {
        let what = format!("the repair would leave out {deletes} nodes that can be read; that has to be allowed");
        return Err(ErrorKind::Usage(what).into());
    }
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
    let written: Arc<dyn ReadAt> = Arc::clone(target) as Arc<dyn ReadAt>;
    let mut after = check(Arc::clone(&written), &options, monitor)?;
    let mut passes = 1;
    while !after.is_healthy() && passes < policy.passes {
        let bytes = whole(written.as_ref(), monitor)?;
        let again: Arc<dyn ReadAt> = Arc::new(bytes);
        let recovered = recover::open(Arc::clone(&again), &recover_options, monitor)?;
        let pst = Pst::from_ndb(recovered.ndb);
        copy(&pst, target.as_ref(), &CopyOptions::same(&pst), monitor)?;
        target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
        let next = check(Arc::clone(&written), &options, monitor)?;
        passes = passes.saturating_add(1);
        let better = next.count(Severity::Error) < after.count(Severity::Error) || next.verdict < after.verdict;
        after = next;
        if !better {
            break;
        }
    }
    Ok(Outcome { before, plan, after, account, passes, changed: true })
}

/// Bytes that are missing at the end of a file whose trees are not whole: what was in them cannot be told.
pub(super) fn missing_bytes(before: &Report) -> u64 {
    let cut = |f: &Finding| match (&f.actual, &f.expected) {
        (Value::Number(a) | Value::Hex(a), Value::Number(b) | Value::Hex(b)) => a.saturating_sub(*b),
        _ => 0,
    };
    let at_end = before.findings.iter().find(|f| std::ptr::eq(f.rule, &rules::EOF_MISMATCH)).map_or(0, cut);
    if before.items.complete { 0 } else { at_end }
}

/// The outcome where nothing is done.
pub(super) fn untouched(before: Report, plan: Plan) -> Outcome {
    let account = unchanged(&before);
    Outcome { after: before.clone(), before, plan, account, passes: 0, changed: false }
}

/// Whether a node is an object of its own that can be read whole. Tables, and what belongs to a search folder, follow from other objects.
fn is_readable(pst: &Pst, nid: Nid) -> bool {
    let follows = matches!(
        nid.nid_type(),
        NidType::HIERARCHY_TABLE
            | NidType::CONTENTS_TABLE
            | NidType::ASSOC_CONTENTS_TABLE
            | NidType::SEARCH_CONTENTS_TABLE
            | NidType::SEARCH_UPDATE_QUEUE
            | NidType::SEARCH_CRITERIA_OBJECT
    );
    let whole = || pst.ndb().node(nid).and_then(|n| PropertyContext::open(n, &mut Strict).ok().flatten());
    !follows && whole().is_some_and(|pc| !pc.records().is_empty())
}

/// The file as everything above reads it: a recovered one with the folders of which only rows are left.
pub(super) fn readable(recovered: &Recovered, account: &mut Account) -> Pst {
    let ndb = &recovered.ndb;
    let mut nodes: Vec<NbtEntry> = ndb.index().nodes().to_vec();
    let mut known: HashSet<Nid> = nodes.iter().map(|n| n.nid).collect();
    let stub = |nid, parent| NbtEntry { nid, key_high: 0, data: Bid::NONE, sub: Bid::NONE, parent };
    if let Some(s) = &recovered.salvage {
        for f in &s.links.folders {
            if known.insert(f.nid) {
                nodes.push(stub(f.nid, f.parent.unwrap_or(Nid::NONE)));
            }
        }
        for l in &s.links.lost {
            account.lost.push(LostMessage { nid: l.nid.0, folder: l.folder.0, subject: l.subject.clone() });
            let count = if l.nid.nid_type() == NidType::NORMAL_MESSAGE { &mut account.messages } else { &mut account.associated };
            count.expected = count.expected.saturating_add(1);
            count.lost = count.lost.saturating_add(1);
        }
        for nid in s.links.origins.keys() {
            let count = match nid.nid_type() {
                NidType::NORMAL_MESSAGE => &mut account.messages,
                NidType::ASSOC_MESSAGE => &mut account.associated,
                _ => &mut account.folders,
            };
            count.recovered = count.recovered.saturating_add(1);
        }
    }
    // what was in one folder stays together, though of the folder nothing is left but its id
    let lost: HashSet<Nid> = nodes
        .iter()
        .filter(|n| n.nid.is_message() && n.parent.nid_type() == NidType::NORMAL_FOLDER && !known.contains(&n.parent))
        .map(|n| n.parent)
        .collect();
    nodes.extend(lost.into_iter().map(|nid| stub(nid, Nid::NONE)));
    let index = Index::new(nodes, ndb.index().blocks().to_vec(), ndb.index().facts.clone());
    let whole: Ndb = ndb.with_index(index);
    Pst::from_ndb(whole)
}

/// Adds what copying has found to the account.
pub(super) fn settle(account: &mut Account, report: &CopyReport) {
    let add = |to: &mut Count, from: crate::check::ItemCount| {
        to.expected = to.expected.saturating_add(from.expected);
        to.ok = to.ok.saturating_add(from.ok);
        to.partial = to.partial.saturating_add(from.partial);
        to.lost = to.lost.saturating_add(from.lost);
    };
    add(&mut account.folders, report.folders);
    add(&mut account.messages, report.messages);
    add(&mut account.associated, report.associated);
    add(&mut account.attachments, report.attachments);
    account.rehomed = account.rehomed.saturating_add(report.rehomed);
    account.partial.extend(report.partial.iter().map(|nid| nid.0));
    account.values_lost = account.values_lost.saturating_add(report.values_lost);
    account.dropped.extend(report.dropped.iter().map(|(nid, why)| (nid.0, (*why).to_owned())));
}

/// Copies all bytes.
fn copy_bytes(source: &dyn ReadAt, target: &dyn Storage, monitor: &dyn Monitor) -> Result<()> {
    monitor.phase(Phase::Write, Some(source.len()));
    target.set_len(source.len()).map_err(ErrorKind::Io)?;
    let mut at = 0;
    let mut buf = Vec::new();
    while at < source.len() {
        let n = CHUNK.min(source.len().saturating_sub(at));
        buf.resize(index(n), 0);
        source.read_exact_at(&mut buf, at).map_err(|e| Error::io_at(e, at))?;
        target.write_all_at(&buf, at).map_err(|e| Error::io_at(e, at))?;
        step(monitor, n)?;
        at = at.saturating_add(wide(buf.len()).max(1));
    }
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))
}

/// All bytes in memory: a result that has to be repaired once more.
fn whole(source: &dyn ReadAt, monitor: &dyn Monitor) -> Result<Vec<u8>> {
    step(monitor, 0)?;
    let mut bytes = vec![0; index(source.len())];
    source.read_exact_at(&mut bytes, 0).map_err(|e| Error::io_at(e, 0))?;
    Ok(bytes)
}
