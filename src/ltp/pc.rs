//! The property context: the properties of an object ([MS-PST] 2.3.3).

use super::bth::Bth;
use super::heap::{Heap, Usage};
use super::stream::ValueReader;
use super::value::{Decode8, Lookup, PropValue, ValueSource, is_sound, verify_len};
use crate::error::Result;
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{put32, wide};
use crate::format::context::{ObjectValue, PC_ENTRY, PC_KEY, PC_RECORD, PcRecord};
use crate::format::heap::{BTH_HEADER, BthHeader, ClientSig};
use crate::format::ids::{Hid, HnidKind, Nid, PropTag, PropType};
use crate::ltp::Depth;
use crate::ndb::Node;
use crate::rules;
use std::borrow::Cow;

const VALUE_RULES: (&rules::Rule, &rules::Rule) = (&rules::HID_RANGE, &rules::HNID_INVALID);

/// The properties of an object, sorted by id. Owns its node: [`node`](Self::node) gives it for sub-nodes.
///
/// ```no_run
/// # fn f(ndb: &pstkit::ndb::Ndb) -> pstkit::error::Result<()> {
/// use pstkit::finding::Strict;
/// use pstkit::format::{ids::Nid, tags};
/// use pstkit::ltp::{PropertyContext, latin1};
///
/// let node = ndb.node(Nid::MESSAGE_STORE).expect("a store");
/// if let Some(store) = PropertyContext::open(node, &mut Strict)? {
///     println!("{:?}", store.string(tags::DISPLAY_NAME.id(), &latin1, &mut Strict)?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PropertyContext<'n> {
    node: Option<Node<'n>>,
    heap: Heap<'n>,
    header: BthHeader,
    header_hid: Hid,
    records: Vec<PcRecord>,
}

