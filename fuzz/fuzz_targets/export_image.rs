//! A damaged store: each writer ends on each message, its output is well formed, and a second run gives the same bytes.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::export::vcf::Version;
use pstkit::export::{Exporter, LineWriter, eml};
use pstkit::messaging::Message;
use pstkit::{OpenOptions, Pst};
use pstkit_fuzz::image::Image;
use std::io::{Cursor, Read};
use std::sync::Arc;

/// The MSG file of a message, which a strict reader opens and reads to the end of every stream.
fn msg(exporter: &Exporter<'_>, message: &Message<'_>) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    exporter.msg(message, &mut out).unwrap();
    let mut file = cfb::CompoundFile::open_strict(Cursor::new(out.get_ref().as_slice())).unwrap();
    let streams: Vec<_> = file.walk().filter(|e| e.is_stream()).map(|e| e.path().to_owned()).collect();
    let mut tables = 0;
    for path in streams {
        let mut bytes = Vec::new();
        file.open_stream(&path).unwrap().read_to_end(&mut bytes).unwrap();
        if path.ends_with("__properties_version1.0") {
            assert_eq!(bytes.len() % 8, 0);
            tables += 1;
        }
    }
    assert!(tables > 0);
    out.into_inner()
}

fn lines(text: Vec<u8>) {
    let text = String::from_utf8(text).unwrap();
    assert!(text.split("\r\n").all(|l| l.len() <= 75 && !l.contains(['\n', '\r'])));
    assert!(text.ends_with("END:VCALENDAR\r\n") || text.ends_with("END:VCARD\r\n"));
}

fuzz_target!(|data: &[u8]| {
    let bytes = Arc::new(Image::decode(data).bytes());
    let Ok(pst) = Pst::from_source(bytes, &OpenOptions::new()) else { return };
    let (exporter, again) = (Exporter::new(&pst), Exporter::new(&pst));
    for message in pst.messages().take(50) {
        assert_eq!(msg(&exporter, &message), msg(&again, &message));
        let mut mail = LineWriter::mboxrd(Vec::new());
        exporter.eml(&message, &mut mail, &eml::Options::new()).unwrap();
        assert!(!mail.finish().unwrap().windows(6).any(|w| w == b"\nFrom "));
        let (mut card, mut calendar) = (Vec::new(), Vec::new());
        exporter.vcf(&message, &mut card, Version::V4).unwrap();
        exporter.ics(&message, &mut calendar).unwrap();
        lines(card);
        lines(calendar);
    }
});
