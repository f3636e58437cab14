//! The encodings of MIME: base64 and quoted-printable as streams (RFC 2045), words of header fields (RFC 2047), parameters (RFC 2231).

use crate::format::bytes::wide;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, BufRead, Write};

/// Bytes that one line of base64 holds: 76 characters.
const BASE64_LINE: usize = 57;
/// Characters of a line that is folded.
pub(super) const LINE: usize = 76;
/// Characters of a line that no program has to take ([RFC 5322] 2.1.1).
pub(super) const LINE_MAX: usize = 998;

/// Bytes in base64, on one line.
pub(super) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Writes a stream in base64, in lines. Answers how many bytes it had.
pub(super) fn base64(data: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<u64> {
    base64_lines(data, out, b"\r\n")
}

/// The same with another end of lines: contents of iCalendar and vCard are folded with a space behind it.
pub(super) fn base64_lines(data: &mut dyn BufRead, out: &mut dyn Write, end: &[u8]) -> io::Result<u64> {
    const LINES: usize = 256;
    let mut held: Vec<u8> = Vec::with_capacity(BASE64_LINE * LINES);
    let mut text: Vec<u8> = Vec::with_capacity((BASE64_LINE / 3 * 4 + 2) * LINES);
    let mut total = 0u64;
    loop {
        let chunk = data.fill_buf()?;
        let last = chunk.is_empty();
        let room = held.capacity().saturating_sub(held.len());
        let (taken, _) = chunk.split_at(room.min(chunk.len()));
        held.extend_from_slice(taken);
        let n = taken.len();
        data.consume(n);
        total = total.saturating_add(wide(n));
        if !last && held.len() < held.capacity() {
            continue;
        }
        text.clear();
        for line in held.chunks(BASE64_LINE) {
            let mut four = [0; BASE64_LINE / 3 * 4];
            let len = STANDARD.encode_slice(line, &mut four).map_err(io::Error::other)?;
            text.extend_from_slice(four.get(..len).unwrap_or_default());
            text.extend_from_slice(end);
        }
        out.write_all(&text)?;
        held.clear();
        if last {
            return Ok(total);
        }
    }
}

/// How a text is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// As it is.
    SevenBit,
    QuotedPrintable,
    Base64,
}

impl Transfer {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    /// The plainest form that carries a text: as it is where lines and characters allow it, else the shorter of the two encodings.
    pub(super) fn of(text: &[u8]) -> Self {
        let (mut odd, mut length, mut longest) = (0usize, 0usize, 0usize);
        for b in text {
            length = if *b == b'\n' { 0 } else { length.saturating_add(1) };
            longest = longest.max(length);
            odd = odd.saturating_add(usize::from(!matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~')));
        }
        // A line that looks like the end of a part must not stand as it is.
        let like_boundary = text.windows(4).any(|w| w == b"--=_");
        let lone_return = text.iter().zip(text.iter().skip(1).chain([&0])).any(|(a, b)| *a == b'\r' && *b != b'\n');
        if odd == 0 && longest <= LINE_MAX && !like_boundary && !lone_return {
            Self::SevenBit
        } else if odd > text.len() / 6 {
            Self::Base64
        } else {
            Self::QuotedPrintable
        }
    }

    /// Writes a text with its lines ended by CR LF; the last one ends as it does.
    pub(super) fn write(self, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Base64 => base64(&mut &*crlf(text), out).map(|_| ()),
            Self::SevenBit => out.write_all(&crlf(text)),
            Self::QuotedPrintable => quoted_printable(text, out),
        }
    }
}

/// A text with each end of a line as CR LF.
fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_add(text.len() / 32));
    let mut before = 0;
    for b in text {
        if *b == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*b);
        before = *b;
    }
    out
}

