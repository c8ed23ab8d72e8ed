//! A read-only view of a store. What redb writes stays in memory, so that a file that is refused is not changed.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use parking_lot::Mutex;
use redb::{BackendError, StorageBackend};

/// Written bytes are kept in blocks of this size.
const BLOCK: u64 = 4096;
/// Bound: number of blocks in memory, 64 MiB. Opening a store of 1 GiB writes less than one block.
const MOST: usize = 16 * 1024;

/// The backend under it is locked and read, never written.
#[derive(Debug)]
pub(super) struct ReadOnlyBackend<B> {
    under: B,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    /// The length that the file would have.
    len: u64,
    /// How many bytes of the file under it are still visible. A part that was cut off and added again reads as zeros.
    shows: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl<B: StorageBackend> ReadOnlyBackend<B> {
    pub(super) fn at(under: B) -> io::Result<Self> {
        let len = under.len()?;
        Ok(Self {
            under,
            over: Mutex::new(Over {
                len,
                shows: len,
                blocks: BTreeMap::new(),
            }),
        })
    }

    /// The bytes of one block, as the file has them.
    fn fetch(&self, block: u64, shows: u64) -> io::Result<Vec<u8>> {
        let start = block.saturating_mul(BLOCK);
        let there = shows.saturating_sub(start).min(BLOCK);
        let mut bytes = vec![0; usize::try_from(there).unwrap_or_default()];
        self.under.read(start, &mut bytes)?;
        bytes.resize(usize::try_from(BLOCK).unwrap_or_default(), 0);
        Ok(bytes)
    }
}

/// The parts of `offset..offset + len`, block by block: the block, where in it, and how many bytes.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    std::iter::from_fn(move || {
        let (block, within) = (at / BLOCK, at % BLOCK);
        let count = (BLOCK - within).min(end.checked_sub(at).filter(|left| *left > 0)?);
        at += count;
        Some((
            block,
            usize::try_from(within).ok()?,
            usize::try_from(count).ok()?,
        ))
    })
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before its last page")
}

impl<B: StorageBackend> StorageBackend for ReadOnlyBackend<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock();
        let end = u64::try_from(out.len())
            .ok()
            .and_then(|len| offset.checked_add(len));
        if end.is_none_or(|end| end > over.len) {
            return Err(beyond());
        }
        let mut rest = out;
        for (block, within, count) in parts(offset, rest.len()) {
            let (part, after) = std::mem::take(&mut rest)
                .split_at_mut_checked(count)
                .ok_or_else(beyond)?;
            let fetched;
            let bytes = match over.blocks.get(&block) {
                Some(bytes) => bytes,
                None => {
                    fetched = self.fetch(block, over.shows)?;
                    &fetched
                }
            };
            part.copy_from_slice(bytes.get(within..within + count).ok_or_else(beyond)?);
            rest = after;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock();
        let mut rest = data;
        for (block, within, count) in parts(offset, data.len()) {
            let (part, after) = rest.split_at_checked(count).ok_or_else(beyond)?;
            if !over.blocks.contains_key(&block) {
                if over.blocks.len() >= MOST {
                    return Err(io::Error::other(
                        "opening it writes more than there can be to write",
                    ));
                }
                let bytes = self.fetch(block, over.shows)?;
                over.blocks.insert(block, bytes);
            }
            let bytes = over
                .blocks
                .get_mut(&block)
                .and_then(|bytes| bytes.get_mut(within..within + count));
            bytes.ok_or_else(beyond)?.copy_from_slice(part);
            rest = after;
        }
        let end = offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        over.len = over.len.max(end);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over.lock();
        over.shows = over.shows.min(len);
        over.blocks
            .retain(|block, _| block.saturating_mul(BLOCK) < len);
        if let Some((block, within, _)) = parts(len, 1).next()
            && let Some(bytes) = over.blocks.get_mut(&block)
        {
            bytes.iter_mut().skip(within).for_each(|byte| *byte = 0);
        }
        over.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.under.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.under.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.under.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.under.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.under.query_lock_range(start, end)
    }
}
