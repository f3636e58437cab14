//! Repair of some objects: all others stay where they are.
//!
//! Nodes keep their ids when they are written anew, and a node is complete in itself: its data and its sub-nodes. So the nodes that the
//! selected actions concern are written to a file of their own, as they would be if the whole file were, and are taken over from there
//! behind the end of the file as it is; over both come new trees, maps and a new header. A fault of the result by reason of
//! that, such as a row that no longer agrees with its message, is among the objects that the next pass takes over.

use super::Account;
use super::account::Count;
use super::plan::Plan;
use super::rebuild::{Outcome, Part, open_to_copy, origins_of, provenance, write_some};
use super::route::{Attempt, Route, Why};
use super::scratch::Scratch;
use crate::check::{Report, check_again};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Ignore, Sink, Value};
use crate::format::bytes::{low32, wide};
use crate::format::header::{FileKind, Header, SENTINEL};
use crate::format::ids::{Bid, Nid, NidType, PropTag};
use crate::format::layout::Layout;
use crate::format::page::{BbtEntry, NbtEntry};
use crate::format::tags;
use crate::io::{Overlay, ReadAt};
use crate::limits::Allowance;
use crate::ltp::{PropertyContext, TableContext};
use crate::messaging::Pst;
use crate::monitor::{Monitor, Phase, step};
use crate::ndb::Ndb;
use crate::ndb::refs::{each_reference, spread_up};
use crate::recover::{self, Found, Origin, Recovered};
use crate::rules::{self, FixVerb, Layer, Severity};
use crate::write::templates::TEMPLATES;
use crate::write::{CopyReport, NdbWriter, believed_counter, write_maps};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// So many bytes are copied whatever part of the file they are.
const SOME: u64 = 16 << 20;

/// A file as it would be, held over the file as it is.
pub(super) struct Planned {
    /// Objects that are written anew.
    objects: u64,
    pub(super) view: Arc<Overlay>,
    pub(super) layout: &'static Layout,
    pub(super) after: Report,
    account: Option<Account>,
    unexplained: u64,
    missing: u64,
    /// Items that no tree listed, where no object was written anew.
    origins: Vec<(Nid, Origin)>,
    found: Vec<Found>,
    passes: u32,
}

impl Planned {
    pub(super) fn outcome(self, plan: &Plan) -> Outcome {
        let unchanged = unchanged(&self.after);
        let mut account = match self.account {
            Some(copied) => joined(unchanged, copied),
            None => {
                let mut all = Account { missing_bytes: self.missing, unexplained_bytes: self.unexplained, found: self.found, ..unchanged };
                all.count_recovered(&self.origins);
                all
            }
        };
        let before = plan.before.as_ref().clone();
        account.settle_apart(&before, &self.after);
        let route = Route::appended(self.objects);
        Outcome { before, plan: plan.clone(), route, after: self.after, account, passes: self.passes, changed: true }
    }
}

/// The account of a file whose objects all stay.
pub(super) fn unchanged(report: &Report) -> Account {
    let items = &report.items;
    Account {
        folders: items.folders.into(),
        messages: items.messages.less(items.associated).into(),
        associated: items.associated.into(),
        attachments: items.attachments.into(),
        ..Account::default()
    }
}

/// Nodes taken over from a file that was written whole.
#[derive(Debug, Clone, Copy)]
struct Taken<'a> {
    from: &'a Ndb,
    nodes: &'a BTreeSet<Nid>,
    /// Whether nodes that only that file has are added.
    new: bool,
}

/// The account of a file in which most objects stay, and some were written anew: in the file as it is now they are whole, though they may
/// differ from their old state.
fn joined(all: Account, copied: Account) -> Account {
    let join = |all: Count, copied: Count| Count {
        expected: all.expected.saturating_add(copied.lost),
        ok: all.ok.saturating_sub(copied.partial),
        partial: all.partial.saturating_add(copied.partial),
        recovered: copied.recovered,
        lost: all.lost.saturating_add(copied.lost),
    };
    Account {
        folders: join(all.folders, copied.folders),
        messages: join(all.messages, copied.messages),
        associated: join(all.associated, copied.associated),
        attachments: join(all.attachments, copied.attachments),
        ..copied
    }
}

