//! `export`: mail in forms that other programs read.

use crate::support::{pstkit, store};
use pstkit::format::ids::PropType;
use pstkit::format::types::Guid;
use pstkit::ltp::PropertyName;
use pstkit::testkit::{VARIETIES, time};
use pstkit::write::{IPM_SUBTREE, Named, NewAttachment, NewMessage};
use std::collections::BTreeMap;
use std::path::Path;

/// Every file under a folder with its bytes, but for the mark of the target.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else if entry.file_name() != ".pstkit-export.json" {
                let name = entry.path().strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

fn one<'f>(files: &'f BTreeMap<String, Vec<u8>>, end: &str) -> (&'f str, String) {
    let mut of = files.iter().filter(|(name, _)| name.ends_with(end));
    let (name, bytes) = of.next().unwrap_or_else(|| panic!("no {end} in {:?}", files.keys()));
    (name, String::from_utf8(bytes.clone()).unwrap())
}

#[test]
fn hostile_names_lead_nowhere_and_hostile_values_begin_no_field() {
    let (dir, path) = store(|pst| {
        let folder = pst.add_folder(IPM_SUBTREE, "../../outside").unwrap();
        let twin = pst.add_folder(IPM_SUBTREE, "..\\..\\OUTSIDE").unwrap();
        for folder in [folder, twin] {
            let message = NewMessage::note("../../../etc/passwd\r\nBcc: victim@example.com", "text")
                .from("Eve\r\nX-Injected: yes", "eve@example.com")
                .attach(NewAttachment::file("../../../x\r\nX-Injected: yes", "data").mime("text/plain\r\nX-Injected: yes"))
                .sent(time(1));
            pst.add_message(folder, message).unwrap();
        }
    });
    let out = dir.path().join("out");
    for (form, target) in [("eml", "a"), ("mbox", "b"), ("maildir", "c")] {
        let target = out.join(target);
        let run = pstkit(["export", path.to_str().unwrap(), "-o", target.to_str().unwrap(), "--to", form, "--json"]);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{form}");
        for (name, bytes) in files(&target) {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("\nX-Injected") && !text.contains("\nBcc:"), "{name}: {text}");
        }
    }
    let run = pstkit(["export", path.to_str().unwrap(), "--attachments", out.join("d").to_str().unwrap()]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(files(&out.join("d")).len(), 2);
    let mut beside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    beside.sort();
    assert_eq!(beside, ["made.pst", "out"]);
}

