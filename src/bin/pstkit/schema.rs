//! `pstkit schema`: the shape of each JSON document, as a JSON Schema (2020-12).
//!
//! The schemas are made from the types that the documents are written from, so that neither can change without the other.

use crate::args::SchemaArgs;
use crate::status::{Failure, Outcome, Status};
use crate::{
    Context, check, copy, create, explain, export, export_manifest, info, items, ls, page_data, recover, repair, show, undo, write_log,
};
use pstkit::finding::Finding;
use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

/// A document that the program writes.
struct Document {
    name: &'static str,
    /// The value of its field `schema`, where it has one.
    version: Option<&'static str>,
    /// The commands that write it.
    of: &'static str,
    schema: fn() -> Schema,
}

impl Document {
    fn write(&self) -> Schema {
        let mut schema = (self.schema)();
        schema.insert("title".to_owned(), json!(format!("pstkit {}", self.name)));
        if let (Some(version), Some(field)) = (self.version, schema.pointer_mut("/properties/schema").and_then(Value::as_object_mut)) {
            field.insert("const".to_owned(), json!(version));
        }
        schema
    }
}

const DOCUMENTS: &[Document] = &[
    Document { name: "info", version: Some("pstkit-info/1"), of: "info --json", schema: of::<info::Info> },
    Document { name: "write-log", version: Some("pstkit-write-log/1"), of: "info --json of a log of writes", schema: of::<write_log::Log> },
    Document { name: "folders", version: Some("pstkit-folders/1"), of: "ls --json", schema: of::<ls::Document<'_>> },
    Document { name: "folder", version: None, of: "ls --jsonl, each line", schema: of::<ls::FolderRecord> },
    Document { name: "items", version: Some("pstkit-items/2"), of: "items --json", schema: of::<Items> },
    Document { name: "item", version: Some("pstkit-item/2"), of: "items --jsonl, each line", schema: of::<items::Record<'_>> },
    Document { name: "report", version: Some("pstkit-report/2"), of: "check --json", schema: report },
    Document { name: "event", version: None, of: "check --jsonl, each line", schema: event },
    Document { name: "page", version: Some("pstkit-page/1"), of: "check or repair --report FILE.json", schema: of::<page_data::PageData> },
    Document { name: "repair", version: Some("pstkit-repair/2"), of: "repair --json", schema: of::<repair::Told<'_>> },
    Document { name: "undone", version: Some("pstkit-undone/1"), of: "undo --json", schema: of::<undo::Undone> },
    Document { name: "recovery", version: Some("pstkit-recovery/2"), of: "recover --json", schema: of::<recover::Told<'_>> },
    Document { name: "copy", version: Some("pstkit-copy/2"), of: "compact or convert --json", schema: of::<copy::Told> },
    Document { name: "created", version: Some("pstkit-created/1"), of: "create --json", schema: of::<create::Created> },
    Document { name: "export", version: Some("pstkit-export/1"), of: "export --json", schema: of::<export::Told<'_>> },
    Document {
        name: "manifest",
        version: Some("pstkit-manifest/1"),
        of: "export --manifest FILE.jsonl, each line",
        schema: of::<export_manifest::Record>,
    },
    Document { name: "rules", version: Some("pstkit-rules/1"), of: "explain --json", schema: of::<explain::Document<'_>> },
    Document { name: "view", version: Some("pstkit-show/1"), of: "show --json", schema: of::<show::Document<'_>> },
];

/// All items in one document: `pstkit-items/2`.
#[derive(Serialize, JsonSchema)]
struct Items {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The messages, in the order of node ids.
    items: Vec<items::Record<'static>>,
}

/// The schema of a type, as it is written.
fn of<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.contract = Contract::Serialize;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    close(&mut schema);
    schema
}

/// Objects have the fields that their schema lists, and no other.
fn close(schema: &mut Schema) {
    let mut closed = RecursiveTransform(|s: &mut Schema| {
        if s.get("properties").is_some() && s.get("additionalProperties").is_none() {
            s.insert("additionalProperties".to_owned(), json!(false));
        }
    });
    closed.transform(schema);
}

/// The document of a check: a report at its root, and one for each file.
fn report() -> Schema {
    let mut schema = of::<check::WithExit<'_>>();
    let own = schema.as_value().clone();
    let mut file = json_schema!({ "type": "object", "additionalProperties": false });
    for key in ["properties", "required"] {
        file.insert(key.to_owned(), own.get(key).cloned().unwrap_or_default());
    }
    without(&mut file, "schema");
    without(&mut file, "findings");
    schema.insert("title".to_owned(), json!("CheckDocument"));
    schema.insert("description".to_owned(), json!("What a check found, in all files and in each: `pstkit-report/2`."));
    if let Some(finding) = schema.pointer_mut("/$defs/Finding/properties").and_then(Value::as_object_mut) {
        finding.insert("file".to_owned(), json!({ "description": "Place of its file in `reports`.", "type": "integer", "minimum": 0 }));
    }
    let failed = json_schema!({
        "type": "object", "additionalProperties": false, "required": ["exit", "file", "message"],
        "properties": {
            "file": { "description": "The file.", "type": "string" },
            "message": { "description": "What stood in the way.", "type": "string" },
            "exit": { "description": "Exit status, as the bits that `pstkit --help` lists.", "type": "integer" }
        }
    });
    let more = [("reports", "One for each file, without its findings.", file), ("failed", "Files that could not be checked.", failed)];
    for (name, description, items) in more {
        if let Some(p) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            p.insert(name.to_owned(), json!({ "description": description, "type": "array", "items": items }));
        }
        if let Some(r) = schema.get_mut("required").and_then(Value::as_array_mut) {
            r.push(json!(name));
        }
    }
    schema
}

/// A line of a check: a finding, a file that could not be checked, or the report of a file without its findings.
fn event() -> Schema {
    let mut summary = of::<check::Event<'_, check::WithExit<'_>>>();
    without(&mut summary, "findings");
    let mut defs = serde_json::Map::new();
    let mut any = Vec::new();
    for part in [of::<check::Event<'_, Finding>>(), of::<check::Event<'_, check::Failed>>(), summary] {
        let mut part = part.to_value();
        if let Some(Value::Object(own)) = part.as_object_mut().and_then(|o| o.remove("$defs")) {
            defs.extend(own);
        }
        any.push(part);
    }
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "CheckEvent",
        "description": "A line of a check: a finding, a file that could not be checked, or the report of a file without its findings.",
        "anyOf": any, "$defs": defs
    })
}

/// Takes a field out of a schema.
fn without(schema: &mut Schema, field: &str) {
    if let Some(p) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        p.remove(field);
    }
    if let Some(r) = schema.get_mut("required").and_then(Value::as_array_mut) {
        r.retain(|k| k != field);
    }
}

pub(crate) fn run(ctx: &mut Context, args: &SchemaArgs) -> Outcome {
    match &args.name {
        None => {
            for d in DOCUMENTS {
                writeln!(ctx.out, "{:10} {}", d.name, d.of)?;
            }
        }
        Some(name) => {
            let Some(document) = DOCUMENTS.iter().find(|d| d.name == name) else {
                return Err(Failure::usage(format!("no document is called {name}: `pstkit schema` lists them")));
            };
            let mut text = serde_json::to_string_pretty(&document.write()).map_err(std::io::Error::from)?;
            text.push('\n');
            ctx.out.write_all(text.as_bytes())?;
        }
    }
    Ok(Status::DONE)
}
