//! Collecting findings: limits a rule, root causes, order.
//!
//! Passes that run on several threads give each piece of work a [`Collector`] of its own, and merge them in the order of the work, so
//! that a report does not depend on the number of threads. The objects known to be broken when a pass begins stand in [`Causes`]: a
//! violation that follows from it is counted there and not listed.

use super::report::{CheckOptions, RuleCount};
use crate::error::Result;
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::ids::{Bid, Nid};
use crate::monitor::Monitor;
use crate::rules::{self, Layer, Rule, Severity};
use std::collections::HashMap;

/// A root cause: the place of its finding in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cause(pub usize);

/// The objects known to be broken, with their findings.
#[derive(Debug, Default)]
pub(super) struct Causes {
    /// Ranges of block ids whose entries are lost with a page of the block B-tree.
    lost_bids: Vec<(u64, Option<u64>, Cause)>,
    /// Ranges of node ids whose entries are lost with a page of the node B-tree.
    lost_nids: Vec<(u64, Option<u64>, Cause)>,
    /// Blocks that cannot be trusted or read, by id.
    bad_blocks: HashMap<u64, Cause>,
    /// Bad blocks about which no finding could be listed any more.
    unlisted: Vec<Bid>,
    /// The cause of everything that a truncated file lacks.
    pub truncated: Option<Cause>,
    /// A block that is not where its entry says: the object there instead is in use by nothing.
    pub misplaced: Option<Cause>,
}

impl Causes {
    /// Adds a range of lost block entries.
    pub(super) fn lose_bids(&mut self, first: u64, end: Option<u64>, cause: Cause) {
        self.lost_bids.push((first, end, cause));
    }

    /// Adds a range of lost node entries.
    pub(super) fn lose_nids(&mut self, first: u64, end: Option<u64>, cause: Cause) {
        self.lost_nids.push((first, end, cause));
    }

    /// Adds a bad block; the first cause of a block counts.
    pub(super) fn spoil(&mut self, bid: Bid, cause: Cause) {
        self.bad_blocks.entry(bid.masked().0).or_insert(cause);
    }

    /// Why a block cannot be read, if that is known.
    pub(super) fn of_block(&self, bid: Bid) -> Option<Cause> {
        let bid = bid.masked().0;
        self.bad_blocks.get(&bid).copied().or_else(|| find(&self.lost_bids, bid))
    }

    /// A block is bad, and its finding was left out of the list.
    pub(super) fn distrust(&mut self, bid: Bid) {
        self.unlisted.push(bid.masked());
    }

