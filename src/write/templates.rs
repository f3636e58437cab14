//! Columns of the tables that every store has, in the order in which Outlook creates them.
//!
//! The order decides places and bits of cells ([`TcInfo::arrange`](crate::format::context::TcInfo::arrange)); row id and row version
//! come first in each and are left out here.

use crate::format::header::FileKind;
use crate::format::ids::{Nid, PropTag, PropType};
use crate::format::tags::*;

/// Hierarchy tables.
pub(crate) const HIERARCHY: &[PropTag] = &[
    DISPLAY_NAME,
    CONTENT_COUNT,
    CONTENT_UNREAD_COUNT,
    SUBFOLDERS,
    REPL_ITEM_ID,
    REPL_CHANGE_NUMBER,
    REPL_VERSION_HISTORY,
    REPL_FLAGS,
    CONTAINER_CLASS,
    PST_HIDDEN_COUNT,
    PST_HIDDEN_UNREAD,
];

/// Contents tables.
pub(crate) const CONTENTS: &[PropTag] = &[
    MESSAGE_STATUS,
    MESSAGE_CLASS,
    MESSAGE_FLAGS,
    IMPORTANCE,
    SENT_REPRESENTING_NAME,
    SUBJECT,
    MESSAGE_DELIVERY_TIME,
    CLIENT_SUBMIT_TIME,
    MESSAGE_SIZE,
    DISPLAY_TO,
    DISPLAY_CC,
    MESSAGE_TO_ME,
    MESSAGE_CC_ME,
    SENSITIVITY,
    ITEM_TEMPORARY_FLAGS,
    CONVERSATION_TOPIC,
    CONVERSATION_INDEX,
    CONVERSATION_ID,
    SECURE_SUBMIT_FLAGS,
    LAST_MODIFICATION_TIME,
    REPL_ITEM_ID,
    REPL_CHANGE_NUMBER,
    REPL_VERSION_HISTORY,
    REPL_COPIED_FROM_ITEM_ID,
    REPL_COPIED_FROM_VERSION_HISTORY,
    REPL_FLAGS,
];

/// Associated contents tables.
pub(crate) const ASSOCIATED: &[PropTag] = &[
    MESSAGE_STATUS,
    MESSAGE_CLASS,
    MESSAGE_FLAGS,
    DISPLAY_NAME,
    VIEW_DESCRIPTOR_FLAGS,
    VIEW_DESCRIPTOR_LINK_TO,
    VIEW_DESCRIPTOR_VIEW_FOLDER,
    VIEW_DESCRIPTOR_NAME,
    VIEW_DESCRIPTOR_VERSION,
    OFFLINE_ADDRESS_BOOK_NAME,
    SEND_OUTLOOK_RECALL_REPORT,
    OFFLINE_ADDRESS_BOOK_TRUNCATED_PROPERTIES,
    PropTag::new(0x682F, PropType::STRING),
];

/// Contents tables of search folders.
pub(crate) const SEARCH_CONTENTS: &[PropTag] = &[
    LTP_PARENT_NID,
    PARENT_DISPLAY,
    MESSAGE_STATUS,
    MESSAGE_CLASS,
    MESSAGE_FLAGS,
    IMPORTANCE,
    SENT_REPRESENTING_NAME,
    SUBJECT,
    MESSAGE_DELIVERY_TIME,
    MESSAGE_SIZE,
    DISPLAY_TO,
    DISPLAY_CC,
    MESSAGE_TO_ME,
    MESSAGE_CC_ME,
    SENSITIVITY,
    EXCHANGE_REMOTE_HEADER,
    LAST_MODIFICATION_TIME,
];

/// The receive folder table.
pub(crate) const RECEIVE_FOLDER: &[PropTag] = &[RECEIVE_FOLDER_NID, MESSAGE_CLASS];

/// The outgoing queue.
pub(crate) const OUTGOING_QUEUE: &[PropTag] = &[SUBMIT_FLAGS, SPOOLER_STATUS, CLIENT_SUBMIT_TIME];

/// Attachment tables.
pub(crate) const ATTACHMENTS: &[PropTag] = &[RENDERING_POSITION, ATTACH_SIZE, ATTACH_METHOD, ATTACH_FILENAME];

/// Recipient tables.
pub(crate) const RECIPIENTS: &[PropTag] = &[
    RESPONSIBILITY,
    ADDRESS_TYPE,
    EMAIL_ADDRESS,
    ENTRY_ID,
    DISPLAY_NAME,
    RECIPIENT_TYPE,
    SEARCH_KEY,
    RECORD_KEY,
    OBJECT_TYPE,
    PropTag::new(0x3900, PropType::INTEGER32),
    PropTag::new(0x3A40, PropType::BOOLEAN),
    PropTag::new(0x39FF, PropType::STRING),
];

/// The replication table 0x6B6.
pub(crate) const REPLICATION: &[PropTag] = &[REPL_CHANGE_NUMBER, REPL_TOMBSTONE, REPL_FLAGS];

/// The replication table 0x6D7.
pub(crate) const REPLICATION_17: &[PropTag] =
    &[REPL_ITEM_SERVER_ID, REPL_SERVER_ID, REPL_ITEM_ID, REPL_FLAGS, REPL_VERSION_HISTORY, REPL_CHANGE_NUMBER, MESSAGE_CLASS];

