//! The plan of a repair: actions in order, the gain and the cost of each, and which of them are to be carried out.

use crate::check::{CheckOptions, Report, Verdict};
use crate::error::{ErrorKind, Result};
use crate::finding::{Finding, Fix, Location, Loss};
use crate::io::{ReadAt, Storage};
use crate::limits::Limits;
use crate::rules::{self, FixVerb, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places that an action lists one by one.
const PLACES_MAX: usize = 1000;

/// The limits of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Policy {
    /// Also actions that give something up which could not be read whole.
    pub lossy: bool,
    /// Also actions that take out something that can be read.
    pub allow_loss: bool,
    /// Also harmless states that Outlook's own files have. Without it a file that has nothing worse stays as it is, byte for byte.
    pub notices: bool,
    /// How often the result may be repaired again.
    pub passes: u32,
    /// Threads that check the result; 0 is one for each processor. The result does not depend on it.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub threads: usize,
    /// Whether files may be mapped, the one that is changed in place and the result; otherwise they are read by position.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub map: bool,
    /// The cost that reading may have.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub limits: Limits,
}

impl Policy {
    setters! { lossy: bool, allow_loss: bool, notices: bool, passes: u32, threads: usize, map: bool, limits: Limits }

    /// How a repair checks.
    pub(super) fn checking(&self) -> CheckOptions {
        CheckOptions::default().threads(self.threads).limits(self.limits)
    }

    /// The contents of a storage that nobody writes to meanwhile, to be read.
    pub(super) fn reading(&self, storage: Arc<dyn Storage>) -> Result<Arc<dyn ReadAt>> {
        let settled = if self.map { storage.settled().map_err(ErrorKind::Io)? } else { None };
        Ok(settled.unwrap_or(storage))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { lossy: true, allow_loss: false, notices: false, passes: 3, threads: 0, map: true, limits: Limits::default() }
    }
}

/// A place that an action answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Place {
    /// Where it is.
    pub at: Location,
    /// The rule that is broken there.
    pub rule: &'static str,
    /// The loss there.
    pub loss: Loss,
    /// The folder's path, where an object of the messaging layer is concerned.
    #[cfg_attr(feature = "serde", serde(serialize_with = "text", skip_serializing_if = "Option::is_none"))]
    pub folder: Option<Arc<str>>,
    /// The subject or name of the object concerned.
    #[cfg_attr(feature = "serde", serde(serialize_with = "text", skip_serializing_if = "Option::is_none"))]
    pub subject: Option<Arc<str>>,
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(text: &Option<Arc<str>>, s: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(t) => s.serialize_str(t),
        None => s.serialize_none(),
    }
}

/// One thing that a repair does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Action {
    /// The word by which it is selected: the verb, and `/lossy` where something is given up.
    pub id: String,
    /// The action.
    pub verb: FixVerb,
    /// The same in words.
    pub what: &'static str,
    /// The gain, in words.
    pub restores: &'static str,
    /// The loss, in words.
    pub may_lose: &'static str,
    /// Codes of the rules that it answers.
    pub rules: Vec<&'static str>,
    /// How many violations it answers.
    pub violations: u64,
    /// Where they are; the first thousand.
    pub places: Vec<Place>,
    /// The loss that the findings have told; the repair adds nothing to that.
    pub loss: Loss,
    /// Whether nothing is given up.
    pub lossless: bool,
    /// Whether it may take out something that can be read: it is selected only where the policy allows loss.
    pub needs_consent: bool,
    /// Whether it is to be carried out.
    pub selected: bool,
}

/// The actions of a repair, in order: structure before contents, and of each those without loss before those with one.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Plan {
    /// The actions.
    pub actions: Vec<Action>,
    /// Violations that nothing can mend, by code.
    pub beyond: Vec<(&'static str, u64)>,
    /// Whether header or trees are so broken that the whole file has to be searched.
    pub salvage: bool,
    /// The policy that it was made for.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub policy: Policy,
    /// The findings.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub before: Arc<Report>,
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

    /// Whether something that could be done is left out. A structural action is never left out while anything is done.
    pub fn is_partial(&self) -> bool {
        let nothing = self.is_empty();
        self.actions.iter().any(|a| !a.selected && !a.needs_consent && (nothing || !a.verb.is_structural()))
    }

    /// Whether only structural actions are to be done, and nothing of the objects is left out.
    pub fn is_structural(&self) -> bool {
        self.actions.iter().all(|a| a.verb.is_structural() || (a.needs_consent && !a.selected))
    }

    /// Selects or leaves out all actions of a verb.
    pub fn select(&mut self, verb: FixVerb, selected: bool) {
        self.actions.iter_mut().filter(|a| a.verb == verb).for_each(|a| a.selected = selected);
    }

    /// Selects or leaves out the action with this [`Action::id`], or all actions of the verb with this word. Says whether there is one.
    pub fn select_id(&mut self, id: &str, selected: bool) -> bool {
        let mut any = false;
        for a in self.actions.iter_mut().filter(|a| a.id == id || a.verb.as_str() == id) {
            a.selected = selected;
            any = true;
        }
        any
    }

    /// Whether the action that answers a finding is to be carried out; `None` where no action does.
    pub fn answers(&self, finding: &Finding) -> Option<bool> {
        let lossless = match finding.fix() {
            Fix::None => return None,
            fix => fix == Fix::Safe,
        };
        let action = |exact: bool| self.actions.iter().find(|a| a.verb == finding.rule.fix && (!exact || a.lossless == lossless));
        action(true).or_else(|| action(false)).map(|a| a.selected)
    }
}

