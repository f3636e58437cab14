//! `export --to msg`: files of Outlook's, read back by a parser of this test's own over the crate `cfb`.

use crate::support::{file, pstkit, store};
use pstkit::format::ids::PropType;
use pstkit::format::tags;
use pstkit::format::types::Guid;
use pstkit::ltp::PropertyName;
use pstkit::testkit::{VARIETIES, time};
use pstkit::write::{IPM_SUBTREE, Named, NewAttachment, NewMessage};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

fn msg_files(dir: &Path) -> Vec<PathBuf> {
    let mut pending = vec![dir.to_owned()];
    let mut found = Vec::new();
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten().map(|e| e.path()) {
            if entry.is_dir() {
                pending.push(entry);
            } else if entry.extension().is_some_and(|e| e == "msg") {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// A compound file as its streams.
struct Msg(BTreeMap<String, Vec<u8>>);

impl Msg {
    fn read(bytes: Vec<u8>) -> Self {
        let mut file = cfb::CompoundFile::open_strict(Cursor::new(bytes)).unwrap();
        let paths: Vec<_> = file.walk().filter(|e| e.is_stream()).map(|e| e.path().to_owned()).collect();
        let mut streams = BTreeMap::new();
        for path in paths {
            let mut bytes = Vec::new();
            file.open_stream(&path).unwrap().read_to_end(&mut bytes).unwrap();
            streams.insert(path.to_string_lossy().trim_start_matches('/').to_owned(), bytes);
        }
        Self(streams)
    }

    fn stream(&self, path: &str) -> &[u8] {
        self.0.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", self.0.keys()))
    }

    fn text(&self, path: &str) -> String {
        let units: Vec<u16> = self.stream(path).chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        String::from_utf16(&units).unwrap()
    }

    /// The eight bytes of a property's value in the entries of a storage.
    fn entry(&self, storage: &str, head: usize, tag: u32) -> [u8; 8] {
        let entries = &self.stream(&format!("{storage}__properties_version1.0"))[head..];
        let found = entries.chunks(16).find(|e| e[..4] == tag.to_le_bytes());
        found.unwrap_or_else(|| panic!("no {tag:08X} in {storage}"))[8..].try_into().unwrap()
    }

    /// The id that a numbered name has.
    fn id(&self, set: u16, lid: u32) -> Option<u16> {
        let entries = self.stream("__nameid_version1.0/__substg1.0_00030102");
        let at = entries.chunks(8).find(|e| e[..4] == lid.to_le_bytes() && e[4..6] == (set << 1).to_le_bytes())?;
        Some(0x8000 + u16::from_le_bytes([at[6], at[7]]))
    }
}

/// An OLE storage with one storage that has streams of these lengths.
fn ole(lengths: &[usize]) -> Vec<u8> {
    let mut ole = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    ole.create_storage("/Inner").unwrap();
    ole.create_stream("/Inner/CONTENTS").unwrap().write_all(b"a drawing").unwrap();
    for (i, length) in lengths.iter().enumerate() {
        ole.create_stream(format!("/Inner/{i}")).unwrap().write_all(&vec![i as u8; *length]).unwrap();
    }
    ole.flush().unwrap();
    ole.into_inner().into_inner()
}

fn rich() -> NewMessage {
    let ole = ole(&[]);
    let inner = NewMessage::note("Inside", "inner text").from("Cy", "cy@example.com").attach(NewAttachment::file("deep.txt", "deep"));
    let start = PropertyName::number(Guid::PSETID_APPOINTMENT, 0x820D);
    NewMessage::note("RE: Grüße", "text of the message")
        .html("<html><body><b>bold</b></body></html>")
        .from("Ann", "ann@example.com")
        .to("Bob", "bob@example.com")
        .cc("Cäsar", "caesar@example.com")
        .sent(time(1))
        .named(Named::new(start, PropType::TIME, time(7).0.to_le_bytes()))
        .named(Named::text(PropertyName::name(Guid::PS_PUBLIC_STRINGS, "Colour"), "blue"))
        .attach(NewAttachment::file("numbers.bin", (0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>()))
        .attach(NewAttachment::message("inner", inner))
        .attach(NewAttachment::ole("drawing", ole))
        .attach(NewAttachment::reference("elsewhere.doc", r"\\server\share\elsewhere.doc"))
}

#[test]
fn a_message_is_the_same_in_a_file_of_its_own() {
    let (dir, path) = store(|pst| {
        pst.add_message(IPM_SUBTREE, rich()).unwrap();
    });
    let out = dir.path().join("out");
    let args = ["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "msg", "--json"];
    let run = pstkit(args);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&told["attachments"]["expected"], &told["attachments"]["elsewhere"]), (&5.into(), &1.into()), "{told}");
    let files = msg_files(&out);
    let bytes = std::fs::read(&files[0]).unwrap();
    let msg = Msg::read(bytes.clone());

    assert_eq!(msg.text("__substg1.0_0037001F"), "RE: Grüße");
    assert_eq!((msg.text("__substg1.0_003D001F"), msg.text("__substg1.0_0E1D001F")), ("RE: ".to_owned(), "Grüße".to_owned()));
    assert_eq!(msg.text("__substg1.0_1000001F"), "text of the message");
    assert_eq!(msg.stream("__substg1.0_10130102"), b"<html><body><b>bold</b></body></html>");
    assert_eq!(msg.entry("", 32, tags::CLIENT_SUBMIT_TIME.0), time(1).0.to_le_bytes());
    // counts: the next recipient and attachment, then how many there are
    let head: Vec<u32> = msg.stream("__properties_version1.0")[..32].chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(head, [0, 0, 2, 4, 2, 4, 0, 0]);
    assert_eq!(msg.text("__recip_version1.0_#00000001/__substg1.0_3001001F"), "Cäsar");
    assert_eq!(msg.entry("__recip_version1.0_#00000001/", 8, tags::RECIPIENT_TYPE.0)[..4], [2, 0, 0, 0]);

    let data = msg.stream("__attach_version1.0_#00000000/__substg1.0_37010102");
    assert!(data.len() == 200_000 && data.iter().enumerate().all(|(i, b)| *b == i as u8));
    assert_eq!(msg.entry("__attach_version1.0_#00000000/", 8, 0x3701_0102)[..4], 200_000_u32.to_le_bytes());
    let inner = "__attach_version1.0_#00000001/__substg1.0_3701000D/";
    assert_eq!(msg.text(&format!("{inner}__substg1.0_0037001F")), "Inside");
    assert_eq!(msg.entry(inner, 24, tags::STORE_SUPPORT_MASK.0)[..4], 0x0004_0E79_u32.to_le_bytes());
    assert_eq!(msg.stream(&format!("{inner}__attach_version1.0_#00000000/__substg1.0_37010102")), b"deep");
    assert_eq!(msg.entry("__attach_version1.0_#00000001/", 8, 0x3701_000D), [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]);
    assert_eq!(msg.stream("__attach_version1.0_#00000002/__substg1.0_3701000D/Inner/CONTENTS"), b"a drawing");
    assert_eq!(msg.text("__attach_version1.0_#00000003/__substg1.0_3708001F"), r"\\server\share\elsewhere.doc");

    let start = msg.id(3, 0x820D).expect("the name of the start");
    assert_eq!(msg.entry("", 32, u32::from(start) << 16 | 0x40), time(7).0.to_le_bytes());
    assert!(msg.0.iter().any(|(path, bytes)| path.ends_with("001F") && bytes.as_slice() == b"b\0l\0u\0e\0"), "the colour");

    // a second run writes the same bytes, at whatever time
    let again = pstkit(args);
    let told: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((&told["items"]["present"], &told["items"]["written"]), (&1.into(), &0.into()), "{told}");
    assert_eq!(std::fs::read(&files[0]).unwrap(), bytes);
}

#[test]
fn every_kind_of_item_in_every_variant_is_a_sound_compound_file() {
    for variety in VARIETIES {
        let (dir, path) = file("made.pst", &pstkit::testkit::tiny(variety, 3).unwrap());
        let out = dir.path().join("out");
        let run = pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "msg"]);
        assert_eq!(run.status, 0, "{}: {run:?}", variety.name());
        let files = msg_files(&out);
        assert!(!files.is_empty());
        for path in files {
            let msg = Msg::read(std::fs::read(&path).unwrap());
            assert!(msg.0.contains_key("__substg1.0_001A001F"), "{}: {path:?} has no class", variety.name());
            assert!(msg.0.keys().all(|k| !k.ends_with("001E")), "{}: 8-bit texts", variety.name());
        }
    }
}

#[test]
fn damaged_data_is_written_as_far_as_it_goes_and_told() {
    let (_dir, path) = store(|pst| {
        let data: Vec<u8> = (0..60_000_u32).map(|n| (n / 7) as u8).collect();
        pst.add_message(IPM_SUBTREE, NewMessage::note("Hit", "text").attach(NewAttachment::file("data.bin", data))).unwrap();
    });
    let mut bytes = std::fs::read(&path).unwrap();
    // a full block is one of the attachment's
    let pst = pstkit::Pst::open(&path).unwrap();
    let block = pst.ndb().index().blocks().iter().max_by_key(|b| b.cb).unwrap().ib;
    bytes[block.0 as usize + 100] ^= 0x10;
    let (dir, broken) = file("broken.pst", &bytes);
    let out = dir.path().join("out");
    let run = pstkit(["export", broken.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "msg", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(run.status, 4 + 64, "{run:?}");
    assert_eq!((&told["attachments"]["partial"], &told["items"]["partial"]), (&1.into(), &1.into()), "{told}");
    let msg = Msg::read(std::fs::read(&msg_files(&out)[0]).unwrap());
    assert_eq!(msg.stream("__attach_version1.0_#00000000/__substg1.0_37010102").len(), 60_000);
}

#[test]
fn values_whose_name_is_lost_stay_and_texts_lose_the_nul_that_some_programs_store() {
    let nameless = pstkit::PropTag::new(0x9ABC, PropType::STRING);
    let (dir, path) = store(|pst| {
        let message = NewMessage::note("Lost", "text").attach(NewAttachment::file("a.txt", "x")).set(|p| {
            p.set_str(nameless, "kept");
            p.set(tags::INTERNET_MESSAGE_ID, b"<\0a\0>\0\0\0".to_vec());
        });
        pst.add_message(IPM_SUBTREE, message).unwrap();
    });
    let out = dir.path().join("out");
    let run = pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "msg"]);
    assert_eq!(run.status, 0, "{run:?}");
    let msg = Msg::read(std::fs::read(&msg_files(&out)[0]).unwrap());
    let id = msg.id(1, 0x9ABC).expect("a number of PS_MAPI");
    assert_eq!(msg.text(&format!("__substg1.0_{id:04X}001F")), "kept");
    assert_eq!((msg.text("__substg1.0_1035001F"), msg.entry("", 32, 0x1035_001F)[0]), ("<a>".to_owned(), 8));
    assert_eq!(msg.entry("__attach_version1.0_#00000000/", 8, tags::STORE_SUPPORT_MASK.0)[..4], 0x0004_0E79_u32.to_le_bytes());
}

#[test]
fn an_ole_storage_that_lies_costs_itself_and_no_other_item() {
    let mut lengths = vec![5000; 12];
    lengths[0] = 30_000;
    let sound = ole(&lengths);
    // entries of the directory: 128 bytes each, the name first, the first sector at 116, the length at 120
    let entry = |bytes: &[u8], name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).chain([0, 0]).collect();
        (512..bytes.len()).step_by(128).find(|at| bytes[*at..].starts_with(&name)).unwrap()
    };
    let mut shared = sound.clone();
    let first: Vec<u8> = shared[entry(&sound, "0") + 116..][..12].to_vec();
    for i in 1..12 {
        let at = entry(&sound, &i.to_string()) + 116;
        shared[at..at + 12].copy_from_slice(&first);
    }
    let mut twice = sound.clone();
    let at = entry(&sound, "1");
    twice[at] = b'0';
    let mut slash = sound.clone();
    slash[at] = b'/';
    let mut long = sound.clone();
    long[at + 120..at + 124].copy_from_slice(&0x7FFF_FFFF_u32.to_le_bytes());
    let cut = sound[..sound.len() - 3000].to_vec();
    let mut all = vec![("shared", shared), ("twice", twice), ("slash", slash), ("long", long), ("cut", cut)];
    for at in (0..sound.len()).step_by(211) {
        let mut flipped = sound.clone();
        flipped[at] ^= 0xA5;
        all.push(("flipped", flipped));
    }
    let number = all.len();
    let (dir, path) = store(|pst| {
        for (i, (name, bytes)) in all.into_iter().enumerate() {
            pst.add_message(IPM_SUBTREE, NewMessage::note(&format!("{name} {i}"), "text").attach(NewAttachment::ole("drawing", bytes)))
                .unwrap();
        }
        pst.add_message(IPM_SUBTREE, NewMessage::note("sound", "text").attach(NewAttachment::ole("drawing", sound))).unwrap();
    });
    let out = dir.path().join("out");
    let run = pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "msg", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(told["items"]["written"], number + 1, "{told} {}", run.err);
    let files = msg_files(&out);
    assert_eq!(files.len(), number + 1);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        // the bytes of the storage, in one form or the other, and nothing that multiplies them
        assert!(bytes.len() < 200_000, "{file:?}: {} bytes", bytes.len());
        let msg = Msg::read(bytes);
        let own = "__attach_version1.0_#00000000/__substg1.0_3701";
        assert!(msg.0.keys().any(|k| k.starts_with(own)), "{file:?}: no data");
    }
}
