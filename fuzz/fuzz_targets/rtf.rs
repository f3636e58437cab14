//! Bodies: compressed RTF, HTML and text in RTF, HTML, code pages.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::messaging::code_page::CodePage;
use pstkit::messaging::{html, rtf, rtf_text};

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    if let Ok(out) = rtf::decompress(data, LIMIT) {
        assert!(out.data.len() <= LIMIT);
        let _ = rtf_text::de_encapsulate(&out.data, LIMIT);
    }
    let _ = rtf_text::de_encapsulate(data, LIMIT);
    let packed = rtf::compress(data);
    assert_eq!(rtf::decompress(&packed, data.len()).unwrap().data, data);
    let page = data.first().map_or(1252, |b| [1252, 932, 936, 950, 65001, 50220, 1200, 437][usize::from(*b) % 8]);
    let _ = html::to_text(&html::decode(data, Some(page)));
    let (text, _) = CodePage(page).decode(data);
    let _ = CodePage(page).encode(&text);
});
