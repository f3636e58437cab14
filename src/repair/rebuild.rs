//! Repair into a new file.

use super::account::{Account, Count, LeftOut, LostMessage};
use super::apply::Target;
use super::partial::unchanged;
use super::plan::{Plan, Policy};
use super::route::{Route, Routed, Why, route};
use super::scratch::{Scratch, begin_copy, copy_bytes, finish_copy};
use crate::check::{Report, check};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Ignore, Location, Strict};
use crate::format::ids::{Bid, Nid, NidType};
use crate::format::page::NbtEntry;
use crate::format::tags;
use crate::io::{ReadAt, Storage};
use crate::ltp::PropertyContext;
use crate::messaging::{Pst, State};
use crate::monitor::Monitor;
use crate::ndb::{Ndb, Node};
use crate::recover::{self, Doubt, Found, Links, LostItem, Origin, Recovered};
use crate::rules::{Layer, Severity};
use crate::write::{CopyOptions, CopyReport, copy, copy_nodes};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The result of a repair.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The faults.
    pub before: Report,
    /// The plan.
    pub plan: Plan,
    /// The way in which the plan was carried out.
    pub route: Route,
    /// The faults of the result.
    pub after: Report,
    /// The fate of everything.
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

/// Checks `source` and repairs it into `target`, which is overwritten. The source is only read.
///
/// # Errors
/// [`ErrorKind::NotPst`] where nothing in the source is part of such a file, [`ErrorKind::Unsupported`] where it is encrypted;
/// errors of the media; cancellation. The target then holds no header.
pub fn repair(source: &Arc<dyn ReadAt>, target: &Arc<dyn Storage>, policy: &Policy, monitor: &dyn Monitor) -> Result<Outcome> {
    let before = check(Arc::clone(source), &policy.checking().for_repair(), monitor)?;
    let target = Target::NewFile { source: Arc::clone(source), target: Arc::clone(target) };
    before.plan(policy).apply(target, monitor)
}

/// Opens a source to write objects of it anew, with everything that can be found in it.
pub(super) fn open_to_copy(source: &Arc<dyn ReadAt>, plan: &Plan, monitor: &dyn Monitor) -> Result<Recovered> {
    // where only the header or the maps are wrong, nothing has to be looked for
    let beneath = |f: &Finding| f.severity < Severity::Warning || matches!(f.rule.layer, Layer::Header | Layer::Allocation);
    let whole = plan.before.items.complete && plan.before.findings.iter().all(beneath);
    let options = recover::Options { limits: plan.policy.limits, thorough: !whole, ..recover::Options::default() };
    recover::open_checked(Arc::clone(source), &options, plan.before.kept.as_deref(), monitor)
}

/// The store that is written, and the account before it is.
struct Copying {
    pst: Pst,
    options: CopyOptions,
    /// Nodes that can be read and cannot stay.
    unnamed: usize,
    account: Account,
    /// How nodes were found that no tree lists.
    origins: Vec<(Nid, Origin)>,
    /// Messages whose parts may not belong together, or of which a part was not found.
    doubts: HashMap<Nid, Doubt>,
}

impl Copying {
    fn prepare(recovered: &Recovered, plan: &Plan, only: Option<Part<'_>>) -> Self {
        let (missing_bytes, unexplained_bytes) = recovered.salvage.as_ref().map_or((0, 0), |s| (s.missing, s.unexplained));
        let mut account = Account { missing_bytes, unexplained_bytes, ..Account::default() };
        let consent = plan.actions.iter().any(|a| a.needs_consent && a.selected);
        let Readable { pst, unnamed, folder_names } = readable(recovered, consent, &mut account);
        let (mut origins, mut doubts) = (Vec::new(), HashMap::new());
        if let Some(found) = &recovered.salvage {
            let part = only.filter(|_| plan.is_partial());
            lost_for(&found.links, &mut account, part);
            origins = origins_of(&found.links, part);
            account.count_recovered(&origins);
            doubts.extend(found.links.doubts.iter().filter(|(nid, _)| part.is_none_or(|p| p.has(**nid))).map(|(nid, d)| (*nid, d.clone())));
        }
        let row_versions = only.map_or(0, |part| part.unique);
        let options = CopyOptions { mend: plan.policy.notices, folder_names, row_versions, promised: false, ..CopyOptions::same(&pst) };
        Self { pst, options, unnamed, account, origins, doubts }
    }