    /// The blocks that are bad, ascending.
    pub(super) fn suspects(&self) -> Vec<Bid> {
        let mut all: Vec<Bid> = self.bad_blocks.keys().map(|bid| Bid(*bid)).chain(self.unlisted.iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// Whether a listed block is bad.
    pub(super) fn is_bad(&self, bid: Bid) -> bool {
        !self.bad_blocks.is_empty() && self.bad_blocks.contains_key(&bid.masked().0)
    }

    /// Why a node is not listed, if that is known.
    pub(super) fn of_node(&self, nid: Nid) -> Option<Cause> {
        find(&self.lost_nids, nid.0.into())
    }

    /// Why nodes are missing, whichever they are.
    pub(super) fn of_nodes(&self) -> Option<Cause> {
        self.lost_nids.first().map(|(_, _, c)| *c)
    }

    /// Why blocks are missing, whichever they are.
    pub(super) fn of_blocks(&self) -> Option<Cause> {
        self.lost_bids.first().map(|(_, _, c)| *c)
    }

    /// Whether both trees are whole.
    pub(super) fn trees_whole(&self) -> bool {
        self.lost_bids.is_empty() && self.lost_nids.is_empty()
    }

    /// Whether nothing is known to be broken.
    pub(super) fn is_empty(&self) -> bool {
        self.trees_whole() && self.bad_blocks.is_empty()
    }

    /// The cause that a finding follows from, judged by its rule and place.
    fn of_finding(&self, f: &Finding) -> Option<Cause> {
        if self.is_empty() {
            return None;
        }
        if std::ptr::eq(f.rule, &rules::ORPHAN_BLOCK) {
            // The target of a lost node, or of a lost list of blocks, has no other reference.
            return self.of_nodes().or_else(|| self.of_blocks()).or_else(|| self.bad_internal());
        }
        if std::ptr::eq(f.rule, &rules::NODE_DATA_MISSING) || std::ptr::eq(f.rule, &rules::NODE_SUB_MISSING) {
            // An entry of a torn page may say anything.
            return self.of_block(f.at.bid?).or_else(|| f.at.nid.and_then(|n| self.of_node(n)));
        }
        if f.rule.layer == Layer::Data || std::ptr::eq(f.rule, &rules::UNREADABLE) {
            return self.of_block(f.at.bid?);
        }
        None
    }

    /// A bad block that lists others.
    pub(super) fn bad_internal(&self) -> Option<Cause> {
        self.bad_blocks.iter().filter(|(bid, _)| Bid(**bid).is_internal()).map(|(_, c)| *c).min()
    }
}

/// Whether the passes over blocks have told this already: objects are read through the same decoders.
fn was_told(f: &Finding) -> bool {
    let later = [&rules::UNUSED_SUBNODE, &rules::DATA_TREE_DEPTH, &rules::LIMIT].iter().any(|r| std::ptr::eq(*r, f.rule));
    (f.rule.layer == Layer::Data && !later) || std::ptr::eq(f.rule, &rules::UNREADABLE)
}

/// Whether a finding is about one block, and so about the object that has it.
fn about_a_block(rule: &'static Rule) -> bool {
    let others = [&rules::ENTRY_PLACE, &rules::ENTRY_SIZE, &rules::BLOCK_STRADDLES, &rules::OVERLAP, &rules::MAP_OVERLAP];
    rule.layer == Layer::Data || rule.layer == Layer::NodeTree || others.iter().any(|r| std::ptr::eq(*r, rule))
}

fn find(ranges: &[(u64, Option<u64>, Cause)], id: u64) -> Option<Cause> {
    ranges.iter().find(|(first, end, _)| id >= *first && end.is_none_or(|end| id < end)).map(|(_, _, c)| *c)
}

/// The cause of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Context {
    /// Nothing known.
    #[default]
    Free,
    /// A cause in the report.
    Known(Cause),
    /// A finding of this collector, by its place in the list; none where that one was left out.
    Here(Option<usize>),
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    severity: Severity,
    listed: u64,
    omitted: u64,
    folded: u64,
}

/// Keeps findings up to a limit a rule, and counts the rest.
#[derive(Debug)]
pub(super) struct Collector<'c> {
    options: &'c CheckOptions,
    causes: Option<&'c Causes>,
    /// The known fault of the object at hand: every other fault of it follows from that.
    pub context: Context,
    /// Findings in order.
    pub findings: Vec<Finding>,
    tallies: HashMap<&'static str, (&'static Rule, Tally)>,
    folded: HashMap<Cause, u64>,
    /// Reports so far, of whatever kind.
    pub reports: u64,
    /// The worst loss reported since [`watch`](Self::watch).
    pub loss: Loss,
    /// Objects are being looked at: the faults of blocks have been told before.
    objects: bool,
    /// The bad block that the object at hand was found to have.
    touched: Option<Cause>,
    /// The first object that each cause was found to hit, and how badly.
    owners: HashMap<Cause, (Location, Loss)>,
    /// Where the object at hand is.
    pub at: Location,
    /// The findings about it, in order, listed or not.
    trail: Vec<Step>,
}

/// Something found about an object.
#[derive(Debug, Clone, Copy)]
struct Step {
    severity: Severity,
    loss: Loss,
    nid: Option<Nid>,
    sub: Option<Nid>,
    /// Its place in the list, if it was listed.
    place: Option<usize>,
}

impl<'c> Collector<'c> {
    /// An empty collector. Without causes, nothing follows from anything.
    pub(super) fn new(options: &'c CheckOptions, causes: Option<&'c Causes>) -> Self {
        Self {
            options,
            causes,
            context: Context::Free,
            findings: Vec::new(),
            tallies: HashMap::new(),
            folded: HashMap::new(),
            reports: 0,
            loss: Loss::None,
            objects: false,
            touched: None,
            owners: HashMap::new(),
            at: Location::NONE,
            trail: Vec::new(),
        }
    }

