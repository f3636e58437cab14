//! Times and GUIDs as they are stored ([MS-DTYP] 2.3.3, 2.3.4).

use super::bytes::{le16, le32, put16, put32};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A date of the proleptic Gregorian calendar and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// The year, from 1601 on.
    pub year: u32,
    /// The month, 1 to 12.
    pub month: u32,
    /// The day of the month, from 1.
    pub day: u32,
    /// The hour, 0 to 23.
    pub hour: u32,
    /// The minute, 0 to 59.
    pub minute: u32,
    /// The second, 0 to 59.
    pub second: u32,
}

/// A time: steps of 100 ns since 1601-01-01 UTC. Displays in the form of RFC 3339.
///
/// ```
/// use pstkit::format::types::FileTime;
/// assert_eq!(FileTime(132_223_104_000_000_000).to_string(), "2020-01-01T00:00:00Z");
/// assert_eq!(FileTime(132_223_104_000_000_001).to_string(), "2020-01-01T00:00:00.0000001Z");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

/// Steps of a [`FileTime`] in a second.
const STEPS: u64 = 10_000_000;
/// Seconds from 1601 to 1970.
const TO_UNIX: u64 = 11_644_473_600;

impl FileTime {
    /// 4501-01-01, which Outlook stores for "no date".
    pub const NO_DATE: Self = Self(0x0CB3_4557_A3DD_4000);

    /// Whether it stands for no time at all: 0, [`NO_DATE`](Self::NO_DATE) or the largest value.
    pub const fn is_unset(self) -> bool {
        matches!(self.0, 0 | 0x0CB3_4557_A3DD_4000 | 0x7FFF_FFFF_FFFF_FFFF | u64::MAX)
    }

    /// Seconds since 1970 and the nanoseconds above them; negative before 1970.
    #[allow(clippy::arithmetic_side_effects, clippy::cast_possible_wrap, clippy::cast_possible_truncation)]
    pub const fn unix(self) -> (i64, u32) {
        // At most 2^64 / 10^7 seconds: far below the range of an i64.
        ((self.0 / STEPS) as i64 - TO_UNIX as i64, (self.0 % STEPS) as u32 * 100)
    }

    /// The time of these seconds since 1970; `None` before 1601 and far in the future.
    pub const fn from_unix(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let Some(since_1601) = (TO_UNIX).checked_add_signed(seconds) else { return None };
        let Some(steps) = since_1601.checked_mul(STEPS) else { return None };
        match steps.checked_add(nanoseconds as u64 / 100) {
            Some(steps) => Some(Self(steps)),
            None => None,
        }
    }

    /// Date and time of day (UTC).
    #[allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
    pub const fn civil(self) -> Civil {
        // Days from 1600-03-01: years then begin in March and a leap day is the last day of its year.
        let seconds = self.0 / STEPS;
        let days = seconds / 86_400 + 306;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = 1600 + era * 400 + year_of_era + (month <= 2) as u64;
        let second = seconds % 86_400;
        Civil {
            year: year as u32,
            month: month as u32,
            day: day as u32,
            hour: (second / 3600) as u32,
            minute: (second / 60 % 60) as u32,
            second: (second % 60) as u32,
        }
    }
}

impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let fraction = self.0.checked_rem(STEPS).unwrap_or_default();
        if fraction != 0 {
            let digits = format!("{fraction:07}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileTime({self})")
    }
}

impl TryFrom<FileTime> for SystemTime {
    type Error = FileTime;

    /// The time on the system's clock; the value itself where the system's clock cannot hold it.
    fn try_from(time: FileTime) -> Result<Self, FileTime> {
        let (seconds, nanoseconds) = time.unix();
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 { Self::UNIX_EPOCH.checked_sub(whole) } else { Self::UNIX_EPOCH.checked_add(whole) };
        base.and_then(|t| t.checked_add(Duration::from_nanos(nanoseconds.into()))).ok_or(time)
    }
}

impl From<SystemTime> for FileTime {
    /// The time in steps of 100 ns; times before 1601 become 0.
    fn from(time: SystemTime) -> Self {
        let steps = |d: Duration| u64::try_from(d.as_nanos() / 100).unwrap_or(u64::MAX);
        let epoch = TO_UNIX.saturating_mul(STEPS);
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => epoch.saturating_add(steps(after)),
            Err(before) => epoch.saturating_sub(steps(before.duration())),
        })
    }
}

/// A GUID, in the bytes that are stored: the first three groups little-endian.
///
/// ```
/// use pstkit::format::types::Guid;
/// assert_eq!(Guid::PS_MAPI.to_string(), "00020328-0000-0000-c000-000000000046");
/// assert_eq!("{00020328-0000-0000-C000-000000000046}".parse(), Ok(Guid::PS_MAPI));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

/// A text that is no GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID")]
pub struct NotAGuid;

impl Guid {
    /// PS_MAPI: names of the MAPI range.
    pub const PS_MAPI: Self = Self::com(0x0002_0328);
    /// PS_PUBLIC_STRINGS.
    pub const PS_PUBLIC_STRINGS: Self = Self::com(0x0002_0329);
    /// PS_INTERNET_HEADERS.
    pub const PS_INTERNET_HEADERS: Self = Self::com(0x0002_0386);
    /// PSETID_Appointment.
    pub const PSETID_APPOINTMENT: Self = Self::com(0x0006_2002);
    /// PSETID_Task.
    pub const PSETID_TASK: Self = Self::com(0x0006_2003);
    /// PSETID_Address.
    pub const PSETID_ADDRESS: Self = Self::com(0x0006_2004);
    /// PSETID_Common.
    pub const PSETID_COMMON: Self = Self::com(0x0006_2008);
    /// PSETID_Log.
    pub const PSETID_LOG: Self = Self::com(0x0006_200A);
    /// PSETID_Note.
    pub const PSETID_NOTE: Self = Self::com(0x0006_200E);
    /// PSETID_Sharing.
    pub const PSETID_SHARING: Self = Self::com(0x0006_2040);
    /// PSETID_PostRss.
    pub const PSETID_POST_RSS: Self = Self::com(0x0006_2041);
    /// PSETID_Meeting.
    pub const PSETID_MEETING: Self = Self::new(0x6ED8_DA90, 0x450B, 0x1B10, [0x98, 0xDA, 0x00, 0xAA, 0x00, 0x3F, 0x13, 0x05]);

