//! Recovery: reading a file whose header, trees or maps are gone, from its pages and blocks alone.
//!
//! [`mod@detect`] tells the kind of the file and puts moved pieces back in their place ([`shift`]); [`mod@salvage`] makes an
//! [`Index`](crate::ndb::Index) out of readable leaves, older generations of tree pages and the scan of all trailers. The result
//! is an [`Ndb`] like any other, so that every layer above reads a broken file as it reads a healthy one.

pub mod blocks;
mod choose;
mod crossed;
pub mod deleted;
pub mod detect;
mod evidence;
mod exchanged;
mod freed;
mod join;
pub mod kinds;
pub mod link;
mod newest;
pub mod nodes;
mod orphans;
mod parents;
pub(crate) mod places;
mod revive;
pub mod salvage;
pub mod shift;
mod states;
pub mod stores;
mod values;

pub use crate::messaging::Origin;
pub use choose::{Decision, Decisions};
pub use deleted::{Deleted, Found, Versions, deleted};
pub use detect::{Detected, detect};
pub use join::Doubt;
pub use link::{Links, LostItem, NamedFolder};
pub use nodes::OlderNode;
pub use salvage::{Salvage, salvage};

use crate::check::kept::Kept;
use crate::error::Result;
use crate::finding::{Finding, Ignore, Sink};
use crate::format::block::BlockTrailer;
use crate::format::bytes::wide;
use crate::format::header::{FileKind, Header};
use crate::format::page::NbtEntry;
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::ndb::Ndb;
use crate::rules::Severity;
use detect::{WithTrees, detect_further};
use std::sync::Arc;

/// Trailers that opening looks at to see whether the blocks are where the tree says.
const TRIED: usize = 512;

/// How to open a file that may be broken.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Options {
    /// Limits of reading.
    pub limits: Limits,
    /// Search the whole file even where header and trees are whole: finds blocks that lie elsewhere than the tree says, and items that were
    /// deleted.
    pub thorough: bool,
    /// Keep a record of every decision ([`Salvage::decisions`](salvage::Salvage::decisions)), for tests and for people who ask why.
    pub decisions: bool,
}

impl Options {
    setters! { limits: Limits, thorough: bool, decisions: bool }
}

/// An opened file, broken or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// The file.
    pub ndb: Ndb,
    /// The faults of header and trees, as far as opening had to deal with it.
    pub problems: Vec<Finding>,
    /// The finds of the salvage; `None` where the file could be opened plainly.
    pub salvage: Option<Box<Salvaged>>,
}

/// The facts that a salvage tells beside the file itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Salvaged {
    /// The salvage; its own `ndb` is the same as [`Recovered::ndb`].
    pub facts: Salvage,
    /// Nodes that no generation of the tree lists, and objects in tables that are gone.
    pub links: Links,
    /// The stretches of the file, where some were moved.
    pub moved: Option<Vec<shift::Piece>>,
    /// The stretches that hold bytes of another data file; nothing of it is in [`Recovered::ndb`].
    pub foreign: Vec<shift::Foreign>,
    /// Whether the header's roots lead to pages.
    pub roots: bool,
    /// Bytes that were in use and hold nothing recognisable: something unknown was in them.
    pub unexplained: u64,
    /// Bytes that were in use and are missing at the end of the file or before its beginning, where the trees are not whole either.
    pub missing: u64,
}

/// Opens a file: plainly where its header and both trees are whole, else by salvage.
///
/// # Errors
/// [`NotPst`](crate::error::ErrorKind::NotPst) where nothing in it is part of such a file; cancellation.
pub fn open(source: Arc<dyn ReadAt>, options: &Options, monitor: &dyn Monitor) -> Result<Recovered> {
    open_checked(source, options, None, monitor)
}

