//! Changes held over an unchanged base: what a repair would make of a file, without touching it.

use super::{ReadAt, Storage, past_end};
use crate::format::bytes::{index, wide};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// Granularity of the changes held.
const CHUNK: u64 = 4096;

struct Changes {
    len: u64,
    /// Bytes of the base from here on no longer show: it was cut and extended again.
    base_end: u64,
    chunks: BTreeMap<u64, Vec<u8>>,
}

/// A [`Storage`] that leaves its base as it is and keeps what is written in memory.
pub struct Overlay {
    base: Arc<dyn ReadAt>,
    changes: RwLock<Changes>,
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("len", &self.len()).field("changed", &self.changed_bytes()).finish_non_exhaustive()
    }
}

impl Overlay {
    /// Nothing changed yet.
    pub fn new(base: Arc<dyn ReadAt>) -> Self {
        let len = base.len();
        Self { base, changes: RwLock::new(Changes { len, base_end: len, chunks: BTreeMap::new() }) }
    }

    /// How many bytes the changes take.
    pub fn changed_bytes(&self) -> u64 {
        wide(self.changes.read().unwrap_or_else(PoisonError::into_inner).chunks.len()).saturating_mul(CHUNK)
    }

    /// The changed ranges in order: offset and bytes, cut to the length.
    pub fn changed(&self) -> Vec<(u64, Vec<u8>)> {
        let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        c.chunks
            .iter()
            .filter_map(|(n, bytes)| {
                let at = n.saturating_mul(CHUNK);
                let keep = index(c.len.checked_sub(at).filter(|n| *n > 0)?).min(bytes.len());
                Some((at, bytes.get(..keep)?.to_vec()))
            })
            .collect()
    }

    /// What is beneath, and how much of it shows where nothing was changed; behind that are zeros.
    pub(crate) fn base(&self) -> (&dyn ReadAt, u64) {
        let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        (self.base.as_ref(), c.base_end.min(c.len))
    }

    fn base_chunk(&self, base_end: u64, chunk: u64) -> io::Result<Vec<u8>> {
        let at = chunk.saturating_mul(CHUNK);
        let mut bytes = vec![0; index(CHUNK)];
        let have = index(base_end.saturating_sub(at)).min(bytes.len());
        if have > 0
            && let Some(slot) = bytes.get_mut(..have)
        {
            self.base.read_exact_at(slot, at)?;
        }
        Ok(bytes)
    }
}

impl ReadAt for Overlay {
    fn len(&self) -> u64 {
        self.changes.read().unwrap_or_else(PoisonError::into_inner).len
    }

    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let end = offset.saturating_add(wide(len));
        {
            let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
            let last = end.saturating_sub(1).checked_div(CHUNK).unwrap_or(0);
            let first = offset.checked_div(CHUNK).unwrap_or(0);
            if end > c.base_end || c.chunks.range(first..=last.max(first)).next().is_some() {
                return Ok(None);
            }
        }
        // What is not changed cannot become so while somebody holds `&self` of bytes: changes only ever go to the chunks.
        self.base.slice(offset, len)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        if offset.checked_add(wide(buf.len())).is_none_or(|end| end > c.len) {
            return Err(past_end());
        }
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = at.checked_div(CHUNK).unwrap_or(0);
            let within = index(at.saturating_sub(chunk.saturating_mul(CHUNK)));
            let n = rest.len().min(index(CHUNK).saturating_sub(within));
            let (head, tail) = rest.split_at_mut(n);
            if let Some(bytes) = c.chunks.get(&chunk) {
                head.copy_from_slice(bytes.get(within..within.saturating_add(n)).ok_or_else(past_end)?);
            } else {
                let have = index(c.base_end.saturating_sub(at)).min(n);
                let (old, new) = head.split_at_mut(have);
                if !old.is_empty() {
                    self.base.read_exact_at(old, at)?;
                }
                new.fill(0);
            }
            rest = tail;
            at = at.saturating_add(wide(n));
        }
        Ok(())
    }
}

impl Storage for Overlay {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut c = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = at.checked_div(CHUNK).unwrap_or(0);
            let within = index(at.saturating_sub(chunk.saturating_mul(CHUNK)));
            let n = rest.len().min(index(CHUNK).saturating_sub(within));
            let (head, tail) = rest.split_at(n);
            if !c.chunks.contains_key(&chunk) {
                let bytes = self.base_chunk(c.base_end, chunk)?;
                c.chunks.insert(chunk, bytes);
            }
            if let Some(slot) = c.chunks.get_mut(&chunk).and_then(|b| b.get_mut(within..within.saturating_add(n))) {
                slot.copy_from_slice(head);
            }
            rest = tail;
            at = at.saturating_add(wide(n));
        }
        c.len = c.len.max(at);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut c = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        if len < c.len {
            c.base_end = c.base_end.min(len);
            let last = len.div_ceil(CHUNK);
            c.chunks.retain(|n, _| *n < last);
            let keep = index(len.checked_rem(CHUNK).unwrap_or(0));
            if keep > 0
                && let Some(tail) = c.chunks.get_mut(&len.checked_div(CHUNK).unwrap_or(0)).and_then(|b| b.get_mut(keep..))
            {
                tail.fill(0);
            }
        }
        c.len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryStorage;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_overlay_reads_as_a_changed_copy(ops in proptest::collection::vec((0u64..20_000, proptest::collection::vec(any::<u8>(), 0..6000), any::<u8>()), 0..12)) {
            let base: Vec<u8> = (0..9000u32).map(|i| i as u8).collect();
            let plain = MemoryStorage::new(base.clone());
            let overlay = Overlay::new(Arc::new(base.clone()));
            for (at, bytes, kind) in ops {
                if kind < 50 {
                    plain.set_len(at).unwrap();
                    overlay.set_len(at).unwrap();
                } else {
                    plain.write_all_at(&bytes, at).unwrap();
                    overlay.write_all_at(&bytes, at).unwrap();
                }
            }
            // an empty write grows neither
            let want = plain.to_bytes();
            let len = overlay.len().min(want.len() as u64);
            let mut got = vec![0; len as usize];
            overlay.read_exact_at(&mut got, 0).unwrap();
            prop_assert_eq!(&got[..], &want[..got.len()]);
            prop_assert!(want[got.len()..].iter().all(|b| *b == 0));
        }
    }
}
