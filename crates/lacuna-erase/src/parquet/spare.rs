//! Buffers of pages, used again by the thread that had them last.
//!
//! A page goes through half a dozen buffers of a megabyte. Given back to the allocator, much of that memory goes back to the system, which
//! has to clear it again for the next page. With these a purge of rows of every row group takes a twentieth less
//! (`cargo xtask bench --cases purge-every`).

use std::cell::RefCell;

use bytes::Bytes;

/// A thread keeps so many buffers, and none over [`BYTES_MAX`].
const BUFFERS: usize = 8;
/// Pages have a megabyte by the settings of most writers; packed, a page that does not become smaller takes a little more.
const BYTES_MAX: usize = 2 << 20;
/// Smaller buffers stay with the allocator anyway.
const BYTES_MIN: usize = 64 << 10;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer that holds `capacity` bytes.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    if !(BYTES_MIN..=BYTES_MAX).contains(&capacity) {
        return Vec::with_capacity(capacity);
    }
    let spare = SPARE.with_borrow_mut(|spare| {
        let at = spare.iter().rposition(|buffer| buffer.capacity() >= capacity)?;
        Some(spare.swap_remove(at))
    });
    spare.unwrap_or_else(|| Vec::with_capacity(capacity.next_power_of_two()))
}

/// Keeps a buffer that nobody needs any more.
pub(super) fn give(mut buffer: Vec<u8>) {
    if (BYTES_MIN..=BYTES_MAX).contains(&buffer.capacity()) {
        buffer.clear();
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < BUFFERS {
                spare.push(buffer);
            }
        });
    }
}

/// The bytes of a buffer, which is kept when nobody needs them any more.
pub(super) fn bytes(buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() < BYTES_MIN { buffer.into() } else { Bytes::from_owner(Lent(buffer)) }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare() -> usize {
        SPARE.with_borrow(Vec::len)
    }

    #[test]
    fn a_buffer_comes_back_empty_when_its_bytes_are_dropped() {
        let mut buffer = take(100_000);
        buffer.extend_from_slice(b"somebody's");
        let (place, bytes) = (buffer.as_ptr(), bytes(buffer));
        let part = bytes.slice(4..);
        drop(bytes);
        assert_eq!((&part[..], spare()), (&b"body's"[..], 0));
        drop(part);
        assert_eq!(spare(), 1);
        let again = take(80_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn few_and_none_too_large_are_kept() {
        for capacity in [0, BYTES_MIN - 1, BYTES_MAX + 1] {
            give(take(capacity));
            assert_eq!(spare(), 0, "{capacity}");
        }
        let all: Vec<_> = (0..2 * BUFFERS).map(|_| take(BYTES_MIN)).collect();
        all.into_iter().for_each(give);
        assert_eq!(spare(), BUFFERS);
        // None of these holds so much.
        assert!(take(BYTES_MAX).capacity() >= BYTES_MAX);
    }
}
