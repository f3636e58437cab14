//! Contacts and distribution lists as vCard ([RFC 6350]; 3.0 is [RFC 2426], which more programs read).

use super::Exporter;
use super::address::{Mailbox, one_off};
use super::eml::{Exported, io};
use super::headers::{categories, first_time};
use super::items::{Item, Origin};
use super::lines::Lines;
use super::mime::base64_text;
use crate::error::Result;
use crate::format::context::EntryId;
use crate::format::ids::PropTag;
use crate::format::tags;
use crate::format::types::Civil;
use crate::messaging::named::{self, PidLid};
use crate::messaging::recurrence::LocalTime;
use crate::messaging::{Attachment, Message, Properties};
use std::io::Write;

/// The version of vCard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Version {
    /// 3.0, which every program reads.
    #[default]
    V3,
    /// 4.0.
    V4,
}

/// Writes a contact or a distribution list as vCard.
///
/// # Errors
/// An error of `out`; in strict reading, the first violation.
pub fn write(message: &Message<'_>, out: &mut impl Write, version: Version) -> Result<Exported> {
    Exporter::new(message.properties().pst()).vcf(message, out, version)
}

/// Photos of more bytes are not put into a card.
const PHOTO_MAX: usize = 16 << 20;

pub(super) fn run(exporter: &Exporter<'_>, message: &Message<'_>, out: &mut dyn Write, version: Version) -> Result<Exported> {
    let mut done = Exported::default();
    let mut l = Lines::default();
    let p = message.properties();
    l.raw("BEGIN", "VCARD");
    l.raw("VERSION", if version == Version::V4 { "4.0" } else { "3.0" });
    let item = Item::read_with(&exporter.reading, message, "", Origin::Normal)?;
    l.raw("UID", &format!("{}@item.invalid", item.content_sha256.get(..40).unwrap_or_default()));
    if let Some(time) = first_time(p, &[tags::LAST_MODIFICATION_TIME, tags::CREATION_TIME])? {
        let Civil { year: y, month: m, day: d, hour: h, minute: min, second: s } = time.civil();
        l.raw("REV", &format!("{y:04}{m:02}{d:02}T{h:02}{min:02}{s:02}Z"));
    }
    if message.class()?.unwrap_or_default().to_ascii_lowercase().starts_with("ipm.distlist") {
        group(&mut l, message, version, &mut done)?;
    } else {
        person(&mut l, message, version)?;
        photo(&mut l, message, version, &mut done)?;
    }
    l.text("NOTE", message.body_text()?.as_deref());
    l.texts("CATEGORIES", &categories(p)?, ",");
    l.raw("END", "VCARD");
    out.write_all(l.as_bytes()).map_err(io)?;
    done.take_state(message, 0);
    Ok(done)
}

fn text(p: &Properties<'_>, tag: PropTag) -> Result<String> {
    Ok(p.string(tag)?.unwrap_or_default())
}

