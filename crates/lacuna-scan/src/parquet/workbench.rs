//! What a thread needs for page after page: codecs and buffers, made once and used again for every chunk that it works on.
//!
//! Made anew for each column chunk, contexts and buffers would cost a page fault for every 4 KiB of them.

use std::cell::RefCell;

use parquet::basic::Compression;
use parquet::compression::{Codec, CodecOptions, create_codec};
use parquet::errors::Result;

thread_local! {
    static WORKBENCH: RefCell<Workbench> = RefCell::default();
}

#[derive(Default)]
struct Workbench {
    codecs: Vec<(Compression, Box<dyn Codec>)>,
    buffers: Option<Buffers>,
    /// For what outlives a page.
    spare: Vec<Vec<u8>>,
}

/// A page, decompressed, and its repetition levels.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) page: Vec<u8>,
    pub(super) rep: Vec<u32>,
}

/// A buffer that grew beyond this for some page is not kept for the others.
const KEPT_BYTES_MAX: usize = 16 << 20;

impl Buffers {
    /// This thread's buffers. Give them [back](Self::put_back).
    pub(super) fn take() -> Self {
        WORKBENCH.with_borrow_mut(|bench| bench.buffers.take()).unwrap_or_default()
    }

    pub(super) fn put_back(self) {
        if self.page.capacity() + 4 * self.rep.capacity() <= KEPT_BYTES_MAX {
            WORKBENCH.with_borrow_mut(|bench| bench.buffers = Some(self));
        }
    }
}

/// How many buffers of what outlives a page are kept.
const SPARE_MAX: usize = 4;

/// An empty buffer, maybe one that had much in it.
pub(super) fn take_spare() -> Vec<u8> {
    WORKBENCH.with_borrow_mut(|bench| bench.spare.pop()).unwrap_or_default()
}

/// Keeps a buffer that is not needed any more.
pub(super) fn put_spare(mut buffer: Vec<u8>) {
    buffer.clear();
    // A thread that ends has no workbench any more.
    let _ = WORKBENCH.try_with(|bench| {
        let mut bench = bench.borrow_mut();
        if bench.spare.len() < SPARE_MAX && buffer.capacity() <= KEPT_BYTES_MAX / SPARE_MAX {
            bench.spare.push(buffer);
        }
    });
}

/// Appends the `size` bytes that `page` expands to.
pub(super) fn decompress(compression: Compression, page: &[u8], size: usize, into: &mut Vec<u8>) -> Result<()> {
    WORKBENCH.with_borrow_mut(|bench| {
        let at = match bench.codecs.iter().position(|(have, _)| *have == compression) {
            Some(at) => at,
            None => match create_codec(compression, &CodecOptions::default())? {
                Some(codec) => {
                    bench.codecs.push((compression, codec));
                    bench.codecs.len() - 1
                }
                None => {
                    into.extend_from_slice(page);
                    return Ok(());
                }
            },
        };
        bench.codecs[at].1.decompress(page, into, Some(size)).map(drop)
    })
}
