//! One shard as NDJSON: every record that is not hidden, read through Lacuna.

use std::io::{self, BufReader, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use lacuna_export::Renderer;
use lacuna_scan::Record;
use lacuna_scan::ipc::Ahead;
use lacuna_store::BlobPath;
use roaring::RoaringTreemap;
use tokio::sync::mpsc;

use super::open::open;
use super::origin::Origin;
use super::rows::Reader;
use crate::cpu::blocking;
use crate::erase::hidden::{self, Hidden};
use crate::plan::format::ShardFormat;
use crate::problem::{ShardError, chain};
use crate::{Engine, Error, Source};

/// Rendered records that wait to be written, in pieces.
const PIECES: usize = 4;

/// A piece is handed on when it has grown to this many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// What was shown of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How many records.
    pub rows: u64,
    /// Whether others replaced the shard since rows of it were hidden: these may be among them.
    pub superseded: bool,
}

impl Engine {
    /// Writes the records of the shard at path `shard` to `out`, one JSON object a line.
    pub async fn cat(&self, source: &Source, shard: &str, out: &mut (dyn Write + Send)) -> Result<Shown, Error> {
        let failed = |error: ShardError| Error::Shard { shard: shard.to_owned(), reason: chain(&error) };
        let path = BlobPath::new(shard)
            .map_err(|error| Error::Shard { shard: shard.to_owned(), reason: error.to_string() })?;
        let format = ShardFormat::of(source, shard).map_err(|why| failed(ShardError::Refused(why)))?;
        // The shard is named already.
        let unread =
            |error: lacuna_store::Error| failed(ShardError::Store(lacuna_store::Error { path: None, ..error }));
        let info = self.settings.store.head(&path).await.map_err(unread)?;
        let store = self.settings.store.as_ref();
        let standing =
            hidden::shown(store, &info).await.map_err(|error| failed(ShardError::Tombstone(Box::new(error))))?;
        let superseded = matches!(standing.hidden, Hidden::Stale(_)) || !standing.waiting.is_empty();
        let hidden = match standing.hidden {
            Hidden::Rows(rows) => rows,
            Hidden::Stale(_) | Hidden::Nothing => RoaringTreemap::new(),
        };
        let origin = Origin::Blob(self.settings.store.clone(), info);
        let (pieces, mut ready) = mpsc::channel::<Vec<u8>>(PIECES);
        let produce = async {
            match format {
                ShardFormat::Parquet => self.cat_parquet(&origin, hidden, pieces).await,
                format => self.cat_stream(origin.clone(), format, hidden, pieces).await,
            }
        };
        // Owns the receiving end: when `out` fails, it goes away, and what produces stops waiting for room.
        let consume = async move {
            while let Some(piece) = ready.recv().await {
                out.write_all(&piece)?;
            }
            out.flush()
        };
        let (produced, written) = futures::join!(produce, consume);
        written.map_err(Error::Temp)?;
        produced.map(|rows| Shown { rows, superseded }).map_err(failed)
    }

    async fn cat_parquet(
        &self,
        origin: &Origin,
        hidden: RoaringTreemap,
        pieces: mpsc::Sender<Vec<u8>>,
    ) -> Result<u64, ShardError> {
        let hidden = Arc::new(hidden);
        let bytes_read = AtomicU64::new(0);
        let metadata = open(&self.shop, origin, &bytes_read).await?.metadata;
        let reader = Reader::open(&self.shop, origin, metadata, &bytes_read).await?;
        let (mut rows, mut first) = (0, 0);
        for group in 0..reader.groups() {
            let mut batches = reader.rows(group)?;
            while let Some(batch) = batches.next_batch().await? {
                let (length, hidden) = (batch.num_rows() as u64, hidden.clone());
                rows += length - hidden.range_cardinality(first..first + length);
                let render = move || -> Result<Vec<u8>, ShardError> {
                    let (mut renderer, mut piece) = (Renderer::default(), Vec::new());
                    for row in (0..batch.num_rows()).filter(|&row| !hidden.contains(first + row as u64)) {
                        renderer.render(Record::Arrow { batch: &batch, row }, &mut piece)?;
                        piece.push(b'\n');
                    }
                    Ok(piece)
                };
                first += length;
                let piece = self.shop.cpu.run(render).await??;
                if pieces.send(piece).await.is_err() {
                    return Ok(rows);
                }
            }
        }
        Ok(rows)
    }

