//! Any one object of the store, or table of a folder, may be lost: a repair makes it again, and nothing is left to say.

use crate::support::repaired;
use pstkit::check::{CheckOptions, check};
use pstkit::format::crc::crc;
use pstkit::format::ids::{Nid, NidType};
use pstkit::rules::Severity;
use pstkit::testkit::{VARIETIES, small};
use pstkit::{Pst, format::layout::Variant};
use std::path::Path;
use std::sync::Arc;

fn word(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().unwrap())
}

/// The entry of a node is gone from its leaf, with the checksum of the page put right: of Unicode files with pages of 512 bytes.
fn without(file: &[u8], nid: Nid) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let mut at = usize::try_from(word(&bytes, 0xE0)).unwrap();
    loop {
        let (count, level) = (usize::from(bytes[at + 488]), bytes[at + 491]);
        let stride = if level == 0 { 32 } else { 24 };
        let key = |i: usize| word(&bytes, at + i * stride);
        let i = (0..count).rev().find(|i| key(*i) <= u64::from(nid.0)).unwrap();
        if level > 0 {
            at = usize::try_from(word(&bytes, at + i * stride + 16)).unwrap();
            continue;
        }
        assert_eq!(key(i), u64::from(nid.0));
        let (from, end) = (at + i * stride, at + count * stride);
        bytes.copy_within(from + stride..end, from);
        bytes[end - stride..end].fill(0);
        bytes[at + 488] -= 1;
        let sum = crc(&bytes[at..at + 496]);
        bytes[at + 500..at + 504].copy_from_slice(&sum.to_le_bytes());
        return bytes;
    }
}

/// Codes and places of what a check says, facts apart.
fn said(bytes: &[u8]) -> Vec<String> {
    let report = check(Arc::new(bytes.to_vec()), &CheckOptions::default(), &()).unwrap();
    let told = report.findings.iter().filter(|f| f.severity > Severity::Info);
    told.map(|f| format!("{} {} {}", f.rule.code, f.severity, f.at)).collect()
}

fn is_object(nid: Nid) -> bool {
    use NidType as T;
    let tables = [T::HIERARCHY_TABLE, T::CONTENTS_TABLE, T::ASSOC_CONTENTS_TABLE, T::SEARCH_CONTENTS_TABLE];
    let objects = [
        0x21, 0x61, 0x1E1, 0x201, 0x261, 0x60D, 0x60E, 0x60F, 0x610, 0x62B, 0x64C, 0x671, 0x692, 0xC01, 0xE01, 0xE41, 0xEC1, 0xEE1, 0xF01,
        0xF21,
    ];
    tables.contains(&nid.nid_type()) || objects.contains(&nid.0)
}

fn each_lost_object_is_made_again(what: &str, file: &[u8], wanted: Option<&[Nid]>) -> usize {
    let pst = Pst::from_bytes(file.to_vec()).unwrap();
    let before = said(file);
    let mut tried = 0;
    for node in pst.ndb().index().nodes().iter().filter(|n| wanted.map_or(is_object(n.nid), |w| w.contains(&n.nid))) {
        let (result, _) = repaired(&without(file, node.nid));
        let now = said(&result);
        let news: Vec<_> = now.iter().filter(|n| !before.contains(n)).collect();
        assert!(news.is_empty(), "{what} without {}: {news:?}", node.nid);
        tried += 1;
    }
    tried
}

#[test]
fn of_made_stores() {
    let variety = VARIETIES.into_iter().find(|v| v.variant == Variant::Unicode).unwrap();
    assert!(each_lost_object_is_made_again("made", &small(variety, 7).unwrap(), None) > 30);
}

/// The search for junk mail has lost its results, in a file of Outlook 2007: the reference count of the template, whose block they share, says
/// that they were there. And the outgoing queue of an OST is made again.
#[test]
fn of_files_of_outlook() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    for (name, wanted) in [
        ("rjohnsondev__java-libpst/dist-list.pst", None),
        ("aspose-email__Aspose.Email-for-.NET/SampleOstFile.ost", Some([Nid(0x2230), Nid(0x64C)].as_slice())),
    ] {
        let Ok(file) = std::fs::read(corpus.join(name)) else {
            println!("skipped: ../shared is not here");
            return;
        };
        let tried = each_lost_object_is_made_again(name, &file, wanted);
        assert!(tried >= wanted.map_or(30, <[Nid]>::len), "{name}: {tried}");
    }
}
