//! Whose row each row of a shard is, before any record is made: drawn by rank, with the known people planted.

use super::{
    people::Population,
    rng::{Rng, mix},
    sample::Sample,
};

/// Stands for no user.
pub(crate) const NOBODY: u32 = u32::MAX;
/// Stands for no tenant.
pub(crate) const NO_TENANT: u32 = u32::MAX;

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) rank: u32,
    pub(crate) tenant: u32,
}

/// One shard of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardPlan {
    /// The source's index in the sample.
    pub(crate) source: u64,
    /// The shard's index in the source.
    pub(crate) shard: u64,
    /// The shard's first row, as a row of the source.
    pub(crate) first_row: u64,
    /// Rows of the shard.
    pub(crate) rows: u64,
    /// Rows of the source.
    pub(crate) source_rows: u64,
}

impl ShardPlan {
    /// Random numbers that are this shard's own for one `purpose`.
    pub(crate) fn rng(&self, seed: u64, purpose: u64) -> Rng {
        Rng::new(&[seed, purpose, self.source, self.shard])
    }

    /// The shard's rows, in the order in which they come about.
    pub(crate) fn slots(&self, sample: &Sample, people: &Population) -> anyhow::Result<Vec<Slot>> {
        let rows = usize::try_from(self.rows)?;
        let mut rng = self.rng(sample.seed, 10);
        let mut slots: Vec<Slot> = (0..rows)
            .map(|_| {
                if rng.one_in(64) {
                    let tenant = people.tenant_of(people.draw(&mut rng));
                    return Slot { rank: NOBODY, tenant: if rng.one_in(16) { NO_TENANT } else { tenant } };
                }
                let rank = people.draw(&mut rng);
                Slot { rank, tenant: people.tenant_of(rank) }
            })
            .collect();
        let mut planted = vec![false; rows];
        for (row, slot) in self.plants(sample, people) {
            // Two plants on one row: the later one takes the next free row.
            let free = (0..rows).map(|step| (row + step) % rows).find(|&row| !planted[row]);
            if let Some(row) = free {
                planted[row] = true;
                slots[row] = slot;
            }
        }
        Ok(slots)
    }

    fn plants(&self, sample: &Sample, people: &Population) -> Vec<(usize, Slot)> {
        let mut plants = Vec::new();
        let own = |rank| Slot { rank, tenant: people.tenant_of(rank) };
        let mut plant = |row: u64, slot| {
            if let Some(row) = row.checked_sub(self.first_row).filter(|&row| row < self.rows) {
                plants.extend(usize::try_from(row).ok().map(|row| (row, slot)));
            }
        };
        for row in scattered(0, self.source_rows, sample.rare_rows, mix(sample.seed ^ self.source)) {
            plant(row, own(people.rare()));
        }
        let group = (sample.parquet.row_group_rows as u64).max(1);
        for start in (0..self.rows).step_by(usize::try_from(group).unwrap_or(usize::MAX)) {
            let rows = group.min(self.rows - start);
            let many = (rows / sample.common_every.max(1)).max(1);
            let salt = mix(sample.seed ^ (self.source << 40) ^ (self.first_row + start) ^ (1 << 60));
            for row in scattered(self.first_row + start, rows, many, salt) {
                plant(row, own(people.common()));
            }
        }
        if sample.guests {
            let other = if people.tenants.len() > 1 { 1 } else { NO_TENANT };
            for (index, (rank, tenant)) in [
                (people.rare(), other),
                (people.rare(), NO_TENANT),
                (people.common(), other),
                (people.common(), NO_TENANT),
            ]
            .into_iter()
            .enumerate()
            {
                for row in
                    scattered(0, self.source_rows, 1, mix(sample.seed ^ self.source ^ ((index as u64 + 2) << 60)))
                {
                    plant(row, Slot { rank, tenant });
                }
            }
        }
        plants
    }
}

/// One row in each of `many` equal stretches of `first .. first + rows` (in fewer, if there are fewer rows).
fn scattered(first: u64, rows: u64, many: u64, salt: u64) -> impl Iterator<Item = u64> {
    let many = many.min(rows);
    (0..many).map(move |index| {
        let (start, end) = (part(rows, index, many), part(rows, index + 1, many));
        first + start + mix(salt ^ mix(index)) % (end - start).max(1)
    })
}

/// `index / parts` of `whole`, so that the parts add up.
pub(crate) fn part(whole: u64, index: u64, parts: u64) -> u64 {
    let part = u128::from(whole) * u128::from(index) / u128::from(parts.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}