/// Writes a text as quoted-printable ([RFC 2045] 6.7).
fn quoted_printable(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut line: Vec<u8> = Vec::with_capacity(80);
    for whole in text.split_inclusive(|b| *b == b'\n') {
        let body = whole.strip_suffix(b"\n").map_or(whole, |l| l.strip_suffix(b"\r").unwrap_or(l));
        for (i, b) in body.iter().enumerate() {
            let ends = i.saturating_add(1) == body.len();
            let plain = matches!(b, b'!'..=b'<' | b'>'..=b'~') || (matches!(b, b' ' | b'\t') && !ends);
            if line.len() > if plain { LINE - 2 } else { LINE - 4 } {
                line.extend_from_slice(b"=\r\n");
                out.write_all(&line)?;
                line.clear();
            }
            if plain {
                line.push(*b);
            } else {
                line.push(b'=');
                line.extend([b >> 4, b & 15].iter().filter_map(|n| HEX.get(usize::from(*n))));
            }
        }
        if whole.ends_with(b"\n") {
            line.extend_from_slice(b"\r\n");
        }
        out.write_all(&line)?;
        line.clear();
    }
    Ok(())
}

/// A text on one line: ends of lines and control characters become spaces, so that no value can begin another field.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_end = matches!(c, '\r' | '\n');
        if is_end && out.ends_with(' ') {
            continue;
        }
        out.push(if c.is_control() && c != '\t' { ' ' } else { c });
    }
    out
}

/// A text as encoded words ([RFC 2047]), none longer than 75 characters.
pub(super) fn encoded_words(text: &str) -> Vec<String> {
    // 75 less `=?utf-8?B?` and `?=`, in groups of four: 45 bytes.
    let mut words = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len().saturating_add(c.len_utf8()) > 45 {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(c);
    }
    if !piece.is_empty() || words.is_empty() {
        words.push(encoded_word(&piece));
    }
    words
}

fn encoded_word(piece: &str) -> String {
    format!("=?utf-8?B?{}?=", base64_text(piece.as_bytes()))
}

/// Whether a text can stand in a header field as it is.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) && !text.contains("=?") && text.trim() == text
}

/// A header field with free text, folded ([RFC 5322] 2.2.3).
pub(super) fn unstructured(name: &str, text: &str) -> String {
    let text = one_line(text);
    // A word too long for a line cannot be folded; the encoding can.
    let is_foldable = text.split(' ').all(|w| w.len() < LINE_MAX / 2);
    let words: Vec<String> =
        if is_plain(&text) && is_foldable { text.split(' ').map(str::to_owned).collect() } else { encoded_words(text.trim()) };
    folded(name, words.iter().map(String::as_str))
}

/// A header field with a list of phrases.
pub(super) fn phrase_list(name: &str, phrases: &[String]) -> String {
    let last = phrases.len().saturating_sub(1);
    let mut words = Vec::new();
    for (i, text) in phrases.iter().enumerate() {
        words.extend(super::address::phrase(one_line(text).trim()));
        if let Some(word) = words.last_mut().filter(|_| i < last) {
            word.push(',');
        }
    }
    folded(name, words.iter().map(String::as_str))
}

/// A header field of words, folded between them; a run of spaces is never cut.
pub(super) fn folded<'w>(name: &str, words: impl Iterator<Item = &'w str>) -> String {
    let mut out = format!("{name}:");
    let mut length = out.len();
    for word in words {
        if length.saturating_add(word.len()).saturating_add(1) > LINE && length > name.len().saturating_add(1) && !word.trim().is_empty() {
            out.push_str("\r\n");
            length = 0;
        }
        out.push(' ');
        out.push_str(word);
        length = length.saturating_add(word.len()).saturating_add(1);
    }
    out.push_str("\r\n");
    out
}

