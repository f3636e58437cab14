//! Appointments and tasks as iCalendar ([RFC 5545]).
//!
//! A recurring appointment is written in the zone that it names, with that zone's own rules as VTIMEZONE; its deleted instances are
//! EXDATE, its changed ones components of their own. A single appointment stands in UTC, one of whole days by its days. No value is of the
//! present: DTSTAMP is when the item was last changed.

use super::Exporter;
use super::address::{Mailbox, mailbox, senders};
use super::eml::{Exported, io};
use super::headers::{categories, first_time};
use super::items::{Item, Origin, hex};
use super::lines::{Lines, parameter};
use crate::error::Result;
use crate::format::tags;
use crate::format::types::Civil;
use crate::format::types::FileTime;
use crate::messaging::named;
use crate::messaging::recurrence::{End, Exception, LocalTime, Pattern, Recurrence};
use crate::messaging::timezone::{Change, TimeZone, ZoneRule};
use crate::messaging::{Message, Properties, RecipientType};
use std::io::Write;

/// Writes an appointment or a task as iCalendar.
///
/// # Errors
/// An error of `out`; in strict reading, the first violation.
pub fn write(message: &Message<'_>, out: &mut impl Write) -> Result<Exported> {
    Exporter::new(message.properties().pst()).ics(message, out)
}

pub(super) fn run(exporter: &Exporter<'_>, message: &Message<'_>, out: &mut dyn Write) -> Result<Exported> {
    let mut done = Exported::default();
    let mut l = begin();
    let common = Common::of(exporter, message)?;
    let class = message.class()?.unwrap_or_default().to_ascii_lowercase();
    if class.starts_with("ipm.task") {
        task(&mut l, message, &common, &mut done)?;
    } else {
        event(&mut l, message, &common, &mut done)?;
    }
    l.raw("END", "VCALENDAR");
    out.write_all(l.as_bytes()).map_err(io)?;
    done.take_state(message, 0);
    Ok(done)
}

fn begin() -> Lines {
    let mut l = Lines::default();
    l.raw("BEGIN", "VCALENDAR");
    l.raw("VERSION", "2.0");
    l.raw("PRODID", "-//pstkit//export//EN");
    l.raw("CALSCALE", "GREGORIAN");
    l
}

/// The calendar of a meeting request, a cancellation or an answer, and its method ([RFC 5546], [MS-OXCICAL] 2.1.3.1.1.1); `None` for every other
/// message, and for one that names no time.
pub(super) fn meeting(exporter: &Exporter<'_>, message: &Message<'_>, done: &mut Exported) -> Result<Option<(Vec<u8>, &'static str)>> {
    let class = message.class()?.unwrap_or_default().to_ascii_lowercase();
    let Some(kind) = class.strip_prefix("ipm.schedule.meeting.") else { return Ok(None) };
    let (method, answer) = match kind {
        "request" => ("REQUEST", 0),
        "canceled" => ("CANCEL", 0),
        "resp.tent" => ("REPLY", 2),
        "resp.pos" => ("REPLY", 3),
        "resp.neg" => ("REPLY", 4),
        _ => return Ok(None),
    };
    if named::APPOINTMENT_START_WHOLE.time(message.properties())?.is_none() {
        return Ok(None);
    }
    let mut common = Common::of(exporter, message)?;
    let recipients = message.recipients()?;
    let (from, _) = senders(message, &recipients)?;
    let people = recipients.iter().filter(|r| r.recipient_type != RecipientType::Originator && r.flags & 2 == 0);
    common.alarm = None;
    common.is_cancelled = method == "CANCEL";
    if method == "REPLY" {
        // who answers is its only attendee, and whom it goes to the organizer
        common.organizer = recipients.iter().find(|r| r.recipient_type == RecipientType::To).map(mailbox);
        common.attendees = vec![(from, RecipientType::To, answer)];
    } else {
        common.organizer = common.organizer.or((!from.is_empty()).then_some(from));
        common.attendees = people.map(|r| (mailbox(r), r.recipient_type, 0)).collect();
    }
    if common.organizer.is_none() || common.attendees.iter().all(|(who, ..)| who.is_empty()) {
        return Ok(None);
    }
    let mut l = begin();
    l.raw("METHOD", method);
    event(&mut l, message, &common, done)?;
    l.raw("END", "VCALENDAR");
    Ok(Some((l.as_bytes().to_vec(), method)))
}

