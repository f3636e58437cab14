//! `pstkit check --format scanpst`: findings in the wording of scanpst.exe's log, for people who have scripts that read it.

use crate::render;
use pstkit::check::{Report, Verdict};
use pstkit::finding::{Finding, Value};
use pstkit::format::page::PageType;
use pstkit::rules::{Layer, Severity};
use std::io::{self, Write};
use std::path::Path;

/// scanpst's phases, and the layers whose findings it tells in them.
const PHASES: &[(usize, &str, &[Layer])] = &[
    (0, "Beginning NDB recovery", &[]),
    (1, "Attempting to open database", &[]),
    (1, "Attempting to validate header", &[Layer::Header]),
    (1, "Attempting to validate AMap", &[Layer::Allocation]),
    (1, "Attempting to validate BBT", &[Layer::BlockTree, Layer::Data]),
    (1, "Attempting to validate NBT", &[Layer::NodeTree]),
    (0, "Beginning PST/OST recovery", &[]),
    (1, "Attempting to recover all top-level objects", &[Layer::Property, Layer::Table, Layer::Store, Layer::Index]),
    (1, "Attempting to walk the folder hierarchy", &[Layer::Folder, Layer::Message, Layer::Recipient]),
    (1, "Attempting to locate orphaned folders and messages", &[Layer::Carving]),
];

/// The findings of scanpst's two classes; it says nothing of minor ones.
pub(crate) fn write(out: &mut impl Write, path: &Path, report: &Report) -> io::Result<()> {
    writeln!(out, "File: {}", render::name(path))?;
    for (depth, title, layers) in PHASES {
        writeln!(out, "{:1$}**{title}", "", depth.saturating_mul(2))?;
        for f in report.findings.iter().filter(|f| layers.contains(&layer(f))) {
            let mark = match f.severity {
                Severity::Fatal | Severity::Error => "!!",
                Severity::Warning => "??",
                Severity::Notice | Severity::Info => continue,
            };
            // The log has what is concerned on the first line, and the reasons below.
            let text = crate::render::clean(&words(f));
            let place = |what: &str| {
                let (bid, ib) = (f.at.bid.map_or(0, |b| b.0), f.at.ib.map_or(0, |i| i.0));
                format!("Invalid {what} (bid={bid:X}, ib={ib}):")
            };
            let (head, reason) = match text.strip_prefix("Invalid block: ") {
                Some(reason) => (place("block"), Some(reason)),
                None if text.starts_with("btkeyMin") => {
                    (place(if f.rule.layer == Layer::NodeTree { "NBT page" } else { "BBT page" }), Some(text.as_str()))
                }
                None => match text.split_once("): ") {
                    Some((head, reason)) if head.starts_with("Invalid ") => (format!("{head}):"), Some(reason)),
                    _ => (text.clone(), None),
                },
            };
            writeln!(out, "  {mark}{head}")?;
            if let Some(reason) = reason {
                writeln!(out, "    {reason}")?;
            }
        }
    }
    let verdict = match report.verdict {
        Verdict::Clean => "No errors were found in this file.",
        Verdict::Minor => "Only minor inconsistencies were found in this file. Repairing the file is optional.",
        Verdict::Errors | Verdict::Fatal => "Errors were found in this file.",
        Verdict::NotPst => "The file is not recognized.",
        Verdict::Unsupported => "The file cannot be checked.",
    };
    writeln!(out, "{verdict}")
}

/// The layer in whose phase a finding is told: rules of pages are the same for both trees.
fn layer(f: &Finding) -> Layer {
    if f.at.page == Some(PageType::NBT) { Layer::NodeTree } else { f.rule.layer }
}

/// Ids without prefix, in capitals, checksums and signatures in full width; counts as they are.
fn number(value: &Value, template: &str) -> String {
    match value {
        Value::Hex(n) if template.contains("CRC") => format!("{n:08X}"),
        Value::Hex(n) if template.contains("Sig ") => format!("{n:04X}"),
        Value::Hex(n) => format!("{n:X}"),
        other => other.to_string(),
    }
}

/// scanpst's words with the values of the finding; ours where it has none.
fn words(f: &Finding) -> String {
    let Some(template) = f.rule.scanpst else {
        return format!("{} ({}): {}", f.rule.message, f.at, f.rule.code);
    };
    // In one form the word "read" stands for the child's key, which is what the parent's entry must agree with.
    let parent = template.contains("parent {}");
    let mut out = String::new();
    let mut rest = template;
    let mut unnamed = 0u8;
    while let Some((before, after)) = rest.split_once("{}") {
        out.push_str(before);
        let at = &f.at;
        let id = |v: Option<u64>| v.map_or_else(String::new, |v| format!("{v:X}"));
        let (bid, nid) = (id(at.bid.map(|b| b.0)), id(at.nid.map(|n| n.0.into())));
        let value = if before.ends_with("bid=") {
            bid
        } else if before.ends_with("ib=") {
            at.ib.map_or_else(String::new, |ib| ib.0.to_string())
        } else if before.ends_with("nid=") {
            nid
        } else if before.ends_with("prop=") || before.ends_with("column (") {
            at.tag.map_or_else(String::new, |t| t.to_string())
        } else if before.ends_with("irow=") {
            at.row.map_or_else(String::new, |r| r.to_string())
        } else if before.ends_with("read ") || before.ends_with("read=") {
            number(if parent { &f.expected } else { &f.actual }, template)
        } else if before.ends_with("computed ")
            || before.ends_with("expected ")
            || before.ends_with("calculated=")
            || before.ends_with("Computed cbAMapFree of ")
        {
            number(&f.expected, template)
        } else if before.ends_with("parent ") || before.ends_with("has ") {
            number(&f.actual, template)
        } else if before.ends_with("entry (") || before.ends_with("RBT (") && bid_first(template) || before.ends_with("attached (") {
            if bid.is_empty() { nid } else { bid }
        } else {
            unnamed = unnamed.saturating_add(1);
            match unnamed {
                1 => number(&f.actual, template),
                _ => number(&f.expected, template),
            }
        };
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    // one form for both trees
    if f.at.page == Some(PageType::NBT) { out.replace("BBT page", "NBT page") } else { out }
}

/// Whether the value behind "RBT (" is an id: it is a count where the entry was named before.
fn bid_first(template: &str) -> bool {
    !template.contains("entry ({})")
}