/// Whether a finding is about an object that follows from others and is cheap to write: lists and indexes of the store. An object that a repair writes
/// has none of these findings, however little they matter.
fn is_bookkeeping(f: &Finding) -> bool {
    let writes = matches!(f.rule.fix, FixVerb::CreateObject | FixVerb::RebuildTable | FixVerb::ResetIndex);
    let entry_id = std::ptr::eq(f.rule, &rules::STORE_ENTRY_ID);
    (writes && matches!(f.rule.layer, Layer::Store | Layer::Index)) || entry_id
}

/// Whether a finding is about a table: after a search, an older state of it may have been found.
fn is_of_a_table(f: &Finding) -> bool {
    matches!(f.rule.fix, FixVerb::CreateObject | FixVerb::RebuildTable) && f.severity >= Severity::Notice
}

/// The highest version of a row in the tables of folders.
fn highest_row_version(ndb: &Ndb, monitor: &dyn Monitor) -> Result<u32> {
    let mut highest = 0;
    let lists = |t| matches!(t, NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE);
    let left = Allowance::of_rows(ndb.content(), ndb.limits());
    for n in ndb.index().nodes().iter().filter(|n| lists(n.nid.nid_type())) {
        step(monitor, 0)?;
        if left.is_spent() {
            break;
        }
        let Some(table) = ndb.node(n.nid).and_then(|node| TableContext::open(node, &mut Ignore).ok().flatten()) else { continue };
        left.spend(table.rows_size());
        let mut rows = table.rows();
        while let Ok(Some(row)) = rows.next(&mut Ignore) {
            highest = highest.max(row.version());
        }
    }
    Ok(highest)
}

/// The value that the header's counter of row versions must have by a report; 0 where it is right.
fn unique_of(report: &Report) -> u32 {
    let wrong = report.findings.iter().filter(|f| std::ptr::eq(f.rule, &rules::HEADER_UNIQUE));
    wrong.map(|f| if let Value::Number(n) | Value::Hex(n) = f.expected { low32(n) } else { 0 }).max().unwrap_or(0)
}

/// Folders that lack one of their tables, and the tables that list them: those are sure to be found in the result.
fn lacking(ndb: &Ndb, left: &BTreeSet<Nid>) -> Vec<Nid> {
    const TABLES: [NidType; 3] = [NidType::HIERARCHY_TABLE, NidType::CONTENTS_TABLE, NidType::ASSOC_CONTENTS_TABLE];
    let has = |nid: Nid| ndb.index().node(nid).is_some();
    let folders = ndb.index().nodes().iter().filter(|n| n.nid.nid_type() == NidType::NORMAL_FOLDER && !left.contains(&n.nid));
    let without = folders.filter(|n| !TABLES.iter().all(|t| has(n.nid.with_type(*t))));
    without.flat_map(|n| [n.nid, n.parent.with_type(NidType::HIERARCHY_TABLE)]).collect()
}

/// Whether a map of names has something in each of its streams: readers refuse one that has not.
fn has_all_streams(ndb: &Ndb, nid: Nid) -> bool {
    let context = ndb.node(nid).and_then(|node| PropertyContext::open(node, &mut Ignore).ok().flatten());
    let has =
        |tag: PropTag| context.as_ref().is_some_and(|pc| pc.binary(tag.id(), &mut Ignore).is_ok_and(|b| b.is_some_and(|b| !b.is_empty())));
    has(tags::NAME_STREAM_GUID) && has(tags::NAME_STREAM_ENTRY) && has(tags::NAME_STREAM_STRING)
}

/// How many bytes the blocks of some nodes have.
fn bytes_of(ndb: &Ndb, nodes: &BTreeSet<Nid>) -> Result<u64> {
    let (mut seen, mut bytes) = (HashSet::new(), 0u64);
    for n in nodes.iter().filter_map(|nid| ndb.index().node(*nid)) {
        for root in [n.data, n.sub] {
            each_reference(ndb, root, &mut |bid| seen.insert(bid), &mut Ignore, &mut |bid, _| {
                bytes = bytes.saturating_add(ndb.find_block(bid).map_or(0, |b| b.size_on_disk(ndb.layout())));
            })?;
        }
    }
    Ok(bytes)
}

