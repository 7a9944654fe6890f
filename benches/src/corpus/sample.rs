//! A sample: its size and shape, and the writing of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    clock::{DAY_MS, FIRST_DAY_MS, push_date},
    columnar::{self, ParquetLayout},
    event::Events,
    people::{BUSIEST, Population},
    plan::{NOBODY, ShardPlan, Slot, part},
    source::{Body, Spec},
    sources,
    tally::{Rows, Tally, Watched},
    text::{self, TextCodec},
    uuid::UuidText,
    written::{Count, Crowd, Person, Role, Written},
};

/// The most rows that a shard may have: what is planned for a shard is held in memory, 8 bytes a row (48 when it is sorted).
const SHARD_ROWS_MAX: u64 = 1 << 24;

/// A format that records are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Parquet.
    Parquet,
    /// One JSON object a line.
    Ndjson,
    /// One JSON document a shard.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// Arrow IPC.
    Arrow,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Parquet, Self::Ndjson, Self::Json, Self::Csv, Self::Arrow];

    /// As `lacuna.toml` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
        }
    }
}

/// What to write. [`Sample::new`] fills in what suits a number of rows.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Records in all sources together.
    pub rows: u64,
    /// Whatever is random follows from it.
    pub seed: u64,
    /// Organisations.
    pub tenants: u32,
    /// Users, in all organisations.
    pub users: u32,
    /// How many times as many rows each octave of users' ranks has as the one before: 1 is very skewed, 2 not at all.
    pub octave_growth: f64,
    /// Days that the records are spread over.
    pub days: u32,
    /// Records in a shard, about; JSON documents and CSV have fewer.
    pub shard_rows: u64,
    /// Which sources to write, by their format.
    pub formats: Vec<Format>,
    /// How Parquet is laid out.
    pub parquet: ParquetLayout,
    /// Compressions of NDJSON shards, in turn.
    pub text_codecs: Vec<TextCodec>,
    /// Rows of the rare person in each source.
    pub rare_rows: u64,
    /// The common person has a row among so many, and one in every row group.
    pub common_every: u64,
    /// Whether the rare and the common person also appear in another tenant, and without any.
    pub guests: bool,
    /// How many people are in the crowd.
    pub crowd: u32,
    /// How many people are in the throng: another crowd, as large as a search for many may be.
    pub throng: u32,
    /// Which logs.
    pub logs: Logs,
}

/// Which logs a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Several products' logs, in several formats.
    Office,
    /// One flat table that every tool can read, in Parquet or NDJSON.
    Activity,
}

impl Logs {
    fn specs(self) -> &'static [Spec] {
        match self {
            Self::Office => &sources::OFFICE,
            Self::Activity => &sources::ACTIVITY,
        }
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::new(2_000_000)
    }
}

impl Sample {
    /// Logs of several products in every format, with so many records in all.
    pub fn new(rows: u64) -> Self {
        Self {
            rows,
            seed: 1,
            tenants: 4,
            users: u32::try_from(rows / 40).unwrap_or(u32::MAX).clamp(100, 2_000_000),
            octave_growth: 1.15,
            days: 7,
            shard_rows: 250_000,
            formats: Format::ALL.to_vec(),
            parquet: ParquetLayout::default(),
            text_codecs: vec![TextCodec::Gzip, TextCodec::Zstd, TextCodec::Plain, TextCodec::Lz4],
            rare_rows: 6,
            common_every: 8192,
            guests: true,
            crowd: 0,
            throng: 0,
            logs: Logs::Office,
        }
    }

    /// The benchmarks' table: 12 shards of a million rows and ten columns, zstd, row groups of 131,072; a user column of UUID
    /// text with more users in a row group than a dictionary holds, so that it is full after the first third (about 400 MB
    /// decompressed in all); a rare user with 6 rows, a common one with 2 to 4 rows in every row group (360 in all), and
    /// a crowd of 1,000, and a throng of 100,000.
    pub fn benchmark() -> Self {
        Self {
            users: 300_000,
            octave_growth: 1.1,
            days: 12,
            shard_rows: 1_000_000,
            formats: vec![Format::Parquet],
            rare_rows: 6,
            common_every: 32_768,
            guests: false,
            crowd: 1000,
            throng: 100_000,
            logs: Logs::Activity,
            ..Self::new(12_000_000)
        }
    }

