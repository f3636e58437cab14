//! [`Props`]: the properties of an object that is being written, as the bytes that are stored ([MS-PST] 2.3.3.3).

use super::tree::WrittenData;
use crate::format::bytes::{le32, wide};
use crate::format::context::encode_multi;
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::types::{FileTime, Guid};
use crate::messaging::code_page::CodePage;
use std::collections::BTreeMap;

/// The value of a property as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// The bytes themselves: numbers little-endian at their own size, strings in their encoding without an end mark.
    Bytes(Vec<u8>),
    /// A data tree that is written already: for values too large for memory.
    Written(WrittenData),
    /// A sub-node of the object and its size, for `PtypObject`.
    Object {
        /// The sub-node.
        nid: Nid,
        /// Its size as readers are told.
        size: u32,
    },
}

impl Data {
    /// Bytes of the value, as [PidTagAttachSize](crate::format::tags::ATTACH_SIZE) counts them.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(b) => wide(b.len()),
            Self::Written(tree) => tree.bytes,
            Self::Object { size, .. } => (*size).into(),
        }
    }
}

/// The properties of an object: one value for each id.
///
/// ```
/// use pstkit::format::tags;
/// use pstkit::write::Props;
///
/// let mut props = Props::new();
/// props.set_str(tags::SUBJECT, "Grüße").set_i32(tags::IMPORTANCE, 2).set_bool(tags::READ_RECEIPT_REQUESTED, true);
/// assert_eq!(props.str(tags::SUBJECT).as_deref(), Some("Grüße"));
/// assert_eq!(props.bytes(tags::IMPORTANCE), Some(&[2, 0, 0, 0][..]));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Props {
    map: BTreeMap<u16, (PropType, Data)>,
}

/// Converts one text; says whether something of it is lost.
type Convert<'c> = &'c dyn Fn(&[u8]) -> (Vec<u8>, bool);

/// UTF-16LE bytes of a text.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        // by far the most, and worth a loop without branches
        let mut out = vec![0; text.len().saturating_mul(2)];
        for (pair, b) in out.chunks_exact_mut(2).zip(text.bytes()) {
            if let Some(low) = pair.first_mut() {
                *low = b;
            }
        }
        return out;
    }
    let mut out = Vec::with_capacity(text.len().saturating_mul(2));
    for unit in text.encode_utf16() {
        out.extend_from_slice(&unit.to_le_bytes());
    }
    out
}

/// Whether UTF-16LE bytes are a text of ASCII only.
pub(super) fn is_ascii16(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(2) && bytes.chunks_exact(2).all(|c| crate::format::bytes::le16(c, 0) < 0x80)
}

/// The text of UTF-16LE bytes; bytes that are no text become U+FFFD.
pub(super) fn from_utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|c| crate::format::bytes::le16(c, 0));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

impl Props {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property; another type of the same id is replaced.
    pub fn put(&mut self, tag: PropTag, data: Data) -> &mut Self {
        self.map.insert(tag.id(), (tag.prop_type(), data));
        self
    }

    /// Sets a property to bytes as they are stored.
    pub fn set(&mut self, tag: PropTag, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.put(tag, Data::Bytes(bytes.into()))
    }

    /// Sets a text. In an ANSI store it will be written in the store's code page.
    pub fn set_str(&mut self, tag: PropTag, text: &str) -> &mut Self {
        self.set(tag.with_type(PropType::STRING), utf16(text))
    }

    /// Sets several texts.
    pub fn set_strs<T: AsRef<str>>(&mut self, tag: PropTag, texts: &[T]) -> &mut Self {
        let items: Vec<Vec<u8>> = texts.iter().map(|t| utf16(t.as_ref())).collect();
        self.set(tag.with_type(PropType::MULTI_STRING), encode_multi(&items))
    }

    /// Sets several binary values.
    pub fn set_binaries<T: AsRef<[u8]>>(&mut self, tag: PropTag, items: &[T]) -> &mut Self {
        self.set(tag.with_type(PropType::MULTI_BINARY), encode_multi(items))
    }

    /// Sets a 32-bit number.
    pub fn set_i32(&mut self, tag: PropTag, v: i32) -> &mut Self {
        self.set(tag, v.to_le_bytes())
    }

    /// Sets a truth value.
    pub fn set_bool(&mut self, tag: PropTag, v: bool) -> &mut Self {
        self.set(tag, [u8::from(v)])
    }

    /// Sets a time.
    pub fn set_time(&mut self, tag: PropTag, v: FileTime) -> &mut Self {
        self.set(tag, v.0.to_le_bytes())
    }

    /// Sets a GUID.
    pub fn set_guid(&mut self, tag: PropTag, v: Guid) -> &mut Self {
        self.set(tag, v.0)
    }

