//! Which parts of a message are damaged: properties, recipients and attachments, with the bytes of each.

use super::message::Message;
use super::object::{Properties, State};
use crate::error::Result;
use crate::finding::Finding;
use crate::format::ids::PropTag;
use crate::format::tags;
use crate::ndb::Node;
use crate::rules::Severity;
use std::io;
use std::ops::Range;

/// Parts of a message that are listed.
const LISTED: usize = 100;

/// A part of a message that is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DamagedPart {
    /// Its name, for people: `text`, `attachment "a.jpg"`, `recipients`, …
    pub what: String,
    /// The property's tag, where it is a property.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none", serialize_with = "crate::serialize::tag"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub tag: Option<u32>,
    /// Bytes in all, where that is known.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub size: Option<u64>,
    /// The bytes that are damaged or missing.
    pub damaged: Vec<Range<u64>>,
    /// The code of the rule that is broken.
    pub code: &'static str,
    /// Why, in words.
    pub why: &'static str,
}

impl DamagedPart {
    /// How many bytes are damaged or missing.
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged.iter().fold(0, |sum, r| sum.saturating_add(r.end.saturating_sub(r.start)))
    }
}

impl std::fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.damaged_bytes(), self.size) {
            (0, _) => write!(f, "{}: {}", self.what, self.why),
            (n, Some(size)) => write!(f, "{}: up to {n} of {size} bytes damaged", self.what),
            (n, None) => write!(f, "{}: up to {n} bytes damaged", self.what),
        }
    }
}

/// The name that people give a property.
fn property_name(tag: PropTag) -> String {
    match tag.id() {
        id if id == tags::BODY.id() => "text".to_owned(),
        id if id == tags::HTML.id() => "HTML body".to_owned(),
        id if id == tags::RTF_COMPRESSED.id() => "formatted text".to_owned(),
        id if id == tags::ATTACH_DATA_BINARY.id() => "data".to_owned(),
        id if id == tags::SUBJECT.id() => "subject".to_owned(),
        _ => format!("property {tag}"),
    }
}

impl Message<'_> {
    /// Reads everything in the message and lists damaged and missing parts: nothing where all of it is whole. The first hundred parts; each
    /// attachment counts for itself, and embedded messages are entered.
    ///
    /// ```no_run
    /// # fn f(message: &pstkit::messaging::Message<'_>) -> pstkit::error::Result<()> {
    /// for part in message.damaged_parts()? {
    ///     println!("{part}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn damaged_parts(&self) -> Result<Vec<DamagedPart>> {
        let mut out = Vec::new();
        // read anew: faults that were read before are not reported again
        let n = self.properties().node();
        let node = Node::detached(n.ndb, n.nid, n.data, n.sub, n.at);
        let fresh = Message::embedded(self.properties().pst(), node, self.depth())?;
        of_message(&fresh, "", &mut out)?;
        // embedded messages wait here, so that depth costs no call stack
        let mut pending = Vec::new();
        attachments(&fresh, "", &mut out, &mut pending)?;
        while let Some((inner, prefix)) = pending.pop() {
            if out.len() >= LISTED {
                break;
            }
            of_message(&inner, &prefix, &mut out)?;
            attachments(&inner, &prefix, &mut out, &mut pending)?;
        }
        out.truncate(LISTED);
        Ok(out)
    }
}

fn of_message(message: &Message<'_>, prefix: &str, out: &mut Vec<DamagedPart>) -> Result<()> {
    let p = message.properties();
    of_properties(p, prefix, out)?;
    let known = p.problems();
    message.recipients()?;
    let new: Vec<Finding> = p.problems().into_iter().filter(|f| !known.contains(f)).collect();
    if let Some(f) = worst(&new) {
        out.push(part(format!("{prefix}recipients"), None, f));
    }
    Ok(())
}

fn attachments<'a>(
    message: &Message<'a>,
    prefix: &str,
    out: &mut Vec<DamagedPart>,
    pending: &mut Vec<(Message<'a>, String)>,
) -> Result<()> {
    let p = message.properties();
    let known = p.problems();
    for a in message.attachments()? {
        if out.len() >= LISTED || pending.len() >= LISTED {
            return Ok(());
        }
        let name = a.name()?.map_or_else(|| format!("attachment {}", a.nid()), |n| format!("attachment \"{n}\""));
        let prefix = format!("{prefix}{name}: ");
        of_properties(a.properties(), &prefix, out)?;
        if let Ok(Some(inner)) = a.embedded() {
            pending.push((inner, prefix));
        }
    }
    let new: Vec<Finding> = p.problems().into_iter().filter(|f| !known.contains(f)).collect();
    if let Some(f) = worst(&new) {
        out.push(part(format!("{prefix}list of attachments"), None, f));
    }
    Ok(())
}

fn of_properties(p: &Properties<'_>, prefix: &str, out: &mut Vec<DamagedPart>) -> Result<()> {
    let mut told = Vec::new();
    for tag in p.tags().collect::<Vec<_>>() {
        let before = p.problems();
        let size = p.stream(tag)?.map(|reader| {
            let mut reader = reader.lossy();
            let whole = io::copy(&mut reader, &mut io::sink());
            (reader.len(), reader.damaged().to_vec(), whole.is_ok())
        });
        let new: Vec<Finding> = p.problems().into_iter().filter(|f| !before.contains(f)).collect();
        let Some(f) = worst(&new) else { continue };
        let (size, damaged) = size.map_or((None, Vec::new()), |(len, damaged, _)| (Some(len), damaged));
        out.push(DamagedPart { size, damaged, ..part(format!("{prefix}{}", property_name(tag)), Some(tag), f) });
        told.extend(new);
        if out.len() >= LISTED {
            return Ok(());
        }
    }
    let rest: Vec<Finding> = p.problems().into_iter().filter(|f| !told.contains(f)).collect();
    match worst(&rest) {
        Some(f) => out.push(part(format!("{prefix}properties"), None, f)),
        None if p.state() == State::Damaged => out.push(part(format!("{prefix}properties"), None, &lost(p))),
        None => {}
    }
    Ok(())
}

/// The text for a property context that cannot be read at all.
fn lost(p: &Properties<'_>) -> Finding {
    Finding::new(&crate::rules::UNREADABLE_BLOCK, p.node().at)
}

fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().filter(|f| f.severity >= Severity::Error).max_by_key(|f| f.severity)
}

fn part(what: String, tag: Option<PropTag>, f: &Finding) -> DamagedPart {
    DamagedPart { what, tag: tag.map(|t| t.0), size: None, damaged: Vec::new(), code: f.rule.code, why: f.rule.message }
}
