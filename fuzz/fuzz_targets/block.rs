//! Blocks: trailer, XBLOCK, XXBLOCK, SLBLOCK, SIBLOCK, encodings, inflating.
#![no_main]
use libfuzzer_sys::fuzz_target;
use pstkit::finding::{Finding, Location};
use pstkit::format::block::{BlockFacts, SubnodeBlock, XBlock, deflate, encode_block, inflate, verify_block};
use pstkit::format::crypt::CryptMethod;
use pstkit::format::ids::{Bid, Ib};

fuzz_target!(|data: &[u8]| {
    let Some((layout, rest)) = pstkit_fuzz::layout_and_rest(data) else { return };
    let mut found: Vec<Finding> = Vec::new();
    if let Ok(Some(x)) = XBlock::decode(layout, rest, Location::NONE, &mut found) {
        assert!(x.children.len() * layout.id_width <= rest.len());
        assert_eq!(XBlock::decode(layout, &x.encode(layout).unwrap(), Location::NONE, &mut Vec::new()).unwrap(), Some(x));
    }
    if let Ok(Some(s)) = SubnodeBlock::decode(layout, rest, Location::NONE, &mut found) {
        assert_eq!(SubnodeBlock::decode(layout, &s.encode(layout).unwrap(), Location::NONE, &mut Vec::new()).unwrap(), Some(s));
    }
    let cb = u16::try_from(rest.len()).unwrap_or(u16::MAX);
    let known = BlockFacts { bid: Bid(0x24), ib: Ib(0x9000), cb, cb_inflated: cb };
    let _ = verify_block(layout, rest, &known, &mut found);
    pstkit_fuzz::bounded(&found, rest.len());
    for method in [CryptMethod::Permute, CryptMethod::Cyclic] {
        let mut text = rest.to_vec();
        method.encode(&mut text, Bid(0x24));
        method.decode(&mut text, Bid(0x24));
        assert_eq!(text, rest);
    }
    let (out, _) = inflate(rest, layout.block_data_max());
    assert!(out.len() <= layout.block_data_max());
    if rest.len() <= layout.block_data_max() && !rest.is_empty() {
        if let Some(small) = deflate(layout, rest) {
            assert_eq!(inflate(&small, rest.len()), (rest.to_vec(), true));
        }
        let mut whole = Vec::new();
        encode_block(layout, rest, cb, known.ib, known.bid, &mut whole).unwrap();
        assert!(verify_block(layout, &whole, &known, &mut pstkit::finding::Strict).unwrap());
    }
});
