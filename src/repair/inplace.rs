//! Repair in place, such that a crash at any instant leaves the old state or the new one, or one that the next run finishes by itself.
//!
//! Where header, maps, trees or reference counts are all that is wrong, the objects stay where they are: new trees go behind the end
//! of the file, and only then are the header and the map pages overwritten.
//!
//! ```text
//! 1 undo file, synced   2 new sections behind the end, synced   3 header with the new roots, maps marked as not valid, synced
//! 4 map pages of the old sections, density list, synced         5 header, maps marked as valid, synced
//! ```
//!
//! Until 3 the old header reaches nothing that was changed; from 3 on the new trees are whole, and only the maps may be stale, which the
//! header says. Where objects have to be written anew, the repaired file is written beside the old one and takes its name in one step;
//! the old file stays under the undo file's name.

use super::Account;
use super::plan::Policy;
use super::rebuild::{Outcome, missing_bytes, repair, untouched};
use super::undo::UndoRecord;
use crate::check::{CheckOptions, Report, check};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Ignore, Value};
use crate::format::bytes::{index, low32, wide};
use crate::format::header::{FileKind, Header, SENTINEL};
use crate::format::ids::Bid;
use crate::format::layout::Layout;
use crate::io::{AtomicFile, FileStorage, Overlay, ReadAt, Storage};
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::{Ndb, SubnodeTree};
use crate::recover;
use crate::rules::{self, FixVerb, Severity};
use crate::write::NdbWriter;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are written at a time.
const CHUNK: usize = 1 << 20;

/// Whether all that is wrong lies beneath the objects: header, maps, trees, reference counts.
fn is_structural(report: &Report) -> bool {
    let mut any = false;
    for f in report.findings.iter().filter(|f| f.severity >= Severity::Warning && f.root.is_none()) {
        any = true;
        let beneath =
            matches!(f.rule.fix, FixVerb::RewriteHeader | FixVerb::RebuildMaps | FixVerb::RebuildTree | FixVerb::RecountReferences);
        if !beneath {
            return false;
        }
    }
    any
}

/// Writes new trees, maps and a new header over a file as `ndb` shows it; every object stays where it is.
///
/// # Errors
/// [`ErrorKind::TooLarge`] where the file cannot grow; errors of the media; cancellation.
pub fn restructure(ndb: &Ndb, report: &Report, target: &Overlay, monitor: &dyn Monitor) -> Result<()> {
    let mut header: Header = ndb.header().clone();
    let kind = header.kind().unwrap_or(FileKind::Pst);
    header.magic_client = kind.magic();
    header.version_client = kind.client_version();
    header.platform = [1, 1];
    header.sentinel = SENTINEL;
    header.crypt = ndb.crypt().to_byte();
    header.root.reserved = 0;
    header.align = 0;
    header.reserved_bytes = [0; 2];
    header.unused = 0;
    header.reserved_ansi = [0; 12];
    let highest_page = ndb.index().facts.pages.iter().map(|p| p.bref.bid.0).max().unwrap_or(0);
    header.bid_next_page = Bid(header.bid_next_page.0.max(highest_page.saturating_add(1)));
    let nodes = ndb.index().nodes();
    monitor.phase(Phase::Write, Some(wide(nodes.len())));
    let mut writer = NdbWriter::append(target, header, ndb.crypt(), ndb.index().blocks().to_vec())?;
    for f in report.findings.iter().filter(|f| std::ptr::eq(f.rule, &rules::HEADER_UNIQUE)) {
        if let Value::Number(n) | Value::Hex(n) = f.expected {
            writer.use_unique(low32(n));
        }
    }
    let mut seen = HashSet::new();
    for (i, node) in nodes.iter().enumerate() {
        if i.is_multiple_of(1024) {
            step(monitor, 1024)?;
        }
        writer.keep_node(ndb, node, &mut seen)?;
        // ids of attachments and values are given out from the header's counters too
        let mut pending = vec![node.sub];
        let mut entered = HashSet::new();
        while let Some(root) = pending.pop() {
            if root.is_none() || !entered.insert(root) {
                continue;
            }
            for e in SubnodeTree::load(ndb, root, crate::finding::Location::NONE, &mut Ignore)?.iter() {
                writer.use_nid(e.nid);
                pending.push(e.sub);
            }
        }
    }
    writer.finish()?;
    Ok(())
}

/// The ranges of a file that a change of its trees overwrites: header, density list, maps.
fn overwritten(layout: &Layout, len: u64) -> Vec<(u64, usize)> {
    let mut out = vec![(0, layout.header_size), (layout.dlist, layout.page_size)];
    for j in 0..layout.amap_count(len) {
        out.push((layout.amap_at(j), index(layout.map_pages(j).saturating_mul(layout.page()))));
    }
    out
}

