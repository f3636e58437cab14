//! HTML bodies (PidTagHtml, 0x1013): which characters the bytes are, and the text without the markup.
//!
//! The bytes are in the code page of PidTagInternetCodepage (0x3FDE), says [MS-OXCMSG], and in practice often are not: the
//! document itself may say otherwise and be right. [`decode`] weighs both against the bytes.

use super::code_page::CodePage;
use super::html_entities::named_character;

/// How far into the document a `meta` element is looked for.
const HEAD: usize = 16 * 1024;

/// The code page that an HTML document claims for itself: by a byte order mark, by the zero bytes of UTF-16, by the `encoding`
/// of an XML declaration, or by a `meta` element near its start. `None` where it claims none, or one that is not known.
#[must_use]
pub fn charset_of(html: &[u8]) -> Option<CodePage> {
    marked(html).map(|(page, _)| page).or_else(|| claimed(html.get(..HEAD).unwrap_or(html)))
}

/// The code page that cannot be mistaken, and the bytes behind the byte order mark.
fn marked(html: &[u8]) -> Option<(CodePage, &[u8])> {
    match html {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Some((CodePage::UTF_8, rest)),
        [0xFF, 0xFE, rest @ ..] => Some((CodePage::UTF_16LE, rest)),
        [0xFE, 0xFF, rest @ ..] => Some((CodePage::UTF_16BE, rest)),
        [b'<', 0, next, 0, ..] if *next != 0 => Some((CodePage::UTF_16LE, html)),
        [0, b'<', 0, next, ..] if *next != 0 => Some((CodePage::UTF_16BE, html)),
        _ => None,
    }
}

/// The code page that a `meta` element or an XML declaration names.
fn claimed(head: &[u8]) -> Option<CodePage> {
    let mut rest = head;
    loop {
        let at = rest.iter().position(|&byte| byte == b'<')?;
        rest = rest.get(at..)?.get(1..)?;
        let attribute: &[u8] = if let Some(comment) = rest.strip_prefix(b"!--") {
            let end = comment.windows(3).position(|bytes| bytes == b"-->")?;
            rest = comment.get(end..)?;
            continue;
        } else if has_prefix(rest, b"meta") {
            b"charset"
        } else if has_prefix(rest, b"?xml") {
            b"encoding"
        } else {
            continue;
        };
        let end = rest.iter().position(|&byte| byte == b'>').unwrap_or(rest.len());
        let (tag, behind) = rest.split_at_checked(end)?;
        rest = behind;
        if let Some(page) = label_in(tag, attribute).and_then(CodePage::for_label) {
            // Bytes that read as ASCII up to here are not UTF-16, whatever it says.
            let wide = page == CodePage::UTF_16LE || page == CodePage::UTF_16BE;
            return Some(if wide { CodePage::UTF_8 } else { page });
        }
    }
}

/// The label behind `attribute` and an equals sign.
fn label_in<'a>(tag: &'a [u8], attribute: &[u8]) -> Option<&'a [u8]> {
    let mut rest = tag;
    loop {
        let at = rest.windows(attribute.len()).position(|bytes| bytes.eq_ignore_ascii_case(attribute))?;
        rest = rest.get(at..)?.get(attribute.len()..)?;
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value).trim_ascii_start();
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b';' | b'/' | b'>' | b'?');
            return value.split(ends).next().filter(|label| !label.is_empty());
        }
    }
}

