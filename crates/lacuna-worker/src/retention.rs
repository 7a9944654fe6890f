//! What time takes: deadlines that passed, packages that expired, identifiers that nobody needs, and what ended passes left.

use std::collections::BTreeSet;

use lacuna_engine::{PackageEnd, RequestId as EngineId, chain};
use lacuna_ledger::ExpiredPackage;
use lacuna_scan::TenantId;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::summary::{Retained, Summary};
use crate::{Result, Work, Worker};

/// Packages that are asked for at a time.
const PACKAGES: u32 = 500;
/// Sets of ended passes that are removed at a time.
const SETS: u32 = 1000;

impl Worker {
    pub(crate) async fn retention(&self, due: Option<OffsetDateTime>, stop: &CancellationToken) -> Result<Summary> {
        let retention = self.on_duty(Work::Retention, due, stop, async |stop| self.retain(stop).await).await?;
        Ok(Summary { retention, ..Summary::default() })
    }

    async fn retain(&self, stop: &CancellationToken) -> Result<Retained> {
        let lapsed = self.ledger.lapse(&self.actor, self.now()).await?;
        let (packages, packages_left) = self.expire_packages(stop).await?;
        let forgotten = self.ledger.forget(&self.actor, self.now()).await?;
        self.forget_passes().await?;
        while self.ledger.tidy(SETS).await? && !stop.is_cancelled() {}
        Ok(Retained {
            failed: lapsed.failed.len() as u64,
            expired: lapsed.expired.len() as u64,
            forgotten: forgotten.requests,
            packages,
            packages_left,
        })
    }

    /// Removes packages whose time is over; how many went, and how many are left.
    async fn expire_packages(&self, stop: &CancellationToken) -> Result<(u64, u64)> {
        let (mut gone, mut left) = (0, BTreeSet::new());
        while !stop.is_cancelled() {
            let limit = PACKAGES.saturating_add(u32::try_from(left.len()).unwrap_or(u32::MAX));
            let expired = self.ledger.expired_packages(limit, self.now()).await?;
            let new: Vec<&ExpiredPackage> = expired.iter().filter(|package| !left.contains(&package.request)).collect();
            if new.is_empty() {
                break;
            }
            for package in new {
                match self.remove_package(package).await {
                    Ok(PackageEnd::Gone) => {
                        self.ledger.package_removed(package.request, &self.actor, self.now()).await?;
                        gone += 1;
                    }
                    Ok(PackageEnd::Retained(files)) => {
                        tracing::warn!(request = %package.request, files, "the store keeps old bytes of an expired package");
                        left.insert(package.request);
                    }
                    Err(error) => {
                        tracing::error!(request = %package.request, error = chain(&error), "an expired package is left");
                        left.insert(package.request);
                    }
                }
            }
        }
        Ok((gone, left.len() as u64))
    }

    async fn remove_package(&self, package: &ExpiredPackage) -> Result<PackageEnd> {
        let request = self.ledger.request(package.request).await?;
        let id = EngineId::new(&package.request.to_string());
        let id = id.ok_or(lacuna_ledger::Error::Corrupt("a request's id"))?;
        let tenant = request.tenant.map(TenantId::new);
        Ok(self.engines.batch.remove_package(tenant.as_ref(), &id).await?)
    }

    /// Removes what killed workers kept of passes that have ended meanwhile.
    async fn forget_passes(&self) -> Result<()> {
        let kept = self.engines.batch.kept_passes().await?;
        // In this order: a pass that begins meanwhile is not among those that were kept.
        let open: BTreeSet<String> = self.ledger.open_passes().await?.iter().map(|pass| pass.id.to_string()).collect();
        for pass in kept.iter().filter(|pass| pass.parse::<i64>().is_ok() && !open.contains(*pass)) {
            self.engines.batch.forget_pass(pass).await?;
        }
        Ok(())
    }
}
