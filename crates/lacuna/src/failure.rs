//! Why a command ends early: what the user sees of an error, as text and as JSON.

use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::json;

use crate::args;
use crate::exit::ExitCode;

/// A command's end before its work was done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    message: String,
    causes: Vec<String>,
    advice: Option<String>,
}

/// A command's result.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// The arguments or the configuration cannot be right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Usage, message: message.into(), causes: Vec::new(), advice: None }
    }

    /// Anything else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Failed, ..Self::usage(message) }
    }

    /// The rules say no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Refused, ..Self::usage(message) }
    }

    /// Stopped by a signal.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self { code: ExitCode::Interrupted, ..Self::usage(message) }
    }

    /// What lies beneath: the error and its chain of sources, each said once.
    #[must_use]
    pub(crate) fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            let last = self.causes.last().unwrap_or(&self.message);
            // Some errors repeat their source in their own text.
            if !last.ends_with(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// One cause that is no error value.
    #[must_use]
    pub(crate) fn cause(mut self, text: impl Into<String>) -> Self {
        self.causes.push(text.into());
        self
    }

    /// What the user can do about it.
    #[must_use]
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// How the process ends.
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// For people, on standard error.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        for cause in &self.causes {
            let _ = writeln!(text, "  {cause}");
        }
        if let Some(advice) = &self.advice {
            let _ = writeln!(text, "\n{advice}");
        }
        text
    }

    /// For programs, on standard output.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut error = json!({ "message": self.message, "causes": self.causes });
        if let Some(advice) = &self.advice {
            error["advice"] = json!(advice);
        }
        json!({ "error": error })
    }
}

impl From<&clap::Error> for Failure {
    fn from(error: &clap::Error) -> Self {
        if args::may_name_somebody(error) {
            let what = match (error.kind(), error.get(ContextKind::InvalidArg)) {
                (ErrorKind::UnknownArgument, _) => "an unexpected argument".to_owned(),
                (_, Some(ContextValue::String(option))) => format!("the value of {option} cannot be right"),
                _ => "an unknown command".to_owned(),
            };
            return Self::usage(format!("{what} (not shown, as it may be an identifier)"))
                .advice("Identifiers go behind --subject, as KIND=VALUE, or into what --subjects names.");
        }
        // The first paragraph says what is wrong, line by line; tips follow, and how the command is used.
        let text = error.to_string();
        let (wrong, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message: Vec<_> = wrong.trim_start_matches("error: ").lines().map(str::trim).collect();
        let failure = Self::usage(message.join(" "));
        let tips: Vec<_> = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
        if tips.is_empty() { failure } else { failure.advice(tips.join("; ")) }
    }
}

impl From<lacuna_engine::Error> for Failure {
    fn from(error: lacuna_engine::Error) -> Self {
        use lacuna_engine::Error;
        let failure = match &error {
            Error::Configuration(_) | Error::Source { .. } => Self::usage(error.to_string()),
            Error::Store { source, .. } if source.kind == lacuna_store::ErrorKind::Configuration => {
                Self::usage(error.to_string())
            }
            _ => Self::other(error.to_string()),
        };
        let failure = match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        };
        match &error {
            Error::Store { source, .. } if source.path.is_none() && source.gap.is_none() => match source.kind {
                lacuna_store::ErrorKind::AccessDenied => failure.advice(
                    "Is the credential the right one (the README says which is taken), in its time, and may it list, read, write and delete \
                     there?",
                ),
                lacuna_store::ErrorKind::NotFound => failure.advice("Are `url`, and in Azure `account` or `endpoint`, spelt right?"),
                _ => failure,
            },
            _ => failure,
        }
    }
}

impl From<lacuna_worker::Error> for Failure {
    fn from(error: lacuna_worker::Error) -> Self {
        match error {
            lacuna_worker::Error::Ledger(error) => error.into(),
            lacuna_worker::Error::Engine(error) => error.into(),
        }
    }
}

impl From<lacuna_ledger::Error> for Failure {
    fn from(error: lacuna_ledger::Error) -> Self {
        use lacuna_ledger::Error;
        let failure = match &error {
            Error::Refused(refusal) => Self::from(*refusal),
            Error::NotFound(what) => {
                Self::usage(error.to_string()).advice(format!("`lacuna {what} list` shows the ids there are."))
            }
            Error::Configuration(_) => Self::usage(error.to_string()),
            Error::Key(_) => Self::usage(error.to_string()).advice(
                "Identifiers were encrypted with another key: name it in `[ledger] older_subject_keys`, or give back the one \
                 that was.",
            ),
            Error::Busy | Error::Unavailable(_) => Self::other(error.to_string()).advice("The same command may succeed later."),
            Error::Corrupt(_) => Self::other(error.to_string()).advice("`lacuna ledger verify` says what of it still holds."),
            Error::Fenced | Error::Database(_) => Self::other(error.to_string()),
        };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

impl From<lacuna_ledger::Refusal> for Failure {
    fn from(refusal: lacuna_ledger::Refusal) -> Self {
        use lacuna_ledger::{Refusal, State};
        let failure = Self::refused(refusal.to_string());
        let advice = match refusal {
            Refusal::Role(_) | Refusal::OthersRequest => "Act as somebody who may, with --as NAME.",
            Refusal::OwnRequest | Refusal::ApprovedAlready => {
                "Somebody else must approve it: four eyes see more than two."
            }
            Refusal::OtherBody => "Send the same request with the same key, or another request with a key of its own.",
            Refusal::NamesSubject(_) => "Say it without the identifier.",
            Refusal::NoReason => "Give one with --reason TEXT.",
            Refusal::State(State::Running) => {
                "A pass is at work on it: wait for its end, which `lacuna request show` tells."
            }
            Refusal::State(State::Verifying) => {
                "Its records are hidden already, and it ends when a purge has taken them out of the bytes, unless a hold keeps them."
            }
            Refusal::Ended(_)
            | Refusal::State(_)
            | Refusal::Kind(_)
            | Refusal::ExtendedAlready
            | Refusal::TooLateToExtend
            | Refusal::Months
            | Refusal::PausedAlready
            | Refusal::NotPaused
            | Refusal::Malformed(_) => return failure,
        };
        failure.advice(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_now_says_when() {
        use lacuna_ledger::{Refusal, State};
        let text = |state| Failure::from(Refusal::State(state)).text();
        assert!(text(State::Running).contains("wait for its end"));
        assert!(
            text(State::Verifying).contains("when a purge has taken them out of the bytes, unless a hold keeps them")
        );
        assert!(!text(State::Scheduled).contains("purge"));
    }

    #[test]
    fn a_chain_is_said_once() {
        let error = lacuna_engine::Error::Temp(std::io::Error::other("no space left"));
        let failure = Failure::from(error).advice("Make room.");
        insta::assert_snapshot!(failure.text(), @r"
        error: cannot write temporary files
          no space left

        Make room.
        ");
        assert_eq!(failure.json()["error"]["causes"], json!(["no space left"]));
        assert_eq!(failure.code(), ExitCode::Failed);
    }
}
