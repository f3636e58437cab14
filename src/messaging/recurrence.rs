//! Recurrence of appointments and tasks ([MS-OXOCAL] 2.2.1.44): the pattern, the items that were deleted from it, and the changes.
//!
//! All times in it are local: minutes since 1601 in the time zone that the appointment names ([`timezone`](super::timezone)).

use super::code_page::CodePage;
use crate::format::bytes::{index, le16, le32};
use crate::format::types::Civil;
use crate::format::types::FileTime;
use crate::ltp::value::utf16;
use std::collections::BTreeSet;
use std::fmt;

/// Minutes of a day.
const DAY: u32 = 24 * 60;
/// Instances that are looked for at most: one a day for a century.
const INSTANCES_MAX: usize = 40_000;

/// A local time: minutes since the beginning of 1601.
///
/// ```
/// use pstkit::messaging::recurrence::LocalTime;
/// assert_eq!(LocalTime(0).to_string(), "1601-01-01T00:00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LocalTime(pub u32);

impl LocalTime {
    /// The value of the last day of patterns without an end.
    pub const NEVER: Self = Self(0x5AE9_80DF);

    /// The same clock time as if the zone were UTC.
    pub fn as_utc(self) -> FileTime {
        FileTime(u64::from(self.0).saturating_mul(600_000_000))
    }

    /// The clock time of a moment whose zone is UTC.
    pub fn from_utc(time: FileTime) -> Self {
        Self(u32::try_from(time.0 / 600_000_000).unwrap_or(u32::MAX))
    }

    /// Year, month, day, hour, minute, second.
    pub fn civil(self) -> Civil {
        self.as_utc().civil()
    }

    /// The beginning of its day.
    #[must_use]
    pub fn midnight(self) -> Self {
        Self(self.0.saturating_sub(self.0 % DAY))
    }

    /// So many minutes later.
    #[must_use]
    pub fn plus(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// The day of the week; 0 is Sunday. 1601 began on a Monday.
    pub fn weekday(self) -> u32 {
        (self.0 / DAY).saturating_add(1) % 7
    }

    /// The midnight of a day; `None` before 1601 and beyond 32 bits of minutes. A day past the month's end is in the next.
    pub fn of_day(year: u32, month: u32, day: u32) -> Option<Self> {
        let (y, m) = (i64::from(year), i64::from(month));
        // Years begin in March, so that a leap day is the last of its year.
        let y = if m <= 2 { y.checked_sub(1)? } else { y };
        let m = (m.checked_add(9)?) % 12;
        let days = y.checked_mul(365)?.checked_add(y / 4)?.checked_sub(y / 100)?.checked_add(y / 400)?;
        let days = days.checked_add(m.checked_mul(306)?.checked_add(5)? / 10)?.checked_add(i64::from(day))?;
        // 1 March of year 0 to 1 January 1601
        let since = days.checked_sub(584_695)?;
        Some(Self(u32::try_from(since.checked_mul(DAY.into())?).ok()?))
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year: y, month: m, day: d, hour: h, minute: min, .. } = self.civil();
        write!(f, "{y:04}-{m:02}-{d:02}T{h:02}:{min:02}")
    }
}

/// When something recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Each so many days.
    Daily {
        /// Days from one to the next.
        days: u32,
    },
    /// In each so many weeks, on some days.
    Weekly {
        /// Weeks from one to the next.
        weeks: u32,
        /// The days: bit 0 is Sunday.
        on: u32,
    },
    /// In each so many months, on a day by its number; in shorter months on their last.
    Monthly {
        /// Months from one to the next.
        months: u32,
        /// The day; 31 is the last.
        day: u32,
    },
    /// In each so many months, on the nth of some days of the week.
    MonthlyNth {
        /// Months from one to the next.
        months: u32,
        /// The days: bit 0 is Sunday.
        on: u32,
        /// Which of them; 5 is the last.
        nth: u32,
    },
    /// In the Hijri calendar, or in another one that is not computed here.
    OtherCalendar {
        /// The number of the pattern.
        pattern: u16,
        /// The number of the calendar.
        calendar: u16,
    },
}

/// When a pattern ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// After this day.
    On(LocalTime),
    /// After so many instances.
    After(u32),
    /// Not.
    Never,
}