    /// Writes the sample's shards below `dir`, on all cores. `progress` is told how many records were written since the last call, from any
    /// thread. What is there already is never overwritten.
    ///
    /// # Errors
    /// When a size is out of range, a file exists, or the disk fails.
    pub fn write(&self, dir: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<Written> {
        self.check()?;
        let people = Population::new(self.seed, self.users, self.tenants, self.octave_growth);
        let crowds = [self.crowd, self.throng].map(|many| self.crowd_ranks(&people, many));
        let known = [people.rare(), people.common(), BUSIEST];
        let watched = Watched::new(&people, known.into_iter().chain(crowds.iter().flatten().copied()));

        let specs: Vec<&Spec> = self.logs.specs().iter().filter(|spec| self.formats.contains(&spec.format)).collect();
        ensure!(!specs.is_empty(), "none of the sample's sources is in a chosen format");
        let jobs = self.plan(&specs);
        let shards: Vec<Shard> = jobs
            .par_iter()
            // One shard at a time and core: each holds a plan and a row group in memory.
            .with_max_len(1)
            .map(|&(source, shards, plan)| {
                let spec = specs[source];
                let path = self.path(spec, plan.shard, shards);
                let shard = self.write_shard(spec, &plan, shards, &people, &watched, (dir, &path), progress);
                shard.with_context(|| format!("writing {path}")).map(|(bytes, tally)| Shard {
                    source,
                    path,
                    rows: plan.rows,
                    bytes,
                    tally,
                })
            })
            .collect::<Result<_>>()?;
        Ok(self.report(dir, &specs, &shards, &people, &crowds))
    }

    fn check(&self) -> Result<()> {
        ensure!((1..=1 << 30).contains(&self.users), "users must be between 1 and 2^30");
        ensure!((1..=1000).contains(&self.tenants), "tenants must be between 1 and 1,000");
        ensure!((1..=3660).contains(&self.days), "days must be between 1 and 3,660");
        ensure!((1..=SHARD_ROWS_MAX).contains(&self.shard_rows), "a shard has between 1 and {SHARD_ROWS_MAX} rows");
        ensure!((1.0..=2.0).contains(&self.octave_growth), "octave growth must be between 1 and 2");
        ensure!(self.rows > 0, "a sample has at least one row");
        ensure!(self.parquet.row_group_rows > 0, "a row group has at least one row");
        ensure!(!self.text_codecs.is_empty(), "text needs at least one compression, which may be none");
        Ok(())
    }

    /// The source, its number of shards, and the plan of each shard.
    fn plan(&self, specs: &[&Spec]) -> Vec<(usize, u64, ShardPlan)> {
        let whole: u64 = specs.iter().map(|spec| spec.weight).sum();
        let mut jobs = Vec::new();
        let (mut weight, mut done) = (0, 0);
        for (source, spec) in specs.iter().enumerate() {
            weight += spec.weight;
            let end = part(self.rows, weight, whole);
            let source_rows = end - done;
            done = end;
            let shards = (source_rows * spec.shards_per_shard).div_ceil(self.shard_rows).min(source_rows);
            for shard in 0..shards {
                let first_row = part(source_rows, shard, shards);
                let rows = part(source_rows, shard + 1, shards) - first_row;
                let plan = ShardPlan { source: source as u64, shard, first_row, rows, source_rows };
                jobs.push((source, shards, plan));
            }
        }
        jobs
    }

    fn day(&self, shard: u64, shards: u64) -> i64 {
        part(u64::from(self.days), shard, shards).cast_signed()
    }

    fn codec(&self, spec: &Spec, shard: u64) -> TextCodec {
        let at = |codecs: &[TextCodec]| codecs[usize::try_from(shard).unwrap_or(0) % codecs.len()];
        match spec.format {
            Format::Json => at(&[TextCodec::Gzip, TextCodec::Plain]),
            Format::Csv => TextCodec::Plain,
            Format::Ndjson | Format::Parquet | Format::Arrow => at(&self.text_codecs),
        }
    }

    fn path(&self, spec: &Spec, shard: u64, shards: u64) -> String {
        let mut path = format!("{}/date=", spec.folder);
        push_date(&mut path, FIRST_DAY_MS / DAY_MS + self.day(shard, shards));
        let extension = match spec.format {
            Format::Parquet => "parquet".to_owned(),
            Format::Arrow if columnar::is_stream(shard) => "arrows".to_owned(),
            Format::Arrow => "arrow".to_owned(),
            text => format!("{}{}", text.name(), self.codec(spec, shard).suffix()),
        };
        path + &format!("/part-{shard:04}.{extension}")
    }

    #[expect(clippy::too_many_arguments, reason = "called once")]
    fn write_shard(
        &self,
        spec: &Spec,
        plan: &ShardPlan,
        shards: u64,
        people: &Population,
        watched: &Watched,
        (dir, path): (&Path, &str),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(u64, BTreeMap<u32, Rows>)> {
        let target: PathBuf = path.split('/').fold(dir.to_owned(), |target, part| target.join(part));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = fs::File::create_new(&target)?;

        let mut slots = plan.slots(self, people)?;
        let day_ms = FIRST_DAY_MS + self.day(plan.shard, shards) * DAY_MS;
        let tally = Tally::new(watched, people);
        let rng = plan.rng(self.seed, 11);
        let (bytes, tally) = match spec.body {
            Body::Columns { schema, batch, layout } => {
                let layout = layout(&self.parquet);
                if spec.format == Format::Parquet && layout.sorted_by_user {
                    sort_by_user(&mut slots, people);
                }
                let mut events = Events::new(people, &slots, rng, tally, day_ms);
                let schema = schema();
                let next = || {
                    if events.len() == 0 {
                        return Ok(None);
                    }
                    let batch = batch(&mut events, columnar::BATCH_ROWS)?;
                    progress(batch.num_rows() as u64);
                    Ok(Some(batch))
                };
                let bytes = match spec.format {
                    Format::Parquet => columnar::write_parquet(file, &schema, &layout, spec, next)?,
                    _ => columnar::write_ipc(file, &schema, plan.shard, next)?,
                };
                (bytes, events.finish())
            }
            Body::Lines { open, between, close, record } => {
                let mut events = Events::new(people, &slots, rng, tally, day_ms);
                let mut out = text::Writer::new(file, self.codec(spec, plan.shard));
                out.text().push_str(open);
                let mut unreported = 0;
                while let Some(event) = events.next() {
                    record(&mut events, &event, out.text());
                    if events.len() > 0 {
                        out.text().push_str(between);
                    }
                    unreported += 1;
                    if out.write_if_full()? {
                        progress(std::mem::take(&mut unreported));
                    }
                }
                out.text().push_str(close);
                let bytes = out.finish()?;
                progress(unreported);
                (bytes, events.finish())
            }
        };
        Ok((bytes, tally.into_rows()))
    }

    /// People of the first tenant, spread over all ranks but the first.
    fn crowd_ranks(&self, people: &Population, many: u32) -> Vec<u32> {
        let step = (self.users / (many.max(1).saturating_mul(4))).max(1);
        (1..self.users).step_by(step as usize).filter(|&rank| people.tenant_of(rank) == 0).take(many as usize).collect()
    }

    fn report(
        &self,
        dir: &Path,
        specs: &[&Spec],
        shards: &[Shard],
        people: &Population,
        crowds: &[Vec<u32>; 2],
    ) -> Written {
        let mut sources: Vec<_> = specs.iter().map(|spec| spec.describe()).collect();
        for shard in shards {
            let source = &mut sources[shard.source];
            source.paths.push(shard.path.clone());
            source.rows += shard.rows;
            source.bytes += shard.bytes;
        }
        let known = [(Role::Rare, people.rare()), (Role::Common, people.common()), (Role::Busiest, BUSIEST)];
        let persons = known.into_iter().map(|(role, rank)| Person {
            role,
            tenant: people.tenants[people.tenant_of(rank) as usize].id.clone(),
            identifiers: identifiers(people, rank),
            counts: (sources.iter().enumerate())
                .map(|(index, source)| count(&source.name, shards.iter().filter(|shard| shard.source == index), rank))
                .collect(),
        });
        let persons = persons.collect();
        let by_object_id =
            |shard: &&Shard| specs[shard.source].identifiers.iter().any(|(_, kind, _)| *kind == "object_id");
        let [crowd, throng] = crowds.each_ref().map(|crowd| Crowd {
            object_ids: crowd.iter().map(|&rank| object_id(people, rank)).collect(),
            rows: (shards.iter().filter(by_object_id))
                .flat_map(|shard| crowd.iter().filter_map(|rank| shard.tally.get(rank)))
                .map(|rows| rows.own)
                .sum(),
        });
        Written {
            dir: dir.to_owned(),
            tenants: people.tenants.iter().map(|tenant| tenant.id.clone()).collect(),
            people: persons,
            crowd,
            throng,
            rows: sources.iter().map(|source| source.rows).sum(),
            bytes: sources.iter().map(|source| source.bytes).sum(),
            sources,
        }
    }
}

/// A shard as it was written.
struct Shard {
    source: usize,
    path: String,
    rows: u64,
    bytes: u64,
    tally: BTreeMap<u32, Rows>,
}

/// By object id, those without one first.
fn sort_by_user(slots: &mut [Slot], people: &Population) {
    slots.sort_by_cached_key(|slot| (slot.rank != NOBODY).then(|| people.user(slot.rank).object_id));
}

fn object_id(people: &Population, rank: u32) -> String {
    UuidText::new(people.user(rank).object_id).as_str().to_owned()
}

fn identifiers(people: &Population, rank: u32) -> Vec<(String, String)> {
    let mut email = String::new();
    people.push_email(&mut email, rank);
    vec![
        ("object_id".to_owned(), object_id(people, rank)),
        ("email".to_owned(), email),
        ("puid".to_owned(), people.user(rank).puid.to_string()),
    ]
}

fn count<'a>(source: &str, shards: impl Iterator<Item = &'a Shard>, rank: u32) -> Count {
    let mut count = Count { source: source.to_owned(), rows: 0, elsewhere: 0, by_shard: BTreeMap::new() };
    for shard in shards {
        if let Some(rows) = shard.tally.get(&rank) {
            count.rows += rows.own;
            count.elsewhere += rows.elsewhere;
            if rows.own > 0 {
                count.by_shard.insert(shard.path.clone(), rows.own);
            }
        }
    }
    count
}