/// A parameter of a header field, on lines of its own ([RFC 2045] 5.1; [RFC 2231] where it has other characters or is long).
pub(super) fn parameter(name: &str, value: &str) -> String {
    let value = one_line(value);
    if value.len() <= 60 && value.bytes().all(|b| matches!(b, b' '..=b'~')) {
        let quoted: String = value.chars().flat_map(|c| (matches!(c, '"' | '\\')).then_some('\\').into_iter().chain([c])).collect();
        return format!(";\r\n {name}=\"{quoted}\"");
    }
    let mut pieces = vec![String::new()];
    for c in value.chars() {
        let mut coded = String::new();
        for b in c.encode_utf8(&mut [0; 4]).bytes() {
            if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') {
                coded.push(char::from(b));
            } else {
                coded.push_str(&format!("%{b:02X}"));
            }
        }
        match pieces.last_mut() {
            Some(piece) if piece.len().saturating_add(coded.len()) <= 55 => piece.push_str(&coded),
            _ => pieces.push(coded),
        }
    }
    if let [one] = pieces.as_slice() {
        return format!(";\r\n {name}*=utf-8''{one}");
    }
    let first = |i: usize| if i == 0 { "utf-8''" } else { "" };
    pieces.iter().enumerate().map(|(i, piece)| format!(";\r\n {name}*{i}*={}{piece}", first(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_qp(bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace("=\r\n", "");
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'=' {
                let hex = std::str::from_utf8(&tail[..2]).unwrap();
                out.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &tail[2..];
            } else {
                out.push(*first);
                rest = tail;
            }
        }
        out
    }

    #[test]
    fn what_looks_like_a_boundary_or_has_long_lines_is_encoded() {
        assert_eq!(Transfer::of(b"plain\r\ntext\n"), Transfer::SevenBit);
        assert_eq!(Transfer::of(b"--=_pstkit"), Transfer::QuotedPrintable);
        assert_eq!(Transfer::of("a".repeat(999).as_bytes()), Transfer::QuotedPrintable);
        assert_eq!(Transfer::of("Grüße an alle, die dies lesen können".as_bytes()), Transfer::QuotedPrintable);
        assert_eq!(Transfer::of("日本語".as_bytes()), Transfer::Base64);
    }

    #[test]
    fn no_value_begins_another_field() {
        let field = unstructured("Subject", "x\r\nBcc: victim@example.com");
        assert_eq!(field, "Subject: x Bcc: victim@example.com\r\n");
        assert!(!parameter("filename", "a\"\r\nX: y").contains("\nX:"));
    }

    #[test]
    fn long_names_are_continued() {
        let p = parameter("filename", &"ä".repeat(40));
        assert!(p.starts_with(";\r\n filename*0*=utf-8''%C3%A4") && p.contains("filename*1*=%C3"), "{p}");
        assert!(p.split("\r\n").all(|l| l.len() <= 78));
    }

    proptest! {
        #[test]
        fn quoted_printable_gives_the_text_back_in_short_lines(text in "(\\PC|\r\n|\n| |\t|=){0,200}") {
            let mut out = Vec::new();
            quoted_printable(text.as_bytes(), &mut out).unwrap();
            prop_assert!(out.split(|b| *b == b'\n').all(|l| l.len() <= 77));
            prop_assert_eq!(decode_qp(&out), crlf(text.as_bytes()));
        }

        #[test]
        fn base64_gives_the_bytes_back(bytes in proptest::collection::vec(any::<u8>(), 0..40_000)) {
            let mut out = Vec::new();
            prop_assert_eq!(base64(&mut &bytes[..], &mut out).unwrap(), bytes.len() as u64);
            prop_assert!(out.split(|b| *b == b'\n').all(|l| l.len() <= 77));
            let joined: Vec<u8> = out.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
            prop_assert_eq!(STANDARD.decode(joined).unwrap(), bytes);
        }

        #[test]
        fn fields_are_folded_and_keep_their_text(text in "[ -~]{0,300}") {
            let field = unstructured("Subject", &text);
            prop_assert!(field.lines().all(|l| l.len() <= 500 && !l.is_empty()));
            prop_assert!(field.lines().skip(1).all(|l| l.starts_with(' ') && !l.trim().is_empty()));
            if is_plain(&text) && !text.is_empty() {
                prop_assert_eq!(field.replace("\r\n", ""), format!("Subject: {text}"));
            }
        }
    }
}