/// Blocks that a search has brought up and that the file has no use for: objects that stay where they are do not need them. These are blocks that
/// were freed, or that stand where a later one does, or one that the tree lists.
fn freed(recovered: &Recovered) -> Vec<Bid> {
    let Some(found) = recovered.salvage.as_ref().map(|s| &s.facts) else { return Vec::new() };
    let (layout, blocks) = (recovered.ndb.layout(), recovered.ndb.index().blocks());
    let mut is_listed = found.listed.ascending();
    let is_freed = |bid: Bid| found.freed.contains(&bid);
    let range = |b: &BbtEntry| (b.ib.0, b.ib.0.saturating_add(b.size_on_disk(layout)));
    let (listed, others): (Vec<&BbtEntry>, Vec<&BbtEntry>) = blocks.iter().partition(|b| is_listed.has(b.bid.masked().0));
    let mut taken: BTreeMap<u64, u64> = listed.into_iter().map(range).collect();
    // of two that nothing lists, the one with the higher id was written later
    let mut out = Vec::new();
    for b in others.into_iter().rev() {
        let (start, end) = range(b);
        // a few of those that are listed may overlap one another
        let is_over = taken.range(..end).rev().take(8).any(|t| *t.1 > start);
        if is_over || is_freed(b.bid.masked()) {
            out.push(b.bid.masked());
        } else {
            taken.insert(start, end);
        }
    }
    out
}

