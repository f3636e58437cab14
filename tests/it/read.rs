//! Reading real files down to the last attachment, strictly and tolerantly, and files that are none.

use crate::corpus;
use crate::support::walk;
use pstkit::error::ErrorKind;
use pstkit::export::items::Items;
use pstkit::messaging::{OpenOptions, Pst, State};

#[test]
fn every_real_file_is_read_to_the_last_attachment() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let pst = Pst::open(&f.path).unwrap();
        let seen = walk::everything(&pst);
        assert_eq!(seen.messages as usize, f.messages.unwrap(), "{}", f.file);
        assert_eq!(seen.associated as usize, f.associated.unwrap(), "{}", f.file);
        assert_eq!(seen.folders as usize, f.folders.unwrap() + f.search_folders.unwrap(), "{}", f.file);
        if f.writer == "outlook" {
            assert_eq!(seen.not_ok, 0, "{}", f.file);
        }
    }
}

#[test]
fn strict_reading_agrees_with_tolerant_reading_on_files_of_outlook() {
    for f in corpus::files().iter().filter(|f| f.is_whole() && f.writer == "outlook") {
        let tolerant = walk::everything(&Pst::open(&f.path).unwrap());
        let strict = Pst::open_with(&f.path, &OpenOptions::new().strict(true).map(false), &()).unwrap();
        assert_eq!(walk::everything(&strict), tolerant, "{}", f.file);
    }
}

#[test]
fn items_of_real_files_are_whole_and_the_same_through_map_and_memory() {
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let mapped = Pst::open(&f.path).unwrap();
        let items: Vec<_> = Items::new(&mapped).collect::<Result<_, _>>().unwrap();
        assert_eq!(items.len(), f.messages.unwrap() + f.associated.unwrap(), "{}", f.file);
        let memory = Pst::from_bytes(std::fs::read(&f.path).unwrap()).unwrap();
        assert!(Items::new(&memory).map(Result::unwrap).eq(items.iter().cloned()), "{}", f.file);
        if f.writer == "outlook" {
            for i in &items {
                assert_eq!(i.state, State::Ok, "{} {:#x}: {:?}", f.file, i.nid, i.problems);
                assert!(i.class.is_some(), "{} {:#x}", f.file, i.nid);
            }
        }
    }
}

#[test]
fn files_that_are_no_data_files_are_named() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"x", "too short"),
        (b"PK\x03\x04 and more", "ZIP"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and more", ".msg"),
        (&[b'a'; 1000], "text"),
        (&[0; 1000], "zero"),
    ] {
        let error = Pst::from_bytes(bytes.to_vec()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotPst(what) if what.contains(word)), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(Pst::open(dir.path()).unwrap_err().to_string().contains("directory"));
}

#[test]
fn a_file_cut_at_any_page_is_read_as_far_as_it_goes() {
    let Some(f) = corpus::files().into_iter().find(|f| f.file.ends_with("Empty.pst")) else { return };
    let bytes = std::fs::read(&f.path).unwrap();
    for len in (0..bytes.len()).step_by(512).flat_map(|n| [n.saturating_sub(1), n, n + 1]) {
        if let Ok(pst) = Pst::from_bytes(bytes[..len].to_vec()) {
            let seen = walk::everything(&pst);
            assert!(seen.folders <= 6, "{len}");
        } else {
            // where nothing but header and maps is left, a search finds nothing
            assert!(len < 0x6000, "{len}");
        }
    }
}