/// The same with the memory of a check of the file; faults of the trees that it has found are not told again.
pub(crate) fn open_checked(source: Arc<dyn ReadAt>, options: &Options, kept: Option<&Kept>, monitor: &dyn Monitor) -> Result<Recovered> {
    let begun = match open_plainly(&source, options, kept) {
        Plainly::Whole(file) if !options.thorough => return Ok(Recovered { ndb: file.ndb, problems: file.problems, salvage: None }),
        Plainly::Whole(file) | Plainly::Broken(file) => Some(file),
        Plainly::NoHeader => None,
    };
    let mut problems = Limited::of(&options.limits);
    let mut detected = detect_further(&source, options.limits, begun, kept, &mut problems, monitor)?;
    let is_sound = |n: &NbtEntry| kept.is_some_and(|k| k.is_sound(n));
    let mut facts = salvage::salvage_further(&mut detected, &is_sound, &mut problems, monitor)?;
    facts.decisions = Decisions::new(options.decisions);
    let links = link::link(&mut facts, monitor)?;
    exchanged::settle(&mut facts, &is_sound, monitor)?;
    if !detected.kind_is_told && is_ost(&facts, &links) {
        let mut header = facts.ndb.header().clone();
        header.magic_client = FileKind::Ost.magic();
        header.version_client = FileKind::Ost.client_version();
        facts.ndb = facts.ndb.with_header(header);
    }
    let freed::Unexplained { inside: unexplained, missing } = freed::unexplained(&detected, &facts);
    let ndb = facts.ndb.share();
    let salvage = Some(Box::new(Salvaged {
        facts,
        links,
        moved: detected.moved,
        foreign: detected.foreign,
        roots: detected.roots,
        unexplained,
        missing,
    }));
    Ok(Recovered { ndb, problems: problems.out, salvage })
}

/// Whether a file is an OST, by the ids of its folders: those that Outlook makes with one are lower than all of a PST but the root.
fn is_ost(facts: &Salvage, links: &Links) -> bool {
    let nodes = facts.ndb.index().nodes().iter().map(|n| n.nid);
    nodes.chain(links.folders.iter().map(|f| f.nid)).any(places::is_offline_id)
}

/// The result of reading a file as its header has it.
enum Plainly {
    /// Header and trees are whole.
    Whole(WithTrees),
    /// They are not.
    Broken(WithTrees),
    /// Nothing was read.
    NoHeader,
}

fn open_plainly(source: &Arc<dyn ReadAt>, options: &Options, kept: Option<&Kept>) -> Plainly {
    let head = detect::head(source.as_ref());
    let mut of_header = Vec::new();
    let Ok(header) = Header::decode(&head, &mut of_header) else { return Plainly::NoHeader };
    let ndb = Ndb::new(Arc::clone(source), header, options.limits);
    let ndb = match kept.and_then(|k| k.index(ndb.header())) {
        Some(index) => ndb.with_shared_index(index),
        None => ndb,
    };
    let Ok(mut file) = WithTrees::load(ndb) else { return Plainly::NoHeader };
    if is_whole(&file, &of_header) {
        file.problems.splice(0..0, of_header);
        Plainly::Whole(file)
    } else {
        Plainly::Broken(file)
    }
}

/// Whether header and trees of a file are whole, and lead to its blocks.
fn is_whole(file: &WithTrees, of_header: &[Finding]) -> bool {
    let WithTrees { ndb, problems } = file;
    let Some(crypt) = ndb.header().crypt_method().filter(|_| ndb.header().kind().is_some()) else { return false };
    let index = ndb.index();
    if !index.facts.complete() || index.facts.pages.len() < 2 || index.nodes().is_empty() {
        return false;
    }
    // a wrong encoding shows in the first blocks
    let sample = crate::ndb::scan::Scan {
        blocks: index.blocks().iter().filter(|b| !b.bid.is_internal()).take(200).copied().collect(),
        ..Default::default()
    };
    detect::told_by_blocks(ndb, &sample).is_none_or(|told| told == crypt)
        && of_header.iter().chain(problems).all(|f| f.severity < Severity::Fatal)
        && blocks_agree(ndb)
        && crossed::shared(ndb).is_empty()
}

/// Whether the blocks lie where the tree says, by the trailers of some of them.
fn blocks_agree(ndb: &Ndb) -> bool {
    let (layout, blocks) = (ndb.layout(), ndb.index().blocks());
    let step = blocks.len().checked_div(TRIED).unwrap_or(0).max(1);
    blocks.iter().rev().step_by(step).all(|b| {
        let at = b.ib.0.saturating_add(b.size_on_disk(layout)).saturating_sub(wide(layout.block_trailer));
        ndb.bytes(at, layout.block_trailer).is_ok_and(|raw| BlockTrailer::decode(layout, &raw).bid.masked() == b.bid)
    })
}

/// Keeps the first problems only.
struct Limited {
    out: Vec<Finding>,
    most: usize,
}

impl Limited {
    fn of(limits: &Limits) -> Self {
        Self { out: Vec::new(), most: limits.problems }
    }
}

impl Sink for Limited {
    fn report(&mut self, finding: Finding) -> Result<()> {
        if self.out.len() < self.most { self.out.report(finding) } else { Ignore.report(finding) }
    }
}