impl<'n> PropertyContext<'n> {
    /// Opens the property context of a node; `None` where there is none.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open(node: Node<'n>, sink: &mut dyn Sink) -> Result<Option<Self>> {
        match Heap::open(&node, sink)? {
            Some(heap) => Self::on(heap, Some(node), sink),
            None => Ok(None),
        }
    }

    /// Opens the property context on a heap; values in sub-nodes are looked up in `node`.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn on(heap: Heap<'n>, node: Option<Node<'n>>, sink: &mut dyn Sink) -> Result<Option<Self>> {
        let at = heap.at();
        if heap.client() != ClientSig::PROPERTY {
            let finding = Finding::new(&rules::HN_CLIENT, at).hex(heap.client().0.into(), ClientSig::PROPERTY.0.into());
            sink.report(finding.loss(Loss::Item))?;
        }
        let Some((header_hid, header)) = Self::find_header(&heap, sink)? else { return Ok(None) };
        let mut records = Vec::new();
        let mut leaves = Bth::with_header(&heap, header).leaves();
        while let Some(leaf) = leaves.next(sink)? {
            records.reserve(leaf.len() / PC_RECORD);
            records.extend(leaf.chunks_exact(PC_RECORD).map(PcRecord::decode));
        }
        if !leaves.is_ordered() {
            records.sort_by_key(|r| r.tag.id());
            records.dedup_by_key(|r| r.tag.id());
        }
        drop(leaves);
        Ok(Some(Self { node, heap, header, header_hid, records }))
    }

    /// The header of the tree: at the heap's root, or, where that is damaged, wherever an item looks like it.
    fn find_header(heap: &Heap<'n>, sink: &mut dyn Sink) -> Result<Option<(Hid, BthHeader)>> {
        let right = |bytes: &[u8]| BthHeader::peek(bytes).filter(|h| (h.key, h.entry) == (PC_KEY, PC_ENTRY) && bytes.len() == BTH_HEADER);
        let hid = heap.user_root();
        if let Some(header) = heap.find(hid, sink)?.as_deref().and_then(right) {
            return Ok(Some((hid, header)));
        }
        sink.report(Finding::new(&rules::HN_USER_ROOT, heap.at().with_hid(hid)).loss(Loss::Item))?;
        let mut found = None;
        heap.for_each_item(&mut Ignore, &mut |hid, item| {
            found = found.or_else(|| right(item).map(|header| (hid, header)));
            Ok(())
        })?;
        Ok(found)
    }

    /// The node, if it was opened from one.
    pub const fn node(&self) -> Option<&Node<'n>> {
        self.node.as_ref()
    }

    /// The heap.
    pub const fn heap(&self) -> &Heap<'n> {
        &self.heap
    }

    /// Where the properties are.
    pub const fn at(&self) -> Location {
        self.heap.at()
    }

    /// The records, sorted by property id.
    pub fn records(&self) -> &[PcRecord] {
        &self.records
    }

    /// The tags of all properties, sorted.
    pub fn tags(&self) -> impl Iterator<Item = PropTag> {
        self.records.iter().map(|r| r.tag)
    }

    /// The record of a property, whatever its type.
    #[inline]
    pub fn get(&self, id: u16) -> Option<&PcRecord> {
        self.records.binary_search_by_key(&id, |r| r.tag.id()).ok().and_then(|i| self.records.get(i))
    }

    /// Whether there is a property of this id, whatever its type.
    pub fn has(&self, id: u16) -> bool {
        self.get(id).is_some()
    }

    /// The bytes of a value on the heap that is in memory.
    #[inline]
    pub(crate) fn at_hand(&self, record: &PcRecord) -> Option<&[u8]> {
        self.lookup().at_hand(record.hnid())
    }

    const fn lookup(&self) -> Lookup<'_, 'n> {
        Lookup { heap: &self.heap, node: self.node.as_ref() }
    }

    /// Where a property's value is; `None` where it is missing, which is reported.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn source(&self, record: &PcRecord, sink: &mut dyn Sink) -> Result<Option<ValueSource<'_, 'n>>> {
        let prop_type = record.tag.prop_type();
        let at = self.at().with_tag(record.tag);
        match prop_type {
            t if t.is_inline() || !t.is_known() => {
                let size = t.fixed_size().unwrap_or(if t == PropType::NULL { 0 } else { 4 });
                let bytes = record.value.to_le_bytes();
                Ok(Some(ValueSource::inline(bytes.get(..size).unwrap_or_default())))
            }
            PropType::OBJECT => {
                // some writers put the sub-node's id in place of the item that holds it
                if let HnidKind::Node(nid) = record.hnid().kind() {
                    sink.report(Finding::new(&rules::OBJECT_DIRECT, at))?;
                    let mut bytes = [0; 8];
                    put32(&mut bytes, 0, nid.0);
                    return Ok(Some(ValueSource::inline(&bytes)));
                }
                self.lookup().find(record.hnid(), VALUE_RULES, at, sink)
            }
            _ => self.lookup().find(record.hnid(), VALUE_RULES, at, sink),
        }
    }

    /// A property's value, whatever its type; `None` where there is no such property, or its value is missing or has more bytes than
    /// [`value_bytes`](crate::limits::Limits::value_bytes) (which is reported).
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn value(&self, id: u16, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<PropValue>> {
        match self.get(id) {
            Some(record) => self.value_of(record, decode8, sink),
            None => Ok(None),
        }
    }

    /// The value of a record.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_of(&self, record: &PcRecord, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<PropValue>> {
        let prop_type = record.tag.prop_type();
        if !prop_type.is_inline()
            && prop_type.is_known()
            && let Some(bytes) = self.at_hand(record).filter(|b| wide(b.len()) <= self.lookup().value_limit())
        {
            return PropValue::decode(prop_type, bytes, decode8, self.at().with_tag(record.tag), sink);
        }
        let Some(source) = self.source(record, sink)? else { return Ok(None) };
        let at = self.at().with_tag(record.tag);
        match self.lookup().bytes(&source, at, sink)? {
            Some(bytes) => PropValue::decode(prop_type, &bytes, decode8, at, sink),
            None => Ok(None),
        }
    }

    /// The text of a property, if it is a string.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn string(&self, id: u16, decode8: Decode8<'_>, sink: &mut dyn Sink) -> Result<Option<String>> {
        match self.typed(id, |t| matches!(t, PropType::STRING | PropType::STRING8)) {
            Some(record) => Ok(match self.value_of(record, decode8, sink)? {
                Some(PropValue::String(text)) => Some(text),
                _ => None,
            }),
            None => Ok(None),
        }
    }

    /// The bytes of a property, if it is binary.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn binary(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<Vec<u8>>> {
        match self.typed(id, |t| t == PropType::BINARY) {
            Some(record) => match self.source(record, sink)? {
                Some(source) => Ok(self.lookup().bytes(&source, self.at().with_tag(record.tag), sink)?.map(Cow::into_owned)),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// A 16- or 32-bit integer. Needs no heap.
    pub fn int(&self, id: u16) -> Option<i32> {
        let record = self.typed(id, |t| matches!(t, PropType::INTEGER32 | PropType::INTEGER16 | PropType::ERROR_CODE))?;
        let value = i32::from_le_bytes(record.value.to_le_bytes());
        // sign-extends the low half
        Some(if record.tag.prop_type() == PropType::INTEGER16 { value.wrapping_shl(16) >> 16 } else { value })
    }

    /// A boolean. Only the low byte counts: the others hold junk in real files.
    pub fn bool(&self, id: u16) -> Option<bool> {
        self.typed(id, |t| t == PropType::BOOLEAN).map(|r| r.value & 0xFF != 0)
    }

    fn typed(&self, id: u16, fits: impl Fn(PropType) -> bool) -> Option<&PcRecord> {
        self.get(id).filter(|r| fits(r.tag.prop_type()))
    }

    /// A property's bytes as a stream: for values of any size. `None` as in [`value`](Self::value).
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open_value(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<ValueReader<'n>>> {
        match self.get(id) {
            Some(record) => Ok(self.source(record, sink)?.map(ValueSource::reader)),
            None => Ok(None),
        }
    }

    /// The sub-node and size that an object property names.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn object(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<ObjectValue>> {
        let Some(record) = self.typed(id, |t| t == PropType::OBJECT) else { return Ok(None) };
        let Some(source) = self.source(record, sink)? else { return Ok(None) };
        let object = match source.len() {
            8.. => match self.lookup().bytes(&source, self.at().with_tag(record.tag), sink)? {
                Some(bytes) => ObjectValue::decode(&bytes),
                None => return Ok(None),
            },
            _ => None,
        };
        if object.is_none() {
            self.report_object(record, sink)?;
        }
        Ok(object)
    }

    /// The sub-node that an object property names; one that is missing is reported.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn object_node(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<Node<'n>>> {
        let Some(object) = self.object(id, sink)? else { return Ok(None) };
        let found = self.subnode(object.nid, sink)?;
        if let (None, Some(record)) = (&found, self.get(id)) {
            self.report_object(record, sink)?;
        }
        Ok(found)
    }

    /// The data of the sub-node that an object property names, as a stream.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn open_object(&self, id: u16, sink: &mut dyn Sink) -> Result<Option<ValueReader<'n>>> {
        match self.object_node(id, sink)? {
            Some(node) => Ok(Some(ValueSource::Node(node.ndb, node.data(sink)?).reader())),
            None => Ok(None),
        }
    }

    fn report_object(&self, record: &PcRecord, sink: &mut dyn Sink) -> Result<()> {
        sink.report(Finding::new(&rules::OBJECT_VALUE, self.at().with_tag(record.tag)).loss(Loss::Partial))
    }

    /// A sub-node of the object's node.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn subnode(&self, nid: Nid, sink: &mut dyn Sink) -> Result<Option<Node<'n>>> {
        match &self.node {
            Some(node) => node.subnode(nid, sink),
            None => Ok(None),
        }
    }

    /// Verifies the rest, which opening has not: every value is there and fits its type, every heap item is referred to once, all blocks of the
    /// heap. Values in sub-nodes are read only for [`Depth::Values`].
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn verify(&self, depth: Depth, sink: &mut dyn Sink) -> Result<()> {
        let mut used = Usage::default();
        for record in &self.records {
            let prop_type = record.tag.prop_type();
            if prop_type.is_inline() {
                continue;
            }
            if let HnidKind::Heap(hid) = record.hnid().kind()
                && let Some(bytes) = self.heap.at_hand(hid)
                && !bytes.is_empty()
                && is_sound(prop_type, bytes)
            {
                used.add(hid);
                continue;
            }
            let at = self.at().with_tag(record.tag);
            if !prop_type.is_known() || prop_type == PropType::UNSPECIFIED {
                sink.report(Finding::new(&rules::PROP_TYPE, at).stored(prop_type.0.into()))?;
                // the target is unknown, so its item is not to be called leaked
                used.add(Hid(record.value));
                continue;
            }
            if let HnidKind::Heap(hid) = record.hnid().kind() {
                used.add(hid);
            }
            if prop_type == PropType::OBJECT {
                self.object_node(record.tag.id(), sink)?;
                if let HnidKind::Heap(_) = record.hnid().kind()
                    && let Some(len) = self.source(record, &mut Ignore)?.map(|s| s.len()).filter(|len| *len > 8)
                {
                    sink.report(Finding::new(&rules::VALUE_SIZE, at).numbers(len, 8).severity(rules::Severity::Warning))?;
                }
                continue;
            }
            let Some(source) = self.source(record, sink)? else { continue };
            if source.is_empty() {
                if record.value != 0 {
                    sink.report(Finding::new(&rules::HN_ITEM_EMPTY, at).hex(record.value.into(), 0))?;
                }
                verify_len(prop_type, 0, at, sink)?;
                continue;
            }
            self.lookup().verify(prop_type, &source, depth == Depth::Values, at, sink)?;
        }
        used.add(self.header_hid);
        if self.header.levels == 0 {
            used.add(self.header.root);
        } else {
            let mut leaves = Bth::with_header(&self.heap, self.header).leaves();
            while leaves.next(&mut Ignore)?.is_some() {}
            used.extend(leaves.into_items());
        }
        self.heap.verify_all(sink)?;
        self.heap.verify_usage(used, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{self, HeapBuilder};
    use super::super::value::latin1;
    use super::*;
    use crate::finding::Strict;
    use crate::format::layout::{Layout, UNICODE};
    use crate::format::tags;
    use proptest::prelude::*;

    /// A property context of these values; the heap holds the ones that the records do not.
    fn context(layout: &'static Layout, values: &[(u16, PropValue)]) -> Vec<Vec<u8>> {
        let mut heap = HeapBuilder::new(layout, ClientSig::PROPERTY);
        let mut records = Vec::new();
        for (id, value) in values {
            let bytes = value.encode();
            let tag = PropTag::new(*id, value.prop_type());
            let value = if tag.prop_type().is_inline() {
                let mut inline = [0; 4];
                inline[..bytes.len()].copy_from_slice(&bytes);
                u32::from_le_bytes(inline)
            } else if bytes.is_empty() {
                0
            } else {
                heap.alloc(&bytes).unwrap().0
            };
            records.extend(PcRecord { tag, value }.encode());
        }
        let root = build::bth(&mut heap, PC_KEY, PC_ENTRY, &records).unwrap();
        heap.finish(root).unwrap()
    }

    fn open(layout: &'static Layout, blocks: Vec<Vec<u8>>, sink: &mut dyn Sink) -> Option<PropertyContext<'static>> {
        let heap = Heap::from_blocks(layout, blocks, Location::NONE, sink).unwrap()?;
        PropertyContext::on(heap, None, sink).unwrap()
    }

    fn some_values(n: u16) -> Vec<(u16, PropValue)> {
        (1..=n)
            .map(|i| {
                let value = match i % 7 {
                    0 => PropValue::Integer32(i32::from(i)),
                    1 => PropValue::String(format!("value {i}")),
                    2 => PropValue::Boolean(true),
                    3 => PropValue::Integer64(-5),
                    4 => PropValue::Binary(vec![1; usize::from(i)]),
                    5 => PropValue::MultiString(vec!["a".into(), "b".into()]),
                    _ => PropValue::Integer16(-2),
                };
                (i * 3, value)
            })
            .collect()
    }

    #[test]
    fn values_outlive_their_heaps_header() {
        for layout in Layout::all() {
            let values = some_values(40);
            for damaged in [0..12, 2..3, 0..2, 4..8] {
                let mut blocks = context(layout, &values);
                blocks[0][damaged.clone()].fill(0x47);
                let mut findings = Vec::new();
                let pc = open(layout, blocks, &mut findings).expect("the page map and the items are whole");
                assert!(findings.iter().any(|f| f.severity >= rules::Severity::Error), "{damaged:?}");
                for (id, value) in &values {
                    assert_eq!(pc.value(*id, &latin1, &mut Strict).unwrap().as_ref(), Some(value), "{damaged:?}");
                }
            }
        }
    }

    /// The same with the header and the records before the values, as Outlook has them.
    fn context_of_outlook(layout: &'static Layout, values: &[(u16, PropValue)]) -> Vec<Vec<u8>> {
        let (mut heap, mut records) = (HeapBuilder::new(layout, ClientSig::PROPERTY), Vec::new());
        let root = heap.alloc(&[0; BTH_HEADER]).unwrap();
        let leaf = heap.alloc(&vec![0; values.len() * PC_RECORD]).unwrap();
        for (id, value) in values {
            let (tag, bytes) = (PropTag::new(*id, value.prop_type()), value.encode());
            let inline = || bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b));
            let value = if tag.prop_type().is_inline() { inline() } else { heap.alloc(&bytes).unwrap().0 };
            records.extend(PcRecord { tag, value }.encode());
        }
        heap.set(root, &BthHeader { key: PC_KEY, entry: PC_ENTRY, levels: 0, root: leaf }.encode());
        heap.set(leaf, &records);
        heap.finish(root).unwrap()
    }

    #[test]
    fn values_outlive_their_heaps_page_map() {
        for layout in Layout::all() {
            let values = &some_values(40)[1..];
            let whole = context_of_outlook(layout, values);
            let map_at = usize::from(crate::format::bytes::le16(&whole[0], 0));
            // all of it, its front, its counts
            for (end, least) in [(whole[0].len(), 16), (map_at + 20, 30), (map_at + 4, 39)] {
                for fill in [0, 0x47, 0xFF] {
                    let mut blocks = whole.clone();
                    blocks[0][map_at..end].fill(fill);
                    let mut findings = Vec::new();
                    let pc = open(layout, blocks, &mut findings).expect("the properties stand before their values");
                    assert!(findings.iter().any(|f| f.severity >= rules::Severity::Error), "{end} {fill}");
                    let found: Vec<_> =
                        values.iter().filter_map(|(id, v)| Some((v, pc.value(*id, &latin1, &mut Ignore).unwrap()?))).collect();
                    assert!(found.iter().all(|(v, found)| *v == found), "{end} {fill}: {found:?}");
                    assert!(found.len() >= least, "{end} {fill}: {}", found.len());
                }
            }
        }
    }

    #[test]
    fn all_values_come_back() {
        for layout in Layout::all() {
            for n in [0, 1, 60, 1500] {
                let values = some_values(n);
                let pc = open(layout, context(layout, &values), &mut Strict).unwrap();
                assert_eq!(pc.records().len(), values.len());
                for (id, value) in &values {
                    assert_eq!(pc.value(*id, &latin1, &mut Strict).unwrap().as_ref(), Some(value));
                }
                assert_eq!(pc.value(1, &latin1, &mut Strict).unwrap(), None);
                let mut findings = Vec::new();
                pc.verify(Depth::Values, &mut findings).unwrap();
                assert_eq!(findings, []);
            }
        }
    }

    #[test]
    fn typed_access_asks_for_the_type() {
        let values = [(0x37, PropValue::String("hi".into())), (0x0E07, PropValue::Integer16(-3)), (0x360A, PropValue::Boolean(true))];
        let pc = open(&UNICODE, context(&UNICODE, &values), &mut Strict).unwrap();
        assert_eq!(pc.string(0x37, &latin1, &mut Strict).unwrap().as_deref(), Some("hi"));
        assert_eq!((pc.int(0x0E07), pc.int(0x37), pc.bool(0x360A), pc.bool(0x0E07)), (Some(-3), None, Some(true), None));
        assert_eq!(pc.binary(0x37, &mut Strict).unwrap(), None);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut pc.open_value(0x37, &mut Strict).unwrap().unwrap(), &mut text).unwrap();
        assert_eq!(text, "h\0i\0");
    }

    #[test]
    fn each_violation_has_its_rule() {
        let verify = |records: &[PcRecord], items: &[&[u8]]| {
            let mut heap = HeapBuilder::new(&UNICODE, ClientSig::PROPERTY);
            for item in items {
                heap.alloc(item).unwrap();
            }
            let bytes: Vec<u8> = records.iter().flat_map(PcRecord::encode).collect();
            let root = build::bth(&mut heap, PC_KEY, PC_ENTRY, &bytes).unwrap();
            let mut findings = Vec::new();
            let pc = open(&UNICODE, heap.finish(root).unwrap(), &mut findings).unwrap();
            pc.verify(Depth::Values, &mut findings).unwrap();
            findings.into_iter().map(|f| f.rule.code).collect::<Vec<_>>()
        };
        let record = |tag: PropTag, value| PcRecord { tag, value };
        assert_eq!(verify(&[record(tags::SUBJECT, 0)], &[]), [""; 0]);
        assert_eq!(verify(&[record(tags::SUBJECT, 0x400)], &[]), ["PST-P005"]);
        assert_eq!(verify(&[record(tags::SUBJECT, 0x3F)], &[]), ["PST-P007"]);
        assert_eq!(verify(&[record(tags::SUBJECT, 0x20)], &[b"abc"]), ["PST-P021"]);
        assert_eq!(verify(&[record(tags::CREATION_TIME, 0x20)], &[b"abc"]), ["PST-P020"]);
        assert_eq!(verify(&[record(tags::CREATION_TIME, 0)], &[]), ["PST-P020"]);
        assert_eq!(verify(&[record(PropTag(0x1234_0999), 0x20)], &[b"abc"]), ["PST-P009"]);
        assert_eq!(verify(&[], &[b"abc"]), ["PST-P014"]);
        assert_eq!(verify(&[record(tags::SUBJECT, 0x20)], &[b""]), ["PST-P025"]);
        assert_eq!(verify(&[record(tags::SUBJECT, 0x20), record(tags::BODY, 0x20)], &[b"ab"]), ["PST-P015"]);
        assert_eq!(verify(&[record(tags::ATTACH_DATA_OBJECT, 0x25)], &[]), ["PST-P029", "PST-P023"]);
        assert_eq!(verify(&[record(tags::ATTACH_DATA_OBJECT, 0x20)], &[b"abc"]), ["PST-P023"]);
        assert_eq!(verify(&[record(tags::BODY, 0), record(tags::SUBJECT, 0)], &[]), ["PST-P006"]);
    }

    #[test]
    fn a_lost_root_is_found_again() {
        let values = some_values(20);
        let mut blocks = context(&UNICODE, &values);
        put32(&mut blocks[0], 4, 0xFFE0);
        let mut findings = Vec::new();
        let pc = open(&UNICODE, blocks, &mut findings).unwrap();
        assert_eq!(findings.iter().map(|f| f.rule.code).collect::<Vec<_>>(), ["PST-P010"]);
        assert_eq!(pc.records().len(), 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn damage_never_panics_or_hangs(n in 0u16..400, hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
            let mut blocks = context(&UNICODE, &some_values(n));
            for (at, value) in hits {
                let block = at.index(blocks.len());
                let place = at.index(blocks[block].len());
                blocks[block][place] = value;
            }
            let mut findings = Vec::new();
            if let Some(pc) = open(&UNICODE, blocks, &mut findings) {
                pc.verify(Depth::Values, &mut findings).unwrap();
                for record in pc.records() {
                    pc.value_of(record, &latin1, &mut findings).unwrap();
                }
            }
        }
    }
}