#[test]
fn a_second_run_completes_what_was_cut_off_and_changes_nothing_else() {
    let (dir, path) = store(|pst| {
        let inbox = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
        for i in 0..5 {
            let message =
                NewMessage::note(&format!("Subject {i}"), "From here on\r\nthe text").from("Ann", "ann@example.com").sent(time(i));
            pst.add_message(inbox, message.attach(NewAttachment::file("a.bin", vec![7; 3000]))).unwrap();
        }
    });
    let out = dir.path().join("out");
    let manifest = dir.path().join("list.csv");
    let args = ["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--manifest", manifest.to_str().unwrap(), "--json"];
    let first = pstkit(args).json();
    assert_eq!((first["items"]["written"].as_u64(), first["attachments"]["written"].as_u64()), (Some(5), Some(5)), "{first}");
    let list = std::fs::read_to_string(&manifest).unwrap();
    assert_eq!(list.lines().count(), 6);
    let whole = files(&out);
    let names: Vec<&String> = whole.keys().collect();
    std::fs::write(out.join(names[0]), &whole[names[0]][..100]).unwrap();
    std::fs::remove_file(out.join(names[1])).unwrap();
    std::fs::write(out.join(names[2]), "changed by its owner").unwrap();
    let run = pstkit(args);
    let second = run.json();
    assert_eq!((run.status, second["items"]["written"].as_u64(), second["items"]["present"].as_u64()), (4, Some(2), Some(2)), "{second}");
    assert_eq!(second["items"]["kept"].as_u64(), Some(1));
    let after = files(&out);
    assert_eq!(after[names[2]], b"changed by its owner");
    for name in [names[0], names[1], names[3], names[4]] {
        assert_eq!(after[name], whole[name], "{name}");
    }
    // Another file's mail must not be mixed in.
    let (_other, other) = crate::support::made(VARIETIES[1]);
    let run = pstkit(["export", other.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    assert!(run.status == 8 && run.err.contains("another file"), "{run:?}");
}

#[test]
fn each_kind_of_item_gets_its_natural_form_and_nothing_is_left_out() {
    let (dir, path) = store(|pst| {
        let folder = pst.add_folder(IPM_SUBTREE, "Everything").unwrap();
        let number = |set, lid| PropertyName::number(set, lid);
        let contact =
            NewMessage::new("IPM.Contact").subject("Ann; Lee").named(Named::text(number(Guid::PSETID_ADDRESS, 0x8083), "ann@example.com"));
        let when = |lid, minutes| Named::new(number(Guid::PSETID_APPOINTMENT, lid), PropType::TIME, time(minutes).0.to_le_bytes());
        let appointment = NewMessage::new("IPM.Appointment")
            .subject("Meeting")
            .named(when(0x820D, 0))
            .named(when(0x820E, 30))
            .attach(NewAttachment::file("agenda.txt", "first"));
        let task = NewMessage::new("IPM.Task").subject("Do it").named(Named::new(
            number(Guid::PSETID_TASK, 0x8101),
            PropType::INTEGER32,
            [2, 0, 0, 0],
        ));
        let note = NewMessage::new("IPM.StickyNote").subject("Note").text("remember\r\nthis");
        for item in [contact, appointment, task, note, NewMessage::note("Mail", "text")] {
            pst.add_message(folder, item).unwrap();
        }
    });
    let out = dir.path().join("out");
    let run = pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--json"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let account = run.json();
    assert_eq!((account["items"]["expected"].as_u64(), account["items"]["written"].as_u64()), (Some(5), Some(5)));
    assert_eq!((account["attachments"]["expected"].as_u64(), account["attachments"]["written"].as_u64()), (Some(1), Some(1)));
    let all = files(&out);
    let (_, card) = one(&all, ".vcf");
    assert!(card.contains("\r\nFN:Ann\\; Lee\r\n") && card.contains(":ann@example.com\r\n"), "{card}");
    let events: Vec<&Vec<u8>> = all.iter().filter(|(n, _)| n.ends_with(".ics")).map(|(_, b)| b).collect();
    let events: Vec<String> = events.iter().map(|b| String::from_utf8(b.to_vec()).unwrap()).collect();
    assert!(events.iter().any(|e| e.contains("DTSTART:20240301T120000Z\r\nDTEND:20240301T123000Z")), "{events:?}");
    assert!(events.iter().any(|e| e.contains("BEGIN:VTODO") && e.contains("STATUS:COMPLETED")), "{events:?}");
    assert_eq!(one(&all, "agenda.txt").1, "first");
    assert!(all.values().any(|bytes| bytes == b"remember\r\nthis"), "{:?}", all.keys());
    assert!(one(&all, ".eml").1.contains("Subject: Mail\r\n"));
}

#[test]
fn a_signed_message_stays_the_entity_that_was_signed() {
    let entity = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=sha-256; boundary=\"b\"\r\n\r\n--b\r\n\
                  Content-Type: text/plain\r\n\r\n  odd   spaces \r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nAAAA\r\n--b--\r\n";
    let (dir, path) = store(|pst| {
        let inbox = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
        let message = NewMessage::new("IPM.Note.SMIME.MultipartSigned")
            .subject("Signed")
            .attach(NewAttachment::file("smime.p7m", entity).mime("multipart/signed"));
        pst.add_message(inbox, message).unwrap();
    });
    let out = dir.path().join("out");
    assert_eq!(pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "eml"]).status, 0);
    let all = files(&out);
    let (_, text) = one(&all, ".eml");
    assert!(text.ends_with(&format!("MIME-Version: 1.0\r\n{entity}")), "{text}");
}