/// Whether `bytes` start with `prefix` in any case.
fn has_prefix(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The result of [`decode_checked`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodedHtml {
    /// The document, without a byte order mark.
    pub text: String,
    /// The code page that it was read in.
    pub code_page: CodePage,
    /// Whether some bytes mean nothing in that code page, or the page was a guess.
    pub had_errors: bool,
}

/// Decodes an HTML body; `declared` is the message's code page (PidTagInternetCodepage). See [`decode_checked`].
#[must_use]
pub fn decode(html: &[u8], declared: Option<u32>) -> String {
    decode_checked(html, declared).text
}

/// Decodes an HTML body and tells how.
///
/// A byte order mark decides. Otherwise UTF-8 is taken where the bytes are valid UTF-8 beyond ASCII and nothing says that they
/// are in a double-byte page. Then the declared page is tried, unless it is ASCII and the bytes are not, and then the document's
/// own claim; the first that reads the bytes without error is taken, or the first of them if none does. 1252 is the last resort. A claim of
/// a 7-bit page that shifts between alphabets (ISO-2022-JP, -KR, HZ, UTF-7) goes before a declared page that its bytes cannot tell wrong.
///
/// ```
/// use pstkit::messaging::html::decode;
///
/// assert_eq!(decode(b"<meta charset=koi8-r>\xC1", None), "<meta charset=koi8-r>а");
/// assert_eq!(decode(b"<p>\xE0", Some(1251)), "<p>а");
/// assert_eq!(decode("<p>а".as_bytes(), Some(1251)), "<p>а");
/// ```
#[must_use]
pub fn decode_checked(html: &[u8], declared: Option<u32>) -> DecodedHtml {
    if let Some((page, rest)) = marked(html) {
        return decoded(rest, page);
    }
    // A declaration of UTF-16 would have shown in the bytes.
    let declared = declared.map(CodePage).filter(|&page| page.is_known() && page != CodePage::UTF_16LE && page != CodePage::UTF_16BE);
    let claimed = charset_of(html);
    if html.is_ascii() && [declared, claimed].iter().flatten().all(|page| page.is_ascii_based()) {
        return decoded(html, declared.or(claimed).unwrap_or_default());
    }
    // bytes of ASCII cannot tell a declared page wrong, so that the document's own word on how it shifts between alphabets counts
    if html.is_ascii()
        && let Some(page) = claimed.filter(|page| !page.is_ascii_based())
        && declared.is_none_or(CodePage::is_ascii_based)
        && let document = decoded(html, page)
        && !document.had_errors
        && document.text.as_bytes() != html
    {
        return document;
    }
    let says_utf8 = declared == Some(CodePage::UTF_8) || claimed == Some(CodePage::UTF_8);
    // Short text of a double-byte page can look like UTF-8; text of a single-byte page practically never does.
    let may_be_utf8 = [declared, claimed].iter().flatten().all(|page| page.is_single_byte());
    if (says_utf8 || may_be_utf8)
        && !html.is_ascii()
        && let Ok(text) = std::str::from_utf8(html)
    {
        return DecodedHtml { text: text.to_owned(), code_page: CodePage::UTF_8, had_errors: false };
    }
    let valid_utf8 = (!html.is_ascii() && std::str::from_utf8(html).is_ok()).then_some(CodePage::UTF_8);
    let mut first = None;
    for page in [declared, claimed, valid_utf8].into_iter().flatten() {
        let document = decoded(html, page);
        if !document.had_errors {
            return document;
        }
        first.get_or_insert(document);
    }
    first.unwrap_or_else(|| DecodedHtml { had_errors: !html.is_ascii(), ..decoded(html, CodePage::default()) })
}

/// The document read in one page.
fn decoded(html: &[u8], code_page: CodePage) -> DecodedHtml {
    let (text, had_errors) = code_page.decode(html);
    DecodedHtml { text: text.into_owned(), code_page, had_errors }
}

/// The text of an HTML document as lines that end in CR LF.
///
/// Tags, comments, scripts and styles go; character references are resolved; blocks become lines, paragraphs are set off by an
/// empty line, cells by a tab, list items by an asterisk. Linear in the length of `html`, whatever it contains.
///
/// ```
/// use pstkit::messaging::html::to_text;
///
/// assert_eq!(to_text("<p>One &amp; <b>two</b><br>three</p><ul><li>x</ul>"), "One & two\r\nthree\r\n\r\n* x");
/// ```
#[must_use]
pub fn to_text(html: &str) -> String {
    let mut text = TextBuilder::default();
    let mut rest = html;
    // Quotes that are never closed are no quotes; once that is known, no later tag is searched for their end again.
    let mut quotes_close = true;
    // In the same way a title without an end would be the whole document.
    let mut titles_close = true;
    while let Some((run, behind)) = rest.split_once('<') {
        text.run(run);
        rest = behind;
        if let Some(comment) = rest.strip_prefix("!--") {
            // `<!-->` is a whole comment.
            let comment = comment.strip_prefix('-').unwrap_or(comment);
            rest = match comment.strip_prefix('>') {
                Some(behind) => behind,
                None => comment.split_once("-->").map_or("", |(_, behind)| behind),
            };
            continue;
        }
        let (closing, body) = match rest.strip_prefix('/') {
            Some(body) => (true, body),
            None => (false, rest),
        };
        match body.as_bytes().first() {
            Some(byte) if byte.is_ascii_alphabetic() => {}
            Some(b'!' | b'?') => {
                rest = body.split_once('>').map_or("", |(_, behind)| behind);
                continue;
            }
            _ => {
                text.run(if closing { "</" } else { "<" });
                rest = body;
                continue;
            }
        }
        let name_end = body.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-'))).unwrap_or(body.len());
        let (name, attributes) = body.split_at_checked(name_end).unwrap_or((body, ""));
        let end = match tag_end(attributes, quotes_close) {
            None if quotes_close => {
                quotes_close = false;
                tag_end(attributes, false)
            }
            end => end,
        };
        rest = end.and_then(|end| attributes.get(end..)).unwrap_or("");
        let name = Name::new(name);
        match name.as_bytes() {
            b"script" | b"style" if !closing => rest = behind_raw_text(rest, name.as_bytes()).unwrap_or(""),
            b"title" if !closing && titles_close => match behind_raw_text(rest, b"title") {
                Some(behind) => rest = behind,
                None => titles_close = false,
            },
            name => text.tag(name, closing),
        }
    }
    text.run(rest);
    text.out
}

/// Where the text behind a tag starts; `attributes` stand behind its name.
fn tag_end(attributes: &str, quotes: bool) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in attributes.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at.saturating_add(1)),
            (None, b'"' | b'\'') if quotes && after_equals => quote = Some(byte),
            (None, _) => {}
        }
        after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
    }
    None
}

