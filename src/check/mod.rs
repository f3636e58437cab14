//! The check: the exact faults of a file, and their cost.
//!
//! Facts first: the header, both trees, then one sweep over all blocks in the order of the file; later passes compare facts and read
//! again only what they decode. A decoder's violation is a finding here; nothing describes a structure a second time. Each pass is a
//! file of its own, and an object that one pass finds broken is the root cause of misses in the later ones.

mod census;
mod collect;
pub(crate) mod kept;
mod naming;
mod objects;
mod pass_attachments;
mod pass_folders;
mod pass_header;
mod pass_indexes;
mod pass_maps;
mod pass_messages;
mod pass_refs;
mod pass_store;
mod pass_sweep;
mod pass_trees;
pub(crate) mod report;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "serde")]
mod serialize;

pub use census::Census;
pub use report::{CheckOptions, Format, ItemCount, Items, Level, PhaseCount, Report, RuleCount, SCHEMA, Source, Verdict};

use crate::error::Result;
use crate::finding::Finding;
use crate::format::bytes::wide;
use crate::format::crypt::CryptMethod;
use crate::format::header::{FileKind, Header};
use crate::format::ids::Ib;
use crate::io::ReadAt;
use crate::limits::{Allowance, Limits};
use crate::monitor::{Monitor, Phase};
use crate::ndb::Ndb;
use crate::rules::{self, Layer, Severity};
use census::Counter;
use collect::{Causes, Collector};
use kept::{Kept, Memory};
use pass_header::Opening;
use std::collections::HashMap;
use std::sync::Arc;

/// The result of a check: the report, and the input of a repair.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examination {
    /// The findings.
    pub report: Report,
    /// The file, opened as the check read it; `None` where it is no Outlook data file.
    pub ndb: Option<Ndb>,
    /// The counts.
    pub census: Census,
}

/// The state that the passes share.
struct Check<'a> {
    options: &'a CheckOptions,
    monitor: &'a dyn Monitor,
    ndb: Ndb,
    census: Census,
    causes: Causes,
    /// Attachments and other parts of objects that are still entered.
    allowance: Allowance,
    /// Blocks that are still counted for the sizes of messages.
    sizes: Allowance,
    out: Collector<'a>,
    phases: Vec<PhaseCount>,
    items: Items,
    memory: Memory,
    /// The words of the rows of folders' tables.
    rows: kept::RowFacts,
    /// The index is the result of reading the trees.
    as_read: bool,
}

impl<'a> Check<'a> {
    /// A collector to which no cause is known.
    fn collector(&self) -> Collector<'a> {
        Collector::new(self.options, None)
    }

    fn begin(&self, phase: Phase, total: u64) {
        self.monitor.phase(phase, Some(total));
    }

    fn done(&mut self, phase: Phase, objects: u64) {
        self.phases.push(PhaseCount { phase, objects });
    }
}

impl crate::messaging::Pst {
    /// Checks the file. See [`check`].
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&self, options: &CheckOptions, monitor: &dyn Monitor) -> Result<Report> {
        let ndb = self.ndb();
        examine(Arc::clone(ndb.source()), options, *ndb.limits(), monitor).map(|o| o.report)
    }
}

/// Checks a file and reports.
///
/// # Errors
/// Cancellation, and a medium that cannot be read at all. The faults of the file are in the report.
pub fn check(source: Arc<dyn ReadAt>, options: &CheckOptions, monitor: &dyn Monitor) -> Result<Report> {
    let done = examine(Arc::clone(&source), options, options.limits, monitor)?;
    source.intact().map_err(crate::error::ErrorKind::Io)?;
    Ok(done.report)
}

/// The same for a file of which most is where it was when an earlier check read it, and what that check saw to be whole was not written
/// to since.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_again(
    source: Arc<dyn ReadAt>,
    options: &CheckOptions,
    earlier: Option<Arc<Kept>>,
    monitor: &dyn Monitor,
) -> Result<Report> {
    examine_knowing(source, options, options.limits, earlier, monitor).map(|o| o.report)
}

/// The same, with the facts that a repair needs besides.
///
/// # Errors
/// As [`check`].
pub fn examine(source: Arc<dyn ReadAt>, options: &CheckOptions, limits: Limits, monitor: &dyn Monitor) -> Result<Examination> {
    examine_knowing(source, options, limits, None, monitor)
}