/// The file that the selected actions make; the reason where adding to it does not serve: the result is no better, or, where nothing is left
/// out, not healthy, or so much has to be written anew that all may be.
pub(super) fn plan(source: &Arc<dyn ReadAt>, plan: &Plan, scratch: &Scratch, monitor: &dyn Monitor) -> Result<Attempt> {
    let before = plan.before.as_ref();
    // objects that have one another's blocks are told by values that do not fit
    let apart =
        [&rules::HNID_INVALID, &rules::MESSAGE_ROW, &rules::FOLDER_ROW, &rules::MESSAGE_FLAGS, &rules::DUPLICATE_NID, &rules::HN_CLIENT];
    let thorough = before.findings.iter().any(|f| apart.iter().any(|rule| std::ptr::eq(f.rule, *rule)));
    let options = recover::Options { thorough, limits: plan.policy.limits, ..recover::Options::default() };
    let recovered = recover::open_checked(Arc::clone(source), &options, before.kept.as_deref(), monitor)?;
    let ndb = &recovered.ndb;
    if ndb.len() != source.len() {
        // bytes were moved: everything has to be written anew
        return Ok(Err(Why::BytesMoved));
    }
    // a map page goes over whatever lies in its place
    let layout = ndb.layout();
    if plan.is_partial() && ndb.index().blocks().iter().any(|b| layout.hits_map(b.ib.0, b.size_on_disk(layout))) {
        return Ok(Err(Why::MapOverwritten));
    }
    let is_searched = recovered.salvage.is_some();
    let mut taken = BTreeSet::new();
    let mut left = BTreeSet::new();
    sort_out(ndb, before, plan, is_searched, &mut taken, &mut left)?;
    let creates = |a: &super::Action| a.selected && matches!(a.verb, FixVerb::CreateObject | FixVerb::MoveToLostAndFound);
    let new = !plan.is_partial() || plan.actions.iter().any(creates);
    let all_bytes = ndb.index().blocks().iter().fold(0u64, |sum, b| sum.saturating_add(b.size_on_disk(ndb.layout())));
    let mut account = None;
    let mut unique = unique_of(before);
    // a header that is damaged does not tell which versions of rows were given out
    let header_doubts =
        [&rules::HEADER_MAGIC, &rules::HEADER_CRC_PARTIAL, &rules::HEADER_CRC_FULL, &rules::HEADER_UNIQUE, &rules::UNREADABLE];
    if recovered.salvage.is_some() || before.findings.iter().any(|f| header_doubts.iter().any(|rule| std::ptr::eq(f.rule, *rule))) {
        unique = unique.max(highest_row_version(ndb, monitor)?.min(1 << 30).saturating_add(1));
    }
    if let Some(salvage) = recovered.salvage.as_ref().filter(|_| !plan.is_partial()) {
        taken.extend(lacking(ndb, &left));
        // an older generation of a template has fewer columns
        taken.extend(TEMPLATES.iter().map(|(nid, _)| *nid).filter(|nid| ndb.index().node(*nid).is_some() && !left.contains(nid)));
        // the account has to tell of messages whose parts may be another's
        let doubted = salvage.links.doubts.keys().filter(|nid| ndb.index().node(**nid).is_some());
        taken.extend(doubted.filter(|nid| !left.contains(nid)));
        // a message whose sub-nodes were not found gets the tables that readers look for there
        let bare = |n: &&NbtEntry| n.nid.is_message() && n.sub.is_none() && !left.contains(&n.nid);
        let found = recovered.salvage.iter().flat_map(|s| s.links.origins.keys()).filter_map(|nid| ndb.index().node(*nid));
        taken.extend(found.filter(bare).map(|n| n.nid));
        // an older generation of the map does not know all names
        let names = Nid::NAME_TO_ID_MAP;
        if !left.contains(&names) && (salvage.facts.filled.contains(&names) || !has_all_streams(ndb, names)) {
            taken.insert(names);
        }
    }
    let unlisted = |found: &Ndb, left: &BTreeSet<Nid>| -> Vec<Nid> {
        let more = found.index().nodes().iter().map(|n| n.nid).filter(|nid| ndb.index().node(*nid).is_none());
        more.filter(|nid| !left.contains(nid)).collect()
    };
    // blocks that nothing refers to may be objects that the trees do not list any more
    if recovered.salvage.is_none() && new && before.findings.iter().any(|f| std::ptr::eq(f.rule, &rules::ORPHAN_BLOCK)) {
        taken.extend(unlisted(&open_to_copy(source, plan, monitor)?.ndb, &left));
    }
    let keep = plan.is_partial().then(|| freed(&recovered));
    let mut passes = 0;
    let (view, after) = loop {
        passes = u32::saturating_add(passes, 1);
        let mut copied: Option<Ndb> = None;
        if !taken.is_empty() {
            let bytes = bytes_of(ndb, &taken)?;
            if !plan.is_partial() && bytes > all_bytes / 2 && bytes > SOME {
                return Ok(Err(Why::MostOfTheFile));
            }
            // a search has found everything
            let searched = if recovered.salvage.is_some() { None } else { Some(open_to_copy(source, plan, monitor)?) };
            if let Some(found) = searched.as_ref().filter(|_| new) {
                // objects that tables list and the trees do not
                taken.extend(unlisted(&found.ndb, &left));
            }
            let from = searched.as_ref().unwrap_or(&recovered);
            let room = scratch.room(bytes.saturating_mul(2))?;
            let (counts, strayed) = write_some(from, room.as_ref(), plan, Part { nodes: &taken, of: ndb, unique }, monitor)?;
            account = Some(counts);
            let written = plan.policy.reading(room)?;
            let pst = Pst::from_source(written, &crate::messaging::OpenOptions::new())?;
            if !std::ptr::eq(pst.layout(), ndb.layout()) {
                return Ok(Err(Why::OtherLayout));
            }
            if new {
                taken.extend(strayed);
                // a folder that was made is listed in its parent
                let made = pst.ndb().index().nodes().iter().filter(|n| n.nid.is_folder() && ndb.index().node(n.nid).is_none());
                taken.extend(made.map(|n| n.parent.with_type(NidType::HIERARCHY_TABLE)));
                taken.retain(|nid| !left.contains(nid));
            } else {
                taken.retain(|nid| !strayed.contains(nid));
            }
            copied = Some(pst.ndb().share());
        }
        if taken.is_empty()
            && recovered.salvage.is_none()
            && is_simple(before)
            && !plan.policy.notices
            && let Some((view, after)) = in_place(ndb, plan, unique, source, monitor)?
        {
            break (view, after);
        }
        let view = Arc::new(scratch.over(source));
        let with = copied.as_ref().map(|from| Taken { from, nodes: &taken, new });
        match write_over(ndb, before, unique, keep.as_deref(), &view, with, monitor) {
            Ok(()) => {}
            // an object that could be read before and cannot now would be given up without a word
            Err(e) if matches!(e.kind(), ErrorKind::TooLarge(_) | ErrorKind::Damaged(_)) => return Ok(Err(Why::CannotGrow)),
            Err(e) => return Err(e),
        }
        let whole_view: Arc<dyn ReadAt> = Arc::clone(&view) as Arc<dyn ReadAt>;
        let after = plan.check_again(whole_view, monitor)?;
        let had = taken.len();
        // new trees bring faults of objects to light, and objects that were taken over bring faults of the tables that list them
        let stale = || is_searched && after.findings.iter().any(|f| is_bookkeeping(f) || is_of_a_table(f));
        let go_on = copied.is_some() || (!plan.is_partial() && (!after.is_healthy() || after.count(Severity::Warning) > 0 || stale()));
        if go_on && passes < plan.policy.passes {
            sort_out(ndb, &after, plan, is_searched, &mut taken, &mut left)?;
        }
        // a header that is lost does not tell how high versions of rows have come: the rows do
        let (known, told) = (unique, unique_of(&after));
        unique = unique.max(told);
        if passes >= plan.policy.passes || (taken.len() == had && unique == known) {
            break (view, after);
        }
    };
    let worth = |r: &Report| (r.verdict, r.count(Severity::Fatal), r.count(Severity::Error), r.count(Severity::Warning));
    let gain = if plan.policy.notices { after.findings.len() < before.findings.len() } else { false };
    let (was, is) = (&before.items, &after.items);
    // where trees lead to more again, more damage shows: then it counts that the plan is carried out, and nothing else is worse
    let wrong = |r: &Report, which: &dyn Fn(&Finding) -> bool| {
        let all = r.findings.iter().filter(|f| f.severity >= Severity::Warning);
        all.filter(|f| which(f)).count()
    };
    let beneath = |r: &Report| wrong(r, &|f| f.rule.fix.is_structural());
    let chosen = |r: &Report| wrong(r, &|f| plan.answers(f) == Some(true));
    let part = plan.is_partial()
        && chosen(&after) < chosen(before)
        && beneath(&after) <= beneath(before)
        && (after.verdict, after.count(Severity::Fatal)) <= (before.verdict, before.count(Severity::Fatal))
        && is.folders.ok >= was.folders.ok;
    let better = (worth(&after) < worth(before) || gain || part) && is.messages.ok >= was.messages.ok;
    let (missing, unexplained) = recovered.salvage.as_ref().map_or((0, 0), |s| (s.missing, s.unexplained));
    // harmless faults that are to be set right are so in one run, too
    let is_done = after.is_healthy() && !(plan.policy.notices && after.findings.iter().any(|f| plan.answers(f) == Some(true)));
    let serves = better && (plan.is_partial() || is_done);
    if !serves {
        return Ok(Err(Why::NotBetter));
    }
    let links = recovered.salvage.as_ref().map(|s| &s.links).filter(|_| account.is_none());
    let origins = links.map(|links| origins_of(links, None)).unwrap_or_default();
    let found = provenance(&Pst::from_ndb(ndb.share()), &origins, &CopyReport::default());
    let objects = wide(taken.len());
    Ok(Ok(Planned { objects, view, layout: ndb.layout(), after, account, unexplained, missing, origins, found, passes }))
}

