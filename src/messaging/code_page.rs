//! Code pages: how 8-bit text becomes characters, and back.
//!
//! Numbers are those of Windows, as PidTagInternetCodepage (0x3FDE), PidTagMessageCodepage (0x3FFD) and RTF (`\ansicpg`, `\cpg`)
//! give them. Most pages are read by `encoding_rs`; the others stand in `oem_pages` and `shifted`.
//!
//! Nothing here fails: a byte that a page does not define becomes U+FFFD, a character that it lacks becomes `?`, and a flag tells
//! of either. No byte order mark and no trailing NUL is removed; callers know where those may stand.

use std::borrow::Cow;

use encoding_rs as rs;

use super::oem_pages::{UpperHalf, upper_half};
use super::shifted::{self, Shifted};

/// A code page by its Windows number, known or not.
///
/// ```
/// use pstkit::messaging::code_page::CodePage;
///
/// let (text, had_errors) = CodePage(1251).decode(b"\xCF\xF0\xE8\xE2\xE5\xF2");
/// assert_eq!((&*text, had_errors), ("Привет", false));
/// assert_eq!(CodePage(437).encode("Ä"), (vec![0x8E], false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodePage(pub u32);

impl CodePage {
    /// Western European Windows; the page where nothing better is known.
    pub const WINDOWS_1252: CodePage = CodePage(1252);
    /// UTF-8.
    pub const UTF_8: CodePage = CodePage(65001);
    /// UTF-16, little-endian.
    pub const UTF_16LE: CodePage = CodePage(1200);
    /// UTF-16, big-endian.
    pub const UTF_16BE: CodePage = CodePage(1201);
}

impl Default for CodePage {
    fn default() -> Self {
        CodePage::WINDOWS_1252
    }
}

