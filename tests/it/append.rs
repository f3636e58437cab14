//! Adding to a file: everything that stays is reached through new trees behind the old end.

use crate::corpus;
use pstkit::export::items::Items;
use pstkit::format::ids::{Bid, Nid};
use pstkit::io::{MemoryStorage, ReadAt};
use pstkit::messaging::Pst;
use pstkit::write::NdbWriter;

#[test]
fn a_file_that_is_added_to_keeps_all_that_it_had() {
    let mut sounds = 0;
    for f in corpus::files().iter().filter(|f| f.is_whole()) {
        let pst = Pst::open(&f.path).unwrap();
        let before: Vec<_> = Items::new(&pst).map(Result::unwrap).collect();
        let storage = MemoryStorage::new(std::fs::read(&f.path).unwrap());
        let index = pst.ndb().index();
        let mut writer = NdbWriter::append(&storage, pst.header().clone(), pst.ndb().crypt(), index).unwrap();
        writer.keep_nodes(pst.ndb(), &|_| true, pstkit::finding::Strict, &()).unwrap();
        let data = writer.write_block(b"new").unwrap();
        writer.add_node(Nid(0x1FFF_FFE1), data, Bid::NONE, Nid::NONE).unwrap();
        writer.finish().unwrap();
        assert!(storage.len() > pst.ndb().len());

        let after = Pst::from_bytes(storage.into_bytes()).unwrap();
        let mut problems = Vec::new();
        let index_after = after.ndb().load_index(&mut problems).unwrap();
        assert!(problems.is_empty(), "{}: {}", f.file, problems[0]);
        assert_eq!(index_after.nodes().len(), index.nodes().len() + 1);
        // of each tree the last leaf is another, and what leads to it
        let leaves = || index.facts.pages.iter().filter(|p| p.level == 0);
        let stayed = leaves().filter(|p| index_after.facts.pages.contains(p)).count();
        let sound = index.blocks().iter().all(|b| b.refs > 1) && f.writer == "outlook";
        assert!(!sound || stayed + 2 >= leaves().count(), "{}: {stayed} of {} leaves stay", f.file, leaves().count());
        sounds += usize::from(sound);
        // an unreferenced tree block holds references too; it is given up, and they with it
        let orphans = index.blocks().iter().any(|b| b.refs <= 1 && b.bid.is_internal());
        for b in index.blocks().iter().filter(|b| b.refs > 1) {
            let Some(now) = index_after.block(b.bid) else {
                assert!(orphans, "{} {}", f.file, b.bid);
                continue;
            };
            assert_eq!(now.ib, b.ib, "{} {}", f.file, b.bid);
            assert!(now.refs == b.refs || orphans && now.refs < b.refs, "{} {}", f.file, b.bid);
        }
        assert!(Items::new(&after).map(Result::unwrap).eq(before), "{}", f.file);
        assert_eq!(after.ndb().index().node(Nid(0x1FFF_FFE1)).map(|n| n.data), Some(data));
    }
    assert!(sounds > 0 || corpus::files().is_empty());
}
