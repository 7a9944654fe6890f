//! What happened, row by row: the common part of every record.

use std::fmt::Write as _;

use super::{
    clock::DAY_MS,
    people::{Population, Tenant, User},
    plan::{NOBODY, Slot},
    rng::Rng,
    tally::Tally,
    uuid::UuidText,
    words,
};

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    /// Who did it; `None` is a service.
    pub(crate) user: Option<User>,
    /// In which organisation; `None` is unknown.
    pub(crate) tenant: Option<&'a Tenant>,
    /// When, in milliseconds since 1970 in UTC.
    pub(crate) at_ms: i64,
    slot: Slot,
}

impl Event<'_> {
    pub(crate) fn tenant_id(&self) -> Option<&str> {
        self.tenant.map(|tenant| tenant.id.as_str())
    }

    pub(crate) fn offset_minutes(&self) -> i32 {
        self.tenant.map_or(0, |tenant| tenant.offset_minutes)
    }

    pub(crate) fn user_id(&self) -> Option<UuidText> {
        self.user.map(|user| UuidText::new(user.object_id))
    }
}

/// The events of one shard, in order.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    pub(crate) people: &'a Population,
    pub(crate) rng: Rng,
    slots: std::slice::Iter<'a, Slot>,
    tally: Tally<'a>,
    day_ms: i64,
    rows: i64,
    row: i64,
}

impl<'a> Events<'a> {
    /// Events of the day that begins at `day_ms`.
    pub(crate) fn new(people: &'a Population, slots: &'a [Slot], rng: Rng, tally: Tally<'a>, day_ms: i64) -> Self {
        let rows = i64::try_from(slots.len()).unwrap_or(i64::MAX);
        Self { people, rng, slots: slots.iter(), tally, day_ms, rows, row: 0 }
    }

    pub(crate) fn next(&mut self) -> Option<Event<'a>> {
        let slot = *self.slots.next()?;
        self.tally.add(slot);
        let user = (slot.rank != NOBODY).then(|| self.people.user(slot.rank));
        let tenant = self.people.tenants.get(slot.tenant as usize);
        let at_ms = self.day_ms + self.row * (DAY_MS - 1000) / self.rows + i64::from(self.rng.below(1000));
        self.row += 1;
        Some(Event { user, tenant, at_ms, slot })
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Others who took part: at most `most`, each once, and not the one who did it.
    pub(crate) fn others(&mut self, event: &Event<'_>, most: u32, into: &mut Vec<User>) {
        into.clear();
        for _ in 0..self.rng.below(most + 1) {
            let rank = self.people.draw(&mut self.rng);
            if rank != event.slot.rank && into.iter().all(|other| other.rank != rank) {
                self.tally.add(Slot { rank, tenant: event.slot.tenant });
                into.push(self.people.user(rank));
            }
        }
    }

    pub(crate) fn finish(self) -> Tally<'a> {
        self.tally
    }

    /// Appends the address that the event came from: the person's own, mostly.
    pub(crate) fn push_ip(&mut self, out: &mut String, event: &Event<'_>) {
        let host = match event.user {
            Some(user) if !self.rng.one_in(5) => user.trait_hash,
            _ => self.rng.below(u32::MAX),
        };
        let _ = if host.is_multiple_of(10) {
            write!(out, "2001:db8:{:x}:{:x}::{:x}", host >> 20, host >> 8 & 0xfff, host & 0xff)
        } else {
            // The shared range of providers (RFC 6598): nobody's public address.
            write!(out, "100.{}.{}.{}", 64 + (host >> 26), host >> 18 & 0xff, host >> 10 & 0xff)
        };
    }

    /// What the person works with, mostly.
    pub(crate) fn platform(&mut self, event: &Event<'_>) -> &'static str {
        match event.user {
            Some(user) if !self.rng.one_in(8) => words::PLATFORMS[user.trait_hash as usize % words::PLATFORMS.len()],
            _ => self.rng.pick(&words::PLATFORMS),
        }
    }

    /// Appends the event's user's address in some case; nothing for a service.
    pub(crate) fn push_email(&mut self, out: &mut String, event: &Event<'_>) {
        if let Some(user) = event.user {
            self.people.push_email_as_seen(out, user.rank, &mut self.rng);
        }
    }
}
