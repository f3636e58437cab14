//! Property values: where they are ([`ValueSource`]), and their meaning ([`PropValue`]; [MS-OXCDATA] 2.11.1).

use super::heap::{Heap, Item};
use super::stream::ValueReader;
use crate::error::{Error, Result};
use crate::finding::{Finding, Ignore, Location, Loss, Sink};
use crate::format::bytes::{array_at, byte, le16, le32, le64, wide};
use crate::format::context::{MultiItems, ObjectValue};
use crate::format::ids::{Hnid, HnidKind, PropType};
use crate::format::layout::Layout;
use crate::ndb::{DataTree, Ndb, Node};
use crate::rules::{self, Rule};
use std::borrow::Cow;
use std::fmt;

pub(crate) use crate::format::types::{FileTime, Guid};

/// Turns the bytes of a `PtypString8` value into text; the code page is the caller's knowledge.
pub(crate) type Decode8<'a> = &'a dyn Fn(&[u8]) -> String;

/// Decodes 8-bit text as Latin-1: for where no code page is known and none is needed.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// A property's value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PropValue {
    /// `PtypNull`.
    Null,
    /// `PtypInteger16`.
    Integer16(i16),
    /// `PtypInteger32`.
    Integer32(i32),
    /// `PtypFloating32`.
    Floating32(f32),
    /// `PtypFloating64`.
    Floating64(f64),
    /// `PtypCurrency`: ten-thousandths.
    Currency(i64),
    /// `PtypFloatingTime`: days since 1899-12-30.
    FloatingTime(f64),
    /// `PtypErrorCode`.
    ErrorCode(u32),
    /// `PtypBoolean`.
    Boolean(bool),
    /// `PtypInteger64`.
    Integer64(i64),
    /// `PtypString` and `PtypString8`, without trailing NULs.
    String(String),
    /// `PtypTime`.
    Time(FileTime),
    /// `PtypGuid`.
    Guid(Guid),
    /// `PtypBinary`, `PtypServerId`, `PtypRestriction`, `PtypRuleAction`: bytes.
    Binary(Vec<u8>),
    /// `PtypObject`.
    Object(ObjectValue),
    /// `PtypMultipleInteger16`.
    MultiInteger16(Vec<i16>),
    /// `PtypMultipleInteger32`.
    MultiInteger32(Vec<i32>),
    /// `PtypMultipleFloating32`.
    MultiFloating32(Vec<f32>),
    /// `PtypMultipleFloating64`.
    MultiFloating64(Vec<f64>),
    /// `PtypMultipleCurrency`.
    MultiCurrency(Vec<i64>),
    /// `PtypMultipleFloatingTime`.
    MultiFloatingTime(Vec<f64>),
    /// `PtypMultipleInteger64`.
    MultiInteger64(Vec<i64>),
    /// `PtypMultipleString` and `PtypMultipleString8`.
    MultiString(Vec<String>),
    /// `PtypMultipleTime`.
    MultiTime(Vec<FileTime>),
    /// `PtypMultipleGuid`.
    MultiGuid(Vec<Guid>),
    /// `PtypMultipleBinary`.
    MultiBinary(Vec<Vec<u8>>),
    /// A type that is not known, with the bytes that stand there.
    Unknown(PropType, Vec<u8>),
}

#[allow(clippy::cast_possible_wrap)]
const fn i16_of(b: &[u8]) -> i16 {
    match b.first_chunk::<2>() {
        Some(c) => i16::from_le_bytes(*c),
        None => 0,
    }
}

const fn i32_of(b: &[u8]) -> i32 {
    match b.first_chunk::<4>() {
        Some(c) => i32::from_le_bytes(*c),
        None => 0,
    }
}

const fn i64_of(b: &[u8]) -> i64 {
    match b.first_chunk::<8>() {
        Some(c) => i64::from_le_bytes(*c),
        None => 0,
    }
}

fn f32_of(b: &[u8]) -> f32 {
    f32::from_bits(le32(b, 0))
}