fn examine_knowing(
    source: Arc<dyn ReadAt>,
    options: &CheckOptions,
    limits: Limits,
    earlier: Option<Arc<Kept>>,
    monitor: &dyn Monitor,
) -> Result<Examination> {
    monitor.phase(Phase::Header, None);
    let mut out = Collector::new(options, None);
    let header = match pass_header::open(&*source, &mut out)? {
        Opening::Header(h) | Opening::Guessed(h) => *h,
        Opening::Foreign => return Ok(foreign(options, &*source, out)),
    };
    for f in &out.findings {
        monitor.finding(f);
    }
    let ndb = Ndb::new(source, header, limits);
    let mut check = Check {
        options,
        monitor,
        ndb,
        census: Census::default(),
        causes: Causes::default(),
        allowance: Allowance::new(0),
        sizes: Allowance::new(0),
        out,
        phases: Vec::new(),
        items: Items::default(),
        memory: Memory::new(options.keep && options.level == Level::Default && options.severities.is_empty(), earlier),
        rows: kept::RowFacts::default(),
        as_read: true,
    };
    pass_header::sizes(&mut check)?;
    check.done(Phase::Header, 1);
    check.run()
}

impl Check<'_> {
    fn run(mut self) -> Result<Examination> {
        self.monitor.phase(Phase::Trees, None);
        let bare = self.ndb.with_index(crate::ndb::Index::default());
        let index = pass_trees::load(&mut self, &bare)?;
        let named = self.ndb.with_index(index);
        self.ndb = pass_header::crypt(&mut self, named)?;
        pass_trees::places(&mut self)?;
        pass_trees::nodes(&mut self)?;
        pass_header::ansi_limit(&mut self)?;
        let index = self.ndb.index();
        self.done(Phase::Trees, wide(index.facts.pages.len()));
        if self.options.level >= Level::Default {
            self.contents()?;
        }
        self.begin(Phase::Maps, self.ndb.layout().amap_count(self.ndb.len()));
        pass_maps::run(&mut self)?;
        self.done(Phase::Maps, self.ndb.layout().amap_count(self.ndb.len()));
        if self.options.level >= Level::Default {
            pass_header::counters(&mut self)?;
        }
        Ok(self.finish())
    }

    /// Everything that looks into blocks.
    fn contents(&mut self) -> Result<()> {
        self.memory.compare(&self.ndb);
        let bytes = self.ndb.index().blocks().iter().map(|b| b.size_on_disk(self.ndb.layout())).fold(0, u64::saturating_add);
        self.begin(Phase::Sweep, bytes);
        let index = self.ndb.share();
        let counter = Counter::new(index.index());
        let structures = pass_sweep::run(self, &counter)?;
        self.done(Phase::Sweep, wide(index.index().blocks().len()));
        self.begin(Phase::References, wide(index.index().nodes().len()));
        pass_refs::roots(self, &counter, &structures)?;
        self.census.references = counter.into_counts();
        self.census.local_high_water = structures.local_high_water;
        pass_refs::compare(self)?;
        self.done(Phase::References, structures.count);
        self.blame();
        self.ndb = self.ndb.share().verified(self.causes.suspects());
        if has_messages(self.ndb.header().kind()) && self.ndb.crypt() != CryptMethod::Wip {
            self.objects()?;
        }
        Ok(())
    }

    /// Findings about blocks are the cause of losses in their objects.
    fn blame(&mut self) {
        for (i, f) in self.out.findings.iter().enumerate() {
            let about_block = f.rule.layer == Layer::Data
                || std::ptr::eq(f.rule, &rules::NODE_DATA_MISSING)
                || std::ptr::eq(f.rule, &rules::NODE_SUB_MISSING);
            if let Some(bid) = f.at.bid.filter(|_| about_block) {
                self.causes.spoil(bid, collect::Cause(i));
            }
        }
    }

    /// Everything that looks at folders, messages and objects that Outlook keeps beside them.
    fn objects(&mut self) -> Result<()> {
        let count = self.ndb.index().nodes().iter().filter(|n| n.nid.is_folder() || n.nid.is_message()).count();
        self.begin(Phase::Messaging, wide(count));
        self.allowance = Allowance::of_objects(self.ndb.content(), self.ndb.limits());
        self.sizes = Allowance::of_objects(self.ndb.content(), self.ndb.limits());
        pass_store::run(self)?;
        pass_folders::run(self)?;
        pass_messages::run(self)?;
        pass_indexes::run(self)?;
        self.done(Phase::Messaging, wide(count));
        Ok(())
    }

    fn finish(self) -> Examination {
        let format = Format {
            variant: self.ndb.layout().variant,
            version: self.ndb.header().version,
            client: self.ndb.header().version_client,
            kind: self.ndb.header().kind(),
            crypt: self.ndb.crypt(),
        };
        let items = Items { complete: self.causes.trees_whole(), ..self.items };
        let (mut findings, counts) = self.out.finish();
        link(&mut findings, self.ndb.header());
        naming::name(&self.ndb, &mut findings);
        let verdict = verdict(&counts, &findings, &format);
        let source = Source::of(self.options.path.clone(), self.ndb.source().as_ref());
        let kept = self.memory.keep(&self.ndb, self.as_read, &findings, &counts);
        let (level, phases) = (self.options.level, self.phases);
        let report = Report { source, format: Some(format), level, phases, findings, counts, items, verdict, kept };
        Examination { report, ndb: Some(self.ndb.unverified()), census: self.census }
    }
}