fn person(l: &mut Lines, message: &Message<'_>, version: Version) -> Result<()> {
    let p = message.properties();
    let name = [tags::SURNAME, tags::GIVEN_NAME, tags::MIDDLE_NAME, tags::DISPLAY_NAME_PREFIX, tags::GENERATION];
    let name: Vec<String> = name.iter().map(|t| text(p, *t)).collect::<Result<_>>()?;
    let mails = addresses(p)?;
    let mut full = text(p, tags::DISPLAY_NAME)?;
    for other in [message.subject()?.unwrap_or_default(), text(p, tags::COMPANY_NAME)?, mails.first().cloned().unwrap_or_default()] {
        if full.trim().is_empty() {
            full = other;
        }
    }
    l.text("FN", Some(if full.trim().is_empty() { "(no name)" } else { &full }));
    let has_parts = name.iter().any(|n| !n.trim().is_empty());
    let whole = [full.clone(), String::new(), String::new(), String::new(), String::new()];
    l.texts("N", if has_parts { &name } else { &whole }, ";");
    l.text("NICKNAME", p.string(tags::NICKNAME)?.as_deref());
    let (company, department) = (text(p, tags::COMPANY_NAME)?, text(p, tags::DEPARTMENT_NAME)?);
    let units = if department.is_empty() { vec![company] } else { vec![company, department] };
    l.texts("ORG", &units, ";");
    l.text("TITLE", p.string(tags::TITLE)?.as_deref());
    l.text("ROLE", p.string(tags::PROFESSION)?.as_deref());
    for mail in &mails {
        l.text(if version == Version::V4 { "EMAIL" } else { "EMAIL;TYPE=INTERNET" }, Some(mail));
    }
    phones(l, p)?;
    postal(l, p)?;
    for (kind, tag) in [("WORK", tags::BUSINESS_HOME_PAGE), ("HOME", tags::PERSONAL_HOME_PAGE)] {
        if let Some(url) = p.string(tag)?.filter(|u| !u.trim().is_empty()) {
            l.raw(&format!("URL;TYPE={kind}"), url.trim());
        }
    }
    if let Some(im) = named::INSTANT_MESSAGING_ADDRESS.string(p)?.filter(|t| !t.trim().is_empty()) {
        let is_uri = im.contains(':');
        l.raw("IMPP", &if is_uri { im.trim().to_owned() } else { format!("x-im:{}", im.trim().replace(' ', "%20")) });
    }
    days(l, p, version)?;
    for (name, kind, tag) in [
        ("X-SPOUSE", "spouse", tags::SPOUSE_NAME),
        ("X-MANAGER", "x-manager", tags::MANAGER_NAME),
        ("X-ASSISTANT", "x-assistant", tags::ASSISTANT),
    ] {
        let name = if version == Version::V4 { format!("RELATED;TYPE={kind};VALUE=text") } else { name.to_owned() };
        l.text(&name, p.string(tag)?.as_deref());
    }
    Ok(())
}

/// The addresses of a contact, those of the internet as they are.
fn addresses(p: &Properties<'_>) -> Result<Vec<String>> {
    const ALL: [[PidLid; 3]; 3] = [
        [named::EMAIL1_ADDRESS_TYPE, named::EMAIL1_EMAIL_ADDRESS, named::EMAIL1_ORIGINAL_DISPLAY_NAME],
        [named::EMAIL2_ADDRESS_TYPE, named::EMAIL2_EMAIL_ADDRESS, named::EMAIL2_ORIGINAL_DISPLAY_NAME],
        [named::EMAIL3_ADDRESS_TYPE, named::EMAIL3_EMAIL_ADDRESS, named::EMAIL3_ORIGINAL_DISPLAY_NAME],
    ];
    let mut out = Vec::new();
    for [kind, address, original] in ALL {
        let address = address.string(p)?.filter(|a| !a.trim().is_empty());
        // An address of Exchange often has its internet form beside it.
        let other = original.string(p)?.filter(|o| super::address::is_addr_spec(o));
        let chosen = match address {
            Some(a) if super::address::is_addr_spec(&a) => Some(a),
            Some(a) => match other {
                Some(o) => Some(o),
                None => Some(Mailbox { name: None, address: Some(a), kind: kind.string(p)? }.addr_spec()),
            },
            None => other,
        };
        out.extend(chosen.filter(|c| !out.contains(c)));
    }
    Ok(out)
}

fn phones(l: &mut Lines, p: &Properties<'_>) -> Result<()> {
    for (kind, tag) in [
        ("WORK,VOICE", tags::BUSINESS_TELEPHONE_NUMBER),
        ("WORK,VOICE", tags::BUSINESS2_TELEPHONE_NUMBER),
        ("HOME,VOICE", tags::HOME_TELEPHONE_NUMBER),
        ("HOME,VOICE", tags::HOME2_TELEPHONE_NUMBER),
        ("CELL", tags::MOBILE_TELEPHONE_NUMBER),
        ("PREF", tags::PRIMARY_TELEPHONE_NUMBER),
        ("PAGER", tags::PAGER_TELEPHONE_NUMBER),
        ("CAR", tags::CAR_TELEPHONE_NUMBER),
        ("VOICE", tags::OTHER_TELEPHONE_NUMBER),
        ("VOICE", tags::CALLBACK_TELEPHONE_NUMBER),
        ("VOICE", tags::RADIO_TELEPHONE_NUMBER),
        ("VOICE", tags::ASSISTANT_TELEPHONE_NUMBER),
        ("WORK,VOICE", tags::COMPANY_MAIN_TELEPHONE_NUMBER),
        ("ISDN", tags::ISDN_NUMBER),
        ("WORK,FAX", tags::BUSINESS_FAX_NUMBER),
        ("HOME,FAX", tags::HOME_FAX_NUMBER),
        ("FAX", tags::PRIMARY_FAX_NUMBER),
    ] {
        l.text(&format!("TEL;TYPE={kind}"), p.string(tag)?.as_deref());
    }
    Ok(())
}