fn f64_of(b: &[u8]) -> f64 {
    f64::from_bits(le64(b, 0))
}

impl PropValue {
    /// Decodes a value from its bytes; `None` where a value of fixed size is shorter than its type.
    ///
    /// # Errors
    /// The sink's answer to a violation.
    pub fn decode(prop_type: PropType, bytes: &[u8], decode8: Decode8<'_>, at: Location, sink: &mut dyn Sink) -> Result<Option<Self>> {
        // Nearly all text is ASCII, which is sound and needs no closer look.
        if prop_type == PropType::STRING
            && bytes.len().is_multiple_of(2)
            && let Some(text) = ascii(bytes)
        {
            return Ok(Some(Self::String(text)));
        }
        if !is_sound(prop_type, bytes) {
            verify_value(prop_type, bytes, at, sink)?;
        }
        if !prop_type.is_multi()
            && let Some(size) = prop_type.fixed_size()
            && bytes.len() < size
        {
            return Ok(None);
        }
        let string8 = |b: &[u8]| decode8(without_nuls(b));
        Ok(Some(match prop_type {
            PropType::NULL => Self::Null,
            PropType::INTEGER16 => Self::Integer16(i16_of(bytes)),
            PropType::INTEGER32 => Self::Integer32(i32_of(bytes)),
            PropType::FLOATING32 => Self::Floating32(f32_of(bytes)),
            PropType::FLOATING64 => Self::Floating64(f64_of(bytes)),
            PropType::CURRENCY => Self::Currency(i64_of(bytes)),
            PropType::FLOATING_TIME => Self::FloatingTime(f64_of(bytes)),
            PropType::ERROR_CODE => Self::ErrorCode(le32(bytes, 0)),
            PropType::BOOLEAN => Self::Boolean(byte(bytes, 0) != 0),
            PropType::INTEGER64 => Self::Integer64(i64_of(bytes)),
            PropType::STRING8 => Self::String(string8(bytes)),
            PropType::STRING => Self::String(utf16(bytes)),
            PropType::TIME => Self::Time(FileTime(le64(bytes, 0))),
            PropType::GUID => Self::Guid(Guid(array_at(bytes, 0).unwrap_or_default())),
            PropType::BINARY | PropType::SERVER_ID | PropType::RESTRICTION | PropType::RULE_ACTION => Self::Binary(bytes.to_vec()),
            PropType::OBJECT => match ObjectValue::decode(bytes) {
                Some(object) => Self::Object(object),
                None => return Ok(None),
            },
            PropType::MULTI_INTEGER16 => Self::MultiInteger16(bytes.chunks_exact(2).map(i16_of).collect()),
            PropType::MULTI_INTEGER32 => Self::MultiInteger32(bytes.chunks_exact(4).map(i32_of).collect()),
            PropType::MULTI_FLOATING32 => Self::MultiFloating32(bytes.chunks_exact(4).map(f32_of).collect()),
            PropType::MULTI_FLOATING64 => Self::MultiFloating64(bytes.chunks_exact(8).map(f64_of).collect()),
            PropType::MULTI_CURRENCY => Self::MultiCurrency(bytes.chunks_exact(8).map(i64_of).collect()),
            PropType::MULTI_FLOATING_TIME => Self::MultiFloatingTime(bytes.chunks_exact(8).map(f64_of).collect()),
            PropType::MULTI_INTEGER64 => Self::MultiInteger64(bytes.chunks_exact(8).map(i64_of).collect()),
            PropType::MULTI_TIME => Self::MultiTime(bytes.chunks_exact(8).map(|b| FileTime(le64(b, 0))).collect()),
            PropType::MULTI_GUID => Self::MultiGuid(bytes.chunks_exact(16).filter_map(Guid::decode).collect()),
            PropType::MULTI_STRING8 => Self::MultiString(items(bytes, at).map(string8).collect()),
            PropType::MULTI_STRING => Self::MultiString(items(bytes, at).map(utf16).collect()),
            PropType::MULTI_BINARY => Self::MultiBinary(items(bytes, at).map(<[u8]>::to_vec).collect()),
            other => Self::Unknown(other, bytes.to_vec()),
        }))
    }