/// An instance that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exception {
    /// When it begins.
    pub start: LocalTime,
    /// When it ends.
    pub end: LocalTime,
    /// When it would have begun.
    pub original: LocalTime,
    /// Its subject, where that was changed.
    pub subject: Option<String>,
    /// Its place, where that was changed.
    pub location: Option<String>,
    /// Minutes from its reminder to its beginning, where that was changed.
    pub reminder_delta: Option<u32>,
    /// Whether it has a reminder, where that was changed.
    pub reminder: Option<bool>,
    /// How its time is shown (PidLidBusyStatus), where that was changed.
    pub busy: Option<u32>,
    /// Whether it takes the whole day, where that was changed.
    pub all_day: Option<bool>,
    /// The changes ([MS-OXOCAL] 2.2.1.44.2).
    pub flags: u16,
}

/// A recurrence.
///
/// ```no_run
/// # fn f(message: &pstkit::messaging::Message<'_>) -> pstkit::Result<()> {
/// use pstkit::messaging::{named, recurrence::Recurrence};
/// if let Some(bytes) = named::APPOINTMENT_RECUR.binary(message.properties())? {
///     let recurrence = Recurrence::decode(&bytes).map_err(|e| println!("{e}"));
///     for start in recurrence.iter().flat_map(|r| r.instances().take(10)) {
///         println!("{start}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recurrence {
    /// Whether it counts as yearly: each pattern of months can.
    pub is_yearly: bool,
    /// The pattern.
    pub pattern: Pattern,
    /// When it ends.
    pub end: End,
    /// The number of instances that the file states.
    pub count: u32,
    /// The first day of weeks; 0 is Sunday.
    pub first_day: u32,
    /// The day of the first instance.
    pub start: LocalTime,
    /// The day of the last one; [`LocalTime::NEVER`] where there is none.
    pub last: LocalTime,
    /// Days on which it does not take place, or not as planned: those of changed instances are among them.
    pub deleted: Vec<LocalTime>,
    /// Days on which changed instances take place.
    pub modified: Vec<LocalTime>,
    /// Minutes from midnight to the beginning of an instance.
    pub start_offset: u32,
    /// Minutes from midnight to its end.
    pub end_offset: u32,
    /// The changes. Tasks have none.
    pub exceptions: Vec<Exception>,
    /// Whether all of it could be read.
    pub is_complete: bool,
}

/// Bytes that are no recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no recurrence: {0}")]
pub struct NoRecurrence(&'static str);

/// Reads numbers one after the other.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes(2).map(|b| le16(b, 0))
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes(4).map(|b| le32(b, 0))
    }

    fn times(&mut self) -> Option<Vec<LocalTime>> {
        let n = index(self.u32()?.into());
        let bytes = self.bytes(n.checked_mul(4)?)?;
        Some(bytes.chunks_exact(4).map(|b| LocalTime(le32(b, 0))).collect())
    }
}