/// The replication table 0x6F8.
pub(crate) const REPLICATION_18: &[PropTag] = &[CREATION_TIME, REPL_CHANGE_NUMBER];

/// The nodes of tables that have no rows in a new store, and their columns.
pub(crate) const TEMPLATES: &[(Nid, &[PropTag])] = &[
    (Nid::HIERARCHY_TABLE_TEMPLATE, HIERARCHY),
    (Nid::CONTENTS_TABLE_TEMPLATE, CONTENTS),
    (Nid::ASSOC_CONTENTS_TABLE_TEMPLATE, ASSOCIATED),
    (Nid::SEARCH_CONTENTS_TABLE_TEMPLATE, SEARCH_CONTENTS),
    (Nid::OUTGOING_QUEUE_TABLE, OUTGOING_QUEUE),
    (Nid::ATTACHMENT_TABLE, ATTACHMENTS),
    (Nid::RECIPIENT_TABLE, RECIPIENTS),
    (Nid::REPLICATION_TABLE, REPLICATION),
    (Nid::REPLICATION_TABLE_17, REPLICATION_17),
    (Nid::REPLICATION_TABLE_18, REPLICATION_18),
];

/// Columns by which Outlook synchronises the messages of a PST; in an OST the server's ids do that, and contents tables lack them.
const OF_PST_MESSAGES: [PropTag; 5] =
    [REPL_ITEM_ID, REPL_CHANGE_NUMBER, REPL_VERSION_HISTORY, REPL_COPIED_FROM_ITEM_ID, REPL_COPIED_FROM_VERSION_HISTORY];

/// Columns that every table modelled on this template has in such a file.
pub(super) fn template_columns(template: Nid, ansi: bool, kind: FileKind) -> Vec<PropTag> {
    let columns = TEMPLATES.iter().find(|(nid, _)| *nid == template).map(|(_, c)| *c).unwrap_or_default();
    let mut columns = columns_for(ansi, columns);
    if kind == FileKind::Ost && template == Nid::CONTENTS_TABLE_TEMPLATE {
        columns.retain(|t| !OF_PST_MESSAGES.contains(t));
    }
    columns
}

/// Columns as a file has them: texts are of 8 bits in ANSI files.
pub(crate) fn columns_for(ansi: bool, columns: &[PropTag]) -> Vec<PropTag> {
    columns
        .iter()
        .map(|t| match t.prop_type() {
            PropType::STRING if ansi => t.with_type(PropType::STRING8),
            PropType::MULTI_STRING if ansi => t.with_type(PropType::MULTI_STRING8),
            _ => *t,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::context::TcInfo;

    #[test]
    fn rows_are_laid_out_as_in_a_real_store() {
        let ends = |columns: &[PropTag]| {
            let all: Vec<PropTag> = [LTP_ROW_ID, LTP_ROW_VER].into_iter().chain(columns.iter().copied()).collect();
            (all.len(), TcInfo::arrange(&all).ends)
        };
        assert_eq!(ends(HIERARCHY), (13, [52, 52, 53, 55]));
        assert_eq!(ends(CONTENTS), (28, [120, 120, 122, 126]));
        assert_eq!(ends(ASSOCIATED), (15, [56, 56, 57, 59]));
        assert_eq!(ends(SEARCH_CONTENTS), (19, [72, 72, 75, 78]));
        assert_eq!(ends(RECEIVE_FOLDER), (4, [16, 16, 16, 17]));
        assert_eq!(ends(OUTGOING_QUEUE), (5, [24, 24, 24, 25]));
        assert_eq!(ends(ATTACHMENTS), (6, [24, 24, 24, 25]));
        assert_eq!(ends(RECIPIENTS), (14, [48, 48, 50, 52]));
        assert_eq!(ends(REPLICATION), (5, [24, 24, 24, 25]));
        assert_eq!(ends(REPLICATION_17), (9, [40, 40, 40, 42]));
        assert_eq!(ends(REPLICATION_18), (4, [24, 24, 24, 25]));
    }

    #[test]
    fn cells_stand_where_a_real_store_has_them() {
        let all: Vec<PropTag> = [LTP_ROW_ID, LTP_ROW_VER].into_iter().chain(CONTENTS.iter().copied()).collect();
        let info = TcInfo::arrange(&all);
        let place = |tag: u32| info.columns.iter().find(|c| c.tag.0 == tag).map(|c| (c.offset, c.bit)).unwrap();
        for (tag, at) in [
            (0x0E17_0003, (8, 2)),
            (0x0017_0003, (20, 5)),
            (0x0E06_0040, (32, 8)),
            (0x0057_000B, (120, 13)),
            (0x0058_000B, (121, 14)),
            (0x0071_0102, (72, 18)),
            (0x3013_0102, (76, 19)),
            (0x3008_0040, (84, 21)),
            (0x0E33_0014, (96, 23)),
            (0x0E38_0003, (116, 27)),
        ] {
            assert_eq!(place(tag), at, "{tag:#x}");
        }
        let all: Vec<PropTag> = [LTP_ROW_ID, LTP_ROW_VER].into_iter().chain(RECIPIENTS.iter().copied()).collect();
        let info = TcInfo::arrange(&all);
        assert!(info.columns.iter().any(|c| c.tag.0 == 0x39FF_001F && (c.offset, c.bit) == (44, 13)));
        assert!(info.columns.iter().any(|c| c.tag.0 == 0x3A40_000B && (c.offset, c.bit) == (49, 12)));
    }
}
