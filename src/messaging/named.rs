//! Named properties by name and type: the fields of appointments, contacts, tasks and notes ([MS-OXPROPS] 2).
//!
//! A store gives each name an id of its own ([`Pst::names`](super::Pst::names)); these constants find it.

use super::object::Properties;
use crate::error::Result;
use crate::format::ids::{PropTag, PropType};
use crate::format::types::{FileTime, Guid};
use crate::ltp::{PropValue, PropertyName};

/// A named property that Microsoft documents: its set, its number in it, its type and its canonical name.
///
/// ```no_run
/// # fn f(message: &pstkit::messaging::Message<'_>) -> pstkit::Result<()> {
/// use pstkit::messaging::named;
/// let p = message.properties();
/// println!("{:?} in {:?}", named::APPOINTMENT_START_WHOLE.time(p)?, named::LOCATION.string(p)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PidLid {
    /// The property set.
    pub set: Guid,
    /// The number in the set.
    pub lid: u32,
    /// The type that documents give it.
    pub prop_type: PropType,
    /// The canonical name.
    pub name: &'static str,
}

macro_rules! lids {
    ($($id:ident = $set:ident $lid:literal $kind:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $id: PidLid = PidLid { set: Guid::$set, lid: $lid, prop_type: PropType::$kind, name: $name };
        )*

        /// Every known name, by set.
        pub static ALL: &[PidLid] = &[$($id),*];
    };
}

