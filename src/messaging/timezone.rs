//! Time zones as appointments define them: PidLidTimeZoneStruct and PidLidAppointmentTimeZoneDefinition… ([MS-OXOCAL] 2.2.1.39 to
//! 2.2.1.43).

use super::recurrence::LocalTime;
use crate::format::bytes::{le16, le32};
use crate::format::types::FileTime;
use crate::ltp::value::utf16;

/// The day and time of a change, each year or once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Change {
    /// The year; 0 is each year.
    pub year: u16,
    /// The month; 0 is none: there is no change.
    pub month: u16,
    /// The day of the week; 0 is Sunday.
    pub weekday: u16,
    /// Which of these days in the month, 5 being the last; where a year is given, the day of the month.
    pub day: u16,
    /// Minutes from midnight, on the clock before the change.
    pub minutes: u32,
}

/// A rule of a time zone, from a year on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ZoneRule {
    /// The first year that it holds for.
    pub year: u16,
    /// Whether recurring appointments go by it.
    pub is_recurring: bool,
    /// Minutes to add to local standard time for UTC.
    pub standard_bias: i32,
    /// Minutes to add to local summer time for UTC.
    pub daylight_bias: i32,
    /// When standard time begins.
    pub to_standard: Change,
    /// When summer time begins.
    pub to_daylight: Change,
}

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TimeZone {
    /// Its name, such as `W. Europe Standard Time`; none in the older form.
    pub name: Option<String>,
    /// Its rules, by year.
    pub rules: Vec<ZoneRule>,
}

impl Change {
    /// A SYSTEMTIME.
    fn decode(b: &[u8]) -> Self {
        let minutes = u32::from(le16(b, 8).min(23)).saturating_mul(60).saturating_add(u32::from(le16(b, 10).min(59)));
        Self { year: le16(b, 0), month: le16(b, 2).min(12), weekday: le16(b, 4) % 7, day: le16(b, 6).min(31), minutes }
    }

    /// When it is in a year, on the clock before it; `None` where it is not.
    pub fn in_year(&self, year: u32) -> Option<LocalTime> {
        if self.month == 0 || (self.year != 0 && u32::from(self.year) != year) {
            return None;
        }
        let month = u32::from(self.month);
        let first = LocalTime::of_day(year, month, 1)?;
        if self.year != 0 {
            return Some(first.plus(u32::from(self.day).saturating_sub(1).saturating_mul(1440)).plus(self.minutes));
        }
        let to = u32::from(self.weekday).saturating_add(7).saturating_sub(first.weekday()) % 7;
        let mut day = to.saturating_add(u32::from(self.day.clamp(1, 5)).saturating_sub(1).saturating_mul(7));
        let next =
            if month == 12 { LocalTime::of_day(year.saturating_add(1), 1, 1) } else { LocalTime::of_day(year, month.saturating_add(1), 1) };
        let length = next?.0.checked_sub(first.0)? / 1440;
        while day >= length {
            day = day.checked_sub(7)?;
        }
        Some(first.plus(day.saturating_mul(1440)).plus(self.minutes))
    }
}

impl ZoneRule {
    fn new(year: u16, is_recurring: bool, b: &[u8], to_standard: Change, to_daylight: Change) -> Self {
        // No zone is further from UTC than a day.
        let bias = |at: usize| le32(b, at).cast_signed().clamp(-1440, 1440);
        let base = bias(0);
        Self {
            year,
            is_recurring,
            standard_bias: base.saturating_add(bias(4)),
            daylight_bias: base.saturating_add(bias(8)),
            to_standard,
            to_daylight,
        }
    }

    /// Whether it has summer time.
    pub fn has_daylight(&self) -> bool {
        self.to_standard.month != 0 && self.to_daylight.month != 0 && self.standard_bias != self.daylight_bias
    }

    /// Minutes to add to a local time for UTC.
    fn bias_of_local(&self, time: LocalTime) -> i32 {
        let year = time.civil().year;
        if !self.has_daylight() {
            return self.standard_bias;
        }
        let (Some(summer), Some(winter)) = (self.to_daylight.in_year(year), self.to_standard.in_year(year)) else {
            return self.standard_bias;
        };
        let is_summer = if summer < winter { time >= summer && time < winter } else { time >= summer || time < winter };
        if is_summer { self.daylight_bias } else { self.standard_bias }
    }
}

fn shifted(time: LocalTime, minutes: i32) -> LocalTime {
    LocalTime(time.0.saturating_add_signed(minutes))
}

impl TimeZone {
    /// Reads PidLidTimeZoneStruct: 48 bytes with one rule.
    pub fn decode_struct(b: &[u8]) -> Option<Self> {
        let b = b.get(..48)?;
        let (standard, daylight) = (Change::decode(b.get(14..30)?), Change::decode(b.get(32..48)?));
        Some(Self { name: None, rules: vec![ZoneRule::new(0, true, b, standard, daylight)] })
    }

