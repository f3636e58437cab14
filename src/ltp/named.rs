//! The named-property map: property ids from 0x8000 on and the names that they stand for ([MS-PST] 2.4.7).
//!
//! Node 0x61 is a property context with three streams (GUIDs, entries, names) and a hash table over the entries. An entry's place in
//! its stream is its property id minus 0x8000; the hash table follows from the entries.

use super::pc::PropertyContext;
use super::value::{encode_utf16, utf16};
use crate::error::{ErrorKind, Result};
use crate::finding::{Finding, Location, Loss, Sink};
use crate::format::bytes::{index, low16, low32, u32_at, wide};
use crate::format::context::{NAME_BUCKETS, NAMEID, NameId};
use crate::format::crc::crc;
use crate::format::ids::{PropTag, PropType};
use crate::format::tags;
use crate::format::types::Guid;
use crate::rules::{self, Rule};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// The first named property id.
pub const NAMED_FIRST: u16 = 0x8000;
/// The most names that a store can have: ids 0x8000 to 0xFFFE.
pub(crate) const NAMES_MAX: usize = 0x7FFF;
/// The property with the first hash bucket.
const BUCKET_FIRST: u16 = 0x1000;

/// The name of a property within its set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameKind {
    /// A number (LID).
    Number(u32),
    /// A name; case counts.
    Name(Arc<str>),
}

/// The name of a property: a set and a number or name in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PropertyName {
    /// The property set.
    pub set: Guid,
    /// Number or name.
    pub kind: NameKind,
}

impl PropertyName {
    /// The name of a number in a set.
    pub const fn number(set: Guid, lid: u32) -> Self {
        Self { set, kind: NameKind::Number(lid) }
    }

    /// A name in a set.
    pub fn name(set: Guid, name: &str) -> Self {
        Self { set, kind: NameKind::Name(Arc::from(name)) }
    }
}

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.set.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{{{}}}", self.set)?,
        }
        match &self.kind {
            NameKind::Number(lid) => write!(f, "/0x{lid:04X}"),
            NameKind::Name(name) => write!(f, "/{name}"),
        }
    }
}

/// The named properties of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameMap {
    /// By property id minus 0x8000; `None` where the entry is damaged.
    names: Vec<Option<PropertyName>>,
    ids: HashMap<PropertyName, u16>,
}

/// Violations of one kind: the first and how many there are.
#[derive(Default)]
struct Counted {
    first: Option<(u16, &'static str)>,
    count: u64,
}

impl Counted {
    fn add(&mut self, prop: u16, what: &'static str) {
        self.first.get_or_insert((prop, what));
        self.count = self.count.saturating_add(1);
    }

    fn report(self, rule: &'static Rule, at: Location, loss: Loss, sink: &mut dyn Sink) -> Result<()> {
        match self.first {
            Some((prop, what)) => {
                let tag = PropTag::new(NAMED_FIRST | prop, PropType::UNSPECIFIED);
                let text = if self.count > 1 { format!("{what}, and {} more", self.count.saturating_sub(1)) } else { what.to_owned() };
                sink.report(Finding::new(rule, at.with_tag(tag)).actual(text).loss(loss))
            }
            None => Ok(()),
        }
    }
}

impl NameMap {
    /// Reads the map from its property context (node 0x61). Entries that are damaged are reported and left out.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn read(pc: &PropertyContext<'_>, sink: &mut dyn Sink) -> Result<Self> {
        let streams = Streams::read(pc, sink)?;
        let mut map = Self::default();
        let mut wrong = Counted::default();
        let offsets = streams.offsets();
        let count = streams.entries.len().checked_div(NAMEID).unwrap_or(0);
        // ids are places: one beyond all of them is damaged, and its entry stands in its own where most of them do
        let all = streams.entries.chunks_exact(NAMEID).map(NameId::decode);
        let in_place = all.enumerate().take(NAMES_MAX).filter(|(place, e)| usize::from(e.prop) == *place).count();
        let is_dense = in_place.saturating_mul(2) > count;
        let mut displaced: Vec<(u16, PropertyName)> = Vec::new();
        let mut texts = Texts::of(&streams);
        for (place, entry) in streams.entries.chunks_exact(NAMEID).map(NameId::decode).enumerate().take(NAMES_MAX) {
            if entry == NameId::default() && place > 0 {
                // zeros name nothing: neither this place nor the first once more
                wrong.add(low16(wide(place)), "an empty entry");
                continue;
            }
            if usize::from(entry.prop) != place {
                wrong.add(entry.prop, "another id than its place");
            }
            let name = match streams.set(&entry) {
                None => {
                    wrong.add(entry.prop, "no such set");
                    continue;
                }
                Some(set) if entry.is_string => {
                    let (text, what) = texts.get(&streams, entry.id, &offsets);
                    if text.is_none() || what.is_some() {
                        wrong.add(entry.prop, what.unwrap_or("no such name"));
                    }
                    let Some(text) = text else { continue };
                    if !texts.is_first(set, &text) {
                        wrong.add(entry.prop, "a name that another id has");
                        continue;
                    }
                    PropertyName { set, kind: NameKind::Name(text) }
                }
                Some(set) => PropertyName::number(set, entry.id),
            };
            let prop = low16(wide(place));
            if usize::from(entry.prop) >= count {
                // as many names as the id is high would have to be made up before it
                if is_dense {
                    displaced.push((prop, name));
                }
            } else if !map.put(entry.prop, name.clone()) {
                wrong.add(entry.prop, "twice");
                if is_dense {
                    displaced.push((prop, name));
                }
            }
        }
        for (prop, name) in displaced {
            map.put(prop, name);
        }
        wrong.report(&rules::NAME_ENTRY, pc.at(), Loss::Metadata, sink)?;
        Ok(map)
    }