lids! {
    // [MS-OXOCAL] 2.2.1
    APPOINTMENT_SEQUENCE = PSETID_APPOINTMENT 0x8201 INTEGER32 "PidLidAppointmentSequence";
    BUSY_STATUS = PSETID_APPOINTMENT 0x8205 INTEGER32 "PidLidBusyStatus";
    APPOINTMENT_AUXILIARY_FLAGS = PSETID_APPOINTMENT 0x8207 INTEGER32 "PidLidAppointmentAuxiliaryFlags";
    LOCATION = PSETID_APPOINTMENT 0x8208 STRING "PidLidLocation";
    APPOINTMENT_START_WHOLE = PSETID_APPOINTMENT 0x820D TIME "PidLidAppointmentStartWhole";
    APPOINTMENT_END_WHOLE = PSETID_APPOINTMENT 0x820E TIME "PidLidAppointmentEndWhole";
    APPOINTMENT_DURATION = PSETID_APPOINTMENT 0x8213 INTEGER32 "PidLidAppointmentDuration";
    APPOINTMENT_COLOR = PSETID_APPOINTMENT 0x8214 INTEGER32 "PidLidAppointmentColor";
    APPOINTMENT_SUB_TYPE = PSETID_APPOINTMENT 0x8215 BOOLEAN "PidLidAppointmentSubType";
    APPOINTMENT_RECUR = PSETID_APPOINTMENT 0x8216 BINARY "PidLidAppointmentRecur";
    APPOINTMENT_STATE_FLAGS = PSETID_APPOINTMENT 0x8217 INTEGER32 "PidLidAppointmentStateFlags";
    RESPONSE_STATUS = PSETID_APPOINTMENT 0x8218 INTEGER32 "PidLidResponseStatus";
    APPOINTMENT_REPLY_TIME = PSETID_APPOINTMENT 0x8220 TIME "PidLidAppointmentReplyTime";
    RECURRING = PSETID_APPOINTMENT 0x8223 BOOLEAN "PidLidRecurring";
    INTENDED_BUSY_STATUS = PSETID_APPOINTMENT 0x8224 INTEGER32 "PidLidIntendedBusyStatus";
    APPOINTMENT_UPDATE_TIME = PSETID_APPOINTMENT 0x8226 TIME "PidLidAppointmentUpdateTime";
    EXCEPTION_REPLACE_TIME = PSETID_APPOINTMENT 0x8228 TIME "PidLidExceptionReplaceTime";
    F_INVITED = PSETID_APPOINTMENT 0x8229 BOOLEAN "PidLidFInvited";
    OWNER_NAME = PSETID_APPOINTMENT 0x822E STRING "PidLidOwnerName";
    APPOINTMENT_REPLY_NAME = PSETID_APPOINTMENT 0x8230 STRING "PidLidAppointmentReplyName";
    RECURRENCE_TYPE = PSETID_APPOINTMENT 0x8231 INTEGER32 "PidLidRecurrenceType";
    RECURRENCE_PATTERN = PSETID_APPOINTMENT 0x8232 STRING "PidLidRecurrencePattern";
    TIME_ZONE_STRUCT = PSETID_APPOINTMENT 0x8233 BINARY "PidLidTimeZoneStruct";
    TIME_ZONE_DESCRIPTION = PSETID_APPOINTMENT 0x8234 STRING "PidLidTimeZoneDescription";
    CLIP_START = PSETID_APPOINTMENT 0x8235 TIME "PidLidClipStart";
    CLIP_END = PSETID_APPOINTMENT 0x8236 TIME "PidLidClipEnd";
    ALL_ATTENDEES_STRING = PSETID_APPOINTMENT 0x8238 STRING "PidLidAllAttendeesString";
    TO_ATTENDEES_STRING = PSETID_APPOINTMENT 0x823B STRING "PidLidToAttendeesString";
    CC_ATTENDEES_STRING = PSETID_APPOINTMENT 0x823C STRING "PidLidCcAttendeesString";
    APPOINTMENT_PROPOSED_DURATION = PSETID_APPOINTMENT 0x8256 INTEGER32 "PidLidAppointmentProposedDuration";
    APPOINTMENT_COUNTER_PROPOSAL = PSETID_APPOINTMENT 0x8257 BOOLEAN "PidLidAppointmentCounterProposal";
    APPOINTMENT_NOT_ALLOW_PROPOSE = PSETID_APPOINTMENT 0x825A BOOLEAN "PidLidAppointmentNotAllowPropose";
    APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY = PSETID_APPOINTMENT 0x825E BINARY "PidLidAppointmentTimeZoneDefinitionStartDisplay";
    APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY = PSETID_APPOINTMENT 0x825F BINARY "PidLidAppointmentTimeZoneDefinitionEndDisplay";
    APPOINTMENT_TIME_ZONE_DEFINITION_RECUR = PSETID_APPOINTMENT 0x8260 BINARY "PidLidAppointmentTimeZoneDefinitionRecur";
    // [MS-OXOCAL] 2.2.1
    ATTENDEE_CRITICAL_CHANGE = PSETID_MEETING 0x0001 TIME "PidLidAttendeeCriticalChange";
    WHERE = PSETID_MEETING 0x0002 STRING "PidLidWhere";
    GLOBAL_OBJECT_ID = PSETID_MEETING 0x0003 BINARY "PidLidGlobalObjectId";
    IS_RECURRING = PSETID_MEETING 0x0005 BOOLEAN "PidLidIsRecurring";
    IS_EXCEPTION = PSETID_MEETING 0x000A BOOLEAN "PidLidIsException";
    OWNER_CRITICAL_CHANGE = PSETID_MEETING 0x001A TIME "PidLidOwnerCriticalChange";
    CLEAN_GLOBAL_OBJECT_ID = PSETID_MEETING 0x0023 BINARY "PidLidCleanGlobalObjectId";
    APPOINTMENT_MESSAGE_CLASS = PSETID_MEETING 0x0024 STRING "PidLidAppointmentMessageClass";
    MEETING_TYPE = PSETID_MEETING 0x0026 INTEGER32 "PidLidMeetingType";
    // [MS-OXCMSG] 2.2.1, [MS-OXORMDR] 2.2.1
    REMINDER_DELTA = PSETID_COMMON 0x8501 INTEGER32 "PidLidReminderDelta";
    REMINDER_TIME = PSETID_COMMON 0x8502 TIME "PidLidReminderTime";
    REMINDER_SET = PSETID_COMMON 0x8503 BOOLEAN "PidLidReminderSet";
    PRIVATE = PSETID_COMMON 0x8506 BOOLEAN "PidLidPrivate";
    SIDE_EFFECTS = PSETID_COMMON 0x8510 INTEGER32 "PidLidSideEffects";
    SMART_NO_ATTACH = PSETID_COMMON 0x8514 BOOLEAN "PidLidSmartNoAttach";
    COMMON_START = PSETID_COMMON 0x8516 TIME "PidLidCommonStart";
    COMMON_END = PSETID_COMMON 0x8517 TIME "PidLidCommonEnd";
    TASK_MODE = PSETID_COMMON 0x8518 INTEGER32 "PidLidTaskMode";
    FLAG_REQUEST = PSETID_COMMON 0x8530 STRING "PidLidFlagRequest";
    BILLING = PSETID_COMMON 0x8535 STRING "PidLidBilling";
    COMPANIES = PSETID_COMMON 0x8539 MULTI_STRING "PidLidCompanies";
    CONTACTS = PSETID_COMMON 0x853A MULTI_STRING "PidLidContacts";
    CURRENT_VERSION = PSETID_COMMON 0x8552 INTEGER32 "PidLidCurrentVersion";
    CURRENT_VERSION_NAME = PSETID_COMMON 0x8554 STRING "PidLidCurrentVersionName";
    REMINDER_SIGNAL_TIME = PSETID_COMMON 0x8560 TIME "PidLidReminderSignalTime";
    INTERNET_ACCOUNT_NAME = PSETID_COMMON 0x8580 STRING "PidLidInternetAccountName";
    CONTACT_LINK_NAME = PSETID_COMMON 0x8586 STRING "PidLidContactLinkName";
    TODO_ORDINAL_DATE = PSETID_COMMON 0x85A0 TIME "PidLidToDoOrdinalDate";
    TODO_TITLE = PSETID_COMMON 0x85A4 STRING "PidLidToDoTitle";
    // [MS-OXOTASK] 2.2.2
    TASK_STATUS = PSETID_TASK 0x8101 INTEGER32 "PidLidTaskStatus";
    PERCENT_COMPLETE = PSETID_TASK 0x8102 FLOATING64 "PidLidPercentComplete";
    TEAM_TASK = PSETID_TASK 0x8103 BOOLEAN "PidLidTeamTask";
    TASK_START_DATE = PSETID_TASK 0x8104 TIME "PidLidTaskStartDate";
    TASK_DUE_DATE = PSETID_TASK 0x8105 TIME "PidLidTaskDueDate";
    TASK_DATE_COMPLETED = PSETID_TASK 0x810F TIME "PidLidTaskDateCompleted";
    TASK_ACTUAL_EFFORT = PSETID_TASK 0x8110 INTEGER32 "PidLidTaskActualEffort";
    TASK_ESTIMATED_EFFORT = PSETID_TASK 0x8111 INTEGER32 "PidLidTaskEstimatedEffort";
    TASK_STATE = PSETID_TASK 0x8113 INTEGER32 "PidLidTaskState";
    TASK_RECURRENCE = PSETID_TASK 0x8116 BINARY "PidLidTaskRecurrence";
    TASK_COMPLETE = PSETID_TASK 0x811C BOOLEAN "PidLidTaskComplete";
    TASK_OWNER = PSETID_TASK 0x811F STRING "PidLidTaskOwner";
    TASK_ASSIGNER = PSETID_TASK 0x8121 STRING "PidLidTaskAssigner";
    TASK_ORDINAL = PSETID_TASK 0x8123 INTEGER32 "PidLidTaskOrdinal";
    TASK_F_RECURRING = PSETID_TASK 0x8126 BOOLEAN "PidLidTaskFRecurring";
    TASK_ROLE = PSETID_TASK 0x8127 STRING "PidLidTaskRole";
    TASK_OWNERSHIP = PSETID_TASK 0x8129 INTEGER32 "PidLidTaskOwnership";
    TASK_ACCEPTANCE_STATE = PSETID_TASK 0x812A INTEGER32 "PidLidTaskAcceptanceState";
    // [MS-OXOCNTC] 2.2.1
    FILE_UNDER = PSETID_ADDRESS 0x8005 STRING "PidLidFileUnder";
    FILE_UNDER_ID = PSETID_ADDRESS 0x8006 INTEGER32 "PidLidFileUnderId";
    HAS_PICTURE = PSETID_ADDRESS 0x8015 BOOLEAN "PidLidHasPicture";
    HOME_ADDRESS = PSETID_ADDRESS 0x801A STRING "PidLidHomeAddress";
    WORK_ADDRESS = PSETID_ADDRESS 0x801B STRING "PidLidWorkAddress";
    OTHER_ADDRESS = PSETID_ADDRESS 0x801C STRING "PidLidOtherAddress";
    POSTAL_ADDRESS_ID = PSETID_ADDRESS 0x8022 INTEGER32 "PidLidPostalAddressId";
    HTML = PSETID_ADDRESS 0x802B STRING "PidLidHtml";
    YOMI_FIRST_NAME = PSETID_ADDRESS 0x802C STRING "PidLidYomiFirstName";
    YOMI_LAST_NAME = PSETID_ADDRESS 0x802D STRING "PidLidYomiLastName";
    YOMI_COMPANY_NAME = PSETID_ADDRESS 0x802E STRING "PidLidYomiCompanyName";
    WORK_ADDRESS_STREET = PSETID_ADDRESS 0x8045 STRING "PidLidWorkAddressStreet";
    WORK_ADDRESS_CITY = PSETID_ADDRESS 0x8046 STRING "PidLidWorkAddressCity";
    WORK_ADDRESS_STATE = PSETID_ADDRESS 0x8047 STRING "PidLidWorkAddressState";
    WORK_ADDRESS_POSTAL_CODE = PSETID_ADDRESS 0x8048 STRING "PidLidWorkAddressPostalCode";
    WORK_ADDRESS_COUNTRY = PSETID_ADDRESS 0x8049 STRING "PidLidWorkAddressCountry";
    WORK_ADDRESS_POST_OFFICE_BOX = PSETID_ADDRESS 0x804A STRING "PidLidWorkAddressPostOfficeBox";
    CONTACT_USER_FIELD1 = PSETID_ADDRESS 0x804F STRING "PidLidContactUserField1";
    CONTACT_USER_FIELD2 = PSETID_ADDRESS 0x8050 STRING "PidLidContactUserField2";
    CONTACT_USER_FIELD3 = PSETID_ADDRESS 0x8051 STRING "PidLidContactUserField3";
    CONTACT_USER_FIELD4 = PSETID_ADDRESS 0x8052 STRING "PidLidContactUserField4";
    DISTRIBUTION_LIST_NAME = PSETID_ADDRESS 0x8053 STRING "PidLidDistributionListName";
    DISTRIBUTION_LIST_ONE_OFF_MEMBERS = PSETID_ADDRESS 0x8054 MULTI_BINARY "PidLidDistributionListOneOffMembers";
    DISTRIBUTION_LIST_MEMBERS = PSETID_ADDRESS 0x8055 MULTI_BINARY "PidLidDistributionListMembers";
    INSTANT_MESSAGING_ADDRESS = PSETID_ADDRESS 0x8062 STRING "PidLidInstantMessagingAddress";
    EMAIL1_DISPLAY_NAME = PSETID_ADDRESS 0x8080 STRING "PidLidEmail1DisplayName";
    EMAIL1_ADDRESS_TYPE = PSETID_ADDRESS 0x8082 STRING "PidLidEmail1AddressType";
    EMAIL1_EMAIL_ADDRESS = PSETID_ADDRESS 0x8083 STRING "PidLidEmail1EmailAddress";
    EMAIL1_ORIGINAL_DISPLAY_NAME = PSETID_ADDRESS 0x8084 STRING "PidLidEmail1OriginalDisplayName";
    EMAIL1_ORIGINAL_ENTRY_ID = PSETID_ADDRESS 0x8085 BINARY "PidLidEmail1OriginalEntryId";
    EMAIL2_DISPLAY_NAME = PSETID_ADDRESS 0x8090 STRING "PidLidEmail2DisplayName";
    EMAIL2_ADDRESS_TYPE = PSETID_ADDRESS 0x8092 STRING "PidLidEmail2AddressType";
    EMAIL2_EMAIL_ADDRESS = PSETID_ADDRESS 0x8093 STRING "PidLidEmail2EmailAddress";
    EMAIL2_ORIGINAL_DISPLAY_NAME = PSETID_ADDRESS 0x8094 STRING "PidLidEmail2OriginalDisplayName";
    EMAIL2_ORIGINAL_ENTRY_ID = PSETID_ADDRESS 0x8095 BINARY "PidLidEmail2OriginalEntryId";
    EMAIL3_DISPLAY_NAME = PSETID_ADDRESS 0x80A0 STRING "PidLidEmail3DisplayName";
    EMAIL3_ADDRESS_TYPE = PSETID_ADDRESS 0x80A2 STRING "PidLidEmail3AddressType";
    EMAIL3_EMAIL_ADDRESS = PSETID_ADDRESS 0x80A3 STRING "PidLidEmail3EmailAddress";
    EMAIL3_ORIGINAL_DISPLAY_NAME = PSETID_ADDRESS 0x80A4 STRING "PidLidEmail3OriginalDisplayName";
    EMAIL3_ORIGINAL_ENTRY_ID = PSETID_ADDRESS 0x80A5 BINARY "PidLidEmail3OriginalEntryId";
    FREE_BUSY_LOCATION = PSETID_ADDRESS 0x80D8 STRING "PidLidFreeBusyLocation";
    BIRTHDAY_LOCAL = PSETID_ADDRESS 0x80DE TIME "PidLidBirthdayLocal";
    WEDDING_ANNIVERSARY_LOCAL = PSETID_ADDRESS 0x80DF TIME "PidLidWeddingAnniversaryLocal";
    // [MS-OXONOTE] 2.2.1
    NOTE_COLOR = PSETID_NOTE 0x8B00 INTEGER32 "PidLidNoteColor";
    NOTE_WIDTH = PSETID_NOTE 0x8B02 INTEGER32 "PidLidNoteWidth";
    NOTE_HEIGHT = PSETID_NOTE 0x8B03 INTEGER32 "PidLidNoteHeight";
    NOTE_X = PSETID_NOTE 0x8B04 INTEGER32 "PidLidNoteX";
    NOTE_Y = PSETID_NOTE 0x8B05 INTEGER32 "PidLidNoteY";
    // [MS-OXOJRNL] 2.2.1
    LOG_TYPE = PSETID_LOG 0x8700 STRING "PidLidLogType";
    LOG_START = PSETID_LOG 0x8706 TIME "PidLidLogStart";
    LOG_DURATION = PSETID_LOG 0x8707 INTEGER32 "PidLidLogDuration";
    LOG_END = PSETID_LOG 0x8708 TIME "PidLidLogEnd";
    LOG_TYPE_DESC = PSETID_LOG 0x8712 STRING "PidLidLogTypeDesc";
}

