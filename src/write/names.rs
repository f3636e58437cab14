//! The names that a new store begins with ([MS-PST] 2.4.7): those of Outlook's own, in its order, so that they have the same ids.

use crate::error::Result;
use crate::format::ids::{PropTag, PropType};
use crate::format::types::Guid;
use crate::ltp::{NAMED_FIRST, NameMapBuilder, PropertyName};
use std::collections::{BTreeMap, BTreeSet};

/// A map with the names of a new store.
pub(super) fn seeded() -> Result<NameMapBuilder> {
    let (calendar, headers, common) = (Guid::PSETID_APPOINTMENT, Guid::PS_INTERNET_HEADERS, Guid::PSETID_COMMON);
    let (public, sharing, task) = (Guid::PS_PUBLIC_STRINGS, Guid::com(0x0006_2014), Guid::PSETID_TASK);
    let mentions = Guid::new(0x41F2_8F13, 0x83F4, 0x4114, [0xA5, 0x84, 0xEE, 0xDB, 0x5A, 0x6B, 0x0B, 0xFF]);
    let numbers = |set: Guid, ids: &[u32]| ids.iter().map(|id| PropertyName::number(set, *id)).collect::<Vec<_>>();
    let mut seeds = numbers(calendar, &[0x8205, 0x8223, 0x8231, 0x8216, 0x820D, 0x820E, 0x8235, 0x8236, 0x8233]);
    seeds.extend([PropertyName::name(headers, "content-class"), PropertyName::name(public, "DRMLicense")]);
    seeds.extend([PropertyName::name(headers, "x-cr-hashedpuzzle"), PropertyName::name(headers, "x-cr-puzzleid")]);
    seeds.extend(numbers(common, &[0x8580, 0x8581]));
    seeds.push(PropertyName::name(public, "urn:schemas-microsoft-com:office:outlook#storetypeprivate"));
    seeds.extend(numbers(common, &[0x8510, 0x8578]));
    seeds.extend([PropertyName::name(mentions, "IsMentioned"), PropertyName::name(public, "Keywords")]);
    seeds.extend([PropertyName::number(sharing, 0x8F05), PropertyName::number(common, 0x8514), PropertyName::number(sharing, 0x8F07)]);
    seeds.extend(numbers(common, &[0x8503, 0x85A8, 0x8502]));
    seeds.extend(numbers(task, &[0x8104, 0x8105, 0x811C]));
    seeds.push(PropertyName::name(headers, "x-ms-exchange-organization-authdomain"));
    seeds.push(PropertyName::name(public, "DoNotForward"));
    seeds.extend([PropertyName::number(common, 0x8570), PropertyName::number(task, 0x8101)]);
    seeds.extend(numbers(common, &[0x85E0, 0x8552]));
    let mut map = NameMapBuilder::new();
    for name in &seeds {
        map.add(name)?;
    }
    Ok(map)
}

/// The types of those among the names of a new store whose properties are documented ([MS-OXPROPS]), by their place.
const TYPES: [(u16, PropType); 26] = [
    (0, PropType::INTEGER32),
    (1, PropType::BOOLEAN),
    (2, PropType::INTEGER32),
    (3, PropType::BINARY),
    (4, PropType::TIME),
    (5, PropType::TIME),
    (6, PropType::TIME),
    (7, PropType::TIME),
    (8, PropType::BINARY),
    (9, PropType::STRING),
    (11, PropType::STRING),
    (12, PropType::STRING),
    (13, PropType::STRING),
    (14, PropType::STRING),
    (16, PropType::INTEGER32),
    (17, PropType::INTEGER32),
    (19, PropType::MULTI_STRING),
    (21, PropType::BOOLEAN),
    (23, PropType::BOOLEAN),
    (25, PropType::TIME),
    (26, PropType::TIME),
    (27, PropType::TIME),
    (28, PropType::BOOLEAN),
    (29, PropType::STRING),
    (32, PropType::INTEGER32),
    (34, PropType::INTEGER32),
];

/// Ids from 0x8000 up of properties that are there, with their types.
#[derive(Debug, Default)]
pub(super) struct SeenTypes {
    sure: BTreeMap<u16, BTreeSet<PropType>>,
    /// In damaged objects, and how often.
    doubtful: BTreeMap<(u16, PropType), u32>,
}

impl SeenTypes {
    /// A property of more than one damaged object is there too: bytes of something else do not agree with one another.
    const AGREE: u32 = 2;

    pub(super) fn see(&mut self, tag: PropTag, is_sure: bool) {
        if is_sure {
            self.sure.entry(tag.id()).or_default().insert(tag.prop_type());
        } else {
            let n = self.doubtful.entry((tag.id(), tag.prop_type())).or_default();
            *n = n.saturating_add(1);
        }
    }

    /// The highest id.
    pub(super) fn last(&self) -> Option<u16> {
        let doubtful = self.doubtful.iter().filter(|(_, n)| **n >= Self::AGREE).map(|((id, _), _)| *id);
        self.sure.keys().copied().chain(doubtful).max()
    }

    fn has_only(&self, id: u16, is_it: impl Fn(PropType) -> bool) -> bool {
        self.sure.get(&id).is_none_or(|types| types.iter().all(|t| is_it(*t)))
            && self.doubtful.iter().all(|((i, t), n)| *i != id || *n < Self::AGREE || is_it(*t))
    }
}

/// Whether a store whose map is lost can have begun with these names, by the types of its properties: no other writer than Outlook 2007
/// and later gives the ids to them, and not in an OST.
pub(super) fn can_be_seeded(seen: &SeenTypes) -> bool {
    let wide = |t: PropType| match t {
        PropType::STRING8 => PropType::STRING,
        PropType::MULTI_STRING8 => PropType::MULTI_STRING,
        t => t,
    };
    TYPES.iter().all(|(place, t)| seen.has_only(NAMED_FIRST | place, |found| wide(found) == *t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_those_of_a_new_store() {
        let map = seeded().unwrap();
        assert_eq!(map.map().len(), 35);
        assert_eq!(map.map().number(Guid::PSETID_COMMON, 0x8503), Some(0x8017));
        // a real new store has six sets, and 34 buckets in use, from 1000 to 10E7
        let properties = map.properties();
        assert_eq!(properties[1].1.len(), 6 * 16);
        let buckets: Vec<u16> = properties.iter().map(|(t, _)| t.id()).filter(|id| *id >= 0x1000).collect();
        assert_eq!((buckets.len(), buckets.first(), buckets.last()), (34, Some(&0x1000), Some(&0x10E7)));
    }

    #[test]
    fn types_of_another_store_speak_against_the_seeds() {
        let mut seen = SeenTypes::default();
        seen.see(PropTag(0x8000_0003), true);
        assert!(can_be_seeded(&seen), "the type that the first has");
        // of one damaged object it may be noise, of two it is not
        seen.see(PropTag(0x8003_0003), false);
        assert!(can_be_seeded(&seen));
        assert_eq!(seen.last(), Some(0x8000));
        seen.see(PropTag(0x8003_0003), false);
        assert!(!can_be_seeded(&seen));
        assert_eq!(seen.last(), Some(0x8003));
        let mut seen = SeenTypes::default();
        seen.see(PropTag(0x8003_0003), true);
        assert!(!can_be_seeded(&seen));
    }
}