#[test]
fn the_selection_is_by_folder_class_and_day() {
    let (dir, path) = store(|pst| {
        let inbox = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
        let other = pst.add_folder(IPM_SUBTREE, "Other").unwrap();
        pst.add_message(inbox, NewMessage::note("early", "x").sent(time(0)).received(time(0))).unwrap();
        pst.add_message(inbox, NewMessage::note("late", "x").sent(time(3000)).received(time(3000))).unwrap();
        pst.add_message(other, NewMessage::new("IPM.Post").subject("post").sent(time(0))).unwrap();
    });
    let count = |more: &[&str]| {
        let out = tempfile::tempdir_in(dir.path()).unwrap();
        let mut args = vec!["export", path.to_str().unwrap(), "-o", out.path().to_str().unwrap(), "--json"];
        args.extend(more);
        pstkit(args).json()["items"]["expected"].as_u64().unwrap()
    };
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--class", "ipm.note"]), 2);
    assert_eq!(count(&["--since", "2024-03-02"]), 1);
    assert_eq!(count(&["--before", "2024-03-02", "--class", "IPM.Note"]), 1);
    let ls = pstkit(["ls", "--json", path.to_str().unwrap()]).json();
    let folder = ls["folders"].as_array().unwrap().iter().find(|f| f["path"].as_str().unwrap().ends_with("Other")).unwrap();
    assert_eq!(count(&["--folder", folder["path"].as_str().unwrap()]), 1);
}

/// A recurrence ([MS-OXOCAL] 2.2.1.44): Mondays and Wednesdays from 11 March 2024, 10:00 to 11:00, ten times; the 18th deleted, the 27th
/// moved to the 28th at 15:00 with another subject.
fn recurrence() -> Vec<u8> {
    // 11 March 2024 is 154,567 days after 1 January 1601
    let date = |d: u32| (154_556 + d) * 1440;
    let mut b: Vec<u8> = Vec::new();
    let h = |b: &mut Vec<u8>, n: u16| b.extend(n.to_le_bytes());
    let w = |b: &mut Vec<u8>, n: u32| b.extend(n.to_le_bytes());
    for n in [0x3004, 0x3004, 0x200B, 1, 0] {
        h(&mut b, n);
    }
    for n in [0, 1, 0, 0b1010, 0x2022, 10, 1, 2, date(18), date(27), 1, date(28), date(11), date(11) + 31 * 1440] {
        w(&mut b, n);
    }
    for n in [0x3006, 0x3009, 600, 660] {
        w(&mut b, n);
    }
    h(&mut b, 1);
    for n in [date(28) + 900, date(28) + 960, date(27) + 600] {
        w(&mut b, n);
    }
    for n in [1, 6, 5] {
        h(&mut b, n);
    }
    b.extend(b"Moved");
    w(&mut b, 0);
    for n in [4, 0, 0] {
        w(&mut b, n);
    }
    for n in [date(28) + 900, date(28) + 960, date(27) + 600] {
        w(&mut b, n);
    }
    h(&mut b, 5);
    b.extend("Möved".encode_utf16().flat_map(u16::to_le_bytes));
    w(&mut b, 0);
    w(&mut b, 0);
    b
}

/// Central Europe: an hour before UTC, summer time from the last Sunday of March to that of October.
fn zone() -> Vec<u8> {
    let mut b = vec![0u8; 48];
    b[0..4].copy_from_slice(&(-60i32).to_le_bytes());
    b[8..12].copy_from_slice(&(-60i32).to_le_bytes());
    for (at, month, hour) in [(14, 10u8, 3u8), (32, 3, 2)] {
        (b[at + 2], b[at + 6], b[at + 8]) = (month, 5, hour);
    }
    b
}

#[test]
fn a_series_keeps_its_zone_its_gaps_and_its_changes() {
    let named = |lid, kind, bytes: Vec<u8>| Named::new(PropertyName::number(Guid::PSETID_APPOINTMENT, lid), kind, bytes);
    let (dir, path) = store(|pst| {
        let folder = pst.add_folder(IPM_SUBTREE, "Calendar").unwrap();
        let series = NewMessage::new("IPM.Appointment")
            .subject("Series")
            .named(named(0x8216, PropType::BINARY, recurrence()))
            .named(named(0x8233, PropType::BINARY, zone()))
            .named(Named::text(PropertyName::number(Guid::PSETID_APPOINTMENT, 0x8234), "Berlin"));
        pst.add_message(folder, series).unwrap();
    });
    let out = dir.path().join("out");
    let run = pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "ics"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let all = files(&out);
    let (_, text) = one(&all, ".ics");
    for want in [
        "DTSTART;TZID=\"Berlin\":20240311T100000\r\n",
        "DTEND;TZID=\"Berlin\":20240311T110000\r\n",
        "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE;WKST=MO;COUNT=10\r\n",
        "EXDATE;TZID=\"Berlin\":20240318T100000\r\n",
        "RECURRENCE-ID;TZID=\"Berlin\":20240327T100000\r\nDTSTART;TZID=\"Berlin\":20240328T150000\r\n",
        "SUMMARY:Möved\r\n",
        "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n",
    ] {
        assert!(text.contains(want), "no {want:?} in {text}");
    }
    assert_eq!(text.matches("EXDATE").count(), 1);
}