    /// Reads PidLidAppointmentTimeZoneDefinitionRecur and its like: a name and rules by year.
    pub fn decode_definition(b: &[u8]) -> Option<Self> {
        let header = usize::from(le16(b.get(..8)?, 2));
        let chars = usize::from(le16(b, 6));
        let name = utf16(b.get(8..chars.checked_mul(2)?.checked_add(8)?)?);
        let count_at = chars.checked_mul(2)?.checked_add(8)?;
        let count = usize::from(le16(b.get(count_at..count_at.checked_add(2)?)?, 0));
        let rules = b.get(header.checked_add(4)?..)?;
        let mut rules: Vec<ZoneRule> = rules
            .chunks_exact(66)
            .take(count)
            .filter_map(|r| {
                let (flags, year) = (le16(r, 4), le16(r, 6));
                let (standard, daylight) = (Change::decode(r.get(34..50)?), Change::decode(r.get(50..66)?));
                Some(ZoneRule::new(year, flags & 1 != 0, r.get(22..34)?, standard, daylight))
            })
            .collect();
        rules.sort_by_key(|r| r.year);
        if rules.is_empty() { None } else { Some(Self { name: Some(name).filter(|n| !n.trim().is_empty()), rules }) }
    }

    /// A zone without summer time: minutes to add to local time for UTC.
    pub fn fixed(bias: i32) -> Self {
        Self { name: None, rules: vec![ZoneRule { is_recurring: true, standard_bias: bias, daylight_bias: bias, ..ZoneRule::default() }] }
    }

    /// The rules that recurring appointments go by: the one that is marked so, or all of them.
    #[must_use]
    pub fn recurring(&self) -> Self {
        match self.rules.iter().find(|r| r.is_recurring) {
            Some(rule) => Self { name: self.name.clone(), rules: vec![ZoneRule { year: 0, ..*rule }] },
            None => self.clone(),
        }
    }

    /// The rule of a year.
    pub fn rule(&self, year: u32) -> Option<&ZoneRule> {
        let n = self.rules.partition_point(|r| u32::from(r.year) <= year);
        self.rules.get(n.saturating_sub(1))
    }

    /// The moment of a local time. A time that the clock skips counts as before the change, one that it shows twice as after it.
    pub fn to_utc(&self, time: LocalTime) -> FileTime {
        let bias = self.rule(time.civil().year).map_or(0, |r| r.bias_of_local(time));
        shifted(time, bias).as_utc()
    }

    /// The local time of a moment.
    pub fn to_local(&self, time: FileTime) -> LocalTime {
        let utc = LocalTime::from_utc(time);
        let Some(rule) = self.rule(utc.civil().year) else { return utc };
        // Summer time first: the moment is in it where its local time says so.
        let summer = shifted(utc, rule.daylight_bias.saturating_neg());
        let winter = shifted(utc, rule.standard_bias.saturating_neg());
        if rule.has_daylight() && rule.bias_of_local(summer) == rule.daylight_bias { summer } else { winter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W. Europe: UTC+1, summer time from the last Sunday of March at 2:00 to the last Sunday of October at 3:00.
    fn europe() -> TimeZone {
        let mut b = vec![0u8; 48];
        b[0..4].copy_from_slice(&(-60i32).to_le_bytes());
        b[8..12].copy_from_slice(&(-60i32).to_le_bytes());
        for (at, month, hour) in [(14, 10u16, 3u16), (32, 3, 2)] {
            b[at + 2..at + 4].copy_from_slice(&month.to_le_bytes());
            b[at + 6..at + 8].copy_from_slice(&5u16.to_le_bytes());
            b[at + 8..at + 10].copy_from_slice(&hour.to_le_bytes());
        }
        TimeZone::decode_struct(&b).unwrap()
    }

    #[test]
    fn a_clock_time_is_another_moment_in_summer() {
        let zone = europe();
        let at = |m, d, minutes| LocalTime::of_day(2024, m, d).unwrap().plus(minutes);
        assert_eq!(zone.to_utc(at(1, 15, 600)).to_string(), "2024-01-15T09:00:00Z");
        assert_eq!(zone.to_utc(at(7, 15, 600)).to_string(), "2024-07-15T08:00:00Z");
        assert_eq!(zone.to_utc(at(3, 31, 119)).to_string(), "2024-03-31T00:59:00Z");
        assert_eq!(zone.to_utc(at(3, 31, 180)).to_string(), "2024-03-31T01:00:00Z");
        for day in [at(1, 15, 600), at(7, 15, 600), at(3, 31, 180), at(10, 27, 60)] {
            assert_eq!(zone.to_local(zone.to_utc(day)), day);
        }
    }

    #[test]
    fn bytes_that_are_no_zone_are_none() {
        assert_eq!(TimeZone::decode_struct(&[0; 47]), None);
        for n in 0..80 {
            let _ = TimeZone::decode_definition(&vec![0xFF; n]);
        }
    }
}