/// The rest behind the end tag of an element whose content is no markup.
fn behind_raw_text<'a>(mut rest: &'a str, name: &[u8]) -> Option<&'a str> {
    while let Some((_, behind)) = rest.split_once("</") {
        if has_prefix(behind.as_bytes(), name) {
            return Some(behind.split_once('>').map_or("", |(_, behind)| behind));
        }
        rest = behind;
    }
    None
}

/// The name of an element in lower case. The names that matter are short; of others the start is kept, which is none of them.
struct Name {
    bytes: [u8; 12],
    length: usize,
}

impl Name {
    fn new(name: &str) -> Self {
        let mut bytes = [0; 12];
        let mut length = 0_usize;
        for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
            *place = byte.to_ascii_lowercase();
            length = length.saturating_add(1);
        }
        Name { bytes, length }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The text so far, and the white space due before its next character.
#[derive(Default)]
struct TextBuilder {
    out: String,
    /// Line ends that the next character needs before it, and those that are there.
    breaks_due: usize,
    breaks_there: usize,
    space_due: bool,
    tab_due: bool,
    /// Open `pre` elements.
    preformatted: usize,
}

impl TextBuilder {
    /// Text between two tags.
    fn run(&mut self, run: &str) {
        let mut rest = run;
        while let Some((before, reference)) = rest.split_once('&') {
            self.characters(before);
            let (c, behind) = match resolve(reference) {
                Some(resolved) => resolved,
                None => ('&', reference),
            };
            // A space that must not break is a space still, and does not collapse.
            self.visible(if c == '\u{A0}' { ' ' } else { c });
            rest = behind;
        }
        self.characters(rest);
    }