    /// Takes a property away.
    pub fn remove(&mut self, id: u16) -> Option<(PropTag, Data)> {
        self.map.remove(&id).map(|(t, d)| (PropTag::new(id, t), d))
    }

    /// The property with this id, whatever its type.
    pub fn get(&self, id: u16) -> Option<(PropTag, &Data)> {
        self.map.get(&id).map(|(t, d)| (PropTag::new(id, *t), d))
    }

    /// Whether there is a property with this id.
    pub fn has(&self, id: u16) -> bool {
        self.map.contains_key(&id)
    }

    /// The bytes of a property of exactly this tag, if they are in memory.
    pub fn bytes(&self, tag: PropTag) -> Option<&[u8]> {
        match self.map.get(&tag.id()) {
            Some((t, Data::Bytes(b))) if *t == tag.prop_type() => Some(b),
            _ => None,
        }
    }

    /// A text of `PtypString`.
    pub fn str(&self, tag: PropTag) -> Option<String> {
        self.bytes(tag.with_type(PropType::STRING)).map(from_utf16)
    }

    /// A 32-bit number.
    pub fn i32(&self, tag: PropTag) -> Option<i32> {
        self.bytes(tag).filter(|b| b.len() >= 4).map(|b| le32(b, 0).cast_signed())
    }

    /// A truth value.
    pub fn bool(&self, tag: PropTag) -> Option<bool> {
        self.bytes(tag)?.first().map(|b| *b != 0)
    }

    /// Sets a property unless there is one with the id.
    pub(super) fn or(&mut self, tag: PropTag, bytes: impl FnOnce() -> Vec<u8>) -> &mut Self {
        if !self.has(tag.id()) {
            self.set(tag, bytes());
        }
        self
    }

    /// Number of properties.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// All properties by id.
    pub fn iter(&self) -> impl Iterator<Item = (PropTag, &Data)> {
        self.map.iter().map(|(id, (t, d))| (PropTag::new(*id, *t), d))
    }

    /// Bytes of all values together, as an attachment's size counts them.
    pub fn size(&self) -> u64 {
        self.map.values().fold(0, |n, (_, d)| n.saturating_add(d.size()))
    }

    /// Makes every text one of 8 bits, as ANSI stores have them. Answers the ids of the texts of which characters are lost.
    pub fn narrow(&mut self, code_page: CodePage) -> Vec<u16> {
        self.convert(PropType::STRING, PropType::STRING8, PropType::MULTI_STRING, PropType::MULTI_STRING8, &|b| {
            let (bytes, lost) = code_page.encode(&from_utf16(b));
            (bytes, lost)
        })
    }

    /// Makes every text one of UTF-16, as Unicode stores have them. Answers the ids of the texts that could not be decoded wholly.
    pub fn widen(&mut self, code_page: CodePage) -> Vec<u16> {
        self.convert(PropType::STRING8, PropType::STRING, PropType::MULTI_STRING8, PropType::MULTI_STRING, &|b| {
            let (text, lost) = code_page.decode(b);
            (utf16(&text), lost)
        })
    }

    fn convert(&mut self, from: PropType, to: PropType, multi_from: PropType, multi_to: PropType, one: Convert<'_>) -> Vec<u16> {
        let mut lost = Vec::new();
        for (id, (t, data)) in &mut self.map {
            let Data::Bytes(bytes) = data else { continue };
            if *t == from {
                let (converted, loses) = one(bytes);
                *bytes = converted;
                *t = to;
                if loses {
                    lost.push(*id);
                }
            } else if *t == multi_from {
                let (converted, loses) = convert_multi(bytes, one);
                *bytes = converted;
                *t = multi_to;
                if loses {
                    lost.push(*id);
                }
            }
        }
        lost
    }
}

/// Converts each item of a multi-valued text.
fn convert_multi(bytes: &[u8], one: Convert<'_>) -> (Vec<u8>, bool) {
    let count = usize::try_from(le32(bytes, 0)).unwrap_or(0).min(bytes.len() / 4);
    let offset = |i: usize| {
        if i >= count { bytes.len() } else { crate::format::bytes::index(le32(bytes, i.saturating_mul(4).saturating_add(4)).into()) }
    };
    let mut lost = false;
    let items: Vec<Vec<u8>> = (0..count)
        .map(|i| {
            let (converted, loses) = one(bytes.get(offset(i)..offset(i.saturating_add(1))).unwrap_or_default());
            lost |= loses;
            converted
        })
        .collect();
    (encode_multi(&items), lost)
}

impl<'a> IntoIterator for &'a Props {
    type Item = (PropTag, &'a Data);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl FromIterator<(PropTag, Data)> for Props {
    fn from_iter<T: IntoIterator<Item = (PropTag, Data)>>(iter: T) -> Self {
        Self { map: iter.into_iter().map(|(t, d)| (t.id(), (t.prop_type(), d))).collect() }
    }
}