/// The lines that each component of an item repeats.
struct Common {
    uid: String,
    stamp: FileTime,
    summary: Option<String>,
    location: Option<String>,
    organizer: Option<Mailbox>,
    attendees: Vec<(Mailbox, RecipientType, i32)>,
    alarm: Option<i32>,
    is_cancelled: bool,
}

impl Common {
    fn of(exporter: &Exporter<'_>, message: &Message<'_>) -> Result<Self> {
        let p = message.properties();
        let known = match named::CLEAN_GLOBAL_OBJECT_ID.binary(p)? {
            Some(id) => Some(id),
            None => named::GLOBAL_OBJECT_ID.binary(p)?,
        };
        let uid = match known.filter(|id| !id.is_empty() && id.len() < 2000) {
            Some(id) => foreign_uid(&id).unwrap_or_else(|| hex(&id).to_ascii_uppercase()),
            None => {
                let item = Item::read_with(&exporter.reading, message, "", Origin::Normal)?;
                format!("{}@item.invalid", item.content_sha256.get(..40).unwrap_or_default())
            }
        };
        let start = named::APPOINTMENT_START_WHOLE.time(p)?;
        let stamp = first_time(p, &[tags::LAST_MODIFICATION_TIME, tags::CREATION_TIME, tags::CLIENT_SUBMIT_TIME])?.or(start);
        let recipients = message.recipients()?;
        // 1: it is a meeting ([MS-OXOCAL] 2.2.1.10)
        let is_meeting = named::APPOINTMENT_STATE_FLAGS.i32(p)?.is_some_and(|f| f & 1 != 0);
        let (from, _) = senders(message, &recipients)?;
        let mut organizer = (is_meeting && !from.is_empty()).then_some(from);
        let mut attendees = Vec::new();
        for r in &recipients {
            // 2: the organizer ([MS-OXOCAL] 2.2.4.10.1)
            if r.flags & 2 != 0 {
                organizer = Some(mailbox(r));
            } else if is_meeting {
                attendees.push((mailbox(r), r.recipient_type, r.track_status));
            }
        }
        let alarm = match named::REMINDER_SET.bool(p)? {
            // The value that stands for the default: 15 minutes ([MS-OXORMDR] 2.2.1.3).
            Some(true) => Some(match named::REMINDER_DELTA.i32(p)? {
                None | Some(0x5AE9_80E1) => 15,
                Some(n) => n.clamp(0, 5_256_000),
            }),
            _ => None,
        };
        Ok(Self {
            uid,
            stamp: stamp.unwrap_or_default(),
            summary: message.subject()?,
            location: named::LOCATION.string(p)?,
            organizer,
            attendees,
            alarm,
            is_cancelled: false,
        })
    }

    fn head(&self, l: &mut Lines) {
        l.text("UID", Some(&self.uid));
        l.raw("DTSTAMP", &utc(self.stamp));
    }

    fn people(&self, l: &mut Lines) {
        if let Some(o) = &self.organizer {
            let name = o.name.as_deref().map(|n| format!(";CN={}", parameter(n))).unwrap_or_default();
            l.raw(&format!("ORGANIZER{name}"), &format!("mailto:{}", o.addr_spec()));
        }
        for (who, kind, status) in &self.attendees {
            let name = who.name.as_deref().map(|n| format!(";CN={}", parameter(n))).unwrap_or_default();
            let role = match kind {
                RecipientType::Cc => ";ROLE=OPT-PARTICIPANT",
                RecipientType::Bcc => ";CUTYPE=RESOURCE;ROLE=NON-PARTICIPANT",
                _ => ";ROLE=REQ-PARTICIPANT",
            };
            // [MS-OXOCAL] 2.2.4.10.2
            let state = match status {
                2 => "TENTATIVE",
                3 => "ACCEPTED",
                4 => "DECLINED",
                _ => "NEEDS-ACTION",
            };
            l.raw(&format!("ATTENDEE{name}{role};PARTSTAT={state}"), &format!("mailto:{}", who.addr_spec()));
        }
    }

