//! Violations and their places: [`Finding`], [`Location`], and the [`Sink`] that decoders report to.

use crate::error::{Error, Result};
use crate::format::ids::{Bid, Hid, Ib, Nid, PropTag};
use crate::format::page::PageType;
use crate::rules::{FixVerb, Rule, Severity};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Where in the file something is: as much of it as is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Location {
    /// Byte offset in the file.
    pub ib: Option<Ib>,
    /// Block or page id.
    pub bid: Option<Bid>,
    /// Node of the node B-tree.
    pub nid: Option<Nid>,
    /// Sub-node of that node.
    pub sub: Option<Nid>,
    /// Heap item.
    pub hid: Option<Hid>,
    /// Property.
    pub tag: Option<PropTag>,
    /// Row of a table, from 0.
    pub row: Option<u32>,
    /// The kind of page that is concerned, as the page that leads to it has it.
    pub page: Option<PageType>,
}

impl Location {
    /// Nowhere in particular.
    pub const NONE: Self = Self { ib: None, bid: None, nid: None, sub: None, hid: None, tag: None, row: None, page: None };

    /// A byte offset.
    pub const fn at(ib: u64) -> Self {
        Self { ib: Some(Ib(ib)), ..Self::NONE }
    }

    /// A page or block: its offset and its id.
    pub const fn block(ib: Ib, bid: Bid) -> Self {
        Self { ib: Some(ib), bid: Some(bid), ..Self::NONE }
    }

    /// A node.
    pub const fn node(nid: Nid) -> Self {
        Self { nid: Some(nid), ..Self::NONE }
    }

    /// The same with a node.
    pub const fn with_nid(self, nid: Nid) -> Self {
        Self { nid: Some(nid), ..self }
    }

    /// The same with a sub-node.
    pub const fn with_sub(self, sub: Nid) -> Self {
        Self { sub: Some(sub), ..self }
    }

    /// The same with an offset.
    pub const fn with_ib(self, ib: Ib) -> Self {
        Self { ib: Some(ib), ..self }
    }

    /// The same with a block id.
    pub const fn with_bid(self, bid: Bid) -> Self {
        Self { bid: Some(bid), ..self }
    }

    /// The same with a heap item.
    pub const fn with_hid(self, hid: Hid) -> Self {
        Self { hid: Some(hid), ..self }
    }

    /// The same with a property.
    pub const fn with_tag(self, tag: PropTag) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// The same with a row.
    pub const fn with_row(self, row: u32) -> Self {
        Self { row: Some(row), ..self }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        macro_rules! part {
            ($field:ident, $form:literal) => {
                if let Some(v) = self.$field {
                    write!(f, concat!("{}", $form), gap, v)?;
                    gap = " ";
                }
            };
        }
        part!(nid, "nid={}");
        part!(sub, "sub={}");
        part!(tag, "tag={}");
        part!(row, "row={}");
        part!(hid, "hid={}");
        part!(bid, "bid={}");
        part!(ib, "@{}");
        if gap.is_empty() { f.write_str("(file)") } else { Ok(()) }
    }
}

/// A stored or an expected value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Value {
    /// Nothing to show.
    #[default]
    None,
    /// A count or size.
    Number(u64),
    /// An id, offset or checksum, shown in hexadecimal.
    Hex(u64),
    /// Words.
    Text(Cow<'static, str>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(n) => write!(f, "{n}"),
            Self::Hex(n) => write!(f, "{n:#x}"),
            Self::Text(t) => f.write_str(t),
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// The cost of a violation for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Loss {
    /// Nothing.
    #[default]
    None,
    /// Something other than mail: counters, times of a table row, an index.
    Metadata,
    /// Part of an item.
    Partial,
    /// A whole item.
    Item,
}

/// Whether and how a violation can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Fix {
    /// Nothing to mend, or nothing that could mend it.
    None,
    /// Mended without loss.
    Safe,
    /// Mended by giving something up.
    Lossy,
    /// A person has to decide.
    Manual,
}

