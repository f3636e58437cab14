//! Heap-on-node blocks and B-tree-on-heap heads.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::{Finding, Location};
use pstkit::format::heap::{BthHeader, HnHeader, PageMap};

fuzz_target!(|data: &[u8]| {
    let Some((layout, rest)) = pstkit_fuzz::layout_and_rest(data) else { return };
    let Some((index, block)) = rest.split_first() else { return };
    let mut found: Vec<Finding> = Vec::new();
    let _ = HnHeader::decode(layout, block, Location::NONE, &mut found);
    let _ = BthHeader::decode(block, Location::NONE, &mut found);
    for map in [
        PageMap::decode(layout, u32::from(*index), block, true, Location::NONE, &mut found).unwrap(),
        PageMap::recover(layout, u32::from(*index), block),
    ]
    .into_iter()
    .flatten()
    {
        for item in 0..u32::try_from(block.len()).unwrap_or(u32::MAX).min(4096) {
            let _ = map.item(block, item);
        }
    }
    pstkit_fuzz::bounded(&found, block.len());
});