#[test]
fn one_file_of_records_says_what_items_says_of_the_chosen_ones() {
    let (dir, path) = store(|pst| {
        for name in ["Inbox", "Other"] {
            let folder = pst.add_folder(IPM_SUBTREE, name).unwrap();
            for i in 0..20 {
                let message = NewMessage::note(&format!("{name} {i}"), "text").from("Ann", "ann@example.com").sent(time(i));
                let reference = NewAttachment::reference("far.doc", "/far.doc");
                pst.add_message(folder, message.attach(NewAttachment::file("a.bin", vec![7; 3000])).attach(reference)).unwrap();
            }
        }
    });
    let (out, list) = (dir.path().join("mail.jsonl"), dir.path().join("list.jsonl"));
    let args =
        ["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "jsonl", "--manifest", list.to_str().unwrap(), "--json"];
    let run = pstkit(args);
    let told = run.json();
    assert_eq!((run.status, told["items"]["written"].as_u64(), told["attachments"]["written"].as_u64()), (0, Some(40), Some(40)), "{told}");
    assert_eq!((told["attachments"]["elsewhere"].as_u64(), told["to"].as_str()), (Some(40), Some("jsonl")));
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(written, pstkit(["items", "--jsonl", path.to_str().unwrap()]).out);
    let list = std::fs::read_to_string(&list).unwrap();
    assert!(list.lines().count() == 40 && list.lines().all(|l| l.contains("\"file\":\"mail.jsonl\"")), "{list}");

    let again = pstkit(args).json();
    assert_eq!((again["items"]["present"].as_u64(), again["items"]["written"].as_u64()), (Some(40), Some(0)), "{again}");
    std::fs::write(&out, "another file").unwrap();
    assert_eq!(pstkit(args).status, 4);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "another file");
    let folder = pstkit(["export", path.to_str().unwrap(), "-o", dir.path().to_str().unwrap(), "--to", "jsonl"]);
    assert_eq!(folder.status, 16, "{folder:?}");

    let part = dir.path().join("part.jsonl");
    let paths = pstkit(["items", "--jsonl", path.to_str().unwrap()]).out;
    let of = paths.lines().next().and_then(|l| serde_json::from_str::<serde_json::Value>(l).ok()).unwrap();
    let run = pstkit([
        "export",
        path.to_str().unwrap(),
        "-o",
        part.to_str().unwrap(),
        "--to",
        "jsonl",
        "--folder",
        of["folder"].as_str().unwrap(),
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    let chosen = std::fs::read_to_string(&part).unwrap();
    assert!(chosen.lines().count() == 20 && chosen.lines().all(|l| written.contains(l)));
}

/// Runs openssl; `None` where it is not installed.
fn openssl(dir: &Path, args: &[&str]) -> Option<bool> {
    let run = std::process::Command::new("openssl").args(args).current_dir(dir).output().ok()?;
    Some(run.status.success())
}

#[test]
fn openssl_verifies_the_signatures_of_exported_messages() {
    let made = tempfile::tempdir().unwrap();
    let at = made.path();
    let key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Ann", "-keyout", "key", "-out", "cert"];
    if openssl(at, &key) != Some(true) {
        eprintln!("skipped: no openssl");
        return;
    }
    std::fs::write(at.join("text"), "Content-Type: text/plain\r\n\r\n  odd   spaces \r\nFrom here on\r\n").unwrap();
    let sign = ["cms", "-sign", "-in", "text", "-signer", "cert", "-inkey", "key"];
    assert_eq!(openssl(at, &[&sign[..], &["-out", "clear"]].concat()), Some(true));
    assert_eq!(openssl(at, &[&sign[..], &["-nodetach", "-outform", "DER", "-out", "opaque"]].concat()), Some(true));
    // Outlook keeps the entity without the field of the message, with the line ends of mail.
    let clear = std::fs::read_to_string(at.join("clear")).unwrap().replace("\r\n", "\n");
    let clear = clear.trim_start_matches("MIME-Version: 1.0\n").replace('\n', "\r\n");
    let opaque = std::fs::read(at.join("opaque")).unwrap();
    let (dir, path) = store(|pst| {
        let inbox = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
        let signed = |class, subject, data: Vec<u8>, mime| {
            NewMessage::new(class).subject(subject).attach(NewAttachment::file("smime.p7m", data).mime(mime))
        };
        let message = signed("IPM.Note.SMIME.MultipartSigned", "clear", clear.into_bytes(), "multipart/signed");
        pst.add_message(inbox, message).unwrap();
        pst.add_message(inbox, signed("IPM.Note.SMIME", "opaque", opaque, "application/pkcs7-mime")).unwrap();
    });
    let out = dir.path().join("out");
    assert_eq!(pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "eml"]).status, 0);
    let verify = ["cms", "-verify", "-noverify", "-in", "mail", "-out", "content"];
    for (name, bytes) in files(&out) {
        std::fs::write(at.join("mail"), &bytes).unwrap();
        assert_eq!(openssl(at, &verify), Some(true), "{name}");
        let content = std::fs::read_to_string(at.join("content")).unwrap();
        assert!(content.replace("\r\n", "\n").ends_with("  odd   spaces \nFrom here on\n"), "{content}");
        if name.contains("clear") {
            let text = String::from_utf8(bytes).unwrap().replacen("odd   spaces", "odd spaces", 1);
            std::fs::write(at.join("mail"), text).unwrap();
            assert_eq!(openssl(at, &verify), Some(false), "a changed text is not what was signed");
        }
    }
}

