//! The account of a repair: the items that were expected, and their fate.

use crate::check::{ItemCount, Report};
use crate::format::ids::{Nid, NidType};
use crate::recover::{Found, Origin};
use crate::rules;
use std::collections::HashSet;

/// Objects of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Count {
    /// How many the file speaks of.
    pub expected: u64,
    /// How many are whole.
    pub ok: u64,
    /// How many are there in part.
    pub partial: u64,
    /// How many of these (whole or in part) no tree listed any more.
    pub recovered: u64,
    /// How many are gone.
    pub lost: u64,
}

impl From<ItemCount> for Count {
    fn from(c: ItemCount) -> Self {
        Self { expected: c.expected, ok: c.ok, partial: c.partial, recovered: 0, lost: c.lost }
    }
}

/// A message that is gone, as its folder's table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LostMessage {
    /// Its node id.
    pub nid: u32,
    /// The folder's node id.
    pub folder: u32,
    /// Its subject.
    pub subject: String,
}

/// A node that a result does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LeftOut {
    /// Its id.
    pub nid: u32,
    /// Why it is not there.
    pub why: String,
}

impl LeftOut {
    /// A node, and the reason why the result does not have it.
    pub fn new(nid: Nid, why: impl Into<String>) -> Self {
        Self { nid: nid.0, why: why.into() }
    }
}

/// The fate of everything in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Account {
    /// Folders.
    pub folders: Count,
    /// Messages.
    pub messages: Count,
    /// Associated messages: settings and views.
    pub associated: Count,
    /// Attachments.
    pub attachments: Count,
    /// Messages that are gone, by name.
    pub lost: Vec<LostMessage>,
    /// Messages that are there in part, by node id; the first thousand.
    pub partial: Vec<u32>,
    /// Bytes in use that the file has lost at its end or its beginning, where the trees are not whole either: nothing tells the objects in
    /// them.
    pub missing_bytes: u64,
    /// Bytes that were in use and hold nothing recognisable, where the trees are not whole either: nothing tells the objects in them.
    pub unexplained_bytes: u64,
    /// Bytes of another data file behind the end of this one ([MS-PST] 2.2.2.5) that are not in the result.
    pub apart_bytes: u64,
    /// Objects that are under Lost and Found now.
    pub rehomed: u64,
    /// Where these come from, and items that no tree listed: how each was found, and the folder that it was in; the first thousand.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub found: Vec<Found>,
    /// Values that are not whole.
    pub values_lost: u64,
    /// Nodes that were left out.
    pub left_out: Vec<LeftOut>,
}

impl Account {
    /// Names the parts of another file that were in the source and are not in the result.
    pub(super) fn settle_apart(&mut self, before: &Report, after: &Report) {
        let place = |r: &Report| r.findings.iter().find(|f| std::ptr::eq(f.rule, &rules::ANOTHER_STORE)).and_then(|f| f.at.ib);
        if let (Some(ib), None) = (place(before), place(after)) {
            self.apart_bytes = before.source.size.saturating_sub(ib.0);
        }
    }

    /// Counts messages as there in part whose parts may not belong together, or of which a part was not found.
    pub(super) fn doubt(&mut self, nids: impl Iterator<Item = Nid>) {
        let mut known: HashSet<u32> = self.partial.iter().copied().collect();
        let mut doubted: Vec<Nid> = nids.filter(|nid| known.insert(nid.0)).collect();
        doubted.sort_unstable();
        for nid in doubted {
            let count = if nid.nid_type() == NidType::ASSOC_MESSAGE { &mut self.associated } else { &mut self.messages };
            if count.ok > 0 {
                (count.ok, count.partial) = (count.ok.saturating_sub(1), count.partial.saturating_add(1));
                self.partial.push(nid.0);
            }
        }
    }

    /// Counts items that no tree lists.
    pub(super) fn count_recovered(&mut self, origins: &[(Nid, Origin)]) {
        for (nid, _) in origins {
            let count = match nid.nid_type() {
                NidType::NORMAL_MESSAGE => &mut self.messages,
                NidType::ASSOC_MESSAGE => &mut self.associated,
                _ => &mut self.folders,
            };
            count.recovered = count.recovered.saturating_add(1);
        }
    }

    /// The account of a file that was written once more: the items that were lost or are in part since.
    pub(super) fn then(mut self, later: Self) -> Self {
        let pairs = [
            (&mut self.folders, later.folders),
            (&mut self.messages, later.messages),
            (&mut self.associated, later.associated),
            (&mut self.attachments, later.attachments),
        ];
        for (all, later) in pairs {
            all.lost = all.lost.saturating_add(later.lost);
            all.partial = all.partial.saturating_add(later.partial);
            all.ok = all.ok.saturating_sub(later.lost).saturating_sub(later.partial);
        }
        self.lost.extend(later.lost);
        self.partial.extend(later.partial);
        self.left_out.extend(later.left_out);
        self.values_lost = self.values_lost.saturating_add(later.values_lost);
        self
    }

    /// Whether content was lost, or is there in part only.
    pub fn has_loss(&self) -> bool {
        [self.folders, self.messages, self.associated, self.attachments].iter().any(|c| c.lost > 0 || c.partial > 0)
            || !self.lost.is_empty()
            || !self.partial.is_empty()
            || self.missing_bytes > 0
            || self.unexplained_bytes > 0
            || self.apart_bytes > 0
    }
}