impl Recurrence {
    /// Reads the value of PidLidAppointmentRecur, or of PidLidTaskRecurrence, which ends earlier.
    ///
    /// # Errors
    /// Where the pattern itself cannot be read. A loss behind it leaves [`is_complete`](Self::is_complete) false.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoRecurrence> {
        let mut r = Reader(bytes);
        if r.u16() != Some(0x3004) {
            return Err(NoRecurrence("another version"));
        }
        let mut this = Self::pattern(&mut r).ok_or(NoRecurrence("too short"))??;
        if !r.0.is_empty() {
            this.is_complete = this.times(&mut r).is_some();
        }
        Ok(this)
    }

    fn pattern(r: &mut Reader<'_>) -> Option<Result<Self, NoRecurrence>> {
        let _writer = r.u16()?;
        let (frequency, kind, calendar) = (r.u16()?, r.u16()?, r.u16()?);
        let _first = r.u32()?;
        let period = r.u32()?;
        let _sliding = r.u32()?;
        let pattern = match kind {
            0 => Pattern::Daily { days: (period / DAY).max(1) },
            1 => Pattern::Weekly { weeks: period.max(1), on: r.u32()? & 0x7F },
            2 | 4 => {
                let day = r.u32()?;
                Pattern::Monthly { months: period.max(1), day: if kind == 4 { 31 } else { day.clamp(1, 31) } }
            }
            3 => {
                let (on, nth) = (r.u32()? & 0x7F, r.u32()?);
                Pattern::MonthlyNth { months: period.max(1), on, nth: nth.clamp(1, 5) }
            }
            10 | 12 => {
                r.u32()?;
                Pattern::OtherCalendar { pattern: kind, calendar }
            }
            11 => {
                r.bytes(8)?;
                Pattern::OtherCalendar { pattern: kind, calendar }
            }
            _ => return Some(Err(NoRecurrence("an unknown pattern"))),
        };
        // Calendars of the moon, by the table of [MS-OXOCAL] 2.2.1.44.1: 6 Hijri, 8 Hebrew, 14 to 20 lunar ones.
        let pattern = if matches!(calendar, 6 | 8 | 14..=20) { Pattern::OtherCalendar { pattern: kind, calendar } } else { pattern };
        let (end, count, first_day) = (r.u32()?, r.u32()?, r.u32()?);
        let (deleted, modified) = (r.times()?, r.times()?);
        let (start, last) = (LocalTime(r.u32()?), LocalTime(r.u32()?));
        let end = match end {
            0x2021 => End::On(last),
            0x2022 => End::After(count),
            _ => End::Never,
        };
        Some(Ok(Self {
            is_yearly: frequency == 0x200D,
            pattern,
            end,
            count,
            first_day: first_day % 7,
            start,
            last,
            deleted,
            modified,
            start_offset: 0,
            end_offset: 0,
            exceptions: Vec::new(),
            is_complete: true,
        }))
    }

    /// The part of appointments behind the pattern.
    fn times(&mut self, r: &mut Reader<'_>) -> Option<()> {
        let (_reader, writer) = (r.u32()?, r.u32()?);
        (self.start_offset, self.end_offset) = (r.u32()?, r.u32()?);
        let n = r.u16()?;
        for _ in 0..n {
            let e = Exception::decode(r)?;
            self.exceptions.push(e);
        }
        let reserved = index(r.u32()?.into());
        r.bytes(reserved)?;
        for e in &mut self.exceptions {
            e.extended(r, writer)?;
        }
        Some(())
    }

    /// Minutes of an instance.
    pub fn duration(&self) -> u32 {
        self.end_offset.saturating_sub(self.start_offset)
    }

    /// When instances begin by the pattern, whatever was deleted or changed; none for calendars that are not computed here. Patterns without
    /// an end go on for 40,000 instances.
    pub fn planned(&self) -> impl Iterator<Item = LocalTime> + '_ {
        let most = match self.end {
            End::After(n) => index(n.into()).min(INSTANCES_MAX),
            _ => INSTANCES_MAX,
        };
        let last = match self.end {
            End::On(day) => day.midnight(),
            _ => LocalTime(u32::MAX),
        };
        let days = Days { of: self, at: 0, pending: Vec::new(), ended: false };
        let start = self.start.midnight();
        days.filter(move |d| *d >= start).take_while(move |d| *d <= last).take(most).map(|d| d.plus(self.start_offset))
    }

    /// When instances that were neither deleted nor changed begin.
    pub fn instances(&self) -> impl Iterator<Item = LocalTime> + '_ {
        let gone: BTreeSet<LocalTime> = self.deleted.iter().map(|d| d.midnight()).collect();
        self.planned().filter(move |t| !gone.contains(&t.midnight()))
    }

    /// Days on which an instance was deleted, and not changed.
    pub fn cancelled(&self) -> Vec<LocalTime> {
        let changed: BTreeSet<LocalTime> = self.exceptions.iter().map(|e| e.original.midnight()).collect();
        let unique: BTreeSet<LocalTime> = self.deleted.iter().map(|d| d.midnight()).filter(|d| !changed.contains(d)).collect();
        unique.into_iter().collect()
    }
}