fn postal(l: &mut Lines, p: &Properties<'_>) -> Result<()> {
    let own = |tags: [PropTag; 6]| -> Result<Vec<String>> { tags.iter().map(|t| text(p, *t)).collect() };
    let work = [
        named::WORK_ADDRESS_POST_OFFICE_BOX,
        named::WORK_ADDRESS_STREET,
        named::WORK_ADDRESS_CITY,
        named::WORK_ADDRESS_STATE,
        named::WORK_ADDRESS_POSTAL_CODE,
        named::WORK_ADDRESS_COUNTRY,
    ];
    let mut work: Vec<String> = work.iter().map(|lid| Ok(lid.string(p)?.unwrap_or_default())).collect::<Result<_>>()?;
    if work.iter().all(String::is_empty) {
        // The address of work of older contacts.
        work =
            own([tags::POST_OFFICE_BOX, tags::STREET_ADDRESS, tags::LOCALITY, tags::STATE_OR_PROVINCE, tags::POSTAL_CODE, tags::COUNTRY])?;
    }
    let home = own([
        tags::HOME_ADDRESS_POST_OFFICE_BOX,
        tags::HOME_ADDRESS_STREET,
        tags::HOME_ADDRESS_CITY,
        tags::HOME_ADDRESS_STATE_OR_PROVINCE,
        tags::HOME_ADDRESS_POSTAL_CODE,
        tags::HOME_ADDRESS_COUNTRY,
    ])?;
    let mut other = own([
        tags::OTHER_ADDRESS_STREET,
        tags::OTHER_ADDRESS_STREET,
        tags::OTHER_ADDRESS_CITY,
        tags::OTHER_ADDRESS_STATE_OR_PROVINCE,
        tags::OTHER_ADDRESS_POSTAL_CODE,
        tags::OTHER_ADDRESS_COUNTRY,
    ])?;
    if let Some(first) = other.first_mut() {
        first.clear();
    }
    for (name, parts) in [("ADR;TYPE=WORK", work), ("ADR;TYPE=HOME", home), ("ADR", other)] {
        // Post office box, extension (never used), street, and so on.
        let mut all = parts;
        all.insert(1.min(all.len()), String::new());
        l.texts(name, &all, ";");
    }
    Ok(())
}

fn days(l: &mut Lines, p: &Properties<'_>, version: Version) -> Result<()> {
    let anniversary = if version == Version::V4 { "ANNIVERSARY" } else { "X-ANNIVERSARY" };
    for (name, whole, tag) in
        [("BDAY", named::BIRTHDAY_LOCAL, tags::BIRTHDAY), (anniversary, named::WEDDING_ANNIVERSARY_LOCAL, tags::WEDDING_ANNIVERSARY)]
    {
        let local = whole.time(p)?.map(LocalTime::from_utc);
        // The other property is midnight of some zone in UTC.
        let day = local.or(p.time(tag)?.filter(|t| !t.is_unset()).map(|t| LocalTime::from_utc(t).plus(720)));
        if let Some(Civil { year: y, month: m, day: d, .. }) = day.map(LocalTime::civil) {
            l.raw(name, &if version == Version::V4 { format!("{y:04}{m:02}{d:02}") } else { format!("{y:04}-{m:02}-{d:02}") });
        }
    }
    Ok(())
}

/// Whether an attachment is the picture of a contact.
pub(super) fn is_photo(a: &Attachment<'_>) -> Result<bool> {
    let p = a.properties();
    Ok(p.bool(tags::ATTACHMENT_CONTACT_PHOTO)? == Some(true)
        || a.name()?.is_some_and(|n| n.eq_ignore_ascii_case("ContactPicture.jpg") || n.eq_ignore_ascii_case("ContactPhoto")))
}

