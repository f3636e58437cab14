//! Header fields of a message: the stored ones word for word, and those that lack.

use super::address::{self, Mailbox};
use super::mime::{LINE, LINE_MAX, base64_text, encoded_words, folded, is_plain, one_line, phrase_list, unstructured};
use crate::error::Result;
use crate::format::ids::PropTag;
use crate::format::tags;
use crate::format::types::Civil;
use crate::format::types::{FileTime, Guid};
use crate::ltp::PropValue;
use crate::messaging::{Message, MessageFlags, Properties, RecipientType};

/// Fields of more are not believed to be fields.
const FIELDS_MAX: usize = 10_000;

/// A header field as it is stored: its name, and its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    lines: String,
}

/// The header fields of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields {
    fields: Vec<Field>,
    /// Lines of the stored header that are no fields: left out.
    pub(super) dropped: usize,
}

impl Fields {
    /// Reads stored header fields; the header ends with the first empty line.
    pub(super) fn parse(stored: &str) -> Self {
        let mut out = Self::default();
        let mut is_open = false;
        for line in stored.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)) {
            if line.trim().is_empty() {
                if out.fields.is_empty() || (!line.is_empty() && is_open) {
                    continue;
                }
                break;
            }
            if line.starts_with([' ', '\t']) {
                match out.fields.last_mut().filter(|_| is_open) {
                    Some(field) => {
                        field.lines.push_str("\r\n");
                        let rest = ascii_line(&field.name, line);
                        field.lines.push_str(&rest);
                    }
                    None => out.dropped = out.dropped.saturating_add(1),
                }
                continue;
            }
            let name = line
                .split(':')
                .next()
                .map(|n| n.trim_end_matches([' ', '\t']))
                .filter(|n| line.contains(':') && !n.is_empty() && n.bytes().all(|b| matches!(b, b'!'..=b'9' | b';'..=b'~')));
            is_open = name.is_some() && out.fields.len() < FIELDS_MAX;
            match name.filter(|_| is_open) {
                Some(name) => {
                    let value = line.split_once(':').map_or("", |(_, v)| v);
                    let lines = format!("{name}:{}", ascii_line(name, value));
                    out.fields.push(Field { name: name.to_owned(), lines });
                }
                None => out.dropped = out.dropped.saturating_add(1),
            }
        }
        out
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first field of a name, unfolded.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let field = self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))?;
        Some(field.lines.split_once(':')?.1.replace("\r\n", "").trim().to_owned())
    }

    /// Adds a field where there is none of its name.
    fn or(&mut self, name: &str, field: impl FnOnce() -> Option<String>) {
        if !self.has(name)
            && let Some(lines) = field()
        {
            self.fields.push(Field { name: name.to_owned(), lines: lines.trim_end_matches("\r\n").to_owned() });
        }
    }

    /// Sets a field, in place of whatever there is.
    pub(super) fn set(&mut self, name: &str, value: impl AsRef<str>) {
        self.fields.retain(|f| !f.name.eq_ignore_ascii_case(name));
        if !value.as_ref().is_empty() {
            self.fields.push(Field { name: name.to_owned(), lines: format!("{name}: {}", value.as_ref()) });
        }
    }

    /// Adds people where no field names any.
    fn or_people(&mut self, name: &str, people: &[Mailbox]) {
        self.or(name, || (!people.is_empty()).then(|| address::list_field(name, people)));
    }

    /// Adds free text where there is none.
    fn or_text(&mut self, name: &str, text: Option<String>) {
        self.or(name, || text.filter(|t| !t.trim().is_empty()).map(|t| unstructured(name, &t)));
    }

    /// The fields as they are written, without those that describe the body.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        for field in self.fields.iter().filter(|f| !describes_body(&f.name)) {
            out.push_str(&field.lines);
            out.push_str("\r\n");
        }
        out
    }
}

/// Whether a field describes the body, which is written anew.
fn describes_body(name: &str) -> bool {
    name.eq_ignore_ascii_case("MIME-Version") || name.get(..8).is_some_and(|p| p.eq_ignore_ascii_case("Content-"))
}

fn is_list_of_people(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("resent-").unwrap_or(&name);
    matches!(name, "from" | "to" | "cc" | "bcc" | "reply-to" | "sender" | "return-path" | "disposition-notification-to")
}

/// A line of a stored field with nothing but printable ASCII: other characters become encoded words, control characters spaces; a line
/// that no program has to take is folded.
fn ascii_line(name: &str, line: &str) -> String {
    let line = if line.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
        line.to_owned()
    } else {
        encode_tokens(&one_line(line), is_list_of_people(name))
    };
    if line.len() <= LINE_MAX { line } else { refold(&line) }
}