/// Brings the changes of `planned`, made by [`restructure`], to the file in the order that a crash cannot hurt. `keep` takes the undo
/// record and must have it on the medium when it returns.
///
/// # Errors
/// Errors of the media.
pub fn commit(target: &dyn Storage, planned: &Overlay, layout: &Layout, keep: &mut dyn FnMut(&UndoRecord) -> Result<()>) -> Result<()> {
    let old_len = target.len();
    let ranges = overwritten(layout, old_len);
    keep(&UndoRecord::take(target, &ranges)?)?;
    let io = |at: u64| move |e| Error::io_at(e, at);
    let sync = || target.sync().map_err(|e| Error::new(ErrorKind::Io(e)));
    // 2: what lies behind the old end
    let end = planned.len();
    let mut at = old_len;
    let mut buf = Vec::new();
    while at < end {
        let n = CHUNK.min(index(end.saturating_sub(at)));
        buf.resize(n, 0);
        planned.read_exact_at(&mut buf, at).map_err(io(at))?;
        target.write_all_at(&buf, at).map_err(io(at))?;
        at = at.saturating_add(wide(n));
    }
    sync()?;
    // 3: the switch
    let mut bytes = vec![0; layout.header_size];
    planned.read_exact_at(&mut bytes, 0).map_err(io(0))?;
    let mut header = Header::decode_as(Layout::of(layout.variant), &bytes);
    header.root.amap_valid = 0;
    target.write_all_at(&header.encode()?, 0).map_err(io(0))?;
    sync()?;
    // 4: maps
    for (at, len) in ranges.iter().skip(1) {
        let len = (*len).min(index(end.saturating_sub(*at)));
        buf.resize(len, 0);
        planned.read_exact_at(&mut buf, *at).map_err(io(*at))?;
        target.write_all_at(&buf, *at).map_err(io(*at))?;
    }
    sync()?;
    // 5: done
    target.write_all_at(&bytes, 0).map_err(io(0))?;
    sync()
}

/// Repairs a file in place. The undo file is written first; [`undo`](super::undo) restores the file byte for byte from it.
///
/// # Errors
/// [`ErrorKind::Locked`] where another process holds the file; [`ErrorKind::Usage`] where the undo file exists; otherwise as
/// [`repair`]. The file is then as it was.
pub fn repair_in_place(path: &Path, undo: &Path, policy: &Policy, monitor: &dyn Monitor) -> Result<Outcome> {
    if undo.exists() {
        return Err(ErrorKind::Usage(format!("{} exists: undo that repair, or remove the file, first", undo.display())).into());
    }
    let storage = Arc::new(FileStorage::open_exclusive(path)?);
    let source: Arc<dyn ReadAt> = Arc::clone(&storage) as Arc<dyn ReadAt>;
    let before = check(Arc::clone(&source), &CheckOptions::default(), monitor)?;
    let plan = before.plan(policy);
    if plan.is_empty() {
        return Ok(untouched(before, plan));
    }
    let partial = plan.is_partial() && !policy.lossy;
    if is_structural(&before) || partial {
        if let Some((planned, layout, after)) = restructured(&source, &before, monitor)?
            && (partial || after.is_healthy())
        {
            commit(storage.as_ref(), &planned, layout, &mut |record| record.save(undo))?;
            let account = Account { missing_bytes: missing_bytes(&before), ..unchanged(&after) };
            return Ok(Outcome { before, plan, after, account, passes: 1, changed: true });
        }
        if partial {
            return Ok(untouched(before, plan));
        }
    }
    let file = AtomicFile::create(path, true)?;
    let outcome = repair(&source, &file.shared()?, policy, monitor)?;
    // The old file keeps its bytes under the undo file's name; the new one takes its name in one step.
    if std::fs::hard_link(path, undo).is_err() {
        copy_to(source.as_ref(), undo, monitor)?;
    }
    file.commit()?;
    Ok(outcome)
}

/// The file with new trees, maps and header alone, and what is left to say of it; `None` where that makes it no better.
pub(super) fn restructured(
    source: &Arc<dyn ReadAt>,
    before: &Report,
    monitor: &dyn Monitor,
) -> Result<Option<(Arc<Overlay>, &'static Layout, Report)>> {
    let recovered = recover::open(Arc::clone(source), &recover::Options::default(), monitor)?;
    if recovered.ndb.len() != source.len() {
        // bytes were moved: everything has to be written anew
        return Ok(None);
    }
    let planned = Arc::new(Overlay::new(Arc::clone(source)));
    match restructure(&recovered.ndb, before, &planned, monitor) {
        Ok(()) => {}
        Err(e) if matches!(e.kind(), ErrorKind::TooLarge(_)) => return Ok(None),
        Err(e) => return Err(e),
    }
    let view: Arc<dyn ReadAt> = Arc::clone(&planned) as Arc<dyn ReadAt>;
    let after = check(view, &CheckOptions::default(), monitor)?;
    let worth = |r: &Report| (r.verdict, r.count(Severity::Fatal), r.count(Severity::Error), r.count(Severity::Warning));
    let better = worth(&after) < worth(before) && after.items.messages.ok >= before.items.messages.ok;
    Ok(better.then(|| (planned, recovered.ndb.layout(), after)))
}

/// The account of a file whose objects all stay.
pub(super) fn unchanged(report: &Report) -> Account {
    let items = &report.items;
    Account { folders: items.folders.into(), messages: items.messages.into(), attachments: items.attachments.into(), ..Account::default() }
}

fn copy_to(source: &dyn ReadAt, path: &Path, monitor: &dyn Monitor) -> Result<()> {
    let file = AtomicFile::create(path, false)?;
    let mut at = 0;
    let mut buf = Vec::new();
    while at < source.len() {
        let n = CHUNK.min(index(source.len().saturating_sub(at)));
        buf.resize(n, 0);
        source.read_exact_at(&mut buf, at).map_err(|e| Error::io_at(e, at))?;
        file.storage()?.write_all_at(&buf, at).map_err(|e| Error::io_at(e, at))?;
        step(monitor, wide(n))?;
        at = at.saturating_add(wide(n));
    }
    file.commit()
}
