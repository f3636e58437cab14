//! HTML bodies as bytes: text, and what their own declaration of a code page says.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::messaging::html;

fuzz_target!(|data: &[u8]| {
    let text = html::to_text(&html::decode(data, None));
    assert!(text.len() <= 64 + data.len() * 8, "{} from {}", text.len(), data.len());
});