    async fn cat_stream(
        &self,
        origin: Origin,
        format: ShardFormat,
        hidden: RoaringTreemap,
        pieces: mpsc::Sender<Vec<u8>>,
    ) -> Result<u64, ShardError> {
        let limits = self.shop.limits;
        let window = self.shop.budget.window;
        let handle = tokio::runtime::Handle::current();
        let budget = self.shop.budget.clone();
        // A thread of its own may wait, for the store as for the reader of what it renders.
        let work = move || {
            let size = origin.size();
            let load = move |range: Range<u64>| -> Result<Bytes, ShardError> {
                Ok(handle.block_on(budget.load(&origin, range, &AtomicU64::new(0)))?.bytes.clone())
            };
            let ahead = match &format {
                ShardFormat::Arrow => Ahead::read(size, window, &limits, &load),
                ShardFormat::Parquet | ShardFormat::Text(_) => Ok(Ahead::default()),
            };
            let ahead = match ahead {
                Ok(ahead) => ahead,
                Err(error) => return Ok(Err(error)),
            };
            let read = move |at: u64| -> Result<Vec<u8>, ShardError> {
                let range = at..size.min(at + window);
                if range.is_empty() { Ok(Vec::new()) } else { Ok(load(range)?.to_vec()) }
            };
            let mut input = BufReader::new(Pull { read, at: 0, piece: io::Cursor::new(Vec::new()), failed: None });
            let (mut renderer, mut piece, mut rows, mut broken) = (Renderer::default(), Vec::new(), 0_u64, None);
            let mut poisoned = 0;
            let mut each = |row: u64, record: Record<'_>| -> io::Result<()> {
                if hidden.contains(row) {
                    return Ok(());
                }
                if let Err(error) = renderer.render(record, &mut piece) {
                    broken = Some(error);
                    return Err(io::ErrorKind::InvalidData.into());
                }
                piece.push(b'\n');
                rows += 1;
                if piece.len() >= PIECE_BYTES {
                    let full = std::mem::take(&mut piece);
                    pieces.blocking_send(full).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                }
                Ok(())
            };
            let done = match &format {
                ShardFormat::Arrow => lacuna_scan::ipc::records(&mut input, ahead, &limits, &mut each),
                ShardFormat::Text(format) => lacuna_scan::text::records(&mut input, format, &limits, &mut each)
                    .map(|read| poisoned = read.poisoned.count),
                ShardFormat::Parquet => Ok(()),
            };
            let _ = pieces.blocking_send(piece);
            if let Some(error) = broken {
                return Ok(Err(ShardError::Export(error)));
            }
            if let Some(error) = input.get_mut().failed.take() {
                return Ok(Err(error));
            }
            Ok(match (done, poisoned) {
                (Ok(()), 0) => Ok(rows),
                (Ok(()), broken) => {
                    Err(ShardError::Refused(format!("{broken} of its records cannot be read; the others were written")))
                }
                (Err(error), _) => Err(ShardError::Scan(error)),
            })
        };
        blocking(work).await?
    }
}

/// Reads a shard window by window.
struct Pull<F> {
    read: F,
    at: u64,
    piece: io::Cursor<Vec<u8>>,
    /// Why the last read failed: [`io::Read`] cannot say it.
    failed: Option<ShardError>,
}

impl<F: FnMut(u64) -> Result<Vec<u8>, ShardError>> io::Read for Pull<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.position() == self.piece.get_ref().len() as u64 {
            match (self.read)(self.at) {
                Ok(piece) => {
                    self.at += piece.len() as u64;
                    self.piece = io::Cursor::new(piece);
                }
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the store failed"));
                }
            }
        }
        self.piece.read(buffer)
    }
}
