//! [`NameMap`]: names of the properties from 0x8000 up, and the node 0x61 that holds them ([MS-PST] 2.4.7).
//!
//! ```text
//! 0001  number of buckets: 251
//! 0002  GUIDs                       index 1 is PS_MAPI, 2 PS_PUBLIC_STRINGS, 3 and up are those of the stream
//! 0003  NAMEID[8] each              entry i names property 0x8000 + i
//! 0004  length[4], UTF-16LE, pad    each text on a multiple of 4
//! 1000+ NAMEID[8] each              bucket (id ^ guid word) % 251; a text's id is its checksum there
//! ```

use super::props::{Props, utf16};
use crate::error::{ErrorKind, Result};
use crate::format::bytes::{low16, low32, round_up, wide};
use crate::format::context::{NAME_BUCKETS, NameId};
use crate::format::crc::crc;
use crate::format::ids::{PropTag, PropType};
use crate::format::tags;
use crate::format::types::Guid;
use std::collections::{BTreeMap, HashMap};

/// The first id of a bucket's property.
const FIRST_BUCKET: u16 = 0x1000;
/// The first id that has a name.
const FIRST_NAMED: u16 = 0x8000;

/// The name of a property: a property set, and a number or a text in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PropName {
    /// A number.
    Id(Guid, u32),
    /// A text.
    Text(Guid, String),
}

impl PropName {
    fn set(&self) -> Guid {
        match self {
            Self::Id(set, _) | Self::Text(set, _) => *set,
        }
    }
}

/// Names and the ids that they have in the file that is being written.
#[derive(Debug, Clone, Default)]
pub struct NameMap {
    names: Vec<PropName>,
    ids: HashMap<PropName, u16>,
}

impl NameMap {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names that a new store of Outlook's begins with.
    pub(super) fn seeded() -> Self {
        let mut map = Self::new();
        let text = |set, name: &str| PropName::Text(set, name.to_owned());
        let (task, headers, common) = (Guid::PSETID_APPOINTMENT, Guid::PS_INTERNET_HEADERS, Guid::PSETID_COMMON);
        let (public, sharing, todo) = (Guid::PS_PUBLIC_STRINGS, Guid::com(0x0006_2014), Guid::PSETID_TASK);
        let mentions = Guid::new(0x41F2_8F13, 0x83F4, 0x4114, [0xA5, 0x84, 0xEE, 0xDB, 0x5A, 0x6B, 0x0B, 0xFF]);
        let numbers = |set: Guid, ids: &[u32]| ids.iter().map(|id| PropName::Id(set, *id)).collect::<Vec<_>>();
        let mut seeds = numbers(task, &[0x8205, 0x8223, 0x8231, 0x8216, 0x820D, 0x820E, 0x8235, 0x8236, 0x8233]);
        seeds.extend([text(headers, "content-class"), text(public, "DRMLicense")]);
        seeds.extend([text(headers, "x-cr-hashedpuzzle"), text(headers, "x-cr-puzzleid")]);
        seeds.extend(numbers(common, &[0x8580, 0x8581]));
        seeds.push(text(public, "urn:schemas-microsoft-com:office:outlook#storetypeprivate"));
        seeds.extend(numbers(common, &[0x8510, 0x8578]));
        seeds.extend([text(mentions, "IsMentioned"), text(public, "Keywords")]);
        seeds.extend([PropName::Id(sharing, 0x8F05), PropName::Id(common, 0x8514), PropName::Id(sharing, 0x8F07)]);
        seeds.extend(numbers(common, &[0x8503, 0x85A8, 0x8502]));
        seeds.extend(numbers(todo, &[0x8104, 0x8105, 0x811C]));
        seeds.extend([text(headers, "x-ms-exchange-organization-authdomain"), text(public, "DoNotForward")]);
        seeds.extend([PropName::Id(common, 0x8570), PropName::Id(todo, 0x8101)]);
        seeds.extend(numbers(common, &[0x85E0, 0x8552]));
        for name in seeds {
            map.append(name);
        }
        map
    }

