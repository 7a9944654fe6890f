//! Makes receipts of what a run did, signs them and writes them beside the logs.

use ed25519_dalek::SigningKey;
use lacuna_store::{BlobPath, Content, Store};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::engine::TOOL;
use crate::plan::OWN_PREFIX;
use crate::receipt::{RECEIPT_TYPE, RECEIPT_VERSION, Receipt, ReceiptProblem, ReceiptSource};
use crate::run::Searched;
use crate::{OnErase, Request, Source, commit, seal};

/// When the run began and ended.
pub(crate) struct Statement {
    started: OffsetDateTime,
    finished: OffsetDateTime,
}

impl Statement {
    pub(crate) fn begin() -> Self {
        let now = OffsetDateTime::now_utc();
        Self { started: now, finished: now }
    }

    pub(crate) fn end(&mut self) {
        self.finished = OffsetDateTime::now_utc();
    }

    /// The signed receipt of one request: for each source its shards searched and the request's index.
    pub(crate) fn receipt(
        &self,
        request: &Request,
        complete: bool,
        sources: &[(&Source, &Searched, u64, usize)],
        key: &SigningKey,
    ) -> String {
        let mut kinds: Vec<String> =
            request.selector.identifiers.iter().map(|identifier| identifier.kind.to_string()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let receipt = Receipt {
            version: RECEIPT_VERSION,
            request: request.id.to_string(),
            tenant: request.selector.tenant.clone(),
            subject: seal::subject_hash(key, &request.selector.identifiers),
            identifier_kinds: kinds,
            started: rfc3339(self.started),
            finished: rfc3339(self.finished),
            tool: TOOL.into(),
            complete,
            sources: sources
                .iter()
                .map(|(source, searched, shards, index)| ReceiptSource {
                    source: source.name.clone(),
                    on_erase: on_erase(&source.on_erase).into(),
                    shards_searched: *shards,
                    shards: searched.receipts[*index].clone(),
                    problems: searched
                        .outcome
                        .problems
                        .iter()
                        .map(|problem| ReceiptProblem { shard: problem.shard.clone(), reason: problem.reason.clone() })
                        .collect(),
                })
                .collect(),
            chain_head: None,
        };
        // Plain structs of strings and numbers always serialise.
        let payload = serde_json::to_vec(&receipt).unwrap_or_default();
        seal::sign(key, RECEIPT_TYPE, &payload)
    }

    /// Writes a receipt; answers with its path.
    pub(crate) async fn write(
        &self,
        store: &dyn Store,
        request: &Request,
        jws: &str,
    ) -> Result<String, lacuna_store::Error> {
        let mut path = format!("{OWN_PREFIX}receipts/{}.jws", request.id);
        // A request that is run again makes another receipt; none is ever overwritten.
        for run in 2_u32.. {
            let blob = BlobPath::new(path.clone()).map_err(|error| lacuna_store::Error {
                path: None,
                kind: lacuna_store::ErrorKind::Configuration,
                source: Some(Box::new(error)),
            })?;
            let content = Content::Bytes(format!("{jws}\n").into());
            match commit::create(store, &blob, content, "application/jose").await {
                Err(error) if error.kind == lacuna_store::ErrorKind::AlreadyExists => {
                    path = format!("{OWN_PREFIX}receipts/{}.{run}.jws", request.id);
                }
                result => return result.map(|_| path),
            }
        }
        Ok(path)
    }
}

fn on_erase(on_erase: &OnErase) -> &'static str {
    match on_erase {
        OnErase::Delete => "delete",
        OnErase::Anonymize => "anonymize",
        OnErase::Keep { .. } => "keep",
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
