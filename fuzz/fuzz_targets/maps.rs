//! Map pages and the density list.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::format::header::probe_layout;
use pstkit::format::ids::Bid;
use pstkit::format::maps::{DList, bitmap};
use pstkit::format::page::PageTrailer;
use pstkit::ndb::space::SpaceMap;

fuzz_target!(|data: &[u8]| {
    let Some((layout, rest)) = pstkit_fuzz::layout_and_rest(data) else { return };
    let _ = bitmap(layout, rest);
    let _ = probe_layout(rest, 0x4400);
    let _ = PageTrailer::decode(layout, rest);
    let list = DList::decode(layout, rest);
    let page = list.encode(layout, Bid(5)).unwrap();
    assert_eq!(DList::decode(layout, &page), list);
    let mut map = SpaceMap::new(layout, layout.amap_at(3));
    let total = map.free_bytes();
    for piece in rest.chunks_exact(5) {
        let ib = u64::from(u32::from_le_bytes([piece[0], piece[1], piece[2], 0])) * 64;
        let size = u64::from(piece[3]) * 64;
        match piece[4] & 1 {
            0 => {
                let was = map.any(ib, size);
                assert_eq!(map.mark(ib, size), was);
            }
            _ => _ = map.any(ib, size),
        }
    }
    assert!(map.free_bytes() <= total);
});