    /// The bytes of the value as a property's own bytes: little-endian numbers, UTF-16 text, packed elements.
    ///
    /// ```
    /// use pstkit::ltp::PropValue;
    /// assert_eq!(PropValue::String("ab".to_owned()).encode(), [0x61, 0, 0x62, 0]);
    /// assert_eq!(PropValue::Integer32(-1).encode(), [0xFF; 4]);
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        fn packed<T: Copy, const N: usize>(items: &[T], f: impl Fn(T) -> [u8; N]) -> Vec<u8> {
            items.iter().flat_map(|v| f(*v)).collect()
        }
        match self {
            Self::Null => Vec::new(),
            Self::Integer16(v) => v.to_le_bytes().to_vec(),
            Self::Integer32(v) => v.to_le_bytes().to_vec(),
            Self::Floating32(v) => v.to_le_bytes().to_vec(),
            Self::Floating64(v) | Self::FloatingTime(v) => v.to_le_bytes().to_vec(),
            Self::Currency(v) | Self::Integer64(v) => v.to_le_bytes().to_vec(),
            Self::ErrorCode(v) => v.to_le_bytes().to_vec(),
            Self::Boolean(v) => vec![u8::from(*v)],
            Self::String(v) => encode_utf16(v),
            Self::Time(v) => v.0.to_le_bytes().to_vec(),
            Self::Guid(v) => v.0.to_vec(),
            Self::Binary(v) | Self::Unknown(_, v) => v.clone(),
            Self::Object(v) => v.encode().to_vec(),
            Self::MultiInteger16(v) => packed(v, i16::to_le_bytes),
            Self::MultiInteger32(v) => packed(v, i32::to_le_bytes),
            Self::MultiFloating32(v) => packed(v, f32::to_le_bytes),
            Self::MultiFloating64(v) | Self::MultiFloatingTime(v) => packed(v, f64::to_le_bytes),
            Self::MultiCurrency(v) | Self::MultiInteger64(v) => packed(v, i64::to_le_bytes),
            Self::MultiTime(v) => packed(v, |t| t.0.to_le_bytes()),
            Self::MultiGuid(v) => packed(v, |g| g.0),
            Self::MultiString(v) => crate::format::context::encode_multi(&v.iter().map(|s| encode_utf16(s)).collect::<Vec<_>>()),
            Self::MultiBinary(v) => crate::format::context::encode_multi(v),
        }
    }

    /// The property type that the value has in a Unicode store.
    pub const fn prop_type(&self) -> PropType {
        match self {
            Self::Null => PropType::NULL,
            Self::Integer16(_) => PropType::INTEGER16,
            Self::Integer32(_) => PropType::INTEGER32,
            Self::Floating32(_) => PropType::FLOATING32,
            Self::Floating64(_) => PropType::FLOATING64,
            Self::Currency(_) => PropType::CURRENCY,
            Self::FloatingTime(_) => PropType::FLOATING_TIME,
            Self::ErrorCode(_) => PropType::ERROR_CODE,
            Self::Boolean(_) => PropType::BOOLEAN,
            Self::Integer64(_) => PropType::INTEGER64,
            Self::String(_) => PropType::STRING,
            Self::Time(_) => PropType::TIME,
            Self::Guid(_) => PropType::GUID,
            Self::Binary(_) => PropType::BINARY,
            Self::Object(_) => PropType::OBJECT,
            Self::MultiInteger16(_) => PropType::MULTI_INTEGER16,
            Self::MultiInteger32(_) => PropType::MULTI_INTEGER32,
            Self::MultiFloating32(_) => PropType::MULTI_FLOATING32,
            Self::MultiFloating64(_) => PropType::MULTI_FLOATING64,
            Self::MultiCurrency(_) => PropType::MULTI_CURRENCY,
            Self::MultiFloatingTime(_) => PropType::MULTI_FLOATING_TIME,
            Self::MultiInteger64(_) => PropType::MULTI_INTEGER64,
            Self::MultiString(_) => PropType::MULTI_STRING,
            Self::MultiTime(_) => PropType::MULTI_TIME,
            Self::MultiGuid(_) => PropType::MULTI_GUID,
            Self::MultiBinary(_) => PropType::MULTI_BINARY,
            Self::Unknown(t, _) => *t,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(v) = self { Some(v) } else { None }
    }

    /// The bytes of a binary value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Binary(v) = self { Some(v) } else { None }
    }

    /// Any integer, error code or currency.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer16(v) => Some((*v).into()),
            Self::Integer32(v) => Some((*v).into()),
            Self::ErrorCode(v) => Some((*v).into()),
            Self::Integer64(v) | Self::Currency(v) => Some(*v),
            _ => None,
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(v) = self { Some(*v) } else { None }
    }

    /// A time.
    pub fn as_time(&self) -> Option<FileTime> {
        if let Self::Time(v) = self { Some(*v) } else { None }
    }
}