    /// A GUID of its four groups.
    pub const fn new(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        let [a0, a1, a2, a3] = a;
        let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
        let ([b0, b1], [c0, c1]) = (b, c);
        Self([a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7])
    }

    /// A GUID of the family {xxxxxxxx-0000-0000-C000-000000000046}.
    pub const fn com(a: u32) -> Self {
        Self::new(a, 0, 0, [0xC0, 0, 0, 0, 0, 0, 0, 0x46])
    }

    /// The GUID that the bytes begin with.
    pub fn decode(b: &[u8]) -> Option<Self> {
        b.first_chunk::<16>().map(|c| Self(*c))
    }

    /// Whether all bits are 0.
    pub fn is_nil(self) -> bool {
        self.0 == [0; 16]
    }

    /// The name of the property set, for the sets that Outlook uses.
    pub fn name(self) -> Option<&'static str> {
        [
            (Self::PS_MAPI, "PS_MAPI"),
            (Self::PS_PUBLIC_STRINGS, "PS_PUBLIC_STRINGS"),
            (Self::PS_INTERNET_HEADERS, "PS_INTERNET_HEADERS"),
            (Self::PSETID_APPOINTMENT, "PSETID_Appointment"),
            (Self::PSETID_TASK, "PSETID_Task"),
            (Self::PSETID_ADDRESS, "PSETID_Address"),
            (Self::PSETID_COMMON, "PSETID_Common"),
            (Self::PSETID_LOG, "PSETID_Log"),
            (Self::PSETID_NOTE, "PSETID_Note"),
            (Self::PSETID_SHARING, "PSETID_Sharing"),
            (Self::PSETID_POST_RSS, "PSETID_PostRss"),
            (Self::PSETID_MEETING, "PSETID_Meeting"),
        ]
        .into_iter()
        .find(|(guid, _)| *guid == self)
        .map(|(_, name)| name)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = &self.0;
        write!(f, "{:08x}-{:04x}-{:04x}-", le32(b, 0), le16(b, 4), le16(b, 6))?;
        for (i, byte) in b.iter().enumerate().skip(8) {
            if i == 10 {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

impl FromStr for Guid {
    type Err = NotAGuid;

    fn from_str(s: &str) -> Result<Self, NotAGuid> {
        let s = s.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(s);
        let groups: Vec<&str> = s.split('-').collect();
        let sizes: Vec<usize> = groups.iter().map(|g| g.len()).collect();
        if sizes != [8, 4, 4, 4, 12] || s.bytes().any(|b| b != b'-' && !b.is_ascii_hexdigit()) {
            return Err(NotAGuid);
        }
        let digits: String = groups.concat();
        let n = u128::from_str_radix(&digits, 16).map_err(|_| NotAGuid)?;
        let mut b = n.to_be_bytes();
        let (x, y, z) = (le32(&b, 0).swap_bytes(), le16(&b, 4).swap_bytes(), le16(&b, 6).swap_bytes());
        put32(&mut b, 0, x);
        put16(&mut b, 4, y);
        put16(&mut b, 6, z);
        Ok(Self(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn guids_round_trip_as_text(b: [u8; 16]) {
            prop_assert_eq!(Guid(b).to_string().parse(), Ok(Guid(b)));
        }

        #[test]
        fn times_round_trip_through_the_clock(steps in 0u64..0x7FFF_FFFF_FFFF_FFFF) {
            let time = FileTime(steps);
            if let Ok(system) = SystemTime::try_from(time) {
                prop_assert_eq!(FileTime::from(system), time);
            }
            let (seconds, nanoseconds) = time.unix();
            prop_assert_eq!(FileTime::from_unix(seconds, nanoseconds), Some(time));
        }

        #[test]
        fn every_time_has_a_date(steps: u64) {
            let Civil { month, day, hour, minute, second, .. } = FileTime(steps).civil();
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60);
        }
    }

    #[test]
    fn known_dates() {
        assert_eq!(FileTime(0).to_string(), "1601-01-01T00:00:00Z");
        assert_eq!(FileTime(116_444_736_000_000_000).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(FileTime::from_unix(951_782_400, 500_000_000).unwrap().to_string(), "2000-02-29T00:00:00.5Z");
        assert_eq!(FileTime::from_unix(-1, 0).unwrap().to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(FileTime::NO_DATE.to_string(), "4501-01-01T00:00:00Z");
        assert!(FileTime::NO_DATE.is_unset() && FileTime::from_unix(i64::MIN, 0).is_none());
    }

    #[test]
    fn texts_that_are_no_guids() {
        for text in
            ["", "{}", "00020328-0000-0000-c000-00000000004", "+0020328-0000-0000-c000-000000000046", "é0020328-000-0000-c000-000000000046"]
        {
            assert_eq!(text.parse::<Guid>(), Err(NotAGuid), "{text}");
        }
    }
}
