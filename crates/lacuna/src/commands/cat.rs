//! `lacuna cat`: the records of one shard, one JSON object a line.

use std::io::Write as _;

use lacuna_engine::{Engine, Source};

use crate::args::CatArgs;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::session::{environment, settings};
use crate::{output, selection, stores};

/// Bytes that are written at a time.
const BUFFER_BYTES: usize = 64 << 10;

pub(super) async fn run(args: &CatArgs) -> Result<ExitCode> {
    if args.shard.starts_with('/') {
        return Err(Failure::usage("the shard's path starts with `/`")
            .advice("Give its path within the store, as reports and receipts name it."));
    }
    let config = Config::load(&args.config)?;
    let source = source(args, &config)?;
    let store = stores::open(&config.store, &environment)?;
    let epochs = config.keys.epochs(&environment)?;
    let engine = Engine::new(settings(&config, &args.resources, store, epochs))?;
    // Not locked for good: the engine may write from another thread.
    let mut out = Pipe { inner: std::io::BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout()), failed: None };
    let written = engine.cat(&source, &args.shard, &mut out).await;
    let flushed = out.flush();
    if let Some(kind) = out.failed {
        // A reader that went away, as with `lacuna cat … | head`, has seen enough.
        output::settle(Err(kind.into()))?;
        return Ok(ExitCode::Done);
    }
    if written?.superseded {
        let sweep = if config.ledger.is_some() { ", or sweep" } else { "" };
        output::note(&format!(
            "Another writer replaced {} since records of it were hidden, and they may be shown here: erase again under the same \
             request's id{sweep}.",
            args.shard
        ));
    }
    output::settle(flushed)?;
    Ok(ExitCode::Done)
}

/// Standard output, and how writing to it failed first.
struct Pipe {
    inner: std::io::BufWriter<std::io::Stdout>,
    failed: Option<std::io::ErrorKind>,
}

impl Pipe {
    fn noticing<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        if let Err(error) = &result {
            self.failed.get_or_insert(error.kind());
        }
        result
    }
}

impl std::io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let result = self.inner.write(bytes);
        self.noticing(result)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let result = self.inner.flush();
        self.noticing(result)
    }
}

/// The source that says what the shard is.
fn source(args: &CatArgs, config: &Config) -> Result<Source> {
    if let Some(name) = &args.source {
        let mut named = selection::sources(&config.sources, std::slice::from_ref(name))?;
        return named.pop().ok_or_else(|| Failure::usage(format!("there is no source `{name}`")));
    }
    let matches = |source: &&Source| source.has_shard(&args.shard);
    config.sources.iter().find(matches).cloned().ok_or_else(|| {
        Failure::usage("the shard belongs to no source").advice(
            "Its path begins in the store, whose own folder or container is no part of it. Where it is right, say with --source NAME what the \
             shard is like.",
        )
    })
}