    /// The account with the finds of copying; an error where something readable is left out without consent.
    fn settled(mut self, report: &CopyReport, plan: &Plan) -> Result<Account> {
        settle(&mut self.account, report);
        self.account.doubt(self.doubts.keys().copied());
        self.account.found = provenance(&self.pst, &self.origins, report);
        for f in &mut self.account.found {
            f.doubt = self.doubts.get(&Nid(f.nid)).cloned();
            f.state = if f.doubt.is_some() { State::Partial } else { State::Ok };
        }
        let dropped = self.account.left_out.iter().filter(|n| is_readable(&self.pst, Nid(n.nid))).count();
        let deletes = dropped.saturating_add(self.unnamed);
        if deletes > 0 && !plan.policy.allow_loss {
            return Err(ErrorKind::NeedsConsent { nodes: deletes }.into());
        }
        Ok(self.account)
    }
}

/// Writes everything that is readable to `target`, and accounts for it.
fn write_whole(source: &Arc<dyn ReadAt>, target: &dyn Storage, plan: &Plan, monitor: &dyn Monitor) -> Result<Account> {
    let copying = Copying::prepare(&open_to_copy(source, plan, monitor)?, plan, None);
    let report = copy(&copying.pst, target, &copying.options, monitor)?;
    let account = copying.settled(&report, plan);
    if account.is_err() {
        target.set_len(0).map_err(ErrorKind::Io)?;
    }
    let account = account?;
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
    Ok(account)
}

/// Writes the nodes of a part to `target`, and accounts for them; also answers messages that have to change their folder.
pub(super) fn write_some(
    recovered: &Recovered,
    target: &dyn Storage,
    plan: &Plan,
    part: Part<'_>,
    monitor: &dyn Monitor,
) -> Result<(Account, Vec<Nid>)> {
    let copying = Copying::prepare(recovered, plan, Some(part));
    let copied = copy_nodes(&copying.pst, target, &copying.options, part.nodes, monitor)?;
    Ok((copying.settled(&copied.report, plan)?, copied.strayed))
}

/// Writes the file anew and whole, as often as that makes it better.
pub(super) fn rebuild(
    source: &Arc<dyn ReadAt>,
    target: &Arc<dyn Storage>,
    plan: &Plan,
    scratch: &Scratch,
    why: Why,
    monitor: &dyn Monitor,
) -> Result<Outcome> {
    let policy = &plan.policy;
    let mut account = write_whole(source, target.as_ref(), plan, monitor)?;
    let check_written = || check(policy.reading(Arc::clone(target))?, &policy.checking(), monitor);
    let mut after = check_written()?;
    if plan.before.is_healthy() && !policy.notices && !is_better(&after, &plan.before) {
        // warnings that stay are no reason for another file
        copy_bytes(source.as_ref(), target.as_ref(), monitor)?;
        return Ok(untouched(plan, Route::untouched(Some(Why::NotBetter))));
    }
    let mut passes = 1;
    while (!after.is_healthy() || after.count(Severity::Warning) > 0) && passes < policy.passes {
        let again = scratch.snapshot(target.as_ref(), monitor)?;
        let Some(of_pass) = once_more(&again, target, &after.plan(policy), scratch, monitor)? else { break };
        let next = check_written()?;
        passes = passes.saturating_add(1);
        if !is_better(&next, &after) {
            copy_bytes(again.as_ref(), target.as_ref(), monitor)?;
            break;
        }
        account = account.then(of_pass);
        after = next;
    }
    account.settle_apart(&plan.before, &after);
    let (before, plan) = (plan.before.as_ref().clone(), plan.clone());
    Ok(Outcome { before, plan, route: Route::rebuilt(why), after, account, passes, changed: true })
}

/// Whether a report has fewer errors, fewer warnings, or a better verdict than an earlier one.
fn is_better(now: &Report, before: &Report) -> bool {
    let worth = |r: &Report| (r.count(Severity::Error), r.count(Severity::Warning));
    worth(now) < worth(before) || now.verdict < before.verdict
}

/// One more pass over a written file. The objects that its check names are written anew; a file that still has errors is written anew as a
/// whole where that is not enough. `None` where nothing is to be done.
fn once_more(
    written: &Arc<dyn ReadAt>,
    target: &Arc<dyn Storage>,
    plan: &Plan,
    scratch: &Scratch,
    monitor: &dyn Monitor,
) -> Result<Option<Account>> {
    if let Routed::Added(planned) = route(written, plan, scratch, monitor)? {
        begin_copy(written.as_ref(), target.as_ref(), monitor)?;
        finish_copy(written.as_ref(), Some(planned.view.as_ref()), target.as_ref(), monitor)?;
        return Ok(Some(planned.outcome(plan).account));
    }
    if plan.before.is_healthy() {
        return Ok(None);
    }
    let recovered = open_to_copy(written, plan, monitor)?;
    let pst = Pst::from_ndb(recovered.ndb);
    let options = CopyOptions { mend: plan.policy.notices, promised: false, ..CopyOptions::same(&pst) };
    let report = copy(&pst, target.as_ref(), &options, monitor)?;
    target.sync().map_err(|e| Error::new(ErrorKind::Io(e)))?;
    let mut of_pass = Account::default();
    settle(&mut of_pass, &report);
    Ok(Some(of_pass))
}