    /// Text without references.
    fn characters(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\0' | '\r' => {}
                '\n' if self.preformatted > 0 => self.line_end(),
                ' ' | '\t' if self.preformatted > 0 => self.visible(c),
                ' ' | '\t' | '\n' | '\x0C' => self.space_due = true,
                '\u{A0}' => self.visible(' '),
                _ => self.visible(c),
            }
        }
    }

    /// A character that shows, after the white space that is due.
    fn visible(&mut self, c: char) {
        if self.out.is_empty() {
            self.breaks_due = 0;
        }
        let line_starts = self.out.is_empty() || self.breaks_there > 0 || self.breaks_due > 0;
        self.settle();
        if !line_starts {
            if self.tab_due {
                self.out.push('\t');
            } else if self.space_due {
                self.out.push(' ');
            }
        }
        (self.space_due, self.tab_due, self.breaks_there) = (false, false, 0);
        self.out.push(c);
    }

    /// Writes the line ends that are due.
    fn settle(&mut self) {
        while self.breaks_there < self.breaks_due {
            self.out.push_str("\r\n");
            self.breaks_there = self.breaks_there.saturating_add(1);
        }
        self.breaks_due = 0;
    }

    /// A line end that stands for itself.
    fn line_end(&mut self) {
        if !self.out.is_empty() {
            self.settle();
        }
        self.out.push_str("\r\n");
        self.breaks_there = self.breaks_there.saturating_add(1);
        (self.space_due, self.tab_due, self.breaks_due) = (false, false, 0);
    }

    /// The edge of a block: the next character stands `breaks` line ends further.
    fn edge(&mut self, breaks: usize) {
        self.breaks_due = self.breaks_due.max(breaks);
        (self.space_due, self.tab_due) = (false, false);
    }

    /// A start or end tag.
    fn tag(&mut self, name: &[u8], closing: bool) {
        match name {
            b"br" => self.line_end(),
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"ul" | b"ol" | b"dl" => self.edge(2),
            b"pre" | b"listing" | b"xmp" => {
                self.edge(2);
                self.preformatted = if closing { self.preformatted.saturating_sub(1) } else { self.preformatted.saturating_add(1) };
            }
            b"li" => {
                self.edge(1);
                if !closing {
                    self.visible('*');
                    self.space_due = true;
                }
            }
            b"hr" => {
                self.edge(1);
                for _ in 0..10 {
                    self.visible('-');
                }
                self.edge(1);
            }
            b"td" | b"th" if !closing => {
                self.tab_due = self.breaks_due == 0 && self.breaks_there == 0 && !self.out.is_empty();
            }
            b"div" | b"tr" | b"table" | b"tbody" | b"thead" | b"tfoot" | b"caption" | b"dt" | b"dd" | b"address" | b"center" | b"form"
            | b"fieldset" | b"body" | b"html" | b"head" | b"section" | b"article" | b"header" | b"footer" | b"nav" | b"aside" | b"main"
            | b"figure" | b"figcaption" | b"option" | b"legend" | b"dir" | b"menu" => self.edge(1),
            _ => {}
        }
    }
}

