//! The arguments of the commands that work on the ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lacuna_ledger::{Kind, State};
use time::{Date, OffsetDateTime};

use super::{PackageFormat, Who};
use crate::units::{parse_date, parse_moment};

/// Where the ledger is, and who acts on it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Acting {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "lacuna.toml")]
    pub config: PathBuf,
    /// The account that acts, as `[ledger.roles]` and the audit chain know it [default: the system's user]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// Write one JSON document to standard output, and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// How a request is recorded.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "In the ledger")]
pub(crate) struct Filing {
    /// Sent again with the same key, the same request is recorded once, and another is refused
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// The law it rests on [default: gdpr]
    #[arg(long, value_name = "LAW")]
    pub regulation: Option<String>,
    /// When it was received, as `2026-03-01` or `2026-03-01T09:30:00Z`: its clock runs from there [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub received: Option<OffsetDateTime>,
    /// Run at once, beside the common pass
    #[arg(long)]
    pub on_demand: bool,
    /// Erase without the time in which it can be cancelled: an approver's word
    #[arg(long)]
    pub force: bool,
}

/// How `export` and `erase` go through the ledger, where one is configured.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "In the ledger")]
pub(crate) struct Following {
    /// Record the request, say its id, and do not wait until a worker has carried it out
    #[arg(long)]
    pub detach: bool,
    /// The account that asks, as `[ledger.roles]` and the audit chain know it [default: the system's user]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// How it is recorded.
    #[command(flatten)]
    pub filing: Filing,
}

impl Following {
    /// The first of these arguments that was given: without a ledger, none can be.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self { detach, name, filing } = self;
        let Filing { idempotency_key, regulation, received, on_demand, force } = filing;
        let given = [
            (*detach, "--detach"),
            (name.is_some(), "--as"),
            (idempotency_key.is_some(), "--idempotency-key"),
            (regulation.is_some(), "--regulation"),
            (received.is_some(), "--received"),
            (*on_demand, "--on-demand"),
            (*force, "--force"),
        ];
        given.into_iter().find(|it| it.0).map(|it| it.1)
    }
}

/// `lacuna request`.
#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Record a request; the worker does the rest
    Submit(SubmitArgs),
    /// The requests: the newest first, or the most urgent with --overdue and --near-due
    List(ListArgs),
    /// One request: where it stands, what was found, and what is missing
    Show(OneArgs),
    /// Say yes to an erasure
    Approve(ApproveArgs),
    /// Say no to a request
    Deny(ReasonArgs),
    /// Take a request back
    Cancel(CancelArgs),
    /// Move the deadline by one or two months: once, with a reason, and before it has passed
    Extend(ExtendArgs),
    /// Stop the clock while the requester must answer
    Pause(ReasonArgs),
    /// Let the clock go on
    Resume(OneArgs),
}

impl RequestCommand {
    /// What the subcommands have in common.
    pub(crate) fn acting(&self) -> &Acting {
        match self {
            Self::Submit(args) => &args.acting,
            Self::List(args) => &args.acting,
            Self::Show(args) | Self::Resume(args) => &args.acting,
            Self::Approve(args) => &args.one.acting,
            Self::Deny(args) | Self::Pause(args) => &args.one.acting,
            Self::Cancel(args) => &args.one.acting,
            Self::Extend(args) => &args.one.acting,
        }
    }
}

/// `lacuna request submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// What is wanted
    pub kind: Wanted,
    /// Whom it is about.
    #[command(flatten)]
    pub who: Who,
    /// The sources it is about; all of them when absent
    #[arg(long, value_name = "NAME", num_args = 1.., help_heading = "Where to look")]
    pub source: Vec<String>,
    /// The format of a package's data files
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub format: PackageFormat,
    /// Take the records out of the bytes in the same pass; without it, they are hidden until the next purge
    #[arg(long)]
    pub now: bool,
    /// How it is recorded.
    #[command(flatten)]
    pub filing: Filing,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    /// Counts only
    Discover,
    /// The records, as a package
    Export,
    /// The records gone, and a receipt
    Erase,
    /// The records as a package, and then gone
    ExportAndErase,
    /// Other values in the records: refused, since logs are a factual history
    #[value(hide = true)]
    Rectify,
    /// The records set aside: refused, since logs are a factual history
    #[value(hide = true)]
    Restrict,
}