/// Says which listed findings follow from an earlier one: a lost tree from its root page, all that a header says from its being gone.
fn link(findings: &mut [Finding], header: &Header) {
    let is = |f: &Finding, list: &[&'static rules::Rule]| list.iter().any(|r| std::ptr::eq(f.rule, *r));
    // without signature and without roots, none of its words means anything
    let gone = header.root.nbt.ib.0 == 0 && header.root.bbt.ib.0 == 0 && header.root.file_eof.0 == 0;
    let magic = findings.iter().position(|f| gone && is(f, &[&rules::HEADER_MAGIC]));
    let mut at: HashMap<Ib, usize> = HashMap::new();
    for i in 0..findings.len() {
        let Some(f) = findings.get(i) else { break };
        let own = is(f, &[&rules::HEADER_MAGIC, &rules::UNREADABLE]);
        let lost = is(f, &[&rules::TREE_LOST, &rules::NODE_TREE_LOST]);
        let of_header = (f.rule.layer == Layer::Header && !own) || lost;
        let root = match (magic, f.at.ib) {
            (Some(m), _) if m < i && of_header => Some(m),
            (_, Some(ib)) if lost => at.get(&ib).copied(),
            _ => None,
        };
        if let Some(ib) = f.at.ib {
            at.entry(ib).or_insert(i);
        }
        if let (Some(root), Some(f)) = (root.filter(|r| *r != i), findings.get_mut(i)) {
            f.root = Some(root);
        }
    }
}

fn verdict(counts: &[RuleCount], findings: &[Finding], format: &Format) -> Verdict {
    if format.crypt == CryptMethod::Wip || findings.iter().any(|f| std::ptr::eq(f.rule, &rules::CRYPT_WIP)) {
        return Verdict::Unsupported;
    }
    match counts.iter().filter(|c| c.listed.saturating_add(c.omitted) > 0).map(|c| c.severity).max() {
        Some(Severity::Fatal) => Verdict::Fatal,
        Some(Severity::Error) => Verdict::Errors,
        Some(Severity::Warning | Severity::Notice) => Verdict::Minor,
        Some(Severity::Info) | None => Verdict::Clean,
    }
}

/// The outcome for something that is no Outlook data file.
fn foreign(options: &CheckOptions, source: &dyn ReadAt, out: Collector<'_>) -> Examination {
    let (findings, counts) = out.finish();
    let report = Report {
        source: Source::of(options.path.clone(), source),
        format: None,
        level: options.level,
        phases: vec![PhaseCount { phase: Phase::Header, objects: 0 }],
        findings,
        counts,
        items: Items::default(),
        verdict: Verdict::NotPst,
        kept: None,
    };
    Examination { report, ndb: None, census: Census::default() }
}

/// Whether the messaging layer of such a file is known.
fn has_messages(kind: Option<FileKind>) -> bool {
    kind != Some(FileKind::Pab)
}

/// The faults of a compressed body: the rule, and the reason in words.
fn rtf_problem(bytes: &[u8], limits: &Limits) -> Result<(), (&'static rules::Rule, String)> {
    let limit = usize::try_from(limits.inflated_bytes).unwrap_or(usize::MAX);
    let d = crate::messaging::rtf::decompress(bytes, limit).map_err(|e| (&rules::RTF_UNDECODABLE, e.to_string()))?;
    match (d.problems.iter().find(|p| !p.is_harmless()), d.problems.first()) {
        (Some(p), _) => Err((&rules::RTF_UNDECODABLE, p.to_string())),
        (None, Some(p)) => Err((&rules::RTF_SIZE, p.to_string())),
        (None, None) => Ok(()),
    }
}