/// The codec of a page.
#[derive(Clone, Copy)]
enum Codec {
    /// A page of `encoding_rs` (never UTF-16, which that library only decodes).
    Rs(&'static rs::Encoding),
    /// ASCII below, a table above.
    Table(&'static UpperHalf),
    Ascii,
    Utf16Le,
    Utf16Be,
    Utf7,
    Shifted(Shifted),
}

/// The common name and the codec of a known page: the one list of known pages.
fn known(number: u32) -> Option<(&'static str, Codec)> {
    use Codec::Rs;
    if let Some(table) = upper_half(number) {
        return Some((table_name(number), Codec::Table(table)));
    }
    Some(match number {
        708 => ("asmo-708", Rs(rs::ISO_8859_6)),
        866 => ("ibm866", Rs(rs::IBM866)),
        874 => ("windows-874", Rs(rs::WINDOWS_874)),
        932 => ("shift_jis", Rs(rs::SHIFT_JIS)),
        936 => ("gbk", Rs(rs::GBK)),
        949 => ("ks_c_5601-1987", Rs(rs::EUC_KR)),
        950 => ("big5", Rs(rs::BIG5)),
        1200 => ("utf-16le", Codec::Utf16Le),
        1201 => ("utf-16be", Codec::Utf16Be),
        1250 => ("windows-1250", Rs(rs::WINDOWS_1250)),
        1251 => ("windows-1251", Rs(rs::WINDOWS_1251)),
        1252 => ("windows-1252", Rs(rs::WINDOWS_1252)),
        1253 => ("windows-1253", Rs(rs::WINDOWS_1253)),
        1254 => ("windows-1254", Rs(rs::WINDOWS_1254)),
        1255 => ("windows-1255", Rs(rs::WINDOWS_1255)),
        1256 => ("windows-1256", Rs(rs::WINDOWS_1256)),
        1257 => ("windows-1257", Rs(rs::WINDOWS_1257)),
        1258 => ("windows-1258", Rs(rs::WINDOWS_1258)),
        10000 => ("macintosh", Rs(rs::MACINTOSH)),
        10001 => ("x-mac-japanese", Rs(rs::SHIFT_JIS)),
        10002 => ("x-mac-chinesetrad", Rs(rs::BIG5)),
        10003 => ("x-mac-korean", Rs(rs::EUC_KR)),
        10007 => ("x-mac-cyrillic", Rs(rs::X_MAC_CYRILLIC)),
        10008 => ("x-mac-chinesesimp", Rs(rs::GBK)),
        10017 => ("x-mac-ukrainian", Rs(rs::X_MAC_CYRILLIC)),
        20105 => ("x-ia5", Codec::Ascii),
        20127 => ("us-ascii", Codec::Ascii),
        20866 => ("koi8-r", Rs(rs::KOI8_R)),
        20932 => ("x-cp20932", Rs(rs::EUC_JP)),
        20936 => ("x-cp20936", Rs(rs::GBK)),
        20949 => ("x-cp20949", Rs(rs::EUC_KR)),
        21866 => ("koi8-u", Rs(rs::KOI8_U)),
        // As everywhere on the web: mail that claims Latin-1 means its superset.
        28591 => ("iso-8859-1", Rs(rs::WINDOWS_1252)),
        28592 => ("iso-8859-2", Rs(rs::ISO_8859_2)),
        28593 => ("iso-8859-3", Rs(rs::ISO_8859_3)),
        28594 => ("iso-8859-4", Rs(rs::ISO_8859_4)),
        28595 => ("iso-8859-5", Rs(rs::ISO_8859_5)),
        28596 => ("iso-8859-6", Rs(rs::ISO_8859_6)),
        28597 => ("iso-8859-7", Rs(rs::ISO_8859_7)),
        28598 => ("iso-8859-8", Rs(rs::ISO_8859_8)),
        28599 => ("iso-8859-9", Rs(rs::WINDOWS_1254)),
        28600 => ("iso-8859-10", Rs(rs::ISO_8859_10)),
        28601 => ("iso-8859-11", Rs(rs::WINDOWS_874)),
        28603 => ("iso-8859-13", Rs(rs::ISO_8859_13)),
        28604 => ("iso-8859-14", Rs(rs::ISO_8859_14)),
        28605 => ("iso-8859-15", Rs(rs::ISO_8859_15)),
        28606 => ("iso-8859-16", Rs(rs::ISO_8859_16)),
        38598 => ("iso-8859-8-i", Rs(rs::ISO_8859_8_I)),
        50220 => ("iso-2022-jp", Rs(rs::ISO_2022_JP)),
        50221 => ("csiso2022jp", Rs(rs::ISO_2022_JP)),
        50222 => ("_iso-2022-jp$sio", Rs(rs::ISO_2022_JP)),
        50225 => ("iso-2022-kr", Codec::Shifted(Shifted::Iso2022Kr)),
        50227 => ("iso-2022-cn", Codec::Shifted(Shifted::Iso2022Cn)),
        51932 => ("euc-jp", Rs(rs::EUC_JP)),
        51936 => ("euc-cn", Rs(rs::GBK)),
        51949 => ("euc-kr", Rs(rs::EUC_KR)),
        52936 => ("hz-gb-2312", Codec::Shifted(Shifted::Hz)),
        54936 => ("gb18030", Rs(rs::GB18030)),
        65000 => ("utf-7", Codec::Utf7),
        65001 => ("utf-8", Rs(rs::UTF_8)),
        _ => return None,
    })
}

/// The names of the pages of [`super::oem_pages`].
fn table_name(number: u32) -> &'static str {
    match number {
        437 => "ibm437",
        720 => "dos-720",
        737 => "ibm737",
        775 => "ibm775",
        850 => "ibm850",
        852 => "ibm852",
        855 => "ibm855",
        857 => "ibm857",
        858 => "ibm00858",
        860 => "ibm860",
        861 => "ibm861",
        862 => "dos-862",
        863 => "ibm863",
        864 => "ibm864",
        865 => "ibm865",
        869 => "ibm869",
        10006 => "x-mac-greek",
        10010 => "x-mac-romanian",
        10029 => "x-mac-ce",
        10079 => "x-mac-icelandic",
        10081 => "x-mac-turkish",
        10082 => "x-mac-croatian",
        _ => "unknown",
    }
}

impl CodePage {
    /// Whether the page can be decoded as itself.
    #[must_use]
    pub fn is_known(self) -> bool {
        known(self.0).is_some()
    }