    fn reminder(&self, l: &mut Lines, minutes: Option<i32>) {
        if let Some(minutes) = minutes {
            l.raw("BEGIN", "VALARM");
            l.raw("ACTION", "DISPLAY");
            l.text("DESCRIPTION", Some(self.summary.as_deref().filter(|s| !s.trim().is_empty()).unwrap_or("Reminder")));
            l.raw("TRIGGER", &format!("-PT{minutes}M"));
            l.raw("END", "VALARM");
        }
    }
}

/// The UID of another program, which Outlook keeps within its own ([MS-OXCICAL] 2.1.3.1.1.20.26).
fn foreign_uid(id: &[u8]) -> Option<String> {
    let data = id.get(40..)?.strip_prefix(b"vCal-Uid\x01\0\0\0")?;
    let text = String::from_utf8(data.split(|b| *b == 0).next()?.to_vec()).ok()?;
    Some(text).filter(|t| !t.is_empty())
}

fn utc(time: FileTime) -> String {
    let Civil { year: y, month: m, day: d, hour: h, minute: min, second: s } = time.civil();
    format!("{y:04}{m:02}{d:02}T{h:02}{min:02}{s:02}Z")
}

fn local(time: LocalTime) -> String {
    let Civil { year: y, month: m, day: d, hour: h, minute: min, .. } = time.civil();
    format!("{y:04}{m:02}{d:02}T{h:02}{min:02}00")
}

fn day(time: LocalTime) -> String {
    let Civil { year: y, month: m, day: d, .. } = time.civil();
    format!("{y:04}{m:02}{d:02}")
}

/// How the times of a component are written.
enum Clock {
    Days,
    Zone(TimeZone, String),
}

impl Clock {
    fn put(&self, l: &mut Lines, name: &str, time: LocalTime) {
        match self {
            Self::Days => l.raw(&format!("{name};VALUE=DATE"), &day(time)),
            Self::Zone(_, id) => l.raw(&format!("{name};TZID={}", parameter(id)), &local(time)),
        }
    }

    fn until(&self, time: LocalTime) -> String {
        match self {
            Self::Days => day(time),
            Self::Zone(zone, _) => utc(zone.to_utc(time)),
        }
    }
}

fn zone_of(p: &Properties<'_>) -> Result<Option<TimeZone>> {
    for lid in [named::APPOINTMENT_TIME_ZONE_DEFINITION_RECUR, named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY] {
        if let Some(zone) = lid.binary(p)?.and_then(|b| TimeZone::decode_definition(&b)) {
            return Ok(Some(zone));
        }
    }
    let mut zone = named::TIME_ZONE_STRUCT.binary(p)?.and_then(|b| TimeZone::decode_struct(&b));
    if let Some(zone) = &mut zone {
        zone.name = named::TIME_ZONE_DESCRIPTION.string(p)?.filter(|n| !n.trim().is_empty());
    }
    Ok(zone)
}

fn event(l: &mut Lines, message: &Message<'_>, common: &Common, done: &mut Exported) -> Result<()> {
    let p = message.properties();
    let (start, end) = (named::APPOINTMENT_START_WHOLE.time(p)?, named::APPOINTMENT_END_WHOLE.time(p)?);
    let all_day = named::APPOINTMENT_SUB_TYPE.bool(p)? == Some(true);
    let zone = zone_of(p)?;
    let recurrence = match named::APPOINTMENT_RECUR.binary(p)?.map(|b| Recurrence::decode(&b)) {
        Some(Ok(r)) if !matches!(r.pattern, Pattern::OtherCalendar { .. }) => Some(r),
        Some(Ok(_)) => {
            done.partial("it recurs in a calendar that is not the Gregorian one: its first instance alone is written");
            None
        }
        Some(Err(e)) => {
            done.partial(&e.to_string());
            None
        }
        None => None,
    };
    if let Some(r) = recurrence {
        if !r.is_complete {
            done.partial("what was changed in its recurrence cannot be read wholly");
        }
        let zone = zone.map(|z| z.recurring()).unwrap_or_else(|| fixed_zone(start, &r));
        return series(l, message, common, &r, zone, all_day);
    }
    l.raw("BEGIN", "VEVENT");
    common.head(l);
    if let Some(start) = start {
        if all_day {
            let to_day = |t: FileTime| match &zone {
                Some(zone) => zone.to_local(t),
                // Midnight somewhere: the nearest midnight of UTC is its day for all zones but the most eastern ones.
                None => LocalTime::from_utc(t).plus(720).midnight(),
            };
            l.raw("DTSTART;VALUE=DATE", &day(to_day(start)));
            if let Some(end) = end.filter(|end| to_day(*end).midnight() > to_day(start).midnight()) {
                l.raw("DTEND;VALUE=DATE", &day(to_day(end)));
            }
        } else {
            l.raw("DTSTART", &utc(start));
            if let Some(end) = end.filter(|end| *end >= start) {
                l.raw("DTEND", &utc(end));
            }
        }
    } else {
        done.partial("it has no beginning");
        l.raw("DTSTART", &utc(common.stamp));
    }
    details(l, message, common, None)?;
    common.reminder(l, common.alarm);
    l.raw("END", "VEVENT");
    Ok(())
}