/// Encodes the words of a line that are not ASCII; in lists of people a quoted string is one word.
fn encode_tokens(line: &str, has_quotes: bool) -> String {
    let mut tokens: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        if has_quotes && c == '"' {
            quoted = !quoted;
        }
        match tokens.last_mut() {
            Some(token) if quoted || c != ' ' => token.push(c),
            _ => tokens.push(String::new()),
        }
    }
    let mut out = String::new();
    let mut run: Vec<String> = Vec::new();
    let flush = |run: &mut Vec<String>, out: &mut String| {
        if !run.is_empty() {
            out.push_str(&encoded_words(&run.join(" ")).join("\r\n "));
            run.clear();
        }
    };
    for (i, token) in tokens.into_iter().enumerate() {
        if token.is_ascii() {
            flush(&mut run, &mut out);
        }
        if i > 0 && run.is_empty() {
            out.push(' ');
        }
        if token.is_ascii() {
            out.push_str(&token);
        } else if has_quotes {
            // The comma of a list stays outside of the encoded word.
            let (core, tail) = token.strip_suffix(',').map_or((token.as_str(), ""), |core| (core, ","));
            let bare = core.strip_prefix('"').and_then(|t| t.strip_suffix('"')).map(|t| t.replace("\\\"", "\"").replace("\\\\", "\\"));
            out.push_str(&encoded_words(bare.as_deref().unwrap_or(core)).join("\r\n "));
            out.push_str(tail);
        } else {
            run.push(token);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// A line cut at spaces.
fn refold(line: &str) -> String {
    let mut out = String::new();
    let mut length = 0usize;
    for word in line.split(' ') {
        if length > 0 {
            if length.saturating_add(word.len()) > LINE && !word.is_empty() {
                out.push_str("\r\n");
                length = 0;
            }
            out.push(' ');
        }
        out.push_str(word);
        length = length.saturating_add(word.len()).saturating_add(1);
    }
    out
}

/// A time as header fields have it. Stores hold times in UTC.
pub(crate) fn date(time: FileTime) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Civil { year, month, day, hour, minute, second } = time.civil();
    // 1 January 1601 was a Monday.
    let weekday = (time.0 / 864_000_000_000) % 7;
    let weekday = usize::try_from(weekday).ok().and_then(|n| DAYS.get(n)).copied().unwrap_or_default();
    let month = usize::try_from(month).ok().and_then(|n| MONTHS.get(n.checked_sub(1)?)).copied().unwrap_or_default();
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// The first of some times that is set.
pub(crate) fn first_time(p: &Properties<'_>, of: &[PropTag]) -> Result<Option<FileTime>> {
    for tag in of {
        // Years of five digits are no dates that a header field can hold.
        if let Some(time) = p.time(*tag)?.filter(|t| !t.is_unset() && t.civil().year < 10_000) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

/// When a message was sent, or the nearest to that which is known; never the present.
pub(crate) fn sent(p: &Properties<'_>) -> Result<Option<FileTime>> {
    first_time(p, &[tags::CLIENT_SUBMIT_TIME, tags::MESSAGE_DELIVERY_TIME, tags::CREATION_TIME, tags::LAST_MODIFICATION_TIME])
}

/// The categories of an item.
pub(crate) fn categories(p: &Properties<'_>) -> Result<Vec<String>> {
    Ok(match p.named_text(Guid::PS_PUBLIC_STRINGS, "Keywords")? {
        Some(PropValue::MultiString(all)) => all.into_iter().filter(|c| !c.trim().is_empty()).collect(),
        Some(PropValue::String(one)) if !one.trim().is_empty() => vec![one],
        _ => Vec::new(),
    })
}

/// The Message-ID that a message bears: in its header, or as a property.
pub(super) fn stored_id(fields: &Fields, p: &Properties<'_>) -> Result<Option<String>> {
    if let Some(id) = fields.value("Message-ID").filter(|v| !v.is_empty()) {
        return Ok(Some(id));
    }
    let id = p.string(tags::INTERNET_MESSAGE_ID)?.map(|id| id.trim().to_owned());
    Ok(id
        .filter(|id| id.len() > 2 && id.len() < LINE_MAX && id.bytes().all(|b| matches!(b, b'!'..=b'~')))
        .map(|id| if id.starts_with('<') && id.ends_with('>') { id } else { format!("<{}>", id.trim_matches(['<', '>'])) }))
}

/// All header fields of a message but those that describe its body, and its Message-ID. `made` gives one where it has none.
pub(super) fn complete(message: &Message<'_>, made: impl FnOnce() -> Result<String>) -> Result<(Fields, String)> {
    let p = message.properties();
    let stored = p.string(tags::TRANSPORT_MESSAGE_HEADERS)?.unwrap_or_default();
    let mut f = Fields::parse(&stored);
    let recipients = message.recipients()?;
    let (from, sender) = address::senders(message, &recipients)?;
    let id = match stored_id(&f, p)? {
        Some(id) => id,
        None => made()?,
    };
    let date_sent = sent(p)?;
    f.or("Date", || date_sent.map(|t| format!("Date: {}", date(t))));
    if !from.is_empty() {
        f.or_people("From", &[from]);
    }
    if let Some(sender) = sender {
        f.or_people("Sender", &[sender]);
    }
    f.or_people("Reply-To", &address::reply_to(p)?);
    for (name, kind, display) in [
        ("To", RecipientType::To, tags::DISPLAY_TO),
        ("Cc", RecipientType::Cc, tags::DISPLAY_CC),
        ("Bcc", RecipientType::Bcc, tags::DISPLAY_BCC),
    ] {
        let mut people = address::of_kind(&recipients, kind);
        if recipients.is_empty() {
            people = address::of_names(&p.string(display)?.unwrap_or_default());
        }
        f.or_people(name, &people);
    }
    let subject = message.subject()?;
    f.or("Subject", || subject.map(|s| unstructured("Subject", &s)));
    f.or("Message-ID", || Some(format!("Message-ID: {id}")));
    let ids = |name: &str, text: Option<String>| {
        let text = text.map(|t| one_line(&t)).filter(|t| is_plain(t.trim()) && !t.trim().is_empty())?;
        Some(folded(name, text.split_whitespace()))
    };
    let (in_reply_to, references) = (p.string(tags::IN_REPLY_TO_ID)?, p.string(tags::INTERNET_REFERENCES)?);
    f.or("In-Reply-To", || ids("In-Reply-To", in_reply_to));
    f.or("References", || ids("References", references));
    annotate(&mut f, message)?;
    Ok((f, id))
}

/// Fields for the values that Outlook keeps beside the message: importance, sensitivity, categories, conversation, receipts, flags.
fn annotate(f: &mut Fields, message: &Message<'_>) -> Result<()> {
    let p = message.properties();
    match p.i32(tags::IMPORTANCE)? {
        Some(0) => f.or("Importance", || Some("Importance: low".to_owned())),
        Some(2) => f.or("Importance", || Some("Importance: high".to_owned())),
        _ => {}
    }
    let sensitivity = match p.i32(tags::SENSITIVITY)? {
        Some(1) => Some("Personal"),
        Some(2) => Some("Private"),
        Some(3) => Some("Company-Confidential"),
        _ => None,
    };
    f.or_text("Sensitivity", sensitivity.map(str::to_owned));
    let categories = categories(p)?;
    f.or("Keywords", || (!categories.is_empty()).then(|| phrase_list("Keywords", &categories)));
    f.or_text("Thread-Topic", p.string(tags::CONVERSATION_TOPIC)?);
    let index = p.binary(tags::CONVERSATION_INDEX)?.filter(|b| !b.is_empty() && b.len() <= 4096);
    f.or("Thread-Index", || {
        let text = base64_text(&index?);
        let pieces: Vec<&str> = text.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
        Some(folded("Thread-Index", pieces.into_iter()))
    });
    if p.bool(tags::READ_RECEIPT_REQUESTED)? == Some(true)
        && let Some(from) = f.value("From").filter(|v| is_plain(v))
    {
        f.or("Disposition-Notification-To", || Some(folded("Disposition-Notification-To", from.split(' '))));
    }
    if p.i32(tags::FLAG_STATUS)? == Some(2) {
        let request = crate::messaging::named::FLAG_REQUEST.string(p)?.filter(|t| !t.trim().is_empty());
        f.or_text("X-Message-Flag", Some(request.unwrap_or_else(|| "Follow up".to_owned())));
    }
    if message.flags()?.contains(MessageFlags::UNSENT) {
        f.or("X-Unsent", || Some("X-Unsent: 1".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_fields_stay_word_for_word_but_for_those_of_the_body() {
        let stored = "Microsoft Mail Internet Headers Version 2.0\r\nReceived: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n\
                      mime-version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=x\r\nX-Odd :  two  spaces \r\n\r\n--x\r\nSubject: no\r\n";
        let f = Fields::parse(stored);
        assert_eq!(f.to_text(), "Received: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\nX-Odd:  two  spaces \r\n");
        assert_eq!(f.dropped, 1);
        assert_eq!(f.value("content-type").as_deref(), Some("multipart/mixed; boundary=x"));
    }

    #[test]
    fn characters_that_a_field_cannot_hold_are_encoded_where_they_stand() {
        let f = Fields::parse("Subject: Re: Grüße aus Köln am Rhein\nFrom: \"Müller, Jürgen\" <j@example.de>\n");
        let text = f.to_text();
        assert!(text.is_ascii());
        assert!(text.starts_with("Subject: Re: =?utf-8?B?R3LDvMOfZQ==?= aus =?utf-8?B?S8O2bG4=?= am Rhein\r\n"), "{text}");
        assert!(text.contains("From: =?utf-8?B?TcO8bGxlciwgSsO8cmdlbg==?= <j@example.de>\r\n"), "{text}");
    }

    #[test]
    fn a_return_without_a_line_feed_begins_no_field() {
        let f = Fields::parse("Subject: x\rBcc: y@example.com\u{0}\n");
        assert_eq!(f.to_text(), "Subject: x Bcc: y@example.com \r\n");
    }

    #[test]
    fn dates_are_in_utc_with_the_right_day() {
        assert_eq!(date(FileTime(132_223_104_000_000_000)), "Wed, 01 Jan 2020 00:00:00 +0000");
        assert_eq!(date(FileTime(0)), "Mon, 01 Jan 1601 00:00:00 +0000");
    }
}