    /// The page of Windows that holds the same script, for 8-bit strings of a message that names only the code page of its transport.
    #[must_use]
    pub fn ansi(self) -> Option<CodePage> {
        Some(CodePage(match self.0 {
            874 | 932 | 936 | 949 | 950 | 1250..=1258 => self.0,
            50220..=50222 | 51932 | 20932 => 932,
            51936 | 52936 | 54936 | 20936 | 50227 => 936,
            50225 | 51949 => 949,
            51950 => 950,
            28592 | 852 => 1250,
            28595 | 20866 | 21866 | 866 | 855 => 1251,
            20127 | 28591 | 28605 | 437 | 850 | 858 => 1252,
            28597 | 737 | 869 => 1253,
            28599 | 857 => 1254,
            28598 | 38598 | 862 => 1255,
            28596 | 708 | 720 | 864 => 1256,
            28594 | 28603 | 775 => 1257,
            _ => return None,
        }))
    }

    /// The page itself if it is known, [`CodePage::WINDOWS_1252`] otherwise.
    #[must_use]
    pub fn or_default(self) -> CodePage {
        if self.is_known() { self } else { CodePage::default() }
    }

    /// The common name, in lower case, as in a charset parameter; `unknown` for a page that is not known.
    #[must_use]
    pub fn name(self) -> &'static str {
        known(self.0).map_or("unknown", |(name, _)| name)
    }

    /// Whether the page is known and every character of it takes one byte.
    #[must_use]
    pub fn is_single_byte(self) -> bool {
        match known(self.0) {
            Some((_, Codec::Rs(encoding))) => encoding.is_single_byte(),
            Some((_, Codec::Table(_) | Codec::Ascii)) => true,
            _ => false,
        }
    }

    /// Whether the bytes 0x00 to 0x7F always mean ASCII, unless they follow a lead byte. An unknown page counts as such, as it
    /// is read as 1252.
    #[must_use]
    pub fn is_ascii_based(self) -> bool {
        match known(self.0) {
            Some((_, Codec::Rs(encoding))) => encoding.is_ascii_compatible(),
            Some((_, Codec::Table(_) | Codec::Ascii)) | None => true,
            Some((_, Codec::Utf16Le | Codec::Utf16Be | Codec::Utf7 | Codec::Shifted(_))) => false,
        }
    }