fn items(bytes: &[u8], at: Location) -> impl Iterator<Item = &[u8]> {
    // their faults were told by `verify_value`; this sink accepts everything
    MultiItems::decode(bytes, at, &mut Ignore).into_iter().flatten()
}

/// Verifies a value's bytes against its type.
///
/// # Errors
/// The sink's answer to a violation.
pub(crate) fn verify_value(prop_type: PropType, bytes: &[u8], at: Location, sink: &mut dyn Sink) -> Result<()> {
    match prop_type {
        PropType::STRING => verify_utf16(bytes, at, sink),
        PropType::MULTI_STRING8 | PropType::MULTI_STRING | PropType::MULTI_BINARY => {
            let mut items = MultiItems::decode(bytes, at, sink)?;
            if prop_type == PropType::MULTI_STRING { items.try_for_each(|item| verify_utf16(item, at, sink)) } else { Ok(()) }
        }
        t if !t.is_known() => sink.report(Finding::new(&rules::PROP_TYPE, at).stored(t.0.into())),
        t => verify_len(t, wide(bytes.len()), at, sink),
    }
}

/// Whether a value has the form that its type demands, by a quick look: `false` means that [`verify_value`] has to look.
#[inline]
pub(crate) fn is_sound(prop_type: PropType, bytes: &[u8]) -> bool {
    match prop_type {
        PropType::STRING => bytes.len().is_multiple_of(2) && !has_surrogates(bytes),
        PropType::BINARY | PropType::STRING8 => true,
        t => !t.is_multi() && t.is_known() && t.fixed_size() == Some(bytes.len()),
    }
}

/// Whether any unit is half of a surrogate pair.
fn has_surrogates(bytes: &[u8]) -> bool {
    bytes.as_chunks::<2>().0.iter().fold(false, |any, u| any | (u16::from_le_bytes(*u) & 0xF800 == 0xD800))
}

/// Verifies a value's length against its type.
pub(crate) fn verify_len(prop_type: PropType, len: u64, at: Location, sink: &mut dyn Sink) -> Result<()> {
    match prop_type.fixed_size() {
        _ if prop_type == PropType::STRING && !len.is_multiple_of(2) => {
            sink.report(Finding::new(&rules::STRING_ODD, at).actual(format!("{len} bytes")).loss(Loss::Partial))
        }
        Some(size) if prop_type.is_multi() => {
            if len.checked_rem(wide(size)) == Some(0) {
                return Ok(());
            }
            sink.report(Finding::new(&rules::MULTI_VALUE, at).numbers(len, wide(size)).loss(Loss::Partial))
        }
        Some(size) if len != wide(size) => sink.report(Finding::new(&rules::VALUE_SIZE, at).numbers(len, wide(size)).loss(Loss::Partial)),
        _ => Ok(()),
    }
}

