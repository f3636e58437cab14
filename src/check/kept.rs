//! The memory of a check for a repair of the same file: the trees as far as read, the whole blocks, and the findings about
//! each object.
//!
//! A repair leaves most of a file where it is. Whole objects are not read again: the search for what the trees do not
//! list looks at the other blocks alone, and so does the check of the result, where an object whose entries are the same, over blocks
//! that are where they were, is what it was. References, places and maps are counted anew in each check.

use super::collect::Collector;
use super::report::{Items, RuleCount};
use crate::error::Result;
use crate::finding::Finding;
use crate::format::crypt::CryptMethod;
use crate::format::header::Header;
use crate::format::ids::{Bid, Nid};
use crate::format::page::{BbtEntry, NbtEntry};
use crate::monitor::Monitor;
use crate::ndb::{BlockSet, Index, Ndb};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

/// So many findings about one piece of work are kept; a piece with more is looked at again.
const FINDINGS: usize = 64;

/// The facts of a check about a file.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The header, as the check read it.
    header: Header,
    crypt: CryptMethod,
    index: Arc<Index>,
    /// Listed blocks that are not whole in each respect.
    doubtful: BlockSet,
    /// Nodes that something was found about; `None` where not all of it was listed.
    told_of: Option<HashSet<Nid>>,
    state: RandomState,
    objects: HashMap<u64, Known>,
}

/// The facts about some objects.
#[derive(Debug)]
struct Known {
    findings: Vec<Finding>,
    items: Items,
    rows: RowFacts,
}

/// The words of the rows of folders' tables, for rules over all of them and for the indexes of their objects.
#[derive(Debug, Clone, Default)]
pub(super) struct RowFacts {
    /// Versions of rows.
    pub versions: Vec<u32>,
    /// Messages, and the keys that the message index must have them under, where that is known.
    pub keys: Vec<(Nid, Option<u32>)>,
    /// Objects whose rows bear ids for synchronisation, and the ids.
    pub ids: Vec<([u8; 16], Nid)>,
    /// Ids in rows that have no node: lost folders and messages.
    pub gone: Vec<Nid>,
}

impl RowFacts {
    /// Adds the words of other rows.
    pub(super) fn extend(&mut self, more: Self) {
        self.versions.extend(more.versions);
        self.keys.extend(more.keys);
        self.ids.extend(more.ids);
        self.gone.extend(more.gone);
    }
}

/// The result of looking at some objects.
pub(super) struct Facts<'c> {
    pub out: Collector<'c>,
    pub items: Items,
    /// The words of the rows of folders' tables.
    pub rows: RowFacts,
    key: Option<u64>,
}

impl<'c> Facts<'c> {
    pub(super) fn new(out: Collector<'c>) -> Self {
        Self { out, items: Items::default(), rows: RowFacts::default(), key: None }
    }

    /// The findings also follow from objects that were not named: it is not to be remembered.
    pub(super) fn depends_on_others(&mut self) {
        self.key = None;
    }

    /// Adds the findings to the check's; the words of rows are answered.
    pub(super) fn settle(self, memory: &mut Memory, out: &mut Collector<'_>, items: &mut Items, monitor: &dyn Monitor) -> RowFacts {
        memory.remember(&self);
        out.merge(self.out, monitor);
        *items = items.plus(self.items);
        self.rows
    }
}

impl Kept {
    /// The file as the check read it, if it is still read so; its blocks are not known to be whole.
    pub(crate) fn index(&self, header: &Header) -> Option<Arc<Index>> {
        (*header == self.header).then(|| Arc::clone(&self.index))
    }

    /// Whether a block was whole where this entry says, and is not to be verified again.
    pub(crate) fn is_whole(&self, b: &BbtEntry) -> bool {
        self.lists(b) == Some(true) && !self.doubtful.contains(&b.bid)
    }

    /// Whether nothing was found about a node as this entry has it.
    pub(crate) fn is_sound(&self, n: &NbtEntry) -> bool {
        self.told_of.as_ref().is_some_and(|told_of| !told_of.contains(&n.nid) && self.index.node(n.nid) == Some(n))
    }

