//! `pstkit show` at the level of heaps, property contexts and tables.

use crate::args::ShowArgs;
use crate::view::View;
use pstkit::error::Error;
use pstkit::finding::Finding;
use pstkit::format::heap::{ClientSig, HnHeader};
use pstkit::format::ids::{Nid, PropTag};
use pstkit::format::tags;
use pstkit::ltp::latin1;
use pstkit::ltp::{Heap, PropValue, PropertyContext, TableContext};
use pstkit::ndb::Node;

/// A property's name: the canonical one, or what the named-property map says.
fn name(tag: PropTag) -> String {
    tags::name(tag).unwrap_or(if tag.is_named() { "(named)" } else { "" }).to_owned()
}

/// Bytes of a binary value that are shown.
const BINARY: usize = 48;

fn hex(bytes: &[u8]) -> String {
    let mut out: String = bytes.iter().take(BINARY).map(|b| format!("{b:02x}")).collect();
    if bytes.len() > BINARY {
        out.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    out
}

fn list<T>(values: &[T], one: impl Fn(&T) -> String) -> String {
    let mut out = values.iter().take(8).map(one).collect::<Vec<_>>().join("; ");
    if values.len() > 8 {
        out.push_str(&format!("; … ({} values)", values.len()));
    }
    format!("[{out}]")
}

/// A value as a person reads it.
pub(crate) fn value_text(value: &PropValue) -> String {
    match value {
        PropValue::Null => "null".to_owned(),
        PropValue::Integer16(n) => n.to_string(),
        PropValue::Integer32(n) => format!("{n} ({n:#x})"),
        PropValue::Floating32(n) => n.to_string(),
        PropValue::Floating64(n) | PropValue::FloatingTime(n) => n.to_string(),
        PropValue::Currency(n) | PropValue::Integer64(n) => n.to_string(),
        PropValue::ErrorCode(n) => format!("{n:#010x}"),
        PropValue::Boolean(b) => b.to_string(),
        PropValue::String(s) => format!("\"{s}\""),
        PropValue::Time(t) => t.to_string(),
        PropValue::Guid(g) => g.to_string(),
        PropValue::Binary(b) => hex(b),
        PropValue::Object(o) => format!("sub-node {}, {} bytes", o.nid, o.size),
        PropValue::MultiInteger16(v) => list(v, ToString::to_string),
        PropValue::MultiInteger32(v) => list(v, ToString::to_string),
        PropValue::MultiFloating32(v) => list(v, ToString::to_string),
        PropValue::MultiFloating64(v) | PropValue::MultiFloatingTime(v) => list(v, ToString::to_string),
        PropValue::MultiCurrency(v) | PropValue::MultiInteger64(v) => list(v, ToString::to_string),
        PropValue::MultiString(v) => list(v, |s| format!("\"{s}\"")),
        PropValue::MultiTime(v) => list(v, ToString::to_string),
        PropValue::MultiGuid(v) => list(v, ToString::to_string),
        PropValue::MultiBinary(v) => list(v, |b| hex(b)),
        PropValue::Unknown(t, b) => format!("{t:?}: {}", hex(b)),
        other => format!("{other:?}"),
    }
}

/// Adds the contents of the node's data, where it is a heap.
pub(crate) fn add(node: &Node<'_>, args: &ShowArgs, view: &mut View, found: &mut Vec<Finding>) -> Result<(), Error> {
    let first = node.data(&mut Vec::<Finding>::new())?.leaf(node.ndb, 0, &mut Vec::<Finding>::new())?;
    if HnHeader::peek(&first).is_none() {
        // Queues, index blocks and attachment data are no heaps; that is nothing wrong.
        return Ok(());
    }
    let Some(heap) = Heap::open(node, found)? else { return Ok(()) };
    let mut part = View::new(format!("heap: {}", heap.client()));
    part.field("bClientSig", format!("{:#04x}", heap.client().0), heap.client().name());
    part.field("hidUserRoot", heap.user_root(), "");
    part.field("blocks", heap.block_count(), "");
    let client = heap.client();
    if args.rows > 0 {
        let mut items: Vec<Vec<String>> = Vec::new();
        heap.for_each_item(found, &mut |hid, item| {
            items.push(vec![hid.to_string(), item.len().to_string()]);
            Ok(())
        })?;
        part.table("items", &["hid", "bytes"], items, args.rows);
    }
    view.parts.push(part);
    match client {
        ClientSig::PROPERTY => properties(node, args, view, found),
        ClientSig::TABLE | ClientSig::GUST => table(node, args, view, found),
        _ => Ok(()),
    }
}

/// Keeps what is not told yet: opening a context reports again what opening its heap has told.
fn tell(found: &mut Vec<Finding>, again: Vec<Finding>) {
    for f in again {
        if !found.contains(&f) {
            found.push(f);
        }
    }
}

fn table(node: &Node<'_>, args: &ShowArgs, view: &mut View, found: &mut Vec<Finding>) -> Result<(), Error> {
    let mut again: Vec<Finding> = Vec::new();
    let Some(table) = TableContext::open(node.clone(), &mut again)? else { return Ok(()) };
    let mut part = View::new("table");
    part.field("rows", table.row_count(), "");
    part.field("row size", table.info().row_size(), "bytes");
    let columns = table.columns().iter().map(|c| {
        vec![
            c.tag.to_string(),
            c.tag.prop_type().name().to_owned(),
            name(c.tag),
            c.offset.to_string(),
            c.size.to_string(),
            c.bit.to_string(),
        ]
    });
    part.table("columns", &["tag", "type", "name", "ibData", "cbData", "iBit"], columns, 1000);
    let mut shown = Vec::new();
    let mut rows = table.rows();
    while shown.len() < args.rows
        && let Some(row) = rows.next(&mut again)?
    {
        let mut view = View::new(format!("row {}: id {:#x}, version {:#x}", shown.len(), row.id(), row.version()));
        for column in table.columns().iter().filter(|c| row.has(c.tag.id())) {
            let text = match row.value_of(column, &latin1, &mut again) {
                Ok(Some(value)) => value_text(&value),
                Ok(None) => "missing".to_owned(),
                Err(e) => format!("not shown: {e}"),
            };
            view.field(&column.tag.to_string(), text, name(column.tag));
        }
        shown.push(view);
    }
    let left = u64::from(table.row_count()).saturating_sub(u64::try_from(shown.len()).unwrap_or(0));
    if left > 0 {
        part.field("not shown", left, "rows (--rows)");
    }
    tell(found, again);
    view.parts.push(part);
    view.parts.append(&mut shown);
    Ok(())
}

fn properties(node: &Node<'_>, args: &ShowArgs, view: &mut View, found: &mut Vec<Finding>) -> Result<(), Error> {
    let mut again: Vec<Finding> = Vec::new();
    let Some(pc) = PropertyContext::open(node.clone(), &mut again)? else { return Ok(()) };
    let mut rows = Vec::new();
    for record in pc.records() {
        let text = match pc.value_of(record, &latin1, &mut again) {
            Ok(Some(value)) => value_text(&value),
            Ok(None) => "missing".to_owned(),
            Err(e) => format!("not shown: {e}"),
        };
        rows.push(vec![record.tag.to_string(), record.tag.prop_type().name().to_owned(), name_in(node, record.tag), text]);
    }
    tell(found, again);
    let mut part = View::new("properties");
    part.table("properties", &["tag", "type", "name", "value"], rows, args.rows.max(1000));
    view.parts.push(part);
    Ok(())
}

/// In the named-property map itself, ids have another meaning than everywhere else.
fn name_in(node: &Node<'_>, tag: PropTag) -> String {
    let in_map = node.nid == Nid::NAME_TO_ID_MAP;
    if in_map && tag.id() >= 0x1000 { "hash bucket".to_owned() } else { name(tag) }
}
