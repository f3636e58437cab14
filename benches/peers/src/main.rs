//! Lists a file with the independent crate `outlook-pst`, as JSON Lines in the shape of `pstkit items --jsonl`
//! (`tests/peers/items.py` has the conventions), or times a full walk of it:
//!
//! ```text
//! pstkit-peers FILE
//! pstkit-peers --time [--runs N] FILE
//! ```
//!
//! Eight-bit strings that are not plain ASCII are left out: the crate does not decode them. It lists what the tables
//! of folders name, and gives no way to the attachments of an embedded message.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use outlook_pst::ltp::prop_context::PropertyValue;
use outlook_pst::ltp::table_context::TableContext;
use outlook_pst::messaging::attachment::{AnsiAttachment, Attachment, AttachmentData, UnicodeAttachment};
use outlook_pst::messaging::folder::Folder;
use outlook_pst::messaging::message::{AnsiMessage, Message, UnicodeMessage};
use outlook_pst::messaging::store::{AnsiStore, Store, UnicodeStore};
use outlook_pst::ndb::node_id::NodeId;
use outlook_pst::{AnsiPstFile, UnicodePstFile};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Folders deeper than this are not followed: the peer may be given damaged files.
const MAX_DEPTH: usize = 64;
const ROOT_FOLDER: u32 = 0x122;

/// What the walk hands out; the listing prints it, the timing counts it.
trait Sink {
    fn folder(&mut self, nid: u32, path: &str);
    fn message(&mut self, nid: u32, path: &str, message: &dyn Message, attachments: Vec<Option<Rc<dyn Attachment>>>);
    fn error(&mut self, place: &str, error: &dyn std::fmt::Display);
}

fn hex_digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn body(data: &[u8]) -> Value {
    let end = data.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let trimmed = &data[..end];
    let with_nul = [trimmed, b"\0"].concat();
    let variants = [data, trimmed, &with_nul].map(hex_digest);
    json!({ "length": data.len(), "sha256": hex_digest(data), "variants": variants })
}

/// `None`: there is a value, but the crate does not say what it means.
fn text(value: Option<&PropertyValue>) -> Option<Value> {
    match value {
        None => Some(Value::Null),
        Some(PropertyValue::Unicode(text)) => Some(json!(String::from_utf16_lossy(text.buffer()))),
        Some(PropertyValue::String8(text)) if text.buffer().is_ascii() => Some(json!(text.to_string())),
        Some(_) => None,
    }
}

fn subject(value: Value) -> Value {
    let shown = value.as_str().map(|text| match text.strip_prefix('\u{1}') {
        Some(rest) => rest.chars().skip(1).collect(),
        None => text.to_owned(),
    });
    shown.map_or(Value::Null, Value::from)
}

fn number(value: Option<&PropertyValue>) -> Value {
    match value {
        Some(PropertyValue::Integer32(number)) => json!(number),
        _ => Value::Null,
    }
}

struct Listing<W: Write>(W);

impl<W: Write> Listing<W> {
    fn line(&mut self, value: Value) {
        let _ = writeln!(self.0, "{value}");
    }
}

fn attachment_item(attachment: &dyn Attachment) -> Value {
    let properties = attachment.properties();
    let names: Vec<_> =
        [0x3707, 0x3704, 0x3001].into_iter().filter_map(|tag| text(properties.get(tag))).filter(|name| !name.is_null()).collect();
    let mut item = json!({ "method": number(properties.get(0x3705)), "names": names });
    match attachment.data() {
        Some(AttachmentData::Binary(data)) => {
            item["size"] = json!(data.buffer().len());
            item["sha256"] = json!(hex_digest(data.buffer()));
        }
        Some(AttachmentData::Message(inner)) => item["embedded"] = message_item(inner.as_ref()),
        None => item["sha256"] = Value::Null,
    }
    item
}

fn message_item(message: &dyn Message) -> Value {
    let properties = message.properties();
    let mut item = Map::new();
    for (key, tag) in [("class", 0x001A), ("subject", 0x0037)] {
        if let Some(value) = text(properties.get(tag)) {
            item.insert(key.into(), if tag == 0x0037 { subject(value) } else { value });
        }
    }
    if let Some(name) = text(properties.get(0x0C1A)) {
        item.insert("from".into(), json!({ "name": name }));
    }
    item.insert("flags".into(), number(properties.get(0x0E07)));
    let mut bodies = Map::new();
    if let Some(plain) = text(properties.get(0x1000)) {
        bodies.insert("text".into(), plain.as_str().map_or(Value::Null, |plain| body(plain.as_bytes())));
    }
    match properties.get(0x1013) {
        None => drop(bodies.insert("html".into(), Value::Null)),
        Some(PropertyValue::Binary(html)) => drop(bodies.insert("html".into(), body(html.buffer()))),
        Some(_) => (),
    }
    item.insert("bodies".into(), Value::Object(bodies));
    Value::Object(item)
}

impl<W: Write> Sink for Listing<W> {
    fn folder(&mut self, nid: u32, path: &str) {
        self.line(json!({ "kind": "folder", "nid": nid, "folder": path }));
    }

