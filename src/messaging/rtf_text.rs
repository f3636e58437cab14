//! HTML and plain text taken out of RTF: [MS-OXRTFEX], and [MSFT-RTF] for documents that carry neither.
//!
//! Outlook and Exchange store a body that was not RTF inside RTF: `\fromhtml1` or `\fromtext` in the document's head says so. The
//! markup of the original stands in groups that other readers skip, the text between them as RTF text, and the groups for RTF
//! readers alone stands between `\htmlrtf` and `\htmlrtf0`:
//!
//! ```text
//!  {\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}
//!  {\*\htmltag84 <b>}\htmlrtf {\b \htmlrtf0 bold{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 }
//!                                           ^^^^
//! ```
//!
//! Bytes (`\'xx` or as they are) are read in the code page of the current font, those in `\*\htmltag` in that of the document.
//! The two bytes of a double-byte character may come in either form, so bytes are collected and decoded together.

use std::collections::HashMap;

use super::code_page::CodePage;
use super::rtf_token::{Token, Tokens};

/// Groups deeper than this keep the state of the one around them.
const MAX_DEPTH: usize = 4096;

/// The kind of a body before it became RTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BodyKind {
    /// The RTF encapsulates HTML.
    Html,
    /// The RTF encapsulates plain text.
    Text,
    /// RTF in its own right; the text of the document is given.
    #[default]
    PlainRtf,
}

/// The output of [`de_encapsulate`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Body {
    /// The kind of `text`.
    pub kind: BodyKind,
    /// HTML for [`BodyKind::Html`], plain text with CR LF line ends otherwise.
    pub text: String,
    /// Whether the limit ended the output.
    pub truncated: bool,
}

/// Takes the encapsulated HTML or text out of RTF, or the text of the document where nothing is encapsulated ([MS-OXRTFEX]
/// 2.2.3, 2.2.4).
///
/// `limit` bounds the output in bytes of UTF-8. Damaged RTF gives its readable part; bytes that are no RTF are text.
///
/// ```
/// use pstkit::messaging::rtf_text::{BodyKind, de_encapsulate};
///
/// let body = de_encapsulate(br"{\rtf1\ansi\fromhtml1 {\*\htmltag84 <i>}\htmlrtf {\i \htmlrtf0 \'fcber\htmlrtf }\htmlrtf0 {\*\htmltag92 </i>}}", 1 << 20);
/// assert_eq!(body.kind, BodyKind::Html);
/// assert_eq!(body.text, "<i>über</i>");
/// ```
#[must_use]
pub fn de_encapsulate(rtf: &[u8], limit: usize) -> Body {
    let mut reader = Reader::new(limit);

    for token in Tokens::new(rtf) {
        if !reader.take(token) || reader.text.len() > limit {
            break;
        }
    }
    reader.finish()
}

/// Where the text of a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    /// To the output.
    Content,
    /// To the output, as a piece of HTML.
    HtmlTag,
    /// Nowhere: the fonts are noted.
    FontTable,
    /// Nowhere.
    Skip,
}

/// The state that a group inherits, may change, and gives back at its end.
#[derive(Debug, Clone, Copy)]
struct Group {
    destination: Destination,
    /// The current font (`\f`); the document's default font where none was chosen.
    font: Option<i32>,
    /// How many characters stand in for a `\u` (`\uc`).
    stand_ins: u32,
    /// Between `\htmlrtf` and `\htmlrtf0`.
    rtf_only: bool,
    /// Hidden (`\v`) or deleted (`\deleted`) text.
    hidden: bool,
    deleted: bool,
}

