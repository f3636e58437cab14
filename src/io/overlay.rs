//! Changes held over an unchanged base: the result of a repair without touching the file.

use super::{ReadAt, Storage, past_end};
use crate::format::bytes::{index, wide};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

/// Granularity of the changes held.
const CHUNK: u64 = 4096;

/// Changes of so many bytes are held in memory; more go to a room of their own, where there is one.
const IN_MEMORY: u64 = 32 << 20;
/// Bytes of changes that are told at a time.
const RUN: usize = 1 << 20;

/// Where changes go that are too large for memory.
type MakeRoom = Box<dyn Fn() -> io::Result<Arc<dyn Storage>> + Send + Sync>;

/// Where the bytes of a chunk are.
enum Chunk {
    Here(Vec<u8>),
    /// In the room, from this offset on.
    Room(u64),
}

struct Changes {
    len: u64,
    /// Bytes of the base from here on no longer show: it was cut and extended again.
    base_end: u64,
    chunks: BTreeMap<u64, Chunk>,
    /// Bytes that chunks take in memory.
    here: u64,
    room: Option<Arc<dyn Storage>>,
    /// Bytes that are taken in the room.
    used: u64,
}

impl Changes {
    /// Reads from a chunk, `within` bytes behind its beginning; tells whether it was changed.
    fn read(&self, chunk: u64, within: usize, buf: &mut [u8]) -> io::Result<bool> {
        match (self.chunks.get(&chunk), &self.room) {
            (None, _) => return Ok(false),
            (Some(Chunk::Here(bytes)), _) => {
                buf.copy_from_slice(bytes.get(within..within.saturating_add(buf.len())).ok_or_else(past_end)?);
            }
            (Some(Chunk::Room(at)), Some(room)) => room.read_exact_at(buf, at.saturating_add(wide(within)))?,
            (Some(Chunk::Room(_)), None) => return Err(past_end()),
        }
        Ok(true)
    }

    /// Writes to a chunk that is held; tells whether it is.
    fn write(&mut self, chunk: u64, within: usize, buf: &[u8]) -> io::Result<bool> {
        match (self.chunks.get_mut(&chunk), &self.room) {
            (None, _) => return Ok(false),
            (Some(Chunk::Here(bytes)), _) => {
                bytes.get_mut(within..within.saturating_add(buf.len())).ok_or_else(past_end)?.copy_from_slice(buf);
            }
            (Some(Chunk::Room(at)), Some(room)) => room.write_all_at(buf, at.saturating_add(wide(within)))?,
            (Some(Chunk::Room(_)), None) => return Err(past_end()),
        }
        Ok(true)
    }

    /// Takes a chunk in.
    fn hold(&mut self, chunk: u64, bytes: Vec<u8>, make_room: Option<&MakeRoom>) -> io::Result<()> {
        if self.here >= IN_MEMORY
            && let Some(make) = make_room
        {
            let room = match &self.room {
                Some(room) => Arc::clone(room),
                None => Arc::clone(self.room.insert(make()?)),
            };
            room.write_all_at(&bytes, self.used)?;
            self.chunks.insert(chunk, Chunk::Room(self.used));
            self.used = self.used.saturating_add(CHUNK);
            return Ok(());
        }
        self.here = self.here.saturating_add(CHUNK);
        self.chunks.insert(chunk, Chunk::Here(bytes));
        Ok(())
    }
}

/// A [`Storage`] that leaves its base as it is and keeps the written bytes by itself, in memory or in a room that it is given.
pub struct Overlay {
    base: Arc<dyn ReadAt>,
    changes: RwLock<Changes>,
    make_room: Option<MakeRoom>,
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("len", &self.len()).field("changed", &self.changed_bytes()).finish_non_exhaustive()
    }
}

impl Overlay {
    /// Nothing changed yet; all changes are held in memory.
    pub fn new(base: Arc<dyn ReadAt>) -> Self {
        let len = base.len();
        let changes = Changes { len, base_end: len, chunks: BTreeMap::new(), here: 0, room: None, used: 0 };
        Self { base, changes: RwLock::new(changes), make_room: None }
    }

    /// The same; of changes of many bytes only the first are held in memory, and the others in the storage that `make_room` makes when it comes to that.
    #[must_use]
    pub fn with_room(self, make_room: impl Fn() -> io::Result<Arc<dyn Storage>> + Send + Sync + 'static) -> Self {
        Self { make_room: Some(Box::new(make_room)), ..self }
    }

