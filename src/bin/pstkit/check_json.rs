//! `pstkit check --json`: one document, with the same root for one file and for several.
//!
//! The root is a report. Of several files it holds the sums and the worst verdict, and its findings name their file by its place in
//! `reports`, which has a summary for each file.

use crate::check::WithExit;
use pstkit::check::Report;
use serde_json::{Map, Value, json};

/// Parts of a report that only the root has.
const OF_ROOT: [&str; 2] = ["schema", "findings"];

/// The document for the files that could be checked, and for those that could not.
pub(crate) fn document(reports: Vec<(Report, u8)>, failed: Vec<Value>) -> serde_json::Result<Value> {
    let mut all = Vec::new();
    for (report, exit) in &reports {
        all.push(serde_json::to_value(WithExit { report, exit: *exit })?);
    }
    let worst = (0..reports.len()).max_by_key(|i| reports.get(*i).map(|(r, _)| r.verdict));
    let mut root = match worst.and_then(|i| all.get(i)) {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::from_iter([("schema".to_owned(), json!(pstkit::check::SCHEMA)), ("findings".to_owned(), json!([]))]),
    };
    if all.len() != 1 || !failed.is_empty() {
        join(&mut root, &all, &failed);
    }
    let findings: Vec<Value> = all.iter_mut().enumerate().flat_map(|(file, report)| findings_of(file, report)).collect();
    root.insert("findings".to_owned(), shifted(findings));
    for report in &mut all {
        if let Some(fields) = report.as_object_mut() {
            fields.retain(|k, _| !OF_ROOT.contains(&k.as_str()));
        }
    }
    root.insert("reports".to_owned(), Value::Array(all));
    root.insert("failed".to_owned(), Value::Array(failed));
    Ok(Value::Object(root))
}

/// Takes the findings out of a report, with the place of their file.
fn findings_of(file: usize, report: &mut Value) -> Vec<Value> {
    let list = report.get_mut("findings").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let named = list.into_iter().map(|mut f| {
        if let Some(fields) = f.as_object_mut() {
            fields.insert("file".to_owned(), json!(file));
        }
        f
    });
    named.collect()
}

/// The findings of all files as one list: `root` is a place in it.
fn shifted(mut findings: Vec<Value>) -> Value {
    let (mut file, mut first) = (None, 0u64);
    for (i, f) in findings.iter_mut().enumerate() {
        let Some(fields) = f.as_object_mut() else { continue };
        let own = fields.get("file").and_then(Value::as_u64);
        if own != file {
            (file, first) = (own, u64::try_from(i).unwrap_or(u64::MAX));
        }
        if let Some(root) = fields.get("root").and_then(Value::as_u64) {
            fields.insert("root".to_owned(), json!(root.saturating_add(first)));
        }
    }
    Value::Array(findings)
}

/// The fields of a root for several files.
fn join(root: &mut Map<String, Value>, all: &[Value], failed: &[Value]) {
    for key in ["source", "format"] {
        root.insert(key.to_owned(), Value::Null);
    }
    for key in ["totals", "items"] {
        let sum = all.iter().filter_map(|r| r.get(key)).fold(Value::Null, added);
        root.insert(key.to_owned(), sum);
    }
    for key in ["phases", "counts"] {
        root.insert(key.to_owned(), json!([]));
    }
    let clean = all.iter().filter(|r| r.get("exit") == Some(&json!(0))).count();
    root.insert("summary".to_owned(), json!(format!("{} files, {clean} without problems", all.len().saturating_add(failed.len()))));
    let exits = all.iter().chain(failed).filter_map(|r| r.get("exit").and_then(Value::as_u64));
    root.insert("exit".to_owned(), json!(exits.fold(0, |sum, one| sum | one)));
}

/// The sum of two objects, number by number; of truth values whether both are true.
fn added(sum: Value, one: &Value) -> Value {
    let mut pending = vec![(Vec::<String>::new(), one.clone())];
    let mut out = if sum.is_null() { json!({}) } else { sum };
    while let Some((path, value)) = pending.pop() {
        if let Value::Object(fields) = value {
            pending.extend(fields.into_iter().map(|(k, v)| ([path.as_slice(), &[k]].concat(), v)));
            continue;
        }
        let pointer: String = path.iter().map(|p| format!("/{p}")).collect();
        let joined = match (out.pointer(&pointer), &value) {
            (Some(Value::Number(a)), Value::Number(b)) => json!(a.as_u64().unwrap_or(0).saturating_add(b.as_u64().unwrap_or(0))),
            (Some(Value::Bool(a)), Value::Bool(b)) => json!(*a && *b),
            _ => value,
        };
        put(&mut out, &path, joined);
    }
    out
}

/// Puts a value into nested objects.
fn put(root: &mut Value, path: &[String], value: Value) {
    let mut at = root;
    for key in path {
        if !at.is_object() {
            *at = json!({});
        }
        let Some(fields) = at.as_object_mut() else { return };
        at = fields.entry(key.clone()).or_insert(Value::Null);
    }
    *at = value;
}