    /// The characters of `bytes`, and whether any of them are doubtful: replaced by U+FFFD since the page does not define the
    /// byte, or taken from 1252 since the page is not known or is ASCII and the byte is not.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        match known(self.0) {
            Some((_, Codec::Rs(encoding))) => encoding.decode_without_bom_handling(bytes),
            Some((_, Codec::Table(table))) => decode_table(table, bytes),
            Some((_, Codec::Utf16Le)) => rs::UTF_16LE.decode_without_bom_handling(bytes),
            Some((_, Codec::Utf16Be)) => rs::UTF_16BE.decode_without_bom_handling(bytes),
            Some((_, Codec::Utf7)) => owned(shifted::decode_utf7(bytes)),
            Some((_, Codec::Shifted(shifted))) => owned(shifted.decode(bytes)),
            Some((_, Codec::Ascii)) | None => (rs::WINDOWS_1252.decode_without_bom_handling(bytes).0, !bytes.is_ascii()),
        }
    }

    /// The bytes of `text`, and whether a character had no place in the page and became `?`. A page that is not known is
    /// written as 1252.
    #[must_use]
    pub fn encode(self, text: &str) -> (Vec<u8>, bool) {
        match known(self.0) {
            Some((_, Codec::Rs(encoding))) => encode_rs(encoding, text),
            Some((_, Codec::Table(table))) => encode_each(text, |c| {
                let unit = u16::try_from(u32::from(c)).ok()?;
                let at = table.iter().position(|&entry| entry == unit && entry != UNDEFINED)?;
                u8::try_from(at).ok()?.checked_add(0x80)
            }),
            Some((_, Codec::Ascii)) => encode_each(text, |_| None),
            Some((_, Codec::Utf16Le)) => (text.encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
            Some((_, Codec::Utf16Be)) => (text.encode_utf16().flat_map(u16::to_be_bytes).collect(), false),
            Some((_, Codec::Utf7)) => (shifted::encode_utf7(text), false),
            Some((_, Codec::Shifted(shifted))) => shifted.encode(text),
            None => encode_rs(rs::WINDOWS_1252, text),
        }
    }

    /// The page that a charset name of MIME or HTML means (`utf-8`, `ISO-8859-1`, `cp850`, …), in any case.
    #[must_use]
    pub fn for_label(label: &[u8]) -> Option<CodePage> {
        let label = label.trim_ascii();
        let lower = String::from_utf8(label.to_ascii_lowercase()).ok()?;
        // Pages that encoding_rs refuses on purpose or does not know come first.
        match lower.as_str() {
            "utf-7" | "utf7" | "unicode-1-1-utf-7" | "csunicode11utf7" => {
                return Some(CodePage(65000));
            }
            "iso-2022-kr" | "csiso2022kr" => return Some(CodePage(50225)),
            "iso-2022-cn" => return Some(CodePage(50227)),
            "hz-gb-2312" | "hz" => return Some(CodePage(52936)),
            "us-ascii" | "ascii" => return Some(CodePage(20127)),
            _ => {}
        }
        let number =
            ["x-cp", "cp", "ibm", "dos-", "windows-"].iter().find_map(|prefix| lower.strip_prefix(prefix)?.parse().ok()).map(CodePage);
        if let Some(page) = number
            && page.is_known()
        {
            return Some(page);
        }
        number_of(rs::Encoding::for_label(label)?)
    }

    /// The page of a font's character set in RTF (`\fcharset`); `None` for 1, which means the default of the document, and for
    /// unknown pages.
    #[must_use]
    pub fn for_rtf_charset(charset: u32) -> Option<CodePage> {
        Some(CodePage(match charset {
            // 2 is a font of symbols, whose bytes are glyphs: 1252 gives the letter that stands in for them.
            0 | 2 => 1252,
            77 => 10000,
            78 => 10001,
            79 => 10003,
            80 => 10008,
            81 => 10002,
            85 => 10006,
            86 => 10081,
            88 => 10029,
            89 => 10007,
            128 => 932,
            129 => 949,
            134 => 936,
            136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 | 181 => 1255,
            178..=180 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            254 => 437,
            255 => 850,
            _ => return None,
        }))
    }

    /// The ANSI page of a Windows locale (PidTagMessageLocaleId, 0x3FF1); `None` for a locale without one of its own, or 0.
    #[must_use]
    pub fn for_lcid(lcid: u32) -> Option<CodePage> {
        let locale = lcid & 0xFFFF;
        Some(CodePage(match (locale & 0x3FF, locale) {
            (0, _) => return None,
            (0x04, 0x0404 | 0x0C04 | 0x1404 | 0x7C04) => 950,
            (0x04, _) => 936,
            (0x1A, 0x0C1A | 0x1C1A | 0x201A | 0x281A | 0x301A | 0x641A | 0x6C1A) => 1251,
            (0x2C, 0x082C) | (0x43, 0x0843) => 1251,
            (0x01 | 0x20 | 0x29 | 0x80 | 0x8C, _) => 1256,
            (0x02 | 0x19 | 0x22 | 0x23 | 0x28 | 0x2F | 0x3F | 0x40 | 0x44 | 0x50 | 0x6D | 0x85, _) => 1251,
            (0x05 | 0x0E | 0x15 | 0x18 | 0x1A | 0x1B | 0x1C | 0x24 | 0x42, _) => 1250,
            (0x08, _) => 1253,
            (0x0D, _) => 1255,
            (0x11, _) => 932,
            (0x12, _) => 949,
            (0x1E, _) => 874,
            (0x1F | 0x2C | 0x43, _) => 1254,
            (0x25..=0x27, _) => 1257,
            (0x2A, _) => 1258,
            // Scripts that Windows has only in Unicode: Georgian, Armenian, the scripts of India, Khmer, Lao and so on.
            (0x2B | 0x37 | 0x39 | 0x45..=0x4F | 0x51 | 0x53..=0x55 | 0x57 | 0x5A | 0x5B | 0x5E | 0x61 | 0x63 | 0x65, _) => {
                return None;
            }
            _ => 1252,
        }))
    }
}

