//! The bodies of a message as parts of MIME.

use super::mime::Transfer;
use crate::error::Result;
use crate::format::bytes::index;
use crate::format::tags;
use crate::messaging::code_page::CodePage;
use crate::messaging::html;
use crate::messaging::rtf_text::{BodyKind, de_encapsulate};
use crate::messaging::{AttachMethod, Message};
use std::collections::HashSet;

/// A body in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// As it is stored, with the name of its charset.
    Html(Vec<u8>, &'static str),
    Rtf(Vec<u8>),
    /// A calendar, and its method.
    Calendar(Vec<u8>, &'static str),
}

impl Part {
    pub(super) const fn mime(&self) -> &'static str {
        match self {
            Self::Text(_) => "text/plain",
            Self::Html(..) => "text/html",
            Self::Rtf(_) => "text/rtf",
            Self::Calendar(..) => "text/calendar",
        }
    }

    pub(super) fn content_type(&self) -> String {
        match self {
            Self::Text(text) if text.is_ascii() => "text/plain; charset=us-ascii".to_owned(),
            Self::Text(_) => "text/plain; charset=utf-8".to_owned(),
            Self::Html(_, charset) => format!("text/html; charset={charset}"),
            Self::Rtf(_) => "text/rtf".to_owned(),
            Self::Calendar(_, method) => format!("text/calendar; charset=utf-8; method={method}"),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Html(bytes, _) | Self::Rtf(bytes) | Self::Calendar(bytes, _) => bytes,
        }
    }

    pub(super) fn transfer(&self) -> Transfer {
        match self {
            // Raw data may stand in RTF: no end of a line may change.
            Self::Rtf(_) => Transfer::Base64,
            _ => Transfer::of(self.bytes()),
        }
    }
}

/// The bodies of a message from the plainest to the richest; an empty text where it has none.
pub(super) fn parts(message: &Message<'_>) -> Result<Vec<Part>> {
    let p = message.properties();
    let mut text = message.text()?.filter(|t| !t.is_empty());
    if text.is_none() && message.class()?.is_some_and(|c| c.get(..7).is_some_and(|r| r.eq_ignore_ascii_case("REPORT."))) {
        text = p.string(tags::REPORT_TEXT)?.filter(|t| !t.is_empty());
    }
    let mut rich = None;
    if let Some(bytes) = message.html()?.filter(|h| !h.is_empty()) {
        let declared = p.i32(tags::INTERNET_CODEPAGE)?.and_then(|n| u32::try_from(n).ok());
        rich = Some(html_part(bytes, declared));
    } else if let Some(rtf) = message.rtf()?.filter(|r| !r.is_empty()) {
        let body = de_encapsulate(&rtf, index(p.pst().ndb().limits().inflated_bytes));
        match body.kind {
            BodyKind::Html => rich = Some(Part::Html(body.text.into_bytes(), "utf-8")),
            BodyKind::Text => text = text.or(Some(body.text).filter(|t| !t.trim().is_empty())),
            BodyKind::PlainRtf => {
                text = text.or(Some(body.text).filter(|t| !t.trim().is_empty()));
                rich = Some(Part::Rtf(rtf));
            }
        }
    }
    let mut all: Vec<Part> = text.map(Part::Text).into_iter().chain(rich).collect();
    if all.is_empty() {
        all.push(Part::Text(String::new()));
    }
    Ok(all)
}

/// HTML in the charset that it is stored in, where mail programs know that by name; else in UTF-8.
fn html_part(bytes: Vec<u8>, declared: Option<u32>) -> Part {
    let decoded = html::decode_checked(&bytes, declared);
    let page = decoded.code_page;
    let name = page.name();
    let is_common = ["utf-8", "us-ascii", "iso-8859-", "windows-125", "koi8-r", "koi8-u", "shift_jis", "euc-", "gb", "big5"]
        .iter()
        .any(|known| name.starts_with(known));
    let is_seven_bit = name == "iso-2022-jp";
    if (is_seven_bit || is_common && page.is_ascii_based()) && !decoded.had_errors {
        return Part::Html(bytes, name);
    }
    if decoded.had_errors && page == CodePage::default() {
        // Bytes that mean nothing anywhere stay as they are.
        return Part::Html(bytes, "windows-1252");
    }
    Part::Html(decoded.text.into_bytes(), "utf-8")
}