impl PidLid {
    /// The name as the store's map has it.
    pub const fn property(&self) -> PropertyName {
        PropertyName::number(self.set, self.lid)
    }

    /// Its value, of whatever type.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn value(&self, p: &Properties<'_>) -> Result<Option<PropValue>> {
        p.named(self.set, self.lid)
    }

    /// Its value as a text.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn string(&self, p: &Properties<'_>) -> Result<Option<String>> {
        Ok(match self.value(p)? {
            Some(PropValue::String(s)) => Some(s),
            _ => None,
        })
    }

    /// Its value as a whole number.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn i32(&self, p: &Properties<'_>) -> Result<Option<i32>> {
        Ok(match self.value(p)? {
            Some(PropValue::Integer32(n)) => Some(n),
            Some(PropValue::Integer16(n)) => Some(n.into()),
            _ => None,
        })
    }

    /// Its value as a number with a fraction.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn f64(&self, p: &Properties<'_>) -> Result<Option<f64>> {
        Ok(match self.value(p)? {
            Some(PropValue::Floating64(n)) => Some(n),
            Some(PropValue::Floating32(n)) => Some(n.into()),
            _ => None,
        })
    }

    /// Its value as a truth value.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn bool(&self, p: &Properties<'_>) -> Result<Option<bool>> {
        Ok(self.value(p)?.and_then(|v| v.as_bool()))
    }

    /// Its value as a time, where it stands for one.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn time(&self, p: &Properties<'_>) -> Result<Option<FileTime>> {
        Ok(self.value(p)?.and_then(|v| v.as_time()).filter(|t| !t.is_unset()))
    }

    /// Its value as bytes.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn binary(&self, p: &Properties<'_>) -> Result<Option<Vec<u8>>> {
        Ok(match self.value(p)? {
            Some(PropValue::Binary(b)) => Some(b),
            _ => None,
        })
    }

    /// Its values as bytes, where it has several.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn binaries(&self, p: &Properties<'_>) -> Result<Vec<Vec<u8>>> {
        Ok(match self.value(p)? {
            Some(PropValue::MultiBinary(all)) => all,
            _ => Vec::new(),
        })
    }
}