    /// Puts a name to an id, unless the id has one.
    fn put(&mut self, prop: u16, name: PropertyName) -> bool {
        let place = usize::from(prop & 0x7FFF);
        if self.names.len() <= place {
            self.names.resize(place.saturating_add(1), None);
        }
        match self.names.get_mut(place) {
            Some(slot @ None) => {
                self.ids.entry(name.clone()).or_insert(NAMED_FIRST | prop);
                *slot = Some(name);
                true
            }
            _ => false,
        }
    }

    /// The name that a property id stands for.
    pub fn name(&self, id: u16) -> Option<&PropertyName> {
        self.names.get(usize::from(id.checked_sub(NAMED_FIRST)?)).and_then(Option::as_ref)
    }

    /// The property id of a name.
    pub fn id(&self, name: &PropertyName) -> Option<u16> {
        self.ids.get(name).copied()
    }

    /// The property id of a number in a set.
    pub fn number(&self, set: Guid, lid: u32) -> Option<u16> {
        self.id(&PropertyName::number(set, lid))
    }

    /// Ids and names, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &PropertyName)> {
        self.names.iter().enumerate().filter_map(|(i, name)| Some((NAMED_FIRST | low16(wide(i)), name.as_ref()?)))
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Verifies the rest: the hash buckets hold every entry once, in the bucket that it belongs to.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn verify_buckets(pc: &PropertyContext<'_>, sink: &mut dyn Sink) -> Result<()> {
        let streams = Streams::read(pc, &mut crate::finding::Ignore)?;
        let stored = pc.int(tags::NAME_BUCKET_COUNT.id()).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        if stored == 0 {
            let finding = Finding::new(&rules::NAME_BUCKET, pc.at().with_tag(tags::NAME_BUCKET_COUNT));
            return sink.report(finding.numbers(0, NAME_BUCKETS.into()));
        }
        let mut wrong = Counted::default();
        let mut missing: HashMap<NameId, u32> = HashMap::new();
        let offsets = streams.offsets();
        let (mut sums, mut left) = (HashMap::new(), streams.strings.len().saturating_mul(4));
        for entry in streams.entries.chunks_exact(NAMEID).map(NameId::decode) {
            let id = match entry.is_string {
                false => entry.id,
                true => match sums.entry(entry.id).or_insert_with(|| {
                    let text = streams.raw_text(entry.id, &offsets).0?;
                    left = left.checked_sub(text.len())?;
                    Some(crc(text))
                }) {
                    Some(sum) => *sum,
                    None => continue, // told by `read`
                },
            };
            let slot = missing.entry(NameId { id, ..entry }).or_default();
            *slot = slot.saturating_add(1);
        }
        for record in pc.records().iter().filter(|r| (BUCKET_FIRST..NAMED_FIRST).contains(&r.tag.id())) {
            let bucket = u32::from(record.tag.id().saturating_sub(BUCKET_FIRST));
            let bytes = pc.binary(record.tag.id(), sink)?.unwrap_or_default();
            for entry in bytes.chunks_exact(NAMEID).map(NameId::decode) {
                match missing.get_mut(&entry) {
                    _ if entry.bucket(stored) != bucket => wrong.add(entry.prop, "in another bucket than its own"),
                    Some(left @ 1..) => *left = left.saturating_sub(1),
                    _ => wrong.add(entry.prop, "in a bucket and not among the entries, or twice"),
                }
            }
            if !bytes.len().is_multiple_of(NAMEID) {
                wrong.add(0, "a bucket that ends within an entry");
            }
        }
        let mut absent: Vec<u16> = missing.iter().filter(|(_, left)| **left > 0).map(|(entry, _)| entry.prop).collect();
        absent.sort_unstable();
        absent.into_iter().for_each(|prop| wrong.add(prop, "in no bucket"));
        wrong.report(&rules::NAME_BUCKET, pc.at(), Loss::None, sink)
    }
}

