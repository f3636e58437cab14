//! A random store is read as it was written.

use crate::write::report;
use proptest::prelude::*;
use pstkit::check::Verdict;
use pstkit::format::types::Guid;
use pstkit::io::MemoryStorage;
use pstkit::ltp::PropertyName;
use pstkit::messaging::RecipientType;
use pstkit::messaging::{Message as Read, OpenOptions};
use pstkit::testkit::VARIETIES;
use pstkit::write::{IPM_SUBTREE, Named, NewAttachment, NewMessage, PstWriter};
use pstkit::{Nid, Pst};
use std::io::Read as _;
use std::sync::Arc;

#[derive(Debug, Clone)]
struct Mail {
    folder: usize,
    associated: bool,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    recipients: Vec<(u8, String)>,
    files: Vec<(String, Vec<u8>)>,
    colour: Option<String>,
    read: bool,
    inner: Option<Box<Mail>>,
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äöüé ]{0,40}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    (0usize..30_000, any::<u8>()).prop_map(|(n, b)| (0..n).map(|i| b.wrapping_add((i / 7) as u8)).collect())
}

fn mail() -> impl Strategy<Value = Mail> {
    let one = || {
        (
            (0usize..5, any::<bool>(), word(), proptest::option::of("[ -~äöü\r\n]{0,3000}"), proptest::option::of("[ -~]{1,200}")),
            proptest::collection::vec((1u8..4, "[a-zA-Z]{1,30}"), 0..40),
            proptest::collection::vec(("[a-z]{1,12}\\.[a-z]{3}", bytes()), 0..4),
            proptest::option::of("[a-z]{1,20}"),
            any::<bool>(),
        )
            .prop_map(|((folder, associated, subject, text, html), recipients, files, colour, read)| Mail {
                folder,
                associated,
                subject,
                text,
                html,
                recipients,
                files,
                colour,
                read,
                inner: None,
            })
    };
    (one(), proptest::option::of((one(), proptest::option::of(one())))).prop_map(|(mut outer, inner)| {
        outer.inner = inner.map(|(mut middle, last)| {
            middle.inner = last.map(Box::new);
            Box::new(middle)
        });
        outer
    })
}

fn colour() -> PropertyName {
    PropertyName::name(Guid::PS_PUBLIC_STRINGS, "Colour")
}

fn build(mail: &Mail) -> NewMessage {
    let mut m = NewMessage::new("IPM.Note").subject(&mail.subject).read(mail.read);
    if let Some(text) = &mail.text {
        m = m.text(text);
    }
    if let Some(html) = &mail.html {
        m = m.html(html);
    }
    for (kind, name) in &mail.recipients {
        let kind = [RecipientType::To, RecipientType::Cc, RecipientType::Bcc][usize::from(kind - 1)];
        m = m.recipient(kind, name, &format!("{name}@example.com"));
    }
    for (name, bytes) in &mail.files {
        m = m.attach(NewAttachment::file(name, bytes.clone()));
    }
    if let Some(c) = &mail.colour {
        m = m.named(Named::text(colour(), c));
    }
    match &mail.inner {
        Some(inner) => m.attach(NewAttachment::message("inner", build(inner))),
        None => m,
    }
}

fn compare(want: &Mail, got: &Read<'_>) {
    assert_eq!(got.subject().unwrap().unwrap_or_default(), want.subject);
    assert_eq!(got.text().unwrap(), want.text);
    assert_eq!(got.html().unwrap(), want.html.as_ref().map(|h| h.clone().into_bytes()));
    let recipients = got.recipients().unwrap();
    assert_eq!(recipients.len(), want.recipients.len());
    for (r, (_, name)) in recipients.iter().zip(&want.recipients) {
        assert_eq!(r.name.as_ref(), Some(name));
    }
    let attachments = got.attachments().unwrap();
    assert_eq!(attachments.len(), want.files.len() + usize::from(want.inner.is_some()));
    for (a, (name, bytes)) in attachments.iter().zip(&want.files) {
        assert_eq!(a.name().unwrap().as_ref(), Some(name));
        let mut data = Vec::new();
        a.data().unwrap().unwrap().read_to_end(&mut data).unwrap();
        assert!(data == *bytes);
    }
    if let Some(inner) = &want.inner {
        compare(inner, &attachments.last().unwrap().embedded().unwrap().unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_store_is_read_as_it_was_written(v in 0usize..VARIETIES.len(), seed: u64, mails in proptest::collection::vec(mail(), 0..12)) {
        let memory = MemoryStorage::default();
        let mut pst = PstWriter::create(&memory, VARIETIES[v].options(seed)).unwrap();
        let mut folders = vec![pst.add_folder(IPM_SUBTREE, "0").unwrap()];
        for i in 1..5 {
            let parent = folders[i / 2];
            folders.push(pst.add_folder(parent, &i.to_string()).unwrap());
        }
        let mut nids: Vec<Nid> = Vec::new();
        for m in &mails {
            let folder = folders[m.folder];
            nids.push(if m.associated { pst.add_associated(folder, build(m)) } else { pst.add_message(folder, build(m)) }.unwrap());
        }
        pst.finish().unwrap();
        let bytes = memory.into_bytes();
        let checked = report(bytes.clone());
        prop_assert_eq!(checked.verdict, Verdict::Clean, "{:?}", checked.findings.first().map(ToString::to_string));
        let back = Pst::from_source(Arc::new(bytes), &OpenOptions::new().strict(true)).unwrap();
        prop_assert_eq!(back.messages().count(), mails.len());
        for (nid, want) in nids.iter().zip(&mails) {
            let got = back.message(*nid).unwrap();
            prop_assert_eq!((got.parent(), got.is_associated()), (folders[want.folder], want.associated));
            compare(want, &got);
        }
        for folder in back.folders() {
            let messages = folder.counts().messages;
            prop_assert_eq!(folder.stated_count().unwrap(), Some(messages as i32));
        }
    }
}