    fn message(&mut self, nid: u32, path: &str, message: &dyn Message, attachments: Vec<Option<Rc<dyn Attachment>>>) {
        let mut item = message_item(message);
        item["kind"] = json!(if nid & 0x1F == 8 { "associated" } else { "message" });
        item["nid"] = json!(nid);
        item["folder"] = json!(path);
        item["attachments"] =
            attachments.iter().map(|one| one.as_ref().map_or_else(|| json!({}), |one| attachment_item(one.as_ref()))).collect();
        self.line(item);
    }

    fn error(&mut self, place: &str, error: &dyn std::fmt::Display) {
        self.line(json!({ "kind": "error", "text": format!("{place}: {error}") }));
    }
}

#[derive(Default)]
struct Totals {
    folders: u64,
    messages: u64,
    attachments: u64,
    attachment_bytes: usize,
    errors: u64,
}

impl Sink for Totals {
    fn folder(&mut self, _: u32, _: &str) {
        self.folders += 1;
    }

    fn message(&mut self, _: u32, _: &str, _: &dyn Message, attachments: Vec<Option<Rc<dyn Attachment>>>) {
        self.messages += 1;
        for attachment in attachments {
            self.attachments += 1;
            if let Some(AttachmentData::Binary(data)) = attachment.as_ref().and_then(|one| one.data()) {
                self.attachment_bytes += data.buffer().len();
            }
        }
    }

    fn error(&mut self, _: &str, _: &dyn std::fmt::Display) {
        self.errors += 1;
    }
}

fn row_nids(table: Option<&Rc<dyn TableContext>>) -> Vec<u32> {
    table.map_or_else(Vec::new, |table| table.rows_matrix().map(|row| u32::from(row.id())).collect())
}

/// The crate's ANSI and Unicode readers are different types without a common way to attachments.
macro_rules! walker {
    ($name:ident, $file:ty, $store:ty, $message:ty, $attachment:ty) => {
        fn $name(path: &Path, sink: &mut dyn Sink) -> io::Result<()> {
            let store = <$store>::read(Rc::new(<$file>::open(path)?))?;
            let mut pending = vec![(ROOT_FOLDER, String::new(), 0)];
            while let Some((nid, path, depth)) = pending.pop() {
                let entry_id = store.properties().make_entry_id(NodeId::from(nid))?;
                let folder: Rc<dyn Folder> = match store.open_folder(&entry_id) {
                    Ok(folder) => folder,
                    Err(error) => {
                        sink.error(&path, &error);
                        continue;
                    }
                };
                let path = match folder.properties().display_name() {
                    _ if depth == 0 => path,
                    Ok(name) => format!("{path}/{name}"),
                    Err(_) => format!("{path}/"),
                };
                sink.folder(nid, &path);
                let contents = row_nids(folder.contents_table());
                for nid in contents.into_iter().chain(row_nids(folder.associated_table())) {
                    let entry_id = store.properties().make_entry_id(NodeId::from(nid))?;
                    let message = match <$message>::read(store.clone(), &entry_id, None) {
                        Ok(message) => message,
                        Err(error) => {
                            sink.error(&format!("{path}: {nid:#x}"), &error);
                            continue;
                        }
                    };
                    let mut attachments = Vec::new();
                    for local in row_nids(message.attachment_table()) {
                        match <$attachment>::read(message.clone(), NodeId::from(local), None) {
                            Ok(attachment) => attachments.push(Some(attachment as Rc<dyn Attachment>)),
                            Err(error) => {
                                sink.error(&format!("{path}: {nid:#x}: {local:#x}"), &error);
                                attachments.push(None);
                            }
                        }
                    }
                    sink.message(nid, &path, message.as_ref(), attachments);
                }
                if depth < MAX_DEPTH {
                    pending.extend(row_nids(folder.hierarchy_table()).into_iter().map(|nid| (nid, path.clone(), depth + 1)));
                }
            }
            Ok(())
        }
    };
}

walker!(walk_unicode, UnicodePstFile, UnicodeStore, UnicodeMessage, UnicodeAttachment);
walker!(walk_ansi, AnsiPstFile, AnsiStore, AnsiMessage, AnsiAttachment);

/// wVer below 20: ANSI ([MS-PST] 2.2.2.6).
fn is_ansi(path: &Path) -> io::Result<bool> {
    let mut start = [0; 12];
    io::Read::read_exact(&mut std::fs::File::open(path)?, &mut start)?;
    Ok(u16::from_le_bytes([start[10], start[11]]) < 20)
}

fn walk(path: &Path, sink: &mut dyn Sink) -> io::Result<()> {
    if is_ansi(path)? { walk_ansi(path, sink) } else { walk_unicode(path, sink) }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (runs, file) = match arguments[..] {
        [file] => (None, file),
        ["--time", file] => (Some(1), file),
        ["--time", "--runs", runs, file] => (runs.parse().ok(), file),
        _ => {
            eprintln!("usage: pstkit-peers [--time [--runs N]] FILE");
            std::process::exit(16);
        }
    };
    let Some(runs) = runs else {
        return walk(Path::new(file), &mut Listing(io::stdout().lock()));
    };
    for _ in 0..runs {
        let start = Instant::now();
        let mut totals = Totals::default();
        walk(Path::new(file), &mut totals)?;
        println!(
            "{:.3} s: {} folders, {} messages, {} attachments of {} bytes, {} errors",
            start.elapsed().as_secs_f64(),
            totals.folders,
            totals.messages,
            totals.attachments,
            totals.attachment_bytes,
            totals.errors
        );
    }
    Ok(())
}