/// The character that a reference means, and the rest behind it; `reference` starts behind the `&`.
fn resolve(reference: &str) -> Option<(char, &str)> {
    if let Some(number) = reference.strip_prefix('#') {
        let (radix, digits) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits),
            None => (10, number),
        };
        let end = digits.char_indices().find(|(_, c)| !c.is_digit(radix)).map_or(digits.len(), |(at, _)| at);
        let (digits, behind) = digits.split_at_checked(end)?;
        if digits.is_empty() {
            return None;
        }
        let value = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
        let c = match value {
            // Numbers of the C1 controls are meant as bytes of Windows 1252.
            0x80..=0x9F => {
                let byte = u8::try_from(value).ok()?;
                CodePage::WINDOWS_1252.decode(&[byte]).0.chars().next()
            }
            0 => None,
            _ => char::from_u32(value),
        };
        let behind = behind.strip_prefix(';').unwrap_or(behind);
        return Some((c.unwrap_or(char::REPLACEMENT_CHARACTER), behind));
    }
    // The longest name has eight letters.
    let end = reference.bytes().take(9).position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(reference.len());
    let (name, behind) = reference.split_at_checked(end)?;
    match behind.strip_prefix(';') {
        Some(behind) => Some((named_character(name)?, behind)),
        // The names that are common without their semicolon.
        None if matches!(name, "amp" | "lt" | "gt" | "quot" | "nbsp") => Some((named_character(name)?, behind)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn claims_are_found() {
        for (html, page) in [
            (&b"\xEF\xBB\xBF<html>"[..], Some(65001)),
            (b"\xFF\xFE<\0", Some(1200)),
            (b"\xFE\xFF\0<", Some(1201)),
            (b"<\0h\0t\0m\0l\0", Some(1200)),
            (b"<html><META http-equiv=Content-Type content=\"text/html; charset=iso-8859-2\">", Some(28592)),
            (b"<meta name=x><meta charset = 'UTF-8' />", Some(65001)),
            (b"<!-- <meta charset=koi8-r> --><meta charset=big5>", Some(950)),
            (b"<?xml version=\"1.0\" encoding=\"windows-1251\"?>", Some(1251)),
            (b"<meta charset=utf-16>", Some(65001)),
            (b"<meta name=charset content=x charset=gb2312", Some(936)),
            (b"<meta charset=nonsense><meta charset=euc-kr>", Some(949)),
            (b"<p>charset=utf-8</p>", None),
            (b"<meta charset=", None),
            (b"<!-- <meta charset=koi8-r>", None),
            (b"", None),
        ] {
            assert_eq!(charset_of(html), page.map(CodePage), "{}", String::from_utf8_lossy(html));
        }
    }

    #[test]
    fn declaration_and_claim_are_weighed() {
        for (html, declared, page, had_errors) in [
            // Ascii needs no choice.
            (&b"<p>a"[..], Some(28592), 28592, false),
            (b"<p>a", None, 1252, false),
            // The declaration goes before the claim, where it can be right.
            (b"<meta charset=windows-1251>\xE4", Some(1253), 1253, false),
            (b"<meta charset=windows-1251>\xE4", Some(65001), 1251, false),
            (b"<meta charset=windows-1251>\xE4", Some(20127), 1251, false),
            (b"<meta charset=windows-1251>\xE4", Some(1), 1251, false),
            (b"<meta charset=windows-1251>\xE4", Some(1200), 1251, false),
            (b"<meta charset=utf-8>\xE4", Some(1253), 1253, false),
            (b"<meta charset=utf-8>\xE4", Some(65001), 65001, true),
            // UTF-8 shows itself.
            (b"<p>\xC3\xA4", Some(1252), 65001, false),
            (b"<meta charset=utf-8>\xC3\xA4", Some(932), 65001, false),
            (b"<p>\xC3\xA4", Some(936), 936, false),
            (b"<p>\xC3\xA4", None, 65001, false),
            (b"\xEF\xBB\xBF\xC3\xA4", Some(1252), 65001, false),
            (b"<p>\xE2\x82\xAC!\xC3\xA4", Some(949), 65001, false),
            // Nothing says anything.
            (b"<p>\xE4", None, 1252, true),
            (b"<p>\x1B$BF|\x1B(B", Some(50220), 50220, false),
            // Text of 7 bits that shifts: any page that contains ASCII would read it without error.
            (b"<meta charset=iso-2022-jp>\x1B$BF|\x1B(B", Some(932), 50220, false),
            (b"<meta charset=iso-2022-jp>\x1B$BF|\x1B(B", Some(65001), 50220, false),
            (b"<meta charset=iso-2022-jp>\x1B$BF|\x1B(B", None, 50220, false),
            (b"<meta charset=iso-2022-kr>\x1B$)C\x0EGQ\x0F", Some(949), 50225, false),
            (b"<meta charset=hz-gb-2312>~{VPND~}", Some(936), 52936, false),
            (b"<meta charset=utf-7>+AOQ-", Some(1252), 65000, false),
            // Nothing shifts, or it does not shift rightly.
            (b"<meta charset=iso-2022-jp>a", Some(932), 932, false),
            (b"<meta charset=utf-7>1+1=2 +A-", Some(1252), 1252, false),
        ] {
            let got = decode_checked(html, declared);
            assert_eq!((got.code_page.0, got.had_errors), (page, had_errors), "{declared:?} {}", String::from_utf8_lossy(html));
        }
        assert_eq!(decode(b"\xFF\xFE<\0\xE4\0", None), "<\u{E4}");
        assert_eq!(decode(b"\xEF\xBB\xBFa", None), "a");
    }

    #[test]
    fn text_of_documents() {
        for (html, text) in [
            ("plain", "plain"),
            ("  a \r\n  b\t c  ", "a b c"),
            ("<html><head><title>T</title><style>p { x }</style></head><body>b</body></html>", "b"),
            ("<p>a</p><p>b</p>", "a\r\n\r\nb"),
            ("<div>a</div><div>b</div>", "a\r\nb"),
            ("<div>a</div><br><div>b</div>", "a\r\n\r\nb"),
            ("<div>a<br></div><div>b</div>", "a\r\nb"),
            ("a<br>b<br/>c<BR />d", "a\r\nb\r\nc\r\nd"),
            ("<table><tr><td>a<td>b</tr><tr><td>c</td> <td>d</td></tr></table>e", "a\tb\r\nc\td\r\ne"),
            ("x<ul><li>a<li>b</ul>y", "x\r\n\r\n* a\r\n* b\r\n\r\ny"),
            ("a<pre>b  c\n d</pre>e", "a\r\n\r\nb  c\r\n d\r\n\r\ne"),
            ("&lt;&amp;&gt;&quot;&#228;&#xE4;&auml;&#150;&nbsp;&amp x", "<&>\"\u{E4}\u{E4}\u{E4}\u{2013} & x"),
            ("&bogus; & &; &#; &#x; &#xFFFFFFFFFF;&#55296;", "&bogus; & &; &#; &#x; \u{FFFD}\u{FFFD}"),
            ("a<!-- <p> -->b<!--->c<!-- open", "abc"),
            ("<!DOCTYPE html><?xml x?>a<![if !mso]>b<![endif]>", "ab"),
            ("<script>if (a</b) '<p>'</SCRIPT >x", "x"),
            ("<a title=\"x > y\" href='z'>l</a>", "l"),
            ("<a title=don't>l</a>", "l"),
            ("<a title=\"open>l</a> m > <b>n", "l m > n"),
            ("1 < 2 </ 3 <", "1 < 2 </ 3 <"),
            ("<title>open<p>x", "open\r\n\r\nx"),
            ("a<b", "a"),
            ("<o:p>a</o:p> <st1:x>b</st1:x>", "a b"),
            ("a<hr>b", "a\r\n----------\r\nb"),
            ("<p>&nbsp;</p>x", " \r\n\r\nx"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn hostile_documents_end() {
        // Each of these is quadratic for a reader that looks ahead again and again.
        for piece in ["<a x=\"", "<!--", "<style>", "<title>", "</", "&", "&#", "<meta ", "<a ", "<", "<!", "<li>"] {
            let html = piece.repeat(50_000);
            assert!(to_text(&html).len() <= html.len() * 2, "{piece}");
            assert_eq!(charset_of(html.as_bytes()), None, "{piece}");
        }
    }

    proptest! {
        #[test]
        fn escaped_text_comes_back(text in "[!-~\u{A1}-\u{2FF}\u{4E00}-\u{4E20}]{1,40}") {
            let html: String = text.chars().map(|c| format!("<b>&#{};</b>", u32::from(c))).collect();
            prop_assert_eq!(&to_text(&html), &text);
            let html: String = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(to_text(&format!("<div>{html}</div>")), text);
        }

        #[test]
        fn what_is_declared_comes_back(text in "[ -~\u{410}-\u{44F}]{0,40}", page in prop_oneof![
            Just(1251_u32), Just(65001), Just(20866), Just(28595), Just(54936)]) {
            let (bytes, lossy) = CodePage(page).encode(&text);
            prop_assert!(!lossy);
            // Single-byte text that is valid UTF-8 by accident is rare, but random text finds it.
            if page == 65001 || std::str::from_utf8(&bytes).is_err() {
                prop_assert_eq!(decode(&bytes, Some(page)), text);
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200), declared in proptest::option::of(0_u32..66_000)) {
            let text = decode(&bytes, declared);
            prop_assert!(to_text(&text).chars().count() <= text.chars().count().saturating_mul(6));
        }

        #[test]
        fn any_tags_are_taken(pieces in proptest::collection::vec(prop_oneof![
            Just("<"), Just(">"), Just("</"), Just("p"), Just("br"), Just("pre"), Just("\""), Just("="), Just("&"), Just("#x"), Just("1;"),
            Just("<!--"), Just("-->"), Just("<style"), Just("</style"), Just("<td>"), Just("<li>"), Just(" "), Just("\n"), Just("\u{4E2D}")
        ], 0..100)) {
            let html = pieces.concat();
            prop_assert!(to_text(&html).len() <= html.len().saturating_mul(6));
        }
    }
}