fn photo(l: &mut Lines, message: &Message<'_>, version: Version, done: &mut Exported) -> Result<()> {
    for a in message.attachments()? {
        if !is_photo(&a)? {
            continue;
        }
        let Some(bytes) = a.properties().binary(tags::ATTACH_DATA_BINARY)?.filter(|b| b.len() <= PHOTO_MAX && !b.is_empty()) else {
            continue;
        };
        let kind = if bytes.starts_with(b"\x89PNG") {
            "PNG"
        } else if bytes.starts_with(b"GIF8") {
            "GIF"
        } else {
            "JPEG"
        };
        match version {
            Version::V3 => l.raw(&format!("PHOTO;ENCODING=b;TYPE={kind}"), &base64_text(&bytes)),
            Version::V4 => l.raw("PHOTO", &format!("data:image/{};base64,{}", kind.to_ascii_lowercase(), base64_text(&bytes))),
        }
        done.attachments.expected = done.attachments.expected.saturating_add(1);
        done.take_attachment(&a, &[]);
        return Ok(());
    }
    Ok(())
}

fn group(l: &mut Lines, message: &Message<'_>, version: Version, done: &mut Exported) -> Result<()> {
    let p = message.properties();
    let name = named::DISTRIBUTION_LIST_NAME.string(p)?.filter(|n| !n.trim().is_empty());
    let name = match name {
        Some(name) => name,
        None => {
            p.string(tags::DISPLAY_NAME)?.or(message.subject()?).filter(|n| !n.trim().is_empty()).unwrap_or_else(|| "(no name)".to_owned())
        }
    };
    l.text("FN", Some(&name));
    l.texts("N", &[name.as_str(), "", "", "", ""], ";");
    let v4 = version == Version::V4;
    l.raw(if v4 { "KIND" } else { "X-ADDRESSBOOKSERVER-KIND" }, "group");
    let ids = named::DISTRIBUTION_LIST_MEMBERS.binaries(p)?;
    let one_offs = named::DISTRIBUTION_LIST_ONE_OFF_MEMBERS.binaries(p)?;
    let mut unknown = 0usize;
    for i in 0..ids.len().max(one_offs.len()) {
        let known = one_offs.get(i).and_then(|id| one_off(id)).filter(|m| m.address.is_some());
        let member = match known {
            Some(m) => Some(m),
            None => ids.get(i).map(|id| member(message, id)).transpose()?.flatten(),
        };
        match member {
            Some(m) if m.address.is_some() => {
                l.raw(if v4 { "MEMBER" } else { "X-ADDRESSBOOKSERVER-MEMBER" }, &format!("mailto:{}", m.addr_spec()));
            }
            Some(m) if m.name.is_some() => l.text("X-MEMBER-NAME", m.name.as_deref()),
            _ => unknown = unknown.saturating_add(1),
        }
    }
    if unknown > 0 {
        done.partial(&format!("{unknown} members of the list cannot be told: they are elsewhere"));
    }
    Ok(())
}

/// A member that is a contact of the store, or bears its name itself ([MS-OXOCNTC] 2.2.2.4.3).
fn member(message: &Message<'_>, id: &[u8]) -> Result<Option<Mailbox>> {
    const WRAPPED: [u8; 16] = [0xC0, 0x91, 0xAD, 0xD3, 0x51, 0x9D, 0xCF, 0x11, 0xA4, 0xA9, 0x00, 0xAA, 0x00, 0x47, 0xFA, 0xA4];
    if let Some(found) = one_off(id) {
        return Ok(Some(found));
    }
    if id.get(4..20) != Some(&WRAPPED[..]) {
        return Ok(None);
    }
    let inner = id.get(21..).unwrap_or_default();
    if let Some(found) = one_off(inner) {
        return Ok(Some(found));
    }
    let pst = message.properties().pst();
    let Some(nid) = EntryId::decode(inner).map(|e| e.nid).filter(|n| n.is_message()) else { return Ok(None) };
    let Ok(contact) = pst.message(nid) else { return Ok(None) };
    let p = contact.properties();
    let address = addresses(p)?.into_iter().next();
    Ok(Some(Mailbox { name: p.string(tags::DISPLAY_NAME)?, address, kind: Some("SMTP".to_owned()) }))
}
