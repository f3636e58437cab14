//! B-tree pages of both trees.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::Finding;
use pstkit::format::ids::{Bid, Ib};
use pstkit::format::page::{BbtEntry, BtPage, NbtEntry, PageTrailer, PageType};

fuzz_target!(|data: &[u8]| {
    let Some((layout, rest)) = pstkit_fuzz::layout_and_rest(data) else { return };
    let mut page = vec![0; layout.page_size];
    let n = rest.len().min(layout.page_body());
    page[..n].copy_from_slice(&rest[..n]);
    for page_type in [PageType::NBT, PageType::BBT] {
        for sealed in [false, true] {
            if sealed {
                PageTrailer::seal(layout, &mut page, page_type, Ib(0x9000), Bid(0x20)).unwrap();
            }
            let mut found: Vec<Finding> = Vec::new();
            if let Ok(Some(p)) = BtPage::decode(layout, &page, Ib(0x9000), page_type, &mut found) {
                let entries = if p.level > 0 {
                    p.children().count()
                } else if page_type == PageType::NBT {
                    p.leaf::<NbtEntry>().count()
                } else {
                    p.leaf::<BbtEntry>().count()
                };
                assert_eq!(entries, p.count);
            }
            pstkit_fuzz::bounded(&found, page.len());
        }
    }
    // and pages of any length
    let _ = BtPage::decode(layout, rest, Ib(0x9000), PageType::NBT, &mut Vec::<Finding>::new());
});