impl Plan {
    /// Checks the result of the plan.
    fn check_again(&self, view: Arc<dyn ReadAt>, monitor: &dyn Monitor) -> Result<Report> {
        check_again(view, &self.policy.checking(), self.before.kept.clone(), monitor)
    }
}

/// Whether header and maps of a file were wrong, in fields that follow from the rest, and nothing else.
fn is_simple(before: &Report) -> bool {
    let counted = [&rules::NID_HIGH_WATER, &rules::BID_NEXT_LOW, &rules::HEADER_UNIQUE, &rules::UNREADABLE];
    let simple =
        |f: &Finding| matches!(f.rule.layer, Layer::Header | Layer::Allocation) && !counted.iter().any(|rule| std::ptr::eq(f.rule, *rule));
    before.items.complete && before.findings.iter().filter(|f| f.severity >= Severity::Warning).all(simple)
}

/// A file of which only header and maps were wrong, with these written anew, and the report on it. `None` where that does not set it right.
fn in_place(
    ndb: &Ndb,
    plan: &Plan,
    unique: u32,
    source: &Arc<dyn ReadAt>,
    monitor: &dyn Monitor,
) -> Result<Option<(Arc<Overlay>, Report)>> {
    let layout = ndb.layout();
    if source.len() != layout.amap_at(layout.amap_count(source.len())) {
        return Ok(None);
    }
    let view = Arc::new(Overlay::new(Arc::clone(source)));
    let mut header = sound_header(ndb);
    header.unique = header.unique.max(unique);
    match write_maps(view.as_ref(), header, ndb.index()) {
        Err(e) if matches!(e.kind(), ErrorKind::TooLarge(_)) => return Ok(None),
        done => done?,
    }
    let after = plan.check_again(Arc::clone(&view) as Arc<dyn ReadAt>, monitor)?;
    Ok((after.is_healthy() && after.count(Severity::Warning) == 0).then_some((view, after)))
}

