//! Who may move which request where: the whole table, to be read, and every combination checked against it.

use lacuna_ledger::Role::{Approver, Operator, Requester, Worker};
use lacuna_ledger::State::{
    AwaitingApproval, Cancelled, Complete, Denied, Expired, Failed, Incomplete, Received, Running, Scheduled, Verifying,
};
use lacuna_ledger::{Kind, Refusal, Role, State, Step, next};

/// Which kinds of requests a step is for.
#[derive(PartialEq)]
enum Of {
    All,
    Erasures,
}

/// Who may take a step, for which requests, and from where to where it moves them.
struct Rule(&'static [Role], Of, &'static [(State, State)]);

#[rustfmt::skip]
fn rule(step: Step) -> Rule {
    match step {
        Step::Schedule => Rule(&[Worker], Of::All, &[(Received, Scheduled)]),
        Step::Counted => Rule(&[Worker], Of::Erasures, &[(Received, AwaitingApproval)]),
        Step::Approve { enough: false, force: false } => Rule(&[Approver], Of::Erasures, &[(AwaitingApproval, AwaitingApproval)]),
        Step::Approve { enough: true, force: false } => Rule(&[Approver], Of::Erasures, &[(AwaitingApproval, Scheduled)]),
        // By force also before it is counted.
        Step::Approve { enough: false, force: true } => Rule(&[Approver], Of::Erasures, &[
            (Received, Received), (AwaitingApproval, AwaitingApproval),
        ]),
        Step::Approve { enough: true, force: true } => Rule(&[Approver], Of::Erasures, &[
            (Received, Scheduled), (AwaitingApproval, Scheduled),
        ]),
        Step::Deny => Rule(&[Approver], Of::All, &[
            (Received, Denied), (AwaitingApproval, Denied), (Scheduled, Denied),
        ]),
        // Not while it runs: its rows may be gone already.
        Step::Cancel => Rule(&[Requester, Approver, Operator], Of::All, &[
            (Received, Cancelled), (AwaitingApproval, Cancelled), (Scheduled, Cancelled), (Incomplete, Cancelled),
        ]),
        Step::Extend => Rule(&[Approver, Operator], Of::All, &[
            (Received, Received), (AwaitingApproval, AwaitingApproval), (Scheduled, Scheduled), (Running, Running),
            (Verifying, Verifying), (Incomplete, Incomplete),
        ]),
        Step::Pause | Step::Resume => Rule(&[Approver, Operator], Of::All, &[
            (Received, Received), (AwaitingApproval, AwaitingApproval), (Scheduled, Scheduled), (Incomplete, Incomplete),
        ]),
        Step::Force => Rule(&[Approver], Of::Erasures, &[(Scheduled, Scheduled)]),
        Step::Start => Rule(&[Worker], Of::All, &[(Scheduled, Running), (Incomplete, Running)]),
        Step::Verify => Rule(&[Worker], Of::All, &[(Running, Verifying)]),
        Step::Hide => Rule(&[Worker], Of::Erasures, &[(Running, Verifying), (Verifying, Verifying)]),
        Step::Complete => Rule(&[Worker], Of::All, &[(Running, Complete), (Verifying, Complete)]),
        Step::Incomplete => Rule(&[Worker], Of::All, &[(Running, Incomplete), (Verifying, Incomplete)]),
        Step::OverLimits => Rule(&[Worker], Of::Erasures, &[(Running, AwaitingApproval)]),
        Step::Fail => Rule(&[Worker], Of::All, &[
            (Received, Failed), (Running, Failed), (Verifying, Failed), (Incomplete, Failed),
        ]),
        Step::Expire => Rule(&[Worker], Of::All, &[(Received, Expired), (AwaitingApproval, Expired)]),
    }
}

const STEPS: [Step; 20] = [
    Step::Schedule,
    Step::Counted,
    Step::Approve { enough: false, force: false },
    Step::Approve { enough: true, force: false },
    Step::Approve { enough: false, force: true },
    Step::Approve { enough: true, force: true },
    Step::Deny,
    Step::Cancel,
    Step::Extend,
    Step::Pause,
    Step::Resume,
    Step::Force,
    Step::Start,
    Step::Verify,
    Step::Hide,
    Step::Complete,
    Step::Incomplete,
    Step::OverLimits,
    Step::Fail,
    Step::Expire,
];

fn expected(state: State, kind: Kind, step: Step, role: Role) -> Result<State, Refusal> {
    let Rule(roles, of, moves) = rule(step);
    if [Complete, Failed, Denied, Cancelled, Expired].contains(&state) {
        return Err(Refusal::Ended(state));
    }
    if !roles.contains(&role) {
        return Err(Refusal::Role(role));
    }
    if of == Of::Erasures && !matches!(kind, Kind::Erase | Kind::ExportAndErase) {
        return Err(Refusal::Kind(kind));
    }
    moves.iter().find(|(from, _)| *from == state).map(|(_, to)| *to).ok_or(Refusal::State(state))
}

#[test]
fn every_step_of_everybody_from_everywhere_is_as_the_table_says() {
    for state in State::ALL {
        for kind in Kind::ALL {
            for step in STEPS {
                for role in Role::ALL {
                    let (is, ought) = (next(state, kind, step, role), expected(state, kind, step, role));
                    assert_eq!(is, ought, "{state}, {kind}, {step:?}, by a {role}");
                }
            }
        }
    }
}