    /// An empty collector for the faults of objects.
    pub(super) fn for_objects(options: &'c CheckOptions, causes: &'c Causes) -> Self {
        Self { objects: true, ..Self::new(options, Some(causes)) }
    }

    /// Findings of a rule turn out to matter more than they seemed to, unless the caller has said how much they matter.
    pub(super) fn raise(&mut self, rule: &'static Rule, severity: Severity) {
        if self.options.severities.iter().any(|(r, _)| std::ptr::eq(*r, rule)) {
            return;
        }
        for f in self.findings.iter_mut().filter(|f| std::ptr::eq(f.rule, rule)) {
            f.severity = f.severity.max(severity);
        }
        if let Some((_, tally)) = self.tallies.get_mut(rule.code) {
            tally.severity = tally.severity.max(severity);
        }
    }

    /// A finding in the list turns out to matter more than it seemed to, unless the caller has said how much it matters.
    pub(super) fn raise_one(&mut self, place: usize, severity: Severity) {
        let Some(f) = self.findings.get_mut(place) else { return };
        let rule = f.rule;
        if self.options.severities.iter().any(|(r, _)| std::ptr::eq(*r, rule)) {
            return;
        }
        f.severity = f.severity.max(severity);
        let tally = self.tally(rule);
        tally.severity = tally.severity.max(severity);
    }

    /// Whether a rule was found broken.
    pub(super) fn has(&self, rule: &'static Rule) -> bool {
        self.tallies.contains_key(rule.code)
    }

    /// Begins with an object; [`loss`](Self::loss) tells the worst loss from here on.
    pub(super) fn watch(&mut self, at: Location) {
        self.loss = Loss::None;
        self.touched = None;
        self.trail.clear();
        self.context = Context::Free;
        self.at = at;
    }

    /// Takes note that the object at hand has a block, in case it is a bad one.
    pub(super) fn touch(&mut self, bid: Bid, loss: Loss) {
        if let Some(cause) = self.causes.and_then(|c| c.of_block(bid)) {
            self.blame(cause, loss);
        }
    }

    /// A place in the findings about the object at hand, for [`suffer`](Self::suffer).
    pub(super) fn mark(&self) -> usize {
        self.trail.len()
    }

    /// If something that costs something, or matters as much as `severity`, was found since the mark, what follows is a consequence of
    /// the first of it.
    pub(super) fn suffer(&mut self, mark: usize, severity: Severity) {
        let since = self.trail.get(mark..).unwrap_or_default();
        if let Some(step) = since.iter().find(|s| s.loss > Loss::None || s.severity >= severity) {
            self.context = Context::Here(step.place);
        }
    }

    fn blame(&mut self, cause: Cause, loss: Loss) {
        self.touched = self.touched.or(Some(cause));
        self.loss = self.loss.max(loss);
        let owner = self.owners.entry(cause).or_insert((self.at, loss));
        owner.1 = owner.1.max(loss);
    }

    /// Adds a finding and tells its place in the list, if it was listed.
    pub(super) fn add(&mut self, mut f: Finding) -> Option<usize> {
        self.reports = self.reports.saturating_add(1);
        self.loss = self.loss.max(f.loss);
        if self.objects && was_told(&f) {
            if let Some(cause) = self.causes.and_then(|c| c.of_finding(&f)) {
                self.blame(cause, f.loss);
            }
            return None;
        }
        // Leftovers in a heap follow from the faults of the heap.
        let leaked = std::ptr::eq(f.rule, &rules::HN_ITEM_LEAKED);
        let before = self.trail.last().filter(|b| leaked && b.severity >= Severity::Warning);
        let follows = before.filter(|b| (b.nid, b.sub) == (f.at.nid, f.at.sub)).map(|b| Context::Here(b.place));
        f.severity = self.options.severity_of(&f);
        let severity = f.severity;
        let cause = self.causes.and_then(|c| c.of_finding(&f)).or(self.touched);
        let context = cause.map_or(follows.unwrap_or(self.context), Context::Known);
        let most = crate::format::bytes::wide(self.options.max_findings);
        let tally = self.tally(f.rule);
        if context != Context::Free {
            tally.folded = tally.folded.saturating_add(1);
            match context {
                Context::Known(cause) => self.fold(cause, 1),
                Context::Here(Some(i)) => {
                    if let Some(f) = self.findings.get_mut(i) {
                        f.consequences = f.consequences.saturating_add(1);
                    }
                }
                _ => {}
            }
            return None;
        }
        tally.severity = tally.severity.max(severity);
        let listed = tally.listed < most;
        let count = if listed { &mut tally.listed } else { &mut tally.omitted };
        *count = count.saturating_add(1);
        let place = listed.then_some(self.findings.len());
        if self.objects {
            self.trail.push(Step { severity, loss: f.loss, nid: f.at.nid, sub: f.at.sub, place });
        }
        if listed {
            self.findings.push(f);
        }
        place
    }