/// The loss of an action, for people.
const fn may_lose(lossless: bool, needs_consent: bool, loss: Loss) -> &'static str {
    match (lossless, needs_consent, loss) {
        (true, _, _) => "nothing",
        (_, true, _) => "objects that can be read, and of which nothing says what they are",
        (_, _, Loss::None | Loss::Metadata) => "metadata that cannot be read: times of rows, sizes, flags",
        (_, _, Loss::Partial) => "what is damaged of these items; the rest is kept",
        (_, _, Loss::Item) => "what cannot be read of these items; the rest is kept",
    }
}

impl Report {
    /// The plan of a repair of the findings.
    pub fn plan(&self, policy: &Policy) -> Plan {
        let floor = if policy.notices { Severity::Info } else { Severity::Warning };
        let order = |verb| FixVerb::ALL.iter().position(|v| *v == verb).unwrap_or(FixVerb::ALL.len());
        let mut by_verb: BTreeMap<(usize, bool, bool), Action> = BTreeMap::new();
        let mut beyond: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut salvage = self.verdict == Verdict::Fatal;
        for f in self.findings.iter().filter(|f| f.severity >= floor) {
            salvage |= f.severity == Severity::Fatal || f.rule.fix == FixVerb::RebuildTree;
            let fix = f.fix();
            let n = 1u64.saturating_add(f.consequences);
            if fix == Fix::None {
                let slot = beyond.entry(f.rule.code).or_default();
                *slot = slot.saturating_add(n);
                continue;
            }
            let lossless = fix == Fix::Safe;
            // tables and indexes follow from objects; a node of an unknown kind does not
            let needs_consent = std::ptr::eq(f.rule, &rules::NODE_TYPE);
            let selected = (lossless || policy.lossy) && (!needs_consent || policy.allow_loss);
            let a = by_verb.entry((order(f.rule.fix), !lossless, needs_consent)).or_insert_with(|| Action {
                id: match (lossless, needs_consent) {
                    (true, _) => f.rule.fix.as_str().to_owned(),
                    (_, false) => format!("{}/lossy", f.rule.fix),
                    (_, true) => format!("{}/readable", f.rule.fix),
                },
                verb: f.rule.fix,
                what: if needs_consent { "take out nodes of which nothing says what they are" } else { f.rule.fix.what() },
                restores: f.rule.fix.restores(),
                may_lose: "nothing",
                rules: Vec::new(),
                violations: 0,
                places: Vec::new(),
                loss: Loss::None,
                lossless,
                needs_consent,
                selected,
            });
            if !a.rules.contains(&f.rule.code) {
                a.rules.push(f.rule.code);
            }
            a.violations = a.violations.saturating_add(n);
            a.loss = a.loss.max(f.loss);
            a.may_lose = may_lose(lossless, needs_consent, a.loss);
            if a.places.len() < PLACES_MAX {
                let (folder, subject) = (f.folder.clone(), f.subject.clone());
                a.places.push(Place { at: f.at, rule: f.rule.code, loss: f.loss, folder, subject });
            }
        }
        // findings that the list leaves out are answered by the actions that answer the listed ones
        for c in self.counts.iter().filter(|c| c.severity >= floor && c.omitted > 0) {
            if let Some(a) = by_verb.values_mut().find(|a| a.rules.contains(&c.rule.code)) {
                a.violations = a.violations.saturating_add(c.omitted);
            }
        }
        Plan {
            actions: by_verb.into_values().collect(),
            beyond: beyond.into_iter().collect(),
            salvage,
            policy: *policy,
            before: Arc::new(self.clone()),
        }
    }
}
