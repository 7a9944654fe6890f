//! A worker, made as configuration and arguments say.

use lacuna_engine::{Engine, Settings};
use lacuna_ledger::Ledger;
use lacuna_worker::metrics::Metrics;
use lacuna_worker::notice::Notifier;
use lacuna_worker::{Catalogue, Engines, Settings as WorkerSettings, Worker};

use crate::args::Resources;
use crate::config::{Config, MEMORY_MIN};
use crate::failure::{Failure, Result};
use crate::session::{environment, settings};
use crate::{desk, selection, signing, stores};

/// Opens stores, keys and the ledger, and hands them to a worker called `name`.
pub(crate) async fn hire(config: &Config, resources: &Resources, name: Option<&str>) -> Result<Worker> {
    let sources = selection::sources(&config.sources, &[])?;
    let receivers = config.notices.iter().map(|notice| notice.receiver(&environment)).collect::<Result<_>>()?;
    let notifier = Notifier::new(receivers).map_err(|error| Failure::usage(error.to_string()))?;
    let (ledger, _) = desk::open(config).await?;
    let engines = engines(config, resources, &ledger).await?;
    let catalogue = Catalogue { sources, limits: config.erase_limits.clone() };
    let how = WorkerSettings { purge_within: config.worker.purge_within, ..WorkerSettings::default() };
    let name = name.or(config.worker.name.as_deref()).map_or_else(own_name, str::to_owned);
    let worker = Worker::new(&name, ledger, engines, catalogue, how);
    Ok(worker.telling(notifier).counting(Metrics::default()))
}

/// One engine for each lane, with its part of the memory and as large a part of the threads: what a thread can hold decides which
/// pages and records can be read, and that must not depend on the lane.
async fn engines(config: &Config, resources: &Resources, ledger: &Ledger) -> Result<Engines> {
    config.export.iter().try_for_each(|export| config.check_apart(export))?;
    let store = stores::open(&config.store, &environment)?;
    let export = config.export.as_ref().map(|export| stores::create(export, &environment)).transpose()?;
    let key = signing::find_or_make(config, &environment).await?;
    let one = || -> Result<Settings> {
        let epochs = config.keys.epochs(&environment)?;
        let mut settings = settings(config, resources, store.clone(), epochs);
        settings.export = export.clone();
        settings.signing_key = Some(key.clone());
        settings.holds = desk::holds(ledger);
        Ok(settings)
    };
    let (mut batch, mut on_demand) = (one()?, one()?);
    let all = batch.memory;
    if all < 2 * MEMORY_MIN {
        return Err(Failure::usage(format!("a worker needs {} MiB of memory or more", (2 * MEMORY_MIN) >> 20))
            .advice("Give it more with --memory SIZE, or with `[run] memory`."));
    }
    let share = config.worker.on_demand_share;
    on_demand.memory = part(share, all).clamp(MEMORY_MIN, all - MEMORY_MIN);
    on_demand.threads = usize::try_from(part(share, batch.threads as u64)).unwrap_or(1).max(1);
    batch.memory = all - on_demand.memory;
    Ok(Engines { batch: Engine::new(batch)?, on_demand: Engine::new(on_demand)? })
}

/// So large a part of something.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share needs no more digits"
)]
fn part(share: f64, whole: u64) -> u64 {
    (whole as f64 * share) as u64
}

/// The machine's name, as far as it is known, and the process's number.
fn own_name() -> String {
    let machine =
        environment("HOSTNAME").and_then(|name| name.into_string().ok()).filter(|name| !name.trim().is_empty());
    let machine = machine.or_else(|| std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()));
    format!("{}-{}", machine.unwrap_or_else(|| "worker".into()), std::process::id())
}