/// A violated rule at a place.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Its severity here.
    pub severity: Severity,
    /// Where.
    pub at: Location,
    /// The value that the rule demands.
    pub expected: Value,
    /// The value that the file holds.
    pub actual: Value,
    /// The loss.
    pub loss: Loss,
    /// The folder's path, where an object of the messaging layer is concerned.
    pub folder: Option<Arc<str>>,
    /// The subject or name of the object concerned.
    pub subject: Option<Arc<str>>,
    /// Index in the report of the finding that this one follows from.
    pub root: Option<usize>,
    /// How many further violations follow from this one and are not listed.
    pub consequences: u64,
}

impl Finding {
    /// A violation of `rule` at `at`.
    pub fn new(rule: &'static Rule, at: Location) -> Self {
        Self {
            rule,
            severity: rule.severity,
            at,
            expected: Value::None,
            actual: Value::None,
            loss: Loss::None,
            folder: None,
            subject: None,
            root: None,
            consequences: 0,
        }
    }

    /// The same with what was stored and what was expected, as numbers.
    #[must_use]
    pub fn numbers(mut self, actual: u64, expected: u64) -> Self {
        self.actual = Value::Number(actual);
        self.expected = Value::Number(expected);
        self
    }

    /// The same with what was stored and what was expected, in hexadecimal.
    #[must_use]
    pub fn hex(mut self, actual: u64, expected: u64) -> Self {
        self.actual = Value::Hex(actual);
        self.expected = Value::Hex(expected);
        self
    }

    /// The same with what was stored, in hexadecimal, where no single value is expected.
    #[must_use]
    pub fn stored(mut self, actual: u64) -> Self {
        self.actual = Value::Hex(actual);
        self
    }

    /// The same with what was stored.
    #[must_use]
    pub fn actual(mut self, actual: impl Into<Value>) -> Self {
        self.actual = actual.into();
        self
    }

    /// The same with what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<Value>) -> Self {
        self.expected = expected.into();
        self
    }

    /// The same with a loss.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// The same with another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Whether and how it can be mended, from the rule and the loss.
    pub fn fix(&self) -> Fix {
        match (self.rule.fix, self.rule.may_lose && self.loss >= Loss::Partial) {
            (FixVerb::None, _) => Fix::None,
            (_, true) => Fix::Lossy,
            (_, false) if self.rule.safe || !self.rule.may_lose => Fix::Safe,
            _ => Fix::Lossy,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.severity, self.rule, self.at, self.rule.message)?;
        match (&self.actual, &self.expected) {
            (Value::None, Value::None) => Ok(()),
            (Value::None, e) => write!(f, " (expected {e})"),
            (a, Value::None) => write!(f, " ({a})"),
            (a, e) => write!(f, " (stored {a}, expected {e})"),
        }
    }
}

/// Where a decoder sends the violations it meets.
///
/// The same decoders run strictly ([`Strict`]: the first violation is the error) and collecting (`Vec<Finding>`: every violation is
/// kept, and decoding goes on as far as it makes sense).
pub trait Sink {
    /// Takes a violation; an error ends the decoding.
    ///
    /// # Errors
    /// Whatever the sink answers a violation with; [`Strict`] answers every one with itself.
    fn report(&mut self, finding: Finding) -> Result<()>;
}

/// Ends at the first violation that is an error: accounting that is off hides no data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strict;

impl Sink for Strict {
    fn report(&mut self, finding: Finding) -> Result<()> {
        if finding.severity >= Severity::Error { Err(Error::damaged(finding)) } else { Ok(()) }
    }
}

impl Sink for Vec<Finding> {
    fn report(&mut self, finding: Finding) -> Result<()> {
        self.push(finding);
        Ok(())
    }
}

/// Drops every violation: for reads whose problems have been accounted for already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ignore;

impl Sink for Ignore {
    fn report(&mut self, _: Finding) -> Result<()> {
        Ok(())
    }
}
