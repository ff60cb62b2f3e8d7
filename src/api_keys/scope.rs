//! What a key may do. Few and plain: who needs more scopes has more keys.

use std::str::FromStr;

use serde::Serialize;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, clap::ValueEnum)]
pub enum Scope {
    /// Send orders
    #[serde(rename = "orders:write")]
    #[value(name = "orders:write")]
    OrdersWrite,
    /// See everything but tokens
    #[serde(rename = "read")]
    Read,
    /// Connect, renew, disconnect, retry, skip, sync, add accounts, change settings
    #[serde(rename = "manage")]
    Manage,
    /// Fetch live access tokens
    #[serde(rename = "tokens")]
    Tokens,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::OrdersWrite, Self::Read, Self::Manage, Self::Tokens];

    /// The word on command lines, in the document and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrdersWrite => "orders:write",
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Tokens => "tokens",
        }
    }

    /// What it allows, in words.
    pub fn allows(self) -> &'static str {
        match self {
            Self::OrdersWrite => "send orders",
            Self::Read => "see everything but tokens",
            Self::Manage => {
                "make connect links, renew, probe and disconnect connections, retry and skip orders, sync, add and change \
                 accounts and their settings"
            }
            Self::Tokens => "fetch live access tokens",
        }
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(())
    }
}
