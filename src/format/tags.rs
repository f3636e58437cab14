//! Property tags by name ([MS-OXPROPS]; those of stores themselves: [MS-PST] 2.4, 2.5).
//!
//! The constants bear the type that a Unicode store uses; an ANSI store has `PtypString8` where it says `PtypString`. Names that begin
//! with `Pid` are canonical, the others are this crate's for properties that no document names. Inside the named-property map (node
//! 0x61) ids 1 to 4 have a meaning of their own.

use super::ids::{PropTag, PropType};

macro_rules! tags {
    ($($id:ident = $value:literal $kind:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $id: PropTag = PropTag::new($value, PropType::$kind);
        )*

        /// Every known tag with its name, in the order of the tags' ids.
        pub static ALL: &[(PropTag, &str)] = &[$(($id, $name)),*];
    };
}

tags! {
    NAME_BUCKET_COUNT = 0x0001 INTEGER32 "PidTagNameidBucketCount";
    NAME_STREAM_GUID = 0x0002 BINARY "PidTagNameidStreamGuid";
    NAME_STREAM_ENTRY = 0x0003 BINARY "PidTagNameidStreamEntry";
    NAME_STREAM_STRING = 0x0004 BINARY "PidTagNameidStreamString";
    DEFERRED_DELIVERY_TIME = 0x000F TIME "PidTagDeferredDeliveryTime";
    EXPIRY_TIME = 0x0015 TIME "PidTagExpiryTime";
    IMPORTANCE = 0x0017 INTEGER32 "PidTagImportance";
    MESSAGE_CLASS = 0x001A STRING "PidTagMessageClass";
    ORIGINATOR_DELIVERY_REPORT_REQUESTED = 0x0023 BOOLEAN "PidTagOriginatorDeliveryReportRequested";
    PRIORITY = 0x0026 INTEGER32 "PidTagPriority";
    READ_RECEIPT_REQUESTED = 0x0029 BOOLEAN "PidTagReadReceiptRequested";
    RECIPIENT_REASSIGNMENT_PROHIBITED = 0x002B BOOLEAN "PidTagRecipientReassignmentProhibited";
    ORIGINAL_SENSITIVITY = 0x002E INTEGER32 "PidTagOriginalSensitivity";
    REPLY_TIME = 0x0030 TIME "PidTagReplyTime";
    REPORT_TAG = 0x0031 BINARY "PidTagReportTag";
    REPORT_TIME = 0x0032 TIME "PidTagReportTime";
    SENSITIVITY = 0x0036 INTEGER32 "PidTagSensitivity";
    SUBJECT = 0x0037 STRING "PidTagSubject";
    CLIENT_SUBMIT_TIME = 0x0039 TIME "PidTagClientSubmitTime";
    REPORT_NAME = 0x003A STRING "PidTagReportName";
    SENT_REPRESENTING_SEARCH_KEY = 0x003B BINARY "PidTagSentRepresentingSearchKey";
    SUBJECT_PREFIX = 0x003D STRING "PidTagSubjectPrefix";
    RECEIVED_BY_ENTRY_ID = 0x003F BINARY "PidTagReceivedByEntryId";
    RECEIVED_BY_NAME = 0x0040 STRING "PidTagReceivedByName";
    SENT_REPRESENTING_ENTRY_ID = 0x0041 BINARY "PidTagSentRepresentingEntryId";
    SENT_REPRESENTING_NAME = 0x0042 STRING "PidTagSentRepresentingName";
    RECEIVED_REPRESENTING_ENTRY_ID = 0x0043 BINARY "PidTagReceivedRepresentingEntryId";
    RECEIVED_REPRESENTING_NAME = 0x0044 STRING "PidTagReceivedRepresentingName";
    REPORT_ENTRY_ID = 0x0045 BINARY "PidTagReportEntryId";
    READ_RECEIPT_ENTRY_ID = 0x0046 BINARY "PidTagReadReceiptEntryId";
    MESSAGE_SUBMISSION_ID = 0x0047 BINARY "PidTagMessageSubmissionId";
    ORIGINAL_SUBJECT = 0x0049 STRING "PidTagOriginalSubject";
    ORIGINAL_MESSAGE_CLASS = 0x004B STRING "PidTagOriginalMessageClass";
    ORIGINAL_AUTHOR_NAME = 0x004D STRING "PidTagOriginalAuthorName";
    ORIGINAL_SUBMIT_TIME = 0x004E TIME "PidTagOriginalSubmitTime";
    REPLY_RECIPIENT_ENTRIES = 0x004F BINARY "PidTagReplyRecipientEntries";
    REPLY_RECIPIENT_NAMES = 0x0050 STRING "PidTagReplyRecipientNames";
    RECEIVED_BY_SEARCH_KEY = 0x0051 BINARY "PidTagReceivedBySearchKey";
    RECEIVED_REPRESENTING_SEARCH_KEY = 0x0052 BINARY "PidTagReceivedRepresentingSearchKey";
    READ_RECEIPT_SEARCH_KEY = 0x0053 BINARY "PidTagReadReceiptSearchKey";
    MESSAGE_TO_ME = 0x0057 BOOLEAN "PidTagMessageToMe";
    MESSAGE_CC_ME = 0x0058 BOOLEAN "PidTagMessageCcMe";
    ORIGINAL_SENDER_NAME = 0x005A STRING "PidTagOriginalSenderName";
    ORIGINAL_SENT_REPRESENTING_NAME = 0x005D STRING "PidTagOriginalSentRepresentingName";
    START_DATE = 0x0060 TIME "PidTagStartDate";
    END_DATE = 0x0061 TIME "PidTagEndDate";
    OWNER_APPOINTMENT_ID = 0x0062 INTEGER32 "PidTagOwnerAppointmentId";
    RESPONSE_REQUESTED = 0x0063 BOOLEAN "PidTagResponseRequested";
    SENT_REPRESENTING_ADDRESS_TYPE = 0x0064 STRING "PidTagSentRepresentingAddressType";
    SENT_REPRESENTING_EMAIL_ADDRESS = 0x0065 STRING "PidTagSentRepresentingEmailAddress";
    ORIGINAL_SENDER_ADDRESS_TYPE = 0x0066 STRING "PidTagOriginalSenderAddressType";
    ORIGINAL_SENDER_EMAIL_ADDRESS = 0x0067 STRING "PidTagOriginalSenderEmailAddress";
    CONVERSATION_TOPIC = 0x0070 STRING "PidTagConversationTopic";
    CONVERSATION_INDEX = 0x0071 BINARY "PidTagConversationIndex";
    ORIGINAL_DISPLAY_BCC = 0x0072 STRING "PidTagOriginalDisplayBcc";
    ORIGINAL_DISPLAY_CC = 0x0073 STRING "PidTagOriginalDisplayCc";
    ORIGINAL_DISPLAY_TO = 0x0074 STRING "PidTagOriginalDisplayTo";
    RECEIVED_BY_ADDRESS_TYPE = 0x0075 STRING "PidTagReceivedByAddressType";
    RECEIVED_BY_EMAIL_ADDRESS = 0x0076 STRING "PidTagReceivedByEmailAddress";
    RECEIVED_REPRESENTING_ADDRESS_TYPE = 0x0077 STRING "PidTagReceivedRepresentingAddressType";
    RECEIVED_REPRESENTING_EMAIL_ADDRESS = 0x0078 STRING "PidTagReceivedRepresentingEmailAddress";
    TRANSPORT_MESSAGE_HEADERS = 0x007D STRING "PidTagTransportMessageHeaders";
    TNEF_CORRELATION_KEY = 0x007F BINARY "PidTagTnefCorrelationKey";
    REPORT_DISPOSITION = 0x0080 STRING "PidTagReportDisposition";
    REPORT_DISPOSITION_MODE = 0x0081 STRING "PidTagReportDispositionMode";
    NON_DELIVERY_REPORT_REASON_CODE = 0x0C04 INTEGER32 "PidTagNonDeliveryReportReasonCode";
    NON_DELIVERY_REPORT_DIAG_CODE = 0x0C05 INTEGER32 "PidTagNonDeliveryReportDiagCode";
    NON_RECEIPT_NOTIFICATION_REQUESTED = 0x0C06 BOOLEAN "PidTagNonReceiptNotificationRequested";
    RECIPIENT_TYPE = 0x0C15 INTEGER32 "PidTagRecipientType";
    REPLY_REQUESTED = 0x0C17 BOOLEAN "PidTagReplyRequested";
    SENDER_ENTRY_ID = 0x0C19 BINARY "PidTagSenderEntryId";
    SENDER_NAME = 0x0C1A STRING "PidTagSenderName";
    SUPPLEMENTARY_INFO = 0x0C1B STRING "PidTagSupplementaryInfo";
    SENDER_SEARCH_KEY = 0x0C1D BINARY "PidTagSenderSearchKey";
    SENDER_ADDRESS_TYPE = 0x0C1E STRING "PidTagSenderAddressType";
    SENDER_EMAIL_ADDRESS = 0x0C1F STRING "PidTagSenderEmailAddress";
    DELETE_AFTER_SUBMIT = 0x0E01 BOOLEAN "PidTagDeleteAfterSubmit";
    DISPLAY_BCC = 0x0E02 STRING "PidTagDisplayBcc";
    DISPLAY_CC = 0x0E03 STRING "PidTagDisplayCc";
    DISPLAY_TO = 0x0E04 STRING "PidTagDisplayTo";
    PARENT_DISPLAY = 0x0E05 STRING "PidTagParentDisplay";
    MESSAGE_DELIVERY_TIME = 0x0E06 TIME "PidTagMessageDeliveryTime";
    MESSAGE_FLAGS = 0x0E07 INTEGER32 "PidTagMessageFlags";
    MESSAGE_SIZE = 0x0E08 INTEGER32 "PidTagMessageSize";
    PARENT_ENTRY_ID = 0x0E09 BINARY "PidTagParentEntryId";
    SENT_MAIL_ENTRY_ID = 0x0E0A BINARY "PidTagSentMailEntryId";
    RESPONSIBILITY = 0x0E0F BOOLEAN "PidTagResponsibility";
    SPOOLER_STATUS = 0x0E10 INTEGER32 "PidTagSpoolerStatus";
    SUBMIT_FLAGS = 0x0E14 INTEGER32 "PidTagSubmitFlags";
    MESSAGE_STATUS = 0x0E17 INTEGER32 "PidTagMessageStatus";
    HAS_ATTACHMENTS = 0x0E1B BOOLEAN "PidTagHasAttachments";
    NORMALIZED_SUBJECT = 0x0E1D STRING "PidTagNormalizedSubject";
    RTF_IN_SYNC = 0x0E1F BOOLEAN "PidTagRtfInSync";
    ATTACH_SIZE = 0x0E20 INTEGER32 "PidTagAttachSize";
    ATTACH_NUMBER = 0x0E21 INTEGER32 "PidTagAttachNumber";
    INTERNET_ARTICLE_NUMBER = 0x0E23 INTEGER32 "PidTagInternetArticleNumber";
    PRIMARY_SEND_ACCOUNT = 0x0E28 STRING "PidTagPrimarySendAccount";
    NEXT_SEND_ACCOUNT = 0x0E29 STRING "PidTagNextSendAcct";
    EXCHANGE_REMOTE_HEADER = 0x0E2A BOOLEAN "ExchangeRemoteHeader";
    TODO_ITEM_FLAGS = 0x0E2B INTEGER32 "PidTagToDoItemFlags";
    SWAPPED_TODO_STORE = 0x0E2C BINARY "PidTagSwappedToDoStore";
    SWAPPED_TODO_DATA = 0x0E2D BINARY "PidTagSwappedToDoData";
    REPL_ITEM_ID = 0x0E30 BINARY "PidTagReplItemid";
    REPL_SERVER_ID = 0x0E31 BINARY "ReplServerId";
    REPL_CHANGE_NUMBER = 0x0E33 INTEGER64 "PidTagReplChangenum";
    REPL_VERSION_HISTORY = 0x0E34 BINARY "PidTagReplVersionHistory";
    REPL_TOMBSTONE = 0x0E37 BINARY "ReplTombstone";
    REPL_FLAGS = 0x0E38 INTEGER32 "PidTagReplFlags";
    REPL_COPIED_FROM_VERSION_HISTORY = 0x0E3C BINARY "PidTagReplCopiedfromVersionhistory";
    REPL_COPIED_FROM_ITEM_ID = 0x0E3D BINARY "PidTagReplCopiedfromItemid";
    REPL_ITEM_SERVER_ID = 0x0E3E BINARY "ReplItemServerId";
    READ = 0x0E69 BOOLEAN "PidTagRead";
    ACCESS = 0x0FF4 INTEGER32 "PidTagAccess";
    ROW_TYPE = 0x0FF5 INTEGER32 "PidTagRowType";
    INSTANCE_KEY = 0x0FF6 BINARY "PidTagInstanceKey";
    ACCESS_LEVEL = 0x0FF7 INTEGER32 "PidTagAccessLevel";
    MAPPING_SIGNATURE = 0x0FF8 BINARY "PidTagMappingSignature";
    RECORD_KEY = 0x0FF9 BINARY "PidTagRecordKey";
    STORE_RECORD_KEY = 0x0FFA BINARY "PidTagStoreRecordKey";
    STORE_ENTRY_ID = 0x0FFB BINARY "PidTagStoreEntryId";
    OBJECT_TYPE = 0x0FFE INTEGER32 "PidTagObjectType";
    ENTRY_ID = 0x0FFF BINARY "PidTagEntryId";
    BODY = 0x1000 STRING "PidTagBody";
    REPORT_TEXT = 0x1001 STRING "PidTagReportText";
    RTF_SYNC_BODY_CRC = 0x1006 INTEGER32 "PidTagRtfSyncBodyCrc";
    RTF_SYNC_BODY_COUNT = 0x1007 INTEGER32 "PidTagRtfSyncBodyCount";
    RTF_SYNC_BODY_TAG = 0x1008 STRING "PidTagRtfSyncBodyTag";
    RTF_COMPRESSED = 0x1009 BINARY "PidTagRtfCompressed";
    RTF_SYNC_PREFIX_COUNT = 0x1010 INTEGER32 "PidTagRtfSyncPrefixCount";
    RTF_SYNC_TRAILING_COUNT = 0x1011 INTEGER32 "PidTagRtfSyncTrailingCount";
    HTML = 0x1013 BINARY "PidTagHtml";
    BODY_CONTENT_LOCATION = 0x1014 STRING "PidTagBodyContentLocation";
    BODY_CONTENT_ID = 0x1015 STRING "PidTagBodyContentId";
    NATIVE_BODY = 0x1016 INTEGER32 "PidTagNativeBody";
    INTERNET_MESSAGE_ID = 0x1035 STRING "PidTagInternetMessageId";
    INTERNET_REFERENCES = 0x1039 STRING "PidTagInternetReferences";
    IN_REPLY_TO_ID = 0x1042 STRING "PidTagInReplyToId";
    LIST_HELP = 0x1043 STRING "PidTagListHelp";
    LIST_SUBSCRIBE = 0x1044 STRING "PidTagListSubscribe";
    LIST_UNSUBSCRIBE = 0x1045 STRING "PidTagListUnsubscribe";
    ORIGINAL_MESSAGE_ID = 0x1046 STRING "PidTagOriginalMessageId";
    ICON_INDEX = 0x1080 INTEGER32 "PidTagIconIndex";
    LAST_VERB_EXECUTED = 0x1081 INTEGER32 "PidTagLastVerbExecuted";
    LAST_VERB_EXECUTION_TIME = 0x1082 TIME "PidTagLastVerbExecutionTime";
    FLAG_STATUS = 0x1090 INTEGER32 "PidTagFlagStatus";
    FLAG_COMPLETE_TIME = 0x1091 TIME "PidTagFlagCompleteTime";
    FOLLOWUP_ICON = 0x1095 INTEGER32 "PidTagFollowupIcon";
    BLOCK_STATUS = 0x1096 INTEGER32 "PidTagBlockStatus";
    ITEM_TEMPORARY_FLAGS = 0x1097 INTEGER32 "PidTagItemTemporaryFlags";
    CONFLICT_ITEMS = 0x1098 MULTI_BINARY "PidTagConflictItems";
    ATTRIBUTE_HIDDEN = 0x10F4 BOOLEAN "PidTagAttributeHidden";
    ATTRIBUTE_SYSTEM = 0x10F5 BOOLEAN "PidTagAttributeSystem";
    ATTRIBUTE_READ_ONLY = 0x10F6 BOOLEAN "PidTagAttributeReadOnly";
    ROW_ID = 0x3000 INTEGER32 "PidTagRowid";
    DISPLAY_NAME = 0x3001 STRING "PidTagDisplayName";
    ADDRESS_TYPE = 0x3002 STRING "PidTagAddressType";
    EMAIL_ADDRESS = 0x3003 STRING "PidTagEmailAddress";
    COMMENT = 0x3004 STRING "PidTagComment";
    DEPTH = 0x3005 INTEGER32 "PidTagDepth";
    CREATION_TIME = 0x3007 TIME "PidTagCreationTime";
    LAST_MODIFICATION_TIME = 0x3008 TIME "PidTagLastModificationTime";
    SEARCH_KEY = 0x300B BINARY "PidTagSearchKey";
    TARGET_ENTRY_ID = 0x3010 BINARY "PidTagTargetEntryId";
    CONVERSATION_ID = 0x3013 BINARY "PidTagConversationId";
    CONVERSATION_INDEX_TRACKING = 0x3016 BOOLEAN "PidTagConversationIndexTracking";
    ARCHIVE_TAG = 0x3018 BINARY "PidTagArchiveTag";
    POLICY_TAG = 0x3019 BINARY "PidTagPolicyTag";
    RETENTION_PERIOD = 0x301A INTEGER32 "PidTagRetentionPeriod";
    START_DATE_ETC = 0x301B BINARY "PidTagStartDateEtc";
    RETENTION_DATE = 0x301C TIME "PidTagRetentionDate";
    RETENTION_FLAGS = 0x301D INTEGER32 "PidTagRetentionFlags";
    ARCHIVE_PERIOD = 0x301E INTEGER32 "PidTagArchivePeriod";
    ARCHIVE_DATE = 0x301F TIME "PidTagArchiveDate";
    STORE_SUPPORT_MASK = 0x340D INTEGER32 "PidTagStoreSupportMask";
    STORE_STATE = 0x340E INTEGER32 "PidTagStoreState";
    STORE_PROVIDER = 0x3414 BINARY "PidTagStoreProvider";
    RECEIVE_FOLDER_SETTINGS = 0x3415 OBJECT "ReceiveFolderSettings";
    IPM_PUBLIC_FOLDERS_ENTRY_ID = 0x3416 BINARY "IpmPublicFoldersEntryId";
    VALID_FOLDER_MASK = 0x35DF INTEGER32 "PidTagValidFolderMask";
    IPM_SUBTREE_ENTRY_ID = 0x35E0 BINARY "PidTagIpmSubtreeEntryId";
    IPM_INBOX_ENTRY_ID = 0x35E1 BINARY "IpmInboxEntryId";
    IPM_OUTBOX_ENTRY_ID = 0x35E2 BINARY "PidTagIpmOutboxEntryId";
    IPM_WASTEBASKET_ENTRY_ID = 0x35E3 BINARY "PidTagIpmWastebasketEntryId";
    IPM_SENT_MAIL_ENTRY_ID = 0x35E4 BINARY "PidTagIpmSentMailEntryId";
    VIEWS_ENTRY_ID = 0x35E5 BINARY "PidTagViewsEntryId";
    COMMON_VIEWS_ENTRY_ID = 0x35E6 BINARY "PidTagCommonViewsEntryId";
    FINDER_ENTRY_ID = 0x35E7 BINARY "PidTagFinderEntryId";
    CONTAINER_FLAGS = 0x3600 INTEGER32 "PidTagContainerFlags";
    FOLDER_TYPE = 0x3601 INTEGER32 "PidTagFolderType";
    CONTENT_COUNT = 0x3602 INTEGER32 "PidTagContentCount";
    CONTENT_UNREAD_COUNT = 0x3603 INTEGER32 "PidTagContentUnreadCount";
    SELECTABLE = 0x3609 BOOLEAN "PidTagSelectable";
    SUBFOLDERS = 0x360A BOOLEAN "PidTagSubfolders";
    CONTAINER_HIERARCHY = 0x360E OBJECT "PidTagContainerHierarchy";
    CONTAINER_CONTENTS = 0x360F OBJECT "PidTagContainerContents";
    FOLDER_ASSOCIATED_CONTENTS = 0x3610 OBJECT "PidTagFolderAssociatedContents";
    CONTAINER_CLASS = 0x3613 STRING "PidTagContainerClass";
    IPM_APPOINTMENT_ENTRY_ID = 0x36D0 BINARY "PidTagIpmAppointmentEntryId";
    IPM_CONTACT_ENTRY_ID = 0x36D1 BINARY "PidTagIpmContactEntryId";
    IPM_JOURNAL_ENTRY_ID = 0x36D2 BINARY "PidTagIpmJournalEntryId";
    IPM_NOTE_ENTRY_ID = 0x36D3 BINARY "PidTagIpmNoteEntryId";
    IPM_TASK_ENTRY_ID = 0x36D4 BINARY "PidTagIpmTaskEntryId";
    REMINDERS_ONLINE_ENTRY_ID = 0x36D5 BINARY "PidTagRemindersOnlineEntryId";
    IPM_DRAFTS_ENTRY_ID = 0x36D7 BINARY "PidTagIpmDraftsEntryId";
    ADDITIONAL_REN_ENTRY_IDS = 0x36D8 MULTI_BINARY "PidTagAdditionalRenEntryIds";
    ADDITIONAL_REN_ENTRY_IDS_EX = 0x36D9 BINARY "PidTagAdditionalRenEntryIdsEx";
    EXTENDED_FOLDER_FLAGS = 0x36DA BINARY "PidTagExtendedFolderFlags";
    ORDINAL_MOST = 0x36E2 INTEGER32 "PidTagOrdinalMost";
    FREE_BUSY_ENTRY_IDS = 0x36E4 MULTI_BINARY "PidTagFreeBusyEntryIds";
    DEFAULT_POST_MESSAGE_CLASS = 0x36E5 STRING "PidTagDefaultPostMessageClass";
    ATTACH_DATA_BINARY = 0x3701 BINARY "PidTagAttachDataBinary";
    ATTACH_DATA_OBJECT = 0x3701 OBJECT "PidTagAttachDataObject";
    ATTACH_ENCODING = 0x3702 BINARY "PidTagAttachEncoding";
    ATTACH_EXTENSION = 0x3703 STRING "PidTagAttachExtension";
    ATTACH_FILENAME = 0x3704 STRING "PidTagAttachFilename";
    ATTACH_METHOD = 0x3705 INTEGER32 "PidTagAttachMethod";
    ATTACH_LONG_FILENAME = 0x3707 STRING "PidTagAttachLongFilename";
    ATTACH_PATHNAME = 0x3708 STRING "PidTagAttachPathname";
    ATTACH_RENDERING = 0x3709 BINARY "PidTagAttachRendering";
    ATTACH_TAG = 0x370A BINARY "PidTagAttachTag";
    RENDERING_POSITION = 0x370B INTEGER32 "PidTagRenderingPosition";
    ATTACH_TRANSPORT_NAME = 0x370C STRING "PidTagAttachTransportName";
    ATTACH_LONG_PATHNAME = 0x370D STRING "PidTagAttachLongPathname";
    ATTACH_MIME_TAG = 0x370E STRING "PidTagAttachMimeTag";
    ATTACH_ADDITIONAL_INFORMATION = 0x370F BINARY "PidTagAttachAdditionalInformation";
    ATTACH_CONTENT_BASE = 0x3711 STRING "PidTagAttachContentBase";
    ATTACH_CONTENT_ID = 0x3712 STRING "PidTagAttachContentId";
    ATTACH_CONTENT_LOCATION = 0x3713 STRING "PidTagAttachContentLocation";
    ATTACH_FLAGS = 0x3714 INTEGER32 "PidTagAttachFlags";
    ATTACH_PAYLOAD_PROVIDER_GUID = 0x3719 STRING "PidTagAttachPayloadProviderGuidString";
    ATTACH_PAYLOAD_CLASS = 0x371A STRING "PidTagAttachPayloadClass";
    TEXT_ATTACHMENT_CHARSET = 0x371B STRING "PidTagTextAttachmentCharset";
    DISPLAY_TYPE = 0x3900 INTEGER32 "PidTagDisplayType";
    DISPLAY_TYPE_EX = 0x3905 INTEGER32 "PidTagDisplayTypeEx";
    SMTP_ADDRESS = 0x39FE STRING "PidTagSmtpAddress";
    ADDRESS_BOOK_DISPLAY_NAME_PRINTABLE = 0x39FF STRING "PidTagAddressBookDisplayNamePrintable";
    ACCOUNT = 0x3A00 STRING "PidTagAccount";
    CALLBACK_TELEPHONE_NUMBER = 0x3A02 STRING "PidTagCallbackTelephoneNumber";
    GENERATION = 0x3A05 STRING "PidTagGeneration";
    GIVEN_NAME = 0x3A06 STRING "PidTagGivenName";
    GOVERNMENT_ID_NUMBER = 0x3A07 STRING "PidTagGovernmentIdNumber";
    BUSINESS_TELEPHONE_NUMBER = 0x3A08 STRING "PidTagBusinessTelephoneNumber";
    HOME_TELEPHONE_NUMBER = 0x3A09 STRING "PidTagHomeTelephoneNumber";
    INITIALS = 0x3A0A STRING "PidTagInitials";
    KEYWORD = 0x3A0B STRING "PidTagKeyword";
    LANGUAGE = 0x3A0C STRING "PidTagLanguage";
    LOCATION = 0x3A0D STRING "PidTagLocation";
    SURNAME = 0x3A11 STRING "PidTagSurname";
    ORIGINAL_ENTRY_ID = 0x3A12 BINARY "PidTagOriginalEntryId";
    POSTAL_ADDRESS = 0x3A15 STRING "PidTagPostalAddress";
    COMPANY_NAME = 0x3A16 STRING "PidTagCompanyName";
    TITLE = 0x3A17 STRING "PidTagTitle";
    DEPARTMENT_NAME = 0x3A18 STRING "PidTagDepartmentName";
    OFFICE_LOCATION = 0x3A19 STRING "PidTagOfficeLocation";
    PRIMARY_TELEPHONE_NUMBER = 0x3A1A STRING "PidTagPrimaryTelephoneNumber";
    BUSINESS2_TELEPHONE_NUMBER = 0x3A1B STRING "PidTagBusiness2TelephoneNumber";
    MOBILE_TELEPHONE_NUMBER = 0x3A1C STRING "PidTagMobileTelephoneNumber";
    RADIO_TELEPHONE_NUMBER = 0x3A1D STRING "PidTagRadioTelephoneNumber";
    CAR_TELEPHONE_NUMBER = 0x3A1E STRING "PidTagCarTelephoneNumber";
    OTHER_TELEPHONE_NUMBER = 0x3A1F STRING "PidTagOtherTelephoneNumber";
    TRANSMITTABLE_DISPLAY_NAME = 0x3A20 STRING "PidTagTransmittableDisplayName";
    PAGER_TELEPHONE_NUMBER = 0x3A21 STRING "PidTagPagerTelephoneNumber";
    USER_CERTIFICATE = 0x3A22 BINARY "PidTagUserCertificate";
    PRIMARY_FAX_NUMBER = 0x3A23 STRING "PidTagPrimaryFaxNumber";
    BUSINESS_FAX_NUMBER = 0x3A24 STRING "PidTagBusinessFaxNumber";
    HOME_FAX_NUMBER = 0x3A25 STRING "PidTagHomeFaxNumber";
    COUNTRY = 0x3A26 STRING "PidTagCountry";
    LOCALITY = 0x3A27 STRING "PidTagLocality";
    STATE_OR_PROVINCE = 0x3A28 STRING "PidTagStateOrProvince";
    STREET_ADDRESS = 0x3A29 STRING "PidTagStreetAddress";
    POSTAL_CODE = 0x3A2A STRING "PidTagPostalCode";
    POST_OFFICE_BOX = 0x3A2B STRING "PidTagPostOfficeBox";
    TELEX_NUMBER = 0x3A2C STRING "PidTagTelexNumber";
    ISDN_NUMBER = 0x3A2D STRING "PidTagIsdnNumber";
    ASSISTANT_TELEPHONE_NUMBER = 0x3A2E STRING "PidTagAssistantTelephoneNumber";
    HOME2_TELEPHONE_NUMBER = 0x3A2F STRING "PidTagHome2TelephoneNumber";
    ASSISTANT = 0x3A30 STRING "PidTagAssistant";
    SEND_RICH_INFO = 0x3A40 BOOLEAN "PidTagSendRichInfo";
    WEDDING_ANNIVERSARY = 0x3A41 TIME "PidTagWeddingAnniversary";
    BIRTHDAY = 0x3A42 TIME "PidTagBirthday";
    HOBBIES = 0x3A43 STRING "PidTagHobbies";
    MIDDLE_NAME = 0x3A44 STRING "PidTagMiddleName";
    DISPLAY_NAME_PREFIX = 0x3A45 STRING "PidTagDisplayNamePrefix";
    PROFESSION = 0x3A46 STRING "PidTagProfession";
    REFERRED_BY_NAME = 0x3A47 STRING "PidTagReferredByName";
    SPOUSE_NAME = 0x3A48 STRING "PidTagSpouseName";
    COMPUTER_NETWORK_NAME = 0x3A49 STRING "PidTagComputerNetworkName";
    CUSTOMER_ID = 0x3A4A STRING "PidTagCustomerId";
    FTP_SITE = 0x3A4C STRING "PidTagFtpSite";
    GENDER = 0x3A4D INTEGER16 "PidTagGender";
    MANAGER_NAME = 0x3A4E STRING "PidTagManagerName";
    NICKNAME = 0x3A4F STRING "PidTagNickname";
    PERSONAL_HOME_PAGE = 0x3A50 STRING "PidTagPersonalHomePage";
    BUSINESS_HOME_PAGE = 0x3A51 STRING "PidTagBusinessHomePage";
    COMPANY_MAIN_TELEPHONE_NUMBER = 0x3A57 STRING "PidTagCompanyMainTelephoneNumber";
    CHILDRENS_NAMES = 0x3A58 MULTI_STRING "PidTagChildrensNames";
    HOME_ADDRESS_CITY = 0x3A59 STRING "PidTagHomeAddressCity";
    HOME_ADDRESS_COUNTRY = 0x3A5A STRING "PidTagHomeAddressCountry";
    HOME_ADDRESS_POSTAL_CODE = 0x3A5B STRING "PidTagHomeAddressPostalCode";
    HOME_ADDRESS_STATE_OR_PROVINCE = 0x3A5C STRING "PidTagHomeAddressStateOrProvince";
    HOME_ADDRESS_STREET = 0x3A5D STRING "PidTagHomeAddressStreet";
    HOME_ADDRESS_POST_OFFICE_BOX = 0x3A5E STRING "PidTagHomeAddressPostOfficeBox";
    OTHER_ADDRESS_CITY = 0x3A5F STRING "PidTagOtherAddressCity";
    OTHER_ADDRESS_COUNTRY = 0x3A60 STRING "PidTagOtherAddressCountry";
    OTHER_ADDRESS_POSTAL_CODE = 0x3A61 STRING "PidTagOtherAddressPostalCode";
    OTHER_ADDRESS_STATE_OR_PROVINCE = 0x3A62 STRING "PidTagOtherAddressStateOrProvince";
    OTHER_ADDRESS_STREET = 0x3A63 STRING "PidTagOtherAddressStreet";
    USER_X509_CERTIFICATE = 0x3A70 MULTI_BINARY "PidTagUserX509Certificate";
    SEND_INTERNET_ENCODING = 0x3A71 INTEGER32 "PidTagSendInternetEncoding";
    INTERNET_CODEPAGE = 0x3FDE INTEGER32 "PidTagInternetCodepage";
    MESSAGE_LOCALE_ID = 0x3FF1 INTEGER32 "PidTagMessageLocaleId";
    CREATOR_NAME = 0x3FF8 STRING "PidTagCreatorName";
    CREATOR_ENTRY_ID = 0x3FF9 BINARY "PidTagCreatorEntryId";
    LAST_MODIFIER_NAME = 0x3FFA STRING "PidTagLastModifierName";
    LAST_MODIFIER_ENTRY_ID = 0x3FFB BINARY "PidTagLastModifierEntryId";
    MESSAGE_CODEPAGE = 0x3FFD INTEGER32 "PidTagMessageCodepage";
    SENDER_FLAGS = 0x4019 INTEGER32 "PidTagSenderFlags";
    SENDER_SIMPLE_DISPLAY_NAME = 0x4030 STRING "PidTagSenderSimpleDisplayName";
    CONTENT_FILTER_SPAM_CONFIDENCE_LEVEL = 0x4076 INTEGER32 "PidTagContentFilterSpamConfidenceLevel";
    INTERNET_MAIL_OVERRIDE_FORMAT = 0x5902 INTEGER32 "PidTagInternetMailOverrideFormat";
    MESSAGE_EDITOR_FORMAT = 0x5909 INTEGER32 "PidTagMessageEditorFormat";
    SENDER_SMTP_ADDRESS = 0x5D01 STRING "PidTagSenderSmtpAddress";
    SENT_REPRESENTING_SMTP_ADDRESS = 0x5D02 STRING "PidTagSentRepresentingSmtpAddress";
    RECEIVED_BY_SMTP_ADDRESS = 0x5D07 STRING "PidTagReceivedBySmtpAddress";
    RECIPIENT_ORDER = 0x5FDF INTEGER32 "PidTagRecipientOrder";
    SENDER_SIP_ADDRESS = 0x5FE5 STRING "PidTagSenderSipAddress";
    RECIPIENT_DISPLAY_NAME = 0x5FF6 STRING "PidTagRecipientDisplayName";
    RECIPIENT_ENTRY_ID = 0x5FF7 BINARY "PidTagRecipientEntryId";
    RECIPIENT_FLAGS = 0x5FFD INTEGER32 "PidTagRecipientFlags";
    RECIPIENT_TRACK_STATUS = 0x5FFF INTEGER32 "PidTagRecipientTrackStatus";
    SECURE_SUBMIT_FLAGS = 0x65C6 INTEGER32 "PidTagSecureSubmitFlags";
    SOURCE_KEY = 0x65E0 BINARY "PidTagSourceKey";
    PARENT_SOURCE_KEY = 0x65E1 BINARY "PidTagParentSourceKey";
    CHANGE_KEY = 0x65E2 BINARY "PidTagChangeKey";
    PREDECESSOR_CHANGE_LIST = 0x65E3 BINARY "PidTagPredecessorChangeList";
    RULE_MESSAGE_STATE = 0x65E9 INTEGER32 "PidTagRuleMessageState";
    RECEIVE_FOLDER_NID = 0x6605 INTEGER32 "ReceiveFolderNid";
    SEARCH_FLAGS = 0x660B INTEGER32 "SearchFlags";
    PROVIDER_UID = 0x6615 GUID "ProviderUid";
    PST_BODY_PREFIX = 0x6619 STRING "PidTagPstBodyPrefix";
    PST_LR_NO_RESTRICTIONS = 0x6633 BOOLEAN "PidTagPstLrNoRestrictions";
    PST_HIDDEN_COUNT = 0x6635 INTEGER32 "PidTagPstHiddenCount";
    PST_HIDDEN_UNREAD = 0x6636 INTEGER32 "PidTagPstHiddenUnread";
    LATEST_PST_ENSURE = 0x66FA INTEGER32 "PidTagLatestPstEnsure";
    STORE_VERSION = 0x66FC INTEGER32 "StoreVersion";
    PST_IPMSUBTREE_DESCENDANT = 0x6705 BOOLEAN "PidTagPstIpmsubTreeDescendant";
    LOCAL_COMMIT_TIME_MAX = 0x670A TIME "PidTagLocalCommitTimeMax";
    DELETED_COUNT_TOTAL = 0x670B INTEGER32 "PidTagDeletedCountTotal";
    FOLDER_ID = 0x6748 INTEGER64 "PidTagFolderId";
    PARENT_FOLDER_ID = 0x6749 INTEGER64 "PidTagParentFolderId";
    PST_SUBTREE_CONTAINER = 0x6772 INTEGER32 "PidTagPstSubTreeContainer";
    CHANGE_NUMBER = 0x67A4 INTEGER64 "PidTagChangeNumber";
    LTP_PARENT_NID = 0x67F1 INTEGER32 "PidTagLtpParentNid";
    LTP_ROW_ID = 0x67F2 INTEGER32 "PidTagLtpRowId";
    LTP_ROW_VER = 0x67F3 INTEGER32 "PidTagLtpRowVer";
    OST_CHANGE_ID = 0x67F4 INTEGER64 "OstChangeId";
    PST_PASSWORD = 0x67FF INTEGER32 "PidTagPstPassword";
    OFFLINE_ADDRESS_BOOK_NAME = 0x6800 STRING "PidTagOfflineAddressBookName";
    VOICE_MESSAGE_DURATION = 0x6801 INTEGER32 "PidTagVoiceMessageDuration";
    SENDER_TELEPHONE_NUMBER = 0x6802 STRING "PidTagSenderTelephoneNumber";
    SEND_OUTLOOK_RECALL_REPORT = 0x6803 BOOLEAN "PidTagSendOutlookRecallReport";
    FAX_NUMBER_OF_PAGES = 0x6804 INTEGER32 "PidTagFaxNumberOfPages";
    OFFLINE_ADDRESS_BOOK_TRUNCATED_PROPERTIES = 0x6805 MULTI_INTEGER32 "PidTagOfflineAddressBookTruncatedProperties";
    WLINK_GROUP_HEADER_ID = 0x6842 BINARY "PidTagWlinkGroupHeaderId";
    WLINK_SAVE_STAMP = 0x6847 INTEGER32 "PidTagWlinkSaveStamp";
    WLINK_TYPE = 0x6849 INTEGER32 "PidTagWlinkType";
    WLINK_FLAGS = 0x684A INTEGER32 "PidTagWlinkFlags";
    WLINK_ORDINAL = 0x684B BINARY "PidTagWlinkOrdinal";
    WLINK_ENTRY_ID = 0x684C BINARY "PidTagWlinkEntryId";
    WLINK_RECORD_KEY = 0x684D BINARY "PidTagWlinkRecordKey";
    WLINK_STORE_ENTRY_ID = 0x684E BINARY "PidTagWlinkStoreEntryId";
    WLINK_FOLDER_TYPE = 0x684F BINARY "PidTagWlinkFolderType";
    WLINK_GROUP_NAME = 0x6851 STRING "PidTagWlinkGroupName";
    VIEW_DESCRIPTOR_FLAGS = 0x7003 INTEGER32 "PidTagViewDescriptorFlags";
    VIEW_DESCRIPTOR_LINK_TO = 0x7004 BINARY "PidTagViewDescriptorLinkTo";
    VIEW_DESCRIPTOR_VIEW_FOLDER = 0x7005 BINARY "PidTagViewDescriptorViewFolder";
    VIEW_DESCRIPTOR_NAME = 0x7006 STRING "PidTagViewDescriptorName";
    VIEW_DESCRIPTOR_VERSION = 0x7007 INTEGER32 "PidTagViewDescriptorVersion";
    ROAMING_DATATYPES = 0x7C06 INTEGER32 "PidTagRoamingDatatypes";
    ROAMING_DICTIONARY = 0x7C07 BINARY "PidTagRoamingDictionary";
    ROAMING_XML_STREAM = 0x7C08 BINARY "PidTagRoamingXmlStream";
    OSC_SYNC_ENABLED = 0x7C24 BOOLEAN "PidTagOscSyncEnabled";
    PROCESSED = 0x7D01 BOOLEAN "PidTagProcessed";
    ATTACHMENT_LINK_ID = 0x7FFA INTEGER32 "PidTagAttachmentLinkId";
    EXCEPTION_START_TIME = 0x7FFB TIME "PidTagExceptionStartTime";
    EXCEPTION_END_TIME = 0x7FFC TIME "PidTagExceptionEndTime";
    ATTACHMENT_FLAGS = 0x7FFD INTEGER32 "PidTagAttachmentFlags";
    ATTACHMENT_HIDDEN = 0x7FFE BOOLEAN "PidTagAttachmentHidden";
    ATTACHMENT_CONTACT_PHOTO = 0x7FFF BOOLEAN "PidTagAttachmentContactPhoto";
}