fn verify_utf16(bytes: &[u8], at: Location, sink: &mut dyn Sink) -> Result<()> {
    verify_len(PropType::STRING, wide(bytes.len()), at, sink)?;
    let units = bytes.chunks_exact(2).map(|c| le16(c, 0));
    if has_surrogates(bytes) && char::decode_utf16(units).any(|c| c.is_err()) {
        sink.report(Finding::new(&rules::STRING_UTF16, at))?;
    }
    Ok(())
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last.saturating_add(1));
    bytes.get(..end).unwrap_or_default()
}

/// Decodes UTF-16LE without its trailing NULs; halves of surrogate pairs become replacement characters, an odd last byte is dropped.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    ascii(bytes).unwrap_or_else(|| {
        let units = trimmed(bytes).iter().map(|u| u16::from_le_bytes(*u));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    })
}

/// The units of UTF-16 text without its trailing NULs.
fn trimmed(bytes: &[u8]) -> &[[u8; 2]] {
    let (units, _) = bytes.as_chunks::<2>();
    let end = units.iter().rposition(|u| *u != [0, 0]).map_or(0, |last| last.saturating_add(1));
    units.get(..end).unwrap_or_default()
}

/// UTF-16LE text that is ASCII, without its trailing NULs. Looks at all units in one pass, which runs over many at once.
fn ascii(bytes: &[u8]) -> Option<String> {
    let units = trimmed(bytes);
    let mut any = 0;
    let mut text = vec![0; units.len()];
    for (to, unit) in text.iter_mut().zip(units) {
        let [low, _] = *unit;
        any |= u16::from_le_bytes(*unit);
        *to = low;
    }
    if any & 0xFF80 == 0 { String::from_utf8(text).ok() } else { None }
}

/// Encodes text as UTF-16LE without a terminator.
pub(crate) fn encode_utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Where a value's bytes are.
#[derive(Debug)]
#[non_exhaustive]
pub enum ValueSource<'h, 'n> {
    /// In the record or row itself: the bytes and how many of them count.
    Inline([u8; 8], usize),
    /// A heap item, or no bytes.
    Item(Item<'h, 'n>),
    /// A sub-node's data.
    Node(&'n Ndb, DataTree),
}

impl<'h, 'n> ValueSource<'h, 'n> {
    /// A value of no bytes.
    pub const EMPTY: Self = Self::Item(Item::slice(&[]));

    /// A value that stands in the record or row.
    pub(crate) fn inline(bytes: &[u8]) -> Self {
        let len = bytes.len().min(8);
        let mut b = [0; 8];
        crate::format::bytes::put(&mut b, 0, bytes.get(..len).unwrap_or_default());
        Self::Inline(b, len)
    }

    /// Bytes of the value.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(_, len) => wide(*len),
            Self::Item(item) => wide(item.len()),
            Self::Node(_, tree) => tree.len(),
        }
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value in memory.
    ///
    /// # Errors
    /// Where it has more than `limit` bytes; the sink's answer to a violation.
    pub fn bytes(&self, limit: u64, sink: &mut dyn Sink) -> Result<Cow<'_, [u8]>> {
        match self {
            _ if self.len() > limit => Err(Error::limit("bytes of a value in memory", limit)),
            Self::Inline(b, len) => Ok(Cow::Borrowed(b.get(..*len).unwrap_or_default())),
            Self::Item(item) => Ok(Cow::Borrowed(item)),
            Self::Node(ndb, tree) => tree.read_all(ndb, limit, sink),
        }
    }

    /// The value as a stream, whatever its size.
    pub fn reader(self) -> ValueReader<'n> {
        match self {
            Self::Inline(b, len) => ValueReader::memory(b.get(..len).unwrap_or_default()),
            Self::Item(item) => ValueReader::memory(&item),
            Self::Node(ndb, tree) => ValueReader::node(tree.reader(ndb)),
        }
    }
}

/// The place where the ids of an object's values are looked up: its heap, and the sub-nodes of its node.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'h, 'n> {
    pub(crate) heap: &'h Heap<'n>,
    pub(crate) node: Option<&'h Node<'n>>,
}

