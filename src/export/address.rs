//! Addresses as header fields have them ([RFC 5322] 3.4), out of the properties that a store has of people.

use super::mime::{encoded_words, folded, is_plain, one_line};
use crate::error::Result;
use crate::format::bytes::{index, le16, le32};
use crate::format::ids::PropTag;
use crate::format::tags;
use crate::ltp::value::utf16;
use crate::messaging::{Message, Properties, Recipient, RecipientType};

/// The domain of addresses that lead nowhere: nobody can own it ([RFC 2606]).
const NOWHERE: &str = "invalid";

/// A person as a header field names one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mailbox {
    pub(crate) name: Option<String>,
    /// An address of SMTP, or of another kind, with the kind.
    pub(crate) address: Option<String>,
    pub(crate) kind: Option<String>,
}

impl Mailbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.address.is_none()
    }

    /// The address where it is one of the internet.
    pub(crate) fn smtp(&self) -> Option<&str> {
        self.address.as_deref().filter(|a| is_addr_spec(a))
    }

    /// The address in the form that header fields need. One that is none of SMTP is encapsulated as Exchange does it ([MS-OXCMAIL]
    /// 2.1.3.2.2), at a domain that does not exist.
    pub(crate) fn addr_spec(&self) -> String {
        match self.address.as_deref() {
            Some(a) if is_addr_spec(a) => a.to_owned(),
            Some(a) => {
                let kind: String = self.kind.as_deref().unwrap_or("").chars().filter(char::is_ascii_alphanumeric).take(16).collect();
                let kind = if kind.is_empty() { "UNKNOWN".to_owned() } else { kind.to_ascii_uppercase() };
                let mut local = format!("IMCEA{kind}-");
                for b in a.bytes().take(512) {
                    match b {
                        b'/' => local.push('_'),
                        b'-' | b'=' => local.push(char::from(b)),
                        _ if b.is_ascii_alphanumeric() => local.push(char::from(b)),
                        _ => local.push_str(&format!("+{b:02X}")),
                    }
                }
                format!("{local}@address.{NOWHERE}")
            }
            None => format!("unknown@address.{NOWHERE}"),
        }
    }

    /// Name and address as they stand in a field; words that a line can be folded between.
    fn words(&self) -> Vec<String> {
        let addr = self.addr_spec();
        let name = self.name.as_deref().map(one_line).filter(|n| !n.trim().is_empty() && n.trim() != addr);
        let Some(name) = name else { return vec![addr] };
        let mut words = phrase(name.trim());
        words.push(format!("<{addr}>"));
        words
    }
}

/// Whether a text is an address that a header field takes without quotes.
pub(crate) fn is_addr_spec(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_dotted = |t: &str, also: &str| {
        !t.is_empty()
            && t.split('.').all(|atom| !atom.is_empty())
            && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || also.contains(c))
    };
    text.len() <= 320 && is_dotted(local, "!#$%&'*+-/=?^_`{|}~") && is_dotted(domain, "-_")
}

/// A name as a quoted string, or as encoded words where it has characters that are not ASCII.
pub(super) fn phrase(name: &str) -> Vec<String> {
    if !is_plain(name) || name.len() > 400 {
        return encoded_words(name);
    }
    if name.chars().all(|c| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c)) && !name.contains("  ") {
        return name.split(' ').map(str::to_owned).collect();
    }
    let quoted: String = name.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect();
    vec![format!("\"{quoted}\"")]
}

/// A field with a list of people.
pub(super) fn list_field(name: &str, people: &[Mailbox]) -> String {
    let last = people.len().saturating_sub(1);
    let mut words = Vec::new();
    for (i, person) in people.iter().enumerate() {
        words.extend(person.words());
        if let Some(word) = words.last_mut().filter(|_| i < last) {
            word.push(',');
        }
    }
    folded(name, words.iter().map(String::as_str))
}

fn text(p: &Properties<'_>, tag: PropTag) -> Result<Option<String>> {
    Ok(p.string(tag)?.filter(|s| !s.trim().is_empty()))
}

/// The tags that name one person.
struct Roles {
    name: PropTag,
    kind: PropTag,
    address: PropTag,
    smtp: PropTag,
}

const SENDER: Roles = Roles {
    name: tags::SENDER_NAME,
    kind: tags::SENDER_ADDRESS_TYPE,
    address: tags::SENDER_EMAIL_ADDRESS,
    smtp: tags::SENDER_SMTP_ADDRESS,
};
const REPRESENTED: Roles = Roles {
    name: tags::SENT_REPRESENTING_NAME,
    kind: tags::SENT_REPRESENTING_ADDRESS_TYPE,
    address: tags::SENT_REPRESENTING_EMAIL_ADDRESS,
    smtp: tags::SENT_REPRESENTING_SMTP_ADDRESS,
};

fn person(p: &Properties<'_>, roles: &Roles, recipients: &[Recipient]) -> Result<Mailbox> {
    let name = text(p, roles.name)?;
    let kind = text(p, roles.kind)?;
    let stored = text(p, roles.address)?;
    if let Some(smtp) = text(p, roles.smtp)?.filter(|s| is_addr_spec(s)) {
        return Ok(Mailbox { name, address: Some(smtp), kind: Some("SMTP".to_owned()) });
    }
    // Whoever sent it and also got it has an address of the internet in the list of recipients.
    if let Some(known) = stored
        .as_deref()
        .filter(|s| !is_addr_spec(s))
        .and_then(|_| recipients.iter().find(|r| r.name == name && name.is_some() && r.email.as_deref().is_some_and(is_addr_spec)))
    {
        return Ok(Mailbox { name, address: known.email.clone(), kind: Some("SMTP".to_owned()) });
    }
    Ok(Mailbox { name, address: stored, kind })
}