/// The names of a map, each held once however many entries name it, and all of them together hardly more than their stream: names that
/// lie in one another come to any number of bytes.
struct Texts {
    known: HashMap<u32, (Option<Arc<str>>, Option<&'static str>)>,
    /// Names by set and place: two entries with both in common are one name twice.
    seen: HashSet<(Guid, usize)>,
    /// Bytes that may still be held.
    left: usize,
}

impl Texts {
    fn of(streams: &Streams) -> Self {
        Self { known: HashMap::new(), seen: HashSet::new(), left: streams.strings.len().saturating_mul(4) }
    }

    /// The name at an offset, and its faults.
    fn get(&mut self, streams: &Streams, offset: u32, offsets: &[u32]) -> (Option<Arc<str>>, Option<&'static str>) {
        if let Some(known) = self.known.get(&offset) {
            return known.clone();
        }
        let len = streams.raw_text(offset, offsets).0.map_or(0, <[u8]>::len);
        let found = match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                let (text, what) = streams.text(offset, offsets);
                (text.map(Arc::from), what)
            }
            None => (None, Some("a name that lies in others")),
        };
        self.known.insert(offset, found.clone());
        found
    }

    /// Whether no entry before had this text, held at one place, in this set.
    fn is_first(&mut self, set: Guid, text: &Arc<str>) -> bool {
        self.seen.insert((set, text.as_ptr().addr()))
    }
}

/// The three streams of the map.
struct Streams {
    guids: Vec<u8>,
    entries: Vec<u8>,
    strings: Vec<u8>,
}

impl Streams {
    fn read(pc: &PropertyContext<'_>, sink: &mut dyn Sink) -> Result<Self> {
        let mut stream = |tag: PropTag, record: usize| {
            let bytes = pc.binary(tag.id(), sink)?.unwrap_or_default();
            if !bytes.len().is_multiple_of(record) {
                let finding = Finding::new(&rules::NAME_STREAM, pc.at().with_tag(tag));
                sink.report(finding.numbers(wide(bytes.len()), wide(record)).loss(Loss::Metadata))?;
            }
            Ok::<_, crate::error::Error>(bytes)
        };
        Ok(Self {
            guids: stream(tags::NAME_STREAM_GUID, 16)?,
            entries: stream(tags::NAME_STREAM_ENTRY, NAMEID)?,
            strings: stream(tags::NAME_STREAM_STRING, 1)?,
        })
    }

    fn set(&self, entry: &NameId) -> Option<Guid> {
        match entry.guid {
            0 => Some(Guid::default()),
            1 => Some(Guid::PS_MAPI),
            2 => Some(Guid::PS_PUBLIC_STRINGS),
            n => self.guids.chunks_exact(16).nth(usize::from(n).saturating_sub(3)).and_then(Guid::decode),
        }
    }

    /// Where names begin, sorted: a name with a damaged length ends where the next begins.
    fn offsets(&self) -> Vec<u32> {
        let entries = self.entries.chunks_exact(NAMEID).map(NameId::decode);
        let mut offsets: Vec<u32> = entries.filter(|e| e.is_string).map(|e| e.id).collect();
        offsets.sort_unstable();
        offsets
    }