/// The content ids that HTML shows, in lower case.
pub(super) fn shown_ids(parts: &[Part]) -> HashSet<String> {
    let mut ids = HashSet::new();
    for part in parts {
        let Part::Html(bytes, _) = part else { continue };
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(4).position(|w| w.eq_ignore_ascii_case(b"cid:")) {
            rest = rest.get(at.saturating_add(4)..).unwrap_or_default();
            let ends = |b: &u8| matches!(b, b'"' | b'\'' | b'>' | b'<' | b')' | b'&') || b.is_ascii_whitespace();
            let id = rest.get(..rest.iter().take(1000).position(ends).unwrap_or(0)).unwrap_or_default();
            if !id.is_empty() {
                ids.insert(String::from_utf8_lossy(&percent_decoded(id)).to_lowercase());
                ids.insert(String::from_utf8_lossy(id).to_lowercase());
            }
        }
    }
    ids
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(b) => {
                out.push(b);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Whether bytes begin as an entity of MIME does, with a field that describes it.
pub(super) fn is_entity(first: &[u8]) -> bool {
    [&b"content-type:"[..], b"mime-version:", b"content-transfer-encoding:", b"content-disposition:"]
        .iter()
        .any(|field| first.get(..field.len()).is_some_and(|b| b.eq_ignore_ascii_case(field)))
}

/// The kind of a cryptographic message, in the word of [RFC 8551].
pub(super) fn cms_kind(first: &[u8]) -> &'static str {
    const PKCS7: [u8; 10] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07];
    let at = first.get(..64.min(first.len())).unwrap_or_default().windows(PKCS7.len()).position(|w| w == PKCS7);
    match at.and_then(|at| first.get(at.saturating_add(PKCS7.len()))) {
        Some(2) => "signed-data",
        _ => "enveloped-data",
    }
}

/// Whether a text is a token ([RFC 2045] 5.1).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= 127 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&+-.^_".contains(&b))
}

/// The type of an attachment: the one it states, else the one that its name or its bytes tell.
pub(super) fn mime_type(stated: Option<&str>, name: &str, method: AttachMethod, first: &[u8]) -> String {
    let stated = stated.map(|m| m.trim().to_ascii_lowercase()).filter(|m| {
        let known = m.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
        // Composite types may not be encoded, and an attachment is bytes.
        known && !m.starts_with("multipart/") && !m.starts_with("message/")
    });
    if let Some(mime) = stated {
        return mime;
    }
    if method == AttachMethod::Ole && first.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return "application/x-ole-storage".to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    let known = match extension.as_str() {
        "txt" | "log" => "text/plain",
        "htm" | "html" => "text/html",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "xml" => "application/xml",
        "json" => "application/json",
        "rtf" => "application/rtf",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "7z" => "application/x-7z-compressed",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "msg" => "application/vnd.ms-outlook",
        "dat" if name.eq_ignore_ascii_case("winmail.dat") => "application/ms-tnef",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        "svg" => "image/svg+xml",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "p7s" => "application/pkcs7-signature",
        "p7m" => "application/pkcs7-mime",
        _ => "application/octet-stream",
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_html_shows() {
        let part = Part::Html(b"<img src=\"cid:A%40b\"><img src='CID:x@y'> cid:".to_vec(), "utf-8");
        let ids = shown_ids(&[part]);
        assert!(ids.contains("a@b") && ids.contains("x@y"));
    }

    #[test]
    fn html_keeps_its_charset_where_others_know_it() {
        assert_eq!(html_part(b"<p>\xE0".to_vec(), Some(1251)), Part::Html(b"<p>\xE0".to_vec(), "windows-1251"));
        assert_eq!(html_part("<p>а".as_bytes().to_vec(), Some(1251)), Part::Html("<p>а".as_bytes().to_vec(), "utf-8"));
    }

    #[test]
    fn composite_types_are_not_stated_for_bytes() {
        assert_eq!(mime_type(Some("message/rfc822"), "x.eml", AttachMethod::ByValue, b""), "application/octet-stream");
        assert_eq!(mime_type(Some("image/png\r\nX: y"), "x.png", AttachMethod::ByValue, b""), "image/png");
    }
}
