//! What a notice says: a change of state, in Standard Webhooks' shape.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A change of a request's state. Nothing in it says whom the request is about, or who asked.
#[derive(Clone, Debug)]
pub struct Change {
    /// The request's id.
    pub request: String,
    /// What the request wants: `discover`, `export` or `erase`.
    pub kind: &'static str,
    /// The state it was in; `None` for a new request.
    pub previous: Option<&'static str>,
    /// The state it is in.
    pub state: &'static str,
    /// When it came to be in it.
    pub at: OffsetDateTime,
    /// When the request was received.
    pub received: OffsetDateTime,
    /// By when it must be answered.
    pub due: OffsetDateTime,
    /// What was found and done so far, where that is known.
    pub counts: Option<Counts>,
}

/// Records, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that belong to the person.
    pub matched: u64,
    /// Of these, those that are hidden or gone.
    pub erased: u64,
    /// Of these, those that stay because of a hold.
    pub kept: u64,
}

impl Change {
    /// The body to send.
    pub(super) fn body(&self) -> String {
        let time = |time: OffsetDateTime| time.format(&Rfc3339).ok();
        let mut data = json!({
            "request": self.request,
            "kind": self.kind,
            "previous": self.previous,
            "state": self.state,
            "received": time(self.received),
            "due": time(self.due),
        });
        if let Some(Counts { matched, erased, kept }) = self.counts {
            data["counts"] = json!({ "matched": matched, "erased": erased, "kept": kept });
        }
        json!({ "type": format!("request.{}", self.state), "timestamp": time(self.at), "data": data }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_body_has_states_times_and_counts() {
        let change = Change {
            request: "0192e5c4".into(),
            kind: "erase",
            previous: Some("verifying"),
            state: "complete",
            at: datetime!(2026-03-02 10:00:00 UTC),
            received: datetime!(2026-03-01 09:30:00 UTC),
            due: datetime!(2026-03-31 09:30:00 UTC),
            counts: Some(Counts { matched: 7, erased: 6, kept: 1 }),
        };
        insta::assert_snapshot!(change.body(), @r#"{"type":"request.complete","timestamp":"2026-03-02T10:00:00Z","data":{"request":"0192e5c4","kind":"erase","previous":"verifying","state":"complete","received":"2026-03-01T09:30:00Z","due":"2026-03-31T09:30:00Z","counts":{"matched":7,"erased":6,"kept":1}}}"#);
    }
}