/// Who the message is from, and who sent it for them where that is somebody else.
pub(crate) fn senders(message: &Message<'_>, recipients: &[Recipient]) -> Result<(Mailbox, Option<Mailbox>)> {
    let p = message.properties();
    let sender = person(p, &SENDER, recipients)?;
    let from = person(p, &REPRESENTED, recipients)?;
    if from.is_empty() {
        return Ok((sender, None));
    }
    if sender.is_empty() {
        return Ok((from, None));
    }
    let same = match (&from.address, &sender.address) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => from.name == sender.name,
    };
    if same {
        // Of two forms of one person the one with an address of the internet tells more.
        let better = if from.smtp().is_none() && sender.smtp().is_some() { sender } else { from };
        return Ok((better, None));
    }
    Ok((from, Some(sender)))
}

/// The recipients of one kind.
pub(super) fn of_kind(recipients: &[Recipient], kind: RecipientType) -> Vec<Mailbox> {
    let of = recipients.iter().filter(|r| r.recipient_type == kind);
    of.map(mailbox).filter(|m| !m.is_empty()).collect()
}

/// A recipient as a person.
pub(crate) fn mailbox(r: &Recipient) -> Mailbox {
    Mailbox { name: r.name.clone(), address: r.email.clone(), kind: r.address_type.clone() }
}

/// People of whom only names are left, as `Ann; Bob`.
pub(super) fn of_names(names: &str) -> Vec<Mailbox> {
    let each = names.split(';').map(|n| n.trim().trim_matches('\'')).filter(|n| !n.is_empty()).take(1000);
    each.map(|n| Mailbox { name: (!is_addr_spec(n)).then(|| n.to_owned()), address: is_addr_spec(n).then(|| n.to_owned()), kind: None })
        .collect()
}

/// Where answers go: PidTagReplyRecipientEntries ([MS-OXOMSG] 2.2.1.43, a list of entry ids).
pub(super) fn reply_to(p: &Properties<'_>) -> Result<Vec<Mailbox>> {
    let Some(list) = p.binary(tags::REPLY_RECIPIENT_ENTRIES)? else { return Ok(Vec::new()) };
    Ok(flat_entries(&list).filter_map(one_off).collect())
}

/// The entry ids of a FlatEntryList ([MS-OXCDATA] 2.3.3).
fn flat_entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = index(le32(rest.get(..4)?, 0).into());
        let entry = rest.get(4..size.checked_add(4)?)?;
        let next = size.checked_next_multiple_of(4)?.saturating_add(4);
        rest = rest.get(next..).unwrap_or_default();
        Some(entry)
    })
}

/// Somebody who is in no address book: the entry id holds name, kind and address ([MS-OXCDATA] 2.2.5.1).
pub(crate) fn one_off(id: &[u8]) -> Option<Mailbox> {
    const PROVIDER: [u8; 16] = [0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02];
    if id.get(4..20)? != PROVIDER {
        return None;
    }
    let is_unicode = le16(id, 22) & 0x8000 != 0;
    let mut rest = id.get(24..)?;
    let mut next = || -> String {
        if is_unicode {
            let end = rest.chunks_exact(2).position(|c| c == [0, 0]).unwrap_or(rest.len() / 2).saturating_mul(2);
            let text = utf16(rest.get(..end).unwrap_or_default());
            rest = rest.get(end.saturating_add(2)..).unwrap_or_default();
            text
        } else {
            let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
            let text = crate::messaging::code_page::CodePage::default().decode(rest.get(..end).unwrap_or_default()).0.into_owned();
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
            text
        }
    };
    let (name, kind, address) = (next(), next(), next());
    let some = |s: String| (!s.trim().is_empty()).then_some(s);
    Some(Mailbox { name: some(name), address: some(address), kind: some(kind) }).filter(|m| !m.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(name: &str, address: &str, kind: &str) -> Mailbox {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        Mailbox { name: some(name), address: some(address), kind: some(kind) }
    }

    #[test]
    fn people_as_a_field_names_them() {
        let people = [
            mailbox("Ann Lee", "ann@example.com", "SMTP"),
            mailbox("Lee, Bob \"B\"", "bob@example.com", "SMTP"),
            mailbox("Jürgen", "j@example.de", "SMTP"),
            mailbox("", "plain@example.com", "SMTP"),
            mailbox("x@example.com\r\nBcc: y@example.com", "z@example.com", "SMTP"),
        ];
        let field = list_field("To", &people);
        assert_eq!(
            field,
            "To: Ann Lee <ann@example.com>, \"Lee, Bob \\\"B\\\"\" <bob@example.com>,\r\n \
             =?utf-8?B?SsO8cmdlbg==?= <j@example.de>, plain@example.com,\r\n \
             \"x@example.com Bcc: y@example.com\" <z@example.com>\r\n"
        );
    }

    #[test]
    fn an_address_of_exchange_is_encapsulated_and_leads_nowhere() {
        let m = mailbox("Ann", "/o=Org/cn=Recipients/cn=ann lee", "EX");
        assert_eq!(m.addr_spec(), "IMCEAEX-_o=Org_cn=Recipients_cn=ann+20lee@address.invalid");
        assert_eq!(mailbox("Ann", "", "").addr_spec(), "unknown@address.invalid");
    }

    #[test]
    fn an_entry_id_of_its_own_tells_name_and_address() {
        let id = crate::write::one_off("Ann", "ann@example.com");
        assert_eq!(one_off(&id), Some(mailbox("Ann", "ann@example.com", "SMTP")));
        for n in 0..id.len() {
            let _ = one_off(&id[..n]);
        }
    }
}