    /// How many bytes the changes take.
    pub fn changed_bytes(&self) -> u64 {
        wide(self.changes.read().unwrap_or_else(PoisonError::into_inner).chunks.len()).saturating_mul(CHUNK)
    }

    /// Whether any of a range may read otherwise than the base does.
    pub(crate) fn is_changed(&self, offset: u64, len: usize) -> bool {
        let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        let end = offset.saturating_add(wide(len));
        let last = end.saturating_sub(1).checked_div(CHUNK).unwrap_or(0);
        let first = offset.checked_div(CHUNK).unwrap_or(0);
        end > c.base_end || c.chunks.range(first..=last.max(first)).next().is_some()
    }

    /// Tells the changed ranges in order, cut to the length: offset and bytes. Ranges that lie next to one another are told as one, up to
    /// some size.
    ///
    /// # Errors
    /// An error of `tell`; errors of the room.
    pub fn each_change(&self, tell: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let c = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        let (mut start, mut run) = (0u64, Vec::new());
        for n in c.chunks.keys() {
            let at = n.saturating_mul(CHUNK);
            let keep = index(c.len.saturating_sub(at)).min(index(CHUNK));
            if !run.is_empty() && (start.saturating_add(wide(run.len())) != at || run.len() >= RUN) {
                tell(start, &run)?;
                run.clear();
            }
            if run.is_empty() {
                start = at;
            }
            let had = run.len();
            run.resize(had.saturating_add(keep), 0);
            c.read(*n, 0, run.get_mut(had..).unwrap_or_default())?;
        }
        if run.is_empty() { Ok(()) } else { tell(start, &run) }
    }

    /// The base, and the part of it that shows where nothing was changed; behind that are zeros.
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

    fn intact(&self) -> io::Result<()> {
        self.base.intact()
    }

    fn slice(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if self.is_changed(offset, len) {
            return Ok(None);
        }
        // An unchanged chunk cannot become changed while somebody holds `&self` of bytes: changes only ever go to the chunks.
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
            if !c.read(chunk, within, head)? {
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
            if !c.write(chunk, within, head)? {
                let mut bytes = if n == index(CHUNK) { Vec::new() } else { self.base_chunk(c.base_end, chunk)? };
                if bytes.is_empty() {
                    bytes.extend_from_slice(head);
                } else if let Some(slot) = bytes.get_mut(within..within.saturating_add(n)) {
                    slot.copy_from_slice(head);
                }
                c.hold(chunk, bytes, self.make_room.as_ref())?;
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
            let gone = c.chunks.split_off(&last);
            let in_memory = wide(gone.values().filter(|chunk| matches!(chunk, Chunk::Here(_))).count());
            c.here = c.here.saturating_sub(in_memory.saturating_mul(CHUNK));
            let keep = index(len.checked_rem(CHUNK).unwrap_or(0));
            if keep > 0 {
                c.write(len.checked_div(CHUNK).unwrap_or(0), keep, &vec![0; index(CHUNK).saturating_sub(keep)])?;
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
        fn an_overlay_reads_as_a_changed_copy(ops in proptest::collection::vec((0u64..20_000, proptest::collection::vec(any::<u8>(), 0..6000), any::<u8>()), 0..12), small in any::<bool>()) {
            let base: Vec<u8> = (0..9000u32).map(|i| i as u8).collect();
            let plain = MemoryStorage::new(base.clone());
            let room = move || Ok(Arc::new(MemoryStorage::default()) as Arc<dyn Storage>);
            let overlay = if small { Overlay::new(Arc::new(base.clone())).with_room(room) } else { Overlay::new(Arc::new(base.clone())) };
            if small {
                // as if so much had been changed before
                overlay.changes.write().unwrap().here = IN_MEMORY - CHUNK;
            }
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
            // the base with all changes put in is the same
            let mut put = base;
            put.resize(overlay.base().1 as usize, 0);
            put.resize(overlay.len() as usize, 0);
            let mut end = 0;
            overlay.each_change(&mut |at, bytes| {
                assert!(at > end || end == 0 || bytes.len() == 1 << 20);
                end = at + bytes.len() as u64;
                put[at as usize..end as usize].copy_from_slice(bytes);
                Ok(())
            }).unwrap();
            prop_assert_eq!(put, got);
        }
    }
}
