//! The report as the one JSON document of `--json`.

use serde_json::{Value, json};

use super::{Asked, Report};

impl Report<'_> {
    /// The outcome, with what came of its one request lifted to the top.
    pub(crate) fn json(&self) -> Value {
        let outcome = &self.ran.outcome;
        let mut document = json!({
            "matched": outcome.matched,
            "complete": outcome.is_complete(),
            "interrupted": outcome.interrupted,
            "sources": outcome.sources,
        });
        if let [request] = outcome.requests.as_slice() {
            document["request"] = json!(request.request);
            if let Some(package) = &request.package {
                document["package"] = json!(package);
            }
            if let Some(receipt) = &request.receipt {
                document["receipt"] = json!(receipt);
            }
            if let Some(receipt) = &request.receipt_jws {
                document["receipt_jws"] = json!(receipt);
            }
        }
        if self.is_erasure() {
            document["erased"] = json!(outcome.sources.iter().map(|source| source.erased).sum::<u64>());
            document["hidden"] = json!(outcome.sources.iter().map(|source| source.hidden).sum::<u64>());
            document["dry_run"] = json!(!matches!(self.asked, Asked::Erase | Asked::Hide));
        }
        document["requests"] = json!(outcome.requests);
        document["seconds"] = json!(self.ran.elapsed.as_secs_f64());
        document
    }
}
