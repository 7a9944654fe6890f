//! Who does something to a request.

use std::fmt;

/// Somebody who acts: an account's name, never an identifier of the person a request is about, and what the account may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account's name, as the audit chain shows it for ever.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Actor {
    /// `name`, in this role.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role }
    }

    /// A worker of this name.
    pub fn worker(name: impl Into<String>) -> Self {
        Self::new(name, Role::Worker)
    }
}

/// What an actor may do; [`next`](crate::next) says it for each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Submits requests and takes them back.
    Requester,
    /// Decides on them.
    Approver,
    /// Keeps their clock and the holds.
    Operator,
    /// Works through them.
    Worker,
}

impl Role {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Requester, Self::Approver, Self::Operator, Self::Worker];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
