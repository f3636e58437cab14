//! Values that outlive the objects that named them: where an object's properties are damaged, its large values may still be whole in sub-nodes of
//! their own. A value that tells its kind goes back to its place; an attachment's only large value is its data.

use super::{Copier, Trouble};
use crate::error::Result;
use crate::finding::Ignore;
use crate::format::bytes::{le16, le32};
use crate::format::ids::{Nid, NidType, PropTag};
use crate::format::tags;
use crate::ltp::TableContext;
use crate::ltp::value::{ValueSource, string_type};
use crate::messaging::rtf;
use crate::ndb::Node;
use crate::write::Props;
use std::collections::HashSet;

/// How much of a value is looked at.
const HEAD: usize = 2048;
/// Sub-nodes of no known place that are looked into: of a message that is whole there are few.
const STRANGE: usize = 16;

impl Copier<'_, '_> {
    /// Gives a message the bodies that its damaged properties do not name any more.
    pub(super) fn adopt_bodies(&mut self, node: &Node<'_>, named: &[Nid], props: &mut Props, trouble: &mut Trouble) -> Result<()> {
        let text = string_type(self.pst.layout());
        for sub in strays(node, named) {
            let Ok(tree) = sub.data(&mut Ignore) else { continue };
            let head = tree.leaf(sub.ndb, 0, &mut Ignore).unwrap_or_default();
            let tag = match kind_of(head.get(..HEAD).unwrap_or(&head), tree.len(), self.pst.layout().is_ansi()) {
                Some(tag) if tag == tags::BODY || tag == tags::TRANSPORT_MESSAGE_HEADERS => tag.with_type(text),
                Some(tag) => tag,
                None => continue,
            };
            if props.has(tag.id()) {
                continue;
            }
            let mut found = Props::new();
            if let Some(data) = self.read_value(tag, ValueSource::Node(sub.ndb, tree), trouble)? {
                found.put(tag, data);
            }
            self.fit_props(&mut found, self.code_page);
            for (tag, data) in found.iter() {
                props.put(tag, data.clone());
            }
        }
        Ok(())
    }

    /// Gives an attachment the data that its damaged properties do not name any more; answers whether there is any.
    pub(super) fn adopt_data(&mut self, node: &Node<'_>, named: &[Nid], props: &mut Props, trouble: &mut Trouble) -> Result<bool> {
        let trees = strays(node, named).into_iter().filter_map(|sub| Some((sub.ndb, sub.data(&mut Ignore).ok()?)));
        let Some((ndb, tree)) = trees.max_by_key(|(_, tree)| tree.len()).filter(|(_, tree)| !tree.is_empty()) else { return Ok(false) };
        let tag = tags::ATTACH_DATA_BINARY;
        let data = self.read_value(tag, ValueSource::Node(ndb, tree), trouble)?;
        Ok(data.map(|data| props.put(tag, data)).is_some())
    }
}

/// A message's recipients, where the id of their table is damaged: the sub-node that holds a table of these.
pub(super) fn recipients_in(node: &Node<'_>, named: &[Nid]) -> Option<Nid> {
    let tree = node.subnodes(&mut Ignore).ok()?;
    let named: HashSet<Nid> = named.iter().copied().collect();
    let is_strange = |nid: &Nid| !matches!(nid.nid_type(), NidType::ATTACHMENT | NidType::LTP) && !named.contains(nid);
    let has_recipients = |nid: &Nid| {
        let table = node.subnode(*nid, &mut Ignore).ok().flatten().and_then(|sub| TableContext::open(sub, &mut Ignore).ok().flatten());
        table.is_some_and(|t| t.column(tags::RECIPIENT_TYPE.id()).is_some())
    };
    tree.iter().map(|e| e.nid).filter(is_strange).take(STRANGE).find(has_recipients)
}

