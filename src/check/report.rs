//! The answer of a check: [`Report`], its [`Verdict`], and its options: [`CheckOptions`].
//!
//! A report accounts for everything: findings up to a limit a rule with an honest count of the rest, consequences counted under the
//! finding that they follow from, and folders, messages and attachments that are expected, whole, partly readable or lost.

use super::kept::Kept;
use crate::finding::Finding;
use crate::format::crc::crc;
use crate::format::crypt::CryptMethod;
use crate::format::header::{FileKind, HEADER_MAX};
use crate::format::layout::Variant;
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Phase;
use crate::rules::{Rule, Severity};
use std::fmt;
use std::sync::Arc;

/// Name and version of the shape that a serialised report has.
pub const SCHEMA: &str = "pstkit-report/2";

/// How deep a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Level {
    /// Header, maps and trees; no block contents.
    Quick,
    /// Everything: blocks, references, heaps, tables against objects.
    #[default]
    Default,
    /// And every property value decoded, every body inflated, every attachment read through.
    Deep,
}

/// The extent of a check, and the number of findings that are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How deep to go.
    pub level: Level,
    /// How many threads work at once; the report does not depend on it.
    pub threads: usize,
    /// Findings kept of each rule; the rest is counted.
    pub max_findings: usize,
    /// Rules whose severity is another one in this run; the last entry of a rule counts.
    pub severities: Vec<(&'static Rule, Severity)>,
    /// The name of the file in the report.
    pub path: Option<String>,
    /// The cost that reading may have.
    pub limits: Limits,
    /// The report keeps the facts that a repair can go on from.
    pub(crate) keep: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        let (level, limits) = (Level::Default, Limits::default());
        Self { level, threads: 1, max_findings: 1000, severities: Vec::new(), path: None, limits, keep: false }
    }
}

impl CheckOptions {
    /// The defaults with another level.
    pub fn level(level: Level) -> Self {
        Self { level, ..Self::default() }
    }

    /// The same with a number of threads; 0 takes as many as the machine has.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = match threads {
            0 => crate::work::threads(),
            n => n,
        };
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with the name of the file for the report.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same with a report that a repair of the file can go on from, which is then quicker: nothing that the check has seen to be whole
    /// is read again. Such a report holds some 40 bytes for each block and node of the file.
    #[must_use]
    pub fn for_repair(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The same with another severity for a rule.
    #[must_use]
    pub fn severity(mut self, rule: &'static Rule, severity: Severity) -> Self {
        self.severities.push((rule, severity));
        self
    }

    /// The same with another number of findings kept of each rule.
    #[must_use]
    pub fn max_findings(mut self, n: usize) -> Self {
        self.max_findings = n;
        self
    }

    /// The severity of a finding in this run.
    pub(super) fn severity_of(&self, f: &Finding) -> Severity {
        self.severities.iter().rev().find(|(rule, _)| std::ptr::eq(*rule, f.rule)).map_or(f.severity, |(_, s)| *s)
    }
}

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing was found.
    Clean,
    /// Nothing that matters was found: files fresh from Outlook are like this.
    Minor,
    /// Invariants are broken.
    Errors,
    /// The file cannot be opened as it is.
    Fatal,
    /// It is no Outlook data file.
    NotPst,
    /// It is one, of a kind that cannot be checked.
    Unsupported,
}

impl Verdict {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Minor => "minor",
            Self::Errors => "errors",
            Self::Fatal => "fatal",
            Self::NotPst => "not-pst",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The file that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Source {
    /// Its name, if the caller gave one.
    pub path: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// A checksum of its header, which every change of a file changes: whether a plan still fits the file.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub stamp: u32,
}

impl Source {
    /// The facts about a source.
    pub(crate) fn of(path: Option<String>, source: &dyn ReadAt) -> Self {
        let size = source.len();
        let mut head = vec![0; usize::try_from(size).unwrap_or(HEADER_MAX).min(HEADER_MAX)];
        if source.read_exact_at(&mut head, 0).is_err() {
            head.clear();
        }
        Self { path, size, stamp: crc(&head) }
    }
}

/// The kind of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Format {
    /// The layout.
    pub variant: Variant,
    /// wVer.
    pub version: u16,
    /// wVerClient.
    pub client: u16,
    /// PST, OST or PAB; `None` where the header does not say.
    pub kind: Option<FileKind>,
    /// How blocks are encoded, as the blocks themselves show it.
    pub crypt: CryptMethod,
}

/// The objects of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PhaseCount {
    /// The phase.
    pub phase: Phase,
    /// How many pages, blocks, nodes or objects it looked at.
    pub objects: u64,
}

