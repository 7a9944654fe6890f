//! Works through the ledger: what is due, what is hidden and must go, what arrived since, and who must be told.
