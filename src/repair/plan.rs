//! The plan of a repair: actions in order, what each sets right and what it may cost.

use crate::check::{Report, Verdict};
use crate::finding::{Fix, Loss};
use crate::rules::{FixVerb, Severity};
use std::collections::BTreeMap;

/// What a repair may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Policy {
    /// Also actions that give something up which could not be read whole.
    pub lossy: bool,
    /// Also actions that delete something which was readable.
    pub allow_loss: bool,
    /// Also what Outlook's own files have and does no harm. Without it a file that is healthy stays as it is, byte for byte.
    pub notices: bool,
    /// How often the result may be repaired again.
    pub passes: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { lossy: true, allow_loss: false, notices: false, passes: 3 }
    }
}

/// One thing that a repair does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Action {
    /// What is done.
    pub verb: FixVerb,
    /// The same in words.
    pub what: &'static str,
    /// Codes of the rules that it answers.
    pub rules: Vec<&'static str>,
    /// How many violations it answers.
    pub violations: u64,
    /// What is lost with what it answers; the repair adds nothing to that.
    pub loss: Loss,
    /// Whether nothing is given up.
    pub lossless: bool,
    /// Whether it is to be carried out.
    pub selected: bool,
}

/// What a repair would do, in order: structure before contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Plan {
    /// The actions.
    pub actions: Vec<Action>,
    /// Violations that nothing can mend, by code.
    pub beyond: Vec<(&'static str, u64)>,
    /// Whether header or trees are so broken that the whole file has to be searched.
    pub salvage: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.iter().all(|a| !a.selected)
    }

    /// Whether nothing that is to be done gives anything up.
    pub fn is_lossless(&self) -> bool {
        self.actions.iter().filter(|a| a.selected).all(|a| a.lossless)
    }

    /// Whether something that could be done is left out.
    pub fn is_partial(&self) -> bool {
        self.actions.iter().any(|a| !a.selected)
    }

    /// Selects or leaves out all actions of a verb.
    pub fn select(&mut self, verb: FixVerb, selected: bool) {
        self.actions.iter_mut().filter(|a| a.verb == verb).for_each(|a| a.selected = selected);
    }
}

/// What a verb does, for people.
const fn words(verb: FixVerb) -> &'static str {
    match verb {
        FixVerb::None => "nothing",
        FixVerb::RewriteHeader => "write the header again from what the file holds",
        FixVerb::RebuildTree => "build the B-trees again from readable pages, older generations and a search of the whole file",
        FixVerb::RecountReferences => "count the references to all blocks again",
        FixVerb::RebuildMaps => "build the allocation maps again from the space in use",
        FixVerb::RewriteBlock => "write damaged blocks, data trees and sub-node trees again from what is readable",
        FixVerb::RewriteContext => "write damaged heaps and properties again from what is readable",
        FixVerb::CreateObject => "create missing objects of the store",
        FixVerb::RebuildTable => "build tables again from the objects that they list",
        FixVerb::SetProperty => "set properties to what follows from other data",
        FixVerb::MoveToLostAndFound => "put objects that are in no folder under Lost and Found",
        FixVerb::ResetIndex => "reset indexes that Outlook makes again",
        FixVerb::DropObject => "take out objects of which nothing can be read",
    }
}

/// The place of a verb in a repair.
const fn order(verb: FixVerb) -> u8 {
    match verb {
        FixVerb::RewriteHeader => 0,
        FixVerb::RebuildTree => 1,
        FixVerb::RecountReferences => 2,
        FixVerb::RebuildMaps => 3,
        FixVerb::RewriteBlock => 4,
        FixVerb::RewriteContext => 5,
        FixVerb::CreateObject => 6,
        FixVerb::RebuildTable => 7,
        FixVerb::SetProperty => 8,
        FixVerb::MoveToLostAndFound => 9,
        FixVerb::ResetIndex => 10,
        FixVerb::DropObject => 11,
        FixVerb::None => 12,
    }
}

impl Report {
    /// What a repair would do about what was found.
    pub fn plan(&self, policy: &Policy) -> Plan {
        let mut plan = Plan::default();
        let floor = if policy.notices { Severity::Notice } else { Severity::Warning };
        let mut by_verb: BTreeMap<(u8, bool), Action> = BTreeMap::new();
        let mut listed: BTreeMap<&'static str, u64> = BTreeMap::new();
        for f in self.findings.iter().filter(|f| f.severity >= floor) {
            plan.salvage |= f.severity == Severity::Fatal || f.rule.fix == FixVerb::RebuildTree;
            let fix = f.fix();
            let n = 1u64.saturating_add(f.consequences);
            if fix == Fix::None {
                let slot = listed.entry(f.rule.code).or_default();
                *slot = slot.saturating_add(n);
                continue;
            }
            let lossless = fix == Fix::Safe;
            let a = by_verb.entry((order(f.rule.fix), !lossless)).or_insert_with(|| Action {
                verb: f.rule.fix,
                what: words(f.rule.fix),
                rules: Vec::new(),
                violations: 0,
                loss: Loss::None,
                lossless,
                selected: (lossless || policy.lossy) && (policy.notices || !self.is_healthy()),
            });
            if !a.rules.contains(&f.rule.code) {
                a.rules.push(f.rule.code);
            }
            a.violations = a.violations.saturating_add(n);
            a.loss = a.loss.max(f.loss);
        }
        // what the list leaves out is answered by the actions that answer what is listed
        for c in self.counts.iter().filter(|c| c.severity >= floor && c.omitted > 0) {
            if let Some(a) = by_verb.values_mut().find(|a| a.rules.contains(&c.rule.code)) {
                a.violations = a.violations.saturating_add(c.omitted);
            }
        }
        plan.actions = by_verb.into_values().collect();
        plan.beyond = listed.into_iter().collect();
        plan.salvage |= self.verdict == Verdict::Fatal;
        plan
    }
}
