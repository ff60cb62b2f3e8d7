//! How many rows a list prints. One more than that is asked for, which tells whether there is more: nothing is left out
//! silently.

use clap::Args;

use super::output;

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Limit {
    /// The most rows
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
}

impl Limit {
    /// How many rows to ask for.
    pub(super) fn asked(self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// Leaves as many rows as are to be printed; whether there is more.
    pub(super) fn cut<T>(self, rows: &mut Vec<T>) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        more
    }

    /// Says, where scripts do not read, that there is more, and how to see it.
    pub(super) fn hint(self, how: &str) {
        output::complain(&format!("There are more than {}: {how}", self.limit));
    }
}
