//! A ledger that is open.

use std::fmt;
use std::sync::Arc;

use crate::change::Change;
use crate::sql::{Db, Tries, Tx, args};
use crate::testing::{Fault, Faults, Moment};
use crate::{Error, Keys, LedgerConfig, Policy, Result};

/// A ledger that is open: cheap to clone, and used by any number of tasks at a time.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    db: Db,
    keys: Keys,
    policy: Policy,
    faults: Option<Arc<dyn Faults>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// Whether there is a ledger at `url`: a SQLite file or a PostgreSQL database with its tables. An empty file is none.
///
/// Fails when a server cannot be reached.
pub async fn is_there(url: &str) -> Result<bool> {
    Db::is_there(url).await
}

impl Ledger {
    /// Opens the ledger, makes it when there is none, and brings its tables up to date.
    ///
    /// [`Error::Key`] when it was made with another hashing key: nobody would be found again.
    pub async fn open(config: &LedgerConfig) -> Result<Self> {
        let db = Db::open(&config.url).await?;
        let ledger =
            Self(Arc::new(Inner { db, keys: config.keys.clone(), policy: config.policy.clone(), faults: None }));
        let check = config.keys.check();
        let kept = ledger
            .change(async |change| {
                let first = "INSERT INTO ledger (one, key_check, chain_sequence, chain_hash, last_pass, last_standing)
                    VALUES (1, $1, 0, $2, 0, 0) ON CONFLICT (one) DO NOTHING";
                change.tx.run(first, args![check.as_slice(), [0; 32].as_slice()]).await?;
                let row = change.tx.one("SELECT key_check FROM ledger WHERE one = 1", args![]).await?;
                Ok(row.bytes("key_check")?.to_vec())
            })
            .await?;
        if kept != check {
            return Err(Error::Key("hashing".into()));
        }
        Ok(ledger)
    }

    /// The same ledger, with faults on the way to its database.
    #[must_use]
    pub fn with_faults(&self, faults: Arc<dyn Faults>) -> Self {
        Self(Arc::new(Inner { faults: Some(faults), ..Inner::clone(&self.0) }))
    }

    /// Waits for what is under way and closes every connection; a SQLite file has no WAL beside it then.
    pub async fn close(&self) {
        self.0.db.close().await;
    }

    /// What requests are bound to.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    /// Does `work` in one transaction that sees one moment.
    pub(crate) async fn read(&self) -> Result<Tx> {
        self.strike(Moment::Begin)?;
        self.0.db.read().await
    }

    /// Does `work` in one transaction, with what it records. When others were in the way it is run again, from its start.
    pub(crate) async fn change<T>(&self, work: impl AsyncFn(&mut Change) -> Result<T>) -> Result<T> {
        let mut tries = Tries::default();
        loop {
            match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn attempt<T>(&self, work: &impl AsyncFn(&mut Change) -> Result<T>) -> Result<T> {
        self.strike(Moment::Begin)?;
        let mut change = Change::begin(self.0.db.write().await?, self.0.policy.clone());
        let value = match work(&mut change).await {
            Ok(value) => value,
            Err(error) => {
                // Here and not some time after it is dropped: nobody shall find rows locked by what was refused.
                change.tx.roll_back().await;
                return Err(error);
            }
        };
        let tx = change.finish().await?;
        self.strike(Moment::Commit)?;
        tx.commit().await?;
        self.strike(Moment::Committed)?;
        Ok(value)
    }

    fn strike(&self, moment: Moment) -> Result<()> {
        match self.0.faults.as_ref().and_then(|faults| faults.strike(moment)) {
            None => Ok(()),
            // Nobody may run a transaction again that may have been committed.
            Some(Fault::Busy) if moment != Moment::Committed => Err(Error::Busy),
            Some(Fault::Busy | Fault::Lost) => Err(Error::lost()),
        }
    }
}
