//! Who is in the logs: ranked users of a few tenants, made from their rank alone.

use std::fmt::Write as _;

use super::{
    rng::{Rng, bytes16, mix},
    uuid::{UuidText, version4},
    words,
};

/// The rank of the person with most rows.
pub(crate) const BUSIEST: u32 = 0;

/// An organisation.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) domain: String,
    pub(crate) offset_minutes: i32,
}

/// A person, by what logs call them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) rank: u32,
    pub(crate) object_id: [u8; 16],
    /// A numeric id, as older services use.
    pub(crate) puid: i64,
    /// A 32-bit hash of the person, for what they have one of: a home address, a device.
    pub(crate) trait_hash: u32,
}

/// All users and tenants of a sample.
#[derive(Debug)]
pub(crate) struct Population {
    seed: u64,
    users: u32,
    pub(crate) tenants: Vec<Tenant>,
    octaves: Vec<Octave>,
}

/// Ranks `first .. first + width`, drawn when a random number is below `up_to` and not below the bound of the one before.
#[derive(Debug)]
struct Octave {
    up_to: u64,
    first: u32,
    width: u32,
}

impl Population {
    /// `users` ranked users; two more ranks above them are for the rare and the common person.
    pub(crate) fn new(seed: u64, users: u32, tenants: u32, octave_growth: f64) -> Self {
        let tenants = (0..tenants)
            .map(|index| {
                let name =
                    words::TENANTS.get(index as usize).map_or_else(|| format!("org{index}"), ToString::to_string);
                let mut rng = Rng::new(&[seed, 1, u64::from(index)]);
                Tenant {
                    id: UuidText::new(version4(rng.bytes16())).as_str().to_owned(),
                    domain: format!("{name}.example"),
                    offset_minutes: words::OFFSETS[index as usize % words::OFFSETS.len()],
                }
            })
            .collect();
        Self { seed, users, tenants, octaves: octaves(users, octave_growth) }
    }

    pub(crate) fn rare(&self) -> u32 {
        self.users
    }

    pub(crate) fn common(&self) -> u32 {
        self.users + 1
    }

    /// How many ranks there are.
    pub(crate) fn ranks(&self) -> u32 {
        self.users + 2
    }

    /// Draws a user, the low ranks more often.
    pub(crate) fn draw(&self, rng: &mut Rng) -> u32 {
        let drawn = rng.next();
        // The last octave is the likeliest.
        let octave = self.octaves.iter().rev().take_while(|octave| drawn <= octave.up_to).last();
        octave.map_or(BUSIEST, |octave| octave.first + rng.below(octave.width))
    }

    /// The index of the tenant that a user belongs to. The known people are of the first.
    pub(crate) fn tenant_of(&self, rank: u32) -> u32 {
        if rank == BUSIEST || rank >= self.users {
            return 0;
        }
        let last = u32::try_from(self.tenants.len()).unwrap_or(1).saturating_sub(1);
        self.hash(2, rank).trailing_zeros().min(last)
    }

    pub(crate) fn user(&self, rank: u32) -> User {
        let object_id = version4(bytes16(self.hash(3, rank), self.hash(4, rank)));
        let puid = 1_000_000_007 + i64::from(rank) * 104_729;
        User { rank, object_id, puid, trait_hash: (self.hash(5, rank) >> 32) as u32 }
    }

    /// Appends the user's address, in lower case: `adele.vance17@contoso.example`.
    pub(crate) fn push_email(&self, out: &mut String, rank: u32) {
        let start = out.len();
        let (given, surname) = (words::GIVEN.len(), words::SURNAMES.len());
        let index = rank as usize;
        out.push_str(words::GIVEN[index % given]);
        out.push('.');
        out.push_str(words::SURNAMES[index / given % surname]);
        let number = index / given / surname;
        if number > 0 {
            let _ = write!(out, "{number}");
        }
        out[start..].make_ascii_lowercase();
        out.push('@');
        out.push_str(&self.tenants[self.tenant_of(rank) as usize].domain);
    }

    /// Appends the user's address in the case in which some service happens to write it.
    pub(crate) fn push_email_as_seen(&self, out: &mut String, rank: u32, rng: &mut Rng) {
        let start = out.len();
        self.push_email(out, rank);
        match rng.below(10) {
            0 => out[start..].make_ascii_uppercase(),
            1..=3 => out[start..=start].make_ascii_uppercase(),
            _ => {}
        }
    }

    fn hash(&self, salt: u64, rank: u32) -> u64 {
        mix(mix(self.seed.wrapping_add(salt << 56)) ^ u64::from(rank))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float is cast to the nearest u64, saturating")]
fn octaves(users: u32, growth: f64) -> Vec<Octave> {
    let mut weights = Vec::new();
    let (mut first, mut weight) = (0_u32, 1.0_f64);
    while first < users {
        let full = first + 1;
        let width = full.min(users - first);
        weights.push((first, width, weight * f64::from(width) / f64::from(full)));
        first += width;
        weight *= growth;
    }
    let total: f64 = weights.iter().map(|(_, _, weight)| weight).sum();
    let mut sum = 0.0;
    let mut octaves: Vec<Octave> = weights
        .into_iter()
        .map(|(first, width, weight)| {
            sum += weight;
            Octave { up_to: (sum / total * u64::MAX as f64) as u64, first, width }
        })
        .collect();
    if let Some(last) = octaves.last_mut() {
        last.up_to = u64::MAX;
    }
    octaves
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn identifiers_are_unique() {
        let people = Population::new(1, 20_000, 4, 1.1);
        let mut emails = HashSet::new();
        let mut ids = HashSet::new();
        for rank in 0..people.ranks() {
            let mut email = String::new();
            people.push_email(&mut email, rank);
            assert!(emails.insert(email));
            assert!(ids.insert(people.user(rank).object_id));
        }
    }

    #[test]
    fn low_ranks_are_drawn_more_often_and_all_octaves_are_drawn() {
        let people = Population::new(1, 1000, 4, 1.0);
        let mut rng = Rng::new(&[7]);
        let mut drawn = vec![0_u32; 1000];
        (0..100_000).for_each(|_| drawn[people.draw(&mut rng) as usize] += 1);
        // Ten octaves, nearly alike: rank 1 has a tenth of all rows, the last 489 ranks together as much.
        assert!((9_000..11_500).contains(&drawn[0]), "{}", drawn[0]);
        assert!((9_000..11_500).contains(&drawn[511..].iter().sum::<u32>()));
        assert!(drawn.iter().filter(|&&rows| rows > 0).count() > 990);
    }
}