/// How often a rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleCount {
    /// The rule.
    pub rule: &'static Rule,
    /// Its worst severity in this file.
    pub severity: Severity,
    /// Findings in the list.
    pub listed: u64,
    /// Findings left out of the list because there were too many.
    pub omitted: u64,
    /// Violations that follow from another finding and are counted there.
    pub folded: u64,
}

/// Items of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ItemCount {
    /// How many the file speaks of, in its trees or in its tables.
    pub expected: u64,
    /// How many are whole.
    pub ok: u64,
    /// How many can be read in part.
    pub partial: u64,
    /// How many cannot be read.
    pub lost: u64,
}

impl ItemCount {
    /// One without the other.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(other.expected),
            ok: self.ok.saturating_sub(other.ok),
            partial: self.partial.saturating_sub(other.partial),
            lost: self.lost.saturating_sub(other.lost),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            expected: self.expected.saturating_add(other.expected),
            ok: self.ok.saturating_add(other.ok),
            partial: self.partial.saturating_add(other.partial),
            lost: self.lost.saturating_add(other.lost),
        }
    }
}

impl Items {
    /// Both together, whole where both are.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            folders: self.folders.plus(other.folders),
            messages: self.messages.plus(other.messages),
            associated: self.associated.plus(other.associated),
            attachments: self.attachments.plus(other.attachments),
            complete: self.complete && other.complete,
        }
    }
}

/// The account of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Items {
    /// Folders, search folders included.
    pub folders: ItemCount,
    /// Messages, associated ones included.
    pub messages: ItemCount,
    /// Of these, the associated ones: settings and views.
    pub associated: ItemCount,
    /// Attachments, those of embedded messages included.
    pub attachments: ItemCount,
    /// Whether the trees were whole: otherwise more may be lost than is expected here.
    pub complete: bool,
}

/// The findings of a check.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub source: Source,
    /// The kind of the file; `None` where that cannot be told.
    pub format: Option<Format>,
    /// How deep the check went.
    pub level: Level,
    /// The phases in order, with the number of their objects.
    pub phases: Vec<PhaseCount>,
    /// The findings: by phase, and in each by place. Root causes come before their consequences.
    pub findings: Vec<Finding>,
    /// How often each broken rule was broken, in the order of the codes.
    pub counts: Vec<RuleCount>,
    /// Folders, messages and attachments.
    pub items: Items,
    /// The verdict.
    pub verdict: Verdict,
    pub(crate) kept: Option<Arc<Kept>>,
}

impl Report {
    /// Whether nothing worse was found than Outlook's own files have.
    pub const fn is_healthy(&self) -> bool {
        matches!(self.verdict, Verdict::Clean | Verdict::Minor)
    }

    /// How many violations there are of a severity, listed or omitted; those that follow from others are not counted.
    pub fn count(&self, severity: Severity) -> u64 {
        self.findings
            .iter()
            .filter(|f| f.severity == severity)
            .map(|_| 1u64)
            .sum::<u64>()
            .saturating_add(self.counts.iter().filter(|c| c.severity == severity).map(|c| c.omitted).fold(0, u64::saturating_add))
    }

    /// The worst severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.iter().map(|c| c.severity).max()
    }

    /// How often a rule was broken, if it was.
    pub fn rule(&self, rule: &'static Rule) -> Option<&RuleCount> {
        self.counts.iter().find(|c| std::ptr::eq(c.rule, rule))
    }

    /// The status that `pstkit check` exits with: 0 nothing at or above `fail_on`, 4 something is; 64 is added where items are lost or
    /// partial; 8 where the file is none that can be checked.
    pub fn exit_status(&self, fail_on: Severity) -> u8 {
        if matches!(self.verdict, Verdict::NotPst | Verdict::Unsupported) {
            return 8;
        }
        let found = if self.worst().is_some_and(|w| w >= fail_on) { 4 } else { 0 };
        let all = [self.items.folders, self.items.messages, self.items.attachments];
        let lost = if all.iter().any(|i| i.lost > 0 || i.partial > 0) { 64 } else { 0 };
        found | lost
    }

    /// One line: the verdict and its grounds.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (severity, one, many) in [
            (Severity::Fatal, "fatal problem", "fatal problems"),
            (Severity::Error, "error", "errors"),
            (Severity::Warning, "warning", "warnings"),
            (Severity::Notice, "notice", "notices"),
        ] {
            match self.count(severity) {
                0 => {}
                1 => parts.push(format!("1 {one}")),
                n => parts.push(format!("{n} {many}")),
            }
        }
        let what = if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") };
        format!("{} ({what})", self.verdict)
    }
}