/// A zone without summer time that gives the first instance its moment.
fn fixed_zone(start: Option<FileTime>, r: &Recurrence) -> TimeZone {
    let bias = start.map_or(0, |t| {
        let first = r.planned().next().unwrap_or(r.start);
        i64::from(LocalTime::from_utc(t).0).saturating_sub(first.0.into())
    });
    let bias = i32::try_from(bias).ok().filter(|b| b.abs() <= 1440).unwrap_or(0);
    TimeZone::fixed(bias)
}

fn series(l: &mut Lines, message: &Message<'_>, common: &Common, r: &Recurrence, zone: TimeZone, all_day: bool) -> Result<()> {
    let clock = if all_day {
        Clock::Days
    } else {
        let id = zone.name.clone().unwrap_or_else(|| "Zone of the appointment".to_owned());
        timezone(l, &zone, &id);
        Clock::Zone(zone, id)
    };
    let first = r.planned().next().unwrap_or(r.start.midnight().plus(r.start_offset));
    l.raw("BEGIN", "VEVENT");
    common.head(l);
    clock.put(l, "DTSTART", first);
    clock.put(l, "DTEND", first.plus(r.duration()));
    l.raw("RRULE", &rule(r, first, &clock));
    for gone in r.cancelled() {
        clock.put(l, "EXDATE", gone.plus(r.start_offset));
    }
    details(l, message, common, None)?;
    common.reminder(l, common.alarm);
    l.raw("END", "VEVENT");
    for e in &r.exceptions {
        l.raw("BEGIN", "VEVENT");
        common.head(l);
        let clock = match &clock {
            Clock::Days if e.all_day != Some(false) => &Clock::Days,
            other => other,
        };
        clock.put(l, "RECURRENCE-ID", e.original.midnight().plus(r.start_offset));
        clock.put(l, "DTSTART", e.start);
        clock.put(l, "DTEND", e.end.max(e.start));
        details(l, message, common, Some(e))?;
        let own = e.reminder_delta.and_then(|n| i32::try_from(n).ok());
        let alarm = match e.reminder {
            Some(false) => None,
            Some(true) => own.or(common.alarm).or(Some(15)),
            None => common.alarm.map(|n| own.unwrap_or(n)),
        };
        common.reminder(l, alarm);
        l.raw("END", "VEVENT");
    }
    Ok(())
}

/// A pattern as RRULE ([RFC 5545] 3.3.10).
fn rule(r: &Recurrence, first: LocalTime, clock: &Clock) -> String {
    const NAMES: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
    let days = |on: u32| -> Vec<&str> {
        let set = NAMES.iter().enumerate().filter(|(i, _)| on >> u32::try_from(*i).unwrap_or(0) & 1 != 0);
        set.map(|(_, name)| *name).collect()
    };
    let month = first.civil().month;
    let months = |n: u32| {
        if r.is_yearly && n.is_multiple_of(12) {
            format!("FREQ=YEARLY;INTERVAL={};BYMONTH={month}", n / 12)
        } else {
            format!("FREQ=MONTHLY;INTERVAL={n}")
        }
    };
    let mut out = match r.pattern {
        Pattern::Daily { days } => format!("FREQ=DAILY;INTERVAL={days}"),
        Pattern::Weekly { weeks, on } => {
            let start = NAMES.get(usize::try_from(r.first_day).unwrap_or(0)).copied().unwrap_or("SU");
            format!("FREQ=WEEKLY;INTERVAL={weeks};BYDAY={};WKST={start}", days(on).join(","))
        }
        Pattern::Monthly { months: n, day: 31 } => format!("{};BYMONTHDAY=-1", months(n)),
        Pattern::Monthly { months: n, day } if day > 28 => {
            // In a shorter month the last day stands for it.
            let all: Vec<String> = (28..=day).map(|d| d.to_string()).collect();
            format!("{};BYMONTHDAY={};BYSETPOS=-1", months(n), all.join(","))
        }
        Pattern::Monthly { months: n, day } => format!("{};BYMONTHDAY={day}", months(n)),
        Pattern::MonthlyNth { months: n, on, nth } => {
            let nth = if nth == 5 { "-1".to_owned() } else { nth.to_string() };
            format!("{};BYDAY={};BYSETPOS={nth}", months(n), days(on).join(","))
        }
        Pattern::OtherCalendar { .. } => String::new(),
    };
    match r.end {
        End::On(last) => out.push_str(&format!(";UNTIL={}", clock.until(last.midnight().plus(r.start_offset)))),
        End::After(n) => out.push_str(&format!(";COUNT={}", n.max(1))),
        End::Never => {}
    }
    out
}