/// The canonical name of a property, whatever its type; of several properties with one id, the one whose type fits best.
///
/// ```
/// use pstkit::format::{ids::PropTag, tags};
/// assert_eq!(tags::name(tags::SUBJECT), Some("PidTagSubject"));
/// assert_eq!(tags::name(PropTag(0x0037_001E)), Some("PidTagSubject"));
/// assert_eq!(tags::name(PropTag(0x3701_000D)), Some("PidTagAttachDataObject"));
/// assert_eq!(tags::name(PropTag(0x8001_001F)), None);
/// ```
pub fn name(tag: PropTag) -> Option<&'static str> {
    let first = ALL.partition_point(|(known, _)| known.id() < tag.id());
    let same_id = || ALL.iter().skip(first).take_while(|(known, _)| known.id() == tag.id());
    same_id().find(|(known, _)| *known == tag).or_else(|| same_id().next()).map(|(_, name)| *name)
}

/// The tag with this canonical name (any case, with or without `PidTag`).
///
/// ```
/// use pstkit::format::tags;
/// assert_eq!(tags::find("PidTagDisplayName"), Some(tags::DISPLAY_NAME));
/// assert_eq!(tags::find("displayname"), Some(tags::DISPLAY_NAME));
/// assert_eq!(tags::find("PidTag"), None);
/// ```
pub fn find(name: &str) -> Option<PropTag> {
    ALL.iter()
        .find(|(_, known)| {
            known.eq_ignore_ascii_case(name) || known.strip_prefix("PidTag").is_some_and(|short| short.eq_ignore_ascii_case(name))
        })
        .map(|(tag, _)| *tag)
}

/// Whether a property stands in rows of folders' tables only, and in no object: the message's status, and values that are synchronised
/// ([MS-PST] 2.4.4.5.1).
pub fn is_row_only(tag: PropTag) -> bool {
    matches!(tag.id(), 0x0E17 | 0x0E30..=0x0E3E)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn tags_are_in_order_and_have_names_of_their_own() {
        assert!(ALL.is_sorted_by_key(|(tag, _)| tag.id()));
        let names: HashSet<&str> = ALL.iter().map(|(_, name)| *name).collect();
        assert_eq!(names.len(), ALL.len());
        let tags: HashSet<PropTag> = ALL.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags.len(), ALL.len());
        for (tag, tag_name) in ALL {
            assert_eq!((name(*tag), find(tag_name)), (Some(*tag_name), Some(*tag)));
        }
    }

    #[test]
    fn tags_have_the_values_of_the_format() {
        assert_eq!(LTP_ROW_ID, PropTag(0x67F2_0003));
        assert_eq!(IPM_SUBTREE_ENTRY_ID, PropTag(0x35E0_0102));
        assert_eq!(ATTACH_DATA_OBJECT, PropTag(0x3701_000D));
        assert_eq!(PST_PASSWORD, PropTag(0x67FF_0003));
    }
}