    /// Counts a violation under its cause, or lists it where there is none.
    pub(super) fn add_under(&mut self, f: Finding, cause: Option<Cause>) -> Option<usize> {
        let before = self.context;
        if let Some(cause) = cause {
            self.context = Context::Known(cause);
        }
        let place = self.add(f);
        self.context = before;
        place
    }

    fn tally(&mut self, rule: &'static Rule) -> &mut Tally {
        &mut self.tallies.entry(rule.code).or_insert((rule, Tally { severity: Severity::Info, listed: 0, omitted: 0, folded: 0 })).1
    }

    fn fold(&mut self, cause: Cause, by: u64) {
        let n = self.folded.entry(cause).or_insert(0);
        *n = n.saturating_add(by);
    }

    /// Takes in the findings of another collector, as if it had been reported here; tells the monitor. Answers where its findings went.
    pub(super) fn merge(&mut self, other: Collector<'_>, monitor: &dyn Monitor) -> Vec<Option<Cause>> {
        let mut places = Vec::with_capacity(other.findings.len());
        for f in other.findings {
            let most = crate::format::bytes::wide(self.options.max_findings);
            let tally = self.tally(f.rule);
            tally.severity = tally.severity.max(f.severity);
            if tally.listed >= most {
                tally.omitted = tally.omitted.saturating_add(1);
                places.push(None);
                continue;
            }
            tally.listed = tally.listed.saturating_add(1);
            monitor.finding(&f);
            places.push(Some(Cause(self.findings.len())));
            self.findings.push(f);
        }
        for (rule, t) in other.tallies.into_values() {
            let mine = self.tally(rule);
            mine.omitted = mine.omitted.saturating_add(t.omitted);
            mine.folded = mine.folded.saturating_add(t.folded);
            if t.omitted > 0 {
                mine.severity = mine.severity.max(t.severity);
            }
        }
        for (cause, n) in other.folded {
            self.fold(cause, n);
        }
        for (cause, owner) in other.owners {
            let mine = self.owners.entry(cause).or_insert(owner);
            mine.1 = mine.1.max(owner.1);
        }
        self.reports = self.reports.saturating_add(other.reports);
        places
    }

    /// Whether all that was found is in the list, and nothing of it follows from anything or is a cause's.
    pub(super) fn stands_alone(&self) -> bool {
        self.owners.is_empty() && self.reports == crate::format::bytes::wide(self.findings.len())
    }

    /// The findings with the consequences counted, and the counts of all rules in the order of the codes.
    pub(super) fn finish(mut self) -> (Vec<Finding>, Vec<RuleCount>) {
        for (cause, n) in &self.folded {
            if let Some(f) = self.findings.get_mut(cause.0) {
                f.consequences = f.consequences.saturating_add(*n);
            }
        }
        for (cause, (at, loss)) in &self.owners {
            if let Some(f) = self.findings.get_mut(cause.0) {
                if f.at.nid.is_none() && about_a_block(f.rule) {
                    f.at.nid = at.nid;
                    f.at.sub = f.at.sub.or(at.sub);
                }
                f.loss = f.loss.max(*loss);
            }
        }
        let mut counts: Vec<RuleCount> = self
            .tallies
            .into_values()
            .map(|(rule, t)| RuleCount { rule, severity: t.severity, listed: t.listed, omitted: t.omitted, folded: t.folded })
            .collect();
        counts.sort_by_key(|c| (c.rule.layer, c.rule.code));
        (self.findings, counts)
    }
}

impl Sink for Collector<'_> {
    fn report(&mut self, finding: Finding) -> Result<()> {
        self.add(finding);
        Ok(())
    }
}