    /// The bytes of the name at an offset, and its faults.
    fn raw_text(&self, offset: u32, offsets: &[u32]) -> (Option<&[u8]>, Option<&'static str>) {
        let at = index(offset.into());
        let Some(len) = u32_at(&self.strings, at) else { return (None, Some("no such name")) };
        let start = at.saturating_add(4);
        let end = start.saturating_add(index(len.into()));
        if let Some(text) = self.strings.get(start..end) {
            let what = if !at.is_multiple_of(4) || len % 2 != 0 { Some("a name off its grid") } else { None };
            return (Some(text), what);
        }
        let next = offsets.get(offsets.partition_point(|o| *o <= offset)).map_or(self.strings.len(), |o| index((*o).into()));
        let text = self.strings.get(start..next.min(self.strings.len())).unwrap_or_default();
        // without the padding before the next
        let units = text.chunks_exact(2).rposition(|c| c != [0, 0]).map_or(0, |last| last.saturating_add(1));
        (text.get(..units.saturating_mul(2)), Some("a name longer than its stream"))
    }

    /// The name at an offset; one without a letter names nothing, and readers refuse a stream that ends with it.
    fn text(&self, offset: u32, offsets: &[u32]) -> (Option<String>, Option<&'static str>) {
        match self.raw_text(offset, offsets) {
            (Some([]), what) => (None, what.or(Some("an empty name"))),
            (bytes, what) => (bytes.map(utf16), what),
        }
    }
}

/// Collects names and gives the properties of node 0x61.
///
/// ```
/// use pstkit::format::types::Guid;
/// use pstkit::ltp::{NameMapBuilder, PropertyName};
///
/// let mut names = NameMapBuilder::new();
/// assert_eq!(names.add(&PropertyName::number(Guid::PSETID_COMMON, 0x8503))?, 0x8000);
/// assert_eq!(names.add(&PropertyName::name(Guid::PS_PUBLIC_STRINGS, "Keywords"))?, 0x8001);
/// assert_eq!(names.add(&PropertyName::number(Guid::PSETID_COMMON, 0x8503))?, 0x8000);
/// assert_eq!(names.properties().len(), 6); // count, three streams, two buckets
/// # Ok::<(), pstkit::error::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct NameMapBuilder {
    map: NameMap,
}

impl NameMapBuilder {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map that begins with the names of another; every name keeps its id.
    pub const fn from_map(map: NameMap) -> Self {
        Self { map }
    }

    /// The property id of a name, a new one if it has none yet.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where all ids are taken.
    pub fn add(&mut self, name: &PropertyName) -> Result<u16> {
        if let Some(id) = self.map.id(name) {
            return Ok(id);
        }
        let place = self.map.names.len();
        if place >= NAMES_MAX {
            return Err(ErrorKind::TooLarge(format!("more than {NAMES_MAX} named properties")).into());
        }
        self.map.put(low16(wide(place)), name.clone());
        Ok(NAMED_FIRST | low16(wide(place)))
    }

    /// Keeps all ids up to `id` from being given to new names: properties have them, whose names are lost.
    pub fn keep_ids(&mut self, id: u16) {
        let places = usize::from(id & 0x7FFF).saturating_add(1).min(NAMES_MAX);
        if id >= NAMED_FIRST && self.map.names.len() < places {
            self.map.names.resize(places, None);
        }
    }

    /// The names so far.
    pub const fn map(&self) -> &NameMap {
        &self.map
    }