/// The document's state while it is read.
struct Reader {
    limit: usize,
    kind: BodyKind,
    text: String,
    group: Group,
    outer: Vec<Group>,
    /// Groups open beyond [`MAX_DEPTH`].
    beyond: u64,
    /// Whether the token is the first of its group, and whether `\*` came just before.
    first: bool,
    starred: bool,
    default_page: CodePage,
    default_font: Option<i32>,
    fonts: HashMap<i32, CodePage>,
    /// The font that the font table describes at the moment.
    described: Option<i32>,
    /// Bytes that were not decoded yet; all in the code page of the current state.
    pending: Vec<u8>,
    /// Characters still to be left out after a `\u`.
    skip: u32,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Reader {
    fn new(limit: usize) -> Self {
        Reader {
            limit,
            kind: BodyKind::PlainRtf,
            text: String::new(),
            group: Group { destination: Destination::Content, font: None, stand_ins: 1, rtf_only: false, hidden: false, deleted: false },
            outer: Vec::new(),
            beyond: 0,
            first: false,
            starred: false,
            default_page: CodePage::WINDOWS_1252,
            default_font: None,
            fonts: HashMap::new(),
            described: None,
            pending: Vec::new(),
            skip: 0,
            high: None,
        }
    }

    /// Ends the text.
    fn finish(mut self) -> Body {
        self.settle();
        let truncated = self.text.len() > self.limit;
        if truncated {
            self.text.truncate(self.text.floor_char_boundary(self.limit));
        }
        Body { kind: self.kind, text: self.text, truncated }
    }

    /// Takes the next token; false at the end of the document.
    fn take(&mut self, token: Token<'_>) -> bool {
        let (first, starred) = (self.first, self.starred);
        (self.first, self.starred) = (false, false);
        match token {
            Token::Open => {
                self.flush();
                self.skip = 0;
                self.first = true;
                if self.outer.len() < MAX_DEPTH {
                    self.outer.push(self.group);
                } else {
                    self.beyond = self.beyond.saturating_add(1);
                }
            }
            Token::Close => {
                self.flush();
                self.skip = 0;
                if let Some(beyond) = self.beyond.checked_sub(1) {
                    self.beyond = beyond;
                } else if let Some(group) = self.outer.pop() {
                    self.group = group;
                    return !self.outer.is_empty();
                }
            }
            Token::Text(run) => {
                let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(run.len());
                self.skip = self.skip.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX));
                self.bytes(run.get(skipped..).unwrap_or_default());
            }
            Token::Hex(byte) => {
                if !self.skipped() {
                    self.bytes(&[byte]);
                }
            }
            Token::Binary => {
                self.skipped();
            }
            Token::Symbol(b'*') => {
                self.first = first;
                self.starred = true;
            }
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Word(word, number) => {
                if (first || starred)
                    && let Some(destination) = self.destination(word, starred)
                {
                    self.enter(destination);
                } else {
                    self.word(word, number);
                }
            }
        }
        true
    }

    /// Counts a token as a stand-in for the `\u` before it, if one is due.
    fn skipped(&mut self) -> bool {
        match self.skip.checked_sub(1) {
            Some(left) => {
                self.skip = left;
                true
            }
            None => false,
        }
    }

    /// The destination that a control word at the start of a group names.
    fn destination(&self, word: &[u8], starred: bool) -> Option<Destination> {
        Some(match word {
            b"fonttbl" => Destination::FontTable,
            b"htmltag" if starred && self.kind == BodyKind::Html => Destination::HtmlTag,
            // Shapes hold text in a group that old readers skip; their properties are skipped one by one.
            b"shpinst" => Destination::Content,
            _ if starred => Destination::Skip,
            // Numbers and bullets for readers that can't count: part of the text, but not of the text it was made from.
            b"pntext" | b"listtext" if self.kind != BodyKind::PlainRtf => Destination::Skip,
            b"colortbl"
            | b"stylesheet"
            | b"info"
            | b"pict"
            | b"objdata"
            | b"objclass"
            | b"objname"
            | b"objalias"
            | b"objsect"
            | b"header"
            | b"headerl"
            | b"headerr"
            | b"headerf"
            | b"footer"
            | b"footerl"
            | b"footerr"
            | b"footerf"
            | b"fldinst"
            | b"datafield"
            | b"filetbl"
            | b"revtbl"
            | b"listtable"
            | b"listoverridetable"
            | b"rsidtbl"
            | b"generator"
            | b"xe"
            | b"rxe"
            | b"tc"
            | b"nonshppict"
            | b"shprslt"
            | b"private"
            | b"template"
            | b"themedata"
            | b"colorschememapping"
            | b"bkmkstart"
            | b"bkmkend"
            | b"latentstyles"
            | b"datastore"
            | b"sp"
            | b"sn"
            | b"sv"
            | b"atnid"
            | b"atnauthor"
            | b"nextfile"
            | b"mhtmltag"
            | b"ftnsep"
            | b"ftnsepc"
            | b"ftncn"
            | b"aftnsep"
            | b"aftnsepc"
            | b"aftncn" => Destination::Skip,
            _ => return None,
        })
    }

    /// Sends the rest of the group to `destination`, unless it goes nowhere already.
    fn enter(&mut self, destination: Destination) {
        self.flush();
        if self.group.destination == Destination::Content || destination == Destination::Skip {
            self.group.destination = destination;
        }
    }

    /// A control word that names no destination.
    fn word(&mut self, word: &[u8], number: Option<i32>) {
        let on = number != Some(0);
        if let Some((plain, html)) = special(word) {
            if !self.skipped() {
                self.put(plain, html);
            }
            return;
        }
        self.skip = 0;
        match word {
            b"u" => {
                self.unicode(number.unwrap_or(0));
                self.skip = self.group.stand_ins;
            }
            b"uc" => self.group.stand_ins = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            b"par" | b"line" => self.put("\r\n", "\r\n"),
            b"tab" => self.put("\t", "\t"),
            b"sect" | b"page" | b"row" | b"nestrow" | b"softline" => self.put_plain("\r\n"),
            b"cell" | b"nestcell" => self.put_plain("\t"),
            b"htmlrtf" => self.group.rtf_only = on,
            b"v" => self.group.hidden = on,
            b"deleted" => self.group.deleted = on,
            b"f" if self.group.destination == Destination::FontTable => self.described = number,
            b"f" => {
                self.flush();
                self.group.font = number;
            }
            b"plain" => {
                self.flush();
                self.group.font = None;
                self.group.hidden = false;
                self.group.deleted = false;
            }
            b"fcharset" => self.describe(number.and_then(|n| CodePage::for_rtf_charset(u32::try_from(n).ok()?))),
            b"cpg" => self.describe(page(number)),
            b"deff" => {
                self.flush();
                self.default_font = number;
            }
            b"ansi" => self.set_default_page(Some(CodePage(1252))),
            b"mac" => self.set_default_page(Some(CodePage(10000))),
            b"pc" => self.set_default_page(Some(CodePage(437))),
            b"pca" => self.set_default_page(Some(CodePage(850))),
            b"ansicpg" => self.set_default_page(page(number)),
            b"fromhtml" if on => self.set_kind(BodyKind::Html),
            b"fromtext" if on => self.set_kind(BodyKind::Text),
            _ => {}
        }
    }

    /// A control symbol other than `\*`.
    fn symbol(&mut self, symbol: u8) {
        if self.skipped() {
            return;
        }
        match symbol {
            b'\\' | b'{' | b'}' => self.bytes(&[symbol]),
            b'~' => self.put("\u{A0}", "&nbsp;"),
            b'_' => self.put("\u{2011}", "&shy;"),
            b'-' => self.put("", "&shy;"),
            b'\r' | b'\n' => self.put("\r\n", "\r\n"),
            b'\t' => self.put("\t", "\t"),
            _ => {}
        }
    }

    /// The head tells the kind of the document; a document that has text already has no head any more.
    fn set_kind(&mut self, kind: BodyKind) {
        let untouched = self.text.is_empty() && self.pending.is_empty() && self.high.is_none();
        if self.kind == BodyKind::PlainRtf && untouched && self.visible() {
            self.kind = kind;
        }
    }

    fn set_default_page(&mut self, page: Option<CodePage>) {
        self.flush();
        if let Some(page) = page {
            self.default_page = page;
        }
    }

    /// Notes the code page of the font that the font table is at.
    fn describe(&mut self, page: Option<CodePage>) {
        if self.group.destination == Destination::FontTable
            && let (Some(font), Some(page)) = (self.described, page)
        {
            self.fonts.insert(font, page);
        }
    }

    /// Whether text goes to the output.
    fn visible(&self) -> bool {
        let group = &self.group;
        match group.destination {
            Destination::Skip | Destination::FontTable => false,
            _ if self.kind == BodyKind::PlainRtf => !group.hidden && !group.deleted,
            _ => !group.rtf_only,
        }
    }

    /// The code page of bytes in the current state.
    fn page(&self) -> CodePage {
        if self.group.destination == Destination::HtmlTag {
            return self.default_page;
        }
        self.group.font.or(self.default_font).and_then(|font| self.fonts.get(&font).copied()).unwrap_or(self.default_page)
    }

    /// Text in bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !self.visible() {
            return;
        }
        self.lone_surrogate();
        // All pages that can be chosen hold ASCII as it is, so long as no lead byte stands before it.
        if self.pending.is_empty()
            && bytes.is_ascii()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            self.text.push_str(text);
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// Text in characters: `html` in HTML, `plain` otherwise.
    fn put(&mut self, plain: &str, html: &str) {
        if self.visible() {
            self.settle();
            self.text.push_str(if self.kind == BodyKind::Html { html } else { plain });
        }
    }

    /// Text that only documents have which are RTF in their own right.
    fn put_plain(&mut self, text: &str) {
        if self.kind == BodyKind::PlainRtf {
            self.put(text, text);
        }
    }

    /// A character of `\u`: a unit of UTF-16, often as a negative number.
    fn unicode(&mut self, number: i32) {
        if !self.visible() {
            return;
        }
        self.flush();
        let value = if number < 0 { number.wrapping_add(0x1_0000) } else { number };
        let value = u32::try_from(value).unwrap_or(0xFFFD);
        match (u16::try_from(value), self.high.take()) {
            (Ok(low @ 0xDC00..=0xDFFF), Some(high)) => {
                self.text.extend(char::decode_utf16([high, low]).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
                return;
            }
            (_, Some(_)) => self.text.push(char::REPLACEMENT_CHARACTER),
            (_, None) => {}
        }
        match value {
            0xD800..=0xDBFF => self.high = u16::try_from(value).ok(),
            0 => {}
            // The bullets of the fonts Symbol and Wingdings.
            0xF0B7 | 0xF0A7 if self.kind != BodyKind::Html => self.text.push('\u{2022}'),
            _ => self.text.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    /// Decodes the bytes that are pending.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let page = self.page();
            self.text.push_str(&page.decode(&self.pending).0);
            self.pending.clear();
        }
    }

    /// Puts the replacement for a half of a pair whose other half did not come.
    fn lone_surrogate(&mut self) {
        if self.high.take().is_some() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// Ends everything that waits for more.
    fn settle(&mut self) {
        self.flush();
        self.lone_surrogate();
    }
}

/// The code page of a control word's number, if RTF can be written in it.
fn page(number: Option<i32>) -> Option<CodePage> {
    let page = CodePage(u32::try_from(number?).ok()?);
    (page.is_known() && page.is_ascii_based()).then_some(page)
}

/// Control words that are characters: as text, and as [MS-OXRTFEX] 2.1.3.1.4.2 has them in HTML.
fn special(word: &[u8]) -> Option<(&'static str, &'static str)> {
    Some(match word {
        b"lquote" => ("\u{2018}", "&lsquo;"),
        b"rquote" => ("\u{2019}", "&rsquo;"),
        b"ldblquote" => ("\u{201C}", "&ldquo;"),
        b"rdblquote" => ("\u{201D}", "&rdquo;"),
        b"bullet" => ("\u{2022}", "&bull;"),
        b"endash" => ("\u{2013}", "&ndash;"),
        b"emdash" => ("\u{2014}", "&mdash;"),
        b"emspace" => ("\u{2003}", "&emsp;"),
        b"enspace" => ("\u{2002}", "&ensp;"),
        b"qmspace" => ("\u{2005}", "&#8197;"),
        b"zwj" => ("\u{200D}", "&zwj;"),
        b"zwnj" => ("\u{200C}", "&zwnj;"),
        b"ltrmark" => ("\u{200E}", "&lrm;"),
        b"rtlmark" => ("\u{200F}", "&rlm;"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice)]
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    fn html(rtf: &[u8]) -> String {
        let body = de_encapsulate(rtf, LIMIT);
        assert_eq!(body.kind, BodyKind::Html);
        body.text
    }

    fn plain(rtf: &[u8]) -> String {
        let body = de_encapsulate(rtf, LIMIT);
        assert_eq!(body.kind, BodyKind::PlainRtf);
        body.text
    }

    #[test]
    fn html_comes_out_of_its_groups() {
        let rtf = br#"{\rtf1\ansi\ansicpg1252\fromhtml1 \fbidi \deff0{\fonttbl
{\f0\fswiss\fcharset0 Arial;}{\f1\fmodern Courier New;}}{\colortbl\red0\green0\blue0;}
\uc1\pard\plain\deftab360 \f0\fs24
{\*\htmltag19 <html>}
{\*\htmltag34 <head>}{\*\htmltag161 <style>p \{ color: red \}</style>}{\*\htmltag41 </head>}
{\*\htmltag50 <body>}\htmlrtf \lang1033 \htmlrtf0
{\*\htmltag64}\htmlrtf {\htmlrtf0 One {\*\htmltag84 <b>}\htmlrtf {\b \htmlrtf0 two{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0  three
{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 end\htmlrtf\par}\htmlrtf0
{\*\htmltag0 \par }{\*\mhtmltag84 <a href="cid">}{\*\htmltag84 <a href="x">}\lquote q\rquote\~z\line\tab t
{\*\htmltag58 </body>}{\*\htmltag27 </html>}}"#;
        assert_eq!(
            html(rtf),
            "<html><head><style>p { color: red }</style></head><body>One <b>two</b> three&nbsp;end\r\n\
             <a href=\"x\">&lsquo;q&rsquo;&nbsp;z\r\n\tt</body></html>"
        );
    }

    #[test]
    fn text_comes_out_as_it_was() {
        let body =
            de_encapsulate(br"{\rtf1\ansi\ansicpg1251\fromtext \deff0{\fonttbl{\f0 Arial;}}\pard a <b> \'cf\par\tab \{x\}\\\par }", LIMIT);
        assert_eq!(body.kind, BodyKind::Text);
        assert_eq!(body.text, "a <b> \u{41F}\r\n\t{x}\\\r\n");
        assert!(!body.truncated);
    }

    #[test]
    fn plain_rtf_gives_its_text() {
        let rtf = br"{\rtf1\ansi\deff0{\fonttbl{\f0\froman Times;}}{\stylesheet{\s0 Normal;}}{\info{\author me}}
{\*\generator x;}{\header head}\pard One\par {\v hidden}two{\deleted gone}\cell three\row
{\field{\*\fldinst HYPERLINK y}{\fldrslt link}}{\pict\wmetafile8 0102}{\pntext\bullet\tab}\u-3913 ?\emdash\-\_\~.}";
        assert_eq!(plain(rtf), "One\r\ntwo\tthree\r\nlink\u{2022}\t\u{2022}\u{2014}\u{2011}\u{A0}.");
    }

    #[test]
    fn fonts_choose_the_code_page() {
        let rtf = br"{\rtf1\ansi\ansicpg1252\deff1{\fonttbl{\f0\fcharset204 A;}{\f1\fcharset0 B;}{\f2\fcharset128 C;}{\f3\fnil\cpg1253 D;}{\f4 E;}}
\'e4{\f0 \'e4}\'e4{\f2\'93\'fa\'96{}{\f2\'96\{\'83A}{\f3\'e1}{\f4\'e4}{\f9\'e4}\f0\'e4\plain\'e4}";
        assert_eq!(plain(rtf), "\u{E4}\u{434}\u{E4}\u{65E5}\u{FFFD}\u{672C}\u{30A2}\u{3B1}\u{E4}\u{E4}\u{434}\u{E4}");
        // A font table without groups, and raw bytes.
        assert_eq!(plain(b"{\\rtf1{\\fonttbl\\f0\\fcharset0 A;\\f1\\fcharset204 B;}\\f1 \xE4\\f0 \xE4}"), "\u{434}\u{E4}");
    }

    #[test]
    fn tags_are_in_the_page_of_the_document() {
        assert_eq!(
            html(br"{\rtf1\ansi\ansicpg1251\fromhtml1{\fonttbl{\f0\fcharset161 A;}}\f0{\*\htmltag <p title=\'e4>}\'e1}"),
            "<p title=\u{434}>\u{3B1}"
        );
    }

    #[test]
    fn unicode_skips_its_stand_ins() {
        for (rtf, text) in [
            (&br"{\rtf1 a\u228 ?b}"[..], "a\u{E4}b"),
            (br"{\rtf1 a\u228\'e4b}", "a\u{E4}b"),
            (br"{\rtf1\uc2 a\u26085\'93\'fab}", "a\u{65E5}b"),
            (br"{\rtf1\uc0 a\u228 b}", "a\u{E4}b"),
            (br"{\rtf1{\uc0 \u228 b}\u228 ?c}", "\u{E4}b\u{E4}c"),
            (br"{\rtf1\u-10179 ?\u-8704 ?x}", "\u{1F600}x"),
            (br"{\rtf1\u-10179 ?x\u-8704 ?}", "\u{FFFD}x\u{FFFD}"),
            (br"{\rtf1\u8217\rquote s}", "\u{2019}s"),
            (br"{\rtf1\u228\u246 ?}", "\u{E4}\u{F6}"),
            (br"{\rtf1\u228 {x}}", "\u{E4}x"),
            (br"{\rtf1\uc1\u228\bin3 {{{x}", "\u{E4}x"),
            (br"{\rtf1\u99999999 ?x}", "\u{FFFD}x"),
        ] {
            assert_eq!(plain(rtf), text, "{}", String::from_utf8_lossy(rtf));
        }
    }

    #[test]
    fn damage_gives_what_is_there() {
        assert_eq!(plain(b""), "");
        assert_eq!(plain(b"no rtf"), "no rtf");
        assert_eq!(plain(br"{\rtf1 cut \b of"), "cut of");
        assert_eq!(plain(b"{\\rtf1 end}\0\0 garbage"), "end");
        assert_eq!(plain(br"{\rtf1 a\'zz b\'4}"), "azz b4");
        assert_eq!(plain(b"{\\rtf1 a\\"), "a");
        assert_eq!(plain(br"{\rtf1 a\bin99999999999 b}"), "a");
        assert_eq!(plain(br"{\rtf1\ansicpg1200 a\'e4}"), "a\u{E4}");
        // The mark of HTML comes too late.
        assert_eq!(plain(br"{\rtf1 text\fromhtml1 more}"), "textmore");
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = 200_000;
        let mut rtf = b"{\\rtf1 a".to_vec();
        rtf.extend(std::iter::repeat_n(b'{', deep));
        rtf.extend(b"b");
        rtf.extend(std::iter::repeat_n(b'}', deep));
        rtf.extend(b"c}d");
        assert_eq!(plain(&rtf), "abc");
    }

    #[test]
    fn the_limit_holds() {
        let body = de_encapsulate(br"{\rtf1\fromtext 12345\'e4\'e4}", 6);
        assert_eq!((body.text.as_str(), body.truncated), ("12345", true));
        let body = de_encapsulate(br"{\rtf1\fromtext 12345\'e4}", 7);
        assert_eq!((body.text.as_str(), body.truncated), ("12345\u{E4}", false));
    }

    /// Text as a writer of RTF would put it.
    fn escape(text: &str) -> String {
        let mut units = [0; 2];
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\par\r\n"),
                '\t' => out.push_str("\\tab "),
                '\\' | '{' | '}' => out.extend(['\\', c]),
                ' '..='~' => out.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{}?", unit.cast_signed()));
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn text_round_trip(text in "[ -~\u{A0}-\u{2FF}\u{1F600}-\u{1F610}\n\t]{0,60}") {
            let rtf = format!("{{\\rtf1\\ansi\\fromtext {}}}", escape(&text));
            let body = de_encapsulate(rtf.as_bytes(), LIMIT);
            prop_assert_eq!(body, Body { kind: BodyKind::Text, text: text.replace('\n', "\r\n"), truncated: false });
        }

        #[test]
        fn html_round_trip(pieces in proptest::collection::vec(("<[a-z]{1,4}>", "[ -;=-~]{1,20}"), 0..10)) {
            let mut rtf = String::from("{\\rtf1\\ansi\\fromhtml1 ");
            for (tag, text) in &pieces {
                rtf.push_str(&format!("{{\\*\\htmltag84 {tag}}}\\htmlrtf {{\\b noise\\htmlrtf0 {}\\htmlrtf noise}}\\htmlrtf0 ", escape(text)));
            }
            rtf.push('}');
            let whole: String = pieces.iter().flat_map(|(tag, text)| [tag.as_str(), text.as_str()]).collect();
            prop_assert_eq!(de_encapsulate(rtf.as_bytes(), LIMIT).text, whole);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0_usize..200) {
            prop_assert!(de_encapsulate(&bytes, limit).text.len() <= limit);
        }

        #[test]
        fn any_tokens_are_taken(tokens in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("\\*"), Just("\\htmltag4 "), Just("\\htmlrtf "), Just("\\htmlrtf0"), Just("\\'93"), Just("\\u-10179"),
            Just("\\u-8704"), Just("\\uc"), Just("\\uc99999999999"), Just("\\bin2"), Just("\\fonttbl"), Just("\\f1"), Just("\\fcharset128"),
            Just("\\cpg65000 "), Just("\\fromhtml1"), Just("x"), Just("\\par"), Just("\\~"), Just("\\ansicpg932"), Just("\\deff1")
        ], 0..200), limit in 0_usize..300) {
            let rtf = format!("{{\\rtf1{}", tokens.concat());
            prop_assert!(de_encapsulate(rtf.as_bytes(), limit).text.len() <= limit);
        }
    }
}
