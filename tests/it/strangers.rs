//! Bytes of other mailboxes in a file, and pieces of the file's own that moved: what is whose is told by places, ids and sizes alone.

use crate::support::mutate::{Base, Kind, Region};
use crate::support::{items, repaired, varieties};
use pstkit::io::{MemoryStorage, ReadAt, Storage};
use pstkit::recover::stores::find_stores;
use pstkit::repair::RescueOptions;
use pstkit::repair::{Rescued, rescue};
use pstkit::testkit::{Rng, Variety, small};
use std::sync::Arc;

/// What `recover` makes of a file.
fn rescued(bytes: &[u8]) -> (Vec<(String, String)>, Rescued) {
    let source: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
    let memory = Arc::new(MemoryStorage::default());
    let target: Arc<dyn Storage> = memory.clone();
    let rescued = rescue(&source, &target, &RescueOptions::default(), &()).unwrap();
    (items(&memory.to_bytes()), rescued)
}

/// Mailboxes with other mail under ids that are the same: the writer gives both the same ids.
fn pair(variety: Variety) -> (Vec<u8>, Vec<u8>) {
    (small(variety, 5).unwrap(), small(variety, 6).unwrap())
}

#[test]
fn another_mailbox_behind_the_end_changes_no_message_and_is_named() {
    for variety in varieties() {
        let (own, other) = pair(variety);
        let ours = items(&own);
        let junk = Rng::new(3).bytes(10_007);
        for (between, from) in [(0, 0x8000), (512, 0x8000), (10_007, 0x8200), (4096, 0x10)] {
            let mixed = [own.as_slice(), &junk[..between], &other[from..]].concat();
            let (found, rescued) = rescued(&mixed);
            assert_eq!(found, ours, "{} {between} {from:#x}", variety.name());
            // what is left of the other one is named, and the exit status is not 0
            assert!(rescued.foreign.iter().any(|f| f.offset >= own.len() as u64), "{} {between} {from:#x}", variety.name());
            assert!(rescued.account.has_loss(), "{}", variety.name());
        }
        // a healthy file holds nothing of another
        assert_eq!(rescued(&own).1.foreign, [], "{}", variety.name());
    }
}

#[test]
fn what_is_left_of_another_mailbox_comes_out_by_its_offset() {
    for variety in varieties() {
        let (own, other) = pair(variety);
        let mixed = [own.as_slice(), &[0x77; 1000], &other[0x8000..]].concat();
        let (_, rescued_own) = rescued(&mixed);
        let at = rescued_own.foreign.first().unwrap().offset as usize;
        let (found, _) = rescued(&mixed[at..]);
        let theirs: Vec<String> = items(&other).into_iter().map(|i| i.1).collect();
        let back = found.iter().filter(|i| theirs.contains(&i.1)).count();
        assert!(back * 2 > theirs.len(), "{}: {back} of {}", variety.name(), theirs.len());
    }
}

#[test]
fn a_block_that_a_border_cuts_is_whole_again_where_its_checksum_proves_the_border() {
    for variety in varieties() {
        let base = Base::new(small(variety, 8).unwrap());
        let ours = items(&base.bytes);
        let mut blocks: Vec<&Region> = base.regions.iter().filter(|r| matches!(r.kind, Kind::Block { .. }) && r.len > 4096).collect();
        blocks.sort_by_key(|r| std::cmp::Reverse(r.len));
        let mut tried = 0;
        for r in blocks.into_iter().take(4) {
            // clusters of something else stand inside the block
            let cut = (r.start / 512 + 1) * 512;
            let put_in = [&base.bytes[..cut], &Rng::new(9).bytes(7 * 4096), &base.bytes[cut..]].concat();
            let (out, outcome) = repaired(&put_in);
            assert_eq!(items(&out), ours, "{} {:#x}", variety.name(), r.start);
            assert!(!outcome.account.has_loss(), "{} {:#x}", variety.name(), r.start);
            tried += 1;
        }
        assert!(tried > 0, "{}", variety.name());
    }
}

#[test]
fn stripes_that_were_exchanged_go_back_with_every_block_on_their_borders() {
    for variety in varieties() {
        let own = small(variety, 9).unwrap();
        let ours = items(&own);
        let stripe = if variety.variant == pstkit::format::layout::Variant::Unicode4k { 0x20000 } else { 0x8000 };
        let mut stripes: Vec<&[u8]> = own.chunks(stripe).collect();
        let mut n = 1;
        while n + 2 < stripes.len() {
            stripes.swap(n, n + 1);
            n += 3;
        }
        assert!(n > 1, "{}", variety.name());
        let (out, _) = repaired(&stripes.concat());
        assert_eq!(items(&out), ours, "{}", variety.name());
    }
}

#[test]
fn each_store_of_an_image_is_read_through_its_window() {
    for variety in varieties() {
        let (first, second) = pair(variety);
        let junk = Rng::new(4).bytes(5000);
        let image: Arc<dyn ReadAt> = Arc::new([&junk[..512], &first, &junk, &second].concat());
        let stores = find_stores(&image, &()).unwrap();
        let read = |n: usize| {
            let window = stores[n].window(&image);
            let mut bytes = vec![0; window.len() as usize];
            window.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert_eq!(stores.len(), 2, "{}", variety.name());
        assert!(read(0) == first && read(1) == second, "{}", variety.name());
        assert!(stores.iter().all(|s| s.variant == variety.variant && s.whole));
    }
}
