//! The front door: `Pst::open` is never an empty store where the file is not empty.

use pstkit::error::{Error, ErrorKind};
use pstkit::format::header::Header;
use pstkit::messaging::State;
use pstkit::monitor::{Monitor, Phase};
use pstkit::testkit::{VARIETIES, small};
use pstkit::{OpenOptions, Pst};
use std::io::Read;
use std::sync::Arc;

/// Names of folders and subjects of messages.
fn seen(pst: &Pst) -> (usize, Vec<String>) {
    let mut subjects: Vec<String> = pst.messages().map(|m| m.subject().unwrap().unwrap_or_default()).collect();
    subjects.sort();
    (pst.folders().count(), subjects)
}

/// Damages that hide everything from whoever goes by header and trees.
fn damages(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let header = Header::decode(bytes, &mut Vec::new()).unwrap();
    let wiped = |at: usize, len: usize| {
        let mut b = bytes.to_vec();
        b[at..at + len].fill(0);
        b
    };
    let page = header.layout.page_size;
    vec![
        ("the header is zeroed", wiped(0, 512)),
        ("the root page of the node tree is gone", wiped(header.root.nbt.ib.0 as usize, page)),
        ("the root page of the block tree is gone", wiped(header.root.bbt.ib.0 as usize, page)),
    ]
}

#[test]
fn opening_a_file_without_header_or_trees_brings_what_is_in_it() {
    for variety in [VARIETIES[0], VARIETIES[3], VARIETIES[6]] {
        let bytes = small(variety, 3).unwrap();
        let whole = Pst::from_bytes(bytes.clone()).unwrap();
        assert!(!whole.is_salvaged() && whole.problems().is_empty());
        let want = seen(&whole);
        assert!(want.1.len() > 3);
        for (what, bytes) in damages(&bytes) {
            let pst = Pst::from_bytes(bytes).unwrap();
            assert!(pst.is_salvaged() && !pst.problems().is_empty(), "{} {what}", variety.name());
            let (folders, subjects) = seen(&pst);
            assert_eq!(subjects, want.1, "{} {what}", variety.name());
            assert!(folders >= want.0 / 2, "{} {what}: {folders} folders", variety.name());
        }
    }
}

#[test]
fn without_salvage_and_in_strict_reading_a_broken_file_is_an_error_and_never_an_empty_store() {
    let bytes = small(VARIETIES[0], 3).unwrap();
    for (what, bytes) in damages(&bytes) {
        let source: Arc<dyn pstkit::io::ReadAt> = Arc::new(bytes);
        let open = |options: OpenOptions| Pst::from_source(Arc::clone(&source), &options).map(|_| ()).unwrap_err();
        let error: Error = open(OpenOptions::new().salvage(false));
        let names_the_way = matches!(error.kind(), ErrorKind::NeedsSalvage(way) if way.contains("salvage"));
        assert!(names_the_way, "{what}: {error}");
        assert!(!matches!(open(OpenOptions::new().strict(true)).kind(), ErrorKind::NeedsSalvage(_)), "{what}");
    }
}

/// Asks to stop at once.
#[derive(Debug)]
struct Stop;

impl Monitor for Stop {
    fn phase(&self, _: Phase, _: Option<u64>) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_salvage_can_be_cancelled_and_a_sound_file_needs_none() {
    let bytes = small(VARIETIES[0], 3).unwrap();
    let open = |bytes: Vec<u8>| Pst::from_source_with(Arc::new(bytes), &OpenOptions::new(), &Stop);
    assert!(open(bytes.clone()).is_ok());
    for (what, bytes) in damages(&bytes) {
        assert!(open(bytes).unwrap_err().is_cancelled(), "{what}");
    }
}

/// The first attachment of more than one block, and the place of the middle of its data in the file.
pub fn large_attachment(pst: &Pst) -> (pstkit::Nid, usize, usize) {
    for m in pst.messages() {
        for (i, a) in m.attachments().unwrap().iter().enumerate() {
            let Some(root) = a.data().unwrap().filter(|d| d.len() > 20_000).and_then(|d| d.root()) else { continue };
            let tree = pst.ndb().data_tree(root, pstkit::finding::Location::NONE, &mut pstkit::finding::Ignore).unwrap();
            let leaf = tree.leaf_info(1).unwrap();
            return (m.nid(), i, pst.ndb().find_block(leaf.bid).unwrap().ib.0 as usize + 100);
        }
    }
    panic!("no large attachment");
}

#[test]
fn a_copy_of_a_damaged_attachment_ends_with_an_error_and_its_state_says_so() {
    let mut bytes = small(VARIETIES[0], 3).unwrap();
    let (nid, i, at) = large_attachment(&Pst::from_bytes(bytes.clone()).unwrap());
    let copied = |bytes: &[u8]| {
        let pst = Pst::from_bytes(bytes.to_vec()).unwrap();
        let message = pst.message(nid).unwrap();
        let attachment = &message.attachments().unwrap()[i];
        assert_eq!(attachment.state(), State::NotVerified, "its data was not read yet");
        let mut out = Vec::new();
        let result = std::io::copy(&mut attachment.data().unwrap().unwrap(), &mut out);
        (result.map_err(|e| e.to_string()), attachment.state(), out)
    };
    let (result, state, whole) = copied(&bytes);
    assert_eq!((result, state), (Ok(whole.len() as u64), State::Ok));
    bytes[at] ^= 0x10;
    let (result, state, bad) = copied(&bytes);
    let said = result.unwrap_err();
    assert!(said.contains("damaged"), "{said}");
    assert_eq!((state, bad.len()), (State::Partial, whole.len()), "what is there is given all the same");
    // who asks for what is left says so
    let pst = Pst::from_bytes(bytes).unwrap();
    let message = pst.message(nid).unwrap();
    let attachment = &message.attachments().unwrap()[i];
    let mut left = Vec::new();
    attachment.data().unwrap().unwrap().lossy().read_to_end(&mut left).unwrap();
    assert_eq!((left, attachment.state()), (bad, State::Partial));
}