/// The nodes that findings are about: those that selected actions concern to `taken`, those that others concern to `left`.
fn sort_out(ndb: &Ndb, report: &Report, plan: &Plan, searched: bool, taken: &mut BTreeSet<Nid>, left: &mut BTreeSet<Nid>) -> Result<()> {
    let mut found: Vec<(Nid, bool)> = Vec::new();
    let mut along: Vec<Nid> = Vec::new();
    let mut blocks: HashMap<Bid, bool> = HashMap::new();
    for f in report.findings.iter().filter(|f| !f.rule.fix.is_structural()) {
        let selected = match plan.answers(f).filter(|_| plan.policy.notices || f.severity >= Severity::Warning) {
            Some(selected) => selected,
            // a finding of the result alone follows from the repair
            None if f.rule.fix != FixVerb::None && f.severity >= Severity::Warning && !plan.is_partial() => true,
            None if !plan.is_partial() && (is_bookkeeping(f) || (searched && is_of_a_table(f))) => {
                along.extend(
                    f.at.nid.map(|nid| if std::ptr::eq(f.rule, &rules::SEARCH_NOT_LISTED) { Nid::SEARCH_ACTIVITY_LIST } else { nid }),
                );
                continue;
            }
            None => continue,
        };
        match (f.at.nid, f.at.bid) {
            (Some(nid), _) => {
                found.push((nid, selected));
                if std::ptr::eq(f.rule, &rules::SEARCH_NOT_LISTED) {
                    // the fault is the list's
                    found.push((Nid::SEARCH_ACTIVITY_LIST, selected));
                }
            }
            (None, Some(bid)) => {
                let all = blocks.entry(bid.masked()).or_insert(true);
                *all &= selected;
            }
            (None, None) => {}
        }
    }
    if !blocks.is_empty() {
        let hit = spread_up(ndb, &blocks)?;
        for n in ndb.index().nodes() {
            let (data, sub) = (hit.get(&n.data.masked()), hit.get(&n.sub.masked()));
            if data.is_some() || sub.is_some() {
                found.push((n.nid, *data.unwrap_or(&true) && *sub.unwrap_or(&true)));
            }
        }
    }
    // the lists of the store are written with other objects
    if searched || !taken.is_empty() || found.iter().any(|(_, selected)| *selected) {
        found.extend(along.into_iter().map(|nid| (nid, true)));
    }
    // an index and its queue are one
    let pair = |nid| match nid {
        Nid::MESSAGE_INDEX => Some(Nid::MESSAGE_INDEX_QUEUE),
        Nid::MESSAGE_INDEX_QUEUE => Some(Nid::MESSAGE_INDEX),
        _ => None,
    };
    let pairs: Vec<(Nid, bool)> = found.iter().filter_map(|(nid, selected)| Some((pair(*nid)?, *selected))).collect();
    found.extend(pairs);
    left.extend(found.iter().filter(|(_, selected)| !selected).map(|(nid, _)| *nid));
    for (nid, _) in found.iter().filter(|(_, selected)| *selected) {
        taken.insert(*nid);
        // the tables that list the object say the same of it
        if let Some(parent) = ndb.index().node(*nid).map(|n| n.parent).filter(|p| !p.is_none()) {
            match nid.nid_type() {
                NidType::NORMAL_MESSAGE => taken.insert(parent.with_type(NidType::CONTENTS_TABLE)),
                NidType::ASSOC_MESSAGE => taken.insert(parent.with_type(NidType::ASSOC_CONTENTS_TABLE)),
                NidType::NORMAL_FOLDER | NidType::SEARCH_FOLDER => taken.insert(parent.with_type(NidType::HIERARCHY_TABLE)),
                _ => false,
            };
        }
    }
    taken.retain(|nid| !left.contains(nid));
    Ok(())
}

