//! Text from a file, and its name, cannot steer a terminal or a reader: no command prints a control, direction or invisible character.

use crate::support::{file, pstkit};
use pstkit::format::layout::Variant;
use pstkit::format::types::Guid;
use pstkit::io::MemoryStorage;
use pstkit::ltp::PropertyName;
use pstkit::messaging::RecipientType;
use pstkit::write::{IPM_SUBTREE, Named, NewAttachment, NewMessage, NewRecipient, PstWriter, StoreOptions};

/// All characters of the categories Cc, Cf, Zl and Zp, from the Unicode character database, version 15.
fn hidden() -> Vec<char> {
    const RANGES: [(u32, u32); 24] = [
        (0x01, 0x1F),
        (0x7F, 0x9F),
        (0xAD, 0xAD),
        (0x600, 0x605),
        (0x61C, 0x61C),
        (0x6DD, 0x6DD),
        (0x70F, 0x70F),
        (0x890, 0x891),
        (0x8E2, 0x8E2),
        (0x180E, 0x180E),
        (0x200B, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x2064),
        (0x2066, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0x110BD, 0x110BD),
        (0x110CD, 0x110CD),
        (0x13430, 0x1343F),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0001, 0xE0001),
        (0xE0020, 0xE007F),
        (0x2065, 0x2065),
    ];
    RANGES.iter().flat_map(|(a, b)| *a..=*b).filter_map(char::from_u32).collect()
}

/// A store in which every text has hidden characters in front and all of them behind.
fn store() -> Vec<u8> {
    let all: String = hidden().into_iter().collect();
    let text = |what: &str| format!("\u{7F}\u{85}\u{9B}\u{202E}\u{2066}\u{61C}\u{200B}\u{2028}\u{E0041}{what}{all}");
    let storage = MemoryStorage::default();
    let options = StoreOptions::new(Variant::Unicode).display_name(text("store"));
    let mut writer = PstWriter::create(&storage, options).unwrap();
    let folder = writer.add_folder(IPM_SUBTREE, &text("folder")).unwrap();
    for i in 0..3 {
        let mut m = NewMessage::note(&text("subject"), &text("body"));
        m.recipients.push(NewRecipient::new(RecipientType::To, &text("name"), &text("address")));
        m.named.push(Named::text(PropertyName::name(Guid::PS_PUBLIC_STRINGS, &text("property")), &text("value")));
        m = m.attach(NewAttachment::file(&text("file"), vec![i; 20]));
        writer.add_message(folder, m).unwrap();
    }
    writer.finish().unwrap();
    storage.into_bytes()
}

#[track_caller]
fn assert_seen(what: &[&str], text: &str) {
    let all = hidden();
    if let Some(c) = text.chars().find(|c| *c != '\n' && all.contains(c)) {
        panic!("{what:?} prints {:#x} in {:?}", c as u32, text.lines().find(|l| l.contains(c)));
    }
}

#[test]
fn no_command_prints_what_cannot_be_seen() {
    let mut bytes = store();
    let (dir, path) = file("a\u{202E}b\u{200B}c\u{7F}d\u{2066}.pst", &bytes);
    let pst = pstkit::Pst::from_bytes(bytes.clone()).unwrap();
    let message = pst.ndb().index().nodes().iter().rfind(|n| n.nid.is_message()).copied().unwrap();
    let damaged = pst.ndb().find_block(message.data).unwrap().ib.0 as usize;
    bytes[damaged + 12] ^= 0x55;
    let bad = dir.path().join("bad\u{2066}\u{E0041}.pst");
    std::fs::write(&bad, &bytes).unwrap();
    let (nid, gone, out) = (format!("nid:{}", message.nid), dir.path().join("gone\u{9B}.pst"), dir.path().join("out\u{61C}.pst"));
    let (gone, out) = (gone.to_str().unwrap(), out.to_str().unwrap());
    for source in [&path, &bad] {
        let f = source.to_str().unwrap();
        let runs: [&[&str]; 14] = [
            &["info", f],
            &["ls", f],
            &["items", f],
            &["check", "-v", f],
            &["check", "--level", "deep", "--format", "scanpst", f],
            &["check", f, gone],
            &["show", f, &nid],
            &["show", f, "nid:0x61"],
            &["repair", "-v", f],
            &["repair", "-y", "-v", f, "-o", out, "--force"],
            &["compact", "-v", f, "-o", out, "--force"],
            &["convert", "-v", f, "-o", out, "--to", "ansi", "--force"],
            &["recover", "-v", f, "-o", out, "--force"],
            &["items", gone],
        ];
        for args in runs {
            for form in [&[][..], &["--json", "--progress", "json"], &["--jsonl"]] {
                let all: Vec<&str> = args.iter().chain(form).copied().collect();
                let run = pstkit(&all);
                assert!(run.status != 16 || args.contains(&"scanpst"), "{all:?}: {}", run.err);
                assert_seen(&all, &run.out);
                assert_seen(&all, &run.err);
            }
        }
    }
    for args in [&["items", "--no\u{202E}option"][..], &["wh\u{9B}at"], &["check", "--level", "\u{200B}"]] {
        assert_seen(args, &pstkit(args).err);
    }
    assert!(
        pstkit(["items", "--jsonl", path.to_str().unwrap()]).lines().iter().all(|i| i["subject"].as_str().unwrap().contains('\u{202E}'))
    );
}
