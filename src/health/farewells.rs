//! Connections that were ended here while their grants still live at a provider.

use super::{Check, State};
use crate::{store::farewells::Open, words};

pub(super) fn check(open: &Open) -> Check {
    let Some(first) = open.connection_id.filter(|_| open.count > 0) else {
        return Check::ok("farewells", "no ended connection has left a grant behind");
    };
    let message = format!(
        "{} disconnected here, but not given back at the provider",
        words::count(open.count.unsigned_abs(), "grant")
    );
    let remedy = format!("run `lamplighter connection disconnect {first} --yes` again when the provider answers");
    Check::new("farewells", State::Warn, message, remedy)
}
