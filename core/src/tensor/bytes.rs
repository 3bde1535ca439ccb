//! Bytes that tensors share.

use std::fmt;
use std::sync::Arc;

/// Shared bytes: a buffer, a memory map, anything that keeps them alive.
pub type Storage = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A range of shared bytes.
#[derive(Clone)]
pub struct Bytes {
    storage: Storage,
    start: usize,
    len: usize,
}

impl Bytes {
    /// All of a storage.
    pub fn new(storage: Storage) -> Bytes {
        let len = (*storage).as_ref().len();
        Bytes { storage, start: 0, len }
    }

    /// The part of these bytes from `start`, `len` long, or `None` where they end before.
    pub fn slice(&self, start: usize, len: usize) -> Option<Bytes> {
        let end = start.checked_add(len)?;
        (end <= self.len).then(|| Bytes {
            storage: self.storage.clone(),
            start: self.start + start,
            len,
        })
    }

    /// The bytes themselves.
    pub fn as_slice(&self) -> &[u8] {
        &(*self.storage).as_ref()[self.start..self.start + self.len]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where these bytes lie in memory: equal for two ranges exactly where they are the same bytes.
    pub fn location(&self) -> (usize, usize) {
        (self.as_slice().as_ptr() as usize, self.len)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::new(Arc::new(bytes))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len)
    }
}