impl Exception {
    fn decode(r: &mut Reader<'_>) -> Option<Self> {
        let mut e = Self { start: LocalTime(r.u32()?), end: LocalTime(r.u32()?), original: LocalTime(r.u32()?), ..Self::default() };
        e.flags = r.u16()?;
        let text = |r: &mut Reader<'_>| -> Option<String> {
            let _with_end = r.u16()?;
            let n = r.u16()?;
            Some(CodePage::default().decode(r.bytes(n.into())?).0.into_owned())
        };
        let has = |bit: u16| e.flags & bit != 0;
        let (subject, meeting, delta, reminder, location) = (has(0x1), has(0x2), has(0x4), has(0x8), has(0x10));
        let (busy, attachment, sub_type, color) = (has(0x20), has(0x40), has(0x80), has(0x100));
        if subject {
            e.subject = Some(text(r)?);
        }
        if meeting {
            r.u32()?;
        }
        if delta {
            e.reminder_delta = Some(r.u32()?);
        }
        if reminder {
            e.reminder = Some(r.u32()? != 0);
        }
        if location {
            e.location = Some(text(r)?);
        }
        if busy {
            e.busy = Some(r.u32()?);
        }
        if attachment {
            r.u32()?;
        }
        if sub_type {
            e.all_day = Some(r.u32()? != 0);
        }
        if color {
            r.u32()?;
        }
        Some(e)
    }

    /// The texts once more, in Unicode ([MS-OXOCAL] 2.2.1.44.4).
    fn extended(&mut self, r: &mut Reader<'_>, writer: u32) -> Option<()> {
        if writer >= 0x3009 {
            let n = index(r.u32()?.into());
            r.bytes(n)?;
        }
        let n = index(r.u32()?.into());
        r.bytes(n)?;
        if self.flags & 0x11 == 0 {
            return Some(());
        }
        r.bytes(12)?;
        let text = |r: &mut Reader<'_>| -> Option<String> {
            let n = usize::from(r.u16()?);
            Some(utf16(r.bytes(n.checked_mul(2)?)?))
        };
        if self.flags & 0x1 != 0 {
            self.subject = Some(text(r)?);
        }
        if self.flags & 0x10 != 0 {
            self.location = Some(text(r)?);
        }
        let n = index(r.u32()?.into());
        r.bytes(n)?;
        Some(())
    }
}

/// The days of a pattern, from the period of its first day on.
struct Days<'r> {
    of: &'r Recurrence,
    at: u32,
    pending: Vec<LocalTime>,
    ended: bool,
}

impl Days<'_> {
    /// The days of the next period, the last one first.
    fn fill(&mut self) -> Option<()> {
        let start = self.of.start.midnight();
        let n = self.at;
        self.at = self.at.checked_add(1)?;
        match self.of.pattern {
            Pattern::Daily { days } => {
                self.pending.push(LocalTime(start.0.checked_add(n.checked_mul(days)?.checked_mul(DAY)?)?));
            }
            Pattern::Weekly { weeks, on } => {
                let back = start.weekday().checked_add(7)?.checked_sub(self.of.first_day)? % 7;
                let week = start.0.saturating_sub(back.checked_mul(DAY)?).checked_add(n.checked_mul(weeks)?.checked_mul(7 * DAY)?)?;
                for day in (0..7u32).rev() {
                    let day = LocalTime(week.checked_add(day.checked_mul(DAY)?)?);
                    if on & 1u32.checked_shl(day.weekday())? != 0 {
                        self.pending.push(day);
                    }
                }
            }
            Pattern::Monthly { months, .. } | Pattern::MonthlyNth { months, .. } => {
                let Civil { year, month, .. } = start.civil();
                let month = month.saturating_sub(1).checked_add(n.checked_mul(months)?)?;
                let (year, month) = (year.checked_add(month / 12)?, (month % 12).saturating_add(1));
                let first = LocalTime::of_day(year, month, 1)?;
                let next = if month == 12 {
                    LocalTime::of_day(year.checked_add(1)?, 1, 1)?
                } else {
                    LocalTime::of_day(year, month.checked_add(1)?, 1)?
                };
                let length = next.0.checked_sub(first.0)? / DAY;
                self.pending.extend(self.day_of_month(first, length));
            }
            Pattern::OtherCalendar { .. } => return None,
        }
        Some(())
    }

    fn day_of_month(&self, first: LocalTime, length: u32) -> Option<LocalTime> {
        match self.of.pattern {
            Pattern::Monthly { day, .. } => Some(first.plus(day.min(length).saturating_sub(1).saturating_mul(DAY))),
            Pattern::MonthlyNth { on, nth, .. } => {
                let days = (0..length).map(|d| first.plus(d.saturating_mul(DAY)));
                let of_kind: Vec<LocalTime> = days.filter(|d| 1u32.checked_shl(d.weekday()).is_some_and(|bit| on & bit != 0)).collect();
                if nth == 5 { of_kind.last().copied() } else { of_kind.get(index(nth.saturating_sub(1).into())).copied() }
            }
            _ => None,
        }
    }
}

impl Iterator for Days<'_> {
    type Item = LocalTime;

    fn next(&mut self) -> Option<LocalTime> {
        // A pattern without days must not be looked through for ever.
        let mut empty = 0u32;
        while self.pending.is_empty() && !self.ended && empty < 100 {
            self.ended = self.fill().is_none();
            empty = if self.pending.is_empty() { 1u32.saturating_add(empty) } else { 0 };
        }
        self.pending.pop()
    }
}