    /// The id of a name; a new name gets the next one.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] where all 32,767 ids are taken.
    pub fn id(&mut self, name: &PropName) -> Result<u16> {
        if let Some(id) = self.ids.get(name) {
            return Ok(*id);
        }
        if self.names.len() >= 0x7FFF {
            return Err(ErrorKind::TooLarge("a store has names for at most 32,767 properties".to_owned()).into());
        }
        Ok(self.append(name.clone()))
    }

    /// The id that a name has, if it has one.
    pub fn find(&self, name: &PropName) -> Option<u16> {
        self.ids.get(name).copied()
    }

    /// Adds a name behind all others: to copy a map, entry after entry, so that ids stay.
    pub fn append(&mut self, name: PropName) -> u16 {
        let id = FIRST_NAMED.saturating_add(low16(wide(self.names.len())));
        self.ids.entry(name.clone()).or_insert(id);
        self.names.push(name);
        id
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The properties of node 0x61.
    pub fn to_props(&self) -> Props {
        let mut guids: Vec<Guid> = Vec::new();
        let (mut entries, mut texts) = (Vec::new(), Vec::new());
        let mut buckets: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for (i, name) in self.names.iter().enumerate() {
            let guid = match name.set() {
                g if g.is_nil() => 0,
                Guid::PS_MAPI => 1,
                Guid::PS_PUBLIC_STRINGS => 2,
                g => {
                    let at = guids.iter().position(|x| *x == g).unwrap_or_else(|| {
                        guids.push(g);
                        guids.len().saturating_sub(1)
                    });
                    low16(wide(at)).saturating_add(3)
                }
            };
            let prop = low16(wide(i));
            let (entry, hashed) = match name {
                PropName::Id(_, id) => {
                    let entry = NameId { id: *id, is_string: false, guid, prop };
                    (entry, entry)
                }
                PropName::Text(_, text) => {
                    let bytes = utf16(text);
                    let at = low32(wide(texts.len()));
                    texts.extend(low32(wide(bytes.len())).to_le_bytes());
                    texts.extend(&bytes);
                    texts.resize(crate::format::bytes::index(round_up(wide(texts.len()), 4)), 0);
                    let entry = NameId { id: at, is_string: true, guid, prop };
                    (entry, NameId { id: crc(&bytes), ..entry })
                }
            };
            entries.extend(entry.encode());
            buckets.entry(low16(hashed.bucket(NAME_BUCKETS).into())).or_default().extend(hashed.encode());
        }
        let mut props = Props::new();
        props.set(tags::NAME_BUCKET_COUNT, NAME_BUCKETS.to_le_bytes());
        props.set(tags::NAME_STREAM_GUID, guids.iter().flat_map(|g| g.0).collect::<Vec<u8>>());
        props.set(tags::NAME_STREAM_ENTRY, entries).set(tags::NAME_STREAM_STRING, texts);
        for (bucket, entries) in buckets {
            props.set(PropTag::new(FIRST_BUCKET.saturating_add(bucket), PropType::BINARY), entries);
        }
        props
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_those_of_a_new_store() {
        let map = NameMap::seeded();
        assert_eq!(map.len(), 35);
        assert_eq!(map.find(&PropName::Id(Guid::PSETID_COMMON, 0x8503)), Some(0x8018));
        let props = map.to_props();
        assert_eq!(props.bytes(tags::NAME_STREAM_GUID).unwrap().len(), 6 * 16);
        // a real new store has 29 buckets in use, from 1000 to 10E7
        let buckets: Vec<u16> = props.iter().map(|(t, _)| t.id()).filter(|id| *id >= 0x1000).collect();
        assert_eq!((buckets.len(), buckets.first(), buckets.last()), (29, Some(&0x1000), Some(&0x10E7)));
    }

    #[test]
    fn a_name_keeps_its_id() {
        let mut map = NameMap::new();
        let a = PropName::Text(Guid::PS_PUBLIC_STRINGS, "Farbe".to_owned());
        let b = PropName::Id(Guid::PS_MAPI, 7);
        assert_eq!((map.id(&a).unwrap(), map.id(&b).unwrap(), map.id(&a).unwrap()), (0x8000, 0x8001, 0x8000));
        assert_eq!(map.find(&PropName::Id(Guid::PS_MAPI, 8)), None);
        assert_eq!(map.to_props().bytes(tags::NAME_STREAM_STRING).unwrap()[..6], [10, 0, 0, 0, b'F', 0]);
    }
}