fn details(l: &mut Lines, message: &Message<'_>, common: &Common, e: Option<&Exception>) -> Result<()> {
    let p = message.properties();
    l.text("SUMMARY", e.and_then(|e| e.subject.as_deref()).or(common.summary.as_deref()));
    l.text("LOCATION", e.and_then(|e| e.location.as_deref()).or(common.location.as_deref()));
    // A changed instance repeats the text of the series: its own stands in an attachment.
    l.text("DESCRIPTION", message.body_text()?.as_deref());
    l.texts("CATEGORIES", &categories(p)?, ",");
    described(l, p)?;
    let busy = match e.and_then(|e| e.busy).and_then(|b| i32::try_from(b).ok()) {
        Some(b) => Some(b),
        None => named::BUSY_STATUS.i32(p)?,
    };
    l.raw("TRANSP", if busy == Some(0) { "TRANSPARENT" } else { "OPAQUE" });
    let word = match busy {
        Some(0) => "FREE",
        Some(1) => "TENTATIVE",
        Some(3) => "OOF",
        _ => "BUSY",
    };
    l.raw("X-MICROSOFT-CDO-BUSYSTATUS", word);
    if let Some(n) = named::APPOINTMENT_SEQUENCE.i32(p)?.filter(|n| *n > 0) {
        l.raw("SEQUENCE", &n.to_string());
    }
    // 4: it was cancelled
    if common.is_cancelled || named::APPOINTMENT_STATE_FLAGS.i32(p)?.is_some_and(|f| f & 4 != 0) {
        l.raw("STATUS", "CANCELLED");
    }
    common.people(l);
    Ok(())
}

/// Importance and sensitivity.
fn described(l: &mut Lines, p: &Properties<'_>) -> Result<()> {
    match p.i32(tags::IMPORTANCE)? {
        Some(0) => l.raw("PRIORITY", "9"),
        Some(2) => l.raw("PRIORITY", "1"),
        _ => {}
    }
    match p.i32(tags::SENSITIVITY)? {
        Some(1 | 2) => l.raw("CLASS", "PRIVATE"),
        Some(3) => l.raw("CLASS", "CONFIDENTIAL"),
        _ => {}
    }
    Ok(())
}

/// A zone with its own rules.
fn timezone(l: &mut Lines, zone: &TimeZone, id: &str) {
    l.raw("BEGIN", "VTIMEZONE");
    l.text("TZID", Some(id));
    for (i, rule) in zone.rules.iter().enumerate() {
        let next = zone.rules.get(i.saturating_add(1)).map(|r| r.year);
        if rule.has_daylight() {
            observance(l, "STANDARD", rule, rule.to_standard, (rule.daylight_bias, rule.standard_bias), next);
            observance(l, "DAYLIGHT", rule, rule.to_daylight, (rule.standard_bias, rule.daylight_bias), next);
        } else {
            l.raw("BEGIN", "STANDARD");
            l.raw("DTSTART", &format!("{:04}0101T000000", rule.year.max(1970)));
            l.raw("TZOFFSETFROM", &offset(rule.standard_bias));
            l.raw("TZOFFSETTO", &offset(rule.standard_bias));
            l.raw("END", "STANDARD");
        }
    }
    l.raw("END", "VTIMEZONE");
}

