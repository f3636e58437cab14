//! Messages, contacts and appointments of any values: what is written is well formed, and no value begins another line.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::Pst;
use pstkit::export::vcf::Version;
use pstkit::export::{Exporter, LineWriter, eml, safe_name};
use pstkit::format::ids::PropType;
use pstkit::format::tags;
use pstkit::format::types::Guid;
use pstkit::io::MemoryStorage;
use pstkit::ltp::PropertyName;
use pstkit::messaging::recurrence::Recurrence;
use pstkit::messaging::timezone::TimeZone;
use pstkit::testkit::VARIETIES;
use pstkit::write::{NewAttachment, IPM_SUBTREE, NewMessage, Named, PstWriter};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    let half = text.len() / 2;
    let half = (0..=half).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    let (a, b) = text.split_at(half);
    assert_eq!(std::path::Path::new(&safe_name(&text, 100)).components().count(), 1);
    if let Ok(r) = Recurrence::decode(data) {
        let _ = r.instances().take(1000).count();
    }
    let _ = (TimeZone::decode_struct(data), TimeZone::decode_definition(data));
    let memory = MemoryStorage::default();
    let mut pst = PstWriter::create(&memory, VARIETIES[0].options(1)).unwrap();
    let folder = pst.add_folder(IPM_SUBTREE, "x").unwrap();
    let named = |set, lid, kind, bytes: &[u8]| Named::new(PropertyName::number(set, lid), kind, bytes);
    for class in ["IPM.Note", "IPM.Contact", "IPM.Appointment", "IPM.Task", "IPM.DistList"] {
        let message = NewMessage::new(class)
            .subject(a)
            .text(b)
            .from(b, a)
            .to(a, b)
            .set(|p| {
                p.set_str(tags::TRANSPORT_MESSAGE_HEADERS, a).set_str(tags::INTERNET_MESSAGE_ID, b).set_str(tags::GIVEN_NAME, b);
            })
            .named(named(Guid::PSETID_APPOINTMENT, 0x8216, PropType::BINARY, data))
            .named(named(Guid::PSETID_APPOINTMENT, 0x8233, PropType::BINARY, data))
            .named(Named::text(PropertyName::number(Guid::PSETID_APPOINTMENT, 0x8208), b))
            .attach(NewAttachment::file(a, b).mime(b).content_id(a))
            .attach(NewAttachment::ole(a, data));
        pst.add_message(folder, message).unwrap();
    }
    pst.finish().unwrap();
    let pst = Pst::from_bytes(memory.into_bytes()).unwrap();
    let exporter = Exporter::new(&pst);
    for message in pst.messages() {
        let mut mail = Vec::new();
        exporter.eml(&message, &mut mail, &eml::Options::new()).unwrap();
        let head_end = mail.windows(4).position(|w| w == b"\r\n\r\n").expect("a header has an end");
        assert!(mail[..head_end].is_ascii() && !mail[..head_end].contains(&0));
        let mut mbox = LineWriter::mboxrd(Vec::new());
        exporter.eml(&message, &mut mbox, &eml::Options::new()).unwrap();
        assert!(!mbox.finish().unwrap().windows(6).any(|w| w == b"\nFrom "));
        let mut msg = std::io::Cursor::new(Vec::new());
        exporter.msg(&message, &mut msg).unwrap();
        // a compound file begins so, and is made of whole sectors
        let msg = msg.into_inner();
        assert!(msg.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) && msg.len() % 512 == 0);
        for is_card in [false, true] {
            let mut lines = Vec::new();
            if is_card {
                exporter.vcf(&message, &mut lines, Version::V4).unwrap();
            } else {
                exporter.ics(&message, &mut lines).unwrap();
            }
            let lines = String::from_utf8(lines).unwrap();
            assert!(lines.split("\r\n").all(|l| l.len() <= 75 && !l.contains(['\n', '\r'])));
            assert!(lines.ends_with("END:VCALENDAR\r\n") || lines.ends_with("END:VCARD\r\n"));
        }
    }
});
