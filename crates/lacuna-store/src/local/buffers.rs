//! Buffers of reads, used again: fresh memory costs a page fault for every 4 KiB.

use std::sync::Mutex;

use bytes::Bytes;

/// So many bytes are kept for reads to come.
const KEPT_BYTES_MAX: usize = 32 << 20;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer with room for `capacity` bytes.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // The smallest that is large enough: small reads must not use up the large ones.
    let fits = (0..free.len()).filter(|&at| free[at].capacity() >= capacity);
    match fits.min_by_key(|&at| free[at].capacity()).filter(|&at| free[at].capacity() / 4 <= capacity) {
        Some(at) => free.swap_remove(at),
        None => Vec::with_capacity(capacity),
    }
}

/// The bytes in `buffer`, which comes back here when nobody needs them any more.
pub(super) fn lend(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Lent(buffer))
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= KEPT_BYTES_MAX {
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty() {
        let mut buffer = take(5_000_001);
        buffer.extend_from_slice(b"somebody's record");
        let bytes = lend(buffer);
        let slice = bytes.slice(10..);
        drop(bytes);
        assert_eq!(&slice[..], b" record");
        drop(slice);
        let again = take(5_000_001);
        assert!(again.is_empty() && again.capacity() >= 5_000_001);
    }
}
