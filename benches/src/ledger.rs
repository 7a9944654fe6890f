//! What a large ledger takes to answer, on SQLite and on PostgreSQL.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use lacuna_ledger::testing::{Filling, new_postgres};
use lacuna_ledger::{Actor, Due, Filter, Keys, Ledger, LedgerConfig, PassId, Policy, State};
use time::OffsetDateTime;

/// What each answer may take, at the median.
const BAR: Duration = Duration::from_millis(20);

/// Shards that are claimed at a time.
const CLAIM_SHARDS: i64 = 1000;

/// Requests on a page.
const PAGE: u32 = 100;

/// How much is recorded, and how often it is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Requests
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1000..))]
    requests: i64,
    /// Shards of the pass that is being searched
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(2000..))]
    shards: i64,
    /// Shards of a set
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(2..=1000))]
    set_shards: i64,
    /// How often each question is asked
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Where it is recorded
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    databases: Vec<Database>,
}

/// Where a ledger is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Database {
    /// A file in the temporary directory
    Sqlite,
    /// A database of the server that `LACUNA_TEST_POSTGRES` names
    Postgres,
}

/// What was asked, and the median of what the answers took.
struct Answer {
    to: &'static str,
    median: Duration,
}

/// Fills a ledger in each database, asks it, and prints what the answers took; fails when that is too much.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut out = io::stdout();
    writeln!(
        out,
        "{} requests, {} shards in sets of {}, {} runs\n",
        args.requests, args.shards, args.set_shards, args.runs
    )?;
    writeln!(out, "| on | question | median | bar: {} ms |\n|---|---|---|---|", BAR.as_millis())?;
    let mut holds = true;
    for database in &args.databases {
        let name = database.to_possible_value().context("a database has a name")?;
        for Answer { to, median } in runtime.block_on(measure(*database, args))? {
            holds &= median <= BAR;
            let (millis, holds) =
                (median.as_secs_f64() * 1e3, if median <= BAR { "holds" } else { "**does not hold**" });
            writeln!(out, "| {} | {to} | {millis:.2} ms | {holds} |", name.get_name())?;
        }
    }
    ensure!(holds, "an answer took too long");
    Ok(())
}

async fn measure(database: Database, args: &Args) -> Result<Vec<Answer>> {
    let dir = tempfile::tempdir()?;
    let url = match database {
        Database::Sqlite => {
            dir.path().join("ledger.db").to_str().context("the temporary directory is no text")?.to_owned()
        }
        Database::Postgres => new_postgres().await,
    };
    let config = LedgerConfig { url, keys: Keys::new("bench", [1; 32], [2; 32]), policy: Policy::default() };
    let ledger = Ledger::open(&config).await?;
    let now = OffsetDateTime::now_utc();
    let start = Instant::now();
    let size = Filling { requests: args.requests, shards: args.shards, set_shards: args.set_shards };
    let pass = ledger.fill(&size, now).await?;
    writeln!(io::stderr(), "filled in {:.0} s", start.elapsed().as_secs_f64())?;
    let answers = ask(&ledger, pass, args, now).await;
    ledger.close().await;
    answers
}

async fn ask(ledger: &Ledger, pass: PassId, args: &Args, now: OffsetDateTime) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let tenant = Some("tenant-7".to_owned());
    let state = Some(State::AwaitingApproval);
    let filters = [
        ("list page", Filter::default()),
        ("list page of a tenant", Filter { tenant: tenant.clone(), ..Filter::default() }),
        ("list page of a state", Filter { state, ..Filter::default() }),
        ("list page of a state and a tenant", Filter { state, tenant: tenant.clone(), ..Filter::default() }),
        ("list page of what is overdue", Filter { due: Some(Due::Overdue), ..Filter::default() }),
        ("the same of a tenant", Filter { due: Some(Due::Near), tenant, ..Filter::default() }),
    ];
    let mut some = None;
    for (to, filter) in filters {
        let ask = async || Ok(ledger.list(&filter, None, PAGE, now).await?);
        answers.push(Answer { to, median: median(args.runs, ask).await? });
        some = ledger.list(&filter, None, PAGE, now).await?.requests.last().map(|request| request.id).or(some);
    }
    let id = some.context("the ledger has no requests")?;
    let status = async || Ok((ledger.request(id).await?, ledger.history(id).await?, ledger.holds_on(id).await?));
    answers.push(Answer { to: "status of a request", median: median(args.runs, status).await? });
    let progress = async || Ok(ledger.progress(pass).await?);
    answers.push(Answer { to: "status of the pass", median: median(args.runs, progress).await? });
    let overview = async || Ok(ledger.overview(now).await?);
    answers.push(Answer { to: "status of everything", median: median(args.runs, overview).await? });
    answers.push(Answer { to: "claim of 1,000 shards", median: claim(ledger, pass, args, now).await? });
    Ok(answers)
}

/// The claim alone is timed: what it took is handed back after each run.
async fn claim(ledger: &Ledger, pass: PassId, args: &Args, now: OffsetDateTime) -> Result<Duration> {
    let (worker, lease) = (Actor::worker("bench"), time::Duration::minutes(5));
    let sets = u32::try_from((CLAIM_SHARDS + args.set_shards - 1) / args.set_shards)?;
    let mut times = Vec::new();
    for _ in 0..=args.runs {
        let start = Instant::now();
        let claims = ledger.claim_sets(pass, &worker, sets, lease, now).await?;
        times.push(start.elapsed());
        let shards: usize = claims.iter().map(|claim| claim.shards.len()).sum();
        ensure!(shards >= usize::try_from(CLAIM_SHARDS)?, "only {shards} shards were claimed");
        ledger.release_sets(&claims).await?;
    }
    Ok(middle(times))
}

/// The median of what `ask` takes, after a run that does not count.
async fn median<T>(runs: u32, ask: impl AsyncFn() -> Result<T>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..=runs {
        let start = Instant::now();
        let answer = ask().await?;
        times.push(start.elapsed());
        drop(answer);
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    // The first one warms up.
    let mut times = times.split_off(1.min(times.len()));
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