#[test]
fn meeting_requests_cancellations_and_answers_have_their_calendar() {
    let (dir, path) = store(|pst| {
        let inbox = pst.add_folder(IPM_SUBTREE, "Inbox").unwrap();
        for (class, subject) in [
            ("IPM.Schedule.Meeting.Request", "plan"),
            ("IPM.Schedule.Meeting.Canceled", "off"),
            ("IPM.Schedule.Meeting.Resp.Neg", "no"),
            ("IPM.Schedule.Meeting.Request", "timeless"),
            ("IPM.Note", "mail"),
        ] {
            let when = |lid, minutes| {
                Named::new(PropertyName::number(Guid::PSETID_APPOINTMENT, lid), PropType::TIME, time(minutes).0.to_le_bytes())
            };
            let mut message = NewMessage::new(class).subject(subject).text("Come\r\nall").from("Ann", "ann@example.com");
            message = message.to("Bob", "bob@example.com").attach(NewAttachment::file("agenda.txt", "first"));
            if subject != "timeless" {
                message = message.named(when(0x820D, 0)).named(when(0x820E, 30));
            }
            pst.add_message(inbox, message).unwrap();
        }
    });
    let out = dir.path().join("out");
    assert_eq!(pstkit(["export", path.to_str().unwrap(), "-o", out.to_str().unwrap(), "--to", "eml"]).status, 0);
    let all = files(&out);
    let of = |subject: &str| {
        let (_, bytes) = all.iter().find(|(name, _)| name.contains(&format!("{subject} ["))).unwrap();
        String::from_utf8(bytes.clone()).unwrap().replace("\r\n ", "")
    };
    for (subject, method, lines) in [
        (
            "plan",
            "REQUEST",
            vec![
                "ORGANIZER;CN=\"Ann\":mailto:ann@example.com",
                "ATTENDEE;CN=\"Bob\";ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION:mailto:bob@example.com",
            ],
        ),
        ("off", "CANCEL", vec!["STATUS:CANCELLED", "ORGANIZER;CN=\"Ann\":mailto:ann@example.com"]),
        (
            "no",
            "REPLY",
            vec![
                "ORGANIZER;CN=\"Bob\":mailto:bob@example.com",
                "ATTENDEE;CN=\"Ann\";ROLE=REQ-PARTICIPANT;PARTSTAT=DECLINED:mailto:ann@example.com",
            ],
        ),
    ] {
        let text = of(subject);
        assert!(text.contains(&format!("Content-Type: text/calendar; charset=utf-8; method={method}\r\n")), "{text}");
        assert!(text.contains(&format!("METHOD:{method}\r\n")) && text.contains("DTSTART:") && !text.contains("VALARM"), "{text}");
        for line in lines {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line} is not in {text}");
        }
        let order: Vec<_> = ["text/plain", "text/calendar", "agenda.txt"].iter().map(|w| text.find(w).unwrap()).collect();
        assert!(order.is_sorted(), "{text}");
    }
    assert!(!of("timeless").contains("text/calendar") && !of("mail").contains("text/calendar"));
}
