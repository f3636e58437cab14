//! The conversation of a message, as rows of contents tables bear it and Outlook's message index is ordered by (not documented).
//!
//! ```text
//! id    the 16 bytes behind the time in PidTagConversationIndex where PidTagConversationIndexTracking is set,
//!       else the MD5 of the topic in capitals, as UTF-16
//! key   0xFFFF0000 ^ id[0] << 15 ^ id[1] << 14 ^ ... ^ id[15]; of a message without a conversation 0xFFFFFFFF
//! ```

use md5::{Digest, Md5};

/// The id of the conversation that a message's row bears: that of the conversation index where Outlook tracks it, else a digest of
/// the topic.
pub(crate) fn conversation_id(is_tracked: bool, index: Option<&[u8]>, topic: Option<&str>) -> Option<[u8; 16]> {
    if is_tracked
        && let Some(index) = index
        && index.first() == Some(&1)
        && let Some(id) = crate::format::bytes::array_at(index, 6)
    {
        return Some(id);
    }
    let topic = topic?;
    if topic.is_empty() || topic.encode_utf16().count() >= 256 {
        return None;
    }
    // One character becomes one: no ß to SS.
    let upper = topic.chars().map(|c| {
        let mut up = c.to_uppercase();
        match (up.next(), up.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    });
    let mut digest = Md5::new();
    let mut units = [0; 2];
    for c in upper {
        for unit in c.encode_utf16(&mut units) {
            digest.update(unit.to_le_bytes());
        }
    }
    Some(digest.finalize().into())
}

/// The key of a conversation in the message index.
pub(crate) fn index_key(conversation: Option<[u8; 16]>) -> u32 {
    match conversation {
        None => u32::MAX,
        Some(id) => id.iter().zip((0..16u32).rev()).fold(0xFFFF_0000, |key, (b, shift)| key ^ u32::from(*b) << shift),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_key_of_a_known_conversation() {
        // a real store: conversation 265A36B5-9408-4506-A9D0-F322FB304BE7 is in bucket FFF367A9
        let id = [0xB5, 0x36, 0x5A, 0x26, 0x08, 0x94, 0x06, 0x45, 0xA9, 0xD0, 0xF3, 0x22, 0xFB, 0x30, 0x4B, 0xE7];
        let other = [0x26, 0x5A, 0x36, 0xB5, 0x94, 0x08, 0x45, 0x06, 0xA9, 0xD0, 0xF3, 0x22, 0xFB, 0x30, 0x4B, 0xE7];
        assert!([index_key(Some(id)), index_key(Some(other))].contains(&0xFFF3_67A9));
        assert_eq!(index_key(None), u32::MAX);
    }

    #[test]
    fn the_conversation_of_a_topic_is_its_digest() {
        let capitals: Vec<u8> = "GRÖßE".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let want: [u8; 16] = Md5::digest(capitals).into();
        assert_eq!(conversation_id(false, None, Some("Größe")), Some(want));
        assert_eq!(conversation_id(false, None, Some("")), None);
        let index: Vec<u8> = (1..=22).collect();
        assert_eq!(conversation_id(true, Some(&index), Some("Größe")).unwrap()[0], 7);
        assert_eq!(conversation_id(true, Some(&index[..10]), Some("Größe")), Some(want));
    }
}