    /// Whether the tree had the block where this entry says; `None` where it did not have it.
    pub(super) fn lists(&self, b: &BbtEntry) -> Option<bool> {
        self.index.block(b.bid).map(|k| (k.ib, k.cb, k.cb_inflated) == (b.ib, b.cb, b.cb_inflated))
    }
}

/// Looks at objects, or knows the result.
pub(super) struct Looking {
    earlier: Option<Arc<Kept>>,
    /// None where nothing is known, nor to be remembered.
    state: Option<RandomState>,
}

impl Looking {
    /// Looks at some objects, unless it is known what comes of it. What is found about them must follow from `entries`, and what is
    /// below these, alone.
    pub(super) fn look<'c, 'e>(
        &self,
        collector: Collector<'c>,
        entries: impl Iterator<Item = Option<&'e NbtEntry>>,
        examine: impl FnOnce(Facts<'c>) -> Result<Facts<'c>>,
    ) -> Result<Facts<'c>> {
        let mut facts = Facts::new(collector);
        let Some(state) = &self.state else { return examine(facts) };
        let mut hasher = state.build_hasher();
        for e in entries {
            e.map(|e| (e.nid.0, e.data.0, e.sub.0, e.parent.0)).hash(&mut hasher);
        }
        let key = hasher.finish();
        if let Some(known) = self.earlier.as_ref().and_then(|k| k.objects.get(&key)) {
            known.findings.iter().for_each(|f| {
                facts.out.add(f.clone());
            });
            (facts.items, facts.rows) = (known.items, known.rows.clone());
            return Ok(facts);
        }
        facts.key = Some(key);
        examine(facts)
    }
}

/// The memory of a check as it goes, and the facts from an earlier one.
#[derive(Debug, Default)]
pub(super) struct Memory {
    earlier: Option<Arc<Kept>>,
    /// The memory of this check.
    state: Option<RandomState>,
    objects: HashMap<u64, Known>,
    /// Blocks that are not whole in each respect.
    pub doubtful: Vec<Bid>,
}

impl Memory {
    pub(super) fn new(keep: bool, earlier: Option<Arc<Kept>>) -> Self {
        Self { earlier, state: keep.then(RandomState::new), ..Self::default() }
    }

    /// The facts of an earlier check.
    pub(super) fn earlier(&self) -> Option<&Kept> {
        self.earlier.as_deref()
    }

    /// Nothing that an earlier check has found counts.
    pub(super) fn forget(&mut self) {
        self.earlier = None;
    }

    /// The same where the file is now taken for another kind of file than then.
    pub(super) fn compare(&mut self, ndb: &Ndb) {
        let same = |k: &Kept| (k.header.kind(), k.crypt, k.header.layout) == (ndb.header().kind(), ndb.crypt(), ndb.layout());
        self.earlier = self.earlier.take().filter(|k| same(k));
    }

    /// For the threads that look at objects.
    pub(super) fn known(&self) -> Looking {
        let state = self.earlier.as_ref().map(|k| &k.state).or(self.state.as_ref()).cloned();
        Looking { earlier: self.earlier.clone(), state }
    }

    /// Takes note of the findings, where it follows from nothing else.
    fn remember(&mut self, facts: &Facts<'_>) {
        let (Some(_), Some(key)) = (&self.state, facts.key) else { return };
        if facts.out.stands_alone() && facts.out.findings.len() <= FINDINGS {
            let known = Known { findings: facts.out.findings.clone(), items: facts.items, rows: facts.rows.clone() };
            self.objects.insert(key, known);
        }
    }

    /// The facts that a repair can go on from.
    pub(super) fn keep(self, ndb: &Ndb, as_read: bool, findings: &[Finding], counts: &[RuleCount]) -> Option<Arc<Kept>> {
        let state = self.state.filter(|_| as_read)?;
        let (header, crypt, index) = (ndb.header().clone(), ndb.crypt(), ndb.shared_index());
        let all_listed = counts.iter().all(|c| c.omitted == 0);
        let told_of = all_listed.then(|| findings.iter().filter_map(|f| f.at.nid).collect());
        Some(Arc::new(Kept { header, crypt, index, doubtful: self.doubtful.into(), told_of, state, objects: self.objects }))
    }
}
