//! The schemas of reports, findings and rules, whose shape `serialize` writes by hand: each field here is one there, and the program's
//! tests hold every document against its schema.
#![allow(dead_code, reason = "the shapes are never built: their fields are there for the schema")]

use super::report::{Format, Items, Level, PhaseCount, Report, RuleCount, Source, Verdict};
use crate::finding::{Finding, Fix, Location, Loss, Value};
use crate::rules::{FixVerb, Layer, Rule, Severity};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! shaped {
    ($type:ty as $shape:ty) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                <$shape>::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                <$shape>::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$shape>::json_schema(generator)
            }
        }
    };
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A stored or an expected value: a number; an id, offset or checksum in hexadecimal; or words.",
            "type": ["integer", "string"]
        })
    }
}

/// The place of a finding; parts that do not apply are left out.
#[derive(JsonSchema)]
#[schemars(rename = "Location")]
struct LocationShape {
    /// Offset in the file.
    #[schemars(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Id of a block or page, in hexadecimal.
    #[schemars(skip_serializing_if = "Option::is_none")]
    bid: Option<String>,
    /// Id of a node.
    #[schemars(skip_serializing_if = "Option::is_none")]
    nid: Option<u32>,
    /// Id of a sub-node.
    #[schemars(skip_serializing_if = "Option::is_none")]
    sub: Option<u32>,
    /// Id of a heap item.
    #[schemars(skip_serializing_if = "Option::is_none")]
    hid: Option<u32>,
    /// Tag of a property: id and type, eight hexadecimal digits.
    #[schemars(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Kind of a page: NBT, BBT, AMap, …
    #[schemars(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// Place of a row in its table.
    #[schemars(skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
}
shaped!(Location as LocationShape);

/// One violation of a rule.
#[derive(JsonSchema)]
#[schemars(rename = "Finding")]
struct FindingShape {
    /// Code of the rule: `pstkit explain CODE` says more.
    code: &'static str,
    /// Name of the rule.
    name: &'static str,
    severity: Severity,
    layer: Layer,
    /// The faults.
    message: &'static str,
    /// Where.
    at: Location,
    /// The value in the file.
    #[schemars(skip_serializing_if = "Option::is_none")]
    actual: Option<Value>,
    /// The value that it should have.
    #[schemars(skip_serializing_if = "Option::is_none")]
    expected: Option<Value>,
    /// The loss; left out where there is none.
    #[schemars(skip_serializing_if = "Option::is_none")]
    loss: Option<Loss>,
    fix: Fix,
    /// Path of the folder.
    #[schemars(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    /// Subject of the message.
    #[schemars(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The finding that this one follows from: its place in the list.
    #[schemars(skip_serializing_if = "Option::is_none")]
    root: Option<u32>,
    /// How many violations follow from this one and are not listed.
    #[schemars(skip_serializing_if = "Option::is_none")]
    consequences: Option<u64>,
}
shaped!(Finding as FindingShape);

/// How often a rule was broken.
#[derive(JsonSchema)]
#[schemars(rename = "RuleCount")]
struct RuleCountShape {
    /// Code of the rule.
    code: &'static str,
    /// Name of the rule.
    name: &'static str,
    /// Its worst severity in this file.
    severity: Severity,
    /// Findings in the list.
    listed: u64,
    /// Findings left out of the list because there were too many.
    omitted: u64,
    /// Violations that follow from another finding and are counted there.
    folded: u64,
}
shaped!(RuleCount as RuleCountShape);

/// A rule of the format.
#[derive(JsonSchema)]
#[schemars(rename = "Rule")]
struct RuleShape {
    /// Its code, which never changes.
    code: &'static str,
    /// Its name.
    name: &'static str,
    layer: Layer,
    /// Its usual severity.
    severity: Severity,
    fix: FixVerb,
    /// Whether the fix loses nothing.
    safe: bool,
    /// Whether the fix may give up contents.
    may_lose: bool,
    /// The violation in words.
    message: &'static str,
    /// Section of [MS-PST].
    section: &'static str,
    /// The line that scanpst prints.
    scanpst: Option<&'static str>,
    /// How scanpst counts it: `!!` an error, `??` a minor inconsistency, nothing where it does not look.
    scanpst_class: Option<&'static str>,
    /// The meaning for people.
    meaning: &'static str,
}
shaped!(Rule as RuleShape);

/// Findings of each severity, listed or not.
#[derive(JsonSchema)]
#[schemars(rename = "Totals")]
struct TotalsShape {
    /// The file cannot be opened.
    fatal: u64,
    /// An invariant is broken.
    error: u64,
    /// Accounting is off.
    warning: u64,
    /// Faults that Outlook sets right by itself.
    notice: u64,
    /// Facts.
    info: u64,
}

/// The findings of a check.
#[derive(JsonSchema)]
#[schemars(rename = "Report")]
struct ReportShape {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The program.
    tool: &'static str,
    /// The program's version.
    version: &'static str,
    source: Option<Source>,
    format: Option<Format>,
    level: Level,
    verdict: Verdict,
    /// The verdict in words.
    summary: String,
    totals: TotalsShape,
    /// The items that are whole, there in part, and lost.
    items: Items,
    /// The objects of each phase.
    phases: Vec<PhaseCount>,
    /// How often each rule was broken.
    counts: Vec<RuleCount>,
    findings: Vec<Finding>,
}
shaped!(Report as ReportShape);