/// The outcome where nothing is done.
pub(super) fn untouched(plan: &Plan, route: Route) -> Outcome {
    let before = plan.before.as_ref().clone();
    let account = unchanged(&before);
    Outcome { after: before.clone(), before, plan: plan.clone(), route, account, passes: 0, changed: false }
}

/// A recovered file in which lost folders are made again: those that only a row, or the parent of a message, still names.
pub(crate) fn with_lost_folders(recovered: &Recovered) -> Ndb {
    readable(recovered, false, &mut Account::default()).pst.ndb().share()
}

/// Whether a node is an object of its own that can be read whole and that a person would miss: a message or a folder. Tables, and everything that
/// belongs to a search folder, follow from other objects; objects that Outlook keeps beside the mail are named in the account.
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
    !follows && whole().is_some_and(|pc| is_mail(&pc))
}

/// Whether properties are those of a message or a folder.
fn is_mail(pc: &PropertyContext<'_>) -> bool {
    [tags::MESSAGE_CLASS, tags::SUBJECT, tags::CONTENT_COUNT].iter().any(|tag| pc.has(tag.id()))
}

/// Whether a folder can have this id that nothing but an id is left of: the root folder has the lowest of all.
fn can_be_made(nid: Nid) -> bool {
    nid.is_folder() && nid.index() >= Nid::ROOT_FOLDER.index()
}

/// A recovered file as everything above reads it.
pub(super) struct Readable {
    /// The file, with the folders of which only rows or ids are left.
    pub(super) pst: Pst,
    /// How many nodes can be read and cannot stay.
    pub(super) unnamed: usize,
    /// The names of folders that have no properties, where their parents' tables do not tell.
    pub(super) folder_names: BTreeMap<Nid, String>,
}

/// The file as everything above reads it: a recovered one with the folders of which only rows are left. Nodes whose ids can be none, and
/// that nothing says the real id of, are taken out with `consent` alone where they can be read.
pub(super) fn readable(recovered: &Recovered, consent: bool, account: &mut Account) -> Readable {
    let ndb = &recovered.ndb;
    let mut nodes: Vec<NbtEntry> = ndb.index().nodes().to_vec();
    let mut known: HashSet<Nid> = nodes.iter().map(|n| n.nid).collect();
    let stub = |nid, parent| NbtEntry { nid, key_high: 0, data: Bid::NONE, sub: Bid::NONE, parent };
    let mut folder_names: BTreeMap<Nid, String> = BTreeMap::new();
    let is_offline = recover::places::is_offline(nodes.iter().copied());
    if let Some(s) = &recovered.salvage {
        for f in &s.links.folders {
            if !can_be_made(f.nid) {
                let why = "a row of a folder under an id that no folder can have".to_owned();
                account.left_out.push(LeftOut::new(f.nid, why));
            } else if known.insert(f.nid) {
                nodes.push(stub(f.nid, f.parent.unwrap_or(Nid::NONE)));
                if !f.name.is_empty() {
                    folder_names.insert(f.nid, f.name.clone());
                }
            }
        }
    }
    // the contents of one folder stay together, though only the id of the folder is left; some ids tell its kind
    let can_hold = |n: &NbtEntry| n.parent.nid_type() == NidType::NORMAL_FOLDER && can_be_made(n.parent);
    let of_messages = nodes.iter().filter(|n| n.nid.is_message() && can_hold(n)).map(|n| n.parent);
    let of_folders = nodes.iter().filter(|n| n.nid.is_folder() && can_hold(n)).map(|n| n.parent);
    let of_folders = of_folders.filter(|nid| recover::places::well_known(*nid, is_offline).is_some());
    let mut lost: BTreeSet<Nid> = of_messages.chain(of_folders).filter(|nid| !known.contains(nid)).collect();
    while let Some(nid) = lost.pop_first() {
        let parent = recover::places::well_known(nid, is_offline).map_or(Nid::NONE, |w| w.0);
        known.insert(nid);
        nodes.push(stub(nid, parent));
        if !parent.is_none() && !known.contains(&parent) && can_be_made(parent) {
            lost.insert(parent);
        }
    }
    for n in &mut nodes {
        if n.nid.nid_type() == NidType::NORMAL_FOLDER
            && let Some((parent, name, is_fixed)) = recover::places::well_known(n.nid, is_offline)
        {
            if !known.contains(&n.parent) {
                n.parent = parent;
            }
            let is_named =
                || ndb.node(n.nid).and_then(|n| PropertyContext::open(n, &mut Ignore).ok().flatten()).is_some_and(|pc| pc.has(0x3001));
            if is_fixed || (n.parent == parent && !is_named()) {
                folder_names.entry(n.nid).or_insert_with(|| name.to_owned());
            }
        }
    }
    let mut out_of_place: usize = 0;
    if let Some(s) = &recovered.salvage {
        let used: HashSet<Bid> = nodes.iter().flat_map(|n| [n.data.masked(), n.sub.masked()]).collect();
        for n in s.facts.nameless.iter().filter(|n| !used.contains(&n.data.masked()) || n.data.is_none()) {
            let node = Node::detached(ndb, n.nid, n.data, n.sub, Location::node(n.nid));
            let whole = PropertyContext::open(node, &mut Strict).ok().flatten();
            let can_be_read = whole.as_ref().is_some_and(|pc| !pc.records().is_empty());
            if can_be_read && !consent && !n.nid.is_none() {
                nodes.push(*n);
                continue;
            }
            out_of_place = out_of_place.saturating_add(usize::from(!consent && whole.is_some_and(|pc| is_mail(&pc))));
            account.left_out.push(LeftOut::new(n.nid, "nothing says what it is: no node can have its id"));
        }
    }
    let index = ndb.index().with_nodes(nodes);
    let whole: Ndb = ndb.with_index(index);
    Readable { pst: Pst::from_ndb(whole), unnamed: out_of_place, folder_names }
}