impl fmt::Debug for Lookup<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("heap", &self.heap).finish_non_exhaustive()
    }
}

impl<'h, 'n> Lookup<'h, 'n> {
    /// The bytes of a value on the heap that is in memory, or of an empty one; `None` where it takes [`find`](Self::find) to know.
    #[inline]
    pub(crate) fn at_hand(&self, hnid: Hnid) -> Option<&'h [u8]> {
        match hnid.kind() {
            HnidKind::Empty => Some(&[]),
            HnidKind::Heap(hid) => self.heap.at_hand(hid),
            HnidKind::Node(_) => None,
        }
    }

    /// The value that an id names; a missing one breaks `heap_rule` or `node_rule` and comes back as `None`.
    pub(crate) fn find(
        &self,
        hnid: Hnid,
        (heap_rule, node_rule): (&'static Rule, &'static Rule),
        at: Location,
        sink: &mut dyn Sink,
    ) -> Result<Option<ValueSource<'h, 'n>>> {
        match hnid.kind() {
            HnidKind::Empty => Ok(Some(ValueSource::EMPTY)),
            HnidKind::Heap(hid) => {
                let item = self.heap.find(hid, sink)?;
                if item.is_none() {
                    sink.report(Finding::new(heap_rule, at.with_hid(hid)).stored(hid.0.into()).loss(Loss::Partial))?;
                }
                Ok(item.map(ValueSource::Item))
            }
            HnidKind::Node(nid) => {
                let sub = match self.node {
                    Some(node) => node.subnode(nid, sink)?,
                    None => None,
                };
                match sub {
                    Some(sub) => Ok(Some(ValueSource::Node(sub.ndb, sub.data(sink)?))),
                    None => {
                        sink.report(Finding::new(node_rule, at).stored(nid.0.into()).loss(Loss::Partial))?;
                        Ok(None)
                    }
                }
            }
        }
    }

    /// The most bytes of a value that is read into memory.
    pub(crate) fn value_limit(&self) -> u64 {
        self.node.map_or(crate::limits::Limits::default().value_bytes, |n| n.ndb.limits().value_bytes)
    }

    /// A value in memory. One of more bytes than the limit is told and left where it is: a limit ends an object, never a run.
    pub(crate) fn bytes<'s>(&self, source: &'s ValueSource<'_, '_>, at: Location, sink: &mut dyn Sink) -> Result<Option<Cow<'s, [u8]>>> {
        let limit = self.value_limit();
        if source.len() > limit {
            sink.report(Finding::new(&rules::LIMIT, at).numbers(source.len(), limit).loss(Loss::Partial))?;
            return Ok(None);
        }
        source.bytes(limit, sink).map(Some)
    }

    /// Verifies a value that was found: its length, and its contents where it is on the heap or `deep` is asked for.
    pub(crate) fn verify(
        &self,
        prop_type: PropType,
        source: &ValueSource<'_, '_>,
        deep: bool,
        at: Location,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        match source {
            ValueSource::Node(_, tree) if !deep || tree.len() > self.value_limit() => verify_len(prop_type, tree.len(), at, sink),
            _ => match self.bytes(source, at, sink)? {
                Some(bytes) => verify_value(prop_type, &bytes, at, sink),
                None => Ok(()),
            },
        }
    }
}