/// The value of the tables where a page defines nothing.
const UNDEFINED: u16 = 0xFFFD;

/// Decodes with a table for the upper half.
fn decode_table<'a>(table: &UpperHalf, bytes: &'a [u8]) -> (Cow<'a, str>, bool) {
    if bytes.is_ascii()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return (Cow::Borrowed(text), false);
    }
    let mut had_errors = false;
    let text = bytes
        .iter()
        .map(|&byte| match byte.checked_sub(0x80) {
            None => char::from(byte),
            Some(at) => {
                let unit = table.get(usize::from(at)).copied().unwrap_or(UNDEFINED);
                had_errors |= unit == UNDEFINED;
                char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        })
        .collect();
    (Cow::Owned(text), had_errors)
}

/// Encodes ASCII as it is and each other character as `upper` says.
fn encode_each(text: &str, upper: impl Fn(char) -> Option<u8>) -> (Vec<u8>, bool) {
    let mut lossy = false;
    let bytes = text
        .chars()
        .map(|c| {
            let byte = if c.is_ascii() { u8::try_from(c).ok() } else { upper(c) };
            lossy |= byte.is_none();
            byte.unwrap_or(b'?')
        })
        .collect();
    (bytes, lossy)
}

/// Encodes with `?` where `encoding_rs` would put a reference of HTML.
fn encode_rs(encoding: &'static rs::Encoding, text: &str) -> (Vec<u8>, bool) {
    let (bytes, _, lossy) = encoding.encode(text);
    if !lossy {
        return (bytes.into_owned(), false);
    }
    let mut encoder = encoding.new_encoder();
    let mut out = Vec::with_capacity(text.len());
    let mut left = text;
    loop {
        // Enough for the whole rest, so that this goes through without growing again but for odd lengths.
        let room = encoder.max_buffer_length_from_utf8_without_replacement(left.len().min(4096));
        out.reserve(room.unwrap_or(16384));
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(left, &mut out, true);
        left = left.get(read..).unwrap_or_default();
        match result {
            rs::EncoderResult::InputEmpty => return (out, true),
            rs::EncoderResult::OutputFull => {}
            // The encoder is back in ASCII whenever it says so.
            rs::EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

/// The page that an encoding of `encoding_rs` is first of all.
fn number_of(encoding: &'static rs::Encoding) -> Option<CodePage> {
    const PAGES: &[u32] = &[
        866, 874, 932, 936, 949, 950, 1200, 1201, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 10000, 10007, 20866, 21866, 28592,
        28593, 28594, 28595, 28596, 28597, 28598, 28600, 28603, 28604, 28605, 28606, 38598, 50220, 51932, 54936, 65001,
    ];
    PAGES.iter().copied().map(CodePage).find(|page| match known(page.0) {
        Some((_, Codec::Rs(found))) => std::ptr::eq(found, encoding),
        Some((_, Codec::Utf16Le)) => std::ptr::eq(rs::UTF_16LE, encoding),
        Some((_, Codec::Utf16Be)) => std::ptr::eq(rs::UTF_16BE, encoding),
        _ => false,
    })
}

/// A decoded text as [`CodePage::decode`] gives it.
fn owned((text, had_errors): (String, bool)) -> (Cow<'static, str>, bool) {
    (Cow::Owned(text), had_errors)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Every known page.
    fn pages() -> impl Iterator<Item = CodePage> {
        (0..=65001).map(CodePage).filter(|page| page.is_known())
    }

    #[test]
    fn samples() {
        for (page, bytes, text) in [
            (437, &b"\x81\xE1\xFF"[..], "\u{FC}\u{DF}\u{A0}"),
            (850, b"\x81\xD5", "\u{FC}\u{131}"),
            (858, b"\xD5", "\u{20AC}"),
            (852, b"\xA5\x86", "\u{105}\u{107}"),
            (866, b"\x80", "\u{410}"),
            (932, b"\x93\xFA\x96{", "\u{65E5}\u{672C}"),
            (936, b"\xD6\xD0", "\u{4E2D}"),
            (949, b"\xB0\xA1", "\u{AC00}"),
            (950, b"\xA4\xA4", "\u{4E2D}"),
            (1200, b"\xAC\x20", "\u{20AC}"),
            (1201, b"\x20\xAC", "\u{20AC}"),
            (1252, b"\x80\x81", "\u{20AC}\u{81}"),
            (1255, b"\xF9", "\u{5E9}"),
            (20866, b"\xC1", "\u{430}"),
            (28591, b"\x80", "\u{20AC}"),
            (28605, b"\xA4", "\u{20AC}"),
            (50220, b"\x1B$BF|\x1B(B", "\u{65E5}"),
            (54936, b"\x81\x30\x81\x30", "\u{80}"),
            (65000, b"+AOQ-", "\u{E4}"),
            (65001, b"\xC3\xA4", "\u{E4}"),
            (10029, b"\x8B", "\u{10D}"),
        ] {
            assert_eq!(CodePage(page).decode(bytes), (Cow::Borrowed(text), false), "{page}");
        }
    }

    #[test]
    fn doubt_is_told() {
        assert_eq!(CodePage(20127).decode(b"a\xE4"), (Cow::Borrowed("a\u{E4}"), true));
        assert_eq!(CodePage(20127).encode("a\u{E4}"), (b"a?".to_vec(), true));
        assert_eq!(CodePage(4).decode(b"a\xE4"), (Cow::Borrowed("a\u{E4}"), true));
        assert_eq!(CodePage(4).decode(b"a"), (Cow::Borrowed("a"), false));
        assert_eq!(CodePage(857).decode(b"\xD5"), (Cow::Borrowed("\u{FFFD}"), true));
        assert_eq!(CodePage(857).encode("\u{FFFD}"), (b"?".to_vec(), true));
        assert_eq!(CodePage(1252).encode("\u{416}a\u{416}"), (b"?a?".to_vec(), true));
        assert!(CodePage(1200).decode(b"a\0b").1);
    }

    #[test]
    fn what_jis_lacks_leaves_the_state_sound() {
        let (bytes, lossy) = CodePage(50220).encode("\u{65E5}\u{1F600}\u{672C}");
        assert!(lossy);
        assert_eq!(CodePage(50220).decode(&bytes), (Cow::Borrowed("\u{65E5}?\u{672C}"), false));
    }

    #[test]
    fn long_text_with_gaps_is_written_whole() {
        let text = "abc\u{416}".repeat(20_000);
        let (bytes, lossy) = CodePage(1252).encode(&text);
        assert!(lossy && bytes == b"abc?".repeat(20_000));
    }

    #[test]
    fn names_lead_back() {
        let mut count = 0;
        for page in pages() {
            count += 1;
            assert_ne!(page.name(), "unknown");
            assert_eq!(page.or_default(), page);
            let Some(back) = CodePage::for_label(page.name().as_bytes()) else {
                assert!(page.name().starts_with(['x', '_']) || page.0 == 51936, "{page:?}");
                continue;
            };
            // Several numbers may stand for one encoding.
            let high: Vec<u8> = (0x80..=0xFF).collect();
            assert_eq!(back.decode(&high).0, page.decode(&high).0, "{page:?} {back:?}");
        }
        assert!(count > 80, "{count}");
        assert_eq!(CodePage(0).name(), "unknown");
        assert_eq!(CodePage(0).or_default(), CodePage(1252));
    }

    #[test]
    fn labels() {
        for (label, page) in [
            (&b"UTF-8"[..], 65001),
            (b" utf8 ", 65001),
            (b"iso-8859-1", 1252),
            (b"gb2312", 936),
            (b"ks_c_5601-1987", 949),
            (b"windows-1251", 1251),
            (b"cp1251", 1251),
            (b"x-sjis", 932),
            (b"ibm850", 850),
            (b"unicode-1-1-utf-7", 65000),
            (b"koi8-r", 20866),
        ] {
            assert_eq!(CodePage::for_label(label), Some(CodePage(page)));
        }
        assert_eq!(CodePage::for_label(b"no such"), None);
        assert_eq!(CodePage::for_label(b"\xFF"), None);
    }

    #[test]
    fn charsets_and_locales() {
        assert_eq!(CodePage::for_rtf_charset(128), Some(CodePage(932)));
        assert_eq!(CodePage::for_rtf_charset(1), None);
        for charset in 0..=255 {
            assert!(CodePage::for_rtf_charset(charset).is_none_or(CodePage::is_known));
        }
        for (lcid, page) in [(0x0409, 1252), (0x0419, 1251), (0x0411, 932), (0x0404, 950), (0x0804, 936), (0x241A, 1250), (0x0C1A, 1251)] {
            assert_eq!(CodePage::for_lcid(lcid), Some(CodePage(page)));
        }
        assert_eq!(CodePage::for_lcid(0), None);
        assert_eq!(CodePage::for_lcid(0x0439), None);
        for lcid in 0..=0xFFFF {
            assert!(CodePage::for_lcid(lcid).is_none_or(CodePage::is_known));
        }
    }

    #[test]
    fn each_single_byte_goes_back_to_itself() {
        for page in pages().filter(|page| page.is_single_byte() && page.name() != "us-ascii" && page.0 != 20105) {
            for byte in 0..=0xFF_u8 {
                let (text, had_errors) = page.decode(std::slice::from_ref(&byte));
                if !had_errors {
                    let text = text.into_owned();
                    assert_eq!(page.encode(&text), (vec![byte], false), "{page:?} {byte:#X}");
                }
            }
        }
    }

    #[test]
    fn ascii_based_pages_read_ascii() {
        let ascii: Vec<u8> = (0..=0x7F).collect();
        for page in pages().filter(|page| page.is_ascii_based()) {
            assert_eq!(page.decode(&ascii).0.as_bytes(), ascii, "{page:?}");
        }
        assert!(!CodePage(1200).is_ascii_based() && !CodePage(65000).is_ascii_based() && !CodePage(50220).is_ascii_based());
    }

    proptest! {
        #[test]
        fn what_is_written_without_loss_reads_back(text in any::<String>()) {
            for page in pages() {
                let (bytes, lossy) = page.encode(&text);
                if !lossy {
                    let (back, _) = page.decode(&bytes);
                    // Shift_JIS, EUC-JP and ISO-2022-JP write yen and overline as ASCII does, and narrow kana as wide.
                    let japanese = matches!(page.0, 932 | 10001 | 20932 | 51932 | 50220..=50222);
                    prop_assert!(back == text || japanese, "{:?}", page);
                }
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            for page in pages() {
                let (text, _) = page.decode(&bytes);
                prop_assert!(text.chars().count() <= bytes.len().saturating_mul(2));
            }
        }
    }
}