fn observance(l: &mut Lines, name: &str, rule: &ZoneRule, change: Change, (before, after): (i32, i32), next: Option<u16>) {
    const NAMES: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
    let year = u32::from(rule.year.max(change.year).max(1970));
    let Some(start) = change.in_year(year) else { return };
    l.raw("BEGIN", name);
    l.raw("DTSTART", &local(start));
    l.raw("TZOFFSETFROM", &offset(before));
    l.raw("TZOFFSETTO", &offset(after));
    if change.year == 0 {
        let nth = if change.day >= 5 { "-1".to_owned() } else { change.day.max(1).to_string() };
        let weekday = NAMES.get(usize::from(change.weekday)).copied().unwrap_or("SU");
        let until = next.and_then(|y| change.in_year(u32::from(y).saturating_sub(1)));
        let until = until.map(|t| LocalTime(t.0.saturating_add_signed(before)).as_utc()).map(|t| format!(";UNTIL={}", utc(t)));
        l.raw("RRULE", &format!("FREQ=YEARLY;BYDAY={nth}{weekday};BYMONTH={}{}", change.month, until.unwrap_or_default()));
    }
    l.raw("END", name);
}

/// The offset from UTC, as `+0100`.
fn offset(bias: i32) -> String {
    let sign = if bias > 0 { '-' } else { '+' };
    let n = bias.unsigned_abs();
    format!("{sign}{:02}{:02}", n / 60, n % 60)
}

fn task(l: &mut Lines, message: &Message<'_>, common: &Common, done: &mut Exported) -> Result<()> {
    let p = message.properties();
    l.raw("BEGIN", "VTODO");
    common.head(l);
    // Days of tasks are midnights that belong to no zone ([MS-OXOTASK] 2.2.2.2.4).
    let start = named::TASK_START_DATE.time(p)?.map(LocalTime::from_utc);
    let due = named::TASK_DUE_DATE.time(p)?.map(LocalTime::from_utc);
    let recurrence = match named::TASK_RECURRENCE.binary(p)?.filter(|b| !b.is_empty()).map(|b| Recurrence::decode(&b)) {
        Some(Ok(r)) if !matches!(r.pattern, Pattern::OtherCalendar { .. }) => Some(r),
        Some(_) => {
            done.partial("its recurrence cannot be written");
            None
        }
        None => None,
    };
    let start = start.or(recurrence.as_ref().map(|r| r.start));
    if let Some(start) = start {
        l.raw("DTSTART;VALUE=DATE", &day(start));
    }
    if let Some(due) = due.filter(|due| start.is_none_or(|start| due.midnight() > start.midnight())) {
        l.raw("DUE;VALUE=DATE", &day(due));
    }
    if let (Some(r), Some(start)) = (&recurrence, start) {
        l.raw("RRULE", &rule(r, start, &Clock::Days));
    }
    l.text("SUMMARY", common.summary.as_deref());
    l.text("DESCRIPTION", message.body_text()?.as_deref());
    l.texts("CATEGORIES", &categories(p)?, ",");
    described(l, p)?;
    let status = match named::TASK_STATUS.i32(p)? {
        Some(1) => "IN-PROCESS",
        Some(2) => "COMPLETED",
        _ => "NEEDS-ACTION",
    };
    l.raw("STATUS", status);
    if let Some(part) = named::PERCENT_COMPLETE.f64(p)?.filter(|n| (0.0..=1.0).contains(n)) {
        l.raw("PERCENT-COMPLETE", &format!("{:.0}", part * 100.0));
    }
    if let Some(time) = named::TASK_DATE_COMPLETED.time(p)? {
        l.raw("COMPLETED", &utc(time));
    }
    if let Some(owner) = named::TASK_OWNER.string(p)? {
        l.text("X-OWNER", Some(&owner));
    }
    if let Some(time) = named::REMINDER_TIME.time(p)?.filter(|_| common.alarm.is_some()) {
        l.raw("BEGIN", "VALARM");
        l.raw("ACTION", "DISPLAY");
        l.text("DESCRIPTION", Some(common.summary.as_deref().filter(|s| !s.trim().is_empty()).unwrap_or("Reminder")));
        l.raw("TRIGGER;VALUE=DATE-TIME", &utc(time));
        l.raw("END", "VALARM");
    }
    l.raw("END", "VTODO");
    Ok(())
}