/// Adds the losses that linking has found to the account; of a part of the file those of that part.
pub(super) fn lost_for(links: &Links, account: &mut Account, only: Option<Part<'_>>) {
    let table = |l: &LostItem| match l.nid.nid_type() {
        NidType::NORMAL_MESSAGE => l.folder.with_type(NidType::CONTENTS_TABLE),
        _ => l.folder.with_type(NidType::ASSOC_CONTENTS_TABLE),
    };
    // a row in a table that stays as it is speaks for itself
    for l in links.lost.iter().filter(|l| only.is_none_or(|part| part.nodes.contains(&table(l)))) {
        account.lost.push(LostMessage { nid: l.nid.0, folder: l.folder.0, subject: l.subject.clone() });
        let count = if l.nid.nid_type() == NidType::NORMAL_MESSAGE { &mut account.messages } else { &mut account.associated };
        count.expected = count.expected.saturating_add(1);
        count.lost = count.lost.saturating_add(1);
    }
}

/// How linking has found nodes that no tree lists; of a part of the file those in it.
pub(super) fn origins_of(links: &Links, only: Option<Part<'_>>) -> Vec<(Nid, Origin)> {
    links.origins.iter().map(|(nid, origin)| (*nid, *origin)).filter(|(nid, _)| only.is_none_or(|part| part.has(*nid))).collect()
}

/// Where the objects come from that no tree lists, or whose folder is not there.
pub(super) fn provenance(pst: &Pst, origins: &[(Nid, Origin)], report: &CopyReport) -> Vec<Found> {
    const MOST: usize = 1000;
    let mut all: BTreeMap<Nid, Origin> = report.rehomed_nodes.iter().map(|nid| (*nid, Origin::Normal)).collect();
    all.extend(origins.iter().copied());
    if all.is_empty() {
        return Vec::new();
    }
    let paths = pst.folder_paths();
    let entries = all.into_iter().filter_map(|(nid, origin)| Some((origin, pst.ndb().index().node(nid)?)));
    let found = entries.map(|(origin, n)| Found {
        nid: n.nid.0,
        origin,
        folder: (!n.parent.is_none()).then_some(n.parent.0),
        path: paths.get(&n.parent).cloned(),
        block: n.data.0,
        subnodes: n.sub.0,
        ..Found::default()
    });
    found.take(MOST).collect()
}

/// Nodes that are written anew, of a file of which the others stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) nodes: &'a BTreeSet<Nid>,
    /// The file as it is.
    pub(super) of: &'a Ndb,
    /// Above all versions of rows in it.
    pub(super) unique: u32,
}

impl Part<'_> {
    fn has(self, nid: Nid) -> bool {
        self.nodes.contains(&nid) || self.of.index().node(nid).is_some()
    }
}

/// Adds the finds of copying to the account.
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
    let gone = |(nid, folder): &(Nid, Nid)| LostMessage { nid: nid.0, folder: folder.0, subject: String::new() };
    account.lost.extend(report.lost.iter().map(gone));
    account.values_lost = account.values_lost.saturating_add(report.values_lost);
    account.left_out.extend(report.dropped.iter().map(|(nid, why)| LeftOut::new(*nid, *why)));
}
