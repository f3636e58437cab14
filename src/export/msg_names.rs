//! The names of properties in an MSG file ([MS-OXMSG] 2.2.3).
//!
//! ```text
//! 0002 0102  16 bytes for each property set that is neither of the two known ones
//! 0003 0102  8 bytes for each name: number, or offset in the texts; kind and set (1: PS_MAPI, 2: PS_PUBLIC_STRINGS, from 3: above); index
//! 0004 0102  texts, each behind its length, from a multiple of four on
//! 10hh 0102  the same 8 bytes of the names whose hash is hh, with the checksum of a text in place of its offset
//! ```

use crate::format::bytes::{low32, wide};
use crate::format::crc::crc;
use crate::format::ids::{PropTag, PropType};
use crate::format::types::Guid;
use crate::ltp::{NAMED_FIRST, NameKind, PropertyName, encode_utf16};
use std::collections::{BTreeMap, HashMap};

/// Names in the order of their ids.
#[derive(Default)]
pub(super) struct Names {
    ids: HashMap<PropertyName, u16>,
    order: Vec<PropertyName>,
}

impl Names {
    /// The id of a name, a new one where it has none yet; `None` where there are too many.
    pub(super) fn id(&mut self, name: &PropertyName) -> Option<u16> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let id = u16::try_from(self.order.len()).ok()?.checked_add(NAMED_FIRST).filter(|id| *id < 0xFFFF)?;
        self.ids.insert(name.clone(), id);
        self.order.push(name.clone());
        Some(id)
    }

    /// The streams of the storage, by name.
    pub(super) fn streams(&self) -> Vec<(String, Vec<u8>)> {
        let (mut sets, mut texts, mut entries) = (Vec::<Guid>::new(), Vec::new(), Vec::new());
        let mut hashed: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (index, name) in (0_u16..).zip(&self.order) {
            let set = match name.set {
                Guid::PS_MAPI => 1,
                Guid::PS_PUBLIC_STRINGS => 2,
                other => {
                    let at = sets.iter().position(|s| *s == other).unwrap_or_else(|| {
                        sets.push(other);
                        sets.len().saturating_sub(1)
                    });
                    u16::try_from(at).unwrap_or(u16::MAX).saturating_add(3)
                }
            };
            let (stored, sum, is_text) = match &name.kind {
                NameKind::Number(lid) => (*lid, *lid, 0),
                NameKind::Name(text) => {
                    let bytes = encode_utf16(text);
                    let offset = low32(wide(texts.len()));
                    texts.extend(low32(wide(bytes.len())).to_le_bytes());
                    texts.extend(&bytes);
                    texts.resize(texts.len().next_multiple_of(4), 0);
                    (offset, crc(&bytes), 1)
                }
            };
            let kind = set.saturating_mul(2) | is_text;
            let entry = |first: u32| [&first.to_le_bytes()[..], &kind.to_le_bytes(), &index.to_le_bytes()].concat();
            entries.extend(entry(stored));
            let bucket = (sum ^ u32::from(kind)).checked_rem(0x1F).unwrap_or(0);
            hashed.entry(bucket).or_default().extend(entry(sum));
        }
        let name = |id: u16| format!("__substg1.0_{:08X}", PropTag::new(id, PropType::BINARY).0);
        let mut out = vec![(name(2), sets.iter().flat_map(|s| s.0).collect()), (name(3), entries), (name(4), texts)];
        out.extend(hashed.into_iter().map(|(bucket, bytes)| (name(u16::try_from(bucket).unwrap_or(0).saturating_add(0x1000)), bytes)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_checksum_and_the_stream_that_outlook_gives_it() {
        let mut names = Names::default();
        assert_eq!(names.id(&PropertyName::name(Guid::PS_INTERNET_HEADERS, "x-mailer")), Some(0x8000));
        assert_eq!(names.id(&PropertyName::number(Guid::PSETID_APPOINTMENT, 0x820D)), Some(0x8001));
        assert_eq!(names.id(&PropertyName::name(Guid::PS_INTERNET_HEADERS, "x-mailer")), Some(0x8000));
        let streams: BTreeMap<_, _> = names.streams().into_iter().collect();
        let mailer = &streams["__substg1.0_100F0102"];
        assert_eq!(mailer[..8], [0x89, 0x4E, 0x50, 0xFF, 7, 0, 0, 0]);
        assert_eq!(streams["__substg1.0_00020102"].len(), 32);
        assert_eq!(streams["__substg1.0_00030102"], [0, 0, 0, 0, 7, 0, 0, 0, 0x0D, 0x82, 0, 0, 8, 0, 1, 0]);
        assert_eq!(streams["__substg1.0_00040102"][..6], [16, 0, 0, 0, b'x', 0]);
    }
}