/// The sub-nodes that hold a value and that nothing names.
fn strays<'n>(node: &Node<'n>, named: &[Nid]) -> Vec<Node<'n>> {
    let Ok(tree) = node.subnodes(&mut Ignore) else { return Vec::new() };
    let named: HashSet<Nid> = named.iter().copied().collect();
    let ids = tree.iter().map(|e| e.nid).filter(|nid| nid.nid_type() == NidType::LTP && !named.contains(nid));
    ids.filter_map(|nid| node.subnode(nid, &mut Ignore).ok().flatten()).collect()
}

/// Which of a message's large values begins like this, if that can be told.
fn kind_of(head: &[u8], len: u64, ansi: bool) -> Option<PropTag> {
    if matches!(le32(head, 8), rtf::COMPRESSED | rtf::UNCOMPRESSED) && u64::from(le32(head, 0)).checked_add(4) == Some(len) {
        return Some(tags::RTF_COMPRESSED);
    }
    let is_text = |c: u16| c >= 0x20 || matches!(c, 9 | 10 | 13);
    let bytes: String = head.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    if bytes.trim_start_matches(['\u{ef}', '\u{bb}', '\u{bf}', ' ', '\r', '\n', '\t']).starts_with('<')
        && ["<html", "<!doctype html", "<head", "<body"].iter().any(|mark| bytes.contains(mark))
    {
        return Some(tags::HTML);
    }
    let units: Vec<u16> = match ansi {
        true => head.iter().map(|b| u16::from(*b)).collect(),
        false if len.is_multiple_of(2) => head.chunks_exact(2).map(|c| le16(c, 0)).collect(),
        false => return None,
    };
    // Text of any script stays within few of its blocks; bytes of something else are spread over all.
    let blocks: std::collections::BTreeSet<u16> = units.iter().map(|c| c >> 8).filter(|b| *b != 0).collect();
    let cjk = |b: &u16| (0x2E..=0xD7).contains(b) || *b >= 0xF9;
    if units.len() < 4 || !units.iter().all(|c| is_text(*c)) || blocks.iter().filter(|b| !cjk(b)).count() > 6 {
        return None;
    }
    let few_ascii = units.iter().filter(|c| **c < 0x80).count() < units.len() / 16;
    if !ansi && few_ascii && !units.iter().any(|c| matches!(c, 0x20 | 10 | 13 | 0x3000..=0x30FF)) {
        return None;
    }
    let start: String = units.iter().take(32).filter_map(|c| char::from_u32((*c).into())).collect();
    let headers = ["Received:", "Return-Path:", "Delivered-To:", "Microsoft Mail Internet Headers", "X-", "MIME-Version:"];
    Some(if headers.iter().any(|h| start.starts_with(h)) { tags::TRANSPORT_MESSAGE_HEADERS } else { tags::BODY })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltp::value::encode_utf16;

    fn told(bytes: &[u8], ansi: bool) -> Option<PropTag> {
        kind_of(bytes, bytes.len() as u64, ansi)
    }

    #[test]
    fn bodies_say_what_they_are() {
        assert_eq!(told(&rtf::compress(b"{\\rtf1 a}"), false), Some(tags::RTF_COMPRESSED));
        assert_eq!(told(b"\r\n<HTML><body>x", false), Some(tags::HTML));
        assert_eq!(told(&encode_utf16("Dear all,\r\nthe minutes"), false), Some(tags::BODY));
        assert_eq!(told(&encode_utf16("Привет, мир! Как дела?"), false), Some(tags::BODY));
        assert_eq!(told(&encode_utf16("こんにちは、世界。ありがとう"), false), Some(tags::BODY));
        assert_eq!(told(&encode_utf16("Received: from a by b"), false), Some(tags::TRANSPORT_MESSAGE_HEADERS));
        assert_eq!(told(b"plain 8-bit text", true), Some(tags::BODY));
    }

    #[test]
    fn anything_else_is_left_alone() {
        let mut noise = vec![0u8; 512];
        let mut state = 7u32;
        for b in &mut noise {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            *b = (state >> 16) as u8;
        }
        for bytes in [&noise[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\x14\0\x06\0", b"", b"\0\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(told(bytes, false), None, "{:?}", bytes.get(..4));
        }
    }
}