impl Wanted {
    /// The ledger's word for it; `None` for what is refused.
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Self::Discover => Some(Kind::Discover),
            Self::Export => Some(Kind::Export),
            Self::Erase => Some(Kind::Erase),
            Self::ExportAndErase => Some(Kind::ExportAndErase),
            Self::Rectify | Self::Restrict => None,
        }
    }
}

/// `lacuna request list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this tenant only
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// In this state only
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<State>,
    /// Of this kind only
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<Kind>,
    /// Past their deadline only. Ends with code 5 when there is one
    #[arg(long, conflicts_with = "near_due")]
    pub overdue: bool,
    /// Past their deadline or close to it only
    #[arg(long)]
    pub near_due: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where the last page ended; it says where
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// One request.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The request's id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// `lacuna request approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Which.
    #[command(flatten)]
    pub one: OneArgs,
    /// Also before its records are counted, and without the time in which it can be cancelled
    #[arg(long)]
    pub force: bool,
}

/// One request, and why.
#[derive(Debug, Args)]
pub(crate) struct ReasonArgs {
    /// Which.
    #[command(flatten)]
    pub one: OneArgs,
    /// Why. It is kept for ever: never name the person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `lacuna request cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Which.
    #[command(flatten)]
    pub one: OneArgs,
    /// Why. It is kept for ever: never name the person
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `lacuna request extend`.
#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// Which.
    #[command(flatten)]
    pub one: OneArgs,
    /// By how many months
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub months: u8,
    /// Why: too complex, too many. It is kept for ever: never name the person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `lacuna hold`.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Keep a source, or a person's records, from every erasure
    Set(HoldSetArgs),
    /// End a hold
    Lift(HoldLiftArgs),
    /// The holds, the newest first; those of the configuration included
    List(HoldListArgs),
}

impl HoldCommand {
    /// What the subcommands have in common.
    pub(crate) fn acting(&self) -> &Acting {
        match self {
            Self::Set(args) => &args.acting,
            Self::Lift(args) => &args.acting,
            Self::List(args) => &args.acting,
        }
    }
}

/// `lacuna hold set`.
#[derive(Debug, Args)]
pub(crate) struct HoldSetArgs {
    /// The source that is kept. Without it, the person of --subject or --subjects is
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tenant", "subject", "subjects", "apart"])]
    pub source: Option<String>,
    /// What sort of records the source has
    #[arg(long, value_name = "CLASS", default_value = "audit")]
    pub class: String,
    /// Whose records are kept.
    #[command(flatten)]
    pub who: Who,
    /// Why. Receipts say it: never name the person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The law it rests on
    #[arg(long, value_name = "TEXT")]
    pub legal_basis: String,
    /// When somebody must look at it again, as `2027-01-31`
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub review: Option<Date>,
    /// Hold exports, too
    #[arg(long)]
    pub exports: bool,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// `lacuna hold lift`.
#[derive(Debug, Args)]
pub(crate) struct HoldLiftArgs {
    /// The hold's id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why. It is kept for ever: never name the person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// `lacuna hold list`.
#[derive(Debug, Args)]
pub(crate) struct HoldListArgs {
    /// Also those that were lifted
    #[arg(long)]
    pub all: bool,
    /// Only those that somebody should have looked at by then, as `2027-01-31`
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub review_by: Option<Date>,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// `lacuna ledger`.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Read the whole audit chain, and say whether any entry was changed, removed or moved
    Verify(LedgerVerifyArgs),
    /// Write the audit chain to standard output, one JSON object a line
    Export(LedgerExportArgs),
}

/// `lacuna ledger verify`.
#[derive(Debug, Args)]
pub(crate) struct LedgerVerifyArgs {
    /// Receipts whose heads the chain must lead through: so a cut end shows
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub receipts: Vec<PathBuf>,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

/// `lacuna ledger export`.
#[derive(Debug, Args)]
pub(crate) struct LedgerExportArgs {
    /// The number of the first entry
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from: u64,
    /// Where, and by whom.
    #[command(flatten)]
    pub acting: Acting,
}

fn state(text: &str) -> Result<State, String> {
    let text = text.replace('-', "_");
    State::ALL
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("is no state; {}", crate::nearest::hint(&text, State::ALL.map(State::as_str))))
}

fn kind(text: &str) -> Result<Kind, String> {
    let text = text.replace('-', "_");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| format!("is no kind of request; {}", crate::nearest::hint(&text, Kind::ALL.map(Kind::as_str))))
}
