//! The shape of a serialised report: `pstkit-report/2`.
//!
//! Ids of nodes and heap items (32 bits), offsets and counts are numbers, as in every document; ids of blocks are strings in hexadecimal, because
//! they have 64 bits, which some readers of JSON round. Parts that do not apply are left out.

use super::report::{Report, RuleCount, SCHEMA};
use crate::finding::{Finding, Loss, Value};
use crate::rules::{Rule, Severity};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use std::fmt;

/// Text of something that can be shown.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => s.serialize_none(),
            Self::Number(n) => s.serialize_u64(*n),
            Self::Hex(_) | Self::Text(_) => s.collect_str(self),
        }
    }
}

impl Serialize for crate::finding::Location {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        if let Some(ib) = self.ib {
            map.serialize_entry("offset", &ib.0)?;
        }
        if let Some(bid) = self.bid {
            map.serialize_entry("bid", &Shown(bid))?;
        }
        if let Some(nid) = self.nid {
            map.serialize_entry("nid", &nid.0)?;
        }
        if let Some(sub) = self.sub {
            map.serialize_entry("sub", &sub.0)?;
        }
        if let Some(hid) = self.hid {
            map.serialize_entry("hid", &hid.0)?;
        }
        if let Some(tag) = self.tag {
            map.serialize_entry("tag", &Shown(tag))?;
        }
        if let Some(page) = self.page {
            map.serialize_entry("page", &Shown(page))?;
        }
        if let Some(row) = self.row {
            map.serialize_entry("row", &row)?;
        }
        map.end()
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("code", self.rule.code)?;
        map.serialize_entry("name", self.rule.name)?;
        map.serialize_entry("severity", &self.severity)?;
        map.serialize_entry("layer", &self.rule.layer)?;
        map.serialize_entry("message", self.rule.message)?;
        map.serialize_entry("at", &self.at)?;
        if self.actual != Value::None {
            map.serialize_entry("actual", &self.actual)?;
        }
        if self.expected != Value::None {
            map.serialize_entry("expected", &self.expected)?;
        }
        if self.loss != Loss::None {
            map.serialize_entry("loss", &self.loss)?;
        }
        map.serialize_entry("fix", &self.fix())?;
        if let Some(folder) = &self.folder {
            map.serialize_entry("folder", &**folder)?;
        }
        if let Some(subject) = &self.subject {
            map.serialize_entry("subject", &**subject)?;
        }
        if let Some(root) = self.root {
            map.serialize_entry("root", &root)?;
        }
        if self.consequences > 0 {
            map.serialize_entry("consequences", &self.consequences)?;
        }
        map.end()
    }
}

impl Serialize for RuleCount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("RuleCount", 6)?;
        out.serialize_field("code", self.rule.code)?;
        out.serialize_field("name", self.rule.name)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("listed", &self.listed)?;
        out.serialize_field("omitted", &self.omitted)?;
        out.serialize_field("folded", &self.folded)?;
        out.end()
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Rule", 12)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("name", self.name)?;
        out.serialize_field("layer", &self.layer)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("fix", &self.fix)?;
        out.serialize_field("safe", &self.safe)?;
        out.serialize_field("may_lose", &self.may_lose)?;
        out.serialize_field("message", self.message)?;
        out.serialize_field("section", self.section)?;
        out.serialize_field("scanpst", &self.scanpst_words())?;
        out.serialize_field("scanpst_class", &self.scanpst_class())?;
        out.serialize_field("meaning", self.meaning)?;
        out.end()
    }
}

/// How many findings there are of each severity.
struct Totals<'r>(&'r Report);

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for severity in [Severity::Fatal, Severity::Error, Severity::Warning, Severity::Notice, Severity::Info] {
            map.serialize_entry(severity.as_str(), &self.0.count(severity))?;
        }
        map.end()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Report", 13)?;
        out.serialize_field("schema", SCHEMA)?;
        out.serialize_field("tool", env!("CARGO_PKG_NAME"))?;
        out.serialize_field("version", env!("CARGO_PKG_VERSION"))?;
        out.serialize_field("source", &self.source)?;
        out.serialize_field("format", &self.format)?;
        out.serialize_field("level", &self.level)?;
        out.serialize_field("verdict", &self.verdict)?;
        out.serialize_field("summary", &self.summary())?;
        out.serialize_field("totals", &Totals(self))?;
        out.serialize_field("items", &self.items)?;
        out.serialize_field("phases", &self.phases)?;
        out.serialize_field("counts", &self.counts)?;
        out.serialize_field("findings", &self.findings)?;
        out.end()
    }
}
