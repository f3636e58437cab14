//! 7-bit encodings that shift between alphabets and that `encoding_rs` leaves out: UTF-7 (RFC 2152), ISO-2022-KR (RFC 1557),
//! ISO-2022-CN (RFC 1922, its GB 2312 part) and HZ (RFC 1843).
//!
//! The last three carry the bytes of a double-byte page without their high bits between two marks, so they are decoded by
//! putting the bits back and reading the double-byte page.

use encoding_rs::{EUC_KR, Encoding, GBK};

/// The characters that UTF-7 writes directly: set D of RFC 2152 and blanks. Set O is encoded, because gateways alter it.
fn is_direct(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\'' | '(' | ')' | ',' | '-' | '.' | '/' | ':' | '?' | ' ' | '\t' | '\r' | '\n')
}

/// The value of a digit of base 64.
fn sextet(byte: u8) -> Option<u32> {
    let (value, base) = match byte {
        b'A'..=b'Z' => (byte.wrapping_sub(b'A'), 0),
        b'a'..=b'z' => (byte.wrapping_sub(b'a'), 26),
        b'0'..=b'9' => (byte.wrapping_sub(b'0'), 52),
        b'+' => (0, 62),
        b'/' => (0, 63),
        _ => return None,
    };
    Some(u32::from(value).wrapping_add(base))
}