/// The type that a string column or property has in a store of this layout.
pub(crate) const fn string_type(layout: &Layout) -> PropType {
    if layout.is_ansi() { PropType::STRING8 } else { PropType::STRING }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Strict;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = PropValue> {
        let text = "[^\0]{0,12}";
        prop_oneof![
            any::<i16>().prop_map(PropValue::Integer16),
            any::<i32>().prop_map(PropValue::Integer32),
            any::<u32>().prop_map(PropValue::ErrorCode),
            any::<bool>().prop_map(PropValue::Boolean),
            any::<i64>().prop_map(PropValue::Integer64),
            any::<i64>().prop_map(PropValue::Currency),
            (-1e9f64..1e9).prop_map(PropValue::Floating64),
            (-1e9f64..1e9).prop_map(PropValue::FloatingTime),
            (-1e9f32..1e9).prop_map(PropValue::Floating32),
            text.prop_map(PropValue::String),
            any::<u64>().prop_map(|t| PropValue::Time(FileTime(t))),
            any::<[u8; 16]>().prop_map(|g| PropValue::Guid(Guid(g))),
            any::<Vec<u8>>().prop_map(PropValue::Binary),
            any::<(u32, u32)>().prop_map(|(n, size)| PropValue::Object(ObjectValue { nid: crate::format::ids::Nid(n), size })),
            any::<Vec<i16>>().prop_map(PropValue::MultiInteger16),
            any::<Vec<i32>>().prop_map(PropValue::MultiInteger32),
            any::<Vec<i64>>().prop_map(PropValue::MultiInteger64),
            any::<Vec<i64>>().prop_map(PropValue::MultiCurrency),
            proptest::collection::vec(-1e9f64..1e9, 0..9).prop_map(PropValue::MultiFloating64),
            proptest::collection::vec(-1e9f32..1e9, 0..9).prop_map(PropValue::MultiFloating32),
            proptest::collection::vec(text, 0..9).prop_map(PropValue::MultiString),
            any::<Vec<u64>>().prop_map(|v| PropValue::MultiTime(v.into_iter().map(FileTime).collect())),
            any::<Vec<[u8; 16]>>().prop_map(|v| PropValue::MultiGuid(v.into_iter().map(Guid).collect())),
            any::<Vec<Vec<u8>>>().prop_map(PropValue::MultiBinary),
        ]
    }

    proptest! {
        #[test]
        fn values_round_trip(value in values()) {
            let back = PropValue::decode(value.prop_type(), &value.encode(), &latin1, Location::NONE, &mut Strict).unwrap();
            prop_assert_eq!(back, Some(value));
        }

        #[test]
        fn any_bytes_are_a_value_or_none_of_any_type(t in 0u16..0x1200, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut findings = Vec::new();
            let value = PropValue::decode(PropType(t), &bytes, &latin1, Location::NONE, &mut findings).unwrap();
            prop_assert!(value.is_some() || !findings.is_empty() || t == 0x0D);
            prop_assert!(findings.len() <= 1 + bytes.len());
        }

        #[test]
        fn text_decodes_as_the_standard_library_does(units in proptest::collection::vec(any::<u16>(), 0..40)) {
            let bytes: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(utf16(&bytes), expected.trim_end_matches('\0'));
        }
    }

    #[test]
    fn each_kind_of_damage_has_its_rule() {
        let code = |t: PropType, bytes: &[u8]| {
            let mut findings = Vec::new();
            let value = PropValue::decode(t, bytes, &latin1, Location::NONE, &mut findings).unwrap();
            (value, findings.first().map(|f| f.rule.code))
        };
        assert_eq!(code(PropType::TIME, &[1; 7]), (None, Some("PST-P020")));
        assert_eq!(code(PropType::TIME, &[1; 9]).1, Some("PST-P020"));
        assert_eq!(code(PropType::STRING, b"a\0b"), (Some(PropValue::String("a".into())), Some("PST-P021")));
        assert_eq!(code(PropType::STRING, &[0, 0xD8, 0x61, 0]), (Some(PropValue::String("\u{FFFD}a".into())), Some("PST-P026")));
        assert_eq!(code(PropType::MULTI_INTEGER32, &[0; 6]), (Some(PropValue::MultiInteger32(vec![0])), Some("PST-P022")));
        assert_eq!(code(PropType::MULTI_BINARY, &[9, 0, 0, 0]), (Some(PropValue::MultiBinary(vec![])), Some("PST-P022")));
        assert_eq!(code(PropType(0x0999), &[1]), (Some(PropValue::Unknown(PropType(0x0999), vec![1])), Some("PST-P009")));
        assert_eq!(code(PropType::STRING8, b"caf\xE9\0"), (Some(PropValue::String("café".into())), None));
    }
}
