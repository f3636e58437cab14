//! The distinct bytes of a file, however often they are named: budgets go by that.

use super::Ndb;

/// How many blocks a file has and how many bytes they come to, each counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Content {
    /// Blocks that lie in a place of their own.
    pub blocks: u64,
    /// Bytes of the places that blocks lie in, inflated where they are compressed.
    pub bytes: u64,
}

impl Ndb {
    /// The distinct bytes of the file. Entries that name one place, or places that overlap, count for the bytes that lie there and no more, so that no
    /// number of entries raises a budget.
    pub fn content(&self) -> Content {
        let layout = self.layout();
        let entries = self.index().blocks().iter().filter(|b| b.ib.0 < self.len());
        let mut places: Vec<(u64, u64, u64)> = entries
            .map(|b| {
                let size = b.size_on_disk(layout);
                (b.ib.0, b.ib.0.saturating_add(size).min(self.len()), u64::from(b.cb_inflated).saturating_sub(b.cb.into()))
            })
            .collect();
        places.sort_unstable();
        let (mut content, mut end) = (Content::default(), 0u64);
        for (from, to, inflated) in places {
            if from >= end {
                content.blocks = content.blocks.saturating_add(1);
                content.bytes = content.bytes.saturating_add(inflated);
            }
            content.bytes = content.bytes.saturating_add(to.saturating_sub(from.max(end)));
            end = end.max(to);
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use crate::format::bytes::wide;
    use crate::format::ids::Bid;
    use crate::format::page::BbtEntry;
    use crate::testkit::{VARIETIES, tiny};
    use std::sync::Arc;

    #[test]
    fn entries_that_name_one_place_count_once() {
        let bytes = tiny(VARIETIES[0], 1).unwrap();
        let pst = crate::Pst::from_source(Arc::new(bytes), &crate::messaging::OpenOptions::new()).unwrap();
        let ndb = pst.ndb();
        let before = ndb.content();
        assert_eq!(before.blocks, wide(ndb.index().blocks().len()));
        assert!(before.bytes > 0 && before.bytes < ndb.len());
        let mut blocks = ndb.index().blocks().to_vec();
        let last = *blocks.last().unwrap();
        blocks.extend((1..1000u64).map(|i| BbtEntry { bid: Bid(last.bid.0 + 4 * i), ..last }));
        let more = ndb.with_index(ndb.index().with_blocks(blocks));
        assert_eq!(more.content(), before);
    }
}