    /// The properties of node 0x61, sorted by id: the number of buckets, the three streams, the buckets that are not empty.
    ///
    /// Ids whose names were damaged get a number of their own in the set whose numbers are ids, so that all others keep their ids. The
    /// set of no GUID is one of zeros: readers look up every number but those of the two sets that have no GUID in the stream.
    pub fn properties(&self) -> Vec<(PropTag, Vec<u8>)> {
        let (mut sets, mut entries, mut strings): (Vec<Guid>, Vec<u8>, Vec<u8>) = Default::default();
        let mut set_numbers: HashMap<Guid, u16> = [(Guid::PS_MAPI, 1), (Guid::PS_PUBLIC_STRINGS, 2)].into_iter().collect();
        let mut buckets: Vec<Vec<u8>> = vec![Vec::new(); index(NAME_BUCKETS.into())];
        // a text that is held once is written once
        let mut written: HashMap<(usize, usize), (u32, u32)> = HashMap::new();
        for (place, name) in self.map.names.iter().enumerate() {
            let prop = low16(wide(place));
            let lost = PropertyName::number(Guid::PS_MAPI, u32::from(NAMED_FIRST | prop));
            let name = name.as_ref().unwrap_or(&lost);
            let guid = *set_numbers.entry(name.set).or_insert_with(|| {
                sets.push(name.set);
                low16(wide(sets.len())).saturating_add(2)
            });
            let (entry, hashed) = match &name.kind {
                NameKind::Number(lid) => {
                    let entry = NameId { id: *lid, is_string: false, guid, prop };
                    (entry, entry)
                }
                NameKind::Name(text) => {
                    let (at, sum) = *written.entry((text.as_ptr().addr(), text.len())).or_insert_with(|| {
                        let bytes = encode_utf16(text);
                        strings.resize(strings.len().next_multiple_of(4), 0);
                        let at = low32(wide(strings.len()));
                        strings.extend_from_slice(&low32(wide(bytes.len())).to_le_bytes());
                        strings.extend_from_slice(&bytes);
                        (at, crc(&bytes))
                    });
                    let entry = NameId { id: at, is_string: true, guid, prop };
                    (entry, NameId { id: sum, ..entry })
                }
            };
            entries.extend_from_slice(&entry.encode());
            if let Some(bucket) = buckets.get_mut(index(hashed.bucket(NAME_BUCKETS).into())) {
                bucket.extend_from_slice(&hashed.encode());
            }
        }
        let mut out = vec![
            (tags::NAME_BUCKET_COUNT, NAME_BUCKETS.to_le_bytes().to_vec()),
            (tags::NAME_STREAM_GUID, sets.iter().flat_map(|g| g.0).collect()),
            (tags::NAME_STREAM_ENTRY, entries),
            (tags::NAME_STREAM_STRING, strings),
        ];
        let filled = buckets.into_iter().enumerate().filter(|(_, bytes)| !bytes.is_empty());
        out.extend(filled.map(|(b, bytes)| (PropTag::new(BUCKET_FIRST.saturating_add(low16(wide(b))), PropType::BINARY), bytes)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{self, HeapBuilder};
    use super::super::heap::Heap;
    use super::*;
    use crate::finding::Strict;
    use crate::format::bytes::{le32, put32};
    use crate::format::context::{PC_ENTRY, PC_KEY, PcRecord};
    use crate::format::heap::ClientSig;
    use crate::format::layout::UNICODE;
    use proptest::prelude::*;

    fn context(properties: &[(PropTag, Vec<u8>)]) -> PropertyContext<'static> {
        let mut heap = HeapBuilder::new(&UNICODE, ClientSig::PROPERTY);
        let mut records = Vec::new();
        for (tag, bytes) in properties {
            let value = match tag.prop_type().is_inline() {
                true => le32(bytes, 0),
                false if bytes.is_empty() => 0,
                false => heap.alloc(bytes).unwrap().0,
            };
            records.extend(PcRecord { tag: *tag, value }.encode());
        }
        let root = build::bth(&mut heap, PC_KEY, PC_ENTRY, &records).unwrap();
        let heap = Heap::from_blocks(&UNICODE, heap.finish(root).unwrap(), Location::NONE, &mut Strict).unwrap().unwrap();
        PropertyContext::on(heap, None, &mut Strict).unwrap().unwrap()
    }

    fn names() -> impl Strategy<Value = PropertyName> {
        let set = prop_oneof![
            Just(Guid::PS_MAPI),
            Just(Guid::PS_PUBLIC_STRINGS),
            Just(Guid::PSETID_COMMON),
            any::<u8>().prop_map(|b| Guid([b; 16]))
        ];
        let kind = prop_oneof![any::<u32>().prop_map(NameKind::Number), "[a-zA-Zä:/#.]{1,20}".prop_map(|s| NameKind::Name(Arc::from(s)))];
        (set, kind).prop_map(|(set, kind)| PropertyName { set, kind })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn names_round_trip(list in proptest::collection::vec(names(), 0..60)) {
            let mut builder = NameMapBuilder::new();
            for name in &list {
                let id = builder.add(name).unwrap();
                prop_assert_eq!(builder.map().name(id), Some(name));
            }
            let pc = context(&builder.properties());
            let map = NameMap::read(&pc, &mut Strict).unwrap();
            prop_assert_eq!(&map, builder.map());
            NameMap::verify_buckets(&pc, &mut Strict).unwrap();
            prop_assert_eq!(NameMapBuilder::from_map(map).properties(), builder.properties());
        }

        #[test]
        fn damaged_streams_are_read_as_far_as_they_go(list in proptest::collection::vec(names(), 1..40), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9)) {
            let mut builder = NameMapBuilder::new();
            for name in &list {
                builder.add(name).unwrap();
            }
            let mut properties = builder.properties();
            for (at, value) in hits {
                let (_, bytes) = &mut properties[1 + at.index(3)];
                if !bytes.is_empty() {
                    let place = at.index(bytes.len());
                    bytes[place] = value;
                }
            }
            let pc = context(&properties);
            let map = NameMap::read(&pc, &mut Vec::new()).unwrap();
            NameMap::verify_buckets(&pc, &mut Vec::new()).unwrap();
            prop_assert!(map.len() <= builder.map().len());
        }
    }

    type Properties = Vec<(PropTag, Vec<u8>)>;

    #[test]
    fn each_violation_has_its_rule_and_costs_one_name() {
        let mut builder = NameMapBuilder::new();
        for name in ["one", "two", "three"] {
            builder.add(&PropertyName::name(Guid::PS_INTERNET_HEADERS, name)).unwrap();
        }
        let check = |change: &dyn Fn(&mut Properties)| {
            let mut properties = builder.properties();
            change(&mut properties);
            let pc = context(&properties);
            let mut findings = Vec::new();
            let map = NameMap::read(&pc, &mut findings).unwrap();
            NameMap::verify_buckets(&pc, &mut findings).unwrap();
            (findings.into_iter().map(|f| f.rule.code).collect::<Vec<_>>(), map.len())
        };
        assert_eq!(check(&|_| ()), (vec![], 3));
        assert_eq!(check(&|p| p[1].1.truncate(15)), (vec!["PST-P030", "PST-P031"], 0));
        assert_eq!(check(&|p| put32(&mut p[2].1, 0, 0x4000)), (vec!["PST-P031", "PST-P032"], 2));
        assert_eq!(check(&|p| p[2].1[14] = 7), (vec!["PST-P031", "PST-P032"], 3));
        assert_eq!(check(&|p| put32(&mut p[3].1, 0, 0x4000)), (vec!["PST-P031"], 3));
        // zeros, and a text of no letters, name nothing; an id beyond all entries is none
        assert_eq!(check(&|p| p[2].1[16..24].fill(0)), (vec!["PST-P031", "PST-P032"], 2));
        assert_eq!(check(&|p| put32(&mut p[3].1, 0, 0)), (vec!["PST-P031", "PST-P032"], 2));
        assert_eq!(check(&|p| p[2].1.iter_mut().skip(6).step_by(8).for_each(|b| *b = 200)), (vec!["PST-P031", "PST-P032"], 0));
        assert_eq!(check(&|p| drop(p.pop())), (vec!["PST-P032"], 3));
        assert_eq!(check(&|p| p[0].1 = vec![0; 4]), (vec!["PST-P032"], 3));
    }

    #[test]
    fn a_new_name_does_not_get_the_id_of_a_lost_one() {
        let mut names = NameMapBuilder::new();
        names.keep_ids(0x8004);
        names.keep_ids(0x8002);
        assert_eq!(names.add(&PropertyName::name(Guid::PS_PUBLIC_STRINGS, "Keywords")).unwrap(), 0x8005);
        let map = NameMap::read(&context(&names.properties()), &mut Strict).unwrap();
        assert_eq!(map.number(Guid::PS_MAPI, 0x8004), Some(0x8004));
    }

    #[test]
    fn a_set_without_a_guid_is_in_the_stream() {
        let mut names = NameMapBuilder::new();
        names.add(&PropertyName::number(Guid::default(), 7)).unwrap();
        let properties = names.properties();
        assert_eq!((&properties[1].1[..], properties[2].1[4]), (&[0; 16][..], 3 << 1));
        let map = NameMap::read(&context(&properties), &mut Strict).unwrap();
        assert_eq!(map.number(Guid::default(), 7), Some(0x8000));
    }

    #[test]
    fn a_hole_keeps_the_ids_of_the_others() {
        let mut map = NameMap::default();
        map.put(2, PropertyName::number(Guid::PSETID_COMMON, 0x8503));
        let pc = context(&NameMapBuilder::from_map(map).properties());
        let map = NameMap::read(&pc, &mut Strict).unwrap();
        assert_eq!(map.number(Guid::PSETID_COMMON, 0x8503), Some(0x8002));
        assert_eq!(map.name(0x8002).unwrap().to_string(), "PSETID_Common/0x8503");
        assert_eq!(map.name(0x7FFF), None);
    }
}
