//! `--report FILE.html` and `FILE.json`: a picture of a file, before and after a repair, as one page that needs nothing from outside.
//!
//! The page is a frame with a style and a script of its own, and the data as JSON; the script puts every text in as text, never as markup. So
//! there is one place where names and subjects from mail could do harm: the JSON within the page, in which all characters that mean
//! something to HTML or to a script are escaped ([`embedded`]). The policy of the page allows its own style and script by their digests,
//! and nothing else.

use crate::page_data::PageData;
use crate::status::{Failure, Status};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::path::Path;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Bytes that a page may have.
const MOST: usize = 5 << 20;

/// Whether a name asks for a report that can be written.
pub(crate) fn is_report(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("json"))
}

/// Writes the report in the form that its name asks for.
pub(crate) fn write(path: &Path, data: &mut PageData) -> Result<(), Failure> {
    let is_html = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html"));
    let mut bytes = render(data, is_html)?;
    // what is least needed goes first, and that is said
    while bytes.len() > MOST && data.shorten() {
        bytes = render(data, is_html)?;
    }
    std::fs::write(path, bytes).map_err(|e| Failure::Said(Status::FAILED, format!("{}: the report cannot be written: {e}", path.display())))
}

fn render(data: &PageData, is_html: bool) -> Result<Vec<u8>, Failure> {
    let json = if is_html { serde_json::to_string(data) } else { serde_json::to_string_pretty(data) }.map_err(std::io::Error::from)?;
    Ok(if is_html { page(data, &json).into_bytes() } else { json.into_bytes() })
}

fn page(data: &PageData, json: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>{STYLE}</style></head>\n<body>\n<h1>{}</h1>\n<p id=\"verdict\">{}</p>\n\
         <p class=\"next\">{}</p>\n<main id=\"main\"><noscript><p>The pictures and tables of this page need its script.</p></noscript></main>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n</body></html>\n",
        digest(STYLE),
        digest(SCRIPT),
        escaped(&data.title),
        escaped(&data.title),
        escaped(&data.verdict),
        escaped(&data.next),
        embedded(json),
    )
}

/// Text as it stands in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::render::clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON as it stands in a page: what could end the element, begin a comment or end a line for an old script engine is escaped. These
/// characters are in strings alone.
fn embedded(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// The digest by which a policy names a style or script.
fn digest(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_mail_cannot_leave_its_place_in_the_page() {
        assert_eq!(escaped("<b a=\"1\" c='2'>&\u{202E}"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\u{FFFD}");
        let json = embedded(&serde_json::to_string("</script><!-- & ' \u{2028}").unwrap());
        assert!(!json.contains(['<', '>', '&', '\'', '\u{2028}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><!-- & ' \u{2028}");
    }

    #[test]
    fn the_script_has_no_way_to_put_text_in_as_markup_nor_to_ask_for_anything() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval",
            "fetch(",
            "XMLHttpRequest",
            "</script",
            "http:",
            "https:",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
