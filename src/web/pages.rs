//! The pages people see: the operator's overview and what is around every page of the dashboard, one page for every end of
//! a connect.
//!
//! A page is a struct of plain values with a `render()`; it knows nothing of the database, of cookies or of HTTP
//! status codes. Pages carry no inline script and no inline style, and are whole without any.
//!
//! Invariant: every value is escaped by its template, and every failure shown says what to do.

mod frame;
mod incidents;
mod message;
mod outcomes;
mod refusals;
mod rows;
mod status;

pub use frame::{Bar, Chart, Frame, Here, When};
pub use incidents::{AlertRow, Needs, OutageRow};
pub use message::MessagePage;
pub(super) use rows::Shown;
pub use rows::{ConnectionCounts, ConnectionRow, Listing, OrderRow, ParkedRow, ProviderRow, SpendRow, TokenClock};
pub use status::StatusPage;

/// The stylesheet of all pages, to be served as `/assets/style.css`.
pub const STYLE: &str = include_str!("../../templates/style.css");

/// Keeps a page up to date while it is looked at; served as `/assets/live.js`.
pub const LIVE: &str = include_str!("../../templates/live.js");

/// How good or bad something is. Always shown with a word or a shape too, never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Needs an eye.
    Warn,
    /// Needs a hand.
    Bad,
    /// Neither.
    Quiet,
}

impl Tone {
    /// The class in `style.css`, also the name of the shape in `icons.html`.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Quiet => "quiet",
        }
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