/// The documented name of a number in a set.
///
/// ```
/// use pstkit::format::types::Guid;
/// use pstkit::messaging::named;
/// assert_eq!(named::find(Guid::PSETID_APPOINTMENT, 0x8208), Some(named::LOCATION));
/// ```
pub fn find(set: Guid, lid: u32) -> Option<PidLid> {
    ALL.iter().find(|p| p.set == set && p.lid == lid).copied()
}

impl Properties<'_> {
    /// The property of a number in a property set ([MS-PST] 2.4.7).
    ///
    /// ```no_run
    /// # fn f(message: &pstkit::messaging::Message<'_>) -> pstkit::Result<()> {
    /// use pstkit::format::types::Guid;
    /// let location = message.properties().named(Guid::PSETID_APPOINTMENT, 0x8208)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn named(&self, set: Guid, lid: u32) -> Result<Option<PropValue>> {
        self.by_name(&PropertyName::number(set, lid))
    }

    /// The property of a text in a property set, such as `Keywords` in `PS_PUBLIC_STRINGS`.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn named_text(&self, set: Guid, name: &str) -> Result<Option<PropValue>> {
        self.by_name(&PropertyName::name(set, name))
    }

    /// The property of a name.
    ///
    /// # Errors
    /// In strict reading, the first violation.
    pub fn by_name(&self, name: &PropertyName) -> Result<Option<PropValue>> {
        match self.pst().names().id(name) {
            Some(id) => self.get(PropTag::new(id, PropType::UNSPECIFIED)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_number_and_each_name_stands_once() {
        let numbers: HashSet<(Guid, u32)> = ALL.iter().map(|p| (p.set, p.lid)).collect();
        let names: HashSet<&str> = ALL.iter().map(|p| p.name).collect();
        assert_eq!((numbers.len(), names.len()), (ALL.len(), ALL.len()));
    }
}
