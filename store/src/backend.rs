//! The storage redb sits on: any backend behind one type, and a copy-on-write view of a file that
//! is never written.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::batch::BODY_BYTES_MAX;

/// Changed bytes a copy-on-write view keeps in memory at most.
const OVERLAY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Unit of change in a copy-on-write view, in bytes.
const OVERLAY_PAGE_BYTES: u64 = 4_096;

/// The largest page of a file this crate writes, as a power of two of 4 KiB pages: 64 MiB, which
/// holds the largest body.
const PAGE_ORDER_MAX: u64 = 14;
/// An order that redb refuses as damage before it allocates anything.
const PAGE_ORDER_REFUSED: u64 = 31;
/// How redb 4 marks a page of children.
const BRANCH_PAGE: u8 = 2;

const _: () = assert!(2 * BODY_BYTES_MAX as u64 <= OVERLAY_PAGE_BYTES << PAGE_ORDER_MAX);

/// Any storage backend, with two precautions for altered files. What lies beyond the end reads as
/// zeros, which redb calls damage, whereas an I/O error would make it refuse everything else too.
/// And a pointer to a page larger than any we write is marked, so that redb refuses it instead of
/// allocating up to 4 GiB for it.
pub(crate) struct AnyBackend(pub Box<dyn StorageBackend>);

impl fmt::Debug for AnyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StorageBackend for AnyBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.0.read(offset, out) {
            Ok(()) => {
                refuse_huge_children(out);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                out.fill(0);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// Marks pointers to oversized pages in a page of children: type u8, unused u8, keys u16, unused
/// u32, then for each child a checksum of 16 bytes, then for each child its page number, whose
/// upper five bits are the order.
fn refuse_huge_children(page: &mut [u8]) {
    let whole_pages = (page.len() as u64).is_multiple_of(OVERLAY_PAGE_BYTES);
    let Some((&[BRANCH_PAGE, _, low, high, ..], _)) = page.split_first_chunk::<8>() else {
        return;
    };
    let children = usize::from(u16::from_le_bytes([low, high])) + 1;
    let numbers = page.get_mut(8 + 16 * children..).unwrap_or_default();
    if !whole_pages {
        return;
    }
    for number in numbers.chunks_exact_mut(8).take(children) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(number);
        let value = u64::from_le_bytes(bytes);
        if value >> 59 > PAGE_ORDER_MAX {
            number.copy_from_slice(&(value | PAGE_ORDER_REFUSED << 59).to_le_bytes());
        }
    }
}

/// A view of a file whose changes stay in memory, so that redb may repair what it sees while the
/// file stays as it is.
#[derive(Debug)]
pub(crate) struct CopyOnWrite {
    file: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// Bytes of the file that are still visible; shrinking and growing again leaves zeros.
    visible: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl CopyOnWrite {
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            changes: Mutex::new(Changes {
                len,
                visible: len,
                pages: BTreeMap::new(),
            }),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `out` from the file as far as the file is visible, else with zeros.
    fn read_below(&self, visible: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = visible.saturating_sub(offset).min(out.len() as u64) as usize;
        self.file.read_exact_at(&mut out[..there], offset)?;
        out[there..].fill(0);
        Ok(())
    }
}

impl StorageBackend for CopyOnWrite {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > changes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(changes.visible, offset, out)?;
        let first = offset / OVERLAY_PAGE_BYTES;
        let last = (offset + out.len() as u64) / OVERLAY_PAGE_BYTES;
        for (page, bytes) in changes.pages.range(first..=last) {
            let (inside, within) = overlap(*page, offset, out.len());
            out[within].copy_from_slice(&bytes[inside]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if len < changes.len {
            changes.visible = changes.visible.min(len);
            let edge = len / OVERLAY_PAGE_BYTES;
            changes.pages.split_off(&(edge + 1));
            if let Some(page) = changes.pages.get_mut(&edge) {
                page[(len % OVERLAY_PAGE_BYTES) as usize..].fill(0);
            }
        }
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > changes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let visible = changes.visible;
        let first = offset / OVERLAY_PAGE_BYTES;
        let last = (offset + data.len() as u64).div_ceil(OVERLAY_PAGE_BYTES);
        for page in first..last {
            if !changes.pages.contains_key(&page) {
                if changes.pages.len() as u64 * OVERLAY_PAGE_BYTES >= OVERLAY_BYTES_MAX as u64 {
                    return Err(io::Error::new(
                        io::ErrorKind::StorageFull,
                        format!("a read-only repair needs over {OVERLAY_BYTES_MAX} bytes"),
                    ));
                }
                let mut bytes = vec![0; OVERLAY_PAGE_BYTES as usize].into_boxed_slice();
                self.read_below(visible, page * OVERLAY_PAGE_BYTES, &mut bytes)?;
                changes.pages.insert(page, bytes);
            }
            if let Some(bytes) = changes.pages.get_mut(&page) {
                let (inside, within) = overlap(page, offset, data.len());
                bytes[inside].copy_from_slice(&data[within]);
            }
        }
        Ok(())
    }
}

/// The part of overlay page `page` that `length` bytes at `offset` touch, and the part of those
/// bytes that lies in it.
fn overlap(
    page: u64,
    offset: u64,
    length: usize,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let page_start = page * OVERLAY_PAGE_BYTES;
    let start = page_start.max(offset);
    let end = (page_start + OVERLAY_PAGE_BYTES).min(offset + length as u64);
    let end = end.max(start);
    let inside = (start - page_start) as usize..(end - page_start) as usize;
    let within = (start - offset) as usize..(end - offset) as usize;
    (inside, within)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The view behaves like a growing vector and leaves the file alone.
        #[test]
        fn view_behaves_like_bytes_in_memory(
            start in prop::collection::vec(any::<u8>(), 0..20_000),
            steps in prop::collection::vec((0u64..24_000, 0usize..9_000, any::<bool>()), 0..20),
        ) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&start).unwrap();
            let view = CopyOnWrite::new(file.try_clone().unwrap()).unwrap();
            let mut model = start.clone();
            for (at, size, grow) in steps {
                if grow {
                    view.set_len(at).unwrap();
                    model.resize(at as usize, 0);
                } else if at as usize + size <= model.len() {
                    let data = vec![size as u8 ^ 0x5a; size];
                    view.write(at, &data).unwrap();
                    model[at as usize..at as usize + size].copy_from_slice(&data);
                } else {
                    prop_assert!(view.write(at, &vec![1; size]).is_err());
                }
                let mut seen = vec![0; model.len()];
                view.read(0, &mut seen).unwrap();
                prop_assert_eq!(&seen, &model);
            }
            let mut below = vec![0; start.len()];
            file.read_exact_at(&mut below, 0).unwrap();
            prop_assert_eq!(below, start);
        }
    }
}