/// Writes new trees, maps and a new header over a file as `ndb` shows it; every object stays where it is.
///
/// # Errors
/// [`ErrorKind::TooLarge`] where the file cannot grow; errors of the media; cancellation.
pub fn restructure(ndb: &Ndb, report: &Report, target: &Overlay, monitor: &dyn Monitor) -> Result<()> {
    write_over(ndb, report, unique_of(report), None, target, None, monitor)
}

/// Lets findings pass that a report has; not that something cannot be read that could be when the report was made.
#[derive(Clone, Copy)]
struct Known<'r>(&'r Report);

impl Sink for Known<'_> {
    fn report(&mut self, finding: Finding) -> Result<()> {
        let is_new = std::ptr::eq(finding.rule, &rules::UNREADABLE) && self.0.rule(&rules::UNREADABLE).is_none();
        if is_new { Err(Error::damaged(finding)) } else { Ok(()) }
    }
}

/// The header of a file with all in it right that follows from nothing but itself, and the next page's id.
fn sound_header(ndb: &Ndb) -> Header {
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
    header.bid_next_page = Bid(believed_counter(header.bid_next_page.0, highest_page));
    header
}

fn write_over(
    ndb: &Ndb,
    report: &Report,
    unique: u32,
    keep: Option<&[Bid]>,
    target: &Overlay,
    taken: Option<Taken<'_>>,
    monitor: &dyn Monitor,
) -> Result<()> {
    let header = sound_header(ndb);
    let nodes = ndb.index().nodes();
    monitor.phase(Phase::Write, Some(wide(nodes.len())));
    let mut writer = NdbWriter::append(target, header, ndb.crypt(), ndb.index())?;
    writer.use_unique(unique);
    if keep.is_some() {
        // blocks that nothing refers to may be objects that were not asked for
        writer.keep_orphans();
    }
    let goes = |nid: Nid| taken.is_some_and(|t| t.nodes.contains(&nid));
    writer.keep_nodes(ndb, &|n| !goes(n.nid), Known(report), monitor)?;
    keep.unwrap_or_default().iter().for_each(|bid| writer.give_up(*bid));
    if let Some(taken) = taken {
        if keep.is_some() {
            let mut given_up = HashSet::new();
            for root in nodes.iter().filter(|n| goes(n.nid)).flat_map(|n| [n.data, n.sub]) {
                each_reference(ndb, root, &mut |bid| given_up.insert(bid), &mut Ignore, &mut |bid, _| writer.give_up(bid))?;
            }
        }
        if keep.is_some() {
            writer.count_orphans(ndb);
        }
        let mut done = HashMap::new();
        // with a folder that was made, or that lacks one, come its tables
        let folder = |nid: Nid| match nid.nid_type() {
            NidType::SEARCH_UPDATE_QUEUE | NidType::SEARCH_CRITERIA_OBJECT | NidType::SEARCH_CONTENTS_TABLE => {
                nid.with_type(NidType::SEARCH_FOLDER)
            }
            NidType::HIERARCHY_TABLE | NidType::CONTENTS_TABLE | NidType::ASSOC_CONTENTS_TABLE => nid.with_type(NidType::NORMAL_FOLDER),
            _ => nid,
        };
        let has = |of: &Ndb, nid: Nid| of.index().node(nid).is_some();
        let is_new = |nid: Nid| {
            let folder = folder(nid);
            let concerned = taken.nodes.contains(&folder) || (has(taken.from, folder) && !has(ndb, folder));
            taken.new && folder.is_folder() && concerned && !has(ndb, nid)
        };
        for n in taken.from.index().nodes().iter().filter(|n| taken.nodes.contains(&n.nid) || is_new(n.nid)) {
            step(monitor, 1)?;
            let data = writer.graft(taken.from, n.data, &mut done)?;
            let sub = writer.graft(taken.from, n.sub, &mut done)?;
            writer.add_node(n.nid, data, sub, n.parent)?;
        }
        writer.use_unique(taken.from.header().unique);
    } else if keep.is_some() {
        writer.count_orphans(ndb);
    }
    writer.finish()?;
    Ok(())
}