/// The digits of base 64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes UTF-7; the flag tells whether anything had to be replaced.
pub(super) fn decode_utf7(bytes: &[u8]) -> (String, bool) {
    let mut out = String::with_capacity(bytes.len());
    let mut had_errors = false;
    let mut units: Vec<u16> = Vec::new();
    let mut input = bytes.iter().copied().peekable();
    while let Some(byte) = input.next() {
        match byte {
            b'+' if input.next_if_eq(&b'-').is_some() => out.push('+'),
            b'+' => {
                let (mut bits, mut count) = (0_u32, 0_u32);
                units.clear();
                while let Some(value) = input.peek().and_then(|&byte| sextet(byte)) {
                    input.next();
                    bits = (bits << 6) | value;
                    count = count.saturating_add(6);
                    if let Some(left) = count.checked_sub(16) {
                        units.push(u16::try_from((bits >> left) & 0xFFFF).unwrap_or_default());
                        bits &= 1_u32.wrapping_shl(left).wrapping_sub(1);
                        count = left;
                    }
                }
                had_errors |= units.is_empty() || count >= 6 || bits != 0;
                for unit in char::decode_utf16(units.iter().copied()) {
                    had_errors |= unit.is_err();
                    out.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                input.next_if_eq(&b'-');
            }
            0..=0x7F => out.push(char::from(byte)),
            _ => {
                had_errors = true;
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
    (out, had_errors)
}

/// Encodes UTF-7, which has a place for every character.
pub(super) fn encode_utf7(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut units = [0_u16; 2];
    while let Some(&c) = chars.peek() {
        if is_direct(c) {
            out.extend(u8::try_from(c));
            chars.next();
            continue;
        }
        out.push(b'+');
        if c == '+' {
            chars.next();
            out.push(b'-');
            continue;
        }
        let (mut bits, mut count) = (0_u32, 0_u32);
        while let Some(c) = chars.next_if(|&c| !is_direct(c)) {
            for &mut unit in c.encode_utf16(&mut units) {
                bits = (bits << 16) | u32::from(unit);
                count = count.saturating_add(16);
                while let Some(left) = count.checked_sub(6) {
                    out.extend(digit(bits >> left));
                    bits &= 1_u32.wrapping_shl(left).wrapping_sub(1);
                    count = left;
                }
            }
        }
        if count > 0 {
            out.extend(digit(bits << 6_u32.saturating_sub(count)));
        }
        out.push(b'-');
    }
    out
}

/// The digit for the lowest six bits.
fn digit(bits: u32) -> Option<u8> {
    DIGITS.get(usize::try_from(bits & 63).ok()?).copied()
}

/// An encoding that carries a double-byte page between marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shifted {
    /// SO and SI around KS X 1001.
    Iso2022Kr,
    /// SO and SI around GB 2312.
    Iso2022Cn,
    /// `~{` and `~}` around GB 2312.
    Hz,
}

const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;

impl Shifted {
    /// The page whose bytes stand between the marks.
    fn page(self) -> &'static Encoding {
        match self {
            Shifted::Iso2022Kr => EUC_KR,
            Shifted::Iso2022Cn | Shifted::Hz => GBK,
        }
    }

    /// Decodes; the flag tells whether anything had to be replaced.
    pub(super) fn decode(self, bytes: &[u8]) -> (String, bool) {
        let mut plain = Vec::with_capacity(bytes.len());
        let mut shifted = false;
        let mut input = bytes.iter().copied().peekable();
        while let Some(byte) = input.next() {
            match (self, byte) {
                (_, b'\n') => {
                    // Both standards go back to ASCII with the line.
                    shifted = false;
                    plain.push(byte);
                }
                (Shifted::Hz, b'~') => {
                    match input.next_if(|byte| matches!(byte, b'{' | b'}' | b'~' | b'\n')) {
                        Some(b'{') => shifted = true,
                        Some(b'}') => shifted = false,
                        // A tilde before the end of a line takes it away.
                        Some(b'\n') => {}
                        _ => plain.push(byte),
                    }
                }
                (Shifted::Hz, 0x21..=0x7E) if shifted => {
                    // Bytes go in pairs here: the second one may look like the start of a mark.
                    plain.push(byte | 0x80);
                    if let Some(second) = input.next_if(|byte| (0x21..=0x7E).contains(byte)) {
                        plain.push(second | 0x80);
                    }
                }
                (Shifted::Iso2022Kr | Shifted::Iso2022Cn, ESCAPE) if input.next_if_eq(&b'$').is_some() => {
                    // Which alphabet follows SO; only one of them is known here.
                    input.next_if(|byte| matches!(byte, b')' | b'*' | b'+'));
                    input.next_if(u8::is_ascii_uppercase);
                }
                (Shifted::Iso2022Kr | Shifted::Iso2022Cn, SHIFT_OUT) => shifted = true,
                (Shifted::Iso2022Kr | Shifted::Iso2022Cn, SHIFT_IN) => shifted = false,
                (_, 0x21..=0x7E) if shifted => plain.push(byte | 0x80),
                _ => plain.push(byte),
            }
        }
        let (text, had_errors) = self.page().decode_without_bom_handling(&plain);
        (text.into_owned(), had_errors)
    }

    /// Encodes; the flag tells whether a character had no place and became `?`.
    pub(super) fn encode(self, text: &str) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(text.len());
        match self {
            Shifted::Iso2022Kr => out.extend(b"\x1B$)C"),
            Shifted::Iso2022Cn => out.extend(b"\x1B$)A"),
            Shifted::Hz => {}
        }
        let (on, off): (&[u8], &[u8]) = match self {
            Shifted::Iso2022Kr | Shifted::Iso2022Cn => (&[SHIFT_OUT], &[SHIFT_IN]),
            Shifted::Hz => (b"~{", b"~}"),
        };
        let (mut shifted, mut lossy) = (false, false);
        let mut utf8 = [0; 4];
        for c in text.chars() {
            let (bytes, _, _) = self.page().encode(c.encode_utf8(&mut utf8));
            // Only the plane of 94 by 94 has a form without the high bits; the first byte of HZ ends at 0x77.
            let last_row = if self == Shifted::Hz { 0xF7 } else { 0xFE };
            let pair = match *bytes {
                [first @ 0xA1..=0xFE, second @ 0xA1..=0xFE] if first <= last_row => Some([first & 0x7F, second & 0x7F]),
                _ => None,
            };
            if shifted != pair.is_some() {
                shifted = !shifted;
                out.extend(if shifted { on } else { off });
            }
            match (pair, c) {
                (Some(pair), _) => out.extend(pair),
                (None, '~') if self == Shifted::Hz => out.extend(b"~~"),
                (None, '\x0E' | '\x0F' | '\x1B') if self != Shifted::Hz => {
                    lossy = true;
                    out.push(b'?');
                }
                (None, c) => {
                    lossy |= !c.is_ascii();
                    out.push(if c.is_ascii() { u8::try_from(c).unwrap_or(b'?') } else { b'?' });
                }
            }
        }
        if shifted {
            out.extend(off);
        }
        (out, lossy)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf7_of_the_standard() {
        for (bytes, text) in [
            (&b"A+ImIDkQ."[..], "A\u{2262}\u{391}."),
            (b"Hi Mom -+Jjo--!", "Hi Mom -\u{263A}-!"),
            (b"+ZeVnLIqe-", "\u{65E5}\u{672C}\u{8A9E}"),
            (b"1 +- 1", "1 + 1"),
            (b"+2D3eAA-", "\u{1F600}"),
        ] {
            assert_eq!(decode_utf7(bytes), (text.to_owned(), false));
        }
        assert_eq!(decode_utf7(b"+2D0-x"), ("\u{FFFD}x".to_owned(), true));
        assert_eq!(decode_utf7(b"a\xE4+"), ("a\u{FFFD}".to_owned(), true));
    }

    #[test]
    fn shifted_pages() {
        let korean = b"\x1B$)Cab \x0E0!\x0F c\n";
        assert_eq!(Shifted::Iso2022Kr.decode(korean), ("ab \u{AC00} c\n".to_owned(), false));
        let chinese = b"~{VPND~}~~ x~\ny";
        assert_eq!(Shifted::Hz.decode(chinese), ("\u{4E2D}\u{6587}~ xy".to_owned(), false));
        assert_eq!(Shifted::Iso2022Cn.decode(b"\x1B$)A\x0EVPND\x0F."), ("\u{4E2D}\u{6587}.".to_owned(), false));
        assert_eq!(Shifted::Iso2022Kr.encode("\u{1F600}"), (b"\x1B$)C?".to_vec(), true));
    }

    proptest! {
        #[test]
        fn utf7_round_trip(text in any::<String>()) {
            prop_assert_eq!(decode_utf7(&encode_utf7(&text)), (text, false));
        }

        #[test]
        fn shifted_round_trip(text in "[ -~\u{4E2D}\u{6587}\u{56FD}\u{5927}\r\n]{0,40}") {
            for shifted in [Shifted::Iso2022Cn, Shifted::Hz, Shifted::Iso2022Kr] {
                let (bytes, lossy) = shifted.encode(&text);
                prop_assert!(bytes.is_ascii());
                if !lossy {
                    prop_assert_eq!(shifted.decode(&bytes), (text.clone(), false));
                }
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode_utf7(&bytes).0.chars().count() <= bytes.len());
            for shifted in [Shifted::Iso2022Kr, Shifted::Iso2022Cn, Shifted::Hz] {
                prop_assert!(shifted.decode(&bytes).0.chars().count() <= bytes.len());
            }
        }
    }
}
